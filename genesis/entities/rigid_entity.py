"""A robot, an object, or whatever else one `scene.add_entity` brought in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from genesis.entities.constraint_parameters import ConstraintParameters
from genesis.entities.control import Controller
from genesis.entities.indexing import fit, read_tensor, select_range
from genesis.entities.layout import DofLayout, dof_layout
from genesis.entities.parameters import PARAMETERS
from genesis.entities.reading import StateReader
from genesis.entities.rigid_geom import RigidGeom
from genesis.entities.rigid_joint import RigidJoint
from genesis.entities.rigid_link import RigidLink
from genesis.entities.writing import StateWriter
from genesis.errors import GenesisException

if TYPE_CHECKING:
    import mujoco

    from genesis.grad.tensor import Tensor
    from genesis.model.compose import EntityRange
    from genesis.scene import Scene


class RigidEntity(StateReader, StateWriter, Controller, ConstraintParameters):
    """A tree (or several) of links and joints. Made by `scene.add_entity`, to be used after `scene.build()`."""

    def __init__(self, scene: Scene, idx: int, name: str, morph: Any, material: Any, surface: Any) -> None:
        self._scene = scene
        self._idx = idx
        self._name = name
        self._morph = morph
        self._material = material
        self._surface = surface
        self._links: list[RigidLink] = []
        self._joints: list[RigidJoint] = []
        self._geoms: list[RigidGeom] = []
        self._dof_layout = DofLayout()

    def __repr__(self) -> str:
        found = self._range
        if found is None:
            return f"<RigidEntity '{self._name}', idx {self._idx}, not built>"
        return f"<RigidEntity '{self._name}', idx {self._idx}: {self.n_links} links, {self.n_dofs} dofs>"

    def _attach(self, place: EntityRange, mj_model: mujoco.MjModel) -> None:
        """Take the entity's place in the compiled model."""
        from mujoco import mjtGeom

        self._range = place
        first = place.link_start
        self._links = [
            RigidLink(self, name, k, int(mj_model.body_parentid[first + k]) - 1)
            for k, name in enumerate(place.link_names)
        ]
        self._joints = []
        for k, name in enumerate(place.joint_names):
            j = place.joint_start + k
            link = self._links[int(mj_model.jnt_bodyid[j]) - first]
            q, dof = int(mj_model.jnt_qposadr[j]), int(mj_model.jnt_dofadr[j])
            self._joints.append(RigidJoint(self, name, k, link, int(mj_model.jnt_type[j]), q, dof))
        self._geoms = []
        for k, name in enumerate(place.geom_names):
            g = place.geom_start + k
            kind = mjtGeom(int(mj_model.geom_type[g])).name.removeprefix("mjGEOM_").lower()
            self._geoms.append(RigidGeom(self, name, k, self._links[int(mj_model.geom_bodyid[g]) - first], kind))
        self._dof_layout = dof_layout(mj_model, place.joint_start, place.joint_end, place.joint_names)

    # -- what it is ---------------------------------------------------------------------------------------------------

    @property
    def idx(self) -> int:
        """Its number in `scene.entities`."""
        return self._idx

    @property
    def uid(self) -> int:
        """The same number: what tells it from the other entities of the scene."""
        return self._idx

    @property
    def morph(self) -> Any:
        """The morph that it was made from."""
        return self._morph

    @property
    def material(self) -> Any:
        """The material that it was given, or None."""
        return self._material

    @property
    def surface(self) -> Any:
        """The surface that it was given, or None."""
        return self._surface

    @property
    def is_built(self) -> bool:
        """Whether the scene has been built."""
        return self._range is not None

    @property
    def is_free(self) -> bool:
        """Whether its base link hangs on a free joint."""
        return self._built("is_free").is_free

    # -- parts --------------------------------------------------------------------------------------------------------

    @property
    def links(self) -> list[RigidLink]:
        """Its links, parents before children."""
        self._built("links")
        return list(self._links)

    @property
    def joints(self) -> list[RigidJoint]:
        """Its joints that move, in the order of their dofs."""
        self._built("joints")
        return list(self._joints)

    @property
    def geoms(self) -> list[RigidGeom]:
        """Its geoms."""
        self._built("geoms")
        return list(self._geoms)

    @property
    def actuator_names(self) -> tuple[str, ...]:
        """Names of the actuators that its model file defines."""
        return self._built("actuator_names").actuator_names

    @property
    def base_link(self) -> RigidLink:
        """Its first link, whose pose is the entity's."""
        return self.links[0]

    @property
    def base_joint(self) -> RigidJoint | None:
        """The first joint of its base link, or None for a fixed base."""
        joints = self.base_link.joints
        return joints[0] if joints else None

    @property
    def base_link_idx(self) -> int:
        """Number of its base link in the scene."""
        return self.link_start

    def get_link(self, name: str) -> RigidLink:
        """The link of that name; raises GenesisException, listing the names, if there is none."""
        return self._find("get_link", "link", self.links, name)

    def get_joint(self, name: str) -> RigidJoint:
        """The joint of that name; raises GenesisException, listing the names, if there is none."""
        return self._find("get_joint", "joint", self.joints, name)

    def _find(self, method: str, kind: str, parts: list[Any], name: str) -> Any:
        for part in parts:
            if isinstance(name, str) and part.name == name:
                return part
        known = ", ".join(repr(part.name) for part in parts) or "none"
        raise GenesisException(f"{self._owner(method)}: there is no {kind} {name!r}. Its {kind}s: {known}.")

    def _get_parameter_of_one(self, name: str, k: int, envs_idx: Any) -> Tensor:
        """A parameter of link `k` alone, without the axis of the links."""
        values = self._get_parameter(name, k, envs_idx)
        return self._scene._label(values.squeeze(-1 - len(PARAMETERS[name].item)))

    def _set_parameter_of_one(self, name: str, method: str, k: int, value: Any, envs_idx: Any) -> None:
        """Set a parameter of link `k` alone, its value without the axis of the links."""
        parameter = PARAMETERS[name]
        owner = self._owner(method)
        entity = self._built(method)
        envs = self._select_envs(method, envs_idx, unique=True)
        given = read_tensor(self._scene, value, parameter.name, owner)
        if parameter.name == "links_inertia" and given.shape[-2:] == (3, 3):
            given = given.unsqueeze(-3)
        else:
            given = fit(self._scene, given, envs, parameter.item, parameter.name, owner, scalar=not parameter.item)
            given = given.unsqueeze(-1 - len(parameter.item))
        self._scene._parameters.set(
            parameter,
            entity.link_start,
            select_range(self.n_links, k, 1),
            envs,
            given,
            owner,
            lambda _: self._element("links", k),
            source=value,
        )
