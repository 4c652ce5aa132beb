"""A geom of an entity: a shape attached to a link."""

from __future__ import annotations

from typing import TYPE_CHECKING

from genesis.entities.part import EntityPart

if TYPE_CHECKING:
    from genesis.entities.rigid_entity import RigidEntity
    from genesis.entities.rigid_link import RigidLink


class RigidGeom(EntityPart):
    """A shape attached to a link. It is kept with the model; this version does not collide it."""

    _first = "geom_start"

    def __init__(self, entity: RigidEntity, name: str, idx_local: int, link: RigidLink, kind: str) -> None:
        super().__init__(entity, name, idx_local)
        self._link = link
        self._type = kind

    def __repr__(self) -> str:
        return f"<RigidGeom '{self._name}' ({self._type}) of '{self._entity.name}', idx_local {self._idx_local}>"

    @property
    def link(self) -> RigidLink:
        """The link that it is attached to."""
        return self._link

    @property
    def type(self) -> str:
        """ "plane", "sphere", "capsule", "ellipsoid", "cylinder", "box", "mesh" or "hfield"."""
        return self._type
