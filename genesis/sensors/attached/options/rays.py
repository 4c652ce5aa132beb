"""Sensors that cast rays."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BeforeValidator, Field, StrictBool, field_validator, model_validator

from genesis.options import NonNegative, Positive, plain_numbers
from genesis.sensors.attached.options.base import AttachedOptions, Color4, NoisyOptions
from genesis.sensors.attached.options.patterns import DepthCameraPattern, RaycastPattern

_AnyNumber = Annotated[float, Field(allow_inf_nan=True), BeforeValidator(plain_numbers)]


class Raycaster(AttachedOptions, NoisyOptions):
    """How far the nearest collision geometry is along rays, that of its own link included.

    `read()` returns a named tuple `(points, distances)`: ([n_envs,] *pattern, 3) and ([n_envs,] *pattern) [m]. A point
    is seen from where its ray starts, along the link's axes, or in the world frame; of a ray that meets nothing it is
    zero.

    Parameters
    ----------
    pattern
        Where rays start and where they go, as `gs.sensors.SphericalPattern()`.
    min_range
        Surfaces nearer than this [m] are not seen.
    max_range
        How far rays reach [m].
    no_hit_value
        The distance of a ray that meets nothing; None: `max_range`.
    return_world_frame
        Whether points are those of the world.
    return_points
        Whether points are wanted at all; else they are None.
    debug_sphere_radius, debug_ray_start_color, debug_ray_hit_color
        How it is drawn. Nothing is drawn by this version.
    """

    pattern: RaycastPattern
    min_range: NonNegative = 0.0
    max_range: Positive = 20.0
    no_hit_value: _AnyNumber | None = None
    return_world_frame: StrictBool = False
    return_points: StrictBool = True
    debug_sphere_radius: Positive = 0.02
    debug_ray_start_color: Color4 = (0.5, 0.5, 1.0, 1.0)
    debug_ray_hit_color: Color4 = (1.0, 0.5, 0.5, 1.0)

    @model_validator(mode="after")
    def _ranges_fit(self) -> Raycaster:
        if self.max_range <= self.min_range:
            raise ValueError(f"max_range={self.max_range} is not above min_range={self.min_range}")
        return self

    @property
    def value_of_no_hit(self) -> float:
        """The distance of a ray that meets nothing."""
        return self.max_range if self.no_hit_value is None else self.no_hit_value


class DepthCamera(Raycaster):
    """A depth camera by rays: a `Raycaster` whose `read_image()` returns ([n_envs,] height, width) [m].

    It looks along the x axis of its frame, with z up. Distances are those along the rays.

    Parameters
    ----------
    pattern
        A `gs.sensors.DepthCameraPattern`.
    """

    @field_validator("pattern")
    @classmethod
    def _is_of_a_camera(cls, value: Any) -> Any:
        if not isinstance(value, DepthCameraPattern):
            raise ValueError("expected a gs.sensors.DepthCameraPattern")
        return value
