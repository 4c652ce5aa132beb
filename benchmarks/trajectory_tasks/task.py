"""What a task is: a scene, a cost, bounds, a first guess, and what counts as reached."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch

import genesis as gs

Residual = Callable[..., torch.Tensor]


@dataclass(frozen=True)
class Measure:
    """A physical figure of a motion.

    Attributes:
        values: (N,), one per copy of the scene
        limit: the task is done when every measure is at most its limit
        unit: of both
    """

    values: torch.Tensor
    limit: float
    unit: str


@dataclass(frozen=True)
class Task:
    """A motion to be found.

    The cost is 1/2 of the sum of squares of all residuals, without weights beside those that are in the residuals.

    Attributes:
        name: of the task
        aim: what is to be reached, in words
        scene: built, and in the state where the motion begins
        entity: the one that is controlled
        control: what the controls are, as `scene.rollout` has it
        lower, upper: (nu,) bounds of the controls [N, N m; m; 1]
        initial: (T, nu), the first guess
        stage: (trajectory, controls (T, N, nu)) -> (T, N, m), row t of the state and the controls at t
        terminal: trajectory -> (N, m), of the last state
        measure: trajectory -> figures by name
        n_knots: of the spline that a derivative-free method searches over
        options: by method, arguments of `gs.tools.optimize_trajectory`; "sigma" of "cma-es"
    """

    name: str
    aim: str
    scene: gs.Scene
    entity: Any
    control: str
    lower: torch.Tensor
    upper: torch.Tensor
    initial: torch.Tensor
    stage: Residual
    terminal: Residual
    measure: Callable[[Any], Mapping[str, Measure]]
    n_knots: int
    options: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    @property
    def n_steps(self) -> int:
        """T"""
        return len(self.initial)

    def residual_cost(self) -> gs.tools.ResidualCost:
        """The cost for methods that need residuals."""
        return gs.tools.ResidualCost(stage=self.stage, terminal=self.terminal)

    def costs(self, trajectory: Any, controls: torch.Tensor) -> torch.Tensor:
        """The cost of each copy, (N,), of a trajectory of T steps under controls (T, N, nu)."""
        stage = self.stage(trajectory, controls).square().sum((0, -1))
        return 0.5 * (stage + self.terminal(trajectory).square().sum(-1))

    def cost(self, trajectory: Any, controls: torch.Tensor) -> torch.Tensor:
        """The same number as a plain function of a trajectory, summed over the copies."""
        return self.costs(trajectory, controls).sum()


def reached(measures: Mapping[str, Measure]) -> torch.Tensor:
    """Which copies are within every limit, (N,) bool."""
    return torch.stack([m.values <= m.limit for m in measures.values()]).all(0)
