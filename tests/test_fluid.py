"""Swimmers and flyers in a fluid, through the public API: motions against MuJoCo's, gradients against differences; and
springs and dampers that are not linear."""

import mujoco
import numpy as np
import pytest
import torch

import genesis as gs
from tests import models
from tests.differences import directional_derivative
from tests.models import gymnasium_asset
from tests.scenes import INTEGRATORS, build

STEPS = 200
# Of qpos after so many steps: rounding, amplified by the motion.
MOTION = 1e-8
ONE_STEP, MANY_STEPS = 1e-6, 1e-5
LONG = 100
# Values are of order one, differences of step 1e-3 and less resolve 1e-9 of them.
FLOOR = 1e-9
DIFFERENCE = 1e-3

# A body of a fly, a centigram with wings of a millimetre, in units of cm and g, as flies are simulated. The wings beat
# under springs that are not linear.
FLY = """
<mujoco><option timestep="0.0002" gravity="0 0 -981" density=".00128" viscosity=".000185" wind="3 -2 1"/>
<compiler angle="radian"/><default><geom contype="0" conaffinity="0"/></default><worldbody>
<body name="thorax" pos="0 0 1"><freejoint/><geom type="ellipsoid" size=".09 .05 .05" density="1.1"/>
  <body name="left" pos="0 .05 .02"><joint name="l1" axis="1 0 0" stiffness=".01 .002 .001" damping=".0005 1e-6 1e-9"/>
    <joint name="l2" axis="0 1 0" stiffness=".01" damping=".0005" armature="1e-6"/>
    <geom type="ellipsoid" size=".05 .12 .002" pos="0 .12 0" euler="0 0 .2" density="1"
      fluidshape="ellipsoid" fluidcoef="1 .5 1.5 1.7 1.05"/></body>
  <body name="right" pos="0 -.05 .02"><joint name="r1" axis="1 0 0" stiffness=".01 -.002 .001" damping=".0005 1e-6 1e-9"/>
    <joint name="r2" axis="0 1 0" stiffness=".01" damping=".0005" armature="1e-6"/>
    <geom type="box" size=".05 .12 .002" pos="0 -.12 0" density="1" fluidshape="ellipsoid"/></body>
</body></worldbody>
<actuator><motor joint="l1" gear="1"/><motor joint="r1" gear="-1"/></actuator></mujoco>"""

# As dm_control's swimmer: links that feel the fluid as boxes.
SWIMMER = """
<mujoco><option timestep="0.002" density="3000" viscosity=".01"/><default><geom contype="0" conaffinity="0"/>
<joint armature="1e-6" damping="1e-4"/></default><worldbody>
<body name="head" pos="0 0 .05"><joint type="slide" axis="1 0 0"/><joint type="slide" axis="0 1 0"/><joint axis="0 0 1"/>
  <geom type="ellipsoid" size=".02 .06 .03" pos="0 -.06 0" density="500"/>
  <body name="s1"><joint name="j1" axis="0 0 1"/><geom type="box" size=".01 .05 .02" pos="0 .05 0" density="500"/>
    <body name="s2" pos="0 .1 0"><joint name="j2" axis="0 0 1"/>
      <geom type="box" size=".01 .05 .02" pos="0 .05 0" density="500" euler="0 0 10"/>
      <body name="s3" pos="0 .1 0"><joint name="j3" axis="0 0 1"/>
        <geom type="box" size=".01 .05 .02" pos="0 .05 0" density="500"/></body></body></body>
</body></worldbody>
<actuator><motor joint="j1" gear=".005"/><motor joint="j2" gear=".005"/><motor joint="j3" gear=".005"/></actuator></mujoco>"""

SOURCES = {
    "swimmer": SWIMMER,
    "fly": FLY,
    "boxes": models.in_fluid(ellipsoids=False),
    "ellipsoids": models.in_fluid(ellipsoids=True),
    "polynomials": models.POLYNOMIALS,
}
# How fast they move at the start, and what moves them: rates of some rad/s where wings beat at 200 Hz say nothing.
SPEED = {"fly": 20.0}
FORCE = {"fly": 0.005, "swimmer": 0.5}


def inputs_of(m, name, steps, seed):
    """Initial state and controls that keep it in motion."""
    rng = np.random.default_rng(seed)
    qpos = m.qpos0.copy()
    mujoco.mj_integratePos(m, qpos, 0.3 * rng.standard_normal(m.nv), 1.0)
    beat = np.sin(0.2 * np.arange(steps))[:, None]
    return {
        "qpos": torch.tensor(qpos),
        "dofs_velocity": torch.tensor(SPEED.get(name, 0.5) * rng.standard_normal(m.nv)),
        "ctrl": torch.tensor(FORCE.get(name, 0.3) * beat * np.ones(m.nu)),
    }


def commands(robot, inputs, t):
    if inputs["ctrl"].shape[1]:
        robot.control_actuators(inputs["ctrl"][t])


def assert_moves_as_in_mujoco(scene, robot, inputs, steps, tolerance=MOTION):
    m = scene.mj_model
    data = mujoco.MjData(m)
    data.qpos[:], data.qvel[:] = inputs["qpos"], inputs["dofs_velocity"]
    robot.set_qpos(inputs["qpos"])
    robot.set_dofs_velocity(inputs["dofs_velocity"])
    for t in range(steps):
        commands(robot, inputs, t)
        data.ctrl[:] = inputs["ctrl"][t]
        scene.step()
        mujoco.mj_step(m, data)
    size = 1 + np.abs(data.qvel).max()
    np.testing.assert_allclose(
        robot.get_qpos().detach().numpy(), data.qpos, rtol=0, atol=tolerance * (1 + abs(data.qpos).max())
    )
    np.testing.assert_allclose(
        robot.get_dofs_velocity().detach().numpy(), data.qvel, rtol=0, atol=10 * tolerance * size
    )
    return data


@pytest.mark.parametrize("integrator", INTEGRATORS)
@pytest.mark.parametrize("name", SOURCES)
def test_motion_equals_mujoco(name, integrator):
    scene, robot = build(SOURCES[name], integrator=integrator, requires_grad=False)
    data = assert_moves_as_in_mujoco(scene, robot, inputs_of(scene.mj_model, name, STEPS, 0), STEPS)
    if name == "polynomials":
        np.testing.assert_allclose(robot.get_potential_energy().item(), energy(scene.mj_model, data)[0], rtol=1e-8)
    else:
        assert np.abs(data.qfrc_fluid).max() > 0


def energy(m, data):
    mujoco.mj_forward(m, data)
    mujoco.mj_energyPos(m, data)
    return data.energy


# -- gradients --------------------------------------------------------------------------------------------------------

CHECKED = (
    *("links_mass", "links_inertia", "links_COM", "dofs_stiffness_poly", "dofs_damping_poly", "dofs_armature"),
    *("tendons_stiffness_poly", "tendons_damping_poly", "tendons_spring_range"),
    *("geoms_fluid_coef", "geoms_virtual_mass", "geoms_virtual_inertia"),
    *("geoms_size", "geoms_offset_pos", "geoms_offset_quat"),
)
OF_SCENE = ("fluid_density", "fluid_viscosity", "wind")
ENDS = ("tendons_spring_range",)


class Program:
    """State, controls and parameters in, positions and velocities after ``steps`` steps out."""

    def __init__(self, name, integrator, steps):
        self.scene, self.robot = build(SOURCES[name], integrator=integrator)
        self.steps, m = steps, self.scene.mj_model
        self.inputs = inputs_of(m, name, steps, 1)
        self.speed = SPEED.get(name, 1.0)
        self.shapes = np.flatnonzero(m.geom_fluid[:, 0] > 0)
        for parameter in CHECKED:
            if parameter.startswith("geoms") and not len(self.shapes):
                continue
            if parameter.startswith("tendons") and not m.ntendon:
                continue
            value = getattr(self.robot, f"get_{parameter}")(*self.chosen(parameter))
            value = torch.stack(value, -1) if parameter in ENDS else value
            value = value.sceneless().detach().clone()
            if parameter == "links_inertia":  # away from where a perturbed one is none
                value[..., :3] += 0.1 * value[..., :3].amax(-1, keepdim=True)
            self.inputs[parameter] = value
        if name != "polynomials":
            for parameter in OF_SCENE:
                self.inputs[parameter] = getattr(self.scene, f"get_{parameter}")().sceneless().detach().clone()

    def chosen(self, parameter):
        return (self.shapes,) if parameter.startswith("geoms") else ()

    def run(self, inputs) -> torch.Tensor:
        scene, robot = self.scene, self.robot
        scene.reset()
        for parameter in CHECKED:
            if parameter in ENDS and parameter in inputs:
                getattr(robot, f"set_{parameter}")(*inputs[parameter].unbind(-1))
            elif parameter in inputs:
                getattr(robot, f"set_{parameter}")(inputs[parameter], *self.chosen(parameter))
        for parameter in OF_SCENE:
            if parameter in inputs:
                getattr(scene, f"set_{parameter}")(inputs[parameter])
        robot.set_qpos(inputs["qpos"])
        robot.set_dofs_velocity(inputs["dofs_velocity"])
        for t in range(self.steps):
            commands(robot, inputs, t)
            scene.step()
        outputs = [robot.get_qpos(), robot.get_dofs_velocity() / self.speed]
        return torch.cat([*outputs, robot.get_potential_energy()[None]]).sceneless()

    def direction(self, name, rng):
        value = self.inputs[name]
        noise = torch.tensor(rng.standard_normal(tuple(value.shape))).clamp(-2, 2)
        if name in ("qpos", "wind"):
            return 0.05 * noise
        if name == "dofs_velocity":
            return 0.05 * self.speed * noise
        # relative to the largest, within what is possible
        return (
            0.02 * value.abs().amax() * noise
            if name.startswith(("geoms_offset", "links_COM"))
            else 0.02 * value * noise
        )


@pytest.mark.parametrize("steps", [1, LONG])
@pytest.mark.parametrize(("name", "integrator"), [*((name, None) for name in SOURCES), ("ellipsoids", "implicit")])
def test_gradient(name, integrator, steps):
    if integrator is None:
        integrator = list(INTEGRATORS)[(len(name) + steps) % 3] if name in ("boxes", "polynomials") else "implicitfast"
    program = Program(name, integrator, steps)
    leaves = {key: value.clone().requires_grad_() for key, value in program.inputs.items()}
    rng = np.random.default_rng(2)
    out = program.run(leaves)
    weights = torch.tensor(rng.standard_normal(out.shape))
    (out * weights).sum().backward()
    without_effect = set()
    with torch.no_grad():
        for key, value in program.inputs.items():
            direction = program.direction(key, rng)
            if not direction.numel() or not direction.abs().max() > 0:
                continue

            def objective(h, key=key, value=value, direction=direction):
                changed = {**program.inputs, key: value + h * direction}
                return (program.run(changed) * weights).sum(0, keepdim=True).numpy()

            expected, error = directional_derivative(objective, DIFFERENCE, levels=4)
            terms = leaves[key].grad * direction
            size = abs(expected[0]) + terms.abs().sum().item()
            tolerance = ONE_STEP if steps == 1 else MANY_STEPS
            assert abs(terms.sum().item() - expected[0]) < tolerance * size + FLOOR + 3 * error[0], key
            if not terms.abs().max() > 0:
                without_effect.add(key)
    assert not without_effect


# -- a fluid, or polynomials, that are set ----------------------------------------------------------------------------

PENDULUM = """
<mujoco><option timestep="0.002"/><default><geom contype="0" conaffinity="0"/></default><worldbody>
<body pos="0 0 1"><joint name="j" axis="0 1 0" damping=".01"/><geom name="stick" type="box" size=".1 .02 .03" pos=".1 0 0"
  fluidshape="ellipsoid"/><body pos=".2 0 0"><joint name="k" axis="0 1 0"/><geom type="capsule" size=".03 .1"/></body></body>
</worldbody><tendon><fixed name="t" damping=".3"><joint joint="j" coef="1"/><joint joint="k" coef="-2"/></fixed></tendon>
</mujoco>"""
SETTINGS = {
    "fluid_density": (1000.0, lambda m, value: setattr(m.opt, "density", value)),
    "fluid_viscosity": (0.3, lambda m, value: setattr(m.opt, "viscosity", value)),
    "dofs_stiffness_poly": ([[1.0, 2.0]] * 2, lambda m, value: m.jnt_stiffnesspoly.__setitem__(slice(None), value)),
    "dofs_damping_poly": ([[0.1, 0.2]] * 2, lambda m, value: m.dof_dampingpoly.__setitem__(slice(None), value)),
    "tendons_damping_poly": ([[0.1, 0.2]], lambda m, value: m.tendon_dampingpoly.__setitem__(slice(None), value)),
}


@pytest.mark.parametrize("name", SETTINGS)
def test_set_where_the_file_has_none(name):
    """The stages are added to a scene that has run without."""
    scene, robot = build(PENDULUM, integrator="implicitfast")
    scene.step()
    scene.reset()
    value, write = SETTINGS[name]
    given = torch.tensor(value, requires_grad=True)
    owner = scene if name.startswith("fluid") else robot
    getattr(owner, f"set_{name}")(given)
    assert torch.equal(getattr(owner, f"get_{name}")().sceneless(), given)
    inputs = {
        "qpos": torch.tensor([0.4, -0.3]),
        "dofs_velocity": torch.tensor([2.0, -3.0]),
        "ctrl": torch.zeros((50, 0)),
    }
    write(scene.mj_model, value)
    data = assert_moves_as_in_mujoco(scene, robot, inputs, 50)
    robot.get_qpos().sum().backward()
    assert bool((given.grad != 0).all())
    # Accelerations are those of continuous time, whatever the integrator makes of dampers.
    mujoco.mj_forward(scene.mj_model, data)
    mujoco.mj_rnePostConstraint(scene.mj_model, data)
    acceleration = np.zeros(6)
    mujoco.mj_objectAcceleration(scene.mj_model, data, mujoco.mjtObj.mjOBJ_XBODY, 2, acceleration, 0)
    expected = acceleration[3:] + scene.mj_model.opt.gravity
    np.testing.assert_allclose(robot.get_links_acc()[1].detach().numpy(), expected, rtol=0, atol=1e-7)


def test_each_env_has_a_fluid_of_its_own(tmp_path):
    scene, robot = build(PENDULUM, integrator="implicitfast", n_envs=3, requires_grad=False)
    scene.set_fluid_density([0.0, 500.0, 1000.0])
    scene.set_fluid_viscosity(0.1, envs_idx=[2])
    scene.set_wind([0.0, 0.0, 2.0])
    assert scene.get_fluid_density().tolist() == [0.0, 500.0, 1000.0]
    assert scene.get_fluid_viscosity().tolist() == pytest.approx([0.0, 0.0, 0.1])
    assert scene.get_wind(envs_idx=1).squeeze().tolist() == [0.0, 0.0, 2.0]
    for _ in range(20):
        scene.step()
    path = tmp_path / "in_fluid.ckpt"
    scene.save_checkpoint(path)
    for _ in range(20):
        scene.step()
    found = robot.get_qpos().numpy()
    for env, (density, viscosity) in enumerate([(0.0, 0.0), (500.0, 0.0), (1000.0, 0.1)]):
        m = scene.mj_model
        m.opt.density, m.opt.viscosity, m.opt.wind[:] = density, viscosity, [0.0, 0.0, 2.0]
        data = mujoco.MjData(m)
        for _ in range(40):
            mujoco.mj_step(m, data)
        np.testing.assert_allclose(found[env], data.qpos, rtol=0, atol=MOTION)
    other, other_robot = build(PENDULUM, integrator="implicitfast", n_envs=3, requires_grad=False)
    other.load_checkpoint(path)
    for _ in range(20):
        other.step()
    np.testing.assert_array_equal(other_robot.get_qpos().numpy(), found)


def test_at_rest_the_gradient_is_finite():
    """Drag has no slope at rest but that of viscosity; nothing divides by the speed."""
    for name in ("ellipsoids", "boxes"):
        scene, robot = build(SOURCES[name], integrator="implicitfast")
        scene.set_wind([0.0, 0.0, 0.0])
        velocity = torch.zeros(robot.n_dofs, requires_grad=True)
        scene.set_gravity([0.0, 0.0, 0.0])
        robot.set_dofs_velocity(velocity)
        scene.step()
        robot.get_dofs_velocity().square().sum().backward()
        assert bool(torch.isfinite(velocity.grad).all())
        m = scene.mj_model
        np.testing.assert_allclose(robot.get_dofs_velocity().detach().numpy(), np.zeros(m.nv), rtol=0, atol=1e-12)


def test_equal_moments_keep_the_axes_of_the_file():
    """A capsule's box is turned about its axis as in the file, and its gradient takes that for fixed."""
    scene, robot = build(PENDULUM.replace('fluidshape="ellipsoid"', ""), integrator="Euler")
    scene.set_fluid_density(1000.0)
    inertia = robot.get_links_inertia().sceneless().detach().clone().requires_grad_()
    moments = robot.get_links_inertia()[1]
    assert abs(moments[0] - moments[1]) < 1e-12
    robot.set_links_inertia(inertia)
    inputs = {
        "qpos": torch.tensor([0.4, -0.3]),
        "dofs_velocity": torch.tensor([2.0, -3.0]),
        "ctrl": torch.zeros((20, 0)),
    }
    scene.mj_model.opt.density = 1000.0
    assert_moves_as_in_mujoco(scene, robot, inputs, 20)
    robot.get_qpos().sum().backward()
    assert bool(torch.isfinite(inertia.grad).all()) and bool((inertia.grad[1, :3] != 0).any())


def test_a_turned_inertia_turns_the_box():
    """Principal axes follow an inertia that is set: as MuJoCo has it of the same inertia in a file."""
    rng = np.random.default_rng(3)
    root = rng.standard_normal((3, 3))
    full = 0.01 * (root @ root.T + 2 * np.eye(3))
    full += 0.5 * np.trace(full) * np.eye(3) - full  # of a body: the spread of its mass is positive
    text = (
        '<mujoco><option timestep="0.002" density="800" viscosity=".2"/><worldbody><body pos="0 0 1"><joint type="ball"/>'
        '<inertial pos=".1 .2 0" mass="1" {}/></body></worldbody></mujoco>'
    )
    numbers = full[[0, 1, 2, 0, 0, 1], [0, 1, 2, 1, 2, 2]]
    scene, robot = build(text.format('diaginertia=".05 .05 .05"'), integrator="implicitfast", requires_grad=False)
    robot.set_links_inertia(torch.tensor(numbers)[None])
    m = mujoco.MjModel.from_xml_string(text.format(f'fullinertia="{" ".join(map(str, numbers))}"'))
    m.opt.integrator = mujoco.mjtIntegrator.mjINT_IMPLICITFAST
    data = mujoco.MjData(m)
    data.qvel[:] = [1.0, -2.0, 3.0]
    robot.set_dofs_velocity(torch.tensor([1.0, -2.0, 3.0]))
    for _ in range(50):
        scene.step()
        mujoco.mj_step(m, data)
    np.testing.assert_allclose(robot.get_dofs_velocity().numpy(), data.qvel, rtol=0, atol=1e-10)


def test_with_springs_and_dampers_disabled_there_is_no_fluid():
    """Nor gravity compensation: MuJoCo leaves out all of its passive forces."""
    text = PENDULUM.replace("<body pos=", '<body gravcomp="1" pos=', 1).replace(
        '<option timestep="0.002"/>',
        '<option timestep="0.002" density="900" viscosity="1"><flag spring="disable" damper="disable"/></option>',
    )
    scene, robot = build(text, requires_grad=False)
    assert scene.get_fluid_density() == 0.0
    inputs = {"qpos": torch.zeros(2), "dofs_velocity": torch.ones(2), "ctrl": torch.zeros((20, 0))}
    data = assert_moves_as_in_mujoco(scene, robot, inputs, 20)
    assert np.abs(data.qvel).max() > 1.1


WRONG = {
    "negative density": (lambda s, r: s.set_fluid_density(-1.0), "`fluid_density` of the scene is -1; it cannot be"),
    "infinite viscosity": (lambda s, r: s.set_fluid_viscosity(np.inf), "`fluid_viscosity` holds inf"),
    "shape of density": (lambda s, r: s.set_fluid_density([1.0, 2.0]), r"shape \(2,\)"),
    "shape of wind": (lambda s, r: s.set_wind([1.0, 2.0]), r"shape \(2,\), expected \(3,\)"),
    "coefficients of another shape": (
        lambda s, r: r.set_geoms_fluid_coef(torch.ones(2, 5), [0, 1]),
        r"geom 1 of 'mjcf_0' \(capsule, 'geom1'\) is no shape that a fluid acts on; give it fluidshape=\"ellipsoid\"",
    ),
    "negative virtual mass": (
        lambda s, r: r.set_geoms_virtual_mass([[1.0, 1.0, -1.0]]),
        r"`geoms_virtual_mass` of geom 0 of 'mjcf_0' \(box, 'stick'\) is \[1.0, 1.0, -1.0\]; none can be",
    ),
    "friction of what touches nothing": (lambda s, r: r.set_friction(1.0, [0]), "touches nothing in this scene"),
    "shape of a polynomial": (lambda s, r: r.set_dofs_damping_poly([1.0, 2.0]), r"expected \(2, 2\)"),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_input(case):
    scene, robot = build(PENDULUM, requires_grad=False)
    call, message = WRONG[case]
    before = scene.world.theta.packed().clone()
    with pytest.raises(gs.GenesisException, match=message):
        call(scene, robot)
    assert torch.equal(scene.world.theta.packed(), before)
    assert not scene.world.model.features


def test_a_real_swimmer_equals_mujoco():
    """Gymnasium's, of whose file only the integrator is stated."""
    scene, robot = build(gymnasium_asset("swimmer.xml"), requires_grad=False, constraints=True)
    m = scene.mj_model
    assert m.opt.density == 4000 and m.opt.integrator == mujoco.mjtIntegrator.mjINT_RK4
    assert_moves_as_in_mujoco(scene, robot, inputs_of(m, "swimmer", STEPS, 0), STEPS, 1e-6)
