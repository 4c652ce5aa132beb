"""Genesis's ``genesis.utils.terrain`` and the generators of ``genesis.ext.isaacgym.terrain_utils``: heights and meshes.

Generators take a `SubTerrain`, fill its `height_field_raw` (width, length) in units of its vertical scale, and return
it. Random numbers follow NumPy's global generator (`gs.init(seed=...)`). Heights are those of `gs.morphs.Terrain`, see
:mod:`genesis.subterrains`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from genesis.errors import GenesisException
from genesis.subterrains import GENERATORS, Ground, check_parameters
from genesis.utils.refused import missing

if TYPE_CHECKING:
    import trimesh

    from genesis.morphs import Terrain


def __getattr__(name: str) -> NoReturn:
    raise missing(__name__, name)


class SubTerrain:
    """A piece of ground: `width` heights along x and `length` along y, `horizontal_scale` [m] apart."""

    def __init__(
        self,
        terrain_name: str = "terrain",
        width: int = 256,
        length: int = 256,
        vertical_scale: float = 1.0,
        horizontal_scale: float = 1.0,
    ) -> None:
        self.terrain_name = terrain_name
        self.width, self.length = width, length
        self.vertical_scale, self.horizontal_scale = vertical_scale, horizontal_scale
        self.height_field_raw = np.zeros((width, length))


def _filled(name: str, terrain: SubTerrain, **parameters: float) -> SubTerrain:
    try:
        check_parameters(name, parameters)
    except ValueError as error:
        raise GenesisException(f"{error}.") from None
    ground = Ground(terrain.width, terrain.length, terrain.horizontal_scale, terrain.vertical_scale)
    rng = np.random.default_rng(np.random.randint(2**31))  # noqa: NPY002 (gs.init(seed=...) has seeded it)
    terrain.height_field_raw = GENERATORS[name](ground, rng, **parameters)
    return terrain


def fractal_terrain(terrain: SubTerrain, levels: int = 8, scale: float = 1.0) -> SubTerrain:
    """Random ground on all scales."""
    return _filled("fractal_terrain", terrain, levels=levels, scale=scale)


def random_uniform_terrain(
    terrain: SubTerrain, min_height: float, max_height: float, step: float = 1, downsampled_scale: float | None = None
) -> SubTerrain:
    """Random heights [m], multiples of `step`, `downsampled_scale` [m] apart (None: as near as there are heights)."""
    apart = terrain.horizontal_scale if downsampled_scale is None else downsampled_scale
    given = {"min_height": min_height, "max_height": max_height, "step": step, "downsampled_scale": apart}
    return _filled("random_uniform_terrain", terrain, **given)


def sloped_terrain(terrain: SubTerrain, slope: float = 1) -> SubTerrain:
    """A ramp along x."""
    return _filled("sloped_terrain", terrain, slope=slope)


def pyramid_sloped_terrain(terrain: SubTerrain, slope: float = 1, platform_size: float = 1.0) -> SubTerrain:
    """A hill, or a hollow, with a level place in the middle."""
    return _filled("pyramid_sloped_terrain", terrain, slope=slope, platform_size=platform_size)


def discrete_obstacles_terrain(
    terrain: SubTerrain,
    max_height: float,
    min_size: float,
    max_size: float,
    num_rects: int,
    platform_size: float = 1.0,
) -> SubTerrain:
    """Rectangular steps and pits."""
    sizes = {"max_height": max_height, "min_size": min_size, "max_size": max_size}
    return _filled("discrete_obstacles_terrain", terrain, num_rects=num_rects, platform_size=platform_size, **sizes)


def wave_terrain(terrain: SubTerrain, num_waves: float = 1, amplitude: float = 1.0) -> SubTerrain:
    """Waves along x and y."""
    return _filled("wave_terrain", terrain, num_waves=num_waves, amplitude=amplitude)


def stairs_terrain(terrain: SubTerrain, step_width: float, step_height: float) -> SubTerrain:
    """Stairs along x."""
    return _filled("stairs_terrain", terrain, step_width=step_width, step_height=step_height)


def pyramid_stairs_terrain(
    terrain: SubTerrain, step_width: float, step_height: float, platform_size: float = 1.0
) -> SubTerrain:
    """Stairs from all sides towards the middle."""
    given = {"step_width": step_width, "step_height": step_height, "platform_size": platform_size}
    return _filled("pyramid_stairs_terrain", terrain, **given)


def stepping_stones_terrain(
    terrain: SubTerrain,
    stone_size: float,
    stone_distance: float,
    max_height: float,
    platform_size: float = 1.0,
    depth: float = -10,
) -> SubTerrain:
    """Rows of stones with holes between them."""
    given = {"stone_size": stone_size, "stone_distance": stone_distance, "max_height": max_height}
    return _filled("stepping_stones_terrain", terrain, platform_size=platform_size, depth=depth, **given)


# -- meshes -----------------------------------------------------------------------------------------------------------


def parse_terrain(morph: Terrain, surface: Any = None) -> tuple[trimesh.Trimesh, trimesh.Trimesh, np.ndarray]:
    """Of a `gs.morphs.Terrain`: its ground to draw, the same as a closed body [m], and its heights (n_x, n_y).

    The meshes are of the package trimesh (Genesis has a class of its own for them); they begin at the origin. Heights
    are in units of `morph.vertical_scale`. `surface` has no effect: nothing is drawn by this version.
    """
    heights = np.asarray(morph.height_field, dtype=float)
    drawn, closed = convert_heightfield_to_watertight_trimesh(
        heights, morph.horizontal_scale, morph.vertical_scale, surface, uv_scale=morph.uv_scale
    )
    return drawn, closed, heights


def convert_heightfield_to_trimesh(
    height_field_raw: np.ndarray, horizontal_scale: float, vertical_scale: float, slope_threshold: float | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Vertices (n_x n_y, 3) [m] and triangles (2 (n_x - 1) (n_y - 1), 3) of heights (n_x, n_y), seen from above.

    `slope_threshold`: where the ground is steeper, its lower vertices move below the upper ones, so that it is upright.
    """
    raw = np.asarray(height_field_raw, dtype=float)
    if raw.ndim != 2 or min(raw.shape) < 2:
        raise GenesisException(f"height_field_raw has shape {raw.shape}; expected (n_x, n_y), two each at least.")
    n_x, n_y = raw.shape
    x, y = np.meshgrid(np.arange(n_x) * horizontal_scale, np.arange(n_y) * horizontal_scale, indexing="ij")
    if slope_threshold is not None:
        step = slope_threshold * horizontal_scale / vertical_scale
        for axis, place in ((0, x), (1, y)):
            rise = np.diff(raw, axis=axis)
            low, high = np.zeros_like(raw), np.zeros_like(raw)
            before, after = (slice(None),) * axis + (slice(None, -1),), (slice(None),) * axis + (slice(1, None),)
            low[before] = rise > step
            high[after] = rise < -step
            place += (low - high) * horizontal_scale
    vertices = np.stack([x, y, raw * vertical_scale], -1).reshape(-1, 3)
    first = (np.arange(n_x - 1)[:, None] * n_y + np.arange(n_y - 1)).reshape(-1)
    one, two = np.stack([first, first + n_y, first + n_y + 1], -1), np.stack([first, first + n_y + 1, first + 1], -1)
    return vertices, np.stack([one, two], 1).reshape(-1, 3)


def convert_heightfield_to_watertight_trimesh(
    height_field_raw: np.ndarray,
    horizontal_scale: float,
    vertical_scale: float,
    surface: Any = None,
    slope_threshold: float | None = None,
    uv_scale: float | None = None,
) -> tuple[trimesh.Trimesh, trimesh.Trimesh]:
    """The ground of heights (n_x, n_y) as a mesh to draw, and as a closed body that reaches a metre below the lowest.

    Meshes of the package trimesh, in metres. `uv_scale`: how often a texture is laid along the longer side. `surface`
    has no effect, `slope_threshold` is as in `convert_heightfield_to_trimesh`.
    """
    import trimesh

    top, triangles = convert_heightfield_to_trimesh(height_field_raw, horizontal_scale, vertical_scale, slope_threshold)
    visual = None
    if uv_scale is not None:
        uv = uv_scale * top[:, :2] / top[:, :2].max()
        visual = trimesh.visual.TextureVisuals(uv=uv)
    drawn = trimesh.Trimesh(top, triangles, visual=visual, process=False)
    n_x, n_y = np.shape(height_field_raw)
    grid = np.arange(n_x * n_y).reshape(n_x, n_y)
    bottom = top.copy()
    bottom[:, 2] = top[:, 2].min() - 1.0
    # Once around, anticlockwise as seen from above.
    border = np.concatenate([grid[:, 0], grid[-1, 1:], grid[-2::-1, -1], grid[0, -2:0:-1]])
    here, there = border, np.roll(border, -1)
    below = len(top)
    sides = [
        np.stack([here, here + below, there + below], -1),
        np.stack([here, there + below, there], -1),
    ]
    faces = np.concatenate([triangles, triangles[:, ::-1] + below, *sides])
    return drawn, trimesh.Trimesh(np.concatenate([top, bottom]), faces, process=False)


def mesh_to_heightfield(
    path: str, spacing: float | tuple[float, float], oversample: int = 1, *, up_axis: str = "z"
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Heights (n_x, n_y) of a mesh file above a grid, and the grid's x (n_x,) and y (n_y,); 32 bits, in its unit.

    `spacing`: of the grid, or (along x, along y); it is stretched to end where the mesh does. `oversample`: how many
    points along each axis a height is the highest of. `up_axis="y"`: the mesh is turned by a quarter turn about x, its
    y upwards comes to be z. Where there is no ground: the lowest height.

    Raises GenesisException for a file that cannot be read, and for numbers that make no grid.
    """
    from genesis.model.meshes import check_file, read_mesh

    steps = np.broadcast_to(np.asarray(spacing, dtype=float), (2,))
    if not (steps > 0).all() or oversample < 1 or up_axis not in ("z", "y", "Z", "Y"):
        raise GenesisException(
            f"mesh_to_heightfield: got spacing={spacing}, oversample={oversample} and up_axis={up_axis!r}; expected "
            'numbers above zero, and "z" or "y".'
        )
    mesh = read_mesh(check_file(path))
    vertices = np.array(mesh.vertices)
    if up_axis in "yY":
        vertices = np.stack([vertices[:, 0], -vertices[:, 2], vertices[:, 1]], -1)
    low, high = vertices.min(0), vertices.max(0)
    counts = [int(np.ceil((high[k] - low[k]) / steps[k])) + 1 for k in range(2)]
    fine = [np.linspace(low[k], high[k], counts[k] * oversample) for k in range(2)]
    heights = _highest(vertices[mesh.faces], fine[0], fine[1])
    heights = heights.reshape(counts[0], oversample, counts[1], oversample).max((1, 3))
    heights = np.where(np.isinf(heights), low[2], heights)
    across, along = (np.linspace(low[k], high[k], counts[k], dtype=np.float32) for k in range(2))
    return heights.astype(np.float32), across, along


def _highest(triangles: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """The highest point of triangles (n, 3, 3) above each point of a grid; -inf where there is none."""
    heights = np.full((len(x), len(y)), -np.inf)
    slack = 1e-9 * max(np.ptp(x), np.ptp(y), 1e-30)
    for corners in triangles:
        plane = corners[:, :2]
        (x0, y0), (x1, y1) = plane.min(0) - slack, plane.max(0) + slack
        i, j = slice(*np.searchsorted(x, [x0, x1])), slice(*np.searchsorted(y, [y0, y1]))
        edges = np.stack([plane[1] - plane[0], plane[2] - plane[0]], -1)
        area = edges[0, 0] * edges[1, 1] - edges[0, 1] * edges[1, 0]
        if abs(area) <= slack * slack or i.start == i.stop or j.start == j.stop:
            continue  # upright: its edges belong to others
        to_x, to_y = x[i, None] - plane[0, 0], y[None, j] - plane[0, 1]
        u = (to_x * edges[1, 1] - to_y * edges[0, 1]) / area
        v = (to_y * edges[0, 0] - to_x * edges[1, 0]) / area
        inside = (u >= -1e-9) & (v >= -1e-9) & (u + v <= 1.0 + 1e-9)
        z = corners[0, 2] + u * (corners[1, 2] - corners[0, 2]) + v * (corners[2, 2] - corners[0, 2])
        piece = heights[i, j]
        np.maximum(piece, np.where(inside, z, -np.inf), out=piece)
    return heights
