"""Where shapes are: their frames, vertices and boxes in the world, differentiable by state and parameters."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING

import numpy as np
import torch

from genesis import runtime
from genesis.entities.access import read_numbers
from genesis.entities.triangles import Triangles, of_geom
from genesis.errors import GenesisException
from genesis.math.rotation import quat_mul, quat_normalize, quat_rotate, quat_to_mat
from genesis.world.catalogue import CONSTRAINT_PARAMETERS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from genesis.world.arguments import Selection
    from genesis.world.world import World

_POS, _QUAT, _SIZE = (CONSTRAINT_PARAMETERS[f"geoms_{name}"] for name in ("offset_pos", "offset_quat", "size"))
# Shapes whose box follows from size and orientation; that of the others is the box of their vertices.
_ROUND = ("box", "sphere", "capsule", "ellipsoid", "cylinder")


_kept: weakref.WeakKeyDictionary[World, dict[int, Triangles]] = weakref.WeakKeyDictionary()


def triangles(world: World, geom: int) -> Triangles:
    """Those of a geom by its scene number, at build; shared, not to be written to."""
    known = _kept.setdefault(world, {})
    if geom not in known:
        known[geom] = of_geom(world.composed.mj_model, geom)
    return known[geom]


def solid_geoms(world: World) -> np.ndarray:
    """Of each geom of the scene, whether it collides with anything at all: by its bits, or as one of a pair."""
    m = world.composed.mj_model
    solid = (m.geom_contype != 0) | (m.geom_conaffinity != 0)
    solid[np.concatenate([m.pair_geom1, m.pair_geom2]).astype(int)] = True
    return solid


def frames(
    world: World, geoms: Sequence[int], envs: Selection | None
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Of k geoms: positions [m] (N, k, 3), quaternions (N, k, 4), unit, and MuJoCo's sizes [m], (N or 1, k, 3)."""
    numbers = np.asarray(geoms, dtype=np.int64)
    body = torch.as_tensor(world.composed.mj_model.geom_bodyid[numbers], dtype=torch.int64, device=runtime.device)
    at, turned = (world.observer.get(name).index_select(1, body) for name in ("xpos", "xquat"))
    if envs is not None:
        at, turned = (value.index_select(0, envs.tensor()) for value in (at, turned))
    pos, quat, size = (read_numbers(world, parameter, numbers, envs) for parameter in (_POS, _QUAT, _SIZE))
    size = size if size.ndim == 3 else size.unsqueeze(0)
    return at + quat_rotate(turned, pos), quat_normalize(quat_mul(turned, quat)), size


def vertices(world: World, geoms: Sequence[int], envs: Selection | None) -> torch.Tensor:
    """Vertices of geoms, one after the other, [m], world frame, (N, n, 3)."""
    pos, quat, size = frames(world, geoms, envs)
    parts = []
    for k, geom in enumerate(geoms):
        local = _local(world, triangles(world, geom), geom, size[:, k])
        parts.append(quat_rotate(quat[:, k : k + 1], local) + pos[:, k : k + 1])
    return torch.cat(parts, 1) if parts else pos.new_zeros(pos.shape[0], 0, 3)


def _local(world: World, shape: Triangles, geom: int, size: torch.Tensor) -> torch.Tensor:
    """Vertices (N or 1, n, 3) in the frame of the geom."""
    base = torch.as_tensor(shape.base, dtype=size.dtype, device=size.device)
    if shape.scale is None:
        first = torch.as_tensor(world.composed.mj_model.geom_size[geom], dtype=size.dtype, device=size.device)
        ratio = torch.where(first > 0, size / torch.where(first > 0, first, 1.0), 1.0)
        return base * ratio.unsqueeze(-2)
    local = base * (size @ torch.as_tensor(shape.scale, dtype=size.dtype, device=size.device)).unsqueeze(-2)
    if shape.shift is None:
        return local
    shift = torch.as_tensor(shape.shift, dtype=size.dtype, device=size.device) * size[:, 1:2]
    return local + torch.nn.functional.pad(shift.unsqueeze(-1), (2, 0))


def boxes(world: World, geoms: Sequence[int], envs: Selection | None) -> torch.Tensor:
    """Least and greatest coordinates of geoms, along the axes of the world, [m], (N, k, 2, 3).

    Those of the shapes themselves: of a sphere its middle less and plus its radius.
    """
    pos, quat, size = frames(world, geoms, envs)
    kinds = [world.geom_type(geom) for geom in geoms]
    low: list[torch.Tensor] = [pos[:, k] for k in range(len(geoms))]
    high = list(low)
    for kind in dict.fromkeys(kinds):
        chosen = [k for k, name in enumerate(kinds) if name == kind]
        if kind in _ROUND:
            half = _half_sides(kind, size[:, chosen], quat_to_mat(quat[:, chosen]))
            for i, k in enumerate(chosen):
                low[k], high[k] = pos[:, k] - half[:, i], pos[:, k] + half[:, i]
            continue
        for k in chosen:
            local = _local(world, triangles(world, geoms[k]), geoms[k], size[:, k])
            points = quat_rotate(quat[:, k : k + 1], local) + pos[:, k : k + 1]
            low[k], high[k] = points.min(1).values, points.max(1).values
    least, most = torch.stack(low, 1), torch.stack(high, 1)
    # Of an entity with variants, the geoms of the others have no size in an env and bound nothing.
    solid = torch.tensor([kind != "plane" for kind in kinds], device=size.device)
    absent = ((size == 0).all(-1) & solid).expand(least.shape[:2])
    absent = (absent & ~absent.all(1, keepdim=True)).unsqueeze(-1)
    least, most = torch.where(absent, torch.inf, least), torch.where(absent, -torch.inf, most)
    return torch.stack([least, most], 2)


def _half_sides(kind: str, size: torch.Tensor, matrix: torch.Tensor) -> torch.Tensor:
    """Half sides (N, k, 3) of the boxes along the world's axes around shapes with these sizes and orientations.

    How far a shape reaches along a unit vector e: e_i of the world is the i-th row of the matrix in the shape's frame.
    """
    size = size.expand(*matrix.shape[:-2], 3)
    if kind == "sphere":
        return size[..., :1].expand(size.shape)
    if kind == "box":
        return (matrix.abs() @ size.unsqueeze(-1)).squeeze(-1)
    if kind == "ellipsoid":
        return torch.linalg.vector_norm(matrix * size.unsqueeze(-2), dim=-1)
    along = size[..., 1:2] * matrix[..., 2].abs()
    if kind == "capsule":
        return size[..., :1] + along
    # How far a disc reaches; where the axis of the cylinder is e itself, its kink, the gradient is zero.
    return along + size[..., :1] * torch.linalg.vector_norm(matrix[..., :2], dim=-1)


def around(boxed: torch.Tensor) -> torch.Tensor:
    """The box around boxes (N, k, 2, 3): (N, 2, 3)."""
    return torch.stack([boxed[:, :, 0].min(1).values, boxed[:, :, 1].max(1).values], 1)


def require_some(geoms: Sequence[int], owner: str, kind: str) -> None:
    """Raise GenesisException where there is no geom."""
    if not len(geoms):
        raise GenesisException(f"{owner}: it has no {kind} shape, so there is nothing to measure.")
