"""Sensors whose values are of the past: when each was measured, and which measurements one reading is made of (MuJoCo:
mju_historyRead, mj_advance, compute_or_read_sensor).

MuJoCo keeps a ring of (time, value) for each such sensor. A measurement is made in a step, at its start; times are
counted here in steps since the start of the simulation, so that they are whole numbers.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import mujoco
import numpy as np

_ZOH, _LINEAR = 0, 1  # mujoco.mjtInterp
# A time that is as close to a step as this part of one is that step's: the rest is rounding.
_SAME_TIME = 1e-6


def numbers(m: mujoco.MjModel) -> tuple[int, ...]:
    """The sensors that look back: with a history, and a delay or an interval."""
    late = (m.sensor_history[:, 0] > 0) & ((m.sensor_delay > 0) | (m.sensor_interval[:, 0] > 0))
    return tuple(np.flatnonzero(late).tolist())


@dataclass(frozen=True)
class Schedule:
    """When a sensor measures, and how it is read.

    Attributes:
        n: samples that it keeps
        interp: MuJoCo's mjtInterp
        delay: in steps
        interval, first: between measurements, and when the first is made, in steps; an interval of 0: in every step
    """

    n: int
    interp: int
    delay: float
    interval: float
    first: float

    @staticmethod
    def of(m: mujoco.MjModel, number: int) -> Schedule:
        """That of a sensor of the model."""
        n, interp = m.sensor_history[number].tolist()
        interval, phase = m.sensor_interval[number] / m.opt.timestep
        first = interval + phase if phase else 0.0
        return Schedule(n, interp, max(float(m.sensor_delay[number]), 0.0) / m.opt.timestep, interval, first)

    @cached_property
    def depth(self) -> int:
        """The oldest measurement that a reading may need, in steps before it."""
        spacing = max(math.ceil(self.interval), 1)
        return min(self.n * spacing + 1, math.ceil(self.delay) + 3 * spacing + 1)

    def _step_of(self, k: int | np.ndarray) -> np.ndarray:
        """The step in which measurement number k is made; of those before the start, when they would have been."""
        if not self.interval:
            return np.asarray(k)
        due = np.ceil(self.first + np.asarray(k) * self.interval - _SAME_TIME).astype(int)
        if self.interval >= 1.0:
            return due
        # Due more often than there are steps: once in each, from the first on.
        begin = math.ceil(self.first - _SAME_TIME)
        return np.where(np.asarray(k) >= 0, begin + np.asarray(k), due)

    def _n_before(self, age: int) -> int:
        """How many measurements are made before step number `age`."""
        if not self.interval:
            return age
        spacing = max(self.interval, 1.0)
        first = self.first if self.interval >= 1.0 else math.ceil(self.first - _SAME_TIME)
        return max(math.floor((age - 1 - first + _SAME_TIME) / spacing) + 1, 0)

    def weights(self, age: int) -> dict[int, float]:
        """What a reading at the start of step number `age` is made of: how many steps ago -> weight. Measurements from
        before the start are zero, and left out."""
        made = self._n_before(age)
        if not self.delay:
            if int(self._step_of(made)) == age:
                return {0: 1.0}
            return {age - int(self._step_of(made - 1)): 1.0} if made else {}
        kept = np.arange(made - self.n, made)
        steps = self._step_of(kept)
        parts = _read(steps, age - self.delay, self.interp)
        return {age - int(steps[i]): weight for i, weight in parts.items() if kept[i] >= 0 and weight != 0.0}


def _read(times: np.ndarray, t: float, interp: int) -> dict[int, float]:
    """Weights of the samples, which are of ascending `times`, at time t."""
    last = len(times) - 1
    if t <= times[0] + _SAME_TIME:
        return {0: 1.0}
    if t >= times[last] - _SAME_TIME:
        return {last: 1.0}
    i = int(np.searchsorted(times, t + _SAME_TIME, side="right")) - 1
    span = float(times[i + 1] - times[i])
    s = (t - times[i]) / span
    if interp == _ZOH or s <= _SAME_TIME:
        return {i: 1.0}
    if interp == _LINEAR:
        return {i: 1.0 - s, i + 1: s}
    found = {i: (1 + 2 * s) * (1 - s) ** 2, i + 1: s * s * (3 - 2 * s)}
    # Slopes by the neighbours of each end; none at the ends of the history.
    for end, weight in ((i, s * (1 - s) ** 2), (i + 1, s * s * (s - 1))):
        if 0 < end < last:
            slope = weight * span / float(times[end + 1] - times[end - 1])
            found[end + 1] = found.get(end + 1, 0.0) + slope
            found[end - 1] = found.get(end - 1, 0.0) - slope
    return found
