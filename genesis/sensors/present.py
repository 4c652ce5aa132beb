"""The world at present, or in a past moment, as sensors look at it: observed quantities, parameters and commands, each
read once."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import torch

from genesis import runtime
from genesis.math.rotation import quat_to_mat
from genesis.world.contacts import Contacts, contacts_of

if TYPE_CHECKING:
    from genesis.world.observer import Observable


def indices(values) -> torch.Tensor:
    """Whole numbers as an index."""
    return torch.as_tensor(np.asarray(values, dtype=np.int64), device=runtime.device)


def numbers(values) -> torch.Tensor:
    """Numbers of the model, without gradient."""
    return torch.as_tensor(np.asarray(values, dtype=np.float64), dtype=runtime.tc_float, device=runtime.device)


def turn(mat: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
    """Vectors (..., 3) of a frame in the world's axes; `mat`: (..., 3, 3)."""
    return (mat * v.unsqueeze(-2)).sum(-1)


def turn_back(mat: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
    """Vectors (..., 3) of the world in the axes of a frame."""
    return (mat * v.unsqueeze(-1)).sum(-2)


def cross(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """Cross product (..., 3), broadcast."""
    return torch.linalg.cross(*torch.broadcast_tensors(a, b))


class _quantity(cached_property):
    """Computed when it is first asked for, with its graph: also by who makes a discrete choice and records nothing."""

    def __get__(self, now, owner=None):
        with torch.set_grad_enabled(now.recorded):
            return super().__get__(now, owner)


class Present:
    """Quantities of all bodies of a world, the world itself being body 0, with their gradient.

    Attributes:
        n: number of envs, N
        state: (N, nq + nv + na)
        time: simulated [s]
        recorded: whether there is a graph
    """

    def __init__(self, world: Observable) -> None:
        self._world, self.model = world, world.model
        self.n = world.n_worlds
        self.recorded = torch.is_grad_enabled()
        self.state = world.read_state()
        self.time = world.cur_step * world.dt

    def observed(self, name: str) -> torch.Tensor:
        """What `Observer.get` knows by this name."""
        return self._world.observer.get(name)

    def parameter(self, name: str) -> torch.Tensor:
        """A field of theta, (N, *shape)."""
        field = self.model.theta_fields[name]
        packed = self._world.theta.packed().narrow(1, field.offset, field.size)
        return packed.expand(self.n, -1).unflatten(1, field.shape)

    def control(self, name: str, width: int) -> torch.Tensor:
        """A field of the command in force, (N, width); zero where nothing is commanded."""
        full = self.state.new_zeros((self.n, width))
        for (field, start), block in self._world.commands.command.blocks.items():
            if field == name:
                full[:, start : start + block.shape[-1]] = block
        return full

    @_quantity
    def eq_active(self) -> torch.Tensor:
        """Which equality constraints hold, (N, neq) int32: those of the files, and then those made at run time."""
        active = self._world.dynamics.full_switches(self._world.commands.command.switches).eq_active
        return active.expand(self.n, -1)

    @_quantity
    def qpos(self) -> torch.Tensor:
        """(N, nq)."""
        return self.state[:, : self.model.nq]

    @_quantity
    def qvel(self) -> torch.Tensor:
        """(N, nv)."""
        return self.state[:, self.model.nq : self.model.nq + self.model.nv]

    @_quantity
    def xpos(self) -> torch.Tensor:
        """Origins of the bodies [m], (N, nbody, 3)."""
        return self.observed("xpos")

    @_quantity
    def xmat(self) -> torch.Tensor:
        """Orientations of the bodies, (N, nbody, 3, 3)."""
        return quat_to_mat(self.observed("xquat"))

    @_quantity
    def velocity(self) -> torch.Tensor:
        """Of the bodies' origins [m/s], (N, nbody, 3)."""
        return self.observed("xvel")[..., :3]

    @_quantity
    def omega(self) -> torch.Tensor:
        """Angular velocities of the bodies [rad/s], world axes, (N, nbody, 3)."""
        return self.observed("xvel")[..., 3:]

    @_quantity
    def acceleration(self) -> torch.Tensor:
        """Of the bodies' origins, less that of gravity [m/s^2], (N, nbody, 3): what an accelerometer feels."""
        return self.observed("xacc")[..., :3] - self.parameter("gravity").view(self.n, 1, 3)

    @_quantity
    def alpha(self) -> torch.Tensor:
        """Angular accelerations of the bodies [rad/s^2], (N, nbody, 3)."""
        return self.observed("xacc")[..., 3:]

    @_quantity
    def mass(self) -> torch.Tensor:
        """Of the bodies [kg], (N, nbody)."""
        return self.parameter("body_mass")

    @_quantity
    def com_arm(self) -> torch.Tensor:
        """From the bodies' origins to their centres of mass [m], world axes, (N, nbody, 3)."""
        return self.observed("xipos") - self.xpos

    @_quantity
    def contacts(self) -> Contacts:
        """As `get_contacts` lists them."""
        return contacts_of(self._world)

    def turned_inertia(self, v: torch.Tensor) -> torch.Tensor:
        """Inertias of the bodies about their centres of mass, times vectors (N, nbody, 3) of the world."""
        xx, yy, zz, xy, xz, yz = self.parameter("body_inertia").unbind(-1)
        x, y, z = turn_back(self.xmat, v).unbind(-1)
        local = torch.stack([xx * x + xy * y + xz * z, xy * x + yy * y + yz * z, xz * x + yz * y + zz * z], -1)
        return turn(self.xmat, local)
