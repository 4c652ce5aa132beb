"""Equality of two bodies: a common point (connect), or a common pose (weld) (MuJoCo: mj_instantiateEquality, mj_Jdotv).

With p the anchor on each body, and q the orientation of each (that of the second turned by a site's, if it has one):

    pos = p1 - p2,                      J = J_p1 - J_p2
    pos = s vec(conj(q2) q1 relpose),   J = s / 2 vec(conj(q2) (J_w1 - J_w2) q1 relpose)      s: torquescale

and bias = dJ/dt qvel, the second derivative of pos at zero joint acceleration.
"""

import mujoco
import numpy as np
import warp as wp

from genesis.constants import WELD_WIDTH
from genesis.math.spatial import quat_conj, quat_identity, quat_mul, quat_rotate, rotation, translation
from genesis.model.contact import is_disabled
from genesis.model.rows import EQUALITY, Block, RowKind, Slots, Structure
from genesis.rigid.kernels.constraint.groups import BodyMotion, RowValues
from genesis.rigid.kernels.kinematics import read_quat, read_vec3
from genesis.types import real, taped, vec3, vec4, vec6

HALF = real(0.5)
# MuJoCo's defaults, of welds made at run time.
SOLREF, SOLIMP = (0.02, 1.0), (0.9, 0.95, 0.001, 0.5, 2.0)
IDENTITY = (1.0, 0.0, 0.0, 0.0)


def equalities(m: mujoco.MjModel, *types: mujoco.mjtEq) -> list[int]:
    """Numbers of the equality constraints of these types; none where the scene has equality disabled."""
    if is_disabled(m, "EQUALITY"):
        return []
    return np.flatnonzero(np.isin(m.eq_type, [int(kind) for kind in types])).tolist()


def equality_parameters(model: Structure) -> dict[str, np.ndarray]:
    """Parameters of all equality constraints, (neq, ...): eq_data (neq, 11), eq_solref, eq_solimp.

    eq_data is MuJoCo's: of joints and tendons the polynomial's coefficients; of connect the anchors on both bodies; of
    weld the anchor on the second body, that on the first, relative pose, torquescale. Where a file names two sites, the
    anchors are where these sit on their bodies, and the relative pose begins with the first site's orientation.
    """
    m = model.mj_model
    data = np.array(m.eq_data)
    for i in np.flatnonzero(m.eq_objtype == int(mujoco.mjtObj.mjOBJ_SITE)):
        one, two = int(m.eq_obj1id[i]), int(m.eq_obj2id[i])
        if m.eq_type[i] == int(mujoco.mjtEq.mjEQ_CONNECT):
            data[i, :3], data[i, 3:6] = m.site_pos[one], m.site_pos[two]
        elif m.eq_type[i] == int(mujoco.mjtEq.mjEQ_WELD):
            data[i, :3], data[i, 3:6], data[i, 6:10] = m.site_pos[two], m.site_pos[one], m.site_quat[one]
    return {"eq_data": data, "eq_solref": np.array(m.eq_solref), "eq_solimp": np.array(m.eq_solimp)}


def describe(model: Structure) -> Slots:
    """Of pairs of bodies at least one of which can move.

    body_equality_id (n,): number of the constraint; body_equality_body (n, 2); body_equality_weld (n,): 1 for a weld;
    body_equality_sign: of each dof of the rows whether it moves the first and the second body, (entries, 2), from
    body_equality_sign_adr (n,) on. In the constants body_equality_frame (n, 4): orientation of the second body's site.
    """
    m = model.mj_model
    weld, site = int(mujoco.mjtEq.mjEQ_WELD), int(mujoco.mjtObj.mjOBJ_SITE)
    elements, numbers, bodies, welds, signs, starts, frames = [], [], [], [], [], [], []
    for i in equalities(m, mujoco.mjtEq.mjEQ_CONNECT, mujoco.mjtEq.mjEQ_WELD):
        one, two = int(m.eq_obj1id[i]), int(m.eq_obj2id[i])
        by_site = m.eq_objtype[i] == site
        frames_of = m.site_quat[two] if by_site else IDENTITY
        pair = (int(m.site_bodyid[one]), int(m.site_bodyid[two])) if by_site else (one, two)
        chains = [set(model.dof_chain(body)) for body in pair]
        dofs = sorted(chains[0] | chains[1])
        if not dofs:
            continue
        elements.append([Block(dofs, EQUALITY, i, 6 if m.eq_type[i] == weld else 3)])
        numbers.append(i)
        bodies.append(pair)
        welds.append(m.eq_type[i] == weld)
        frames.append(frames_of)
        starts.append(len(signs))
        signs += [(dof in chains[0], dof in chains[1]) for dof in dofs]
    return Slots(
        elements,
        [("equality", i) for i in numbers],
        present=bool(elements),
        indices={
            "body_equality_id": numbers,
            "body_equality_body": np.reshape(bodies, (-1, 2)),
            "body_equality_weld": welds,
            "body_equality_sign": np.reshape(signs, (-1, 2)),
            "body_equality_sign_adr": starts,
        },
        constants={"body_equality_frame": np.reshape(frames, (-1, 4))},
        theta=equality_parameters(model),
    )


@wp.func
def vector_part(q: vec4) -> vec3:
    return vec3(q[1], q[2], q[3])


@wp.func
def pure(v: vec3) -> vec4:
    return vec4(real(0.0), v[0], v[1], v[2])


@wp.func
def point_velocity(cvel: vec6, arm: vec3) -> vec3:
    """Velocity of a point of a body whose spatial velocity about the reference point is ``cvel``."""
    return translation(cvel) + wp.cross(rotation(cvel), arm)


@wp.func
def point_acceleration(cvel: vec6, cacc: vec6, arm: vec3) -> vec3:
    """Second derivative of the point's position."""
    return translation(cacc) + wp.cross(rotation(cacc), arm) + wp.cross(rotation(cvel), point_velocity(cvel, arm))


@wp.func
def write_body_rows(
    w: int,
    row: int,
    b1: int,
    b2: int,
    is_weld: int,
    anchor1: vec3,
    anchor2: vec3,
    relpose: vec4,
    frame: vec4,
    scale: real,
    sign: wp.array2d(dtype=int),
    sign_adr: int,
    bodies: BodyMotion,
    rows: RowValues,
):
    """The rows of two bodies that are held together: three, or six of a weld.

    ``anchor``: on each body; ``relpose``: by which the first is turned, ``frame``: by which the second is; ``scale``:
    torquescale; ``sign``, from ``sign_adr`` on: of each dof whether it moves the first and the second body.
    """
    axes = int(3)  # a variable: the loops stay loops
    p1 = bodies.xpos[w, b1] + quat_rotate(bodies.xquat[w, b1], anchor1)
    p2 = bodies.xpos[w, b2] + quat_rotate(bodies.xquat[w, b2], anchor2)
    gap = p1 - p2
    rate = point_acceleration(
        bodies.cvel[w, b1], bodies.cacc_bias[w, b1], p1 - bodies.xref[w, b1]
    ) - point_acceleration(bodies.cvel[w, b2], bodies.cacc_bias[w, b2], p2 - bodies.xref[w, b2])
    for r in range(axes):
        rows.efc_pos[w, row + r] = gap[r]
        rows.efc_bias[w, row + r] = rate[r]
        rows.efc_diag[w, row + r] = bodies.body_invweight0[w, b1, 0] + bodies.body_invweight0[w, b2, 0]
    turned = quat_mul(bodies.xquat[w, b1], relpose)
    inverse = quat_conj(quat_mul(bodies.xquat[w, b2], frame))
    if is_weld == 1:
        error = scale * vector_part(quat_mul(inverse, turned))
        w1 = rotation(bodies.cvel[w, b1])
        w2 = rotation(bodies.cvel[w, b2])
        relative = pure(w1 - w2)
        # the derivative of inverse * relative * turned
        inner = (
            pure(rotation(bodies.cacc_bias[w, b1]) - rotation(bodies.cacc_bias[w, b2]))
            + HALF * quat_mul(relative, pure(w1))
            - HALF * quat_mul(pure(w2), relative)
        )
        turning = HALF * scale * vector_part(quat_mul(quat_mul(inverse, inner), turned))
        for r in range(axes):
            rows.efc_pos[w, row + 3 + r] = error[r]
            rows.efc_bias[w, row + 3 + r] = turning[r]
            rows.efc_diag[w, row + 3 + r] = bodies.body_invweight0[w, b1, 1] + bodies.body_invweight0[w, b2, 1]
    start = rows.efc_dof_adr[row]
    for e in range(rows.efc_dof_adr[row + 1] - start):
        d = rows.efc_dof[start + e]
        on1 = real(sign[sign_adr + e, 0])
        on2 = real(sign[sign_adr + e, 1])
        origin = bodies.xref[w, bodies.dof_bodyid[d]]
        axis = bodies.cdof[w, d]
        move = on1 * point_velocity(axis, p1 - origin) - on2 * point_velocity(axis, p2 - origin)
        for r in range(axes):
            rows.efc_J[w, rows.efc_dof_adr[row + r] + e] = move[r]
        if is_weld == 1:
            turn = (on1 - on2) * rotation(axis)
            column = HALF * scale * vector_part(quat_mul(quat_mul(inverse, pure(turn)), turned))
            for r in range(axes):
                rows.efc_J[w, rows.efc_dof_adr[row + 3 + r] + e] = column[r]


@taped
def body_equalities(
    body_equality_id: wp.array(dtype=int),
    body_equality_row: wp.array(dtype=int),
    body_equality_body: wp.array2d(dtype=int),
    body_equality_weld: wp.array(dtype=int),
    body_equality_sign: wp.array2d(dtype=int),
    body_equality_sign_adr: wp.array(dtype=int),
    body_equality_frame: wp.array2d(dtype=real),
    eq_active: wp.array2d(dtype=int),
    eq_data: wp.array3d(dtype=real),
    bodies: BodyMotion,
    rows: RowValues,
):
    """Three rows of a connect, six of a weld."""
    w = wp.tid()
    for k in range(body_equality_id.shape[0]):
        i = body_equality_id[k]
        row = body_equality_row[k]
        is_weld = body_equality_weld[k]
        for r in range(3 * (1 + is_weld)):
            rows.efc_active[w, row + r] = eq_active[w, i]
        if eq_active[w, i] == 1:
            first = vec3(eq_data[w, i, 0], eq_data[w, i, 1], eq_data[w, i, 2])
            second = vec3(eq_data[w, i, 3], eq_data[w, i, 4], eq_data[w, i, 5])
            anchor1 = first
            anchor2 = second
            if is_weld == 1:
                anchor1 = second
                anchor2 = first
            relpose = vec4(eq_data[w, i, 6], eq_data[w, i, 7], eq_data[w, i, 8], eq_data[w, i, 9])
            frame = vec4(
                body_equality_frame[k, 0],
                body_equality_frame[k, 1],
                body_equality_frame[k, 2],
                body_equality_frame[k, 3],
            )
            write_body_rows(
                w,
                row,
                body_equality_body[k, 0],
                body_equality_body[k, 1],
                is_weld,
                anchor1,
                anchor2,
                relpose,
                frame,
                eq_data[w, i, 10],
                body_equality_sign,
                body_equality_sign_adr[k],
                bodies,
                rows,
            )


KIND = RowKind("body_equality", describe, (body_equalities,), "eq_solref", "eq_solimp")


def describe_made(model: Structure) -> Slots:
    """Welds made at run time, of pairs of bodies that have been welded before (``weld_pairs``).

    The same arrays as those of `describe`, called ``made_weld_...``; made_weld_id (n,): columns of eq_active, behind
    those of the model file. One softness stands for all.
    """
    elements, signs, starts = [], [], []
    for pair in model.weld_pairs:
        chains = [set(model.dof_chain(body)) for body in pair]
        dofs = sorted(chains[0] | chains[1])
        elements.append([Block(dofs, EQUALITY, 0, 6)])
        starts.append(len(signs))
        signs += [(dof in chains[0], dof in chains[1]) for dof in dofs]
    return Slots(
        elements,
        [("weld", k) for k in range(model.nweld)],
        present=bool(elements),
        indices={
            "made_weld_id": [int(model.mj_model.neq) + k for k in range(model.nweld)],
            "made_weld_body": np.reshape(model.weld_pairs, (-1, 2)),
            "made_weld_sign": np.reshape(signs, (-1, 2)),
            "made_weld_sign_adr": starts,
        },
        theta={"weld_solref": np.array([SOLREF]), "weld_solimp": np.array([SOLIMP])},
    )


@taped
def made_welds(
    made_weld_id: wp.array(dtype=int),
    made_weld_row: wp.array(dtype=int),
    made_weld_body: wp.array2d(dtype=int),
    made_weld_sign: wp.array2d(dtype=int),
    made_weld_sign_adr: wp.array(dtype=int),
    eq_active: wp.array2d(dtype=int),
    weld: wp.array2d(dtype=real),
    bodies: BodyMotion,
    rows: RowValues,
):
    """Six rows of each; ``weld``: anchor on the second body, that on the first, relative pose (`Command`)."""
    w = wp.tid()
    for k in range(made_weld_id.shape[0]):
        i = made_weld_id[k]
        row = made_weld_row[k]
        for r in range(6):
            rows.efc_active[w, row + r] = eq_active[w, i]
        if eq_active[w, i] == 1:
            c = WELD_WIDTH * k
            write_body_rows(
                w,
                row,
                made_weld_body[k, 0],
                made_weld_body[k, 1],
                1,
                read_vec3(weld, w, c + 3),
                read_vec3(weld, w, c),
                read_quat(weld, w, c + 6),
                quat_identity(),
                real(1.0),
                made_weld_sign,
                made_weld_sign_adr[k],
                bodies,
                rows,
            )


MADE_KIND = RowKind("made_weld", describe_made, (made_welds,), "weld_solref", "weld_solimp")
