"""Sites, and the shapes that tendons run around, as parameters: against MuJoCo, per env, found from a log, errors."""

import copy

import mujoco
import numpy as np
import pytest
import torch

import genesis as gs
from tests.mechanisms import MUSCLE_ARM, SLIDER_CRANK
from tests.scenes import build

# The same numbers through the same equations; muscles forget, so that rounding does not grow.
TOLERANCE = 1e-9
# A spring over a pulley that turns the elbow, and a rod whose weight it carries.
SPRING_ARM = """
<mujoco><option timestep="0.005" integrator="implicitfast"/><default><geom contype="0" conaffinity="0"/></default>
<worldbody><body name="upper" pos="0 0 1"><joint name="shoulder" axis="0 1 0" damping=".3"/>
  <geom name="upper" type="capsule" size=".03" fromto="0 0 0 .3 0 0" mass="1"/><site name="origin" pos=".05 0 .04"/>
  <geom name="pulley" type="cylinder" size=".03 .02" pos=".3 0 0" euler="90 0 0" mass="0"/>
  <body name="fore" pos=".3 0 0"><joint name="elbow" axis="0 1 0" damping=".4"/>
    <geom name="fore" type="capsule" size=".02" fromto="0 0 0 .25 0 0" mass=".6"/><site name="insertion" pos=".1 0 .03"/>
  </body></body></worldbody>
<tendon><spatial name="spring" stiffness="60" springlength=".3"><site site="origin"/><geom geom="pulley"/>
  <site site="insertion"/></spatial></tendon></mujoco>"""


def moved(robot, rng):
    """Sites and wrapped shapes that are elsewhere in each env; sets them, and returns what was set."""
    wrapped = [geom.idx_local for geom in robot.geoms if geom.is_wrapped]
    found = {}
    for name, which, amount in (
        ("sites_offset_pos", None, 0.01),
        ("sites_offset_quat", None, 0.1),
        ("geoms_size", wrapped, 0.002),
        ("geoms_offset_pos", wrapped, 0.005),
        ("geoms_offset_quat", wrapped, 0.1),
    ):
        if which == []:
            continue
        value = getattr(robot, f"get_{name}")(which).sceneless().detach()
        value = value + amount * torch.tensor(rng.uniform(-1, 1, tuple(value.shape)))
        getattr(robot, f"set_{name}")(value, which)
        found[name] = getattr(robot, f"get_{name}")(which).sceneless().detach()
        if not name.endswith("quat"):
            torch.testing.assert_close(found[name], value, rtol=0, atol=0)
    return found, wrapped


@pytest.mark.parametrize("source", [MUSCLE_ARM, SLIDER_CRANK], ids=["muscle arm", "slider-crank"])
def test_forward_against_a_changed_model(source):
    scene, robot = build(source, constraints=True, n_envs=2, requires_grad=False)
    found, wrapped = moved(robot, np.random.default_rng(0))
    geoms = [robot.geom_start + k for k in wrapped]
    start = torch.tensor(scene.mj_model.qpos0 + 0.1)
    robot.set_qpos(start)
    robot.control_actuators(0.3)
    models = []
    for env in range(2):
        m = copy.copy(scene.mj_model)
        sites = [m.site(f"{robot.name}/{name}").id for name in robot.site_names]
        m.site_pos[sites], m.site_quat[sites] = found["sites_offset_pos"][env], found["sites_offset_quat"][env]
        m.site_sameframe[:] = 0
        if geoms:
            m.geom_size[geoms] = found["geoms_size"][env]
            m.geom_pos[geoms], m.geom_quat[geoms] = found["geoms_offset_pos"][env], found["geoms_offset_quat"][env]
            m.geom_sameframe[geoms] = 0
        data = mujoco.MjData(m)
        data.qpos[:], data.ctrl[:] = start, 0.3
        mujoco.mj_step(m, data, 50)
        models.append(data)
    for _ in range(50):
        scene.step()
    for env, data in enumerate(models):
        np.testing.assert_allclose(robot.get_qpos()[env], data.qpos, rtol=0, atol=TOLERANCE)
        np.testing.assert_allclose(robot.get_dofs_velocity()[env], data.qvel, rtol=0, atol=100 * TOLERANCE)
    assert np.abs(models[0].qpos - models[1].qpos).max() > 1e-4


def test_sites_of_the_world_belong_to_their_entities(tmp_path):
    (tmp_path / "arm.xml").write_text(MUSCLE_ARM)
    (tmp_path / "crank.xml").write_text(SLIDER_CRANK)
    scene = gs.Scene()
    morphs = gs.morphs.MJCF(file=tmp_path / "arm.xml", pos=(0, 1, 0)), gs.morphs.MJCF(file=tmp_path / "crank.xml")
    arm, crank = (scene.add_entity(morph, name=name) for morph, name in zip(morphs, ("arm", "crank"), strict=True))
    scene.build()
    alone = mujoco.MjModel.from_xml_string(MUSCLE_ARM)
    assert sorted(arm.site_names) == sorted(alone.site(k).name for k in range(alone.nsite))
    assert sorted(crank.site_names) == ["crank", "slider", "wall"]
    assert (arm.n_sites, crank.n_sites) == (alone.nsite, 3)
    lengths = mujoco.MjData(alone)
    mujoco.mj_forward(alone, lengths)
    np.testing.assert_allclose(arm.get_tendons_length(), lengths.ten_length, rtol=0, atol=TOLERANCE)
    crank.set_sites_offset_pos([[0.7, 0.0, 0.5]], [crank.site_names.index("wall")])
    expected = [alone.site(name).pos for name in arm.site_names]
    np.testing.assert_allclose(arm.get_sites_offset_pos(), expected, rtol=0, atol=TOLERANCE)


def test_an_insertion_and_a_pulley_are_found():
    """From a log of MuJoCo, of an arm whose spring is fixed elsewhere and runs over a larger pulley."""
    scene, arm = build(SPRING_ARM, constraints=True)
    model = copy.copy(scene.mj_model)
    insertion, pulley = (
        model.site(f"{arm.name}/insertion").id,
        model.geom(f"{arm.name}/pulley").id,
    )
    model.site_pos[insertion], model.geom_size[pulley, 0] = (0.12, 0.0, 0.025), 0.034
    model.site_sameframe[:] = 0
    data = mujoco.MjData(model)
    rng, noise = np.random.default_rng(0), (1e-4, 1e-3)
    q, v, u = (np.empty((200, 2)) for _ in range(3))
    for k in range(200):
        q[k], v[k] = data.qpos, data.qvel
        u[k] = 3 * np.sin(0.03 * k) + np.sin(0.11 * k), 1.5 * np.sin(0.06 * k)
        data.qfrc_applied[:] = u[k]
        mujoco.mj_step(model, data)
    measured = {
        f"{arm.name}.dofs_position": q + noise[0] * rng.standard_normal(q.shape),
        f"{arm.name}.dofs_velocity": v + noise[1] * rng.standard_normal(v.shape),
    }
    levels = dict(zip(measured, noise, strict=True))
    log = gs.tools.Log(0.005 * np.arange(200), measured, {arm.name: u}, noise=levels)
    names = [f"{arm.name}.sites_offset_pos[insertion]", f"{arm.name}.geoms_size[pulley]"]
    result = gs.tools.identify(scene, log, names)
    for name, true in ((f"{names[0]}.x", 0.12), (f"{names[0]}.z", 0.025), (f"{names[1]}.0", 0.034)):
        estimate = result[name]
        assert estimate.determined and estimate.error < 1e-3
        assert abs(estimate.value - true) < 4.5 * estimate.error, f"{name}: {estimate}"
    assert not result[f"{names[0]}.y"].determined  # across the plane in which all of it moves


WRONG = {
    "shape": (lambda r: r.set_sites_offset_pos([1.0, 2.0]), r"set_sites_offset_pos.*expected \(12, 3\)"),
    "NaN": (lambda r: r.set_sites_offset_pos(torch.full((12, 3), torch.nan)), "holds nan"),
    "index": (lambda r: r.set_sites_offset_pos([[0.0, 0, 0]], [12]), "`sites_idx_local` holds 12"),
    "no rotation": (lambda r: r.set_sites_offset_quat([[0.0] * 4], [2]), r"of site 'u3' .*length zero"),
    "no size": (lambda r: r.set_geoms_size([[0.0, 0, 0]], [1]), r"'elbow'\) is \[0.0\]; it must be above zero"),
    "neither": (lambda r: r.set_geoms_size([[0.1, 0.1, 0]], [0]), "touches nothing in this scene"),
}


@pytest.fixture(scope="module")
def arm():
    return build(MUSCLE_ARM, requires_grad=False)


@pytest.mark.parametrize("case", WRONG)
def test_errors_change_nothing(arm, case):
    scene, robot = arm
    theta = scene.world.theta.packed()
    call, message = WRONG[case]
    with pytest.raises(gs.GenesisException, match=message):
        call(robot)
    assert scene.world.theta.packed() is theta
