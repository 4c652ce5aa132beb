"""Random numbers of sensors: functions of the seed, the sensor, the step and what they are for.

So what a sensor says of a step does not depend on whether it, or another one, was read before, and a program's own
random numbers do not depend on its sensors.
"""

from __future__ import annotations

import numpy as np
import torch

from genesis import runtime

NOISE, WALK, JITTER = range(3)


class Draws:
    """The random numbers of one scene. Its seed is drawn from torch's generator, which `gs.init(seed=...)` seeds."""

    def __init__(self) -> None:
        self._seed = int(torch.randint(2**62, (1,)).item())

    def _generator(self, sensor: int, step: int, purpose: int) -> torch.Generator:
        state = np.random.SeedSequence((self._seed, sensor, step, purpose)).generate_state(1, np.uint64)
        return torch.Generator(device=runtime.device).manual_seed(int(state[0] >> 1))

    def normal(self, sensor: int, step: int, purpose: int, shape: tuple[int, ...]) -> torch.Tensor:
        """Standard normal numbers."""
        generator = self._generator(sensor, step, purpose)
        return torch.randn(shape, generator=generator, dtype=runtime.tc_float, device=runtime.device)

    def uniform(self, sensor: int, step: int, purpose: int, shape: tuple[int, ...]) -> torch.Tensor:
        """Numbers from 0 up to 1."""
        generator = self._generator(sensor, step, purpose)
        return torch.rand(shape, generator=generator, dtype=runtime.tc_float, device=runtime.device)
