"""A world that remembers its last moments, for sensors whose values are of the past."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from genesis.grad import rollout
from genesis.model import late_sensors
from genesis.world.past import Measured, Moment, Past
from genesis.world.world import World

if TYPE_CHECKING:
    import mujoco
    import torch

    from genesis.rigid.command import Command
    from genesis.rigid.executors.dynamics import Dynamics
    from genesis.world.arguments import Selection


def kind_of_world(m: mujoco.MjModel, substeps: int) -> type[World]:
    """The class of the world of a model. Between the substeps of a step nothing is measured."""
    return RememberingWorld if late_sensors.numbers(m) and substeps == 1 else World


class RememberingWorld(World):
    """A world with sensors that look back.

    Attributes:
        measure: the values of all sensors that look back in a moment, (N, n); whoever knows sensors puts it there
    """

    past: Past
    measure: Callable[[Moment | Measured], torch.Tensor]

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        m = self.composed.mj_model
        numbers = late_sensors.numbers(m)
        self.past = Past(
            tuple((m.sensor(k).name, int(m.sensor_dim[k])) for k in numbers),
            max(late_sensors.Schedule.of(m, k).depth for k in numbers),
            (),
            np.zeros(self.n_worlds, dtype=np.int64),
        )
        self._made: list[Moment] = []  # moments of the steps that are under way
        self._step = self.advance
        self.advance = self._advance

    def _advance(
        self,
        dynamics: Dynamics,
        state: torch.Tensor,
        theta: torch.Tensor,
        command: Command,
        guess: torch.Tensor | None,
        record: bool,
        index: int = 0,
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        after = self._step(dynamics, state, theta, command, guess, record, index)
        self._remember(state, theta, command, guess, index)
        return after

    def _remember(
        self, state: torch.Tensor, theta: torch.Tensor, command: Command, guess: torch.Tensor | None, index: int
    ) -> None:
        moment = Moment(self.dynamics, state, theta, command, guess, self.requires_grad, index, self.dt)
        self._made = [*self._made[1 - self.past.depth :], moment] if self.past.depth > 1 else [moment]

    def step(self) -> None:
        """As `World.step`."""
        self._made = []
        super().step()
        self.past = self.past.then(self._made, 1)

    def roll(
        self, command: Command, plan: rollout.Plan
    ) -> tuple[torch.Tensor, torch.Tensor | None, torch.Tensor | None]:
        """As `World.roll`; the last states are kept whatever the plan says."""
        self._made = []
        pieces = self._pieces(command, plan)
        if not plan.keeps_all:
            pieces[-1:] = rollout.split_off_last_steps(*pieces[-1], self.past.depth)
        state, parts, guess = self._roll_pieces(pieces)
        theta = self.theta.packed_of_envs()
        for (part, part_plan), states in zip(pieces, parts, strict=True):
            if part_plan.keeps_all:
                for t in range(max(0, part_plan.n_steps - self.past.depth), part_plan.n_steps):
                    index = self.cur_step + part_plan.first + t
                    self._remember(states[t], theta, rollout.command_of_step(part, t), None, index)
        return state, self._joined(parts) if plan.keeps_all else None, guess

    def arrive(self, state: torch.Tensor, solution: torch.Tensor | None, n_steps: int) -> None:
        """As `World.arrive`."""
        super().arrive(state, solution, n_steps)
        self.past, self._made = self.past.then(self._made, n_steps), []

    def reset(self, target: torch.Tensor, envs: Selection | None, placement: Command | None = None) -> None:
        """As `World.reset`; these envs have no past."""
        super().reset(target, envs, placement)
        self.past = self.past.forgotten(envs)

    def detach(self) -> None:
        """As `World.detach`."""
        super().detach()
        self.past = self.past.detached()

    def recall(self, past: Past, envs: Selection | None = None) -> None:
        """Put these envs (None: all) into another past, of the same layout."""
        if envs is None:
            self.past = past
        else:
            self.past = self.past.measured(self.measure).with_envs(past.measured(self.measure), envs)
