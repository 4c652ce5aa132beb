"""What an entity says of its shapes as a whole, and small names that Genesis's entities have."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from genesis.entities import bounds
from genesis.entities.base import EntityBase
from genesis.entities.part_shapes import box_of, verts_of
from genesis.world.arguments import read_flag

if TYPE_CHECKING:
    from genesis.entities import RigidGeom, RigidJoint, RigidLink, RigidSolver, RigidVisGeom
    from genesis.entities.simulator import Simulator
    from genesis.grad.tensor import Tensor


class EntityShapes(EntityBase):
    """Vertices and boxes of an entity. Subclasses know its links, joints and geoms."""

    _morph: Any
    _vgeoms: list[RigidVisGeom] | None = None

    @property
    def geoms(self) -> list[RigidGeom]:
        """Its geoms."""
        raise NotImplementedError

    @property
    def links(self) -> list[RigidLink]:
        """Its links."""
        raise NotImplementedError

    @property
    def joints(self) -> list[RigidJoint]:
        """Its joints that move."""
        raise NotImplementedError

    @property
    def vgeoms(self) -> list[RigidVisGeom]:
        """Its geoms that are drawn: those in MuJoCo's groups 0 to 2."""
        from genesis.entities.rigid_vis_geom import RigidVisGeom

        if self._vgeoms is None:
            self._vgeoms = [RigidVisGeom(geom) for geom in self.geoms if geom.is_drawn]
        return list(self._vgeoms)

    def _solid(self, asked_for: str) -> list[int]:
        place = self._built(asked_for)
        solid = bounds.solid_geoms(place.world)
        return [geom for geom in range(place.ranges.geom_start, place.ranges.geom_end) if solid[geom]]

    def get_verts(self, envs_idx: Any = None) -> Tensor:
        """Vertices of its solid geoms, one after the other, [m], world frame, ([n_envs,] n_verts, 3).

        Of meshes those of the model file; of other shapes those that Genesis gives them, which follow from their sizes.
        """
        place = self._built("get_verts")
        return verts_of(place, self._solid("get_verts"), place.select_envs("get_verts", envs_idx, unique=False))

    def get_AABB(self, envs_idx: Any = None, *, allow_fast_approx: bool = False) -> Tensor:
        """Least and greatest coordinates of its solid geoms along the axes of the world [m], ([n_envs,] 2, 3).

        See `RigidGeom.get_AABB`. `allow_fast_approx` is of no matter: the boxes are exact. Raises GenesisException
        where nothing of it is solid.
        """
        method = "get_AABB"
        place = self._built(method)
        read_flag(allow_fast_approx, "allow_fast_approx", place.owner(method))
        envs = place.select_envs(method, envs_idx, unique=False)
        return box_of(place, self._solid(method), place.owner(method), "collision", envs)

    def get_vverts(self, envs_idx: Any = None) -> Tensor:
        """Vertices of its geoms that are drawn [m], world frame, ([n_envs,] n_vverts, 3)."""
        place = self._built("get_vverts")
        envs = place.select_envs("get_vverts", envs_idx, unique=False)
        return verts_of(place, [v.geom.idx for v in self.vgeoms], envs)

    def get_vAABB(self, envs_idx: Any = None) -> Tensor:
        """Least and greatest coordinates of its geoms that are drawn [m], world frame, ([n_envs,] 2, 3)."""
        method = "get_vAABB"
        place = self._built(method)
        envs = place.select_envs(method, envs_idx, unique=False)
        return box_of(place, [v.geom.idx for v in self.vgeoms], place.owner(method), "visual", envs)

    # -- counts -------------------------------------------------------------------------------------------------------

    @property
    def n_vgeoms(self) -> int:
        """How many of its geoms are drawn."""
        return len(self.vgeoms)

    @property
    def n_verts(self) -> int:
        """How many vertices its solid geoms have."""
        return sum(link.n_verts for link in self.links)

    @property
    def n_faces(self) -> int:
        """How many triangles they have."""
        return sum(link.n_faces for link in self.links)

    @property
    def n_edges(self) -> int:
        """How many edges these have."""
        return sum(link.n_edges for link in self.links)

    @property
    def n_vverts(self) -> int:
        """How many vertices its geoms that are drawn have."""
        return sum(geom.n_vverts for geom in self.vgeoms)

    @property
    def n_vfaces(self) -> int:
        """How many triangles they have."""
        return sum(geom.n_vfaces for geom in self.vgeoms)

    @property
    def vert_start(self) -> int:
        """Number of its first vertex among those of the scene's solid geoms."""
        return sum(entity.n_verts for entity in self._scene.entities[: self._idx])

    @property
    def face_start(self) -> int:
        """Number of its first triangle among theirs."""
        return sum(entity.n_faces for entity in self._scene.entities[: self._idx])

    @property
    def edge_start(self) -> int:
        """Number of its first edge among theirs."""
        return sum(entity.n_edges for entity in self._scene.entities[: self._idx])

    @property
    def vvert_start(self) -> int:
        """Number of its first vertex that is drawn among those of the scene."""
        return sum(entity.n_vverts for entity in self._scene.entities[: self._idx])

    @property
    def vface_start(self) -> int:
        """Number of its first triangle that is drawn among those of the scene."""
        return sum(entity.n_vfaces for entity in self._scene.entities[: self._idx])

    @property
    def equality_start(self) -> int:
        """Number of its first equality constraint in the scene."""
        return self._built("equality_start").ranges.equality_start

    @property
    def equality_end(self) -> int:
        """One beyond its last."""
        return self._built("equality_end").ranges.equality_end

    # -- other --------------------------------------------------------------------------------------------------------

    @property
    def joints_by_links(self) -> list[list[RigidJoint]]:
        """The joints of each of its links."""
        return [link.joints for link in self.links]

    @property
    def init_qpos(self) -> np.ndarray:
        """Its qs at build [m, rad], (n_qs,)."""
        place = self._built("init_qpos")
        return np.array(place.world.composed.mj_model.qpos0[place.ranges.q_start : place.ranges.q_end])

    @property
    def main_morph(self) -> Any:
        """The morph that it was made from; the first of several."""
        return self._morph

    @property
    def solver(self) -> RigidSolver:
        """`scene.rigid_solver`."""
        return self._scene.rigid_solver

    @property
    def sim(self) -> Simulator:
        """`scene.sim`."""
        return self._scene.sim
