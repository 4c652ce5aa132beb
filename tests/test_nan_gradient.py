"""Gradients that are NaN or infinite: named by env, step, stage and part, passed on, and kept away from other envs."""

import logging
import math

import pytest
import torch

import genesis as gs
from genesis.grad import non_finite
from genesis.system import System
from tests.scenes import build

PENDULUM = """
<mujoco>
  <option timestep="0.01"/>
  <worldbody>
    <body name="upper" pos="0 0 1">
      <joint name="shoulder" axis="0 1 0"/>
      <geom type="capsule" fromto="0 0 0 0 0 -0.3" size="0.02"/>
      <body name="lower" pos="0 0 -0.3">
        <joint name="elbow" axis="0 1 0"/>
        <geom type="capsule" fromto="0 0 0 0 0 -0.3" size="0.02"/>
      </body>
    </body>
  </worldbody>
</mujoco>
"""
N_STEPS = 150
# Nearly upright, small changes grow about a hundredfold in N_STEPS: a gradient that begins here overflows on the way.
UPRIGHT = (3.1, 0.0)
NEARLY_INFINITE = 1e307


def box_on_ground(integrator=None, substeps=1, n_envs=3):
    """A box at rest, a tenth of a millimetre into the ground."""
    scene = gs.Scene(
        sim_options=gs.options.SimOptions(dt=0.005, substeps=substeps, requires_grad=True),
        rigid_options=gs.options.RigidOptions(integrator=integrator),
    )
    scene.add_entity(gs.morphs.Plane(), name="ground")
    box = scene.add_entity(gs.morphs.Box(size=(0.2, 0.2, 0.2), pos=(0.0, 0.0, 0.0999)), name="box")
    scene.build(n_envs=n_envs)
    return scene, box


def run(scene, robot, velocity, controls, how):
    """N_STEPS from nearly upright, under controls (N_STEPS, n_envs, n_dofs)."""
    robot.set_qpos(torch.tensor(UPRIGHT))
    robot.set_dofs_velocity(velocity)
    if how == "steps":
        for row in controls:
            robot.control_dofs_force(row)
            scene.step()
    else:
        scene.rollout({robot: controls}, memory_limit="8kB" if how == "pieces" else None)


def warnings_of(caplog):
    return [r.message for r in caplog.records if "a gradient is NaN or infinite" in r.message]


@pytest.mark.parametrize("how", ["steps", "rollout", "pieces"])
def test_a_gradient_that_overflows_is_named_by_env_step_stage_and_joint(how, caplog):
    scene, robot = build(PENDULUM, n_envs=3)
    controls = torch.zeros(N_STEPS, 3, 2, requires_grad=True)
    velocity = torch.zeros(3, 2, requires_grad=True)
    run(scene, robot, velocity, controls, how)
    weight = torch.tensor([1.0, NEARLY_INFINITE, 1.0])
    with caplog.at_level(logging.WARNING, logger="genesis"):
        (robot.get_qpos()[:, 0] * weight).sum().backward()
    (message,) = warnings_of(caplog)
    assert "env 1, step " in message
    assert "adjoint of the stage" in message
    assert "shoulder" in message or "elbow" in message
    # Passed on, and only in its own env.
    assert torch.isfinite(velocity.grad).all(-1).tolist() == [True, False, True]


def test_a_gradient_that_arrives_as_nan_is_told_from_one_that_becomes_it(caplog):
    scene, robot = build(PENDULUM, n_envs=3)
    controls = torch.zeros(20, 3, 2, requires_grad=True)
    trajectory = scene.rollout({robot: controls})
    with caplog.at_level(logging.WARNING, logger="genesis"):
        (trajectory.qpos(robot)[13, 2, 1] * math.nan).backward()
    (message,) = warnings_of(caplog)
    # State 13 is the result of step 12, counted from zero.
    assert "env 2, step 12: it arrives so" in message
    assert "elbow" in message


@pytest.mark.parametrize("how", ["getter", "trajectory"])
def test_a_getter_says_in_which_env_it_arrives(how, caplog):
    scene, robot = build(PENDULUM, n_envs=3)
    controls = torch.zeros(5, 3, 2, requires_grad=True)
    trajectory = scene.rollout({robot: controls})
    places = robot.get_links_pos() if how == "getter" else trajectory.links_pos(robot)[4]
    with caplog.at_level(logging.WARNING, logger="genesis"):
        (places[2, 1, 0] * math.nan).backward()
    (message,) = warnings_of(caplog)
    assert "env 2: it arrives so" in message
    assert ("of state 4 of the trajectory" in message) == (how == "trajectory")


def test_it_is_said_once_per_scene(caplog):
    scene, robot = build(PENDULUM, n_envs=2)
    controls = torch.zeros(5, 2, 2, requires_grad=True)
    with caplog.at_level(logging.WARNING, logger="genesis"):
        for _ in range(2):
            scene.reset()
            scene.rollout({robot: controls})
            (robot.get_qpos()[1, 0] * math.inf).backward()
    assert len(warnings_of(caplog)) == 1


def test_the_pair_of_a_contact_is_named(caplog):
    scene, box = box_on_ground()
    scene.rollout(n_steps=5)
    velocity = torch.zeros(3, 6, requires_grad=True)
    box.set_dofs_velocity(velocity)
    scene.step()
    gradient = torch.zeros(3, 6)
    gradient[1, :3] = 1e308
    with caplog.at_level(logging.WARNING, logger="genesis"):
        box.get_dofs_velocity().backward(gradient)
    (message,) = warnings_of(caplog)
    assert "env 1, step 5" in message
    assert "the contact of geom 'ground/plane_geom' and geom 'box/box_geom'" in message


@pytest.mark.parametrize("substeps", [1, 2])
@pytest.mark.parametrize("integrator", [gs.integrator.Euler, gs.integrator.implicitfast, gs.integrator.RK4])
def test_the_diagnosis_walks_the_same_adjoint(integrator, substeps):
    scene, _ = box_on_ground(integrator, substeps)
    scene.rollout(n_steps=3)
    dynamics, command = scene.world.dynamics, scene.world.commands.command
    theta, state = scene.world.theta.packed_of_envs().detach(), scene.world.state.detach()
    after, solution = torch.empty_like(state), torch.empty_like(scene.world.solution)
    dynamics.run(theta, command, state, after, scene.world.solution.detach(), solution)
    gradient = torch.randn(state.shape, generator=torch.Generator().manual_seed(0))
    expected = dynamics.run_adjoint(theta, command, state, solution, gradient, None, True, []).state
    for env in range(3):
        assert non_finite.in_step(dynamics, theta, command, state, solution, gradient, [env]) is None
        found = non_finite._tracer(dynamics)._state(gradient=True)[0]
        assert torch.equal(found, expected[env])


@pytest.mark.parametrize("how", ["steps", "rollout"])
def test_one_env_does_not_touch_the_others(how):
    """A NaN in one env of 64, in contact: the other envs' gradients are the same bits as without it."""
    scene, box = box_on_ground(n_envs=64)
    start = 0.1 * torch.randn(64, 6, generator=torch.Generator().manual_seed(1))

    def gradient(weight):
        velocity = start.clone().requires_grad_()
        scene.reset()
        box.set_dofs_velocity(velocity)
        if how == "steps":
            for _ in range(10):
                scene.step()
        else:
            scene.rollout(n_steps=10)
        (box.get_pos().square().sum(-1) * weight).sum().backward()
        return velocity.grad

    weight = torch.ones(64)
    healthy = gradient(weight)
    weight[17] = math.nan
    broken = gradient(weight)
    others = torch.arange(64) != 17
    assert torch.isfinite(healthy).all()
    assert not torch.isfinite(broken[17]).any()
    assert torch.equal(broken[others], healthy[others])


def test_a_nan_that_the_loss_gives_to_the_first_state_of_a_rollout(caplog):
    scene = gs.Scene(sim_options=gs.options.SimOptions(requires_grad=True))
    box = scene.add_entity(gs.morphs.Box(size=(0.1, 0.1, 0.1), pos=(0, 0, 1)))
    scene.build()
    velocity = torch.zeros(6, requires_grad=True)
    box.set_dofs_velocity(velocity)
    path = scene.rollout(n_steps=3).dofs_velocity()
    with caplog.at_level("WARNING", logger="genesis"):
        ((path[0] * 0.0).sqrt().sum() + path[-1].sum()).backward()
    assert velocity.grad.isnan().any()
    assert "step 0" in caplog.text and "first state" in caplog.text


@pytest.mark.parametrize("row", [0, 2])
def test_the_origin_in_a_row_of_a_system(row, caplog):
    scene, _ = build(PENDULUM)
    system = System(scene, 3)
    x0 = system.state().expand(3, -1).clone()
    x0[row, : system.nq] = torch.tensor(UPRIGHT)
    x0.requires_grad_()
    end = system.rollout(x0, torch.zeros(N_STEPS, 3, system.nu))[-1]
    with caplog.at_level(logging.WARNING, logger="genesis"):
        (NEARLY_INFINITE * end[row]).sum().backward()
    assert not x0.grad[row].isfinite().all()
    assert x0.grad[1].isfinite().all()
    assert f"env {row}, step" in caplog.text and "adjoint of the stage" in caplog.text
