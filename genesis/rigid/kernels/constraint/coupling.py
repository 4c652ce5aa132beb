"""Equality of joints and of tendons: one is a polynomial of the other, or stays where it is (MuJoCo: mjEQ_JOINT,
mjEQ_TENDON in mj_instantiateEquality).

    pos = x1 - x1_0 - polynomial(x2 - x2_0),   J = J1 - polynomial' J2

x: position of the joint or length of the tendon, x_0: that at qpos0. Of URDF joints this is <mimic>.
"""

import mujoco
import numpy as np
import warp as wp

from genesis.model.rows import EQUALITY, Block, RowKind, Slots, Structure
from genesis.rigid.kernels.constraint.equality import equalities, equality_parameters
from genesis.rigid.kernels.constraint.groups import RowValues
from genesis.types import real, taped


def describe_joints(model: Structure) -> Slots:
    """Of pairs of hinges or slides, or of one (then its partner is -1)."""
    m = model.mj_model
    chosen = equalities(m, mujoco.mjtEq.mjEQ_JOINT)
    pairs = [(int(m.eq_obj1id[i]), int(m.eq_obj2id[i])) for i in chosen]
    dofs = [sorted({int(m.jnt_dofadr[j]) for j in pair if j >= 0}) for pair in pairs]
    return _coupled(model, chosen, pairs, dofs, "joint")


def describe_tendons(model: Structure) -> Slots:
    """Of pairs of tendons, or of one (then its partner is -1).

    ``ten_place``: where each entry of the two tendons' J is in that of the row, ragged by pair: first one's, second's.
    """
    m = model.mj_model
    chosen = equalities(m, mujoco.mjtEq.mjEQ_TENDON)
    pairs = [(int(m.eq_obj1id[i]), int(m.eq_obj2id[i])) for i in chosen]
    chains = [[model.tendon_dofs(t) if t >= 0 else [] for t in pair] for pair in pairs]
    dofs = [sorted({*one, *two}) for one, two in chains]
    slots = _coupled(model, chosen, pairs, dofs, "tendon")
    places, bounds = [], [0]
    for row, chain in zip(dofs, chains, strict=True):
        for one in chain:
            places += [row.index(dof) for dof in one]
            bounds.append(len(places))
    slots.indices |= {"tendon_equality_place": places, "tendon_equality_place_adr": bounds}
    slots.constants["tendon_length0"] = np.array(m.tendon_length0)
    return slots


def _coupled(model: Structure, chosen: list[int], pairs: list, dofs: list, kind: str) -> Slots:
    return Slots(
        [[Block(chain, EQUALITY, i)] for i, chain in zip(chosen, dofs, strict=True)],
        [("equality", i) for i in chosen],
        present=bool(chosen),
        indices={
            f"{kind}_equality_id": chosen,
            f"{kind}_equality_pair": np.reshape(pairs, (-1, 2)),
        },
        theta=equality_parameters(model),
    )


@wp.func
def polynomial(eq_data: wp.array3d(dtype=real), w: int, i: int, x: real) -> real:
    """data[0] + data[1] x + ... + data[4] x^4."""
    return eq_data[w, i, 0] + x * (
        eq_data[w, i, 1] + x * (eq_data[w, i, 2] + x * (eq_data[w, i, 3] + x * eq_data[w, i, 4]))
    )


@wp.func
def polynomial_slope(eq_data: wp.array3d(dtype=real), w: int, i: int, x: real) -> real:
    """Its derivative."""
    return eq_data[w, i, 1] + x * (
        real(2.0) * eq_data[w, i, 2] + x * (real(3.0) * eq_data[w, i, 3] + x * real(4.0) * eq_data[w, i, 4])
    )


@taped
def joint_equalities(
    joint_equality_id: wp.array(dtype=int),
    joint_equality_pair: wp.array2d(dtype=int),
    joint_equality_row: wp.array(dtype=int),
    rows: RowValues,
    jnt_qposadr: wp.array(dtype=int),
    jnt_dofadr: wp.array(dtype=int),
    qpos0: wp.array(dtype=real),
    eq_active: wp.array2d(dtype=int),
    eq_data: wp.array3d(dtype=real),
    dof_invweight0: wp.array2d(dtype=real),
    qpos: wp.array2d(dtype=real),
):
    """Of hinges and slides."""
    w = wp.tid()
    for k in range(joint_equality_id.shape[0]):
        i = joint_equality_id[k]
        row = joint_equality_row[k]
        rows.efc_active[w, row] = eq_active[w, i]
        if eq_active[w, i] == 1:
            j = joint_equality_pair[k, 0]
            other = joint_equality_pair[k, 1]
            q = jnt_qposadr[j]
            d = jnt_dofadr[j]
            own = qpos[w, q] - qpos0[q]
            e = rows.efc_dof_adr[row]
            rows.efc_bias[w, row] = real(0.0)
            if other < 0:
                rows.efc_J[w, e] = real(1.0)
                rows.efc_pos[w, row] = own - eq_data[w, i, 0]
                rows.efc_diag[w, row] = dof_invweight0[w, d]
            else:
                q2 = jnt_qposadr[other]
                d2 = jnt_dofadr[other]
                x = qpos[w, q2] - qpos0[q2]
                slope = polynomial_slope(eq_data, w, i, x)
                if rows.efc_dof[e] == d:
                    rows.efc_J[w, e] = real(1.0)
                    rows.efc_J[w, e + 1] = -slope
                else:
                    rows.efc_J[w, e] = -slope
                    rows.efc_J[w, e + 1] = real(1.0)
                rows.efc_pos[w, row] = own - polynomial(eq_data, w, i, x)
                rows.efc_diag[w, row] = dof_invweight0[w, d] + dof_invweight0[w, d2]


@taped
def tendon_equalities(
    tendon_equality_id: wp.array(dtype=int),
    tendon_equality_pair: wp.array2d(dtype=int),
    tendon_equality_row: wp.array(dtype=int),
    tendon_equality_place: wp.array(dtype=int),
    tendon_equality_place_adr: wp.array(dtype=int),
    rows: RowValues,
    ten_dof_adr: wp.array(dtype=int),
    tendon_length0: wp.array(dtype=real),
    eq_active: wp.array2d(dtype=int),
    eq_data: wp.array3d(dtype=real),
    tendon_invweight0: wp.array2d(dtype=real),
    ten_length: wp.array2d(dtype=real),
    ten_J: wp.array2d(dtype=real),
):
    """Of tendons."""
    w = wp.tid()
    for k in range(tendon_equality_id.shape[0]):
        i = tendon_equality_id[k]
        row = tendon_equality_row[k]
        rows.efc_active[w, row] = eq_active[w, i]
        if eq_active[w, i] == 1:
            t = tendon_equality_pair[k, 0]
            other = tendon_equality_pair[k, 1]
            own = ten_length[w, t] - tendon_length0[t]
            start = rows.efc_dof_adr[row]
            rows.efc_bias[w, row] = real(0.0)
            for e in range(start, rows.efc_dof_adr[row + 1]):
                rows.efc_J[w, e] = real(0.0)
            first = tendon_equality_place_adr[2 * k]
            second = tendon_equality_place_adr[2 * k + 1]
            for e in range(second - first):
                rows.efc_J[w, start + tendon_equality_place[first + e]] += ten_J[w, ten_dof_adr[t] + e]
            if other < 0:
                rows.efc_pos[w, row] = own - eq_data[w, i, 0]
                rows.efc_diag[w, row] = tendon_invweight0[w, t]
            else:
                x = ten_length[w, other] - tendon_length0[other]
                slope = polynomial_slope(eq_data, w, i, x)
                for e in range(tendon_equality_place_adr[2 * k + 2] - second):
                    rows.efc_J[w, start + tendon_equality_place[second + e]] += (
                        -slope * ten_J[w, ten_dof_adr[other] + e]
                    )
                rows.efc_pos[w, row] = own - polynomial(eq_data, w, i, x)
                rows.efc_diag[w, row] = tendon_invweight0[w, t] + tendon_invweight0[w, other]


JOINT_KIND = RowKind("joint_equality", describe_joints, (joint_equalities,), "eq_solref", "eq_solimp")
TENDON_KIND = RowKind("tendon_equality", describe_tendons, (tendon_equalities,), "eq_solref", "eq_solimp")
