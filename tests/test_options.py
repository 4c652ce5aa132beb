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
    gs.morphs.Mesh(file="a.obj", convexify=True, decimate=False)


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
    "rigid dt": (lambda: o.RigidOptions(dt=0.1), r"dt=0\.1 is not supported: .*set SimOptions\(dt=\.\.\.\)"),
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
    "is_free": (lambda: m.Sphere(is_free=False), r"is_free=False is not supported: use fixed=True or fixed=False"),
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
    "not convex": (lambda: m.Mesh(file="a", convexify=False), r"convexify=False: a mesh collides as its convex hull"),
    "decimate": (lambda: m.Mesh(file="a", decimate=True), r"decimate=True: meshes are used as they are"),
    "flat heights": (
        lambda: m.Terrain(height_field=[1, 2]),
        r"two-dimensional array of at least 2 x 2 numbers, got shape \(2,\)",
    ),
    "ragged heights": (lambda: m.Terrain(height_field=[[1], [1, 2]]), r"expected a two-dimensional array of numbers"),
    "nan heights": (lambda: m.Terrain(height_field=[[1, 2], [3, math.nan]]), r"expected finite numbers"),
    "rho": (lambda: gs.materials.Rigid(rho=0), r"Rigid: rho=0: expected a value greater than 0"),
    "friction": (lambda: gs.materials.Rigid(friction=-1), r"friction=-1: expected a value greater than or equal to 0"),
    "coupling": (
        lambda: gs.materials.Rigid(needs_coup=False),
        r"needs_coup=False is not supported: there is no other solver",
    ),
    "color": (lambda: gs.surfaces.Default(color=(1, 0)), r"color=\(1, 0\): expected three or four numbers from 0 to 1"),
    "color range": (lambda: gs.surfaces.Default(color=(255, 0, 0)), r"expected three or four numbers from 0 to 1"),
    "opacity twice": (lambda: gs.surfaces.Default(color=(1, 0, 0, 1), opacity=1), r"leave out opacity=1\.0"),
    "texture": (
        lambda: gs.surfaces.Default(diffuse_texture=1),
        r"diffuse_texture=1 is not supported: textures are not",
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
