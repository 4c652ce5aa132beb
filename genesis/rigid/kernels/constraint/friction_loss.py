"""Friction loss of dofs: a force against the motion, up to a bound (MuJoCo: mj_instantiateFriction)."""

import numpy as np
import warp as wp

from genesis.model.contact import is_disabled
from genesis.model.rows import FRICTION, Block, RowKind, Slots, Structure
from genesis.types import real, taped


def describe(model: Structure) -> Slots:
    """Of every dof, since a loss that is zero may be set later; ``frictionloss_on``: whether the scene has any."""
    m = model.mj_model
    on = not is_disabled(m, "FRICTIONLOSS")
    return Slots(
        [[Block([dof], FRICTION, dof)] for dof in range(m.nv if on else 0)],
        [("dof", dof) for dof in range(m.nv if on else 0)],
        ("the friction loss of",),
        present=on and bool((m.dof_frictionloss > 0).any()),
        indices={"frictionloss_on": np.array([on])},
        theta={name: np.array(getattr(m, name)) for name in ("dof_frictionloss", "dof_solref", "dof_solimp")},
    )


@taped
def friction_losses(
    friction_loss_row: wp.array(dtype=int),
    efc_dof_adr: wp.array(dtype=int),
    dof_frictionloss: wp.array2d(dtype=real),
    dof_invweight0: wp.array2d(dtype=real),
    efc_J: wp.array2d(dtype=real),
    efc_pos: wp.array2d(dtype=real),
    efc_diag: wp.array2d(dtype=real),
    efc_loss: wp.array2d(dtype=real),
    efc_active: wp.array2d(dtype=int),
):
    """J = 1, pos = 0, where the loss is above zero."""
    w = wp.tid()
    for i in range(friction_loss_row.shape[0]):
        row = friction_loss_row[i]
        efc_active[w, row] = 0
        if dof_frictionloss[w, i] > real(0.0):
            efc_J[w, efc_dof_adr[row]] = real(1.0)
            efc_pos[w, row] = real(0.0)
            efc_loss[w, row] = dof_frictionloss[w, i]
            efc_diag[w, row] = dof_invweight0[w, i]
            efc_active[w, row] = 1


KIND = RowKind("friction_loss", describe, (friction_losses,), "dof_solref", "dof_solimp")
