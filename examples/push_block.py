"""Push a block to a pose on the ground by optimising the path of a finger, through contact and friction.

The finger touches a block of 10 cm at the middle of one side. Its position controller follows straight lines between
way points, which are all that is optimised. Push, slip and friction with the ground decide where the block comes to
rest: the gradient of its pose passes through every contact of 200 steps.
"""

import math
import sys
from pathlib import Path

import torch

import genesis as gs

FINGER = Path(__file__).parent / "assets" / "finger.xml"
DT = 0.005  # [s]
N_STEPS = 200
N_PUSHING = 160  # then the finger waits, and the block comes to rest
N_WAY_POINTS = 6
N_EPOCHS = 60
SIZE = (0.1, 0.1, 0.05)  # of the block [m]
TARGET = (0.15, 0.05, math.radians(30.0))  # x, y [m] and yaw [rad] of the block, which starts at zero
ARM = 0.1  # [m] that an angle is multiplied by to compare it with a distance: the block's size
LEARNING_RATE = 3e-3  # [m] by which a way point may move in an epoch
MAX_NORM = 0.05  # of the gradient [m]
POSITION_TOLERANCE = 5e-3  # [m]
YAW_TOLERANCE = math.radians(2.0)

# Soft contacts: time constant [s], damping ratio, then the impedance, which grows from 0.5 to 0.9 over 4 mm (the block
# sinks in by 3 mm). With MuJoCo's default, 0.9 at the surface, force sets in with a jump: a block that is pushed
# rattles, its corners and the finger lose and find contact every few steps, and a gradient, right as it is, does not
# tell what a path does that is a millimetre away.
SOFT = (0.08, 1.0, 0.5, 0.9, 0.004, 0.5, 2.0)

gs.init(logging_level="warning")

scene = gs.Scene(
    sim_options=gs.options.SimOptions(dt=DT, requires_grad=True),
    rigid_options=gs.options.RigidOptions(
        friction_cone=gs.friction_cone.elliptic,  # friction is the same in all directions
        impratio=10.0,  # friction stays stiff where contacts are soft
    ),
)
plane = scene.add_entity(gs.morphs.Plane(), material=gs.materials.Rigid(friction=0.4))
block = scene.add_entity(
    gs.morphs.Box(size=SIZE, pos=(0.0, 0.0, SIZE[2] / 2)), material=gs.materials.Rigid(friction=0.4)
)
finger = scene.add_entity(gs.morphs.MJCF(file=FINGER, pos=(-SIZE[0] / 2 - 0.015, 0.0, 0.0)))
scene.build()
for entity in (plane, block, finger):
    entity.set_sol_params(SOFT)


def push(way_points):
    """Where the block comes to rest, (x, y, yaw), when the finger goes along way points (N_WAY_POINTS, 2) [m]."""
    scene.reset()
    corners = torch.cat([way_points.new_zeros(1, 2), way_points])
    path = torch.nn.functional.interpolate(corners.T[None], size=N_PUSHING, mode="linear", align_corners=True)[0].T
    for step in range(N_STEPS):
        finger.control_dofs_position(path[min(step, N_PUSHING - 1)])
        scene.step()
    return block.get_dofs_position()[[0, 1, 5]]


def report(when, pose):
    """Print the errors of a pose, and return them: a distance [m] and an angle [rad]."""
    x, y, yaw = (a - b for a, b in zip(pose.tolist(), TARGET, strict=True))
    distance = math.hypot(x, y)
    print(f"{when}: position error {1e3 * distance:.2f} mm, yaw error {math.degrees(abs(yaw)):.2f} degrees")
    return distance, abs(yaw)


# The first guess: straight on. It pushes the block in about the right direction and does not turn it.
way_points = torch.zeros(N_WAY_POINTS, 2)
way_points[:, 0] = torch.linspace(0.12 / N_WAY_POINTS, 0.12, N_WAY_POINTS)
way_points.requires_grad_()

optimizer = torch.optim.Adam([way_points], lr=LEARNING_RATE)
target = torch.tensor(TARGET)
scale = torch.tensor([1.0, 1.0, ARM])

for epoch in range(N_EPOCHS):
    pose = push(way_points)
    if epoch == 0:
        report("Before", pose)
    loss = ((pose - target) * scale).square().sum()
    optimizer.zero_grad()
    loss.backward()
    # The first gradients are far larger than those near the target: unclipped, they would stay in Adam's running mean
    # of squares, and its steps be too small ever after.
    torch.nn.utils.clip_grad_norm_([way_points], MAX_NORM)
    # Adam's steps do not become smaller near the target by themselves.
    optimizer.param_groups[0]["lr"] = LEARNING_RATE * min(1.0, loss.item() ** 0.5 / 0.02)
    optimizer.step()
    print(f"Epoch {epoch}: loss = {loss.item():.3e}")

with torch.no_grad():
    distance, angle = report("After", push(way_points))
if distance > POSITION_TOLERANCE or angle > YAW_TOLERANCE:
    sys.exit("The block is not at its target.")
