"""Receding-horizon control: one iteration of iLQR per tick, from the state that was measured.

A tick does what Diehl, Bock and Schloeder (2005) call a real-time iteration: the plan of the last tick is moved on in
time, the problem is linearised about it, and the new policy is tried from the measured state with several step lengths
side by side, among them zero, the old plan under feedback. There is one linearisation and one simulation of the horizon
per tick.
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from genesis import runtime
from genesis.errors import GenesisException
from genesis.tools.trajectory_optimization.cost import Cost, ResidualCost
from genesis.tools.trajectory_optimization.ilqr import Regularization, regularized_pass
from genesis.tools.trajectory_optimization.inference import leaves_inference_mode
from genesis.tools.trajectory_optimization.problem import Problem, whole_number
from genesis.tools.trajectory_optimization.readings import to_numpy
from genesis.tools.trajectory_optimization.riccati import Policy
from genesis.world.arguments import require_state

if TYPE_CHECKING:
    from genesis.scene import Scene

_STEP_LENGTHS = np.array([1.0, 0.3, 0.0])
_NOTHING_TO_GAIN = 1e-6  # a promised decrease, relative to the cost, that is as good as none


class MPC:
    """A controller that plans n_steps ahead at each tick, on a scene that it never moves.

    Args:
        scene: the model that plans are made with: built, `n_envs` 0 or 1; its `dt` may be longer than that of the
            robot or of the scene that stands for it. Its present state is where the first plan starts, and its
            parameters, mocap bodies, welds and switches of equalities are those of the plans from then on
        cost: `gs.tools.ResidualCost` or `gs.tools.Cost`; it is evaluated anew at each tick, so that a target it reads
            from a tensor may move
        n_steps: horizon T
        control, entities, initial, lower, upper: as for `gs.tools.optimize_trajectory`
        iterations: per tick
        warm_up: iterations before the first tick

    Attributes:
        controls: (T, nu), the plan
        states: (T + 1, nx), the motion that it expects
        gains: (T, nu, ndx), feedback on deviations from that motion
        cost: of the plan

    Raises GenesisException for arguments that do not fit, as `optimize_trajectory` does.
    """

    @leaves_inference_mode
    def __init__(
        self,
        scene: Scene,
        cost: Cost | ResidualCost,
        n_steps: int,
        *,
        control: str = "force",
        entities: Any = None,
        initial: Any = None,
        lower: Any = None,
        upper: Any = None,
        iterations: int = 1,
        warm_up: int = 20,
    ) -> None:
        owner = "MPC"
        self._iterations = whole_number(owner, "iterations", iterations, 1, 1000)
        warm_up = whole_number(owner, "warm_up", warm_up, 0, 10**6)
        self._problem = problem = Problem(owner, scene, cost, n_steps, control, entities, lower, upper)
        self.controls = problem.guess("initial", initial)
        self.states = problem.start(self.controls, "initial")
        problem.separable.check(problem.rows_of, self.states, self.controls)
        self._regularization = Regularization()
        self._policy: Policy | None = None
        self._largest = np.zeros(problem.nu)  # of each control, and of each change of it that was ever proposed
        self.cost = float(problem.costs(self.states.unsqueeze(1), self.controls.unsqueeze(1)))
        for _ in range(warm_up):
            self._improve(problem.x0)

    def __repr__(self) -> str:
        return f"<MPC of {self._problem.scene!r}: {self.n_steps} steps of {self.dt} s, cost {self.cost:.6g}>"

    @property
    def n_steps(self) -> int:
        """T."""
        return self._problem.n_steps

    @property
    def dt(self) -> float:
        """Duration of a step of the plan [s]."""
        return self._problem.system.dt

    @property
    @leaves_inference_mode
    def gains(self) -> torch.Tensor:
        """(T, nu, ndx), feedback on deviations from the plan; zero before the first iteration."""
        problem = self._problem
        if self._policy is None:
            return self.states.new_zeros((problem.n_steps, problem.nu, problem.ndx))
        return torch.as_tensor(self._policy.gains, dtype=self.states.dtype, device=self.states.device)

    @leaves_inference_mode
    def update(self, x: Any = None, shift: int = 1) -> torch.Tensor:
        """Plan from the state x (nx,), and return the controls (nu,) to apply now.

        `x`: None: the scene's present state. `shift`: how many steps of the plan have passed since the last call (0 in
        the first).

        Raises GenesisException, and keeps the plan, when every candidate diverges from x, and when the cost or its
        derivatives are not finite.
        """
        runtime.require_init()
        state = self._read_state(x)
        shift = whole_number("MPC.update", "shift", shift, 0, self.n_steps)
        kept = self.controls, self.states, self._policy, self.cost, copy.copy(self._regularization)
        try:
            if shift:
                self._shift(shift)
            for _ in range(self._iterations):
                self._improve(state)
        except BaseException:
            self.controls, self.states, self._policy, self.cost, self._regularization = kept
            raise
        return self.controls[0].clone()

    @leaves_inference_mode
    def policy(self, x: Any, t: int = 0) -> torch.Tensor:
        """Controls of step t of the plan under feedback from x (nx,), within the bounds; quick, for between ticks."""
        runtime.require_init()
        state = self._read_state(x)
        t = whole_number("MPC.policy", "t", t, 0, self.n_steps - 1)
        u = self.controls[t]
        if self._policy is not None:
            deviation = self._problem.system.difference(self.states[t], state)
            u = u + torch.as_tensor(self._policy.gains[t], dtype=u.dtype, device=u.device) @ deviation
        return u.clamp(self._problem.lower[t], self._problem.upper[t])

    # -- how ----------------------------------------------------------------------------------------------------------

    def _read_state(self, x: Any) -> torch.Tensor:
        problem = self._problem
        if x is None:
            return problem.system.state().detach().as_subclass(torch.Tensor)[0]
        state = problem.read("x", x, ((problem.nx,), (1, problem.nx))).reshape(problem.nx)
        if not bool(torch.isfinite(state).all()):
            raise GenesisException("MPC: `x` holds NaN or infinite values; expected a finite state.")
        require_state(state[: problem.nx - problem.system.na], "x", "MPC")
        return state

    def _shift(self, n: int) -> None:
        """The plan from its n-th step on; the last controls are held for the steps that are new."""
        steps = np.minimum(np.arange(self.n_steps) + n, self.n_steps - 1)
        self.controls = self.controls[torch.as_tensor(steps)].clamp(self._problem.lower, self._problem.upper)
        if self._policy is not None:
            policy = self._policy
            self._policy = Policy(0.0 * policy.feedforward, policy.gains[steps], 0.0, 0.0)
        states = torch.cat([self.states[n:], self.states.new_empty((n, self._problem.nx))])
        stepper, alive = self._problem.stepper(1), np.ones(1, dtype=bool)
        for t in range(self.n_steps - n, self.n_steps):
            stepper.step(states[t : t + 1], self.controls[t : t + 1], states[t + 1 : t + 2], alive)
        self.states = states

    def _improve(self, state: torch.Tensor) -> None:
        """One iteration from a state (nx,)."""
        problem, x, u = self._problem, self.states, self.controls
        model = (problem.expand(x, u), *problem.linearize(x[:-1], u))
        policy = regularized_pass(problem, model, u, self._regularization)
        if policy is None:  # the model is of no use here: keep to the plan, with the gains there are
            policy, self._regularization = self._policy, Regularization()
        lengths = _STEP_LENGTHS if policy is not None else np.zeros(1)
        xs, us, alive = problem.closed_loop(x, u, policy, lengths, state)
        costs = to_numpy(problem.costs(xs, us))
        if alive.any() and not np.isfinite(costs[alive]).any():
            raise GenesisException(
                "MPC: the cost is NaN or infinite for the plan and for every candidate for a new one; expected a "
                "finite cost. Look for a division, a logarithm or a target that is not finite."
            )
        costs[~alive] = np.inf
        k = int(np.argmin(costs))
        if not np.isfinite(costs[k]):
            raise GenesisException(
                "MPC: from the given state the simulation diverges under the plan and under every candidate for a new "
                "one. Is the state in the model's units? Else use bounds, a shorter horizon or a smaller dt."
            )
        if lengths[k] > 0.0 or (policy is not None and self._at_minimum(policy, float(costs[k]))):
            self._regularization.lower()
        elif not self._regularization.raise_():
            self._regularization = Regularization()
        self.states, self.controls, self.cost = xs[:, k].contiguous(), us[:, k].contiguous(), float(costs[k])
        self._policy = policy

    def _at_minimum(self, policy: Policy, cost: float) -> bool:
        """Whether there was nothing to gain: then a step that gains nothing is no reason to mistrust the model.

        Under much regularisation it is always so, which lowers it until there is something to gain, or nothing indeed.
        """
        step = np.abs(policy.feedforward).max(0)
        u = np.abs(to_numpy(self.controls)).max(0)
        self._largest = np.maximum(self._largest, np.maximum(u, step))
        # Where the cost is zero at the minimum no decrease is small beside it, but the step is beside the controls.
        negligible = step <= np.sqrt(torch.finfo(self.controls.dtype).eps) * self._largest
        return policy.predicted <= _NOTHING_TO_GAIN * abs(cost) or bool(negligible.all())
