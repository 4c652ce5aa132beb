"""Since which step a gradient is wrong: dL/dx at places along the motion, against pushes of the state there.

At each step there are two places: the state as the step reads it, and its result, which later steps, getters and the
program read. A gradient that is right at the one and wrong at the other has its fault between the two.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from genesis.doctor import differences as check_differences
from genesis.doctor.recording import Evaluator, Push, Recorder, Step
from genesis.rigid.tangent import Tangent

if TYPE_CHECKING:
    from genesis.scene import Scene

_STEP = 1.0e-4  # of a push, over the size of the state


@dataclass(frozen=True)
class Place:
    """The state as step `step` reads it (`entering`), or its result."""

    step: int
    entering: bool


@dataclass(frozen=True)
class Boundary:
    """Where a gradient becomes wrong on the way back.

    Attributes:
        right: the last place at which it is right; None: it is wrong already at the end of the motion
        wrong: the first at which it is wrong; None: it is right at every place, back to the first step
        gradient, difference: along the direction that shows it, at `wrong`
        direction: (N, nx)
    """

    right: Place | None
    wrong: Place | None
    gradient: float = 0.0
    difference: float = 0.0
    direction: torch.Tensor | None = None


class Locator:
    """Finds the boundary by bisection.

    Args:
        evaluator: of the loss
        scene: that it steps
        steps: of the motion
        gradients: dL/dx at each place, (N, nx); places without are taken as having none
        noise: of the loss
        tolerance: relative, up to which gradient and difference agree
    """

    def __init__(
        self,
        evaluator: Evaluator,
        scene: Scene,
        steps: list[Step],
        gradients: dict[Place, torch.Tensor | None],
        noise: float,
        tolerance: float,
    ) -> None:
        self._evaluator, self._scene, self._steps, self._gradients = evaluator, scene, steps, gradients
        self._noise, self._tolerance = noise, tolerance
        self._tangent = Tangent(scene.mj_model)
        self._generator = torch.Generator(device="cpu").manual_seed(1)

    def find(self) -> Boundary:
        """The boundary. At a place where differences are too noisy to tell, the gradient counts as right."""
        places = [Place(k, entering) for k in range(len(self._steps)) for entering in (True, False)]
        last = self._is_wrong(places[-1])
        if last is not None:
            return Boundary(None, places[-1], *last)
        low, high = 0, len(places) - 1  # wrong at low, right at high
        found = self._is_wrong(places[0])
        if found is None:
            return Boundary(places[0], None)
        while high - low > 1:
            middle = (low + high) // 2
            seen = self._is_wrong(places[middle])
            if seen is None:
                high = middle
            else:
                low, found = middle, seen
        return Boundary(places[high], places[low], *found)

    def _is_wrong(self, place: Place) -> tuple[float, float, torch.Tensor] | None:
        """(gradient, difference, direction) along the direction that shows that it is; else None."""
        step = self._steps[place.step]
        state = (step.entered if place.entering else step.after).detach()
        gradient = self._gradients.get(place)
        directions = [self._random(state)]
        if gradient is not None and bool(gradient.any()):
            directions.append(gradient / gradient.norm())
        for direction in directions:
            slope = 0.0 if gradient is None else float((gradient * direction).sum())
            size = _STEP * max(1.0, float(state.abs().mean()))
            found = check_differences.derivative(self._loss_along(place, direction), size, self._noise, abs(slope))
            largest = max(abs(slope), abs(found.value))
            if abs(slope - found.value) > 2.0 * found.error + 10.0 * self._tolerance * largest:
                return slope, found.value, direction
        return None

    def _random(self, state: torch.Tensor) -> torch.Tensor:
        """A direction in the tangent space of states (N, nx), of unit length."""
        change = torch.randn((*state.shape[:-1], self._tangent.ndx), generator=self._generator, device="cpu")
        change = change.to(dtype=state.dtype, device=state.device)
        direction = (self._tangent.tangent(state) @ change.unsqueeze(-1)).squeeze(-1)
        return direction / direction.norm()

    def _loss_along(self, place: Place, direction: torch.Tensor):
        def loss(s: float) -> float:
            push = Push(place.step, place.entering, s * direction)
            try:
                return self._evaluator.value(Recorder(self._scene, push=push, keep=False))
            except RuntimeError:  # the motion does not survive this push
                return float("nan")

        return loss

    def numbers_that_change(self, boundary: Boundary) -> str | None:
        """What the next step reads that follows the state of `boundary.wrong`, though no graph says so; in words."""
        place = boundary.wrong
        if place is None or place.entering or place.step + 1 >= len(self._steps) or boundary.direction is None:
            return None
        after, following = self._steps[place.step].after, self._steps[place.step + 1]
        recorder = Recorder(self._scene, push=Push(place.step, False, 1.0e-3 * boundary.direction))
        try:
            self._evaluator.value(recorder)
        except RuntimeError:
            return None
        if len(recorder.steps) != len(self._steps):
            return "the number of steps"
        moved = recorder.steps[place.step + 1]
        for key, block in following.command.blocks.items():
            other = moved.command.blocks.get(key)
            changed = other is None or other.shape != block.shape or not torch.equal(other, block.detach())
            if changed and not _leads_to(block, after):
                return f"the command {key[0]!r} of step {place.step + 1}"
        if not torch.equal(moved.theta, following.theta.detach()) and not _leads_to(following.theta, after):
            return f"the parameters of step {place.step + 1}"
        if not torch.equal(moved.state, following.state.detach()) and not _leads_to(following.state, after):
            return f"the state that step {place.step + 1} begins from"
        return None


def _leads_to(value: torch.Tensor, source: torch.Tensor) -> bool:
    """Whether the graph of `value` leads to `source`."""
    if not value.requires_grad or not source.requires_grad:
        return False
    (found,) = torch.autograd.grad(value.sum(), source, retain_graph=True, allow_unused=True)
    return found is not None
