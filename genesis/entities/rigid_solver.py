"""The scene's rigid bodies as a whole, under the names that Genesis's rigid solver has."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from genesis.entities.indexing import select, select_envs
from genesis.entities.wrench import WrenchPoint, apply_wrench

if TYPE_CHECKING:
    from genesis.entities.rigid_entity import RigidEntity
    from genesis.entities.rigid_geom import RigidGeom
    from genesis.entities.rigid_joint import RigidJoint
    from genesis.entities.rigid_link import RigidLink
    from genesis.scene import Scene
    from genesis.states import RigidSolverState


class RigidSolver:
    """Counts and lists over all entities of a built scene; `scene.rigid_solver`."""

    def __init__(self, scene: Scene) -> None:
        self._scene = scene

    @property
    def entities(self) -> list[RigidEntity]:
        """All entities."""
        return self._scene.entities

    @property
    def links(self) -> list[RigidLink]:
        """All links, by `idx`."""
        return [link for entity in self.entities for link in entity.links]

    @property
    def joints(self) -> list[RigidJoint]:
        """All joints that move, by `idx`."""
        return [joint for entity in self.entities for joint in entity.joints]

    @property
    def geoms(self) -> list[RigidGeom]:
        """All geoms, by `idx`."""
        return [geom for entity in self.entities for geom in entity.geoms]

    @property
    def n_envs(self) -> int:
        """Number of envs; 0 when the scene was built without."""
        return self._scene.n_envs

    @property
    def n_entities(self) -> int:
        """Number of entities."""
        return len(self.entities)

    @property
    def n_links(self) -> int:
        """Number of links."""
        return int(self._scene.mj_model.nbody) - 1

    @property
    def n_joints(self) -> int:
        """Number of joints that move."""
        return int(self._scene.mj_model.njnt)

    @property
    def n_geoms(self) -> int:
        """Number of geoms."""
        return int(self._scene.mj_model.ngeom)

    @property
    def n_qs(self) -> int:
        """Length of qpos."""
        return int(self._scene.mj_model.nq)

    @property
    def n_dofs(self) -> int:
        """Number of degrees of freedom."""
        return int(self._scene.mj_model.nv)

    def get_state(self) -> RigidSolverState:
        """The state of all rigid bodies, with gradient; see `genesis.states.RigidSolverState`."""
        return self._scene.get_state().solvers_state[0]

    def apply_links_external_force(
        self,
        force: Any,
        links_idx: Any = None,
        envs_idx: Any = None,
        *,
        ref: WrenchPoint = "link_origin",
        local: bool = False,
    ) -> None:
        """As `RigidEntity.apply_links_external_force`, with the scene's link numbers (`link.idx`)."""
        self._apply("apply_links_external_force", force, None, links_idx, envs_idx, ref, local)

    def apply_links_external_torque(
        self,
        torque: Any,
        links_idx: Any = None,
        envs_idx: Any = None,
        *,
        ref: WrenchPoint = "link_origin",
        local: bool = False,
    ) -> None:
        """As `RigidEntity.apply_links_external_torque`, with the scene's link numbers (`link.idx`)."""
        self._apply("apply_links_external_torque", None, torque, links_idx, envs_idx, ref, local)

    def _apply(
        self, method: str, force: Any, torque: Any, links_idx: Any, envs_idx: Any, ref: str, local: bool
    ) -> None:
        scene, owner = self._scene, f"rigid_solver.{method}"
        chosen = select(links_idx, self.n_links, "links_idx", owner, unique=True)
        envs = select_envs(scene, envs_idx, owner, unique=True)
        apply_wrench(scene, owner, 0, chosen, envs, force, torque, ref, local)
