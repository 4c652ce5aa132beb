"""Setters and getters that follow from the catalogue of parameters: one pair for each entry, made from source."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import FunctionType
from typing import Any, TypeVar

from genesis.entities import access
from genesis.entities.place import world_of
from genesis.world.catalogue import CONSTRAINT_PARAMETERS, ENTITY_PARAMETERS, PAIR_PARAMETERS, Entry, Face

_Class = TypeVar("_Class", bound=type)
_WIDTH = 120  # of a line


@dataclass(frozen=True)
class Method:
    """A method as it is written in a class.

    Attributes:
        name: of it
        signature: its arguments, and what it returns
        body: one statement, to which the entry is known by its name with an underscore before it (`_dofs_kp`)
        doc: its documentation
        parameter: that it sets or gets
    """

    name: str
    signature: str
    body: str
    doc: str
    parameter: Entry

    def stub(self) -> str:
        """It as a stub file shows it, within a class."""
        doc = textwrap.indent(f'"""{self.doc}' + ('\n"""' if "\n" in self.doc else '"""'), " " * 8)
        head = f"    def {self.name}{self.signature}:"
        if len(head) > _WIDTH:
            arguments, _, result = self.signature.removeprefix("(").rpartition(")")
            head = f"    def {self.name}(\n        {arguments}\n    ){result}:"
        return f"{head}\n{doc}\n"


def _pair(parameter: Entry, face: Face, setter: tuple[str, str], getter: tuple[str, str]) -> list[Method]:
    return [
        Method(f"set_{face.name}", f"{setter[0]} -> None", setter[1], face.setter, parameter),
        Method(
            f"get_{face.name}", f"{getter[0]} -> {_result(parameter)}", f"return {getter[1]}", face.getter, parameter
        ),
    ]


def _result(parameter: Entry) -> str:
    return "tuple[Tensor, Tensor]" if parameter.as_ends else "Tensor"


def of_entity() -> list[Method]:
    """Of an entity, by its own numbers."""
    found = []
    for parameter in ENTITY_PARAMETERS.values():
        face = parameter.face
        if face is None:
            continue
        index = f"{parameter.axis}_idx_local"
        values, ends = ("lower: Any, upper: Any", "_ends") if parameter.as_ends else (f"{face.argument}: Any", "")
        names = values.replace(": Any", "")
        built = f'self._built("{{}}_{face.name}"), _{parameter.name}'
        setter = (
            f"(self, {values}, {index}: Any = None, envs_idx: Any = None)",
            f"access.write{ends}({built.format('set')}, {names}, {index}, envs_idx)",
        )
        getter = (
            f"(self, {index}: Any = None, envs_idx: Any = None)",
            f"access.read{ends}({built.format('get')}, {index}, envs_idx)",
        )
        found += _pair(parameter, face, setter, getter)
    return found


def of_one(axis: str) -> list[Method]:
    """Of a link or a geom."""
    found = []
    for parameter in ENTITY_PARAMETERS.values():
        face = parameter.of_one
        if face is None or parameter.axis != axis:
            continue
        what = f'"set_{face.name}", self._idx_local, {face.argument}, envs_idx'
        setter = (
            f"(self, {face.argument}: Any, envs_idx: Any = None)",
            f"access.write_one(self._built(), _{parameter.name}, self._called, {what})",
        )
        getter = (
            "(self, envs_idx: Any = None)",
            f"access.read_one(self._built(), _{parameter.name}, self._idx_local, envs_idx)",
        )
        found += _pair(parameter, face, setter, getter)
    return found


def of_solver() -> list[Method]:
    """Of the rigid solver, by the scene's numbers."""
    found = []
    for parameter in (*CONSTRAINT_PARAMETERS.values(), *PAIR_PARAMETERS.values()):
        face = parameter.face if parameter.axis == "pairs" else parameter.by_scene
        if face is None:
            continue
        index = f"{parameter.axis}_idx"
        how = "pairs" if parameter.axis == "pairs" else "geoms_of_scene"
        owner = f"rigid_solver.{{}}_{face.name}"
        world = f'world_of(self._scene, "{owner}"), _{parameter.name}'
        setter = (
            f"(self, {face.argument}: Any, {index}: Any = None, envs_idx: Any = None)",
            f'access.write_{how}({world.format("set")}, {face.argument}, {index}, envs_idx, "{owner.format("set")}")',
        )
        getter = (
            f"(self, {index}: Any = None, envs_idx: Any = None)",
            f'access.read_{how}({world.format("get")}, {index}, envs_idx, "{owner.format("get")}")',
        )
        found += _pair(parameter, face, setter, getter)
    return found


def with_methods(methods: Sequence[Method]) -> Callable[[_Class], _Class]:
    """Class decorator that adds methods."""

    def add(owner: _Class) -> _Class:
        known: dict[str, Any] = {"access": access, "world_of": world_of}
        known |= {f"_{method.parameter.name}": method.parameter for method in methods}
        sources = [f"def {method.name}{method.signature}:\n    {method.body}\n" for method in methods]
        code = "from __future__ import annotations\n" + "\n".join(sources)
        exec(compile(code, f"<{owner.__name__}, made from the catalogue>", "exec"), known)
        for method in methods:
            function: FunctionType = known[method.name]
            function.__doc__ = method.doc
            function.__qualname__ = f"{owner.__qualname__}.{method.name}"
            function.__module__ = owner.__module__
            setattr(owner, method.name, function)
        return owner

    return add
