"""Steps and observations on the CPU: one row of work space, one env after the other, kernels run by a native loop.

States, controls and parameters are read, and results written, where the caller's tensors are. A thread has an executor
of its own.
"""

from collections.abc import Callable
from dataclasses import replace

import torch
import warp as wp

from genesis.model.arrays import Model
from genesis.rigid.command import CONTROL_FIELDS, SWITCHES
from genesis.rigid.door import Base, address
from genesis.rigid.executors.native import (
    Kernel,
    Operation,
    Program,
    add,
    check,
    check_finite,
    clip,
    copy,
    count_finite,
    tally,
    zero,
    zero_counted,
)
from genesis.rigid.pipeline.arguments import At, Moving
from genesis.rigid.pipeline.binding import Act, Binder, Launch, adjoint_walk
from genesis.rigid.pipeline.fields import OF_BODIES
from genesis.rigid.pipeline.workspace import (
    RK_STAGES,
    STATE,
    Workspace,
    control_sizes,
    evaluations,
    switch_sizes,
    theta_element,
)
from genesis.types import real

# Bases under which programs tell how a run went, one int of each row; who does not ask does not place them.
COUNTERS = ("needed", "finite", "unconverged")


class CpuExecutor:
    """Compiles and keeps the programs of one thread.

    The bases of the programs, all per env: ``state`` and ``next`` (nq + nv + na), ``theta``, the switches and the
    control fields; ``guess`` and ``solution`` of the constraint solver. Results: ``needed``,
    contacts found at most, and ``finite``, after how many steps state and acceleration were still such that a
    simulation can mean them; of observations ``out0``, ``out1``, ...

    Of adjoints: ``final_grad`` (of the last step's result), ``seed`` (of each step's result, beside what later steps
    give), ``clip`` (the largest norm of the gradient that leaves a step, if any), ``in0``, ``in1``, ... (of an
    observation's fields). Results: ``state_grad``; ``<control>_grad`` (of each step) and ``<control>_total`` (summed
    over steps); ``theta_total`` (likewise; with ``theta_grad``, which holds one step's); ``unconverged``; ``finite``, 2
    if the gradients are.
    """

    def __init__(self, model: Model, substeps: int, rk4: bool):
        self._model, self._substeps = model, substeps
        self.revision = model.revision  # of the model that the programs are for
        self._rk4 = rk4
        self.space = self._new_space()
        self._segment_spaces = [self.space]
        self._item = self.space.block.item
        self._real = self.space.block.data.dtype
        self.theta_grad = torch.zeros(model.ntheta, dtype=self._real, device="cpu")  # of one step of one env
        self._state_size = model.nq + model.nv + model.na
        self._evaluations = evaluations(model, substeps, rk4)
        self._theta = model.theta_fields | model.theta_views
        self._binder = Binder(model, substeps, self._array, self._gradient_array)
        self._programs: dict[object, Program] = {}
        # How many steps, or gradients, were right so far; and whether the last was not.
        self._right = address(self.space.right, torch.int32)

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
        if name in SWITCHES:
            return Moving((switch_sizes(model)[name],), wp.int32, At(name), None)
        if (spec := self._theta.get(name)) is not None:
            dtype, shape = theta_element(name, spec.shape)
            offset = spec.offset * item
            return Moving(shape, dtype, At("theta", offset), At("theta_grad", offset))
        return self.space.arrays[name]

    def _gradient_array(self, name: str) -> wp.array | Moving:
        """The gradient of what a kernel is given, for adjoints written by hand."""
        if name in self._theta:
            array = self._array(name)
            assert isinstance(array, Moving) and isinstance(array.grad, At)
            return Moving(array.shape, array.dtype, array.grad, None, written=True)
        return self.space.arrays[name].grad

    def _new_space(self) -> Workspace:
        return Workspace(self._model, 1, self._substeps, self._rk4, torch.device("cpu"), rows_adjacent=False)

    def _binder_in(self, space: Workspace) -> Binder:
        """Binds stages to the fields of ``space``, and to this one's slots: what goes from segment to segment."""
        shared = (*CONTROL_FIELDS, *SWITCHES, *self._theta)

        def array(name: str) -> wp.array | Moving:
            return self._array(name) if "@" in name or name in shared else space.arrays[name]

        def gradient(name: str) -> wp.array | Moving:
            return space.arrays[name].grad if name in space.arrays and "@" not in name else self._gradient_array(name)

        return Binder(self._model, self._substeps, array, gradient)

    def _gradient_of(self, name: str) -> int:
        return self.space.gradient_address(name)

    def _data_of(self, name: str) -> int:
        return self.space.data_address(name)

    def _integer(self, name: str) -> int:
        return address(self.space.integers[name], torch.int32)

    # -- programs -----------------------------------------------------------------------------------------------------

    def step(self) -> Program:
        """From ``state`` to ``next``."""
        return self._program("step", self._build_step)

    def step_adjoint(self) -> Program:
        """Run backwards over the steps of a row: gradients of the inputs from those of the results."""
        return self._program("step adjoint", self._build_step_adjoint)

    def observation(self, names: tuple[str, ...]) -> Program:
        """The fields ``names`` at ``state``; steps are different states of an env, under the same command."""
        return self._program(names, lambda: self._build_observation(names))

    def observation_adjoint(self, names: tuple[str, ...]) -> Program:
        """Gradients of the inputs from those of the fields."""
        return self._program(("adjoint", *names), lambda: self._build_observation_adjoint(names))

    def acceleration_jacobian(self) -> Program:
        """Rows are points, steps are the rows of the Jacobian of (qacc, act_dot); of a step of one segment.

        Bases beside those of a step: ``qacc`` and ``act_dot``, written; ``seed`` (nv + nrate), what a row of the
        Jacobian is of; ``state_grad``, ``<control>_grad`` and ``theta_grad``, the row itself (the last is added to).
        """
        return self._program("acceleration Jacobian", self._build_acceleration_jacobian)

    def advance_jacobian(self) -> Program:
        """The same of the state after, as a function of the state and of ``qacc`` and ``act_dot``, which are read.

        ``seed``: (nq + nv + na). The row: ``state_grad``, ``qacc_grad``, ``act_dot_grad`` and ``theta_grad``.
        """
        return self._program("advance Jacobian", self._build_advance_jacobian)

    def step_jacobian(self) -> Program:
        """The same of the state after a whole step, for steps of several segments; ``seed``: (nq + nv + na)."""
        return self._program("step Jacobian", self._build_step_jacobian)

    def _program(self, key, build) -> Program:
        if key not in self._programs:
            self._programs[key] = Program(*build(), self._segment_spaces)
        return self._programs[key]

    # -- bases --------------------------------------------------------------------------------------------------------

    def _reads(self, width: int, **more: bool) -> Base:
        return Base(width, self._real, **more)

    def _writes(self, width: int, **more: bool) -> Base:
        return Base(width, self._real, written=True, **more)

    def _inputs(self, moving: bool) -> dict[str, Base]:
        """What every program reads. ``moving``: states and controls are those of many steps."""
        model = self._model
        return {
            "state": self._reads(self._state_size, moves=moving),
            "theta": self._reads(model.ntheta),
            **{name: Base(n, torch.int32) for name, n in switch_sizes(model).items()},
            **{name: self._reads(n, moves=moving, holds=True) for name, n in control_sizes(model).items()},
            **{name: Base(1, torch.int32, written=True, optional=True) for name in COUNTERS},
        }

    def _guess(self) -> dict[str, Base]:
        return {"guess": self._reads(self._solution_size)}

    def _rows_of_jacobian(self, seed: int) -> dict[str, Base]:
        """What the programs of Jacobians have for each of its rows, which are their steps."""
        sizes = control_sizes(self._model)
        return {
            "seed": self._reads(seed, moves=True),
            "state_grad": self._writes(self._state_size, moves=True),
            "theta_grad": self._writes(self._model.ntheta, moves=True, optional=True),
            **{f"{name}_grad": self._writes(n, moves=True, optional=True) for name, n in sizes.items()},
        }

    def _gradients_of_inputs(self, moving: bool) -> dict[str, Base]:
        """What adjoints hand out. ``moving``: there is a gradient of the state at every step, and none else."""
        sizes, ntheta = control_sizes(self._model), self._model.ntheta
        return {
            "state_grad": self._writes(self._state_size, moves=moving),
            "theta_grad": self._writes(ntheta, shared=True, optional=True),
            "theta_total": self._writes(ntheta, optional=True),
            **{f"{name}_grad": self._writes(n, moves=not moving, optional=True) for name, n in sizes.items()},
            **{f"{name}_total": self._writes(n, optional=True) for name, n in sizes.items()},
        }

    # -- how they are made --------------------------------------------------------------------------------------------

    def _solution(self) -> int:
        return self._data_of("solution@0") if self._evaluations else 0

    @property
    def _solution_size(self) -> int:
        return self._evaluations * self._model.nv

    def _solution_bytes(self) -> int:
        return self._solution_size * self._item

    def _build_step(self):
        model = self._model
        before = [copy(self._solution(), At("guess"), self._solution_bytes()), self._reset_right()]
        body: list = []
        for k, segment in enumerate(self._binder.segments(False)):
            body += _forward(segment)
            if (acceleration := self._first_acceleration(k)) is not None:
                body.append(check(self._right, self._data_of(acceleration), model.nv))
        result = self._data_of(f"qpos@{self._substeps}")
        body.append(copy(At("next"), result, self._state_size * self._item))
        body.append(copy(At("solution"), self._solution(), self._solution_bytes()))
        activations = self._data_of(f"act@{self._substeps}")
        body += [check(self._right, result, model.nq + model.nv), check_finite(self._right, activations, model.na)]
        body.append(tally(self._right))
        after = [self._tell_right()]
        if model.has_contacts:
            before.append(zero(self._integer("ncon_needed"), 4))
            after.append(copy(At("needed"), self._integer("ncon_needed"), 4))
        bases = {
            **self._inputs(moving=True),
            **self._guess(),
            "next": self._writes(self._state_size, moves=True),
            "solution": self._writes(self._solution_size, moves=True),
        }
        return before, body, after, bases

    def _first_acceleration(self, segment: int) -> str | None:
        """The field that holds the acceleration at the start of an integration step, which begins with this segment."""
        if not self._rk4:
            return "qacc"
        per_step = RK_STAGES + 1  # the last puts the stages together
        return f"qacc@{segment // per_step}.0" if segment % per_step == 0 else None

    def _build_step_adjoint(self):
        space, item = self.space, self._item
        first, after_step = self._gradient_of("qpos@0"), self._gradient_of(f"qpos@{self._substeps}")
        work = self._gradient_of(space.first_work_field)
        end = self._gradient_of(space.first_observed_field)
        state_bytes = self._state_size * item
        segments = self._binder.segments(True)
        before = [copy(first, At("final_grad"), state_bytes), *self._reset_convergence(), self._reset_right()]
        body = [
            copy(after_step, first, state_bytes),
            add(after_step, At("seed"), self._state_size),
            zero(first, end - first),
            zero(At("theta_grad"), self._model.ntheta * item),
            copy(self._solution(), At("solution"), self._solution_bytes()),
        ]
        for act, launch in adjoint_walk(segments):
            if act is Act.ZERO_WORK:
                body.append(zero(work, end - work))
            elif act is Act.ZERO_CONTACTS:
                body += [_zero_contacts(space)] if self._model.has_contacts else []
            elif launch is not None:
                body += _forward([launch]) if act is Act.FORWARD else _adjoint([launch])
        body += [*self._parameter_gradients(), clip(first, At("clip"), self._state_size)]
        after = [copy(At("state_grad"), first, state_bytes), *self._tell_convergence(), *self._check_gradients()]
        bases = {
            **self._inputs(moving=True),
            **self._gradients_of_inputs(moving=False),
            "solution": self._reads(self._solution_size, moves=True),
            "final_grad": self._reads(self._state_size),
            "seed": self._reads(self._state_size, moves=True, optional=True),
            "clip": self._reads(1, optional=True),
        }
        return before, body, after, bases

    def _build_acceleration_jacobian(self):
        model, item = self._model, self._item
        first, end = self._gradient_of("qpos@0"), self._gradient_of(self.space.first_observed_field)
        (launches,) = self._binder.segments(True)
        before = [copy(self._solution(), At("guess"), self._solution_bytes()), *_forward(launches)]
        before.append(copy(At("next"), self._data_of("qpos@1"), self._state_size * item))
        for name, size in (("qacc", model.nv), ("act_dot", model.nrate)):
            before.append(copy(At(name), self._data_of(name), size * item))
        if model.has_contacts:
            before[:0] = [zero(self._integer("ncon_needed"), 4)]
            before.append(copy(At("needed"), self._integer("ncon_needed"), 4))
        body = [
            zero(first, end - first),
            copy(self._gradient_of("qacc"), At("seed"), model.nv * item),
            copy(self._gradient_of("act_dot"), At("seed", model.nv * item), model.nrate * item),
        ]
        if model.has_contacts:
            body.append(_zero_contacts(self.space))
        body += [*_adjoint(launches[:-1]), *self._rows()]
        bases = {
            **self._inputs(moving=False),
            **self._guess(),
            **self._rows_of_jacobian(model.nv + model.nrate),
            "next": self._writes(self._state_size),
            "qacc": self._writes(model.nv),
            "act_dot": self._writes(model.nrate),
        }
        return before, body, [], bases

    def _build_advance_jacobian(self):
        model, item = self._model, self._item
        advance = self._binder.segments(False)[0][-1]
        sizes = {"qacc": model.nv, "act_dot": model.nrate}
        before = [copy(self._data_of(name), At(name), size * item) for name, size in sizes.items()]
        before += _forward([advance])
        body: list = [copy(self._gradient_of("qpos@1"), At("seed"), self._state_size * item)]
        body.append(zero(self._gradient_of("qpos@0"), self._state_size * item))
        body += [zero(self._gradient_of(name), size * item) for name, size in sizes.items()]
        body += _adjoint([advance])
        body.append(copy(At("state_grad"), self._gradient_of("qpos@0"), self._state_size * item))
        body += [copy(At(f"{name}_grad"), self._gradient_of(name), size * item) for name, size in sizes.items()]
        bases = {
            **self._inputs(moving=False),
            **self._rows_of_jacobian(self._state_size),
            **{name: self._reads(size) for name, size in sizes.items()},
            **{f"{name}_grad": self._writes(size, moves=True) for name, size in sizes.items()},
        }
        return before, body, [], bases

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
        bases = {**self._inputs(moving=False), **self._guess(), **self._rows_of_jacobian(self._state_size)}
        return before, [*body, *self._rows()], [], bases

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
            for offset, place, size in self._pieces(name, gradient=False):
                body.append(copy(At(f"out{i}", offset), place, size))
        before: list = []
        after: list = []
        if self._model.has_contacts:
            before.append(zero(self._integer("ncon_needed"), 4))
            after.append(copy(At("needed"), self._integer("ncon_needed"), 4))
        return before, body, after, self._bases_of_observation("out", names, self._writes)

    def _bases_of_observation(self, prefix: str, names: tuple[str, ...], base: Callable[..., Base]) -> dict[str, Base]:
        found = {**self._inputs(moving=False), **self._guess()}
        found["state"] = replace(found["state"], moves=True)
        for i, name in enumerate(names):
            if name in self.space.integers:
                width, dtype = self.space.integers[name].numel(), torch.int32
            else:
                width, dtype = sum(size for _, _, size in self._pieces(name, False)) // self._item, self._real
            # The gradient of an observation may be missing; its value may not.
            found[f"{prefix}{i}"] = replace(base(width, moves=True, optional=prefix == "in"), dtype=dtype)
        return found

    def _build_observation_adjoint(self, names: tuple[str, ...]):
        space = self.space
        body = [
            zero(address(block.grad, self._real), block.grad.numel() * self._item)
            for block in (space.block, space.contacts)
            if block.grad is not None
        ]
        body.append(zero(At("theta_grad"), self._model.ntheta * self._item))
        for i, name in enumerate(names):
            for offset, place, size in () if name in space.integers else self._pieces(name, gradient=True):
                body.append(copy(place, At(f"in{i}", offset), size))
        body.append(copy(self._solution(), At("guess"), self._solution_bytes()))
        launches = self._binder.observation(names, True)
        body += [*_forward(launches), *_adjoint(launches), *self._parameter_gradients()]
        body.append(copy(At("state_grad"), self._gradient_of("qpos@0"), self._state_size * self._item))
        before = [*self._reset_convergence(), self._reset_right()]
        bases = self._bases_of_observation("in", names, self._reads) | self._gradients_of_inputs(moving=True)
        return before, body, [*self._tell_convergence(), *self._check_gradients()], bases

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

    def _reset_right(self) -> Operation:
        return zero(self._right, 8)

    def _tell_right(self) -> Operation:
        return copy(At("finite"), self._right, 4)

    def _check_gradients(self) -> list[Operation]:
        """``finite``: 1 for the state's gradient and 1 for the parameters'."""
        return [
            count_finite(self._right, self._gradient_of("qpos@0"), self._state_size),
            count_finite(self._right, At("theta_total"), self._model.ntheta),
            self._tell_right(),
        ]

    def _pieces(self, name: str, gradient: bool) -> list[tuple[int, int, int]]:
        """Contiguous pieces of a field's row: offset into the whole, address, size, in bytes."""
        if name in self.space.integers:
            values = self.space.integers[name]
            return [(0, address(values, torch.int32), values.numel() * values.element_size())]
        block = self.space.block_of(name)
        view = block.view(name, gradient)[0]
        if name in OF_BODIES:
            view = view[: self._model.nbody]
        pieces = (view,) if block.slots is None else view
        size = pieces[0].numel() * self._item if len(pieces) else 0
        return [(k * size, address(piece, self._real), size) for k, piece in enumerate(pieces)]


def _zero_contacts(space: Workspace) -> Operation:
    """Gradients of the contacts there are; the others' are not read."""
    contacts = space.contacts
    assert contacts.grad is not None
    count = address(space.integers["ncon"], torch.int32) + 4  # those that have a slot
    return zero_counted(address(contacts.grad, contacts.grad.dtype), count, contacts.width * contacts.item)


def _forward(launches: list[Launch]) -> list[Kernel]:
    return [Kernel(*call) for launch in launches for call in launch.forward()]


def _adjoint(launches: list[Launch]) -> list[Kernel]:
    return [Kernel(*call) for launch in reversed(launches) for call in launch.adjoint()]
