"""Steps and observations as captured graphs over all envs at once: how a GPU runs them.

There is a row of work space for every env, neighbouring envs adjacent in memory, and a kernel runs over all of them. A
step, an observation and their adjoints are one graph each; a run of many steps replays it. Between replays inputs are
copied in and results out, and nothing waits for the device.
"""

import threading
from collections.abc import Callable

import torch
import warp as wp

from genesis import runtime
from genesis.constants import LARGEST_STATE
from genesis.model.arrays import Model
from genesis.rigid.command import CONTROL_FIELDS, SWITCHES, Command
from genesis.rigid.door import address, require_strides
from genesis.rigid.executors.dynamics import Control, Dynamics, Gradients, Totals
from genesis.rigid.outcome import ALL_WELL, Outcome, crowded_rows
from genesis.rigid.pipeline.arguments import adjoint_arguments, launchable
from genesis.rigid.pipeline.binding import Act, Binder, Launch, adjoint_walk
from genesis.rigid.pipeline.fields import INT_FIELDS, OF_BODIES
from genesis.rigid.pipeline.workspace import STATE, Workspace, switch_sizes, theta_element

# The extent of a Warp array is a 32-bit number.
_LONGEST = 2**30

# Warp captures into one graph of a device at a time, whichever thread asks.
_capturing = threading.Lock()


class GraphDynamics(Dynamics):
    """Forward dynamics by captured graphs; for CUDA, and for the CPU in tests of this very code."""

    def __init__(
        self,
        model: Model,
        n_worlds: int,
        device: torch.device,
        substeps: int = 1,
        gradient_clip: float | None = None,
    ):
        super().__init__(model, n_worlds, device, substeps, gradient_clip)
        self._forget_programs()

    def _forget_programs(self) -> None:
        n, m, device = self.n_worlds, self.model, self.device
        self._wp_device = wp.device_from_torch(device)
        assert device.type == "cuda" or runtime.any_stride, "on the CPU kernels know the stride"
        self.space = Workspace(m, n, self.substeps, self.rk4, device, rows_adjacent=True)
        self._needed = self.space.integers["ncon_needed"][:, 0]
        self._modes = {
            name: torch.zeros((n, width), dtype=torch.int32, device=device) for name, width in switch_sizes(m).items()
        }
        self._mode_arrays = {name: wp.from_torch(values, dtype=wp.int32) for name, values in self._modes.items()}
        self._binder = Binder(m, self.substeps, self._array, lambda name: self._array(name).grad)
        self._theta_rows = 0
        self._theta_arrays: dict[str, wp.array] = {}
        self._graphs: dict[object, object] = {}
        self._solution = self.space.block.columns("solution@0", self.solution_size) if self.solution_size else None

    # -- arrays -------------------------------------------------------------------------------------------------------

    def _array(self, name: str) -> wp.array:
        for arrays in (self._mode_arrays, self._theta_arrays):
            if name in arrays:
                return arrays[name]
        return self.space.arrays[name]

    def _bind_theta(self, rows: int) -> None:
        """Buffers for parameters of 1 row, which all envs read, or N; graphs captured before are void."""
        if rows == self._theta_rows:
            return
        self._theta_rows = rows
        self._theta = self._empty(rows, self.model.ntheta)
        self._theta_grad = self._empty(rows, self.model.ntheta)
        item = self._theta.element_size()
        row = 0 if rows == 1 else self.model.ntheta * item
        for name, spec in (self.model.theta_fields | self.model.theta_views).items():
            dtype, shape = theta_element(name, spec.shape)
            strides: list[int] = []
            size = item * (spec.size // max(1, torch.Size(shape).numel()) if shape else spec.size)
            for extent in reversed(shape):
                strides.insert(0, size)
                size *= max(extent, 1)

            require_strides((row, *strides), name)

            def view(buffer: torch.Tensor, offset=spec.offset, dtype=dtype, shape=shape, strides=strides) -> wp.array:
                return wp.array(
                    ptr=address(buffer, runtime.tc_float) + offset * item,
                    dtype=dtype,
                    shape=(self.n_worlds, *shape),
                    strides=(row, *strides),
                    device=self._wp_device,
                )

            array = view(self._theta)
            array.grad = view(self._theta_grad)
            self._theta_arrays[name] = array
        self._graphs.clear()

    # -- graphs -------------------------------------------------------------------------------------------------------

    def _graph(self, key: object, build: Callable[[], None]):
        if key not in self._graphs:
            with _capturing, wp.ScopedCapture(device=self._wp_device) as capture:
                build()
            self._graphs[key] = capture.graph
        return self._graphs[key]

    def _replay(self, graph) -> None:
        stream = wp.stream_from_torch(torch.cuda.current_stream(self.device)) if self.device.type == "cuda" else None
        wp.capture_launch(graph, stream=stream)

    def _launch(self, calls: list[tuple]) -> None:
        for kernel, arguments, adjoint in calls:
            more = adjoint_arguments(arguments) if adjoint else {}
            inputs = [launchable(argument) for argument in arguments]
            wp.launch(kernel, dim=self.n_worlds, inputs=inputs, device=self._wp_device, record_tape=False, **more)

    def _forward(self, launches: list[Launch]) -> None:
        for launch in launches:
            self._launch(launch.forward())

    def _adjoint(self, launches: list[Launch]) -> None:
        for launch in reversed(launches):
            self._launch(launch.adjoint())

    def _zero(self, buffer: torch.Tensor, start: int = 0, end: int | None = None) -> None:
        for part in buffer[start:end].split(_LONGEST):
            if part.numel():
                wp.from_torch(part).zero_()

    def _build_step(self) -> None:
        for segment in self._binder.segments(False):
            self._forward(segment)

    def _build_step_adjoint(self) -> None:
        block, contacts = self.space.block, self.space.contacts
        work, end = block.start(self.space.first_work_field), block.start(self.space.first_observed_field)
        self._zero(block.grad, 0, end)
        for act, launch in adjoint_walk(self._binder.segments(True)):
            if act is Act.ZERO_WORK:
                self._zero(block.grad, work, end)
            elif act is Act.ZERO_CONTACTS:
                self._zero(contacts.grad)
            elif launch is not None:
                self._launch(launch.forward() if act is Act.FORWARD else launch.adjoint())

    # -- inputs -------------------------------------------------------------------------------------------------------

    def _load(self, theta: torch.Tensor, command: Command, n_steps: int) -> dict[str, Control]:
        """Copy in what holds for all steps; the control fields as the kernels want them."""
        shared = theta.shape[0] == 1 or theta.stride(0) == 0
        self._bind_theta(1 if shared else self.n_worlds)
        self._theta.copy_(theta[:1] if shared else theta)
        for name, switch in zip(SWITCHES, self.full_switches(command.switches), strict=True):
            self._modes[name].copy_(switch)
        controls = self._controls(command, n_steps)
        for name in CONTROL_FIELDS:
            if name not in controls:
                self.space.view(name).copy_(self._at_rest[name])
            elif not controls[name].sequence:
                self.space.view(name).copy_(controls[name].values)
        return controls

    def _load_step(self, controls: dict[str, Control], t: int) -> None:
        for name, control in controls.items():
            if control.sequence:
                self.space.view(name).copy_(control.values[t])

    def _state(self, gradient: bool = False) -> torch.Tensor:
        return self.space.block.columns(f"{STATE[0]}@0", self.state_size, gradient)

    def _after(self, gradient: bool = False) -> torch.Tensor:
        return self.space.after.columns(f"{STATE[0]}@{self.substeps}", self.state_size, gradient)

    def _load_solution(self, solution: torch.Tensor) -> None:
        if self._solution is not None:
            self._solution.copy_(solution)

    def _begin(self) -> None:
        if self.device.type == "cpu":  # on CUDA nobody has asked yet
            self.forget_lost_contacts()

    # -- runs ---------------------------------------------------------------------------------------------------------

    def run(self, theta, command, state, after, guess, solution, n_steps=1) -> Outcome:
        controls = self._load(theta, command, n_steps)
        graph = self._graph("step", self._build_step)
        self._begin()
        self._load_solution(guess)
        self._state().copy_(state[0] if state.dim() == 3 else state)
        on_cpu = self.device.type == "cpu"
        good = torch.zeros(self.n_worlds, dtype=torch.int32, device=self.device)
        right = torch.ones(self.n_worlds, dtype=torch.bool, device=self.device)
        for t in range(n_steps):
            self._load_step(controls, t)
            self._replay(graph)
            result = self._after()
            (after[t] if after.dim() == 3 else after).copy_(result)
            if on_cpu:
                right &= self._means_something(result)
                good += right
            if self._solution is not None:
                (solution[t] if solution.dim() == 3 else solution).copy_(self._solution)
            if t < n_steps - 1:
                self._state().copy_(result)
        if not on_cpu:
            return ALL_WELL
        diverged = {int(row): int(good[row]) for row in torch.nonzero(~right)}
        return Outcome(self._crowded(), diverged)

    def _means_something(self, state: torch.Tensor) -> torch.Tensor:
        """(N,) whether a state, and the accelerations that led to it, are not beyond what a simulation can mean."""
        motion, act = state[:, : self.nq + self.nv], state[:, self.nq + self.nv :]
        right = (motion.abs() <= LARGEST_STATE).all(1) & act.isfinite().all(1)
        if self.rk4:
            first = [self.space.view(f"qacc@{s}.0") for s in range(self.substeps)]
        else:
            first = [self.space.view("qacc")]  # of the last substep
        for qacc in first:
            right &= (qacc.abs() <= LARGEST_STATE).all(1)
        return right

    def _crowded(self) -> dict[int, int]:
        if not self.model.has_contacts or self.device.type != "cpu":
            return {}
        return crowded_rows(self._needed, self.model.nconmax)

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
        controls = self._load(theta, command, n_steps)
        graph = self._graph("step adjoint", self._build_step_adjoint)
        own = totals is None
        if totals is None:
            totals = self.totals(theta, command, needs_theta, needs_blocks, n_steps)
        self.space.integers["solver_unconverged"].zero_()
        gradient = self._empty(self.n_worlds, self.state_size) if final_grad is None else final_grad
        for t in reversed(range(n_steps)):
            self._load_step(controls, t)
            self._state().copy_(state[t] if state.dim() == 3 else state)
            self._load_solution(solution[t] if solution is not None and solution.dim() == 3 else solution)
            after = self._after(gradient=True)
            after.copy_(gradient)
            if seed is not None:
                after.add_(seed[t])
            self._theta_grad.zero_()
            self._replay(graph)
            gradient = self._clipped(self._state(gradient=True))
            self._gather(totals, first_step + t)
        unconverged = self._unconverged_rows()
        if own:
            return self.gradients(gradient.clone(), totals, theta, command, needs_blocks, unconverged, False)
        return Gradients(gradient.clone(), None, [], unconverged, False)

    def _clipped(self, gradient: torch.Tensor) -> torch.Tensor:
        if self.gradient_clip is None:
            return gradient
        largest = gradient.abs().amax(1, keepdim=True).clamp(min=torch.finfo(gradient.dtype).tiny)
        direction = gradient / largest
        length = torch.linalg.vector_norm(direction, dim=1, keepdim=True)  # finite, where the norm itself may not be
        clipped = direction * (self.gradient_clip / length)
        return torch.where(
            gradient.isfinite().all(1, keepdim=True) & (largest * length > self.gradient_clip), clipped, gradient
        )

    def observe(self, names, theta, command, state, guess) -> tuple[list[torch.Tensor], Outcome]:
        self._load(theta, command, 1)

        def build() -> None:
            self._forward(self._binder.observation(names, False))

        graph = self._graph(names, build)
        self._begin()
        found: list[list[torch.Tensor]] = []
        for one in state if state.dim() == 3 else (state,):
            self._state().copy_(one)
            self._load_solution(guess)
            self._replay(graph)
            found.append([self._field(name).clone() for name in names])
        values = [torch.stack(v) for v in zip(*found, strict=True)] if state.dim() == 3 else found[0]
        lost = self._crowded()
        return values, Outcome(lost) if lost else ALL_WELL

    def observe_adjoint(self, names, theta, command, state, guess, grads, needs_theta, needs_blocks) -> Gradients:
        self._load(theta, command, 1)

        def build() -> None:
            launches = self._binder.observation(names, True)
            self._forward(launches)
            self._adjoint(launches)

        graph = self._graph(("adjoint", *names), build)
        totals = self.totals(theta, command, needs_theta, needs_blocks)
        self.space.integers["solver_unconverged"].zero_()
        several = state.dim() == 3
        state_grad = torch.empty_like(state)
        for t in range(state.shape[0] if several else 1):
            self._state().copy_(state[t] if several else state)
            self._load_solution(guess)
            for block in (self.space.block, self.space.contacts, self.space.after):
                assert block.grad is not None
                block.grad.zero_()
            self._theta_grad.zero_()
            for name, grad in zip(names, grads, strict=True):
                if grad is not None and name not in self.space.integers:
                    self._observed(self.space.view(name, gradient=True), name).copy_(grad[t] if several else grad)
            self._replay(graph)
            (state_grad[t] if several else state_grad).copy_(self._state(gradient=True))
            self._gather(totals, 0)
        unconverged = self._unconverged_rows()
        return self.gradients(state_grad, totals, theta, command, needs_blocks, unconverged, False)

    def _field(self, name: str) -> torch.Tensor:
        if name in INT_FIELDS:
            return self.space.integers[name]
        return self._observed(self.space.view(name), name)

    def _observed(self, view: torch.Tensor, name: str) -> torch.Tensor:
        return view[:, : self.model.nbody] if name in OF_BODIES else view

    def _gather(self, totals: Totals, t: int) -> None:
        """Add what a step's adjoint has left. Parameters that are shared have one gradient, in the first row."""
        if totals.theta is not None:
            totals.theta[: self._theta_rows] += self._theta_grad
        for name, each in totals.each.items():
            each[t] = self.space.view(name, gradient=True)
        for name, total in totals.sum.items():
            total += self.space.view(name, gradient=True)

    def _unconverged_rows(self) -> list[int]:
        if self.device.type != "cpu" or not self.model.constrained:
            return []
        return torch.nonzero(self.space.integers["solver_unconverged"][:, 0]).flatten().tolist()
