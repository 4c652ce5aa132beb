"""A program that feeds every differentiable input of the public API and reads every differentiable output."""

import numpy as np
import torch

from genesis.world.catalogue import PARAMETERS
from tests.differences import directional_derivative

# Agreement with central differences, relative to the size of the gradient (its terms taken without cancellation).
GRADIENT_TOLERANCE = 1e-6
# What differences of step 1e-3 can resolve of a value that has rounding errors of 1e-14: the floor of a comparison.
DIFFERENCE_FLOOR = 1e-9
# Largest perturbation, in units of the direction (itself a tenth of the input's size).
STEP = 0.03

# Parameters with a bound at zero, which differences would cross.
NOT_NEGATIVE = {
    *("dofs_damping", "dofs_armature"),
    *("actuators_time_constant", "actuators_deactivation", "actuators_crank_length"),
    *("actuators_motor_friction",),
}

GETTERS = {
    "pos": lambda r: r.get_pos(),
    "quat": lambda r: r.get_quat(),
    "vel": lambda r: r.get_vel(),
    "ang": lambda r: r.get_ang(),
    "links_pos": lambda r: r.get_links_pos(),
    "links_quat": lambda r: r.get_links_quat(),
    "links_vel": lambda r: r.get_links_vel(),
    "links_ang": lambda r: r.get_links_ang(),
    "links_acc": lambda r: r.get_links_acc(),
    "qpos": lambda r: r.get_qpos(),
    "dofs_position": lambda r: r.get_dofs_position(),
    "dofs_velocity": lambda r: r.get_dofs_velocity(),
    "dofs_force": lambda r: r.get_dofs_force(),
    "dofs_control_force": lambda r: r.get_dofs_control_force(),
    "mass_mat": lambda r: r.get_mass_mat(),
    "jacobian": lambda r: r.get_jacobian(r.links[-1]),
    "kinetic_energy": lambda r: r.get_kinetic_energy(),
    "potential_energy": lambda r: r.get_potential_energy(),
    "entity_state": lambda r: torch.cat([x.flatten() for x in (r.get_state().pos, r.get_state().quat)]),
    "scene_state": lambda r: r.scene.get_state().solvers_state[0].links_pos,
}


class Program:
    """State, parameters and ``steps`` steps of controls in; getters out.

    ``inputs``: name -> value, all of which :meth:`run` takes. ``setter`` names the way in which the initial position is
    given: "qpos", "dofs_position" or "pos and quat".
    """

    def __init__(
        self, scene, robot, steps: int, seed: int, *, qpos, qvel, setter="qpos", modes=(1, 2, 3, 4), springs=True
    ):
        self.scene, self.robot, self.steps, self.setter, self.modes = scene, robot, steps, setter, modes
        rng = np.random.default_rng(seed)
        n, nu, links = robot.n_dofs, robot.n_controls, robot.n_links
        scene.reset()
        robot.set_qpos(torch.as_tensor(qpos))
        self.springs = springs
        self.inputs: dict[str, torch.Tensor] = {}
        if setter == "qpos":
            self.inputs["qpos"] = torch.as_tensor(qpos)
        elif setter == "dofs_position":
            self.inputs["dofs_position"] = robot.get_dofs_position().sceneless().detach()
        else:
            self.inputs["pos"] = robot.get_pos().sceneless().detach()
            self.inputs["quat"] = robot.get_quat().sceneless().detach() * 1.3
        self.inputs["dofs_velocity"] = torch.as_tensor(qvel)
        self.inputs["force"] = torch.tensor(0.3 * rng.standard_normal((steps, n)))
        self.inputs["position"] = torch.tensor(0.3 * rng.standard_normal((steps, n)))
        self.inputs["velocity"] = torch.tensor(0.3 * rng.standard_normal((steps, n)))
        if nu:
            # inside the narrowest control range of the test robots, so that no difference crosses its edge
            self.inputs["ctrl"] = torch.tensor(rng.uniform(-0.3, 0.3, (steps, nu)))
        self.inputs["wrench"] = torch.tensor(0.1 * rng.standard_normal((steps, links, 6)))
        self.inputs["gravity"] = torch.tensor([0.3, -0.2, -9.0])
        for name in PARAMETERS:
            value = self._parameter(name, rng)
            if value is not None and value.numel():
                self.inputs[name] = value

    def _parameter(self, name: str, rng) -> torch.Tensor | None:
        if name == "dofs_force_range":
            lower, upper = self.robot.get_dofs_force_range()
            value = torch.stack([lower, upper], dim=-1).sceneless().detach().clamp(-1e3, 1e3)
            # The first dof (of force control) is always clipped, to its lower bound, the others never: differences
            # across the edge of a clip say nothing about the gradient on either side.
            value[..., 0, 0], value[..., 0, 1] = 2.0, 3.0
            return value
        if name == "actuators_length_range":  # apart, so that differences do not turn them around
            lower, upper = self.robot.get_actuators_length_range()
            return torch.stack([lower, upper + 2.0], dim=-1).sceneless().detach()
        value = getattr(self.robot, f"get_{name}")().sceneless().detach().clone()
        if name in ("dofs_kp", "dofs_kv"):
            value = value * 0.1
        if name == "dofs_stiffness" and self.springs:
            value = value + 0.2
        if name in NOT_NEGATIVE:
            value = value + 0.2
        if name == "links_inertia":  # away from the triangle inequality, on which some published inertias lie
            value[..., :3] += 0.2 * value[..., :3].amax(-1, keepdim=True)
        if name == "links_gravity_compensation":
            value = value + 0.1
        return value

    def directions(self, seed: int) -> dict[str, torch.Tensor]:
        rng = np.random.default_rng(seed)
        result = {}
        for name, value in self.inputs.items():
            noise = torch.tensor(rng.standard_normal(tuple(value.shape)))
            if name in ("links_mass", "links_inertia"):  # relative, so that every perturbed value is possible
                result[name] = 0.1 * value * noise.clamp(-1, 1)
            else:
                result[name] = 0.1 * noise
        return result

    def run(self, inputs: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        scene, robot = self.scene, self.robot
        scene.reset()
        scene.set_gravity(inputs["gravity"])
        for name in PARAMETERS:
            if name in inputs and PARAMETERS[name].as_ends:
                getattr(robot, f"set_{name}")(inputs[name][..., 0], inputs[name][..., 1])
            elif name in inputs:
                getattr(robot, f"set_{name}")(inputs[name])
        if self.setter == "qpos":
            robot.set_qpos(inputs["qpos"])
        elif self.setter == "dofs_position":
            robot.set_dofs_position(inputs["dofs_position"])
        else:
            robot.set_pos(inputs["pos"])
            robot.set_quat(inputs["quat"])
        robot.set_dofs_velocity(inputs["dofs_velocity"])
        n = robot.n_dofs
        groups = {mode: list(range(k, n, len(self.modes))) for k, mode in enumerate(self.modes)}
        for t in range(self.steps):
            for mode, dofs in groups.items():
                if not dofs:
                    continue
                if mode == 1:
                    robot.control_dofs_force(inputs["force"][t, dofs], dofs)
                elif mode == 2:
                    robot.control_dofs_position(inputs["position"][t, dofs], dofs)
                elif mode == 3:
                    robot.control_dofs_velocity(inputs["velocity"][t, dofs], dofs)
                else:
                    robot.control_dofs_position_velocity(inputs["position"][t, dofs], inputs["velocity"][t, dofs], dofs)
            if "ctrl" in inputs:
                robot.control_actuators(inputs["ctrl"][t])
            robot.apply_links_external_wrench(inputs["wrench"][t, :, :3], inputs["wrench"][t, :, 3:])
            scene.step()
        return {name: getter(robot) for name, getter in GETTERS.items()}


def disagreements(program: Program, seed: int, skip_outputs=(), tolerance: float = GRADIENT_TOLERANCE) -> list[str]:
    """Every (input, output) pair whose gradient differs from central differences along a random direction."""
    generator = torch.Generator().manual_seed(seed)
    leaves = {name: value.clone().requires_grad_() for name, value in program.inputs.items()}
    outputs = {k: v for k, v in program.run(leaves).items() if k not in skip_outputs}
    weights = {
        name: torch.randn(value.shape, generator=generator, dtype=torch.float64) for name, value in outputs.items()
    }
    directions = program.directions(seed)
    exact, sizes = {}, {}
    for name, value in outputs.items():
        grads = torch.autograd.grad(
            (value * weights[name]).sum(), list(leaves.values()), retain_graph=True, allow_unused=True
        )
        for (source, leaf), grad in zip(leaves.items(), grads, strict=True):
            terms = (torch.zeros_like(leaf) if grad is None else grad) * directions[source]
            exact[source, name] = terms.sum().item()
            sizes[source, name] = torch.linalg.vector_norm(terms.flatten()).item()

    found = []
    reference = np.array([(outputs[k] * weights[k]).abs().sum().item() for k in outputs])
    for source, direction in directions.items():

        def along(t, source=source, direction=direction):
            moved = dict(program.inputs)
            moved[source] = moved[source] + t * direction
            with torch.no_grad():
                values = program.run(moved)
            return np.array([(values[k] * weights[k]).sum().item() for k in outputs])

        numeric, estimate = directional_derivative(along, STEP, levels=6)
        for k, name in enumerate(outputs):
            error = abs(exact[source, name] - numeric[k])
            size = max(abs(numeric[k]), sizes[source, name])
            allowed = tolerance * size + DIFFERENCE_FLOOR * (1 + reference[k])
            if not error <= allowed:
                found.append(
                    f"d {name} / d {source}: {exact[source, name]:.9e}, differences {numeric[k]:.9e} "
                    f"+- {estimate[k]:.1e}, relative error {error / max(size, 1e-300):.1e}"
                )
    return found
