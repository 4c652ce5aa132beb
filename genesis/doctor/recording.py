"""Watching a loss while it runs: which steps it makes, from which states, under which commands.

The recorder stands in for the two ways in which a scene advances. Rollouts are made step by step, which gives the same
numbers, so that every step is a node of the graph of its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

from genesis.doctor import contacts as check_contacts
from genesis.errors import GenesisException
from genesis.grad import bridge
from genesis.rigid.command import Command
from genesis.rigid.executors.dynamics import Dynamics

if TYPE_CHECKING:
    from types import TracebackType

    from genesis.grad.rollout import Plan
    from genesis.scene import Scene


@dataclass
class Step:
    """A step that the loss made.

    Attributes:
        state: that it began from, (N, nx), as the scene had it
        entered: the same as the step reads it; nothing else does
        after: its result, (N, nx), which the next step and the getters read
        theta, command, guess: what else it read
        solution: of the constraint solver
        had_graph: whether a graph led to its state (before the recorder gave it one)
        recorded: whether the scene records a graph here
    """

    state: torch.Tensor
    entered: torch.Tensor
    after: torch.Tensor
    theta: torch.Tensor
    command: Command
    guess: torch.Tensor | None
    solution: torch.Tensor | None
    had_graph: bool
    recorded: bool


@dataclass(frozen=True)
class Push:
    """A change of the state at one place of the motion: as what step `step` reads only (`entering`), or as its result.

    ``change``: (N, nx).
    """

    step: int
    entering: bool
    change: torch.Tensor


class Recorder:
    """Context in which the steps of a scene are recorded in ``steps``.

    Args:
        scene: built
        plant: give states without graph a leaf of their own, so that there is a gradient with respect to each
        push: change a state on the way
        watch: record in ``activities`` what contacts do in each step
        keep: record in ``steps``; else they are only counted
    """

    def __init__(
        self, scene: Scene, *, plant: bool = False, push: Push | None = None, watch: bool = False, keep: bool = True
    ) -> None:
        self._scene, self._plant, self._push, self._watch, self._keep = scene, plant, push, watch, keep
        self.steps: list[Step] = []
        self.activities: list[check_contacts.Activity] = []
        self.n_steps = 0

    def __enter__(self) -> Recorder:
        world = self._scene.world
        self._advance = world.advance
        world.advance = self._step
        world.roll = self._roll  # type: ignore[method-assign]
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        world = self._scene.world
        world.advance = self._advance
        del world.roll  # the class's own again

    def _step(
        self,
        dynamics: Dynamics,
        state: torch.Tensor,
        theta: torch.Tensor,
        command: Command,
        guess: torch.Tensor | None,
        record: bool,
        index: int = 0,
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        number = self.n_steps
        self.n_steps += 1
        had_graph = state.requires_grad
        entered = state
        if self._plant and record and torch.is_grad_enabled():
            entered = state.clone() if had_graph else state.detach().clone().requires_grad_()
        push = self._push if self._push is not None and self._push.step == number else None
        if push is not None and push.entering:
            entered = entered + push.change
        after, solution = self._advance(dynamics, entered, theta, command, guess, record, index)
        if push is not None and not push.entering:
            after = after + push.change
        if self._watch:
            with torch.no_grad(), dynamics.lock:
                start = bridge.fitting(dynamics, solution)
                self.activities.append(check_contacts.activity(dynamics, theta, command, entered.detach(), start))
        if self._keep:
            self.steps.append(
                Step(state, entered, after, theta, command, guess, solution, had_graph, record and after.requires_grad)
            )
        return after, solution

    def _roll(self, command: Command, plan: Plan) -> tuple[torch.Tensor, torch.Tensor | None, torch.Tensor | None]:
        """What `World.roll` does, step by step."""
        world = self._scene.world
        record = world.requires_grad and torch.is_grad_enabled()
        theta = world.theta.packed_of_envs()
        state, guess = world.state, world.solution
        states = [state]
        for t in range(plan.n_steps):
            state, guess = self._step(
                world.dynamics, state, theta, row_of(command, t), guess, record, world.cur_step + t
            )
            states.append(state)
        return state, torch.stack(states) if plan.keeps_all else None, guess


def row_of(command: Command, t: int) -> Command:
    """The command of one step of a rollout; external wrenches act in its first."""
    blocks = {
        key: block[t] if key in command.sequences else block
        for key, block in command.blocks.items()
        if key[0] != "xfrc" or t == 0
    }
    return Command(command.switches, blocks)


class Evaluator:
    """Calls the loss again and again, each time with the same random numbers.

    Args:
        loss: without arguments
        scene: that it steps
    """

    def __init__(self, loss: Any, scene: Scene) -> None:
        import random

        import numpy as np

        self._loss, self._scene = loss, scene
        self._random = (torch.get_rng_state(), np.random.get_state(), random.getstate())  # noqa: NPY002
        self._with_graph = False
        self.calls = 0

    def _seed(self) -> None:
        import random

        import numpy as np

        torch.set_rng_state(self._random[0])
        np.random.set_state(self._random[1])  # noqa: NPY002
        random.setstate(self._random[2])

    def with_graph(self, recorder: Recorder | None = None) -> torch.Tensor:
        """The loss, with its graph.

        Raises GenesisException if it is no tensor of one floating-point number.
        """
        self._seed()
        self.calls += 1
        if recorder is None:
            value = self._loss()
        else:
            with recorder:
                value = self._loss()
        if not isinstance(value, torch.Tensor) or value.numel() != 1 or not value.is_floating_point():
            shown = f"a tensor of shape {tuple(value.shape)}" if isinstance(value, torch.Tensor) else f"{value!r:.60}"
            raise GenesisException(
                f"gs.grad.check: `loss()` returned {shown}; expected a tensor with one floating-point number."
            )
        return value.reshape(()).as_subclass(torch.Tensor)

    def value(self, recorder: Recorder | None = None) -> float:
        """The loss as a number, without graph where the loss can do without."""
        if not self._with_graph:
            try:
                with torch.no_grad():
                    return float(self.with_graph(recorder).detach())
            except GenesisException:
                raise
            except RuntimeError:  # it asks torch for a gradient itself
                self._with_graph = True
                if recorder is not None:
                    recorder.steps.clear()
                    recorder.activities.clear()
                    recorder.n_steps = 0
        return float(self.with_graph(recorder).detach())
