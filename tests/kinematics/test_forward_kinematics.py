"""Poses at positions that the scene is not in, against MuJoCo; gradients against differences."""

import mujoco
import numpy as np
import pytest
import torch

import genesis as gs
from genesis.math.rotation import quat_rotate
from tests.helpers import check_gradient
from tests.kinematics.robots import FLOATER, SIX, SIX_QPOS, build, random_qpos

# Rounding of a chain of rotations, 64 bits.
TOLERANCE = 1e-12


@pytest.fixture(scope="module")
def floaters():
    return build(FLOATER, n_envs=3)


@pytest.fixture(scope="module")
def six():
    return build(SIX)


def test_equal_mujoco(floaters):
    scene, robot = floaters
    before = robot.get_qpos()
    qpos = random_qpos(robot, 3)
    pos, quat = robot.forward_kinematics(qpos)
    assert pos.shape == (3, 4, 3) and quat.shape == (3, 4, 4)
    data = mujoco.MjData(scene.mj_model)
    for env in range(3):
        data.qpos[:] = qpos[env]
        mujoco.mj_kinematics(scene.mj_model, data)
        np.testing.assert_allclose(pos[env], data.xpos[1:], atol=TOLERANCE)
        np.testing.assert_allclose(quat[env], data.xquat[1:], atol=TOLERANCE)
    assert torch.equal(robot.get_qpos(), before)


def test_some_qs_links_and_envs(floaters):
    _, robot = floaters
    present = robot.get_qpos()
    pos, quat = robot.forward_kinematics([[0.1], [0.2]], qs_idx_local=[12], links_idx_local=[-1, 0], envs_idx=[2, 0])
    for row, env in enumerate((2, 0)):
        qpos = present.clone()
        qpos[env, 12] = (0.1, 0.2)[row]
        every = robot.forward_kinematics(qpos)
        assert torch.equal(pos[row], every[0][env, [3, 0]]) and torch.equal(quat[row], every[1][env, [3, 0]])


def test_gradient_by_positions_and_parameters(six):
    _, robot = six
    frames = robot.get_links_offset_pos().detach().clone()
    axes = robot.get_joints_axis().detach().clone()

    def poses(qpos, offset, axis):
        robot.set_links_offset_pos(offset)
        robot.set_joints_axis(axis)
        return robot.forward_kinematics(qpos)

    check_gradient(poses, torch.tensor(SIX_QPOS), frames, axes)
    robot.set_links_offset_pos(frames)
    robot.set_joints_axis(axes)


def test_gradient_of_qs_that_are_not_given(six):
    _, robot = six
    qpos = torch.tensor(SIX_QPOS, requires_grad=True)
    robot.set_qpos(qpos)
    pos, _ = robot.forward_kinematics([0.1], qs_idx_local=[0])
    (by_state,) = torch.autograd.grad(pos[-1].sum(), qpos)
    moved = torch.tensor(SIX_QPOS, requires_grad=True)
    pos, _ = robot.forward_kinematics(torch.cat([torch.tensor([0.1]), moved[1:]]))
    (by_value,) = torch.autograd.grad(pos[-1].sum(), moved)
    assert by_state[0] == 0 and torch.allclose(by_state, by_value, atol=TOLERANCE)
    robot.scene.reset()


def test_jacobian_of_a_point_is_the_derivative_of_its_place(six):
    _, robot = six
    point = torch.tensor([0.03, -0.2, 0.1])
    link = robot.get_link("tool")
    qpos = torch.tensor(SIX_QPOS, requires_grad=True)
    robot.set_qpos(qpos.detach())
    jacobian = robot.get_jacobian(link, local_point=point)

    def place(q):
        pos, quat = robot.forward_kinematics(q, links_idx_local=[link.idx_local])
        return (pos + quat_rotate(quat, point))[0]

    rows = torch.autograd.functional.jacobian(place, qpos)
    assert torch.allclose(jacobian[:3], rows, atol=TOLERANCE)
    robot.scene.reset()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"qpos": [0.0] * 5}, "shape"),
        ({"qpos": [float("nan")] * 6}, "finite"),
        ({"qpos": [0.0] * 6, "links_idx_local": 9}, "out of range"),
        ({"qpos": [0.0] * 6, "envs_idx": 0}, "without envs"),
    ],
)
def test_bad_arguments(six, arguments, message):
    with pytest.raises(gs.GenesisException, match=message):
        six[1].forward_kinematics(**arguments)
