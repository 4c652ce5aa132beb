"""What options and materials of a scene say of contact, written into the shapes of an entity's spec."""

from __future__ import annotations

from typing import Any

import mujoco
import numpy as np

_TORSIONAL, _ROLLING = 4, 6  # `condim`: sliding and spin; and rolling too
_DEFAULT_SOLREF = (0.02, 1.0)
_LEAST_STEPS = 2.0  # a time constant below two steps is unstable; MuJoCo raises it too (flag refsafe)


def apply(spec: mujoco.MjSpec, rigid_options: Any, timestep: float) -> None:
    """`condim` and `solref` of the shapes of a spec, where `rigid_options` (or None) asks for it.

    The time constant [s] is for shapes with MuJoCo's default only: a file cannot be told from one that says the same.
    """
    least = 0
    if getattr(rigid_options, "enable_torsional_friction", None):
        least = _TORSIONAL
    if getattr(rigid_options, "enable_rolling_friction", None):
        least = _ROLLING
    timeconst = getattr(rigid_options, "timeconst", None)
    for geom in spec.geoms:
        if least and geom.condim < least:
            geom.condim = least
        if timeconst is not None and np.array_equal(geom.solref, _DEFAULT_SOLREF):
            geom.solref = [max(timeconst, _LEAST_STEPS * timestep), _DEFAULT_SOLREF[1]]


def apply_frictions(spec: mujoco.MjSpec, material: Any) -> None:
    """Coefficients of sliding, torsional [m] and rolling [m] friction of a material, where it says them."""
    said = (material.friction, material.friction_torsional, material.friction_rolling)
    for geom in spec.geoms:
        geom.friction = [old if new is None else new for old, new in zip(geom.friction, said, strict=True)]
