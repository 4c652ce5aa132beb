# mypy: ignore-errors
"""Genesis (the package genesis-world) on a scene of the benchmark: a loop of steps under forces. Stands alone.

    python genesis_program.py JOB.json SECONDS_AT_START

Its gradients need its own integrator and the pyramidal cone, and reach forces; the rest of the scene is the same.
"""

import json
import statistics
import sys
import time


def build(gs, job, n_envs):
    import numpy as np
    import torch

    scene = gs.Scene(
        sim_options=gs.options.SimOptions(dt=job["dt"], requires_grad=True),
        rigid_options=gs.options.RigidOptions(
            enable_collision=job["contact"],
            enable_joint_limit=job["contact"],
            disable_constraint=not job["contact"],
            integrator=gs.integrator.approximate_implicitfast,
        ),
        show_viewer=False,
    )
    file = job["file"] or job["mjcf"]
    # None: no armature beyond the file's own.
    if file.endswith(".urdf"):
        morph = gs.morphs.URDF(file=file, fixed=job["fixed"], default_armature=None)
    else:
        morph = gs.morphs.MJCF(file=file, default_armature=None)
    robot = scene.add_entity(morph)
    scene.build(n_envs=0 if n_envs == 1 else n_envs)
    start = torch.as_tensor(np.load(job["arrays"])["start"], dtype=gs.tc_float, device=gs.device)
    return scene, robot, start


def one_pass(gs, scene, robot, job, start, forces):
    """Seconds forward and backward, and the gradient."""
    nq, nv = job["nq"], job["nv"]
    scene.reset()
    qpos, velocity = start[:nq], start[nq : nq + nv]
    if forces.ndim == 3:
        qpos, velocity = (x.expand(forces.shape[1], -1).contiguous() for x in (qpos, velocity))
    robot.set_qpos(qpos)
    robot.set_dofs_velocity(velocity)
    steps = [force.clone().requires_grad_() for force in forces]
    begin = time.perf_counter()
    for force in steps:
        robot.control_dofs_force(force)
        scene.step()
    end = time.perf_counter()
    state = next(one for one in scene.get_state().solvers_state if hasattr(one, "qpos"))
    loss = state.qpos.square().sum() + state.dofs_vel.square().sum()
    half = time.perf_counter()
    loss.backward()
    return end - begin, time.perf_counter() - half, steps[0].grad


def main(job, started):
    import numpy as np
    import torch

    import genesis as gs

    gs.init(backend=gs.cpu, precision=job["precision"], logging_level="error")
    figures = {"versions": {"genesis-world": gs.__version__, "torch": torch.__version__}, "rollout": {}}
    for case in job["cases"]:
        n_envs, n_steps = case["n_envs"], case["n_steps"]
        scene, robot, start = build(gs, job, n_envs)
        forces = np.swapaxes(np.load(job["arrays"])[f"forces_{n_envs}"], 0, 1).copy()
        forces = torch.as_tensor(forces[:, 0] if n_envs == 1 else forces, dtype=gs.tc_float, device=gs.device)
        _, _, grad = one_pass(gs, scene, robot, job, start, forces)
        figures.setdefault("first_gradient_s", time.time() - started)
        runs = [one_pass(gs, scene, robot, job, start, forces)[:2] for _ in range(job["repetitions"])]
        each = 1e6 / (n_envs * n_steps)
        figures["rollout"][str(n_envs)] = {
            "steps": n_steps,
            "forward_us": each * statistics.median(run[0] for run in runs),
            "backward_us": each * statistics.median(run[1] for run in runs),
            "gradient_is_finite": grad is not None and bool(torch.isfinite(grad).all()),
        }
        print(json.dumps(figures), flush=True)


if __name__ == "__main__":
    with open(sys.argv[1]) as file:
        main(json.load(file), float(sys.argv[2]))
