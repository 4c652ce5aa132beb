"""One step from random states of each pair of shapes in contact: gradients against central differences, 64 bits.

1000 states of each pair with ``--thorough``, else 100.

A state counts as a miss when a contact, a feature of one, or the branch of a force law changes within the difference:
there the difference does not approximate the derivative on either side. Every miss must be of that kind.
"""

import numpy as np
import pytest
import torch

from tests.contacts import CONVEX_PAIRS, PAIRS, model_of, random_states
from tests.differences import directional_derivative
from tests.rigid.engine import Engine

STATES, MANY_STATES = 100, 1000
TOLERANCE = 1e-5
STEP = 1e-4
FLOOR = 1e-8  # of the output: what the solver leaves (1e-13) over the smallest difference, extrapolated
LEVELS = 7
FEATURES = 14
EVERY = PAIRS + CONVEX_PAIRS
CONES = ("pyramidal", "elliptic")
# Those that share one algorithm take turns with the cones.
CASES = [(pair, cone) for pair in PAIRS for cone in CONES]
CASES += [(pair, CONES[k % 2]) for k, pair in enumerate(CONVEX_PAIRS)]
# Parameters that a contact of free bodies depends on.
PARAMETERS = (
    *("body_mass", "body_ipos", "body_inertia", "gravity"),
    *("geom_pos", "geom_quat", "geom_size", "geom_friction", "geom_solref", "geom_solimp"),
)


def branches(engine: Engine, state, command, theta) -> np.ndarray:
    """What is decided at a state, per env: contacts, features, and on which side of each force law they are."""
    names = ("ncon", "con_pair", "con_dim", "con_feature", "con_force", "con_y", "con_friction")
    values = engine.fields(names, state, command, theta)
    ncon, con_pair, con_dim, con_feature, forces, y, mu = (value.numpy() for value in values)
    kept = np.arange(engine.model.nconmax)[None] < ncon[:, 1:]
    zones = [forces[..., 0] > 0]
    for r in range(1, y.shape[2]):
        for sign in (-1, 1):
            zones.append(y[..., 0] + sign * mu[..., r - 1] * y[..., r] < 0)
    if engine.model.elliptic:
        tangent = np.linalg.norm(mu[..., : y.shape[2] - 1] * y[..., 1:], axis=-1)
        zones = [y[..., 0] * mu[..., 0] < mu[..., 0] * tangent, mu[..., 0] ** 2 * y[..., 0] + tangent <= 0]
    columns = [np.where(kept, con_pair, -1), np.where(kept, con_dim, -1)]
    # of general convex shapes, numbers follow the integers that tell a contact's features
    columns += [np.where(kept, con_feature[..., k], -1) for k in range(min(con_feature.shape[2], FEATURES))]
    columns += [np.where(kept, zone, -1) for zone in zones]
    return np.concatenate(columns, axis=1)


def directions(engine: Engine, rng: np.random.Generator) -> dict[str, torch.Tensor]:
    m, n = engine.model, engine.n_worlds
    result = {"state": torch.tensor(0.1 * rng.standard_normal((n, m.nq + m.nv)))}
    result["force"] = torch.tensor(rng.standard_normal((n, m.nv)))
    for name in PARAMETERS:
        field = m.theta_fields[name]
        if field.size == 0:
            continue
        column = torch.zeros((n, m.ntheta), dtype=torch.float64)
        size = 0.1 * np.maximum(np.abs(field.default.ravel()), 0.0 if name in ("geom_size", "body_inertia") else 0.01)
        column[:, field.offset : field.offset + field.size] = torch.tensor(
            size * rng.standard_normal((n, field.size)).clip(-2, 2)
        )
        result[name] = column
    return result


@pytest.mark.parametrize(("pair", "cone"), CASES, ids=lambda x: x if isinstance(x, str) else "-".join(x))
def test_gradient_of_one_step(pair, cone, thorough):
    count = MANY_STATES if thorough else STATES
    rng = np.random.default_rng(EVERY.index(pair))
    # torsion and rolling (condim 6) with one cone, sliding friction alone with the other, and both over the pairs
    condim = 6 if (EVERY.index(pair) + (cone == "elliptic")) % 2 else 3
    m = model_of(*pair, cone=cone, condim=condim)
    engine = Engine(m, n_worlds=count)
    states = torch.tensor(random_states(m, count, rng))
    theta = engine.theta.repeat(count, 1)
    force = torch.tensor(0.2 * rng.standard_normal((count, m.nv)))
    weights = torch.tensor(rng.standard_normal(states.shape))

    leaves = [x.clone().requires_grad_() for x in (states, theta, force)]
    new = engine.step(leaves[0], engine.command(dof_force=leaves[2]), leaves[1], record=True)
    grads = dict(zip(("state", "theta", "force"), torch.autograd.grad((new * weights).sum(), leaves), strict=True))
    assert all(torch.isfinite(grad).all() for grad in grads.values())

    missed = np.zeros(count, dtype=bool)
    for name, direction in directions(engine, rng).items():
        kind = name if name in grads else "theta"
        exact = (grads[kind] * direction).sum(1).numpy()
        size = torch.linalg.vector_norm(grads[kind] * direction, dim=1).numpy()
        changed = np.zeros(count, dtype=bool)
        decisions: list[np.ndarray] = []  # at the state itself first

        def along(t, kind=kind, direction=direction, changed=changed, decisions=decisions):
            moved = {"state": states, "theta": theta, "force": force}
            moved[kind] = moved[kind] + t * direction
            command = engine.command(dof_force=moved["force"])
            with torch.no_grad():
                result = engine.step(moved["state"], command, moved["theta"])
            decisions.append(branches(engine, moved["state"], command, moved["theta"]))
            changed |= (decisions[-1] != decisions[0]).any(1)
            return (result * weights).sum(1).numpy()

        value = along(0.0)
        numeric, _ = directional_derivative(along, STEP, levels=LEVELS)
        floor = FLOOR * (1 + np.abs(value))
        wrong = np.abs(numeric - exact) > TOLERANCE * np.maximum(np.abs(numeric), size) + floor
        unexplained = np.flatnonzero(wrong & ~changed)
        assert not len(unexplained), (
            f"{name}: {len(unexplained)} states, the first {unexplained[:5]}: exact {exact[unexplained[:5]]}, "
            f"differences {numeric[unexplained[:5]]}"
        )
        missed |= wrong
    assert missed.mean() <= 0.01, f"{missed.mean():.1%} of the states are at a switch"
