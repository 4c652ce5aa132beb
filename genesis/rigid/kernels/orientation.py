"""Orientation servos (MuJoCo: transmission and gain so3): three torques that turn a ball joint, or a site against
another, towards an orientation along the shortest way.

    torque = kp log(q^-1 q*) + c - kv w,

with q the present orientation, q* the one asked for, as a rotation vector or a quaternion, and w the angular velocity,
all in the frame of what turns. A range of forces bounds the length of the torque.
"""

import warp as wp

from genesis.math.spatial import quat_conj, quat_exp, quat_mul, quat_normalize, quat_rotate, quat_sub, rotation
from genesis.rigid.kernels.actuation import acts, control_of
from genesis.rigid.kernels.groups import Activations, ActuatorLaw, Moments, Orientations, ServoForces, Sites
from genesis.rigid.kernels.kinematics import read_quat
from genesis.rigid.kernels.sites import site_orientation
from genesis.types import real, taped, vec3, vec4, vec6

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
def target_orientation(
    w: int, n: int, orientations: Orientations, law: ActuatorLaw, ctrl: wp.array2d(dtype=real)
) -> vec4:
    """Of a quaternion, of any length (of none: no rotation), or a rotation vector."""
    first = orientations.so3_ctrladr[n]
    target = vec4(ONE, ZERO, ZERO, ZERO)
    if orientations.so3_quat[n] == 1:
        target = quat_normalize(
            vec4(
                control_of(w, first, law, ctrl),
                control_of(w, first + 1, law, ctrl),
                control_of(w, first + 2, law, ctrl),
                control_of(w, first + 3, law, ctrl),
            )
        )
    else:
        target = quat_exp(
            vec3(
                control_of(w, first, law, ctrl),
                control_of(w, first + 1, law, ctrl),
                control_of(w, first + 2, law, ctrl),
            )
        )
    return target


@taped
def orientation_servos(
    orientations: Orientations,
    sites: Sites,
    law: ActuatorLaw,
    activations: Activations,
    moments: Moments,
    ctrl: wp.array2d(dtype=real),
    qpos: wp.array2d(dtype=real),
    qvel: wp.array2d(dtype=real),
    xquat: wp.array2d(dtype=vec4),
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
        if acts(w, u, law, activations):
            error = quat_sub(
                target_orientation(w, n, orientations, law, ctrl),
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
