"""Ghosts: entities that are moved and seen, and that no physics knows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn

from genesis import runtime
from genesis.entities.control import Controller
from genesis.entities.place import Place
from genesis.entities.rigid_entity import RigidEntity
from genesis.entities.special_accessors import SpecialAccessors
from genesis.errors import GenesisException

if TYPE_CHECKING:
    from genesis.world.world import World


class KinematicEntity(RigidEntity):
    """An entity with `gs.materials.Kinematic()`: it stays where it is put, and nothing touches it.

    It has a world of its own, which never steps. What sets and reads a state works as for every entity, with gradient;
    controls, forces and physical parameters are refused.
    """

    is_kinematic = True
    _own_world: World | None = None

    def enter(self, world: World) -> None:
        """Take over the world that it is alone in."""
        self._own_world = world

    @property
    def idx(self) -> int:
        """Its number: those of kinematic entities follow those of `scene.entities`."""
        return len(self._scene.entities) + self._idx

    @property
    def uid(self) -> int:
        """The same number."""
        return self.idx

    @property
    def own_world(self) -> World:
        """The world that it is alone in."""
        return self._built("own_world").world

    def _built(self, asked_for: str) -> Place:
        runtime.require_init()
        if self._place is None:
            if self._own_world is None:
                raise GenesisException(f"{self._name}.{asked_for} needs the built scene: call scene.build() first.")
            self._place = Place(self._own_world, 0)
        return self._place

    def attach(self, *_args: Any, **_arguments: Any) -> NoReturn:
        """Refused: it is no part of the rigid bodies."""
        raise _refusal(self, "attach")


def _refusal(entity: KinematicEntity, method: str) -> GenesisException:
    return GenesisException(
        f"{entity.name}.{method}: the entity is kinematic (gs.materials.Kinematic), no physics acts on it. Move it by "
        "set_pos(), set_quat(), set_qpos() and set_dofs_position()."
    )


def _refused(method: str) -> Any:
    def refuse(self: KinematicEntity, *_args: Any, **_arguments: Any) -> NoReturn:
        raise _refusal(self, method)

    refuse.__name__, refuse.__doc__ = method, "Refused: no physics acts on a kinematic entity."
    return refuse


def _without_meaning() -> list[str]:
    controls = [name for name in vars(Controller) if not name.startswith("_")]
    setters = [name for name in dir(SpecialAccessors) if name.startswith("set_")]
    return [*controls, *setters, "get_contacts", "get_links_net_contact_force"]


for _name in _without_meaning():
    setattr(KinematicEntity, _name, _refused(_name))
