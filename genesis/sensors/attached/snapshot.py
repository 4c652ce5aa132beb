"""What sensors looked at after a step."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import torch

from genesis.sensors.present import Present
from genesis.world.past import Moment

# What of a sensor can be set, by name; replaced as a whole, never changed in place.
Settings = dict[str, torch.Tensor]


@dataclass(frozen=True)
class Snapshot:
    """The world after a step, under the commands of that step, and the sensors as they were set then.

    It is measured when a sensor is read, and not before.

    Attributes:
        moment: the world
        step: number of the step since the scene was built
        settings: of each sensor
        walks: where the random walk of each sensor is, (N, size), or None
        states: of those sensors that have a state of their own, else None
        kept: what has been measured, without graph: (number of the sensor, measured or true) -> values
    """

    moment: Moment
    step: int
    settings: tuple[Settings, ...]
    walks: tuple[torch.Tensor | None, ...]
    states: tuple[Any, ...]
    kept: dict[Any, Any] = field(default_factory=dict)

    def present(self) -> Present:
        """The world as sensors see it; shared where there is no graph, which a backward pass would free."""
        if torch.is_grad_enabled():
            return Present(self.moment)
        if "present" not in self.kept:
            self.kept["present"] = Present(self.moment)
        return self.kept["present"]

    def detached(self) -> Snapshot:
        """The same without graph; settings stay attached to the tensors that they were set from."""
        states = tuple(None if state is None else state.detach() for state in self.states)
        walks = tuple(None if walk is None else walk.detach() for walk in self.walks)
        return replace(self, moment=self.moment.detached(), walks=walks, states=states, kept={})
