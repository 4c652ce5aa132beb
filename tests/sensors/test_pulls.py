"""Force and torque sensors of links that spatial tendons pull at."""

import mujoco
import numpy as np
import pytest
import torch

from tests.helpers import check_gradient
from tests.scenes import build

# A carriage on a free base; a cord runs from the world over a drum on the base and through a pulley to two links.
RIG = """
<mujoco><option timestep=".002" tolerance="0" iterations="100"/><default><geom contype="0" conaffinity="0"/></default>
<worldbody><site name="ceiling" pos=".1 .05 1.2"/><site name="wall" pos="-.6 .1 .6"/>
<body name="base" pos="0 0 .5"><freejoint/><geom type="box" size=".1 .08 .05"/><site name="low" pos=".02 0 -.03"/>
  <geom name="drum" type="cylinder" size=".06 .1" pos=".15 0 .1" euler="90 0 0" mass=".1"/><site name="side" pos=".15 0 .3"/>
  <body name="arm" pos=".3 0 0"><joint name="hinge" axis="0 1 0" damping=".1"/><geom type="capsule" size=".02" fromto="0 0 0 .2 0 .05"/>
    <site name="tip" pos=".2 0 .05"/>
    <body name="pad" pos=".2 .05 0"><geom size=".03"/><site name="pad"/></body></body>
  <body name="slider" pos="-.2 0 0"><joint name="slide" type="slide" axis="1 0 .2" damping=".5"/><geom size=".05"/>
    <site name="end" pos="0 .03 .02"/></body></body></worldbody>
<tendon><spatial name="cord" {cord}><site site="ceiling"/><geom geom="drum" sidesite="side"/><site site="tip"/>
    <pulley divisor="2"/><site site="tip"/><site site="end"/></spatial>
  <spatial name="stay" {stay}><site site="wall"/><site site="pad"/></spatial></tendon>
<equality>{equality}</equality><actuator>{actuator}</actuator>
<sensor><force site="low"/><torque site="low"/><force site="tip"/><torque site="tip"/><force site="end"/><torque site="end"/>
  <force site="pad"/><torque site="pad"/></sensor></mujoco>"""
CASES = {
    "springs": {"cord": 'stiffness="80 20" springlength=".3" damping="3 1"', "stay": 'stiffness="50" damping="2"'},
    "limits": {"cord": 'limited="true" range="0 .5"', "stay": 'limited="true" range="1.5 2"'},
    "friction loss": {"cord": 'frictionloss="3"', "stay": 'frictionloss="1"'},
    "actuators": {
        "actuator": '<motor tendon="cord" gear="3"/><position tendon="stay" kp="40" kv="2"/>'
        '<muscle tendon="cord" lengthrange=".3 1.5" force="30"/>'
    },
    "equality": {"equality": '<tendon tendon1="cord" tendon2="stay" polycoef=".1 .5 .2 0 0"/>'},
    "equality of one": {"equality": '<tendon tendon1="stay" polycoef=".1 0 0 0 0"/>'},
    "servos": {
        "actuator": '<dcmotor tendon="cord" motorconst=".5 .5" resistance="1" cogging=".3 4 .1"/>'
        '<pid tendon="stay" kp="20" kv="1"/>'
    },
    "a plastic spring": {"cord": 'stiffness="80" springlength=".3" springyield=".1"'},
    "armature": {"stay": 'armature=".3"'},
}


def made(name, **options):
    parts = {"cord": "", "stay": "", "equality": "", "actuator": ""} | CASES[name]
    scene, robot = build(RIG.format(**parts), constraints=True, **options)
    rng = np.random.default_rng(3)
    qpos = scene.mj_model.qpos0 + 0.1 * rng.standard_normal(scene.mj_model.nq)
    return scene, robot, qpos, 0.5 * rng.standard_normal(scene.mj_model.nv)


@pytest.mark.parametrize("name", CASES)
def test_values_are_those_of_mujoco(name):
    scene, robot, qpos, qvel = made(name)
    m = scene.mj_model
    data = mujoco.MjData(m)
    data.qpos[:], data.qvel[:], data.ctrl[:] = qpos, qvel, 0.3
    mujoco.mj_normalizeQuat(m, data.qpos)
    robot.set_qpos(torch.tensor(data.qpos))
    robot.set_dofs_velocity(torch.tensor(qvel))
    if m.nu:
        robot.control_actuators(0.3)
    mujoco.mj_forward(m, data)
    found = torch.cat(list(robot.get_sensor_data().values())).sceneless().numpy()
    np.testing.assert_allclose(found, data.sensordata, rtol=0, atol=1e-9 * max(1.0, np.abs(data.sensordata).max()))
    assert np.abs(data.sensordata).max() > 0.1


@pytest.mark.parametrize("name", ["springs", "limits", "actuators", "equality"])
def test_gradient(name):
    scene, robot, qpos, qvel = made(name)
    start = scene.get_state().detach()

    def run(q, v, k):
        scene.reset(start)
        robot.set_tendons_stiffness(k)
        robot.set_qpos(q)
        robot.set_dofs_velocity(v)
        if scene.mj_model.nu:
            robot.control_actuators(0.3)
        return list(robot.get_sensor_data().values())

    # At a limit forces are thousands of newtons, and differences round accordingly.
    inputs = torch.tensor(qpos), torch.tensor(qvel), torch.tensor([80.0, 50.0])
    check_gradient(run, *inputs, eps=1e-6, rtol=1e-6, atol=1e-4 if name == "limits" else 1e-5)
