"""The contacts at the present state, with gradient: where they are, and the forces that they transmit.

Which contacts there are is discrete. Their positions, normals, distances and forces are differentiable with respect to
everything that led to the state, and to the commands in force, on which the forces depend.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

from genesis import runtime

if TYPE_CHECKING:
    import mujoco

    from genesis.grad.tensor import Tensor
    from genesis.world.observer import Observable
    from genesis.world.world import World


class ContactTable(dict[str, "Tensor"]):
    """What `get_contacts` returns: a dictionary of tensors that also knows how geoms and links are called.

    Copies and pickles of it are plain dictionaries.
    """

    def __init__(self, values: dict[str, Tensor], mj_model: mujoco.MjModel) -> None:
        super().__init__(values)
        self._mj_model = mj_model

    def __reduce__(self) -> tuple[Any, ...]:
        return dict, (dict(self),)

    @property
    def names(self) -> dict[str, list[Any]]:
        """Names of "geom_a", "geom_b", "link_a" and "link_b", (n,), or with envs a list of such lists.

        "entity/name", as `scene.mj_model` has them, of the world "world"; "" where there is no contact. They are looked
        up here, so that a loop that does not ask for them does not wait.
        """
        valid = self.get("valid_mask")
        kept = None if valid is None else valid.tolist()
        found: dict[str, list[Any]] = {}
        m = self._mj_model
        for kind, part, first in (("geom", m.geom, 0), ("link", m.body, 1)):
            for side in ("a", "b"):
                numbers = self[f"{kind}_{side}"].tolist()
                if kept is None:
                    found[f"{kind}_{side}"] = [part(first + k).name for k in numbers]
                else:
                    found[f"{kind}_{side}"] = [
                        [part(first + k).name if there else "" for k, there in zip(row, mask, strict=True)]
                        for row, mask in zip(numbers, kept, strict=True)
                    ]
        return found


@dataclass(frozen=True)
class Contacts:
    """Contacts of all envs, padded to the same number n; what is beyond an env's own is zero.

    Attributes:
        valid: (N, n) bool, where there is a contact
        geom: (N, n, 2) int64, numbers of the two geoms in the scene; -1 beyond
        link: (N, n, 2) int64, numbers of their links in the scene (-1: the world)
        distance: (N, n) [m], negative where they penetrate
        position: (N, n, 3) [m], world frame
        frame: (N, n, 3, 3), rows: normal and tangents
        wrench: (N, n, 6) [N, N m], force (less the adhesion) and torque on the second geom, by the frame's rows
        force: (N, n, 3) [N], world frame, on the second geom; that on the first is opposite
    """

    valid: torch.Tensor
    geom: torch.Tensor
    link: torch.Tensor
    distance: torch.Tensor
    position: torch.Tensor
    frame: torch.Tensor
    wrench: torch.Tensor
    force: torch.Tensor

    @property
    def normal(self) -> torch.Tensor:
        """(N, n, 3), unit, from the first geom to the second."""
        return self.frame[..., 0, :]

    def between(self, start: int, end: int) -> torch.Tensor:
        """(N, n, 2) bool: which of the two geoms have a number from `start` to `end - 1`."""
        return (self.geom >= start) & (self.geom < end) & self.valid[..., None]

    def as_table(self, world: World, chosen: torch.Tensor) -> ContactTable:
        """What `get_contacts` returns, of the `chosen` contacts, (N, n) bool."""
        values = {
            "geom_a": self.geom[..., 0],
            "geom_b": self.geom[..., 1],
            "link_a": self.link[..., 0],
            "link_b": self.link[..., 1],
            "position": self.position,
            "normal": self.normal,
            "distance": self.distance,
            "force_a": -self.force,
            "force_b": self.force,
        }
        if world.n_envs == 0:
            picked = torch.nonzero(chosen[0]).flatten()
            values = {name: value[0].index_select(0, picked) for name, value in values.items()}
        else:
            values = {name: _masked(value, chosen) for name, value in values.items()} | {"valid_mask": chosen.clone()}
        for name, value in values.items():
            if value.dtype == torch.int64:
                values[name] = value.to(runtime.tc_int)
        return ContactTable({name: world.label(value) for name, value in values.items()}, world.model.mj_model)


def _masked(value: torch.Tensor, chosen: torch.Tensor) -> torch.Tensor:
    mask = chosen if value.ndim == 2 else chosen[..., None]
    return torch.where(mask, value, torch.zeros_like(value) if value.is_floating_point() else value.new_tensor(-1))


def contacts_of(world: Observable) -> Contacts:
    """The contacts of the present state under the present commands."""
    model = world.model
    n_worlds = world.n_worlds
    if not model.has_contacts:
        return _none(n_worlds)
    count, pair = world.observer.get("ncon").long(), world.observer.get("con_pair").long()
    n = int(count.max())  # with none, the empty tensors keep the graph: a loss on them has a gradient, of zero
    valid = torch.arange(n, device=pair.device) < count[:, None]
    pair = torch.where(valid, pair[:, :n], 0)

    def table(name: str) -> torch.Tensor:
        return torch.as_tensor(model.indices[name], dtype=torch.int64, device=pair.device)

    geom = table("cgeom_id")[table("cpair_geom")][pair]
    link = table("cpair_body")[pair] - 1

    def field(name: str) -> torch.Tensor:
        return world.observer.get(name)[:, :n]

    frame = field("con_frame").unflatten(-1, (3, 3))
    # A slot without a contact holds what was there before, NaN perhaps: it is replaced before anything is computed.
    frame = torch.where(valid[..., None, None], frame, 0.0)
    wrench = torch.where(valid[..., None], field("con_force"), 0.0)
    wrench = torch.nn.functional.pad(wrench, (0, 6 - wrench.shape[-1]))
    adhesion = field("con_adhesion")  # without any it has no room
    if adhesion.shape[-1]:
        wrench = wrench - torch.nn.functional.pad(torch.where(valid[..., None], adhesion, 0.0), (0, 5))
    return Contacts(
        valid,
        _masked(geom, valid),
        _masked(link, valid),
        torch.where(valid, field("con_dist"), 0.0),
        torch.where(valid[..., None], field("con_pos"), 0.0),
        frame,
        wrench,
        (wrench[..., :3, None] * frame).sum(-2),
    )


def net_forces(world: World) -> torch.Tensor:
    """Sum of the contact forces on each link of the scene [N], world frame, (N, n_links, 3)."""
    contacts = contacts_of(world)
    n_worlds, n_links = contacts.valid.shape[0], world.model.nbody - 1
    total = torch.zeros((n_worlds, n_links + 1, 3), dtype=runtime.tc_float, device=runtime.device)  # the world first
    for side, sign in ((0, -1.0), (1, 1.0)):
        body = (contacts.link[..., side] + 1).unsqueeze(-1).expand(-1, -1, 3)
        total = total.scatter_add(1, body, sign * contacts.force)
    return total[:, 1:]


def _none(n_worlds: int) -> Contacts:
    def floats(*shape: int) -> torch.Tensor:
        return torch.zeros((n_worlds, 0, *shape), dtype=runtime.tc_float, device=runtime.device)

    numbers = torch.zeros((n_worlds, 0, 2), dtype=torch.int64, device=runtime.device)
    valid = torch.zeros((n_worlds, 0), dtype=torch.bool, device=runtime.device)
    return Contacts(valid, numbers, numbers.clone(), floats(), floats(3), floats(3, 3), floats(6), floats(3))
