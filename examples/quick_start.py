"""The quick start of Genesis's page on differentiable simulation, on a Franka Panda.

The base is not fixed, as on that page: the arm falls for a second, and the pose that it starts in decides through the
coupling of its joints where its base is at the end. The program checks the gradient against a finite difference.
"""

from pathlib import Path

import torch

import genesis as gs

PANDA = Path(__file__).parent / "assets" / "panda.urdf"

gs.init()

# Enable gradient tracking
scene = gs.Scene(
    sim_options=gs.options.SimOptions(
        dt=0.01,
        requires_grad=True,  # Enable differentiability
    ),
)

robot = scene.add_entity(gs.morphs.URDF(file=PANDA))
scene.build()

# Forward simulation
initial_pos = torch.zeros(robot.n_dofs, requires_grad=True, device=gs.device)
robot.set_dofs_position(initial_pos)

forces = torch.zeros(robot.n_dofs, device=gs.device)
forces[6:10] = torch.tensor([0.1, -0.2, 0.1, 0.2])  # [N m] on the first four joints of the arm
for _ in range(100):
    robot.control_dofs_force(forces)
    scene.step()

# Compute loss
final_pos = robot.get_pos()
target = torch.tensor([1.0, 0.0, 0.5], device=gs.device)
loss = torch.nn.functional.mse_loss(final_pos, target)

# Backward pass
loss.backward()

# Access gradients
print(initial_pos.grad)


# ----------------------------------------------------------------------------------------------------------------------
# The check. Not part of the quick start.

STEP = 1e-2  # [rad] large enough that 32-bit rounding of the loss, 1e-7 of it, stays out of the difference
TOLERANCE = 2e-2  # of the gradient's norm: what the step and 32 bits leave


def loss_at(position):
    """The loss above from another initial position, without gradient."""
    with torch.no_grad():
        scene.reset()
        robot.set_dofs_position(position)
        for _ in range(100):
            robot.control_dofs_force(forces)
            scene.step()
        return torch.nn.functional.mse_loss(robot.get_pos(), target).item()


direction = initial_pos.grad.sign()
forward, backward = (loss_at(initial_pos.detach() + sign * STEP * direction) for sign in (1, -1))
by_difference = (forward - backward) / (2 * STEP)
by_backward = (initial_pos.grad @ direction).item()
print(f"slope along {direction.tolist()}: {by_backward:.5f} by backward(), {by_difference:.5f} by finite difference")
assert abs(by_backward - by_difference) < TOLERANCE * abs(by_difference)
