"""Rotations next to matrices, in torch: batched over leading dimensions and differentiable."""

from __future__ import annotations

import torch
from torch import Tensor


def nearest_rotation(matrix: Tensor, proper: bool) -> Tensor:
    """The matrix with orthonormal columns (rows, where it is wide) that is nearest to `matrix`, shape (..., m, n).

    The orthogonal factor of the polar decomposition A = U P, V and S from A = W S V'. `proper`: of a square matrix with
    negative determinant, the nearest rotation instead, with determinant one; the smallest singular value changes sign.

    Its derivative (N. Higham, Functions of Matrices, 2008, section 8) solves U'dA - dA'U = Omega P + P Omega, with a
    skew-symmetric Omega; in the coordinates of V

        Omega_ij = (U'dA - dA'U)_ij / (s_i + s_j),    dU = U Omega + (1 - U U') dA P^-1

    It exists where no s_i + s_j is zero, repeated singular values included, at which the derivative of a singular value
    decomposition does not. The value is the decomposition's, without graph, times this expression with A for dA, which
    is zero there and has the derivative that is wanted. Where it does not exist, the gradient of that part is zero.
    """
    if matrix.shape[-2] < matrix.shape[-1]:
        return nearest_rotation(matrix.mT, proper).mT
    with torch.no_grad():
        w, s, vt = torch.linalg.svd(matrix.detach(), full_matrices=False)
        if proper and matrix.shape[-2] == matrix.shape[-1]:
            sign = torch.where(torch.linalg.det(w @ vt) < 0, -1.0, 1.0).to(s.dtype).unsqueeze(-1)
            s = torch.cat([s[..., :-1], sign * s[..., -1:]], -1)
            w = torch.cat([w[..., :-1], sign.unsqueeze(-1) * w[..., -1:]], -1)
        u, v = w @ vt, vt.mT
        least = torch.finfo(s.dtype).eps * s.abs().amax(-1, keepdim=True).clamp_min(torch.finfo(s.dtype).tiny)
        inverse_sums = _inverse(s.unsqueeze(-1) + s.unsqueeze(-2), least.unsqueeze(-1))
        inverse_p = v @ (_inverse(s, least).unsqueeze(-1) * vt)
    if not (torch.is_grad_enabled() and matrix.requires_grad):
        return u
    inside = u.mT @ matrix
    omega = v @ ((vt @ (inside - inside.mT) @ v) * inverse_sums) @ vt
    outside = (matrix - u @ inside) @ inverse_p
    change = u @ omega + outside
    return u + (change - change.detach())


def _inverse(values: Tensor, least: Tensor) -> Tensor:
    """1 / values, zero where a value is not above `least`."""
    none = values.abs() <= least
    return torch.where(none, 0.0, 1.0 / torch.where(none, 1.0, values))
