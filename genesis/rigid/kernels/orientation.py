"""Orientation servos (MuJoCo: transmission and gain so3): three torques that turn a ball joint, or a site against
another, towards an orientation along the shortest way.

    torque = kp log(q^-1 q*) + c - kv w,

with q the present orientation, q* the one asked for, as a rotation vector or a quaternion, and w the angular velocity,
all in the frame of what turns. A range of forces bounds the length of the torque. An integrated servo has q* as three
activations, a rotation vector, and their rates as controls.
"""

import warp as wp

from genesis.math.spatial import quat_conj, quat_exp, quat_mul, quat_normalize, quat_rotate, quat_sub, rotation
from genesis.rigid.kernels.actuation import TWO_PI, acts, control_of
from genesis.rigid.kernels.command import clip
from genesis.rigid.kernels.groups import Activations, ActuatorLaw, Moments, Orientations, ServoForces, Sites
from genesis.rigid.kernels.kinematics import read_quat, read_vec3
from genesis.rigid.kernels.sites import site_orientation
from genesis.types import real, taped, vec3, vec4, vec6

PI = real(3.141592653589793)
ZERO = real(0.0)
ONE = real(1.0)


@wp.func
def unit_vector(k: int) -> vec3:
    axis = vec3(ONE, ZERO, ZERO)
    if k == 1:
        axis = vec3(ZERO, ONE, ZERO)
    if k == 2:
        axis = vec3(ZERO, ZERO, ONE)
    return axis


@taped
def orientation_moments(
    orientations: Orientations,
    sites: Sites,
    moment_dof: wp.array(dtype=int),
    moment_dof_adr: wp.array(dtype=int),
    moment_coef: wp.array(dtype=real),
    xquat: wp.array2d(dtype=vec4),
    cdof: wp.array2d(dtype=vec6),
    actuator_moment: wp.array2d(dtype=real),
):
    """Moments of the three torques of each orientation servo, one after the other: about the axes of what turns."""
    w = wp.tid()
    for n in range(orientations.so3_actuator.shape[0]):
        u = orientations.so3_actuator[n]
        for e in range(moment_dof_adr[u], moment_dof_adr[u + 1]):
            if orientations.so3_qpos[n] >= 0:
                actuator_moment[w, e] = ONE
            else:
                turned = site_orientation(w, orientations.so3_site[n, 0], sites, xquat)
                axis = quat_rotate(turned, unit_vector(orientations.moment_source[e]))
                actuator_moment[w, e] = moment_coef[e] * wp.dot(rotation(cdof[w, moment_dof[e]]), axis)


@wp.func
def present_orientation(
    w: int,
    n: int,
    orientations: Orientations,
    sites: Sites,
    qpos: wp.array2d(dtype=real),
    xquat: wp.array2d(dtype=vec4),
) -> vec4:
    """Of a ball joint, or of a site against another."""
    turned = vec4(ONE, ZERO, ZERO, ZERO)
    if orientations.so3_qpos[n] >= 0:
        turned = quat_normalize(read_quat(qpos, w, orientations.so3_qpos[n]))
    else:
        frame = site_orientation(w, orientations.so3_site[n, 1], sites, xquat)
        turned = quat_mul(quat_conj(frame), site_orientation(w, orientations.so3_site[n, 0], sites, xquat))
    return turned


@wp.func
def within(u: int, activations: Activations, vector: vec3) -> vec3:
    """Activations within their range."""
    kept = vector
    if activations.actuator_actlimited[u] == 1:
        low = activations.actuator_actrange[u, 0]
        high = activations.actuator_actrange[u, 1]
        kept = vec3(clip(vector[0], low, high), clip(vector[1], low, high), clip(vector[2], low, high))
    return kept


@wp.func
def target_orientation(
    w: int,
    n: int,
    orientations: Orientations,
    law: ActuatorLaw,
    activations: Activations,
    timestep: real,
    actuator_ctrl: wp.array2d(dtype=real),
    act: wp.array2d(dtype=real),
) -> vec4:
    """Of a quaternion, of any length (of none: no rotation), or a rotation vector, which may be integrated."""
    first = orientations.so3_ctrladr[n]
    target = vec4(ONE, ZERO, ZERO, ZERO)
    if orientations.so3_quat[n] == 1:
        target = quat_normalize(
            vec4(
                control_of(w, first, law, actuator_ctrl),
                control_of(w, first + 1, law, actuator_ctrl),
                control_of(w, first + 2, law, actuator_ctrl),
                control_of(w, first + 3, law, actuator_ctrl),
            )
        )
    else:
        vector = vec3(
            control_of(w, first, law, actuator_ctrl),
            control_of(w, first + 1, law, actuator_ctrl),
            control_of(w, first + 2, law, actuator_ctrl),
        )
        if orientations.so3_actadr[n] >= 0:
            rate = vector
            vector = read_vec3(act, w, orientations.so3_actadr[n])
            if law.actuator_actearly[orientations.so3_actuator[n]] == 1:
                vector = within(orientations.so3_actuator[n], activations, vector + timestep * rate)
        target = quat_exp(vector)
    return target


@taped
def orientation_servos(
    orientations: Orientations,
    sites: Sites,
    law: ActuatorLaw,
    activations: Activations,
    moments: Moments,
    timestep: real,
    actuator_ctrl: wp.array2d(dtype=real),
    qpos: wp.array2d(dtype=real),
    qvel: wp.array2d(dtype=real),
    act: wp.array2d(dtype=real),
    xquat: wp.array2d(dtype=vec4),
    act_dot: wp.array2d(dtype=real),
    so3_velocity: wp.array2d(dtype=vec3),
    so3_torque: wp.array2d(dtype=vec3),
    out: ServoForces,
):
    """Angular velocity [rad/s], torque [N m] and its derivative by velocity, of each orientation servo."""
    w = wp.tid()
    for n in range(orientations.so3_actuator.shape[0]):
        u = orientations.so3_actuator[n]
        out.servo_force[w, orientations.so3_servo[n]] = ZERO
        out.servo_load[w, orientations.so3_servo[n]] = ZERO
        out.servo_load_slope[w, orientations.so3_servo[n]] = ZERO
        so3_velocity[w, n] = vec3()
        for e in range(moments.moment_dof_adr[u], moments.moment_dof_adr[u + 1]):
            so3_velocity[w, n] += unit_vector(orientations.moment_source[e]) * (
                moments.actuator_moment[w, e] * qvel[w, moments.moment_dof[e]]
            )
        torque = vec3()
        slope = ZERO
        if acts(w, u, law.actuator_enabled, activations.actuator_on):
            error = quat_sub(
                target_orientation(w, n, orientations, law, activations, timestep, actuator_ctrl, act),
                present_orientation(w, n, orientations, sites, qpos, xquat),
            )
            constant = law.actuator_biasprm[w, u, 0]
            slope = law.actuator_biasprm[w, u, 2]
            free = (
                law.actuator_gainprm[w, u, 0] * error + vec3(constant, constant, constant) + slope * so3_velocity[w, n]
            )
            torque = free
            if orientations.so3_limited[n] == 1:
                most = law.actuator_forcerange[u, 1]
                square = wp.dot(free, free)
                if square >= most * most:
                    torque = free * (most / wp.sqrt(square))
                    slope = ZERO
        if orientations.so3_actadr[n] >= 0:
            for k in range(3):
                rate = ZERO
                if acts(w, u, law.actuator_enabled, activations.actuator_on):
                    rate = control_of(w, orientations.so3_ctrladr[n] + k, law, actuator_ctrl)
                act_dot[w, orientations.so3_actadr[n] + k] = rate
        so3_torque[w, n] = torque
        out.servo_slope[w, orientations.so3_servo[n]] = slope


@taped
def orientation_torques(
    orientations: Orientations,
    moments: Moments,
    so3_torque: wp.array2d(dtype=vec3),
    qfrc_actuator_raw: wp.array2d(dtype=real),
):
    """What the orientation servos add to the joint forces."""
    w = wp.tid()
    for n in range(orientations.so3_actuator.shape[0]):
        u = orientations.so3_actuator[n]
        for e in range(moments.moment_dof_adr[u], moments.moment_dof_adr[u + 1]):
            qfrc_actuator_raw[w, moments.moment_dof[e]] += moments.actuator_moment[w, e] * wp.dot(
                unit_vector(orientations.moment_source[e]), so3_torque[w, n]
            )


@taped
def advance_orientations(
    orientations: Orientations,
    activations: Activations,
    timestep: real,
    act: wp.array2d(dtype=real),
    act_dot: wp.array2d(dtype=real),
    act_next: wp.array2d(dtype=real),
):
    """Integrated orientations a step later; one of more than half a turn becomes the short one that means the same."""
    w = wp.tid()
    for n in range(orientations.so3_actuator.shape[0]):
        s = orientations.so3_actadr[n]
        u = orientations.so3_actuator[n]
        if s >= 0:
            vector = read_vec3(act, w, s)
            if activations.actuator_on[w, u] == 1:
                vector = within(u, activations, vector + timestep * read_vec3(act_dot, w, s))
                square = wp.dot(vector, vector)
                if square > PI * PI:
                    angle = wp.sqrt(square)
                    vector = vector * ((angle - TWO_PI * wp.round(angle / TWO_PI)) / angle)
            for k in range(3):
                act_next[w, s + k] = vector[k]
