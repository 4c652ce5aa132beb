"""Masses of links in proportion to the model's own: with the inertia, or as a shift."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from genesis.errors import GenesisException
from genesis.world.arguments import Selection, fit, read_tensor, require_finite
from genesis.world.catalogue import PARAMETERS, Entry

if TYPE_CHECKING:
    from genesis.entities.place import Place


def write_scaled_mass(place: Place, method: str, given: Any, idx_local: Any, envs_idx: Any, source: Any = None) -> None:
    """Masses of links, ([envs,] count), and inertias that are the model's own times mass over the model's own mass.

    `source`: the caller's own tensor, where it is not `given`.
    """
    source = given if source is None else source
    world, owner = place.world, place.owner(method)
    chosen = place.select(method, "links", idx_local, unique=True)
    envs = place.select_envs(method, envs_idx, unique=True)
    value = fit(world, read_tensor(world, given, "mass", owner), envs, (chosen.count,), "mass", owner)
    links = place.starts["links"] + chosen.positions()
    own = {name: _own(place, PARAMETERS[name], links, envs) for name in _SCALED}
    weightless = np.unique(np.nonzero(own["links_mass"] <= 0)[-1])
    if len(weightless):
        raise GenesisException(
            f"{owner}: {_element(place, chosen, int(weightless[0]))} has no mass in the model, so that there is no "
            "inertia in proportion to it; use set_links_mass() and set_links_inertia()."
        )
    six = value.unsqueeze(-1).expand(*value.shape, 6)  # a node that saves nothing
    factors = {"links_mass": np.ones(len(links)), "links_inertia": own["links_inertia"] / own["links_mass"][..., None]}
    before = world.theta.saved()
    try:
        for name, values in zip(_SCALED, (value, six), strict=True):
            _set(place, PARAMETERS[name], owner, chosen, envs, values, source, factor=factors[name])
    except GenesisException:
        world.theta.go_back(before)
        raise


def write_shift(place: Place, name: str, argument: str, given: Any, idx_local: Any, envs_idx: Any, method: str) -> None:
    """The parameter `name` of links as the model's own plus what is given, ([envs,] count, *item)."""
    world, owner, parameter = place.world, place.owner(method), PARAMETERS[name]
    chosen = place.select(method, "links", idx_local, unique=True)
    envs = place.select_envs(method, envs_idx, unique=True)
    shift = read_tensor(world, given, argument, owner)
    shift = fit(world, shift, envs, (chosen.count, *parameter.item), argument, owner, scalar=not parameter.item)
    require_finite(shift, argument, owner)
    own = _own(place, parameter, place.starts["links"] + chosen.positions(), envs)
    _set(place, parameter, owner, chosen, envs, shift, given, added=own)


def _own(place: Place, parameter: Entry, links: np.ndarray, envs: Selection | None) -> np.ndarray:
    """The model's own values, (count, *item); (envs, count, *item) where the envs have different variants."""
    world = place.world
    if world.variants is None:
        return world.model.theta_fields[parameter.field].default[links]
    own = world.variants.own(world.model, parameter.field, links)
    return own if envs is None else own[envs.positions()]


_SCALED = ("links_mass", "links_inertia")


def _set(
    place: Place, parameter: Entry, owner: str, chosen: Selection, envs: Selection | None, value: Any, given: Any, **how
) -> None:
    place.world.theta.set(
        parameter,
        place.starts["links"],
        chosen,
        envs,
        value,
        owner,
        lambda k: _element(place, chosen, k),
        source=given,
        picked=np.arange(chosen.count),
        **how,
    )


def _element(place: Place, chosen: Selection, k: int) -> str:
    return place.element("links", int(chosen.positions()[k]))
