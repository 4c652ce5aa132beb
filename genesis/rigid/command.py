"""The controls of a step, or of a sequence of steps, as the autograd node keeps them."""

from dataclasses import dataclass, field

import torch

# Kinds of controls; ``xfrc`` is per link force and torque.
CONTROL_FIELDS = ("dof_force", "dof_position", "dof_velocity", "ctrl", "xfrc")


@dataclass(eq=False, slots=True)
class Command:
    """Controls in force during a step, or during several.

    A command is never changed in place: the node of a step holds on to it until its backward pass.

    Attributes:
        mode: int32 (N, nv): 0 idle, 1 force, 2 position, 3 velocity, 4 position and velocity
        actuators_on: int32 (N, nu): 0 until an actuator is first commanded
        blocks: (field, first column) -> tensor (n,) for all envs or (N, n). ``field`` is one of ``CONTROL_FIELDS``;
            blocks of a field do not overlap; what no block covers is zero.
        sequences: the keys of those blocks that change from step to step: they are (T, n) or (T, N, n)
    """

    mode: torch.Tensor
    actuators_on: torch.Tensor
    blocks: dict[tuple[str, int], torch.Tensor] = field(default_factory=dict)
    sequences: frozenset[tuple[str, int]] = frozenset()
