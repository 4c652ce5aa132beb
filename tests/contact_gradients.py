"""A program that feeds every input of a scene in contact through the public API, and reads what contact changes."""

import numpy as np
import torch

from genesis.entities.access import N_SIZES
from genesis.world.catalogue import (
    DELAY_PARAMETERS,
    ENTITY_PARAMETERS,
    PARAMETERS,
    PASSIVE_PARAMETERS,
    PLASTIC_PARAMETERS,
)
from tests.differences import directional_derivative

# Agreement with central differences: over one step, and over a hundred.
ONE_STEP = 1e-5
MANY_STEPS = 1e-4
# Largest perturbation in units of the directions below, which change a penetration of a tenth of a millimetre little.
STEP = 1.0
LEVELS = 5
# Of an output: what differences of these steps resolve when the solver leaves 1e-13.
FLOOR = 1e-8

# Sizes of perturbations, relative (of what is not zero) and absolute, where they are not those of a common parameter.
_COMMON = (1e-5, 0.0)
_SIZES = {
    "qpos": (0.0, 1e-7),
    "dofs_velocity": (0.0, 1e-5),
    "force": (0.0, 1e-4),
    "position": (0.0, 1e-5),
    "wrench": (0.0, 1e-4),
    "gravity": (0.0, 1e-4),
    "links_COM": (0.0, 1e-6),
    "links_offset_pos": (0.0, 1e-7),
    "links_offset_quat": (0.0, 1e-7),
    "geoms_size": (1e-6, 0.0),
    "geoms_offset_pos": (0.0, 1e-7),
    "geoms_offset_quat": (0.0, 1e-7),
    "dofs_limit": (0.0, 1e-7),
    "geoms_surface_velocity": (0.0, 1e-4),
    "geoms_adhesion": (1e-4, 0.0),
}

GETTERS = {
    "qpos": lambda r: r.get_qpos(),
    "dofs_velocity": lambda r: r.get_dofs_velocity(),
    "links_pos": lambda r: r.get_links_pos(),
    "links_acc": lambda r: r.get_links_acc(),
    "dofs_force": lambda r: r.get_dofs_force(),
    "contact_force": lambda r: r.get_links_net_contact_force(),
}


class ContactProgram:
    """Initial state, ``steps`` steps of forces, position targets and wrenches, and every parameter in; getters out.

    Args:
        step: largest perturbation, in units of the directions
        pd: dofs that follow position targets (around ``target``); forces act on the others
        force: (n_dofs,) mean force, to which small noise is added
        parameters: values of parameters, instead of the model's
    """

    def __init__(
        self,
        scene,
        robot,
        steps,
        seed,
        *,
        qpos,
        qvel,
        force=None,
        pd=(),
        target=None,
        kp=None,
        kv=None,
        step=STEP,
        **parameters,
    ):
        self.step = step
        self.scene, self.robot, self.steps, self.pd = scene, robot, steps, list(pd)
        self.free = [k for k in range(robot.n_dofs) if k not in self.pd]
        rng = np.random.default_rng(seed)
        n = robot.n_dofs
        if self.pd:
            robot.set_dofs_kp(torch.full((len(self.pd),), kp), self.pd)
            robot.set_dofs_kv(torch.full((len(self.pd),), kv), self.pd)
        mean = np.zeros(n) if force is None else np.asarray(force)
        self.inputs: dict[str, torch.Tensor] = {
            "qpos": torch.as_tensor(qpos),
            "dofs_velocity": torch.as_tensor(qvel),
            "force": torch.tensor(mean + 0.01 * rng.standard_normal((steps, n))),
            "wrench": torch.tensor(0.01 * rng.standard_normal((steps, robot.n_links, 6))),
            "gravity": scene.get_gravity().sceneless().detach().clone(),
        }
        if self.pd:
            self.inputs["position"] = torch.as_tensor(target) + torch.tensor(
                0.001 * rng.standard_normal((steps, len(pd)))
            )
        self.sized = [k for k, geom in enumerate(robot.geoms) if geom in robot.touching_geoms and geom.type in N_SIZES]
        settable = {row["name"] for row in robot.get_parameters()}
        for parameter in ENTITY_PARAMETERS.values():
            if parameter.name not in settable or parameter.name in ("dofs_force_range", "links_gravity_compensation"):
                continue  # they do not bear on contact; see the tests of smooth dynamics
            if parameter.axis in ("tendons", "equalities"):
                continue  # see the tests of mechanisms
            if parameter.name in (*PASSIVE_PARAMETERS, *DELAY_PARAMETERS, *PLASTIC_PARAMETERS):
                continue  # see the tests of fluids
            value = self._get(parameter.name)
            if parameter.name in ("geoms_surface_velocity", "geoms_adhesion") and not value.any():
                continue  # neither runs nor sticks; see the tests of surfaces
            if value.numel():
                given = parameters.get(parameter.name)
                self.inputs[parameter.name] = (
                    value if given is None else torch.as_tensor(given).expand(value.shape).clone()
                )

    def _get(self, name: str) -> torch.Tensor:
        if name == "dofs_limit":
            return torch.stack([x.sceneless().detach() for x in self.robot.get_dofs_limit(self._limited())], -1)
        if name == "geoms_size":
            return self.robot.get_geoms_size(self.sized).sceneless().detach().clone()
        if name == "actuators_length_range":
            return torch.zeros(0)  # of muscles: see the tests of mechanisms
        value = getattr(self.robot, f"get_{name}")().sceneless().detach().clone()
        if name in ("dofs_stiffness", "dofs_damping", "dofs_armature"):
            value = value.clamp(min=0.01)  # away from the bound at zero, which differences would cross
        if name == "links_inertia":
            value[..., :3] += 0.2 * value[..., :3].amax(-1, keepdim=True)
        return value

    def _limited(self) -> list[int]:
        m = self.scene.mj_model
        return [d for d in range(m.nv) if m.jnt_limited[m.dof_jntid[d]] and m.jnt_type[m.dof_jntid[d]] >= 2]

    def directions(self, seed: int) -> dict[str, torch.Tensor]:
        rng = np.random.default_rng(seed)
        result = {}
        for name, value in self.inputs.items():
            relative, absolute = _SIZES.get(name, _COMMON)
            noise = torch.tensor(rng.standard_normal(tuple(value.shape))).clamp(-2, 2)
            size = relative * value.abs() + absolute
            result[name] = torch.where(torch.isfinite(value), size, torch.zeros_like(value)) * noise
        return result

    def run(self, inputs: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        scene, robot = self.scene, self.robot
        scene.reset()
        scene.set_gravity(inputs["gravity"])
        for name in ENTITY_PARAMETERS:
            if name not in inputs:
                continue
            if name == "dofs_limit":
                if self._limited():
                    robot.set_dofs_limit(inputs[name][..., 0], inputs[name][..., 1], self._limited())
            elif name == "geoms_size":
                robot.set_geoms_size(inputs[name], self.sized)
            else:
                getattr(robot, f"set_{name}")(inputs[name])
        robot.set_qpos(inputs["qpos"])
        robot.set_dofs_velocity(inputs["dofs_velocity"])
        for t in range(self.steps):
            robot.control_dofs_force(inputs["force"][t, self.free], self.free)
            if self.pd:
                robot.control_dofs_position(inputs["position"][t], self.pd)
            robot.apply_links_external_wrench(inputs["wrench"][t, :, :3], inputs["wrench"][t, :, 3:])
            scene.step()
        return {name: getter(robot) for name, getter in GETTERS.items()}


def groups(names, together: bool) -> dict[str, list[str]]:
    """Inputs that are moved at once: those of the smooth dynamics, which have tests of their own; over many steps also
    all controls, and all parameters of constraints."""
    result: dict[str, list[str]] = {}
    for name in names:
        group = name
        if name in PARAMETERS or name == "gravity":
            group = "smooth parameters"
        elif together and name in ENTITY_PARAMETERS:
            group = "constraint parameters"
        elif name in ("force", "position", "wrench"):
            group = "controls"
        result.setdefault(group, []).append(name)
    return result


def contact_disagreements(program: ContactProgram, seed: int, tolerance: float) -> list[str]:
    """Every (input group, output) pair whose gradient differs from central differences along a random direction."""
    generator = torch.Generator().manual_seed(seed)
    leaves = {name: value.clone().requires_grad_() for name, value in program.inputs.items()}
    outputs = program.run(leaves)
    assert outputs["contact_force"].abs().sum() + len(program._limited()) > 0, "nothing is in contact"
    weights = {name: torch.randn(x.shape, generator=generator, dtype=torch.float64) for name, x in outputs.items()}
    directions = program.directions(seed)
    moves = groups(program.inputs, program.steps > 1)
    exact, sizes = {}, {}
    for name, value in outputs.items():
        grads = [None] * len(leaves)
        if value.requires_grad:  # without contacts there is no contact force
            grads = torch.autograd.grad(
                (value * weights[name]).sum(), list(leaves.values()), retain_graph=True, allow_unused=True
            )
        parts = {}
        for (source, leaf), grad in zip(leaves.items(), grads, strict=True):
            parts[source] = ((torch.zeros_like(leaf) if grad is None else grad) * directions[source]).flatten()
            assert torch.isfinite(parts[source]).all(), f"d {name} / d {source} is not finite"
        for group, members in moves.items():
            terms = torch.cat([parts[source] for source in members])
            exact[group, name] = terms.sum().item()
            sizes[group, name] = torch.linalg.vector_norm(terms).item()

    found = []
    reference = np.array([(outputs[k] * weights[k]).abs().sum().item() for k in outputs])
    for source, members in moves.items():

        def along(t, members=members):
            moved = dict(program.inputs)
            for member in members:
                moved[member] = moved[member] + t * directions[member]
            with torch.no_grad():
                values = program.run(moved)
            return np.array([(values[k] * weights[k]).sum().item() for k in outputs])

        numeric, estimate = directional_derivative(along, program.step, levels=LEVELS)
        for k, name in enumerate(outputs):
            error = abs(exact[source, name] - numeric[k])
            size = max(abs(numeric[k]), sizes[source, name])
            if not error <= tolerance * size + FLOOR * 1e-2 * (1 + reference[k]):
                found.append(
                    f"d {name} / d {source}: {exact[source, name]:.9e}, differences {numeric[k]:.9e} "
                    f"+- {estimate[k]:.1e}, relative error {error / max(size, 1e-300):.1e}"
                )
    return found
