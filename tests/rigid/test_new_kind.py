"""A new kind of constraint rows is a file and an entry of the table: it is simulated and differentiated."""

import mujoco
import numpy as np
import pytest
import torch

import genesis as gs
from genesis.rigid.kernels.constraint import kinds
from tests.rigid import pull_spring
from tests.scenes import build

# Two bobs that swing, and a rope between them; MuJoCo has it as a spatial tendon with an upper limit.
BOBS = """
<mujoco><option timestep="0.002" tolerance="1e-12" iterations="50" integrator="{integrator}"/><worldbody>
<body name="rope a" pos="0 0 1"><joint axis="0 1 0" damping=".05" pos="0 0 .5"/><joint axis="1 0 0" damping=".05" pos="0 0 .5"/>
<geom size=".05" contype="0" conaffinity="0"/><site name="a"/></body>
<body name="rope b" pos=".25 .05 1"><freejoint/><geom type="box" size=".05 .04 .03" contype="0" conaffinity="0"/>
<site name="b"/></body>
<body name="rope c" pos="1 0 1"><joint type="slide" axis="1 0 .2"/><geom size=".05" contype="0" conaffinity="0"/><site name="c"/>
</body><body name="rope d" pos="1.28 0 1"><joint type="slide" axis="1 .1 0"/><geom size=".06" contype="0" conaffinity="0"/>
<site name="d"/></body>
</worldbody>{tendon}</mujoco>"""
TENDON = (
    "<tendon>"
    + "".join(
        f'<spatial limited="true" range="0 {pull_spring.LENGTH}" solreflimit=".05 1" solimplimit=".8 .95 .1 .5 2">'
        f'<site site="{one}"/><site site="{two}"/></spatial>'
        for one, two in ("ab", "cd")
    )
    + "</tendon>"
)
STEPS = 150


@pytest.fixture
def with_ropes(monkeypatch):
    monkeypatch.setattr(kinds, "KINDS", (*kinds.KINDS, pull_spring.KIND))


def motion(scene, robot, velocity, theta=None, steps=STEPS):
    scene.reset()
    robot.set_dofs_velocity(velocity)
    for _ in range(steps):
        scene.step()
    return torch.cat([robot.get_qpos(), robot.get_dofs_velocity()]).sceneless()


@pytest.mark.parametrize("integrator", ["Euler", "implicitfast", "RK4"])
def test_it_is_simulated(with_ropes, integrator):
    scene, robot = build(BOBS.format(integrator=integrator, tendon=""), constraints=True, integrator=integrator)
    m = mujoco.MjModel.from_xml_string(BOBS.format(integrator=integrator, tendon=TENDON))
    data = mujoco.MjData(m)
    velocity = np.array([0.5, -0.4, 1.0, 0.3, 0.2, 2.0, -1.0, 0.5, -0.8, 1.0])
    data.qvel[:] = velocity
    # MuJoCo's rope feels the inertia of the tendon, not the sum of its ends'
    assert scene.world.model.rows.count["rope"] == 2
    m.tendon_invweight0[:] = [
        m.body_invweight0[m.body(one).id, 0] + m.body_invweight0[m.body(two).id, 0]
        for one, two in (("rope a", "rope b"), ("rope c", "rope d"))
    ]
    pulled = 0
    for _ in range(STEPS):
        mujoco.mj_step(m, data)
        pulled += data.nl
    assert pulled > STEPS / 2
    found = motion(scene, robot, torch.tensor(velocity))
    np.testing.assert_allclose(found[: m.nq].detach().numpy(), data.qpos, rtol=0, atol=1e-8)


def test_it_is_differentiated(with_ropes):
    scene, robot = build(BOBS.format(integrator="Euler", tendon=""), constraints=True, integrator="Euler")
    velocity = torch.tensor([0.5, -0.4, 1.0, 0.3, 0.2, 2.0, -1.0, 0.5, -0.8, 1.0])
    weights = torch.tensor(np.random.default_rng(0).standard_normal(21))
    leaf = velocity.clone().requires_grad_()
    (motion(scene, robot, leaf) * weights).sum().backward()
    direction = torch.tensor(np.random.default_rng(1).standard_normal(10))
    with torch.no_grad():
        difference = [
            (motion(scene, robot, velocity + sign * 1e-6 * direction) * weights).sum().item() for sign in (1, -1)
        ]
    expected = (difference[0] - difference[1]) / 2e-6
    assert (leaf.grad * direction).sum().item() == pytest.approx(expected, rel=1e-5)


def test_it_is_named(with_ropes):
    from genesis.grad import names

    scene, _ = build(BOBS.format(integrator="Euler", tendon=""), constraints=True, integrator="Euler")
    model = scene.world.model
    assert "the rope of link" in names.row(model, model.rows.first["rope"])
    assert gs.device.type in ("cpu", "cuda")
