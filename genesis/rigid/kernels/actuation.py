"""The actuators of a model file (MuJoCo: mj_transmission, mj_fwdActuation).

Their force comes with its derivative by velocity, which the implicit integrators need.
"""

import warp as wp

from genesis.math.spatial import quat_conj, quat_log, quat_normalize, quat_rotate, quat_sub, spatial
from genesis.rigid.kernels.command import clip
from genesis.rigid.kernels.groups import (
    Activations,
    ActuatorForces,
    ActuatorLaw,
    Moments,
    MuscleForces,
    ServoForces,
    Sites,
    Transmissions,
)
from genesis.rigid.kernels.kinematics import read_quat
from genesis.rigid.kernels.sites import site_orientation, site_place
from genesis.types import real, taped, vec3, vec4, vec6

# genesis.model.arrays.TRN_*, mjtDyn, mjtGain and mjtBias as the kernels see them.
TRN_JOINT = wp.constant(0)
TRN_BALL = wp.constant(1)
TRN_BALL_IN_PARENT = wp.constant(2)
TRN_FREE = wp.constant(3)
TRN_FREE_IN_PARENT = wp.constant(4)
TRN_SITE = wp.constant(5)
TRN_TENDON = wp.constant(6)
TRN_SLIDERCRANK = wp.constant(7)
DYN_NONE = wp.constant(0)
DYN_INTEGRATOR = wp.constant(1)
DYN_FILTEREXACT = wp.constant(3)
DYN_MUSCLE = wp.constant(4)
GAIN_AFFINE = wp.constant(1)
GAIN_MUSCLE = wp.constant(2)
BIAS_AFFINE = wp.constant(1)
BIAS_MUSCLE = wp.constant(2)
# Servos whose setpoint is an angle (genesis.model.arrays.TURNS_*).
TURNS_SITE = wp.constant(2)
ALWAYS = wp.constant(2)  # of ActuatorLaw.actuator_enabled
TWO_PI = real(6.283185307179586)
MIN_TAU = real(1.0e-15)  # mjMINVAL: time constants below it count as this


@wp.func
def push_apart(
    w: int,
    start: int,
    end: int,
    moments: Transmissions,
    cdof: wp.array2d(dtype=vec6),
    on_first: vec6,
    on_second: vec6,
    actuator_moment: wp.array2d(dtype=real),
):
    """Moment of two wrenches, each on a body, about its reference point: entries are of dofs that move one of them."""
    for e in range(start, end):
        if moments.moment_coef[e] > real(0.0):
            actuator_moment[w, e] = wp.dot(cdof[w, moments.moment_dof[e]], on_first)
        else:
            actuator_moment[w, e] = wp.dot(cdof[w, moments.moment_dof[e]], on_second)


@taped
def transmission(
    transmissions: Transmissions,
    sites: Sites,
    qpos: wp.array2d(dtype=real),
    xpos: wp.array2d(dtype=vec3),
    xquat: wp.array2d(dtype=vec4),
    xref: wp.array2d(dtype=vec3),
    cdof: wp.array2d(dtype=vec6),
    ten_length: wp.array2d(dtype=real),
    ten_J: wp.array2d(dtype=real),
    actuator_length: wp.array2d(dtype=real),
    actuator_moment: wp.array2d(dtype=real),
):
    """Length of each actuator, and its moment: the derivative of the length by motion (MuJoCo: mj_transmission).

    What acts on a body through its contacts has no length; its moment is that of `adhesion.body_moments`.
    """
    w = wp.tid()
    for u in range(transmissions.actuator_trnkind.shape[0]):
        kind = transmissions.actuator_trnkind[u]
        start = transmissions.moment_dof_adr[u]
        end = transmissions.moment_dof_adr[u + 1]
        push = vec3(
            transmissions.actuator_gear[w, u, 0],
            transmissions.actuator_gear[w, u, 1],
            transmissions.actuator_gear[w, u, 2],
        )
        turn = vec3(
            transmissions.actuator_gear[w, u, 3],
            transmissions.actuator_gear[w, u, 4],
            transmissions.actuator_gear[w, u, 5],
        )
        one = transmissions.actuator_trnid[u, 0]
        two = transmissions.actuator_trnid[u, 1]
        actuator_length[w, u] = real(0.0)
        if kind == TRN_JOINT:
            actuator_moment[w, start] = push[0]
            actuator_length[w, u] += push[0] * qpos[w, transmissions.moment_source[start]]
        elif kind == TRN_TENDON:
            for e in range(start, end):
                actuator_moment[w, e] = push[0] * ten_J[w, transmissions.moment_source[e]]
            actuator_length[w, u] += push[0] * ten_length[w, one]
        elif kind == TRN_BALL or kind == TRN_BALL_IN_PARENT:
            quat = quat_normalize(read_quat(qpos, w, transmissions.moment_source[start]))
            axis = push
            if kind == TRN_BALL_IN_PARENT:
                axis = quat_rotate(quat_conj(quat), push)
            actuator_length[w, u] += wp.dot(quat_log(quat), axis)
            for k in range(3):
                actuator_moment[w, start + k] = axis[k]
        elif kind == TRN_FREE or kind == TRN_FREE_IN_PARENT:
            torque = turn
            if kind == TRN_FREE_IN_PARENT:
                position = transmissions.moment_source[start]
                torque = quat_rotate(quat_conj(quat_normalize(read_quat(qpos, w, position + 3))), turn)
            for k in range(3):
                actuator_moment[w, start + k] = push[k]
                actuator_moment[w, start + 3 + k] = torque[k]
        elif kind == TRN_SLIDERCRANK:
            # a rod from the crank's end, the first site, to a slider on the second one's z axis
            end_of_crank = site_place(w, one, sites, xpos, xquat)
            slider = site_place(w, two, sites, xpos, xquat)
            axis = quat_rotate(site_orientation(w, two, sites, xquat), vec3(real(0.0), real(0.0), real(1.0)))
            between = end_of_crank - slider
            along = wp.dot(between, axis)
            rod = transmissions.actuator_cranklength[w, u]
            square = along * along + rod * rod - wp.dot(between, between)
            length = along
            by_axis = between
            by_crank = axis
            if square > real(0.0):
                root = wp.sqrt(square)
                length = along - root
                by_axis = between * (real(1.0) - along / root)
                by_crank = axis * (real(1.0) - along / root) + between / root
            actuator_length[w, u] += push[0] * length
            force = by_crank * push[0]
            twist = wp.cross(axis, by_axis * push[0])
            push_apart(
                w,
                start,
                end,
                transmissions,
                cdof,
                spatial(wp.cross(end_of_crank - xref[w, sites.site_bodyid[one]], force), force),
                spatial(twist - wp.cross(slider - xref[w, sites.site_bodyid[two]], force), -force),
                actuator_moment,
            )
        elif kind == TRN_SITE:
            place = site_place(w, one, sites, xpos, xquat)
            turned = site_orientation(w, one, sites, xquat)
            frame = turned
            origin = place
            ref_point = xref[w, sites.site_bodyid[one]]
            if two >= 0:
                origin = site_place(w, two, sites, xpos, xquat)
                frame = site_orientation(w, two, sites, xquat)
                ref_point = xref[w, sites.site_bodyid[two]]
                between = quat_rotate(quat_conj(frame), place - origin)
                actuator_length[w, u] += wp.dot(push, between) + wp.dot(turn, quat_sub(turned, frame))
            # wrench on the site, in the world; its opposite on the reference, each at its own point
            force = quat_rotate(frame, push)
            torque = quat_rotate(frame, turn)
            push_apart(
                w,
                start,
                end,
                transmissions,
                cdof,
                spatial(torque + wp.cross(place - xref[w, sites.site_bodyid[one]], force), force),
                -spatial(torque + wp.cross(origin - ref_point, force), force),
                actuator_moment,
            )


@taped
def actuator_velocities(
    moment_dof: wp.array(dtype=int),
    moment_dof_adr: wp.array(dtype=int),
    qvel: wp.array2d(dtype=real),
    actuator_moment: wp.array2d(dtype=real),
    actuator_velocity: wp.array2d(dtype=real),
):
    """Rate of each actuator's length."""
    w = wp.tid()
    for u in range(actuator_velocity.shape[1]):
        actuator_velocity[w, u] = real(0.0)
        for e in range(moment_dof_adr[u], moment_dof_adr[u + 1]):
            actuator_velocity[w, u] += actuator_moment[w, e] * qvel[w, moment_dof[e]]


@wp.func
def acts(w: int, u: int, actuator_enabled: wp.array(dtype=int), actuator_on: wp.array2d(dtype=int)) -> bool:
    """Whether an actuator is on. (Groups of arguments are copied at calls that are not inlined.)"""
    return actuator_enabled[u] + actuator_on[w, u] >= ALWAYS


@wp.func
def control_of(w: int, k: int, law: ActuatorLaw, ctrl: wp.array2d(dtype=real)) -> real:
    """A control, within its range."""
    signal = ctrl[w, k]
    if law.actuator_ctrllimited[k] == 1:
        signal = clip(signal, law.actuator_ctrlrange[k, 0], law.actuator_ctrlrange[k, 1])
    return signal


@wp.func
def signal_of(w: int, u: int, law: ActuatorLaw, ctrl: wp.array2d(dtype=real)) -> real:
    """The control of an actuator that is no servo, within its range."""
    signal = real(0.0)
    k = law.actuator_ctrladr[u]
    if k >= 0:
        signal = ctrl[w, k]
        if law.actuator_ctrllimited[k] == 1:
            signal = clip(signal, law.actuator_ctrlrange[k, 0], law.actuator_ctrlrange[k, 1])
    return signal


@wp.func
def turn_period(w: int, u: int, turns: int, actuator_gear: wp.array3d(dtype=real)) -> real:
    """After which difference setpoints of a servo that turns mean the same; 0 of any other (MuJoCo: wrapPeriod)."""
    period = real(0.0)
    if turns > 0:
        first = 0
        shift = real(0.0)
        if turns == TURNS_SITE:
            first = 3
            shift = wp.abs(actuator_gear[w, u, 0]) + wp.abs(actuator_gear[w, u, 1]) + wp.abs(actuator_gear[w, u, 2])
        axis = vec3(actuator_gear[w, u, first], actuator_gear[w, u, first + 1], actuator_gear[w, u, first + 2])
        if shift == real(0.0) and wp.dot(axis, axis) > real(0.0):
            period = TWO_PI * wp.length(axis)
    return period


@wp.func
def nearest_setpoint(
    w: int, u: int, law: ActuatorLaw, actuator_gear: wp.array3d(dtype=real), setpoint: real, length: real
) -> real:
    """Of a servo that turns a ball joint or a site: the setpoint that means the same and is nearest to the length
    (MuJoCo: wrapSetpoint)."""
    nearest = setpoint
    if law.actuator_turns[u] > 0 and law.actuator_gainprm[w, u, 0] == -law.actuator_biasprm[w, u, 1]:
        period = turn_period(w, u, law.actuator_turns[u], actuator_gear)
        if period > real(0.0):
            nearest = setpoint - period * wp.round((setpoint - length) / period)
    return nearest


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
    law: ActuatorLaw,
    activations: Activations,
    moments: Moments,
    muscles: MuscleForces,
    servos: ServoForces,
    actuator_gear: wp.array3d(dtype=real),
    timestep: real,
    actuator_ctrl: wp.array2d(dtype=real),
    act: wp.array2d(dtype=real),
    qvel: wp.array2d(dtype=real),
    out: ActuatorForces,
):
    """force = gain * (ctrl or act) + bias, clipped; act_dot; joint forces moment' * force (MuJoCo: mj_fwdActuation).

    An actuator that was never commanded is off: no force, no activation dynamics. Where the sum of the forces on a
    tendon is beyond what the tendon bears (``tendon_actfrcrange``), each of them is scaled down, without a derivative.
    """
    w = wp.tid()
    for i in range(qvel.shape[1]):
        out.qfrc_actuator_raw[w, i] = real(0.0)
    for t in range(out.ten_actuator_force.shape[1]):
        out.ten_actuator_force[w, t] = real(0.0)
    for u in range(law.actuator_enabled.shape[0]):
        adr = activations.actuator_actadr[u]
        dyntype = activations.actuator_dyntype[u]
        if acts(w, u, law.actuator_enabled, activations.actuator_on):
            signal = signal_of(w, u, law, actuator_ctrl)
            source = signal
            if adr >= 0:
                rate = signal
                if dyntype == DYN_MUSCLE:
                    rate = muscles.muscle_rate[w, law.actuator_muscle[u]]
                elif dyntype != DYN_INTEGRATOR:
                    rate = (signal - act[w, adr]) / wp.max(activations.actuator_dynprm[w, u, 0], MIN_TAU)
                out.act_dot[w, adr] = rate
                source = act[w, adr]
                if law.actuator_actearly[u] == 1:
                    source = next_activation(
                        act[w, adr],
                        rate,
                        dyntype,
                        activations.actuator_dynprm[w, u, 0],
                        activations.actuator_actlimited[u],
                        activations.actuator_actrange[u, 0],
                        activations.actuator_actrange[u, 1],
                        timestep,
                    )
            length = moments.actuator_length[w, u]
            source = nearest_setpoint(w, u, law, actuator_gear, source, length)
            rate_of_length = moments.actuator_velocity[w, u]
            gain = law.actuator_gainprm[w, u, 0]
            slope = real(0.0)
            load = real(0.0)
            load_slope = real(0.0)
            if law.actuator_gaintype[u] == GAIN_AFFINE:
                gain = gain + law.actuator_gainprm[w, u, 1] * length + law.actuator_gainprm[w, u, 2] * rate_of_length
                slope = law.actuator_gainprm[w, u, 2] * source
            if law.actuator_gaintype[u] == GAIN_MUSCLE:
                gain = muscles.muscle_gain[w, law.actuator_muscle[u]]
                slope = muscles.muscle_slope[w, law.actuator_muscle[u]] * source
            force = gain * source
            if law.actuator_biastype[u] == BIAS_AFFINE:
                force = (
                    force
                    + law.actuator_biasprm[w, u, 0]
                    + law.actuator_biasprm[w, u, 1] * length
                    + law.actuator_biasprm[w, u, 2] * rate_of_length
                )
                slope = slope + law.actuator_biasprm[w, u, 2]
            if law.actuator_biastype[u] == BIAS_MUSCLE:
                force = force + muscles.muscle_bias[w, law.actuator_muscle[u]]
            if law.actuator_servo[u] >= 0:
                force = servos.servo_force[w, law.actuator_servo[u]]
                slope = servos.servo_slope[w, law.actuator_servo[u]]
                load = servos.servo_load[w, law.actuator_servo[u]]
                load_slope = servos.servo_load_slope[w, law.actuator_servo[u]]
            if law.actuator_limited_tendon[u] >= 0:
                out.actuator_force_raw[w, u] = force
                out.dforce_dvel_raw[w, u] = slope
                out.ten_actuator_force[w, law.actuator_limited_tendon[u]] += force
            else:
                limited, free_slope = limited_force(u, law.actuator_forcelimited, law.actuator_forcerange, force, slope)
                limited = limited + load
                out.actuator_force[w, u] = limited
                out.dforce_dvel[w, u] = free_slope + load_slope
                for e in range(moments.moment_dof_adr[u], moments.moment_dof_adr[u + 1]):
                    out.qfrc_actuator_raw[w, moments.moment_dof[e]] += moments.actuator_moment[w, e] * limited
        else:
            out.actuator_force[w, u] = real(0.0)
            out.dforce_dvel[w, u] = real(0.0)
            if adr >= 0:
                out.act_dot[w, adr] = real(0.0)
    for u in range(law.actuator_enabled.shape[0]):
        if law.actuator_limited_tendon[u] >= 0 and acts(w, u, law.actuator_enabled, activations.actuator_on):
            t = law.actuator_limited_tendon[u]
            total = out.ten_actuator_force[w, t]
            share = real(1.0)
            within = out.dforce_dvel_raw[w, u]
            if total < law.tendon_actfrcrange[t, 0] and total != real(0.0):
                share = law.tendon_actfrcrange[t, 0] / total
                within = real(0.0)
            if total > law.tendon_actfrcrange[t, 1] and total != real(0.0):
                share = law.tendon_actfrcrange[t, 1] / total
                within = real(0.0)
            scaled, scaled_slope = limited_force(
                u,
                law.actuator_forcelimited,
                law.actuator_forcerange,
                share * out.actuator_force_raw[w, u],
                within,
            )
            if law.actuator_servo[u] >= 0:
                scaled = scaled + servos.servo_load[w, law.actuator_servo[u]]
                scaled_slope = scaled_slope + servos.servo_load_slope[w, law.actuator_servo[u]]
            out.actuator_force[w, u] = scaled
            out.dforce_dvel[w, u] = scaled_slope
            for e in range(moments.moment_dof_adr[u], moments.moment_dof_adr[u + 1]):
                out.qfrc_actuator_raw[w, moments.moment_dof[e]] += moments.actuator_moment[w, e] * scaled
