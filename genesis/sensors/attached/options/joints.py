"""Sensors of joints."""

from __future__ import annotations

from genesis.sensors.attached.options.base import AttachedOptions, Indices, NoisyOptions


class JointTorque(AttachedOptions, NoisyOptions):
    """What the actuators of an entity put out at its dofs [N, N m]: `read()` returns ([n_envs,] n).

    The commanded force, less what the armature takes, plus dry friction and damping:
    `control force - armature * acceleration + friction + damping force`.

    Parameters
    ----------
    dofs_idx_local
        Numbers of the dofs in the entity; None: all.
    """

    dofs_idx_local: Indices | None = None
