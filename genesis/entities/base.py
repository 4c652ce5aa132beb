"""What every part of an entity's interface stands on: its place in the world, and its counts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from genesis import runtime
from genesis.compat.table import Explained
from genesis.entities.place import Place
from genesis.errors import GenesisException

if TYPE_CHECKING:
    from genesis import Scene


class EntityBase(Explained):
    """A name and ranges of links, joints, qs, dofs, geoms and actuators over the scene's tensors.

    Numbers of the ranges are those of the scene: link 0 is the scene's first link (MuJoCo's body 1).
    """

    _scene: Scene
    _name: str
    _idx: int
    _place: Place | None = None

    @property
    def name(self) -> str:
        """The entity's name, unique in its scene."""
        return self._name

    @property
    def scene(self) -> Scene:
        """The scene that it is part of."""
        return self._scene

    def _built(self, asked_for: str) -> Place:
        """The entity's place in the world; raises GenesisException before `scene.build()`."""
        runtime.require_init()
        place = self._place
        if place is None:
            if not self._scene.is_built:
                raise GenesisException(f"{self._name}.{asked_for} needs the built scene: call scene.build() first.")
            place = self._place = Place(self._scene.world, self._idx)
        return place

    # -- ranges -------------------------------------------------------------------------------------------------------

    @property
    def link_start(self) -> int:
        """Number of its first link in the scene."""
        return self._built("link_start").ranges.link_start - 1

    @property
    def link_end(self) -> int:
        """One beyond the number of its last link in the scene."""
        return self._built("link_end").ranges.link_end - 1

    @property
    def joint_start(self) -> int:
        """Number of its first joint in the scene."""
        return self._built("joint_start").ranges.joint_start

    @property
    def joint_end(self) -> int:
        """One beyond the number of its last joint in the scene."""
        return self._built("joint_end").ranges.joint_end

    @property
    def q_start(self) -> int:
        """Column of its first q in the scene's qpos."""
        return self._built("q_start").ranges.q_start

    @property
    def q_end(self) -> int:
        """One beyond its last q."""
        return self._built("q_end").ranges.q_end

    @property
    def dof_start(self) -> int:
        """Number of its first dof in the scene."""
        return self._built("dof_start").ranges.dof_start

    @property
    def dof_end(self) -> int:
        """One beyond its last dof."""
        return self._built("dof_end").ranges.dof_end

    @property
    def geom_start(self) -> int:
        """Number of its first geom in the scene."""
        return self._built("geom_start").ranges.geom_start

    @property
    def geom_end(self) -> int:
        """One beyond its last geom."""
        return self._built("geom_end").ranges.geom_end

    @property
    def n_links(self) -> int:
        """How many links it has."""
        return self._built("n_links").counts["links"]

    @property
    def n_joints(self) -> int:
        """How many joints it has that move (a fixed connection is none)."""
        return self._built("n_joints").counts["joints"]

    @property
    def n_qs(self) -> int:
        """How many numbers its qpos has: 7 per free joint, 4 per ball joint, 1 per hinge or slide."""
        return self._built("n_qs").counts["qs"]

    @property
    def n_dofs(self) -> int:
        """How many degrees of freedom it has: 6 per free joint, 3 per ball joint, 1 per hinge or slide."""
        return self._built("n_dofs").counts["dofs"]

    @property
    def n_geoms(self) -> int:
        """How many geoms it has."""
        return self._built("n_geoms").counts["geoms"]

    @property
    def n_actuators(self) -> int:
        """How many actuators its model file defines."""
        return self._built("n_actuators").counts["actuators"]

    @property
    def n_sites(self) -> int:
        """How many sites its model file defines."""
        return self._built("n_sites").counts["sites"]

    @property
    def n_controls(self) -> int:
        """How many controls its actuators have: most have one, some several (or none)."""
        return self._built("n_controls").counts["controls"]

    @property
    def n_tendons(self) -> int:
        """How many tendons its model file defines."""
        return self._built("n_tendons").counts["tendons"]

    @property
    def n_equalities(self) -> int:
        """How many equality constraints its model file defines."""
        return self._built("n_equalities").counts["equalities"]
