"""Plastic springs (MuJoCo: springyield): where a spring rests follows its end, once that is too far away.

With x the extension at the end of a step from where the spring rested in it, and y the yield, the rest moves by what
of x is beyond y. A ball joint's moves along the rotation x; both ends of a tendon's range move, but for a range that
begins at 0: where that is slack, only the other end gives way to tension. The length of a tendon at the end of a step
is what its length and Jacobian at the start say of it.
"""

import warp as wp

from genesis.math.spatial import length, quat_exp, quat_mul, quat_normalize, quat_sub
from genesis.rigid.kernels.kinematics import BALL, read_quat
from genesis.rigid.kernels.passive import write_extension
from genesis.rigid.kernels.tendon import beyond_range
from genesis.types import real, taped


@taped
def plastic_passive(
    jnt_type: wp.array(dtype=int),
    jnt_qposadr: wp.array(dtype=int),
    jnt_dofadr: wp.array(dtype=int),
    jnt_plasticadr: wp.array(dtype=int),
    qpos_spring: wp.array(dtype=real),
    dof_stiffness: wp.array2d(dtype=real),
    dof_damping: wp.array2d(dtype=real),
    qpos: wp.array2d(dtype=real),
    qvel: wp.array2d(dtype=real),
    act: wp.array2d(dtype=real),
    spring_extension: wp.array2d(dtype=real),
    qfrc_passive: wp.array2d(dtype=real),
):
    """As `genesis.rigid.kernels.passive.passive`, with the rest of plastic springs from the state."""
    w = wp.tid()
    for j in range(jnt_type.shape[0]):
        q = jnt_qposadr[j]
        d = jnt_dofadr[j]
        p = jnt_plasticadr[j]
        if p < 0:
            write_extension(w, jnt_type[j], q, d, qpos_spring, qpos, spring_extension)
        elif jnt_type[j] == BALL:
            twist = quat_sub(quat_normalize(read_quat(qpos, w, q)), quat_normalize(read_quat(act, w, p)))
            for k in range(3):
                spring_extension[w, d + k] = twist[k]
        else:
            spring_extension[w, d] = qpos[w, q] - act[w, p]
    for i in range(qvel.shape[1]):
        qfrc_passive[w, i] = -dof_stiffness[w, i] * spring_extension[w, i] - dof_damping[w, i] * qvel[w, i]


@taped
def plastic_tendon_forces(
    ten_dof: wp.array(dtype=int),
    ten_dof_adr: wp.array(dtype=int),
    tendon_plasticadr: wp.array(dtype=int),
    tendon_stiffness: wp.array2d(dtype=real),
    tendon_lengthspring: wp.array3d(dtype=real),
    tendon_damping: wp.array2d(dtype=real),
    act: wp.array2d(dtype=real),
    ten_length: wp.array2d(dtype=real),
    ten_velocity: wp.array2d(dtype=real),
    ten_J: wp.array2d(dtype=real),
    ten_extension: wp.array2d(dtype=real),
    qfrc_tendon: wp.array2d(dtype=real),
):
    """As `genesis.rigid.kernels.tendon.tendon_forces`, with the range of plastic springs from the state."""
    w = wp.tid()
    for i in range(qfrc_tendon.shape[1]):
        qfrc_tendon[w, i] = real(0.0)
    for t in range(ten_length.shape[1]):
        p = tendon_plasticadr[t]
        if p < 0:
            ten_extension[w, t] = beyond_range(
                ten_length[w, t], tendon_lengthspring[w, t, 0], tendon_lengthspring[w, t, 1]
            )
        else:
            ten_extension[w, t] = beyond_range(ten_length[w, t], act[w, p], act[w, p + 1])
        force = -tendon_stiffness[w, t] * ten_extension[w, t] - tendon_damping[w, t] * ten_velocity[w, t]
        for e in range(ten_dof_adr[t], ten_dof_adr[t + 1]):
            qfrc_tendon[w, ten_dof[e]] += ten_J[w, e] * force


@taped
def yield_joints(
    jnt_type: wp.array(dtype=int),
    jnt_qposadr: wp.array(dtype=int),
    jnt_plasticadr: wp.array(dtype=int),
    jnt_springyield: wp.array2d(dtype=real),
    act: wp.array2d(dtype=real),
    qpos_next: wp.array2d(dtype=real),
    act_next: wp.array2d(dtype=real),
):
    """Where the springs of joints rest after the step."""
    w = wp.tid()
    for j in range(jnt_type.shape[0]):
        p = jnt_plasticadr[j]
        q = jnt_qposadr[j]
        most = jnt_springyield[w, j]
        if p >= 0 and jnt_type[j] == BALL:
            rest = quat_normalize(read_quat(act, w, p))
            twist = quat_sub(quat_normalize(read_quat(qpos_next, w, q)), rest)
            size = length(twist)
            if size > most:
                moved = quat_mul(rest, quat_exp((real(1.0) - most / size) * twist))
                for k in range(4):
                    act_next[w, p + k] = moved[k]
            else:
                for k in range(4):
                    act_next[w, p + k] = act[w, p + k]
        elif p >= 0:
            act_next[w, p] = act[w, p] + beyond_range(qpos_next[w, q] - act[w, p], -most, most)


@taped
def yield_tendons(
    ten_dof: wp.array(dtype=int),
    ten_dof_adr: wp.array(dtype=int),
    tendon_plasticadr: wp.array(dtype=int),
    tendon_springyield: wp.array2d(dtype=real),
    timestep: real,
    ten_length: wp.array2d(dtype=real),
    ten_J: wp.array2d(dtype=real),
    act: wp.array2d(dtype=real),
    qvel_next: wp.array2d(dtype=real),
    ten_length_next: wp.array2d(dtype=real),
    act_next: wp.array2d(dtype=real),
):
    """The range of the springs of tendons after the step."""
    w = wp.tid()
    for t in range(ten_length.shape[1]):
        ten_length_next[w, t] = ten_length[w, t]
        for e in range(ten_dof_adr[t], ten_dof_adr[t + 1]):
            ten_length_next[w, t] += timestep * ten_J[w, e] * qvel_next[w, ten_dof[e]]
    for t in range(ten_length.shape[1]):
        p = tendon_plasticadr[t]
        if p >= 0:
            low = act[w, p]
            high = act[w, p + 1]
            most = tendon_springyield[w, t]
            beyond = beyond_range(ten_length_next[w, t], low - most, high + most)
            act_next[w, p + 1] = high + beyond
            if beyond > real(0.0) and low == real(0.0) and high > real(0.0):
                act_next[w, p] = low
            else:
                act_next[w, p] = low + beyond
