"""Links that fixed joints hold, made part of the link that holds them, in the tree of a URDF.

What is merged into a link T from a link L that stands at X in it: L's shapes, placed by X; L's mass and inertia, of
which the sum about the common centre of mass is that of two bodies held together; and the joints on L, placed by X. The
joints keep the order in which MuJoCo numbers them, hence dofs and qpos are those of the file as it is.
"""

from __future__ import annotations

import math
import xml.etree.ElementTree as ElementTree
from collections.abc import Collection, Iterator
from dataclasses import dataclass

import mujoco
import numpy as np

from genesis.model.robot_files import WORLD_LINK
from genesis.model.xml_tree import XmlElement

_TINY = 1e-12  # cosine of the pitch below which roll and yaw turn about one axis


@dataclass(frozen=True)
class Inertial:
    """Mass [kg], centre of mass [m] (3,) and inertia about it [kg m^2] (3, 3), in the axes of a link's frame."""

    mass: float
    com: np.ndarray
    inertia: np.ndarray


@dataclass(frozen=True)
class Place:
    """Where a link of the file is: in which link that stays, and its pose there."""

    link: str
    pos: np.ndarray
    rot: np.ndarray


def places(robot: ElementTree.Element, keep: Collection[str]) -> dict[str, Place]:
    """Where each link of a URDF goes, parents before children and in the order in which MuJoCo numbers them."""
    found: dict[str, Place] = {}
    for link, joint in _walk(robot):
        own = Place(link, np.zeros(3), np.eye(3))
        if joint is not None and joint.attrib["type"] == "fixed" and link not in keep:
            parent = found[_end(joint, "parent")]
            if parent.link != WORLD_LINK:
                pos, rot = _origin(joint)
                own = Place(parent.link, parent.pos + parent.rot @ pos, parent.rot @ rot)
        found[link] = own
    return found


def merge(robot: ElementTree.Element, keep: Collection[str], inertials: dict[str, Inertial]) -> None:
    """Merge in the tree itself; `inertials`: of every link."""
    where = places(robot, keep)
    links = {link.attrib["name"]: link for link in robot.findall("link")}
    joints = [joint for _, joint in _walk(robot) if joint is not None]
    for joint in joints:
        robot.remove(joint)
    for joint in joints:
        child, parent = _end(joint, "child"), where[_end(joint, "parent")]
        if where[child].link != child:
            continue
        _place(joint, parent)
        joint.find("parent").attrib["link"] = parent.link  # type: ignore[union-attr]
        robot.append(joint)
    parts: dict[str, list[Inertial]] = {}
    for name, place in where.items():
        parts.setdefault(place.link, []).append(_moved(inertials[name], place))
        if place.link == name:
            continue
        for shape in [one for one in links[name] if one.tag in ("visual", "collision")]:
            _place(shape, place)
            links[place.link].append(shape)
        robot.remove(links[name])
    for name, of_link in parts.items():
        if len(of_link) > 1 and any(part.mass > 0 for part in of_link[1:]):
            _write_inertial(links[name], total(of_link))


def inertials(spec: mujoco.MjSpec) -> dict[str, Inertial]:
    """Of every link of a URDF that was loaded, as MuJoCo compiles it; nothing, of the world."""
    m = spec.copy().compile()
    found = {WORLD_LINK: Inertial(0.0, np.zeros(3), np.zeros((3, 3)))}
    for body in range(1, m.nbody):
        rot = np.zeros(9)
        mujoco.mju_quat2Mat(rot, m.body_iquat[body])
        axes = rot.reshape(3, 3)
        inertia = axes * m.body_inertia[body] @ axes.T
        found[m.body(body).name] = Inertial(float(m.body_mass[body]), np.array(m.body_ipos[body]), inertia)
    return found


def total(parts: list[Inertial]) -> Inertial:
    """Of bodies that are held together, in one frame."""
    mass = sum(part.mass for part in parts)
    com = sum(part.mass * part.com for part in parts) / mass
    inertia = np.zeros((3, 3))
    for part in parts:
        d = part.com - com
        inertia += part.inertia + part.mass * (d @ d * np.eye(3) - np.outer(d, d))
    return Inertial(mass, np.asarray(com), inertia)


def _moved(part: Inertial, place: Place) -> Inertial:
    return Inertial(part.mass, place.pos + place.rot @ part.com, place.rot @ part.inertia @ place.rot.T)


def _walk(robot: ElementTree.Element) -> Iterator[tuple[str, ElementTree.Element | None]]:
    """Each link and the joint on which it hangs, depth first, joints of a link in the order of the file."""
    children: dict[str, list[ElementTree.Element]] = {}
    for one in robot.findall("joint"):
        children.setdefault(_end(one, "parent"), []).append(one)
    hanging = {_end(one, "child") for one in robot.findall("joint")}
    stack: list[tuple[str, ElementTree.Element | None]] = [
        (link.attrib["name"], None) for link in robot.findall("link") if link.attrib["name"] not in hanging
    ]
    while stack:
        link, joint = stack.pop()
        yield link, joint
        stack += [(_end(one, "child"), one) for one in reversed(children.get(link, []))]


def _end(joint: ElementTree.Element, tag: str) -> str:
    return joint.find(tag).attrib["link"]  # type: ignore[union-attr]


def _numbers(text: str | None) -> np.ndarray:
    return np.zeros(3) if text is None else np.array([float(number) for number in text.split()])


def _origin(element: ElementTree.Element) -> tuple[np.ndarray, np.ndarray]:
    """Position (3,) and rotation matrix (3, 3) of an element in its link."""
    origin = element.find("origin")
    if origin is None:
        return np.zeros(3), np.eye(3)
    roll, pitch, yaw = _numbers(origin.attrib.get("rpy"))
    return _numbers(origin.attrib.get("xyz")), _turn(2, yaw) @ _turn(1, pitch) @ _turn(0, roll)


def _place(element: ElementTree.Element, place: Place) -> None:
    """Put an element of a link where it is in the link that stays."""
    pos, rot = _origin(element)
    _write_origin(element, place.pos + place.rot @ pos, place.rot @ rot)


def _write_origin(element: ElementTree.Element, pos: np.ndarray, rot: np.ndarray) -> None:
    found = element.find("origin")
    origin = _child(element, "origin", {}) if found is None else found
    origin.attrib.clear()
    origin.attrib.update(xyz=_text(pos), rpy=_text(_angles(rot)))


def _write_inertial(link: ElementTree.Element, inertial: Inertial) -> None:
    for old in link.findall("inertial"):
        link.remove(old)
    element = _child(link, "inertial", {})
    entries = {f"i{'xyz'[i]}{'xyz'[j]}": repr(float(inertial.inertia[i, j])) for i in range(3) for j in range(i, 3)}
    _child(element, "inertia", entries)
    _child(element, "mass", {"value": repr(float(inertial.mass))})
    _write_origin(element, inertial.com, np.eye(3))


def _child(parent: ElementTree.Element, tag: str, attributes: dict[str, str]) -> ElementTree.Element:
    """A new first child, said to be on its parent's line."""
    element = XmlElement(tag, attributes)
    element.line = getattr(parent, "line", element.line)
    parent.insert(0, element)
    return element


def _text(numbers: np.ndarray) -> str:
    return " ".join(repr(float(number)) for number in numbers)


def _turn(axis: int, angle: float) -> np.ndarray:
    i, j = (axis + 1) % 3, (axis + 2) % 3
    rot = np.eye(3)
    rot[i, i] = rot[j, j] = math.cos(angle)
    rot[j, i], rot[i, j] = math.sin(angle), -math.sin(angle)
    return rot


def _angles(rot: np.ndarray) -> np.ndarray:
    """Roll, pitch and yaw of a rotation matrix. Each angle is read from what the ones before it leave, so that their
    errors do not grow where the pitch is a right angle."""
    yaw = math.atan2(rot[1, 0], rot[0, 0]) if math.hypot(rot[1, 0], rot[0, 0]) > _TINY else 0.0
    rot = _turn(2, -yaw) @ rot
    pitch = math.atan2(-rot[2, 0], rot[0, 0])
    rot = _turn(1, -pitch) @ rot
    return np.array([math.atan2(rot[2, 1], rot[1, 1]), pitch, yaw])
