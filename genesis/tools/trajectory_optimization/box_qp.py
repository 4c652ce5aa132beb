"""The quadratic program with bounds that iLQR solves at every step (Tassa, Mansard and Todorov 2014, section III-C).

    min 1/2 x^T H x + g^T x   subject to   lower <= x <= upper

by projected Newton steps (Bertsekas 1982): variables at a bound whose gradient points out of the box are clamped, the
others take Newton's step, and the line search follows the projection of that step onto the box. Before that, a
primal-dual active set (Hintermueller, Ito and Kunisch 2002) is tried, which finds most solutions with two or three
solutions of a linear system and no line search.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

_GUESSES = 8
_MAX_ITERATIONS = 100
_ARMIJO = 0.1  # share of the predicted decrease that a step must reach (their gamma)
_STEP_FACTOR = 0.6
_SMALLEST_STEP = 1e-22
_TOLERANCE = 1e-10  # of the free gradient, relative to what it is made of


class BoxSolution(NamedTuple):
    """`x` (n,), and `free` (n,): which entries are not clamped."""

    x: np.ndarray
    free: np.ndarray


def solve_box_qp(hessian: np.ndarray, gradient: np.ndarray, lower: np.ndarray, upper: np.ndarray) -> BoxSolution:
    """The minimum for a positive definite Hessian (n, n); all bounds (n,), infinite where there are none.

    Raises numpy.linalg.LinAlgError if a Hessian of free variables is singular.
    """
    found = _primal_dual(hessian, gradient, lower, upper)
    if found is None:
        found = _projected_newton(hessian, gradient, lower, upper)
    return found


def _primal_dual(hessian: np.ndarray, gradient: np.ndarray, lower: np.ndarray, upper: np.ndarray) -> BoxSolution | None:
    """Guess which bounds are active, solve for the rest, correct the guess by the signs; None: that goes in circles."""
    identity = np.eye(len(gradient))
    x = -np.linalg.solve(hessian, gradient)
    low, high = x < lower, x > upper
    for _ in range(_GUESSES):
        clamped = low | high
        free = ~clamped
        bounds = np.where(low, lower, np.where(high, upper, 0.0))
        # Rows of clamped variables read x = bound; the columns of those have gone to the right-hand side.
        matrix = np.where(np.outer(free, free), hessian, identity)
        x = np.linalg.solve(matrix, np.where(free, -(gradient + hessian @ bounds), bounds))
        slope = gradient + hessian @ x
        new_low, new_high = (
            np.where(clamped, low & (slope > 0.0), x < lower),
            np.where(clamped, high & (slope < 0.0), x > upper),
        )
        if (new_low == low).all() and (new_high == high).all():
            return BoxSolution(np.clip(x, lower, upper), free)
        low, high = new_low, new_high
    return None


def _projected_newton(hessian: np.ndarray, gradient: np.ndarray, lower: np.ndarray, upper: np.ndarray) -> BoxSolution:
    x = np.clip(np.zeros_like(gradient), lower, upper)
    value = _value(hessian, gradient, x)
    clamped = np.zeros(len(x), dtype=bool)
    scale = np.abs(gradient).max(initial=0.0) + np.finfo(float).tiny
    for _ in range(_MAX_ITERATIONS):
        slope = gradient + hessian @ x
        clamped = ((x <= lower) & (slope > 0.0)) | ((x >= upper) & (slope < 0.0))
        free = ~clamped
        if clamped.all() or np.abs(slope[free]).max() <= _TOLERANCE * scale:
            break
        direction = np.zeros_like(x)
        direction[free] = -np.linalg.solve(hessian[np.ix_(free, free)], slope[free])
        predicted = float(slope @ direction)
        step = 1.0
        while True:
            moved = np.clip(x + step * direction, lower, upper)
            new_value = _value(hessian, gradient, moved)
            if new_value - value <= _ARMIJO * step * predicted:
                break
            step *= _STEP_FACTOR
            if step < _SMALLEST_STEP:
                return BoxSolution(x, free)
        x, value = moved, new_value
    return BoxSolution(x, ~clamped)


def _value(hessian: np.ndarray, gradient: np.ndarray, x: np.ndarray) -> float:
    return float(x @ (0.5 * (hessian @ x) + gradient))
