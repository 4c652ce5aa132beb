"""Plots, with matplotlib: in a window where there is a display, and kept as a film or picture."""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
from collections import deque
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from genesis import runtime
from genesis.errors import GenesisException
from genesis.recorders.files import make_folder
from genesis.recorders.options import (
    MPLImagePlot,
    MPLLinePlot,
    MPLVectorFieldPlot,
    PlotOptions,
    RecorderOptions,
    VideoFile,
)
from genesis.recorders.recorder import Recorder, flat
from genesis.recorders.video import Film, require_encoder

_DPI = 100.0


def has_display() -> bool:
    """Whether windows can be shown."""
    return sys.platform in ("win32", "darwin") or any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY"))


class Plot(Recorder):
    """A figure that is drawn anew after each record, if anyone sees it.

    A kind of plot keeps a record (`keep`), and draws what it kept (`draw`).
    """

    options: PlotOptions

    def __init__(self, data_func: Callable[[], Any], options: RecorderOptions, dt: float) -> None:
        super().__init__(data_func, options, dt)
        name, path = type(options).__name__, self.options.save_to_filename
        self._shows = has_display() if self.options.show_window is None else self.options.show_window
        self._films = path is not None and Path(path).suffix.lower() == ".mp4"
        self._draws = self._shows or path is not None
        if self._draws and importlib.util.find_spec("matplotlib") is None:
            raise GenesisException(f"{name}: the package matplotlib is not installed. `pip install matplotlib`.")
        if self._films:
            require_encoder(name)
        if not self._draws:
            runtime.logger.warning(
                f"{name}: there is no display, so nothing is shown; pass save_to_filename=... to keep it in a file."
            )

    def keep(self, data: Any, time: float) -> None:
        """Take a record."""
        raise NotImplementedError

    def draw(self, figure: Any) -> None:
        """Draw what was kept on a figure of matplotlib's, which is empty."""
        raise NotImplementedError

    def begin(self) -> None:
        self._figure: Any = None
        self._film: Film | None = None
        path = self.options.save_to_filename
        if path is not None:
            make_folder(path)

    def process(self, data: Any, time: float) -> None:
        self.keep(data, time)
        if not (self._shows or self._films):
            return
        self._drawn()
        if self._shows:
            self._figure.canvas.draw_idle()
            self._figure.canvas.flush_events()
        if self._films:
            if self._film is None:
                assert self.options.save_to_filename is not None
                fps = 1.0 / (self.steps_per_sample * self._dt)
                self._film = Film(VideoFile(filename=self.options.save_to_filename), fps)
            self._film.add(self.get_image_array())

    def get_image_array(self) -> np.ndarray:
        """The plot as a picture, (height, width, 3) uint8."""
        self._drawn()
        agg = importlib.import_module("matplotlib.backends.backend_agg")
        canvas = agg.FigureCanvasAgg(self._figure)
        canvas.draw()
        return np.asarray(canvas.buffer_rgba())[..., :3].copy()

    def _drawn(self) -> None:
        if self._figure is None:
            size = tuple(pixels / _DPI for pixels in self.options.window_size)
            if self._shows:
                plt = importlib.import_module("matplotlib.pyplot")
                plt.ion()
                self._figure = plt.figure(self.options.title or None, figsize=size, dpi=_DPI)
                self._figure.show()
            else:
                self._figure = importlib.import_module("matplotlib.figure").Figure(figsize=size, dpi=_DPI)
        self._figure.clear()
        self._figure.suptitle(self.options.title)
        self.draw(self._figure)

    def finish(self) -> None:
        path = self.options.save_to_filename
        if self._film is not None:
            self._film.close()
        elif path is not None:
            self._drawn()
            try:
                self._figure.savefig(path)
            except (OSError, ValueError) as error:
                raise GenesisException(f"{type(self.options).__name__}: {path!r} cannot be written: {error}") from None
        if self._shows and self._figure is not None:
            importlib.import_module("matplotlib.pyplot").close(self._figure)


class LinePlot(Plot):
    """Lines over time."""

    options: MPLLinePlot

    def begin(self) -> None:
        super().begin()
        self.x_data: deque[float] = deque(maxlen=self.options.history_length)
        self._lines: dict[str, deque[list[float]]] = {}

    def keep(self, data: Any, time: float) -> None:
        owner, labels = type(self.options).__name__, self.options.labels
        parts = data if isinstance(data, Mapping) else {"": data}
        if isinstance(labels, dict) and labels.keys() != parts.keys():
            raise GenesisException(f"{owner}: `labels` has {sorted(labels)}, what is recorded has {sorted(parts)}.")
        values = {name: [float(x) for x in flat(part, owner)] for name, part in parts.items()}
        for name, numbers in values.items():
            given = self._names(name)
            if given is not None and len(given) != len(numbers):
                raise GenesisException(
                    f"{owner}: {len(given)} labels for {len(numbers)} numbers{f' of {name!r}' if name else ''}."
                )
        self.x_data.append(time)
        for name, numbers in values.items():
            self._lines.setdefault(name, deque(maxlen=self.options.history_length)).append(numbers)

    def _names(self, part: str) -> tuple[str, ...] | None:
        labels = self.options.labels
        return labels.get(part) if isinstance(labels, dict) else labels

    def draw(self, figure: Any) -> None:
        axes = figure.subplots(max(len(self._lines), 1), 1, squeeze=False)[:, 0]
        log = self.options.y_log_scale
        for axis, (name, rows) in zip(axes, self._lines.items(), strict=False):
            for k, column in enumerate(zip(*rows, strict=True)):
                given = self._names(name)
                axis.plot(list(self.x_data)[-len(column) :], column, label=given[k] if given else None)
            if self._names(name):
                axis.legend(loc="upper left")
            axis.set_title(name)
            axis.set_xlabel(self.options.x_label)
            axis.set_ylabel(self.options.y_label)
            if log is True or (isinstance(log, tuple) and name in log):
                axis.set_yscale("log")

    def forget(self) -> None:
        self.x_data.clear()
        self._lines = {}


class ImagePlot(Plot):
    """A picture."""

    options: MPLImagePlot

    def begin(self) -> None:
        super().begin()
        self._picture = np.zeros((1, 1))

    def keep(self, data: Any, time: float) -> None:
        picture = np.asarray(data)
        if picture.ndim not in (2, 3) or (picture.ndim == 3 and picture.shape[2] not in (1, 3, 4)):
            raise GenesisException(
                f"MPLImagePlot: a record has shape {picture.shape}; expected (height, width[, 1, 3 or 4])."
            )
        self._picture = picture[..., 0] if picture.ndim == 3 and picture.shape[2] == 1 else picture

    def draw(self, figure: Any) -> None:
        axis = figure.subplots()
        axis.imshow(self._picture)
        axis.set_axis_off()


class VectorPlot(Plot):
    """Vectors at points, seen along a direction."""

    options: MPLVectorFieldPlot

    def begin(self) -> None:
        super().begin()
        normal = np.array(self.options.normal) / np.linalg.norm(self.options.normal)
        side = np.eye(3)[np.argmin(np.abs(normal))]
        across = np.cross(side, normal)
        across /= np.linalg.norm(across)
        self._axes = np.stack([across, np.cross(normal, across)])
        self._points = np.array(self.options.positions) @ self._axes.T
        self._vectors = np.zeros((len(self._points), 3))

    def keep(self, data: Any, time: float) -> None:
        vectors = np.asarray(data, dtype=float)
        if vectors.shape != self._vectors.shape:
            raise GenesisException(
                f"MPLVectorFieldPlot: a record has shape {vectors.shape}; expected {self._vectors.shape}."
            )
        self._vectors = vectors

    def draw(self, figure: Any) -> None:
        axis = figure.subplots()
        shown = self._vectors @ self._axes.T * self.options.scale_factor
        length = np.linalg.norm(self._vectors, axis=1)
        arrows = axis.quiver(
            *self._points.T, *shown.T, length, angles="xy", scale_units="xy", scale=1.0, cmap="viridis"
        )
        arrows.set_clim(0.0, self.options.max_magnitude)
        figure.colorbar(arrows)
        axis.set_aspect("equal")
