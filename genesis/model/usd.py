"""USD files, loaded into `mujoco.MjSpec`: rigid bodies, joints and shapes as the schema UsdPhysics describes them.

Read through the package usd-core, which composes layers, references, instances and transforms. What the file says and
this engine does not simulate is named in one warning.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import mujoco
import numpy as np

from genesis.errors import GenesisException
from genesis.model import diagnostics
from genesis.model.meshes import check_file
from genesis.model.robot_files import WORLD_LINK, unused_name
from genesis.model.usd_contacts import exclude_contacts
from genesis.model.usd_joints import Joint, Link, Passive, add_joints, add_loop, link_above, place, read_joint
from genesis.model.usd_shapes import DEFAULT_DENSITY, SHAPES, Shapes, collides_by_schema, is_drawn
from genesis.model.usd_stage import IDENTITY, Frame, Stage, open_stage, usd_errors

# Prims that hold no physics, and those of it that are read here.
_SILENT_TYPES = frozenset(
    {"", "Xform", "Scope", "Material", "Shader", "NodeGraph", "GeomSubset", "PhysicsScene", "PhysicsCollisionGroup"}
)
_UNREAD_SCHEMAS = re.compile(r"Deformable|Particle|Mimic|Tendon|ForceField|Vehicle|SurfaceVelocity|^Mjc|^Newton.*Mimic")


def load_usd(
    file: str,
    *,
    passive: Passive,
    prim_path: str | None = None,
    fixed: bool | None = None,
    visualization: bool = True,
    collision: bool = True,
) -> mujoco.MjSpec:
    """What stands under `prim_path` (None: the default prim, or else everything) as an `MjSpec`, in the stage's frame.

    Each prim with PhysicsRigidBodyAPI is a body of the prim's name. Joints connect them to trees; a tree that no joint
    ties to the world has a free base, unless `fixed`. The base is what has PhysicsArticulationRootAPI, else the first
    body that is no joint's `body1`. With `fixed=False` fixed joints to the world are left out, and kinematic bodies
    move. Joints that are excluded from the articulation, or close a loop, become equality constraints.

    Raises `GenesisException`, which names the file and the prim, for a missing package, an unreadable file or
    reference, numbers that mean nothing, joints that tie a body to none or to itself, bodies that move without mass,
    and loops that are closed by other joints than fixed, spherical and revolute ones.
    """
    path = check_file(file)
    opened = open_stage(path)
    with usd_errors(path):
        stage = Stage(path, opened, prim_path)
        return _read(stage, passive, fixed, visualization=visualization, collision=collision)


def _read(stage: Stage, passive: Passive, fixed: bool | None, *, visualization: bool, collision: bool) -> mujoco.MjSpec:
    links = _read_links(stage, fixed)
    joints = _read_joints(stage, links, fixed)
    hangings, loops = _tree(links, joints)
    spec = mujoco.MjSpec()
    spec.compiler.degree = False
    bodies: dict[Link | None, mujoco.MjsBody] = {None: spec.worldbody}
    for hanging in hangings:
        _place(stage, hanging)
        link = hanging.link
        link.moves = not link.is_static and (_frees(hanging) if hanging.joints else not fixed)
        local = (IDENTITY if hanging.parent is None else hanging.parent.pose).inverse() @ link.pose
        bodies[link] = bodies[hanging.parent].add_body(name=link.name, pos=local.position, quat=local.quat)
    _add_shapes(stage, spec, links, bodies, visualization=visualization, collision=collision)
    for hanging in hangings:
        link = hanging.link
        for joint in hanging.joints:
            add_joints(stage, spec, bodies[link], joint, link, passive)
        if link.moves and not hanging.joints:
            bodies[link].add_freejoint(name=unused_name(f"{link.name}_joint", {joint.name for joint in spec.joints}))
    for joint in loops:
        add_loop(stage, spec, joint, bodies)
    exclude_contacts(stage, spec, links, joints)
    _note_rest(stage)
    stage.tell()
    return spec


# ------------------------------------------------------------------ links and joints


def _read_links(stage: Stage, fixed: bool | None) -> dict[Any, Link]:
    """The rigid bodies, by path, in the order of the stage."""
    from pxr import UsdPhysics

    links: dict[Any, Link] = {}
    names = {WORLD_LINK}
    for prim in stage.prims():
        if not prim.HasAPI(UsdPhysics.RigidBodyAPI):
            continue
        kinematic = bool(stage.value(prim, "physics:kinematicEnabled", False)) and fixed is not False
        if kinematic:
            stage.note("kinematic bodies, which stay where they are", prim)
        enabled = bool(stage.value(prim, "physics:rigidBodyEnabled", True))
        link = Link(prim, stage.frame(prim), kinematic or not enabled)
        link.name = unused_name(prim.GetName(), names)
        names.add(link.name)
        links[prim.GetPath()] = link
        if any(stage.vector(prim, name).any() for name in ("physics:velocity", "physics:angularVelocity")):
            stage.note("velocities at the start", prim)
    return links


def _read_joints(stage: Stage, links: dict[Any, Link], fixed: bool | None) -> list[Joint]:
    from pxr import UsdPhysics

    joints = []
    for prim in stage.of_type(UsdPhysics.Joint):
        targets = [_target(stage, prim, f"physics:body{end}") for end in (0, 1)]
        ends = [None if target is None else link_above(links, target) for target in targets]
        inside = prim.GetPath().HasPrefix(stage.root.GetPath())
        if not inside and ends == [None, None]:
            continue
        for target, link in zip(targets, ends, strict=True):
            if link is None and target is not None and _is_moving(target):
                raise stage.error(
                    prim,
                    f"the joint ties a body of <{stage.root.GetPath()}> to <{target.GetPath()}>, which is not under "
                    "it. Choose a prim_path above both.",
                )
        if not stage.value(prim, "physics:jointEnabled", True):
            stage.note("joints that are not enabled", prim)
            continue
        if ends[0] is ends[1]:
            what = "no body" if ends[0] is None else f"<{ends[0].prim.GetPath()}> to itself"
            raise stage.error(prim, f"the joint ties {what}. Set physics:body0 and physics:body1 to two bodies.")
        if prim.IsA(UsdPhysics.DistanceJoint):
            stage.note("distance joints", prim)
            continue
        ties_to_world = any(link is None or link.is_static for link in ends)
        if fixed is False and ties_to_world and prim.IsA(UsdPhysics.FixedJoint):
            continue
        if any(stage.number(prim, f"physics:break{what}", np.inf, infinite=True) < _NEVER for what in _BREAKS):
            stage.note("forces at which joints break", prim)
        first, second = (
            _joint_frame(stage, prim, target, f"physics:localPos{end}", f"physics:localRot{end}")
            for end, target in enumerate(targets)
        )
        joints.append(read_joint(stage, prim, (ends[0], ends[1]), (first, second)))
    return joints


_BREAKS = ("Force", "Torque")
_NEVER = 1e30  # files that do not say `inf` write the largest number of 32 bits


def _is_moving(prim: Any) -> bool:
    from pxr import UsdPhysics

    while prim:
        if prim.HasAPI(UsdPhysics.RigidBodyAPI):
            return True
        prim = prim.GetParent()
    return False


def _target(stage: Stage, prim: Any, relationship: str) -> Any | None:
    """The prim that a joint ties at one end; None: the world."""
    paths = prim.GetRelationship(relationship).GetTargets()
    if not paths:
        return None
    if len(paths) > 1:
        raise stage.error(prim, f"{relationship} names {len(paths)} prims. Expected one.")
    target = stage.prim_at(paths[0])
    if not target:
        raise stage.error(prim, f"{relationship} names <{paths[0]}>, which does not exist. Correct it.")
    return target


def _joint_frame(stage: Stage, prim: Any, target: Any | None, position: str, rotation: str) -> Frame:
    if target is not None and stage.is_mirrored(target):
        raise stage.error(
            prim, f"<{target.GetPath()}> is mirrored by its scale: a joint on it has no axis. Give it a positive scale."
        )
    linear, origin = stage.matrix(target)
    at = stage.frame(target)
    return Frame(at.rotation @ stage.rotation(prim, rotation), linear @ stage.vector(prim, position) + origin)


@dataclass(frozen=True)
class _Hanging:
    """A link and what it hangs on: `parent` (None: the world) by `joints` (none: it is a base), the parent's first."""

    link: Link
    parent: Link | None
    joints: tuple[Joint, ...] = ()


def _tree(links: dict[Any, Link], joints: Sequence[Joint]) -> tuple[list[_Hanging], list[Joint]]:
    """How the links hang on each other, parents before children, and the joints that close loops.

    What is static stands for the world. Joints in the articulation come first, those excluded from it close loops.
    Several joints between two bodies follow one another, as MuJoCo's do and its exporter means them: by UsdPhysics
    they could not move, as each would hold what another frees.
    """
    group: dict[Link | None, Link | None] = {}

    def representative(link: Link | None) -> Link | None:
        link = None if link is None or link.is_static else link
        while link in group:
            link = group[link]
        return link

    loops: list[Joint] = []
    tied: dict[frozenset[Link | None], list[Joint]] = {}
    for joint in sorted(joints, key=lambda joint: joint.is_excluded):
        first, second = map(representative, joint.ends)
        if first is not second:
            group[first if first is not None else second] = second if first is not None else None
            tied[frozenset(joint.ends)] = [joint]
        elif joint.free and not joint.is_excluded and frozenset(joint.ends) in tied:
            tied[frozenset(joint.ends)].append(joint)
        elif not all(link is None or link.is_static for link in joint.ends):
            loops.append(joint)

    reached: dict[Link, _Hanging] = {link: _Hanging(link, None) for link in links.values() if link.is_static}
    _hang([None, *reached], tied, reached)
    for link in links.values():
        if link not in reached:
            members = [other for other in links.values() if representative(other) is representative(link)]
            base = _base(members, [joints[0] for joints in tied.values()])
            reached[base] = _Hanging(base, None)
            _hang([base], tied, reached)
    return list(reached.values()), loops


def _hang(
    starts: Iterable[Link | None], tied: dict[frozenset[Link | None], list[Joint]], reached: dict[Link, _Hanging]
) -> None:
    """Adds to `reached` what hangs on the links `starts`, and on what hangs on these."""
    grown = list(starts)
    while grown:
        parent = grown.pop(0)
        for pair, joints in tied.items():
            if parent in pair:
                (child,) = pair - {parent}
                if child is not None and child not in reached:
                    order = joints if joints[0].ends[1] is child else joints[::-1]
                    reached[child] = _Hanging(child, parent, tuple(order))
                    grown.append(child)


def _base(members: Sequence[Link], joints: Sequence[Joint]) -> Link:
    """The link that a tree of links without a tie to the world stands on."""
    from pxr import UsdPhysics

    seconds = {joint.ends[1] for joint in joints}
    for link in members:
        if link.prim.HasAPI(UsdPhysics.ArticulationRootAPI):
            return link
    return next((link for link in members if link not in seconds), members[0])


def _place(stage: Stage, hanging: _Hanging) -> None:
    if hanging.joints:
        place(stage, hanging.joints[0], hanging.link)
    else:
        hanging.link.pose = hanging.link.frame


def _frees(hanging: _Hanging) -> bool:
    """Whether joints let their link move, by themselves or along with its parent."""
    return any(joint.free for joint in hanging.joints) or (hanging.parent is not None and hanging.parent.moves)


# ------------------------------------------------------------------ shapes and masses


def _add_shapes(
    stage: Stage,
    spec: mujoco.MjSpec,
    links: dict[Any, Link],
    bodies: dict[Link | None, mujoco.MjsBody],
    *,
    visualization: bool,
    collision: bool,
) -> None:
    """Geoms on every body and the world, and the masses that MassAPI and the shapes give the bodies."""
    shapes = Shapes(stage, spec)
    found: dict[Link | None, list[tuple[Any, bool]]] = {link: [] for link in bodies}
    for prim in stage.prims():
        if prim.GetTypeName() in SHAPES and not _deforms(prim):
            found[link_above(links, prim)].append((prim, collides_by_schema(stage, prim, links)))
    if len(bodies) == 1 and not any(collides for _, collides in found[None]):
        raise stage.error(
            stage.root,
            "there is no prim with PhysicsRigidBodyAPI or PhysicsCollisionAPI under it: nothing moves or collides. "
            "Choose another prim_path, or load its meshes by gs.morphs.Mesh.",
        )
    masses = {link: _Mass.read(stage, link) for link in links.values()}
    for link, prims in found.items():
        mass = None if link is None else masses[link]
        drawn_weighs = mass is not None and not mass.is_complete and not any(collides for _, collides in prims)
        if drawn_weighs and link is not None and link.moves and prims:
            stage.note("bodies without colliding shapes, whose mass follows from those that are drawn", link.prim)
        for prim, collides in prims:
            weighs = collides or drawn_weighs
            if not weighs and not (visualization and is_drawn(stage, prim)):
                continue
            needed = weighs and mass is not None and not mass.is_complete
            pose = IDENTITY if link is None else link.frame
            geom = shapes.add(prim, bodies[link], pose, collides=collides, weighs=needed)
            if not collision:
                geom.contype = geom.conaffinity = 0
            _material(stage, prim, geom, None if link is None else link.prim, weighs=weighs)
    _write_masses(stage, spec, bodies, masses)


def _deforms(prim: Any) -> bool:
    """Whether a shape is, or is a part of, something that is not rigid."""
    while prim:
        if any("Deformable" in schema for schema in prim.GetPrimTypeInfo().GetAppliedAPISchemas()):
            return True
        prim = prim.GetParent()
    return False


def _material(stage: Stage, prim: Any, geom: mujoco.MjsGeom, body: Any | None, *, weighs: bool) -> None:
    """Friction, and density: MassAPI's of the shape, else of the body, else of the material, else 1000 kg/m3."""
    from pxr import UsdPhysics, UsdShade

    material = UsdShade.MaterialBindingAPI(prim).ComputeBoundMaterial("physics")[0].GetPrim()
    physical = bool(material) and material.HasAPI(UsdPhysics.MaterialAPI)
    density = 0.0
    for holder in (prim, body, material if physical else None):
        if holder is not None and not density:
            density = _positive(stage, holder, "physics:density")
    geom.density = density * stage.mass / stage.length**3 or DEFAULT_DENSITY
    mass = _positive(stage, prim, "physics:mass") if prim != body else 0.0
    if mass:
        geom.mass = mass * stage.mass
    if not weighs:
        geom.density = geom.mass = 0.0
    if physical:
        dynamic, static = (stage.number(material, f"physics:{kind}Friction") for kind in ("dynamic", "static"))
        if material.GetAttribute("physics:dynamicFriction").HasAuthoredValue():
            geom.friction = [_positive(stage, material, "physics:dynamicFriction"), *geom.friction[1:]]
        if static != dynamic:
            stage.note("static friction, for which dynamic friction stands", material)
        if stage.number(material, "physics:restitution"):
            stage.note("restitution", material)


def _positive(stage: Stage, prim: Any, name: str) -> float:
    value = stage.number(prim, name)
    if value < 0:
        raise stage.error(prim, f"{name} = {value:g}: expected a number that is not negative.")
    return value


@dataclass(frozen=True)
class _Mass:
    """What MassAPI says of a body, in its frame: mass [kg], centre of mass [m] (3,), principal moments [kg m2] (3,),
    and the matrix of their axes (3, 3). None: what the shapes give."""

    mass: float | None
    centre: np.ndarray | None
    moments: np.ndarray | None
    axes: np.ndarray

    @property
    def is_complete(self) -> bool:
        return self.mass is not None and self.centre is not None and self.moments is not None

    @classmethod
    def read(cls, stage: Stage, link: Link) -> _Mass:
        prim = link.prim
        mass = _positive(stage, prim, "physics:mass") * stage.mass
        moments = stage.vector(prim, "physics:diagonalInertia") * stage.mass * stage.length**2
        if (moments < 0).any():
            raise stage.error(prim, f"physics:diagonalInertia = {tuple(moments)} kg m2: expected no negative numbers.")
        centre = None
        # The schema's default, -inf, means: where the shapes have it.
        given = stage.array(prim, "physics:centerOfMass", (-np.inf,) * 3)
        if not np.isneginf(given).all():
            linear, _ = stage.matrix(prim)
            centre = link.frame.rotation.T @ linear @ stage.vector(prim, "physics:centerOfMass")
        axes = stage.rotation(prim, "physics:principalAxes")
        return cls(mass or None, centre, moments if moments.any() else None, axes)


def _write_masses(
    stage: Stage, spec: mujoco.MjSpec, bodies: dict[Link | None, mujoco.MjsBody], masses: dict[Link, _Mass]
) -> None:
    """Writes what MassAPI says into the bodies; what it leaves open is taken from the shapes, scaled to its mass."""
    open_ = [
        link
        for link, mass in masses.items()
        if not mass.is_complete and (mass.mass, mass.centre is None, mass.moments is None) != (None, True, True)
    ]
    model = None
    if open_:
        with diagnostics.log_mujoco_warnings(f"'{stage.path}'"):
            try:
                model = spec.compile()
            except ValueError as error:
                raise GenesisException(diagnostics.compiler_message(str(error), f"'{stage.path}'")) from None
    for link, mass in masses.items():
        body = bodies[link]
        total, centre, moments = mass.mass, mass.centre, mass.moments
        quat = Frame(mass.axes, np.zeros(3)).quat
        if model is not None and link in open_:
            shaped = model.body(body.name)
            weight = float(shaped.mass[0])
            if total is None:
                total = weight
            if moments is None:
                moments = shaped.inertia * (total / weight if weight > 0 else 0.0)
                quat = shaped.iquat
            if centre is None:
                centre = shaped.ipos if weight > 0 else np.zeros(3)
        shapeless = not any(geom.density or geom.mass > 0 for geom in body.geoms)
        if link.moves and (shapeless if total is None or moments is None else total == 0 or not moments.any()):
            raise stage.error(
                link.prim,
                "the body moves and has no mass or no inertia, nor shapes from which they would follow. Give it "
                "physics:mass and physics:diagonalInertia, or a shape with PhysicsCollisionAPI.",
            )
        if total is not None and centre is not None and moments is not None and total > 0:
            body.explicitinertial = True
            body.mass, body.ipos, body.iquat, body.inertia = total, centre, quat, moments


def _note_rest(stage: Stage) -> None:
    """Notes the prims that are not read at all."""
    from pxr import UsdPhysics

    for prim in stage.prims():
        kind = prim.GetTypeName()
        if kind == "Camera" or kind.endswith("Light"):
            stage.note("cameras and lights", prim)
        elif not (kind in _SILENT_TYPES or kind in SHAPES or prim.IsA(UsdPhysics.Joint)):
            stage.note(f"prims of type {kind}", prim)
        for schema in prim.GetPrimTypeInfo().GetAppliedAPISchemas():
            if _UNREAD_SCHEMAS.search(schema):
                stage.note(schema, prim)
