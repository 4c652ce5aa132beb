"""Genesis's ``genesis.utils``: helpers that programs call. The names of ``genesis.utils.misc`` are here as well.

Imported when they are first used.
"""

from __future__ import annotations

import importlib
from typing import Any

from genesis.utils.names import MISC, MODULES

__all__ = [*MISC, *MODULES]


def __getattr__(name: str) -> Any:
    if name in MODULES:
        return importlib.import_module(f"genesis.utils.{name}")
    if name in MISC:
        return getattr(importlib.import_module("genesis.utils.misc"), name)
    from genesis.utils.refused import missing

    raise missing("genesis.utils.misc", name)
