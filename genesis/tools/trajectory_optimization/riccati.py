"""The backward pass of differential dynamic programming: the step that minimises the quadratic model of the problem.

    min  sum_t  g_t^T z_t + 1/2 z_t^T H_t z_t  +  p^T dx_T + 1/2 dx_T^T P dx_T,     z_t = (dx_t, du_t)
    subject to  dx_{t+1} = A_t dx_t + B_t du_t + c_t,    lower_t <= du_t <= upper_t

backwards in t, with a regularisation of the controls: Q_uu + mu D (Tassa, Mansard and Todorov 2014, equations 6 to 12).
Where a bound is active its row of the gain is zero. `c` are the gaps of multiple shooting: V_x is shifted by V_xx c
(Mastalli et al. 2020, equation 16); they are zero along a motion.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from genesis.tools.trajectory_optimization.box_qp import solve_box_qp
from genesis.tools.trajectory_optimization.cost import Expansion

_LEAST_SIZE = 1e-6  # of the largest: a control that does not matter yet is regularised all the same


@dataclass(frozen=True)
class Policy:
    """du = feedforward + gains dx for every step, and what the model promises.

    Attributes:
        feedforward: (T, nu)
        gains: (T, nu, ndx)
        slope, curvature: the model's cost changes by a slope + a^2 curvature / 2 for a step of length a along it
    """

    feedforward: np.ndarray
    gains: np.ndarray
    slope: float
    curvature: float

    @property
    def predicted(self) -> float:
        """Decrease of the cost that a full step promises."""
        return -(self.slope + 0.5 * self.curvature)


def backward_pass(
    expansion: Expansion,
    A: np.ndarray,
    B: np.ndarray,
    regularization: float,
    lower: np.ndarray,
    upper: np.ndarray,
    gaps: np.ndarray | None = None,
) -> Policy | None:
    """The policy; None if a Q_uu is not positive definite with this regularisation.

    A: (T, ndx, ndx), B: (T, ndx, nu); lower, upper: (T, nu), of du; gaps: (T, ndx) or None.
    """
    n_steps, ndx, nu = B.shape
    F = np.concatenate([A, B], 2)
    bounded = bool(np.isfinite(lower).any() or np.isfinite(upper).any())
    feedforward, gains = np.zeros((n_steps, nu)), np.zeros((n_steps, nu, ndx))
    vx, vxx = expansion.final_gradient, expansion.final_hessian
    slope = curvature = 0.0
    damping = regularization * np.diag(_size(expansion, B))
    for t in range(n_steps - 1, -1, -1):
        f = F[t]
        if gaps is not None:
            vx = vx + vxx @ gaps[t]
        q = expansion.gradient[t] + vx @ f
        Q = expansion.hessian[t] + f.T @ vxx @ f
        qx, qu, Quu, Qux = q[:ndx], q[ndx:], Q[ndx:, ndx:], Q[ndx:, :ndx]
        damped = Quu + damping
        try:
            np.linalg.cholesky(damped)
            solved = -np.linalg.solve(damped, np.concatenate([qu[:, None], Qux], 1))
            k, K = solved[:, 0], solved[:, 1:]
            if bounded and ((k < lower[t]).any() or (k > upper[t]).any()):
                k, K = _bounded(damped, qu, Qux, lower[t], upper[t])
        except np.linalg.LinAlgError:
            return None
        feedforward[t], gains[t] = k, K
        Quuk = Quu @ k
        slope += k @ qu
        curvature += k @ Quuk
        # With the undamped Q_uu, so that the model stays the cost's (Tassa, Erez and Todorov 2012, equation 11).
        vx = qx + K.T @ (Quuk + qu) + Qux.T @ k
        cross = K.T @ Qux
        vxx = Q[:ndx, :ndx] + K.T @ Quu @ K + cross + cross.T
        vxx = 0.5 * (vxx + vxx.T)
    if not (np.isfinite(feedforward).all() and np.isfinite(gains).all()):
        return None
    return Policy(feedforward, gains, float(slope), float(curvature))


def _size(expansion: Expansion, B: np.ndarray) -> np.ndarray:
    """What the diagonal of Q_uu is like, (nu,), before it is known: regularisation is a share of it in any units.

    The cost's own share, and that of the last state's cost for controls that act on it at once.
    """
    nu = B.shape[2]
    own = np.einsum("tii->ti", expansion.hessian).mean(0)
    state = np.maximum(own[:-nu], np.diag(expansion.final_hessian))
    size = own[-nu:] + np.einsum("tji,j->i", B * B, state) / len(B)
    largest = size.max(initial=0.0)
    return np.maximum(size, _LEAST_SIZE * largest) if largest > 0.0 else np.ones(nu)


def _bounded(
    Quu: np.ndarray, qu: np.ndarray, Qux: np.ndarray, lower: np.ndarray, upper: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Feedforward and gain where bounds are active."""
    k, free = solve_box_qp(Quu, qu, lower, upper)
    K = np.zeros_like(Qux)
    if free.any():
        K[free] = -np.linalg.solve(Quu[np.ix_(free, free)], Qux[free])
    return k, K
