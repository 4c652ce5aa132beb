"""What the elements of an MJCF model name: a name of nothing is refused, since an element with such a name vanishes
without a word when its model is attached to another, as every file is to the scene."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import mujoco

from genesis.errors import GenesisException
from genesis.model import diagnostics
from genesis.model.mjcf_files import ModelFiles

# The kinds of elements that others name, and the attribute of `MjSpec` that lists them.
_LISTS = {
    "body": "bodies",
    "mesh": "meshes",
    "equality": "equalities",
    "flex": "flexes",
    "skin": "skins",
    **{
        kind: f"{kind}s"
        for kind in (
            *("joint", "geom", "site", "camera", "light", "hfield", "texture", "material", "pair", "exclude"),
            *("tendon", "actuator", "sensor", "numeric", "text", "tuple", "key", "frame", "plugin"),
        )
    },
}
_SPOKEN = {"hfield": "height field"}  # what messages call a kind, where it is not its name

# What each kind of element names: the attribute of the spec's element, and the kind that it must be of.
_NAMED_BY = {
    "geom": (("meshname", "mesh"), ("hfieldname", "hfield"), ("material", "material")),
    "site": (("material", "material"),),
    "mesh": (("material", "material"),),
    "skin": (("material", "material"), ("bodyname", "body")),
    "camera": (("targetbody", "body"),),
    "light": (("targetbody", "body"), ("texture", "texture")),
    "material": (("textures", "texture"),),
    "pair": (("geomname1", "geom"), ("geomname2", "geom")),
    "exclude": (("bodyname1", "body"), ("bodyname2", "body")),
    "tendon": (("material", "material"),),
}
_EQUALITIES = {mujoco.mjtEq.mjEQ_JOINT: "joint", mujoco.mjtEq.mjEQ_TENDON: "tendon"}
_TRANSMISSIONS = {
    mujoco.mjtTrn.mjTRN_JOINT: "joint",
    mujoco.mjtTrn.mjTRN_JOINTINPARENT: "joint",
    mujoco.mjtTrn.mjTRN_TENDON: "tendon",
    mujoco.mjtTrn.mjTRN_SITE: "site",
    mujoco.mjtTrn.mjTRN_SLIDERCRANK: "site",
    mujoco.mjtTrn.mjTRN_BODY: "body",
}


def refuse_missing(spec: mujoco.MjSpec, files: ModelFiles) -> None:
    """Raises `GenesisException` for the first element of a model that names one that does not exist: the element, its
    file and line, the name, and those most like it."""
    names = _Names(spec)
    for kind, references in _REFERENCES.items():
        for element in getattr(spec, _LISTS[kind]):
            for target, name in references(element):
                if name and target in _LISTS and name not in names[target]:
                    raise GenesisException(_message(files, element.info, kind, element.name, target, name, names))
    for tendon in spec.tendons:
        _check_path(tendon, files, names)


class _Names(dict[str, set[str]]):
    """The names of each kind of element, looked up when they are first asked for."""

    def __init__(self, spec: mujoco.MjSpec):
        super().__init__()
        self._spec = spec

    def __missing__(self, kind: str) -> set[str]:
        self[kind] = {element.name for element in getattr(self._spec, _LISTS[kind])}
        return self[kind]


def _fixed(kind: str) -> Callable[[Any], Iterator[tuple[str, str]]]:
    def references(element: Any) -> Iterator[tuple[str, str]]:
        for attribute, target in _NAMED_BY[kind]:
            value = getattr(element, attribute)
            for name in (value,) if isinstance(value, str) else value or ():
                yield target, name

    return references


def _of_equality(equality: Any) -> Iterator[tuple[str, str]]:
    target = _EQUALITIES.get(equality.type) or _kind_of(equality.objtype)
    yield from ((target, equality.name1), (target, equality.name2))


def _of_actuator(actuator: Any) -> Iterator[tuple[str, str]]:
    yield _TRANSMISSIONS.get(actuator.trntype, ""), actuator.target
    yield from (("site", actuator.refsite), ("site", actuator.slidersite))


def _of_sensor(sensor: Any) -> Iterator[tuple[str, str]]:
    yield _kind_of(sensor.objtype), sensor.objname
    yield _kind_of(sensor.reftype), sensor.refname


def _of_tuple(tuple_: Any) -> Iterator[tuple[str, str]]:
    for kind, name in zip(tuple_.objtype, tuple_.objname, strict=True):
        yield _kind_of(kind), name


def _kind_of(number: Any) -> str:
    return (mujoco.mju_type2Str(int(number)) or "").removeprefix("x")  # an xbody is a body


_REFERENCES: dict[str, Callable[[Any], Iterator[tuple[str, str]]]] = {
    **{kind: _fixed(kind) for kind in _NAMED_BY},
    "equality": _of_equality,
    "actuator": _of_actuator,
    "sensor": _of_sensor,
    "tuple": _of_tuple,
}


def _check_path(tendon: Any, files: ModelFiles, names: _Names) -> None:
    """The parts of a tendon's path, which MuJoCo looks up itself: of a name of nothing only the file knows."""
    for part in tendon.path:
        written = files.element(part.info)
        if written is None or part.type == mujoco.mjtWrap.mjWRAP_PULLEY:
            continue
        kind = "sidesite" if part.target is not None else written.tag
        if part.target is None or ("sidesite" in written.attrib and part.sidesite is None):
            name = written.attrib.get(kind, "")
            target = kind.removeprefix("side")
            raise GenesisException(_message(files, part.info, "tendon", tendon.name, target, name, names))


def _message(files: ModelFiles, info: str, kind: str, own: str, target: str, name: str, names: _Names) -> str:
    written = files.element(info)
    place = f"{written.place}, <{written.tag}>" if written is not None else f"'{next(iter(files.texts))}': {kind}"
    whose = f" of {kind} '{own}'" if own else ""
    known = [known for known in names[target] if known]
    advice = diagnostics.closest(name, known) if known else "The model has none with a name."
    return f"{place}{whose}: names the {_SPOKEN.get(target, target)} '{name}', which does not exist. {advice}"
