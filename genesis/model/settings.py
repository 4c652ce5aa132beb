"""Settings of a whole model (options, flags, sizes) that several files state, resolved to one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import mujoco
import numpy as np

from genesis import runtime
from genesis.errors import GenesisException


@dataclass(frozen=True)
class Source:
    """Where settings come from: an entity's name, its file ("" for a primitive), its spec, and whether it is MJCF."""

    entity: str
    file: str
    spec: mujoco.MjSpec
    is_mjcf: bool = False


# The fields of mjOption whose value a file may state: the field, its bit in `MjSpec.authored.option` (the field's place
# in mjOption), and the option of `RigidOptions` that overrules the files (None: there is none).
_OPTION_FIELDS = (
    ("impratio", 1, "impratio"),
    ("tolerance", 2, "tolerance"),
    ("ls_tolerance", 3, "ls_tolerance"),
    ("noslip_tolerance", 4, "noslip_tolerance"),
    ("ccd_tolerance", 5, None),
    ("sleep_tolerance", 6, None),
    ("wind", 8, None),
    ("magnetic", 9, None),
    ("density", 10, None),
    ("viscosity", 11, None),
    ("o_margin", 12, None),
    ("o_solref", 13, None),
    ("o_solimp", 14, None),
    ("o_friction", 15, None),
    ("integrator", 16, "integrator"),
    ("cone", 17, "friction_cone"),
    ("jacobian", 18, None),
    ("solver", 19, "constraint_solver"),
    ("iterations", 20, "iterations"),
    ("ls_iterations", 21, "ls_iterations"),
    ("noslip_iterations", 22, "noslip_iterations"),
    ("ccd_iterations", 23, None),
    ("sdf_initpoints", 27, None),
    ("sdf_iterations", 28, None),
)

_TIMESTEP = 0  # the same of the time step
# Fields that say how exactly something is computed, not what.
_TECHNICAL = ("jacobian", "solver", "iterations", "ls_iterations", "ccd_iterations", "sdf_initpoints", "sdf_iterations")

# MuJoCo's enum constant for each choice of `RigidOptions`, by field: prefix + the choice in capitals.
_CHOICES = {
    "integrator": (mujoco.mjtIntegrator, "mjINT_"),
    "cone": (mujoco.mjtCone, "mjCONE_"),
    "solver": (mujoco.mjtSolver, "mjSOL_"),
    "jacobian": (mujoco.mjtJacobian, "mjJAC_"),
}

# Sets of on/off flags that a file may state one by one: the field, and the enum that names its bits.
_FLAG_FIELDS = (("disableflags", mujoco.mjtDisableBit), ("enableflags", mujoco.mjtEnableBit))

# Options of `RigidOptions` that overrule a flag of the files: the flag, the option, and its value that sets the flag.
_SWITCHES = {
    "mjDSBL_CONSTRAINT": ("disable_constraint", True),
    "mjDSBL_CONTACT": ("enable_collision", False),
    "mjDSBL_LIMIT": ("enable_joint_limit", False),
    "mjDSBL_FILTERPARENT": ("enable_adjacent_collision", True),
    "mjDSBL_MULTICCD": ("enable_multi_contact", False),
}

# Settings of a whole model that only size buffers, and those that only drawing reads.
_SIZES = (
    "memory",
    "nuserdata",
    "nemax",
    "njmax",
    "nconmax",
    "nstack",
    *(f"nuser_{part}" for part in ("body", "jnt", "geom", "site", "cam", "tendon", "actuator", "sensor")),
)
_DRAWING = ("global_", "quality", "headlight", "map", "scale", "rgba")


def resolve_options(parent: mujoco.MjSpec, sources: Sequence[Source], sim_options: Any, rigid_options: Any) -> None:
    """Sets `parent.option`: each value is that of `rigid_options` where it says something, else the files', else
    MuJoCo's.

    The timestep [s] is `dt / substeps`, and gravity [m/s^2] that of `sim_options`, whatever the files say. The solver
    is Newton's, which is the only one here: the others minimise the same convex function. Where nothing states an
    integrator and no file is MJCF, whose meaning is MuJoCo's, it is implicitfast: it holds the gains of position
    control that Euler, MuJoCo's default, does not. Raises `GenesisException` where two files state different values
    and no option decides.
    """
    option = parent.option
    if not any(source.is_mjcf for source in sources):
        option.integrator = mujoco.mjtIntegrator.mjINT_IMPLICITFAST
    if sim_options is not None:
        option.timestep = sim_options.dt / sim_options.substeps
        option.gravity = sim_options.gravity
    for name, bit, overruled_by in _OPTION_FIELDS:
        chosen = getattr(rigid_options, overruled_by, None) if overruled_by else None
        if chosen is not None:
            setattr(option, name, _mujoco_value(name, chosen))
            continue
        stated = [
            (source, getattr(source.spec.option, name)) for source in sources if source.spec.authored.option >> bit & 1
        ]
        if stated:
            advice = f"RigidOptions({overruled_by}=...) decides" if overruled_by else "Make the files agree"
            _check_agreement(name, [(source, _shown(name, value)) for source, value in stated], advice)
            setattr(option, name, stated[0][1])
            if overruled_by:
                _require_possible(name, stated[0], overruled_by, rigid_options)
            _tell_of_shared(name, stated, sources)
    _tell_of_timestep(option.timestep, sources)
    _tell_of_gravity_flags(option.gravity, sources)
    for name, bits in _FLAG_FIELDS:
        setattr(option, name, _resolve_flags(name, bits, sources, rigid_options))
    for source in sources:
        option.disableactuator |= source.spec.option.disableactuator
    if option.solver != mujoco.mjtSolver.mjSOL_NEWTON:
        runtime.logger.info(
            "the constraint solver %s is not here: Newton solves the same convex problem, to the same minimum.",
            _shown("solver", option.solver),
        )
        option.solver = mujoco.mjtSolver.mjSOL_NEWTON


def share_settings(parent: mujoco.MjSpec, sources: Sequence[Source]) -> None:
    """Gives the parent what the files say of sizes (the largest) and drawing (the first that says something), and every
    file the parent's settings, so that attaching it finds no conflict to report."""
    default = mujoco.MjSpec()
    children = [source.spec for source in sources]
    for child in children:
        for name in _SIZES:
            setattr(parent, name, max(getattr(parent, name), getattr(child, name)))
        for section in _DRAWING:
            ours, theirs, unset = (getattr(spec.visual, section) for spec in (parent, child, default))
            for name in _fields(unset):
                if np.array_equal(getattr(ours, name), getattr(unset, name)):
                    setattr(ours, name, getattr(theirs, name))
    for child in children:
        child.nkey = 0  # counts keyframes that have been made already
        for name in _SIZES:
            setattr(child, name, getattr(parent, name))
        _copy_fields(parent.option, child.option)
        for section in _DRAWING:
            _copy_fields(getattr(parent.visual, section), getattr(child.visual, section))


def _copy_fields(source: Any, target: Any) -> None:
    for name in _fields(source):
        setattr(target, name, getattr(source, name))


def _fields(struct: Any) -> list[str]:
    return [name for name in dir(struct) if not name.startswith("_") and not callable(getattr(struct, name))]


def _resolve_flags(name: str, bits: Any, sources: Sequence[Source], rigid_options: Any) -> int:
    flags = 0
    members = {label: int(value) for label, value in bits.__members__.items() if not label.startswith("mjN")}
    for label, bit in members.items():
        if label == "mjDSBL_GRAVITY":
            continue  # gravity is SimOptions.gravity
        overruled_by, sets = _SWITCHES.get(label, ("", None))
        chosen = getattr(rigid_options, overruled_by, None)
        if chosen is not None:
            flags |= bit if chosen is sets else 0
            continue
        stated = [
            (source, bool(getattr(source.spec.option, name) & bit))
            for source in sources
            if getattr(source.spec.authored, name) & bit
        ]
        if not stated:
            continue
        flag = label.split("_", 1)[1].lower()
        on, off = ("disable", "enable") if name == "disableflags" else ("enable", "disable")
        shown = [(source, on if value else off) for source, value in stated]
        advice = f"RigidOptions({overruled_by}=...) decides" if overruled_by else "Make the files agree"
        _check_agreement(f"flag {flag}", shown, advice)
        if stated[0][1]:
            flags |= bit
    return flags


def _require_possible(name: str, stated: tuple[Source, Any], argument: str, rigid_options: Any) -> None:
    """A number that an option of the scene could not have, a file cannot have either."""
    source, value = stated
    if name in _CHOICES or rigid_options is None:
        return
    try:
        type(rigid_options)(**{argument: value})
    except GenesisException as error:
        reason = str(error).rpartition(": ")[2]
        raise GenesisException(
            f"'{source.file}' (entity '{source.entity}'): <option {name}=\"{_shown(name, value)}\">: {reason} Correct "
            f"the file, or pass RigidOptions({argument}=...)."
        ) from None


def _tell_of_shared(name: str, stated: Sequence[tuple[Source, Any]], sources: Sequence[Source]) -> None:
    """Says what a file makes of others that do not speak of it: a scene has one world."""
    silent = [source for source in sources if source.is_mjcf and source not in [one for one, _ in stated]]
    if silent and name not in _TECHNICAL:
        source, value = stated[0]
        runtime.logger.info(
            "%s is %s, as '%s' (entity '%s') says, for the whole scene, '%s' included.",
            name,
            _shown(name, value),
            source.file,
            source.entity,
            "', '".join(one.entity for one in silent),
        )


def _tell_of_timestep(timestep: float, sources: Sequence[Source]) -> None:
    """Says which time steps of files are not those of the scene."""
    stated = {
        source.file: source.spec.option.timestep
        for source in sources
        if source.spec.authored.option >> _TIMESTEP & 1 and source.spec.option.timestep != timestep
    }
    for file, own in stated.items():
        runtime.logger.info(
            "'%s' was made for steps of %g s; those of the scene are of %g s (SimOptions: dt, substeps).",
            file,
            own,
            timestep,
        )


def _tell_of_gravity_flags(gravity: np.ndarray, sources: Sequence[Source]) -> None:
    """Warns of the files that switch gravity off, in a scene whose gravity [m/s^2] is not zero."""
    bit = int(mujoco.mjtDisableBit.mjDSBL_GRAVITY)
    files = dict.fromkeys(f"'{source.file}'" for source in sources if source.spec.option.disableflags & bit)
    if files and np.any(gravity):
        runtime.logger.warning(
            '%s: <flag gravity="disable"/> has no effect: gravity is the scene\'s, %s m/s^2. Pass '
            "SimOptions(gravity=(0,0,0)) for a scene without it.",
            ", ".join(files),
            tuple(float(value) for value in gravity),
        )


def _check_agreement(what: str, stated: Sequence[tuple[Source, str]], advice: str) -> None:
    first, value = stated[0]
    for other, different in stated[1:]:
        if different != value:
            raise GenesisException(
                f"the files of two entities contradict each other: {what} is {value} in '{first.file}' (entity "
                f"'{first.entity}') and {different} in '{other.file}' (entity '{other.entity}'). {advice}."
            )


def _mujoco_value(name: str, chosen: Any) -> Any:
    if name in _CHOICES:
        enum, prefix = _CHOICES[name]
        return getattr(enum, prefix + getattr(chosen, "value", chosen).upper())
    return chosen


def _shown(name: str, value: Any) -> str:
    if name in _CHOICES:
        enum, prefix = _CHOICES[name]
        return enum(value).name.removeprefix(prefix)
    return str(np.asarray(value).tolist())
