"""500 random poses of each pair of shapes against MuJoCo: contacts, constraint forces and accelerations, 64 bits."""

import mujoco
import numpy as np
import pytest
import torch

from tests.contacts import PAIRS, model_of, random_states
from tests.rigid.engine import Engine

STATES = 500
TOLERANCE = 1e-8


def rows_of(engine: Engine, y, D, friction, force, dim: int) -> np.ndarray:
    """MuJoCo's efc_force of a contact: of the pyramid's edges, or in the contact's frame."""
    if engine.model.elliptic or dim == 1:
        return force[:dim]
    edges = [y[0] + sign * friction[r - 1] * y[r] for r in range(1, dim) for sign in (1, -1)]
    return D[0] * np.maximum(0.0, -np.array(edges))


@pytest.mark.parametrize("cone", ["pyramidal", "elliptic"])
@pytest.mark.parametrize("pair", PAIRS, ids="-".join)
@pytest.mark.parametrize("margin", [0.0, 0.01])
def test_contacts_and_forces_equal_mujoco(pair, cone, margin):
    rng = np.random.default_rng(PAIRS.index(pair))
    condim = (1, 3, 4, 6)[(PAIRS.index(pair) + (cone == "elliptic")) % 4]
    m = model_of(*pair, cone=cone, condim=condim, options='impratio="1.7"')
    if margin:
        m.geom_margin[:] = margin
        m.geom_gap[:] = 0.3 * margin
    states = random_states(m, STATES, rng)
    engine = Engine(m, n_worlds=STATES)
    names = ("con_dist", "con_pos", "con_frame", "con_y", "con_D", "con_friction", "con_force", "con_dim", "ncon")
    qacc, *values = engine.fields(("qacc", *names), torch.tensor(states), engine.command())
    dist, pos, frame, y, D, friction, force, dims, ncon = (value.numpy() for value in values)
    kept = ncon[:, 1]
    data = mujoco.MjData(m)
    total = 0
    for w in range(STATES):
        data.qpos[:], data.qvel[:] = states[w, : m.nq], states[w, m.nq :]
        mujoco.mj_forward(m, data)
        scale = 1 + np.abs(data.qacc).max()
        assert np.abs(qacc[w].numpy() - data.qacc).max() < TOLERANCE * scale
        assert kept[w] == data.ncon
        for c in range(data.ncon):
            contact = data.contact[c]
            assert abs(dist[w, c] - contact.dist) < TOLERANCE
            assert np.abs(pos[w, c] - contact.pos).max() < TOLERANCE
            assert np.abs(frame[w, c] - contact.frame).max() < TOLERANCE
            assert dims[w, c] == (contact.dim if contact.efc_address >= 0 else 0)
            if contact.efc_address >= 0:
                rows = rows_of(engine, y[w, c], D[w, c], friction[w, c], force[w, c], contact.dim)
                expected = data.efc_force[contact.efc_address :][: len(rows)]
                # relative to the contact's force, hundreds of newtons
                assert np.abs(rows - expected).max() < TOLERANCE * (1 + np.abs(expected).max())
                total += 1
    assert total > STATES / 2
