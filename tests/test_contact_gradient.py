"""Gradients in sustained contact through the public API: initial state, controls, wrenches and every parameter.

64 bits, against extrapolated central differences, over one step (1e-5) and a hundred (1e-4).
"""

import mujoco
import numpy as np
import pytest

from tests import contact_scenes as scenes
from tests.contact_gradients import MANY_STEPS, ONE_STEP, ContactProgram, contact_disagreements
from tests.scenes import PANDA, build

CONVERGED = {"tolerance": 0.0, "iterations": 200, "ls_iterations": 100}
CONES = ["pyramidal", "elliptic"]
# A hundred steps take their time: of the two cones one is for `--thorough`.
STEPS_AND_CONES = [(1, "pyramidal"), (1, "elliptic"), (100, "elliptic")]
STEPS_AND_CONES += [pytest.param(100, "pyramidal", marks=pytest.mark.thorough)]
TOLERANCE = {1: ONE_STEP, 100: MANY_STEPS}


def settled(m: mujoco.MjModel, steps: int = 300, qpos=None, qvel=None, control=None):
    """State after a while of MuJoCo's own simulation: in contact, and no longer bouncing."""
    data = mujoco.MjData(m)
    if qpos is not None:
        data.qpos[:] = qpos
    if qvel is not None:
        data.qvel[:] = qvel
    for _ in range(steps):
        if control is not None:
            data.qfrc_applied[:] = control(data)
        mujoco.mj_step(m, data)
    return data


def check(source, steps, cone, seed, *, prepare, integrator="Euler", gravity=(0.0, 0.0, -9.81), **program):
    scene, robot = build(
        source,
        integrator=integrator,
        constraints=True,
        rigid_options={**CONVERGED, "friction_cone": cone},
        gravity=gravity,
    )
    data = prepare(scene.mj_model)
    found = contact_disagreements(
        ContactProgram(scene, robot, steps, seed, qpos=data.qpos.copy(), qvel=data.qvel.copy(), **program),
        seed,
        TOLERANCE[steps],
    )
    assert not found, "\n".join(found)


@pytest.mark.parametrize(("steps", "cone"), STEPS_AND_CONES)
@pytest.mark.parametrize("shape", scenes.SHAPES)
def test_sticking(shape, steps, cone):
    """At rest on the floor, held by friction against a small push.

    The cylinder lies: of one that stands, MuJoCo's contact points run around the rim with the least tilt.
    """

    def prepare(m):
        return settled(m, qpos=lying(m) if shape == "cylinder" else None)

    check(scenes.thrown(shape), steps, cone, 1, prepare=prepare, force=[0.5, 0.3, 0, 0, 0, 0])


@pytest.mark.parametrize("integrator", ["implicitfast", "implicit", "RK4"])
@pytest.mark.parametrize("steps", [1, 100])
def test_other_integrators(steps, integrator):
    """A free box that spins and sticks: implicitfast adds gyroscopic terms to its block, RK4 solves four times a step."""

    def prepare(m):
        data = settled(m)
        if steps == 1:
            data.qvel[3:] += [0.1, -0.2, 0.5]
        return data

    check(scenes.thrown("box"), steps, "elliptic", 11, prepare=prepare, integrator=integrator, step=0.1)


@pytest.mark.parametrize(("steps", "cone"), STEPS_AND_CONES)
def test_sliding(steps, cone):
    """A box that slides on its face under a pull beyond its friction."""

    force = [36.0, 8.0, 0.0, 0.7]

    def sliding(m):
        data = settled(m, control=lambda _: force)
        assert np.abs(data.qvel[[0, 1, 3]]).min() > 0.001
        return data

    check(scenes.SLED, steps, cone, 2, prepare=sliding, force=force, step=0.1)


@pytest.mark.parametrize(("steps", "cone"), STEPS_AND_CONES)
@pytest.mark.parametrize("shape", ["ball", "cylinder"])
def test_rolling(shape, steps, cone):
    def rolling(m):
        data = settled(m, qpos=lying(m))
        radius = 0.1 if shape == "ball" else 0.08
        data.qvel[0] = 0.8
        axis = np.zeros(3)
        mujoco.mju_rotVecQuat(axis, np.array([0, 0.8 / radius, 0]), data.qpos[3:7] * [1, -1, -1, -1])
        data.qvel[3:] = axis
        return settled(m, 20, data.qpos, data.qvel)

    check(scenes.thrown(shape), steps, cone, 3, prepare=rolling)


def lying(m):
    """On its side, axis along y."""
    qpos = m.qpos0.copy()
    qpos[3:7] = [np.sqrt(0.5), np.sqrt(0.5), 0, 0]
    return qpos


# Held at a tilt by slides alone: the box rests on one edge for as long as one likes.
EDGE = f"""
<mujoco><compiler angle="radian"/><option timestep="0.004"/><worldbody>{scenes.FLOOR}
  <body name="box" pos="0 0 .2" euler="0 .5 .3"><joint type="slide" axis="1 0 0"/><joint type="slide" axis="0 0 1"/>
    <joint type="hinge" axis="1 0 0" stiffness="20" damping=".5"/>
    <geom type="box" size=".1 .15 .08" friction=".7 .02 .003" condim="4"/></body>
</worldbody></mujoco>"""


@pytest.mark.parametrize(("steps", "cone"), STEPS_AND_CONES)
def test_resting_on_an_edge(steps, cone):
    check(EDGE, steps, cone, 4, prepare=lambda m: settled(m, 600), force=[0.2, 0.0, 0.0])


@pytest.mark.parametrize(("steps", "cone"), STEPS_AND_CONES)
def test_stack(steps, cone):
    """On a slope, so that faces are tilted against each other by more than the differences are.

    Of two faces that are exactly parallel either may be the one that gives the normal, and the derivative is that of
    the one that is taken.
    """
    slope = (1.5, 0.9, -9.6)
    check(scenes.stack(), steps, cone, 5, prepare=lambda m: settled(m, 500), gravity=slope, step=0.02)


@pytest.mark.parametrize("cone", CONES)
def test_pile(cone):
    check(scenes.pile(12), 1, cone, 6, prepare=lambda m: settled(m, 250))


@pytest.mark.parametrize("integrator", ["Euler", "implicitfast", "RK4"])
@pytest.mark.parametrize("steps", [1, 100])
def test_limits_and_friction_loss(steps, integrator):
    """Hinge, slide and ball joint at their limits, friction loss that sticks and that slips, a limit beside a contact."""
    force = np.array([8.0, 0.5, 0.2, 0.6, -35.0, 0.1])
    check(
        scenes.JOINTS,
        steps,
        None,
        7,
        prepare=lambda m: settled(m, 300, control=lambda _: force),
        integrator=integrator,
        force=force,
    )


@pytest.mark.parametrize("integrator", ["Euler", "implicitfast"])
@pytest.mark.parametrize("steps", [1, 100])
def test_arm_at_its_joint_limits(steps, integrator):
    force = np.array([-5.0, 60.0, 5.0, -30.0, 5.0, 3.0, 1.0, 1.0, -1.0])
    damping = np.array([20.0] * 7 + [2.0] * 2)

    def prepare(m):
        m.dof_damping[:] = damping
        return settled(m, 1000, control=lambda data: force)

    check(PANDA, steps, None, 8, prepare=prepare, integrator=integrator, force=force, dofs_damping=damping)


@pytest.mark.parametrize("integrator", ["Euler", "implicitfast"])
@pytest.mark.parametrize(("steps", "cone"), STEPS_AND_CONES)
def test_quadruped_stands(steps, cone, integrator):
    target = np.array([0, 1.0, 0, -1.0, 0, -1.0, 0, 1.0])

    def prepare(m):
        qpos = m.qpos0.copy()
        qpos[2], qpos[7:] = 0.6, target

        def hold(data):
            return np.r_[np.zeros(6), 40.0 * (target - data.qpos[7:]) - 2.0 * data.qvel[6:]]

        return settled(m, 400, qpos, control=hold)

    check(
        scenes.QUADRUPED,
        steps,
        cone,
        9,
        prepare=prepare,
        integrator=integrator,
        pd=range(6, 14),
        target=target,
        kp=40.0,
        kv=2.0,
        # away from the time constant of two steps, at which MuJoCo bounds it from below
        sol_params=np.array([0.03, 1.0, 0.9, 0.95, 0.001, 0.5, 2.0]),
    )


@pytest.mark.parametrize(("steps", "cone"), STEPS_AND_CONES)
def test_humanoid_lies(steps, cone):
    """On the ground after a fall, with limbs on each other and joints at their limits."""

    def prepare(m):
        return settled(m, 1500, control=lambda data: np.r_[np.zeros(6), -2.0 * data.qvel[6:]])

    check(scenes.HUMANOID, steps, cone, 10, prepare=prepare)
