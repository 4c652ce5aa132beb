"""Gains of commands that no step of this length can hold.

About a pose, and without contact, a command of gains K and C pulls the dofs by -K x - C v, against the inertia M and
the viscous damping D. What is implicit in the integrator (E) and what is not (F) make of it, with
v(t) = (x(t) - x(t - h)) / h,

    M (x(t + h) - 2 x(t) + x(t - h)) = -h^2 K x(t) - h E (x(t + h) - x(t)) - h F (x(t) - x(t - h))

Euler: E = D, F = C. implicitfast and implicit: E = C + D, F = 0. All of them are symmetric, so that each motion
z^(t / h) solves a scalar equation of the same form, which is stable (Jury) if and only if

    S = 4 M + 2 h (E - F) - h^2 K     is positive definite:

at z = -1 the matrix of the equation is S, and for z to minus infinity it is positive definite, so that a negative
direction of S is passed by a motion that changes its sign from step to step and grows. RK4 multiplies each motion
exp(s t) of the linear equations with its polynomial of h s.
"""

from __future__ import annotations

import mujoco
import torch

from genesis.grad import names
from genesis.model.arrays import Model
from genesis.world.commands import POSITION, POSITION_VELOCITY, VELOCITY

# Motions count as growing from here on: multiple zeros of a dof without position gain are off by the root of rounding.
_GROWS = 1.0 + 1e-6
# A dof takes part in a motion from this part of the largest on, each measured by the root of its inertia.
_TAKES_PART = 0.5
# Gains that differ by no more than this part of them are not looked at again.
_ALIKE = 0.1


def unstable_dofs(model: Model, mode: torch.Tensor, mass_matrix: torch.Tensor, theta: torch.Tensor) -> list[int]:
    """Dofs whose motion under PD commands grows from step to step, of the first env in which there are any.

    `mode`: of each dof (N, nv), as in `Switches`; `mass_matrix` (N, nv, nv); `theta` (P, ntheta), P being N or 1.
    """

    def of(name: str) -> torch.Tensor:
        field = model.theta_fields[name]
        return theta[:, field.offset : field.offset + field.size].double()

    mass = mass_matrix.double()
    held = (mode == POSITION) | (mode == POSITION_VELOCITY)
    kp = torch.where(held, of("dof_kp"), 0.0)
    kv = torch.where(held | (mode == VELOCITY), of("dof_kv"), 0.0)
    damping = of("dof_damping").expand_as(kv)
    if model.integrator == mujoco.mjtIntegrator.mjINT_RK4:
        return _growing(mass, kp, kv + damping, model.timestep)
    h = model.timestep
    if model.implicit:
        resistance = kv + damping
    elif model.disabled(mujoco.mjtDisableBit.mjDSBL_EULERDAMP):
        resistance = -kv - damping
    else:
        resistance = damping - kv
    margin = 4.0 * mass + torch.diag_embed(2.0 * h * resistance - h**2 * kp)
    weight = mass.diagonal(dim1=-2, dim2=-1).clamp(min=torch.finfo(mass.dtype).tiny).rsqrt()
    margin = margin * weight[:, :, None] * weight[:, None, :]
    _, failed = torch.linalg.cholesky_ex(margin)
    if not bool(failed.any()):
        return []
    values, vectors = torch.linalg.eigh(margin[int(torch.nonzero(failed)[0])])
    # where rounding alone made the factorisation fail, nothing grows
    return _taking_part(vectors[:, values < 0])


def of(model: Model, theta: torch.Tensor) -> torch.Tensor:
    """The gains of commands, (P, 2 nv), kp before kv; `theta` (P, ntheta)."""
    fields = [model.theta_fields[name] for name in ("dof_kp", "dof_kv")]
    return torch.cat([theta[:, field.offset : field.offset + field.size] for field in fields], 1)


def are_alike(gains: torch.Tensor, before: torch.Tensor) -> bool:
    """Whether none of them differs by more than a tenth."""
    return gains.shape == before.shape and bool(((gains - before).abs() <= _ALIKE * before.abs()).all())


def warning(model: Model, dofs: list[int]) -> str:
    """What to tell of these dofs."""
    kinds = mujoco.mjtIntegrator
    integrator = {kinds.mjINT_EULER: "Euler", kinds.mjINT_RK4: "RK4", kinds.mjINT_IMPLICIT: "implicit"}
    way_out = "" if model.implicit else ", or RigidOptions(integrator=gs.integrator.implicitfast)"
    return (
        f"the gains of position or velocity control cannot be stable at steps of {model.timestep:g} s with the "
        f"integrator {integrator.get(model.integrator, 'implicitfast')}: in this pose the motion of "
        f"{', '.join(names.dof(model, dof) for dof in dofs)} grows from step to step, until a limit or the force range "
        "stops it. Ways out: smaller gains (set_dofs_kp, set_dofs_kv), a smaller dt or more substeps"
        f"{way_out}. This is said once per scene."
    )


def _growing(mass: torch.Tensor, kp: torch.Tensor, resistance: torch.Tensor, h: float) -> list[int]:
    """The same of RK4, which is explicit in everything."""
    nv = mass.shape[-1]
    pull = -torch.linalg.solve(mass, torch.cat([torch.diag_embed(kp), torch.diag_embed(resistance)], -1))
    drift = torch.cat([mass.new_zeros(nv, nv), torch.eye(nv).to(mass)], -1).expand(len(mass), -1, -1)
    values, vectors = torch.linalg.eig(h * torch.cat([drift, pull], -2))
    factor = 1.0 + values * (1.0 + values / 2.0 * (1.0 + values / 3.0 * (1.0 + values / 4.0)))
    grows = factor.abs() > _GROWS
    rows = torch.nonzero(grows.any(-1))
    if not len(rows):
        return []
    env = int(rows[0])
    weight = mass[env].diagonal().sqrt()
    return _taking_part(weight[:, None] * vectors[env, :nv].abs()[:, grows[env]])


def _taking_part(motions: torch.Tensor) -> list[int]:
    """Dofs that take part in motions (nv, n), of which each is a column."""
    size = motions.abs()
    return torch.nonzero((size >= _TAKES_PART * size.amax(0, keepdim=True)).any(-1)).flatten().tolist()
