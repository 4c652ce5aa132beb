"""Scenes full of shapes beside MuJoCo, and their gradients over many steps, in 64 bits."""

from functools import cache

import numpy as np
import pytest
import torch

from tests.rigid.engine import Engine
from tests.shape_scenes import SCENES, Scene

STEPS = 200
# Where cylinders and ellipsoids touch, MuJoCo searches until its tolerance, and ends a little short where many faces of
# its polytope are nearly as near: then its normal is good to about the root of what it leaves, and this one is exact.
# (share of steps that may differ by more than 1e-7, most by which any may differ)
CURVED = {"cylinders": (0.2, 1e-5), "ellipsoids": (0.2, 5e-5), "car": (0.02, 1e-6)}
EXACT = (0.0, 5e-7)
HORIZON, TOLERANCE = 100, 1e-4
# In a heap of meshes a wide difference crosses from one pair of features that touch to another, in a narrow one is rounding.
DIFFERENCES = (1e-6, 1e-7, 1e-8, 1e-9)
PARAMETERS = ("geom_friction", "geom_size", "geom_pos", "geom_quat", "body_mass")


@cache
def trajectory(name) -> tuple[Scene, np.ndarray, np.ndarray]:
    scene = SCENES[name]()
    return scene, *scene.run(STEPS)


@pytest.mark.parametrize("name", SCENES)
def test_single_steps_are_mujocos(name):
    """From each of MuJoCo's states."""
    scene, states, forces = trajectory(name)
    engine = Engine(scene.model, n_worlds=STEPS)
    new = engine.step(torch.tensor(states[:-1]), engine.command(dof_force=torch.tensor(forces)), None, record=False)
    error = (np.abs(new.numpy() - states[1:]) / (1 + np.abs(states[1:]))).max(axis=1)
    share, most = CURVED.get(name, EXACT)
    assert error.max() < most
    assert (error > (1e-7 if share else most)).mean() <= share, f"{(error > 1e-7).mean():.1%}"
    assert np.median(error) < 1e-7
    assert int(engine.fields(("ncon",), torch.tensor(states[:-1]), engine.command())[0][:, 1].max()) > 3


@pytest.mark.parametrize("name", SCENES)
def test_gradient_of_many_steps(name):
    """By the state at the beginning, a force, and each kind of parameter, from where the scene has come to."""
    scene, states, forces = trajectory(name)
    m, rng = scene.model, np.random.default_rng(0)
    start, force = torch.tensor(states[-1:]), torch.tensor(forces[-1:])
    engine = Engine(m)
    theta = engine.theta.clone()
    weights = torch.tensor(rng.standard_normal(start.shape[1]))

    def run(engine, start, force, theta):
        state = start
        for _ in range(HORIZON):
            state = engine.step(state, engine.command(dof_force=force), theta, record=torch.is_grad_enabled())
        return state @ weights

    still = [torch.zeros_like(x) for x in (start, force, theta)]
    directions = {
        "state": (torch.tensor(rng.standard_normal(start.shape)) * _tangent(m), still[1], still[2]),
        "force": (still[0], torch.tensor(rng.standard_normal(force.shape)), still[2]),
    }
    for parameter in PARAMETERS:
        field = engine.model.theta_fields[parameter]
        along = torch.zeros_like(theta)
        values = 0.1 * np.abs(field.default.ravel()).clip(0 if parameter != "geom_pos" else 0.01, 1)
        along[0, field.offset : field.offset + field.size] = torch.tensor(values * rng.standard_normal(field.size))
        directions[parameter] = (still[0], still[1], along)

    inputs = [x.clone().requires_grad_() for x in (start, force, theta)]
    gradients = torch.autograd.grad(run(engine, *inputs).sum(), inputs)
    assert all(torch.isfinite(gradient).all() for gradient in gradients)
    exact = {
        label: float(sum((g * d).sum() for g, d in zip(gradients, direction, strict=True)))
        for label, direction in directions.items()
    }
    with torch.no_grad():
        offsets = [sign * step for step in DIFFERENCES for sign in (1, -1)]
        batch = [
            torch.cat([x + t * direction[k] for direction in directions.values() for t in offsets])
            for k, x in enumerate((start, force, theta))
        ]
        many = Engine(m, n_worlds=len(batch[0]))
        ends = run(many, *batch).reshape(len(directions), -1, 2).numpy()
    found = dict(zip(directions, (ends[..., 0] - ends[..., 1]) / (2 * np.array(DIFFERENCES)), strict=True))
    wrong = {
        label: (exact[label], *found[label])
        for label in directions
        if not np.abs(exact[label] - found[label]).min() < TOLERANCE * (abs(exact[label]) + 0.01)
    }
    assert not wrong, wrong


def _tangent(m) -> torch.Tensor:
    """1 where a number of the state may be moved: not where it is one of a quaternion."""
    keep = torch.ones(1, m.nq + m.nv, dtype=torch.float64)
    for joint in range(m.njnt):
        if m.jnt_type[joint] == 0:
            keep[0, m.jnt_qposadr[joint] + 3 : m.jnt_qposadr[joint] + 7] = 0
    return keep
