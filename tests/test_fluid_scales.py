"""Fluid forces of bodies from a millimetre to a metre: steps against MuJoCo's, gradients against differences.

Products of semi-axes have units up to m^8: nothing may be lost where they are small.
"""

import functools

import numpy as np
import pytest
import torch

from tests import fluid_scales
from tests.differences import directional_derivative
from tests.fluid_scales import ELLIPSOID, SPEEDS

# Of the change of a body's velocity in one step. Sides of a box follow from differences of its moments, whose rounding
# is a thousand times that of a thin side.
STEP = {ELLIPSOID: 1e-12, "": 1e-11}
GRADIENT = 1e-6
# Relative steps; a thin plate's area changes within some hundredths of a radian.
DIFFERENCE = 3e-3
OF_GEOMS = ("geoms_fluid_coef", "geoms_virtual_mass", "geoms_virtual_inertia", "geoms_size")
OF_SCENE = ("fluid_density", "fluid_viscosity", "wind")
IN_32_BITS = 2e-5


@functools.cache
def scene_of(integrator, shape=ELLIPSOID):
    scene, robot = fluid_scales.made(integrator, shape)
    return scene, robot, *fluid_scales.inputs_of(scene.mj_model)


@pytest.mark.parametrize("integrator", fluid_scales.TIMESTEP)
@pytest.mark.parametrize("shape", STEP, ids=("ellipsoids", "boxes"))
def test_a_step_equals_mujoco(shape, integrator):
    scene, robot, qpos, velocity = scene_of(integrator, shape)
    scene.reset()
    with torch.no_grad():
        found = fluid_scales.changes(scene, robot, qpos, velocity).numpy()
    expected = fluid_scales.expected_changes(scene.mj_model, qpos, velocity)
    sizes = fluid_scales.sizes_of(expected, scene.mj_model)
    assert not expected[0].any() and (sizes[1:] > 0).all()
    wrong = abs(found - expected) > STEP[shape] * sizes + fluid_scales.rounding(velocity, np.finfo(float).eps)
    assert not wrong.any(), np.argwhere(wrong)


def directions(name, value, rng, m, velocity):
    """Relative to the value, a rotation of a radian, or the env's speed."""
    noise = torch.tensor(rng.standard_normal(tuple(value.shape))).clamp(-2, 2)
    if name == "wind":
        return torch.tensor(SPEEDS)[:, None] * noise
    if name == "dofs_velocity":
        return velocity * noise
    if name == "qpos":
        for start in m.jnt_qposadr[m.jnt_type == 0]:
            noise[:, start : start + 3] = 0.0  # places have no effect
        return noise
    return value * noise


@pytest.mark.parametrize("integrator", ["implicitfast", "Euler"])
def test_gradients_of_a_step(integrator):
    scene, robot, qpos, velocity = scene_of(integrator)
    scene.reset()
    m = scene.mj_model
    sizes = fluid_scales.sizes_of(fluid_scales.expected_changes(m, qpos, velocity), m)
    rng = np.random.default_rng(0)
    # every body counts as much as every other, at each speed
    weights = torch.tensor(rng.standard_normal(sizes.shape) / np.where(sizes > 0, sizes, np.inf))
    weights[0] = 1.0
    shapes = list(range(m.ngeom))
    inputs = {"qpos": qpos, "dofs_velocity": velocity}
    inputs |= {name: getattr(robot, f"get_{name}")(shapes).sceneless().detach().clone() for name in OF_GEOMS}
    inputs |= {name: getattr(scene, f"get_{name}")().sceneless().detach().clone() for name in OF_SCENE}

    def run(values):
        scene.reset()
        for name in OF_GEOMS:
            getattr(robot, f"set_{name}")(values[name], shapes)
        for name in OF_SCENE:
            getattr(scene, f"set_{name}")(values[name])
        moved = fluid_scales.changes(scene, robot, values["qpos"], values["dofs_velocity"])
        return (weights * moved).sum(1)

    leaves = {name: value.clone().requires_grad_() for name, value in inputs.items()}
    run(leaves).sum().backward()  # envs share nothing
    with torch.no_grad():
        for name, value in inputs.items():
            assert bool(torch.isfinite(leaves[name].grad).all()), name
            direction = DIFFERENCE * directions(name, value, rng, m, velocity)

            def objective(h, name=name, value=value, direction=direction):
                return run({**inputs, name: value + h * direction}).numpy()

            expected, error = directional_derivative(objective, 1.0, levels=6)
            terms = (leaves[name].grad * direction).reshape(len(SPEEDS), -1)
            found, size = terms.sum(1).numpy(), terms.abs().sum(1).numpy() + abs(expected)
            moving = np.array(SPEEDS) > 0  # at rest differences see the kink of |v| v that is left of a step's rounding
            wrong = abs(found - expected) > GRADIENT * size + 3 * error
            assert not (wrong & moving).any(), (name, found, expected, error)
            assert (error < 1e-3 * size)[moving].all(), (name, size, error)


PROGRAM = """
import numpy as np
import torch
import genesis as gs
gs.init(backend=gs.cpu, precision="32", seed=0, logging_level="error")
from tests import fluid_scales
scene, robot = fluid_scales.made("implicitfast")
qpos, velocity = fluid_scales.inputs_of(scene.mj_model)
given = velocity.float().clone().requires_grad_()
found = fluid_scales.changes(scene, robot, qpos.float(), given)
expected = fluid_scales.expected_changes(scene.mj_model, qpos.float().double(), velocity.float().double())
sizes = fluid_scales.sizes_of(expected, scene.mj_model)
error = abs(found.detach().double().numpy() - expected)
least = fluid_scales.rounding(velocity, np.finfo(np.float32).eps)
print("largest:", (np.maximum(error - least, 0)[1:] / sizes[1:]).max())
found.sum().backward()
print("finite:", bool(torch.isfinite(given.grad).all()))
"""


def test_32_bits_hold_them(run_python):
    out = run_python(PROGRAM)
    assert "finite: True" in out
    assert float(out.split("largest: ")[1].split()[0]) < IN_32_BITS
