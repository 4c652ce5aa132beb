"""Swing up a pole on a cart by iLQR, and keep it up by the feedback that comes with the plan.

Only the cart has a motor; the pole hangs from it, free to turn. `gs.tools.optimize_trajectory` finds the
forces from exact derivatives of every step. It also returns a feedback law about the motion that it found. Both are put
to the test: once as planned, and once with a pole that is 10 % heavier than was thought, by the same forces and with
feedback. An upright pole forgives nothing: without feedback it falls.
"""

import math
import sys
from pathlib import Path

import torch

import genesis as gs

CART_POLE = Path(__file__).parent / "assets" / "cart_pole.xml"
PLOT = "swing_up.png"
DT = 0.02  # [s]
N_STEPS = 150
N_SWINGING = 110  # steps after which the pole shall be up, and stay
HEAVIER = 1.1  # factor on the pole's mass and inertia in the second test
ANGLE_TOLERANCE = 2.0  # [degree] from upright
RATE_TOLERANCE = 0.1  # [rad/s]
FEEDBACK_TOLERANCE = 2.0  # [degree] with the other pole

gs.init(precision="64", logging_level="warning")

scene = gs.Scene(
    sim_options=gs.options.SimOptions(dt=DT),
    rigid_options=gs.options.RigidOptions(integrator=gs.integrator.RK4),
)
robot = scene.add_entity(gs.morphs.MJCF(file=CART_POLE))
scene.build()
up = (torch.arange(N_STEPS) >= N_SWINGING).to(gs.tc_float)[:, None, None]


def misses(trajectory):
    """How far each state (T + 1, N, 5) is from the goal: the cart in the middle, the pole upright, both at rest."""
    q, v = trajectory.qpos(robot), trajectory.dofs_velocity(robot)
    # The pole's angle is measured from where it hangs: both are zero when it is upright, after any number of turns.
    return torch.cat([q[..., :1], 2.0 * (1.0 + torch.cos(q[..., 1:])), 2.0 * torch.sin(q[..., 1:]), 0.5 * v], -1)


def stage(trajectory, controls):
    """Residuals of each step (T, N, 6): half the sum of their squares is added to the cost."""
    return math.sqrt(DT) * torch.cat([0.5 * controls, 3.0 * up * misses(trajectory)[:-1]], -1)


def terminal(trajectory):
    """Residuals of the last state (N, 5)."""
    return 10.0 * misses(trajectory)[-1]


def report(when):
    """Print and return how far the pole is from upright [degree], and its speed [rad/s]."""
    angle = torch.remainder(robot.get_qpos()[1], 2.0 * math.pi) - math.pi
    degrees, rate = abs(math.degrees(angle.item())), abs(robot.get_dofs_velocity()[1].item())
    print(f"{when}: {degrees:.2f} degrees from upright, {rate:.3f} rad/s")
    return degrees, rate


result = gs.tools.optimize_trajectory(
    scene,
    gs.tools.ResidualCost(stage=stage, terminal=terminal),
    n_steps=N_STEPS,
    control="actuators",
    # Not zero: where the pole hangs still, left and right are the same, and no gradient tells which to take.
    initial=[0.01],
    method="ilqr",
)
print(f"Cost {result.history[0].cost:.1f} -> {result.cost:.3f}, {result.iterations} iterations, {result.reason}")
print(f"Largest force: {100.0 * result.controls.abs().max().item():.0f} % of what the motor has")
result.plot(PLOT)
print(f"Written: {PLOT}")

result.apply()
degrees, rate = report("As planned")

pole = [robot.get_link("pole").idx_local]
robot.set_links_mass(HEAVIER * robot.get_links_mass(pole), pole)
robot.set_links_inertia(HEAVIER * robot.get_links_inertia(pole), pole)
scene.reset()
result.apply()
report("With a heavier pole, by the same forces")

scene.reset()
for step in range(N_STEPS):
    robot.control_actuators(result.policy(step))
    scene.step()
degrees_with_feedback, _ = report("With a heavier pole and feedback")

if degrees > ANGLE_TOLERANCE or rate > RATE_TOLERANCE:
    sys.exit("The pole is not upright at the end.")
if degrees_with_feedback > FEEDBACK_TOLERANCE:
    sys.exit("Feedback did not make up for the other pole.")
