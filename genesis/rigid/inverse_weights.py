"""Approximate inverse inertias that constraints feel, by which their softness is scaled (MuJoCo: set0 in mj_setConst).

Of each dof, body and tendon, in the position qpos0:

    dof:  the diagonal of M^-1, averaged over the translations and the rotations of a joint
    body: the diagonals of J M^-1 J', J of its centre of mass, averaged over the axes of translation and of rotation
    tendon: J M^-1 J'

MuJoCo computes them when it compiles, and so they are constants of a step, or parameters of it. Here they are functions
of the parameters in force, in torch, with gradient.
"""

from __future__ import annotations

from typing import NamedTuple

import mujoco
import numpy as np
import torch

from genesis.errors import GenesisException
from genesis.model.arrays import Model

# Fields of an observation at qpos0 that the function takes, in its order.
OBSERVED = ("qM_dense", "xjac", "xpos", "xipos", "ten_J")
# Fields of theta that hold them.
FIELDS = ("dof_invweight0", "body_invweight0", "tendon_invweight0")
_MIN_VALUE = 1.0e-15  # mjMINVAL
_NO_ROTATION = 2  # of mjModel.body_simple: a body that only slides, along its axes of inertia


class InverseWeights(NamedTuple):
    """Of P rows of parameters.

    Attributes:
        dof: (P, nv) [1/kg, 1/(kg m^2)]
        body: (P, nbody, 2), of translation and of rotation
        tendon: (P, ntendon)
    """

    dof: torch.Tensor
    body: torch.Tensor
    tendon: torch.Tensor


def inverse_weights(model: Model, theta: torch.Tensor, observed: list[torch.Tensor]) -> InverseWeights:
    """From the fields ``OBSERVED``, (P, ...) each, and the parameters (P, ntheta) that they were observed with."""
    mass_matrix, jacobian, position, centre, tendon_rows = observed
    m, rows = model.mj_model, mass_matrix.shape[0]
    if not model.nv:
        return InverseWeights(
            theta.new_zeros((rows, 0)), theta.new_zeros((rows, model.nbody, 2)), theta.new_zeros((rows, model.ntendon))
        )
    factor, failed = torch.linalg.cholesky_ex(mass_matrix)
    if bool(failed.any()):
        row = int(torch.nonzero(failed)[0])
        joint = int(m.dof_jntid[int(failed[row]) - 1])
        env = f" of env {row}" if rows > 1 else ""
        raise GenesisException(
            f'the inverse inertias that follow (RigidOptions(inverse_weights="follow")) do not exist{env}: in the '
            f"position at the start, what joint {m.jnt(joint).name or joint!r} moves would have no mass, inertia or "
            "armature."
        )
    inverse = torch.cholesky_inverse(factor)
    spec = model.theta_fields["body_mass"]
    mass = theta[:, spec.offset : spec.offset + spec.size]
    # bodies that only slide weigh what they weigh, whichever way they may go
    sliding = torch.as_tensor(np.asarray(m.body_simple) == _NO_ROTATION, device=theta.device)
    light = 1.0 / mass.clamp(min=_MIN_VALUE)

    dof = torch.diagonal(inverse, dim1=-2, dim2=-1) @ _averages(m).to(theta)
    body_of_dof = torch.as_tensor(np.asarray(m.dof_bodyid), dtype=torch.int64, device=theta.device)
    dof = torch.where(sliding[body_of_dof], light[:, body_of_dof], dof)

    linear, angular = jacobian.reshape(rows, model.nbody, 2, 3, model.nv).unbind(2)  # (P, nbody, 3, nv)
    linear = linear + torch.linalg.cross(angular, (centre - position).unsqueeze(-1).expand_as(angular), dim=2)
    body = torch.stack([((part @ inverse.unsqueeze(1)) * part).sum((-2, -1)) / 3.0 for part in (linear, angular)], -1)
    body = torch.where(sliding[:, None], torch.stack([light, torch.zeros_like(light)], -1), body)
    moves = torch.as_tensor(np.asarray(m.body_dofnum)[np.asarray(m.body_weldid)] > 0, device=theta.device)
    body = torch.where(moves[:, None], body, 0.0)

    along = tendon_rows.new_zeros((rows, model.ntendon, model.nv))
    tendon = torch.repeat_interleave(
        torch.arange(model.ntendon), torch.as_tensor(np.diff(model.indices["ten_dof_adr"]), dtype=torch.int64)
    ).to(theta.device)
    dofs = torch.as_tensor(model.indices["ten_dof"], dtype=torch.int64, device=theta.device)
    along = along.index_put((torch.arange(rows, device=theta.device)[:, None], tendon, dofs), tendon_rows)
    return InverseWeights(dof, body, ((along @ inverse) * along).sum(-1))


def put(model: Model, theta: torch.Tensor, weights: InverseWeights) -> torch.Tensor:
    """The parameters with these inverse weights in place of theirs."""
    columns, values = [], []
    for name, value in zip(FIELDS, weights, strict=True):
        spec = model.theta_fields[name]
        columns.append(torch.arange(spec.offset, spec.offset + spec.size, device=theta.device))
        values.append(value.flatten(1))
    return theta.index_copy(1, torch.cat(columns), torch.cat(values, 1))


def _averages(m: mujoco.MjModel) -> torch.Tensor:
    """(nv, nv): of each dof the mean over its joint's translations or rotations."""
    averages = np.zeros((m.nv, m.nv))
    for j in range(m.njnt):
        first = int(m.jnt_dofadr[j])
        free = m.jnt_type[j] == int(mujoco.mjtJoint.mjJNT_FREE)
        ball = m.jnt_type[j] == int(mujoco.mjtJoint.mjJNT_BALL)
        parts = [range(first, first + 3), range(first + 3, first + 6)] if free else [range(first, first + 3)]
        for part in parts if free or ball else [range(first, first + 1)]:
            averages[np.ix_(part, part)] = 1.0 / len(part)
    return torch.as_tensor(averages)
