"""What draws in Genesis: cameras, viewer, debug shapes. This version draws nothing: they keep what they are told."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from genesis.vis import keybindings, viewer_plugins
    from genesis.vis.camera import Camera
    from genesis.vis.viewer import Viewer
    from genesis.vis.visualizer import Visualizer

_HOME = {
    "Camera": "genesis.vis.camera",
    "Viewer": "genesis.vis.viewer",
    "Visualizer": "genesis.vis.visualizer",
}
_SUBMODULES = ("camera", "keybindings", "viewer", "viewer_plugins", "visualizer")

__all__ = ["Camera", "Viewer", "Visualizer", "keybindings", "viewer_plugins"]


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(importlib.import_module(_HOME[name]), name)
    if name in _SUBMODULES:
        return importlib.import_module(f"genesis.vis.{name}")
    return importlib.import_module("genesis.compat.table").attribute_of(__name__, name)
