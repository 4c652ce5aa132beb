"""Where a ray meets the surface that it is known to meet, as a function of the ray and of the surface.

With c the point that was met, fixed to its geom, and n the normal there,

    distance = (c - origin) . n / (direction . n)

whose derivative is that of the true intersection, however the surface is curved (implicit function theorem).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch

from genesis.sensors.present import turn, turn_back
from genesis.sensors.shapes import SHAPES, TINY

# Positions [m], (..., 3), orientations (..., 3, 3) and sizes (..., 3) of the geom that each ray meets; of meshes and
# height fields how much larger they are than compiled.
Places = tuple[torch.Tensor, torch.Tensor, torch.Tensor]


def meeting(
    kinds: Sequence[int],
    kind: torch.Tensor,
    places: Places,
    flat: torch.Tensor,
    origin: torch.Tensor,
    ray: torch.Tensor,
    far: torch.Tensor,
) -> tuple[torch.Tensor, torch.Tensor]:
    """How far rays (..., 3) of unit length go [m], (...), and the unit normal there, (..., 3).

    `kinds`: types of `SHAPES` that are met; `kind`: that of each ray's geom, (...); `flat`: of other geoms the normal
    of the triangle that is met, in the geom's frame; `far`: how far the ray goes, without graph, infinite where it
    meets nothing.
    """
    pos, mat, size = places
    hit = far.isfinite()
    with torch.no_grad():
        met = turn_back(mat, origin + torch.where(hit, far, 0.0).unsqueeze(-1) * ray - pos)
    anchor, normal = met / torch.where(size == 0, 1.0, size).detach() * size, flat
    for one in kinds:
        is_one, shape = (kind == one).unsqueeze(-1), SHAPES[one]
        anchor = torch.where(is_one, shape.anchor(size, met), anchor)
        normal = torch.where(is_one, shape.normal(size, met), normal)
    world_normal = turn(mat, normal)
    slope = (ray * world_normal).sum(-1)
    ahead = pos + turn(mat, anchor) - origin
    distance = (ahead * world_normal).sum(-1) / torch.where(slope == 0, 1.0, slope)
    # Where a ray grazes, the distance has no derivative.
    distance = torch.where(slope.abs() < TINY, far, distance)
    moved = turn_back(mat, origin + torch.where(hit, distance, 0.0).unsqueeze(-1) * ray - pos)
    for one in kinds:
        normal = torch.where((kind == one).unsqueeze(-1), SHAPES[one].normal(size, moved), normal)
    return distance, turn(mat, torch.nn.functional.normalize(normal, dim=-1))
