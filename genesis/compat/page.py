"""The page docs/from_genesis.md, made from the table of names: ``python -m genesis.compat.page`` writes it."""

from __future__ import annotations

import importlib
import textwrap
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from genesis.compat.table import HERE, PART, REFUSED, Section, table

PATH = Path(__file__).parent.parent.parent / "docs" / "from_genesis.md"
BEGIN, END = "<!-- from the table: `make stubs` -->", "<!-- end of the table -->"
_WIDTH = 120


def text() -> str:
    """What stands between the two marks of the page."""
    known = table()
    parts = [BEGIN, "", "### Modules", ""]
    whole: dict[str, list[str]] = {}
    for section in known.modules.values():
        if section.whole is not None:
            whole.setdefault(section.whole.note, []).append(section.name)
    for section in known.modules.values():
        if section.whole is None:
            parts += _section(section)
    parts += ["**Not here as a whole**", ""]
    for note, names in whole.items():
        parts += _wrapped(f"- {note}: {_listed(names)}")
    parts += ["", "### Members of classes", ""]
    for section in known.classes.values():
        if not section.arguments:
            parts += _section(section)
    parts += ["### Arguments of options, morphs, materials, surfaces, textures and renderers", ""]
    for section in known.classes.values():
        if section.arguments:
            parts += _arguments(section)
    return "\n".join([*parts, END])


def _section(section: Section) -> list[str]:
    lines = [f"**{section.name}**" + (f" (in `{'`, `'.join(section.home)}`)" if section.home else ""), ""]
    here = [name for name, entry in section.names.items() if entry.status == HERE]
    if here:
        lines += _wrapped(f"- here: {_listed(here)}")
    for name, entry in section.names.items():
        if entry.status == PART:
            lines += _wrapped(f"- `{name}` in part: {entry.note}")
    refused: dict[str, list[str]] = {}
    for name, entry in section.names.items():
        if entry.status == REFUSED:
            refused.setdefault(entry.note, []).append(name)
    for note, names in refused.items():
        lines += _wrapped(f"- not here: {_listed(names)}: {note}")
    return [*lines, ""]


def class_of(section: Section) -> Any:
    """The class that a section is of."""
    module, _, name = section.of.rpartition(".")
    return getattr(importlib.import_module(module), name)


def fate(kind: Any, argument: str) -> str | None:
    """What becomes of an argument of a class of options: "", "idle", why it is refused; None if it is unknown."""
    refused: dict[str, str] = {}
    idle: frozenset[str] = frozenset()
    for base in kind.__mro__:
        refused = {**vars(base).get("refused", {}), **refused}
        idle |= vars(base).get("idle", frozenset())
    if argument in refused:
        return refused[argument]
    if argument in getattr(kind, "defaults", {}):
        return "idle"
    return None if argument not in kind.model_fields else "idle" if argument in idle else ""


def _arguments(section: Section) -> list[str]:
    try:
        kind = class_of(section)
    except AttributeError:
        return [f"**{section.name}**: not here yet", ""]
    fates = {argument: fate(kind, argument) for argument in section.arguments}
    lines = [f"**{section.name}**", ""]
    here = [name for name, what in fates.items() if what == ""]
    idle = [name for name, what in fates.items() if what == "idle"]
    if here:
        lines += _wrapped(f"- here: {_listed(here)}")
    if idle:
        lines += _wrapped(f"- accepted, without effect: {_listed(idle)}")
    for name, what in fates.items():
        if what not in ("", "idle", None):
            lines += _wrapped(f"- `{name}` is refused: {what}")
    return [*lines, ""]


def _listed(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _wrapped(line: str) -> list[str]:
    return textwrap.wrap(line, _WIDTH, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False)


def main() -> None:
    """Write the page anew between its marks."""
    page = PATH.read_text(encoding="utf-8")
    before, after = page.split(BEGIN)[0], page.split(END)[1]
    PATH.write_text(before + text() + after, encoding="utf-8")


if __name__ == "__main__":
    main()
