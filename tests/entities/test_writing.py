"""Setters of the state: values, subsets, what they leave alone, gradients."""

import mujoco
import numpy as np
import pytest
import torch

from tests.entities.worlds import scatter_state, state_numbers, world
from tests.helpers import check_gradient


@pytest.mark.parametrize("n_envs", [0, 1, 3])
def test_round_trips(n_envs):
    scene, arm, floater, block = world(n_envs)
    scatter_state(scene)
    for entity in (arm, floater, block):
        for name in ("qpos", "dofs_position", "dofs_velocity"):
            value = getattr(entity, f"get_{name}")().detach()
            getattr(entity, f"set_{name}")(value)
            torch.testing.assert_close(getattr(entity, f"get_{name}")(), value, check_dtype=False)
    pos, quat = floater.get_pos().detach(), floater.get_quat().detach()
    floater.set_pos(pos + 1)
    floater.set_quat(-2 * quat)
    torch.testing.assert_close(floater.get_pos(), pos + 1)
    assert torch.allclose(floater.get_quat().abs(), quat.abs()), "the same rotation, whatever its length and sign"


@pytest.mark.parametrize("make", [torch.as_tensor, np.asarray, lambda v: v.tolist(), lambda v: list(v.unbind())])
def test_kinds_of_values(make):
    _, arm, _, _ = world(2)
    value = torch.tensor([0.1, -0.2, 0.05], dtype=torch.float32)
    arm.set_dofs_position(make(value))
    torch.testing.assert_close(arm.get_dofs_position(), value.double().expand(2, 3))
    arm.set_dofs_position(make(value[None]))
    torch.testing.assert_close(arm.get_dofs_position(), value.double().expand(2, 3))
    arm.set_dofs_position(1)
    assert torch.equal(arm.get_dofs_position(), torch.ones(2, 3))


def test_a_list_of_tensors_keeps_its_graph():
    _, arm, _, _ = world()
    a, b = torch.tensor(0.1, requires_grad=True), torch.tensor(0.2, requires_grad=True)
    arm.set_dofs_position([a, b, 0.3])
    (arm.get_dofs_position() @ torch.tensor([1.0, 2.0, 3.0])).backward()
    assert (a.grad, b.grad) == (1.0, 2.0)


def test_only_what_is_chosen_changes():
    scene, arm, floater, _ = world(3)
    scatter_state(scene)
    before = state_numbers(scene)
    floater.set_dofs_velocity(torch.tensor([[7.0, 8.0], [9.0, 10.0]]), dofs_idx_local=[4, 1], envs_idx=[2, 0])
    expected = before.clone()
    columns = scene.mj_model.nq + floater.dof_start
    expected[2, [columns + 4, columns + 1]] = torch.tensor([7.0, 8.0])
    expected[0, [columns + 4, columns + 1]] = torch.tensor([9.0, 10.0])
    assert torch.equal(state_numbers(scene), expected)
    arm.set_qpos(torch.tensor([0.5]), qs_idx_local=-1, envs_idx=1, zero_velocity=False)
    expected[1, arm.q_start + 2] = 0.5
    assert torch.equal(state_numbers(scene), expected)
    arm.set_qpos(0.25, qs_idx_local=slice(0, 2), envs_idx=1)
    expected[1, arm.q_start : arm.q_start + 2] = 0.25
    expected[1, scene.mj_model.nq + arm.dof_start : scene.mj_model.nq + arm.dof_end] = 0
    assert torch.equal(state_numbers(scene), expected), "velocities of that entity in that env are zeroed"
    floater.set_dofs_position(torch.zeros(0, 10), envs_idx=[])
    assert torch.equal(state_numbers(scene), expected), "no env chosen, nothing changed"


@pytest.mark.parametrize("setter", ["set_qpos", "set_dofs_position", "set_pos", "set_quat"])
def test_zero_velocity(setter):
    scene, _, floater, _ = world(2)
    scatter_state(scene)
    value = {"set_qpos": floater.get_qpos, "set_dofs_position": floater.get_dofs_position}.get(setter)
    value = (value or getattr(floater, setter.replace("set", "get")))().detach()
    velocity = floater.get_dofs_velocity().detach()
    getattr(floater, setter)(value, zero_velocity=False)
    assert torch.equal(floater.get_dofs_velocity(), velocity)
    getattr(floater, setter)(value[:1], envs_idx=[1])
    assert torch.equal(floater.get_dofs_velocity()[0], velocity[0])
    assert not floater.get_dofs_velocity()[1].any()
    getattr(floater, setter)(value)
    assert not floater.get_dofs_velocity().any()
    scatter_state(scene)
    floater.zero_all_dofs_velocity(envs_idx=[0])
    assert not floater.get_dofs_velocity()[0].any()
    assert floater.get_dofs_velocity()[1].all()
    floater.set_dofs_velocity()
    assert not floater.get_dofs_velocity().any()


@pytest.mark.parametrize("n_envs", [0, 2])
def test_euler_angles(n_envs):
    _, _, floater, _ = world(n_envs)
    angles = np.array([0.3, -0.7, 1.1])
    floater.set_dofs_position(angles, dofs_idx_local=[3, 4, 5])
    floater.set_dofs_position(-angles, dofs_idx_local=[6, 7, 8])
    expected = np.zeros(4)
    for q, sign in ((3, 1), (7, -1)):
        mujoco.mju_euler2Quat(expected, sign * angles, "XYZ")
        found = floater.get_qpos().reshape(-1, 12)[0, q : q + 4].numpy()
        np.testing.assert_allclose(found * np.sign(found @ expected), expected, atol=1e-14)
    # Two of the three angles, in reverse order, together with other dofs: the third keeps its value.
    floater.set_dofs_position([0.2, 5.0, 0.1, 0.4], dofs_idx_local=[5, 0, 3, 9])
    position = floater.get_dofs_position().reshape(-1, 10)[0]
    torch.testing.assert_close(position[[3, 4, 5]], torch.tensor([0.1, -0.7, 0.2]))
    torch.testing.assert_close(position[[0, 9]], torch.tensor([5.0, 0.4]))
    torch.testing.assert_close(position[6:9], torch.as_tensor(-angles))


def test_euler_angles_of_some_envs():
    scene, _, floater, _ = world(3)
    scatter_state(scene)
    before = floater.get_dofs_position()
    floater.set_dofs_position(torch.tensor([[0.1], [0.2]]), dofs_idx_local=4, envs_idx=[2, 0])
    expected = before.clone()
    expected[2, 4], expected[0, 4] = 0.1, 0.2
    torch.testing.assert_close(floater.get_dofs_position(), expected)


def test_a_fixed_base_is_moved_with_its_frame():
    scene, arm, floater, block = world(2)
    tip = arm.get_links_pos().detach()
    arm.set_pos((1.0, 2.0, 3.0))
    torch.testing.assert_close(arm.get_links_pos(), tip + torch.tensor([1.0, 2.0, 2.9]))
    block.set_quat([[2.0, 0.0, 0.0, 0.0], [0.0, 0.0, 0.0, 3.0]])
    torch.testing.assert_close(block.get_quat(), torch.tensor([[1.0, 0.0, 0.0, 0.0], [0.0, 0.0, 0.0, 1.0]]))
    block.set_pos(torch.tensor([[5.0, 5.0, 5.0]]), envs_idx=1)
    torch.testing.assert_close(block.get_pos(), torch.tensor([[-1.0, 0.0, 0.2], [5.0, 5.0, 5.0]]))
    scene.reset()
    torch.testing.assert_close(block.get_pos()[1], torch.tensor([5.0, 5.0, 5.0]))
    torch.testing.assert_close(floater.get_pos(), torch.tensor([1.0, 0.0, 1.0]).expand(2, 3))


@pytest.mark.parametrize("n_envs", [0, 2])
def test_gradient_through_every_setter(n_envs):
    scene, arm, floater, _ = world(n_envs)
    scatter_state(scene, seed=2)
    lead = (n_envs,) if n_envs else ()
    torch.manual_seed(0)
    rows = [1] if n_envs else None
    one = (1,) if n_envs else ()
    shapes = {
        "arm position": (*lead, 3),
        "arm velocity": (3,),
        "floater position": (10,),
        "two angles and a dof": (*one, 3),
        "some velocities": (*one, 2),
        "pos": (*lead, 3),
        "quat": (4,),
        "arm pos": (*lead, 3),
        "arm quat": (*one, 4),
        "some qpos": (2,),
    }
    inputs = [0.5 * torch.randn(shape) for shape in shapes.values()]
    start = scene.get_state().detach()

    def write(position, velocity, free, angles, some, pos, quat, base, base_quat, qs):
        scene.reset(start)
        arm.set_dofs_position(position)
        arm.set_dofs_velocity(velocity)
        floater.set_dofs_position(free, zero_velocity=False)
        outputs = [floater.get_qpos()]
        floater.set_dofs_position(angles, [7, 3, 0], rows, zero_velocity=False)
        floater.set_dofs_velocity(some, dofs_idx_local=[9, 5], envs_idx=rows)
        outputs += [floater.get_qpos(), floater.get_dofs_velocity()]
        floater.set_pos(pos, zero_velocity=False)
        floater.set_quat(quat, zero_velocity=False)
        floater.set_qpos(qs, [11, 8], zero_velocity=False)
        arm.set_pos(base, zero_velocity=False)
        arm.set_quat(base_quat, envs_idx=rows, zero_velocity=False)
        scene.step()
        outputs += [e.get_links_pos() for e in (arm, floater)] + [e.get_links_quat() for e in (arm, floater)]
        return [*outputs, arm.get_dofs_velocity(), floater.get_dofs_velocity()]

    check_gradient(write, *inputs, names=tuple(shapes))


def test_an_overwritten_value_has_no_gradient():
    _, arm, _, _ = world()
    first, second = torch.zeros(3, requires_grad=True), torch.zeros(3, requires_grad=True)
    arm.set_dofs_position(first)
    arm.set_dofs_position(second[:1], dofs_idx_local=1)
    arm.get_dofs_position().sum().backward()
    assert first.grad.tolist() == [1, 0, 1]
    assert second.grad.tolist() == [1, 0, 0]


def test_the_given_tensor_is_not_kept():
    _, arm, floater, _ = world()
    for entity in (arm, floater):
        value = entity.get_qpos().detach().clone()
        kept = value.clone()
        entity.set_qpos(value)
        value.add_(1.0)
        assert torch.equal(entity.get_qpos(), kept)


def test_nothing_is_set_for_no_links():
    _, robot, *_ = world(2)
    before = robot.get_links_mass().clone(), robot.get_links_COM().clone()
    robot.set_mass_shift([], [])
    robot.set_mass_shift(1.0, [])
    robot.set_COM_shift(torch.zeros(0, 3), [])
    robot.set_links_scaled_mass([], [])
    assert torch.equal(robot.get_links_mass(), before[0]) and torch.equal(robot.get_links_COM(), before[1])
