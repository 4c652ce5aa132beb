"""Bounce: the softness of contact (MuJoCo's solref) with which bodies part at a fraction of the speed they met with.

A contact in MuJoCo's direct form, solref = (-stiffness, -damping), is a spring and a damper per unit of mass:
r'' = -w^2 r - 2 z w r', as long as they push. From the first touch r = 0, r' = -v until the push ends, at r'' = 0, the
speed falls to e v with

    e = exp(-z / s (pi - atan2(2 z s, 1 - 2 z^2)))    s = sqrt(1 - z^2), z < 1

(the time at which the push ends, put into the solution). The frequency w decides how long a contact lasts, about
pi / w, and how deep bodies go, about v / w: as many steps as it takes to resolve it.
"""

from __future__ import annotations

import math

# Steps that a contact lasts, about. Fewer: the rebound depends on where within a step the bodies meet. More: they go
# deeper.
_STEPS = 8.0
_BISECTIONS = 60


def solref(restitution: float, timestep: float) -> tuple[float, float]:
    """MuJoCo's direct solref, (-stiffness [1/s^2], -damping [1/s]), for a restitution in (0, 1] and a step [s].

    Below exp(-2) that of exp(-2), critically damped: more damping would stop bodies within a step, and less stiffness
    let them sink in where they rest.
    """
    frequency = math.pi / (_STEPS * timestep)
    low, high = 0.0, 1.0
    for _ in range(_BISECTIONS):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if _restitution_of(middle) > restitution else (low, middle)
    return -(frequency**2), -2.0 * low * frequency


def _restitution_of(ratio: float) -> float:
    """Of a damping ratio z."""
    s = math.sqrt(1.0 - ratio**2)
    return math.exp(-ratio / s * (math.pi - math.atan2(2.0 * ratio * s, 1.0 - 2.0 * ratio**2))) if s else 0.0
