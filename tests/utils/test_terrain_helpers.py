"""genesis.utils.terrain: generators by Genesis's signatures, and meshes of heights."""

import numpy as np
import pytest
import trimesh

import genesis as gs
from genesis.subterrains import GENERATORS
from genesis.utils import terrain as tu

ARGUMENTS = {
    "random_uniform_terrain": {"min_height": -0.1, "max_height": 0.1, "step": 0.02},
    "discrete_obstacles_terrain": {"max_height": 0.05, "min_size": 0.5, "max_size": 1.0, "num_rects": 4},
    "stairs_terrain": {"step_width": 0.5, "step_height": 0.1},
    "pyramid_stairs_terrain": {"step_width": 0.5, "step_height": 0.1},
    "stepping_stones_terrain": {"stone_size": 0.5, "stone_distance": 0.25, "max_height": 0.1},
}


@pytest.mark.parametrize("name", sorted(set(GENERATORS) - {"flat_terrain"}))
def test_generators_fill_a_piece_of_ground(name):
    piece = tu.SubTerrain(width=21, length=33, vertical_scale=0.005, horizontal_scale=0.25)
    np.random.seed(0)  # noqa: NPY002
    assert getattr(tu, name)(piece, **ARGUMENTS.get(name, {})) is piece
    assert piece.height_field_raw.shape == (21, 33)
    assert np.ptp(piece.height_field_raw) > 0
    first = piece.height_field_raw
    np.random.seed(0)  # noqa: NPY002
    assert (getattr(tu, name)(piece, **ARGUMENTS.get(name, {})).height_field_raw == first).all()


def test_bad_parameters_are_told():
    with pytest.raises(gs.GenesisException, match="step_width"):
        tu.stairs_terrain(tu.SubTerrain(), step_width=-1.0, step_height=0.1)


def test_ground_of_a_morph():
    morph = gs.morphs.Terrain(n_subterrains=(1, 2), subterrain_size=(2.0, 2.0), subterrain_types="wave_terrain")
    drawn, closed, heights = tu.parse_terrain(morph, None)
    assert heights.shape == (9, 17)
    assert np.allclose(drawn.vertices[:, 2].reshape(9, 17), heights * morph.vertical_scale)
    assert np.allclose(drawn.bounds[1][:2], [2.0, 4.0])
    assert (drawn.face_normals[:, 2] > 0).all()
    assert closed.is_watertight
    assert closed.is_winding_consistent
    below = heights.min() * morph.vertical_scale - 1.0
    trapezoids = 0.25 * (heights[1:, 1:] + heights[:-1, 1:] + heights[1:, :-1] + heights[:-1, :-1])
    # Two triangles over a cell have another mean height than its corners; over many cells they agree roughly.
    assert closed.volume == pytest.approx((trapezoids * morph.vertical_scale - below).sum() * 0.25**2, rel=1e-2)


def test_steep_ground_becomes_upright():
    heights = np.array([[0.0, 0, 0], [0, 0, 0], [100, 100, 100]])
    vertices, _ = tu.convert_heightfield_to_trimesh(heights, 0.25, 0.005, slope_threshold=0.75)
    places = vertices.reshape(3, 3, 3)
    assert np.allclose(places[1, :, 0], places[2, :, 0])
    with pytest.raises(gs.GenesisException, match="height_field_raw has shape"):
        tu.convert_heightfield_to_trimesh(np.zeros(3), 0.25, 0.005)


@pytest.mark.parametrize("up_axis", ["z", "y"])
def test_heights_of_a_mesh(tmp_path, up_axis):
    tent = trimesh.Trimesh(
        [[0, 0, 0], [2, 0, 0], [0, 1, 0], [2, 1, 0], [0, 0.5, 1], [2, 0.5, 1]],
        [[0, 1, 5], [0, 5, 4], [4, 5, 3], [4, 3, 2], [0, 4, 2], [1, 3, 5]],
        process=False,
    )
    if up_axis == "y":
        tent.apply_transform([[1, 0, 0, 0], [0, 0, 1, 0], [0, -1, 0, 0], [0, 0, 0, 1]])
    tent.export(tmp_path / "tent.obj")
    heights, x, y = tu.mesh_to_heightfield(str(tmp_path / "tent.obj"), (0.5, 0.25), up_axis=up_axis)
    assert heights.shape == (5, 5)
    assert heights.dtype == np.float32
    assert np.allclose(x, [0, 0.5, 1, 1.5, 2])
    assert np.allclose(y, [0, 0.25, 0.5, 0.75, 1])
    assert np.allclose(heights, np.tile([0, 0.5, 1, 0.5, 0], (5, 1)), atol=1e-6)
    finer, *_ = tu.mesh_to_heightfield(str(tmp_path / "tent.obj"), 0.5, oversample=3, up_axis=up_axis)
    assert finer.shape == (5, 3)
    with pytest.raises(gs.GenesisException, match="spacing=0"):
        tu.mesh_to_heightfield(str(tmp_path / "tent.obj"), 0.0)
    with pytest.raises(gs.GenesisException, match="not found"):
        tu.mesh_to_heightfield(str(tmp_path / "none.obj"), 1.0)
