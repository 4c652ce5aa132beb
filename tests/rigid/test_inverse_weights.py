"""Inverse inertias of dofs, bodies and tendons that follow the parameters, against mj_setConst."""

import mujoco
import numpy as np
import pytest
import torch

from genesis.rigid.inverse_weights import OBSERVED, inverse_weights
from tests import constraint_models, models
from tests.rigid.engine import Engine, compile_model

SLIDERS = (
    "<mujoco><worldbody><body><joint type='slide' axis='1 0 0'/><geom size='.1'/></body>"
    "<body pos='1 0 0'><joint type='slide' axis='1 0 0'/><joint type='slide' axis='0 1 0'/><geom size='.2'/></body>"
    "<body pos='2 0 0'><geom size='.1'/></body></worldbody></mujoco>"
)
MODELS = {
    "tendons": constraint_models.model("tendon spring", busy=True),
    "ball chain": models.BALL_CHAIN,
    "planar base": models.PLANAR_BASE,
    "humanoid": models.gymnasium_asset("humanoid.xml"),
    "sliders": SLIDERS,
}


def weights(engine, theta):
    state = torch.tensor(np.concatenate([engine.mj_model.qpos0, np.zeros(engine.model.nv + engine.model.na)]))[None]
    observed = engine.observe(OBSERVED, state, engine.command(), theta, record=theta.requires_grad)
    return inverse_weights(engine.model, theta, list(observed))


@pytest.mark.parametrize("name", MODELS)
def test_equal_mujoco(name):
    m = compile_model(MODELS[name], constraints=True)
    engine = Engine(m)
    rng = np.random.default_rng(0)
    theta = engine.theta.clone()
    for field in ("body_mass", "body_inertia", "dof_armature", "tendon_armature"):
        spec = engine.model.theta_fields[field]
        scale = rng.uniform(0.7, 1.6, spec.shape[0])
        theta[0, spec.offset : spec.offset + spec.size] *= torch.tensor(
            np.repeat(scale, spec.size // max(len(scale), 1))
        )
        target = getattr(m, field)
        target[:] = target * scale.reshape(-1, *[1] * (target.ndim - 1))
    mujoco.mj_setConst(m, mujoco.MjData(m))
    found = weights(engine, theta)
    for ours, theirs in zip(found, (m.dof_invweight0, m.body_invweight0, m.tendon_invweight0), strict=True):
        np.testing.assert_allclose(ours[0].numpy(), theirs, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("name", MODELS)
def test_gradient(name):
    engine = Engine(compile_model(MODELS[name], constraints=True))
    theta = engine.theta.clone().requires_grad_()
    rng = np.random.default_rng(1)
    mix = [torch.tensor(rng.standard_normal(x.shape)) for x in weights(engine, engine.theta)]

    def value(theta):
        return sum((x * w).sum() for x, w in zip(weights(engine, theta), mix, strict=True))

    value(theta).backward()
    size = sum(float((x * w).abs().sum()) for x, w in zip(weights(engine, engine.theta), mix, strict=True))
    for field in ("body_mass", "body_inertia", "body_ipos", "body_pos", "dof_armature", "tendon_armature", "jnt_pos"):
        spec = engine.model.theta_fields[field]
        if not spec.size:
            continue
        direction = torch.zeros_like(theta)
        numbers = torch.tensor(spec.default.ravel()).abs().clamp(min=1e-5)
        direction[0, spec.offset : spec.offset + spec.size] = numbers * torch.tensor(rng.standard_normal(spec.size))
        step = 1e-6
        difference = [value(engine.theta + sign * step * direction).item() for sign in (1, -1)]
        expected = (difference[0] - difference[1]) / (2 * step)
        found = (theta.grad * direction).sum().item()
        rounding = 1e-14 * size / step  # of the inverse of M
        assert abs(found - expected) < 1e-6 * (1 + abs(expected)) + rounding, field
