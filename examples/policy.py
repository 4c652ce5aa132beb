"""Train a policy to keep a pole upright on a cart, by the gradient through policy and physics.

64 cart-poles start from different angles near upright, where a small difference grows tenfold within a second, and so
does the gradient on its way back. `gradient_clip` bounds what it carries from one step to the one before, so that envs
that fall do not drown the others. The policy is then tested from other angles, for three times as long.
"""

import math
import sys
from pathlib import Path

import torch

import genesis as gs

CART_POLE = Path(__file__).parent / "assets" / "cart_pole.xml"
N_ENVS = 64
N_STEPS = 75  # 1.5 s
N_ITERATIONS = 50
LARGEST_ANGLE = 0.2  # [rad] from upright, at the start
GRADIENT_CLIP = 1e-2  # of each env's part of the loss, which is a mean over the envs
LEARNING_RATE = 0.03
ANGLE_TOLERANCE = 2.0  # [degree] from upright
ENOUGH = 60  # of the 64 in the test

gs.init(backend=gs.cpu, seed=0, logging_level="warning")
torch.set_num_threads(1)  # the policy is small: threads of torch would wait for each other longer than they work

scene = gs.Scene(sim_options=gs.options.SimOptions(dt=0.02, requires_grad=True, gradient_clip=GRADIENT_CLIP))
robot = scene.add_entity(gs.morphs.MJCF(file=CART_POLE))
scene.build(n_envs=N_ENVS)

policy = torch.nn.Sequential(torch.nn.Linear(5, 32), torch.nn.Tanh(), torch.nn.Linear(32, 1), torch.nn.Tanh())
with torch.no_grad():  # next to no force at first: a policy that pushes at random throws the poles over
    policy[2].weight.mul_(0.1)
    policy[2].bias.zero_()
optimizer = torch.optim.Adam(policy.parameters(), LEARNING_RATE)
weights = torch.tensor([0.3, 1.0, 1.0, 0.1, 0.1])


def random_start():
    """Cart in the middle, pole near upright, (N_ENVS, 2)."""
    angle = math.pi + LARGEST_ANGLE * (2.0 * torch.rand(N_ENVS) - 1.0)
    return torch.stack([torch.zeros(N_ENVS), angle], -1)


def observe():
    """Place of the cart, sine and 1 + cosine of the pole's angle, both velocities, (N_ENVS, 5): zero at the goal."""
    q, v = robot.get_qpos(), robot.get_dofs_velocity()
    return torch.cat([q[:, :1], torch.sin(q[:, 1:]), 1.0 + torch.cos(q[:, 1:]), v], -1)


def run(start, n_steps):
    """Mean over envs and steps of what the goal is missed by."""
    scene.reset()
    robot.set_qpos(start)
    loss, seen = 0.0, observe()
    for _ in range(n_steps):
        robot.control_actuators(policy(seen))
        scene.step()
        seen = observe()
        loss = loss + (weights * seen.square()).sum(-1).mean() / n_steps
    return loss


def n_standing():
    """How many poles are upright."""
    angle = torch.remainder(robot.get_qpos()[:, 1], 2.0 * math.pi) - math.pi
    return int((angle.abs() < math.radians(ANGLE_TOLERANCE)).sum())


start = random_start()
for iteration in range(N_ITERATIONS):
    loss = run(start, N_STEPS)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    if iteration % 5 == 4:
        print(f"iteration {iteration + 1}: loss = {loss.item():.4f}, {n_standing()} of {N_ENVS} stand")

with torch.no_grad():
    run(random_start(), 3 * N_STEPS)
standing = n_standing()
print(f"From other angles, after {3 * N_STEPS} steps: {standing} of {N_ENVS} stand")
if standing < ENOUGH:
    sys.exit("Too many poles fell.")
