"""Inverse kinematics of an entity: its arguments, and how the solution depends on what it was asked for.

A solution q* of e(q, p) = 0, with p the targets and the parameters of the kinematics, moves with p by

    dq = -J^+ de/dp dp,    J = de/dq by the dofs that may move and are not at a limit,

the least-norm solution of the linearised equations (implicit function theorem). In torch that is one line: q* minus J^+
times the error at q*, which is zero, with its graph.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from genesis import runtime
from genesis.entities.limits import read_dofs_limit
from genesis.errors import GenesisException
from genesis.math.rotation import quat_conj, quat_log, quat_mul, quat_normalize, quat_rotate
from genesis.world.arguments import (
    Selection,
    fit,
    gather,
    plain_tensors,
    read_flag,
    read_tensor,
    require_finite,
    select_range,
)
from genesis.world.posed import mocap_poses, state_with

if TYPE_CHECKING:
    from genesis.entities.place import Place
    from genesis.rigid.inverse_kinematics import Reach, Settings, Solution
    from genesis.world.layout import DofLayout

# A dof this close to its limit, in units of the range, stays there.
_AT_LIMIT = 1e-9
# Singular values of J below this, in units of the largest, count as zero: directions in which nothing moves.
_RANK = {torch.float64: 1e-9, torch.float32: 1e-4}
# Lengths of the error above which it is more than rounding.
_REST = {torch.float64: 1e-8, torch.float32: 1e-4}


@dataclass(frozen=True)
class Wish:
    """What is wanted of T links in R envs, checked, with its graph.

    Attributes:
        bodies: MuJoCo's number of each link
        pos, point: (R, T, 3) [m]; quat: (R, T, 4), unit
        rows: (T, 6) bool, which components count
        axis: the one axis of the link whose direction counts, or -1
        init: (R, n_qs), without graph
    """

    bodies: list[int]
    pos: torch.Tensor
    quat: torch.Tensor
    point: torch.Tensor
    rows: np.ndarray
    axis: int
    init: torch.Tensor


def read_wish(
    place: Place,
    method: str,
    bodies: list[int],
    poss: list[Any],
    quats: list[Any],
    points: list[Any],
    init_qpos: Any,
    masks: tuple[Any, Any],
    envs: Selection | None,
) -> Wish:
    """The arguments of one call; see `Kinematics.inverse_kinematics_multilink`."""
    owner, world = place.owner(method), place.world
    n = world.n_worlds if envs is None else envs.count
    pos_mask = _mask(masks[0], "pos_mask", owner)
    rot_mask = _mask(masks[1], "rot_mask", owner)
    axis = -1
    if rot_mask.sum() == 2:
        raise GenesisException(
            f"{owner}: `rot_mask` is {rot_mask.tolist()}; expected no axis, one (only its direction counts) or all "
            "three: two axes of a link cannot be aligned without the third."
        )
    if rot_mask.sum() == 1:
        axis = int(np.flatnonzero(rot_mask)[0])
        rot_mask = ~rot_mask
    rows = np.zeros((len(bodies), 6), dtype=bool)
    for k, (pos, quat) in enumerate(zip(poss, quats, strict=True)):
        if pos is not None:
            rows[k, :3] = pos_mask
        if quat is not None:
            rows[k, 3:] = rot_mask
        if not rows[k].any():
            raise GenesisException(
                f"{owner}: nothing is wanted of link {k} of those given: give its position or its orientation, and "
                "masks that leave something of it."
            )

    def stacked(values: list[Any], argument: str, width: int, missing: list[float]) -> torch.Tensor:
        each = [
            _per_env(place, method, argument, missing if value is None else value, width, envs, n) for value in values
        ]
        return torch.stack(each, 1)

    quat = stacked(quats, "quat", 4, [1.0, 0.0, 0.0, 0.0])
    if bool((torch.linalg.vector_norm(quat.detach(), dim=-1) < runtime.EPS).any()):
        raise GenesisException(f"{owner}: `quat` has length zero; the identity is (1, 0, 0, 0).")
    wish_pos = stacked(poss, "pos", 3, [0.0] * 3)
    point = stacked(points, "local_point", 3, [0.0] * 3)
    if init_qpos is None:
        qs = select_range(place.counts["qs"], 0, place.counts["qs"])
        init = gather(world.read_state().detach(), envs, qs, place.ranges.q_start)
    else:
        init = _per_env(place, method, "init_qpos", init_qpos, place.counts["qs"], envs, n).detach().clone()
        for rotation in place.layout.rotations:
            if bool((torch.linalg.vector_norm(init.narrow(1, rotation.q, 4), dim=1) < runtime.EPS).any()):
                raise GenesisException(
                    f"{owner}: `init_qpos` has a quaternion of length zero for joint '{rotation.joint}'."
                )
    return Wish(bodies, wish_pos, quat_normalize(quat), point, rows, axis, init)


def _per_env(
    place: Place, method: str, argument: str, value: Any, width: int, envs: Selection | None, n: int
) -> torch.Tensor:
    """(n, width), from (width,), (n, width) or (1, width)."""
    owner, world = place.owner(method), place.world
    tensor = read_tensor(world, value, argument, owner)
    if world.n_envs == 0 and tensor.shape == (1, width):
        tensor = tensor[0]
    tensor = fit(world, tensor, envs, (width,), argument, owner, scalar=False)
    require_finite(tensor, argument, owner)
    return tensor.expand(n, width)


def _mask(value: Any, argument: str, owner: str) -> np.ndarray:
    try:
        mask = np.asarray(value.detach().cpu() if isinstance(value, torch.Tensor) else value)
    except (ValueError, TypeError, RuntimeError):
        mask = np.asarray(None)
    if mask.shape != (3,) or not all(one in (0, 1) for one in mask.tolist()):
        raise GenesisException(f"{owner}: `{argument}` is {value!r}; expected three values True or False.")
    return mask.astype(bool)


def read_settings(
    owner: str,
    max_samples: Any,
    max_solver_iters: Any,
    damping: Any,
    pos_tol: Any,
    rot_tol: Any,
    max_step_size: Any,
    seed: Any,
) -> Settings:
    """Numbers that say how hard to try, checked."""
    from genesis.rigid.inverse_kinematics import Settings

    return Settings(
        _whole("max_samples", max_samples, 1, owner),
        _whole("max_solver_iters", max_solver_iters, 1, owner),
        _positive("damping", damping, owner),
        _positive("pos_tol", pos_tol, owner),
        _positive("rot_tol", rot_tol, owner),
        _positive("max_step_size", max_step_size, owner),
        0 if seed is None else _whole("seed", seed, 0, owner),
    )


def _whole(argument: str, value: Any, least: int, owner: str) -> int:
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or not least <= value < 2**31:
        raise GenesisException(f"{owner}: `{argument}` is {value!r}; expected a whole number from {least} on.")
    return int(value)


def _positive(argument: str, value: Any, owner: str) -> float:
    if isinstance(value, (int, float, np.integer, np.floating)) and not isinstance(value, bool):
        if math.isfinite(value) and value > 0:
            return float(value)
    raise GenesisException(f"{owner}: `{argument}` is {value!r}; expected a positive number.")


def reach(
    place: Place,
    method: str,
    bodies: list[int],
    poss: list[Any],
    quats: list[Any],
    points: list[Any],
    start: tuple[Any, Any, Any, Any],
    masks: tuple[Any, Any],
    settings: tuple[Any, ...],
) -> tuple[torch.Tensor, torch.Tensor]:
    """Positions (R, n_qs) with graph, and what is missing, (R, T, 6) without.

    ``start``: init_qpos, envs_idx, dofs_idx_local, respect_joint_limit; ``settings``: those of `read_settings`.
    """
    from genesis.rigid.inverse_kinematics import Reach

    owner, model = place.owner(method), place.world.model
    init_qpos, envs_idx, dofs_idx_local, respect_joint_limit = start
    envs = place.select_envs(method, envs_idx, unique=True)
    chosen = place.select(method, "dofs", dofs_idx_local, unique=True)
    respect = read_flag(respect_joint_limit, "respect_joint_limit", owner)
    tried = read_settings(owner, *settings)
    wish = read_wish(place, method, bodies, poss, quats, points, init_qpos, masks, envs)
    dofs = chosen.positions() + place.ranges.dof_start
    key = (model.revision, *bodies, dofs.tobytes(), wish.rows.tobytes(), wish.axis)
    known = place.reaches.get(key)
    if known is None:
        known = place.reaches[key] = Reach(model, bodies, dofs, place.ranges.q_start, wish.rows, wish.axis)
    if not known.n_columns:
        raise GenesisException(
            f"{owner}: none of the dofs that may move moves what is to be reached; those of the links before it, up to "
            "the base, do."
        )
    return _solve(place, known, wish, tried, respect, envs)


def _solve(
    place: Place,
    reach: Reach,
    wish: Wish,
    settings: Settings,
    respect: bool,
    envs: Selection | None,
) -> tuple[torch.Tensor, torch.Tensor]:
    from genesis.rigid.inverse_kinematics import Task

    world = place.world
    n = wish.pos.shape[0]
    with torch.no_grad(), plain_tensors():
        columns = torch.as_tensor(reach.columns - place.ranges.dof_start, device=runtime.device)
        lower, upper = (
            _ends(place, end, envs, n).index_select(1, columns) for end in read_dofs_limit(place, None, None)
        )
        if not respect:
            lower, upper = torch.full_like(lower, -torch.inf), torch.full_like(upper, torch.inf)
        env = torch.arange(n) if envs is None else envs.tensor()
        task = Task(
            wish.pos.detach(),
            wish.quat.detach(),
            wish.point.detach(),
            wish.init,
            lower,
            upper,
            env.to(device=runtime.device, dtype=torch.int32),
        )
        found = reach.solve(task, settings, world.theta.packed().detach(), mocap_poses(world))
        error = found.error.new_zeros((n, 6 * len(wish.bodies)))
        where = torch.as_tensor(np.flatnonzero(reach.rows.ravel() >= 0), device=runtime.device)
        error = error.index_copy(1, where, found.error).unflatten(1, (-1, 6))
    qpos = found.qpos
    if world.requires_grad and torch.is_grad_enabled():
        qpos = _attached(place, reach, wish, found, (lower, upper), envs)
    return qpos, error


def _ends(place: Place, end: torch.Tensor, envs: Selection | None, n: int) -> torch.Tensor:
    """Limits of all dofs of the entity, (n, n_dofs), plain."""
    end = read_tensor(place.world, end.detach(), "limit", place.name)
    if end.dim() == 2 and envs is not None:
        end = end.index_select(0, envs.tensor())
    return end.expand(n, -1)


def _at_limit(place: Place, reach: Reach, qpos: torch.Tensor, lower: torch.Tensor, upper: torch.Tensor) -> torch.Tensor:
    """(R, columns) bool: which dofs are at their limits."""
    layout = place.layout
    q_of = dict(zip(layout.linear_dofs, layout.linear_qs, strict=True))
    # Dofs without a q of their own have no limit here: any column will do.
    qs = [q_of.get(int(dof) - place.ranges.dof_start, 0) for dof in reach.columns]
    q = qpos[:, qs]
    room = _AT_LIMIT * torch.where((upper - lower).isfinite(), (upper - lower).clamp(min=1.0), torch.ones_like(q))
    return (q - lower <= room) | (upper - q <= room)


def _attached(
    place: Place,
    reach: Reach,
    wish: Wish,
    found: Solution,
    limits: tuple[torch.Tensor, torch.Tensor],
    envs: Selection | None,
) -> torch.Tensor:
    """The solution with its graph, by the implicit function theorem; see above."""
    world, ranges = place.world, place.ranges
    poses = world.commands.idle
    theta = world.theta.packed()
    inputs = (wish.pos, wish.quat, wish.point, theta, *poses.blocks.values())
    if not any(one.requires_grad for one in inputs):
        return found.qpos
    qs = select_range(place.counts["qs"], 0, place.counts["qs"])
    state = state_with(world, envs, [(qs, ranges.q_start, found.qpos)])
    xpos, xquat = world.observe_at(("xpos", "xquat"), state, theta, poses)
    if envs is not None:
        xpos, xquat = xpos.index_select(0, envs.tensor()), xquat.index_select(0, envs.tensor())
    pos, quat = xpos[:, wish.bodies], xquat[:, wish.bodies]
    shift = wish.pos - pos - quat_rotate(quat, wish.point)
    if wish.axis < 0:
        turn = quat_log(quat_mul(quat_conj(quat), wish.quat))
    else:
        own = torch.zeros(3, dtype=quat.dtype, device=quat.device)
        own[wish.axis] = 1.0
        # To first order about a solution the rotation that is missing.
        turn = torch.linalg.cross(own.expand_as(shift), quat_rotate(quat_conj(quat), quat_rotate(wish.quat, own)))
    where = torch.as_tensor(np.flatnonzero(reach.rows.ravel() >= 0), device=quat.device)
    error = torch.cat([shift, turn], -1).flatten(1).index_select(1, where)
    _warn_of_rest(place, found)
    with torch.no_grad():
        at_limit = _at_limit(place, reach, found.qpos, *limits)
        jacobian = found.jacobian.masked_fill(at_limit[:, None, :], 0.0)
        inverse = torch.linalg.pinv(jacobian, rtol=_RANK[jacobian.dtype])
        inverse = inverse.masked_fill(at_limit[:, :, None] | ~found.success[:, None, None], 0.0)
    moved = (inverse @ (error - error.detach())[..., None])[..., 0]
    return _plus(place.layout, found.qpos, moved, torch.as_tensor(reach.columns - ranges.dof_start))


def _warn_of_rest(place: Place, found: Solution) -> None:
    """Say once per scene that a gradient is asked for where the error could not be brought to zero."""
    rest = torch.linalg.vector_norm(found.error, dim=1) > _REST[found.error.dtype]
    envs = torch.nonzero(found.success & rest).flatten().tolist()
    if envs:
        place.world.warn_once(
            "inverse kinematics with a rest",
            f"{place.name}.inverse_kinematics: row(s) {envs[:8]} meet the tolerances, but an error remains that cannot "
            "be brought to zero (a target out of reach, or more conditions than dofs): the gradient there is that of "
            "the linearised equations, and as far off as the error is large. This is said once per scene.",
        )


def _plus(layout: DofLayout, qpos: torch.Tensor, moved: torch.Tensor, dofs: torch.Tensor) -> torch.Tensor:
    """``qpos`` with the derivative of moving it by ``moved``, which is zero, (R, columns) of ``dofs``, in the tangent
    space."""
    n_dofs = len(layout.linear_dofs) + 3 * len(layout.rotations)
    every = moved.new_zeros((qpos.shape[0], n_dofs)).index_add(1, dofs.to(moved.device), moved)
    linear = torch.as_tensor(layout.linear_dofs, dtype=torch.int64, device=moved.device)
    change = torch.zeros_like(qpos).index_copy(1, layout.linear_index, every.index_select(1, linear))
    for rotation in layout.rotations:
        spin = every.narrow(1, rotation.dof, 3)
        half = torch.cat([torch.zeros_like(spin[:, :1]), 0.5 * spin], 1)
        turned = quat_mul(qpos.narrow(1, rotation.q, 4), half)
        change = torch.slice_scatter(change, turned, 1, rotation.q, rotation.q + 4)
    return qpos + change
