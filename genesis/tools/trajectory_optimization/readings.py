"""What a cost reads of a trajectory, as variables of their own: values, and Jacobians by state and controls.

A cost is a function of readings (joint angles, poses of links, ...), and those are functions of the state. Taken apart,
the first part is pure torch, which can be differentiated twice and in many copies at once, and the second is needed for
those numbers only that matter: for a cost of the hand's position, three out of all coordinates of all links.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import numpy as np
import torch

if TYPE_CHECKING:
    from genesis.system import System
    from genesis.trajectory import Trajectory

RowsOf = Callable[[int], "System"]
Key = tuple[str, tuple[Any, ...], tuple[tuple[str, Any], ...]]

# Readings that are entries of the state: their Jacobian is the same everywhere.
ENTRIES = ("qpos", "dofs_velocity")
_of_entries: WeakKeyDictionary[System, dict[Key, np.ndarray]] = WeakKeyDictionary()


class Readings:
    """Stands for a `Trajectory` of N equal candidates; each reading is a leaf (T + 1, N, ...) of torch's graph.

    Attributes:
        leaves: what has been read so far
    """

    def __init__(self, system: System, x: torch.Tensor, u: torch.Tensor, n_rows: int) -> None:
        with torch.no_grad():
            self._source = trajectory_of(system, x.detach().unsqueeze(1), u.detach().unsqueeze(1))
        self._n_rows = n_rows
        self.leaves: dict[Key, torch.Tensor] = {}

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._source, name)
        if not callable(method):
            return method

        def read(*args: Any, **kwargs: Any) -> torch.Tensor:
            key = (name, args, tuple(sorted(kwargs.items())))
            if key not in self.leaves:
                with torch.no_grad():
                    values = method(*args, **kwargs).as_subclass(torch.Tensor)
                copies = values.repeat(1, self._n_rows, *[1] * (values.dim() - 2))
                self.leaves[key] = copies.requires_grad_()
            return self.leaves[key]

        return read

    def sizes(self) -> list[int]:
        """Numbers per state of each reading."""
        return [leaf[0, 0].numel() for leaf in self.leaves.values()]


def jacobian(
    rows_of: RowsOf, key: Key, x: torch.Tensor, u: torch.Tensor, chosen: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Of the chosen numbers (r,) of a reading: by the states (T + 1, r, nx), and by the controls (T, r, nu).

    Of entries of the state (1, r, nx), the same for all, and (0, r, nu).
    """
    if key[0] not in ENTRIES:
        return _jacobian(rows_of, key, x, u, chosen)
    known = _of_entries.setdefault(rows_of(1), {})
    if key not in known:
        with torch.no_grad():
            value = getattr(trajectory_of(rows_of(1), x[:1].unsqueeze(1), None), key[0])(*key[1], **dict(key[2]))
        known[key] = _jacobian(rows_of, key, x[:1], u[:0], np.arange(value.numel()))[0]
    return known[key][:, chosen], np.zeros((0, len(chosen), u.shape[-1]))


def _jacobian(
    rows_of: RowsOf, key: Key, x: torch.Tensor, u: torch.Tensor, chosen: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    name, args, kwargs = key
    n_rows = len(chosen)
    xs = x.detach().unsqueeze(1).repeat(1, n_rows, 1).requires_grad_()
    us = u.detach().unsqueeze(1).repeat(1, n_rows, 1).requires_grad_()
    with torch.enable_grad():
        trajectory = trajectory_of(rows_of(n_rows), xs, us if len(us) else None)
        values = getattr(trajectory, name)(*args, **dict(kwargs)).as_subclass(torch.Tensor)
        picked = values.flatten(2)[:, torch.arange(n_rows), torch.as_tensor(chosen)].sum()
        of_x, of_u = torch.autograd.grad(picked, (xs, us), allow_unused=True, materialize_grads=True)
    return to_numpy(of_x), to_numpy(of_u)


def trajectory_of(system: System, x: torch.Tensor, u: torch.Tensor | None) -> Trajectory:
    """`genesis.system.unchecked_trajectory`."""
    from genesis.system import unchecked_trajectory  # imports kernels, which need the precision

    return unchecked_trajectory(system, x, u)


def to_numpy(values: torch.Tensor) -> np.ndarray:
    """In 64 bits, without graph."""
    return values.detach().to("cpu", torch.float64).numpy()
