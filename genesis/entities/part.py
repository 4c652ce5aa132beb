"""What links, joints and geoms of an entity have in common: a name and a number."""

from __future__ import annotations

from typing import TYPE_CHECKING

from genesis import runtime
from genesis.compat.table import Explained

if TYPE_CHECKING:
    from genesis.entities import RigidEntity
    from genesis.entities.place import Place


class EntityPart(Explained):
    """A part of an entity. ``idx`` is its number in the scene, ``idx_local`` that in the entity."""

    # Name of the entity's attribute that holds the scene number of its first part of this kind.
    _first = ""

    def __init__(self, entity: RigidEntity, place: Place, name: str, idx_local: int) -> None:
        self._entity = entity
        self._place = place
        self._name = name
        self._called = name
        self._idx_local = idx_local

    def _built(self) -> Place:
        """The entity's place in the world; raises GenesisException when `gs.destroy()` has ended it."""
        runtime.require_init()
        return self._place

    def __repr__(self) -> str:
        return f"<{type(self).__name__} '{self._name}' of '{self._entity.name}', idx_local {self._idx_local}>"

    @property
    def name(self) -> str:
        """Its name in the model file; empty if it has none."""
        return self._name

    @property
    def entity(self) -> RigidEntity:
        """The entity that it is part of."""
        return self._entity

    @property
    def idx_local(self) -> int:
        """Its number in the entity."""
        return self._idx_local

    @property
    def idx(self) -> int:
        """Its number in the scene."""
        return getattr(self._entity, self._first) + self._idx_local
