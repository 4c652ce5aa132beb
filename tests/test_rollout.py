"""`scene.rollout` is the loop of single steps: the same numbers and the same gradients, bit by bit."""

import re

import numpy as np
import pytest
import torch

import genesis as gs
from tests import models
from tests.scenes import PANDA

T = 23

ANT = models.gymnasium_asset("ant.xml")
INTEGRATORS = {"euler": gs.integrator.Euler, "implicitfast": gs.integrator.implicitfast, "rk4": gs.integrator.RK4}


def arm(n_envs=0, substeps=1, integrator="euler"):
    scene = gs.Scene(
        gs.options.SimOptions(requires_grad=True, substeps=substeps),
        gs.options.RigidOptions(disable_constraint=True, integrator=INTEGRATORS[integrator]),
    )
    robot = scene.add_entity(gs.morphs.URDF(file=PANDA, fixed=True))
    scene.build(n_envs=n_envs)
    return scene, robot


def ant(n_envs=0, substeps=1, integrator="euler"):
    scene = gs.Scene(
        gs.options.SimOptions(requires_grad=True, substeps=substeps),
        gs.options.RigidOptions(integrator=INTEGRATORS[integrator]),
    )
    robot = scene.add_entity(gs.morphs.MJCF(file=ANT))
    scene.build(n_envs=n_envs)
    with torch.no_grad():
        for _ in range(60):  # until it stands
            scene.step()
    return scene, robot


SCENES = {"arm": arm, "ant": ant}


def controls(robot, n_envs, kind, shared=False, seed=3):
    n = robot.n_actuators if kind == "actuators" else robot.n_dofs
    shape = (T, n) if shared or not n_envs else (T, n_envs, n)
    u = 0.3 * np.random.default_rng(seed).standard_normal(shape)
    return torch.tensor(u, dtype=gs.tc_float, requires_grad=True)


def step_with(robot, kind, u):
    {
        "force": robot.control_dofs_force,
        "position": robot.control_dofs_position,
        "velocity": robot.control_dofs_velocity,
        "actuators": robot.control_actuators,
    }[kind](u)
    robot.scene.step()


def start_from(scene, robot, parameters):
    """The state and parameters that both runs begin with, the gradients of which are compared."""
    scene.reset(parameters["state"])
    q = parameters["qpos"].detach().requires_grad_()
    v = parameters["qvel"].detach().requires_grad_()
    damping = parameters["damping"].detach().requires_grad_()
    robot.set_qpos(q)
    robot.set_dofs_velocity(v)
    robot.set_dofs_damping(damping)
    return [q, v, damping]


def beginning(scene, robot):
    state = scene.get_state().detach()
    return {
        "state": state,
        "qpos": robot.get_qpos().sceneless(),
        "qvel": robot.get_dofs_velocity().sceneless(),
        "damping": robot.get_dofs_damping()[0].sceneless() if scene.n_envs else robot.get_dofs_damping().sceneless(),
    }


def gradients_of_loop(scene, robot, first, kind, u, every):
    u = u.detach().requires_grad_()
    inputs = start_from(scene, robot, first)
    loss = 0.0
    weights = torch.linspace(0.5, 1.5, robot.n_qs)
    for row in u:
        step_with(robot, kind, row)
        if every:
            loss = loss + (robot.get_qpos() * weights).sum()
    loss = loss + (robot.get_links_pos() ** 2).sum() + (robot.get_dofs_velocity() ** 2).sum()
    loss.backward()
    return robot.get_qpos().detach().sceneless(), [u.grad, *(x.grad for x in inputs)]


def gradients_of_rollout(scene, robot, first, kind, u, every, **more):
    u = u.detach().requires_grad_()
    inputs = start_from(scene, robot, first)
    weights = torch.linspace(0.5, 1.5, robot.n_qs)
    trajectory = scene.rollout({robot: u}, control=kind, **more)
    loss = 0.0
    if every:
        q = trajectory.qpos(robot)
        loss = sum((row * weights).sum() for row in q[1:])
    loss = loss + (robot.get_links_pos() ** 2).sum() + (robot.get_dofs_velocity() ** 2).sum()
    loss.backward()
    return robot.get_qpos().detach().sceneless(), [u.grad, *(x.grad for x in inputs)]


def assert_same_bits(one, other):
    assert torch.equal(one[0], other[0])
    for a, b in zip(one[1], other[1], strict=True):
        assert torch.equal(a, b)
        assert a.abs().max() > 0


@pytest.mark.parametrize("every", [False, True], ids=["final", "running"])
@pytest.mark.parametrize(
    ("name", "n_envs", "kind", "shared", "substeps", "integrator"),
    [
        ("arm", 0, "force", False, 1, "euler"),
        ("arm", 3, "force", False, 1, "euler"),
        ("arm", 3, "position", True, 2, "implicitfast"),
        ("arm", 2, "velocity", False, 1, "rk4"),
        ("ant", 0, "actuators", False, 1, "euler"),
        ("ant", 3, "actuators", True, 2, "euler"),
        ("ant", 2, "force", False, 1, "rk4"),
    ],
)
def test_a_rollout_is_the_loop_bit_by_bit(name, n_envs, kind, shared, substeps, integrator, every):
    scene, robot = SCENES[name](n_envs, substeps, integrator)
    first = beginning(scene, robot)
    u = controls(robot, n_envs, kind, shared)
    loop = gradients_of_loop(scene, robot, first, kind, u, every)
    assert_same_bits(gradients_of_rollout(scene, robot, first, kind, u, every), loop)


@pytest.mark.parametrize("name", SCENES)
@pytest.mark.parametrize("n_envs", [0, 2])
def test_a_memory_limit_changes_no_bit(name, n_envs):
    scene, robot = SCENES[name](n_envs)
    first = beginning(scene, robot)
    u = controls(robot, n_envs, "force")
    free = gradients_of_rollout(scene, robot, first, "force", u, every=False)
    state = (scene.world.dynamics.state_size + scene.world.dynamics.solution_size) * max(n_envs, 1) * u.element_size()
    for kept in (11, 12, 20):  # states; all would be 24
        limited = gradients_of_rollout(scene, robot, first, "force", u, every=False, memory_limit=kept * state)
        assert_same_bits(limited, free)


# Parameters that steps and getters read, and getters that read them too: their contributions meet in one buffer.
READ_AT_THE_END = {
    "links_pos": lambda robot: robot.get_links_pos(),
    "mass_mat": lambda robot: robot.get_mass_mat(),
    "potential_energy": lambda robot: robot.get_potential_energy(),
    "links_acc": lambda robot: robot.get_links_acc(),
    "links_mass": lambda robot: robot.get_links_mass(),
    "damping": lambda robot: robot.get_dofs_damping(),
    "gravity": lambda robot: robot.scene.get_gravity(),
}


def gradients_by_parameters(scene, robot, state, per_env, kind, u, by_rollout, **more):
    """Of a loss at the end, and of what getters of the parameters themselves say, before and after."""
    scene.reset(state)
    leaves = []

    def leaf(value):
        value = value.detach().as_subclass(torch.Tensor)
        value = value[0] if scene.n_envs and not per_env else value
        leaves.append((1.01 * value).requires_grad_())
        return leaves[-1]

    rows = (scene.n_envs,) if scene.n_envs else ()
    scene.world.theta.replace(torch.as_tensor(scene.world.model.theta_default(), dtype=gs.tc_float)[None])
    robot.set_links_mass(leaf(robot.get_links_mass()))
    robot.set_links_offset_pos(leaf(robot.get_links_offset_pos()))
    robot.set_links_COM(leaf(robot.get_links_COM()))
    robot.set_dofs_damping(leaf(robot.get_dofs_damping() + 0.1))
    robot.set_dofs_armature(leaf(robot.get_dofs_armature() + 0.1))
    robot.set_mass(leaf(torch.full(rows, 20.0)))
    scene.set_gravity(leaf(torch.tensor([0.1, 0.2, -9.0]).expand(*rows, 3)))
    u = u.detach().requires_grad_()
    loss = 0.5 * robot.get_potential_energy().sum() + robot.get_links_mass().square().sum()
    if by_rollout:
        scene.rollout({robot: u}, control=kind, **more)
    else:
        for row in u:
            step_with(robot, kind, row)
    for k, read in enumerate(READ_AT_THE_END.values()):
        values = read(robot)
        loss = loss + (values * torch.linspace(0.3, 1.7 + k, values.shape[-1] if values.ndim else 1)).sum()
    loss.backward()
    return robot.get_qpos().detach().sceneless(), [u.grad, *(x.grad for x in leaves)]


@pytest.mark.parametrize(
    ("name", "kind", "substeps", "integrator"),
    [
        ("arm", "force", 1, "euler"),
        ("arm", "position", 3, "implicitfast"),
        ("arm", "velocity", 1, "rk4"),
        ("ant", "actuators", 2, "euler"),
        ("ant", "force", 1, "rk4"),
    ],
)
@pytest.mark.parametrize("n_envs", [0, 1, 3])
def test_getters_that_read_the_parameters_change_no_bit(name, n_envs, kind, substeps, integrator):
    scene, robot = SCENES[name](n_envs, substeps, integrator)
    size = (scene.world.dynamics.state_size + scene.world.dynamics.solution_size) * max(n_envs, 1) * 8
    state = scene.get_state().detach()
    for per_env in (False, True) if n_envs else (False,):
        u = controls(robot, n_envs, kind)[:13].detach()
        given = scene, robot, state, per_env, kind, u
        loop = gradients_by_parameters(*given, by_rollout=False)
        for more in ({}, {"memory_limit": 9 * size}):
            assert_same_bits(gradients_by_parameters(*given, by_rollout=True, **more), loop)


def test_threads_change_no_bit():
    """A single thread here, three there; more envs than a thread takes on by itself."""
    results = []
    for num_threads in (1, 3, None):
        gs.destroy()
        gs.init(backend=gs.cpu, precision="64", logging_level="warning", num_threads=num_threads)
        if num_threads is None:
            break  # as the other tests expect it
        scene, robot = ant(n_envs=70)
        assert scene.world.dynamics._n_threads == num_threads
        first = beginning(scene, robot)
        first["qvel"] = first["qvel"] + 0.1 * torch.tensor(
            np.random.default_rng(1).standard_normal(first["qvel"].shape)
        )
        u = controls(robot, 70, "actuators")[:5]
        results.append(gradients_of_rollout(scene, robot, first, "actuators", u, every=True))
        results.append(gradients_of_loop(scene, robot, first, "actuators", u, every=True))
    for other in results[1:]:
        assert_same_bits(other, results[0])


def test_what_holds_after_a_rollout_is_what_holds_after_the_loop():
    scene, robot = arm(2)
    scene.rollout(controls(robot, 2, "position"), control="position")
    assert scene.cur_step == T
    assert torch.equal(robot.get_dofs_control_force(), robot.get_dofs_control_force())
    after = robot.get_qpos().detach().sceneless()
    held = robot.get_dofs_control_force().detach().sceneless()
    scene.reset()
    u = controls(robot, 2, "position")
    for row in u:
        robot.control_dofs_position(row)
        scene.step()
    assert torch.equal(robot.get_qpos().detach().sceneless(), after)
    assert torch.equal(robot.get_dofs_control_force().detach().sceneless(), held)


def test_commands_in_force_hold_and_wrenches_act_once():
    scene, robot = arm()
    force = torch.full((robot.n_dofs,), 0.5, requires_grad=True)
    push = torch.tensor([[3.0, -2.0, 1.0]], requires_grad=True)

    def run(by_rollout):
        scene.reset()
        robot.control_dofs_force(force)
        robot.apply_links_external_force(push, links_idx_local=[4])
        if by_rollout:
            trajectory = scene.rollout(n_steps=7)
            assert trajectory.qpos(robot).shape == (8, robot.n_qs)
            assert torch.equal(trajectory.qpos(robot)[-1], robot.get_qpos())
        else:
            for _ in range(7):
                scene.step()
        q = robot.get_qpos()
        return q.detach().sceneless(), list(torch.autograd.grad((q**2).sum(), (force, push)))

    assert_same_bits(run(True), run(False))


def test_trajectories_are_the_states_and_carry_gradients():
    scene, robot = ant(2)
    first = beginning(scene, robot)
    u = controls(robot, 2, "actuators")
    start_from(scene, robot, first)
    trajectory = scene.rollout({robot: u}, control="actuators")
    q, v = trajectory.qpos(robot), trajectory.dofs_velocity(robot)
    pos, quat = trajectory.links_pos(robot), trajectory.links_quat(robot)
    assert q.shape == (T + 1, 2, robot.n_qs) and v.shape == (T + 1, 2, robot.n_dofs)
    assert pos.shape == (T + 1, 2, robot.n_links, 3) and quat.shape == (T + 1, 2, robot.n_links, 4)
    weights = torch.linspace(-1.0, 1.0, robot.n_links)[:, None]
    (grad,) = torch.autograd.grad((pos * weights).sum() + (quat * weights).sum() + v.sum(), u)

    start_from(scene, robot, first)
    again = u.detach().requires_grad_()
    loss = (robot.get_links_pos() * weights).sum() + (robot.get_links_quat() * weights).sum()
    loss = loss + robot.get_dofs_velocity().sum()
    for t, row in enumerate(again):
        assert torch.equal(robot.get_qpos(), q[t]) and torch.equal(robot.get_dofs_velocity(), v[t])
        assert torch.equal(robot.get_links_pos(), pos[t]) and torch.equal(robot.get_links_quat(), quat[t])
        step_with(robot, "actuators", row)
        loss = loss + (robot.get_links_pos() * weights).sum() + (robot.get_links_quat() * weights).sum()
        loss = loss + robot.get_dofs_velocity().sum()
    (expected,) = torch.autograd.grad(loss, again)
    torch.testing.assert_close(grad, expected, rtol=1e-9, atol=1e-9)  # the sum is in another order


@pytest.mark.parametrize("moving", [True, False], ids=["in motion", "at rest, no controls"])
@pytest.mark.parametrize("name", SCENES)
def test_a_rollout_s_gradient_against_differences(name, moving):
    """By controls, initial velocities and damping, through the trajectory; the arm at rest is also stretched out."""
    scene, robot = SCENES[name]()
    first = beginning(scene, robot)
    u = moving * controls(robot, 0, "force").detach()[:8]
    first["qvel"], first["damping"] = moving * first["qvel"], first["damping"] + 0.1  # damping is not negative
    inputs = [x.detach().requires_grad_() for x in (u, first["qvel"], first["damping"])]

    def loss(u, qvel, damping):
        scene.reset(first["state"])
        robot.set_qpos(first["qpos"])
        robot.set_dofs_velocity(qvel)
        robot.set_dofs_damping(damping)
        trajectory = scene.rollout({robot: u})
        return (trajectory.links_pos(robot)[:, 1:] ** 2).sum() + trajectory.dofs_velocity(robot)[-1].square().sum()

    grads = torch.autograd.grad(loss(*inputs), inputs)
    rng = np.random.default_rng(5)
    for k, grad in enumerate(grads):
        direction = torch.tensor(rng.standard_normal(grad.shape))
        h, moved = 1e-6, [x.detach().clone() for x in inputs]
        with torch.no_grad():
            values = []
            for sign in (1, -1):
                moved[k] = inputs[k].detach() + sign * h * direction
                values.append(float(loss(*moved)))
        difference = (values[0] - values[1]) / (2 * h)
        size = float((grad * direction).abs().sum())  # of what is summed: the sum itself may be nearly zero
        assert abs(float((grad * direction).sum()) - difference) < 2e-5 * size + 1e-8, k


def test_horizons_and_envs_change_from_call_to_call():
    scene, robot = arm()
    for count in (1, 5, 2, 64):
        trajectory = scene.rollout(torch.zeros(count, robot.n_dofs))
        assert trajectory.n_steps == count and trajectory.qpos().shape == (count + 1, robot.n_qs)
    assert scene.cur_step == 72
    programs = scene.world.dynamics.executors[0]._programs
    assert list(programs) == ["step"]


def test_bad_input_is_refused_and_nothing_changes():
    scene, robot = arm(2)
    n = robot.n_dofs
    robot.control_dofs_force(torch.ones(n))
    command = scene.world.commands.command
    before = scene.get_state().solvers_state[0].qpos
    bad = {
        "neither controls nor": {},
        'expected "force"': {"controls": torch.zeros(3, n), "control": "torque"},
        r"shape \(3, 4\)": {"controls": torch.zeros(3, 4)},
        r"shape \(0, 9\)": {"controls": torch.zeros(0, n)},
        r"shape \(9,\)": {"controls": torch.zeros(n)},
        "n_steps` is 0": {"n_steps": 0},
        "n_steps` is 2.5": {"n_steps": 2.5},
        "one number of steps": {"controls": torch.zeros(3, n), "n_steps": 4},
        "holds nan": {"controls": torch.full((3, n), float("nan"))},
        "entities of this scene as keys": {"controls": {"robot": torch.zeros(3, n)}},
        "memory_limit` is 'much'": {"n_steps": 3, "memory_limit": "much"},
        "memory_limit` is 100 bytes": {"n_steps": 3000, "memory_limit": 100},
        "expected a number of bytes": {"n_steps": 3, "memory_limit": 10**400},
        "below 2147483648": {"n_steps": 10**30},
        "more than this machine has": {"n_steps": 2**31 - 1},
        "0 entities have actuators": {"controls": torch.zeros(3, n), "control": "actuators"},
        "diverged: after step": {"controls": torch.full((50, n), 1e200)},
    }
    for message, arguments in bad.items():
        with pytest.raises(gs.GenesisException, match=message):
            scene.rollout(**arguments)
        assert scene.world.commands.command is command and scene.cur_step == 0
        assert torch.equal(scene.get_state().solvers_state[0].qpos, before)
    with pytest.raises(gs.GenesisException, match="needs the built scene"):
        gs.Scene().rollout(n_steps=3)


def test_a_limited_trajectory_says_that_it_is_not_kept():
    scene, robot = arm()
    limit = 60 * scene.world.dynamics.state_size * 8
    trajectory = scene.rollout(torch.zeros(400, robot.n_dofs), memory_limit=limit)
    assert trajectory.n_steps == 400 and "not kept" in repr(trajectory)
    with pytest.raises(gs.GenesisException, match="memory_limit"):
        trajectory.qpos(robot)
    with pytest.raises(gs.GenesisException, match="one of the scene's entities"):
        scene.rollout(n_steps=2).qpos("panda")


def test_a_trajectory_shows_what_it_reads():
    scene, robot = arm()
    trajectory = scene.rollout(n_steps=2)
    text = repr(trajectory)
    assert text.startswith("<Trajectory of 2 steps, n_envs 0, reads qpos(), dofs_velocity(), ")
    for name in re.findall(r"(\w+)\(\)", text):
        assert getattr(trajectory, name)(robot).shape[0] == 3
    readings = {name for name in vars(type(trajectory)) if not name.startswith("_")} - {"save"}
    assert set(re.findall(r"(\w+)\(\)", text)) == readings


@pytest.mark.parametrize(
    ("text", "size"), [("512MB", 512_000_000), ("2 GiB", 2**31), ("1.5k", 1500), (np.int64(4096), 4096), ("300b", 300)]
)
def test_memory_limits_are_bytes_or_text(text, size):
    from genesis.grad.rollout import read_memory_limit

    assert read_memory_limit(text, "scene.rollout") == size


def test_constraints_added_after_a_rollout_was_recorded():
    """Its backward pass has no solutions of the solver to begin with, with and without a memory limit."""
    for limit in (None, 12):
        scene = gs.Scene(
            gs.options.SimOptions(requires_grad=True),
            gs.options.RigidOptions(enable_collision=False, enable_joint_limit=False),
        )
        robot = scene.add_entity(gs.morphs.URDF(file=PANDA, fixed=True))
        scene.build()
        assert scene.world.dynamics.solution_size == 0
        u = controls(robot, 0, "force")
        limit = None if limit is None else limit * scene.world.dynamics.state_size * u.element_size()
        scene.rollout(u, memory_limit=limit)
        loss = robot.get_qpos().sum()
        (expected,) = torch.autograd.grad(loss, u, retain_graph=True)
        robot.set_dofs_frictionloss(torch.full((robot.n_dofs,), 0.3))
        assert scene.world.dynamics.solution_size == scene.mj_model.nv
        (grad,) = torch.autograd.grad(loss, u)
        torch.testing.assert_close(grad, expected, rtol=1e-9, atol=1e-12)


def test_the_controls_are_copied():
    scene, robot = arm()
    buffer = torch.zeros(T, robot.n_dofs)
    q = robot.get_qpos().detach().requires_grad_()
    robot.set_qpos(q)
    scene.rollout(buffer)
    buffer.add_(1.0)
    scene.rollout(buffer)
    robot.get_qpos().sum().backward()
    assert q.grad.abs().max() > 0


def test_inference_mode_leaves_nothing_behind():
    with torch.inference_mode():
        scene, robot = arm()
        scene.rollout(torch.zeros(3, robot.n_dofs))
        robot.control_dofs_force(torch.zeros(robot.n_dofs))
    u = torch.zeros(3, robot.n_dofs, requires_grad=True)
    scene.step()
    scene.rollout(u)
    robot.get_qpos().sum().backward()
    assert u.grad.abs().max() > 0


def test_a_forked_process_rolls_out():
    import os

    scene, robot = arm(70)
    u = torch.zeros(5, robot.n_dofs)
    scene.rollout(u)
    child = os.fork()
    if child == 0:
        import signal

        signal.alarm(60)  # a hang is a failure
        scene.rollout(u)
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0


def test_an_interrupt_ends_a_long_rollout_at_once_and_safely(run_python):
    """Threads still write to the states when Python sees it; nothing is freed under them."""
    said = run_python(
        f"""
import os, signal, threading, time
import torch
import genesis as gs
gs.init(backend=gs.cpu, precision="64", logging_level="warning", num_threads=2)
scene = gs.Scene(gs.options.SimOptions(), gs.options.RigidOptions(disable_constraint=True))
robot = scene.add_entity(gs.morphs.URDF(file={PANDA!r}, fixed=True))
scene.build(n_envs=70)
robot.set_dofs_damping(torch.full((robot.n_dofs,), 20.0))
scene.rollout(n_steps=2)
for n_steps in (3000, 100_000):
    threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGINT)).start()
    start = time.monotonic()
    try:
        scene.rollout(n_steps=n_steps)
        time.sleep(5)
        print("not interrupted")
    except KeyboardInterrupt:
        # to its end the longer one takes minutes; other processes may share the cores
        print("interrupted" if time.monotonic() - start < 15 else "late")
    scene.reset()
    scene.rollout(n_steps=20)
"""
    )
    assert said.split() == ["interrupted", "interrupted"]


def test_a_batch_of_gradients_is_refused_by_name():
    scene, robot = arm()
    u = torch.zeros(3, robot.n_dofs, requires_grad=True)
    scene.rollout(u)
    q = robot.get_qpos().sceneless()
    with pytest.raises(gs.GenesisException, match="batch of gradients"):
        torch.autograd.grad(q, u, torch.eye(robot.n_qs), is_grads_batched=True)


def test_the_step_of_a_divergence_is_told_with_a_wrench_too():
    scene, robot = arm()
    said = []
    for push in (0.0, 1e-9):
        scene.reset()
        if push:
            robot.apply_links_external_force(torch.tensor([[push, 0.0, 0.0]]), links_idx_local=[4])
        with pytest.raises(gs.GenesisException, match="diverged: after step") as error:
            scene.rollout(torch.full((60, robot.n_dofs), 1e30))
        said.append(str(error.value).split(" of the rollout")[0])
    assert said[0] == said[1]


def test_a_gradient_that_is_not_finite_is_reported_from_within_a_trajectory(caplog):
    scene, robot = arm()
    u = torch.zeros(5, robot.n_dofs, requires_grad=True)
    trajectory = scene.rollout(u)
    with caplog.at_level("WARNING"):
        (trajectory.links_pos(robot)[2] * float("nan")).sum().backward()
    assert any("NaN or infinite" in record.message for record in caplog.records)
