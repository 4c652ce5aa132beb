"""Composition: the numbers of a composed scene are those of its files compiled alone, in the poses asked for."""

import importlib.metadata
import itertools
import math
import warnings
from pathlib import Path

import gymnasium
import mujoco
import numpy as np
import pytest
import trimesh

import genesis as gs
from genesis.model.compose import GROUND_LINK, EntitySpec, compose, to_mjcf

EXACT = 1e-12  # two ways of compiling the same numbers in float64
MESH = 1e-6  # MuJoCo keeps mesh vertices in float32

GYMNASIUM = Path(gymnasium.__file__).parent / "envs/mujoco/assets"
ROBOTS = Path(
    importlib.metadata.distribution("example-robot-data").locate_file("cmeel.prefix/share/example-robot-data/robots")
)
HUMANOID = ROBOTS / "simple_humanoid_description/urdf/simple_humanoid_classical.urdf"
UR5 = ROBOTS / "ur_description/urdf/ur5_robot.urdf"
ANT = GYMNASIUM / "ant.xml"


def composed(*entities, **options):
    """A scene of (morph, name) or (morph, name, material)."""
    specs = [EntitySpec(entry[0], entry[2] if len(entry) > 2 else None, None, entry[1]) for entry in entities]
    options = {"disable_constraint": True} | options  # most tests are not about contact, and their shapes many
    return compose(specs, gs.options.SimOptions(), gs.options.RigidOptions(**options))


def model_of(*entities, **options):
    return composed(*entities, **options).mj_model


@pytest.fixture
def mjcf(tmp_path):
    """Writes an MJCF file with the given content; returns its path."""

    def write(content, name="model.xml"):
        path = tmp_path / name
        path.write_text(f"<mujoco>{content}</mujoco>")
        return path

    return write


# Per-element arrays of MjModel that say what the dynamics are. Geoms are compared apart: those of the world are moved.
DYNAMICS = ("body_", "jnt_", "dof_", "actuator_", "tendon_", "wrap_", "qpos", "eq_", "sensor_", "key_", "site_")
# They say how collision is organised, which the moved geoms change.
ORGANISATION = (
    "body_geomnum",
    "body_geomadr",
    "body_bvhadr",
    "body_bvhnum",
    "body_contype",
    "body_conaffinity",
    "body_margin",
)
OWN_OPTIONS = ("timestep", "gravity", "disableflags", "solver")  # the scene's, whatever the file says


def assert_same_dynamics(alone, together, entity):
    """The model compiled alone is the entity's part of the scene (bodies, joints, dofs, actuators, sensors, keyframes ...)."""
    starts = {
        alone.njnt: entity.joint_start,
        alone.nv: entity.dof_start,
        alone.nq: entity.q_start,
        alone.nactuator: entity.actuator_start,
    }
    for name in dir(alone):
        if not name.startswith(DYNAMICS) or name in ORGANISATION or "user" in name:
            continue
        expected, found = getattr(alone, name), getattr(together, name)
        if not isinstance(expected, np.ndarray) or expected.size == 0 or name.startswith("key_"):
            continue
        if name.startswith("body_"):
            expected = expected[1:]
            found = found[entity.link_start : entity.link_start + len(expected)]
        else:
            start = starts.get(len(expected), 0) if name.startswith(("jnt_", "dof_", "qpos", "actuator_")) else 0
            found = found[start : start + len(expected)]
        if expected.dtype.kind == "f":
            scale = max(1.0, np.abs(expected).max())
            np.testing.assert_allclose(found, expected, rtol=EXACT, atol=EXACT * scale, err_msg=name)
        elif found.shape == expected.shape and entity.link_start == 1:
            np.testing.assert_array_equal(found, expected, err_msg=name)


GYMNASIUM_FILES = sorted(path.name for path in GYMNASIUM.glob("*.xml"))


@pytest.mark.parametrize("name", GYMNASIUM_FILES)
def test_gymnasium_models(name):
    path = GYMNASIUM / name
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # settotalmass is deprecated
        alone = mujoco.MjSpec.from_file(str(path)).compile()
    scene = composed((gs.morphs.MJCF(file=path), "robot"))
    assert_same_dynamics(alone, scene.mj_model, scene.entities[0])
    for option in dir(alone.opt):
        if not option.startswith("_") and option not in OWN_OPTIONS and not callable(getattr(alone.opt, option)):
            np.testing.assert_array_equal(
                getattr(scene.mj_model.opt, option), getattr(alone.opt, option), err_msg=option
            )
    np.testing.assert_array_equal(scene.mj_model.key_qpos, alone.key_qpos)


def test_urdf_numbers_are_those_of_mujoco():
    text = HUMANOID.read_text()
    end = text.index(">", text.index("<robot")) + 1
    settings = '<mujoco><compiler fusestatic="false" discardvisual="false"/></mujoco>'
    alone = mujoco.MjSpec.from_string(text[:end] + settings + text[end:]).compile()
    scene = composed((gs.morphs.Plane(), "floor"), (gs.morphs.URDF(file=HUMANOID, fixed=True), "robot"))
    assert_same_dynamics(alone, scene.mj_model, scene.entities[1])


# ------------------------------------------------------------------ ranges


def assert_ranges_cover(scene):
    model, ranges = scene.mj_model, scene.entities
    totals = {
        "link": (1, model.nbody),
        "joint": (0, model.njnt),
        "q": (0, model.nq),
        "dof": (0, model.nv),
        "geom": (0, model.ngeom),
        "actuator": (0, model.nu),
        "act": (0, model.na),
    }
    for kind, (first, last) in totals.items():
        edges = [(getattr(entity, f"{kind}_start"), getattr(entity, f"{kind}_end")) for entity in ranges]
        assert edges[0][0] == first
        assert edges[-1][1] == last
        assert all(before[1] == after[0] for before, after in itertools.pairwise(edges))
    for entity in ranges:
        for index, name in enumerate(entity.link_names, entity.link_start):
            assert model.body(index).name == f"{entity.name}/{name}"
        for index, name in enumerate(entity.joint_names, entity.joint_start):
            assert model.joint(index).name == f"{entity.name}/{name}"
            assert entity.link_start <= model.jnt_bodyid[index] < entity.link_end
            assert entity.q_start <= model.jnt_qposadr[index] < entity.q_end
            assert entity.dof_start <= model.jnt_dofadr[index] < entity.dof_end
        for index, name in enumerate(entity.geom_names, entity.geom_start):
            assert model.geom(index).name == f"{entity.name}/{name}"
            assert entity.link_start <= model.geom_bodyid[index] < entity.link_end
        for index, name in enumerate(entity.actuator_names, entity.actuator_start):
            assert model.actuator(index).name == f"{entity.name}/{name}"
        assert len(set(entity.link_names)) == entity.link_end - entity.link_start
        assert len(set(entity.joint_names)) == entity.joint_end - entity.joint_start
        assert len(set(entity.geom_names)) == entity.geom_end - entity.geom_start


def test_ranges_and_names(mjcf):
    actuated = mjcf(
        '<worldbody><body><joint/><geom size="1"/></body><body name="b"><joint/><geom size="1"/></body></worldbody>'
        '<actuator><general joint="joint0" dyntype="filter" dynprm="1"/><motor joint="joint1"/></actuator>'.replace(
            "<joint/>", '<joint name="joint0"/>', 1
        ).replace("<joint/>", '<joint name="joint1"/>', 1)
    )
    scene = composed(
        (gs.morphs.Plane(), "floor"),
        (gs.morphs.MJCF(file=ANT, pos=(2, 0, 0)), "ant"),
        (gs.morphs.Box(size=(1, 1, 1), fixed=True), "block"),
        (gs.morphs.MJCF(file=actuated), "one"),
        (gs.morphs.URDF(file=HUMANOID), "humanoid"),
        (gs.morphs.MJCF(file=actuated), "two"),
        (gs.morphs.Sphere(), "ball"),
    )
    assert_ranges_cover(scene)
    by_name = {entity.name: entity for entity in scene.entities}
    assert [entity.is_free for entity in scene.entities] == [False, True, False, False, True, False, True]
    assert by_name["floor"].link_names == ("plane_baselink",)
    assert by_name["one"].link_names == ("link0", "b")
    assert by_name["one"].actuator_names == ("actuator0", "actuator1")
    assert (by_name["two"].act_start, by_name["two"].act_end) == (1, 2)
    # The ant's floor is a geom of the world in its file.
    assert by_name["ant"].link_names[-1] == GROUND_LINK
    assert by_name["ant"].geom_names[-1] == "floor"


def test_two_copies_and_twenty_entities():
    one = model_of((gs.morphs.MJCF(file=ANT), "a"))
    scene = composed(*((gs.morphs.MJCF(file=ANT, pos=(5.0 * index, 0, 0)), f"ant{index}") for index in range(20)))
    assert_ranges_cover(scene)
    model = scene.mj_model
    for index, entity in enumerate(scene.entities):
        links = slice(entity.link_start, entity.link_end)
        np.testing.assert_array_equal(model.body_mass[links], one.body_mass[1:])
        np.testing.assert_array_equal(model.body_inertia[links], one.body_inertia[1:])
        np.testing.assert_array_equal(model.qpos0[entity.q_start : entity.q_start + 3], (5.0 * index, 0, 0.75))
        gears = model.actuator_gear[entity.actuator_start : entity.actuator_end]
        np.testing.assert_array_equal(gears, one.actuator_gear)


def test_names_that_cannot_be_used():
    with pytest.raises(gs.GenesisException, match=r"two entities are called 'a'"):
        model_of((gs.morphs.Sphere(), "a"), (gs.morphs.Sphere(), "a"))
    with pytest.raises(gs.GenesisException, match=r"must not contain '/'"):
        model_of((gs.morphs.Sphere(), "a/b"))
    with pytest.raises(gs.GenesisException, match=r"must not be empty"):
        model_of((gs.morphs.Sphere(), ""))
    for name in ("\x01", "%s"):
        with pytest.raises(gs.GenesisException, match=r"a name must be printable"):
            model_of((gs.morphs.Sphere(), name))


def test_things_that_are_no_entity(mjcf):
    with pytest.raises(gs.GenesisException, match=r"entity 'a' has no links"):
        model_of((gs.morphs.MJCF(file=mjcf("")), "a"))
    with pytest.raises(gs.GenesisException, match=r"unknown morph 'object'\. Known morphs: URDF"):
        model_of((object(), "a"))


# ------------------------------------------------------------------ poses


def test_poses():
    half = math.sqrt(0.5)
    model = model_of(
        (gs.morphs.Box(size=(1, 1, 1), pos=(1, 2, 3), euler=(0, 0, 90)), "euler"),
        (gs.morphs.Sphere(pos=(4, 5, 6), quat=(0, 1, 0, 0)), "quat"),
        (gs.morphs.MJCF(file=ANT, pos=(1, 0, 0), euler=(90, 0, 0)), "ant"),
    )
    np.testing.assert_allclose(model.qpos0[:7], (1, 2, 3, half, 0, 0, half), atol=EXACT)
    np.testing.assert_allclose(model.qpos0[7:14], (4, 5, 6, 0, 1, 0, 0), atol=EXACT)
    # The ant's torso stands at (0, 0, 0.75) in its file; the pose is applied on its left.
    np.testing.assert_allclose(model.qpos0[14:21], (1, -0.75, 0, half, half, 0, 0), atol=EXACT)


def test_euler_angles_are_extrinsic_xyz():
    angles = np.array((20.0, -30.0, 50.0))
    model = model_of((gs.morphs.Box(size=(1, 1, 1), euler=tuple(angles)), "a"))
    expected = trimesh.transformations.quaternion_from_euler(*np.deg2rad(angles), axes="sxyz")
    np.testing.assert_allclose(model.qpos0[3:7] * np.sign(model.qpos0[3] * expected[0]), expected, atol=EXACT)


def test_several_roots_and_world_geoms(mjcf):
    path = mjcf(
        '<compiler angle="degree"/><worldbody><frame pos="0 0 1" euler="0 0 90"><frame pos="1 0 0">'
        '<geom name="wall" type="box" size="1 2 3" pos="0 0.5 0" euler="90 0 0"/></frame></frame>'
        '<geom name="ground" type="plane" size="1 1 1"/>'
        '<body name="a" pos="0 0 2"><freejoint/><geom name="ga" size="1"/></body>'
        '<body name="b" pos="5 0 2"><joint type="slide"/><geom size="1"/></body></worldbody>'
        '<contact><pair geom1="ground" geom2="ga"/><exclude body1="world" body2="b"/></contact>'
        '<sensor><framepos objtype="geom" objname="wall"/></sensor>'
    )
    alone = mujoco.MjSpec.from_file(str(path)).compile()
    scene = composed((gs.morphs.MJCF(file=path), "m"))
    model = scene.mj_model
    assert scene.entities[0].link_names == ("a", "b", GROUND_LINK)
    for name in ("wall", "ground"):
        for field in ("pos", "quat", "size", "type", "friction"):
            found, expected = getattr(model.geom(f"m/{name}"), field), getattr(alone.geom(name), field)
            np.testing.assert_allclose(found, expected, atol=EXACT, err_msg=f"{name} {field}")
    ground_link = model.body(f"m/{GROUND_LINK}").id
    assert model.body_mass[ground_link] == 0
    assert model.body_weldid[ground_link] == 0
    assert {int(model.pair_geom1[0]), int(model.pair_geom2[0])} == {model.geom("m/ground").id, model.geom("m/ga").id}
    assert model.nexclude == 1
    assert model.exclude_signature[0] == (model.body("m/b").id << 16) + ground_link
    assert model.sensor_objid[0] == model.geom("m/wall").id


def test_keyframes_sensors_cameras_lights_and_sites_come_along(mjcf):
    path = mjcf(
        '<worldbody><light/><camera name="c"/><body name="a"><joint name="j"/><geom size="1"/><site name="s"/></body>'
        '</worldbody><sensor><jointpos joint="j"/></sensor><keyframe><key qpos="0.5"/></keyframe>'
    )
    model = model_of((gs.morphs.MJCF(file=path), "m"), (gs.morphs.MJCF(file=path), "n"))
    assert (model.nlight, model.ncam, model.nsite, model.nsensor, model.nkey) == (2, 2, 2, 2, 2)
    np.testing.assert_array_equal(model.key_qpos, [[0.5, 0], [0, 0.5]])
    assert model.site("n/s").id == 1


# ------------------------------------------------------------------ primitives and meshes

FOUR_THIRDS_PI = 4 / 3 * math.pi


@pytest.mark.parametrize(
    ("morph", "volume", "moments"),
    [
        (gs.morphs.Box(size=(1, 2, 3)), 6, (13 / 12, 10 / 12, 5 / 12)),
        (gs.morphs.Box(lower=(0, 0, 0), upper=(1, 2, 3)), 6, (13 / 12, 10 / 12, 5 / 12)),
        (gs.morphs.Sphere(radius=2), FOUR_THIRDS_PI * 8, (1.6, 1.6, 1.6)),
        (gs.morphs.Cylinder(radius=1, height=2), 2 * math.pi, (7 / 12, 7 / 12, 0.5)),
        (gs.morphs.Ellipsoid(radii=(1, 2, 3)), FOUR_THIRDS_PI * 6, (13 / 5, 10 / 5, 5 / 5)),
        (gs.morphs.Capsule(radius=1, height=2), 2 * math.pi + FOUR_THIRDS_PI, None),
    ],
)
def test_primitives(morph, volume, moments):
    """`moments` are per unit of mass."""
    model = model_of((morph, "a"))
    assert model.body_mass[1] == pytest.approx(1000 * volume, rel=EXACT)
    if moments is not None:
        np.testing.assert_allclose(model.body_inertia[1] / model.body_mass[1], moments, rtol=EXACT)
    assert model.jnt_type.tolist() == [mujoco.mjtJoint.mjJNT_FREE]
    assert model.geom_friction[0, 0] == 1.0
    np.testing.assert_array_equal(model.qpos0[:3], morph.pos)
    fixed = model_of((type(morph)(**{**morph.model_dump(exclude_unset=True), "fixed": True}), "a"))
    assert (fixed.nbody, fixed.nv) == (2, 0)


def test_masks_visibility_and_surface():
    scene = compose(
        [
            EntitySpec(gs.morphs.Sphere(collision=False), None, gs.surfaces.Default(color=(1, 0, 0)), "ghost"),
            EntitySpec(gs.morphs.Sphere(visualization=False, contype=2, conaffinity=4), None, None, "hidden"),
        ],
        gs.options.SimOptions(),
        None,
    )
    model = scene.mj_model
    assert (model.geom_contype.tolist(), model.geom_conaffinity.tolist()) == ([0, 2], [0, 4])
    assert model.geom_group.tolist() == [0, 3]
    np.testing.assert_array_equal(model.geom_rgba[0], (1, 0, 0, 1))


def test_plane():
    model = model_of((gs.morphs.Plane(pos=(0, 0, 1), normal=(0, 1, 0)), "p"))
    normal = np.zeros(3)
    mujoco.mju_rotVecQuat(normal, np.array((0.0, 0.0, 1.0)), model.geom_quat[0])
    np.testing.assert_allclose(normal, (0, 1, 0), atol=EXACT)
    np.testing.assert_array_equal(model.body_pos[1], (0, 0, 1))


def test_terrain():
    """Heights stand where they are said to be: `height_field[i, j]` at x = i, y = j times the horizontal scale."""
    heights = np.array([[0, 1, 2, 3], [4, 9, 6, 7], [-5, 1, 2, 0]])
    morph = gs.morphs.Terrain(height_field=heights, horizontal_scale=0.5, vertical_scale=0.1, pos=(10, 20, 30))
    model = model_of((morph, "t"))
    data = mujoco.MjData(model)
    mujoco.mj_forward(model, data)
    for i, j in ((1, 1), (1, 2)):  # inside, so that no ray grazes the border
        above = np.array((10 + 0.5 * i, 20 + 0.5 * j, 100.0))
        geom = np.zeros(1, dtype=np.int32)
        normal = np.zeros(3)
        distance = mujoco.mj_ray(model, data, above + np.array((1e-9, 2e-9, 0)), (0, 0, -1), None, 1, -1, geom, normal)
        assert above[2] - distance == pytest.approx(30 + 0.1 * heights[i, j], abs=1e-6)  # heights are float32
    flat = model_of((gs.morphs.Terrain(height_field=np.full((3, 3), 7), vertical_scale=1.0), "t"))
    assert flat.geom_pos[0, 2] == 7
    assert not flat.hfield_data.any()


@pytest.mark.parametrize("name", ["a.stl", "a.ply", "a.glb"])
def test_mesh(tmp_path, name):
    box = trimesh.creation.box((1, 2, 3))
    box.apply_translation((0, 0, 5))
    box.export(tmp_path / name)
    morph = gs.morphs.Mesh(file=tmp_path / name, scale=(1, 0.5, 1), pos=(1, 1, 1), file_meshes_are_zup=True)
    model = model_of((morph, "m"))
    assert model.body_mass[1] == pytest.approx(3000, rel=MESH)
    np.testing.assert_allclose(model.body_ipos[1], (0, 0, 5), atol=1e-5)
    np.testing.assert_allclose(np.sort(model.body_inertia[1]) / 250, (2, 10, 10), rtol=1e-5)
    np.testing.assert_array_equal(model.qpos0[:3], (1, 1, 1))


def test_mesh_whose_y_axis_is_up(tmp_path):
    """A .glb file's axes are turned, (x, y, z) -> (x, -z, y), and then scaled, as in Genesis."""
    box = trimesh.creation.box((1, 2, 3))
    box.apply_translation((0, 0, 5))
    box.export(tmp_path / "a.glb")
    model = model_of((gs.morphs.Mesh(file=tmp_path / "a.glb", scale=(1, 0.5, 1)), "m"))
    np.testing.assert_allclose(model.body_ipos[1], (0, -2.5, 0), atol=1e-5)
    np.testing.assert_allclose(np.sort(model.body_inertia[1]) / 250, (3.25, 5, 6.25), rtol=1e-5)


def test_concave_open_and_inverted_meshes(tmp_path):
    """A closed surface weighs what it encloses, also where it is concave or inside out; an open one what its hull encloses."""
    shell = trimesh.creation.annulus(r_min=0.5, r_max=1.0, height=1.0, sections=64)
    assert shell.is_watertight
    enclosed = shell.volume
    shell.export(tmp_path / "ring.stl")
    shell.invert()
    shell.export(tmp_path / "inverted.stl")
    opened = trimesh.creation.box((1, 1, 1))
    opened.update_faces(np.arange(len(opened.faces)) > 1)
    opened.export(tmp_path / "open.stl")
    names = ("ring", "inverted", "open")
    model = model_of(*((gs.morphs.Mesh(file=tmp_path / f"{name}.stl"), name) for name in names))
    np.testing.assert_allclose(model.body_mass[1:], (1000 * enclosed, 1000 * enclosed, 1000), rtol=1e-5)


def test_flat_mesh(tmp_path):
    flat = trimesh.Trimesh([[0, 0, 0], [1, 0, 0], [0, 1, 0], [1, 1, 0]], [[0, 1, 2], [1, 3, 2]])
    flat.export(tmp_path / "flat.stl")
    with pytest.raises(
        gs.GenesisException, match=r"entity 'm' \('.*flat\.stl'\), 'flat': .*the mesh is flat: repair it"
    ):
        model_of((gs.morphs.Mesh(file=tmp_path / "flat.stl"), "m"))


# ------------------------------------------------------------------ scale, armature, material


@pytest.mark.parametrize(
    "morph", [lambda **k: gs.morphs.URDF(file=UR5, **k), lambda **k: gs.morphs.MJCF(file=ANT, **k)]
)
def test_scale(morph):
    factor = 1.7
    small, large = model_of((morph(), "r")), model_of((morph(scale=factor), "r"))
    for name, power in (
        ("body_mass", 3),
        ("body_inertia", 5),
        ("body_pos", 1),
        ("body_ipos", 1),
        ("jnt_pos", 1),
        ("dof_damping", 0),
        ("dof_armature", 0),
        ("jnt_actfrcrange", 0),
        ("jnt_range", 0),  # hinges
        ("actuator_gear", 0),
        ("geom_pos", 1),
    ):
        found, expected = getattr(large, name), factor**power * getattr(small, name)
        tolerance = 1e-5 if name == "geom_pos" else EXACT  # geoms of meshes stand where float32 vertices say
        scale = max(1.0, np.abs(expected).max(initial=0))
        np.testing.assert_allclose(found, expected, rtol=tolerance, atol=tolerance * scale, err_msg=name)


def test_scale_of_slides(mjcf):
    path = mjcf(
        '<worldbody><body pos="1 0 0"><joint type="slide" range="0 2" stiffness="3"/><geom size="1"/></body></worldbody>'
    )
    model = model_of((gs.morphs.MJCF(file=path, scale=2.0, pos=(10, 0, 0)), "m"))
    np.testing.assert_array_equal(model.jnt_range[0], (0, 4))
    np.testing.assert_array_equal(model.body_pos[1], (12, 0, 0))
    assert model.jnt_stiffness[0] == 3


def test_default_armature(mjcf):
    path = mjcf(
        '<worldbody><body><freejoint/><geom size="1"/><body><joint armature="0.3"/><geom size="1"/><body>'
        '<joint type="ball"/><geom size="1"/></body></body></body></worldbody>'
    )
    model = model_of((gs.morphs.MJCF(file=path), "a"), (gs.morphs.MJCF(file=path, default_armature=0.1), "b"))
    np.testing.assert_array_equal(model.dof_armature[:10], [0] * 6 + [0.3] + [0] * 3)
    np.testing.assert_array_equal(model.dof_armature[10:], [0] * 6 + [0.3] + [0.1] * 3)
    arm = model_of((gs.morphs.URDF(file=UR5, fixed=True, default_armature=0.2), "r"))
    np.testing.assert_array_equal(arm.dof_armature, np.full(6, 0.2))


def test_material(mjcf, caplog):
    path = mjcf(
        '<worldbody><body name="a"><freejoint/><geom size="1" mass="3"/><geom size="1" mass="0"/>'
        '<body name="b"><joint/><inertial pos="0 0 1" mass="2" diaginertia="1 1 1"/><geom type="box" size="1 1 1"/></body>'
        '<body name="c"><joint axis="1 0 0"/><inertial pos="0 0 1" mass="2" diaginertia="1 1 1"/></body>'
        "</body></worldbody>"
    )
    rigid = gs.materials.Rigid(rho=500, friction=0.4, gravity_compensation=1.0)
    model = model_of((gs.morphs.MJCF(file=path), "m", rigid), (gs.morphs.Sphere(), "s", gs.materials.Rigid(rho=10)))
    np.testing.assert_allclose(
        model.body_mass[1:], (500 * FOUR_THIRDS_PI, 4000, 2, 10 * FOUR_THIRDS_PI * 0.125), rtol=EXACT
    )
    np.testing.assert_allclose(model.body_inertia[2], np.full(3, 4000 * 8 / 12), rtol=EXACT)
    np.testing.assert_array_equal(model.body_ipos[2], 0)
    np.testing.assert_array_equal(model.geom_friction[:, 0], (0.4, 0.4, 0.4, 1.0))
    np.testing.assert_array_equal(model.body_gravcomp[1:], (1, 1, 1, 0))
    assert "rho=500 changes nothing for links without a solid shape: c" in caplog.text
    unchanged = model_of((gs.morphs.MJCF(file=path), "m", gs.materials.Rigid()))
    np.testing.assert_allclose(unchanged.body_mass[1:], (3, 2, 2), rtol=EXACT)


def test_density_counts_no_drawn_shape_twice(mjcf):
    stated = '<inertial pos="0 0 0" mass="2" diaginertia="1 1 1"/>'
    drawn = '<geom type="box" size="1 1 1" contype="0" conaffinity="0"/>'
    body = '<body><freejoint/>{}<geom type="box" size="1 1 1"/>' + drawn + "</body>"
    path = mjcf("<worldbody>" + body.format(stated) + body.format("") + "</worldbody>")
    model = model_of((gs.morphs.MJCF(file=path), "m", gs.materials.Rigid(rho=10)))
    # Where the file itself adds up all shapes (no <inertial>), so does the density.
    np.testing.assert_allclose(model.body_mass[1:], (80, 160), rtol=EXACT)


# ------------------------------------------------------------------ options

BODY = '<worldbody><body><joint/><geom size="1"/></body></worldbody>'


def test_time_step_and_gravity_are_the_scenes(mjcf):
    path = mjcf('<option timestep="0.5" gravity="0 0 1"><flag gravity="disable"/></option>' + BODY)
    options = gs.options.SimOptions(dt=0.02, substeps=4, gravity=(1, 2, 3))
    model = compose([EntitySpec(gs.morphs.MJCF(file=path))], options, None).mj_model
    assert model.opt.timestep == pytest.approx(0.005)
    np.testing.assert_array_equal(model.opt.gravity, (1, 2, 3))
    assert model.opt.disableflags == 0


def test_options_of_files_and_of_the_scene(mjcf):
    rk4 = gs.morphs.MJCF(file=mjcf('<option integrator="RK4" impratio="3"/>' + BODY, "rk4.xml"))
    silent = gs.morphs.MJCF(file=mjcf(BODY, "silent.xml"))
    kinds = mujoco.mjtIntegrator
    assert model_of((silent, "a")).opt.integrator == kinds.mjINT_EULER
    model = model_of((gs.morphs.Plane(), "p"), (silent, "a"), (rk4, "b"), (rk4, "c"))
    assert (model.opt.integrator, model.opt.impratio) == (kinds.mjINT_RK4, 3)
    overruled = model_of(
        (rk4, "a"),
        integrator=gs.integrator.implicitfast,
        friction_cone=gs.friction_cone.elliptic,
        constraint_solver=gs.constraint_solver.CG,
        iterations=7,
        tolerance=1e-3,
        ls_iterations=5,
        ls_tolerance=0.5,
        impratio=2.0,
    ).opt
    assert overruled.integrator == kinds.mjINT_IMPLICITFAST
    assert overruled.cone == mujoco.mjtCone.mjCONE_ELLIPTIC
    assert overruled.solver == mujoco.mjtSolver.mjSOL_NEWTON
    assert (overruled.iterations, overruled.ls_iterations) == (7, 5)
    assert (overruled.tolerance, overruled.ls_tolerance, overruled.impratio) == (1e-3, 0.5, 2.0)


@pytest.mark.parametrize(
    ("one", "other", "message", "overruling"),
    [
        (
            'integrator="RK4"',
            'integrator="Euler"',
            r"integrator is RK4 in '.*one\.xml' \(entity 'a'\) and EULER in '.*other\.xml' \(entity 'b'\)\. "
            r"RigidOptions\(integrator=\.\.\.\) decides",
            {"integrator": gs.integrator.Euler},
        ),
        ('impratio="2"', 'impratio="3"', r"impratio is 2\.0 in .* and 3\.0 in", {"impratio": 1.0}),
        ('cone="elliptic"', 'cone="pyramidal"', r"friction_cone=\.\.\.", {"friction_cone": gs.friction_cone.elliptic}),
        ('magnetic="0 0 1"', 'magnetic="0 0 2"', r"magnetic is \[0\.0, 0\.0, 1\.0\] in .*Make the files agree", None),
    ],
)
def test_files_that_contradict_each_other(mjcf, one, other, message, overruling):
    entities = [
        (gs.morphs.MJCF(file=mjcf(f"<option {one}/>" + BODY, "one.xml")), "a"),
        (gs.morphs.MJCF(file=mjcf(f"<option {other}/>" + BODY, "other.xml")), "b"),
    ]
    with pytest.raises(gs.GenesisException, match=message):
        model_of(*entities)
    if overruling:
        assert model_of(*entities, **overruling).nbody == 3


def test_flags(mjcf):
    def entity(flags, name):
        return gs.morphs.MJCF(file=mjcf(f"<option><flag {flags}/></option>" + BODY, f"{name}.xml")), name

    bits = mujoco.mjtDisableBit
    model = model_of(entity('damper="disable"', "a"), entity('energy="enable" spring="enable"', "b"))
    assert model.opt.disableflags == bits.mjDSBL_CONSTRAINT | bits.mjDSBL_DAMPER  # model_of disables constraints
    assert model.opt.enableflags == mujoco.mjtEnableBit.mjENBL_ENERGY
    with pytest.raises(gs.GenesisException, match=r"flag spring is disable in '.*a\.xml' .* and enable in '.*b\.xml'"):
        model_of(entity('spring="disable"', "a"), entity('spring="enable"', "b"))


def test_a_file_without_gravity(mjcf, caplog):
    file = mjcf('<option><flag gravity="disable"/></option>' + BODY)
    model = model_of((gs.morphs.MJCF(file=file), "a"), (gs.morphs.MJCF(file=file), "b"))
    assert model.opt.gravity[2] == -9.81
    assert not model.opt.disableflags & mujoco.mjtDisableBit.mjDSBL_GRAVITY
    assert len(caplog.records) == 1
    assert caplog.text.count(str(file)) == 1
    assert "SimOptions(gravity=(0,0,0))" in caplog.text
    caplog.clear()
    entity = EntitySpec(gs.morphs.MJCF(file=file), name="a")
    compose([entity], gs.options.SimOptions(gravity=(0, 0, 0)), gs.options.RigidOptions(disable_constraint=True))
    assert not caplog.records


def test_settings_of_files_meet_without_a_warning(mjcf, caplog, capfd, recwarn):
    one = mjcf(
        '<option timestep="0.1"/><size nuser_geom="2" memory="1M"/><visual><map znear="0.3"/></visual>' + BODY,
        "one.xml",
    )
    other = mjcf(
        '<option timestep="0.2"/><size nuser_geom="3"/><visual><map znear="0.4"/></visual>' + BODY, "other.xml"
    )
    model = model_of((gs.morphs.MJCF(file=one), "a"), (gs.morphs.MJCF(file=other), "b"))
    assert (model.nuser_geom, model.vis.map.znear) == (3, np.float32(0.3))
    captured = capfd.readouterr()
    assert (caplog.text, captured.out, captured.err, len(recwarn)) == ("", "", "", 0)


# What each option does to the flags of a file that says the contrary.
SWITCHES = {
    "disable_constraint": ("constraint", True),
    "enable_collision": ("contact", False),
    "enable_joint_limit": ("limit", False),
    "enable_adjacent_collision": ("filterparent", True),
}


@pytest.mark.parametrize("option", SWITCHES)
def test_constraint_switches(mjcf, option):
    flag, setting = SWITCHES[option]
    bit = int(getattr(mujoco.mjtDisableBit, f"mjDSBL_{flag.upper()}"))
    off, on, silent = (
        gs.morphs.MJCF(file=mjcf(f"<option><flag {text}/></option>" + BODY, name))
        for text, name in ((f'{flag}="disable"', "off.xml"), (f'{flag}="enable"', "on.xml"), ("", "silent.xml"))
    )

    def flags(*morphs, **options):
        specs = [EntitySpec(morph, name=f"e{index}") for index, morph in enumerate(morphs)]
        return compose(specs, None, gs.options.RigidOptions(**options)).mj_model.opt.disableflags

    for morph, stated in ((off, bit), (on, 0), (silent, 0)):
        assert flags(morph) == stated
        assert flags(morph, **{option: setting}) == bit
        assert flags(morph, **{option: not setting}) == 0
    with pytest.raises(gs.GenesisException, match=rf"flag {flag} is .*RigidOptions\({option}=\.\.\.\) decides"):
        flags(off, on)
    assert flags(off, on, **{option: setting}) == bit


def test_other_solvers_run_as_newton(mjcf, caplog):
    caplog.set_level("INFO", logger=gs.logger.name)
    file = gs.morphs.MJCF(file=mjcf('<option solver="PGS"/>' + BODY))
    for options in ({}, {"constraint_solver": gs.constraint_solver.CG}):
        caplog.clear()
        assert model_of((file, "a"), **options).opt.solver == mujoco.mjtSolver.mjSOL_NEWTON
        assert len(caplog.records) == 1
        assert f"the constraint solver {'CG' if options else 'PGS'} is not here: Newton solves" in caplog.text
    caplog.clear()
    model_of((file, "a"), constraint_solver=gs.constraint_solver.Newton)
    assert not caplog.records


def test_links_of_one_entity_do_not_touch(mjcf):
    """Everything overlaps; the file's floor is not the entity's own body, and two entities touch as ever."""
    robot = """<worldbody>{}
        <body name="a"><freejoint/><geom name="g" size="0.1"/></body><body name="b"><freejoint/><geom size="0.1"/></body>
        <body name="c"><freejoint/><geom name="h" size="0.1"/></body></worldbody>
        <contact><pair geom1="g" geom2="h"/>{}<exclude body1="b" body2="a"/></contact>"""
    floor = '<geom name="floor" type="plane" size="1 1 1"/>', '<pair geom1="floor" geom2="h"/>'
    entities = [
        (gs.morphs.MJCF(file=mjcf(robot.format(*parts), f"{name}.xml")), name)
        for name, parts in (("one", floor), ("two", ("", "")))
    ]

    def touching(**options):
        model = model_of(*entities, disable_constraint=None, **options)
        data = mujoco.MjData(model)
        mujoco.mj_forward(model, data)
        names = [[model.body(model.geom_bodyid[geom]).name for geom in pair] for pair in data.contact.geom]
        return {tuple(sorted(pair)) for pair in names}, model

    both, _ = touching()
    apart, model = touching(enable_self_collision=False)
    own = {(f"{name}/{link}", f"{name}/c") for name in ("one", "two") for link in "ab"}
    assert own <= both
    assert apart == both - own
    assert (model.npair, model.nexclude) == (1, 6)


# ------------------------------------------------------------------ errors of the compiler


def test_massless_links_are_named(mjcf, tmp_path):
    with pytest.raises(
        gs.GenesisException, match=r"entity 'm' \('.*model\.xml'\), 'arm': mass and inertia of moving .*<inertial>"
    ):
        model_of((gs.morphs.MJCF(file=mjcf('<worldbody><body name="arm"><joint/></body></worldbody>')), "m"))
    robot = tmp_path / "robot.urdf"
    robot.write_text('<robot name="r"><link name="base"/></robot>')
    with pytest.raises(gs.GenesisException, match=r"(?s)entity 'r': .*link 'base' moves, and has no mass.*fixed=True"):
        model_of((gs.morphs.URDF(file=robot, repair=False), "r"))
    assert model_of((gs.morphs.URDF(file=robot, fixed=True), "r")).nbody == 2


def test_errors_of_files_name_the_entity(mjcf):
    with pytest.raises(gs.GenesisException, match=r"entity 'arm': '.*ur5_robot\.urdf': links_to_keep: .*'tool0'"):
        model_of((gs.morphs.URDF(file=UR5, links_to_keep=["tool"]), "arm"))
    with pytest.raises(
        gs.GenesisException, match=r"entity 'm': '.*model\.xml', line 1, joint 'j': <joint ref=\"nan\">"
    ):
        model_of((gs.morphs.MJCF(file=mjcf('<worldbody><body><joint name="j" ref="nan"/></body></worldbody>')), "m"))


# ------------------------------------------------------------------ back to MJCF


def test_mjcf_of_a_scene_compiles_to_the_same_numbers(tmp_path):
    trimesh.creation.icosphere(subdivisions=2).export(tmp_path / "a.ply")
    scene = composed(
        (gs.morphs.Plane(), "floor"),
        (gs.morphs.MJCF(file=ANT, pos=(2, 0, 0.1), euler=(10, 20, 30), scale=1.3), "ant"),
        (gs.morphs.MJCF(file=GYMNASIUM / "half_cheetah.xml"), "cheetah"),
        (gs.morphs.URDF(file=UR5, fixed=True, scale=0.7, pos=(0.1, 0.2, 0.3)), "arm"),
        (gs.morphs.Mesh(file=tmp_path / "a.ply", scale=0.3), "mesh"),
        (gs.morphs.Terrain(height_field=np.arange(12).reshape(3, 4)), "terrain"),
        (gs.morphs.Capsule(quat=(1, 2, 3, 4)), "capsule"),
        integrator=gs.integrator.implicitfast,
    )
    again = mujoco.MjModel.from_xml_string(to_mjcf(scene))
    for name in dir(scene.mj_model):
        expected, found = getattr(scene.mj_model, name), getattr(again, name)
        if isinstance(expected, np.ndarray) and expected.dtype.kind == "f":
            np.testing.assert_allclose(found, expected, rtol=EXACT, atol=EXACT, err_msg=name)
        elif isinstance(expected, np.ndarray) and expected.dtype.kind in "iub":
            np.testing.assert_array_equal(found, expected, err_msg=name)
    for name in ("timestep", "gravity", "integrator", "disableflags"):
        np.testing.assert_array_equal(getattr(again.opt, name), getattr(scene.mj_model.opt, name))
