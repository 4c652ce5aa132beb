"""A two-link arm and logs of it that MuJoCo C made with other parameters."""

import copy
import tempfile
from pathlib import Path

import mujoco
import numpy as np

import genesis as gs

DT = 0.005
MODEL = """
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
TRUE_MASS, TRUE_DAMPING = (1.3, 0.48), (0.5, 0.12)


def build(requires_grad: bool = True, n_envs: int = 0, name: str = "arm"):
    """(scene, arm)."""
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "arm.xml"
        path.write_text(MODEL)
        scene = gs.Scene(
            gs.options.SimOptions(dt=DT, requires_grad=requires_grad), gs.options.RigidOptions(enable_collision=False)
        )
        arm = scene.add_entity(gs.morphs.MJCF(file=str(path)), name=name)
        scene.build(n_envs=n_envs)
    return scene, arm


def record(scene, seconds: float = 1.0, noise=(1e-4, 1e-3), seed: int = 0, solid: bool = False):
    """times (K,), positions and velocities with noise, forces, (K, 2) each, of the arm with the true parameters.

    `solid`: the inertias are in proportion to the masses, else those of the model.
    """
    rng = np.random.default_rng(seed)
    model = copy.copy(scene.mj_model)
    if solid:
        model.body_inertia[1:] *= (np.array(TRUE_MASS) / model.body_mass[1:])[:, None]
    model.body_mass[1:], model.dof_damping[:] = TRUE_MASS, TRUE_DAMPING
    data = mujoco.MjData(model)
    mujoco.mj_setConst(model, data)
    motion = np.random.default_rng(1)
    frequency, phase = motion.uniform(2, 9, (2, 3)), motion.uniform(0, 6, (2, 3))
    amplitude = np.array([[3.0], [0.8]]) * motion.uniform(0.5, 1.0, (2, 3))
    data.qpos[:] = 0.5, -0.3
    n = round(seconds / DT)
    q, v, u = (np.empty((n + 1, 2)) for _ in range(3))
    for k in range(n + 1):
        q[k], v[k] = data.qpos, data.qvel
        u[k] = (amplitude * np.sin(frequency * k * DT + phase)).sum(1)
        data.qfrc_applied[:] = u[k]
        mujoco.mj_step(model, data)
    return (
        DT * np.arange(n + 1),
        q + noise[0] * rng.standard_normal(q.shape),
        v + noise[1] * rng.standard_normal(v.shape),
        u,
    )


def log(scene, with_noise_level: bool = True, **kwargs):
    """A Log of `record`."""
    noise = kwargs.get("noise", (1e-4, 1e-3))
    times, q, v, u = record(scene, **kwargs)
    levels = {"arm.dofs_position": noise[0], "arm.dofs_velocity": noise[1]} if with_noise_level else None
    return gs.tools.Log(times, {"arm.dofs_position": q, "arm.dofs_velocity": v}, {"arm": u}, noise=levels)
