"""The autograd function through which torch measures distances between geoms (`genesis.rigid.distances`)."""

from __future__ import annotations

from typing import NamedTuple

import torch

from genesis.errors import GenesisException
from genesis.grad.bridge import refuse_double_backward
from genesis.rigid.distances import Distances, Found
from genesis.rigid.door import native, refuse_transforms


class Measured(NamedTuple):
    """The nearest places of pairs of geoms, N envs with C slots.

    Attributes:
        pair: (N, C) int64, of which pair; -1: of none
        distance: (N, C) [m], negative where they overlap
        position: (N, C, 3) [m], midway between the nearest points
        normal: (N, C, 3), from the first geom to the second
    """

    pair: torch.Tensor
    distance: torch.Tensor
    position: torch.Tensor
    normal: torch.Tensor


class _Measure(torch.autograd.Function):
    @staticmethod
    def forward(ctx, distances: Distances, pos, mat, size):
        found = distances.find(pos, mat, size)
        distance, position, frame = distances.geometry(pos, mat, size, found)
        ctx.distances = distances
        ctx.save_for_backward(pos, mat, size, found.count, found.pair, found.feature, distance, position, frame)
        pair = torch.where(found.valid, found.pair, -1).long()
        ctx.mark_non_differentiable(pair)
        ctx.set_materialize_grads(True)
        return pair, distance, position, frame[..., 0, :].clone()

    @staticmethod
    def backward(ctx, _by_pair, by_distance, by_position, by_normal):
        refuse_double_backward("a distance sensor", by_distance, by_position, by_normal)
        pos, mat, size, count, pair, feature, *places = ctx.saved_tensors
        found = Found(count, pair, feature)
        asked = ((by_position != 0) | (by_normal != 0)).any(-1)
        if bool((asked & found.valid & ~ctx.distances.is_exact(found)).any()):
            raise GenesisException(
                "the nearest points of two geoms (sensors `normal` and `fromto`) have no derivative here: two convex "
                "shapes are nearest to each other where the search for their exact place did not settle, as where "
                "faces are all but parallel. Use `distance`, whose derivative is known there too, or detach the values."
            )
        by_frame = torch.zeros_like(places[2])
        by_frame[..., 0, :] = by_normal
        grads = native(by_distance).clone(), native(by_position).clone(), by_frame
        return None, *ctx.distances.adjoint((pos, mat, size), found, tuple(places), grads)


def measure(distances: Distances, pos: torch.Tensor, mat: torch.Tensor, size: torch.Tensor) -> Measured:
    """Nearest places of geoms at `pos` (N, G, 3) [m], turned by `mat` (N, G, 3, 3), of `size` (N, G, 3) [m].

    Raises GenesisException in the backward pass where the nearest points are differentiated and the derivative is not
    known.
    """
    refuse_transforms("a distance sensor")
    return Measured(*_Measure.apply(distances, *(native(values) for values in (pos, mat, size))))
