"""The table of Genesis's public names, `names.toml`, and the errors that it gives.

The table has a section for each module and class of Genesis. A name stands in it once, as one of

    here        it is there, with Genesis's meaning
    part        it is there, and the text says what is not
    refused     it is not there, for the reason of which the key is given

A module that is nothing but another place of names has `home`: the modules of this package where its names are. A
module with `refused = "key"` and no names is refused as a whole. A class says where it is (`of`); one of options has
`arguments`, of which it says itself what becomes of them.
"""

from __future__ import annotations

import difflib
import importlib
import sys
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from genesis.errors import GenesisException, UnknownModuleError, UnknownNameError

PATH = Path(__file__).with_name("names.toml")
HERE, PART, REFUSED = "here", "part", "refused"
TO_READ = "docs/from_genesis.md lists every name of Genesis"


@dataclass(frozen=True)
class Entry:
    """What becomes of a name: one of the three words, and what is missing or why."""

    status: str
    note: str = ""


@dataclass(frozen=True)
class Section:
    """A module or a class of Genesis.

    `home`: modules of this package that have its names. `whole`: what becomes of it as a whole, where its names are not
    listed. `of`: where a class is. `arguments`: those of a class of options.
    """

    name: str
    names: dict[str, Entry] = field(default_factory=dict)
    home: tuple[str, ...] = ()
    whole: Entry | None = None
    of: str = ""
    arguments: tuple[str, ...] = ()


@dataclass(frozen=True)
class Table:
    """Every module and class of Genesis, by name; classes by the place where this package has them."""

    modules: dict[str, Section]
    classes: dict[str, Section]
    reasons: dict[str, str]


@cache
def table() -> Table:
    """The table, read once, when a name is first missing."""
    import tomllib  # only here: most programs never ask

    raw = tomllib.loads(PATH.read_text(encoding="utf-8"))
    reasons = raw["reasons"]
    return Table(
        {name: _section(name, section, reasons) for name, section in raw["modules"].items()},
        {name: _section(name, section, reasons) for name, section in raw["classes"].items()},
        reasons,
    )


def _section(name: str, raw: dict[str, Any], reasons: dict[str, str]) -> Section:
    home = raw.get("home", ())
    whole = raw.get("refused")
    if isinstance(whole, str):
        return Section(name, whole=Entry(REFUSED, reasons[whole]))
    names = {key: Entry(HERE) for key in raw.get("here", ())}
    names.update({key: Entry(PART, note) for key, note in raw.get("part", {}).items()})
    names.update({key: Entry(REFUSED, reasons[why]) for why, keys in raw.get("refused", {}).items() for key in keys})
    places = (home,) if isinstance(home, str) else tuple(home)
    return Section(name, names, places, of=raw.get("of", ""), arguments=tuple(raw.get("arguments", ())))


def attribute_of(module: str, name: str) -> Any:
    """What a module of this package answers, in its ``__getattr__``, for a name that it has not.

    Raises ``UnknownNameError`` with the table's reason; ``AttributeError`` for names that Genesis has not either.
    """
    if name.startswith("__"):  # asked for by Python itself
        raise AttributeError(f"module {module!r} has no attribute {name!r}")
    raise _missing(f"module '{module}'", _section_of_module(module), name, _names_of(module))


def _section_of_module(module: str) -> Section | None:
    modules = table().modules
    if module in modules:
        return modules[module]
    return next((section for section in modules.values() if module in section.home), None)


def _names_of(module: str) -> list[str]:
    return [name for name in dir(sys.modules[module]) if not name.startswith("_")] if module in sys.modules else []


def _missing(owner: str, section: Section | None, name: str, known: list[str]) -> AttributeError:
    entry = section and (section.whole or section.names.get(name))
    if entry and entry.status == REFUSED:
        return UnknownNameError(f"{owner} has no '{name}', which Genesis has: {entry.note}. {TO_READ}.")
    close = difflib.get_close_matches(name, known, n=1)
    return AttributeError(f"{owner} has no attribute {name!r}" + (f"; did you mean {close[0]!r}?" if close else ""))


class Explained:
    """Base of classes that Genesis has: a member that only Genesis has is an error that says why it is not here."""

    if not TYPE_CHECKING:  # a class that answers every name would hide wrong ones from type checkers

        def __getattr__(self, name: str) -> Any:
            kind = type(self)
            if hasattr(kind, name):  # a property, which has raised an AttributeError: that is the one to see
                return object.__getattribute__(self, name)
            if name.startswith("__"):
                raise AttributeError(f"{kind.__name__!r} object has no attribute {name!r}")
            sections = [table().classes[base.__name__] for base in kind.__mro__ if base.__name__ in table().classes]
            section = next((section for section in sections if name in section.names), None)
            raise _missing(kind.__name__, section, name, [known for known in dir(kind) if not known.startswith("_")])


def from_homes(section: Section, name: str) -> Any:
    """A name of a module that has its names elsewhere. Raises as `attribute_of`."""
    for home in section.home:
        try:
            value = getattr(importlib.import_module(home), name)
        except AttributeError:
            continue
        except ModuleNotFoundError as error:
            if error.name != home:
                raise
            continue
        if not isinstance(value, ModuleType) or home == "genesis":
            return value
    raise _missing(f"module '{section.name}'", section, name, [])


def why_not(module: str) -> GenesisException | Section | None:
    """What becomes of an import of a module that no file is there for.

    The error with the table's reason; or the section of a module that has its names elsewhere; or None for what
    Genesis has not either.
    """
    known = table().modules
    parent, _, name = module.rpartition(".")
    section = known.get(module)
    if section is not None and section.whole is None:
        return section if section.home else None
    whole = section or next((s for n, s in known.items() if s.whole and module.startswith(f"{n}.")), None)
    entry = whole.whole if whole else None
    if entry is None and parent in known:
        entry = known[parent].names.get(name)
    if entry is None or entry.status != REFUSED:
        return None
    return UnknownModuleError(f"'{module}' of Genesis is not here: {entry.note}. {TO_READ}.")
