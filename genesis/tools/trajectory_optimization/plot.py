"""The figure of a result."""

from __future__ import annotations

from typing import Protocol

import numpy as np
import torch

from genesis.errors import GenesisException
from genesis.tools.trajectory_optimization.monitor import Iteration


class Drawn(Protocol):
    """What is drawn: an `OptimizedTrajectory`."""

    cost: float
    history: list[Iteration]
    method: str
    reason: str
    control: str
    dt: float
    controls: torch.Tensor
    states: torch.Tensor
    lower: torch.Tensor
    upper: torch.Tensor


def plot(result: Drawn, path: str) -> None:
    """Cost over iterations, controls over time within their bounds, and states over time."""
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError:
        raise GenesisException("plot: matplotlib is not installed; install it (pip install matplotlib).") from None
    figure = Figure(figsize=(7.0, 8.0), layout="constrained")
    FigureCanvasAgg(figure)
    above, middle, below = figure.subplots(3, 1)

    costs = np.array([entry.cost for entry in result.history] or [result.cost])
    above.plot(costs, color="C0")
    if (costs > 0.0).all():
        above.set_yscale("log")
    above.set(xlabel="iteration", ylabel="cost", title=f"{result.method}: {result.cost:.4g}, {result.reason}")

    controls, lower, upper = (v.cpu().numpy() for v in (result.controls, result.lower, result.upper))
    times = result.dt * np.arange(len(controls) + 1)
    for i in range(controls.shape[1]):
        color = f"C{i % 10}"
        middle.stairs(controls[:, i], times, baseline=None, color=color)
        for bound in (lower[:, i], upper[:, i]):
            # Bounds that are far away would squeeze the controls together.
            if np.isfinite(bound).all() and np.abs(bound).max() <= 2.0 * np.abs(controls).max():
                middle.stairs(bound, times, baseline=None, color=color, linestyle=":", linewidth=0.8)
    middle.set(xlabel="time [s]", ylabel=f"controls ({result.control})")

    below.plot(times, result.states.cpu().numpy(), linewidth=0.9)
    below.set(xlabel="time [s]", ylabel="states")
    try:
        figure.savefig(path, dpi=150)
    except (OSError, ValueError) as error:
        raise GenesisException(f"plot: {path} cannot be written ({error}).") from None
