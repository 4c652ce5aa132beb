"""Parameters, forces and errors of all entities by the scene's numbers, for `scene.rigid_solver`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from genesis import runtime
from genesis.entities import access
from genesis.entities.place import world_of
from genesis.entities.solver_state import SolverState, passed_on
from genesis.world.arguments import fit, read_tensor, select, select_envs
from genesis.world.catalogue import CONSTRAINT_PARAMETERS

if TYPE_CHECKING:
    from genesis.grad.tensor import Tensor
    from genesis.world.world import World

_NAME = "rigid_solver"
_FRICTION = CONSTRAINT_PARAMETERS["friction"]


class SceneWide(SolverState):
    """Parameters, controls and forces of all entities by the scene's numbers, `links_idx`, `dofs_idx`, `geoms_idx`.

    Each method is the entity's of the same name, whose arguments have the same order and shapes; what an error says of
    a link or joint begins with the entity's name.
    """

    apply_links_external_wrench = passed_on("apply_links_external_wrench")
    set_dofs_invweight = passed_on("set_dofs_invweight")
    set_links_invweight = passed_on("set_links_invweight")
    # Names that older versions of Genesis have.
    set_links_mass_shift = passed_on("set_mass_shift", "set_links_mass_shift")
    set_links_COM_shift = passed_on("set_COM_shift", "set_links_COM_shift")
    set_links_inertial_mass = passed_on("set_links_mass", "set_links_inertial_mass")
    get_links_inertial_mass = passed_on("get_links_mass", "get_links_inertial_mass")

    def get_error_envs_mask(self) -> torch.Tensor:
        """Which envs have failed, (n_envs or 1,) bool: none, since a step that fails raises GenesisException."""
        world = world_of(self._scene, f"{_NAME}.get_error_envs_mask")
        return torch.zeros(world.n_worlds, dtype=torch.bool, device=runtime.device)

    def clear_external_force(self) -> None:
        """Take back the external forces and torques, and the thrusts of propellers, that wait for the next step."""
        world_of(self._scene, f"{_NAME}.clear_external_force").commands.end_step()

    def set_geoms_friction_ratio(self, friction_ratio: Any, geoms_idx: Any = None, envs_idx: Any = None) -> None:
        """Sliding friction of geoms as a multiple of the model's own, ([n_envs,] n_geoms).

        Without `geoms_idx`: of those that can touch something, `geom.can_touch`. Raises GenesisException for others.
        """
        owner = f"{_NAME}.set_geoms_friction_ratio"
        world = world_of(self._scene, owner)
        geoms = _geoms(world, geoms_idx, owner, unique=True)
        envs = select_envs(world, envs_idx, owner, unique=True)
        ratio = read_tensor(world, friction_ratio, "friction_ratio", owner)
        ratio = fit(world, ratio, envs, (len(geoms),), "friction_ratio", owner)
        own = world.composed.mj_model.geom_friction[geoms, 0]
        every = np.arange(len(geoms))
        access.write_geoms(world, _FRICTION, geoms, envs, ratio, owner, friction_ratio, picked=every, factor=own)

    def get_geoms_friction_ratio(self, geoms_idx: Any = None, envs_idx: Any = None) -> Tensor:
        """Sliding friction of geoms as a multiple of the model's own, ([n_envs,] n_geoms)."""
        owner = f"{_NAME}.get_geoms_friction_ratio"
        world = world_of(self._scene, owner)
        geoms = _geoms(world, geoms_idx, owner, unique=False)
        envs = select_envs(world, envs_idx, owner, unique=False)
        own = torch.as_tensor(world.composed.mj_model.geom_friction[geoms, 0], dtype=runtime.tc_float)
        return world.label(access.read_numbers(world, _FRICTION, geoms, envs) / own.to(runtime.device))

    def set_geom_friction(self, friction: Any, geoms_idx: Any) -> None:
        """Sliding friction of geoms, by their numbers; `set_geoms_friction` under Genesis's name."""
        self.set_geoms_friction(friction, geoms_idx)  # type: ignore[attr-defined]


def _geoms(world: World, geoms_idx: Any, owner: str, *, unique: bool) -> np.ndarray:
    if geoms_idx is None:
        return np.flatnonzero(world.model.cgeom_of_geom >= 0)
    return select(geoms_idx, int(world.composed.mj_model.ngeom), "geoms_idx", owner, unique=unique).positions()
