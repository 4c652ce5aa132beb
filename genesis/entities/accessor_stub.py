"""Writes `accessors.pyi`: what editors and type checkers see of the methods that are made from the catalogue.

`python -m genesis.entities.accessor_stub` (`make stubs`).
"""

from __future__ import annotations

import textwrap
from pathlib import Path

from genesis.entities import accessors, made_methods

PATH = Path(accessors.__file__).with_suffix(".pyi")
_HEAD = '''\
"""Made by `python -m genesis.entities.accessor_stub` from the catalogue of parameters; not to be edited."""

from typing import Any

from genesis import Scene
from genesis.entities.base import EntityBase
from genesis.entities.part import EntityPart
from genesis.grad.tensor import Tensor
'''


def text() -> str:
    """The stub file."""
    parts = [_HEAD]
    for owner, base, methods in (
        (accessors.EntityAccessors, "(EntityBase)", made_methods.of_entity()),
        (accessors.LinkAccessors, "(EntityPart)", made_methods.of_one("links")),
        (accessors.GeomAccessors, "(EntityPart)", made_methods.of_one("geoms")),
        (accessors.SolverAccessors, "", made_methods.of_solver()),
    ):
        doc = textwrap.indent(f'"""{owner.__doc__}"""', "    " if "\n" not in str(owner.__doc__) else "").strip()
        body = "\n".join(method.stub() for method in methods)
        scene = "    _scene: Scene\n\n" if owner is accessors.SolverAccessors else ""
        parts.append(f"class {owner.__name__}{base}:\n    {doc}\n\n{scene}{body}")
    return "\n".join(parts)


if __name__ == "__main__":
    PATH.write_text(text(), encoding="utf-8")
