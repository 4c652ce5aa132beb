"""The step as captured graphs over fixed buffers: (state, controls, theta) -> next state, and its adjoint.

Memory: per env one row of a buffer holds everything a step reads and computes, its gradient a second buffer of the
same layout; arrays of kernels are views into them. Parameters have a buffer of their own, of one row (shared by all
envs, addressed with stride zero) or one row per env. Nothing is allocated, and nothing read back, in a step.

A step is a sequence of segments. All intermediate results of a segment are in the work space; what a later segment
needs is in slots of its own. The adjoint runs all segments forward, then each one's adjoint in reverse, after running
it forward once more where a later segment has overwritten the work space.
"""

import math
import threading
import weakref
from dataclasses import dataclass

import mujoco
import numpy as np
import torch
import warp as wp

from genesis import runtime
from genesis.model.arrays import Model
from genesis.rigid import step
from genesis.rigid.command import CONTROL_FIELDS, Command
from genesis.types import load_kernels, mat33, real, untaped, vec3, vec4, vec6, vec10

_COMPONENTS = {real: 1, vec3: 3, vec4: 4, vec6: 6, mat33: 9, vec10: 10}
# Element types of parameters that kernels read as vectors: the last axis of the field becomes the vector.
_THETA_DTYPES = {
    "gravity": vec3,
    "body_ipos": vec3,
    "body_inertia": vec6,
    "body_pos": vec3,
    "body_quat": vec4,
    "jnt_axis": vec3,
    "jnt_pos": vec3,
    "geom_pos": vec3,
    "geom_quat": vec4,
    "geom_size": vec3,
}
# With at most so many pairs of shapes, the broad phase looks at each of them.
_FEW_PAIRS = 128


# Warp captures into one graph of a device at a time, whichever thread asks.
_capturing = threading.Lock()


@untaped
def zero_columns(x: wp.array2d(dtype=real)):
    w = wp.tid()
    for i in range(x.shape[1]):
        x[w, i] = real(0.0)


@untaped
def zero_contacts(ncon: wp.array2d(dtype=int), per_contact: int, x: wp.array2d(dtype=real)):
    """Zero the columns that belong to the contacts there are."""
    w = wp.tid()
    for i in range(ncon[w, 1] * per_contact):
        x[w, i] = real(0.0)


@dataclass
class _Launch:
    """A stage bound to its arrays."""

    stage: step.Stage
    arguments: list[list]
    adjoint_arguments: list[list]


@dataclass
class _Program:
    """Captured graphs: forward; and forward once more, then the adjoint."""

    forward: object
    backward: object


class Dynamics:
    """Forward dynamics and integration of ``n_worlds`` copies of a model.

    Args:
        model: the compiled model's arrays
        n_worlds: number of envs N (at least 1)
        device: torch device
        substeps: integration steps of ``model.timestep`` per step
    """

    def __init__(self, model: Model, n_worlds: int, device: torch.device, substeps: int = 1):
        self.model = model
        self.n_worlds = n_worlds
        self.device = device
        self._dtype = runtime.tc_float
        self.substeps = substeps
        self.nq, self.nv, self.na, self.nu, self.nbody = model.nq, model.nv, model.na, model.nu, model.nbody
        self.state_size = self.nq + self.nv + self.na
        self._wp_device = wp.device_from_torch(device)
        load_kernels(self._wp_device)
        self._implicit_fast = model.integrator == mujoco.mjtIntegrator.mjINT_IMPLICITFAST
        self._rk4 = model.integrator == mujoco.mjtIntegrator.mjINT_RK4
        self._allocate()
        self._bind_model()
        self._forget_loaded()
        self.warned_of_gradient = self.warned_of_solver = False
        # Held while inputs are loaded, run and copied out: the buffers are shared by all that use the scene.
        self.lock = threading.RLock()

    def _forget_loaded(self) -> None:
        """The buffers are new: nothing is loaded, and no graph is captured."""
        self._theta: weakref.ref[torch.Tensor] | None = None  # weak: a parameter's graph is not ours to keep alive
        self._theta_version = -1
        self._theta_rows = 0
        self._command: Command | None = None
        self._control_keys: tuple = ()
        self._step_program: _Program | None = None
        self._observations: dict[tuple[str, ...], _Program] = {}

    @property
    def solution_size(self) -> int:
        """Length of an env's solution of the constraint solver, as far as the model has constraints."""
        return self.substeps * (4 if self._rk4 else 1) * self.nv

    def no_solution(self) -> torch.Tensor:
        """The solution that stands for none, as large as there are constraints."""
        return torch.zeros_like(self.solution)

    def require_constraints(self) -> None:
        """Add the constraint stages, where the model was built without any constraint."""
        with self.lock:
            if self.model.constrained:
                return
            self.model.constrained = True
            self._allocate()
            self._bind_model()
            self._forget_loaded()

    # -- buffers ------------------------------------------------------------------------------------------------------

    def _allocate(self) -> None:
        m, n = self.model, self.n_worlds
        layout: dict[str, tuple[type, tuple[int, ...]]] = {}
        state_shapes = {"qpos": m.nq, "qvel": m.nv, "act": m.na}
        control_shapes = dict(zip(CONTROL_FIELDS, (m.nv, m.nv, m.nv, m.nu, 6 * m.nbody), strict=True))

        def add(name, size):
            layout[name] = (real, (size,))

        # inputs, outputs and slots first: what persists between segments
        stages = 4 if self._rk4 else 1
        for s in range(self.substeps + 1):
            for name, size in state_shapes.items():
                add(f"{name}@{s}", size)
        if self._rk4:
            for s in range(self.substeps):
                for k in range(stages):
                    for name, size in (*state_shapes.items(), ("rk_velocity", m.nv), ("qacc", m.nv), ("act_dot", m.na)):
                        add(f"{name}@{s}.{k}", size)
        # The constraint solver's result of each evaluation, which is its guess at the next: part of a step's inputs.
        self.evaluations = self.substeps * stages if m.constrained else 0
        for k in range(self.evaluations):
            add(f"solution@{k}", m.nv)
        for name, size in control_shapes.items():
            add(name, size)
        persistent = sum(math.prod(shape) for _, shape in layout.values())
        for name in ("rk_velocity_mean", "act_dot_mean"):
            add(name, m.nv if name.startswith("rk") else m.na)
        # What only observations write comes after all that a step does: its gradients are not zeroed for a step.
        observed = [name for stage in step.OBSERVE for name in stage.outputs]
        plain = [name for name, spec in step.FIELDS.items() if spec.differentiable and not spec.per_contact]
        for name in sorted(plain, key=lambda name: name in observed):
            layout[name] = (step.FIELDS[name].dtype, step.FIELDS[name].shape(m))
        self._columns: dict[str, slice] = {}
        offset = 0
        for name, (dtype, shape) in layout.items():
            size = math.prod(shape) * _COMPONENTS[dtype]
            self._columns[name] = slice(offset, offset + size)
            offset += size
        self._step_end = self._columns[observed[0]].start
        # Contacts last, one block of columns per slot: a step zeroes the gradients of those there are only.
        self._contact_columns: dict[str, int] = {}
        per_contact = 0
        for name, spec in step.FIELDS.items():
            if spec.per_contact:
                self._contact_columns[name] = per_contact
                per_contact += math.prod(spec.shape(m)) * _COMPONENTS[spec.dtype]
        self._contacts_start, self._per_contact = offset, per_contact
        self._data = torch.zeros((n, offset + m.nconmax * per_contact), dtype=self._dtype, device=self.device)
        self._grad = torch.zeros_like(self._data)
        self._arrays = {
            name: self._array(self._data, self._grad, self._columns[name].start, dtype, shape)
            for name, (dtype, shape) in layout.items()
        }
        for name, column in self._contact_columns.items():
            spec = step.FIELDS[name]
            self._arrays[name] = self._array(
                self._data, self._grad, offset + column, spec.dtype, spec.shape(m), slots=m.nconmax
            )
        self._work_grad = self._array(self._grad, None, persistent, real, (self._step_end - persistent,))
        self._contact_grad = self._array(self._grad, None, offset, real, (m.nconmax * per_contact,))
        scratch = {name: spec for name, spec in step.FIELDS.items() if not spec.differentiable}
        sizes = [math.prod(spec.shape(m)) * _COMPONENTS[spec.dtype] for spec in scratch.values()]
        self._scratch = torch.zeros((n, sum(sizes)), dtype=self._dtype, device=self.device)
        start = 0
        for (name, spec), size in zip(scratch.items(), sizes, strict=True):
            self._arrays[name] = self._array(self._scratch, None, start, spec.dtype, spec.shape(m))
            start += size
        self.state_in = self._data[:, : self.state_size]
        self.state_in_grad = self._grad[:, : self.state_size]
        last = self._columns[f"qpos@{self.substeps}"].start
        self.state_out = self._data[:, last : last + self.state_size]
        self.state_out_grad = self._grad[:, last : last + self.state_size]
        first, end = self._columns[CONTROL_FIELDS[0]].start, self._columns[CONTROL_FIELDS[-1]].stop
        self._control = self._data[:, first:end]
        first = self._columns["solution@0"].start if self.evaluations else 0
        self.solution = self._data[:, first : first + self.evaluations * m.nv]

        def integers(*shape):
            return torch.zeros((n, *shape), dtype=torch.int32, device=self.device)

        self._int_tensors = {"ctrl_mode": integers(m.nv), "actuator_on": integers(m.nu)}
        self._int_tensors |= {name: integers(*shape(m)) for name, shape in step.INT_FIELDS.items()}
        for name, tensor in self._int_tensors.items():
            self._arrays[name] = wp.from_torch(tensor, dtype=wp.int32)

    def _array(
        self,
        data: torch.Tensor,
        grad: torch.Tensor | None,
        start: int,
        dtype,
        shape,
        stride: int | None = None,
        slots: int | None = None,
    ):
        """View of columns of ``data`` as an array over (envs, *shape), or (envs, slots, *shape) of a field of contacts.

        ``stride`` 0 repeats one row for all envs.
        """
        item = data.element_size()
        inner, step_size = [], _COMPONENTS[dtype] * item
        for extent in reversed(shape):
            inner.append(step_size)
            step_size *= max(extent, 1)
        row = data.stride(0) * item if stride is None else stride
        strides = (row, *reversed(inner))
        if slots is not None:
            strides = (row, self._per_contact * item, *reversed(inner))
            shape = (slots, *shape)

        def view(buffer):
            return wp.array(
                ptr=buffer.data_ptr() + start * item,
                dtype=dtype,
                shape=(self.n_worlds, *shape),
                strides=strides,
                device=self._wp_device,
            )

        array = view(data)
        if grad is not None:
            array.grad = view(grad)
        return array

    def _bind_model(self) -> None:
        np_float = runtime.np_float
        for name, values in self.model.indices.items():
            self._arrays[name] = wp.array(values, dtype=wp.int32, device=self._wp_device)
        for name, values in self.model.constants.items():
            self._arrays[name] = wp.array(values.astype(np_float), dtype=real, device=self._wp_device)
        skip = self.model.indices["dof_in_free_block"]
        self._arrays["skip_none"] = wp.array(np.zeros_like(skip), dtype=wp.int32, device=self._wp_device)

    def _bind_theta(self, rows: int) -> None:
        """(Re)bind the parameter arrays to a buffer of ``rows`` rows (1 or N) and drop every captured graph."""
        self._theta_rows = rows
        self._theta_data = torch.zeros((rows, self.model.ntheta), dtype=self._dtype, device=self.device)
        self._theta_grad = torch.zeros_like(self._theta_data)
        stride = 0 if rows == 1 else None
        for name, spec in self.model.theta_fields.items():
            dtype = _THETA_DTYPES.get(name, real)
            shape = spec.shape if dtype is real else (*spec.shape[:-1],) or (1,)
            self._arrays[name] = self._array(self._theta_data, self._theta_grad, spec.offset, dtype, shape, stride)
        self._step_program = None
        self._observations.clear()

    # -- programs -----------------------------------------------------------------------------------------------------

    def _bind(self, stage: step.Stage, scalars: dict, rename: dict[str, str]) -> _Launch:
        def argument(label: str):
            if label in scalars:
                return scalars[label]
            if label.startswith("adj_"):
                return self._arrays[rename.get(label[4:], label[4:])].grad
            return self._arrays[rename.get(label, label)]

        def arguments(kernels):
            return [[argument(arg.label) for arg in kernel.adj.args] for kernel in kernels]

        return _Launch(stage, arguments(stage.kernels), arguments(stage.adjoint_kernels))

    def _scalars(self, **more) -> dict:
        option, constants = self.model.mj_model.opt, self.model.constants
        margins = constants["cpair_margin"] + constants["cpair_gap"]
        euler_damping = self.model.integrator == mujoco.mjtIntegrator.mjINT_EULER and not self.model.disabled(
            mujoco.mjtDisableBit.mjDSBL_EULERDAMP
        )
        return {
            "timestep": self.model.timestep,
            "refsafe": int(not self.model.disabled(mujoco.mjtDisableBit.mjDSBL_REFSAFE)),
            "warm_start": int(not self.model.disabled(mujoco.mjtDisableBit.mjDSBL_WARMSTART)),
            "elliptic": int(self.model.elliptic),
            "impratio": float(option.impratio),
            "iterations": int(option.iterations),
            "tolerance": float(option.tolerance),
            "ls_iterations": int(option.ls_iterations),
            "ls_tolerance": float(option.ls_tolerance),
            "for_adjoint": 0,
            "all_pairs": int(self.model.ncpair <= _FEW_PAIRS),
            "largest_margin": float(np.max(margins, initial=0.0)),
            "damping_implicit": int(euler_damping or self._implicit_fast),
            "force_implicit": int(self._implicit_fast),
            **more,
        }

    def _evaluation(self, rename: dict[str, str], index: int, for_adjoint: int) -> list[_Launch]:
        stages = [s for s in (*step.FORWARD, *step.FREE_BODIES) if s.needed(self.model)]
        rename = {
            "skip_dof": "dof_in_free_block" if self._implicit_fast else "skip_none",
            "qacc_constrained": self._solution_field(index),
            **rename,
        }
        return [self._bind(s, self._scalars(for_adjoint=for_adjoint), rename) for s in stages]

    def _solution_field(self, evaluation: int) -> str:
        """Where the constraint solver's solution is; without constraints, something that is never read as one."""
        return f"solution@{evaluation}" if self.evaluations else "qfrc_smooth"

    def _step_segments(self, for_adjoint: int) -> list[list[_Launch]]:
        state = ("qpos", "qvel", "act")
        segments = []
        for s in range(self.substeps):
            here = {name: f"{name}@{s}" for name in state}
            there = {f"{name}_next": f"{name}@{s + 1}" for name in state}
            if not self._rk4:
                launches = self._evaluation(here, s, for_adjoint)
                segments.append([*launches, self._bind(step.ADVANCE, self._scalars(), {**here, **there})])
                continue
            derivative = ("qacc", "act_dot")
            for k in range(4):
                point = here if k == 0 else {name: f"{name}@{s}.{k}" for name in state}
                launches = []
                if k > 0:
                    before = f"qvel@{s}" if k == 1 else f"rk_velocity@{s}.{k - 1}"
                    time = self.model.timestep * (1.0 if k == 3 else 0.5)
                    rename = {
                        **here,
                        **{name: f"{name}@{s}.{k - 1}" for name in derivative},
                        **{f"{name}_next": point[name] for name in state},
                        "rk_velocity": before,
                        "rk_velocity_next": f"rk_velocity@{s}.{k}",
                    }
                    launches.append(self._bind(step.RK_STAGE, self._scalars(stage_time=time), rename))
                rename = {**point, **{name: f"{name}@{s}.{k}" for name in derivative}}
                launches += self._evaluation(rename, 4 * s + k, for_adjoint)
                segments.append(launches)
            rename = {**here, **there}
            rename |= {f"{name}_{k}": f"{name}@{s}.{k}" for name in (*derivative, "rk_velocity") for k in range(4)}
            segments.append([self._bind(step.RK_ADVANCE, self._scalars(), rename)])
        return segments

    def _build_observation(self, names: tuple[str, ...]) -> _Program:
        """Continuous-time forward dynamics at the current state: nothing is implicit in it."""
        rename = {name: f"{name}@0" for name in ("qpos", "qvel", "act")} | {"skip_dof": "skip_none"}
        rename["qacc_constrained"] = self._solution_field(0)
        stages = step.stages_for(names, self.model)
        forward, backward = (
            [
                [
                    self._bind(s, self._scalars(damping_implicit=0, force_implicit=0, for_adjoint=a), rename)
                    for s in stages
                ]
            ]
            for a in (0, 1)
        )
        return self._capture(forward, backward, zero_contacts_of=None)

    def _launch_forward(self, launches: list[_Launch]) -> None:
        for launch in launches:
            for kernel, arguments in zip(launch.stage.kernels, launch.arguments, strict=True):
                wp.launch(kernel, dim=self.n_worlds, inputs=arguments, device=self._wp_device, record_tape=False)

    def _launch_adjoint(self, launches: list[_Launch]) -> None:
        for launch in reversed(launches):
            stage = launch.stage
            if stage.adjoint == "none":
                continue
            if stage.adjoint == "implicit":
                for kernel, arguments in zip(stage.adjoint_kernels, launch.adjoint_arguments, strict=True):
                    wp.launch(kernel, dim=self.n_worlds, inputs=arguments, device=self._wp_device, record_tape=False)
            taped = stage.kernels if stage.adjoint == "tape" else stage.taped
            for kernel, arguments in zip(reversed(stage.kernels), reversed(launch.arguments), strict=True):
                if kernel in taped:
                    wp.launch(
                        kernel,
                        dim=self.n_worlds,
                        inputs=arguments,
                        adj_inputs=[None] * len(arguments),
                        adjoint=True,
                        device=self._wp_device,
                        record_tape=False,
                    )

    def _capture(self, forward: list[list[_Launch]], backward: list[list[_Launch]], zero_contacts_of) -> _Program:
        """Capture the segments of the forward pass, and those of the backward pass, which end in their adjoints.

        ``zero_contacts_of``: the array of contact counts, where gradients of contacts are not loaded from outside.
        """
        device = self._wp_device
        with _capturing, wp.ScopedCapture(device=device) as forward_capture:
            for segment in forward:
                self._launch_forward(segment)
        with _capturing, wp.ScopedCapture(device=device) as backward_capture:
            for segment in backward:
                self._launch_forward(segment)
            for k, segment in reversed(list(enumerate(backward))):
                if k < len(backward) - 1:
                    self._launch_forward(segment)
                    wp.launch(zero_columns, dim=self.n_worlds, inputs=[self._work_grad], device=device)
                if zero_contacts_of is not None:
                    inputs = [zero_contacts_of, self._per_contact, self._contact_grad]
                    wp.launch(zero_contacts, dim=self.n_worlds, inputs=inputs, device=device)
                self._launch_adjoint(segment)
        return _Program(forward_capture.graph, backward_capture.graph)

    def _replay(self, graph) -> None:
        stream = wp.stream_from_torch(torch.cuda.current_stream(self.device)) if self.device.type == "cuda" else None
        wp.capture_launch(graph, stream=stream)

    # -- running ------------------------------------------------------------------------------------------------------

    def load(
        self, state: torch.Tensor, theta: torch.Tensor, command: Command, solution: torch.Tensor | None = None
    ) -> None:
        """Copy a step's inputs into the buffers; what is there already is not copied again.

        ``solution``: (N, evaluations * nv), where the constraint solver starts; None: it has no guess.
        """
        if theta.shape[0] != self._theta_rows:
            self._bind_theta(theta.shape[0])
            self._theta = None
        if self._theta is None or theta is not self._theta() or theta._version != self._theta_version:
            self._theta_data.copy_(theta)
            self._theta, self._theta_version = weakref.ref(theta), theta._version
        loaded, self._command = self._command, None  # an interrupt in between leaves nothing that is trusted
        if loaded is None or command.mode is not loaded.mode:
            self._int_tensors["ctrl_mode"].copy_(command.mode)
        if loaded is None or command.actuators_on is not loaded.actuators_on:
            self._int_tensors["actuator_on"].copy_(command.actuators_on)
        self._command = Command(command.mode, command.actuators_on)
        keys = tuple((key, block.shape[-1]) for key, block in command.blocks.items())
        if keys != self._control_keys:
            self._control.zero_()
            self._control_keys = keys
        for view, block in zip(self._block_views(self._data, command), command.blocks.values(), strict=True):
            view.copy_(block)
        self.state_in.copy_(state)
        if self.evaluations:
            if solution is None or not solution.numel():  # none: of a graph recorded before require_constraints()
                self.solution.zero_()
            else:
                self.solution.copy_(solution)

    def _block_views(self, buffer: torch.Tensor, command: Command) -> list[torch.Tensor]:
        views = []
        for (name, start), block in command.blocks.items():
            first = self._columns[name].start + start
            views.append(buffer[:, first : first + block.shape[-1]])
        return views

    def control_grads(self, command: Command) -> list[torch.Tensor]:
        """Gradient of each control block after an adjoint, (N, n) each."""
        return self._block_views(self._grad, command)

    @property
    def theta_grad(self) -> torch.Tensor:
        """Gradient of the parameters after an adjoint, (P, ntheta)."""
        return self._theta_grad

    def run_step(self) -> None:
        """From ``state_in`` and the loaded inputs to ``state_out``."""
        program = self._program()
        self._forget_last_run()
        self._replay(program.forward)

    def run_step_adjoint(self, adj_state: torch.Tensor) -> None:
        """Gradients of the loaded inputs from the gradient of the next state, (N, nq + nv + na)."""
        program = self._program()
        self._int_tensors["solver_unconverged"].zero_()
        self._grad[:, : self._step_end].zero_()
        self._theta_grad.zero_()
        self.state_out_grad.copy_(adj_state)
        self._replay(program.backward)

    def run_observation(self, names: tuple[str, ...]) -> list[torch.Tensor]:
        """Fields ``names`` at ``state_in``: views of the work space, (N, ...) each."""
        program = self._observation(names)
        self._forget_last_run()
        self._replay(program.forward)
        return [self._field_view(self._data, name) for name in names]

    def run_observation_adjoint(self, names: tuple[str, ...], grads) -> None:
        """Gradients of the loaded inputs from the gradients of the fields ``names`` (None: zero)."""
        program = self._observation(names)
        self._int_tensors["solver_unconverged"].zero_()
        self._grad.zero_()
        self._theta_grad.zero_()
        for name, grad in zip(names, grads, strict=True):
            if grad is not None:
                self._field_view(self._grad, name).copy_(grad)
        self._replay(program.backward)

    def _forget_last_run(self) -> None:
        if self.device.type == "cpu" and self.model.has_contacts:  # on CUDA nobody has asked yet
            self.forget_overflow()

    def contacts(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Of the last run: how many contacts each env has, (N,), and the cpair of each, (N, nconmax); copies, int32."""
        return self._int_tensors["ncon"][:, 1].clone(), self._int_tensors["con_pair"].clone()

    def contact_overflow(self) -> tuple[int, int] | None:
        """First env that found more contacts than it has slots, and how many; else None.

        On the CPU of the last run; on CUDA since :meth:`forget_overflow`.
        """
        if not self.model.has_contacts:
            return None
        needed = self._int_tensors["ncon_needed"][:, 0]
        if int(needed.max()) <= self.model.nconmax:
            return None
        env = int(torch.nonzero(needed > self.model.nconmax)[0])
        return env, int(needed[env])

    def forget_overflow(self, envs: torch.Tensor | None = None) -> None:
        """These envs (None: all) begin anew: what they lacked slots for before does not count any more."""
        needed = self._int_tensors["ncon_needed"]
        if envs is None:
            needed.zero_()
        else:
            needed.index_fill_(0, envs, 0)

    def unconverged_envs(self) -> list[int]:
        """Envs in which the constraint solver stopped at its limit of iterations in the last adjoint."""
        if not self.model.constrained:
            return []
        return torch.nonzero(self._int_tensors["solver_unconverged"][:, 0]).flatten().tolist()

    def _program(self) -> _Program:
        if self._step_program is None:
            ncon = self._arrays["ncon"] if self.model.has_contacts else None
            self._step_program = self._capture(self._step_segments(0), self._step_segments(1), zero_contacts_of=ncon)
        return self._step_program

    def _observation(self, names: tuple[str, ...]) -> _Program:
        if names not in self._observations:
            self._observations[names] = self._build_observation(names)
        return self._observations[names]

    def _field_view(self, buffer: torch.Tensor, name: str) -> torch.Tensor:
        spec = step.FIELDS[name]
        shape = spec.shape(self.model)
        if spec.dtype is not real:
            shape = (*shape, _COMPONENTS[spec.dtype])
        if spec.per_contact:
            slots = buffer[:, self._contacts_start :].unflatten(1, (self.model.nconmax, self._per_contact))
            first = self._contact_columns[name]
            columns = slots[:, :, first : first + math.prod(shape)]
            return columns.unflatten(2, shape) if shape else columns.squeeze(2)
        return buffer[:, self._columns[name]].unflatten(1, shape)
