"""How far the nearest collision geometry is along many rays."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
import torch

from genesis.errors import GenesisException
from genesis.math.rotation import quat_normalize, quat_to_mat
from genesis.sensors.attached.casting import Scenery
from genesis.sensors.attached.options.rays import DepthCamera, Raycaster
from genesis.sensors.attached.sensor import Sensor
from genesis.sensors.attached.snapshot import Settings
from genesis.sensors.present import Present, numbers
from genesis.world.world import World


class RaycasterData(NamedTuple):
    """Points that rays met [m], or None, and how far they are [m]."""

    points: torch.Tensor | None
    distances: torch.Tensor


class RaycasterSensor(Sensor):
    """Casts the rays of its pattern."""

    result = RaycasterData
    options: Raycaster

    def shapes(self) -> tuple[tuple[int, ...], ...]:
        shape = tuple(self.options.pattern.return_shape)
        return ((*shape, 3), shape) if self.options.return_points else (shape,)

    def build_kind(self, world: World) -> None:
        pattern = self.options.pattern
        count = math.prod(pattern.return_shape)
        starts, along = (_flat(values, count, self._called) for values in (pattern.ray_starts, pattern.ray_dirs))
        length = np.linalg.norm(along, axis=-1, keepdims=True)
        if not (length > 0).all():
            raise GenesisException(f"{self._called}: a ray of the pattern has no direction.")
        self._starts, self._along = numbers(starts) if starts.any() else None, numbers(along / length)
        self._scenery = self._timeline.shared("scenery", lambda: Scenery(world.model))

    def measure(self, now: Present, settings: Settings, state: torch.Tensor | None) -> torch.Tensor:
        options = self.options
        position, matrix = self.frame(now, settings)
        # A matrix product is much faster here than the sum of products by which few vectors are turned.
        ray = (self._along @ matrix.mT).expand(now.n, -1, -1)
        origin = position.unsqueeze(1).expand_as(ray)
        if self._starts is not None:
            origin = origin + self._starts @ matrix.mT
        hit, distance = self._scenery.cast(now, origin, ray, options.min_range, options.max_range)
        seen = torch.where(hit, distance, options.value_of_no_hit)
        if not options.return_points:
            return seen
        if options.return_world_frame:
            points = origin + distance.unsqueeze(-1) * ray
        else:  # along the link's axes, not the sensor's, as in Genesis
            offset = quat_to_mat(quat_normalize(settings["quat_offset"]))
            points = distance.unsqueeze(-1) * (self._along @ offset.mT)
        return torch.cat([torch.where(hit.unsqueeze(-1), points, 0.0).flatten(1), seen], -1)

    def packed(self, tensors: list[Any]) -> Any:
        return RaycasterData(*tensors) if self.options.return_points else RaycasterData(None, tensors[0])


class DepthCameraSensor(RaycasterSensor):
    """Casts a ray through each pixel."""

    options: DepthCamera

    def read_image(self, envs_idx: Any = None) -> torch.Tensor:
        """How far what each pixel shows is [m], ([n_envs,] height, width): the distances of `read`."""
        return self.read(envs_idx).distances


def _flat(values: Any, count: int, owner: str) -> np.ndarray:
    """Rays of a pattern, (count, 3)."""
    array = values.detach().cpu().numpy() if isinstance(values, torch.Tensor) else np.asarray(values)
    if array.size != 3 * count or not np.isfinite(array).all():
        raise GenesisException(
            f"{owner}: the pattern has rays of shape {array.shape}; expected finite (*return_shape, 3)."
        )
    return array.reshape(count, 3).astype(float)
