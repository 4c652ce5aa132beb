"""Bodies from a millimetre to a metre in a fluid, each alone, at speeds from rest to 10 m/s: one step of all of them."""

import mujoco
import numpy as np
import torch

from tests.scenes import build

SCALES = (1e-3, 4e-3, 1.5e-2, 0.1, 1.0)  # [m]
SPEEDS = (0.0, 1e-6, 1e-3, 0.3, 10.0)  # [m/s], of one env each
SHAPES = (("ellipsoid", (1, 0.5, 0.05)), ("capsule", (0.2, 1)), ("cylinder", (1, 0.02)), ("box", (1, 0.4, 0.02)))
# As long as the slopes matter (implicit), or short enough that the four stages stay within what is possible.
TIMESTEP = {"Euler": 1e-2, "implicitfast": 1e-2, "implicit": 1e-2, "RK4": 1e-6}
ELLIPSOID = 'fluidshape="ellipsoid" fluidcoef=".6 .3 1.7 .8 1.2"'


def source(integrator, shape=ELLIPSOID):
    """Of a single body per scale and shape, with an arm on one of them: not every body is a free one."""
    bodies = []
    for scale in SCALES:
        for kind, sides in SHAPES:
            size = " ".join(f"{scale * side:.17g}" for side in sides)
            geom = f'<geom type="{kind}" size="{size}" density="700" {shape} euler="10 20 30"/>'
            bodies.append(f"<body><freejoint/>{geom}</body>")
        arm = f'<geom type="box" size="{scale} {0.3 * scale} {0.1 * scale}" pos="{scale} 0 0" density="700" {shape}/>'
        bodies.append(f'<body><joint axis="0 1 1"/>{arm}</body>')
    return f"""<mujoco><option timestep="{TIMESTEP[integrator]}" gravity="0 0 0" density="1000" viscosity="1e-4"/>
<default><geom contype="0" conaffinity="0"/></default><worldbody>{"".join(bodies)}</worldbody></mujoco>"""


def scales_of_dofs(m) -> np.ndarray:
    """Radius [m] of what each rotation turns, 1 for translations: a rotation times it is a speed."""
    per_scale = m.nv // len(SCALES)
    turns = np.array([3 <= d % 6 or d == per_scale - 1 for d in range(per_scale)])
    return np.concatenate([np.where(turns, scale, 1.0) for scale in SCALES])


def inputs_of(m, seed=0):
    rng = np.random.default_rng(seed)
    qpos = m.qpos0.copy()
    mujoco.mj_integratePos(m, qpos, rng.standard_normal(m.nv), 1.0)
    radius = scales_of_dofs(m)
    # slow turns: drag of a thin disk of a millimetre that turns at 10 m/s is beyond what MuJoCo takes for stable
    rate = np.where(radius < 1.0, 0.1, 1.0) / radius
    velocity = rng.uniform(0.3, 1.0, m.nv) * rng.choice([-1, 1], m.nv) * rate
    return torch.tensor(np.tile(qpos, (len(SPEEDS), 1))), torch.tensor(np.outer(SPEEDS, velocity))


def expected_changes(m, qpos, velocity) -> np.ndarray:
    """Of each dof's velocity in one step of MuJoCo, a row per env."""
    rows = []
    for q, v in zip(qpos, velocity, strict=True):
        data = mujoco.MjData(m)
        data.qpos[:], data.qvel[:] = q, v
        mujoco.mj_step(m, data)
        assert not any(data.warning[i].number for i in range(len(data.warning)))
        rows.append(data.qvel - v.numpy())
    return np.array(rows)


def sizes_of(changes, m) -> np.ndarray:
    """Of the change of each body in each env, in each dof's unit: the largest of its dofs, rotations times a radius."""
    radius = scales_of_dofs(m)
    sizes = np.empty_like(changes)
    for b in range(1, m.nbody):
        dofs = slice(m.body_dofadr[b], m.body_dofadr[b] + m.body_dofnum[b])
        sizes[:, dofs] = (abs(changes[:, dofs]) * radius[dofs]).max(1, keepdims=True) / radius[dofs]
    return sizes


def made(integrator, shape=ELLIPSOID, **options):
    return build(source(integrator, shape), integrator=integrator, n_envs=len(SPEEDS), gravity=(0, 0, 0), **options)


def rounding(velocity, epsilon) -> np.ndarray:
    """Of the difference of two velocities that may be close to each other."""
    return 4 * epsilon * abs(velocity.numpy())


def changes(scene, robot, qpos, velocity) -> torch.Tensor:
    """Of each dof's velocity in one step, a row per env."""
    robot.set_qpos(qpos)
    robot.set_dofs_velocity(velocity)
    scene.step()
    return robot.get_dofs_velocity().sceneless() - velocity
