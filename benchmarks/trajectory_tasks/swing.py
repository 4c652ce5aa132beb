"""Pendulums with fewer motors than joints: a cart-pole and an acrobot, each to be swung up and brought to rest."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import torch

import genesis as gs
from benchmarks.trajectory_tasks.task import Measure, Task

ASSETS = Path(__file__).resolve().parents[2] / "examples" / "assets"
ANGLE_LIMIT = 2.0  # [degree] from upright, at the end
RATE_LIMIT = 0.1  # [rad/s], at the end


def _scene(file: str, dt: float, integrator: gs.integrator) -> tuple[gs.Scene, Any]:
    scene = gs.Scene(
        gs.options.SimOptions(dt=dt, requires_grad=True),
        gs.options.RigidOptions(integrator=integrator, enable_collision=False),
    )
    robot = scene.add_entity(gs.morphs.MJCF(file=ASSETS / file))
    scene.build()
    return scene, robot


def _degrees(angle: torch.Tensor) -> torch.Tensor:
    """Distance of an angle from zero, whole turns taken off [degree]."""
    return torch.rad2deg(torch.remainder(angle + math.pi, 2.0 * math.pi) - math.pi).abs()


def cart_pole() -> Task:
    """A force of at most 10 N on the cart; the pole must stand above the middle of the rail."""
    dt, n_steps = 0.02, 100
    scene, robot = _scene("cart_pole.xml", dt, gs.integrator.RK4)
    root = math.sqrt(dt)

    def stage(trajectory, controls):
        x = trajectory.qpos(robot)[:-1]
        return root * torch.cat([0.3 * controls, 0.1 * x[..., :1]], -1)

    def terminal(trajectory):
        q, v = trajectory.qpos(robot)[-1], trajectory.dofs_velocity(robot)[-1]
        return torch.cat([10.0 * q[..., :1], 20.0 * _from_upright(q[..., 1:]), 5.0 * v], -1)

    def measure(trajectory):
        q, v = trajectory.qpos(robot)[-1], trajectory.dofs_velocity(robot)[-1]
        return {
            "angle": Measure(_degrees(q[..., 1] - math.pi), ANGLE_LIMIT, "degree"),
            "rate": Measure(v[..., 1].abs(), RATE_LIMIT, "rad/s"),
            "cart": Measure(q[..., 0].abs(), 0.05, "m"),
        }

    return Task(
        name="cart-pole",
        aim="the pole up within 2 degrees and 0.1 rad/s, the cart within 5 cm of the middle",
        scene=scene,
        entity=robot,
        control="actuators",
        lower=torch.tensor([-1.0]),
        upper=torch.tensor([1.0]),
        initial=0.01 * torch.ones(n_steps, 1),
        stage=stage,
        terminal=terminal,
        measure=measure,
        n_knots=15,
        options={"adam": {"learning_rate": 0.05}},
    )


def acrobot() -> Task:
    """At most 6 N m at the elbow; the shoulder, where the weight of both links makes up to 20 N m, has no motor."""
    dt, n_steps = 0.02, 250
    scene, robot = _scene("acrobot.xml", dt, gs.integrator.RK4)
    root = math.sqrt(dt)

    def stage(trajectory, controls):
        v = trajectory.dofs_velocity(robot)[:-1]
        return root * torch.cat([0.1 * controls, 0.02 * v], -1)

    def terminal(trajectory):
        q, v = trajectory.qpos(robot)[-1], trajectory.dofs_velocity(robot)[-1]
        both = q[..., :1] + q[..., 1:]
        return torch.cat([20.0 * _from_upright(q[..., :1]), 20.0 * _from_upright(both), 5.0 * v], -1)

    def measure(trajectory):
        q, v = trajectory.qpos(robot)[-1], trajectory.dofs_velocity(robot)[-1]
        upper, lower = _degrees(q[..., 0] - math.pi), _degrees(q[..., 0] + q[..., 1] - math.pi)
        return {
            "angle": Measure(torch.maximum(upper, lower), ANGLE_LIMIT, "degree"),
            "rate": Measure(v.abs().amax(-1), RATE_LIMIT, "rad/s"),
        }

    return Task(
        name="acrobot",
        aim="both links up within 2 degrees and 0.1 rad/s",
        scene=scene,
        entity=robot,
        control="actuators",
        lower=torch.tensor([-1.0]),
        upper=torch.tensor([1.0]),
        initial=0.2 * torch.sin(2.0 * math.pi / 2.2 * dt * torch.arange(n_steps))[:, None],
        stage=stage,
        terminal=terminal,
        measure=measure,
        n_knots=25,
        options={"adam": {"learning_rate": 0.05}},
    )


def _from_upright(angle: torch.Tensor) -> torch.Tensor:
    """(1 + cos, sin) of an angle measured from hanging: zero where it is upright, and smooth in every turn."""
    return torch.cat([1.0 + torch.cos(angle), torch.sin(angle)], -1)
