"""A geom of an entity as it is drawn."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from trimesh import Trimesh

    from genesis import Scene
    from genesis.entities import RigidEntity, RigidGeom, RigidLink, RigidSolver
    from genesis.grad.tensor import Tensor


class RigidVisGeom:
    """A shape that is drawn: a geom of the entity, solid as well or not. `idx` counts those of the scene."""

    def __init__(self, geom: RigidGeom) -> None:
        self._geom = geom

    def __repr__(self) -> str:
        return f"<RigidVisGeom '{self.name}' ({self._geom.type}) of '{self.entity.name}'>"

    @property
    def geom(self) -> RigidGeom:
        """The geom that it is."""
        return self._geom

    @property
    def name(self) -> str:
        """Its name in the model file; empty if it has none."""
        return self._geom.name

    @property
    def idx(self) -> int:
        """Its number among all that are drawn in the scene."""
        return self.solver.vgeoms.index(self)

    @property
    def uid(self) -> int:
        """The same number."""
        return self.idx

    def __eq__(self, other: object) -> bool:
        return isinstance(other, RigidVisGeom) and other.geom is self._geom

    def __hash__(self) -> int:
        return hash(("drawn", id(self._geom)))

    @property
    def link(self) -> RigidLink:
        """The link that it is attached to."""
        return self._geom.link

    @property
    def entity(self) -> RigidEntity:
        """The entity that it is part of."""
        return self._geom.entity

    @property
    def scene(self) -> Scene:
        """The scene that it is part of."""
        return self.entity.scene

    @property
    def solver(self) -> RigidSolver:
        """`scene.rigid_solver`."""
        return self.scene.rigid_solver

    @property
    def is_built(self) -> bool:
        """True: there are none before `build()`."""
        return self.entity.is_built

    @property
    def is_fixed(self) -> bool:
        """Whether its link is."""
        return self.link.is_fixed

    @property
    def metadata(self) -> dict[str, Any]:
        """That of the geom."""
        return self._geom.metadata

    @property
    def surface(self) -> Any:
        """The surface of the entity, or None."""
        return self.entity.surface

    @property
    def init_pos(self) -> np.ndarray:
        """Where it sits in its link's frame at build [m], (3,)."""
        return self._geom.init_pos

    @property
    def init_quat(self) -> np.ndarray:
        """How it is turned there (w, x, y, z), (4,)."""
        return self._geom.init_quat

    @property
    def init_vverts(self) -> np.ndarray:
        """Its vertices at build [m], in its own frame, (n, 3)."""
        return self._geom.init_verts

    @property
    def init_vfaces(self) -> np.ndarray:
        """Its triangles, (m, 3)."""
        return self._geom.init_faces

    @property
    def init_vnormals(self) -> np.ndarray:
        """Unit normals at its vertices, (n, 3)."""
        return self._geom.init_normals

    @property
    def vvert_start(self) -> int:
        """Number of its first vertex among those of the scene that are drawn."""
        return sum(geom.n_vverts for geom in self.solver.vgeoms[: self.idx])

    @property
    def vvert_end(self) -> int:
        """One beyond its last."""
        return self.vvert_start + self.n_vverts

    @property
    def vface_start(self) -> int:
        """Number of its first triangle among those of the scene that are drawn."""
        return sum(geom.n_vfaces for geom in self.solver.vgeoms[: self.idx])

    @property
    def vface_end(self) -> int:
        """One beyond its last."""
        return self.vface_start + self.n_vfaces

    def get_trimesh(self) -> Trimesh:
        """As `trimesh`."""
        return self.trimesh

    @property
    def trimesh(self) -> Trimesh:
        """Both as a mesh of the package trimesh."""
        return self._geom.trimesh

    @property
    def n_vverts(self) -> int:
        """How many vertices it has."""
        return self._geom.n_verts

    @property
    def n_vfaces(self) -> int:
        """How many triangles it has."""
        return self._geom.n_faces

    def get_pos(self, envs_idx: Any = None, *, relative: bool = True) -> Tensor:
        """Position [m], world frame, ([n_envs,] 3)."""
        return self._geom.get_pos(envs_idx, relative=relative)

    def get_quat(self, envs_idx: Any = None, *, relative: bool = True) -> Tensor:
        """Orientation (w, x, y, z), unit, world frame, ([n_envs,] 4)."""
        return self._geom.get_quat(envs_idx, relative=relative)

    def get_vverts(self, envs_idx: Any = None) -> Tensor:
        """Vertices [m], world frame, ([n_envs,] n, 3)."""
        return self._geom.get_verts(envs_idx)

    def get_vAABB(self, envs_idx: Any = None) -> Tensor:
        """Least and greatest coordinates [m], world frame, ([n_envs,] 2, 3)."""
        return self._geom.get_AABB(envs_idx)
