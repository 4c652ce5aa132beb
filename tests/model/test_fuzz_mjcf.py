"""MJCF files that are broken at random: each is loaded as MuJoCo would load it, or refused with a `GenesisException`.

The files are tried in a process of their own, so that a crash or a hang is seen and has a name: the model, the number
of the mutation and what was done to the file. The same number makes the same file, everywhere.
"""

import copy
import json
import os
import random
import select
import subprocess
import sys
import time
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
COUNT, THOROUGH = 40, 400  # files of each model
LIMIT = 30.0  # seconds for one file
START = 180.0  # seconds for the process to begin

MODELS = {
    "pendulum": """<mujoco model="pendulum"><compiler angle="radian"/><option timestep="0.01"/>
      <worldbody><geom name="floor" type="plane" size="3 3 0.1"/><body name="pole" pos="0 0 1">
      <joint name="hinge" axis="0 1 0" range="-1 2" damping="0.1"/><geom name="rod" type="capsule" fromto="0 0 0 0 0 -0.5"
      size="0.05"/><site name="end" pos="0 0 -0.5"/></body></worldbody>
      <actuator><motor name="motor" joint="hinge" gear="3"/></actuator>
      <sensor><jointpos name="angle" joint="hinge"/><framepos objtype="site" objname="end"/></sensor></mujoco>""",
    "defaults": """<mujoco><compiler autolimits="true" eulerseq="zyx"/>
      <default><geom density="400"/><default class="leg"><joint damping="2" armature="0.01"/>
      <default class="foot"><geom type="sphere" size="0.04" friction="1.2 0.01 0.001"/></default></default></default>
      <worldbody><body name="trunk" pos="0 0 0.5"><freejoint name="root"/><geom type="box" size="0.2 0.1 0.05"/>
      <body name="thigh" childclass="leg" euler="10 20 30"><joint name="hip" range="-40 40"/><geom type="capsule"
      size="0.03 0.1"/><body name="shin" pos="0 0 -0.2"><joint name="knee" axis="0 1 0"/><geom class="foot"/></body></body>
      </body></worldbody><keyframe><key name="home" qpos="0 0 0.5 1 0 0 0 0.1 0.2"/></keyframe></mujoco>""",
    "tendons": """<mujoco><worldbody><body name="a"><joint name="j1" axis="1 0 0"/><geom size="0.1" name="ga"/>
      <body name="b" pos="0 0 0.3"><joint name="j2" axis="0 1 0" stiffness="2"/><geom size="0.1" name="gb"/></body></body>
      </worldbody><tendon><fixed name="t" stiffness="3" range="-1 1"><joint joint="j1" coef="1"/>
      <joint joint="j2" coef="-0.5"/></fixed></tendon>
      <equality><joint joint1="j1" joint2="j2" polycoef="0 1 0 0 0"/><tendon tendon1="t"/></equality>
      <contact><exclude body1="a" body2="b"/></contact><actuator><position tendon="t" kp="4" ctrlrange="-1 1"/></actuator>
      </mujoco>""",
    "replicate": """<mujoco><worldbody><replicate count="4" offset="0 0.3 0" euler="0 0 10"><body name="link">
      <joint name="j"/><geom name="g" size="0.1"/><replicate count="2" sep="-" offset="0.1 0 0"><geom name="s" size="0.02"/>
      </replicate></body></replicate></worldbody><contact><pair geom1="g0" geom2="g1"/></contact></mujoco>""",
    "assets": """<mujoco><asset><texture name="grid" type="2d" builtin="checker" width="8" height="8"/>
      <material name="grey" texture="grid"/><mesh name="tet" vertex="0 0 0 1 0 0 0 1 0 0 0 1" scale="0.1 0.1 0.2"/>
      <hfield name="hills" nrow="2" ncol="2" elevation="0 1 2 3" size="1 1 0.3 0.1"/></asset>
      <worldbody><geom type="hfield" hfield="hills"/><body name="stone" pos="0 0 2"><freejoint/>
      <geom type="mesh" mesh="tet" material="grey"/></body></worldbody></mujoco>""",
    "inertias": """<mujoco><compiler boundmass="0.01" balanceinertia="true" inertiagrouprange="0 2"/><worldbody>
      <body name="one"><joint type="slide"/><inertial pos="0 0 0.1" mass="2" diaginertia="0.1 0.2 0.25"/></body>
      <body name="two"><joint type="ball"/><inertial pos="0 0 0" mass="1" fullinertia="0.1 0.1 0.1 0.01 0 0"/>
      <geom size="0.1" mass="0"/></body></worldbody></mujoco>""",
    "frames": """<mujoco><worldbody><frame name="f" euler="10 20 30"><frame pos="0 0 1" axisangle="1 0 0 50">
      <geom type="box" size="0.1 0.2 0.3"/><body name="b"><joint name="j" axis="0 0 1"/><geom size="0.1"/>
      <camera name="eye" xyaxes="1 0 0 0 1 0"/><light dir="0 0 -1"/></body></frame></frame></worldbody>
      <custom><numeric name="n" data="1 2 3"/><text name="t" data="words"/><tuple name="u"><element objtype="body"
      objname="b"/></tuple></custom></mujoco>""",
    "includes": """<mujoco><include file="part.xml"/><worldbody><body name="b"><joint name="j" class="soft"/>
      <geom size="0.1"/><body><include file="body.xml"/></body></body></worldbody></mujoco>""",
    "attaches": """<mujoco><compiler eulerseq="ZYX"/><asset><model name="limb" file="limb.xml"/></asset><worldbody>
      <body name="base" pos="0 0 1"><joint name="j"/><geom size="0.1"/><frame euler="10 0 20"><attach model="limb"
      body="limb" prefix="left_"/></frame></body><attach model="limb" prefix="right_"/></worldbody>
      <sensor><jointvel joint="left_elbow"/></sensor></mujoco>""",
    "pairs": """<mujoco><option cone="elliptic" impratio="2"><flag energy="enable"/></option><size nuser_body="2"/>
      <worldbody><geom name="floor" type="plane" size="1 1 1"/><body name="x" user="1 2"><freejoint/><geom name="gx"
      size="0.1" condim="4" solref="0.02 1" solimp="0.9 0.95 0.001"/></body><body name="y" pos="0 0 1"><joint
      type="slide" axis="0 0 1" frictionloss="0.1"/><geom name="gy" type="cylinder" size="0.1 0.2"/></body></worldbody>
      <contact><pair geom1="gx" geom2="gy" condim="3" friction="1 1 0.1 0.1 0.1"/></contact>
      <equality><weld body1="x" body2="y" active="false"/><connect body1="y" anchor="0 0 1"/></equality></mujoco>""",
}
PARTS = {
    "part.xml": '<mujocoinclude><default><default class="soft"><joint damping="0.3"/></default></default></mujocoinclude>',
    "body.xml": '<mujoco><joint name="k" axis="0 1 0"/><geom name="inner" type="box" size="0.1 0.1 0.1"/></mujoco>',
    "limb.xml": """<mujoco><compiler angle="radian"/><worldbody><geom type="box" size="1 1 0.1" euler="0.5 0 0"/>
      <body name="limb" euler="0.1 0.2 0.3"><joint name="elbow" range="-1 1"/><geom size="0.05"/></body></worldbody>
      <actuator><motor name="m" joint="elbow"/></actuator></mujoco>""",
}
WORDS = (
    *("nan", "-NaN", "inf", "-inf", "1e308", "-1e308", "1e999", "1e-320", "0", "-1", "7", "99999999999", "2147483648"),
    *("", "-", "1 2 3 4 5 6 7 8 9", "abc", "%n", "%s%s%n", "0x10", "1,5", "true", "\u0660", "x" * 5000),
)


# ------------------------------------------------------------------ what is done to a file


def truncated(rng, text):
    return text[: rng.randrange(len(text))]


def letter(rng, text):
    place = rng.randrange(len(text))
    return text[:place] + rng.choice("<>\"'&;=/ \x00\x7fü%nx0\n") + text[place + rng.randrange(2) :]


def entity(rng, text):
    kind = rng.choice(('<!ENTITY e "1">', '<!ENTITY e "&f;"><!ENTITY f "&e;">', '<!ENTITY e SYSTEM "part.xml">', ""))
    named = _attribute(rng, text, lambda _: "&e;")
    return f"<!DOCTYPE mujoco [{kind}]>{named}"


def namespace(rng, text):
    return text.replace("<mujoco", rng.choice(('<mujoco xmlns="http://x.y"', "<m:mujoco", '<mujoco xml:lang="en"')), 1)


def number(rng, text):
    return _attribute(rng, text, lambda _: rng.choice(WORDS), lambda value: value[:1] in "-0123456789")


def word(rng, text):
    return _attribute(rng, text, lambda _: rng.choice(WORDS))


def misspelt(rng, text):
    return _attribute(rng, text, lambda value: value[1:] + "x", lambda value: value[:1].isalpha())


def cycle(rng, text):
    added = rng.choice(
        (
            '<include file="main.xml"/>',
            '<include file="part.xml"/><include file="part.xml"/>',
            '<asset><model name="me" file="main.xml"/></asset><worldbody><attach model="me" prefix="p"/></worldbody>',
            '<asset><model name="other" file="back.xml"/></asset>',
            '<worldbody><body name="z"><attach body="z" prefix="p"/></body></worldbody>',
        )
    )
    return text.replace("</mujoco>", added + "</mujoco>")


def huge(rng, text):
    added = rng.choice(
        (
            '<size nuser_body="1000000000"/>',
            '<asset><hfield name="big" nrow="50000" ncol="50000" size="1 1 1 1"/></asset>',
            f"<worldbody>{'<body>' * 700}{'</body>' * 700}</worldbody>",
            "<worldbody>" + '<replicate count="100">' * 3 + '<geom size="1"/>' + "</replicate>" * 3 + "</worldbody>",
        )
    )
    return text.replace("</mujoco>", added + "</mujoco>")


def moved(rng, text):
    def change(elements):
        target, element = rng.choice(elements), copy.deepcopy(rng.choice(elements))
        target.insert(rng.randrange(len(target) + 1), element)

    return _tree(text, change)


def removed(rng, text):
    def change(elements):
        parent = rng.choice([element for element in elements if len(element)])
        parent.remove(rng.choice(list(parent)))

    return _tree(text, change)


def renamed(rng, text):
    def change(elements):
        rng.choice(elements).tag = rng.choice(elements).tag

    return _tree(text, change)


def exchanged(rng, text):
    def change(elements):
        element, other = rng.choice(elements), rng.choice(elements)
        element.attrib, other.attrib = other.attrib, element.attrib

    return _tree(text, change)


def retitled(rng, text):
    """One attribute by another's name."""

    def change(elements):
        names = sorted({name for element in elements for name in element.attrib})
        element = rng.choice([element for element in elements if element.attrib])
        element.attrib[rng.choice(names)] = element.attrib.pop(rng.choice(sorted(element.attrib)))

    return _tree(text, change)


MUTATIONS = (
    *(
        truncated,
        letter,
        entity,
        namespace,
        number,
        number,
        number,
        word,
        misspelt,
        misspelt,
        cycle,
        huge,
        moved,
        moved,
    ),
    *(removed, renamed, exchanged, retitled),
)
ENCODINGS = ("utf-8",) * 12 + ("latin-1", "utf-16", "utf-8-sig", "cp500")


def _tree(text, change):
    try:
        root = ElementTree.fromstring(text)
    except (ElementTree.ParseError, ValueError):
        return text  # broken already
    change(list(root.iter()))
    return ElementTree.tostring(root, encoding="unicode")


def _attribute(rng, text, new, wanted=lambda _: True):
    """The text with the value of one attribute replaced."""
    parts = text.split('"')
    places = [k for k in range(1, len(parts), 2) if wanted(parts[k])]
    if not places:
        return text
    place = rng.choice(places)
    words = parts[place].split()
    if words and rng.random() < 0.5:  # one word of several
        spot = rng.randrange(len(words))
        words[spot] = new(words[spot])
        parts[place] = " ".join(words)
    else:
        parts[place] = new(parts[place])
    return '"'.join(parts)


def broken(model, index):
    """The mutations' names and the files, as bytes by name."""
    rng = random.Random(f"{model} {index}")
    files = {"main.xml": MODELS[model], **PARTS, "back.xml": '<mujoco><asset><model file="main.xml"/></asset></mujoco>'}
    done = []
    for _ in range(rng.choice((1, 1, 2, 3))):
        name = rng.choice(["main.xml"] * 3 + sorted(set(PARTS) & set(MODELS[model].split('"'))))
        mutation = rng.choice(MUTATIONS)
        if files[name]:
            files[name] = mutation(rng, files[name])
            done.append(f"{mutation.__name__} {name}")
    encoding = rng.choice(ENCODINGS)
    return done, {
        name: text.encode(encoding if name == "main.xml" else "utf-8", "replace") for name, text in files.items()
    }


# ------------------------------------------------------------------ the process that loads them


def worker():
    """Loads the main.xml of each folder that a line of stdin names, and writes what came of it as a line of JSON."""
    import mujoco
    import numpy as np

    import genesis as gs
    from genesis.model.compose import EntitySpec, compose
    from genesis.model.mjcf import load_mjcf

    def differences(path):
        """The numbers that are not those of MuJoCo's own reading of the file, if it can read it."""
        found = load_mjcf(path).compile()
        if b"<!DOCTYPE" in Path(path).read_bytes():
            return []  # MuJoCo takes the names of entities for themselves
        try:
            expected = mujoco.MjModel.from_xml_path(path)
        except ValueError:
            return []
        wrong = []
        for name in dir(expected):
            one, other = getattr(expected, name), getattr(found, name)
            if name.startswith("_") or not isinstance(one, np.ndarray | int | float):
                continue
            if np.shape(one) != np.shape(other) or not np.allclose(one, other, rtol=1e-9, atol=1e-12):
                wrong.append(name)
        return wrong + ["names"] * (expected.names != found.names)

    gs.runtime.logger.setLevel("CRITICAL")
    print("ready", flush=True)
    for line in sys.stdin:
        path = os.path.join(line.strip(), "main.xml")
        try:
            composed = compose([EntitySpec(gs.morphs.MJCF(file=path), name="e")], None, gs.options.RigidOptions())
            wrong = differences(path)
            result = {"fault": f"other numbers: {wrong[:9]}" if wrong else "", "bodies": composed.mj_model.nbody}
        except gs.GenesisException as error:
            placed = any(f"{name}'" in str(error) for name in ("main.xml", *PARTS, "back.xml", "e"))
            result = {"fault": "" if placed else f"names no file or entity: {error}", "refused": str(error)}
        except BaseException as error:
            result = {"fault": f"{type(error).__name__}: {error}"}
        print(json.dumps(result), flush=True)


class Worker:
    """The process, which is started again when it ends."""

    def __init__(self):
        self.process = None

    def load(self, folder):
        if self.process is None:
            environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])}
            self.process = subprocess.Popen(
                [sys.executable, __file__],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env=environment,
            )
            assert self._line(START) == b"ready\n"
        self.process.stdin.write(f"{folder}\n".encode())
        self.process.stdin.flush()
        line = self._line(LIMIT)
        if line is None or not line:
            code = self.stop()
            return {"fault": "a hang" if line is None else f"a crash ({code})"}
        return json.loads(line)

    def _line(self, limit):
        """The next line, b"" if the process is gone, None if there is none in time."""
        end = time.monotonic() + limit
        while (left := end - time.monotonic()) > 0:
            if select.select([self.process.stdout], [], [], left)[0]:
                line = self.process.stdout.readline()
                if not line or line.startswith((b"{", b"ready")):  # else MuJoCo's own words
                    return line
        return None

    def stop(self):
        if self.process is None:
            return 0
        try:
            code = self.process.wait(0.5)  # of one that has crashed
        except subprocess.TimeoutExpired:
            self.process.kill()
            code = self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()
        self.process = None
        return code


@pytest.fixture(scope="module")
def process():
    running = Worker()
    yield running
    running.stop()


@pytest.mark.parametrize("model", MODELS)
def test_broken_files(tmp_path, process, thorough, model):
    faults, loaded = [], 0
    for index in range(THOROUGH if thorough else COUNT):
        done, files = broken(model, index)
        for name, data in files.items():
            (tmp_path / name).write_bytes(data)
        result = process.load(tmp_path)
        loaded += "bodies" in result
        if result["fault"]:
            faults.append(f"{model} {index} ({', '.join(done)}): {result['fault']}")
    assert not faults, "\n".join(faults)
    assert loaded  # not everything is broken


def test_files_that_are_whole(tmp_path, process):
    for model, text in MODELS.items():
        for name, content in {"main.xml": text, **PARTS}.items():
            (tmp_path / name).write_text(content)
        result = process.load(tmp_path)
        assert result.get("bodies", 0) > 1 and not result["fault"], (model, result)


if __name__ == "__main__":
    worker()
