"""Direct single shooting: the controls are the variables, their gradient is that of one rollout.

Any differentiable function of the trajectory can be the cost. Bounds are kept by projection: Adam (Kingma and Ba 2015)
clips after each step; L-BFGS restricts its step to the controls that are free and follows the projection of the
line onto the box (two-metric projection, Bertsekas 1982). Both work in controls that are scaled to the range of their
bounds.
"""

from __future__ import annotations

import math

import torch

from genesis.errors import GenesisException
from genesis.tools.trajectory_optimization.cost import Cost, ResidualCost, raise_if_of_inference
from genesis.tools.trajectory_optimization.ilqr import Solution
from genesis.tools.trajectory_optimization.monitor import CONVERGED, NO_PROGRESS, Monitor
from genesis.tools.trajectory_optimization.problem import Problem

_BETAS = (0.9, 0.999)
_EPSILON = 1e-8
# Of the range of a control, by which Adam moves it per iteration at most.
_DEFAULT_RATE = 0.02
_PATIENCE = 50  # iterations of Adam without a decrease of the best cost
_MOST_RETREATS = 10  # returns of Adam to its best controls with half the rate, after it diverged
_MEMORY = 20  # pairs of L-BFGS
_ARMIJO = 1e-4
_MOST_HALVINGS = 30
_SMALL_STEPS = 3
# Shares of a step: small decreases are convergence only with long steps; after a short one the memory is dropped.
_LONG, _SHORT = 0.1, 1e-2


def scale_of(problem: Problem) -> torch.Tensor:
    """Half the range of each control, (T, nu); 1 where it has no bounds or no range."""
    scale = 0.5 * (problem.upper - problem.lower)
    return torch.where(torch.isfinite(scale) & (scale > 0.0), scale, torch.ones_like(scale))


def value_and_gradient(
    problem: Problem, u: torch.Tensor, require_graph: bool = False
) -> tuple[float, torch.Tensor, torch.Tensor]:
    """Cost, its gradient (T, nu) and the states (T + 1, nx); an infinite cost where the simulation diverges.

    `require_graph`: raise GenesisException for a cost that has none to the controls, which else counts as flat.
    """
    leaf = u.detach().clone().requires_grad_()
    with torch.enable_grad():
        try:
            x = problem.system.rollout(problem.x0, leaf.unsqueeze(1), problem.theta)
        except GenesisException:
            return math.inf, torch.zeros_like(u), problem.x0.expand(len(u) + 1, -1)
        total = _total(problem, x, leaf.unsqueeze(1))
        found = torch.autograd.grad(total, leaf, allow_unused=True)[0] if total.requires_grad else None
        if found is None and require_graph:
            raise GenesisException(
                f"{problem.owner}: the cost has no graph to the states and controls (a detach(), .item(), "
                "torch.no_grad(), a comparison, a constant?), so that nothing could be optimised; expected a "
                "differentiable function of them."
            )
        gradient = torch.zeros_like(u) if found is None else found
    value = float(total.detach())
    if not (math.isfinite(value) and bool(torch.isfinite(gradient).all())):
        value = math.inf
    return value, gradient.as_subclass(torch.Tensor), x.detach()[:, 0]


def value_of(problem: Problem, u: torch.Tensor) -> float:
    """Cost alone; infinite where the simulation diverges or the cost is NaN."""
    with torch.no_grad():
        try:
            x = problem.system.rollout(problem.x0, u.unsqueeze(1), problem.theta)
        except GenesisException:
            return math.inf
        value = float(_total(problem, x, u.unsqueeze(1)))
    return value if math.isfinite(value) else math.inf


def _total(problem: Problem, x: torch.Tensor, u: torch.Tensor) -> torch.Tensor:
    try:
        value = problem.cost(problem.system.trajectory(x, u, problem.theta), u)
    except RuntimeError as error:
        raise_if_of_inference(problem.owner, error)
        raise
    if not isinstance(value, torch.Tensor) or value.numel() != 1:
        shape = tuple(value.shape) if isinstance(value, torch.Tensor) else repr(value)[:60]
        raise GenesisException(
            f"{problem.owner}: `cost` returned {shape}; expected one number as a tensor. A trajectory is read as "
            "(T + 1, N, ...) with N = 1 here, the controls are (T, N, nu): take the sum, or the mean."
        )
    return value.as_subclass(torch.Tensor).reshape(())


def _first(problem: Problem, u: torch.Tensor) -> tuple[float, torch.Tensor, torch.Tensor]:
    """Of the first guess; raises GenesisException where it cannot be started from."""
    problem.start(u, "initial")
    value, gradient, x = value_and_gradient(problem, u, require_graph=True)
    if isinstance(problem.cost, Cost | ResidualCost):
        problem.cost.check_values(problem.rows_of, x, u)
    if math.isinf(value):
        with torch.no_grad():
            number = float(_total(problem, x.unsqueeze(1), u.unsqueeze(1)))
        what = f"the cost is {number}" if not math.isfinite(number) else "the gradient of the cost is NaN or infinite"
        raise GenesisException(
            f"{problem.owner}: {what} for the first guess; expected finite numbers. Look for a square root, a norm or "
            "a logarithm at zero in the cost, or shorten the horizon."
        )
    return value, gradient, x


def optimize_adam(
    problem: Problem, u: torch.Tensor, monitor: Monitor, tolerance: float, best: list[Solution], rate: float | None
) -> None:
    """Adam with projection; `rate` in units of the controls, None: a share of their range."""
    scale = scale_of(problem)
    step = _DEFAULT_RATE * scale if rate is None else torch.full_like(scale, rate)
    value, gradient, x = _first(problem, u)
    best.append(Solution(u, x, value))
    mean, square = torch.zeros_like(u), torch.zeros_like(u)
    count = retreats = since = 0
    reference = value  # the best cost when a decrease was last worth the name
    done = monitor.record(value, u, x)
    while not done:
        count += 1
        scaled = gradient * scale
        mean = _BETAS[0] * mean + (1.0 - _BETAS[0]) * scaled
        square = _BETAS[1] * square + (1.0 - _BETAS[1]) * scaled.square()
        root = (square / (1.0 - _BETAS[1] ** count)).sqrt()
        u = u - step * (mean / (1.0 - _BETAS[0] ** count)) / (root + _EPSILON)
        u = u.clamp(problem.lower, problem.upper)
        value, gradient, x = value_and_gradient(problem, u)
        done = monitor.record(value, u, x, 1.0)
        if math.isinf(value):
            retreats += 1
            if retreats > _MOST_RETREATS:
                monitor.reason = monitor.reason or NO_PROGRESS
                return
            u, step, count = best[-1].u, 0.5 * step, 0
            mean, square = torch.zeros_like(u), torch.zeros_like(u)
            _, gradient, _ = value_and_gradient(problem, u)
            continue
        if value < best[-1].cost:
            best[:] = [Solution(u, x, value)]
        if best[-1].cost < reference - tolerance * abs(reference):
            reference, since = best[-1].cost, 0
        else:
            since += 1
        if since >= _PATIENCE and not done:
            monitor.reason = CONVERGED
            return


def optimize_lbfgs(problem: Problem, u: torch.Tensor, monitor: Monitor, tolerance: float, best: list[Solution]) -> None:
    """L-BFGS with two-metric projection."""
    scale = scale_of(problem)
    value, gradient, x = _first(problem, u)
    best.append(Solution(u, x, value))
    pairs: list[tuple[torch.Tensor, torch.Tensor]] = []
    small = 0
    done = monitor.record(value, u, x)
    while not done:
        g = gradient * scale
        free = ~(((u <= problem.lower) & (g > 0.0)) | ((u >= problem.upper) & (g < 0.0)))
        if not bool((g[free] != 0.0).any()):
            monitor.reason = CONVERGED
            return
        direction = _two_loops(pairs, g, free)
        if float((direction * g).sum()) >= 0.0:
            pairs.clear()
            direction = _two_loops(pairs, g, free)
        moved, length = _line_search(problem, u, value, g, scale, direction)
        if moved is None:
            if pairs:  # once more, along the gradient
                pairs.clear()
                continue
            monitor.reason = NO_PROGRESS
            return
        new_value, new_gradient, x = value_and_gradient(problem, moved)
        if math.isinf(new_value):  # a finite cost with a gradient that is not
            monitor.reason = NO_PROGRESS
            return
        s, y = (moved - u) / scale, (new_gradient - gradient) * scale
        if float((s * y).sum()) > 1e-10 * float(s.norm()) * float(y.norm()):
            pairs.append((s, y))
            del pairs[:-_MEMORY]
        decrease = value - new_value
        u, value, gradient = moved, new_value, new_gradient
        best[:] = [Solution(u, x, value)]
        done = monitor.record(value, u, x, length)
        small = small + 1 if decrease <= tolerance * abs(value) else 0
        if small >= _SMALL_STEPS and not done:
            monitor.reason = CONVERGED if length >= _LONG else NO_PROGRESS
            return
        if length < _SHORT and len(pairs) > 1:
            pairs.clear()  # the curvature that they tell of is not that ahead


def _two_loops(pairs: list[tuple[torch.Tensor, torch.Tensor]], g: torch.Tensor, free: torch.Tensor) -> torch.Tensor:
    """-H g by the two loops of L-BFGS (Nocedal and Wright 2006, algorithm 7.4) on the free controls, else zero."""
    q = torch.where(free, g, torch.zeros_like(g))
    kept = []
    for s, y in reversed(pairs):
        s, y = s * free, y * free
        inner = float((s * y).sum())
        if inner <= 0.0:
            continue
        alpha = float((s * q).sum()) / inner
        q = q - alpha * y
        kept.append((s, y, inner, alpha))
    if kept:
        s, y, inner, _ = kept[0]
        q = q * (inner / float(y.square().sum()))
    else:
        q = q * (0.1 / float(q.abs().max().clamp(min=torch.finfo(q.dtype).tiny)))  # a tenth of the range to begin with
    for s, y, inner, alpha in reversed(kept):
        q = q + s * (alpha - float((y * q).sum()) / inner)
    return -q * free


def _line_search(
    problem: Problem, u: torch.Tensor, value: float, g: torch.Tensor, scale: torch.Tensor, direction: torch.Tensor
) -> tuple[torch.Tensor | None, float]:
    """The first point on the projected line that lowers the cost enough, and the share of the step; None: none does."""
    length = 1.0
    for _ in range(_MOST_HALVINGS):
        moved = (u + length * scale * direction).clamp(problem.lower, problem.upper)
        slope = float((g * (moved - u) / scale).sum())
        if slope < 0.0 and value_of(problem, moved) <= value + _ARMIJO * slope:
            return moved, length
        length *= 0.5
    return None, 0.0
