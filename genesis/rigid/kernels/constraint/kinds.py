"""The table of kinds of constraint rows, in MuJoCo's order: equality, friction loss, limits.

A new kind is a file like its neighbours here, and an entry. Welds made at run time are last, so that rows keep their
numbers when there are more.
"""

from genesis.model.rows import RowKind
from genesis.rigid.kernels.constraint import (
    coupling,
    equality,
    friction_loss,
    joint_limit,
    tendon_friction,
    tendon_limit,
)

KINDS: tuple[RowKind, ...] = (
    equality.KIND,
    coupling.JOINT_KIND,
    coupling.TENDON_KIND,
    friction_loss.KIND,
    tendon_friction.KIND,
    joint_limit.KIND,
    tendon_limit.KIND,
    equality.MADE_KIND,
)
# What a kind's kernels write; each writes the rows of its own.
OUTPUTS = ("efc_J", "efc_pos", "efc_bias", "efc_diag", "efc_loss", "efc_active")
