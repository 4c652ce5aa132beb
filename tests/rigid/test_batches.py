"""Envs, parameter rows, substeps: each is the same computation arranged differently."""

import mujoco
import numpy as np
import pytest
import torch

from genesis.errors import GenesisException
from tests import models
from tests.rigid.engine import EULER, IMPLICITFAST, RK4, Engine, compile_model

# Sums over envs are taken in another order than by the test.
SUM_TOLERANCE = 1e-11


def inputs(engine: Engine, n: int, seed: int):
    rng = np.random.default_rng(seed)
    m = engine.model
    state = torch.cat([engine.state_of(engine.random_data(rng)) for _ in range(n)])
    blocks = {
        "dof_force": torch.tensor(rng.standard_normal((n, m.nv))),
        "ctrl": torch.tensor(rng.standard_normal((n, m.nu))),
        "xfrc": torch.tensor(0.1 * rng.standard_normal((n, 6 * m.nbody))),
    }
    theta = engine.theta * torch.tensor(1 + 0.01 * rng.standard_normal((n, m.ntheta)))
    weights = torch.tensor(rng.standard_normal((n, engine.dynamics.state_size)))
    return state, blocks, theta, weights


def gradients(engine, state, blocks, theta, weights, steps=2):
    state, theta = state.clone().requires_grad_(), theta.clone().requires_grad_()
    blocks = {k: v.clone().requires_grad_() for k, v in blocks.items()}
    command = engine.command(**blocks)
    out = state
    for _ in range(steps):
        out = engine.step(out, command, theta, record=True)
    grads = torch.autograd.grad((out * weights).sum(), [state, theta, *blocks.values()])
    return [out.detach(), *grads]


@pytest.mark.parametrize("integrator", [EULER, IMPLICITFAST, RK4])
def test_envs_do_not_see_each_other(integrator):
    source = compile_model(models.ACTUATORS, integrator)
    many, one = Engine(source, n_worlds=3), Engine(source)
    state, blocks, theta, weights = inputs(one, 3, seed=0)
    together = gradients(many, state, blocks, theta, weights)
    for w in range(3):
        row = slice(w, w + 1)
        alone = gradients(one, state[row], {k: v[row] for k, v in blocks.items()}, theta[row], weights[row])
        for a, b in zip(together, alone, strict=True):
            assert torch.equal(a[row], b)


def test_shared_inputs_collect_the_gradient_of_all_envs():
    source = compile_model(models.ACTUATORS)
    engine = Engine(source, n_worlds=3)
    state, blocks, theta, weights = inputs(engine, 3, seed=1)
    shared = {k: v[0] for k, v in blocks.items()}
    rows = {k: v[:1].expand(3, -1).contiguous() for k, v in blocks.items()}
    together = gradients(engine, state, shared, theta[:1], weights)
    apart = gradients(engine, state, rows, theta[:1].expand(3, -1).contiguous(), weights)
    assert torch.equal(together[0], apart[0])
    assert torch.equal(together[1], apart[1])
    torch.testing.assert_close(together[2][0], apart[2].sum(0), rtol=SUM_TOLERANCE, atol=SUM_TOLERANCE)
    for a, b in zip(together[3:], apart[3:], strict=True):
        torch.testing.assert_close(a, b.sum(0), rtol=SUM_TOLERANCE, atol=SUM_TOLERANCE)


@pytest.mark.parametrize("integrator", [EULER, IMPLICITFAST, RK4])
def test_substeps_are_steps(integrator):
    source = compile_model(models.ACTUATORS, integrator)
    thrice, once = Engine(source, substeps=3), Engine(source)
    state, blocks, theta, weights = inputs(once, 1, seed=2)
    for a, b in zip(
        gradients(thrice, state, blocks, theta, weights, steps=2),
        gradients(once, state, blocks, theta, weights, steps=6),
        strict=True,
    ):
        torch.testing.assert_close(a, b, rtol=SUM_TOLERANCE, atol=SUM_TOLERANCE)


def test_nothing_of_an_earlier_step_survives_in_the_buffers():
    engine = Engine(compile_model(models.ACTUATORS))
    state, blocks, theta, weights = inputs(engine, 1, seed=3)
    first = gradients(engine, state, blocks, theta, weights)
    other = inputs(engine, 1, seed=4)
    gradients(engine, *other)
    engine.step(state, engine.command(actuators=0, mode=2, dof_position=torch.ones(engine.model.nv)))
    for a, b in zip(first, gradients(engine, state, blocks, theta, weights), strict=True):
        assert torch.equal(a, b)


def test_uncommanded_actuators_do_nothing():
    # gravity compensation through actuators does not wait for a command, so it is left out here
    source = models.ACTUATORS.replace('actuatorgravcomp="true"', "")
    engine = Engine(compile_model(source))
    state = engine.state_of(engine.random_data(np.random.default_rng(5)))
    off = engine.step(state, engine.command(actuators=0, ctrl=torch.ones(engine.model.nu)))
    quiet = compile_model(source)
    quiet.opt.disableflags |= mujoco.mjtDisableBit.mjDSBL_ACTUATION
    data = mujoco.MjData(quiet)
    data.qpos[:], data.qvel[:], data.act[:] = np.split(state[0].numpy(), [quiet.nq, quiet.nq + quiet.nv])
    mujoco.mj_step(quiet, data)
    expected = np.concatenate([data.qpos, data.qvel, data.act])
    np.testing.assert_allclose(off[0].numpy(), expected, rtol=1e-12, atol=1e-12)


def test_double_backward_is_refused():
    engine = Engine(compile_model(models.BALL_CHAIN))
    state = engine.state_of(engine.random_data(np.random.default_rng(6))).requires_grad_()
    out = engine.step(state, engine.command(), record=True)
    with pytest.raises(GenesisException, match=r"double backward through scene\.step"):
        torch.autograd.grad(out.sum(), state, create_graph=True)


def test_gradient_is_deterministic():
    source = compile_model(models.gymnasium_asset("humanoid.xml"))
    runs = []
    for _ in range(2):
        engine = Engine(source, n_worlds=4)
        runs.append(gradients(engine, *inputs(engine, 4, seed=7)))
    for a, b in zip(*runs, strict=True):
        assert torch.equal(a, b)
