"""Loading of USD files: rigid bodies, joints, masses and shapes of UsdPhysics, beside the same models in MJCF."""

import math
import sys

import mujoco
import numpy as np
import pytest
import torch
import trimesh

import genesis as gs
from genesis.model.compose import EntitySpec, compose
from tests.helpers import check_gradient

EXACT = 1e-9  # the files' numbers are exact in 32 bits; a few roundings in 64 remain
SINGLE = 1e-6  # numbers that USD, or MuJoCo's meshes, keep in 32 bits

HEADER = """#usda 1.0
(
    defaultPrim = "robot"
    metersPerUnit = {length}
    kilogramsPerUnit = {mass}
    upAxis = "{up}"
)
"""
BODY = "PhysicsRigidBodyAPI"
MASS = "PhysicsMassAPI"
COLLIDES = "PhysicsCollisionAPI"


def prim(kind, name, content="", schemas=()):
    applied = ", ".join(f'"{schema}"' for schema in schemas)
    metadata = f"(prepend apiSchemas = [{applied}])" if applied else ""
    return f'def {kind} "{name}" {metadata}\n{{\n{content}\n}}\n'


def at(x, y, z):
    return f'double3 xformOp:translate = ({x}, {y}, {z})\nuniform token[] xformOpOrder = ["xformOp:translate"]\n'


def scaled(x, y, z):
    return f'double3 xformOp:scale = ({x}, {y}, {z})\nuniform token[] xformOpOrder = ["xformOp:scale"]\n'


def joint(kind, name, body0, body1, content="", schemas=()):
    ends = "".join(f"rel physics:body{end} = <{body}>\n" for end, body in enumerate((body0, body1)) if body is not None)
    return prim(f"Physics{kind}Joint", name, ends + content, schemas)


def cube(name="shape", size=1, content="", schemas=(COLLIDES,)):
    return prim("Cube", name, f"double size = {size}\n{content}", schemas)


@pytest.fixture
def usd(tmp_path):
    """Writes a stage whose default prim `robot` has the given content; returns its path."""

    def write(*content, length=1.0, mass=1.0, up="Z", root="Xform", name="robot.usda", beside=""):
        path = tmp_path / name
        header = HEADER.format(length=length, mass=mass, up=up)
        path.write_text(header + prim(root, "robot", "".join(content)) + beside)
        return path

    return write


def model_of(path, **morph):
    return compose([EntitySpec(gs.morphs.USD(file=path, **morph), name="r")]).mj_model


def inertia(model, name):
    """The inertia of a body in its own frame."""
    body = model.body(name)
    turn = np.zeros(9)
    mujoco.mju_quat2Mat(turn, body.iquat)
    turn = turn.reshape(3, 3)
    return turn @ np.diag(body.inertia) @ turn.T


# ------------------------------------------------------------------ an arm, in centimetres and with y up

DRIVE = """
float drive:angular:physics:stiffness = 1024
float drive:angular:physics:damping = 64
float drive:angular:physics:maxForce = 8192
float drive:angular:physics:targetPosition = 30
"""
# The forearm is body0 of its joint, and hangs on the upper arm, its body1: the joint's axis turns round.
ARM = (
    prim(
        "Xform",
        "base",
        at(0, 10, 0) + "float physics:mass = 4\n" + cube(size=20),
        (BODY, MASS, "PhysicsArticulationRootAPI"),
    ),
    prim(
        "Xform",
        "upper",
        at(0, 40, 0)
        + "float physics:density = 0.001953125\n"
        + prim("Capsule", "rod", 'double radius = 4\ndouble height = 32\nuniform token axis = "Y"', (COLLIDES,)),
        (BODY, MASS),
    ),
    prim(
        "Xform",
        "fore",
        at(0, 80, 0) + "float physics:mass = 3\n" + cube(size=2, content=scaled(2, 10, 1)),
        (BODY, MASS),
    ),
    prim(
        "Xform",
        "tool",
        "double3 xformOp:translate = (0, 96, 8)\nfloat xformOp:rotateX = 90\n"
        'uniform token[] xformOpOrder = ["xformOp:translate", "xformOp:rotateX"]\n'
        "float physics:mass = 0.5\nfloat3 physics:diagonalInertia = (10, 20, 28)\n"
        "point3f physics:centerOfMass = (1, 2, 4)\nquatf physics:principalAxes = (0.5, 0.5, 0.5, 0.5)\n",
        (BODY, MASS),
    ),
    joint("Fixed", "root", None, "/robot/base", "point3f physics:localPos0 = (0, 10, 0)"),
    joint(
        "Revolute",
        "shoulder",
        "/robot/base",
        "/robot/upper",
        'uniform token physics:axis = "Z"\nfloat physics:lowerLimit = -90\nfloat physics:upperLimit = 45\n'
        "point3f physics:localPos0 = (0, 10, 0)\npoint3f physics:localPos1 = (0, -20, 0)\n"
        "float physxJoint:armature = 256\n" + DRIVE,
        ("PhysicsDriveAPI:angular",),
    ),
    joint(
        "Prismatic",
        "slide",
        "/robot/fore",
        "/robot/upper",
        'uniform token physics:axis = "Y"\nfloat physics:lowerLimit = -5\nfloat physics:upperLimit = 15\n'
        "point3f physics:localPos0 = (0, -20, 0)\npoint3f physics:localPos1 = (0, 20, 0)\n",
    ),
    joint(
        "Fixed",
        "flange",
        "/robot/fore",
        "/robot/tool",
        "point3f physics:localPos0 = (0, 16, 8)\nquatf physics:localRot1 = (0.70710677, -0.70710677, 0, 0)\n",
    ),
)
# 1 kg cm^2 / s^2 / degree
ANGULAR = 1e-4 * 180 / math.pi
ARM_MJCF = f"""
<mujoco>
  <compiler angle="degree"/>
  <worldbody>
    <body name="base" pos="0 0 .1" quat="{math.sqrt(0.5)!r} {math.sqrt(0.5)!r} 0 0">
      <geom type="box" size=".1 .1 .1" mass="4"/>
      <body name="upper" pos="0 .3 0">
        <joint name="shoulder" axis="0 0 1" pos="0 -.2 0" range="-90 45" armature=".0256" actuatorfrcrange="-.8192 .8192"/>
        <geom type="capsule" size=".04 .16" euler="90 0 0" density="1953.125"/>
        <body name="fore" pos="0 .4 0">
          <joint name="slide" type="slide" axis="0 -1 0" pos="0 -.2 0" range="-.05 .15"/>
          <geom type="box" size=".02 .1 .01" mass="3"/>
          <body name="tool" pos="0 .16 .08" euler="90 0 0">
            <inertial mass=".5" pos=".01 .02 .04" quat=".5 .5 .5 .5" diaginertia=".001 .002 .0028"/>
          </body>
        </body>
      </body>
    </body>
  </worldbody>
  <contact><exclude body1="base" body2="upper"/><exclude body1="fore" body2="upper"/><exclude body1="fore" body2="tool"/></contact>
  <actuator>
    <general name="shoulder" joint="shoulder" biastype="affine" gainprm="{1024 * ANGULAR!r}"
             biasprm="0 {-1024 * ANGULAR!r} {-64 * ANGULAR!r}"/>
  </actuator>
</mujoco>
"""


def test_an_arm_in_centimetres_with_y_up_is_the_same_arm_in_mjcf(usd, caplog):
    model = model_of(usd(*ARM, length=0.01, up="Y"))
    reference = mujoco.MjModel.from_xml_string(ARM_MJCF)
    names = ["base", "upper", "fore", "tool"]
    assert [model.body(i).name for i in range(1, model.nbody)] == [f"r/{name}" for name in names]
    for name in names:
        body, wanted = model.body(f"r/{name}"), reference.body(name)
        for field in ("mass", "pos", "ipos"):
            np.testing.assert_allclose(getattr(body, field), getattr(wanted, field), atol=EXACT, err_msg=field)
        assert abs(body.quat @ wanted.quat) == pytest.approx(1, abs=EXACT)
        np.testing.assert_allclose(inertia(model, f"r/{name}"), inertia(reference, name), atol=EXACT)
    for name in ("shoulder", "slide"):
        made, wanted = model.joint(f"r/{name}"), reference.joint(name)
        for field in ("type", "pos", "axis", "range", "qpos0"):
            np.testing.assert_allclose(getattr(made, field), getattr(wanted, field), atol=EXACT, err_msg=field)
    for field in ("jnt_limited", "jnt_actfrclimited", "jnt_actfrcrange", "dof_armature", "dof_frictionloss",
                  "actuator_gainprm", "actuator_biasprm", "actuator_gear", "geom_size", "nexclude"):  # fmt: skip
        np.testing.assert_allclose(getattr(model, field), getattr(reference, field), atol=EXACT, err_msg=field)
    assert "targets of drives, which wait for a command: /robot/shoulder" in caplog.text

    # The same motion, from the same state: nothing was forgotten. Without an MJCF file the integrator is implicitfast.
    reference.opt.integrator = model.opt.integrator
    one, two = mujoco.MjData(model), mujoco.MjData(reference)
    one.qpos[:] = two.qpos[:] = [0.3, -0.02]
    one.ctrl[:] = two.ctrl[:] = 0.5
    for _ in range(50):
        mujoco.mj_step(model, one)
        mujoco.mj_step(reference, two)
    np.testing.assert_allclose(one.qpos, two.qpos, atol=EXACT)


@pytest.fixture(scope="module")
def arm_scene(tmp_path_factory):
    path = tmp_path_factory.mktemp("usd") / "arm.usda"
    path.write_text(HEADER.format(length=0.01, mass=1, up="Y") + prim("Xform", "robot", "".join(ARM)))
    scene = gs.Scene(sim_options=gs.options.SimOptions(dt=0.002, requires_grad=True))
    robot = scene.add_entity(gs.morphs.USD(file=path, pos=(0.1, 0.2, 0.3), default_armature=0.1))
    scene.build()
    return scene, robot


def test_steps_are_those_of_mujoco(arm_scene):
    scene, robot = arm_scene
    scene.reset()
    model = scene.mj_model
    data = mujoco.MjData(model)
    data.qpos[:], data.ctrl[:] = [0.4, -0.06], 0.2  # the slide is beyond its lower limit
    robot.set_qpos(data.qpos)
    for _ in range(20):
        robot.control_actuators([0.2])
        scene.step()
        mujoco.mj_step(model, data)
    np.testing.assert_allclose(robot.get_qpos().numpy(), data.qpos, atol=EXACT)
    np.testing.assert_allclose(robot.get_dofs_velocity().numpy(), data.qvel, atol=EXACT)
    # The drive's gains are those of PD control; a joint without a drive has the defaults.
    np.testing.assert_allclose(robot.get_dofs_kp()[0].item(), 1024 * ANGULAR, rtol=EXACT)
    np.testing.assert_allclose(robot.get_dofs_kv()[0].item(), 64 * ANGULAR, rtol=EXACT)
    np.testing.assert_allclose(model.dof_armature, [0.0256, 0.1], atol=EXACT)


def test_gradients_are_those_of_central_differences(arm_scene):
    scene, robot = arm_scene

    def run(qpos, target, mass):
        scene.reset()
        robot.set_links_mass(mass)
        robot.set_qpos(qpos)
        for _ in range(5):
            robot.control_dofs_position(target)
            scene.step()
        return robot.get_qpos(), robot.get_links_pos()

    inputs = (torch.tensor([0.4, 0.02]), torch.tensor([0.42, 0.03]), torch.tensor([4.0, 1.5, 3.0, 0.5]))
    check_gradient(run, *(x.double() for x in inputs), names=("qpos", "target", "mass"), eps=1e-3)


# ------------------------------------------------------------------ joints

FREE_OF_A_JOINT = ("rotX", "rotZ", "transY")


@pytest.mark.parametrize("swapped", [False, True])
def test_a_joint_with_several_axes_moves_its_frames_as_usd_says(usd, swapped):
    """E = F0^-1 F1 is a shift along y of frame 0, then turns about x and z; also where body1 is the parent."""
    locks = "".join(
        f"float limit:{axis}:physics:low = 1\nfloat limit:{axis}:physics:high = -1\n"
        for axis in ("transX", "transZ", "rotY")
    )
    bodies = ["/robot/a", "/robot/b"]
    content = (
        "point3f physics:localPos0 = (0.5, 0.25, 0)\npoint3f physics:localPos1 = (-0.25, 0, 0.5)\n"
        "quatf physics:localRot0 = (0.5, 0.5, 0.5, 0.5)\nquatf physics:localRot1 = (0.5, -0.5, 0.5, 0.5)\n" + locks
    )
    model = model_of(
        usd(
            prim("Xform", "a", at(1, 2, 3) + cube(), (BODY, "PhysicsArticulationRootAPI") if not swapped else (BODY,)),
            prim("Xform", "b", at(1, 2, 4) + cube(), (BODY, "PhysicsArticulationRootAPI") if swapped else (BODY,)),
            joint("", "d6", *bodies, content, [f"PhysicsLimitAPI:{axis}" for axis in ("transX", "transZ", "rotY")]),
        )
    )
    assert model.nv == 9
    data = mujoco.MjData(model)
    rng = np.random.default_rng(3)
    frames = []
    for name, position, quat in (
        ("a", (0.5, 0.25, 0), (0.5, 0.5, 0.5, 0.5)),
        ("b", (-0.25, 0, 0.5), (0.5, -0.5, 0.5, 0.5)),
    ):
        local = np.eye(4)
        turn = np.zeros(9)
        mujoco.mju_quat2Mat(turn, np.array(quat))
        local[:3, :3], local[:3, 3] = turn.reshape(3, 3), position
        frames.append((name, local))
    for _ in range(3):
        data.qpos[7:] = rng.uniform(-1, 1, 3)
        mujoco.mj_kinematics(model, data)
        world = []
        for name, local in frames:
            pose = np.eye(4)
            pose[:3, :3], pose[:3, 3] = data.body(f"r/{name}").xmat.reshape(3, 3), data.body(f"r/{name}").xpos
            world.append(pose @ local)
        x, z, y = (float(data.qpos[model.joint(f"r/d6_{axis}").qposadr[0]]) for axis in FREE_OF_A_JOINT)
        wanted = (
            trimesh.transformations.translation_matrix([0, y, 0])
            @ trimesh.transformations.rotation_matrix(x, [1, 0, 0])
            @ trimesh.transformations.rotation_matrix(z, [0, 0, 1])
        )
        np.testing.assert_allclose(np.linalg.inv(world[0]) @ world[1], wanted, atol=SINGLE)


def test_a_joint_starts_where_the_file_shows_it(usd):
    """A hinge that stands at 60 degrees: its position is 60 degrees, and its limits count from the joint's frames."""
    turned = 'float xformOp:rotateZ = 60\nuniform token[] xformOpOrder = ["xformOp:rotateZ"]\n'
    model = model_of(
        usd(
            prim("Xform", "a", cube(), (BODY,)),
            prim("Xform", "b", turned + cube(), (BODY,)),
            joint("Fixed", "root", None, "/robot/a"),
            joint(
                "Revolute", "hinge", "/robot/a", "/robot/b",
                'uniform token physics:axis = "Z"\nfloat physics:lowerLimit = 0\nfloat physics:upperLimit = 90\n',
            ),
        )
    )  # fmt: skip
    assert model.qpos0 == pytest.approx([math.pi / 3], abs=SINGLE)
    np.testing.assert_allclose(model.joint("r/hinge").range, [0, math.pi / 2], atol=EXACT)
    data = mujoco.MjData(model)
    mujoco.mj_kinematics(model, data)
    np.testing.assert_allclose(data.body("r/b").xmat[:2], [0.5, -math.sqrt(0.75)], atol=SINGLE)


def test_frames_that_do_not_meet_are_brought_together(usd, caplog):
    model = model_of(
        usd(
            prim("Xform", "a", cube(), (BODY,)),
            prim("Xform", "b", at(5, 0, 0) + cube(), (BODY,)),
            joint("Fixed", "root", None, "/robot/a"),
            joint("Spherical", "ball", "/robot/a", "/robot/b", "point3f physics:localPos1 = (-2, 0, 0)"),
        )
    )
    np.testing.assert_allclose(model.body("r/b").pos, [2, 0, 0], atol=EXACT)
    assert model.joint("r/ball").type[0] == mujoco.mjtJoint.mjJNT_BALL
    np.testing.assert_allclose(model.joint("r/ball").pos, [-2, 0, 0], atol=EXACT)
    assert "joints whose two frames do not meet" in caplog.text and "/robot/ball" in caplog.text


@pytest.mark.parametrize("excluded", [False, True])
def test_loops_are_closed_by_constraints(usd, excluded):
    """A four-bar linkage: three hinges in the tree, the fourth holds two points of its axis together."""
    places = {"a": (0, 0, 0), "b": (0, 0, 1), "c": (1, 0, 1), "d": (1, 0, 0)}
    bodies = [prim("Xform", name, at(*place) + cube(size=0.1), (BODY,)) for name, place in places.items()]
    pairs = ("ab", "bc", "cd", "da")
    hinges = [
        joint(
            "Revolute", first + second, f"/robot/{first}", f"/robot/{second}",
            'uniform token physics:axis = "Y"\n'
            + "point3f physics:localPos0 = ({}, {}, {})\n".format(*np.subtract(places[second], places[first]) / 2)
            + "point3f physics:localPos1 = ({}, {}, {})\n".format(*np.subtract(places[first], places[second]) / 2)
            + ("uniform bool physics:excludeFromArticulation = true\n" if excluded and first == "b" else ""),
        )
        for first, second in pairs
    ]  # fmt: skip
    model = model_of(usd(*bodies, *hinges, joint("Fixed", "root", None, "/robot/a")))
    assert (model.nv, model.neq) == (3, 2)
    closing = "bc" if excluded else "da"
    assert model.equality(0).name.startswith(f"r/{closing}")
    data = mujoco.MjData(model)
    mujoco.mj_forward(model, data)
    assert abs(data.efc_pos[: data.ne]).max() < EXACT
    for _ in range(100):
        mujoco.mj_step(model, data)
    assert abs(data.qpos).max() > 1e-2  # it moves
    assert abs(data.efc_pos[: data.ne]).max() < 1e-3  # [m]: MuJoCo's constraints are soft


def test_several_joints_between_two_bodies_follow_one_another(usd):
    hinges = [
        joint("Revolute", name, "/robot/a", "/robot/b", f'uniform token physics:axis = "{name}"') for name in "YX"
    ]
    bodies = [prim("Xform", name, cube(), (BODY,)) for name in "ab"]
    model = model_of(usd(*bodies, joint("Fixed", "root", None, "/robot/a"), *hinges))
    assert [model.joint(i).name for i in range(model.njnt)] == ["r/Y", "r/X"]
    np.testing.assert_allclose(model.jnt_axis, [[0, 1, 0], [1, 0, 0]], atol=EXACT)


def test_fixed_decides_about_the_base(usd):
    bodies = [prim("Xform", name, cube(), (BODY,)) for name in "ab"]
    hinge = joint("Revolute", "hinge", "/robot/a", "/robot/b")
    loose, held = usd(*bodies, hinge), usd(*bodies, hinge, joint("Fixed", "root", None, "/robot/a"), name="held.usda")
    assert [model_of(loose, fixed=fixed).nv for fixed in (None, True, False)] == [7, 1, 7]
    assert [model_of(held, fixed=fixed).nv for fixed in (None, True, False)] == [1, 1, 7]
    kinematic = prim("Xform", "a", "bool physics:kinematicEnabled = true\n" + cube(), (BODY,))
    path = usd(kinematic, bodies[1], hinge, name="kinematic.usda")
    assert [model_of(path, fixed=fixed).nv for fixed in (None, False)] == [1, 7]


# ------------------------------------------------------------------ masses and shapes

# A box of half sizes 1, 2, 3 as quads.
CORNERS = "(-1,-2,-3),(1,-2,-3),(1,2,-3),(-1,2,-3),(-1,-2,3),(1,-2,3),(1,2,3),(-1,2,3)"
QUADS = "0,3,2,1, 4,5,6,7, 0,1,5,4, 1,2,6,5, 2,3,7,6, 3,0,4,7"


def box_mesh(name="mesh", content="", schemas=(COLLIDES,)):
    return prim(
        "Mesh",
        name,
        f"point3f[] points = [{CORNERS}]\nint[] faceVertexCounts = [4,4,4,4,4,4]\n"
        f"int[] faceVertexIndices = [{QUADS}]\n{content}",
        schemas,
    )


def box_inertia(mass, x, y, z):
    return mass / 3 * np.diag([y * y + z * z, x * x + z * z, x * x + y * y])


@pytest.mark.parametrize(
    "content", ["", scaled(-1, 1, 1), 'uniform token orientation = "leftHanded"\n'], ids=["plain", "mirrored", "left"]
)
def test_a_floating_body_of_a_mesh_weighs_what_its_box_weighs(usd, content):
    body = prim("Xform", "body", at(0, 0, 10) + box_mesh(content=content), (BODY,))
    model = model_of(usd(body, length=0.125, mass=2.0))
    assert model.nv == 6
    mass = 1000 * 48 * 0.125**3
    np.testing.assert_allclose(model.body("r/body").mass, mass, rtol=SINGLE)
    np.testing.assert_allclose(
        inertia(model, "r/body"), box_inertia(mass, 0.125, 0.25, 0.375), rtol=SINGLE, atol=SINGLE * mass
    )
    np.testing.assert_allclose(model.qpos0[:3], [0, 0, 1.25], atol=EXACT)


SCALED_SHAPES = {
    "ellipsoid": ("Sphere", "double radius = 1\n", (1, 2, 3), "ELLIPSOID", 4 / 3 * math.pi * 6),
    "box": ("Cube", "double size = 2\n", (1, -2, 3), "BOX", 48),
    "long cylinder": ("Cylinder", "double radius = 1\ndouble height = 2\n", (2, 2, 3), "CYLINDER", math.pi * 4 * 6),
    "capsule": ("Capsule", "double radius = 1\ndouble height = 2\n", (2, 2, 2), "CAPSULE", math.pi * 8 * (2 + 4 / 3)),
    # Of 32 sections: the area of a polygon, 0.64 % below the circle's.
    "flat cylinder": ("Cylinder", "double radius = 1\ndouble height = 2\n", (2, 1, 1), "MESH", 0.9936 * math.pi * 4),
    "cone": ("Cone", "double radius = 1\ndouble height = 3\n", (1, 1, 1), "MESH", 0.9936 * math.pi),
}


@pytest.mark.parametrize("name", SCALED_SHAPES)
def test_scaled_primitives_keep_their_volume(usd, name):
    kind, content, scale, geom, volume = SCALED_SHAPES[name]
    model = model_of(usd(prim("Xform", "body", prim(kind, "shape", content + scaled(*scale), (COLLIDES,)), (BODY,))))
    assert model.geom_type[0] == getattr(mujoco.mjtGeom, f"mjGEOM_{geom}")
    np.testing.assert_allclose(model.body_mass[1], 1000 * volume, rtol=1e-4 if geom == "MESH" else EXACT)
    np.testing.assert_allclose(model.body_ipos[1], [0, 0, -0.75 if name == "cone" else 0], atol=SINGLE)


def test_a_sheared_cube_is_a_mesh_of_the_same_volume(usd, caplog):
    """A turned cube under a scale that differs along the axes: a parallelepiped."""
    turned = 'float xformOp:rotateZ = 30\nuniform token[] xformOpOrder = ["xformOp:rotateZ"]\n'
    model = model_of(usd(prim("Xform", "body", scaled(1, 2, 1) + cube(content=turned), (BODY,))))
    assert model.geom_type[0] == mujoco.mjtGeom.mjGEOM_MESH
    np.testing.assert_allclose(model.body_mass[1], 2000, rtol=SINGLE)
    assert "primitives that their scale makes into another shape, which become meshes: /robot/body/shape" in caplog.text


def test_masses_follow_the_order_of_usdphysics(usd):
    """A shape's mass, else its density, else the body's density, else the material's, else 1000 kg/m3."""
    material = prim(
        "Material",
        "steel",
        "float physics:density = 500\nfloat physics:dynamicFriction = 0.25",
        ("PhysicsMaterialAPI",),
    )
    bound = "rel material:binding:physics = </robot/steel>\n"
    bodies = {
        "default": prim("Xform", "default", cube(), (BODY,)),
        "material": prim("Xform", "material", cube(content=bound, schemas=(COLLIDES, "MaterialBindingAPI")), (BODY,)),
        "body": prim("Xform", "body", "float physics:density = 250\n" + cube(content=bound, schemas=(COLLIDES, "MaterialBindingAPI")), (BODY, MASS)),
        "shape": prim("Xform", "shape", "float physics:density = 250\n" + cube(content="float physics:density = 125\n", schemas=(COLLIDES, MASS)), (BODY, MASS)),
        "mass": prim("Xform", "mass", cube(content="float physics:mass = 7\n", schemas=(COLLIDES, MASS)), (BODY,)),
        "whole": prim("Xform", "whole", "float physics:mass = 5\npoint3f physics:centerOfMass = (0, 0, 0.5)\n" + cube(content="float physics:mass = 7\n", schemas=(COLLIDES, MASS)), (BODY, MASS)),
    }  # fmt: skip
    model = model_of(usd(*bodies.values(), material))
    wanted = {"default": 1000, "material": 500, "body": 250, "shape": 125, "mass": 7, "whole": 5}
    for name, mass in wanted.items():
        assert model.body(f"r/{name}").mass[0] == pytest.approx(mass, rel=EXACT), name
        np.testing.assert_allclose(inertia(model, f"r/{name}"), box_inertia(mass, 0.5, 0.5, 0.5), rtol=EXACT)
    np.testing.assert_allclose(model.body("r/whole").ipos, [0, 0, 0.5], atol=EXACT)
    friction = {model.body(model.geom_bodyid[g]).name: model.geom_friction[g, 0] for g in range(model.ngeom)}
    assert friction["r/material"] == 0.25 and friction["r/default"] == 1.0


def test_a_mass_and_an_inertia_without_shapes_are_about_the_origin(usd):
    given = at(0, 50, 0) + "float physics:mass = 2\nfloat3 physics:diagonalInertia = (10, 20, 28)\n"
    model = model_of(usd(prim("Xform", "body", given, (BODY, MASS))))
    assert model.body("r/body").mass[0] == pytest.approx(2, rel=EXACT)
    np.testing.assert_allclose(model.body("r/body").ipos, 0, atol=EXACT)


def test_what_has_no_collision_schema_is_drawn_only(usd):
    body = prim("Xform", "body", cube() + prim("Sphere", "look", "double radius = 5") + box_mesh("hull", 'uniform token physics:approximation = "boundingCube"', (COLLIDES, "PhysicsMeshCollisionAPI")), (BODY,))  # fmt: skip
    path = usd(body)
    model = model_of(path)
    assert [model.geom(g).name for g in range(model.ngeom)] == ["r/shape", "r/look", "r/hull"]
    assert list(model.geom_contype) == [1, 0, 1]
    assert model.body_mass[1] == pytest.approx(49_000, rel=EXACT)  # 1 + 48 m3
    assert model.geom_type[2] == mujoco.mjtGeom.mjGEOM_BOX and list(model.geom_size[2]) == [1, 2, 3]
    assert model_of(path, visualization=False).ngeom == 2
    none = model_of(path, collision=False)
    assert list(none.geom_contype) == [0, 0, 0] and none.body_mass[1] == model.body_mass[1]


def test_shapes_without_a_body_stand_in_the_world(usd):
    ground = prim("Plane", "ground", 'uniform token axis = "Y"\n', (COLLIDES,))
    model = model_of(usd(prim("Xform", "body", at(0, 5, 0) + cube(), (BODY,)), ground, up="Y"))
    plane = model.geom("r/ground")
    assert plane.type[0] == mujoco.mjtGeom.mjGEOM_PLANE and model.body(plane.bodyid[0]).weldid[0] == 0
    turn = np.zeros(9)
    mujoco.mju_quat2Mat(turn, plane.quat)
    np.testing.assert_allclose(turn.reshape(3, 3)[:, 2], [0, 0, 1], atol=EXACT)


def test_references_instances_and_prim_paths(usd):
    wheel = 'def Xform "wheel" (prepend apiSchemas = ["PhysicsRigidBodyAPI"])\n{\n' + cube(schemas=(COLLIDES,)) + "}\n"
    usd(name="part.usda").write_text('#usda 1.0\n(defaultPrim = "wheel")\n' + wheel)
    placed = "".join(
        f'def "{name}" (instanceable = true; prepend references = @./part.usda@)\n{{\n{at(k, 0, 0)}}}\n'
        for k, name in enumerate(("left", "right"))
    )
    path = usd(
        placed, joint("Revolute", "hinge", "/robot/left", "/robot/right", "point3f physics:localPos0 = (1, 0, 0)")
    )
    model = model_of(path)
    assert [model.body(i).name for i in (1, 2)] == ["r/left", "r/right"]
    assert (model.nv, model.ngeom) == (7, 2) and list(model.geom_contype) == [1, 1]
    alone = usd(placed, name="loose.usda")
    assert model_of(alone).nv == 12
    model = model_of(alone, prim_path="/robot/right", scale=2.0)
    assert model.nv == 6 and model.body_mass[1] == pytest.approx(8000, rel=EXACT)


def test_what_does_not_touch_is_excluded(usd):
    """Bodies that a joint ties, filtered pairs, and articulations that do not touch themselves."""
    bodies = [
        prim("Xform", "a", cube() + "rel physics:filteredPairs = </robot/d>\n", (BODY, "PhysicsFilteredPairsAPI")),
        *(prim("Xform", name, cube(), (BODY,)) for name in "bcd"),
    ]
    hinge = joint("Revolute", "hinge", "/robot/a", "/robot/b")

    def pairs(path):
        model = model_of(path)
        names = [model.body(i).name.removeprefix("r/") for i in range(model.nbody)]
        return {"".join(sorted(names[k] for k in divmod(int(sign), 1 << 16))) for sign in model.exclude_signature}

    assert pairs(usd(*bodies, hinge)) == {"ab", "ad"}
    hand = prim("Xform", "hand", "bool physxArticulation:enabledSelfCollisions = false\n" + bodies[2] + bodies[3].replace('"d"', '"e"'), ("PhysicsArticulationRootAPI",))  # fmt: skip
    assert pairs(usd(bodies[0], bodies[1], bodies[3], hand, hinge)) == {"ab", "ad", "ce"}


def test_collision_groups_are_excluded_where_they_part_whole_bodies(usd, caplog):
    """Group `one` does not touch `two`: bodies a and b, and the ground and c, of which another shape is in no group."""
    bodies = [
        prim("Xform", "a", cube("a1"), (BODY,)),
        prim("Xform", "b", cube("b1"), (BODY,)),
        prim("Xform", "c", cube("c1") + cube("c2"), (BODY,)),
        cube("ground"),
    ]
    groups = [
        prim(
            "PhysicsCollisionGroup", name,
            f"rel collection:colliders:includes = [{members}]\nrel physics:filteredGroups = </robot/{other}>",
            ("CollectionAPI:colliders",),
        )
        for name, other, members in (
            ("one", "two", "</robot/a>, </robot/ground>"),
            ("two", "nobody", "</robot/b/b1>, </robot/c/c1>"),
        )
    ]  # fmt: skip
    model = model_of(usd(*bodies, *groups))
    names = [model.body(i).name.removeprefix("r/") for i in range(model.nbody)]
    pairs = {tuple(sorted(names[k] for k in divmod(int(sign), 1 << 16))) for sign in model.exclude_signature}
    assert pairs == {("a", "b"), ("b", "worldbody")}
    assert "filters between some shapes of two bodies, which touch by others: " in caplog.text


def test_meshes_are_split_and_fitted_as_those_of_other_files(usd):
    path = usd(prim("Xform", "body", box_mesh(), (BODY,)))
    model = model_of(path, collision="box")
    colliding = model.geom_contype != 0
    assert list(model.geom_type[colliding]) == [mujoco.mjtGeom.mjGEOM_BOX]
    np.testing.assert_allclose(sorted(model.geom_size[colliding][0]), [1, 2, 3], rtol=SINGLE)
    assert model_of(path, decompose_robot_error_threshold=0.15).ngeom == 1  # a convex mesh is not split


# ------------------------------------------------------------------ what is left out, and what is refused


def test_what_is_not_simulated_is_named_once(usd, caplog):
    body = prim("Xform", "body", cube() + "vector3f physics:velocity = (1, 0, 0)\n", (BODY,))
    rest = prim("Camera", "eye") + prim("SphereLight", "lamp") + prim("Points", "dust")
    soft = prim("Xform", "jelly", box_mesh(schemas=()), ("PhysxDeformableBodyAPI",))
    disabled = joint("Fixed", "off", None, "/robot/body", "bool physics:jointEnabled = false")
    model = model_of(usd(body, rest, soft, disabled))
    assert model.nv == 6 and model.ngeom == 1
    warnings = [record.getMessage() for record in caplog.records if "not taken over" in record.getMessage()]
    assert len(warnings) == 1
    for what in (
        "velocities at the start: /robot/body",
        "joints that are not enabled: /robot/off",
        "cameras and lights: /robot/eye, /robot/lamp",
        "prims of type Points: /robot/dust",
        "PhysxDeformableBodyAPI: /robot/jelly",
    ):
        assert what in warnings[0]


FREE = prim("Xform", "body", cube(), (BODY,))
OTHER = prim("Xform", "other", cube(), (BODY,))
BAD = {
    "text for a number": (
        prim("Xform", "body", 'string physics:mass = "two"\n' + cube(), (BODY, MASS)),
        r"</robot/body>: physics:mass = two: expected a number",
    ),
    "unknown axis": (
        FREE + joint("Revolute", "j", None, "/robot/body", 'uniform token physics:axis = "W"'),
        r'</robot/j>: physics:axis = "W": expected "X", "Y" or "Z"',
    ),
    "nothing that moves": (cube(schemas=()), r"</robot>: there is no prim with PhysicsRigidBodyAPI"),
    "no mass": (prim("Xform", "body", "", (BODY,)), r"</robot/body>: the body moves and has no mass or no inertia"),
    "mass alone": (
        prim("Xform", "body", "float physics:mass = 2", (BODY, MASS)),
        r"</robot/body>: the body moves and has no mass or no inertia",
    ),
    "negative mass": (
        prim("Xform", "body", "float physics:mass = -2\n" + cube(), (BODY, MASS)),
        r"</robot/body>: physics:mass = -2: expected a number that is not negative",
    ),
    "mass of nan": (
        prim("Xform", "body", "float physics:mass = nan\n" + cube(), (BODY, MASS)),
        r"</robot/body>: physics:mass = nan: expected a finite number",
    ),
    "inertia of nan": (
        prim("Xform", "body", "float3 physics:diagonalInertia = (nan, 1, 1)\n" + cube(), (BODY, MASS)),
        r"</robot/body>: physics:diagonalInertia = .*three finite numbers",
    ),
    "flat scale": (
        prim("Xform", "body", scaled(1, 0, 1) + cube(), (BODY,)),
        r"</robot/body>: its transform scales a direction to nothing",
    ),
    "place of nan": (
        prim("Xform", "body", at("nan", 0, 0) + cube(), (BODY,)),
        r"</robot/body>: its transform has numbers that are not finite",
    ),
    "size of zero": (
        prim("Xform", "body", cube(size=0), (BODY,)),
        r"</robot/body/shape>: size = 0: expected a positive number",
    ),
    "empty mesh": (
        prim("Xform", "body", prim("Mesh", "mesh", "", (COLLIDES,)), (BODY,)),
        r"</robot/body/mesh>: the mesh has no points or no faces",
    ),
    "mesh without its points": (
        prim("Xform", "body", box_mesh().replace("0,3,2,1", "0,3,2,9"), (BODY,)),
        r"</robot/body/mesh>: the faces of the mesh name points that it does not have",
    ),
    "mesh of nan": (
        prim("Xform", "body", box_mesh().replace("(1,2,3)", "(1,nan,3)"), (BODY,)),
        r"</robot/body/mesh>: the mesh has points that are not finite",
    ),
    "joint to nowhere": (
        FREE + joint("Revolute", "j", "/robot/body", "/robot/nobody"),
        r"</robot/j>: physics:body1 names </robot/nobody>, which does not exist",
    ),
    "joint to itself": (
        FREE + joint("Revolute", "j", "/robot/body", "/robot/body"),
        r"</robot/j>: the joint ties </robot/body> to itself",
    ),
    "joint of no body": (FREE + joint("Revolute", "j", None, None), r"</robot/j>: the joint ties no body"),
    "crossed limits": (
        FREE + joint("Revolute", "j", None, "/robot/body", "float physics:lowerLimit = 1\nfloat physics:upperLimit = -1"),
        r"</robot/j>: physics:lowerLimit is above physics:upperLimit",
    ),
    "negative gain": (
        FREE
        + joint("Revolute", "j", None, "/robot/body", "float drive:angular:physics:damping = -1", ["PhysicsDriveAPI:angular"]),
        r"</robot/j>: drive:angular:physics:damping = -1: expected a number that is not negative",
    ),
    "mirrored body with a joint": (
        prim("Xform", "body", scaled(-1, 1, 1) + cube(), (BODY,)) + joint("Revolute", "j", None, "/robot/body"),
        r"</robot/j>: </robot/body> is mirrored by its scale",
    ),
    "loop that slides": (
        FREE
        + OTHER
        + joint("Revolute", "j", "/robot/body", "/robot/other")
        + joint("Prismatic", "k", "/robot/body", "/robot/other", "uniform bool physics:excludeFromArticulation = true"),
        r"</robot/k>: the joint closes a loop of joints and slides",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_bad_files_are_refused_by_file_and_prim(usd, name):
    content, message = BAD[name]
    with pytest.raises(gs.GenesisException, match=rf"entity 'r': '.*robot\.usda', {message}"):
        model_of(usd(content))


def test_files_that_cannot_be_opened(usd, tmp_path, monkeypatch):
    with pytest.raises(gs.GenesisException, match=r"file not found"):
        model_of(tmp_path / "nowhere.usda")
    broken = tmp_path / "broken.usda"
    broken.write_text("#usda 1.0\ndef Xform {")
    with pytest.raises(gs.GenesisException, match=r"cannot read '.*broken\.usda' as a USD file: "):
        model_of(broken)
    broken.write_text("#usda 1.0\n")
    with pytest.raises(gs.GenesisException, match=r"broken\.usda' has no prims"):
        model_of(broken)
    reference = 'def "part" (prepend references = @./missing.usda@)\n{\n}\n'
    with pytest.raises(gs.GenesisException, match=r"cannot be put together: .*missing\.usda"):
        model_of(usd(FREE, reference))
    with pytest.raises(gs.GenesisException, match=r"prim_path='/robot/nobody': there is no such prim.*/robot"):
        model_of(usd(FREE), prim_path="/robot/nobody")
    path = usd(FREE, OTHER, joint("Revolute", "j", "/robot/body", "/robot/other"))
    with pytest.raises(
        gs.GenesisException, match=r"</robot/j>: the joint ties a body of </robot/body> to </robot/other>"
    ):
        model_of(path, prim_path="/robot/body")
    content = 'string xformOp:translate = "a"\nuniform token[] xformOpOrder = ["xformOp:translate"]\n'
    with pytest.raises(gs.GenesisException, match=r"cannot read '.*robot\.usda' as a USD file: "):
        model_of(usd(prim("Xform", "body", content + cube(), (BODY,))))
    with pytest.raises(gs.GenesisException, match=r"metersPerUnit = 0: expected a positive number"):
        model_of(usd(FREE, length=0))
    monkeypatch.setitem(sys.modules, "pxr", None)
    with pytest.raises(gs.GenesisException, match=r"needs a package that is not installed: pip install usd-core"):
        model_of(path)


def test_options_of_the_morph():
    with pytest.raises(gs.GenesisException, match=r"collision_mesh_prim_patterns.*PhysicsCollisionAPI"):
        gs.morphs.USD(file="a.usda", collision_mesh_prim_patterns=("a",))
    with pytest.raises(gs.GenesisException, match=r"expected names of attributes"):
        gs.morphs.USD(file="a.usda", joint_friction_attr_candidates=(1,))
