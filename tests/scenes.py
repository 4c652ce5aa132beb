"""Scenes on one robot, built from MJCF text or a file, for tests through the public API."""

import tempfile
from pathlib import Path

import mujoco
import numpy as np
import torch

import genesis as gs

PANDA = str(Path(__file__).parent.parent / "examples" / "assets" / "panda.urdf")

INTEGRATORS = {
    "Euler": gs.integrator.Euler,
    "implicitfast": gs.integrator.implicitfast,
    "RK4": gs.integrator.RK4,
    "implicit": gs.integrator.implicit,
}


def build(
    source: str,
    *,
    n_envs: int = 0,
    integrator: str | None = None,
    requires_grad: bool = True,
    constraints: bool = False,
    rigid_options: dict | None = None,
    **sim_options,
):
    """(scene, entity): the robot of ``source`` (MJCF text, or a URDF or MJCF file), alone in a scene.

    Without ``constraints`` there are neither contacts nor limits nor friction loss: smooth dynamics only. The time step is the file's own unless ``dt`` is given.
    """
    path = source
    if "<" in source:
        with tempfile.NamedTemporaryFile("w", suffix=".xml", delete=False) as file:
            file.write(source)
        path = file.name
    if path.endswith(".urdf"):
        morph = gs.morphs.URDF(file=path, fixed=True)
        sim_options.setdefault("dt", 0.005)
    else:
        morph = gs.morphs.MJCF(file=path)
        sim_options.setdefault("dt", float(mujoco.MjSpec.from_file(path).option.timestep))
    scene = gs.Scene(
        sim_options=gs.options.SimOptions(requires_grad=requires_grad, **sim_options),
        rigid_options=gs.options.RigidOptions(
            integrator=INTEGRATORS.get(integrator), disable_constraint=not constraints, **(rigid_options or {})
        ),
    )
    robot = scene.add_entity(morph)
    scene.build(n_envs=n_envs)
    if "<" in source:
        Path(path).unlink()
    return scene, robot


def random_qpos(mj_model: mujoco.MjModel, rng: np.random.Generator, scale: float = 1.0) -> np.ndarray:
    qpos = mj_model.qpos0.copy()
    mujoco.mj_integratePos(mj_model, qpos, scale * rng.standard_normal(mj_model.nv), 1.0)
    return qpos


def put(scene, robot, qpos, qvel) -> None:
    robot.set_qpos(torch.as_tensor(qpos))
    robot.set_dofs_velocity(torch.as_tensor(qvel))
