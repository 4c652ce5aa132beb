"""Convex shapes at rest on each other, flush: the states in which their contacts are least unique. Gradients through the
public API against central differences."""

import itertools

import pytest
import torch

from tests import scenes

CORNERS = " ".join(
    str(x * s) for c in itertools.product((-1, 1), repeat=3) for x, s in zip(c, (0.5, 0.4, 0.1), strict=True)
)
# What lies on a mesh, and at which height its centre is: faces, a line of a side, a cap, a rounded edge.
RESTING = {
    "mesh on its face": ('type="mesh" mesh="block"', 0.2, ""),
    "box on its face": ('type="box" size=".1 .08 .06"', 0.16, ""),
    "cylinder on its side": ('type="cylinder" size=".05 .1"', 0.15, 'euler="0 90 0"'),
    "cylinder on its cap": ('type="cylinder" size=".08 .05"', 0.15, ""),
    "capsule on its side": ('type="capsule" size=".05 .1"', 0.15, 'euler="0 90 0"'),
    "ellipsoid": ('type="ellipsoid" size=".1 .08 .06"', 0.16, ""),
}
STEPS, STEP, TOLERANCE = 20, 1e-5, 1e-4


@pytest.mark.parametrize("case", RESTING)
def test_of_what_slides(case):
    shape, height, turned = RESTING[case]
    text = f"""
    <mujoco><option timestep="0.002" tolerance="0" iterations="200" ls_iterations="100" cone="elliptic"/>
    <asset><mesh name="table" vertex="{CORNERS}"/><mesh name="block" scale=".3 .3 1" vertex="{CORNERS}"/></asset>
    <default><geom solref=".02 1" solimp=".8 .95 .01"/></default>
    <worldbody><geom type="mesh" mesh="table"/>
    <body pos=".02 .03 {height - 1e-3}"><freejoint/><geom {shape} {turned}/></body></worldbody></mujoco>"""
    scene, body = scenes.build(text, constraints=True)

    def loss(velocity, friction):
        scene.reset()
        body.set_friction(friction)
        body.set_dofs_velocity(velocity)
        for _ in range(STEPS):
            scene.step()
        weights = torch.arange(1.0, 8.0, dtype=torch.float64)
        return (body.get_qpos().reshape(-1)[:7] * weights).sum() + body.get_dofs_velocity().square().sum()

    velocity = torch.tensor([0.3, -0.2, 0.0, 0.02, -0.03, 0.1], dtype=torch.float64, requires_grad=True)
    friction = torch.tensor(1.2, dtype=torch.float64, requires_grad=True)
    by_velocity, by_friction = torch.autograd.grad(loss(velocity, friction), (velocity, friction))
    with torch.no_grad():
        found = [float(by_friction), *by_velocity.tolist()]
        moves = [(torch.zeros(6, dtype=torch.float64), 1.0)] + [(row, 0.0) for row in torch.eye(6, dtype=torch.float64)]
        for gradient, (along, more) in zip(found, moves, strict=True):
            ahead, behind = (
                float(loss(velocity + sign * STEP * along, friction + sign * STEP * more)) for sign in (1, -1)
            )
            expected = (ahead - behind) / (2 * STEP)
            assert abs(gradient - expected) < TOLERANCE * (1 + abs(expected)), (gradient, expected)


def test_scale_of_a_mesh():
    """A mesh that is given another size moves as one whose file is of that size, on a plane and on another mesh; and
    where it goes follows the size."""
    text = """
    <mujoco><option timestep="0.002" tolerance="0" iterations="200" ls_iterations="100" cone="elliptic"/>
    <asset><mesh name="block" scale="{0}" vertex="{1}"/></asset>
    <default><geom solref=".02 1" solimp=".8 .95 .01" mass="0"/></default>
    <worldbody><geom type="plane" size="1 1 1"/>
    <body pos="0 0 .119"><freejoint/><inertial pos="0 0 0" mass="2" diaginertia=".03 .02 .01"/>
    <geom type="mesh" mesh="block"/></body>
    <body pos=".02 .03 .355" euler="1 2 40"><freejoint/><inertial pos="0 0 0" mass="1" diaginertia=".02 .02 .01"/>
    <geom type="mesh" mesh="block"/></body>
    </worldbody></mujoco>"""
    factors = (0.4, 0.45, 1.2)

    def run(scene, robot, size=None, steps=60):
        scene.reset()
        if size is not None:
            robot.set_geoms_size(size, [0, 1])
        for _ in range(steps):
            scene.step()
        return robot.get_qpos()

    given, robot = scenes.build(text.format(" ".join(map(str, factors)), CORNERS), constraints=True)
    expected = run(given, robot).detach().sceneless()
    size = robot.get_geoms_size([0, 1]).detach().sceneless()
    scene, robot = scenes.build(text.format("1 1 1", CORNERS), constraints=True)
    ratio = size / robot.get_geoms_size([0, 1]).sceneless()
    assert sorted(ratio[0].tolist()) == pytest.approx(sorted(factors))
    assert torch.allclose(run(scene, robot, size).sceneless(), expected, atol=1e-6)  # vertices are float32

    size = size.detach().clone().requires_grad_()
    weights = torch.linspace(1, 2, 14, dtype=torch.float64)
    (gradient,) = torch.autograd.grad((run(scene, robot, size) * weights).sum(), size)
    with torch.no_grad():
        for along in (torch.ones_like(size), torch.eye(2, 3, dtype=torch.float64)):
            ahead, behind = (float((run(scene, robot, size + sign * STEP * along) * weights).sum()) for sign in (1, -1))
            assert float((gradient * along).sum()) == pytest.approx((ahead - behind) / (2 * STEP), rel=TOLERANCE)
