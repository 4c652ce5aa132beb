"""Welds that are made and released while a scene runs: a gripper that takes a part, a suction cup.

A weld holds two links as they are at the call: the pose of the second in the frame of the first, with the graph of the
state that it was read from, so that gradients pass through the moment of the grasp. It is an input of the steps that
follow, like a command: what earlier steps were is not touched.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from genesis.constants import WELD_WIDTH
from genesis.errors import GenesisException
from genesis.math.rotation import quat_conj, quat_mul, quat_rotate
from genesis.rigid.command import Command
from genesis.world.arguments import Selection, plain_tensors

if TYPE_CHECKING:
    from genesis.world.world import World


def add_weld(world: World, owner: str, one: int, two: int, envs: Selection | None) -> None:
    """Weld two links, by their numbers in the scene, as they are now.

    Raises GenesisException for a link with itself, for two links neither of which can move, for two that are welded
    already in one of these envs, and where the scene simulates no equality constraints.
    """
    model, bodies = world.model, (one + 1, two + 1)
    if one == two:
        raise GenesisException(f"{owner}: link {one} cannot be welded to itself.")
    if world.is_disabled("EQUALITY"):
        raise GenesisException(
            f"{owner}: equality constraints are not simulated in this scene (RigidOptions(disable_constraint=True), or "
            "a disable flag of a model file)."
        )
    if not any(model.dof_chain(body) for body in bodies):
        raise GenesisException(f"{owner}: neither link {one} nor link {two} can move.")
    if _columns_of(world, one, two, envs):
        raise GenesisException(
            f"{owner}: links {one} and {two} are welded already in one of these envs; call delete_weld_constraint() "
            "first to weld them as they are now."
        )
    with plain_tensors():
        pos, quat = world.observer.get("xpos"), world.observer.get("xquat")
        first, second = bodies
        inverse = quat_conj(quat[:, first])
        anchor = quat_rotate(inverse, pos[:, second] - pos[:, first])
        relpose = quat_mul(inverse, quat[:, second])
        held = torch.cat([torch.zeros_like(anchor), anchor, relpose], -1)
        number = world.dynamics.require_weld(*bodies)
        world.commands.hold(number, int(world.composed.mj_model.neq) + number, held, envs)
    world.observer.clear()


def delete_weld(world: World, owner: str, one: int, two: int, envs: Selection | None) -> None:
    """Release two links; raises GenesisException where they are not welded in any of the envs."""
    columns = _columns_of(world, one, two, envs)
    if not columns:
        raise GenesisException(
            f"{owner}: links {one} and {two} are not welded in these envs; see get_weld_constraints()."
        )
    world.commands.set_equalities(torch.tensor(columns), torch.zeros(len(columns), dtype=torch.int32), envs)
    world.observer.clear()


def _columns_of(world: World, one: int, two: int, envs: Selection | None) -> list[int]:
    """Columns of eq_active of the welds made of two links, in whichever order, that hold in any of the envs."""
    active = world.commands.command.switches.eq_active
    rows = active if envs is None else active.index_select(0, envs.tensor())
    numbers = (world.model.weld_number(one + 1, two + 1), world.model.weld_number(two + 1, one + 1))
    columns = [int(world.composed.mj_model.neq) + number for number in numbers if number >= 0]
    return [column for column in columns if column < active.shape[1] and bool(rows[:, column].any())]


def renumbered(world: World, pairs: Sequence[tuple[int, int]], command: Command) -> Command:
    """A command of a time, or a scene, in which these pairs of bodies were the welds made at run time, by the numbers
    that they have here; there is room for all of them afterwards."""
    numbers = [world.dynamics.require_weld(*pair) for pair in pairs]
    fixed = int(world.composed.mj_model.neq)
    known = command.switches.eq_active
    active = torch.nn.functional.pad(known[:, :fixed], (0, world.model.nweld))
    for k, number in enumerate(numbers[: known.shape[1] - fixed]):
        active[:, fixed + number] = known[:, fixed + k]
    blocks = {
        (field, WELD_WIDTH * numbers[start // WELD_WIDTH] if field == "weld" else start): block
        for (field, start), block in command.blocks.items()
    }
    return Command(command.switches._replace(eq_active=active), blocks)


def held_welds(world: World, as_tensor: bool, to_torch: bool) -> dict[str, Any]:
    """`link_a`, `link_b` and `force` of the welds that hold; see `RigidSolver.get_weld_constraints`."""
    holds, links, forces = _all_welds(world)
    each = [torch.nonzero(row).flatten() for row in holds]
    found: dict[str, tuple[list[torch.Tensor], float]] = {
        "link_a": ([links[chosen, 0] for chosen in each], -1),
        "link_b": ([links[chosen, 1] for chosen in each], -1),
        "force": ([world.label(force[chosen]) for force, chosen in zip(forces, each, strict=True)], 0.0),
    }
    result: dict[str, Any] = {}
    for name, (parts, blank) in found.items():
        if as_tensor:
            stacked = torch.nn.utils.rnn.pad_sequence(parts, batch_first=True, padding_value=blank)
            result[name] = stacked if to_torch else stacked.numpy(force=True)
        else:
            result[name] = tuple(part if to_torch else part.numpy(force=True) for part in parts)
    return result


def _all_welds(world: World) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Of all welds, those of model files and then those made at run time: whether they hold, (N, n) bool; their two
    links, (n, 2); and the forces on their six rows [N, N m], (N, n, 6), with gradient (MuJoCo's efc_force)."""
    indices = world.model.indices
    active = world.dynamics.full_switches(world.commands.command.switches).eq_active
    of_file = np.flatnonzero(indices["body_equality_weld"] == 1)
    column = np.concatenate([indices["body_equality_id"][of_file], indices["made_weld_id"]])
    row = np.concatenate([indices["body_equality_row"][of_file], indices["made_weld_row"]])
    body = np.concatenate([indices["body_equality_body"][of_file], indices["made_weld_body"]])
    holds, links = active[:, column] == 1, torch.as_tensor(body - 1, device=active.device)
    rows = torch.as_tensor(row[:, None] + np.arange(6), device=active.device)
    with plain_tensors():
        if not len(column):
            return holds, links, world.state.new_zeros((active.shape[0], 0, 6))
        forces = world.observer.get("efc_force")[:, rows]
        return holds, links, torch.where(holds.unsqueeze(-1), forces, 0.0)
