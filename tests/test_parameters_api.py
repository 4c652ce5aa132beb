"""Physical parameters of the smooth dynamics through the entities' interface: shapes, values, gradients, errors, and
how they are kept. Those of contacts, limits and friction loss: tests/entities/test_constraint_parameters.py."""

import copy
import inspect
import logging
import warnings

import mujoco
import numpy as np
import pytest
import torch

import genesis as gs
from genesis.world.catalogue import PARAMETERS
from genesis.world.checks import check_not_negative, check_not_negative_vector
from tests.entities.worlds import scatter_state, world
from tests.helpers import check_gradient
from tests.scenes import build

# Rounding of a few steps on numbers of order ten, 64 bits.
TOLERANCE = 1e-10
MASSLESS = '<mujoco><worldbody><body name="frame"><body><geom size=".1"/></body></body></worldbody></mujoco>'


def values(entity, name):
    """What is in force, as one tensor of shape ([n_envs,] n, ...), without graph."""
    found = getattr(entity, f"get_{name}")()
    if isinstance(found, tuple):
        found = torch.stack(found, -1)
    return found.detach().as_subclass(torch.Tensor).clone()


def put(entity, name, value, **which):
    setter = getattr(entity, f"set_{name}")
    if PARAMETERS[name].as_ends:
        setter(value[..., 0], value[..., 1], **which)
    else:
        setter(value, **which)


def counts(entity):
    return {axis: getattr(entity, f"n_{axis}") for axis in ("dofs", "links", "joints", "actuators")}


# A valid change of each parameter, as a function of what is in force; random where that is harmless.
def changed(parameter, value, rng):
    noise = torch.as_tensor(rng.standard_normal(tuple(value.shape)))
    if parameter.as_ends:
        return torch.stack([-50 - noise[..., 0].abs(), 50 + noise[..., 1].abs()], -1)
    if parameter.name == "links_inertia":  # scaled, which keeps it the inertia of a body
        return value * (1 + 0.1 * noise[..., :1].abs())
    if parameter.check in (check_not_negative, check_not_negative_vector) and parameter.name != "dofs_damping":
        return value.abs() * (1 + 0.1 * noise.abs()) + 0.01  # of other kinds of actuators it may be negative
    if parameter.name == "dofs_damping":
        return value + 0.05 + 0.1 * noise.abs()
    return value + 0.05 * noise


# -- the table ------------------------------------------------------------------------------------------------------------


def test_every_parameter_has_its_methods_and_documentation():
    scene, arm, floater, block = world()
    for name, parameter in PARAMETERS.items():
        for verb in ("get", "set"):
            method = getattr(type(arm), f"{verb}_{name}")
            assert inspect.getdoc(method), method
            assert "envs_idx" in inspect.signature(method).parameters
        assert parameter.unit
        assert parameter.field in scene.world.model.theta_fields
    table = arm.get_parameters()
    assert {row["name"] for row in table} == {*PARAMETERS, "dofs_stiffness_poly", "dofs_damping_poly", "mass"}
    for row in table:
        value = getattr(arm, f"get_{row['name']}")()
        value = torch.stack(value, -1) if isinstance(value, tuple) else value
        assert row["shape"] == tuple(value.shape)
    text = repr(table)
    assert all(name in text for name in PARAMETERS)
    assert table["links_mass"]["unit"] == "kg"
    with pytest.raises(KeyError):
        table["mess"]
    assert "actuators_gain" not in {row["name"] for row in floater.get_parameters()}
    assert {row["name"] for row in block.get_parameters()} >= {"links_mass", "mass"}


def test_what_is_in_force_at_build_is_the_model_s():
    scene, arm, floater, block = world()
    model = scene.mj_model
    for entity in (arm, floater, block):
        bodies = slice(entity.link_start + 1, entity.link_end + 1)
        dofs = slice(entity.dof_start, entity.dof_end)
        np.testing.assert_array_equal(entity.get_links_mass(), model.body_mass[bodies])
        np.testing.assert_array_equal(entity.get_links_COM(), model.body_ipos[bodies])
        np.testing.assert_array_equal(entity.get_links_offset_pos(), model.body_pos[bodies])
        np.testing.assert_array_equal(entity.get_dofs_damping(), model.dof_damping[dofs])
        np.testing.assert_array_equal(entity.get_dofs_armature(), model.dof_armature[dofs])
        assert entity.get_mass().item() == pytest.approx(model.body_mass[bodies].sum())
    assert arm.get_dofs_kp().tolist() == [100, 5, 100]
    assert arm.get_dofs_kv().tolist() == [10, 0.5, 10]
    assert [v.tolist() for v in arm.get_dofs_force_range(1)] == [[-20], [30]]
    assert [v.tolist() for v in arm.get_dofs_limit()] == [[-np.inf] * 2 + [-0.1], [np.inf] * 2 + [0.2]]
    assert scene.get_gravity().tolist() == [0, 0, -9.81]


# -- shapes and subsets ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("n_envs", [0, 1, 3])
@pytest.mark.parametrize("name", PARAMETERS)
def test_shapes_and_subsets(name, n_envs):
    _, *entities = world(n_envs)
    parameter = PARAMETERS[name]
    rng = np.random.default_rng(0)
    lead = (n_envs,) if n_envs else ()
    for entity in entities:
        count = counts(entity)[parameter.axis]
        start = values(entity, name)
        assert start.shape == (*lead, count, *parameter.item)
        if not count:
            continue
        untouched = [values(other, name) for other in entities if other is not entity]
        shared = changed(parameter, start[0] if n_envs else start, rng)
        put(entity, name, shared)
        expected = torch.nn.functional.normalize(shared, dim=-1) if parameter.normalized else shared
        torch.testing.assert_close(values(entity, name), expected.expand(start.shape))
        if n_envs:
            each = changed(parameter, start, rng)
            put(entity, name, each)
            expected = torch.nn.functional.normalize(each, dim=-1) if parameter.normalized else each
            torch.testing.assert_close(values(entity, name), expected)
        which = {f"{parameter.axis}_idx_local": [-1]}
        if n_envs == 3:
            which["envs_idx"] = [2, 0]
        now = values(entity, name)
        last = start[[2, 0]][:, -1:] if n_envs == 3 else (start[0] if n_envs else start)[-1:]
        one = changed(parameter, last, rng)
        put(entity, name, one, **which)
        expected = torch.nn.functional.normalize(one, dim=-1) if parameter.normalized else one
        if n_envs == 3:
            now[[2, 0], -1] = expected[:, 0]
        elif n_envs:
            now[:, -1] = expected[0]
        else:
            now[-1] = expected[0]
        torch.testing.assert_close(values(entity, name), now)
        found = getattr(entity, f"get_{name}")(**which)
        found = torch.stack(found, -1) if isinstance(found, tuple) else found
        assert found.shape == (*((len(which["envs_idx"]),) if n_envs == 3 else lead), 1, *parameter.item)
        others = [values(other, name) for other in entities if other is not entity]
        assert all(torch.equal(a, b) for a, b in zip(untouched, others, strict=True)), "other entities are untouched"


def test_a_number_stands_for_all():
    _, arm, _, _ = world(2)
    arm.set_dofs_kp(30)
    arm.set_dofs_damping(0.5, dofs_idx_local=[2])
    assert arm.get_dofs_kp().tolist() == [[30] * 3] * 2
    assert arm.get_dofs_damping().tolist() == [[0.3, 0.2, 0.5]] * 2
    arm.set_dofs_force_range(-5, [1.0, 2.0, 3.0])
    assert arm.get_dofs_force_range()[0].tolist() == [[-5] * 3] * 2
    arm.set_dofs_force_range(-np.inf, np.inf)
    assert arm.get_dofs_force_range()[1].tolist() == [[np.inf] * 3] * 2


def test_inertia_as_matrices():
    _, arm, _, _ = world(2)
    six = torch.tensor([2.0, 3.0, 4.0, 0.1, 0.2, 0.3])
    full = torch.tensor([[2.0, 0.1, 0.2], [0.1, 3.0, 0.3], [0.2, 0.3, 4.0]])
    arm.set_links_inertia(full.expand(5, 3, 3))
    torch.testing.assert_close(values(arm, "links_inertia"), six.expand(2, 5, 6))
    arm.set_links_inertia(2 * full.expand(2, 1, 3, 3), links_idx_local=1)
    torch.testing.assert_close(values(arm, "links_inertia")[:, 1], (2 * six).expand(2, 6))
    arm.links[2].set_inertia(3 * full)
    torch.testing.assert_close(arm.links[2].get_inertia(), 3 * six.expand(2, 6), check_dtype=False)
    arm.links[2].set_inertia(six)
    torch.testing.assert_close(arm.links[2].get_inertia(), six.expand(2, 6))


def test_one_link():
    _, arm, _, _ = world(2)
    link = arm.get_link("tip")
    link.set_mass(3.0)
    assert link.get_mass().tolist() == [3, 3]
    link.set_mass(torch.tensor([4.0, 5.0]))
    assert link.get_mass().tolist() == [4, 5]
    link.set_mass(torch.tensor([6.0]), envs_idx=[1])
    assert arm.get_links_mass(3).tolist() == [[4], [6]]
    link.set_COM((0.1, 0.2, 0.3))
    torch.testing.assert_close(link.get_COM(), torch.tensor([0.1, 0.2, 0.3]).expand(2, 3))


def test_masses_in_proportion_to_the_model_s():
    _, arm, _, _ = world(2)
    mass, inertia, com = (values(arm, f"links_{name}") for name in ("mass", "inertia", "COM"))
    arm.set_links_mass(9.0)
    arm.set_links_inertia(2 * inertia)
    arm.set_links_scaled_mass(3 * mass[0])
    torch.testing.assert_close(values(arm, "links_mass"), 3 * mass)
    torch.testing.assert_close(values(arm, "links_inertia"), 3 * inertia)
    torch.testing.assert_close(values(arm, "links_scaled_mass"), 3 * mass)
    arm.links[2].set_scaled_mass(torch.tensor([1.0, 2.0]))
    assert arm.links[2].get_mass().tolist() == [1, 2]
    torch.testing.assert_close(
        values(arm, "links_inertia")[:, 2], inertia[:, 2] * torch.tensor([[1.0], [2.0]]) / mass[0, 2]
    )
    arm.set_mass_shift([0.5, -0.1], links_idx_local=[1, 3], envs_idx=[1])
    torch.testing.assert_close(
        values(arm, "links_mass")[:, 1], mass[:, 1] * torch.tensor([3.0, 1.0]) + torch.tensor([0, 0.5])
    )
    torch.testing.assert_close(values(arm, "links_inertia")[:, 1], 3 * inertia[:, 1])
    shift = torch.tensor([0.1, 0.2, -0.3])
    arm.set_COM_shift(shift.expand(5, 3))
    arm.set_COM_shift(shift.expand(5, 3))
    torch.testing.assert_close(values(arm, "links_COM"), com + shift)
    before = values(arm, "links_mass"), values(arm, "links_inertia")
    with pytest.raises(gs.GenesisException, match=r"arm.set_links_scaled_mass: `links_mass` of link 'tip' is -1"):
        arm.set_links_scaled_mass(-1.0, [3])
    with pytest.raises(gs.GenesisException, match=r"arm.set_mass_shift: `links_mass` of link 'tip' .*is -"):
        arm.set_mass_shift(-100.0, [3])
    with pytest.raises(gs.GenesisException, match=r"`com_shift` has shape"):
        arm.set_COM_shift([0.0, 1.0])
    for value, expected in zip((values(arm, "links_mass"), values(arm, "links_inertia")), before, strict=True):
        assert torch.equal(value, expected)


def test_a_link_without_mass_has_no_inertia_in_proportion():
    _, robot = build(MASSLESS)
    with pytest.raises(gs.GenesisException, match="link 'frame' has no mass in the model"):
        robot.set_links_scaled_mass(1.0)


# -- against MuJoCo -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [n for n in PARAMETERS if n not in ("dofs_kp", "dofs_kv", "dofs_force_range")])
def test_forward_against_a_changed_model(name):
    """Setting a parameter is the same as changing it in MuJoCo's model."""
    scene, arm, floater, _ = world(dt=0.002)
    parameter = PARAMETERS[name]
    rng = np.random.default_rng(3)
    qpos, qvel = scatter_state(scene)
    model = copy.deepcopy(scene.mj_model)
    for entity in (arm, floater):
        if not counts(entity)[parameter.axis]:
            continue
        put(entity, name, changed(parameter, values(entity, name), rng))
        _write(model, parameter, entity, values(entity, name).numpy())
    data = mujoco.MjData(model)
    data.qpos, data.qvel = qpos[0], qvel[0]
    ctrl = (0.3, -0.2, 0.5)
    arm.control_actuators(ctrl)
    for _ in range(10):
        data.ctrl[:] = ctrl
        mujoco.mj_step(model, data)
        scene.step()
    expected = np.concatenate([data.qpos, data.qvel, data.act])
    np.testing.assert_allclose(scene.world.state[0], expected, rtol=TOLERANCE, atol=TOLERANCE)


def _write(model, parameter, entity, value):
    first = {"dofs": entity.dof_start, "links": entity.link_start + 1, "joints": entity.joint_start, "actuators": 0}
    rows = slice(first[parameter.axis], first[parameter.axis] + len(value))
    if parameter.field == "body_inertia":
        for body, (xx, yy, zz, xy, xz, yz) in zip(range(rows.start, rows.stop), value, strict=True):
            full = np.array([xx, xy, xz, xy, yy, yz, xz, yz, zz])
            mujoco.mju_eig3(model.body_inertia[body], np.zeros(9), model.body_iquat[body], full)
            model.body_sameframe[body] = 0
    elif parameter.field == "dof_stiffness":
        # Per joint in MuJoCo; per dof here, and the same for all dofs of a ball or free joint in this comparison.
        joints = model.dof_jntid[rows]
        model.jnt_stiffness[joints] = value
        for joint in set(joints):
            same = value[joints == joint][-1]
            dofs = [int(d) - entity.dof_start for d in np.flatnonzero(model.dof_jntid == joint)]
            entity.set_dofs_stiffness(float(same), dofs_idx_local=dofs)
            model.jnt_stiffness[joint] = same
    else:
        array = getattr(model, parameter.field)
        if array.ndim == 1:
            array[rows] = value
        else:
            array[rows, parameter.first : parameter.first + value.shape[-1]] = value
    if parameter.field in ("body_ipos", "body_pos", "body_quat"):
        model.body_sameframe[rows] = 0
    mujoco.mj_setConst(model, mujoco.MjData(model))


# -- gradients ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("layout", ["n_envs=0", "shared", "per env"])
@pytest.mark.parametrize("name", PARAMETERS)
def test_gradient(name, layout):
    n_envs = 0 if layout == "n_envs=0" else 2
    scene, arm, floater, _ = world(n_envs)
    parameter = PARAMETERS[name]
    rng = np.random.default_rng(4)
    scatter_state(scene, seed=4)
    start = scene.get_state().detach()
    for entity in (arm, floater):  # the default gains are stiff for such light links: differences would not converge
        entity.set_dofs_kp(2.0)
        entity.set_dofs_kv(0.1)
    robots = [e for e in (arm, floater) if counts(e)[parameter.axis]]
    if name == "dofs_force_range":  # ranges that bind, each at one end
        inputs = [torch.tensor([-0.05, 0.05]) * (1 + torch.as_tensor(rng.random((e.n_dofs, 2)))) for e in robots]
        inputs = [x.expand(2, -1, -1).clone() if layout == "per env" else x for x in inputs]
    else:
        inputs = [values(e, name) for e in robots]
        inputs = [x[0] if layout == "shared" else x for x in inputs]
        inputs = [changed(parameter, x, rng) for x in inputs]

    def run(*given):
        scene.reset(start)
        for entity, value in zip(robots, given, strict=True):
            put(entity, name, value)
        arm.control_dofs_position_velocity((0.5, -0.4, 0.1), (0.1, 0.2, 0.3))
        arm.control_actuators((0.4, 0.3, 0.5))
        floater.control_dofs_position_velocity(torch.linspace(-0.5, 0.6, 10), torch.linspace(0.3, -0.2, 10))
        for _ in range(3):
            scene.step()
        outputs = [arm.get_qpos(), arm.get_dofs_velocity(), floater.get_qpos(), floater.get_dofs_velocity()]
        return [*outputs, arm.get_links_pos(), arm.get_kinetic_energy(), floater.get_potential_energy()]

    if name == "links_inertia":  # so far from the triangle inequality that the differences do not violate it
        inputs = [x + torch.tensor([0.1, 0.1, 0.1, 0, 0, 0]) for x in inputs]
    check_gradient(run, *inputs, names=[e.name for e in robots])


def test_gradient_of_masses_in_proportion():
    scene, arm, floater, _ = world(2)
    scatter_state(scene, seed=7)
    start = scene.get_state().detach()

    def run(scaled, one, shift, com):
        scene.reset(start)
        arm.set_links_scaled_mass(scaled)
        arm.links[2].set_scaled_mass(one)
        floater.set_mass_shift(shift)
        floater.set_COM_shift(com, [1], envs_idx=[0])
        arm.control_dofs_force(0.5)
        for _ in range(3):
            scene.step()
        return [*(e.get_dofs_velocity() for e in (arm, floater)), arm.get_links_inertia(), floater.get_links_mass()]

    check_gradient(
        run,
        torch.linspace(1.0, 2.0, 5),
        torch.tensor([0.8, 1.2]),
        torch.tensor([[0.1, 0.2, 0.3], [-0.1, 0.05, 0.1]]),
        torch.tensor([[[0.01, 0.02, -0.03]]]),
    )


@pytest.mark.parametrize("n_envs", [0, 2])
def test_gradient_of_gravity_and_mass(n_envs):
    scene, arm, floater, _ = world(n_envs)
    scatter_state(scene, seed=5)
    start = scene.get_state().detach()
    lead = (n_envs,) if n_envs else ()

    def run(gravity, some, total, part):
        scene.reset(start)
        scene.set_gravity(gravity)
        if n_envs:
            scene.set_gravity(some, envs_idx=[1])
        floater.set_mass(total)
        arm.set_mass(part[..., 0], envs_idx=[0] if n_envs else None)
        floater.control_dofs_force(1.0)
        arm.control_dofs_force(0.5)
        for _ in range(3):
            scene.step()
        outputs = [e.get_dofs_velocity() for e in (arm, floater)]
        return [*outputs, floater.get_mass(), arm.get_links_inertia(), arm.get_links_mass(), scene.get_gravity()]

    gravity, some = torch.tensor([0.3, -0.2, -9.0]), torch.tensor([0.1, 0.2, -8.0])
    check_gradient(run, gravity, some, torch.full(lead, 7.0), torch.tensor([3.0]))


def test_gradient_of_parts():
    """Subsets, envs, one link, over and under a scaled mass: each writes over what it names and nothing else."""
    scene, arm, _, _ = world(2)
    scatter_state(scene, seed=6)
    start = scene.get_state().detach()

    initial = values(arm, "links_inertia")

    def run(all_masses, total, two, one, inertia, com):
        scene.reset(start)
        arm.set_links_inertia(initial)
        arm.set_links_mass(all_masses)
        arm.set_mass(total)
        arm.set_links_mass(two, links_idx_local=[3, 1], envs_idx=[1])
        arm.links[2].set_mass(one)
        arm.set_links_inertia(inertia * torch.tensor([3.0, 2.0, 2.5, 0.1, 0.2, 0.3]), links_idx_local=[4])
        arm.set_links_COM(com, links_idx_local=2, envs_idx=0)
        scene.step()
        return [arm.get_links_mass(), arm.get_links_inertia(), arm.get_links_COM(), arm.get_dofs_velocity()]

    torch.manual_seed(2)
    inputs = [1 + torch.rand(5), torch.tensor([8.0, 9.0]), 1 + torch.rand(1, 2), torch.tensor(1.5)]
    check_gradient(run, *inputs, 0.01 + 0.01 * torch.rand(1, 1), 0.1 * torch.rand(1, 3))


# -- how they are kept ----------------------------------------------------------------------------------------------------


def test_getters_follow_the_parameters():
    _, arm, _, _ = world(2)
    arm.set_dofs_position((0.4, 0.3, 0.1))
    arm.control_dofs_position((0.5, 0.3, 0.1))
    for get, put_new in (
        (arm.get_mass_mat, lambda: arm.set_links_mass(2.0)),
        (arm.get_links_pos, lambda: arm.set_links_offset_pos([[0.0, 0.0, 0.5]], links_idx_local=1)),
        (arm.get_potential_energy, lambda: arm.scene.set_gravity((0, 0, -1.0))),
        (arm.get_dofs_control_force, lambda: arm.set_dofs_kp(3.0)),
        (arm.get_kinetic_energy, lambda: arm.set_dofs_velocity(1.0)),
        (arm.get_links_acc, lambda: arm.control_dofs_force(1.0)),
    ):
        before = get()
        put_new()
        assert not torch.allclose(get(), before)


def test_parameters_outlive_reset_and_the_model_keeps_the_numbers_of_the_build():
    scene, arm, _, _ = world()
    before = scene.mj_model.body_mass.copy()
    arm.set_links_mass(2.0)
    scene.reset()
    assert arm.get_links_mass().tolist() == [2] * 5
    np.testing.assert_array_equal(scene.mj_model.body_mass, before)


def test_setting_anew_in_every_epoch_builds_no_chain():
    scene, arm, floater, _ = world()
    mass = torch.ones(5, requires_grad=True)
    one = torch.tensor(1.5, requires_grad=True)
    total = torch.tensor(4.0, requires_grad=True)
    damping = torch.full((2,), 0.1, requires_grad=True)
    for epoch in range(4):
        scene.reset()
        arm.set_links_mass(mass * 1.0)
        arm.links[3].set_mass(one * 1.0)
        floater.set_mass(total * 1.0)
        arm.set_dofs_damping(damping * 1.0, dofs_idx_local=[0, 2])
        for _ in range(3):
            scene.step()
        (arm.get_dofs_velocity().square().sum() + floater.get_kinetic_energy()).backward()
        if epoch == 0:
            first = [x.grad.clone() for x in (mass, one, total, damping)]
    assert len(scene.world.theta._parts) == 4
    for x, expected in zip((mass, one, total, damping), first, strict=True):
        torch.testing.assert_close(x.grad, 4 * expected)


def test_set_once_and_used_in_several_backward_passes():
    scene, arm, _, _ = world()
    axis = torch.tensor([[0.1, 1.0, 0.2]], requires_grad=True)
    mass = torch.ones(5, requires_grad=True)
    arm.set_joints_axis(axis, joints_idx_local=0)
    arm.set_links_mass(mass)
    for _ in range(3):
        for _ in range(2):
            scene.step()
        arm.get_dofs_velocity().square().sum().backward()
        scene.detach()
    assert mass.grad.abs().sum() > 0
    assert axis.grad.abs().sum() > 0


# Two hinges and nothing else: set_qpos writes the whole state, so that no epoch hangs on the one before.
PENDULUM = """
<mujoco><worldbody><body><joint axis="0 1 0"/><geom type="capsule" size=".04" fromto="0 0 0 0 .1 -.4"/>
  <body pos="0 .1 -.4"><joint axis="1 1 0"/><geom type="capsule" size=".03" fromto="0 0 0 0 0 -.3"/></body>
</body></worldbody></mujoco>"""


def test_set_once_and_used_in_epochs_without_reset_or_detach(tmp_path):
    (tmp_path / "pendulum.xml").write_text(PENDULUM)
    scene = gs.Scene(
        sim_options=gs.options.SimOptions(dt=0.004, requires_grad=True),
        rigid_options=gs.options.RigidOptions(disable_constraint=True),
    )
    arm = scene.add_entity(gs.morphs.MJCF(file=tmp_path / "pendulum.xml"), name="arm")
    scene.build(n_envs=2)
    kp = torch.full((2,), 2.0, requires_grad=True)
    inertia = (0.1 * torch.eye(3)).expand(2, 3, 3).clone().requires_grad_()
    axis = torch.tensor([[0.1, 1.0, 0.2]], requires_grad=True)
    arm.set_dofs_kp(kp)
    arm.set_links_inertia(inertia)
    arm.set_joints_axis(axis, joints_idx_local=0)
    found = []
    for _ in range(3):
        for x in (kp, inertia, axis):
            x.grad = None
        arm.set_qpos((0.1, 0.2))
        arm.control_dofs_position((0.5, -0.4))
        scene.step()
        loss = arm.get_dofs_velocity().square().sum()
        loss.backward(retain_graph=True)
        once = [x.grad.clone() for x in (kp, inertia, axis)]
        loss.backward()
        for x, expected in zip((kp, inertia, axis), once, strict=True):
            torch.testing.assert_close(x.grad, 2 * expected)
        found.append(once)
    for grads in found[1:]:
        for grad, expected in zip(grads, found[0], strict=True):
            assert expected.abs().sum() > 0
            torch.testing.assert_close(grad, expected)


def test_getters_may_be_differentiated_one_after_the_other():
    scene, arm, _, _ = world()
    mass = torch.ones(5, requires_grad=True)
    arm.set_links_mass(mass)
    energy = arm.get_potential_energy()
    for k in range(2):
        arm.get_links_mass().sum().backward()
        assert mass.grad.tolist() == [k + 1] * 5
    arm.get_mass_mat().sum().backward()
    torch.testing.assert_close(arm.get_potential_energy(), energy)
    arm.get_potential_energy().backward()
    theta = scene.world.theta.packed()
    scene.step()
    assert scene.world.theta.packed() is theta, "packed once, however many steps"


@pytest.mark.parametrize("computed", [True, False])
@pytest.mark.parametrize("n_envs", [0, 2])
def test_links_set_over_a_scaled_mass_in_every_epoch(n_envs, computed):
    """Each epoch scales what is in force, and its gradient is that of its own settings: the past is numbers."""
    scene, arm, _, _ = world(n_envs)
    inertia = (values(arm, "links_inertia") * 1.5).requires_grad_()
    arm.set_links_inertia(inertia)
    total = torch.tensor(9.0, requires_grad=True)
    one = torch.tensor([2.0], requires_grad=True)
    masses, scale = values(arm, "links_mass"), 1.0
    for epoch in range(4):
        for x in (total, one, inertia):
            x.grad = None
        scene.reset()
        used = [x * 1.0 if computed else x for x in (total, one)]
        which = {"envs_idx": [1]} if n_envs else {}
        arm.set_mass(used[0].expand(1) if n_envs else used[0], **which)
        arm.set_links_mass(used[1], [0], **which)
        row = (1,) if n_envs else ()
        ratio = 9.0 / masses[row].sum(-1)
        rest = masses[row] * ratio
        masses[row] = rest
        masses[(*row, 0)] = 2.0
        scale = scale * ratio
        torch.testing.assert_close(values(arm, "links_mass"), masses)
        expected = inertia.detach().clone()
        expected[row] = expected[row] * scale
        torch.testing.assert_close(values(arm, "links_inertia"), expected)
        scene.step()
        (arm.get_dofs_velocity().sum() + arm.get_mass().sum()).backward()
        with torch.no_grad():
            assert one.grad.item() != 0 and total.grad.item() != 0
        # The masses alone, whose gradient is known: links 1 to 4 share what the scaling makes of them, link 0 is `one`.
        for x in (total, one, inertia):
            x.grad = None
        if not computed:
            (arm.get_links_mass().sum() + arm.get_links_inertia().sum()).backward()
            assert one.grad.item() == pytest.approx(1.0)
            assert total.grad.item() == pytest.approx(((rest[1:].sum() + expected[row].sum()) / 9).item())
            grad = torch.ones_like(inertia)
            grad[row] = scale
            torch.testing.assert_close(inertia.grad, grad)
        assert len(scene.world.theta._parts) == 3, epoch


def test_gradient_of_a_mass_scaled_twice_with_a_link_set_between():
    """Within one pass everything counts, the older settings in the proportions that they made."""
    scene, arm, _, _ = world(2)

    def run(first, one, second, again):
        arm.set_links_mass(torch.ones(5))
        arm.set_mass(first)
        arm.set_links_mass(one, [0])
        arm.set_mass(second)
        arm.set_links_mass(again, [0], envs_idx=[1])
        return [arm.get_links_mass(), arm.get_links_inertia()]

    first, one, second, again = torch.tensor(10.0), torch.tensor([4.0]), torch.tensor([24.0, 12.0]), torch.tensor([3.0])
    found = run(first, one, second, again)[0]
    torch.testing.assert_close(found.as_subclass(torch.Tensor), torch.tensor([[8.0, 4, 4, 4, 4], [3.0, 2, 2, 2, 2]]))
    inertia = values(arm, "links_inertia")

    def anew(*given):
        arm.set_links_inertia(inertia)
        return run(*given)

    check_gradient(anew, first, one, second, again)
    for _ in range(3):  # bounded, whatever was not gone through backwards
        sum(x.sum() for x in anew(*(x.clone().requires_grad_() for x in (first, one, second, again)))).backward()
    assert len(scene.world.theta._parts) <= 6


def test_changes_in_place_of_views_ranges_and_lists_are_noticed(caplog):
    scene, arm, _, _ = world()
    mass, lower, upper = (x.requires_grad_() for x in (torch.ones(5), -torch.ones(3), torch.ones(3)))
    kp = torch.tensor(3.0, requires_grad=True)
    arm.set_links_mass(mass[:])
    arm.set_dofs_force_range(lower, upper)
    arm.set_dofs_kp([kp, kp, kp])
    with caplog.at_level(logging.WARNING, logger="genesis"):
        scene.world.theta.warn_of_stale_values()
        assert not caplog.records
        for leaf, setter in ((mass, "set_links_mass"), (upper, "set_dofs_force_range"), (kp, "set_dofs_kp")):
            caplog.clear()
            with torch.no_grad():
                leaf.mul_(1.5)
            scene.world.theta.warn_of_stale_values()
            assert [f"arm.{setter}() was changed in place" in r.getMessage() for r in caplog.records] == [True]
        caplog.clear()
        arm.set_dofs_force_range(lower, upper)
        with torch.no_grad():
            lower.mul_(1.5)
        scene.world.theta.warn_of_stale_values()
        assert "arm.set_dofs_force_range()" in caplog.text


def test_gains_chosen_by_the_compiler_are_said_to_stay():
    _, arm, _, _ = world()
    for method in (arm.set_mass, arm.set_links_mass, arm.set_links_inertia, arm.set_dofs_armature):
        assert all(word in inspect.getdoc(method) for word in ("dampratio", "springdamper", "as compiled"))


def test_a_long_direction_is_normalised_or_refused():
    _, arm, _, _ = world()
    arm.set_links_offset_quat([[1e100, 0, 0, 0]], 2)
    assert arm.get_links_offset_quat(2).tolist() == [[1, 0, 0, 0]]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for length in (1e200, 1e308):
            with pytest.raises(gs.GenesisException, match=r"link 'fore' .* too long to be normalised"):
                arm.set_links_offset_quat([[length, 0, 0, 0]], 2)


def test_a_value_set_without_gradient_ends_the_gradient():
    scene, arm, _, _ = world()
    mass = torch.ones(5, requires_grad=True)
    arm.set_links_mass(mass)
    arm.set_links_mass(2.0, links_idx_local=[1])
    arm.get_links_mass().sum().backward()
    assert mass.grad.tolist() == [1, 0, 1, 1, 1]
    arm.set_links_mass(3.0)
    assert not arm.get_links_mass().requires_grad
    assert not scene.world.theta._parts


def test_nothing_is_recorded_without_requires_grad_or_under_no_grad():
    scene, arm, _, _ = world(requires_grad=False)
    arm.set_links_mass(torch.ones(5, requires_grad=True))
    assert not scene.world.theta.packed().requires_grad
    scene, arm, _, _ = world()
    with torch.no_grad():
        arm.set_links_mass(torch.ones(5, requires_grad=True))
    assert not scene.world.theta.packed().requires_grad
    arm.set_links_mass(torch.ones(5, requires_grad=True))
    with torch.no_grad():
        scene.step()
        assert not arm.get_links_mass().requires_grad
    assert arm.get_links_mass().requires_grad, "whichever mode theta was first asked for in"


def test_a_tensor_that_an_optimizer_changed_is_noticed(caplog):
    scene, arm, _, _ = world()
    mass = torch.ones(5, requires_grad=True)
    arm.set_links_mass(mass)
    optimizer = torch.optim.SGD([mass], lr=0.1)
    with caplog.at_level(logging.WARNING, logger="genesis"):
        scene.reset()
        assert not caplog.records
        arm.get_links_mass().sum().backward()
        optimizer.step()
        scene.reset()
        assert "arm.set_links_mass() was changed in place" in caplog.text
        caplog.clear()
        scene.reset()
        assert not caplog.records, "said once"
        arm.set_links_mass(mass)
        scene.reset()
        assert not caplog.records
    assert torch.equal(values(arm, "links_mass"), mass.detach())


def test_scaled_mass():
    _, arm, _, _ = world(2)
    masses, inertias = values(arm, "links_mass"), values(arm, "links_inertia")
    total = masses.sum(-1)
    arm.set_mass(2 * total)
    torch.testing.assert_close(values(arm, "links_mass"), 2 * masses)
    torch.testing.assert_close(values(arm, "links_inertia"), 2 * inertias)
    arm.set_mass(torch.tensor([5.0]), envs_idx=1)
    torch.testing.assert_close(values(arm, "mass"), torch.stack([2 * total[0], torch.tensor(5.0)]))
    arm.set_mass(total)
    torch.testing.assert_close(values(arm, "links_mass"), masses)


# -- errors ---------------------------------------------------------------------------------------------------------------

INERTIA = [0.1, 0.1, 0.1, 0.0, 0.0, 0.0]
WRONG = {
    "negative mass": (lambda e, s: e.set_links_mass([1, 1, -2, 1, 1]), "link 'fore' is -2; it cannot be negative"),
    "one negative mass": (lambda e, s: e.links[3].set_mass(-1.0), "tip.set_mass: .* link 'tip' is -1"),
    "negative mass in an env": (
        lambda e, s: e.set_links_mass([[1.0], [-1.0]], links_idx_local=3),
        r"link 'tip' \(env 1 of those given\) is -1",
    ),
    "negative total mass": (lambda e, s: e.set_mass(-3.0), "`mass` is -3 kg; it must be above zero"),
    "zero total mass": (lambda e, s: e.set_mass(0.0), "it must be above zero"),
    "negative armature": (lambda e, s: e.set_dofs_armature(-0.1), r"dof 0 \(joint 'shoulder'\) is -0.1"),
    "negative damping": (lambda e, s: e.set_dofs_damping([0.1, -1, 0.1]), r"dof 1 \(joint 'elbow'\) is -1"),
    "negative time constant": (lambda e, s: e.set_actuators_time_constant([[-1.0]] * 3), "actuator 'pull' is -1"),
    "lower above upper": (lambda e, s: e.set_dofs_force_range(2.0, 1.0), "has lower 2 above upper 1"),
    "range above all": (
        lambda e, s: e.set_dofs_force_range(np.inf, np.inf),
        "lower inf and upper inf; no finite force",
    ),
    "range below all": (lambda e, s: e.set_dofs_force_range(-np.inf, -np.inf), "upper -inf; no finite force"),
    "NaN range": (lambda e, s: e.set_dofs_force_range(float("nan"), 1.0), "holds NaN"),
    "negative moment": (
        lambda e, s: e.set_links_inertia([[-0.1, 0.1, 0.1, 0, 0, 0]], links_idx_local=1),
        "link 'upper' is .* none can be negative",
    ),
    "not positive definite": (
        lambda e, s: e.set_links_inertia([[1, 1, 1, 2.0, 0, 0]], links_idx_local=1),
        "link 'upper' .* none can be negative",
    ),
    "triangle inequality": (
        lambda e, s: e.set_links_inertia([INERTIA, [1, 1, 3, 0, 0, 0]], links_idx_local=[0, 4]),
        "link 'tool' .*triangle inequality",
    ),
    "zero axis": (lambda e, s: e.set_joints_axis(torch.zeros(3, 3)), "joint 'shoulder' .* it has no direction"),
    "zero quaternion": (lambda e, s: e.set_links_offset_quat([[0.0] * 4], 2), "link 'fore' .* a quaternion of length"),
    "zero base quaternion": (
        lambda e, s: e.set_quat([0.0, 0, 0, 0]),
        "`quat` of the base link .* of length zero is no orientation",
    ),
    "NaN": (lambda e, s: e.set_links_COM(torch.full((5, 3), torch.nan)), r"holds nan at index \(0, 0\)"),
    "infinite": (lambda e, s: e.set_dofs_kp([1.0, torch.inf, 1.0]), r"holds inf at index \(1,\)"),
    "gravity shape": (lambda e, s: s.set_gravity([0, -9.81]), r"scene.set_gravity: .*\(2,\), expected \(3,\)"),
    "infinite gravity": (lambda e, s: s.set_gravity([0, 0, -np.inf]), "holds -inf"),
    "shape": (lambda e, s: e.set_dofs_kp([1.0, 2.0]), r"shape \(2,\), expected \(3,\) or \(2, 3\) or a number"),
    "shape of vectors": (lambda e, s: e.set_links_COM([0.0, 0, 0]), r"shape \(3,\), expected \(5, 3\) or \(2, 5, 3\)"),
    "five numbers": (lambda e, s: e.set_links_inertia(torch.ones(5, 5)), r"expected \(5, 6\)"),
    "index": (lambda e, s: e.set_links_mass([1.0], links_idx_local=5), "links_idx_local` holds 5"),
    "duplicate": (lambda e, s: e.set_links_mass([1.0, 2.0], [1, -4]), "names element 1 more than once"),
    "env": (lambda e, s: e.set_links_mass(1.0, envs_idx=2), "`envs_idx` holds 2"),
}


@pytest.mark.parametrize("case", WRONG)
def test_errors_change_nothing(case):
    scene, arm, _, _ = world(2)
    arm.set_links_mass(torch.ones(5, requires_grad=True))
    scatter_state(scene)
    theta, state = scene.world.theta.packed(), scene.world.state
    call, message = WRONG[case]
    with pytest.raises(gs.GenesisException, match=message):
        call(arm, scene)
    assert scene.world.theta.packed() is theta
    assert scene.world.state is state


def test_rods_points_and_plates_are_accepted():
    _, arm, _, _ = world()
    for six in ([0.0] * 6, [0.0, 1, 1, 0, 0, 0], [1.0, 2, 3, 0, 0, 0]):
        arm.set_links_inertia([six], links_idx_local=[4])
