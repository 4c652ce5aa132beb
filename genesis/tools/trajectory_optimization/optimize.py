"""`gs.tools.optimize_trajectory`: the problem is stated, the method chosen, and what it found returned."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch

from genesis import runtime
from genesis.errors import GenesisException
from genesis.tools.trajectory_optimization import direct, ilqr, multiple_shooting
from genesis.tools.trajectory_optimization.cost import Cost, ResidualCost
from genesis.tools.trajectory_optimization.ilqr import Solution
from genesis.tools.trajectory_optimization.inference import leaves_inference_mode
from genesis.tools.trajectory_optimization.monitor import INTERRUPTED, MAX_ITERATIONS, Iteration, Monitor
from genesis.tools.trajectory_optimization.problem import Problem, positive, whole_number
from genesis.tools.trajectory_optimization.result import OptimizedTrajectory

if TYPE_CHECKING:
    from genesis.scene import Scene

OWNER = "optimize_trajectory"
# Method -> iterations at most, unless the caller says otherwise.
_ITERATIONS = {"ilqr": 200, "gauss-newton": 200, "lbfgs": 500, "adam": 1000}


@leaves_inference_mode
def optimize_trajectory(
    scene: Scene,
    cost: Cost | ResidualCost | Callable[[Any, torch.Tensor], torch.Tensor],
    n_steps: int,
    *,
    control: str = "force",
    entities: Any = None,
    initial: Any = None,
    initial_states: Any = None,
    lower: Any = None,
    upper: Any = None,
    method: str = "ilqr",
    max_iterations: int | None = None,
    tolerance: float = 1e-6,
    time_limit: float | None = None,
    learning_rate: float | None = None,
    callback: Callable[[Iteration], Any] | None = None,
    progress: bool = True,
    warm_start: OptimizedTrajectory | None = None,
) -> OptimizedTrajectory:
    """Find controls (T, nu) for the next T steps of a scene, from its present state, that minimise a cost.

    The scene stays as it is: `result.apply()` moves it. It need not have been made with `requires_grad`.

    Args:
        scene: built, with `n_envs` 0 or 1; parameters in force are kept
        cost: `gs.tools.ResidualCost` or `gs.tools.Cost` for every method; for "adam" and "lbfgs" also any function
            (trajectory, controls) -> scalar. Readings of the trajectory are (T + 1, N, ...), the initial state first,
            controls (T, N, nu): the axis N is that of candidates which are evaluated side by side
        n_steps: T
        control: what the controls are: "force" [N, N m], "position" [m, rad], "velocity" [m/s, rad/s] or "actuators"
        entities: entities that are controlled, in the scene's order; None: all that can be
        initial: first guess, (nu,) or (T, nu); None: zero. It is clipped to the bounds
        initial_states: first guess of the states for "gauss-newton", (T + 1, nx); no motion has to lead through it.
            None: the motion under `initial`
        lower, upper: bounds of the controls: number, (nu,) or (T, nu); None: the scene's own limits (force range,
            joint limits, ctrlrange)
        method: "ilqr" (Tassa et al. 2014), "gauss-newton" (multiple shooting), "lbfgs" or "adam" (single shooting)
        max_iterations: None: 200 for "ilqr" and "gauss-newton", 500 for "lbfgs", 1000 for "adam"
        tolerance: decrease of the cost, relative to it, that counts as none
        time_limit: [s], after which the iteration under way is the last
        learning_rate: of "adam", in units of the controls; None: 0.02 of half the range of each control
        callback: called with every `Iteration`; it may return True to stop
        progress: whether to show a progress bar
        warm_start: an earlier result, whose controls (and states, for "gauss-newton") are the first guess

    Ctrl-C ends it with the best controls so far and the reason "interrupted".

    Raises GenesisException, with the scene as it is, for arguments that do not fit, a cost that does not return what it
    should or has no graph to states and controls, derivatives of it that are not finite, a `warm_start` with another
    time step, and a first guess under which the simulation diverges or the cost is NaN or infinite.
    """
    if method not in _ITERATIONS:
        raise GenesisException(f"{OWNER}: `method` is {method!r}; expected one of {', '.join(map(repr, _ITERATIONS))}.")
    if learning_rate is not None and method != "adam":
        raise GenesisException(
            f'{OWNER}: `learning_rate` is for method="adam" only; {method!r} chooses its steps by a line search.'
        )
    if initial_states is not None and method != "gauss-newton":
        raise GenesisException(
            f'{OWNER}: `initial_states` is for method="gauss-newton" only; {method!r} begins with a motion. Pass '
            "`initial`, the controls of one."
        )
    if warm_start is not None and (initial is not None or initial_states is not None):
        raise GenesisException(f"{OWNER}: both `warm_start` and `initial` are given; pass one of them.")
    if callback is not None and not callable(callback):
        raise GenesisException(f"{OWNER}: `callback` is {callback!r}; expected a function or None.")
    if max_iterations is None:
        max_iterations = _ITERATIONS[method]
    max_iterations = whole_number(OWNER, "max_iterations", max_iterations, 1, 10**9)
    tolerance = positive(OWNER, "tolerance", tolerance)
    time_limit = None if time_limit is None else positive(OWNER, "time_limit", time_limit)
    learning_rate = None if learning_rate is None else positive(OWNER, "learning_rate", learning_rate)

    problem = Problem(OWNER, scene, cost, n_steps, control, entities, lower, upper)
    if method in ("ilqr", "gauss-newton"):
        _ = problem.separable  # raises for a cost that it cannot use
    if warm_start is not None:
        initial, states = _of_warm_start(problem, warm_start)
        initial_states = states if method == "gauss-newton" else None
    u = problem.guess("initial", initial)
    if initial_states is not None:
        initial_states = _states(problem, initial_states)

    best: list[Solution] = []
    with Monitor(problem, method, max_iterations, time_limit, callback, bool(progress)) as monitor:
        try:
            if method == "ilqr":
                ilqr.optimize(problem, u, monitor, tolerance, best)
            elif method == "gauss-newton":
                multiple_shooting.optimize(problem, u, monitor, tolerance, best, initial_states)
            elif method == "adam":
                direct.optimize_adam(problem, u, monitor, tolerance, best, learning_rate)
            else:
                direct.optimize_lbfgs(problem, u, monitor, tolerance, best)
        except KeyboardInterrupt:
            if not best:
                raise
            monitor.reason = INTERRUPTED
            runtime.logger.warning(f"{OWNER}: interrupted after {len(monitor.history) - 1} iterations.")
    return _result(problem, method, monitor, best[-1])


def _of_warm_start(problem: Problem, warm_start: Any) -> tuple[torch.Tensor, torch.Tensor]:
    """Controls (T, nu) and states (T + 1, nx) of an earlier result: cut, or its last held."""
    if not isinstance(warm_start, OptimizedTrajectory):
        raise GenesisException(
            f"{OWNER}: `warm_start` is {warm_start!r}; expected a result of gs.tools.optimize_trajectory."
        )
    controls, states = warm_start.controls, warm_start.states
    warm_start.require_dt(problem.system.dt, f"{OWNER}: `warm_start`")
    if controls.shape[1] != problem.nu or states.shape[1] != problem.nx or warm_start.control != problem.control:
        raise GenesisException(
            f"{OWNER}: `warm_start` has {controls.shape[1]} controls ({warm_start.control!r}) and states of "
            f"{states.shape[1]} numbers; expected {problem.nu} ({problem.control!r}) and {problem.nx}."
        )
    steps = torch.arange(problem.n_steps + 1)
    return controls[steps[:-1].clamp(max=len(controls) - 1)], states[steps.clamp(max=len(states) - 1)]


def _states(problem: Problem, value: Any) -> torch.Tensor:
    states = problem.read("initial_states", value, ((problem.n_steps + 1, problem.nx),))
    if not bool(torch.isfinite(states).all()):
        raise GenesisException(f"{OWNER}: `initial_states` holds NaN or infinite values; expected finite states.")
    return states


def _result(problem: Problem, method: str, monitor: Monitor, found: Solution) -> OptimizedTrajectory:
    def tensor(values: Any) -> torch.Tensor:
        return torch.as_tensor(values, dtype=found.u.dtype, device=found.u.device)

    policy = found.policy
    return OptimizedTrajectory(
        problem.scene,
        problem.system,
        controls=found.u,
        states=found.x,
        cost=found.cost,
        history=monitor.history,
        reason=monitor.reason or MAX_ITERATIONS,
        method=method,
        control=problem.control,
        dt=problem.system.dt,
        seconds=monitor.seconds,
        lower=problem.lower,
        upper=problem.upper,
        gains=None if policy is None else tensor(policy.gains),
        feedforward=None if policy is None else tensor(policy.feedforward),
        names=tuple(entity.name for entity in problem.system.entities),
    )
