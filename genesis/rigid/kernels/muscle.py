"""Muscles (MuJoCo: mju_muscleGain, mju_muscleBias, mju_muscleDynamics).

    force = -F FL(L) FV(V) act - F FP(L),   act' = (ctrl - act) / tau(ctrl, act)

L and V: length and velocity in units of the length at which the muscle is strongest, F: peak force.
"""

import warp as wp

from genesis.rigid.kernels.actuation import BIAS_MUSCLE, DYN_MUSCLE, GAIN_MUSCLE, signal_of
from genesis.rigid.kernels.command import clip
from genesis.rigid.kernels.groups import Activations, ActuatorLaw, Moments, MuscleForces
from genesis.types import real, taped

MIN_VALUE = real(1.0e-15)  # mjMINVAL
ZERO = real(0.0)
HALF = real(0.5)
ONE = real(1.0)
ONE_AND_A_HALF = real(1.5)
# Where the parameters are among the nine of a gain or bias.
LOW = wp.constant(0)
HIGH = wp.constant(1)
PEAK = wp.constant(2)
SCALE = wp.constant(3)
LMIN = wp.constant(4)
LMAX = wp.constant(5)
VMAX = wp.constant(6)
FPMAX = wp.constant(7)
FVMAX = wp.constant(8)


@wp.func
def peak_force(prm: wp.array3d(dtype=real), w: int, u: int, acc0: real) -> real:
    peak = prm[w, u, PEAK]
    if peak < ZERO:
        peak = prm[w, u, SCALE] / wp.max(MIN_VALUE, acc0)
    return peak


@wp.func
def strongest_length(prm: wp.array3d(dtype=real), lengthrange: wp.array3d(dtype=real), w: int, u: int) -> real:
    """The length [m] at which the muscle is strongest."""
    return (lengthrange[w, u, 1] - lengthrange[w, u, 0]) / wp.max(MIN_VALUE, prm[w, u, HIGH] - prm[w, u, LOW])


@wp.func
def relative_length(
    prm: wp.array3d(dtype=real), lengthrange: wp.array3d(dtype=real), w: int, u: int, length: real
) -> real:
    unit = wp.max(MIN_VALUE, strongest_length(prm, lengthrange, w, u))
    return prm[w, u, LOW] + (length - lengthrange[w, u, 0]) / unit


@wp.func
def gain_by_length(x: real, low: real, high: real) -> real:
    """FL: 1 at a length of 1, 0 outside of (low, high), of four parabolas."""
    below = HALF * (low + ONE)
    above = HALF * (ONE + high)
    value = ZERO
    if x >= low and x <= high:
        if x <= below:
            y = (x - low) / wp.max(MIN_VALUE, below - low)
            value = HALF * y * y
        elif x <= ONE:
            y = (ONE - x) / wp.max(MIN_VALUE, ONE - below)
            value = ONE - HALF * y * y
        elif x <= above:
            y = (x - ONE) / wp.max(MIN_VALUE, above - ONE)
            value = ONE - HALF * y * y
        else:
            y = (high - x) / wp.max(MIN_VALUE, high - above)
            value = HALF * y * y
    return value


@wp.func
def gain_by_velocity(x: real, most: real):
    """FV: 0 where the muscle shortens as fast as it can, ``most`` where it is drawn out; and its derivative."""
    rise = most - ONE
    value = most
    slope = ZERO
    if x <= -ONE:
        value = ZERO
    elif x <= ZERO:
        value = (x + ONE) * (x + ONE)
        slope = real(2.0) * (x + ONE)
    elif x <= rise:
        value = most - (rise - x) * (rise - x) / wp.max(MIN_VALUE, rise)
        slope = real(2.0) * (rise - x) / wp.max(MIN_VALUE, rise)
    return value, slope


@wp.func
def passive_by_length(x: real, high: real) -> real:
    """FP: a parabola from a length of 1 on, then straight."""
    knee = HALF * (ONE + high)
    unit = wp.max(MIN_VALUE, knee - ONE)
    value = ZERO
    if x > knee:
        value = HALF + (x - knee) / unit
    elif x > ONE:
        value = HALF * ((x - ONE) / unit) * ((x - ONE) / unit)
    return value


@wp.func
def smooth_switch(x: real) -> real:
    """From 0 to 1, with two derivatives (MuJoCo: mju_sigmoid)."""
    y = clip(x, ZERO, ONE)
    return y * y * y * (real(3.0) * y * (real(2.0) * y - real(5.0)) + real(10.0))


@wp.func
def activation_rate(dynprm: wp.array3d(dtype=real), w: int, u: int, signal: real, act: real) -> real:
    """Millard et al. 2013, doi:10.1115/1.4023390; the parameters are two time constants [s] and the width over which
    one gives way to the other."""
    factor = HALF + ONE_AND_A_HALF * clip(act, ZERO, ONE)
    rising = dynprm[w, u, 0] * factor
    falling = dynprm[w, u, 1] / factor
    missing = clip(signal, ZERO, ONE) - act
    tau = falling
    if dynprm[w, u, 2] >= MIN_VALUE:
        tau = falling + (rising - falling) * smooth_switch(missing / dynprm[w, u, 2] + HALF)
    elif missing > ZERO:
        tau = rising
    return missing / wp.max(MIN_VALUE, tau)


@taped
def muscles(
    muscle_actuator: wp.array(dtype=int),
    muscle_acc0: wp.array(dtype=real),
    actuator_lengthrange: wp.array3d(dtype=real),
    law: ActuatorLaw,
    activations: Activations,
    moments: Moments,
    actuator_ctrl: wp.array2d(dtype=real),
    act: wp.array2d(dtype=real),
    out: MuscleForces,
):
    """Gain and passive force [N], and the rate of the activation [1/s], of each actuator that is one in any of them."""
    w = wp.tid()
    for n in range(muscle_actuator.shape[0]):
        u = muscle_actuator[n]
        length = moments.actuator_length[w, u]
        out.muscle_gain[w, n] = ZERO
        out.muscle_slope[w, n] = ZERO
        out.muscle_bias[w, n] = ZERO
        out.muscle_rate[w, n] = ZERO
        if law.actuator_gaintype[u] == GAIN_MUSCLE:
            prm = law.actuator_gainprm
            unit = wp.max(MIN_VALUE, strongest_length(prm, actuator_lengthrange, w, u) * prm[w, u, VMAX])
            force = peak_force(prm, w, u, muscle_acc0[n]) * gain_by_length(
                relative_length(prm, actuator_lengthrange, w, u, length), prm[w, u, LMIN], prm[w, u, LMAX]
            )
            value, slope = gain_by_velocity(moments.actuator_velocity[w, u] / unit, prm[w, u, FVMAX])
            out.muscle_gain[w, n] = -force * value
            out.muscle_slope[w, n] = -force * slope / unit
        if law.actuator_biastype[u] == BIAS_MUSCLE:
            own = law.actuator_biasprm
            out.muscle_bias[w, n] = (
                -peak_force(own, w, u, muscle_acc0[n])
                * own[w, u, FPMAX]
                * passive_by_length(relative_length(own, actuator_lengthrange, w, u, length), own[w, u, LMAX])
            )
        if activations.actuator_dyntype[u] == DYN_MUSCLE:
            signal = signal_of(w, u, law, actuator_ctrl)
            out.muscle_rate[w, n] = activation_rate(
                activations.actuator_dynprm, w, u, signal, act[w, activations.actuator_actadr[u]]
            )
