"""Directional derivatives by Ridders' method: central differences of shrinking step, extrapolated to step zero."""

import numpy as np

_CONTRACTION = 1.6
LEVELS = 8


def directional_derivative(function, step: float, levels: int = LEVELS) -> tuple[np.ndarray, np.ndarray]:
    """Derivative of ``function(t)`` at t = 0, element by element, with an estimate of its error.

    Neville's tableau over central differences with steps ``step / 1.6^k`` (Ridders 1982; Numerical Recipes 5.7). Each
    element takes the entry of the tableau whose error estimate is smallest, so that smooth and stiff outputs each find
    a step that suits them.
    """

    def difference(h):
        return (function(h) - function(-h)) / (2 * h)

    tableau = [[difference(step)]]
    best = tableau[0][0].copy()
    error = np.full_like(best, np.inf)
    for level in range(1, levels):
        row = [difference(step / _CONTRACTION**level)]
        factor = _CONTRACTION**2
        for k in range(1, level + 1):
            value = (factor * row[k - 1] - tableau[level - 1][k - 1]) / (factor - 1)
            factor *= _CONTRACTION**2
            estimate = np.maximum(abs(value - row[k - 1]), abs(value - tableau[level - 1][k - 1]))
            better = estimate < error
            best[better], error[better] = value[better], estimate[better]
            row.append(value)
        tableau.append(row)
    return best, error
