"""Passive forces of joints, and the sum of all smooth forces (MuJoCo: mj_passive, mj_fwdAcceleration)."""

import warp as wp

from genesis.math.spatial import quat_normalize, quat_sub
from genesis.rigid.kernels.command import clip
from genesis.rigid.kernels.kinematics import BALL, FREE, read_quat
from genesis.types import real, taped, vec4

# How gravity compensation reaches a dof (genesis.model.arrays).
GRAVCOMP_PASSIVE = wp.constant(0)
GRAVCOMP_BY_ACTUATOR = wp.constant(1)


@wp.func
def write_extension(
    w: int,
    kind: int,
    q: int,
    d: int,
    qpos_spring: wp.array(dtype=real),
    qpos: wp.array2d(dtype=real),
    spring_extension: wp.array2d(dtype=real),
):
    """How far a joint is from where its spring rests."""
    turn = -1
    if kind == FREE:
        for k in range(3):
            spring_extension[w, d + k] = qpos[w, q + k] - qpos_spring[q + k]
        turn = 3
    elif kind == BALL:
        turn = 0
    else:
        spring_extension[w, d] = qpos[w, q] - qpos_spring[q]
    if turn >= 0:
        s = q + turn
        rest = quat_normalize(vec4(qpos_spring[s], qpos_spring[s + 1], qpos_spring[s + 2], qpos_spring[s + 3]))
        twist = quat_sub(quat_normalize(read_quat(qpos, w, s)), rest)
        for k in range(3):
            spring_extension[w, d + turn + k] = twist[k]


@taped
def passive(
    jnt_type: wp.array(dtype=int),
    jnt_qposadr: wp.array(dtype=int),
    jnt_dofadr: wp.array(dtype=int),
    qpos_spring: wp.array(dtype=real),
    dof_stiffness: wp.array2d(dtype=real),
    dof_damping: wp.array2d(dtype=real),
    qpos: wp.array2d(dtype=real),
    qvel: wp.array2d(dtype=real),
    spring_extension: wp.array2d(dtype=real),
    qfrc_passive: wp.array2d(dtype=real),
):
    """qfrc_passive = -stiffness * (distance from the spring's rest position) - damping * qvel."""
    w = wp.tid()
    for j in range(jnt_type.shape[0]):
        write_extension(w, jnt_type[j], jnt_qposadr[j], jnt_dofadr[j], qpos_spring, qpos, spring_extension)
    for i in range(qvel.shape[1]):
        qfrc_passive[w, i] = -dof_stiffness[w, i] * spring_extension[w, i] - dof_damping[w, i] * qvel[w, i]


@taped
def smooth_force(
    dof_actfrclimited: wp.array(dtype=int),
    dof_actgravcomp: wp.array(dtype=int),
    dof_actfrcrange: wp.array2d(dtype=real),
    qfrc_passive: wp.array2d(dtype=real),
    qfrc_tendon: wp.array2d(dtype=real),
    qfrc_gravcomp: wp.array2d(dtype=real),
    qfrc_bias: wp.array2d(dtype=real),
    qfrc_command: wp.array2d(dtype=real),
    qfrc_actuator_raw: wp.array2d(dtype=real),
    qfrc_smooth: wp.array2d(dtype=real),
    dof_unsaturated: wp.array2d(dtype=int),
):
    """qfrc_smooth = passive - bias + command + actuators, the last clipped to each joint's actuator force range.

    Gravity compensation is part of the bias force; on joints that say so it counts as an actuator force instead.
    ``dof_unsaturated`` is 0 where the clip holds: an actuator force there has no velocity derivative.
    """
    w = wp.tid()
    for i in range(qfrc_smooth.shape[1]):
        by_actuators = qfrc_actuator_raw[w, i]
        otherwise = qfrc_passive[w, i] + qfrc_tendon[w, i] - qfrc_bias[w, i] + qfrc_command[w, i]
        if dof_actgravcomp[i] != GRAVCOMP_PASSIVE:
            otherwise = otherwise - qfrc_gravcomp[w, i]
        if dof_actgravcomp[i] == GRAVCOMP_BY_ACTUATOR:
            by_actuators = by_actuators + qfrc_gravcomp[w, i]
        dof_unsaturated[w, i] = 1
        if dof_actfrclimited[i] == 1:
            low = dof_actfrcrange[i, 0]
            high = dof_actfrcrange[i, 1]
            if by_actuators <= low or by_actuators >= high:
                dof_unsaturated[w, i] = 0
            by_actuators = clip(by_actuators, low, high)
        qfrc_smooth[w, i] = otherwise + by_actuators
