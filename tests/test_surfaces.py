"""Surfaces that run (surfacevel) and surfaces that stick (adhesion) through the public API: motion and forces against
MuJoCo's, gradients against differences."""

import mujoco
import numpy as np
import pytest
import torch

import genesis as gs
from tests import models
from tests.contact_gradients import ContactProgram, contact_disagreements
from tests.helpers import check_gradient
from tests.scenes import build, put, random_qpos

CONES = ["pyramidal", "elliptic"]
CONVERGED = {"tolerance": 0.0, "iterations": 200, "ls_iterations": 100}
# Of velocities and forces after a step from a random state: both solvers round differently.
STEP = 1e-8
# Of qpos after two hundred steps in which nothing comes loose.
MOTION = 1e-8
# Gradient against differences, over one step and over a hundred.
TOLERANCE = {1: 1e-6, 100: 1e-5}

# A parcel on a belt that runs and turns; under a ceiling that sticks a ball that hangs, one that is near it on a
# spring, and a pad of a <pair>, near it as well.
SHOP = """
<mujoco><option timestep=".004" cone="{cone}" {option}/><default><geom friction=".6 .03 .01"/></default><worldbody>
  <geom name="belt" type="plane" size="5 5 1" surfacevel=".5 .1 0 0 0 .3"/>
  <geom name="ceiling" type="plane" pos="0 0 1" zaxis="0 0 -1" size="5 5 1" adhesion="12" gap=".05"/>
  <body name="parcel" pos="0 0 .0998"><freejoint/><geom type="box" size=".1 .15 .1" mass="1" condim="4"/></body>
  <body name="ball" pos="-.5 0 .9001"><freejoint/><geom type="sphere" size=".1" mass="1" condim="6" adhesion="5"/></body>
  <body name="near" pos="-1 0 .87"><joint name="near" type="slide" axis="0 .1 1" stiffness="2000" damping="20"/>
    <geom type="sphere" size=".1" mass="1"/></body>
  <body name="pad" pos="1 0 .87"><joint name="pad" axis="0 1 0" pos=".3 0 0" stiffness="200" damping="2"/>
    <geom name="pad" type="capsule" size=".1 .02" mass=".5"/></body>
</worldbody>
<contact><pair geom1="pad" geom2="ceiling" adhesion="6" gap=".05" condim="3"/></contact>
<sensor><force name="hung" site="spot"/><touch name="touch" site="spot"/>
  <contact name="of parcel" body1="parcel" num="4" data="found force torque dist pos normal tangent"/>
  <contact name="of ball" body1="ball" num="1" reduce="netforce" data="found force torque"/></sensor></mujoco>"""
SHOP = SHOP.replace('condim="6" adhesion="5"/>', 'condim="6" adhesion="5"/><site name="spot" type="sphere" size=".2"/>')


def load(source, integrator="implicitfast", **options):
    return build(source, integrator=integrator, constraints=True, rigid_options=CONVERGED, **options)


def forces_of(m, data):
    """World forces on the second geoms, from MuJoCo, of contacts of which it knows one."""
    found = np.zeros((data.ncon, 3))
    for c in range(data.ncon):
        wrench = np.zeros(6)
        mujoco.mj_contactForce(m, data, c, wrench)
        found[c] = data.contact.frame[c].reshape(3, 3).T @ wrench[:3]
    return found


def assert_contacts_equal(robot, m, data):
    """Which there are, and their forces."""
    table = robot.get_contacts()
    expected = forces_of(m, data)
    assert len(table["geom_a"]) == data.ncon
    np.testing.assert_array_equal(table["geom_a"], data.contact.geom[:, 0])
    size = 1 + np.abs(expected).max(initial=0)
    np.testing.assert_allclose(table["force_b"].detach(), expected, rtol=0, atol=STEP * size)


@pytest.mark.parametrize("noslip", [0, 3])
@pytest.mark.parametrize("cone", CONES)
@pytest.mark.parametrize("integrator", ["Euler", "implicitfast", "RK4"])
def test_steps_equal_mujoco(integrator, cone, noslip):
    source = models.SURFACES.replace('"elliptic"', f'"{cone}" noslip_iterations="{noslip}"')
    scene, robot = load(source, integrator, requires_grad=False)
    m = scene.mj_model
    rng = np.random.default_rng(4)
    in_gap = running = 0
    for _ in range(20):
        data = mujoco.MjData(m)
        data.qpos[:] = random_qpos(m, rng, 0.2)
        data.qvel[:] = 0.3 * rng.standard_normal(m.nv)
        put(scene, robot, data.qpos, data.qvel)
        mujoco.mj_forward(m, data)
        assert_contacts_equal(robot, m, data)
        sticks = (data.contact.dist >= data.contact.includemargin) & (data.contact.efc_address >= 0)
        in_gap += sticks.sum()
        running += np.abs(data.contact.surfacevel).any(1).sum()
        mujoco.mj_step(m, data)
        scene.step()
        error = np.abs(robot.get_dofs_velocity().numpy() - data.qvel).max()
        assert error < STEP * (1 + np.abs(data.qvel).max())
    assert in_gap > 10 and running > 60


@pytest.mark.parametrize("cone", CONES)
@pytest.mark.parametrize("option", ["", '><flag spring="disable" damper="disable"/></option'])
def test_motion_equals_mujoco(cone, option):
    """Also where passive forces are off, to which MuJoCo counts the pull."""
    source = SHOP.format(cone=cone, option="")
    if option:
        source = source.replace("/><default>", f"{option}><default>", 1)
    scene, robot = load(source, requires_grad=False)
    m, data = scene.mj_model, mujoco.MjData(scene.mj_model)
    for _ in range(200):
        mujoco.mj_step(m, data)
        scene.step()
    np.testing.assert_allclose(robot.get_qpos(), data.qpos, rtol=0, atol=MOTION)
    mujoco.mj_forward(m, data)
    assert_contacts_equal(robot, m, data)
    assert data.qpos[0] > 0.1 and np.abs(data.qfrc_adhesion).max() == (0 if option else 17)


@pytest.mark.parametrize("cone", CONES)
def test_sensors_equal_mujoco(cone):
    """A contact transmits the solver's force less the adhesion: zero by touch where it pulls."""
    scene, robot = load(SHOP.format(cone=cone, option=""), requires_grad=False)
    m, data = scene.mj_model, mujoco.MjData(scene.mj_model)
    for _ in range(30):
        mujoco.mj_step(m, data)
    put(scene, robot, data.qpos, data.qvel)
    mujoco.mj_forward(m, data)
    found = scene.get_sensor_data()
    for k in range(m.nsensor):
        start, size = m.sensor_adr[k], m.sensor_dim[k]
        expected = data.sensordata[start : start + size]
        got = found[m.sensor(k).name].numpy()
        np.testing.assert_allclose(
            got, expected, rtol=0, atol=STEP * (1 + np.abs(expected).max()), err_msg=m.sensor(k).name
        )
    weight = robot.get_links_net_contact_force()[robot.get_link("ball").idx_local]
    assert weight[2] == pytest.approx(9.81, rel=0.05)


# -- what they are for --------------------------------------------------------------------------------------------------


def test_a_belt_carries_a_box_and_a_turntable_turns_it():
    for belt, speed in (("0.4 -0.3 0 0 0 0", [0.4, -0.3, 0.0]), ("0 0 0 0 0 2", [0.0, 0.0, 2.0])):
        scene, robot = build(
            f'<mujoco><option timestep=".005"/><worldbody><geom type="plane" size="5 5 1" surfacevel="{belt}"/>'
            '<body pos="0 0 .1"><freejoint/><geom type="box" size=".1 .1 .1" condim="4" friction="1 .05 .01"/></body>'
            "</worldbody></mujoco>",
            constraints=True,
        )
        for _ in range(300):
            scene.step()
        velocity = robot.get_dofs_velocity().detach().numpy()
        np.testing.assert_allclose(velocity[[0, 1, 5]], speed, atol=1e-3)


HANGING = """
<mujoco><option timestep=".002"/><worldbody><geom name="ceiling" type="plane" zaxis="0 0 -1" size="5 5 1" gap=".01"/>
<body name="ball" pos="0 0 -.0999"><freejoint/><geom size=".1" mass="1"/></body></worldbody></mujoco>"""


@pytest.mark.parametrize(("adhesion", "hangs"), [(12.0, True), (8.0, False)])
def test_a_sphere_hangs_from_a_ceiling(adhesion, hangs):
    """A kilogram, 9.81 N; pulled, it is apart by a hair, which is why there is a gap."""
    scene, robot = build(HANGING, constraints=True)
    given = torch.tensor([adhesion], dtype=torch.float64, requires_grad=True)
    robot.set_geoms_adhesion(given, [0])
    for _ in range(500):
        scene.step()
    height = robot.get_qpos()[2]
    assert (abs(height + 0.1) < 1e-3) == hangs
    if hangs:
        force = robot.get_links_net_contact_force()[robot.get_link("ball").idx_local]
        assert force[2].item() == pytest.approx(9.81, rel=1e-6)
    else:
        height.backward()
        assert given.grad > 0


# -- gradients ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("steps", "cone"), [(1, "pyramidal"), (1, "elliptic"), (100, "pyramidal"), (100, "elliptic")])
def test_gradient(steps, cone):
    scene, robot = load(SHOP.format(cone=cone, option=""))
    data = mujoco.MjData(scene.mj_model)
    for _ in range(20):
        mujoco.mj_step(scene.mj_model, data)
    program = ContactProgram(scene, robot, steps, 3, qpos=data.qpos.copy(), qvel=data.qvel.copy(), step=0.1)
    assert {"geoms_surface_velocity", "geoms_adhesion"} <= set(program.inputs)
    found = contact_disagreements(program, 3, TOLERANCE[steps])
    assert not found, "\n".join(found)


@pytest.mark.parametrize("cone", CONES)
def test_gradient_of_each(cone):
    """Of velocity of surfaces, adhesion of geoms and of pairs, one by one and over the steps in between."""
    scene, robot = load(SHOP.format(cone=cone, option=""))

    def motion(surface, adhesion, of_pair):
        scene.reset()
        robot.set_geoms_surface_velocity(surface)
        robot.set_geoms_adhesion(adhesion)
        scene.rigid_solver.set_pairs_adhesion(of_pair)
        for _ in range(10):
            scene.step()
        return torch.cat([robot.get_dofs_velocity(), robot.get_links_net_contact_force().flatten()])

    rng = np.random.default_rng(1)
    surface = robot.get_geoms_surface_velocity().sceneless().detach()
    surface = surface + 0.05 * torch.tensor(rng.standard_normal(tuple(surface.shape)))
    inputs = (surface, robot.get_geoms_adhesion().sceneless().detach() + 1.0, torch.tensor([6.0], dtype=torch.float64))
    check_gradient(motion, *inputs, eps=1e-4, rtol=1e-6, atol=1e-7)


# -- where a file has none ------------------------------------------------------------------------------------------------


def test_set_where_the_file_has_none():
    """The stages are added to a scene that has run without; and `to_mjcf` writes what is set."""
    plain = SHOP.format(cone="elliptic", option="")
    for text in (' surfacevel=".5 .1 0 0 0 .3"', ' adhesion="12"', ' adhesion="5"', ' adhesion="6"'):
        plain = plain.replace(text, "")
    scene, robot = load(plain, requires_grad=False)
    scene.step()
    scene.reset()
    full, other = load(SHOP.format(cone="elliptic", option=""), requires_grad=False)
    robot.set_geoms_surface_velocity(other.get_geoms_surface_velocity().sceneless())
    robot.set_geoms_adhesion(other.get_geoms_adhesion().sceneless())
    scene.rigid_solver.set_pairs_adhesion(full.rigid_solver.get_pairs_adhesion().sceneless())
    for _ in range(20):
        scene.step()
        full.step()
    torch.testing.assert_close(robot.get_qpos().sceneless(), other.get_qpos().sceneless(), rtol=0, atol=1e-12)
    written = mujoco.MjModel.from_xml_string(scene.to_mjcf())
    for field in ("geom_surfacevel", "geom_adhesion", "pair_adhesion"):
        np.testing.assert_allclose(getattr(written, field), getattr(full.mj_model, field), rtol=1e-12)


def test_negative_adhesion_is_refused():
    scene, robot = load(SHOP.format(cone="elliptic", option=""))
    with pytest.raises(gs.GenesisException, match="adhesion"):
        robot.set_geoms_adhesion(-1.0)
    with pytest.raises(gs.GenesisException, match="adhesion"):
        scene.rigid_solver.set_pairs_adhesion(-1.0)
    with pytest.raises(gs.GenesisException, match=r"geom 'ceiling': adhesion '-12' is negative: give 0 or more"):
        load(SHOP.format(cone="elliptic", option="").replace('"12"', '"-12"'))
