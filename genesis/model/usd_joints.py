"""Joints of UsdPhysics, as MuJoCo's: what each leaves free, where its links are when it is assembled, its drives.

A joint has a frame on each of its two bodies. Its coordinates are the pose of frame 1 in frame 0, E = F0^-1 F1: a shift
along the axes of frame 0, then rotations about x, y and z, each about the axes as the former ones left them. A joint
with one free axis is a hinge or a slide; one with three free rotations without limits is a ball; any other becomes
several hinges and slides, in that order.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import mujoco
import numpy as np

from genesis.model.robot_files import unused_name
from genesis.model.usd_stage import IDENTITY, Frame, Stage, quat_matrix

SHIFTS, TURNS = ("transX", "transY", "transZ"), ("rotX", "rotY", "rotZ")
_UNLIMITED = 1e10  # [rad, m] the end of a range that is limited on the other side only
# How far [m, rad] the frames of a joint may miss each other and count as met: files are written in 32 bits.
_MET_POSITION, _MET_ANGLE = 1e-4, 1e-3
_NOISE = 1e-5  # [rad, m] a coordinate below this is what rounding to 32 bits leaves of zero


@dataclass(eq=False)
class Link:
    """A rigid body of the stage: its frame as the file has it, and as its joints put it."""

    prim: Any
    frame: Frame
    is_static: bool
    name: str = ""
    pose: Frame = IDENTITY
    moves: bool = False


def link_above(links: dict[Any, Link], prim: Any) -> Link | None:
    """The link that a prim belongs to: itself, or the nearest above it."""
    while prim:
        if prim.GetPath() in links:
            return links[prim.GetPath()]
        prim = prim.GetParent()
    return None


@dataclass(eq=False)
class Joint:
    """A joint: the links at its two ends (None: the world), its frames in the stage, and its axes.

    `free` are those of `SHIFTS` and `TURNS` along which it moves; `limits` their ranges [m, rad] where there are any;
    `held` what a locked axis is held at. `position` is what the coordinates are in the file.
    """

    prim: Any
    ends: tuple[Link | None, Link | None]
    frames: tuple[Frame, Frame]
    free: list[str] = field(default_factory=list)
    limits: dict[str, tuple[float, float]] = field(default_factory=dict)
    held: dict[str, float] = field(default_factory=dict)
    drives: dict[str, str] = field(default_factory=dict)
    is_excluded: bool = False
    is_ball: bool = False
    position: dict[str, float] = field(default_factory=dict)


def read_joint(stage: Stage, prim: Any, ends: tuple[Link | None, Link | None], frames: tuple[Frame, Frame]) -> Joint:
    """A joint of UsdPhysics, of which the ends are already found."""
    from pxr import UsdPhysics

    joint = Joint(prim, ends, frames, is_excluded=bool(stage.value(prim, "physics:excludeFromArticulation", False)))
    axis = stage.axis(prim, "physics:axis", "X")
    if prim.IsA(UsdPhysics.RevoluteJoint):
        joint.free, joint.drives = [f"rot{axis}"], {f"rot{axis}": "angular"}
        _limit(stage, joint, f"rot{axis}", "physics:lowerLimit", "physics:upperLimit")
    elif prim.IsA(UsdPhysics.PrismaticJoint):
        joint.free, joint.drives = [f"trans{axis}"], {f"trans{axis}": "linear"}
        _limit(stage, joint, f"trans{axis}", "physics:lowerLimit", "physics:upperLimit")
    elif prim.IsA(UsdPhysics.SphericalJoint):
        joint.free = list(TURNS)
        if max(stage.number(prim, f"physics:coneAngle{k}Limit", -1.0, infinite=True) for k in (0, 1)) >= 0:
            stage.note("cone limits of spherical joints, which turn freely", prim)
    elif not prim.IsA(UsdPhysics.FixedJoint):
        joint.free = [*SHIFTS, *TURNS]
        joint.drives = {axis: axis for axis in joint.free}
        for axis in list(joint.free):
            if prim.HasAPI(UsdPhysics.LimitAPI, axis):
                _limit(stage, joint, axis, f"limit:{axis}:physics:low", f"limit:{axis}:physics:high")
    driven = [axis for axis, name in joint.drives.items() if prim.HasAPI(UsdPhysics.DriveAPI, name)]
    joint.drives = {axis: joint.drives[axis] for axis in driven if axis in joint.free}
    joint.is_ball = set(TURNS) <= set(joint.free) and not any(axis in joint.limits for axis in TURNS)
    if joint.is_ball:
        for axis in [axis for axis in joint.drives if axis in TURNS]:
            stage.note("drives of ball joints", prim)
            del joint.drives[axis]
    joint.position = _coordinates(joint, frames[0].inverse() @ frames[1])
    return joint


def _limit(stage: Stage, joint: Joint, axis: str, low: str, high: str) -> None:
    unit = math.pi / 180 if axis in TURNS else stage.length
    lower = stage.number(joint.prim, low, -math.inf, infinite=True) * unit
    upper = stage.number(joint.prim, high, math.inf, infinite=True) * unit
    if lower < upper:
        if lower > -math.inf or upper < math.inf:
            joint.limits[axis] = max(lower, -_UNLIMITED), min(upper, _UNLIMITED)
    elif lower > upper and not low.startswith("limit:"):
        raise stage.error(joint.prim, f"{low} is above {high}. Exchange them.")
    else:
        # UsdPhysics locks an axis whose limits are crossed; equal ones hold it where they are.
        joint.free.remove(axis)
        joint.held[axis] = lower if lower == upper else 0.0


# ------------------------------------------------------------------ coordinates


def _turn(axis: str, angle: float) -> np.ndarray:
    quat = np.array([math.cos(angle / 2), 0.0, 0.0, 0.0])
    quat[1 + TURNS.index(axis)] = math.sin(angle / 2)
    return quat_matrix(quat)


def _coordinates(joint: Joint, relative: Frame) -> dict[str, float]:
    """The coordinates of the free axes at the pose `relative` of frame 1 in frame 0; none of a ball's rotations."""
    found = {axis: float(relative.position[SHIFTS.index(axis)]) for axis in joint.free if axis in SHIFTS}
    turns = [axis for axis in joint.free if axis in TURNS]
    r = relative.rotation
    if len(turns) == 1:
        (i, j) = {"rotX": (1, 2), "rotY": (2, 0), "rotZ": (0, 1)}[turns[0]]
        angles = {turns[0]: math.atan2(r[j, i] - r[i, j], r[i, i] + r[j, j])}
    elif joint.is_ball:
        angles = {}
    else:
        everything = (
            math.atan2(-r[1, 2], r[2, 2]),
            math.asin(min(max(r[0, 2], -1.0), 1.0)),
            math.atan2(-r[0, 1], r[0, 0]),
        )
        angles = {axis: angle for axis, angle in zip(TURNS, everything, strict=True) if axis in turns}
    for axis, angle in angles.items():
        low, high = joint.limits.get(axis, (-math.inf, math.inf))
        turns_more = (angle, angle - math.tau, angle + math.tau)
        within = [value for value in turns_more if low - _NOISE <= value <= high + _NOISE]
        found[axis] = within[0] if within else angle
    return {axis: value if abs(value) > _NOISE else 0.0 for axis, value in found.items()}


def assembled(joint: Joint) -> Frame:
    """The pose of frame 1 in frame 0 at the joint's coordinates."""
    value = joint.held | joint.position
    shift = np.array([value.get(axis, 0.0) for axis in SHIFTS])
    if joint.is_ball:
        return Frame((joint.frames[0].inverse() @ joint.frames[1]).rotation, shift)
    rotation = np.eye(3)
    for axis in TURNS:
        rotation = rotation @ _turn(axis, value.get(axis, 0.0))
    return Frame(rotation, shift)


def _meets(joint: Joint) -> bool:
    """Whether the frames of the file stand to each other as the joint allows."""
    gap = assembled(joint).inverse() @ (joint.frames[0].inverse() @ joint.frames[1])
    angle = math.acos(min(max((np.trace(gap.rotation) - 1) / 2, -1.0), 1.0))
    return bool(np.linalg.norm(gap.position) <= _MET_POSITION and angle <= _MET_ANGLE)


def place(stage: Stage, joint: Joint, child: Link) -> None:
    """Sets the pose of `child`: where it stands to its parent in the file, unless the joint puts it elsewhere."""
    end = joint.ends.index(child)
    parent = joint.ends[1 - end]
    authored, pose = (IDENTITY, IDENTITY) if parent is None else (parent.frame, parent.pose)
    if _meets(joint):
        # Kept as it is written, not rounded by the joint's frames.
        child.pose = pose @ authored.inverse() @ child.frame
        return
    stage.note("joints whose two frames do not meet, of which the second body moves to the first", joint.prim)
    relative = assembled(joint) if end == 1 else assembled(joint).inverse()
    on_parent = authored.inverse() @ joint.frames[1 - end]
    on_child = child.frame.inverse() @ joint.frames[end]
    child.pose = pose @ on_parent @ relative @ on_child.inverse()


def joint_frame(joint: Joint, end: int) -> Frame:
    """A frame of the joint where its link is put."""
    link = joint.ends[end]
    return joint.frames[end] if link is None else link.pose @ link.frame.inverse() @ joint.frames[end]


# ------------------------------------------------------------------ as MuJoCo's


@dataclass(frozen=True)
class Passive:
    """Names of attributes that give joints friction, armature, springs and damping; the first that is there counts."""

    friction: Sequence[str]
    armature: Sequence[str]
    revolute_stiffness: Sequence[str]
    revolute_damping: Sequence[str]
    prismatic_stiffness: Sequence[str]
    prismatic_damping: Sequence[str]


def add_joints(
    stage: Stage, spec: mujoco.MjSpec, body: mujoco.MjsBody, joint: Joint, child: Link, passive: Passive
) -> None:
    """The joints of MuJoCo on `body`, that of the link `child`, and the actuators of their drives."""
    parts = [axis for axis in (*SHIFTS, *TURNS) if axis in joint.free]
    if joint.is_ball:
        parts = [axis for axis in parts if axis in SHIFTS] + ["ball"]
    axes = _axes(joint)
    sign = 1.0
    if joint.ends[0] is child:
        # The motion of frame 0 in frame 1 is the inverse: backwards, and in the opposite order.
        parts, sign = parts[::-1], -1.0
    anchor = child.pose.inverse() @ joint_frame(joint, 1)
    for part in parts:
        name = joint.prim.GetName() if len(parts) == 1 else f"{joint.prim.GetName()}_{part}"
        made = body.add_joint(name=unused_name(name, {other.name for other in spec.joints}), pos=anchor.position)
        if part == "ball":
            made.type = mujoco.mjtJoint.mjJNT_BALL
            continue
        made.type = mujoco.mjtJoint.mjJNT_HINGE if part in TURNS else mujoco.mjtJoint.mjJNT_SLIDE
        made.axis = sign * child.pose.rotation.T @ axes[part]
        made.ref = made.springref = joint.position[part]
        if part in joint.limits:
            made.limited = mujoco.mjtLimited.mjLIMITED_TRUE
            made.range = joint.limits[part]
        _passive(stage, joint, made, part, passive)
        if part in joint.drives:
            _drive(stage, spec, joint, made, part)


def _axes(joint: Joint) -> dict[str, np.ndarray]:
    """The directions, in the stage, of the axes at the joint's coordinates."""
    turned = joint_frame(joint, 0).rotation
    axes = {axis: turned[:, k] for k, axis in enumerate(SHIFTS)}
    value = joint.held | joint.position
    for k, axis in enumerate(TURNS):
        axes[axis] = turned[:, k]
        turned = turned @ _turn(axis, value.get(axis, 0.0))
    return axes


def _passive(stage: Stage, joint: Joint, made: mujoco.MjsJoint, axis: str, passive: Passive) -> None:
    """Friction, armature, spring and damping [SI, per rad], from attributes that no schema of USD has."""
    turns = axis in TURNS
    inertia = stage.mass * (stage.length**2 if turns else 1.0)
    made.frictionloss = _first(stage, joint, passive.friction) * inertia * (1.0 if turns else stage.length)
    made.armature = _first(stage, joint, passive.armature) * inertia
    stiffness = _first(stage, joint, passive.revolute_stiffness if turns else passive.prismatic_stiffness)
    damping = _first(stage, joint, passive.revolute_damping if turns else passive.prismatic_damping)
    made.stiffness, made.damping = [stiffness * inertia, 0, 0], [damping * inertia, 0, 0]


def _first(stage: Stage, joint: Joint, names: Sequence[str]) -> float:
    for name in names:
        if joint.prim.HasAttribute(name):
            value = stage.number(joint.prim, name)
            if value < 0:
                raise stage.error(joint.prim, f"{name} = {value:g}: expected a number that is not negative.")
            return value
    return 0.0


def _drive(stage: Stage, spec: mujoco.MjSpec, joint: Joint, made: mujoco.MjsJoint, axis: str) -> None:
    """A drive as an actuator: force stiffness (ctrl - position) - damping velocity, or damping (ctrl - velocity).

    [SI, per rad]; USD's are per degree. Gains of an affine actuator are those of `control_dofs_position` as well.
    """
    prim, at = joint.prim, f"drive:{joint.drives[axis]}:physics:"
    turns = axis in TURNS
    unit = stage.mass * (stage.length**2 * 180 / math.pi if turns else 1.0)
    force = stage.mass * stage.length * (stage.length if turns else 1.0)
    given = {name: stage.number(prim, at + name) for name in ("stiffness", "damping")}
    most = stage.number(prim, at + "maxForce", math.inf, infinite=True)
    for name, value in (*given.items(), ("maxForce", most)):
        if value < 0:
            raise stage.error(prim, f"{at}{name} = {value:g}: expected a number that is not negative.")
    if any(stage.number(prim, at + name) for name in ("targetPosition", "targetVelocity")):
        stage.note("targets of drives, which wait for a command", prim)
    if str(stage.value(prim, at + "type", "force")) == "acceleration":
        stage.note('drives of type "acceleration", whose gains are multiples of the inertia', prim)
        return
    if 0 < most < math.inf:
        made.actfrclimited = mujoco.mjtLimited.mjLIMITED_TRUE
        made.actfrcrange = [-most * force, most * force]
    kp, kv = given["stiffness"] * unit, given["damping"] * unit
    if most == 0 or kp == kv == 0:
        return
    actuator = spec.add_actuator(
        name=made.name, target=made.name, trntype=mujoco.mjtTrn.mjTRN_JOINT, biastype=mujoco.mjtBias.mjBIAS_AFFINE
    )
    actuator.gaintype = mujoco.mjtGain.mjGAIN_FIXED
    actuator.gainprm[0] = kp or kv
    actuator.biasprm[1:3] = -kp, -kv


def add_loop(stage: Stage, spec: mujoco.MjSpec, joint: Joint, bodies: dict[Link | None, mujoco.MjsBody]) -> None:
    """A joint that closes a loop, as equality constraints between sites at its two frames.

    Fixed: a weld; spherical: a connect; revolute: a connect at each of two points of its axis. Any other is refused.
    """
    ball = joint.free == list(TURNS) and joint.is_ball
    hinge = len(joint.free) == 1 and joint.free[0] in TURNS
    if joint.free and not ball and not hinge:
        raise stage.error(
            joint.prim,
            "the joint closes a loop of joints and slides. Loops are closed by fixed, spherical and revolute joints: "
            "exclude another joint of the loop from the articulation (physics:excludeFromArticulation).",
        )
    if joint.limits or joint.drives:
        stage.note("limits and drives of joints that close a loop", joint.prim)
    if not _meets(joint):
        stage.note("joints that close a loop, and whose frames do not meet at the start", joint.prim)
    shifts = [np.zeros(3)]
    if hinge:
        axis = np.eye(3)[TURNS.index(joint.free[0])]
        shifts = [-_LOOP_ARM * axis, _LOOP_ARM * axis]
    for count, shift in enumerate(shifts):
        name = joint.prim.GetName() if len(shifts) == 1 else f"{joint.prim.GetName()}_{count}"
        taken = {site.name for site in spec.sites}
        name = unused_name(name, {equality.name for equality in spec.equalities})
        equality = spec.add_equality(name=name, objtype=mujoco.mjtObj.mjOBJ_SITE)
        equality.type = mujoco.mjtEq.mjEQ_CONNECT if joint.free else mujoco.mjtEq.mjEQ_WELD
        for end in (0, 1):
            link = joint.ends[end]
            local = (IDENTITY if link is None else link.pose).inverse() @ joint_frame(joint, end)
            site = bodies[link].add_site(name=unused_name(f"{name}_end{end}", taken), quat=local.quat)
            site.pos = local.position + local.rotation @ shift
            setattr(equality, f"name{end + 1}", site.name)


_LOOP_ARM = 0.05  # [m] from a hinge's anchor to the two points of its axis that hold it together
