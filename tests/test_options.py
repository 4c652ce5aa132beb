"""Options, morphs, materials and surfaces: defaults, what they accept, and what they say to what they refuse."""

import math
from pathlib import Path

import numpy as np
import pydantic
import pytest
import torch

import genesis as gs
from genesis.math.rotation import xyz_to_quat


def test_defaults_of_the_contract():
    sim = gs.options.SimOptions()
    assert (sim.dt, sim.substeps, sim.gravity, sim.floor_height, sim.requires_grad) == (
        0.01,
        1,
        (0, 0, -9.81),
        0,
        False,
    )
    rigid = gs.options.RigidOptions()
    assert all(value is None for value in rigid.model_dump(exclude={"unsupported"}).values())
    assert rigid.unsupported == "refuse"
    material = gs.materials.Rigid()
    assert (material.rho, material.friction, material.gravity_compensation) == (None, None, 0.0)
    assert gs.morphs.URDF(file="a.urdf").default_armature is None
    assert gs.morphs.MJCF(file="a.xml").default_armature is None
    assert gs.surfaces.Default().rgba is None
    assert gs.options.VisOptions().show_world_frame
    assert gs.options.ViewerOptions().camera_fov == 40.0


def test_numbers_come_as_arrays_and_tensors_too():
    options = gs.options.SimOptions(gravity=np.array([0, 0, -1.62]), dt=np.float32(0.5))
    assert options.gravity == (0.0, 0.0, -1.62)
    assert options.dt == 0.5
    assert gs.options.SimOptions(gravity=gs.tensor([0.0, 0.0, -3.7])).gravity == (0.0, 0.0, -3.7)
    assert gs.morphs.Box(size=[1, 2, 3], pos=torch.ones(3)).pos == (1.0, 1.0, 1.0)
    assert gs.morphs.Mesh(file=Path("a.obj"), scale=np.array([1, 2, 3])).scale == (1.0, 2.0, 3.0)
    assert gs.morphs.Mesh(file="a.obj", scale=2).scale == 2.0


SWITCHES = (
    "enable_collision",
    "enable_joint_limit",
    "enable_self_collision",
    "enable_adjacent_collision",
    "disable_constraint",
)


def test_rigid_options():
    options = gs.options.RigidOptions(
        enable_collision=False,
        enable_joint_limit=False,
        enable_self_collision=False,
        disable_constraint=True,
        integrator=gs.integrator.RK4,
        constraint_solver=gs.constraint_solver.Newton,
        iterations=50,
        tolerance=1e-8,
        ls_iterations=20,
        friction_cone=gs.friction_cone.elliptic,
        impratio=1.0,
        max_contacts=100,
        batch_dofs_info=True,
    )
    assert options.integrator is gs.integrator.RK4
    for name in SWITCHES:
        for value in (None, True, False):
            assert getattr(gs.options.RigidOptions(**{name: value}), name) is value
    assert gs.options.RigidOptions(integrator="implicitfast").integrator is gs.integrator.implicitfast
    approximate = gs.options.RigidOptions(integrator=gs.integrator.approximate_implicitfast)
    assert approximate.integrator is gs.integrator.implicitfast


def test_descriptions_do_not_change():
    box = gs.morphs.Box(size=(1, 1, 1))
    with pytest.raises(pydantic.ValidationError, match="frozen"):
        box.size = (2, 2, 2)
    heights = np.zeros((3, 3))
    terrain = gs.morphs.Terrain(height_field=heights)
    heights[0, 0] = 1.0
    assert terrain.height_field[0, 0] == 0.0
    with pytest.raises(ValueError, match="read-only"):
        terrain.height_field[0, 0] = 1.0


def test_box_by_corners():
    box = gs.morphs.Box(lower=(0, 0, 1), upper=(1, 2, 4))
    assert box.size == (1.0, 2.0, 3.0)
    assert box.pos == (0.5, 1.0, 2.5)
    assert gs.morphs.Box(size=(1, 2, 3), pos=(0, 0, 1)).size == (1.0, 2.0, 3.0)


def test_orientation():
    assert gs.morphs.Sphere().orientation == (1.0, 0.0, 0.0, 0.0)
    assert gs.morphs.Sphere(quat=(0, 2, 0, 0)).orientation == (0.0, 1.0, 0.0, 0.0)
    exact = (math.sqrt(0.5), 0.0, math.sqrt(0.5), 0.0)
    assert gs.morphs.Sphere(quat=exact).orientation == exact
    degrees = (20.0, -35.0, 110.0)
    expected = xyz_to_quat(torch.deg2rad(torch.tensor(degrees)))
    assert gs.morphs.Sphere(euler=degrees).orientation == pytest.approx(expected.tolist(), abs=1e-15)


def test_plane_normal_is_normalised():
    assert gs.morphs.Plane(normal=(0, 3, 4)).normal == (0.0, 0.6, 0.8)


def test_colors():
    assert gs.surfaces.Default(color=(1, 0, 0)).rgba == (1, 0, 0, 1)
    assert gs.surfaces.Rough(color=(1, 0, 0), opacity=0.5).rgba == (1, 0, 0, 0.5)
    assert gs.surfaces.Metal(color=(1, 0, 0, 0.25)).rgba == (1, 0, 0, 0.25)
    for name in ("Plastic", "Smooth", "Reflective", "Glass", "Emission"):
        assert isinstance(getattr(gs.surfaces, name)(), gs.surfaces.Surface)


def test_arguments_without_effect_that_genesis_programs_pass():
    gs.morphs.URDF(file="a.urdf", requires_jac_and_IK=True, merge_fixed_links=False, links_to_keep=["hand"])
    gs.morphs.Box(size=(1, 1, 1), batch_fixed_verts=True)
    mesh = gs.morphs.Mesh(file="a.obj", convexify=True, decimate=True, decimate_face_num=50, order=2, align=False)
    assert mesh.idle_arguments() == ["decimate", "decimate_face_num", "order"]
    assert gs.morphs.Sphere(is_free=True).idle_arguments() == ["is_free"]
    rigid = gs.options.RigidOptions(box_box_detection=True, use_gjk_collision=True, max_collision_pairs=0, iterations=5)
    assert rigid.idle_arguments() == ["box_box_detection", "max_collision_pairs", "use_gjk_collision"]
    material = gs.materials.Rigid(needs_coup=True, coup_friction=0.3, friction=1.0)
    assert material.idle_arguments() == ["coup_friction", "needs_coup"]
    assert gs.options.MPMOptions(grid_density=32).grid_density == 32
    assert gs.options.MPMOptions().lower_bound == (-1.0, -1.0, 0.0)


def test_older_names_of_genesis():
    assert gs.options.VisOptions(n_rendered_envs=3).rendered_envs_idx == (0, 1, 2)
    assert gs.options.VisOptions(rendered_envs_idx=list(range(2))).rendered_envs_idx == (0, 1)
    assert gs.options.VisOptions(env_separate_rigid=True).split_envs
    assert gs.options.RigidOptions(contact_resolve_time=0.02).timeconst == 0.02
    assert gs.options.RigidOptions(constraint_timeconst=0.01).timeconst == 0.01
    assert gs.options.CouplerOptions is gs.options.LegacyCouplerOptions


def test_meshes_with_another_axis_up():
    assert not gs.morphs.Mesh(file="a.obj").is_yup
    assert gs.morphs.Mesh(file="a.GLB").is_yup
    assert not gs.morphs.Mesh(file="a.glb", file_meshes_are_zup=True).is_yup
    assert gs.morphs.Mesh(file="a.obj", parse_glb_with_zup=True).is_yup
    assert gs.morphs.Mesh(file="a.obj", convexify=False).decomposition_threshold == 0.05


def test_textures():
    red = gs.textures.ColorTexture(color=(1, 0, 0))
    assert gs.surfaces.Rough(diffuse_texture=red).rgba == (1, 0, 0, 1)
    assert gs.textures.ColorTexture(color=0.5).color == (0.5,)
    assert len(gs.textures.BatchTexture.from_colors([(1, 0, 0), (0, 1, 0)]).textures) == 2
    images = gs.textures.BatchTexture.from_images(image_arrays=[np.zeros((2, 2, 3)), np.ones((2, 2, 3))])
    assert [texture.image_array.mean() for texture in images.textures] == [0.0, 1.0]
    assert gs.surfaces.Gold().metal_type == "gold"
    assert gs.renderers.RayTracer(lights=[{"pos": (0, 0, 5), "radius": 1}]).lights[0].pos == (0.0, 0.0, 5.0)


o, m = gs.options, gs.morphs
WRONG = {
    "dt zero": (lambda: o.SimOptions(dt=0), r"SimOptions: dt=0: expected a value greater than 0\."),
    "dt nan": (lambda: o.SimOptions(dt=math.nan), r"dt=nan: expected a finite number"),
    "dt text": (lambda: o.SimOptions(dt="fast"), r"dt='fast': expected a valid number"),
    "dt tensor with gradient": (
        lambda: o.SimOptions(dt=torch.tensor(0.01, requires_grad=True)),
        r"got a tensor that requires grad, whose gradient would end here; pass \.detach\(\)",
    ),
    "substeps zero": (lambda: o.SimOptions(substeps=0), r"substeps=0: expected a value greater than 0"),
    "substeps float": (lambda: o.SimOptions(substeps=1.5), r"substeps=1\.5: expected a valid integer"),
    "gravity scalar": (lambda: o.SimOptions(gravity=-9.81), r"gravity=-9\.81: expected a valid tuple"),
    "gravity short": (lambda: o.SimOptions(gravity=(0, -9.81)), r"gravity=\(0, -9\.81\): too few values"),
    "gravity long": (lambda: o.SimOptions(gravity=(0, 0, 0, 1)), r"gravity=\(0, 0, 0, 1\): .*at most 3 items"),
    "gravity infinite": (lambda: o.SimOptions(gravity=(0, 0, math.inf)), r"gravity\.2=inf: expected a finite number"),
    "gravity set": (lambda: o.SimOptions(gravity={1, 2, 3}), r"expected numbers in an order, got a set"),
    "requires_grad number": (lambda: o.SimOptions(requires_grad=1), r"requires_grad=1: expected a valid boolean"),
    "unknown, close": (
        lambda: o.SimOptions(gravty=0),
        r"unknown argument gravty=0; did you mean gravity\? It takes dt, ",
    ),
    "unknown": (lambda: o.SimOptions(foo=0), r"unknown argument foo=0; it takes dt, substeps, gravity"),
    "Genesis's substeps_local": (
        lambda: o.SimOptions(substeps_local=4),
        r"substeps_local=4 is not supported: a step keeps",
    ),
    "several at once": (lambda: o.SimOptions(dt=-1, substeps=0), r"dt=-1: .*; substeps=0: "),
    "collision": (
        lambda: o.RigidOptions(enable_collision=1),
        r"enable_collision=1: expected a valid boolean",
    ),
    "solver": (lambda: o.RigidOptions(constraint_solver="PGS"), r"constraint_solver='PGS': expected 'CG' or 'Newton'"),
    "contacts": (lambda: o.RigidOptions(max_contacts=0), r"max_contacts=0: expected a value greater than 0"),
    "integrator": (
        lambda: o.RigidOptions(integrator="midpoint"),
        r"integrator='midpoint': expected 'Euler', 'implicitfast', 'implicit', 'approximate_implicitfast' or 'RK4'",
    ),
    "rigid dt": (lambda: o.RigidOptions(dt=-1), r"dt=-1: expected a value greater than 0"),
    "signorini": (lambda: o.RigidOptions(contact_resolution=gs.contact_resolution.signorini), r"contact is MuJoCo's"),
    "two time constants": (
        lambda: o.RigidOptions(constraint_timeconst=0.01, contact_resolve_time=0.02),
        r"contact_resolve_time=0\.02 is an older name of constraint_timeconst=0\.01",
    ),
    "rolling alone": (
        lambda: o.RigidOptions(enable_torsional_friction=False, enable_rolling_friction=True),
        r"enable_rolling_friction=True takes enable_torsional_friction=True",
    ),
    "two names of envs": (lambda: o.VisOptions(n_rendered_envs=2, rendered_envs_idx=(0,)), r"is an older name of"),
    "soft solver": (lambda: o.MPMOptions(grid=1), r"MPMOptions: unknown argument grid; it takes dt, gravity"),
    "other contact": (lambda: o.SAPCouplerOptions(), r"SAPCouplerOptions is not supported: contact of rigid bodies"),
    "soft body": (lambda: gs.materials.MPM.Elastic(E=1e5), r"Elastic is not supported: this engine simulates rigid"),
    "tool": (lambda: gs.materials.Tool(), r"Tool is not supported: .*mocap body"),
    "no image": (lambda: gs.textures.ImageTexture(), r"give image_path or image_array, one of the two"),
    "offset": (lambda: m.Sphere(offset_pos=(0, 0, 1)), r"offset_pos=\(0, 0, 1\): an entity stands where pos"),
    "robot's y axis": (lambda: m.URDF(file="a", file_meshes_are_zup=False), r"meshes of robots are taken as they are"),
    "xacro": (lambda: m.URDF(file="a", xacro_args={"a": "b"}), r"xacro_args=.* is not supported: xacro files"),
    "inertia of the shapes": (lambda: m.Mesh(file="a", recompute_inertia=True), r"recompute_inertia=True: inertias"),
    "iterations": (lambda: o.RigidOptions(iterations=0), r"iterations=0: expected a value greater than 0"),
    "fov": (lambda: o.ViewerOptions(camera_fov=180), r"camera_fov=180: expected a value less than 180"),
    "ambient light": (lambda: o.VisOptions(ambient_light=(2, 0, 0)), r"ambient_light\.0=2: expected a value less than"),
    "segmentation": (lambda: o.VisOptions(segmentation_level="body"), r"segmentation_level='body': expected 'entity'"),
    "euler and quat": (
        lambda: m.Sphere(euler=(0, 0, 0), quat=(1, 0, 0, 0)),
        r"euler=\(0\.0, 0\.0, 0\.0\) and quat=\(1\.0, 0\.0, 0\.0, 0\.0\) are both given: give one of them",
    ),
    "zero quat": (lambda: m.Sphere(quat=(0, 0, 0, 0)), r"quat=\(0, 0, 0, 0\): a quaternion of length zero"),
    "short quat": (lambda: m.Sphere(quat=(1, 0, 0)), r"quat=\(1, 0, 0\): too few values"),
    "nan pos": (lambda: m.Sphere(pos=(0, math.nan, 0)), r"pos\.1=nan: expected a finite number"),
    "pos with gradient": (lambda: m.Sphere(pos=torch.zeros(3, requires_grad=True)), r"pos=.*requires grad"),
    "nothing left": (lambda: m.Sphere(visualization=False, collision=False), r"nothing would be left of the entity"),
    "negative radius": (lambda: m.Sphere(radius=-1), r"Sphere: radius=-1: expected a value greater than 0"),
    "zero height": (lambda: m.Cylinder(height=0), r"Cylinder: height=0: expected a value greater than 0"),
    "capsule length": (lambda: m.Capsule(length=1), r"unknown argument length=1; .*it takes.*height"),
    "ellipsoid size": (
        lambda: m.Ellipsoid(size=(1, 1, 1)),
        r"size=\(1, 1, 1\) is not supported: give the half axes, radii",
    ),
    "negative size": (lambda: m.Box(size=(1, 1, -1)), r"Box: size\.2=-1: expected a value greater than 0"),
    "no size": (lambda: m.Box(), r"Box: give size, or lower and upper"),
    "one corner": (lambda: m.Box(lower=(0, 0, 0)), r"lower and upper come together: give both, or size"),
    "corners and size": (lambda: m.Box(size=(1, 1, 1), lower=(0, 0, 0), upper=(1, 1, 1)), r"leave out size and pos"),
    "corners and pos": (lambda: m.Box(pos=(0, 0, 0), lower=(0, 0, 0), upper=(1, 1, 1)), r"leave out size and pos"),
    "corners in the wrong order": (lambda: m.Box(lower=(0, 0, 0), upper=(1, 0, 1)), r"must be below upper="),
    "density": (
        lambda: m.Box(size=(1, 1, 1), density=3),
        r"density=3 is not supported: set gs\.materials\.Rigid\(rho=",
    ),
    "contype": (lambda: m.Sphere(contype=-1), r"contype=-1: expected a value greater than or equal to 0"),
    "moving plane": (lambda: m.Plane(fixed=False), r"fixed=False: an infinite plane cannot move"),
    "normal": (lambda: m.Plane(normal=(0, 0, 0)), r"normal=\(0, 0, 0\): a vector of length zero has no direction"),
    "no file": (lambda: m.URDF(), r"URDF: file is missing"),
    "empty file": (lambda: m.MJCF(file=""), r"file='': expected the path of a file, as text that is not empty"),
    "file number": (lambda: m.Mesh(file=3), r"file=3: expected the path of a file"),
    "urdf scale": (lambda: m.URDF(file="a", scale=(1, 2, 3)), r"scale=\(1, 2, 3\): expected a valid number"),
    "mesh scale": (
        lambda: m.Mesh(file="a", scale=(1, 2)),
        r"scale=\(1, 2\): expected a positive number, or three of them",
    ),
    "mesh scale zero": (lambda: m.Mesh(file="a", scale=0), r"scale=0: expected a positive number"),
    "armature": (
        lambda: m.URDF(file="a", default_armature=-1),
        r"default_armature=-1: expected a value greater than or",
    ),
    "mjcf fixed": (lambda: m.MJCF(file="a", fixed=True), r"fixed=True is not supported: the file says it"),
    "flat heights": (
        lambda: m.Terrain(height_field=[1, 2]),
        r"two-dimensional array of at least 2 x 2 numbers, got shape \(2,\)",
    ),
    "ragged heights": (lambda: m.Terrain(height_field=[[1], [1, 2]]), r"expected a two-dimensional array of numbers"),
    "nan heights": (lambda: m.Terrain(height_field=[[1, 2], [3, math.nan]]), r"expected finite numbers"),
    "rho": (lambda: gs.materials.Rigid(rho=0), r"Rigid: rho=0: expected a value greater than 0"),
    "friction": (lambda: gs.materials.Rigid(friction=-1), r"friction=-1: expected a value greater than or equal to 0"),
    "coupling": (lambda: gs.materials.Rigid(coup_type="ipc_only"), r"an entity moves by this engine's physics"),
    "grids": (lambda: gs.materials.Rigid(sdf_min_res=64, sdf_max_res=32), r"sdf_min_res=64 is above sdf_max_res=32"),
    "color": (lambda: gs.surfaces.Default(color=(1, 0)), r"color=\(1, 0\): expected three or four numbers from 0 to 1"),
    "color range": (lambda: gs.surfaces.Default(color=(255, 0, 0)), r"expected three or four numbers from 0 to 1"),
    "opacity twice": (lambda: gs.surfaces.Default(color=(1, 0, 0, 1), opacity=1), r"leave out opacity=1\.0"),
    "texture": (lambda: gs.surfaces.Default(diffuse_texture=1), r"diffuse_texture=1: expected .* instance of Texture"),
    "color twice": (
        lambda: gs.surfaces.Default(color=(1, 0, 0), diffuse_texture=gs.textures.ColorTexture()),
        r"color and diffuse_texture mean the same: give one of them",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_descriptions(case):
    call, message = WRONG[case]
    with pytest.raises(gs.GenesisException, match=message):
        call()


def test_long_values_are_cut_in_messages():
    with pytest.raises(gs.GenesisException) as caught:
        gs.options.SimOptions(gravity=[0.0] * 10_000)
    assert len(str(caught.value)) < 400
