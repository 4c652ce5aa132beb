"""What a model uses and the engine does not simulate, and numbers that no model can have: refused by name, so that
nothing is dropped silently.

The tables follow `MjModel`'s fields (mjmodel.h) from sizes to actuators. A field that no row mentions either is
simulated, or does not enter the dynamics (drawing, sensors, names, sparse structures).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import mujoco
import numpy as np

from genesis.errors import GenesisException
from genesis.model import contact, override

_SHOWN = 5  # how many elements of a kind a message names

_TRANSMISSIONS = ("JOINT", "JOINTINPARENT", "TENDON", "SITE", "SLIDERCRANK", "BODY", "SO3")
_DYNAMICS = ("NONE", "INTEGRATOR", "FILTER", "FILTEREXACT", "MUSCLE", "DCMOTOR", "PID")
_GAINS = ("FIXED", "AFFINE", "MUSCLE", "DCMOTOR", "PID", "SO3")
_BIASES = ("NONE", "AFFINE", "MUSCLE", "DCMOTOR", "SO3")
_EQUALITIES = ("CONNECT", "WELD", "JOINT", "TENDON")
_INTEGRATORS = ("EULER", "IMPLICITFAST", "IMPLICIT", "RK4")

# Enable flags that change the motion, and those that change it through constraints only. The others compute more
# (energy, fwdinv), concern inverse dynamics (invdiscrete) or save work on what rests (sleep).
_MOTION_FLAGS = ("IPC",)
_CONSTRAINT_FLAGS = ("SPECULATIVE",)

_EDIT = "remove it from the file"

# The enum fields of an actuator: the field (of MjsActuator; in MjModel `actuator_` comes before it), its enum, the
# prefix of the enum's names, the values that are simulated, and the field in words.
_ACTUATOR_KINDS = (
    ("trntype", mujoco.mjtTrn, "mjTRN_", _TRANSMISSIONS, "transmission"),
    ("dyntype", mujoco.mjtDyn, "mjDYN_", _DYNAMICS, "dynamics (dyntype)"),
    ("gaintype", mujoco.mjtGain, "mjGAIN_", _GAINS, "gain (gaintype)"),
    ("biastype", mujoco.mjtBias, "mjBIAS_", _BIASES, "bias (biastype)"),
)


@dataclass(frozen=True)
class Feature:
    """One unsupported feature: the kind of element (an `mjtObj`) that may use it, which of them do, in words, and what
    to do. `uses(model)` is a boolean array over the elements of that kind; `what` is a text, or a function of (model,
    index)."""

    kind: str
    uses: Callable[[mujoco.MjModel], np.ndarray]
    what: str | Callable[[mujoco.MjModel, int], str]
    advice: str = _EDIT


def _nonzero(*fields: str) -> Callable[[mujoco.MjModel], np.ndarray]:
    """Elements with a number other than zero in any of these fields."""

    def uses(m: mujoco.MjModel) -> np.ndarray:
        columns = [np.asarray(getattr(m, name)) != 0 for name in fields]
        return np.any([column if column.ndim == 1 else column.any(axis=1) for column in columns], axis=0)

    return uses


def _not_among(field: str, enum: Any, prefix: str, supported: Sequence[str]) -> Callable[[mujoco.MjModel], np.ndarray]:
    allowed = [int(getattr(enum, prefix + name)) for name in supported]
    return lambda m: ~np.isin(getattr(m, field), allowed)


def _named(field: str, enum: Any, prefix: str, before: str) -> Callable[[mujoco.MjModel, int], str]:
    """A text that ends with the name of the element's value in an enum field."""
    return lambda m, i: f"{before} '{enum(int(getattr(m, field)[i])).name.removeprefix(prefix).lower()}'"


def _name(m: mujoco.MjModel, kind: str, index: int) -> str:
    return mujoco.mj_id2name(m, getattr(mujoco.mjtObj, f"mjOBJ_{kind.upper()}"), index) or ""


def _local(full_name: str) -> str:
    return full_name.partition("/")[2] or full_name


def _touching(uses: Callable[[mujoco.MjModel], np.ndarray]) -> Callable[[mujoco.MjModel], np.ndarray]:
    """Of the geoms that `uses` finds, those that may touch another."""

    def touching(m: mujoco.MjModel) -> np.ndarray:
        wrong = uses(m)
        if not wrong.any():
            return wrong
        used = np.zeros(m.ngeom, dtype=bool)
        used[[geom for pair in contact.tested_pairs(m) for geom in (pair.geom1, pair.geom2)]] = True
        return wrong & used

    return touching


def _unless(flag: str, uses: Callable[[mujoco.MjModel], np.ndarray]) -> Callable[[mujoco.MjModel], np.ndarray]:
    """What `uses` finds, or nothing where the flag (of mjtDisableBit) or constraints as a whole are disabled."""
    return lambda m: uses(m) & (not contact.is_disabled(m, flag))


def _mixed(field: str) -> Callable[[mujoco.MjModel], np.ndarray]:
    """Elements whose solref is of neither of its two forms: both numbers positive, or none (mj_makeImpedance)."""
    return lambda m: (np.asarray(getattr(m, field)) > 0).sum(axis=1) == 1


def _limited(m: mujoco.MjModel) -> np.ndarray:
    return np.asarray(m.jnt_limited).astype(bool)


def _limited_and_mixed(m: mujoco.MjModel) -> np.ndarray:
    return np.asarray(m.tendon_limited).astype(bool) & _mixed("tendon_solref_lim")(m)


def _mixed_friction(m: mujoco.MjModel) -> np.ndarray:
    joints = np.zeros(m.njnt, dtype=bool)
    joints[m.dof_jntid[_mixed("dof_solref")(m)]] = True
    return joints


_BALL, _HINGE, _SLIDE = (int(getattr(mujoco.mjtJoint, f"mjJNT_{name}")) for name in ("BALL", "HINGE", "SLIDE"))


def _strange_limit(m: mujoco.MjModel) -> np.ndarray:
    kind, (low, high) = np.asarray(m.jnt_type), np.asarray(m.jnt_range).T
    ball = (kind == _BALL) & (low == 0) & (high >= 0)
    return _limited(m) & ~(ball | (((kind == _HINGE) | (kind == _SLIDE)) & (low <= high)))


_MIXED = (
    "mixes its two forms: make both numbers positive (time constant, damping ratio), or none (-stiffness, -damping)"
)


_FEATURES = (
    Feature("body", lambda m: m.body_plugin >= 0, "a plugin"),
    Feature(
        "joint", _unless("LIMIT", _strange_limit), "a limit that is none", "give an ascending range (ball: 0 first)"
    ),
    Feature("joint", _unless("LIMIT", lambda m: _limited(m) & _mixed("jnt_solref")(m)), "solreflimit", _MIXED),
    Feature("joint", _unless("FRICTIONLOSS", _mixed_friction), "solreffriction", _MIXED),
    Feature("geom", lambda m: m.geom_plugin >= 0, "a plugin"),
    Feature("geom", _touching(_mixed("geom_solref")), "solref", _MIXED),
    Feature("pair", _unless("CONTACT", _mixed("pair_solref")), "solref", _MIXED),
    Feature("pair", _unless("CONTACT", _mixed("pair_solreffriction")), "solreffriction", _MIXED),
    Feature("flex", lambda m: np.ones(m.nflex, dtype=bool), "a flex (deformable)"),
    Feature(
        "equality",
        _unless("EQUALITY", _not_among("eq_type", mujoco.mjtEq, "mjEQ_", _EQUALITIES)),
        _named("eq_type", mujoco.mjtEq, "mjEQ_", "equality constraint of type"),
    ),
    Feature("equality", _unless("EQUALITY", _mixed("eq_solref")), "solref", _MIXED),
    Feature("tendon", _unless("LIMIT", _limited_and_mixed), "solreflimit", _MIXED),
    Feature("tendon", _unless("FRICTIONLOSS", _mixed("tendon_solref_fri")), "solreffriction", _MIXED),
    *(
        Feature(
            "actuator",
            _not_among(f"actuator_{field}", enum, prefix, supported),
            _named(f"actuator_{field}", enum, prefix, words),
        )
        for field, enum, prefix, supported, words in _ACTUATOR_KINDS
    ),
    Feature("actuator", lambda m: m.actuator_plugin >= 0, "a plugin"),
    Feature(
        "actuator",
        lambda m: m.actuator_history[:, 0] < 0,
        "a history of less than no samples (nsample)",
    ),
)


@dataclass(frozen=True)
class GlobalFeature:
    """An unsupported setting of the whole model: whether it is in use, in words, and what to do."""

    uses: Callable[[mujoco.MjModel], bool]
    what: Callable[[mujoco.MjModel], str]
    advice: str = _EDIT


def _flag_feature(flag: str, advice: str = _EDIT) -> GlobalFeature:
    bit = int(getattr(mujoco.mjtEnableBit, f"mjENBL_{flag}"))
    constraint = flag in _CONSTRAINT_FLAGS
    return GlobalFeature(
        lambda m: bool(m.opt.enableflags & bit) and not (constraint and _unconstrained(m)),
        lambda _: f'flag {flag.lower()}="enable"',
        advice,
    )


def _unconstrained(m: mujoco.MjModel) -> bool:
    return contact.is_disabled(m, "CONSTRAINT")


def _integrator(m: mujoco.MjModel) -> str:
    return mujoco.mjtIntegrator(m.opt.integrator).name.removeprefix("mjINT_")


_GLOBAL_FEATURES = (
    GlobalFeature(
        lambda m: _integrator(m) not in _INTEGRATORS,
        lambda m: (
            f"integrator '{_integrator(m).lower()}', which solves for the constraint forces against the inertia of a "
            "whole step, springs and dampers in it"
        ),
        "choose one with RigidOptions(integrator=...): Euler, implicitfast, implicit or RK4",
    ),
    GlobalFeature(
        lambda m: m.opt.density < 0 or m.opt.viscosity < 0,
        lambda m: f"a negative fluid (option density={m.opt.density:g}, viscosity={m.opt.viscosity:g})",
        "set both to 0 or more in the file",
    ),
    *(_flag_feature(flag) for flag in _MOTION_FLAGS),
    # Its contacts are foreseen along the motion of a whole step (conservative advancement, and rays for what is in the
    # way), by an algorithm that is not public.
    _flag_feature("SPECULATIVE", "remove it from the file; take smaller steps where what is fast passes through"),
    GlobalFeature(
        lambda m: bool(m.opt.enableflags & override.FLAG) and not _unconstrained(m),
        lambda m: f'flag override="enable" with o_friction="{" ".join(f"{mu:g}" for mu in m.opt.o_friction)}"',
        "make the two frictions of sliding (the first numbers) equal, and those of rolling (the last), as geoms have "
        "one of each",
    ),
    GlobalFeature(lambda m: m.nplugin > 0, lambda m: f"{m.nplugin} plugin(s)"),
)


def unsupported_settings(mj_model: mujoco.MjModel) -> list[str]:
    """The unsupported settings of the whole model that are in use, in words."""
    return [feature.what(mj_model) for feature in _GLOBAL_FEATURES if feature.uses(mj_model)]


def unsupported_elements(mj_model: mujoco.MjModel) -> list[tuple[Feature, int, str]]:
    """(feature, index of the element that uses it, in words), feature after feature."""
    found = []
    for feature in _FEATURES:
        for index in np.flatnonzero(feature.uses(mj_model)).tolist():
            what = feature.what if isinstance(feature.what, str) else feature.what(mj_model, index)
            found.append((feature, index, what))
    return found


def describe(mj_model: mujoco.MjModel, kind: str, index: int, names: Sequence[str]) -> str:
    """An element in words: "entity 'arm': joint 'elbow'"."""
    owner, element = _owner(_name(mj_model, kind, index), names)
    return f"{_who(owner)}{_SPOKEN.get(kind, kind)} '{element or index}'"


def refuse_unsupported(mj_model: mujoco.MjModel, names: Sequence[str], can_be_left_out: bool = True) -> None:
    """Raises `GenesisException` that names every unsupported feature of the model: entity, elements, feature, what to
    do.

    `names` are the entities'; an element belongs to the entity whose name and a slash begin its own name. The
    message names the option that leaves it out, if it `can_be_left_out`.
    """
    complaints = [
        f"{feature.what(mj_model)}: {feature.advice}" for feature in _GLOBAL_FEATURES if feature.uses(mj_model)
    ]
    found: dict[tuple[Feature, str, str], list[str]] = {}
    for feature, index, what in unsupported_elements(mj_model):
        owner, element = _owner(_name(mj_model, feature.kind, index), names)
        found.setdefault((feature, owner, what), []).append(element)
    for (feature, owner, what), elements in found.items():
        complaints.append(f"{_who(owner)}{_kind(feature)} {_list(elements)}: {what}: {feature.advice}")
    complaints += _shapes_that_cannot_touch(mj_model, names)
    if complaints:
        raise GenesisException(_complaint("the scene", complaints, can_be_left_out))


def asks_for_older_collider(m: mujoco.MjModel) -> bool:
    """Whether the file wants MuJoCo's older collider (flag nativeccd="disable") for pairs of shapes that it would take.
    Here the one that is MuJoCo's default does them."""
    if not m.opt.disableflags & int(mujoco.mjtDisableBit.mjDSBL_NATIVECCD):
        return False
    types = np.asarray(m.geom_type).tolist()
    kinds = (contact.KINDS.get((types[pair.geom1], types[pair.geom2])) for pair in contact.tested_pairs(m))
    return any(kind is not None and kind.family == contact.CONVEX for kind in kinds)


def asks_for_sleep(m: mujoco.MjModel) -> bool:
    """Whether the file lets what rests fall asleep (flag sleep="enable"). Here everything stays awake."""
    return bool(m.opt.enableflags & int(mujoco.mjtEnableBit.mjENBL_SLEEP))


def refuse_actuators(spec: mujoco.MjSpec, source: str) -> None:
    """Raises `GenesisException` that names the actuators of a kind that is not simulated; `source`: whose they are.

    MuJoCo's compiler must not see them: of a muscle it complains that its range of lengths cannot be computed.
    """
    complaints = []
    for field, enum, prefix, supported, words in _ACTUATOR_KINDS:
        allowed = [int(getattr(enum, prefix + name)) for name in supported]
        found: dict[str, list[str]] = {}
        for index, actuator in enumerate(spec.actuators):
            value = enum(int(getattr(actuator, field)))
            if value not in allowed:
                kind = value.name.removeprefix(prefix).lower()
                found.setdefault(kind, []).append(actuator.name or f"actuator{index}")
        complaints += [f"actuator {_list(names)}: {words} '{kind}': {_EDIT}" for kind, names in found.items()]
    if complaints:
        raise GenesisException(_complaint(source, complaints, can_be_left_out=True))


def _complaint(source: str, complaints: Sequence[str], can_be_left_out: bool) -> str:
    way_out = ' (RigidOptions(unsupported="warn") leaves it out)' if can_be_left_out else ""
    return f"{source} uses what this engine does not simulate{way_out}:\n- " + "\n- ".join(complaints)


# The numbers of the compiled model that must be finite, by kind of element. In ranges, infinity means no bound.
_NUMBERS = {
    "body": ("mass", "inertia", "pos", "quat", "ipos", "iquat", "gravcomp"),
    "joint": (
        "axis",
        "pos",
        "stiffness",
        "stiffnesspoly",
        "springyield",
        "range",
        "actfrcrange",
        "margin",
        "solref",
        "solimp",
    ),
    "dof": ("damping", "dampingpoly", "armature", "frictionloss", "solref", "solimp"),
    "geom": (
        "size",
        "pos",
        "quat",
        "friction",
        "margin",
        "gap",
        "solref",
        "solimp",
        "solmix",
        "surfacevel",
        "adhesion",
        "fluid",
    ),
    "pair": ("friction", "margin", "gap", "solref", "solreffriction", "solimp", "adhesion"),
    "site": ("size", "pos", "quat"),
    "equality": ("data", "solref", "solimp"),
    "tendon": (
        *("range", "lengthspring", "stiffness", "stiffnesspoly", "springyield", "damping", "dampingpoly", "armature"),
        *("frictionloss", "margin", "actfrcrange"),
        *("solref_lim", "solimp_lim", "solref_fri", "solimp_fri"),
    ),
    "actuator": ("gear", "gainprm", "biasprm", "dynprm", "ctrlrange", "forcerange", "actrange", "cranklength", "delay"),
}
_PREFIXES = {"joint": "jnt", "equality": "eq"}  # of the fields in MjModel, where it is not the kind's name
# Numbers that cannot be negative, as the setters say too: MuJoCo's integrators would not agree what such a damping is,
# and a negative friction would be raised to the least that there is.
_NOT_NEGATIVE = (
    *("dof_damping", "dof_armature", "dof_frictionloss", "geom_friction", "pair_friction"),
    *("geom_adhesion", "pair_adhesion"),
    *("tendon_damping", "tendon_armature", "tendon_frictionloss"),
)


# Fields of an actuator's controls, or of its outputs: where those of an actuator begin.
_BLOCKS = {"actuator_ctrlrange": "actuator_ctrladr", "actuator_gear": "actuator_outadr"}


def refuse_bad_numbers(mj_model: mujoco.MjModel, names: Sequence[str]) -> None:
    """Raises `GenesisException` that names the first number of the model that no body can have: NaN or infinite, or
    negative where it cannot be (damping, armature, friction). `names` are the entities'."""
    m = mj_model
    for kind, fields in _NUMBERS.items():
        for field in fields:
            full_name = f"{_PREFIXES.get(kind, kind)}_{field}"
            values = np.asarray(getattr(m, full_name))
            wrong = np.isnan(values) if field.endswith("range") else ~np.isfinite(values)
            fault = "is not a finite number: correct the file or the size"
            if full_name in _NOT_NEGATIVE and not wrong.any():
                wrong, fault = values < 0, "is negative: give 0 or more"
            if not wrong.any():
                continue
            index = int(np.argwhere(wrong)[0][0])
            owner_kind, element = ("joint", int(m.dof_jntid[index])) if kind == "dof" else (kind, index)
            if full_name in _BLOCKS:  # as many rows as the actuator has controls, or outputs
                element = int(np.searchsorted(getattr(m, _BLOCKS[full_name]), index, side="right")) - 1
            owner, name = _owner(_name(m, owner_kind, element), names)
            shown = " ".join(f"{value:g}" for value in np.atleast_1d(values[index]))
            raise GenesisException(
                f"{_who(owner)}{_SPOKEN.get(owner_kind, owner_kind)} '{name or element}': {field} '{shown}' {fault}."
            )


_SPOKEN = {"body": "link", "equality": "constraint"}  # what messages call an `mjtObj`, where it is not its name


def _kind(feature: Feature) -> str:
    return _SPOKEN.get(feature.kind, feature.kind)


def _shapes_that_cannot_touch(m: mujoco.MjModel, names: Sequence[str]) -> list[str]:
    """What to say of the pairs of shapes that MuJoCo would test for contact and the engine cannot: one entry per entity
    (or two) and kind of pair."""
    found: dict[tuple[str, str, str, str], list[tuple[str, str]]] = {}
    types = np.asarray(m.geom_type).tolist()
    for pair in contact.tested_pairs(m):
        kinds = types[pair.geom1], types[pair.geom2]
        if kinds in contact.KINDS:
            continue
        kind1, kind2 = (_SHAPES.get(kind, mujoco.mjtGeom(kind).name) for kind in kinds)
        bodies = (m.body(int(m.geom_bodyid[geom])).name for geom in (pair.geom1, pair.geom2))
        (owner1, link1), (owner2, link2) = (_owner(body, names) for body in bodies)
        found.setdefault((owner1, owner2, kind1, kind2), []).append((link1, link2))
    complaints = []
    for (owner1, owner2, kind1, kind2), links in found.items():
        shown = [f"'{link1}' and '{link2}'" for link1, link2 in dict.fromkeys(links)]
        more = f" and {len(shown) - _SHOWN} more" if len(shown) > _SHOWN else ""
        ways = _WAYS_OUT[bool(owner1) and owner1 == owner2]
        complaints.append(
            f"{_who(owner1, owner2)}{len(links)} pair{'s' * (len(links) > 1)} of {kind1} and {kind2} (links "
            f"{', '.join(shown[:_SHOWN])}{more}) may touch, and such contacts are not simulated yet: {ways}"
        )
    return complaints


_SHAPES = {
    int(getattr(mujoco.mjtGeom, f"mjGEOM_{name}")): shape
    for name, shape in (
        ("PLANE", "plane"),
        ("HFIELD", "height field"),
        ("SPHERE", "sphere"),
        ("CAPSULE", "capsule"),
        ("ELLIPSOID", "ellipsoid"),
        ("CYLINDER", "cylinder"),
        ("BOX", "box"),
        ("MESH", "mesh"),
        ("SDF", "signed distance field"),
    )
}
_SWITCH_OFF = (
    "use spheres, capsules or boxes, or switch off these pairs (<exclude>, contype and conaffinity, "
    "or collision=False of the morph)"
)
# By whether both shapes are of one entity.
_WAYS_OUT = {
    True: f"{_SWITCH_OFF}, all pairs within an entity (RigidOptions(enable_self_collision=False)) or all contact "
    "(RigidOptions(enable_collision=False))",
    False: f"{_SWITCH_OFF} or all contact (RigidOptions(enable_collision=False))",
}


def _who(*owners: str) -> str:
    named = [f"'{owner}'" for owner in dict.fromkeys(owners) if owner]
    return f"{'entities' if len(named) > 1 else 'entity'} {' and '.join(named)}: " if named else ""


def _owner(full_name: str, names: Sequence[str]) -> tuple[str, str]:
    """The entity that an element belongs to and the element's own name; ("", name) for one of no entity."""
    owner, separator, element = full_name.partition("/")
    return (owner, element) if separator and owner in names else ("", full_name)


def _list(names: Sequence[str]) -> str:
    shown = ", ".join(f"'{name}'" for name in names[:_SHOWN])
    return shown + (f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else "")
