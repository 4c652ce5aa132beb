"""The triangles of shapes, in the frame of the shape, and how their vertices follow from its size.

Meshes and height fields have those of the model. Other shapes have the ones that Genesis gives them (trimesh's): a box
8 vertices, a plane a slab of 1 cm below it (an infinite one of 1000 m each way), spheres and ellipsoids an icosphere
with 642 vertices, cylinders 32 sections, capsules 64 around and 32 along.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import mujoco

ENDLESS = 500.0  # [m] half side of a plane that has none
_SLAB = 0.01  # [m] thickness of a plane's


@dataclass(frozen=True)
class Triangles:
    """Vertices `base * (size @ scale) + shift * size[1]` along z, with faces.

    Attributes:
        base: (n, 3); of what has no size that can be set, the vertices [m]
        scale: (3, 3), which number of the size each axis is multiplied by; None: none, `base` are the vertices, and a
            size other than that at build multiplies them axis by axis
        shift: (n,), by how many half lengths each vertex is moved along z; None: none
        faces: (m, 3) int32, anticlockwise as seen from outside
    """

    base: np.ndarray
    scale: np.ndarray | None
    shift: np.ndarray | None
    faces: np.ndarray

    def at(self, size: np.ndarray) -> np.ndarray:
        """Vertices (n, 3) [m] of a shape of MuJoCo's size (3,)."""
        if self.scale is None:
            return self.base
        vertices = self.base * (size @ self.scale)
        if self.shift is not None:
            vertices[:, 2] += self.shift * size[1]
        return vertices


_BY_RADIUS = np.array([[1.0, 1, 1], [0, 0, 0], [0, 0, 0]])
_BY_RADIUS_AND_HALF_LENGTH = np.array([[1.0, 1, 0], [0, 0, 1], [0, 0, 0]])
_BY_AXIS = np.eye(3)


@lru_cache(maxsize=8)
def _of_unit(kind: str) -> Triangles:
    import trimesh

    if kind == "box":
        mesh = trimesh.creation.box(extents=(2.0, 2.0, 2.0))
        return Triangles(np.array(mesh.vertices), _BY_AXIS, None, np.array(mesh.faces, np.int32))
    if kind in ("sphere", "ellipsoid"):
        mesh = trimesh.creation.icosphere(subdivisions=3, radius=1.0)
        scale = _BY_RADIUS if kind == "sphere" else _BY_AXIS
        return Triangles(np.array(mesh.vertices), scale, None, np.array(mesh.faces, np.int32))
    if kind == "cylinder":
        mesh = trimesh.creation.cylinder(radius=1.0, height=2.0)
        return Triangles(np.array(mesh.vertices), _BY_RADIUS_AND_HALF_LENGTH, None, np.array(mesh.faces, np.int32))
    mesh = trimesh.creation.capsule(radius=1.0, height=2.0)
    vertices = np.array(mesh.vertices)
    end = np.where(vertices[:, 2] >= 0, 1.0, -1.0)
    vertices[:, 2] -= end
    return Triangles(vertices, _BY_RADIUS, end, np.array(mesh.faces, np.int32))


def of_geom(model: mujoco.MjModel, geom: int) -> Triangles:
    """Those of a geom of a model, by its number."""
    import mujoco

    kind = mujoco.mjtGeom(int(model.geom_type[geom])).name.removeprefix("mjGEOM_").lower()
    data = int(model.geom_dataid[geom])
    if kind in ("mesh", "sdf"):
        first, count = int(model.mesh_vertadr[data]), int(model.mesh_vertnum[data])
        face, faces = int(model.mesh_faceadr[data]), int(model.mesh_facenum[data])
        vertices = np.array(model.mesh_vert[first : first + count], dtype=float)
        return Triangles(vertices, None, None, np.array(model.mesh_face[face : face + faces], np.int32))
    if kind == "hfield":
        return _of_height_field(model, data)
    if kind == "plane":
        half = [float(side) if side > 0 else ENDLESS for side in model.geom_size[geom][:2]]
        box = _of_unit("box")
        vertices = box.base * np.array([*half, 0.5 * _SLAB])
        vertices[:, 2] -= 0.5 * _SLAB
        return Triangles(vertices, None, None, box.faces)
    return _of_unit(kind)


def _of_height_field(model: mujoco.MjModel, data: int) -> Triangles:
    """Its ground, and the same grid at its bottom."""
    from genesis.utils.terrain import convert_heightfield_to_watertight_trimesh

    n_y, n_x, first = int(model.hfield_nrow[data]), int(model.hfield_ncol[data]), int(model.hfield_adr[data])
    half_x, half_y, top, bottom = (float(number) for number in model.hfield_size[data])
    heights = top * np.asarray(model.hfield_data[first : first + n_x * n_y], dtype=float).reshape(n_y, n_x).T
    _, body = convert_heightfield_to_watertight_trimesh(heights, 1.0, 1.0)
    vertices = np.array(body.vertices)
    vertices[:, 0] = half_x * (2.0 * vertices[:, 0] / (n_x - 1) - 1.0)
    vertices[:, 1] = half_y * (2.0 * vertices[:, 1] / (n_y - 1) - 1.0)
    vertices[n_x * n_y :, 2] = -bottom
    return Triangles(vertices, None, None, np.array(body.faces, np.int32))
