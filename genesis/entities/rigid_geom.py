"""A geom of an entity: a shape attached to a link."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from genesis.entities.rigid_entity import RigidEntity
    from genesis.entities.rigid_link import RigidLink


class RigidGeom:
    """A shape attached to a link. It is kept with the model; this version does not collide it."""

    def __init__(self, entity: RigidEntity, name: str, idx_local: int, link: RigidLink, kind: str) -> None:
        self._entity = entity
        self._name = name
        self._idx_local = idx_local
        self._link = link
        self._type = kind

    def __repr__(self) -> str:
        return f"<RigidGeom '{self._name}' ({self._type}) of '{self._entity.name}', idx_local {self._idx_local}>"

    @property
    def name(self) -> str:
        """Its name in the model file; empty if it has none."""
        return self._name

    @property
    def entity(self) -> RigidEntity:
        """The entity that it is part of."""
        return self._entity

    @property
    def link(self) -> RigidLink:
        """The link that it is attached to."""
        return self._link

    @property
    def type(self) -> str:
        """ "plane", "sphere", "capsule", "ellipsoid", "cylinder", "box", "mesh" or "hfield"."""
        return self._type

    @property
    def idx_local(self) -> int:
        """Its number in the entity."""
        return self._idx_local

    @property
    def idx(self) -> int:
        """Its number in the scene."""
        return self._entity.geom_start + self._idx_local
