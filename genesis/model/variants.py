"""Entities of several variants, one of which each env has: their shapes side by side on the same links.

A link carries the geoms of all variants. An env whose variant is another one has them with size zero, which the broad
phase takes for no shape at all; masses, frames and whatever else the variants differ in are parameters per env.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import mujoco
import numpy as np

from genesis.errors import GenesisException

# What of a variant must be as many as of the first one; its numbers are among the parameters of the envs.
_COUNTED = ("actuators", "tendons", "equalities", "pairs", "sensors", "sites")
_NOT_TAKEN = (
    *("actuators", "sensors", "tendons", "equalities", "pairs", "excludes", "keys", "tuples", "skins", "cameras"),
    "lights",
)
_SHAPELESS = (mujoco.mjtGeom.mjGEOM_PLANE, mujoco.mjtGeom.mjGEOM_HFIELD)


def assigned(n_variants: int, n_envs: int) -> np.ndarray:
    """Which variant each env has: blocks of the same size, the first ones by one larger where that does not come out
    even; with fewer envs than variants, the first ones."""
    if n_envs < n_variants:
        return np.arange(max(n_envs, 1))
    size, larger = divmod(n_envs, n_variants)
    return np.repeat(np.arange(n_variants), [size + (k < larger) for k in range(n_variants)])


def prefix_of(number: int) -> str:
    """What the names of a variant's geoms begin with; those of the first one have no prefix."""
    return f"variant{number}." if number else ""


def number_of(name: str, n_variants: int) -> int:
    """The variant that a geom of this name belongs to."""
    return next((k for k in range(1, n_variants) if name.startswith(prefix_of(k))), 0)


def add(
    spec: mujoco.MjSpec,
    other: mujoco.MjSpec,
    number: int,
    name: str,
    move: Callable[[mujoco.MjsGeom, mujoco.MjsBody], None],
) -> None:
    """Puts the geoms of a variant onto the links of the first one; `move` makes one part of a body, without mass.

    Raises GenesisException for a variant whose links and joints are others.
    """
    owner = f"entity '{name}', variant {number}"
    links, others = list(spec.bodies[1:]), list(other.bodies[1:])
    _check_alike(owner, spec, other, links, others)
    if any(geom.type in _SHAPELESS for one in (spec, other) for geom in one.geoms):
        raise GenesisException(f"entity '{name}': planes and height fields cannot be variants of each other.")
    if any(geom.fluid_ellipsoid for one in (spec, other) for geom in one.geoms):
        raise GenesisException(f"entity '{name}': variants with fluidshape=\"ellipsoid\" are not simulated.")
    prefix = prefix_of(number)
    for kind in _NOT_TAKEN:
        for element in list(getattr(other, kind)):
            other.delete(element)
    names = [body.name for body in others]
    roots = [body.name for body in other.worldbody.bodies]
    spec.attach(other, frame=spec.worldbody.add_frame(), prefix=prefix)
    for link, body in zip(links, names, strict=True):
        for geom in list(spec.body(prefix + body).geoms):
            move(geom, link)
    for root in roots:
        spec.delete(spec.body(prefix + root))


def _check_alike(
    owner: str,
    spec: mujoco.MjSpec,
    other: mujoco.MjSpec,
    links: Sequence[mujoco.MjsBody],
    others: Sequence[mujoco.MjsBody],
) -> None:
    if len(links) != len(others):
        raise GenesisException(f"{owner}: it has {len(others)} links, the first variant has {len(links)}.")
    numbers = [{body.name: k for k, body in enumerate(bodies)} for bodies in (links, others)]
    for link, body in zip(links, others, strict=True):
        where = f"{owner}: link '{body.name}', in the first variant '{link.name}',"
        parents = [numbers[k].get(one.parent.name, -1) for k, one in enumerate((link, body))]
        if parents[0] != parents[1]:
            raise GenesisException(f"{where} hangs on another link. Variants share their tree of links.")
        types = [[int(joint.type) for joint in one.joints] for one in (link, body)]
        if types[0] != types[1]:
            raise GenesisException(
                f"{where} has the joints {_listed(types[1])}, in the first variant {_listed(types[0])}. Variants share "
                "their joints."
            )
    for kind in _COUNTED:
        counts = len(getattr(spec, kind)), len(getattr(other, kind))
        if counts[0] != counts[1]:
            raise GenesisException(f"{owner}: it has {counts[1]} {kind}, the first variant has {counts[0]}.")


def _listed(types: list[int]) -> str:
    return f"({', '.join(mujoco.mjtJoint(kind).name.removeprefix('mjJNT_').lower() for kind in types)})"
