"""Forward dynamics of ``n_worlds`` envs as a function of torch tensors, and its adjoint.

    (state, controls, parameters) -> states of the steps that follow;   (state, ...) -> observations of it

Nothing is kept from one call to the next but what makes the next one quick.
"""

import threading
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import NamedTuple

import mujoco
import torch
import warp as wp

from genesis import runtime
from genesis.constants import LARGEST_STATE
from genesis.model import controls
from genesis.model.arrays import Model
from genesis.rigid.command import Command, Switches
from genesis.rigid.outcome import Outcome, crowded_rows
from genesis.rigid.pipeline.step import kernels_of
from genesis.rigid.pipeline.workspace import RK_STAGES, control_sizes, evaluations
from genesis.rigid.tangent import Tangent
from genesis.types import load_kernels


@dataclass(frozen=True)
class Control:
    """A control field of all dofs, actuators or links, as the kernels read it.

    Attributes:
        values: ([T,] [N,] width), contiguous along the last axis
        sequence: whether the first axis is that of the steps
    """

    values: torch.Tensor
    sequence: bool

    @property
    def axes(self) -> str:
        """What its leading axes are; see `Program.place`."""
        return _CONTROL_AXES[self.values.dim(), self.sequence]


_CONTROL_AXES = {(1, False): "", (2, False): "rows", (2, True): "steps", (3, True): "steps rows"}


class Gradients(NamedTuple):
    """Of a run's inputs, and how the adjoint went.

    Attributes:
        state: (N, nq + nv + na)
        theta: of the parameters, (N, ntheta), or None
        blocks: of the control blocks, each as it is
        unconverged: envs in which the constraint solver stopped at its limit of iterations; on CUDA it is not known
        finite: whether those of the state and the parameters are, in every env; False also where that is not known
    """

    state: torch.Tensor
    theta: torch.Tensor | None
    blocks: list[torch.Tensor | None]
    unconverged: list[int]
    finite: bool


@dataclass
class Totals:
    """Where the gradients of a long run are gathered, piece by piece.

    Attributes:
        theta: summed over the steps, (N, ntheta), or None
        each: control field -> gradient of each step, (T, N, width)
        sum: control field -> summed over the steps, (N, width)
    """

    theta: torch.Tensor | None
    each: dict[str, torch.Tensor] = field(default_factory=dict)
    sum: dict[str, torch.Tensor] = field(default_factory=dict)


class Dynamics(ABC):
    """Forward dynamics and integration of ``n_worlds`` copies of a model.

    Args:
        model: the compiled model's arrays
        n_worlds: number of envs N (at least 1)
        device: torch device
        substeps: integration steps of ``model.timestep`` per step
        gradient_clip: largest norm of an env's gradient by the state, (qpos, qvel, act), that leaves the adjoint of a
            step; a larger one is scaled to it. None: as it is

    States are (N, nq + nv + na), or (T, N, nq + nv + na) for the steps of a run; parameters (1 or N, ntheta); the
    constraint solver's solutions (N, solution_size), or (T, N, solution_size).
    """

    def __init__(
        self,
        model: Model,
        n_worlds: int,
        device: torch.device,
        substeps: int = 1,
        gradient_clip: float | None = None,
    ):
        self.model, self.n_worlds, self.device, self.substeps = model, n_worlds, device, substeps
        self.gradient_clip = gradient_clip
        self.nq, self.nv, self.na, self.nbody = model.nq, model.nv, model.na, model.nbody
        self.state_size = self.nq + self.nv + self.na
        self.rk4 = model.integrator == mujoco.mjtIntegrator.mjINT_RK4
        self._size_controls()
        self.tangent = Tangent(model.mj_model)
        self.warned_of_gradient = self.warned_of_solver = False
        # Held while a run is under way: the work space is shared by all that use the scene.
        self.lock = threading.RLock()
        self._size_solutions()
        self._revision = model.revision
        self._needed = torch.zeros(n_worlds, dtype=torch.int32, device=device)
        self._load_kernels()

    def resized(self, n_worlds: int) -> "Dynamics":
        """The same physics for another number of envs, gradients not clipped. It shares the model (`follow_model`)."""
        return type(self)(self.model, n_worlds, self.device, self.substeps)

    def follow_model(self) -> None:
        """Take over constraints that another who shares the model has added since this was made."""
        if self._revision != self.model.revision:
            with self.lock:
                self._load_kernels()
                self._size_solutions()
                self._size_controls()
                if not self._programs_are_of_model():
                    self._forget_programs()
                self._revision = self.model.revision  # not before all of it has gone well

    def _programs_are_of_model(self) -> bool:
        """Whether somebody who shares the programs has made them anew already."""
        return False

    def _size_controls(self) -> None:
        """Widths of the control fields, and what they are where nobody commands anything."""
        self._control_sizes = control_sizes(self.model)
        self._at_rest = {name: self._empty(width) for name, width in self._control_sizes.items()}
        self._at_rest["mocap"].copy_(torch.as_tensor(self.model.mocap_start.ravel()))
        self._at_rest["ctrl"].copy_(torch.as_tensor(controls.at_rest(self.model.mj_model)))

    def at_rest(self, name: str) -> torch.Tensor:
        """A control field of an env where nobody commands it, (width,)."""
        return self._at_rest[name]

    def full_switches(self, switches: Switches) -> Switches:
        """For every equality constraint that there is; those that a command does not know of do not hold in it."""
        missing = self.model.neq - switches.eq_active.shape[-1]
        if not missing:
            return switches
        return switches._replace(eq_active=torch.nn.functional.pad(switches.eq_active, (0, missing)))

    def _empty(self, *shape: int) -> torch.Tensor:
        return torch.zeros(shape, dtype=runtime.tc_float, device=self.device)

    def no_solution(self) -> torch.Tensor:
        """The solution that stands for none, as large as there are constraints; not to be written to."""
        return self._no_solution

    def _size_solutions(self) -> None:
        # Length of an env's solution of the constraint solver, as far as the model has constraints.
        self.solution_size = evaluations(self.model, self.substeps, self.rk4) * self.nv
        self.largest_solution = self.substeps * (RK_STAGES if self.rk4 else 1) * self.nv  # once there are constraints
        self._no_solution = self._empty(self.n_worlds, self.solution_size)

    def require_constraints(self) -> None:
        """Add the constraint stages, where the model was built without any constraint."""
        with self.lock:
            self.model.add_constraints()
            self.follow_model()

    def require_feature(self, name: str) -> None:
        """Add the stages of a feature of the model (`genesis.model.arrays`), where it was built without."""
        with self.lock:
            self.model.add_feature(name)
            self.follow_model()

    def require_weld(self, one: int, two: int) -> int:
        """Make room for a weld of two bodies, where there is none; returns its number among those made at run time."""
        with self.lock:
            number = self.model.weld_number(one, two)
            if number < 0:
                number = self.model.add_weld(one, two)
            self.follow_model()
            return number

    def _load_kernels(self) -> None:
        """Compile what the model needs, or fetch it from the cache on disk."""
        load_kernels(wp.device_from_torch(self.device), kernels_of(self.model))

    # -- runs ---------------------------------------------------------------------------------------------------------

    @abstractmethod
    def run(
        self,
        theta: torch.Tensor,
        command: Command,
        state: torch.Tensor,
        after: torch.Tensor,
        guess: torch.Tensor,
        solution: torch.Tensor | None,
        n_steps: int = 1,
    ) -> Outcome:
        """Steps from ``state``; states after each are written to ``after``, solutions to ``solution``.

        With several steps, ``state``, ``after`` and ``solution`` have an axis of steps, and ``after`` of one step is
        ``state`` of the next, in memory as well. ``guess``: (N, solution_size), where the solver starts. Without
        constraints ``solution`` is not asked for.
        """

    @abstractmethod
    def run_adjoint(
        self,
        theta: torch.Tensor,
        command: Command,
        state: torch.Tensor,
        solution: torch.Tensor,
        final_grad: torch.Tensor | None,
        seed: torch.Tensor | None,
        needs_theta: bool,
        needs_blocks: list[bool],
        n_steps: int = 1,
        totals: Totals | None = None,
        first_step: int = 0,
    ) -> Gradients:
        """Gradients of a run's inputs.

        ``final_grad``: of the last state after; ``seed``: of every state after, (T, N, ...), None: zero. With
        ``totals``, this is the piece of a longer run that begins at ``first_step``: gradients but that of the state
        are added there.
        """

    def totals(
        self, theta: torch.Tensor, command: Command, needs_theta: bool, needs_blocks: list[bool], n_steps: int = 1
    ) -> Totals:
        """Nothing yet, for the adjoint of ``n_steps`` steps."""
        n = self.n_worlds
        totals = Totals(self._empty(n, theta.shape[1]) if needs_theta else None)
        for (key, _), need in zip(command.blocks.items(), needs_blocks, strict=True):
            name, width = key[0], self._control_sizes[key[0]]
            if need and key in command.sequences:
                totals.each[name] = torch.empty((n_steps, n, width), dtype=runtime.tc_float, device=self.device)
            elif need:
                totals.sum[name] = self._empty(n, width)
        return totals

    def gradients(
        self,
        state_grad: torch.Tensor,
        totals: Totals,
        theta: torch.Tensor,
        command: Command,
        needs_blocks: list[bool],
        unconverged: list[int],
        finite: bool,
    ) -> Gradients:
        """What has been gathered, in the shapes of the inputs."""
        theta_grad = totals.theta
        if theta_grad is not None and theta.shape[0] == 1 and self.n_worlds > 1:
            theta_grad = theta_grad.sum(0, keepdim=True)
        blocks = self._block_gradients(command, needs_blocks, totals.each, totals.sum)
        return Gradients(state_grad, theta_grad, blocks, unconverged, finite)

    @abstractmethod
    def observe(
        self, names: tuple[str, ...], theta: torch.Tensor, command: Command, state: torch.Tensor, guess: torch.Tensor
    ) -> tuple[list[torch.Tensor], Outcome]:
        """Fields ``names`` at ``state``, (N, ...) each, new tensors; of several states (T, N, ...) each.

        They may be integer fields, too, which have no gradient.
        """

    @abstractmethod
    def observe_adjoint(
        self,
        names: tuple[str, ...],
        theta: torch.Tensor,
        command: Command,
        state: torch.Tensor,
        guess: torch.Tensor,
        grads: tuple[torch.Tensor | None, ...],
        needs_theta: bool,
        needs_blocks: list[bool],
    ) -> Gradients:
        """Gradients of the inputs from the gradients of the fields ``names`` (None: zero)."""

    @abstractmethod
    def _forget_programs(self) -> None:
        """Whatever is compiled or captured is out of date."""

    # -- contacts -----------------------------------------------------------------------------------------------------

    def lost_contacts(self) -> dict[int, int]:
        """On CUDA: env -> contacts, of the envs that have found more than they have slots since `forget_lost_contacts`.

        It waits for the device. On the CPU, where each run tells at once, there are none.
        """
        if self.device.type == "cpu" or not self.model.has_contacts:
            return {}
        return crowded_rows(self._needed, self.model.nconmax)

    def forget_lost_contacts(self, envs: torch.Tensor | None = None) -> None:
        """These envs (None: all) begin anew: what they lacked slots for before does not count any more."""
        if envs is None:
            self._needed.zero_()
        else:
            self._needed.index_fill_(0, envs, 0)

    def rows_beyond(self, states: torch.Tensor) -> list[int]:
        """Rows of states (N, nq + nv + na) that no simulation can mean; see `Outcome.diverged`."""
        if not states.numel() or states.abs().max().item() <= LARGEST_STATE:
            return []
        motion, act = states[:, : self.nq + self.nv], states[:, self.nq + self.nv :]
        right = (motion.abs() <= LARGEST_STATE).all(1) & act.isfinite().all(1)
        return torch.nonzero(~right).flatten().tolist()

    @staticmethod
    def rows_beyond_of_acceleration(qacc: torch.Tensor) -> list[int]:
        """The same of accelerations (N, nv)."""
        return torch.nonzero(~(qacc.abs() <= LARGEST_STATE).all(1)).flatten().tolist()

    # -- what the executors share -------------------------------------------------------------------------------------

    def _controls(self, command: Command, n_steps: int, n_rows: int | None = None) -> dict[str, Control]:
        """Each commanded field in full width; what no block covers is `at_rest`."""
        controls: dict[str, Control] = {}
        by_field: dict[str, list[tuple[int, torch.Tensor, bool]]] = {}
        for key, block in command.blocks.items():
            by_field.setdefault(key[0], []).append((key[1], block, key in command.sequences))
        for name, blocks in by_field.items():
            start, block, sequence = blocks[0]
            width = self._control_sizes[name]
            if len(blocks) == 1 and block.shape[-1] == width and block.stride(-1) == 1:
                controls[name] = Control(block, sequence)
                continue
            sequence = any(s for _, _, s in blocks)
            rows = any(b.dim() == 2 + s for _, b, s in blocks)
            lead = ([n_steps] if sequence else []) + ([n_rows or self.n_worlds] if rows else [])
            full = self._at_rest[name].expand(*lead, width).clone()
            for start, block, s in blocks:
                if sequence and not s:
                    block = block.unsqueeze(0)
                if rows and block.dim() == 1 + sequence:
                    block = block.unsqueeze(-2)
                full[..., start : start + block.shape[-1]] = block
            controls[name] = Control(full, sequence)
        return controls

    def _block_gradients(
        self,
        command: Command,
        needs: list[bool],
        each: dict[str, torch.Tensor],
        total: dict[str, torch.Tensor],
    ) -> list[torch.Tensor | None]:
        """Of ``each`` (T, N, width) and ``total`` (N, width), the parts that belong to the control blocks."""
        grads: list[torch.Tensor | None] = []
        for (key, block), need in zip(command.blocks.items(), needs, strict=True):
            if not need:
                grads.append(None)
                continue
            name, start = key
            sequence = key in command.sequences
            whole = each[name] if sequence else total[name]
            part = whole if block.shape[-1] == whole.shape[-1] else whole[..., start : start + block.shape[-1]]
            if block.dim() == 1 + sequence:  # shared by all envs
                part = part.squeeze(-2) if self.n_worlds == 1 else part.sum(-2)
            grads.append(part)
        return grads
