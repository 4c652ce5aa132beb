"""Patterns of rays, in the frame of their sensor: x forward, y to the left, z up."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from genesis.errors import GenesisException

_EPS = 1e-9


class RaycastPattern:
    """Base of every pattern: rays that start at `ray_starts` and go along `ray_dirs`.

    A program's own pattern says its shape in `_get_return_shape`, and fills `_ray_dirs` and `_ray_starts`, (*shape, 3)
    numpy arrays, in `compute_ray_dirs` and `compute_ray_starts`; its `__init__` ends with `super().__init__()`.
    """

    def __init__(self) -> None:
        self._return_shape = tuple(self._get_return_shape())
        self._ray_dirs = np.zeros((*self._return_shape, 3))
        self._ray_starts = np.zeros((*self._return_shape, 3))
        self.compute_ray_dirs()
        self.compute_ray_starts()

    def _get_return_shape(self) -> tuple[int, ...]:
        raise GenesisException(f"{type(self).__name__} must say the shape of its rays in _get_return_shape().")

    def compute_ray_dirs(self) -> None:
        """Fill `_ray_dirs`."""
        raise GenesisException(f"{type(self).__name__} must fill _ray_dirs in compute_ray_dirs().")

    def compute_ray_starts(self) -> None:
        """Fill `_ray_starts` [m]; at first all rays start at the origin."""
        self._ray_starts[...] = 0.0

    @property
    def return_shape(self) -> tuple[int, ...]:
        """How the rays are arranged."""
        return self._return_shape

    @property
    def ray_dirs(self) -> np.ndarray:
        """(*return_shape, 3), of any length."""
        return self._ray_dirs

    @property
    def ray_starts(self) -> np.ndarray:
        """(*return_shape, 3) [m]."""
        return self._ray_starts


class GridPattern(RaycastPattern):
    """Parallel rays that start on a grid in the x-y plane.

    Args:
        resolution: distance of neighbouring rays [m]
        size: of the grid along x and y [m], around the origin
        direction: of all rays
    """

    def __init__(
        self,
        resolution: float = 0.1,
        size: tuple[float, float] = (2.0, 2.0),
        direction: tuple[float, float, float] = (0.0, 0.0, -1.0),
    ) -> None:
        if not _number(resolution) or resolution < 1e-3:
            raise GenesisException(f"GridPattern: `resolution` is {resolution!r}; expected at least 0.001 [m].")
        pair, along = _numbers("GridPattern", "size", size, 2), _numbers("GridPattern", "direction", direction, 3)
        if min(pair) < 0 or not any(along):
            raise GenesisException(f"GridPattern: `size` {size!r} is negative, or `direction` {direction!r} is zero.")
        self.coords = [np.arange(-0.5 * one, 0.5 * one + _EPS, resolution) for one in pair]
        self.direction = np.array(along)
        super().__init__()

    def _get_return_shape(self) -> tuple[int, ...]:
        return len(self.coords[0]), len(self.coords[1])

    def compute_ray_dirs(self) -> None:
        """Fill `_ray_dirs`."""
        self._ray_dirs[...] = self.direction

    def compute_ray_starts(self) -> None:
        """Fill `_ray_starts`."""
        self._ray_starts[..., 0], self._ray_starts[..., 1] = np.meshgrid(*self.coords, indexing="ij")


class SphericalPattern(RaycastPattern):
    """Rays in all directions of a field of view, as of a lidar.

    Args:
        fov: horizontal and vertical field of view [degree]: its whole width, around zero, or (least, largest)
        n_points: how many angles, horizontal and vertical
        angular_resolution: steps of the angles [degree], in the place of `n_points`
        angles: the angles themselves [degree], in the place of both
    """

    def __init__(
        self,
        fov: tuple[Any, Any] = (360.0, 60.0),
        n_points: tuple[int, int] = (128, 64),
        angular_resolution: tuple[float | None, float | None] = (None, None),
        angles: tuple[Sequence[float] | None, Sequence[float] | None] = (None, None),
    ) -> None:
        for name, given in (
            ("fov", fov),
            ("n_points", n_points),
            ("angular_resolution", angular_resolution),
            ("angles", angles),
        ):
            if not isinstance(given, Sequence) or len(given) != 2:
                raise GenesisException(f"SphericalPattern: `{name}` is {given!r}; expected (horizontal, vertical).")
        axes = zip(fov, n_points, angular_resolution, angles, strict=True)
        self.angles = tuple(np.deg2rad(_angles(*each)) for each in axes)
        super().__init__()

    def _get_return_shape(self) -> tuple[int, ...]:
        return len(self.angles[0]), len(self.angles[1])

    def compute_ray_dirs(self) -> None:
        """Fill `_ray_dirs`."""
        around, up = np.meshgrid(*self.angles, indexing="ij")
        self._ray_dirs[...] = np.stack([np.cos(around) * np.cos(up), np.sin(around) * np.cos(up), np.sin(up)], axis=-1)


def _angles(fov: Any, count: Any, step: float | None, given: Sequence[float] | None) -> np.ndarray:
    """Angles of one axis [degree]."""
    if given is not None:
        values = np.asarray(given, dtype=float)
        if values.ndim != 1 or not len(values) or not np.isfinite(values).all():
            raise GenesisException(f"SphericalPattern: `angles` holds {given!r}; expected a list of numbers [degree].")
        return values
    low, high = (fov if isinstance(fov, Sequence) else (-0.5 * fov, 0.5 * fov)) if fov is not None else (0.0, -1.0)
    if not (_number(low) and _number(high)) or not 0.0 <= high - low <= 360.0 + _EPS:
        raise GenesisException(f"SphericalPattern: `fov` holds {fov!r}; expected a width from 0 to 360 [degree].")
    whole = high - low >= 360.0 - _EPS  # the last angle would be the first one again
    if step is not None:
        if not _number(step) or step <= 0:
            raise GenesisException(f"SphericalPattern: `angular_resolution` holds {step!r}; expected a number above 0.")
        count = math.ceil((high - low) / step) + (0 if whole else 1)
    if isinstance(count, bool) or not isinstance(count, (int, np.integer)) or count < 1:
        raise GenesisException(f"SphericalPattern: `n_points` holds {count!r}; expected an integer, at least 1.")
    return np.linspace(low, high - (high - low) / count if whole else high, int(count))


class DepthCameraPattern(RaycastPattern):
    """Rays through the middles of a picture's pixels.

    Args:
        res: width and height [pixel]
        fx, fy: focal lengths [pixel]; None: from the fields of view
        cx, cy: where the axis is [pixel]; None: in the middle
        fov_horizontal, fov_vertical: [degree]; None: from the other one, with square pixels
    """

    def __init__(
        self,
        res: tuple[int, int] = (128, 96),
        fx: float | None = None,
        fy: float | None = None,
        cx: float | None = None,
        cy: float | None = None,
        fov_horizontal: float | None = 90.0,
        fov_vertical: float | None = None,
    ) -> None:
        width, height = _numbers("DepthCameraPattern", "res", res, 2)
        if width < 1 or height < 1 or width % 1 or height % 1:
            raise GenesisException(f"DepthCameraPattern: `res` is {res!r}; expected positive integers.")
        self.width, self.height = int(width), int(height)
        if fx is None or fy is None:
            if fov_horizontal is None and fov_vertical is None:
                raise GenesisException("DepthCameraPattern: give fx and fy, or a field of view.")
            by_x = None if fov_horizontal is None else self.width / (2.0 * _half_tangent(fov_horizontal))
            by_y = None if fov_vertical is None else self.height / (2.0 * _half_tangent(fov_vertical))
            fx, fy = by_x if by_x is not None else by_y, by_y if by_y is not None else by_x
        assert fx is not None and fy is not None
        if not (_number(fx) and _number(fy)) or fx <= 0 or fy <= 0:
            raise GenesisException(f"DepthCameraPattern: `fx`, `fy` are {fx!r}, {fy!r}; expected numbers above 0.")
        self.fx, self.fy = float(fx), float(fy)
        self.cx, self.cy = (0.5 * self.width if cx is None else cx), (0.5 * self.height if cy is None else cy)
        super().__init__()

    def _get_return_shape(self) -> tuple[int, ...]:
        return self.height, self.width

    def compute_ray_dirs(self) -> None:
        """Fill `_ray_dirs`."""
        x, y = np.meshgrid(np.arange(self.width) + 0.5, np.arange(self.height) + 0.5)
        rays = np.stack([np.ones_like(x), (self.cx - x) / self.fx, (self.cy - y) / self.fy], axis=-1)
        self._ray_dirs[...] = rays / np.linalg.norm(rays, axis=-1, keepdims=True)


def _half_tangent(fov: Any) -> float:
    if not _number(fov) or not 0.0 < fov < 180.0:
        raise GenesisException(f"DepthCameraPattern: a field of view is {fov!r}; expected between 0 and 180 [degree].")
    return math.tan(math.radians(0.5 * fov))


def _number(value: Any) -> bool:
    return isinstance(value, (int, float, np.number)) and not isinstance(value, bool) and math.isfinite(value)


def _numbers(owner: str, name: str, value: Any, count: int) -> tuple[float, ...]:
    try:
        numbers = tuple(float(x) for x in value)
    except (TypeError, ValueError):
        numbers = ()
    if len(numbers) != count or not all(map(math.isfinite, numbers)):
        raise GenesisException(f"{owner}: `{name}` is {value!r}; expected {count} numbers.")
    return numbers
