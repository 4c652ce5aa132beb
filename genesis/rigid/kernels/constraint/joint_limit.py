"""Limits of joints: two rows each, lower and upper end; a ball joint has one, the angle.

MuJoCo: mj_instantiateLimit.
"""

import mujoco
import numpy as np
import warp as wp

from genesis.math.spatial import quat_log, quat_normalize
from genesis.model.contact import is_disabled
from genesis.model.rows import LIMIT, Block, RowKind, Slots, Structure
from genesis.rigid.kernels.kinematics import BALL, read_quat
from genesis.types import real, taped


def describe(model: Structure) -> Slots:
    """Of joints that the scene limits; ``jnt_limited``: which these are."""
    m = model.mj_model
    free, ball = (int(getattr(mujoco.mjtJoint, f"mjJNT_{name}")) for name in ("FREE", "BALL"))
    limited = np.zeros(m.njnt, dtype=np.int32)
    if not is_disabled(m, "LIMIT"):
        limited[(m.jnt_type != free) & m.jnt_limited.astype(bool)] = 1
    joints = np.flatnonzero(limited)
    elements = []
    for j in joints.tolist():
        dof = int(m.jnt_dofadr[j])
        one = Block([dof], LIMIT, j)
        elements.append([Block([dof, dof + 1, dof + 2], LIMIT, j)] if m.jnt_type[j] == ball else [one, one])
    count = m.njnt if len(joints) else 0
    return Slots(
        elements,
        [("joint", j) for j in joints.tolist()],
        ("the lower limit of", "the upper limit of"),
        present=bool(elements),
        indices={"jnt_limited": limited, "joint_limit_jnt": joints},
        constants={"jnt_margin": np.array(m.jnt_margin)},
        theta={name: np.array(getattr(m, name)[:count]) for name in ("jnt_range", "jnt_solref", "jnt_solimp")},
    )


@taped
def joint_limits(
    joint_limit_jnt: wp.array(dtype=int),
    joint_limit_row: wp.array(dtype=int),
    efc_dof_adr: wp.array(dtype=int),
    jnt_type: wp.array(dtype=int),
    jnt_qposadr: wp.array(dtype=int),
    jnt_dofadr: wp.array(dtype=int),
    jnt_margin: wp.array(dtype=real),
    jnt_range: wp.array3d(dtype=real),
    dof_invweight0: wp.array2d(dtype=real),
    qpos: wp.array2d(dtype=real),
    efc_J: wp.array2d(dtype=real),
    efc_pos: wp.array2d(dtype=real),
    efc_diag: wp.array2d(dtype=real),
    efc_active: wp.array2d(dtype=int),
):
    """pos = distance to the end of the range, beyond the margin; J = +1 (lower), -1 (upper), or the ball's axis."""
    w = wp.tid()
    sides = int(2)  # a variable: the loop stays a loop
    for k in range(joint_limit_jnt.shape[0]):
        j = joint_limit_jnt[k]
        row = joint_limit_row[k]
        q = jnt_qposadr[j]
        weight = dof_invweight0[w, jnt_dofadr[j]]
        if jnt_type[j] == BALL:
            efc_active[w, row] = 0
            twist = quat_log(quat_normalize(read_quat(qpos, w, q)))
            angle2 = wp.dot(twist, twist)
            if angle2 > real(0.0):
                angle = wp.sqrt(angle2)
                left = wp.max(jnt_range[w, j, 0], jnt_range[w, j, 1]) - angle - jnt_margin[j]
                if left < real(0.0):
                    axis = twist * (real(-1.0) / angle)
                    for i in range(3):
                        efc_J[w, efc_dof_adr[row] + i] = axis[i]
                    efc_pos[w, row] = left
                    efc_diag[w, row] = weight
                    efc_active[w, row] = 1
        else:
            for s in range(sides):
                sign = real(1 - 2 * s)
                dist = sign * (qpos[w, q] - jnt_range[w, j, s]) - jnt_margin[j]
                efc_active[w, row + s] = 0
                if dist < real(0.0):
                    efc_J[w, efc_dof_adr[row + s]] = sign
                    efc_pos[w, row + s] = dist
                    efc_diag[w, row + s] = weight
                    efc_active[w, row + s] = 1


KIND = RowKind("joint_limit", describe, (joint_limits,), "jnt_solref", "jnt_solimp")
