"""A quadruped that lies on the ground learns to stand up, by gradient descent on the targets of its PD controllers.

It lies on its belly, its legs folded, each in another way. The targets of its eight joints move on straight lines
between way points, which are all that is optimised; at first they hold the legs where they are. The loss is what a user
would ask for: after 0.7 s the torso shall be at a height, level and still. How to get there, the contacts of feet and
belly with the ground tell.
"""

import math
import sys
from pathlib import Path

import torch

import genesis as gs

QUADRUPED = Path(__file__).parent / "assets" / "quadruped.xml"
DT = 0.005  # [s]
N_STEPS = 200
N_RISING = 140  # then the targets hold, and the robot shall stand
EVERY = 10  # steps between two looks at the robot that stands
N_WAY_POINTS = 4
N_EPOCHS = 80
LYING, STANDING = 0.06, 0.3  # height of the torso's middle [m]
LEARNING_RATE = 0.06  # [rad]
DECAY = 0.97  # of the learning rate, from epoch to epoch
MAX_NORM = 1.0  # of the gradient
HEIGHT_TOLERANCE = 0.01  # [m]
TILT_TOLERANCE = 3.0  # [degree]
SPEED_TOLERANCE = 0.05  # [m/s, rad/s]

gs.init(logging_level="warning")

scene = gs.Scene(sim_options=gs.options.SimOptions(dt=DT, requires_grad=True))
scene.add_entity(gs.morphs.Plane())
robot = scene.add_entity(gs.morphs.MJCF(file=QUADRUPED, pos=(0.0, 0.0, LYING)))
scene.build()
joints = range(6, robot.n_dofs)  # the first six dofs are the torso's

# The knee's angle puts the foot, a ball of 20 mm radius, on the ground, wherever the hip holds the thigh.
hips = torch.tensor([1.45, 1.9, 1.6, 2.0])  # [rad]
knees = -hips - torch.acos((LYING - 0.02) / 0.2 - torch.cos(hips))
lying = torch.stack([hips, knees], 1).flatten()


def stand_up(way_points):
    """Move along way points (N_WAY_POINTS, 8). Returns the mean loss of the time after that."""
    scene.reset()
    robot.set_dofs_position(lying, joints)
    corners = torch.cat([lying[None], way_points])
    path = torch.nn.functional.interpolate(corners.T[None], size=N_RISING, mode="linear", align_corners=True)[0].T
    losses = []
    for step in range(N_STEPS):
        robot.control_dofs_position(path[min(step, N_RISING - 1)], joints)
        scene.step()
        if step >= N_RISING and (step + 1) % EVERY == 0:
            height = (robot.get_pos()[2] - STANDING) / 0.1
            motion = robot.get_vel().square().sum() + 0.5 * robot.get_ang().square().sum()
            losses.append(height.square() + 30.0 * (1.0 - upright()) + motion)
    return torch.stack(losses).mean()


def upright():
    """Cosine of the angle between the torso's vertical and the world's."""
    _, x, y, _ = robot.get_quat()
    return 1.0 - 2.0 * (x.square() + y.square())


@torch.no_grad()
def report(when):
    """Print and return the torso's height [m], its tilt [degree] and the larger of its speeds [m/s, rad/s]."""
    height = robot.get_pos()[2].item()
    tilt = math.degrees(math.acos(min(upright().item(), 1.0)))
    speed = max(robot.get_vel().norm().item(), robot.get_ang().norm().item())
    print(f"{when}: height {height:.4f} m, tilt {tilt:.2f} degrees, speed {speed:.4f}")
    return height, tilt, speed


way_points = lying.repeat(N_WAY_POINTS, 1).requires_grad_()
optimizer = torch.optim.Adam([way_points], lr=LEARNING_RATE)
scheduler = torch.optim.lr_scheduler.ExponentialLR(optimizer, DECAY)

for epoch in range(N_EPOCHS):
    loss = stand_up(way_points)
    if epoch == 0:
        report("Before")
    optimizer.zero_grad()
    loss.backward()
    # While the belly carries the robot, a target changes little, and the gradient is small but right: Adam does not
    # mind its size. The gradients of the first rise are large: unclipped, they would stay in Adam's running mean of
    # squares, and its steps be too small ever after.
    torch.nn.utils.clip_grad_norm_([way_points], MAX_NORM)
    optimizer.step()
    scheduler.step()
    print(f"Epoch {epoch}: loss = {loss.item():.4f}")

with torch.no_grad():
    print(f"Final loss = {stand_up(way_points).item():.4f}")
height, tilt, speed = report("After")
if abs(height - STANDING) > HEIGHT_TOLERANCE or tilt > TILT_TOLERANCE or speed > SPEED_TOLERANCE:
    sys.exit("The robot does not stand as it should.")
