"""Surfaces: what an entity looks like. No effect on the physics."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, StrictBool

from genesis.options import Color, Options, Positive, UnitInterval, plain_numbers


def _rgb_or_rgba(value: Any) -> Any:
    value = plain_numbers(value)
    in_range = isinstance(value, (tuple, list)) and all(isinstance(x, (int, float)) and 0 <= x <= 1 for x in value)
    if not in_range or len(value) not in (3, 4):
        raise ValueError("expected three or four numbers from 0 to 1 (red, green, blue, opacity)")
    return tuple(map(float, value))


_NO_TEXTURE = "textures are not drawn, give color=..."


class Surface(Options):
    """Base of all surfaces. ``None`` means what the model file says, else the viewer's default.

    Parameters
    ----------
    color
        Red, green, blue, or red, green, blue, opacity, each from 0 to 1.
    opacity
        From 0 (invisible) to 1. Not together with a color of four numbers.
    roughness, metallic
        From 0 to 1.
    emissive
        Colour of the light that the surface gives off: red, green, blue, each from 0 to 1.
    ior
        Index of refraction.
    vis_mode
        ``"visual"`` draws the visual geometry, ``"collision"`` the collision geometry.
    smooth, double_sided
        Whether normals are interpolated, and whether both sides of a face are drawn.
    """

    refused: ClassVar[dict[str, str]] = dict.fromkeys(
        (
            "diffuse_texture",
            "specular_texture",
            "opacity_texture",
            "roughness_texture",
            "metallic_texture",
            "normal_texture",
            "emissive_texture",
        ),
        _NO_TEXTURE,
    )

    color: Annotated[tuple[float, ...], BeforeValidator(_rgb_or_rgba)] | None = None
    opacity: UnitInterval | None = None
    roughness: UnitInterval | None = None
    metallic: UnitInterval | None = None
    emissive: Color | None = None
    ior: Positive | None = None
    vis_mode: Literal["visual", "collision"] | None = None
    smooth: StrictBool = True
    double_sided: StrictBool | None = None

    def model_post_init(self, context: Any) -> None:
        if self.color is not None and len(self.color) == 4 and self.opacity is not None:
            raise ValueError(f"color={self.color} has an opacity already: leave out opacity={self.opacity}")

    @property
    def rgba(self) -> tuple[float, float, float, float] | None:
        """Red, green, blue, opacity, each from 0 to 1; ``None`` where no colour is given."""
        if self.color is None:
            return None
        red, green, blue, *opacity = (*self.color, 1.0 if self.opacity is None else self.opacity)
        return (red, green, blue, opacity[0])


class Default(Surface):
    """The surface of an entity for which none is given."""


class Plastic(Surface):
    """A plastic surface."""


class Rough(Surface):
    """A plastic surface without gloss."""

    roughness: UnitInterval | None = 1.0
    metallic: UnitInterval | None = 0.0


class Smooth(Surface):
    """A plastic surface with gloss."""

    roughness: UnitInterval | None = 0.1
    metallic: UnitInterval | None = 0.0


class Reflective(Surface):
    """A mirror."""

    roughness: UnitInterval | None = 0.01
    metallic: UnitInterval | None = 0.0


class Metal(Surface):
    """A metallic surface."""

    roughness: UnitInterval | None = 0.1
    metallic: UnitInterval | None = 1.0


class Glass(Surface):
    """A glass surface."""

    roughness: UnitInterval | None = 0.0
    ior: Positive | None = 1.5


class Emission(Surface):
    """A surface that gives off light."""

    emissive: Color | None = (1.0, 1.0, 1.0)
