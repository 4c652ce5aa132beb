"""The gradient doctor: a healthy scene passes, and each planted fault is called by its name, with its place."""

import math
import re
import threading

import numpy as np
import pytest
import torch

import genesis as gs
from tests.doctor.cases import N_STEPS, Doubled, only, pendulum, random_controls, stepped

# -- healthy ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["steps", "rollout"])
@pytest.mark.parametrize("n_envs", [0, 3])
def test_a_healthy_scene_is_ok(how, n_envs):
    scene, robot = pendulum(n_envs)
    u = random_controls(N_STEPS, 2)
    velocity, mass = torch.tensor([1.0, -1.0], requires_grad=True), torch.tensor(0.7, requires_grad=True)

    def loss():
        scene.reset()
        robot.set_mass(mass)
        robot.set_dofs_velocity(velocity)
        if how == "rollout":
            place = scene.rollout({robot: u}).links_pos(robot)
        else:
            for row in u:
                robot.control_dofs_force(row)
                scene.step()
            place = robot.get_links_pos()
        return place.square().sum() + robot.get_dofs_velocity().square().sum()

    before = {"u": u.detach().clone(), "velocity": velocity.detach().clone(), "mass": mass.detach().clone()}
    loss().backward()
    expected = u.grad.clone()
    report = gs.grad.check(loss, {"u": u, "velocity": velocity, "mass": mass})
    assert report.ok, str(report)
    assert not report.findings
    assert report.n_steps == N_STEPS
    assert set(report.inputs) == {"u", "velocity", "mass"}
    assert np.array_equal(report.inputs["u"].gradient, expected.numpy())
    assert torch.equal(u.grad, expected)  # nothing was added
    for name, value in {"u": u, "velocity": velocity, "mass": mass}.items():
        assert torch.equal(value.detach(), before[name])
        # Six numbers one by one and two directions, or all of few.
        assert len(report.inputs[name].comparisons) == min(value.numel(), 8)
        assert all(c.verdict == "ok" for c in report.inputs[name].comparisons)
    assert scene.cur_step == N_STEPS
    assert robot.get_mass().max() == pytest.approx(0.7)  # the parameters in force are the inputs' again
    assert "ok" in str(report)
    assert report.growth.norm.shape == (N_STEPS, max(n_envs, 1))


def test_contact_on_the_way_is_healthy():
    scene = gs.Scene(sim_options=gs.options.SimOptions(dt=0.005, requires_grad=True))
    scene.add_entity(gs.morphs.Plane())
    ball = scene.add_entity(gs.morphs.Sphere(radius=0.1, pos=(0.0, 0.0, 0.2)))
    scene.build()
    velocity = torch.tensor([1.0, 0.3, -1.0, 0.0, 2.0, 0.5], requires_grad=True)
    friction = torch.tensor(0.8, requires_grad=True)

    def loss():
        scene.reset()
        ball.set_friction(friction)
        ball.set_dofs_velocity(velocity)
        scene.rollout(n_steps=60)
        return (ball.get_pos() * torch.tensor([1.0, 2.0, 3.0])).sum()

    report = gs.grad.check(loss, {"velocity": velocity, "friction": friction})
    assert report.ok, str(report)
    # The solver's tolerance is lifted for the differences, and put back.
    assert scene.mj_model.opt.tolerance > 0.0


def test_a_module_is_taken_by_its_parameters():
    scene, robot = pendulum()
    policy = torch.nn.Linear(4, 2)

    def loss():
        scene.reset()
        robot.set_qpos(torch.tensor([0.4, -0.2]))
        for _ in range(N_STEPS):
            seen = torch.cat([robot.get_qpos(), robot.get_dofs_velocity()])
            robot.control_dofs_force(0.1 * policy(seen))
            scene.step()
        return robot.get_qpos().square().sum()

    report = gs.grad.check(loss, policy, scene)
    assert report.ok, str(report)
    assert set(report.inputs) == {"weight", "bias"}


# -- detached ---------------------------------------------------------------------------------------------------------


def test_an_input_that_is_read_as_numbers():
    scene, robot = pendulum(n_envs=2)
    u = random_controls(N_STEPS, 2)

    def loss():
        stepped(scene, robot, u.detach())
        return robot.get_qpos().square().sum()

    report = gs.grad.check(loss, {"u": u})
    finding = only(report, "detached")
    assert finding.inputs == ("u",)
    assert "before it reaches the scene" in finding.text
    assert "detach()" in finding.advice
    assert not report.inputs["u"].reached


def test_a_graph_that_is_cut_on_the_way():
    scene, robot = pendulum(n_envs=2)
    u = random_controls(N_STEPS, 2)

    def loss():
        stepped(scene, robot, u, lambda t: scene.detach() if t == 10 else None)
        return robot.get_qpos().square().sum()

    finding = only(gs.grad.check(loss, {"u": u}), "detached")
    assert finding.step == 10
    assert "cut before step 10" in finding.text


def test_an_initial_state_whose_graph_is_cut():
    scene, robot = pendulum()
    start = torch.tensor([0.3, 0.2], requires_grad=True)

    def loss():
        scene.reset()
        robot.set_qpos(start)
        for t in range(N_STEPS):
            if t == 5:
                scene.reset(scene.get_state().detach())
            scene.step()
        return robot.get_qpos().square().sum()

    finding = only(gs.grad.check(loss, {"start": start}), "detached")
    assert finding.step == 4
    assert "cut after step 4" in finding.text


def test_a_feedback_that_is_detached():
    scene, robot = pendulum()
    gain = torch.tensor(0.5, requires_grad=True)

    def loss():
        scene.reset()
        robot.set_qpos(torch.tensor([1.0, 0.5]))
        for _ in range(N_STEPS):
            robot.control_dofs_force(-gain * robot.get_dofs_velocity().detach())
            scene.step()
        return robot.get_qpos().square().sum()

    finding = only(gs.grad.check(loss, {"gain": gain}), "detached")
    assert "the command 'dof_force' of step 19 follows the state after step 18" in finding.text


def test_a_loss_that_reads_the_last_state_as_numbers():
    scene, robot = pendulum()
    u = random_controls(N_STEPS, 2)

    def loss():
        stepped(scene, robot, u)
        return 1e-3 * u.sum() + robot.get_qpos().detach().square().sum()

    finding = only(gs.grad.check(loss, {"u": u}), "detached")
    assert "reads the state after the last step" in finding.text


@pytest.mark.parametrize("how", ["detach", "data", "torch.detach"])
def test_one_of_two_terms_that_is_detached(how):
    scene, robot = pendulum()
    u = random_controls(N_STEPS, 2)

    def loss():
        stepped(scene, robot, u)
        speed = robot.get_dofs_velocity()
        cut = {"detach": speed.detach, "data": lambda: speed.data, "torch.detach": lambda: torch.detach(speed)}[how]
        return robot.get_qpos().square().sum() + cut().square().sum()

    finding = only(gs.grad.check(loss, {"u": u}), "detached")
    assert re.search(r"left out at test_check\.py, line \d+: .* the gradient agrees with differences", finding.text)
    assert "hand the tensor itself on" in finding.advice


def test_a_detach_beside_a_wrong_gradient_is_not_blamed():
    scene, robot = pendulum()
    u = random_controls(N_STEPS, 2)
    seen = []

    def loss():
        stepped(scene, robot, u)
        value = Doubled.apply(robot.get_qpos()).square().sum()
        seen.append(value.detach())
        return value

    only(gs.grad.check(loss, {"u": u}), "wrong")


# -- undecided --------------------------------------------------------------------------------------------------------


def test_a_loss_that_jumps_at_this_very_state():
    scene, robot = pendulum()
    start = torch.tensor([0.3, 0.2], requires_grad=True)

    def loss():
        scene.reset()
        robot.set_qpos(start)
        scene.step()
        reward = 0.25 if float(start[0].detach()) > 0.3 else 0.0
        return robot.get_qpos().square().sum() - reward

    report = gs.grad.check(loss, {"start": start}, scene)
    assert not report.ok
    assert report.undecided == ["start"]
    assert str(report).startswith("Gradient check: undecided for start. ")
    assert [c.verdict for c in report.inputs["start"].comparisons] == ["the loss jumps here", "ok"]
    (finding,) = report.findings
    assert (finding.kind, finding.fault) == ("jump", False)
    assert "by -0.25 from one side to the other" in finding.text
    assert "No contact, limit or friction loss switches" in finding.text


# -- saturated --------------------------------------------------------------------------------------------------------


def test_a_clamp_in_the_loss():
    scene, robot = pendulum(n_envs=2)
    u = random_controls(N_STEPS, 2)

    def loss():
        stepped(scene, robot, u)
        return (robot.get_qpos() - 3.0).clamp(-0.5, 0.5).square().sum()

    finding = only(gs.grad.check(loss, {"u": u}), "saturated")
    assert finding.text.startswith("clamp (test_check.py, line ")
    assert "all 4 elements" in finding.text
    assert finding.inputs == ("u",)


def test_a_clamp_that_bites_in_part_is_a_note():
    scene, robot = pendulum(n_envs=4)
    u = torch.tensor([[0.1, 0.1], [0.1, 0.1], [0.1, 0.1], [1e-4, 1e-4]]).repeat(N_STEPS, 1, 1).requires_grad_()

    def loss():
        stepped(scene, robot, u)
        return robot.get_qpos().abs().clamp(max=1e-3).sum()

    report = gs.grad.check(loss, {"u": u})
    assert report.ok, str(report)
    assert report.kinds() == {"saturated"}


def test_a_force_beyond_its_range():
    scene, robot = pendulum()
    robot.set_dofs_force_range(torch.tensor([-0.1, -0.1]), torch.tensor([0.1, 0.1]))
    target = torch.tensor([1.0, -1.0], requires_grad=True)

    def loss():
        scene.reset()
        for _ in range(5):
            robot.control_dofs_position(target)
            scene.step()
        return robot.get_qpos().square().sum()

    finding = only(gs.grad.check(loss, {"target": target}), "saturated")
    assert "shoulder" in finding.text
    assert "elbow" in finding.text
    assert "range" in finding.text


# -- wrong ------------------------------------------------------------------------------------------------------------


def test_a_wrong_gradient_in_the_loss():
    scene, robot = pendulum()
    u = random_controls(N_STEPS, 2)

    def loss():
        stepped(scene, robot, u)
        return Doubled.apply(robot.get_qpos()).square().sum()

    report = gs.grad.check(loss, {"u": u})
    finding = only(report, "wrong")
    assert "in what the loss computes from the states, not in the simulation" in finding.text
    for comparison in report.inputs["u"].wrong:
        assert comparison.gradient == pytest.approx(2.0 * comparison.difference, rel=1e-5)
    assert report.inputs["u"].wrong
    assert "2 times" in finding.text


def test_a_wrong_gradient_before_the_scene():
    scene, robot = pendulum()
    u = random_controls(N_STEPS, 2)

    def loss():
        stepped(scene, robot, Doubled.apply(u))
        return robot.get_qpos().square().sum()

    finding = only(gs.grad.check(loss, {"u": u}), "wrong")
    assert "between the input and the scene" in finding.text


def test_a_wrong_gradient_since_a_step():
    scene, robot = pendulum()
    u = random_controls(N_STEPS, 2)

    def loss():
        stepped(scene, robot, u, lambda t: robot.set_qpos(Doubled.apply(robot.get_qpos())) if t == 7 else None)
        return robot.get_qpos().square().sum()

    report = gs.grad.check(loss, {"u": u}, coordinates=N_STEPS * 2)
    finding = only(report, "wrong")
    assert finding.step == 6
    assert "right from step 7 on and wrong with respect to the state after step 6" in finding.text
    assert {c.index[0] for c in report.inputs["u"].wrong} == set(range(7))


def test_only_the_wrong_input_is_named():
    scene, robot = pendulum()
    u, velocity = random_controls(N_STEPS, 2), torch.tensor([0.3, -0.2], requires_grad=True)

    def loss():
        scene.reset()
        robot.set_dofs_velocity(Doubled.apply(velocity))
        for row in u:
            robot.control_dofs_force(row)
            scene.step()
        return robot.get_qpos().square().sum()

    report = gs.grad.check(loss, {"u": u, "velocity": velocity})
    assert only(report, "wrong").inputs == ("velocity",)
    assert report.inputs["u"].ok
    assert not report.inputs["velocity"].ok


# -- the rest ---------------------------------------------------------------------------------------------------------


def test_an_input_without_effect_is_a_note():
    scene, robot = pendulum()
    u, gain = random_controls(N_STEPS, 2), torch.tensor([5.0, 5.0], requires_grad=True)

    def loss():
        robot.set_dofs_kp(gain)  # matters under position control only
        stepped(scene, robot, u)
        return robot.get_qpos().square().sum()

    report = gs.grad.check(loss, {"u": u, "gain": gain})
    assert report.ok
    (finding,) = report.findings
    assert (finding.kind, finding.inputs) == ("no effect", ("gain",))


def test_a_loss_that_does_not_begin_anew():
    scene, robot = pendulum()
    u = random_controls(N_STEPS, 2)

    def loss():
        scene.detach()
        for row in u:
            robot.control_dofs_force(row)
            scene.step()
        return robot.get_qpos().square().sum()

    report = gs.grad.check(loss, {"u": u})
    assert "not reproducible" in report.kinds(faults_only=True)


def test_random_numbers_are_the_same_at_each_call():
    scene, robot = pendulum()
    u = random_controls(N_STEPS, 2)

    def loss():
        stepped(scene, robot, u)
        return (robot.get_qpos() * torch.randn(2) * np.random.rand()).square().sum()  # noqa: NPY002

    assert gs.grad.check(loss, {"u": u}).ok


def test_the_figure(tmp_path):
    pytest.importorskip("matplotlib")
    scene, robot = pendulum()
    u = random_controls(N_STEPS, 2)

    def loss():
        stepped(scene, robot, u)
        return robot.get_qpos().square().sum()

    report = gs.grad.check(loss, {"u": u})
    report.plot(tmp_path / "check.png")
    assert (tmp_path / "check.png").read_bytes().startswith(b"\x89PNG")
    with pytest.raises(gs.GenesisException, match="cannot write"):
        report.plot(tmp_path / "missing" / "check.png")


def test_bad_arguments_are_refused():
    scene, robot = pendulum()
    u = random_controls(N_STEPS, 2)

    def loss():
        stepped(scene, robot, u)
        return robot.get_qpos().square().sum()

    for inputs, message in (
        ({}, "at least one entry"),
        (u, "expected a dictionary"),
        ({"u": 3.0}, "'u' is 3.0; expected a tensor"),
        ({"u": torch.zeros(2)}, "'u' does not require a gradient"),
        ({"u": 2.0 * u}, "'u' is computed from other tensors"),
        ({"u": torch.zeros(2, dtype=torch.int32)}, "'u' is of type torch.int32"),
        ({"u": torch.full((2,), math.nan, requires_grad=True)}, "'u' holds NaN"),
        ({3: u}, "a name that is no text"),
        ({"m": torch.nn.Linear(2, 2)}, "'m' is a module; pass dict(module.named_parameters())"),
        ({"a": {"u": u}}, "'a' is a dictionary itself"),
    ):
        with pytest.raises(gs.GenesisException, match=re.escape(message)):
            gs.grad.check(loss, inputs)
    with pytest.raises(gs.GenesisException, match="expected a function without arguments"):
        gs.grad.check(3.0, {"u": u})
    with pytest.raises(gs.GenesisException, match="expected a function without arguments"):
        gs.grad.check(lambda given: given, {"u": u}, scene=scene)
    with pytest.raises(gs.GenesisException, match="expected a built gs"):
        gs.grad.check(loss, {"u": u}, scene=robot)
    with pytest.raises(gs.GenesisException, match="refers to no built scene"):
        gs.grad.check(lambda: u.sum(), {"u": u})
    with pytest.raises(gs.GenesisException, match="one floating-point number"):
        gs.grad.check(lambda: robot.get_qpos(), {"u": u}, scene)
    with pytest.raises(gs.GenesisException, match="`coordinates` is 0"):
        gs.grad.check(loss, {"u": u}, coordinates=0)
    with pytest.raises(gs.GenesisException, match="`rtol` is 2"):
        gs.grad.check(loss, {"u": u}, rtol=2)
    with pytest.raises(gs.GenesisException, match="`rerun` is 'no'; expected True or False"):
        gs.grad.check(loss, {"u": u}, rerun="no")
    silent, other = pendulum(requires_grad=False)
    with pytest.raises(gs.GenesisException, match="records no gradients"):
        gs.grad.check(loss, {"u": u}, scene=silent)
    assert other.n_dofs == 2


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
def test_a_mode_without_gradients_around_the_check_is_left(mode):
    scene, robot = pendulum()
    u = random_controls(N_STEPS, 2)

    def loss():
        stepped(scene, robot, u)
        return robot.get_qpos().square().sum()

    with mode():
        report = gs.grad.check(loss, {"u": u})
    assert report.ok, str(report)
    assert report.inputs["u"].reached
    (remark,) = report.remarks
    assert f"called under torch.{mode.__name__}(), which was left" in remark


def test_an_input_made_in_inference_mode():
    scene, robot = pendulum()
    with torch.inference_mode():
        u = torch.zeros(2, requires_grad=True)
    with pytest.raises(gs.GenesisException, match=r"made under torch\.inference_mode"):
        gs.grad.check(lambda: robot.get_qpos().sum(), {"u": u}, scene)


def test_a_scene_is_checked_once_at_a_time():
    scene, robot = pendulum()
    u = random_controls(N_STEPS, 2)

    def loss():
        stepped(scene, robot, u)
        return robot.get_qpos().square().sum()

    def nested():
        gs.grad.check(loss, {"u": u})
        return loss()

    with pytest.raises(gs.GenesisException, match="this scene is being checked already"):
        gs.grad.check(nested, {"u": u}, scene)

    inside, leave, seen = threading.Event(), threading.Event(), []

    def waiting():
        inside.set()
        leave.wait(60.0)
        return loss()

    thread = threading.Thread(target=lambda: seen.append(gs.grad.check(waiting, {"u": u}, scene).ok))
    thread.start()
    try:
        assert inside.wait(60.0)
        with pytest.raises(gs.GenesisException, match="another thread"):
            gs.grad.check(loss, {"u": u})
    finally:
        leave.set()
        thread.join()
    assert seen == [True]
    assert gs.grad.check(loss, {"u": u}).ok


def test_a_loss_that_does_not_step_the_scene_is_remarked():
    scene, robot = pendulum()
    other, _ = pendulum()
    u = random_controls(N_STEPS, 2)

    def loss():
        stepped(scene, robot, u)
        return robot.get_qpos().square().sum()

    for checked, its_loss in ((scene, lambda: u.square().sum()), (other, loss)):
        report = gs.grad.check(its_loss, {"u": u}, checked)
        assert report.n_steps == 0
        (remark,) = report.remarks
        assert "makes no step of this scene" in remark
        assert remark in str(report)


def test_what_the_loss_raises_comes_through():
    scene, robot = pendulum()
    u = random_controls(N_STEPS, 2)

    def loss():
        robot.control_dofs_force(u)
        return robot.get_qpos().sum()

    with pytest.raises(gs.GenesisException, match="shape"):
        gs.grad.check(loss, {"u": u}, scene)
    scene.step()  # and the scene is its own again
    assert scene.cur_step == 1


def test_the_scene_is_found_in_an_object():
    class Task:
        def __init__(self):
            self.scene, self.robot = pendulum()
            self.u = random_controls(5, 2)

        def __call__(self):
            stepped(self.scene, self.robot, self.u)
            return self.robot.get_qpos().square().sum()

    task = Task()
    assert gs.grad.check(task, {"u": task.u}).ok
    assert gs.grad.check(task.__call__, {"u": task.u}).ok
    assert gs.grad.check(lambda: 2.0 * task(), {"u": task.u}, task.scene).ok
