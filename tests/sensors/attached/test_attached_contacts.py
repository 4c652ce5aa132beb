"""Contact sensors and joint torques against MuJoCo, and their gradients."""

import mujoco
import numpy as np
import pytest
import torch

import genesis as gs
from tests.helpers import check_gradient
from tests.sensors.attached import rig

SIZE = 0.2


@pytest.fixture(scope="module")
def stacked():
    """A box on the ground and one on it, which presses both down; the lower one's sensors."""
    scene = gs.Scene(sim_options=gs.options.SimOptions(dt=0.005, requires_grad=True))
    ground = scene.add_entity(gs.morphs.Plane())
    lower = scene.add_entity(gs.morphs.Box(size=(SIZE,) * 3, pos=(0, 0, 0.0999), euler=(0, 0, 90)))
    upper = scene.add_entity(gs.morphs.Box(size=(SIZE,) * 3, pos=(0.03, 0, 0.2997)))
    described = {
        "touches": gs.sensors.Contact(entity_idx=lower.idx),
        "many": gs.sensors.Contact(entity_idx=lower.idx, threshold=100.0),
        "ground": gs.sensors.ContactForce(entity_idx=ground.idx),
        "force": gs.sensors.ContactForce(entity_idx=lower.idx),
        "from_ground": gs.sensors.ContactForce(entity_idx=lower.idx, filter_link_idx=(2,)),
        "bounded": gs.sensors.ContactForce(entity_idx=lower.idx, min_force=1.0, max_force=5.0, filter_link_idx=[2]),
    }
    sensors = {name: scene.add_sensor(one) for name, one in described.items()}
    scene.build(n_envs=2)
    return scene, (ground, lower, upper), sensors


def test_forces(stacked):
    scene, (ground, lower, upper), sensors = stacked
    assert [entity.link_start for entity in (ground, lower, upper)] == [0, 1, 2]
    scene.reset()
    upper.set_pos(torch.tensor([5.0, 0.0, 3.0], dtype=torch.float64), envs_idx=[1])
    for _ in range(300):
        scene.step()
    weight = 9.81 * 1000 * SIZE**3
    still = 3e-3 * weight  # by which the stack still moves
    forces = {name: sensor.read().detach().numpy() for name, sensor in sensors.items()}
    assert forces["touches"].all()
    assert not forces["many"].any()
    np.testing.assert_allclose(forces["from_ground"], [[0, 0, 2 * weight], [0, 0, weight]], atol=still)
    np.testing.assert_allclose(forces["force"], [[0, 0, weight], [0, 0, weight]], atol=still)
    np.testing.assert_allclose(forces["ground"], [[0, 0, -2 * weight]] * 2, atol=still)
    np.testing.assert_allclose(forces["bounded"], [[0, 0, 5], [0, 0, 5]], atol=1e-12)


def test_forces_equal_mujocos(stacked):
    """In the link's frame, of a state in which the boxes still move; mj_contactForce."""
    scene, (_, lower, _), sensors = stacked
    scene.reset()
    lower.set_dofs_velocity(torch.tensor([0.3, 0.1, -0.5, 0.2, 0.1, 1.0], dtype=torch.float64))
    for _ in range(3):
        scene.step()
        m, data = rig.mujoco_of(scene)
        total = np.zeros(3)
        for k in range(data.ncon):
            wrench = np.zeros(6)
            mujoco.mj_contactForce(m, data, k, wrench)
            push = data.contact[k].frame.reshape(3, 3).T @ wrench[:3]
            bodies = m.geom_bodyid[data.contact[k].geom]
            total += push * (float(bodies[1] == 2) - float(bodies[0] == 2))
        local = data.xmat[2].reshape(3, 3).T @ total
        seen = sensors["force"].read_ground_truth().detach().numpy()[0]
        # The solver of each ends at its own tolerance.
        np.testing.assert_allclose(seen, local, atol=1e-6 * np.abs(local).max())


def test_gradient_of_a_force(stacked):
    scene, (_, lower, upper), sensors = stacked

    def run(v, mass):
        scene.reset()
        upper.set_links_mass(mass)
        lower.set_dofs_velocity(v)
        scene.step()
        return sensors["force"].read()

    v = torch.tensor([0.3, 0.1, -0.5, 0.2, 0.1, 1.0], dtype=torch.float64)
    mass = upper.get_links_mass()[0].detach()
    try:
        check_gradient(run, v, mass, eps=1e-3)
    finally:
        scene.reset()
        upper.set_links_mass(mass)


def torque(robot):
    return gs.sensors.JointTorque(entity_idx=robot.idx)


def some(robot):
    return gs.sensors.JointTorque(entity_idx=robot.idx, dofs_idx_local=(1,))


def test_joint_torque(tmp_path):
    scene, robot, (all_dofs, one) = rig.arm([torque, some], n_envs=2, tmp_path=tmp_path)
    m = scene.mj_model
    robot.set_dofs_velocity(torch.tensor([1.5, -2.0], dtype=torch.float64))
    robot.control_dofs_force(torch.tensor([0.4, -0.1], dtype=torch.float64))
    robot.control_actuators(torch.tensor([0.7], dtype=torch.float64))
    for _ in range(3):
        scene.step()
    _, data = rig.mujoco_of(scene)
    data.ctrl[:], data.qfrc_applied[:] = 0.7, [0.4, -0.1]
    mujoco.mj_forward(m, data)
    rubbing = np.zeros(2)
    for row in np.flatnonzero(data.efc_type == int(mujoco.mjtConstraint.mjCNSTR_FRICTION_DOF)):
        rubbing[data.efc_id[row]] = data.efc_force[row]
    assert rubbing.any()
    told = data.qfrc_applied + data.qfrc_actuator - m.dof_armature * data.qacc + rubbing - m.dof_damping * data.qvel
    np.testing.assert_allclose(all_dofs.read().detach().numpy(), np.tile(told, (2, 1)), atol=1e-8)
    assert torch.equal(one.read(), all_dofs.read()[:, 1:])

    def run(v, force):
        scene.reset()
        robot.set_dofs_velocity(v)
        robot.control_dofs_force(force)
        scene.step()
        return all_dofs.read()

    check_gradient(run, *(torch.tensor(x, dtype=torch.float64) for x in ([1.5, -2.0], [0.4, -0.1])))


def test_what_does_not_fit():
    for sensor, message in (
        (gs.sensors.JointTorque(entity_idx=0, dofs_idx_local=(6,)), "has 6 dofs"),
        (gs.sensors.JointTorque(), "needs an entity"),
        (gs.sensors.Contact(entity_idx=0, filter_link_idx=(3,)), "has 1 links"),
    ):
        scene = gs.Scene()
        scene.add_entity(gs.morphs.Box(size=(0.1, 0.1, 0.1)))
        scene.add_sensor(sensor)
        with pytest.raises(gs.GenesisException, match=message):
            scene.build()
