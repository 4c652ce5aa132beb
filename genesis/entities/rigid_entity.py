"""A robot, an object, or whatever else one `scene.add_entity` brought in."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from genesis.entities.attaching import attachment_of
from genesis.entities.control import Controller
from genesis.entities.entity_shapes import EntityShapes
from genesis.entities.files import write_urdf
from genesis.entities.keyframes import Keyframe, keyframe_of, names_of
from genesis.entities.kinematics import Kinematics
from genesis.entities.place import Place
from genesis.entities.reading import StateReader
from genesis.entities.rigid_geom import RigidGeom
from genesis.entities.rigid_joint import RigidJoint
from genesis.entities.rigid_link import RigidLink
from genesis.entities.special_accessors import SpecialAccessors
from genesis.entities.variants import variants_idx
from genesis.entities.writing import StateWriter
from genesis.errors import GenesisException

if TYPE_CHECKING:
    import torch

    from genesis import Scene
    from genesis.model.attachments import Attachment


@dataclass(frozen=True)
class _Parts:
    links: list[RigidLink]
    joints: list[RigidJoint]
    geoms: list[RigidGeom]


class RigidEntity(EntityShapes, StateReader, StateWriter, Controller, Kinematics, SpecialAccessors):
    """A tree (or several) of links and joints. Made by `scene.add_entity`, to be used after `scene.build()`.

    Attributes:
        is_kinematic: whether no physics acts on it (`gs.materials.Kinematic`)
    """

    is_kinematic = False

    def __init__(self, scene: Scene, idx: int, name: str, morph: Any, material: Any, surface: Any) -> None:
        self._scene = scene
        self._idx = idx
        self._name = name
        self._morph = morph
        self._material = material
        self._surface = surface
        self._parts: _Parts | None = None
        self._attachment: Attachment | None = None
        self._variants: tuple[Any, ...] = ()

    def __repr__(self) -> str:
        if not self._scene.is_built:
            return f"<{type(self).__name__} '{self._name}', idx {self._idx}, not built>"
        return f"<{type(self).__name__} '{self._name}', idx {self._idx}: {self.n_links} links, {self.n_dofs} dofs>"

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
    def morphs(self) -> tuple[Any, ...]:
        """The morphs of its variants; of an entity without variants, its morph alone."""
        return self._variants or (self._morph,)

    @property
    def variants(self) -> tuple[Any, ...]:
        """The morphs of its variants; empty without."""
        return self._variants

    def vary(self, morphs: tuple[Any, ...]) -> None:
        """Be of several variants; done by `scene.add_entity`."""
        self._variants = morphs if len(morphs) > 1 else ()

    @property
    def variants_idx(self) -> torch.Tensor:
        """Which of `morphs` each env has, ([n_envs],)."""
        place = self._built("variants_idx")
        return variants_idx(place, self._idx)

    @property
    def material(self) -> Any:
        """The material that it was given, or None."""
        return self._material

    @property
    def surface(self) -> Any:
        """The surface that it was given, or None."""
        return self._surface

    @property
    def is_attached(self) -> bool:
        """Whether its base link hangs on a link of another entity."""
        return self._attachment is not None

    @property
    def attachment(self) -> Attachment | None:
        """Where its base link hangs on another entity, or None."""
        return self._attachment

    def attach(
        self,
        parent_entity: RigidEntity,
        parent_link_name: str | None = None,
        pos: Any = None,
        quat: Any = None,
        *,
        base_link_name: str | None = None,
    ) -> None:
        """Let its base link hang on a link of another entity, before `build()`: both are one tree then.

        `parent_link_name`: the link, None: the other's last. `pos` [m] and `quat`: of the base link in that link's
        frame; without both, what morph and file say is meant in that frame. The base's own joints are taken away.
        `base_link_name`: what the base link is called, if that is to be made sure of.

        The other entity comes directly before this one in the scene (but for what hangs on it, too), and the link is on
        its last branch, as MuJoCo numbers a tree branch by branch; what is not so is refused by `build()`. Raises
        GenesisException after `build()`, for an entity that is attached already, or to itself, or of another scene.
        """
        self._attachment = attachment_of(self, parent_entity, parent_link_name, pos, quat, base_link_name)

    @property
    def is_built(self) -> bool:
        """Whether the scene has been built."""
        return self._scene.is_built

    @property
    def keyframe_names(self) -> list[str]:
        """The keyframes of its file; those without a name are "key0", ..."""
        return names_of(self._built("keyframe_names").world, self)

    def get_keyframe(self, name: str) -> Keyframe:
        """A keyframe of its file: `qpos`, `qvel`, `act` and `ctrl` in its own order; see `Keyframe`.

        `scene.reset(keyframe=name)` goes there. Raises GenesisException, listing those that there are, if there is none
        of that name.
        """
        place = self._built("get_keyframe")
        return keyframe_of(place.world, self, name, place.owner("get_keyframe"))

    @property
    def is_free(self) -> bool:
        """Whether its base link hangs on a free joint."""
        return self._built("is_free").ranges.is_free

    # -- parts --------------------------------------------------------------------------------------------------------

    @property
    def links(self) -> list[RigidLink]:
        """Its links, parents before children."""
        return list(self._made("links").links)

    @property
    def joints(self) -> list[RigidJoint]:
        """Its joints that move, in the order of their dofs."""
        return list(self._made("joints").joints)

    @property
    def geoms(self) -> list[RigidGeom]:
        """Its geoms."""
        return list(self._made("geoms").geoms)

    @property
    def actuator_names(self) -> tuple[str, ...]:
        """Names of the actuators that its model file defines."""
        return self._built("actuator_names").ranges.actuator_names

    @property
    def site_names(self) -> tuple[str, ...]:
        """Names of the sites that its model file defines."""
        return self._built("site_names").ranges.site_names

    @property
    def control_names(self) -> tuple[str, ...]:
        """Names of the controls of its actuators, in the order of `control_actuators`.

        An actuator's only control has the name of the actuator; one of several is called "elbow.pos", as its input.
        """
        return self._built("control_names").ranges.control_names

    @property
    def tendon_names(self) -> tuple[str, ...]:
        """Names of the tendons that its model file defines."""
        return self._built("tendon_names").ranges.tendon_names

    @property
    def equality_names(self) -> tuple[str, ...]:
        """Names of the equality constraints that its model file defines."""
        return self._built("equality_names").ranges.equality_names

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

    # -- to a file ----------------------------------------------------------------------------------------------------

    def to_urdf(self, path: str | os.PathLike[str], env: int | None = None, lossy: bool = False) -> None:
        """Write it as a URDF file, with the parameters in force; meshes go into the folder `<name>_meshes` beside it.

        Links with masses and inertias, fixed, hinge, slide and free joints with limits, force ranges, damping and dry
        friction, joints that follow others (<mimic>), and shapes. A fixed base, and several trees, hang on a root link
        "world", which stands where the entity does. `env`: whose parameters, where those of the envs differ.

        No part of a URDF, and not written: gains of commands, which links may touch each other, sites, cameras, lights,
        sensors, keyframes, and where a free base stands. `velocity` of limits, which URDF requires, is 100.

        Raises GenesisException, naming the parts, for what URDF cannot say (ball joints, several joints of a link,
        tendons, actuators, springs, armature, other equality constraints, contact parameters, ...); with `lossy=True`
        it is left out, with a warning (a link with such a joint is fixed, or keeps the last of several). Also for an
        env that there is not, parameters that differ without `env`, and a path that cannot be written.
        """
        place = self._built("to_urdf")
        if self._variants:
            raise GenesisException(
                f"{self._name}.to_urdf: it has {len(self._variants)} variants, which is more than one model. Build a "
                "scene with the one that is meant."
            )
        write_urdf(place, self._morph, path, env, lossy)

    def _find(self, method: str, kind: str, parts: list[Any], name: str) -> Any:
        for part in parts:
            if isinstance(name, str) and part.name == name:
                return part
        known = ", ".join(repr(part.name) for part in parts) or "none"
        hint = _merged_into(self._morph, name) if kind == "link" else ""
        raise GenesisException(f"{self._name}.{method}: there is no {kind} {name!r}.{hint} Its {kind}s: {known}.")

    def _made(self, asked_for: str) -> _Parts:
        place = self._built(asked_for)
        if self._parts is None:
            self._parts = _make_parts(self, place)
        return self._parts


def _make_parts(entity: RigidEntity, place: Place) -> _Parts:
    """Handles of an entity's links, joints and geoms, by `idx_local`."""
    ranges, world = place.ranges, place.world
    model = world.composed.mj_model
    links = [
        RigidLink(entity, place, name, k, int(model.body_parentid[ranges.link_start + k]) - 1)
        for k, name in enumerate(ranges.link_names)
    ]
    joints = []
    for k, name in enumerate(ranges.joint_names):
        joint = ranges.joint_start + k
        link = links[int(model.jnt_bodyid[joint]) - ranges.link_start]
        q, dof = int(model.jnt_qposadr[joint]), int(model.jnt_dofadr[joint])
        joints.append(RigidJoint(entity, place, name, k, link, int(model.jnt_type[joint]), q, dof))
    geoms = []
    for k, name in enumerate(ranges.geom_names):
        geom = ranges.geom_start + k
        link = links[int(model.geom_bodyid[geom]) - ranges.link_start]
        geoms.append(RigidGeom(entity, place, name, k, link, world.geom_type(geom)))
    return _Parts(links, joints, geoms)


def _merged_into(morph: Any, name: Any) -> str:
    """What became of a link that `merge_fixed_links` has merged, for an error."""
    if not getattr(morph, "merge_fixed_links", False):
        return ""
    from genesis.model.urdf import merged_links  # MuJoCo comes along

    target = merged_links(morph.file, morph.kept_links).get(name)
    if target is None:
        return ""
    return f" It was merged into {target!r} (merge_fixed_links=True); links_to_keep=({name!r},) keeps it."
