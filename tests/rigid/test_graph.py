"""The executor of GPUs, captured graphs over all envs side by side in memory, beside that of the CPU.

It runs on the CPU as well, so that its layout and its graphs are tested wherever there is no GPU.
"""

import mujoco
import numpy as np
import pytest
import torch

from genesis.grad import bridge, rollout
from genesis.rigid.command import Command, Switches
from genesis.rigid.executors.graph import GraphDynamics
from tests import constraint_models, models
from tests.rigid.engine import EULER, IMPLICITFAST, RK4, Engine, compile_model

N = 5
DEVICES = [
    "cpu",
    pytest.param("cuda", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")),
]
# The order of sums over envs, and the compiler's contraction of products, differ on a GPU.
RTOL = {"cpu": 1e-12, "cuda": 1e-8}
NAMES = ("xpos", "qacc", "con_dist", "con_force", "ncon", "con_pair")


def pair(name: str, integrator: int, substeps: int, device: str) -> tuple[Engine, GraphDynamics, torch.Tensor]:
    """An engine of the CPU, the graphs of the same model, and states in motion."""
    source = {
        "ant": models.gymnasium_asset("ant.xml"),
        "actuators": models.ACTUATORS,
        "surfaces": models.EXACT_SURFACES.replace("</mujoco>", '<actuator><motor joint="bend"/></actuator></mujoco>'),
        **{cone: constraint_models.footed(cone) for cone in ("pyramidal", "elliptic")},  # swept against slip
    }[name]
    model = compile_model(source, integrator, constraints=name != "actuators")
    model.opt.tolerance = 0
    engine = Engine(model, n_worlds=N, substeps=substeps)
    graphs = GraphDynamics(engine.model, N, torch.device(device), substeps)
    data, rng, states = mujoco.MjData(model), np.random.default_rng(3), []
    for _ in range(N):
        data.ctrl[:] = 0.3 * rng.standard_normal(model.nu)
        mujoco.mj_step(model, data, 25)
        states.append(np.concatenate([data.qpos, data.qvel, data.act]))
    return engine, graphs, torch.tensor(np.stack(states))


def command_on(command: Command, device: str, blocks) -> Command:
    kept = dict(zip(command.blocks, blocks, strict=True))
    return Command(Switches(*(x.to(device) for x in command.switches)), kept, command.sequences)


def results(dynamics, theta, command, states, device: str, n_steps: int) -> list[torch.Tensor]:
    """Values and gradients of a run and of an observation of its end."""
    leaves = [x.detach().to(device).requires_grad_() for x in (states, theta, *command.blocks.values())]
    moved = command_on(command, device, leaves[2:])
    plan = rollout.Plan(n_steps, n_steps)
    final, every, solution = rollout.rollout(dynamics, leaves[0], leaves[1], moved, None, plan, True)
    held = Command(moved.switches)
    observed = bridge.observe(dynamics, NAMES, final, leaves[1], held, solution, True)
    outputs = [final, every, *observed]
    rng = np.random.default_rng(0)
    loss = 0.0
    for value in outputs:
        if value.is_floating_point():
            count = observed[4][:, None] if value.shape[1:2] == observed[2].shape[1:] else None
            weights = torch.tensor(rng.standard_normal(value.shape), device=device)
            if count is not None:  # slots without a contact hold anything
                kept = torch.arange(value.shape[1], device=device) < count
                weights = weights * kept.reshape(*kept.shape, *[1] * (value.dim() - 2))
                value = torch.where(weights != 0, value, 0.0)
            loss = loss + (value * weights).sum()
    grads = torch.autograd.grad(loss, leaves)
    return [x.cpu() for x in (loss.detach(), final.detach(), every.detach(), observed[4], *grads)]


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("shared", [True, False], ids=["shared", "per env"])
@pytest.mark.parametrize(
    ("name", "integrator", "substeps"),
    [
        *(("ant", EULER, 1), ("ant", IMPLICITFAST, 2), ("ant", RK4, 1), ("actuators", EULER, 2), ("actuators", RK4, 1)),
        *(("pyramidal", EULER, 1), ("elliptic", EULER, 1), ("surfaces", EULER, 1)),
    ],
)
def test_graphs_compute_what_the_cpu_s_loop_does(name, integrator, substeps, shared, device):
    engine, graphs, states = pair(name, integrator, substeps, device)
    rng = np.random.default_rng(1)
    m, n_steps = engine.model, 4
    theta = engine.theta.clone() if shared else engine.theta.repeat(N, 1)
    command = engine.command(
        ctrl=torch.tensor(0.2 * rng.standard_normal((n_steps, N, m.nu))),
        dof_force=torch.tensor(0.2 * rng.standard_normal(m.nv)),
    )
    command = Command(command.switches, command.blocks, frozenset({("ctrl", 0)}))
    ours = results(graphs, theta, command, states, device, n_steps)
    theirs = results(engine.dynamics, theta, command, states, "cpu", n_steps)
    for one, other in zip(ours, theirs, strict=True):
        assert one.shape == other.shape
        scale = 1.0 + float(other.abs().max())
        torch.testing.assert_close(one, other, rtol=0, atol=RTOL[device] * scale)
    assert sum(bool(grad.any()) for grad in ours[4:]) == len(ours[4:])


def test_buffers_longer_than_an_array_of_warp_are_zeroed_in_pieces(monkeypatch):
    """An array's extent is a 32-bit number; 30 boxes and some ten thousand envs have more numbers."""
    engine, graphs, states = pair("ant", EULER, 1, "cpu")
    command = engine.command(dof_force=torch.ones(N, engine.model.nv, dtype=torch.float64))
    expected = results(graphs, engine.theta, command, states, "cpu", 2)
    monkeypatch.setattr("genesis.rigid.executors.graph._LONGEST", 1000)
    graphs._forget_programs()
    found = results(graphs, engine.theta, command, states, "cpu", 2)
    for one, other in zip(expected, found, strict=True):
        assert torch.equal(one, other)
