"""Ends of joints: of dofs, and of one joint, a ball joint's angle included."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from genesis.entities.access import join_ends, read_rows, split_ends, write_rows
from genesis.errors import GenesisException
from genesis.world.arguments import Selection, fit, read_tensor
from genesis.world.catalogue import CONSTRAINT_PARAMETERS

if TYPE_CHECKING:
    from genesis.entities.place import Place
    from genesis.grad.tensor import Tensor
    from genesis.world.world import World

_LIMIT = CONSTRAINT_PARAMETERS["dofs_limit"]
_BALL, _SLIDE, _HINGE = 1, 2, 3  # mujoco.mjtJoint
_NO_LIMIT = np.array([-np.inf, np.inf])


def write_dofs_limit(place: Place, lower: Any, upper: Any, dofs_idx_local: Any, envs_idx: Any) -> None:
    """What `set_dofs_limit` of an entity does."""
    method = "set_dofs_limit"
    owner = place.owner(method)
    chosen = place.select(method, "dofs", dofs_idx_local, unique=True)
    envs = place.select_envs(method, envs_idx, unique=True)
    joints = place.world.composed.mj_model.dof_jntid[place.ranges.dof_start + chosen.positions()]

    def element(k: int) -> str:
        return place.element("dofs", int(chosen.positions()[k]))

    for k, joint in enumerate(joints):
        _require_limit(place.world, owner, int(joint), element(k), one_dof=True)
    _write(place.world, owner, joints, lower, upper, envs, element, (lower, upper))


def read_dofs_limit(place: Place, dofs_idx_local: Any, envs_idx: Any) -> tuple[Tensor, Tensor]:
    """What `get_dofs_limit` of an entity does."""
    method = "get_dofs_limit"
    chosen = place.select(method, "dofs", dofs_idx_local, unique=False)
    envs = place.select_envs(method, envs_idx, unique=False)
    world, model = place.world, place.world.composed.mj_model
    joints = model.dof_jntid[place.ranges.dof_start + chosen.positions()]
    one_dof = np.isin(model.jnt_type[joints], (_SLIDE, _HINGE))
    has_range = one_dof & model.jnt_limited[joints].astype(bool)
    stated = np.where(has_range[:, None], model.jnt_range[joints], _NO_LIMIT)
    enforced = one_dof & (world.model.indices["jnt_limited"][joints] == 1)
    return split_ends(world, read_rows(world, _LIMIT, np.where(enforced, joints, -1), stated, envs))


def write_joint_limit(place: Place, owner: str, joint: int, lower: Any, upper: Any, envs_idx: Any) -> None:
    """Limits of one joint, by its number in the scene; a ball joint's lower end is zero."""
    envs = place.select_envs("set_limit", envs_idx, unique=True)
    world = place.world
    name = f"joint '{place.ranges.joint_names[joint - place.ranges.joint_start]}'"
    _require_limit(world, owner, joint, name, one_dof=False)
    if world.composed.mj_model.jnt_type[joint] == _BALL:
        zero = read_tensor(world, lower, "lower", owner)
        if bool((zero != 0).any()):
            raise GenesisException(f"{owner}: {name} is a ball joint, limited by one angle: `lower` must be 0.")

    def one(argument: str, value: Any) -> torch.Tensor:
        value = read_tensor(world, value, argument, owner)
        return fit(world, value, envs, (), argument, owner).unsqueeze(-1)

    ends = one("lower", lower), one("upper", upper)
    _write(world, owner, np.array([joint]), *ends, envs, lambda _: name, (lower, upper))


def read_joint_limit(place: Place, joint: int, envs_idx: Any) -> tuple[Tensor, Tensor]:
    """(lower, upper) of one joint, by its number in the scene, ([n_envs]) each."""
    envs = place.select_envs("get_limit", envs_idx, unique=False)
    world, model = place.world, place.world.composed.mj_model
    stated = np.where(model.jnt_limited[joint], model.jnt_range[joint], _NO_LIMIT)[None]
    row = joint if world.model.indices["jnt_limited"][joint] else -1
    return split_ends(world, read_rows(world, _LIMIT, np.array([row]), stated, envs).squeeze(-2))


def _write(
    world: World,
    owner: str,
    joints: np.ndarray,
    lower: Any,
    upper: Any,
    envs: Selection | None,
    element: Callable[[int], str],
    source: Any,
) -> None:
    pair = join_ends(world, owner, lower, upper, len(joints), envs)
    write_rows(world, _LIMIT, joints, envs, pair, owner, element, source)


def _require_limit(world: World, owner: str, joint: int, name: str, *, one_dof: bool) -> None:
    model = world.composed.mj_model
    if one_dof and model.jnt_type[joint] == _BALL and model.jnt_limited[joint]:
        raise GenesisException(f"{owner}: {name} belongs to a ball joint; use joint.set_limit(0, angle).")
    if not model.jnt_limited[joint]:
        raise GenesisException(f"{owner}: {name} has no limit; state a range in the model file.")
    if not world.model.indices["jnt_limited"][joint]:
        raise GenesisException(
            f"{owner}: limits are not simulated in this scene (RigidOptions(disable_constraint=True), "
            "enable_joint_limit=False, or a disable flag of a model file)."
        )
