"""Sensors of the distance between two geoms, or all geoms of two links, near or far.

Which places are nearest is discrete; their distance, and the two points, are differentiated: the derivative of the
distance is that with the points held fixed in their geoms (envelope theorem), that of the points follows from the
conditions that they satisfy (implicit function theorem).
"""

from __future__ import annotations

from collections.abc import Iterator

import mujoco
import torch

from genesis.grad.distances import Measured, measure
from genesis.model import contact
from genesis.rigid.distances import Distances
from genesis.sensors.group import Group, Measure
from genesis.sensors.objects import Geoms
from genesis.sensors.present import Present, indices, numbers

_BODY = int(mujoco.mjtObj.mjOBJ_BODY)


def distance(group: Group) -> Measure:
    """The smallest signed distance [m], at most `cutoff`."""
    nearest = _Nearest(group)
    return lambda now: nearest(now)[0].unsqueeze(-1)


def normal(group: Group) -> Measure:
    """Direction from the nearest point of the first to that of the second; zero beyond the cutoff."""
    nearest = _Nearest(group)

    def measure_normal(now: Present) -> torch.Tensor:
        apart, _, direction, known = nearest(now)
        return torch.where(known, apart.sign().unsqueeze(-1) * direction, 0.0)

    return measure_normal


def fromto(group: Group) -> Measure:
    """The nearest point of the first, and that of the second [m]; zero beyond the cutoff."""
    nearest = _Nearest(group)

    def measure_points(now: Present) -> torch.Tensor:
        apart, middle, direction, known = nearest(now)
        half = 0.5 * apart.unsqueeze(-1) * direction
        return torch.where(known, torch.cat([middle - half, middle + half], -1), 0.0)

    return measure_points


class _Nearest:
    """Distance (N, k), place midway and normal (N, k, 3) of each sensor's nearest pair of geoms, and whether it is
    within the cutoff, (N, k, 1)."""

    def __init__(self, group: Group) -> None:
        m = group.model.mj_model
        self._cutoff = numbers(m.sensor_cutoff[group.number])
        pairs, reach, owner, flip = [], [], [], []
        for k, (things, cutoff) in enumerate(zip(_things(group), m.sensor_cutoff[group.number], strict=True)):
            for one, two in ((one, two) for one in things[0] for two in things[1]):
                pair = contact.in_measured_order(m, one, two)
                if pair is None:
                    continue
                pairs.append(pair)
                reach.append(float(cutoff))
                owner.append(k)
                flip.append(-1.0 if pair != (one, two) else 1.0)
        self._k = len(group.number)
        if not pairs:
            self._distances = None
            return
        self._distances = Distances(group.model, pairs, reach)
        self._geoms = Geoms(group.model, self._distances.geoms)
        # Of no pair, at the end: no sensor.
        self._owner, self._sign = indices([*owner, -1]), numbers([*flip, 1.0])

    def __call__(self, now: Present) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
        far = self._cutoff.expand(now.n, -1)
        if self._distances is None:
            nowhere = far.new_zeros((now.n, self._k, 3))
            return far, nowhere, nowhere, torch.zeros_like(far, dtype=torch.bool).unsqueeze(-1)
        pos, mat = self._geoms.frames(now)
        found = measure(self._distances, pos, mat, self._geoms.sizes(now))
        slot, known = self._choose(found)
        env = torch.arange(now.n, device=slot.device)[:, None]
        distance = torch.where(known, found.distance[env, slot], far)
        sign = self._sign[found.pair[env, slot]].unsqueeze(-1)
        return distance, found.position[env, slot], sign * found.normal[env, slot], known.unsqueeze(-1)

    @torch.no_grad()
    def _choose(self, found: Measured) -> tuple[torch.Tensor, torch.Tensor]:
        """The slot of each sensor's smallest distance, of equal ones that of the first pair, and whether there is one
        below the cutoff, (N, k)."""
        sensors = torch.arange(self._k, device=found.pair.device)[:, None]
        mine = self._owner[found.pair].unsqueeze(1) == sensors
        distance = torch.where(mine, found.distance.unsqueeze(1), torch.inf)
        least = distance.amin(-1, keepdim=True)
        last = len(self._owner)
        pair = torch.where(mine & (distance == least), found.pair.unsqueeze(1), last)
        return pair.argmin(-1), least.squeeze(-1) < self._cutoff


def _things(group: Group) -> Iterator[tuple[list[int], list[int]]]:
    """Both lists of geoms of each sensor."""
    m = group.model.mj_model

    def geoms(kind: int, number: int) -> list[int]:
        if kind != _BODY:
            return [number]
        first = int(m.body_geomadr[number])
        return list(range(first, first + int(m.body_geomnum[number])))

    for row in zip(group.objtype, group.objid, group.reftype, group.refid, strict=True):
        kind, number, other_kind, other = (int(value) for value in row)
        yield geoms(kind, number), geoms(other_kind, other)
