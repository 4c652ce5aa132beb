"""Actuation: commands to joints (PD, force), and the actuators of a model file (MuJoCo: mj_transmission,
mj_fwdActuation).

Both also yield the derivative of their force with respect to velocity, which the implicit integrators need.
"""

import warp as wp

from genesis.math.spatial import (
    quat_conj,
    quat_from_euler,
    quat_log,
    quat_mul,
    quat_normalize,
    quat_rotate,
    quat_sub,
    spatial,
)
from genesis.rigid.kinematics import BALL, FREE, read_quat, read_vec3
from genesis.types import real, taped, vec3, vec4, vec6

# Modes of a dof's command.
MODE_IDLE = wp.constant(0)
MODE_FORCE = wp.constant(1)
MODE_POSITION = wp.constant(2)
MODE_VELOCITY = wp.constant(3)
MODE_POSITION_VELOCITY = wp.constant(4)

# genesis.model.arrays.TRN_*, mjtDyn, mjtGain and mjtBias as the kernels see them.
TRN_LINEAR = wp.constant(0)
TRN_BALL = wp.constant(1)
TRN_BALL_IN_PARENT = wp.constant(2)
TRN_FREE = wp.constant(3)
TRN_FREE_IN_PARENT = wp.constant(4)
DYN_NONE = wp.constant(0)
DYN_INTEGRATOR = wp.constant(1)
DYN_FILTEREXACT = wp.constant(3)
GAIN_AFFINE = wp.constant(1)
BIAS_AFFINE = wp.constant(1)
MIN_TAU = real(1.0e-15)  # mjMINVAL: time constants below it count as this


@wp.func
def clip(x: real, low: real, high: real) -> real:
    """Clamp with the derivative of the clip: one inside and on the range, zero outside."""
    y = x
    if x < low:
        y = low
    if x > high:
        y = high
    return y


@taped
def position_error(
    jnt_type: wp.array(dtype=int),
    jnt_qposadr: wp.array(dtype=int),
    jnt_dofadr: wp.array(dtype=int),
    dof_position: wp.array2d(dtype=real),
    qpos: wp.array2d(dtype=real),
    dof_error: wp.array2d(dtype=real),
):
    """Distance of each dof from its position target; rotations: the rotation vector to it, in the link's frame."""
    w = wp.tid()
    for j in range(jnt_type.shape[0]):
        q = jnt_qposadr[j]
        d = jnt_dofadr[j]
        turn = -1
        if jnt_type[j] == FREE:
            for k in range(3):
                dof_error[w, d + k] = dof_position[w, d + k] - qpos[w, q + k]
            turn = 3
        elif jnt_type[j] == BALL:
            turn = 0
        else:
            dof_error[w, d] = dof_position[w, d] - qpos[w, q]
        if turn >= 0:
            target = quat_from_euler(read_vec3(dof_position, w, d + turn))
            error = quat_sub(target, quat_normalize(read_quat(qpos, w, q + turn)))
            for k in range(3):
                dof_error[w, d + turn + k] = error[k]


@taped
def command(
    ctrl_mode: wp.array2d(dtype=int),
    dof_kp: wp.array2d(dtype=real),
    dof_kv: wp.array2d(dtype=real),
    dof_force_range: wp.array3d(dtype=real),
    dof_force: wp.array2d(dtype=real),
    dof_velocity: wp.array2d(dtype=real),
    dof_error: wp.array2d(dtype=real),
    qvel: wp.array2d(dtype=real),
    qfrc_command: wp.array2d(dtype=real),
    dcommand_dvel: wp.array2d(dtype=real),
):
    """Force of the command in force on each dof, clipped to its force range, and its derivative by velocity."""
    w = wp.tid()
    for i in range(qvel.shape[1]):
        mode = ctrl_mode[w, i]
        force = real(0.0)
        slope = real(0.0)
        if mode == MODE_FORCE:
            force = dof_force[w, i]
        elif mode == MODE_POSITION:
            force = dof_kp[w, i] * dof_error[w, i] - dof_kv[w, i] * qvel[w, i]
            slope = -dof_kv[w, i]
        elif mode == MODE_VELOCITY:
            force = dof_kv[w, i] * (dof_velocity[w, i] - qvel[w, i])
            slope = -dof_kv[w, i]
        elif mode == MODE_POSITION_VELOCITY:
            force = dof_kp[w, i] * dof_error[w, i] + dof_kv[w, i] * (dof_velocity[w, i] - qvel[w, i])
            slope = -dof_kv[w, i]
        low = dof_force_range[w, i, 0]
        high = dof_force_range[w, i, 1]
        qfrc_command[w, i] = clip(force, low, high)
        # a saturated command does not depend on the velocity (MuJoCo: mjd_actuator_vel)
        if force <= low or force >= high:
            dcommand_dvel[w, i] = real(0.0)
        else:
            dcommand_dvel[w, i] = slope


@taped
def transmission(
    actuator_trnkind: wp.array(dtype=int),
    actuator_site: wp.array2d(dtype=int),
    site_bodyid: wp.array(dtype=int),
    site_pos: wp.array2d(dtype=real),
    site_quat: wp.array2d(dtype=real),
    moment_dof: wp.array(dtype=int),
    moment_dof_adr: wp.array(dtype=int),
    moment_qpos: wp.array(dtype=int),
    moment_coef: wp.array(dtype=real),
    actuator_gear: wp.array3d(dtype=real),
    qpos: wp.array2d(dtype=real),
    xpos: wp.array2d(dtype=vec3),
    xquat: wp.array2d(dtype=vec4),
    xref: wp.array2d(dtype=vec3),
    cdof: wp.array2d(dtype=vec6),
    actuator_length: wp.array2d(dtype=real),
    actuator_moment: wp.array2d(dtype=real),
):
    """Length of each actuator, and its moment: the derivative of the length by motion (MuJoCo: mj_transmission)."""
    w = wp.tid()
    for u in range(actuator_trnkind.shape[0]):
        kind = actuator_trnkind[u]
        start = moment_dof_adr[u]
        end = moment_dof_adr[u + 1]
        push = vec3(actuator_gear[w, u, 0], actuator_gear[w, u, 1], actuator_gear[w, u, 2])
        turn = vec3(actuator_gear[w, u, 3], actuator_gear[w, u, 4], actuator_gear[w, u, 5])
        actuator_length[w, u] = real(0.0)
        if kind == TRN_LINEAR:
            for e in range(start, end):
                actuator_moment[w, e] = push[0] * moment_coef[e]
                actuator_length[w, u] += push[0] * moment_coef[e] * qpos[w, moment_qpos[e]]
        elif kind == TRN_BALL or kind == TRN_BALL_IN_PARENT:
            quat = quat_normalize(read_quat(qpos, w, moment_qpos[start]))
            axis = push
            if kind == TRN_BALL_IN_PARENT:
                axis = quat_rotate(quat_conj(quat), push)
            actuator_length[w, u] += wp.dot(quat_log(quat), axis)
            for k in range(3):
                actuator_moment[w, start + k] = axis[k]
        elif kind == TRN_FREE or kind == TRN_FREE_IN_PARENT:
            torque = turn
            if kind == TRN_FREE_IN_PARENT:
                torque = quat_rotate(quat_conj(quat_normalize(read_quat(qpos, w, moment_qpos[start] + 3))), turn)
            for k in range(3):
                actuator_moment[w, start + k] = push[k]
                actuator_moment[w, start + 3 + k] = torque[k]
        else:
            site = actuator_site[u, 0]
            reference = actuator_site[u, 1]
            body = site_bodyid[site]
            place = xpos[w, body] + quat_rotate(
                xquat[w, body], vec3(site_pos[site, 0], site_pos[site, 1], site_pos[site, 2])
            )
            turned = quat_mul(
                xquat[w, body], vec4(site_quat[site, 0], site_quat[site, 1], site_quat[site, 2], site_quat[site, 3])
            )
            frame = turned
            origin = place
            ref_point = xref[w, body]
            if reference >= 0:
                other = site_bodyid[reference]
                origin = xpos[w, other] + quat_rotate(
                    xquat[w, other], vec3(site_pos[reference, 0], site_pos[reference, 1], site_pos[reference, 2])
                )
                frame = quat_mul(
                    xquat[w, other],
                    vec4(
                        site_quat[reference, 0],
                        site_quat[reference, 1],
                        site_quat[reference, 2],
                        site_quat[reference, 3],
                    ),
                )
                ref_point = xref[w, other]
                between = quat_rotate(quat_conj(frame), place - origin)
                actuator_length[w, u] += wp.dot(push, between) + wp.dot(turn, quat_sub(turned, frame))
            # wrench on the site, in the world; its opposite on the reference, each at its own point
            force = quat_rotate(frame, push)
            torque = quat_rotate(frame, turn)
            on_site = spatial(torque + wp.cross(place - xref[w, body], force), force)
            on_reference = spatial(torque + wp.cross(origin - ref_point, force), force)
            for e in range(start, end):
                if moment_coef[e] > real(0.0):
                    actuator_moment[w, e] = wp.dot(cdof[w, moment_dof[e]], on_site)
                else:
                    actuator_moment[w, e] = -wp.dot(cdof[w, moment_dof[e]], on_reference)


@wp.func
def next_activation(
    act: real, act_dot: real, dyntype: int, tau: real, limited: int, low: real, high: real, h: real
) -> real:
    """Activation after a time ``h`` (MuJoCo: nextActivation); a filterexact is integrated in closed form."""
    y = act + h * act_dot
    if dyntype == DYN_FILTEREXACT:
        t = wp.max(tau, MIN_TAU)
        y = act + act_dot * t * (real(1.0) - wp.exp(-h / t))
    if limited == 1:
        y = clip(y, low, high)
    return y


@wp.func
def limited_force(
    u: int,
    actuator_forcelimited: wp.array(dtype=int),
    actuator_forcerange: wp.array2d(dtype=real),
    force: real,
    slope: real,
):
    """The force clipped to the actuator's range, and its derivative by velocity: none where it is clipped."""
    clipped = force
    left = slope
    if actuator_forcelimited[u] == 1:
        low = actuator_forcerange[u, 0]
        high = actuator_forcerange[u, 1]
        if force <= low or force >= high:
            left = real(0.0)
        clipped = clip(force, low, high)
    return clipped, left


@taped
def actuator_forces(
    actuator_enabled: wp.array(dtype=int),
    actuator_on: wp.array2d(dtype=int),
    actuator_dyntype: wp.array(dtype=int),
    actuator_gaintype: wp.array(dtype=int),
    actuator_biastype: wp.array(dtype=int),
    actuator_actadr: wp.array(dtype=int),
    actuator_actearly: wp.array(dtype=int),
    actuator_actlimited: wp.array(dtype=int),
    actuator_actrange: wp.array2d(dtype=real),
    actuator_ctrllimited: wp.array(dtype=int),
    actuator_ctrlrange: wp.array2d(dtype=real),
    actuator_forcelimited: wp.array(dtype=int),
    actuator_forcerange: wp.array2d(dtype=real),
    actuator_limited_tendon: wp.array(dtype=int),
    tendon_actfrcrange: wp.array2d(dtype=real),
    moment_dof: wp.array(dtype=int),
    moment_dof_adr: wp.array(dtype=int),
    timestep: real,
    actuator_gainprm: wp.array3d(dtype=real),
    actuator_biasprm: wp.array3d(dtype=real),
    actuator_dynprm: wp.array3d(dtype=real),
    ctrl: wp.array2d(dtype=real),
    act: wp.array2d(dtype=real),
    qvel: wp.array2d(dtype=real),
    actuator_length: wp.array2d(dtype=real),
    actuator_moment: wp.array2d(dtype=real),
    actuator_velocity: wp.array2d(dtype=real),
    act_dot: wp.array2d(dtype=real),
    actuator_force_raw: wp.array2d(dtype=real),
    dforce_dvel_raw: wp.array2d(dtype=real),
    ten_actuator_force: wp.array2d(dtype=real),
    actuator_force: wp.array2d(dtype=real),
    dforce_dvel: wp.array2d(dtype=real),
    qfrc_actuator_raw: wp.array2d(dtype=real),
):
    """force = gain * (ctrl or act) + bias, clipped; act_dot; joint forces moment' * force (MuJoCo: mj_fwdActuation).

    An actuator that was never commanded is off: no force, no activation dynamics. Where the sum of the forces on a
    tendon is beyond what the tendon bears (``tendon_actfrcrange``), each of them is scaled down.
    """
    w = wp.tid()
    for i in range(qvel.shape[1]):
        qfrc_actuator_raw[w, i] = real(0.0)
    for t in range(ten_actuator_force.shape[1]):
        ten_actuator_force[w, t] = real(0.0)
    for u in range(actuator_enabled.shape[0]):
        actuator_velocity[w, u] = real(0.0)
        for e in range(moment_dof_adr[u], moment_dof_adr[u + 1]):
            actuator_velocity[w, u] += actuator_moment[w, e] * qvel[w, moment_dof[e]]
        adr = actuator_actadr[u]
        dyntype = actuator_dyntype[u]
        if actuator_enabled[u] == 1 and actuator_on[w, u] == 1:
            signal = ctrl[w, u]
            if actuator_ctrllimited[u] == 1:
                signal = clip(signal, actuator_ctrlrange[u, 0], actuator_ctrlrange[u, 1])
            source = signal
            if adr >= 0:
                rate = signal
                if dyntype != DYN_INTEGRATOR:
                    rate = (signal - act[w, adr]) / wp.max(actuator_dynprm[w, u, 0], MIN_TAU)
                act_dot[w, adr] = rate
                source = act[w, adr]
                if actuator_actearly[u] == 1:
                    source = next_activation(
                        act[w, adr],
                        rate,
                        dyntype,
                        actuator_dynprm[w, u, 0],
                        actuator_actlimited[u],
                        actuator_actrange[u, 0],
                        actuator_actrange[u, 1],
                        timestep,
                    )
            length = actuator_length[w, u]
            rate_of_length = actuator_velocity[w, u]
            gain = actuator_gainprm[w, u, 0]
            slope = real(0.0)
            if actuator_gaintype[u] == GAIN_AFFINE:
                gain = gain + actuator_gainprm[w, u, 1] * length + actuator_gainprm[w, u, 2] * rate_of_length
                slope = actuator_gainprm[w, u, 2] * source
            force = gain * source
            if actuator_biastype[u] == BIAS_AFFINE:
                force = (
                    force
                    + actuator_biasprm[w, u, 0]
                    + actuator_biasprm[w, u, 1] * length
                    + actuator_biasprm[w, u, 2] * rate_of_length
                )
                slope = slope + actuator_biasprm[w, u, 2]
            if actuator_limited_tendon[u] >= 0:
                actuator_force_raw[w, u] = force
                dforce_dvel_raw[w, u] = slope
                ten_actuator_force[w, actuator_limited_tendon[u]] += force
            else:
                limited, free_slope = limited_force(u, actuator_forcelimited, actuator_forcerange, force, slope)
                actuator_force[w, u] = limited
                dforce_dvel[w, u] = free_slope
                for e in range(moment_dof_adr[u], moment_dof_adr[u + 1]):
                    qfrc_actuator_raw[w, moment_dof[e]] += actuator_moment[w, e] * limited
        else:
            actuator_force[w, u] = real(0.0)
            dforce_dvel[w, u] = real(0.0)
            if adr >= 0:
                act_dot[w, adr] = real(0.0)
    for u in range(actuator_enabled.shape[0]):
        if actuator_limited_tendon[u] >= 0 and actuator_enabled[u] == 1 and actuator_on[w, u] == 1:
            t = actuator_limited_tendon[u]
            total = ten_actuator_force[w, t]
            share = real(1.0)
            if total < tendon_actfrcrange[t, 0] and total != real(0.0):
                share = tendon_actfrcrange[t, 0] / total
            if total > tendon_actfrcrange[t, 1] and total != real(0.0):
                share = tendon_actfrcrange[t, 1] / total
            scaled, scaled_slope = limited_force(
                u, actuator_forcelimited, actuator_forcerange, share * actuator_force_raw[w, u], dforce_dvel_raw[w, u]
            )
            actuator_force[w, u] = scaled
            dforce_dvel[w, u] = scaled_slope
            for e in range(moment_dof_adr[u], moment_dof_adr[u + 1]):
                qfrc_actuator_raw[w, moment_dof[e]] += actuator_moment[w, e] * scaled
