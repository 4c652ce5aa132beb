"""One stage of a step alone: everything before it has run, its outputs are poisoned, and it is launched by itself."""

import math

import mujoco
import numpy as np
import torch

from genesis.grad.non_finite import _Tracer
from genesis.model.arrays import Model
from genesis.rigid.command import Command, Switches
from genesis.rigid.kernels.constraint.kinds import KINDS
from genesis.rigid.pipeline import step
from genesis.rigid.pipeline.binding import Launch
from tests.histories import packed

POISON = -7  # of integers; that of numbers is NaN
# Written before it is read, or read before it is written over, from one evaluation to the next.
KEPT = ("sweep_order", "ncon_needed", "solver_unconverged")


def stages_of(integrator: int) -> list[step.Stage]:
    """Every stage that a step or an observation may have under an integrator."""
    rk4 = integrator == mujoco.mjtIntegrator.mjINT_RK4
    last = (step.RK_STAGE, step.RK_ADVANCE) if rk4 else (step.ADVANCE,)
    return [*step.forward(KINDS), *step.UNSYMMETRIC, *last, step.YIELD, *step.OBSERVE]


class StageRun:
    """A stage of a model at a state, under a command."""

    def __init__(self, mj_model: mujoco.MjModel, name: str, data: mujoco.MjData, makes_weld: bool = False):
        """``data`` holds state, ctrl, qfrc_applied, xfrc_applied and mocap poses. ``makes_weld``: the first equality
        of the model, a weld of two bodies, is switched off, and the same is made at run time instead."""
        self.m, self.data, self.model = mj_model, data, Model(mj_model, KINDS)
        if makes_weld:
            self.model.add_weld(int(mj_model.eq_obj1id[0]), int(mj_model.eq_obj2id[0]))
        self.tracer = _Tracer(self.model, torch.device("cpu"), 1)
        model, tracer = self.model, self.tracer
        theta = torch.tensor(model.theta_default())[None]
        blocks = {
            "dof_force": data.qfrc_applied,
            "ctrl": data.ctrl,
            "xfrc": data.xfrc_applied.ravel(),
            "dof_position": 0.1 * np.arange(model.nv),
            "dof_velocity": 0.2 * np.arange(model.nv),
            "mocap": np.concatenate([data.mocap_pos, data.mocap_quat], 1).ravel(),
            "weld": mj_model.eq_data[0, :10] if makes_weld else np.zeros(0),
        }
        active = torch.as_tensor(np.pad(mj_model.eq_active0.astype(np.int32), (0, model.nweld)))[None]
        if makes_weld:
            active[0, 0], active[0, -1] = 0, 1
        command = Command(
            Switches(
                torch.ones((1, model.nv), dtype=torch.int32),
                torch.ones((1, model.nactuator), dtype=torch.int32),
                active,
            ),
            {(key, 0): torch.tensor(np.array(value, dtype=float)) for key, value in blocks.items()},
        )
        tracer._load(theta, command, 1)
        tracer._state().copy_(torch.tensor(packed(mj_model, data))[None])
        space = tracer.space
        self.stores = [block.data for block in space._blocks()] + list(space.integers.values()) + [tracer._theta]
        self.grads = [block.grad for block in space._blocks() if block.grad is not None] + [tracer._theta_grad]
        self.launch = self._run_up_to(name)
        self.before = [store.clone() for store in self.stores]
        self.stage = self.launch.stage
        self.names = {label: self._slot(label) for kernel in self.stage.kernels for label in step.arguments_of(kernel)}

    def _run_up_to(self, name: str) -> Launch:
        binder, tracer = self.tracer._binder, self.tracer
        observed = {stage.name: stage for stage in step.OBSERVE}
        if name in observed:
            launches = binder.observation(observed[name].outputs, True)
        else:
            launches = [launch for segment in binder.segments(True) for launch in segment]
        for launch in launches:
            if launch.stage.name == name:
                return launch
            tracer._launch(launch.forward())
        raise AssertionError(f"the model has no stage {name!r}")

    def _slot(self, label: str) -> str:
        """The name of the array in the work space that a kernel's argument is."""
        after = "@1" if self.m.opt.integrator != mujoco.mjtIntegrator.mjINT_RK4 else "@0.1"
        if self.stage.name == step.RK_ADVANCE.name:
            after = "@1"
        names = {"qacc_constrained": "solution@0"} if self.model.constrained else {"qacc_constrained": "qfrc_smooth"}
        names["given"] = "ctrl"
        if not self.model.nhistory:
            names["actuator_ctrl"] = "ctrl"
        for field in ("qpos", "qvel", "act"):
            names |= {field: f"{field}@0", f"{field}_next": f"{field}{after}"}
        if self.stage.name == step.RK_STAGE.name:
            names |= {"rk_velocity": "qvel@0", "rk_velocity_next": "rk_velocity@0.1", "qacc": "qacc@0.0"}
            names |= {"act_dot": "act_dot@0.0"}
        elif self.m.opt.integrator == mujoco.mjtIntegrator.mjINT_RK4:
            names |= {field: f"{field}@0.0" for field in ("qacc", "act_dot")}
        if self.stage.name == step.RK_ADVANCE.name:
            names["act_dot"] = "act_dot_mean"
        for k in range(4):
            names |= {f"{field}_{k}": f"{field}@0.{k}" for field in ("qacc", "act_dot", "rk_velocity")}
        return names.get(label, label)

    # -- values -------------------------------------------------------------------------------------------------------

    def view(self, label: str, gradient: bool = False) -> torch.Tensor:
        """An argument of the stage's kernels: a field, state, control or parameter, without the axis of the rows."""
        name, model = self.names.get(label, self._slot(label)), self.model
        spec = (model.theta_fields | model.theta_views).get(name)
        if spec is not None:
            vector = self.tracer._theta_grad if gradient else self.tracer._theta
            return vector[0, spec.offset : spec.offset + spec.size].view(spec.shape)
        space = self.tracer.space
        return space.integers[name][0] if name in space.integers else space.view(name, gradient)[0]

    def has_gradient(self, label: str) -> bool:
        """Whether an argument is a number that the stage's adjoint reaches."""
        name, model, space = self.names[label], self.model, self.tracer.space
        if name in model.theta_fields or name in model.theta_views:
            return True
        return any(name in block.fields and block.grad is not None for block in space._blocks())

    def inputs(self) -> list[str]:
        """Arguments that are read and have a gradient."""
        labels = dict.fromkeys(label for kernel in self.stage.kernels for label in step.arguments_of(kernel))
        constant = {"xref"}  # held constant in every adjoint: nothing depends on it
        found = [x for x in labels if x not in self.stage.outputs and x not in constant and self._is_array(x)]
        return [label for label in found if self.has_gradient(label)]

    def _is_array(self, label: str) -> bool:
        name, space = self.names[label], self.tracer.space
        known = name in self.model.theta_fields or name in self.model.theta_views
        return known or any(name in block.fields for block in space._blocks())

    def outputs(self) -> list[str]:
        """Differentiable outputs."""
        return [label for label in self.stage.outputs if self.names.setdefault(label, self._slot(label)) and (
            self._is_array(label) and self.has_gradient(label))]  # fmt: skip

    # -- runs ---------------------------------------------------------------------------------------------------------

    def restore(self) -> None:
        """As before the stage."""
        for store, values in zip(self.stores, self.before, strict=True):
            store.copy_(values)

    def poison(self) -> None:
        """What the stage is to write holds what nothing may read; what it adds to stays."""
        for label in self.stage.outputs:
            name = self.names.setdefault(label, self._slot(label))
            if name in self.tracer.space.integers and label not in KEPT:
                self.tracer.space.integers[name].fill_(POISON)
            elif self._is_array(label) and not self.adds_to(label) and label != "qacc_constrained":
                self.view(label).fill_(math.nan)

    def adds_to(self, label: str) -> bool:
        """Whether another stage writes the output first; the unsymmetric systems write what others leave out."""
        unsymmetric = self.stage.name in [stage.name for stage in step.UNSYMMETRIC]
        earlier = []
        for stage in step.UNSYMMETRIC if unsymmetric else (*step.forward(KINDS), *step.OBSERVE):
            if stage.name == self.stage.name:
                break
            earlier += stage.outputs if stage.needed(self.model) or not unsymmetric else ()
        return label in earlier

    def forward(self) -> None:
        """The stage alone, with poisoned outputs."""
        self.restore()
        self.poison()
        self.tracer._launch(self.launch.forward())

    def adjoint(self, cotangent: dict[str, torch.Tensor]) -> None:
        """After `forward`: gradients of the inputs from those of the outputs."""
        for grad in self.grads:
            grad.zero_()
        for label, values in cotangent.items():
            self.view(label, gradient=True).copy_(values)
        self.tracer._launch(self.launch.adjoint())
