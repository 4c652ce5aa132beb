"""What the engine does not simulate, left out of a scene: `RigidOptions(unsupported="warn")`.

`support` finds it; here is, for each of its rows, what takes the feature out of the `MjSpec`: the element goes, or the
number that asks for the feature becomes the one that asks for nothing. A row is known by its kind and the beginning of
its words. What has no way out here stays refused by name.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Container, Sequence
from typing import Any

import mujoco
import numpy as np

from genesis import runtime
from genesis.model import contact, support

_ROUNDS = 10  # what is left out may uncover something else; more rounds than rows of this table build on each other

# Takes a feature out: (spec, element) -> what was done, in words.
Way = Callable[[mujoco.MjSpec, Any], str]


def leave_out(
    spec: mujoco.MjSpec, mj_model: mujoco.MjModel, names: Sequence[str], compiled: Callable[[], mujoco.MjModel]
) -> mujoco.MjModel:
    """The model of `spec` without what is not simulated, which one warning lists; `spec` is changed.

    `mj_model` is that of `spec` as it is, `compiled()` compiles it anew, `names` are the entities'. What has no way out
    is left for `support.refuse_unsupported`.
    """
    said: list[str] = []
    for _ in range(_ROUNDS):
        # One after the other: each takes the model's numbers for those of the elements.
        for kind in (_elements, _shapes, _settings):
            done = kind(spec, mj_model, names)
            if done:
                break
        else:
            break
        said += done
        mj_model = compiled()
    if said:
        listed = "\n- ".join(dict.fromkeys(said))
        runtime.logger.warning(f"what this engine does not simulate is left out of the scene:\n- {listed}")
    return mj_model


def _settings(spec: mujoco.MjSpec, m: mujoco.MjModel, _: Sequence[str]) -> list[str]:
    said = []
    for what in support.unsupported_settings(m):
        for pattern, way in _SETTINGS:
            found = re.match(pattern, what)
            if found:
                said.append(f"{what}: {way(spec, found)}")
                break
    return said


def _elements(spec: mujoco.MjSpec, m: mujoco.MjModel, names: Sequence[str]) -> list[str]:
    """Of each element the ways out of all its features; one that is deleted needs no other. What goes with it may be of
    another kind, which then waits for the next round."""
    found: dict[tuple[str, int], list[str]] = {}
    for feature, index, what in support.unsupported_elements(m):
        found.setdefault((feature.kind, index), []).append(what)
    parts = {kind: {part.id: part for part in getattr(spec, _LISTS[kind])} for kind in {kind for kind, _ in found}}
    said: list[str] = []
    with_others = ""
    for (kind, index), texts in found.items():
        if with_others not in ("", kind):
            break
        where = support.describe(m, kind, index, names)
        for what in texts:
            way = _way_out(kind, what)
            if way is None:
                continue
            said.append(f"{where}: {what}: {way(spec, parts[kind][index])}")
            if way in _DELETES:
                with_others = kind if way is not _deleted else with_others
                break
    return said


def _way_out(kind: str, what: str) -> Way | None:
    return next((way for of, start, way in _WAYS if of == kind and what.startswith(start)), None)


def _shapes(spec: mujoco.MjSpec, m: mujoco.MjModel, names: Sequence[str]) -> list[str]:
    """Signed distance fields that would be tested for contact touch nothing."""
    types = np.asarray(m.geom_type)
    fields: dict[int, None] = {}
    for pair in contact.tested_pairs(m):
        if (types[pair.geom1], types[pair.geom2]) not in contact.KINDS:
            fields |= dict.fromkeys(geom for geom in (pair.geom1, pair.geom2) if types[geom] == _SDF)
    parts = {geom.id: geom for geom in spec.geoms}
    said = []
    for index in fields:
        geom = parts.get(index)
        if geom is None:
            continue  # deleted just now
        geom.contype = geom.conaffinity = 0
        for pair in list(spec.pairs):
            if geom.name in (pair.geomname1, pair.geomname2):
                spec.delete(pair)
        said.append(f"{support.describe(m, 'geom', index, names)}: a signed distance field: it touches nothing")
    return said


_SDF = int(mujoco.mjtGeom.mjGEOM_SDF)
_LISTS = {
    "body": "bodies",
    "joint": "joints",
    "geom": "geoms",
    "pair": "pairs",
    "flex": "flexes",
    "equality": "equalities",
    "tendon": "tendons",
    "actuator": "actuators",
}


# ------------------------------------------------------------------ ways out


def _zeroed(*fields: str) -> Way:
    def way(_: mujoco.MjSpec, element: Any) -> str:
        for name in fields:
            value = getattr(element, name)
            setattr(element, name, np.zeros_like(value) if isinstance(value, np.ndarray) else type(value)(0))
        return "there is none"

    return way


def _default_solref(field: str) -> Way:
    def way(_: mujoco.MjSpec, element: Any) -> str:
        setattr(element, field, _SOLREF)
        return f"MuJoCo takes its default for it, {_SOLREF[0]:g} {_SOLREF[1]:g}, and so it is here"

    return way


_SOLREF = (0.02, 1.0)  # MuJoCo's default


def _unlimited(_: mujoco.MjSpec, joint: mujoco.MjsJoint) -> str:
    joint.limited = int(mujoco.mjtLimited.mjLIMITED_FALSE)
    return "there is none"


def _without_plugin(_: mujoco.MjSpec, body: mujoco.MjsBody) -> str:
    body.plugin.active = False
    return "it does nothing"


def _deleted(spec: mujoco.MjSpec, element: Any) -> str:
    """With the sensors that look at it."""
    for sensor in list(spec.sensors):
        if element.name and element.name in (sensor.objname, sensor.refname) and _is_of(sensor, element):
            spec.delete(sensor)
    spec.delete(element)
    return "it is taken away"


def _is_of(sensor: mujoco.MjsSensor, element: Any) -> bool:
    kind = {
        mujoco.MjsActuator: mujoco.mjtObj.mjOBJ_ACTUATOR,
        mujoco.MjsGeom: mujoco.mjtObj.mjOBJ_GEOM,
        mujoco.MjsEquality: mujoco.mjtObj.mjOBJ_EQUALITY,
    }[type(element)]
    return kind in (sensor.objtype, sensor.reftype)


def _deleted_geom(spec: mujoco.MjSpec, geom: mujoco.MjsGeom) -> str:
    """With the pairs that name it."""
    for pair in list(spec.pairs):
        if geom.name in (pair.geomname1, pair.geomname2):
            spec.delete(pair)
    return _deleted(spec, geom)


def _deleted_flex(spec: mujoco.MjSpec, flex: mujoco.MjsFlex) -> str:
    """With its constraints, and those bodies that are nothing but its vertices, with what hangs on these."""
    for equality in list(spec.equalities):
        if flex.name in (equality.name1, equality.name2) and equality.type not in _BETWEEN_BODIES:
            spec.delete(equality)
    vertices = dict.fromkeys([*flex.vertbody, *flex.nodebody])
    spec.delete(flex)
    bodies = {}
    for name in vertices:
        body = spec.body(name)
        if body is not None and body.name != "world" and not body.geoms and not body.sites and not list(body.bodies):
            bodies[name] = body
    hanging = _deleted_with(spec, bodies)
    for body in bodies.values():
        spec.delete(body)
    return f"it is taken away, with the bodies of its vertices{hanging}"


def _deleted_with(spec: mujoco.MjSpec, bodies: Container[str]) -> str:
    """Takes away the constraints, actuators and sensors of bodies, and names them."""
    body = (mujoco.mjtObj.mjOBJ_BODY, mujoco.mjtObj.mjOBJ_XBODY)
    gone: list[tuple[str, Any]] = [
        ("constraint", part)
        for part in spec.equalities
        if part.objtype in body and (part.name1 in bodies or part.name2 in bodies)
    ]
    gone += [
        ("actuator", part)
        for part in spec.actuators
        if part.trntype == mujoco.mjtTrn.mjTRN_BODY and part.target in bodies
    ]
    moved = {part.name for kind, part in gone if kind == "actuator" and part.name}
    gone += [
        ("sensor", part)
        for part in spec.sensors
        if (part.objtype in body and part.objname in bodies)
        or (part.reftype in body and part.refname in bodies)
        or (part.objtype == mujoco.mjtObj.mjOBJ_ACTUATOR and part.objname in moved)
    ]
    said = "".join(f", {kind} '{part.name}'" for kind, part in gone)
    for _, part in gone:
        spec.delete(part)
    return said


_BETWEEN_BODIES = (mujoco.mjtEq.mjEQ_CONNECT, mujoco.mjtEq.mjEQ_WELD, mujoco.mjtEq.mjEQ_JOINT, mujoco.mjtEq.mjEQ_TENDON)
_DELETES = (_deleted, _deleted_geom, _deleted_flex)

# (kind, beginning of the words of a row of `support`, what takes it out); the first that fits.
_WAYS: tuple[tuple[str, str, Way], ...] = (
    ("body", "a plugin", _without_plugin),
    ("joint", "a limit that is none", _unlimited),
    ("joint", "solreflimit", _default_solref("solref_limit")),
    ("joint", "solreffriction", _default_solref("solref_friction")),
    ("geom", "a plugin", _deleted_geom),
    ("geom", "solref", _default_solref("solref")),
    ("pair", "solreffriction", _default_solref("solreffriction")),
    ("pair", "solref", _default_solref("solref")),
    ("flex", "", _deleted_flex),
    ("equality", "solref", _default_solref("solref")),
    ("equality", "", _deleted),
    ("tendon", "solreflimit", _default_solref("solref_limit")),
    ("tendon", "solreffriction", _default_solref("solref_friction")),
    ("actuator", "a history", _zeroed("delay", "nsample")),
    ("actuator", "", _deleted),
)


def _implicitfast(spec: mujoco.MjSpec, _: re.Match[str]) -> str:
    spec.option.integrator = mujoco.mjtIntegrator.mjINT_IMPLICITFAST
    return "implicitfast takes its place"


def _without_fluid(spec: mujoco.MjSpec, _: re.Match[str]) -> str:
    spec.option.density = spec.option.viscosity = 0
    return "there is none"


def _without_flag(spec: mujoco.MjSpec, found: re.Match[str]) -> str:
    spec.option.enableflags &= ~int(getattr(mujoco.mjtEnableBit, f"mjENBL_{found[1].upper()}"))
    return "it is off"


def _without_plugins(spec: mujoco.MjSpec, _: re.Match[str]) -> str:
    for sensor in list(spec.sensors):
        if sensor.plugin.active:
            spec.delete(sensor)
    for mesh in list(spec.meshes):
        if mesh.plugin.active:
            for geom in [geom for geom in spec.geoms if geom.meshname == mesh.name]:
                _deleted_geom(spec, geom)
            spec.delete(mesh)
    for plugin in list(spec.plugins):
        spec.delete(plugin)
    return "they do nothing, and shapes that they make are taken away"


_SETTINGS: tuple[tuple[str, Callable[[mujoco.MjSpec, re.Match[str]], str]], ...] = (
    (r"integrator ", _implicitfast),
    (r"a negative fluid ", _without_fluid),
    (r'flag (\w+)="enable"', _without_flag),
    (r"\d+ plugin", _without_plugins),
)
