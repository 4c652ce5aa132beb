"""Run as a program: gradients of every output by every input on some robots, in the precision of argv[1].

Writes them to the file argv[2] (npz). Compared across precisions by test_precision.py.
"""

import sys
from pathlib import Path

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import genesis as gs

STEPS = 20


def gradients(precision: str) -> dict[str, np.ndarray]:
    gs.init(backend=gs.cpu, precision=precision, seed=0, logging_level="warning")
    from tests import models
    from tests.gradients import Program
    from tests.scenes import PANDA, build, random_qpos

    robots = {
        "arm with hand": PANDA,
        "tumbling body": models.TUMBLING_BODY,
        "ball chain": models.BALL_CHAIN,
        "actuators": models.ACTUATORS,
        "humanoid": models.gymnasium_asset("humanoid.xml"),
    }
    result = {}
    for name, source in robots.items():
        scene, robot = build(source)
        rng = np.random.default_rng(len(name))
        qpos, qvel = random_qpos(scene.mj_model, rng, 0.5), 0.5 * rng.standard_normal(robot.n_dofs)
        program = Program(scene, robot, STEPS, len(name), qpos=qpos, qvel=qvel)
        leaves = {k: v.double().clone().requires_grad_() for k, v in program.inputs.items()}
        generator = torch.Generator().manual_seed(0)
        for output, value in program.run(leaves).items():
            weight = torch.randn(value.shape, generator=generator, dtype=torch.float64)
            grads = torch.autograd.grad(
                (value * weight).sum(), list(leaves.values()), retain_graph=True, allow_unused=True
            )
            for source_name, leaf, grad in zip(leaves, leaves.values(), grads, strict=True):
                grad = torch.zeros_like(leaf) if grad is None else grad
                result[f"{name} | d {output} / d {source_name}"] = grad.double().numpy()
    return result


if __name__ == "__main__":
    np.savez(sys.argv[2], **gradients(sys.argv[1]))
