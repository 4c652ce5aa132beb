"""Forward dynamics on the CPU: envs are shared out among threads, each of which runs programs of its own.

States, controls and parameters are read, and results written, where the caller's tensors are: a run tells the programs
the places. For one env and one step, where a call takes as long as the physics, this is done with as little Python as
possible.
"""

import os
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
import torch

from genesis import runtime
from genesis.model.arrays import Model
from genesis.rigid import jacobian, step
from genesis.rigid.command import Command
from genesis.rigid.dynamics import Control, Dynamics, Gradients, Totals
from genesis.rigid.jacobian import Jacobians
from genesis.rigid.native import Program, native_loop
from genesis.rigid.programs import CpuExecutor
from genesis.rigid.step import kernels_of
from genesis.rigid.workspace import COMPONENTS
from genesis.types import load_kernels, real

# Envs times steps below which a call is not worth a second thread: handing work over costs some 50 microseconds.
_WORTH_A_THREAD = 64
_MOST_PER_CORE = 4
# Bases of programs under which they tell how a run went.
_COUNTERS = ("needed", "finite", "unconverged")


class CpuDynamics(Dynamics):
    """Envs are shared out among ``num_threads`` threads; results do not depend on how many there are."""

    def __init__(
        self,
        model: Model,
        n_worlds: int,
        device: torch.device,
        substeps: int = 1,
        gradient_clip: float | None = None,
        num_threads: int = 1,
        executors: list[CpuExecutor] | None = None,
    ):
        self._borrows = executors is not None
        super().__init__(model, n_worlds, device, substeps, gradient_clip)
        self._clip = torch.full((1,), gradient_clip or 0.0, dtype=runtime.tc_float, device=device)
        # More threads than cores help nobody, and each has programs of its own to make.
        self._n_threads = max(1, min(num_threads, _MOST_PER_CORE * (os.cpu_count() or 1)))
        self._pool: ThreadPoolExecutor | None = None
        self._pool_owner = 0
        self._gradients_checked = True
        self._needed_values = self._needed.numpy()
        self._output_kinds: dict[tuple[str, ...], list[tuple[tuple[int, ...], torch.dtype]]] = {}
        self.one_point: dict[str, jacobian.OnePoint] = {}
        self._finite = torch.zeros(n_worlds, dtype=torch.int32, device=device)
        self._finite_values = self._finite.numpy()
        self._unconverged = torch.zeros(n_worlds, dtype=torch.int32, device=device)
        self._unconverged_values = self._unconverged.numpy()
        self.executors = executors if executors is not None else [CpuExecutor(model, substeps, self.rk4)]

    def resized(self, n_worlds: int) -> "CpuDynamics":
        """It shares the programs, which are the same for any number of envs, and so the lock as well."""
        resized = CpuDynamics(self.model, n_worlds, self.device, self.substeps, None, self._n_threads, self.executors)
        resized.lock = self.lock
        return resized

    def _forget_programs(self) -> None:
        # In place, for all who share them.
        self.executors[:] = [CpuExecutor(self.model, self.substeps, self.rk4)]

    def _programs_are_of_model(self) -> bool:
        return self.executors[0].constrained == self.model.constrained

    def _load_kernels(self) -> None:
        if self._borrows:  # whose programs they are has loaded them
            return
        load_kernels("cpu", [*kernels_of(self.model), native_loop])

    def contact_overflow(self) -> tuple[int, int] | None:
        if not self.model.has_contacts or self._needed_values.max() <= self.model.nconmax:
            return None
        return super().contact_overflow()

    # -- runs ---------------------------------------------------------------------------------------------------------

    def run(self, theta, command, state, after, guess, solution, n_steps=1) -> None:
        if self.n_worlds == 1 and n_steps == 1:
            program = self._prepared(self.executors[0].step())
            kept = self._aim(program, theta, command, state)
            cells, cell_of = program.cells, program.cell_of
            cells[cell_of["next"]] = after.data_ptr()
            if self.model.constrained:
                cells[cell_of["guess"]] = guess.data_ptr()
                cells[cell_of["solution"]] = solution.data_ptr()
            program.run(0, 1)
            return
        programs = [self._prepared(executor.step()) for executor in self._executors(n_steps)]
        kept = self._place_inputs(programs, theta, command, state, n_steps)
        for program in programs:
            _place_steps(program, "next", after, after.dim() == 3)
            if self.model.constrained:
                _place_rows(program, "guess", guess)
                _place_steps(program, "solution", solution, solution.dim() == 3)
        self._execute(programs, self.n_worlds, n_steps)
        del kept

    def run_adjoint(
        self,
        theta,
        command,
        state,
        solution,
        final_grad,
        seed,
        needs_theta,
        needs_blocks,
        n_steps=1,
        totals=None,
        first_step=0,
    ) -> Gradients:
        programs = [self._prepared(executor.step_adjoint()) for executor in self._executors(n_steps)]
        if self.n_worlds == 1 and n_steps == 1:
            kept = self._aim(programs[0], theta, command, state)
        else:
            kept = self._place_inputs(programs, theta, command, state, n_steps)
        final_grad = self._empty(self.n_worlds, self.state_size) if final_grad is None else final_grad.contiguous()
        for program in programs:
            _place_rows(program, "final_grad", final_grad)
            if seed is None:
                program.cells[program.cell_of["seed"]] = 0
            else:
                _place_steps(program, "seed", seed, seed.dim() == 3)
            if self.model.constrained:
                _place_steps(program, "solution", solution, solution.dim() == 3)
        gradients = self._adjoint(
            programs, state, theta, command, needs_theta, needs_blocks, n_steps, totals, first_step
        )
        del kept
        return gradients

    def observe(self, names, theta, command, state, guess) -> list[torch.Tensor]:
        if self.n_worlds == 1 and state.dim() == 2:
            return self._observe_one(names, theta, command, state, guess)
        n_states = state.shape[0] if state.dim() == 3 else 1
        programs = [self._prepared(executor.observation(names)) for executor in self._executors(n_states)]
        kept = self._place_inputs(programs, theta, command, state, 1)
        outputs = self._outputs(names, state.shape[:-1])
        for program in programs:
            for i, output in enumerate(outputs):
                _place_steps(program, f"out{i}", output, state.dim() == 3)
            if self.model.constrained:
                _place_rows(program, "guess", guess)
        self._execute(programs, self.n_worlds, n_states)
        del kept
        return outputs

    def _observe_one(self, names, theta, command, state, guess) -> list[torch.Tensor]:
        """Of one env and one state, where only addresses matter, in a hurry."""
        program = self._prepared(self.executors[0].observation(names))
        kept = self._aim(program, theta, command, state)
        outputs = self._outputs(names, (1,))
        cells, cell_of = program.cells, program.cell_of
        for i, output in enumerate(outputs):
            cells[cell_of[f"out{i}"]] = output.data_ptr()
        if self.model.constrained:
            cells[cell_of["guess"]] = guess.data_ptr()
        program.run(0, 1)
        del kept
        return outputs

    def _outputs(self, names: tuple[str, ...], lead: tuple[int, ...]) -> list[torch.Tensor]:
        kinds = self._output_kinds.get(names)
        if kinds is None:
            kinds = self._output_kinds[names] = [
                (step.INT_FIELDS[name](self.model), torch.int32)
                if name in step.INT_FIELDS
                else (self._field_shape(name), runtime.tc_float)
                for name in names
            ]
        return [torch.empty((*lead, *shape), dtype=dtype, device=self.device) for shape, dtype in kinds]

    def observe_adjoint(self, names, theta, command, state, guess, grads, needs_theta, needs_blocks) -> Gradients:
        n_states = state.shape[0] if state.dim() == 3 else 1
        programs = [self._prepared(executor.observation_adjoint(names)) for executor in self._executors(n_states)]
        kept = [self._place_inputs(programs, theta, command, state, 1)]
        grads = [grad if grad is None else grad.contiguous() for grad in grads]
        for program in programs:
            for i, grad in enumerate(grads):
                if grad is None:
                    program.place(f"in{i}", 0)
                else:
                    _place_steps(program, f"in{i}", grad, state.dim() == 3)
            if self.model.constrained:
                _place_rows(program, "guess", guess)
        gradients = self._adjoint(programs, state, theta, command, needs_theta, needs_blocks, n_states, observed=True)
        del kept
        return gradients

    def jacobians(self, theta, command, state, field, parameters=None) -> Jacobians:
        return jacobian.on_cpu(self, theta, command, state, field, parameters)

    def run_rows(
        self,
        program_of: Callable[[CpuExecutor], Program],
        theta: torch.Tensor,
        command: Command,
        state: torch.Tensor,
        places: dict[str, torch.Tensor | None],
        n_steps: int,
    ) -> tuple[int, int] | None:
        """Run a program over the rows of ``state`` (M, nx), which need not be as many as there are envs.

        Returns the first row that found more contacts than there are slots, and how many; None: there is none.

        ``theta`` and the blocks of ``command`` have 1 or M rows. ``places``: where the other bases are, (M, ...), or
        with an axis of steps (M, n_steps, ...); None: nowhere.
        """
        m = state.shape[0]
        needed = torch.zeros(m, dtype=torch.int32, device="cpu")
        programs = [program_of(executor) for executor in self._executors_for(m, n_steps)]
        kept = self._place_inputs([self._prepared(program) for program in programs], theta, command, state, 1, m)
        for program in programs:
            program.owner = None  # the places of counters are those of these rows
            for name in _COUNTERS:
                program.place(name, 0)
            program.place("needed", needed.data_ptr(), needed.element_size())
            for name in self._control_sizes:
                program.place(f"{name}_grad", 0)
            for name, values in places.items():
                if values is None:
                    program.place(name, 0)
                elif values.dim() == 3:
                    item = values.element_size()
                    program.place(name, values.data_ptr(), values.stride(0) * item, values.stride(1) * item)
                else:
                    _place_rows(program, name, values)
        self._execute(programs, m, n_steps)
        del kept
        if self.model.has_contacts and int(needed.max()) > self.model.nconmax:
            row = int(torch.nonzero(needed > self.model.nconmax)[0])
            return row, int(needed[row])
        return None

    def _zero_solution(self) -> torch.Tensor:
        """One row, for all."""
        return self.no_solution()[:1]

    def non_finite_after(self) -> int:
        return int(self._finite_values[0] if self.n_worlds == 1 else self._finite_values.min())

    def gradients_are_finite(self) -> bool:
        return self._gradients_checked and bool(
            (self._finite_values[0] if self.n_worlds == 1 else self._finite_values.min()) == 2
        )

    # -- how ----------------------------------------------------------------------------------------------------------

    def _executors(self, n_steps: int) -> list[CpuExecutor]:
        """As many as a run of so many steps of every env is worth."""
        return self._executors_for(self.n_worlds, n_steps)

    def _executors_for(self, n_rows: int, n_steps: int) -> list[CpuExecutor]:
        share = 1 if n_rows * n_steps < _WORTH_A_THREAD else min(self._n_threads, n_rows)
        while len(self.executors) < share:
            self.executors.append(CpuExecutor(self.model, self.substeps, self.rk4))
        return self.executors if share == len(self.executors) else self.executors[:share]

    def _execute(self, programs: list[Program], n: int, n_steps: int, backwards: bool = False) -> None:
        """``n`` rows, shared out among the programs."""
        steps = (n_steps - 1, n_steps, -1) if backwards else (0, n_steps, 1)
        if len(programs) == 1:
            programs[0].run(0, n, *steps)
            return
        if self._pool is None or self._pool_owner != os.getpid():  # threads do not outlive a fork
            self._pool = ThreadPoolExecutor(self._n_threads - 1, thread_name_prefix="genesis")
            self._pool_owner = os.getpid()
        bounds = [n * k // len(programs) for k in range(len(programs) + 1)]
        others = [
            self._pool.submit(program.run, bounds[k], bounds[k + 1], *steps)
            for k, program in enumerate(programs)
            if k > 0
        ]
        try:
            programs[0].run(bounds[0], bounds[1], *steps)
        finally:
            _wait_for(others)

    def _prepared(self, program: Program) -> Program:
        """With what is in one place for good, or until others who share the program have used it."""
        if program.owner is not self:
            program.owner = self
            program.wanted = None
            for name, values in (
                ("needed", self._needed),
                ("finite", self._finite),
                ("unconverged", self._unconverged),
            ):
                program.place(name, values.data_ptr(), values.element_size())
            program.place("clip", self._clip.data_ptr() if self.gradient_clip is not None else 0)
            program.layout = ()
            for name in self._control_sizes:
                program.place(name, self._zero_controls.data_ptr())
        return program

    def _aim(self, program: Program, theta: torch.Tensor, command: Command, state: torch.Tensor) -> object:
        """``_place_inputs`` for one env and one step, where only addresses matter, in a hurry."""
        blocks = command.blocks
        if program.layout != tuple(blocks) or not self._commands_whole_fields(command):
            return self._place_inputs([program], theta, command, state, 1)
        cells, cell_of = program.cells, program.cell_of
        cells[cell_of["theta"]] = theta.data_ptr()
        cells[cell_of["ctrl_mode"]] = command.mode.data_ptr()
        cells[cell_of["actuator_on"]] = command.actuators_on.data_ptr()
        cells[cell_of["state"]] = state.data_ptr()
        for (name, _), block in blocks.items():
            cells[cell_of[name]] = block.data_ptr()
        return None

    def _place_inputs(
        self,
        programs: list[Program],
        theta: torch.Tensor,
        command: Command,
        state: torch.Tensor,
        n_steps: int,
        n_rows: int | None = None,
    ) -> object:
        """Tell the programs where what they read is. What is returned must outlive the run."""
        controls = None
        if not self._commands_whole_fields(command):
            controls = self._controls(command, n_steps, n_rows)
        for program in programs:
            _place_rows(program, "theta", theta)
            _place_rows(program, "ctrl_mode", command.mode)
            _place_rows(program, "actuator_on", command.actuators_on)
            _place_steps(program, "state", state, state.dim() == 3)
            keys = tuple(command.blocks)
            if program.layout != keys:
                for name in self._control_sizes:
                    program.place(name, self._zero_controls.data_ptr())
                program.layout = keys
            if controls is not None:
                for name, control in controls.items():
                    program.place(name, control.values.data_ptr(), *control.strides())
            else:
                for key, block in command.blocks.items():
                    program.place(key[0], block.data_ptr(), *Control(block, key in command.sequences).strides())
        return controls

    def _commands_whole_fields(self, command: Command) -> bool:
        """Whether each block is all of its field, so that kernels can read it where it is."""
        sizes = self._control_sizes
        for (name, start), block in command.blocks.items():
            if start or block.shape[-1] != sizes[name] or not (block.is_contiguous() or block.stride(-1) == 1):
                return False
        return True

    def _adjoint(
        self,
        programs: list[Program],
        state: torch.Tensor,
        theta: torch.Tensor,
        command: Command,
        needs_theta: bool,
        needs_blocks: list[bool],
        n_steps: int,
        totals: Totals | None = None,
        first_step: int = 0,
        observed: bool = False,
    ) -> Gradients:
        if state.dim() == 2 and n_steps == 1 and self.n_worlds == 1 and self._commands_whole_fields(command):
            return self._adjoint_of_one(programs[0], state, theta, command, needs_theta, needs_blocks)
        own = totals is None
        if totals is None:
            totals = self.totals(theta, command, needs_theta, needs_blocks, n_steps)
        # Of an observation, the gradient of every state; of a run, that of its first.
        state_grad = torch.empty_like(state if observed or state.dim() == 2 else state[0])
        for program, executor in zip(programs, self.executors, strict=False):
            _place_steps(program, "state_grad", state_grad, state_grad.dim() == 3)
            if totals.theta is not None:
                program.place("theta_grad", executor.theta_grad_address)
                _place_rows(program, "theta_total", totals.theta)
            else:
                program.cells[program.cell_of["theta_grad"]] = 0
                program.cells[program.cell_of["theta_total"]] = 0
            for name in self._control_sizes:
                if name in totals.each:
                    _place_steps(program, f"{name}_grad", totals.each[name][first_step:], True)
                else:
                    program.place(f"{name}_grad", 0)
                if name in totals.sum:
                    _place_rows(program, f"{name}_total", totals.sum[name])
                else:
                    program.place(f"{name}_total", 0)
            program.wanted = None
        self._execute(programs, self.n_worlds, n_steps, backwards=True)
        self._gradients_checked = not observed or n_steps == 1  # of several states, the program checks the last
        self._ask_convergence()
        if not own:
            return Gradients(state_grad, None, [])
        return self.gradients(state_grad, totals, theta, command, needs_blocks)

    def _adjoint_of_one(
        self,
        program: Program,
        state: torch.Tensor,
        theta: torch.Tensor,
        command: Command,
        needs_theta: bool,
        needs_blocks: list[bool],
    ) -> Gradients:
        """Of one env and one step, where only addresses matter, in a hurry."""
        cells, cell_of = program.cells, program.cell_of
        state_grad = torch.empty_like(state)
        cells[cell_of["state_grad"]] = state_grad.data_ptr()
        theta_total = None
        if needs_theta:
            theta_total = torch.zeros_like(theta)
            cells[cell_of["theta_grad"]] = self.executors[0].theta_grad_address
            cells[cell_of["theta_total"]] = theta_total.data_ptr()
        else:
            cells[cell_of["theta_grad"]] = cells[cell_of["theta_total"]] = 0
        blocks = command.blocks
        wanted = (*blocks, *needs_blocks)
        if program.wanted != wanted:
            for name in self._control_sizes:
                program.place(f"{name}_grad", 0)
                program.place(f"{name}_total", 0)
            program.wanted = wanted
        grads: list[torch.Tensor | None] = []
        for ((name, _), block), need in zip(blocks.items(), needs_blocks, strict=True):
            if not need:
                grads.append(None)
                continue
            grad = torch.empty(block.shape, dtype=block.dtype)
            cells[cell_of[f"{name}_grad"]] = grad.data_ptr()
            grads.append(grad)
        program.run(0, 1, 0, 1, -1)
        self._gradients_checked = True
        self._ask_convergence()
        return Gradients(state_grad, theta_total, grads)

    def _ask_convergence(self) -> None:
        """Remember the envs in which the constraint solver stopped at its limit of iterations."""
        self.unconverged_envs = []
        if self.model.constrained and self._unconverged_values.any():
            self.unconverged_envs = np.flatnonzero(self._unconverged_values).tolist()

    def _field_shape(self, name: str) -> tuple[int, ...]:
        """Of one env's values, as a tensor."""
        spec = step.FIELDS[name]
        shape = (self.model.nbody,) if name in step.OF_BODIES else spec.shape(self.model)
        if spec.dtype is not real:
            shape = (*shape, COMPONENTS[spec.dtype])
        return (self.model.nconmax, *shape) if spec.per_contact else shape


def _wait_for(others: list[Future]) -> None:
    """Wait until all are done, and only then pass an interrupt on: until then they write to the caller's tensors."""
    interrupt: KeyboardInterrupt | None = None
    for other in others:
        while not other.done():
            try:
                other.exception()
            except KeyboardInterrupt as error:
                interrupt = error
    if interrupt is not None:
        raise interrupt
    for other in others:
        other.result()


def _place_rows(program: Program, name: str, values: torch.Tensor) -> None:
    """(N, ...), or one row for all."""
    stride = values.stride(0) * values.element_size() if values.shape[0] > 1 else 0
    program.place(name, values.data_ptr(), stride)


def _place_steps(program: Program, name: str, values: torch.Tensor, steps: bool) -> None:
    """(N, ...) or, with an axis of steps, (T, N, ...)."""
    if not steps:
        _place_rows(program, name, values)
    else:
        item = values.element_size()
        program.place(name, values.data_ptr(), values.stride(1) * item, values.stride(0) * item)
