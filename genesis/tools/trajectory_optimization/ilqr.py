"""iLQR with control limits (Tassa, Mansard and Todorov 2014, Control-limited differential dynamic programming).

Each iteration linearises every step about the present motion, minimises the quadratic model by a backward pass whose
steps are quadratic programs with bounds, and tries the new policy with several step lengths side by side, each a motion
of the simulation under feedback. States live in the tangent space, so that quaternions need no care.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from genesis.tools.trajectory_optimization.cost import Expansion
from genesis.tools.trajectory_optimization.monitor import CONVERGED, NO_PROGRESS, Monitor
from genesis.tools.trajectory_optimization.problem import Problem
from genesis.tools.trajectory_optimization.readings import to_numpy
from genesis.tools.trajectory_optimization.riccati import Policy, backward_pass

STEP_LENGTHS = 2.0 ** -np.arange(10)
# Share of the predicted decrease that a step must reach; theirs is zero, which accepts rounding errors.
ACCEPT = 1e-4
SMALL_REGULARIZATION = 1e-4  # a model regularised more says little about convergence
_SMALL_STEPS = 3  # so many small decreases in a row are the end


class Regularization:
    """How much is added to Q_uu, relative to its own diagonal (Tassa, Erez and Todorov 2012, section II-F).

    The schedule is quadratic: steps that are taken lower it ever more quickly, down to zero, and failures raise it so.
    """

    _FACTOR, _LEAST, _MOST = 2.0, 1e-7, 1e8

    def __init__(self, value: float = 1e-4) -> None:
        self.value, self._pace = value, 1.0

    def lower(self) -> None:
        self._pace = min(1.0 / self._FACTOR, self._pace / self._FACTOR)
        value = self.value * self._pace
        self.value = value if value >= self._LEAST else 0.0

    def raise_(self) -> bool:
        """False: it is as large as it may be already."""
        self._pace = max(self._FACTOR, self._pace * self._FACTOR)
        self.value = max(self._LEAST, self.value * self._pace)
        return self.value <= self._MOST


@dataclass
class Solution:
    """What a method found: controls (T, nu), states (T + 1, nx), the cost, and the policy about them, if any."""

    u: torch.Tensor
    x: torch.Tensor
    cost: float
    policy: Policy | None = None


def optimize(problem: Problem, u: torch.Tensor, monitor: Monitor, tolerance: float, best: list[Solution]) -> None:
    """Improve on controls (T, nu), which survive; the last of `best` is the best so far, whatever happens."""
    x = problem.start(u, "initial")
    problem.separable.check(problem.rows_of, x, u)
    cost = float(problem.costs(x.unsqueeze(1), u.unsqueeze(1)))
    regularization = Regularization()
    best.append(Solution(u, x, cost))
    model: tuple[Expansion, np.ndarray, np.ndarray] | None = None
    small = 0
    done = monitor.record(cost, u, x)
    while not done:
        if model is None:
            model = (problem.expand(x, u), *problem.linearize(x[:-1], u))
        policy = regularized_pass(problem, model, u, regularization)
        if policy is None:
            monitor.reason = NO_PROGRESS
            return
        best[-1].policy = policy
        if policy.predicted <= tolerance * abs(cost) and regularization.value <= SMALL_REGULARIZATION:
            monitor.reason = CONVERGED
            return
        xs, us, alive = problem.closed_loop(x, u, policy, STEP_LENGTHS)
        costs = to_numpy(problem.costs(xs, us))
        costs[~alive] = np.inf
        expected = -(STEP_LENGTHS * policy.slope + 0.5 * STEP_LENGTHS**2 * policy.curvature)
        costs[cost - costs < ACCEPT * expected] = np.inf
        k = int(np.argmin(costs))
        if not np.isfinite(costs[k]):
            done = monitor.record(cost, u, x, 0.0, regularization.value)
            if not regularization.raise_():
                # Nothing is left to gain that the line search could see above rounding.
                monitor.reason = CONVERGED if policy.predicted <= tolerance * abs(cost) else NO_PROGRESS
                return
            continue
        decrease = cost - float(costs[k])
        x, u, cost, model = xs[:, k].contiguous(), us[:, k].contiguous(), float(costs[k]), None
        best.append(Solution(u, x, cost, policy))
        del best[:-1]
        done = monitor.record(cost, u, x, float(STEP_LENGTHS[k]), regularization.value)
        regularization.lower()
        small = small + 1 if decrease <= tolerance * abs(cost) else 0
        if small >= _SMALL_STEPS and not done:
            # Small because of the regularisation: where the cost has kinks, as at contacts, no model fits it.
            monitor.reason = CONVERGED if regularization.value <= SMALL_REGULARIZATION else NO_PROGRESS
            return


def regularized_pass(
    problem: Problem,
    model: tuple[Expansion, np.ndarray, np.ndarray],
    u: torch.Tensor,
    regularization: Regularization,
    gaps: np.ndarray | None = None,
) -> Policy | None:
    """The backward pass, with as much regularisation as it takes; None: no amount of it does."""
    plan = to_numpy(u)
    lower, upper = to_numpy(problem.lower[: len(u)]) - plan, to_numpy(problem.upper[: len(u)]) - plan
    while True:
        policy = backward_pass(*model, regularization.value, lower, upper, gaps)
        if policy is not None:
            return policy
        if not regularization.raise_():
            return None
