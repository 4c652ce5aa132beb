"""What links and geoms say of their shapes, and the small names that Genesis's handles have."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from genesis.entities import bounds
from genesis.entities.part import EntityPart
from genesis.world.arguments import read_flag

if TYPE_CHECKING:
    from collections.abc import Sequence

    from trimesh import Trimesh

    from genesis.entities import RigidGeom, RigidJoint, RigidSolver, RigidVisGeom
    from genesis.entities.place import Place
    from genesis.grad.tensor import Tensor
    from genesis.world.arguments import Selection


class Part(EntityPart):
    """Names that all parts have."""

    @property
    def uid(self) -> int:
        """Its number in the scene, which no other of its kind has."""
        return self.idx

    @property
    def solver(self) -> RigidSolver:
        """`scene.rigid_solver`."""
        return self._entity.scene.rigid_solver

    @property
    def is_built(self) -> bool:
        """True: there are no parts before `build()`."""
        return True


def verts_of(place: Place, geoms: Sequence[int], envs: Selection | None) -> Tensor:
    """Vertices of geoms by their scene numbers, as getters return them, ([n_envs,] n, 3)."""
    return place.world.wrap(bounds.vertices(place.world, geoms, envs))


def box_of(place: Place, geoms: Sequence[int], owner: str, kind: str, envs: Selection | None) -> Tensor:
    """The box around geoms by their scene numbers, ([n_envs,] 2, 3); raises GenesisException where there is none."""
    bounds.require_some(geoms, owner, kind)
    return place.world.wrap(bounds.around(bounds.boxes(place.world, geoms, envs)))


class GeomShape(Part):
    """The shape of a geom: where it is, its vertices, its box."""

    def get_pos(self, envs_idx: Any = None, *, relative: bool = True) -> Tensor:
        """Position [m], world frame, ([n_envs,] 3); `relative` is of no matter here (see `entity.set_pos`)."""
        return self._frame("get_pos", 0, envs_idx, relative)

    def get_quat(self, envs_idx: Any = None, *, relative: bool = True) -> Tensor:
        """Orientation (w, x, y, z), unit, world frame, ([n_envs,] 4)."""
        return self._frame("get_quat", 1, envs_idx, relative)

    def _frame(self, method: str, which: int, envs_idx: Any, relative: bool) -> Tensor:
        place, called = self._built(), f"{self._called}.{method}"
        read_flag(relative, "relative", place.owner(called))
        envs = place.select_envs(called, envs_idx, unique=False)
        return place.world.wrap(bounds.frames(place.world, [self.idx], envs)[which][:, 0].clone())

    def get_verts(self, envs_idx: Any = None) -> Tensor:
        """Vertices of its triangles [m], world frame, ([n_envs,] n_verts, 3).

        Of a mesh those of the model file; of other shapes those that Genesis gives them, which follow from their sizes.
        """
        place = self._built()
        return verts_of(place, [self.idx], place.select_envs(f"{self._called}.get_verts", envs_idx, unique=False))

    def get_AABB(self, envs_idx: Any = None) -> Tensor:
        """Its least and greatest coordinates along the axes of the world [m], ([n_envs,] 2, 3).

        Of the shape itself: of a sphere its middle less and plus its radius. (Genesis takes the vertices, which lie on
        the sphere.) Where a face or an edge is along an axis, the gradient by the orientation is a one-sided one, or
        the mean of both.
        """
        place, called = self._built(), f"{self._called}.get_AABB"
        envs = place.select_envs(called, envs_idx, unique=False)
        return box_of(place, [self.idx], place.owner(called), "collision", envs)

    @property
    def init_verts(self) -> np.ndarray:
        """Its vertices at build [m], in its own frame, (n_verts, 3)."""
        model = self._built().world.composed.mj_model
        shape = bounds.triangles(self._built().world, self.idx)
        return np.array(shape.at(np.asarray(model.geom_size[self.idx])))

    @property
    def init_faces(self) -> np.ndarray:
        """Its triangles as numbers of vertices, anticlockwise as seen from outside, (n_faces, 3) int32."""
        return np.array(bounds.triangles(self._built().world, self.idx).faces)

    @property
    def init_edges(self) -> np.ndarray:
        """The edges of its triangles, each once, (n_edges, 2)."""
        return np.unique(np.sort(self.init_faces[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2), 1), axis=0)

    def get_trimesh(self) -> Trimesh:
        """Its vertices and triangles at build as a mesh of the package trimesh."""
        from trimesh import Trimesh

        return Trimesh(self.init_verts, self.init_faces, process=False)

    @property
    def trimesh(self) -> Trimesh:
        """The same."""
        return self.get_trimesh()

    @property
    def n_verts(self) -> int:
        """How many vertices its triangles have."""
        return len(bounds.triangles(self._built().world, self.idx).base)

    @property
    def n_faces(self) -> int:
        """How many triangles it has."""
        return len(bounds.triangles(self._built().world, self.idx).faces)

    @property
    def n_edges(self) -> int:
        """How many edges they have."""
        return len(self.init_edges)

    @property
    def vert_start(self) -> int:
        """Number of its first vertex among those of the scene's solid geoms."""
        return self._before("n_verts")

    @property
    def vert_end(self) -> int:
        """One beyond its last."""
        return self.vert_start + self.n_verts

    @property
    def face_start(self) -> int:
        """Number of its first triangle among those of the scene's solid geoms."""
        return self._before("n_faces")

    @property
    def face_end(self) -> int:
        """One beyond its last."""
        return self.face_start + self.n_faces

    @property
    def edge_start(self) -> int:
        """Number of its first edge among those of the scene's solid geoms."""
        return self._before("n_edges")

    @property
    def edge_end(self) -> int:
        """One beyond its last."""
        return self.edge_start + self.n_edges

    def _before(self, count: str) -> int:
        return sum(getattr(geom, count) for geom in self.solver.geoms[: self.idx] if geom.is_solid)

    @property
    def init_center_pos(self) -> np.ndarray:
        """The mean of its vertices at build [m], in its own frame, once for each, (n_verts, 3)."""
        vertices = self.init_verts
        return np.tile(vertices.mean(0), (len(vertices), 1))

    @property
    def init_normals(self) -> np.ndarray:
        """Unit normals at its vertices at build, in its own frame, outwards, (n_verts, 3)."""
        return np.array(self.trimesh.vertex_normals)

    @property
    def data(self) -> np.ndarray:
        """Its size as Genesis counts it, filled up with zeros, (7,): a box its sides, ..."""
        model = self._built().world.composed.mj_model
        found, size = np.zeros(7), np.asarray(model.geom_size[self.idx], dtype=float)
        wholes = {
            "box": (2, 2, 2),
            "capsule": (1, 2, 0),
            "cylinder": (1, 2, 0),
            "sphere": (1, 0, 0),
            "ellipsoid": (1, 1, 1),
        }
        found[:3] = size * np.array(wholes.get(self._kind, (0, 0, 0)))
        if self._kind == "plane":
            found[2] = 1.0  # its normal
        return found

    @property
    def surface(self) -> Any:
        """The surface of the entity, or None."""
        return self._entity.surface

    @property
    def init_pos(self) -> np.ndarray:
        """Where it sits in its link's frame at build [m], (3,)."""
        return np.array(self._built().world.composed.mj_model.geom_pos[self.idx])

    @property
    def init_quat(self) -> np.ndarray:
        """How it is turned there (w, x, y, z), (4,)."""
        return np.array(self._built().world.composed.mj_model.geom_quat[self.idx])

    @property
    def contype(self) -> int:
        """Bits that meet another geom's `conaffinity` where the two may touch."""
        return int(self._built().world.composed.mj_model.geom_contype[self.idx])

    @property
    def conaffinity(self) -> int:
        """Bits that meet another geom's `contype` where the two may touch."""
        return int(self._built().world.composed.mj_model.geom_conaffinity[self.idx])

    @property
    def is_solid(self) -> bool:
        """Whether it collides at all: by its bits, or as one of an explicit pair."""
        return bool(bounds.solid_geoms(self._built().world)[self.idx])

    @property
    def is_drawn(self) -> bool:
        """Whether viewers draw it unasked: it is in one of MuJoCo's groups 0 to 2."""
        return int(self._built().world.composed.mj_model.geom_group[self.idx]) < _FIRST_HIDDEN_GROUP

    @property
    def is_convex(self) -> bool:
        """Whether it collides as a convex shape: all but height fields do, meshes by their hulls."""
        return self._kind != "hfield"

    @property
    def is_fixed(self) -> bool:
        """Whether its link is."""
        return self._entity.links[self._link_idx_local].is_fixed

    @property
    def _kind(self) -> str:
        return self._built().world.geom_type(self.idx)

    @property
    def _link_idx_local(self) -> int:
        body = int(self._built().world.composed.mj_model.geom_bodyid[self.idx])
        return body - self._built().ranges.link_start


_FIRST_HIDDEN_GROUP = 3


class LinkShape(Part):
    """The shapes of a link, and which joints, qs and dofs are its own."""

    @property
    def joints(self) -> list[RigidJoint]:
        """The joints between it and its parent; none for a fixed link."""
        return [joint for joint in self._entity.joints if joint.link is self]

    @property
    def geoms(self) -> list[RigidGeom]:
        """The geoms that are attached to it."""
        return [geom for geom in self._entity.geoms if geom.link is self]

    @property
    def vgeoms(self) -> list[RigidVisGeom]:
        """Those of them that are drawn."""
        return [geom for geom in self._entity.vgeoms if geom.link is self]

    def _solid(self) -> list[int]:
        solid = bounds.solid_geoms(self._built().world)
        return [geom.idx for geom in self.geoms if solid[geom.idx]]

    def get_verts(self, envs_idx: Any = None) -> Tensor:
        """Vertices of its solid geoms, one after the other, [m], world frame, ([n_envs,] n_verts, 3)."""
        place = self._built()
        return verts_of(place, self._solid(), place.select_envs(f"{self._name}.get_verts", envs_idx, unique=False))

    def get_AABB(self, envs_idx: Any = None) -> Tensor:
        """Least and greatest coordinates of its solid geoms along the axes of the world [m], ([n_envs,] 2, 3).

        See `RigidGeom.get_AABB`. Raises GenesisException where there is none.
        """
        place, called = self._built(), f"{self._name}.get_AABB"
        envs = place.select_envs(called, envs_idx, unique=False)
        return box_of(place, self._solid(), place.owner(called), "collision", envs)

    def get_vAABB(self, envs_idx: Any = None) -> Tensor:
        """The same of its geoms that are drawn."""
        place, called = self._built(), f"{self._name}.get_vAABB"
        envs = place.select_envs(called, envs_idx, unique=False)
        return box_of(place, [v.geom.idx for v in self.vgeoms], place.owner(called), "visual", envs)

    @property
    def n_verts(self) -> int:
        """How many vertices its solid geoms have."""
        return sum(geom.n_verts for geom in self.geoms if geom.is_solid)

    @property
    def n_faces(self) -> int:
        """How many triangles they have."""
        return sum(geom.n_faces for geom in self.geoms if geom.is_solid)

    @property
    def n_edges(self) -> int:
        """How many edges these have."""
        return sum(geom.n_edges for geom in self.geoms if geom.is_solid)

    @property
    def n_vverts(self) -> int:
        """How many vertices its geoms that are drawn have."""
        return sum(geom.n_vverts for geom in self.vgeoms)

    @property
    def n_vfaces(self) -> int:
        """How many triangles they have."""
        return sum(geom.n_vfaces for geom in self.vgeoms)

    @property
    def n_geoms(self) -> int:
        """How many geoms are attached to it."""
        return len(self.geoms)

    @property
    def n_vgeoms(self) -> int:
        """How many of them are drawn."""
        return len(self.vgeoms)

    @property
    def geom_start(self) -> int:
        """Number of its first geom in the scene; of one without, the number of the next."""
        model = self._built().world.composed.mj_model
        return int((model.geom_bodyid <= self.idx).sum())

    @property
    def geom_end(self) -> int:
        """One beyond the number of its last geom in the scene."""
        return self.geom_start + self.n_geoms

    @property
    def vgeom_start(self) -> int:
        """Number of its first geom that is drawn among those of the scene; of one without, the number of the next."""
        return sum(geom.geom.link.idx < self.idx for geom in self.solver.vgeoms)

    @property
    def vgeom_end(self) -> int:
        """One beyond the number of its last."""
        return self.vgeom_start + self.n_vgeoms

    @property
    def n_joints(self) -> int:
        """How many joints it has to its parent."""
        return len(self.joints)

    @property
    def joint_start(self) -> int:
        """Number of its first joint in the scene; of one without, the number of the next."""
        return int((self._built().world.composed.mj_model.jnt_bodyid <= self.idx).sum())

    @property
    def joint_end(self) -> int:
        """One beyond the number of its last joint in the scene."""
        return self.joint_start + self.n_joints

    @property
    def n_qs(self) -> int:
        """How many numbers of qpos its joints have."""
        return sum(joint.n_qs for joint in self.joints)

    @property
    def n_dofs(self) -> int:
        """How many degrees of freedom its joints have."""
        return sum(joint.n_dofs for joint in self.joints)

    @property
    def q_start(self) -> int:
        """First q of its joints in the scene; -1 without joints, as in Genesis."""
        return self.joints[0].q_start if self.joints else -1

    @property
    def q_end(self) -> int:
        """One beyond the last; -1 without joints."""
        return self.joints[-1].q_end if self.joints else -1

    @property
    def dof_start(self) -> int:
        """First dof of its joints in the scene; -1 without joints, as in Genesis."""
        return self.joints[0].dof_start if self.joints else -1

    @property
    def dof_end(self) -> int:
        """One beyond the last; -1 without joints."""
        return self.joints[-1].dof_end if self.joints else -1

    @property
    def root_idx(self) -> int:
        """Scene number of the link at the root of its tree."""
        return int(self._built().world.composed.mj_model.body_rootid[self.idx + 1]) - 1
