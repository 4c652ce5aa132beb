"""Limits of tendons' lengths: two rows each, lower and upper end (MuJoCo: mj_instantiateLimit)."""

import numpy as np
import warp as wp

from genesis.model.contact import is_disabled
from genesis.model.rows import LIMIT, Block, RowKind, Slots, Structure
from genesis.types import real, taped


def describe(model: Structure) -> Slots:
    """Of tendons that the scene limits; ``ten_limited``: which these are."""
    m = model.mj_model
    limited = np.zeros(m.ntendon, dtype=np.int32)
    if not is_disabled(m, "LIMIT"):
        limited[m.tendon_limited.astype(bool)] = 1
    tendons = np.flatnonzero(limited)
    elements = [[Block(model.tendon_dofs(t), LIMIT, t)] * 2 for t in tendons.tolist()]
    return Slots(
        elements,
        [("tendon", t) for t in tendons.tolist()],
        ("the lower limit of", "the upper limit of"),
        present=bool(elements),
        indices={"ten_limited": limited, "tendon_limit_tendon": tendons},
        constants={"tendon_margin": np.array(m.tendon_margin)},
        theta={name: np.array(getattr(m, name)) for name in ("tendon_range", "tendon_solref_lim", "tendon_solimp_lim")},
    )


@taped
def tendon_limits(
    tendon_limit_tendon: wp.array(dtype=int),
    tendon_limit_row: wp.array(dtype=int),
    efc_dof_adr: wp.array(dtype=int),
    ten_dof_adr: wp.array(dtype=int),
    tendon_margin: wp.array(dtype=real),
    tendon_range: wp.array3d(dtype=real),
    tendon_invweight0: wp.array2d(dtype=real),
    ten_length: wp.array2d(dtype=real),
    ten_J: wp.array2d(dtype=real),
    efc_J: wp.array2d(dtype=real),
    efc_pos: wp.array2d(dtype=real),
    efc_diag: wp.array2d(dtype=real),
    efc_active: wp.array2d(dtype=int),
):
    """pos = distance to the end of the range, beyond the margin; J = J of the tendon (lower), or minus it (upper)."""
    w = wp.tid()
    sides = int(2)  # a variable: the loop stays a loop
    for k in range(tendon_limit_tendon.shape[0]):
        t = tendon_limit_tendon[k]
        first = ten_dof_adr[t]
        n = ten_dof_adr[t + 1] - first
        for s in range(sides):
            row = tendon_limit_row[k] + s
            sign = real(1 - 2 * s)
            dist = sign * (ten_length[w, t] - tendon_range[w, t, s]) - tendon_margin[t]
            efc_active[w, row] = 0
            if dist < real(0.0):
                for e in range(n):
                    efc_J[w, efc_dof_adr[row] + e] = sign * ten_J[w, first + e]
                efc_pos[w, row] = dist
                efc_diag[w, row] = tendon_invweight0[w, t]
                efc_active[w, row] = 1


KIND = RowKind("tendon_limit", describe, (tendon_limits,), "tendon_solref_lim", "tendon_solimp_lim")
