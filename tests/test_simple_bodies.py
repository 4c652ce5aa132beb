"""A body that is alone and turns about its mass centre has a diagonal mass matrix in MuJoCo (mjModel.body_simple): what
implicitfast and armatures add to it."""

import mujoco
import numpy as np
import pytest
import torch

from tests.scenes import build

DT = 0.002
BALL = '<joint type="ball"/>'
FREE = "<freejoint/>"
VELOCITY = (0.3, -0.2, 0.5, 1.0, 2.0, 3.0)

ON_A_TENDON = """
<mujoco><option timestep="{dt}" integrator="{integrator}"/><worldbody><site name="w" pos="-.5 .2 1.5"/>
<body pos="0 0 1">{joint}<geom type="sphere" size=".1"/><site name="s" pos=".05 0 .1"/></body></worldbody>
<tendon><spatial name="t" {tendon}><site site="w"/><site site="s"/></spatial></tendon>
<actuator>{actuator}</actuator></mujoco>"""

IN_A_FLUID = """
<mujoco><option timestep="{dt}" integrator="implicitfast" density="1000"/><worldbody><body pos="0 0 1">{joint}
<inertial pos="0 0 0" mass="1" diaginertia=".02 .04 .05"/>
<geom type="ellipsoid" size=".1 .2 .05" euler="30 40 50" fluidshape="ellipsoid" contype="0" conaffinity="0"/></body>
</worldbody></mujoco>"""

CASES = {
    "tendon damping": ON_A_TENDON.replace("{tendon}", 'damping="20"').replace("{actuator}", ""),
    "polynomial damping": ON_A_TENDON.replace("{tendon}", 'damping="2 10"').replace("{actuator}", ""),
    "servo on a tendon": ON_A_TENDON.replace("{tendon}", "").replace(
        "{actuator}", '<position tendon="t" kp="20" kv="20"/>'
    ),
    "servo on a site": ON_A_TENDON.replace("{tendon}", "").replace(
        "{actuator}",
        '<general site="s" gear="1 0 1 0 .1 0" gainprm="1" biastype="affine" biasprm="0 0 -20"/>',
    ),
    "fluid": IN_A_FLUID,
}


@pytest.mark.parametrize("joint", [FREE, BALL], ids=["free", "ball"])
@pytest.mark.parametrize("name", CASES)
def test_implicitfast_equals_mujoco(name, joint):
    text = CASES[name].replace("{joint}", joint).replace("{integrator}", "implicitfast").replace("{dt}", str(DT))
    scene, robot = build(text, integrator="implicitfast", dt=DT)
    model = mujoco.MjModel.from_xml_string(text)
    assert model.body_simple[-1]
    data = mujoco.MjData(model)
    velocity = VELOCITY[-model.nv :]
    robot.set_dofs_velocity(torch.tensor(velocity))
    data.qvel = velocity
    if model.nu:
        robot.control_actuators([0.2])
        data.ctrl = 0.2
    for k in range(200):
        scene.step()
        mujoco.mj_step(model, data)
        if k in (0, 199):
            np.testing.assert_allclose(robot.get_dofs_velocity().numpy(), data.qvel, rtol=0, atol=1e-9)


@pytest.mark.parametrize("joint", [FREE, BALL], ids=["free", "ball"])
@pytest.mark.parametrize("integrator", ["Euler", "implicitfast"])
def test_armature_that_is_set_is_that_of_a_file(integrator, joint):
    """MuJoCo's body isn't simple with an armature in the file, and is without one."""

    def text(tendon):
        return ON_A_TENDON.format(dt=DT, integrator=integrator, joint=joint, tendon=tendon, actuator="")

    scene, robot = build(text(""), integrator=integrator, dt=DT)
    model = mujoco.MjModel.from_xml_string(text('armature="1"'))
    data = mujoco.MjData(model)
    robot.set_tendons_armature(torch.tensor([1.0]))
    velocity = VELOCITY[-model.nv :]
    robot.set_dofs_velocity(torch.tensor(velocity))
    data.qvel = velocity
    for _ in range(50):
        scene.step()
        mujoco.mj_step(model, data)
    np.testing.assert_allclose(robot.get_dofs_velocity().numpy(), data.qvel, rtol=0, atol=1e-10)
