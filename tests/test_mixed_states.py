"""Every kind of state in one scene, twice, and forces that are counted by more than one number per actuator."""

import tempfile

import mujoco
import numpy as np
import pytest
import torch

import genesis as gs
from tests import scenes as scenes_module
from tests.differences import directional_derivative
from tests.histories import control_history, packed
from tests.scenes import INTEGRATORS
from tests.servo_models import MIXED

# Rounding, which damped mechanisms hardly amplify.
FORWARD = 1e-10
STEPS = 60
GRADIENT = 1e-6


def twice(integrator):
    """(scene, robots)"""
    scene = gs.Scene(
        sim_options=gs.options.SimOptions(dt=0.002, requires_grad=True),
        rigid_options=gs.options.RigidOptions(integrator=INTEGRATORS[integrator], disable_constraint=True),
    )
    with tempfile.NamedTemporaryFile("w", suffix=".xml") as file:
        file.write(MIXED)
        file.flush()
        robots = [scene.add_entity(gs.morphs.MJCF(file=file.name)) for _ in range(2)]
        scene.build()
    return scene, robots


@pytest.fixture(scope="module")
def scenes():
    made = {}

    def of(integrator):
        if integrator not in made:
            made[integrator] = twice(integrator)
        return made[integrator]

    return of


def start(m, seed=0):
    rng = np.random.default_rng(seed)
    data = mujoco.MjData(m)
    mujoco.mj_integratePos(m, data.qpos, 0.2 * rng.standard_normal(m.nv), 1.0)
    data.qvel[:] = rng.standard_normal(m.nv)
    return data


def state_of(scene):
    return scene.world.state[0].detach().numpy()


@pytest.mark.parametrize("integrator", INTEGRATORS)
def test_motion_equals_mujoco(scenes, integrator):
    scene, robots = scenes(integrator)
    m = scene.mj_model
    data = start(m)
    scene.reset()
    for robot, q, v in zip(robots, np.split(data.qpos, 2), np.split(data.qvel, 2), strict=True):
        robot.set_qpos(torch.tensor(q))
        robot.set_dofs_velocity(torch.tensor(v))
    rng = np.random.default_rng(1)
    for _ in range(STEPS):
        data.ctrl[:] = rng.uniform(0, 1, m.nu)
        for robot, u in zip(robots, np.split(data.ctrl, 2), strict=True):
            robot.control_actuators(torch.tensor(u))
        scene.step()
        mujoco.mj_step(m, data)
    assert min(abs(data.act).max(), abs(data.plastic).max(), abs(data.qvel).max()) > 1e-3
    np.testing.assert_allclose(state_of(scene), packed(m, data), rtol=0, atol=FORWARD)
    mujoco.mj_forward(m, data)
    found = np.concatenate([value.detach().numpy().ravel() for value in scene.get_sensor_data().values()])
    np.testing.assert_allclose(found, data.sensordata, rtol=0, atol=FORWARD)


@pytest.mark.parametrize("integrator", INTEGRATORS)
def test_gradient(scenes, integrator):
    """By position, velocity, controls of several steps and gains, of everything that the state holds."""
    scene, (robot, _) = scenes(integrator)
    m = scene.mj_model
    data, rng = start(m, 2), np.random.default_rng(3)
    values = {
        "qpos": torch.tensor(data.qpos[: m.nq // 2].copy()),
        "qvel": torch.tensor(data.qvel[: m.nv // 2].copy()),
        "u": torch.tensor(rng.uniform(0.1, 0.9, (12, m.nu // 2))),
        "gain": robot.get_actuators_gain().sceneless().detach().clone(),
    }
    weights = None

    def run(given):
        nonlocal weights
        scene.reset()
        robot.set_actuators_gain(given["gain"])
        robot.set_qpos(given["qpos"])
        robot.set_dofs_velocity(given["qvel"])
        for u in given["u"]:
            robot.control_actuators(u)
            scene.step()
        state = scene.get_state().solvers_state[0]
        out = torch.cat([robot.get_qpos(), robot.get_dofs_velocity(), state.act, 10.0 * state.plastic]).sceneless()
        if weights is None:
            weights = torch.tensor(rng.standard_normal(len(out)))
        return (out * weights).sum()

    leaves = {key: value.clone().requires_grad_() for key, value in values.items()}
    run(leaves).backward()
    for key, value in values.items():
        direction = torch.tensor(rng.standard_normal(tuple(value.shape))) * (0.05 * value if key == "gain" else 0.05)

        def along(h, key=key, value=value, direction=direction):
            with torch.no_grad():
                return run({**values, key: value + h * direction})[None].numpy()

        expected, error = directional_derivative(along, 1e-5, levels=3)
        terms = leaves[key].grad * direction
        size = abs(expected[0]) + terms.abs().sum().item()
        assert size > 1e-4, key
        assert abs(terms.sum().item() - expected[0]) < GRADIENT * size + 3 * error[0], key
    robot.set_actuators_gain(values["gain"])


def test_ranges_of_muscles_behind_several_forces_are_those_of_their_file(scenes):
    _, (robot, _) = scenes("Euler")
    alone = mujoco.MjModel.from_xml_string(MIXED)
    lower, upper = robot.get_actuators_length_range()
    found = torch.stack([lower, upper], -1).detach().numpy()
    of_muscles = [robot.actuator_names.index(name) for name in ("one", "two")]
    expected = alone.actuator_lengthrange[alone.actuator_outadr[of_muscles]]
    assert (expected[:, 0] < expected[:, 1]).all() and expected[1, 1] > 1.5 * expected[0, 1]
    np.testing.assert_allclose(found[of_muscles], expected, rtol=0, atol=1e-12)


def test_export(scenes):
    """A mass was set: everything else of the file stays, rows of gears and ranges included."""
    scene, (robot, other) = scenes("implicitfast")
    robot.set_links_mass(1.1 * robot.get_links_mass())
    other.set_actuators_gear(1.2 * other.get_actuators_gear())
    m, before = mujoco.MjModel.from_xml_string(scene.to_mjcf()), scene.mj_model
    np.testing.assert_allclose(m.actuator_lengthrange, before.actuator_lengthrange, rtol=0, atol=1e-12)
    gear = before.actuator_gear.copy()
    gear[len(gear) // 2 :] *= 1.2
    np.testing.assert_allclose(m.actuator_gear, gear, rtol=0, atol=1e-12)
    robot.set_links_mass(robot.get_links_mass() / 1.1)
    other.set_actuators_gear(other.get_actuators_gear() / 1.2)


QUATERNIONS = """
<mujoco><option timestep="0.004"/><worldbody><body><joint name="b" type="ball" armature=".02"/><geom size=".1" pos=".1 0 0"/></body></worldbody>
<actuator><orientation joint="b" kp="3" kv=".1" input="quat" delay=".01" nsample="4" interp="{}"/><motor joint="b"/></actuator></mujoco>"""


@pytest.mark.parametrize("interpolation", ["zoh", "linear", "cubic"])
def test_histories_of_quaternions_begin_with_the_identity(interpolation):
    """At the start, after a reset, and while an env or another actuator is commanded alone."""
    scene, robot = scenes_module.build(QUATERNIONS.format(interpolation), n_envs=2, requires_grad=False)
    m = scene.mj_model
    data = mujoco.MjData(m)
    for attempt in range(2):
        mujoco.mj_resetData(m, data)
        scene.reset()
        np.testing.assert_array_equal(robot.get_control_history(0)[1], control_history(m, data))
        for t in range(8):
            angle = 0.2 * t + 1.0
            if t == 1 + attempt:
                robot.control_actuators(torch.tensor([[0.1]]), [1], envs_idx=[0])  # the other env idles
            if t > 3:
                data.ctrl[:4] = np.cos(angle / 2), np.sin(angle / 2), 0, 0
                robot.control_actuators(torch.tensor(data.ctrl))
            scene.step()
            if t > 3:
                mujoco.mj_step(m, data)
            else:  # an orientation servo that nobody commanded does nothing here; its history goes on
                mujoco.mj_forward(m, data)
                robot.set_qpos(torch.tensor(data.qpos))
                robot.set_dofs_velocity(torch.zeros(3))
        np.testing.assert_allclose(robot.get_dofs_velocity()[1], data.qvel, rtol=0, atol=FORWARD)
