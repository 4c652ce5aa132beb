"""Pictures of an identification."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from genesis.errors import GenesisException

_MOST_CHANNELS, _MOST_ESTIMATES = 12, 60


class Drawn(Protocol):
    """What is drawn: an `Identification`."""

    channels: list[Any]
    estimates: list[Any]
    correlation: np.ndarray


def plot(result: Drawn, path: Path) -> None:
    """Residuals per channel over time, estimates with errors relative to the start, and their correlation.

    Raises GenesisException without matplotlib, and when the file cannot be written.
    """
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError:
        raise GenesisException("Identification.plot needs matplotlib: pip install matplotlib.") from None
    channels = result.channels[:_MOST_CHANNELS]
    estimates = [e for e in result.estimates if e.determined][:_MOST_ESTIMATES]
    height = max(1.1 * len(channels), 0.2 * len(estimates), 4.0)
    figure = Figure(figsize=(16, height + 1), layout="constrained")
    FigureCanvasAgg(figure)
    columns: Any = figure.subfigures(1, 3, width_ratios=(1.3, 1.0, 1.0))
    left, middle, right = columns
    for axes, channel in zip(
        np.atleast_1d(left.subplots(len(channels), 1, squeeze=False)[:, 0]), channels, strict=True
    ):
        axes.plot(channel.times, channel.residuals, ".", markersize=2)
        for level in (-channel.sigma, channel.sigma):
            axes.axhline(level, color="grey", linewidth=0.6)
        axes.set_title(f"{channel.name} {f'[{channel.unit}]' if channel.unit else ''}", fontsize=7)
        axes.tick_params(labelsize=6)
    left.suptitle("residuals over time [s]; lines: noise")
    _estimates(middle.subplots(), estimates)
    _correlation(right, result)
    try:
        figure.savefig(path, dpi=120)
    except (OSError, ValueError) as error:
        raise GenesisException(f"Identification.plot: {path} cannot be written: {error}.") from None


def _estimates(axes: Any, estimates: list[Any]) -> None:
    """Each with an interval of 95 %, in units of the start where that is not zero."""
    for k, e in enumerate(estimates):
        scale = abs(e.start) if abs(e.start) > 1e-9 * abs(e.value) and e.start else abs(e.value) or 1.0
        error = 0.0 if math.isnan(e.error) else 1.96 * e.error / scale
        axes.errorbar(e.value / scale, k, xerr=error, fmt="o", markersize=3, color="C0", capsize=2)
        axes.plot(e.start / scale, k, "|", color="grey")
    axes.set_yticks(range(len(estimates)), [e.name for e in estimates], fontsize=6)
    axes.invert_yaxis()
    axes.set_title("estimates and 95 % intervals, in units of the start (grey)", fontsize=8)


def _correlation(figure: Any, result: Drawn) -> None:
    known = [k for k, e in enumerate(result.estimates) if e.determined][:_MOST_ESTIMATES]
    axes = figure.subplots()
    axes.set_title("correlation", fontsize=8)
    if not known:
        axes.axis("off")
        return
    image = axes.imshow(result.correlation[np.ix_(known, known)], vmin=-1, vmax=1, cmap="RdBu_r")
    figure.colorbar(image, shrink=0.5)
    axes.set_yticks(range(len(known)), [result.estimates[k].name for k in known], fontsize=5)
    axes.set_xticks([])
