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
