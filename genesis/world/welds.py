"""Welds that are made and released while a scene runs: a gripper that takes a part, a suction cup.

A weld holds two links as they are at the call: the pose of the second in the frame of the first, with the graph of the
state that it was read from, so that gradients pass through the moment of the grasp. It is an input of the steps that
follow, like a command: what earlier steps were is not touched.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from genesis.errors import GenesisException
from genesis.math.rotation import quat_conj, quat_mul, quat_rotate
from genesis.model.contact import is_disabled
from genesis.world.arguments import Selection, plain_tensors

if TYPE_CHECKING:
    from genesis.world.world import World


def add_weld(world: World, owner: str, one: int, two: int, envs: Selection | None) -> None:
    """Weld two links, by their numbers in the scene, as they are now; a weld of the same two is made anew.

    Raises GenesisException for a link with itself, for two links neither of which can move, and where the scene
    simulates no equality constraints.
    """
    model, bodies = world.model, (one + 1, two + 1)
    if one == two:
        raise GenesisException(f"{owner}: link {one} cannot be welded to itself.")
    if is_disabled(world.composed.mj_model, "EQUALITY"):
        raise GenesisException(
            f"{owner}: equality constraints are not simulated in this scene (RigidOptions(disable_constraint=True), or "
            "a disable flag of a model file)."
        )
    if not any(model.dof_chain(body) for body in bodies):
        raise GenesisException(f"{owner}: neither link {one} nor link {two} can move.")
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
    number = world.model.weld_number(one + 1, two + 1)
    column = int(world.composed.mj_model.neq) + number
    active = world.commands.command.switches.eq_active
    rows = active if envs is None else active.index_select(0, envs.tensor())
    if number < 0 or column >= active.shape[1] or not bool(rows[:, column].any()):
        raise GenesisException(
            f"{owner}: links {one} and {two} are not welded in these envs; see get_weld_constraints()."
        )
    world.commands.set_equalities(torch.tensor([column]), torch.zeros(1, dtype=torch.int32), envs)
    world.observer.clear()


def welds(world: World) -> list[tuple[int, int, int]]:
    """(env, link, link) of each weld made at run time that holds now."""
    active = world.commands.command.switches.eq_active[:, int(world.composed.mj_model.neq) :]
    return [
        (int(env), world.model.weld_pairs[k][0] - 1, world.model.weld_pairs[k][1] - 1)
        for env, k in torch.nonzero(active).tolist()
    ]
