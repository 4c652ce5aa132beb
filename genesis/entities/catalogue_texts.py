"""Writes what is said of the catalogue's parameters elsewhere: `accessors.pyi`, and the table of `docs/parameters.md`.

`python -m genesis.entities.catalogue_texts` (`make stubs`). The stub is what editors and type checkers see of the
methods that are made from the catalogue.
"""

from __future__ import annotations

import textwrap
from pathlib import Path

from genesis.entities import accessors, made_methods
from genesis.world.catalogue import ENTITY_PARAMETERS

STUB = Path(accessors.__file__).with_suffix(".pyi")
PAGE = STUB.parents[2] / "docs" / "parameters.md"  # of a checkout
_BEGIN, _END = "<!-- from the catalogue: `make stubs` -->\n", "<!-- end -->\n"
_HEAD = '''\
"""Made by `python -m genesis.entities.catalogue_texts` from the catalogue of parameters; not to be edited."""

from typing import Any

from genesis import Scene
from genesis.entities.base import EntityBase
from genesis.entities.part import EntityPart
from genesis.grad.tensor import Tensor
'''


def stub() -> str:
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


def page(present: str) -> str:
    """The page of documentation, `present`, with its table made anew."""
    before, rest = present.split(_BEGIN)
    lines = ["| entity method (`set_`, `get_`) | one per | unit | what |", "|---|---|---|---|"]
    for entry in ENTITY_PARAMETERS.values():
        one = f"{entry.axis[:-3]}y" if entry.axis.endswith("ies") else entry.axis[:-1]
        lines.append(f"| `{entry.name}` | {one} | {entry.unit} | {entry.description} |")
    return f"{before}{_BEGIN}\n" + "\n".join(lines) + f"\n\n{_END}{rest.split(_END)[1]}"


if __name__ == "__main__":
    STUB.write_text(stub(), encoding="utf-8")
    if PAGE.exists():
        PAGE.write_text(page(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
