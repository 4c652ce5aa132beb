"""The gradient doctor on motions that have no useful gradient: NaN, contacts that switch, chaos."""

import math
import re

import numpy as np
import pytest
import torch

import genesis as gs
from genesis.doctor.contacts import switches
from genesis.doctor.recording import Recorder
from tests.doctor.cases import N_STEPS, only, pendulum, random_controls, stepped
from tests.scenes import build

# -- NaN --------------------------------------------------------------------------------------------------------------


def test_a_nan_in_one_env_of_64():
    scene, robot = pendulum(n_envs=64)
    u = random_controls(N_STEPS, 64, 2).detach()
    u[:, 17] = 0.0  # it stays where it hangs, at zero, whose norm has no derivative
    u.requires_grad_()

    def loss():
        stepped(scene, robot, u)
        return robot.get_qpos().square().sum(-1).sqrt().sum()

    report = gs.grad.check(loss, {"u": u})
    finding = only(report, "nan")
    assert finding.envs == (17,)
    assert "env 17" in finding.text
    assert "Sqrt" in finding.text
    assert "test_motions.py" in finding.text
    bad = ~np.isfinite(report.inputs["u"].gradient)
    assert bad[:, 17].all()
    assert not np.delete(bad, 17, axis=1).any()


def test_a_gradient_that_overflows_in_a_step():
    scene, robot = pendulum(n_envs=3, damping=0.0)
    velocity = torch.zeros(3, 2, requires_grad=True)
    weight = torch.tensor([1.0, 1e307, 1.0])

    def loss():
        scene.reset()
        robot.set_qpos(torch.tensor([3.1, 0.0]))
        robot.set_dofs_velocity(velocity)
        scene.rollout(n_steps=150)
        return (robot.get_qpos()[:, 0] * weight).sum()

    finding = only(gs.grad.check(loss, {"velocity": velocity}), "nan")
    assert finding.envs == (1,)
    assert re.search(r"env 1: .* backward pass of step \d+\. The adjoint of the stage '", finding.text)


def test_a_loss_that_is_nan_itself():
    scene, robot = pendulum()
    u = random_controls(N_STEPS, 2)

    def loss():
        stepped(scene, robot, u)
        return (robot.get_qpos().sum() - 10.0).log()

    assert "the loss itself is nan" in only(gs.grad.check(loss, {"u": u}), "nan").text


# -- contacts ---------------------------------------------------------------------------------------------------------


def ball_above_ground():
    scene = gs.Scene(sim_options=gs.options.SimOptions(dt=0.005, requires_grad=True))
    scene.add_entity(gs.morphs.Plane(), name="ground")
    ball = scene.add_entity(gs.morphs.Sphere(radius=0.1, pos=(0.0, 0.0, 0.5)), name="ball")
    scene.build()
    return scene, ball


def falling(scene, ball, height, n_steps, speed):
    def loss():
        scene.reset()
        ball.set_pos(torch.stack([torch.zeros(()), torch.zeros(()), height]))
        ball.set_dofs_velocity(torch.tensor([0.0, 0.0, -speed, 0.0, 0.0, 0.0]))
        for _ in range(n_steps):
            scene.step()
        return ball.get_pos()[2]

    return loss


def test_a_contact_that_switches_within_every_difference():
    scene, ball = ball_above_ground()
    height = torch.tensor(0.1, requires_grad=True)  # it touches exactly
    report = gs.grad.check(falling(scene, ball, height, 1, 1.0), {"height": height}, scene)
    (finding,) = report.findings
    assert (finding.kind, finding.fault) == ("jump", False)  # it is stopped, or not at all
    assert str(report).startswith("Gradient check: undecided for height.")
    assert [c.verdict for c in report.inputs["height"].comparisons] == ["the loss jumps here"]
    assert not report.ok
    assert finding.inputs == ("height",)
    assert finding.step == 0
    assert "ground" in finding.text
    assert "ball" in finding.text
    assert "appears or vanishes" in finding.text


def test_a_contact_that_switches_within_large_differences_only():
    """A ten-thousandth above the ground: the gradient is right, and good for moves that are smaller than that."""
    scene, ball = ball_above_ground()
    height = torch.tensor(0.10003, requires_grad=True)
    report = gs.grad.check(falling(scene, ball, height, 1, 1.0), {"height": height}, scene)
    assert report.ok, str(report)
    assert [c.verdict for c in report.inputs["height"].comparisons] == ["ok"]
    (finding,) = report.findings
    assert finding.kind == "contact switch"
    assert not finding.fault


def test_a_box_that_begins_to_slide_is_told_from_one_that_sticks():
    scene = gs.Scene(
        sim_options=gs.options.SimOptions(dt=0.005, requires_grad=True),
        rigid_options=gs.options.RigidOptions(friction_cone=gs.friction_cone.elliptic),
    )
    scene.add_entity(gs.morphs.Plane(), name="ground")
    box = scene.add_entity(gs.morphs.Box(size=(0.4, 0.4, 0.1), pos=(0.0, 0.0, 0.0499)), name="box")
    scene.build()
    weight = 1000.0 * 0.4 * 0.4 * 0.1 * 9.81

    def pushed(force):
        with torch.no_grad(), Recorder(scene, watch=True) as recorder:
            scene.reset()
            for _ in range(5):
                box.control_dofs_force(torch.tensor([force, 0.0, 0.0, 0.0, 0.0, 0.0]))
                scene.step()
        return recorder.activities

    little, much = pushed(0.3 * weight), pushed(1.5 * weight)
    assert not switches(scene.world.model, little, pushed(0.3 * weight))
    (found,) = switches(scene.world.model, little, much)
    assert "ground" in found.what
    assert "box" in found.what
    assert "sticks against" in found.change
    assert found.change.endswith("slides")


def test_a_joint_limit_is_named():
    text = """
    <mujoco><option timestep="0.01"/><worldbody><body name="arm"><joint name="hinge" axis="0 0 1" range="-30 30"/>
    <geom type="capsule" fromto="0 0 0 0.3 0 0" size="0.02"/></body></worldbody></mujoco>
    """
    scene, robot = build(text, constraints=True)
    angle = torch.tensor(math.radians(30.0), requires_grad=True)

    def loss():
        scene.reset()
        robot.set_qpos(angle.reshape(1))
        robot.set_dofs_velocity(torch.tensor([speed]))
        scene.step()
        return robot.get_qpos().sum()

    speed = 0.0  # the force of the limit begins at zero
    report = gs.grad.check(loss, {"angle": angle}, scene)
    (finding,) = report.findings
    assert finding.kind == "contact switch" and not finding.fault
    assert report.undecided == ["angle"] and not report.ok and "undecided for angle" in str(report)
    assert re.search("upper limit of joint '.*hinge'", finding.text)
    speed = 1.0  # it is stopped, or not at all
    report = gs.grad.check(loss, {"angle": angle}, scene)
    (finding,) = report.findings
    assert finding.kind == "jump"
    assert report.undecided == ["angle"]
    assert re.search("upper limit of joint '.*hinge'", finding.text)


# -- chaos ------------------------------------------------------------------------------------------------------------


def test_a_chaotic_double_pendulum():
    scene, robot = pendulum(damping=0.0)
    start = torch.tensor([3.0, 3.0], requires_grad=True)

    def loss():
        scene.reset()
        robot.set_qpos(start)
        robot.set_dofs_velocity(torch.tensor([8.0, 0.0]))
        scene.rollout(n_steps=1200)
        return robot.get_qpos().sin().sum()

    report = gs.grad.check(loss, {"start": start})
    finding = only(report, "chaos")
    growth = report.growth
    # A double pendulum of this size and energy has an exponent of a few per second.
    assert 1.0 < growth.exponent < 10.0
    assert growth.factor > 1e6
    assert growth.doubling_time == pytest.approx(math.log(2.0) / growth.exponent)
    assert growth.horizon_of_32_bits < growth.horizon
    assert "horizon is too long" in finding.advice
    # The sum of the exponents is the rate at which volumes grow: none, without damping (Liouville).
    assert abs(growth.exponents.sum()) < 0.3 * growth.exponent


def test_exponents_of_a_linear_system():
    """A body on an unstable spring, v' = k x: the exponents are plus and minus sqrt(k / m)."""
    text = """
    <mujoco><option timestep="0.002" integrator="RK4" gravity="0 0 0"/><worldbody><body><joint type="slide"
    axis="1 0 0"/><geom size="0.1" mass="2"/></body></worldbody></mujoco>
    """
    scene, robot = build(text)
    start, gain = torch.tensor([1e-3], requires_grad=True), torch.tensor(8.0)

    def loss():
        scene.reset()
        robot.set_qpos(start)
        robot.set_dofs_kp(-gain.reshape(1))
        robot.set_dofs_kv(torch.zeros(1))
        robot.control_dofs_position(torch.zeros(1))
        scene.rollout(n_steps=1500)
        return robot.get_qpos().sum()

    growth = gs.grad.check(loss, {"start": start}, scene).growth
    # The vectors turn into their directions within some tenths of a second, of three.
    assert growth.exponents == pytest.approx([2.0, -2.0], rel=0.05)
    assert growth.gradient_exponent == pytest.approx(2.0, rel=0.05)


@pytest.mark.parametrize("check_first", [True, False])
def test_a_clip_of_gradients_is_not_taken_for_a_fault_and_stays_in_force(check_first):
    scene, robot = pendulum(gradient_clip=1e-3)
    velocity = torch.tensor([1.0, -0.5], requires_grad=True)

    def loss():
        scene.reset()
        robot.set_dofs_velocity(velocity)
        scene.rollout(n_steps=N_STEPS)
        return robot.get_links_pos().sum()

    def clipped():
        velocity.grad = None
        loss().backward()
        return velocity.grad.clone()

    before = clipped() if not check_first else None
    report = gs.grad.check(loss, {"velocity": velocity})
    after = clipped()
    assert report.ok, str(report)
    assert "checked without gradient_clip=0.001; your own gradient is clipped" in report.remarks
    assert float(after.norm()) <= 1e-3 * (1 + 1e-12)
    assert before is None or torch.equal(before, after)
