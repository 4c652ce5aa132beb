"""All entities of a scene as one: parameters, controls and forces by the scene's numbers, for `scene.rigid_solver`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from genesis import runtime
from genesis.entities import access
from genesis.entities.control import Controller
from genesis.entities.place import Place, world_of
from genesis.entities.reading import StateReader
from genesis.entities.special_accessors import SpecialAccessors
from genesis.world.arguments import Selection, fit, read_tensor, select, select_envs, select_range
from genesis.world.catalogue import CONSTRAINT_PARAMETERS
from genesis.world.layout import dof_layout

if TYPE_CHECKING:
    from genesis import Scene
    from genesis.grad.tensor import Tensor
    from genesis.world.world import World

_NAME = "rigid_solver"
_FRICTION = CONSTRAINT_PARAMETERS["friction"]


class ScenePlace(Place):
    """The place of all entities together; its parts are called "entity/part"."""

    def __init__(self, world: World) -> None:
        entities = world.composed.entities
        super().__init__(world, 0)
        kinds = [one.name.removesuffix("_names") for one in fields(entities[0]) if one.name.endswith("_names")]
        changed: dict[str, Any] = {
            f"{kind}_names": tuple(f"{e.name}/{name}" for e in entities for name in getattr(e, f"{kind}_names"))
            for kind in kinds
        }
        changed |= {
            one.name: getattr(entities[-1], one.name) for one in fields(entities[0]) if one.name.endswith("_end")
        }
        self.ranges, self.name = replace(entities[0], name=_NAME, **changed), _NAME
        ranges, model = self.ranges, world.composed.mj_model
        self.layout = dof_layout(model, ranges.joint_start, ranges.joint_end, ranges.joint_names)
        for axis, start in self.starts.items():
            kind = f"{axis[:-3]}y" if axis.endswith("ies") else axis[:-1]
            self.counts[axis] = int(getattr(ranges, f"{kind}_end")) - start
        self.has_one_control_each = bool((model.actuator_ctrlnum == 1).all())

    def select(self, method: str, axis: str, idx: Any, *, unique: bool) -> Selection:
        """Resolve the argument `<axis>_idx`; None means all."""
        n = self.counts[axis]
        if idx is None:
            return select_range(n, 0, n)
        return select(idx, n, f"{axis}_idx", self.owner(method), unique=unique)


class _Everything(StateReader, Controller, SpecialAccessors):
    """What an entity can be asked and told, of all entities."""

    def __init__(self, scene: Scene) -> None:
        self._scene, self._name = scene, _NAME

    def _built(self, asked_for: str) -> Place:
        if self._place is None:
            self._place = ScenePlace(world_of(self._scene, f"{_NAME}.{asked_for}"))
        return self._place


class SceneWide:
    """Parameters, controls and forces of all entities by the scene's numbers, `links_idx`, `dofs_idx`, `geoms_idx`.

    Each method is the entity's of the same name, whose arguments have the same order and shapes; what an error says of
    a link or joint begins with the entity's name.
    """

    _scene: Scene
    _of_all: _Everything | None = None

    def _everything(self) -> _Everything:
        if self._of_all is None:
            self._of_all = _Everything(self._scene)
        return self._of_all

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


_LOCAL = {f"{axis}_idx": f"{axis}_idx_local" for axis in ("links", "dofs", "geoms", "qs")}


def _by_numbers(name: str, of: str) -> Callable[..., Any]:
    def method(self: SceneWide, *values: Any, **arguments: Any) -> Any:
        arguments = {_LOCAL.get(key, key): value for key, value in arguments.items()}
        return getattr(self._everything(), of)(*values, **arguments)

    method.__name__, method.__qualname__ = name, f"SceneWide.{name}"
    method.__doc__ = f"`RigidEntity.{of}` of all entities, by the scene's numbers."
    return method


_WRITTEN = (
    *("links_mass", "links_COM", "links_inertia", "links_invweight", "dofs_kp", "dofs_kv", "dofs_stiffness"),
    *("dofs_damping", "dofs_armature", "dofs_frictionloss", "dofs_force_range", "dofs_limit", "dofs_invweight"),
)
_OTHERS = (
    *("control_dofs_force", "control_dofs_position", "control_dofs_velocity", "control_dofs_position_velocity"),
    *("apply_links_external_wrench", "get_dofs_control_force", "get_dofs_force", "get_mass_mat"),
    *("get_kinetic_energy", "get_potential_energy"),
)
# Names that older versions of Genesis have.
_OLDER = {
    "set_links_mass_shift": "set_mass_shift",
    "set_links_COM_shift": "set_COM_shift",
    "set_links_inertial_mass": "set_links_mass",
    "get_links_inertial_mass": "get_links_mass",
}
_ALL = {f"{verb}_{name}": f"{verb}_{name}" for verb in ("set", "get") for name in _WRITTEN}
_ALL |= {name: name for name in _OTHERS} | _OLDER
for _name, _of in _ALL.items():
    if hasattr(_Everything, _of):
        setattr(SceneWide, _name, _by_numbers(_name, _of))
