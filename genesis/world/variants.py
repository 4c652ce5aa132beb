"""What the envs of a world differ in from the start, as entities have several variants: parameters and first state.

Each combination of variants that an env has is compiled by itself, as a scene with these variants alone; its parameters
become those of the env. What of a model is no parameter is the same for all envs, and variants that differ in it are
refused.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from genesis.errors import GenesisException
from genesis.model import variants
from genesis.model.arrays import JNT_FREE, Model
from genesis.model.compose import Composed, EntitySpec

# Of shapes and the pairs of them, whatever they are in a model.
_OF_SHAPES = ("cgeom_", "cpair_", "chain_", "mesh_", "hfield_", "geom_", "pair_", "fluid_", "adhesion_")
_SIZE = "geom_size"
# Of a shape's place and size (`Model.row_of_geom`), and of how it touches (`Model.cgeom_of_geom`).
_PLACED = ("geom_pos", "geom_quat", _SIZE)
_TOUCHING = ("geom_friction", "geom_solref", "geom_solimp", "geom_surfacevel", "geom_adhesion")


@dataclass(frozen=True)
class Differences:
    """Attributes:
    theta: parameters at build, (n_worlds, ntheta)
    present: False for the sizes of shapes that belong to variants which an env has not, (n_worlds, ntheta)
    qpos: at build, (n_worlds, nq)
    numbers: of each entity with variants, which one each env has, (n_worlds,)
    """

    theta: np.ndarray
    present: np.ndarray
    qpos: np.ndarray
    numbers: dict[int, np.ndarray]

    def own(self, model: Model, field: str, rows: np.ndarray) -> np.ndarray:
        """Rows of a field of theta as at build, (n_worlds, len(rows), *item)."""
        place = model.theta_fields[field]
        return self.theta[:, place.offset : place.offset + place.size].reshape(-1, *place.shape)[:, rows]


def differences(
    specs: Sequence[EntitySpec],
    composed: Composed,
    model: Model,
    n_envs: int,
    compile_alone: Callable[[list[EntitySpec]], tuple[Composed, Model]],
) -> Differences:
    """Of a model that has the shapes of all variants; `compile_alone`: (Composed, Model) of a list of specs.

    Raises GenesisException for variants that differ in what all envs share.
    """
    n_worlds = max(n_envs, 1)
    numbers = {k: variants.assigned(len(one.variants), n_envs) for k, one in enumerate(specs) if one.variants}
    combinations = np.stack(list(numbers.values()), 1)
    theta = np.tile(model.theta_default(), (n_worlds, 1))
    present = np.ones(theta.shape, dtype=bool)
    qpos = np.tile(np.asarray(composed.mj_model.qpos0), (n_worlds, 1))
    for combination in np.unique(combinations, axis=0):
        envs = np.flatnonzero((combinations == combination).all(1))
        chosen = dict(zip(numbers, combination.tolist(), strict=True))
        if any(chosen.values()):
            alone = [
                replace(one, morph=one.variants[chosen[k]] if k in chosen else one.morph, variants=())
                for k, one in enumerate(specs)
            ]
            composed_alone, model_alone = compile_alone(alone)
            _check_alike(model, model_alone, chosen)
            theta[envs] = _row(composed, model, composed_alone, model_alone, chosen)
            qpos[envs] = composed_alone.mj_model.qpos0
        for k, number in chosen.items():
            for row in _absent(composed, model, k, number, len(specs[k].variants)):
                field = model.theta_fields[_SIZE]
                present[np.ix_(envs, field.offset + 3 * row + np.arange(3))] = False
    return Differences(theta * present, present, qpos, numbers)


def _absent(composed: Composed, model: Model, entity: int, number: int, n_variants: int) -> list[int]:
    """Rows of the sizes of an entity's shapes that are of other variants."""
    place = composed.entities[entity]
    found = [
        int(model.row_of_geom[place.geom_start + g])
        for g, name in enumerate(place.geom_names)
        if variants.number_of(name, n_variants) != number
    ]
    return [row for row in found if row >= 0]


def _row(
    composed: Composed, model: Model, composed_alone: Composed, model_alone: Model, chosen: dict[int, int]
) -> np.ndarray:
    """Parameters of the model that has all shapes, where it has the chosen variants."""
    fields = {name: field.default.copy() for name, field in model.theta_fields.items()}
    for name, values in fields.items():
        if not name.startswith(_OF_SHAPES):
            values[...] = model_alone.theta_fields[name].default
    for entity, number in chosen.items():
        prefix, of_all, of_one = variants.prefix_of(number), composed.entities[entity], composed_alone.entities[entity]
        for g, own in enumerate(of_one.geom_names):
            here = of_all.geom_start + of_all.geom_names.index(prefix + own)
            there = of_one.geom_start + g
            for rows, names in (("row_of_geom", _PLACED), ("cgeom_of_geom", _TOUCHING)):
                to, source = int(getattr(model, rows)[here]), int(getattr(model_alone, rows)[there])
                if to >= 0 and source >= 0:
                    for name in names:
                        fields[name][to] = model_alone.theta_fields[name].default[source]
    return np.concatenate([values.ravel() for values in fields.values()])


def _check_alike(model: Model, alone: Model, chosen: dict[int, int]) -> None:
    """Raises GenesisException, naming what differs, for models that differ in more than parameters and shapes."""
    moving = np.ones(model.nq, dtype=bool)
    for joint in np.flatnonzero(model.indices["jnt_type"] == JNT_FREE):
        start = int(model.indices["jnt_qposadr"][joint])
        moving[start : start + 7] = False  # where a free base starts is a state
    for kind in ("indices", "constants"):
        for name, values in getattr(model, kind).items():
            if name.startswith(_OF_SHAPES):
                continue
            other = getattr(alone, kind).get(name)
            same = other is not None and other.shape == values.shape
            if same:
                differ = values != other
                same = not (differ & moving if name in ("qpos0", "qpos_spring") else differ).any()
            if not same:
                raise _refusal(chosen, name)
    for name, field in model.theta_fields.items():
        if not name.startswith(_OF_SHAPES) and alone.theta_fields[name].shape != field.shape:
            raise _refusal(chosen, name)


def _refusal(chosen: dict[int, int], name: str) -> GenesisException:
    named = ", ".join(f"variant {number} of entity {entity}" for entity, number in chosen.items())
    return GenesisException(
        f"variants of an entity differ in `{name}`, which all envs of a scene share (found in the scene with {named}). "
        "They may differ in shapes, masses, frames and other parameters, not in which limits, actuators or constraints "
        "there are, nor in ranges of forces."
    )
