# mypy: ignore-errors
"""MuJoCo MJX on a scene of the benchmark: a jitted scan of steps and its gradient. Stands alone.

python mjx_program.py JOB.json SECONDS_AT_START
"""

import json
import statistics
import sys
import time
from importlib.metadata import version

# Of the constraint solver. Reverse mode needs a loop of known length, and MJX has that only with one iteration.
ITERATIONS = 1
LS_ITERATIONS = 4


def main(job, started):
    import jax

    if job["precision"] == "64":
        jax.config.update("jax_enable_x64", True)
    import jax.numpy as jnp
    import mujoco
    import numpy as np
    from mujoco import mjx

    model = mujoco.MjModel.from_xml_path(job["mjcf"])
    model.opt.iterations, model.opt.ls_iterations = ITERATIONS, LS_ITERATIONS
    arrays = np.load(job["arrays"])
    device_model = mjx.put_model(model)
    data = mjx.make_data(model)
    start = jnp.asarray(arrays["start"])
    nq, nv = job["nq"], job["nv"]
    data = data.replace(qpos=start[:nq], qvel=start[nq : nq + nv])

    def final(forces):
        def step(data, force):
            return mjx.step(device_model, data.replace(qfrc_applied=force)), None

        end, _ = jax.lax.scan(step, data, forces)
        return end.qpos, end.qvel

    def loss(forces):
        qpos, qvel = jax.vmap(final)(forces)
        return jnp.sum(qpos**2) + jnp.sum(qvel**2)

    forward, gradient = jax.jit(loss), jax.jit(jax.grad(loss))
    figures = {
        "versions": {"mujoco-mjx": version("mujoco-mjx"), "mujoco": mujoco.__version__, "jax": jax.__version__},
        "rollout": {},
    }
    for case in job["cases"]:
        n_envs, n_steps = case["n_envs"], case["n_steps"]
        forces = jnp.asarray(arrays[f"forces_{n_envs}"])
        grad = np.asarray(gradient(forces))
        figures.setdefault("first_gradient_s", time.time() - started)
        forward(forces).block_until_ready()
        forwards, totals = [], []
        for _ in range(job["repetitions"]):
            begin = time.perf_counter()
            forward(forces).block_until_ready()
            forwards.append(time.perf_counter() - begin)
            # The gradient runs its own forward pass.
            begin = time.perf_counter()
            gradient(forces).block_until_ready()
            totals.append(time.perf_counter() - begin)
        each = 1e6 / (n_envs * n_steps)
        figures["rollout"][str(n_envs)] = {
            "steps": n_steps,
            "forward_us": each * statistics.median(forwards),
            "backward_us": each * statistics.median(b - f for f, b in zip(forwards, totals, strict=True)),
            "gradient_is_finite": bool(np.isfinite(grad).all()),
        }
        print(json.dumps(figures), flush=True)


if __name__ == "__main__":
    with open(sys.argv[1]) as file:
        main(json.load(file), float(sys.argv[2]))
