"""Sweeps against slip (option noslip_iterations) through the public API: motion against MuJoCo's, gradient against
differences."""

import mujoco
import numpy as np
import pytest

from tests.constraint_models import footed
from tests.contact_gradients import ContactProgram, contact_disagreements
from tests.scenes import build, put

CONES = ["pyramidal", "elliptic"]
CONVERGED = {"tolerance": 0.0, "iterations": 200, "ls_iterations": 100}
# Of the velocity after a step from MuJoCo's own state: both solvers round differently.
STEP = 1e-8
# Of qpos after two hundred steps: single steps' rounding, which sliding and rolling hardly amplify.
MOTION = 1e-6
# Gradient against differences, over one step and over a hundred.
TOLERANCE = {1: 1e-6, 100: 1e-5}


def scene_of(source, integrator="Euler", requires_grad=False):
    return build(source, integrator=integrator, requires_grad=requires_grad, constraints=True, rigid_options=CONVERGED)


def settled(m, steps=100):
    data = mujoco.MjData(m)
    for _ in range(steps):
        mujoco.mj_step(m, data)
    return data


@pytest.mark.parametrize("integrator", ["Euler", "implicitfast", "RK4"])
@pytest.mark.parametrize("cone", CONES)
@pytest.mark.parametrize(("iterations", "option"), [(1, ""), (20, ""), (3, '<flag island="disable"/>')])
def test_steps_equal_mujoco(iterations, option, cone, integrator):
    """From random states, with sticking and sliding feet, one sweep or as many as it takes; islands stop by themselves,
    or all together."""
    scene, robot = scene_of(footed(cone, iterations, option), integrator)
    m = scene.mj_model
    assert m.opt.noslip_iterations == iterations
    start, changed, touching = settled(m), 0.0, 0
    rng = np.random.default_rng(iterations)
    for _ in range(10):
        data = mujoco.MjData(m)
        data.qpos[:] = start.qpos
        mujoco.mj_integratePos(m, data.qpos, 2e-5 * rng.standard_normal(m.nv), 1.0)
        data.qvel[:] = 0.05 * rng.standard_normal(m.nv)
        put(scene, robot, data.qpos, data.qvel)
        slipping = mujoco.MjData(m)
        slipping.qpos[:], slipping.qvel[:] = data.qpos, data.qvel
        mujoco.mj_step(m, data)
        touching += data.ncon
        m.opt.noslip_iterations = 0
        mujoco.mj_step(m, slipping)
        m.opt.noslip_iterations = iterations
        changed = max(changed, np.abs(slipping.qvel - data.qvel).max())
        scene.step()
        error = np.abs(robot.get_dofs_velocity().numpy() - data.qvel).max()
        assert error < STEP * (1 + np.abs(data.qvel).max())
    assert changed > 1e-3 and touching > 30


@pytest.mark.parametrize("cone", CONES)
def test_motion_equals_mujoco(cone):
    scene, robot = scene_of(footed(cone, 5))
    data = settled(scene.mj_model)
    data.qvel[:2] = 0.6, -0.3
    data.qvel[6:8] = 0.5, -0.2
    put(scene, robot, data.qpos, data.qvel)
    for _ in range(200):
        scene.step()
        mujoco.mj_step(scene.mj_model, data)
        assert np.abs(robot.get_qpos().numpy() - data.qpos).max() < MOTION


@pytest.mark.parametrize("cone", CONES)
def test_nothing_creeps(cone):
    """A box on a slope that its friction holds: soft friction lets it creep, sweeps do not."""
    crept = []
    for iterations in (0, 10):
        scene, robot = scene_of(
            f'<mujoco><option cone="{cone}" noslip_iterations="{iterations}" timestep=".004" gravity="2 0 -9.6"/>'
            '<worldbody><geom type="plane" size="5 5 .1"/><body pos="0 0 .1"><freejoint/>'
            '<geom type="box" size=".1 .1 .1" mass="5"/></body></worldbody></mujoco>'
        )
        scene.set_gravity((2.0, 0.0, -9.6))
        for _ in range(100):
            scene.step()
        start = float(robot.get_qpos()[0])
        for _ in range(200):
            scene.step()
        crept.append(float(robot.get_qpos()[0]) - start)
    assert crept[0] > 3e-4
    assert abs(crept[1]) < 1e-6


@pytest.mark.parametrize(
    ("slides", "steps", "cone"),
    [(slides, 1, cone) for slides in (False, True) for cone in CONES]
    + [(False, 100, "pyramidal"), (False, 100, "elliptic"), (True, 100, "pyramidal")],
)
def test_gradient(slides, steps, cone):
    """Of state, controls and every parameter; the feet stick, or slide at the edge of the cone. The number of sweeps is
    fixed, and no contact opens: where they change, the motion has jumps that differences see."""
    scene, robot = scene_of(
        footed(cone, ball=0.5).replace("<option", '<option noslip_tolerance="0"'), requires_grad=True
    )
    m = scene.mj_model
    data = settled(m)
    force = np.zeros(m.nv)
    if slides:
        data.qvel[:2] = 0.8, -0.5
        for _ in range(5):
            mujoco.mj_step(m, data)
        assert np.abs(data.qvel[:2]).min() > 0.1
    else:
        force[[0, 6, 7]] = 0.3, 0.02, 0.1
    seed = 4  # of directions, along each of which something changes by more than what the solver leaves
    program = ContactProgram(
        scene, robot, steps, seed, qpos=data.qpos.copy(), qvel=data.qvel.copy(), force=force, step=0.1
    )
    found = contact_disagreements(program, seed, TOLERANCE[steps])
    assert not found, "\n".join(found)
