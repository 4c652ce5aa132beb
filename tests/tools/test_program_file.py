"""Programs that make a scene: what is taken from them, and errors with file and line."""

import re
import sys

import pytest

import genesis as gs
from genesis.tools.program_file import call, load_program, scene_of

SCENE = """
import genesis as gs

def make(build=True):
    scene = gs.Scene()
    scene.add_entity(gs.morphs.Box(size=(0.1, 0.1, 0.1)), name="box")
    if build:
        scene.build()
    return scene
"""


def programs():
    """Modules that programs were loaded as, and those that they import."""
    return {name for name in sys.modules if name.startswith(("_genesis_program_", "neighbour_of_"))}


@pytest.fixture
def load(tmp_path, monkeypatch):
    """Write a program and load it; what it leaves in `sys` is taken back."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    before = programs()

    def loaded(text, name="scene.py"):
        path = tmp_path / name
        path.write_text(text)
        return path, load_program(path)

    yield loaded
    for name in programs() - before:
        del sys.modules[name]


@pytest.mark.parametrize(
    "text",
    [
        "scene = make()",
        "def build():\n    return make()",
        "def build():\n    return {'scene': make(), 'loss': 3}",
        "scene = None\nbuild = make",
    ],
)
def test_the_scene_of_a_program(load, text):
    path, namespace = load(SCENE + text)
    scene = scene_of(namespace, path)
    assert scene.is_built and scene.entities[0].name == "box"
    assert namespace["scene"] is scene
    assert namespace["__file__"] == str(path)
    if "loss" in text:
        assert namespace["loss"] == 3


def test_what_is_for_the_program_alone_is_not_run(load):
    _, namespace = load("value = 1\nif __name__ == '__main__':\n    value = 2\n")
    assert namespace["value"] == 1


def test_a_program_may_import_its_neighbours_and_define_dataclasses(load, tmp_path):
    (tmp_path / "neighbour_of_program.py").write_text("size = 3\n")
    text = (
        "from __future__ import annotations\nfrom dataclasses import dataclass\nimport neighbour_of_program\n"
        "@dataclass\nclass Sizes:\n    a: int = neighbour_of_program.size\n"
        "def later():\n    import neighbour_of_program\n    return Sizes().a\n"
    )
    path, namespace = load(text)
    assert call(namespace, "later", path) == 3
    assert "annotations" in namespace


def test_a_byte_order_mark_is_no_part_of_the_program(tmp_path, load):
    path, _ = load("x = 1")
    path.write_bytes(b"\xef\xbb\xbf" + b"x = 2\n")
    assert load_program(path)["x"] == 2


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x = 1\ny = nothing\n", r"scene.py, line 2: NameError: name 'nothing' is not defined"),
        ("x = 1\n\nif x = 2:\n", r"scene.py, line 3: invalid syntax"),
        ("import genesis as gs\ngs.morphs.Box(\n  size=(1, 1, -1))\n", r"scene.py, line \d: .*size"),
        ("import sys\nsys.exit(3)\n", r"scene.py, line 2: the program ended itself \(sys.exit, code 3\)"),
        ("def f():\n    1 / 0\nf()\n", r"scene.py, line 2: ZeroDivisionError"),
        ("import json\njson.loads('x')\n", r"scene.py, line 2: JSONDecodeError"),
        ("x = '\0'\n", r"scene.py.*null"),
    ],
)
def test_programs_that_fail_are_errors_with_the_line(load, text, message):
    modules, places = programs(), list(sys.path)
    with pytest.raises(gs.GenesisException, match=message):
        load(text)
    assert programs() == modules and sys.path == places


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r"expected a global `scene`, or a function `build\(\)`"),
        ("world = make()", r"It has a scene called 'world'"),
        ("scene = 3", r"its global `scene` is 3; expected a built gs.Scene"),
        ("scene = make(False)", r"its global `scene` is not built; call scene.build"),
        ("build = 3", r"`build` is 3; expected a function without arguments"),
        ("def build(n): return make()", r"TypeError: build\(\) missing 1 required positional argument"),
        ("def build():\n    pass", r"what its `build\(\)` returned is None"),
        ("def build():\n    return {}", r"the entry \"scene\" of what its `build\(\)` returned is None"),
        ("def build():\n    raise ValueError('no')", r"scene.py, line 11: ValueError: no"),
    ],
)
def test_programs_without_a_scene(load, text, message):
    path, namespace = load(SCENE + text)
    with pytest.raises(gs.GenesisException, match=message) as caught:
        scene_of(namespace, path)
    assert re.search(r"scene\.py", str(caught.value))


def test_files_that_are_no_programs(tmp_path):
    for name, message in (
        ("nowhere.py", "there is no such file"),
        ("robot.urdf", r"is a robot; expected a Python program \(.py\)"),
        ("log.csv", "is a log; expected a Python program"),
        (".", "cannot be read"),
    ):
        with pytest.raises(gs.GenesisException, match=message):
            load_program(tmp_path / name)
