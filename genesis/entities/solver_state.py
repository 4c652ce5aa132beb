"""State, commands and parameters of the whole scene, by scene numbers: the methods of Genesis's rigid solver.

Each is the method of an entity, of an entity that has every link, joint and geom of the scene.
"""

from __future__ import annotations

import functools
import inspect
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from genesis.entities import bounds
from genesis.entities.control import Controller
from genesis.entities.joint_names import joint_places
from genesis.entities.place import Place, world_of
from genesis.entities.reading import StateReader, check_relative
from genesis.entities.special_accessors import SpecialAccessors
from genesis.entities.writing import StateWriter
from genesis.errors import GenesisException
from genesis.world.arguments import Selection, fit, read_flag, read_tensor, require_finite, select, select_range
from genesis.world.layout import dof_layout

if TYPE_CHECKING:
    from genesis import Scene
    from genesis.entities import RigidVisGeom
    from genesis.entities.simulator import Simulator
    from genesis.grad.tensor import Tensor
    from genesis.world.world import World


class _WholePlace(Place):
    """The place of everything: ranges from the scene's first part to its last."""

    def __init__(self, world: World) -> None:
        from genesis.model.compose import EntityRange  # only here: MuJoCo comes along

        m, parts = world.composed.mj_model, world.composed.entities
        names = {
            f"{kind}_names": tuple(f"{part.name}/{name}" for part in parts for name in getattr(part, f"{kind}_names"))
            for kind in ("link", "joint", "geom", "actuator", "site", "control", "tendon", "equality")
        }
        ends = {
            "link": int(m.nbody),
            "joint": int(m.njnt),
            "q": int(m.nq),
            "dof": int(m.nv),
            "geom": int(m.ngeom),
            **{kind: max((getattr(part, f"{kind}_end") for part in parts), default=0) for kind in _OTHERS},
        }
        numbers: dict[str, Any] = {f"{kind}_start": 1 if kind == "link" else 0 for kind in ends}
        numbers |= {f"{kind}_end": end for kind, end in ends.items()} | names
        ranges = EntityRange(name="rigid_solver", is_free=False, **numbers)
        self.take(world, ranges, dof_layout(m, 0, int(m.njnt), ranges.joint_names))

    def select(self, method: str, axis: str, idx: Any, *, unique: bool) -> Selection:
        """Resolve the argument `<axis>_idx`; None means all."""
        n = self.counts[axis]
        return (
            select_range(n, 0, n) if idx is None else select(idx, n, f"{axis}_idx", self.owner(method), unique=unique)
        )


_OTHERS = ("actuator", "control", "act", "site", "tendon", "equality")


class _Whole(StateReader, StateWriter, Controller, SpecialAccessors):
    """An entity that has everything; of its methods, those that the solver passes on."""

    def __init__(self, scene: Scene) -> None:
        self._scene, self._name, self._idx = scene, "rigid_solver", -1

    def get_place(self, asked_for: str) -> Place:
        """Its place; raises GenesisException before `scene.build()`."""
        return self._built(asked_for)

    def _built(self, asked_for: str) -> Place:
        world = world_of(self._scene, f"rigid_solver.{asked_for}")
        if self._place is None or self._place.world is not world:
            self._place = _WholePlace(world)
        return self._place


def passed_on(name: str, as_name: str | None = None, **defaults: Any) -> Any:
    """A method of the solver that is the entity's of that name, with scene numbers: `dofs_idx` for `dofs_idx_local`.

    `as_name`: what it is called here; `defaults`: of arguments whose default is another one here.
    """
    original = getattr(_Whole, name)
    signature = inspect.signature(original)
    local = {key.removesuffix("_local"): key for key in signature.parameters if key.endswith("_idx_local")}
    renamed = [
        p.replace(name=key.removesuffix("_local"), default=defaults.get(key, p.default))
        for key, p in signature.parameters.items()
    ]
    place_of = {key: k - 1 for k, key in enumerate(signature.parameters)}

    def method(self: SolverState, *args: Any, **kwargs: Any) -> Any:
        given = {local.get(key, key): value for key, value in kwargs.items()}
        given = {key: value for key, value in defaults.items() if len(args) <= place_of[key]} | given
        return getattr(self.whole, name)(*args, **given)

    functools.update_wrapper(method, original)
    del method.__wrapped__  # type: ignore[attr-defined]
    method.__name__ = as_name or name
    method.__qualname__ = f"RigidSolver.{method.__name__}"
    method.__signature__ = signature.replace(parameters=renamed)  # type: ignore[attr-defined]
    method.__doc__ = f"{(original.__doc__ or '').replace('_idx_local', '_idx')}\n\n        Of the whole scene."
    return method


class SolverState:
    """What the solver has of its entities' methods. `*_idx` are numbers in the scene; None: all."""

    _scene: Scene

    @functools.cached_property
    def whole(self) -> _Whole:
        """What the methods are passed on to."""
        return _Whole(self._scene)

    get_links_pos = passed_on("get_links_pos")
    get_links_quat = passed_on("get_links_quat")
    get_links_vel = passed_on("get_links_vel")
    get_links_ang = passed_on("get_links_ang")
    get_links_acc = passed_on("get_links_acc")
    get_links_acc_ang = passed_on("get_links_acc_ang")
    get_qpos = passed_on("get_qpos")
    get_dofs_position = passed_on("get_dofs_position")
    get_dofs_velocity = passed_on("get_dofs_velocity")
    get_dofs_force = passed_on("get_dofs_force")
    get_dofs_control_force = passed_on("get_dofs_control_force")
    get_mass_mat = passed_on("get_mass_mat")
    get_kinetic_energy = passed_on("get_kinetic_energy")
    get_potential_energy = passed_on("get_potential_energy")
    set_qpos = passed_on("set_qpos", zero_velocity=False)
    set_dofs_position = passed_on("set_dofs_position", zero_velocity=False)
    set_dofs_velocity = passed_on("set_dofs_velocity")
    control_dofs_force = passed_on("control_dofs_force")
    control_dofs_position = passed_on("control_dofs_position")
    control_dofs_velocity = passed_on("control_dofs_velocity")
    control_dofs_position_velocity = passed_on("control_dofs_position_velocity")
    get_dofs_limit = passed_on("get_dofs_limit")
    set_dofs_limit = passed_on("set_dofs_limit")
    get_dofs_kp = passed_on("get_dofs_kp")
    set_dofs_kp = passed_on("set_dofs_kp")
    get_dofs_kv = passed_on("get_dofs_kv")
    set_dofs_kv = passed_on("set_dofs_kv")
    get_dofs_force_range = passed_on("get_dofs_force_range")
    set_dofs_force_range = passed_on("set_dofs_force_range")
    get_dofs_stiffness = passed_on("get_dofs_stiffness")
    set_dofs_stiffness = passed_on("set_dofs_stiffness")
    get_dofs_damping = passed_on("get_dofs_damping")
    set_dofs_damping = passed_on("set_dofs_damping")
    get_dofs_armature = passed_on("get_dofs_armature")
    set_dofs_armature = passed_on("set_dofs_armature")
    get_dofs_frictionloss = passed_on("get_dofs_frictionloss")
    set_dofs_frictionloss = passed_on("set_dofs_frictionloss")
    get_dofs_invweight = passed_on("get_dofs_invweight")
    get_links_mass = passed_on("get_links_mass")
    set_links_mass = passed_on("set_links_mass")
    get_links_COM = passed_on("get_links_COM")
    set_links_COM = passed_on("set_links_COM")
    get_links_inertia = passed_on("get_links_inertia")
    set_links_inertia = passed_on("set_links_inertia")
    get_links_invweight = passed_on("get_links_invweight")

    # -- base links ---------------------------------------------------------------------------------------------------

    def set_base_links_pos(
        self,
        pos: Any,
        links_idx: Any = None,
        envs_idx: Any = None,
        *,
        relative: bool = False,
        skip_forward: bool = False,
    ) -> None:
        """Positions of base links [m], world frame, ([n_envs,] n_links, 3), with gradient; velocities stay.

        `links_idx`: which; None: those of all entities. See `RigidEntity.set_pos`. Raises GenesisException, too, for a
        link that is no entity's base.
        """
        self._set_bases("set_base_links_pos", "pos", pos, 3, links_idx, envs_idx, (relative, skip_forward))

    def set_base_links_quat(
        self,
        quat: Any,
        links_idx: Any = None,
        envs_idx: Any = None,
        *,
        relative: bool = False,
        skip_forward: bool = False,
    ) -> None:
        """Orientations of base links (w, x, y, z), world frame, ([n_envs,] n_links, 4); as `set_base_links_pos`."""
        self._set_bases("set_base_links_quat", "quat", quat, 4, links_idx, envs_idx, (relative, skip_forward))

    def _set_bases(
        self, method: str, argument: str, given: Any, count: int, links_idx: Any, envs_idx: Any, flags: tuple[Any, Any]
    ) -> None:
        place = self.whole.get_place(method)
        owner, world = place.owner(method), place.world
        for name, flag in zip(("relative", "skip_forward"), flags, strict=True):
            read_flag(flag, name, owner)
        bases = {entity.base_link_idx: entity for entity in self._scene.entities}
        links = list(bases) if links_idx is None else place.select(method, "links", links_idx, unique=True).positions()
        for link in links:
            if int(link) not in bases:
                raise GenesisException(f"{owner}: link {int(link)} is no entity's base link; those are {list(bases)}.")
        envs = place.select_envs(method, envs_idx, unique=True)
        value = fit(
            world, read_tensor(world, given, argument, owner), envs, (len(links), count), argument, owner, scalar=False
        )
        require_finite(value, argument, owner)
        if argument == "quat" and bool((torch.linalg.vector_norm(value.detach(), dim=-1) == 0).any()):
            raise GenesisException(f"{owner}: `quat` has a quaternion of length zero; the identity is (1, 0, 0, 0).")
        for k, link in enumerate(links):
            setter = getattr(bases[int(link)], f"set_{argument}")
            setter(value[..., k, :], envs_idx, zero_velocity=False)

    # -- shapes -------------------------------------------------------------------------------------------------------

    @property
    def vgeoms(self) -> list[RigidVisGeom]:
        """All geoms that are drawn, by `idx`."""
        return [geom for entity in self._scene.entities for geom in entity.vgeoms]

    def get_geoms_pos(self, geoms_idx: Any = None, envs_idx: Any = None, *, relative: bool = False) -> Tensor:
        """Positions of geoms [m], world frame, ([n_envs,] n_geoms, 3)."""
        return self._frames("get_geoms_pos", 0, geoms_idx, envs_idx, relative)

    def get_geoms_quat(self, geoms_idx: Any = None, envs_idx: Any = None, *, relative: bool = False) -> Tensor:
        """Orientations of geoms (w, x, y, z), unit, world frame, ([n_envs,] n_geoms, 4)."""
        return self._frames("get_geoms_quat", 1, geoms_idx, envs_idx, relative)

    def get_vgeoms_pos(self, vgeoms_idx: Any = None, envs_idx: Any = None, *, relative: bool = False) -> Tensor:
        """Positions of geoms that are drawn [m], world frame, ([n_envs,] n_vgeoms, 3)."""
        return self._frames("get_vgeoms_pos", 0, self._drawn("get_vgeoms_pos", vgeoms_idx), envs_idx, relative)

    def get_vgeoms_quat(self, vgeoms_idx: Any = None, envs_idx: Any = None, *, relative: bool = False) -> Tensor:
        """Orientations of geoms that are drawn (w, x, y, z), unit, world frame, ([n_envs,] n_vgeoms, 4)."""
        return self._frames("get_vgeoms_quat", 1, self._drawn("get_vgeoms_quat", vgeoms_idx), envs_idx, relative)

    def _frames(self, method: str, which: int, geoms_idx: Any, envs_idx: Any, relative: Any) -> Tensor:
        place = self.whole.get_place(method)
        check_relative(place, method, relative)
        chosen = place.select(method, "geoms", geoms_idx, unique=False).positions()
        envs = place.select_envs(method, envs_idx, unique=False)
        return place.world.wrap(bounds.frames(place.world, list(chosen), envs)[which])

    def _drawn(self, method: str, vgeoms_idx: Any) -> np.ndarray:
        drawn = np.array([geom.geom.idx for geom in self.vgeoms], dtype=np.int64)
        owner = self.whole.get_place(method).owner(method)
        return (
            drawn
            if vgeoms_idx is None
            else drawn[select(vgeoms_idx, len(drawn), "vgeoms_idx", owner, unique=False).positions()]
        )

    def get_AABB(self, entities_idx: Any = None, envs_idx: Any = None) -> Tensor:
        """Least and greatest coordinates of entities [m], world frame, ([n_envs,] n_entities, 2, 3).

        See `RigidEntity.get_AABB`. Raises GenesisException for an entity of which nothing is solid.
        """
        place = self.whole.get_place("get_AABB")
        entities, owner = self._scene.entities, place.owner("get_AABB")
        chosen = select(entities_idx, len(entities), "entities_idx", owner, unique=False).positions()
        return torch.stack([entities[int(k)].get_AABB(envs_idx) for k in chosen], -3)  # type: ignore[return-value]

    # -- joints -------------------------------------------------------------------------------------------------------

    def get_joints_anchor_pos(self, joints_idx: Any = None, envs_idx: Any = None) -> Tensor:
        """Anchors of joints [m], world frame, ([n_envs,] n_joints, 3); MuJoCo's xanchor."""
        return self._joints("get_joints_anchor_pos", 0, joints_idx, envs_idx)

    def get_joints_anchor_axis(self, joints_idx: Any = None, envs_idx: Any = None) -> Tensor:
        """Axes of joints, unit, world frame, ([n_envs,] n_joints, 3); MuJoCo's xaxis."""
        return self._joints("get_joints_anchor_axis", 1, joints_idx, envs_idx)

    def _joints(self, method: str, which: int, joints_idx: Any, envs_idx: Any) -> Tensor:
        place = self.whole.get_place(method)
        chosen = place.select(method, "joints", joints_idx, unique=False)
        return joint_places(place, method, which, chosen, envs_idx)

    # -- counts and small names ---------------------------------------------------------------------------------------

    @property
    def scene(self) -> Scene:
        """The scene."""
        return self._scene

    @property
    def sim(self) -> Simulator:
        """`scene.sim`."""
        return self._scene.sim

    @property
    def is_built(self) -> bool:
        """Whether the scene has been built."""
        return self._scene.is_built

    @property
    def is_active(self) -> bool:
        """Whether there is any entity."""
        return bool(self._scene.entities)

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
    def init_qpos(self) -> np.ndarray:
        """qpos at build [m, rad], (n_qs,)."""
        return np.array(self._scene.mj_model.qpos0)

    @property
    def n_equalities(self) -> int:
        """Number of equality constraints that the model files define."""
        return self.whole.n_equalities

    @property
    def n_vgeoms(self) -> int:
        """How many geoms are drawn."""
        return len(self.vgeoms)

    @property
    def n_verts(self) -> int:
        """How many vertices the solid geoms have."""
        return sum(entity.n_verts for entity in self._scene.entities)

    @property
    def n_faces(self) -> int:
        """How many triangles they have."""
        return sum(entity.n_faces for entity in self._scene.entities)

    @property
    def n_edges(self) -> int:
        """How many edges these have."""
        return sum(entity.n_edges for entity in self._scene.entities)

    @property
    def n_vverts(self) -> int:
        """How many vertices the geoms that are drawn have."""
        return sum(entity.n_vverts for entity in self._scene.entities)

    @property
    def n_vfaces(self) -> int:
        """How many triangles they have."""
        return sum(entity.n_vfaces for entity in self._scene.entities)

    def set_gravity(self, gravity: Any, envs_idx: Any = None) -> None:
        """`scene.set_gravity`."""
        self._scene.set_gravity(gravity, envs_idx)

    def get_gravity(self, envs_idx: Any = None) -> Tensor:
        """`scene.get_gravity`."""
        return self._scene.get_gravity(envs_idx)
