"""Springs of tendons in the pose in which they rest, where every file starts: no kink, hence a gradient."""

import mujoco
import numpy as np
import pytest
import torch

from tests.scenes import build

FIXED = """
<mujoco><option timestep=".01"/><worldbody><body><joint name="a" axis="0 1 0"/><geom size=".1"/></body></worldbody>
<tendon><fixed name="t" stiffness="100"{}><joint joint="a" coef="1.3"/></fixed></tendon></mujoco>"""
SPATIAL = """
<mujoco><option timestep=".01"/><worldbody><site name="w" pos=".4 0 .3"/><body><joint name="a" axis="0 1 0"/>
<geom size=".1" mass="1"/><site name="s" pos=".3 0 0"/></body></worldbody>
<tendon><spatial name="t" stiffness="100"{}><site site="w"/><site site="s"/></spatial></tendon></mujoco>"""
SOURCES = {
    "fixed": FIXED.format(""),
    "fixed, cubic": FIXED.format("").replace('"100"', '"100 30 20"'),
    "fixed, plastic": FIXED.format(' springyield=".1"'),
    "spatial": SPATIAL.format(""),
    "spatial, plastic": SPATIAL.format(' springyield=".1"'),
}


@pytest.mark.parametrize("name", SOURCES)
def test_gradient_and_linearization(name):
    scene, robot = build(SOURCES[name], gravity=(0, 0, 0))
    m = scene.mj_model
    q = torch.zeros(1, requires_grad=True)

    def after(q):
        scene.reset()
        robot.set_dofs_position(q)
        scene.step()
        return robot.get_dofs_velocity()[0]

    after(q).backward()
    with torch.no_grad():
        expected = (after(q + 1e-6) - after(q - 1e-6)).item() / 2e-6
    assert expected < -0.1
    assert q.grad.item() == pytest.approx(expected, rel=1e-6)
    scene.reset()
    found, _ = scene.linearize()
    a = np.array([[1.0 + 0.01 * expected, 0.01], [expected, 1.0]])
    if not m.nplastic:  # of which MuJoCo's differences know nothing
        data = mujoco.MjData(m)
        mujoco.mj_forward(m, data)
        mujoco.mjd_transitionFD(m, data, 1e-6, 1, a, None, None, None)
    np.testing.assert_allclose(found.detach().numpy()[:2, :2], a, rtol=1e-6, atol=1e-6)


def test_a_range_of_one_point_is_moved_at_either_end():
    """Each of its ends takes half: moved together they are what the spring rests at."""
    scene, robot = build(SOURCES["fixed"], gravity=(0, 0, 0))
    rest = torch.zeros(1, requires_grad=True)
    scene.reset()
    robot.set_tendons_spring_range(rest, rest)
    scene.step()
    robot.get_dofs_velocity()[0].backward()

    def after(rest):
        scene.reset()
        with torch.no_grad():
            robot.set_tendons_spring_range(torch.tensor([rest]), torch.tensor([rest]))
            scene.step()
            return robot.get_dofs_velocity()[0].item()

    assert rest.grad.item() == pytest.approx((after(1e-6) - after(-1e-6)) / 2e-6, rel=1e-6)


def test_inside_of_a_range_there_is_no_force():
    scene, robot = build(FIXED.format(' springlength="-.1 .1"'), gravity=(0, 0, 0))
    q = torch.zeros(1, requires_grad=True)
    scene.reset()
    robot.set_dofs_position(q)
    scene.step()
    robot.get_dofs_velocity()[0].backward()
    assert q.grad.item() == 0
