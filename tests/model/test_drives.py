"""What MuJoCo works out of actuators: the scene has what the file alone has."""

import mujoco
import numpy as np
import pytest
import torch

import genesis as gs
from genesis.model.mjcf import load_mjcf
from tests.mechanisms import MUSCLE_ARM
from tests.scenes import INTEGRATORS, build

EXACT = 1e-12  # the same numbers, added in another order

# Rotors and dampers of motors: on a hinge, a ball joint and a tendon, two of them on one.
GEARED = """
<mujoco><option timestep="0.004"/><worldbody>
<body><joint name="j" axis="0 1 0" damping="1" armature=".01"/><geom size=".1" pos=".2 0 0"/>
  <body pos=".3 0 0"><joint name="b" type="ball"/><geom type="box" size=".05 .1 .05" pos=".1 .1 0"/></body></body>
</worldbody>
<tendon><fixed name="t" damping=".3"><joint joint="j" coef="1"/></fixed></tendon>
<actuator><motor joint="j" gear="3" damping=".5" armature=".2"/><motor joint="b" gear="2 0 1" damping=".1" armature=".03"/>
<motor tendon="t" gear="2" damping=".1" armature=".3"/><motor tendon="t" gear="-1.5" damping=".2" armature=".1"/>
</actuator></mujoco>"""


@pytest.mark.parametrize("act", ["", '<actuator><motor joint="j"/></actuator>'])
def test_where_there_are_no_actuators_none_carries_weight(act):
    """MuJoCo leaves actuation out then, `actuatorgravcomp` included."""
    source = (
        '<mujoco><worldbody><body gravcomp="1"><joint name="j" type="slide" axis="0 0 1" actuatorgravcomp="true"/>'
        f'<geom size=".05"/></body></worldbody>{act}</mujoco>'
    )
    scene, robot = build(source, requires_grad=False)
    data = mujoco.MjData(scene.mj_model)
    for _ in range(5):
        mujoco.mj_step(scene.mj_model, data)
        scene.step()
    np.testing.assert_allclose(robot.get_dofs_velocity().numpy(), data.qvel, rtol=0, atol=EXACT)


@pytest.mark.parametrize("integrator", INTEGRATORS)
def test_armature_and_damping_of_actuators(integrator):
    scene, robot = build(GEARED, integrator=integrator, requires_grad=False)
    m = mujoco.MjModel.from_xml_string(GEARED)  # the file alone, in which they are the actuators' own
    assert m.actuator_armature.all() and not scene.mj_model.actuator_armature.any()
    m.opt.integrator, m.opt.disableflags = scene.mj_model.opt.integrator, scene.mj_model.opt.disableflags
    data, rng = mujoco.MjData(m), np.random.default_rng(0)
    mujoco.mj_integratePos(m, data.qpos, rng.standard_normal(m.nv), 1.0)
    data.qvel[:], data.ctrl[:] = rng.standard_normal(m.nv), rng.standard_normal(m.nu)
    robot.set_qpos(torch.tensor(data.qpos))
    robot.set_dofs_velocity(torch.tensor(data.qvel))
    robot.control_actuators(torch.tensor(data.ctrl))
    for _ in range(50):
        mujoco.mj_step(m, data)
        scene.step()
    np.testing.assert_allclose(robot.get_qpos().numpy(), data.qpos, rtol=0, atol=EXACT)
    np.testing.assert_allclose(robot.get_dofs_velocity().numpy(), data.qvel, rtol=0, atol=EXACT)
    np.testing.assert_allclose(scene.mj_model.dof_invweight0, m.dof_invweight0, rtol=EXACT)


def test_lengths_of_muscles_are_those_of_the_file_alone(tmp_path):
    path = tmp_path / "arm.xml"
    path.write_text(MUSCLE_ARM)
    expected = mujoco.MjModel.from_xml_string(MUSCLE_ARM).actuator_lengthrange
    scene = gs.Scene(sim_options=gs.options.SimOptions(dt=0.01), show_viewer=False)
    scene.add_entity(gs.morphs.Plane())
    scene.add_entity(gs.morphs.Box(size=(0.2, 0.2, 0.2), pos=(0, 0, 0.3)))
    scene.add_entity(gs.morphs.MJCF(file=str(path)))
    scene.build()
    np.testing.assert_array_equal(scene.mj_model.actuator_lengthrange, expected)
    stated = load_mjcf(path).actuators[0].lengthrange
    np.testing.assert_array_equal(stated, expected[0])
