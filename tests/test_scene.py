"""The scene: the order in which it is used, stepping, recording, resetting, detaching, and what each wrong call says."""

import gc
import os
import time

import mujoco
import numpy as np
import pytest
import torch

import genesis as gs
from tests.entities.worlds import reference, scatter_state, state_numbers, unbuilt, world
from tests.helpers import check_gradient

# Rounding of twenty steps on numbers of order ten, 64 bits.
TOLERANCE = 1e-10
# What a recorded step may keep, besides what the bridge's node holds [byte].
RECORDED_STEP = 8_000


# -- what it is -----------------------------------------------------------------------------------------------------------


def test_description():
    scene, arm, floater, block = world(3, dt=0.01, substeps=2)
    assert scene.entities == [arm, floater, block]
    assert scene.get_entity("floater") is floater
    assert [e.idx for e in scene.entities] == [0, 1, 2]
    assert (scene.n_envs, scene.dt, scene.substeps, scene.cur_step, scene.t) == (3, 0.01, 2, 0, 0.0)
    assert scene.requires_grad
    assert scene.is_built
    for _ in range(3):
        scene.step()
    assert scene.cur_step == 3
    assert scene.t == pytest.approx(0.03)
    solver = scene.rigid_solver
    assert scene.solvers == [solver]
    assert (solver.n_entities, solver.n_links, solver.n_joints, solver.n_qs, solver.n_dofs) == (3, 9, 6, 15, 13)
    assert [link.idx for link in solver.links] == list(range(9))
    assert [joint.idx for joint in solver.joints] == list(range(6))
    assert [geom.idx for geom in solver.geoms] == list(range(solver.n_geoms))
    assert scene.mj_model.opt.timestep == pytest.approx(0.005)
    assert "n_envs 3, step 3" in repr(scene)


def test_entities():
    scene, arm, floater, block = world()
    assert (arm.n_links, arm.n_joints, arm.n_qs, arm.n_dofs, arm.n_geoms, arm.n_actuators) == (5, 3, 3, 3, 5, 3)
    assert (floater.n_links, floater.n_joints, floater.n_qs, floater.n_dofs) == (3, 3, 12, 10)
    assert (block.n_links, block.n_dofs, block.base_joint) == (1, 0, None)
    assert (arm.is_free, floater.is_free, block.is_free) == (False, True, False)
    assert [link.name for link in arm.links] == ["base", "upper", "fore", "tip", "tool"]
    assert [joint.name for joint in floater.joints] == ["root", "socket", "flap"]
    assert [joint.type for joint in floater.joints] == ["free", "ball", "hinge"]
    assert [joint.type for joint in arm.joints] == ["hinge", "hinge", "slide"]
    assert floater.get_joint("socket").dofs_idx_local == [6, 7, 8]
    assert floater.get_joint("socket").qs_idx_local == [7, 8, 9, 10]
    assert floater.get_joint("socket").dofs_idx == [9, 10, 11]
    assert floater.get_joint("flap").dof_idx_local == 9
    assert floater.get_joint("socket").link is floater.get_link("pod")
    assert (floater.dof_start, floater.dof_end, floater.q_start, floater.q_end) == (3, 13, 3, 15)
    assert (floater.link_start, floater.link_end, floater.joint_start, floater.joint_end) == (5, 8, 3, 6)
    tip = arm.get_link("tip")
    assert (tip.idx, tip.idx_local, tip.parent_idx, tip.parent_idx_local) == (3, 3, 2, 2)
    assert (arm.base_link.parent_idx, floater.base_link.parent_idx) == (-1, -1)
    assert tip.child_idxs == [4]
    assert [link.is_fixed for link in arm.links] == [True, False, False, False, False]
    assert floater.base_joint is floater.joints[0]
    assert [joint.name for joint in tip.joints] == ["slider"]
    assert [geom.type for geom in arm.geoms] == ["box", "capsule", "capsule", "sphere", "box"]
    assert tip.geoms == [arm.geoms[3]]
    assert block.geoms[0].link is block.base_link
    for part in (arm, tip, arm.joints[0], arm.geoms[0]):
        assert arm.name in repr(part)
    assert scene.get_entity("arm").scene is scene
    assert isinstance(block.morph, gs.morphs.Box)


def test_names():
    scene = gs.Scene()
    first = scene.add_entity(gs.morphs.Box(size=(1, 1, 1)))
    named = scene.add_entity(gs.morphs.Sphere(), name="box_2")
    second = scene.add_entity(gs.morphs.Box(size=(1, 1, 1)))
    assert len({first.name, named.name, second.name}) == 3
    assert first.name == "box_0"


def test_an_empty_scene_steps():
    scene = gs.Scene()
    scene.build(n_envs=2)
    scene.step()
    assert scene.get_state().solvers_state[0].qpos.shape == (2, 0)
    assert scene.entities == []


def test_to_mjcf_compiles_to_the_same_model():
    scene, *_ = world()
    model = mujoco.MjModel.from_xml_string(scene.to_mjcf())
    np.testing.assert_allclose(model.body_mass, scene.mj_model.body_mass)
    np.testing.assert_allclose(model.qpos0, scene.mj_model.qpos0)


def test_nothing_heavy_is_imported_before_init(run_python):
    output = run_python(
        "import sys, genesis as gs\n"
        "gs.Scene, gs.states, gs.morphs.Box(size=(1, 1, 1))\n"
        "print([m for m in ('mujoco', 'warp', 'trimesh') if m in sys.modules])"
    )
    assert output.strip() == "[]"


# -- stepping -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("integrator", [gs.integrator.Euler, gs.integrator.implicitfast, gs.integrator.RK4])
@pytest.mark.parametrize("n_envs", [0, 2])
def test_steps_against_mujoco(n_envs, integrator):
    scene, arm, *_ = world(n_envs, integrator=integrator, substeps=2)
    qpos, qvel = scatter_state(scene)
    ctrl = (0.3, -0.2, 0.5)
    arm.control_actuators(ctrl)
    for _ in range(20):
        scene.step()
    for env in range(max(n_envs, 1)):
        data = reference(scene, qpos[env], qvel[env])
        for _ in range(40):
            data.ctrl[:] = ctrl
            mujoco.mj_step(scene.mj_model, data)
        expected = np.concatenate([data.qpos, data.qvel, data.act])
        np.testing.assert_allclose(scene.world.state[env].detach(), expected, rtol=TOLERANCE, atol=TOLERANCE)


def test_envs_are_independent():
    scene, arm, floater, _ = world(3, requires_grad=False)
    scatter_state(scene)
    start = scene.get_state()
    arm.control_dofs_position(torch.rand(3, 3))
    for _ in range(5):
        scene.step()
    together = state_numbers(scene)
    scene.reset(start)
    arm.control_dofs_force(torch.zeros(3))
    floater.set_dofs_velocity(torch.ones(10), envs_idx=[0, 2])
    arm.control_dofs_position(torch.rand(3), envs_idx=0)
    assert torch.equal(scene.world.state[1], start._packed[1])
    assert not torch.equal(together[0], together[1])


def test_determinism():
    runs = []
    for _ in range(2):
        scene, arm, floater, _ = world(2)
        scatter_state(scene)
        force = torch.linspace(-1, 1, 10).requires_grad_()
        for _ in range(10):
            floater.control_dofs_force(force)
            arm.control_dofs_position(0.2)
            scene.step()
        floater.get_links_pos().square().sum().backward()
        runs.append((state_numbers(scene), force.grad))
    assert torch.equal(runs[0][0], runs[1][0])
    assert torch.equal(runs[0][1], runs[1][1])


# -- recording ------------------------------------------------------------------------------------------------------------


def test_the_first_program_of_the_documentation():
    scene, arm, *_ = world()
    start = torch.tensor([0.1, 0.2, 0.03], requires_grad=True)
    arm.set_dofs_position(start)
    for _ in range(10):
        arm.control_dofs_force(torch.ones(3))
        scene.step()
    loss = torch.nn.functional.mse_loss(arm.get_links_pos()[-1], torch.tensor([1.0, 0.0, 0.5]))
    loss.backward()
    assert torch.isfinite(start.grad).all()
    assert start.grad.abs().min() > 0


@pytest.mark.parametrize("n_envs", [0, 1, 2])
def test_gradient_through_a_rollout(n_envs):
    scene, arm, floater, _ = world(n_envs)
    lead = (n_envs,) if n_envs else ()
    torch.manual_seed(0)
    inputs = [0.2 * torch.randn(*lead, n) for n in (3, 3, 10, 10)]
    inputs += [0.2 * torch.randn(6, *lead, 3), 0.2 * torch.randn(6, *lead, 10)]

    def run(q, v, x, w, u, f):
        scene.reset()
        arm.set_dofs_position(q)
        arm.set_dofs_velocity(v)
        floater.set_dofs_position(x)
        floater.set_dofs_velocity(w)
        outputs = []
        for k in range(6):
            arm.control_dofs_force(u[k])
            floater.control_dofs_force(f[k])
            scene.step()
            if k % 2:
                outputs += [arm.get_links_pos(), floater.get_dofs_position(), floater.get_ang()]
        return [*outputs, arm.get_dofs_velocity(), floater.get_links_vel(), floater.get_kinetic_energy()]

    check_gradient(run, *inputs, names=("q", "v", "x", "w", "u", "f"))


def test_all_of_torch_s_ways():
    scene, arm, *_ = world()
    x = torch.tensor([0.1, 0.2, 0.03], requires_grad=True)

    def loss():
        scene.reset()
        arm.set_dofs_position(x)
        for _ in range(3):
            scene.step()
        return arm.get_links_pos().square().sum()

    (expected,) = torch.autograd.grad(loss(), x)
    value = loss()
    value.backward(retain_graph=True)
    torch.testing.assert_close(x.grad, expected)
    value.backward()
    torch.testing.assert_close(x.grad, 2 * expected)
    seen = []
    value = loss()
    value.register_hook(lambda g: seen.append(float(g)))
    value.backward()
    assert seen == [1.0]
    with pytest.raises(RuntimeError, match="second time"):
        value.backward()
    with pytest.raises(gs.GenesisException, match="double backward"):
        torch.autograd.grad(loss(), x, create_graph=True)


def test_two_epochs_without_reset():
    """Writing the whole state of a scene leaves nothing of the old graph, which a backward pass has freed."""
    scene = gs.Scene(sim_options=gs.options.SimOptions(requires_grad=True))
    box = scene.add_entity(gs.morphs.Box(size=(0.1, 0.1, 0.1)))
    scene.build()
    for write, value in (
        (box.set_dofs_position, torch.zeros(6)),
        (box.set_qpos, torch.tensor([0.0, 0, 0, 1, 0, 0, 0])),
    ):
        value.requires_grad_()
        for _ in range(2):
            write(value)
            scene.step()
            box.get_links_pos().sum().backward()
        assert value.grad[:3].tolist() == [2, 2, 2]


def test_no_grad_and_requires_grad_false_record_nothing():
    scene, arm, *_ = world(requires_grad=False)
    arm.set_dofs_position(torch.ones(3, requires_grad=True))
    scene.step()
    assert not scene.world.state.requires_grad
    scene, arm, *_ = world()
    arm.set_dofs_position(torch.ones(3, requires_grad=True))
    with torch.no_grad():
        scene.step()
    assert not scene.world.state.requires_grad
    arm.control_dofs_force(torch.ones(3))
    scene.step()
    assert scene.world.state.grad_fn is None, "nothing that leads here has a gradient"


def test_detach():
    scene, arm, *_ = world()
    first, second = (torch.zeros(3, requires_grad=True) for _ in range(2))
    damping = torch.full((3,), 0.1, requires_grad=True)
    arm.set_dofs_damping(damping)
    arm.set_dofs_velocity(torch.ones(3))
    arm.control_dofs_force(first)
    scene.step()
    scene.detach()
    assert not scene.world.state.requires_grad
    scene.step()
    arm.control_dofs_force(second)
    scene.step()
    arm.get_dofs_velocity().sum().backward()
    assert first.grad is None, "neither the state nor the command in force before the cut"
    assert second.grad.abs().sum() > 0
    assert damping.grad.abs().sum() > 0, "parameters stay attached"


def test_truncated_backpropagation_is_the_sum_of_its_pieces():
    scene, arm, *_ = world()
    gain = torch.tensor(3.0, requires_grad=True)
    arm.set_dofs_position((0.2, 0.1, 0.05))
    pieces = []
    for _ in range(3):
        for _ in range(4):
            arm.control_dofs_force(-gain * arm.get_dofs_position())
            scene.step()
        loss = arm.get_dofs_position().square().sum()
        pieces.append(torch.autograd.grad(loss, gain)[0])
        scene.detach()
    assert all(torch.isfinite(p) and p != 0 for p in pieces)


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
def test_training_after_a_run_without_gradients(mode):
    scene, arm, *_ = world()
    with mode():
        arm.set_dofs_position(0.1, dofs_idx_local=[2, 0])
        arm.control_dofs_force([1.0, 2.0], dofs_idx_local=[2, 0])
        scene.step()
        arm.get_links_pos([3, 1])
        arm.set_links_mass([2.0, 1.0], links_idx_local=[3, 1])
        arm.set_mass(3.0)
    scene.reset()
    x = torch.zeros(2, requires_grad=True)
    arm.set_dofs_position(x, dofs_idx_local=[2, 0])
    arm.control_dofs_force(x, dofs_idx_local=[2, 0])
    scene.step()
    arm.get_links_pos([3, 1]).sum().backward()
    assert x.grad.all()


@pytest.mark.skipif(not os.path.exists("/proc/self/statm"), reason="memory is read from Linux's /proc")
def test_memory_of_a_recorded_step():
    scene, arm, *_ = world(requires_grad=True)
    force = torch.zeros(3, requires_grad=True)

    def run(n):
        for _ in range(n):
            arm.control_dofs_force(force)
            scene.step()

    run(500)
    gc.collect()
    before = _resident()
    run(4000)
    assert (_resident() - before) / 4000 < RECORDED_STEP
    state = scene.world.state
    scene.reset()
    del state


def _resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * 4096


def test_a_reset_scene_holds_no_graph():
    scene, arm, *_ = world()
    x = torch.zeros(3, requires_grad=True)
    arm.set_dofs_position(x)
    scene.step()
    arm.get_pos()
    scene.reset()
    assert not scene.world.state.requires_grad
    assert not scene.world.observer._kept
    assert not arm.get_pos().requires_grad


# -- resetting ------------------------------------------------------------------------------------------------------------


def test_reset_returns_to_the_build():
    scene, arm, _, _ = world(2)
    start = state_numbers(scene)
    scatter_state(scene)
    arm.control_dofs_force(1.0)
    for _ in range(3):
        scene.step()
    scene.reset()
    assert torch.equal(state_numbers(scene), start)
    assert scene.cur_step == 0
    np.testing.assert_array_equal(start[0, : scene.mj_model.nq], scene.mj_model.qpos0)


def test_reset_of_some_envs():
    scene, *_ = world(3)
    start = state_numbers(scene)
    scatter_state(scene)
    scene.step()
    before = state_numbers(scene)
    for envs in ([2, 0], torch.tensor([True, False, True]), np.array([-1, 0])):
        scene.reset(envs_idx=envs)
        assert torch.equal(state_numbers(scene)[[0, 2]], start[[0, 2]])
        assert torch.equal(state_numbers(scene)[1], before[1])
    assert scene.cur_step == 1, "time goes on while an env does"
    scene.reset(envs_idx=[])
    assert torch.equal(state_numbers(scene)[1], before[1])
    scene.reset(envs_idx=range(3))
    assert scene.cur_step == 0


def test_reset_of_some_envs_keeps_the_gradient_of_the_others():
    scene, arm, *_ = world(2)
    x = torch.zeros(2, 3, requires_grad=True)
    arm.set_dofs_velocity(x)
    scene.step()
    scene.reset(envs_idx=0)
    scene.step()
    arm.get_dofs_velocity().sum().backward()
    assert not x.grad[0].any()
    assert x.grad[1].any()


# -- errors ---------------------------------------------------------------------------------------------------------------


def box():
    return gs.morphs.Box(size=(1, 1, 1))


def built(n_envs=0):
    scene = gs.Scene()
    scene.add_entity(box(), name="box")
    scene.build(n_envs=n_envs)
    return scene


SCENE_ERRORS = {
    "unknown argument": (lambda: gs.Scene(sim_option=1), "did you mean sim_options"),
    "another solver": (lambda: gs.Scene(mpm_options=1), "expected gs.options.MPMOptions"),
    "wrong options": (lambda: gs.Scene(sim_options=gs.options.RigidOptions()), "expected gs.options.SimOptions"),
    "no morph": (lambda: gs.Scene().add_entity("robot.urdf"), "'robot.urdf'; expected a morph"),
    "missing file": (lambda: gs.Scene().add_entity(gs.morphs.URDF(file="no.urdf")), "'no.urdf'"),
    "wrong material": (lambda: gs.Scene().add_entity(box(), material=3), "`material` is 3"),
    "wrong surface": (lambda: gs.Scene().add_entity(box(), surface=3), "`surface` is 3"),
    "empty name": (lambda: gs.Scene().add_entity(box(), name=""), "text that is not empty"),
    "slash in a name": (lambda: gs.Scene().add_entity(box(), name="a/b"), 'has no "/"'),
    "second build": (lambda: built().build(), "built already"),
    "entity after build": (lambda: built().add_entity(box()), "before build"),
    "negative n_envs": (lambda: gs.Scene().build(n_envs=-1), "`n_envs` is -1"),
    "fractional n_envs": (lambda: gs.Scene().build(n_envs=1.5), "`n_envs` is 1.5"),
    "n_envs_per_row": (lambda: gs.Scene().build(n_envs=2, n_envs_per_row=0), "`n_envs_per_row` is 0"),
    "step before build": (lambda: gs.Scene().step(), "scene.step needs the built scene: call scene.build"),
    "reset before build": (lambda: gs.Scene().reset(), "scene.reset needs"),
    "detach before build": (lambda: gs.Scene().detach(), "scene.detach needs"),
    "state before build": (lambda: gs.Scene().get_state(), "scene.get_state needs"),
    "model before build": (lambda: gs.Scene().mj_model, "scene.mj_model needs"),
    "mjcf before build": (lambda: gs.Scene().to_mjcf(), "scene.to_mjcf needs"),
    "gravity before build": (lambda: gs.Scene().set_gravity((0, 0, 0)), "scene.set_gravity needs"),
    "save before build": (lambda: gs.Scene().save_checkpoint("x"), "scene.save_checkpoint needs"),
    "unknown entity": (lambda: built().get_entity("bux"), "no entity 'bux'. Entities: 'box'"),
    "unknown link": (lambda: built().entities[0].get_link("hand"), "no link 'hand'. Its links: 'box_baselink'"),
    "unknown joint": (lambda: built().entities[0].get_joint("x"), "no joint 'x'. Its joints: 'box_joint'"),
    "reset to a number": (lambda: built().reset(3), "`state` is 3; expected what scene.get_state"),
    "envs without envs": (lambda: built().reset(envs_idx=[0]), "built without envs"),
    "env out of range": (lambda: built(2).reset(envs_idx=[2]), "`envs_idx` holds 2, .*valid: -2 to 1"),
    "env twice": (lambda: built(2).reset(envs_idx=[0, -2]), "names element 0 more than once"),
    "path": (lambda: built().save_checkpoint(3), "`path` is 3"),
}


@pytest.mark.parametrize("case", SCENE_ERRORS)
def test_errors(case):
    call, message = SCENE_ERRORS[case]
    with pytest.raises(gs.GenesisException, match=message):
        call()


def test_a_taken_name():
    scene = gs.Scene()
    scene.add_entity(box(), name="a")
    with pytest.raises(gs.GenesisException, match="'a' is taken"):
        scene.add_entity(box(), name="a")


def test_a_failed_build_leaves_the_scene_unbuilt(tmp_path):
    bad = tmp_path / "bad.urdf"
    bad.write_text("<robot name='r'>\n<link name='a'>\n</robot>")
    scene = gs.Scene()
    scene.add_entity(gs.morphs.URDF(file=str(bad)), name="bad")
    with pytest.raises(gs.GenesisException, match=r"bad\.urdf"):
        scene.build()
    assert not scene.is_built
    with pytest.raises(gs.GenesisException, match="needs the built scene"):
        scene.step()


BEFORE_BUILD = (
    [(name, ()) for name in ("n_dofs", "n_links", "links", "joints", "geoms", "base_link", "is_free", "dof_start")]
    + [(f"get_{name}", ()) for name in ("pos", "qpos", "links_vel", "dofs_force", "mass_mat", "state", "dofs_kp")]
    + [(f"get_{name}", ()) for name in ("kinetic_energy", "parameters", "mass", "dofs_limit")]
    + [(f"set_{name}", (0.0,)) for name in ("pos", "qpos", "dofs_position", "dofs_velocity", "links_mass", "mass")]
    + [(f"control_{name}", (0.0,)) for name in ("dofs_force", "dofs_position", "actuators")]
    + [("get_link", ("x",)), ("get_joint", ("x",)), ("zero_all_dofs_velocity", ())]
    + [("apply_links_external_force", (0.0,)), ("get_jacobian", (None,)), ("set_dofs_force_range", (0.0, 1.0))]
)


@pytest.mark.parametrize(("name", "arguments"), BEFORE_BUILD)
def test_entity_before_build(name, arguments):
    _, arm, *_ = unbuilt()
    with pytest.raises(gs.GenesisException, match=r"arm\.\w+ needs the built scene: call scene.build\(\) first"):
        value = getattr(arm, name)
        value(*arguments)


def test_cost_of_step():
    """What the scene adds to the bridge's own step."""
    scene, *_ = world(requires_grad=False)
    scene.step()
    command, theta = scene.world.commands.command, scene.world.theta.packed()

    def bare():
        scene.world.advance(scene.world.dynamics, scene.world.state, theta, command, scene.world.solution, False)

    added = min(_time(scene.step) for _ in range(30)) - min(_time(bare) for _ in range(30))
    assert added < 20e-6


def _time(call, repeat=50):
    start = time.perf_counter()
    for _ in range(repeat):
        call()
    return (time.perf_counter() - start) / repeat
