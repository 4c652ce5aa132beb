"""What an optimisation returns."""

from __future__ import annotations

import copy
import os
from typing import TYPE_CHECKING, Any

import torch

from genesis import runtime
from genesis.entities.place import world_of
from genesis.errors import GenesisException
from genesis.system import System
from genesis.tools.trajectory_optimization import result_file
from genesis.tools.trajectory_optimization.inference import leaves_inference_mode, ordinary
from genesis.tools.trajectory_optimization.monitor import Iteration

if TYPE_CHECKING:
    from genesis.scene import Scene
    from genesis.trajectory import Trajectory

_SAME_DT = 1e-6  # relative: a plan that was saved in 64 bits is of use in 32


class OptimizedTrajectory:
    """Controls that minimise a cost, the motion they lead to, and how they were found.

    Attributes:
        controls: (T, nu) [as `control` says: N, N m, m, rad, ...]
        states: (T + 1, nx), the motion under them: (qpos, qvel, act) of all entities
        cost: of that motion
        history: an `Iteration` (number, cost, seconds, ...) for the first guess and each iteration
        reason: why it ended: "converged", "max_iterations", "time_limit", "callback", "interrupted" (Ctrl-C), or
            "no_progress" (no step lowers the cost any more, without the signs of a minimum)
        gains: (T, nu, ndx), feedback on deviations from the states ("ilqr", "gauss-newton"), else None
        feedforward: (T, nu), what the last backward pass would have added to the controls, else None
        lower, upper: (T, nu), bounds of the controls
        method, control, dt: how it was asked for, and the duration of a step [s]
    """

    def __init__(
        self,
        scene: Scene | None,
        system: System | None,
        *,
        controls: torch.Tensor,
        states: torch.Tensor,
        cost: float,
        history: list[Iteration],
        reason: str,
        method: str,
        control: str,
        dt: float,
        seconds: float,
        lower: torch.Tensor,
        upper: torch.Tensor,
        gains: torch.Tensor | None = None,
        feedforward: torch.Tensor | None = None,
        names: tuple[str, ...] = (),
    ) -> None:
        self._scene, self._system = scene, system
        self.controls, self.states, self.cost = controls, states, cost
        self.history, self.reason, self.seconds = history, reason, seconds
        self.method, self.control, self.dt = method, control, dt
        self.lower, self.upper, self.gains, self.feedforward = lower, upper, gains, feedforward
        self.names = names

    def __repr__(self) -> str:
        return (
            f"<OptimizedTrajectory: cost {self.cost:.6g} after {self.iterations} iterations of {self.method}, "
            f"{self.seconds:.2f} s, {self.reason}; {self.n_steps} steps>"
        )

    @property
    def n_steps(self) -> int:
        """T."""
        return len(self.controls)

    @property
    def iterations(self) -> int:
        """How many were made."""
        return max(len(self.history) - 1, 0)

    @property
    def converged(self) -> bool:
        """Whether the method's own criterion was met."""
        return self.reason == "converged"

    # -- use ----------------------------------------------------------------------------------------------------------

    @leaves_inference_mode
    def apply(self, scene: Scene | None = None) -> Trajectory:
        """Roll the scene out under the controls, from its present state, and return the trajectory.

        `scene`: the one that was optimised (None), or another with the same entities under the same names.
        """
        system = self._system_of(scene, "apply")
        controls: dict[Any, torch.Tensor] = {}
        first = 0
        for entity in system.entities:
            count = entity.n_controls if self.control == "actuators" else entity.n_dofs
            values = self.controls[:, first : first + count]
            controls[entity] = values.unsqueeze(1) if system.scene.n_envs == 1 else values
            first += count
        return system.scene.rollout(controls, control=self.control)

    @leaves_inference_mode
    def policy(self, t: int, x: Any = None) -> torch.Tensor:
        """Controls of step t under feedback: u_t + K_t (x - x_t), within the bounds.

        `x`: the state, (nx,) or (N, nx); None: the scene's present one. Without gains it is u_t.
        """
        system = self._system_of(None, "policy")
        if isinstance(t, bool) or not isinstance(t, int) or not 0 <= t < self.n_steps:
            raise GenesisException(f"policy: `t` is {t!r}; expected a step from 0 to {self.n_steps - 1}.")
        if x is None:
            x = system.state()[0]
        try:
            x = torch.as_tensor(x, dtype=self.states.dtype, device=self.states.device)
        except (TypeError, ValueError, RuntimeError):
            raise GenesisException(f"policy: `x` is {repr(x)[:60]}; expected a state of {system.nx} numbers.") from None
        x = ordinary(x.detach().as_subclass(torch.Tensor))
        if x.dim() not in (1, 2) or x.shape[-1] != system.nx:
            raise GenesisException(
                f"policy: `x` has shape {tuple(x.shape)}; expected ({system.nx},) or (N, {system.nx})."
            )
        if not bool(torch.isfinite(x).all()):
            raise GenesisException("policy: `x` holds NaN or infinite values; expected a finite state.")
        u = self.controls[t]
        if self.gains is not None:
            u = u + system.difference(self.states[t].expand_as(x), x) @ self.gains[t].T
        return u.clamp(self.lower[t], self.upper[t])

    @leaves_inference_mode
    def shifted(self, n: int = 1) -> OptimizedTrajectory:
        """What is left after n steps, the last controls held, as a warm start of the next optimisation."""
        if isinstance(n, bool) or not isinstance(n, int) or n < 0:
            raise GenesisException(f"shifted: `n` is {n!r}; expected a whole number from 0 on.")

        def later(values: torch.Tensor) -> torch.Tensor:
            return values[torch.arange(len(values), device=values.device).add(n).clamp(max=len(values) - 1)]

        shifted = copy.copy(self)
        shifted.controls, shifted.states = later(self.controls), later(self.states)
        shifted.gains = None if self.gains is None else later(self.gains)
        shifted.feedforward = None if self.feedforward is None else later(self.feedforward)
        shifted.history, shifted.seconds = [], 0.0
        return shifted

    def require_dt(self, dt: float, owner: str) -> None:
        """Raise GenesisException unless steps of this duration [s] are those of the plan."""
        if abs(dt - self.dt) > _SAME_DT * self.dt:
            raise GenesisException(
                f"{owner} is a plan with steps of {self.dt:.9g} s, and those of the scene take {dt:.9g} s; expected "
                "the same: its controls would act for another time. Plan anew, or set SimOptions(dt=...)."
            )

    def _system_of(self, scene: Scene | None, method: str) -> System:
        from genesis.scene import Scene as SceneType

        runtime.require_init()
        if scene is not None and not isinstance(scene, SceneType):
            raise GenesisException(f"{method}: `scene` is {scene!r}; expected a gs.Scene, or None.")
        if self._system is not None and scene in (None, self._scene):
            return self._system
        scene = self._scene if scene is None else scene
        if scene is None:
            raise GenesisException(
                f"{method}: this result was loaded without a scene; pass OptimizedTrajectory.load(path, scene=scene)."
            )
        world_of(scene, f"{method} (of a plan)")
        entities = [scene.get_entity(name) for name in self.names]
        system = System(scene, 1, self.control, entities)
        if (system.nu, system.nx) != (self.controls.shape[1], self.states.shape[1]):
            raise GenesisException(
                f"{method}: this scene has {system.nu} controls and states of {system.nx} numbers; expected "
                f"{self.controls.shape[1]} and {self.states.shape[1]}, as in the scene that was optimised."
            )
        self.require_dt(system.dt, f"{method}: this")
        if scene is self._scene:
            self._system = system
        return system

    # -- on disk and on paper -----------------------------------------------------------------------------------------

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write all of it to an .npz file, which plain NumPy reads."""
        result_file.write(vars(self), _path("save", path))

    @classmethod
    @leaves_inference_mode
    def load(cls, path: str | os.PathLike[str], scene: Scene | None = None) -> OptimizedTrajectory:
        """Read what `save` wrote; `scene`: for `apply` and `policy`.

        Raises GenesisException for a file that is damaged or holds something else, and a scene that it is not for.
        """
        found = cls(scene, None, **result_file.read(_path("load", path)))
        if scene is not None:
            found._system_of(scene, "load")
        return found

    def plot(self, path: str | os.PathLike[str]) -> None:
        """Draw cost, controls within their bounds, and the motion to a file (.png, .pdf, .svg)."""
        from genesis.tools.trajectory_optimization.plot import plot

        plot(self, _path("plot", path))


def _path(method: str, path: Any) -> str:
    if not isinstance(path, str | os.PathLike) or not os.fspath(path):
        raise GenesisException(f"{method}: `path` is {path!r}; expected the path of a file.")
    return os.fspath(path)
