"""The files of an MJCF model: what they may be, what is said of those that are wrong, and where."""

import time

import mujoco
import numpy as np
import pytest

import genesis as gs
from genesis.model import mjcf_files
from genesis.model.compose import EntitySpec, compose
from genesis.model.mjcf import load_mjcf

BODY = '<worldbody><body name="b"><joint name="elbow" axis="0 1 0"/><geom name="g" size=".1"/><site name="s"/></body></worldbody>'


@pytest.fixture
def write(tmp_path):
    """Writes files by name, as text or bytes; returns the path of main.xml."""

    def write_files(main, **others):
        for name, content in {"main": main, **others}.items():
            data = content if isinstance(content, bytes) else content.encode()
            (tmp_path / f"{name}.xml").write_bytes(data)
        return tmp_path / "main.xml"

    return write_files


def mjcf(content):
    return f"<mujoco>\n{content}\n</mujoco>"


ATTACH = mjcf('<asset><model name="k" file="part.xml"/></asset><worldbody><attach model="k" prefix="x_"/></worldbody>')


# ------------------------------------------------------------------ names of nothing

# An element that names what is not there, and what is said of it.
MISSING = {
    "joint of a motor": (
        '<actuator><motor name="m" joint="elbw"/></actuator>',
        r"<motor> of actuator 'm': names the joint",
    ),
    "tendon of an actuator": ('<actuator><position tendon="elbw"/></actuator>', r"<position>: names the tendon"),
    "site of an actuator": ('<actuator><motor site="elbw"/></actuator>', r"<motor>: names the site"),
    "reference site": ('<actuator><motor site="s" refsite="elbw"/></actuator>', r"<motor>: names the site"),
    "slider": (
        '<actuator><motor cranksite="s" slidersite="elbw" cranklength="1"/></actuator>',
        r"<motor>: names the site",
    ),
    "body of an actuator": (
        '<actuator><adhesion body="elbw" ctrlrange="0 1"/></actuator>',
        r"<adhesion>: names the body",
    ),
    "geom of a pair": ('<contact><pair geom1="g" geom2="elbw"/></contact>', r"<pair>: names the geom"),
    "body of an exclude": ('<contact><exclude body1="b" body2="elbw"/></contact>', r"<exclude>: names the body"),
    "joint of a tendon": (
        '<tendon><fixed name="t"><joint joint="elbow" coef="1"/>\n<joint joint="elbw" coef="1"/></fixed></tendon>',
        r"<joint> of tendon 't': names the joint",
    ),
    "site of a tendon": (
        '<tendon><spatial><site site="s"/><site site="elbw"/></spatial></tendon>',
        "<site>: names the site",
    ),
    "geom of a tendon": (
        '<tendon><spatial><site site="s"/><geom geom="elbw"/><site site="s"/></spatial></tendon>',
        "<geom>: names the geom",
    ),
    "side site": (
        '<tendon><spatial><site site="s"/><geom geom="g" sidesite="elbw"/><site site="s"/></spatial></tendon>',
        "<geom>: names the site",
    ),
    "joint of an equality": ('<equality><joint joint1="elbow" joint2="elbw"/></equality>', r"<joint>: names the joint"),
    "tendon of an equality": ('<equality><tendon tendon1="elbw"/></equality>', r"<tendon>: names the tendon"),
    "body of a weld": ('<equality><weld body1="b" body2="elbw"/></equality>', r"<weld>: names the body"),
    "site of a connect": ('<equality><connect site1="s" site2="elbw"/></equality>', r"<connect>: names the site"),
    "joint of a sensor": ('<sensor><jointpos joint="elbw"/></sensor>', r"<jointpos>: names the joint"),
    "object of a sensor": (
        '<sensor><framepos objtype="xbody" objname="elbw"/></sensor>',
        r"<framepos>: names the body",
    ),
    "reference of a sensor": (
        '<sensor><framepos objtype="site" objname="s" reftype="geom" refname="elbw"/></sensor>',
        r"<framepos>: names the geom",
    ),
    "actuator of a sensor": ('<sensor><actuatorfrc actuator="elbw"/></sensor>', r"<actuatorfrc>: names the actuator"),
    "object of a tuple": (
        '<custom><tuple name="t"><element objtype="body" objname="elbw"/></tuple></custom>',
        r"<tuple> of tuple 't': names the body",
    ),
    "mesh of a geom": ('<worldbody><geom type="mesh" mesh="elbw"/></worldbody>', r"<geom>: names the mesh"),
    "height field": ('<worldbody><geom type="hfield" hfield="elbw"/></worldbody>', r"<geom>: names the height field"),
    "material of a geom": ('<worldbody><geom size="1" material="elbw"/></worldbody>', r"<geom>: names the material"),
    "material of a site": ('<worldbody><site material="elbw"/></worldbody>', r"<site>: names the material"),
    "texture": ('<asset><material name="m" texture="elbw"/></asset>', r"<material> of material 'm': names the texture"),
    "target of a camera": (
        '<worldbody><camera mode="targetbody" target="elbw"/></worldbody>',
        r"<camera>: names the body",
    ),
    "target of a light": (
        '<worldbody><light mode="targetbody" target="elbw"/></worldbody>',
        r"<light>: names the body",
    ),
}


@pytest.mark.parametrize("case", MISSING)
def test_names_of_nothing(write, case):
    element, message = MISSING[case]
    line = 4 if "\n" in element else 3
    path = write(mjcf(f"{BODY}\n{element}"))
    place = (
        rf"main\.xml', line {line}, {message} 'elbw', which does not exist\. (Did you mean|Known: |The model has none)"
    )
    with pytest.raises(gs.GenesisException, match=place):
        load_mjcf(path)


@pytest.mark.parametrize("case", ["joint of a motor", "geom of a pair", "joint of a sensor", "joint of an equality"])
def test_names_of_nothing_in_other_files(write, case):
    """Also in files that a model includes or attaches, where MuJoCo itself drops them."""
    element, message = MISSING[case]
    part = mjcf(f"{BODY}\n{element}")
    for main in (ATTACH, mjcf('<include file="part.xml"/>')):
        with pytest.raises(gs.GenesisException, match=rf"part\.xml', line 3, {message} 'elbw'"):
            load_mjcf(write(main, part=part))


def test_names_of_everything(write):
    """What is there is found: in replicated and attached parts, of every kind."""
    part = mjcf(
        '<asset><texture name="t" type="2d" builtin="flat" width="2" height="2"/><material name="m" texture="t"/></asset>'
        '<worldbody><replicate count="2"><body name="b"><joint name="j"/><geom name="g" size="1" material="m"/>'
        '<site name="s"/></body></replicate></worldbody><contact><exclude body1="world" body2="b1"/></contact>'
        '<tendon><fixed name="f"><joint joint="j0" coef="1"/><joint joint="j1" coef="2"/></fixed></tendon>'
        '<sensor><tendonpos tendon="f"/><framepos objtype="site" objname="s1" reftype="camera" refname="c"/></sensor>'
        '<worldbody><camera name="c" mode="targetbody" target="b0"/></worldbody>'
    )
    model = load_mjcf(write(ATTACH, part=part)).compile()
    assert (model.nsensor, model.ntendon, model.nwrap, model.nexclude) == (2, 1, 2, 1)


# ------------------------------------------------------------------ what an XML file may be


def geom_size(path):
    model = load_mjcf(path).compile()
    np.testing.assert_array_equal(model.geom_size[0], (0.1, 0, 0))
    return model


def test_encodings(write, caplog):
    text = mjcf(f"<!-- 45° -->{BODY}".replace('"b"', '"grün"'))
    for encoding in ("utf-8", "utf-8-sig", "utf-16", "utf-32"):
        assert geom_size(write(text.encode(encoding))).body(1).name == "grün"
    for encoding in ("ISO-8859-1", "cp1252", "cp500", "shift_jis"):
        if encoding == "shift_jis":
            text = text.replace("grün", "腕").replace("°", "")
        data = f'<?xml version="1.0" encoding="{encoding}"?>{text}'.encode(encoding)
        if encoding == "cp500":  # not a superset of ASCII: its declaration cannot be read
            with pytest.raises(gs.GenesisException, match=r"cannot read '.*main\.xml' as text"):
                load_mjcf(write(data))
            caplog.clear()
            continue
        assert geom_size(write(data)).body(1).name in ("grün", "腕")
    assert not caplog.text
    geom_size(write(mjcf(f"<!-- 45° -->{BODY}").encode("latin-1")))
    assert "main.xml' is not in UTF-8 and names no encoding: read as ISO-8859-1" in caplog.text


def test_namespaces_entities_and_character_references(write):
    geom_size(write(f'<mujoco xmlns="http://a.b" xmlns:c="http://d" c:e="1">{BODY}</mujoco>'))
    prefixed = BODY.replace("<", "<m:").replace("<m:/", "</m:")
    geom_size(write(f'<m:mujoco xmlns:m="http://a.b">{prefixed}</m:mujoco>'))
    entities = '<!DOCTYPE mujoco [<!ENTITY r ".1"><!ENTITY more "<geom size=\'.2\'/>">]>'
    body = BODY.replace('".1"/>', '"&r;"/>&more;').replace('"b"', '"&#x62;&amp;&lt;&#34;&#233;"')
    model = geom_size(write(f"{entities}<mujoco>{body}</mujoco>"))
    assert model.body(1).name == 'b&<"é'
    assert model.ngeom == 2


BAD_FILES = {
    "unknown encoding": ('<?xml version="1.0" encoding="klingon"?><mujoco/>', r"main\.xml' as text \(unknown encoding"),
    "no text encoding": ('<?xml version="1.0" encoding="hex"?><mujoco/>', r"cannot read '.*main\.xml' as text"),
    "undefined entity": (mjcf("&foo;"), r"main\.xml', line 2, column 1: not well-formed XML \(undefined entity\)"),
    "entity of a file": (
        '<!DOCTYPE mujoco [<!ENTITY e SYSTEM "part.xml">]>' + mjcf("&e;"),
        r"main\.xml', line 1: <!DOCTYPE> with a part in another file",
    ),
    "types of a file": ('<!DOCTYPE mujoco SYSTEM "a.dtd">' + mjcf('<geom size="&e;"/>'), "with a part in another file"),
    "entities without end": (
        "<!DOCTYPE mujoco [<!ENTITY e0 'lollollollol'>"
        + "".join(f"<!ENTITY e{k + 1} '{f'&e{k};' * 10}'>" for k in range(10))
        + ']><mujoco model="&e10;"/>',
        r"main\.xml', line 1, column \d+: not well-formed XML \(limit on input amplification",
    ),
    "empty": ("  ", r"main\.xml' is empty\. Expected an MJCF file"),
    "deep": (mjcf("<worldbody>" + "<body>\n" * 1000 + "</body>" * 1000 + "</worldbody>"), r"line 500, <body>: more than 500 el"),
    "format of C": (mjcf('<worldbody><geom name="a%n"/></worldbody>'), r"line 2, <geom name=\"a%n\">: MuJoCo would take \"%n\""),
    "longer format": (mjcf('<worldbody>\n<geom class="100%-08.3s"/></worldbody>'), r"line 3, <geom class=.*\"%-08\.3s\""),
    "copies": (
        mjcf("<worldbody>" + '<replicate count="100">' * 3 + '<geom size="1"/>' + "</replicate>" * 3 + "</worldbody>"),
        r"line 2, <replicate>: the model gets 999999 more elements from such",
    ),
    "copies of copies": (
        mjcf(
            '<worldbody><body name="b0"><geom size="1"/></body>'
            + "".join(f'<body name="b{k + 1}">{f"<attach body=@b{k}@ prefix=@p@/>" * 2}</body>' for k in range(40))
            + "</worldbody>"
        ).replace("@", '"'),
        r"<attach>: the model gets \d{10,} more elements from such",
    ),
    "body in itself": (
        mjcf('<worldbody><body name="b"><frame>\n<attach body="b" prefix="x"/></frame></body></worldbody>'),
        r"line 3, <attach>: the body 'b' attaches itself",
    ),
    "numbers of a body": (mjcf('<size nuser_body="1000000000"/>'), r"line 2, <size>: nuser_body is 1e\+09\. At most 1000"),
    "height field": (
        mjcf('<asset><hfield name="h" nrow="32000" ncol="32000" size="1 1 1 1"/></asset>'),
        r"line 2, <hfield>: nrow x ncol is 1\.024e\+09",
    ),
    "shape": (mjcf('<asset><mesh name="m" builtin="supersphere" params="100000 1 1"/></asset>'), "params holds 100000"),
    "muscles": (mjcf('<compiler><lengthrange inttotal="1e9"/></compiler>'), r"<lengthrange>: inttotal is 1e\+09"),
    "beyond numbers": (
        mjcf('<worldbody><body name="b"><geom size="1" pos="0 1e308 0"/></body></worldbody>'),
        r"line 2, body 'b': <geom pos=\"0 1e308 0\">: 1e308 is beyond all that can be computed with",
    ),
    "path too long": (mjcf(f'<include file="{"a" * 5000}.xml"/>'), r"line 2, <include>: file 'a+\.xml' not found"),
    "mesh's path too long": (
        mjcf(f'<compiler meshdir="{"a/" * 5000}"/><asset><mesh name="m" file="m.stl"/></asset>'),
        r"line 2, mesh 'm': file 'm\.stl' not found",
    ),
    "no file included": (mjcf("<include/>"), r"line 2, <include>: no file\. Name it"),
    "no file attached": (mjcf('<asset><model name="k"/></asset>'), r"line 2, <model>: no file\. Name it"),
    "include with content": (mjcf('<include file="part.xml"><geom/></include>'), r"line 2, <geom>: <include> holds nothing"),
    "model without a name": (mjcf('<worldbody><attach model="k" prefix="x"/></worldbody>'), r"line 2, <attach>: could not find"),
    "itself": (mjcf('<include file="main.xml"/>'), r"main\.xml', line 2, <include>: '.*main\.xml' includes itself"),
    "itself attached": (mjcf('<asset>\n<model file="main.xml"/></asset>'), r"main\.xml', line 3, <model>: '.*main.xml' attaches"),
    "twice": (mjcf('<include file="part.xml"/><include file="part.xml"/>'), r"line 2, <include>: '.*part\.xml' is already included"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD_FILES)
def test_bad_files(write, case):
    text, message = BAD_FILES[case]
    with pytest.raises(gs.GenesisException, match=message):
        load_mjcf(write(text, part=mjcf(BODY)))


def test_circles_of_files(write):
    for element in ('<include file="{}.xml"/>', '<asset><model name="k" file="{}.xml"/></asset>'):
        files = {name: mjcf(element.format(other)) for name, other in (("main", "one"), ("one", "two"), ("two", "one"))}
        with pytest.raises(gs.GenesisException, match=r"two\.xml', line 2, <\w+>: '.*one\.xml' (in|at)\w+ itself"):
            load_mjcf(write(**files))


def test_a_fan_of_files(write):
    """Thirty files, each of which includes, or attaches, the next one twice: refused within a second."""
    for leaf in ("<mujocoinclude/>", '<mujoco><worldbody><geom size="1"/></worldbody></mujoco>'):
        files = {
            f"f{k}": f"<mujoco>{f'<include file=@f{k + 1}.xml@/>' * 2}</mujoco>".replace("@", '"') for k in range(30)
        }
        start = time.perf_counter()
        path = write(mjcf('<include file="f0.xml"/>'), **files, f30=leaf)
        with pytest.raises(gs.GenesisException, match=r"more than \d+ (elements|files)"):
            load_mjcf(path)
        assert time.perf_counter() - start < 10


def test_lines_of_attached_and_included_files(write):
    """What MuJoCo says of a line is said of the file's own."""
    wrong = '<worldbody>\n\n<body name="b"><joint/><geom sise="1"/></body></worldbody>'
    for main in (ATTACH, mjcf('\n<include file="part.xml"/>')):
        with pytest.raises(gs.GenesisException, match=r"part\.xml', line 4, <geom>: .*'sise'"):
            load_mjcf(write(main, part=mjcf(wrong)))
        with pytest.raises(gs.GenesisException, match=r"part\.xml', line 2, geom 'g': <geom size=\"nan\">"):
            load_mjcf(write(main, part=mjcf(BODY.replace('".1"', '"nan"'))))


def test_attached_urdf(write, tmp_path):
    inertial = '<inertial><mass value="2"/><inertia ixx="1" iyy="1" izz="1" ixy="0" ixz="0" iyz="0"/></inertial>'
    (tmp_path / "meshes").mkdir()
    (tmp_path / "meshes/t.obj").write_text("v 0 0 0\nv 1 0 0\nv 0 1 0\nv 0 0 1\nf 1 3 2\nf 1 2 4\nf 1 4 3\nf 2 3 4\n")
    shape = '<collision><geometry><mesh filename="meshes/t.obj"/></geometry></collision>'
    robot = (
        f'<robot name="r"><mujoco><compiler strippath="false"/></mujoco><link name="a">{inertial}{shape}</link></robot>'
    )
    path = write(ATTACH, part=robot)
    model, expected = load_mjcf(path).compile(), mujoco.MjModel.from_xml_path(str(path))
    assert model.ngeom == expected.ngeom == 1
    np.testing.assert_array_equal(model.mesh_vert, expected.mesh_vert)
    np.testing.assert_array_equal(model.body_mass, expected.body_mass)


def test_what_got_lost_is_missed(write, monkeypatch):
    """The scene counts what its files hold, should a name of nothing be overlooked."""
    path = write(mjcf(BODY + '<actuator><motor joint="elbw"/></actuator>'))
    monkeypatch.setattr("genesis.model.references.refuse_missing", lambda spec, files: None)
    with pytest.raises(gs.GenesisException, match=r"entity 'e': .*unknown transmission target 'elbw'"):
        compose([EntitySpec(gs.morphs.MJCF(file=path), name="e")])


def test_limits_leave_room(write):
    """Models of thousands of parts load."""
    content = '<worldbody><replicate count="1000"><geom size="1"/></replicate></worldbody>'
    start = time.perf_counter()
    assert load_mjcf(write(mjcf(content))).compile().ngeom == 1000 < mjcf_files.MOST_COPIES
    assert time.perf_counter() - start < 5
