"""Mechanisms held together by constraints, through the public API: motions against MuJoCo's, gradients against
differences."""

import mujoco
import numpy as np
import pytest
import torch

import genesis as gs
from genesis.world.catalogue import ENTITY_PARAMETERS
from tests.differences import directional_derivative
from tests.mechanisms import MECHANISMS
from tests.scenes import INTEGRATORS, build

STEPS = 200
# Of qpos after so many steps: rounding, which damped mechanisms hardly amplify.
MOTION = 1e-6
ONE_STEP, MANY_STEPS = 1e-6, 1e-5
LONG = 100
# Values are of order one, differences of step 1e-5 resolve 1e-9 of them.
FLOOR = 1e-9
# Step of the differences: short, so that they do not cross where a tendon begins to slide or reaches its limit.
DIFFERENCE = 1e-5


def welded(scene):
    """(env, link, link) of the welds that hold."""
    found = scene.rigid_solver.get_weld_constraints(as_tensor=False)
    return [
        (env, int(a), int(b))
        for env, pairs in enumerate(zip(found["link_a"], found["link_b"], strict=True))
        for a, b in zip(*pairs, strict=True)
    ]


def made(name, tmp_path, integrator="Euler", **options):
    source = MECHANISMS[name]
    if source.startswith("<robot"):
        path = tmp_path / "robot.urdf"
        path.write_text(source)
        source = str(path)
        options.setdefault("dt", 0.002)
    return build(source, integrator=integrator, constraints=True, **options)


def inputs_of(scene, robot, steps, seed):
    """Initial state and controls that keep the mechanism in motion."""
    rng = np.random.default_rng(seed)
    m = scene.mj_model
    qpos = m.qpos0.copy()
    mujoco.mj_integratePos(m, qpos, 0.02 * rng.standard_normal(m.nv), 1.0)
    inputs = {
        "qpos": torch.tensor(qpos),
        "dofs_velocity": torch.tensor(0.3 * rng.standard_normal(m.nv)),
        "force": torch.tensor(0.05 * rng.standard_normal((1, m.nv)).repeat(steps, 0)),
    }
    if m.nu:
        inputs["ctrl"] = torch.tensor(0.02 + 0.01 * rng.standard_normal((1, m.nu)).repeat(steps, 0))
    if m.nmocap:
        angle = np.linspace(0.1, 0.6, steps)
        inputs["mocap_pos"] = torch.tensor(np.stack([0.2 * angle, 0.1 * angle, 0.5 - 0.1 * angle], 1))
        inputs["mocap_quat"] = torch.tensor(np.stack([np.cos(angle), 0 * angle, np.sin(angle), 0.2 * angle], 1))
    return inputs


def commands(scene, robot, inputs, t):
    robot.control_dofs_force(inputs["force"][t])
    if "ctrl" in inputs:
        robot.control_actuators(inputs["ctrl"][t])
    if "mocap_pos" in inputs:
        robot.links[0].set_pos(inputs["mocap_pos"][t])
        robot.links[0].set_quat(inputs["mocap_quat"][t])


@pytest.mark.parametrize("integrator", INTEGRATORS)
@pytest.mark.parametrize("name", MECHANISMS)
def test_motion_equals_mujoco(name, integrator, tmp_path):
    scene, robot = made(name, tmp_path, integrator, requires_grad=False)
    m, inputs = scene.mj_model, inputs_of(scene, robot, STEPS, 0)
    data = mujoco.MjData(m)
    data.qpos[:], data.qvel[:] = inputs["qpos"], inputs["dofs_velocity"]
    robot.set_qpos(inputs["qpos"])
    robot.set_dofs_velocity(inputs["dofs_velocity"])
    moved = 0.0
    for t in range(STEPS):
        commands(scene, robot, inputs, t)
        data.qfrc_applied[:] = inputs["force"][t]
        if m.nu:
            data.ctrl[:] = inputs["ctrl"][t]
        if m.nmocap:
            data.mocap_pos[0], data.mocap_quat[0] = inputs["mocap_pos"][t], inputs["mocap_quat"][t]
        scene.step()
        mujoco.mj_step(m, data)
        moved = max(moved, np.abs(data.qpos - m.qpos0).max())
    assert moved > 0.01
    assert data.ne or data.nf or data.nl
    np.testing.assert_allclose(robot.get_qpos().numpy(), data.qpos, rtol=0, atol=MOTION)
    np.testing.assert_allclose(robot.get_dofs_velocity().numpy(), data.qvel, rtol=0, atol=100 * MOTION)


# -- gradients --------------------------------------------------------------------------------------------------------

ENDS = {"tendons_limit", "tendons_spring_range", "actuators_length_range"}
CHECKED = [name for name in ENTITY_PARAMETERS if name.startswith(("equalities", "tendons", "actuators", "sites"))] + [
    *("geoms_size", "geoms_offset_pos", "geoms_offset_quat"),  # of what tendons run around
    *("dofs_invweight", "links_invweight", "links_mass", "joints_anchor", "dofs_armature", "joints_axis"),
]
# Of motors, which no mechanism here has; of muscles they are other names of numbers that have theirs.
CHECKED = [name for name in CHECKED if not name.startswith("actuators_motor")]


class Program:
    """State, controls and parameters in, positions and velocities after ``steps`` steps out."""

    def __init__(self, scene, robot, steps, rollout):
        self.scene, self.robot, self.steps, self.rollout = scene, robot, steps, rollout
        scene.reset()
        self.inputs = inputs_of(scene, robot, steps, 1)
        for name in CHECKED:
            if name.startswith("geoms"):
                if not any(geom.is_wrapped for geom in robot.geoms):
                    continue
            elif name not in [row["name"] for row in robot.get_parameters()]:
                continue
            value = getattr(robot, f"get_{name}")(*self.chosen(name))
            value = torch.stack(value, -1) if name in ENDS else value
            self.inputs[name] = value.sceneless().detach().clone()

    def run(self, inputs) -> torch.Tensor:
        scene, robot = self.scene, self.robot
        scene.reset()
        for name in CHECKED:
            if name in ENDS and name in inputs:
                getattr(robot, f"set_{name}")(*inputs[name].unbind(-1), *self.chosen(name))
            elif name in inputs:
                getattr(robot, f"set_{name}")(inputs[name], *self.chosen(name))
        robot.set_qpos(inputs["qpos"])
        robot.set_dofs_velocity(inputs["dofs_velocity"])
        for t in range(self.steps):
            commands(scene, robot, inputs, t)
            scene.step()
        return torch.cat([robot.get_qpos(), 0.1 * robot.get_dofs_velocity()]).sceneless()

    def chosen(self, name):
        """Indices of the elements that have the parameter: limits and armatures not every tendon, places those
        that one feels."""
        if name.startswith("geoms"):
            return ([geom.idx_local for geom in self.robot.geoms if geom.is_wrapped],)
        if name == "tendons_armature":
            return (np.flatnonzero(self.scene.world.model.indices["ten_around"] == 0),)
        if not name.startswith("tendons_limit"):
            return ()
        return (np.flatnonzero(self.scene.mj_model.tendon_limited),)

    def direction(self, name, rng):
        value = self.inputs[name]
        noise = torch.tensor(rng.standard_normal(tuple(value.shape)))
        if name in ("force", "ctrl", "mocap_pos", "mocap_quat", "qpos", "dofs_velocity", "equalities_data"):
            return 0.05 * noise
        if "_offset_" in name:
            return 0.02 * noise
        if name in ENDS:
            noise = noise[..., :1]  # a lower end that is the upper one as well stays so
        # relative, within what is possible: nothing changes that is zero
        return 0.1 * value * noise.clamp(-1, 1)


@pytest.mark.parametrize("steps", [1, LONG])
@pytest.mark.parametrize("name", MECHANISMS)
def test_gradient(name, steps, tmp_path):
    integrator = list(INTEGRATORS)[len(name) % 3]
    scene, robot = made(name, tmp_path, integrator)
    program = Program(scene, robot, steps, False)
    leaves = {key: value.clone().requires_grad_() for key, value in program.inputs.items()}
    rng = np.random.default_rng(2)
    weights = None
    out = program.run(leaves)
    weights = torch.tensor(rng.standard_normal(out.shape))
    (out * weights).sum().backward()
    reached = set()
    with torch.no_grad():
        for key, value in program.inputs.items():
            direction = program.direction(key, rng)
            if not direction.abs().max() > 0:
                continue

            def objective(h, key=key, value=value, direction=direction):
                changed = {**program.inputs, key: value + h * direction}
                return (program.run(changed) * weights).sum(0, keepdim=True).numpy()

            expected, error = directional_derivative(objective, DIFFERENCE, levels=3)
            found = (leaves[key].grad * direction).sum().item()
            tolerance = ONE_STEP if steps == 1 else MANY_STEPS
            size = abs(expected[0]) + (leaves[key].grad * direction).abs().sum().item()
            assert abs(found - expected[0]) < tolerance * size + FLOOR + 3 * error[0], key
            if found:
                reached.add(key)
    assert {"qpos", "dofs_velocity", "force"} <= reached
    if name == "muscle arm":
        assert {"sites_offset_pos", "geoms_size", "geoms_offset_pos", "geoms_offset_quat"} <= reached
        active = {"actuators_gain", "actuators_muscle_gain"} if steps > 1 else set()  # nothing is activated at first
        assert active | {"actuators_bias", "actuators_muscle_bias", "actuators_length_range"} <= reached
    if "equalities_data" in program.inputs:
        assert {"equalities_data", "equalities_sol_params"} <= reached


# -- welds made at run time -------------------------------------------------------------------------------------------

ARM_AND_PART = """
<mujoco><option timestep="0.002" tolerance="1e-12" iterations="50"/><worldbody>
<body name="arm" pos="0 0 .6"><joint name="a" axis="0 1 0" damping=".2"/><geom type="capsule" size=".03" fromto="0 0 0 .3 0 0"
  contype="0" conaffinity="0"/><body name="hand" pos=".3 0 0"><joint name="b" axis="0 0 1" damping=".1"/>
  <geom type="box" size=".04 .02 .02" contype="0" conaffinity="0"/></body></body>
<body name="part" pos=".35 .05 .5"><freejoint/><geom type="box" size=".03 .03 .03" contype="0" conaffinity="0"/></body>
</worldbody></mujoco>"""


def grasp(scene, robot, inputs, steps=80, take=20, release=60):
    scene.reset()
    robot.set_qpos(inputs["qpos"])
    robot.set_dofs_velocity(inputs["dofs_velocity"])
    solver = scene.rigid_solver
    solver.set_weld_sol_params(inputs["weld_sol_params"])
    hand, part = robot.get_link("hand"), robot.get_link("part")
    for t in range(steps):
        if t == take:
            solver.add_weld_constraint(hand, part.idx)
        if t == release:
            solver.delete_weld_constraint(hand.idx, part)
        robot.control_dofs_force(inputs["force"][t])
        scene.step()
    return torch.cat([robot.get_qpos(), 0.1 * robot.get_dofs_velocity()]).sceneless()


def grasp_inputs(scene, steps=80):
    rng = np.random.default_rng(5)
    m = scene.mj_model
    return {
        "qpos": torch.tensor(m.qpos0.copy()),
        "dofs_velocity": torch.tensor(0.3 * rng.standard_normal(m.nv)),
        "force": torch.tensor(0.05 * rng.standard_normal((1, m.nv)).repeat(steps, 0)),
        "weld_sol_params": torch.tensor([0.02, 1.0, 0.9, 0.95, 0.001, 0.5, 2.0]),
    }


def test_gradient_through_a_grasp_and_its_release():
    """Made at step 20, released at step 60: the pose that is held is a function of the motion before."""
    scene, robot = build(ARM_AND_PART, constraints=True, integrator="Euler")
    inputs = grasp_inputs(scene)
    leaves = {key: value.clone().requires_grad_() for key, value in inputs.items()}
    out = grasp(scene, robot, leaves)
    rng = np.random.default_rng(6)
    weights = torch.tensor(rng.standard_normal(out.shape))
    (out * weights).sum().backward()
    with torch.no_grad():
        for key, value in inputs.items():
            direction = 0.05 * torch.tensor(rng.standard_normal(tuple(value.shape)))
            if key == "weld_sol_params":
                direction = 0.1 * value * direction.clamp(-1, 1)

            def objective(h, key=key, value=value, direction=direction):
                return (
                    (grasp(scene, robot, {**inputs, key: value + h * direction}) * weights).sum(0, keepdim=True).numpy()
                )

            expected, error = directional_derivative(objective, DIFFERENCE, levels=3)
            found = (leaves[key].grad * direction).sum().item()
            size = abs(expected[0]) + (leaves[key].grad * direction).abs().sum().item()
            assert abs(found - expected[0]) < MANY_STEPS * size + FLOOR + 3 * error[0], key
            assert found != 0.0, key


def test_a_weld_holds_what_it_has_taken():
    """As MuJoCo's weld of the same two bodies, which is switched on and off at the same steps."""
    scene, robot = build(ARM_AND_PART, constraints=True, integrator="Euler", requires_grad=False)
    text = ARM_AND_PART.replace(
        "</mujoco>", '<equality><weld name="w" body1="hand" body2="part" active="false"/></equality></mujoco>'
    )
    m = mujoco.MjModel.from_xml_string(text)
    data, inputs = mujoco.MjData(m), grasp_inputs(scene)
    data.qpos[:], data.qvel[:] = inputs["qpos"], inputs["dofs_velocity"]
    for t in range(80):
        if t == 20:
            mujoco.mj_kinematics(m, data)
            inverse, difference = np.zeros(4), data.xpos[3] - data.xpos[2]
            mujoco.mju_negQuat(inverse, data.xquat[2])
            mujoco.mju_rotVecQuat(m.eq_data[0, 3:6], difference, inverse)
            mujoco.mju_mulQuat(m.eq_data[0, 6:10], inverse, data.xquat[3])
            m.eq_data[0, :3] = 0
        data.eq_active[0] = 20 <= t < 60
        data.qfrc_applied[:] = inputs["force"][t]
        mujoco.mj_step(m, data)
    found = grasp(scene, robot, inputs)
    np.testing.assert_allclose(found[: m.nq].numpy(), data.qpos, rtol=0, atol=MOTION)
    assert welded(scene) == []


def test_welds_of_some_envs(tmp_path):
    scene, robot = build(ARM_AND_PART, constraints=True, n_envs=3, integrator="Euler")
    solver, hand, part = scene.rigid_solver, robot.get_link("hand"), robot.get_link("part")
    start = scene.get_state()
    solver.add_weld_constraint(hand, part, envs_idx=[0, 2])
    assert welded(scene) == [(0, hand.idx, part.idx), (2, hand.idx, part.idx)]
    for _ in range(50):
        scene.step()
    between = (part.get_pos() - hand.get_pos()).norm(dim=-1).detach()
    assert between[0] == between[2] and abs(between[0] - between[1]) > 1e-3
    path = tmp_path / "welded.ckpt"
    scene.save_checkpoint(path)
    kept = scene.get_state().solvers_state[0].qpos.detach().clone()
    for _ in range(5):
        scene.step()
    after = scene.get_state().solvers_state[0].qpos.detach().clone()
    other, other_robot = build(ARM_AND_PART, constraints=True, n_envs=3, integrator="Euler")
    other.rigid_solver.add_weld_constraint(other_robot.links[0], part.idx)  # another comes first there
    other.load_checkpoint(path)
    assert welded(other) == welded(scene)
    torch.testing.assert_close(other.get_state().solvers_state[0].qpos.sceneless(), kept, rtol=0, atol=0)
    for _ in range(5):
        other.step()
    torch.testing.assert_close(other.get_state().solvers_state[0].qpos.sceneless(), after, rtol=0, atol=1e-12)
    solver.delete_weld_constraint(hand, part, envs_idx=2)
    assert welded(scene) == [(0, hand.idx, part.idx)]
    scene.reset(start)
    assert welded(scene) == []
    with pytest.raises(gs.GenesisException, match="are not welded in these envs"):
        solver.delete_weld_constraint(hand, part)


def test_a_rollout_is_the_loop_with_welds_and_mocap(tmp_path):
    scene, robot = made("mocap", tmp_path)
    inputs = inputs_of(scene, robot, 30, 3)
    results = []
    for as_rollout in (False, True):
        scene.reset()
        pose = inputs["mocap_pos"][10].clone().requires_grad_()
        robot.set_qpos(inputs["qpos"])
        robot.links[0].set_pos(pose)
        scene.rigid_solver.add_weld_constraint(robot.links[0], robot.get_link("flap"))
        if as_rollout:
            scene.rollout({robot: inputs["force"]})
        else:
            for force in inputs["force"]:
                robot.control_dofs_force(force)
                scene.step()
        loss = robot.get_qpos().square().sum() + robot.links[0].get_pos().sum()
        loss.backward()
        results.append((robot.get_qpos().detach().sceneless(), pose.grad))
    torch.testing.assert_close(results[0][0], results[1][0], rtol=0, atol=0)
    # A command that holds over many steps: its gradients are added in another order.
    torch.testing.assert_close(results[0][1], results[1][1], rtol=0, atol=1e-14)


def test_equalities_are_switched_per_env(tmp_path):
    scene, robot = made("four-bar, connect", tmp_path, n_envs=2)
    assert robot.get_equalities_active().tolist() == [[True], [True]]
    robot.set_equalities_active(False, envs_idx=1)
    assert robot.get_equalities_active().tolist() == [[True], [False]]
    for _ in range(100):
        scene.step()
    foot = robot.get_link("rocker").get_pos().detach()
    assert (foot[0] - foot[1]).norm() > 0.05
    scene.reset()
    assert robot.get_equalities_active().tolist() == [[True], [True]]
    for bad, message in (
        (2, "holds 2"),
        (torch.tensor([0.5]), "holds 0.5"),
        ("yes", "expected numbers"),
        ([[1], [0, 1]], "active"),
    ):
        with pytest.raises(gs.GenesisException, match=message):
            robot.set_equalities_active(bad)


def test_tendons_are_read(tmp_path):
    scene, robot = made("hand", tmp_path, n_envs=2)
    m = scene.mj_model
    qpos = torch.tensor(m.qpos0 + 0.1 * np.arange(m.nq)).expand(2, -1) * torch.tensor([[1.0], [2.0]])
    leaf = qpos.clone().requires_grad_()
    robot.set_qpos(leaf)
    robot.set_dofs_velocity(0.3)
    data = mujoco.MjData(m)
    for env in range(2):
        data.qpos, data.qvel = qpos[env], 0.3
        mujoco.mj_forward(m, data)
        np.testing.assert_allclose(robot.get_tendons_length(envs_idx=env)[0].detach(), data.ten_length, atol=1e-14)
        np.testing.assert_allclose(robot.get_tendons_velocity()[env].detach(), data.ten_velocity, atol=1e-14)
    (grad,) = torch.autograd.grad(robot.get_tendons_length(-1)[0, 0], leaf)
    row = np.zeros((m.ntendon, m.nv))
    mujoco.mju_sparse2dense(row, data.ten_J.ravel(), m.ten_J_rownnz, m.ten_J_rowadr, m.ten_J_colind.ravel())
    np.testing.assert_allclose(grad[0], row[-1], atol=1e-14)
    assert not grad[1].any()


WRONG = {
    "itself": (lambda s, r: s.add_weld_constraint(2, 2), "cannot be welded to itself"),
    "out of range": (lambda s, r: s.add_weld_constraint(1, 9), "`link2_idx` holds 9"),
    "several": (lambda s, r: s.add_weld_constraint([0, 1], 2), "names 2 links"),
    "not welded": (lambda s, r: s.delete_weld_constraint(0, 2), "are not welded"),
    "no mocap": (lambda s, r: r.links[1].set_pos([0, 0, 0]), "is no mocap body"),
    "softness": (lambda s, r: s.set_weld_sol_params([0.02, 1, 2, 0.9, 0.1, 0.5, 2]), "dmin"),
}


@pytest.mark.parametrize("name", WRONG)
def test_bad_calls(name):
    scene, robot = build(ARM_AND_PART, constraints=True, integrator="Euler")
    call, message = WRONG[name]
    with pytest.raises(gs.GenesisException, match=message):
        call(scene.rigid_solver, robot)
    assert welded(scene) == []
    scene.step()


def test_inverse_weights_that_follow():
    """Masses that differ between envs: each env is as a scene that MuJoCo compiles with its masses."""
    text = (
        '<mujoco><option timestep="0.005" tolerance="1e-12"/><worldbody><geom type="plane" size="5 5 1"/>'
        '<body pos="0 0 .0995"><freejoint/><geom type="box" size=".1 .1 .1" mass="{}"/></body></worldbody></mujoco>'
    )
    options = {"inverse_weights": "follow"}
    scene, robot = build(
        text.format(2), constraints=True, n_envs=2, integrator="Euler", rigid_options=options, requires_grad=True
    )
    mass = torch.tensor([2.0, 7.0], requires_grad=True)
    robot.set_mass(mass)
    for _ in range(20):
        scene.step()
    for env, kilograms in enumerate((2.0, 7.0)):
        m = mujoco.MjModel.from_xml_string(text.format(kilograms))
        m.opt.integrator = mujoco.mjtIntegrator.mjINT_EULER
        data = mujoco.MjData(m)
        mujoco.mj_step(m, data, 20)
        np.testing.assert_allclose(robot.get_qpos()[env].detach().numpy(), data.qpos, rtol=0, atol=1e-10)
    robot.get_qpos()[:, 2].sum().backward()
    # A box sinks in by the same whatever its mass: softness follows.
    assert mass.grad.abs().max() < 1e-8
    with pytest.raises(gs.GenesisException, match="follow the parameters"):
        robot.set_links_invweight(1.0)
