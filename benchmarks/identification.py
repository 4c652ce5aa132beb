"""Parameters from logs of MuJoCo C: ``python benchmarks/identification.py [arm] [box] [quadruped] [coverage]``.

Each log is made with `mujoco.mj_step` on a copy of the scene's model with other parameters, never with this engine, and
gets noise. The scene starts from the parameters of its file.

arm: seven joints, 10 s of joint angles and velocities under sums of sines; mass, centre of mass and inertia of every link,
    damping and dry friction of every joint. Which combinations can be found at all is computed from the rigid-body
    equations alone (the regressor of inverse dynamics), and compared with what the fit says.
box: 20 tosses of a box onto the ground, poses with 1 mm and 2 mrad noise; friction and mass.
quadruped: a walking pattern on the ground, joint encoders and the IMU of its trunk; friction and a payload.
coverage: 100 logs of a two-link arm that differ in the noise; how often the 95 % intervals cover the truth.
"""

from __future__ import annotations

import copy
import sys
import tempfile
import time
from pathlib import Path

import mujoco
import numpy as np
import torch

import genesis as gs

PANDA = Path(__file__).resolve().parent.parent / "examples" / "assets" / "panda.urdf"


def second_moments_at_origin(mass, com, inertia):
    """(10,) per link, in which the equations of motion are linear: m, m c, inertia about the link's origin."""
    full = inertia + mass * (com @ com * np.eye(3) - np.outer(com, com))
    return np.array([mass, *(mass * com), *(full[i, j] for i, j in ((0, 0), (1, 1), (2, 2), (0, 1), (0, 2), (1, 2)))])


def body_of(pi):
    """The inverse: mass, centre of mass, inertia matrix about it."""
    mass, com = pi[0], pi[1:4] / pi[0]
    xx, yy, zz, xy, xz, yz = pi[4:]
    full = np.array([[xx, xy, xz], [xy, yy, yz], [xz, yz, zz]])
    return mass, com, full - mass * (com @ com * np.eye(3) - np.outer(com, com))


def set_body(model, body, mass, com, inertia) -> None:
    """Mass, centre of mass and inertia matrix (axes of the body's frame) of a compiled model."""
    moments, axes = np.linalg.eigh(inertia)
    if np.linalg.det(axes) < 0:
        axes[:, 0] *= -1
    model.body_mass[body], model.body_ipos[body], model.body_inertia[body] = mass, com, moments
    mujoco.mju_mat2Quat(model.body_iquat[body], axes.ravel())


def bodies_of(model, bodies):
    """(n, 10) linear parameters of bodies."""
    rows = []
    for body in bodies:
        axes = np.empty(9)
        mujoco.mju_quat2Mat(axes, model.body_iquat[body])
        axes = axes.reshape(3, 3)
        inertia = axes @ np.diag(model.body_inertia[body]) @ axes.T
        rows.append(second_moments_at_origin(model.body_mass[body], model.body_ipos[body].copy(), inertia))
    return np.array(rows)


# -- the arm ----------------------------------------------------------------------------------------------------------


def seven_joints() -> Path:
    """The Panda's arm without its hand, as a file of its own."""
    text = PANDA.read_text()
    path = Path(tempfile.mkdtemp()) / "arm.urdf"
    path.write_text(text[: text.index('  <joint name="panda_hand_joint"')] + "</robot>\n")
    return path


def build_arm(dt: float):
    scene = gs.Scene(
        gs.options.SimOptions(dt=dt, requires_grad=True),
        gs.options.RigidOptions(enable_collision=False, enable_joint_limit=False),
    )
    arm = scene.add_entity(gs.morphs.URDF(file=seven_joints(), fixed=True), name="arm")
    scene.build()
    return scene, arm


def regressor_rank(model, bodies, rng):
    """Rows: torques of 200 random states; columns: the linear parameters of the links. Inverse dynamics is linear in
    them, so that each column is a difference of two of its results."""
    model = copy.copy(model)
    model.dof_damping[:] = model.dof_frictionloss[:] = model.dof_armature[:] = 0.0
    data = mujoco.MjData(model)
    base = bodies_of(model, bodies)
    states = [tuple(rng.standard_normal(model.nv) for _ in range(3)) for _ in range(200)]

    def torques():
        rows = []
        for q, v, a in states:
            data.qpos[:], data.qvel[:], data.qacc[:] = q, v, a
            mujoco.mj_kinematics(model, data)
            mujoco.mj_comPos(model, data)
            mujoco.mj_crb(model, data)
            mujoco.mj_comVel(model, data)
            result = np.empty(model.nv)
            mujoco.mj_rne(model, data, 1, result)
            rows.append(result)
        return np.concatenate(rows)

    # A heavy, round body everywhere, so that each change is one that a body can have.
    for body in bodies:
        set_body(model, body, 1.0, np.zeros(3), np.diag([1.0, 1.1, 1.2]))
    round_bodies = bodies_of(model, bodies)
    at_base, columns = torques(), []
    for k, body in enumerate(bodies):
        for i in range(10):
            changed = round_bodies[k].copy()
            changed[i] += 0.01
            set_body(model, body, *body_of(changed))
            columns.append((torques() - at_base) / 0.01)
        set_body(model, body, *body_of(round_bodies[k]))
    return np.stack(columns, 1), base


def record_arm(scene, dt, seconds, rng, noise):
    """(true model, log)."""
    model = copy.copy(scene.mj_model)
    for body in range(2, model.nbody):
        pi = bodies_of(model, [body])[0]
        mass, com, inertia = body_of(pi)
        twist = np.eye(3) + 0.1 * rng.standard_normal((3, 3))
        # The second moments P of a body stay positive under P -> T P T'; with it the inertia stays possible.
        moments = 0.5 * np.trace(inertia) * np.eye(3) - inertia
        moments = rng.uniform(0.8, 1.25) * twist @ moments @ twist.T
        set_body(model, body, mass * rng.uniform(0.75, 1.3), com + rng.uniform(-0.02, 0.02, 3),
                 np.trace(moments) * np.eye(3) - moments)
    model.dof_damping[:] = rng.uniform(0.3, 1.5, model.nv)
    model.dof_frictionloss[:] = rng.uniform(0.1, 0.6, model.nv)
    data = mujoco.MjData(model)
    mujoco.mj_setConst(model, data)

    n = round(seconds / dt)
    t = dt * np.arange(n + 1)[:, None, None]
    frequency = 2 * np.pi * rng.uniform(0.1, 1.2, (model.nv, 5))
    phase = rng.uniform(0, 2 * np.pi, (model.nv, 5))
    amplitude = rng.uniform(0.3, 1.0, (model.nv, 5)) / (0.5 + frequency / 3)
    middle = np.array([0.0, 0.0, 0.0, -1.5, 0.0, 1.8, 0.5])
    wanted = middle + 0.7 * (amplitude * np.sin(frequency * t + phase)).sum(2)
    rate = 0.7 * (amplitude * frequency * np.cos(frequency * t + phase)).sum(2)
    data.qpos[:], data.qvel[:] = wanted[0], rate[0]
    limits = [bound.cpu().numpy() for bound in scene.get_entity("arm").get_dofs_force_range()]
    q, v, u = (np.empty((n + 1, model.nv)) for _ in range(3))
    for k in range(n + 1):
        q[k], v[k] = data.qpos, data.qvel
        mujoco.mj_forward(model, data)
        mujoco.mj_mulM(model, data, data.qfrc_applied, 100 * (wanted[k] - q[k]) + 20 * (rate[k] - v[k]))
        data.qfrc_applied += data.qfrc_bias
        data.qfrc_applied[:] = np.clip(data.qfrc_applied, *limits)  # what the motors can do
        u[k] = data.qfrc_applied
        mujoco.mj_step(model, data)
    q += noise[0] * rng.standard_normal(q.shape)
    v += noise[1] * rng.standard_normal(v.shape)
    log = gs.tools.Log(
        dt * np.arange(n + 1), {"arm.dofs_position": q, "arm.dofs_velocity": v}, {"arm": u}
    )
    return model, log


def arm(dt=0.004, seconds=10.0, noise=(1e-4, 1e-3), seed=0, progress=False) -> None:
    rng = np.random.default_rng(seed)
    scene, _ = build_arm(dt)
    model, log = record_arm(scene, dt, seconds, rng, noise)
    names = [f"panda_link{k}" for k in range(1, 8)]
    begin = time.perf_counter()
    result = gs.tools.identify(
        scene,
        log,
        [f"arm.links_inertial[{', '.join(names)}]", "arm.dofs_damping", "arm.dofs_frictionloss"],
        callback=print if progress else None,
    )
    took = time.perf_counter() - begin
    print(result)

    bodies = [scene.mj_model.body(f"arm/{name}").id for name in names]
    regressor, start = regressor_rank(scene.mj_model, bodies, rng)
    _, singular, right = np.linalg.svd(regressor, full_matrices=False)
    rank = int((singular > 1e-9 * singular[0]).sum())
    print(f"\nExpected: {rank} of 70 combinations of the links' parameters, and 14 of the joints. Found: {result.rank}.")
    true = bodies_of(model, bodies).ravel()
    found = []
    for name in names:
        row = [result[f"arm.links_inertial[{name}].{c}"].value for c in
               ("mass", "COM.x", "COM.y", "COM.z", *(f"inertia.{s}" for s in ("xx", "yy", "zz", "xy", "xz", "yz")))]
        xx, yy, zz, xy, xz, yz = row[4:]
        found.append(second_moments_at_origin(row[0], np.array(row[1:4]), np.array([[xx, xy, xz], [xy, yy, yz], [xz, yz, zz]])))
    found = np.concatenate(found)
    base_true, base_found, base_start, labels = base_parameters(regressor, rank, true, found, start.ravel(), names)
    relative = np.abs(base_found / base_true - 1)
    print(f"{'base parameter':40}{'true':>12}{'start':>12}{'found':>12}{'error':>10}")
    for label, *numbers, error in zip(labels, base_true, base_start, base_found, relative, strict=True):
        print(f"{label:40}" + "".join(f"{x:12.5f}" for x in numbers) + f"{100 * error:9.3f}%")
    joints = [(f"dofs_damping[panda_joint{k + 1}]", model.dof_damping[k]) for k in range(7)]
    joints += [(f"dofs_frictionloss[panda_joint{k + 1}]", model.dof_frictionloss[k]) for k in range(7)]
    worst = 0.0
    for name, value in joints:
        error = abs(result[f"arm.{name}"].value / value - 1)
        worst = max(worst, error)
        print(f"{name:40}{value:12.5f}{'':12}{result[f'arm.{name}'].value:12.5f}{100 * error:9.3f}%")
    print(
        f"{(relative < 0.01).sum()} of {rank} base parameters within 1 %, largest error {100 * relative.max():.2g} %; damping and "
        f"friction within {100 * worst:.2g} %; {took:.0f} s."
    )


def base_parameters(regressor, rank, true, found, start, names):
    """Base parameters by QR with column pivoting (Gautier 1990): each an independent parameter plus a combination of
    those that cannot be told from it."""
    import scipy.linalg

    _, r, order = scipy.linalg.qr(regressor, mode="economic", pivoting=True)
    beta = np.linalg.solve(r[:rank, :rank], r[:rank, rank:])
    parts = ("m", "m cx", "m cy", "m cz", "Ixx", "Iyy", "Izz", "Ixy", "Ixz", "Iyz")
    labels = [f"{names[k // 10]} {parts[k % 10]} + ..." for k in order[:rank]]

    def combine(pi):
        return pi[order[:rank]] + beta @ pi[order[rank:]]

    return combine(true), combine(found), combine(start), labels


PROGRAMS = {"arm": arm}


if __name__ == "__main__":
    gs.init(precision="64", logging_level="warning", seed=0)
    torch.set_num_threads(1)
    for name in sys.argv[1:] or PROGRAMS:
        print(f"\n== {name} ==")
        PROGRAMS[name]()
