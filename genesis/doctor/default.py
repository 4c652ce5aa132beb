"""A loss and inputs for a scene that comes with none, for `genesis check-grad`."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import torch

from genesis import runtime
from genesis.errors import GenesisException

if TYPE_CHECKING:
    from genesis.scene import Scene

# Of controls, over the weight that gravity gives the entity's lightest link, and of velocities [m/s, rad/s].
_FORCE, _VELOCITY = 0.1, 0.1
_EARTH = 9.81  # [m/s^2]


def default_loss(scene: Scene, n_steps: int) -> tuple[Callable[[], torch.Tensor], dict[str, torch.Tensor]]:
    """A smooth function of where everything is, and how fast, after `n_steps` steps from the present state.

    Inputs, for each entity that can move: forces on its dofs (n_steps, n_dofs), the positions (n_qs,) and velocities
    (n_dofs,) that it begins with, shared by all envs, and the masses of its links (n_links,). Weights, forces and
    velocities are drawn at random, the same at each call.

    Raises GenesisException for a scene in which nothing can move.
    """
    entities = [entity for entity in scene.entities if entity.n_dofs]
    if not entities:
        raise GenesisException("check-grad: nothing in the scene can move; add an entity with joints or a free base.")
    generator = torch.Generator(device="cpu").manual_seed(0)

    def random(*shape: int) -> torch.Tensor:
        numbers = torch.randn(shape, generator=generator, dtype=torch.float64, device="cpu")
        return numbers.to(dtype=runtime.tc_float, device=runtime.device)

    start = scene.get_state().detach()
    inputs: dict[str, torch.Tensor] = {}
    weights = []
    for entity in entities:
        mass = _of_one(scene, entity.get_links_mass().detach(), 1)
        force = _FORCE * _EARTH * float(mass[mass > 0.0].min()) if bool((mass > 0.0).any()) else _FORCE
        inputs[f"{entity.name}.force"] = force * random(n_steps, entity.n_dofs)
        inputs[f"{entity.name}.qpos"] = _of_one(scene, entity.get_qpos().detach(), 1).clone()
        speed = _of_one(scene, entity.get_dofs_velocity().detach(), 1)
        inputs[f"{entity.name}.velocity"] = speed + _VELOCITY * random(entity.n_dofs)
        inputs[f"{entity.name}.mass"] = mass.clone()
        weights.append((random(entity.n_links, 3), random(entity.n_dofs)))
    for name, value in inputs.items():
        inputs[name] = value.as_subclass(torch.Tensor).detach().requires_grad_()

    def loss() -> torch.Tensor:
        scene.reset(start)
        for entity in entities:
            entity.set_links_mass(inputs[f"{entity.name}.mass"])
            entity.set_qpos(inputs[f"{entity.name}.qpos"])
            entity.set_dofs_velocity(inputs[f"{entity.name}.velocity"])
        scene.rollout({entity: inputs[f"{entity.name}.force"] for entity in entities})
        total: torch.Tensor = torch.zeros((), dtype=runtime.tc_float, device=runtime.device)
        for entity, (of_place, of_speed) in zip(entities, weights, strict=True):
            place, speed = entity.get_links_pos(), entity.get_dofs_velocity()
            total = total + (place * of_place).sum() + (speed * of_speed).sum() + 0.1 * speed.square().sum()
        return total

    return loss, inputs


def _of_one(scene: Scene, values: torch.Tensor, dims: int) -> torch.Tensor:
    """The first env's, where there is one value for each."""
    return values[0] if scene.n_envs and values.dim() > dims else values
