"""The controls of a rollout: checked, and put into force."""

from __future__ import annotations

import operator
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import torch

from genesis import runtime
from genesis.constants import MOCAP_WIDTH
from genesis.entities.drone_entity import thrusts_of
from genesis.entities.rigid_entity import RigidEntity
from genesis.errors import GenesisException
from genesis.world.arguments import plain_tensors, read_tensor, require_finite, select_range
from genesis.world.commands import FORCE, MODE_FIELDS, POSITION, VELOCITY

if TYPE_CHECKING:
    from genesis.entities.rigid_link import RigidLink
    from genesis.model.compose import EntityRange
    from genesis.rigid.command import Command
    from genesis.world.world import World

MODES = {"force": FORCE, "position": POSITION, "velocity": VELOCITY}
ACTUATORS = "actuators"
PROPELLERS = "propellers_rpm"
_MOST_STEPS = 2**31


@dataclass(frozen=True)
class Controls:
    """Controls for every step of a rollout.

    Attributes:
        kind: "force", "position", "velocity" or "actuators"
        given: ranges of an entity and its values, (T, n) or (T, n_envs, n), with their graph
        n_steps: T
        poses: of mocap links, first column of the field "mocap" and positions or quaternions, in the same shapes
        acts_once: whether what an actuator is told in a step is gone after it
    """

    kind: str
    given: tuple[tuple[EntityRange, torch.Tensor], ...]
    n_steps: int
    poses: tuple[tuple[int, torch.Tensor], ...] = ()
    acts_once: bool = False

    def install(self, world: World) -> Command:
        """Put the last controls into force, as a loop leaves them, and return the command of the whole rollout."""
        commands = world.commands
        sequences: dict[tuple[str, int], torch.Tensor] = {}
        for start, values in self.poses:
            values = _of_each_env(world, values)
            commands.place_mocap(start, world.dynamics.at_rest("mocap")[start:], None, values[-1].clone())
            sequences["mocap", start] = values
        for ranges, values in self.given:
            values = _of_each_env(world, values)
            last = values[-1].clone()
            count = values.shape[-1]
            if self.acts_once:
                commands.set_for_one_step((ranges.actuator_start, ranges.control_start), count, last)
                sequences["ctrl", ranges.control_start] = values
            elif self.kind == ACTUATORS:
                actuators = ranges.actuator_end - ranges.actuator_start
                commands.set_actuators(
                    (ranges.actuator_start, ranges.control_start),
                    select_range(actuators, 0, actuators),
                    select_range(count, 0, count),
                    None,
                    last,
                )
                sequences["ctrl", ranges.control_start] = values
            else:
                mode, start = MODES[self.kind], ranges.dof_start
                commands.set_all_dofs(mode, start, count, (last,))
                sequences[MODE_FIELDS[mode][0], start] = values
        command = commands.command
        return replace(command, blocks=command.blocks | sequences, sequences=frozenset(sequences))


def field_of(kind: Any, owner: str) -> str:
    """The control field of a kind of controls; raises GenesisException for an unknown one."""
    if not isinstance(kind, str) or kind not in (*MODES, ACTUATORS):
        raise GenesisException(
            f'{owner}: `control` is {kind!r}; expected "force", "position", "velocity" or "actuators", or, of drones '
            'and in rollouts only, "propellers_rpm".'
        )
    return "ctrl" if kind == ACTUATORS else MODE_FIELDS[MODES[kind]][0]


def read_controls(
    world: World,
    entities: Sequence[RigidEntity],
    controls: Any,
    kind: Any,
    n_steps: Any,
    owner: str,
    sparing: bool = False,
) -> Controls:
    """Check the arguments of `scene.rollout`; raises GenesisException for what does not fit.

    `sparing`: the tensors themselves are kept, not copies.
    """
    if kind == PROPELLERS:
        if controls is None:
            raise GenesisException(f"{owner}: `control` is {PROPELLERS!r}; give a sequence of speeds for each drone.")
        thrusts = thrusts_of(world, entities, controls, owner)
        return replace(read_controls(world, entities, thrusts, ACTUATORS, n_steps, owner), acts_once=True)
    field_of(kind, owner)
    if n_steps is not None:
        n_steps = _count(n_steps, owner)
    if controls is None:
        if n_steps is None:
            raise GenesisException(f"{owner}: neither controls nor `n_steps` are given; pass one of them.")
        return Controls(kind, (), n_steps)
    if not isinstance(controls, Mapping):
        controls = {_only_entity(entities, kind, owner): controls}
    given: list[tuple[RigidEntity, torch.Tensor]] = []
    poses: list[tuple[int, torch.Tensor]] = []
    for one, value in controls.items():
        if isinstance(one, RigidEntity) and one in entities:
            given.append((one, _sequence(world, one.name, value, (_width(one, kind),), owner, sparing)))
        elif any(one is link for entity in entities for link in entity.links) and one.is_mocap:
            poses += _path(world, one, value, owner, sparing)
        else:
            raise GenesisException(
                f"{owner}: the controls name {one!r}; expected entities of this scene as keys, as "
                "scene.rollout({robot: u}), or mocap links."
            )
    lengths = {len(values) for _, values in (*given, *poses)} | ({n_steps} if n_steps is not None else set())
    if len(lengths) != 1:
        raise GenesisException(
            f"{owner}: the controls are for {' and '.join(map(str, sorted(lengths))) or 'no'} steps; expected one "
            "number of steps for all."
        )
    commanded = tuple((world.composed.entities[entity.idx], values) for entity, values in given if values.shape[-1])
    return Controls(kind, commanded, lengths.pop(), tuple(poses))


def _path(world: World, link: RigidLink, value: Any, owner: str, sparing: bool) -> Iterator[tuple[int, torch.Tensor]]:
    """First column of the field "mocap", and values, of a mocap link's positions, and of its quaternions if given."""
    values = _sequence(world, link.name, value, (3, MOCAP_WIDTH), owner, sparing)
    if values.shape[-1] == MOCAP_WIDTH and bool((values[..., 3:].norm(dim=-1) < runtime.EPS).any()):
        raise GenesisException(f"{owner}: the poses of {link.name!r} have a quaternion of length zero.")
    start = MOCAP_WIDTH * int(world.model.indices["body_mocapid"][link.idx + 1])
    yield start, values[..., :3]
    if values.shape[-1] == MOCAP_WIDTH:
        yield start + 3, values[..., 3:]


def _of_each_env(world: World, values: torch.Tensor) -> torch.Tensor:
    """One row per env where there is a gradient, so that it is summed over the steps of each env first."""
    if world.n_envs > 1 and values.ndim == 2 and values.requires_grad:
        return values.unsqueeze(1).expand(-1, world.n_envs, -1)
    return values


def _count(n_steps: Any, owner: str) -> int:
    try:
        count = operator.index(n_steps)
    except TypeError:
        count = 0
    if not 1 <= count < _MOST_STEPS or isinstance(n_steps, bool):
        raise GenesisException(
            f"{owner}: `n_steps` is {repr(n_steps)[:60]}; expected a whole number from 1 on, below {_MOST_STEPS}."
        )
    return count


def _width(entity: RigidEntity, kind: str) -> int:
    return entity.n_controls if kind == ACTUATORS else entity.n_dofs


def _only_entity(entities: Sequence[RigidEntity], kind: str, owner: str) -> RigidEntity:
    able = [entity for entity in entities if _width(entity, kind)]
    if len(able) != 1:
        what = "actuators" if kind == ACTUATORS else "dofs"
        raise GenesisException(
            f"{owner}: {len(able)} entities have {what}, so a single tensor is not enough; pass a dict, as "
            "scene.rollout({robot: u})."
        )
    return able[0]


def _sequence(world: World, name: str, value: Any, widths: tuple[int, ...], owner: str, sparing: bool) -> torch.Tensor:
    """(T, n) or (T, n_envs, n) with n one of `widths`, finite, with its graph."""
    tensor = read_tensor(world, value, "controls", owner)
    shape = tuple(tensor.shape)
    envs = len(shape) == 3 and world.n_envs > 0 and shape[1] == world.n_envs
    if len(shape) < 2 or shape[-1] not in widths or not (len(shape) == 2 or envs) or not shape[0]:
        expected = " or ".join(
            text for n in widths for text in (f"(T, {n})", *([f"(T, {world.n_envs}, {n})"] if world.n_envs else []))
        )
        raise GenesisException(
            f"{owner}: the controls of {name!r} have shape {shape}; expected {expected} with T from 1 on."
        )
    require_finite(tensor, "controls", owner, command=True)
    if sparing:
        return tensor
    with plain_tensors():  # as each step of a loop does: what was given may be changed afterwards
        return tensor.clone(memory_format=torch.contiguous_format)
