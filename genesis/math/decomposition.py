"""Rotations next to matrices, in torch: batched over leading dimensions and differentiable."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


def nearest_rotation(matrix: Tensor, proper: bool) -> Tensor:
    """The matrix with orthonormal columns (rows, where it is wide) that is nearest to `matrix`, shape (..., m, n).

    The orthogonal factor of the polar decomposition A = U P, V and S from A = W S V'. `proper`: of a square matrix with
    negative determinant, the nearest rotation instead, with determinant one; the smallest singular value changes sign.

    The derivative (N. Higham, Functions of Matrices, 2008, section 8) exists where no s_i + s_j is zero, repeated
    singular values included, at which that of a singular value decomposition does not. Where it does not exist, that
    part of the gradient is zero; second derivatives are an error of torch.linalg there.
    """
    if matrix.shape[-2] < matrix.shape[-1]:
        return nearest_rotation(matrix.mT, proper).mT
    return _NearestRotation.apply(matrix, proper)


class _NearestRotation(torch.autograd.Function):
    """U of a matrix A with m >= n.

    From A = U P and U'U = 1 follows, with a skew-symmetric Omega and in the coordinates of V,

        U'dA - dA'U = Omega P + P Omega,    Omega_ij = (U'dA - dA'U)_ij / (s_i + s_j)
        dU = U Omega + (1 - U U') dA P^-1

    so that a gradient g of U gives, with Q = V ((V'U'gV)_ij / (s_i + s_j)) V', the gradient of A

        U (Q - Q') + (1 - U U') g P^-1

    Q - Q' solves X P + P X = U'g - g'U. For second derivatives it is found so, from U and P as functions of A.
    """

    @staticmethod
    def forward(ctx: Any, matrix: Tensor, proper: bool) -> Tensor:
        w, s, vt = torch.linalg.svd(matrix, full_matrices=False)
        if proper and matrix.shape[-2] == matrix.shape[-1]:
            sign = torch.where(torch.linalg.det(w @ vt) < 0, -1.0, 1.0).to(s.dtype).unsqueeze(-1)
            s = torch.cat([s[..., :-1], sign * s[..., -1:]], -1)
            w = torch.cat([w[..., :-1], sign.unsqueeze(-1) * w[..., -1:]], -1)
        u = w @ vt
        ctx.save_for_backward(matrix, u, s, vt)
        ctx.proper = proper
        return u

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        matrix, u, s, vt = ctx.saved_tensors
        if torch.is_grad_enabled():
            return _gradient(matrix, ctx.proper, gradient), None
        v = vt.mT
        least = torch.finfo(s.dtype).eps * s.abs().amax(-1, keepdim=True).clamp_min(torch.finfo(s.dtype).tiny)
        inverse_sums = _inverse(s.unsqueeze(-1) + s.unsqueeze(-2), least.unsqueeze(-1))
        inverse_p = v @ (_inverse(s, least).unsqueeze(-1) * vt)
        inside = u.mT @ gradient
        q = v @ ((vt @ inside @ v) * inverse_sums) @ vt
        return u @ (q - q.mT) + (gradient - u @ inside) @ inverse_p, None


def _gradient(matrix: Tensor, proper: bool, gradient: Tensor) -> Tensor:
    """The gradient of a matrix, as a function of it."""
    u = nearest_rotation(matrix, proper)
    p, inside = u.mT @ matrix, u.mT @ gradient
    n = p.shape[-1]
    eye = torch.eye(n, dtype=p.dtype, device=p.device)
    # X P + P X with the rows of X one after the other.
    both = torch.einsum("...ij,kl->...ikjl", p, eye) + torch.einsum("ij,...kl->...ikjl", eye, p.mT)
    turn = torch.linalg.solve(both.flatten(-4, -3).flatten(-2, -1), (inside - inside.mT).flatten(-2)).unflatten(
        -1, (n, n)
    )
    found = u @ turn
    if matrix.shape[-2] > n:
        found = found + torch.linalg.solve(p, gradient - u @ inside, left=False)
    return found


def _inverse(values: Tensor, least: Tensor) -> Tensor:
    """1 / values, zero where a value is not above `least`."""
    none = values.abs() <= least
    return torch.where(none, 0.0, 1.0 / torch.where(none, 1.0, values))
