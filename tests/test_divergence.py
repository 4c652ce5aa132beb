"""States that no simulation can mean: MuJoCo's bad qpos, qvel, qacc, beyond 1e10 (mj_checkPos, mj_checkVel, mj_checkAcc)."""

import pytest
import torch

import genesis as gs
from genesis.constants import LARGEST_STATE
from tests.rigid.engine import Engine, compile_model

SLIDER = """
<mujoco><option gravity="0 0 0" integrator="{integrator}"/><worldbody><body>
  <joint name="j" type="slide" axis="1 0 0"/><geom type="sphere" size=".1" mass="1"/></body></worldbody>
<actuator><general joint="j" dyntype="integrator" gainprm="0"/></actuator></mujoco>"""


def slider(tmp_path, n_envs=0, dt=0.01, substeps=1, integrator="Euler"):
    path = tmp_path / "slider.xml"
    path.write_text(SLIDER.format(integrator=integrator))
    scene = gs.Scene(sim_options=gs.options.SimOptions(dt=dt, substeps=substeps, requires_grad=True))
    robot = scene.add_entity(gs.morphs.MJCF(file=path))
    scene.build(n_envs=n_envs)
    return scene, robot


@pytest.mark.parametrize("integrator", ["Euler", "implicitfast", "RK4"])
@pytest.mark.parametrize("substeps", [1, 3])
def test_an_acceleration_beyond_is_named_at_its_step(tmp_path, integrator, substeps):
    """The state after would be 2e8 m/s, a number like others: MuJoCo resets here, since qacc is bad."""
    scene, robot = slider(tmp_path, substeps=substeps, integrator=integrator)
    scene.step()
    robot.control_dofs_force([2e10])
    with pytest.raises(gs.GenesisException, match=r"diverged: after this step .*accelerations beyond 1e\+10"):
        scene.step()
    assert scene.cur_step == 1 and robot.get_dofs_velocity().item() == 0
    robot.control_dofs_force([0.9e10])
    scene.step()
    assert robot.get_dofs_velocity().item() == pytest.approx(0.9e8)


@pytest.mark.parametrize("what", ["position", "velocity"])
def test_a_state_beyond_is_named_at_its_step(tmp_path, what):
    scene, robot = slider(tmp_path, n_envs=3, dt=1.0)
    velocity = torch.tensor([[0.0], [0.9e10], [1.0]])
    robot.set_dofs_position(torch.tensor([[1.0], [0.0], [2.0]]))
    robot.set_dofs_velocity(velocity)
    if what == "position":
        scene.step()  # 9e9 m
        with pytest.raises(gs.GenesisException, match=r"diverged: after this step the state of env\(s\) \[1\]"):
            scene.step()  # 1.8e10 m
    else:
        robot.control_dofs_force(torch.tensor([[0.0], [0.5e10], [0.0]]))
        with pytest.raises(gs.GenesisException, match=r"env\(s\) \[1\]"):
            scene.step()


def test_the_step_of_a_rollout_is_named(tmp_path):
    scene, robot = slider(tmp_path, n_envs=2)
    controls = torch.zeros(6, 2, 1)
    controls[3, 1] = 3e10
    controls[4, 1] = -3e10  # what comes back is not forgiven
    with pytest.raises(gs.GenesisException, match=r"after step 4 of the rollout the state of env\(s\) \[1\]"):
        scene.rollout({robot: controls})
    with pytest.raises(gs.GenesisException, match=r"env\(s\) \[1\]"):
        gs.tools.System(scene, n_rows=2).rollout(torch.zeros(2, 3), controls)
    controls[3:5, 1] = 0.9e10
    assert scene.rollout({robot: controls}).qpos(robot).isfinite().all()


def test_activations_may_be_of_any_size(tmp_path):
    """MuJoCo does not look at them; only what is not finite counts."""
    scene, robot = slider(tmp_path)
    robot.control_actuators([1e13])
    scene.step()
    assert scene.get_state().solvers_state[0].act.item() == pytest.approx(1e11)


@pytest.mark.parametrize("substeps", [1, 2])
def test_a_step_that_is_linearised_is_looked_at_too(tmp_path, substeps):
    scene, robot = slider(tmp_path, n_envs=3, substeps=substeps)
    robot.control_dofs_force(torch.tensor([[1.0], [2.0], [3e10]]))
    with pytest.raises(gs.GenesisException, match=r"diverged.*env\(s\) \[2\]"):
        scene.linearize("force")
    one, alone = slider(tmp_path, substeps=substeps)
    alone.control_dofs_force([3e10])
    with pytest.raises(gs.GenesisException, match=r"diverged.*env\(s\) \[0\]"):
        one.linearize("force")


@pytest.mark.parametrize("rows", [1, 2])
def test_the_row_is_named_whether_parameters_are_shared_or_not(tmp_path, rows):
    scene, _ = slider(tmp_path)
    system = gs.tools.System(scene, n_rows=2)
    u = torch.zeros(5, 2, 1)
    u[2, 1] = 3e10
    with pytest.raises(gs.GenesisException, match=r"diverged.*env\(s\) \[1\]"):
        system.linearize(torch.zeros(5, 2, 3), u, system.theta().expand(rows, -1))


def test_setters_refuse_such_a_state(tmp_path):
    scene, robot = slider(tmp_path)
    before = scene.get_state().solvers_state[0].qpos
    for call in (
        lambda: robot.set_qpos([2e10]),
        lambda: robot.set_dofs_position([-2e10]),
        lambda: robot.set_dofs_velocity([2e10]),
        lambda: gs.tools.System(scene).put(torch.tensor([0.0, 2e10, 0.0])),
        lambda: gs.tools.System(scene).rollout(torch.tensor([2e10, 0.0, 0.0]), None, n_steps=2),
        lambda: gs.tools.System(scene).linearize(torch.tensor([[[2e10, 0.0, 0.0]]]), None),
    ):
        with pytest.raises(gs.GenesisException, match=r"1e\+10"):
            call()
    assert torch.equal(scene.get_state().solvers_state[0].qpos, before)
    robot.set_qpos([LARGEST_STATE])
    gs.tools.System(scene).put(torch.tensor([0.0, 0.0, 2e10]))  # an activation


def test_the_executor_of_gpus_says_the_same():
    from genesis.rigid.executors.graph import GraphDynamics

    for integrator in ("Euler", "RK4"):
        source = SLIDER.format(integrator=integrator)
        engine = Engine(compile_model(source, None), n_worlds=2)
        graphs = GraphDynamics(engine.model, 2, torch.device("cpu"))
        force = torch.tensor([[0.0], [3e10]])
        command = engine.command(dof_force=force)
        state, guess = torch.zeros(2, 3), engine.dynamics.no_solution()
        outcomes = [
            dynamics.run(engine.theta, command, state, torch.empty_like(state), guess, torch.empty_like(guess))
            for dynamics in (engine.dynamics, graphs)
        ]
        assert outcomes[0] == outcomes[1] and outcomes[0].diverged == {1: 0} and not outcomes[0].crowded


def test_32_bits_say_so_nine_steps_before_numbers_overflow(run_python):
    program = """
import genesis as gs, torch
gs.init(logging_level="error")
scene = gs.Scene(sim_options=gs.options.SimOptions(dt=0.01))
ball = scene.add_entity(gs.morphs.Sphere(radius=0.1, pos=(0, 0, 1)))
scene.build()
ball.control_dofs_force([1e12, 0, 0, 0, 0, 0])
try:
    scene.step()
except gs.GenesisException as error:
    print("step", scene.cur_step, error)
"""
    assert "step 0 the simulation diverged" in run_python(program)
