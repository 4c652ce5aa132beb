"""Coordinates of parameters that `gs.parameters` has no module for: plain numbers, directions, inertias by
themselves."""

from __future__ import annotations

import torch

from genesis.errors import GenesisException


class Free(torch.nn.Module):
    """Numbers that may have any value."""

    def __init__(self, initial: torch.Tensor) -> None:
        super().__init__()
        self.value = torch.nn.Parameter(initial.detach().as_subclass(torch.Tensor).clone())

    def forward(self) -> torch.Tensor:
        """The numbers themselves."""
        return self.value


class Direction(torch.nn.Module):
    """Unit vectors (n, 3), by two coordinates each: a step in the plane that touches the sphere at the start."""

    initial: torch.Tensor
    across: torch.Tensor

    def __init__(self, initial: torch.Tensor) -> None:
        super().__init__()
        initial = torch.nn.functional.normalize(initial.detach().as_subclass(torch.Tensor), dim=-1)
        # Two directions across: the axis least along it, made perpendicular, and the cross product.
        least = torch.nn.functional.one_hot(initial.abs().argmin(-1), 3).to(initial)
        first = torch.nn.functional.normalize(torch.linalg.cross(initial, least), dim=-1)
        self.register_buffer("initial", initial)
        self.register_buffer("across", torch.stack([first, torch.linalg.cross(initial, first)], -1))
        self.coordinates = torch.nn.Parameter(torch.zeros_like(initial[..., :2]))

    def forward(self) -> torch.Tensor:
        """(n, 3), unit."""
        moved = self.initial + (self.across @ self.coordinates[..., None])[..., 0]
        return moved / torch.linalg.vector_norm(moved, dim=-1, keepdim=True)


class InertiaAboutCOM(torch.nn.Module):
    """Inertias about the centre of mass that a body can have, (n, 6), by the Cholesky factor of the second moments.

    I = tr(P) 1 - P with P = L L' positive definite (Wensing, Kim & Slotine 2018), so that the triangle inequality holds
    whatever the coordinates are; those on the diagonal of L are logarithms, the others in units of the start's size.
    """

    size: torch.Tensor

    def __init__(self, initial: torch.Tensor, owner: str) -> None:
        super().__init__()
        full = _matrices(initial.detach().as_subclass(torch.Tensor))
        moments = 0.5 * full.diagonal(dim1=-2, dim2=-1).sum(-1)[:, None, None] * torch.eye(3).to(full) - full
        lower, failed = torch.linalg.cholesky_ex(moments)
        if bool((failed != 0).any()):
            flat = initial[int(failed.ne(0).nonzero()[0])].tolist()
            raise GenesisException(
                f"{owner}: the inertia {flat} is on the edge of what a body "
                "can have (a point, a rod or a plate), from which it cannot be varied; set it to that of a solid body."
            )
        size = lower.diagonal(dim1=-2, dim2=-1).mean(-1)
        self.register_buffer("size", size)
        below = [lower[:, i, j] / size for i, j in ((1, 0), (2, 0), (2, 1))]
        diagonal = (lower.diagonal(dim1=-2, dim2=-1) / size[:, None]).log()
        self.coordinates = torch.nn.Parameter(torch.cat([diagonal, torch.stack(below, -1)], -1))

    def forward(self) -> torch.Tensor:
        """(n, 6): xx, yy, zz, xy, xz, yz."""
        c = self.coordinates
        zero = torch.zeros_like(c[:, 0])
        a, b, d = c[:, :3].exp().unbind(-1)
        rows = [(a, zero, zero), (c[:, 3], b, zero), (c[:, 4], c[:, 5], d)]
        lower = self.size[:, None, None] * torch.stack([torch.stack(row, -1) for row in rows], -2)
        moments = lower @ lower.mT
        full = moments.diagonal(dim1=-2, dim2=-1).sum(-1)[:, None, None] * torch.eye(3).to(moments) - moments
        return torch.stack([full[:, i, j] for i, j in ((0, 0), (1, 1), (2, 2), (0, 1), (0, 2), (1, 2))], -1)


def _matrices(six: torch.Tensor) -> torch.Tensor:
    xx, yy, zz, xy, xz, yz = six.unbind(-1)
    return torch.stack([torch.stack(row, -1) for row in ((xx, xy, xz), (xy, yy, yz), (xz, yz, zz))], -2)
