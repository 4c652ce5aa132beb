"""Jacobians of a step at many points at once: what a small change of state, controls and parameters does to the next
state (MuJoCo: mjd_transitionFD, there by differences).

A row of a Jacobian is an adjoint. A step of Euler's, implicitfast or implicit integrator is

    (qacc, act_dot) = a(x, u, theta),   x' = g(x, qacc, act_dot)

where only `a` is expensive; so `a` has nv + nrate rows instead of the 2 nv + na of x', and all share one forward pass:

    dx'/d(x, u, theta) = dg/d(x, theta) + dg/d(qacc, act_dot) da/d(x, u, theta).

Steps of several segments (RK4, substeps), and those with plastic springs, take one whole adjoint for each row of x',
after one forward pass for all.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from genesis import runtime
from genesis.constants import LARGEST_STATE
from genesis.rigid.command import Command, Switches
from genesis.rigid.executors.cpu import CpuDynamics
from genesis.rigid.executors.dynamics import Dynamics
from genesis.rigid.executors.native import Program
from genesis.rigid.executors.programs import CpuExecutor
from genesis.rigid.outcome import crowded_rows

# Of numbers: points are taken so many at a time that what is computed on the way fits in it, and in the cache.
_LARGEST_BUFFER = 2**19


@dataclass
class Jacobians:
    """Of the state after a step, at M points.

    Attributes:
        after: the states after, (M, nx)
        state: in the tangent space, (M, ndx, ndx)
        control: by one control field, (M, ndx, width)
        theta: by combinations of the parameters, (M, ndx, p), or None
        crowded: points with more contacts than there are slots -> how many
        diverged: points whose step is beyond what a simulation can mean (see `Outcome`)
    """

    after: torch.Tensor
    state: torch.Tensor
    control: torch.Tensor
    theta: torch.Tensor | None
    crowded: dict[int, int]
    diverged: list[int]


def of_step(
    dynamics: Dynamics,
    theta: torch.Tensor,
    command: Command,
    state: torch.Tensor,
    field: str,
    parameters: torch.Tensor | None = None,
) -> Jacobians:
    """Of a step from each row of ``state``, by state, by the control field ``field`` and by ``parameters`` (ntheta, p),
    combinations of the parameters. On the CPU at any number of points, with ``theta`` and the blocks of ``command`` of
    1 or as many rows; elsewhere at as many as there are envs."""
    compute = _on_cpu if isinstance(dynamics, CpuDynamics) else _of_rows
    return compute(dynamics, theta, command, state, field, parameters)  # type: ignore[arg-type]


def _on_cpu(
    dynamics: CpuDynamics,
    theta: torch.Tensor,
    command: Command,
    state: torch.Tensor,
    field: str,
    parameters: torch.Tensor | None,
) -> Jacobians:
    """At the points ``state`` (M, nx) under ``command``, whose blocks, as ``theta``, have 1 or M rows.

    ``field``: the control field that the Jacobian is by; ``parameters``: (ntheta, p), combinations of parameters.
    """
    # Where plastic springs rest after a step depends on more than the acceleration.
    one_segment = dynamics.substeps == 1 and not dynamics.rk4 and not dynamics.model.nplastic
    if state.shape[0] == 1 and one_segment and parameters is None:
        return _one_point(dynamics, field).jacobians(theta, command, state)
    width = dynamics._control_sizes[field]
    per_point = dynamics.nv * (dynamics.state_size + width + (dynamics.model.ntheta if parameters is not None else 0))
    chunk = max(1, _LARGEST_BUFFER // max(per_point, 1))
    compute = _of_one_segment if one_segment else _of_segments
    parts = []
    for first in range(0, state.shape[0], chunk):
        rows = slice(first, first + chunk)
        parts.append(compute(dynamics, _rows_of(theta, rows), _piece(command, rows), state[rows], field, parameters))
        if parts[-1].crowded or parts[-1].diverged:
            parts[-1].crowded = {first + row: needed for row, needed in parts[-1].crowded.items()}
            parts[-1].diverged = [first + row for row in parts[-1].diverged]
            return parts[-1]
    if len(parts) == 1:
        return parts[0]
    return Jacobians(
        torch.cat([part.after for part in parts]),
        torch.cat([part.state for part in parts]),
        torch.cat([part.control for part in parts]),
        None if parameters is None else torch.cat([part.theta for part in parts]),  # type: ignore[misc]
        {},
        [],
    )


def _rows_of(values: torch.Tensor, rows: slice) -> torch.Tensor:
    return values[rows] if values.dim() == 2 and values.shape[0] > 1 else values


def _piece(command: Command, rows: slice) -> Command:
    blocks = {key: _rows_of(block, rows) for key, block in command.blocks.items()}
    return Command(Switches(*(_rows_of(switch, rows) for switch in command.switches)), blocks)


def _of_one_segment(dynamics, theta, command, state, field, parameters) -> Jacobians:
    model, m = dynamics.model, state.shape[0]
    nv, nrate, nx, width = dynamics.nv, model.nrate, dynamics.state_size, dynamics._control_sizes[field]
    after, qacc, act_dot = (_empty(dynamics, m, size) for size in (nx, nv, nrate))
    by_state, by_control = _empty(dynamics, m, nv + nrate, nx), _empty(dynamics, m, nv + nrate, width)
    by_theta = None if parameters is None else _zeros(dynamics, m, nv + nrate, model.ntheta)
    seeds = torch.eye(nv + nrate, dtype=runtime.tc_float, device=dynamics.device)
    crowded = dynamics.run_rows(
        lambda executor: executor.acceleration_jacobian(),
        theta,
        command,
        state,
        {
            "guess": dynamics._zero_solution(),
            "next": after,
            "qacc": qacc,
            "act_dot": act_dot,
            "seed": seeds.expand(m, -1, -1),
            "state_grad": by_state,
            f"{field}_grad": by_control,
            "theta_grad": by_theta,
        },
        nv + nrate,
    )
    diverged = sorted({*dynamics.rows_beyond(after), *dynamics.rows_beyond_of_acceleration(qacc)})
    tangent = dynamics.tangent
    if tangent.flat and not nrate:  # qvel' = qvel + h qacc, qpos' = qpos + h qvel'
        h = model.timestep
        velocity = h * by_state
        velocity[:, :, dynamics.nq :].diagonal(dim1=-2, dim2=-1).add_(1.0)
        position = h * velocity
        position[:, :, : dynamics.nq].diagonal(dim1=-2, dim2=-1).add_(1.0)
        of_state, scale = torch.cat([position, velocity], 1), h * h
        of_control = torch.cat([scale * by_control, h * by_control], 1)
        of_theta = None
        if by_theta is not None:
            combined = _combined(by_theta, parameters)
            of_theta = torch.cat([scale * combined, h * combined], 1)
        return Jacobians(after, of_state, of_control, of_theta, crowded, diverged)
    direct, by_acceleration, direct_theta = _of_advance(
        dynamics, theta, command, state, after, qacc, act_dot, parameters is not None
    )
    of_state = (direct + by_acceleration @ by_state) @ tangent.tangent(state)
    of_theta = None
    if by_theta is not None:
        of_theta = by_acceleration @ _combined(by_theta, parameters) + _combined(direct_theta, parameters)
    return Jacobians(after, of_state, by_acceleration @ by_control, of_theta, crowded, diverged)


def _of_advance(
    dynamics, theta, command, state, after, qacc, act_dot, with_theta: bool
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor | None]:
    """Jacobians of the state after, in its tangent space: by the state (M, ndx, nx), by (qacc, act_dot), by theta."""
    m, nv, nrate, ndx = state.shape[0], dynamics.nv, dynamics.model.nrate, dynamics.tangent.ndx
    by_state = _empty(dynamics, m, ndx, dynamics.state_size)
    by_qacc, by_act_dot = _empty(dynamics, m, ndx, nv), _empty(dynamics, m, ndx, nrate)
    by_theta = _zeros(dynamics, m, ndx, dynamics.model.ntheta) if with_theta else None
    dynamics.run_rows(
        lambda executor: executor.advance_jacobian(),
        theta,
        command,
        state,
        {
            "qacc": qacc,
            "act_dot": act_dot,
            "seed": dynamics.tangent.cotangent(after),
            "state_grad": by_state,
            "qacc_grad": by_qacc,
            "act_dot_grad": by_act_dot,
            "theta_grad": by_theta,
        },
        ndx,
    )
    return by_state, torch.cat([by_qacc, by_act_dot], -1), by_theta


def _one_point(dynamics: CpuDynamics, field: str) -> OnePoint:
    executor = dynamics.executors[0]
    known = dynamics.kept.get(field)
    if not isinstance(known, OnePoint) or known.executor is not executor:
        known = dynamics.kept[field] = OnePoint(dynamics, executor, field)
    return known


class OnePoint:
    """The same at one point and without parameters, where a call takes as long as the physics: with buffers that are
    kept, and numpy, whose calls cost a fraction of torch's."""

    def __init__(self, dynamics: CpuDynamics, executor: CpuExecutor, field: str) -> None:
        self._dynamics, self.executor = dynamics, executor
        nv, nrate, nx = dynamics.nv, dynamics.model.nrate, dynamics.state_size
        rows, width = nv + nrate, dynamics._control_sizes[field]
        tangent = dynamics.tangent
        self._simple = tangent.flat and not nrate
        self._needed = torch.zeros(1, dtype=torch.int32, device="cpu")
        made: dict[str, torch.Tensor] = {}

        def buffer(name: str, *shape: int) -> np.ndarray:
            made[name] = _zeros(dynamics, *shape)
            return made[name].numpy()

        self._after = buffer("next", 1, nx)[0]
        self._qacc, _ = buffer("qacc", 1, nv)[0], buffer("act_dot", 1, nrate)
        self._by_state, self._by_control = buffer("state_grad", rows, nx), buffer(f"{field}_grad", rows, width)
        made["seed"] = torch.eye(rows, dtype=runtime.tc_float, device="cpu")
        self._of_acceleration = dict(made)
        given = {name: made[name] for name in ("qacc", "act_dot")}
        made.clear()
        self._direct = buffer("state_grad", nx, nx)
        self._by_qacc, self._by_act_dot = buffer("qacc_grad", nx, nv), buffer("act_dot_grad", nx, nrate)
        made["seed"] = torch.eye(nx, dtype=runtime.tc_float, device="cpu")
        self._of_advance = {**made, **given}
        self._x, self._dx = tangent._x.numpy(), tangent._dx.numpy()
        self._rotations = list(zip(tangent._quat.tolist(), tangent._turn.tolist(), strict=True))
        diagonal = np.arange(nv) * (2 * nv + 1)
        self._position_diagonal, self._velocity_diagonal = diagonal, diagonal + 2 * nv * nv + nv

    def _run(self, program: Program, places: dict[str, torch.Tensor], inputs: tuple, n_rows: int) -> None:
        dynamics = self._dynamics
        if program.owner is not self:
            dynamics._prepared(program)
            program.owner = self
            for name, values in places.items():
                # Of one point; steps are the rows of the Jacobian.
                program.place(name, values, "steps" if program.moves(name) else "rows")
            program.place("needed", self._needed)
            if dynamics.model.constrained and program.has("guess"):
                program.place("guess", dynamics.no_solution())
        kept = dynamics._aim(program, *inputs)
        program.run(0, 1, 0, n_rows)
        del kept

    def jacobians(self, theta: torch.Tensor, command: Command, state: torch.Tensor) -> Jacobians:
        dynamics, inputs = self._dynamics, (theta, command, state)
        nv, nrate, n = dynamics.nv, dynamics.model.nrate, dynamics.tangent.ndx
        self._run(self.executor.acceleration_jacobian(), self._of_acceleration, inputs, nv + nrate)
        kind = self._by_state.dtype
        of_state, of_control = np.empty((n, n), kind), np.empty((n, self._by_control.shape[1]), kind)
        if self._simple:  # see `_of_one_segment`
            h = kind.type(dynamics.model.timestep)
            flat = of_state.reshape(-1)
            np.multiply(self._by_state, h, out=of_state[nv:])
            flat[self._velocity_diagonal] += 1
            np.multiply(of_state[nv:], h, out=of_state[:nv])
            flat[self._position_diagonal] += 1
            np.multiply(self._by_control, h, out=of_control[nv:])
            np.multiply(of_control[nv:], h, out=of_control[:nv])
        else:
            self._run(self.executor.advance_jacobian(), self._of_advance, inputs, dynamics.state_size)
            by_acceleration = np.concatenate([self._by_qacc, self._by_act_dot], 1) if nrate else self._by_qacc
            raw = by_acceleration @ self._by_state
            raw += self._direct
            self._into_tangent(by_acceleration @ self._by_control, of_control)
            turned = np.empty((len(raw), n), kind)
            turned[:, self._dx] = raw[:, self._x]
            x = state[0].numpy()
            for quat, turn in self._rotations:
                turned[:, turn[0] : turn[-1] + 1] = raw[:, quat[0] : quat[-1] + 1] @ (0.5 * _products(x[quat]))
            self._into_tangent(turned, of_state)
        after, both = self._after.copy(), (torch.from_numpy(of_state)[None], torch.from_numpy(of_control)[None])
        return Jacobians(
            torch.from_numpy(after)[None],
            *both,
            None,
            crowded_rows(self._needed, dynamics.model.nconmax),
            self._diverged(),
        )

    def _diverged(self) -> list[int]:
        nq, nv = self._dynamics.nq, self._dynamics.nv
        numbers = np.concatenate([self._qacc, self._after[: nq + nv]])
        right = bool((np.abs(numbers) <= LARGEST_STATE).all()) and bool(np.isfinite(self._after[nq + nv :]).all())
        return [] if right else [0]

    def _into_tangent(self, raw: np.ndarray, out: np.ndarray) -> None:
        """Rows of a Jacobian of the state after, (nx, k), as rows in its tangent space, (ndx, k)."""
        out[self._dx] = raw[self._x]
        for quat, turn in self._rotations:
            out[turn[0] : turn[-1] + 1] = 2.0 * _products(self._after[quat]).T @ raw[quat[0] : quat[-1] + 1]


def _products(quat: np.ndarray) -> np.ndarray:
    """q (0, e_k) for the three axes e_k, (4, 3); see `Tangent`."""
    w, a, b, c = quat.tolist()
    return np.array([(-a, -b, -c), (w, -c, b), (c, w, -a), (-b, a, w)], dtype=quat.dtype)


def _of_segments(dynamics, theta, command, state, field, parameters) -> Jacobians:
    m, nx, ndx, width = state.shape[0], dynamics.state_size, dynamics.tangent.ndx, dynamics._control_sizes[field]
    after, solution = _empty(dynamics, m, nx), _empty(dynamics, m, dynamics.solution_size)
    good = torch.zeros(m, dtype=torch.int32, device=dynamics.device)  # steps
    crowded = dynamics.run_rows(
        lambda executor: executor.step(),
        theta,
        command,
        state,
        {"guess": dynamics._zero_solution(), "next": after, "solution": solution, "finite": good},
        1,
    )
    diverged = torch.nonzero(good < 1).flatten().tolist()
    by_state, by_control = _empty(dynamics, m, ndx, nx), _empty(dynamics, m, ndx, width)
    by_theta = None if parameters is None else _zeros(dynamics, m, ndx, dynamics.model.ntheta)
    dynamics.run_rows(
        lambda executor: executor.step_jacobian(),
        theta,
        command,
        state,
        {
            "guess": solution,
            "seed": dynamics.tangent.cotangent(after),
            "state_grad": by_state,
            f"{field}_grad": by_control,
            "theta_grad": by_theta,
        },
        ndx,
    )
    of_theta = None if by_theta is None else _combined(by_theta, parameters)
    return Jacobians(after, by_state @ dynamics.tangent.tangent(state), by_control, of_theta, crowded, diverged)


def _combined(by_theta: torch.Tensor, parameters: torch.Tensor) -> torch.Tensor:
    """``by_theta @ parameters``; of the many parameters of a model, few are asked for."""
    used = parameters.ne(0).any(1).nonzero()[:, 0]
    if 2 * len(used) > len(parameters):
        return by_theta @ parameters
    return by_theta.index_select(-1, used) @ parameters[used]


def _of_rows(
    dynamics: Dynamics,
    theta: torch.Tensor,
    command: Command,
    state: torch.Tensor,
    field: str,
    parameters: torch.Tensor | None,
) -> Jacobians:
    """The same by the adjoint of a step, row by row of the Jacobian: for any device, at as many points as envs."""
    n, nx, ndx, width = state.shape[0], dynamics.state_size, dynamics.tangent.ndx, dynamics._control_sizes[field]
    full = dynamics._controls(command, 1).get(field)
    control = (dynamics.at_rest(field) if full is None else full.values).expand(n, width).contiguous()
    blocks = {key: block for key, block in command.blocks.items() if key[0] != field} | {(field, 0): control}
    command = Command(command.switches, blocks)
    needs = [key[0] == field for key in blocks]
    after, guess = torch.empty_like(state), dynamics.no_solution()
    solution = torch.empty_like(guess)
    dynamics.forget_lost_contacts()
    outcome = dynamics.run(theta, command, state, after, guess, solution)
    crowded = outcome.crowded or dynamics.lost_contacts()
    diverged = sorted({*outcome.diverged, *dynamics.rows_beyond(after)})
    dynamics.forget_lost_contacts()  # it says nothing about the scene's own steps
    seeds = dynamics.tangent.cotangent(after)
    by_state, by_control = _empty(dynamics, n, ndx, nx), _empty(dynamics, n, ndx, width)
    of_theta = None if parameters is None else _empty(dynamics, n, ndx, parameters.shape[1])
    rows = theta.expand(n, -1).contiguous()
    clip, dynamics.gradient_clip = dynamics.gradient_clip, None  # rows of a Jacobian are not gradients of a loss
    try:
        for i in range(ndx):
            gradients = dynamics.run_adjoint(
                rows, command, state, solution, seeds[:, i].contiguous(), None, of_theta is not None, needs
            )
            by_state[:, i] = gradients.state
            by_control[:, i] = gradients.blocks[-1]
            if of_theta is not None:
                of_theta[:, i] = gradients.theta @ parameters
    finally:
        dynamics.gradient_clip = clip
    return Jacobians(after, by_state @ dynamics.tangent.tangent(state), by_control, of_theta, crowded, diverged)


def _empty(dynamics: Dynamics, *shape: int) -> torch.Tensor:
    return torch.empty(shape, dtype=runtime.tc_float, device=dynamics.device)


def _zeros(dynamics: Dynamics, *shape: int) -> torch.Tensor:
    return torch.zeros(shape, dtype=runtime.tc_float, device=dynamics.device)
