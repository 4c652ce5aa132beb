"""What is wrong with a robot file: what MuJoCo's parser and compiler say, in our words (whose fault it is, and what to
do about it), and the faults that they pass over: numbers that are none, and what a URDF says and MuJoCo drops."""

from __future__ import annotations

import contextlib
import difflib
import math
import os
import re
import tempfile
import warnings
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import mujoco

from genesis import runtime
from genesis.errors import GenesisException
from genesis.model.xml_tree import is_foreign, line_of

# What MuJoCo's compiler says, and what a user can do about it.
_ADVICE = (
    (
        "mass and inertia of moving bodies",
        "give the link an <inertial> with positive mass and inertia or a collision shape, or, if it is a base that "
        "does not move, pass fixed=True",
    ),
    (
        "inertia must satisfy A + B >= C",
        "correct the link's inertia (no principal moment can be above the sum of the others), or let MuJoCo balance "
        'it: <compiler balanceinertia="true"/> in MJCF, the same within <mujoco> in URDF',
    ),
    ("positive eigenvalues", "correct the link's inertia: all its principal moments must be positive"),
    ("volume is too small", "the mesh is flat or inside out: repair it, or use a simple shape"),
    ("coplanar vertices", "the mesh is flat: repair it, or use a simple shape"),
    ("at least 4 vertices", "the mesh is flat: repair it, or use a simple shape"),
    ("faces have inconsistent orientation", "repair the mesh's face orientation"),
    ("qhull error", "the mesh has no convex hull (it is flat or degenerate): repair it, or use a simple shape"),
    (
        "Lengthrange computation did not converge",
        "state the muscle's lengthrange, or give limits to the joints or the tendon that it pulls",
    ),
    (
        "free joint can only be used on top level",
        "a floating joint must hang on the root link, which must be called 'world'",
    ),
)


def compiler_message(message: str, source: str) -> str:
    """An error of MuJoCo's compiler ("Error: what", "Element name 'arm', id 2") in our words; `source`: whose it is."""
    what = first_line(ValueError(message))
    named = re.search(r"name '([^']*)'", message)
    element = f", '{named.group(1)}'" if named else ""
    advice = next((text for pattern, text in _ADVICE if pattern in message), "correct the model")
    return f"{source}{element}: {what}: {advice}."


def compile_alone(spec: mujoco.MjSpec, source: str) -> mujoco.MjModel:
    """The model of one file, with what MuJoCo's compiler says turned into our words; `source`: whose it is."""
    with log_mujoco_warnings(source):
        try:
            return spec.compile()
        except (ValueError, RuntimeError, mujoco.FatalError) as error:
            raise GenesisException(compiler_message(str(error), source)) from None


@contextlib.contextmanager
def log_mujoco_warnings(source: str) -> Iterator[None]:
    """Sends what MuJoCo's parser and compiler warn of to the engine's log, as one message that `source` begins.

    MuJoCo would write to the console and to MUJOCO_LOG.TXT in the working directory; its binding also warns in Python.
    """
    before, ours = mujoco.MjLogConfig.get(), mujoco.MjLogConfig.get()
    descriptor, name = tempfile.mkstemp(prefix="genesis_mujoco_", suffix=".log")
    os.close(descriptor)
    ours.logto_console, ours.logto_file, ours.logfile = False, True, name
    mujoco.MjLogConfig.set(ours)
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            yield
        text = Path(name).read_text(encoding="utf-8", errors="replace")
        messages = [" ".join(entry.split()) for entry in _LOG_ENTRY.split(text)] + [
            str(item.message) for item in caught
        ]
        if messages := list(dict.fromkeys(filter(None, messages))):
            runtime.logger.warning("%s: MuJoCo warns: %s", source, "; ".join(messages))
    finally:
        mujoco.MjLogConfig.set(before)
        os.unlink(name)


_LOG_ENTRY = re.compile(r"^WARNING [^:]*\d\d:\d\d:\d\d \d{4}: ", re.MULTILINE)


def parser_message(path: Path, message: str) -> str:
    """MuJoCo says "XML Error: what\\nElement 'e', line 7"."""
    lines = [line for line in message.splitlines() if line.strip()]
    where = re.search(r"Element '([^']*)', line (\d+)", message)
    what = lines[0].removeprefix("XML Error: ").removeprefix("Error: ").rstrip(".")
    place = f", line {where.group(2)}, <{where.group(1)}>" if where else ""
    return f"'{path}'{place}: {what}. Correct the file there."


def first_line(error: BaseException) -> str:
    """The first line of an error's message, without MuJoCo's "Error: " and its full stop."""
    text = str(error).strip().splitlines() or [type(error).__name__]
    return text[0].removeprefix("XML Error: ").removeprefix("Error: ").split("; use '")[0].rstrip(".: ")


def closest(wrong: str, known: Iterable[str]) -> str:
    """What to say of an unknown name: the known names most like it, else the first of all known names."""
    names = sorted(known)
    alike = difflib.get_close_matches(wrong, names, n=3)
    if alike:
        return "Did you mean " + " or ".join(f"'{name}'" for name in alike) + "?"
    shown = ", ".join(f"'{name}'" for name in names[:_SHOWN])
    return f"Known: {shown}" + (f" and {len(names) - _SHOWN} more." if len(names) > _SHOWN else ".")


_SHOWN = 12  # how many names a message lists


# ------------------------------------------------------------------ numbers that are none

_NAN = re.compile(r"[+-]?nan(\(\w*\))?", re.IGNORECASE)
_INFINITE = re.compile(r"[+-]?inf(inity)?", re.IGNORECASE)

# The numbers that may be infinite: ranges, whose bound is then none, and the limits of a URDF joint.
MAY_BE_INFINITE = re.compile(r".*range|lower|upper|effort|velocity")


def check_number(place: str, element: Any, key: str, value: str) -> None:
    """Raises for NaN, and for infinity where it means nothing, in an attribute of an element; `place`: where it is."""
    if "n" not in value and "N" not in value:  # as in nearly all, some of which are a mesh's hundred thousands
        return
    for word in value.split():
        if _NAN.fullmatch(word) or (_INFINITE.fullmatch(word) and not MAY_BE_INFINITE.fullmatch(key)):
            raise GenesisException(
                f'{place}: <{element.tag} {key}="{value}">: {word} is not a finite number. Correct it there.'
            )


# ------------------------------------------------------------------ what a URDF says, and MuJoCo drops

# What each element of a URDF may hold, and of that, what has no effect here: other programs read it.
_URDF_CHILDREN = {
    "robot": (
        {"link", "joint", "material", "mujoco"},
        {"transmission", "gazebo", "sensor", "ros2_control", "plugin", "group", "verbose", "version"} | {"properties"},
    ),
    "link": (
        {"inertial", "visual", "collision"},
        {"contact", "material", "sensor", "gazebo", "type", "verbose", "origin", "gravity", "kinematic", "surface"}
        | {"self_filter", "collision_checking", "self_collision_checking", "velocity_decay", "audio"},
    ),
    "joint": (
        {"origin", "parent", "child", "axis", "limit", "dynamics", "mimic"},
        {"safety_controller", "calibration", "transmission", "gazebo", "sensor", "hardwareInterface", "verbose"}
        | {"physics", "joint_properties", "type", "material"},
    ),
    "mujoco": ({"compiler", "option"}, {"size"}),
    "inertial": ({"origin", "mass", "inertia"}, {"density", "friction", "gravity", "verbose"}),
    "visual": ({"origin", "geometry", "material"}, {"verbose", "sensor", "gazebo"}),
    "collision": ({"origin", "geometry"}, {"material", "verbose", "contact", "surface", "sensor", "gazebo"}),
}
_NO_NAMES: tuple[set[str], set[str]] = (set(), set())
_URDF_ATTRIBUTES = {
    "dynamics": ({"damping", "friction"}, {"D", "K", "mu_coulomb", "mu_viscous", "stiffness", "spring_stiffness"}
                 | {"spring_reference", "armature", "type"}),
    "limit": ({"lower", "upper", "effort", "velocity"}, {"velocity", "command_effort", "current", "gear_velocity"}
              | {"acceleration", "deceleration", "jerk", "type"}),
    "inertia": ({"ixx", "iyy", "izz", "ixy", "ixz", "iyz"}, {"type"}),
    "mass": ({"value"}, {"type"}),
    "origin": ({"xyz", "rpy"}, {"type"}),
    "axis": ({"xyz"}, {"rpy", "type"}),
}  # fmt: skip
# In these an unknown element is an error; elsewhere only one that looks like a known one is.
_STRICT = ("link", "joint", "inertial")
_MISSPELLED = 0.75  # from this likeness on (difflib): "joints" is a joint, "loop_joint" another program's element
_URDF_TEXTS = frozenset({"name", "link", "joint", "type", "filename", "meshdir", "texturedir", "assetdir"})


def check_urdf(path: Path, robot: ElementTree.Element) -> None:
    """Raises for what is wrong with a URDF and MuJoCo reads over: numbers that are none, elements and attributes that
    look misspelled, a second <geometry>, joint limits that contradict themselves, and joints that mimic in a circle.
    What has no effect here is listed in the log, once.
    """
    without_effect: set[str] = set()
    unknown: set[str] = set()
    for part, place in _urdf_parts(path, robot):
        _check_urdf_names(place, part, without_effect, unknown)
        for key, value in part.attrib.items():
            if key not in _URDF_TEXTS and not is_foreign(key):
                check_number(place, part, key, value)
        if part.tag in ("visual", "collision") and len(part.findall("geometry")) > 1:
            raise GenesisException(
                f"{place}: several <geometry> in one <{part.tag}>, of which only one would count. Write one "
                f"<{part.tag}> for each."
            )
        if part.tag == "mass" and _number(part.attrib.get("value", "0")) < 0:
            raise GenesisException(f'{place}: <mass value="{part.attrib["value"]}"> is negative. Correct it there.')
    for joint in robot.iterfind("joint"):
        _check_urdf_limits(path, joint)
    _check_urdf_mimics(path, robot)
    if without_effect:
        runtime.logger.info("'%s': has no effect here: %s.", path, ", ".join(sorted(without_effect)))
    if unknown:
        runtime.logger.warning("'%s': unknown elements, which have no effect: %s.", path, ", ".join(sorted(unknown)))


def _urdf_parts(path: Path, robot: ElementTree.Element) -> Iterator[tuple[ElementTree.Element, str]]:
    """The elements of a URDF that have an effect here, and where each is."""
    yield robot, f"'{path}'"
    for part in robot:
        if part.tag in ("link", "joint", "mujoco"):
            within = f", {part.tag} '{part.attrib.get('name', '')}'" if part.tag != "mujoco" else ""
            yield from ((element, f"'{path}'{line_of(element)}{within}") for element in _effective(part))


def _effective(part: ElementTree.Element) -> Iterator[ElementTree.Element]:
    waiting = [part]
    while waiting:
        element = waiting.pop()
        yield element
        known = _URDF_CHILDREN.get(element.tag)
        children = (child for child in element if known is None or child.tag in known[0])
        waiting += reversed([child for child in children if child.tag != "material" and not is_foreign(child.tag)])


def _check_urdf_names(place: str, part: ElementTree.Element, without_effect: set[str], unknown: set[str]) -> None:
    effective, extras = _URDF_CHILDREN.get(part.tag, _NO_NAMES)
    for child in part if part.tag in _URDF_CHILDREN else ():
        tag = child.tag
        if tag in effective:
            continue
        if tag in extras or is_foreign(tag):
            without_effect.add(f"<{part.tag}><{tag}>")
        elif part.tag in _STRICT or difflib.get_close_matches(tag, effective, cutoff=_MISSPELLED):
            raise GenesisException(f"{place}: unknown element <{tag}> in <{part.tag}>. {closest(tag, effective)}")
        else:
            unknown.add(f"<{part.tag}><{tag}>")
    attributes, extras = _URDF_ATTRIBUTES.get(part.tag, _NO_NAMES)
    for key in part.attrib if part.tag in _URDF_ATTRIBUTES else ():
        if key in attributes and key not in extras:
            continue
        if key not in extras and not is_foreign(key):
            raise GenesisException(
                f'{place}: unknown attribute {key}="{part.attrib[key]}" of <{part.tag}>. {closest(key, attributes)}'
            )
        without_effect.add(f"<{part.tag} {key}=...>")


def _number(text: str) -> float:
    """The number, or NaN for what is none: MuJoCo's parser names the line."""
    try:
        return float(text)
    except ValueError:
        return math.nan


def _check_urdf_limits(path: Path, joint: ElementTree.Element) -> None:
    limit = joint.find("limit")
    if limit is None:
        return
    lower, upper, effort = (_number(limit.attrib.get(name, "0")) for name in ("lower", "upper", "effort"))
    place = f"'{path}'{line_of(limit)}, joint '{joint.attrib.get('name', '')}': <limit>"
    if joint.attrib.get("type") != "continuous" and lower > upper:
        absent = "".join(f" ({name} is not given: 0)" for name in ("lower", "upper") if name not in limit.attrib)
        raise GenesisException(f"{place}: lower={lower:g} is above upper={upper:g}{absent}. Exchange or correct them.")
    if effort < 0:
        raise GenesisException(
            f"{place}: effort={effort:g} is negative. Give the largest force [N] or torque [N m] of the joint, or 0 "
            "for no limit."
        )


def _check_urdf_mimics(path: Path, robot: ElementTree.Element) -> None:
    """Raises for a joint that mimics itself, directly or through others."""
    followed: dict[str, str] = {}
    for joint in robot.iterfind("joint"):
        if (mimic := joint.find("mimic")) is not None:
            followed[joint.attrib.get("name", "")] = mimic.attrib.get("joint", "")
    harmless: set[str] = set()
    for joint in robot.iterfind("joint"):
        chain = [joint.attrib.get("name", "")]
        while chain[-1] in followed and chain[-1] not in harmless:
            chain.append(followed[chain[-1]])
            if chain[-1] in chain[:-1]:
                names = " of ".join(f"'{name}'" for name in chain)
                raise GenesisException(
                    f"'{path}'{line_of(joint)}, joint '{chain[0]}': a <mimic> of itself ({names}). Name the joint that "
                    "moves by itself."
                )
        harmless.update(chain)
