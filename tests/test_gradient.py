"""The gradient of every getter with respect to every setter, control, wrench and parameter, through the public API.

64 bits, against extrapolated central differences, at generic and at degenerate states, over 1, 10 and 100 steps.
"""

import numpy as np
import pytest
import torch

from tests import models
from tests.gradients import Program, disagreements
from tests.scenes import PANDA, build, random_qpos

MODELS = {
    "arm with hand": PANDA,
    "tumbling body": models.TUMBLING_BODY,
    "ball chain": models.BALL_CHAIN,
    "planar base": models.PLANAR_BASE,
    "actuators": models.without_ranges(models.ACTUATORS),
    "quadruped": models.gymnasium_asset("ant.xml"),
    "humanoid": models.gymnasium_asset("humanoid.xml"),
    "random tree": models.random_tree(3),
}


def check(source, steps, seed, integrator=None, scale=0.5, qpos=None, qvel=None, skip_outputs=(), **program):
    scene, robot = build(source, integrator=integrator)
    rng = np.random.default_rng(seed)
    qpos = random_qpos(scene.mj_model, rng, scale) if qpos is None else qpos(scene.mj_model)
    qvel = scale * rng.standard_normal(robot.n_dofs) if qvel is None else qvel
    found = disagreements(
        Program(scene, robot, steps, seed, qpos=qpos, qvel=qvel, **program), seed, skip_outputs=skip_outputs
    )
    assert not found, "\n".join(found)


# A hundred steps of the others take most of ten minutes, ten steps of all of them two.
LONG = {10: ("tumbling body", "ball chain", "random tree", "actuators"), 100: ("tumbling body",)}


@pytest.mark.parametrize(
    ("name", "steps"),
    [
        pytest.param(name, steps, marks=[] if name in LONG.get(steps, MODELS) else [pytest.mark.thorough])
        for name in MODELS
        for steps in (1, 10, 100)
    ],
)
def test_gradient(name, steps):
    check(MODELS[name], steps, seed=len(name))


@pytest.mark.parametrize("integrator", ["Euler", "implicitfast"])
@pytest.mark.parametrize("seed", range(2))
def test_gradient_of_clipped_actuators(seed, integrator):
    """One evaluation per step: whether a range binds is then the same within the difference."""
    check(models.ACTUATORS, 1, seed, integrator=integrator)


@pytest.mark.parametrize("integrator", ["implicitfast", "implicit", "RK4"])
@pytest.mark.parametrize("name", ["tumbling body", "ball chain", "actuators", "random tree"])
def test_gradient_of_each_integrator(name, integrator):
    check(MODELS[name], 3, seed=len(name), integrator=integrator)


@pytest.mark.parametrize("seed", range(100, 110))
def test_gradient_of_random_trees(seed):
    check(models.random_tree(seed), 5, seed, integrator=["Euler", "implicitfast", "RK4", "implicit"][seed % 4])


@pytest.mark.parametrize("setter", ["dofs_position", "pos and quat"])
@pytest.mark.parametrize("name", ["tumbling body", "ball chain", "actuators"])
def test_gradient_through_other_setters(name, setter):
    check(MODELS[name], 3, seed=len(name), setter=setter)


def at_rest(mj_model):
    return mj_model.qpos0.copy()


def turned_by_pi(mj_model):
    return with_quaternions(mj_model, np.array([0.0, 0.36, 0.48, 0.8]))


def negative_unnormalised(mj_model):
    return with_quaternions(mj_model, -1.7 * np.array([0.8, 0.1, -0.3, 0.5]))


def with_quaternions(mj_model, quat):
    qpos = mj_model.qpos0.copy() + 0.1
    for kind, adr in zip(mj_model.jnt_type, mj_model.jnt_qposadr, strict=True):
        if kind in (0, 1):
            first = adr + (3 if kind == 0 else 0)
            qpos[first : first + 4] = quat
    return qpos


@pytest.mark.parametrize("integrator", ["Euler", "implicitfast", "implicit", "RK4"])
@pytest.mark.parametrize("name", ["tumbling body", "ball chain", "humanoid", "planar base"])
def test_gradient_at_rest(name, integrator):
    """Zero rotation, zero velocity: where rotation vectors, axes and norms vanish."""
    source = MODELS[name]
    scene, _ = build(source)
    check(source, 2, seed=1, integrator=integrator, qpos=at_rest, qvel=np.zeros(scene.mj_model.nv))


@pytest.mark.parametrize("integrator", ["Euler", "implicitfast", "RK4"])
@pytest.mark.parametrize("name", ["tumbling body", "ball chain", "quadruped"])
def test_gradient_at_negative_unnormalised_quaternions(name, integrator):
    check(MODELS[name], 2, seed=2, integrator=integrator, qpos=negative_unnormalised)


@pytest.mark.parametrize("name", ["tumbling body", "quadruped", "ball chain"])
def test_gradient_at_rotation_by_pi(name):
    """Springs and position commands of ball joints wrap around there, so they are left out."""
    source = MODELS[name].replace('stiffness="1"', "")
    check(source, 1, seed=3, qpos=turned_by_pi, modes=(1,), springs=False)


def test_gradient_of_a_clipped_control_is_that_of_the_clip():
    scene, arm = build(PANDA)
    arm.set_dofs_force_range(torch.full((9,), -1.0), torch.full((9,), 1.0))
    force = torch.linspace(-2.0, 2.0, 9).requires_grad_()
    arm.control_dofs_force(force)
    scene.step()
    arm.get_dofs_velocity().sum().backward()
    inside = force.detach().abs() <= 1
    assert (force.grad[inside] != 0).all()
    assert (force.grad[~inside] == 0).all()
