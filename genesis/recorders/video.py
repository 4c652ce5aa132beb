"""Films."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np

from genesis import runtime
from genesis.errors import GenesisException
from genesis.recorders.files import make_folder
from genesis.recorders.options import RecorderOptions, VideoFile
from genesis.recorders.recorder import Recorder


class VideoRecorder(Recorder):
    """Encodes each record as a picture of a film, on a thread of its own."""

    options: VideoFile
    run_in_thread = True

    def __init__(self, data_func: Callable[[], Any], options: RecorderOptions, dt: float) -> None:
        require_encoder("VideoFile")
        super().__init__(data_func, options, dt)

    def begin(self) -> None:
        fps = self.options.fps or 1.0 / (self.steps_per_sample * self._dt)
        self._film = Film(self.options, fps)

    def process(self, data: Any, time: float) -> None:
        self._film.add(np.asarray(data))

    def finish(self) -> None:
        self._film.close()


def require_encoder(owner: str) -> None:
    """Raises GenesisException where no package that writes films is installed."""
    if not (_is_there("av") or (_is_there("imageio") and _is_there("imageio_ffmpeg"))):
        raise GenesisException(
            f"{owner}: no package that writes films is installed. `pip install av`, or `pip install imageio[ffmpeg]`."
        )


def _is_there(package: str) -> bool:
    return importlib.util.find_spec(package) is not None


class Film:
    """A film that is being written. Raises GenesisException for pictures that are none, or of different sizes."""

    def __init__(self, options: VideoFile, fps: float) -> None:
        self._options, self._fps = options, fps
        make_folder(options.filename)
        self._write: Callable[[np.ndarray], None] | None = None
        self._end: Callable[[], None] = lambda: None
        self._shape: tuple[int, ...] = ()

    def add(self, picture: np.ndarray) -> None:
        """A picture more, (height, width) or (height, width, 1 or 3) uint8."""
        if picture.ndim == 2:
            picture = picture[..., None]
        if picture.ndim != 3 or picture.shape[2] not in (1, 3) or picture.dtype != np.uint8:
            raise GenesisException(
                f"VideoFile: a record has shape {picture.shape} and type {picture.dtype}; expected a picture, "
                "(height, width) or (height, width, 3) of uint8."
            )
        if self._shape and picture.shape != self._shape:
            raise GenesisException(f"VideoFile: a picture has shape {picture.shape}, those before have {self._shape}.")
        self._shape = picture.shape
        picture = np.broadcast_to(picture, (*picture.shape[:2], 3))
        # Codecs want even sides.
        even = np.pad(picture, ((0, picture.shape[0] % 2), (0, picture.shape[1] % 2), (0, 0)), mode="edge")
        if self._write is None:
            self._write = (self._by_av if _is_there("av") else self._by_imageio)(even.shape[1], even.shape[0])
        self._write(np.ascontiguousarray(even))

    def close(self) -> None:
        """Write the end."""
        if self._write is not None:
            self._end()
            self._write = None
            runtime.logger.info("VideoFile: wrote %s.", self._options.filename)

    def _by_av(self, width: int, height: int) -> Callable[[np.ndarray], None]:
        av = importlib.import_module("av")
        container = av.open(self._options.filename, mode="w")
        if self._options.name:
            container.metadata["title"] = self._options.name
        stream = container.add_stream(
            self._options.codec or "libx264",
            rate=Fraction(self._fps).limit_denominator(65535),
            options=dict(self._options.codec_options),
        )
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.bit_rate = int(self._options.bitrate * 1e6)

        def write(picture: np.ndarray) -> None:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))

        def end() -> None:
            container.mux(stream.encode())
            container.close()

        self._end = end
        return write

    def _by_imageio(self, _width: int, _height: int) -> Callable[[np.ndarray], None]:
        imageio = importlib.import_module("imageio")
        more = [word for key, value in self._options.codec_options.items() for word in (f"-{key}", value)]
        if self._options.name:
            more += ["-metadata", f"title={self._options.name}"]
        writer = imageio.get_writer(
            self._options.filename,
            fps=self._fps,
            codec=self._options.codec or "libx264",
            bitrate=int(self._options.bitrate * 1e6),
            ffmpeg_params=more,
            macro_block_size=1,
        )
        self._end = writer.close
        return writer.append_data
