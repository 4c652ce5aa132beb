"""Gradients of inverse kinematics against differences of solutions that are solved anew."""

import pytest
import torch

from genesis.math.rotation import quat_mul
from tests import scenes
from tests.helpers import check_gradient
from tests.kinematics.robots import FLOATER, SIX, SIX_QPOS, build, random_qpos

# Solutions are exact to rounding, which differences of steps near 1e-3 leave nine digits of.
STEP = 3e-3
EXACT = 1e-10


@pytest.fixture(scope="module")
def six():
    return build(SIX)


@pytest.fixture(scope="module")
def panda():
    return build(scenes.PANDA, n_envs=2)


def target(robot, name, qpos):
    """(link, pos, quat) of a link at these positions, plain."""
    link = robot.get_link(name)
    pos, quat = robot.forward_kinematics(qpos, links_idx_local=[link.idx_local])
    return link, pos.select(-2, 0).detach().sceneless(), quat.select(-2, 0).detach().sceneless()


def test_by_the_target_and_the_point(six):
    """Six dofs, six conditions: the solution is a function of the target."""
    _, robot = six
    link, pos, quat = target(robot, "tool", SIX_QPOS)
    start = torch.tensor(SIX_QPOS)

    def solution(pos, quat, point):
        return robot.inverse_kinematics(link, pos, quat, local_point=point, init_qpos=start, max_samples=1)

    check_gradient(solution, pos, quat, torch.zeros(3), eps=STEP, names=("pos", "quat", "local_point"))


def test_by_frames_anchors_and_axes(six):
    _, robot = six
    link, pos, quat = target(robot, "tool", SIX_QPOS)
    setters = (robot.set_links_offset_pos, robot.set_links_offset_quat, robot.set_joints_anchor, robot.set_joints_axis)
    getters = (robot.get_links_offset_pos, robot.get_links_offset_quat, robot.get_joints_anchor, robot.get_joints_axis)
    chosen = ([0, 3], [2], [1], [4])  # links, links, joints, joints
    values = [get(idx).detach().clone() for get, idx in zip(getters, chosen, strict=True)]

    def solution(*parameters):
        for put, value, idx in zip(setters, parameters, chosen, strict=True):
            put(value, idx)
        return robot.inverse_kinematics(link, pos, quat, init_qpos=SIX_QPOS, max_samples=1)

    check_gradient(solution, *values, eps=STEP, names=("frame pos", "frame quat", "anchor", "axis"))
    for put, value, idx in zip(setters, values, chosen, strict=True):
        put(value, idx)


@pytest.mark.parametrize("axis", [0, 2])
def test_of_one_axis_aligned_with_five_dofs(six, axis):
    """Five conditions for five dofs; the rotation about the axis is far from the one wanted, which does not count."""
    _, robot = six
    qpos = torch.tensor(SIX_QPOS)
    link, pos, quat = target(robot, "tool", qpos)
    dofs = [0, 1, 2, 3, 4] if axis == 0 else [1, 2, 3, 4, 5]
    mask = [k == axis for k in range(3)]
    turn = torch.zeros(4)
    turn[0], turn[1 + axis] = 0.6, 0.8

    def solution(pos, quat):
        return robot.inverse_kinematics(
            link, pos, quat, rot_mask=mask, init_qpos=qpos, max_samples=1, dofs_idx_local=dofs
        )

    check_gradient(solution, pos, quat_mul(quat, turn), eps=STEP)


def test_of_a_redundant_arm(panda):
    """The solution is one of many, but where it puts the hand is a function of the target; and it is the shortest."""
    _, robot = panda
    link, pos, quat = target(robot, "panda_hand", random_qpos(robot, 2, seed=1, share=0.7))
    pos.requires_grad_()
    quat.requires_grad_()
    qpos = robot.inverse_kinematics(link, pos, quat, pos_tol=1e-4, rot_tol=1e-3)
    lower, upper = robot.get_dofs_limit()
    arm = slice(0, 7)
    assert ((qpos > lower + 1e-3) & (qpos < upper - 1e-3))[:, arm].all(), "no dof of the arm is at its limit"
    reached, turned = (one[:, 0] for one in robot.forward_kinematics(qpos, links_idx_local=[link.idx_local]))
    for k in range(3):
        by_pos, by_quat = torch.autograd.grad(reached[:, k].sum(), (pos, quat), retain_graph=True)
        assert torch.allclose(by_pos, torch.eye(3)[k].expand(2, 3), atol=EXACT)
        assert by_quat.abs().max() < EXACT
    weights = torch.randn(2, 4)
    sign = torch.sign((turned * quat).sum(-1, keepdim=True)).detach()
    by_pos, by_quat = torch.autograd.grad((weights * turned).sum(), (pos, quat), retain_graph=True)
    across = sign * (weights - (weights * quat).sum(-1, keepdim=True) * quat)  # of normalising the target
    assert by_pos.abs().max() < EXACT and torch.allclose(by_quat, across.detach(), atol=EXACT)
    # The least-norm solution has no part along motions that leave the hand where it is.
    robot.set_qpos(qpos.detach())
    _, _, rows = torch.linalg.svd(robot.get_jacobian(link).detach()[:, :, arm])
    idle = rows[:, -1]
    (along,) = torch.autograd.grad((qpos[:, arm] * idle).sum(), pos)
    assert along.abs().max() < EXACT
    robot.scene.reset()


def test_of_free_and_ball_joints_as_quaternions():
    """A free body, and a ball joint on it, put where two links shall be: what they do follows the targets exactly."""
    _, robot = build(FLOATER)
    qpos = random_qpos(robot, 1, seed=4)[0]
    link, pos, quat = target(robot, "hull", qpos)

    def solution(pos, quat):
        return robot.inverse_kinematics(link, pos, quat, init_qpos=qpos, dofs_idx_local=range(6), max_samples=1)

    check_gradient(solution, pos, quat, eps=STEP)
    pod, _, pod_quat = target(robot, "pod", qpos)

    def turned(quat):
        return robot.inverse_kinematics(pod, quat=quat, init_qpos=qpos, dofs_idx_local=[6, 7, 8], max_samples=1)

    check_gradient(turned, pod_quat, eps=STEP)


def test_of_two_links():
    """Twelve conditions, ten dofs that can meet them: targets that move as the links can."""
    _, robot = build(FLOATER)
    qpos = random_qpos(robot, 1, seed=5)[0]
    links = [robot.get_link("hull"), robot.get_link("flap")]
    pos, quat = (one.detach().sceneless() for one in robot.forward_kinematics(qpos, links_idx_local=[0, 2]))

    def solution(hull_pos, flap_pos, hull_quat):
        return robot.inverse_kinematics_multilink(
            links, [hull_pos, flap_pos], [hull_quat, None], init_qpos=qpos, max_samples=1, dofs_idx_local=range(9)
        )

    hull = pos[0].clone().requires_grad_()
    found = solution(hull, pos[1], quat[0])
    reached = robot.forward_kinematics(found)[0]
    (by_hull,) = torch.autograd.grad(reached[0].sum() + reached[2].sum(), hull)
    # The flap can turn about the pod's socket, but not come nearer: its error changes along that line to second order.
    assert torch.isfinite(by_hull).all() and (by_hull - 1).abs().max() < 1.0


def test_at_a_limit(six):
    """A dof at its limit stays there: the derivative is that of the arm without it."""
    _, robot = six
    _, upper = robot.get_dofs_limit()
    start = torch.tensor(SIX_QPOS)
    start[1] = upper[1]
    link, pos, _ = target(robot, "tool", start)
    free = [0, 2, 3]
    pos.requires_grad_()
    qpos = robot.inverse_kinematics(link, pos, init_qpos=start, max_samples=1, dofs_idx_local=[0, 1, 2, 3])
    assert qpos[1] == upper[1]
    (gone,) = torch.autograd.grad(qpos[1], pos, retain_graph=True)
    assert torch.equal(gone, torch.zeros(3))
    weights = torch.randn(6)
    (found,) = torch.autograd.grad((weights * qpos).sum(), pos)
    same = pos.detach().clone().requires_grad_()
    other = robot.inverse_kinematics(link, same, init_qpos=start, max_samples=1, dofs_idx_local=free)
    (wanted,) = torch.autograd.grad((weights * other).sum(), same)
    assert torch.allclose(found, wanted, atol=EXACT) and wanted.abs().max() > 1e-2


def test_rows_out_of_reach_have_none(panda):
    _, robot = panda
    link, pos, quat = target(robot, "panda_hand", random_qpos(robot, 2, seed=1, share=0.7))
    pos[1] = torch.tensor([5.0, 0.0, 0.0])
    pos.requires_grad_()
    qpos = robot.inverse_kinematics(link, pos, quat, max_samples=5)
    (gradient,) = torch.autograd.grad(qpos.square().sum(), pos)
    assert torch.equal(gradient[1], torch.zeros(3)) and gradient[0].abs().max() > 1e-3


def test_a_chosen_env_gets_its_own(panda):
    _, robot = panda
    link, pos, quat = target(robot, "panda_hand", random_qpos(robot, 2, seed=1, share=0.7))
    start = robot.inverse_kinematics(link, pos, quat).detach().sceneless()
    pos.requires_grad_()
    every = robot.inverse_kinematics(link, pos, quat, init_qpos=start, max_samples=1)
    one = robot.inverse_kinematics(link, pos[1], quat[1], init_qpos=start[1], max_samples=1, envs_idx=[1])
    (by_every,) = torch.autograd.grad(every[1].sum(), pos)
    (by_one,) = torch.autograd.grad(one.sum(), pos)
    assert torch.allclose(by_every, by_one, atol=EXACT) and by_one[0].abs().max() == 0


def test_what_meets_the_tolerances_with_a_rest_is_said_once(caplog):
    _, robot = build(SIX)
    link, pos, quat = target(robot, "tool", SIX_QPOS)
    pos.requires_grad_()
    for _ in range(2):
        qpos = robot.inverse_kinematics(link, pos + 1e-4, quat, init_qpos=SIX_QPOS, dofs_idx_local=[0, 1, 2])
        assert torch.isfinite(torch.autograd.grad(qpos.sum(), pos)[0]).all()
    assert sum("an error remains" in record.message for record in caplog.records) == 1
