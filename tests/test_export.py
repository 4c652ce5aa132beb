"""`scene.to_mjcf()` with the parameters in force: `mujoco` steps it as the scene moves."""

import mujoco
import numpy as np
import pytest
import torch

import genesis as gs
from genesis.world.catalogue import ENTITY_PARAMETERS, INVERSE_WEIGHTS
from tests.mechanisms import MUSCLE_ARM, STRING_HAND
from tests.scenes import PANDA, build

# A scaled file in a turned frame with frames of its own; every kind of joint, tendon, equality and actuator.
MACHINE = """
<mujoco><option tolerance="0" iterations="100" ls_iterations="100"/><worldbody>
  <site name="hook" pos="1.2 0.1 1"/>
  <body name="hull" pos="1 0 1"><freejoint name="root"/><geom name="hull" type="box" size=".1 .2 .05" pos=".05 .02 0"/>
    <frame pos=".1 .1 -.1" euler="10 20 0">
      <body name="pod"><joint name="socket" type="ball" damping=".1" armature=".01" range="0 50" frictionloss=".02"/>
        <geom type="capsule" size=".04" fromto="0 0 0 0 .1 -.3"/>
        <body name="flap" pos="0 .1 -.3">
          <joint name="flap" axis="1 0 0" stiffness="2" springref="10" range="-60 60" frictionloss=".05"/>
          <frame euler="0 0 30"><geom name="flap" type="box" size=".1 .05 .01" pos=".05 0 0"/></frame>
        </body>
      </body>
    </frame>
  </body>
  <body name="post" pos="0 0 .5">
    <joint name="one" axis="0 1 0" damping=".3" springdamper=".5 .8"/><geom type="capsule" size=".04" fromto="0 0 0 .1 .05 .4"/>
    <body name="two" pos=".1 .05 .4" gravcomp=".2"><joint name="two" axis="1 1 0" pos=".01 .02 0" damping=".2" armature=".1"/>
      <geom type="ellipsoid" size=".03 .04 .1"/>
      <body name="tip" pos="0 0 .2"><joint name="slide" type="slide" axis="1 0 1" damping=".5" range="-.1 .2"/>
        <geom name="tip" type="sphere" size=".05" pos=".02 .01 0"/><site name="tip" pos=".01 0 .02" euler="0 40 0"/></body>
    </body>
  </body>
  <body name="weight" pos="-1 0 .5"><joint name="spin" axis="0 0 1"/><joint name="rise" type="slide" axis="0 0 1" damping="20"/>
    <geom type="cylinder" size=".1 .05"/><site name="eye" pos="0 .1 0"/></body>
</worldbody>
<tendon><fixed name="belt" stiffness="3" damping=".2" frictionloss=".1" limited="true" range="-.5 .6" armature=".02">
  <joint joint="one" coef="1"/><joint joint="spin" coef="-.5"/></fixed></tendon>
<equality>
  <connect name="pin" body1="weight" anchor="0 .2 0"/>
  <weld name="glue" body1="flap" body2="hull" solref=".3 1"/>
  <weld name="eyes" site1="eye" site2="tip" solref=".5 1"/>
  <joint name="gear" joint1="two" joint2="spin" polycoef="0 .5 .1 0 0"/>
</equality>
<actuator>
  <motor name="pull" joint="one" gear="2"/><position name="hold" joint="two" kp="5" dampratio="1" inheritrange="0"/>
  <general name="slow" joint="slide" dyntype="filter" dynprm=".1" gainprm="3"/><position name="belt" tendon="belt" kp="2"/>
</actuator>
<contact><pair name="touch" geom1="tip" geom2="hull" condim="6" friction=".5 .4 .02 .01 .008" solreffriction=".03 1.1"/></contact>
</mujoco>"""
# Gains of commands are no number of an MJCF.
COMMANDED = ("dofs_kp", "dofs_kv", "dofs_force_range")
# The same numbers through the same equations; a hundred steps of contact and constraints let rounding grow.
TOLERANCE = 1e-9


def machine(path, n_envs=0, scale=1.3):
    (path / "machine.xml").write_text(MACHINE)
    scene = gs.Scene(
        sim_options=gs.options.SimOptions(dt=0.002),
        rigid_options=gs.options.RigidOptions(inverse_weights="follow", integrator=gs.integrator.implicitfast),
    )
    scene.add_entity(gs.morphs.Plane())
    robot = scene.add_entity(
        gs.morphs.MJCF(file=path / "machine.xml", pos=(0.1, 0.2, 0.3), euler=(10, 20, 30), scale=scale), name="machine"
    )
    arm = scene.add_entity(gs.morphs.URDF(file=PANDA, fixed=True, pos=(-2, 0, 0), euler=(0, 0, 90)), name="panda")
    box = scene.add_entity(gs.morphs.Box(size=(0.2, 0.3, 0.4), pos=(3, 0, 0.19), euler=(0, 1, 0)), name="box")
    scene.build(n_envs=n_envs)
    return scene, robot, arm, box


def perturb(entity, name, rng, **which):
    """Another possible value of a parameter, for all of an entity's elements."""
    parameter = ENTITY_PARAMETERS[name]
    found = getattr(entity, f"get_{name}")()
    found = torch.stack(found, -1) if isinstance(found, tuple) else found
    value = found.detach().as_subclass(torch.Tensor).clone()
    value = value[0] if entity.scene.n_envs else value
    noise = torch.as_tensor(rng.standard_normal(tuple(value.shape)))
    grown = value * (1 + 0.05 * noise.abs())
    if name in ("links_inertia", "geoms_size"):
        value = value * (1 + 0.05 * noise[..., :1].abs())
    elif parameter.normalized or name in ("links_COM", "joints_anchor") or name.endswith("offset_pos"):
        value = value + 0.01 * noise
    elif name == "equalities_data":
        value = value + 0.01 * noise
        value[:, 6:10] = torch.where(  # of welds
            found.reshape(-1, value.shape[0], 11)[0, :, 6:10].norm(dim=-1, keepdim=True) > 0.9,
            torch.nn.functional.normalize(value[:, 6:10], dim=-1),
            value[:, 6:10],
        )
        value[:, 10] = 1.2 * found.reshape(-1, value.shape[0], 11)[0, :, 10]
    elif name.endswith("sol_params"):
        value = value * 1.03
        value[..., 2:4] = torch.tensor([0.85, 0.9])
    elif parameter.axis == "dofs":  # one number for all dofs of a joint
        shared = torch.as_tensor(rng.random(entity.n_joints))
        per_joint = [shared[k] for k, joint in enumerate(entity.joints) for _ in range(joint.n_dofs)]
        value = value * 1.05 + (0.01 * torch.stack(per_joint) if value.ndim == 1 else 0.0)
    else:
        value = grown + (0.01 if name == "links_gravity_compensation" else 0.0)
    setter = getattr(entity, f"set_{name}")
    if parameter.as_ends or name == "dofs_limit":
        setter(value[..., 0], value[..., 1], **which)
    else:
        setter(value, **which)


def perturb_all(scene, rng, **which):
    for entity in scene.entities:
        table = {row["name"] for row in entity.get_parameters()}
        for name in ENTITY_PARAMETERS:
            if name not in table or name in COMMANDED or name in INVERSE_WEIGHTS:
                continue
            if name == "dofs_limit":
                limited = [
                    k for k, x in enumerate(entity.get_dofs_limit()[0].reshape(-1, entity.n_dofs)[0]) if x > -1e9
                ]
                lower, upper = (x.reshape(-1, entity.n_dofs)[0, limited] for x in entity.get_dofs_limit())
                entity.set_dofs_limit(lower * 1.1, upper * 0.9, limited, **which)
            elif name == "geoms_size":
                able = [g.idx_local for g in entity.touching_geoms if g.type != "plane"]
                if able:
                    sizes = entity.get_geoms_size(able)
                    sizes = sizes[0] if scene.n_envs else sizes
                    entity.set_geoms_size(sizes * 1.03, able, **which)
            else:
                perturb(entity, name, rng, **which)


def steps_as(text, scene, env, n_steps=100):
    """Largest distance of the state from MuJoCo's, after steps of both under the same controls."""
    model = mujoco.MjModel.from_xml_string(text)
    distance, data, n_contacts = steps_of(model, scene, env, n_steps)
    assert n_contacts > 0 and data.nefc > 20
    return distance


def steps_of(model, scene, env=0, n_steps=100):
    """The same, MuJoCo's data, and how many contacts it had."""
    data = mujoco.MjData(model)
    state = scene.world.state.detach()[env].numpy()
    data.qpos[:], data.qvel[:] = state[: model.nq], state[model.nq : model.nq + model.nv]
    ctrl = np.linspace(-0.4, 0.5, model.nu)
    robot = scene.get_entity("machine")
    robot.control_actuators(ctrl)
    n_contacts = 0
    for _ in range(n_steps):
        data.ctrl[:] = ctrl
        mujoco.mj_step(model, data)
        scene.step()
        n_contacts += data.ncon
    expected = np.concatenate([data.qpos, data.qvel, data.act])
    return np.abs(scene.world.state.detach()[env].numpy() - expected).max(), data, n_contacts


def test_every_parameter_perturbed(tmp_path):
    scene, *_ = machine(tmp_path)
    at_build = scene.to_mjcf()
    perturb_all(scene, np.random.default_rng(0))
    scene.set_gravity((0.1, 0.2, -9.0))
    scene.rigid_solver.set_pairs_friction([[0.6, 0.5, 0.03, 0.02, 0.01]])
    text = scene.to_mjcf()
    assert text != at_build
    assert steps_as(text, scene, 0) < TOLERANCE


@pytest.mark.parametrize("name", [n for n in ENTITY_PARAMETERS if n not in COMMANDED and n not in INVERSE_WEIGHTS])
def test_each_parameter_alone(name, alone):
    """What is not said of the others stays, and the parameter itself arrives: the model that is compiled has it."""
    scene, saved = alone
    scene.world.theta.go_back(saved)
    machine = scene.get_entity("machine")
    if name not in {row["name"] for row in machine.get_parameters()}:
        pytest.skip("the machine has none")
    if name in ("dofs_limit", "geoms_size"):
        pytest.skip("in test_every_parameter_perturbed")
    perturb(machine, name, np.random.default_rng(1))
    model = mujoco.MjModel.from_xml_string(scene.to_mjcf())
    if name == "equalities_data":
        return
    world = scene.world
    theta = world.theta.packed()[0].detach().numpy()
    for field in ENTITY_PARAMETERS[name].fields:
        spec = world.model.theta_fields[field]
        found = theta[spec.offset : spec.offset + spec.size].reshape(spec.shape)
        if field in ("dof_stiffness", "dof_stiffnesspoly"):
            expected = getattr(model, field.replace("dof_", "jnt_"))[model.dof_jntid]
        elif field == "body_inertia":
            expected, found = (
                np.sort(model.body_inertia, -1),
                np.sort([np.linalg.eigvalsh(_full(x)) for x in found], -1),
            )
        else:
            expected = getattr(model, field)
        expected = expected[world.model.indices["cgeom_id"]] if field.startswith("geom_") else expected
        if field.startswith("site_"):  # those that stand for anchors may lie between
            expected = expected[[model.site(f"machine/{site}").id for site in machine.site_names]]
        # a free base has its qpos0, a free joint no axis and no limit
        idle = field in ("body_pos", "body_quat") or field.startswith("jnt")
        rows = [k for k in range(len(found)) if not (idle and _is_free(model, field, k))]
        width = found.shape[-1] if found.ndim > 1 else None
        there = expected[rows] if width is None else expected[rows][..., :width]
        np.testing.assert_allclose(there, found[rows], rtol=1e-11, atol=1e-11)


def _full(six):
    xx, yy, zz, xy, xz, yz = six
    return [[xx, xy, xz], [xy, yy, yz], [xz, yz, zz]]


def _is_free(model, field, k):
    kinds = model.jnt_type
    if field.startswith("jnt"):
        return kinds[k] < 2
    return bool(model.body_jntnum[k] and kinds[model.body_jntadr[k]] == 0)


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    scene, *_ = machine(tmp_path_factory.mktemp("alone"))
    return scene, scene.world.theta.saved()


def test_paths_of_tendons(tmp_path):
    """Muscles whose insertions moved, around thicker shapes: what the compiler would derive from these is as built."""
    scene, arm = muscles(tmp_path, MUSCLE_ARM)
    perturb(arm, "sites_offset_pos", np.random.default_rng(3))
    wrapped = [geom.idx_local for geom in arm.geoms if geom.is_wrapped]
    arm.set_geoms_size(1.1 * arm.get_geoms_size(wrapped), wrapped)
    arm.set_geoms_offset_pos(arm.get_geoms_offset_pos(wrapped) + 0.01, wrapped)
    arm.set_links_mass(1.2 * arm.get_links_mass())
    model = mujoco.MjModel.from_xml_string(scene.to_mjcf())
    built = scene.mj_model
    assert np.abs(model.actuator_acc0 - built.actuator_acc0).max() > 1e-3
    np.testing.assert_allclose(model.actuator_lengthrange, built.actuator_lengthrange, rtol=1e-12)
    np.testing.assert_allclose(model.tendon_lengthspring, built.tendon_lengthspring, rtol=1e-12)
    assert steps_of(model, scene)[0] < TOLERANCE


def test_a_tendon_whose_equality_counts_from_a_length(tmp_path):
    scene, hand = muscles(tmp_path, STRING_HAND)
    hand.set_sites_offset_pos([[0.0, 0, 0.05]], [hand.site_names.index("m1")])
    with pytest.raises(gs.GenesisException, match=r"of tendon 'machine/spring' at the start, .* cannot be written"):
        scene.to_mjcf()


def muscles(path, text):
    (path / "muscles.xml").write_text(text)
    scene = gs.Scene(sim_options=gs.options.SimOptions(dt=0.002))
    robot = scene.add_entity(gs.morphs.MJCF(file=path / "muscles.xml", scale=1.3, pos=(0.3, 0, 0)), name="machine")
    scene.build()
    return scene, robot


def test_each_env_its_own(tmp_path):
    scene, robot, _arm, _box = machine(tmp_path, n_envs=2)
    assert scene.to_mjcf() == scene.to_mjcf(env=1)
    perturb_all(scene, np.random.default_rng(2), envs_idx=[1])
    with pytest.raises(gs.GenesisException, match=r"scene.to_mjcf: parameters differ between envs; .* env=0"):
        scene.to_mjcf()
    for env in (2, -1, True, "0"):
        with pytest.raises(gs.GenesisException, match=r"scene.to_mjcf: `env` is .* from 0 to 1"):
            scene.to_mjcf(env=env)
    scene.reset()
    for env in (0, 1):
        assert steps_as(scene.to_mjcf(env=env), scene, env) < TOLERANCE
        scene.reset()
    assert robot.get_links_mass()[0].tolist() != robot.get_links_mass()[1].tolist()


def test_what_mjcf_cannot_say(tmp_path):
    scene, robot, _arm, _box = machine(tmp_path)
    robot.set_dofs_damping([0.1, 0.2, 0.3], [6, 7, 8])
    with pytest.raises(gs.GenesisException, match=r"joint 'machine/socket' has a damping of its own for each of its"):
        scene.to_mjcf()


def test_weights_that_the_scene_has_of_its_build(tmp_path, caplog):
    (tmp_path / "ball.xml").write_text(
        "<mujoco><worldbody><body><freejoint/><geom size='.1'/></body></worldbody></mujoco>"
    )
    scene = gs.Scene()
    scene.add_entity(gs.morphs.Plane())
    ball = scene.add_entity(gs.morphs.MJCF(file=tmp_path / "ball.xml", pos=(0, 0, 0.09)))
    scene.build()
    ball.set_links_mass(7.0)
    scene.to_mjcf()
    assert sum("softness of constraints" in record.message for record in caplog.records) == 1


def test_a_trajectory_in_a_file(tmp_path):
    scene, robot, arm, _box = machine(tmp_path)
    robot.control_actuators(0.1)
    trajectory = scene.rollout(n_steps=5)
    path = tmp_path / "motion.npz"
    trajectory.save(path)
    with np.load(path) as found:
        assert sorted(found) == sorted(
            ["time", *(f"{name}.{what}" for name in ("machine", "panda", "box") for what in ("qpos", "dofs_velocity"))]
        )
        assert found["time"].tolist() == pytest.approx([0.002 * k for k in range(6)])
        np.testing.assert_array_equal(found["machine.qpos"], trajectory.qpos(robot).detach())
        np.testing.assert_array_equal(found["panda.dofs_velocity"], trajectory.dofs_velocity(arm).detach())
    log = gs.tools.Log.read(path, scene)
    np.testing.assert_allclose(log.measurements["panda.qpos"], trajectory.qpos(arm).detach())
    for wrong in (tmp_path / "motion.csv", 3, tmp_path / "no" / "motion.npz"):
        with pytest.raises(gs.GenesisException, match=r"trajectory\.save: "):
            trajectory.save(wrong)


def test_where_a_mocap_body_starts_stays_what_the_file_says(tmp_path):
    """Its offset means nothing here: it is where it is commanded to be."""
    path = tmp_path / "mocap.xml"
    path.write_text(
        '<mujoco><option timestep="0.004"/><worldbody><body name="hand" mocap="true" pos="0 0 1"><geom size=".05" contype="0" conaffinity="0"/></body>'
        '<body name="ball" pos="0 0 1"><freejoint/><geom size=".05"/></body></worldbody>'
        '<equality><weld body1="hand" body2="ball"/></equality></mujoco>'
    )
    scene = gs.Scene(sim_options=gs.options.SimOptions(dt=0.004))
    robot = scene.add_entity(gs.morphs.MJCF(file=str(path)))
    scene.build()
    robot.set_links_offset_pos([[0.1, 0.0, 1.0]], [robot.get_link("hand").idx_local])
    model = mujoco.MjModel.from_xml_string(scene.to_mjcf())
    data = mujoco.MjData(model)
    for _ in range(20):
        mujoco.mj_step(model, data)
        scene.step()
    np.testing.assert_allclose(robot.get_qpos().numpy(), data.qpos, rtol=0, atol=TOLERANCE)


def test_the_text_is_not_written_to_a_path(tmp_path):
    scene, _ = build('<mujoco><worldbody><body><joint/><geom size=".1"/></body></worldbody></mujoco>')
    with pytest.raises(gs.GenesisException, match=r"`env` is 'scene.xml'.*returns the text.*write_text"):
        scene.to_mjcf("scene.xml")
