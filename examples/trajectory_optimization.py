"""The trajectory optimisation of Genesis's page on differentiable simulation, on a puck that floats on a table.

The puck has three degrees of freedom (x, y, yaw) and is loaded off its middle. It starts at rest at (0, 0, 0.5) and
must be at the target after one second.
"""

import sys
from pathlib import Path

import torch

import genesis as gs

PUCK = Path(__file__).parent / "assets" / "puck.urdf"
N_EPOCHS = 100

gs.init()

scene = gs.Scene(
    sim_options=gs.options.SimOptions(
        dt=0.01,
        requires_grad=True,
    ),
)
robot = scene.add_entity(gs.morphs.URDF(file=PUCK))
scene.build()

# Optimize control sequence
n_steps = 100
n_dofs = robot.n_dofs

controls = torch.zeros(n_steps, n_dofs, requires_grad=True, device=gs.device)
optimizer = torch.optim.Adam([controls], lr=0.01)

target = torch.tensor([1.0, 0.0, 0.5], device=gs.device)
losses = []

for epoch in range(N_EPOCHS):
    scene.reset()

    # Forward simulation
    for t in range(n_steps):
        robot.control_dofs_force(controls[t])
        scene.step()

    # Compute loss
    final_pos = robot.get_pos()
    loss = torch.nn.functional.mse_loss(final_pos, target)

    # Optimize
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()

    losses.append(loss.item())
    print(f"Epoch {epoch}: loss = {loss.item():.4f}")

# The check. Not part of the page's program.
if losses[-1] > 0.01 * losses[0]:
    sys.exit(f"The loss fell from {losses[0]:.4f} to {losses[-1]:.4f} only.")
