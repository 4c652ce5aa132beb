"""Quantities derived from the state (poses, Jacobians, energies), computed once for all getters that ask for them."""

from __future__ import annotations

import weakref
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import torch

from genesis.entities.indexing import plain_tensors
from genesis.grad import bridge

if TYPE_CHECKING:
    from genesis.rigid.command import Command
    from genesis.scene import Scene

# Quantities that one autograd node serves together: who reads one of a group usually reads the others.
POSE = ("xpos", "xquat", "xipos", "xvel")
ENERGY = ("body_energy", "dof_energy")
FORCE = ("qfrc_command", "qfrc_total", "qacc", "xacc")
# The last two without gradient: how many contacts there are (N,), and the pair of each (N, nconmax).
CONTACT = ("con_dist", "con_pos", "con_frame", "con_force", "ncon", "con_pair")
GROUP_OF: dict[str, tuple[str, ...]] = {
    **{name: group for group in (POSE, ENERGY, FORCE, CONTACT) for name in group},
    "qM": ("qM",),
    "xjac": ("xjac",),
}


@dataclass
class _Observed:
    values: dict[str, torch.Tensor]
    command: Command
    record: bool


class Observer:
    """Observations of the scene's present state, kept until the state, a parameter or a command changes."""

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
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
        scene = self._scene
        group = GROUP_OF[name]
        # Only forces and accelerations depend on the command; the others shall not be computed anew after each one.
        command = scene._commands.command if group in (FORCE, CONTACT) else scene._commands.idle
        record = scene.requires_grad and torch.is_grad_enabled()
        kept = self._kept.get(group)
        if kept is None or kept.command is not command or kept.record is not record:
            theta = scene._parameters.theta()
            with plain_tensors():
                values = bridge.observe(
                    scene._dynamics,
                    group,
                    scene._read_state(),
                    theta,
                    command,
                    scene._solution,
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
