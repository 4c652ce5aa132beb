"""Models of several MJCF files: every number of the compiled model is MuJoCo's own, whichever settings each file has."""

import mujoco
import numpy as np
import pytest

import genesis as gs
from genesis.model.compose import EntitySpec, compose
from genesis.model.mjcf import load_mjcf

EXACT = 1e-12  # poses of a scene pass through one more frame than those of the file

LIMB = """
  <worldbody>
    <light name="lamp" pos="0 0 3"/>
    <geom name="ramp" type="box" size="1 1 0.1" pos="3 0 0" {euler_ramp}/>
    <frame name="f" pos="0 0 1" {euler_frame}>
      <geom name="pole" type="capsule" fromto="0 0 0 0.1 0.2 0.5" size="0.02"/>
      <body name="limb" {euler_limb} childclass="own">
        <joint name="j" type="hinge" axis="0 1 0" {range}/>
        <joint name="b" type="ball" pos="0 0 0.1" {range_ball}/>
        <geom name="skin" type="mesh" mesh="tet" {euler_geom} material="red"/>
        <geom name="hull" type="box" size="0.1 0.2 0.3" xyaxes="1 1 0 0 0 1" group="2"/>
        <site name="s" {euler_geom}/>
        <camera name="eye" {euler_frame}/>
        <body name="tip" pos="0.1 0 0"><inertial pos="0 0 0.1" {euler_geom} mass="0.3" diaginertia="1e-3 2e-3 2.5e-3"/>
          <joint name="k" class="own"/><geom name="ball" size="0.05"/></body>
      </body>
    </frame>
    <replicate count="3" offset="0 0.4 0" {euler_replicate}>
      <body name="r" pos="0.5 0 0"><joint name="rj" axis="1 0 0" {range}/><geom name="rg" size="0.04"/></body>
    </replicate>
  </worldbody>
  <contact><exclude body1="limb" body2="r0"/><pair geom1="hull" geom2="rg1"/></contact>
  <tendon><fixed name="t"><joint joint="j" coef="1"/><joint joint="k" coef="2"/></fixed></tendon>
  <equality><joint joint1="j" joint2="k" polycoef="0 1 0 0 0"/><weld body1="tip" relpose="0 0 0.1 1 0 0 0"/></equality>
  <actuator><motor name="m" joint="j" ctrlrange="-1 2" {ctrl}/><position name="p" tendon="t" kp="3"/></actuator>
  <sensor><jointpos joint="k"/><framepos objtype="site" objname="s"/></sensor>
  <keyframe><key name="bent" qpos="0.1 1 0 0 0 0.2 0 0 0"/></keyframe>
"""
DEGREES = {
    "euler_ramp": 'euler="28 0 0"',
    "euler_frame": 'euler="10 20 30"',
    "euler_limb": 'axisangle="1 2 3 40"',
    "euler_geom": 'euler="-70 15 5"',
    "euler_replicate": 'euler="0 0 25"',
    "range": 'range="-45 60" ref="5" springref="7"',
    "range_ball": 'range="0 50"',
    "ctrl": "",
}
RADIANS = {
    "euler_ramp": 'euler="0.5 0 0.2"',
    "euler_frame": 'euler="0.1 0.2 0.3"',
    "euler_limb": 'axisangle="1 2 3 0.6"',
    "euler_geom": 'euler="-1.2 0.3 0.1"',
    "euler_replicate": 'euler="0 0.2 0.4"',
    "range": 'range="-0.8 1.1" ref="0.1" springref="0.15"',
    "range_ball": 'range="0 0.9"',
    "ctrl": "",
}
UNLIMITED = {
    name: value.replace("range=", 'limited="false" range=')
    for name, value in (RADIANS | {"ctrl": 'ctrllimited="false"'}).items()
}
# What a file says of itself: its <compiler>, and the unit of its angles.
KINDS = {
    "plain": ("<compiler/>", DEGREES),
    "radians": ('<compiler angle="radian"/>', RADIANS),
    "fixed axes": ('<compiler eulerseq="ZYX"/>', DEGREES),
    "radians about z-y-x": ('<compiler angle="radian" eulerseq="zyx" autolimits="false"/>', UNLIMITED),
    "inertia of shapes": ('<compiler inertiafromgeom="true" inertiagrouprange="0 1"/>', DEGREES),
    "bounds": ('<compiler angle="radian" boundmass="0.5" boundinertia="0.01" alignfree="true"/>', RADIANS),
    "total mass": ('<compiler settotalmass="9" balanceinertia="true"/>', DEGREES),
}


def tetrahedron(size):
    corners = f"v 0 0 0\nv {size} 0 0\nv 0 {2 * size} 0\nv 0 0 {3 * size}\n"
    return corners + "f 1 3 2\nf 1 2 4\nf 1 4 3\nf 2 3 4\n"


def write(root, texts):
    for name, text in texts.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root / "main.xml"


def limb(kind, *, folder="", inside="", damping=1.0):
    """A model of the kind, with meshes in `folder` and `inside` in front of what it is made of."""
    compiler, angles = KINDS[kind]
    if folder:
        compiler = compiler.replace("/>", f' meshdir="{folder}"/>')
    return f"""<mujoco model="limb">{compiler}{inside}
      <default><default class="own"><joint damping="{damping}"/><geom rgba="1 0 0 1" density="500"/></default></default>
      <asset><mesh name="tet" file="tet.obj" scale="1 1 {1 + damping}"/><material name="red" rgba="1 0 0 1"/></asset>
      {LIMB.format(**angles)}</mujoco>"""


def assert_equal(found, expected, tolerance=0.0):
    """Every array and number of two models."""
    names = [name for name in dir(expected) if not name.startswith("_")]
    assert len(names) > 400
    for name in names:
        one, other = getattr(expected, name), getattr(found, name)
        if isinstance(one, np.ndarray | int | float):
            assert np.shape(one) == np.shape(other), name
            np.testing.assert_allclose(other, one, rtol=tolerance, atol=tolerance, err_msg=name)
    for name in ("opt", "vis", "stat"):
        assert str(getattr(found, name)) == str(getattr(expected, name))
    assert found.names == expected.names


def models(root):
    """The file's model by MuJoCo, and by the loader."""
    path = root / "main.xml"
    return mujoco.MjModel.from_xml_path(str(path)), load_mjcf(path).compile()


@pytest.mark.parametrize("child", KINDS)
@pytest.mark.parametrize("parent", ["plain", "radians about z-y-x"])
def test_attached_models(tmp_path, parent, child):
    """Each file with its own units, order of angles, folders and defaults, under names of the same words."""
    asset = '<asset><model name="k" file="part/child.xml"/></asset>'
    attach = """<worldbody><frame euler="0.3 0.2 0.1" pos="0 1 0"><attach model="k" prefix="x_"/></frame>
      <body name="holder" pos="0 0 5"><freejoint/><geom size="0.1" euler="10 20 30"/>
      <attach model="k" body="limb" prefix="y_"/></body></worldbody>"""
    main = limb(parent, folder="meshes", inside=asset).replace("</mujoco>", f"{attach}</mujoco>")
    texts = {
        "main.xml": main,
        "meshes/tet.obj": tetrahedron(0.1),
        "part/child.xml": limb(child, folder="own", damping=0.2),
        "part/own/tet.obj": tetrahedron(0.2),
    }
    write(tmp_path, texts)
    expected, found = models(tmp_path)
    assert expected.body("x_limb").mass != expected.body("limb").mass
    written_out = child in ("inertia of shapes", "bounds", "total mass")  # see `write_out_inertias`
    assert_equal(found, expected, EXACT if written_out else 0.0)


def test_models_attached_to_attached_models(tmp_path):
    def attaching(kind, file, folder, prefix, damping):
        asset = f'<asset><model name="k" file="{file}"/></asset>'
        attach = f'<worldbody><frame euler="0.1 0 0.3"><attach model="k" prefix="{prefix}"/></frame></worldbody>'
        return limb(kind, folder=folder, inside=asset, damping=damping).replace("</mujoco>", f"{attach}</mujoco>")

    texts = {
        "main.xml": attaching("plain", "a/one.xml", "m", "p_", 1.0),
        "m/tet.obj": tetrahedron(0.1),
        "a/one.xml": attaching("radians about z-y-x", "../b/two.xml", "", "q_", 2.0),
        "a/tet.obj": tetrahedron(0.2),
        "b/two.xml": limb("fixed axes", folder="../m", damping=3.0),
    }
    write(tmp_path, texts)
    expected, found = models(tmp_path)
    assert expected.njnt == 3 * 6
    assert_equal(found, expected)


@pytest.mark.parametrize("kind", KINDS)
def test_included_files(tmp_path, kind):
    """Included files have the settings of the model, and name files from its folder or their own."""
    part = '<mujocoinclude><include file="deep/deeper.xml"/><worldbody><geom type="mesh" mesh="other"/></worldbody></mujocoinclude>'
    deeper = '<mujoco><asset><mesh name="other" file="other.obj"/><mesh file="plain.obj"/></asset></mujoco>'
    texts = {
        "main.xml": limb(kind, folder="meshes", inside='<include file="part.xml"/>'),
        "meshes/tet.obj": tetrahedron(0.1),
        "part.xml": part,
        "deep/deeper.xml": deeper,
        "deep/other.obj": tetrahedron(0.3),
        "meshes/plain.obj": tetrahedron(0.4),
    }
    write(tmp_path, texts)
    expected, found = models(tmp_path)
    assert_equal(found, expected, EXACT if "inertia" in kind or kind in ("bounds", "total mass") else 0.0)


@pytest.mark.parametrize("kind", KINDS)
def test_in_a_scene(tmp_path, kind):
    """The parts of a file that is attached to a scene, what it puts into the world included, are as in the file alone."""
    asset = '<asset><model name="k" file="part/child.xml"/></asset>'
    attach = '<worldbody><frame euler="10 20 30" pos="0 1 0"><attach model="k" prefix="x_"/></frame></worldbody>'
    texts = {
        "main.xml": limb("plain", inside=asset).replace("</mujoco>", f"{attach}</mujoco>"),
        "tet.obj": tetrahedron(0.1),
        "part/child.xml": limb(kind, damping=0.2),
        "part/tet.obj": tetrahedron(0.2),
    }
    alone = mujoco.MjModel.from_xml_path(str(write(tmp_path, texts)))
    morph = gs.morphs.MJCF(file=tmp_path / "main.xml")
    scene = compose([EntitySpec(morph, name="e")], None, gs.options.RigidOptions(disable_constraint=True)).mj_model
    here, there = mujoco.MjData(alone), mujoco.MjData(scene)
    mujoco.mj_forward(alone, here)
    mujoco.mj_forward(scene, there)
    for kind_, fields, poses in (
        ("body", ("mass", "inertia", "gravcomp"), ("xpos", "xmat", "xipos", "ximat")),
        ("jnt", ("range", "limited", "stiffness", "axis", "pos"), ("xanchor", "xaxis")),
        ("geom", ("type", "size", "rgba", "friction", "condim", "group"), ("geom_xpos", "geom_xmat")),
        ("site", ("size",), ("site_xpos", "site_xmat")),
        ("cam", ("fovy",), ("cam_xpos", "cam_xmat")),
        ("light", ("diffuse",), ("light_xpos", "light_xdir")),
        ("actuator", ("gear", "gainprm", "biasprm", "ctrlrange", "ctrllimited"), ()),
        ("eq", ("type", "data"), ()),
        ("tendon", ("range",), ("ten_length",)),
        ("sensor", ("type",), ()),
        ("pair", ("friction",), ()),
    ):
        names = {alone_name(alone, kind_, i): i for i in range(count(alone, kind_))}
        matched = 0
        for name, index in names.items():
            other = mujoco.mj_name2id(scene, OBJECTS[kind_], f"e/{name}") if name else -1
            if other < 0:
                continue
            matched += 1
            for field in fields:
                one, two = getattr(alone, f"{kind_}_{field}")[index], getattr(scene, f"{kind_}_{field}")[other]
                np.testing.assert_allclose(two, one, rtol=EXACT, atol=EXACT, err_msg=f"{kind_} {name} {field}")
            for field in poses:
                np.testing.assert_allclose(
                    getattr(there, field)[other], getattr(here, field)[index], atol=EXACT, err_msg=f"{name} {field}"
                )
        assert matched == sum(1 for name in names if name and name != "world")
        extra = kind_ == "body"  # the link of what is in the world
        assert count(scene, kind_) == count(alone, kind_) + extra
    assert [scene.key(k).name for k in range(scene.nkey)] == ["e/bent", "e/x_bent"]


OBJECTS = {
    "body": mujoco.mjtObj.mjOBJ_BODY,
    "jnt": mujoco.mjtObj.mjOBJ_JOINT,
    "geom": mujoco.mjtObj.mjOBJ_GEOM,
    "site": mujoco.mjtObj.mjOBJ_SITE,
    "cam": mujoco.mjtObj.mjOBJ_CAMERA,
    "light": mujoco.mjtObj.mjOBJ_LIGHT,
    "actuator": mujoco.mjtObj.mjOBJ_ACTUATOR,
    "eq": mujoco.mjtObj.mjOBJ_EQUALITY,
    "tendon": mujoco.mjtObj.mjOBJ_TENDON,
    "sensor": mujoco.mjtObj.mjOBJ_SENSOR,
    "pair": mujoco.mjtObj.mjOBJ_PAIR,
}


def alone_name(m, kind, index):
    return mujoco.mj_id2name(m, OBJECTS[kind], index) or ""


def count(m, kind):
    return getattr(m, {"cam": "ncam", "pair": "npair"}.get(kind, f"n{kind}"))


ONE = """
<mujoco><option timestep=".004" {}/><worldbody><body><joint type="slide"/><geom size=".1"/></body></worldbody></mujoco>"""


def scene_of(tmp_path, *options, **arguments):
    scene = gs.Scene(**arguments)
    for k, option in enumerate(options):
        path = tmp_path / f"{k}.xml"
        path.write_text(ONE.format(option))
        scene.add_entity(gs.morphs.MJCF(file=str(path), pos=(k, 0, 0)))
    scene.build()
    return scene


@pytest.mark.parametrize(
    ("option", "argument", "text"),
    [
        ('impratio="-1"', "impratio", "greater than 0"),
        ('impratio="0"', "impratio", "greater than 0"),
        ('ls_iterations="0"', "ls_iterations", "greater than 0"),
        ('iterations="-3"', "iterations", "greater than 0"),
        ('tolerance="-1"', "tolerance", "greater than or equal to 0"),
        ('ls_tolerance="-1"', "ls_tolerance", "greater than or equal to 0"),
    ],
)
def test_numbers_that_an_option_cannot_have_a_file_cannot_have(tmp_path, option, argument, text):
    with pytest.raises(gs.GenesisException, match=rf"0\.xml' .*<option {argument}=.*{text}.*RigidOptions\({argument}="):
        scene_of(tmp_path, option)
    scene = scene_of(tmp_path, option, rigid_options=gs.options.RigidOptions(**{argument: 5}))
    assert getattr(scene.mj_model.opt, argument) == 5


def test_what_one_file_says_for_all_is_said(tmp_path, caplog):
    with caplog.at_level("INFO", logger="genesis"):
        scene_of(tmp_path, 'density="3" integrator="RK4"', "", sim_options=gs.options.SimOptions(dt=0.002))
    told = [record.getMessage() for record in caplog.records]
    assert any("density is 3.0" in line and "0.xml" in line and "'mjcf_1' included" in line for line in told)
    assert any("integrator is RK4" in line for line in told)
    assert sum("made for steps of 0.004 s; those of the scene are of 0.002 s" in line for line in told) == 2
    caplog.clear()
    with caplog.at_level("INFO", logger="genesis"):
        scene_of(tmp_path, 'density="3"', sim_options=gs.options.SimOptions(dt=0.004))
    assert not any("density" in r.getMessage() or "made for" in r.getMessage() for r in caplog.records)
