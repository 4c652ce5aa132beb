"""Plastic springs (springyield), through the public API: motions and rests against MuJoCo's, gradients against
differences."""

import mujoco
import numpy as np
import pytest
import torch

import genesis as gs
from tests.differences import directional_derivative
from tests.scenes import build

# Rounding, amplified by the motion.
MOTION = 1e-8
ONE_STEP, MANY_STEPS = 1e-6, 1e-5
STEPS, LONG = 200, 100

JOINTS = """
<mujoco><option timestep="0.005" integrator="implicitfast"/><compiler angle="radian"/>
<default><geom contype="0" conaffinity="0"/></default><worldbody>
<body name="base" pos="0 0 1"><joint name="x" type="slide" axis="1 0 0" stiffness="60" springyield=".02" springref=".01"/>
  <geom size=".1" mass="1"/>
  <body><joint name="h" axis="0 1 0" stiffness="4 1 .5" damping=".02" springyield=".2" springref="-.1"/>
    <joint name="elastic" axis="0 0 1" stiffness="3" damping=".02"/><geom type="capsule" size=".03" fromto="0 0 0 .3 0 0" mass=".5"/>
    <body pos=".3 0 0"><joint name="b" type="ball" stiffness="2" damping=".02" springyield=".3"/>
      <geom type="box" size=".05 .1 .15" pos=".1 0 .1" mass=".4"/></body></body></body>
</worldbody>
<actuator><motor joint="h" gear="2"/><general joint="x" dyntype="filter" dynprm=".1" gainprm="30"/></actuator>
<keyframe><key name="bent" plastic=".03 .1 .8 .6 0 0" qpos=".1 .2 .3 1 0 0 0"/></keyframe></mujoco>"""

TENDONS = """
<mujoco><option timestep="0.005" integrator="implicitfast"/><default><geom contype="0" conaffinity="0"/></default><worldbody>
<site name="w" pos=".5 0 .3"/>
<body><joint name="s" type="slide" axis="1 0 0" damping=".1"/><geom size=".1" mass="1"/>
<body><joint name="h" axis="0 1 0" damping=".02"/><geom size=".1" mass="1" pos=".1 0 0"/><site name="a" pos=".1 .2 .1"/></body></body>
</worldbody>
<tendon><fixed name="f" stiffness="30" springyield=".02" springlength=".02 .05"><joint joint="s" coef="1.3"/></fixed>
<spatial name="p" stiffness="40 5 3" damping=".1" springyield=".01"><site site="w"/><site site="a"/></spatial>
<spatial name="slack" stiffness="20" springyield=".02" springlength="0 .4"><site site="w"/><site site="a"/></spatial>
<fixed name="elastic" stiffness="3" springlength=".01"><joint joint="h" coef="1"/></fixed></tendon></mujoco>"""

SOURCES = {"joints": JOINTS, "tendons": TENDONS}
INTEGRATORS = ("Euler", "implicitfast", "implicit", "RK4")


def start(m, seed):
    rng = np.random.default_rng(seed)
    qpos = m.qpos0.copy()
    mujoco.mj_integratePos(m, qpos, 0.1 * rng.standard_normal(m.nv), 1.0)
    return {
        "qpos": torch.tensor(qpos),
        "dofs_velocity": torch.tensor(2.0 * rng.standard_normal(m.nv)),
        "dofs_stiffness": torch.tensor(m.jnt_stiffness[m.dof_jntid].copy()),
        "yield": torch.tensor(np.concatenate([m.jnt_springyield[joints(m)], m.tendon_springyield[tendons(m)]])),
    }


def joints(m):
    return np.flatnonzero(m.jnt_plasticadr >= 0)


def tendons(m):
    return np.flatnonzero(m.tendon_plasticadr >= 0)


def put(robot, inputs):
    robot.set_qpos(inputs["qpos"])
    robot.set_dofs_velocity(inputs["dofs_velocity"])
    robot.set_dofs_stiffness(inputs["dofs_stiffness"])
    m = robot.scene.mj_model
    of_joints, of_tendons = inputs["yield"][: len(joints(m))], inputs["yield"][len(joints(m)) :]
    if len(of_joints):
        robot.set_joints_spring_yield(of_joints, joints(m))
    if len(of_tendons):
        robot.set_tendons_spring_yield(of_tendons, tendons(m))


def rests(scene):
    return scene.get_state().solvers_state[0].plastic


def mujoco_at(m, inputs):
    data = mujoco.MjData(m)
    data.qpos[:], data.qvel[:] = inputs["qpos"], inputs["dofs_velocity"]
    return data


@pytest.mark.parametrize("integrator", INTEGRATORS)
@pytest.mark.parametrize("name", SOURCES)
def test_motion_equals_mujoco(name, integrator):
    scene, robot = build(SOURCES[name], integrator=integrator, requires_grad=False)
    m = scene.mj_model
    inputs = start(m, 0)
    data = mujoco_at(m, inputs)
    put(robot, inputs)
    np.testing.assert_array_equal(rests(scene).numpy(), data.plastic)
    moved = np.zeros(m.nplastic)
    for t in range(STEPS):
        if m.nu:
            data.ctrl[:] = np.sin(0.1 * t)
            robot.control_actuators(torch.tensor(data.ctrl))
        before = data.plastic.copy()
        scene.step()
        mujoco.mj_step(m, data)
        moved += np.abs(data.plastic - before)
    assert (moved > 0).sum() >= m.nplastic - 1  # all but the end of the slack tendon's range that stays at 0
    size = 1 + np.abs(data.qvel).max()
    np.testing.assert_allclose(robot.get_qpos().numpy(), data.qpos, rtol=0, atol=MOTION * size)
    np.testing.assert_allclose(robot.get_dofs_velocity().numpy(), data.qvel, rtol=0, atol=MOTION * size)
    np.testing.assert_allclose(rests(scene).numpy(), data.plastic, rtol=0, atol=MOTION * size)
    mujoco.mj_forward(m, data)
    mujoco.mj_energyPos(m, data)
    np.testing.assert_allclose(robot.get_potential_energy().item(), data.energy[0], rtol=1e-8)


def test_state_reset_keyframe_and_checkpoint(tmp_path):
    scene, robot = build(JOINTS, n_envs=2, requires_grad=False)
    m = scene.mj_model
    first = rests(scene)
    put(robot, start(m, 0) | {"dofs_velocity": torch.full((m.nv,), 3.0)})
    for _ in range(20):
        scene.step()
    bent = scene.get_state()
    assert (rests(scene) != first).any() and bent.solvers_state[0].act.shape == (2, 1)
    path = tmp_path / "bent.ckpt"
    scene.save_checkpoint(path)

    def after():
        for _ in range(5):
            scene.step()
        return torch.cat([rests(scene), robot.get_qpos()], -1)

    expected = after()
    scene.reset(bent)
    torch.testing.assert_close(after(), expected, rtol=0, atol=0)
    scene.load_checkpoint(path)
    torch.testing.assert_close(after(), expected, rtol=0, atol=0)
    scene.reset(envs_idx=[1])
    torch.testing.assert_close(rests(scene)[1], first[1], rtol=0, atol=0)
    assert (rests(scene)[0] != first[0]).any()
    scene.reset(keyframe="bent")
    np.testing.assert_array_equal(rests(scene)[0].numpy(), m.key_plastic[0])


def test_rollout_is_the_loop():
    scene, robot = build(JOINTS, n_envs=2)
    force = 3.0 * torch.sin(torch.arange(30.0))[:, None, None].expand(30, 2, 6).clone().requires_grad_()
    trajectory = scene.rollout({robot: force}, control="force")
    rolled = trajectory.plastic().sceneless()
    assert rolled.shape == (31, 2, 6) and (rolled[-1] != rolled[0]).any()
    (by_rollout,) = torch.autograd.grad(rolled.square().sum(), force)
    scene.reset()
    looped = [rests(scene).sceneless()]
    for t in range(30):
        robot.control_dofs_force(force[t])
        scene.step()
        looped.append(rests(scene).sceneless())
    looped = torch.stack(looped)
    torch.testing.assert_close(rolled, looped, rtol=0, atol=0)
    (by_loop,) = torch.autograd.grad(looped.square().sum(), force)
    assert by_loop.abs().max() > 1e-6
    torch.testing.assert_close(by_rollout, by_loop, rtol=1e-9, atol=1e-15)


def test_springs_that_are_off_do_not_yield():
    scene, robot = build(JOINTS.replace("<compiler", '<option><flag spring="disable"/></option><compiler'))
    robot.set_dofs_velocity(torch.full((6,), 3.0))
    scene.step()
    assert rests(scene).shape == (0,)


@pytest.mark.parametrize("steps", [1, LONG])
@pytest.mark.parametrize(
    ("name", "integrator"), [("joints", "implicitfast"), ("joints", "RK4"), ("tendons", "implicit"), ("tendons", "RK4")]
)
def test_gradient(name, integrator, steps):
    """Through steps in which springs yield and in which they do not."""
    scene, robot = build(SOURCES[name], integrator=integrator)
    inputs = start(scene.mj_model, 1)
    if steps == 1:
        inputs["dofs_velocity"] = 10.0 * inputs["dofs_velocity"]  # what yields does at once

    def run(given):
        scene.reset()
        put(robot, given)
        for _ in range(steps):
            scene.step()
        return torch.cat([robot.get_qpos(), robot.get_dofs_velocity(), 10.0 * rests(scene)]).sceneless()

    leaves = {key: value.clone().requires_grad_() for key, value in inputs.items()}
    rng = np.random.default_rng(2)
    out = run(leaves)
    weights = torch.tensor(rng.standard_normal(out.shape))
    (out * weights).sum().backward()
    for key, value in inputs.items():
        direction = torch.tensor(rng.standard_normal(value.shape)) * (
            0.1 * value if key in ("dofs_stiffness", "yield") else 0.1
        )

        def objective(h, key=key, value=value, direction=direction):
            with torch.no_grad():
                return (run({**inputs, key: value + h * direction}) * weights).sum(0, keepdim=True).numpy()

        expected, error = directional_derivative(objective, 1e-5, levels=3)
        terms = leaves[key].grad * direction
        size = abs(expected[0]) + terms.abs().sum().item()
        tolerance = ONE_STEP if steps == 1 else MANY_STEPS
        if name == "tendons" and key == "dofs_stiffness":
            continue  # they have none
        assert size > 1e-6, key
        assert abs(terms.sum().item() - expected[0]) < tolerance * size + 3 * error[0], key


def test_linearization_knows_where_springs_rest():
    scene, robot = build(TENDONS, integrator="implicit")
    inputs = start(scene.mj_model, 3)
    put(robot, inputs)
    scene.step()
    by_state, _ = scene.linearize()
    m = scene.mj_model
    data = mujoco_at(m, inputs)
    mujoco.mj_step(m, data)
    n, base = 2 * m.nv + m.nplastic, np.concatenate([data.qpos, data.qvel, data.plastic])
    expected = np.zeros((n, n))
    for i in range(n):
        ends = []
        for sign in (1.0, -1.0):
            x = base.copy()
            x[i] += sign * 1e-6
            other = mujoco.MjData(m)
            other.qpos[:], other.qvel[:], other.plastic[:] = np.split(x, [m.nq, m.nq + m.nv])
            mujoco.mj_step(m, other)
            ends.append(np.concatenate([other.qpos, other.qvel, other.plastic]))
        expected[:, i] = (ends[0] - ends[1]) / 2e-6
    smooth = np.ones(n, dtype=bool)
    smooth[2 * m.nv + 2 : 2 * m.nv + 4] = False  # a range of no length, whose ends cannot move apart
    np.testing.assert_allclose(by_state.detach().numpy()[:, smooth], expected[:, smooth], rtol=0, atol=1e-7)


def test_yield_that_is_set_is_exported():
    scene, robot = build(JOINTS)
    robot.set_joints_spring_yield([0.05, 0.4], [0, 3])
    m = mujoco.MjModel.from_xml_string(scene.to_mjcf())
    np.testing.assert_allclose(m.jnt_springyield, robot.get_joints_spring_yield().numpy(), rtol=0, atol=1e-12)
    scene, robot = build(TENDONS)
    robot.set_tendons_spring_yield(0.03, [1])
    m = mujoco.MjModel.from_xml_string(scene.to_mjcf())
    np.testing.assert_allclose(m.tendon_springyield, [0.02, 0.03, 0.02, 0.0], rtol=0, atol=1e-12)


def test_yield_that_cannot_be():
    _, robot = build(JOINTS)
    before = robot.get_joints_spring_yield()
    for given, chosen, message in (
        (0.1, None, "joint 'elastic' has no plastic spring .*springyield.*joints_idx_local"),
        (0.0, [0], "joint 'x' is 0; it must be above zero"),
        ([0.1, float("nan")], [0, 1], "nan at index"),
    ):
        with pytest.raises(gs.GenesisException, match=message):
            robot.set_joints_spring_yield(given, chosen)
    torch.testing.assert_close(robot.get_joints_spring_yield(), before, rtol=0, atol=0)


def test_the_range_of_a_plastic_tendon_is_not_set():
    """It is a state; what `set_tendons_spring_range` wrote would be where the file's spring rests at the start."""
    _, robot = build(TENDONS)
    with pytest.raises(gs.GenesisException, match=r"tendon 'p' has a plastic spring.*a state.*tendons_idx_local"):
        robot.set_tendons_spring_range(0.1, 0.2, [1, 3])
    robot.set_tendons_spring_range(0.1, 0.2, [3])
