"""Tendons and actuators where their geometry is degenerate: numbers and gradients are finite, and gradients are those of
a side on which there is one."""

import numpy as np
import pytest
import torch

import genesis as gs
from tests.scenes import build

# A slider on a rail, and a point that moves with it in a plane, about a ball and a cylinder at the origin.
RAIL = """
<mujoco><option timestep=".002"/><default><geom contype="0" conaffinity="0"/></default><worldbody>
<geom name="ball" type="sphere" size=".1"/><geom name="drum" type="cylinder" size=".1 .2" pos="0 0 0"/>
<site name="left" pos="-.4 0 {height}" zaxis="1 0 0"/><site name="centre"/>
<body pos=".4 0 {height}"><joint name="x" type="slide" axis="1 0 0"/><joint name="y" type="slide" axis="0 1 0"/>
  <joint name="z" type="slide" axis="0 0 1"/><geom size=".05" mass="1"/><site name="right"/></body></worldbody>
{body}</mujoco>"""
TENDON = '<tendon><spatial stiffness="50" damping="1" springlength="0">{path}</spatial></tendon>'
AROUND = '<site site="left"/><geom geom="{shape}"{side}/><site site="right"/>'

CASES = {
    # name: body of the model, height of both ends, qpos, derivatives of both sides agree
    "grazing a ball": (TENDON.format(path=AROUND.format(shape="ball", side="")), 0.1, (0, 0, 0), False),
    "through the centre of a ball": (TENDON.format(path=AROUND.format(shape="ball", side="")), 0.0, (0, 0.0, 0), None),
    "an end on a ball": (TENDON.format(path=AROUND.format(shape="ball", side="")), 0.0, (-0.3, 0, 0), None),
    "around a cylinder": (
        TENDON.format(path=AROUND.format(shape="drum", side="")), 0.0, (0, 0.2, 0.0), True),
    "inside, at the ends' mean": (
        TENDON.format(path=AROUND.format(shape="ball", side=' sidesite="centre"')), 0.3, (0, 0, 0), True),
    "ends that meet": (TENDON.format(path='<site site="left"/><site site="right"/>'), 0.0, (-0.8, 0, 0), None),
    "a rod at full length": (
        '<actuator><general cranksite="right" slidersite="left" cranklength=".3" gainprm="2" biastype="affine" '
        'biasprm="0 -3 -1"/></actuator>', 0.0, (0, 0.3, 0), None),
    "a muscle at its strongest": (
        '<actuator><muscle joint="x" lengthrange="-.5 .5" range=".5 1.5" force="20"/></actuator>', 0.0, (0, 0, 0), True),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_gradients_are_finite_and_of_one_side(name):
    body, height, qpos, smooth = CASES[name]
    scene, robot = build(RAIL.format(body=body, height=height), integrator="implicitfast")

    def run(position):
        scene.reset()
        robot.set_qpos(position)
        robot.set_dofs_velocity([0.1, -0.2, 0.3])
        if scene.mj_model.nu:
            robot.control_actuators([0.5])
        scene.step()
        scene.step()
        return (robot.get_dofs_velocity() * torch.tensor([1.0, 0.7, -0.4])).sum().sceneless()

    start = torch.tensor(qpos, dtype=torch.float64, requires_grad=True)
    value = run(start)
    value.backward()
    assert torch.isfinite(value) and torch.isfinite(start.grad).all()
    if smooth is None:
        return  # there is no derivative
    h = 1e-5
    for k in range(3):
        step = h * torch.eye(3, dtype=torch.float64)[k]
        with torch.no_grad():
            here, above, below = (run(start.detach() + s * step).item() for s in (0, 1, -1))
        sides = sorted(((above - here) / h, (here - below) / h))
        room = 1e-3 * (1 + np.abs(sides).max())  # of one-sided differences
        found = start.grad[k].item()
        if smooth:
            assert abs(found - (above - below) / (2 * h)) < room, (name, k)
        else:
            assert sides[0] - room < found < sides[1] + room, (name, k, found, sides)


@pytest.mark.parametrize("shape", ["sphere", "cylinder"])
def test_a_tendon_that_only_just_touches(shape):
    """Rounding decides in which order the points of contact come; the tendon's length does not jump."""
    text = f"""
<mujoco><worldbody><geom name="w" type="{shape}" size=".1 .3" zaxis="0 1 0" contype="0" conaffinity="0"/>
<site name="a" pos="-.3 0 .1"/><body><joint type="slide" axis="0 0 1"/><geom size=".01" mass="1" contype="0"
  conaffinity="0"/><site name="b" pos=".37 0 .1"/></body></worldbody>
<tendon><spatial name="t"><site site="a"/><geom geom="w"/><site site="b"/></spatial></tendon>
<sensor><tendonpos name="length" tendon="t"/></sensor></mujoco>"""
    _, robot = build(text)
    heights = [sign * k * 10.0**-n for n in range(6, 18) for k in (1, 2, 3, 5, 7) for sign in (1, -1)]
    for height in (0.0, *heights):
        robot.set_qpos([height])
        assert abs(robot.get_sensor_data("length").item() - 0.67) < 1e-5, height


def test_armature_of_a_tendon_around_a_shape_is_refused():
    body, height, *_ = CASES["around a cylinder"]
    _, robot = build(RAIL.format(body=body, height=height))
    with pytest.raises(gs.GenesisException, match="runs around shapes and has no armature"):
        robot.set_tendons_armature([1.0])
    assert robot.get_tendons_armature().tolist() == [0.0]
