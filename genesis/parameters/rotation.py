"""Rotations, as rotation vectors about a reference."""

from __future__ import annotations

from typing import Any

import torch

from genesis.errors import GenesisException
from genesis.math.rotation import quat_conj, quat_exp, quat_log, quat_mul
from genesis.parameters.base import ParameterModule, read_value

# A quaternion shorter than this, or longer than its inverse, is not normalised: its square would not be representable.
_SHORTEST = 1e-15


class Rotation(ParameterModule):
    """Unit quaternions (w, x, y, z) = reference * exp(v / 2), with v, the coordinates, a rotation vector [rad].

    v is in the turned frame, as MuJoCo's `mju_quatIntegrate` has it. The map is smooth everywhere, v = 0 and angles
    beyond pi included. At an angle of 2 pi it is flat across v: call `recenter()` now and then (each 100 steps, say) if
    the value moves that far. The coordinates of `assign` turn by pi at most.

    Parameters
    ----------
    quat
        (w, x, y, z) of any length but zero, `(..., 4)`; for a setter `(n, 4)` or `(n_envs, n, 4)`.

    Raises
    ------
    GenesisException
        Wrong shape, a quaternion of length zero, NaN or infinite numbers, a call before `gs.init()`.
    """

    reference: torch.Tensor

    def __init__(self, quat: Any) -> None:
        super().__init__()
        unit = self._normalized(read_value(quat, "quat", self._owner), "quat")
        self.register_buffer("reference", unit.clone())
        self.register_buffer("_initial", unit)
        self._start(unit.new_zeros(*unit.shape[:-1], 3))

    def coordinates_of(self, value: Any) -> torch.Tensor:
        """Rotation vector [rad] from the reference to a quaternion, at most pi long, (..., 3)."""
        unit = self._normalized(self._fitting(value, "value", self.reference.shape), "value")
        return quat_log(quat_mul(quat_conj(self.reference), unit))

    def forward(self) -> torch.Tensor:
        """Unit quaternions (w, x, y, z), of the shape of the initial one."""
        return quat_mul(self.reference, quat_exp(self.coordinates))

    @torch.no_grad()
    def recenter(self) -> None:
        """Make the present value the reference, and the coordinates zero, in place; the value stays.

        An optimiser's running means refer to the turned frame and stay usable.
        """
        self.reference.copy_(self._normalized(self(), "value"))
        self.coordinates.zero_()

    def extra_repr(self) -> str:
        """For `print(module)`."""
        return f"shape={tuple(self.shape)}"

    def _normalized(self, quat: torch.Tensor, argument: str) -> torch.Tensor:
        if quat.ndim == 0 or quat.shape[-1] != 4:
            raise GenesisException(f"{self._owner}: `{argument}` has shape {tuple(quat.shape)}, expected (..., 4).")
        length = torch.linalg.vector_norm(quat, dim=-1, keepdim=True)
        if not bool(((length > _SHORTEST) & (length < 1 / _SHORTEST)).all()):
            raise GenesisException(
                f"{self._owner}: `{argument}` holds a quaternion that is zero, not finite or out of scale; expected "
                "(w, x, y, z) of a length about 1."
            )
        return quat / length
