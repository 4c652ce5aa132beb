"""What the descriptions of all sensors have in common."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, StrictBool, field_validator, model_validator

from genesis.options import NonNegative, Number, Options, UnitInterval, Vec3, plain_numbers


def _three(value: Any) -> Any:
    """A number three times, anything else as plain numbers."""
    value = plain_numbers(value)
    return (value,) * 3 if isinstance(value, (int, float)) and not isinstance(value, bool) else value


LaxVec3 = Annotated[tuple[float, float, float], BeforeValidator(_three)]
NonNegativeNumber = Annotated[float, Field(ge=0)]
LaxNonNegativeVec3 = Annotated[tuple[NonNegativeNumber, NonNegativeNumber, NonNegativeNumber], BeforeValidator(_three)]
_Unbounded = Annotated[float, Field(ge=0, allow_inf_nan=True)]
LaxUnboundedVec3 = Annotated[tuple[_Unbounded, _Unbounded, _Unbounded], BeforeValidator(_three)]
Color4 = Annotated[tuple[UnitInterval, UnitInterval, UnitInterval, UnitInterval], BeforeValidator(plain_numbers)]
Color3 = Annotated[tuple[UnitInterval, UnitInterval, UnitInterval], BeforeValidator(plain_numbers)]
Numbers = Annotated[tuple[float, ...], BeforeValidator(plain_numbers)]
NonNegativeNumbers = Annotated[tuple[NonNegativeNumber, ...], BeforeValidator(plain_numbers)]
Index = Annotated[int, Field(ge=0, strict=True), BeforeValidator(plain_numbers)]
Indices = Annotated[tuple[Index, ...], BeforeValidator(plain_numbers)]


class SensorOptions(Options):
    """Base of every sensor.

    Parameters
    ----------
    delay
        How old what `read()` returns is [s], rounded to whole steps. The ground truth is not delayed.
    jitter
        Largest additional delay [s], drawn uniformly for each environment and step; at most `delay`, and at most one
        step. A part of a step counts as a whole one with that probability.
    history_length
        With n > 0, what is read has an axis of the last n steps, the newest first, after that of the environments; the
        delay does not apply then.
    update_ground_truth_only
        `read()` returns the ground truth: no imperfection, no delay.
    interpolate
        With `jitter`, interpolate linearly between two steps instead of choosing one of them.
    draw_debug
        Whether the viewer draws the sensor. Nothing is drawn by this version.
    """

    delay: NonNegative = 0.0
    jitter: NonNegative = 0.0
    history_length: Annotated[int, Field(ge=0, strict=True)] = 0
    update_ground_truth_only: StrictBool = False
    interpolate: StrictBool = False
    draw_debug: StrictBool = False

    @model_validator(mode="after")
    def _jitter_fits(self) -> SensorOptions:
        if self.jitter > self.delay:
            raise ValueError(
                f"jitter={self.jitter} is larger than delay={self.delay}: what is measured later cannot be read"
            )
        return self


class AttachedOptions(SensorOptions):
    """A sensor that sits on a link.

    Parameters
    ----------
    entity_idx
        Number of the entity in the scene (`entity.idx`); -1 or None: the sensor is fixed to the world.
    link_idx_local
        Number of the link in the entity (`link.idx_local`).
    pos_offset
        Where the sensor is in the link's frame [m].
    euler_offset
        How it is turned against the link: roll, pitch and yaw [degree], the rotation Rz Ry Rx.
    """

    entity_idx: Annotated[int, Field(ge=-1, strict=True), BeforeValidator(plain_numbers)] = -1
    link_idx_local: Index = 0
    pos_offset: Vec3 = (0.0, 0.0, 0.0)
    euler_offset: Vec3 = (0.0, 0.0, 0.0)

    @field_validator("entity_idx", mode="before")
    @classmethod
    def _none_is_the_world(cls, value: Any) -> Any:
        return -1 if value is None else value


class NoisyOptions(SensorOptions):
    """A sensor with imperfections, added in this order; a number counts for all values, or one number for each.

    Parameters
    ----------
    random_walk
        Standard deviation of a step of a random walk, which adds up since the environment was reset.
    noise
        Standard deviation of white noise.
    bias
        What is added.
    resolution
        Values are rounded to multiples of it; 0: not at all. The gradient passes as if they were not.
    """

    resolution: Number | NonNegativeNumbers = 0.0
    bias: Number | Numbers = 0.0
    noise: Number | NonNegativeNumbers = 0.0
    random_walk: Number | NonNegativeNumbers = 0.0


class ContactFilterOptions(AttachedOptions):
    """A sensor of the contacts of its link.

    Parameters
    ----------
    filter_link_idx
        Numbers in the scene (`link.idx`) of links whose contacts with the sensor's do not count.
    """

    filter_link_idx: Indices = ()


def count_of(values: Any) -> int:
    """How many points a flat list or a grid of points holds."""
    first = values[0]
    return len(values) * len(first) if isinstance(first[0], Sequence) else len(values)
