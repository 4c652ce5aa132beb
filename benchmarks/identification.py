"""Parameters from logs of MuJoCo C: ``python benchmarks/identification.py [arm] [box] [quadruped] [coverage]``.

Each log is made with `mujoco.mj_step` on a copy of the scene's model with other parameters, never with this engine, and
gets noise. The scene starts from the parameters of its file.

arm: seven joints, 10 s of joint angles and velocities under sums of sines; mass, centre of mass and inertia of every
link,
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
        set_body(
            model,
            body,
            mass * rng.uniform(0.75, 1.3),
            com + rng.uniform(-0.02, 0.02, 3),
            np.trace(moments) * np.eye(3) - moments,
        )
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
    log = gs.tools.Log(dt * np.arange(n + 1), {"arm.dofs_position": q, "arm.dofs_velocity": v}, {"arm": u})
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
    singular = np.linalg.svd(regressor, compute_uv=False)
    rank = int((singular > 1e-9 * singular[0]).sum())
    print(
        f"\nExpected: {rank} of 70 combinations of the links' parameters, and 14 of the joints. Found: {result.rank}."
    )
    true = bodies_of(model, bodies).ravel()
    found = []
    for name in names:
        row = [
            result[f"arm.links_inertial[{name}].{c}"].value
            for c in (
                "mass",
                "COM.x",
                "COM.y",
                "COM.z",
                *(f"inertia.{s}" for s in ("xx", "yy", "zz", "xy", "xz", "yz")),
            )
        ]
        xx, yy, zz, xy, xz, yz = row[4:]
        found.append(
            second_moments_at_origin(row[0], np.array(row[1:4]), np.array([[xx, xy, xz], [xy, yy, yz], [xz, yz, zz]]))
        )
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
        f"{(relative < 0.01).sum()} of {rank} base parameters within 1 %, largest error {100 * relative.max():.2g} %; "
        f"damping and friction within {100 * worst:.2g} %; {took:.0f} s."
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


# -- the box ----------------------------------------------------------------------------------------------------------


def build_box(dt: float):
    """A box above a slippery ground: of two friction coefficients the larger counts, so that the box's is the one."""
    scene = gs.Scene(
        gs.options.SimOptions(dt=dt, requires_grad=True),
        gs.options.RigidOptions(friction_cone="elliptic"),
    )
    scene.add_entity(gs.morphs.Plane(), material=gs.materials.Rigid(friction=0.05), name="ground")
    scene.add_entity(gs.morphs.Box(size=(0.10, 0.08, 0.06), pos=(0, 0, 0.2)), name="box")
    scene.build()
    return scene


def record_box(scene, n_tosses, seconds, rng, noise, true):
    """Log of tosses of a box with other mass, friction and size; poses with noise [m], [rad]."""
    model = copy.copy(scene.mj_model)
    body = scene.get_entity("box").links[0].idx + 1
    geom = int(model.body_geomadr[body])
    model.body_mass[body] *= true["mass"]
    model.body_inertia[body] *= true["mass"]
    model.geom_friction[geom, 0] = true["friction"]
    model.geom_size[geom] *= true["size"]
    model.geom_rbound[geom] = np.linalg.norm(model.geom_size[geom])
    model.geom_aabb[geom, 3:] = model.geom_size[geom]
    data = mujoco.MjData(model)
    mujoco.mj_setConst(model, data)
    dt, n = model.opt.timestep, round(seconds / model.opt.timestep)
    times, poses, number = [], [], []
    for toss in range(n_tosses):
        mujoco.mj_resetData(model, data)
        quat = rng.standard_normal(4)
        data.qpos[:] = [0, 0, rng.uniform(0.12, 0.2), *(quat / np.linalg.norm(quat))]
        data.qvel[:] = [*rng.uniform(-1.5, 1.5, 2), rng.uniform(-0.5, 0.5), *rng.uniform(-4, 4, 3)]
        for k in range(n + 1):
            turn = np.zeros(4)
            axis = noise[1] * rng.standard_normal(3)
            measured = data.qpos.copy()
            measured[:3] += noise[0] * rng.standard_normal(3)
            mujoco.mju_axisAngle2Quat(turn, axis / np.linalg.norm(axis), np.linalg.norm(axis))
            mujoco.mju_mulQuat(measured[3:], data.qpos[3:], turn)
            times.append(k * dt)
            poses.append(measured)
            number.append(toss)
            mujoco.mj_step(model, data)
    poses = np.array(poses)
    names = {"box.links_pos[0]": poses[:, :3], "box.links_quat[0]": poses[:, 3:]}
    levels = dict(zip(names, noise, strict=True))
    return gs.tools.Log(np.array(times), names, noise=levels, segments=np.array(number))


def box(dt=0.005, n_tosses=20, seconds=0.8, noise=(1e-3, 2e-3), seed=0, progress=False) -> None:
    rng = np.random.default_rng(seed)
    scene = build_box(dt)
    true = {"mass": 1.6, "friction": 0.35, "size": np.array([1.06, 0.95, 1.04])}
    log = record_box(scene, n_tosses, seconds, rng, noise, true)
    begin = time.perf_counter()
    result = gs.tools.identify(
        scene, log, ["box.mass", "box.friction", "box.geoms_size"], callback=print if progress else None
    )
    took = time.perf_counter() - begin
    print(result)
    start = {e.name: e.start for e in result.estimates}
    print(f"\n{'':24}{'true':>12}{'start':>12}{'found':>12}{'error':>10}")
    for estimate in result.estimates:
        if "friction" in estimate.name:
            value = true["friction"]
        elif "mass" in estimate.name:
            value = true["mass"] * start[estimate.name]
        else:
            value = true["size"][int(estimate.name[-1])] * start[estimate.name]
        error = f"{100 * (estimate.value / value - 1):9.2f}%" if estimate.determined else " not determined"
        print(f"{estimate.name:24}{value:12.5f}{start[estimate.name]:12.5f}{estimate.value:12.5f}{error}")
    print(f"{took:.0f} s")


# -- the quadruped ----------------------------------------------------------------------------------------------------


def build_quadruped(dt: float):
    scene = gs.Scene(gs.options.SimOptions(dt=dt, requires_grad=True))
    scene.add_entity(gs.morphs.Plane(), name="ground")
    robot = scene.add_entity(gs.morphs.MJCF(file=str(PANDA.with_name("quadruped.xml")), pos=(0, 0, 0.4)), name="robot")
    scene.build()
    return scene, robot


def record_quadruped(scene, robot, seconds, rng, noise, true):
    """(log, state at its beginning): legs that swing to and fro with feet that slip."""
    model = copy.copy(scene.mj_model)
    torso = robot.get_link("torso").idx + 1
    model.body_mass[torso] *= true["payload"]
    model.body_inertia[torso] *= true["payload"]
    model.geom_friction[robot.geom_start : robot.geom_end, 0] = true["friction"]
    data = mujoco.MjData(model)
    mujoco.mj_setConst(model, data)
    dt, stand = model.opt.timestep, np.array([0.6, -1.2] * 4)
    data.qpos[7:] = stand
    data.qpos[2] = 0.37
    data.ctrl[:] = stand
    for _ in range(round(1.0 / dt)):
        mujoco.mj_step(model, data)
    start = np.concatenate([data.qpos, data.qvel])
    n = round(seconds / dt)
    phase = np.repeat([0, np.pi, np.pi, 0], 2) + np.tile([0, 1.2], 4)
    q, v, gyro, force = (np.empty((n + 1, size)) for size in (8, 8, 3, 3))
    u = np.empty((n + 1, 8))
    for k in range(n + 1):
        ramp = min(1.0, k * dt / 0.2)
        u[k] = stand + ramp * np.tile([0.35, 0.3], 4) * np.sin(2 * np.pi * 2.5 * k * dt + phase)
        data.ctrl[:] = u[k]
        mujoco.mj_forward(model, data)
        mujoco.mj_rnePostConstraint(model, data)
        velocity, acceleration = np.empty(6), np.empty(6)
        mujoco.mj_objectVelocity(model, data, mujoco.mjtObj.mjOBJ_XBODY, torso, velocity, 1)
        mujoco.mj_objectAcceleration(model, data, mujoco.mjtObj.mjOBJ_XBODY, torso, acceleration, 1)
        q[k], v[k], gyro[k], force[k] = data.qpos[7:], data.qvel[6:], velocity[:3], acceleration[3:]
        mujoco.mj_step(model, data)
    joints = ", ".join(joint.name for joint in robot.joints[1:])
    measured = {
        f"robot.dofs_position[{joints}]": q,
        f"robot.dofs_velocity[{joints}]": v,
        "robot.gyro[torso]": gyro,
        "robot.accelerometer[torso]": force,
    }
    levels = dict(zip(measured, noise, strict=True))
    measured = {name: x + levels[name] * rng.standard_normal(x.shape) for name, x in measured.items()}
    log = gs.tools.Log(dt * np.arange(n + 1), measured, {"robot": u}, "actuators", noise=levels)
    return log, start


def quadruped(dt=0.004, seconds=1.0, noise=(1e-3, 1e-2, 1e-2, 0.1), seed=0, window=None, progress=False) -> None:
    rng = np.random.default_rng(seed)
    scene, robot = build_quadruped(dt)
    true = {"payload": 1.4, "friction": 0.35}
    log, start = record_quadruped(scene, robot, seconds, rng, noise, true)
    mass = float(robot.get_link("torso").get_mass())
    geoms = [geom.idx_local for geom in robot.geoms if geom.can_touch]
    friction = gs.tools.Parameter(
        "friction of the ground",
        lambda mu: robot.set_friction(mu.expand(len(geoms)), geoms),
        gs.parameters.positive([0.8]),
    )
    begin = time.perf_counter()
    result = gs.tools.identify(
        scene,
        log,
        ["robot.links_mass[torso]", friction],
        initial_state=start,
        initial_state_std=1e-3,
        window=window,
        callback=print if progress else None,
    )
    print(result)
    for name, value in (("robot.links_mass[torso]", true["payload"] * mass), (friction.name, true["friction"])):
        found = result[name]
        print(f"{name:28} true {value:.4f}, found {found.value:.4f}, error {100 * (found.value / value - 1):.2f} %")
    print(f"{time.perf_counter() - begin:.0f} s")


# -- coverage ---------------------------------------------------------------------------------------------------------

TWO_LINKS = """
<mujoco>
  <option timestep="0.005" integrator="implicitfast"/>
  <worldbody>
    <body name="upper">
      <joint name="shoulder" axis="0 1 0" damping="0.3"/>
      <geom name="upper" type="capsule" fromto="0 0 0 0.3 0 0" size="0.03" mass="1.0"/>
      <body name="fore" pos="0.3 0 0">
        <joint name="elbow" axis="0 1 0" damping="0.2"/>
        <geom name="fore" type="capsule" fromto="0 0 0 0.25 0 0" size="0.02" mass="0.6"/>
      </body>
    </body>
  </worldbody>
</mujoco>
"""


def coverage(repetitions=100, seconds=0.75, noise=(5e-4, 5e-3)) -> None:
    path = Path(tempfile.mkdtemp()) / "arm.xml"
    path.write_text(TWO_LINKS)
    scene = gs.Scene(
        gs.options.SimOptions(dt=0.005, requires_grad=True), gs.options.RigidOptions(enable_collision=False)
    )
    scene.add_entity(gs.morphs.MJCF(file=str(path)), name="arm")
    scene.build()
    truth = {
        "arm.links_mass[upper]": 1.3,
        "arm.links_mass[fore]": 0.48,
        "arm.dofs_damping[shoulder]": 0.5,
        "arm.dofs_damping[elbow]": 0.12,
    }
    model = copy.copy(scene.mj_model)
    model.body_mass[1:], model.dof_damping[:] = list(truth.values())[:2], list(truth.values())[2:]
    data = mujoco.MjData(model)
    mujoco.mj_setConst(model, data)
    data.qpos[:] = 0.5, -0.3
    n = round(seconds / 0.005)
    q, v, u = (np.empty((n + 1, 2)) for _ in range(3))
    for k in range(n + 1):
        q[k], v[k] = data.qpos, data.qvel
        u[k] = 3 * np.sin(4 * k * 0.005) + np.sin(9 * k * 0.005), 0.8 * np.sin(7 * k * 0.005)
        data.qfrc_applied[:] = u[k]
        mujoco.mj_step(model, data)
    rng = np.random.default_rng(0)
    for known in (True, False):
        inside, scaled = dict.fromkeys(truth, 0), []
        begin = time.perf_counter()
        for _ in range(repetitions):
            log = gs.tools.Log(
                0.005 * np.arange(n + 1),
                {
                    "arm.dofs_position": q + noise[0] * rng.standard_normal(q.shape),
                    "arm.dofs_velocity": v + noise[1] * rng.standard_normal(v.shape),
                },
                {"arm": u},
                noise={"arm.dofs_position": noise[0], "arm.dofs_velocity": noise[1]} if known else None,
            )
            result = gs.tools.identify(scene, log, ["arm.links_mass", "arm.dofs_damping"])
            for name, value in truth.items():
                low, high = result.interval(name)
                inside[name] += low <= value <= high
                scaled.append((result[name].value - value) / result[name].error)
        took = time.perf_counter() - begin
        spread = np.sqrt(0.95 * 0.05 / repetitions)
        print(
            f"noise {'given' if known else 'estimated'}, {repetitions} repetitions, {took:.0f} s; 95 % intervals cover"
        )
        for name, count in inside.items():
            print(f"  {name:28}{100 * count / repetitions:6.1f} % (95 +- {196 * spread:.1f} % expected)")
        print(f"  standard deviation of (found - true) / error: {np.std(scaled):.2f}, mean {np.mean(scaled):.2f}")


PROGRAMS = {"arm": arm, "box": box, "quadruped": quadruped, "coverage": coverage}


if __name__ == "__main__":
    gs.init(precision="64", logging_level="warning", seed=0)
    torch.set_num_threads(1)
    for name in sys.argv[1:] or PROGRAMS:
        print(f"\n== {name} ==")
        PROGRAMS[name]()
