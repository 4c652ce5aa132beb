"""Textures: one color, or an image, spread over a surface. Nothing is drawn by this version: kept, no effect."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import BeforeValidator, model_validator

from genesis import asset_files
from genesis.errors import GenesisException
from genesis.options import Options, UnitInterval, plain_numbers

_IMAGES = (".png", ".jpg", ".jpeg", ".bmp", ".tga", ".dds", ".hdr", ".exr")


def _channels(value: Any) -> Any:
    value = plain_numbers(value)
    return (value,) if isinstance(value, (int, float)) and not isinstance(value, bool) else value


Channels = Annotated[tuple[UnitInterval, ...], BeforeValidator(_channels)]


class Texture(Options):
    """Base of all textures; not used by itself."""


class ColorTexture(Texture):
    """One color: any number of channels, each from 0 to 1."""

    color: Channels = (1.0, 1.0, 1.0)


class ImageTexture(Texture):
    """An image.

    Parameters
    ----------
    image_path, image_array
        Its file, looked for as assets are, or its pixels, shape (height, width[, channels]): one of the two.
    image_color
        Factor on each channel, from 0 to 1; ``None``: 1.
    encoding
        "srgb" or "linear".
    """

    image_path: str | None = None
    image_array: np.ndarray | None = None
    image_color: Channels | None = None
    encoding: Literal["srgb", "linear"] = "srgb"

    @model_validator(mode="after")
    def _one_source(self) -> ImageTexture:
        if (self.image_path is None) == (self.image_array is None):
            raise ValueError("give image_path or image_array, one of the two")
        if self.image_path is not None:
            self.__dict__["image_path"] = str(asset_files.find(self.image_path))
        elif self.image_array.ndim not in (2, 3):  # type: ignore[union-attr]
            raise ValueError("image_array: expected shape (height, width) or (height, width, channels)")
        return self


class BatchTexture(Texture):
    """Textures of which each environment takes one, in turn."""

    textures: tuple[Texture | None, ...] = ()

    @staticmethod
    def from_images(
        image_paths: Sequence[str] | None = None,
        image_folder: str | None = None,
        image_arrays: Sequence[np.ndarray] | None = None,
        image_colors: Any = None,
        encoding: Literal["srgb", "linear"] = "srgb",
    ) -> BatchTexture:
        """One ``ImageTexture`` for each path, image of a folder, or array; ``image_colors``: one for all, or each."""
        given = [value for value in (image_paths, image_folder, image_arrays) if value is not None]
        if len(given) != 1:
            raise GenesisException("BatchTexture.from_images: give image_paths, image_folder or image_arrays, one.")
        if image_folder is not None:
            folder = asset_files.find(image_folder, kind="folder")
            image_paths = [str(p) for p in sorted(Path(folder).iterdir()) if p.suffix.lower() in _IMAGES]
        name = "image_array" if image_arrays is not None else "image_path"
        sources: list[Any] = list(image_arrays if image_arrays is not None else image_paths or ())
        if not sources:
            raise GenesisException("BatchTexture.from_images: there is no image.")
        if image_colors is None or isinstance(image_colors[0], float):
            image_colors = [image_colors] * len(sources)
        if len(image_colors) != len(sources):
            raise GenesisException(
                f"BatchTexture.from_images: {len(image_colors)} colors for {len(sources)} images; give one for each."
            )
        images = [
            ImageTexture(**{name: source}, image_color=color, encoding=encoding)
            for source, color in zip(sources, image_colors, strict=True)
        ]
        return BatchTexture(textures=tuple(images))

    @staticmethod
    def from_colors(colors: Sequence[Sequence[float]]) -> BatchTexture:
        """One ``ColorTexture`` for each color."""
        return BatchTexture(textures=tuple(ColorTexture(color=tuple(color)) for color in colors))
