"""Forward dynamics of ``n_worlds`` envs as a function of torch tensors, and its adjoint.

    (state, controls, parameters) -> states of the steps that follow;   (state, ...) -> observations of it

Nothing is kept from one call to the next but what makes the next one quick.
"""

import threading
from abc import ABC, abstractmethod
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import mujoco
import numpy as np
import torch
import warp as wp

from genesis.model.arrays import Model
from genesis.rigid import step
from genesis.rigid.command import Command
from genesis.rigid.cpu import CpuExecutor
from genesis.rigid.native import Program
from genesis.rigid.workspace import COMPONENTS, control_sizes, evaluations
from genesis.types import load_kernels, real

# Envs times steps below which a call is not worth a second thread: handing work over costs some 50 microseconds.
_WORTH_A_THREAD = 64


@dataclass(frozen=True)
class Control:
    """A control field of all dofs, actuators or links, as the kernels read it.

    Attributes:
        values: ([T,] [N,] width), contiguous along the last axis
        sequence: whether the first axis is that of the steps
    """

    values: torch.Tensor
    sequence: bool

    def strides(self) -> tuple[int, int]:
        """Bytes from env to env and from step to step."""
        strides = [s * self.values.element_size() for s in self.values.stride()[:-1]]
        step_stride = strides.pop(0) if self.sequence else 0
        return (strides[0] if strides else 0), step_stride


@dataclass(frozen=True)
class Gradients:
    """Of a run's inputs: state (N, nq + nv + na), parameters (N, ntheta) or None, control blocks, each as it is."""

    state: torch.Tensor
    theta: torch.Tensor | None
    blocks: list[torch.Tensor | None]


class Dynamics(ABC):
    """Forward dynamics and integration of ``n_worlds`` copies of a model.

    Args:
        model: the compiled model's arrays
        n_worlds: number of envs N (at least 1)
        device: torch device
        substeps: integration steps of ``model.timestep`` per step

    States are (N, nq + nv + na), or (T, N, nq + nv + na) for the steps of a run; parameters (1 or N, ntheta); the
    constraint solver's solutions (N, solution_size), or (T, N, solution_size).
    """

    def __init__(self, model: Model, n_worlds: int, device: torch.device, substeps: int = 1):
        self.model, self.n_worlds, self.device, self.substeps = model, n_worlds, device, substeps
        self.nq, self.nv, self.na, self.nu, self.nbody = model.nq, model.nv, model.na, model.nu, model.nbody
        self.state_size = self.nq + self.nv + self.na
        self.rk4 = model.integrator == mujoco.mjtIntegrator.mjINT_RK4
        self._control_sizes = control_sizes(model)
        self.warned_of_gradient = self.warned_of_solver = False
        # Held while a run is under way: the work space is shared by all that use the scene.
        self.lock = threading.RLock()
        self.unconverged_envs: list[int] = []
        self._needed = torch.zeros(n_worlds, dtype=torch.int32, device=device)
        load_kernels(wp.device_from_torch(device))

    @property
    def solution_size(self) -> int:
        """Length of an env's solution of the constraint solver, as far as the model has constraints."""
        return evaluations(self.model, self.substeps, self.rk4) * self.nv

    def no_solution(self) -> torch.Tensor:
        """The solution that stands for none, as large as there are constraints."""
        kind = {"dtype": wp.dtype_to_torch(real), "device": self.device}
        return torch.zeros((self.n_worlds, self.solution_size), **kind)

    def require_constraints(self) -> None:
        """Add the constraint stages, where the model was built without any constraint."""
        with self.lock:
            if not self.model.constrained:
                self.model.constrained = True
                self._forget_programs()

    # -- runs ---------------------------------------------------------------------------------------------------------

    @abstractmethod
    def run(
        self,
        theta: torch.Tensor,
        command: Command,
        state: torch.Tensor,
        after: torch.Tensor,
        guess: torch.Tensor,
        solution: torch.Tensor,
        n_steps: int = 1,
    ) -> None:
        """Steps from ``state``; states after each are written to ``after``, solutions to ``solution``.

        With several steps, ``state``, ``after`` and ``solution`` have an axis of steps, and ``after`` of one step is
        ``state`` of the next, in memory as well. ``guess``: (N, solution_size), where the solver starts.
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
    ) -> Gradients:
        """Gradients of a run's inputs.

        ``final_grad``: of the last state after; ``seed``: of every state after, (T, N, ...), None: zero.
        """

    @abstractmethod
    def observe(
        self, names: tuple[str, ...], theta: torch.Tensor, command: Command, state: torch.Tensor, guess: torch.Tensor
    ) -> list[torch.Tensor]:
        """Fields ``names`` at ``state``, (N, ...) each, new tensors."""

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

    def contacts(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Of the last observation: how many contacts each env has, (N,), and the cpair of each, (N, nconmax)."""
        ncon, con_pair = self._contact_numbers
        return ncon[:, 1], con_pair

    _contact_numbers: tuple[torch.Tensor, torch.Tensor]

    def contact_overflow(self) -> tuple[int, int] | None:
        """First env that found more contacts than it has slots, and how many; else None.

        On the CPU of the last run; on CUDA since :meth:`forget_overflow`.
        """
        if not self.model.has_contacts or int(self._needed.max()) <= self.model.nconmax:
            return None
        env = int(torch.nonzero(self._needed > self.model.nconmax)[0])
        return env, int(self._needed[env])

    def forget_overflow(self, envs: torch.Tensor | None = None) -> None:
        """These envs (None: all) begin anew: what they lacked slots for before does not count any more."""
        if envs is None:
            self._needed.zero_()
        else:
            self._needed.index_fill_(0, envs, 0)

    # -- what the executors share -------------------------------------------------------------------------------------

    def _controls(self, command: Command, n_steps: int) -> dict[str, Control]:
        """Each commanded field in full width; what no block covers is zero."""
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
            lead = ([n_steps] if sequence else []) + ([self.n_worlds] if rows else [])
            full = block.new_zeros((*lead, width))
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
            part = whole[..., start : start + block.shape[-1]]
            if block.dim() == 1 + sequence:  # shared by all envs
                part = part.squeeze(-2) if self.n_worlds == 1 else part.sum(-2)
            grads.append(part)
        return grads


class CpuDynamics(Dynamics):
    """Envs are shared out among ``num_threads`` threads; results do not depend on how many there are."""

    def __init__(self, model: Model, n_worlds: int, device: torch.device, substeps: int = 1, num_threads: int = 1):
        super().__init__(model, n_worlds, device, substeps)
        self._n_threads = max(1, min(num_threads, n_worlds))
        self._pool: ThreadPoolExecutor | None = None
        self._needed_values = self._needed.numpy()
        self._unconverged = torch.zeros(n_worlds, dtype=torch.int32, device=device)
        self._unconverged_values = self._unconverged.numpy()
        self._forget_programs()

    def _forget_programs(self) -> None:
        self.executors = [CpuExecutor(self.model, self.substeps, self.rk4)]

    def contact_overflow(self) -> tuple[int, int] | None:
        if not self.model.has_contacts or self._needed_values.max() <= self.model.nconmax:
            return None
        return super().contact_overflow()

    def _execute(self, build, places: list[tuple], n_steps: int = 1, direction: int = 1) -> None:
        """Run the program that ``build`` makes of an executor, for every env and ``n_steps`` steps."""
        n = self.n_worlds
        share = 1 if n * n_steps < _WORTH_A_THREAD else self._n_threads
        while len(self.executors) < share:
            self.executors.append(CpuExecutor(self.model, self.substeps, self.rk4))
        first = 0 if direction > 0 else n_steps - 1
        programs: list[Program] = []
        for executor in self.executors[:share]:
            program = build(executor)
            for place in places:
                program.place(*place)
            programs.append(program)
        if share == 1:
            programs[0].run(0, n, first, n_steps, direction)
            return
        if self._pool is None:
            self._pool = ThreadPoolExecutor(self._n_threads - 1, thread_name_prefix="genesis")
        bounds = [n * k // share for k in range(share + 1)]
        others = [
            self._pool.submit(program.run, bounds[k], bounds[k + 1], first, n_steps, direction)
            for k, program in enumerate(programs)
            if k > 0
        ]
        programs[0].run(bounds[0], bounds[1], first, n_steps, direction)
        for other in others:
            other.result()

    def _inputs(
        self, theta: torch.Tensor, command: Command, controls: dict[str, Control], state: torch.Tensor
    ) -> list[tuple]:
        """Places of what every program reads."""
        places = [
            _rows("theta", theta) if theta.shape[0] > 1 else ("theta", theta.data_ptr(), 0),
            _rows("ctrl_mode", command.mode),
            _rows("actuator_on", command.actuators_on),
            _steps("state", state),
        ]
        for name in self._control_sizes:
            control = controls.get(name)
            if control is None:
                places.append((name, self._zeros().data_ptr()))
            else:
                places.append((name, control.values.data_ptr(), *control.strides()))
        return places

    _zero_row: torch.Tensor | None = None

    def _zeros(self) -> torch.Tensor:
        """A row of zeros that is long enough for every control."""
        if self._zero_row is None:
            kind = {"dtype": wp.dtype_to_torch(real), "device": self.device}
            self._zero_row = torch.zeros(max(self._control_sizes.values()), **kind)
        return self._zero_row

    def run(self, theta, command, state, after, guess, solution, n_steps=1) -> None:
        controls = self._controls(command, n_steps)
        places = self._inputs(theta, command, controls, state)
        places += [_steps("next", after), _rows("guess", guess), _steps("solution", solution)]
        places.append(_rows("needed", self._needed))
        self._execute(CpuExecutor.step, places, n_steps)

    def run_adjoint(
        self, theta, command, state, solution, final_grad, seed, needs_theta, needs_blocks, n_steps=1
    ) -> Gradients:
        controls = self._controls(command, n_steps)
        places = self._inputs(theta, command, controls, state)
        places.append(_steps("solution", solution))
        places.append(_steps("seed", seed) if seed is not None else ("seed", 0))
        final_grad = state.new_zeros((self.n_worlds, self.state_size)) if final_grad is None else final_grad.contiguous()
        places.append(_rows("final_grad", final_grad))
        return self._adjoint(CpuExecutor.step_adjoint, places, theta, command, needs_theta, needs_blocks, n_steps, state)

    def observe(self, names, theta, command, state, guess) -> list[torch.Tensor]:
        outputs = [state.new_empty((self.n_worlds, *self._field_shape(name))) for name in names]
        controls = self._controls(command, 1)  # kept until the end: the places hold addresses
        places = self._inputs(theta, command, controls, state)
        places.append(_rows("guess", guess))
        places += [_rows(f"out{i}", output) for i, output in enumerate(outputs)]
        if self.model.has_contacts:
            kind = {"dtype": torch.int32, "device": self.device}
            ncon = torch.empty((self.n_worlds, 2), **kind)
            con_pair = torch.empty((self.n_worlds, self.model.nconmax), **kind)
            self._contact_numbers = (ncon, con_pair)
            places += [_rows("needed", self._needed), _rows("ncon", ncon), _rows("con_pair", con_pair)]
        self._execute(lambda executor: executor.observation(names), places)
        return outputs

    def observe_adjoint(
        self, names, theta, command, state, guess, grads, needs_theta, needs_blocks
    ) -> Gradients:
        controls = self._controls(command, 1)  # kept until the end: the places hold addresses
        places = self._inputs(theta, command, controls, state)
        places.append(_rows("guess", guess))
        kept = [grad if grad is None else grad.contiguous() for grad in grads]
        places += [_rows(f"in{i}", grad) if grad is not None else (f"in{i}", 0) for i, grad in enumerate(kept)]
        return self._adjoint(
            lambda executor: executor.observation_adjoint(names),
            places, theta, command, needs_theta, needs_blocks, 1, state,
        )

    def _adjoint(self, build, places, theta, command, needs_theta, needs_blocks, n_steps, state) -> Gradients:
        n = self.n_worlds
        state_grad = state.new_empty((n, self.state_size))
        places.append(_rows("state_grad", state_grad))
        theta_total = None
        if needs_theta:
            theta_total = state.new_zeros((n, theta.shape[1]))
            places.append(_rows("theta_total", theta_total))
        each: dict[str, torch.Tensor] = {}
        total: dict[str, torch.Tensor] = {}
        for (key, _), need in zip(command.blocks.items(), needs_blocks, strict=True):
            name, width = key[0], self._control_sizes[key[0]]
            if need and key in command.sequences and name not in each:
                each[name] = state.new_empty((n_steps, n, width))
            elif need and key not in command.sequences and name not in total:
                total[name] = state.new_zeros((n, width))
        for name in self._control_sizes:
            places.append(_steps(f"{name}_grad", each[name]) if name in each else (f"{name}_grad", 0))
            places.append(_rows(f"{name}_total", total[name]) if name in total else (f"{name}_total", 0))
        if self.model.constrained:
            places.append(_rows("unconverged", self._unconverged))

        def with_theta(executor):
            program = build(executor)
            program.place("theta_grad", executor.theta_grad_address if needs_theta else 0)
            if not needs_theta:
                program.place("theta_total", 0)
            return program

        self._execute(with_theta, places, n_steps, direction=-1)
        self.unconverged_envs = []
        if self.model.constrained and self._unconverged_values.any():
            self.unconverged_envs = np.flatnonzero(self._unconverged_values).tolist()
        if theta_total is not None and theta.shape[0] == 1 and n > 1:
            theta_total = theta_total.sum(0, keepdim=True)
        return Gradients(state_grad, theta_total, self._block_gradients(command, needs_blocks, each, total))

    def _field_shape(self, name: str) -> tuple[int, ...]:
        """Of one env's values, as a tensor."""
        spec = step.FIELDS[name]
        shape = spec.shape(self.model)
        if spec.dtype is not real:
            shape = (*shape, COMPONENTS[spec.dtype])
        return (self.model.nconmax, *shape) if spec.per_contact else shape


def _rows(name: str, values: torch.Tensor) -> tuple[str, int, int]:
    """Place of (N, ...)."""
    return name, values.data_ptr(), values.stride(0) * values.element_size()


def _steps(name: str, values: torch.Tensor) -> tuple[str, int, int, int]:
    """Place of (N, ...) or, with an axis of steps, (T, N, n)."""
    item = values.element_size()
    if values.dim() == 2:
        return name, values.data_ptr(), values.stride(0) * item, 0
    return name, values.data_ptr(), values.stride(1) * item, values.stride(0) * item
