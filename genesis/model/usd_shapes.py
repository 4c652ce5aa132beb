"""Shapes of a USD stage, as geoms of an `MjSpec`: primitives where scale leaves them one, else meshes."""

from __future__ import annotations

from collections.abc import Callable, Container
from typing import Any

import mujoco
import numpy as np

from genesis.model import meshes
from genesis.model.robot_files import HIDDEN_GROUP, unused_name
from genesis.model.usd_stage import AXES, ROUNDING, Frame, Stage, rotation_and_scale

DEFAULT_DENSITY = 1000.0  # [kg/m3] of UsdPhysics, as of MuJoCo
_VISUAL_GROUP = 1  # MuJoCo's group for what a URDF only draws
_SECTIONS = 32  # sides of a round shape that becomes a mesh


class Shapes:
    """Adds shapes to the bodies of `spec`; equal meshes are kept once."""

    def __init__(self, stage: Stage, spec: mujoco.MjSpec) -> None:
        self._stage, self._spec = stage, spec
        self._meshes: dict[tuple[bytes, bytes, bool], str] = {}
        self._names: set[str] = set()

    def add(self, prim: Any, body: mujoco.MjsBody, frame: Frame, *, collides: bool, weighs: bool) -> mujoco.MjsGeom:
        """The geom of a prim on a body whose frame in the stage is `frame`; `weighs`: its mass is the body's."""
        linear, position = self._stage.matrix(prim)
        geom = body.add_geom()
        geom.name = unused_name(prim.GetName(), self._names)
        self._names.add(geom.name)
        geom.pos = frame.rotation.T @ (position - frame.position)
        local = frame.rotation.T @ linear
        kind = prim.GetTypeName()
        if kind == "Mesh":
            self._mesh(prim, geom, local, weighs, collides)
        else:
            PRIMITIVES[kind](self, prim, geom, local, weighs)
        if not collides:
            geom.contype = geom.conaffinity = 0
            geom.group = _VISUAL_GROUP
        elif not is_drawn(self._stage, prim):
            geom.group = HIDDEN_GROUP
        return geom

    # ------------------------------------------------------------------ primitives

    def _cube(self, prim: Any, geom: mujoco.MjsGeom, linear: np.ndarray, weighs: bool) -> None:
        half = self._size(prim, "size") / 2
        rotation, scale = rotation_and_scale(linear)
        if scale is None:
            import trimesh

            return self._tessellated(prim, geom, trimesh.creation.box((2 * half,) * 3), linear, weighs)
        _set(geom, mujoco.mjtGeom.mjGEOM_BOX, rotation, half * scale)

    def _sphere(self, prim: Any, geom: mujoco.MjsGeom, linear: np.ndarray, weighs: bool) -> None:
        radius = self._size(prim, "radius")
        rotation, scale = rotation_and_scale(linear)
        if scale is None:
            import trimesh

            return self._tessellated(prim, geom, trimesh.creation.icosphere(radius=radius), linear, weighs)
        if _equal(*scale):
            _set(geom, mujoco.mjtGeom.mjGEOM_SPHERE, rotation, [radius * scale[0], 0, 0])
        else:
            _set(geom, mujoco.mjtGeom.mjGEOM_ELLIPSOID, rotation, radius * scale)

    def _capsule(self, prim: Any, geom: mujoco.MjsGeom, linear: np.ndarray, weighs: bool) -> None:
        radius, height = self._size(prim, "radius"), self._size(prim, "height")
        linear = linear @ self._axis(prim)
        rotation, scale = rotation_and_scale(linear)
        if scale is None or not _equal(*scale):
            import trimesh

            mesh = trimesh.creation.capsule(height, radius, count=(_SECTIONS, _SECTIONS))
            return self._tessellated(prim, geom, mesh, linear, weighs)
        _set(geom, mujoco.mjtGeom.mjGEOM_CAPSULE, rotation, [radius * scale[0], height / 2 * scale[0], 0])

    def _cylinder(self, prim: Any, geom: mujoco.MjsGeom, linear: np.ndarray, weighs: bool) -> None:
        radius, height = self._size(prim, "radius"), self._size(prim, "height")
        linear = linear @ self._axis(prim)
        rotation, scale = rotation_and_scale(linear)
        if scale is None or not _equal(scale[0], scale[1]):
            import trimesh

            mesh = trimesh.creation.cylinder(radius, height, sections=_SECTIONS)
            return self._tessellated(prim, geom, mesh, linear, weighs)
        _set(geom, mujoco.mjtGeom.mjGEOM_CYLINDER, rotation, [radius * scale[0], height / 2 * scale[2], 0])

    def _cone(self, prim: Any, geom: mujoco.MjsGeom, linear: np.ndarray, weighs: bool) -> None:
        import trimesh

        radius, height = self._size(prim, "radius"), self._size(prim, "height")
        mesh = trimesh.creation.cone(radius, height, sections=_SECTIONS)
        mesh.vertices -= [0.0, 0.0, height / 2]  # USD's cone is centred
        self._tessellated(prim, geom, mesh, linear @ self._axis(prim), weighs)

    def _plane(self, prim: Any, geom: mujoco.MjsGeom, linear: np.ndarray, weighs: bool) -> None:
        geom.type = mujoco.mjtGeom.mjGEOM_PLANE
        geom.size = [0.0, 0.0, 1.0]  # 0: infinite, as in UsdPhysics
        mujoco.mju_quatZ2Vec(geom.quat, (linear @ self._axis(prim))[:, 2])

    def _size(self, prim: Any, name: str) -> float:
        size = self._stage.number(prim, name)
        if size <= 0:
            raise self._stage.error(prim, f"{name} = {size:g}: expected a positive number.")
        return size

    def _axis(self, prim: Any) -> np.ndarray:
        return AXES[self._stage.axis(prim, "axis", "Z")]

    # ------------------------------------------------------------------ meshes

    def _mesh(self, prim: Any, geom: mujoco.MjsGeom, linear: np.ndarray, weighs: bool, collides: bool) -> None:
        points, faces = self._triangles(prim)
        approximation = str(self._stage.value(prim, "physics:approximation", "none")) if collides else "none"
        if approximation in ("boundingCube", "boundingSphere"):
            rotation, scale = rotation_and_scale(linear)
            if scale is not None:
                low, high = points.min(0), points.max(0)
                middle = (low + high) / 2
                geom.pos = geom.pos + linear @ middle
                if approximation == "boundingCube":
                    return _set(geom, mujoco.mjtGeom.mjGEOM_BOX, rotation, (high - low) / 2 * scale)
                radius = np.linalg.norm((points - middle) * scale, axis=1).max()
                return _set(geom, mujoco.mjtGeom.mjGEOM_SPHERE, rotation, [radius, 0, 0])
        if approximation in ("convexDecomposition", "meshSimplification", "sdf"):
            self._stage.note(
                f"{approximation} of meshes, which collide as their convex hulls (split them by "
                "decompose_robot_error_threshold=0.15)",
                prim,
            )
        self._fill(prim, geom, points, faces, linear, weighs)

    def _triangles(self, prim: Any) -> tuple[np.ndarray, np.ndarray]:
        """Points (n, 3), in the prim's own units, and triangles (m, 3), turning outwards as the file has it."""
        stage = self._stage
        points = stage.array(prim, "points", ())
        counts = stage.array(prim, "faceVertexCounts", (), int)
        corners = stage.array(prim, "faceVertexIndices", (), int)
        if not len(points) or not len(counts) or not len(corners):
            raise stage.error(prim, "the mesh has no points or no faces. Export it again, or deactivate the prim.")
        if points.ndim != 2 or points.shape[1] != 3 or counts.ndim != 1 or corners.ndim != 1:
            raise stage.error(prim, "the points or faces of the mesh are not what the schema says. Export it again.")
        if not np.isfinite(points).all():
            raise stage.error(prim, "the mesh has points that are not finite numbers. Export it again.")
        if counts.min() < 3 or counts.sum() != len(corners) or corners.min() < 0 or corners.max() >= len(points):
            raise stage.error(prim, "the faces of the mesh name points that it does not have. Export it again.")
        starts = np.cumsum(counts) - counts
        fans = np.repeat(starts, counts - 2)  # a polygon is a fan of triangles about its first corner
        steps = np.arange(len(fans)) - np.repeat(np.cumsum(counts - 2) - (counts - 2), counts - 2)
        faces = corners[np.stack([fans, fans + steps + 1, fans + steps + 2], axis=1)]
        if str(stage.value(prim, "orientation", "rightHanded")) == "leftHanded":
            faces = faces[:, ::-1]
        return points, faces

    def _tessellated(self, prim: Any, geom: mujoco.MjsGeom, mesh: Any, linear: np.ndarray, weighs: bool) -> None:
        if prim.GetTypeName() != "Cone":
            self._stage.note("primitives that their scale makes into another shape, which become meshes", prim)
        self._fill(prim, geom, np.array(mesh.vertices), np.array(mesh.faces), linear, weighs)

    def _fill(
        self, prim: Any, geom: mujoco.MjsGeom, points: np.ndarray, faces: np.ndarray, linear: np.ndarray, weighs: bool
    ) -> None:
        rotation, _ = rotation_and_scale(linear)
        vertices = points @ (rotation.T @ linear).T
        if np.linalg.det(linear) < 0:
            faces = faces[:, ::-1]
        triangles = meshes.merged(vertices, faces)
        key = (triangles.vertices.astype(np.float32).tobytes(), triangles.faces.tobytes(), weighs)
        if key not in self._meshes:
            mesh = self._spec.add_mesh(name=unused_name(prim.GetName(), set(self._meshes.values())))
            mesh.uservert = triangles.vertices.astype(np.float32).ravel()
            mesh.userface = triangles.faces.ravel()
            mesh.inertia = meshes.inertia_kind(triangles) if weighs else mujoco.mjtMeshInertia.mjMESH_INERTIA_SHELL
            self._meshes[key] = mesh.name
        _set(geom, mujoco.mjtGeom.mjGEOM_MESH, rotation, [0.0, 0.0, 0.0])
        geom.meshname = self._meshes[key]


PRIMITIVES: dict[str, Callable[[Shapes, Any, mujoco.MjsGeom, np.ndarray, bool], None]] = {
    "Cube": Shapes._cube,
    "Sphere": Shapes._sphere,
    "Capsule": Shapes._capsule,
    "Cylinder": Shapes._cylinder,
    "Cone": Shapes._cone,
    "Plane": Shapes._plane,
}
SHAPES = frozenset({"Mesh", *PRIMITIVES})


def collides_by_schema(stage: Stage, prim: Any, bodies: Container[Any]) -> bool:
    """Whether a shape has PhysicsCollisionAPI, itself or by a prim between it and its body."""
    from pxr import UsdPhysics

    while prim:
        if prim.HasAPI(UsdPhysics.CollisionAPI):
            return bool(stage.value(prim, "physics:collisionEnabled", True))
        if prim.GetPath() in bodies:
            break
        prim = prim.GetParent()
    return False


def is_drawn(stage: Stage, prim: Any) -> bool:
    """Whether a renderer would show the prim: it is visible, and neither a guide nor a proxy."""
    from pxr import UsdGeom

    imageable = UsdGeom.Imageable(prim)
    visible = imageable.ComputeVisibility(stage.time) != UsdGeom.Tokens.invisible
    return visible and imageable.ComputePurpose() in (UsdGeom.Tokens.default_, UsdGeom.Tokens.render)


def _set(geom: mujoco.MjsGeom, kind: mujoco.mjtGeom, rotation: np.ndarray, size: Any) -> None:
    geom.type = kind
    geom.quat = Frame(rotation, np.zeros(3)).quat
    geom.size = size


def _equal(*lengths: float) -> bool:
    return max(lengths) - min(lengths) <= ROUNDING * max(lengths)
