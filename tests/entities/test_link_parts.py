"""A link's ranges in the scene, and forces on it alone."""

import mujoco
import numpy as np
import pytest
import torch

import genesis as gs
from tests.entities.worlds import scatter_state, world


@pytest.fixture(scope="module")
def three():
    return world(n_envs=2)


def test_ranges(three):
    scene, arm, floater, block = three
    model = scene.mj_model
    for link in scene.rigid_solver.links:
        body = link.idx + 1
        assert link.n_dofs == link.dof_end - link.dof_start == model.body_dofnum[body]
        assert [joint.idx for joint in link.joints] == list(range(link.joint_start, link.joint_end))
        assert [geom.idx for geom in link.geoms] == list(range(link.geom_start, link.geom_end))
        assert link.root_idx == model.body_rootid[body] - 1 and link.uid == link.idx and link.is_built
        assert link.solver is scene.rigid_solver
    assert floater.base_link.is_free and not arm.base_link.is_free and not block.base_link.is_free
    assert (floater.base_link.q_start, floater.base_link.q_end, floater.base_link.n_qs) == (3, 10, 7)
    assert floater.get_link("flap").n_qs == 1 and arm.base_link.n_qs == 0


def test_inverse_weight(three):
    scene, arm, *_ = three
    expected = scene.mj_model.body_invweight0[arm.get_link("fore").idx + 1]
    assert np.allclose(arm.get_link("fore").get_invweight()[1], expected, rtol=1e-12)


@pytest.mark.parametrize("local", [False, True])
def test_force_at_a_point(three, local):
    """The generalized force is MuJoCo's mj_applyFT at the point."""
    scene, _, floater, _ = three
    scene.reset()
    qpos, qvel = scatter_state(scene)
    link = floater.get_link("pod")
    force, torque, pos = (torch.tensor(x) for x in ([1.0, -2.0, 0.5], [0.1, 0.2, -0.3], [0.3, -0.1, 0.2]))
    link.apply_external_wrench(force, torque, pos=pos, local=local)
    scene.step()
    pushed = floater.get_dofs_velocity().clone()
    for env in range(2):
        data = mujoco.MjData(scene.mj_model)
        data.qpos, data.qvel = qpos[env], qvel[env]
        mujoco.mj_forward(scene.mj_model, data)
        body = link.idx + 1
        rot = data.xmat[body].reshape(3, 3) if local else np.eye(3)
        point = data.xpos[body] + rot @ pos.numpy() if local else pos.numpy()
        target = np.zeros(scene.mj_model.nv)
        mujoco.mj_applyFT(scene.mj_model, data, rot @ force.numpy(), rot @ torque.numpy(), point, body, target)
        data.qfrc_applied[:] = target
        mujoco.mj_step(scene.mj_model, data)
        assert abs(pushed[env].detach().numpy() - data.qvel[3:]).max() < 1e-9


def test_force_and_torque_alone(three):
    scene, _, floater, _ = three
    link, results = floater.get_link("pod"), []
    for own in (True, False):
        scene.reset()
        if own:
            link.apply_external_force([1.0, 2.0, 3.0], [0])
            link.apply_external_torque([0.1, 0.0, 0.2])
        else:
            floater.apply_links_external_force([[1.0, 2.0, 3.0]], [1], [0])
            floater.apply_links_external_torque([[0.1, 0.0, 0.2]], [1])
        scene.step()
        results.append(floater.get_dofs_velocity().clone())
    assert torch.equal(*results)
    with pytest.raises(gs.GenesisException, match="`pos` is where a force acts"):
        link.apply_external_wrench(None, [0.0, 0.0, 1.0], pos=[0.0, 0.0, 0.0])
    with pytest.raises(gs.GenesisException, match=r"apply_external_wrench: `force` has shape \(2,\)"):
        link.apply_external_force([0.0, 1.0])
