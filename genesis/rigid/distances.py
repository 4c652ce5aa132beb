"""Distances between geoms, near or far, by the kernels that find contacts: a pair's contact within a margin as large as
what is measured (MuJoCo: mj_geomDistance).

What is measured is no part of a step: nothing here is compiled or run for a model that does not ask for it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import warp as wp
from warp._src.codegen import Struct

from genesis import runtime
from genesis.model import contact
from genesis.model.arrays import Model
from genesis.rigid.kernels.collision import convex, convex_geometry
from genesis.rigid.kernels.collision.convex_text import POINT
from genesis.rigid.pipeline import step
from genesis.rigid.pipeline.arguments import Group, adjoint_arguments, launchable
from genesis.types import load_kernels, mat33, real, vec3


@dataclass(frozen=True)
class Found:
    """Which contacts of measured pairs there are, N envs with C slots each; discrete.

    Attributes:
        count: (N, 2) int32, contacts found, twice
        pair: (N, C) int32, of which pair each is
        feature: (N, C, width) int32, what of both shapes touches
    """

    count: torch.Tensor
    pair: torch.Tensor
    feature: torch.Tensor

    @property
    def valid(self) -> torch.Tensor:
        """(N, C) bool, where there is a contact."""
        return torch.arange(self.pair.shape[1], device=self.pair.device) < self.count[:, 1:]


class Distances:
    """Measures pairs of geoms.

    Args:
        pairs: MuJoCo ids of both geoms of each, in the order of `contact.in_measured_order`
        reach: up to which distance [m]

    Attributes:
        geoms: (G,) the MuJoCo ids of the geoms, in the order in which their places and sizes are given
    """

    def __init__(self, model: Model, pairs: list[tuple[int, int]], reach: list[float]) -> None:
        m = model.mj_model
        described = contact.describe_measured(m, pairs, reach)
        self.geoms = described.indices["cgeom_id"]
        self._n_slots, self._n_pairs = described.nconmax, len(pairs)
        self._device = wp.device_from_torch(runtime.device)
        families = set(described.indices["cpair_family"].tolist())
        self._width = contact.CONVEX_WIDTH if contact.CONVEX in families else contact.WIDTH
        self._narrow = [kernel for family, kernel in step.NARROW_PHASE_OF.items() if family in families]
        self._closed = [kernel for family, kernel in step.GEOMETRY_OF.items() if family in families]
        self._convex = contact.CONVEX in families
        iterations, corners = int(m.opt.ccd_iterations), int(m.npolygonmax)
        self._scratch = convex.scratch_size(iterations, corners) if self._convex else 0
        self._constants: dict[str, Any] = {
            "ccd_iterations": iterations,
            "ccd_tolerance": float(m.opt.ccd_tolerance),
            "multiccd": 0,
            "max_corners": convex.corners_of(corners),
        }
        for name, values in described.indices.items():
            self._constants[name] = wp.array(values.astype(np.int32), dtype=wp.int32, device=self._device)
        for name, values in described.constants.items():
            self._constants[name] = wp.array(values, dtype=real, device=self._device)
        by_hand = [convex_geometry.convex_geometry, convex_geometry.convex_geometry_adjoint] if self._convex else []
        load_kernels(self._device, [*self._narrow, *self._closed, *by_hand])

    def find(self, pos: torch.Tensor, mat: torch.Tensor, size: torch.Tensor) -> Found:
        """The contacts within reach, of geoms at `pos` (N, G, 3) [m], turned by `mat` (N, G, 3, 3), of `size` (N, G, 3)
        [m]."""
        n = pos.shape[0]
        found = Found(
            _integers((n, 2), pos), _integers((n, self._n_slots), pos), _integers((n, self._n_slots, self._width), pos)
        )
        candidate = torch.arange(self._n_pairs, dtype=torch.int32, device=pos.device).expand(n, -1).contiguous()
        more = {
            "candidate_count": torch.full_like(found.count[:, :1], self._n_pairs).contiguous(),
            "candidate": candidate,
            "ccd_scratch": _integers((n, self._scratch), pos),
        }
        self._launch(self._narrow, n, self._arrays(pos, mat, size, found) | _as_integers(more))
        found.count[:, 1] = found.count[:, 0].clamp(max=self._n_slots)
        return found

    def geometry(
        self, pos: torch.Tensor, mat: torch.Tensor, size: torch.Tensor, found: Found
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Of each contact its distance (N, C) [m], position (N, C, 3) [m] and frame (N, C, 3, 3), whose first row is
        the normal; zero where there is none."""
        n = pos.shape[0]
        places = self._places(n, pos)
        self._launch(self._geometries, n, self._arrays(pos, mat, size, found) | _as_places(places))
        return places

    def adjoint(
        self,
        inputs: tuple[torch.Tensor, torch.Tensor, torch.Tensor],
        found: Found,
        outputs: tuple[torch.Tensor, torch.Tensor, torch.Tensor],
        grads: tuple[torch.Tensor, torch.Tensor, torch.Tensor],
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Gradients of places, orientations and sizes from those of distances, positions and frames."""
        n = inputs[0].shape[0]
        wanted = tuple(torch.zeros_like(values) for values in inputs)
        arrays = self._arrays(*inputs, found) | _as_places(outputs)
        theirs = _as_shapes(*wanted) | _as_places(grads)
        for name, gradient in theirs.items():
            arrays[name].grad = gradient
        if self._convex:
            given = arrays | {f"adj_{name}": gradient for name, gradient in theirs.items()}
            self._launch([convex_geometry.convex_geometry_adjoint], n, given)
        self._launch(self._closed, n, arrays, adjoint=True)
        return wanted

    def is_exact(self, found: Found) -> torch.Tensor:
        """(N, C) bool: whether position and normal follow the shapes. Where two convex shapes touch could not be solved
        for exactly, the points that were found are fixed in both, and the distance alone has its true gradient."""
        if not self._convex:
            return torch.ones_like(found.pair, dtype=torch.bool)
        families = torch.as_tensor(self._constants["cpair_family"].numpy(), device=found.pair.device)
        convex_pair = families[found.pair.long()] == contact.CONVEX
        points = (found.feature[..., 0] == 0) & (found.feature[..., 1] == POINT) & (found.feature[..., 5] == POINT)
        return ~(convex_pair & points)

    # -- launches -----------------------------------------------------------------------------------------------------

    @property
    def _geometries(self) -> list[wp.Kernel]:
        return [*self._closed, *([convex_geometry.convex_geometry] if self._convex else [])]

    def _places(self, n: int, like: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        c = self._n_slots
        return like.new_zeros((n, c)), like.new_zeros((n, c, 3)), like.new_zeros((n, c, 3, 3))

    def _arrays(self, pos: torch.Tensor, mat: torch.Tensor, size: torch.Tensor, found: Found) -> dict[str, Any]:
        discrete = {"ncon": found.count, "con_pair": found.pair, "con_feature": found.feature}
        return self._constants | _as_shapes(pos, mat, size) | _as_integers(discrete)

    def _launch(self, kernels: list[wp.Kernel], n: int, arrays: dict[str, Any], adjoint: bool = False) -> None:
        stream = wp.stream_from_torch(torch.cuda.current_stream()) if self._device.is_cuda else None
        for kernel in kernels:
            arguments = [_argument(arg, arrays) for arg in kernel.adj.args]
            more = adjoint_arguments(arguments) if adjoint else {}
            inputs = [launchable(argument) for argument in arguments]
            wp.launch(kernel, dim=n, inputs=inputs, device=self._device, stream=stream, record_tape=False, **more)


def _argument(arg: Any, arrays: dict[str, Any]) -> Any:
    """What a kernel is given for an argument; of a group what is known of it."""
    if not isinstance(arg.type, Struct):
        return arrays[arg.label]
    prefix = "adj_" if arg.label.startswith("adj_") else ""
    known = {name: arrays[prefix + name] for name in arg.type.vars if prefix + name in arrays}
    return Group(arg.type, known)


def _integers(shape: tuple[int, ...], like: torch.Tensor) -> torch.Tensor:
    return torch.zeros(shape, dtype=torch.int32, device=like.device)


def _as_integers(tensors: dict[str, torch.Tensor]) -> dict[str, wp.array]:
    return {name: wp.from_torch(values.detach(), dtype=wp.int32) for name, values in tensors.items()}


def _as_shapes(pos: torch.Tensor, mat: torch.Tensor, size: torch.Tensor) -> dict[str, wp.array]:
    return {
        "geom_xpos": wp.from_torch(pos.detach(), dtype=vec3),
        "geom_xmat": wp.from_torch(mat.detach(), dtype=mat33),
        "geom_size": wp.from_torch(size.detach(), dtype=vec3),
    }


def _as_places(places: tuple[torch.Tensor, torch.Tensor, torch.Tensor]) -> dict[str, wp.array]:
    distance, position, frame = places
    return {
        "con_dist": wp.from_torch(distance.detach(), dtype=real),
        "con_pos": wp.from_torch(position.detach(), dtype=vec3),
        "con_frame": wp.from_torch(frame.detach(), dtype=mat33),
    }
