"""Least squares in parameters that all windows share and in states that each window has for itself.

The normal equations have the shape of an arrow: with dx_w the change of window w's state and dz that of the parameters,

    [ H_w   G_w ] [dx_w]     [g_w]
    [ G_w'  H   ] [ dz ] = - [ g ]

The states are eliminated window by window (Schur complement S = H - sum_w G_w' H_w^-1 G_w), so that the cost grows with
the number of windows, not with its cube. S is also the information that the data hold on the parameters when the states
are not known: its inverse is their covariance.

Levenberg-Marquardt: damping as in Nielsen, "Damping parameter in Marquardt's method" (1999), scaled with the diagonal
as in Marquardt (1963); a step is kept if the cost falls.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Generic, Protocol, TypeVar

import torch

from genesis.errors import GenesisException

# Eigenvalues of a matrix with unit diagonal below this are rounding: what they belong to is left as it is.
_RANK_TOLERANCE = 1e-13
# Longest step of the parameters along a direction, in units in which 1 means a change by its own size.
_LONGEST_STEP = 0.7
# The damping is relative to the largest eigenvalue, below which others lie by many orders of magnitude.
FIRST_DAMPING, _LEAST_DAMPING, _MOST_DAMPING = 1e-8, 1e-16, 1e6
# A window whose states are damped so much, and which still gets worse, is stuck.
_STUCK = 1e4
# How fast the damping falls at most: faster than Nielsen's factor of 3, for the same reason.
_FASTEST = 0.1

Point = TypeVar("Point")


@dataclass
class Normal:
    """Normal equations at a point, in 64 bits; the cost is half the sum of squares.

    Attributes:
        cost: half the sum of squared residuals
        of_state: H_w, (N, d, d)
        of_both: G_w, (N, d, p)
        of_parameters: H, (p, p)
        state_gradient: g_w, (N, d)
        parameter_gradient: g, (p,)
        count: how many residuals there are
        window_cost: of each window by itself, (N,)
    """

    cost: float
    of_state: torch.Tensor
    of_both: torch.Tensor
    of_parameters: torch.Tensor
    state_gradient: torch.Tensor
    parameter_gradient: torch.Tensor
    window_cost: torch.Tensor
    count: int = 0

    @staticmethod
    def zero(n: int, d: int, p: int, device: torch.device) -> Normal:
        """Nothing added yet."""

        def zeros(*shape: int) -> torch.Tensor:
            return torch.zeros(shape, dtype=torch.float64, device=device)

        return Normal(0.0, zeros(n, d, d), zeros(n, d, p), zeros(p, p), zeros(n, d), zeros(p), zeros(n))

    def add(self, window: torch.Tensor, residual: torch.Tensor, state: torch.Tensor, parameters: torch.Tensor) -> None:
        """Residuals (R,) of the windows ``window`` (R,), with Jacobians (R, d) and (R, p)."""
        self.cost += 0.5 * float(residual @ residual)
        self.count += len(residual)
        self.window_cost.index_add_(0, window, 0.5 * residual * residual)
        n, d, _ = self.of_state.shape
        p = parameters.shape[1]
        order = torch.argsort(window, stable=True)
        counts = torch.bincount(window, minlength=n)
        # Windows side by side, the shorter ones filled up with zeros.
        place = torch.arange(len(order), device=window.device) - (counts.cumsum(0) - counts).repeat_interleave(counts)
        rows = state.new_zeros((n, int(counts.max()), d + p + 1))
        rows[window[order], place] = torch.cat([state, parameters, residual[:, None]], 1)[order]
        of_states = rows[..., :d].mT @ rows
        self.of_state += of_states[..., :d]
        self.of_both += of_states[..., d : d + p]
        self.state_gradient += of_states[..., -1]
        self.of_parameters += parameters.mT @ parameters
        self.parameter_gradient += parameters.mT @ residual

    def predicted(self, dz: torch.Tensor, dx: torch.Tensor) -> float:
        """By how much the cost falls for a step, as the quadratic model has it."""
        linear = self.parameter_gradient @ dz + (self.state_gradient * dx).sum()
        of_states = (dx[..., None] * (self.of_state @ dx[..., None])).sum()
        mixed = ((dx[:, None] @ self.of_both)[:, 0] @ dz).sum()
        return -float(linear + 0.5 * of_states + mixed + 0.5 * dz @ self.of_parameters @ dz)


def inverse_of_states(matrices: torch.Tensor, damping: torch.Tensor | float = 0.0) -> torch.Tensor:
    """(N, d, d): inverses of H_w + damping diag(H_w), zero in directions that the data do not see; ``damping``:
    (N,)."""
    if isinstance(damping, torch.Tensor):
        damping = damping[:, None]
    size = matrices.diagonal(dim1=-2, dim2=-1).clamp(min=0.0).sqrt()
    size = size.clamp(min=1e-8 * float(size.max()) + 1e-150)
    values, vectors = torch.linalg.eigh(matrices / (size[:, :, None] * size[:, None, :]))
    inverse = torch.where(values > _RANK_TOLERANCE, 1.0 / (values.clamp(min=0.0) + damping), torch.zeros_like(values))
    vectors = vectors / size[:, :, None]
    return (vectors * inverse[:, None, :]) @ vectors.mT


def information(normal: Normal) -> torch.Tensor:
    """S, (p, p): what is known of the parameters when the states are not."""
    inverse = inverse_of_states(normal.of_state)
    reduced = normal.of_parameters - (normal.of_both.mT @ inverse @ normal.of_both).sum(0)
    return 0.5 * (reduced + reduced.mT)


def solve(
    normal: Normal, damping: float, fixed: bool = False, state_damping: torch.Tensor | None = None
) -> tuple[torch.Tensor, torch.Tensor]:
    """The damped step: dz (p,), dx (N, d). ``fixed``: the parameters stay, only states move. ``state_damping`` (N,): of
    each window's states; None: as of the parameters.

    States are damped in proportion to their own diagonal, parameters all alike, since their coordinates have natural
    units. On top of the damping comes what the residuals say now: if they were noise, a direction with information s
    would be uncertain by sqrt(2 cost / count / s), and one that is uncertain by more than its own size does not move.
    So what the data hardly see does not run away while the rest is far from its place. For the same reason a step is
    cut to `_LONGEST_STEP` along each principal direction by itself.
    """
    inverse = inverse_of_states(normal.of_state, damping if state_damping is None else state_damping)
    dz = torch.zeros_like(normal.parameter_gradient)
    if not fixed and len(dz):
        eliminated = inverse @ normal.of_both
        reduced = normal.of_parameters - (normal.of_both.mT @ eliminated).sum(0)
        gradient = normal.parameter_gradient - (eliminated.mT @ normal.state_gradient[..., None]).sum(0)[:, 0]
        values, vectors = torch.linalg.eigh(0.5 * (reduced + reduced.mT))
        largest = float(values.max())
        kept = values > _RANK_TOLERANCE * largest
        doubt = 2.0 * normal.cost / normal.count if normal.count else 0.0
        bent = values.clamp(min=0.0) + damping * largest + (doubt if damping > 0 else 0.0)
        along = -(vectors.mT @ gradient) / torch.where(kept, bent, torch.ones_like(values))
        dz = vectors @ torch.where(kept, along, torch.zeros_like(along)).clamp(-_LONGEST_STEP, _LONGEST_STEP)
    dx = -(inverse @ (normal.state_gradient + normal.of_both @ dz)[..., None])[..., 0]
    return dz, dx


class Problem(Protocol[Point]):
    """A sum of squares to make small. ``cost`` raises GenesisException where the motion diverges."""

    def cost(self, point: Point) -> float: ...

    def window_costs(self, point: Point) -> torch.Tensor:
        """(N,): each window's part of the cost, without what concerns the parameters alone."""

    def normal(self, point: Point) -> Normal: ...

    def gradient(self, point: Point) -> tuple[float, torch.Tensor, torch.Tensor]:
        """Cost, and its gradient by the parameters (p,) and by the states (N, d)."""

    def moved(self, point: Point, dz: torch.Tensor, dx: torch.Tensor) -> Point: ...

    def curvature(self, point: Point) -> tuple[torch.Tensor, torch.Tensor]:
        """Diagonal of the Gauss-Newton Hessian, or an estimate: of the parameters (p,) and the states (N, d)."""


@dataclass
class Iteration:
    """What a callback is given, and what a history holds.

    Attributes:
        number: from 1
        cost: half the weighted sum of squares, priors included
        step: largest change of a parameter, 1 meaning a change by its own size
        damping: of Levenberg-Marquardt, or the step length of the other methods
        seconds: since the beginning
        stage: length of the windows [s]
    """

    number: int
    cost: float
    step: float
    damping: float
    seconds: float
    stage: float = 0.0


@dataclass
class Outcome(Generic[Point]):
    """Where a minimisation ended.

    Attributes:
        point, cost: the best
        reason: "converged", "no progress", "max_iterations" or "callback"
        history: iterations that moved
        damping: at the end, to go on with
    """

    point: Point
    cost: float
    reason: str
    history: list[Iteration] = field(default_factory=list)
    damping: float = FIRST_DAMPING


class Watch:
    """Counts iterations over several minimisations, tells them to a callback, and knows whether to go on."""

    def __init__(self, max_iterations: int, callback: Callable[[Iteration], Any] | None, stage: float = 0.0) -> None:
        self.left, self.stage = max_iterations, stage
        self.history: list[Iteration] = []
        self._callback, self._begin = callback, time.perf_counter()
        self.stopped = False

    def tell(self, cost: float, step: float, damping: float) -> None:
        """An iteration is over."""
        self.left -= 1
        self.history.append(Iteration(len(self.history) + 1, cost, step, damping, self.seconds, self.stage))
        if self._callback is not None and self._callback(self.history[-1]) is True:
            self.stopped = True

    def part(self, iterations: int) -> Watch:
        """A watch for some of the iterations, which are counted here as well."""
        return _Part(self, iterations)

    @property
    def seconds(self) -> float:
        """Since the beginning."""
        return time.perf_counter() - self._begin

    @property
    def reason(self) -> str:
        """Why to stop, or "" to go on."""
        return "callback" if self.stopped else "max_iterations" if self.left <= 0 else ""


class _Part(Watch):
    """Tells a watch what it is told."""

    def __init__(self, whole: Watch, iterations: int) -> None:
        super().__init__(iterations, None)
        self._whole = whole
        self.history = whole.history

    def tell(self, cost: float, step: float, damping: float) -> None:
        self.left -= 1
        self._whole.tell(cost, step, damping)

    @property
    def reason(self) -> str:
        return self._whole.reason or ("max_iterations" if self.left <= 0 else "")


def cost_or_infinity(problem: Problem[Point], point: Point) -> float:
    """Infinity where the motion diverges, or a parameter leaves what can be simulated."""
    try:
        value = problem.cost(point)
    except GenesisException:
        return math.inf
    return value if math.isfinite(value) else math.inf


def levenberg_marquardt(
    problem: Problem[Point],
    point: Point,
    watch: Watch,
    tolerance: float,
    *,
    damped: bool = True,
    fixed: bool = False,
    damping: float = FIRST_DAMPING,
) -> Outcome[Point]:
    """Minimise from ``point``, at which the motion must not diverge.

    ``tolerance``: stop when a step would lower the cost by less than this fraction, or two have by less than ten times
    it. ``damped`` False: Gauss-Newton, whose steps are halved until the cost falls. ``fixed``: only the states move.

    Each window has a damping of its states of its own, and states whose window got worse stay where they are if that
    helps: in one of a hundred windows a contact may come about within any step, which must not stop the others.
    """
    damping, growth = (damping if damped else 0.0), 2.0
    normal, quiet = problem.normal(point), 0
    of_states = torch.full_like(normal.window_cost, damping)
    while not watch.reason:
        dz, dx = solve(normal, damping, fixed, of_states)
        if not normal.predicted(dz, dx) > tolerance * normal.cost:
            return Outcome(point, normal.cost, "converged", watch.history, damping)
        length, settled = 1.0, True
        if damped:
            candidate, cost, dx, worse = _try(problem, point, normal, dz, dx)
            settled = not bool((worse & (of_states < _STUCK)).any())
            factor = torch.where(worse, torch.full_like(of_states, 8.0), torch.full_like(of_states, 0.2))
            of_states = (of_states * factor).clamp(FIRST_DAMPING, _MOST_DAMPING)
        else:
            while True:
                candidate = problem.moved(point, length * dz, length * dx)
                cost = cost_or_infinity(problem, candidate)
                if cost < normal.cost or length < 1e-6:
                    break
                length *= 0.5
        predicted = normal.predicted(length * dz, length * dx)
        if cost < normal.cost:
            gain = (normal.cost - cost) / predicted if predicted > 0 else 0.0
            fallen = normal.cost - cost
            point, normal = candidate, problem.normal(candidate)
            # At a kink of the motion the model promises more than there is. Windows that are still looking for a step
            # short enough have promised nothing yet.
            quiet = quiet + 1 if fallen <= 10 * tolerance * normal.cost and settled else 0
            damping = max(damping * max(_FASTEST, 1.0 - (2.0 * gain - 1.0) ** 3), _LEAST_DAMPING) if damped else 0.0
            growth = 2.0
            watch.tell(normal.cost, length * float(dz.abs().max()) if len(dz) else 0.0, damping if damped else length)
            if quiet >= 2:
                return Outcome(point, normal.cost, "converged", watch.history, damping)
            continue
        if not damped or damping > _MOST_DAMPING:
            return Outcome(point, normal.cost, "no progress", watch.history, damping)
        damping, growth = damping * growth, 2.0 * growth
    return Outcome(point, normal.cost, watch.reason, watch.history, damping)


def _try(
    problem: Problem[Point], point: Point, normal: Normal, dz: torch.Tensor, dx: torch.Tensor
) -> tuple[Point, float, torch.Tensor, torch.Tensor]:
    """The better of the step and of the step without the states of windows that it makes worse: the point, its cost,
    the states' step (N, d), and which windows those are (N,)."""
    candidate = problem.moved(point, dz, dx)
    cost = cost_or_infinity(problem, candidate)
    if not math.isfinite(cost):
        return candidate, cost, dx, torch.ones_like(normal.window_cost, dtype=torch.bool)
    worse = problem.window_costs(candidate) > normal.window_cost * (1 + 1e-9)
    if bool(worse.any()) and cost > normal.cost - 0.5 * normal.predicted(dz, dx):
        held = torch.where(worse[:, None], torch.zeros_like(dx), dx)
        other = problem.moved(point, dz, held)
        other_cost = cost_or_infinity(problem, other)
        if other_cost < cost:
            return other, other_cost, held, worse
    return candidate, cost, dx, worse


# -- first-order methods ----------------------------------------------------------------------------------------------


def adam(
    problem: Problem[Point], point: Point, watch: Watch, tolerance: float, learning_rate: float = 0.03
) -> Outcome[Point]:
    """Adam (Kingma & Ba 2015): steps of about the learning rate, of the parameters' own size and of what is known of
    the states. The best point is kept; a step that diverges is taken back and the rate halved."""
    cost, *gradient = problem.gradient(point)
    preconditioner = _Preconditioner(problem, point, natural=True)
    best, best_cost, checked = point, cost, cost
    first = [torch.zeros_like(g) for g in gradient]
    second = [torch.zeros_like(g) for g in gradient]
    count = 0
    while not watch.reason:
        count += 1
        scaled = preconditioner.scale(gradient)
        for m, v, g in zip(first, second, scaled, strict=True):
            m.lerp_(g, 0.1)
            v.lerp_(g * g, 0.001)
        size = learning_rate * math.sqrt(1 - 0.999**count) / (1 - 0.9**count)
        steps = [-size * m / (v.sqrt() + 1e-12) for m, v in zip(first, second, strict=True)]
        dz, dx = preconditioner.scale(steps)
        candidate = problem.moved(point, dz, dx)
        try:
            new_cost, *new_gradient = problem.gradient(candidate)
        except GenesisException:
            new_cost = math.inf
        if not math.isfinite(new_cost):
            learning_rate *= 0.5
            point = best
            cost, *gradient = problem.gradient(best)
            if learning_rate < 1e-9:
                return Outcome(best, best_cost, "no progress", watch.history)
            watch.left -= 1
            continue
        point, cost, gradient = candidate, new_cost, new_gradient
        if cost < best_cost:
            best, best_cost = point, cost
        watch.tell(cost, float(dz.abs().max()) if len(dz) else 0.0, learning_rate)
        if count % 50 == 0:
            if checked - best_cost <= 50 * tolerance * best_cost:
                if learning_rate < 1e-4:
                    return Outcome(best, best_cost, "converged", watch.history)
                learning_rate *= 0.3
                point = best
                cost, *gradient = problem.gradient(best)
            checked = best_cost
    return Outcome(best, best_cost, watch.reason, watch.history)


def lbfgs(problem: Problem[Point], point: Point, watch: Watch, tolerance: float, memory: int = 20) -> Outcome[Point]:
    """L-BFGS (Nocedal 1980; two-loop recursion) with backtracking; a step at which the motion diverges is shortened."""
    preconditioner = _Preconditioner(problem, point)

    def pack(parts: Any) -> torch.Tensor:
        return torch.cat([part.flatten() for part in preconditioner.scale(parts)])

    cost, *parts = problem.gradient(point)
    shapes = [part.shape for part in parts]
    gradient = pack(parts)
    pairs: list[tuple[torch.Tensor, torch.Tensor, float]] = []
    quiet = 0
    while not watch.reason:
        direction = -_two_loops(gradient, pairs)
        if not float(direction @ gradient) < 0:
            pairs, direction = [], -gradient
        length = 1.0 if pairs else min(1.0, 0.1 / max(float(gradient.abs().max()), 1e-300))
        slope = float(direction @ gradient)
        while True:
            step = length * direction
            dz, dx = (
                part.view(shape)
                for part, shape in zip(step.split([shape.numel() for shape in shapes]), shapes, strict=True)
            )
            dz, dx = preconditioner.scale([dz, dx])
            candidate = problem.moved(point, dz, dx)
            # Armijo's condition (Nocedal & Wright, Numerical Optimization, eq. 3.4).
            if cost_or_infinity(problem, candidate) <= cost + 1e-4 * length * slope:
                break
            length *= 0.5
            if length < 1e-12:
                if not pairs:
                    return Outcome(point, cost, "no progress", watch.history)
                pairs, direction, length = [], -gradient, 0.1 / max(float(gradient.abs().max()), 1e-300)
                slope = float(direction @ gradient)
        new_cost, *parts = problem.gradient(candidate)
        new_gradient = pack(parts)
        change = new_gradient - gradient
        curvature = float(change @ step)
        if curvature > 1e-12 * float(change.norm() * step.norm()):
            pairs = [*pairs, (step, change, 1.0 / curvature)][-memory:]
        quiet = quiet + 1 if cost - new_cost <= tolerance * new_cost else 0
        point, cost, gradient = candidate, new_cost, new_gradient
        watch.tell(cost, float(dz.abs().max()) if len(dz) else 0.0, length)
        if quiet >= 3:
            return Outcome(point, cost, "converged", watch.history)
    return Outcome(point, cost, watch.reason, watch.history)


def _two_loops(gradient: torch.Tensor, pairs: list[tuple[torch.Tensor, torch.Tensor, float]]) -> torch.Tensor:
    """H gradient, with the inverse Hessian that the last steps and changes of gradient imply."""
    q, along = gradient.clone(), []
    for step, change, inverse in reversed(pairs):
        along.append(inverse * float(step @ q))
        q -= along[-1] * change
    if pairs:
        step, change, inverse = pairs[-1]
        q /= inverse * float(change @ change)
    for (step, change, inverse), a in zip(pairs, reversed(along), strict=True):
        q += (a - inverse * float(change @ q)) * step
    return q


class _Preconditioner:
    """Scales coordinates with the root of the Gauss-Newton Hessian's diagonal: states and parameters differ by orders
    of magnitude in what they change. Taken once, at the start."""

    def __init__(self, problem: Problem[Any], point: Any, natural: bool = False) -> None:
        """``natural``: the parameters stay in their own units."""
        self._scales = []
        for k, diagonal in enumerate(problem.curvature(point)):
            if natural and k == 0:
                self._scales.append(torch.ones_like(diagonal))
                continue
            size = diagonal.clamp(min=0.0).sqrt()
            largest = float(size.max()) if size.numel() else 1.0
            self._scales.append(1.0 / size.clamp(min=1e-6 * largest + 1e-300))

    def scale(self, parts: Any) -> list[torch.Tensor]:
        return [part * scale for part, scale in zip(parts, self._scales, strict=True)]
