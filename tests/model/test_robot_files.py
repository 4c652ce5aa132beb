"""Loading of URDF, MJCF and mesh files: what comes in, and what each broken file is told."""

import importlib.metadata
import math
import os
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import mujoco
import numpy as np
import pytest
import trimesh

import genesis as gs
from genesis.model import diagnostics, inertias, meshes
from genesis.model.mjcf import load_mjcf
from genesis.model.urdf import load_urdf, root_link

EXACT = 1e-12  # two ways of compiling the same numbers in float64
MESH = 1e-6  # MuJoCo keeps mesh vertices in float32

ROBOTS = Path(
    importlib.metadata.distribution("example-robot-data").locate_file("cmeel.prefix/share/example-robot-data/robots")
)

INERTIAL = '<inertial><mass value="1"/><inertia ixx="1" iyy="1" izz="1" ixy="0" ixz="0" iyz="0"/></inertial>'


def link(name, content=INERTIAL):
    return f'<link name="{name}">{content}</link>'


def joint(name, kind, parent, child, content=""):
    limit = '<limit lower="-1" upper="1" effort="5" velocity="1"/>' if kind in ("revolute", "prismatic") else ""
    return (
        f'<joint name="{name}" type="{kind}"><parent link="{parent}"/><child link="{child}"/>'
        f'<axis xyz="0 1 0"/>{limit}{content}</joint>\n'
    )


def inertial(mass, xx, yy, zz, xy=0.0, xz=0.0, yz=0.0):
    moments = f'ixx="{xx}" iyy="{yy}" izz="{zz}" ixy="{xy}" ixz="{xz}" iyz="{yz}"'
    return f'<inertial><mass value="{mass}"/><inertia {moments}/></inertial>'


def mesh_shape(kind, filename):
    return f'<{kind}><geometry><mesh filename="{filename}"/></geometry></{kind}>'


@pytest.fixture
def urdf(tmp_path):
    """Writes a URDF with the given elements; returns its path."""

    def write(*elements, name="robot.urdf"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text('<robot name="r">\n' + "\n".join(elements) + "\n</robot>\n")
        return path

    return write


def body_names(model):
    return [model.body(index).name for index in range(1, model.nbody)]


# ------------------------------------------------------------------ bad files

ARM = link("base") + link("arm")
BAD_URDFS = {
    "not well-formed": ("<robot>\n<link\n</robot>", r"line 3, column 1: not well-formed XML"),
    "empty": ("  \n", r"is empty\. Expected a URDF file"),
    "mjcf": ("<mujoco/>", r"is an MJCF file, not a URDF file: load it with gs\.morphs\.MJCF"),
    "sdf": ("<sdf/>", r"is an SDF file.*convert it"),
    "other xml": ("<html/>", r"root element <html>"),
    "xacro": ('<robot xmlns:xacro="http://ros.org/xacro"><xacro:include filename="a"/></robot>', r"xacro file: run"),
    "no links": ('<robot name="r"/>', r"has no links"),
    "nameless link": ("<robot><link/></robot>", r"link number 1 has no name"),
    "links of one name": (f"<robot>{link('a')}{link('a')}</robot>", r"several links are called 'a'"),
    "joints of one name": (
        f"<robot>{ARM}{link('c')}{joint('j', 'fixed', 'base', 'arm')}{joint('j', 'fixed', 'arm', 'c')}</robot>",
        r"several joints are called 'j'",
    ),
    "unknown joint type": (
        f"<robot>{ARM}{joint('j', 'screw', 'base', 'arm')}</robot>",
        r"joint 'j': unknown joint type 'screw'\. Known types: continuous",
    ),
    "unknown parent": (f"<robot>{ARM}{joint('j', 'fixed', 'bse', 'arm')}</robot>", r"its parent link 'bse' does not"),
    "no child": (
        '<robot><link name="a"/><joint name="j" type="fixed"><parent link="a"/></joint></robot>',
        r"child link ''",
    ),
    "two parents": (
        f"<robot>{ARM}{link('c')}{joint('j', 'fixed', 'base', 'c')}{joint('k', 'fixed', 'arm', 'c')}</robot>",
        r"joint 'k': link 'c' already hangs on 'base'",
    ),
    "two roots": (f"<robot>{ARM}</robot>", r"exactly one root link, this file has: 'base', 'arm'"),
    "loop": (
        f"<robot>{ARM}{joint('j', 'fixed', 'base', 'arm')}{joint('k', 'fixed', 'arm', 'base')}</robot>",
        r"exactly one root link, this file has: none \(the joints form a loop\)",
    ),
    "the world on a joint": (
        f"<robot>{link('a')}{link('world')}{joint('j', 'fixed', 'a', 'world')}</robot>",
        r"link 'world' hangs on 'a'\. The name stands for the world",
    ),
    "loop beside the tree": (
        f"<robot>{ARM}{link('c')}{joint('j', 'fixed', 'c', 'arm')}{joint('k', 'fixed', 'arm', 'c')}</robot>",
        r"\['arm', 'c'\] form a loop",
    ),
    "bad number": (
        f"<robot>\n\n{link('base')}\n{link('a', INERTIAL.replace('1', 'one', 1))}{joint('j', 'fixed', 'base', 'a')}</robot>",
        r"line 4, <mass>: ",
    ),
    "missing package": (
        f"<robot>{link('a', INERTIAL + mesh_shape('collision', 'package://nowhere/a.stl'))}</robot>",
        r"link 'a': collision mesh 'package://nowhere/a\.stl' not found.*ROS_PACKAGE_PATH",
    ),
    "mesh on the web": (
        f"<robot>{link('a', INERTIAL + mesh_shape('collision', 'http://host/a.stl'))}</robot>",
        r"Looked at no place: the scheme is not supported",
    ),
}


def moving_arm(content="", *, inertia=INERTIAL, kind="continuous"):
    """A URDF of one joint `j`; its element takes `content`, its child link `arm` takes `inertia`."""
    return (
        f'<robot name="r">{link("base")}{link("arm", inertia)}<joint name="j" type="{kind}"><parent link="base"/>'
        f'<child link="arm"/>{content}</joint></robot>'
    )


BAD_URDFS |= {
    "infinite mass": (
        moving_arm(inertia=INERTIAL.replace('value="1"', 'value="inf"')),
        r"link 'arm': <mass value=\"inf\">: inf is not a finite number",
    ),
    "inertia of nan": (
        moving_arm(inertia=INERTIAL.replace('ixx="1"', 'ixx="NaN"')),
        r"link 'arm': <inertia ixx=\"NaN\">",
    ),
    "axis of nan": (moving_arm('<axis xyz="0 0 nan"/>'), r"joint 'j': <axis xyz=\"0 0 nan\">: nan is not a finite"),
    "damping of nan": (moving_arm('<dynamics damping="nan"/>'), r"joint 'j': <dynamics damping=\"nan\">"),
    "origin of nan": (moving_arm('<origin xyz="0 0 nan"/>'), r"joint 'j': <origin xyz=\"0 0 nan\">"),
    "infinite angle": (moving_arm('<origin rpy="0 0 -inf"/>'), r"joint 'j': <origin rpy=\"0 0 -inf\">: -inf is not"),
    "effort of nan": (moving_arm('<limit effort="nan" velocity="1"/>'), r"joint 'j': <limit effort=\"nan\">"),
    "shape of nan": (
        moving_arm(inertia='<collision><geometry><box size="1 nan 1"/></geometry></collision>'),
        r"link 'arm': <box size=\"1 nan 1\">",
    ),
    "misspelled element": (
        moving_arm('<dynamic damping="3"/>'),
        r"joint 'j': unknown element <dynamic> in <joint>\. Did you mean 'dynamics'\?",
    ),
    "unknown element of a joint": (
        moving_arm("<foo/>"),
        r"joint 'j': unknown element <foo> in <joint>\. Known: 'axis'",
    ),
    "misspelled element of a link": (
        moving_arm(inertia=INERTIAL + "<colision/>"),
        r"link 'arm': unknown element <colision> in <link>\. Did you mean 'collision'\?",
    ),
    "misspelled link": (moving_arm().replace("</robot>", "<lnk/></robot>"), r"unknown element <lnk> .*mean 'link'\?"),
    "misspelled attribute": (
        moving_arm('<dynamics dampin="3"/>'),
        r"joint 'j': unknown attribute dampin=\"3\" of <dynamics>\. Did you mean 'damping'\?",
    ),
    "unknown attribute": (moving_arm('<axis foo="3"/>'), r"unknown attribute foo=\"3\" of <axis>\. Known: 'xyz'\."),
    "two geometries": (
        moving_arm(
            inertia='<collision><geometry><sphere radius="1"/></geometry><geometry><sphere radius="2"/></geometry>'
            "</collision>"
        ),
        r"link 'arm': several <geometry> in one <collision>",
    ),
    "limits exchanged": (
        moving_arm('<limit lower="1" upper="-1" effort="1" velocity="1"/>', kind="revolute"),
        r"joint 'j': <limit>: lower=1 is above upper=-1",
    ),
    "negative effort": (moving_arm('<limit effort="-2" velocity="1"/>'), r"joint 'j': <limit>: effort=-2 is negative"),
}


@pytest.mark.parametrize("case", BAD_URDFS)
def test_bad_urdf(tmp_path, case):
    text, message = BAD_URDFS[case]
    path = tmp_path / "bad.urdf"
    path.write_text(text)
    with pytest.raises(gs.GenesisException, match=message) as error:
        load_urdf(path)
    assert str(path) in str(error.value)


BAD_MJCFS = {
    "not well-formed": ("<mujoco>\n<worldbody>\n</mujoco>", r"line 3, column 3: not well-formed XML"),
    "urdf": ("<robot/>", r"is a URDF file, not an MJCF file: load it with gs\.morphs\.URDF"),
    "part of a model": ("<mujocoinclude/>", r"a part of an MJCF model"),
    "unknown element": ("<mujoco>\n<worldbody>\n<boddy/></worldbody></mujoco>", r"line 3, <boddy>: .*Correct the file"),
    "missing mesh": (
        '<mujoco><asset><mesh name="m" file="no.stl"/></asset><worldbody><body name="b"><geom type="mesh" mesh="m"/>'
        "</body></worldbody></mujoco>",
        r"mesh 'm' \(of link 'b'\): file 'no\.stl' not found \(looked at .*Correct the path",
    ),
    "missing height field": (
        '<mujoco><asset><hfield name="h" size="1 1 1 1" file="no.png"/></asset></mujoco>',
        r"height field 'h': file 'no\.png' not found",
    ),
    "axis of nan": (
        '<mujoco><worldbody><body name="b"><joint name="j" axis="0 nan 0"/><geom size="1"/></body></worldbody></mujoco>',
        r"joint 'j': <joint axis=\"0 nan 0\">: nan is not a finite number",
    ),
    "infinite position": (
        '<mujoco><worldbody><body name="b"><joint/><geom size="1" pos="0 0 -Infinity"/></body></worldbody></mujoco>',
        r"body 'b': <geom pos=\"0 0 -Infinity\">: -Infinity is not a finite number",
    ),
    "range of nan": (
        '<mujoco><default><joint range="nan 1"/></default><worldbody/></mujoco>',
        r"<joint range=\"nan 1\">: nan is not a finite number",
    ),
    "muscle": (
        '<mujoco><compiler balanceinertia="true"/><worldbody><body><joint name="j"/><geom size="1"/></body></worldbody>'
        '<actuator><muscle joint="j"/></actuator></mujoco>',
        r"Lengthrange computation did not converge.*state the muscle's lengthrange",
    ),
    "inertias that do not compile": (
        '<mujoco><compiler inertiafromgeom="true"/><worldbody><body name="b"><joint/></body></worldbody></mujoco>',
        r"'b': mass and inertia of moving bodies must be larger.*give the link an <inertial>",
    ),
}


@pytest.mark.parametrize("case", BAD_MJCFS)
def test_bad_mjcf(tmp_path, case):
    text, message = BAD_MJCFS[case]
    path = tmp_path / "bad.xml"
    path.write_text(text)
    with pytest.raises(gs.GenesisException, match=message) as error:
        load_mjcf(path)
    assert str(path) in str(error.value)


def test_numbers_of_included_files(tmp_path):
    path = tmp_path / "model.xml"
    path.write_text('<mujoco><include file="part.xml"/></mujoco>')
    (tmp_path / "part.xml").write_text('<mujoco><worldbody><body name="b" pos="0 0 nan"/></worldbody></mujoco>')
    with pytest.raises(gs.GenesisException, match=r"part\.xml', line 1, body 'b': <body pos=\"0 0 nan\">"):
        load_mjcf(path)


def test_many_numbers_cost_nothing(tmp_path, monkeypatch):
    """A mesh's vertices are not looked at one by one: they hold no letter that words for numbers have."""
    monkeypatch.setattr(diagnostics, "_NAN", None)
    vertices = np.random.default_rng(0).normal(size=(100, 3)) * [[1e-7, 1.0, 1e9]]
    path = tmp_path / "model.xml"
    numbers = " ".join(map(repr, vertices.ravel().tolist()))
    path.write_text(f'<mujoco><asset><mesh name="m" vertex="{numbers}"/></asset><worldbody/></mujoco>')
    assert "e-" in numbers and load_mjcf(path).meshes[0].name == "m"


def test_infinite_ranges_and_names_like_numbers(tmp_path):
    path = tmp_path / "model.xml"
    path.write_text(
        '<mujoco><worldbody><body name="nan"><joint name="inf" range="-inf inf"/><geom size="1"/></body></worldbody>'
        '<actuator><motor joint="inf" ctrlrange="-inf inf"/></actuator></mujoco>'
    )
    assert load_mjcf(path).compile().jnt_range.tolist() == [[-math.inf, math.inf]]
    path.write_text(moving_arm('<limit lower="-inf" upper="inf" effort="0" velocity="inf"/>', kind="revolute"))
    model = load_urdf(path).compile()
    assert not model.jnt_actfrclimited[model.joint("j").id]  # effort="0": unlimited


def test_elements_of_other_programs_are_listed(tmp_path, caplog):
    path = tmp_path / "robot.urdf"
    content = '<safety_controller k_velocity="nan"/><dynamics mu_viscous="1"/><limit lower="1" upper="-1"/>'
    path.write_text(moving_arm(content).replace("</robot>", "<transmission/><loop_joint/></robot>"))
    with caplog.at_level("INFO", logger=gs.runtime.logger.name):
        load_urdf(path).compile()
    listed, unknown = caplog.records
    assert (listed.levelname, unknown.levelname) == ("INFO", "WARNING")
    expected = "<dynamics mu_viscous=...>, <joint><safety_controller>, <robot><transmission>."
    assert listed.getMessage() == f"'{path}': has no effect here: {expected}"
    assert unknown.getMessage() == f"'{path}': unknown elements, which have no effect: <robot><loop_joint>."


def test_links_to_keep(tmp_path):
    path = tmp_path / "robot.urdf"
    path.write_text(moving_arm())
    assert len(load_urdf(path, links_to_keep=["base", "arm"]).bodies) == 3
    with pytest.raises(gs.GenesisException, match=r"links_to_keep: there is no link 'amr'\. Did you mean 'arm'\?"):
        load_urdf(path, links_to_keep=["base", "amr"])


@pytest.mark.parametrize("load", [load_urdf, load_mjcf, lambda path: meshes.read_mesh(Path(path))])
def test_no_such_file(tmp_path, load):
    with pytest.raises(gs.GenesisException, match=r"file not found: '.*none\.xml' \(looked at .*working directory"):
        load(tmp_path / "none.xml")
    with pytest.raises(gs.GenesisException, match=r"is a directory, not a file"):
        load(tmp_path)


def test_binary_instead_of_text(tmp_path):
    path = tmp_path / "robot.urdf"
    path.write_bytes(b"\x7fELF \xff\x80" * 8)
    with pytest.raises(gs.GenesisException, match=r"cannot read '.*robot\.urdf' as text .* names its encoding"):
        load_urdf(path)


def test_declared_encoding(tmp_path):
    path = tmp_path / "robot.urdf"
    text = '<?xml version="1.0" encoding="ISO-8859-1"?>\n<robot name="r"><!-- 45° -->' + link("grün") + "</robot>"
    path.write_bytes(text.encode("latin-1"))
    assert body_names(load_urdf(path).compile()) == ["grün"]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.ply", b"not a ply", r"cannot read the mesh '.*a\.ply': .*Re-export it"),
        ("a.dae", b"<COLLADA/>", r"cannot read the mesh|has no triangles"),
        ("a.xyz", b"1 2 3\n4 5 6\n", r"cannot read the mesh|has no triangles"),
        ("a.off", b"OFF\n3 0 0\n0 0 0\n1 0 0\n0 1 0\n", r"cannot read the mesh|has no triangles"),
    ],
)
def test_bad_mesh(urdf, tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(gs.GenesisException, match=message):
        load_urdf(urdf(link("a", INERTIAL + mesh_shape("collision", name))))


# ------------------------------------------------------------------ paths


@pytest.mark.parametrize(
    ("uri", "robot", "mesh"),
    [
        ("a.stl", "robot.urdf", "a.stl"),
        ("../meshes/a.stl", "urdf/robot.urdf", "meshes/a.stl"),
        ("package://my_robot/meshes/a.stl", "my_robot/urdf/robot.urdf", "my_robot/meshes/a.stl"),
        ("package://other/a%20b.stl", "my_robot/urdf/robot.urdf", "other/a b.stl"),
        ("package://my_robot/meshes/a.stl", "renamed/urdf/robot.urdf", "renamed/meshes/a.stl"),
        ("package://my_robot/a&amp;b.stl", "my_robot/robot.urdf", "my_robot/a&b.stl"),
    ],
)
def test_paths(urdf, tmp_path, uri, robot, mesh):
    path = urdf(link("a", INERTIAL + mesh_shape("visual", uri)), name=robot)
    target = tmp_path / mesh
    target.parent.mkdir(parents=True, exist_ok=True)
    trimesh.creation.box().export(target)
    assert load_urdf(path).compile().nmesh == 1


@pytest.mark.parametrize(
    ("variable", "entry", "place"),
    [
        ("ROS_PACKAGE_PATH", "elsewhere", "elsewhere/pkg/a.stl"),
        ("ROS_PACKAGE_PATH", "elsewhere/pkg", "elsewhere/pkg/a.stl"),
        ("AMENT_PREFIX_PATH", "elsewhere", "elsewhere/share/pkg/a.stl"),
    ],
)
def test_package_path_variables(urdf, tmp_path, monkeypatch, variable, entry, place):
    target = tmp_path / place
    target.parent.mkdir(parents=True)
    trimesh.creation.box().export(target)
    path = urdf(link("a", INERTIAL + mesh_shape("visual", "package://pkg/a.stl")), name="robots/robot.urdf")
    with pytest.raises(gs.GenesisException, match="ROS_PACKAGE_PATH"):
        load_urdf(path, repair=False)
    monkeypatch.setenv(variable, os.pathsep.join(["/nowhere", str(tmp_path / entry)]))
    assert load_urdf(path).compile().nmesh == 1


def test_file_uri_and_meshdir(urdf, tmp_path):
    (tmp_path / "far").mkdir()
    trimesh.creation.box().export(tmp_path / "far/a.stl")
    trimesh.creation.box().export(tmp_path / "far/b.stl")
    shapes = mesh_shape("visual", f"file://{tmp_path}/far/a.stl") + mesh_shape("visual", "b.stl")
    path = urdf('<mujoco><compiler meshdir="far"/></mujoco>', link("a", INERTIAL + shapes))
    assert load_urdf(path).compile().nmesh == 2


def test_meshes_of_one_name_and_several_scales(urdf, tmp_path):
    for folder, size in (("one", 1.0), ("two", 2.0)):
        (tmp_path / folder).mkdir()
        trimesh.creation.box((size,) * 3).export(tmp_path / folder / "a.stl")
    shapes = [
        '<collision><geometry><mesh filename="one/a.stl"/></geometry></collision>',
        '<collision><geometry><mesh filename="two/a.stl" scale="3 3 3"/></geometry></collision>',
        '<collision><geometry><mesh filename="one/a.stl" scale="4 4 4"/></geometry></collision>',
    ]
    model = load_urdf(urdf(link("a", "".join(shapes)))).compile()
    assert model.nmesh == 3
    assert model.body_mass[1] == pytest.approx(1000 * (1 + 6**3 + 4**3), rel=MESH)


# ------------------------------------------------------------------ mesh formats

COLLADA = """<?xml version="1.0"?>
<COLLADA xmlns="http://www.collada.org/2005/11/COLLADASchema" version="1.4.1">
  <asset><unit name="centimeter" meter="0.01"/><up_axis>Z_UP</up_axis></asset>
  <library_images><image id="i"><init_from>missing.png</init_from></image></library_images>
  <library_effects><effect id="e"><profile_COMMON>
    <newparam sid="s"><sampler2D><source>missing-surface</source></sampler2D></newparam>
    <technique sid="t"><phong/></technique></profile_COMMON></effect></library_effects>
  <library_materials><material id="m"><instance_effect url="#e"/></material></library_materials>
  <library_geometries><geometry id="g"><mesh>
    <source id="p"><float_array id="pa" count="{count}">{positions}</float_array>
      <technique_common><accessor source="#pa" count="{vertices}" stride="3">
        <param name="X" type="float"/><param name="Y" type="float"/><param name="Z" type="float"/>
      </accessor></technique_common></source>
    <vertices id="v"><input semantic="POSITION" source="#p"/></vertices>
    <triangles material="m" count="{triangles}"><input semantic="VERTEX" source="#v" offset="0"/><p>{faces}</p></triangles>
  </mesh></geometry></library_geometries>
  <library_visual_scenes><visual_scene id="scene"><node id="outer"><translate>0 0 50</translate>
    <node id="inner"><rotate>0 0 1 90</rotate><instance_geometry url="#g"><bind_material><technique_common>
      <instance_material symbol="m" target="#m"/></technique_common></bind_material></instance_geometry></node>
  </node></visual_scene></library_visual_scenes>
  <scene><instance_visual_scene url="#scene"/></scene>
</COLLADA>
"""


def collada(path, mesh):
    path.write_text(
        COLLADA.format(
            count=mesh.vertices.size,
            vertices=len(mesh.vertices),
            triangles=len(mesh.faces),
            positions=" ".join(map(str, mesh.vertices.ravel())),
            faces=" ".join(map(str, mesh.faces.ravel())),
        )
    )


@pytest.mark.parametrize("name", ["a.stl", "a.obj", "a.ply", "a.off", "a.glb", "a.gltf", "ascii.stl"])
def test_mesh_formats(urdf, tmp_path, name):
    box = trimesh.creation.box((0.1, 0.2, 0.3))
    box.apply_translation((0.0, 0.0, 1.0))
    box.export(tmp_path / name, **({"file_type": "stl_ascii"} if name.startswith("ascii") else {}))
    model = load_urdf(urdf(link("a", mesh_shape("collision", name)))).compile()
    assert model.body_mass[1] == pytest.approx(6.0, rel=MESH)
    np.testing.assert_allclose(model.body_ipos[1], (0, 0, 1), atol=MESH)
    expected = 6.0 / 12 * np.array([0.2**2 + 0.3**2, 0.1**2 + 0.3**2, 0.1**2 + 0.2**2])
    np.testing.assert_allclose(model.body_inertia[1], expected, rtol=MESH)


def test_collada_units_transforms_and_broken_textures(urdf, tmp_path):
    collada(tmp_path / "a.dae", trimesh.creation.box((10.0, 20.0, 30.0)))
    model = load_urdf(urdf(link("a", mesh_shape("collision", "a.dae")))).compile()
    assert model.body_mass[1] == pytest.approx(6.0, rel=MESH)
    np.testing.assert_allclose(model.body_ipos[1], (0, 0, 0.5), atol=MESH)
    vertices = model.mesh_vert.astype(float)
    rotation = np.zeros(9)
    mujoco.mju_quat2Mat(rotation, model.geom_quat[0])
    extent = np.ptp(vertices @ rotation.reshape(3, 3).T, axis=0)
    np.testing.assert_allclose(extent, (0.2, 0.1, 0.3), rtol=1e-5)  # turned by 90 degrees about z


def test_scene_graph_of_glb(tmp_path):
    scene = trimesh.Scene()
    for shift in (-1.0, 1.0):
        scene.add_geometry(trimesh.creation.box(), transform=trimesh.transformations.translation_matrix((shift, 0, 0)))
    scene.export(tmp_path / "two.glb")
    mesh = meshes.read_mesh(tmp_path / "two.glb")
    np.testing.assert_allclose(np.ptp(mesh.vertices, axis=0), (3, 1, 1))
    assert mesh.is_solid


def test_mjcf_with_a_mesh_that_mujoco_does_not_read(tmp_path):
    trimesh.creation.box((0.2, 0.2, 0.2)).export(tmp_path / "a.ply")
    (tmp_path / "robot.xml").write_text(
        '<mujoco><asset><mesh file="a.ply" scale="2 2 2"/></asset><worldbody><body><freejoint/>'
        '<geom type="mesh" mesh="a"/></body></worldbody></mujoco>'
    )
    model = load_mjcf(tmp_path / "robot.xml").compile()
    assert model.body_mass[1] == pytest.approx(64.0, rel=MESH)


# ------------------------------------------------------------------ what a URDF becomes


def test_every_link_is_a_body_and_visuals_weigh_nothing(urdf):
    sphere = "<geometry><sphere radius='1'/></geometry>"
    path = urdf(
        link("base", f"<visual name='v'>{sphere}</visual>" + INERTIAL),
        link("a", f"<visual name='v'>{sphere}</visual><collision>{sphere}</collision>"),
        link("tip", f"<visual>{sphere}</visual>"),
        joint("j", "revolute", "base", "a"),
        joint("k", "fixed", "a", "tip"),
    )
    model = load_urdf(path).compile()
    assert body_names(model) == ["base", "a", "tip"]
    np.testing.assert_allclose(model.body_mass[1:], (1.0, 4000 * math.pi / 3, 0.0), rtol=EXACT)
    assert model.ngeom == 4
    assert (model.jnt_type == (mujoco.mjtJoint.mjJNT_FREE, mujoco.mjtJoint.mjJNT_HINGE)).all()
    assert model.jnt(0).name == "root_joint"
    np.testing.assert_array_equal(model.jnt_actfrcrange[1], (-5, 5))
    fixed = load_urdf(path, fixed=True).compile()
    assert (fixed.nbody, fixed.njnt) == (4, 1)


def test_without_visuals_or_collisions(urdf, tmp_path):
    shapes = mesh_shape("visual", "missing.stl") + "<collision><geometry><box size='1 1 1'/></geometry></collision>"
    path = urdf(link("a", INERTIAL + shapes), link("b", shapes), joint("j", "revolute", "a", "b"))
    model = load_urdf(path, visualization=False).compile()
    assert (model.ngeom, model.nmesh) == (2, 0)
    assert (model.geom_contype == 1).all()
    trimesh.creation.box().export(tmp_path / "missing.stl")
    model = load_urdf(path, collision=False).compile()
    # The box of 'b' stays, since it gives the link its mass, but touches nothing.
    assert model.ngeom == 3
    assert (model.geom_contype == 0).all()
    assert model.body_mass[2] == pytest.approx(1000)


def test_a_root_link_called_world_is_the_world(urdf):
    path = urdf(link("world", ""), link("a"), joint("j", "floating", "world", "a"))
    model = load_urdf(path).compile()
    assert body_names(model) == ["a"]
    assert model.jnt_type.tolist() == [mujoco.mjtJoint.mjJNT_FREE]
    assert model.jnt(0).name == "j"


def test_planar_joint(urdf):
    """Two slides in the plane and a hinge about its normal; the axes of the plane are two of the link's own."""
    path = urdf(link("world", ""), link("a"), joint("j", "planar", "world", "a"))
    model = load_urdf(path).compile()
    kinds = mujoco.mjtJoint
    assert model.jnt_type.tolist() == [kinds.mjJNT_SLIDE, kinds.mjJNT_SLIDE, kinds.mjJNT_HINGE]
    normal = np.array((0.0, 1.0, 0.0))
    np.testing.assert_allclose(model.jnt_axis[2], normal, atol=EXACT)
    np.testing.assert_allclose(np.cross(*model.jnt_axis[:2]), normal, atol=EXACT)


def test_spherical_and_continuous_joints(urdf):
    path = urdf(
        link("world", ""),
        link("a"),
        link("b"),
        joint("s", "spherical", "world", "a"),
        joint("c", "continuous", "a", "b"),
    )
    model = load_urdf(path).compile()
    assert model.jnt_type.tolist() == [mujoco.mjtJoint.mjJNT_BALL, mujoco.mjtJoint.mjJNT_HINGE]
    assert not model.jnt_limited.any()


def test_mimic_joints_are_recognisable(urdf):
    path = urdf(
        link("base"),
        link("a"),
        link("b"),
        joint("j", "revolute", "base", "a"),
        joint("k", "revolute", "a", "b", '<mimic joint="j" multiplier="2"/>'),
    )
    model = load_urdf(path).compile()
    assert [model.equality(0).name, model.neq] == ["mimic of k", 1]


def test_mujoco_extension_and_line_numbers(urdf):
    """The file's own <compiler> is honoured, but for what this loader decides, and errors keep the file's lines."""
    impossible = inertial(1, 1, 1, 5)
    extension = '<mujoco>\n<compiler fusestatic="true"\ndiscardvisual="true" balanceinertia="true"/>\n</mujoco>'
    elements = ["<!-- two\nlines -->", extension, link("a"), link("b", impossible), joint("j", "fixed", "a", "b")]
    spec = load_urdf(urdf(*elements))
    np.testing.assert_allclose(spec.compile().body_inertia[2], np.full(3, 7 / 3))
    assert not spec.compiler.balanceinertia  # written into the link
    broken = '<link\nname="c"><inertial>\n<mass value="x"/></inertial></link>'
    path = urdf(*elements, broken, joint("k", "fixed", "a", "c"))
    number = next(index for index, line in enumerate(path.read_text().splitlines(), 1) if 'value="x"' in line)
    with pytest.raises(gs.GenesisException, match=rf"line {number}, <mass>"):
        load_urdf(path)


def test_warnings_of_mujoco_go_to_the_log(urdf, tmp_path, monkeypatch, caplog, capfd):
    monkeypatch.chdir(tmp_path)
    still = joint("j", "revolute", "base", "a").replace('lower="-1" upper="1"', 'lower="0.5" upper="0.5"')
    load_urdf(urdf(link("base"), link("a"), still)).compile()
    assert "robot.urdf': MuJoCo warns: joint 'j' has equal lower and upper limits" in caplog.text
    assert not (tmp_path / "MUJOCO_LOG.TXT").exists()
    assert "equal lower" not in capfd.readouterr().out


# ------------------------------------------------------------------ MJCF


def test_mjcf_without_visuals_keeps_masses(tmp_path):
    path = tmp_path / "robot.xml"
    path.write_text(
        '<mujoco><worldbody><body name="b"><freejoint/><geom size="1" contype="0" conaffinity="0"/>'
        '<geom name="c" size="0.5"/></body></worldbody><contact><pair geom1="c" geom2="c2"/></contact></mujoco>'.replace(
            "</body>", '</body><geom name="c2" size="0.1"/>'
        )
    )
    full = load_mjcf(path).compile()
    bare = load_mjcf(path, visualization=False).compile()
    assert (full.ngeom, bare.ngeom) == (3, 2)
    np.testing.assert_allclose(bare.body_mass, full.body_mass, rtol=EXACT)
    passive = load_mjcf(path, collision=False).compile()
    assert passive.ngeom == 3
    assert passive.npair == 0
    assert not passive.geom_contype.any()


@pytest.mark.parametrize(
    "setting",
    [
        'inertiafromgeom="true"',
        'inertiagrouprange="2 3"',
        'settotalmass="7"',
        'boundmass="3" boundinertia="0.5"',
        'balanceinertia="true"',
    ],
)
def test_compiler_settings_are_written_out(tmp_path, setting, caplog):
    impossible = "1 1 5" if "balance" in setting else "1 1 1.5"
    path = tmp_path / "robot.xml"
    path.write_text(
        f'<mujoco><compiler {setting}/><worldbody><body name="a"><freejoint/><geom size="0.1" group="2"/>'
        f'<geom size="0.3" pos="1 0 0"/></body><body name="b"><joint/><inertial pos="0 0 1" mass="2" diaginertia="{impossible}"'
        ' euler="10 20 30"/><geom size="0.2" group="3"/></body></worldbody></mujoco>'
    )
    reference = mujoco.MjSpec.from_file(str(path)).compile()
    spec = load_mjcf(path)
    assert all(getattr(spec.compiler, name) == value for name, value in inertias._INERTIA_SETTINGS.items())
    model = spec.compile()
    for name in ("body_mass", "body_inertia", "body_ipos", "body_iquat"):
        np.testing.assert_allclose(getattr(model, name), getattr(reference, name), rtol=EXACT, atol=EXACT)


# ------------------------------------------------------------------ real robots

# Chosen for variety, and for loading in well under a second each.
EXAMPLE_ROBOTS = (
    "a1_description/urdf/a1.urdf",
    "anymal_b_simple_description/robots/anymal.urdf",
    "bolt_description/robots/bolt.urdf",
    "centauro_description/urdf/centauro.urdf",
    "double_pendulum_description/urdf/double_pendulum.urdf",
    "go2_description/urdf/go2.urdf",
    "hector_description/robots/quadrotor_base.urdf",
    "iris_description/robots/iris.urdf",
    "kinova_description/robots/kinova.urdf",
    "panda_description/urdf/panda_collision.urdf",
    "simple_humanoid_description/urdf/simple_humanoid.urdf",
    "so_arm_description/urdf/so100.urdf",
    "solo_description/robots/solo12.urdf",
    "talos_data/robots/talos_reduced.urdf",
    "tiago_description/robots/tiago_no_hand.urdf",
    "ur_description/urdf/ur5_robot.urdf",
)


@pytest.mark.parametrize("name", EXAMPLE_ROBOTS)
def test_example_robots(name):
    robot = ElementTree.parse(ROBOTS / name).getroot()
    links = [element.attrib["name"] for element in robot.findall("link")]
    masses = {
        element.attrib["name"]: float(element.find("inertial/mass").attrib["value"])
        for element in robot.findall("link")
        if element.find("inertial/mass") is not None
    }
    spec = load_urdf(ROBOTS / name)
    model = spec.compile()
    assert set(body_names(model)) == set(links) - {"world"}
    for link_name, mass in masses.items():
        if link_name != "world":
            assert model.body(link_name).mass[0] == pytest.approx(mass, rel=EXACT)
    moving = [element for element in robot.findall("joint") if element.attrib["type"] != "fixed"]
    root = root_link(robot)
    kinds = [element.attrib["type"] for element in moving]
    dofs = sum({"floating": 6, "planar": 3, "spherical": 3}.get(kind, 1) for kind in kinds) + (
        6 if root != "world" else 0
    )
    assert model.nv == dofs
    for element in moving:
        if element.attrib["type"] in ("revolute", "prismatic") and (limit := element.find("limit")) is not None:
            effort = float(limit.attrib.get("effort", 0))
            if effort > 0:
                index = model.joint(element.attrib["name"]).id
                assert model.jnt_actfrcrange[index, 1] == pytest.approx(effort)
    shapes = sum(
        len(element.findall("visual")) + len(element.findall("collision")) for element in robot.findall("link")
    )
    assert model.ngeom == shapes


@pytest.mark.parametrize("number", ["nan", "inf"])
def test_a_mesh_with_a_vertex_that_is_no_number(tmp_path, number):
    mesh = trimesh.creation.box()
    text = mesh.export(file_type="obj").splitlines()
    first = next(k for k, line in enumerate(text) if line.startswith("v "))
    text[first] = f"v {number} 0 0"
    (tmp_path / "bad.obj").write_text("\n".join(text))
    scene = gs.Scene()
    scene.add_entity(gs.morphs.Mesh(file=str(tmp_path / "bad.obj")))
    with pytest.raises(gs.GenesisException, match="not finite numbers"):
        scene.build()
