"""Several <pair>s of the same two geoms: each makes contacts with parameters of its own, as in MuJoCo."""

import mujoco
import numpy as np
import pytest
import torch

from tests.rigid.engine import Engine, compile_model

# Rounding of forces of stiff contacts.
TOLERANCE = 1e-8


def model(crowd: int) -> str:
    """A box on a plane, and a ball on the box, in two pairs each; ``crowd`` balls beside them, so that pairs are many
    enough to be swept."""
    balls = "".join(
        f'<body pos="{2 + 0.3 * (k % 6)} {0.3 * (k // 6)} .099"><freejoint/><geom size=".1"/></body>'
        for k in range(crowd)
    )
    return (
        '<mujoco><option cone="elliptic" tolerance="0" iterations="100"/><worldbody>'
        '<geom name="floor" type="plane" size="5 5 1"/><body pos="0 0 .0995"><freejoint/>'
        '<geom name="box" type="box" size=".2 .2 .1"/></body><body pos=".05 .02 .2985"><freejoint/>'
        f'<geom name="ball" size=".1"/></body>{balls}</worldbody><contact>'
        '<pair geom1="floor" geom2="box" friction=".3 .3 .01 .001 .001"/><pair geom1="ball" geom2="box" condim="4"/>'
        '<pair geom1="box" geom2="floor" friction=".7 .5 .01 .001 .001" margin=".01" solref=".05 1"/>'
        '<pair geom1="box" geom2="ball" condim="3" friction=".2 .9 .01 .001 .001"/></contact></mujoco>'
    )


@pytest.mark.parametrize("crowd", [0, 20])
def test_each_makes_contacts(crowd):
    m = compile_model(model(crowd), constraints=True)
    engine = Engine(m)
    assert (engine.model.ncpair > 128) == (crowd > 0)
    data = mujoco.MjData(m)
    data.qvel[:12] = 0.3 * np.random.default_rng(0).standard_normal(12)
    mujoco.mj_forward(m, data)
    # one run per number of pairs, twice: the second starts from the order that the first has left
    for _ in range(2):
        ncon, pair, qacc = engine.fields(("ncon", "con_pair", "qacc"), engine.state_of(data), engine.command())
    assert ncon[0].tolist() == [data.ncon] * 2
    geoms = engine.model.indices["cgeom_id"][engine.model.indices["cpair_geom"][pair[0, : data.ncon]]]
    np.testing.assert_array_equal(geoms, data.contact.geom)
    np.testing.assert_allclose(qacc[0].numpy(), data.qacc, rtol=0, atol=TOLERANCE * np.abs(data.qacc).max())


def test_gradient_by_the_parameters_of_each():
    engine = Engine(compile_model(model(0), constraints=True))
    data = mujoco.MjData(engine.mj_model)
    data.qvel[:] = 0.3 * np.random.default_rng(0).standard_normal(12)
    data.qvel[2], data.qvel[8] = -1.0, -3.0  # the box is pressed onto the plane, the ball onto the box
    state, command = engine.state_of(data), engine.command()
    theta = engine.theta.clone().requires_grad_()
    mix = torch.tensor(np.random.default_rng(1).standard_normal(state.shape))
    (engine.step(state, command, theta, record=True) * mix).sum().backward()
    reached: set = set()
    scales = torch.tensor([1.0, -0.7, 0.4, 0.9, -0.2])  # sticking depends on the ratio of frictions only
    for field in ("pair_friction", "pair_solref", "pair_solimp"):
        spec = engine.model.theta_fields[field]
        width = spec.size // spec.shape[0]
        for row in range(4):
            direction = torch.zeros_like(theta)
            start = spec.offset + row * width
            direction[0, start : start + width] = 0.1 * engine.theta[0, start : start + width].abs() * scales[:width]
            values = [
                (engine.step(state, command, engine.theta + sign * 1e-6 * direction) * mix).sum().item()
                for sign in (1, -1)
            ]
            expected = (values[0] - values[1]) / 2e-6
            found = (theta.grad * direction).sum().item()
            assert abs(found - expected) < 1e-6 * (1e-2 + abs(expected)), (field, row)
            reached.add((field, row) if found != 0.0 else None)
    assert len({row for field, row in reached - {None} if field == "pair_solref"}) > 2
    assert len({row for field, row in reached - {None} if field == "pair_friction"}) > 1
