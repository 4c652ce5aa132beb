"""What gradients are for: parameters from recorded motion, controls from a cost."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from genesis.system import Linearization, System
    from genesis.tools.identification.identify import identify
    from genesis.tools.identification.logs import Log
    from genesis.tools.identification.outputs import Output, resolve
    from genesis.tools.identification.recording import Recording
    from genesis.tools.identification.result import Identification
    from genesis.tools.identification.selection import Parameter
    from genesis.tools.trajectory_optimization import MPC, Cost, OptimizedTrajectory, ResidualCost, optimize_trajectory

# Public name -> module. Loaded when first asked for: one tool needs nothing of another.
_HOME = {
    "Linearization": "genesis.system",
    "System": "genesis.system",
    "Log": "genesis.tools.identification.logs",
    "Output": "genesis.tools.identification.outputs",
    "Recording": "genesis.tools.identification.recording",
    "Identification": "genesis.tools.identification.result",
    "Parameter": "genesis.tools.identification.selection",
    "identify": "genesis.tools.identification.identify",
    "resolve": "genesis.tools.identification.outputs",
    "Cost": "genesis.tools.trajectory_optimization",
    "MPC": "genesis.tools.trajectory_optimization",
    "OptimizedTrajectory": "genesis.tools.trajectory_optimization",
    "ResidualCost": "genesis.tools.trajectory_optimization",
    "optimize_trajectory": "genesis.tools.trajectory_optimization",
}

__all__ = [
    "MPC",
    "Cost",
    "Identification",
    "Linearization",
    "Log",
    "OptimizedTrajectory",
    "Output",
    "Parameter",
    "Recording",
    "ResidualCost",
    "System",
    "identify",
    "optimize_trajectory",
    "resolve",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(importlib.import_module(_HOME[name]), name)
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
