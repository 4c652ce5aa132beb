"""Constants under Genesis's names: poses that are nothing, and what Genesis takes where a file says nothing."""

from __future__ import annotations

import numpy as np
import torch

from genesis import runtime


def zero_pos() -> np.ndarray:
    """(0, 0, 0)."""
    return np.zeros(3, dtype=runtime.np_float)


def identity_quat() -> np.ndarray:
    """(1, 0, 0, 0)."""
    return np.array([1.0, 0.0, 0.0, 0.0], dtype=runtime.np_float)


def tc_zero_pos() -> torch.Tensor:
    """(0, 0, 0), on `gs.device`."""
    return torch.zeros(3, dtype=runtime.tc_float, device=runtime.device)


def tc_identity_quat() -> torch.Tensor:
    """(1, 0, 0, 0), on `gs.device`."""
    return torch.tensor([1.0, 0.0, 0.0, 0.0], dtype=runtime.tc_float, device=runtime.device)


def nowhere() -> np.ndarray:
    """A point [m] far from everything, where Genesis puts what shall be out of the way."""
    return np.array([2333333, 6666666, 5201314], dtype=runtime.np_float)


def default_solver_params() -> np.ndarray:
    """Genesis's softness of constraints, (timeconst, dampratio, dmin, dmax, width, mid, power), (7,).

    Its time constant of zero means as stiff as the time step allows. MuJoCo's, which this engine takes, is 0.02 s.
    """
    return np.array([0.0, 1.0, 0.9, 0.95, 0.001, 0.5, 2.0])


def default_friction() -> float:
    """Coefficient of sliding friction."""
    return 1.0


def default_friction_torsional() -> float:
    """Coefficient of torsional friction [m]."""
    return 0.005


def default_friction_rolling() -> float:
    """Coefficient of rolling friction [m]."""
    return 0.0001


def default_dofs_kp(n: int = 6) -> np.ndarray:
    """Position gains (n,) where a file states none."""
    return np.full(n, 100.0, dtype=runtime.np_float)


def default_dofs_kv(n: int = 6) -> np.ndarray:
    """Velocity gains (n,) where a file states none."""
    return np.full(n, 10.0, dtype=runtime.np_float)
