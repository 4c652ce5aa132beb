"""Gauss-Newton multiple shooting: states and controls of every step are free, the dynamics a constraint between them.

Each iteration is a step of sequential quadratic programming on

    minimise cost(x, u)  subject to  x_{t+1} = step(x_t, u_t),  lower <= u <= upper

whose quadratic program is solved by the same backward pass as iLQR's, with the gaps step(x_t, u_t) - x_{t+1} as a drift
(Giftthaler et al. 2018, A family of iterative Gauss-Newton shooting methods, GNMS). Candidates are single steps from
given states, all steps and all step lengths at once: nothing is simulated over the horizon, so that unstable systems
and a first guess of states that no controls produce do no harm. A filter says which steps are progress (Waechter and
Biegler 2006; for this problem Jordana et al. 2023, Stagewise implementations of sequential quadratic programming). That
was chosen before the feasibility-driven DDP of Mastalli et al. (2020), whose forward pass closes the gaps along a
simulation of the whole horizon, step after step.

Whenever the cost is lower than that of the best motion so far, the policy drives a simulation along what was found,
which closes the gaps; the best of these motions is the result. A search that is stuck between motions goes on from it,
with a tighter limit of the gaps.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from genesis.errors import GenesisException
from genesis.tools.trajectory_optimization.cost import Expansion
from genesis.tools.trajectory_optimization.ilqr import (
    ACCEPT,
    SMALL_REGULARIZATION,
    Regularization,
    Solution,
    regularized_pass,
)
from genesis.tools.trajectory_optimization.monitor import CONVERGED, NO_PROGRESS, Monitor
from genesis.tools.trajectory_optimization.problem import Problem
from genesis.tools.trajectory_optimization.readings import to_numpy
from genesis.tools.trajectory_optimization.riccati import Policy

STEP_LENGTHS = 2.0 ** -np.arange(8)
# Gap [m, rad, m/s, rad/s] per number that counts as closed: far below what a controller follows.
_CLOSED = 1e-6


def optimize(
    problem: Problem,
    u: torch.Tensor,
    monitor: Monitor,
    tolerance: float,
    best: list[Solution],
    states: torch.Tensor | None = None,
) -> None:
    """Improve on controls (T, nu) and states (T + 1, nx); None: those that the controls lead to, as far as they do.

    The last of `best` is a motion when this returns, or when it is interrupted.
    """
    x, is_motion = _first_states(problem, u, states)
    problem.separable.check(problem.rows_of, x, u)
    cost = float(problem.costs(x.unsqueeze(1), u.unsqueeze(1)))
    gaps = to_numpy(_gaps(problem, x.unsqueeze(1), u.unsqueeze(1))[:, 0])
    if not np.isfinite(gaps).all():
        raise GenesisException(
            f"{problem.owner}: a step from one of the first guess's states diverges at once; pass other "
            "`initial_states`, or a gentler `initial`."
        )
    now = _Iterate(Solution(u, x, cost), gaps)
    if is_motion:
        best.append(now.solution)
    try:
        _iterate(problem, now, monitor, tolerance, best)
    except KeyboardInterrupt:
        _finish(problem, now, best)
        raise
    _finish(problem, now, best)


@dataclass
class _Iterate:
    """Where the method is: controls, states and policy, and the gaps between them, (T, ndx)."""

    solution: Solution
    gaps: np.ndarray


def _iterate(problem: Problem, now: _Iterate, monitor: Monitor, tolerance: float, best: list[Solution]) -> None:
    """Until convergence, or until the monitor says that it is enough."""
    gap = float(np.abs(now.gaps).sum())
    rules = _Filter(gap)
    regularization = Regularization()
    model: tuple[Expansion, np.ndarray, np.ndarray] | None = None
    done = monitor.record(now.solution.cost, now.solution.u, now.solution.x, gap=gap)
    while not done:
        x, u, cost = now.solution.x, now.solution.u, now.solution.cost
        if model is None:
            model = (problem.expand(x, u), *problem.linearize(x[:-1], u))
        policy = regularized_pass(problem, model, u, regularization, now.gaps)
        if policy is None:
            monitor.reason = NO_PROGRESS
            return
        now.solution.policy = policy
        dx, du, slope, curvature = _linear_motion(problem, model, policy, u, now.gaps)
        closed = np.abs(now.gaps).max(initial=0.0) <= _CLOSED
        at_minimum = closed and abs(slope + 0.5 * curvature) <= tolerance * abs(cost)
        if at_minimum and regularization.value <= SMALL_REGULARIZATION:
            monitor.reason = CONVERGED
            return
        xs, us = _candidates(problem, x, u, dx, du)
        new_gaps = _gaps(problem, xs, us)
        costs, amounts = to_numpy(problem.costs(xs, us)), to_numpy(new_gaps.abs().sum((0, 2)))
        k = rules.choose(cost, gap, slope, costs, amounts)
        if k is None:
            done = monitor.record(cost, u, x, 0.0, regularization.value, gap)
            if not regularization.raise_():
                if at_minimum:
                    monitor.reason = CONVERGED
                    return
                # Stuck between motions: go on from the best one, and let the pieces move apart less.
                _keep_motion(problem, now, best)
                if not best or not rules.tighten():
                    monitor.reason = NO_PROGRESS
                    return
                now.solution, now.gaps, gap = best[-1], np.zeros_like(now.gaps), 0.0
                model, regularization = None, Regularization()
            continue
        now.solution = Solution(us[:, k].contiguous(), xs[:, k].contiguous(), float(costs[k]), policy)
        now.gaps, gap, model = to_numpy(new_gaps[:, k]), float(amounts[k]), None
        regularization.lower()
        if not best or now.solution.cost < best[-1].cost:
            _keep_motion(problem, now, best)
        done = monitor.record(
            now.solution.cost, now.solution.u, now.solution.x, float(STEP_LENGTHS[k]), regularization.value, gap
        )


class _Filter:
    """Which steps count as progress, in a problem with two aims (Waechter and Biegler 2006, section 2.3).

    Where the gaps are small beside the decrease that the model promises, the cost has to fall. Elsewhere the cost or
    the sum of the gaps has to be lower than at any earlier point from which such a step was made. A penalty function,
    which weighs one aim against the other, refuses long steps along a curved constraint (the Maratos effect): it needs
    more than 200 short steps to swing up a cart-pole, which this one does in 76.
    """

    # Their gamma, s_theta and s_phi; and how often the first gaps, or 1, the gaps may be (theirs: 1e4, with which
    # motions through contact are lost: a hopper's gaps grew to 2000 and were never closed).
    _MARGIN, _SWITCH_GAP, _SWITCH_SLOPE, _GROWTH, _LEAST = 1e-3, 1.1, 2.3, 1e2, 1e-3

    def __init__(self, gap: float) -> None:
        self._most = self._GROWTH * max(1.0, gap)
        self._entries: list[tuple[float, float]] = []

    def tighten(self) -> bool:
        """Begin anew from a motion, with a tenth of the gaps; False: they would be too small to be of use."""
        self._entries.clear()
        self._most *= 0.1
        return self._most > self._LEAST

    def choose(self, cost: float, gap: float, slope: float, costs: np.ndarray, gaps: np.ndarray) -> int | None:
        """The first candidate, as step lengths fall, that is acceptable; None: there is none."""
        for k, length in enumerate(STEP_LENGTHS):
            new_cost, new_gap = float(costs[k]), float(gaps[k])
            if not (np.isfinite(new_cost) and new_gap <= self._most):
                continue
            entries = [*self._entries, (cost, gap)]
            if not all(self._better(new_cost, new_gap, *entry) for entry in entries[:-1]):
                continue
            if slope < 0.0 and (-slope) ** self._SWITCH_SLOPE * length > gap**self._SWITCH_GAP:
                if new_cost <= cost + ACCEPT * length * slope:
                    return k
            elif self._better(new_cost, new_gap, cost, gap):
                self._entries.append((cost - self._MARGIN * gap, (1.0 - self._MARGIN) * gap))
                return k
        return None

    def _better(self, cost: float, gap: float, other_cost: float, other_gap: float) -> bool:
        return cost <= other_cost - self._MARGIN * other_gap or gap <= (1.0 - self._MARGIN) * other_gap


def _first_states(problem: Problem, u: torch.Tensor, states: torch.Tensor | None) -> tuple[torch.Tensor, bool]:
    """States (T + 1, nx), and whether they are what the controls lead to."""
    if states is not None:
        x = states.clone()
        x[0] = problem.x0
        return x, False
    try:
        return problem.rollout(u), True
    except GenesisException:
        # The scene's own state everywhere: with gaps, but finite.
        return problem.x0.expand(problem.n_steps + 1, -1).clone(), False


def _gaps(problem: Problem, x: torch.Tensor, u: torch.Tensor) -> torch.Tensor:
    """step(x_t, u_t) - x_{t+1} in the tangent space at x_{t+1}, (T, N, ndx): x (T + 1, N, nx), u (T, N, nu).

    Candidates with a step that diverges have infinite gaps.
    """
    n_steps, n, _ = u.shape
    with torch.no_grad():
        try:
            after = _single_steps(problem, x[:-1], u)
        except GenesisException:
            if n == 1:
                return torch.full((n_steps, 1, problem.ndx), torch.inf, dtype=x.dtype, device=x.device)
            return torch.cat([_gaps(problem, x[:, k : k + 1], u[:, k : k + 1]) for k in range(n)], 1)
        return problem.system.difference(x[1:], after)


def _single_steps(problem: Problem, x: torch.Tensor, u: torch.Tensor) -> torch.Tensor:
    """One step from each state x (T, N, nx) under u (T, N, nu), all at once."""
    n_steps, n, nu = u.shape
    system = problem.rows_of(n_steps * n)
    after = system.rollout(x.reshape(-1, problem.nx), u.reshape(1, -1, nu), problem.theta)[1]
    return after.view(n_steps, n, problem.nx)


def _linear_motion(
    problem: Problem,
    model: tuple[Expansion, np.ndarray, np.ndarray],
    policy: Policy,
    u: torch.Tensor,
    gaps: np.ndarray,
) -> tuple[np.ndarray, np.ndarray, float, float]:
    """The quadratic program's solution: dx (T + 1, ndx), du (T, nu), and slope and curvature of the cost along it."""
    expansion, A, B = model
    plan = to_numpy(u)
    lower, upper = to_numpy(problem.lower) - plan, to_numpy(problem.upper) - plan
    n_steps, ndx, nu = B.shape
    dx, du = np.zeros((n_steps + 1, ndx)), np.zeros((n_steps, nu))
    for t in range(n_steps):
        du[t] = np.clip(policy.feedforward[t] + policy.gains[t] @ dx[t], lower[t], upper[t])
        dx[t + 1] = A[t] @ dx[t] + B[t] @ du[t] + gaps[t]
    z = np.concatenate([dx[:-1], du], 1)
    slope = float((expansion.gradient * z).sum() + expansion.final_gradient @ dx[-1])
    curvature = float(np.einsum("ti,tij,tj->", z, expansion.hessian, z) + dx[-1] @ expansion.final_hessian @ dx[-1])
    return dx, du, slope, curvature


def _candidates(
    problem: Problem, x: torch.Tensor, u: torch.Tensor, dx: np.ndarray, du: np.ndarray
) -> tuple[torch.Tensor, torch.Tensor]:
    """States (T + 1, N, nx) and controls (T, N, nu), one for each step length."""
    lengths = torch.as_tensor(STEP_LENGTHS, dtype=x.dtype, device=x.device).view(1, -1, 1)
    along_x = torch.as_tensor(dx, dtype=x.dtype, device=x.device).unsqueeze(1)
    along_u = torch.as_tensor(du, dtype=u.dtype, device=u.device).unsqueeze(1)
    with torch.no_grad():
        xs = problem.system.integrate(x.unsqueeze(1), lengths * along_x)
        us = (u.unsqueeze(1) + lengths * along_u).clamp(problem.lower.unsqueeze(1), problem.upper.unsqueeze(1))
    return xs, us


def _keep_motion(problem: Problem, now: _Iterate, best: list[Solution]) -> None:
    """Simulate along what was found, which closes the gaps, and keep the motion if there is no better one yet."""
    found = now.solution
    for policy in (found.policy, None):
        xs, us, alive = problem.closed_loop(found.x, found.u, policy, np.zeros(1))
        cost = float(problem.costs(xs, us)) if alive[0] else np.inf
        if np.isfinite(cost):
            break
    if np.isfinite(cost) and not (best and best[-1].cost <= cost):
        best[:] = [Solution(us[:, 0].contiguous(), xs[:, 0].contiguous(), cost, found.policy)]


def _finish(problem: Problem, now: _Iterate, best: list[Solution]) -> None:
    """Keep the last motion; raises GenesisException if no simulation along what was found was ever finite."""
    _keep_motion(problem, now, best)
    if not best:
        raise GenesisException(
            f"{problem.owner}: what was found so far is no motion yet, its pieces are apart, and a simulation driven "
            "along them diverges. Allow more iterations, or pass `initial_states` or `initial` closer to a motion."
        )
