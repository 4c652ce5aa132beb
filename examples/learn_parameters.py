"""Recover the link masses and joint dampings of a Panda arm from a motion recorded with MuJoCo C.

The "true" arm is the scene's own model with other masses and dampings, moved by known joint torques and stepped by
`mujoco.mj_step`. The engine then sees joint positions, velocities and torques only, and starts from the masses of the
robot's file and from a guess of the dampings.

Which parameters a motion can reveal: the mass of link 0 cannot be found, since it never moves. All other masses can,
once the centres of mass and the inertias about them are known, as here. Link 1 turns about an axis that passes 4 mm
from its centre of mass, so the arm stands on an inclined base, and gravity shows that mass too. Hand and link 7 move as
one body, but their different centres of mass tell their masses apart.

The method: the recording is cut into short windows, which run as the envs of one scene, each from its recorded state
(multiple shooting). Every window has parameters of its own as far as torch is concerned, so that one backward pass per
predicted number gives a row of the Jacobian for every window at once; Gauss-Newton does the rest in a few iterations.
"""

import copy
import sys
from pathlib import Path

import mujoco
import numpy as np
import torch

import genesis as gs

PANDA = Path(__file__).parent / "assets" / "panda.urdf"
DT = 0.005  # [s]
N_STEPS = 10  # of one window
N_WINDOWS = 80
N_ITERATIONS = 8
BANDWIDTH = 10.0  # [rad/s] of the controller that moves the recorded arm
TOLERANCE = 1e-3  # largest relative error of a parameter
GUESSED_DAMPING = 0.5  # [N m s/rad], fingers [N s/m]

MASSES = [f"panda_{name}" for name in (*(f"link{k}" for k in range(1, 8)), "hand", "leftfinger", "rightfinger")]

gs.init(precision="64", logging_level="warning")

scene = gs.Scene(
    sim_options=gs.options.SimOptions(dt=DT, requires_grad=True),
    rigid_options=gs.options.RigidOptions(disable_constraint=True),
)
robot = scene.add_entity(gs.morphs.URDF(file=PANDA, fixed=True, euler=(30.0, 20.0, 0.0)), name="panda")
scene.build(n_envs=N_WINDOWS)
links = [robot.get_link(name).idx_local for name in MASSES]


def record():
    """A motion of the true arm: qpos, qvel (N_WINDOWS + 1, 9), torques (N_WINDOWS, N_STEPS, 9), and the truth (19,)."""
    rng = np.random.default_rng(0)
    model = copy.copy(scene.mj_model)
    bodies = [model.body(f"panda/{name}").id for name in MASSES]
    model.body_mass[bodies] *= rng.uniform(0.7, 1.3, len(bodies))
    model.dof_damping[:] = rng.uniform(0.2, 1.5, model.nv)
    data = mujoco.MjData(model)
    mujoco.mj_setConst(model, data)

    # Torques that lead the arm along sines, slower than its velocity limits; they are held for the duration of a step.
    middle = np.array([0.0, -0.5, 0.0, -1.8, 0.0, 1.8, 0.5, 0.02, 0.02])
    amplitude = np.array([0.6, 0.5, 0.6, 0.6, 0.8, 0.8, 0.8, 0.015, 0.015])
    frequency = 2 * np.pi * rng.uniform(0.25, 0.5, model.nv)  # [rad/s]
    phase = rng.uniform(0, 2 * np.pi, model.nv)
    data.qpos[:] = middle + amplitude * np.sin(phase)
    data.qvel[:] = amplitude * frequency * np.cos(phase)
    qpos, qvel, torques = [data.qpos.copy()], [data.qvel.copy()], []
    for step in range(N_WINDOWS * N_STEPS):
        angle = frequency * data.time + phase
        mujoco.mj_forward(model, data)
        error = middle + amplitude * np.sin(angle) - data.qpos
        error_rate = amplitude * frequency * np.cos(angle) - data.qvel
        mujoco.mj_mulM(model, data, data.qfrc_applied, BANDWIDTH**2 * error + 2 * BANDWIDTH * error_rate)
        data.qfrc_applied += data.qfrc_bias + model.dof_damping * data.qvel
        torques.append(data.qfrc_applied.copy())
        mujoco.mj_step(model, data)
        if (step + 1) % N_STEPS == 0:
            qpos.append(data.qpos.copy())
            qvel.append(data.qvel.copy())
    truth = np.concatenate([model.body_mass[bodies], model.dof_damping])
    return np.array(qpos), np.array(qvel), np.array(torques).reshape(N_WINDOWS, N_STEPS, -1), truth


def predict(parameters):
    """Where each window ends, (N_WINDOWS, 18): positions and velocities, for parameters (N_WINDOWS, 19)."""
    scene.reset()
    robot.set_links_mass(parameters[:, : len(MASSES)], links)
    robot.set_dofs_damping(parameters[:, len(MASSES) :])
    robot.set_qpos(qpos[:-1])
    robot.set_dofs_velocity(qvel[:-1])
    for k in range(N_STEPS):
        robot.control_dofs_force(torques[:, k])
        scene.step()
    return torch.cat([robot.get_qpos(), robot.get_dofs_velocity()], -1)


def residuals_and_jacobian(logarithms):
    """Errors of the prediction (N_WINDOWS * 18,) and their derivatives with respect to the parameters' logarithms."""
    # One copy per window: the gradient of a number predicted for one window then is that window's own.
    copies = logarithms.expand(N_WINDOWS, -1).clone().requires_grad_()
    prediction = predict(copies.exp())
    rows = [
        torch.autograd.grad(prediction[:, k].sum(), copies, retain_graph=True)[0] for k in range(prediction.shape[1])
    ]
    errors = (prediction - recorded).detach(sceneless=True)
    return (errors / scale).flatten(), (torch.stack(rows, 1) / scale[:, None]).flatten(0, 1)


qpos, qvel, torques, truth = (torch.tensor(array, device=gs.device) for array in record())
recorded = torch.cat([qpos, qvel], -1)[1:]
scale = recorded.std(0)  # positions and velocities of arm and fingers, made comparable

with torch.no_grad():
    file_masses = robot.get_links_mass(links)[0]
start = torch.cat([file_masses, torch.full((robot.n_dofs,), GUESSED_DAMPING)])
logarithms = start.log().detach()  # masses and dampings are positive
for iteration in range(N_ITERATIONS):
    errors, jacobian = residuals_and_jacobian(logarithms)
    print(f"iteration {iteration}: root mean square error {errors.square().mean().sqrt().item():.3e}")
    change = torch.linalg.lstsq(jacobian, -errors[:, None], driver="gelsd").solution[:, 0]
    logarithms = logarithms + change.clamp(-1.0, 1.0)  # no parameter grows more than e-fold at once
    if change.abs().max() < 1e-9:
        break

found = logarithms.exp()
relative = (found / truth - 1).abs()
names = [f"mass of {name} [kg]" for name in MASSES] + [f"damping of joint {k + 1}" for k in range(7)]
names += ["damping of left finger", "damping of right finger"]
print(f"{'':34}{'true':>12}{'start':>12}{'found':>12}{'error':>12}")
for name, *numbers, error in zip(names, truth.tolist(), start.tolist(), found.tolist(), relative.tolist(), strict=True):
    print(f"{name:34}" + "".join(f"{number:12.6f}" for number in numbers) + f"{100 * error:11.1e}%")
if relative.max() > TOLERANCE:
    sys.exit(f"{names[int(relative.argmax())]} is {100 * relative.max().item():.2g} % off.")
