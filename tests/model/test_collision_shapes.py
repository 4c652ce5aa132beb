"""What meshes collide as, where a morph wants other shapes than their convex hulls."""

import math
import sys
from importlib import metadata

import mujoco
import numpy as np
import pytest
import trimesh

import genesis as gs
from genesis.model import collision_shapes
from genesis.model.compose import EntitySpec, compose

AREA = 0.4 * 0.1 + 0.1 * 0.3  # of the L below
AREA_OF_HULL = AREA + 0.3 * 0.3 / 2


def outside_of_ell(points):
    """How far points are from the two blocks of the L, at least."""
    post, foot = ((np.array(low), np.array(high)) for low, high in (
        ((-0.05, -0.05, -0.2), (0.05, 0.05, 0.2)), ((-0.05, -0.05, -0.2), (0.35, 0.05, -0.1))))  # fmt: skip
    return np.minimum(*(
        np.linalg.norm(np.maximum(np.maximum(low - points, points - high), 0), axis=1) for low, high in (post, foot)
    ))  # fmt: skip


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """With files of an L of two blocks, a lens, and two robots of it; and a place of its own for what is kept."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    ell = [(-0.05, -0.2), (0.35, -0.2), (0.35, -0.1), (0.05, -0.1), (0.05, 0.2), (-0.05, 0.2)]
    triangles = [(0, 1, 2), (0, 2, 3), (0, 3, 4), (0, 4, 5)]
    vertices = [(x, y, z) for y in (-0.05, 0.05) for x, z in ell]
    faces = [face for a, b, c in triangles for face in ((a, b, c), (a + 6, c + 6, b + 6))]
    for k in range(6):
        n = (k + 1) % 6
        faces += [(k, k + 6, n), (n, k + 6, n + 6)]
    mesh = trimesh.Trimesh(vertices, faces)
    assert mesh.is_watertight and mesh.volume > 0
    mesh.export(tmp_path / "l.stl")
    lens = trimesh.creation.icosphere(3, 0.1)
    lens.apply_scale((1.0, 0.7, 0.4))
    lens.export(tmp_path / "lens.stl")
    (tmp_path / "robot.urdf").write_text("""
        <robot name="r"><link name="base"><collision><origin xyz="1 0 0" rpy="0 0 .3"/>
        <geometry><mesh filename="l.stl" scale="2 2 2"/></geometry></collision>
        <inertial><mass value="3"/><inertia ixx=".1" iyy=".1" izz=".1" ixy="0" ixz="0" iyz="0"/></inertial></link></robot>""")
    (tmp_path / "robot.xml").write_text("""
        <mujoco><asset><mesh name="l" file="l.stl"/><mesh name="lens" file="lens.stl"/></asset><worldbody>
        <body><freejoint/><geom name="a" type="mesh" mesh="l" friction=".3 .1 .1" margin=".01" euler="20 0 0"/>
        <geom name="b" type="mesh" mesh="lens" pos="0 0 1"/><geom name="seen" type="mesh" mesh="l" contype="0" conaffinity="0"/>
        </body></worldbody></mujoco>""")
    return tmp_path


def model_of(morph):
    return compose([EntitySpec(morph, name="e")]).mj_model


def colliding(m):
    return np.flatnonzero((m.geom_contype != 0) | (m.geom_conaffinity != 0))


@pytest.mark.parametrize("kind", collision_shapes.FITTED)
def test_fitted_shapes(folder, kind):
    """As MuJoCo's own compiler fits them, with the mass of the mesh and its parameters of contact."""
    hull, fitted = (model_of(gs.morphs.MJCF(file=folder / "robot.xml", collision=c)) for c in (True, kind))
    text = (folder / "robot.xml").read_text()
    for name in ("a", "b"):
        text = text.replace(f'name="{name}" type="mesh"', f'name="{name}" type="{kind}"')
    (folder / "fitted.xml").write_text(text)
    expected = mujoco.MjModel.from_xml_path(str(folder / "fitted.xml"))
    ours = colliding(fitted)
    assert len(ours) == 2 and fitted.ngeom == 5
    for number, geom in zip(ours, (0, 1), strict=True):
        for field in ("type", "size", "pos", "quat", "friction", "margin"):
            values = getattr(fitted, f"geom_{field}")[number], getattr(expected, f"geom_{field}")[geom]
            np.testing.assert_allclose(*values, atol=1e-12)
    for field in ("body_mass", "body_inertia", "body_ipos"):
        np.testing.assert_allclose(getattr(fitted, field), getattr(hull, field), rtol=1e-12)


def test_convex_parts(folder):
    """An L becomes blocks that fill the same space; a lens, which is convex, stays one hull."""
    m = model_of(gs.morphs.MJCF(file=folder / "robot.xml", decompose_robot_error_threshold=0.1))
    parts = [geom for geom in colliding(m) if m.geom(geom).name != "e/b"]
    assert len(colliding(m)) == len(parts) + 1 and len(parts) > 1
    assert all(m.geom_friction[geom, 0] == 0.3 and m.geom_margin[geom] == 0.01 for geom in parts)
    data = mujoco.MjData(m)
    mujoco.mj_forward(m, data)
    turn = trimesh.transformations.rotation_matrix(math.radians(20), (1, 0, 0))
    volume, worst = 0.0, 0.0
    for geom in parts:
        vertices, faces = collision_shapes.triangles_of(m, m.geom_dataid[geom])
        world = vertices @ data.geom_xmat[geom].reshape(3, 3).T + data.geom_xpos[geom]
        own = trimesh.Trimesh(trimesh.transform_points(world, np.linalg.inv(turn)), faces)
        volume += own.volume
        worst = max(worst, outside_of_ell(own.vertices).max())
    assert volume == pytest.approx(0.1 * AREA, rel=0.1) and worst < 0.02


def test_parts_are_kept(folder, monkeypatch):
    morph = gs.morphs.Mesh(file=folder / "l.stl", decompose_object_error_threshold=0)
    first = model_of(morph)
    monkeypatch.setattr(collision_shapes, "_run_coacd", lambda *_: pytest.fail("computed again"))
    again = model_of(morph)
    np.testing.assert_array_equal(first.mesh_vert, again.mesh_vert)
    scaled = gs.morphs.Mesh(
        file=folder / "l.stl", decompose_nonconvex=True, coacd_options=gs.options.CoacdOptions(seed=1)
    )
    with pytest.raises(pytest.fail.Exception):
        model_of(scaled)


def test_what_is_kept_may_be_damaged(folder):
    """Then it is computed again, and replaced."""
    morph = gs.morphs.Mesh(file=folder / "l.stl", decompose_object_error_threshold=0)
    first = model_of(morph)
    (kept,) = (folder / "cache/genesis-grad/convex").iterdir()
    whole = kept.read_bytes()
    for damaged in (b"", whole[: len(whole) // 2], b"no archive at all"):
        kept.write_bytes(damaged)
        np.testing.assert_array_equal(model_of(morph).mesh_vert, first.mesh_vert)
        assert kept.read_bytes() == whole


def test_parts_of_a_urdf(folder):
    hull = model_of(gs.morphs.URDF(file=folder / "robot.urdf"))
    parts = model_of(gs.morphs.URDF(file=folder / "robot.urdf", decompose_robot_error_threshold=0.15, scale=0.5))
    assert len(colliding(hull)) == 1 < len(colliding(parts))
    np.testing.assert_allclose(parts.body_mass[1:], hull.body_mass[1:] / 8)
    low, high = [], []
    data = mujoco.MjData(parts)
    mujoco.mj_forward(parts, data)
    for geom in colliding(parts):
        vertices, _ = collision_shapes.triangles_of(parts, parts.geom_dataid[geom])
        world = vertices @ data.geom_xmat[geom].reshape(3, 3).T + data.geom_xpos[geom]
        low.append(world.min(axis=0))
        high.append(world.max(axis=0))
    np.testing.assert_allclose([np.min(low, 0)[2], np.max(high, 0)[2]], [-0.2, 0.2], atol=0.01)


def test_parts_of_an_older_version(folder, monkeypatch):
    """Are found again where no version is installed, and not by another one."""
    morph = gs.morphs.Mesh(file=folder / "l.stl", decompose_object_error_threshold=0)
    first = model_of(morph)
    (kept,) = (folder / "cache/genesis-grad/convex").iterdir()

    def no_version(name):
        raise metadata.PackageNotFoundError(name)

    with monkeypatch.context() as without:
        without.setattr(metadata, "version", no_version)
        without.setitem(sys.modules, "coacd", None)
        np.testing.assert_array_equal(model_of(morph).mesh_vert, first.mesh_vert)
    monkeypatch.setattr(metadata, "version", lambda name: "999.0")
    model_of(morph)
    assert len(list(kept.parent.iterdir())) == 2


@pytest.mark.parametrize("options", [dict(collision="box"), dict(decompose_robot_error_threshold=0)])
def test_names_that_are_taken(folder, options):
    """Shapes take free names: those of the file stay."""
    text = (folder / "robot.xml").read_text()
    taken = [f"a_{k}" for k in range(4)] + ["a_fitted", "a_fitted_1"]
    text = text.replace("</worldbody>", "".join(f'<geom name="{name}" size=".1"/>' for name in taken) + "</worldbody>")
    meshes = "".join(f'<mesh name="l_0_{k}" file="lens.stl"/>' for k in range(4))
    (folder / "taken.xml").write_text(text.replace("</asset>", f"{meshes}</asset>"))
    plain, m = (model_of(gs.morphs.MJCF(file=folder / "taken.xml", **given)) for given in ({}, options))
    assert m.ngeom > plain.ngeom
    for name in taken:
        assert m.geom(f"e/{name}").type == mujoco.mjtGeom.mjGEOM_SPHERE


@pytest.mark.parametrize("options", [dict(collision="box"), dict(decompose_robot_error_threshold=0)])
def test_surfaces_that_stick_and_that_run(folder, options, caplog):
    """What stands in sticks as the mesh does; a velocity is in the mesh's own axes, so that it stays."""
    text = (folder / "robot.xml").read_text()
    for feature, replaced in (('adhesion="1"', True), ('surfacevel="1 0 0"', False)):
        (folder / "feature.xml").write_text(text.replace('name="a"', f'name="a" {feature}'))
        m = model_of(gs.morphs.MJCF(file=folder / "feature.xml", **options))
        collides = bool(m.geom("e/a").contype[0])
        assert collides != replaced
        stand_ins = [k for k in range(m.ngeom) if m.geom(k).name.startswith("e/a_")]
        assert bool(stand_ins) == replaced and all(m.geom_adhesion[stand_ins] == 1)
        warned = "'a' stays a mesh in contact: its surface velocity" in caplog.text
        assert warned != replaced


@pytest.mark.parametrize(
    ("threshold", "split"), [(0.0, True), (0.5, True), (2.0, False), (math.inf, False), (None, False)]
)
def test_threshold(folder, threshold, split):
    morph = gs.morphs.Mesh(file=folder / "l.stl", decompose_object_error_threshold=threshold)
    assert (len(colliding(model_of(morph))) > 1) == split
    robot = gs.morphs.MJCF(file=folder / "robot.xml", decompose_object_error_threshold=threshold)
    assert len(colliding(model_of(robot))) == 2  # that is the threshold of objects


def test_pieces_that_overlap(folder):
    """A U of three bars that overlap: the volume of its triangles, where some counts twice, is about that of its hull."""
    bars = [trimesh.creation.box(size) for size in ((1.0, 0.3, 1.0), (0.3, 1.0, 1.0), (0.3, 1.0, 1.0))]
    for bar, place in zip(bars, ((0, 0, 0), (-0.35, 0.35, 0), (0.35, 0.35, 0)), strict=True):
        bar.apply_translation(place)
    trimesh.util.concatenate(bars).export(folder / "u.obj")
    u = folder / "u.obj"
    assert len(colliding(model_of(gs.morphs.Mesh(file=u, decompose_object_error_threshold=0.15)))) > 1
    assert len(colliding(model_of(gs.morphs.Mesh(file=u, decompose_object_error_threshold=math.inf)))) == 1


def test_the_other_threshold_is_warned_of(folder, caplog):
    """Once, with the entities that have it; infinity, a default of Genesis's, says what holds anyway."""
    mesh = gs.morphs.Mesh(file=folder / "lens.stl", decompose_robot_error_threshold=0.1)
    robot = gs.morphs.MJCF(file=folder / "robot.xml", decompose_object_error_threshold=0.15)
    defaults = gs.morphs.MJCF(
        file=folder / "robot.xml",
        collision="box",
        decompose_object_error_threshold=math.inf,
        decompose_robot_error_threshold=math.inf,
        decompose_nonconvex=False,
    )
    entities = [(f"m{k}", mesh) for k in range(4)] + [("r", robot), ("d", defaults), ("b", gs.morphs.Sphere())]
    with caplog.at_level("WARNING", logger="genesis"):
        compose([EntitySpec(morph, name=name) for name, morph in entities])
    object_one, robot_one = "decompose_object_error_threshold", "decompose_robot_error_threshold"
    assert [record.message for record in caplog.records] == [
        f"{robot_one} has no effect on 'm0', 'm1', 'm2' and 1 more: there {object_one} counts.",
        f"{object_one} has no effect on 'r': there {robot_one} counts.",
    ]


def test_excess_of_hulls(folder):
    m = mujoco.MjModel.from_xml_path(str(folder / "robot.xml"))
    assert collision_shapes.excess_of_hull(m, 0) == pytest.approx(AREA_OF_HULL / AREA - 1, rel=1e-4)
    assert collision_shapes.excess_of_hull(m, 1) == pytest.approx(0, abs=1e-3)


def test_excess_of_a_hull_with_polygons(folder):
    """Two prisms of 12 and 7 sides on top of each other, with the volumes that MuJoCo weighs."""
    parts = [trimesh.creation.cylinder(radius, 0.1, sections=n) for radius, n in ((0.1, 12), (0.05, 7))]
    parts[1].apply_translation((0.0, 0.0, 0.1))
    trimesh.util.concatenate(parts).export(folder / "tower.stl")
    body = '<body><geom type="mesh" mesh="{0}"/></body>'
    (folder / "towers.xml").write_text(f"""
        <mujoco><asset><mesh name="own" file="tower.stl" inertia="exact"/><mesh name="hull" file="tower.stl"
        inertia="convex"/></asset><worldbody>{body.format("own")}{body.format("hull")}</worldbody></mujoco>""")
    m = mujoco.MjModel.from_xml_path(str(folder / "towers.xml"))
    assert {12, 7, 4} <= set(m.mesh_polyvertnum[: m.mesh_polynum[0]].tolist())
    for mesh in (0, 1):
        expected = m.body_mass[2] / m.body_mass[1] - 1
        assert collision_shapes.excess_of_hull(m, mesh) == pytest.approx(expected, rel=1e-5)


def test_large_hulls_are_told_of(folder, caplog):
    with caplog.at_level("INFO", logger="genesis"):
        model_of(gs.morphs.MJCF(file=folder / "robot.xml"))
    lines = [record.message for record in caplog.records if "convex hulls" in record.message]
    assert len(lines) == 1 and lines[0].startswith("'e': ") and "l by " in lines[0] and "lens" not in lines[0]
    caplog.clear()
    with caplog.at_level("INFO", logger="genesis"):
        model_of(gs.morphs.MJCF(file=folder / "robot.xml", collision="box"))
    assert "convex hulls" not in caplog.text


def test_shapes_of_pairs_stay(folder, caplog):
    text = (folder / "robot.xml").read_text()
    text = text.replace("</worldbody>", '<geom name="floor" type="plane" size="1 1 1"/></worldbody>'
                        '<contact><pair geom1="a" geom2="floor"/></contact>')  # fmt: skip
    (folder / "pair.xml").write_text(text)
    with caplog.at_level("WARNING"):
        m = model_of(gs.morphs.MJCF(file=folder / "pair.xml", collision="box"))
    assert m.geom_type[m.geom("e/a").id] == mujoco.mjtGeom.mjGEOM_MESH and m.geom_contype[m.geom("e/a").id]
    assert "geom 'a' stays a mesh" in caplog.text


def test_without_the_package(folder, monkeypatch):
    monkeypatch.setitem(sys.modules, "coacd", None)
    with pytest.raises(gs.GenesisException, match=r"entity 'e': mesh 'l': .* pip install coacd"):
        model_of(gs.morphs.Mesh(file=folder / "l.stl", decompose_object_error_threshold=0))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (dict(collision="hull"), "collision='hull': expected True, False or one of 'mesh', 'sphere'"),
        (dict(decompose_object_error_threshold=-1), "decompose_object_error_threshold=-1: expected"),
        (dict(coacd_options={"threshold": 5}), "CoacdOptions: threshold=5"),
        (
            dict(collision="box", decompose_object_error_threshold=0.15),
            "^Mesh: collision='box' and decompose_object_error_threshold=0.15 contradict each other: .*; leave out one",
        ),
        (dict(collision="box", decompose_nonconvex=True), "collision='box' and decompose_nonconvex=True contradict"),
        (
            dict(decompose_nonconvex=False, decompose_object_error_threshold=0.15),
            "decompose_nonconvex=False and decompose_object_error_threshold=0.15 contradict each other: leave out",
        ),
        (dict(decompose_nonconvex=True, decompose_object_error_threshold=0.15), "decompose_nonconvex=True and decomp"),
    ],
)
def test_what_is_refused(arguments, message):
    with pytest.raises(gs.GenesisException, match=message):
        gs.morphs.Mesh(file="a.stl", **arguments)
