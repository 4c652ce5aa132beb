"""Morphs: the shape of an entity and where it is placed. Validated descriptions without behaviour.

Lengths are in metres, positions and orientations are those of the entity's base in the world frame. Files are looked
for when the entity is added to a scene.
"""

from __future__ import annotations

import math
import os
import zlib
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from pydantic import BeforeValidator, Field, StrictBool, field_validator, model_validator

from genesis import subterrains
from genesis.options import CoacdOptions, NonNegative, Number, Options, Positive, PositiveInt, Vec3, plain_numbers

__path__: list[str] = []  # names of Genesis that are not here are explained by genesis.compat


def __getattr__(name: str) -> Any:
    from genesis.compat.table import attribute_of

    return attribute_of(__name__, name)


Vec4 = Annotated[tuple[float, float, float, float], BeforeValidator(plain_numbers)]
PositiveVec2 = Annotated[tuple[Positive, Positive], BeforeValidator(plain_numbers)]
PositiveVec3 = Annotated[tuple[Positive, Positive, Positive], BeforeValidator(plain_numbers)]
# Bit masks of MuJoCo's contact filter; its arrays are signed 32-bit integers.
CollisionMask = Annotated[int, Field(ge=0, lt=2**31, strict=True)]

_EVERY_GROUP = 0xFFFF  # Genesis's default mask: primitives collide with whatever collides at all
_ALREADY_UNIT = 4 * float(np.finfo(np.float64).eps)  # a unit quaternion given to rounding error is kept bit for bit


def _on_or_off(value: Any) -> Any:
    if not isinstance(value, bool):
        raise ValueError("expected True or False")
    return value


class Morph(Options):
    """Base of all morphs; not used by itself.

    Parameters
    ----------
    pos
        Position [m], shape (3,).
    euler
        Orientation: rotations about the fixed axes x, then y, then z [degree], shape (3,). Not together with ``quat``.
    quat
        Orientation (w, x, y, z), shape (4,), normalised here. Not together with ``euler``.
    visualization, collision
        Whether the geometry is drawn, and whether it collides; not both False.
    requires_jac_and_IK, batch_fixed_verts, enable_custom_vverts
        Memory switches of Genesis. Jacobians and poses per environment are always available here: no effect.
    is_free
        An older argument that has no effect in Genesis either; ``fixed`` says it.
    offset_pos, offset_euler, offset_quat
        In Genesis, a pose below that which is read and set. Only none, (0, 0, 0) and the identity.
    """

    idle: ClassVar[frozenset[str]] = frozenset(
        {"requires_jac_and_IK", "batch_fixed_verts", "enable_custom_vverts", "is_free"}
    )

    pos: Vec3 = (0.0, 0.0, 0.0)
    euler: Vec3 | None = None
    quat: Vec4 | None = None
    visualization: StrictBool = True
    collision: Annotated[bool | str, BeforeValidator(_on_or_off)] = True
    requires_jac_and_IK: StrictBool | None = None
    batch_fixed_verts: StrictBool | None = None
    enable_custom_vverts: StrictBool | None = None
    is_free: StrictBool | None = None
    offset_pos: Vec3 = (0.0, 0.0, 0.0)
    offset_euler: Vec3 | None = None
    offset_quat: Vec4 | None = None

    @field_validator("offset_pos", "offset_euler", "offset_quat")
    @classmethod
    def _no_offset(cls, value: tuple[float, ...] | None) -> tuple[float, ...] | None:
        if value is not None and any(value[1:] if len(value) == 4 else value):
            raise ValueError("an entity stands where pos and quat say; put the offset into them")
        return value

    @field_validator("quat")
    @classmethod
    def _unit(cls, quat: tuple[float, ...] | None) -> tuple[float, ...] | None:
        if quat is None:
            return None
        norm = math.hypot(*quat)
        if norm == 0.0:
            raise ValueError("a quaternion of length zero is no orientation; the identity is (1, 0, 0, 0)")
        return quat if abs(norm - 1.0) <= _ALREADY_UNIT else tuple(x / norm for x in quat)

    @model_validator(mode="after")
    def _consistent(self) -> Morph:
        if self.euler is not None and self.quat is not None:
            raise ValueError(f"euler={self.euler} and quat={self.quat} are both given: give one of them")
        if not self.visualization and not self.collision:
            raise ValueError("visualization and collision are both False: nothing would be left of the entity")
        return self

    @property
    def orientation(self) -> tuple[float, float, float, float]:
        """Unit quaternion (w, x, y, z) that ``quat`` or ``euler`` says; the identity if neither is given."""
        if self.quat is not None:
            return self.quat
        if self.euler is None:
            return (1.0, 0.0, 0.0, 0.0)
        (cx, sx), (cy, sy), (cz, sz) = ((_cos_half(angle), _sin_half(angle)) for angle in self.euler)
        # q = qz * qy * qx: rotations about fixed axes multiply from the left.
        return (
            cx * cy * cz + sx * sy * sz,
            sx * cy * cz - cx * sy * sz,
            cx * sy * cz + sx * cy * sz,
            cx * cy * sz - sx * sy * cz,
        )


def _cos_half(degrees: float) -> float:
    return math.cos(0.5 * math.radians(degrees))


def _sin_half(degrees: float) -> float:
    return math.sin(0.5 * math.radians(degrees))


class Primitive(Morph):
    """Base of the primitive shapes; not used by itself.

    Parameters
    ----------
    fixed
        Whether the body is fixed in the world; otherwise it has a free joint.
    contype, conaffinity
        Bit masks: two shapes may collide if the contype of one and the conaffinity of the other share a bit.
    """

    refused: ClassVar[dict[str, str]] = {"density": "set gs.materials.Rigid(rho=...)", "mass": "use entity.set_mass()"}

    fixed: StrictBool = False
    contype: CollisionMask = _EVERY_GROUP
    conaffinity: CollisionMask = _EVERY_GROUP


# How Genesis fills a shape with tetrahedra, for its soft bodies.
_TETRAHEDRA = frozenset(
    {"order", "mindihedral", "minratio", "nobisect", "quality", "maxvolume", "verbose", "force_retet"}
)


class Tetrahedra(Options):
    """Arguments by which Genesis fills a shape with tetrahedra for its soft bodies: no effect on rigid ones."""

    idle: ClassVar[frozenset[str]] = _TETRAHEDRA

    order: PositiveInt = 1
    mindihedral: int = 10
    minratio: Positive = 1.1
    nobisect: StrictBool = True
    quality: StrictBool = True
    maxvolume: Number = -1.0
    verbose: int = 0
    force_retet: StrictBool = False


class Box(Primitive, Tetrahedra):
    """A box, given by ``size`` (and ``pos``), or by ``lower`` and ``upper``.

    Parameters
    ----------
    size
        Full edge lengths along x, y, z [m], shape (3,).
    lower, upper
        Two opposite corners in the world frame, before the rotation [m], shape (3,): sets ``size`` and ``pos``.
    """

    size: PositiveVec3 | None = None
    lower: Vec3 | None = None
    upper: Vec3 | None = None

    @model_validator(mode="after")
    def _corners(self) -> Box:
        if self.lower is None and self.upper is None:
            if self.size is None:
                raise ValueError("give size, or lower and upper")
            return self
        if self.lower is None or self.upper is None:
            raise ValueError("lower and upper come together: give both, or size")
        if self.size is not None or "pos" in self.model_fields_set:
            raise ValueError("lower and upper say where the box is and how large: leave out size and pos")
        if not all(low < high for low, high in zip(self.lower, self.upper, strict=True)):
            raise ValueError(f"lower={self.lower} must be below upper={self.upper} in each coordinate")
        pairs = list(zip(self.lower, self.upper, strict=True))
        # The model is frozen for its users; the two derived fields are completed here, before anyone sees it.
        self.__dict__["size"] = tuple(high - low for low, high in pairs)
        self.__dict__["pos"] = tuple(0.5 * (low + high) for low, high in pairs)
        return self


class Sphere(Primitive, Tetrahedra):
    """A sphere of ``radius`` [m]."""

    radius: Positive = 0.5


class Cylinder(Primitive, Tetrahedra):
    """A cylinder along its z axis, of ``radius`` and full ``height`` [m]."""

    radius: Positive = 0.5
    height: Positive = 1.0


class Capsule(Primitive):
    """A cylinder along its z axis, of ``radius`` and full ``height`` [m], with half spheres added at both ends."""

    radius: Positive = 0.5
    height: Positive = 1.0


class Ellipsoid(Primitive):
    """An ellipsoid with the half axes ``radii`` along x, y, z [m], shape (3,)."""

    refused: ClassVar[dict[str, str]] = {"size": "give the half axes, radii=(...)"}

    radii: PositiveVec3 = (0.5, 0.5, 0.5)


class Plane(Primitive):
    """An infinite plane through ``pos``, fixed in the world.

    Parameters
    ----------
    normal
        Direction in which the plane's outside lies, in the entity's frame, shape (3,), normalised here.
    plane_size, tile_size
        Size of the part that is drawn and of one tile of its pattern [m], shape (2,).
    """

    fixed: StrictBool = True
    normal: Vec3 = (0.0, 0.0, 1.0)
    plane_size: PositiveVec2 = (1e3, 1e3)
    tile_size: PositiveVec2 = (1.0, 1.0)

    @field_validator("normal")
    @classmethod
    def _unit_normal(cls, normal: tuple[float, ...]) -> tuple[float, ...]:
        norm = math.hypot(*normal)
        if norm == 0.0:
            raise ValueError("a vector of length zero has no direction")
        return tuple(x / norm for x in normal)

    @field_validator("fixed")
    @classmethod
    def _always_fixed(cls, fixed: bool) -> bool:
        if not fixed:
            raise ValueError("an infinite plane cannot move, leave it out")
        return fixed


def _path(value: Any) -> str:
    if not isinstance(value, (str, os.PathLike)):
        raise ValueError("expected the path of a file")
    path = os.fspath(value)
    if not isinstance(path, str) or not path:
        raise ValueError("expected the path of a file, as text that is not empty")
    return path


def _collision(value: Any) -> Any:
    if not isinstance(value, bool) and value not in _COLLIDING:
        raise ValueError(f"expected True, False or one of {', '.join(map(repr, _COLLIDING))}")
    return value


_COLLIDING = ("mesh", "sphere", "capsule", "ellipsoid", "cylinder", "box")
FilePath = Annotated[str, BeforeValidator(_path)]
Threshold = Annotated[float, Field(ge=0, allow_inf_nan=True), BeforeValidator(plain_numbers)]

# By which part of its volume the hull of a mesh may be larger before convexify=False splits it.
_NEARLY_CONVEX = 0.05


class FileMorph(Morph):
    """Base of the morphs that are read from a file; not used by itself.

    Parameters
    ----------
    file
        Path of the file, absolute, or relative to the working directory or to a folder of assets
        (:mod:`genesis.asset_files`).
    collision
        False: nothing collides. True or "mesh": meshes collide as their convex hulls, as in MuJoCo. "sphere",
        "capsule", "ellipsoid", "cylinder", "box": as that shape, fitted to the mesh by MuJoCo's compiler.
    convexify
        ``None`` or ``True``: a mesh collides as its convex hull, or as several convex parts. ``False``: a mesh that is
        not convex is split into convex parts, with a warning (Genesis collides it as it is, by a signed distance
        field).
    decompose_object_error_threshold, decompose_robot_error_threshold
        Of a ``Mesh``, and of a robot: a mesh of which the convex hull is larger than itself by more than this part of
        its volume is split into convex parts that collide in its place, by the package coacd; the parts are kept on
        disk. 0: each mesh. ``None`` (and infinity): none. (Genesis's default is 0.15 for a ``Mesh``.)
    decompose_nonconvex
        An older name: True for a threshold of 0, False for none.
    coacd_options
        ``gs.options.CoacdOptions``: how meshes are split.
    decimate, decimate_face_num, decimate_aggressiveness, watertighten
        How Genesis simplifies meshes first. They are used as they are in the file here: no effect.
    recompute_inertia, align
        Only ``False`` (or ``None``): inertias and the frames of links are the file's.
    file_meshes_are_zup, parse_glb_with_zup
        Of a ``Mesh``: ``False``: its z axis is the file's y axis, (x, y, z) -> (x, -z, y). ``None``: so it is for .glb
        and .gltf, whose standard says so. The second is an older name of the contrary. Of robots: only ``True``.
    """

    idle: ClassVar[frozenset[str]] = frozenset(
        {"decimate", "decimate_face_num", "decimate_aggressiveness", "watertighten"}
    )

    # Which threshold counts, and which has no effect.
    thresholds: ClassVar[tuple[str, str]] = ("decompose_robot_error_threshold", "decompose_object_error_threshold")

    file: FilePath
    collision: Annotated[bool | str, BeforeValidator(_collision)] = True
    convexify: StrictBool | None = None
    decompose_object_error_threshold: Threshold | None = None
    decompose_robot_error_threshold: Threshold | None = None
    decompose_nonconvex: StrictBool | None = None
    coacd_options: CoacdOptions = CoacdOptions()
    decimate: StrictBool | None = None
    decimate_face_num: PositiveInt | None = None
    decimate_aggressiveness: Annotated[int, Field(ge=0, le=8, strict=True)] | None = None
    watertighten: Annotated[int, Field(ge=0, le=8, strict=True)] | None = None
    recompute_inertia: StrictBool = False
    align: StrictBool | None = None
    file_meshes_are_zup: StrictBool | None = None
    parse_glb_with_zup: StrictBool | None = None

    @field_validator("coacd_options", mode="before")
    @classmethod
    def _default_options(cls, value: Any) -> Any:
        return CoacdOptions() if value is None else value

    @field_validator("recompute_inertia", "align")
    @classmethod
    def _as_in_file(cls, value: bool | None) -> bool | None:
        if value:
            raise ValueError(
                "inertias and frames are the file's; gs.materials.Rigid(rho=...) makes inertias of the shapes, "
                "entity.set_links_inertia() sets them"
            )
        return value

    @property
    def is_yup(self) -> bool:
        """Whether the z axis of its meshes is the file's y axis."""
        zup = self.file_meshes_are_zup
        if self.parse_glb_with_zup is not None and zup is None:
            zup = not self.parse_glb_with_zup
        return self.file.lower().endswith((".glb", ".gltf")) if zup is None else not zup

    @property
    def decomposition_threshold(self) -> float | None:
        """By which part of its volume the hull of a mesh may be larger before it is split; None: by any."""
        own = 0.0 if self.decompose_nonconvex else getattr(self, self.thresholds[0])
        if own is None and self.convexify is False:
            own = _NEARLY_CONVEX
        return None if own is None or math.isinf(own) or not self.collision else own

    @property
    def has_idle_threshold(self) -> bool:
        """Whether the threshold of the other kind of morph is given, which has no effect."""
        other = getattr(self, self.thresholds[1])
        return other is not None and not math.isinf(other)

    @model_validator(mode="after")
    def _one_shape(self) -> FileMorph:
        name = self.thresholds[0]
        own, older = getattr(self, name), self.decompose_nonconvex
        if older is not None and own is not None and own != (0.0 if older else math.inf):
            raise ValueError(
                f"decompose_nonconvex={older} and {name}={own:g} contradict each other: leave out decompose_nonconvex"
            )
        if isinstance(self.collision, str) and self.collision != "mesh" and self.decomposition_threshold is not None:
            given = "decompose_nonconvex=True" if older else f"{name}={own:g}"
            raise ValueError(
                f"collision='{self.collision}' and {given} contradict each other: a mesh collides as a fitted shape or "
                "as convex parts; leave out one of them"
            )
        return self


def _scale_per_axis(value: Any) -> Any:
    value = plain_numbers(value)
    if isinstance(value, (tuple, list)) and len(value) == 3 and all(map(_is_positive, value)):
        return tuple(map(float, value))
    if _is_positive(value):
        return float(value)
    raise ValueError("expected a positive number, or three of them")


def _is_positive(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and 0 < value < math.inf


class Mesh(FileMorph, Tetrahedra):
    """A rigid body with the shape of a mesh file (``.obj``, ``.stl``, ``.ply``, ``.dae``, ``.glb``, ...).

    Parameters
    ----------
    scale
        Factor on every length, or one factor per axis, shape (3,).
    fixed, contype, conaffinity
        As for primitives.
    group_by_material, merge_submeshes_for_collision
        Which parts of a file Genesis draws and collides as one. A file is one mesh here: no effect.
    """

    idle: ClassVar[frozenset[str]] = frozenset({"group_by_material", "merge_submeshes_for_collision"})
    thresholds = ("decompose_object_error_threshold", "decompose_robot_error_threshold")

    scale: Annotated[float | tuple[float, float, float], BeforeValidator(_scale_per_axis)] = 1.0
    fixed: StrictBool = False
    contype: CollisionMask = _EVERY_GROUP
    conaffinity: CollisionMask = _EVERY_GROUP
    group_by_material: StrictBool = False
    merge_submeshes_for_collision: StrictBool = False


_ROBOTS_ZUP = "meshes of robots are taken as they are in the file; leave it out"


class Robot(FileMorph):
    """Base of the morphs of robot files; not used by itself."""

    @model_validator(mode="after")
    def _meshes_as_they_are(self) -> Robot:
        if self.file_meshes_are_zup is False or self.parse_glb_with_zup:
            raise ValueError(f"file_meshes_are_zup=False: {_ROBOTS_ZUP}")
        return self


class URDF(Robot):
    """A robot from a URDF file.

    A joint's ``effort`` becomes its force range; 0 means unlimited, as MuJoCo reads it. A revolute or prismatic joint
    whose ``<limit>`` gives no ``lower`` or ``upper`` has 0 there, as URDF's specification says; without both, it is
    held at 0.

    Parameters
    ----------
    scale
        Factor s on every length of the file, at constant density: masses change by s^3 and inertias by s^5; gains,
        springs and damping stay as they are.
    pos, euler, quat
        Pose of the root link. A root link named ``world`` hangs on its own root joints, which start from this pose.
    fixed
        Whether the root link is fixed in the world; otherwise it gets a free joint (unless it is named ``world``).
    default_armature
        Rotor inertia of each joint [kg m^2, or kg for prismatic joints]. ``None`` leaves what the file says; Genesis
        fills in 0.1.
    merge_fixed_links
        Whether a link that a fixed joint holds becomes part of the link that holds it: its shapes, mass and inertia go
        over, and it is no link any more. The motion is the same. (Genesis's default is True; here every link of the
        file stays a link unless this is asked for, so that names and numbers are those of the file.) What is fixed to a
        root link named ``world`` stays.
    links_to_keep
        Names of links that are not merged.
    prioritize_urdf_material
        Whether colours of the URDF win over those of mesh files. Nothing is drawn by this version: no effect.
    repair
        Whether a file whose numbers no body can have is repaired, with one warning that lists each link, what it said
        and what it became: masses and inertias that are missing or impossible, visual meshes that are missing or
        cannot be read, a ``<mimic>`` of a joint that is not there. Otherwise it is refused.
    """

    refused: ClassVar[dict[str, str]] = {"xacro_args": "xacro files are not read: run xacro first, which writes a URDF"}

    scale: Positive = 1.0
    fixed: StrictBool = False
    default_armature: NonNegative | None = None
    merge_fixed_links: StrictBool = False
    links_to_keep: tuple[str, ...] = ()
    prioritize_urdf_material: StrictBool = False
    repair: StrictBool = True

    @property
    def kept_links(self) -> tuple[str, ...]:
        """Names of links that ``merge_fixed_links`` does not merge."""
        return self.links_to_keep


class Drone(URDF):
    """A drone from a URDF file: a body, and links that are its propellers.

    The file states the coefficients of its propellers, as ``<properties kf="3.16e-10" km="7.94e-12"/>`` in ``<robot>``:
    a propeller at n revolutions per minute pushes with kf n^2 [N] and turns with km n^2 [N m]. See ``DroneEntity``.
    Other arguments as for ``URDF``.

    Parameters
    ----------
    model
        "CF2X", "CF2P" or "RACE". As in Genesis, the propellers of a "RACE" turn the drone the other way.
    propellers_link_name
        The links of the propellers. Each pushes at the centre of mass of its link, along the link's z axis.
    propellers_spin
        Of each, 1 or -1: the direction of the torque about the link's z axis.
    merge_fixed_links
        As for ``URDF``, but True: propellers are kept.
    propellers_link_names
        An older name of ``propellers_link_name``.
    COM_link_name
        Of older versions of Genesis: no effect, the true centre of mass counts.
    """

    refused: ClassVar[dict[str, str]] = {
        "default_base_ang_damping_scale": "a file's damping is not changed; use entity.set_dofs_damping() after build()"
    }

    model: Literal["CF2X", "CF2P", "RACE"] = "CF2X"
    propellers_link_name: tuple[str, ...] = ("prop0_link", "prop1_link", "prop2_link", "prop3_link")
    propellers_spin: tuple[Literal[1, -1], ...] = (-1, 1, -1, 1)
    propellers_link_names: tuple[str, ...] | None = None
    COM_link_name: str | None = None
    merge_fixed_links: StrictBool = True

    @field_validator("propellers_spin", mode="before")
    @classmethod
    def _plain_spins(cls, value: Any) -> Any:
        value = plain_numbers(value)
        whole = isinstance(value, (list, tuple)) and all(isinstance(one, (int, float)) for one in value)
        return tuple(int(one) if one == int(one) else one for one in value) if whole else value

    @model_validator(mode="after")
    def _propellers(self) -> Drone:
        if self.propellers_link_names is not None:
            if "propellers_link_name" in self.model_fields_set:
                raise ValueError("propellers_link_name and its older name propellers_link_names are both given")
            self.__dict__["propellers_link_name"] = self.propellers_link_names
        names = self.propellers_link_name
        if not names or len(set(names)) != len(names):
            raise ValueError(f"propellers_link_name={names}: expected one name at least, and each once")
        if len(names) != len(self.propellers_spin):
            raise ValueError(
                f"propellers_spin={self.propellers_spin}: expected one of each of the {len(names)} propellers {names}"
            )
        return self

    @property
    def kept_links(self) -> tuple[str, ...]:
        """Names of links that ``merge_fixed_links`` does not merge, the propellers among them."""
        return (*self.links_to_keep, *self.propellers_link_name)


class MJCF(Robot):
    """A robot, or several bodies, from an MJCF file (MuJoCo's XML).

    Parameters
    ----------
    scale
        As for ``URDF``.
    pos, euler, quat
        Pose, in the world frame, of the file's own world frame.
    exclude_ground_plane
        Whether planes that the file puts into the world itself are left out.
    default_armature
        Rotor inertia of each joint [kg m^2, or kg for slide joints]. ``None`` leaves what the file says; Genesis
        fills in 0.1.
    """

    refused: ClassVar[dict[str, str]] = {"fixed": "the file says it, by a freejoint or none"}

    exclude_ground_plane: StrictBool = False
    scale: Positive = 1.0
    default_armature: NonNegative | None = None


def _attribute_names(value: Any) -> Any:
    if isinstance(value, (list, tuple)) and all(isinstance(name, str) for name in value):
        return tuple(value)
    raise ValueError("expected names of attributes, as a tuple of texts")


AttributeNames = Annotated[tuple[str, ...], BeforeValidator(_attribute_names)]

_COLLIDES_BY_SCHEMA = "what collides is what has PhysicsCollisionAPI in the file"


class USD(FileMorph):
    """A robot, or several bodies, from a USD file (``.usd``, ``.usda``, ``.usdc``, ``.usdz``): rigid bodies, joints,
    masses and shapes as the schema UsdPhysics describes them. Takes the package usd-core.

    Joints start where the file shows them, and their positions are what UsdPhysics calls so. A drive becomes an
    actuator, whose gains are also those of ``control_dofs_position``; like every actuator it waits for a command.

    Parameters
    ----------
    prim_path
        The prim under which is read. ``None``: the file's default prim; without one, everything.
    scale
        As for ``URDF``; lengths are in metres by the file's own ``metersPerUnit`` before that.
    pos, euler, quat
        Pose, in the world frame, of the file's own world frame, turned so that z is up.
    fixed
        ``None``: a base is fixed where the file says so, by a fixed joint to the world or ``physics:kinematicEnabled``.
        True: each base is. False: none is; the file's fixed joints to the world are left out.
    default_armature
        Rotor inertia of each joint [kg m^2, or kg for prismatic joints]. ``None`` leaves what the file says; Genesis
        fills in 0.1.
    joint_friction_attr_candidates, joint_armature_attr_candidates
        Attributes that say friction and rotor inertia of a joint, of which UsdPhysics knows nothing, in the file's
        units and radians. The first that a joint has counts; none: 0.
    revolute_joint_stiffness_attr_candidates, revolute_joint_damping_attr_candidates
        The same of springs and damping of revolute joints, and of rotations of joints with several axes. (Genesis also
        takes ``physxLimit:angular:*``, which PhysX means for the softness of limits.)
    prismatic_joint_stiffness_attr_candidates, prismatic_joint_damping_attr_candidates
        The same of prismatic joints.
    """

    refused: ClassVar[dict[str, str]] = {
        "collision_mesh_prim_patterns": _COLLIDES_BY_SCHEMA,
        "visual_mesh_prim_patterns": _COLLIDES_BY_SCHEMA,
        "file_meshes_are_zup": "the file says which axis is up",
        "usd_ctx": "the file is read when the entity is added",
    }

    prim_path: str | None = None
    scale: Positive = 1.0
    fixed: StrictBool | None = None
    default_armature: NonNegative | None = None
    joint_friction_attr_candidates: AttributeNames = (
        "physxJoint:jointFriction",
        "physics:jointFriction",
        "jointFriction",
        "friction",
    )
    joint_armature_attr_candidates: AttributeNames = ("physxJoint:armature", "physics:armature", "armature")
    revolute_joint_stiffness_attr_candidates: AttributeNames = ("physics:stiffness", "stiffness")
    revolute_joint_damping_attr_candidates: AttributeNames = ("physics:angular:damping", "angular:damping")
    prismatic_joint_stiffness_attr_candidates: AttributeNames = ("physics:linear:stiffness", "linear:stiffness")
    prismatic_joint_damping_attr_candidates: AttributeNames = ("physics:linear:damping", "linear:damping")


# Of generated ground; as many take minutes to collide with, and gigabytes.
_MOST_HEIGHTS = 1e8


def _height_field(value: Any) -> np.ndarray:
    if getattr(value, "requires_grad", False):
        raise ValueError("expected plain numbers, got a tensor that requires grad, whose gradient would end here")
    if isinstance(value, (str, os.PathLike)):
        heights = _image(value)
    else:
        try:
            heights = np.array(value, dtype=np.float64)
        except (TypeError, ValueError, RuntimeError) as error:
            raise ValueError(f"expected a two-dimensional array of numbers ({error})") from None
    if heights.ndim != 2 or min(heights.shape) < 2:
        raise ValueError(f"expected a two-dimensional array of at least 2 x 2 numbers, got shape {heights.shape}")
    if not np.isfinite(heights).all():
        raise ValueError("expected finite numbers")
    heights.setflags(write=False)
    return heights


def _image(path: str | os.PathLike[str]) -> np.ndarray:
    """Brightness of an image's pixels: x along its rows, y from its lowest row up."""
    try:
        from PIL import Image
    except ImportError:
        raise ValueError("reading an image needs a package that is not installed: pip install pillow") from None
    try:
        with Image.open(path) as image:
            grey = image if image.mode in ("I", "F", "I;16", "L") else image.convert("L")
            pixels = np.array(grey, dtype=np.float64)
    except OSError as error:
        raise ValueError(f"cannot read the image: {error}") from None
    return np.ascontiguousarray(pixels[::-1].T)


_GENERATED = (
    ("flat_terrain", "random_uniform_terrain", "stepping_stones_terrain"),
    ("pyramid_sloped_terrain", "discrete_obstacles_terrain", "wave_terrain"),
    ("random_uniform_terrain", "pyramid_stairs_terrain", "sloped_terrain"),
)
_NAMES = ", ".join(subterrains.GENERATORS)


class Terrain(Morph):
    """A height field, fixed in the world: given, or generated. ``pos`` is the corner where its first height stands, as
    in Genesis.

    Parameters
    ----------
    height_field
        Heights in units of ``vertical_scale``, shape (n_x, n_y); or the path of an image, whose pixels are heights (8
        or 16 bits; needs Pillow), x along its rows and y upwards. Without it, the heights are generated, and are here
        afterwards.
    horizontal_scale
        Distance between neighbouring heights along x and y [m].
    vertical_scale
        Height of one unit of ``height_field`` [m].
    n_subterrains, subterrain_size
        How many generated pieces there are along x and y, and their size [m], a multiple of ``horizontal_scale``.
    subterrain_types
        The generator of all pieces, or of each, shape ``n_subterrains``: flat_terrain, fractal_terrain,
        random_uniform_terrain, sloped_terrain, pyramid_sloped_terrain, discrete_obstacles_terrain, wave_terrain,
        stairs_terrain, pyramid_stairs_terrain, stepping_stones_terrain.
    subterrain_parameters
        By name of a generator, which of its parameters (of :mod:`genesis.subterrains`) to change.
    randomize
        Whether random pieces are other ones each time (``gs.init(seed=...)`` repeats them); else always the same.
    name
        A name makes random pieces the same whenever it is used, whatever ``randomize`` says.
    uv_scale
        Scale of the drawn texture. Nothing is drawn by this version: no effect.
    from_stored
        An older name of ``name``.
    """

    height_field: Annotated[np.ndarray, BeforeValidator(_height_field)] | None = None
    horizontal_scale: Positive = 0.25
    vertical_scale: Positive = 0.005
    n_subterrains: tuple[PositiveInt, PositiveInt] = (3, 3)
    subterrain_size: PositiveVec2 = (12.0, 12.0)
    subterrain_types: str | tuple[tuple[str, ...], ...] = _GENERATED
    subterrain_parameters: dict[str, dict[str, Number]] | None = None
    randomize: StrictBool = False
    name: str | None = None
    uv_scale: Number = 1.0
    from_stored: str | None = None

    @field_validator("n_subterrains", "subterrain_types", mode="before")
    @classmethod
    def _as_tuples(cls, value: Any) -> Any:
        value = plain_numbers(value)
        if not isinstance(value, (list, tuple)):
            return value
        return tuple(tuple(row) if isinstance(row, list) else row for row in value)

    @model_validator(mode="after")
    def _generate(self) -> Terrain:
        if self.from_stored is not None:
            if self.name not in (None, self.from_stored):
                raise ValueError(f"name={self.name!r} and its older name from_stored={self.from_stored!r} differ")
            self.__dict__["name"] = self.from_stored
        if self.height_field is not None:
            return self
        types = self.subterrain_types
        rows, columns = self.n_subterrains
        count = rows * columns * math.prod(size / self.horizontal_scale for size in self.subterrain_size)
        if count > _MOST_HEIGHTS:
            raise ValueError(
                f"n_subterrains={(rows, columns)}: so many pieces have {count:.0e} heights, expected "
                f"{_MOST_HEIGHTS:.0e} at most: take fewer or smaller ones, or a larger horizontal_scale"
            )
        if isinstance(types, str):
            types = ((types,) * columns,) * rows
        elif len(types) != rows or any(len(row) != columns for row in types):
            shape = f"({len(types)}, {len(types[0]) if types else 0})"
            raise ValueError(f"subterrain_types: expected the shape of n_subterrains={(rows, columns)}, got {shape}")
        for name in (*(name for row in types for name in row), *(self.subterrain_parameters or {})):
            if name not in subterrains.GENERATORS:
                raise ValueError(f"there is no generator '{name}'; there are {_NAMES}")
        for name, given in (self.subterrain_parameters or {}).items():
            subterrains.check_parameters(name, given)
        for size in self.subterrain_size:
            cells = size / self.horizontal_scale
            if round(cells) < 2 or abs(cells - round(cells)) > 1e-6 * cells:
                raise ValueError(
                    f"subterrain_size={self.subterrain_size}: expected multiples of horizontal_scale="
                    f"{self.horizontal_scale}, twice as large at least"
                )
        parameters = self.subterrain_parameters or {}
        seed = zlib.crc32(self.name.encode()) if self.name else (None if self.randomize else 0)
        heights = subterrains.generate(
            types, self.subterrain_size, self.horizontal_scale, self.vertical_scale, parameters, seed
        )
        heights.setflags(write=False)
        self.__dict__["height_field"] = heights  # derived: completed here, before anyone sees it
        return self
