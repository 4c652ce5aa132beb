"""Run as a program: the scenes of shape_scenes.py in the precision of argv[1], to the file argv[2] (npz); compared by
test_shape_precision.py. Single steps start from MuJoCo's states, rounded to 32 bits, each with its gradient; rollouts
from the last of them."""

import sys
from pathlib import Path

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import genesis as gs

STEPS, ROLLOUT = 100, 50


def run() -> dict[str, np.ndarray]:
    from tests.rigid.engine import Engine  # names kernels: after gs.init
    from tests.shape_scenes import SCENES

    result = {}
    for name, make in SCENES.items():
        scene = make()
        m = scene.model
        states, forces = scene.run(2 * STEPS)
        starts, forces = (x.astype(np.float32) for x in (states[:-1:2], forces[::2]))
        rng = np.random.default_rng(0)
        weights = torch.tensor(rng.standard_normal(m.nq + m.nv), dtype=gs.tc_float)
        engine = Engine(m, n_worlds=STEPS)
        theta = engine.theta.to(gs.tc_float)
        inputs = [torch.tensor(x, dtype=gs.tc_float, requires_grad=True) for x in (starts, forces)]
        new = engine.step(inputs[0], engine.command(dof_force=inputs[1]), theta, record=True)
        gradients = torch.autograd.grad((new @ weights).sum(), inputs)
        result[f"{name} step"] = (new.detach().double().numpy()[:, m.nq :] - starts[:, m.nq :]) / m.opt.timestep
        result[f"{name} gradient"] = torch.cat(gradients, 1).double().numpy()
        count, pairs, features = engine.fields(
            ("ncon", "con_pair", "con_feature"), inputs[0].detach(), engine.command(dof_force=inputs[1].detach()), theta
        )
        listed = torch.arange(pairs.shape[1]) < count[:, 1:]
        result[f"{name} contacts"] = torch.where(listed, pairs, -1).numpy()
        # integers among the features; numbers follow
        result[f"{name} features"] = torch.where(listed[..., None], features[..., :14], -1).flatten(1).numpy()

        one, state = Engine(m), torch.tensor(states[-1:], dtype=gs.tc_float, requires_grad=True)
        last = state
        for _ in range(ROLLOUT):
            last = one.step(
                last, one.command(dof_force=torch.tensor(forces[-1:], dtype=gs.tc_float)), theta, record=True
            )
        (gradient,) = torch.autograd.grad((last @ weights).sum(), state)
        result[f"{name} rollout"] = torch.cat([last.detach(), gradient]).double().numpy()
    return result


if __name__ == "__main__":
    gs.init(backend=gs.cpu, precision=sys.argv[1], seed=0, logging_level="warning")
    np.savez(sys.argv[2], **run())
