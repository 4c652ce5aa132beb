"""A jump: a leg with a trunk crouches on the ground, and shall be above it and upright after 0.8 s."""

from __future__ import annotations

import math
from pathlib import Path

import torch

import genesis as gs
from benchmarks.trajectory_tasks.task import Measure, Task

HOPPER = Path(__file__).resolve().parent / "assets" / "hopper.xml"
STANDING = 0.66  # height of the hip when the leg is straight [m]
HIGHER = 0.4  # [m] the hip is to rise above that
CROUCH = (-0.02, 0.0, 0.0, -0.7, 1.3, -0.6)  # x, z (put on the ground below), pitch; hip, knee, ankle
DT, SUBSTEPS = 0.02, 4
N_STEPS = 40
N_CROUCHING = 22  # steps that the first guess stays down before it stretches the leg
HEEL, TOE, BALL = (-0.06, -0.03), (0.14, -0.03), 0.03  # x, z of the foot's balls in its frame, their radius [m]


def hopper_jump() -> Task:
    """The targets of three joints' controllers, which have 60, 80 and 40 N m; the end is the top of the jump."""
    scene = gs.Scene(
        gs.options.SimOptions(dt=DT, substeps=SUBSTEPS, requires_grad=True),
        gs.options.RigidOptions(integrator=gs.integrator.implicitfast),
    )
    robot = scene.add_entity(gs.morphs.MJCF(file=HOPPER))
    scene.build()
    crouch = torch.tensor(CROUCH)
    # Shank and thigh from the ground up; the foot is level.
    crouch[1] = 0.06 + 0.3 * (math.cos(CROUCH[3]) + math.cos(CROUCH[3] + CROUCH[4])) - STANDING - 0.002
    robot.set_qpos(crouch)
    foot = robot.get_link("foot").idx_local
    root = math.sqrt(DT)

    def clearance(trajectory):
        """Height of the foot above the ground at the end, (N,) [m]."""
        pitch = trajectory.qpos(robot)[-1, ..., 2:].sum(-1)
        origin = trajectory.links_pos(robot)[-1, ..., foot, 2]
        ends = [origin + z * torch.cos(pitch) - x * torch.sin(pitch) for x, z in (HEEL, TOE)]
        return torch.minimum(*ends) - BALL

    def stage(trajectory, controls):
        lead = controls - trajectory.qpos(robot)[:-1, ..., 3:]
        v = trajectory.dofs_velocity(robot)[:-1, ..., 3:]
        return root * torch.cat([0.5 * lead, 0.01 * v], -1)

    def terminal(trajectory):
        q, v = trajectory.qpos(robot)[-1], trajectory.dofs_velocity(robot)[-1]
        height = q[..., 1:2] - (HIGHER + 0.02)
        bent = q[..., 3:] - q.new_tensor([-0.5, 1.0, -0.5])
        return torch.cat([20.0 * height, 2.0 * q[..., :1], 3.0 * q[..., 2:3], bent, 0.5 * v[..., :3]], -1)

    def measure(trajectory):
        q = trajectory.qpos(robot)[-1]
        return {
            "short of the apex": Measure((HIGHER - q[..., 1]).clamp(min=0.0), 0.0, "m"),
            "foot too low by": Measure((0.2 - clearance(trajectory)).clamp(min=0.0), 0.0, "m"),
            "tilt": Measure(torch.rad2deg(q[..., 2]).abs(), 10.0, "degree"),
            "drift": Measure(q[..., 0].abs(), 0.1, "m"),
        }

    return Task(
        name="hopper",
        aim="hip 0.4 m higher than standing, foot 0.2 m above the ground, upright within 10 degrees, drift below 10 cm",
        scene=scene,
        entity=robot,
        control="actuators",
        lower=torch.tensor([-2.0, -0.3, -1.2]),
        upper=torch.tensor([1.0, 2.6, 0.8]),
        initial=torch.where(torch.arange(N_STEPS)[:, None] < N_CROUCHING, crouch[3:], 0.0),
        stage=stage,
        terminal=terminal,
        measure=measure,
        n_knots=8,
        options={"adam": {"learning_rate": 0.01}, "cma-es": {"sigma": 0.3}},
    )
