"""Sweeps against slip whose cone problem does not converge: rolling friction that is decades smaller than sliding.

The gradient is that of the iterations that were made, at random states of single and stacked boxes."""

import mujoco
import numpy as np
import pytest
import torch

from tests.scenes import build

STATES = 24
STEPS = (3e-7, 1e-6, 3e-6)
# Relative to the derivative and to the velocity: the gradient, and what differences may disagree by among themselves.
TOLERANCE, SPREAD = 1e-6, 3e-6
# Two sides that differ by more are those of a kink.
KINK = 1e-3
FRICTIONS = ("friction", "friction_torsional", "friction_rolling")

_GEOM = '<geom type="box" size=".05 .05 .05" condim="{condim}" {friction}/>'
_SCENE = """<mujoco><option timestep=".002" tolerance="1e-14" cone="elliptic" noslip_iterations="{sweeps}"
noslip_tolerance="0"/><worldbody><geom type="plane" size="1 1 1" {friction}/>
<body pos="0 0 .0495"><freejoint/>{geom}</body>{more}</worldbody></mujoco>"""
SCENES = {
    # name: condim, sweeps, friction, boxes
    "default friction": (6, 1, "", 1),
    "four sweeps": (6, 4, "", 1),
    "little torsion": (4, 2, 'friction="1 2e-5 1e-4"', 1),
    "little torsion and rolling": (6, 2, 'friction="1 2e-5 2e-5"', 1),
    "much rolling": (6, 3, 'friction=".3 1e-3 .5"', 1),
    "no pivot": (4, 2, 'friction="1e-3 .05 1e-4"', 1),
    "two boxes": (6, 3, "", 2),
}


@pytest.mark.parametrize("name", SCENES)
def test_gradient_is_that_of_the_iterations_made(name):
    condim, sweeps, friction, boxes = SCENES[name]
    geom = _GEOM.format(condim=condim, friction=friction)
    more = f'<body pos="0 0 .149"><freejoint/>{geom}</body>' * (boxes - 1)
    scene, robot = build(_SCENE.format(sweeps=sweeps, friction=friction, geom=geom, more=more), constraints=True)
    m = scene.mj_model
    rng = np.random.default_rng(1)
    values = [getattr(robot, f"get_{name}")().sceneless().detach().clone() for name in FRICTIONS]
    mass = robot.get_links_mass().sceneless().detach().clone()
    compared = 0
    for _ in range(STATES):
        qpos = m.qpos0.copy()
        mujoco.mj_integratePos(m, qpos, 3e-3 * rng.standard_normal(m.nv), 1.0)
        for b in range(boxes):
            qpos[7 * b + 2] = m.qpos0[7 * b + 2] - rng.uniform(0, 1e-3) * (b + 1)
        qvel = 10 ** rng.uniform(-3, 0.3) * rng.standard_normal(m.nv)
        at = [torch.tensor(qpos), torch.tensor(qvel), mass, *values]
        sizes = [0.1, 1.0, mass, *values]
        directions = [
            size * torch.tensor(rng.standard_normal(tuple(x.shape))) for x, size in zip(at, sizes, strict=True)
        ]
        weight = torch.tensor(rng.standard_normal(m.nv))

        def loss(t, at=at, directions=directions, weight=weight):
            q, v, masses, *frictions = [x + t * way for x, way in zip(at, directions, strict=True)]
            scene.reset()
            robot.set_links_mass(masses)
            for parameter, value in zip(FRICTIONS, frictions, strict=True):
                getattr(robot, f"set_{parameter}")(value)
            robot.set_qpos(q)
            robot.set_dofs_velocity(v)
            scene.step()
            return robot.get_dofs_velocity() @ weight

        t = torch.zeros((), dtype=torch.float64, requires_grad=True)
        here = loss(t)
        here.backward()
        gradient, middle = t.grad.item(), here.item()
        sides = {h: (loss(torch.tensor(h)).item(), loss(torch.tensor(-h)).item()) for h in STEPS}
        central = [(plus - minus) / (2 * h) for h, (plus, minus) in sides.items()]
        size = 1 + abs(gradient) + np.abs(qvel).max()
        plus, minus = sides[STEPS[1]]
        bend = abs(plus - 2 * middle + minus) / STEPS[1]
        if np.ptp(central) > SPREAD * size or bend > KINK * size:
            continue
        compared += 1
        assert abs(gradient - central[1]) < TOLERANCE * size + np.ptp(central)
    assert compared > STATES // 3
