"""What gradients are for: parameters from recorded motion, controls from a cost. And Genesis's tools around a loop."""

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
    from genesis.tools.loops import (
        Rate,
        RunningMean,
        Timer,
        animate,
        create_timer,
        run_in_another_thread,
        save_img_arr,
        timers,
    )
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
    "Rate": "genesis.tools.loops",
    "RunningMean": "genesis.tools.loops",
    "Timer": "genesis.tools.loops",
    "animate": "genesis.tools.loops",
    "create_timer": "genesis.tools.loops",
    "run_in_another_thread": "genesis.tools.loops",
    "save_img_arr": "genesis.tools.loops",
    "timers": "genesis.tools.loops",
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
    "Rate",
    "Recording",
    "ResidualCost",
    "RunningMean",
    "System",
    "Timer",
    "animate",
    "create_timer",
    "identify",
    "optimize_trajectory",
    "resolve",
    "run_in_another_thread",
    "save_img_arr",
    "timers",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        return importlib.import_module("genesis.compat.table").attribute_of(__name__, name)
    value = globals()[name] = getattr(importlib.import_module(_HOME[name]), name)
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
