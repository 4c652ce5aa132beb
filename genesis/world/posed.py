"""States that the world is not in: the present one, with other positions and velocities of a part of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from genesis.world.arguments import Selection, plain_tensors, scatter

if TYPE_CHECKING:
    from genesis.world.world import World


def state_with(
    world: World, envs: Selection | None, pieces: list[tuple[Selection, int, torch.Tensor | None]]
) -> torch.Tensor:
    """The present state, (n_worlds, nq + nv + na), with other numbers in some of its columns.

    Of each piece (columns, their offset, values): values (count,) or (envs, count); None: those of the present, with
    their graph. All that no piece names is there without graph, so that a gradient does not go where it has no part.
    """
    present = world.read_state()
    with plain_tensors():
        state = present.detach()
        for columns, offset, values in pieces:
            if values is None:
                if not present.requires_grad:
                    continue
                values = present.index_select(1, columns.tensor(offset))
                state = scatter(state, None, columns, values, offset)
            else:
                state = scatter(state, envs, columns, values, offset)
    return state


def mocap_poses(world: World) -> torch.Tensor:
    """Where the mocap bodies are now, position and quaternion of each, (n_worlds, 7 nmocap), without graph."""
    with torch.no_grad(), plain_tensors():
        poses = world.dynamics.at_rest("mocap").expand(world.n_worlds, -1).clone()
        for (name, start), block in world.commands.idle.blocks.items():
            if name == "mocap":
                poses[:, start : start + block.shape[-1]] = block
    return poses


def without(world: World, fields: tuple[str, ...]) -> torch.Tensor:
    """The parameters in force, (1 or n_worlds, ntheta), with these fields zero."""
    with plain_tensors():
        theta = world.theta.packed()
        for name in fields:
            field = world.model.theta_fields[name]
            columns = torch.arange(field.offset, field.offset + field.size, device=theta.device)
            theta = theta.index_fill(1, columns, 0.0)
    return theta
