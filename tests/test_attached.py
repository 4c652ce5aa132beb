"""Entities that hang on links of others: one tree, as if one file had both."""

import mujoco
import numpy as np
import pytest
import torch

import genesis as gs
from tests.helpers import check_gradient

ARM = """
<mujoco><worldbody><body name="base" pos="0 0 .5"><geom type="box" size=".05 .05 .05" mass="1"/>
  <body name="upper"><joint name="shoulder" axis="0 1 0" damping=".1"/><geom type="capsule" size=".03" fromto="0 0 0 .3 0 0"/>
    <body name="side" pos="0 .1 0"><joint name="side" axis="1 0 0"/><geom type="sphere" size=".03"/></body>
    <body name="fore" pos=".3 0 0"><joint name="elbow" axis="0 1 0" damping=".1"/>
      <geom type="capsule" size=".02" fromto="0 0 0 .2 0 0"/><body name="flange" pos=".22 0 0"/>
    </body></body></body></worldbody></mujoco>"""
HAND = """
<mujoco><worldbody><body name="palm" pos="0 0 .3"><freejoint/><geom type="box" size=".03 .04 .02"/>
  <body name="finger" pos=".05 0 0"><joint name="grip" type="slide" axis="0 1 0" damping=".2" range="-.03 .03"/>
    <geom type="box" size=".03 .01 .01"/></body></body></worldbody>
  <actuator><position name="close" joint="grip" kp="20"/></actuator>
  <keyframe><key qpos="0 0 0 1 0 0 0 .01"/></keyframe></mujoco>"""
_HAND_BODY = """<body name="palm" pos=".01 0 .02" quat=".9 .1 .2 .3"><geom type="box" size=".03 .04 .02"/>
  <body name="finger" pos=".05 0 0"><joint name="grip" type="slide" axis="0 1 0" damping=".2" range="-.03 .03"/>
    <geom type="box" size=".03 .01 .01"/></body></body>"""
POS, QUAT = (0.01, 0, 0.02), (0.9, 0.1, 0.2, 0.3)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("attached")
    for name, text in (
        ("arm", ARM),
        ("hand", HAND),
        (
            "both",
            ARM.replace(
                '<body name="flange" pos=".22 0 0"/>', f'<body name="flange" pos=".22 0 0">{_HAND_BODY}</body>'
            ),
        ),
    ):
        (folder / f"{name}.xml").write_text(text)
    return folder


def parts(files, **options):
    scene = gs.Scene(sim_options=gs.options.SimOptions(dt=0.005, requires_grad=True), **options)
    arm = scene.add_entity(gs.morphs.MJCF(file=str(files / "arm.xml")), name="arm")
    hand = scene.add_entity(gs.morphs.MJCF(file=str(files / "hand.xml"), pos=(0, 0, 0.1)), name="hand")
    return scene, arm, hand


@pytest.fixture(scope="module")
def mounted(files):
    scene, arm, hand = parts(files)
    hand.attach(arm, "flange", pos=POS, quat=QUAT)
    box = scene.add_entity(gs.morphs.Box(size=(0.1, 0.1, 0.1), pos=(1, 0, 0.5)))
    scene.build(n_envs=2)
    return scene, arm, hand, box


def test_is_one_tree(mounted):
    scene, arm, hand, box = mounted
    assert hand.is_attached and not arm.is_attached and not hand.is_free
    assert [entity.n_dofs for entity in (arm, hand, box)] == [3, 1, 6]
    assert hand.base_link.parent_idx == arm.get_link("flange").idx and hand.base_link.parent_idx_local == -1
    assert arm.get_link("flange").child_idxs == [hand.base_link.idx]
    assert not hand.base_link.is_fixed and arm.base_link.is_fixed
    assert [link.idx for link in scene.rigid_solver.links] == list(range(scene.rigid_solver.n_links))


def test_moves_as_one_file(mounted, files):
    scene, arm, hand, _ = mounted
    model = mujoco.MjModel.from_xml_path(str(files / "both.xml"))
    model.opt.timestep = 0.005
    data = mujoco.MjData(model)
    scene.reset()
    arm.set_dofs_velocity([1.0, -2.0, 0.5])
    data.qvel[:3] = [1.0, -2.0, 0.5]
    for t in range(100):
        arm.control_dofs_force([0.3, 0.01, np.sin(0.1 * t)])
        hand.control_dofs_force([0.1])
        data.qfrc_applied[:] = [0.3, 0.01, np.sin(0.1 * t), 0.1]
        mujoco.mj_step(model, data)
        scene.step()
    found = torch.cat([arm.get_qpos(), hand.get_qpos()], 1)
    assert abs(found.detach().numpy() - data.qpos).max() < 1e-9


def test_gradient_through_both(mounted):
    scene, arm, hand, _ = mounted

    def fn(force, mount):
        scene.reset()
        hand.set_links_offset_pos(mount[None], [0])
        for _ in range(5):
            arm.control_dofs_force(force[:3])
            hand.control_dofs_force(force[3:])
            scene.step()
        return hand.get_pos(), arm.get_qpos(), hand.get_qpos()

    check_gradient(fn, torch.tensor([0.3, 0.1, -0.2, 0.1]), torch.tensor(POS))


def test_morph_says_where(files):
    """Without pos and quat, what morph and file say is meant in the carrier's frame."""
    scene, arm, hand = parts(files)
    scene.link_entities(arm, hand, "flange", "palm")
    scene.build()
    flange = arm.get_link("flange").get_pos()
    assert (hand.get_pos() - flange - torch.tensor([0.0, 0.0, 0.4])).abs().max() < 1e-12


def test_last_link_and_chains(files):
    scene, arm, hand = parts(files)
    hand.attach(arm)
    tip = scene.add_entity(gs.morphs.Sphere(radius=0.01))
    tip.attach(hand, "finger", pos=(0.1, 0, 0))
    scene.build()
    assert tip.base_link.parent_idx == hand.get_link("finger").idx
    assert hand.base_link.parent_idx == arm.get_link("flange").idx and tip.n_dofs == 0


def refused(files, expected, change):
    scene, arm, hand = parts(files)
    with pytest.raises(gs.GenesisException, match=expected):
        change(scene, arm, hand)
        scene.build()


def test_bad_attachments(files):
    refused(files, "has no link 'flagne'.*Did you mean 'flange'", lambda s, a, h: h.attach(a, "flagne"))
    refused(files, "the branch of 'fore' comes after it", lambda s, a, h: h.attach(a, "side"))
    refused(files, "cannot be attached to itself", lambda s, a, h: h.attach(h))
    refused(files, "was added after", lambda s, a, h: a.attach(h))
    refused(files, "expected a rigid entity of this scene", lambda s, a, h: h.attach("arm"))
    refused(files, "`pos` is .* expected 3 finite numbers", lambda s, a, h: h.attach(a, pos=(1, 2)))
    refused(files, "`quat` has length zero", lambda s, a, h: h.attach(a, quat=(0, 0, 0, 0)))
    refused(
        files, "an entity hangs on its base link, 'palm'", lambda s, a, h: s.link_entities(a, h, "flange", "finger")
    )

    def twice(scene, arm, hand):
        hand.attach(arm)
        hand.attach(arm)

    refused(files, "attached to 'arm' already", twice)

    def apart(scene, arm, hand):
        ball = scene.add_entity(gs.morphs.Sphere(radius=0.1))
        ball.attach(arm)

    refused(files, "'hand' was added between them", apart)

    def late(scene, arm, hand):
        scene.build()
        hand.attach(arm)

    refused(files, "the scene is built already", late)
