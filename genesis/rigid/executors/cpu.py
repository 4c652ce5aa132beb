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
from genesis.rigid.command import SWITCHES, Command, Switches
from genesis.rigid.door import native
from genesis.rigid.executors.dynamics import Control, Dynamics, Gradients, Totals
from genesis.rigid.executors.native import Program, native_loop, require_packed_arguments
from genesis.rigid.executors.programs import COUNTERS, CpuExecutor
from genesis.rigid.outcome import ALL_WELL, Outcome, crowded_rows
from genesis.rigid.pipeline.fields import FIELDS, INT_FIELDS, OF_BODIES
from genesis.rigid.pipeline.step import kernels_of
from genesis.rigid.pipeline.workspace import COMPONENTS
from genesis.types import load_kernels, real

# Envs times steps below which a call is not worth a second thread: handing work over costs some 50 microseconds.
_WORTH_A_THREAD = 64
_MOST_PER_CORE = 4
_NOT_HELD = (None, None)


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
        self._needed_values = self._needed.numpy()
        self.kept: dict[str, object] = {}  # what others keep for as long as the programs are these
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

    def _size_controls(self) -> None:
        super()._size_controls()
        self._output_kinds: dict[tuple[str, ...], list[tuple[tuple[int, ...], torch.dtype]]] = {}

    def _forget_programs(self) -> None:
        # In place, for all who share them.
        self.executors[:] = [CpuExecutor(self.model, self.substeps, self.rk4)]

    def _programs_are_of_model(self) -> bool:
        return self.executors[0].revision == self.model.revision

    def _load_kernels(self) -> None:
        if self._borrows:  # whose programs they are has loaded them
            return
        load_kernels("cpu", [*kernels_of(self.model), native_loop])
        require_packed_arguments()

    # -- runs ---------------------------------------------------------------------------------------------------------

    def run(self, theta, command, state, after, guess, solution, n_steps=1) -> Outcome:
        if self.n_worlds == 1 and n_steps == 1:
            program = self._prepared(self.executors[0].step())
            kept = self._aim(program, theta, command, state)
            program.point("next", after)
            if self.model.constrained:
                program.point("guess", guess)
                program.point("solution", solution)
            program.run(0, 1)
            del kept
            if self._finite_values[0] and self._needed_values[0] <= self.model.nconmax:
                return ALL_WELL
            return self._outcome(1)
        programs = [self._prepared(executor.step()) for executor in self._executors(n_steps)]
        kept = self._place_inputs(programs, theta, command, state)
        for program in programs:
            program.place("next", after, _axes_of(after))
            if self.model.constrained:
                program.place("guess", guess)
                program.place("solution", solution, _axes_of(solution))
        self._execute(programs, self.n_worlds, n_steps)
        del kept
        return self._outcome(n_steps)

    def _outcome(self, n_steps: int | None) -> Outcome:
        """Of a run of so many steps; None: of an observation, which does not count them."""
        found, diverged = {}, {}
        if self.model.has_contacts and self._needed_values.max() > self.model.nconmax:
            found = crowded_rows(self._needed, self.model.nconmax)
        if n_steps is not None and self._finite_values.min() < n_steps:
            rows = np.flatnonzero(self._finite_values < n_steps).tolist()
            diverged = {row: int(self._finite_values[row]) for row in rows}
        return Outcome(found, diverged) if found or diverged else ALL_WELL

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
            kept = self._place_inputs(programs, theta, command, state)
        final_grad = self._empty(self.n_worlds, self.state_size) if final_grad is None else native(final_grad)
        seed = None if seed is None else native(seed)
        for program in programs:
            program.place("final_grad", final_grad)
            program.place("seed", seed, "steps rows")
            if self.model.constrained:
                program.place("solution", solution, _axes_of(solution))
        gradients = self._adjoint(
            programs, state, theta, command, needs_theta, needs_blocks, n_steps, totals, first_step
        )
        del kept
        return gradients

    def observe(self, names, theta, command, state, guess) -> tuple[list[torch.Tensor], Outcome]:
        if self.n_worlds == 1 and state.dim() == 2:
            return self._observe_one(names, theta, command, state, guess)
        n_states = state.shape[0] if state.dim() == 3 else 1
        programs = [self._prepared(executor.observation(names)) for executor in self._executors(n_states)]
        kept = self._place_inputs(programs, theta, command, state)
        outputs = self._outputs(names, state.shape[:-1])
        axes = _axes_of(state)
        for program in programs:
            for i, output in enumerate(outputs):
                program.place(f"out{i}", output, axes)
            if self.model.constrained:
                program.place("guess", guess)
        self._execute(programs, self.n_worlds, n_states)
        del kept
        return outputs, self._outcome(None)

    def _observe_one(self, names, theta, command, state, guess) -> tuple[list[torch.Tensor], Outcome]:
        """Of one env and one state, in a hurry."""
        program = self._prepared(self.executors[0].observation(names))
        kept = self._aim(program, theta, command, state)
        outputs = self._outputs(names, (1,))
        for i, output in enumerate(outputs):
            program.point(f"out{i}", output)
        if self.model.constrained:
            program.point("guess", guess)
        program.run(0, 1)
        del kept
        return outputs, ALL_WELL if self._needed_values[0] <= self.model.nconmax else self._outcome(None)

    def _outputs(self, names: tuple[str, ...], lead: tuple[int, ...]) -> list[torch.Tensor]:
        kinds = self._output_kinds.get(names)
        if kinds is None:
            kinds = self._output_kinds[names] = [
                (INT_FIELDS[name](self.model), torch.int32)
                if name in INT_FIELDS
                else (self._field_shape(name), runtime.tc_float)
                for name in names
            ]
        return [torch.empty((*lead, *shape), dtype=dtype, device=self.device) for shape, dtype in kinds]

    def observe_adjoint(self, names, theta, command, state, guess, grads, needs_theta, needs_blocks) -> Gradients:
        n_states = state.shape[0] if state.dim() == 3 else 1
        programs = [self._prepared(executor.observation_adjoint(names)) for executor in self._executors(n_states)]
        kept = [self._place_inputs(programs, theta, command, state)]
        discrete = self.executors[0].space.integers
        grads = [
            None if grad is None or name in discrete else native(grad) for name, grad in zip(names, grads, strict=True)
        ]
        axes = _axes_of(state)
        for program in programs:
            for i, grad in enumerate(grads):
                program.place(f"in{i}", grad, axes)
            if self.model.constrained:
                program.place("guess", guess)
        gradients = self._adjoint(programs, state, theta, command, needs_theta, needs_blocks, n_states, observed=True)
        del kept
        return gradients

    def run_rows(
        self,
        program_of: Callable[[CpuExecutor], Program],
        theta: torch.Tensor,
        command: Command,
        state: torch.Tensor,
        places: dict[str, torch.Tensor | None],
        n_steps: int,
    ) -> dict[int, int]:
        """Run a program over the rows of ``state`` (M, nx), which need not be as many as there are envs.

        Returns what `Outcome.crowded` is, of the rows.

        ``theta`` and the blocks of ``command`` have 1 or M rows. ``places``: where the other bases are, (M, ...), or
        with an axis of steps (M, n_steps, ...); None: nowhere.
        """
        m = state.shape[0]
        needed = torch.zeros(m, dtype=torch.int32, device="cpu")
        programs = [program_of(executor) for executor in self._executors_for(m, n_steps)]
        kept = self._place_inputs([self._prepared(program) for program in programs], theta, command, state, m)
        for program in programs:
            program.owner = None  # the places of counters are those of these rows
            for name in COUNTERS:
                program.place(name, None)
            program.place("needed", needed)
            for name, values in places.items():
                if values is not None and values.dim() == 3:
                    program.place(name, values, "rows steps")
                else:
                    program.place(name, values)
        self._execute(programs, m, n_steps)
        del kept
        return crowded_rows(needed, self.model.nconmax) if self.model.has_contacts else {}

    def _zero_solution(self) -> torch.Tensor:
        """One row, for all."""
        return self.no_solution()[:1]

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
            program.forget()
            program.owner = self
            program.wanted = None
            for name, values in zip(COUNTERS, (self._needed, self._finite, self._unconverged), strict=True):
                program.place(name, values)
            if program.has("clip"):
                program.place("clip", self._clip if self.gradient_clip is not None else None, "")
            program.layout, program.held = None, _NOT_HELD  # neither controls nor what changes seldom
        return program

    def _place_no_controls(self, program: Program) -> None:
        for name in self._control_sizes:
            program.place(name, self._at_rest[name], "")

    def _aim(self, program: Program, theta: torch.Tensor, command: Command, state: torch.Tensor) -> object:
        """``_place_inputs`` for one env and one step, in a hurry."""
        blocks = command.blocks
        if program.layout != tuple(blocks):
            return self._place_inputs([program], theta, command, state)
        for (name, start), block in blocks.items():
            if start or not program.points(name, block):  # not all of its field, or not as kernels read it
                return self._place_inputs([program], theta, command, state)
        program.point("state", state)
        known, switches = program.held, command.switches
        if known[0] is not theta or known[1] is not switches:
            program.point("theta", theta)
            for name, switch in zip(SWITCHES, switches, strict=True):
                if not program.points(name, switch):
                    return self._place_inputs([program], theta, command, state)
            program.held = _held(theta, switches)
        return None

    def _place_inputs(
        self,
        programs: list[Program],
        theta: torch.Tensor,
        command: Command,
        state: torch.Tensor,
        n_rows: int | None = None,
    ) -> object:
        """Tell the programs where what they read is. What is returned must outlive the run."""
        if self._commands_whole_fields(command):
            controls = {
                name: Control(block, (name, start) in command.sequences)
                for (name, start), block in command.blocks.items()
            }
        else:
            steps = {block.shape[0] for key, block in command.blocks.items() if key in command.sequences}
            controls = self._controls(command, max(steps, default=1), n_rows)
        keys = tuple(command.blocks)
        axes = _axes_of(state)
        switches = command.switches
        full = self.full_switches(switches)
        for program in programs:
            known = program.held
            if known[0] is not theta or known[1] is not switches:
                program.place("theta", theta)
                for name, switch in zip(SWITCHES, full, strict=True):
                    program.place(name, switch)
                program.held = _held(theta, switches) if full is switches else _NOT_HELD
            program.place("state", state, axes)
            if program.layout != keys:
                self._place_no_controls(program)
                program.layout = keys
            for name, control in controls.items():
                program.place(name, control.values, control.axes)
        return controls, full

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
        shape = state.shape if observed or state.dim() == 2 else state.shape[1:]
        state_grad = torch.empty(shape, dtype=state.dtype, device=state.device)
        for program, executor in zip(programs, self.executors, strict=False):
            program.place("state_grad", state_grad, _axes_of(state_grad))
            program.place("theta_grad", None if totals.theta is None else executor.theta_grad, "")
            program.place("theta_total", totals.theta)
            for name in self._control_sizes:
                each = totals.each.get(name)
                program.place(f"{name}_grad", None if each is None else each[first_step:], "steps rows")
                program.place(f"{name}_total", totals.sum.get(name))
            program.wanted = None
        self._execute(programs, self.n_worlds, n_steps, backwards=True)
        # Of several observed states, the program looks at the last.
        finite = (not observed or n_steps == 1) and bool(self._finite_values.min() == 2)
        unconverged = self._unconverged_rows()
        if not own:
            return Gradients(state_grad, None, [], unconverged, finite)
        return self.gradients(state_grad, totals, theta, command, needs_blocks, unconverged, finite)

    def _adjoint_of_one(
        self,
        program: Program,
        state: torch.Tensor,
        theta: torch.Tensor,
        command: Command,
        needs_theta: bool,
        needs_blocks: list[bool],
    ) -> Gradients:
        """Of one env and one step, in a hurry."""
        state_grad = torch.empty_like(state)
        program.point("state_grad", state_grad)
        theta_total = None
        if needs_theta:
            theta_total = torch.zeros_like(theta)
            program.point("theta_grad", self.executors[0].theta_grad)
            program.point("theta_total", theta_total)
        else:
            program.place("theta_grad", None)
            program.place("theta_total", None)
        blocks = command.blocks
        wanted = (*blocks, *needs_blocks)
        if program.wanted != wanted:
            for name in self._control_sizes:
                program.place(f"{name}_grad", None)
                program.place(f"{name}_total", None)
            program.wanted = wanted
        grads: list[torch.Tensor | None] = []
        for ((name, _), block), need in zip(blocks.items(), needs_blocks, strict=True):
            if not need:
                grads.append(None)
                continue
            grad = torch.empty(block.shape, dtype=block.dtype)
            program.point(f"{name}_grad", grad)
            grads.append(grad)
        program.run(0, 1, 0, 1, -1)
        return Gradients(state_grad, theta_total, grads, self._unconverged_rows(), bool(self._finite_values[0] == 2))

    def _unconverged_rows(self) -> list[int]:
        """Of the run that has just ended: envs in which the constraint solver stopped at its limit of iterations."""
        if not self.model.constrained or not self._unconverged_values.any():
            return []
        return np.flatnonzero(self._unconverged_values).tolist()

    def _field_shape(self, name: str) -> tuple[int, ...]:
        """Of one env's values, as a tensor."""
        spec = FIELDS[name]
        shape = (self.model.nbody,) if name in OF_BODIES else spec.shape(self.model)
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


def _held(theta: torch.Tensor, switches: Switches) -> tuple[object, object]:
    """What a program may be taken to have placed already, when it comes again: it is held until then.

    Parameters with a graph are not: what they were computed from would be held as well.
    """
    return _NOT_HELD if theta.requires_grad else (theta, switches)


def _axes_of(values: torch.Tensor) -> str:
    """(N, ...) or, with an axis of steps, (T, N, ...)."""
    return "steps rows" if values.dim() == 3 else "rows"
