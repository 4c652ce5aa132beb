"""`entity.to_urdf()`: what is loaded again moves as the entity does, with the parameters in force."""

import mujoco
import numpy as np
import pytest
import torch

import genesis as gs
from tests.mechanisms import HAND, MIMIC_URDF
from tests.scenes import PANDA, build

# Angles that go through roll, pitch and yaw, and inertias through principal axes, in 64 bits; a hundred steps.
TOLERANCE = 1e-9
# Anchors off the origins, a ref, frames at the gimbal's lock, a massless frame, shapes of every kind; on a free base.
CREATURE = """
<mujoco><compiler autolimits="true"/><option timestep="0.002" integrator="implicitfast"/>
<asset><mesh name="tet" vertex="0 0 0 .1 0 0 0 .1 0 0 0 .2" refpos=".01 0 0"/></asset><worldbody>
<body name="trunk" pos="1 2 .5" euler="10 20 30"><freejoint/><geom name="trunk" type="box" size=".1 .2 .05"/>
  <geom name="paint" type="capsule" size=".02" fromto="0 0 0 .1 .1 .1" contype="0" conaffinity="0" mass="0" rgba="1 .5 0 1"/>
  <body name="hip" pos=".1 0 0" euler="0 90 20"><joint name="hip" axis="1 2 0" pos=".01 .02 -.03" range="-40 70" damping=".2"/>
    <geom name="hip" type="cylinder" size=".03 .1" pos="0 0 .05" euler="0 30 0"/>
    <body name="frame" pos="0 .1 0" euler="0 -90 0"><body name="knee" pos="0 0 .2">
      <joint name="knee" axis="0 1 0" ref="20" frictionloss=".03" actuatorfrcrange="-3 3"/><geom name="knee" type="mesh" mesh="tet"/>
      </body></body></body>
  <body name="rail" pos="0 .2 0"><joint name="rail" type="slide" axis="0 1 1" ref=".02" range="-.1 .2" pos="0 .01 0"/>
    <geom name="rail" type="sphere" size=".05"/></body></body></worldbody>
<equality><joint joint1="rail" joint2="hip" polycoef=".01 .1 0 0 0"/></equality></mujoco>"""


# What no file says: which links touch each other; and the softness of constraints is that of the masses in force.
ALONE = {"enable_self_collision": False, "inverse_weights": "follow"}


def again(robot, path, **morph):
    """The scene of the file that the entity writes, alone; stepped as the entity's own."""
    robot.to_urdf(path / "again.urdf")
    scene = gs.Scene(
        sim_options=gs.options.SimOptions(dt=robot.scene.dt),
        rigid_options=gs.options.RigidOptions(integrator=gs.integrator.implicitfast, **ALONE),
    )
    copied = scene.add_entity(gs.morphs.URDF(file=path / "again.urdf", **morph), name="copy")
    scene.build()
    return scene, copied


def dynamics(scene, robot, qpos, qvel):
    """M and bias of MuJoCo's model, with the parameters in force, by the entity's dofs."""
    m = mujoco.MjModel.from_xml_string(scene.to_mjcf())
    data, M = mujoco.MjData(m), np.zeros((m.nv, m.nv))
    data.qpos, data.qvel = qpos, qvel
    mujoco.mj_forward(m, data)
    mujoco.mj_fullM(m, data, M)
    dofs = slice(robot.dof_start, robot.dof_end)
    return M[dofs, dofs], data.qfrc_bias[dofs]


def assert_same(scene, robot, other_scene, other, n_steps=100):
    """Of the same joints in the same order: M, bias, and the motion after ``n_steps`` under the same forces."""
    assert [j.name for j in robot.joints if j.n_dofs == 1] == [j.name for j in other.joints if j.n_dofs == 1]
    rng = np.random.default_rng(0)
    qpos = robot.get_qpos().sceneless().detach().clone()
    turning = qpos[7:] if robot.n_qs > robot.n_dofs else qpos
    turning += torch.tensor(0.2 * rng.standard_normal(turning.shape[0]))
    velocity, force = (torch.tensor(a * rng.standard_normal(robot.n_dofs)) for a in (0.5, 0.5))
    one, two = (dynamics(*pair, qpos, velocity) for pair in ((scene, robot), (other_scene, other)))
    for found, expected in zip(one, two, strict=True):
        np.testing.assert_allclose(found, expected, rtol=0, atol=TOLERANCE * np.abs(expected).max())
    for entity in (robot, other):
        entity.set_qpos(qpos)
        entity.set_dofs_velocity(velocity)
        entity.control_dofs_force(force)
    for _ in range(n_steps):
        scene.step()
        other_scene.step()
    for read in ("get_qpos", "get_dofs_velocity"):
        found, expected = (getattr(e, read)().sceneless().detach() for e in (robot, other))
        torch.testing.assert_close(found, expected, rtol=0, atol=TOLERANCE * (1 + expected.abs().max().item()))


def perturb(robot, rng):
    """Parameters of every kind that a URDF can say."""
    for name, amount in (("links_mass", 0.1), ("links_inertia", 0.0), ("links_COM", 0.01), ("joints_anchor", 0.01)):
        value = getattr(robot, f"get_{name}")().sceneless().detach()
        noise = torch.tensor(rng.uniform(-1, 1, tuple(value.shape)))
        getattr(robot, f"set_{name}")(value * 1.1 if name == "links_inertia" else value * (1 + amount * noise))
    single = [k for joint in robot.joints if joint.n_dofs == 1 for k in joint.dofs_idx_local]
    robot.set_dofs_damping(torch.tensor(rng.uniform(0.1, 0.2, len(single))), single)
    robot.set_joints_axis(robot.get_joints_axis().sceneless().detach() + 0.1)
    links = list(range(1, robot.n_links))
    pos = robot.get_links_offset_pos(links).sceneless().detach()
    robot.set_links_offset_pos(pos + 0.01 * torch.tensor(rng.uniform(-1, 1, tuple(pos.shape))), links)
    turned = robot.get_links_offset_quat(links).sceneless().detach()
    robot.set_links_offset_quat(turned + 0.1 * torch.tensor(rng.uniform(-1, 1, tuple(turned.shape))), links)


@pytest.mark.parametrize("changed", [False, True], ids=["as built", "other parameters"])
def test_a_creature(changed, tmp_path):
    source = CREATURE.replace('ref="20"', "").replace('ref=".02"', "")
    scene, robot = build(source, constraints=True, requires_grad=False, rigid_options=ALONE)
    if changed:
        perturb(robot, np.random.default_rng(1))
    other_scene, other = again(robot, tmp_path)
    assert_same(scene, robot, other_scene, other)
    assert (tmp_path / "again_meshes" / "tet.obj").exists()
    for field in ("links_mass", "dofs_frictionloss"):
        found, expected = (getattr(entity, f"get_{field}")().sceneless() for entity in (other, robot))
        torch.testing.assert_close(found, expected, rtol=1e-12, atol=0)
    for end, expected in zip(other.get_dofs_limit(), robot.get_dofs_limit(), strict=True):
        torch.testing.assert_close(end.sceneless(), expected.sceneless(), rtol=0, atol=1e-12)
    lower, upper = other.get_dofs_force_range()
    assert [lower[-2].item(), upper[-2].item()] == [-3, 3]


def test_shapes_are_where_they_were(tmp_path):
    """With joints whose files begin elsewhere than at 0, which is also where MuJoCo takes the softness of constraints."""
    scene, robot = build(CREATURE, constraints=True, requires_grad=False)
    other_scene, other = again(robot, tmp_path)
    assert_same(scene, robot, other_scene, other, n_steps=0)
    start = torch.zeros(robot.n_qs)
    start[3] = 1
    found = []
    for one_scene in (scene, other_scene):
        m = one_scene.mj_model
        data = mujoco.MjData(m)
        data.qpos = start
        mujoco.mj_kinematics(m, data)
        geoms = {m.geom(g).name.split("/")[1]: g for g in range(m.ngeom)}
        found.append(
            {name: (data.geom_xpos[g], data.geom_xmat[g].reshape(3, 3), m.geom_rgba[g]) for name, g in geoms.items()}
        )
        # MuJoCo moves the frame of a mesh as the mesh shall have its mass: its corners stay
        pos, mat, _ = found[-1].pop("knee")
        corners = m.mesh_vert @ mat.T + pos
        found[-1]["knee"] = (corners[np.lexsort(np.round(corners.T, 4))], np.eye(3), np.zeros(4))
    assert found[0].keys() == found[1].keys()
    for name in found[0]:
        for k in range(2):
            np.testing.assert_allclose(found[0][name][k], found[1][name][k], rtol=0, atol=1e-7)
    np.testing.assert_allclose(found[1]["paint"][2], [1, 0.5, 0, 1], rtol=0, atol=1e-6)


@pytest.mark.parametrize("source", [PANDA, "mimic"])
def test_urdf_files(source, tmp_path):
    if source == "mimic":
        source = str(tmp_path / "robot.urdf")
        (tmp_path / "robot.urdf").write_text(MIMIC_URDF)
    scene, robot = build(source, integrator="implicitfast", constraints=True, requires_grad=False, rigid_options=ALONE)
    other_scene, other = again(robot, tmp_path)
    assert_same(scene, robot, other_scene, other)


def test_a_fixed_base_stands_where_the_entity_does(tmp_path):
    scene = gs.Scene(gs.options.SimOptions(dt=0.005), gs.options.RigidOptions(integrator=gs.integrator.implicitfast))
    pose = {"pos": (1, 2, 3), "euler": (10, 20, 30)}
    robot = scene.add_entity(gs.morphs.URDF(file=PANDA, fixed=True, **pose), name="panda")
    scene.build(n_envs=2)
    mass = robot.get_links_mass().sceneless().detach()
    mass[1] *= 1.2
    robot.set_links_mass(mass)
    with pytest.raises(gs.GenesisException, match=r"panda\.to_urdf: parameters differ between envs"):
        robot.to_urdf(tmp_path / "panda.urdf")
    robot.to_urdf(tmp_path / "panda.urdf", env=1)
    other_scene = gs.Scene(gs.options.SimOptions(dt=0.005))
    other = other_scene.add_entity(gs.morphs.URDF(file=tmp_path / "panda.urdf", **pose))
    other_scene.build()
    torch.testing.assert_close(other.get_links_mass().sceneless(), mass[1], rtol=1e-12, atol=0)
    there = robot.get_links_pos().sceneless()[1]
    torch.testing.assert_close(other.get_links_pos().sceneless(), there, rtol=0, atol=TOLERANCE)


UNSAID = {
    "tendons": (HAND, r"- actuators: .*\n- tendons: .*flex.*\n- equality constraints other than <mimic>"),
    "ball": (
        '<mujoco><worldbody><body name="a"><joint name="b" type="ball" stiffness="1"/><geom size="1"/></body></worldbody></mujoco>',
        r"- ball joints: b\n- springs of joints: b$",
    ),
    "two joints": (
        '<mujoco><worldbody><body name="a"><joint name="x" armature=".1"/><joint name="y"/><geom size="1" friction=".1"/></body>'
        "</worldbody></mujoco>",
        r"- links with several joints: a\n- all joints of a link but its last: x\n- armature of joints: x\n- contact parameters of geoms: geom0",
    ),
    "shapes": (
        '<mujoco><worldbody><geom name="floor" type="plane" size="1 1 1"/><body gravcomp="1"><freejoint/>'
        '<geom name="egg" type="ellipsoid" size="1 1 2"/></body></worldbody></mujoco>',
        r"- gravity compensation: link0\n- planes: floor\n- ellipsoids: egg",
    ),
}


@pytest.mark.parametrize("case", UNSAID)
def test_what_urdf_cannot_say(case, tmp_path, caplog):
    source, message = UNSAID[case]
    _, robot = build(source, constraints=True, requires_grad=False)
    path = tmp_path / "robot.urdf"
    with pytest.raises(
        gs.GenesisException, match=r"to_urdf: URDF cannot say \(lossy=True leaves it out\):\n(.*\n)*" + message
    ):
        robot.to_urdf(path)
    assert not path.exists()
    robot.to_urdf(path, lossy=True)
    assert "leaves out what URDF cannot say" in caplog.text
    scene = gs.Scene()
    other = scene.add_entity(gs.morphs.URDF(file=path))
    scene.build()
    assert other.get_mass().item() == pytest.approx(robot.get_mass().item())


def test_paths_that_cannot_be_written(tmp_path):
    _, robot = build(CREATURE, requires_grad=False)
    for wrong in (3, tmp_path, tmp_path / "no" / "robot.urdf"):
        with pytest.raises(gs.GenesisException, match=r"to_urdf: "):
            robot.to_urdf(wrong)


def test_a_joint_that_is_left_out_mimics_nothing(tmp_path, caplog):
    source = (
        '<mujoco><worldbody><body name="base"><geom size=".1"/><body name="a"><joint name="j1"/>'
        '<joint name="j2" axis="0 1 0"/><geom size=".1"/><body name="b" pos="0 0 .3"><joint name="j3" axis="0 1 0"/>'
        '<geom size=".1"/></body></body></body></worldbody><equality>'
        '<joint name="lost" joint1="j3" joint2="j1" polycoef="0 .5 0 0 0"/></equality></mujoco>'
    )
    _, robot = build(source)
    with caplog.at_level("WARNING", logger="genesis"):
        robot.to_urdf(tmp_path / "a.urdf", lossy=True)
    told = caplog.text
    assert "all joints of a link but its last: j1" in told and "joints that are left out: lost" in told
    assert "mimic" not in (tmp_path / "a.urdf").read_text()
    with pytest.raises(gs.GenesisException, match="all joints of a link but its last: j1"):
        robot.to_urdf(tmp_path / "b.urdf")
