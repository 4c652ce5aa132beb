"""What sensors say of whole subtrees: centre of mass, velocity, angular momentum; and the force that carries one.

A subtree is a body with all of its descendants, as a row of ones and zeros over the bodies: sums over subtrees are
products with these rows, and no recursion is needed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from genesis.constants import WELD_WIDTH
from genesis.math.rotation import quat_conj, quat_mul
from genesis.sensors.present import Present, cross, indices, numbers, turn
from genesis.sensors.pulls import pulls

if TYPE_CHECKING:
    from genesis.model.arrays import Model

MIN_MASS = 1e-15  # [kg] MuJoCo's mjMINVAL: a subtree that weighs less has no centre of mass of its own


class Subtrees:
    """The subtrees of k bodies.

    Attributes:
        body: (k,)
        member: (k, nbody), 1 for the bodies in it
    """

    def __init__(self, model: Model, bodies) -> None:
        parent = np.asarray(model.mj_model.body_parentid)
        member = np.zeros((len(bodies), model.nbody))
        for row, root in zip(member, np.asarray(bodies), strict=True):
            row[root] = 1.0
            for b in range(root + 1, model.nbody):  # parents come before children
                row[b] = row[parent[b]]
            row[0] = 0.0  # the world itself weighs nothing, and what acts on it is not felt
        self.body, self.member = indices(bodies), numbers(member)

    def mass(self, now: Present) -> torch.Tensor:
        """[kg], (N, k)."""
        return now.mass @ self.member.T

    def mean(self, now: Present, values: torch.Tensor) -> torch.Tensor:
        """Mean of vectors of the bodies, (N, nbody, 3), by mass: (N, k, 3)."""
        total = self.member @ (now.mass.unsqueeze(-1) * values)
        return total / self.mass(now).clamp(min=MIN_MASS).unsqueeze(-1)

    def com(self, now: Present) -> torch.Tensor:
        """Centres of mass [m], (N, k, 3)."""
        own = now.observed("xipos")
        has_mass = (self.mass(now) >= MIN_MASS).unsqueeze(-1)
        return torch.where(has_mass, self.mean(now, own), own[:, self.body])

    def velocity(self, now: Present) -> torch.Tensor:
        """Of the centres of mass [m/s], (N, k, 3)."""
        return self.mean(now, now.velocity + cross(now.omega, now.com_arm))

    def angular_momentum(self, now: Present) -> torch.Tensor:
        """About the centres of mass [kg m^2/s], world axes, (N, k, 3)."""
        arm = now.observed("xipos").unsqueeze(1) - self.com(now).unsqueeze(2)
        of_bodies = now.velocity + cross(now.omega, now.com_arm)
        relative = of_bodies.unsqueeze(1) - self.velocity(now).unsqueeze(2)
        orbital = cross(arm, now.mass[:, None, :, None] * relative)
        each = now.turned_inertia(now.omega).unsqueeze(1) + orbital
        return (self.member.unsqueeze(-1) * each).sum(2)


def carrying_wrench(now: Present, subtrees: Subtrees, point: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Force [N] and torque [N m] about a point of each subtree, (N, k, 3), that its root's parent exerts on it.

    What the subtree's motion takes, less what acts on it from outside: external wrenches, contacts, the connects and
    welds of links, and spatial tendons (MuJoCo: mj_rnePostConstraint, cfrc_int).
    """
    arm = now.com_arm
    spin = cross(now.omega, cross(now.omega, arm))
    force = now.mass.unsqueeze(-1) * (now.acceleration + cross(now.alpha, arm) + spin)
    torque = now.turned_inertia(now.alpha) + cross(now.omega, now.turned_inertia(now.omega))
    applied = now.control("xfrc", 6 * now.model.nbody).unflatten(1, (now.model.nbody, 6))
    total = _about(
        point,
        subtrees.member.unsqueeze(0),
        now.observed("xipos"),
        force - applied[..., :3],
        torque - applied[..., 3:],
    )
    if now.model.has_contacts:
        contacts = now.contacts
        on_second = contacts.force, turn(contacts.frame.mT, contacts.wrench[..., 3:])
        for side, sign in ((0, -1.0), (1, 1.0)):
            acts_on = _members(subtrees, contacts.link[..., side] + 1)
            total = total - sign * _about(point, acts_on, contacts.position, *on_second)
    for bodies, anchors, force, torque in _holds(now):
        for side, sign in ((0, 1.0), (1, -1.0)):
            body = bodies[:, side]
            at = now.xpos[:, body] + turn(now.xmat[:, body], anchors[side])
            acts_on = _members(subtrees, body).expand(now.n, -1, -1)
            total = total - sign * _about(point, acts_on, at, force, torque)
    if now.model.nspatial:
        for body, at, force in pulls(now):
            acts_on = _members(subtrees, body).expand(now.n, -1, -1)
            total = total - _about(point, acts_on, at, force, torch.zeros_like(force))
    return total[..., :3], total[..., 3:]


def _members(subtrees: Subtrees, body: torch.Tensor) -> torch.Tensor:
    """Whether bodies, ([N,] n), are in the subtrees, (N or 1, k, n)."""
    chosen = subtrees.member.T[body]  # ([N,] n, k)
    return chosen.mT if body.ndim == 2 else chosen.T.unsqueeze(0)


def _about(
    point: torch.Tensor, acts_on: torch.Tensor, at: torch.Tensor, force: torch.Tensor, torque: torch.Tensor
) -> torch.Tensor:
    """Sum of wrenches at points `at`, (N, n, 3), about other points (N, k, 3): (N, k, 6), force and torque."""
    arm = at.unsqueeze(1) - point.unsqueeze(2)
    each = torch.cat([force.unsqueeze(1).expand_as(arm), torque.unsqueeze(1) + cross(arm, force.unsqueeze(1))], -1)
    return (acts_on.unsqueeze(-1) * each).sum(2)


def _holds(now: Present):
    """Connects and welds, of the files and made at run time: pairs of bodies (n, 2), anchors on the first and on the
    second [m], in their frames, and force [N] and torque [N m] on the first, (N, n, 3) each."""
    table, quat = now.model.indices, now.observed("xquat")
    if len(table["body_equality_id"]):
        number, bodies = indices(table["body_equality_id"]), indices(table["body_equality_body"])
        data = now.parameter("eq_data")[:, number]
        is_weld = indices(table["body_equality_weld"]).bool()[:, None]
        low, high = data[..., :3], data[..., 3:6]
        anchors = torch.where(is_weld, high, low), torch.where(is_weld, low, high)
        holds = (now.eq_active[:, number] == 1).unsqueeze(-1)
        rows = indices(table["body_equality_row"])[:, None] + indices(np.arange(3))
        turned = quat_mul(quat[:, bodies[:, 0]], data[..., 6:10])
        fixed = quat_mul(quat[:, bodies[:, 1]], numbers(now.model.constants["body_equality_frame"]))
        # A connect has three rows only, and no orientation.
        pull = _forces(now, torch.where(is_weld, rows + 3, rows), holds & is_weld)
        yield bodies, anchors, _forces(now, rows, holds), _weld_torque(data[..., 10:11], fixed, turned, pull)
    if now.model.nweld:
        held = now.control("weld", WELD_WIDTH * now.model.nweld).unflatten(1, (now.model.nweld, WELD_WIDTH))
        bodies, holds = indices(table["made_weld_body"]), now.eq_active[:, indices(table["made_weld_id"])] == 1
        rows, holds = indices(table["made_weld_row"])[:, None] + indices(np.arange(3)), holds.unsqueeze(-1)
        turned = quat_mul(quat[:, bodies[:, 0]], held[..., 6:10])
        torque = _weld_torque(1.0, quat[:, bodies[:, 1]], turned, _forces(now, rows + 3, holds))
        yield bodies, (held[..., 3:6], held[..., :3]), _forces(now, rows, holds), torque


def _weld_torque(
    scale: torch.Tensor | float, fixed: torch.Tensor, turned: torch.Tensor, pull: torch.Tensor
) -> torch.Tensor:
    """Torque on the first body, (N, n, 3), of forces on a weld's rows of orientation, whose velocity is

    scale / 2 vec(conj(fixed) omega turned)
    """
    pure = torch.nn.functional.pad(pull, (1, 0))
    return 0.5 * scale * quat_mul(quat_mul(fixed, pure), quat_conj(turned))[..., 1:]


def _forces(now: Present, rows: torch.Tensor, holds: torch.Tensor) -> torch.Tensor:
    """Forces of rows (n, 3), (N, n, 3), zero where they do not hold."""
    return torch.where(holds, now.observed("efc_force")[:, rows], 0.0)
