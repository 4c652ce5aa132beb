"""Where inverse kinematics puts links: reachable targets of several robots, limits, masks, samples, and bad arguments."""

import numpy as np
import pytest
import torch

import genesis as gs
from genesis import runtime
from genesis.math.rotation import quat_conj, quat_log, quat_mul, quat_rotate
from tests import scenes
from tests.entities.worlds import scatter_state, world
from tests.kinematics.robots import FLOATER, HUMANOID, SIX, SIX_QPOS, build, random_qpos

# A solution is polished to rounding, 64 bits, of lengths and angles of order one.
EXACT = 1e-10
TIGHT = {"pos_tol": 1e-4, "rot_tol": 1e-3}


@pytest.fixture(scope="module")
def six():
    return build(SIX, requires_grad=False)


@pytest.fixture(scope="module")
def pandas():
    return build(scenes.PANDA, n_envs=200, requires_grad=False)


@pytest.fixture(scope="module")
def floaters():
    return build(FLOATER, n_envs=20, requires_grad=False)


def rest(robot, link, qpos, pos, quat, point=None):
    """What is missing in each env: lengths of the errors of position and orientation."""
    found, turned = (one[..., 0, :] for one in robot.forward_kinematics(qpos, links_idx_local=[link.idx_local]))
    if point is not None:
        found = found + quat_rotate(turned, torch.as_tensor(point))
    return (found - pos).norm(dim=-1), quat_log(quat_mul(quat_conj(turned), quat)).norm(dim=-1)


def test_random_reachable_poses_of_a_redundant_arm(pandas):
    _, panda = pandas
    hand = panda.get_link("panda_hand")
    pos, quat = (
        one[:, 0] for one in panda.forward_kinematics(random_qpos(panda, 200), links_idx_local=[hand.idx_local])
    )
    before = panda.get_qpos()
    qpos, error = panda.inverse_kinematics(hand, pos, quat, return_error=True, **TIGHT)
    shift, turn = rest(panda, hand, qpos, pos, quat)
    assert shift.max() < 1e-4 and turn.max() < 1e-3
    assert (shift < EXACT).sum() >= 198  # the others ended at a singular pose within the tolerances
    assert torch.allclose(error[:, :3].norm(dim=1), shift, atol=EXACT)
    assert torch.allclose(error[:, 3:].norm(dim=1), turn, atol=EXACT)
    lower, upper = panda.get_dofs_limit()
    assert (qpos >= lower).all() and (qpos <= upper).all()
    assert torch.equal(panda.get_qpos(), before)
    fingers = [joint.dof_start - panda.dof_start for joint in panda.joints[-2:]]
    assert torch.equal(qpos[:, fingers], before[:, fingers]), "dofs that move nothing wanted stay"


def test_the_same_whatever_else_is_solved(pandas):
    _, panda = pandas
    hand = panda.get_link("panda_hand")
    pos, quat = (
        one[:, 0] for one in panda.forward_kinematics(random_qpos(panda, 200), links_idx_local=[hand.idx_local])
    )
    every = panda.inverse_kinematics(hand, pos, quat)
    some = panda.inverse_kinematics(hand, pos[[7, 3]], quat[[7, 3]], envs_idx=[7, 3])
    assert torch.equal(every, panda.inverse_kinematics(hand, pos, quat))
    assert torch.equal(some, every[[7, 3]])
    assert not torch.equal(every, panda.inverse_kinematics(hand, pos, quat, seed=1))


def test_the_same_in_the_layout_of_gpus_and_among_threads(pandas, monkeypatch):
    _, panda = pandas
    hand = panda.get_link("panda_hand")
    pos, quat = (
        one[:, 0] for one in panda.forward_kinematics(random_qpos(panda, 200), links_idx_local=[hand.idx_local])
    )
    monkeypatch.setattr(runtime, "num_threads", 1)
    usual = panda.inverse_kinematics(hand, pos, quat)
    monkeypatch.setattr(runtime, "num_threads", 2)
    assert torch.equal(panda.inverse_kinematics(hand, pos, quat), usual)
    (reach,) = [one for one in panda._place.reaches.values() if one.n_rows == 6]
    monkeypatch.setattr(reach, "rows_adjacent", True)
    assert torch.equal(panda.inverse_kinematics(hand, pos, quat), usual)


def test_the_nearest_solution_without_samples(six):
    _, robot = six
    link = robot.get_link("tool")
    wanted = torch.tensor(SIX_QPOS)
    pos, quat = (one[0] for one in robot.forward_kinematics(wanted, links_idx_local=[link.idx_local]))
    qpos = robot.inverse_kinematics(link, pos, quat, init_qpos=wanted + 0.1, max_samples=1)
    assert torch.allclose(qpos, wanted, atol=EXACT)


def test_a_point_of_the_link(six):
    _, robot = six
    link = robot.get_link("tool")
    point = [0.05, -0.1, 0.02]
    pos, quat = (one[0] for one in robot.forward_kinematics(SIX_QPOS, links_idx_local=[link.idx_local]))
    place = pos + quat_rotate(quat, torch.tensor(point))
    qpos = robot.inverse_kinematics(link, place, quat, local_point=point, init_qpos=torch.tensor(SIX_QPOS) + 0.2)
    shift, turn = rest(robot, link, qpos, place, quat, point)
    assert shift < EXACT and turn < EXACT


def test_free_and_ball_joints_with_a_slide(floaters):
    _, robot = floaters
    rod, pod = robot.get_link("rod"), robot.get_link("pod")
    targets = robot.forward_kinematics(random_qpos(robot, 20), links_idx_local=[rod.idx_local, pod.idx_local])
    qpos, error = robot.inverse_kinematics_multilink(
        [rod, pod], list(targets[0].unbind(1)), list(targets[1].unbind(1)), return_error=True, **TIGHT
    )
    assert error.shape == (20, 2, 6) and error.abs().max() < EXACT
    for k, link in enumerate((rod, pod)):
        shift, turn = rest(robot, link, qpos, targets[0][:, k], targets[1][:, k])
        assert shift.max() < EXACT and turn.max() < EXACT
    assert torch.allclose(qpos[:, 3:7].norm(dim=1), torch.ones(20), atol=EXACT)
    slide = qpos[:, -1]
    assert (slide >= -0.2).all() and (slide <= 0.3).all()


def test_two_hands_of_a_humanoid():
    _, robot = build(HUMANOID, n_envs=30, requires_grad=False)
    hands = [robot.get_link("left_lower_arm"), robot.get_link("right_lower_arm")]
    places = [link.idx_local for link in hands]
    start = robot.get_qpos()
    qpos = random_qpos(robot, 30, share=0.8)
    qpos[:, :7] = start[:, :7]
    pos, _ = robot.forward_kinematics(qpos, links_idx_local=places)
    hinges = range(6, robot.n_dofs)
    found, error = robot.inverse_kinematics_multilink(
        hands, list(pos.unbind(1)), dofs_idx_local=hinges, return_error=True, **TIGHT
    )
    assert error[..., 3:].abs().max() == 0, "orientations do not count"
    assert error.norm(dim=-1).max() < 1e-4
    reached, _ = robot.forward_kinematics(found, links_idx_local=places)
    assert (reached - pos).norm(dim=-1).max() < 1e-4
    assert torch.equal(found[:, :7], start[:, :7]), "the base was not to move"


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_one_axis_aligned(six, axis):
    _, robot = six
    link = robot.get_link("tool")
    pos, quat = (one[0] for one in robot.forward_kinematics(SIX_QPOS, links_idx_local=[link.idx_local]))
    own = torch.eye(3)[axis]
    spun = quat_mul(quat, torch.cat([torch.tensor([np.cos(0.9)]), np.sin(0.9) * own]))  # about the axis: no matter
    qpos, error = robot.inverse_kinematics(
        link,
        pos,
        spun,
        rot_mask=[k == axis for k in range(3)],
        init_qpos=torch.tensor(SIX_QPOS) + 0.1,
        return_error=True,
    )
    found, turned = (one[0] for one in robot.forward_kinematics(qpos, links_idx_local=[link.idx_local]))
    assert error.abs().max() < EXACT
    assert torch.allclose(found, pos, atol=EXACT)
    assert torch.allclose(quat_rotate(turned, own), quat_rotate(quat, own), atol=EXACT)
    assert not torch.allclose(quat_rotate(turned, torch.eye(3)[axis - 1]), quat_rotate(spun, torch.eye(3)[axis - 1]))


def test_masked_position_and_orientation_alone(six):
    _, robot = six
    link = robot.get_link("tool")
    pos, quat = (one[0] for one in robot.forward_kinematics(SIX_QPOS, links_idx_local=[link.idx_local]))
    qpos = robot.inverse_kinematics(link, pos + torch.tensor([0.0, 0.0, 50.0]), pos_mask=[True, True, False])
    found = robot.forward_kinematics(qpos, links_idx_local=[link.idx_local])[0][0]
    assert torch.allclose(found[:2], pos[:2], atol=EXACT)
    qpos = robot.inverse_kinematics(link, quat=quat)
    assert rest(robot, link, qpos, pos, quat)[1] < EXACT


def test_a_solution_at_a_limit(six):
    """A dof that would have to go further stays at its limit, and the others do what is wanted."""
    _, robot = six
    link = robot.get_link("tool")
    lower, upper = (end.sceneless() for end in robot.get_dofs_limit())
    edge = torch.tensor(SIX_QPOS)
    edge[1], edge[4] = upper[1], lower[4]
    pos = robot.forward_kinematics(edge, links_idx_local=[link.idx_local])[0][0]
    start = edge.clone()
    start[[1, 4]] += torch.tensor([-0.02, 0.02])
    qpos, error = robot.inverse_kinematics(link, pos, init_qpos=start, max_samples=1, return_error=True)
    assert error.abs().max() < EXACT
    assert (qpos >= lower).all() and (qpos <= upper).all()
    beyond = edge.clone()
    beyond[1] += 0.3
    pos, quat = (one[0] for one in robot.forward_kinematics(beyond, links_idx_local=[link.idx_local]))
    arguments = {"init_qpos": edge, "max_samples": 1, "return_error": True}
    held, error = robot.inverse_kinematics(link, pos, quat, **arguments)
    assert held[1] == upper[1] and error.norm() > 1e-2, "it does what it can"
    free, error = robot.inverse_kinematics(link, pos, quat, respect_joint_limit=False, **arguments)
    assert torch.allclose(free, beyond, atol=EXACT) and error.abs().max() < EXACT


def test_out_of_reach_points_at_the_target(six):
    _, robot = six
    link = robot.get_link("tool")
    qpos, error = robot.inverse_kinematics(link, [40.0, 0.0, 0.0], return_error=True, max_solver_iters=100)
    assert torch.isfinite(qpos).all() and 38 < error[:3].norm() < 40
    # At the best place the error is at right angles to whatever the dofs that can still move do.
    robot.set_qpos(qpos)
    jacobian = robot.get_jacobian(link)[:3]
    lower, upper = robot.get_dofs_limit()
    inside = (qpos > lower + 1e-6) & (qpos < upper - 1e-6)
    assert inside.any() and (jacobian.T @ error[:3])[inside].abs().max() < 0.2
    robot.scene.reset()


def test_limits_of_each_env():
    _, robot = build(SIX, n_envs=2, requires_grad=False, constraints=True)
    link = robot.get_link("tool")
    robot.set_dofs_limit([[-0.1], [0.2]], [[0.0], [0.3]], dofs_idx_local=[0])
    pos = robot.forward_kinematics([SIX_QPOS, SIX_QPOS], links_idx_local=[link.idx_local])[0][:, 0]
    qpos = robot.inverse_kinematics(link, pos)
    assert -0.1 <= qpos[0, 0] <= 0.0 and 0.2 <= qpos[1, 0] <= 0.3


def test_frames_and_mocap_of_each_env():
    text = SIX.replace('<body name="base"', '<body name="base" mocap="true"')
    _, robot = build(text, n_envs=2, requires_grad=False)
    link = robot.get_link("tool")
    robot.set_pos([[0.0, 0.0, 0.0], [1.0, 2.0, 3.0]])
    offsets = robot.get_links_offset_pos().clone()
    offsets[1, -1] *= 2
    robot.set_links_offset_pos(offsets)
    pos = robot.forward_kinematics([SIX_QPOS, SIX_QPOS], links_idx_local=[link.idx_local])[0][:, 0]
    qpos = robot.inverse_kinematics(link, pos)
    reached = robot.forward_kinematics(qpos, links_idx_local=[link.idx_local])[0][:, 0]
    assert torch.allclose(reached, pos, atol=EXACT) and (pos[1] - pos[0]).norm() > 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "nothing is wanted"),
        ({"pos": [0.0, 0.0]}, "shape"),
        ({"pos": [0.0, 0.0, float("inf")]}, "finite"),
        ({"quat": [0.0, 0.0, 0.0, 0.0]}, "length zero"),
        ({"pos": [0.0] * 3, "init_qpos": [0.0] * 5}, "shape"),
        ({"pos": [0.0] * 3, "quat": [1.0, 0, 0, 0], "rot_mask": [True, True, False]}, "rot_mask"),
        ({"pos": [0.0] * 3, "pos_mask": [True, True]}, "pos_mask"),
        ({"pos": [0.0] * 3, "pos_mask": [False] * 3}, "nothing is wanted"),
        ({"pos": [0.0] * 3, "max_samples": 0}, "max_samples"),
        ({"pos": [0.0] * 3, "damping": -1.0}, "damping"),
        ({"pos": [0.0] * 3, "pos_tol": "small"}, "pos_tol"),
        ({"pos": [0.0] * 3, "seed": -2}, "seed"),
        ({"pos": [0.0] * 3, "dofs_idx_local": [6]}, "out of range"),
        ({"pos": [0.0] * 3, "dofs_idx_local": []}, "none of the dofs"),
        ({"pos": [0.0] * 3, "envs_idx": [0]}, "without envs"),
        ({"pos": [0.0] * 3, "respect_joint_limit": "yes"}, "respect_joint_limit"),
    ],
)
def test_bad_arguments(six, arguments, message):
    with pytest.raises(gs.GenesisException, match=message):
        six[1].inverse_kinematics(six[1].get_link("tool"), **arguments)


def test_an_env_twice_and_none(pandas):
    _, panda = pandas
    hand = panda.get_link("panda_hand")
    with pytest.raises(gs.GenesisException, match="more than once"):
        panda.inverse_kinematics(hand, [0.5, 0.0, 0.4], envs_idx=[1, 1])
    assert panda.inverse_kinematics(hand, [0.5, 0.0, 0.4], envs_idx=[]).shape == (0, 9)


def test_parameters_that_were_set_once_have_their_gradient_again_and_again():
    _, robot = build(SIX)
    link = robot.get_link("tool")
    pos = robot.forward_kinematics(SIX_QPOS, links_idx_local=[link.idx_local])[0][0].detach().sceneless()
    frames = robot.get_links_offset_pos().detach().sceneless().requires_grad_()
    robot.set_links_offset_pos(frames)
    found = []
    for _ in range(2):
        qpos = robot.inverse_kinematics(link, pos, init_qpos=SIX_QPOS, max_samples=1)
        found.append(torch.autograd.grad(qpos.sum(), frames)[0])
    assert torch.equal(*found) and found[0].abs().max() > 0.1


def test_an_entity_among_others():
    """Its qs, dofs and links are not the first of the scene."""
    scene, _, floater, _ = world(2)
    scatter_state(scene)
    flap = floater.get_link("flap")
    start = floater.get_qpos().detach().sceneless()
    moved = start.clone()
    moved[:, 11] += 0.4
    moved[:, 0] -= 0.2
    pos, quat = (one[:, 0].detach().sceneless() for one in floater.forward_kinematics(moved, links_idx_local=[2]))
    pos.requires_grad_()
    qpos, error = floater.inverse_kinematics(flap, pos, quat, return_error=True)
    reached = floater.forward_kinematics(qpos, links_idx_local=[flap.idx_local])[0][:, 0]
    assert error.abs().max() < EXACT and torch.allclose(reached, pos, atol=EXACT)
    (gradient,) = torch.autograd.grad(reached[1, 2], pos)
    assert torch.allclose(gradient, torch.tensor([[0.0, 0.0, 0.0], [0.0, 0.0, 1.0]]), atol=EXACT)
    assert torch.equal(floater.get_qpos(), start)


def test_bad_links(six, floaters):
    robot, other = six[1], floaters[1]
    with pytest.raises(gs.GenesisException, match="not a link of it"):
        robot.inverse_kinematics(other.links[0], [0.0] * 3)
    with pytest.raises(gs.GenesisException, match="expected a list of links"):
        robot.inverse_kinematics_multilink(robot.links[0], [[0.0] * 3])
    with pytest.raises(gs.GenesisException, match="2 items for 1 links"):
        robot.inverse_kinematics_multilink([robot.links[0]], [[0.0] * 3, [0.0] * 3])
    with pytest.raises(gs.GenesisException, match="none of the dofs"):
        robot.inverse_kinematics(robot.get_link("base"), [0.0] * 3)


IN_32_BITS = """
import torch
import genesis as gs
gs.init(backend=gs.cpu, precision="32", seed=0, logging_level="warning")
scene = gs.Scene(sim_options=gs.options.SimOptions(requires_grad=True))
panda = scene.add_entity(gs.morphs.URDF(file={file!r}, fixed=True))
scene.build(n_envs=100)
hand = panda.get_link("panda_hand")
lower, upper = panda.get_dofs_limit()
share = torch.rand(100, 9, generator=torch.Generator().manual_seed(1))
qpos = (lower + share * (upper - lower)).sceneless()
pos, quat = (one[:, 0].detach() for one in panda.forward_kinematics(qpos, links_idx_local=[hand.idx_local]))
pos.requires_grad_()
found, error = panda.inverse_kinematics(hand, pos, quat, pos_tol=1e-4, rot_tol=1e-3, return_error=True)
assert found.dtype is torch.float32
assert (error[:, :3].norm(dim=1) < 1e-4).all() and (error[:, 3:].norm(dim=1) < 1e-3).all()
(gradient,) = torch.autograd.grad(found.square().sum(), pos)
assert torch.isfinite(gradient).all() and gradient.abs().max() > 0.1
"""


def test_in_32_bits(run_python):
    """Every target is found, and its gradient is finite."""
    assert "Error" not in run_python(IN_32_BITS.format(file=scenes.PANDA))
