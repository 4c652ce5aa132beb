"""Temperatures of the cells of a link's bounding box, after every step:

1. heat spreads (implicit, no heat passes the outer walls), and is produced where the options say so;
2. each contact of the link exchanges heat with the cell that it is in, k_eff (T_other - T) / (V / A) through an area A;
3. cells at the surface lose heat by convection and radiation.

Rates and areas are Genesis's, in whose terms the parameters are given: the loss of a surface cell counts per square
metre, whatever its size, and the area of fewer than three contacts of two links is pi times the sum of their depths.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import mujoco
import numpy as np
import torch

from genesis.errors import GenesisException
from genesis.math.rotation import quat_to_mat
from genesis.sensors.attached.options.temperature import TemperatureGrid, TemperatureProperties
from genesis.sensors.attached.sensor import Sensor
from genesis.sensors.attached.snapshot import Settings
from genesis.sensors.present import Present, cross, indices, numbers, turn_back
from genesis.world.contacts import Contacts
from genesis.world.world import World

_KELVIN, _STEFAN_BOLTZMANN = 273.15, 5.670374419e-8
_EPS = 1e-12
_HOTTEST = 1000.0  # [deg C] beyond which a temperature is held


@dataclass
class _Matter:
    """What all temperature grids of a scene say together."""

    properties: dict[int, TemperatureProperties] = field(default_factory=dict)
    ambient: float = 21.0
    convection: float = 1.0
    simulates_links: bool = False

    def table(self, n_links: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Properties of each link, (n_links, 5), and whether it has any, (n_links,) bool."""
        default = self.properties.get(-1)
        known = [self.properties.get(link, default) for link in range(n_links)]
        values = np.array([tuple(one or TemperatureProperties()) for one in known]).reshape(n_links, 5)
        has = torch.as_tensor([one is not None for one in known], dtype=torch.bool)
        table = numbers(values)
        return table, has.to(table.device)


class TemperatureGridSensor(Sensor):
    """Measures the temperatures of cells; its state is them, what lags behind them, and the links' own, one after the
    other."""

    options: TemperatureGrid
    has_state = True

    def shapes(self) -> tuple[tuple[int, ...], ...]:
        return (tuple(self.options.grid_size),)

    def build_kind(self, world: World) -> None:
        options = self.options
        if self.entity is None:
            raise GenesisException(f"{self._called}: it needs a link; pass entity_idx=entity.idx.")
        self._n_links, self._link = world.model.nbody - 1, self.body - 1
        self._matter = self._timeline.shared("matter", _Matter)
        for link in options.properties_dict:
            if link >= self._n_links:
                raise GenesisException(
                    f"{self._called}: properties_dict names link {link}; the scene has {self._n_links}."
                )
        self._matter.properties.update(options.properties_dict)
        if options.ambient_temperature is not None:
            self._matter.ambient = options.ambient_temperature
        if options.convection_coefficient is not None:
            self._matter.convection = options.convection_coefficient
        self._matter.simulates_links |= options.simulate_all_link_temperatures
        if self._link not in self._matter.properties and -1 not in self._matter.properties:
            raise GenesisException(
                f"{self._called}: properties_dict says nothing of its own link, {self._link}; give "
                "TemperatureProperties for it, or for -1, which counts for all links."
            )
        boxes = [_box(world.model.mj_model, body) for body in range(1, world.model.nbody)]
        low, high = boxes[self._link]
        if not (high > low).all():
            raise GenesisException(f"{self._called}: its link has no geometry of which a grid could be made.")
        count = np.array(options.grid_size)
        self._count, self._low, self._cell = indices(count), numbers(low), numbers((high - low) / count)
        self._volume = float(np.prod((high - low) / count))
        self._volumes = numbers([max(float(np.prod(b - a)), _EPS) for a, b in boxes])
        place = np.stack(np.meshgrid(*(np.arange(n) for n in count), indexing="ij"), -1)
        self._surface = numbers(((place == 0) | (place == count - 1)).any(-1).reshape(-1))
        waves = [np.pi * np.arange(n) / (n * h) for n, h in zip(count, (high - low) / count, strict=True)]
        self._waves = numbers(sum(np.ix_(*waves)[axis] ** 2 for axis in range(3)))
        self._cosines = [numbers(_cosines(int(n))) for n in count]
        heat = options.heat_generation
        self._heat = None if heat is None else numbers(np.asarray(heat).reshape(-1) / self._cell[2].item())

    def start(self, n_worlds: int) -> torch.Tensor:
        table, has = self._matter.table(self._n_links)
        cells = table[self._link, 0].expand(n_worlds, 2 * self.size)
        links = torch.where(has, table[:, 0], self._matter.ambient).expand(n_worlds, -1)
        return torch.cat([cells, links], -1)

    def measure(self, now: Present, settings: Settings, state: torch.Tensor | None) -> torch.Tensor:
        assert state is not None
        return state[:, : self.size]

    def true_before(self, none: torch.Tensor) -> torch.Tensor:
        return self.start(len(none))[:, : self.size]

    def imperfect(self, values: torch.Tensor, settings: Settings, state: torch.Tensor | None) -> torch.Tensor:
        assert state is not None
        return state[:, self.size : 2 * self.size]

    @property
    def link_temperatures(self) -> torch.Tensor:
        """Temperatures of all links of the scene [deg C], ([n_envs,] n_links)."""
        world = self._built("link_temperatures")
        snapshot = self._timeline.snapshot(0)
        state = self.start(world.n_worlds) if snapshot is None else snapshot.states[self.number]
        return world.wrap(state[:, 2 * self.size :].clone())

    def advance(self, state: torch.Tensor, now: Present, settings: Settings) -> torch.Tensor:
        cells, lagging, links = state.split([self.size, self.size, self._n_links], -1)
        table, has = self._matter.table(self._n_links)
        heat_of_volume = table[:, 2] * table[:, 3]
        own, warmth = table[self._link], heat_of_volume[self._link]
        cells = self._spread(cells, own[1] / warmth)
        if self._heat is not None:
            cells = cells + self.dt * self._heat / warmth
        contacts = now.contacts
        if contacts.valid.shape[1]:
            area = _areas(contacts)
            others = links if self._matter.simulates_links else table[:, 0].expand_as(links)
            cells = self._touched(cells, others, now, contacts, area, table, has)
            if self._matter.simulates_links:
                links = self._exchanged(links, contacts, area, table, has)
        cells = cells.clamp(-_HOTTEST, _HOTTEST)
        cells = cells - self._lost(cells, own[4], warmth * self._volume) * self._surface
        if self._matter.simulates_links:
            links = links - torch.where(has, self._lost(links, table[:, 4], heat_of_volume * self._volumes), 0.0)
        lag = self.options.sensor_time_constant
        lagging = lagging + (min(self.dt / lag, 1.0) if lag > 0 else 1.0) * (cells - lagging)
        return torch.cat([cells, lagging, links], -1)

    def _spread(self, cells: torch.Tensor, diffusivity: torch.Tensor) -> torch.Tensor:
        """Implicit diffusion in the cosines of the box, which let no heat through its walls."""
        grid = cells.unflatten(-1, tuple(self.options.grid_size))
        x, y, z = self._cosines
        waves = torch.einsum("nijk,ai,bj,ck->nabc", grid, x, y, z) / (1.0 + self.dt * diffusivity * self._waves)
        return torch.einsum("nabc,ai,bj,ck->nijk", waves, x, y, z).flatten(1)

    def _touched(
        self,
        cells: torch.Tensor,
        others: torch.Tensor,
        now: Present,
        contacts: Contacts,
        area: torch.Tensor,
        table: torch.Tensor,
        has: torch.Tensor,
    ) -> torch.Tensor:
        """After heat has passed each contact of the link, one after the other."""
        mine = (contacts.link == self._link) & contacts.valid.unsqueeze(-1)
        other = torch.where(mine[..., 0], contacts.link[..., 1], contacts.link[..., 0])
        counts = mine.any(-1) & (other >= 0)
        other = other.clamp(min=0)
        counts = counts & has[other]
        local = turn_back(now.xmat[:, self.body, None], contacts.position - now.xpos[:, self.body, None])
        place = ((local.detach() - self._low) / self._cell).long()
        place = torch.minimum(place.clamp(min=0), self._count - 1)
        cell = (place[..., 0] * self._count[1] + place[..., 1]) * self._count[2] + place[..., 2]
        conductivity = _in_series(table[self._link, 1], table[other, 1])
        depth = -contacts.distance
        through = torch.maximum(area, math.pi * self.options.contact_depth_weight * depth)
        rate = conductivity * through.square() / self._volume**2 / (table[self._link, 2] * table[self._link, 3])
        there = others.gather(1, other)
        for k in range(cell.shape[1]):
            at = cell[:, k : k + 1]
            change = self.dt * rate[:, k : k + 1] * (there[:, k : k + 1] - cells.gather(1, at))
            cells = cells.scatter_add(1, at, torch.where(counts[:, k : k + 1], change, 0.0))
        return cells

    def _exchanged(
        self, links: torch.Tensor, contacts: Contacts, area: torch.Tensor, table: torch.Tensor, has: torch.Tensor
    ) -> torch.Tensor:
        """Temperatures of links after heat has passed between them."""
        one, two = contacts.link.clamp(min=0).unbind(-1)
        counts = contacts.valid & (contacts.link >= 0).all(-1) & has[one] & has[two]
        length = (self._volumes[one] + self._volumes[two]) / (2.0 * area)
        conductivity = _in_series(table[one, 1], table[two, 1])
        room = table[:, 2] * table[:, 3] * self._volumes
        for k in range(one.shape[1]):
            a, b = one[:, k : k + 1], two[:, k : k + 1]
            flux = conductivity[:, k : k + 1] * (links.gather(1, a) - links.gather(1, b)) / length[:, k : k + 1]
            heat = torch.where(counts[:, k : k + 1], self.dt * flux * area[:, k : k + 1], 0.0)
            links = links.scatter_add(1, a, -heat / room[a]).scatter_add(1, b, heat / room[b])
        return links

    def _lost(self, temperature: torch.Tensor, emissivity: torch.Tensor, room: torch.Tensor) -> torch.Tensor:
        """By how much convection and radiation cool in a step."""
        ambient = self._matter.ambient
        radiation = (temperature + _KELVIN) ** 4 - (ambient + _KELVIN) ** 4
        flux = emissivity * _STEFAN_BOLTZMANN * radiation + self._matter.convection * (temperature - ambient)
        return self.dt * flux / room


def _in_series(one: torch.Tensor, two: torch.Tensor) -> torch.Tensor:
    """Conductivity of two halves, one behind the other."""
    return 2.0 * one * two / (one + two + _EPS)


def _cosines(n: int) -> np.ndarray:
    """Orthonormal cosines of n cells, (n, n)."""
    waves = np.cos(np.pi * np.outer(np.arange(n), np.arange(n) + 0.5) / n) * math.sqrt(2.0 / n)
    waves[0] *= math.sqrt(0.5)
    return waves


def _box(m: mujoco.MjModel, body: int) -> tuple[np.ndarray, np.ndarray]:
    """Corners of the box around a link's geoms that can collide, in its frame [m]; zero without any."""
    low, high = np.full(3, np.inf), np.full(3, -np.inf)
    first = int(m.body_geomadr[body])
    for g in range(first, first + int(m.body_geomnum[body])):
        if not (m.geom_contype[g] | m.geom_conaffinity[g]) or m.geom_type[g] == int(mujoco.mjtGeom.mjGEOM_PLANE):
            continue
        turned = quat_to_mat(torch.as_tensor(m.geom_quat[g], device="cpu")).numpy()
        if m.geom_type[g] == int(mujoco.mjtGeom.mjGEOM_SPHERE):
            turned = np.eye(3)
        middle = m.geom_pos[g] + turned @ m.geom_aabb[g, :3]
        half = np.abs(turned) @ m.geom_aabb[g, 3:]
        low, high = np.minimum(low, middle - half), np.maximum(high, middle + half)
    return (low, high) if np.isfinite(low).all() else (np.zeros(3), np.zeros(3))


def _areas(contacts: Contacts) -> torch.Tensor:
    """The area that each contact stands for [m^2], (N, n): of three or more contacts of two links that of the polygon
    around them, seen along their mean normal, shared out; of fewer pi times the sum of their depths, shared out."""
    one, two = contacts.link.unbind(-1)
    same = (one[:, :, None] == one[:, None]) & (two[:, :, None] == two[:, None])
    same = same & contacts.valid[:, :, None] & contacts.valid[:, None]
    weight = same.to(contacts.distance.dtype)
    count = weight.sum(-1).clamp(min=1.0)
    middle = weight @ contacts.position / count.unsqueeze(-1)
    normal = torch.nn.functional.normalize(weight @ contacts.normal, dim=-1, eps=_EPS)
    along_x, along_y = torch.eye(3, dtype=normal.dtype, device=normal.device)[:2]
    side = torch.where(normal[..., :1].detach().abs() < 0.9, along_x, along_y)
    u = torch.nn.functional.normalize(cross(normal, side), dim=-1, eps=_EPS)
    v = cross(normal, u)
    arm = contacts.position.unsqueeze(1) - middle.unsqueeze(2)
    x, y = (arm * u.unsqueeze(2)).sum(-1), (arm * v.unsqueeze(2)).sum(-1)
    # Around the middle by angle; those of other links are put at the end and stand in the first one's place.
    angle = torch.where(same, torch.atan2(y, x).detach(), torch.inf)
    order = angle.argsort(-1)
    x, y, there = x.gather(-1, order), y.gather(-1, order), same.gather(-1, order)
    x, y = torch.where(there, x, x[..., :1]), torch.where(there, y, y[..., :1])
    polygon = 0.5 * (x * y.roll(-1, -1) - x.roll(-1, -1) * y).sum(-1).abs()
    few = math.pi * (weight @ -contacts.distance.unsqueeze(-1)).squeeze(-1).clamp(min=0.0)
    return (torch.where(count >= 3, polygon, few) + _EPS) / count
