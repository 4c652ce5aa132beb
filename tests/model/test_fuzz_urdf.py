"""URDF files with random faults: each compiles, or is refused by a `GenesisException`; nothing else happens.

The mutations are those that files meet: cut short, elements and attributes renamed, repeated, nested or lost, numbers
that are words, names that are others', characters that mean something to a parser or to printf. They run in a process
of their own: a crash of MuJoCo's parser would end this one.
"""

import random
import subprocess
import sys
import time
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.model.test_robot_files import ROBOTS, inertial, joint, link

QUICK, THOROUGH = 250, 6000  # mutations in all
LONGEST = 5.0  # seconds for one file, on a machine that does other work

SMALL = "\n".join(
    (
        '<robot name="r"><material name="m"><color rgba="1 0 0 1"/></material>',
        '<mujoco><compiler balanceinertia="false" meshdir="."/><option timestep="0.01"/></mujoco>',
        link("world", ""),
        link("a", inertial(1, 1, 1, 1) + '<collision name="c"><geometry><box size="1 1 1"/></geometry></collision>'),
        link("b", '<visual name="v"><geometry><sphere radius="1"/></geometry><material name="m"/></visual>'),
        link(
            "c", inertial(0, 0, 0, 0) + '<collision><geometry><cylinder radius="1" length="2"/></geometry></collision>'
        ),
        link(
            "d", inertial(1, 1, 1, 5) + '<visual><geometry><mesh filename="no.stl" scale="1 1 1"/></geometry></visual>'
        ),
        joint("i", "floating", "world", "a"),
        joint("j", "revolute", "a", "b", '<origin xyz="0 0 1" rpy="0 1 0"/><dynamics damping="1" friction="1"/>'),
        joint("k", "prismatic", "b", "c", '<mimic joint="j" multiplier="2" offset="1"/>'),
        joint("l", "planar", "c", "d"),
        "</robot>",
    )
)
ROBOT_FILES = (
    "double_pendulum_description/urdf/double_pendulum.urdf",
    "hector_description/robots/quadrotor_base.urdf",
    "human_description/robots/human.urdf",
    "simple_humanoid_description/urdf/simple_humanoid.urdf",
)
SOURCES = (
    SMALL,
    *((ROBOTS / name).read_text().replace("package://example-robot-data", str(ROBOTS.parent)) for name in ROBOT_FILES),
)
VALUES = (
    *("nan", "inf", "-inf", "1e308", "-1e308", "1e400", "1e-320", "0", "-1", "", " ", "one", "1,5", "0x10", "1 2 3 4"),
    *(
        "%n%n%n",
        "%s%s%s",
        "\0",
        "\ud800",
        "\U0001f916",
        "&a;",
        "<",
        "]]>",
        "x" * 5000,
        "world",
        "../..",
        "~nouser/a.stl",
    ),
    *(
        "file://[bad",
        "package://x",
        "/dev/zero",
        "true",
        "9" * 400,
        "1 " * 5000,
        "revolute",
        "planar",
        "fixed",
        "floating",
    ),
)
TEXTS = (
    "<",
    "&",
    "&a;",
    "&#0;",
    "&#x110000;",
    "<!--",
    "]]>",
    "<![CDATA[",
    "<?xml?>",
    "\0",
    "\ufeff",
    "<a><a><a>",
    "</robot>",
)
ENTITIES = '<!DOCTYPE robot [<!ENTITY a "{}"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;"><!ENTITY c "&b;&b;&b;&b;&b;&b;">]>'


def mutate_tree(rng: random.Random, robot: ElementTree.Element) -> None:
    """One change of an element, its attributes, or its place."""
    elements = list(robot.iter())
    parents = {child: parent for parent in elements for child in parent}
    element, other = rng.choice(elements), rng.choice(elements)
    kind = rng.randrange(8)
    if kind == 0:
        element.tag = rng.choice((other.tag, element.tag[:-1] or "x", "x:" + element.tag, "mujoco", "include"))
    elif kind == 1 and element.attrib:
        del element.attrib[rng.choice(list(element.attrib))]
    elif kind == 2 and element.attrib:
        element.attrib[rng.choice(list(element.attrib))] = rng.choice(VALUES)
    elif kind == 3 and other.attrib:
        key, value = rng.choice(list(other.attrib.items()))
        element.attrib[rng.choice((*element.attrib, key))] = value
    elif kind == 4 and element in parents:
        parents[element].remove(element)
    elif kind == 5 and element in parents:
        parents[element].insert(0, element)  # a second time
    elif kind == 6 and element in parents and element not in list(other.iter()) and other not in list(element.iter()):
        other.append(element)
    elif kind == 7:
        inner = element
        for _ in range(rng.choice((1, 10, 600))):
            inner = ElementTree.SubElement(inner, rng.choice((other.tag, "link", "joint")), dict(other.attrib))


def mutate_text(rng: random.Random, text: str) -> str:
    """One change of the characters."""
    start = rng.randrange(len(text))
    end = min(len(text), start + rng.choice((1, 10, 1000)))
    kind = rng.randrange(6)
    if kind == 0:
        return text[:start]
    if kind == 1:
        return text[:start] + text[end:]
    if kind == 2:
        return text[:start] + rng.choice(TEXTS) + text[start:]
    if kind == 3:
        return text[:start] + text[start:end] * 2 + text[end:]
    if kind == 4:
        return ENTITIES.format(rng.choice(VALUES[:12])) + text.replace('"1"', rng.choice(('"&a;"', '"&c;"')), 1)
    return "".join(chr(rng.randrange(1, 0x300)) if rng.random() < 0.001 else character for character in text)


def mutation(seed: int) -> bytes:
    """The file of this number."""
    rng = random.Random(seed)
    text = SOURCES[seed % len(SOURCES)]
    try:
        for _ in range(rng.choice((1, 1, 2, 3))):
            if rng.random() < 0.85:
                robot = ElementTree.fromstring(text)
                mutate_tree(rng, robot)
                text = ElementTree.tostring(robot, encoding="unicode")
            else:
                text = mutate_text(rng, text)
    except (ElementTree.ParseError, RecursionError, ValueError):
        pass  # no XML any more: as it is
    return text.encode(rng.choice(("utf-8",) * 6 + ("utf-16", "latin-1")), "replace")


def run(seeds: range, folder: Path) -> None:
    """Loads the files of these numbers; says on stdout which is next, and what was wrong."""
    import genesis as gs
    from genesis.model.compose import EntitySpec, compose

    gs.init(backend=gs.cpu, precision="64", logging_level="critical")
    compiled = 0
    for seed in seeds:
        path = folder / "robot.urdf"
        path.write_bytes(mutation(seed))
        print(f"next {seed}", flush=True)
        start = time.perf_counter()
        morph = gs.morphs.URDF(file=str(path), repair=seed % 4 != 0)
        try:
            compose([EntitySpec(morph, name="robot")])
            compiled += 1
        except gs.GenesisException as error:
            assert str(error), f"seed {seed}: an empty message"
        if time.perf_counter() - start > LONGEST:
            raise AssertionError(f"seed {seed} took {time.perf_counter() - start:.1f} s")
    print(f"compiled {compiled}")


def fuzz(seeds: range, folder: Path) -> int:
    """How many of the files of these numbers compile; fails the test for whatever else than a refusal."""
    code = (
        f"from pathlib import Path; from tests.model.test_fuzz_urdf import run; run({seeds!r}, Path({str(folder)!r}))"
    )
    result = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60 + LONGEST * len(seeds),
        check=False,
    )
    if result.returncode != 0:
        started = [line for line in result.stdout.splitlines() if line.startswith("next")][-1:]
        pytest.fail(f"{started or 'before the first'} ended with {result.returncode}:\n{result.stderr[-3000:]}")
    return int(result.stdout.splitlines()[-1].split()[1])


def test_random_faults(tmp_path, thorough):
    count = THOROUGH if thorough else QUICK
    compiled = fuzz(range(count), tmp_path)
    assert 0.1 * count < compiled < 0.9 * count  # the mutations are neither harmless nor all fatal
