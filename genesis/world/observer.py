"""Quantities derived from the state (poses, Jacobians, energies), computed once for all getters that ask for them."""

from __future__ import annotations

import weakref
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Protocol

import torch

from genesis.grad import bridge
from genesis.world.arguments import plain_tensors

if TYPE_CHECKING:
    from genesis.model.arrays import Model
    from genesis.rigid.command import Command
    from genesis.rigid.executors.dynamics import Dynamics

# Quantities that one autograd node serves together: who reads one of a group usually reads the others.
POSE = ("xpos", "xquat", "xipos", "xvel")
ENERGY = ("body_energy", "dof_energy", "ten_energy")
FORCE = ("qfrc_command", "qfrc_total", "qacc", "xacc")
# The last two without gradient: how many contacts there are (N,), and the pair of each (N, nconmax).
CONTACT = ("con_dist", "con_pos", "con_frame", "con_force", "con_adhesion", "ncon", "con_pair")
ROWS = ("efc_force",)
TENDON = ("ten_length", "ten_velocity")
PULL = ("piece_start", "piece_end", "piece_pull", "ten_extension", "ten_J", "ten_bias")
ACTUATOR = ("actuator_length", "actuator_velocity", "actuator_force", "qfrc_actuator_raw", "qfrc_gravcomp")
# The last without gradient: which rows are active (N, nefc).
ROW_GEOMETRY = ("efc_pos", "efc_J", "efc_active")
_GROUPS = (POSE, ENERGY, FORCE, CONTACT, ROWS, TENDON, PULL, ACTUATOR, ROW_GEOMETRY)
GROUP_OF: dict[str, tuple[str, ...]] = {
    **{name: group for group in _GROUPS for name in group},
    "qM": ("qM",),
    "xjac": ("xjac",),
}


class Commands(Protocol):
    """What a world is told; see `CommandBuffer`."""

    @property
    def command(self) -> Command:
        """In force."""

    @property
    def idle(self) -> Command:
        """That without what pushes."""


class Parameters(Protocol):
    """The values of a world's parameters; see `Theta`."""

    def packed(self) -> torch.Tensor:
        """(1 or N, ntheta)."""


class Observable(Protocol):
    """What is observed: a `World`, or one of its past moments."""

    requires_grad: bool
    dynamics: Dynamics
    model: Model
    n_worlds: int
    solution: torch.Tensor | None
    cur_step: int
    dt: float
    observer: Observer

    @property
    def commands(self) -> Commands:
        """In force."""

    @property
    def theta(self) -> Parameters:
        """In force."""

    def read_state(self) -> torch.Tensor:
        """The present state."""


@dataclass
class _Observed:
    values: dict[str, torch.Tensor]
    command: Command
    record: bool


class Observer:
    """Observations of a world's present state, kept until the state, a parameter or a command changes."""

    def __init__(self, world: Observable) -> None:
        self._world = world
        self._kept: dict[tuple[str, ...], _Observed] = {}
        # A backward pass frees what a node saved; the next getter shall build a node of its own.
        this = weakref.ref(self)
        self._when_spent = {group: partial(_forget, this, group) for group in GROUP_OF.values()}

    def clear(self) -> None:
        """Forget everything: the state or a parameter has changed."""
        if self._kept:
            self._kept = {}

    def get(self, name: str) -> torch.Tensor:
        """One quantity of all bodies, dofs or contacts, as `bridge.observe` names and shapes it.

        It is shared: copy, never write.
        """
        world = self._world
        group = GROUP_OF[name]
        # Only forces and accelerations depend on the command; the others shall not be computed anew after each one.
        command = world.commands.command if group in (FORCE, CONTACT, ROWS, ACTUATOR) else world.commands.idle
        record = world.requires_grad and torch.is_grad_enabled()
        kept = self._kept.get(group)
        if kept is None or kept.command is not command or kept.record is not record:
            theta = world.theta.packed()
            with plain_tensors():
                values = bridge.observe(
                    world.dynamics,
                    group,
                    world.read_state(),
                    theta,
                    command,
                    world.solution,
                    record,
                    self._when_spent[group],
                )
            kept = _Observed(dict(zip(group, values, strict=True)), command, record)
            self._kept[group] = kept
        return kept.values[name]


def _forget(observer: weakref.ref[Observer], group: tuple[str, ...]) -> None:
    alive = observer()
    if alive is not None:
        alive._kept.pop(group, None)
