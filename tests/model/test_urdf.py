"""URDF as the world writes it: what is repaired and what it becomes, XML in all its forms, and names and paths that
are traps."""

import logging
import re
import time

import mujoco
import numpy as np
import pytest
import torch
import trimesh

import genesis as gs
from genesis.model import inertias, xml_tree
from genesis.model.compose import EntitySpec, compose
from genesis.model.urdf import load_urdf
from tests.model.test_robot_files import INERTIAL, ROBOTS, inertial, joint, link, mesh_shape, moving_arm

EXACT = 1e-12  # two ways of computing the same numbers in float64
BOX = '<collision><geometry><box size="0.1 0.2 0.3"/></geometry></collision>'
BOX_MASS = 6.0  # kg, at 1000 kg/m3
BOX_MOMENTS = np.array([0.2**2 + 0.3**2, 0.1**2 + 0.3**2, 0.1**2 + 0.2**2]) * BOX_MASS / 12


@pytest.fixture
def urdf(tmp_path):
    """Writes a URDF: text, bytes or the elements of a robot; returns its path."""

    def write(*elements):
        path = tmp_path / "robot.urdf"
        if isinstance(elements[0], bytes):
            path.write_bytes(elements[0])
        elif elements[0].startswith(("<robot", "<u:robot", "<?xml", "<!DOCTYPE")):
            path.write_text(elements[0])
        else:
            path.write_text('<robot name="r">\n' + "\n".join(elements) + "\n</robot>\n")
        return path

    return write


@pytest.fixture
def warned(caplog):
    """The warnings so far, as a list of texts."""

    def texts():
        return [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]

    return texts


def full_inertia(model, name):
    """The inertia of a link about its centre, in its own axes (3, 3)."""
    rotation = np.zeros(9)
    mujoco.mju_quat2Mat(rotation, model.body(name).iquat)
    rotation = rotation.reshape(3, 3)
    return rotation @ np.diag(model.body(name).inertia) @ rotation.T


# ------------------------------------------------------------------ inertias


def test_degenerate_inertias_are_no_repair(urdf, warned):
    """A thin rod, a point mass and a plate whose moments are rounded, on links that do not move by themselves."""
    half = 0.5e-3
    path = urdf(
        link("base"),
        link("rod", inertial(1, half, half, 1e-3, xy=half)),  # along (1, -1, 0)
        link("point", inertial(2, 0, 0, 0)),
        link("rounded point", inertial(2, 0, 0, 0, xy=1e-20)),
        link("plate", inertial(1, 1e-3, 2e-3, 3e-3 * (1 + 1e-12))),
        *(joint(f"j {name}", "fixed", "base", name) for name in ("rod", "point", "rounded point", "plate")),
    )
    model = load_urdf(path, repair=False).compile()
    np.testing.assert_allclose(model.body_mass[1:], (1, 1, 2, 2, 1))
    np.testing.assert_allclose(full_inertia(model, "rod"), [[half, half, 0], [half, half, 0], [0, 0, 1e-3]], atol=1e-15)
    np.testing.assert_array_equal(model.body_inertia[3:5], 0)
    np.testing.assert_allclose(np.sort(model.body_inertia[5]), (1e-3, 2e-3, 3e-3), rtol=2e-9)  # below the bound
    assert warned() == []


IMPOSSIBLE = {
    "a moment above the sum of the others": (inertial(1, 1, 1, 5), r"\(1, 1, 5\)", 7 / 3),
    "off-diagonal moments": (inertial(1, 1, 1, 1, xy=5), r"\(-4, 1, 6\)", 7 / 3),
    "of one axis only": (inertial(1, 0, 0, 0.003), r"\(0, 0, 0\.003\)", 1e-3),
    "a placeholder": (inertial(1e-6, 1e-6, 1e-6, 1e-6, 1e-6, 1e-6, 1e-6), r"3e-06\)", 1e-6),
}


@pytest.mark.parametrize("kind", ["fixed", "revolute"])
@pytest.mark.parametrize("case", IMPOSSIBLE)
def test_impossible_inertias_become_the_mean_of_their_moments(urdf, warned, case, kind):
    text, given, mean = IMPOSSIBLE[case]
    path = urdf(link("base"), link("arm", text), joint("j", kind, "base", "arm"))
    model = load_urdf(path).compile()
    np.testing.assert_allclose(full_inertia(model, "arm"), np.eye(3) * mean, rtol=EXACT, atol=mean * EXACT)
    (message,) = warned()
    assert f"'{path}' was repaired" in message and "link 'arm': no body has" in message and f"{mean:.3g} kg" in message
    with pytest.raises(gs.GenesisException, match=rf"(?s)robot\.urdf' is refused \(repair=False\).*{given}"):
        load_urdf(path, repair=False)


def test_the_mean_is_that_of_balanceinertia(urdf):
    elements = (link("base"), link("arm", inertial(1, 1, 1, 5)), joint("j", "revolute", "base", "arm"))
    ours = load_urdf(urdf(*elements)).compile()
    path = urdf('<mujoco><compiler balanceinertia="true"/></mujoco>', *elements)
    theirs = load_urdf(path, repair=False).compile()
    np.testing.assert_allclose(ours.body_inertia, theirs.body_inertia, rtol=EXACT)
    np.testing.assert_allclose(ours.body_mass, theirs.body_mass, rtol=EXACT)


MASSLESS = {
    "no inertial": "",
    "zeros": inertial(0, 0, 0, 0),
    "no mass": '<inertial><inertia ixx="0" iyy="0" izz="0" ixy="0" ixz="0" iyz="0"/></inertial>',
    "an empty one": "<inertial/>",
}


@pytest.mark.parametrize("case", MASSLESS)
@pytest.mark.parametrize("collision", [True, False])
def test_a_moving_link_without_mass(urdf, warned, case, collision):
    """It weighs what its collision shapes do, where there are any, and else a hundredth of a usual link."""
    base = link("base", inertial(4, 0.04, 0.04, 0.04))  # radius of gyration: 0.1
    small = link("small", MASSLESS[case])
    path = urdf(base, small, joint("j", "continuous", "base", "small"))
    model = load_urdf(path, collision=collision).compile()
    np.testing.assert_allclose(model.body("small").mass, 0.04, rtol=EXACT)
    np.testing.assert_allclose(model.body("small").inertia, 4e-4, rtol=EXACT)
    np.testing.assert_array_equal(model.body("small").ipos, 0)
    (message,) = warned()
    assert "link 'small' moves, and has no mass: became 0.04 kg with the moments (0.0004, 0.0004, 0.0004)" in message
    with pytest.raises(gs.GenesisException, match="link 'small' moves, and has no mass"):
        load_urdf(path, repair=False)

    shaped = BOX.replace("<geometry>", '<origin xyz="0 0 1"/><geometry>')
    path = urdf(base, link("small", MASSLESS[case] + shaped), joint("j", "continuous", "base", "small"))
    model = load_urdf(path, collision=collision).compile()
    np.testing.assert_allclose(model.body("small").mass, BOX_MASS, rtol=EXACT)
    np.testing.assert_allclose(model.body("small").ipos, (0, 0, 1), atol=EXACT)
    np.testing.assert_allclose(full_inertia(model, "small"), np.diag(BOX_MOMENTS), rtol=EXACT, atol=EXACT)
    assert model.ngeom == (1 if collision or case == "no inertial" else 0)
    assert not collision or model.geom_contype.all()


def test_a_moving_link_without_inertia(urdf, warned):
    """That of its shapes for the mass that the file gives, at the centre that it gives; else a usual radius."""
    weight = inertial(3, 0, 0, 0).replace("<inertial>", '<inertial><origin xyz="0 0 2"/>')
    path = urdf(
        link("base", inertial(4, 0.04, 0.04, 0.04)),
        link("box", weight + BOX),
        link("point", inertial(3, 0, 0, 0)),
        link("rod", inertial(3, 0, 1, 1)),
        joint("i", "continuous", "base", "box"),
        joint("j", "continuous", "base", "point"),
        joint("k", "continuous", "base", "rod"),
    )
    model = load_urdf(path).compile()
    np.testing.assert_allclose(model.body_mass[1:], (4, 3, 3, 3))
    np.testing.assert_array_equal(model.body("box").ipos, (0, 0, 2))
    np.testing.assert_allclose(full_inertia(model, "box"), np.diag(BOX_MOMENTS) / 2, rtol=EXACT, atol=EXACT)
    np.testing.assert_allclose(full_inertia(model, "point"), np.eye(3) * 3 * 0.1**2, rtol=EXACT, atol=EXACT)
    np.testing.assert_allclose(full_inertia(model, "rod"), np.diag((1e-2, 1, 1)), rtol=EXACT, atol=EXACT)
    assert [message.count("\n- ") for message in warned()] == [3]


def test_a_link_that_carries_a_fixed_one_stays_without_mass(urdf, warned):
    path = urdf(
        link("base"),
        link("frame", ""),
        link("arm"),
        joint("j", "continuous", "base", "frame"),
        joint("k", "fixed", "frame", "arm"),
    )
    assert load_urdf(path, repair=False).compile().body("frame").mass == 0
    assert warned() == []


def test_a_base_without_mass(urdf, warned):
    path = urdf(link("base", ""), link("arm"), joint("j", "continuous", "base", "arm"))
    assert load_urdf(path, fixed=True, repair=False).compile().body("base").mass == 0
    assert load_urdf(path).compile().body("base").mass == pytest.approx(1e-2)
    (message,) = warned()
    assert "link 'base' moves" in message and "pass fixed=True if it is a base that does not move" in message


def test_a_robot_without_any_mass(urdf):
    """The usual mass and radius then are constants."""
    path = urdf(link("base", ""), link("arm", ""), joint("j", "continuous", "base", "arm"))
    model = load_urdf(path).compile()
    mass = 1e-2 * inertias._USUAL_MASS
    np.testing.assert_allclose(model.body_mass[1:], mass)
    np.testing.assert_allclose(model.body_inertia[1:], mass * inertias._USUAL_RADIUS**2)


def test_a_mesh_without_volume_counts_as_its_hull(urdf, tmp_path):
    """Half of a box's triangles: MuJoCo refuses their inertia."""
    box = trimesh.creation.box((0.1, 0.2, 0.3))
    box.faces = np.concatenate((box.faces[:6], box.faces[6:, ::-1]))
    box.export(tmp_path / "odd.stl")
    shape = mesh_shape("collision", "odd.stl")
    path = urdf(link("base"), link("arm", inertial(0, 0, 0, 0) + shape), joint("j", "continuous", "base", "arm"))
    assert load_urdf(path).compile().body("arm").mass == pytest.approx(BOX_MASS, rel=1e-6)  # float32 vertices


def test_sound_numbers_stay_bit_for_bit(urdf, warned):
    """Also at MuJoCo's bounds, where another way of computing the moments would differ in the last bit."""
    rng = np.random.default_rng(0)
    rows = [(1, 2, 3, 0, 0, 0), (1e-13, 1e-13, 2e-13, 0, 0, 0)]
    for _ in range(20):
        axes = np.linalg.qr(rng.normal(size=(3, 3)))[0]
        full = axes @ np.diag(rng.uniform(1, 1.9, 3)) @ axes.T
        rows.append((*full.diagonal(), full[0, 1], full[0, 2], full[1, 2]))
    links = [link(f"l{k}", inertial(1, *(repr(float(x)) for x in row))) for k, row in enumerate(rows)]
    path = urdf(*links, *(joint(f"j{k}", "continuous", "l0", f"l{k}") for k in range(1, len(rows))))
    spec = load_urdf(path, repair=False)
    np.testing.assert_array_equal([body.fullinertia for body in spec.bodies[1:]], rows)
    spec.compile()
    assert warned() == []


def test_the_extension_of_mujoco(urdf, caplog):
    """Its numbers are looked at as all others; what has no effect is named."""
    with pytest.raises(gs.GenesisException, match=r"line 2: <compiler boundmass=\"nan\">: nan is not a finite number"):
        load_urdf(urdf('<mujoco><compiler boundmass="nan" meshdir="nan"/></mujoco>', link("a")))
    with caplog.at_level("INFO", logger=gs.runtime.logger.name):
        load_urdf(urdf('<mujoco><size nuser_body="2000000000"/><keyframe/></mujoco>', link("a"))).compile()
    assert [record.getMessage().partition(": ")[2] for record in caplog.records] == [
        "has no effect here: <mujoco><size>.",
        "unknown elements, which have no effect: <mujoco><keyframe>.",
    ]


def test_negative_mass(urdf):
    path = urdf(link("base"), link("arm", inertial(-1, 1, 1, 1)), joint("j", "continuous", "base", "arm"))
    with pytest.raises(gs.GenesisException, match=r"robot\.urdf', line 3, link 'arm': <mass value=\"-1\"> is negative"):
        load_urdf(path)


# ------------------------------------------------------------------ meshes


def test_visual_meshes_that_cannot_be_read_are_left_out(urdf, tmp_path, warned):
    trimesh.creation.box().export(tmp_path / "good.stl")
    data = (tmp_path / "good.stl").read_bytes()
    (tmp_path / "cut.stl").write_bytes(data[:-30])
    (tmp_path / "header.stl").write_bytes(data[:40])
    (tmp_path / "bad.ply").write_bytes(b"not a ply")
    (tmp_path / "empty.obj").write_bytes(b"")
    names = ("good.stl", "none.stl", "cut.stl", "header.stl", "bad.ply", "empty.obj")
    shapes = [mesh_shape("visual", name) for name in names]
    path = urdf(link("a", INERTIAL + BOX + "".join(shapes)), link("b", shapes[1]), joint("j", "fixed", "a", "b"))
    model = load_urdf(path).compile()
    assert (model.ngeom, model.nmesh) == (2, 1)
    (message,) = warned()
    listed = message.split("\n- ")[1:]
    assert len(listed) == 6
    assert listed[0].startswith("link 'a': visual mesh 'none.stl' not found. Looked at '")
    assert listed[1].startswith("link 'b': visual mesh 'none.stl' not found")
    assert "cut.stl' is cut short, or no STL: its header stands for 684 bytes, and it has 654" in listed[2]
    with pytest.raises(gs.GenesisException, match=r"(?s)repair=False.*link 'a': visual mesh 'none\.stl' not found"):
        load_urdf(path, repair=False)
    assert load_urdf(path, visualization=False, repair=False).compile().ngeom == 1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda data: data[:-30],
            r"link 'a'.*is cut short, or no STL: its header stands for 684 bytes, and it has 654",
        ),
        (lambda data: data[:20], r"is cut short, or no STL"),
        (lambda data: b"", r"is cut short, or no STL"),
        (lambda data: data[:100] + np.float32(np.nan).tobytes() + data[104:], r"not finite numbers \(triangle 0\)"),
        (lambda data: data[:-14] + np.float32(np.inf).tobytes() + data[-10:], r"not finite numbers \(triangle 11\)"),
    ],
)
def test_broken_stl(urdf, tmp_path, change, message):
    trimesh.creation.box().export(tmp_path / "a.stl")
    (tmp_path / "a.stl").write_bytes(change((tmp_path / "a.stl").read_bytes()))
    path = urdf(link("a", INERTIAL + mesh_shape("collision", "a.stl")))
    with pytest.raises(gs.GenesisException, match=message):
        load_urdf(path)


def test_stl_that_goes_on_after_its_triangles(urdf, tmp_path):
    trimesh.creation.box().export(tmp_path / "a.stl")
    with (tmp_path / "a.stl").open("ab") as file:
        file.write(b"made by hand")
    path = urdf(link("a", mesh_shape("collision", "a.stl")))
    assert load_urdf(path).compile().body("a").mass == pytest.approx(1000, rel=1e-6)  # float32 vertices


def test_text_meshes_in_other_encodings(urdf, tmp_path):
    for name, comment in (("a.off", b"# gr\xfcn\n"), ("a.stl", None)):
        data = trimesh.creation.box().export(file_type="off" if comment else "stl_ascii").encode()
        data = data.replace(b"\n", b"\n" + comment, 1) if comment else data.replace(b"solid", b"solid gr\xfcn", 1)
        (tmp_path / name).write_bytes(data)
        path = urdf(link("a", mesh_shape("collision", name)))
        assert load_urdf(path).compile().body("a").mass == pytest.approx(1000, rel=1e-6)  # float32 vertices


# ------------------------------------------------------------------ joints


def test_limits_that_are_not_given(urdf, warned):
    path = urdf(
        link("base"),
        *(link(name) for name in "abcde"),
        joint("i", "revolute", "base", "a").replace('lower="-1" upper="1"', ""),
        joint("j", "prismatic", "base", "b").replace('lower="-1"', ""),
        joint("k", "revolute", "base", "c").replace('upper="1"', ""),
        joint("l", "revolute", "base", "d").replace('<limit lower="-1" upper="1" effort="5" velocity="1"/>', ""),
        joint("m", "revolute", "base", "e").replace('lower="-1" upper="1"', 'lower="0.0"'),
    )
    model = load_urdf(path, fixed=True, repair=False).compile()
    np.testing.assert_allclose(model.jnt_range, [(0, 0), (0, 1), (-1, 0), (0, 0), (0, 0)], atol=1e-5)
    assert model.jnt_limited.tolist() == [1, 1, 1, 0, 1]
    (message,) = warned()
    assert "joint 'i': lower and upper are not given, and 0 is their default: it is held at 0" in message
    assert "joint 'j': lower is not given, and 0 is its default" in message
    assert "joint 'k': upper is not given" in message
    assert "joint 'l' has no <limit>, which URDF requires: it moves without limits" in message
    assert "joint 'm': upper is not given, and 0 is its default: it is held at 0" in message
    data = mujoco.MjData(model)
    data.qfrc_applied[0] = 1.0
    for _ in range(500):
        mujoco.mj_step(model, data)
    assert abs(data.qpos[0]) < 2e-3 and abs(data.qvel[0]) < 1e-6  # as soft as any limit
    with pytest.raises(gs.GenesisException, match=r"lower=0 is above upper=-1 \(lower is not given: 0\)"):
        load_urdf(
            urdf(link("a"), link("b"), joint("j", "revolute", "a", "b").replace('lower="-1" upper="1"', 'upper="-1"'))
        )


def three_links(first, second):
    return (
        *(link(name) for name in "abc"),
        joint("i", "revolute", "a", "b", first),
        joint("j", "revolute", "b", "c", second),
    )


@pytest.mark.parametrize(
    ("first", "second", "message"),
    [
        ('<mimic joint="i"/>', "", r"line 5, joint 'i': a <mimic> of itself \('i' of 'i'\)"),
        ('<mimic joint="j"/>', '<mimic joint="i"/>', r"joint 'i': a <mimic> of itself \('i' of 'j' of 'i'\)"),
        ("", '<mimic joint="k"/>', None),
        ("", "<mimic/>", None),
    ],
)
def test_mimics(urdf, warned, first, second, message):
    path = urdf(*three_links(first, second))
    with pytest.raises(gs.GenesisException, match=message or r"(?s)repair=False.*joint 'j': <mimic joint="):
        load_urdf(path, repair=False)
    if message is None:
        assert load_urdf(path).compile().neq == 0
        assert '<mimic joint="' in warned()[0] and "there is no such joint. Known: 'i', 'j'." in warned()[0]
    else:
        with pytest.raises(gs.GenesisException, match=message):
            load_urdf(path)


def test_mimic_of_a_joint_of_several_dofs(urdf, warned):
    path = urdf(
        link("a"),
        link("b"),
        link("c"),
        joint("i", "planar", "a", "b"),
        joint("j", "revolute", "b", "c", '<mimic joint="i"/>'),
    )
    assert load_urdf(path).compile().neq == 0
    assert "one of them is no hinge or slide, but revolute or planar" in warned()[0]


def test_what_has_no_effect_is_named_once(urdf, caplog):
    text = moving_arm('<limit lower="-1" upper="1" effort="1" velocity="2"/>', kind="revolute")
    extras = (
        '<transmission/><gazebo reference="arm"/><sensor:camera/><transmission/><ros2_control/><gazebo:plugin x="1"/>'
    )
    path = urdf(text.replace("</robot>", extras + "</robot>"))
    with caplog.at_level("INFO", logger=gs.runtime.logger.name):
        load_urdf(path)
    (record,) = caplog.records
    named = (
        "<limit velocity=...>, <robot><gazebo:plugin>, <robot><gazebo>, <robot><ros2_control>, <robot><sensor:camera>"
    )
    assert record.getMessage() == f"'{path}': has no effect here: {named}, <robot><transmission>."


# ------------------------------------------------------------------ XML


@pytest.mark.parametrize(
    "form",
    [
        '<robot name="r" xmlns="http://www.ros.org">{}</robot>',
        '<robot name="r" xmlns="u" xmlns:g="v"><g:world/>{}</robot>',
        '<robot name="r">{}</robot>',
    ],
)
def test_namespaces(urdf, form):
    elements = (link("a"), link("b", INERTIAL + BOX), joint("j", "revolute", "a", "b"))
    model = load_urdf(urdf(form.format("".join(elements)))).compile()
    assert (model.nbody, model.njnt, model.ngeom) == (3, 2, 1)
    prefixed = re.sub(r"<(/?)", r"<\1u:", "".join(elements))
    for declared in (f'<u:robot xmlns:u="x">{prefixed}</u:robot>', f'<robot xmlns="x" xmlns:u="x">{prefixed}</robot>'):
        model = load_urdf(urdf(declared)).compile()
        assert (model.nbody, model.njnt, model.ngeom) == (3, 2, 1)


def test_xacro_by_its_namespace(urdf):
    for text in ('<robot xmlns:x="http://wiki.ros.org/xacro"><x:property/></robot>', "<robot><xacro:if/></robot>"):
        with pytest.raises(gs.GenesisException, match="is a xacro file"):
            load_urdf(urdf(text))


def test_character_references_entities_and_line_breaks(urdf, tmp_path):
    """As an XML parser reads them, in names, numbers and paths."""
    for name in ("a b.obj", "ü.obj", "c&d'.obj"):
        (tmp_path / name).write_text(trimesh.creation.box().export(file_type="obj"))
    shapes = (
        mesh_shape("collision", "a&#32;b.obj")
        + mesh_shape("collision", "&#xFC;.obj")
        + mesh_shape("visual", "c&amp;d&apos;.obj")
    )
    text = f"""<!DOCTYPE robot [<!ENTITY folder "{tmp_path}"><!ENTITY mass "2">]>
<robot name="r"><link name="a&lt;&quot;&#9;b"><inertial><mass
 value=
"&mass;"/><inertia ixx="1" iyy="&#49;" izz="1" ixy="0" ixz="0" iyz="0"/></inertial>{shapes}{mesh_shape("visual", "file://&folder;/a b.obj")}
<visual><geometry><box size="1
2	3"/></geometry></visual></link></robot>"""
    spec = load_urdf(urdf(text))
    model = spec.compile()
    assert spec.bodies[1].name == 'a<"\tb'
    assert (model.body_mass[1], model.ngeom, model.nmesh) == (2, 5, 4)
    np.testing.assert_array_equal(model.geom_size[4], (0.5, 1, 1.5))


@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32", "utf-16-le", "latin-1", "cp1252", "shift_jis", "koi8-r"]
)
def test_encodings(urdf, encoding):
    name = {"shift_jis": "腕", "koi8-r": "рука"}.get(encoding, "grün")
    declared = {"utf-8-sig": "utf-8", "utf-16-le": "utf-16"}.get(encoding, encoding)
    text = f'<?xml version="1.0" encoding="{declared}"?>\n<robot name="r">{link(name)}</robot>'
    assert load_urdf(urdf(text.encode(encoding))).bodies[1].name == name


def test_a_declaration_that_cannot_be(urdf):
    """Of an encoding by which the declaration itself could not be read: some exporters write it. UTF-8 it is."""
    text = f'<?xml version="1.0" encoding="utf-16"?><robot name="r">{link("grün")}</robot>'
    assert load_urdf(urdf(text.encode())).bodies[1].name == "grün"


@pytest.mark.parametrize("encoding", ["no-such", "rot13", "zip", "idna", "undefined", "x" * 10_000])
def test_unknown_encodings(urdf, encoding):
    path = urdf(f'<?xml version="1.0" encoding="{encoding}"?><robot name="r">{link("ü")}</robot>'.encode("latin-1"))
    with pytest.raises(gs.GenesisException, match=r"cannot read '.*' as text .*Expected a URDF file"):
        load_urdf(path)


LAUGHS = '<!DOCTYPE robot [<!ENTITY a0 "ha">{}]>'.format(
    "".join(f'<!ENTITY a{k} "{f"&a{k - 1};" * 10}">' for k in range(1, 12))
)
HOSTILE = {
    "a billion laughs": (f'{LAUGHS}<robot name="r"><link name="a"/>&a11;</robot>', r"line 1, .*amplification"),
    "laughs in an attribute": (f'{LAUGHS}<robot name="&a11;"><link name="a"/></robot>', r"line 1, .*amplification"),
    "an entity of itself": ('<!DOCTYPE r [<!ENTITY a "&a;">]><robot>&a;</robot>', r"recursive entity"),
    "another file": ('<!DOCTYPE r [<!ENTITY a SYSTEM "/etc/passwd">]>\n<robot>&a;</robot>', r"line 2: .*not read"),
    "an unknown entity": ("<robot>&foo;</robot>", r"undefined entity"),
    "an entity of a DTD": ('<!DOCTYPE robot SYSTEM "a.dtd"><robot>&foo;</robot>', r"&foo; is not declared"),
    "deep": ("<robot>" + "<link>" * 100_000 + "</link>" * 100_000 + "</robot>", r"nested over 490 deep"),
    "many links": (f"<robot>{''.join(link(f'l{k}', '') for k in range(20_000))}</robot>", r"at most 10000"),
    "a long chain": (
        f"<robot>{''.join(link(f'l{k}') for k in range(1200))}"
        f"{''.join(joint(f'j{k}', 'fixed', f'l{k}', f'l{k + 1}') for k in range(1199))}</robot>",
        r"over 1000 links hang on each other",
    ),
    "two extensions": (f"<robot>{link('a')}<mujoco/>\n<mujoco/></robot>", r"line 2: a second <mujoco>"),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_hostile_xml(urdf, case):
    text, message = HOSTILE[case]
    path = urdf(text)
    start = time.perf_counter()
    with pytest.raises(gs.GenesisException, match=message):
        load_urdf(path)
    assert time.perf_counter() - start < 5  # at once, but for the machine's other work


def test_too_large_a_file(urdf, monkeypatch):
    monkeypatch.setattr(xml_tree, "_MOST_ELEMENTS", 1000)
    with pytest.raises(gs.GenesisException, match=r"line 501: the elements are more than 1000"):
        load_urdf(urdf("<robot>" + "<a/>\n<a/>" * 600 + "</robot>"))
    monkeypatch.setattr(xml_tree, "_MOST_BYTES", 10)
    with pytest.raises(gs.GenesisException, match=r"robot\.urdf' has \d+ bytes: expected at most 10"):
        load_urdf(urdf(link("a")))


def test_lines_are_those_of_the_file(urdf):
    """Wherever the fault is found: before MuJoCo's parser, or by it."""
    before = '<!-- a\ncomment -->\n<gazebo>\n\n</gazebo>\n<transmission\nname="t"\n/>\n'
    entity = '<?xml version="1.0"?>\n<!DOCTYPE robot [\n<!ENTITY x "1">\n]>\n'
    for fault, message in (
        ('<box size="1 two 3"/>', "<box>"),
        ("<pyramid/>", "<geometry>"),
        ('<box size="1 nan 3"/>', "link 'a': <box"),
    ):
        text = f"{entity}<robot\n name='r'>\n{before}<link\n name='a'><visual>\n<geometry>\n{fault}</geometry></visual></link></robot>"
        line = text[: text.index("<geometry>" if "pyramid" in fault else "<box")].count("\n") + 1
        with pytest.raises(gs.GenesisException, match=rf"', line {line}, {message}"):
            load_urdf(urdf(text))


# ------------------------------------------------------------------ names and paths

NAMES = ["%n%n%n%s%s", "%s", "100%", "%", "a/b", " ", "\u202e", "x" * 5000, "{0}", "\\"]


@pytest.mark.parametrize("name", NAMES)
def test_names_that_are_traps(urdf, name):
    """Of links, joints, shapes and materials, in files that load and in files that do not."""
    shape = f'<visual name="{name}"><geometry><sphere radius="1"/></geometry><material name="{name}"/></visual>'
    path = urdf(link(name, INERTIAL + shape), link("b"), joint(name, "revolute", name, "b"))
    composed = compose([EntitySpec(gs.morphs.URDF(file=str(path)), name="robot")])
    assert composed.entities[0].link_names[0] == name
    for broken in (
        (link(name, inertial(1, "x", 1, 1)), link("b"), joint(name, "revolute", name, "b")),
        (link(name, INERTIAL + shape.replace("sphere", "cone")), link("b"), joint(name, "revolute", name, "b")),
        (link("a"), link("b"), joint("j", name, "a", "b")),
        (link("a"), link("b"), joint("j", "revolute", name, "b")),
        (link("a"), link("b"), joint(name, "planar", "a", "b"), link("c"), joint(f"{name}_TX", "revolute", "a", "c")),
        (link(name, INERTIAL + mesh_shape("collision", name + ".stl")),),
    ):
        with pytest.raises(gs.GenesisException):
            compose([EntitySpec(gs.morphs.URDF(file=str(urdf(*broken))), name="robot")])


@pytest.mark.parametrize(
    "uri",
    [
        "file://[bad",
        "file://[::1/a.stl",
        "~nouser/a.stl",
        "~nouser",
        "a" * 5000 + ".stl",
        "/".join(["a" * 200] * 30) + "/a.stl",
        "file:///" + "a" * 5000,
        "package://" + "p" * 5000 + "/a.stl",
        "package://",
        "file:///a%00b.stl",
        "a%00.stl",
        "http://[bad/a.stl",
        "",
        ".",
        "/",
        "/dev/zero",
        "../" * 2000 + "a.stl",
    ],
)
def test_bad_uris(urdf, uri):
    with pytest.raises(gs.GenesisException, match=r"link 'a': collision mesh '.*' not found"):
        load_urdf(urdf(link("a", INERTIAL + mesh_shape("collision", uri))))
    assert load_urdf(urdf(link("a", INERTIAL + mesh_shape("visual", uri)))).compile().ngeom == 0


@pytest.mark.parametrize("file", ["~nouser/a.urdf", "a" * 5000, "\0", "/".join(["a" * 200] * 30)])
def test_bad_paths_of_the_file_itself(file):
    with pytest.raises(gs.GenesisException, match=r"cannot be the path of a file|file not found"):
        load_urdf(file)


def test_a_folder_named_like_a_user(urdf, tmp_path):
    (tmp_path / "~nouser").mkdir()
    trimesh.creation.box().export(tmp_path / "~nouser/a.stl")
    trimesh.creation.box().export(tmp_path / "a#b.stl")
    shapes = mesh_shape("visual", "~nouser/a.stl") + mesh_shape("visual", f"file://{tmp_path}/a#b.stl")
    assert load_urdf(urdf(link("a", INERTIAL + shapes)), repair=False).compile().nmesh == 2


# ------------------------------------------------------------------ the motion of what was repaired

REPAIRED = {  # robots of public repositories that are refused with repair=False, and how many repairs they take
    "human_description/robots/human.urdf": 19,
    "allegro_hand_description/urdf/allegro_left_hand.urdf": 4,
    "romeo_description/urdf/romeo_laas_small.urdf": 27,
}


@pytest.mark.parametrize("name", REPAIRED)
def test_public_robots_are_repaired(warned, name):
    with pytest.raises(gs.GenesisException, match="repair=False"):
        load_urdf(ROBOTS / name, repair=False)
    model = load_urdf(ROBOTS / name).compile()
    messages = [message for message in warned() if "was repaired" in message]
    assert [message.count("\n- ") for message in messages] == [REPAIRED[name]]
    assert np.isfinite(model.body_mass).all() and (model.dof_M0 > 0).all()


def test_gradient_of_a_repaired_robot(urdf):
    """A finger without mass on an arm without inertia: the motion is MuJoCo's, and its gradient that of differences."""
    path = urdf(
        link("base"),
        link("arm", inertial(2, 0, 0, 0).replace("<inertial>", '<inertial><origin xyz="0.3 0 0"/>')),
        link("finger", ""),
        joint("j", "continuous", "base", "arm"),
        joint("k", "continuous", "arm", "finger", '<origin xyz="0.5 0 0"/>'),
    )
    scene = gs.Scene(sim_options=gs.options.SimOptions(requires_grad=True), show_viewer=False)
    robot = scene.add_entity(gs.morphs.URDF(file=str(path), fixed=True))
    scene.build()

    def final(torques):
        scene.reset()
        for _ in range(5):
            robot.control_dofs_force(torques)
            scene.step()
        return robot.get_qpos()

    torques = torch.tensor([0.3, 1e-3], dtype=torch.float64, requires_grad=True)
    weights = torch.tensor([1.0, 0.7], dtype=torch.float64)
    (final(torques) @ weights).backward()
    step = 1e-6
    for k in range(2):
        shift = torch.zeros(2, dtype=torch.float64)
        shift[k] = step
        with torch.no_grad():
            difference = ((final(torques + shift) - final(torques - shift)) @ weights).item() / (2 * step)
        assert torques.grad[k].item() == pytest.approx(difference, rel=1e-6)

    data = mujoco.MjData(scene.mj_model)
    data.qfrc_applied[:] = torques.detach().numpy()
    for _ in range(5):
        mujoco.mj_step(scene.mj_model, data)
    np.testing.assert_allclose(final(torques).detach().numpy(), data.qpos, rtol=1e-10)
