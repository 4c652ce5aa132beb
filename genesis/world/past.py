"""The last moments of a world, for sensors whose values are of the past."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import torch

from genesis import runtime
from genesis.rigid.command import POSE_FIELDS, Command
from genesis.world.arguments import Selection
from genesis.world.observer import Observer

if TYPE_CHECKING:
    from genesis.model.arrays import Model
    from genesis.rigid.executors.dynamics import Dynamics


@dataclass(frozen=True)
class _Commands:
    command: Command

    @cached_property
    def idle(self) -> Command:
        """The same without what pushes."""
        given = self.command
        mode, on, _ = given.switches
        switches = given.switches._replace(mode=torch.zeros_like(mode), actuators_on=torch.zeros_like(on))
        return Command(switches, {key: block for key, block in given.blocks.items() if key[0] in POSE_FIELDS})


@dataclass(frozen=True)
class _Parameters:
    values: torch.Tensor

    def packed(self) -> torch.Tensor:
        """(1 or N, ntheta)."""
        return self.values


class Moment:
    """A world at the start of a step, as a sensor looks at it (`Observable`); see `World` for the attributes.

    Attributes:
        measured: what sensors that have been asked for saw, without graph; whoever knows sensors puts it there
    """

    def __init__(
        self,
        dynamics: Dynamics,
        state: torch.Tensor,
        theta: torch.Tensor,
        command: Command,
        solution: torch.Tensor | None,
        requires_grad: bool,
        cur_step: int,
        dt: float,
    ) -> None:
        self.dynamics, self.model, self.n_worlds = dynamics, dynamics.model, dynamics.n_worlds
        self.theta, self.commands, self.solution = _Parameters(theta), _Commands(command), solution
        self.requires_grad, self.cur_step, self.dt = requires_grad, cur_step, dt
        self._state = state
        self.measured: dict[tuple[tuple[int, ...], bool], dict[int, torch.Tensor]] = {}
        self.observer = Observer(self)

    model: Model

    def read_state(self) -> torch.Tensor:
        """The state then."""
        return self._state

    def detached(self) -> Moment:
        """The same without graph."""
        theta, command = self.theta.values.detach(), self.commands.command.detached()
        return Moment(
            self.dynamics,
            self._state.detach(),
            theta,
            command,
            self.solution,
            self.requires_grad,
            self.cur_step,
            self.dt,
        )


@dataclass(frozen=True)
class Measured:
    """What is left of a moment: the values of all sensors that look back, (N, n)."""

    values: torch.Tensor

    def detached(self) -> Measured:
        """The same without graph."""
        return Measured(self.values.detach())


@dataclass(frozen=True)
class Past:
    """The last moments of a world.

    Attributes:
        layout: numbers of each sensor that looks back: (name, how many), in the order of `Measured`
        depth: how many moments are kept at most
        moments: the oldest first; those from before an env's start do not count
        age: (N,) int64, steps of each env since its start
    """

    layout: tuple[tuple[str, int], ...]
    depth: int
    moments: tuple[Moment | Measured, ...]
    age: np.ndarray

    def then(self, moments: Sequence[Moment], n_steps: int) -> Past:
        """After so many steps more, of which these are the last."""
        last = (*self.moments, *moments[-n_steps:])[-self.depth :]
        return replace(self, moments=last, age=self.age + n_steps)

    def forgotten(self, envs: Selection | None) -> Past:
        """With these envs (None: all) at their start."""
        if envs is None:
            return replace(self, moments=(), age=np.zeros_like(self.age))
        age = self.age.copy()
        age[envs.positions()] = 0
        return replace(self, age=age)

    def detached(self) -> Past:
        """The same without graph."""
        return replace(self, moments=tuple(moment.detached() for moment in self.moments))

    def measured(self, measure: Callable[[Moment | Measured], torch.Tensor]) -> Past:
        """With the sensors' values in the place of what they looked at."""
        return replace(self, moments=tuple(Measured(measure(moment)) for moment in self.moments))

    def with_envs(self, other: Past, envs: Selection) -> Past:
        """With these envs as in another past; both are `measured`."""
        rows, count = envs.tensor(), max(len(self.moments), len(other.moments))
        pairs = zip(self.values(count), other.values(count), strict=True)
        moments = [Measured(mine.index_copy(0, rows, theirs.index_select(0, rows))) for mine, theirs in pairs]
        age = self.age.copy()
        age[envs.positions()] = other.age[envs.positions()]
        return replace(self, moments=tuple(moments), age=age)

    def values(self, count: int) -> list[torch.Tensor]:
        """What is `measured` in the last `count` moments, (N, n) each; zero before the first."""
        known = [moment.values for moment in self.moments if isinstance(moment, Measured)]
        assert len(known) == len(self.moments)
        shape = len(self.age), sum(n for _, n in self.layout)
        empty = torch.zeros(shape, dtype=runtime.tc_float, device=runtime.device)
        return [empty] * (count - len(known)) + known
