"""External forces and torques on links, brought to the links' centres of mass, where the step applies them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import torch

from genesis import runtime
from genesis.errors import GenesisException
from genesis.math.rotation import quat_rotate
from genesis.world.arguments import Selection, fit, gather, plain_tensors, read_flag, read_tensor, require_finite

if TYPE_CHECKING:
    from genesis.world.world import World

WrenchPoint = Literal["link_origin", "link_com", "root_com"]
_POINTS = ("link_origin", "link_com", "root_com")


def apply_wrench(
    world: World,
    owner: str,
    first_link: int,
    chosen: Selection,
    envs: Selection | None,
    force: Any,
    torque: Any,
    ref: str,
    local: bool,
) -> None:
    """Add a wrench on the `chosen` links, counted from `first_link`, to what acts during the next step.

    `force` [N] and `torque` [N m]: (count, 3) or (envs, count, 3), or None. The force acts at `ref`; the wrench at the
    centre of mass c is (f, t + (ref - c) x f). It is a function of the pose at the call, and differentiable in it.

    Raises GenesisException for a bad shape, value, `ref`, or `local` together with "root_com".
    """
    local = read_flag(local, "local", owner)
    if not isinstance(ref, str) or ref not in _POINTS:
        raise GenesisException(f"{owner}: `ref` is {ref!r}; expected one of {', '.join(map(repr, _POINTS))}.")
    if local and ref == "root_com":
        raise GenesisException(
            f'{owner}: `local=True` needs the frame of one link; with ref="root_com" give the force in the world frame.'
        )
    f = _vectors(world, owner, "force", force, chosen, envs)
    t = _vectors(world, owner, "torque", torque, chosen, envs)
    if not chosen.count:
        return
    if local:
        quat = _of_links(world, "xquat", first_link, chosen, envs)
        f = None if f is None else quat_rotate(quat, f.expand(*quat.shape[:-1], 3))
        t = None if t is None else quat_rotate(quat, t.expand(*quat.shape[:-1], 3))
    if f is not None and ref != "link_com":
        com = _of_links(world, "xipos", first_link, chosen, envs)
        if ref == "link_origin":
            point = _of_links(world, "xpos", first_link, chosen, envs)
        else:
            point = _tree_com(world, first_link, chosen, envs)
        moment = torch.linalg.cross(point - com, f.expand_as(com))
        t = moment if t is None else t + moment
    zeros = torch.zeros((chosen.count, 3), dtype=runtime.tc_float, device=runtime.device)
    f = zeros if f is None else f
    t = zeros if t is None else t
    wrench = torch.cat(torch.broadcast_tensors(f, t), -1)
    if wrench.ndim == 3 and world.n_envs == 0:
        wrench = wrench[0]
    world.commands.add_wrench(first_link, chosen, envs, wrench)


def _vectors(
    world: World, owner: str, argument: str, value: Any, chosen: Selection, envs: Selection | None
) -> torch.Tensor | None:
    """(count, 3) or (envs, count, 3); None for None."""
    if value is None:
        return None
    tensor = fit(
        world, read_tensor(world, value, argument, owner), envs, (chosen.count, 3), argument, owner, scalar=False
    )
    require_finite(tensor, argument, owner, command=True)
    with plain_tensors():
        return tensor.clone()


def _of_links(world: World, name: str, first_link: int, chosen: Selection, envs: Selection | None) -> torch.Tensor:
    return gather(world.observer.get(name), envs, chosen, first_link + 1)


def _tree_com(world: World, first_link: int, chosen: Selection, envs: Selection | None) -> torch.Tensor:
    """Centre of mass of the whole tree of each chosen link, ([rows,] count, 3)."""
    roots = world.model.mj_model.body_rootid
    xipos = world.observer.get("xipos")
    field = world.model.theta_fields["body_mass"]
    masses = world.theta.packed()[:, field.offset : field.offset + field.size]
    rows = []
    for link in chosen.positions():
        of_tree = torch.as_tensor(roots == roots[first_link + 1 + int(link)], device=runtime.device)
        of_tree[0] = False  # the world
        weights = masses[:, of_tree]
        rows.append((weights[..., None] * xipos[:, of_tree]).sum(1) / weights.sum(1)[:, None])
    com = torch.stack(rows, 1)
    return com if envs is None else com.index_select(0, envs.tensor())
