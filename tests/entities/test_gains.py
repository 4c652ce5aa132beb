"""Gains of commands: those that no time step of this length can hold are warned of, and a free base has none."""

import numpy as np
import pytest
import torch

import genesis as gs
from genesis.world import gains
from tests.scenes import build

# A chain of three different links, beside them a slide; one dof is damped. No gravity: at rest nothing pulls.
CHAIN = """
<mujoco><option timestep=".01"><flag eulerdamp="{eulerdamp}"/></option><worldbody>
  <body><joint name="one" axis="0 1 0" damping=".4"/><geom type="capsule" size=".03" fromto="0 0 0 .3 0 0"/>
    <body pos=".3 0 0"><joint name="two" axis="0 1 0"/><geom type="capsule" size=".02" fromto="0 0 0 .1 .05 .2"/>
      <body pos=".1 .05 .2"><joint name="three" axis="1 0 0"/><geom type="box" size=".02 .05 .03" pos="0 .05 .02"/></body>
    </body>
  </body>
  <body pos="0 1 0"><joint name="slide" type="slide" axis="0 0 1"/><geom type="sphere" size=".05"/></body>
</worldbody></mujoco>"""
# A random gain may lie so near to the edge of stability that neither side can tell: the largest factor per step is
# computed to about the root of rounding, for it may be a double one.
EDGE = 1e-6


def warnings(caplog):
    return [record.message for record in caplog.records if "cannot be stable" in record.message]


def chain(integrator, n_envs=0, eulerdamp="enable", **options):
    scene, robot = build(
        CHAIN.format(eulerdamp=eulerdamp), n_envs=n_envs, integrator=integrator, gravity=(0, 0, 0), **options
    )
    robot.set_dofs_position([0.3, -0.5, 0.4, 0.1])
    return scene, robot


@pytest.mark.parametrize(
    ("integrator", "eulerdamp", "scale"),
    [
        ("Euler", "enable", 1.0),
        ("Euler", "disable", 1.0),
        ("implicitfast", "enable", 30.0),
        ("implicit", "enable", 30.0),
        ("RK4", "enable", 2.0),
    ],
)
@pytest.mark.parametrize("control", ["position", "velocity"])
def test_what_is_called_unstable_is_what_grows(integrator, eulerdamp, scale, control):
    """The matrix criterion says of random gains what the eigenvalues of the exact derivative of a step say."""
    scene, robot = chain(integrator, eulerdamp=eulerdamp)
    rng = np.random.default_rng(0)
    mass = np.diag(robot.get_mass_mat().detach().numpy())
    verdicts = []
    for _ in range(40):
        # without damping, the edge of stability of a dof alone is kp = 4 M / h^2
        kp = scale * 10 ** rng.uniform(-3, 0.5, 4) * mass / 1e-4
        kv = scale * 10 ** rng.uniform(-3, 0.3, 4) * mass / 1e-2
        robot.set_dofs_kp(kp)
        robot.set_dofs_kv(kv)
        if control == "position":
            robot.control_dofs_position(robot.get_dofs_position().detach())
        else:
            robot.control_dofs_velocity(0.0)
        by_state, _ = scene.linearize()
        largest = np.abs(np.linalg.eigvals(by_state.detach().numpy())).max()
        world = scene.world
        switches = world.commands.command.switches
        found = gains.unstable_dofs(world.model, switches.mode, robot.get_mass_mat()[None], world.theta.packed())
        # under velocity control a dof may be anywhere: its position has the factor 1
        if control == "velocity" or abs(largest - 1.0) > EDGE:
            assert bool(found) == (largest > 1.0 + EDGE), (largest, found)
            verdicts.append(bool(found))
    if integrator in ("implicitfast", "implicit") and control == "velocity":
        assert not any(verdicts)
    else:
        assert 3 < sum(verdicts) < len(verdicts) - 3


def test_what_is_implicit_in_the_velocity_is_stable_at_any_velocity_gain(caplog):
    scene, robot = chain("implicitfast", requires_grad=False)
    robot.set_dofs_kv(1e6)
    robot.control_dofs_velocity(0.0)
    scene.step()
    assert not warnings(caplog)


def test_the_warning_names_the_dofs_once(caplog):
    scene, robot = chain("Euler", requires_grad=False)
    robot.set_dofs_kp(1.0)
    robot.set_dofs_kv(0.01)
    robot.control_dofs_position(robot.get_dofs_position())
    scene.step()
    assert not warnings(caplog)
    robot.set_dofs_kv(2000.0, [3])
    scene.step()
    (said,) = warnings(caplog)
    assert "joint 'mjcf_0/slide'" in said and "one" not in said and "Euler" in said and "0.01 s" in said
    robot.set_dofs_kv(2000.0)
    scene.reset()
    robot.control_dofs_position([0.0] * 4)
    scene.step()
    assert len(warnings(caplog)) == 1


@pytest.mark.parametrize("how", ["part", "rollout", "one env", "checkpoint"])
def test_however_a_command_is_given(how, caplog, tmp_path):
    scene, robot = chain("Euler", n_envs=3, requires_grad=False)
    robot.control_dofs_force(0.0)
    robot.set_dofs_kv(2000.0, [3], envs_idx=[1])
    robot.set_dofs_kv(0.01, [3], envs_idx=[0, 2])
    robot.set_dofs_kv(0.01, [0, 1, 2])
    robot.set_dofs_kp(1.0)
    scene.step()
    assert not warnings(caplog), "forces know no gains"
    if how == "part":
        robot.control_dofs_velocity([0.0], [3])
        scene.step()
    elif how == "rollout":
        scene.rollout({robot: torch.zeros(2, 4)}, "velocity")
    elif how == "one env":
        robot.control_dofs_position([0.0], [3], envs_idx=[2])
        scene.step()
        assert not warnings(caplog), "the gains of this env are stable"
        robot.control_dofs_position([0.0], [3], envs_idx=[1])
        scene.step()
    else:
        robot.control_dofs_velocity([0.0], [3])
        scene.save_checkpoint(tmp_path / "here")
        other, _ = chain("Euler", n_envs=3, requires_grad=False)
        other.load_checkpoint(tmp_path / "here")
        other.step()
    assert len(warnings(caplog)) == 1


def test_substeps_are_the_steps_that_count(caplog):
    scene, robot = chain("Euler", substeps=20, requires_grad=False)
    robot.set_dofs_kp(0.0)
    mass = np.diag(robot.get_mass_mat().numpy())[3]
    robot.set_dofs_kv(0.0)
    robot.set_dofs_kv(1.9 * mass / (0.01 / 20), [3])  # stable below 2 M / h
    robot.control_dofs_velocity(0.0)
    scene.step()
    assert not warnings(caplog)
    robot.set_dofs_kv(2.1 * mass / (0.01 / 20), [3])
    scene.step()
    assert len(warnings(caplog)) == 1


def test_a_free_base_is_held_by_nothing():
    scene = gs.Scene()
    ball = scene.add_entity(gs.morphs.Sphere(radius=0.1, pos=(0, 0, 1)))
    scene.build()
    assert ball.get_dofs_kp().tolist() == ball.get_dofs_kv().tolist() == [0.0] * 6
    ball.control_dofs_position([0.0, 0.0, 1.0, 0.0, 0.0, 0.0])
    for _ in range(10):
        scene.step()
    assert ball.get_dofs_velocity()[2].item() == pytest.approx(-9.81 * 0.1)
    ball.set_dofs_kp(1000.0)
    ball.set_dofs_kv(100.0)
    for _ in range(300):
        scene.step()
    # it weighs 4.19 kg, which a spring of 1000 N/m lets sink by 41 mm
    assert ball.get_pos()[2].item() == pytest.approx(1 - 4 / 3 * np.pi * 0.1**3 * 1000 * 9.81 / 1000, abs=1e-6)


def test_an_arm_holds_its_pose_with_the_default_gains(caplog):
    for dt in (0.01, 0.002):
        scene = gs.Scene(sim_options=gs.options.SimOptions(dt=dt))
        arm = scene.add_entity(gs.morphs.URDF(file="examples/assets/panda.urdf", fixed=True))
        scene.build()
        pose = torch.tensor([0.0, -0.3, 0.0, -2.0, 0.0, 1.8, 0.5, 0.02, 0.02])
        arm.set_dofs_position(pose)
        arm.control_dofs_position(pose)
        scene.rollout(n_steps=round(2 / dt))
        assert arm.get_dofs_velocity().abs().max().item() < 0.1
    assert not warnings(caplog)


def test_gains_that_hardly_change_are_not_looked_at_again(monkeypatch):
    """A policy may set gains before every step: only the first are looked at, and what has moved by over a tenth."""
    scene, robot = chain("implicitfast", requires_grad=False)
    looks, find = [], gains.unstable_dofs
    monkeypatch.setattr(gains, "unstable_dofs", lambda *given: looks.append(0) or find(*given))
    robot.control_dofs_position(0.0)
    for k in range(20):
        robot.set_dofs_kp(1.0 + 0.001 * k)
        scene.step()
    assert len(looks) == 1
    for kp, kv in ((1.2, 10.0), (1.2, 8.0), (1.25, 8.1)):
        robot.set_dofs_kp(kp)
        robot.set_dofs_kv(kv)
        scene.step()
    assert len(looks) == 3
