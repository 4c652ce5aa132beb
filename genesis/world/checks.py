"""Which values a physical parameter can have: each check finds the first that is impossible, and says why."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from genesis import runtime

# An inertia is accepted when its least eigenvalue, and its slack in the triangle inequality, are above minus this
# fraction of its largest eigenvalue: rounding of a rod or a plate, whose slack is zero, stays below it in 32 bits.
INERTIA_TOLERANCE = 1e-5

# Finds the first impossible value: takes (..., n, *item), returns its index in the leading axes and what is wrong.
Check = Callable[[np.ndarray], "tuple[tuple[int, ...], str] | None"]


def _first(bad: Any) -> tuple[int, ...] | None:
    return tuple(int(i) for i in np.argwhere(bad)[0]) if bad.any() else None


def check_not_negative(values: np.ndarray) -> tuple[tuple[int, ...], str] | None:
    """Every number is at least zero."""
    where = _first(values < 0)
    return None if where is None else (where, f"is {values[where]:g}; it cannot be negative")


def check_positive(values: np.ndarray) -> tuple[tuple[int, ...], str] | None:
    """Every number is above zero."""
    where = _first(values <= 0)
    return None if where is None else (where, f"is {values[where]:g}; it must be above zero")


def check_not_negative_vector(values: np.ndarray) -> tuple[tuple[int, ...], str] | None:
    """Every number of each vector is at least zero."""
    where = _first((values < 0).any(-1))
    return None if where is None else (where, f"is {values[where].tolist()}; none can be negative")


def check_range(values: np.ndarray) -> tuple[tuple[int, ...], str] | None:
    """(lower, upper) pairs with lower <= upper; infinite means no limit on that side, NaN is refused."""
    nan = _first(np.isnan(values).any(-1))
    if nan is not None:
        return nan, "holds NaN; expected numbers (infinite: no limit)"
    where = _first(values[..., 0] > values[..., 1])
    if where is not None:
        return where, f"has lower {values[where][0]:g} above upper {values[where][1]:g}"
    where = _first((values[..., 0] == np.inf) | (values[..., 1] == -np.inf))
    if where is None:
        return None
    lower, upper = values[where]
    return where, f"has lower {lower:g} and upper {upper:g}; no finite force is between (no limit: -inf and inf)"


def check_direction(values: np.ndarray) -> tuple[tuple[int, ...], str] | None:
    """Vectors that can be normalised: not zero, and the square of the length does not overflow."""
    return _check_length(values, "it has no direction (its length is zero)")


def check_quaternion(values: np.ndarray) -> tuple[tuple[int, ...], str] | None:
    """Quaternions (w, x, y, z) that can be normalised, likewise."""
    return _check_length(values, "a quaternion of length zero is no orientation; the identity is (1, 0, 0, 0)")


def _check_length(values: np.ndarray, none: str) -> tuple[tuple[int, ...], str] | None:
    """`none`: what to say of a length of zero."""
    with np.errstate(over="ignore"):
        length = np.linalg.norm(values, axis=-1)
    where = _first(length < runtime.EPS)
    if where is not None:
        return where, f"is {values[where].tolist()}; {none}"
    longest = 0.5 * float(np.sqrt(np.finfo(runtime.np_float).max))
    where = _first(length > longest)
    if where is None:
        return None
    return where, f"is {values[where].tolist()}; it is too long to be normalised (at most {longest:.1g})"


def check_inertia(values: np.ndarray) -> tuple[tuple[int, ...], str] | None:
    """Inertias (xx, yy, zz, xy, xz, yz) that a body can have: no moment negative, none above the sum of the others."""
    if not values.size:
        return None
    xx, yy, zz, xy, xz, yz = np.moveaxis(values, -1, 0)
    full = np.stack([np.stack(row, -1) for row in ((xx, xy, xz), (xy, yy, yz), (xz, yz, zz))], -2)
    moments = np.linalg.eigvalsh(full)
    slack = INERTIA_TOLERANCE * np.abs(moments).max(-1)
    where = _first(moments[..., 0] < -slack)
    if where is not None:
        text = f"is {values[where].tolist()}, with principal moments {moments[where].tolist()}; none can be negative"
        return where, text
    where = _first(moments[..., 0] + moments[..., 1] < moments[..., 2] - slack)
    if where is None:
        return None
    return where, (
        f"is {values[where].tolist()}, with principal moments {moments[where].tolist()}; the largest is above the sum "
        "of the other two (triangle inequality), which no body has"
    )


def check_sol_params(values: np.ndarray) -> tuple[tuple[int, ...], str] | None:
    """MuJoCo's solref and solimp: (timeconst, dampratio, dmin, dmax, width, mid, power)."""
    first, second, dmin, dmax, width, mid, power = np.moveaxis(values, -1, 0)
    outside = "outside of its range"
    for bad, text in (
        ((first > 0) != (second > 0), "mixes the two forms of solref: either both its numbers are positive, or none"),
        ((dmin < 0) | (dmin > 1), f"has dmin {outside}, 0 to 1"),
        ((dmax < 0) | (dmax > 1), f"has dmax {outside}, 0 to 1"),
        (width < 0, "has a negative width"),
        ((mid < 0) | (mid > 1), f"has mid {outside}, 0 to 1"),
        (power < 1, "has a power below 1"),
    ):
        where = _first(bad)
        if where is not None:
            return (
                where,
                f"is {values[where].tolist()}; it {text} (timeconst, dampratio, dmin, dmax, width, mid, power)",
            )
    return None


def check_solref(values: np.ndarray) -> tuple[tuple[int, ...], str] | None:
    """MuJoCo's solref alone: two positive numbers, or none."""
    where = _first((values[..., 0] > 0) != (values[..., 1] > 0))
    return None if where is None else (where, f"is {values[where].tolist()}; either both are positive, or none")


def check_sizes(counts: np.ndarray, values: np.ndarray) -> tuple[tuple[int, ...], str] | None:
    """The numbers that a shape uses, the first `counts` of three, are above zero."""
    used = np.arange(3) < counts[:, None]
    bad = ((values <= 0) & used).any(-1)
    if not bad.any():
        return None
    where = tuple(int(i) for i in np.argwhere(bad)[0])
    shown = values[where][: counts[where[-1]]].tolist()
    return where, f"is {shown}; it must be above zero"
