"""A ball that lies in a cup at the hand of a Franka Panda, thrown at a target beyond the arm's reach."""

from __future__ import annotations

import math
import tempfile
from pathlib import Path

import mujoco
import torch

import genesis as gs
from benchmarks.trajectory_tasks.swing import ASSETS
from benchmarks.trajectory_tasks.task import Measure, Task

BALL = 0.03  # radius [m]
BALL_MASS = 0.1  # [kg]
ROD = 0.005  # radius of the rods that make the cup [m]
N_RODS = 6  # in each of two rings: the ball lies on the lower, and the upper is about its middle, 2 mm away
CUP = 0.13  # [m] from the flange to the lower ring, along the hand's axis
SEAT_RADIUS = 0.02  # from the axis to the middles of the lower ring's rods [m]
SIDE_RADIUS = BALL + ROD + 0.002
SEAT = math.sqrt((BALL + ROD) ** 2 - SEAT_RADIUS**2)  # of the ball above the lower ring [m]
RINGS = ((SEAT_RADIUS, CUP), (SIDE_RADIUS, CUP + SEAT))
# The arm reaches back, the cup faces up; and where the first guess swings it, in the plane x, z [rad].
START = (0.0, -1.35, 0.0, -0.58, 0.0, 2.37, 0.0)
SWUNG = (0.3, -0.34, 0.0, -1.13, 0.0, 2.7, 0.0)
# [m] world frame, 1.22 m from the shoulder at (0, 0, 0.333), from which the cup is never more than 1 m away.
TARGET = (1.2, 0.2, 0.2)
DT, SUBSTEPS = 0.02, 4
N_STEPS = 60
N_SWING, N_BACK = 36, 18  # steps that the first guess takes to swing, and to draw half the way back
SPEED_LIMITS = (2.175, 2.175, 2.175, 2.175, 2.61, 2.61, 2.61)  # of the joints [rad/s], as the arm's URDF says
STIFFNESS = (600.0, 600.0, 600.0, 600.0, 250.0, 150.0, 50.0)  # [N m/rad] of the joints' position controllers
DAMPING = (50.0, 50.0, 50.0, 50.0, 30.0, 25.0, 15.0)  # [N m s/rad]
# The rods' contact with the ball: time constant [s], damping ratio, then the impedance, from 0.01 to 0.9 over 4 mm. The
# force grows without a jump, so that a gradient tells what a slightly different throw does.
SOFT = (0.02, 1.0, 0.01, 0.9, 0.004, 0.5, 2.0)


def throwing_arm() -> str:
    """MJCF text of the arm with a cup of rods in place of its fingers."""
    spec = mujoco.MjSpec.from_file(str(ASSETS / "panda.urdf"))
    spec.compiler.fusestatic = False
    for name in ("panda_leftfinger", "panda_rightfinger"):
        spec.delete(spec.body(name))
    hand = spec.body("panda_hand")
    for ring, (radius, height) in enumerate(RINGS):
        corner = radius / math.cos(math.pi / N_RODS)
        angles = [2.0 * math.pi * k / N_RODS for k in range(N_RODS + 1)]
        corners = [(corner * math.cos(a), corner * math.sin(a), height) for a in angles]
        for k in range(N_RODS):
            hand.add_geom(
                name=f"rod_{ring}_{k}",
                type=mujoco.mjtGeom.mjGEOM_CAPSULE,
                fromto=[*corners[k], *corners[k + 1]],
                size=[ROD, 0.0, 0.0],
                mass=0.005,
            )
    spec.compile()
    return spec.to_xml()


def _ball_start(text: str) -> list[float]:
    """Where the ball lies in the cup when the arm is at START [m]."""
    model = mujoco.MjModel.from_xml_string(text)
    data = mujoco.MjData(model)
    data.qpos[:] = START
    mujoco.mj_kinematics(model, data)
    hand = data.body("panda_hand")
    return list(hand.xpos + hand.xmat.reshape(3, 3) @ [0.0, 0.0, CUP + SEAT])


def throw_ball() -> Task:
    """Targets of the position controllers of seven joints, whose torques stay within the arm's limits."""
    text = throwing_arm()
    scene = gs.Scene(
        gs.options.SimOptions(dt=DT, substeps=SUBSTEPS, requires_grad=True),
        gs.options.RigidOptions(
            integrator=gs.integrator.implicitfast,
            enable_self_collision=False,
            friction_cone=gs.friction_cone.elliptic,
            impratio=10.0,
        ),
    )
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "arm.xml"
        file.write_text(text)
        arm = scene.add_entity(gs.morphs.MJCF(file=file))
        density = BALL_MASS / (4.0 / 3.0 * math.pi * BALL**3)
        ball = scene.add_entity(
            gs.morphs.Sphere(radius=BALL, pos=_ball_start(text)), material=gs.materials.Rigid(rho=density)
        )
        scene.build()
    arm.set_dofs_kp(torch.tensor(STIFFNESS))
    arm.set_dofs_kv(torch.tensor(DAMPING))
    for entity in (arm, ball):
        entity.set_sol_params(SOFT)
    arm.set_qpos(torch.tensor(START))
    root = math.sqrt(DT)
    share = torch.tensor(STIFFNESS) / torch.as_tensor(scene.mj_model.jnt_actfrcrange[:7, 1])  # of the torque, per rad
    speed_limits, target = torch.tensor(SPEED_LIMITS), torch.tensor(TARGET)
    cup = arm.get_link("panda_hand").idx_local

    def stage(trajectory, controls):
        lead = share * (controls - trajectory.qpos(arm)[:-1])
        v = trajectory.dofs_velocity(arm)[:-1]
        excess = (v.abs() - speed_limits).clamp(min=0.0)
        return root * torch.cat([0.3 * lead, 0.05 * v, 20.0 * excess], -1)

    def terminal(trajectory):
        return 50.0 * (trajectory.qpos(ball)[-1, ..., :3] - target)

    def measure(trajectory):
        place = trajectory.qpos(ball)[-1, ..., :3]
        hand = trajectory.links_pos(arm)[-1, ..., cup, :]
        speed = (trajectory.dofs_velocity(arm).abs() / speed_limits).amax((0, -1))
        return {
            "miss": Measure(1e2 * (place - target).norm(dim=-1), 2.0, "cm"),
            "held": Measure((0.3 - (place - hand).norm(dim=-1)).clamp(min=0.0), 0.0, "m"),
            "speed": Measure(speed, 1.1, "of the limit"),
        }

    return Task(
        name="throw",
        aim="the ball, 1.2 s after the beginning, within 2 cm of a target 1.2 m from the shoulder; no joint faster "
        "than 1.1 of its limit",
        scene=scene,
        entity=arm,
        control="position",
        lower=torch.as_tensor(scene.mj_model.jnt_range[:7, 0], dtype=gs.tc_float),
        upper=torch.as_tensor(scene.mj_model.jnt_range[:7, 1], dtype=gs.tc_float),
        initial=_swing(),
        stage=stage,
        terminal=terminal,
        measure=measure,
        n_knots=8,
        options={"adam": {"learning_rate": 0.003}, "cma-es": {"sigma": 0.05}},
    )


def _swing() -> torch.Tensor:
    """From START to SWUNG at constant speed, half the way back, then still, (N_STEPS, 7)."""
    step = torch.arange(1, N_STEPS + 1)
    way = (step / N_SWING).clamp(max=1.0) - 0.5 * ((step - N_SWING) / N_BACK).clamp(0.0, 1.0)
    return torch.tensor(START) + way[:, None] * (torch.tensor(SWUNG) - torch.tensor(START))
