"""PID servos and DC motors (MuJoCo: gaintypes pid and dcmotor in mj_fwdActuation, and mj_nextActivation).

A PID servo of length l pushes with

    force = kp (pos - l) + kv (vel - l') + ff + ki z,   z' = pos - l.

A DC motor of resistance R and constant K turns a voltage, that of its terminals or of a controller of this kind, into
a current and the current into a force, against its back-EMF:

    te i' = (V - K l') / R - i,   force = K i + A sin(N l + phi) - s0 b - s1 b',

where b, the deflection of the bristles between its sliding parts, follows b' = l' - s0 |l'| b / g(l') (LuGre). A motor
without a time constant te has the current at which i' = 0. R grows with the temperature T above the ambient one,
C T' = R i^2 - T / RT.

The states that an actuator has are those of its file. How fast its first input moves may be limited, and how large z
and i' become.
"""

import warp as wp

from genesis.rigid.kernels.actuation import ALWAYS, acts, control_of, turn_period
from genesis.rigid.kernels.command import clip
from genesis.rigid.kernels.groups import Activations, ActuatorLaw, Moments, ServoForces, Servos
from genesis.types import real, taped

MIN_VALUE = real(1.0e-15)  # mjMINVAL
ZERO = real(0.0)
ONE = real(1.0)
# States of a servo (genesis.model.servos.STATES), and its inputs (genesis.model.controls.INPUTS).
SLEW = wp.constant(0)
INTEGRAL = wp.constant(1)
TEMPERATURE = wp.constant(2)
BRISTLE = wp.constant(3)
CURRENT = wp.constant(4)
N_STATES = wp.constant(5)
POS = wp.constant(0)
VEL = wp.constant(1)
FF = wp.constant(2)
VOLTAGE = wp.constant(3)
# Parameters of a DC motor: among gainprm,
RESISTANCE = wp.constant(0)
MOTOR_CONSTANT = wp.constant(1)
HEAT_COEFFICIENT = wp.constant(2)
REFERENCE_TEMPERATURE = wp.constant(3)
KP = wp.constant(4)
KI = wp.constant(5)
KD = wp.constant(6)
LARGEST_VOLTAGE = wp.constant(7)
# among biasprm,
COGGING = wp.constant(0)
COGGING_PERIODS = wp.constant(1)
COGGING_PHASE = wp.constant(2)
COULOMB = wp.constant(3)
STATIC = wp.constant(4)
STRIBECK_VELOCITY = wp.constant(5)
# and among dynprm; the last two are the first two of a PID servo, in the other order.
TIME_CONSTANT = wp.constant(0)
LARGEST_CURRENT_RATE = wp.constant(1)
THERMAL_RESISTANCE = wp.constant(2)
THERMAL_CAPACITY = wp.constant(3)
AMBIENT_TEMPERATURE = wp.constant(4)
BRISTLE_STIFFNESS = wp.constant(5)
BRISTLE_DAMPING = wp.constant(6)
LARGEST_SLEW = wp.constant(7)
LARGEST_INTEGRAL = wp.constant(8)
PID_LARGEST_INTEGRAL = wp.constant(0)
PID_LARGEST_SLEW = wp.constant(1)
# (exp(x) - 1) / x below this |x| by its series, of which what is left out is then below rounding.
SERIES_LIMIT = real(0.05)
EXP_1 = real(1.0 / 2.0)
EXP_2 = real(1.0 / 6.0)
EXP_3 = real(1.0 / 24.0)
EXP_4 = real(1.0 / 120.0)
EXP_5 = real(1.0 / 720.0)
EXP_6 = real(1.0 / 5040.0)
EXP_7 = real(1.0 / 40320.0)
EXP_8 = real(1.0 / 362880.0)


@wp.func
def input_of(
    w: int, n: int, kind: int, servos: Servos, law: ActuatorLaw, actuator_ctrl: wp.array2d(dtype=real)
) -> real:
    """One of a servo's inputs, within its range; zero if the servo has it not."""
    value = ZERO
    if servos.servo_input[n, kind] >= 0:
        value = control_of(w, servos.servo_input[n, kind], law, actuator_ctrl)
    return value


@wp.func
def slewed(
    w: int, n: int, kind: int, servos: Servos, act: wp.array2d(dtype=real), aim: real, reach: real, period: real
) -> real:
    """An input as far as it gets in a step: the first of a servo, if the servo has a state for it (slewLimit).

    ``period``: of inputs that mean the same, or 0.
    """
    value = aim
    if servos.servo_first[n] == kind and servos.servo_state[n, SLEW] >= 0:
        before = act[w, servos.servo_state[n, SLEW]]
        near = aim
        if period > ZERO:
            near = aim - period * wp.round((aim - before) / period)
        value = near
        if reach > ZERO:
            value = clip(near, before - reach, before + reach)
    return value


@wp.func
def held_back(error: real, integral: real, largest: real) -> real:
    """The rate of an integral that does not grow beyond ``largest``, if that is above zero."""
    rate = error
    if largest > ZERO:
        if integral >= largest:
            rate = wp.min(error, ZERO)
        elif integral <= -largest:
            rate = wp.max(error, ZERO)
    return rate


@wp.func
def stribeck(biasprm: wp.array3d(dtype=real), w: int, u: int, velocity: real) -> real:
    """g: the friction of a steady motion [N, N m]."""
    ratio = velocity / wp.max(MIN_VALUE, biasprm[w, u, STRIBECK_VELOCITY])
    return biasprm[w, u, COULOMB] + (biasprm[w, u, STATIC] - biasprm[w, u, COULOMB]) * wp.exp(-ratio * ratio)


@wp.func
def bristle_decay(
    biasprm: wp.array3d(dtype=real), dynprm: wp.array3d(dtype=real), w: int, u: int, velocity: real
) -> real:
    """a of the bristles' b' = a b + velocity [1/s], not positive."""
    return -dynprm[w, u, BRISTLE_STIFFNESS] * wp.abs(velocity) / wp.max(MIN_VALUE, stribeck(biasprm, w, u, velocity))


@wp.func
def heated_resistance(
    gainprm: wp.array3d(dtype=real), dynprm: wp.array3d(dtype=real), w: int, u: int, temperature: real
) -> real:
    above = temperature + dynprm[w, u, AMBIENT_TEMPERATURE] - gainprm[w, u, REFERENCE_TEMPERATURE]
    return gainprm[w, u, RESISTANCE] * (ONE + gainprm[w, u, HEAT_COEFFICIENT] * above)


@wp.func
def filter_time(te: real, h: real) -> real:
    """For how long a rate lasts that decays with the time constant ``te`` during a step (nextActivation)."""
    tau = wp.max(te, MIN_VALUE)
    return tau * (ONE - wp.exp(-h / tau))


@wp.func
def input_time(a: real, h: real) -> real:
    """(exp(a h) - 1) / a."""
    x = a * h
    share = ONE
    if wp.abs(x) < SERIES_LIMIT:
        share = ONE + x * (
            EXP_1 + x * (EXP_2 + x * (EXP_3 + x * (EXP_4 + x * (EXP_5 + x * (EXP_6 + x * (EXP_7 + x * EXP_8))))))
        )
    else:
        share = (wp.exp(x) - ONE) / x
    return h * share


@taped
def pid_servos(
    servos: Servos,
    law: ActuatorLaw,
    activations: Activations,
    moments: Moments,
    actuator_gear: wp.array3d(dtype=real),
    timestep: real,
    actuator_ctrl: wp.array2d(dtype=real),
    act: wp.array2d(dtype=real),
    act_dot: wp.array2d(dtype=real),
    out: ServoForces,
):
    """Force of each PID servo [N, N m] with its derivative by velocity, and the rates of its states."""
    w = wp.tid()
    for p in range(servos.pid_servo.shape[0]):
        n = servos.pid_servo[p]
        u = servos.servo_actuator[n]
        length = moments.actuator_length[w, u]
        slew = servos.servo_state[n, SLEW]
        integral = servos.servo_state[n, INTEGRAL]
        out.servo_load[w, n] = ZERO
        out.servo_load_slope[w, n] = ZERO
        if acts(w, u, law.actuator_enabled, activations.actuator_on):
            bias = law.actuator_biasprm
            period = turn_period(w, u, law.actuator_turns[u], actuator_gear)
            reach = activations.actuator_dynprm[w, u, PID_LARGEST_SLEW] * timestep
            pos = slewed(w, n, POS, servos, act, input_of(w, n, POS, servos, law, actuator_ctrl), reach, period)
            aim = pos
            if period > ZERO:
                aim = pos - period * wp.round((pos - length) / period)
            force = (
                input_of(w, n, FF, servos, law, actuator_ctrl)
                - bias[w, u, 1] * aim
                - bias[w, u, 2] * input_of(w, n, VEL, servos, law, actuator_ctrl)
                + bias[w, u, 0]
                + bias[w, u, 1] * length
                + bias[w, u, 2] * moments.actuator_velocity[w, u]
            )
            if slew >= 0:
                act_dot[w, slew] = (pos - act[w, slew]) / timestep
            if integral >= 0:
                z = act[w, integral]
                rate = held_back(aim - length, z, activations.actuator_dynprm[w, u, PID_LARGEST_INTEGRAL])
                act_dot[w, integral] = rate
                if law.actuator_actearly[u] == 1:
                    z = act[w, integral] + timestep * rate
                    if activations.actuator_actlimited[u] == 1:
                        z = clip(z, activations.actuator_actrange[u, 0], activations.actuator_actrange[u, 1])
                force = force + law.actuator_gainprm[w, u, 0] * z
            out.servo_force[w, n] = force
            out.servo_slope[w, n] = bias[w, u, 2]
        else:
            out.servo_force[w, n] = ZERO
            out.servo_slope[w, n] = ZERO
            if slew >= 0:
                act_dot[w, slew] = ZERO
            if integral >= 0:
                act_dot[w, integral] = ZERO


@taped
def dc_motors(
    servos: Servos,
    law: ActuatorLaw,
    activations: Activations,
    moments: Moments,
    timestep: real,
    actuator_ctrl: wp.array2d(dtype=real),
    act: wp.array2d(dtype=real),
    act_dot: wp.array2d(dtype=real),
    out: ServoForces,
):
    """Force of each DC motor [N, N m] with its derivative by velocity; what it adds beyond the limits of its force; and
    the rates of its states.

    As in MuJoCo the derivative has nothing of what stands at its limit, and not how fast the bristles give way.
    ``act_dot`` holds behind the rates the velocities of those motors whose bristles are integrated in closed form.
    """
    w = wp.tid()
    for m in range(servos.dc_servo.shape[0]):
        n = servos.dc_servo[m]
        u = servos.servo_actuator[n]
        length = moments.actuator_length[w, u]
        velocity = moments.actuator_velocity[w, u]
        slew = servos.servo_state[n, SLEW]
        integral = servos.servo_state[n, INTEGRAL]
        temperature = servos.servo_state[n, TEMPERATURE]
        bristle = servos.servo_state[n, BRISTLE]
        winding = servos.servo_state[n, CURRENT]
        if servos.servo_velocity[n] >= 0:
            act_dot[w, servos.servo_velocity[n]] = velocity
        if acts(w, u, law.actuator_enabled, activations.actuator_on):
            gain = law.actuator_gainprm
            bias = law.actuator_biasprm
            dyn = activations.actuator_dynprm
            constant = gain[w, u, MOTOR_CONSTANT]
            reach = dyn[w, u, LARGEST_SLEW] * timestep
            voltage = ZERO
            voltage_slope = ZERO
            if servos.servo_first[n] >= 0 and servos.servo_first[n] < VOLTAGE:
                pos = slewed(w, n, POS, servos, act, input_of(w, n, POS, servos, law, actuator_ctrl), reach, ZERO)
                vel = slewed(w, n, VEL, servos, act, input_of(w, n, VEL, servos, law, actuator_ctrl), reach, ZERO)
                ff = slewed(w, n, FF, servos, act, input_of(w, n, FF, servos, law, actuator_ctrl), reach, ZERO)
                torque = gain[w, u, KP] * (pos - length) + gain[w, u, KD] * (vel - velocity) + ff
                if slew >= 0:
                    first = pos
                    if servos.servo_first[n] == VEL:
                        first = vel
                    if servos.servo_first[n] == FF:
                        first = ff
                    act_dot[w, slew] = (first - act[w, slew]) / timestep
                if integral >= 0:
                    torque = torque + gain[w, u, KI] * act[w, integral]
                    act_dot[w, integral] = held_back(pos - length, act[w, integral], dyn[w, u, LARGEST_INTEGRAL])
                voltage = gain[w, u, RESISTANCE] / constant * torque + constant * velocity
                voltage_slope = constant - gain[w, u, KD] * gain[w, u, RESISTANCE] / constant
                largest = gain[w, u, LARGEST_VOLTAGE]
                if largest > ZERO:
                    if wp.abs(voltage) >= largest:
                        voltage_slope = ZERO
                    voltage = clip(voltage, -largest, largest)
            voltage = voltage + input_of(w, n, VOLTAGE, servos, law, actuator_ctrl)

            resistance = gain[w, u, RESISTANCE]
            if temperature >= 0:
                resistance = heated_resistance(gain, dyn, w, u, act[w, temperature])
            resistance = wp.max(MIN_VALUE, resistance)
            current = (voltage - constant * velocity) / resistance
            force = constant * current
            slope = constant * (voltage_slope - constant) / resistance
            if winding >= 0:
                te = dyn[w, u, TIME_CONSTANT]
                rate = (current - act[w, winding]) / te
                fastest = dyn[w, u, LARGEST_CURRENT_RATE]
                if fastest > ZERO:
                    if wp.abs(rate) >= fastest:
                        slope = ZERO
                    rate = clip(rate, -fastest, fastest)
                act_dot[w, winding] = rate
                current = act[w, winding]
                force = constant * (act[w, winding] + rate * filter_time(te, timestep))
                slope = slope * (ONE - wp.exp(-timestep / te))
            if temperature >= 0:
                warmth = act[w, temperature]
                act_dot[w, temperature] = (
                    resistance * current * current - warmth / dyn[w, u, THERMAL_RESISTANCE]
                ) / dyn[w, u, THERMAL_CAPACITY]
            load_slope = ZERO
            load = bias[w, u, COGGING] * wp.sin(bias[w, u, COGGING_PERIODS] * length + bias[w, u, COGGING_PHASE])
            if bristle >= 0:
                sliding = bristle_decay(bias, dyn, w, u, velocity) * act[w, bristle] + velocity
                act_dot[w, bristle] = sliding
                load = load - (dyn[w, u, BRISTLE_STIFFNESS] * act[w, bristle] + dyn[w, u, BRISTLE_DAMPING] * sliding)
            if dyn[w, u, BRISTLE_DAMPING] > ZERO:
                load_slope = -dyn[w, u, BRISTLE_DAMPING]
            out.servo_force[w, n] = force
            out.servo_slope[w, n] = slope
            out.servo_load[w, n] = load
            out.servo_load_slope[w, n] = load_slope
        else:
            out.servo_force[w, n] = ZERO
            out.servo_slope[w, n] = ZERO
            out.servo_load[w, n] = ZERO
            out.servo_load_slope[w, n] = ZERO
            for s in range(N_STATES):
                if servos.servo_state[n, s] >= 0:
                    act_dot[w, servos.servo_state[n, s]] = ZERO


@taped
def advance_servos(
    servos: Servos,
    law: ActuatorLaw,
    activations: Activations,
    timestep: real,
    act: wp.array2d(dtype=real),
    act_dot: wp.array2d(dtype=real),
    act_next: wp.array2d(dtype=real),
):
    """States of servos a step later: currents and bristles in closed form, the others along their rates."""
    w = wp.tid()
    for n in range(servos.servo_actuator.shape[0]):
        u = servos.servo_actuator[n]
        dyn = activations.actuator_dynprm
        for k in range(N_STATES):
            s = servos.servo_state[n, k]
            if s >= 0:
                y = act[w, s]
                if activations.actuator_on[w, u] == 1 or law.actuator_enabled[u] == ALWAYS:
                    y = act[w, s] + timestep * act_dot[w, s]
                    if servos.servo_is_motor[n] == 0:
                        if activations.actuator_actlimited[u] == 1:
                            y = clip(y, activations.actuator_actrange[u, 0], activations.actuator_actrange[u, 1])
                    elif k == CURRENT:
                        y = act[w, s] + act_dot[w, s] * filter_time(dyn[w, u, TIME_CONSTANT], timestep)
                    elif k == BRISTLE and servos.servo_velocity[n] >= 0:
                        velocity = act_dot[w, servos.servo_velocity[n]]
                        a = bristle_decay(law.actuator_biasprm, dyn, w, u, velocity)
                        y = wp.exp(a * timestep) * act[w, s] + input_time(a, timestep) * velocity
                    elif k == INTEGRAL and dyn[w, u, LARGEST_INTEGRAL] > ZERO:
                        y = clip(y, -dyn[w, u, LARGEST_INTEGRAL], dyn[w, u, LARGEST_INTEGRAL])
                act_next[w, s] = y
