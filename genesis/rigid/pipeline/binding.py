"""Which kernels make a step, or an observation, of a model, and the arrays that each of them works on.

A step is a sequence of segments. All intermediate results of a segment are in the work fields; what a later segment
needs is in slots of its own. The adjoint runs all segments forward, then each one's adjoint in reverse, after running
it forward once more where a later segment has overwritten the work fields.
"""

import enum
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import mujoco
import numpy as np
import warp as wp
from warp._src.codegen import Struct

from genesis.model import fluid
from genesis.model.arrays import Model
from genesis.rigid.door import NativeError
from genesis.rigid.kernels.collision import convex
from genesis.rigid.pipeline import step
from genesis.rigid.pipeline.arguments import Group
from genesis.rigid.pipeline.workspace import RK_STAGES, STATE

# With at most so many pairs of shapes, the broad phase looks at each of them.
_FEW_PAIRS = 128


@dataclass
class Launch:
    """A stage bound to its arrays: per kernel one list of arguments."""

    stage: step.Stage
    arguments: list[list]
    adjoint_arguments: list[list]

    def forward(self) -> list[tuple[Any, list, bool]]:
        """(kernel, arguments, whether it is Warp's adjoint of the kernel that is meant), in order."""
        return [(k, a, False) for k, a in zip(self.stage.kernels, self.arguments, strict=True)]

    def adjoint(self) -> list[tuple[Any, list, bool]]:
        """The same of the stage's adjoint."""
        stage = self.stage
        by_hand = [(k, a, False) for k, a in zip(stage.adjoint_kernels, self.adjoint_arguments, strict=True)]
        pairs = reversed(list(zip(stage.kernels, self.arguments, strict=True)))
        return [*by_hand, *((k, a, True) for k, a in pairs if k in stage.taped_kernels)]


class Act(enum.Enum):
    """What is done in the adjoint of a step; see `adjoint_walk`."""

    FORWARD = enum.auto()
    ADJOINT = enum.auto()
    ZERO_WORK = enum.auto()
    ZERO_CONTACTS = enum.auto()


def adjoint_walk(segments: list[list[Launch]]) -> Iterator[tuple[Act, Launch | None]]:
    """The adjoint of a step, in the order in which whoever runs it has to do it: programs of the CPU, graphs, and the
    search for a gradient that is not finite.

    At the start the gradients of the slots are zero but for that of the result, and so are those of the work fields.
    All segments run forward; then each one's adjoint, from the last, after the segment has run once more where a later
    one has overwritten the work fields. ZERO_WORK and ZERO_CONTACTS: the gradients of the work fields, or of what
    belongs to contacts, become zero.
    """
    for segment in segments:
        for launch in segment:
            yield Act.FORWARD, launch
    for k, segment in reversed(list(enumerate(segments))):
        if k < len(segments) - 1:
            for launch in segment:
                yield Act.FORWARD, launch
            yield Act.ZERO_WORK, None
        yield Act.ZERO_CONTACTS, None
        for launch in reversed(segment):
            yield Act.ADJOINT, launch


class Binder:
    """Binds the stages of a step of ``substeps`` integration steps.

    Args:
        array: from the name of an array to what a kernel is given for it
        gradient: from the name of an array to its gradient's array
    """

    def __init__(
        self, model: Model, substeps: int, array: Callable[[str], Any], gradient: Callable[[str], Any]
    ) -> None:
        self._model, self._substeps, self._array, self._gradient = model, substeps, array, gradient
        self._rk4 = model.integrator == mujoco.mjtIntegrator.mjINT_RK4
        # What is commanded, and what acts: the same where nothing acts late.
        self._controls = {"given": "ctrl"} if model.nhistory else {"given": "ctrl", "actuator_ctrl": "ctrl"}

    def segments(self, for_adjoint: bool) -> list[list[Launch]]:
        """The segments of a step: from ``qpos@0``, ... to ``qpos@<substeps>``, ...

        ``for_adjoint``: the constraint solver is to go on from its solution, as far as the precision allows, and to
        leave the factors that its adjoint needs.
        """
        segments = []
        for s in range(self._substeps):
            here = {name: f"{name}@{s}" for name in STATE}
            there = {f"{name}_next": f"{name}@{s + 1}" for name in STATE}
            if not self._rk4:
                launches = self._evaluation(here, s, for_adjoint)
                launches.append(self._bind(step.ADVANCE.of(self._model), self._scalars(), {**here, **there}))
                segments.append([*launches, *self._yielding({**here, **there})])
                continue
            derivative = ("qacc", "act_dot")
            for k in range(RK_STAGES):
                point = here if k == 0 else {name: f"{name}@{s}.{k}" for name in STATE}
                launches = []
                if k > 0:
                    before = f"qvel@{s}" if k == 1 else f"rk_velocity@{s}.{k - 1}"
                    time = self._model.timestep * (1.0 if k == 3 else 0.5)
                    rename = {
                        **here,
                        **{name: f"{name}@{s}.{k - 1}" for name in derivative},
                        **{f"{name}_next": point[name] for name in STATE},
                        "rk_velocity": before,
                        "rk_velocity_next": f"rk_velocity@{s}.{k}",
                    }
                    launches.append(self._bind(step.RK_STAGE, self._scalars(stage_time=time), rename))
                rename = {**point, **{name: f"{name}@{s}.{k}" for name in derivative}}
                launches += self._evaluation(rename, RK_STAGES * s + k, for_adjoint, (0.0, 0.5, 0.5, 1.0)[k])
                segments.append(launches)
            rename = {**here, **there, "act_dot": "act_dot_mean"}
            rename |= {
                f"{name}_{k}": f"{name}@{s}.{k}" for name in (*derivative, "rk_velocity") for k in range(RK_STAGES)
            }
            # What tendons are like at the start of the step, the stages have overwritten.
            tendons = step.stages_for(("ten_length", "ten_J"), self._model) if self._model.plastic_tendons else ()
            launches = [self._bind(stage, self._scalars(), here) for stage in tendons]
            launches.append(self._bind(step.RK_ADVANCE.of(self._model), self._scalars(), rename))
            segments.append([*launches, *self._yielding(rename | {"qvel_next": "rk_velocity_mean"})])
        return segments

    def observation(self, names: tuple[str, ...], for_adjoint: bool) -> list[Launch]:
        """What leads to the fields ``names`` in the state ``qpos@0``, ...: dynamics in continuous time."""
        rename = {name: f"{name}@0" for name in STATE} | {"skip_dof": "skip_none"}
        rename["qacc_constrained"] = self._solution_field(0)
        scalars = self._scalars(damping_implicit=0, force_implicit=0, for_adjoint=int(for_adjoint))
        return [self._bind(stage, scalars, rename) for stage in step.stages_for(names, self._model)]

    def _evaluation(self, rename: dict[str, str], index: int, for_adjoint: bool, ahead: float = 0.0) -> list[Launch]:
        """`ahead`: when it is, in steps from the start of the integration step."""
        model = self._model
        stages = [s.of(model) for s in (*step.forward(model.kinds), *step.UNSYMMETRIC) if s.needed(model)]
        rename = {
            "skip_dof": self._solved_elsewhere(),
            "qacc_constrained": self._solution_field(index),
            **rename,
        }
        scalars = self._scalars(for_adjoint=int(for_adjoint), ahead=ahead)
        return [self._bind(s, scalars, rename) for s in stages]

    def _yielding(self, rename: dict[str, str]) -> list[Launch]:
        """What moves the rest of plastic springs at the end of a step."""
        if not step.YIELD.needed(self._model):
            return []
        return [self._bind(step.YIELD.of(self._model), self._scalars(), rename)]

    def _solved_elsewhere(self) -> str:
        """The index array of the dofs that an unsymmetric system is for."""
        if self._model.bias_implicit:
            return "skip_all"
        return "dof_in_free_block" if self._model.implicit else "skip_none"

    def _solution_field(self, evaluation: int) -> str:
        """Where the constraint solver's solution is; without constraints, something that is never read as one."""
        return f"solution@{evaluation}" if self._model.constrained else "qfrc_smooth"

    def _bind(self, stage: step.Stage, scalars: dict, rename: dict[str, str]) -> Launch:
        rename = self._controls | rename

        def one(label: str):
            if label in scalars:
                return scalars[label]
            if label.startswith("adj_"):
                gradient = self._gradient(rename.get(label[4:], label[4:]))
                if gradient is None:
                    raise NativeError(f"stage {stage.name!r}: the gradient of {label[4:]!r} has no buffer.")
                return gradient
            return self._array(rename.get(label, label))

        def argument(arg):
            if not isinstance(arg.type, Struct):
                return one(arg.label)
            members: dict[str, Any] = {}
            for name, var in arg.type.vars.items():
                if not arg.label.startswith("adj_"):
                    members[name] = one(name)
                elif _is_real_array(var.type) and step.has_gradient(rename.get(name, name), self._model):
                    members[name] = one(f"adj_{name}")
            return Group(arg.type, members)

        def arguments(kernels):
            return [[argument(arg) for arg in kernel.adj.args] for kernel in kernels]

        launch = Launch(stage, arguments(stage.kernels), arguments(stage.adjoint_kernels))
        self._require_gradients(launch, rename)
        return launch

    def _require_gradients(self, launch: Launch, rename: dict[str, str]) -> None:
        """Raise NativeError where a stage's adjoint would drop a gradient: Warp adds it to nothing, without a word."""
        stage = launch.stage
        for kernel, values in zip(stage.kernels, launch.arguments, strict=True):
            if kernel not in stage.taped_kernels:
                continue
            for label, value in _flat(kernel, values):
                if isinstance(value, wp.array) and value.dtype is not wp.int32 and value.grad is None:
                    name = rename.get(label, label)
                    if step.has_gradient(name, self._model):
                        raise NativeError(f"stage {stage.name!r}: the gradient of {name!r} has no buffer.")

    def _scalars(self, **more) -> dict:
        model = self._model
        option, constants = model.option, model.constants
        margins = constants["cpair_margin"] + constants["cpair_gap"]
        euler_damping = model.integrator == mujoco.mjtIntegrator.mjINT_EULER and not model.disabled(
            mujoco.mjtDisableBit.mjDSBL_EULERDAMP
        )
        return {
            "timestep": model.timestep,
            "ahead": 0.0,
            "refsafe": int(not model.disabled(mujoco.mjtDisableBit.mjDSBL_REFSAFE)),
            "warm_start": int(not model.disabled(mujoco.mjtDisableBit.mjDSBL_WARMSTART)),
            "elliptic": int(model.elliptic),
            "impratio": float(option.impratio),
            "iterations": int(option.iterations),
            "tolerance": float(option.tolerance),
            "ls_iterations": int(option.ls_iterations),
            "ls_tolerance": float(option.ls_tolerance),
            "for_adjoint": 0,
            "noslip_iterations": model.noslip_iterations,
            "noslip_tolerance": float(option.noslip_tolerance),
            "noslip_inertia": float(model.mj_model.stat.meaninertia) * max(1, model.nv),
            "noslip_together": int(model.disabled(mujoco.mjtDisableBit.mjDSBL_ISLAND)),
            "ccd_iterations": int(option.ccd_iterations),
            "ccd_tolerance": float(option.ccd_tolerance),
            "multiccd": int(not model.disabled(mujoco.mjtDisableBit.mjDSBL_MULTICCD)),
            "max_corners": convex.corners_of(int(model.mj_model.npolygonmax)),
            "adhesion_pulls": int(not fluid.is_off(model.mj_model)),
            "all_pairs": int(model.ncpair <= _FEW_PAIRS),
            "largest_margin": float(np.max(margins, initial=0.0)),
            "damping_implicit": int(euler_damping or model.implicit),
            "force_implicit": int(model.implicit),
            **more,
        }


def _is_real_array(kind) -> bool:
    return isinstance(kind, wp.array) and kind.dtype is not wp.int32


def _flat(kernel, values: list) -> list[tuple[str, Any]]:
    """(name, value) of each argument, those of a group one by one."""
    found: list[tuple[str, Any]] = []
    for arg, value in zip(kernel.adj.args, values, strict=True):
        found += value.members.items() if isinstance(value, Group) else [(arg.label, value)]
    return found
