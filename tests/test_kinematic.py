"""Ghosts: they stay where they are put, touch nothing, and change nothing of the others' motion."""

import pytest
import torch

import genesis as gs
from genesis.entities.kinematic_entity import KinematicEntity
from tests.entities.worlds import ARM
from tests.helpers import check_gradient


@pytest.fixture(scope="module")
def arm_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("ghost") / "arm.xml"
    path.write_text(ARM)
    return str(path)


def built(arm_file, ghosts, n_envs=2):
    scene = gs.Scene(sim_options=gs.options.SimOptions(dt=0.01, requires_grad=True))
    scene.add_entity(gs.morphs.Plane())
    made = []
    if ghosts:
        material = gs.materials.Kinematic()
        made.append(scene.add_entity(gs.morphs.MJCF(file=arm_file), material=material, name="ghost"))
    box = scene.add_entity(gs.morphs.Box(size=(0.2, 0.2, 0.2), pos=(0, 0, 0.3)), name="box")
    if ghosts:
        made.append(scene.add_entity(gs.morphs.Box(size=(0.4, 0.4, 0.4), pos=(0, 0, 0.2)), material=material))
    scene.build(n_envs=n_envs)
    return scene, box, *made


@pytest.fixture(scope="module")
def haunted(arm_file):
    return built(arm_file, True)


def test_changes_no_motion(haunted, arm_file):
    scene, box, arm, block = haunted
    alone, other = built(arm_file, False)
    scene.reset()
    arm.set_dofs_position([0.5, 0.4, 0.1])
    before = arm.get_qpos().clone(), block.get_pos().clone()
    for _ in range(60):
        scene.step()
        alone.step()
    assert torch.equal(box.get_qpos().sceneless(), other.get_qpos().sceneless())
    assert torch.equal(arm.get_qpos(), before[0]) and torch.equal(block.get_pos(), before[1])
    assert abs(float(box.get_pos()[0, 2]) - 0.1) < 1e-3  # it fell through the ghost onto the plane


def test_is_put_and_read(haunted):
    scene, box, arm, block = haunted
    assert isinstance(arm, KinematicEntity) and arm.is_kinematic and not box.is_kinematic
    assert scene.entities == [scene.get_entity("plane_0"), box] and scene.kinematic_entities == [arm, block]
    assert scene.get_entity("ghost") is arm and [arm.idx, block.idx] == [2, 3]
    assert scene.rigid_solver.n_links == 2 and arm.n_dofs == 3 and arm.get_joint("elbow").dofs_idx_local == [1]
    block.set_pos([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
    block.set_quat([0.0, 1.0, 0.0, 0.0], envs_idx=[1])
    assert block.get_pos().tolist() == [[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]
    assert block.get_quat()[1].tolist() == [0.0, 1.0, 0.0, 0.0]
    scene.reset(envs_idx=[0])
    assert block.get_pos()[:, 2].tolist() == [0.2, 6.0]
    scene.reset()
    assert block.get_pos()[:, 2].tolist() == [0.2, 0.2]


def test_gradient_of_a_pose(haunted):
    scene, _, arm, _ = haunted

    def fn(q):
        arm.set_qpos(q)
        scene.step()
        return arm.get_links_pos(), arm.get_link("tool").get_quat()

    check_gradient(fn, torch.tensor([0.3, -0.2, 0.05]))


@pytest.mark.parametrize(
    "method, argument",
    [
        ("control_dofs_position", [0.0, 0.0, 0.0]),
        ("apply_links_external_force", [[0.0, 0.0, 1.0]]),
        ("set_dofs_kp", [1.0, 1.0, 1.0]),
        ("set_mass", 2.0),
        ("set_friction", 0.5),
        ("get_contacts", None),
        ("attach", None),
    ],
)
def test_without_physics(haunted, method, argument):
    _, _, arm, _ = haunted
    with pytest.raises(gs.GenesisException, match=rf"ghost\.{method}: the entity is kinematic"):
        getattr(arm, method)(argument)


def test_before_build_and_bad_input(arm_file):
    scene = gs.Scene()
    ghost = scene.add_entity(gs.morphs.Box(size=(1, 1, 1)), material=gs.materials.Kinematic())
    with pytest.raises(gs.GenesisException, match="needs the built scene"):
        ghost.get_pos()
    box = scene.add_entity(gs.morphs.Box(size=(1, 1, 1)))
    with pytest.raises(gs.GenesisException, match="expected a rigid entity of this scene"):
        box.attach(ghost)
    with pytest.raises(gs.GenesisException, match="rays of sensors meet"):
        gs.materials.Kinematic(use_visual_raycasting=True)
    with pytest.raises(gs.GenesisException, match=r"expected gs\.materials\.Rigid"):
        scene.add_entity(gs.morphs.Box(size=(1, 1, 1)), material="ghost")
    scene.build()
    with pytest.raises(gs.GenesisException, match="the controls name"):
        scene.rollout({ghost: torch.zeros(3, 6)})
