"""Sensors that look from points of a link for the nearest surface: of given links, or of what touches the link."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import torch

from genesis.errors import GenesisException
from genesis.sensors.attached.casting import Scenery
from genesis.sensors.attached.contacts import Touching
from genesis.sensors.attached.options.base import ContactFilterOptions
from genesis.sensors.attached.options.probes import (
    ContactDepthProbe,
    ContactProbe,
    KinematicContactProbe,
    KinematicTaxel,
    Proximity,
    SurfaceDistanceProbe,
)
from genesis.sensors.attached.sensor import Sensor
from genesis.sensors.attached.snapshot import Settings
from genesis.sensors.attached.surfaces import Near, nearest
from genesis.sensors.present import Present, cross, indices, numbers, turn, turn_back
from genesis.world.arguments import plain_tensors
from genesis.world.world import World


class ProbeSensor(Sensor):
    """A sensor with points on its link, in a list or a grid."""

    options: Any

    def shapes(self) -> tuple[tuple[int, ...], ...]:
        return (self._layout,)

    def place_points(self, radii: tuple[float, ...]) -> None:
        """Take the points of the options, and their radii."""
        points = np.asarray(self.options.probe_local_pos, dtype=float)
        self._layout = points.shape[:-1]
        self._points = numbers(points.reshape(-1, 3))
        self.n_points = len(self._points)
        self._radii = numbers(radii).expand(self.n_points)

    def points(self, now: Present, settings: Settings) -> torch.Tensor:
        """In the world [m], (N, n, 3)."""
        matrix = now.xmat[:, self.body].unsqueeze(1)
        local = self._points + settings["pos_offset"].unsqueeze(1)
        return now.xpos[:, self.body].unsqueeze(1) + turn(matrix, local)


# -- of given links ---------------------------------------------------------------------------------------------------


class SurfaceDistanceSensor(ProbeSensor):
    """Measures how far the nearest surface of the tracked links is from each point."""

    options: SurfaceDistanceProbe | Proximity

    def build_kind(self, world: World) -> None:
        options = self.options
        self.place_points((options.max_range,) if isinstance(options, Proximity) else options.radii)
        m, n_links = world.model.mj_model, world.model.nbody - 1
        for link in options.track_link_idx:
            if link >= n_links:
                raise GenesisException(f"{self._called}: track_link_idx holds {link}; the scene has {n_links} links.")
        collide = (np.asarray(m.geom_contype) | np.asarray(m.geom_conaffinity)) != 0
        tracked = np.isin(np.asarray(m.geom_bodyid) - 1, options.track_link_idx) & collide
        self._scenery = Scenery(world.model, np.flatnonzero(tracked))
        self._all = torch.ones((1, int(tracked.sum())), dtype=torch.bool, device=self._points.device)

    def measure(self, now: Present, settings: Settings, state: torch.Tensor | None) -> torch.Tensor:
        return self._look(now, settings)[0]

    def _look(self, now: Present, settings: Settings) -> tuple[torch.Tensor, torch.Tensor]:
        """Distances (N, n) and nearest points (N, n, 3)."""
        points = self.points(now, settings)
        near = nearest(self._scenery, now, points, self._all, unsigned=True)
        within = near.distance.abs() < self._radii
        return torch.where(within, near.distance.abs(), self._radii), torch.where(
            within.unsqueeze(-1), near.point, points
        )

    @property
    def nearest_points(self) -> torch.Tensor:
        """The nearest point of each of `read_ground_truth`'s distances [m], world frame, ([n_envs,] n, 3)."""
        world = self._built("nearest_points")
        with plain_tensors(), torch.set_grad_enabled(world.requires_grad and torch.is_grad_enabled()):
            snapshot, there = self._timeline.snapshot(0), self._timeline.reaches(0)
            if snapshot is None:
                found = self._points.new_zeros((world.n_worlds, self.n_points, 3))
            else:
                found = self._look(snapshot.present(), snapshot.settings[self.number])[1]
                found = found if there is None else torch.where(there[:, None, None], found, 0.0)
            return world.wrap(found.clone().unflatten(1, self._layout))

    nearest_points_ground_truth = nearest_points


# -- of what touches the link -----------------------------------------------------------------------------------------


class TouchingSensor(ProbeSensor):
    """Measures how deep the sphere around each point is in what touches the link: the largest of `radius -
    distance`."""

    def build_kind(self, world: World) -> None:
        self.place_points(self.options.radii)
        assert isinstance(self.options, ContactFilterOptions)
        self._touching = Touching(world, self.body, self.options, self._called)
        self._scenery = self._timeline.shared("scenery", lambda: Scenery(world.model))
        row = np.full(world.model.mj_model.ngeom + 1, len(self._scenery.ids))
        row[self._scenery.ids] = np.arange(len(self._scenery.ids))
        self._row = indices(row)
        self.settings["gain"] = numbers(getattr(self.options, "gains", (1.0,))).expand(self.n_points)[None].clone()

    def set_probe_gain(self, probe_gain: Any, envs_idx: Any = None) -> None:
        """By which measured depths are multiplied: a number, or one for each point; from the next step on."""
        self._put("gain", self._given("set_probe_gain", "probe_gain", probe_gain, envs_idx, self.n_points), envs_idx)

    def feel(self, now: Present, settings: Settings) -> tuple[torch.Tensor, Near]:
        """Depths [m], (N, n), zero where nothing is felt, and the surfaces that are felt."""
        contacts = now.contacts
        mine = self._touching.sides(contacts)
        touched = torch.zeros((now.n, len(self._scenery.ids) + 1), dtype=torch.bool, device=mine.device)
        rows = torch.where(mine, self._row[contacts.geom.flip(-1)], len(self._scenery.ids)).flatten(1)
        touched = touched.scatter(1, rows, True)[:, :-1]
        near = nearest(self._scenery, now, self.points(now, settings), touched, unsigned=False)
        felt = (near.distance < self._radii) & (self._radii > 0)
        return torch.where(felt, self._radii - torch.where(felt, near.distance, 0.0), 0.0), near


class ContactDepthSensor(TouchingSensor):
    """The depths themselves."""

    options: ContactDepthProbe

    def measure(self, now: Present, settings: Settings, state: torch.Tensor | None) -> torch.Tensor:
        return self.feel(now, settings)[0]

    def imperfect(self, values: torch.Tensor, settings: Settings, state: torch.Tensor | None) -> torch.Tensor:
        return settings["gain"] * values


class ContactProbeSensor(TouchingSensor):
    """Whether each depth is above a threshold, or still above another one.

    Its state is what it said, true and, with its gain, measured: (N, 2 n).
    """

    options: ContactProbe
    has_state = True

    def start(self, n_worlds: int) -> torch.Tensor:
        return self._points.new_zeros((n_worlds, 2 * self.n_points))

    def advance(self, state: torch.Tensor, now: Present, settings: Settings) -> torch.Tensor:
        depth = self.feel(now, settings)[0].detach()
        depth = torch.cat([depth, settings["gain"].detach() * depth], -1)
        on = self.options.contact_threshold
        off = on if self.options.release_threshold is None else max(self.options.release_threshold, 0.0)
        return ((depth >= on) & (depth > 0) | (state > 0) & (depth > off)).to(depth.dtype)

    def measure(self, now: Present, settings: Settings, state: torch.Tensor | None) -> torch.Tensor:
        assert state is not None
        return state[:, : self.n_points]

    def imperfect(self, values: torch.Tensor, settings: Settings, state: torch.Tensor | None) -> torch.Tensor:
        assert state is not None
        return state[:, self.n_points :]

    def finish(self, values: torch.Tensor) -> torch.Tensor:
        return values > 0.5


class TaxelData(NamedTuple):
    """Force [N] and torque [N m] at each point, in the link's frame."""

    force: torch.Tensor
    torque: torch.Tensor


class KinematicTaxelSensor(TouchingSensor):
    """A spring and a damper at each point; see `gs.sensors.KinematicTaxel`."""

    result = TaxelData
    options: KinematicTaxel

    def shapes(self) -> tuple[tuple[int, ...], ...]:
        return (*self._layout, 3), (*self._layout, 3)

    def build_kind(self, world: World) -> None:
        super().build_kind(world)
        self._body_of_geom = indices(np.asarray(world.model.mj_model.geom_bodyid)[self._scenery.ids])

    def measure(self, now: Present, settings: Settings, state: torch.Tensor | None) -> torch.Tensor:
        options = self.options
        depth, near = self.feel(now, settings)
        felt = depth > 0
        strength = torch.where(felt, torch.where(felt, depth, 1.0) ** options.normal_exponent, 0.0)
        env = torch.arange(now.n, device=depth.device)[:, None]
        other, mine = self._body_of_geom[near.geom], torch.full_like(near.geom, self.body)
        place = self.points(now, settings)
        moves = [
            now.velocity[env, body] + cross(now.omega[env, body], place - now.xpos[env, body]) for body in (other, mine)
        ]
        matrix = now.xmat[:, self.body].unsqueeze(1)
        normal, velocity = turn_back(matrix, near.normal), turn_back(matrix, moves[0] - moves[1])
        omega = turn_back(matrix, now.omega[env, other] - now.omega[env, mine])
        along, spin = ((v * normal).sum(-1, keepdim=True) for v in (velocity, omega))
        strength = strength.unsqueeze(-1)
        force = normal * strength * (options.normal_stiffness + options.normal_damping * along)
        force = force - options.shear_scalar * (velocity - along * normal)
        local = self._points + settings["pos_offset"].unsqueeze(1)
        torque = cross(local, force) - options.twist_scalar * spin * normal
        both = torch.where(felt[..., None, None], torch.stack([force, torque], -2), 0.0)
        return torch.cat([both[:, :, 0].flatten(1), both[:, :, 1].flatten(1)], -1)

    def imperfect(self, values: torch.Tensor, settings: Settings, state: torch.Tensor | None) -> torch.Tensor:
        gain = settings["gain"] ** self.options.normal_exponent
        return values * gain.repeat_interleave(3, -1).repeat(1, 2)


class KinematicContactData(NamedTuple):
    """Depth [m] and force [N] of each point, the force in the link's frame."""

    penetration: torch.Tensor
    force: torch.Tensor


class KinematicContactSensor(TouchingSensor):
    """A spring along the normal of each point."""

    result = KinematicContactData
    options: KinematicContactProbe

    def shapes(self) -> tuple[tuple[int, ...], ...]:
        return self._layout, (*self._layout, 3)

    def build_kind(self, world: World) -> None:
        super().build_kind(world)
        normals = numbers(np.asarray(self.options.probe_local_normal, dtype=float).reshape(-1, 3))
        self._normals = torch.nn.functional.normalize(normals, dim=-1).expand(self.n_points, 3)

    def measure(self, now: Present, settings: Settings, state: torch.Tensor | None) -> torch.Tensor:
        depth, _ = self.feel(now, settings)
        force = -self.options.stiffness * depth.unsqueeze(-1) * self._normals
        return torch.cat([depth, force.flatten(1)], -1)
