"""Terrain that is generated or read: what stands where; and gradients through contact with it."""

import math

import numpy as np
import pytest
import torch
from PIL import Image

import genesis as gs
from genesis import subterrains

SIZE, CELL, UNIT = 6.0, 0.25, 0.005  # of the pieces below [m]: 25 heights on a side


def heights_of(name, **parameters):
    morph = gs.morphs.Terrain(
        subterrain_types=name,
        n_subterrains=(1, 1),
        subterrain_size=(SIZE, SIZE),
        subterrain_parameters={name: parameters},
    )
    return morph.height_field * UNIT


def test_slopes():
    ramp = heights_of("sloped_terrain", slope=0.4)
    np.testing.assert_allclose(ramp, np.repeat(0.1 * np.arange(25)[:, None], 25, axis=1), atol=UNIT)
    hill = heights_of("pyramid_sloped_terrain", slope=0.4, platform_size=2.0)
    assert hill[0].max() == hill[:, -1].max() == 0
    np.testing.assert_allclose(
        hill[:12, 12], np.minimum(0.4 * CELL * 25 / 2 * np.arange(12) / 12, hill[12, 12]), atol=2 * UNIT
    )
    assert (hill[8:16, 8:16] == hill[12, 12]).all() and hill[12, 12] == hill.max() > 0
    assert (heights_of("pyramid_sloped_terrain", slope=-0.4) <= 0).all()


def test_waves():
    waves = heights_of("wave_terrain", num_waves=3, amplitude=0.2)
    phase = 2 * math.pi * 3 / 25 * np.arange(25)
    np.testing.assert_allclose(waves, 0.1 * (np.sin(phase)[:, None] + np.cos(phase)), atol=1e-12)


def test_stairs():
    stairs = heights_of("stairs_terrain", step_width=0.5, step_height=0.15)
    np.testing.assert_allclose(stairs[:, 7], 0.15 * (np.arange(25) // 2 + 1), atol=1e-9)
    assert (np.ptp(stairs, axis=1) == 0).all()
    pyramid = heights_of("pyramid_stairs_terrain", step_width=0.5, step_height=0.15, platform_size=1.0)
    np.testing.assert_allclose(pyramid[:13, 12] / 0.15, np.minimum(np.arange(13) // 2, 6), atol=1e-9)
    np.testing.assert_array_equal(pyramid, pyramid.T)
    np.testing.assert_array_equal(pyramid, pyramid[::-1])


def test_random_ground():
    smooth = heights_of("random_uniform_terrain", min_height=-0.1, max_height=0.2, step=0.05, downsampled_scale=1.0)
    # what is drawn is a multiple of the step, at the corners among others; between them it bends a little beyond
    assert abs(smooth[0, 0] / 0.05 - round(smooth[0, 0] / 0.05)) < 1e-9
    assert -0.15 < smooth.min() < smooth.max() < 0.25 and np.abs(np.diff(smooth, axis=0)).max() < 0.15
    # the last level is of the finest grid, and each is half as high as the one before
    many, few = (heights_of("fractal_terrain", scale=1.0, levels=levels) for levels in (8, 3))
    assert np.ptp(many) < 4 and np.abs(np.diff(many, 2, axis=0)).mean() < 0.2 * np.abs(np.diff(few, 2, axis=0)).mean()


def test_obstacles_and_stones():
    obstacles = heights_of("discrete_obstacles_terrain", max_height=0.2, min_size=0.5, max_size=1.0, num_rects=40)
    assert set(np.round(obstacles, 6).ravel()) == {-0.2, -0.1, 0.0, 0.1, 0.2}
    assert not obstacles[10:14, 10:14].any()
    stones = heights_of("stepping_stones_terrain", stone_size=1.0, stone_distance=0.5, max_height=0.1, depth=-2.0)
    in_row = stones[:, 1] > -1
    assert (stones[:, 4:6] == -2).all() and 0.5 < in_row.mean() < 0.8
    assert np.abs(stones[stones > -1]).max() <= 0.1


def test_pieces_share_their_borders():
    types = [["flat_terrain", "sloped_terrain"], ["stairs_terrain", "flat_terrain"], ["flat_terrain", "flat_terrain"]]
    options = dict(n_subterrains=(3, 2), subterrain_size=(SIZE, SIZE), vertical_scale=UNIT)
    heights = gs.morphs.Terrain(subterrain_types=types, **options).height_field
    assert heights.shape == (73, 49)
    assert (heights[:24, :24] == 0).all() and (heights[1:24, 25:] < 0).all() and (heights[25:48, :24] < 0).all()
    assert (heights[:25, 24] == 0).all()  # the higher one holds


def test_random_numbers():
    def terrain(**options):
        return gs.morphs.Terrain(
            subterrain_types="random_uniform_terrain", n_subterrains=(1, 1), **options
        ).height_field

    same, other = np.testing.assert_array_equal, lambda a, b: np.ptp(a - b) > 0
    same(terrain(), terrain())
    assert other(terrain(randomize=True), terrain(randomize=True))
    same(terrain(randomize=True, name="a"), terrain(randomize=True, name="a"))
    assert other(terrain(name="a"), terrain(name="b"))


def test_an_image(tmp_path):
    pixels = np.arange(12, dtype=np.uint8).reshape(3, 4)  # rows from the top
    for mode, name in (("L", "a.png"), ("I;16", "b.png")):
        Image.fromarray(pixels.astype(np.uint16 if mode == "I;16" else np.uint8)).save(tmp_path / name)
        heights = gs.morphs.Terrain(height_field=tmp_path / name).height_field
        np.testing.assert_array_equal(heights, pixels[::-1].T)
    with pytest.raises(gs.GenesisException, match="cannot read the image"):
        gs.morphs.Terrain(height_field=tmp_path / "none.png")


@pytest.mark.parametrize(
    ("arguments", "message"),
    {
        "name": (dict(subterrain_types="hills"), "no generator 'hills'; there are flat_terrain, "),
        "shape": (dict(subterrain_types=[["flat_terrain"]]), r"the shape of n_subterrains=\(3, 3\), got \(1, 1\)"),
        "size": (dict(subterrain_size=(1.1, 1.0)), "expected multiples of horizontal_scale=0.25"),
        "parameter": (
            dict(subterrain_parameters={"wave_terrain": {"waves": 1}}),
            "has no parameter 'waves'; it has num_",
        ),
        "generator": (dict(subterrain_parameters={"waves": {}}), "no generator 'waves'"),
        "zero": (
            dict(subterrain_parameters={"stairs_terrain": {"step_width": 0}}),
            "expected step_width above 0, got 0",
        ),
    }.values(),
)
def test_what_is_refused(arguments, message):
    with pytest.raises(gs.GenesisException, match=message):
        gs.morphs.Terrain(**arguments)


@pytest.mark.parametrize(
    ("name", "given", "message"),
    [
        ("flat_terrain", dict(step=1), "has no parameter 'step'; it has none"),
        ("sloped_terrain", dict(slope=1e300), r"expected slope from -1e\+06 to 1e\+06, got 1e\+300"),
        ("pyramid_sloped_terrain", dict(platform_size=-1), "expected platform_size of 0 or more, got -1"),
        (
            "random_uniform_terrain",
            dict(min_height=0.3),
            r"expected min_height not above max_height, got min_height=0.3 and max_height=0.1 \(the default\)",
        ),
        ("random_uniform_terrain", dict(step=-0.1), "expected step above 0, got -0.1"),
        ("random_uniform_terrain", dict(downsampled_scale=0), "expected downsampled_scale above 0, got 0"),
        ("fractal_terrain", dict(levels=-1), "expected levels a whole number from 1 to 30, got -1"),
        ("fractal_terrain", dict(levels=2.5), "expected levels a whole number from 1 to 30, got 2.5"),
        ("fractal_terrain", dict(levels=1000), "expected levels a whole number from 1 to 30, got 1000"),
        (
            "discrete_obstacles_terrain",
            dict(min_size=3, max_size=2),
            "expected min_size not above max_size, got min_size=3 and max_size=2",
        ),
        ("discrete_obstacles_terrain", dict(num_rects=-2), "expected num_rects a whole number from 0 to"),
        ("discrete_obstacles_terrain", dict(max_height=-1), "expected max_height of 0 or more, got -1"),
        ("wave_terrain", dict(num_waves=-1), "expected num_waves of 0 or more, got -1"),
        ("stairs_terrain", dict(step_width=-1), "expected step_width above 0, got -1"),
        ("pyramid_stairs_terrain", dict(step_width=1e300), r"expected step_width from -1e\+06 to 1e\+06"),
        ("stepping_stones_terrain", dict(max_height=-0.1), "expected max_height of 0 or more, got -0.1"),
        ("stepping_stones_terrain", dict(stone_distance=0), "expected stone_distance above 0, got 0"),
    ],
)
def test_ranges_of_parameters(name, given, message):
    with pytest.raises(gs.GenesisException, match=rf"^Terrain: .*'?{name}'?:? {message}"):
        heights_of(name, **given)


def test_too_large_to_make():
    with pytest.raises(gs.GenesisException, match="so many pieces have"):
        gs.morphs.Terrain(subterrain_types="flat_terrain", n_subterrains=(100_000, 100_000))


def test_a_list_with_a_tensor_that_requires_grad():
    with pytest.raises(gs.GenesisException, match="array of numbers"):
        gs.morphs.Terrain(height_field=[[torch.tensor(1.0, requires_grad=True), 1.0], [2.0, 3.0]])


def test_extreme_parameters():
    below = heights_of("random_uniform_terrain", min_height=-0.3, max_height=-0.2)  # a range wholly below 0
    assert -0.5 < below.min() < below.max() < 0
    fine = heights_of("random_uniform_terrain", downsampled_scale=1e-9)  # finer than the ground
    assert fine.shape == (25, 25) and np.ptp(fine) > 0
    for name, given in (("fractal_terrain", dict(levels=30)), ("wave_terrain", dict(num_waves=0))):
        assert np.isfinite(heights_of(name, **given)).all()


def test_every_generator_has_defaults():
    assert set(subterrains.GENERATORS) == {
        *("flat_terrain", "fractal_terrain", "random_uniform_terrain", "sloped_terrain", "pyramid_sloped_terrain"),
        *("discrete_obstacles_terrain", "wave_terrain", "stairs_terrain", "pyramid_stairs_terrain"),
        "stepping_stones_terrain",
    }
    for name in subterrains.GENERATORS:
        smallest = gs.morphs.Terrain(
            subterrain_types=name, n_subterrains=(2, 1), subterrain_size=(0.5, 0.5)
        ).height_field
        assert smallest.shape == (5, 3) and np.isfinite(smallest).all()


@pytest.fixture(scope="module")
def hills():
    """Two envs of a ball, an egg and a brick that tumble down a hill."""
    scene = gs.Scene(sim_options=gs.options.SimOptions(dt=0.005, requires_grad=True), show_viewer=False)
    terrain = scene.add_entity(
        gs.morphs.Terrain(
            subterrain_types=[["pyramid_sloped_terrain", "wave_terrain"]],
            n_subterrains=(1, 2),
            subterrain_size=(4.0, 4.0),
            subterrain_parameters={"pyramid_sloped_terrain": {"slope": 0.4}},
        ),
    )
    bodies = [
        scene.add_entity(gs.morphs.Sphere(radius=0.15)),
        scene.add_entity(gs.morphs.Ellipsoid(radii=(0.12, 0.15, 0.2))),
        scene.add_entity(gs.morphs.Box(size=(0.3, 0.2, 0.15))),
    ]
    scene.build(n_envs=2)
    return scene, terrain, bodies


def test_what_a_geom_tells(hills):
    _, terrain, bodies = hills
    assert terrain.geoms[0].metadata["height_field"] is terrain.morph.height_field
    assert terrain.geoms[0].metadata["horizontal_scale"] == CELL
    assert bodies[0].geoms[0].metadata == {}


def test_gradient_on_terrain(hills):
    """From heights above the ground through 150 steps of falling and rolling, by initial velocities and friction."""
    scene, terrain, bodies = hills
    starts = torch.tensor([[1.0, 1.2, 0.9], [1.3, 2.6, 0.8], [2.8, 1.5, 0.9]], dtype=gs.tc_float)
    shift = torch.tensor([[0.0, 0.0, 0.0], [0.1, -0.2, 0.05]], dtype=gs.tc_float)

    def loss(push, friction):
        scene.reset()
        for k, body in enumerate(bodies):
            body.set_pos(starts[k] + shift)
            body.set_dofs_velocity(push[:, 6 * k : 6 * k + 6])
        terrain.set_friction(friction)
        for _ in range(150):
            scene.step()
        return sum((body.get_pos() * torch.tensor([1.0, 2.0, 3.0], dtype=gs.tc_float)).sum() for body in bodies)

    rng = torch.Generator().manual_seed(0)
    push = 0.3 * torch.randn((2, 18), generator=rng, dtype=gs.tc_float)
    friction = torch.tensor(0.8, dtype=gs.tc_float)
    inputs = push.clone().requires_grad_(), friction.clone().requires_grad_()
    value = loss(*inputs)
    value.backward()
    assert scene.rigid_solver.get_contacts()["position"].abs().sum() > 0
    for k, direction in enumerate((torch.randn((2, 18), generator=rng, dtype=gs.tc_float), torch.ones(()))):
        exact = float((inputs[k].grad * direction).sum())
        step = 1e-7
        with torch.no_grad():
            ends = [
                float(
                    loss(push + sign * step * direction if k == 0 else push, friction + sign * step if k else friction)
                )
                for sign in (1, -1)
            ]
        expected = (ends[0] - ends[1]) / (2 * step)
        assert exact == pytest.approx(expected, rel=1e-4), k


LYING = {
    "box": (gs.morphs.Box, {"size": (0.23, 0.17, 0.1)}),
    "ball": (gs.morphs.Sphere, {"radius": 0.05}),
    "cylinder on end": (gs.morphs.Cylinder, {"radius": 0.05, "height": 0.1}),
}


# What sticks on a slope with a flat side changes its corners within any difference: see docs/contact.md.
@pytest.mark.parametrize(("shape", "slope"), [*((shape, 0.0) for shape in LYING), ("ball", 0.3)])
def test_gradient_of_what_lies_flush(shape, slope):
    """On level triangles or a slope of them, pushed by little more than friction holds, for 100 steps: by the push. The
    difference is narrow, since the corners that touch change with a small tilt."""
    scene = gs.Scene(
        sim_options=gs.options.SimOptions(dt=0.002, requires_grad=True),
        rigid_options=gs.options.RigidOptions(tolerance=0.0, iterations=200),
        show_viewer=False,
    )
    heights = np.zeros((21, 21)) + slope * 0.1 * np.arange(21)[:, None]
    scene.add_entity(
        gs.morphs.Terrain(height_field=heights, horizontal_scale=0.1, vertical_scale=1.0, pos=(-1.0, -1.0, 0.0))
    )
    make, size = LYING[shape]
    height = slope * 1.013 + 0.0499 * np.hypot(1, slope)
    tilt = -np.degrees(np.arctan(slope))
    body = scene.add_entity(make(pos=(0.013, 0.021, height), euler=(0, tilt, 0), **size))
    scene.build()
    scene.rollout(n_steps=100)
    qpos, velocity = body.get_qpos().sceneless().detach(), body.get_dofs_velocity().sceneless().detach()
    weight = float(body.get_mass()) * 9.81

    def loss(push):
        scene.reset()
        body.set_qpos(qpos)
        body.set_dofs_velocity(velocity)
        scene.rollout({body: torch.cat([push, torch.zeros(3)]).expand(100, 6)})
        return (body.get_pos() * torch.tensor([1.0, 0.5, 0.2])).sum()

    push = weight * torch.tensor([1.2, 0.1, 0.0])
    (gradient,) = torch.autograd.grad(loss(leaf := push.clone().requires_grad_()), leaf)
    for k, step in enumerate(weight * 1e-6 * torch.eye(3)):
        with torch.no_grad():
            expected = float(loss(push + step) - loss(push - step)) / (2e-6 * weight)
        assert float(gradient[k]) == pytest.approx(expected, rel=1e-4, abs=1e-4 * float(gradient.abs().max()))
