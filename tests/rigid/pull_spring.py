"""A kind of constraint rows that nobody needs: a soft rope between the origins of two links, which only pulls.

All that it takes: which slots there are, a kernel that fills them, and an entry (`tests/rigid/test_new_kind.py`).
"""

import numpy as np
import warp as wp

from genesis.math.spatial import rotation, translation
from genesis.model.rows import LIMIT, Block, RowKind, Slots, Structure
from genesis.types import real, taped, vec3, vec6

LENGTH = 0.3  # of a rope [m]


def describe(model: Structure) -> Slots:
    """One rope for each two bodies whose names begin with "rope"."""
    m = model.mj_model
    bodies = [b for b in range(m.nbody) if m.body(b).name.rpartition("/")[2].startswith("rope")]
    pairs = list(zip(bodies[::2], bodies[1::2], strict=True))
    chains = [[set(model.dof_chain(body)) for body in pair] for pair in pairs]
    dofs = [sorted(one | two) for one, two in chains]
    signs = [(dof in one, dof in two) for chain, (one, two) in zip(dofs, chains, strict=True) for dof in chain]
    return Slots(
        [[Block(chain, LIMIT, k)] for k, chain in enumerate(dofs)],
        [("body", one) for one, _ in pairs],
        ("the rope of",),
        present=bool(pairs),
        indices={"rope_body": np.reshape(pairs, (-1, 2)), "rope_sign": np.reshape(signs, (-1, 2))},
        theta={
            "rope_length": np.full(len(pairs), LENGTH),
            "rope_solref": np.tile([0.05, 1.0], (len(pairs), 1)),
            "rope_solimp": np.tile([0.8, 0.95, 0.1, 0.5, 2.0], (len(pairs), 1)),
        },
    )


@taped
def ropes(
    rope_row: wp.array(dtype=int),
    rope_body: wp.array2d(dtype=int),
    rope_sign: wp.array2d(dtype=int),
    efc_dof: wp.array(dtype=int),
    efc_dof_adr: wp.array(dtype=int),
    dof_bodyid: wp.array(dtype=int),
    rope_length: wp.array2d(dtype=real),
    body_invweight0: wp.array3d(dtype=real),
    xpos: wp.array2d(dtype=vec3),
    xref: wp.array2d(dtype=vec3),
    cdof: wp.array2d(dtype=vec6),
    efc_J: wp.array2d(dtype=real),
    efc_pos: wp.array2d(dtype=real),
    efc_diag: wp.array2d(dtype=real),
    efc_active: wp.array2d(dtype=int),
):
    """pos = what is left of the rope's length, J = its derivative; active where nothing is left."""
    w = wp.tid()
    for k in range(rope_row.shape[0]):
        row = rope_row[k]
        b1 = rope_body[k, 0]
        b2 = rope_body[k, 1]
        between = xpos[w, b2] - xpos[w, b1]
        distance = wp.length(between)
        left = rope_length[w, k] - distance
        efc_active[w, row] = 0
        if left < real(0.0):
            along = between * (real(1.0) / distance)
            for e in range(efc_dof_adr[row], efc_dof_adr[row + 1]):
                d = efc_dof[e]
                turn = rotation(cdof[w, d])
                move1 = translation(cdof[w, d]) + wp.cross(turn, xpos[w, b1] - xref[w, dof_bodyid[d]])
                move2 = translation(cdof[w, d]) + wp.cross(turn, xpos[w, b2] - xref[w, dof_bodyid[d]])
                sign = e - efc_dof_adr[rope_row[0]]
                efc_J[w, e] = wp.dot(along, real(rope_sign[sign, 0]) * move1 - real(rope_sign[sign, 1]) * move2)
            efc_pos[w, row] = left
            efc_diag[w, row] = body_invweight0[w, b1, 0] + body_invweight0[w, b2, 0]
            efc_active[w, row] = 1


KIND = RowKind("rope", describe, (ropes,), "rope_solref", "rope_solimp")
