"""Gradients of every type of sensor that has one, against central differences in 64 bits."""

import numpy as np
import pytest
import torch

from tests.differences import directional_derivative
from tests.sensors import rig as rigs

# Relative to the size of the gradient, its terms taken without cancellation; below that, what differences resolve.
TOLERANCE, FLOOR = 1e-6, 1e-8
STEP = 1e-3  # along directions of order one: no contact, limit or ray changes over

# Discrete, or constant.
_WITHOUT = ("insidesite", "clock")
_PARAMETERS = ("links_mass", "links_com", "dofs_damping", "geoms_size", "gravity")


def _touching_state(m):
    """On the floor with foot and trunk, one joint of each kind beyond its limit."""
    inputs = rigs.random_inputs(m, 1)
    qpos = inputs["qpos"]
    for name, value in (("trunk", None), ("hip", 0.25), ("knee", -0.3), ("slide", 0.07), ("socket", None)):
        adr = int(m.jnt_qposadr[m.body("rig/trunk").jntadr[0]] if name == "trunk" else m.joint(f"rig/{name}").qposadr[0])
        if name == "trunk":
            qpos[adr + 2] = 0.24
        elif name == "socket":
            qpos[adr : adr + 4] = 0.9, 0.2, 0.3, 0.1
        else:
            qpos[adr] = value
    inputs["ctrl"] *= 0.1  # below the force range of the hip
    return {name: torch.as_tensor(value) for name, value in inputs.items()}


def _run(scene, rig, inputs, steps=0):
    scene.reset()
    scene.set_gravity(inputs["gravity"])
    for name in _PARAMETERS[:-1]:
        getattr(rig, f"set_{name}")(inputs[name])
    rigs.put(rig, inputs)
    for _ in range(steps):
        scene.step()
    return rig.get_sensor_data()


def _inputs(scene, rig):
    inputs = _touching_state(scene.mj_model)
    scene.reset()
    for name in _PARAMETERS[:-1]:
        inputs[name] = getattr(rig, f"get_{name}")().sceneless().detach().clone()
    inputs["dofs_damping"] += 0.1
    inputs["gravity"] = torch.tensor([0.3, -0.2, -9.0])
    return inputs


@pytest.mark.parametrize("cone", ["pyramidal", "elliptic"])
def test_gradient_of_every_type(cone):
    scene, rig = rigs.build(cone)
    inputs = _inputs(scene, rig)
    kinds = [rigs.kind(element) for element in rigs.elements()]
    wanted = [kind for kind in dict.fromkeys(kinds) if kind not in _WITHOUT]
    weights: dict[str, torch.Tensor] = {}
    generator = torch.Generator().manual_seed(0)

    def sums(values):
        """A weighted sum of the values of each type."""
        for name, value in values.items():
            if name not in weights:
                weights[name] = torch.randn(value.shape, generator=generator, dtype=torch.float64)
        of_kind = dict.fromkeys(wanted, 0.0)
        for kind, (name, value) in zip(kinds, values.items(), strict=True):
            if kind in of_kind:
                of_kind[kind] = of_kind[kind] + (weights[name] * value).sum()
        return of_kind

    leaves = {name: value.clone().requires_grad_() for name, value in inputs.items()}
    totals = sums(_run(scene, rig, leaves))
    exact = {
        kind: torch.autograd.grad(total, list(leaves.values()), retain_graph=True, allow_unused=True)
        for kind, total in totals.items()
    }
    rng = np.random.default_rng(0)
    wrong, moved = [], dict.fromkeys(wanted, False)
    for k, (source, value) in enumerate(inputs.items()):
        direction = torch.tensor(rng.uniform(-1.0, 1.0, tuple(value.shape)))
        if source in ("links_mass", "geoms_size"):
            direction *= value

        def along(t, source=source, direction=direction):
            with torch.no_grad():
                found = sums(_run(scene, rig, inputs | {source: inputs[source] + t * direction}))
            return np.array([float(found[kind]) for kind in wanted])

        numeric, _ = directional_derivative(along, STEP, levels=6)
        for kind, difference in zip(wanted, numeric, strict=True):
            gradient = exact[kind][k]
            terms = torch.zeros_like(value) if gradient is None else gradient * direction
            size = max(abs(difference), float(terms.norm()))
            moved[kind] |= size > FLOOR
            if not abs(float(terms.sum()) - difference) <= TOLERANCE * size + FLOOR * (1 + abs(float(totals[kind]))):
                wrong.append(f"d {kind} / d {source}: {float(terms.sum()):.9e}, differences {difference:.9e}")
    assert not wrong, "\n".join(wrong)
    assert all(moved.values()), [kind for kind, any_gradient in moved.items() if not any_gradient]


def test_gradient_through_steps_and_back():
    """A loss of sensors at several steps, twice: a backward pass leaves nothing behind."""
    scene, rig = rigs.with_sensors(
        '<accelerometer name="a" site="imu"/><touch name="t" site="sphere"/><force name="f" site="wrist"/>'
        '<jointlimitfrc name="l" joint="hip"/><actuatorfrc name="m" actuator="knee"/>',
        2,
    )
    inputs = {name: value.expand(2, *value.shape) for name, value in _touching_state(scene.mj_model).items()}
    ctrl = inputs["ctrl"].clone()

    def loss(ctrl):
        scene.reset()
        rigs.put(rig, inputs)
        total = ctrl.new_zeros(())
        for _ in range(3):
            rig.control_actuators(ctrl)
            total = total + sum((0.01 * value).square().sum() for value in rig.get_sensor_data().values())
            scene.step()
        return total + (0.01 * rig.get_sensor_data("a")).square().sum()

    gradients = []
    for _ in range(2):
        leaf = ctrl.clone().requires_grad_()
        loss(leaf).backward()
        gradients.append(leaf.grad)
    assert torch.equal(*gradients)
    direction = torch.linspace(-1.0, 1.0, ctrl.numel()).reshape(ctrl.shape).double()

    def along(t):
        with torch.no_grad():
            return np.array([float(loss(ctrl + t * direction))])

    (numeric,), _ = directional_derivative(along, STEP, levels=6)
    assert float((gradients[0] * direction).sum()) == pytest.approx(numeric, rel=1e-6)
