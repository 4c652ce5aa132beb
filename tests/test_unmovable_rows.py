"""Constraint rows that no joint can follow: their cost is a constant, as large as it likes, and spoils nothing else."""

import mujoco
import numpy as np
import pytest
import torch

from tests.contact_gradients import ContactProgram, contact_disagreements
from tests.scenes import build, put

# Of qpos after 50 steps: rounding. Where cones are elliptic MuJoCo itself stops at 1e-8 of the force.
MOTION = {"pyramidal": 1e-13, "elliptic": 1e-9}
# Of the gradient of the objective, in units of force [N, N m], whose terms are up to 1e3.
RESIDUAL = 1e-9
GRADIENT = 1e-6

_SLIDES = """<body name="a" pos="0 0 .5"><joint type="slide" axis="1 0 0"/><joint type="slide" axis="0 0 1"/>
<geom size=".05" mass="1" contype="0" conaffinity="0"/><site name="s"/></body>"""
_STACKED = """<body name="a" pos="0 0 .149"><joint type="slide" axis="1 0 0"/><joint type="slide" axis="0 0 1"/>
<geom type="box" size=".05 .05 .05" mass="1"/><site name="s"/></body>
<body pos="0 0 .05"><freejoint/><geom type="box" size=".05 .05 .05"/></body>"""
_ARM = """<body name="a" pos="0 0 .5"><joint axis="0 1 0"/>
<geom type="capsule" fromto="0 0 0 .3 0 0" size=".03" contype="0" conaffinity="0"/><body name="b" pos=".3 0 0">
<joint axis="0 1 0" frictionloss=".1"/><geom type="capsule" fromto="0 0 0 .3 0 -.45" size=".03"/>
<site name="s" pos=".3 0 -.4"/></body></body>"""
_FIXED = '<body name="f" pos="0 0 1"><geom size=".01" mass="1" contype="0" conaffinity="0"/></body>'
_BESIDE = """<body name="c" pos=".2 0 .5"><joint type="slide" axis="1 0 0"/>
<geom size=".05" mass="1" contype="0" conaffinity="0"/></body>"""
_WELD = '<weld site1="s" site2="w" solref=".1 1"/>'
_TENDON = """<tendon><spatial name="fixed" limited="true" range="0 .1" frictionloss="2"><site site="w"/><site site="p"/>
</spatial><spatial limited="true" range="0 .1" frictionloss="2"><site site="w"/><site site="s"/></spatial></tendon>"""
_FIXED_TENDON = '<tendon tendon1="fixed" polycoef=".5 0 0 0 0" solref=".1 1"/>'
MODELS = {
    # name: bodies, equality, tendon
    "weld of slides": (_SLIDES, _WELD, ""),
    "weld of a box that lies on another": (_STACKED, _WELD, ""),
    "weld of a planar arm": (_ARM, _WELD, ""),
    "weld of two bodies that slide": (
        _SLIDES + _BESIDE,
        '<weld body1="a" body2="c" relpose=".2 0 0 .9 .3 0 0"/>',
        "",
    ),
    "connect off the plane": (_SLIDES, '<connect site1="s" site2="beside"/>', ""),
    "equalities of what is fixed": (
        _SLIDES + _FIXED,
        '<weld body1="f" relpose="0 0 .5 .9 .1 .1 .1"/><connect body1="f" anchor="0 0 3"/>',
        "",
    ),
    "tendons without dofs": (_SLIDES, _FIXED_TENDON, _TENDON),
}


def model(name, cone="pyramidal", option=""):
    bodies, equality, tendon = MODELS[name]
    return f"""<mujoco><option timestep=".005" tolerance="1e-14" cone="{cone}">{option}</option><worldbody>
<site name="w" pos="0 0 .5" euler="40 0 0"/><site name="beside" pos="0 .4 .5"/><site name="p" pos="0 1 1"/>{bodies}
<geom type="plane" size="1 1 1"/><body pos="1 0 .1"><freejoint/><geom type="box" size=".1 .1 .1"/></body></worldbody>
{tendon}<equality>{equality}</equality></mujoco>"""


@pytest.mark.parametrize(
    ("name", "cone"), [(name, "pyramidal") for name in MODELS] + [(name, "elliptic") for name in list(MODELS)[:3]]
)
def test_motion_equals_mujoco(name, cone):
    scene, robot = build(model(name, cone), requires_grad=False, constraints=True)
    m = scene.mj_model
    data = mujoco.MjData(m)
    data.qvel[:] = np.linspace(0.3, 0.5, m.nv)
    put(scene, robot, data.qpos, data.qvel)
    for _ in range(50):
        mujoco.mj_step(m, data)
        scene.step()
        assert np.abs(robot.get_qpos().numpy() - data.qpos).max() < MOTION[cone]


@pytest.mark.parametrize(
    ("name", "option"),
    [
        ("weld of a box that lies on another", ""),
        ("weld of slides", '<flag island="disable"/>'),
        ("weld of slides", '<flag warmstart="disable"/>'),
        ("weld of slides", '<flag diagexact="enable"/>'),
    ],
)
def test_solver_converges(name, option):
    """At random states the gradient of the objective is zero at the acceleration of a step, flags or not."""
    scene, robot = build(model(name, option=option), requires_grad=False, constraints=True)
    m = scene.mj_model
    rng = np.random.default_rng(0)
    constant = 0.0
    for _ in range(20):
        data = mujoco.MjData(m)
        mujoco.mj_integratePos(m, data.qpos, 0.05 * rng.standard_normal(m.nv), 1.0)
        data.qvel[:] = 0.3 * rng.standard_normal(m.nv)
        put(scene, robot, data.qpos, data.qvel)
        scene.step()
        qacc = (robot.get_dofs_velocity().numpy() - data.qvel) / m.opt.timestep
        mujoco.mj_forward(m, data)
        jacobian = data.efc_J.reshape(data.nefc, m.nv)
        y = jacobian @ qacc - data.efc_aref
        unmovable = ~jacobian.any(1)
        constant = max(constant, np.sum(0.5 * data.efc_D[unmovable] * y[unmovable] ** 2))
        mujoco.mj_constraintUpdate(m, data, y, None, 0)
        mass = np.zeros((m.nv, m.nv))
        mujoco.mj_fullM(m, data, mass)
        residual = mass @ qacc - data.qfrc_smooth - jacobian.T @ data.efc_force
        assert np.abs(residual).max() < RESIDUAL
    assert constant > 1e15


def test_32_bits(run_python):
    """Single precision stays single precision: 1e-5 of a metre after 50 steps, beside a cost of 1e17."""
    program = f'''
import mujoco, numpy as np, torch
import genesis as gs
gs.init(backend=gs.cpu, precision="32", logging_level="error")
from tests.scenes import build
source = """{model("weld of slides")}"""
scene, robot = build(source, requires_grad=False, constraints=True)
m = mujoco.MjModel.from_xml_string(source)
data = mujoco.MjData(m)
data.qvel[:] = np.linspace(0.3, 0.5, m.nv)
robot.set_dofs_velocity(torch.tensor(data.qvel, dtype=torch.float32))
for _ in range(50):
    mujoco.mj_step(m, data)
    scene.step()
print("error", np.abs(robot.get_qpos().numpy() - data.qpos).max())
'''
    assert float(run_python(program).split("error")[-1]) < 1e-5


@pytest.mark.parametrize("name", ["weld of slides", "weld of a box that lies on another", "weld of a planar arm"])
def test_gradient(name):
    """Of state, forces and every parameter: what no joint follows gives nothing to any, what one does its share."""
    scene, robot = build(model(name, "elliptic"), constraints=True)
    m = scene.mj_model
    rng = np.random.default_rng(3)
    qpos = m.qpos0.copy()
    mujoco.mj_integratePos(m, qpos, 1e-3 * rng.standard_normal(m.nv), 1.0)
    program = ContactProgram(scene, robot, 1, 4, qpos=qpos, qvel=0.1 * rng.standard_normal(m.nv), step=0.1)
    found = contact_disagreements(program, 4, GRADIENT)
    assert not found, "\n".join(found)


def test_gradient_where_a_row_is_only_just_unmovable():
    """A point on a hinge is held along the line to its axis: J of that row is zero here and not beside, so that its
    force counts in the gradient though it moves nothing."""
    source = """<mujoco><option timestep=".005"/><worldbody><body><joint axis="0 0 1"/>
<geom type="box" size=".1 .1 .1" mass="1" contype="0" conaffinity="0"/><site name="s" pos=".3 0 0"/></body>
<site name="w" pos=".4 0 0"/></worldbody><equality><connect site1="s" site2="w" solref=".1 1"/></equality></mujoco>"""
    scene, robot = build(source, constraints=True)

    def velocity(angle):
        scene.reset()
        robot.set_qpos(angle)
        scene.step()
        return robot.get_dofs_velocity()[0]

    at = torch.zeros(1, dtype=torch.float64, requires_grad=True)
    velocity(at).backward()
    jacobian = np.zeros((3, 1))
    mujoco.mj_jacSite(scene.mj_model, data_of(scene.mj_model), jacobian, None, 0)
    assert jacobian[0, 0] == 0.0 and jacobian[1, 0] == pytest.approx(0.3)
    differences = [(velocity(torch.tensor([h])) - velocity(torch.tensor([-h]))).item() / (2 * h) for h in (1e-5, 2e-5)]
    assert abs(differences[0]) > 1e-2
    assert at.grad.item() == pytest.approx(differences[0], rel=1e-6)


def data_of(m):
    data = mujoco.MjData(m)
    mujoco.mj_forward(m, data)
    return data
