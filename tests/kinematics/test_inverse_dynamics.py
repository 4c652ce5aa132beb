"""Inverse dynamics, bias, gravity and Coriolis forces, against MuJoCo; gradients against differences."""

import mujoco
import numpy as np
import pytest
import torch

import genesis as gs
from tests import models
from tests.entities.worlds import scatter_state, world
from tests.helpers import check_gradient
from tests.kinematics.robots import build

# Rounding of sums of some hundred terms of order ten, 64 bits.
TOLERANCE = 1e-9

# Gravity compensation as a passive force and as the actuator's, a spring, damping, a tendon with a spring, a fluid.
LOADED = """
<mujoco><option density="30" viscosity=".3"/><worldbody>
  <body gravcomp=".7"><joint name="a" axis="0 1 0" damping=".3" stiffness="2" springref="20" armature=".05"/>
    <geom type="capsule" size=".04" fromto="0 0 0 .4 0 0"/>
    <body pos=".4 0 0" gravcomp=".5"><joint name="b" axis="0 1 .2" actuatorgravcomp="true"/>
      <geom type="capsule" size=".03" fromto="0 0 0 .3 .1 0"/>
      <body pos=".3 .1 0"><joint name="c" type="slide" axis="1 0 0" range="-.1 .1"/><geom type="box" size=".05 .03 .02"/>
  </body></body></body></worldbody>
  <tendon><fixed name="t" stiffness="3" damping=".4" springlength=".1"><joint joint="a" coef="1"/><joint joint="b" coef="-.5"/></fixed></tendon>
  <actuator><motor joint="b" gear="3"/></actuator></mujoco>"""


@pytest.fixture(scope="module")
def loaded():
    return build(LOADED)


def by_mujoco(scene, qpos, qvel, qacc):
    """qfrc_inverse without what constraints do, and qfrc_bias, at that state."""
    model = scene.mj_model
    data = mujoco.MjData(model)
    data.qpos[:], data.qvel[:], data.qacc[:] = qpos, qvel, qacc
    mujoco.mj_inverse(model, data)
    return data.qfrc_inverse + data.qfrc_constraint, data.qfrc_bias.copy()


def test_equal_mujoco_at_the_present_state():
    scene, *entities = world(2)
    qpos, qvel = scatter_state(scene)
    rng = np.random.default_rng(1)
    qacc = rng.standard_normal(qvel.shape)
    for entity in entities[:2]:
        dofs = slice(entity.dof_start, entity.dof_end)
        force = entity.inverse_dynamics(torch.as_tensor(qacc[:, dofs]))
        bias, gravity, coriolis = entity.get_bias_forces(), entity.get_gravity_forces(), entity.get_coriolis_forces()
        for env in range(2):
            inverse, whole = by_mujoco(scene, qpos[env], qvel[env], qacc[env])
            _, at_rest = by_mujoco(scene, qpos[env], 0 * qvel[env], qacc[env])
            np.testing.assert_allclose(force[env].detach(), inverse[dofs], atol=TOLERANCE)
            np.testing.assert_allclose(bias[env].detach(), whole[dofs], atol=TOLERANCE)
            np.testing.assert_allclose(gravity[env].detach(), at_rest[dofs], atol=TOLERANCE)
            np.testing.assert_allclose(coriolis[env].detach(), (whole - at_rest)[dofs], atol=TOLERANCE)


@pytest.mark.parametrize("text", [LOADED, models.BALL_CHAIN], ids=["loaded", "ball chain"])
def test_equal_mujoco_at_another_state(text):
    scene, robot = build(text)
    rng = np.random.default_rng(2)
    mj = scene.mj_model
    qpos = mj.qpos0.copy()
    mujoco.mj_integratePos(mj, qpos, 0.4 * rng.standard_normal(mj.nv), 1.0)
    qvel, qacc = rng.standard_normal(mj.nv), rng.standard_normal(mj.nv)
    before = robot.get_qpos(), robot.get_dofs_velocity()
    state = {"qpos": torch.as_tensor(qpos), "qvel": torch.as_tensor(qvel)}
    inverse, bias = by_mujoco(scene, qpos, qvel, qacc)
    np.testing.assert_allclose(robot.inverse_dynamics(torch.as_tensor(qacc), **state), inverse, atol=TOLERANCE)
    np.testing.assert_allclose(robot.get_bias_forces(**state), bias, atol=TOLERANCE)
    assert torch.equal(robot.get_qpos(), before[0]) and torch.equal(robot.get_dofs_velocity(), before[1])


def test_its_force_makes_that_acceleration():
    """What inverse dynamics says, applied, gives the acceleration back."""
    scene, robot = build(LOADED)
    mj = scene.mj_model
    robot.set_dofs_velocity([0.3, -0.2, 0.1])
    wanted = torch.tensor([1.0, -2.0, 0.5])
    force = robot.inverse_dynamics(wanted)
    by_actuator = np.zeros(3)
    data = mujoco.MjData(mj)
    data.qpos[:], data.qvel[:] = robot.get_qpos(), robot.get_dofs_velocity()
    mujoco.mj_forward(mj, data)
    by_actuator[:] = data.qfrc_actuator  # gravity compensation that counts as the actuator's is there unasked
    robot.control_dofs_force(force - torch.as_tensor(by_actuator))
    mass = robot.get_mass_mat()
    assert torch.allclose(torch.linalg.solve(mass, robot.get_dofs_force()), wanted, atol=TOLERANCE)


def test_gradients(loaded):
    _, robot = loaded
    masses = robot.get_links_mass().detach().clone()
    anchors = robot.get_joints_anchor().detach().clone()
    generator = torch.Generator(device="cpu").manual_seed(3)
    qpos, qvel, qacc = (torch.randn(3, generator=generator) for _ in range(3))

    def forces(qpos, qvel, qacc, mass, anchor):
        robot.set_links_mass(mass)
        robot.set_joints_anchor(anchor)
        return (
            robot.inverse_dynamics(qacc, qpos=qpos, qvel=qvel),
            robot.get_bias_forces(qpos=qpos, qvel=qvel),
            robot.get_gravity_forces(qpos=qpos),
            robot.get_coriolis_forces(qpos=qpos, qvel=qvel),
        )

    check_gradient(forces, qpos, qvel, qacc, masses, anchors)
    robot.set_links_mass(masses)
    robot.set_joints_anchor(anchors)


def test_of_the_present_state_with_its_graph():
    _, robot = build(LOADED)
    qpos, qvel = torch.tensor([0.1, 0.2, 0.03]), torch.tensor([0.5, -0.4, 0.2])

    def forces(qpos, qvel):
        robot.set_qpos(qpos)
        robot.set_dofs_velocity(qvel)
        return robot.inverse_dynamics(0.0), robot.get_coriolis_forces([2, 0]), robot.get_gravity_forces()

    check_gradient(forces, qpos, qvel)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"qacc": [0.0] * 2}, "shape"),
        ({"qacc": [float("nan")] * 3}, "finite"),
        ({"qacc": 0.0, "qpos": [0.0] * 4}, "shape"),
        ({"qacc": 0.0, "qvel": [1e30] * 3}, "at most"),
        ({"qacc": 0.0, "envs_idx": [0]}, "without envs"),
    ],
)
def test_bad_arguments(loaded, arguments, message):
    with pytest.raises(gs.GenesisException, match=message):
        loaded[1].inverse_dynamics(**arguments)
