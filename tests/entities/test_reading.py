"""Getters: shapes, values against MuJoCo, gradients, and that what they return is a copy."""

import mujoco
import numpy as np
import pytest
import torch

import genesis as gs
from tests.entities.worlds import N_DOFS, N_LINKS, N_QS, reference, scatter_state, state_numbers, world
from tests.helpers import check_gradient

# Rounding of a few hundred operations on numbers of order ten, 64 bits.
TOLERANCE = 1e-10


def getters(entity):
    """name -> (getter of envs_idx, shape without the envs)."""
    n, k, q = N_DOFS[entity.name], N_LINKS[entity.name], N_QS[entity.name]
    link = entity.links[-1]
    found = {
        "get_pos": (3,),
        "get_quat": (4,),
        "get_vel": (3,),
        "get_ang": (3,),
        "get_links_pos": (k, 3),
        "get_links_quat": (k, 4),
        "get_links_vel": (k, 3),
        "get_links_ang": (k, 3),
        "get_links_acc": (k, 3),
        "get_links_acc_ang": (k, 3),
        "get_qpos": (q,),
        "get_dofs_position": (n,),
        "get_dofs_velocity": (n,),
        "get_dofs_force": (n,),
        "get_dofs_control_force": (n,),
        "get_mass_mat": (n, n),
        "get_kinetic_energy": (),
        "get_potential_energy": (),
    }
    table = {name: (lambda e=None, f=name: getattr(entity, f)(envs_idx=e), shape) for name, shape in found.items()}
    table["get_links_pos(com)"] = (lambda e=None: entity.get_links_pos(envs_idx=e, ref="link_com"), (k, 3))
    table["get_links_vel(com)"] = (lambda e=None: entity.get_links_vel(envs_idx=e, ref="link_com"), (k, 3))
    table["get_jacobian"] = (lambda e=None: entity.get_jacobian(link, envs_idx=e), (6, n))
    table["get_jacobian(point)"] = (lambda e=None: entity.get_jacobian(link, (0.1, 0.2, -0.3), envs_idx=e), (6, n))
    for name in ("get_pos", "get_quat", "get_vel", "get_ang"):
        table[f"link.{name}"] = (lambda e=None, f=name: getattr(link, f)(envs_idx=e), table[name][1])
    return table


@pytest.mark.parametrize("n_envs", [0, 1, 3])
def test_shapes(n_envs):
    scene, *entities = world(n_envs)
    scatter_state(scene)
    lead = (n_envs,) if n_envs else ()
    for entity in entities:
        for name, (get, shape) in getters(entity).items():
            value = get()
            assert isinstance(value, gs.grad.Tensor), name
            assert value.scene is scene
            assert value.dtype is gs.tc_float
            assert value.device == gs.device
            assert value.shape == (*lead, *shape), f"{entity.name}.{name}"
            if n_envs == 3:
                some = get([2, 0])
                assert some.shape == (2, *shape), f"{entity.name}.{name}"
                assert torch.equal(some, value[[2, 0]]), f"{entity.name}.{name}"
                assert get(1).shape == (1, *shape)
                assert get([]).shape == (0, *shape)


@pytest.mark.parametrize("idx", [1, slice(1, None), [2, 0], range(3), torch.tensor([-1]), np.array([0, 0, 1]), []])
@pytest.mark.parametrize("n_envs", [0, 2])
def test_subsets(idx, n_envs):
    scene, arm, floater, _ = world(n_envs)
    scatter_state(scene)
    scene.step()
    rows = [1] if n_envs else None
    for entity in (arm, floater):
        for name in ("dofs_position", "dofs_velocity", "dofs_force", "dofs_control_force"):
            full = getattr(entity, f"get_{name}")(envs_idx=rows)
            some = getattr(entity, f"get_{name}")(dofs_idx_local=idx, envs_idx=rows)
            assert torch.equal(some, _pick(full, idx)), name
        for name in ("pos", "quat", "vel", "ang", "acc"):
            full = getattr(entity, f"get_links_{name}")(envs_idx=rows)
            some = getattr(entity, f"get_links_{name}")(links_idx_local=idx, envs_idx=rows)
            assert torch.equal(some.mT, _pick(full.mT, idx)), name
        some = entity.get_qpos(qs_idx_local=idx, envs_idx=rows)
        assert torch.equal(some, _pick(entity.get_qpos(envs_idx=rows), idx))


def _pick(value, idx):
    picked = torch.arange(value.shape[-1])[slice(0) if isinstance(idx, list) and not idx else idx].reshape(-1)
    return value[..., picked]


def test_values_against_mujoco():
    scene, *entities = world(2)
    qpos, qvel = scatter_state(scene)
    entities[0].control_actuators(0.0)  # as in mj_forward, where actuators are never idle
    for env in range(2):
        data = reference(scene, qpos[env], qvel[env])
        mujoco.mj_energyPos(scene.mj_model, data)
        mujoco.mj_energyVel(scene.mj_model, data)
        mujoco.mj_rnePostConstraint(scene.mj_model, data)
        total = np.zeros(2)
        for entity in entities:
            _compare(scene, entity, env, data)
            total += entity.get_potential_energy()[env].item(), entity.get_kinetic_energy()[env].item()
        np.testing.assert_allclose(total, data.energy, rtol=TOLERANCE)


def _compare(scene, entity, env, data):
    model = scene.mj_model
    bodies = slice(entity.link_start + 1, entity.link_end + 1)
    dofs = slice(entity.dof_start, entity.dof_end)

    def same(value, expected):
        np.testing.assert_allclose(value[env].detach().numpy(), expected, atol=TOLERANCE, rtol=TOLERANCE)

    same(entity.get_qpos(), data.qpos[entity.q_start : entity.q_end])
    same(entity.get_dofs_velocity(), data.qvel[dofs])
    same(entity.get_links_pos(), data.xpos[bodies])
    same(entity.get_links_pos(ref="link_com"), data.xipos[bodies])
    mats = np.array([_matrix(q) for q in entity.get_links_quat()[env].detach().numpy()]).reshape(-1, 9)
    np.testing.assert_allclose(mats, data.xmat[bodies], atol=TOLERANCE)
    same(entity.get_pos(), data.xpos[bodies][0])
    same(entity.links[-1].get_pos(), data.xpos[bodies][-1])
    full = np.zeros((model.nv, model.nv))
    mujoco.mj_fullM(model, data, full)
    same(entity.get_mass_mat(), full[dofs, dofs])
    same(entity.get_dofs_force(), data.qfrc_smooth[dofs])
    for link in entity.links:
        body = link.idx + 1
        jac = np.zeros((6, model.nv))
        mujoco.mj_jacBody(model, data, jac[:3], jac[3:], body)
        same(entity.get_jacobian(link), jac[:, dofs])
        local = np.array([0.1, -0.2, 0.3])
        point = data.xpos[body] + data.xmat[body].reshape(3, 3) @ local
        mujoco.mj_jac(model, data, jac[:3], jac[3:], point, body)
        same(entity.get_jacobian(link, local), jac[:, dofs])
        velocity, acceleration, com = np.zeros(6), np.zeros(6), np.zeros(6)
        mujoco.mj_objectVelocity(model, data, mujoco.mjtObj.mjOBJ_XBODY, body, velocity, 0)
        mujoco.mj_objectAcceleration(model, data, mujoco.mjtObj.mjOBJ_XBODY, body, acceleration, 0)
        mujoco.mj_objectVelocity(model, data, mujoco.mjtObj.mjOBJ_BODY, body, com, 0)
        same(link.get_vel(), velocity[3:])
        same(link.get_ang(), velocity[:3])
        k = link.idx_local
        same(entity.get_links_vel(ref="link_com")[:, k], com[3:])
        same(entity.get_links_acc()[:, k], acceleration[3:] + model.opt.gravity)
        same(entity.get_links_acc_ang()[:, k], acceleration[:3])
    same(entity.get_vel(), entity.base_link.get_vel()[env].detach().numpy())
    same(entity.get_ang(), entity.base_link.get_ang()[env].detach().numpy())


def _matrix(quat):
    mat = np.zeros(9)
    mujoco.mju_quat2Mat(mat, quat)
    return mat


def test_control_force_is_the_command_in_force():
    scene, arm, floater, _ = world(2)
    scatter_state(scene)
    force = torch.tensor([1.0, -2.0, 3.0])
    arm.control_dofs_force(force)
    assert torch.equal(arm.get_dofs_control_force(), force.expand(2, 3))
    assert not floater.get_dofs_control_force().any()
    target = torch.randn(2, 3)
    arm.control_dofs_position(target)
    expected = arm.get_dofs_kp() * (target - arm.get_dofs_position()) - arm.get_dofs_kv() * arm.get_dofs_velocity()
    lower, upper = arm.get_dofs_force_range()
    torch.testing.assert_close(arm.get_dofs_control_force(), torch.clamp(expected, lower, upper))


def test_dofs_position_is_euler_angles():
    scene, _, floater, _ = world(2)
    qpos, _ = scatter_state(scene)
    angles = floater.get_dofs_position()
    for env in range(2):
        for dof, q in ((3, 3), (6, 7)):
            quat, expected = np.zeros(4), qpos[env, floater.q_start + q : floater.q_start + q + 4]
            mujoco.mju_euler2Quat(quat, angles[env, dof : dof + 3].detach().numpy(), "XYZ")
            np.testing.assert_allclose(quat * np.sign(quat @ expected), expected, atol=TOLERANCE)
    assert torch.equal(angles[:, [0, 1, 2, 9]], floater.get_qpos()[:, [0, 1, 2, 11]])


def test_what_is_returned_is_a_copy():
    for n_envs in (0, 2):
        scene, *entities = world(n_envs, requires_grad=False)
        scatter_state(scene)
        before = state_numbers(scene)
        theta = scene.world.theta.packed().clone()
        for entity in entities:
            for name, (get, _) in getters(entity).items():
                kept = get().clone()
                get().add_(1.0)
                assert torch.equal(get(), kept), name
            for parameter in entity.get_parameters():
                get = getattr(entity, f"get_{parameter['name']}")
                for value in get() if isinstance(get(), tuple) else (get(),):
                    value.mul_(2.0)
        assert torch.equal(state_numbers(scene), before)
        assert torch.equal(scene.world.theta.packed(), theta)


def test_values_may_be_changed_in_place_with_gradient():
    scene, arm, _, _ = world()
    x = torch.tensor([0.1, 0.2, 0.03], requires_grad=True)
    arm.set_dofs_position(x)
    scene.step()
    position = arm.get_dofs_position()
    position *= 2.0
    position.sum().backward()
    scene.reset()
    arm.set_dofs_position(x)
    scene.step()
    (expected,) = torch.autograd.grad(2 * arm.get_dofs_position().sum(), x)
    torch.testing.assert_close(x.grad, expected)


def test_one_node_serves_several_getters():
    _, arm, _, _ = world()
    x = torch.tensor([0.1, 0.2, 0.03], requires_grad=True)
    arm.set_dofs_position(x)
    together = arm.get_links_pos().sum() + 2 * arm.get_links_vel().sum() + 3 * arm.get_links_pos(ref="link_com").sum()
    (expected,) = torch.autograd.grad(together, x, retain_graph=True)
    parts = [
        torch.autograd.grad(part.sum(), x, retain_graph=True)[0]
        for part in (arm.get_links_pos(), 2 * arm.get_links_vel(), 3 * arm.get_links_pos(ref="link_com"))
    ]
    torch.testing.assert_close(sum(parts), expected)


def test_a_getter_after_a_backward_pass_has_a_graph_of_its_own():
    _, arm, _, _ = world()
    x = torch.tensor([0.1, 0.2, 0.03], requires_grad=True)
    arm.set_dofs_position(x)
    for get in (arm.get_links_pos, arm.get_links_quat, lambda: arm.get_links_pos(ref="link_com"), arm.get_links_vel):
        for _ in range(2):
            get().square().sum().backward()
    assert x.grad.abs().sum() > 0


@pytest.mark.parametrize("n_envs", [0, 2])
def test_gradient_of_every_getter(n_envs):
    scene, arm, floater, _ = world(n_envs)
    scatter_state(scene, seed=1)
    inputs = [value.detach() for e in (arm, floater) for value in (e.get_qpos(), e.get_dofs_velocity())]

    def read(*values):
        for entity, q, v in zip((arm, floater), values[::2], values[1::2], strict=True):
            entity.set_qpos(q)
            entity.set_dofs_velocity(v)
            entity.control_dofs_position(torch.linspace(-0.3, 0.4, entity.n_dofs))
        return [get() for entity in (arm, floater) for get, _ in getters(entity).values()]

    check_gradient(read, *inputs, names=("arm qpos", "arm velocity", "floater qpos", "floater velocity"))


def test_getters_record_nothing_without_requires_grad_or_under_no_grad():
    scene, arm, _, _ = world(requires_grad=False)
    arm.set_dofs_position(torch.zeros(3, requires_grad=True))
    assert not any(get().requires_grad for get, _ in getters(arm).values())
    scene, arm, _, _ = world()
    arm.set_dofs_position(torch.zeros(3, requires_grad=True))
    with torch.no_grad():
        assert not any(get().requires_grad for get, _ in getters(arm).values())
    assert arm.get_pos().requires_grad, "recorded again once gradients are on"
    scene.step()
    assert arm.get_dofs_position().requires_grad


def test_entity_state():
    scene, _, floater, _ = world(2)
    scatter_state(scene)
    state = floater.get_state()
    assert torch.equal(state.pos, floater.get_pos())
    assert torch.equal(state.quat, floater.get_quat())
    assert torch.equal(state.qpos, floater.get_qpos())
    assert torch.equal(state.dofs_vel, floater.get_dofs_velocity())
    floater.set_dofs_velocity(torch.zeros(10, requires_grad=True))
    assert floater.get_state().dofs_vel.requires_grad
    assert not floater.get_state().detach().dofs_vel.requires_grad
