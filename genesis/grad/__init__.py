"""Tensors, their creation, the bridge between torch's graph and the simulation, and tools for gradients."""

import importlib
from typing import TYPE_CHECKING, Any

from genesis.grad.tensor import Tensor

if TYPE_CHECKING:
    from genesis.doctor.check import check
    from genesis.doctor.report import Report
    from genesis.grad.smoothing import Smoothed, smooth

# Imported when first used. No module has the name of one of its functions: importing it would hide the function.
_HOME = {
    "Report": "genesis.doctor.report",
    "check": "genesis.doctor.check",
    "Smoothed": "genesis.grad.smoothing",
    "smooth": "genesis.grad.smoothing",
}

__all__ = ["Report", "Smoothed", "Tensor", "check", "smooth"]


def __getattr__(name: str) -> Any:
    if name in _HOME:
        value = getattr(importlib.import_module(_HOME[name]), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module 'genesis.grad' has no attribute {name!r}")
