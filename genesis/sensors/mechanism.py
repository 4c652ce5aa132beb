"""Sensors of joints, tendons and actuators, of their limits, and of the whole scene's energy and time."""

from __future__ import annotations

from collections.abc import Callable

import mujoco
import numpy as np
import torch

from genesis.math.rotation import quat_normalize
from genesis.model.arrays import GRAVCOMP_BY_ACTUATOR
from genesis.sensors.group import Group, Measure
from genesis.sensors.present import Present, indices, numbers


def jointpos(group: Group) -> Measure:
    """Position of a joint with one dof [m, rad]."""
    adr = indices(group.model.indices["jnt_qposadr"][group.objid])
    return lambda now: now.qpos[:, adr].unsqueeze(-1)


def jointvel(group: Group) -> Measure:
    """Velocity of a joint with one dof [m/s, rad/s]."""
    adr = indices(group.model.indices["jnt_dofadr"][group.objid])
    return lambda now: now.qvel[:, adr].unsqueeze(-1)


def ballquat(group: Group) -> Measure:
    """Orientation of a ball joint (w, x, y, z), unit."""
    adr = indices(group.model.indices["jnt_qposadr"][group.objid][:, None] + np.arange(4))
    return lambda now: quat_normalize(now.qpos[:, adr])


def ballangvel(group: Group) -> Measure:
    """Angular velocity of a ball joint [rad/s], in the link's frame."""
    adr = indices(group.model.indices["jnt_dofadr"][group.objid][:, None] + np.arange(3))
    return lambda now: now.qvel[:, adr]


def observed(name: str) -> Callable[[Group], Measure]:
    """A quantity of tendons or actuators that `Observer.get` knows, (N, n)."""

    def build(group: Group) -> Measure:
        number = indices(group.objid)
        return lambda now: now.observed(name)[:, number].unsqueeze(-1)

    return build


def jointactuatorfrc(group: Group) -> Measure:
    """Force of all actuators on a joint's dof [N, N m], gravity compensation by actuators included, as far as the joint
    takes it (`actuatorfrcrange`)."""
    dofs = group.model.indices["jnt_dofadr"][group.objid]
    limited = group.model.indices["dof_actfrclimited"][dofs].astype(bool)
    low, high = group.model.constants["dof_actfrcrange"][dofs].T
    low, high = numbers(np.where(limited, low, -np.inf)), numbers(np.where(limited, high, np.inf))
    compensated = group.model.indices["dof_actgravcomp"][dofs] == GRAVCOMP_BY_ACTUATOR
    by_actuator, dof = torch.as_tensor(compensated, device=low.device), indices(dofs)

    def measure(now: Present) -> torch.Tensor:
        total = now.observed("qfrc_actuator_raw")[:, dof]
        if compensated.any():
            total = total + torch.where(by_actuator, now.observed("qfrc_gravcomp")[:, dof], 0.0)
        return torch.clamp(total, low, high).unsqueeze(-1)

    return measure


def tendonactuatorfrc(group: Group) -> Measure:
    """Sum of the forces of a tendon's actuators [N]."""
    m = group.model.mj_model
    on_tendon = m.actuator_trntype == int(mujoco.mjtTrn.mjTRN_TENDON)
    pulls = numbers(on_tendon & (m.actuator_trnid[:, 0] == group.objid[:, None]))
    return lambda now: (now.observed("actuator_force") @ pulls.T).unsqueeze(-1)


def limit(kind: str, what: str) -> Callable[[Group], Measure]:
    """Of the limit of a joint or a tendon, zero where it is not active: distance to it beyond the margin [m, rad]
    ("pos"), how fast that grows ("vel"), or the force ("frc") [N, N m].

    `kind`: of the rows of constraints. Where both ends are active at once, it is the lower.
    """

    def build(group: Group) -> Measure:
        rows = _LimitRows(group, kind)

        def measure(now: Present) -> torch.Tensor:
            if not (now.model.constrained and rows.any):
                return now.state.new_zeros((now.n, len(group.number), 1))
            active = (now.observed("efc_active")[:, rows.number] == 1) & rows.exist
            active = active & (active.cumsum(-1) == 1)
            field = _FIELDS.get(what)
            value = rows.velocity(now, active) if field is None else now.observed(field)[:, rows.number]
            # A row that is not active holds what was there before.
            return torch.where(active, value, 0.0).sum(-1, keepdim=True)

        return measure

    return build


_FIELDS = {"pos": "efc_pos", "frc": "efc_force"}
_OWNERS = {"joint_limit": "joint_limit_jnt", "tendon_limit": "tendon_limit_tendon"}


class _LimitRows:
    """Rows of the lower and of the upper limit of each joint or tendon of a group; a ball joint has one.

    Attributes:
        number: (k, 2) in the table of rows; exist: (k, 2) whether there is such a row; any: whether there is one at all
    """

    def __init__(self, group: Group, kind: str) -> None:
        table, rows = group.model.indices, group.model.rows
        bounds = [*rows.elements[kind], rows.first[kind] + rows.count[kind]]
        number = np.full((len(group.number), 2), -1)
        for element, owner in enumerate(table[_OWNERS[kind]]):
            first, end = bounds[element], bounds[element + 1]
            number[group.objid == owner, : end - first] = np.arange(first, end)
        self.any = bool((number >= 0).any())
        self.number = indices(np.maximum(number, 0))
        self.exist = torch.as_tensor(number >= 0, device=self.number.device)
        # Entries of J, one after the other: which they are, of which row, and which dof's.
        adr, dofs = table["efc_dof_adr"], table["efc_dof"]
        each = [(e, k) for k, row in enumerate(number.flat) if row >= 0 for e in range(adr[row], adr[row + 1])]
        entry, owner = np.reshape(each, (-1, 2)).T.astype(int)
        self._entry, self._owner, self._dof = indices(entry), indices(owner), indices(dofs[entry])

    def velocity(self, now: Present, active: torch.Tensor) -> torch.Tensor:
        """J qvel of the active rows, (N, k, 2)."""
        J = now.observed("efc_J")[:, self._entry]
        J = torch.where(active.flatten(1)[:, self._owner], J, 0.0)
        rate = now.state.new_zeros((now.n, self.number.numel()))
        return rate.index_add(1, self._owner, J * now.qvel[:, self._dof]).unflatten(1, self.number.shape)


def e_potential(_group: Group) -> Measure:
    """Potential energy of the scene [J]: gravity's, and that of springs."""
    return lambda now: _energy(now, 0)


def e_kinetic(_group: Group) -> Measure:
    """Kinetic energy of the scene [J], that of armature included."""
    return lambda now: _energy(now, 1)


def _energy(now: Present, kind: int) -> torch.Tensor:
    names = ("body_energy", "dof_energy", "ten_energy")
    return torch.stack([now.observed(name)[..., kind].sum(1) for name in names]).sum(0)[:, None, None]


def clock(_group: Group) -> Measure:
    """Simulated time [s]."""
    return lambda now: now.state.new_full((now.n, 1, 1), now.time)
