"""Renderers: which one draws images of cameras. Nothing is drawn by this version: kept with the scene, no effect."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, StrictBool, model_validator

from genesis.options import NonNegativeInt, Number, Options, Positive, PositiveInt, Vec3
from genesis.surfaces import Surface, Vec4


class SphereLight(Options):
    """A ball that gives light: where it is [m], its color, intensity and radius [m]."""

    pos: Vec3 = (0.0, 0.0, 10.0)
    color: Vec3 = (1.0, 1.0, 1.0)
    intensity: Number = 1.0
    radius: Positive = 4.0


class RendererOptions(Options):
    """Base of the renderers; not used by itself."""


class Rasterizer(RendererOptions):
    """Triangles drawn one after the other; what is drawn besides them stands in ``VisOptions``."""


class RayTracer(RendererOptions):
    """Light followed along rays.

    Parameters
    ----------
    device_index, logging_level, state_limit, tracing_depth, rr_depth, rr_threshold, normal_diff_clamp, cuda_device
        Which device it uses, and how far it goes; the last is an older name of the first.
    env_surface, env_radius, env_pos, env_euler, env_quat
        The sphere around the scene that is its background: surface, radius [m], place [m] and orientation [degree].
    lights
        Balls that give light, each a ``SphereLight`` or a dictionary.
    """

    device_index: NonNegativeInt | None = None
    cuda_device: NonNegativeInt | None = None
    logging_level: Literal["debug", "info", "warning"] = "warning"
    state_limit: PositiveInt = 2**25
    tracing_depth: PositiveInt = 32
    rr_depth: NonNegativeInt = 0
    rr_threshold: Positive = 0.95
    env_surface: Surface | None = None
    env_radius: Positive = 1000.0
    env_pos: Vec3 = (0.0, 0.0, 0.0)
    env_euler: Vec3 | None = None
    env_quat: Vec4 | None = None
    lights: tuple[SphereLight, ...] = (SphereLight(intensity=10.0),)
    normal_diff_clamp: Annotated[Number, Field(ge=0, le=180)] = 180.0

    @model_validator(mode="before")
    @classmethod
    def _lights(cls, data: Any) -> Any:
        lights = data.get("lights")
        if isinstance(lights, (list, tuple)):
            data["lights"] = tuple(SphereLight(**light) if isinstance(light, dict) else light for light in lights)
        return data


class BatchRenderer(RendererOptions):
    """Images of many envs at once. ``use_rasterizer``: by triangles instead of rays."""

    use_rasterizer: StrictBool = False
