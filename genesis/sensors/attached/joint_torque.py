"""What the actuators of an entity put out at its dofs."""

from __future__ import annotations

import numpy as np
import torch

from genesis.errors import GenesisException
from genesis.sensors.attached.options.joints import JointTorque
from genesis.sensors.attached.sensor import Sensor
from genesis.sensors.attached.snapshot import Settings
from genesis.sensors.present import Present, indices
from genesis.world.world import World


class JointTorqueSensor(Sensor):
    """Measures, of each dof,

        tau = commanded force + force of actuators - armature * acceleration + dry friction - damping * velocity

    Damping is the linear one, friction the force of the dof's row of constraints.
    """

    options: JointTorque

    def shapes(self) -> tuple[tuple[int, ...], ...]:
        return ((len(self._dofs),),)

    def build_kind(self, world: World) -> None:
        if self.entity is None:
            raise GenesisException(f"{self._called}: it needs an entity; pass entity_idx=entity.idx.")
        count = self.entity.dof_end - self.entity.dof_start
        chosen = range(count) if self.options.dofs_idx_local is None else self.options.dofs_idx_local
        if not len(chosen) or max(chosen) >= count:
            raise GenesisException(
                f"{self._called}: dofs_idx_local={self.options.dofs_idx_local}; '{self.entity.name}' has {count} dofs."
            )
        dofs = self.entity.dof_start + np.asarray(chosen)
        self._dofs = indices(dofs)
        rows, table = world.model.rows, world.model.indices
        first, n = rows.first["friction_loss"], rows.count["friction_loss"]
        of_dof = {int(table["efc_dof"][table["efc_dof_adr"][row]]): row for row in range(first, first + n)}
        self._rows = indices([of_dof.get(int(dof), -1) for dof in dofs])

    def measure(self, now: Present, settings: Settings, state: torch.Tensor | None) -> torch.Tensor:
        dofs = self._dofs
        total = now.observed("qfrc_command")[:, dofs] + now.observed("qfrc_actuator_raw")[:, dofs]
        total = total - now.parameter("dof_armature")[:, dofs] * now.observed("qacc")[:, dofs]
        total = total - now.parameter("dof_damping")[:, dofs] * now.qvel[:, dofs]
        if now.model.constrained and bool((self._rows >= 0).any()):
            rows = self._rows.clamp(min=0)
            active = (now.observed("efc_active")[:, rows] == 1) & (self._rows >= 0)
            # A row that is not active holds what was there before.
            total = total + torch.where(active, now.observed("efc_force")[:, rows], 0.0)
        return total
