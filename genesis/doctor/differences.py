"""Numerical derivatives of a function of one number, with an estimate of their error."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

# Between one step and the next smaller one. Central differences err by h^2: sixteen times less at each.
_RATIO = 4.0
_MOST_STEPS = 11  # from the largest step to one a million times smaller
_WINDOW = 4  # three differences, and one that confirms them
_NEARER = 0.25  # a sixteenth, where the next order is small; a quarter leaves room
_NOISY = 4.0  # standard deviations
# Error relative to the derivative at which no smaller step is tried.
_GOOD = 1.0e-7
NOISE_POINTS = 7  # Moré and Wild recommend six to eight
_JUMP = 100.0  # times the median change from value to value
_JUMP_LEVELS = (2, 4, 6)  # powers of _RATIO by which the steps are smaller at which a jump is looked for
# Factor within which neighbouring levels of the difference table count as equal (Moré and Wild, section 3).
_SAME_LEVEL = 4.0


@dataclass(frozen=True)
class Derivative:
    """A derivative and its error.

    Attributes:
        value: NaN if the function has no finite values around the point
        error: estimate; infinite if nothing confirms the value
        step: the largest of the steps that it is made from
        coarse, coarse_step: central difference with the largest step that could be evaluated
    """

    value: float
    error: float
    step: float
    coarse: float
    coarse_step: float


def noise_of(values: Sequence[float]) -> float:
    """Standard deviation of the rounding noise of a function, from its values at equally spaced points near each other.

    Where one value is far from its neighbour, the function jumps there, and the longer side is taken.
    The k-th differences of a smooth function vanish as k grows; those of noise do not, and have the variance
    (2k)! / (k!)^2 times that of the noise. The first level on which three in a row agree is taken (ECNoise: Moré and
    Wild 2011, "Estimating computational noise").
    """
    table = np.asarray(values, dtype=np.float64)
    if not np.all(np.isfinite(table)):
        return math.inf
    size = float(np.max(np.abs(table), initial=0.0)) or 1.0
    floor = float(np.finfo(np.float64).eps)
    table = _longer_side(table / size)  # (squares of huge numbers overflow)
    gamma, levels, changes = 1.0, [], []
    for k in range(1, len(table)):
        table = np.diff(table)
        gamma *= 0.5 * k / (2 * k - 1)
        levels.append(math.sqrt(gamma * float(np.mean(table**2))))
        changes.append(bool(table.min() < 0.0 < table.max()))
    for k in range(len(levels) - 2):
        window = levels[k : k + 3]
        if max(window) <= _SAME_LEVEL * min(window) and changes[k]:
            return size * max(levels[k], floor)
    return size * max(levels[-1], floor)


def _longer_side(values: np.ndarray) -> np.ndarray:
    """Of a jump; all values if there is none."""
    changes = np.abs(np.diff(values))
    largest = int(np.argmax(changes))
    if changes[largest] <= _JUMP * max(float(np.median(changes)), float(np.finfo(np.float64).eps)):
        return values
    first, second = np.split(values, [largest + 1])
    return first if len(first) > len(second) else second


def derivative(function: Callable[[float], float], step: float, noise: float, scale: float) -> Derivative:
    """Derivative of `function` at zero, from central differences with steps from `step` downwards.

    D(h) = (f(h) - f(-h)) / 2h errs by even powers of h, so that three steps in a row give an extrapolation of sixth
    order (Richardson). Its error is estimated by what the last extrapolation changed, plus `noise` over the smallest
    step. It counts if D closes in on a value from step to step, and the next smaller step confirms it, as far as noise
    lets them; where f jumps, or is rough on the scale of h, they do not. Each window of steps is judged by itself:
    smaller steps do not see a kink or jump at some distance, and the best window is taken (the plateau of the error).
    It ends when the error is small beside the derivative, or beside `scale`, or noise is all there is.

    The error is infinite if no window is confirmed.
    """
    steps: list[float] = []
    slopes: list[float] = []
    best = Derivative(math.nan, math.inf, step, math.nan, step)
    for k in range(_MOST_STEPS):
        h = step / _RATIO**k
        slope = (function(h) - function(-h)) / (2.0 * h)
        if not math.isfinite(slope):
            steps, slopes = [], []  # beyond what the function can take: begin anew
            continue
        steps.append(h)
        slopes.append(slope)
        if math.isnan(best.coarse):
            best = Derivative(slope, math.inf, h, slope, h)
        if len(slopes) < _WINDOW:
            continue
        value, error = _extrapolated(slopes[-_WINDOW:-1], noise / steps[-2])
        rounding = noise / h
        first, second, third = slopes[-_WINDOW:-1]
        closing = abs(third - second) <= _NEARER * abs(second - first) + _NOISY * noise / steps[-2]
        confirmed = closing and abs(slope - value) <= _NEARER * abs(third - value) + _NOISY * rounding
        if confirmed and error < best.error:
            best = Derivative(value, error, steps[-_WINDOW], best.coarse, best.coarse_step)
        if best.error <= _GOOD * max(abs(best.value), scale) or rounding > _NOISY * best.error:
            break
    return best


def jump(function: Callable[[float], float], step: float, noise: float) -> float:
    """By how much `function` jumps at zero: f(h) - f(-h) where it stays the same as h goes to zero, else 0.0."""
    changes = []
    for level in _JUMP_LEVELS:
        h = step / _RATIO**level
        changes.append(function(h) - function(-h))
    sizes = np.abs(changes)
    if not np.all(np.isfinite(sizes)) or len(set(np.sign(changes))) > 1:
        return 0.0
    # What is continuous shrinks by sixteen from one to the next, a root by four.
    same = sizes.max() <= 2.0 * sizes.min() and sizes.min() > _JUMP * noise
    return changes[-1] if same else 0.0


def _extrapolated(slopes: Sequence[float], rounding: float) -> tuple[float, float]:
    """Value and error from three differences, the last of which has this much noise."""
    first, second, third = slopes
    square = _RATIO**2
    low, high = (square * second - first) / (square - 1.0), (square * third - second) / (square - 1.0)
    value = (square**2 * high - low) / (square**2 - 1.0)
    # The change of the last extrapolation alone can be small by chance.
    return value, max(abs(value - high), abs(high - low) / square) + rounding
