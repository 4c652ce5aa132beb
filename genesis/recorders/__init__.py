"""`gs.recorders`: what `scene.start_recording` takes. The names below are imported when they are first used."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from genesis.errors import UnknownNameError

if TYPE_CHECKING:
    from genesis.recorders.options import (
        CSVFile,
        MPLImagePlot,
        MPLLinePlot,
        MPLVectorFieldPlot,
        NPZFile,
        PyQtLinePlot,
        RecorderOptions,
        VideoFile,
    )

_REFUSED = {
    "TrajectoryFile": "it is Genesis's file of a whole scene; scene.save_checkpoint(path) keeps a state, and "
    "gs.recorders.NPZFile what a function returns"
}

__all__ = [
    "CSVFile",
    "MPLImagePlot",
    "MPLLinePlot",
    "MPLVectorFieldPlot",
    "NPZFile",
    "PyQtLinePlot",
    "RecorderOptions",
    "VideoFile",
]


def __getattr__(name: str) -> Any:
    if name in _REFUSED:
        raise UnknownNameError(f"gs.recorders.{name}, which Genesis has, is not here: {_REFUSED[name]}.")
    if name not in __all__:
        return importlib.import_module("genesis.compat.table").attribute_of(__name__, name)
    value = getattr(importlib.import_module("genesis.recorders.options"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
