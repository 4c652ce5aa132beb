"""Heights of generated terrain: pieces of ground by name, put together in a grid.

The names, the parameters and what they mean are Genesis's (after the terrains of Isaac Gym: N. Rudin et al., "Learning
to walk in minutes using massively parallel deep reinforcement learning", CoRL 2021). Lengths are in metres; heights
come out in units of the vertical scale.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Ground:
    """What a piece of ground is made on: heights along x and y, their distance and the unit of height [m]."""

    n_x: int
    n_y: int
    horizontal_scale: float
    vertical_scale: float

    def cells(self, length: float) -> int:
        """How many cells long a length is, at least one."""
        return max(int(length / self.horizontal_scale + 1e-9), 1)

    def units(self, height: float) -> int:
        """A height in units, towards zero."""
        return int(height / self.vertical_scale + math.copysign(1e-9, height))

    def middle(self, size: float) -> tuple[slice, slice]:
        """The heights of a square in the middle."""
        half = int(size / self.horizontal_scale / 2 + 1e-9)
        return tuple(slice(max(n // 2 - half, 0), n // 2 + half) for n in (self.n_x, self.n_y))  # type: ignore[return-value]


def flat_terrain(ground: Ground, _rng: np.random.Generator) -> np.ndarray:
    """Level ground."""
    return np.zeros((ground.n_x, ground.n_y))


def sloped_terrain(ground: Ground, _rng: np.random.Generator, *, slope: float = -0.5) -> np.ndarray:
    """A ramp along x."""
    rise = ground.units(slope * ground.horizontal_scale * ground.n_x)
    return np.repeat(rise * np.arange(ground.n_x)[:, None] / ground.n_x, ground.n_y, axis=1)


def pyramid_sloped_terrain(
    ground: Ground, _rng: np.random.Generator, *, slope: float = -0.1, platform_size: float = 1.0
) -> np.ndarray:
    """A hill, or a hollow where the slope is negative, with a level place in the middle."""
    peak = ground.units(slope * ground.horizontal_scale * ground.n_x / 2)
    along_x, along_y = (1 - np.abs(1 - np.arange(n) / max(n // 2, 1)) for n in (ground.n_x, ground.n_y))
    heights = peak * np.outer(along_x, along_y)
    rows, columns = ground.middle(platform_size)
    rim = heights[rows.start, columns.start]
    return np.clip(heights, min(rim, 0.0), max(rim, 0.0))


def random_uniform_terrain(
    ground: Ground,
    rng: np.random.Generator,
    *,
    min_height: float = -0.1,
    max_height: float = 0.1,
    step: float = 0.1,
    downsampled_scale: float = 0.5,
) -> np.ndarray:
    """Random heights, ``downsampled_scale`` apart and multiples of ``step``, with smooth ground between them."""
    low, high, unit = ground.units(min_height), ground.units(max_height), max(ground.units(step), 1)
    heights = -(-(high - low) // unit) + 1  # the last one may be beyond the highest, as in Genesis
    across = [min(max(int(n * ground.horizontal_scale / downsampled_scale), 2), n) for n in (ground.n_x, ground.n_y)]
    coarse = (low + unit * rng.integers(0, heights, across)).astype(float)
    return np.rint(_smooth(_smooth(coarse, ground.n_x).T, ground.n_y).T)


def _smooth(heights: np.ndarray, count: int) -> np.ndarray:
    """``count`` heights along the first axis, by cubic curves through the given ones (E. Catmull, R. Rom, 1974)."""
    place = np.linspace(0, len(heights) - 1, count)
    k = np.minimum(place.astype(int), len(heights) - 2)
    t = (place - k)[:, None]
    before, here, there, after = (heights[np.clip(k + i, 0, len(heights) - 1)] for i in (-1, 0, 1, 2))
    slope_here, slope_there = 0.5 * (there - before), 0.5 * (after - here)
    change = there - here
    square, cube = 3 * change - 2 * slope_here - slope_there, slope_here + slope_there - 2 * change
    return here + t * (slope_here + t * (square + t * cube))


def fractal_terrain(ground: Ground, rng: np.random.Generator, *, levels: int = 8, scale: float = 5.0) -> np.ndarray:
    """Random ground on all scales: each level is half as high and twice as fine as the one before."""
    heights = np.zeros((ground.n_x, ground.n_y))
    for level in range(1, int(levels) + 1):
        step = 2 ** (int(levels) - level)
        coarse = rng.uniform(-1, 1, [-(-(n - 1) // step) + 1 for n in (ground.n_x, ground.n_y)])
        for axis, n in ((0, ground.n_x), (1, ground.n_y)):
            place = np.arange(n) / step
            k = np.minimum(place.astype(int), coarse.shape[axis] - 2) if coarse.shape[axis] > 1 else np.zeros(n, int)
            t = np.expand_dims(place - k, 1 - axis)
            following = np.minimum(k + 1, coarse.shape[axis] - 1)
            coarse = (1 - t) * np.take(coarse, k, axis) + t * np.take(coarse, following, axis)
        heights += scale * 2.0**-level * coarse
    return heights / ground.vertical_scale


def discrete_obstacles_terrain(
    ground: Ground,
    rng: np.random.Generator,
    *,
    max_height: float = 0.05,
    min_size: float = 1.0,
    max_size: float = 5.0,
    num_rects: int = 20,
    platform_size: float = 1.0,
) -> np.ndarray:
    """Rectangular steps and pits on level ground, none of them in the middle."""
    heights = np.zeros((ground.n_x, ground.n_y))
    most = ground.units(max_height)
    sides = [
        np.arange(min(ground.cells(min_size), n - 1), min(ground.cells(max_size), n - 1) + 1)
        for n in (ground.n_x, ground.n_y)
    ]
    for _ in range(int(num_rects)):
        size = [int(rng.choice(side)) for side in sides]
        start = [int(rng.integers(0, n - length)) for n, length in zip(heights.shape, size, strict=True)]
        place = tuple(slice(first, first + length) for first, length in zip(start, size, strict=True))
        heights[place] = rng.choice([-most, -(most // 2), most // 2, most])
    heights[ground.middle(platform_size)] = 0
    return heights


def wave_terrain(
    ground: Ground, _rng: np.random.Generator, *, num_waves: float = 2.0, amplitude: float = 0.1
) -> np.ndarray:
    """Waves along x and y."""
    if num_waves <= 0:
        return np.zeros((ground.n_x, ground.n_y))
    phase = 2 * math.pi * num_waves / ground.n_y
    along_x, along_y = np.sin(phase * np.arange(ground.n_x)), np.cos(phase * np.arange(ground.n_y))
    return 0.5 * amplitude / ground.vertical_scale * (along_x[:, None] + along_y)


def stairs_terrain(
    ground: Ground, _rng: np.random.Generator, *, step_width: float = 0.75, step_height: float = -0.1
) -> np.ndarray:
    """Stairs along x."""
    step = np.arange(ground.n_x) // ground.cells(step_width) + 1
    return np.repeat(ground.units(step_height) * step[:, None].astype(float), ground.n_y, axis=1)


def pyramid_stairs_terrain(
    ground: Ground,
    _rng: np.random.Generator,
    *,
    step_width: float = 0.75,
    step_height: float = -0.1,
    platform_size: float = 1.0,
) -> np.ndarray:
    """Stairs from all sides towards a level place in the middle."""
    width = ground.cells(step_width)
    to_rim = [np.minimum(np.arange(n), n - 1 - np.arange(n)) // width for n in (ground.n_x, ground.n_y)]
    room = min(ground.n_x, ground.n_y) - int(platform_size / ground.horizontal_scale + 1e-9)
    steps = np.minimum(np.minimum.outer(*to_rim), max(-(-room // (2 * width)), 0))
    return ground.units(step_height) * steps.astype(float)


def stepping_stones_terrain(
    ground: Ground,
    rng: np.random.Generator,
    *,
    stone_size: float = 1.0,
    stone_distance: float = 0.25,
    max_height: float = 0.2,
    platform_size: float = 0.0,
    depth: float = -10.0,
) -> np.ndarray:
    """Rows of stones of random heights, each row shifted by a random length, with holes between them."""
    heights = np.full((ground.n_x, ground.n_y), float(ground.units(depth)))
    stone, period = ground.cells(stone_size), ground.cells(stone_size) + ground.cells(stone_distance)
    most = ground.units(max_height)
    for row in range(0, ground.n_y, period):
        for start in range(int(rng.integers(0, stone)) - period, ground.n_x, period):
            place = slice(max(start, 0), max(start + stone, 0)), slice(row, row + stone)
            heights[place] = rng.integers(-most, most + 1)
    heights[ground.middle(platform_size)] = 0
    return heights


GENERATORS: dict[str, Callable[..., np.ndarray]] = {
    generator.__name__: generator
    for generator in (
        *(flat_terrain, fractal_terrain, random_uniform_terrain, sloped_terrain, pyramid_sloped_terrain),
        *(discrete_obstacles_terrain, wave_terrain, stairs_terrain, pyramid_stairs_terrain, stepping_stones_terrain),
    )
}


def parameters_of(name: str) -> dict[str, Any]:
    """What a generator takes, with its defaults."""
    signature = inspect.signature(GENERATORS[name])
    return {key: value.default for key, value in signature.parameters.items() if value.kind is value.KEYWORD_ONLY}


_ABOVE_ZERO = frozenset(
    ("step", "downsampled_scale", "min_size", "max_size", "step_width", "stone_size", "stone_distance")
)
_NOT_NEGATIVE = frozenset(("platform_size", "num_waves", "max_height"))
_WHOLE = {"levels": (1, 30), "num_rects": (0, 100_000)}
_LARGEST = 1e6


def check_parameters(name: str, given: dict[str, float]) -> None:
    """Raises `ValueError` for a parameter that the generator does not have, or a value that makes no ground."""
    defaults = parameters_of(name)
    for key, value in given.items():
        if key not in defaults:
            raise ValueError(f"'{name}' has no parameter '{key}'; it has {', '.join(defaults) or 'none'}")
        least, most = _WHOLE.get(key, (-_LARGEST, _LARGEST))
        if key in _WHOLE and not (least <= value <= most and value == int(value)):
            expected = f"a whole number from {least} to {most}"
        elif key in _ABOVE_ZERO and value <= 0:
            expected = "above 0"
        elif key in _NOT_NEGATIVE and value < 0 and "min_height" not in defaults:
            expected = "of 0 or more"
        elif not least <= value <= most:
            expected = f"from {least:g} to {most:g}"
        else:
            continue
        raise ValueError(f"{name}: expected {key} {expected}, got {value:g}")
    values = defaults | given
    for low, high in (("min_height", "max_height"), ("min_size", "max_size")):
        if low in values and values[low] > values[high]:
            told = (f"{key}={values[key]:g}{'' if key in given else ' (the default)'}" for key in (low, high))
            raise ValueError(f"{name}: expected {low} not above {high}, got {' and '.join(told)}")


def generate(
    types: tuple[tuple[str, ...], ...],
    size: tuple[float, float],
    horizontal_scale: float,
    vertical_scale: float,
    parameters: dict[str, dict[str, float]],
    seed: int | None,
) -> np.ndarray:
    """Heights in units of ``vertical_scale``, (n_x, n_y), of a grid of pieces of ``size`` [m]; neighbours share their
    border, where the higher one holds. ``seed``: of the random numbers of every piece; None: other ones each time."""
    cells = [round(length / horizontal_scale) for length in size]
    heights = np.full((len(types) * cells[0] + 1, len(types[0]) * cells[1] + 1), -np.inf)
    ground = Ground(cells[0] + 1, cells[1] + 1, horizontal_scale, vertical_scale)
    for i, row in enumerate(types):
        for j, name in enumerate(row):
            # NumPy's own generator, where no seed is given: gs.init(seed=...) has set it
            rng = np.random.default_rng(np.random.randint(2**31) if seed is None else seed)  # noqa: NPY002
            piece = GENERATORS[name](ground, rng, **parameters.get(name, {}))
            place = heights[i * cells[0] : (i + 1) * cells[0] + 1, j * cells[1] : (j + 1) * cells[1] + 1]
            np.maximum(place, piece, out=place)
    return heights
