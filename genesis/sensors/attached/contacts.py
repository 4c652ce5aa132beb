"""Whether a link touches anything, and with what force.

Which contacts there are is discrete, their forces are differentiable.
"""

from __future__ import annotations

import torch

from genesis.errors import GenesisException
from genesis.sensors.attached.options.base import ContactFilterOptions
from genesis.sensors.attached.options.contacts import Contact, ContactForce
from genesis.sensors.attached.sensor import Sensor
from genesis.sensors.attached.snapshot import Settings
from genesis.sensors.present import Present, indices, numbers, turn_back
from genesis.world.contacts import Contacts
from genesis.world.world import World


class Touching:
    """The contacts of a link, those with some other links left out."""

    def __init__(self, world: World, body: int, options: ContactFilterOptions, owner: str) -> None:
        self._link, self._left_out = body - 1, indices(options.filter_link_idx)
        n_links = world.model.nbody - 1
        for link in options.filter_link_idx:
            if link >= n_links:
                raise GenesisException(f"{owner}: filter_link_idx holds {link}; the scene has {n_links} links.")

    def sides(self, contacts: Contacts) -> torch.Tensor:
        """(N, n, 2) bool: where the link is the first or second of a contact that counts."""
        mine = (contacts.link == self._link) & contacts.valid.unsqueeze(-1)
        if len(self._left_out):
            mine = mine & ~torch.isin(contacts.link.flip(-1), self._left_out)
        return mine


class ContactSensor(Sensor):
    """Says whether there are more contacts than its threshold."""

    options: Contact

    def shapes(self) -> tuple[tuple[int, ...], ...]:
        return ((1,),)

    def build_kind(self, world: World) -> None:
        self._touching = Touching(world, self.body, self.options, self._called)

    def measure(self, now: Present, settings: Settings, state: torch.Tensor | None) -> torch.Tensor:
        counts = self._touching.sides(now.contacts).any(-1).sum(-1, keepdim=True)
        return counts.to(now.state.dtype)

    def finish(self, values: torch.Tensor) -> torch.Tensor:
        return values > self.options.threshold


class ContactForceSensor(Sensor):
    """Measures the sum of the forces on its link, in the link's frame, within its bounds."""

    options: ContactForce

    def shapes(self) -> tuple[tuple[int, ...], ...]:
        return ((3,),)

    def build_kind(self, world: World) -> None:
        self._touching = Touching(world, self.body, self.options, self._called)
        self._low, self._high = numbers(self.options.min_force), numbers(self.options.max_force)

    def measure(self, now: Present, settings: Settings, state: torch.Tensor | None) -> torch.Tensor:
        contacts = now.contacts
        mine = self._touching.sides(contacts).to(now.state.dtype)
        force = ((mine[..., 1] - mine[..., 0]).unsqueeze(-1) * contacts.force).sum(1)
        return turn_back(now.xmat[:, self.body], force)

    def finish(self, values: torch.Tensor) -> torch.Tensor:
        values = torch.clamp(values, -self._high, self._high)
        return torch.where(values.abs() < self._low, 0.0, values)
