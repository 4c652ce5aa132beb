"""The controls of a step, or of a sequence of steps, as the autograd node keeps them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

import torch

# Kinds of controls, numbers with a gradient. ``xfrc``: force and torque on each link; ``mocap``: position and
# quaternion of each mocap body; ``weld``: of each weld that is made at run time the anchor on its second body, that on
# its first, and the relative orientation.
CONTROL_FIELDS = ("dof_force", "dof_position", "dof_velocity", "ctrl", "xfrc", "mocap", "weld")
# Those that say where something is; the others push.
POSE_FIELDS = ("mocap", "weld")
# What kernels call the switches, in the order of `Switches`.
SWITCHES = ("ctrl_mode", "actuator_on", "eq_active")


class Switches(NamedTuple):
    """What of a command is discrete: int32 tensors of N rows, or of one for all envs.

    Attributes:
        mode: (N, nv): 0 idle, 1 force, 2 position, 3 velocity, 4 position and velocity
        actuators_on: (N, nactuator): 0 until an actuator is first commanded
        eq_active: (N, neq): which equality constraints hold, those of the model file and then those made at run time;
            a narrower one is of a time when there were fewer
    """

    mode: torch.Tensor
    actuators_on: torch.Tensor
    eq_active: torch.Tensor


@dataclass(eq=False, slots=True)
class Command:
    """Controls in force during a step, or during several.

    A command is never changed in place: the node of a step holds on to it until its backward pass.

    Attributes:
        switches: what is discrete
        blocks: (field, first column) -> tensor (n,) for all envs or (N, n). ``field`` is one of ``CONTROL_FIELDS``;
            blocks of a field do not overlap; what no block covers is as at rest: zero, or the pose of the model file
        sequences: the keys of those blocks that change from step to step: they are (T, n) or (T, N, n)
    """

    switches: Switches
    blocks: dict[tuple[str, int], torch.Tensor] = field(default_factory=dict)
    sequences: frozenset[tuple[str, int]] = frozenset()

    def detached(self) -> Command:
        """The same without graph."""
        blocks = {key: block.detach() for key, block in self.blocks.items()}
        return Command(self.switches, blocks, self.sequences)
