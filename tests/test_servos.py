"""Actuators of several controls and states, through the public API: motions against MuJoCo's, gradients against
differences, and which control is whose."""

import mujoco
import numpy as np
import pytest
import torch

import genesis as gs
from genesis.system import System
from genesis.world.catalogue import PARAMETERS
from tests.differences import directional_derivative
from tests.scenes import INTEGRATORS, build, random_qpos
from tests.servo_models import DC_CART, ORIENTATIONS, PID_ARM, SERVOS

# Of a state: rounding, which damped mechanisms hardly amplify.
FORWARD = 1e-8
ONE_STEP, MANY_STEPS, LONG = 1e-6, 1e-5, 100
# States are of order one, differences of step 1e-5 resolve 1e-9 of them; shorter ones do not cross limits.
FLOOR, DIFFERENCE = 1e-9, 1e-5
CHECKED = [name for name in PARAMETERS if name.startswith("actuators") and "muscle" not in name]


# Of each model what else has a gradient; `actuators_deactivation`: how fast setpoints move.
REACHED = {
    "PID arm": ("act", "actuators_gear", "actuators_deactivation"),
    "DC cart": (
        *("act", "actuators_gear", "actuators_time_constant"),
        *("actuators_motor_control", "actuators_motor_dynamics", "actuators_motor_friction"),
    ),
    "orientations": ("act",),
}


@pytest.fixture(scope="module")
def systems():
    """(scene, robot, system) of a model under an integrator, each built once."""
    made = {}

    def of(name, integrator="Euler"):
        if (name, integrator) not in made:
            source = SERVOS[name]
            if integrator.startswith("implicit"):
                # where a torque is at its bound, MuJoCo has a derivative or not, as its length is rounded
                source = source.replace('forcerange="0 1.1"', 'forcerange="0 1000"')
            scene, robot = build(source, integrator=integrator)
            made[name, integrator] = scene, robot, System(scene, control="actuators")
        return made[name, integrator]

    return of


def state_and_controls(scene, steps, seed, scale=0.3):
    m, rng = scene.mj_model, np.random.default_rng(seed)
    x0 = np.concatenate(
        [random_qpos(m, rng, scale), scale * rng.standard_normal(m.nv), 0.3 * scale * rng.standard_normal(m.na)]
    )
    smooth = np.sin(np.linspace(0, 0.01 * steps, steps)[:, None] + rng.uniform(0, 6, m.nu))
    return torch.tensor(x0), torch.tensor(smooth * rng.uniform(0.2, 3.0, m.nu))


def of_mujoco(m, x0, controls):
    data = mujoco.MjData(m)
    data.qpos[:], data.qvel[:], data.act[:] = np.split(x0.numpy(), [m.nq, m.nq + m.nv])
    for ctrl in controls.numpy():
        data.ctrl[:] = ctrl
        mujoco.mj_step(m, data)
    return np.concatenate([data.qpos, data.qvel, data.act])


# -- motion -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("integrator", INTEGRATORS)
@pytest.mark.parametrize("name", SERVOS)
def test_motion_equals_mujoco(name, integrator, systems):
    scene, _, system = systems(name, integrator)
    for seed, steps in [*((k, 1) for k in range(12)), (12, 200)]:
        x0, u = state_and_controls(scene, steps, seed, scale=(0.3, 1.0, 3.0)[seed % 3])
        expected = of_mujoco(scene.mj_model, x0, u)
        with torch.no_grad():
            found = system.rollout(x0, u)[-1, 0].numpy()
        np.testing.assert_allclose(found, expected, rtol=FORWARD, atol=FORWARD, err_msg=f"seed {seed}")


def test_a_servo_on_a_tendon_that_is_full_has_no_derivative_by_velocity(systems):
    """As MuJoCo: of both servos on the tendon, whose force is 3 here."""
    scene, _, system = systems("PID arm", "implicitfast")
    x0, u = state_and_controls(scene, 1, 1, scale=1.0)
    m = scene.mj_model
    columns = [int(m.actuator_ctrladr[k]) for k in (4, 5)]
    u[:, columns] = 5.0
    data = mujoco.MjData(m)
    data.qpos[:], data.qvel[:], data.act[:] = np.split(x0.numpy(), [m.nq, m.nq + m.nv])
    data.ctrl[:] = u[0].numpy()
    mujoco.mj_step(m, data)
    assert abs(data.actuator_force[[4, 5]].sum()) == pytest.approx(3.0)
    with torch.no_grad():
        found = system.rollout(x0, u)[-1, 0].numpy()
    np.testing.assert_allclose(found[m.nq : m.nq + m.nv], data.qvel, rtol=FORWARD, atol=FORWARD)


# -- gradients --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("steps", [1, LONG])
@pytest.mark.parametrize("integrator", INTEGRATORS)
@pytest.mark.parametrize("name", SERVOS)
def test_gradient(name, integrator, steps, systems):
    """By state, activations, controls and every parameter."""
    scene, robot, system = systems(name, integrator)
    m, rng = scene.mj_model, np.random.default_rng(3)
    x0, u = state_and_controls(scene, steps, 20)
    values = {"qpos": x0[: m.nq], "qvel": x0[m.nq : m.nq + m.nv], "act": x0[m.nq + m.nv :], "u": u}
    for parameter in CHECKED:
        value = getattr(robot, f"get_{parameter}")()
        value = torch.stack(value, -1) if PARAMETERS[parameter].as_ends else value
        values[parameter] = value.sceneless().detach().clone()
    weights = torch.tensor(rng.standard_normal(system.nx))

    def objective(given) -> torch.Tensor:
        for parameter in CHECKED:
            ends = given[parameter].unbind(-1) if PARAMETERS[parameter].as_ends else (given[parameter],)
            getattr(robot, f"set_{parameter}")(*ends)
        state = torch.cat([given["qpos"], given["qvel"], given["act"]])
        return (system.rollout(state, given["u"])[-1, 0] * weights).sum()

    leaves = {key: value.clone().requires_grad_() for key, value in values.items()}
    objective(leaves).backward()
    reached = {key for key, leaf in leaves.items() if leaf.grad is not None and bool(leaf.grad.any())}
    assert {"qpos", "qvel", "u", "actuators_gain", "actuators_bias", *REACHED[name]} <= reached
    with torch.no_grad():
        for key, value in values.items():
            noise = torch.tensor(rng.standard_normal(tuple(value.shape)))
            # of parameters relative: nothing changes that is zero
            direction = 0.05 * (noise if key in ("qpos", "qvel", "act", "u") else value * noise.clamp(-1, 1))
            if key not in reached or not direction.any():
                continue

            def along(h, key=key, value=value, direction=direction):
                return objective({**values, key: value + h * direction})[None].numpy()

            expected, error = directional_derivative(along, DIFFERENCE, levels=3)
            terms = leaves[key].grad * direction
            tolerance = ONE_STEP if steps == 1 else MANY_STEPS
            size = abs(expected[0]) + terms.abs().sum().item()
            assert abs(terms.sum().item() - expected[0]) < tolerance * size + FLOOR + 3 * error[0], key


@pytest.mark.parametrize("integrator", INTEGRATORS)
@pytest.mark.parametrize("name", SERVOS)
def test_linearization_equals_gradients(name, integrator, systems):
    """Rows of A and B are gradients of the state after a step, of activations that follow in closed form too."""
    scene, _, system = systems(name, integrator)
    x0, u = state_and_controls(scene, 1, 30)
    x0, u = x0.requires_grad_(), u.requires_grad_()
    after = system.rollout(x0, u)[-1, 0]
    found = system.linearize(x0.detach()[None, None], u.detach()[:, None])
    a, b = found.A[0, 0], found.B[0, 0]
    for k in range(-scene.mj_model.na - scene.mj_model.nv, 0):
        by_x, by_u = torch.autograd.grad(after[k], (x0, u), retain_graph=True)
        expected = by_x @ system.tangent(x0.detach()[None])[0]
        torch.testing.assert_close(a[k], expected, rtol=0, atol=1e-11 * float(1 + expected.abs().max()))
        torch.testing.assert_close(b[k], by_u[0], rtol=0, atol=1e-11 * float(1 + by_u.abs().max()))


def test_gradient_where_bristles_hardly_move(systems):
    """Their exact solution divides by their speed: its derivative is right down to zero."""
    scene, _, system = systems("DC cart")
    m = scene.mj_model
    x0, u = state_and_controls(scene, 1, 40)
    for speed in (0.0, 1e-14, 1e-9, 1e-5):
        x = x0.clone()
        x[m.nq : m.nq + m.nv] = speed
        x.requires_grad_()
        after = system.rollout(x, u)[-1, 0, m.nq + m.nv + 1]  # the bristles of the drive
        (grad,) = torch.autograd.grad(after, x)
        # b' = v - s0 |v| b / g, of the drive's gear 2, s0 = 10 and g = 0.8 near rest
        bent = 0.002 * 2 * 10 / 0.8 * abs(float(x0[m.nq + m.nv + 1]))
        assert abs(float(grad[m.nq]) - 0.002 * 2) <= bent + 1e-7  # either side of the kink, and between at rest


def test_gradient_where_an_orientation_is_reached(systems):
    """At the target itself, and where it is asked for by a rotation vector or a quaternion of zeros."""
    scene, _, system = systems("orientations")
    m = scene.mj_model
    x0 = torch.tensor(np.concatenate([m.qpos0, np.zeros(m.nv + m.na)]), requires_grad=True)
    u = torch.zeros(1, system.nu, requires_grad=True)
    after = system.rollout(x0, u)[-1, 0]
    (after * torch.linspace(1, 2, system.nx)).sum().backward()
    assert torch.isfinite(x0.grad).all() and torch.isfinite(u.grad).all()
    first = m.nq + int(m.jnt_dofadr[m.joint(2).id])
    (by_u,) = torch.autograd.grad(system.rollout(x0, u)[-1, 0, first], u)
    step = torch.zeros_like(u)
    step[0, 0] = 1e-6
    with torch.no_grad():
        low, high = (system.rollout(x0, u + sign * step)[-1, 0, first] for sign in (-1, 1))
    assert abs(float(by_u[0, 0]) - float(high - low) / 2e-6) < ONE_STEP * abs(float(by_u[0, 0]))


# -- which control is whose -------------------------------------------------------------------------------------------


def test_controls_have_names_and_an_order(systems):
    _, robot, system = systems("PID arm")
    assert (robot.n_actuators, robot.n_controls, system.nu) == (8, 14, 14)
    assert robot.control_names == (
        *("shoulder.pos", "shoulder.vel", "push", "elbow.pos", "elbow.vel", "elbow.ff", "slide.vel", "slide.ff"),
        *("both", "also", "wrist.pos", "wrist.vel", "tip.pos", "tip.vel"),
    )
    assert robot.actuator_names == ("shoulder", "push", "elbow", "slide", "both", "also", "wrist", "tip")
    low, high = system.lower[:3].tolist(), system.upper[:3].tolist()
    assert (low, high) == ([-1.5, -np.inf, -np.inf], [1.5, np.inf, np.inf])


def test_controls_of_some_actuators_are_their_blocks(systems):
    scene, robot, system = systems("PID arm")
    x0, _ = state_and_controls(scene, 1, 50)
    u = torch.linspace(-0.5, 0.8, 14)
    with torch.no_grad():
        whole = system.rollout(x0, u[None])[-1, 0]
        scene.reset()
        system.put(x0)
        robot.control_actuators(u[[8, 3, 4, 5, 2]], [4, 2, 1])
        robot.control_actuators(torch.cat([u[:2], u[6:8], u[9:]]), [0, 3, 5, 6, 7])
        scene.step()
    torch.testing.assert_close(system.state()[0], whole, rtol=0, atol=1e-14)
    with pytest.raises(gs.GenesisException, match=r"control_actuators.*shape \(8,\)"):
        robot.control_actuators(torch.zeros(8))
    with pytest.raises(gs.GenesisException, match=r"shape \(2,\).*\(3,\)"):
        robot.control_actuators(torch.zeros(2), [2])


def test_a_motor_without_controls_acts_from_the_start(systems):
    scene, robot, system = systems("DC cart")
    m = scene.mj_model
    assert robot.control_names[1:] == ("servo.pos", "servo.vel", "servo.ff", "servo.voltage", "plain", "tight", "speed")
    x0, _ = state_and_controls(scene, 1, 60)
    scene.reset()
    system.put(x0)
    with torch.no_grad():
        scene.step()
    after = system.state()[0] - x0
    bristle = int(m.actuator_actadr[2])
    others = [k for k in range(m.na) if k != bristle]
    assert after[m.nq + m.nv :][others].eq(0).all()
    assert after[m.nq + m.nv + bristle] != 0


def test_activations_and_controls_of_a_keyframe():
    source = DC_CART.replace(
        "</actuator>",
        '</actuator><keyframe><key name="k" qpos=".1 .2 .3 .4" act="1 2 3 4 5 6 7 8 9 10" ctrl="1 2 3 4 5 6 7 8"/></keyframe>',
    )
    scene, robot = build(source, requires_grad=False)
    scene.reset(keyframe="k")
    key = robot.get_keyframe("k")
    assert key.ctrl.tolist() == list(range(1, 9)) and key.act.tolist() == list(range(1, 11))
    scene.step()
    expected = of_mujoco(scene.mj_model, torch.cat([key.qpos, key.qvel, key.act]), key.ctrl[None])
    found = System(scene).state()[0].numpy()
    np.testing.assert_allclose(found, expected, rtol=FORWARD, atol=FORWARD)


def test_controls_of_orientation_servos(systems):
    _, robot, _ = systems("orientations")
    assert robot.control_names == (
        *("shoulder.rx", "shoulder.ry", "shoulder.rz", "lean", "wrist.qw", "wrist.qx", "wrist.qy", "wrist.qz"),
        *("tip.rx", "tip.ry", "tip.rz", "level.qw", "level.qx", "level.qy", "level.qz"),
        *("turn.rx", "turn.ry", "turn.rz", "early.rx", "early.ry", "early.rz"),
    )


@pytest.mark.parametrize("source", [PID_ARM, DC_CART, ORIENTATIONS])
def test_export_keeps_them(source):
    """Parameters of servos that were set are those of the file that is written."""
    scene, robot = build(source, requires_grad=False)
    gain, bias = robot.get_actuators_gain(), robot.get_actuators_bias()
    robot.set_actuators_gain(1.1 * gain)
    robot.set_actuators_gear(1.2 * robot.get_actuators_gear())
    robot.set_actuators_bias(1.1 * bias)
    m = mujoco.MjModel.from_xml_string(scene.to_mjcf())
    np.testing.assert_allclose(m.actuator_gainprm[:, :3], 1.1 * gain.numpy(), rtol=1e-12)
    np.testing.assert_allclose(m.actuator_biasprm[:, :3], 1.1 * bias.numpy(), rtol=1e-12)
    np.testing.assert_allclose(m.actuator_gear, 1.2 * scene.mj_model.actuator_gear, rtol=1e-12)
    assert m.actuator_ctrlspec.tolist() == scene.mj_model.actuator_ctrlspec.tolist()


@pytest.mark.parametrize("ctrl", [0.0, 1e3])
@pytest.mark.parametrize("name", SERVOS)
def test_gradients_at_rest_and_at_every_bound_are_finite(name, ctrl):
    """No motion, no error, quaternions of length zero; then inputs, slews, voltages and currents at their limits."""
    scene, robot = build(SERVOS[name])
    velocity = torch.zeros(robot.n_dofs, requires_grad=True)
    given = torch.full((robot.n_controls,), ctrl, requires_grad=True)
    robot.set_dofs_velocity(velocity)
    robot.control_actuators(given)
    for _ in range(3):
        scene.step()
    loss = robot.get_qpos().sum() + robot.get_dofs_velocity().sum()
    loss.backward()
    assert torch.isfinite(loss) and torch.isfinite(velocity.grad).all() and torch.isfinite(given.grad).all()
    assert given.grad.any() and velocity.grad.any()


@pytest.mark.parametrize(
    ("name", "column", "where"), [("PID arm", "deactivation", 0), ("DC cart", "motor_dynamics", 4)]
)
def test_a_slew_that_is_set_to_zero_bounds_nothing(systems, name, column, where):
    """As every bound that is zero; in a file there is no state for it then."""
    scene, robot, system = systems(name)
    x0, u = state_and_controls(scene, 40, 5)
    given = getattr(robot, f"get_actuators_{column}")()
    limits = given.sceneless().detach().clone()

    def motion(speed):
        limits[:, where] = torch.where(given.sceneless()[:, where] > 0, speed, 0.0)
        getattr(robot, f"set_actuators_{column}")(limits)
        with torch.no_grad():
            return system.rollout(x0, u)[-1, 0]

    unbounded, fast, slow = motion(0.0), motion(1e6), motion(0.1)
    getattr(robot, f"set_actuators_{column}")(given)
    torch.testing.assert_close(unbounded, fast, rtol=0, atol=1e-12)
    assert (unbounded - slow).abs().max() > 1e-4


def test_nothing_moves_activations_where_actuation_is_off():
    """Not even a bound that they are beyond."""
    source = PID_ARM.replace("<option", '<option><flag actuation="disable"/></option><option', 1)
    scene, _ = build(source, requires_grad=False)
    m, data = scene.mj_model, mujoco.MjData(scene.mj_model)
    data.act[:] = -5.0
    system = System(scene, control="actuators")
    with torch.no_grad():
        state = torch.tensor(np.concatenate([data.qpos, data.qvel, data.act]))
        after = system.rollout(state, torch.zeros(1, m.nu))[-1, 0]
    mujoco.mj_step(m, data)
    np.testing.assert_allclose(after[m.nq + m.nv :].numpy(), data.act, rtol=0, atol=0)
