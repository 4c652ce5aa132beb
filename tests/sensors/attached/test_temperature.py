"""Temperatures on a grid: what spreads, what contacts bring, what is lost."""

import numpy as np
import pytest
import torch

import genesis as gs
from tests.helpers import check_gradient

KELVIN, SIGMA = 273.15, 5.670374419e-8
STUFF = gs.sensors.TemperatureProperties


def plate(n_envs=0, above=None, gravity=0.0, requires_grad=False, **described):
    """(scene, what lies on it, sensor) of a plate of 1 x 1 x 0.2 m."""
    options = gs.options.SimOptions(dt=0.01, gravity=(0, 0, -gravity), requires_grad=requires_grad)
    scene = gs.Scene(sim_options=options)
    base = scene.add_entity(gs.morphs.Box(size=(1, 1, 0.2), pos=(0, 0, -0.1), fixed=True))
    top = None if above is None else scene.add_entity(above)
    sensor = scene.add_sensor(gs.sensors.TemperatureGrid(entity_idx=base.idx, **described))
    scene.build(n_envs=n_envs)
    return scene, top, sensor


def test_heat_spreads_and_is_kept():
    heat = np.zeros((4, 3, 2))
    heat[0, 0, 0] = 5e4
    scene, _, sensor = plate(
        properties_dict={-1: STUFF(emissivity=0.0, conductivity=200.0)},
        convection_coefficient=0.0,
        grid_size=(4, 3, 2),
        heat_generation=heat,
    )
    for _ in range(50):
        scene.step()
    seen = sensor.read().numpy()
    assert seen.shape == (4, 3, 2)
    # Each cell is 0.1 m high: the power of a cell, per volume, is that per area divided by it.
    np.testing.assert_allclose((seen - 21.0).sum(), 50 * 0.01 * 5e4 / 0.1 / 1000.0, rtol=1e-9)
    assert seen[0, 0, 0] == seen.max() > seen[1, 0, 0] > seen[3, 2, 1] > 21.0


def test_one_implicit_step_solves_the_equation_of_heat():
    """(1 - dt k L) T = T0 for waves of the box, L having the eigenvalue -(pi m / length)^2."""
    scene, _, sensor = plate(
        properties_dict={0: STUFF(emissivity=0.0)}, convection_coefficient=0.0, grid_size=(8, 1, 1)
    )
    x = (np.arange(8) + 0.5) / 8
    cells = torch.as_tensor(np.cos(np.pi * 2 * x))[None]
    spread = sensor._spread(cells, torch.tensor(0.05, dtype=torch.float64))
    np.testing.assert_allclose(spread.numpy(), cells.numpy() / (1 + 0.01 * 0.05 * (2 * np.pi) ** 2), rtol=1e-12)
    scene.step()
    np.testing.assert_allclose(sensor.read().numpy(), np.full((8, 1, 1), 21.0), rtol=1e-12)


def test_cooling_and_lag():
    scene, _, sensor = plate(
        n_envs=2, properties_dict={0: STUFF(base_temperature=80.0)}, ambient_temperature=10.0, sensor_time_constant=0.1
    )
    assert (sensor.read_ground_truth() == 80.0).all()
    assert (sensor.read() == 0.0).all()
    true, lagging = 80.0, 80.0
    for _ in range(5):
        scene.step()
        loss = 0.9 * SIGMA * ((true + KELVIN) ** 4 - (10 + KELVIN) ** 4) + (true - 10.0)
        true -= 0.01 * loss / (1000 * 0.2)
        lagging += 0.1 * (true - lagging)
    np.testing.assert_allclose(sensor.read_ground_truth().numpy().ravel(), [true, true], rtol=1e-12)
    np.testing.assert_allclose(sensor.read().numpy().ravel(), [lagging, lagging], rtol=1e-12)
    scene.reset(envs_idx=[0])
    scene.step()
    first, second = sensor.read_ground_truth().numpy().ravel()
    assert first > 79.9
    assert second < true


def hot_ball(**more):
    return plate(
        above=gs.morphs.Sphere(radius=0.2, pos=(0.3, 0.3, 0.199)),
        properties_dict={0: STUFF(emissivity=0.0), 1: STUFF(base_temperature=90.0, emissivity=0.0)},
        convection_coefficient=0.0,
        grid_size=(5, 5, 1),
        **more,
    )


def test_a_hot_thing_warms_where_it_touches():
    scene, ball, sensor = hot_ball(simulate_all_link_temperatures=True)
    scene.step()
    depth = 0.2 - ball.get_pos()[2].item()
    volume = 0.2**3
    rate = 50.0 * (np.pi * depth) ** 2 / volume**2 / 1000.0
    grid = sensor.read_ground_truth().numpy()[:, :, 0]
    warm = np.unravel_index(grid.argmax(), grid.shape)
    assert warm == (4, 4)
    np.testing.assert_allclose(grid[4, 4] - 21.0, 0.01 * rate * (90 - 21.0), rtol=1e-6)
    np.testing.assert_allclose(grid.sum(), 25 * 21.0 + grid[4, 4] - 21.0, rtol=1e-9)
    links = sensor.link_temperatures.numpy()
    assert links[1] < 90.0
    np.testing.assert_allclose((links[0] - 21.0) * 0.2, (90.0 - links[1]) * 0.4**3, rtol=1e-6)


def test_gradient():
    scene, ball, sensor = hot_ball(requires_grad=True, contact_depth_weight=2.0)

    def run(height):
        scene.reset()
        ball.set_pos(torch.cat([torch.tensor([0.3, 0.3], dtype=torch.float64), height]))
        scene.step()
        return sensor.read_ground_truth()

    # Deeper than 1 mm, where the softness of contacts has a kink.
    check_gradient(run, torch.tensor([0.1975], dtype=torch.float64), eps=1e-4)


def test_what_does_not_fit():
    with pytest.raises(gs.GenesisException, match="says nothing of its own link"):
        plate(properties_dict={})
    with pytest.raises(gs.GenesisException, match="names link 7"):
        plate(properties_dict={7: STUFF()})
