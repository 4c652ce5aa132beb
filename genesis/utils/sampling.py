"""Random rotations, points on surfaces and curves through points, under Genesis's names."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from genesis import runtime
from genesis.errors import GenesisException
from genesis.utils.arrays import Argument, takes


def random_quaternion(batch_size: int) -> np.ndarray:
    """Unit quaternions (batch_size, 4) of uniformly distributed rotations, from NumPy's global generator.

    K. Shoemake, Uniform random rotations, Graphics Gems III, 1992.
    """
    share, first, second = np.random.rand(3, batch_size)  # noqa: NPY002 (gs.init(seed=...) seeds this generator)
    a, b = np.sqrt(1.0 - share), np.sqrt(share)
    first, second = 2.0 * np.pi * first, 2.0 * np.pi * second
    return np.stack([a * np.sin(first), a * np.cos(first), b * np.sin(second), b * np.cos(second)], 1)


@takes(a=Argument(3))
def orthogonals(a: Any) -> tuple[Any, Any]:
    """Two unit vectors b, c (..., 3) across unit vectors `a` (..., 3): a right-handed frame (b, c, a).

    Not continuous: c is the world's y axis, made orthogonal to `a`, or its z axis where `a` is nearer to y.
    """
    y, z = (a.new_tensor(axis) for axis in ((0.0, 1.0, 0.0), (0.0, 0.0, 1.0)))
    axis = torch.where(a[..., 1:2].abs() < 0.5, y, z)
    c = axis - (axis * a).sum(-1, keepdim=True) * a
    c = c / torch.linalg.vector_norm(c, dim=-1, keepdim=True)
    return torch.linalg.cross(c, a), c


def generate_grid_points_on_plane(
    lo: Sequence[float], hi: Sequence[float], normal: Any, nx: int, ny: int
) -> np.ndarray:
    """Points (ny, nx, 3) of a grid on a plane across `normal`, from the corner `lo` to the corner `hi` [m].

    The axes of the grid are those of `orthogonals`. Corners that are not in one plane across the normal: half-way, and
    a warning. Raises GenesisException for a normal without length.
    """
    normal = np.asarray(normal, dtype=runtime.np_float)
    length = float(np.linalg.norm(normal))
    if length < runtime.EPS:
        raise GenesisException(f"generate_grid_points_on_plane: `normal` is {normal.tolist()}; expected a direction.")
    normal = normal / length
    axes = np.stack([*orthogonals(normal), normal])
    low, high = (axes @ np.asarray(corner, dtype=runtime.np_float) for corner in (lo, hi))
    if abs(high[2] - low[2]) > runtime.EPS:
        runtime.logger.warning(
            "generate_grid_points_on_plane: the corners are %.3g m apart along the normal; the grid is half-way.",
            abs(high[2] - low[2]),
        )
    across = np.linspace(low[0], high[0], nx, dtype=runtime.np_float)
    along = np.linspace(low[1], high[1], ny, dtype=runtime.np_float)
    place = np.empty((ny, nx, 3), dtype=runtime.np_float)
    place[..., 0], place[..., 1], place[..., 2] = across, along[:, None], 0.5 * (low[2] + high[2])
    return place @ axes


def generate_ring_points_on_sphere(
    radius: float,
    cap_axis: Sequence[float],
    n_rings: int,
    arc_spacing: float,
    return_normals: bool = False,
) -> Any:
    """Points (n, 3) [m] of rings on a half sphere around the origin, from its pole along `cap_axis` to its equator.

    The points of a ring are evenly spaced, at most `arc_spacing` [m] apart, and at least three; the first ring is the
    pole itself. `return_normals`: outward unit normals (n, 3) as well. Raises GenesisException for a number that is not
    above zero, and an axis without length.
    """
    owner = "generate_ring_points_on_sphere"
    for name, value, least in (("radius", radius, 0.0), ("arc_spacing", arc_spacing, 0.0), ("n_rings", n_rings, 0)):
        if not value > least:
            raise GenesisException(f"{owner}: `{name}` is {value}; expected a number above zero.")
    axis = np.asarray(cap_axis, dtype=runtime.np_float)
    length = float(np.linalg.norm(axis))
    if length < runtime.EPS:
        raise GenesisException(f"{owner}: `cap_axis` is {axis.tolist()}; expected a direction.")
    pole = axis / length
    first, second = orthogonals(pole)
    rings = []
    for k in range(n_rings):
        angle = 0.5 * math.pi * k / max(n_rings - 1, 1)
        around = 2.0 * math.pi * radius * math.sin(angle)
        count = 1 if k == 0 else max(3, math.ceil(around / arc_spacing))
        turn = 2.0 * math.pi * np.arange(count)[:, None] / count
        rings.append(math.sin(angle) * (np.cos(turn) * first + np.sin(turn) * second) + math.cos(angle) * pole)
    normals = np.concatenate(rings).astype(runtime.np_float)
    return (radius * normals, normals) if return_normals else radius * normals


@takes(x=Argument(-1, leads=False), y=Argument(leads=False), xv=Argument(may_be_number=True, leads=False))
def cubic_spline_1d(x: Any, y: Any, xv: Any) -> Any:
    """Values (n_v, m) at `xv` (n_v,) of the cubic splines through `y` (n,) or (n, m) at the increasing `x` (n,).

    Twice continuously differentiable; the third derivative does not change at the second point and the last but one
    ("not a knot"). Through three points a parabola, through two a line. Beyond the ends the outer pieces go on.
    Differentiable in all three. m is 1 for `y` of shape (n,).

    Raises GenesisException when there are fewer than two points, or not as many of `y`.
    """
    n = len(x)
    if x.ndim != 1 or n < 2 or y.ndim not in (1, 2) or len(y) != n:
        raise GenesisException(
            f"cubic_spline_1d: `x` has shape {tuple(x.shape)} and `y` {tuple(y.shape)}; expected (n,), and (n,) or"
            " (n, m)."
        )
    y = y.reshape(n, -1)
    h = x[1:] - x[:-1]
    slope = (y[1:] - y[:-1]) / h.unsqueeze(-1)
    # Second derivatives at the points, divided by two: one equation per inner point, and one per end.
    half = _half_curvatures(h, slope)
    linear = slope - h.unsqueeze(-1) * (2.0 * half[:-1] + half[1:]) / 3.0
    cubic = (half[1:] - half[:-1]) / (3.0 * h.unsqueeze(-1))
    xv = xv.reshape(-1)
    k = torch.searchsorted(x.detach()[1:].contiguous(), xv.detach().contiguous()).clamp(0, n - 2)
    d = (xv - x[k]).unsqueeze(-1)
    return y[k] + d * (linear[k] + d * (half[k] + d * cubic[k]))


def _half_curvatures(h: torch.Tensor, slope: torch.Tensor) -> torch.Tensor:
    n = len(h) + 1
    if n == 2:
        return slope.new_zeros(2, slope.shape[1])
    if n == 3:
        return ((slope[1] - slope[0]) / (h[0] + h[1])).expand(3, -1)
    zero = h.new_zeros(())
    rows = [torch.stack([h[1], -(h[0] + h[1]), h[0], *[zero] * (n - 3)])]
    rows += [
        torch.stack([*[zero] * (i - 1), h[i - 1], 2.0 * (h[i - 1] + h[i]), h[i], *[zero] * (n - 2 - i)])
        for i in range(1, n - 1)
    ]
    rows.append(torch.stack([*[zero] * (n - 3), h[-1], -(h[-2] + h[-1]), h[-2]]))
    bends = torch.cat(
        [slope.new_zeros(1, slope.shape[1]), 3.0 * (slope[1:] - slope[:-1]), slope.new_zeros(1, slope.shape[1])]
    )
    return torch.linalg.solve(torch.stack(rows), bends)
