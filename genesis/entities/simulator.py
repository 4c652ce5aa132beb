"""The scene under the names that Genesis's simulator has: `scene.sim`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from genesis import runtime
from genesis.world.arguments import select_envs

if TYPE_CHECKING:
    from genesis import Scene
    from genesis.entities import RigidEntity, RigidSolver
    from genesis.grad.tensor import Tensor
    from genesis.options import SimOptions
    from genesis.states import SimState


class Simulator:
    """Clock, entities and solvers of a scene."""

    def __init__(self, scene: Scene) -> None:
        self._scene = scene

    def __repr__(self) -> str:
        return f"<Simulator of {self._scene!r}>"

    @property
    def scene(self) -> Scene:
        """The scene."""
        return self._scene

    @property
    def options(self) -> SimOptions:
        """`scene.sim_options`."""
        return self._scene.sim_options

    @property
    def requires_grad(self) -> bool:
        """Whether gradients are recorded."""
        return self._scene.requires_grad

    @property
    def n_envs(self) -> int:
        """Number of envs; 0 when built without."""
        return self._scene.n_envs

    # -- parts --------------------------------------------------------------------------------------------------------

    @property
    def entities(self) -> list[RigidEntity]:
        """The entities."""
        return self._scene.entities

    @property
    def n_entities(self) -> int:
        """How many they are."""
        return len(self._scene.entities)

    @property
    def rigid_solver(self) -> RigidSolver:
        """All rigid bodies as a whole."""
        return self._scene.rigid_solver

    @property
    def solvers(self) -> list[RigidSolver]:
        """The solvers: the rigid solver."""
        return self._scene.solvers

    @property
    def active_solvers(self) -> list[RigidSolver]:
        """The same."""
        return self._scene.solvers

    # -- time ---------------------------------------------------------------------------------------------------------

    @property
    def dt(self) -> float:
        """Duration of a step [s]."""
        return self._scene.dt

    @property
    def substeps(self) -> int:
        """Integration steps per step."""
        return self._scene.substeps

    @property
    def substep_dt(self) -> float:
        """Duration of an integration step [s]."""
        return self._scene.dt / self._scene.substeps

    @property
    def cur_step_global(self) -> int:
        """Steps made since build, or since all envs were reset."""
        return self._scene.cur_step

    @property
    def cur_substep_global(self) -> int:
        """Integration steps made since then."""
        return self._scene.cur_step * self._scene.substeps

    @property
    def cur_t(self) -> float:
        """Simulated time since then [s]."""
        return self._scene.t

    @property
    def steps(self) -> torch.Tensor:
        """`cur_step_global` of each env, (n_envs or 1,)."""
        count = max(self._scene.n_envs, 1)
        return torch.full((count,), self._scene.cur_step, dtype=runtime.tc_int, device=runtime.device)

    def get_time(self, envs_idx: Any = None) -> Tensor:
        """Simulated time of each env [s], ([n_envs]): `cur_t`. Resets of single envs do not set it back."""
        world = self._scene.world
        envs = select_envs(world, envs_idx, "scene.sim.get_time", unique=False)
        count = world.n_worlds if envs is None else envs.count
        return world.wrap(torch.full((count,), self.cur_t, dtype=runtime.tc_float, device=runtime.device))

    # -- what the scene does ------------------------------------------------------------------------------------------

    @property
    def gravity(self) -> tuple[float, float, float]:
        """The acceleration of gravity of `SimOptions` [m/s^2]; `scene.get_gravity()` is the one in force."""
        x, y, z = self._scene.sim_options.gravity
        return float(x), float(y), float(z)

    def set_gravity(self, gravity: Any, envs_idx: Any = None) -> None:
        """`scene.set_gravity`."""
        self._scene.set_gravity(gravity, envs_idx)

    def get_state(self) -> SimState:
        """`scene.get_state`."""
        return self._scene.get_state()

    def step(self) -> None:
        """`scene.step`."""
        self._scene.step()

    def reset(self, state: SimState | None = None, envs_idx: Any = None) -> None:
        """`scene.reset`."""
        self._scene.reset(state, envs_idx)
