"""`scene.linearize()` beside `mjd_transitionFD`, and the pure function that the tools stand on beside autograd."""

import mujoco
import numpy as np
import pytest
import torch

import genesis as gs
from genesis.errors import GenesisException
from genesis.rigid import jacobian
from genesis.system import System
from tests import contact_scenes, models
from tests.rigid.engine import EULER, IMPLICITFAST, RK4, Engine, compile_model

EPSILON = 1e-6  # of mjd_transitionFD, as MuJoCo's documentation has it
# MuJoCo's differences are compared with its own at other steps; ours may be as far from them as they are from each
# other, times this: two steps tell the size of an error, not its bound.
OF_ITS_OWN_ERROR = 5.0
ROUNDING = 1e-8  # of the largest number of the matrix: what differences of that step lose to rounding at best

SPATIAL_TENDON = """
<mujoco><option timestep="0.005"/><default><geom contype="0" conaffinity="0"/></default><worldbody><site name="w" pos=".5 0 .3"/>
<body><joint type="slide" axis="1 0 0" damping=".1"/><geom size=".1" mass="1"/>
<body><joint axis="0 1 0" damping=".02"/><geom size=".1" mass="1" pos=".1 0 0"/><site name="a" pos=".1 .2 .1"/></body></body>
</worldbody><tendon><spatial name="p" stiffness="40" damping=".1" springlength=".3"><site site="w"/><site site="a"/></spatial></tendon>
<actuator><motor tendon="p"/></actuator></mujoco>"""

# name -> MJCF, integrator, whether it shall be in contact
MODELS = {
    "ant": (models.gymnasium_asset("ant.xml"), "Euler", True),
    "ant_implicitfast": (models.gymnasium_asset("ant.xml"), "implicitfast", True),
    "humanoid": (models.gymnasium_asset("humanoid.xml"), "Euler", True),
    "hopper": (models.gymnasium_asset("hopper.xml"), "Euler", True),
    "walker": (models.gymnasium_asset("walker2d.xml"), "implicitfast", True),
    "cheetah": (models.gymnasium_asset("half_cheetah.xml"), "Euler", True),
    "sled": (contact_scenes.SLED, "Euler", True),
    "elliptic_ball": (contact_scenes.thrown("ball", "elliptic"), "Euler", True),
    "stack": (contact_scenes.stack(3), "Euler", True),
    "actuators": (models.without_ranges(models.ACTUATORS), "Euler", False),
    "actuators_implicitfast": (models.without_ranges(models.ACTUATORS), "implicitfast", False),
    "ball_chain": (models.BALL_CHAIN, "implicitfast", False),
    "ball_chain_implicit": (models.BALL_CHAIN, "implicit", False),
    "spatial_tendon": (SPATIAL_TENDON, "Euler", False),
}


def scene_of(source: str, integrator: str, n_envs: int = 0, tmp_path=None):
    if "<" in source:
        (tmp_path / "model.xml").write_text(source)
        source = str(tmp_path / "model.xml")
    dt = mujoco.MjModel.from_xml_path(source).opt.timestep
    scene = gs.Scene(
        sim_options=gs.options.SimOptions(dt=dt, requires_grad=True),
        rigid_options=gs.options.RigidOptions(
            integrator=getattr(gs.integrator, integrator),
            constraint_solver=gs.constraint_solver.Newton,
            tolerance=0.0,
            iterations=200,
        ),
    )
    entity = scene.add_entity(gs.morphs.MJCF(file=source))
    scene.build(n_envs=n_envs)
    return scene, entity


def moved(model: mujoco.MjModel, n_steps: int, seed: int = 0) -> mujoco.MjData:
    """A state on the way under random controls."""
    data, rng = mujoco.MjData(model), np.random.default_rng(seed)
    data.qvel[:] = 0.1 * rng.standard_normal(model.nv)
    data.ctrl[:] = 0.2 * rng.standard_normal(model.nu)
    mujoco.mj_step(model, data, n_steps)
    return data


def moved_into_contact(model: mujoco.MjModel, seed: int = 0) -> mujoco.MjData:
    """The same, after ten steps in touch without a break."""
    data, in_touch = moved(model, 1, seed), 0
    while in_touch < 10 and data.time < 5.0:
        mujoco.mj_step(model, data)
        in_touch = in_touch + 1 if data.ncon else 0
    return data


def transition(model: mujoco.MjModel, data: mujoco.MjData, epsilon: float) -> np.ndarray:
    """(2 nv + na, 2 nv + na + nu)."""
    size = 2 * model.nv + model.na
    a, b = np.empty((size, size)), np.empty((size, model.nu))
    mujoco.mj_forward(model, data)
    mujoco.mjd_transitionFD(model, data, epsilon, True, a, b, None, None)
    return np.concatenate([a, b], 1)


@pytest.mark.parametrize("name", MODELS)
def test_a_and_b_are_those_of_mujoco_to_its_own_accuracy(name, tmp_path):
    source, integrator, in_contact = MODELS[name]
    scene, entity = scene_of(source, integrator, tmp_path=tmp_path)
    model = scene.mj_model
    data = moved_into_contact(model) if in_contact else moved(model, 30)
    assert (data.ncon > 0) == in_contact
    mid, wide, narrow = (transition(model, data, EPSILON * factor) for factor in (1.0, 3.0, 1.0 / 3.0))
    own_error = max(np.abs(mid - wide).max(), np.abs(mid - narrow).max())

    System(scene).put(torch.tensor(np.concatenate([data.qpos, data.qvel, data.act])))
    if model.nu:
        entity.control_actuators(torch.tensor(data.ctrl))
    a, b = scene.linearize()
    ours = torch.cat([a.sceneless(), b.sceneless()], 1).numpy()
    assert ours.shape == mid.shape
    difference = np.abs(ours - mid).max()
    assert difference <= OF_ITS_OWN_ERROR * own_error + ROUNDING * np.abs(ours).max()
    assert own_error < 1e-3 * np.abs(ours).max()  # else the line above says nothing


@pytest.mark.parametrize("integrator", [EULER, IMPLICITFAST, RK4])
@pytest.mark.parametrize("substeps", [1, 2])
@pytest.mark.parametrize("name", ["ant", "actuators"])
def test_the_jacobians_of_a_step_are_its_adjoints(name, integrator, substeps):
    source = {"ant": models.gymnasium_asset("ant.xml"), "actuators": models.ACTUATORS}[name]
    model = compile_model(source, integrator, constraints=name == "ant")
    engine, states, ctrl = Engine(model, n_worlds=3, substeps=substeps), [], []
    for seed in range(3):
        data = moved(model, 25, seed)
        states.append(np.concatenate([data.qpos, data.qvel, data.act]))
        ctrl.append(data.ctrl.copy())
    state, command = torch.tensor(np.stack(states)), engine.command(ctrl=torch.tensor(np.stack(ctrl)))
    parameters = torch.eye(engine.model.ntheta, dtype=torch.float64)
    dynamics = engine.dynamics
    found = jacobian.of_step(dynamics, engine.theta, command, state, "ctrl", parameters)
    expected = jacobian._of_rows(dynamics, engine.theta, command, state, "ctrl", parameters)
    for one, other in zip(
        (found.after, found.state, found.control, found.theta),
        (expected.after, expected.state, expected.control, expected.theta),
        strict=True,
    ):
        torch.testing.assert_close(one, other, rtol=1e-10, atol=1e-10 * float(other.abs().max()))


def ant_scene(n_envs: int = 0, **options):
    scene = gs.Scene(
        sim_options=gs.options.SimOptions(dt=0.005, requires_grad=True),
        rigid_options=gs.options.RigidOptions(integrator=gs.integrator.Euler, **options),
    )
    ant = scene.add_entity(gs.morphs.MJCF(file=models.gymnasium_asset("ant.xml"), pos=(0, 0, -0.2)))
    scene.build(n_envs=n_envs)
    return scene, ant


@pytest.mark.parametrize("control", ["force", "position", "velocity", "actuators"])
@pytest.mark.parametrize("rows_of_theta", [1, 3])
def test_chained_jacobians_are_the_gradient_of_a_rollout(control, rows_of_theta):
    scene, _ = ant_scene()
    system = System(scene, 3, control)
    generator = torch.Generator().manual_seed(0)
    u = 0.3 * torch.randn(8, 3, system.nu, generator=generator)
    weights = torch.randn(3, system.ndx, generator=generator)
    x0, theta = system.state().expand(3, -1), system.theta().expand(rows_of_theta, -1).contiguous()
    x = system.rollout(x0, u, theta)
    parameters = torch.eye(theta.shape[1])
    linear = system.linearize(x[:-1], u, theta, parameters)
    dx, leaf_u, leaf_theta = torch.zeros(3, system.ndx), u.clone(), theta.clone()
    leaves = [leaf.requires_grad_() for leaf in (dx, leaf_u, leaf_theta)]
    end = system.rollout(system.integrate(x0, dx), leaf_u, leaf_theta)[-1]
    loss = (system.difference(x[-1], end) * weights).sum()
    of_x, of_u, of_theta = torch.autograd.grad(loss, leaves)
    adjoint, chained_u, chained_theta = weights, [], torch.zeros(3, theta.shape[1])
    for a, b, f in zip(linear.A.flip(0), linear.B.flip(0), linear.F.flip(0), strict=True):
        chained_u.insert(0, torch.einsum("ni,nij->nj", adjoint, b))
        chained_theta += torch.einsum("ni,nij->nj", adjoint, f)
        adjoint = torch.einsum("ni,nij->nj", adjoint, a)
    chained_theta = chained_theta if rows_of_theta == 3 else chained_theta.sum(0, keepdim=True)
    for found, expected in ((adjoint, of_x), (torch.stack(chained_u), of_u), (chained_theta, of_theta)):
        torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-9 * float(expected.abs().max()))
        assert expected.abs().max() > 0


def test_a_system_moves_as_the_scene_does_and_leaves_it_alone():
    scene, ant = ant_scene()
    system = System(scene, 2, "actuators")
    u = torch.linspace(-0.5, 0.5, 10 * 8).reshape(10, 8)
    before = system.state().clone()
    x = system.rollout(system.state(), u)
    assert torch.equal(system.state(), before) and scene.cur_step == 0
    scene.rollout(u, control="actuators")
    assert torch.equal(x[-1, 0], x[-1, 1])
    assert torch.equal(x[-1, :1], system.state())
    system.put(x[3, 0])
    assert torch.equal(ant.get_qpos().sceneless(), x[3, 0, : system.nq])


@pytest.mark.parametrize("n_envs", [0, 2])
def test_a_trajectory_reads_what_the_getters_read(n_envs):
    scene, ant = ant_scene(n_envs)
    u = 0.3 * torch.randn(6, *([n_envs] if n_envs else []), ant.n_actuators)
    scene.reset()
    ant.apply_links_external_force(torch.tensor([[0.0, 0.0, 5.0]]), [0])  # acts in the first step only
    trajectory = scene.rollout(u, control="actuators")
    read = {
        name: getattr(trajectory, name)()
        for name in ("dofs_position", "links_pos", "links_quat", "links_vel", "links_ang", "links_acc")
    }
    scene.reset()
    for k in range(6):
        ant.control_actuators(u[k])
        if k == 0:
            ant.apply_links_external_force(torch.tensor([[0.0, 0.0, 5.0]]), [0])
        for name, values in read.items():
            expected = getattr(ant, f"get_{name}")()
            torch.testing.assert_close(
                values[k], expected, rtol=1e-9, atol=1e-9 * max(1.0, float(expected.abs().max()))
            )
        scene.step()


READINGS = ("qpos", "dofs_velocity", "dofs_position", "links_pos", "links_quat", "links_vel", "links_ang", "links_acc")


@pytest.mark.parametrize("at_rest", [False, True])
@pytest.mark.parametrize("name", READINGS)
def test_what_a_trajectory_reads_has_gradients(name, at_rest):
    """By states, controls and parameters; in motion and contact, and where every velocity and angle is zero."""
    scene, ant = ant_scene()
    system = System(scene, 2, "actuators")
    generator = torch.Generator().manual_seed(1)
    u = 0.3 * torch.randn(4, 2, system.nu, generator=generator)
    x = system.rollout(system.state(), u).detach()
    if at_rest:
        x, u = torch.zeros_like(x), torch.zeros_like(u)
        x[..., 2:4] = torch.tensor([3.0, 1.0])  # in the air, upright
    weights = torch.randn(5, 2, 200, generator=generator)

    def loss(x, u, theta):
        values = getattr(system.trajectory(x, u, theta), name)(ant).sceneless().flatten(2)
        return (values * weights[..., : values.shape[-1]]).sum()

    leaves = [x.clone().requires_grad_(), u.clone().requires_grad_(), system.theta().clone().requires_grad_()]
    grads = torch.autograd.grad(loss(*leaves), leaves, allow_unused=True, materialize_grads=True)
    assert grads[0].abs().max() > 0
    for k, grad in enumerate(grads):
        way = torch.randn(grad.shape, generator=generator)
        if k == 0:  # along the states' tangent space
            way = (system.tangent(x) @ torch.randn(5, 2, system.ndx, 1, generator=generator)).squeeze(-1)
        if k == 2:
            size = leaves[2].detach().abs()  # infinite where there is no limit
            way = torch.where(size.isfinite(), 1e-2 * way * size.nan_to_num(posinf=0.0), 0.0)
        h = 1e-6
        ahead, behind = (
            loss(*[leaf.detach() + (s * h * way if i == k else 0) for i, leaf in enumerate(leaves)]) for s in (1, -1)
        )
        expected = (ahead - behind) / (2 * h)
        torch.testing.assert_close((grad * way).sum(), expected, rtol=1e-5, atol=1e-6 * float(grad.abs().max()) + 1e-7)


@pytest.mark.parametrize("name", ["actuators", "actuators_implicitfast", "ball_chain", "still_box"])
def test_a_and_b_at_rest(name, tmp_path):
    """Where every velocity, angle and control is zero."""
    box = contact_scenes.thrown("box")
    source, integrator, _ = MODELS[name] if name in MODELS else (box, "Euler", False)
    scene, entity = scene_of(source, integrator, tmp_path=tmp_path)
    model = scene.mj_model
    data = mujoco.MjData(model)
    mid, wide, narrow = (transition(model, data, EPSILON * factor) for factor in (1.0, 3.0, 1.0 / 3.0))
    own_error = max(np.abs(mid - wide).max(), np.abs(mid - narrow).max())
    if model.nu:
        entity.control_actuators(torch.zeros(model.nu))
    a, b = scene.linearize()
    ours = torch.cat([a.sceneless(), b.sceneless()], 1).numpy()
    assert data.ncon == 0
    assert np.abs(ours - mid).max() <= OF_ITS_OWN_ERROR * own_error + ROUNDING * np.abs(ours).max()


def test_tangent_space_is_mujocos():
    model = compile_model(models.ACTUATORS)
    tangent = Engine(model).dynamics.tangent
    rng = np.random.default_rng(0)
    for scale in (1.0, 1e-9, 0.0):
        start, end = (np.concatenate([m.qpos, m.qvel, m.act]) for m in (moved(model, 5), moved(model, 30, 1)))
        dx = scale * rng.standard_normal(tangent.ndx)
        qpos = start[: model.nq].copy()
        mujoco.mj_integratePos(model, qpos, dx[: model.nv], 1.0)
        found = tangent.integrate(torch.tensor(start), torch.tensor(dx))
        np.testing.assert_allclose(found[: model.nq], qpos, rtol=0, atol=1e-14)
        between = np.empty(model.nv)
        mujoco.mj_differentiatePos(model, between, 1.0, start[: model.nq], end[: model.nq])
        difference = tangent.difference(torch.tensor(start), torch.tensor(end))
        np.testing.assert_allclose(difference[: model.nv], between, rtol=0, atol=1e-13)
        back = tangent.difference(torch.tensor(start), found)
        np.testing.assert_allclose(back, dx, rtol=1e-7, atol=1e-14)
    x = torch.tensor(start)
    zero = torch.zeros(tangent.ndx)
    of_integrate = torch.autograd.functional.jacobian(lambda dx: tangent.integrate(x, dx), zero)
    torch.testing.assert_close(tangent.tangent(x), of_integrate, rtol=0, atol=1e-12)
    of_difference = torch.autograd.functional.jacobian(lambda end: tangent.difference(x, end), x)
    moves = of_difference @ of_integrate, tangent.cotangent(x) @ of_integrate
    for matrix in moves:
        torch.testing.assert_close(matrix, torch.eye(tangent.ndx), rtol=0, atol=1e-12)


def test_linearize_with_envs_and_what_is_idle():
    scene, ant = ant_scene(n_envs=2)
    ant.set_dofs_velocity(torch.randn(2, ant.n_dofs))
    a, b = scene.linearize()
    assert a.shape == (2, 28, 28) and b.shape == (2, 28, 8)
    assert not a.requires_grad and (b == 0).all()  # no actuator was commanded yet
    assert not torch.equal(a[0], a[1])
    ant.control_actuators(torch.zeros(8))
    assert (scene.linearize()[1] != 0).any()
    ant.control_dofs_force(torch.zeros(8), list(range(6, 14)))
    force = scene.linearize(control="force")[1]
    assert (force[..., :6] == 0).all() and (force[..., 6:] != 0).any()


def test_friction_loss_that_is_set_later_is_in_force_in_a_system_made_before():
    scene = gs.Scene(sim_options=gs.options.SimOptions(dt=0.01, requires_grad=True))
    arm = scene.add_entity(gs.morphs.MJCF(file=models.gymnasium_asset("reacher.xml")))
    scene.build()
    system, other = System(scene, 2), System(scene, 3)
    before = system.rollout(system.state(), torch.full((5, system.nu), 0.01))
    arm.set_dofs_frictionloss(torch.full((arm.n_dofs,), 0.5))
    after = system.rollout(system.state(), torch.full((5, system.nu), 0.01))
    assert not torch.equal(before, after)
    assert torch.equal(after[:, :1], other.rollout(other.state(), torch.full((5, system.nu), 0.01))[:, :1])


def test_what_was_made_before_there_were_constraints_is_of_use_after():
    """Systems share their programs with the scene, which makes them anew, with constraints, for all at once."""
    from genesis.tools.trajectory_optimization.problem import Stepper

    scene = gs.Scene(sim_options=gs.options.SimOptions(dt=0.01, requires_grad=True))
    arm = scene.add_entity(gs.morphs.MJCF(file=models.gymnasium_asset("reacher.xml")))
    scene.build()
    system = System(scene, 2)
    x0, u = (system.state().detach() + 0.1).requires_grad_(), torch.full((5, system.nu), 0.01)
    states = system.rollout(x0, u)
    read = system.trajectory(states, u)
    (expected,) = torch.autograd.grad(states.square().sum(), x0, retain_graph=True)
    stepper, after, alive = Stepper(system, system.theta()), torch.empty(2, system.nx), np.ones(2, dtype=bool)
    start, control = x0.detach().expand(2, -1).contiguous(), u[0].expand(2, -1)
    stepper.step(start, control, after, alive)
    torch.testing.assert_close(after, states[1].detach())
    scene_loss = arm.get_links_pos().square().sum()
    arm.set_dofs_frictionloss(torch.full((arm.n_dofs,), 0.5))
    (found,) = torch.autograd.grad(states.square().sum(), x0, retain_graph=True)
    torch.testing.assert_close(found, expected)
    assert read.links_pos(arm).isfinite().all() and read.links_acc(arm).isfinite().all()
    stepper.step(start, control, after, alive)
    assert alive.all()
    torch.testing.assert_close(after, states[1].detach())  # the theta that it was made with
    assert scene_loss.isfinite()


def test_what_a_rollout_of_a_system_returned_and_was_given_may_be_changed():
    """Through memory that torch does not watch, too: a log that is scaled in numpy, say."""
    scene, robot = ant_scene()
    system = System(scene, 2)
    x0, u = system.state().detach(), torch.full((4, 2, robot.n_dofs), 0.1)

    def gradient(change):
        controls, parameters = u.clone().requires_grad_(), system.theta().detach().requires_grad_()
        states = system.rollout(x0, controls, parameters)
        loss = states[-1].square().sum()
        change(states, controls, parameters)
        return torch.autograd.grad(loss, [controls, parameters])

    def in_numpy(states, controls, parameters):
        for given in (states[:-1], controls, parameters):  # the last states are the loss's own
            given.detach().numpy()[...] *= 57.3

    def in_place(states, controls, parameters):
        with torch.no_grad():
            controls.add_(1.0)
            parameters.mul_(2.0)

    expected = gradient(lambda *_: None)
    for change in (in_numpy, in_place):
        for one, other in zip(expected, gradient(change), strict=True):
            assert torch.equal(one, other)


def test_errors_of_systems_and_linearize():
    scene, _ = ant_scene()
    with pytest.raises(GenesisException, match='expected "force"'):
        scene.linearize(control="torque")
    with pytest.raises(GenesisException, match="build"):
        gs.Scene().linearize()
    with pytest.raises(GenesisException, match="`control` is 'torque'"):
        System(scene, control="torque")
    with pytest.raises(GenesisException, match="whole number"):
        System(scene, 0)
    with pytest.raises(GenesisException, match="entities of this scene"):
        System(scene, entities=[scene])
    system = System(scene, 2)
    with pytest.raises(GenesisException, match=r"controls have shape \(5, 3, 14\)"):
        system.rollout(system.state(), torch.zeros(5, 3, 14))
    with pytest.raises(GenesisException, match="n_steps"):
        system.rollout(system.state(), None)
    with pytest.raises(GenesisException, match="diverged"):
        system.rollout(system.state(), torch.full((5, 14), 1e300))


def box_scene(n_envs: int = 0, max_contacts: int | None = None, **options):
    """A free box on the floor, or high above it."""
    scene = gs.Scene(
        sim_options=gs.options.SimOptions(dt=0.005, requires_grad=True, **options),
        rigid_options=gs.options.RigidOptions(max_contacts=max_contacts),
    )
    scene.add_entity(gs.morphs.Plane())
    box = scene.add_entity(gs.morphs.Box(size=(0.2, 0.3, 0.1), pos=(0, 0, 0.0499)))
    scene.build(n_envs=n_envs)
    return scene, box


def test_a_quaternion_that_is_not_of_unit_length():
    scene, box = box_scene()
    box.set_qpos(torch.tensor([0.0, 0.0, 1.0, 0.8, 0.0, 0.6, 0.0]))
    expected = scene.linearize()[0]
    box.set_qpos(torch.tensor([0.0, 0.0, 1.0, 2.4, 0.0, 1.8, 0.0]))
    torch.testing.assert_close(scene.linearize()[0], expected, rtol=1e-12, atol=1e-12)
    system = System(scene, 2)
    many = system.linearize(system.state().expand(3, 2, -1), None).A
    torch.testing.assert_close(many[1, 1], expected.sceneless(), rtol=1e-12, atol=1e-12)


def test_too_many_contacts_at_a_point_are_an_error_of_that_call_alone():
    scene, _ = box_scene(max_contacts=2)
    system = System(scene, 3)
    low = system.state().expand(4, 3, -1).clone()
    low[:, :, 2] = 1.0
    high = low.clone()
    low[2, 1, 2] = 0.0499
    system.linearize(high, None)
    with pytest.raises(GenesisException, match="env 1 has 4 contacts"):
        system.linearize(low, None)
    system.linearize(high, None)
    with pytest.raises(GenesisException, match="env 0 has 4 contacts"):
        scene.linearize()
    system.put(high[0, 0])
    scene.linearize()


@pytest.mark.parametrize("options", [dict(substeps=2), dict(substeps=1)])
def test_a_jacobian_does_not_depend_on_what_was_computed_before(options):
    scene, _ = box_scene(**options)
    system = System(scene, 2)
    x = system.rollout(system.state(), torch.full((6, 2, 6), 0.3))[:-1]
    both = system.linearize(x, None)
    back = system.linearize(x.flip(0), None).A.flip(0)
    assert torch.equal(both.A, back)


def test_linearize_is_exact_where_gradients_are_clipped():
    (clipped, _), (exact, _) = box_scene(gradient_clip=1e-3), box_scene()
    assert torch.equal(clipped.linearize()[0].sceneless(), exact.linearize()[0].sceneless())


def test_a_system_reads_any_dtype_and_refuses_other_shapes():
    scene, _ = ant_scene()
    system = System(scene, 2)
    x, u = system.state().expand(3, 2, -1), torch.zeros(3, 2, system.nu)
    same = system.linearize(x.float(), u.float(), system.theta().float())
    torch.testing.assert_close(same.A, system.linearize(x, u).A, rtol=1e-3, atol=1e-3)
    for call, match in (
        (lambda: system.linearize(x[..., :5], u), "`x` has shape"),
        (lambda: system.linearize(x, u[:2]), "controls have shape .2, 2, 14.; expected .3, 2, 14"),
        (lambda: system.linearize(x[0], u), "`x` has shape"),
        (lambda: system.linearize(x, u, parameters=torch.zeros(1, 7)), "`parameters` has shape"),
        (lambda: system.linearize(x, u, parameters="p"), "parameters"),
        (lambda: system.rollout(x[0], u, n_steps=4), "controls have shape"),
        (lambda: system.rollout(x[0], None, n_steps=0), "n_steps"),
        (lambda: system.rollout(None, u), "x0"),
        (lambda: system.rollout(x[0] + 1j, u), "x0"),
        (lambda: system.rollout(x[0], u, "theta"), "theta"),
        (lambda: system.trajectory(x, u), "controls have shape"),
        (lambda: system.trajectory(x[0]), "`x` has shape"),
        (lambda: system.integrate(x, x), "`dx` has"),
        (lambda: system.difference(x, x[..., :1]), "`end` has"),
        (lambda: system.tangent([0.0]), "`x` has list"),
        (lambda: System(None), "expected a gs.Scene"),
        (lambda: System(scene, 10**12), "n_rows"),
        (lambda: system.rollout(x[0, :, :5], u), "`x0` has shape"),
        (lambda: system.rollout(x[0], u, torch.zeros(1, 7)), "`theta` has shape"),
        (lambda: system.put(x), "`x` has shape"),
        (lambda: system.put(x[0, 0] * torch.nan), "holds nan"),
    ):
        with pytest.raises(GenesisException, match=match):
            call()


def test_a_system_can_hold_parameters_of_its_own():
    scene, ant = ant_scene()
    system = System(scene, 1)
    before = system.theta()
    system.hold(before)
    ant.set_mass(20.0)
    assert torch.equal(system.theta(), before)
    system.hold(None)
    assert not torch.equal(system.theta(), before)
