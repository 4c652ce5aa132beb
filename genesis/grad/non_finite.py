"""Where a gradient stops being finite: which env, step and stage of the step, and at which joint or pair.

A step's adjoint runs as one program, which tells only that its result is not finite. Here one env of one step is gone
through stage by stage, slowly, and every gradient is looked at after each. It is a diagnosis: nothing calls it before
something has gone wrong.
"""

from __future__ import annotations

import threading
import weakref
from dataclasses import dataclass

import numpy as np
import torch
import warp as wp

from genesis.constants import MOCAP_WIDTH, WELD_WIDTH
from genesis.grad import names
from genesis.model.arrays import Model
from genesis.rigid.command import Command, Switches
from genesis.rigid.executors.dynamics import Dynamics
from genesis.rigid.executors.graph import GraphDynamics
from genesis.rigid.pipeline.binding import Act, Binder, adjoint_walk
from genesis.rigid.pipeline.workspace import Block, Workspace, switch_sizes

# Fields whose rows belong to parts of one kind.
_OF_FRAME = ("xpos", "xquat", "cvel", "cacc_bias", "cacc_joint")
_OF_BODY = (
    "xref",
    "xipos",
    "cinert",
    "crb",
    "cfrc",
    "cfrc_gravcomp",
    "xvel",
    "xacc",
    "body_energy",
    "cbias_slope",
    "cmomentum",
)
_OF_JOINT = ("xanchor", "xaxis")
_OF_ROW = ("efc_pos", "efc_bias", "efc_diag", "efc_loss", "efc_aref", "efc_D", "efc_force")
_OF_MATRIX = ("qM", "qH", "qLD", "qA_lower", "qA_upper", "qLU_lower", "qLU_upper")
_OF_ACTUATOR = (
    *("actuator_length", "actuator_velocity", "actuator_force", "dforce_dvel"),
    *("actuator_force_raw", "dforce_dvel_raw", "act", "act_dot", "actuator_moment"),
)
_OF_GEOM = ("geom_xpos", "geom_xmat")
_OF_BLOCK = ("free_matrix", "free_lu")


@dataclass(frozen=True)
class Origin:
    """Where a gradient stopped being finite.

    Attributes:
        env: of the scene
        stage: name of the stage (`genesis.rigid.pipeline.step`) whose adjoint left it; None: it arrived so, from what
            uses the step's result
        field: the array that holds it
        place: joint, link, actuator or pair of geoms that it belongs to, in words; empty if none
        step: number of the step; None if not known
    """

    env: int
    stage: str | None
    field: str
    place: str
    step: int | None = None

    def __str__(self) -> str:
        where = f"env {self.env}" + (f", step {self.step}" if self.step is not None else "")
        if self.stage is None:
            return f"{where}: it arrives so, from the loss or what it computes from the state ({self.place})"
        return f"{where}: adjoint of the stage {self.stage!r}, gradient of {self.field!r}" + (
            f" of {self.place}" if self.place else ""
        )


class _Tracer(GraphDynamics):
    """One env, its stages launched one by one from Python."""

    def __init__(self, model: Model, device: torch.device, substeps: int) -> None:
        super().__init__(model, 1, device, substeps)
        self.revision = model.revision

    def _forget_programs(self) -> None:
        model, device = self.model, self.device
        self._wp_device = wp.device_from_torch(device)
        # One row; on the CPU kernels know that its numbers are adjacent.
        self.space = Workspace(model, 1, self.substeps, self.rk4, device, rows_adjacent=device.type == "cuda")
        self._modes = {
            name: torch.zeros((1, width), dtype=torch.int32, device=device)
            for name, width in switch_sizes(model).items()
        }
        self._mode_arrays = {name: wp.from_torch(values, dtype=wp.int32) for name, values in self._modes.items()}
        self._binder = Binder(model, self.substeps, self._array, lambda name: self._array(name).grad)
        self._theta_rows = 0
        self._theta_arrays = {}
        self._graphs = {}
        self._solution = self.space.block.columns("solution@0", self.solution_size) if self.solution_size else None

    def trace(
        self, theta: torch.Tensor, command: Command, state: torch.Tensor, solution: torch.Tensor, grad: torch.Tensor
    ) -> tuple[str | None, str, str] | None:
        """(stage, field, place) of the first gradient that is not finite, on the way back from the step's result."""
        space, block = self.space, self.space.block
        assert block.grad is not None and space.contacts.grad is not None
        if not bool(torch.isfinite(grad).all()):
            return None, "state", self._of_state(int((~torch.isfinite(grad[0])).nonzero()[0]))
        self._load(theta, command, 1)
        self._load_solution(solution)
        self._state().copy_(state)
        self._theta_grad.zero_()
        block.grad.zero_()
        self._after(gradient=True).copy_(grad)
        work, end = block.start(space.first_work_field), block.start(space.first_observed_field)
        for act, launch in adjoint_walk(self._binder.segments(True)):
            if act is Act.ZERO_WORK:
                self._zero(block.grad, work, end)
            elif act is Act.ZERO_CONTACTS:
                space.contacts.grad.zero_()
            elif launch is not None:
                self._launch(launch.forward() if act is Act.FORWARD else launch.adjoint())
                if act is Act.ADJOINT and (found := self._first_not_finite()) is not None:
                    return launch.stage.name, *found
        return None

    def _first_not_finite(self) -> tuple[str, str] | None:
        """(field, place) of a gradient that is not finite."""
        slots = int(self.space.integers["ncon"][0, 1]) if self.model.has_contacts else 0
        for block in (self.space.block, self.space.contacts):
            assert block.grad is not None
            if bool(torch.isfinite(block.grad).all()):
                continue
            for name in block.fields:
                values = block.view(name, gradient=True)[0]
                bad = ~torch.isfinite(values[:slots] if block.slots is not None else values)
                if bool(bad.any()):
                    index = tuple(int(i) for i in bad.nonzero()[0])
                    return name.partition("@")[0], self._place(block, name, index)
        bad = ~torch.isfinite(self._theta_grad[0])
        if bool(bad.any()):
            return "parameters", names.parameter(self.model, int(bad.nonzero()[0]))
        return None

    def _place(self, block: Block, name: str, index: tuple[int, ...]) -> str:
        """What an element of a field belongs to, in words."""
        model, field, number = self.model, name.partition("@")[0], index[0] if index else 0
        if block.slots is not None:
            return f"the contact of {names.pair(model, int(self.space.integers['con_pair'][0, number]))}"
        if field == "qpos":
            return names.coordinate(model, number)
        if field in _OF_FRAME:
            return names.link(model, int(model.indices["frame_body"][number]))
        if field in _OF_BODY:
            return names.link(model, number)
        if field == "xfrc":
            return names.link(model, number // 6)
        if field == "mocap":
            return names.link(model, int(np.flatnonzero(model.indices["body_mocapid"] == number // MOCAP_WIDTH)[0]))
        if field == "weld":
            return names.weld(model, number // WELD_WIDTH)
        if field.startswith("ten_"):
            if field == "ten_J":
                number = int(np.searchsorted(model.indices["ten_dof_adr"], number, side="right")) - 1
            return names.tendon(model, number)
        if field in _OF_JOINT:
            return names.joint(model, number)
        if field in _OF_ROW:
            return names.row(model, number)
        if field == "efc_J":
            adr = model.indices["efc_dof_adr"]
            return names.row(model, int(np.searchsorted(adr, number, side="right")) - 1)
        if field in _OF_MATRIX:
            return names.dof(model, int(np.searchsorted(model.indices["M_colind_adr"], number, side="right")) - 1)
        if field in ("ctrl", "actuator_ctrl"):
            return names.control(model, number)
        if field in _OF_ACTUATOR:
            return names.actuator(model, number) if block.fields[name][1] == (model.nactuator,) else ""
        if field in _OF_GEOM:
            return names.geom(model, number)
        if field in _OF_BLOCK:
            return names.dof(model, int(model.indices["free_dofadr"][number // 36]))
        return names.dof(model, number) if block.fields[name][1][:1] == (model.nv,) else ""

    def _of_state(self, column: int) -> str:
        model = self.model
        if column < model.nq:
            return f"position of {names.coordinate(model, column)}"
        if column < model.nq + model.nv:
            return f"velocity of {names.dof(model, column - model.nq)}"
        number = column - model.nq - model.nv
        past = number - int(model.mj_model.na)
        if past < 0:
            return f"activation {number}"
        rest = past - model.nhistory
        return f"past control {past}" if rest < 0 else f"rest of plastic springs, number {rest}"


# A tracer of each dynamics that has been asked about; it has a work space of its own.
_tracers: weakref.WeakKeyDictionary[Dynamics, _Tracer] = weakref.WeakKeyDictionary()
_making = threading.Lock()


def _tracer(dynamics: Dynamics) -> _Tracer:
    with _making:
        known = _tracers.get(dynamics)
        if known is None or known.revision != dynamics.model.revision:
            known = _tracers[dynamics] = _Tracer(dynamics.model, dynamics.device, dynamics.substeps)
        return known


def in_step(
    dynamics: Dynamics,
    theta: torch.Tensor,
    command: Command,
    state: torch.Tensor,
    solution: torch.Tensor,
    grad: torch.Tensor,
    envs: list[int],
    index: int | None = None,
) -> Origin | None:
    """The first of `envs` in which a step's adjoint meets a gradient that is not finite, and where; None if in none.

    Args:
        theta: (1 or N, ntheta); state: (N, nx); solution: (N, solution_size); grad: of the step's result, (N, nx)
        command: of the step; its blocks are (n,) or (N, n)
        index: of the step, for the message
    """
    for env in envs:
        found = _tracer(dynamics).trace(
            theta[env : env + 1] if theta.shape[0] > 1 else theta,
            _of_env(command, env, dynamics.n_worlds),
            state[env : env + 1],
            solution[env : env + 1],
            grad[env : env + 1],
        )
        if found is not None:
            return Origin(env, *found, index)
    return None


def _of_env(command: Command, env: int, n_worlds: int) -> Command:
    blocks = {
        key: block[env] if block.dim() == 2 and block.shape[0] == n_worlds else block.reshape(-1, block.shape[-1])[0]
        for key, block in command.blocks.items()
    }
    # One row stands for all in commands of a `System`.
    return Command(Switches(*(x[env : env + 1] if x.shape[0] > 1 else x for x in command.switches)), blocks)


def in_rollout(
    dynamics: Dynamics,
    theta: torch.Tensor,
    command: Command,
    states: torch.Tensor,
    solutions: torch.Tensor,
    final_grad: torch.Tensor | None,
    seed: torch.Tensor | None,
    first: int,
    needs_theta: bool = True,
) -> Origin | None:
    """The same of several steps in a row, walked back one by one.

    Args:
        command: of these steps
        states: (T, N, nx), before each step; solutions: (T, N, solution_size), of each
        final_grad: of the last result as later steps give it, (N, nx); None: zero
        seed: of each result as the loss gives it, (T, N, nx); None: zero
        first: number of the first step
        needs_theta: whether gradients of the parameters are asked for
    """
    n_steps = states.shape[0]
    grad = torch.zeros_like(states[0]) if final_grad is None else final_grad
    for t in reversed(range(n_steps)):
        if seed is not None:
            grad = grad + seed[t]
        one = _row(command, t)
        needs = [True] * len(one.blocks)
        gradients = dynamics.run_adjoint(theta, one, states[t], solutions[t], grad, None, needs_theta, needs)
        envs = envs_not_finite(grad) or envs_not_finite(gradients.state)
        rest = (gradients.theta, *gradients.blocks)
        if not envs and not all(bool(torch.isfinite(values).all()) for values in rest if values is not None):
            envs = list(range(dynamics.n_worlds))
        if envs and (found := in_step(dynamics, theta, one, states[t], solutions[t], grad, envs, first + t)):
            return found
        grad = gradients.state
    return None


def _row(command: Command, t: int) -> Command:
    if not command.sequences:
        return command
    blocks = {key: block[t] if key in command.sequences else block for key, block in command.blocks.items()}
    return Command(command.switches, blocks)


def in_observation(
    names: tuple[str, ...], grads: tuple[torch.Tensor | None, ...], several_states: bool
) -> Origin | None:
    """The first gradient of an observed field that arrives not finite; None if all are finite.

    Args:
        names: of the fields; grads: theirs, (N, ...), or with ``several_states`` (T, N, ...)
    """
    for name, grad in zip(names, grads, strict=True):
        if grad is None or bool(torch.isfinite(grad).all()):
            continue
        where = torch.nonzero(~torch.isfinite(grad))[0].tolist()
        of_state = f" of state {where[0]} of the trajectory" if several_states else ""
        return Origin(where[1] if several_states else where[0], None, name, f"gradient of {name!r}{of_state}")
    return None


def envs_not_finite(values: torch.Tensor) -> list[int]:
    """Rows of (N, n) that hold NaN or infinity."""
    return torch.nonzero(~torch.isfinite(values).all(-1)).flatten().tolist()
