"""The course of an identification where it does not go straight: rejected windows, early ends, priors far away."""

import numpy as np
import pytest
import torch

import genesis as gs
from genesis.errors import GenesisException
from genesis.tools import Log
from genesis.tools.identification.estimation import Coordinates, Estimation, Point, StatePrior
from genesis.tools.identification.fitting import Windows
from genesis.tools.identification.identifiability import LARGEST_SHARE, analyse
from genesis.tools.identification.selection import select_unknowns
from genesis.tools.identification.shooting import lay_on_grid

ARM = """<mujoco><option timestep="0.005" integrator="implicitfast"/><worldbody>
<body name="up" pos="0 0 1"><joint name="shoulder" axis="0 1 0" damping="0.1"/>
<geom type="capsule" fromto="0 0 0 0.3 0 0" size="0.02"/>
<body name="lo" pos="0.3 0 0"><joint name="elbow" axis="0 1 0" damping="0.05"/>
<geom type="capsule" fromto="0 0 0 0.3 0 0" size="0.02"/></body></body></worldbody></mujoco>"""
N_STEPS = 100
NOISE = 1e-4


@pytest.fixture
def arm(tmp_path):
    (tmp_path / "arm.xml").write_text(ARM)
    scene = gs.Scene(sim_options=gs.options.SimOptions(dt=0.005, requires_grad=True))
    robot = scene.add_entity(gs.morphs.MJCF(file=tmp_path / "arm.xml"), name="arm")
    scene.build()
    return scene, robot


def recorded(scene, robot, gravity=-9.81, damping=(0.2, 0.1), noise=NOISE, given=True):
    """A log of other parameters than those of the scene, which are put back."""
    steps = np.arange(N_STEPS)
    u = np.stack([np.sin(0.1 * steps), 0.5 * np.cos(0.17 * steps)], 1)
    before = robot.get_dofs_damping().clone()
    robot.set_dofs_damping(list(damping))
    scene.set_gravity([0.0, 0.0, gravity])
    with torch.no_grad():
        positions = scene.rollout(torch.tensor(u)).qpos().numpy()
    scene.reset()
    robot.set_dofs_damping(before)
    scene.set_gravity([0.0, 0.0, -9.81])
    positions = positions + noise * np.random.default_rng(0).standard_normal(positions.shape)
    return Log(
        0.005 * np.arange(N_STEPS + 1),
        {"arm.dofs_position": positions},
        {"arm": np.concatenate([u, u[-1:]])},
        noise={"arm.dofs_position": noise} if given else None,
    )


def test_longer_windows_that_a_wrong_model_does_not_fit_are_given_up(arm):
    scene, robot = arm
    result = gs.tools.identify(scene, recorded(scene, robot, gravity=-9.0), ["arm.dofs_damping"], progress=False)
    assert all(np.isfinite(e.value) for e in result.estimates)
    assert any("fit worse" in note for note in result.notes) or any("lacks something" in note for note in result.notes)


@pytest.mark.parametrize("method", ["adam", "lbfgs", "lm"])
def test_every_method_takes_a_prior_of_the_first_state(arm, method):
    scene, robot = arm
    result = gs.tools.identify(
        scene,
        recorded(scene, robot),
        ["gravity"],
        method=method,
        initial_state_std=1.0,
        max_iterations=20,
        progress=False,
    )
    assert np.isfinite(result.cost)


def test_an_early_end_is_said_and_its_errors_are_not_those_of_a_guessed_noise(arm):
    scene, robot = arm
    result = gs.tools.identify(
        scene, recorded(scene, robot, given=False), ["arm.dofs_damping"], max_iterations=3, progress=False
    )
    assert result.reason != "converged"
    assert any("before it had converged" in note for note in result.notes)
    assert all(channel.reduced_chi2 < 3.0 for channel in result.channels)


def test_a_value_that_moves_with_what_is_not_determined_has_an_error_that_says_so():
    """z1 is known to 1e-6, z2 not at all; a value that is 4 % of it is known to no better than 4 % of its size."""
    share = 0.8 * LARGEST_SHARE
    jacobian = torch.tensor([[1.0, share], [1.0, 0.0]], dtype=torch.float64)
    found = analyse(torch.diag(torch.tensor([1e12, 0.0], dtype=torch.float64)), jacobian, ["mixed", "pure"])
    assert found.determined.tolist() == [True, True]
    assert float(found.covariance[0, 0].sqrt()) == pytest.approx(share, rel=1e-3)
    assert float(found.covariance[1, 1].sqrt()) == pytest.approx(1e-6)


def test_the_gradient_of_a_prior_of_the_state_far_from_its_mean():
    scene = gs.Scene(sim_options=gs.options.SimOptions(dt=0.005, requires_grad=True))
    box = scene.add_entity(gs.morphs.Box(size=(0.1, 0.2, 0.3), pos=(0, 0, 5)), name="box")
    scene.build()
    times = 0.005 * np.arange(21)
    with torch.no_grad():
        path = scene.rollout(n_steps=20).qpos(box).numpy()
    log = Log(times, {"box.qpos": path}, noise={"box.qpos": 1e-3})
    scene.reset()
    recording = log.bind(scene)
    windows = Windows(recording, lay_on_grid(recording, scene.dt), 20)
    coordinates = Coordinates(scene, select_unknowns(scene, ["gravity"], None))
    sigma = [torch.full((windows.samples[0].present.shape[1],), 1e-3, dtype=torch.float64)]
    mean = windows.system.state()
    system = windows.system
    deviation = torch.logspace(-3, 0, system.ndx, dtype=torch.float64)
    prior = StatePrior(torch.zeros(1, dtype=torch.int64), mean, deviation)
    estimation = Estimation(coordinates, windows, sigma, prior)
    away = torch.zeros(1, system.ndx)
    away[0, 3:6] = torch.tensor([0.7, -0.6, 0.7])
    point = Point(torch.zeros_like(coordinates.start), system.integrate(mean, away))
    (difference, _, (_, by_dx)) = estimation._extra_rows(point)[-1]
    gradient = (difference[:, None] @ by_dx)[0, 0]
    h, expected = 1e-6, torch.zeros(system.ndx)
    for i in range(system.ndx):
        step = torch.zeros(1, system.ndx)
        step[0, i] = h
        ahead, behind = (
            0.5 * (system.difference(mean, system.integrate(point.x0, s * step)) / deviation).square().sum()
            for s in (1.0, -1.0)
        )
        expected[i] = (ahead - behind) / (2 * h)
    torch.testing.assert_close(gradient, expected, rtol=1e-6, atol=1e-6 * float(expected.abs().max()))


def test_an_output_without_a_graph_is_no_crash(arm):
    scene, robot = arm
    log = recorded(scene, robot)
    flat = Log(
        log.times,
        {"z": log.measurements["arm.dofs_position"][:, :1]},
        {"arm": np.zeros((N_STEPS + 1, 2))},
        noise={"z": NOISE},
        outputs={"z": lambda trajectory: trajectory.qpos(robot)[..., :1].detach()},
    )
    try:
        result = gs.tools.identify(scene, flat, ["arm.dofs_damping"], progress=False)
    except GenesisException as error:
        assert "z" in str(error)
    else:
        assert not any(e.determined for e in result.estimates)
