"""What tests of contacts of convex shapes share: shapes, contacts beside MuJoCo's, and the adjoint beside differences."""

from collections import Counter
from collections.abc import Iterable

import mujoco
import numpy as np
import torch

from tests.rigid.engine import Engine

SHAPES = {
    "sphere": 'type="sphere" size=".1"',
    "capsule": 'type="capsule" size=".06 .12"',
    "ellipsoid": 'type="ellipsoid" size=".1 .07 .14"',
    "cylinder": 'type="cylinder" size=".09 .11"',
    "box": 'type="box" size=".1 .08 .12"',
    "hull": 'type="mesh" mesh="hull"',  # climbed
    "wedge": 'type="mesh" mesh="wedge"',  # few vertices, looked at whole
}
PLACE = 5e-5  # MuJoCo finds where a curved shape touches to about the root of its tolerance
STEP, GRADIENT = 1e-6, 1e-5
NAMES = ("con_dist", "con_pos", "con_frame")
INTEGERS = 14  # of a contact's features; numbers follow


def _hull() -> str:
    rng = np.random.default_rng(5)
    points = rng.standard_normal((40, 3))
    points *= np.array([0.1, 0.12, 0.08]) / np.linalg.norm(points, axis=1)[:, None]
    return " ".join(f"{x:.6f}" for x in points.ravel())


MESHES = f'''<mesh name="hull" vertex="{_hull()}"/>
    <mesh name="wedge" vertex="0 0 0 .2 0 0 0 .2 0 0 0 .2 .15 .15 .1"/>'''


def contacts_of(engine: Engine, data: mujoco.MjData) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """dist (c,), pos (c, 3), frame (c, 9)."""
    count, dist, pos, frame = engine.fields(("ncon", *NAMES), engine.state_of(data), engine.command())
    c = int(count[0, 1])
    return dist.numpy()[0, :c], pos.numpy()[0, :c], frame.numpy()[0, :c].reshape(c, 9)


def mujocos_contacts(data: mujoco.MjData) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The same of MuJoCo."""
    c = data.contact
    return np.array(c.dist), np.array(c.pos).reshape(-1, 3), np.array(c.frame).reshape(-1, 9)


def beside_differences(m: mujoco.MjModel, poses: Iterable[mujoco.MjData]) -> Counter:
    """Compare the adjoint with differences in these poses, and say how often it could be: ``smooth`` of ``state`` and of
    ``parameters``.

    Of a sum of distances, positions and frames with random weights, by poses of bodies and of geoms, and by sizes, of a
    mesh or height field by its scale. A contact's weight depends on its position, not on its place in the list, which
    rounding may change. Differences of two widths that are not the same say nothing, nor do those over another number of
    contacts.
    """
    engine, rng, seen = Engine(m), np.random.default_rng(1), Counter[tuple[str, str]]()
    command, theta = engine.command(), engine.theta.clone()
    for data in poses:
        state = engine.state_of(data)
        count, features = engine.fields(("ncon", "con_feature"), state, command)
        c = int(count[0, 1])
        if not c:
            continue
        weights = [torch.tensor(rng.standard_normal(size)) for size in ((1,), (3,), (9,))]
        along = torch.tensor(10 * rng.standard_normal(3))

        def total(fields, weights=weights, along=along, c=c):
            dist, pos, frame = (x[0, :c].reshape(c, -1) for x in fields)
            parts = (w * x for w, x in zip(weights, (dist, pos, frame), strict=True))
            return sum((part * (1 + pos @ along)[:, None]).sum() for part in parts)

        def value(state, theta, c=c, total=total):
            found = engine.fields(("ncon", *NAMES), state, command, theta)
            return float(total(found[1:])) if int(found[0][0, 1]) == c else None

        inputs = state.clone().requires_grad_(), theta.clone().requires_grad_()
        loss = total(engine.observe(NAMES, inputs[0], command, inputs[1], True))
        by_state, by_theta = torch.autograd.grad(loss, inputs)
        along_state, along_theta = torch.zeros_like(state), torch.zeros_like(theta)
        along_state[0, : m.nq] = torch.tensor(rng.standard_normal(m.nq))
        for name in ("geom_pos", "geom_quat", "geom_size"):
            field = engine.model.theta_fields[name]
            along_theta[0, field.offset : field.offset + field.size] = 0.1 * torch.tensor(
                rng.standard_normal(field.size)
            )
        for label, direction, gradient in (
            ("state", (along_state, 0 * along_theta), (by_state * along_state).sum()),
            ("parameters", (0 * along_state, along_theta), (by_theta * along_theta).sum()),
        ):
            steps = (STEP, -STEP, STEP / 4, -STEP / 4)
            values = [value(state + step * direction[0], theta + step * direction[1]) for step in steps]
            if None in values:
                seen[label, "other contacts"] += 1
                continue
            wide, narrow = (values[0] - values[1]) / (2 * STEP), (values[2] - values[3]) / (STEP / 2)
            if abs(wide - narrow) > GRADIENT / 2 * (1 + abs(narrow)):
                seen[label, "a kink"] += 1
                continue
            assert abs(float(gradient) - narrow) < GRADIENT * (1 + abs(narrow)), (label, features[0, :c, :INTEGERS])
            seen[label, "smooth"] += 1
    return seen
