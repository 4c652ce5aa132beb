"""The inertial unit against MuJoCo's accelerometer and gyro, and its gradient against central differences."""

import mujoco
import numpy as np
import pytest
import torch

import genesis as gs
from tests.helpers import check_gradient
from tests.sensors.attached import rig

OFFSET = {"pos_offset": (0.1, 0.02, 0.03)}


def turned():
    """The orientation of the site, as roll, pitch and yaw that the sensor takes [degree]."""
    m = mujoco.MjModel.from_xml_string(rig.ARM)
    w, x, y, z = m.site_quat[0]
    roll = np.arctan2(2 * (w * x + y * z), 1 - 2 * (x * x + y * y))
    pitch = np.arcsin(2 * (w * y - z * x))
    yaw = np.arctan2(2 * (w * z + x * y), 1 - 2 * (y * y + z * z))
    return tuple(np.rad2deg([roll, pitch, yaw]))


def describe(robot):
    return gs.sensors.IMU(
        entity_idx=robot.idx, link_idx_local=1, euler_offset=turned(), magnetic_field=(0.1, 0.2, -0.4), **OFFSET
    )


@pytest.fixture(scope="module")
def arm(tmp_path_factory):
    return rig.arm([describe], tmp_path=tmp_path_factory.mktemp("arm"))


def test_it_equals_mujoco(arm):
    scene, robot, (imu,) = arm
    scene.reset()
    robot.set_qpos(torch.tensor([0.3, -0.5], dtype=torch.float64))
    robot.set_dofs_velocity(torch.tensor([1.5, -2.0], dtype=torch.float64))
    m = scene.mj_model
    for k in range(20):
        ctrl = torch.tensor([np.sin(0.3 * k)], dtype=torch.float64)
        robot.control_actuators(ctrl)
        scene.step()
        _, data = rig.mujoco_of(scene)
        data.ctrl[:] = ctrl.numpy()
        mujoco.mj_forward(m, data)
        seen = imu.read()
        np.testing.assert_allclose(seen.lin_acc.detach().numpy(), data.sensordata[:3], atol=1e-9)
        np.testing.assert_allclose(seen.ang_vel.detach().numpy(), data.sensordata[3:6], atol=1e-9)
        field = data.site_xmat[0].reshape(3, 3).T @ [0.1, 0.2, -0.4]
        np.testing.assert_allclose(seen.mag.detach().numpy(), field, atol=1e-12)


def test_gradient(arm):
    """By position, velocity, force, mass, and where the sensor sits, after two steps."""
    scene, robot, (imu,) = arm
    mass = robot.get_links_mass()[:2].detach()

    def run(q, v, force, mass, place):
        scene.reset()
        robot.set_links_mass(mass, links_idx_local=[0, 1])
        robot.set_qpos(q)
        robot.set_dofs_velocity(v)
        robot.control_dofs_force(force)
        imu.set_pos_offset(place)
        scene.step()
        scene.step()
        return tuple(imu.read())

    given = ([0.3, -0.5], [1.5, -2.0], [0.4, -0.1])
    inputs = [torch.tensor(values, dtype=torch.float64) for values in given]
    try:
        check_gradient(run, *inputs, mass, torch.tensor([0.1, 0.02, 0.03], dtype=torch.float64))
    finally:
        scene.reset()
        robot.set_links_mass(mass, links_idx_local=[0, 1])
        imu.set_pos_offset(OFFSET["pos_offset"])


def test_an_external_force_is_felt_in_the_step_that_it_acts_in(arm):
    """Genesis clears it after the step; what was measured has felt it."""
    scene, robot, (imu,) = arm
    scene.reset()
    scene.step()
    free = imu.read().lin_acc.detach()
    scene.reset()
    robot.apply_links_external_force(torch.tensor([[0.0, 0.0, 5.0]], dtype=torch.float64), [1])
    scene.step()
    assert (imu.read().lin_acc - free).abs().max() > 0.5


def test_at_rest_it_feels_gravity_upwards():
    scene = gs.Scene()
    box = scene.add_entity(gs.morphs.Box(size=(0.1, 0.1, 0.1), pos=(0, 0, 1), fixed=True))
    imu = scene.add_sensor(gs.sensors.IMU(entity_idx=box.idx, euler_offset=(90, 0, 0), acc_cross_axis_coupling=0.5))
    still = scene.add_sensor(gs.sensors.IMU())
    scene.build(n_envs=2)
    scene.step()
    # Turned by 90 degrees about x, the world's z is the sensor's y; each axis feels half of the others.
    up = 9.81 * torch.tensor([0.5, 1.0, 0.5], dtype=torch.float64)
    torch.testing.assert_close(imu.read().lin_acc.as_subclass(torch.Tensor), up.expand(2, 3))
    torch.testing.assert_close(still.read(envs_idx=[1]).lin_acc[0, 2].item(), 9.81)
    imu.set_acc_cross_axis_coupling(torch.eye(3), envs_idx=[0])
    scene.step()
    assert imu.read().lin_acc[0, 0].abs() < 1e-9
    assert imu.read().lin_acc[1, 0] > 1.0
    with pytest.raises(gs.GenesisException, match="expected a number"):
        imu.set_gyro_cross_axis_coupling((1.0, 2.0))
