"""Throw a part to a target: an arm with a suction cup takes it, swings it and lets go; its torques are optimised.

The suction cup is a weld that is made and released while the scene runs. What is held is the pose in which the cup met
the part, so that the gradient of where the part flies passes through the grasp, the swing and the release.
"""

import sys
from pathlib import Path

import torch

import genesis as gs

DT = 0.005  # [s]
TAKE, RELEASE, N_STEPS = 10, 60, 100  # steps at which the cup takes the part and lets it go; until it is observed
TARGET = (0.9, 0.0, 0.45)  # where the part shall be after N_STEPS [m]
N_EPOCHS = 100
LEARNING_RATE = 0.15  # [N m]
EFFORT = 1e-5  # weight of squared torques
TOLERANCE = 0.01  # [m]

gs.init(logging_level="warning")
scene = gs.Scene(sim_options=gs.options.SimOptions(dt=DT, requires_grad=True))
arm = scene.add_entity(gs.morphs.MJCF(file=Path(__file__).parent / "assets" / "suction_arm.xml"))
part = scene.add_entity(gs.morphs.Box(size=(0.06, 0.06, 0.06), pos=(0.55, 0.0, 0.43), collision=False))
scene.build()
cup, solver = arm.get_link("cup"), scene.rigid_solver


def where_it_flies(torques: torch.Tensor) -> torch.Tensor:
    """Position of the part after all steps (3,), under torques (RELEASE, 3)."""
    scene.reset()
    for step in range(N_STEPS):
        if step == TAKE:
            solver.add_weld_constraint(cup, part.base_link)
        if step == RELEASE:
            solver.delete_weld_constraint(cup, part.base_link)
        arm.control_dofs_force(torques[step] if step < RELEASE else torch.zeros(arm.n_dofs))
        scene.step()
    return part.get_pos()


# Carry arm and part, then swing up.
torques = torch.tensor([-4.0, -1.5, 0.0]).repeat(RELEASE, 1).requires_grad_()
optimizer = torch.optim.Adam([torques], lr=LEARNING_RATE)
for epoch in range(N_EPOCHS):
    optimizer.zero_grad()
    miss = where_it_flies(torques) - torch.tensor(TARGET)
    loss = miss.square().sum() + EFFORT * torques.square().mean()
    loss.backward()
    optimizer.step()
    if epoch % 10 == 0 or epoch == N_EPOCHS - 1:
        print(f"epoch {epoch:3d}: it misses by {1000 * miss.norm().item():7.1f} mm")
if miss.norm() > TOLERANCE:
    sys.exit(
        f"The part misses the target by {1000 * miss.norm().item():.1f} mm; expected at most {1000 * TOLERANCE:.0f} mm."
    )
