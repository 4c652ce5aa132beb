"""A scene's entities, composed into one `mujoco.MjSpec` and compiled to one `mujoco.MjModel`.

Each entity is attached under its own prefix `name/` inside a frame that carries its pose and scale, so that MuJoCo
compiles it exactly as it compiles the file alone, and the entity's bodies, joints, dofs, geoms and actuators are
contiguous.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import mujoco
import numpy as np

from genesis import runtime
from genesis.errors import GenesisException
from genesis.model import (
    attachments,
    collision_shapes,
    contact_options,
    controls,
    diagnostics,
    drones,
    leave_out,
    meshes,
    mjcf,
    mjcf_files,
    neutral_pose,
    override,
    restitution,
    robot_files,
    settings,
    support,
    urdf,
    usd,
    usd_joints,
    variants,
)

DEFAULT_DENSITY = 1000.0  # kg/m3: MuJoCo's, water's
GROUND_LINK = "worldbody"  # the link that holds what a robot file puts into the world itself
SEPARATOR = "/"  # between an entity's name and the name of one of its parts


@dataclass(frozen=True)
class EntitySpec:
    """What a scene is asked to hold: a morph, its material and surface (or None), a name unique in the scene, where it
    hangs on another entity, if it does, and the morphs that its envs differ in, `morph` first, if they do."""

    morph: Any
    material: Any = None
    surface: Any = None
    name: str = "entity"
    attachment: attachments.Attachment | None = None
    variants: tuple[Any, ...] = ()


@dataclass(frozen=True)
class EntityRange:
    """Where an entity's parts are in the composed `MjModel`: half-open ranges of ids, and the parts' names in order.

    Links are MuJoCo bodies (the world, body 0, belongs to no entity). `is_free`: the first link hangs on a free joint.
    """

    name: str
    link_start: int
    link_end: int
    joint_start: int
    joint_end: int
    q_start: int
    q_end: int
    dof_start: int
    dof_end: int
    geom_start: int
    geom_end: int
    actuator_start: int
    actuator_end: int
    control_start: int
    control_end: int
    act_start: int
    act_end: int
    site_start: int
    site_end: int
    tendon_start: int
    tendon_end: int
    equality_start: int
    equality_end: int
    is_free: bool
    link_names: tuple[str, ...] = ()
    joint_names: tuple[str, ...] = ()
    geom_names: tuple[str, ...] = ()
    actuator_names: tuple[str, ...] = ()
    site_names: tuple[str, ...] = ()
    control_names: tuple[str, ...] = ()
    tendon_names: tuple[str, ...] = ()
    equality_names: tuple[str, ...] = ()


@dataclass(frozen=True)
class Composed:
    """A compiled scene: the model, the spec that it was compiled from, and the entities' ranges in the order given."""

    mj_model: mujoco.MjModel
    spec: mujoco.MjSpec
    entities: tuple[EntityRange, ...] = field(default_factory=tuple)


def compose(entities: Sequence[EntitySpec], sim_options: Any = None, rigid_options: Any = None) -> Composed:
    """Compiles the entities to one model.

    Each entity's pose (morph.pos [m], morph.quat or morph.euler [degrees, extrinsic x-y-z]) is a transform applied on
    the left to what its file says; `mj_model.qpos0` is the scene in these poses. `morph.scale` resizes everything about
    the entity's origin at constant density: lengths s, masses s^3, inertias s^5; forces, gains, stiffness and damping
    stay as they are. `mj_model.opt` takes each value from `rigid_options` where it says something, else from the files,
    else from MuJoCo's defaults (but see `settings.resolve_options` of the integrator); its timestep is `dt / substeps`
    and its gravity that of `sim_options`, whatever the files say. `enable_self_collision=False` excludes every pair of
    links of one entity, but for what its file puts into the world. Links of a URDF that overlap at `qpos0` are excluded
    as well, unless `enable_neutral_collision` says otherwise.

    Keyframes, sensors, cameras, lights and sites come along. A keyframe's free-joint coordinates in `mj_model` stay
    those of the file: to MuJoCo they are world coordinates. `entity.get_keyframe` moves them with the entity.

    Raises `GenesisException` for bad files (see `urdf`, `mjcf`, `usd`), for a link without mass that moves, for files
    that contradict each other's options, for numbers that are NaN, infinite or negative where none can be, and for
    every feature that the engine does not simulate (see `support`), or for those without a way out where
    `rigid_options` says `unsupported="warn"` (see `leave_out`).
    """
    _check_names(entities)
    attachments.check_order([entity.name for entity in entities], [entity.attachment for entity in entities])
    parent = mujoco.MjSpec()
    parent.modelname = "scene"
    parent.compiler.degree = False
    self_collision = getattr(rigid_options, "enable_self_collision", None) is not False
    leaves_out = getattr(rigid_options, "unsupported", "refuse") == "warn"
    timestep = parent.option.timestep if sim_options is None else sim_options.dt / sim_options.substeps

    def load(entity: EntitySpec) -> mujoco.MjSpec:
        spec = _load(entity, self_collision, timestep, leaves_out)
        for number, morph in enumerate(entity.variants[1:], 1):
            other = _load(replace(entity, morph=morph), self_collision, timestep, leaves_out)
            variants.add(spec, other, number, entity.name, lambda geom, body: _move_without_mass(spec, geom, body))
        contact_options.apply(spec, rigid_options, timestep)
        return spec

    children = [(entity, load(entity)) for entity in entities]
    sources = [settings.Source(one.name, _file(one), child, _kind(one) == "MJCF") for one, child in children]
    settings.resolve_options(parent, sources, sim_options, rigid_options)
    settings.share_settings(parent, sources)
    written = [{kind: len(getattr(child, kind)) for kind in _ATTACHED} for _, child in children]
    for entity, child in children:
        _attach(parent, entity, child)
    _check_all_attached(parent, written, entities, load)
    override.write_override(parent, lambda: _compile(parent, entities))
    mj_model = _compile(parent, entities)
    names = [entity.name for entity in entities]
    if leaves_out:
        mj_model = leave_out.leave_out(parent, mj_model, names, lambda: _compile(parent, entities))
    mj_model = _without_neutral_collisions(parent, mj_model, entities, rigid_options)
    composed = Composed(mj_model, parent, tuple(_ranges(mj_model, names)))
    support.refuse_bad_numbers(mj_model, names)
    support.refuse_unsupported(mj_model, names, can_be_left_out=not leaves_out)
    collision_shapes.warn_of_idle_thresholds((entity.name, entity.morph) for entity in entities)
    collision_shapes.tell_of_large_hulls(mj_model, [entity.name for entity in entities])
    if support.asks_for_older_collider(mj_model):
        runtime.logger.warning(
            'nativeccd="disable" has no effect: contacts of convex shapes are those of the algorithm that is MuJoCo\'s '
            "default, which is more exact than the older one."
        )
    if support.asks_for_sleep(mj_model):
        runtime.logger.info(
            'sleep="enable" has no effect: what rests goes on being simulated, to which falling asleep is an '
            "approximation."
        )
    return composed


def to_mjcf(composed: Composed) -> str:
    """The scene as one MJCF text that compiles to the same model.

    Meshes that MuJoCo reads stay files, at absolute paths. Raises `GenesisException` if one text cannot say it all: it
    has one <compiler> for what may be several files with different settings.
    """
    compiler = composed.spec.compiler
    compiler.savecompiled = False  # as written: every number exactly
    compiler.savecanonical = True
    try:
        return composed.spec.to_xml()
    except (ValueError, mujoco.FatalError) as error:
        raise GenesisException(f"the scene cannot be written as one MJCF: {diagnostics.first_line(error)}.") from None


def _check_names(entities: Sequence[EntitySpec]) -> None:
    seen: set[str] = set()
    for entity in entities:
        if not entity.name or SEPARATOR in entity.name:
            raise GenesisException(
                f"entity name '{entity.name}': a name must not be empty and must not contain '{SEPARATOR}'."
            )
        if not entity.name.isprintable() or mjcf_files.FORMAT.search(entity.name):
            raise GenesisException(
                f"entity name {entity.name!r}: a name must be printable, without what C's printf takes for a format "
                "(%s, %n)."
            )
        if entity.name in seen:
            raise GenesisException(f"two entities are called '{entity.name}'. Give each a name of its own.")
        seen.add(entity.name)


# ------------------------------------------------------------------ one entity


def _load(entity: EntitySpec, self_collision: bool, timestep: float, leaves_out: bool) -> mujoco.MjSpec:
    """The entity as a spec of its own, at its own origin, with every part named that the API addresses by name."""
    kind = _kind(entity)
    loader = _LOADERS.get(kind)
    if loader is None:
        raise GenesisException(f"entity '{entity.name}': unknown morph '{kind}'. Known morphs: {', '.join(_LOADERS)}.")
    try:
        spec = loader(entity, leaves_out)
    except GenesisException as error:
        raise GenesisException(f"entity '{entity.name}': {error}") from None
    _apply_material(entity, spec, timestep)
    _apply_surface(entity, spec)
    if hasattr(entity.morph, "decomposition_threshold"):
        try:
            collision_shapes.replace_meshes(spec, entity.morph)
        except GenesisException as error:
            raise GenesisException(f"entity '{entity.name}': {error}") from None
    if entity.attachment is not None:
        attachments.release_base(entity.name, spec, entity.attachment)
    ground = _gather_ground(entity, spec, leaves_out)
    _name_parts(spec)
    if not self_collision:
        _exclude_self_collisions(spec, ground)
    return spec


def _load_urdf(entity: EntitySpec, _leaves_out: bool) -> mujoco.MjSpec:
    morph = entity.morph
    spec = urdf.load_urdf(
        morph.file,
        fixed=morph.fixed,
        visualization=morph.visualization,
        collision=morph.collision,
        links_to_keep=morph.kept_links,
        repair=morph.repair,
        merge_fixed_links=morph.merge_fixed_links,
    )
    _apply_default_armature(morph, spec)
    return spec


def _load_drone(entity: EntitySpec, leaves_out: bool) -> mujoco.MjSpec:
    morph = entity.morph
    properties = drones.read_properties(morph.file)
    spec = _load_urdf(entity, leaves_out)
    drones.add_propellers(spec, morph.file, morph.model, morph.propellers_link_name, morph.propellers_spin, properties)
    return spec


def _load_mjcf(entity: EntitySpec, leaves_out: bool) -> mujoco.MjSpec:
    morph = entity.morph
    spec = mjcf.load_mjcf(
        morph.file, visualization=morph.visualization, collision=morph.collision, leaves_out=leaves_out
    )
    if morph.exclude_ground_plane:
        for geom in [geom for geom in spec.worldbody.geoms if geom.type == mujoco.mjtGeom.mjGEOM_PLANE]:
            spec.delete(geom)
    _apply_default_armature(morph, spec)
    return spec


def _load_usd(entity: EntitySpec, _leaves_out: bool) -> mujoco.MjSpec:
    morph = entity.morph
    passive = usd_joints.Passive(
        friction=morph.joint_friction_attr_candidates,
        armature=morph.joint_armature_attr_candidates,
        revolute_stiffness=morph.revolute_joint_stiffness_attr_candidates,
        revolute_damping=morph.revolute_joint_damping_attr_candidates,
        prismatic_stiffness=morph.prismatic_joint_stiffness_attr_candidates,
        prismatic_damping=morph.prismatic_joint_damping_attr_candidates,
    )
    spec = usd.load_usd(
        morph.file,
        passive=passive,
        prim_path=morph.prim_path,
        fixed=morph.fixed,
        visualization=morph.visualization,
        collision=bool(morph.collision),
    )
    _apply_default_armature(morph, spec)
    return spec


def _apply_default_armature(morph: Any, spec: mujoco.MjSpec) -> None:
    """Gives `default_armature` to the joints for which the file says none; free joints have no rotor."""
    armature = getattr(morph, "default_armature", None)
    if armature is None:
        return
    for joint in spec.joints:
        if joint.type != mujoco.mjtJoint.mjJNT_FREE and joint.armature == 0:
            joint.armature = armature


def _primitive(
    shape: Callable[[Any, mujoco.MjSpec, mujoco.MjsGeom], None], kind: str
) -> Callable[[EntitySpec, bool], mujoco.MjSpec]:
    """A loader for a morph that is one body with one geom; `shape` sets the geom's type, size and pose in the body."""

    def load(entity: EntitySpec, _leaves_out: bool) -> mujoco.MjSpec:
        morph = entity.morph
        spec = mujoco.MjSpec()
        spec.compiler.degree = False
        body = spec.worldbody.add_body(name=f"{kind}_baselink")
        if not (getattr(morph, "fixed", False) or kind in ("plane", "terrain")):
            # Not aligned with the inertial frame: the link frame is where the morph says.
            body.add_joint(
                name=f"{kind}_joint", type=mujoco.mjtJoint.mjJNT_FREE, align=mujoco.mjtAlignFree.mjALIGNFREE_FALSE
            )
        geom = body.add_geom(name=f"{kind}_geom", density=DEFAULT_DENSITY)
        shape(morph, spec, geom)
        if not morph.collision:
            geom.contype = geom.conaffinity = 0
        elif hasattr(morph, "contype"):
            geom.contype, geom.conaffinity = morph.contype, morph.conaffinity
        if not morph.visualization:
            geom.group = robot_files.HIDDEN_GROUP
        return spec

    return load


def _box(morph: Any, _spec: mujoco.MjSpec, geom: mujoco.MjsGeom) -> None:
    geom.type = mujoco.mjtGeom.mjGEOM_BOX
    geom.size = np.asarray(morph.size, dtype=float) / 2


def _sphere(morph: Any, _spec: mujoco.MjSpec, geom: mujoco.MjsGeom) -> None:
    geom.type = mujoco.mjtGeom.mjGEOM_SPHERE
    geom.size = [morph.radius, 0, 0]


def _cylinder(morph: Any, _spec: mujoco.MjSpec, geom: mujoco.MjsGeom) -> None:
    geom.type = mujoco.mjtGeom.mjGEOM_CYLINDER
    geom.size = [morph.radius, morph.height / 2, 0]


def _capsule(morph: Any, _spec: mujoco.MjSpec, geom: mujoco.MjsGeom) -> None:
    geom.type = mujoco.mjtGeom.mjGEOM_CAPSULE
    geom.size = [morph.radius, morph.height / 2, 0]


def _ellipsoid(morph: Any, _spec: mujoco.MjSpec, geom: mujoco.MjsGeom) -> None:
    geom.type = mujoco.mjtGeom.mjGEOM_ELLIPSOID
    geom.size = np.asarray(morph.radii, dtype=float)


def _plane(morph: Any, _spec: mujoco.MjSpec, geom: mujoco.MjsGeom) -> None:
    geom.type = mujoco.mjtGeom.mjGEOM_PLANE
    width, depth = getattr(morph, "plane_size", (1e3, 1e3))
    geom.size = [width / 2, depth / 2, 1.0]
    mujoco.mju_quatZ2Vec(geom.quat, np.asarray(morph.normal, dtype=float))


def _mesh(morph: Any, spec: mujoco.MjSpec, geom: mujoco.MjsGeom) -> None:
    path = meshes.check_file(morph.file)
    mesh = spec.add_mesh(name=path.stem, scale=np.broadcast_to(np.asarray(morph.scale, dtype=float), 3))
    triangles = meshes.read_mesh(path)
    vertices = triangles.vertices
    if morph.is_yup:
        vertices = vertices[:, (0, 2, 1)] * (1.0, -1.0, 1.0)
    mesh.uservert = vertices.astype(np.float32).ravel()
    mesh.userface = triangles.faces.ravel()
    mesh.inertia = meshes.inertia_kind(triangles)
    geom.type = mujoco.mjtGeom.mjGEOM_MESH
    geom.meshname = mesh.name


def _terrain(morph: Any, spec: mujoco.MjSpec, geom: mujoco.MjsGeom) -> None:
    heights = np.asarray(morph.height_field, dtype=float) * morph.vertical_scale
    lowest, highest = heights.min(), heights.max()
    extent = (np.array(heights.shape) - 1) * morph.horizontal_scale
    height = max(highest - lowest, _FLAT)
    # MuJoCo's rows run along y, its heights from 0 to 1, and its field is centred; the morph's `pos` is a corner.
    field = spec.add_hfield(
        name="terrain",
        nrow=heights.shape[1],
        ncol=heights.shape[0],
        size=[extent[0] / 2, extent[1] / 2, height, _TERRAIN_DEPTH],
    )
    field.userdata = ((heights - lowest) / height).T.ravel().astype(np.float32)
    geom.type = mujoco.mjtGeom.mjGEOM_HFIELD
    geom.hfieldname = field.name
    geom.pos = [extent[0] / 2, extent[1] / 2, lowest]


_FLAT = 1e-3  # [m] the height range that a flat height field is given: MuJoCo wants one, and its data say 0 everywhere
_TERRAIN_DEPTH = 1.0  # [m] thickness of the ground below the lowest height

_LOADERS: dict[str, Callable[[EntitySpec, bool], mujoco.MjSpec]] = {
    "URDF": _load_urdf,
    "Drone": _load_drone,
    "MJCF": _load_mjcf,
    "USD": _load_usd,
    "Mesh": _primitive(_mesh, "mesh"),
    "Box": _primitive(_box, "box"),
    "Sphere": _primitive(_sphere, "sphere"),
    "Cylinder": _primitive(_cylinder, "cylinder"),
    "Capsule": _primitive(_capsule, "capsule"),
    "Ellipsoid": _primitive(_ellipsoid, "ellipsoid"),
    "Plane": _primitive(_plane, "plane"),
    "Terrain": _primitive(_terrain, "terrain"),
}


def _apply_material(entity: EntitySpec, spec: mujoco.MjSpec, timestep: float) -> None:
    """What the material says replaces what the file says: friction and bounce of shapes, gravity compensation of links,
    and, with `rho`, every mass and inertia, which then follow from the link's shapes at this density."""
    material = entity.material
    if material is None:
        return
    if material.rho is not None:
        _apply_density(entity, spec, material.rho)
    contact_options.apply_frictions(spec, material)
    for geom in spec.geoms:
        if material.coup_restitution:
            geom.solref = restitution.solref(material.coup_restitution, timestep)
    if "gravity_compensation" in material.model_fields_set:
        for body in spec.bodies[1:]:
            body.gravcomp = material.gravity_compensation


def _apply_density(entity: EntitySpec, spec: mujoco.MjSpec, rho: float) -> None:
    shapeless = []
    for body in spec.bodies[1:]:
        solid = [geom for geom in body.geoms if geom.density != 0 and geom.mass != 0]
        if body.explicitinertial and not solid:
            shapeless.append(body.name)
            continue
        if body.explicitinertial:
            # The file's shapes did not have to add up to the link: those that are only drawn would count twice.
            drawn = [geom for geom in solid if geom.contype == 0 and geom.conaffinity == 0]
            if len(drawn) < len(solid):
                solid = [geom for geom in solid if geom not in drawn]
                for geom in drawn:
                    geom.mass = 0
            body.explicitinertial = False
            body.mass = 0
            body.ipos, body.fullinertia = np.full(3, np.nan), np.full(6, np.nan)
        for geom in solid:
            geom.density, geom.mass = rho, np.nan
    if shapeless:
        runtime.logger.warning(
            f"entity '{entity.name}': rho={rho:g} changes nothing for links without a solid shape: "
            f"{', '.join(shapeless)}."
        )


def _apply_surface(entity: EntitySpec, spec: mujoco.MjSpec) -> None:
    rgba = getattr(entity.surface, "rgba", None)
    if rgba is not None:
        for geom in spec.geoms:
            geom.rgba, geom.material = rgba, ""


def _gather_ground(entity: EntitySpec, spec: mujoco.MjSpec, leaves_out: bool) -> str:
    """Moves the geoms and sites that a file puts into the world itself onto a fixed link of the entity, its last;
    returns the link's name, "" if there is none. What aims at the world or is a skin of it then means that link.

    MuJoCo numbers all world geoms before every other, whichever entity they came with; on a link they stay with the
    entity. A fixed link weighs nothing and moves nothing, and MuJoCo treats its geoms in contacts as the world's. Sites
    at which a sensor measures the forces that the world itself carries stay there.
    """
    carrying = {sensor.objname for sensor in spec.sensors if sensor.type in _OF_CARRIED_FORCE}
    world_geoms = list(spec.worldbody.geoms)
    world_sites = [site for site in spec.worldbody.sites if not site.name or site.name not in carrying]
    aiming = [one for one in (*spec.cameras, *spec.lights) if one.targetbody == robot_files.WORLD_LINK]
    aiming = [one for one in aiming if one.mode != mujoco.mjtCamLight.mjCAMLIGHT_TARGETBODYCOM]
    skins = [skin for skin in spec.skins if robot_files.WORLD_LINK in list(skin.bodyname)]
    if not (world_geoms or world_sites or aiming or skins):
        return ""
    taken = {body.name for body in spec.bodies}
    ground = spec.worldbody.add_body(name=robot_files.unused_name(GROUND_LINK, taken))
    for geom in world_geoms:
        if geom.plugin.active and leaves_out:
            runtime.logger.warning(f"entity '{entity.name}': geom '{geom.name}': a plugin: it is taken away.")
            spec.delete(geom)
            continue
        if geom.plugin.active:
            raise GenesisException(f"entity '{entity.name}': geom '{geom.name}': plugins are not simulated: remove it.")
        _move(spec, geom, ground, ground.add_geom(mass=0), _GEOM_ATTRIBUTES)
    for site in world_sites:
        _move(spec, site, ground, ground.add_site(), _SITE_ATTRIBUTES)
    for one in aiming:
        one.targetbody = ground.name
    for skin in skins:
        skin.bodyname = [ground.name if name == robot_files.WORLD_LINK else name for name in skin.bodyname]
    for exclude in spec.excludes:
        for end in ("bodyname1", "bodyname2"):
            if getattr(exclude, end) == robot_files.WORLD_LINK:
                setattr(exclude, end, ground.name)
    return ground.name


def _move(spec: mujoco.MjSpec, element: Any, body: mujoco.MjsBody, copy: Any, attributes: Sequence[str]) -> None:
    """Makes `copy`, on `body`, what `element` is, and deletes that."""
    for attribute in attributes:
        setattr(copy, attribute, getattr(element, attribute))
    copy.quat = _orientation(element)
    if element.frame is not None:
        copy.set_frame(_copy_frame(element.frame, body))
    # The name moves last: what refers to the element by name then means the copy, and outlives the original.
    name, element.name = element.name, ""
    spec.delete(element)
    copy.name = name


def _move_without_mass(spec: mujoco.MjSpec, geom: mujoco.MjsGeom, body: mujoco.MjsBody) -> None:
    _move(spec, geom, body, body.add_geom(mass=0), _GEOM_ATTRIBUTES)


def _copy_frame(frame: mujoco.MjsFrame, body: mujoco.MjsBody) -> mujoco.MjsFrame:
    """A frame of `body` with the pose and scale that `frame` has in its own body, enclosing frames included."""
    copy = body.add_frame()
    for attribute in ("pos", "scale", "scaling", "massscale"):
        setattr(copy, attribute, getattr(frame, attribute))
    copy.quat = _orientation(frame)
    if frame.frame is not None:
        copy.set_frame(_copy_frame(frame.frame, body))
    return copy


def _orientation(element: Any) -> Any:
    """The quaternion of a geom, site or frame: what its file says in angles is in units and an order of axes that the
    element keeps, and that a copy of it would not have."""
    if element.alt.type == mujoco.mjtOrientation.mjORIENTATION_QUAT:
        return element.quat
    compiler = element.compiler
    return mujoco.MjSpec.resolve_orientation(
        degree=compiler.degree, sequence=compiler.eulerseq, orientation=element.alt
    )


def _attributes(kind: type, *without: str) -> tuple[str, ...]:
    """What an element of a spec is, but for where it belongs and what is copied otherwise."""
    belonging = ("name", "id", "info", "signature", "parent", "frame", "compiler", "classname", "plugin", "alt")
    return tuple(
        attribute
        for attribute in dir(kind)
        if not attribute.startswith("_")
        and attribute not in (*belonging, *without)
        and not callable(getattr(kind, attribute))
    )


_GEOM_ATTRIBUTES, _SITE_ATTRIBUTES = _attributes(mujoco.MjsGeom, "mass"), _attributes(mujoco.MjsSite)
_OF_CARRIED_FORCE = (mujoco.mjtSensor.mjSENS_FORCE, mujoco.mjtSensor.mjSENS_TORQUE)


def _name_parts(spec: mujoco.MjSpec) -> None:
    """Names the nameless parts that the API and the messages address by name."""
    for parts, kind in (
        (spec.bodies[1:], "link"),
        (spec.joints, "joint"),
        (spec.geoms, "geom"),
        (spec.sites, "site"),
        (spec.actuators, "actuator"),
        (spec.tendons, "tendon"),
        (spec.equalities, "equality"),
        (spec.pairs, "pair"),
        (spec.keys, "key"),
        (spec.sensors, "sensor"),
    ):
        taken = {part.name for part in parts if part.name}
        for index, part in enumerate(parts):
            if not part.name:
                part.name = robot_files.unused_name(f"{kind}{index}", taken)
                taken.add(part.name)


def _exclude_self_collisions(spec: mujoco.MjSpec, ground: str) -> None:
    """Lets no two links of the entity touch, but for `ground`: excludes each pair, and drops the file's <pair>s."""
    of_ground = {geom.name for geom in spec.body(ground).geoms} if ground else set()
    for pair in list(spec.pairs):
        if not of_ground & {pair.geomname1, pair.geomname2}:
            spec.delete(pair)
    links = [
        body.name
        for body in spec.bodies[1:]
        if body.name != ground and any(geom.contype or geom.conaffinity for geom in body.geoms)
    ]
    excluded = {frozenset((exclude.bodyname1, exclude.bodyname2)) for exclude in spec.excludes}
    for first, second in itertools.combinations(links, 2):
        if frozenset((first, second)) not in excluded:
            spec.add_exclude(bodyname1=first, bodyname2=second)


def _attach(parent: mujoco.MjSpec, entity: EntitySpec, child: mujoco.MjSpec) -> None:
    morph = entity.morph
    if entity.attachment is None:
        frame = parent.worldbody.add_frame(pos=morph.pos, quat=morph.orientation)
    else:
        frame = attachments.frame_of(parent, entity.name, entity.attachment, morph, SEPARATOR)
    in_file = _kind(entity) in ("URDF", "Drone", "MJCF", "USD")
    scale = morph.scale if in_file else 1.0  # a Mesh is scaled in its own asset
    if scale != 1.0:
        frame.scale = scale
        frame.scaling = mujoco.mjtScaling.mjSCALING_GEOMETRY
    prefix = entity.name + SEPARATOR
    of_everything = {kind: _release_from_world(elements) for kind, elements in _aiming(child).items()}
    try:
        parent.attach(child, frame=frame, prefix=prefix)
    except ValueError as error:
        raise GenesisException(f"entity '{entity.name}': {diagnostics.first_line(error)}.") from None
    for kind, elements in _aiming(parent).items():
        for element in elements:
            if element.name.removeprefix(prefix) in of_everything[kind] and element.name.startswith(prefix):
                element.targetbody = robot_files.WORLD_LINK
    _keep_sensors_of_world(parent, child, prefix)


def _aiming(spec: mujoco.MjSpec) -> dict[str, list[Any]]:
    return {"camera": list(spec.cameras), "light": list(spec.lights)}


def _release_from_world(elements: list[Any]) -> set[str]:
    """Names of the cameras or lights that aim at the centre of mass of everything, which `attach` does not know: their
    targets are taken away."""
    taken = {element.name for element in elements}
    found = set()
    for element in elements:
        if element.targetbody == robot_files.WORLD_LINK:
            element.name = element.name or robot_files.unused_name("of_everything", taken)
            element.targetbody = ""
            taken.add(element.name)
            found.add(element.name)
    return found


def _keep_sensors_of_world(parent: mujoco.MjSpec, child: mujoco.MjSpec, prefix: str) -> None:
    """Adds the sensors that are of the world alone, as the centre of mass of everything, which `attach` leaves out."""
    for sensor in child.sensors:
        if (
            sensor.objname == robot_files.WORLD_LINK
            and not sensor.refname
            and parent.sensor(prefix + sensor.name) is None
        ):
            parent.add_sensor(
                name=prefix + sensor.name, **{attribute: getattr(sensor, attribute) for attribute in _SENSOR_ATTRIBUTES}
            )


_SENSOR_ATTRIBUTES = (
    *("type", "objtype", "objname", "intprm", "datatype", "needstage", "dim", "cutoff", "noise"),
    *("delay", "interval", "nsample", "interp", "userdata"),
)


# What of a file must be in the scene once it is attached. Assets are left out: those that are equal may be one.
_ATTACHED = (
    *("joints", "geoms", "sites", "cameras", "lights", "pairs", "excludes", "equalities", "tendons", "actuators"),
    *("sensors", "tuples"),
)


def _check_all_attached(
    parent: mujoco.MjSpec,
    written: Sequence[dict[str, int]],
    entities: Sequence[EntitySpec],
    load: Callable[[EntitySpec], mujoco.MjSpec],
) -> None:
    """Raises if MuJoCo left out elements of the files, as it does with those whose parts it does not find and others
    that cannot be: of these its compiler says of each file alone what is wrong."""
    for kind in _ATTACHED:
        expected, found = sum(counts[kind] for counts in written), len(getattr(parent, kind))
        if found != expected:
            for entity in entities:
                alone = load(entity)
                try:
                    alone.compile()
                except (ValueError, RuntimeError, mujoco.FatalError) as error:
                    what = _compiler_message(str(error), entities)
                    raise GenesisException(f"entity '{entity.name}': {what}") from None
            raise GenesisException(
                f"{expected - found} of the {expected} {kind} of the scene's files got lost: they name parts that are "
                "not there. Remove them."
            )


# ------------------------------------------------------------------ compilation


def _compile(spec: mujoco.MjSpec, entities: Sequence[EntitySpec]) -> mujoco.MjModel:
    with diagnostics.log_mujoco_warnings("the scene"):
        try:
            mj_model = spec.compile()
        except (ValueError, RuntimeError, mujoco.FatalError) as error:
            raise GenesisException(_compiler_message(str(error), entities)) from None
    return mj_model


def _without_neutral_collisions(
    spec: mujoco.MjSpec, mj_model: mujoco.MjModel, entities: Sequence[EntitySpec], rigid_options: Any
) -> mujoco.MjModel:
    """The model without contact between links of one entity that overlap at qpos0: of URDF files, unless the option
    says which."""
    wanted = getattr(rigid_options, "enable_neutral_collision", None)
    filtered = [_kind(entity) in ("URDF", "Drone") if wanted is None else not wanted for entity in entities]
    if not any(filtered):
        return mj_model
    owner = np.full(mj_model.nbody, -1)
    for number, place in enumerate(_ranges(mj_model, [entity.name for entity in entities])):
        if filtered[number]:
            owner[place.link_start : place.link_end] = number
    found = neutral_pose.overlapping(mj_model, owner)
    if not found:
        return mj_model
    neutral_pose.exclude(spec, mj_model, [entity.name for entity in entities], found)
    return _compile(spec, entities)


def _kind(entity: EntitySpec) -> str:
    return type(entity.morph).__name__


def _file(entity: EntitySpec) -> str:
    return str(getattr(entity.morph, "file", ""))


def _compiler_message(message: str, entities: Sequence[EntitySpec]) -> str:
    named = re.search(rf"name '([^']*?){SEPARATOR}", message)
    entity = next((entity for entity in entities if named and entity.name == named.group(1)), None)
    if entity is None:
        return diagnostics.compiler_message(message, "the scene does not compile")
    source = f"entity '{entity.name}'" + (f" ('{_file(entity)}')" if _file(entity) else "")
    return diagnostics.compiler_message(message.replace(f"'{entity.name}{SEPARATOR}", "'"), source)


_RANGED = ("link", "joint", "q", "dof", "geom", "actuator", "control", "act", "site", "tendon", "equality")


def _accessors(m: mujoco.MjModel) -> tuple[tuple[str, Any], ...]:
    return (
        *(("link", m.body), ("joint", m.joint), ("geom", m.geom), ("actuator", m.actuator)),
        *(("site", m.site), ("tendon", m.tendon), ("equality", m.equality)),
    )


def _ranges(mj_model: mujoco.MjModel, names: Sequence[str]) -> list[EntityRange]:
    """Each entity's ranges, in order; raises if MuJoCo did not keep an entity's parts together."""
    m = mj_model
    of_world = int(np.count_nonzero(np.asarray(m.site_bodyid) == 0))
    at = dict.fromkeys(_RANGED, 0) | {"link": 1, "geom": int(m.body_geomnum[0]), "site": of_world}
    ranges = []
    for name in names:
        start = dict(at)
        prefix = name + SEPARATOR
        while at["link"] < m.nbody and m.body(at["link"]).name.startswith(prefix):
            link = at["link"]
            at["joint"] += int(m.body_jntnum[link])
            at["dof"] += int(m.body_dofnum[link])
            at["geom"] += int(m.body_geomnum[link])
            at["link"] += 1
        at["q"] = int(m.jnt_qposadr[at["joint"]]) if at["joint"] < m.njnt else int(m.nq)
        while at["actuator"] < m.nactuator and m.actuator(at["actuator"]).name.startswith(prefix):
            at["act"] += max(int(m.actuator_actnum[at["actuator"]]), 0)
            at["control"] += int(m.actuator_ctrlnum[at["actuator"]])
            at["actuator"] += 1
        while at["site"] < m.nsite and m.site(at["site"]).name.startswith(prefix):
            at["site"] += 1
        while at["tendon"] < m.ntendon and m.tendon(at["tendon"]).name.startswith(prefix):
            at["tendon"] += 1
        while at["equality"] < m.neq and m.equality(at["equality"]).name.startswith(prefix):
            at["equality"] += 1
        if at["link"] == start["link"]:
            raise GenesisException(f"entity '{name}' has no links: the model has neither bodies nor geoms.")
        bounds: dict[str, Any] = {f"{kind}_start": start[kind] for kind in _RANGED}
        bounds |= {f"{kind}_end": at[kind] for kind in _RANGED}
        local_names: dict[str, Any] = {
            f"{kind}_names": tuple(accessor(index).name.removeprefix(prefix) for index in range(start[kind], at[kind]))
            for kind, accessor in _accessors(m)
        }
        local_names["control_names"] = tuple(
            control
            for u, actuator in enumerate(local_names["actuator_names"], start["actuator"])
            for control in controls.control_names(m, u, actuator)
        )
        first_joint = m.body_jntadr[start["link"]]
        is_free = bool(first_joint >= 0 and m.jnt_type[first_joint] == mujoco.mjtJoint.mjJNT_FREE)
        ranges.append(EntityRange(name, is_free=is_free, **bounds, **local_names))
    totals = (m.nbody, m.njnt, m.nq, m.nv, m.ngeom, m.nactuator, m.nu, m.na, m.nsite, m.ntendon, m.neq)
    if tuple(at.values()) != tuple(int(total) for total in totals):
        raise GenesisException("MuJoCo's compiler did not keep the entities' parts together; please report this scene.")
    return ranges
