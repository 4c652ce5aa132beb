"""Integration by the classical Runge-Kutta method of fourth order (MuJoCo: mj_RungeKutta).

Classical in the velocities and activations, and of Munthe-Kaas type in the orientations of ball and free joints: the
rotation vector u that leads from the start of the step obeys du/dt = dexpinv(u) w, so each stage integrates the
corrected velocity w + u x w / 2 + c(|u|) u x (u x w) (Munthe-Kaas 1999; since MuJoCo 4.0).
"""

import warp as wp

from genesis.rigid.kernels.groups import Activations, Joints, RungeKuttaStages
from genesis.rigid.kernels.integrate import advance_activations
from genesis.rigid.kernels.kinematics import BALL, FREE, integrate_joint_positions, read_vec3
from genesis.types import real, taped, vec3

# Below this squared angle the series of dexpinv is exact to 1e-17. Coefficients are typed constants, because a quotient
# inside a kernel would be rounded to 32 bits.
DEXPINV_SERIES_LIMIT = real(1.0e-2)
DEXPINV_0 = real(1.0 / 12.0)
DEXPINV_2 = real(1.0 / 720.0)
DEXPINV_4 = real(1.0 / 30240.0)
DEXPINV_6 = real(1.0 / 1209600.0)
THIRD = real(1.0 / 3.0)
SIXTH = real(1.0 / 6.0)


@wp.func
def dexpinv(u: vec3, v: vec3) -> vec3:
    """Inverse of the right-trivialised derivative of exp on SO(3), applied to ``v``."""
    t2 = wp.dot(u, u)
    c = DEXPINV_0
    if t2 < DEXPINV_SERIES_LIMIT:
        c = DEXPINV_0 + t2 * (DEXPINV_2 + t2 * (DEXPINV_4 + t2 * DEXPINV_6))
    else:
        t = wp.sqrt(t2)
        c = real(1.0) / t2 - real(0.5) / (t * wp.tan(real(0.5) * t))
    uv = wp.cross(u, v)
    return v + real(0.5) * uv + c * wp.cross(u, uv)


@taped
def rk_stage(
    joints: Joints,
    history_adr: wp.array(dtype=int),
    stage_time: real,
    qpos: wp.array2d(dtype=real),
    qvel: wp.array2d(dtype=real),
    act: wp.array2d(dtype=real),
    rk_velocity: wp.array2d(dtype=real),
    qacc: wp.array2d(dtype=real),
    act_dot: wp.array2d(dtype=real),
    qpos_next: wp.array2d(dtype=real),
    qvel_next: wp.array2d(dtype=real),
    act_next: wp.array2d(dtype=real),
    rk_velocity_next: wp.array2d(dtype=real),
):
    """State of the next stage: the start of the step moved for ``stage_time`` along the previous stage's derivative."""
    w = wp.tid()
    for i in range(qvel.shape[1]):
        qvel_next[w, i] = qvel[w, i] + stage_time * qacc[w, i]
    for i in range(history_adr[0]):
        act_next[w, i] = act[w, i] + stage_time * act_dot[w, i]
    for i in range(history_adr[0], act.shape[1]):
        act_next[w, i] = act[w, i]
    integrate_joint_positions(w, joints, qpos, rk_velocity, stage_time, qpos_next)
    for j in range(joints.jnt_type.shape[0]):
        d = joints.jnt_dofadr[j]
        turn = -1
        if joints.jnt_type[j] == FREE:
            turn = 3
            for k in range(3):
                rk_velocity_next[w, d + k] = qvel_next[w, d + k]
        elif joints.jnt_type[j] == BALL:
            turn = 0
        else:
            rk_velocity_next[w, d] = qvel_next[w, d]
        if turn >= 0:
            corrected = dexpinv(stage_time * read_vec3(rk_velocity, w, d + turn), read_vec3(qvel_next, w, d + turn))
            for k in range(3):
                rk_velocity_next[w, d + turn + k] = corrected[k]


@taped
def rk_advance(
    joints: Joints,
    activations: Activations,
    timestep: real,
    qpos: wp.array2d(dtype=real),
    qvel: wp.array2d(dtype=real),
    act: wp.array2d(dtype=real),
    stages: RungeKuttaStages,
    rk_velocity_mean: wp.array2d(dtype=real),
    act_dot_mean: wp.array2d(dtype=real),
    qpos_next: wp.array2d(dtype=real),
    qvel_next: wp.array2d(dtype=real),
    act_next: wp.array2d(dtype=real),
):
    """Weighted mean (1, 2, 2, 1) / 6 of the four stages, then one step along it."""
    w = wp.tid()
    for i in range(qvel.shape[1]):
        rk_velocity_mean[w, i] = SIXTH * (qvel[w, i] + stages.rk_velocity_3[w, i]) + THIRD * (
            stages.rk_velocity_1[w, i] + stages.rk_velocity_2[w, i]
        )
        qvel_next[w, i] = qvel[w, i] + timestep * (
            SIXTH * (stages.qacc_0[w, i] + stages.qacc_3[w, i]) + THIRD * (stages.qacc_1[w, i] + stages.qacc_2[w, i])
        )
    for i in range(activations.history_adr[0]):
        act_dot_mean[w, i] = SIXTH * (stages.act_dot_0[w, i] + stages.act_dot_3[w, i]) + THIRD * (
            stages.act_dot_1[w, i] + stages.act_dot_2[w, i]
        )
    # Histories are not rates, and behind the rates are velocities: of both, those at the start of the step count.
    for i in range(activations.history_adr[0], act_dot_mean.shape[1]):
        act_dot_mean[w, i] = stages.act_dot_0[w, i]
    integrate_joint_positions(w, joints, qpos, rk_velocity_mean, timestep, qpos_next)
    advance_activations(
        w,
        activations,
        timestep,
        act,
        act_dot_mean,
        act_next,
    )
