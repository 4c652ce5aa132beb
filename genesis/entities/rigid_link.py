"""A link of an entity: a rigid body with a frame."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from genesis.entities.indexing import fit, read_tensor, select
from genesis.entities.parameters import CONSTRAINT_PARAMETERS
from genesis.entities.part import EntityPart
from genesis.errors import GenesisException

if TYPE_CHECKING:
    from genesis.entities.rigid_entity import RigidEntity
    from genesis.entities.rigid_geom import RigidGeom
    from genesis.entities.rigid_joint import RigidJoint
    from genesis.grad.tensor import Tensor


class RigidLink(EntityPart):
    """A rigid body. `idx` is its number in the scene (MuJoCo's body `idx + 1`), `idx_local` that in the entity."""

    _first = "link_start"

    def __init__(self, entity: RigidEntity, name: str, idx_local: int, parent_idx: int) -> None:
        super().__init__(entity, name, idx_local)
        self._parent_idx = parent_idx

    @property
    def parent_idx(self) -> int:
        """Scene number of the link that it sits on; -1 for the world."""
        return self._parent_idx

    @property
    def parent_idx_local(self) -> int:
        """Number, in the entity, of the link that it sits on; -1 for the world."""
        return -1 if self._parent_idx < 0 else self._parent_idx - self._entity.link_start

    @property
    def child_idxs(self) -> list[int]:
        """Scene numbers of the links that sit on it."""
        return [link.idx for link in self._entity.links if link.parent_idx == self.idx]

    @property
    def joints(self) -> list[RigidJoint]:
        """The joints between it and its parent; none for a fixed link."""
        return [joint for joint in self._entity.joints if joint.link is self]

    @property
    def geoms(self) -> list[RigidGeom]:
        """The geoms that are attached to it."""
        return [geom for geom in self._entity.geoms if geom.link is self]

    @property
    def is_fixed(self) -> bool:
        """Whether neither it nor anything between it and the world can move."""
        if self.joints:
            return False
        return self._parent_idx < 0 or self._entity.links[self.parent_idx_local].is_fixed

    # -- state --------------------------------------------------------------------------------------------------------

    def get_pos(self, envs_idx: Any = None) -> Tensor:
        """Position of its origin [m], world frame, ([n_envs,] 3)."""
        return self._entity._get_body("get_links_pos", "xpos", slice(None), self.idx + 1, envs_idx)

    def get_quat(self, envs_idx: Any = None) -> Tensor:
        """Orientation (w, x, y, z), unit, world frame, ([n_envs,] 4)."""
        return self._entity._get_body("get_links_quat", "xquat", slice(None), self.idx + 1, envs_idx)

    def get_vel(self, envs_idx: Any = None) -> Tensor:
        """Linear velocity of its origin [m/s], world frame, ([n_envs,] 3)."""
        return self._entity._get_body("get_links_vel", "xvel", slice(0, 3), self.idx + 1, envs_idx)

    def get_ang(self, envs_idx: Any = None) -> Tensor:
        """Angular velocity [rad/s], world frame, ([n_envs,] 3)."""
        return self._entity._get_body("get_links_ang", "xvel", slice(3, 6), self.idx + 1, envs_idx)

    # -- parameters ---------------------------------------------------------------------------------------------------

    def get_mass(self, envs_idx: Any = None) -> Tensor:
        """Its mass [kg], ([n_envs])."""
        return self._get("links_mass", envs_idx)

    def set_mass(self, mass: Any, envs_idx: Any = None) -> None:
        """Set its mass [kg], a number or ([n_envs],); its inertia stays. See `RigidEntity.set_links_mass`."""
        self._set("links_mass", "set_mass", mass, envs_idx)

    def get_COM(self, envs_idx: Any = None) -> Tensor:
        """Its centre of mass [m], in its own frame, ([n_envs,] 3)."""
        return self._get("links_COM", envs_idx)

    def set_COM(self, COM: Any, envs_idx: Any = None) -> None:
        """Set its centre of mass [m], in its own frame, ([n_envs,] 3)."""
        self._set("links_COM", "set_COM", COM, envs_idx)

    def get_inertia(self, envs_idx: Any = None) -> Tensor:
        """Its inertia about the centre of mass, (xx, yy, zz, xy, xz, yz) [kg m^2], in its own axes, ([n_envs,] 6)."""
        return self._get("links_inertia", envs_idx)

    def set_inertia(self, inertia: Any, envs_idx: Any = None) -> None:
        """Set its inertia about the centre of mass [kg m^2], in its own axes; as `set_links_inertia`, for one link."""
        self._set("links_inertia", "set_inertia", inertia, envs_idx)

    def set_friction(self, friction: Any, envs_idx: Any = None) -> None:
        """Set the sliding friction of all of its geoms that can touch something, a number or ([n_envs],).

        Raises GenesisException where there is none.
        """
        geoms = [geom.idx_local for geom in self.geoms if geom.can_touch]
        owner = f"{self._name}.set_friction"
        if not geoms:
            raise GenesisException(f"{owner}: it has no geom that can touch anything in this scene.")
        scene = self._entity.scene
        envs = self._entity._select_envs("set_friction", envs_idx, unique=True)
        value = fit(scene, read_tensor(scene, friction, "friction", owner), envs, (), "friction", owner)
        value = value.unsqueeze(-1).expand(*value.shape, len(geoms))
        chosen = select(geoms, self._entity.n_geoms, "geoms", owner, unique=True)
        self._entity._write_geoms(CONSTRAINT_PARAMETERS["friction"], owner, chosen, envs, value, friction)

    def _get(self, name: str, envs_idx: Any) -> Tensor:
        return self._entity._get_parameter_of_one(name, self._idx_local, envs_idx)

    def _set(self, name: str, method: str, value: Any, envs_idx: Any) -> None:
        self._entity._set_parameter_of_one(name, f"{self._name}.{method}", self._idx_local, value, envs_idx)
