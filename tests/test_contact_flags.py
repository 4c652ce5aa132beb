"""Enable flags of contacts through the public API: override (the option's parameters for all) and diagexact (the inverse
inertia that a constraint feels as it is now), against MuJoCo and differences."""

import tempfile
from pathlib import Path

import mujoco
import numpy as np
import pytest

import genesis as gs
from tests import models
from tests.contact_gradients import ContactProgram, contact_disagreements
from tests.scenes import build, put, random_qpos

CONES = ["pyramidal", "elliptic"]
CONVERGED = {"tolerance": 0.0, "iterations": 200, "ls_iterations": 100}
# Of the velocity after a step from a random state: both solvers round differently.
STEP = 1e-8
# Of qpos after two hundred steps.
MOTION = 1e-8
# Gradient against differences, over one step and over a hundred.
TOLERANCE = {1: 1e-6, 100: 1e-5}

# Parameters of the geoms and of a pair that are of no account: those of the option hold.
OVERRIDDEN = """
<mujoco><option timestep=".004" cone="{cone}" tolerance="0" iterations="200" o_margin=".004" o_solref=".03 .8"
  o_solimp=".8 .9 .002 .4 3" o_friction=".4 .4 .03 .002 .002">{flags}</option>
<default><geom condim="6" friction=".9 .05 .01" solref=".01 2" margin=".01"/></default><worldbody>
  <geom name="floor" type="plane" size="5 5 1"/>
  <body pos="0 0 .1"><freejoint/><geom type="box" size=".1 .15 .1" mass="1" solmix="3"/></body>
  <body pos="0 .6 .1"><freejoint/><geom name="ball" size=".1" mass="1"/></body>
</worldbody><contact><pair geom1="floor" geom2="ball" condim="4" solref="-500 -20" friction="1 .2 .1 .01 .01"/></contact>
</mujoco>"""
FLAG = '<flag {}="enable"/>'


@pytest.mark.parametrize("cone", CONES)
def test_override_equals_mujoco(cone):
    text = OVERRIDDEN.format(cone=cone, flags=FLAG.format("override"))
    scene, robot = build(text, integrator="Euler", constraints=True, rigid_options=CONVERGED, requires_grad=False)
    m = mujoco.MjModel.from_xml_string(text)
    own = mujoco.MjModel.from_xml_string(OVERRIDDEN.format(cone=cone, flags=""))
    data, without = mujoco.MjData(m), mujoco.MjData(own)
    for d in (data, without):
        d.qvel[:2], d.qvel[6:8] = (0.6, -0.3), (0.5, 0.7)
    put(scene, robot, data.qpos, data.qvel)
    for _ in range(200):
        scene.step()
        mujoco.mj_step(m, data)
        mujoco.mj_step(own, without)
    np.testing.assert_allclose(robot.get_qpos(), data.qpos, rtol=0, atol=MOTION)
    assert np.abs(without.qpos - data.qpos).max() > 0.04
    np.testing.assert_array_equal(robot.get_friction(), 0.4)


@pytest.mark.parametrize("scale", [1.0, 2.5])
def test_override_is_written_into_geoms_and_pairs(scale):
    """Of an entity that is scaled as well: the option's lengths are not."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "robot.xml"
        path.write_text(OVERRIDDEN.format(cone="elliptic", flags=FLAG.format("override")))
        scene = gs.Scene()
        scene.add_entity(gs.morphs.MJCF(file=str(path), scale=scale))
        scene.build()
    m = scene.mj_model
    assert not m.opt.enableflags & int(mujoco.mjtEnableBit.mjENBL_OVERRIDE)
    np.testing.assert_allclose(m.geom_margin, 0.002, rtol=1e-14)
    np.testing.assert_allclose(m.pair_margin, 0.004, rtol=1e-14)
    for name in ("geom", "pair"):
        rows = len(getattr(m, f"{name}_solimp"))
        np.testing.assert_allclose(getattr(m, f"{name}_solimp"), [[0.8, 0.9, 0.002, 0.4, 3]] * rows, rtol=1e-14)
        np.testing.assert_allclose(getattr(m, f"{name}_solref"), [[0.03, 0.8]] * rows, rtol=1e-14)
    np.testing.assert_allclose(m.geom_friction, [[0.4, 0.03, 0.002]] * 3, rtol=1e-14)
    np.testing.assert_allclose(m.pair_friction, [[0.4, 0.4, 0.03, 0.002, 0.002]], rtol=1e-14)


# -- diagexact ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("integrator", ["Euler", "implicitfast", "RK4"])
@pytest.mark.parametrize("cone", CONES)
def test_exact_diagonals_equal_mujoco(cone, integrator):
    """From random states, with contacts that stick, a limit and friction loss; and sweeps against slip."""
    text = models.EXACT_SURFACES.replace('"elliptic"', f'"{cone}" noslip_iterations="{2 * (integrator == "Euler")}"')
    scene, robot = build(text, integrator=integrator, constraints=True, rigid_options=CONVERGED, requires_grad=False)
    m = scene.mj_model
    rng = np.random.default_rng(2)
    changed = 0.0
    for _ in range(20):
        data = mujoco.MjData(m)
        data.qpos[:] = random_qpos(m, rng, 0.2)
        data.qvel[:] = 0.3 * rng.standard_normal(m.nv)
        put(scene, robot, data.qpos, data.qvel)
        plain = mujoco.MjData(m)
        plain.qpos[:], plain.qvel[:] = data.qpos, data.qvel
        mujoco.mj_step(m, data)
        m.opt.enableflags &= ~int(mujoco.mjtEnableBit.mjENBL_DIAGEXACT)
        mujoco.mj_step(m, plain)
        m.opt.enableflags |= int(mujoco.mjtEnableBit.mjENBL_DIAGEXACT)
        scene.step()
        error = np.abs(robot.get_dofs_velocity().numpy() - data.qvel).max()
        assert error < STEP * (1 + np.abs(data.qvel).max())
        changed = max(changed, np.abs(plain.qvel - data.qvel).max())
    assert changed > 1e-2


# A sled that carries two links, with a limit, friction loss and a coupling.
SLED = """
<mujoco><option timestep=".004" cone="{cone}"><flag diagexact="enable"/></option><worldbody>
  <geom type="plane" size="5 5 1" friction=".5 .03 .01"/>
  <body name="sled" pos="0 0 .0998"><freejoint/>
    <geom type="box" size=".1 .15 .1" mass="1" condim="4" friction=".5 .03 .01"/>
    <body name="upper" pos="0 0 .1"><joint name="a" axis="0 1 0" frictionloss=".05" damping=".1"/>
      <geom type="capsule" size=".02" fromto="0 0 0 .1 0 .3" mass=".1" contype="0" conaffinity="0"/>
      <body name="fore" pos=".1 0 .3"><joint name="b" axis="0 1 .2" range="-40 -2" damping=".1"/>
        <geom type="capsule" size=".02" fromto="0 0 0 .1 0 .2" mass=".1" contype="0" conaffinity="0"/></body></body>
    <body name="other" pos="0 .1 .1"><joint name="c" axis="1 0 0" damping=".1" stiffness=".1"/>
      <geom type="capsule" size=".02" fromto="0 0 0 0 0 .2" mass=".1" contype="0" conaffinity="0"/></body>
  </body>
</worldbody><equality><joint joint1="a" joint2="c" polycoef=".1 .5 0 0 0"/></equality></mujoco>"""


@pytest.mark.parametrize("cone", CONES)
@pytest.mark.parametrize("steps", [1, 100])
def test_exact_diagonals_gradient(steps, cone):
    scene, robot = build(SLED.format(cone=cone), integrator="implicitfast", constraints=True, rigid_options=CONVERGED)
    m = scene.mj_model
    data = mujoco.MjData(m)
    for _ in range(50):
        mujoco.mj_step(m, data)
    force = np.zeros(m.nv)
    force[0] = 0.5
    program = ContactProgram(
        scene, robot, steps, 3, qpos=data.qpos.copy(), qvel=data.qvel.copy(), force=force, step=0.1
    )
    found = contact_disagreements(program, 3, TOLERANCE[steps])
    assert not found, "\n".join(found)
