"""What spatial tendons do to bodies: forces at the ends of the straight pieces of their paths.

A tendon that pushes its length with the force f does f times the direction of each piece to the piece's end, and the
opposite to its start; behind a pulley a part of it. f is what the tendon's spring and damper, actuators, constraints
and inertia do along it (MuJoCo: mj_rnePostConstraint, which takes all of them for forces from outside).
"""

from __future__ import annotations

from collections.abc import Iterator

import mujoco
import numpy as np
import torch

from genesis.rigid.kernels.spatial_tendon import PIECES
from genesis.sensors.present import Present, indices, numbers

_TENDON = int(mujoco.mjtTrn.mjTRN_TENDON)


def pulls(now: Present) -> Iterator[tuple[torch.Tensor, torch.Tensor, torch.Tensor]]:
    """Of both ends of all pieces: bodies (n,), places [m] and forces [N] there, (N, n, 3)."""
    table = now.model.indices
    tendon = indices(np.repeat(table["segment_tendon"], PIECES))
    force = tensions(now)[:, tendon].unsqueeze(-1) * now.observed("piece_pull")
    first, second = _bodies(now)
    yield first, now.observed("piece_start"), -force
    yield second, now.observed("piece_end"), force


def _bodies(now: Present) -> tuple[torch.Tensor, torch.Tensor]:
    """Of the start and of the end of each piece: site to site, site to shape, shape to site."""
    table = now.model.indices
    one, two = table["site_bodyid"][table["segment_site"]].T
    wrap = table["segment_wrap"]
    shape = np.where(wrap >= 0, table["wrap_bodyid"][wrap], 0) if len(table["wrap_bodyid"]) else np.zeros_like(one)
    starts, ends = np.stack([one, one, shape], 1), np.stack([two, shape, two], 1)
    return indices(starts.ravel()), indices(ends.ravel())


def tensions(now: Present) -> torch.Tensor:
    """The force that pushes each tendon's length [N, N m], (N, ntendon); negative where it pulls."""
    x, v = now.observed("ten_extension"), now.observed("ten_velocity")
    k, c = now.parameter("tendon_stiffnesspoly"), now.parameter("tendon_dampingpoly")
    speed = v.abs()
    total = -(now.parameter("tendon_stiffness") + k[..., 0] * x + k[..., 1] * x * x) * x
    total = total - (now.parameter("tendon_damping") + c[..., 0] * speed + c[..., 1] * speed * speed) * v
    return total + _of_actuators(now, total) + _of_rows(now, total) - _of_inertia(now, total)


def _of_actuators(now: Present, like: torch.Tensor) -> torch.Tensor:
    m = now.model.mj_model
    chosen = np.flatnonzero(m.actuator_trntype == _TENDON)
    if not len(chosen):
        return torch.zeros_like(like)
    number = indices(chosen)
    force = now.parameter("actuator_gear")[:, number, 0] * now.observed("actuator_force")[:, number]
    return torch.zeros_like(like).index_add(1, indices(m.actuator_trnid[chosen, 0]), force)


def _of_rows(now: Present, like: torch.Tensor) -> torch.Tensor:
    """Limits, friction loss, and equality of tendons."""
    table, total = now.model.indices, torch.zeros_like(like)
    if not now.model.rows.nefc:
        return total
    force = now.observed("efc_force")
    limited, row = indices(table["tendon_limit_tendon"]), indices(table["tendon_limit_row"])
    total = total.index_add(1, limited, force[:, row] - force[:, row + 1])
    row = indices(table["tendon_friction_row"])
    total = total.index_add(1, indices(np.arange(len(row))), force[:, row])
    number, pair = indices(table["tendon_equality_id"]), indices(table["tendon_equality_pair"])
    if not len(number):
        return total
    along = torch.where(now.eq_active[:, number] == 1, force[:, indices(table["tendon_equality_row"])], 0.0)
    two = pair[:, 1].clamp(min=0)
    data, x = now.parameter("eq_data")[:, number], (now.observed("ten_length") - numbers(_length0(now)))[:, two]
    slope = data[..., 1] + x * (2.0 * data[..., 2] + x * (3.0 * data[..., 3] + x * 4.0 * data[..., 4]))
    total = total.index_add(1, pair[:, 0], along)
    return total.index_add(1, two, torch.where(pair[:, 1] >= 0, -slope * along, 0.0))


def _length0(now: Present) -> np.ndarray:
    return now.model.constants["tendon_length0"]


def _of_inertia(now: Present, like: torch.Tensor) -> torch.Tensor:
    """The inertia against changes of length times their acceleration."""
    table = now.model.indices
    tendon = indices(np.repeat(np.arange(now.model.ntendon), np.diff(table["ten_dof_adr"])))
    each = now.observed("ten_J") * now.observed("qacc")[:, indices(table["ten_dof"])]
    acceleration = torch.zeros_like(like).index_add(1, tendon, each) + now.observed("ten_bias")
    return now.parameter("tendon_armature") * acceleration
