"""What crosses the boundary between torch and the kernels: any tensor given, any gradient that arrives, any value returned.

A kernel reads addresses. Whatever a tensor looks like (strides, type, device, views, who holds it), a call must do what
it does with the dense numbers, or raise GenesisException and change nothing. What is compared is always the same
program with a dense tensor; nothing here says what the numbers are.
"""

import inspect
import os
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields, is_dataclass
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch

import genesis as gs
from tests.call_worlds import KINDS as WORLDS
from tests.call_worlds import N_ROWS, World, changes, make, snapshot

T = 3  # steps of the rollouts


@pytest.fixture(scope="module")
def worlds():
    """name -> World, each made when it is first asked for."""
    return Worlds()


class Worlds(dict):
    def __missing__(self, name):
        self[name] = make(name)
        return self[name]


# -- the functions ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Case:
    """A public function with one of its tensors free.

    Attributes:
        value: of a world that was just started: good, dense numbers for that tensor, (rows, ...) where rows are possible
        run: calls the function with what is given for the tensor, and returns what reads the consequences
        rows: where the axis of the envs or rows is: first where there are envs ("envs"), first ("always"), "second"; or
            it cannot be of length one ("none")
        prepare: what comes before the call
    """

    value: Callable[[World], torch.Tensor]
    run: Callable[[World, Any], Callable[[], list[torch.Tensor]]]
    rows: str = "envs"
    prepare: Callable[[World], None] = lambda w: None


def two_steps(w: World) -> list[torch.Tensor]:
    w.scene.step()
    w.scene.step()
    # One row of parameters stands for all: how many there are is no matter.
    return [w.system.state(), w.system.theta().expand(max(w.n_envs, 1), -1)]


def now(call: Callable[[World, Any], Any]) -> Callable[[World, Any], Callable[[], list[torch.Tensor]]]:
    """A function of which the result is all that matters."""

    def run(w, given):
        found = call(w, given)
        found = list(found) if isinstance(found, tuple) else [found]
        return lambda: [part for part in found if part is not None]

    return run


def then_steps(call: Callable[[World, Any], Any], value: Callable[[World], torch.Tensor]) -> Case:
    def run(w, given):
        call(w, given)
        return partial(two_steps, w)

    return Case(value, run)


def entity(of: str, method: str, value: Callable[[World], torch.Tensor], **options: Any) -> Case:
    return then_steps(lambda w, given: getattr(getattr(w, of), method)(given, **options), value)


def at(w: World, count: int, scale: float = 0.3, seed: int = 0) -> torch.Tensor:
    """Some numbers, different for each env: ([n_envs,] count)."""
    generator = torch.Generator().manual_seed(seed)
    return scale * torch.randn(*([w.n_envs] if w.n_envs else []), count, generator=generator, dtype=torch.float64)


def plain(tensor: torch.Tensor) -> torch.Tensor:
    return tensor.detach().as_subclass(torch.Tensor).clone()


def vectors(w: World) -> torch.Tensor:
    """One vector for each link of the robot."""
    n = w.robot.n_links
    return at(w, 3 * n, 2.0).unflatten(-1, (n, 3))


def unit(w: World) -> torch.Tensor:
    return torch.nn.functional.normalize(at(w, 4, 1.0), dim=-1)


CASES: dict[str, Case] = {
    "set_qpos": entity("robot", "set_qpos", lambda w: 1.1 * plain(w.robot.get_qpos())),
    "set_qpos of a free body": entity("free", "set_qpos", lambda w: 1.1 * plain(w.free.get_qpos())),
    "set_qpos of some": entity("robot", "set_qpos", lambda w: at(w, 2, 0.1), qs_idx_local=[1, 0]),
    "set_dofs_position": entity("robot", "set_dofs_position", lambda w: at(w, w.robot.n_dofs)),
    "set_dofs_position of a free body": entity(
        "free", "set_dofs_position", lambda w: plain(w.free.get_dofs_position()) + 0.01
    ),
    "set_dofs_velocity": entity("robot", "set_dofs_velocity", lambda w: at(w, w.robot.n_dofs)),
    "set_dofs_velocity of some": entity("free", "set_dofs_velocity", lambda w: at(w, 2), dofs_idx_local=[4, 1]),
    "set_pos": entity("robot", "set_pos", lambda w: at(w, 3, 0.01)),
    "set_pos of a free body": entity("free", "set_pos", lambda w: plain(w.free.get_pos()) + 0.001),
    "set_quat": entity("robot", "set_quat", unit),
    "set_quat of a free body": entity("free", "set_quat", unit),
    "control_dofs_force": entity("robot", "control_dofs_force", lambda w: at(w, w.robot.n_dofs)),
    "control_dofs_force of some": entity("robot", "control_dofs_force", lambda w: at(w, 2), dofs_idx_local=[2, 0]),
    "control_dofs_position": entity("robot", "control_dofs_position", lambda w: at(w, w.robot.n_dofs)),
    "control_dofs_velocity": entity("free", "control_dofs_velocity", lambda w: at(w, w.free.n_dofs)),
    "control_dofs_position_velocity, position": then_steps(
        lambda w, given: w.robot.control_dofs_position_velocity(given, 0.3), lambda w: at(w, w.robot.n_dofs)
    ),
    "control_dofs_position_velocity, velocity": then_steps(
        lambda w, given: w.robot.control_dofs_position_velocity(0.3, given), lambda w: at(w, w.robot.n_dofs)
    ),
    "control_actuators": entity("robot", "control_actuators", lambda w: at(w, w.robot.n_actuators)),
    "apply_links_external_force": entity("robot", "apply_links_external_force", vectors),
    "apply_links_external_force, local": entity("robot", "apply_links_external_force", vectors, local=True),
    "apply_links_external_torque": entity("robot", "apply_links_external_torque", vectors),
    "apply_links_external_wrench, force": then_steps(
        lambda w, given: w.robot.apply_links_external_wrench(given, torch.ones(w.robot.n_links, 3)), vectors
    ),
    "apply_links_external_wrench, torque": then_steps(
        lambda w, given: w.robot.apply_links_external_wrench(torch.ones(w.robot.n_links, 3), given, ref="link_com"),
        vectors,
    ),
    "rigid_solver.apply_links_external_force": then_steps(
        lambda w, given: w.scene.rigid_solver.apply_links_external_force(given, [1, 2]),
        lambda w: at(w, 6, 2.0).unflatten(-1, (2, 3)),
    ),
    "rigid_solver.apply_links_external_torque": then_steps(
        lambda w, given: w.scene.rigid_solver.apply_links_external_torque(given, [1, 2]),
        lambda w: at(w, 6, 2.0).unflatten(-1, (2, 3)),
    ),
    "get_jacobian": Case(
        lambda w: at(w, 3),
        now(lambda w, given: w.robot.get_jacobian(w.robot.links[-1], given)),
    ),
    "scene.set_gravity": then_steps(lambda w, given: w.scene.set_gravity(given), lambda w: at(w, 3, 5.0)),
}

# Parameters of the robot by name; pairs (lower, upper) have cases of their own below. `free` has a free joint.
PARAMETERS = (
    "dofs_kp dofs_kv dofs_stiffness dofs_damping dofs_armature links_mass links_COM links_inertia links_offset_pos "
    "links_offset_quat links_gravity_compensation joints_axis joints_anchor actuators_gain actuators_bias "
    "actuators_gear actuators_time_constant mass dofs_frictionloss dofs_sol_params joints_sol_params friction "
    "friction_torsional friction_rolling sol_params geoms_size geoms_offset_pos geoms_offset_quat tendons_stiffness "
    "tendons_damping tendons_armature tendons_frictionloss tendons_friction_sol_params tendons_limit_sol_params "
    "tendons_invweight equalities_data equalities_sol_params dofs_invweight links_invweight"
).split()
OF_CONSTRAINTS = PARAMETERS[PARAMETERS.index("dofs_frictionloss") :]


def of_touching(w: World, name: str) -> torch.Tensor:
    return 1.01 * plain(getattr(w.robot, f"get_{name}")())


for _name in PARAMETERS:
    CASES[f"set_{_name}"] = entity("robot", f"set_{_name}", partial(of_touching, name=_name))


def range_case(which: int, method: str, value: float, *idx: Any) -> Case:
    """A setter of (lower, upper), one of them given."""

    def call(w, given):
        both = [given, 50.0] if which == 0 else [-50.0, given]
        getattr(w.robot, method)(*both, *idx)

    def of(w):
        count = len(idx[0]) if idx else w.robot.n_tendons if "tendons" in method else w.robot.n_dofs
        return value + at(w, count, 0.01)

    return then_steps(call, of)


CASES["set_dofs_force_range, lower"] = range_case(0, "set_dofs_force_range", -0.2)
CASES["set_dofs_force_range, upper"] = range_case(1, "set_dofs_force_range", 0.2)
CASES["set_links_inertia as matrices"] = entity(
    "robot",
    "set_links_inertia",
    lambda w: (
        lambda six: torch.stack(
            [six[..., [0, 3, 4]], six[..., [3, 1, 5]], six[..., [4, 5, 2]]],
            -2,
        )
    )(1.01 * plain(w.robot.get_links_inertia())),
)
CONSTRAINED = {
    "set_dofs_limit, lower": range_case(0, "set_dofs_limit", -0.1, [1]),
    "set_dofs_limit, upper": range_case(1, "set_dofs_limit", 0.1, [1]),
}


def part(of: Callable[[World], Any], name: str, scale: float = 1.01) -> Case:
    """A setter of a link, joint, geom or the solver, from what its getter reads."""
    return then_steps(
        lambda w, given: getattr(of(w), f"set_{name}")(given), lambda w: scale * plain(getattr(of(w), f"get_{name}")())
    )


for _name in ("mass", "COM", "inertia"):
    CASES[f"link.set_{_name}"] = part(lambda w: w.robot.links[1], _name)
for _name in ("friction", "sol_params", "size", "offset_pos", "offset_quat"):
    CONSTRAINED[f"geom.set_{_name}"] = part(lambda w: w.robot.touching_geoms[1], _name)
for _name in ("spring_range", "limit"):
    CONSTRAINED[f"set_tendons_{_name}, lower"] = range_case(0, f"set_tendons_{_name}", -0.05, [0])
    CONSTRAINED[f"set_tendons_{_name}, upper"] = range_case(1, f"set_tendons_{_name}", 0.01, [0])
for _name in (
    "geoms_friction",
    "sol_params",
    "pairs_friction",
    "pairs_sol_params",
    "pairs_solref_friction",
    "weld_sol_params",
):
    CONSTRAINED[f"rigid_solver.set_{_name}"] = part(lambda w: w.scene.rigid_solver, _name)
CONSTRAINED |= {
    "joint.set_sol_params": Case(
        lambda w: torch.tensor((0.03, 1.0, 0.8, 0.9, 0.001, 0.5, 2.0), dtype=torch.float64),
        then_steps(lambda w, given: w.robot.joints[1].set_sol_params(given), vectors).run,
        "none",
    ),
    "joint.set_limit, lower": then_steps(
        lambda w, given: w.robot.joints[1].set_limit(given, 0.2),
        lambda w: w.rows(-0.1),
    ),
    "joint.set_limit, upper": then_steps(
        lambda w, given: w.robot.joints[1].set_limit(-0.2, given),
        lambda w: w.rows(0.1),
    ),
    "link.set_friction": then_steps(lambda w, given: w.robot.links[1].set_friction(given), lambda w: w.rows(0.5)),
    "set_equalities_active": entity(
        "robot", "set_equalities_active", lambda w: (at(w, w.robot.n_equalities) > 0).double()
    ),
    "set_pos of a mocap body": entity("carrier", "set_pos", lambda w: plain(w.carrier.get_pos()) + at(w, 3, 0.01)),
    "set_quat of a mocap body": entity("carrier", "set_quat", unit),
    "link.set_pos of a mocap body": part(lambda w: w.carrier.base_link, "pos"),
    "link.set_quat of a mocap body": then_steps(lambda w, given: w.carrier.base_link.set_quat(given), unit),
    "set_friction_ratio": then_steps(
        lambda w, given: w.robot.set_friction_ratio(given), lambda w: 1 + at(w, w.robot.n_links, 0.1)
    ),
    "set_links_scaled_mass": then_steps(
        lambda w, given: w.robot.set_links_scaled_mass(given), lambda w: 1 + at(w, w.robot.n_links, 0.1)
    ),
    "link.set_scaled_mass": then_steps(lambda w, given: w.robot.links[1].set_scaled_mass(given), lambda w: w.rows(1.5)),
    "set_mass_shift": then_steps(
        lambda w, given: w.robot.set_mass_shift(given), lambda w: 0.2 + at(w, w.robot.n_links, 0.1)
    ),
    "set_COM_shift": then_steps(
        lambda w, given: w.robot.set_COM_shift(given), lambda w: 0.01 + plain(w.robot.get_links_COM())
    ),
    "rigid_solver.set_sol_params of joints": then_steps(
        lambda w, given: w.scene.rigid_solver.set_sol_params(given, joints_idx=[1, 2]),
        lambda w: w.rows(((0.02, 1.0, 0.9, 0.95, 0.001, 0.5, 2.0), (0.03, 1.0, 0.8, 0.95, 0.001, 0.5, 2.0))),
    ),
    "rigid_solver.set_global_sol_params": then_steps(
        lambda w, given: w.scene.rigid_solver.set_global_sol_params(given),
        lambda w: w.rows((0.03, 1.0, 0.8, 0.9, 0.001, 0.5, 2.0), 0.001),
    ),
}


# Rollouts of the scene.


def controls(w: World, count: int) -> torch.Tensor:
    return torch.stack([at(w, count, seed=k) for k in range(T)])


def roll(w: World, given: Any, control: str = "actuators", **options: Any) -> Callable[[], list[torch.Tensor]]:
    trajectory = w.scene.rollout({w.robot: given}, control, **options)

    def read():
        found = [w.system.state()]
        if not options:
            found += [trajectory.qpos(w.robot), trajectory.links_acc(w.robot), trajectory.links_vel(w.free)]
        return [*found, *two_steps(w)]  # the last controls stay in force

    return read


CASES |= {
    "scene.rollout of actuators": Case(lambda w: controls(w, w.robot.n_actuators), roll, "none"),
    "scene.rollout of forces": Case(lambda w: controls(w, w.robot.n_dofs), partial(roll, control="force"), "none"),
    "scene.rollout under a memory limit": Case(
        lambda w: controls(w, w.robot.n_dofs).repeat(9, *[1] * (1 + (w.n_envs > 0))),
        partial(roll, control="position", memory_limit=20_000),
        "none",
    ),
    "scene.rollout after a wrench": Case(
        lambda w: controls(w, w.robot.n_actuators),
        roll,
        "none",
        lambda w: w.robot.apply_links_external_force(torch.ones(w.robot.n_links, 3)),
    ),
}


# The system's.


def states(w: World) -> torch.Tensor:
    """(N_ROWS, nx), each another."""
    x = plain(w.system.state())[:1].expand(N_ROWS, -1)
    dx = 1e-3 * torch.randn(N_ROWS, w.system.ndx, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    return w.system.integrate(x, dx).contiguous()


def state_sequence(w: World) -> torch.Tensor:
    """(T + 1, N_ROWS, nx)"""
    return plain(w.system.rollout(states(w), None, n_steps=T))


def system_controls(w: World) -> torch.Tensor:
    return 0.3 * torch.randn(T, N_ROWS, w.system.nu, generator=torch.Generator().manual_seed(4), dtype=torch.float64)


def thetas(w: World) -> torch.Tensor:
    """(N_ROWS, ntheta), each another."""
    found = []
    for k in range(N_ROWS):
        w.scene.set_gravity([0.1 * k, 0.0, -9.0])
        w.robot.set_dofs_damping(0.1 + 0.05 * k)
        found.append(plain(w.system.theta())[:1])
    w.start()
    return torch.cat(found)


def read_trajectory(w: World, *given: Any) -> Callable[[], list[torch.Tensor]]:
    trajectory = w.system.trajectory(*given)
    return lambda: [
        trajectory.qpos(w.robot),
        trajectory.dofs_position(w.robot),
        trajectory.links_pos(w.robot),
        trajectory.links_vel(w.free),
        trajectory.links_acc(w.robot),
    ]


def hold(w: World, given: Any) -> Callable[[], list[torch.Tensor]]:
    w.system.hold(given)

    def read():
        try:
            # One row of parameters stands for all: how many there are is no matter.
            return [w.system.rollout(states(w), system_controls(w)), w.system.theta().expand(N_ROWS, -1)]
        finally:
            w.system.hold(None)

    return read


def put(w: World, given: Any) -> Callable[[], list[torch.Tensor]]:
    w.system.put(given)
    return partial(two_steps, w)


def dx_of(w: World) -> torch.Tensor:
    return 0.1 * torch.randn(N_ROWS, w.system.ndx, generator=torch.Generator().manual_seed(5), dtype=torch.float64)


def wide(w: World) -> torch.Tensor:
    """(ntheta, 4): derivatives of theta by four numbers."""
    size = w.system.theta().shape[1]
    return torch.randn(size, 4, generator=torch.Generator().manual_seed(6), dtype=torch.float64)


CASES |= {
    "System.put": Case(lambda w: states(w)[: max(w.n_envs, 1)].contiguous(), put, "always"),
    "System.rollout, x0": Case(states, now(lambda w, given: w.system.rollout(given, system_controls(w))), "always"),
    "System.rollout, u": Case(system_controls, now(lambda w, given: w.system.rollout(states(w), given)), "none"),
    "System.rollout, theta": Case(
        thetas, now(lambda w, given: w.system.rollout(states(w), system_controls(w), given)), "always"
    ),
    "System.linearize, x": Case(
        lambda w: state_sequence(w)[:-1].contiguous(),
        now(lambda w, given: w.system.linearize(given, system_controls(w))),
        "none",
    ),
    "System.linearize, u": Case(
        system_controls, now(lambda w, given: w.system.linearize(state_sequence(w)[:-1], given)), "none"
    ),
    "System.linearize, theta": Case(
        thetas,
        now(lambda w, given: w.system.linearize(state_sequence(w)[:-1], system_controls(w), given, wide(w))),
        "always",
    ),
    "System.linearize, parameters": Case(
        wide,
        now(lambda w, given: w.system.linearize(state_sequence(w)[:-1], system_controls(w), None, given)),
        "none",
    ),
    "System.trajectory, x": Case(
        state_sequence, lambda w, given: read_trajectory(w, given, system_controls(w)), "second"
    ),
    "System.trajectory, u": Case(
        system_controls, lambda w, given: read_trajectory(w, state_sequence(w), given), "second"
    ),
    "System.trajectory, theta": Case(
        thetas, lambda w, given: read_trajectory(w, state_sequence(w), system_controls(w), given), "always"
    ),
    "System.hold": Case(thetas, hold, "always"),
    "System.integrate, x": Case(states, now(lambda w, given: w.system.integrate(given, dx_of(w))), "always"),
    "System.integrate, dx": Case(dx_of, now(lambda w, given: w.system.integrate(states(w), given)), "always"),
    "System.difference, start": Case(
        states, now(lambda w, given: w.system.difference(given, state_sequence(w)[-1])), "always"
    ),
    "System.difference, end": Case(
        states, now(lambda w, given: w.system.difference(state_sequence(w)[-1], given)), "always"
    ),
    "System.tangent": Case(states, now(lambda w, given: w.system.tangent(given)), "none"),
}
CONSTRAINED |= {f"set_{name}": CASES.pop(f"set_{name}") for name in OF_CONSTRAINTS}
OF_PARAMETERS = [name for name in CASES if name.removeprefix("set_").split(",")[0].split()[0] in PARAMETERS]
# One world is enough for the parameters, which are all read alike, and a few of each kind in the others.
FEW = ("set_dofs_damping", "set_links_inertia", "set_links_offset_quat", "set_mass", "link.set_COM")
NAMES = [
    (world, name)
    for world in WORLDS
    for name in [*CASES, *CONSTRAINED]
    if world == "three" or name in FEW or not (name in CONSTRAINED or name in OF_PARAMETERS)
    if world != "smooth" or not name.startswith(("System.difference", "System.tangent", "System.linearize"))
]
CASES |= CONSTRAINED

# The functions that have read and written beyond their tensors: each in a process of its own, which may end as it likes.
ISOLATED = tuple(name for name in CASES if name.startswith("System."))


# -- kinds of tensors -------------------------------------------------------------------------------------------------


def expanded(v):
    return v[:1].clone().expand(v.shape) if v.ndim else None


def expanded_last(v):
    return v[..., :1].clone().expand(v.shape) if v.ndim else None


def permuted(v):
    order = tuple(reversed(range(v.ndim)))
    return v.permute(order).contiguous().permute(order) if v.ndim > 2 else None


def transposed(v):
    return v.mT.contiguous().mT if v.ndim > 1 else None


def strided(v):
    return torch.stack([v, torch.full_like(v, 1e3)], -1).flatten(-2)[..., ::2] if v.ndim else None


def strided_first(v):
    return torch.stack([v, torch.full_like(v, 1e3)], 1).flatten(0, 1)[::2] if v.ndim else None


def negative(v):
    return torch.complex(torch.zeros_like(v), -v).conj().imag


def with_offset(v):
    return torch.cat([torch.full((3,), 1e3, dtype=v.dtype), v.flatten()])[3:].view(v.shape)


def narrow(v):
    """Columns of a wider tensor."""
    return torch.cat([v, torch.full_like(v, 1e3)], -1)[..., : v.shape[-1]] if v.ndim else None


def dense(given) -> torch.Tensor:
    """Its numbers, contiguous, in 64 bits, by way of numpy."""
    if isinstance(given, torch.Tensor):
        given = given.detach().as_subclass(torch.Tensor).to(torch.float64).numpy(force=True)
    return torch.from_numpy(np.array(given, dtype=np.float64, order="C"))


def inference(v):
    with torch.inference_mode():
        return v.clone()


def one_row(case: Case, w: World, v: torch.Tensor):
    """(given, dense numbers of the shape of all rows)"""
    if case.rows == "none":
        return None
    if case.rows == "second":
        given = v[:, :1].clone()
    elif case.rows == "envs" and not w.n_envs:
        return v[None].clone(), v
    else:
        given = v[:1].clone()
    return given, given.expand(v.shape).contiguous()


LAYOUTS = {
    f.__name__: f
    for f in (
        expanded,
        expanded_last,
        permuted,
        transposed,
        strided,
        strided_first,
        narrow,
        negative,
        with_offset,
    )
}
TYPES = {
    "float32": torch.Tensor.float,
    "float16": torch.Tensor.half,
    "int64": lambda v: v.nan_to_num(posinf=0, neginf=0).round().long(),
    "int32": lambda v: v.nan_to_num(posinf=0, neginf=0).round().int(),
    "bool": lambda v: v > 0,
    "numpy": lambda v: v.numpy().copy(),
    "numpy, reversed": lambda v: v.numpy()[::-1].copy()[::-1] if v.ndim else None,
    "numpy, other endian": lambda v: v.numpy().astype(">f8"),
    "numpy, column-major": lambda v: np.asfortranarray(v.numpy()),
    "list": lambda v: v.tolist(),
    "list of tensors": lambda v: list(v.clone().unbind(0)) if v.ndim else None,
    "Parameter": lambda v: torch.nn.Parameter(v.clone()),
    "inference": inference,
}


def kinds_of(case: Case, w: World, v: torch.Tensor):
    """(name, given, the dense numbers that it stands for, or None: it stands for none) for every kind that there is."""
    for name, of in (LAYOUTS | TYPES).items():
        given = of(v)
        if given is not None:
            yield name, given, dense(given)
    yield "Tensor", gs.grad.Tensor(v.clone(), w.scene), v
    yield "Tensor of another scene", gs.grad.Tensor(v.clone(), w.other), v
    yield "complex", v.to(torch.complex128), v
    yield "sparse", v.to_sparse(), v
    yield "meta", v.to("meta"), None
    # Zeros without memory, as tangents and gradients of torch's can be.
    yield "efficient zeros", torch._efficientzerotensor(v.shape, dtype=v.dtype), torch.zeros_like(v)
    if v.ndim:
        first = v.flatten()[0].clone()
        yield "0-dim", first, first.expand(v.shape).contiguous()
    rows = one_row(case, w, v)
    if rows is not None:
        yield "one row", *rows


@contextmanager
def quiet() -> Iterator[None]:
    """Without torch's warnings of complex numbers that become real, and of gradients of what is no leaf."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


# -- comparison -------------------------------------------------------------------------------------------------------


def outcome(case: Case, w: World, given: Any, change: Callable[[], None] = lambda: None):
    """(what the function leads to, gradient of a weighted sum of it by what is given, or None)"""
    read = case.run(w, given)
    change()
    found = [value.as_subclass(torch.Tensor) for value in read()]
    values = [value.detach().clone() for value in found]
    if not (isinstance(given, torch.Tensor) and given.requires_grad):
        return values, None
    loss = [
        (value.nan_to_num(posinf=0, neginf=0) * numbers_like(value)).sum()
        for value in found
        if value.requires_grad and value.is_floating_point()
    ]
    if not loss:
        return values, None
    grad = torch.autograd.grad(torch.stack(loss).sum(), given, allow_unused=True)[0]
    return values, None if grad is None else grad.detach().clone()


def numbers_like(y: torch.Tensor) -> torch.Tensor:
    return torch.randn(y.shape, generator=torch.Generator().manual_seed(2), dtype=y.dtype)


def begin(case: Case, w: World) -> None:
    w.start()
    w.system.hold(None)
    case.prepare(w)


def expected_of(case: Case, w: World, numbers: torch.Tensor, with_grad: bool):
    """The outcome with dense numbers, or the error that it raises; kept for all tensors that stand for the same ones."""
    key = id(case), numbers.shape, numbers.numpy().tobytes(), with_grad
    if key not in w.references:
        begin(case, w)
        try:
            w.references[key] = outcome(case, w, numbers.clone().requires_grad_(with_grad))
        except gs.GenesisException as error:  # as of 0 for a quaternion
            w.references[key] = error
    return w.references[key]


def compare(
    case: Case, w: World, given: Any, numbers: torch.Tensor | None, change: Callable[[], None] | None = None
) -> str | None:
    """What is wrong with the call, if anything is."""
    with_grad = isinstance(given, torch.Tensor) and given.requires_grad
    expected = None if numbers is None else expected_of(case, w, numbers, with_grad)
    begin(case, w)
    before = snapshot(w.scene)
    called = False

    def changing():
        nonlocal called
        called = True
        if change is not None:
            change()

    try:
        values, grad = outcome(case, w, given, changing)
    except gs.GenesisException as error:
        # Raised by the call itself, it has changed nothing; raised later, in backward, it says what torch noticed.
        if not called and (changed := changes(before, snapshot(w.scene))):
            return f"raised and changed {changed}: {error}"
        return None
    except Exception as error:
        if change is not None and isinstance(error, RuntimeError) and "inplace operation" in str(error):
            return None  # torch noticed, and says so
        return f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"
    if isinstance(expected, gs.GenesisException):
        return f"was taken; the dense one raises {expected}"
    if expected is None:
        return "was taken"
    for k, (value, right) in enumerate(zip(values, expected[0], strict=True)):
        if not close(value, right, 4 * torch.finfo(torch.float64).eps):
            return f"result {k} differs from that of the dense one" + how_much(value, right)
    if not with_grad:
        return None
    right = expected[1]
    if (grad is None) != (right is None):
        return f"gradient is {grad if grad is None else 'there'}, of the dense one it is {'there' if grad is None else None}"
    if grad is None:
        return None
    if grad.shape != right.shape:
        right = (
            right.sum()
            if not grad.ndim
            else right.sum_to_size(grad.shape)
            if grad.numel() < right.numel()
            else right.view(grad.shape)
        )
    if not close(grad, right, 1e-12 if grad.dtype == torch.float64 else 4 * torch.finfo(grad.dtype).eps, grad.dtype):
        return "gradient differs from that of the dense one" + how_much(grad.double(), right)
    return None


def close(one: torch.Tensor, other: torch.Tensor, tolerance: float, dtype: torch.dtype = torch.float64) -> bool:
    """Equal, up to what torch rounds otherwise when it adds up numbers that lie elsewhere, in a type whose least number
    may be as large as that."""
    if one.shape != other.shape:
        return False
    size = float(other.abs().nan_to_num(nan=0, posinf=0).max()) if other.numel() else 0.0
    same = (one == other) | (one.isnan() & other.isnan())
    least = torch.finfo(dtype).smallest_normal * torch.finfo(dtype).eps
    return bool((same | ((one.double() - other).abs() <= tolerance * size + least)).all())


def equal(one: torch.Tensor, other: torch.Tensor) -> bool:
    return one.shape == other.shape and bool(((one == other) | (one.isnan() & other.isnan())).all())


def how_much(one: torch.Tensor, other: torch.Tensor) -> str:
    if one.shape != other.shape:
        return f": shapes {tuple(one.shape)} and {tuple(other.shape)}"
    return f" by {float((one - other).abs().nan_to_num(nan=torch.inf).max()):.1e} of {float(other.abs().max()):.1e}"


def wrong_of(w: World, name: str) -> list[str]:
    """Every kind of tensor with which the function does not do what it does with a dense one."""
    case, found = CASES[name], []
    w.start()
    value = case.value(w).detach()
    assert value.is_contiguous() and value.dtype == torch.float64
    for kind, given, numbers in kinds_of(case, w, value):
        able = isinstance(given, torch.Tensor) and given.is_floating_point() and not given.is_inference()
        # With a gradient the numbers are compared as well; without, another way is taken, here and there.
        wants = [True] if able and kind != "efficient zeros" else [False]
        if able and kind in LAYOUTS and w.name == "three":
            wants = [False, True]
        for want in wants:
            if want and kind == "float16" and name == "System.trajectory, theta":
                continue  # derivatives by parameters that are larger than the largest number of that type: infinite
            if want and not given.requires_grad:
                given = given.detach(sceneless=False) if isinstance(given, gs.grad.Tensor) else given.detach()
                given.requires_grad_()
            with quiet():
                problem = compare(case, w, given, numbers)
            if problem is not None:
                found.append(f"{w.name}: {name}: {kind}{', with gradient' if want else ''}: {problem}")
    return found


HERE = [(world, name) for world, name in NAMES if name not in ISOLATED]


@pytest.mark.parametrize(("world", "name"), HERE, ids=[f"{world}-{name}" for world, name in HERE])
def test_a_call_does_with_any_tensor_what_it_does_with_a_dense_one(worlds, world, name):
    found = wrong_of(worlds[world], name)
    assert not found, "\n" + "\n".join(found)


# -- seeds of the backward pass ---------------------------------------------------------------------------------------

SEEDS: dict[str, Callable[[torch.Tensor], torch.Tensor | None]] = {
    "sum": lambda y: y.sum(),
    "mean": lambda y: y.mean(),
    "sum of the last axis": lambda y: (y.sum(-1) * numbers_like(y[..., 0])).sum() if y.ndim else None,
    "sum of the first axis": lambda y: (y.sum(0) * numbers_like(y[0])).sum() if y.ndim else None,
    "permuted": lambda y: (backwards(y) * numbers_like(backwards(y))).sum(),
    "transposed": lambda y: (y.mT * numbers_like(y.mT)).sum() if y.ndim > 1 else None,
    "strided": lambda y: y[..., ::2].sum() if y.ndim else None,
    "strided rows": lambda y: y[::2].sum() if y.ndim else None,
    "one element": lambda y: y.flatten()[-1],
    "one row": lambda y: y[-1].sum() if y.ndim else None,
    "weight of one number": lambda y: (y * torch.tensor(0.7, dtype=y.dtype).expand(y.shape)).sum(),
    "weight of one row": lambda y: (y * numbers_like(y[:1]).expand(y.shape)).sum() if y.ndim else None,
    "cumulative": lambda y: y.flip(0).cumsum(0).sum() if y.ndim else None,
    "in 32 bits": lambda y: y.float().sum(),
    "of complex numbers": lambda y: torch.complex(torch.zeros_like(y), y).conj().imag.sum(),
    "unbound": lambda y: sum(part.sum() for part in y.unbind(-1)) if y.ndim else None,
}
DIRECT: dict[str, Callable[[torch.Tensor], torch.Tensor | None]] = {
    **LAYOUTS,
    "one number": lambda v: torch.tensor(0.7, dtype=v.dtype).expand(v.shape),
    "efficient zeros": lambda v: torch._efficientzerotensor(v.shape, dtype=v.dtype),
    "Parameter": lambda v: torch.nn.Parameter(v.clone()),
    "inference": inference,
}


def backwards(y: torch.Tensor) -> torch.Tensor:
    """Its axes in the other order."""
    return y.permute(tuple(reversed(range(y.ndim))))


def leaf(value: torch.Tensor) -> torch.Tensor:
    return value.detach().clone().contiguous().requires_grad_()


def moved(w: World) -> list[torch.Tensor]:
    """Leaves of state, controls and parameters, from which the scene has made two steps."""
    w.start()
    leaves = [
        leaf(plain(w.robot.get_qpos())),
        leaf(plain(w.free.get_dofs_velocity())),
        leaf(at(w, w.robot.n_actuators)),
        leaf(torch.tensor([0.1, 0.2, -9.0])),
        leaf(plain(w.robot.get_links_mass())),
    ]
    q, v, u, gravity, mass = leaves
    w.robot.set_links_mass(mass)
    w.robot.set_qpos(q)
    w.free.set_dofs_velocity(v)
    w.robot.control_actuators(u)
    w.scene.set_gravity(gravity)
    two_steps(w)
    return leaves


def of_getter(read: Callable[[World], Any]):
    def make_source(w):
        leaves = moved(w)
        return leaves, read(w)

    return make_source


def of_rollout(read: Callable[[World, Any], Any]):
    def make_source(w):
        leaves = moved(w)
        u = leaf(controls(w, w.robot.n_actuators))
        trajectory = w.scene.rollout({w.robot: u}, "actuators")
        return [*leaves, u], read(w, trajectory)

    return make_source


def of_system(call: Callable[..., Any]):
    def make_source(w):
        w.start()
        theta = thetas(w)
        leaves = [leaf(state_sequence(w)), leaf(system_controls(w)), leaf(theta)]
        return leaves, call(w, *leaves)

    return make_source


SOURCES: dict[str, Callable[[World], tuple[list[torch.Tensor], torch.Tensor]]] = {
    "System.state": of_getter(lambda w: w.system.state()),
    "System.theta": of_getter(lambda w: w.system.theta()),
    "scene.get_state().qpos": of_getter(lambda w: w.scene.get_state().solvers_state[0].qpos),
    "scene.get_state().links_pos": of_getter(lambda w: w.scene.get_state().solvers_state[0].links_pos),
    **{
        f"get_{name}": of_getter(lambda w, name=name: getattr(w.robot, f"get_{name}")())
        for name in (
            "pos quat vel ang qpos dofs_position dofs_velocity links_pos links_quat links_vel links_ang links_acc "
            "links_acc_ang dofs_force dofs_control_force mass_mat kinetic_energy potential_energy links_mass mass"
        ).split()
    },
    "get_jacobian": of_getter(lambda w: w.robot.get_jacobian(w.robot.links[-1])),
    "get_contacts, position": of_getter(lambda w: w.robot.get_contacts()["position"]),
    "get_contacts, distance": of_getter(lambda w: w.robot.get_contacts()["distance"]),
    "get_contacts, force": of_getter(lambda w: w.robot.get_contacts()["force_a"]),
    "get_links_net_contact_force": of_getter(lambda w: w.robot.get_links_net_contact_force()),
    "scene.rollout, last state": of_rollout(lambda w, trajectory: w.system.state()),
    **{
        f"scene.rollout, {name}": of_rollout(lambda w, trajectory, name=name: getattr(trajectory, name)(w.robot))
        for name in "qpos dofs_position links_vel links_acc".split()
    },
    "System.rollout": of_system(lambda w, x, u, theta: w.system.rollout(x[0], u, theta)),
    **{
        f"System.trajectory, {name}": of_system(
            lambda w, x, u, theta, name=name: getattr(w.system.trajectory(x, u, theta), name)(w.robot)
        )
        for name in "qpos dofs_position links_vel links_acc".split()
    },
    "System.integrate": of_system(lambda w, x, u, theta: w.system.integrate(x, dx_of(w))),
    "System.difference": of_system(lambda w, x, u, theta: w.system.difference(x[0], x)),
    "System.tangent": of_system(lambda w, x, u, theta: w.system.tangent(x)),
}
ISOLATED_SOURCES = tuple(name for name in SOURCES if name.startswith(("System.rollout", "System.trajectory")))
SEEDED = [
    (w, name)
    for w in WORLDS
    for name in SOURCES
    if w != "smooth"
    or name in ("System.state", "get_links_acc", "get_mass_mat", "System.rollout", "scene.rollout, qpos")
]


def gradients(y: torch.Tensor, leaves: list[torch.Tensor], seed: torch.Tensor | None = None):
    found = torch.autograd.grad(
        y, leaves, seed, retain_graph=True, allow_unused=True, materialize_grads=seed is not None and y.ndim > 0
    )
    return [torch.zeros(()) if grad is None else grad.detach().clone() for grad in found]


def wrong_seeds(w: World, name: str) -> list[str]:
    """Every kind of gradient from which the backward pass does not make what it makes of a dense one."""
    leaves, read = SOURCES[name](w)
    y = read.as_subclass(torch.Tensor)
    assert y.requires_grad and y.numel()
    attempts = {}
    for kind, loss in SEEDS.items():
        # The gradient that arrives, made dense; and the same by a dense weight, so that torch has no way around it.
        alone = y.detach().clone().requires_grad_()
        of_alone = loss(alone)
        if of_alone is not None:
            (arriving,) = torch.autograd.grad(of_alone, alone)
            attempts[kind] = (lambda loss=loss: gradients(loss(y), leaves)), dense(arriving)
    for kind, of in DIRECT.items():
        seed = of(numbers_like(y))
        if seed is not None:
            attempts[f"given: {kind}"] = (lambda seed=seed: gradients(y, leaves, seed)), dense(seed)
    found = []
    for kind, (attempt, seed) in attempts.items():
        expected = gradients((y * seed).sum(), leaves)
        try:
            with quiet():
                values = attempt()
        except gs.GenesisException:
            continue
        except Exception as error:
            found.append(f"{w.name}: {name}: {kind}: {type(error).__name__}: {str(error).splitlines()[0]}")
            continue
        for k, (value, right) in enumerate(zip(values, expected, strict=True)):
            # Torch itself may add up in another order on the way.
            size = float(right.abs().max()) if right.numel() else 0.0
            tolerance = (1e-12 if kind != "in 32 bits" else 1e-6) * size
            right = right.expand(value.shape)
            if not bool(((value - right).abs() <= tolerance).all()):
                found.append(f"{w.name}: {name}: {kind}: gradient of leaf {k} is wrong{how_much(value, right)}")
    return found


SEEDED_HERE = [(world, name) for world, name in SEEDED if name not in ISOLATED_SOURCES]


@pytest.mark.parametrize(("world", "name"), SEEDED_HERE, ids=[f"{world}-{name}" for world, name in SEEDED_HERE])
def test_a_backward_pass_makes_of_any_gradient_what_it_makes_of_a_dense_one(worlds, world, name):
    found = wrong_seeds(worlds[world], name)
    assert not found, "\n" + "\n".join(found)


PROGRAM = """
from tests import conftest
conftest.pytest_configure()
from tests import test_boundary as boundary
boundary.run_isolated()
"""


def run_isolated() -> None:
    """What may end a process, each in a fork of this one; prints what is wrong."""
    made = Worlds()
    for world, name in NAMES:
        if name in ISOLATED:
            # With dense numbers nothing ends a process. Done here, the programs are ready for every fork.
            w, case = made[world], CASES[name]
            w.start()
            expected_of(case, w, case.value(w).detach(), True)
    work = [(wrong_of, world, name) for world, name in NAMES if name in ISOLATED]
    work += [(wrong_later, world, name) for world, name in NAMES if name in ISOLATED]
    work += [(wrong_seeds, world, name) for world, name in SEEDED if name in ISOLATED_SOURCES]
    for find, world, name in work:
        sys.stdout.flush()
        child = os.fork()
        if not child:
            try:
                for problem in find(made[world], name):
                    print("WRONG", problem, flush=True)
                os._exit(0)
            except BaseException as error:
                print(f"WRONG {world}: {name}: {find.__name__} ended with {error!r}", flush=True)
                os._exit(1)
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        print("DONE" if code >= 0 else f"WRONG {world}: {name}: {find.__name__}: killed by signal {-code}", flush=True)


def test_what_has_reached_beyond_its_tensors(run_python):
    output = run_python(PROGRAM, PYTHONFAULTHANDLER="0")
    wrong = [line.removeprefix("WRONG ") for line in output.splitlines() if line.startswith("WRONG")]
    assert not wrong, "\n" + "\n".join(wrong)
    assert output.count("DONE") > 90


# -- changes in place of what was given -------------------------------------------------------------------------------


def changed_later(case: Case, w: World) -> Iterator[tuple[str, Any, torch.Tensor, Callable[[], None]]]:
    """(name, what is given, its numbers, what changes it after the call)"""
    w.start()
    value = case.value(w).detach()
    tensor, array, lived, with_grad = value.clone(), value.numpy().copy(), value.clone(), leaf(value)
    scattered = transposed(value)
    labelled = gs.grad.Tensor(value.clone(), w.scene)

    def grow(x):
        with torch.no_grad():
            x.mul_(1.01)

    yield "tensor", tensor, value, lambda: grow(tensor)
    yield "array", array, value, lambda: np.multiply(array, 1.01, out=array)
    yield (
        "array as a tensor",
        torch.from_numpy(array2 := value.numpy().copy()),
        value,
        lambda: np.multiply(array2, 1.01, out=array2),
    )
    yield "leaf", with_grad, value, lambda: grow(with_grad)
    yield "Tensor", labelled, value, lambda: grow(labelled)
    yield "view", lived.view(value.shape), value, lambda: grow(lived)
    if scattered is not None:
        yield "transposed", scattered, value, lambda: grow(scattered)


def wrong_later(w: World, name: str) -> list[str]:
    """Every way of changing what was given, after the call, that has an effect."""
    case, found = CASES[name], []
    for kind, given, numbers, change in changed_later(case, w):
        problem = compare(case, w, given, numbers, change)
        if problem is not None:
            found.append(f"{w.name}: {name}: {kind}, changed after the call: {problem}")
    return found


@pytest.mark.parametrize(("world", "name"), HERE, ids=[f"{world}-{name}" for world, name in HERE])
def test_what_was_given_may_be_changed_later(worlds, world, name):
    found = wrong_later(worlds[world], name)
    assert not found, "\n" + "\n".join(found)


# -- changes in place of what was returned ----------------------------------------------------------------------------


# Methods that take a name.
NAMED = ("get_link", "get_joint", "get_entity", "get_jacobian", "get_keyframe", "get_control_history")


def has_something_to_read(method: Callable[[], Any]) -> bool:
    """Of what has no shape, nothing can be measured."""
    try:
        method()
    except gs.GenesisException as error:
        if "nothing to measure" not in str(error):
            raise
        return False
    return True


def readings(w: World) -> Iterator[tuple[str, Callable[[], Any]]]:
    """Every public method without arguments that reads something of the world."""
    objects = {"scene": w.scene, "rigid_solver": w.scene.rigid_solver, "robot": w.robot, "free": w.free}
    objects |= {"link": w.robot.links[-1], "joint": w.robot.joints[-1], "geom": w.robot.geoms[0]}
    for owner, one in objects.items():
        for name, method in inspect.getmembers(type(one), callable):
            if name.startswith("get_") and name not in NAMED and has_something_to_read(getattr(one, name)):
                yield f"{owner}.{name}", getattr(one, name)
                assert method is not None
    yield "robot.get_jacobian", lambda: w.robot.get_jacobian(w.robot.links[-1])
    yield "scene.linearize", w.scene.linearize
    for name in ("state", "theta"):
        yield f"System.{name}", getattr(w.system, name)
    yield "System.lower, upper", lambda: (w.system.lower.clone(), w.system.upper.clone())


def tensors_in(value: Any) -> Iterator[torch.Tensor]:
    if isinstance(value, torch.Tensor):
        yield value
    elif isinstance(value, dict):
        for one in value.values():
            yield from tensors_in(one)
    elif isinstance(value, (list, tuple)):
        for one in value:
            yield from tensors_in(one)
    elif is_dataclass(value):
        for one in fields(value):
            yield from tensors_in(getattr(value, one.name))
    elif isinstance(value, gs.states.SimState):
        yield from tensors_in(value.solvers_state)
    elif isinstance(value, gs.states.RigidSolverState):
        for name in ("qpos", "dofs_vel", "act", "links_pos", "links_quat"):
            yield getattr(value, name)


def spoil(value: Any) -> int:
    """Change every tensor in place, as far as torch lets; how many there are."""
    count = 0
    for tensor in tensors_in(value):
        count += 1
        try:
            with torch.no_grad():
                tensor.zero_() if not tensor.is_floating_point() else tensor.mul_(2).add_(1)
        except (RuntimeError, gs.GenesisException):
            continue  # it is refused
    return count


@pytest.mark.parametrize("recorded", [False, True], ids=["without graph", "with graph"])
@pytest.mark.parametrize("world", WORLDS)
def test_what_was_returned_may_be_changed(worlds, world, recorded):
    w, found, count = worlds[world], [], 0

    def begin():
        if recorded:
            moved(w)
        else:
            w.start()

    begin()
    for name, read in list(readings(w)):
        begin()
        before = snapshot(w.scene)
        right = [plain(tensor) for tensor in tensors_in(read())]
        count += spoil(read())
        if changed := changes(before, snapshot(w.scene)):
            found.append(f"{world}: {name}: changing what it returned changes the scene's {changed}")
            continue
        for k, (one, other) in enumerate(zip(tensors_in(read()), right, strict=True)):
            if not equal(plain(one), other):
                found.append(f"{world}: {name}: tensor {k} is another after the one returned before was changed")
    assert count > 100
    assert not found, "\n" + "\n".join(found)


@pytest.mark.parametrize("world", WORLDS)
def test_what_motions_returned_may_be_changed(worlds, world):
    """Trajectories, states and Jacobians: the second reading is the first, and the scene is where it was."""
    w, found = worlds[world], []
    names = ("qpos", "dofs_velocity", "dofs_position", "links_pos", "links_quat", "links_vel", "links_ang", "links_acc")

    def check(what, read):
        before = snapshot(w.scene)
        right = [plain(tensor) for tensor in tensors_in(read())]
        spoil(read())
        if changed := changes(before, snapshot(w.scene)):
            found.append(f"{world}: {what}: changes the scene's {changed}")
        elif not all(equal(plain(one), other) for one, other in zip(tensors_in(read()), right, strict=True)):
            found.append(f"{world}: {what}: the second reading differs")

    for of in ("scene", "system"):
        moved(w)
        if of == "scene":
            trajectory = w.scene.rollout({w.robot: controls(w, w.robot.n_actuators)}, "actuators")
        else:
            trajectory = w.system.trajectory(state_sequence(w), system_controls(w))
        for name in names:
            check(f"{of}'s trajectory.{name}", partial(getattr(trajectory, name), w.robot))
    moved(w)
    x, u = states(w), system_controls(w)
    check("System.rollout", lambda: w.system.rollout(x, u))
    check("System.linearize", lambda: tuple(w.system.linearize(state_sequence(w)[:-1], u)))
    check("System.integrate", lambda: w.system.integrate(x, dx_of(w)))
    check("System.tangent", lambda: w.system.tangent(x))
    state = w.scene.get_state()
    before = snapshot(w.scene)
    spoil(state)
    spoil(w.system.state())
    w.scene.reset(state)
    if not equal(snapshot(w.scene)["state"], before["state"]):
        found.append(
            f"{world}: scene.get_state(): reset(state) goes elsewhere after what it and System.state() returned was changed"
        )
    assert not found, "\n" + "\n".join(found)


@pytest.mark.parametrize("world", WORLDS)
def test_backward_after_a_returned_tensor_was_changed(worlds, world):
    """The gradient is that without the change, or torch notices the change."""
    w, found, count = worlds[world], [], 0

    def gradient(leaves):
        w.scene.step()
        state = w.system.state()
        return torch.autograd.grad((state * numbers_like(state)).sum(), leaves[0])[0]

    expected = gradient(moved(w))
    for name, read in list(readings(w)):
        leaves = moved(w)
        spoil(read())
        try:
            grad = gradient(leaves)
        except (RuntimeError, gs.GenesisException):
            continue
        count += 1
        if not equal(grad, expected):
            found.append(f"{world}: {name}: the gradient differs after what it returned was changed")
    assert count > 50
    assert not found, "\n" + "\n".join(found)


@pytest.mark.parametrize("world", WORLDS)
def test_lists_that_were_returned_may_be_changed(worlds, world):
    w, found = worlds[world], []
    owners = (w.scene, w.scene.rigid_solver, w.robot, w.robot.links[-1], w.robot.joints[-1], w.robot.geoms[-1])
    for one in owners:
        for name, member in inspect.getmembers(type(one), lambda member: isinstance(member, property)):
            assert member is not None
            value = getattr(one, name)
            if isinstance(value, (list, dict)) and value:
                kept = value.copy()
                value.clear()
                if getattr(one, name) != kept:
                    found.append(f"{world}: {type(one).__name__}.{name}")
                    value.extend(kept) if isinstance(value, list) else value.update(kept)
    assert not found, "\n" + "\n".join(found)
