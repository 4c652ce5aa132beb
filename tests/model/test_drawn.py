"""Lights, cameras, skins and textures: they come along where they can, and stop no model."""

import logging
import struct

import mujoco
import numpy as np
import pytest

import genesis as gs
from genesis.model.compose import EntitySpec, compose

WORLD_FLOOR = '<geom name="floor" type="plane" size="1 1 1"/>'
AIMING = """<mujoco><worldbody>{floor}
  <light name="spot" mode="targetbodycom" target="world" pos="0 0 3"/><light mode="targetbodycom" target="world"/>
  <light name="lamp" mode="targetbody" target="world"/><camera name="eye" mode="targetbody" target="world" pos="1 0 1"/>
  <camera name="all" mode="targetbodycom" target="world" pos="2 0 1"/>
  <camera name="near" mode="targetbody" target="b" pos="2 0 1"/><light name="near" mode="targetbodycom" target="b"/>
  <body name="a"><freejoint/><geom size=".1"/><camera name="ride" mode="trackcom"/>
    <light name="ride" mode="targetbody" target="world"/></body>
  <body name="b" pos="1 0 0"><joint/><geom size=".2"/></body></worldbody>
<sensor><framexaxis objtype="camera" objname="all"/><framexaxis objtype="camera" objname="eye"/></sensor></mujoco>"""
SKIN = """<mujoco><deformable><skin name="s" {skin}</deformable><worldbody>
  <body name="a"><freejoint/><geom size=".1"/></body><body name="b"><joint/><geom size=".1"/></body></worldbody></mujoco>"""
BONE = '<bone body="{}" bindpos="0 0 .1" bindquat="1 0 0 0" vertid="{}" vertweight="{}"/>'
IN_XML = 'vertex="0 0 0 1 0 0 0 1 0" face="0 1 2">' + BONE.format("a", "0 1", "1 .5") + "{}</skin>"


def composed(path, text, **pose):
    (path / "model.xml").write_text(text)
    morph = gs.morphs.MJCF(file=path / "model.xml", **pose)
    return compose([EntitySpec(gs.morphs.Plane(), name="plane"), EntitySpec(morph, name="robot")])


@pytest.mark.parametrize("floor", ["", WORLD_FLOOR])
def test_what_aims_at_the_world(floor, tmp_path):
    """At the file's own origin, wherever the entity stands; or at the centre of mass of everything."""
    m = composed(tmp_path, AIMING.format(floor=floor), pos=(1, 2, 3)).mj_model
    alone = mujoco.MjModel.from_xml_string(AIMING.format(floor=floor))
    assert (m.nlight, m.ncam) == (alone.nlight, alone.ncam)
    ground = m.body("robot/worldbody").id
    expected = {"spot": 0, "lamp": ground, "ride": ground, "near": m.body("robot/b").id}
    assert {name: m.light(f"robot/{name}").targetbodyid.item() for name in expected} == expected
    expected = {"eye": ground, "all": 0, "near": m.body("robot/b").id, "ride": -1}
    assert {name: m.camera(f"robot/{name}").targetbodyid.item() for name in expected} == expected
    for name in ("spot", "lamp", "near", "ride"):
        assert m.light(f"robot/{name}").mode == alone.light(name).mode
    here, there = mujoco.MjData(m), mujoco.MjData(alone)
    mujoco.mj_forward(m, here)
    mujoco.mj_forward(alone, there)
    np.testing.assert_allclose(here.sensordata, there.sensordata, rtol=0, atol=1e-12)


def skin_file(path, *bones):
    """The skin of `IN_XML`, as a file."""
    data = struct.pack("<4i9f3i", 3, 0, 1, len(bones), 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 1, 2)
    for name, ids, weights in bones:
        data += struct.pack(
            f"<40s7fi{len(ids)}i{len(ids)}f", name.encode(), 0, 0, 0.1, 1, 0, 0, 0, len(ids), *ids, *weights
        )
    path.write_bytes(data)


@pytest.mark.parametrize("other", ["b", "world"])
def test_skins_of_the_text_and_of_files(other, tmp_path):
    written = composed(tmp_path, SKIN.format(skin=IN_XML.format(BONE.format(other, "1 2", ".5 1")))).mj_model
    skin_file(tmp_path / "s.skn", ("a", (0, 1), (1, 0.5)), (other, (1, 2), (0.5, 1)))
    read = composed(tmp_path, SKIN.format(skin='file="s.skn"/>')).mj_model
    other = "worldbody" if other == "world" else other
    for m in (written, read):
        assert m.nskin == 1
        assert [m.body(k).name for k in m.skin_bonebodyid] == ["robot/a", f"robot/{other}"]
    for name in ("vert", "face", "bonebindpos", "bonebindquat", "bonevertid", "bonevertweight"):
        np.testing.assert_array_equal(getattr(written, f"skin_{name}"), getattr(read, f"skin_{name}"))


def broken_png(path):
    (path / "t.png").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(20))


BROKEN = {
    "no skin": (SKIN.format(skin='file="no.skn"/>'), None, "file 'no.skn' not found"),
    "short skin": (SKIN.format(skin='file="s.skn"/>'), lambda p: (p / "s.skn").write_bytes(bytes(9)), "no header"),
    "cut skin": (
        SKIN.format(skin='file="s.skn"/>'),
        lambda p: (p / "s.skn").write_bytes(struct.pack("<4i", 5, 0, 1, 1)),
        "cut short",
    ),
    "bone of nothing": (
        SKIN.format(skin='file="s.skn"/>'),
        lambda p: skin_file(p / "s.skn", ("elbow", (0,), (1,))),
        "hangs on the link 'elbow'",
    ),
    "no vertex": (
        SKIN.format(skin='file="s.skn"/>'),
        lambda p: skin_file(p / "s.skn", ("a", (7,), (1,))),
        "vertices that are not there",
    ),
    "no texture": (
        '<mujoco><asset><texture name="t" type="2d" file="t.png"/><material name="m" texture="t"/></asset><worldbody><body>'
        '<freejoint/><geom size="1" material="m"/></body></worldbody></mujoco>',
        None,
        "file 't.png' not found",
    ),
    "broken texture": (
        '<mujoco><asset><texture type="cube" fileright="t.png" name="t"/><material name="m"><layer role="rgb" texture="t"/>'
        '</material></asset><worldbody><light texture="t"/><body><freejoint/><geom size="1" material="m"/></body></worldbody></mujoco>',
        broken_png,
        "no PNG, or cut short",
    ),
}


@pytest.mark.parametrize("case", BROKEN)
def test_what_cannot_be_drawn_is_left_out(case, tmp_path, caplog):
    text, prepare, message = BROKEN[case]
    if prepare is not None:
        prepare(tmp_path)
    with caplog.at_level(logging.WARNING):
        m = composed(tmp_path, text).mj_model
    assert (m.nskin, m.ntex) == (0, 0)
    said = [record.message for record in caplog.records]
    assert len(said) == 1
    assert message in said[0] and "It is only drawn, and left out." in said[0]
