"""Parameters of contacts, limits and friction loss: shapes and subsets, against MuJoCo, gradients, errors."""

import copy
import inspect

import mujoco
import numpy as np
import pytest
import torch

import genesis as gs
from genesis.world.catalogue import (
    CONSTRAINT_PARAMETERS,
    COUPLING_PARAMETERS,
    ENTITY_PARAMETERS,
    PAIR_PARAMETERS,
    PARAMETERS,
    PASSIVE_PARAMETERS,
    SCENE_PARAMETERS,
)
from tests.entities.worlds import settle, touching_world, world
from tests.helpers import check_gradient

# Rounding of a few steps through two solvers that run to the end, on numbers of order ten.
TOLERANCE = 1e-9
# First step of differences: no contact appears or disappears, no friction leaves its cone.
STEP = 1e-5
# What such differences resolve of contact forces, relative to the largest element of a gradient.
GRADIENT_RTOL = 1e-5
# Their rounding error: 1e-12 over the step.
GRADIENT_ATOL = 1e-7

SOFT = (0.03, 0.9, 0.85, 0.97, 0.004, 0.4, 2.3)
OF_PAIRS = {
    "pairs_friction": (0.3, 0.6, 0.03, 0.02, 0.01),
    "pairs_solref_friction": (0.05, 0.8),
    "pairs_adhesion": 0.4,
}
DIRECT = (-900.0, -40.0, 0.85, 0.97, 0.004, 0.4, 2.3)


def plain(value):
    """What a getter returned, as one tensor without graph."""
    value = torch.stack(value, -1) if isinstance(value, tuple) else value
    return value.detach().as_subclass(torch.Tensor).clone()


def values(entity, name, **which):
    return plain(getattr(entity, f"get_{name}")(**which))


def put(entity, name, value, **which):
    setter = getattr(entity, f"set_{name}")
    if name == "dofs_limit":
        setter(value[..., 0], value[..., 1], **which)
    else:
        setter(value, **which)


def index_of(parameter):
    """Name of the argument that chooses elements."""
    return f"{parameter.axis}_idx_local"


def settable(scene, entity, name):
    """Index argument that chooses what can be set of a parameter: all that can, or None."""
    if name == "dofs_limit":
        return [1] if entity.name == "walker" else []
    if name == "joints_sol_params":
        return list(range(entity.n_joints)) if entity.name == "walker" else []
    if name == "dofs_sol_params":
        return [0, 1] if entity.name == "walker" else []  # those with friction loss
    axis = CONSTRAINT_PARAMETERS[name].axis
    if axis == "geoms":
        geoms = [g.idx_local for g in entity.touching_geoms]
        return [k for k in geoms if name != "geoms_size" or entity.geoms[k].type != "plane"]
    return list(range(getattr(entity, f"n_{axis}")))


def changed(name, value, rng):
    """A valid change, small enough that every contact stays; as a function of what is in force."""
    noise = torch.as_tensor(rng.uniform(0.2, 1.0, tuple(value.shape)))
    if name.endswith("sol_params"):
        return torch.tensor(SOFT) * (1 + 0.02 * noise)
    if name == "dofs_frictionloss":
        return value + 0.3 * noise
    if name == "dofs_limit":
        return value + 0.01 * noise
    if name == "friction":
        return value * (0.6 + 0.1 * noise)
    if name.startswith("friction"):
        return value + 0.01 * noise
    return value + 0.0006 * noise


# -- the table ------------------------------------------------------------------------------------------------------------


def test_every_parameter_has_its_methods_and_documentation():
    scene, _, walker, ball, _ = touching_world()
    of_entity = (CONSTRAINT_PARAMETERS, COUPLING_PARAMETERS, PASSIVE_PARAMETERS)
    tables = [*((walker, table) for table in of_entity), (scene.rigid_solver, PAIR_PARAMETERS)]
    for owner, table in tables:
        for name, parameter in table.items():
            for verb in ("get", "set"):
                method = getattr(type(owner), f"{verb}_{name}")
                assert inspect.getdoc(method), method
                assert "envs_idx" in inspect.signature(method).parameters
            assert parameter.unit
    everything = (*ENTITY_PARAMETERS.values(), *PAIR_PARAMETERS.values(), *SCENE_PARAMETERS)
    fields = {field for parameter in everything for field in parameter.fields}
    assert fields == set(scene.world.model.theta_fields), "every column of theta can be reached"
    table = {row["name"]: row["shape"] for row in walker.get_parameters()}
    polynomials = {"dofs_stiffness_poly", "dofs_damping_poly"}
    of_walker = {*PARAMETERS, *CONSTRAINT_PARAMETERS, *polynomials, "dofs_invweight", "links_invweight", "mass"}
    assert set(table) == of_walker - {n for n in PARAMETERS if n[:4] == "actu"}
    for name in CONSTRAINT_PARAMETERS:
        assert table[name] == tuple(values(walker, name).shape)
    of_ball = {row["name"] for row in ball.get_parameters()}
    assert "friction" in of_ball
    assert not {"dofs_limit", "joints_sol_params"} & of_ball
    scene, arm, *_ = world()  # constraints disabled
    assert {row["name"] for row in arm.get_parameters()} == {*PARAMETERS, *polynomials, "mass"}


def test_what_is_in_force_at_build_is_the_model_s():
    scene, floor, walker, ball, block = touching_world()
    model = scene.mj_model
    assert [geom.name for geom in walker.touching_geoms] == ["trunk", "foot", "hand"]
    assert [geom.can_touch for geom in walker.geoms] == [True, False, True, True]
    for entity in (floor, walker, ball, block):
        geoms = np.array([geom.idx for geom in entity.touching_geoms])
        np.testing.assert_array_equal(entity.get_friction(), model.geom_friction[geoms, 0])
        np.testing.assert_array_equal(entity.get_friction_torsional(), model.geom_friction[geoms, 1])
        np.testing.assert_array_equal(entity.get_friction_rolling(), model.geom_friction[geoms, 2])
        np.testing.assert_array_equal(entity.get_sol_params()[:, :2], model.geom_solref[geoms])
        np.testing.assert_array_equal(entity.get_sol_params()[:, 2:], model.geom_solimp[geoms])
        np.testing.assert_array_equal(entity.get_geoms_size(), model.geom_size[geoms])
        np.testing.assert_array_equal(entity.get_geoms_offset_pos(), model.geom_pos[geoms])
        np.testing.assert_allclose(entity.get_geoms_offset_quat(), model.geom_quat[geoms])
        dofs = slice(entity.dof_start, entity.dof_end)
        np.testing.assert_array_equal(entity.get_dofs_frictionloss(), model.dof_frictionloss[dofs])
        np.testing.assert_array_equal(entity.get_dofs_sol_params()[:, :2], model.dof_solref[dofs])
        joints = slice(entity.joint_start, entity.joint_end)
        np.testing.assert_array_equal(entity.get_joints_sol_params()[:, 2:], model.jnt_solimp[joints])
    assert walker.get_dofs_frictionloss().tolist() == [0.7, 0.3, 0, 0, 0]
    lower, upper = walker.get_dofs_limit()
    np.testing.assert_allclose(lower, [-np.inf, np.radians(-20), -np.inf, -np.inf, -np.inf])
    np.testing.assert_allclose(upper, [np.inf, np.radians(10), np.inf, np.inf, np.inf])
    assert [x.item() for x in walker.get_joint("socket").get_limit()] == [0, pytest.approx(np.radians(30))]
    assert [x.item() for x in walker.get_joint("lift").get_limit()] == [-np.inf, np.inf]
    assert ball.geoms[0].get_size().tolist() == [0.1]
    assert walker.geoms[2].get_size().shape == (2,)
    assert walker.geoms[1].get_size().tolist() == [0.3], "a geom that touches nothing: the model's number"
    assert walker.get_friction(slice(None)).shape == (4,)
    np.testing.assert_array_equal(scene.rigid_solver.get_pairs_friction(), model.pair_friction)
    np.testing.assert_array_equal(scene.rigid_solver.get_pairs_solref_friction(), model.pair_solreffriction)


# -- shapes and subsets ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("n_envs", [0, 3])
def test_shapes_and_subsets(n_envs):
    scene, *entities = touching_world(n_envs)
    rng = np.random.default_rng(0)
    lead = (n_envs,) if n_envs else ()
    for name, parameter in CONSTRAINT_PARAMETERS.items():
        for entity in entities:
            chosen = settable(scene, entity, name)
            if not chosen:
                continue
            which = {index_of(parameter): chosen}
            start = values(entity, name, **which)
            assert start.shape == (*lead, len(chosen), *parameter.item)
            untouched = [values(other, name) for other in entities if other is not entity]

            def expect(value, parameter=parameter):
                return torch.nn.functional.normalize(value, dim=-1) if parameter.normalized else value

            shared = changed(name, start[0] if n_envs else start, rng)
            put(entity, name, shared, **which)
            torch.testing.assert_close(values(entity, name, **which), expect(shared).expand(start.shape))
            if n_envs:
                each = changed(name, start, rng)
                put(entity, name, each, **which)
                torch.testing.assert_close(values(entity, name, **which), expect(each))
                some = changed(name, start[[2, 0]][:, -1:], rng)
                put(entity, name, some, **{index_of(parameter): chosen[-1:], "envs_idx": [2, 0]})
                now = expect(each)
                now[[2, 0], -1] = expect(some)[:, 0]
                torch.testing.assert_close(values(entity, name, **which), now)
            others = [values(other, name) for other in entities if other is not entity]
            assert all(torch.equal(a, b) for a, b in zip(untouched, others, strict=True)), "others are untouched"


def test_numbers_that_stand_for_all():
    _scene, _floor, walker, _ball, _ = touching_world(2)
    walker.set_friction(0.4)
    assert walker.get_friction().tolist() == [[0.4] * 3] * 2
    walker.set_sol_params(SOFT)
    assert walker.get_sol_params().shape == (2, 3, 7)
    torch.testing.assert_close(plain(walker.get_sol_params()), torch.tensor(SOFT).expand(2, 3, 7))
    walker.set_dofs_sol_params(SOFT, [0, 1])
    torch.testing.assert_close(values(walker, "dofs_sol_params")[:, 1], torch.tensor(SOFT).expand(2, 7))
    assert values(walker, "dofs_sol_params")[0, 2, 0] == 0.02
    walker.set_joints_sol_params(SOFT)
    torch.testing.assert_close(values(walker, "joints_sol_params"), torch.tensor(SOFT).expand(2, 3, 7))
    walker.set_friction_ratio(torch.tensor([[0.5, 2.0], [0.7, 3.0]]), links_idx_local=[1, 2])
    # the trunk keeps 0.4; foot and hand have the model's 0.6 and 1.0, times the ratio
    torch.testing.assert_close(values(walker, "friction"), torch.tensor([[0.4, 0.3, 2.0], [0.4, 0.42, 3.0]]))
    walker.get_link("leg").set_friction(torch.tensor([0.1, 0.2]))
    assert walker.get_friction(2).tolist() == [[0.1], [0.2]]


def test_one_geom_and_one_joint():
    _scene, _floor, walker, ball, block = touching_world(2)
    geom = ball.geoms[0]
    geom.set_friction(0.3)
    assert geom.get_friction().tolist() == [0.3, 0.3]
    geom.set_friction(torch.tensor([0.5, 0.6]))
    assert ball.get_friction().tolist() == [[0.5], [0.6]]
    geom.set_sol_params(torch.tensor(SOFT).expand(2, 7))
    torch.testing.assert_close(plain(geom.get_sol_params(envs_idx=[1])), torch.tensor([SOFT]))
    geom.set_size(0.12)
    assert geom.get_size().tolist() == [[0.12], [0.12]]
    geom.set_size([[0.13]], envs_idx=[1])
    assert geom.get_size().tolist() == [[0.12], [0.13]]
    block.geoms[0].set_size((0.1, 0.2, 0.3))
    assert block.get_geoms_size().tolist() == [[[0.1, 0.2, 0.3]]] * 2
    geom.set_offset_pos((0.0, 0.01, 0.02))
    geom.set_offset_quat((2.0, 0.0, 0.0, 2.0))
    assert geom.get_offset_pos().tolist() == [[0.0, 0.01, 0.02]] * 2
    torch.testing.assert_close(plain(geom.get_offset_quat()), torch.tensor([0.5**0.5, 0, 0, 0.5**0.5]).expand(2, 4))
    knee, socket = walker.get_joint("knee"), walker.get_joint("socket")
    knee.set_limit(-0.3, torch.tensor([0.2, 0.3]))
    assert [x.tolist() for x in knee.get_limit()] == [[-0.3, -0.3], [0.2, 0.3]]
    assert walker.get_dofs_limit([1])[1].tolist() == [[0.2], [0.3]]
    socket.set_limit(0, 0.6)
    assert [x.tolist() for x in socket.get_limit(envs_idx=1)] == [[0], [0.6]]
    socket.set_sol_params(SOFT)
    torch.testing.assert_close(plain(socket.get_sol_params()), torch.tensor(SOFT).expand(2, 7))
    torch.testing.assert_close(values(walker, "dofs_sol_params")[:, 2:], torch.tensor(SOFT).expand(2, 3, 7))
    assert values(walker, "dofs_sol_params")[0, 1, 0] == 0.02


def test_of_the_whole_scene():
    scene, _floor, walker, ball, _block = touching_world(2)
    solver = scene.rigid_solver
    solver.set_geoms_friction(0.5)
    assert {x for e in scene.entities for row in e.get_friction().tolist() for x in row} == {0.5}
    solver.set_geoms_friction([0.2], geoms_idx=[ball.geom_start])
    assert solver.get_geoms_friction([ball.geom_start]).tolist() == [[0.2], [0.2]]
    assert solver.get_geoms_friction().shape == (2, 6)
    solver.set_sol_params(SOFT)
    torch.testing.assert_close(plain(solver.get_sol_params()), torch.tensor(SOFT).expand(2, 6, 7))
    joint = walker.get_joint("knee").idx
    solver.set_sol_params(DIRECT, joints_idx=[joint])
    torch.testing.assert_close(plain(solver.get_sol_params(joints_idx=joint)), torch.tensor(DIRECT).expand(2, 1, 7))
    torch.testing.assert_close(values(walker, "dofs_sol_params")[:, 1], torch.tensor(DIRECT).expand(2, 7))
    solver.set_global_sol_params(SOFT)
    for value in (solver.get_sol_params(), solver.get_pairs_sol_params(), walker.get_dofs_sol_params()):
        torch.testing.assert_close(plain(value), torch.tensor(SOFT).expand(value.shape))
    torch.testing.assert_close(values(walker, "joints_sol_params"), torch.tensor(SOFT).expand(2, 3, 7))
    with pytest.raises(gs.GenesisException, match="not several"):
        solver.get_sol_params(geoms_idx=[0], joints_idx=[0])


# -- against MuJoCo -------------------------------------------------------------------------------------------------------


def write(model, parameter, scene, entity, value):
    """Put a parameter's numbers into MuJoCo's model."""
    if parameter.axis == "geoms":
        rows = np.array([entity.geom_start + k for k in settable(scene, entity, parameter.name)])
    elif parameter.name == "dofs_limit":
        rows = np.array([entity.joint_start + 1])
    else:
        start = {"dofs": entity.dof_start, "joints": entity.joint_start}[parameter.axis]
        rows = np.array([start + k for k in settable(scene, entity, parameter.name)])
    value = value.reshape(len(rows), -1)
    for field in parameter.fields:
        array = getattr(model, field).reshape(len(getattr(model, field)), -1)
        width = min(array.shape[1] - parameter.first, value.shape[1])
        array[rows, parameter.first : parameter.first + width] = value[:, :width]
        value = value[:, width:]
    if parameter.field == "geom_size":
        for row in rows:  # bounds of the broad phase, which only the compiler derives
            model.geom_rbound[row] *= 1.5
            model.geom_aabb[row, 3:] *= 1.5
    if parameter.field in ("geom_pos", "geom_quat"):
        model.geom_sameframe[rows] = 0


def compare(scene, model, steps=8):
    """Step both from the settled state."""
    settle(scene)
    data = mujoco.MjData(model)
    mujoco.mj_setConst(model, data)  # whether any surface runs or sticks is a flag of the model
    state = scene.world.state[0].detach().numpy()
    data.qpos, data.qvel = state[: model.nq], state[model.nq :]
    for _ in range(steps):
        mujoco.mj_step(model, data)
        scene.step()
    np.testing.assert_allclose(
        scene.world.state[0], np.concatenate([data.qpos, data.qvel]), rtol=TOLERANCE, atol=TOLERANCE
    )


@pytest.mark.parametrize("cone", ["pyramidal", "elliptic"])
@pytest.mark.parametrize("name", CONSTRAINT_PARAMETERS)
def test_forward_against_a_changed_model(name, cone):
    """Setting a parameter is the same as changing it in MuJoCo's model."""
    scene, *entities = touching_world(cone=cone, requires_grad=False)
    parameter = CONSTRAINT_PARAMETERS[name]
    rng = np.random.default_rng(3)
    model = copy.deepcopy(scene.mj_model)
    for entity in entities:
        chosen = settable(scene, entity, name)
        if chosen:
            which = {index_of(parameter): chosen}
            put(entity, name, changed(name, values(entity, name, **which), rng), **which)
            write(model, parameter, scene, entity, values(entity, name, **which).numpy())
    compare(scene, model)


@pytest.mark.parametrize("name", PAIR_PARAMETERS)
def test_forward_of_pairs_against_a_changed_model(name):
    scene, *_ = touching_world(cone="elliptic", requires_grad=False)
    model = copy.deepcopy(scene.mj_model)
    parameter, solver = PAIR_PARAMETERS[name], scene.rigid_solver
    value = torch.tensor([OF_PAIRS.get(name, SOFT)])
    getattr(solver, f"set_{name}")(value)
    torch.testing.assert_close(plain(getattr(solver, f"get_{name}")()), value)
    value = value.numpy().reshape(len(value), -1)
    for field in parameter.fields:
        array = getattr(model, field).reshape(len(value), -1)
        array[:] = value[:, : array.shape[1]]
        value = value[:, array.shape[1] :]
    compare(scene, model)


def test_a_ball_joint_s_limit_against_a_changed_model():
    scene, _, walker, *_ = touching_world(requires_grad=False)
    model = copy.deepcopy(scene.mj_model)
    joint = walker.get_joint("socket")
    joint.set_limit(0.0, 0.6)
    model.jnt_range[joint.idx] = (0, 0.6)
    compare(scene, model)


# -- gradients ------------------------------------------------------------------------------------------------------------


def motion(scene, start, give, entities, steps=2):
    """A function from the parameters to what the motion and the contact forces become."""

    def run(*given):
        scene.reset(start)
        give(*given)
        outputs = []
        for _ in range(steps):
            outputs.append(1e-2 * scene.rigid_solver.get_contacts()["force_b"])
            scene.step()
        for entity in entities:
            if entity.n_dofs:
                outputs += [entity.get_qpos(), entity.get_dofs_velocity(), 1e-2 * entity.get_dofs_force()]
        return outputs

    return run


_LAYOUTS = [("pyramidal", "n_envs=0"), ("elliptic", "per env"), ("elliptic", "n_envs=0"), ("elliptic", "shared")]


# Every parameter is read in the same two ways; what is the same for all envs is summed up alike for all of them.
@pytest.mark.parametrize(
    ("name", "cone", "layout"),
    [
        pytest.param(
            name, *layout, marks=[pytest.mark.thorough] if k > 1 and name not in ("friction", "geoms_size") else []
        )
        for name in CONSTRAINT_PARAMETERS
        for k, layout in enumerate(_LAYOUTS)
    ],
)
def test_gradient(name, cone, layout):
    scene, *entities = touching_world(0 if layout == "n_envs=0" else 2, cone=cone)
    parameter = CONSTRAINT_PARAMETERS[name]
    start = scene.get_state().detach()
    rng = np.random.default_rng(4)
    which = {e: {index_of(parameter): settable(scene, e, name)} for e in entities if settable(scene, e, name)}
    inputs = [values(e, name, **chosen) for e, chosen in which.items()]
    inputs = [changed(name, x[0] if layout == "shared" else x, rng) for x in inputs]

    def give(*given):
        for (entity, chosen), value in zip(which.items(), given, strict=True):
            put(entity, name, value, **chosen)

    run = motion(scene, start, give, entities)
    check_gradient(run, *inputs, eps=STEP, rtol=GRADIENT_RTOL, atol=GRADIENT_ATOL, names=[e.name for e in which])


@pytest.mark.parametrize("name", PAIR_PARAMETERS)
def test_gradient_of_pairs(name):
    scene, *entities = touching_world(2, cone="elliptic")
    start = scene.get_state().detach()
    give = getattr(scene.rigid_solver, f"set_{name}")
    value = OF_PAIRS.get(name, SOFT)
    check_gradient(
        motion(scene, start, give, entities), torch.tensor([value]), eps=STEP, rtol=GRADIENT_RTOL, atol=GRADIENT_ATOL
    )


def test_gradient_of_parts():
    """One geom, one link, one joint, a ratio, everything: each passes its gradient on."""
    scene, floor, walker, ball, block = touching_world(2)
    start = scene.get_state().detach()

    def give(size, friction, ratio, angle, soft, all_soft, direct):
        scene.rigid_solver.set_global_sol_params(all_soft)
        scene.rigid_solver.set_sol_params(direct, geoms_idx=[block.geom_start])
        ball.geoms[0].set_size(size)
        walker.get_link("leg").set_friction(friction)
        block.set_friction_ratio(ratio)
        walker.get_joint("socket").set_limit(0.0, angle)
        walker.get_joint("knee").set_sol_params(soft)
        floor.set_friction(0.1)

    inputs = [
        torch.tensor([[0.1], [0.101]]),
        torch.tensor([0.5, 0.4]),
        torch.tensor([[0.4], [0.6]]),
        torch.tensor(0.6),
        torch.tensor(SOFT) * 1.01,
        torch.tensor(SOFT),
        torch.tensor(DIRECT),
    ]
    run = motion(scene, start, give, scene.entities)
    check_gradient(run, *inputs, eps=STEP, rtol=GRADIENT_RTOL, atol=GRADIENT_ATOL)


# -- friction loss in a scene without constraints -------------------------------------------------------------------------

PENDULUM = """
<mujoco><worldbody><body><joint axis="0 1 0"/><geom type="capsule" size=".04" fromto="0 0 0 0 .1 -.4"/>
  <body pos="0 .1 -.4"><joint axis="1 1 0"/><geom type="capsule" size=".03" fromto="0 0 0 0 0 -.3"/></body>
</body></worldbody></mujoco>"""


def pendulum(tmp_path, n_envs=0):
    (tmp_path / "pendulum.xml").write_text(PENDULUM)
    scene = gs.Scene(
        sim_options=gs.options.SimOptions(dt=0.004, requires_grad=True),
        rigid_options=gs.options.RigidOptions(tolerance=0.0),
    )
    arm = scene.add_entity(gs.morphs.MJCF(file=tmp_path / "pendulum.xml"), name="arm")
    scene.build(n_envs=n_envs)
    return scene, arm


def test_friction_loss_where_there_was_no_constraint(tmp_path):
    scene, arm = pendulum(tmp_path)
    arm.set_dofs_frictionloss(0.0)
    assert not scene.world.model.constrained
    arm.set_dofs_velocity((0.5, -0.3))
    arm.set_dofs_position((0.4, 0.3), zero_velocity=False)
    q = torch.tensor([0.4, 0.3], requires_grad=True)
    arm.set_qpos(q, zero_velocity=False)
    scene.step()
    before = arm.get_qpos()  # recorded without constraints, gone through backwards with them
    model = copy.deepcopy(scene.mj_model)
    data = mujoco.MjData(model)
    arm.set_dofs_frictionloss([0.3, 0.1])
    assert scene.world.model.constrained
    assert arm.get_dofs_frictionloss().tolist() == [0.3, 0.1]
    state = scene.world.state[0].detach().numpy()
    data.qpos, data.qvel = state[:2], state[2:]
    model.dof_frictionloss[:] = (0.3, 0.1)
    for _ in range(20):
        mujoco.mj_step(model, data)
        scene.step()
    np.testing.assert_allclose(scene.world.state[0].detach(), np.concatenate([data.qpos, data.qvel]), atol=TOLERANCE)
    before.sum().backward()
    torch.testing.assert_close(q.grad, _gradient_of_the_first_step(tmp_path))


def _gradient_of_the_first_step(tmp_path):
    scene, arm = pendulum(tmp_path)
    arm.set_dofs_velocity((0.5, -0.3))
    q = torch.tensor([0.4, 0.3], requires_grad=True)
    arm.set_qpos(q, zero_velocity=False)
    scene.step()
    arm.get_qpos().sum().backward()
    return q.grad


def test_gradient_of_friction_loss_where_there_was_no_constraint(tmp_path):
    scene, arm = pendulum(tmp_path, 2)

    def run(loss):
        scene.reset()
        arm.set_qpos((0.4, 0.3))
        arm.set_dofs_velocity((0.5, -0.3))
        arm.set_dofs_frictionloss(loss)
        for _ in range(3):
            scene.step()
        return [arm.get_qpos(), arm.get_dofs_velocity(), arm.get_dofs_force()]

    check_gradient(run, torch.tensor([[0.3, 0.1], [0.2, 0.4]]), eps=1e-3)


def test_a_checkpoint_brings_friction_loss_along(tmp_path):
    scene, arm = pendulum(tmp_path)
    arm.set_dofs_velocity((0.5, -0.3))
    arm.set_dofs_frictionloss([0.3, 0.1])
    scene.step()
    scene.save_checkpoint(tmp_path / "a.ckpt")
    other, twin = pendulum(tmp_path)
    other.load_checkpoint(tmp_path / "a.ckpt")
    for _ in range(3):
        scene.step()
        other.step()
    assert torch.equal(arm.get_qpos().sceneless(), twin.get_qpos().sceneless())
    assert torch.equal(arm.get_dofs_velocity().sceneless(), twin.get_dofs_velocity().sceneless())


# -- errors ---------------------------------------------------------------------------------------------------------------


def soft(k, value):
    """Sol_params whose k-th number is another."""
    return [*SOFT[:k], value, *SOFT[k + 1 :]]


# w walker, b ball, f floor, s the rigid solver; in a scene with two envs
WRONG = {
    "negative friction": (
        lambda w, b, f, s: w.set_friction(-0.1),
        r"geom 0 of 'walker' \(ellipsoid, 'trunk'\) is -0.1",
    ),
    "NaN friction": (lambda w, b, f, s: b.set_friction(np.nan), "`friction` holds nan"),
    "negative rolling": (lambda w, b, f, s: b.geoms[0].set_friction(-1.0), "ball.*set_friction: .* is -1; it cannot"),
    "of one env": (lambda w, b, f, s: b.set_friction([[0.1], [-0.2]]), r"\(env 1 of those given\) is -0.2"),
    "friction of a visual geom": (lambda w, b, f, s: w.geoms[1].set_friction(1.0), "'shell'.* touches nothing in this"),
    "friction of some": (lambda w, b, f, s: w.set_friction(1.0, [0, 1]), "geom 1 of 'walker' .* touches nothing"),
    "shape": (lambda w, b, f, s: w.set_friction([1.0] * 4), r"shape \(4,\), expected \(3,\) or \(2, 3\) or a number"),
    "index": (lambda w, b, f, s: w.set_friction(1.0, 4), "`geoms_idx_local` holds 4"),
    "twice": (lambda w, b, f, s: w.set_friction(1.0, [2, 2]), "names element 2 more than once"),
    "ratio": (lambda w, b, f, s: w.set_friction_ratio(-1.0), "it cannot be negative"),
    "mixed solref": (lambda w, b, f, s: b.set_sol_params(soft(1, -2.0)), "mixes the two forms of solref"),
    "dmin": (lambda w, b, f, s: b.set_sol_params(soft(2, 1.5)), "has dmin outside of its range"),
    "dmax": (lambda w, b, f, s: b.geoms[0].set_sol_params(soft(3, -0.5)), "has dmax outside of its range"),
    "width": (lambda w, b, f, s: w.set_joints_sol_params(soft(4, -0.5)), "negative width"),
    "mid": (lambda w, b, f, s: w.set_dofs_sol_params(soft(5, 2.0)), r"dof 0 \(joint 'lift'\) .* has mid outside"),
    "power": (
        lambda w, b, f, s: w.joints[1].set_sol_params(soft(6, 0.5)),
        "walker.knee.set_sol_params: .* power below",
    ),
    "six numbers": (lambda w, b, f, s: b.set_sol_params(SOFT[:6]), r"expected \(1, 7\)"),
    "NaN sol_params": (lambda w, b, f, s: s.set_global_sol_params(soft(0, np.nan)), "holds nan"),
    "global": (lambda w, b, f, s: s.set_global_sol_params(soft(3, 2.0)), "of the scene .* has dmax outside"),
    "pairs": (lambda w, b, f, s: s.set_pairs_friction([[0.1, 0.2, -0.1, 0.2, 0.2]]), "pair 0 .* none can be negative"),
    "pairs' reference": (lambda w, b, f, s: s.set_pairs_solref_friction([[0.1, -0.2]]), "either both are positive"),
    "negative loss": (lambda w, b, f, s: w.set_dofs_frictionloss(-1.0), r"dof 0 \(joint 'lift'\) is -1"),
    "no limit": (lambda w, b, f, s: w.set_dofs_limit(0, 1), r"dof 0 \(joint 'lift'\) has no limit; state a range"),
    "a ball's limit": (lambda w, b, f, s: w.set_dofs_limit(0, 1, [2]), r"ball joint; use joint.set_limit\(0, angle\)"),
    "limits crossed": (lambda w, b, f, s: w.set_dofs_limit(1, 0, [1]), "has lower 1 above upper 0"),
    "infinite limit": (lambda w, b, f, s: w.set_dofs_limit(0, np.inf, [1]), "holds inf"),
    "one joint's limit": (lambda w, b, f, s: w.joints[0].set_limit(0, 1), "joint 'lift' has no limit"),
    "a ball's lower end": (lambda w, b, f, s: w.joints[2].set_limit(-1, 1), "`lower` must be 0"),
    "negative angle": (lambda w, b, f, s: w.joints[2].set_limit(0, -1), "lower 0 above upper -1"),
    "size of zero": (lambda w, b, f, s: b.geoms[0].set_size(0.0), r"is \[0.0\]; it must be above zero"),
    "a negative size": (
        lambda w, b, f, s: w.set_geoms_size([[0.1, 0.1, 0.3], [0.1, -0.1, 0.0], [0.1, 0.0, 0.0]]),
        r"'foot'\) is \[0.1, -0.1\]; it must be above zero",
    ),
    "size of a plane": (lambda w, b, f, s: f.set_geoms_size([[1.0, 1, 1]]), "plane.* is infinite in contact"),
    "size of one plane": (lambda w, b, f, s: f.geoms[0].set_size(1.0), "is infinite in contact"),
    "sizes of a sphere": (lambda w, b, f, s: b.geoms[0].set_size([1.0, 2.0]), r"expected \(1,\)"),
    "NaN size": (lambda w, b, f, s: b.geoms[0].set_size(np.nan), "holds nan"),
    "quat": (lambda w, b, f, s: b.geoms[0].set_offset_quat([0.0] * 4), "a quaternion of length zero"),
}


@pytest.fixture(scope="module")
def touching():
    return touching_world(2)


@pytest.mark.parametrize("case", WRONG)
def test_errors_change_nothing(touching, case):
    scene, floor, walker, ball, _ = touching
    theta, state = scene.world.theta.packed(), scene.world.state
    call, message = WRONG[case]
    with pytest.raises(gs.GenesisException, match=message):
        call(walker, ball, floor, scene.rigid_solver)
    assert scene.world.theta.packed() is theta
    assert scene.world.state is state


DISABLED = {
    "friction": (lambda e, s: e.set_friction(1.0), "none of its 5 geoms can touch anything"),
    "geom": (lambda e, s: e.geoms[0].set_friction(1.0), "touches nothing in this scene"),
    "link": (lambda e, s: e.links[0].set_friction(1.0), "no geom that can touch anything"),
    "ratio": (lambda e, s: e.set_friction_ratio(1.0), "no geom of these links can touch"),
    "sol_params": (lambda e, s: e.set_sol_params(SOFT), "can touch anything"),
    "frictionloss": (lambda e, s: e.set_dofs_frictionloss(1.0), "friction loss is not simulated in this scene"),
    "dofs_sol_params": (lambda e, s: e.set_dofs_sol_params(SOFT), "friction loss is not simulated"),
    "limit": (lambda e, s: e.set_dofs_limit(0, 1, [2]), "limits are not simulated in this scene"),
    "joints_sol_params": (lambda e, s: e.set_joints_sol_params(SOFT), "has a limit that is simulated"),
    "joint": (lambda e, s: e.joints[0].set_sol_params(SOFT), "neither limits nor friction loss"),
    "pairs": (lambda e, s: s.set_pairs_friction(torch.ones(0, 5)), "defines a contact <pair>"),
}


@pytest.mark.parametrize("case", DISABLED)
def test_what_is_not_simulated_cannot_be_set(case):
    scene, arm, *_ = world()
    call, message = DISABLED[case]
    with pytest.raises(gs.GenesisException, match=message):
        call(arm, scene.rigid_solver)


def test_a_size_that_an_optimizer_changed_is_noticed(caplog):
    scene, _, walker, ball, _ = touching_world()
    size, lower = torch.tensor([0.1], requires_grad=True), torch.tensor(-0.3, requires_grad=True)
    ball.geoms[0].set_size(size)
    walker.get_joint("knee").set_limit(lower, 0.2)
    with torch.no_grad():
        size.mul_(1.1)
        lower.mul_(1.1)
    scene.reset()
    assert "set_size() was changed in place" in caplog.text
    assert "walker.knee.set_limit() was changed in place" in caplog.text
