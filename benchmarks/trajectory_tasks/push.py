"""A block on the ground, pushed to a pose by a finger that touches it: contact and friction all the way."""

from __future__ import annotations

import math

import torch

import genesis as gs
from benchmarks.trajectory_tasks.swing import ASSETS
from benchmarks.trajectory_tasks.task import Measure, Task

SIZE = (0.1, 0.1, 0.05)  # of the block [m]
TIP = 0.015  # radius of the finger's tip [m]
TARGET = (0.15, 0.05, math.radians(30.0))  # x, y [m] and yaw [rad] of the block, which starts at zero
ARM = 0.1  # [m] that an angle is multiplied by to compare it with a distance: the block's size
# Time constant [s], damping ratio, impedance from 0.5 to 0.9 over 4 mm: with MuJoCo's default the force sets in with a
# jump, and a gradient does not tell what a path does that is a millimetre away.
SOFT = (0.08, 1.0, 0.5, 0.9, 0.004, 0.5, 2.0)
DT, SUBSTEPS = 0.02, 4
N_STEPS = 50
N_PUSHING = 38  # steps that the first guess pushes


def push_block() -> Task:
    """The targets of the finger's position controller, which presses with at most 40 N."""
    scene = gs.Scene(
        gs.options.SimOptions(dt=DT, substeps=SUBSTEPS, requires_grad=True),
        gs.options.RigidOptions(friction_cone=gs.friction_cone.elliptic, impratio=10.0),
    )
    ground = scene.add_entity(gs.morphs.Plane(), material=gs.materials.Rigid(friction=0.4))
    block = scene.add_entity(
        gs.morphs.Box(size=SIZE, pos=(0.0, 0.0, SIZE[2] / 2)), material=gs.materials.Rigid(friction=0.4)
    )
    start = (-SIZE[0] / 2 - TIP, 0.0)
    finger = scene.add_entity(gs.morphs.MJCF(file=ASSETS / "finger.xml", pos=(*start, 0.0)))
    scene.build()
    for entity in (ground, block, finger):
        entity.set_sol_params(SOFT)
    finger.set_dofs_force_range(torch.full((2,), -40.0), torch.full((2,), 40.0))
    root = math.sqrt(DT)

    def pose_error(trajectory):
        q = trajectory.qpos(block)
        # The block stays on the ground: sin of half the yaw is the quaternion's z, relative to the target's.
        half = TARGET[2] / 2
        turned = 2.0 * (q[..., 6:] * math.cos(half) - q[..., 3:4] * math.sin(half))
        return q[..., :2] - q.new_tensor(TARGET[:2]), turned

    def stage(trajectory, controls):
        lead = controls - trajectory.qpos(finger)[:-1]  # the controller's force, divided by its gain
        v = trajectory.dofs_velocity(finger)[:-1]
        return root * torch.cat([20.0 * lead, 0.2 * v], -1)

    def terminal(trajectory):
        place, turned = pose_error(trajectory)
        v = trajectory.dofs_velocity(block)[-1]
        return torch.cat([100.0 * place[-1], 100.0 * ARM * turned[-1], 2.0 * v[..., :2], 2.0 * ARM * v[..., 5:]], -1)

    def measure(trajectory):
        place, turned = pose_error(trajectory)
        v = trajectory.dofs_velocity(block)[-1]
        return {
            "position": Measure(1e3 * place[-1].norm(dim=-1), 5.0, "mm"),
            "yaw": Measure(
                torch.rad2deg(2.0 * torch.asin((turned[-1, ..., 0] / 2.0).clamp(-1, 1))).abs(), 2.0, "degree"
            ),
            "speed": Measure(1e3 * v[..., :2].norm(dim=-1), 10.0, "mm/s"),
        }

    # Straight on: in about the right direction, without a turn.
    ahead = (0.12 * torch.arange(1, N_STEPS + 1) / N_PUSHING).clamp(max=0.12)
    return Task(
        name="block",
        aim="the block within 5 mm and 2 degrees of a pose 16 cm and 30 degrees away, at rest (10 mm/s)",
        scene=scene,
        entity=finger,
        control="position",
        lower=torch.tensor([-0.1, -0.15]),
        upper=torch.tensor([0.3, 0.15]),
        initial=torch.stack([ahead, torch.zeros(N_STEPS)], 1),
        stage=stage,
        terminal=terminal,
        measure=measure,
        n_knots=8,
        options={"adam": {"learning_rate": 2e-3}, "cma-es": {"sigma": 0.1}},
    )
