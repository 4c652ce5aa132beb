"""Imports of modules that Genesis has and this package has not: under other names, or an error that says why.

``from genesis.engine.entities.rigid_entity import RigidEntity`` finds the class where it is here;
``import genesis.engine.solvers.mpm_solver`` says why there is none. Real modules are found before: this finder is the
last one that Python asks.
"""

from __future__ import annotations

import importlib
import importlib.machinery
import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence


class Finder:
    """Finds modules of Genesis that are only other places of names. A finder and a loader (`importlib.abc`), whose base
    classes take longer to import than all of this."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if not fullname.startswith("genesis."):
            return None
        from genesis.compat.table import Section, why_not

        answer = why_not(fullname)
        if answer is None:
            return None
        if not isinstance(answer, Section):
            raise answer
        return importlib.machinery.ModuleSpec(fullname, self, is_package=True)  # type: ignore[arg-type]

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType:
        return ModuleType(spec.name, f"Names of Genesis's module {spec.name}, from where they are in this package.")

    def exec_module(self, module: ModuleType) -> None:
        from genesis.compat.table import HERE, PART, from_homes, table
        from genesis.errors import UnknownModuleError, UnknownNameError

        section = table().modules[module.__name__]

        def lookup(name: str) -> Any:
            if name.startswith("__") and name != "__all__" and name not in section.names:
                raise AttributeError(f"module {module.__name__!r} has no attribute {name!r}")
            if name == "__all__":
                return [known for known, entry in section.names.items() if entry.status in (HERE, PART)]
            child = f"{module.__name__}.{name}"
            if child in table().modules:
                try:
                    return importlib.import_module(child)
                except UnknownModuleError as error:
                    raise UnknownNameError(str(error)) from None  # hasattr relies on that type
            return from_homes(section, name)

        module.__getattr__ = lookup  # type: ignore[method-assign]


def install() -> None:
    """Have Python ask here, after everybody else."""
    if not any(isinstance(finder, Finder) for finder in sys.meta_path):
        sys.meta_path.append(Finder())
