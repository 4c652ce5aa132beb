"""Descriptions of recorders."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, StrictBool, field_validator

from genesis.options import Options, Positive, PositiveInt, Vec3, plain_numbers

_Size = Annotated[tuple[PositiveInt, PositiveInt], BeforeValidator(plain_numbers)]


def _path(value: Any) -> Any:
    return os.fspath(value) if isinstance(value, os.PathLike) else value


FilePath = Annotated[str, Field(min_length=1), BeforeValidator(_path)]


class RecorderOptions(Options):
    """Base of every recorder.

    Parameters
    ----------
    hz
        How often is recorded [1/s of simulated time], rounded to whole steps; None: after every step.
    buffer_size
        Of files: how many records may wait to be written; 0: any number.
    buffer_full_wait_time
        How long is waited for room [s] before the oldest waiting record is dropped.
    """

    hz: Positive | None = None
    buffer_size: Annotated[int, Field(ge=0, strict=True)] = 0
    buffer_full_wait_time: Positive = 0.1


class FileOptions(RecorderOptions):
    """A recorder that writes a file, whose folder is made if it is not there.

    Parameters
    ----------
    filename
        Where.
    """

    filename: FilePath


def _with_suffix(value: str, suffix: str) -> str:
    if Path(value).suffix.lower() != suffix:
        raise ValueError(f"expected a path that ends with {suffix}")
    return value


class NPZFile(FileOptions):
    """All records in one compressed archive of arrays, written in the end: "timestamp", and "data" or the names of the
    dictionary that is recorded (or of the named tuple)."""

    @field_validator("filename")
    @classmethod
    def _is_npz(cls, value: str) -> str:
        return _with_suffix(value, ".npz")


class CSVFile(FileOptions):
    """A row per record: the time, then all numbers.

    Parameters
    ----------
    header
        Names of the columns after the time; None: made from the names of what is recorded.
    save_every_write
        Whether each row is on the disk before the next one is written.
    """

    header: tuple[str, ...] | None = None
    save_every_write: StrictBool = False

    @field_validator("filename")
    @classmethod
    def _is_csv(cls, value: str) -> str:
        return _with_suffix(value, ".csv")


class VideoFile(FileOptions):
    """A film of pictures, (height, width) or (height, width, 3) uint8; needs the package av, or imageio with ffmpeg.

    Parameters
    ----------
    fps
        Pictures per second; None: as many as are recorded, so that the film runs in simulated time.
    name
        Title of the film.
    codec
        As ffmpeg calls it; "": libx264.
    bitrate
        [Mbit/s].
    codec_options
        More options of the codec, by name.
    """

    fps: PositiveInt | None = None
    name: str = ""
    codec: str = ""
    bitrate: Positive = 1.0
    codec_options: dict[str, str] = Field(default_factory=dict)

    @field_validator("filename")
    @classmethod
    def _is_mp4(cls, value: str) -> str:
        return _with_suffix(value, ".mp4")


class PlotOptions(RecorderOptions):
    """A plot that follows what is recorded.

    Parameters
    ----------
    title
        Above it.
    window_size
        Width and height [pixel].
    save_to_filename
        Where a film (".mp4") or picture (any other ending, written in the end) of it is kept; None: nowhere.
    show_window
        Whether it is shown; None: if there is a display.
    """

    title: str = ""
    window_size: _Size = (800, 600)
    save_to_filename: FilePath | None = None
    show_window: StrictBool | None = None


def _labels(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: tuple(names) for key, names in value.items()}
    return tuple(value) if isinstance(value, (list, tuple)) else value


class MPLLinePlot(PlotOptions):
    """Lines over time, with matplotlib: of numbers, or of a dictionary of them, each with a plot of its own.

    Parameters
    ----------
    labels
        Names of the lines, or a dictionary of them.
    x_label, y_label
        Names of the axes.
    y_log_scale
        Whether the vertical axis is logarithmic, or the names of the plots in which it is.
    history_length
        How many records are shown.
    """

    labels: Annotated[tuple[str, ...] | dict[str, tuple[str, ...]] | None, BeforeValidator(_labels)] = None
    x_label: str = ""
    y_label: str = ""
    y_log_scale: Annotated[StrictBool | tuple[str, ...], BeforeValidator(_labels)] = False
    history_length: PositiveInt = 100


class PyQtLinePlot(MPLLinePlot):
    """The same; in Genesis drawn by another library. Here it is drawn by matplotlib too."""


class MPLImagePlot(PlotOptions):
    """A picture, with matplotlib: (height, width), or (height, width, 1, 3 or 4)."""


class MPLVectorFieldPlot(PlotOptions):
    """Vectors at given points, seen along a direction and coloured by length, with matplotlib: (n, 3).

    Parameters
    ----------
    positions
        The points, (n, 3).
    normal
        The direction.
    scale_factor
        By which vectors are drawn larger.
    max_magnitude
        Length of the last colour.
    """

    positions: Annotated[tuple[tuple[float, float, float], ...], Field(min_length=1), BeforeValidator(plain_numbers)]
    normal: Vec3 = (0.0, 0.0, 1.0)
    scale_factor: Positive = 1.0
    max_magnitude: Positive = 1.0

    @field_validator("normal")
    @classmethod
    def _has_a_direction(cls, value: tuple[float, ...]) -> tuple[float, ...]:
        if not any(value):
            raise ValueError("expected a direction, got zero")
        return value
