"""Range finders: how far along the z axis of a site, or along the rays of a camera's pixels, the next surface is.

Which surface a ray meets is discrete, and found without a graph; where it meets it is then evaluated anew (`meeting`).
"""

from __future__ import annotations

from dataclasses import dataclass

import mujoco
import numpy as np
import torch

from genesis.model import hulls
from genesis.sensors.frames import focal_lengths
from genesis.sensors.group import Group, Measure
from genesis.sensors.meeting import meeting
from genesis.sensors.objects import Geoms, Objects
from genesis.sensors.present import Present, indices, numbers, turn, turn_back
from genesis.sensors.shapes import SHAPES, TINY

_CAMERA = int(mujoco.mjtObj.mjOBJ_CAMERA)
_MESH, _HFIELD = int(mujoco.mjtGeom.mjGEOM_MESH), int(mujoco.mjtGeom.mjGEOM_HFIELD)
# What a range finder can report, in this order, and how many numbers each is (MuJoCo: mjtRayDataField).
_FIELDS = (("dist", 1), ("dir", 3), ("origin", 3), ("point", 3), ("normal", 3), ("depth", 1))
# Triangles of a leaf, which has one box around it, and boxes that have a larger one around them.
_LEAF, _BRANCHES = 32, 16
# What is looked at in one go takes some tens of megabytes: rays times geoms, rays, each with the boxes on its way, and
# leaves.
_PAIRS_AT_ONCE, _RAYS_AT_ONCE, _LEAVES_AT_ONCE = 2**19, 2**11, 2**13


def can_be_met(m: mujoco.MjModel) -> np.ndarray:
    """Geoms that a ray can meet: those that are not wholly transparent (MuJoCo: ray_eliminate), (ngeom,) bool."""
    material = np.asarray(m.geom_matid)
    alpha = np.array(m.geom_rgba[:, 3])
    if m.nmat:
        alpha = np.where(material >= 0, m.mat_rgba[np.maximum(material, 0), 3], alpha)
    return alpha != 0


def rangefinder(group: Group) -> Measure:
    """Distance [m], or -1 where nothing is met, and what else is asked for; of a camera pixel by pixel, row by row."""
    of_camera = int(group.objtype[0]) == _CAMERA
    place = Objects(group.model, group.objtype, group.objid)
    wanted = [name for bit, (name, _) in enumerate(_FIELDS) if group.settings[0] >> bit & 1]
    per_ray = group.dim // sum(width for name, width in _FIELDS if name in wanted)
    rays = [_pixel_rays(group.model.mj_model, int(camera)) for camera in group.objid] if of_camera else [_UPWARDS]
    start, along = (numbers(np.stack(parts)) for parts in zip(*rays, strict=True))
    targets = _Targets(group, np.repeat(place.body.numpy(force=True), per_ray))

    def measure(now: Present) -> torch.Tensor:
        pos, mat = place.frames(now)
        pos, mat = pos.unsqueeze(2), mat.unsqueeze(2)
        origin, ray = pos + turn(mat, start), turn(mat, along)
        hit, distance, normal = (
            values.unflatten(1, (-1, per_ray)) for values in targets.meet(now, origin.flatten(1, 2), ray.flatten(1, 2))
        )
        depth = distance * (ray * -mat[..., 2]).sum(-1) if of_camera else distance
        distance, depth = (torch.where(hit, values, -1.0).unsqueeze(-1) for values in (distance, depth))
        hit = hit.unsqueeze(-1)
        values = {
            "dist": distance,
            "dir": torch.where(hit, ray, 0.0),
            "origin": origin,
            "point": torch.where(hit, origin + distance * ray, 0.0),
            "normal": torch.where(hit, normal, 0.0),
            "depth": depth,
        }
        return torch.cat([values[name] for name in wanted], -1).flatten(2)

    return measure


# Of a site: where its ray begins, and its direction, in the site's frame, (1, 3).
_UPWARDS = np.zeros((1, 3)), np.array([[0.0, 0.0, 1.0]])


def _pixel_rays(m: mujoco.MjModel, camera: int) -> tuple[np.ndarray, np.ndarray]:
    """Where the ray through each pixel's middle begins [m], and its direction, in the camera's frame,
    (width * height, 3) (MuJoCo: mju_camIntrinsics, mju_camPixelRay)."""
    width, height = (int(count) for count in m.cam_resolution[camera])
    x, y = np.meshgrid(np.arange(width) + 0.5, np.arange(height) + 0.5)
    start, along = np.zeros((width * height, 3)), np.zeros((width * height, 3))
    along[:, 2] = -1.0
    if m.cam_projection[camera] == int(mujoco.mjtProjection.mjPROJ_ORTHOGRAPHIC):
        half_extent = 0.5 * m.cam_fovy[camera]
        start[:, 0] = half_extent * (2.0 / width * x.ravel() - 1.0)
        start[:, 1] = half_extent * (1.0 - 2.0 / height * y.ravel())
        return start, along
    focal, middle = focal_lengths(m, camera), 0.5 * np.array([width, height])
    if m.cam_sensorsize[camera].all():
        # in 32 bits, as MuJoCo does
        middle = m.cam_intrinsic[camera, 2:] / m.cam_sensorsize[camera] * m.cam_resolution[camera].astype(np.float32)
    along[:, 0] = (x.ravel() - middle[0]) / focal[0]
    along[:, 1] = (middle[1] - y.ravel()) / focal[1]
    return start, along / np.linalg.norm(along, axis=1, keepdims=True)


@dataclass(frozen=True)
class _Surface:
    """Triangles of a mesh or height field in the geom's frame, at the size that the model was compiled with.

    Attributes:
        geom: its place among the targets
        corner: (leaves, _LEAF, 3, 3) [m]
        boxes: low and high corners (n, 3) [m] of boxes, a little larger than what they hold; those of the last level
            are the leaves', and box k of another one holds boxes `_BRANCHES` k, ... of the next
    """

    geom: int
    corner: torch.Tensor
    boxes: list[tuple[torch.Tensor, torch.Tensor]]


def _surface(m: mujoco.MjModel, geom: int, place: int) -> _Surface:
    corner = triangles(m, geom)
    corner = corner[_leaves(corner)]
    room = _ROOM * np.abs(corner).max()
    low, high = corner.min((1, 2)) - room, corner.max((1, 2)) + room
    boxes = [(low, high)]
    while len(low) > _BRANCHES:
        starts = np.arange(0, len(low), _BRANCHES)
        low, high = np.minimum.reduceat(low, starts), np.maximum.reduceat(high, starts)
        boxes.insert(0, (low, high))
    return _Surface(place, numbers(corner), [(numbers(low), numbers(high)) for low, high in boxes])


_ROOM = 1e-6  # by which boxes are larger, relative to the whole surface: rounding shall not lose a triangle


class _Targets:
    """The geoms that rays can meet which begin on these bodies, (K,)."""

    def __init__(self, group: Group, body: np.ndarray) -> None:
        m = group.model.mj_model
        geoms = np.flatnonzero(can_be_met(m))
        self.n = len(geoms)
        self._geoms = Geoms(group.model, geoms)
        # A ray passes through the geoms of its own link.
        self._others = self._geoms.body != indices(body)[:, None]
        kind = np.asarray(m.geom_type)[geoms]
        self._of_kind = [
            (int(k), indices(np.flatnonzero(kind == k))) for k in np.unique(kind) if k not in (_MESH, _HFIELD)
        ]
        self._kind = indices(kind)
        self._surfaces = [_surface(m, int(geoms[k]), int(k)) for k in np.flatnonzero(np.isin(kind, (_MESH, _HFIELD)))]
        self._size0 = numbers(np.where(np.isin(kind, (_MESH, _HFIELD))[:, None], hulls.units(m, geoms), 1.0))
        self._scaled = torch.as_tensor(np.isin(kind, (_MESH, _HFIELD)), device=self._kind.device)

    def meet(self, now: Present, origin: torch.Tensor, ray: torch.Tensor):
        """Whether rays (N, K, 3) of unit length meet anything, how far away [m], (N, K), and the unit normal there."""
        if not self.n:
            return torch.zeros_like(ray[..., 0], dtype=torch.bool), torch.zeros_like(ray[..., 0]), torch.zeros_like(ray)
        pos, mat = self._geoms.frames(now)
        size = self._sizes(now)
        with torch.no_grad():
            at_once = max(1, _PAIRS_AT_ONCE // (now.n * self.n))
            parts = [
                self._first_met(some, along, others, pos, mat, size)
                for some, along, others in zip(
                    origin.split(at_once, 1), ray.split(at_once, 1), self._others.split(at_once), strict=True
                )
            ]
            geom, far, flat = (torch.cat(values, 1) for values in zip(*parts, strict=True))
        hit = far.isfinite()
        env = torch.arange(now.n, device=geom.device)[:, None]
        pos, mat, size = pos[env, geom], mat[env, geom], size[env, geom]
        kinds = [one for one, _ in self._of_kind]
        distance, normal = meeting(kinds, self._kind[geom], (pos, mat, size), flat, origin, ray, far)
        return hit, distance, normal

    def _sizes(self, now: Present) -> torch.Tensor:
        """Sizes of the targets, (N, n, 3); of meshes and height fields how much larger than compiled."""
        size = self._geoms.sizes(now)
        return torch.where(self._scaled[:, None], size / self._size0, size)

    def _first_met(self, origin, ray, others, pos, mat, size):
        """The nearest target along each ray, how far it is (infinity: nothing), and the normal of the triangle met."""
        shape = (*origin.shape[:-1], self.n)
        far = origin.new_full(shape, torch.inf)
        flat = torch.zeros_like(origin)
        nearest = origin.new_full(origin.shape[:-1], torch.inf)
        local = turn_back(mat.unsqueeze(1), origin.unsqueeze(2) - pos.unsqueeze(1))
        along = turn_back(mat.unsqueeze(1), ray.unsqueeze(2).expand(*shape, 3))
        for kind, place in self._of_kind:
            each = size[:, None, place].expand(-1, shape[1], -1, -1)
            far[..., place] = SHAPES[kind].distance(each, local[:, :, place], along[:, :, place])
        for surface in self._surfaces:
            g = surface.geom
            scale = size[:, None, g]
            x, normal = _triangle_met(surface, local[:, :, g] / scale, along[:, :, g] / scale)
            x = torch.where(others[:, g], x, torch.inf)
            far[..., g] = x
            closer = x < nearest
            flat = torch.where(closer.unsqueeze(-1), normal / scale, flat)
            nearest = torch.where(closer, x, nearest)
        far = torch.where(others, far, torch.inf)
        first, geom = far.min(-1)
        return geom, first, torch.nn.functional.normalize(flat, dim=-1)


def triangles(m: mujoco.MjModel, geom: int) -> np.ndarray:
    """Triangles of a mesh or height field in the geom's frame [m], (n, 3, 3)."""
    data = int(m.geom_dataid[geom])
    if m.geom_type[geom] == _MESH:
        first, count = m.mesh_faceadr[data], m.mesh_facenum[data]
        return m.mesh_vert[m.mesh_vertadr[data] + m.mesh_face[first : first + count]].astype(float)
    return _field_triangles(m, data)


def _field_triangles(m: mujoco.MjModel, field: int) -> np.ndarray:
    """Surface of a height field, its sides, and the box below it, (n, 3, 3) [m]."""
    nrow, ncol, adr = int(m.hfield_nrow[field]), int(m.hfield_ncol[field]), int(m.hfield_adr[field])
    half_x, half_y, high, deep = m.hfield_size[field]
    x, y = np.meshgrid(np.linspace(-half_x, half_x, ncol), np.linspace(-half_y, half_y, nrow))
    top = np.stack([x, y, high * m.hfield_data[adr : adr + nrow * ncol].reshape(nrow, ncol).astype(float)], -1)
    a, b, c, d = top[:-1, :-1], top[:-1, 1:], top[1:, 1:], top[1:, :-1]
    parts = [np.stack([a, b, c], -2).reshape(-1, 3, 3), np.stack([a, c, d], -2).reshape(-1, 3, 3)]
    for edge in (top[0], top[-1], top[:, 0], top[:, -1]):
        low = edge.copy()
        low[:, 2] = -deep
        parts += [np.stack([edge[:-1], edge[1:], low[1:]], 1), np.stack([edge[:-1], low[1:], low[:-1]], 1)]
    for level in (0.0, -deep):
        corner = np.array([[s * half_x, t * half_y, level] for s, t in ((-1, -1), (1, -1), (1, 1), (-1, 1))])
        parts.append(corner[[[0, 1, 2], [0, 2, 3]]])
    return np.concatenate(parts)


def _leaves(corner: np.ndarray) -> np.ndarray:
    """Triangles (n, 3, 3), each with its neighbours: numbers of the triangles of each leaf, (leaves, _LEAF)."""
    middle = corner.mean(1)
    waiting, leaves = [np.arange(len(corner))], []
    while waiting:
        part = waiting.pop()
        if len(part) <= _LEAF:
            leaves.append(np.resize(part, _LEAF))  # the first ones again, where there are fewer
            continue
        axis = np.ptp(middle[part], axis=0).argmax()
        part = part[np.argsort(middle[part, axis])]
        waiting += [part[: len(part) // 2], part[len(part) // 2 :]]
    return np.array(leaves)


def _triangle_met(surface: _Surface, point: torch.Tensor, ray: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The nearest triangle along rays (N, k, 3), from either side: how far, and its normal."""
    points, rays = point.reshape(-1, 3), ray.reshape(-1, 3)
    some = zip(points.split(_RAYS_AT_ONCE), rays.split(_RAYS_AT_ONCE), strict=True)
    parts = [_nearest(surface, *part) for part in some]
    best, normal = (torch.cat(values) for values in zip(*parts, strict=True))
    return best.reshape(point.shape[:-1]), normal.reshape(point.shape)


def _nearest(surface: _Surface, point: torch.Tensor, ray: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The same of rays (R, 3): triangles are looked at where the ray passes the box around their leaf."""
    which, leaf = _leaves_on_the_way(surface, point, ray)
    best, normal = point.new_full(point.shape[:-1], torch.inf), torch.zeros_like(point)
    for r, corner in zip(which.split(_LEAVES_AT_ONCE), leaf.split(_LEAVES_AT_ONCE), strict=True):
        x, across = _meet_triangles(surface.corner[corner], point[r], ray[r])
        best = best.scatter_reduce(0, r, x, "amin")
        nearest = x == best[r]
        normal[r[nearest]] = across[nearest]
    return best, normal


def _leaves_on_the_way(surface: _Surface, point: torch.Tensor, ray: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Rays and leaves whose boxes they pass, (P,) each; a box is looked at where the ray passes the one around it."""
    inverse = 1.0 / torch.where(ray.abs() < TINY, TINY, ray)
    top = len(surface.boxes[0][0])
    which = torch.arange(len(ray), device=ray.device).repeat_interleave(top)
    box = torch.arange(top, device=ray.device).repeat(len(ray))
    children = torch.arange(_BRANCHES, device=ray.device)
    for level, (low, high) in enumerate(surface.boxes):
        if level > 0:
            box = (_BRANCHES * box.unsqueeze(1) + children).flatten()
            which = which.repeat_interleave(_BRANCHES)
            there = box < len(low)
            which, box = which[there], box[there]
        start, along = point[which], inverse[which]
        one, two = (low[box] - start) * along, (high[box] - start) * along
        enters, leaves = torch.minimum(one, two).amax(-1), torch.maximum(one, two).amin(-1)
        passed = leaves >= enters.clamp(min=0.0)
        which, box = which[passed], box[passed]
    return which, box


def _meet_triangles(corner: torch.Tensor, point: torch.Tensor, ray: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The nearest of n triangles, (P, n, 3, 3), along each ray, (P, 3): how far (P,), and its normal."""
    first, ray = corner[:, :, 0], ray.unsqueeze(1).expand((*corner.shape[:2], 3))
    one, two = corner[:, :, 1] - first, corner[:, :, 2] - first
    across = torch.linalg.cross(one, two)
    slope = (ray * across).sum(-1)
    none = slope.abs() < TINY
    slope = torch.where(none, 1.0, slope)
    # Moeller and Trumbore: barycentric coordinates u, v of where the ray passes the plane.
    arm = point.unsqueeze(1) - first
    turned = torch.linalg.cross(arm, ray)
    u, v = -(turned * two).sum(-1) / slope, (turned * one).sum(-1) / slope
    x = -(arm * across).sum(-1) / slope
    x = torch.where(none | (u < 0) | (v < 0) | (u + v > 1) | (x < 0), torch.inf, x)
    nearest, which = x.min(-1)
    return nearest, across[torch.arange(len(which), device=which.device), which]
