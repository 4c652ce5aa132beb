"""Forces and accelerations of each kind of constraint row against MuJoCo's, at random states."""

import mujoco
import numpy as np
import pytest
import torch

from genesis.rigid.kernels.constraint.kinds import KINDS
from tests import constraint_models
from tests.rigid.engine import Engine, compile_model

STATES = 500
# Of the largest of its kind. Both sides stop at the rounding of the forces, of which the stiffest row has 1e8 times as
# much as the acceleration.
TOLERANCE = 1e-8

FRICTION_DOF = int(mujoco.mjtConstraint.mjCNSTR_FRICTION_DOF)
FRICTION_TENDON = int(mujoco.mjtConstraint.mjCNSTR_FRICTION_TENDON)
# MuJoCo's type of the rows of each kind.
_TYPES = {
    "made_weld": "EQUALITY",
    "body_equality": "EQUALITY",
    "joint_equality": "EQUALITY",
    "tendon_equality": "EQUALITY",
    "friction_loss": "FRICTION_DOF",
    "tendon_friction": "FRICTION_TENDON",
    "joint_limit": "LIMIT_JOINT",
    "tendon_limit": "LIMIT_TENDON",
}


def row_names(model) -> list[tuple[int, int]]:
    """Of each row of the table MuJoCo's (efc_type, efc_id)."""
    kinds = [kind.name for kind in KINDS for _ in range(model.rows.count[kind.name])]
    types = [int(getattr(mujoco.mjtConstraint, f"mjCNSTR_{_TYPES[kind]}")) for kind in kinds]
    return list(zip(types, (owner[2] for owner in model.rows.owners), strict=True))


def in_order(names, values):
    """Values by name; rows of one name stay in their order."""
    order = sorted(range(len(names)), key=lambda k: names[k])
    return [names[k] for k in order], np.array([values[k] for k in order])


@pytest.mark.parametrize("busy", [False, True], ids=["alone", "with contacts and limits"])
@pytest.mark.parametrize("cone", ["pyramidal", "elliptic"])
@pytest.mark.parametrize("kind", constraint_models.KINDS)
def test_forces_and_accelerations_equal_mujoco(kind, cone, busy):
    mj_model = compile_model(constraint_models.model(kind, busy, cone), constraints=True)
    engine = Engine(mj_model, n_worlds=STATES)
    rng = np.random.default_rng(1)
    data = mujoco.MjData(mj_model)
    states, datas = [], []
    for _ in range(STATES):
        data = engine.random_data(rng, 0.3)
        mujoco.mj_forward(mj_model, data)
        states.append(engine.state_of(data)[0])
        datas.append(data)
    names = ("efc_force", "efc_active", "qacc", "ncon")
    forces, active, qacc, ncon = engine.fields(names, torch.stack(states), engine.command())
    rows = row_names(engine.model)
    seen, contacts = set(), 0
    for w, data in enumerate(datas):
        scale = 1 + np.abs(data.qacc).max()
        np.testing.assert_allclose(qacc[w].numpy(), data.qacc, rtol=0, atol=TOLERANCE * scale)
        chosen = np.flatnonzero(active[w].numpy())
        ours = in_order([rows[r] for r in chosen], [float(forces[w, r]) for r in chosen])
        plain = [
            i for i in range(data.nefc) if data.efc_type[i] < int(mujoco.mjtConstraint.mjCNSTR_CONTACT_FRICTIONLESS)
        ]
        theirs = in_order(
            [(int(data.efc_type[i]), int(data.efc_id[i])) for i in plain], [data.efc_force[i] for i in plain]
        )
        assert ours[0] == theirs[0]
        np.testing.assert_allclose(ours[1], theirs[1], rtol=0, atol=TOLERANCE * (1 + np.abs(theirs[1]).max(initial=0)))
        seen |= set(theirs[0])
        contacts += int(ncon[w, 1] > 0)
    if busy:
        assert contacts > STATES / 10
    lossless = {
        number
        for number, loss in ((FRICTION_DOF, mj_model.dof_frictionloss), (FRICTION_TENDON, mj_model.tendon_frictionloss))
        if not loss.any()
    }
    assert {name[0] for name in seen} == {name[0] for name in rows} - lossless
