"""Every stage of the step alone: forward against MuJoCo with poisoned outputs, adjoint against differences."""

import mujoco
import numpy as np
import pytest
import torch

from genesis.rigid.kernels.constraint.kinds import KINDS, OUTPUTS
from genesis.rigid.pipeline import step
from genesis.rigid.pipeline.fields import FIELDS, INT_FIELDS
from tests import constraint_models, models, servo_models
from tests.histories import control_history, set_control_history
from tests.rigid.engine import EULER, IMPLICIT, IMPLICITFAST, RK4, Engine, compile_model
from tests.rigid.stage_oracles import INTERNAL, ORACLES, SCRATCH
from tests.rigid.stage_runs import KEPT, StageRun, stages_of
from tests.test_plastic import JOINTS as PLASTIC_JOINTS
from tests.test_plastic import TENDONS as PLASTIC_TENDONS

# Of the largest number of a field: both sides round differently.
FORWARD = 1e-10
# Of those that follow from a solution: conditioning of M, or of H.
SOLVED = 1e-7
# Adjoint against central differences with a step of 1e-6.
ADJOINT = 3e-6
STEP = 1e-6
# Of sweeps against slip, whose forces are large where shapes are deep in each other: differences of STEP see a bend.
SHORT = 1e-7

SOLUTIONS = ("constraint solution", "total force", "no slip", "acceleration", "free body acceleration", "implicit acceleration", "advance",
             "RK advance", "RK stage", "link acceleration", "dense mass matrix")  # fmt: skip

# A model for each combination of what stages need.
MODELS = {
    **{
        f"{kind}, {name}": (constraint_models.model(kind, True, "elliptic"), integrator)
        for kind, name, integrator in (
            ("weld", "Euler", EULER),
            ("connect of sites", "implicitfast", IMPLICITFAST),
            ("joint equality", "RK4", RK4),
            ("tendon equality", "implicitfast", IMPLICITFAST),
            ("tendon friction", "Euler", EULER),
            ("tendon limit", "RK4", RK4),
            ("tendon spring", "implicitfast", IMPLICITFAST),
        )
    },
    "made weld": (constraint_models.model("one weld", True, "elliptic"), EULER),
    "mocap": (constraint_models.MOCAP, EULER),
    "polytopes": (models.POLYTOPES, EULER),
    "tumbling body": (models.TUMBLING_BODY, IMPLICITFAST),
    "ball chain": (models.BALL_CHAIN, RK4),
    "planar base": (models.PLANAR_BASE, EULER),
    "actuators": (models.ACTUATORS, IMPLICITFAST),
    "actuators without ranges": (models.without_ranges(models.ACTUATORS), EULER),
    "tendon paths": (models.TENDON_PATHS, IMPLICITFAST),
    "tendon paths, RK4": (models.TENDON_PATHS, RK4),
    "delays": (models.DELAYED, EULER),
    "delays, RK4": (models.DELAYED, RK4),
    "sticking": (models.STICKING, EULER),
    "servos": (servo_models.PID_ARM, IMPLICITFAST),
    "motors": (servo_models.DC_CART, EULER),
    "motors, RK4": (servo_models.DC_CART, RK4),
    "boxes in a fluid": (models.in_fluid(ellipsoids=False), IMPLICITFAST),
    "ellipsoids in a fluid": (models.in_fluid(ellipsoids=True), IMPLICITFAST),
    "ellipsoids in a fluid, Euler": (models.in_fluid(ellipsoids=True), EULER),
    "polynomials": (models.POLYNOMIALS, IMPLICITFAST),
    "polynomials, Euler": (models.POLYNOMIALS, EULER),
    "ball chain, implicit": (models.BALL_CHAIN, IMPLICIT),
    "tumbling body, implicit": (models.TUMBLING_BODY, IMPLICIT),
    "random tree, implicit": (models.random_tree(3), IMPLICIT),
    "ellipsoids in a fluid, implicit": (models.in_fluid(ellipsoids=True), IMPLICIT),
    "plastic joints": (PLASTIC_JOINTS.replace('"4 1 .5"', '"4"'), EULER),
    "plastic tendons": (PLASTIC_TENDONS.replace('"40 5 3"', '"40"'), IMPLICITFAST),
    "random tree": (models.random_tree(3), IMPLICITFAST),
    "surfaces": (models.SURFACES, IMPLICITFAST),
    "exact": (models.EXACT_SURFACES, EULER),
    # last, since their forces are not those of the solver alone
    "no slip, elliptic": (constraint_models.footed("elliptic"), EULER),
    "no slip, pyramidal": (constraint_models.footed("pyramidal"), EULER),
}


def compiled(name):
    source, integrator = MODELS[name]
    model = compile_model(source, integrator, constraints=True)
    model.opt.solver = mujoco.mjtSolver.mjSOL_NEWTON
    model.opt.jacobian = mujoco.mjtJacobian.mjJAC_DENSE
    model.opt.tolerance, model.opt.iterations = 0, 200
    return model


# Models that have something of their own to say of a stage that others have.
ALSO = [
    ("mocap", "kinematics"),
    ("surfaces", "contact rows"),
    ("surfaces", "constraint solution"),
    ("exact", "contact rows"),
]


def runs():
    """(stage, model) for every stage, in each of up to three models that have it."""
    structures = {name: Engine(compiled(name)).model for name in MODELS}
    structures["made weld"].add_weld(1, 2)
    found: dict[str, list[str]] = {}
    for name, structure in structures.items():
        for stage in stages_of(structure.integrator):
            found.setdefault(stage.name, [])
            wanted = len(found[stage.name]) < 3 or (name, stage.name) in ALSO
            if stage.needed(structure) and wanted:
                found[stage.name].append(name)
    assert all(found.values()), f"no model has the stages {[stage for stage, names in found.items() if not names]}"
    return [(stage, name) for stage, names in found.items() for name in names]


def made(stage, name) -> StageRun:
    model = compiled(name)
    rng = np.random.default_rng(len(stage) + 7 * len(name))
    data = mujoco.MjData(model)
    mujoco.mj_integratePos(model, data.qpos, 0.3 * rng.standard_normal(model.nv), 1.0)
    data.qvel[:] = 0.3 * rng.standard_normal(model.nv)
    data.act[:] = 0.3 * rng.standard_normal(model.na)
    data.plastic[:] += 0.1 * rng.standard_normal(model.nplastic)
    data.ctrl[:] = 0.3 * rng.standard_normal(model.nu)
    set_control_history(model, data, 0.3 * rng.standard_normal(len(control_history(model, data))))
    data.qfrc_applied[:] = 0.3 * rng.standard_normal(model.nv)
    data.xfrc_applied[1:] = 0.3 * rng.standard_normal((model.nbody - 1, 6))
    data.mocap_pos[:] += 0.1 * rng.standard_normal(data.mocap_pos.shape)
    data.mocap_quat[:] += 0.1 * rng.standard_normal(data.mocap_quat.shape)
    mujoco.mj_forward(model, data)
    return StageRun(model, stage, data, makes_weld=name == "made weld")


RUNS = runs()
WITHOUT_ADJOINT = ("reference point", "collision", "tendon wraps", "sticking bodies")


@pytest.mark.parametrize(("stage", "name"), RUNS)
def test_forward_equals_mujoco(stage, name):
    run = made(stage, name)
    run.forward()
    tolerance = SOLVED if stage in SOLUTIONS else FORWARD
    for field in run.stage.outputs:
        if field in SCRATCH:
            continue
        assert field in ORACLES or field in INTERNAL, f"say what {field} is to equal"
        for ours, theirs in ORACLES[field](run) if field in ORACLES else []:
            ours, theirs = np.asarray(ours, dtype=float), np.asarray(theirs, dtype=float)
            size = 1 + np.abs(theirs).max(initial=0)
            np.testing.assert_allclose(ours, theirs, rtol=0, atol=tolerance * size, err_msg=field)


@pytest.mark.parametrize(
    ("stage", "name"),
    [(s, n) for s, n in RUNS if s not in WITHOUT_ADJOINT],
)
def test_adjoint_equals_differences(stage, name):
    run = made(stage, name)
    rng = np.random.default_rng(11)
    run.forward()
    step = SHORT if stage == "no slip" else STEP
    cotangent = {}
    for label in run.outputs():
        values = run.view(label)
        weights = torch.tensor(rng.standard_normal(values.shape))
        cotangent[label] = torch.where(torch.isfinite(values), weights, 0.0)
    value = objective(run, cotangent)
    run.adjoint(cotangent)
    assert run.inputs(), "a stage whose adjoint reaches nothing"
    scale = sum(float((weights**2).sum()) for weights in cotangent.values()) ** 0.5
    for label in run.inputs():
        gradient = run.view(label, gradient=True).clone()
        if not gradient.numel():
            continue
        direction = torch.tensor(rng.standard_normal(gradient.shape))
        given = run.view(label).clone()
        direction = torch.where(torch.isfinite(given), direction, 0.0) * given.nan_to_num(0, 0, 0).abs().clamp(min=0.1)
        if label.endswith("frictionloss") or (stage == "servos" and label.endswith("prm")):
            direction[given == 0.0] = 0.0  # no row, or limit, and one as soon as there is a number
        difference = []
        for sign in (1.0, -1.0):
            run.restore()
            run.poison()
            run.view(label).add_(sign * step * direction)
            run.tracer._launch(run.launch.forward())
            difference.append(objective(run, cotangent))
        expected = (difference[0] - difference[1]) / (2 * step)
        found = float((gradient.nan_to_num() * direction).sum())
        size = 1 + abs(expected) + abs(value) + scale
        assert torch.isfinite(gradient[torch.isfinite(given)]).all(), f"gradient of {label}"
        assert abs(found - expected) < ADJOINT * size, f"gradient of {label}: {found} against {expected}"


def objective(run, cotangent) -> float:
    return sum(float((weights * run.view(label).nan_to_num()).sum()) for label, weights in cotangent.items())


def test_every_field_is_written_by_one_stage():
    """But for the rows of the table of constraints and the contacts, of which each kind writes its own, and what is added
    to."""
    stages = [*step.forward(KINDS), *step.OBSERVE]
    added = {
        "tendon inertia": ("qM",),
        "tendon damping": ("qH",),
        "tendon bias": ("qfrc_bias",),
        "adhesion": ("actuator_moment",),
        "control history": ("act_dot",),
        "polynomial damping": ("qH",),
        "fluid damping": ("qH",),
        "polynomial springs and dampers": ("qfrc_passive",),
        "polynomial tendons": ("qfrc_tendon",),
        "fluid force": ("qfrc_passive",),
        "sticky contacts": ("qfrc_passive",),
        "exact diagonals": ("efc_diag",),
        "polynomial energy": ("dof_energy",),
        "polynomial tendon energy": ("ten_energy",),
        "convex contact geometry": ("con_dist", "con_pos", "con_frame"),
        "actuator force": ("act_dot",),
        "no slip": ("efc_force", "con_force", "qfrc_constraint", "qfrc_total"),
    }
    rows = {stage.name for stage in step.row_stages(KINDS)}
    written = [
        field
        for stage in stages
        if stage.name not in rows
        for field in stage.outputs
        if field not in added.get(stage.name, ())
    ] + list(OUTPUTS)
    assert len(written) == len(set(written))
    unsymmetric = {field for stage in step.UNSYMMETRIC for field in stage.outputs} - {"qacc", "qLDiagInv"}
    assert set(FIELDS) - set(written) == {"z", "ten_length_next", *unsymmetric}


def test_stage_inputs_are_written_before_they_are_read():
    produced: set[str] = set()
    every = {f for stage in (*step.forward(KINDS), *step.OBSERVE) for f in stage.outputs}
    for stage in (*step.forward(KINDS), *step.OBSERVE):
        late = (stage.inputs() & every) - produced
        assert not late, f"{stage.name} reads {late} before it is written"
        produced |= set(stage.outputs)


def test_factors_do_not_overwrite_their_matrix():
    """The factorisation works on a copy: qH must survive for the adjoint of what comes before."""
    run = made("acceleration", "ball chain")
    before = run.view("qH").clone()
    run.forward()
    torch.testing.assert_close(run.view("qH"), before, rtol=0, atol=0)
    assert set(KEPT) <= set(INT_FIELDS)


def test_the_table_of_stages_in_the_docs_is_up_to_date():
    from genesis.rigid.pipeline import stage_table

    present = stage_table.PAGE.read_text(encoding="utf-8")
    assert stage_table.page(present) == present, "run `make stubs`"
