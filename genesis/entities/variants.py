"""Entities of several variants: the morphs, and which env has which."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch

from genesis import runtime
from genesis.errors import GenesisException
from genesis.morphs import MJCF, URDF, Box, Capsule, Cylinder, Drone, Ellipsoid, Mesh, Morph, Sphere

if TYPE_CHECKING:
    from genesis.entities.place import Place

_CAN_VARY = (URDF, MJCF, Mesh, Box, Sphere, Cylinder, Capsule, Ellipsoid)


def read_variants(morph: Any) -> tuple[Morph, ...]:
    """A morph, or several; raises GenesisException for what is none, and for kinds that cannot be variants."""
    if isinstance(morph, Morph):
        return (morph,)
    given = tuple(morph) if isinstance(morph, Sequence) and not isinstance(morph, str) else ()
    if not given or not all(isinstance(one, Morph) for one in given):
        raise GenesisException(
            f"add_entity: `morph` is {morph!r}; expected a morph, as gs.morphs.URDF(file=...), or several."
        )
    for one in given if len(given) > 1 else ():
        if not isinstance(one, _CAN_VARY) or isinstance(one, Drone):
            names = ", ".join(kind.__name__ for kind in _CAN_VARY)
            raise GenesisException(f"add_entity: a {type(one).__name__} cannot be a variant; these can: {names}.")
    return given


def variants_idx(place: Place, entity: int) -> torch.Tensor:
    """Which variant each env has, ([n_envs],); zero of an entity without variants."""
    world = place.world
    found = torch.zeros(world.n_worlds, dtype=runtime.tc_int, device=runtime.device)
    if world.variants is not None and entity in world.variants.numbers:
        found = torch.as_tensor(world.variants.numbers[entity], dtype=runtime.tc_int, device=runtime.device)
    return found[0] if world.n_envs == 0 else found
