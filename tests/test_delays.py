"""Actuators that act late, through the public API: motions against MuJoCo's, gradients against differences."""

import mujoco
import numpy as np
import pytest
import torch

import genesis as gs
from tests.histories import packed, set_control_history
from tests.models import DELAYED
from tests.scenes import build

# After two hundred steps: rounding, which this arm hardly amplifies.
MOTION = 1e-8
# Gradient against central differences, relative to the larger of the gradient and 1, by number of steps.
GRADIENT = {1: 1e-6, 100: 1e-5}
# Of differences; the motion is smooth along all that is varied.
STEP = 1e-6


def controls(scene, n_steps, seed=0, n_envs=None):
    shape = (n_steps, scene.mj_model.nu) if n_envs is None else (n_steps, n_envs, scene.mj_model.nu)
    return torch.tensor(np.random.default_rng(seed).uniform(-0.7, 0.7, shape))


def history(scene, seed=1):
    return np.random.default_rng(seed).uniform(-0.7, 0.7, scene.world.model.nhistory)


def put_history(robot, values):
    first = 0
    m = robot.scene.mj_model
    for number, count in enumerate((m.actuator_history[:, 0] * m.actuator_ctrlnum).tolist()):
        if count:
            robot.set_control_history(values[..., first : first + count], number)
            first += count


@pytest.mark.parametrize("substeps", [1, 3])
@pytest.mark.parametrize("integrator", ["Euler", "implicitfast", "RK4"])
def test_motion_equals_mujoco(integrator, substeps):
    """Random controls, after others that are put into the history by hand."""
    scene, robot = build(DELAYED, integrator=integrator, requires_grad=False, dt=0.004 * substeps, substeps=substeps)
    m = scene.mj_model
    data, given = mujoco.MjData(m), history(scene)
    set_control_history(m, data, given)
    put_history(robot, torch.tensor(given))
    for u in controls(scene, 200):
        data.ctrl[:] = u
        mujoco.mj_step(m, data, substeps)
        robot.control_actuators(u)
        scene.step()
    np.testing.assert_allclose(scene.world.state[0], packed(m, data), rtol=0, atol=MOTION)


def test_a_delay_of_whole_steps_is_exact():
    """Held, by twelve steps: the very numbers commanded then act, however long ago the start is. (MuJoCo adds up its
    time, and after two hundred steps reads the sample before at about half of them.)"""
    source = """<mujoco><option timestep=".01"/><worldbody><body><joint name="x" type="slide"/><geom size=".1"/></body></worldbody>
    <actuator><motor joint="x" delay=".12" nsample="12"/><motor joint="x" delay=".07" nsample="12"/></actuator></mujoco>"""
    scene, robot = build(source, requires_grad=False)
    assert 0.07 / 0.01 > 7  # by rounding
    given = controls(scene, 3000)
    acted = []
    for u in given:
        robot.control_actuators(u)
        acted.append(scene.world.observer.get("actuator_force")[0].clone())
        scene.step()
    acted = torch.stack(acted)
    assert torch.equal(acted[12:, 0], given[:-12, 0]) and torch.equal(acted[7:, 1], given[:-7, 1])
    assert not acted[:12, 0].any() and not acted[:7, 1].any()
    data = mujoco.MjData(scene.mj_model)
    for k, u in enumerate(given[:100]):
        data.ctrl[:] = u
        mujoco.mj_forward(scene.mj_model, data)
        np.testing.assert_array_equal(acted[k], data.actuator_force)
        mujoco.mj_step(scene.mj_model, data)


def loss_of(scene, robot, given, past, delay, start, n_steps):
    scene.reset()
    robot.set_dofs_velocity(start)
    put_history(robot, past)
    late = torch.as_tensor(np.flatnonzero(scene.mj_model.actuator_history[:, 0] > 0))
    robot.set_actuators_delay(delay, late)
    value = 0.0
    weights = torch.linspace(0.5, 1.5, robot.n_dofs)
    for k in range(n_steps):
        robot.control_actuators(given[k])
        scene.step()
        value = value + (weights * robot.get_dofs_velocity()).sum() / n_steps
    return value + robot.get_qpos().sum() + 0.3 * robot.get_control_history(2).square().sum()


@pytest.mark.parametrize("n_steps", GRADIENT)
@pytest.mark.parametrize("integrator", ["Euler", "implicitfast", "RK4"])
def test_gradient_equals_differences(integrator, n_steps):
    """With respect to controls, what was commanded before the start, delays, and the state at the start."""
    scene, robot = build(DELAYED, integrator=integrator)
    m = scene.mj_model
    delay = m.actuator_delay[m.actuator_history[:, 0] > 0].copy()
    inputs = [
        controls(scene, n_steps),
        torch.tensor(history(scene)),
        torch.tensor(delay),
        torch.tensor(0.1 * np.random.default_rng(2).standard_normal(m.nv)),
    ]
    for x in inputs:
        x.requires_grad_()
    loss = loss_of(scene, robot, *inputs, n_steps)
    gradients = torch.autograd.grad(loss, inputs)
    rng = np.random.default_rng(3)
    with torch.no_grad():
        for k, (x, gradient) in enumerate(zip(inputs, gradients, strict=True)):
            for _ in range(3):
                direction = torch.tensor(rng.standard_normal(x.shape))
                if k == 2:  # a delay that is held acts by jumps; one of 0 stays so
                    direction *= torch.tensor((m.actuator_history[:, 1] > 0) & (m.actuator_delay > 0))[
                        m.actuator_history[:, 0] > 0
                    ]
                step = 1e-7 if k == 2 else STEP  # in a hundred steps some interpolation is close to its kink
                both = []
                for sign in (1, -1):
                    moved = [y + sign * step * direction if y is x else y for y in inputs]
                    both.append(loss_of(scene, robot, *moved, n_steps).item())
                expected = (both[0] - both[1]) / (2 * step)
                found = (gradient * direction).sum().item()
                assert abs(expected) > 1e-6
                assert abs(found - expected) < GRADIENT[n_steps] * max(1, abs(expected))
    assert gradients[2][0] == 0.0


def test_a_rollout_is_the_loop():
    scene, robot = build(DELAYED, n_envs=2)
    given = controls(scene, 30, n_envs=2).requires_grad_()
    results = []
    for limit in (None, 20_000, "loop"):
        scene.reset()
        if limit == "loop":
            for u in given:
                robot.control_actuators(u)
                scene.step()
        else:
            scene.rollout({robot: given}, "actuators", memory_limit=limit)
        state = scene.world.state
        (gradient,) = torch.autograd.grad(state.square().sum(), given)
        results.append((state.detach(), gradient))
    for state, gradient in results[:2]:
        torch.testing.assert_close(state, results[2][0], rtol=0, atol=0)
        torch.testing.assert_close(gradient, results[2][1], rtol=1e-12, atol=1e-12)


def test_envs_are_reset_and_states_restored(tmp_path):
    scene, robot = build(DELAYED, n_envs=3)
    first, more = controls(scene, 20, 4, 3), controls(scene, 20, 5, 3)

    def run(given):
        for u in given:
            robot.control_actuators(u)
            scene.step()
        return scene.world.state.detach().clone()

    expected = run(first)
    state = scene.get_state()
    assert state.solvers_state[0].act.shape == (3, scene.mj_model.na)
    last = robot.get_control_history(0)
    torch.testing.assert_close(last, first[-4:, :, 0].T, rtol=0, atol=0)
    torch.testing.assert_close(state.solvers_state[0].control_history[:, :4], last, rtol=0, atol=0)
    scene.save_checkpoint(tmp_path / "late")
    after = run(more)
    scene.reset(state)
    torch.testing.assert_close(run(more), after, rtol=0, atol=0)
    scene.reset()
    scene.load_checkpoint(tmp_path / "late")
    torch.testing.assert_close(run(more), after, rtol=0, atol=0)
    scene.reset(envs_idx=[1])
    assert not robot.get_control_history(0, envs_idx=1).any()
    torch.testing.assert_close(run(first)[1], expected[1], rtol=1e-12, atol=1e-12)
    with torch.no_grad():
        put = controls(scene, 2, 6)[:, :4]
        robot.set_control_history(put, 0, envs_idx=[0, 2])
        torch.testing.assert_close(robot.get_control_history(0)[[0, 2]].as_subclass(torch.Tensor), put, rtol=0, atol=0)


@pytest.mark.parametrize(("integrator", "substeps"), [("implicitfast", 1), ("implicitfast", 2), ("RK4", 1)])
def test_linearized_with_its_history(integrator, substeps):
    """Past controls are part of the state that `linearize` knows; beside differences of `System`'s motion."""
    scene, robot = build(DELAYED, integrator=integrator, dt=0.004 * substeps, substeps=substeps, requires_grad=False)
    for u in controls(scene, 12):
        robot.control_actuators(u)
        scene.step()
    system = gs.tools.System(scene, control="actuators")
    assert system.na == scene.mj_model.na + scene.world.model.nhistory
    A, B = scene.linearize()
    x, u = system.state(), torch.as_tensor(controls(scene, 12)[-1:])
    rng = np.random.default_rng(7)
    for _ in range(4):
        dx, du = torch.tensor(rng.standard_normal((1, system.ndx))), torch.tensor(rng.standard_normal(u.shape))
        ends = [system.rollout(system.integrate(x, s * STEP * dx), (u + s * STEP * du)[None])[-1] for s in (1, -1)]
        expected = system.difference(ends[1], ends[0]) / (2 * STEP)
        found = A @ dx[0] + B @ du[0]
        torch.testing.assert_close(found, expected[0], rtol=1e-6, atol=1e-6)


def test_entities_have_their_own_histories(tmp_path):
    """Two robots in one scene: histories and delays are counted in the scene and asked for by entity."""
    (tmp_path / "late.xml").write_text(DELAYED)
    scene = gs.Scene(sim_options=gs.options.SimOptions(dt=0.004))
    one, two = (scene.add_entity(gs.morphs.MJCF(file=tmp_path / "late.xml", pos=(x, 0, 0))) for x in (0, 5))
    scene.build(n_envs=2)
    m = scene.mj_model
    data, given = mujoco.MjData(m), controls(scene, 40)
    for u in given:
        data.ctrl[:] = u
        mujoco.mj_step(m, data)
        one.control_actuators(u[: one.n_controls])
        two.control_actuators(u[one.n_controls :])
        scene.step()
    np.testing.assert_allclose(scene.world.state[1].detach(), packed(m, data), rtol=0, atol=MOTION)
    torch.testing.assert_close(two.get_control_history(1)[1], given[-6:, one.n_controls + 1], rtol=0, atol=0)
    exported = mujoco.MjModel.from_xml_string(scene.to_mjcf())
    assert exported.actuator_delay.tolist() == m.actuator_delay.tolist()


def test_delays_of_envs_differ():
    scene, robot = build(DELAYED, n_envs=2, requires_grad=False)
    robot.set_actuators_delay(torch.tensor([[0.012], [0.0079]]), [1])
    given = controls(scene, 30)
    for u in given:
        robot.control_actuators(u)
        scene.step()
    for env, delay in enumerate((0.012, 0.0079)):
        m = mujoco.MjModel.from_xml_string(scene.to_mjcf(env=env))
        assert m.actuator_delay[1] == delay
        data = mujoco.MjData(m)
        for u in given:
            data.ctrl[:] = u
            mujoco.mj_step(m, data)
        np.testing.assert_allclose(scene.world.state[env], packed(m, data), rtol=0, atol=MOTION)


def test_what_has_no_history_is_refused():
    scene, robot = build(DELAYED)
    n = scene.world.model.nhistory
    for call, message in (
        (lambda: robot.set_actuators_delay(0.01), "actuator 'none' keeps no history.*nsample.*actuators_idx_local"),
        (lambda: robot.set_actuators_delay(-0.01, [0]), "is -0.01; it cannot be negative"),
        (lambda: robot.get_control_history(3), "get_control_history.*keeps no history"),
        (lambda: robot.set_control_history(0.0, [0, 1]), "names 2 actuators; expected one"),
        (lambda: robot.set_control_history(torch.zeros(5), 0), "`history` has shape"),
        (lambda: robot.set_control_history(torch.full((4,), torch.nan), 0), "history"),
        (lambda: robot.set_control_history(0.0, 99), "actuator_idx_local"),
    ):
        with pytest.raises(gs.GenesisException, match=message):
            call()
    assert n == 48 and not scene.world.state[0, -n:].any()
