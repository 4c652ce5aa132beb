"""Names of Genesis's utilities that are not here: told with their reason, whichever way they are asked for."""

from __future__ import annotations

import dis
import inspect
from types import FrameType

from genesis.compat.table import attribute_of
from genesis.errors import UnknownModuleError, UnknownNameError
from genesis.utils.names import COMPILED, REFUSED


def missing(module: str, name: str) -> Exception:
    """What the `__getattr__` of a module is to raise for a `name` that it has not; to be called from there.

    An AttributeError, that `hasattr` knows. While names are imported from a module, Python puts a text of its own in
    the place of one, so then it is an ImportError.
    """
    reason = REFUSED.get(module, {}).get(name)
    if reason is None and name.startswith(("qd_", "ti_")):
        reason = COMPILED
    if reason is None:
        try:
            attribute_of(module, name)
        except AttributeError as unknown:
            return unknown
    told = f"{module}.{name}, which Genesis has, is not here: {reason}"
    frame = inspect.currentframe()
    importer = frame.f_back.f_back if frame and frame.f_back else None
    is_import = importer is not None and _instruction(importer) == "IMPORT_FROM"
    error = UnknownModuleError(told) if is_import else UnknownNameError(told)
    error.name = name
    return error


def _instruction(frame: FrameType) -> str:
    """What a frame is doing, as the interpreter calls it."""
    return dis.opname[frame.f_code.co_code[frame.f_lasti]] if frame.f_lasti >= 0 else ""
