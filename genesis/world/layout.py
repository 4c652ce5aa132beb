"""How an entity's dof positions correspond to its qpos."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import torch

from genesis import runtime
from genesis.math.rotation import quat_to_xyz

if TYPE_CHECKING:
    import mujoco

_FREE, _BALL = 0, 1  # mujoco.mjtJoint


@dataclass(frozen=True)
class Rotation:
    """An orientation: the quaternion of a free or ball joint.

    Attributes:
        joint: its name
        q: first of its four qs, counted in the entity
        dof: first of its three rotational dofs, counted in the entity
    """

    joint: str
    q: int
    dof: int


@dataclass
class DofLayout:
    """Which qs the dofs of an entity are; all numbers are counted in the entity.

    Attributes:
        linear_dofs, linear_qs: dofs whose position is one q, and that q
        rotations: the orientations, whose dof positions are Euler angles
        linear_index: `linear_qs` as int64 on `gs.device`
        order: position of each dof in [linear dofs, then three angles per rotation], int64 on `gs.device`
    """

    linear_dofs: list[int] = field(default_factory=list)
    linear_qs: list[int] = field(default_factory=list)
    rotations: list[Rotation] = field(default_factory=list)
    linear_index: torch.Tensor = field(default_factory=lambda: torch.zeros(0, dtype=torch.int64))
    order: torch.Tensor = field(default_factory=lambda: torch.zeros(0, dtype=torch.int64))

    @property
    def is_plain(self) -> bool:
        """Whether dof positions and qpos are the same numbers."""
        return not self.rotations

    def position(self, qpos: torch.Tensor) -> torch.Tensor:
        """Positions of the dofs (..., n_dofs) [m, rad] of the entity's qpos (..., n_qs)."""
        if self.is_plain:
            return qpos
        parts = [qpos.index_select(-1, self.linear_index)]
        parts += [quat_to_xyz(qpos.narrow(-1, rotation.q, 4)) for rotation in self.rotations]
        return torch.cat(parts, -1).index_select(-1, self.order)


def dof_layout(mj_model: mujoco.MjModel, joint_start: int, joint_end: int, joint_names: tuple[str, ...]) -> DofLayout:
    """Layout of joints `joint_start ... joint_end - 1`."""
    layout = DofLayout()
    if joint_start == joint_end:
        return layout
    q0, dof0 = int(mj_model.jnt_qposadr[joint_start]), int(mj_model.jnt_dofadr[joint_start])
    for j, name in zip(range(joint_start, joint_end), joint_names, strict=True):
        q, dof = int(mj_model.jnt_qposadr[j]) - q0, int(mj_model.jnt_dofadr[j]) - dof0
        kind = int(mj_model.jnt_type[j])
        n_linear = {_FREE: 3, _BALL: 0}.get(kind, 1)
        layout.linear_dofs += range(dof, dof + n_linear)
        layout.linear_qs += range(q, q + n_linear)
        if kind in (_FREE, _BALL):
            layout.rotations.append(Rotation(name, q + n_linear, dof + n_linear))
    as_computed = layout.linear_dofs + [r.dof + k for r in layout.rotations for k in range(3)]
    layout.linear_index = torch.as_tensor(layout.linear_qs, dtype=torch.int64, device=runtime.device)
    layout.order = torch.as_tensor(np.argsort(as_computed), dtype=torch.int64, device=runtime.device)
    return layout
