"""URDF links that fixed joints hold, merged into those that hold them: the motion is the same, and names say what became
of what."""

import mujoco
import numpy as np
import pytest

import genesis as gs
from genesis.model import fixed_links
from genesis.model.urdf import merged_links
from tests.shape_scenes import ROBOTS

# Two models of the same robot differ by how the sums of masses and the Euler angles of poses are rounded; 50 steps of
# up to 10 rad/s let that grow to about 1e-12.
SAME_MOTION = 1e-9

# Fixed joints in a row, between siblings that move, and turned to where roll and yaw are one axis.
TREE = """
<robot name="tree">
  <link name="base"><inertial><origin xyz=".01 0 .02"/><mass value="2"/>
    <inertia ixx=".02" iyy=".03" izz=".04" ixy=".001" ixz="0" iyz="-.002"/></inertial></link>
  <joint name="first" type="revolute"><parent link="base"/><child link="left"/><origin xyz="0 .1 0"/><axis xyz="0 0 1"/>
    <limit lower="-2" upper="2" effort="50" velocity="1"/></joint>
  <link name="left"><inertial><origin xyz=".1 0 0"/><mass value=".5"/>
    <inertia ixx=".001" iyy=".002" izz=".002" ixy="0" ixz="0" iyz="0"/></inertial></link>
  <joint name="mount" type="fixed"><parent link="base"/><child link="tower"/>
    <origin xyz="0 0 .3" rpy=".4 1.5707963267948966 -.7"/></joint>
  <link name="tower"><inertial><origin xyz="0 .1 0" rpy=".2 .3 .4"/><mass value="1"/>
    <inertia ixx=".01" iyy=".005" izz=".008" ixy="0" ixz=".001" iyz="0"/></inertial>
    <collision><origin xyz=".2 0 0" rpy="0 .5 0"/><geometry><box size=".1 .2 .3"/></geometry></collision></link>
  <joint name="top" type="fixed"><parent link="tower"/><child link="mast"/><origin xyz=".1 .05 0" rpy="1 .2 .3"/></joint>
  <link name="mast"><collision><origin xyz="0 0 .1"/><geometry><sphere radius=".05"/></geometry></collision></link>
  <joint name="second" type="revolute"><parent link="mast"/><child link="arm"/><origin xyz="0 0 .2" rpy=".1 -.3 .2"/>
    <axis xyz="1 0 .5"/><limit lower="-2" upper="2" effort="50" velocity="1"/></joint>
  <link name="arm"><inertial><origin xyz="0 0 .2"/><mass value=".4"/>
    <inertia ixx=".003" iyy=".003" izz=".001" ixy="0" ixz="0" iyz="0"/></inertial></link>
  <joint name="third" type="prismatic"><parent link="base"/><child link="right"/><origin xyz="0 -.1 0"/><axis xyz="0 1 0"/>
    <limit lower="-.1" upper=".1" effort="50" velocity="1"/></joint>
  <link name="right"><inertial><mass value=".3"/>
    <inertia ixx=".001" iyy=".001" izz=".001" ixy="0" ixz="0" iyz="0"/></inertial></link>
  <joint name="end" type="fixed"><parent link="arm"/><child link="tip"/><origin xyz="0 0 .4"/></joint>
  <link name="tip"/>
</robot>"""


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    path = tmp_path_factory.mktemp("tree") / "tree.urdf"
    path.write_text(TREE)
    return path


def run(file, merge, keep=(), fixed=False, n_steps=50):
    """(positions of dofs over time, entity)."""
    scene = gs.Scene(
        sim_options=gs.options.SimOptions(dt=0.005), rigid_options=gs.options.RigidOptions(enable_collision=False)
    )
    morph = gs.morphs.URDF(file=str(file), fixed=fixed, merge_fixed_links=merge, links_to_keep=keep)
    robot = scene.add_entity(morph)
    scene.build()
    rng = np.random.default_rng(0)
    robot.set_dofs_velocity(0.5 * rng.standard_normal(robot.n_dofs))
    path = []
    for _ in range(n_steps):
        robot.control_dofs_force(rng.uniform(-1, 1, robot.n_dofs))
        scene.step()
        path.append(robot.get_qpos().numpy())
    return np.stack(path), robot


@pytest.mark.parametrize("keep", [(), ("mast",), ("tower", "tip")])
def test_motion_is_the_same(tree, keep):
    apart, whole = run(tree, merge=False)
    path, robot = run(tree, merge=True, keep=keep)
    assert [joint.name for joint in robot.joints] == [joint.name for joint in whole.joints]
    assert abs(path - apart).max() < SAME_MOTION
    names = {link.name for link in robot.links}
    assert names == {"base", "left", "arm", "right", *keep}
    assert abs(float(robot.get_mass()) - float(whole.get_mass())) < 1e-12
    for name in names:
        assert abs(robot.get_link(name).get_pos().numpy() - whole.get_link(name).get_pos().numpy()).max() < SAME_MOTION


@pytest.mark.parametrize(
    "name, fixed",
    [
        ("ur_description/urdf/ur5_robot.urdf", True),
        ("panda_description/urdf/panda.urdf", True),
        ("talos_data/robots/talos_reduced.urdf", False),
    ],
)
def test_motion_of_public_robots_is_the_same(name, fixed):
    file = ROBOTS / name
    apart, whole = run(file, merge=False, fixed=fixed, n_steps=20)
    path, robot = run(file, merge=True, fixed=fixed, n_steps=20)
    assert [joint.name for joint in robot.joints] == [joint.name for joint in whole.joints]
    assert robot.n_links < whole.n_links
    assert abs(path - apart).max() < SAME_MOTION


def test_shapes_go_along(tree):
    def places(merge):
        scene = gs.Scene()
        robot = scene.add_entity(gs.morphs.URDF(file=str(tree), merge_fixed_links=merge))
        scene.build()
        data = mujoco.MjData(scene.mj_model)
        mujoco.mj_forward(scene.mj_model, data)
        return robot, np.concatenate([data.geom_xpos, data.geom_xmat], 1)

    (merged, there), (_, before) = places(True), places(False)
    assert [geom.link.name for geom in merged.geoms] == ["base", "base"]
    assert abs(there - before).max() < 1e-12


def test_names_of_merged_links(tree):
    _, robot = run(tree, merge=True, n_steps=1)
    with pytest.raises(
        gs.GenesisException, match=r"no link 'mast'\. It was merged into 'base' .*links_to_keep=\('mast',\)"
    ):
        robot.get_link("mast")
    assert merged_links(tree, ["tower"]) == {"mast": "tower", "tip": "arm"}
    with pytest.raises(gs.GenesisException, match="links_to_keep: there is no link 'towre'"):
        run(tree, merge=True, keep=("towre",))


def test_links_on_the_world_stay(tmp_path):
    path = tmp_path / "hung.urdf"
    path.write_text(
        TREE.replace('<link name="base">', '<link name="world"/><link name="base">').replace(
            "</robot>",
            '<joint name="hang" type="fixed"><parent link="world"/><child link="base"/></joint></robot>',
        )
    )
    _, robot = run(path, merge=True, n_steps=1)
    assert robot.links[0].name == "base" and robot.get_link("base").is_fixed


@pytest.mark.parametrize("pitch", [0.3, np.pi / 2, -np.pi / 2, np.pi / 2 - 1e-9, 2.0])
def test_angles_of_a_rotation(pitch):
    turn = fixed_links._turn
    rot = turn(2, -2.1) @ turn(1, pitch) @ turn(0, 0.7)
    roll, found, yaw = fixed_links._angles(rot)
    assert abs(turn(2, yaw) @ turn(1, found) @ turn(0, roll) - rot).max() < 1e-15
