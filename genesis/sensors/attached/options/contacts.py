"""Sensors of the contacts of a link."""

from __future__ import annotations

import math

from pydantic import model_validator

from genesis.options import NonNegative, Positive
from genesis.sensors.attached.options.base import (
    Color4,
    ContactFilterOptions,
    LaxNonNegativeVec3,
    LaxUnboundedVec3,
    NoisyOptions,
)


class Contact(ContactFilterOptions, NoisyOptions):
    """Whether a link touches anything: `read()` returns ([n_envs,] 1) bool.

    Parameters
    ----------
    threshold
        Number of contacts, imperfections included, above which it says yes.
    debug_sphere_radius, debug_color
        How it is drawn. Nothing is drawn by this version.
    """

    threshold: NonNegative = 0.0
    debug_sphere_radius: Positive = 0.05
    debug_color: Color4 = (1.0, 0.0, 1.0, 0.5)


class ContactForce(ContactFilterOptions, NoisyOptions):
    """Sum of the contact forces on a link [N], in the link's frame: `read()` returns ([n_envs,] 3).

    Parameters
    ----------
    min_force
        What is smaller along an axis counts as zero; a number or three.
    max_force
        What is larger along an axis counts as this.
    debug_color, debug_scale
        How it is drawn. Nothing is drawn by this version.
    """

    resolution: LaxNonNegativeVec3 = (0.0, 0.0, 0.0)
    min_force: LaxNonNegativeVec3 = (0.0, 0.0, 0.0)
    max_force: LaxUnboundedVec3 = (math.inf, math.inf, math.inf)
    debug_color: Color4 = (1.0, 0.0, 1.0, 0.5)
    debug_scale: Positive = 0.01

    @model_validator(mode="after")
    def _bounds_fit(self) -> ContactForce:
        if any(high <= low for low, high in zip(self.min_force, self.max_force, strict=True)):
            raise ValueError(f"min_force={self.min_force} is not below max_force={self.max_force}")
        return self
