"""Grasp a part and carry it to a place: a Franka Panda with its own meshes; its commands are found by gradient.

The fingers stand around a part, an eight-sided bolt head, and hold it lightly. What is optimised are way points of the
arm's seven joints and of the grip. The part is carried by friction alone: the gradient of where it ends passes through
the contacts of the fingers with a convex mesh, over 250 steps.
"""

import importlib.metadata
import math
import sys
import tempfile
from pathlib import Path

import torch

import genesis as gs

DT = 0.004  # [s]
N_GRIPPING, N_STEPS = 50, 250
N_WAY_POINTS = 4
N_EPOCHS = 200  # at most
LEARNING_RATE = 0.01  # [rad] of the joints
GRIP_RATE = 1e-3  # [m] of the fingers
MOVE = (0.10, 0.12, 0.15)  # by how much the part shall be carried [m]
TOLERANCE = 5e-3  # [m]
ENOUGH = 0.8 * TOLERANCE  # where the search ends
ABOVE = (0.0, 0.5074, 0.0, -2.2001, 0.0, 2.7075, 0.785)  # the hand points down, its finger tips around the part [rad]
STIFFNESS, DAMPING = (4500.0, 450.0), (450.0, 60.0)  # of arm [N m/rad, N m s/rad] and fingers [N/m, N s/m]

try:
    robots = importlib.metadata.distribution("example-robot-data")
except importlib.metadata.PackageNotFoundError:
    sys.exit("The robot's meshes come with a package that is not installed: pip install example-robot-data")
PANDA = robots.locate_file("cmeel.prefix/share/example-robot-data/robots/panda_description/urdf/panda.urdf")


def bolt_head(radius: float, height: float) -> str:
    """A prism with eight sides, as a Wavefront file [m]."""
    corners = [
        (r * math.cos(math.tau * (k + 0.5) / 8), r * math.sin(math.tau * (k + 0.5) / 8), z)
        for r, z in ((radius, -height / 2), (radius, height / 2))
        for k in range(8)
    ]
    sides = [(k + 1, (k + 1) % 8 + 1, (k + 1) % 8 + 9, k + 9) for k in range(8)]
    faces = [*sides, tuple(range(8, 0, -1)), tuple(range(9, 17))]
    lines = ["v {} {} {}".format(*corner) for corner in corners] + ["f " + " ".join(map(str, face)) for face in faces]
    return "\n".join(lines)


gs.init(logging_level="warning")
scene = gs.Scene(
    sim_options=gs.options.SimOptions(dt=DT, requires_grad=True),
    rigid_options=gs.options.RigidOptions(
        integrator=gs.integrator.implicitfast,  # the gains below are stiff
        friction_cone=gs.friction_cone.elliptic,
        impratio=10.0,  # the grip creeps ten times as slowly
        enable_self_collision=False,
    ),
)
floor = scene.add_entity(gs.morphs.Plane())
arm = scene.add_entity(gs.morphs.URDF(file=PANDA, fixed=True, default_armature=0.1))
with tempfile.TemporaryDirectory() as folder:
    file = Path(folder) / "bolt_head.obj"
    file.write_text(bolt_head(0.0217, 0.06))
    part = scene.add_entity(gs.morphs.Mesh(file=file, pos=(0.55, 0.0, 0.03)), material=gs.materials.Rigid(rho=2000.0))
    scene.build()
stiffness, damping = (torch.tensor([a] * 7 + [f] * 2) for a, f in (STIFFNESS, DAMPING))
arm.set_dofs_kp(stiffness)
arm.set_dofs_kv(damping)
start = torch.tensor([*ABOVE, 0.0205, 0.0205])
target = part.get_pos().sceneless() + torch.tensor(MOVE)


def carry(way_points: torch.Tensor, grip: torch.Tensor) -> torch.Tensor:
    """Where the part is after all steps (3,), when the arm goes along way points (N_WAY_POINTS, 7) from its start, and
    the fingers are told to close by so much beyond the part's surface [m]."""
    scene.reset()
    arm.set_qpos(start)
    corners = torch.cat([start[None, :7], start[:7] + way_points])
    path = torch.nn.functional.interpolate(
        corners.T[None], size=N_STEPS - N_GRIPPING, mode="linear", align_corners=True
    )
    path = torch.cat([start[None, :7].expand(N_GRIPPING, 7), path[0].T])
    fingers = (start[7:] - grip).expand(N_STEPS, 2)
    scene.rollout({arm: torch.cat([path, fingers], dim=1)}, control="position")
    return part.get_pos()


way_points = torch.zeros(N_WAY_POINTS, 7, requires_grad=True)
grip = torch.tensor(0.015, requires_grad=True)
optimizer = torch.optim.Adam([{"params": [way_points], "lr": LEARNING_RATE}, {"params": [grip], "lr": GRIP_RATE}])
best = (float("inf"), way_points, grip)  # the least miss [m], and with what it was reached
for epoch in range(N_EPOCHS):
    optimizer.zero_grad()
    miss = carry(way_points, grip).sceneless() - target
    loss = miss.square().sum()
    if miss.norm() < best[0]:
        best = miss.norm().item(), way_points.detach().clone(), grip.detach().clone()
    if epoch % 10 == 0 or best[0] < ENOUGH:
        print(f"epoch {epoch:2d}: {1e3 * miss.norm().item():6.1f} mm from its place, grip {1e3 * grip.item():.1f} mm")
    if best[0] < ENOUGH:
        break
    loss.backward()
    optimizer.param_groups[0]["lr"] = LEARNING_RATE * min(1.0, miss.norm().item() / 0.06)
    optimizer.step()

with torch.no_grad():
    miss = (carry(*best[1:]).sceneless() - target).norm().item()
print(f"The part is {1e3 * miss:.2f} mm from its place, {1e3 * MOVE[2]:.0f} mm above where it stood.")
if miss > TOLERANCE:
    sys.exit(f"The part is not where it shall be; expected at most {1e3 * TOLERANCE:.0f} mm.")
