"""Controls that act late: an actuator with a delay follows what was commanded then (MuJoCo: mj_readCtrl, mj_advance).

The last controls of such an actuator, one per integration step, the oldest first, lie behind the activations; each step
drops the oldest and appends the present one.
"""

import warp as wp

from genesis.rigid.kernels.groups import Histories
from genesis.types import real, taped

# mjtInterp
INTERP_ZOH = wp.constant(0)
INTERP_LINEAR = wp.constant(1)
ZERO = real(0.0)
ONE = real(1.0)
TWO = real(2.0)
THREE = real(3.0)
HALF = real(0.5)
# What is held changes at a sample. A time that misses one by less than this part of a step is rounding of the sample's.
SAME_TIME = real(1.0e-4)


@wp.func
def slope_at(w: int, i: int, first: int, last: int, act: wp.array2d(dtype=real)) -> real:
    """Of the cubic, per step: half the difference of the neighbours; none at either end."""
    slope = ZERO
    if i > first and i < last:
        slope = HALF * (act[w, i + 1] - act[w, i - 1])
    return slope


@wp.func
def control_at(w: int, place: real, first: int, last: int, interp: int, act: wp.array2d(dtype=real)) -> real:
    """The control at a ``place`` of the history, counted from its first sample; beyond an end, the sample there."""
    value = act[w, first]
    if place >= real(last - first):
        value = act[w, last]
    elif place > ZERO:
        if interp == INTERP_ZOH:
            value = act[w, first + int(wp.floor(place + SAME_TIME))]
        else:
            i = first + int(wp.floor(place))
            t = place - wp.floor(place)
            before = act[w, i]
            after = act[w, i + 1]
            if interp == INTERP_LINEAR:
                value = before + t * (after - before)
            else:
                value = (
                    (ONE + TWO * t) * (ONE - t) * (ONE - t) * before
                    + t * (ONE - t) * (ONE - t) * slope_at(w, i, first, last, act)
                    + t * t * (THREE - TWO * t) * after
                    + t * t * (t - ONE) * slope_at(w, i + 1, first, last, act)
                )
    return value


@taped
def delayed_controls(
    histories: Histories,
    timestep: real,
    ahead: real,
    given: wp.array2d(dtype=real),
    act: wp.array2d(dtype=real),
    actuator_ctrl: wp.array2d(dtype=real),
):
    """The controls that act at ``ahead`` of the step (0: at its start): those commanded the delay before."""
    w = wp.tid()
    for c in range(actuator_ctrl.shape[1]):
        k = histories.history_of_ctrl[c]
        delay = ZERO
        if k >= 0:
            delay = histories.actuator_delay[w, histories.history_actuator[k]]
        if delay == ZERO:
            actuator_ctrl[w, c] = given[w, c]
        else:
            first = histories.history_adr[k]
            end = histories.history_adr[k + 1]
            # The sample behind the last would be the present control.
            place = real(end - first) + ahead - delay / timestep
            actuator_ctrl[w, c] = control_at(w, place, first, end - 1, histories.history_interp[k], act)


@taped
def next_history(
    history_adr: wp.array(dtype=int),
    history_ctrl: wp.array(dtype=int),
    given: wp.array2d(dtype=real),
    act: wp.array2d(dtype=real),
    act_dot: wp.array2d(dtype=real),
):
    """What the histories are one step later: of a history, ``act_dot`` is the next value and not a rate."""
    w = wp.tid()
    for k in range(history_ctrl.shape[0]):
        last = history_adr[k + 1] - 1
        for i in range(history_adr[k], last):
            act_dot[w, i] = act[w, i + 1]
        act_dot[w, last] = given[w, history_ctrl[k]]
