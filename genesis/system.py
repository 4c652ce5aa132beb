"""The step of a scene as a pure function: next state of state, controls and parameters, for any number of rows.

The tools stand on it: what they need is not one motion of the scene but many, from states and under parameters of their
own choosing, and the Jacobians of every step.
"""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch

from genesis import runtime
from genesis.constants import LARGEST_STATE
from genesis.eager import keep_eager
from genesis.entities.place import world_of
from genesis.entities.rolling import ACTUATORS, MODES, field_of
from genesis.errors import GenesisException
from genesis.grad import bridge, rollout
from genesis.rigid import jacobian
from genesis.rigid.command import POSE_FIELDS, Command, Switches
from genesis.rigid.door import native, refuse_transforms
from genesis.rigid.pipeline.workspace import control_sizes
from genesis.scene import Scene
from genesis.trajectory import Trajectory
from genesis.world.arguments import plain_tensors, read_tensor, refuse_wrapped, require_finite

if TYPE_CHECKING:
    from collections.abc import Iterable

    from genesis.entities.rigid_entity import RigidEntity


_MOST = 2**31


class Linearization(NamedTuple):
    """Exact derivatives of steps in the tangent space: dx' = A dx + B du + F dp.

    Attributes:
        A: (T, N, ndx, ndx)
        B: (T, N, ndx, nu)
        F: (T, N, ndx, p), or None
    """

    A: torch.Tensor
    B: torch.Tensor
    F: torch.Tensor | None


class System:
    """The step of a built scene as a function of tensors.

    A state x is (qpos, qvel, act), nx = nq + nv + na numbers, and a small change of it dx is (dq, dv, dact),
    ndx = 2 nv + na numbers, as `mjd_transitionFD` orders them; among the activations count, as the last, the past
    controls of actuators with a history (`nsample`). Rows are copies of the scene that know nothing of each
    other; there may be more or fewer than the scene has envs, whose state and commands stay as they are.
    Mocap bodies, welds made at run time and the switches of equality constraints are in all rows what they are in the
    scene's first env when the system is made.

    Args:
        scene: built
        n_rows: N
        control: what a row of controls is: "force", "position", "velocity" or "actuators"
        entities: those that are controlled (None: all that have dofs, or actuators); the others' dofs are idle

    Attributes:
        nq, nv, na, nx, ndx: sizes, of all entities together
        nu: numbers of a row of controls, entity after entity
        lower, upper: (nu,) limits of the controls: force range, joint limits, `ctrlrange`; infinite where none is

    Raises GenesisException for a scene that is not built, an unknown `control`, and entities without any.
    """

    def __init__(
        self,
        scene: Scene,
        n_rows: int = 1,
        control: str = "force",
        entities: RigidEntity | Iterable[RigidEntity] | None = None,
    ) -> None:
        if not isinstance(scene, Scene):
            raise GenesisException(f"System: `scene` is {scene!r}; expected a gs.Scene.")
        self._world = world_of(scene, "System")
        refuse_transforms("System()")
        keep_eager()
        self._field = field_of(control, "System")
        n_rows = _count("n_rows", n_rows)
        self.scene, self.n_rows, self.control = scene, n_rows, control
        self.entities = _controlled(scene, control, entities)
        self._dynamics = self._world.dynamics.resized(n_rows)
        tangent = self._dynamics.tangent
        self.nq, self.nv, self.na, self.nx, self.ndx = tangent.nq, tangent.nv, tangent.na, tangent.nx, tangent.ndx
        self._tangent = tangent
        self.dt: float = scene.dt
        self._width = control_sizes(self._world.model)[self._field]
        columns = [np.arange(*_columns(entity, control)) for entity in self.entities]
        found = np.concatenate(columns) if columns else np.arange(0)
        self.nu = len(found)
        self._columns = torch.as_tensor(found, device=runtime.device)
        ranges = [self._world.composed.entities[entity.idx] for entity in self.entities]
        actuators = [np.arange(one.actuator_start, one.actuator_end) for one in ranges]
        self._actuators = torch.as_tensor(np.concatenate([*actuators, np.arange(0)]), device=runtime.device)
        self._whole = self.nu == self._width and bool((found == np.arange(self._width)).all())
        self._held: torch.Tensor | None = None
        command = self._world.commands.command
        self._eq_active = command.switches.eq_active[:1]
        self._poses = {
            key: block.detach().reshape(-1, block.shape[-1])[0]
            for key, block in command.blocks.items()
            if key[0] in POSE_FIELDS
        }
        self.lower, self.upper = self._limits()

    def __repr__(self) -> str:
        return f"<System of {self.scene!r}: {self.n_rows} rows, nx {self.nx}, ndx {self.ndx}, nu {self.nu}>"

    def resized(self, n_rows: int) -> System:
        """The same system with so many rows: the parameters that it holds, mocap bodies, welds and switches as here."""
        system = System(self.scene, n_rows, self.control, self.entities)
        system._eq_active, system._poses = self._eq_active, self._poses
        system.hold(self._held)
        return system

    # -- the scene's --------------------------------------------------------------------------------------------------

    def state(self) -> torch.Tensor:
        """A copy of the scene's present state, with its graph, (n_envs or 1, nx)."""
        return self._world.read_state().clone()

    def put(self, x: torch.Tensor) -> None:
        """Set the scene's state to ``x``, (n_envs or 1, nx) or (nx,); commands and parameters stay.

        Raises GenesisException for another shape, numbers that are not finite, and a state that no simulation can mean
        (beyond 1e10).
        """
        n_envs = max(self.scene.n_envs, 1)
        state = self._read("x", x, ((self.nx,), (1, self.nx), (n_envs, self.nx)))
        with plain_tensors():
            state = state.expand(n_envs, self.nx).clone(memory_format=torch.contiguous_format)
        self._world.solution = None
        self._world.set_state(state)

    def integrate(self, x: torch.Tensor, dx: torch.Tensor) -> torch.Tensor:
        """``x`` (..., nx) moved by ``dx`` (..., ndx), broadcast against each other (MuJoCo: mj_integratePos)."""
        x, dx = self._last("x", x, self.nx), self._last("dx", dx, self.ndx)
        self._require_broadcast(x, dx)
        return self._tangent.integrate(x, dx)

    def difference(self, start: torch.Tensor, end: torch.Tensor) -> torch.Tensor:
        """The ``dx`` (..., ndx) that moves ``start`` to ``end``, (..., nx) each (MuJoCo: mj_differentiatePos)."""
        start, end = self._last("start", start, self.nx), self._last("end", end, self.nx)
        self._require_broadcast(start, end)
        return self._tangent.difference(start, end)

    def tangent(self, x: torch.Tensor) -> torch.Tensor:
        """Derivative (..., nx, ndx) of `integrate` by ``dx`` at zero: a gradient by x times it is one by dx."""
        return self._tangent.tangent(self._last("x", x, self.nx))

    def theta(self) -> torch.Tensor:
        """A copy of the packed parameters in force, with the graph to what set them, (1 or n_envs, ntheta)."""
        return self._theta_in_force().clone()

    def _theta_in_force(self) -> torch.Tensor:
        return self._world.theta.packed() if self._held is None else self._held

    def hold(self, theta: torch.Tensor | None) -> None:
        """Let these parameters, (1 or N, ntheta), be in force here, whatever is set in the scene; None: the scene's.

        They are copied, with their graph.
        """
        with plain_tensors():
            self._held = None if theta is None else self._theta(theta).clone()

    # -- motion -------------------------------------------------------------------------------------------------------

    def rollout(
        self,
        x0: torch.Tensor,
        u: torch.Tensor | None,
        theta: torch.Tensor | None = None,
        n_steps: int | None = None,
    ) -> torch.Tensor:
        """States (T + 1, N, nx) of T steps from ``x0`` (N, nx) or (nx,), under ``u`` (T, N, nu) or (T, nu).

        Differentiable in all three. ``u`` None: no commands, for ``n_steps`` steps. ``theta``: (1 or N, ntheta); None:
        what is in force in the scene.

        Raises GenesisException when a state is not finite, or a row has more contacts than room.
        """
        with plain_tensors():
            self._dynamics.follow_model()
            x0 = self._read("x0", x0, ((self.nx,), (1, self.nx), (self.n_rows, self.nx)))
            x0 = x0.expand(self.n_rows, self.nx).contiguous()
            theta = self._theta(theta) if theta is None else self._theta(theta).clone()
            if u is not None:
                u = self._controls(u, None if n_steps is None else _count("n_steps", n_steps)).clone()
            if u is None and n_steps is None:
                raise GenesisException("System.rollout: neither controls nor `n_steps` are given; pass one of them.")
            steps = _count("n_steps", n_steps) if u is None else u.shape[0]
            command = self._command(u)
            record = torch.is_grad_enabled()
            plan = rollout.Plan(steps, steps)
            if torch.is_grad_enabled() and theta.requires_grad:
                theta = theta.expand(self.n_rows, -1)  # gradients are summed over the steps of a row first
            if self._dynamics.device.type == "cuda":
                self._dynamics.forget_lost_contacts()
            states = rollout.rollout(self._dynamics, x0, theta, command, None, plan, record)[1]
            bridge.require_slots_of_cuda(self._dynamics)
            # The backward pass reads the states: those that are returned are the caller's to change.
            return states.clone() if states.requires_grad else states

    def linearize(
        self,
        x: torch.Tensor,
        u: torch.Tensor | None,
        theta: torch.Tensor | None = None,
        parameters: torch.Tensor | None = None,
    ) -> Linearization:
        """Exact derivatives of the steps from ``x`` (T, N, nx) under ``u`` (T, N, nu), without graph.

        ``theta``: (1 or N, ntheta), None: in force; ``parameters``: (ntheta, p), the derivative of theta by p, for F.
        """
        refuse_transforms("System.linearize")
        with torch.no_grad(), plain_tensors(), self._dynamics.lock:
            self._dynamics.follow_model()
            x = self._sequence("x", x).detach()
            n_steps = x.shape[0]
            theta = self._theta(theta).detach()
            if u is not None:
                u = self._controls(u, n_steps).detach().expand(n_steps, self.n_rows, self.nu)
            if parameters is not None:
                parameters = self._read("parameters", parameters, None, finite=False).detach()
                require_finite(parameters, "parameters", "System")
                if parameters.dim() != 2 or len(parameters) != theta.shape[1]:
                    raise GenesisException(
                        f"System: `parameters` has shape {tuple(parameters.shape)}; expected ({theta.shape[1]}, p), "
                        "the derivative of theta by p numbers."
                    )
            x = x.expand(n_steps, self.n_rows, self.nx)
            on_cpu = self._dynamics.device.type == "cpu"
            if on_cpu and theta.shape[0] == 1:  # every point a row
                flat = None if u is None else u.reshape(-1, self.nu)
                found = self._jacobians(x.reshape(-1, self.nx), flat, theta, parameters)
                shape = (n_steps, self.n_rows)
                of_theta = None if found.F is None else found.F.unflatten(0, shape)
                return Linearization(found.A.unflatten(0, shape), found.B.unflatten(0, shape), of_theta)
            # Rows of parameters and points must match: go along the shorter axis.
            along = 1 if on_cpu and self.n_rows < n_steps else 0
            parts = []
            for k in range((n_steps, self.n_rows)[along]):
                point = (slice(None), k) if along else (k,)
                at = theta[k : k + 1] if along else theta
                row = k if along else None
                parts.append(self._jacobians(x[point], None if u is None else u[point], at, parameters, row))
            of_theta = (
                None if parameters is None else torch.stack([part.F for part in parts if part.F is not None], along)
            )
            return Linearization(
                torch.stack([part.A for part in parts], along), torch.stack([part.B for part in parts], along), of_theta
            )

    def trajectory(
        self, x: torch.Tensor, u: torch.Tensor | None = None, theta: torch.Tensor | None = None
    ) -> Trajectory:
        """States (T + 1, N, nx) as a trajectory, each reading of which is differentiable in ``x`` and ``theta``.

        ``u`` (T, N, nu): what accelerations depend on; None: no commands. The axis N is always there.
        """
        with plain_tensors():
            x = self._sequence("x", x)
            u = None if u is None else self._controls(u, x.shape[0] - 1).clone()
            # What is given may be changed before the trajectory is read.
            x = x.expand(-1, self.n_rows, -1).clone(memory_format=torch.contiguous_format)
            return unchecked_trajectory(self, x, u, self._theta(theta).clone())

    # -- how ----------------------------------------------------------------------------------------------------------

    def _jacobians(
        self,
        x: torch.Tensor,
        u: torch.Tensor | None,
        theta: torch.Tensor,
        parameters: torch.Tensor | None,
        row: int | None = None,
    ) -> Linearization:
        """At points ``x`` (M, nx): of one row, or of all rows at one step after the other."""

        def rows(points: Iterable[int]) -> list[int]:
            return sorted({point % self.n_rows if row is None else row for point in points})

        full = {} if u is None else {(self._field, 0): self._full(u)}
        command = Command(self._switches(u is not None), self._poses | full)
        found = jacobian.of_step(self._dynamics, theta, command, x.contiguous(), self._field, parameters)
        for point, needed in found.crowded.items():
            bridge.require_slots(self._dynamics, {rows([point])[0]: needed})
        if found.diverged:
            raise bridge.diverged(rows(found.diverged), "a step that was linearised")
        control = found.control if self._whole else found.control[..., self._columns]
        return Linearization(found.state, control, found.theta)

    def _read(
        self, name: str, value: Any, shapes: tuple[tuple[int, ...], ...] | None, finite: bool = True
    ) -> torch.Tensor:
        """Finite numbers of one of these shapes, with their graph, whether the scene records one or not; contiguous."""
        graph = value if isinstance(value, torch.Tensor) and value.requires_grad else None
        if graph is not None:
            refuse_wrapped(graph, name, "System")
        tensor = read_tensor(self._world, value if graph is None else graph.detach(), name, "System")
        if shapes is not None and tuple(tensor.shape) not in shapes:
            expected = " or ".join(map(str, dict.fromkeys(shapes)))
            raise GenesisException(f"System: `{name}` has shape {tuple(tensor.shape)}; expected {expected}.")
        if finite and not (tensor.numel() and tensor.detach().abs().max().item() <= LARGEST_STATE):
            require_finite(tensor, name, "System")
            self._require_state(name, tensor)
        if graph is None:
            return native(tensor)
        return native(graph.as_subclass(torch.Tensor).to(device=tensor.device, dtype=tensor.dtype))

    def _require_state(self, name: str, x: torch.Tensor) -> None:
        """Raise GenesisException for states (..., nx) that no simulation can mean."""
        if x.shape[-1:] == (self.nx,) and (rows := self._dynamics.rows_beyond(x.detach().reshape(-1, self.nx))):
            raise GenesisException(
                f"System: `{name}` holds a state with positions or velocities beyond {LARGEST_STATE:g} (row {rows[0]} "
                "of all); a simulation there counts as diverged."
            )

    def _sequence(self, name: str, x: Any) -> torch.Tensor:
        """States (T, 1 or N, nx)."""
        tensor = self._read(name, x, None)
        of_rows = ((1, self.nx), (self.n_rows, self.nx))
        if tensor.dim() != 3 or not len(tensor) or tuple(tensor.shape[1:]) not in of_rows:
            raise GenesisException(
                f"System: `{name}` has shape {tuple(tensor.shape)}; expected (T, {self.n_rows}, {self.nx}) with T from "
                "1 on: states (qpos, qvel, act) of every row at every step."
            )
        return tensor

    def _theta(self, theta: torch.Tensor | None) -> torch.Tensor:
        if theta is None:
            theta = self._theta_in_force()
        elif not isinstance(theta, torch.Tensor) or not theta.is_floating_point():
            raise GenesisException(f"System: `theta` is {theta!r:.60}; expected a tensor as System.theta() returns it.")
        else:
            theta = self._read("theta", theta, None, finite=False)  # a limit may be infinite
            if bool(theta.isnan().any()):
                raise GenesisException("System: `theta` holds NaN; expected numbers.")
        if theta.dim() != 2 or theta.shape[1] != self._dynamics.model.ntheta:
            raise GenesisException(
                f"System: `theta` has shape {tuple(theta.shape)}; expected (1 or {self.n_rows}, "
                f"{self._dynamics.model.ntheta}), as System.theta() returns it."
            )
        if theta.shape[0] not in (1, self.n_rows):
            raise GenesisException(
                f"System: the parameters have {theta.shape[0]} rows, one for each env of the scene; expected 1 or "
                f"{self.n_rows}, as many as this system has."
            )
        return theta

    def _last(self, name: str, value: Any, size: int) -> torch.Tensor:
        """A tensor (..., size), with its graph."""
        shape = value.shape if isinstance(value, torch.Tensor) and not value.is_nested else None
        if shape is None or shape[-1:] != (size,):
            given = type(value).__name__ if shape is None else f"shape {tuple(shape)}"
            raise GenesisException(f"System: `{name}` has {given}; expected a tensor (..., {size}).")
        return self._read(name, value, None, finite=False)

    @staticmethod
    def _require_broadcast(one: torch.Tensor, other: torch.Tensor) -> None:
        try:
            torch.broadcast_shapes(one.shape[:-1], other.shape[:-1])
        except RuntimeError:
            raise GenesisException(
                f"System: shapes {tuple(one.shape)} and {tuple(other.shape)} do not fit before their last axes."
            ) from None

    def _command(self, u: torch.Tensor | None) -> Command:
        if u is None:
            return Command(self._switches(False), self._poses)
        key = (self._field, 0)
        full = self._full(u.expand(u.shape[0], self.n_rows, self.nu))
        return Command(self._switches(True), self._poses | {key: full}, frozenset([key]))

    def _controls(self, u: Any, n_steps: int | None) -> torch.Tensor:
        """(T, 1 or N, nu)"""
        u = self._read("u", u, None, finite=False)  # of some rows it may be: their motion diverges
        shape = tuple(u.shape)
        fits = len(shape) in (2, 3) and shape[-1] == self.nu and (len(shape) == 2 or shape[1] in (1, self.n_rows))
        if not fits or not shape[0] or n_steps not in (None, shape[0]):
            steps = "T" if n_steps is None else n_steps
            raise GenesisException(
                f"System: the controls have shape {shape}; expected ({steps}, {self.n_rows}, {self.nu}) or "
                f"({steps}, {self.nu})" + (" with T from 1 on." if n_steps is None else ".")
            )
        return u.unsqueeze(1) if u.dim() == 2 else u

    def _full(self, u: torch.Tensor) -> torch.Tensor:
        """Controls in the columns of their field; the others zero."""
        if self._whole:
            return u.contiguous()
        full = u.new_zeros((*u.shape[:-1], self._width))
        return full.index_copy(-1, self._columns, u)

    def _switches(self, commanded: bool) -> Switches:
        # One row for all, where kernels can read it so.
        n = 1 if self._dynamics.device.type == "cpu" else self.n_rows
        mode = torch.zeros((n, self.nv), dtype=torch.int32, device=runtime.device)
        actuators_on = torch.zeros((n, self._world.model.nactuator), dtype=torch.int32, device=runtime.device)
        if commanded and self.control == ACTUATORS:
            actuators_on[:, self._actuators] = 1
        elif commanded:
            mode[:, self._columns] = MODES[self.control]
        return Switches(mode, actuators_on, self._eq_active.expand(n, -1).contiguous())

    def _limits(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Of each control, as the scene has them now (those of its first env)."""
        model = self.scene.mj_model
        low, high = np.full(self._width, -np.inf), np.full(self._width, np.inf)
        if self.control == ACTUATORS:
            limited = model.actuator_ctrllimited.astype(bool)
            low[limited], high[limited] = model.actuator_ctrlrange[limited].T
        elif self.control != "velocity":
            for entity in self.scene.entities:
                if not entity.n_dofs:
                    continue
                both = entity.get_dofs_force_range() if self.control == "force" else entity.get_dofs_limit()
                place = slice(entity.dof_start, entity.dof_end)
                low[place], high[place] = (
                    value.detach().as_subclass(torch.Tensor).reshape(-1, entity.n_dofs)[0].cpu().numpy()
                    for value in both
                )
        columns = self._columns.cpu().numpy()
        lower, upper = (torch.as_tensor(v[columns], dtype=runtime.tc_float, device=runtime.device) for v in (low, high))
        return lower, upper


def unchecked_trajectory(
    system: System, x: torch.Tensor, u: torch.Tensor | None, theta: torch.Tensor | None = None
) -> Trajectory:
    """`System.trajectory` for the tools, of tensors that fit and that nobody changes: (T + 1, N, nx), (T, N, nu)."""
    dynamics = system._dynamics
    dynamics.follow_model()
    theta = system._theta_in_force() if theta is None else theta
    n_steps, command = x.shape[0] - 1, system._command(u)
    entities, world = system.scene.entities, system._world
    return Trajectory(entities, world, dynamics, x.contiguous(), theta, n_steps, command, always_envs=True)


def _count(name: str, value: Any) -> int:
    try:
        count = operator.index(value)
    except TypeError:
        count = 0
    if not 1 <= count < _MOST or isinstance(value, bool):
        raise GenesisException(f"System: `{name}` is {value!r}; expected a whole number from 1 on, below {_MOST}.")
    return count


def _columns(entity: RigidEntity, control: str) -> tuple[int, int]:
    """First column of a control field that is an entity's, and the one behind its last."""
    if control == ACTUATORS:
        place = entity.scene.world.composed.entities[entity.idx]
        return place.control_start, place.control_end
    return entity.dof_start, entity.dof_end


def _controlled(scene: Scene, control: str, entities: Any) -> list[RigidEntity]:
    if entities is not None:
        chosen = list(entities) if isinstance(entities, list | tuple | set | frozenset) else [entities]
        strangers = [entity for entity in chosen if not any(entity is one for one in scene.entities)]
        if strangers or not chosen:
            raise GenesisException(
                f"`entities` are {chosen!r}; expected entities of this scene: "
                f"{', '.join(repr(entity.name) for entity in scene.entities)}."
            )
    else:
        chosen = scene.entities
    able = [e for e in scene.entities if e in chosen and np.ptp(_columns(e, control)) > 0]
    what = "actuators" if control == ACTUATORS else "dofs"
    if entities is not None and len(able) != len(set(map(id, chosen))):
        idle = [e.name for e in chosen if e not in able]
        raise GenesisException(f"{', '.join(map(repr, idle))} has no {what} to control.")
    return able
