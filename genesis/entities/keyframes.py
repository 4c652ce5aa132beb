"""Keyframes of model files: states that have a name, as "home"."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from genesis import runtime
from genesis.errors import GenesisException
from genesis.world.arguments import require_state

if TYPE_CHECKING:
    import mujoco

    from genesis.entities import RigidEntity
    from genesis.world.world import World

_SEPARATOR = "/"  # between an entity's name and that of its keyframe in the model


@dataclass(frozen=True)
class Keyframe:
    """A state of one entity, as its file says it: numbers without gradient, the same for every env.

    Attributes:
        name: of the file; "key0", ... where it gives none
        qpos: (n_qs,) [m, rad], quaternions of length 1; a free joint's pose is moved by the pose that the entity's
            morph has, as everything in its file is
        qvel: (n_dofs,) [m/s, rad/s]
        act: (n,) activations of those actuators that have one
        plastic: (n,) where the plastic springs rest, and plastic_places (n,): their places in `mjData.plastic`
        ctrl: (n_controls,) for `control_actuators`
    """

    name: str
    qpos: torch.Tensor
    qvel: torch.Tensor
    act: torch.Tensor
    plastic: torch.Tensor
    plastic_places: torch.Tensor
    ctrl: torch.Tensor


def names_of(world: World, entity: RigidEntity) -> list[str]:
    """The keyframes of an entity's file, in order."""
    m, prefix = world.composed.mj_model, entity.name + _SEPARATOR
    names = [m.key(k).name for k in range(m.nkey)]
    return [name.removeprefix(prefix) for name in names if name.startswith(prefix)]


def keyframe_of(world: World, entity: RigidEntity, name: Any, owner: str) -> Keyframe:
    """The keyframe of that name; raises GenesisException, listing those that there are, if there is none."""
    from genesis.model import plastic

    known = names_of(world, entity)
    if name not in known:
        raise GenesisException(f"{owner}: {entity.name!r} has no keyframe {name!r}; {_there_are(name, known)}")
    m, place = world.composed.mj_model, world.composed.entities[entity.idx]
    key = m.key(entity.name + _SEPARATOR + name).id
    qpos = np.array(m.key_qpos[key, place.q_start : place.q_end])
    qvel = np.array(m.key_qvel[key, place.dof_start : place.dof_end])
    places = plastic.of_parts(m, slice(place.joint_start, place.joint_end), slice(place.tendon_start, place.tendon_end))
    # A keyframe that says nothing of positions has those of the build, which are where the morph says already.
    if not np.array_equal(qpos, m.qpos0[place.q_start : place.q_end]):
        _move(m, place, entity.morph, qpos, qvel)
    for values in (qpos, qvel):
        require_state(torch.as_tensor(values), f"keyframe {name!r}", owner)

    def tensor(values: np.ndarray) -> torch.Tensor:
        return torch.as_tensor(values, dtype=runtime.tc_float, device=runtime.device)

    return Keyframe(
        name,
        tensor(qpos),
        tensor(qvel),
        tensor(np.array(m.key_act[key, place.act_start : place.act_end])),
        tensor(np.array(m.key_plastic[key, places])),
        torch.as_tensor(places, device=runtime.device),
        tensor(np.array(m.key_ctrl[key, place.control_start : place.control_end])),
    )


def _move(m: mujoco.MjModel, place: Any, morph: Any, qpos: np.ndarray, qvel: np.ndarray) -> None:
    """Free joints as the entity's pose moves them. MuJoCo takes their coordinates for the world's, and scales their
    positions p about the entity's origin o: o + s (p - o)."""
    import mujoco

    origin, turn = np.asarray(morph.pos, dtype=float), np.asarray(morph.orientation, dtype=float)
    scale = float(np.mean(getattr(morph, "scale", 1.0)))
    for joint in range(place.joint_start, place.joint_end):
        if m.jnt_type[joint] != mujoco.mjtJoint.mjJNT_FREE:
            continue
        q, v = int(m.jnt_qposadr[joint]) - place.q_start, int(m.jnt_dofadr[joint]) - place.dof_start
        moved, turned, along = np.zeros(3), np.zeros(4), np.zeros(3)
        mujoco.mju_rotVecQuat(moved, qpos[q : q + 3] + (scale - 1.0) * origin, turn)
        mujoco.mju_mulQuat(turned, turn, qpos[q + 3 : q + 7])
        mujoco.mju_rotVecQuat(along, qvel[v : v + 3], turn)
        qpos[q : q + 3], qpos[q + 3 : q + 7], qvel[v : v + 3] = origin + moved, turned, along


def find(world: World, entities: Sequence[RigidEntity], name: Any, owner: str) -> list[tuple[RigidEntity, Keyframe]]:
    """Of each entity that has a keyframe of that name; raises GenesisException, listing all, if none has."""
    found = [
        (entity, keyframe_of(world, entity, name, owner)) for entity in entities if name in names_of(world, entity)
    ]
    if not found:
        known = [f"{key} of {entity.name!r}" for entity in entities for key in names_of(world, entity)]
        raise GenesisException(f"{owner}: no entity has a keyframe {name!r}; {_there_are(name, known)}")
    return found


def _there_are(name: Any, known: list[str]) -> str:
    close = difflib.get_close_matches(str(name), known, n=1)
    hint = f"did you mean {close[0]!r}? " if close else ""
    return f"{hint}There are: {', '.join(known)}." if known else "there are none."
