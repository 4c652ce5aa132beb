"""Surfaces: what an entity looks like. No effect on the physics."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, StrictBool

from genesis.options import Color, Number, Options, Positive, UnitInterval, plain_numbers
from genesis.textures import ColorTexture, Texture

__path__: list[str] = []  # names of Genesis that are not here are explained by genesis.compat


def __getattr__(name: str) -> Any:
    from genesis.compat.table import attribute_of

    return attribute_of(__name__, name)


Vec4 = Annotated[tuple[float, float, float, float], BeforeValidator(plain_numbers)]


def _rgb_or_rgba(value: Any) -> Any:
    value = plain_numbers(value)
    in_range = isinstance(value, (tuple, list)) and all(isinstance(x, (int, float)) and 0 <= x <= 1 for x in value)
    if not in_range or len(value) not in (3, 4):
        raise ValueError("expected three or four numbers from 0 to 1 (red, green, blue, opacity)")
    return tuple(map(float, value))


_SHORTCUTS = {
    "color": "diffuse_texture",
    "opacity": "opacity_texture",
    "roughness": "roughness_texture",
    "metallic": "metallic_texture",
    "emissive": "emissive_texture",
    "thickness": "thickness_texture",
}


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
        ``"visual"`` draws the visual geometry, ``"collision"`` the collision geometry; ``"sdf"``, ``"particle"`` and
        ``"recon"`` are for what is not here.
    smooth, double_sided
        Whether normals are interpolated, and whether both sides of a face are drawn.
    default_roughness, cutoff, normal_diff_clamp
        Roughness where neither surface nor file says one; angle of emission, and from which angle between faces on
        normals are not interpolated [degree].
    diffuse_texture, specular_texture, opacity_texture, roughness_texture, metallic_texture, normal_texture, \
    emissive_texture, transmission_texture, thickness_texture
        A ``gs.textures`` texture each. Not together with the number or color of the same meaning. A ``ColorTexture``
        given as the diffuse texture is the color.
    thickness, subsurface, specular_trans, diffuse_trans
        How light passes through, for ray tracing.
    recon_backend, generate_foam, foam_options
        How Genesis draws liquids, which are not here.
    """

    idle: ClassVar[frozenset[str]] = frozenset({"recon_backend", "generate_foam", "foam_options"})

    color: Annotated[tuple[float, ...], BeforeValidator(_rgb_or_rgba)] | None = None
    opacity: UnitInterval | None = None
    roughness: UnitInterval | None = None
    metallic: UnitInterval | None = None
    emissive: Color | None = None
    ior: Positive | None = None
    vis_mode: Literal["visual", "collision", "sdf", "particle", "recon"] | None = None
    smooth: StrictBool = True
    double_sided: StrictBool | None = None
    default_roughness: UnitInterval = 1.0
    cutoff: Number = 180.0
    normal_diff_clamp: Number = 180.0
    diffuse_texture: Texture | None = None
    specular_texture: Texture | None = None
    opacity_texture: Texture | None = None
    roughness_texture: Texture | None = None
    metallic_texture: Texture | None = None
    normal_texture: Texture | None = None
    emissive_texture: Texture | None = None
    transmission_texture: Texture | None = None
    thickness_texture: Texture | None = None
    thickness: Number | None = None
    subsurface: StrictBool = False
    specular_trans: Number = 0.0
    diffuse_trans: Number = 0.0
    recon_backend: Literal["splashsurf", "openvdb"] = "splashsurf"
    generate_foam: StrictBool = False
    foam_options: Any = None

    def model_post_init(self, context: Any) -> None:
        for short, texture in _SHORTCUTS.items():
            if short in self.model_fields_set and None not in (getattr(self, short), getattr(self, texture)):
                raise ValueError(f"{short} and {texture} mean the same: give one of them")
        if self.color is not None and len(self.color) == 4 and self.opacity is not None:
            raise ValueError(f"color={self.color} has an opacity already: leave out opacity={self.opacity}")

    @property
    def rgba(self) -> tuple[float, float, float, float] | None:
        """Red, green, blue, opacity, each from 0 to 1; ``None`` where no colour is given."""
        color = self.color
        if color is None and isinstance(self.diffuse_texture, ColorTexture) and len(self.diffuse_texture.color) >= 3:
            color = self.diffuse_texture.color
        if color is None:
            return None
        red, green, blue, *opacity = (*color, 1.0 if self.opacity is None else self.opacity)
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


MetalType = Literal["aluminium", "gold", "copper", "brass", "iron", "titanium", "vanadium", "lithium"]


class Metal(Surface):
    """A metallic surface. ``metal_type``: of which metal."""

    metal_type: MetalType = "iron"
    roughness: UnitInterval | None = 0.1
    metallic: UnitInterval | None = 1.0


class Glass(Surface):
    """A glass surface."""

    roughness: UnitInterval | None = 0.0
    ior: Positive | None = 1.5


class Emission(Surface):
    """A surface that gives off light."""

    emissive: Color | None = (1.0, 1.0, 1.0)


class BSDF(Surface):
    """The most general surface: how much light it throws back and lets through."""


class Collision(Plastic):
    """Shapes that collide, drawn."""

    color: Annotated[tuple[float, ...], BeforeValidator(_rgb_or_rgba)] | None = (0.5, 0.5, 0.5)


class Water(Glass):
    """Water."""

    color: Annotated[tuple[float, ...], BeforeValidator(_rgb_or_rgba)] | None = (0.61, 0.98, 0.93)
    roughness: UnitInterval | None = 0.2
    ior: Positive | None = 1.2


class Iron(Metal):
    """Iron."""


class Aluminium(Metal):
    """Aluminium."""

    metal_type: MetalType = "aluminium"


class Copper(Metal):
    """Copper."""

    metal_type: MetalType = "copper"


class Gold(Metal):
    """Gold."""

    metal_type: MetalType = "gold"
