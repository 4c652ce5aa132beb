"""An optimal control problem: a scene's step, a cost, bounds, an initial state; and how candidates are tried."""

from __future__ import annotations

import math
import operator
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from genesis import runtime
from genesis.entities.place import world_of
from genesis.errors import GenesisException
from genesis.grad import bridge
from genesis.system import System
from genesis.tools.trajectory_optimization.cost import Cost, Expansion, ResidualCost, evaluate
from genesis.tools.trajectory_optimization.inference import ordinary
from genesis.tools.trajectory_optimization.readings import to_numpy

if TYPE_CHECKING:
    from genesis.scene import Scene
    from genesis.tools.trajectory_optimization.riccati import Policy

_MOST_STEPS = 10**6


class Problem:
    """minimise cost(x, u) subject to x_{t+1} = step(x_t, u_t), x_0 given, lower <= u <= upper.

    Args:
        owner: the public function that was called, for messages
        scene: built, with `n_envs` 0 or 1; its state, parameters and limits are read now
        cost: Cost, ResidualCost or a function (trajectory, controls) -> scalar
        n_steps: T
        control, entities: as for System
        lower, upper: number, (nu,) or (T, nu); None: the system's own limits

    Attributes:
        x0: (nx,), initial state
        lower, upper: (T, nu)
        theta: (1, ntheta), parameters, without graph

    Raises GenesisException for whatever does not fit.
    """

    def __init__(
        self, owner: str, scene: Scene, cost: Any, n_steps: Any, control: str, entities: Any, lower: Any, upper: Any
    ) -> None:
        from genesis.scene import Scene as SceneType

        self.owner = owner
        if not isinstance(scene, SceneType):
            raise GenesisException(f"{owner}: `scene` is {scene!r}; expected a gs.Scene.")
        world_of(scene, owner)
        if scene.n_envs > 1:
            raise GenesisException(
                f"{owner}: the scene has {scene.n_envs} envs; expected n_envs 0 or 1. One motion is optimised: build "
                "a scene for it, the candidates are simulated side by side all the same."
            )
        if not callable(cost):
            raise GenesisException(
                f"{owner}: `cost` is {cost!r}; expected gs.tools.ResidualCost(...), gs.tools.Cost(...), or a function "
                "of (trajectory, controls)."
            )
        self.scene, self.cost = scene, cost
        self.n_steps = whole_number(owner, "n_steps", n_steps, 1, _MOST_STEPS)
        self.control, self.entities = control, entities
        try:
            self.system = System(scene, 1, control, entities)
        except GenesisException as error:
            raise GenesisException(f"{owner}: {error}") from None
        if not self.system.nu:
            what = "actuators" if control == "actuators" else "dofs"
            raise GenesisException(f"{owner}: nothing can be controlled: no entity of the scene has {what}.")
        self._systems = {1: self.system}
        self._steppers: dict[int, Stepper] = {}
        self.nu, self.nx, self.ndx = self.system.nu, self.system.nx, self.system.ndx
        self.x0 = self.system.state().detach().as_subclass(torch.Tensor)[0].clone()
        self.theta = ordinary(self.system.theta().detach().as_subclass(torch.Tensor))
        self.system.hold(self.theta)
        self.lower = self._bound("lower", lower, self.system.lower)
        self.upper = self._bound("upper", upper, self.system.upper)
        if bool((self.lower > self.upper).any()):
            t, i = (int(k) for k in torch.nonzero(self.lower > self.upper)[0])
            raise GenesisException(
                f"{owner}: `lower` exceeds `upper` for control {i} at step {t}: {float(self.lower[t, i])} > "
                f"{float(self.upper[t, i])}; expected lower <= upper."
            )

    # -- what was given -----------------------------------------------------------------------------------------------

    def read(self, name: str, value: Any, shapes: tuple[tuple[int, ...], ...]) -> torch.Tensor:
        """A tensor of one of these shapes, without graph; raises GenesisException otherwise."""
        runtime.require_init()
        try:
            tensor = torch.as_tensor(value, dtype=runtime.tc_float, device=runtime.device)
        except (TypeError, ValueError, RuntimeError):
            raise GenesisException(f"{self.owner}: `{name}` is {repr(value)[:60]}; expected numbers.") from None
        tensor = ordinary(tensor.detach().as_subclass(torch.Tensor))
        if tuple(tensor.shape) not in shapes:
            raise GenesisException(
                f"{self.owner}: `{name}` has shape {tuple(tensor.shape)}; expected {' or '.join(map(str, shapes))}."
            )
        return tensor

    def _bound(self, name: str, value: Any, default: torch.Tensor) -> torch.Tensor:
        shape = (self.n_steps, self.nu)
        if value is None:
            return default.expand(shape).clone()
        bound = self.read(name, value, ((), (self.nu,), shape)).expand(shape).clone()
        if bool(torch.isnan(bound).any()):
            raise GenesisException(f"{self.owner}: `{name}` holds NaN; expected numbers, infinite where there is none.")
        return bound

    def guess(self, name: str, value: Any) -> torch.Tensor:
        """Controls (T, nu) within the bounds: those given, or zero as far as the bounds allow it."""
        if value is None:
            return torch.zeros_like(self.lower).clamp(self.lower, self.upper)
        controls = self.read(name, value, ((self.nu,), (self.n_steps, self.nu))).expand(self.n_steps, self.nu)
        if not bool(torch.isfinite(controls).all()):
            raise GenesisException(f"{self.owner}: `{name}` holds NaN or infinite values; expected finite controls.")
        return controls.clamp(self.lower, self.upper)

    @property
    def separable(self) -> Cost | ResidualCost:
        """The cost, of which a quadratic model can be made; raises GenesisException if it cannot."""
        if not isinstance(self.cost, Cost | ResidualCost):
            raise GenesisException(
                f"{self.owner}: this method needs a cost that is a sum over steps, and `cost` is {self.cost!r}; pass "
                'gs.tools.ResidualCost(stage=..., terminal=...) or gs.tools.Cost(...), or use method="adam" or "lbfgs".'
            )
        return self.cost

    # -- motions ------------------------------------------------------------------------------------------------------

    def rows_of(self, n_rows: int) -> System:
        """The system with so many rows; each is made once."""
        system = self._systems.get(n_rows)
        if system is None:
            system = self._systems[n_rows] = self.system.resized(n_rows)
        return system

    def stepper(self, n_rows: int) -> Stepper:
        """Single steps of so many rows; each is made once."""
        stepper = self._steppers.get(n_rows)
        if stepper is None:
            stepper = self._steppers[n_rows] = Stepper(self.rows_of(n_rows), self.theta)
        stepper.begin()
        return stepper

    def rollout(self, u: torch.Tensor, x0: torch.Tensor | None = None) -> torch.Tensor:
        """States (T + 1, nx) under controls (T, nu), without graph; raises GenesisException if it diverges."""
        with torch.no_grad():
            return self.system.rollout(self.x0 if x0 is None else x0, u, self.theta)[:, 0]

    def start(self, u: torch.Tensor, name: str) -> torch.Tensor:
        """States under the first guess."""
        try:
            return self.rollout(u)
        except GenesisException as error:
            raise GenesisException(
                f"{self.owner}: the simulation does not survive the controls of `{name}` ({error}) Pass a gentler "
                "`initial`, or tighter bounds."
            ) from None

    def costs(self, x: torch.Tensor, u: torch.Tensor) -> torch.Tensor:
        """Of N candidates, (N,), infinite where NaN: x (T + 1, N, nx), u (T, N, nu)."""
        return evaluate(self.separable, self.rows_of(x.shape[1]), x, u)

    def linearize(self, x: torch.Tensor, u: torch.Tensor) -> tuple[np.ndarray, np.ndarray]:
        """A (T, ndx, ndx) and B (T, ndx, nu) of the steps from x (T, nx) under u (T, nu)."""
        found = self.system.linearize(x.unsqueeze(1), u.unsqueeze(1), self.theta)
        return to_numpy(found.A[:, 0]), to_numpy(found.B[:, 0])

    def expand(self, x: torch.Tensor, u: torch.Tensor) -> Expansion:
        """The cost to second order along x (T + 1, nx), u (T, nu)."""
        return self.separable.expand(self.rows_of, x, u)

    def closed_loop(
        self,
        x: torch.Tensor,
        u: torch.Tensor,
        policy: Policy | None,
        lengths: np.ndarray,
        x0: torch.Tensor | None = None,
    ) -> tuple[torch.Tensor, torch.Tensor, np.ndarray]:
        """Candidates u_t + a k_t + K_t (x' - x_t), clipped to the bounds, one for each step length a.

        Returns states (T + 1, N, nx), controls (T, N, nu), and (N,) whether the candidate is a finite motion; one that
        is not stays where it was.
        """
        n, n_steps = len(lengths), len(u)
        stepper = self.stepper(n)
        states, controls = x.new_empty((n_steps + 1, n, self.nx)), x.new_empty((n_steps, n, self.nu))
        states[0] = self.x0 if x0 is None else x0
        lower, upper = self.lower[:n_steps].cpu().numpy(), self.upper[:n_steps].cpu().numpy()
        rows = np.repeat(to_numpy(u)[:, None], n, 1)
        if policy is not None:
            rows = rows + lengths[:, None] * policy.feedforward[:, None]
        alive = np.ones(n, dtype=bool)
        for t, (here, there, row) in enumerate(zip(states[:-1], states[1:], rows, strict=True)):
            if policy is not None:
                row = row + stepper.deviation(x[t], here) @ policy.gains[t].T
            row = np.minimum(np.maximum(row, lower[t]), upper[t])
            rows[t] = row
            stepper.step(here, torch.from_numpy(row), there, alive)
        controls.copy_(torch.from_numpy(rows))
        return states, controls, alive


class Stepper:
    """Single steps of N rows in a hurry, without graph; the constraint solver starts from the last solution."""

    def __init__(self, system: System, theta: torch.Tensor) -> None:
        self._system, self._dynamics, self._theta = system, system._dynamics, theta
        self._dynamics.follow_model()
        self._flat = system.nx == system.ndx
        # Made once: the controls of a step are written to where the command reads them.
        self._command = system._command(theta.new_zeros((1, system.n_rows, system.nu)))
        (key,) = self._command.sequences
        self._block = self._command.blocks[key]
        # All of its columns, which need no index; else those of the entities that are controlled.
        self._columns = None if self._block.shape[-1] == system.nu else system._columns
        self._guess = self._dynamics.no_solution()

    def begin(self) -> None:
        """What comes next has nothing to do with what was before."""
        self._guess = self._dynamics.no_solution()

    def deviation(self, nominal: torch.Tensor, x: torch.Tensor) -> np.ndarray:
        """Tangent vectors (N, ndx) from a state (nx,) to the rows of x (N, nx)."""
        if self._flat:
            return x.numpy(force=True) - nominal.numpy(force=True)
        with torch.no_grad():
            return to_numpy(self._system.difference(nominal.expand_as(x), x))

    def step(self, x: torch.Tensor, u: torch.Tensor, after: torch.Tensor, alive: np.ndarray) -> None:
        """Write the states after x (N, nx) under u (N, nu); rows that diverge, or have more contacts than
        room, become False in `alive` and stay."""
        dynamics = self._dynamics
        with torch.no_grad(), dynamics.lock:
            if self._columns is None:
                self._block[0].copy_(u)
            else:
                self._block[0, :, self._columns] = u.to(self._block)
            guess = bridge.fitting(dynamics, self._guess)
            solution = torch.empty_like(guess) if dynamics.model.constrained else None
            outcome = dynamics.run(self._theta, self._command, x, after, guess, solution)
            # Where contacts were left out, this is no motion of the scene.
            bad = {*outcome.crowded, *outcome.diverged}
            if dynamics.device.type == "cuda":  # where a run does not tell
                bad |= {*dynamics.lost_contacts(), *dynamics.rows_beyond(after)}
            if not bad:
                if solution is not None:
                    self._guess = solution
                return
            dynamics.forget_lost_contacts()
            rows = sorted(bad)
            after[rows] = x[rows]
            alive[rows] = False
            self._guess = dynamics.no_solution()


# -- checks and conversions -------------------------------------------------------------------------------------------


def whole_number(owner: str, name: str, value: Any, least: int, most: int) -> int:
    """Raises GenesisException unless it is a whole number in this range."""
    try:
        number = operator.index(value)
    except TypeError:
        number = least - 1
    if isinstance(value, bool) or not least <= number <= most:
        raise GenesisException(f"{owner}: `{name}` is {value!r}; expected a whole number from {least} to {most}.")
    return number


def positive(owner: str, name: str, value: Any) -> float:
    """Raises GenesisException unless it is a finite number above zero."""
    number = math.nan
    if not isinstance(value, bool):
        try:
            number = float(value)
        except (TypeError, ValueError, OverflowError):
            pass
    if not (math.isfinite(number) and number > 0.0):
        raise GenesisException(f"{owner}: `{name}` is {value!r}; expected a finite number above zero.")
    return number
