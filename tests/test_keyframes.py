"""Keyframes: `scene.reset(keyframe=...)` and `entity.get_keyframe(...)`, beside MuJoCo's own."""

import mujoco
import numpy as np
import pytest
import torch

import genesis as gs

ROBOT = """
<mujoco><worldbody>
  <body name="hull" pos="0 0 1"><freejoint/><geom size=".1"/>
    <body name="arm" pos="0 0 .2"><joint name="turn" axis="0 1 0"/><geom type="capsule" size=".03" fromto="0 0 0 .3 0 0"/>
      <body pos=".3 0 0"><joint name="push" type="slide" axis="1 0 0"/><geom size=".05"/></body></body></body>
</worldbody>
<actuator><position name="hold" joint="turn" kp="30" kv="2"/><general name="slow" joint="push" dyntype="filter" dynprm=".1"/></actuator>
<keyframe>
  <key name="home" qpos=".1 .2 .5 .9 .1 .2 .3 .4 .05" qvel=".1 .2 .3 .4 .5 .6 .7 .8" act=".3" ctrl=".5 -.2"/>
  <key name="bare"/><key qpos="0 0 2 1 0 0 0 0 0"/>
</keyframe></mujoco>"""


def build(tmp_path, n_envs=0, **pose):
    (tmp_path / "robot.xml").write_text(ROBOT)
    scene = gs.Scene(sim_options=gs.options.SimOptions(dt=0.002, requires_grad=True))
    block = scene.add_entity(gs.morphs.Box(size=(0.2, 0.2, 0.2), pos=(5, 0, 3)), name="block")
    robot = scene.add_entity(gs.morphs.MJCF(file=tmp_path / "robot.xml", **pose), name="robot")
    scene.build(n_envs=n_envs)
    return scene, block, robot


def test_a_scene_goes_to_a_keyframe_as_mujoco_does(tmp_path):
    scene, _block, robot = build(tmp_path)
    assert robot.keyframe_names == ["home", "bare", "key2"]
    model = scene.mj_model
    data = mujoco.MjData(model)
    mujoco.mj_resetDataKeyframe(model, data, model.key("robot/home").id)
    scene.step()
    scene.reset(keyframe="home")
    assert scene.cur_step == 0
    for _ in range(20):
        mujoco.mj_step(model, data)
        scene.step()
    expected = np.concatenate([data.qpos, data.qvel, data.act])
    np.testing.assert_allclose(scene.world.state[0].detach(), expected, rtol=1e-11, atol=1e-11)


def test_the_numbers_of_one_entity(tmp_path):
    _scene, block, robot = build(tmp_path)
    home = robot.get_keyframe("home")
    assert home.name == "home"
    quat = np.array([0.9, 0.1, 0.2, 0.3])
    assert home.qpos.tolist() == pytest.approx([0.1, 0.2, 0.5, *quat / np.linalg.norm(quat), 0.4, 0.05])
    assert home.qvel.tolist() == pytest.approx([0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8])
    assert (home.act.tolist(), home.ctrl.tolist()) == ([0.3], [0.5, -0.2])
    assert block.keyframe_names == []
    with pytest.raises(
        gs.GenesisException, match=r"block.get_keyframe.* 'block' has no keyframe 'home'; there are none"
    ):
        block.get_keyframe("home")
    with pytest.raises(gs.GenesisException, match=r"did you mean 'home'\? There are: home, bare, key2"):
        robot.get_keyframe("hone")
    with pytest.raises(gs.GenesisException, match=r"There are: home, bare, key2"):
        robot.get_keyframe(3)


@pytest.mark.parametrize("scale", [1.0, 1.5])
def test_a_free_base_is_moved_with_its_entity(tmp_path, scale):
    """What the file says is seen from the frame in which the entity lies."""
    pose = {"pos": (1.0, 2.0, 0.5), "euler": (10, 20, 90), "scale": scale}
    plain, _, there = build(tmp_path, scale=scale)
    moved, block, robot = build(tmp_path, **pose)
    plain.reset(keyframe="home")
    moved.reset(keyframe="home")
    quat = torch.as_tensor(robot.morph.orientation)
    matrix = np.zeros(9)
    mujoco.mju_quat2Mat(matrix, quat.numpy())
    turn = torch.as_tensor(matrix.reshape(3, 3))
    expected = there.get_links_pos().detach() @ turn.T + torch.tensor(pose["pos"])
    np.testing.assert_allclose(robot.get_links_pos().detach(), expected, rtol=0, atol=1e-12)
    expected = there.get_links_vel().detach() @ turn.T
    np.testing.assert_allclose(robot.get_links_vel().detach(), expected, rtol=0, atol=1e-12)
    assert block.get_pos().tolist() == [5, 0, 3]
    moved.reset(keyframe="bare")
    np.testing.assert_allclose(robot.get_qpos().detach(), moved.mj_model.qpos0[robot.q_start : robot.q_end])


def test_some_envs_only(tmp_path):
    scene, _block, robot = build(tmp_path, n_envs=3)
    for _ in range(3):
        scene.step()
    before = robot.get_qpos().detach().clone()
    scene.reset(keyframe="home", envs_idx=[1])
    now = robot.get_qpos().detach()
    torch.testing.assert_close(now[1], robot.get_keyframe("home").qpos, check_dtype=False)
    assert torch.equal(now[[0, 2]], before[[0, 2]])
    assert scene.world.commands.command.switches.actuators_on.tolist() == [[0, 0], [1, 1], [0, 0]]


def test_what_is_refused(tmp_path):
    scene, _block, robot = build(tmp_path)
    scene.step()
    before = robot.get_qpos()
    with pytest.raises(
        gs.GenesisException, match=r"no entity has a keyframe 'stand'; .*home of 'robot', bare of 'robot'"
    ):
        scene.reset(keyframe="stand")
    with pytest.raises(gs.GenesisException, match=r"`state` and `keyframe` are given"):
        scene.reset(scene.get_state(), keyframe="home")
    assert torch.equal(robot.get_qpos(), before)


def test_a_keyframe_beyond_all_that_moves(tmp_path):
    path = tmp_path / "far.xml"
    path.write_text(
        '<mujoco><worldbody><body><joint type="slide"/><geom size=".1"/></body></worldbody>'
        '<keyframe><key name="far" qpos="1e50"/></keyframe></mujoco>'
    )
    scene = gs.Scene()
    robot = scene.add_entity(gs.morphs.MJCF(file=str(path)))
    scene.build()
    with pytest.raises(gs.GenesisException, match=r"`keyframe 'far'` holds 1e\+50"):
        scene.reset(keyframe="far")
    assert robot.get_qpos().item() == 0.0
