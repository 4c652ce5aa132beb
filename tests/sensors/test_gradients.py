"""Gradients of every type of sensor that has one, against central differences in 64 bits."""

import numpy as np
import pytest
import torch

from tests.differences import directional_derivative
from tests.sensors import rig as rigs

# Relative to the size of the gradient, its terms taken without cancellation; below that, what differences resolve.
TOLERANCE, FLOOR = 1e-6, 1e-8
STEP = 1e-4  # along directions of order one: no contact, limit or ray changes over
MOST = 8  # sensors of each type that are differentiated

# Discrete, or constant.
_WITHOUT = ("insidesite", "clock")
_PARAMETERS = (
    *("links_mass", "links_COM", "links_inertia", "links_offset_pos", "links_offset_quat", "dofs_damping"),
    *("geoms_size", "geoms_offset_pos", "geoms_offset_quat", "equalities_data", "tendons_stiffness"),
    *("sites_offset_pos", "sites_offset_quat"),
)
# Inputs that are varied at once.
_TOGETHER = (
    *(("qpos",), ("qvel",), ("ctrl",), ("wrench",)),
    ("links_mass", "links_COM", "links_inertia", "dofs_damping", "equalities_data", "tendons_stiffness", "gravity"),
    ("links_offset_pos", "links_offset_quat", "geoms_size", "geoms_offset_pos", "geoms_offset_quat"),
    ("sites_offset_pos", "sites_offset_quat"),
)
# These move by a fraction of what they are.
_RELATIVE = ("links_mass", "links_inertia", "geoms_size")


def _touching_state(m):
    """On the floor with foot and trunk, one joint of each kind beyond its limit."""
    inputs = rigs.random_inputs(m, 1)
    qpos = inputs["qpos"]
    for name, value in (("trunk", None), ("hip", 0.25), ("knee", -0.3), ("slide", 0.083), ("socket", None)):
        adr = int(
            m.jnt_qposadr[m.body("rig/trunk").jntadr[0]] if name == "trunk" else m.joint(f"rig/{name}").qposadr[0]
        )
        if name == "trunk":
            qpos[adr + 2] = 0.24
        elif name == "socket":
            qpos[adr : adr + 4] = 0.9, 0.2, 0.3, 0.1
        else:
            qpos[adr] = value
    inputs["ctrl"] *= 0.1  # below the force range of the hip
    return {name: torch.as_tensor(value) for name, value in inputs.items()}


def _chosen(rig, name):
    """Of shapes those that have a size; of the rest all."""
    if name != "geoms_size":
        return ()
    return ([k for k, geom in enumerate(rig.geoms) if geom in rig.touching_geoms and geom.type != "plane"],)


def _run(scene, rig, inputs, steps=0):
    scene.reset()
    scene.set_gravity(inputs["gravity"])
    for name in _PARAMETERS:
        getattr(rig, f"set_{name}")(inputs[name], *_chosen(rig, name))
    rigs.put(rig, inputs)
    for _ in range(steps):
        scene.step()
    return rig.get_sensor_data()


def _inputs(scene, rig):
    inputs = _touching_state(scene.mj_model)
    scene.reset()
    for name in _PARAMETERS:
        inputs[name] = getattr(rig, f"get_{name}")(*_chosen(rig, name)).sceneless().detach().clone()
    inputs["dofs_damping"] += 0.1
    inputs["gravity"] = torch.tensor([0.3, -0.2, -9.0])
    return inputs


def _some(elements):
    """A few of each type that has a gradient, those of contacts with every reduction."""
    of_kind: dict[str, list[str]] = {}
    for element in elements:
        of_kind.setdefault(rigs.kind(element), []).append(element)
    return [
        element
        for kind, every in of_kind.items()
        if kind not in _WITHOUT
        for element in every[:: -(-len(every) // MOST)]
    ]


def test_gradient_of_every_type():
    chosen = _some(rigs.elements())
    scene, rig = rigs.with_sensors("".join(chosen))
    inputs = _inputs(scene, rig)
    kinds = [rigs.kind(element) for element in chosen]
    wanted = list(dict.fromkeys(kinds))
    weights: dict[str, torch.Tensor] = {}
    generator = torch.Generator().manual_seed(0)

    def sums(values):
        """A weighted sum of the values of each type."""
        for name, value in values.items():
            if name not in weights:
                weights[name] = torch.randn(value.shape, generator=generator, dtype=torch.float64)
        of_kind = dict.fromkeys(wanted, 0.0)
        for name, value in values.items():
            kind = kinds[int(name.removeprefix("sensor"))]
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
    for sources in _TOGETHER:
        directions = {}
        for name in sources:
            value = inputs[name]
            noise = torch.tensor(rng.uniform(-1.0, 1.0, tuple(value.shape)))
            directions[name] = noise * value if name in _RELATIVE else noise

        def along(t, directions=directions):
            with torch.no_grad():
                found = sums(_run(scene, rig, inputs | {k: inputs[k] + t * d for k, d in directions.items()}))
            return np.array([float(found[kind]) for kind in wanted])

        numeric, _ = directional_derivative(along, STEP, levels=4)
        for kind, difference in zip(wanted, numeric, strict=True):
            gradients = dict(zip(leaves, exact[kind], strict=True))
            terms = [(gradients[k] * d).flatten() for k, d in directions.items() if gradients[k] is not None]
            terms = torch.cat(terms) if terms else torch.zeros(1)
            size = max(abs(difference), float(terms.norm()))
            moved[kind] |= size > FLOOR
            allowed = TOLERANCE * size + FLOOR * (1 + abs(float(totals[kind].detach())))
            if not abs(float(terms.sum()) - difference) <= allowed:
                wrong.append(f"d {kind} / d {sources}: {float(terms.sum()):.9e}, differences {difference:.9e}")
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
