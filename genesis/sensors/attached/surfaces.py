"""The nearest surfaces of a scene to points."""

from __future__ import annotations

from typing import NamedTuple

import torch
import warp as wp

from genesis.errors import GenesisException
from genesis.rigid.door import native, refuse_transforms
from genesis.rigid.kernels.nearest_triangle import nearest_triangle
from genesis.sensors.attached.casting import Scenery, launch
from genesis.sensors.nearness import NEAREST, of_triangle
from genesis.sensors.present import Present, turn, turn_back
from genesis.sensors.shapes import PLANE
from genesis.types import load_kernels, real, vec3


class Near(NamedTuple):
    """Of N envs and P points.

    Attributes:
        distance: (N, P) [m], signed, negative inside; infinity where nothing is looked for
        point: (N, P, 3) [m], the nearest point of the surface, and normal: outward there, world frame
        geom: (N, P) number of the geom in the scenery
    """

    distance: torch.Tensor
    point: torch.Tensor
    normal: torch.Tensor
    geom: torch.Tensor


def nearest(scenery: Scenery, now: Present, point: torch.Tensor, counts: torch.Tensor, unsigned: bool) -> Near:
    """Of points (N, P, 3) of the world: the nearest surface of the geoms that count, (N or 1, G) bool.

    `unsigned`: whether the nearest surface counts, whichever side the point is on; else the least signed distance.
    Which geom and triangle are nearest is discrete, where they are nearest is differentiable.

    Raises GenesisException for a mesh that is stretched differently along its axes.
    """
    refuse_transforms("a sensor that looks for surfaces")
    n, count = point.shape[:2]
    pos, mat, size = scenery.places(now)
    local = turn_back(mat.unsqueeze(1), point.unsqueeze(2) - pos.unsqueeze(1))
    each = size.unsqueeze(1).expand(-1, count, -1, -1)
    found, normals = torch.zeros_like(local), torch.zeros_like(local)
    for kind in scenery.kinds:
        place = torch.nonzero(scenery.kind == kind).flatten()
        c, m = NEAREST[kind](each[:, :, place], local[:, :, place])
        found, normals = found.index_copy(2, place, c), normals.index_copy(2, place, m)
    # Of an entity with variants, the geoms of the others have no size in an env.
    absent = (size == 0).all(-1) & (scenery.kind != PLANE)
    there = (counts & ~absent).unsqueeze(1).expand(n, count, -1)
    place = torch.nonzero(scenery.scaled).flatten()
    if len(place):
        c, m, seen = _of_meshes(scenery, place, each[:, :, place], local[:, :, place])
        found, normals = found.index_copy(2, place, c), normals.index_copy(2, place, m)
        there = there & there.new_ones(there.shape).index_copy(2, place, seen)
    apart = ((local - found) * normals.detach()).sum(-1)
    with torch.no_grad():
        far = torch.where(there, apart.abs() if unsigned else apart, torch.inf)
        geom = far.argmin(-1) if far.shape[-1] else torch.zeros((n, count), dtype=torch.int64, device=point.device)
    if not far.shape[-1]:
        return Near(point.new_full((n, count), torch.inf), point, torch.zeros_like(point), geom)
    env, row = (torch.arange(k, device=geom.device) for k in (n, count))
    chosen = env[:, None], row[None], geom
    known = there[chosen]
    turned, origin = mat[env[:, None], geom], pos[env[:, None], geom]
    return Near(
        torch.where(known, apart[chosen], torch.inf),
        torch.where(known.unsqueeze(-1), origin + turn(turned, found[chosen]), point),
        torch.where(known.unsqueeze(-1), turn(turned, normals[chosen]), 0.0),
        geom,
    )


def _of_meshes(
    scenery: Scenery, place: torch.Tensor, size: torch.Tensor, local: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """The nearest points of meshes, normals there, and whether any was found, (N, P, M, ...)."""
    stretch = size.detach()
    if bool(((stretch.amax(-1) - stretch.amin(-1)) > 1e-6 * stretch.amax(-1)).any()):
        raise GenesisException(
            "a sensor looks for the nearest point of a mesh whose size was set differently along its axes, which is "
            "not simulated; scale it evenly."
        )
    device = wp.device_from_torch(local.device)
    load_kernels(device, [nearest_triangle])
    with torch.no_grad():
        asked = native(local / stretch)
        reach = torch.full(asked.shape[:3], 1e6, dtype=asked.dtype, device=asked.device)
        triangle, inside = (torch.zeros(asked.shape[:3], dtype=torch.int32, device=asked.device) for _ in range(2))
        tables = scenery.mesh_ids(place), wp.from_torch(scenery.first[place].to(torch.int32).contiguous())
        given = [*tables, wp.from_torch(asked, dtype=vec3), wp.from_torch(reach, dtype=real)]
        dim = tuple(asked.shape[:3])
        launch(nearest_triangle, dim, [*given, wp.from_torch(triangle), wp.from_torch(inside)], device)
    corner = scenery.corner[triangle.long().clamp(min=0)] * size.unsqueeze(-2)
    return *of_triangle(corner, inside == 1, local), triangle >= 0
