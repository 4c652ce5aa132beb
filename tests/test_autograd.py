"""Torch's ways of differentiating, all of them, through steps and getters."""

import logging
import threading

import pytest
import torch

import genesis as gs
from tests import models
from tests.scenes import PANDA, build

# Sums are taken in another order.
ORDER_TOLERANCE = 1e-12


def rollout(scene, robot, controls, steps=5):
    for t in range(steps):
        robot.control_dofs_force(controls[t])
        scene.step()


@pytest.fixture
def arm():
    return build(PANDA)


def fresh_controls(robot, steps=5):
    return torch.linspace(-1, 1, steps * robot.n_dofs).reshape(steps, -1).requires_grad_()


def test_backward_and_autograd_grad_agree(arm):
    scene, robot = arm
    controls = fresh_controls(robot)
    rollout(scene, robot, controls)
    loss = robot.get_links_pos().square().sum()
    (grad,) = torch.autograd.grad(loss, controls, retain_graph=True)
    loss.backward()
    assert torch.equal(grad, controls.grad)
    assert grad.abs().sum() > 0


def test_two_backward_passes_over_one_graph(arm):
    scene, robot = arm
    controls = fresh_controls(robot)
    rollout(scene, robot, controls)
    loss = robot.get_pos().sum() + robot.get_qpos().square().sum()
    loss.backward(retain_graph=True)
    once = controls.grad.clone()
    loss.backward()
    assert torch.equal(controls.grad, 2 * once)


def test_a_state_that_hangs_on_a_freed_graph_says_what_to_do(arm):
    scene, robot = arm
    controls = fresh_controls(robot)
    rollout(scene, robot, controls)
    robot.get_qpos().sum().backward()
    robot.control_dofs_force(controls[0])
    scene.step()
    with pytest.raises(gs.GenesisException, match=r"scene\.detach\(\) after each backward"):
        robot.get_qpos().sum().backward()


def test_without_retain_graph_a_second_backward_is_torch_s_error(arm):
    scene, robot = arm
    controls = fresh_controls(robot)
    rollout(scene, robot, controls)
    loss = robot.get_qpos().sum()
    loss.backward()
    with pytest.raises(RuntimeError, match="second time"):
        loss.backward()


def test_an_old_graph_survives_other_simulations(arm):
    """Buffers are shared by all steps: what a node needs, it has saved."""
    scene, robot = arm
    controls = fresh_controls(robot)
    rollout(scene, robot, controls)
    loss = robot.get_qpos().square().sum() + robot.get_kinetic_energy()
    (expected,) = torch.autograd.grad(loss, controls, retain_graph=True)

    scene.reset()
    robot.set_dofs_armature(torch.full((robot.n_dofs,), 0.3))
    robot.set_qpos(torch.full((robot.n_qs,), 0.5))
    robot.control_dofs_position(torch.zeros(robot.n_dofs))
    robot.apply_links_external_force(torch.ones(robot.n_links, 3))
    for _ in range(3):
        scene.step()
    assert torch.isfinite(robot.get_links_acc()).all()
    (again,) = torch.autograd.grad(loss, controls)
    assert torch.equal(expected, again)


def test_losses_in_the_middle_add_up(arm):
    scene, robot = arm

    def grads(use):
        scene.reset()
        controls = fresh_controls(robot)
        losses = []
        for t in range(5):
            robot.control_dofs_force(controls[t])
            scene.step()
            losses.append(robot.links[-1].get_pos().square().sum() + robot.get_dofs_velocity().square().sum())
        return torch.autograd.grad(sum(losses[k] for k in use), controls)[0]

    torch.testing.assert_close(
        grads(range(5)), sum(grads([k]) for k in range(5)), rtol=ORDER_TOLERANCE, atol=ORDER_TOLERANCE
    )


def test_closed_loop_control_by_a_network():
    """Against differences: the control of every step is a function of the state before it."""
    scene, robot = build(models.PLANAR_BASE)
    torch.manual_seed(0)
    policy = torch.nn.Sequential(
        torch.nn.Linear(robot.n_qs + robot.n_dofs, 8), torch.nn.Tanh(), torch.nn.Linear(8, robot.n_dofs)
    )

    def loss():
        scene.reset()
        for _ in range(10):
            state = torch.cat([robot.get_qpos(), robot.get_dofs_velocity()])
            robot.control_dofs_force(policy(state))
            scene.step()
        return robot.get_links_pos()[-1].square().sum()

    loss().backward()
    weight = policy[0].weight
    direction = torch.randn_like(weight)
    step = 1e-4

    def moved(t):
        with torch.no_grad():
            weight.add_(t * direction)
            value = loss().item()
            weight.sub_(t * direction)
        return value

    numeric = (8 * (moved(step) - moved(-step)) - (moved(2 * step) - moved(-2 * step))) / (12 * step)
    assert (weight.grad * direction).sum().item() == pytest.approx(numeric, rel=1e-7)


def test_detach_truncates(arm):
    scene, robot = arm
    controls = fresh_controls(robot)
    for t in range(5):
        if t == 3:
            scene.detach()
        robot.control_dofs_force(controls[t])
        scene.step()
    robot.get_qpos().sum().backward()
    assert (controls.grad[:3] == 0).all()
    assert (controls.grad[3:] != 0).any(dim=1).all()


def test_hooks_see_and_change_the_gradient_of_a_state(arm):
    scene, robot = arm
    controls = fresh_controls(robot)
    seen = []
    rollout(scene, robot, controls, steps=3)
    middle = robot.get_qpos()
    middle.register_hook(seen.append)
    robot.set_qpos(middle * 1.0, zero_velocity=False)
    robot.control_dofs_force(controls[3])
    scene.step()
    robot.get_qpos().sum().backward()
    assert len(seen) == 1 and seen[0].shape == (robot.n_qs,)


@pytest.mark.parametrize("read", ["get_qpos", "get_links_pos"])
def test_double_backward_is_refused_by_name(arm, read):
    scene, robot = arm
    controls = fresh_controls(robot)
    rollout(scene, robot, controls)
    with pytest.raises(gs.GenesisException, match="double backward"):
        torch.autograd.grad(getattr(robot, read)().sum(), controls, create_graph=True)


def test_gradcheck():
    scene, robot = build(models.BALL_CHAIN)

    def qpos_after(velocity, force):
        scene.reset()
        robot.set_dofs_velocity(velocity)
        robot.control_dofs_force(force)
        scene.step()
        return robot.get_qpos(), robot.get_links_pos()

    inputs = [torch.randn(robot.n_dofs).requires_grad_() for _ in range(2)]
    assert torch.autograd.gradcheck(qpos_after, inputs, check_undefined_grad=False)


def test_no_grad_and_requires_grad_false_record_nothing(arm):
    scene, robot = arm
    controls = fresh_controls(robot)
    with torch.no_grad():
        rollout(scene, robot, controls)
        assert not robot.get_qpos().requires_grad
    unrecorded, other = build(PANDA, requires_grad=False)
    rollout(unrecorded, other, controls)
    assert not other.get_links_pos().requires_grad


def test_a_divergent_step_is_an_error_and_keeps_the_state():
    scene, robot = build(models.BALL_CHAIN, n_envs=3, requires_grad=False)
    velocity = torch.zeros(3, robot.n_dofs)
    velocity[1] = 9e9  # not beyond what a state may be; the centrifugal accelerations are
    robot.set_dofs_velocity(velocity)
    before = robot.get_qpos().clone()
    with pytest.raises(gs.GenesisException, match=r"diverged: .* env\(s\) \[1\]"):
        scene.step()
    assert torch.equal(robot.get_qpos(), before)
    assert scene.cur_step == 0


def test_a_gradient_that_is_not_finite_is_reported_once(arm, caplog):
    scene, robot = arm
    controls = fresh_controls(robot)
    rollout(scene, robot, controls)
    with caplog.at_level(logging.WARNING, logger="genesis"):
        (robot.get_qpos().sum() * float("inf")).backward()
    assert sum("a gradient is NaN or infinite" in r.message for r in caplog.records) == 1


MEMORY_PROGRAM = """
import resource, torch, genesis as gs
gs.init(backend=gs.cpu, logging_level="warning")
torch.set_num_threads(1)
scene = gs.Scene(
    sim_options=gs.options.SimOptions(dt=0.002, requires_grad=True),
    rigid_options=gs.options.RigidOptions(integrator=gs.integrator.implicitfast),
)
arm = scene.add_entity(gs.morphs.URDF(file={panda!r}, fixed=True))
scene.build()
x = torch.zeros(9, requires_grad=True)

def run(steps):
    scene.reset()
    arm.set_dofs_position(x)
    for _ in range(steps):
        arm.control_dofs_position(0.1 * x)
        scene.step()
    loss = arm.get_links_pos().sum()
    recorded = resident()
    loss.backward()
    return recorded

def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * resource.getpagesize()

run(100)
start = resident()
recorded = run({steps})
print("MB", (max(recorded, resident()) - start) / 1e6, "finite", bool(torch.isfinite(x.grad).all()))
"""


def test_memory_of_ten_thousand_steps(run_python):
    """Saved per step: the state and the controls, and the nodes of the graph. Nothing that the step computes."""
    words = run_python(MEMORY_PROGRAM.format(panda=PANDA, steps=10_000)).split()
    assert float(words[words.index("MB") + 1]) < 100
    assert words[words.index("finite") + 1] == "True"


DETERMINISM_PROGRAM = """
import hashlib, torch, genesis as gs
gs.init(backend=gs.cpu, seed=7, logging_level="warning")
scene = gs.Scene(sim_options=gs.options.SimOptions(requires_grad=True))
robot = scene.add_entity(gs.morphs.MJCF(file={file!r}))
scene.build(n_envs=8)
controls = (0.1 * gs.randn(20, 8, robot.n_dofs)).requires_grad_()
for t in range(20):
    robot.control_dofs_force(controls[t])
    scene.step()
loss = robot.get_links_pos().square().sum()
loss.backward()
digest = hashlib.sha256(controls.grad.numpy().tobytes() + robot.get_qpos().detach().numpy().tobytes())
print("digest", digest.hexdigest())
"""


def test_the_same_program_twice_is_bit_identical(run_python):
    program = DETERMINISM_PROGRAM.format(file=models.gymnasium_asset("humanoid.xml"))
    assert run_python(program).split()[-1] == run_python(program).split()[-1]


def test_checkpointing_of_torch_is_refused(arm):
    """It would step the scene again during backward, from another state: a gradient of another motion."""
    from torch.utils.checkpoint import checkpoint

    scene, robot = arm
    controls = fresh_controls(robot)

    def segment(controls):
        rollout(scene, robot, controls)
        return robot.get_qpos()

    with pytest.raises(gs.GenesisException, match="while a backward pass runs"):
        checkpoint(segment, controls, use_reentrant=False).sum().backward()


def test_a_tensor_with_gradient_is_not_dropped_without_a_word(caplog):
    scene, robot = build(PANDA, requires_grad=False)
    with caplog.at_level(logging.WARNING, logger="genesis"):
        for _ in range(2):
            robot.control_dofs_force(fresh_controls(robot)[0])
            scene.step()
    assert sum("this scene records none" in r.message for r in caplog.records) == 1


def test_a_state_of_another_scene_is_taken_only_without_its_graph(arm):
    scene, robot = arm
    other, twin = build(PANDA)
    rollout(scene, robot, fresh_controls(robot))
    with pytest.raises(gs.GenesisException, match=r"state\.detach\(\)"):
        other.reset(scene.get_state())
    other.reset(scene.get_state().detach())
    assert torch.equal(twin.get_qpos(), robot.get_qpos().sceneless())


def test_a_massless_joint_is_an_error_not_a_nan():
    scene, robot = build(models.TUMBLING_BODY)
    robot.set_links_mass(torch.zeros(robot.n_links))
    robot.set_links_inertia(torch.zeros(robot.n_links, 6))
    with pytest.raises(gs.GenesisException, match="neither mass, nor inertia"):
        robot.get_links_acc()
    with pytest.raises(gs.GenesisException, match="neither mass, nor inertia"):
        scene.step()


def test_a_scene_is_neither_copied_nor_pickled(arm):
    import copy
    import pickle

    for act in (copy.copy, copy.deepcopy, pickle.dumps):
        with pytest.raises(gs.GenesisException, match="cannot be copied or pickled"):
            act(arm[0])


def test_one_scene_used_by_two_threads():
    """A backward pass in one thread, steps in another: each loads its inputs and takes its results undisturbed."""
    scene, robot = build(models.PLANAR_BASE)
    controls = fresh_controls(robot, 100)
    rollout(scene, robot, controls, 100)
    loss = robot.get_links_pos().square().sum()
    (expected,) = torch.autograd.grad(loss, controls, retain_graph=True)
    result = []
    thread = threading.Thread(target=lambda: result.append(torch.autograd.grad(loss, controls)[0]))
    thread.start()
    while thread.is_alive():
        scene.reset()
        rollout(scene, robot, controls.detach(), 5)
    thread.join()
    assert torch.equal(result[0], expected)
