"""Run as a program: motion in contact in the precision of argv[1], compared by test_contact_precision.py.

What argv[2] asks for goes to the file argv[3] (npz):

- ``steps``: single steps. Their states are those of MuJoCo's own trajectory, rounded to 32 bits: both precisions start
  at the same numbers, and chaos does not enter.
- ``rollouts``: outputs and gradients of 200 steps.

In 64 bits the solver converges as far as it can; in 32 bits it has the tolerance of the model file.
"""

import copy
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import mujoco
import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import genesis as gs
from tests import contact_scenes as scenes
from tests.constraint_models import footed
from tests.scenes import PANDA, build

STEPS = 200
CONES = ["pyramidal", "elliptic"]
CONVERGED = {"tolerance": 0.0, "iterations": 200, "ls_iterations": 100}


@dataclass(frozen=True)
class Case:
    """A scene and how it moves.

    Attributes:
        source: MJCF text, or a file
        qpos, qvel: index -> what differs from the model's initial state
        force: generalised force, (nv,)
        torque: random torques on the actuated joints, relative to the actuators' gear
        pd: kp and kv of position targets that hold the joints behind the free base
        settle: steps of MuJoCo before the first state
        states: how many states are compared
    """

    source: str
    qpos: dict[int, float] = field(default_factory=dict)
    qvel: dict[int, float] = field(default_factory=dict)
    force: tuple[float, ...] = ()
    torque: float = 0.0
    pd: tuple[float, float] | None = None
    settle: int = 0
    states: int = STEPS

    def start(self, m: mujoco.MjModel) -> mujoco.MjData:
        data = mujoco.MjData(m)
        for values, given in ((data.qpos, self.qpos), (data.qvel, self.qvel)):
            for index, value in given.items():
                values[index] = value
        return data

    def control(self, m: mujoco.MjModel) -> Callable[[mujoco.MjData], np.ndarray]:
        """Generalised force at a state, (nv,); its noise begins anew with each call of this method."""
        rng = np.random.default_rng(0)
        gear = np.zeros(m.nv)
        if self.torque:
            gear[m.jnt_dofadr[m.actuator_trnid[:, 0]]] = self.torque * m.actuator_gear[:, 0]
        constant = np.array(self.force) if self.force else np.zeros(m.nv)
        target = self.start(m).qpos[7:]

        def force(data: mujoco.MjData) -> np.ndarray:
            result = constant + gear * rng.standard_normal(m.nv)
            if self.pd is not None:
                kp, kv = self.pd
                result[6:] += kp * (target - data.qpos[7:]) - kv * data.qvel[6:]
            return result

        return force


_THROW = dict(enumerate([0.6, -0.3, -0.5, 1.0, 2.0, -1.5]))
_CROUCH = dict(enumerate([0, 1.0, 0, -1.0, 0, -1.0, 0, 1.0], 7)) | {2: 0.6}
_SWING = dict(enumerate(np.random.default_rng(0).standard_normal(6)))
CASES = {
    **{f"thrown {shape}": Case(scenes.thrown(shape), qvel=_THROW) for shape in scenes.SHAPES},
    "sliding box": Case(scenes.SLED, force=(36.0, 8.0, 0.0, 0.7)),
    "stack": Case(scenes.stack(), qvel={24: 0.1}),
    "pile": Case(scenes.pile(), settle=100, states=50),
    "quadruped falls": Case(scenes.QUADRUPED, torque=0.3),
    "quadruped stands": Case(scenes.QUADRUPED, qpos=_CROUCH, pd=(20.0, 1.0)),
    "humanoid falls": Case(scenes.HUMANOID, torque=0.3),
    "humanoid stands": Case(scenes.HUMANOID, qpos={2: 1.282}, pd=(200.0, 5.0)),
    "arm at its limits": Case(PANDA, force=(-5.0, 60.0, 5.0, -30.0, 5.0, 3.0, 1.0, 1.0, -1.0)),
    "limits and friction loss": Case(scenes.JOINTS, qvel=_SWING),
    "swept against slip": Case(footed(ball=0.5), qvel={0: 0.4, 1: -0.2}),
}


def trajectory(case: Case, m: mujoco.MjModel) -> tuple[np.ndarray, ...]:
    """qpos, qvel and force of the states that are compared, in 32 bits, and the size of the acceleration at each.

    That size is the larger of the accelerations with and without constraints: at rest large forces cancel each other,
    and what rounding leaves of either is left of the sum.
    """
    m = copy.copy(m)  # the scene's own keeps its options
    m.opt.tolerance, m.opt.iterations, m.opt.ls_iterations = CONVERGED.values()
    data, control = case.start(m), case.control(m)
    probe = mujoco.MjData(m)
    states, sizes = [], []
    for t in range(case.settle + case.states):
        force = control(data)
        if t >= case.settle:
            state = tuple(x.astype(np.float32) for x in (data.qpos, data.qvel, force))
            states.append(state)
            probe.qpos[:], probe.qvel[:], probe.qfrc_applied[:] = state
            mujoco.mj_forward(m, probe)
            sizes.append(max(np.abs(probe.qacc).max(), np.abs(probe.qacc_smooth).max()))
        data.qfrc_applied[:] = force
        mujoco.mj_step(m, data)
    return (*(np.array(x, dtype=float) for x in zip(*states, strict=True)), np.array(sizes))


def single_steps(case: Case, cone: str, options: dict) -> dict[str, np.ndarray]:
    """One step from each state, each in an env of its own. First axis of all results: the states."""
    from tests.contact_scale import fields_of  # names kernels: after gs.init

    scene, robot = build(
        case.source,
        n_envs=case.states,
        integrator="Euler",
        requires_grad=False,
        constraints=True,
        rigid_options={"friction_cone": cone, **options},
    )
    qpos, qvel, force, size = trajectory(case, scene.mj_model)
    robot.set_qpos(torch.tensor(qpos))
    robot.set_dofs_velocity(torch.tensor(qvel))
    robot.control_dofs_force(torch.tensor(force))
    names = ("ncon", "con_pair", "con_feature", "efc_active", "any_constraint", "solver_niter", "solver_unconverged")
    found = dict(zip(names, fields_of(scene, *names), strict=True))
    scene.step()
    count = found["ncon"][:, 1:]
    listed = torch.arange(found["con_pair"].shape[1]) < count
    choices = [count, found["efc_active"], torch.where(listed, found["con_pair"], -1)]
    choices.append(torch.where(listed[..., None], found["con_feature"], -1).flatten(1))
    return {
        "acceleration": (robot.get_dofs_velocity().double().numpy() - qvel) / scene.dt,
        "size": size,
        # which contacts and limits there are: discrete, and the acceleration jumps where they change
        "choices": torch.cat(choices, 1).numpy(),
        "constrained": found["any_constraint"][:, 0].numpy().copy(),
        "iterations": found["solver_niter"][:, 0].numpy().copy(),
        "unconverged": found["solver_unconverged"][:, 0].numpy().copy(),
    }


def rollout(case: Case, cone: str) -> dict[str, np.ndarray]:
    """Getters after ``STEPS`` steps, the gradient of all of them by every input, the solver's iterations on the way."""
    from tests.contact_gradients import ContactProgram  # names kernels: after gs.init

    scene, robot = build(case.source, integrator="Euler", constraints=True, rigid_options={"friction_cone": cone})
    m = scene.mj_model
    data, control = case.start(m), case.control(m)
    for _ in range(case.settle):
        mujoco.mj_step(m, data)
    more: dict = {"force": case.force or None}
    if case.pd is not None:
        kp, kv = case.pd
        more |= {"pd": range(6, m.nv), "target": case.start(m).qpos[7:], "kp": kp, "kv": kv}
    program = ContactProgram(scene, robot, STEPS, 0, qpos=data.qpos.copy(), qvel=data.qvel.copy(), **more)
    if case.torque:
        program.inputs["force"] = torch.tensor(np.stack([control(data) for _ in range(STEPS)]))

    dynamics = scene.world.dynamics
    result: dict[str, list[int]] = {"iterations forward": [], "iterations backward": [], "unconverged": []}

    def observed(run, name: str):
        def wrapped(*args):
            given = run(*args)
            (executor,) = dynamics.executors
            result[name].append(int(executor.space.integers["solver_niter"]))
            result["unconverged"].append(int(executor.space.integers["solver_unconverged"]))
            return given

        return wrapped

    dynamics.run = observed(dynamics.run, "iterations forward")
    dynamics.run_adjoint = observed(dynamics.run_adjoint, "iterations backward")
    leaves = {name: value.double().clone().requires_grad_() for name, value in program.inputs.items()}
    outputs = program.run(leaves)
    generator = torch.Generator().manual_seed(0)
    loss = sum((value * torch.randn(value.shape, generator=generator)).sum() for value in outputs.values())
    grads = torch.autograd.grad(loss, list(leaves.values()))
    return {
        **{f"output {name}": value.detach().double().numpy() for name, value in outputs.items()},
        **{f"gradient by {name}": grad.double().numpy() for name, grad in zip(leaves, grads, strict=True)},
        **{name: np.array(values) for name, values in result.items()},
    }


def run(precision: str, what: str) -> dict[str, np.ndarray]:
    gs.init(backend=gs.cpu, precision=precision, seed=0, logging_level="warning")
    torch.set_num_threads(1)
    result = {}
    for name, case in CASES.items():
        for cone in CONES:
            if what == "steps":
                values = single_steps(case, cone, CONVERGED if precision == "64" else {})
            else:
                values = rollout(case, cone)
            result |= {f"{name} | {cone} | {key}": value for key, value in values.items()}
    return result


if __name__ == "__main__":
    np.savez(sys.argv[3], **run(sys.argv[1], sys.argv[2]))
