"""Measured quantities: against MuJoCo's sensors, their derivatives, their residuals, and the errors of wrong names."""

import math
from types import SimpleNamespace

import mujoco
import numpy as np
import pytest
import torch

import genesis as gs
from genesis.math.rotation import quat_exp, quat_mul
from genesis.system import System
from genesis.tools.identification.outputs import QUANTITIES, ChannelName, Output, columns_of, layout, resolve
from tests.scenes import build

# A body that floats, with a hinge, a slide and a ball joint.
ROBOT = """
<mujoco>
  <option timestep="0.002" integrator="implicitfast"/>
  <worldbody>
    <body name="trunk" pos="0 0 1">
      <freejoint name="root"/>
      <geom type="box" size="0.2 0.1 0.05"/>
      <site name="trunk"/>
      <body name="thigh" pos="0.2 0 0">
        <joint name="hip" axis="0 1 0.2" damping="0.1"/>
        <geom type="capsule" fromto="0 0 0 0.3 0 0" size="0.02"/>
        <site name="thigh"/>
        <body name="foot" pos="0.3 0 0">
          <joint name="slide" type="slide" axis="1 0 0" stiffness="20"/>
          <geom type="capsule" fromto="0 0 0 0.2 0 0.1" size="0.02"/>
          <site name="foot"/>
        </body>
      </body>
      <body name="tail" pos="-0.2 0 0">
        <joint name="ball" type="ball" damping="0.05"/>
        <geom type="capsule" fromto="0 0 0 -0.3 0 0" size="0.02"/>
        <site name="tail"/>
      </body>
    </body>
  </worldbody>
  <sensor>
    {sensors}
  </sensor>
</mujoco>
"""
LINKS = ("trunk", "thigh", "foot", "tail")
# Quantity -> MuJoCo's sensor and its attributes; frames with sites at the links' origins.
SENSORS = {
    "links_pos": '<framepos objtype="xbody" objname="{}"/>',
    "links_quat": '<framequat objtype="xbody" objname="{}"/>',
    "links_vel": '<framelinvel objtype="xbody" objname="{}"/>',
    "links_ang": '<frameangvel objtype="xbody" objname="{}"/>',
    "accelerometer": '<accelerometer site="{}"/>',
    "gyro": '<gyro site="{}"/>',
}
N_STEPS = 20
STEP = 1e-6  # of central differences; truncation about STEP^2, rounding 1e-16 / STEP
ROUNDING = 1e-10  # 20 steps in 64 bits
DIFFERENCES = 1e-6  # central differences of numbers of order 10, some curved by 1e3


def of_sensors(kinds):
    return ROBOT.format(sensors="".join(SENSORS[kind].format(link) for kind in kinds for link in LINKS))


@pytest.fixture(scope="module")
def scene():
    return build(ROBOT.format(sensors=""))[0]


@pytest.fixture(scope="module")
def motion(scene):
    """A rollout under forces: its trajectory, states (T + 1, nx) and forces (T, nv)."""
    torch.manual_seed(0)
    system = System(scene, n_rows=1)
    x0 = system.state().detach().clone()
    x0 = system.integrate(x0, 0.3 * torch.randn(1, system.ndx))
    u = 2.0 * torch.randn(N_STEPS, 1, system.nu)
    x = system.rollout(x0, u)
    return SimpleNamespace(system=system, x=x, u=u, trajectory=system.trajectory(x, u))


def name_of(scene):
    return scene.entities[0].name


def test_link_quantities_equal_mujocos_sensors(scene, motion):
    model = mujoco.MjModel.from_xml_string(of_sensors(SENSORS))
    data = mujoco.MjData(model)
    read = []
    for k in range(N_STEPS + 1):
        state = motion.x[k, 0].numpy()
        data.qpos[:], data.qvel[:] = state[: model.nq], state[model.nq :]
        data.qfrc_applied[:] = motion.u[min(k, N_STEPS - 1), 0].numpy()
        mujoco.mj_forward(model, data)
        read.append(data.sensordata.copy())
    read = torch.tensor(np.array(read))
    start = 0
    for kind in SENSORS:
        (output,) = resolve(scene, [f"{name_of(scene)}.{kind}"])
        values = output.evaluate(motion.trajectory)
        assert values.shape == (N_STEPS + 1, 1, output.size)
        expected = read[:, start : start + output.size]
        assert output.residual(values[:, 0], expected).abs().max() < ROUNDING, kind
        start += output.size
    assert start == read.shape[1]


def test_joint_quantities_are_those_of_the_getters(scene, motion):
    robot = scene.entities[0]
    motion.system.put(motion.x[-1])
    for kind in ("qpos", "dofs_position", "dofs_velocity"):
        (output,) = resolve(scene, [f"{robot.name}.{kind}"])
        read = getattr(robot, f"get_{kind}")()
        assert torch.equal(output.evaluate(motion.trajectory)[-1, 0], torch.as_tensor(read.detach())), kind
    scene.reset()


def test_a_trajectory_of_a_rollout_and_of_several_envs():
    for n_envs in (0, 2):
        scene, robot = build(ROBOT.format(sensors=""), n_envs=n_envs)
        trajectory = scene.rollout(n_steps=3)
        for kind in QUANTITIES:
            (output,) = resolve(scene, [f"{robot.name}.{kind}"])
            assert output.evaluate(trajectory).shape == (4, max(n_envs, 1), output.size)


def test_parts_are_columns_of_the_whole(scene, motion):
    name = name_of(scene)
    for kind, parts, columns in (
        ("links_pos", "foot, thigh", [6, 7, 8, 3, 4, 5]),
        ("links_pos", "1", [3, 4, 5]),
        ("accelerometer", "tail", [9, 10, 11]),
        ("links_quat", "tail", [12, 13, 14, 15]),
        ("dofs_velocity", "hip, slide", [6, 7]),
        ("dofs_velocity", "7", [7]),
        ("qpos", "ball", [9, 10, 11, 12]),
        ("qpos", "root", [0, 1, 2, 3, 4, 5, 6]),
    ):
        part, whole = resolve(scene, [f"{name}.{kind}[{parts}]", f"{name}.{kind}"])
        assert torch.equal(part.evaluate(motion.trajectory), whole.evaluate(motion.trajectory)[..., columns])
        assert part.labels == tuple(whole.labels[k] for k in columns)


def test_labels_units_and_sizes(scene):
    name = name_of(scene)
    qpos, dofs, velocity, gyro, x = resolve(
        scene,
        [f"{name}.qpos", f"{name}.dofs_position", f"{name}.dofs_velocity", f"{name}.gyro", f"{name}.links_pos[foot].x"],
    )
    assert qpos.labels[2:5] == (f"{name}.qpos[root].z", f"{name}.qpos[root].qw", f"{name}.qpos[root].qx")
    assert qpos.labels[7] == f"{name}.qpos[hip]"
    assert qpos.units[:3] == ("m", "m", "m") and qpos.units[3] == "" and qpos.units[7:9] == ("rad", "m")
    assert (qpos.size, qpos.residual_size) == (13, 11)
    assert qpos.quaternions == (3, 9)
    assert qpos.residual_labels[3] == f"{name}.qpos[root].rx" and qpos.residual_units[3] == "rad"
    assert len(qpos.residual_labels) == 11
    assert dofs.angles == (3, 4, 5, 8, 9, 10)
    assert velocity.units[0] == "m/s" and velocity.units[3] == "rad/s" and velocity.units[7] == "m/s"
    assert gyro.labels[4] == f"{name}.gyro[thigh].y"
    assert x.labels == (f"{name}.links_pos[foot].x",) and x.size == 1


@pytest.mark.parametrize("kind", QUANTITIES)
def test_derivatives_by_state_and_gravity(scene, motion, kind):
    system = motion.system
    (output,) = resolve(scene, [f"{name_of(scene)}.{kind}"])
    x, theta = motion.x[:3], system.theta().detach()
    torch.manual_seed(1)
    dx = torch.randn(3, 1, system.ndx)
    start = scene.world.model.theta_fields["gravity"].offset
    dtheta = torch.zeros_like(theta)
    dtheta[..., start : start + 3] = torch.randn(3)

    def measure(s):
        trajectory = system.trajectory(system.integrate(x, s * dx), motion.u[:2], theta + s * dtheta)
        return output.evaluate(trajectory)

    weights = torch.randn(3, 1, output.size)
    s = torch.zeros((), requires_grad=True)
    (found,) = torch.autograd.grad((weights * measure(s)).sum(), s)
    with torch.no_grad():
        difference = (weights * (measure(torch.tensor(STEP)) - measure(torch.tensor(-STEP)))).sum() / (2 * STEP)
    assert found.item() == pytest.approx(difference.item(), rel=DIFFERENCES, abs=DIFFERENCES)


def test_each_row_has_its_own_gravity(scene):
    system = System(scene, n_rows=2)
    theta = system.theta().detach().repeat(2, 1)
    start = scene.world.model.theta_fields["gravity"].offset
    theta[1, start : start + 3] = torch.tensor([1.0, 0.0, 0.0])
    x = system.state().detach().expand(2, -1)
    x = system.rollout(x, None, theta, n_steps=2)
    (output,) = resolve(scene, [f"{name_of(scene)}.accelerometer[trunk]"])
    falling = output.evaluate(system.trajectory(x, None, theta))
    # Free fall: the accelerometer reads nothing but what the springs of the joints do.
    assert falling[0].abs().max() < ROUNDING
    (down, side) = output.evaluate(system.trajectory(x, None, theta[:1].expand(2, -1)))[0]
    assert torch.allclose(down, side, atol=ROUNDING)


def plain(size, quaternions=(), angles=()):
    labels = tuple(f"box.a[{k}].{k}" for k in range(size))
    return Output("a", size, labels, ("",) * size, lambda trajectory: trajectory, quaternions, angles)


def test_residual_of_orientations_is_the_rotation_between_them():
    torch.manual_seed(2)
    output = plain(6, quaternions=(1,))
    measured = torch.randn(5, 6)
    measured[:, 1:5] /= measured[:, 1:5].norm(dim=1, keepdim=True)
    turn = torch.randn(5, 3)
    predicted = measured + 0.25
    predicted[:, 1:5] = quat_mul(measured[:, 1:5], quat_exp(turn))
    for sign in (1.0, -1.0):
        flipped = predicted.clone()
        flipped[:, 1:5] *= sign
        found = output.residual(flipped, measured)
        assert found.shape == (5, 5)
        assert torch.allclose(found[:, 1:4], turn, atol=1e-12)  # rounding
        assert torch.allclose(found[:, [0, 4]], torch.full((5, 2), 0.25), atol=1e-12)


def test_residual_of_equal_orientations_has_the_gradient_of_a_small_rotation():
    output = plain(4, quaternions=(0,))
    measured = torch.tensor([0.6, 0.0, 0.8, 0.0])

    def of_turn(turn):
        return output.residual(quat_mul(measured, quat_exp(turn)), measured)

    jacobian = torch.autograd.functional.jacobian(of_turn, torch.zeros(3))
    assert torch.allclose(jacobian, torch.eye(3), atol=1e-12)


def test_residual_of_euler_angles_forgets_full_turns():
    output = plain(2, angles=(1,))
    found = output.residual(torch.tensor([3.0, 3.1]), torch.tensor([-3.0, -3.1]))
    assert found.tolist() == pytest.approx([6.0, 6.2 - 2 * math.pi])


def test_gaps_have_no_residual_and_no_gradient():
    output = plain(6, quaternions=(1,))
    measured = torch.tensor([[1.0, 1.0, 0.0, 0.0, 0.0, math.nan], [math.nan, 1.0, math.nan, 0.0, 0.0, 2.0]])
    predicted = torch.rand(2, 6, requires_grad=True)
    found = output.residual(predicted, measured)
    present = output.present(measured)
    assert present.tolist() == [[True, True, True, True, False], [False, False, False, False, True]]
    assert torch.equal(found[~present], torch.zeros(5))
    (gradient,) = torch.autograd.grad(found.sum(), predicted)
    assert torch.isfinite(gradient).all()
    assert gradient[0, 5] == 0 and torch.equal(gradient[1, :5], torch.zeros(5))
    assert (gradient[0, :5] != 0).any() and gradient[1, 5] == 1


def test_interpolation_takes_the_shorter_arc():
    output = plain(6, quaternions=(1,), angles=(5,))
    before = torch.tensor([[0.0, 1.0, 0.0, 0.0, 0.0, 3.0]])
    turn = quat_exp(torch.tensor([0.0, 0.0, 0.2]))
    after = torch.cat([torch.tensor([4.0]), -turn, torch.tensor([-3.0])])[None]
    found = output.interpolate(before, after, torch.tensor([0.5]))[0]
    assert found[0] == 2.0
    assert torch.allclose(found[1:5], quat_exp(torch.tensor([0.0, 0.0, 0.1])), atol=1e-12)
    assert found[5].item() == pytest.approx(math.pi)


def test_a_function_of_the_user(scene, motion):
    robot = scene.entities[0]

    def height(trajectory):
        return trajectory.links_pos(robot)[..., 0, 2:3]

    (output,) = resolve(scene, ["height"], outputs={"height": height})
    assert torch.equal(output.evaluate(motion.trajectory)[:, 0, 0], motion.x[:, 0, 2])
    assert (output.size, output.labels) == (1, ("height",))
    (wide,) = resolve(scene, ["height"], outputs={"height": height}, sizes={"height": 2})
    with pytest.raises(
        gs.GenesisException, match=r"'height': its function returned shape \(21, 1, 1\); expected \(21, N, 2\)"
    ):
        wide.evaluate(motion.trajectory)
    (scalar,) = resolve(scene, ["sum"], outputs={"sum": lambda trajectory: 1.0})
    with pytest.raises(gs.GenesisException, match="its function returned float"):
        scalar.evaluate(motion.trajectory)
    with pytest.raises(gs.GenesisException, match=r"outputs\['sum'\] is 3; expected a function"):
        resolve(scene, ["sum"], outputs={"sum": 3})


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("robot.qpos", r"no entity 'robot'; there are '{0}'"),
        ("{0}.dof_position", r"'dof_position' is no quantity that can be measured; did you mean 'dofs_position'"),
        ("{0}.links_pos[fot]", r"has no link 'fot'; did you mean 'foot'"),
        ("{0}.dofs_position[knee]", r"has no joint 'knee'; there are 'root', 'hip', 'slide', 'ball'"),
        ("{0}.dofs_position[hip, hip]", r"'hip' is named twice"),
        ("{0}.links_pos[foot].w", r"has no component 'w'; there are 'x', 'y', 'z'"),
        ("{0}.dofs_position[hip].x", r"it is a single number: leave the component out"),
        ("{0}.links_quat[foot].w", r"one number of a quaternion says nothing by itself; measure all four of 'foot'"),
        ("{0}.qpos[4]", r"one number of a quaternion says nothing by itself; measure all four of 'root'"),
        ("{0}.links_pos[4]", r"has no link '4'"),
        ("{0}.links_pos[foot", r"is no name of a measured quantity"),
        ("{0}.links_pos[]", r"a part has no name"),
    ],
)
def test_wrong_names_are_errors_that_say_what_there_is(scene, name, message):
    with pytest.raises(gs.GenesisException, match=message.format(name_of(scene))):
        resolve(scene, [name.format(name_of(scene))])


def test_what_cannot_be_measured_is_an_error():
    scene = gs.Scene()
    with pytest.raises(gs.GenesisException, match=r"call scene.build"):
        resolve(scene, ["plane.links_pos"])
    plane = scene.add_entity(gs.morphs.Plane(), name="plane")
    scene.add_entity(gs.morphs.Box(size=(0.1, 0.1, 0.1), pos=(0, 0, 1)), name="plane.box")
    scene.build()
    with pytest.raises(gs.GenesisException, match="'plane' has no dofs to measure"):
        resolve(scene, ["plane.dofs_position"])
    (output,) = resolve(scene, ["plane.box.links_pos"])  # a name with a dot
    assert output.size == 3
    assert columns_of(scene, ChannelName("plane.links_pos"))[0] is plane
    with pytest.raises(gs.GenesisException, match="one number of a quaternion"):
        layout(scene.entities[1], "qpos", [3, 4, 6, 5])
