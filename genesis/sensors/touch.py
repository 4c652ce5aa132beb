"""Sensors of contacts: the sum of normal forces in a zone, and lists of the contacts between given things.

Which contacts count is discrete; forces, distances, positions and normals of those that do are differentiable.
"""

from __future__ import annotations

from dataclasses import dataclass

import mujoco
import numpy as np
import torch

from genesis.sensors.group import Group, Measure
from genesis.sensors.objects import Objects
from genesis.sensors.present import Present, cross, indices, numbers, turn, turn_back
from genesis.sensors.shapes import SHAPES, TINY
from genesis.world.contacts import Contacts

_GEOM, _BODY, _XBODY, _SITE = (
    int(getattr(mujoco.mjtObj, f"mjOBJ_{name}")) for name in ("GEOM", "BODY", "XBODY", "SITE")
)
# What a contact sensor can report of a contact, in this order, and how many numbers each is (MuJoCo: mjtConDataField).
_FIELDS = (
    *(("found", 1), ("force", 3), ("torque", 3), ("dist", 1), ("pos", 3), ("normal", 3), ("tangent", 3)),
    *(("linvel", 3), ("angvel", 3)),
)
# How it chooses: the first ones, the closest, the strongest, or all of them as one.
_FIRST, _CLOSEST, _STRONGEST, _NET = range(4)


def touch(group: Group) -> Measure:
    """Sum of the normal forces [N] of contacts of the site's link whose force, along its line, meets the site."""
    model = group.model
    if not model.has_contacts:
        return lambda now: now.state.new_zeros((now.n, len(group.number), 1))
    zones = Zones(group, group.objtype, group.objid)
    link = zones.site.body - 1

    def measure(now: Present) -> torch.Tensor:
        contacts = now.contacts
        mine = contacts.link.unsqueeze(1) == link[:, None, None]
        push = contacts.wrench[..., 0].unsqueeze(1)
        outwards = torch.where(mine[..., 1], -1.0, 1.0).unsqueeze(-1)
        meets = zones.meet(now, contacts.position, outwards * contacts.normal.unsqueeze(1))
        counts = mine.any(-1) & contacts.valid.unsqueeze(1) & (push > 0) & meets
        return torch.where(counts, push, 0.0).sum(-1, keepdim=True)

    return measure


class Zones:
    """The shapes of sites, as zones in which something is.

    Attributes:
        site: the sites
    """

    def __init__(self, group: Group, types: np.ndarray, ids: np.ndarray) -> None:
        m = group.model.mj_model
        self.site, self._size = Objects(group.model, types, ids), numbers(m.site_size[ids])
        kind = m.site_type[ids]
        self._of_kind = [(int(k), indices(np.flatnonzero(kind == k))) for k in np.unique(kind)]

    @torch.no_grad()
    def meet(self, now: Present, point: torch.Tensor, ray: torch.Tensor) -> torch.Tensor:
        """Whether rays (N, k, n, 3) from points (N, n, 3) meet the zones, (N, k, n)."""
        pos, mat = self.site.frames(now)
        local = turn_back(mat.unsqueeze(2), point.unsqueeze(1) - pos.unsqueeze(2))
        ray = turn_back(mat.unsqueeze(2), ray)
        found = torch.zeros(local.shape[:-1], dtype=torch.bool, device=local.device)
        for kind, place in self._of_kind:
            size = self._size[place, None, :].expand_as(local[:, place])
            found[:, place] = SHAPES[kind].distance(size, local[:, place], ray[:, place]).isfinite()
        return found

    @torch.no_grad()
    def contain(self, now: Present, point: torch.Tensor) -> torch.Tensor:
        """Whether points (N, k, n, 3) are in the zones, (N, k, n)."""
        pos, mat = self.site.frames(now)
        local = turn_back(mat.unsqueeze(2), point - pos.unsqueeze(2))
        found = torch.zeros(local.shape[:-1], dtype=torch.bool, device=local.device)
        for kind, place in self._of_kind:
            size = self._size[place, None, :].expand_as(local[:, place])
            found[:, place] = SHAPES[kind].contains(size, local[:, place])
        return found


def insidesite(group: Group) -> Measure:
    """1 if an object's position is inside of a site, else 0."""
    thing = Objects(group.model, group.objtype, group.objid)
    zones = Zones(group, group.reftype, group.refid)

    def measure(now: Present) -> torch.Tensor:
        return zones.contain(now, thing.positions(now).unsqueeze(2)).to(now.state.dtype)

    return measure


# -- contacts between given things ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Found:
    """Contacts as each of k sensors sees them.

    Attributes:
        counts: (N, k, n) bool; flip: (N, k, n) bool, where the sensor's first thing is the contact's second
    """

    counts: torch.Tensor
    flip: torch.Tensor


def contact(group: Group) -> Measure:
    """What is asked of contacts between two things: a number for `found`, the others as MuJoCo orders them."""
    chosen = [field for bit, field in enumerate(_FIELDS) if group.settings[0] >> bit & 1]
    wanted, size = [name for name, _ in chosen], sum(width for _, width in chosen)
    slots, reduce = group.dim // size, int(group.settings[1])
    if not group.model.has_contacts:
        return lambda now: now.state.new_zeros((now.n, len(group.number), group.dim))
    matches = _Matches(group)
    moving = "linvel" in wanted or "angvel" in wanted

    def measure(now: Present) -> torch.Tensor:
        contacts = now.contacts
        found = matches.find(now, contacts)
        if reduce == _NET:
            values = _net(contacts, found)
        else:
            motion = _motion(now, contacts) if moving else {}
            values = _chosen(contacts, found, motion, slots, reduce)
        each = torch.cat([values[field] for field in wanted], -1)
        each = torch.nn.functional.pad(each, (0, 0, 0, slots - each.shape[2]))
        return each.flatten(2)

    return measure


class _Matches:
    """Which contacts are between the two things of each sensor: geoms, links, subtrees, or whatever is in a site."""

    def __init__(self, group: Group) -> None:
        self._first = _table(group, group.objtype, group.objid)
        self._second = _table(group, group.reftype, group.refid)
        self._names_first = torch.as_tensor(_names(group.objtype), device=self._first.device)
        self._names_second = torch.as_tensor(_names(group.reftype), device=self._first.device)
        sited = np.flatnonzero(group.objtype == _SITE)
        self._sited = indices(sited)
        self._zones = Zones(group, group.objtype[sited], group.objid[sited]) if len(sited) else None

    @torch.no_grad()
    def find(self, now: Present, contacts: Contacts) -> _Found:
        """Those that count, and which way round."""
        geom = contacts.geom.clamp(min=0)
        one, two = (self._first[:, geom[..., side]].transpose(0, 1) for side in (0, 1))
        other_one, other_two = (self._second[:, geom[..., side]].transpose(0, 1) for side in (0, 1))
        counts = contacts.valid.unsqueeze(1) & (one | two) & (other_one | other_two)
        straight, reverse = one & other_two, two & other_one
        names_first, names_second = self._names_first[:, None], self._names_second[:, None]
        # With both things named, a contact between the first thing and itself is none.
        counts = counts & (straight | reverse | ~(names_first & names_second))
        flip = torch.where(names_first & names_second, reverse & ~straight, torch.where(names_first, ~one, ~other_two))
        flip = flip & (names_first | names_second)
        if self._zones is not None:
            place = contacts.position.unsqueeze(1).expand(-1, len(self._sited), -1, -1)
            counts[:, self._sited] &= self._zones.contain(now, place)
        return _Found(counts, flip)


def _names(types: np.ndarray) -> np.ndarray:
    """Whether a thing is named at all."""
    return types != int(mujoco.mjtObj.mjOBJ_UNKNOWN)


def _table(group: Group, types: np.ndarray, ids: np.ndarray) -> torch.Tensor:
    """Which geoms are part of each thing, (k, ngeom) bool."""
    m = group.model.mj_model
    body = np.asarray(m.geom_bodyid)
    table = np.ones((len(ids), m.ngeom), dtype=bool)
    for row, kind, number in zip(table, types, ids, strict=True):
        if kind == _GEOM:
            row[:] = np.arange(m.ngeom) == number
        elif kind == _BODY:
            row[:] = body == number
        elif kind == _XBODY:
            below = np.zeros(m.nbody, dtype=bool)
            below[number] = True
            for b in range(number + 1, m.nbody):
                below[b] |= below[m.body_parentid[b]]
            row[:] = below[body]
    return torch.as_tensor(table, device=indices([]).device)


def _motion(now: Present, contacts: Contacts) -> dict[str, torch.Tensor]:
    """Velocity of the second link against the first at each contact [m/s], and angular velocity [rad/s], along the rows
    of its frame, (N, n, 3)."""
    env = torch.arange(now.n, device=contacts.link.device)[:, None, None]
    body = contacts.link + 1
    omega = now.omega[env, body]
    velocity = now.velocity[env, body] + cross(omega, contacts.position.unsqueeze(2) - now.xpos[env, body])
    return {
        name: turn(contacts.frame, moves[:, :, 1] - moves[:, :, 0])
        for name, moves in (("linvel", velocity), ("angvel", omega))
    }


def _chosen(
    contacts: Contacts, found: _Found, motion: dict[str, torch.Tensor], slots: int, reduce: int
) -> dict[str, torch.Tensor]:
    """Fields of the chosen contacts of each sensor, (N, k, slots at most, ...); zero where there are fewer."""
    wrench, count = contacts.wrench, found.counts
    with torch.no_grad():
        key = {
            _FIRST: torch.zeros_like(contacts.distance),
            _CLOSEST: contacts.distance,
            _STRONGEST: -wrench.square().sum(-1),
        }[reduce]
        key = torch.where(count, key.unsqueeze(1), torch.inf)
        order = key.argsort(dim=-1, stable=True)[..., :slots]
        filled = count.gather(-1, order).unsqueeze(-1)
        flipped = found.flip.gather(-1, order).unsqueeze(-1)

    def pick(values: torch.Tensor) -> torch.Tensor:
        each = values.unsqueeze(1).expand(-1, order.shape[1], -1, -1)
        picked = each.gather(2, order.unsqueeze(-1).expand(-1, -1, -1, values.shape[-1]))
        return torch.where(filled, picked, 0.0)

    # Turned by half a turn about the second tangent, the other way round.
    sign = torch.where(flipped, -1.0, 1.0)
    along = torch.cat([torch.ones_like(sign), torch.ones_like(sign), sign], -1)
    n_found = count.sum(-1)[:, :, None, None].to(wrench.dtype)
    return {
        "found": torch.where(filled, n_found, 0.0),
        "force": along * pick(wrench[..., :3]),
        "torque": along * pick(wrench[..., 3:]),
        "dist": pick(contacts.distance.unsqueeze(-1)),
        "pos": pick(contacts.position),
        "normal": sign * pick(contacts.frame[..., 0, :]),
        "tangent": sign * pick(contacts.frame[..., 1, :]),
        **{name: along * pick(values) for name, values in motion.items()},
    }


def _net(contacts: Contacts, found: _Found) -> dict[str, torch.Tensor]:
    """All contacts of each sensor as one, at the mean of their places, weighted by force; (N, k, 1, ...)."""
    sign = torch.where(found.flip, -1.0, 1.0) * found.counts
    frame = contacts.frame.mT
    force, torque = turn(frame, contacts.wrench[..., :3]), turn(frame, contacts.wrench[..., 3:])
    square = contacts.wrench[..., :3].square().sum(-1)
    weight = torch.where(square > 0, torch.where(square > 0, square, 1.0).sqrt(), 0.0).unsqueeze(1) * found.counts
    total = weight.sum(-1, keepdim=True).clamp(min=TINY)
    place = (weight.unsqueeze(-1) * contacts.position.unsqueeze(1)).sum(2) / total
    arm = contacts.position.unsqueeze(1) - place.unsqueeze(2)
    turning = torque.unsqueeze(1) + cross(arm, force.unsqueeze(1))
    n_found = found.counts.sum(-1)[:, :, None, None].to(place.dtype)
    one = n_found.clamp(max=1.0)
    return {
        "found": n_found,
        "force": (sign.unsqueeze(-1) * force.unsqueeze(1)).sum(2, keepdim=True),
        "torque": (sign.unsqueeze(-1) * turning).sum(2, keepdim=True),
        "dist": torch.zeros_like(one),
        "pos": place.unsqueeze(2),
        "normal": one * one.new_tensor([1.0, 0.0, 0.0]),
        "tangent": one * one.new_tensor([0.0, 1.0, 0.0]),
    }
