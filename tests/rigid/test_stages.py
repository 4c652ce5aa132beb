"""Each stage on its own against MuJoCo on the same state, every output poisoned first."""

import math

import mujoco
import numpy as np
import pytest

from genesis.model.rows import LIMIT
from genesis.rigid import step
from genesis.rigid.constraint.kinds import KINDS, OUTPUTS
from tests import models
from tests.rigid.engine import Engine, compile_model

# Both sides round differently; quantities are of order one to a hundred.
STAGE_TOLERANCE = 1e-11

MODELS = {
    "tumbling body": models.TUMBLING_BODY,
    "ball chain": models.BALL_CHAIN,
    "planar base": models.PLANAR_BASE,
    "actuators": models.ACTUATORS,
    "ant": models.gymnasium_asset("ant.xml"),
    "humanoid": models.gymnasium_asset("humanoid.xml"),
    "random tree": models.random_tree(3),
}


def run_stages(source: str, seed: int):
    """Fields after one evaluation of the continuous-time forward dynamics, and MuJoCo's data."""
    engine = Engine(compile_model(source))
    m = engine.mj_model
    rng = np.random.default_rng(seed)
    data = engine.random_data(rng)
    state = engine.state_of(data)
    command = engine.random_controls(data, rng)
    mujoco.mj_forward(m, data)
    mujoco.mj_energyPos(m, data)
    mujoco.mj_energyVel(m, data)

    dynamics = engine.dynamics
    names = tuple(
        name
        for stage in (*step.forward(KINDS), *step.OBSERVE)
        if stage.needed(engine.model)
        for name in stage.outputs
        if name in step.FIELDS
    )
    space = dynamics.executors[0].space
    for name in names:
        space.view(name).fill_(math.nan)
    space.integers["dof_unsaturated"].fill_(-7)
    values = engine.fields(names, state, command)
    fields = {name: value[0].numpy().copy() for name, value in zip(names, values, strict=True)}
    return engine, data, fields


def object_motion(m, data, function, body):
    result = np.zeros(6)
    function(m, data, mujoco.mjtObj.mjOBJ_XBODY, body, result, 0)
    return np.concatenate([result[3:], result[:3]])


@pytest.mark.parametrize("name", MODELS)
def test_stages_equal_mujoco(name):
    engine, data, fields = run_stages(MODELS[name], seed=sum(map(ord, name)))
    m, nb, nv = engine.mj_model, engine.model.nbody, engine.model.nv

    def close(field, expected, rows=slice(None)):
        np.testing.assert_allclose(
            fields[field][rows], expected, rtol=STAGE_TOLERANCE, atol=STAGE_TOLERANCE, err_msg=field
        )

    close("xpos", data.xpos, slice(nb))
    ours, theirs = fields["xquat"][:nb], data.xquat
    assert np.abs(np.abs(np.sum(ours * theirs, axis=1)) - 1).max() < STAGE_TOLERANCE
    close("xanchor", data.xanchor)
    scalar = np.flatnonzero(m.jnt_type >= 2)  # MuJoCo leaves the axis of free and ball joints undefined
    close("xaxis", data.xaxis[scalar], scalar)
    close("xipos", data.xipos)

    full = np.zeros((nv, nv))
    mujoco.mj_fullM(m, data, full)
    close("qM_dense", full)
    close("qfrc_bias", data.qfrc_bias - data.qfrc_gravcomp - projected_wrenches(m, data))
    passive = data.qfrc_spring + data.qfrc_damper
    close("qfrc_passive", passive)
    if "qfrc_gravcomp" in fields:
        close("qfrc_gravcomp", data.qfrc_gravcomp)
    close("qfrc_command", data.qfrc_applied)
    if m.nu:
        close("actuator_length", data.actuator_length)
        close("actuator_velocity", data.actuator_velocity)
        close("actuator_force", data.actuator_force)
        close("act_dot", data.act_dot)
        moment = np.zeros((m.nu, nv))
        adr = engine.model.indices["moment_dof_adr"]
        for u in range(m.nu):
            moment[u, engine.model.indices["moment_dof"][adr[u] : adr[u + 1]]] = fields["actuator_moment"][
                adr[u] : adr[u + 1]
            ]
        theirs = np.zeros((m.nu, nv))
        mujoco.mju_sparse2dense(
            theirs, data.actuator_moment, data.moment_rownnz, data.moment_rowadr, data.moment_colind
        )
        np.testing.assert_allclose(moment, theirs, atol=STAGE_TOLERANCE)
    close("qfrc_smooth", data.qfrc_smooth)
    np.testing.assert_allclose(fields["qacc"], data.qacc, rtol=1e-8, atol=1e-8)  # conditioning of M

    velocity = [object_motion(m, data, mujoco.mj_objectVelocity, b) for b in range(nb)]
    close("xvel", velocity)
    jacobian = np.zeros((6 * nb, nv))
    for b in range(nb):
        mujoco.mj_jacBody(m, data, jacobian[6 * b : 6 * b + 3], jacobian[6 * b + 3 : 6 * b + 6], b)
    close("xjac", jacobian)
    mujoco.mj_rnePostConstraint(m, data)
    acceleration = np.array([object_motion(m, data, mujoco.mj_objectAcceleration, b) for b in range(nb)])
    acceleration[:, :3] += m.opt.gravity
    np.testing.assert_allclose(fields["xacc"], acceleration, rtol=1e-8, atol=1e-8)

    potential = fields["body_energy"][:, 0].sum() + fields["dof_energy"][:, 0].sum()
    kinetic = fields["body_energy"][:, 1].sum() + fields["dof_energy"][:, 1].sum()
    np.testing.assert_allclose([potential, kinetic], data.energy, rtol=1e-10, atol=1e-10)

    assert set(engine.dynamics.executors[0].space.integers["dof_unsaturated"].unique().tolist()) <= {0, 1}
    unread = {"cinert", "crb", "cfrc", "cfrc_gravcomp"}  # the world has no inertia and carries no force
    for field, value in fields.items():
        value = value[1:] if field in unread else value
        assert np.isfinite(value).all(), f"{field} has an element that no kernel wrote"


def projected_wrenches(m, data):
    """J' xfrc_applied, which is part of our bias force and not of MuJoCo's."""
    total = np.zeros(m.nv)
    for b in range(1, m.nbody):
        force, torque = data.xfrc_applied[b, :3], data.xfrc_applied[b, 3:]
        mujoco.mj_applyFT(m, data, force, torque, data.xipos[b], b, total)
    return total


def test_every_field_is_written_by_one_stage():
    rows = step.row_stages(KINDS)  # these share fields: each writes rows of its own
    stages = [stage for stage in (*step.forward(KINDS), *step.OBSERVE) if stage.name not in [s.name for s in rows]]
    written = [f for stage in stages for f in stage.outputs] + list(OUTPUTS)
    assert len(written) == len(set(written))
    assert set(step.FIELDS) - set(written) == {"z", "free_matrix", "free_lu"}


@pytest.mark.parametrize("cone", [0, 1], ids=["pyramidal", "elliptic"])
@pytest.mark.parametrize("name", ["ant", "humanoid"])
def test_constraint_stages_equal_mujoco(name, cone):
    """With contacts and limits; whatever was in the buffers before, scratch space and integers included."""
    mj_model = compile_model(MODELS[name], constraints=True)
    mj_model.opt.cone, mj_model.opt.tolerance, mj_model.opt.iterations = cone, 0, 100
    mj_model.opt.solver = mujoco.mjtSolver.mjSOL_NEWTON
    engine = Engine(mj_model)
    dynamics, m, model = engine.dynamics, engine.mj_model, engine.model
    data = mujoco.MjData(m)
    rng = np.random.default_rng(1)
    checked = 0
    for k in range(200):
        data.ctrl[:] = 0.4 * rng.standard_normal(m.nu)
        mujoco.mj_step(m, data)
        if k % 20 or not data.nefc:
            continue
        mujoco.mj_forward(m, data)
        space = dynamics.executors[0].space
        space.contacts.data.fill_(math.nan)  # the other stages' fields are tested above
        space.scratch.data.fill_(math.nan)
        for field in (
            "efc_J",
            "efc_pos",
            "efc_aref",
            "efc_D",
            "efc_loss",
            "efc_force",
            "qfrc_constraint",
            "qfrc_total",
            "geom_xpos",
        ):
            space.view(field).fill_(math.nan)
        for field, values in space.integers.items():
            if field != "sweep_order":
                values.fill_(-7)
        names = ("qfrc_constraint", "qacc", "efc_force")
        fields = engine.fields(names, engine.state_of(data), engine.command(ctrl=data.ctrl.copy()))
        force, qacc, limits = (value[0].numpy() for value in fields)
        size = np.abs(data.qfrc_constraint).max()
        np.testing.assert_allclose(force, data.qfrc_constraint, rtol=0, atol=1e-9 * (1 + size))
        np.testing.assert_allclose(qacc, data.qacc, rtol=0, atol=1e-8 * (1 + np.abs(data.qacc).max()))
        rows = limits[model.indices["efc_law"] == LIMIT]
        theirs = data.efc_force[data.efc_type == int(mujoco.mjtConstraint.mjCNSTR_LIMIT_JOINT)]
        np.testing.assert_allclose(rows[rows > 0], theirs[theirs > 0], rtol=0, atol=1e-9 * (1 + size))
        checked += 1
    assert checked > 3


def test_stage_inputs_are_written_before_they_are_read():
    engine = Engine(compile_model(models.ACTUATORS))
    produced = set()
    every = {f for stage in (*step.forward(KINDS), *step.OBSERVE) for f in stage.outputs}
    for stage in (*step.forward(KINDS), *step.OBSERVE):
        late = (stage.inputs() & every) - produced
        assert not late, f"{stage.name} reads {late} before it is written"
        produced |= set(stage.outputs)
    assert engine.model.nv > 0


def test_implicit_stage_leaves_its_inputs_alone():
    """The factorisation works on a copy: qH must survive for the adjoint of what comes before."""
    _, _, fields = run_stages(models.BALL_CHAIN, seed=1)
    qm = fields["qM"]
    np.testing.assert_array_equal(fields["qH"], qm)
