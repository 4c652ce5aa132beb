"""How gradients grow over a motion: norms of dL/dx_t, and the Lyapunov exponents of the motion itself."""

from __future__ import annotations

import math

import numpy as np
import torch

from genesis.doctor.recording import Step
from genesis.doctor.report import Growth
from genesis.grad import bridge
from genesis.rigid.executors.dynamics import Dynamics
from genesis.rigid.tangent import Tangent

_LEAST_STEPS = 10  # below, a slope says nothing
_MOST_EXPONENTS = 4
_LARGEST_LOG = 700.0  # whose exponential is a number
_MOST_ADJOINTS = 8000  # that are spent on exponents


def growth(
    dynamics: Dynamics, steps: list[Step], gradients: list[torch.Tensor | None], dt: float, tangent: Tangent
) -> Growth | None:
    """Of a motion whose states have these gradients, (N, nx) each, or None; None if there is none at all.

    The norm is that of the gradient in the tangent space, which has no part along a quaternion.
    """
    if not steps or all(gradient is None for gradient in gradients):
        return None
    norms = []
    for step, gradient in zip(steps, gradients, strict=True):
        if gradient is None:
            norms.append(torch.zeros(step.after.shape[0], dtype=step.after.dtype, device="cpu"))
        else:
            matrix = tangent.tangent(step.after.detach())
            norms.append(torch.linalg.vector_norm((gradient.unsqueeze(-2) @ matrix).squeeze(-2), dim=-1).cpu())
    norm = torch.stack(norms).double().numpy()
    time = dt * np.arange(1, len(steps) + 1)
    exponents, factors = lyapunov_exponents(dynamics, steps, dt, tangent)
    if not exponents.size:
        return Growth(time, norm, np.zeros(0), 1.0, 0, dt)
    largest = int(np.argmax(exponents[:, 0]))
    return Growth(time, norm, exponents[largest], float(factors[largest]), largest, dt)


def lyapunov_exponents(
    dynamics: Dynamics, steps: list[Step], dt: float, tangent: Tangent
) -> tuple[np.ndarray, np.ndarray]:
    """Largest finite-time Lyapunov exponents of each env [1/s], (N, k), largest first, and growth in all, (N,).

    A = dx'/dx of a step in the tangent space. Products A_1' ... A_T' are applied to k vectors, from the last step to
    the first; after each step the vectors are made orthonormal (QR), and the logarithms of what that divides them by
    are summed (Benettin et al. 1980). The exponents are the slopes of these sums over time, by least squares, so that
    what the first steps stretch once for all (velocities against positions) does not count; nor does it in the growth,
    which leaves out the first tenth of the way.
    """
    n, size, ndx = len(steps), steps[0].after.shape[0] if steps else 0, tangent.ndx
    k = min(_MOST_EXPONENTS, ndx, _MOST_ADJOINTS // max(n, 1))
    if n < _LEAST_STEPS or k == 0:
        return np.zeros((size, 0)), np.ones(size)
    vectors = _start(size, ndx, k, steps[0].after)
    sums = np.zeros((n + 1, size, k))
    for done, step in enumerate(reversed(steps)):
        vectors = _pulled_back(dynamics, step, vectors, tangent)
        if not bool(torch.isfinite(vectors).all()):
            return np.zeros((size, 0)), np.ones(size)
        vectors, stretched = torch.linalg.qr(vectors)
        sizes = stretched.diagonal(dim1=-2, dim2=-1).abs().clamp_min(1e-300)
        sums[done + 1] = sums[done] + sizes.log().cpu().double().numpy()
    time = dt * np.arange(n + 1)
    slopes = np.polyfit(time, sums.reshape(n + 1, -1), 1)[0].reshape(size, k)
    total = sums[-1].max(axis=1) - sums[n // 10].max(axis=1)
    return -np.sort(-slopes, axis=1), np.exp(np.clip(total, 0.0, _LARGEST_LOG))


def _start(size: int, ndx: int, k: int, like: torch.Tensor) -> torch.Tensor:
    """k orthonormal vectors for each env, (N, ndx, k), the same in every run."""
    generator = torch.Generator(device="cpu").manual_seed(0)
    vectors = torch.randn((ndx, k), generator=generator, dtype=like.dtype, device="cpu")
    return torch.linalg.qr(vectors)[0].to(like.device).expand(size, ndx, k).contiguous()


def _pulled_back(dynamics: Dynamics, step: Step, vectors: torch.Tensor, tangent: Tangent) -> torch.Tensor:
    """A' applied to (N, ndx, k)."""
    state, after = step.entered.detach(), step.after.detach()
    seeds = vectors.transpose(-1, -2) @ tangent.cotangent(after)  # (N, k, nx)
    needs = [False] * len(step.command.blocks)
    with torch.no_grad(), dynamics.lock:
        solution = bridge.fitting(dynamics, step.solution)
        rows = [
            dynamics.run_adjoint(
                step.theta.detach(),
                step.command,
                state,
                solution,
                seeds[:, i].contiguous(),
                None,
                False,
                needs,
            ).state
            for i in range(seeds.shape[1])
        ]
    return (torch.stack(rows, -2) @ tangent.tangent(state)).transpose(-1, -2)


def is_chaotic(growth: Growth | None, factor: float) -> bool:
    """Whether small changes grow by more than `factor` over the motion."""
    return growth is not None and math.isfinite(growth.exponent) and growth.factor > factor
