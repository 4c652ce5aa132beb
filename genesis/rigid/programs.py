"""Steps and observations on the CPU: one row of work space, one env after the other, kernels run by a native loop.

States, controls and parameters are read, and results written, where the caller's tensors are. A thread has an executor
of its own.
"""

import torch
import warp as wp

from genesis.model.arrays import Model
from genesis.rigid.binding import Binder, Launch
from genesis.rigid.command import CONTROL_FIELDS
from genesis.rigid.native import At, Kernel, Moving, Program, add, clip, copy, count_finite, zero, zero_counted
from genesis.rigid.step import OF_BODIES
from genesis.rigid.workspace import STATE, Workspace, control_sizes, evaluations, theta_element
from genesis.types import real

# Bases of a step's programs that lie elsewhere at each step.
_OF_STEPS = frozenset(
    {"state", "next", "solution", "seed", *CONTROL_FIELDS, *(f"{name}_grad" for name in CONTROL_FIELDS)}
)
# Likewise of the programs of Jacobians, whose steps are the rows of the matrix.
_OF_SEEDS = frozenset(
    {"seed", "state_grad", "qacc_grad", "act_dot_grad", "theta_grad", *(f"{name}_grad" for name in CONTROL_FIELDS)}
)


class CpuExecutor:
    """Compiles and keeps the programs of one thread.

    The bases of the programs, all per env: ``state`` and ``next`` (nq + nv + na), ``theta``, ``ctrl_mode``,
    ``actuator_on`` and the control fields; ``guess`` and ``solution`` of the constraint solver. Results: ``needed``,
    contacts found at most, and ``finite``, after how many steps the state was; of observations ``out0``, ``out1``, ...

    Of adjoints: ``final_grad`` (of the last step's result), ``seed`` (of each step's result, beside what later steps
    give), ``clip`` (the largest norm of the gradient that leaves a step, if any), ``in0``, ``in1``, ... (of an
    observation's fields). Results: ``state_grad``; ``<control>_grad`` (of each step) and ``<control>_total`` (summed
    over steps); ``theta_total`` (likewise; with ``theta_grad``, which holds one step's); ``unconverged``; ``finite``, 2
    if the gradients are.
    """

    def __init__(self, model: Model, substeps: int, rk4: bool):
        self._model, self._substeps = model, substeps
        self.constrained = model.constrained  # whether these are programs with constraints
        self._rk4 = rk4
        self.space = self._new_space()
        self._segment_spaces = [self.space]
        self._item = self.space.block.item
        self._theta_grad = torch.zeros(model.ntheta, dtype=self.space.block.data.dtype, device="cpu")
        self.theta_grad_address = self._theta_grad.data_ptr()
        self._state_size = model.nq + model.nv + model.na
        self._evaluations = evaluations(model, substeps, rk4)
        self._binder = Binder(model, substeps, self._array, lambda name: self.space.arrays[name].grad)
        self._programs: dict[object, Program] = {}
        self._finite = torch.zeros(1, dtype=torch.int32, device="cpu")

    # -- arrays and places --------------------------------------------------------------------------------------------

    def _array(self, name: str) -> wp.array | Moving:
        """What a kernel is given: a place in the caller's tensors, or an array of the work space."""
        model, item = self._model, self._item
        field, _, slot = name.partition("@")
        if field in STATE and slot == "0":
            starts = {"qpos": 0, "qvel": model.nq, "act": model.nq + model.nv}
            sizes = {"qpos": model.nq, "qvel": model.nv, "act": model.na}
            return Moving((sizes[field],), real, At("state", starts[field] * item), self._gradient_of(name))
        if name in CONTROL_FIELDS:
            return Moving((control_sizes(model)[name],), real, At(name), self._gradient_of(name))
        if name in ("ctrl_mode", "actuator_on"):
            return Moving((model.nv if name == "ctrl_mode" else model.nu,), wp.int32, At(name))
        if name in model.theta_fields:
            spec = model.theta_fields[name]
            dtype, shape = theta_element(name, spec.shape)
            offset = spec.offset * item
            return Moving(shape, dtype, At("theta", offset), At("theta_grad", offset))
        return self.space.arrays[name]

    def _new_space(self) -> Workspace:
        return Workspace(self._model, 1, self._substeps, self._rk4, torch.device("cpu"), rows_adjacent=False)

    def _binder_in(self, space: Workspace) -> Binder:
        """Binds stages to the fields of ``space``, and to this one's slots: what goes from segment to segment."""
        shared = (*CONTROL_FIELDS, "ctrl_mode", "actuator_on", *self._model.theta_fields)

        def array(name: str) -> wp.array | Moving:
            return self._array(name) if "@" in name or name in shared else space.arrays[name]

        def gradient(name: str) -> wp.array:
            return (self.space if "@" in name else space).arrays[name].grad

        return Binder(self._model, self._substeps, array, gradient)

    def _gradient_of(self, name: str) -> int:
        return self.space.gradient_address(name)

    def _data_of(self, name: str) -> int:
        block = self.space.block_of(name)
        return block.data.data_ptr() + block.start(name) * self._item

    def _integer(self, name: str) -> int:
        return self.space.integers[name].data_ptr()

    # -- programs -----------------------------------------------------------------------------------------------------

    def step(self) -> Program:
        """From ``state`` to ``next``."""
        return self._program("step", self._build_step, _OF_STEPS)

    def step_adjoint(self) -> Program:
        """Run backwards over the steps of a row: gradients of the inputs from those of the results."""
        return self._program("step adjoint", self._build_step_adjoint, _OF_STEPS)

    def observation(self, names: tuple[str, ...]) -> Program:
        """The fields ``names`` at ``state``; steps are different states of an env, under the same command."""
        stepping = frozenset({"state", *(f"out{i}" for i in range(len(names)))})
        return self._program(names, lambda: self._build_observation(names), stepping)

    def observation_adjoint(self, names: tuple[str, ...]) -> Program:
        """Gradients of the inputs from those of the fields."""
        stepping = frozenset({"state", "state_grad", *(f"in{i}" for i in range(len(names)))})
        return self._program(("adjoint", *names), lambda: self._build_observation_adjoint(names), stepping)

    def acceleration_jacobian(self) -> Program:
        """Rows are points, steps are the rows of the Jacobian of (qacc, act_dot); of a step of one segment.

        Bases beside those of a step: ``qacc`` and ``act_dot``, written; ``seed`` (nv + na), what a row of the Jacobian
        is of; ``state_grad``, ``<control>_grad`` and ``theta_grad``, the row itself (the last is added to).
        """
        return self._program("acceleration Jacobian", self._build_acceleration_jacobian, _OF_SEEDS)

    def advance_jacobian(self) -> Program:
        """The same of the state after, as a function of the state and of ``qacc`` and ``act_dot``, which are read.

        ``seed``: (nq + nv + na). The row: ``state_grad``, ``qacc_grad``, ``act_dot_grad`` and ``theta_grad``.
        """
        return self._program("advance Jacobian", self._build_advance_jacobian, _OF_SEEDS)

    def step_jacobian(self) -> Program:
        """The same of the state after a whole step, for steps of several segments; ``seed``: (nq + nv + na)."""
        return self._program("step Jacobian", self._build_step_jacobian, _OF_SEEDS)

    def _program(self, key, build, stepping: frozenset[str]) -> Program:
        if key not in self._programs:
            self._programs[key] = Program(*build(), stepping, self._segment_spaces)
        return self._programs[key]

    def _solution(self) -> int:
        return self._data_of("solution@0") if self._evaluations else 0

    def _solution_bytes(self) -> int:
        return self._evaluations * self._model.nv * self._item

    def _build_step(self):
        before = [copy(self._solution(), At("guess"), self._solution_bytes()), self._reset_finite()]
        body = [call for segment in self._binder.segments(False) for call in _forward(segment)]
        result = self._data_of(f"qpos@{self._substeps}")
        body.append(copy(At("next"), result, self._state_size * self._item))
        body.append(copy(At("solution"), self._solution(), self._solution_bytes()))
        body.append(count_finite(self._finite.data_ptr(), result, self._state_size))
        after = [self._tell_finite()]
        if self._model.has_contacts:
            before.append(zero(self._integer("ncon_needed"), 4))
            after.append(copy(At("needed"), self._integer("ncon_needed"), 4))
        return before, body, after

    def _build_step_adjoint(self):
        space, item = self.space, self._item
        first, after_step = self._gradient_of("qpos@0"), self._gradient_of(f"qpos@{self._substeps}")
        work = self._gradient_of(space.first_work_field)
        end = self._gradient_of(space.first_observed_field)
        state_bytes = self._state_size * item
        segments = self._binder.segments(True)
        before = [copy(first, At("final_grad"), state_bytes), *self._reset_convergence(), self._reset_finite()]
        body = [
            copy(after_step, first, state_bytes),
            add(after_step, At("seed"), self._state_size),
            zero(first, end - first),
            zero(At("theta_grad"), self._model.ntheta * item),
            copy(self._solution(), At("solution"), self._solution_bytes()),
        ]
        for segment in segments:
            body += _forward(segment)
        for k, segment in reversed(list(enumerate(segments))):
            if k < len(segments) - 1:
                body += [*_forward(segment), zero(work, end - work)]
            if self._model.has_contacts:
                body.append(_zero_contacts(self.space))
            body += _adjoint(segment)
        body += [*self._parameter_gradients(), clip(first, At("clip"), self._state_size)]
        after = [copy(At("state_grad"), first, state_bytes), *self._tell_convergence(), *self._check_gradients()]
        return before, body, after

    def _build_acceleration_jacobian(self):
        model, item = self._model, self._item
        first, end = self._gradient_of("qpos@0"), self._gradient_of(self.space.first_observed_field)
        (launches,) = self._binder.segments(True)
        before = [copy(self._solution(), At("guess"), self._solution_bytes()), *_forward(launches)]
        before.append(copy(At("next"), self._data_of("qpos@1"), self._state_size * item))
        for name, size in (("qacc", model.nv), ("act_dot", model.na)):
            before.append(copy(At(name), self._data_of(name), size * item))
        if model.has_contacts:
            before[:0] = [zero(self._integer("ncon_needed"), 4)]
            before.append(copy(At("needed"), self._integer("ncon_needed"), 4))
        body = [
            zero(first, end - first),
            copy(self._gradient_of("qacc"), At("seed"), model.nv * item),
            copy(self._gradient_of("act_dot"), At("seed", model.nv * item), model.na * item),
        ]
        if model.has_contacts:
            body.append(_zero_contacts(self.space))
        body += [*_adjoint(launches[:-1]), *self._rows()]
        return before, body, []

    def _build_advance_jacobian(self):
        model, item = self._model, self._item
        advance = self._binder.segments(False)[0][-1]
        sizes = {"qacc": model.nv, "act_dot": model.na}
        before = [copy(self._data_of(name), At(name), size * item) for name, size in sizes.items()]
        before += _forward([advance])
        body: list = [copy(self._gradient_of("qpos@1"), At("seed"), self._state_size * item)]
        body.append(zero(self._gradient_of("qpos@0"), self._state_size * item))
        body += [zero(self._gradient_of(name), size * item) for name, size in sizes.items()]
        body += _adjoint([advance])
        body.append(copy(At("state_grad"), self._gradient_of("qpos@0"), self._state_size * item))
        body += [copy(At(f"{name}_grad"), self._gradient_of(name), size * item) for name, size in sizes.items()]
        return before, body, []

    def _build_step_jacobian(self):
        # Each segment works in a space of its own, so that all rows share one forward pass.
        for _ in self._binder.segments(True)[len(self._segment_spaces) :]:
            self._segment_spaces.append(self._new_space())
        spaces = self._segment_spaces
        first, work = self._gradient_of("qpos@0"), self._gradient_of(self.space.first_work_field)
        state_bytes = self._state_size * self._item
        segments = [self._binder_in(space).segments(True)[k] for k, space in enumerate(spaces)]
        before = [copy(self._solution(), At("guess"), self._solution_bytes())]
        for segment in segments:
            before += _forward(segment)
        body = [copy(self._gradient_of(f"qpos@{self._substeps}"), At("seed"), state_bytes), zero(first, work - first)]
        for segment, space in zip(reversed(segments), reversed(spaces), strict=True):
            start, end = (space.gradient_address(f) for f in (space.first_work_field, space.first_observed_field))
            body.append(zero(start, end - start))
            if self._model.has_contacts:
                body.append(_zero_contacts(space))
            body += _adjoint(segment)
        return before, [*body, *self._rows()], []

    def _rows(self) -> list:
        """Hand out what an adjoint has left, as a row of a Jacobian."""
        rows = [copy(At("state_grad"), self._gradient_of("qpos@0"), self._state_size * self._item)]
        for name, size in control_sizes(self._model).items():
            rows.append(copy(At(f"{name}_grad"), self._gradient_of(name), size * self._item))
        return rows

    def _build_observation(self, names: tuple[str, ...]):
        body = [copy(self._solution(), At("guess"), self._solution_bytes())]
        body += _forward(self._binder.observation(names, False))
        for i, name in enumerate(names):
            for offset, address, size in self._pieces(name, gradient=False):
                body.append(copy(At(f"out{i}", offset), address, size))
        before: list = []
        after: list = []
        if self._model.has_contacts:
            before.append(zero(self._integer("ncon_needed"), 4))
            after.append(copy(At("needed"), self._integer("ncon_needed"), 4))
        return before, body, after

    def _build_observation_adjoint(self, names: tuple[str, ...]):
        space = self.space
        body = [
            zero(block.grad.data_ptr(), block.grad.numel() * self._item)
            for block in (space.block, space.contacts)
            if block.grad is not None
        ]
        body.append(zero(At("theta_grad"), self._model.ntheta * self._item))
        for i, name in enumerate(names):
            for offset, address, size in () if name in space.integers else self._pieces(name, gradient=True):
                body.append(copy(address, At(f"in{i}", offset), size))
        body.append(copy(self._solution(), At("guess"), self._solution_bytes()))
        launches = self._binder.observation(names, True)
        body += [*_forward(launches), *_adjoint(launches), *self._parameter_gradients()]
        body.append(copy(At("state_grad"), self._gradient_of("qpos@0"), self._state_size * self._item))
        before = [*self._reset_convergence(), self._reset_finite()]
        return before, body, [*self._tell_convergence(), *self._check_gradients()]

    def _parameter_gradients(self) -> list:
        """Hand out what a step's adjoint has left for controls and parameters."""
        done = [add(At("theta_total"), At("theta_grad"), self._model.ntheta)]
        for name, size in control_sizes(self._model).items():
            here = self._gradient_of(name)
            done += [copy(At(f"{name}_grad"), here, size * self._item), add(At(f"{name}_total"), here, size)]
        return done

    def _reset_convergence(self) -> list:
        return [zero(self._integer("solver_unconverged"), 4)] if self._model.constrained else []

    def _tell_convergence(self) -> list:
        return [copy(At("unconverged"), self._integer("solver_unconverged"), 4)] if self._model.constrained else []

    def _reset_finite(self) -> tuple:
        return zero(self._finite.data_ptr(), 4)

    def _tell_finite(self) -> tuple:
        return copy(At("finite"), self._finite.data_ptr(), 4)

    def _check_gradients(self) -> list[tuple]:
        """``finite``: 1 for the state's gradient and 1 for the parameters'."""
        counter = self._finite.data_ptr()
        return [
            count_finite(counter, self._gradient_of("qpos@0"), self._state_size),
            count_finite(counter, At("theta_total"), self._model.ntheta),
            self._tell_finite(),
        ]

    def _pieces(self, name: str, gradient: bool) -> list[tuple[int, int, int]]:
        """Contiguous pieces of a field's row: offset into the whole, address, size, in bytes."""
        if name in self.space.integers:
            values = self.space.integers[name]
            return [(0, values.data_ptr(), values.numel() * values.element_size())]
        block = self.space.block_of(name)
        view = block.view(name, gradient)
        if name in OF_BODIES:
            view = view[:, : self._model.nbody]
        if block.slots is None:
            return [(0, view.data_ptr(), view.numel() * self._item)]
        size = view[0, 0].numel() * self._item if block.slots else 0
        return [(k * size, view[0, k].data_ptr(), size) for k in range(block.slots)]


def _zero_contacts(space: Workspace) -> tuple:
    """Gradients of the contacts there are; the others' are not read."""
    contacts = space.contacts
    assert contacts.grad is not None
    count = space.integers["ncon"].data_ptr() + 4  # those that have a slot
    return zero_counted(contacts.grad.data_ptr(), count, contacts.width * contacts.item)


def _forward(launches: list[Launch]) -> list[Kernel]:
    return [Kernel(*call) for launch in launches for call in launch.forward()]


def _adjoint(launches: list[Launch]) -> list[Kernel]:
    return [Kernel(*call) for launch in reversed(launches) for call in launch.adjoint()]
