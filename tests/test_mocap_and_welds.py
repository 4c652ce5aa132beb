"""What else a mocap body, and a weld made at run time, have to do with: contacts, states, systems, tools, files, names."""

from functools import partial

import mujoco
import numpy as np
import pytest
import torch

import genesis as gs
from genesis.grad.non_finite import _tracer
from genesis.rigid.inverse_weights import FIELDS
from genesis.system import System
from tests.mechanisms import MECHANISMS
from tests.scenes import build
from tests.test_mechanisms import welded
from tests.test_states import forge

# The first and the last pair of bodies, and two between, are of what no dof moves; the ball touches hand and floor.
SUNK = """
<mujoco><option timestep="0.002" tolerance="1e-12" iterations="100"/><worldbody>
<geom type="plane" size="5 5 1"/><geom name="rock" size=".1" pos=".15 0 .1"/>
<body name="hand" mocap="true" pos="0 0 .08"><geom size=".1"/></body>
<body name="ball" pos="-.15 0 .099"><freejoint/><geom size=".1"/></body>
<body name="other" mocap="true" pos=".05 0 .08"><geom name="o" size=".1"/></body>
</worldbody>{}</mujoco>"""
PAIR = '<contact><pair geom1="rock" geom2="o"/></contact>'


@pytest.mark.parametrize("more", ["", PAIR], ids=["by type", "explicit pair"])
def test_what_no_dof_moves_does_not_collide(more):
    """A mocap body within floor, static geoms and another mocap body: as MuJoCo, which makes no constraint of it."""
    scene, robot = build(SUNK.format(more), constraints=True, integrator="Euler", requires_grad=True)
    m = scene.mj_model
    data = mujoco.MjData(m)
    qpos = torch.tensor(m.qpos0.copy(), requires_grad=True)
    robot.set_qpos(qpos)
    for _ in range(20):
        scene.step()
        mujoco.mj_step(m, data)
    np.testing.assert_allclose(robot.get_qpos().detach().numpy(), data.qpos, rtol=0, atol=1e-8)
    names = {g.link.name for g in (robot.geoms[int(k)] for k in robot.get_contacts()["geom_a"].flatten() if k >= 0)}
    assert "ball" in names | {robot.geoms[int(k)].link.name for k in robot.get_contacts()["geom_b"].flatten() if k >= 0}
    robot.get_qpos().sum().backward()
    assert torch.isfinite(qpos.grad).all() and qpos.grad.abs().sum() > 0


def mocap_scene(**options):
    scene, robot = build(MECHANISMS["mocap"], constraints=True, integrator="Euler", **options)
    return scene, robot, robot.get_link("hand"), robot.get_link("flap")


def test_a_state_remembers_where_mocap_bodies_were():
    scene, _, hand, _ = mocap_scene(requires_grad=True)
    at = torch.tensor([0.1, 0.2, 0.6], requires_grad=True)
    hand.set_pos(at)
    state = scene.get_state()
    before = state.solvers_state[0].links_pos
    hand.set_pos([1.0, 1.0, 1.0])
    after = state.solvers_state[0].links_pos
    torch.testing.assert_close(after, before, rtol=0, atol=0)
    after[hand.idx].sum().backward()
    assert at.grad.tolist() == [1.0, 1.0, 1.0]
    assert not state.detach().solvers_state[0].links_pos.requires_grad


def placed(scene, robot, hand):
    """What belongs to a state besides numbers of dofs."""
    return hand.get_pos().tolist(), welded(scene), robot.get_equalities_active().tolist()


@pytest.mark.parametrize("envs_idx", [None, [1]])
def test_a_state_brings_back_what_was_placed_and_what_held(envs_idx):
    scene, robot, hand, flap = mocap_scene(n_envs=2)
    solver, tool = scene.rigid_solver, robot.get_link("tool")
    hand.set_pos(torch.tensor([[0.1, 0.2, 0.6], [0.1, 0.2, 0.7]]))
    solver.add_weld_constraint(hand, flap, envs_idx=[1])
    robot.set_equalities_active(False, envs_idx=[0])
    state, then = scene.get_state(), placed(scene, robot, hand)

    def go_on():
        for _ in range(5):
            scene.step()
        return robot.get_qpos().detach().sceneless().clone()

    after = go_on()
    hand.set_pos([1.0, 1.0, 1.0])
    hand.set_quat([1.0, 1.0, 0.0, 0.0])
    solver.delete_weld_constraint(hand, flap)
    solver.add_weld_constraint(tool, flap)
    robot.set_equalities_active([True], envs_idx=[0])
    moved = placed(scene, robot, hand)
    scene.reset(state, envs_idx)
    if envs_idx is None:
        assert placed(scene, robot, hand) == then
        torch.testing.assert_close(go_on(), after, rtol=0, atol=1e-12)
    else:
        found = placed(scene, robot, hand)
        assert found[0] == [moved[0][0], then[0][1]]
        assert found[1] == [x for x in moved[1] if x[0] == 0] + [x for x in then[1] if x[0] == 1]
        assert found[2] == [moved[2][0], then[2][1]]
        torch.testing.assert_close(go_on()[1], after[1], rtol=0, atol=1e-12)
    other, other_robot, other_hand, _ = mocap_scene(n_envs=2)
    other.rigid_solver.add_weld_constraint(other_robot.get_link("tool"), other_hand)  # another comes first there
    other.reset(state.detach())
    assert placed(other, other_robot, other_hand) == then
    scene.reset()
    assert welded(scene) == [(0, hand.idx, tool.idx), (1, hand.idx, tool.idx)]
    assert hand.get_pos().tolist() == [[0.0, 0.0, 0.5]] * 2


def test_the_gradient_of_what_was_placed_goes_through_a_state():
    scene, robot, hand, _ = mocap_scene(requires_grad=True)
    at = torch.tensor([0.1, 0.2, 0.6], requires_grad=True)
    hand.set_pos(at)
    state = scene.get_state()
    grads = []
    for reset in (False, True):
        if reset:
            hand.set_pos([0.0, 0.0, 0.0])
            scene.reset(state)
        for _ in range(5):
            scene.step()
        grads.append(torch.autograd.grad(robot.get_qpos().square().sum(), at)[0])
    assert grads[0].abs().min() > 0
    torch.testing.assert_close(grads[1], grads[0], rtol=0, atol=1e-14)


def test_a_mocap_base_that_is_put_stops_what_hangs_on_it():
    text = """<mujoco><worldbody><body name="hand" mocap="true"><geom size=".1"/><body pos=".3 0 0"><joint axis="0 1 0"/>
    <geom size=".1"/></body></body></worldbody></mujoco>"""
    _, robot = build(text, constraints=True)
    for method, value in (("set_pos", [0.1, 0.2, 0.3]), ("set_quat", [1.0, 1.0, 0.0, 0.0])):
        robot.set_dofs_velocity(1.0)
        getattr(robot, method)(value, zero_velocity=False)
        assert robot.get_dofs_velocity().tolist() == [1.0]
        getattr(robot, method)(value)
        assert robot.get_dofs_velocity().tolist() == [0.0]


def test_systems_of_one_problem_have_the_same_mocap_bodies_and_welds():
    scene, _, hand, flap = mocap_scene()
    hand.set_pos([0.1, 0.0, 0.6])
    scene.rigid_solver.add_weld_constraint(hand, flap)
    system = System(scene, 1)
    x0, u = system.state(), 0.1 * torch.ones(5, 1, system.nu)
    expected = system.rollout(x0, u)
    hand.set_pos([0.5, 0.5, 0.6])
    scene.rigid_solver.delete_weld_constraint(hand, flap)
    many = system.resized(3)
    found = many.rollout(x0.expand(3, -1), u.expand(-1, 3, -1))
    for row in range(3):
        torch.testing.assert_close(found[:, row], expected[:, 0], rtol=0, atol=0)
    assert (System(scene, 1).rollout(x0, u) - expected).abs().max() > 1e-4


def test_plans_with_mocap_bodies_and_welds():
    scene, robot, hand, flap = mocap_scene()
    hand.set_pos([0.1, 0.0, 0.6])
    scene.rigid_solver.add_weld_constraint(hand, flap)
    cost = gs.tools.ResidualCost(lambda motion, u: torch.cat([motion.dofs_velocity(robot)[:-1], 0.1 * u], -1))
    result = gs.tools.optimize_trajectory(scene, cost, 5, max_iterations=3)
    assert np.isfinite(result.cost) and result.controls.abs().sum() > 0
    mpc = gs.tools.MPC(scene, cost, 5, warm_up=1)
    hand.set_pos([0.3, 0.0, 0.6])  # the plan goes on with where it was
    mpc.update()
    after = mpc._problem.system.rollout(mpc.states[0], mpc.controls[:1].view(1, 1, -1))[1, 0]
    torch.testing.assert_close(mpc.states[1], after, rtol=0, atol=1e-12)


def test_inverse_weights_that_follow_are_among_what_has_a_gradient():
    """What identification differentiates: the path by which a mass is felt as softness, too."""
    options = {"inverse_weights": "follow"}
    scene, robot, _, _ = mocap_scene(rigid_options=options, requires_grad=True)
    assert scene.world.theta.columns_with_graph() == []
    mass = robot.get_links_mass().detach().sceneless().clone().requires_grad_()
    robot.set_links_mass(mass)
    columns = torch.cat(scene.world.theta.columns_with_graph())
    theta = scene.world.theta.packed()
    for column in range(theta.shape[1]):
        (grad,) = torch.autograd.grad(theta[0, column], mass, retain_graph=True, allow_unused=True)
        if grad is not None and grad.abs().sum() > 0:
            assert column in columns
    fields = scene.world.model.theta_fields
    assert all(fields[name].offset in columns for name in FIELDS if fields[name].size)


def test_gradients_are_checked_before_and_after_a_weld_is_made():
    scene, robot, hand, flap = mocap_scene(requires_grad=True)
    force = torch.full((robot.n_dofs,), 0.1, requires_grad=True)

    def loss(held):
        scene.reset()
        if held:
            scene.rigid_solver.add_weld_constraint(hand, flap)
        robot.control_dofs_force(force)
        for _ in range(3):
            scene.step()
        return robot.get_qpos().square().sum()

    for held in (False, True):
        report = gs.grad.check(partial(loss, held), {"force": force}, scene)
        assert report.ok, report


def test_a_weld_whose_room_was_not_made_is_made_later(monkeypatch):
    """What fails on the way to more rows leaves nothing that is taken for made."""
    scene, robot, hand, flap = mocap_scene()
    dynamics = scene.world.dynamics
    forget = type(dynamics)._forget_programs
    monkeypatch.setattr(type(dynamics), "_forget_programs", lambda self: (_ for _ in ()).throw(MemoryError()))
    with pytest.raises(MemoryError):
        scene.rigid_solver.add_weld_constraint(hand, flap)
    monkeypatch.setattr(type(dynamics), "_forget_programs", forget)
    assert welded(scene) == [(0, hand.idx, robot.get_link("tool").idx)]
    scene.rigid_solver.add_weld_constraint(hand, flap)
    scene.step()
    assert (0, hand.idx, flap.idx) in welded(scene)


def test_names_of_what_a_gradient_is_by():
    scene, _, hand, flap = mocap_scene()
    scene.rigid_solver.add_weld_constraint(hand, flap)
    tracer = _tracer(scene.world.dynamics)
    block = tracer.space.block
    assert tracer._place(block, "mocap", (5,)) == "link 'mjcf_0/hand'"
    assert tracer._place(block, "weld", (9,)) == "the weld of link 'mjcf_0/hand' and link 'mjcf_0/flap'"
    scene, _ = build(MECHANISMS["gripper"], constraints=True)
    tracer = _tracer(scene.world.dynamics)
    for field in ("ten_length", "ten_J"):
        assert tracer._place(tracer.space.block, field, (0,)).startswith("tendon '")


FORGED = {
    "no weld block": (lambda a: [a.pop(name) for name in [*a] if name.startswith("weld@")], "under a 'weld' that is"),
    "a mocap quaternion of zero": (lambda a: a.update({"mocap@3": np.zeros(4)}), "quaternion of length zero"),
}


@pytest.mark.parametrize("name", FORGED)
def test_checkpoints_without_a_pose_are_refused(tmp_path, name):
    scene, _, hand, flap = mocap_scene()
    scene.rigid_solver.add_weld_constraint(hand, flap)
    path = tmp_path / "a.checkpoint"
    scene.save_checkpoint(path)
    edit, message = FORGED[name]
    path.write_bytes(forge(path.read_bytes(), lambda header, arrays: edit(arrays)))
    with pytest.raises(gs.GenesisException, match=message):
        scene.load_checkpoint(path)


def test_welds_are_read_as_genesis_gives_them():
    """Of envs with different numbers of them, in all four forms; forces as mujoco has them."""
    scene, robot, hand, flap = mocap_scene(n_envs=2)
    solver = scene.rigid_solver
    tool = robot.get_link("tool")
    robot.set_dofs_velocity(0.1)
    solver.add_weld_constraint(hand, flap, envs_idx=[1])
    for pair in ((hand, flap), (flap, hand)):
        with pytest.raises(gs.GenesisException, match="are welded already"):
            solver.add_weld_constraint(*pair)
    for as_tensor in (True, False):
        for to_torch in (True, False):
            found = solver.get_weld_constraints(as_tensor, to_torch)
            if as_tensor:
                assert found["link_a"].tolist() == [[hand.idx, -1], [hand.idx, hand.idx]]
                assert found["link_b"].tolist() == [[tool.idx, -1], [tool.idx, flap.idx]]
                assert found["force"].shape == (2, 2, 6) and not found["force"][0, 1].any()
            else:
                assert [x.tolist() for x in found["link_b"]] == [[tool.idx], [tool.idx, flap.idx]]
                assert [tuple(x.shape) for x in found["force"]] == [(1, 6), (2, 6)]
    m = scene.mj_model
    data = mujoco.MjData(m)
    data.qvel[:] = 0.1
    mujoco.mj_forward(m, data)
    force = solver.get_weld_constraints()["force"][0, 0]
    np.testing.assert_allclose(force.detach().numpy(), data.efc_force[:6], rtol=0, atol=1e-8)
    solver.delete_weld_constraint(flap, hand)
    assert welded(scene) == [(0, hand.idx, tool.idx), (1, hand.idx, tool.idx)]
    robot.set_equalities_active(False)
    assert welded(scene) == []


def test_softness_of_everything_at_once():
    scene, robot, _, _ = mocap_scene()
    solver, soft = scene.rigid_solver, torch.tensor([0.03, 1.1, 0.8, 0.9, 0.002, 0.4, 3.0])
    solver.set_global_sol_params(soft)
    for found in (robot.get_equalities_sol_params(), solver.get_weld_sol_params(), solver.get_sol_params(eqs_idx=[0])):
        torch.testing.assert_close(found.sceneless().reshape(-1, 7)[0], soft, rtol=0, atol=0)
    solver.set_sol_params(soft + torch.tensor([0.01, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]), eqs_idx=0)
    assert robot.get_equalities_sol_params()[0, 0] == pytest.approx(0.04)
    assert solver.n_equalities == robot.n_equalities == 1
    with pytest.raises(gs.GenesisException, match="not several"):
        solver.get_sol_params(geoms_idx=[0], eqs_idx=[0])
    with pytest.raises(gs.GenesisException, match="eqs_idx"):
        solver.get_sol_params(eqs_idx=[1])


def test_the_force_of_a_weld_has_a_gradient_after_there_are_more_welds():
    scene, robot, hand, flap = mocap_scene(requires_grad=True)
    solver, tool = scene.rigid_solver, robot.get_link("tool")
    grads = []
    for more in (False, True):
        scene.reset()
        force = torch.full((robot.n_dofs,), 0.2, requires_grad=True)
        robot.control_dofs_force(force)
        scene.step()
        pulled = solver.get_weld_constraints()["force"].square().sum()
        if more:
            solver.add_weld_constraint(tool, flap)
            scene.step()
        grads.append(torch.autograd.grad(pulled, force)[0])
    assert grads[0].abs().max() > 1e-3
    torch.testing.assert_close(grads[1], grads[0], rtol=1e-12, atol=1e-14)
    assert hand.is_mocap


def test_inverse_weights_that_cannot_follow_are_refused_by_the_setter():
    text = """<mujoco><worldbody><body><joint name="a" axis="0 1 0"/><geom size=".1"/></body></worldbody></mujoco>"""
    _, robot = build(text, constraints=True, n_envs=3, rigid_options={"inverse_weights": "follow"})
    before = robot.get_links_mass()
    with pytest.raises(gs.GenesisException, match=r"set_links_inertia: the inverse .* of env 1: .* joint '.*a' moves"):
        robot.set_links_inertia(torch.zeros(1, 1, 6), envs_idx=[1])
    torch.testing.assert_close(robot.get_links_mass(), before, rtol=0, atol=0)
    _, block = build(
        '<mujoco><worldbody><body><geom size=".1"/></body></worldbody></mujoco>',
        constraints=True,
        n_envs=3,
        rigid_options={"inverse_weights": "follow"},
    )
    block.set_links_mass(torch.ones(3, 1))
    assert not block.get_links_invweight().any()


@pytest.mark.parametrize("power", [500.0, 1100.0, 1e6])
def test_a_large_power_of_the_impedance(power):
    """Powers that underflow one by one, whose quotient does not: the least impedance, below the midpoint."""
    text = """<mujoco><option timestep="0.002"/><worldbody><body pos="0 0 1"><joint name="j" type="slide" axis="0 0 1"/>
    <geom size=".1"/></body></worldbody><equality><joint joint1="j" polycoef=".0004 0 0 0 0"
    solimp=".9 .95 .001 .5 {}"/></equality></mujoco>"""
    scene, robot = build(text.format(power), constraints=True, integrator="Euler", requires_grad=True)
    leaf = torch.zeros(1, requires_grad=True)
    robot.set_qpos(leaf)
    scene.step()
    robot.get_qpos().sum().backward()
    m = mujoco.MjModel.from_xml_string(text.format(500))  # MuJoCo's own powers are numbers up to there
    m.opt.integrator = mujoco.mjtIntegrator.mjINT_EULER
    data = mujoco.MjData(m)
    mujoco.mj_step(m, data)
    assert robot.get_qpos().item() == pytest.approx(data.qpos[0], rel=1e-9)
    assert 0.9 < leaf.grad.item() < 1


def path_of(steps, n_envs, width):
    generator = torch.Generator().manual_seed(1)
    lead = (steps, n_envs) if n_envs else (steps,)
    path = torch.tensor([0.0, 0.0, 0.5, 1.0, 0.0, 0.0, 0.0])[:width].expand(*lead, width).clone()
    return path + 0.05 * torch.randn(path.shape, generator=generator)


@pytest.mark.parametrize("memory_limit", [None, 4000])
@pytest.mark.parametrize("width", [3, 7])
@pytest.mark.parametrize("n_envs", [0, 2])
def test_a_rollout_along_the_path_of_a_mocap_link(n_envs, width, memory_limit):
    """As the loop: motion, what is read of the way, and the gradient of each pose."""
    scene, robot, hand, _ = mocap_scene(n_envs=n_envs, requires_grad=True)
    steps, path = 12, path_of(12, n_envs, width)
    force = torch.full((steps, robot.n_dofs), 0.02)
    results = []
    for as_rollout in (False, True):
        scene.reset()
        leaf, push = path.clone().requires_grad_(), force.clone().requires_grad_()
        seen, speed = [], []
        if as_rollout:
            way = scene.rollout({robot: push, hand: leaf}, memory_limit=memory_limit)
            if memory_limit is None:
                seen, speed = way.links_pos(robot), way.links_acc(robot)
        else:
            for pose, u in zip(leaf, push, strict=True):
                hand.set_pos(pose[..., :3])
                if width == 7:
                    hand.set_quat(pose[..., 3:])
                robot.control_dofs_force(u)
                seen.append(robot.get_links_pos())
                speed.append(robot.get_links_acc())
                scene.step()
            seen, speed = torch.stack([*seen, robot.get_links_pos()]), torch.stack([*speed, robot.get_links_acc()])
        loss = robot.get_qpos().square().sum() + hand.get_pos().sum()
        if memory_limit is None:
            loss = loss + (seen * torch.linspace(0.5, 1.5, steps + 1).view(-1, *[1] * (seen.ndim - 1))).sum()
            loss = loss + 1e-3 * speed.square().sum()
            results.append([seen.detach().sceneless(), speed.detach().sceneless()])
        else:
            results.append([])
        results[-1] += [robot.get_qpos().detach().sceneless(), *torch.autograd.grad(loss, (leaf, push))]
    for one, other in zip(*results, strict=True):
        torch.testing.assert_close(other, one, rtol=1e-10, atol=1e-12)
    assert results[0][-2].abs().min() > 0 or width == 7
    assert hand.get_pos().flatten().tolist() == pytest.approx(path[-1, ..., :3].flatten().tolist())


def test_paths_that_do_not_fit():
    scene, robot, hand, flap = mocap_scene()
    pose = hand.get_pos()
    for given, message in (
        ({hand: torch.zeros(5, 4)}, r"'hand' have shape \(5, 4\); expected \(T, 3\) or \(T, 7\)"),
        ({hand: torch.zeros(5, 7)}, "quaternion of length zero"),
        ({flap: torch.zeros(5, 3)}, "expected entities of this scene as keys"),
        ({hand: torch.zeros(5, 3), robot: torch.zeros(4, robot.n_dofs)}, "for 4 and 5 steps"),
        ({hand: torch.full((5, 3), torch.nan)}, "expected finite numbers"),
    ):
        with pytest.raises(gs.GenesisException, match=message):
            scene.rollout(given)
        assert torch.equal(hand.get_pos(), pose) and scene.cur_step == 0
