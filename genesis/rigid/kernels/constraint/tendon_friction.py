"""Friction loss of tendons: a force against the change of length, up to a bound (MuJoCo: mj_instantiateFriction)."""

import numpy as np
import warp as wp

from genesis.model.contact import is_disabled
from genesis.model.rows import FRICTION, Block, RowKind, Slots, Structure
from genesis.types import real, taped


def describe(model: Structure) -> Slots:
    """Of every tendon, since a loss that is zero may be set later."""
    m = model.mj_model
    on = not is_disabled(m, "FRICTIONLOSS")
    tendons = range(m.ntendon if on else 0)
    names = ("tendon_frictionloss", "tendon_solref_fri", "tendon_solimp_fri")
    return Slots(
        [[Block(model.tendon_dofs(t), FRICTION, t)] for t in tendons],
        [("tendon", t) for t in tendons],
        ("the friction loss of",),
        present=on and bool((m.tendon_frictionloss > 0).any()),
        theta={name: np.array(getattr(m, name)) for name in names},
    )


@taped
def tendon_friction_losses(
    tendon_friction_row: wp.array(dtype=int),
    efc_dof_adr: wp.array(dtype=int),
    ten_dof_adr: wp.array(dtype=int),
    tendon_frictionloss: wp.array2d(dtype=real),
    tendon_invweight0: wp.array2d(dtype=real),
    ten_J: wp.array2d(dtype=real),
    efc_J: wp.array2d(dtype=real),
    efc_pos: wp.array2d(dtype=real),
    efc_diag: wp.array2d(dtype=real),
    efc_loss: wp.array2d(dtype=real),
    efc_active: wp.array2d(dtype=int),
):
    """J of the tendon, pos = 0, where the loss is above zero."""
    w = wp.tid()
    for t in range(tendon_friction_row.shape[0]):
        row = tendon_friction_row[t]
        first = ten_dof_adr[t]
        n = ten_dof_adr[t + 1] - first
        efc_active[w, row] = 0
        if tendon_frictionloss[w, t] > real(0.0):
            for e in range(n):
                efc_J[w, efc_dof_adr[row] + e] = ten_J[w, first + e]
            efc_pos[w, row] = real(0.0)
            efc_loss[w, row] = tendon_frictionloss[w, t]
            efc_diag[w, row] = tendon_invweight0[w, t]
            efc_active[w, row] = 1


KIND = RowKind("tendon_friction", describe, (tendon_friction_losses,), "tendon_solref_fri", "tendon_solimp_fri")
