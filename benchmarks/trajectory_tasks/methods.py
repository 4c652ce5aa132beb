"""The methods that are compared: those of `gs.tools.optimize_trajectory`, and CMA-ES, which takes no gradient."""

from __future__ import annotations

import contextlib
import math
import time
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import torch

import genesis as gs
from benchmarks.trajectory_tasks.task import Measure, Task, reached
from genesis.rigid import jacobian
from genesis.system import System

# Gap of multiple shooting, summed over all numbers of all steps, below which its states count as a motion.
_CLOSED = 1e-4
POPULATION = 64  # candidates of a generation of CMA-ES, simulated side by side
_SIGMA = 0.3  # first standard deviation of CMA-ES, in halves of the range of a control


@dataclass(frozen=True)
class Outcome:
    """What a method did on a task.

    Attributes:
        cost: the lowest found
        measures: figure -> (value, limit, unit)
        reached: whether all of them are within their limits
        reached_after: [s] until they first were; NaN: never
        iterations: of the method; generations of CMA-ES
        steps: simulated, all candidates together
        derivatives: steps whose adjoint, or whose Jacobian, was computed
        seconds: all in all
        reason: why it ended
    """

    task: str
    method: str
    cost: float
    measures: dict[str, tuple[float, float, str]]
    reached: bool
    reached_after: float
    iterations: int
    steps: int
    derivatives: int
    seconds: float
    reason: str


class Counter:
    """How many steps were simulated and differentiated, counted where the kernels are called."""

    def __init__(self) -> None:
        self.steps = self.derivatives = 0


@contextlib.contextmanager
def counted(scene: gs.Scene) -> Iterator[Counter]:
    """Count until the end of the `with`."""
    counter, kind = Counter(), type(scene.world.dynamics)
    run, adjoint, jacobians = kind.run, kind.run_adjoint, jacobian.of_step

    def run_counted(self, theta, command, state, after, guess, solution, n_steps=1):
        counter.steps += self.n_worlds * n_steps
        return run(self, theta, command, state, after, guess, solution, n_steps)

    def adjoint_counted(self, *args):
        counter.derivatives += self.n_worlds * (args[8] if len(args) > 8 else 1)
        return adjoint(self, *args)

    def jacobians_counted(dynamics, theta, command, state, *args):
        counter.derivatives += state.shape[0]
        return jacobians(dynamics, theta, command, state, *args)

    kind.run, kind.run_adjoint, jacobian.of_step = run_counted, adjoint_counted, jacobians_counted
    try:
        yield counter
    finally:
        kind.run, kind.run_adjoint, jacobian.of_step = run, adjoint, jacobians


def solve(task: Task, method: str, time_limit: float, max_iterations: int = 1000, seed: int = 0) -> Outcome:
    """Run one method on one task, from its first guess, for `time_limit` seconds [s] at most."""
    with counted(task.scene) as counter:
        if method == "cma-es":
            found = _evolve(task, time_limit, max_iterations, seed)
        else:
            found = _descend(task, method, time_limit, max_iterations)
    measures = _numbers(found.measures)
    done = bool(reached(found.measures))
    return Outcome(
        task.name,
        method,
        found.cost,
        measures,
        done,
        found.reached_after if done else math.nan,
        found.iterations,
        counter.steps,
        counter.derivatives,
        found.seconds,
        found.reason,
    )


@dataclass
class _Found:
    cost: float
    measures: Mapping[str, Measure]
    reached_after: float
    iterations: int
    seconds: float
    reason: str


def _numbers(measures: Mapping[str, Measure]) -> dict[str, tuple[float, float, str]]:
    return {name: (float(m.values), m.limit, m.unit) for name, m in measures.items()}


def _descend(task: Task, method: str, time_limit: float, max_iterations: int) -> _Found:
    """A method of `gs.tools.optimize_trajectory`."""
    system = System(task.scene, 1, task.control, task.entity)
    first: list[float] = []

    def watch(info: gs.tools.Iteration) -> None:
        if first or info.gap > _CLOSED or info.states is None or info.controls is None:
            return
        with torch.no_grad():
            trajectory = system.trajectory(info.states.unsqueeze(1), info.controls.unsqueeze(1))
            if bool(reached(task.measure(trajectory))):
                first.append(info.seconds)

    result = gs.tools.optimize_trajectory(
        task.scene,
        task.residual_cost() if method in ("ilqr", "gauss-newton") else task.cost,
        task.n_steps,
        control=task.control,
        entities=task.entity,
        initial=task.initial,
        lower=task.lower,
        upper=task.upper,
        method=method,
        max_iterations=max_iterations,
        time_limit=time_limit,
        callback=watch,
        progress=False,
        **task.options.get(method, {}),
    )
    with torch.no_grad():
        trajectory = system.trajectory(result.states.unsqueeze(1), result.controls.unsqueeze(1))
        measures = task.measure(trajectory)
    after = first[0] if first else result.seconds
    return _Found(result.cost, measures, after, result.iterations, result.seconds, result.reason)


def spline(knots: torch.Tensor, n_steps: int) -> torch.Tensor:
    """Controls (T, N, nu) on straight lines between knots (N, n_knots, nu), the first and the last at the ends."""
    lines = torch.nn.functional.interpolate(knots.transpose(1, 2), size=n_steps, mode="linear", align_corners=True)
    return lines.permute(2, 0, 1)


def _evolve(task: Task, time_limit: float, max_iterations: int, seed: int) -> _Found:
    """CMA-ES (Hansen 2016, The CMA evolution strategy: a tutorial) over the knots of a spline of controls.

    It begins at the same first guess, and searches in controls that are scaled by half the range of their bounds. The
    candidates of a generation are rows of one System, simulated on all threads.
    """
    import cma

    system = System(task.scene, POPULATION, task.control, task.entity)
    x0, scale = system.state().detach(), 0.5 * (task.upper - task.lower)
    at = torch.linspace(0, task.n_steps - 1, task.n_knots).round().long()
    start = task.initial[at]  # (n_knots, nu)
    shape = tuple(start.shape)

    def controls_of(candidates: np.ndarray) -> torch.Tensor:
        """(T, N, nu), within the bounds."""
        moved = torch.as_tensor(candidates, dtype=start.dtype).view(-1, *shape)
        return spline(start + scale * moved, task.n_steps).clamp(task.lower, task.upper).contiguous()

    options = {"popsize": POPULATION, "seed": seed + 1, "verbose": -9, "maxiter": max_iterations}
    began = time.perf_counter()
    sigma = task.options.get("cma-es", {}).get("sigma", _SIGMA)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        search = cma.CMAEvolutionStrategy(np.zeros(start.numel()), sigma, options)
    cost, best, after, reason = math.inf, None, math.nan, ""
    with torch.no_grad():
        while not reason:
            candidates = np.stack(search.ask())
            costs, trajectory = _evaluate(task, system, x0, controls_of(candidates))
            search.tell(list(candidates), [float(value) for value in costs])
            k = int(np.argmin(costs))
            if costs[k] < cost:
                cost = float(costs[k])
                best = {
                    name: Measure(m.values[k : k + 1], m.limit, m.unit) for name, m in task.measure(trajectory).items()
                }
                if math.isnan(after) and bool(reached(best)):
                    after = time.perf_counter() - began
            if time.perf_counter() - began >= time_limit:
                reason = "time_limit"
            elif stop := search.stop():
                reason = ", ".join(stop)
    if best is None:
        raise gs.GenesisException("cma-es: every candidate diverged.")
    seconds = time.perf_counter() - began
    return _Found(cost, best, seconds if math.isnan(after) else after, search.countiter, seconds, reason)


# What a candidate that diverges costs: CMA-ES needs numbers.
_DIVERGED = 1e12


def _evaluate(task: Task, system: System, x0: torch.Tensor, u: torch.Tensor):
    """Costs (N,) of candidates u (T, N, nu), and their trajectory; those that diverge are given the first's motion."""
    n = u.shape[1]
    alive = np.ones(n, dtype=bool)
    try:
        x = system.rollout(x0, u)
    except gs.GenesisException:
        single = System(task.scene, 1, task.control, task.entity)
        x = torch.empty((len(u) + 1, n, system.nx), dtype=u.dtype)
        for k in range(n):
            try:
                x[:, k] = single.rollout(x0, u[:, k : k + 1].contiguous())[:, 0]
            except gs.GenesisException:
                alive[k], x[:, k] = False, x0[0]
    trajectory = system.trajectory(x, u)
    costs = task.costs(trajectory, u).nan_to_num(_DIVERGED).double().numpy().copy()
    costs[~alive] = _DIVERGED
    return costs, trajectory
