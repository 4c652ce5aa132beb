"""A link of an entity: a rigid body with a frame."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from genesis.entities.access import write_geoms
from genesis.entities.link_parts import LinkParts
from genesis.entities.masses import write_scaled_mass
from genesis.entities.part_shapes import LinkShape
from genesis.entities.reading import check_relative, read_body
from genesis.entities.writing import place_mocap
from genesis.errors import GenesisException
from genesis.world.arguments import fit, read_tensor, require_state
from genesis.world.catalogue import CONSTRAINT_PARAMETERS

if TYPE_CHECKING:
    from genesis.entities import RigidEntity
    from genesis.entities.place import Place
    from genesis.grad.tensor import Tensor


class RigidLink(LinkShape, LinkParts):
    """A rigid body. `idx` is its number in the scene (MuJoCo's body `idx + 1`), `idx_local` that in the entity."""

    _first = "link_start"

    def __init__(self, entity: RigidEntity, place: Place, name: str, idx_local: int, parent_idx: int) -> None:
        super().__init__(entity, place, name, idx_local)
        self._parent_idx = parent_idx

    @property
    def parent_idx(self) -> int:
        """Scene number of the link that it sits on; -1 for the world."""
        return self._parent_idx

    @property
    def parent_idx_local(self) -> int:
        """Number, in the entity, of the link that it sits on; -1 for the world, and for a link of another entity."""
        return max(self._parent_idx - self._entity.link_start, -1)

    @property
    def child_idxs(self) -> list[int]:
        """Scene numbers of the links that sit on it."""
        return [link.idx for link in self._entity.scene.rigid_solver.links if link.parent_idx == self.idx]

    @property
    def is_fixed(self) -> bool:
        """Whether neither it nor anything between it and the world has a joint. (A mocap body is put elsewhere.)"""
        if self.joints:
            return False
        if self._parent_idx < 0:
            return True
        links = self._entity.links if self.parent_idx_local >= 0 else self._entity.scene.rigid_solver.links
        return links[self.parent_idx_local if self.parent_idx_local >= 0 else self._parent_idx].is_fixed

    # -- state --------------------------------------------------------------------------------------------------------

    def get_pos(self, envs_idx: Any = None, *, relative: bool = True) -> Tensor:
        """Position of its origin [m], world frame, ([n_envs,] 3)."""
        check_relative(self._built(), "get_pos", relative)
        return read_body(self._built(), "get_links_pos", "xpos", slice(None), self.idx + 1, envs_idx)

    def get_quat(self, envs_idx: Any = None, *, relative: bool = True) -> Tensor:
        """Orientation (w, x, y, z), unit, world frame, ([n_envs,] 4)."""
        check_relative(self._built(), "get_quat", relative)
        return read_body(self._built(), "get_links_quat", "xquat", slice(None), self.idx + 1, envs_idx)

    def get_vel(self, envs_idx: Any = None, *, relative: bool = True) -> Tensor:
        """Linear velocity of its origin [m/s], world frame, ([n_envs,] 3)."""
        check_relative(self._built(), "get_vel", relative)
        return read_body(self._built(), "get_links_vel", "xvel", slice(0, 3), self.idx + 1, envs_idx)

    def get_ang(self, envs_idx: Any = None) -> Tensor:
        """Angular velocity [rad/s], world frame, ([n_envs,] 3)."""
        return read_body(self._built(), "get_links_ang", "xvel", slice(3, 6), self.idx + 1, envs_idx)

    @property
    def is_mocap(self) -> bool:
        """Whether it is a mocap body of a model file: it is where `set_pos` and `set_quat` put it."""
        return bool(self._built().world.model.indices["body_mocapid"][self.idx + 1] >= 0)

    def set_pos(self, pos: Any, envs_idx: Any = None) -> None:
        """Put a mocap link at a position [m], world frame, ([n_envs,] 3), with gradient; there it stays.

        It has no velocity. Raises GenesisException for a link that is no mocap body: use `entity.set_pos`.
        """
        self._put("set_pos", "pos", pos, 3, envs_idx)

    def set_quat(self, quat: Any, envs_idx: Any = None) -> None:
        """Turn a mocap link (w, x, y, z), world frame, ([n_envs,] 4), any length but zero; as `set_pos`."""
        self._put("set_quat", "quat", quat, 4, envs_idx)

    def _put(self, method: str, argument: str, given: Any, count: int, envs_idx: Any) -> None:
        place = self._built()
        called = f"{self._name}.{method}"
        if not self.is_mocap:
            raise GenesisException(
                f"{place.owner(called)}: this link is no mocap body; its pose follows from the joints. Use the "
                f"entity's {method}() for the base, or set_qpos()."
            )
        envs = place.select_envs(called, envs_idx, unique=True)
        value = place.shaped(called, argument, given, (count,), envs, scalar=False)
        require_state(value, argument, place.owner(called))
        place_mocap(place, self.idx + 1, called, argument, value, envs)

    # -- parameters ---------------------------------------------------------------------------------------------------

    def set_scaled_mass(self, mass: Any, envs_idx: Any = None) -> None:
        """Set its mass [kg], a number or ([n_envs],), and its inertia in proportion.

        As Genesis's `link.set_mass` does. See `RigidEntity.set_links_scaled_mass`.
        """
        place = self._built()
        method = f"{self._name}.set_scaled_mass"
        envs = place.select_envs(method, envs_idx, unique=True)
        owner = place.owner(method)
        value = fit(place.world, read_tensor(place.world, mass, "mass", owner), envs, (), "mass", owner)
        write_scaled_mass(place, method, value.unsqueeze(-1), self._idx_local, envs_idx, source=mass)

    def set_friction(self, friction: Any, envs_idx: Any = None) -> None:
        """Set the sliding friction of all of its geoms that can touch something, a number or ([n_envs],).

        Raises GenesisException where there is none.
        """
        geoms = [geom.idx for geom in self.geoms if geom.can_touch]
        owner = f"{self._name}.set_friction"
        if not geoms:
            raise GenesisException(f"{owner}: it has no geom that can touch anything in this scene.")
        place = self._built()
        world = place.world
        envs = place.select_envs("set_friction", envs_idx, unique=True)
        value = fit(world, read_tensor(world, friction, "friction", owner), envs, (), "friction", owner)
        value = value.unsqueeze(-1).expand(*value.shape, len(geoms))
        write_geoms(world, CONSTRAINT_PARAMETERS["friction"], np.array(geoms), envs, value, owner, friction)
