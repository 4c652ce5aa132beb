"""Motion in contact through the public API, against ``mujoco.mj_step`` on ``scene.mj_model``, in 64 bits.

Both solvers are converged (tolerance 0): with MuJoCo's default each stops within 1e-8 of the cost, which is 1e-5 of the
acceleration and more.
"""

import mujoco
import numpy as np
import pytest
import torch

from tests import contact_scenes as scenes
from tests.scenes import PANDA, build, put

STEPS = 200
# Motion that is not chaotic stays together; where it is chaotic, single steps from MuJoCo's own states are compared.
TRAJECTORY_TOLERANCE = 1e-6
STEP_TOLERANCE = 1e-7
CONES = ["pyramidal", "elliptic"]
CONVERGED = {"tolerance": 0.0, "iterations": 200, "ls_iterations": 100}


def load(source, cone, integrator="Euler", **options):
    rigid_options = {**CONVERGED, "friction_cone": cone, **options}
    return build(source, integrator=integrator, requires_grad=False, constraints=True, rigid_options=rigid_options)


def differences(scene, robot, data, steps=STEPS, control=None, single=False):
    """Largest difference in qpos over a trajectory, or over single steps from MuJoCo's states; steps in contact."""
    m = scene.mj_model
    worst, touching = 0.0, 0
    put(scene, robot, data.qpos, data.qvel)
    for t in range(steps):
        if single:
            put(scene, robot, data.qpos, data.qvel)
        if control is not None:
            control(t, robot, data)
        scene.step()
        mujoco.mj_step(m, data)
        touching += data.nefc > 0
        worst = max(worst, np.abs(robot.get_qpos().numpy() - data.qpos).max())
    return worst, touching


@pytest.mark.parametrize("cone", CONES)
@pytest.mark.parametrize("integrator", ["Euler", "implicitfast", "implicit"])
@pytest.mark.parametrize("shape", scenes.SHAPES)
def test_thrown(shape, integrator, cone):
    scene, body = load(scenes.thrown(shape), cone, integrator)
    data = mujoco.MjData(scene.mj_model)
    data.qvel[:] = [0.6, -0.3, -0.5, 1.0, 2.0, -1.5]
    worst, touching = differences(scene, body, data)
    assert touching > STEPS / 3
    assert worst < TRAJECTORY_TOLERANCE


@pytest.mark.parametrize("cone", CONES)
def test_stack_of_five_boxes(cone):
    scene, boxes = load(scenes.stack(), cone)
    data = mujoco.MjData(scene.mj_model)
    data.qvel[6 * 4] = 0.1
    worst, touching = differences(scene, boxes, data)
    assert touching == STEPS
    assert worst < TRAJECTORY_TOLERANCE


@pytest.mark.parametrize("cone", CONES)
def test_pile_of_thirty_boxes(cone):
    scene, boxes = load(scenes.pile(), cone)
    data = mujoco.MjData(scene.mj_model)
    for _ in range(100):  # until they lie on each other
        mujoco.mj_step(scene.mj_model, data)
    worst, touching = differences(scene, boxes, data, steps=25, single=True)
    assert touching == 25
    assert data.ncon > 60
    assert worst < STEP_TOLERANCE


def random_torques(rng, size):
    def control(_, robot, data):
        data.ctrl[:] = size * rng.standard_normal(len(data.ctrl))
        robot.control_actuators(torch.tensor(data.ctrl))

    return control


@pytest.mark.parametrize("cone", CONES)
@pytest.mark.parametrize("name", ["quadruped", "humanoid"])
def test_robot_falls(name, cone):
    source = scenes.QUADRUPED if name == "quadruped" else scenes.HUMANOID
    scene, robot = load(source, cone)
    data = mujoco.MjData(scene.mj_model)
    rng = np.random.default_rng(0)
    worst, touching = differences(scene, robot, data, control=random_torques(rng, 0.3), single=True)
    assert touching > STEPS / 3
    assert worst < STEP_TOLERANCE


@pytest.mark.parametrize("cone", CONES)
@pytest.mark.parametrize("name", ["quadruped", "humanoid"])
def test_robot_stands_under_pd_control(name, cone):
    """Position targets that hold the initial posture, as forces on joints in both engines."""
    quadruped = name == "quadruped"
    scene, robot = load(scenes.QUADRUPED if quadruped else scenes.HUMANOID, cone)
    m = scene.mj_model
    data = mujoco.MjData(m)
    if quadruped:
        data.qpos[2] = 0.6
        data.qpos[7:] = [0, 1.0, 0, -1.0, 0, -1.0, 0, 1.0]
    else:
        data.qpos[2] = 1.282
    target = data.qpos[7:].copy()
    kp, kv = (20.0, 1.0) if quadruped else (200.0, 5.0)

    def control(_, robot, data):
        force = np.clip(kp * (target - data.qpos[7:]) - kv * data.qvel[6:], -200, 200)
        data.qfrc_applied[6:] = force
        robot.control_dofs_force(torch.tensor(force), list(range(6, m.nv)))

    worst, touching = differences(scene, robot, data, control=control, single=True)
    assert touching > STEPS / 2
    assert data.qpos[2] > (0.3 if quadruped else 1.0), "it does not stand"
    assert worst < STEP_TOLERANCE


@pytest.mark.parametrize("integrator", ["Euler", "implicitfast"])
def test_arm_at_its_joint_limits(integrator):
    scene, arm = load(PANDA, None, integrator)
    m = scene.mj_model
    data = mujoco.MjData(m)
    force = np.array([-5.0, 60.0, 5.0, -30.0, 5.0, 3.0, 1.0, 1.0, -1.0])
    data.qfrc_applied[:] = np.clip(force, *(bound.numpy() for bound in arm.get_dofs_force_range()))
    at_limit = 0

    def control(_, robot, data):
        nonlocal at_limit
        at_limit += np.count_nonzero(data.efc_type == int(mujoco.mjtConstraint.mjCNSTR_LIMIT_JOINT)) > 1
        robot.control_dofs_force(torch.tensor(data.qfrc_applied))

    worst, _ = differences(scene, arm, data, control=control)
    assert at_limit > STEPS / 4
    assert worst < TRAJECTORY_TOLERANCE


@pytest.mark.parametrize("integrator", ["Euler", "implicitfast", "RK4"])
def test_limits_and_friction_loss(integrator):
    scene, robot = load(scenes.JOINTS, None, integrator)
    data = mujoco.MjData(scene.mj_model)
    data.qvel[:] = np.random.default_rng(0).standard_normal(scene.mj_model.nv)
    worst, touching = differences(scene, robot, data)
    assert touching == STEPS
    assert worst < TRAJECTORY_TOLERANCE


def test_substeps_and_rk4_in_contact():
    for integrator, substeps in (("RK4", 1), ("Euler", 3), ("RK4", 2)):
        scene, body = build(
            scenes.thrown("box"),
            integrator=integrator,
            requires_grad=False,
            constraints=True,
            rigid_options=CONVERGED,
            substeps=substeps,
        )
        data = mujoco.MjData(scene.mj_model)
        data.qvel[:] = [0.3, -0.2, -1.0, 1.0, 0.5, -0.5]
        put(scene, body, data.qpos, data.qvel)
        for _ in range(60):
            scene.step()
            for _ in range(substeps):
                mujoco.mj_step(scene.mj_model, data)
        np.testing.assert_allclose(body.get_qpos().numpy(), data.qpos, rtol=0, atol=TRAJECTORY_TOLERANCE)
