"""Small names of handles, scene.sim, and the rigid solver's methods by scene numbers."""

import inspect
import logging

import mujoco
import numpy as np
import pytest
import torch

import genesis as gs
from genesis.utils import warnings as gs_warnings
from tests.entities import worlds
from tests.helpers import check_gradient

ROUNDING = 1e-13


@pytest.fixture(scope="module")
def world():
    scene, arm, floater, block = worlds.world(n_envs=2)
    qpos, qvel = worlds.scatter_state(scene)
    return scene, (arm, floater, block), qpos, qvel


def data_of(scene, qpos):
    data = mujoco.MjData(scene.mj_model)
    data.qpos[:] = qpos
    mujoco.mj_kinematics(scene.mj_model, data)
    return data


def test_numbers_of_joints(world):
    scene, (arm, floater, _block), qpos, _ = world
    elbow, root, socket = arm.get_joint("elbow"), floater.get_joint("root"), floater.get_joint("socket")
    assert (elbow.dof_idx, elbow.dof_idx_local, elbow.q_idx, elbow.q_idx_local) == (1, 1, 1, 1)
    assert (root.dofs_idx, root.dofs_idx_local) == (list(range(3, 9)), list(range(6)))
    assert (root.dof_idx, root.dof_idx_local) == (root.dofs_idx, root.dofs_idx_local)
    assert (root.qs_idx, root.q_idx) == (list(range(3, 10)), list(range(3, 10)))
    assert (root.qs_idx_local, root.q_idx_local) == (list(range(7)), list(range(7)))
    assert (socket.q_start, socket.q_end, socket.dof_start, socket.dof_end) == (10, 14, 9, 12)
    assert (socket.n_qs, socket.n_dofs) == (4, 3)
    assert socket.init_qpos.tolist() == [1, 0, 0, 0]
    assert np.allclose(elbow.pos, [0.01, 0.02, 0])
    assert (elbow.uid, elbow.is_built, elbow.solver) == (elbow.idx, True, scene.rigid_solver)
    for joint in (*arm.joints, *floater.joints):
        for env in range(2):
            data = data_of(scene, qpos[env])
            assert np.allclose(joint.get_anchor_pos()[env], data.xanchor[joint.idx], atol=ROUNDING)
            assert np.allclose(joint.get_anchor_axis(envs_idx=env)[0], data.xaxis[joint.idx], atol=ROUNDING)


def test_anchors_have_gradients(world):
    _, (arm, floater, _), qpos, _ = world

    def outputs(q):
        floater.set_qpos(q)
        return floater.get_joint("flap").get_anchor_pos(), floater.get_joint("flap").get_anchor_axis()

    start = torch.as_tensor(qpos[:, floater.q_start : floater.q_end])
    check_gradient(outputs, start)
    floater.set_qpos(start)
    assert arm.n_dofs == 3


def test_numbers_of_links(world):
    scene, (arm, floater, block), _, _ = world
    fore, tool, pod = arm.get_link("fore"), arm.get_link("tool"), floater.get_link("pod")
    assert (fore.n_joints, fore.n_dofs, fore.n_qs) == (1, 1, 1)
    assert (fore.joint_start, fore.joint_end, fore.dof_start, fore.dof_end, fore.q_start, fore.q_end) == (
        1,
        2,
        1,
        2,
        1,
        2,
    )
    assert (tool.n_joints, tool.n_dofs, tool.dof_start, tool.dof_end, tool.q_start, tool.q_end) == (
        0,
        0,
        -1,
        -1,
        -1,
        -1,
    )
    assert (pod.n_dofs, pod.n_qs, pod.dof_start, pod.q_start) == (3, 4, 9, 10)
    for link in scene.rigid_solver.links:
        assert [geom.idx for geom in link.geoms] == list(range(link.geom_start, link.geom_end))
        assert [joint.idx for joint in link.joints] == list(range(link.joint_start, link.joint_end))
        assert link.n_geoms == len(link.geoms)
        assert [geom.idx for geom in link.vgeoms] == list(range(link.vgeom_start, link.vgeom_end))
        assert link.root_idx == link.entity.base_link_idx
        assert (link.uid, link.solver) == (link.idx, scene.rigid_solver)
    assert torch.equal(fore.get_pos(relative=False), fore.get_pos())
    assert torch.equal(fore.get_vel(relative=False), fore.get_vel())
    with pytest.raises(gs.GenesisException, match="`relative` is 'no'"):
        fore.get_quat(relative="no")
    assert block.base_link.is_fixed


def test_small_names_of_entities(world):
    scene, (arm, floater, block), _, _ = world
    assert arm.joints_by_links[0] == []
    assert [joint.name for joint in arm.joints_by_links[2]] == ["elbow"]
    assert floater.init_qpos[:7].tolist() == [1, 0, 1, 1, 0, 0, 0]
    assert (block.main_morph, block.morphs) == (block.morph, (block.morph,))
    assert (arm.is_attached, arm.solver) == (False, scene.rigid_solver)
    assert arm.sim.scene is scene
    assert (arm.vert_start, floater.vert_start) == (0, arm.n_verts)
    assert floater.face_start == arm.n_faces
    assert block.edge_start == arm.n_edges + floater.n_edges
    assert (arm.equality_start, arm.equality_end) == (0, 0)
    geom = block.geoms[0]
    assert (geom.contype, geom.conaffinity) == (65535, 65535)  # Genesis's defaults of primitives
    assert geom.is_fixed and geom.is_convex and geom.is_drawn and geom.is_solid
    assert geom.uid == geom.idx
    assert (floater.vvert_start, floater.vface_start) == (arm.n_vverts, arm.n_vfaces)
    first, second = floater.geoms[:2]
    assert (first.vert_start, first.vert_end, second.vert_start) == (arm.n_verts, arm.n_verts + 8, arm.n_verts + 8)
    assert (first.face_start, second.face_start) == (arm.n_faces, first.face_end)
    assert (first.edge_start, second.edge_start) == (arm.n_edges, first.edge_end)
    assert np.allclose(block.geoms[0].data, [0.2, 0.3, 0.4, 0, 0, 0, 0])
    assert np.allclose(block.geoms[0].init_center_pos, np.zeros((8, 3)))
    assert np.allclose(np.sign(block.geoms[0].init_normals), np.sign(block.geoms[0].init_verts))
    assert block.geoms[0].surface is block.surface
    drawn = floater.vgeoms[1]
    assert (drawn.vvert_start, drawn.vface_start) == (arm.n_vverts + 8, arm.n_vfaces + 12)
    assert (drawn.vvert_end, drawn.vface_end) == (
        drawn.vvert_start + drawn.n_vverts,
        drawn.vface_start + drawn.n_vfaces,
    )
    assert drawn.init_vnormals.shape == drawn.init_vverts.shape
    assert drawn.get_trimesh().is_watertight
    for method in (
        "get_pos",
        "get_quat",
        "get_vel",
        "get_links_pos",
        "get_links_quat",
        "get_links_vel",
        "get_links_acc",
    ):
        assert torch.equal(getattr(floater, method)(relative=False), getattr(floater, method)())
    with pytest.raises(gs.GenesisException, match="`relative` is 2"):
        floater.get_links_pos(relative=2)


def test_relative_and_skip_forward(world, caplog, monkeypatch):
    _, (_, floater, _), qpos, _ = world
    monkeypatch.setattr(gs_warnings, "_seen", set())
    with caplog.at_level(logging.WARNING, logger="genesis"):
        floater.set_pos([1.0, 2.0, 3.0], skip_forward=True, relative=False)
        assert not caplog.records
        floater.set_quat([0.0, 1.0, 0.0, 0.0], relative=True)
        floater.set_quat([0.0, 1.0, 0.0, 0.0], relative=True)
    assert [record.message.partition("(")[0] for record in caplog.records] == ["floater.set_quat"]
    assert floater.get_pos().tolist() == [[1, 2, 3]] * 2
    assert floater.get_quat().tolist() == [[0, 1, 0, 0]] * 2
    floater.set_dofs_velocity(None, skip_forward=True)
    floater.zero_all_dofs_velocity(skip_forward=True)
    floater.set_qpos(torch.as_tensor(qpos[:, floater.q_start : floater.q_end]), skip_forward=True)
    for call in (
        lambda: floater.set_pos([0, 0, 0], relative="yes"),
        lambda: floater.set_quat([1, 0, 0, 0], skip_forward=1),
        lambda: floater.set_qpos(floater.get_qpos(), skip_forward=None),
    ):
        with pytest.raises(gs.GenesisException, match="expected True or False"):
            call()


def test_simulator():
    scene, *_ = worlds.world(n_envs=2, dt=0.01, substeps=2)
    sim = scene.sim
    assert (sim.scene, sim.rigid_solver, sim.solvers) == (scene, scene.rigid_solver, scene.solvers)
    assert (sim.dt, sim.substeps, sim.substep_dt, sim.requires_grad) == (0.01, 2, 0.005, True)
    assert sim.entities == scene.entities
    assert (sim.n_entities, sim.n_envs, sim.options) == (3, 2, scene.sim_options)
    assert sim.active_solvers == scene.solvers
    assert sim.gravity == (0.0, 0.0, -9.81)
    sim.step()
    scene.step()
    assert (sim.cur_step_global, sim.cur_substep_global, sim.cur_t) == (2, 4, 0.02)
    assert sim.get_time().tolist() == [0.02, 0.02]
    assert sim.steps.tolist() == [2, 2]
    assert sim.get_time(envs_idx=[0]).shape == (1,)
    sim.set_gravity((0.0, 0.0, -1.0))
    assert scene.get_gravity()[0].tolist() == [0, 0, -1]
    assert scene.rigid_solver.get_gravity().shape == (2, 3)
    state = sim.get_state()
    sim.reset(state)
    assert sim.cur_t == 0.0
    assert "Simulator" in repr(sim)
    before = gs.Scene()
    assert before.sim.cur_t == 0.0
    assert before.rigid_solver.is_active is False


def test_solver_reads_by_scene_numbers(world):
    scene, entities, _qpos, _qvel = world
    solver = scene.rigid_solver
    for name, joined in (
        ("get_links_pos", -2),
        ("get_links_quat", -2),
        ("get_links_vel", -2),
        ("get_links_ang", -2),
        ("get_links_acc", -2),
        ("get_links_acc_ang", -2),
        ("get_qpos", -1),
        ("get_dofs_position", -1),
        ("get_dofs_velocity", -1),
        ("get_dofs_force", -1),
        ("get_dofs_control_force", -1),
        ("get_dofs_kp", -1),
        ("get_dofs_kv", -1),
        ("get_dofs_stiffness", -1),
        ("get_dofs_damping", -1),
        ("get_dofs_armature", -1),
        ("get_dofs_frictionloss", -1),
        ("get_dofs_invweight", -1),
        ("get_links_mass", -1),
        ("get_links_COM", -2),
        ("get_links_inertia", None),
        ("get_links_invweight", None),
        ("get_dofs_limit", -1),
        ("get_dofs_force_range", -1),
    ):
        parts = [getattr(entity, name)() for entity in entities if entity.n_dofs or "links" in name]
        whole = getattr(solver, name)()
        pairs = list(zip(whole, *parts, strict=True)) if isinstance(whole, tuple) else [(whole, *parts)]
        for found, *expected in pairs:
            axis = 1 if joined is None else joined
            assert torch.equal(found, torch.cat(expected, axis)), name
    assert torch.equal(solver.get_links_pos([7, 0], envs_idx=[1])[0, 0], entities[1].links[2].get_pos()[1])
    assert torch.equal(
        solver.get_links_pos(ref="link_com"), torch.cat([e.get_links_pos(ref="link_com") for e in entities], 1)
    )
    assert torch.equal(solver.get_dofs_position(dofs_idx=4)[:, 0], entities[1].get_dofs_position()[:, 1])
    assert torch.equal(solver.get_mass_mat()[:, :3, :3], entities[0].get_mass_mat())
    assert torch.allclose(solver.get_kinetic_energy(), sum(entity.get_kinetic_energy() for entity in entities))
    assert torch.allclose(solver.get_potential_energy(), sum(entity.get_potential_energy() for entity in entities))
    assert list(inspect.signature(solver.get_links_pos).parameters) == ["links_idx", "envs_idx", "ref", "relative"]
    with pytest.raises(gs.GenesisException, match="get_links_pos: `links_idx` holds 9"):
        solver.get_links_pos(9)
    with pytest.raises(gs.GenesisException, match="get_qpos needs the built scene"):
        gs.Scene().rigid_solver.get_qpos()


def test_solver_knows_shapes_and_joints(world):
    scene, entities, qpos, _ = world
    solver = scene.rigid_solver
    data = data_of(scene, qpos[0])
    assert np.allclose(solver.get_geoms_pos()[0], data.geom_xpos, atol=ROUNDING)
    assert torch.equal(solver.get_geoms_pos([2], relative=True)[:, 0], solver.geoms[2].get_pos())
    assert torch.equal(solver.get_geoms_quat(3)[:, 0], solver.geoms[3].get_quat())
    assert solver.get_vgeoms_pos().shape == (2, solver.n_vgeoms, 3)
    assert torch.equal(solver.get_vgeoms_quat([1])[:, 0], solver.vgeoms[1].get_quat())
    assert torch.equal(solver.get_AABB()[:, 1], entities[1].get_AABB())
    assert solver.get_AABB([2], envs_idx=0).shape == (1, 1, 2, 3)
    assert np.allclose(solver.get_joints_anchor_pos()[0], data.xanchor, atol=ROUNDING)
    assert np.allclose(solver.get_joints_anchor_axis([5, 0])[0], data.xaxis[[5, 0]], atol=ROUNDING)
    for name in ("n_verts", "n_faces", "n_edges", "n_vverts", "n_vfaces", "n_vgeoms"):
        assert getattr(solver, name) == sum(getattr(entity, name) for entity in entities)
    assert (solver.n_equalities, solver.is_built, solver.is_active) == (0, True, True)
    assert (solver.dt, solver.substeps, solver.substep_dt) == (0.004, 1, 0.004)
    assert solver.init_qpos.shape == (solver.n_qs,)
    assert (solver.scene, solver.sim.scene) == (scene, scene)


def test_solver_writes_by_scene_numbers():
    scene, arm, floater, block = worlds.world(n_envs=2)
    worlds.scatter_state(scene)
    solver = scene.rigid_solver
    velocity = solver.get_dofs_velocity()
    moved = torch.randn(2, 2, requires_grad=True)
    solver.set_dofs_position(moved, dofs_idx=[1, 12])
    assert torch.equal(solver.get_dofs_velocity(), velocity)  # unlike the entities' setters
    assert torch.equal(arm.get_dofs_position(1), moved[:, :1])
    assert torch.equal(floater.get_dofs_position(9), moved[:, 1:])
    (gradient,) = torch.autograd.grad(solver.get_links_pos().sum(), moved)
    assert bool((gradient[:, 0] != 0).all())
    solver.set_qpos([0.3], qs_idx=[2], envs_idx=[1])
    assert arm.get_qpos()[1, 2] == 0.3
    solver.set_qpos(solver.get_qpos(), zero_velocity=True)
    assert not solver.get_dofs_velocity().any()
    solver.set_dofs_velocity(torch.ones(13))
    assert floater.get_dofs_velocity().sum() == 20
    solver.control_dofs_force([1.5], dofs_idx=[0])
    assert arm.get_dofs_control_force()[:, 0].tolist() == [1.5, 1.5]
    solver.control_dofs_position([0.1, 0.2], [0, 1])
    solver.control_dofs_velocity([0.1], [2])
    solver.control_dofs_position_velocity([0.1], [0.2], [12])
    scene.step()
    solver.set_dofs_kp([7.0], [12])
    assert floater.get_dofs_kp()[:, 9].tolist() == [7.0, 7.0]
    solver.set_links_mass([2.0], [8])
    assert block.get_links_mass()[0].tolist() == [2.0]
    pos = torch.randn(2, 2, 3, requires_grad=True)
    solver.set_base_links_pos(pos, [5, 8])
    assert torch.equal(floater.get_pos(), pos[:, 0])
    assert torch.equal(block.get_pos(), pos[:, 1])
    solver.set_base_links_quat(torch.tensor([0.0, 0, 1, 0]).expand(3, 4))
    assert floater.get_quat().tolist() == [[0, 0, 1, 0]] * 2
    for call, told in (
        (lambda: solver.set_base_links_pos([[0.0, 0, 0]], [1]), "link 1 is no entity's base link"),
        (lambda: solver.set_base_links_pos([[np.nan, 0, 0]], [5]), "expected finite numbers"),
        (lambda: solver.set_base_links_quat([[0.0, 0, 0, 0]], [5]), "length zero"),
        (lambda: solver.set_base_links_pos([0.0, 0, 0], [5]), "has shape"),
    ):
        with pytest.raises(gs.GenesisException, match=told):
            call()
    assert floater.get_quat().tolist() == [[0, 0, 1, 0]] * 2
