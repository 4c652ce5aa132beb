"""Reading and writing physical parameters of the catalogue, by an entity's numbers or by the scene's.

The model keeps parameters of those geoms only that can touch something ("cgeoms", see :mod:`genesis.model.contact`),
and limits of joints that have one in the model file. Others are read as constants of the model, and cannot be set.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from genesis import runtime
from genesis.constants import OF_FEATURES
from genesis.errors import GenesisException
from genesis.world.arguments import Selection, fit, read_tensor, select, select_envs, select_range
from genesis.world.catalogue import (
    CONSTRAINT_PARAMETERS,
    ELLIPSOIDS,
    ENTITY_PARAMETERS,
    EQUALITY,
    FRICTION_LOSS,
    HISTORY,
    INVERSE_WEIGHTS,
    LIMITS,
    PAIR_PARAMETERS,
    PLASTIC,
    SHAPE_PARAMETERS,
    STRAIGHT_TENDONS,
    TENDON_LIMITS,
    WELD_SOL_PARAMS,
    Entry,
)
from genesis.world.checks import check_sizes

if TYPE_CHECKING:
    from genesis.entities.place import Place
    from genesis.grad.tensor import Tensor
    from genesis.world.world import World

# How many of MuJoCo's three size numbers a shape has; for planes (infinite in contact) and meshes none can be set.
N_SIZES = {"sphere": 1, "capsule": 2, "cylinder": 2, "ellipsoid": 3, "box": 3, "mesh": 3, "hfield": 3}


# -- of an entity, by its own numbers ---------------------------------------------------------------------------------


def write(place: Place, parameter: Entry, given: Any, idx_local: Any, envs_idx: Any) -> None:
    """What `set_<name>` of an entity does."""
    method = f"set_{parameter.name}"
    if parameter.requires:
        require_simulated(place, parameter, method)
    if parameter.axis == "geoms":
        _write_geoms_of(place, parameter, method, given, idx_local, envs_idx)
        return
    world = place.world
    chosen = place.select(method, parameter.axis, idx_local, unique=True)
    require_each(place, parameter, method, chosen)
    envs = place.select_envs(method, envs_idx, unique=True)
    owner = place.owner(method)
    value = one_for_all(world, given, chosen.count, envs, owner) if parameter.one_for_all else given
    world.theta.set(
        _checked(place, parameter, chosen),
        place.starts[parameter.axis],
        chosen,
        envs,
        value,
        owner,
        lambda k: place.element(parameter.axis, int(chosen.positions()[k])),
        source=given,
    )
    if parameter.name.endswith("_frictionloss") and world.theta.has_friction_loss():
        world.dynamics.require_constraints()
    require_features(world, parameter)


def _checked(place: Place, parameter: Entry, chosen: Selection) -> Entry:
    """The parameter with the check of the chosen elements, which of actuators depends on their kind."""
    if parameter.axis != "actuators":
        return parameter
    from genesis.world import actuator_checks  # only here: MuJoCo comes along

    actuators = place.starts["actuators"] + chosen.positions()
    return replace(parameter, check=actuator_checks.check_of(place.world.composed.mj_model, parameter, actuators))


def require_features(world: World, parameter: Entry) -> None:
    """From now on the scene simulates what the parameter is of, where it was built without."""
    for feature, fields in OF_FEATURES.items():
        if parameter.field in fields:
            world.dynamics.require_feature(feature)


def read(place: Place, parameter: Entry, idx_local: Any, envs_idx: Any) -> Tensor:
    """What `get_<name>` of an entity does, ([n_envs,] n, *item)."""
    method, axis = f"get_{parameter.name}", parameter.axis
    if axis == "geoms":
        chosen = select_geoms(place, parameter, method, idx_local, unique=False)
    else:
        chosen = place.select(method, axis, idx_local, unique=False)
    envs = place.select_envs(method, envs_idx, unique=False)
    world, start = place.world, place.starts[axis]
    if axis == "geoms" or parameter.requires == LIMITS:
        return world.label(read_numbers(world, parameter, start + chosen.positions(), envs))
    return world.label(world.theta.get(parameter, start, chosen, envs))


def write_ends(place: Place, parameter: Entry, lower: Any, upper: Any, idx_local: Any, envs_idx: Any) -> None:
    """The same of a range, whose ends are given one by one."""
    method = f"set_{parameter.name}"
    owner = place.owner(method)
    chosen = place.select(method, parameter.axis, idx_local, unique=True)
    require_each(place, parameter, method, chosen)
    envs = place.select_envs(method, envs_idx, unique=True)
    place.world.theta.set(
        _checked(place, parameter, chosen),
        place.starts[parameter.axis],
        chosen,
        envs,
        join_ends(place.world, owner, lower, upper, chosen.count, envs),
        owner,
        lambda k: place.element(parameter.axis, int(chosen.positions()[k])),
        source=(lower, upper),
    )


def read_ends(place: Place, parameter: Entry, idx_local: Any, envs_idx: Any) -> tuple[Tensor, Tensor]:
    """The same of a range, as a pair of its ends, ([n_envs,] n) each."""
    return split_ends(place.world, read(place, parameter, idx_local, envs_idx))


def join_ends(world: World, owner: str, lower: Any, upper: Any, count: int, envs: Selection | None) -> torch.Tensor:
    """Ends, a number or ([envs,] count) each, as ([envs,] count, 2), with their graph."""
    both = []
    for argument, value in (("lower", lower), ("upper", upper)):
        value = read_tensor(world, value, argument, owner)
        both.append(fit(world, value, envs, (count,), argument, owner))
    return torch.stack(torch.broadcast_tensors(*both), -1)


def split_ends(world: World, pair: torch.Tensor) -> tuple[Tensor, Tensor]:
    """(..., 2) as two tensors."""
    return world.label(pair[..., 0].clone()), world.label(pair[..., 1].clone())


def one_for_all(world: World, given: Any, count: int, envs: Selection | None, owner: str) -> torch.Tensor:
    """Seven numbers for each of `count` elements, ([envs,] count, 7), where seven stand for all."""
    value = read_tensor(world, given, "sol_params", owner)
    value = value.expand(count, 7) if value.shape == (7,) else value
    return fit(world, value, envs, (count, 7), "sol_params", owner, scalar=False)


def require_simulated(place: Place, parameter: Entry, method: str) -> None:
    """Raise GenesisException where the scene does not simulate what the parameter is of."""
    if parameter.requires == LIMITS and not has_limits(place.world):
        raise GenesisException(f"{place.owner(method)}: no joint of this scene has a limit that is simulated.")
    if parameter.requires == EQUALITY and place.world.is_disabled("EQUALITY"):
        raise GenesisException(
            f"{place.owner(method)}: equality constraints are not simulated in this scene "
            "(RigidOptions(disable_constraint=True), or a disable flag of a model file)."
        )
    if parameter.requires == FRICTION_LOSS and not place.world.model.indices["frictionloss_on"][0]:
        raise GenesisException(
            f"{place.owner(method)}: friction loss is not simulated in this scene "
            "(RigidOptions(disable_constraint=True), or a disable flag of a model file)."
        )


def require_each(place: Place, parameter: Entry, method: str, chosen: Selection) -> None:
    """Raise GenesisException where one of the chosen elements has not what the parameter is of."""
    world = place.world
    if parameter.name in INVERSE_WEIGHTS and world.theta.follows:
        raise GenesisException(
            f'{place.owner(method)}: inverse inertias follow the parameters (RigidOptions(inverse_weights="follow")); '
            "build the scene without it to set them."
        )
    if parameter.requires == TENDON_LIMITS:
        limited = world.model.indices["ten_limited"][place.starts["tendons"] + chosen.positions()]
        if not limited.all():
            tendon = place.element("tendons", int(chosen.positions()[int(np.argmin(limited))]))
            raise GenesisException(
                f"{place.owner(method)}: {tendon} has no limit that is simulated; state a range in the model file, or "
                "choose others with `tendons_idx_local`."
            )
    if parameter.requires == STRAIGHT_TENDONS:
        around = world.model.indices["ten_around"][place.starts["tendons"] + chosen.positions()]
        if around.any():
            tendon = place.element("tendons", int(chosen.positions()[int(np.argmax(around))]))
            raise GenesisException(
                f"{place.owner(method)}: {tendon} runs around shapes and has no armature, in MuJoCo either; choose "
                "others with `tendons_idx_local`."
            )
    if parameter.name == "tendons_spring_range":
        plastic = _is_plastic(place, "tendons")[chosen.positions()]
        if plastic.any():
            tendon = place.element("tendons", int(chosen.positions()[int(np.argmax(plastic))]))
            raise GenesisException(
                f"{place.owner(method)}: {tendon} has a plastic spring: where it rests is a state, not a parameter; "
                "choose others with `tendons_idx_local`."
            )
    if parameter.requires == PLASTIC:
        known = _is_plastic(place, parameter.axis)[chosen.positions()]
        if not known.all():
            element = place.element(parameter.axis, int(chosen.positions()[int(np.argmin(known))]))
            raise GenesisException(
                f"{place.owner(method)}: {element} has no plastic spring that is simulated; state `springyield` in the "
                f"model file, or choose others with `{parameter.axis}_idx_local`."
            )
    if parameter.requires == HISTORY:
        known = _has_history(place)[chosen.positions()]
        if not known.all():
            actuator = place.element("actuators", int(chosen.positions()[int(np.argmin(known))]))
            raise GenesisException(
                f"{place.owner(method)}: {actuator} keeps no history of its controls; state `nsample` in the model "
                "file, or choose others with `actuators_idx_local`."
            )


def can_set(place: Place, parameter: Entry) -> bool:
    """Whether the entity has anything of which the parameter can be set."""
    indices, ranges = place.world.model.indices, place.ranges
    if parameter.field in ("jnt_range", "jnt_solref"):
        return bool(indices["jnt_limited"][ranges.joint_start : ranges.joint_end].any())
    if parameter.requires == FRICTION_LOSS and not indices["frictionloss_on"][0]:
        return False
    if parameter.name in INVERSE_WEIGHTS and (place.world.theta.follows or place.world.is_disabled("CONSTRAINT")):
        return False
    if parameter.requires == TENDON_LIMITS:
        return bool(indices["ten_limited"][ranges.tendon_start : ranges.tendon_end].any())
    if parameter.requires == STRAIGHT_TENDONS:
        return bool((indices["ten_around"][ranges.tendon_start : ranges.tendon_end] == 0).any())
    if parameter.requires == ELLIPSOIDS:
        return bool(len(place.ellipsoids()))
    if parameter.requires == HISTORY:
        return bool(_has_history(place).any())
    if parameter.requires == PLASTIC:
        return bool(_is_plastic(place, parameter.axis).any())
    return bool(count_of(place, parameter.axis))


def _has_history(place: Place) -> np.ndarray:
    """Of each actuator of the entity, whether it keeps a history of its controls."""
    first, end = place.ranges.actuator_start, place.ranges.actuator_end
    return np.isin(np.arange(first, end), place.world.model.indices["history_actuator"])


def _is_plastic(place: Place, axis: str) -> np.ndarray:
    """Of each joint or tendon of the entity, whether its spring yields."""
    addresses = place.world.model.indices["jnt_plasticadr" if axis == "joints" else "tendon_plasticadr"]
    return np.asarray(addresses[place.starts[axis] :][: place.counts[axis]] >= 0)


def count_of(place: Place, axis: str) -> int:
    """How many elements of an axis have parameters that can be set: of geoms those that can touch something."""
    return len(place.touching()) if axis == "geoms" else place.counts[axis]


# -- of one link or geom ----------------------------------------------------------------------------------------------


def write_one(
    place: Place, parameter: Entry, name: str, method: str, k: int, given: Any, envs_idx: Any, source: Any = None
) -> None:
    """Set a parameter of link or geom `k` alone, called `name`, its value without the axis."""
    source = given if source is None else source
    if parameter.axis == "geoms":
        envs = place.select_envs(f"set_{parameter.name}", envs_idx, unique=True)
        owner = f"{place.name}.{name}.{method}"
        value = _one(place.world, parameter, given, envs, owner)
        write_geoms(place.world, parameter, np.array([place.starts["geoms"] + k]), envs, value, owner, source)
        return
    owner = place.owner(f"{name}.{method}")
    envs = place.select_envs(f"{name}.{method}", envs_idx, unique=True)
    place.world.theta.set(
        parameter,
        place.starts[parameter.axis],
        select_range(place.counts[parameter.axis], k, 1),
        envs,
        _one(place.world, parameter, given, envs, owner),
        owner,
        lambda _: place.element(parameter.axis, k),
        source=source,
    )


def read_one(place: Place, parameter: Entry, k: int, envs_idx: Any) -> Tensor:
    """A parameter of link or geom `k` alone, without the axis, ([n_envs,] *item)."""
    return place.world.label(read(place, parameter, k, envs_idx).squeeze(-1 - len(parameter.item)))


def _one(world: World, parameter: Entry, given: Any, envs: Selection | None, owner: str) -> torch.Tensor:
    """([envs,] 1, *item), of an inertia also ([envs,] 1, 3, 3)."""
    value = read_tensor(world, given, parameter.name, owner)
    if parameter.name == "links_inertia" and value.shape[-2:] == (3, 3):
        return value.unsqueeze(-3)
    value = fit(world, value, envs, parameter.item, parameter.name, owner, scalar=not parameter.item)
    return value.unsqueeze(-1 - len(parameter.item))


# -- of geoms ---------------------------------------------------------------------------------------------------------


def select_geoms(place: Place, parameter: Entry, method: str, idx_local: Any, *, unique: bool) -> Selection:
    """Resolve `geoms_idx_local`; None means those that can touch something, or on which a fluid acts."""
    return place.select(method, "geoms", _of_all(place, parameter) if idx_local is None else idx_local, unique=unique)


def _of_all(place: Place, parameter: Entry) -> np.ndarray:
    """Geoms of the entity that a parameter is of, counted in the entity."""
    return place.ellipsoids() if parameter.requires == ELLIPSOIDS else place.touching()


def geom_rows(world: World, parameter: Entry, geoms: np.ndarray) -> np.ndarray:
    """Rows of a field of theta that are those of geoms, by their numbers in the scene; -1 where there is none."""
    model = world.model
    if parameter.requires == ELLIPSOIDS:
        return np.where(np.isin(geoms, model.ellipsoid_geoms), model.row_of_geom[geoms], -1)
    return (model.row_of_geom if parameter.name in SHAPE_PARAMETERS else model.cgeom_of_geom)[geoms]


def _write_geoms_of(place: Place, parameter: Entry, method: str, given: Any, idx_local: Any, envs_idx: Any) -> None:
    owner = place.owner(method)
    chosen = select_geoms(place, parameter, method, idx_local, unique=True)
    if idx_local is None and not chosen.count:
        count = place.counts["geoms"]
        what = 'has fluidshape="ellipsoid"' if parameter.requires == ELLIPSOIDS else "can touch anything in this scene"
        raise GenesisException(f"{owner}: none of its {count} geoms {what}.")
    envs = place.select_envs(method, envs_idx, unique=True)
    value = one_for_all(place.world, given, chosen.count, envs, owner) if parameter.one_for_all else given
    geoms = place.starts["geoms"] + chosen.positions()
    write_geoms(place.world, parameter, geoms, envs, value, owner, given)


def write_geoms(
    world: World,
    parameter: Entry,
    geoms: np.ndarray,
    envs: Selection | None,
    value: Any,
    owner: str,
    source: Any,
    picked: np.ndarray | None = None,
    factor: np.ndarray | None = None,
) -> None:
    """Set a parameter of geoms, by their numbers in the scene; raises for one that has it not.

    `picked`, `factor`: as `Theta.set` takes them.
    """
    rows = geom_rows(world, parameter, geoms)

    def name(k: int) -> str:
        geom = int(geoms[k])
        ranges = next(one for one in world.composed.entities if one.geom_start <= geom < one.geom_end)
        called = ranges.geom_names[geom - ranges.geom_start]
        shape = f"{world.geom_type(geom)}{f', {called!r}' if called else ''}"
        return f"geom {geom - ranges.geom_start} of '{ranges.name}' ({shape})"

    if (rows < 0).any() and parameter.requires == ELLIPSOIDS:
        raise GenesisException(
            f"{owner}: {name(int(np.argmax(rows < 0)))} is no shape that a fluid acts on; give it "
            'fluidshape="ellipsoid" in the model file.'
        )
    if (rows < 0).any():
        raise GenesisException(
            f"{owner}: {name(int(np.argmax(rows < 0)))} touches nothing in this scene, so that it has no parameters of "
            "contact: it is visual only, filtered out, fixed to what is around it, or collision is disabled."
        )
    if parameter.name == "geoms_size":
        types = [world.geom_type(int(geom)) for geom in geoms]
        for k, kind in enumerate(types):
            if kind not in N_SIZES:
                why = "is infinite in contact" if kind == "plane" else "has no size"
                raise GenesisException(f"{owner}: {name(k)} {why}; choose others with `geoms_idx_local`.")
        parameter = replace(parameter, check=partial(check_sizes, np.array([N_SIZES[kind] for kind in types])))
    write_rows(world, parameter, rows, envs, value, owner, name, source, picked, factor)
    require_features(world, parameter)


# -- of the whole scene, by its numbers -------------------------------------------------------------------------------


def write_joints_sol_params(
    world: World, owner: str, joints: list[int] | np.ndarray, given: Any, envs_idx: Any, source: Any = None
) -> None:
    """Set the softness of limits and of friction loss of joints, by their numbers in the scene: (7,) or (n, 7).

    `source`: the caller's own tensor, where it is not `given`.
    """
    source = given if source is None else source
    envs = select_envs(world, envs_idx, owner, unique=True)
    parameter = CONSTRAINT_PARAMETERS["joints_sol_params"]
    value = one_for_all(world, given, len(joints), envs, owner)
    world.theta.validate(parameter, value, owner, lambda k: f"joint {joints[k]}")
    friction_loss = bool(world.model.indices["frictionloss_on"][0])
    if not friction_loss and not has_limits(world):
        raise GenesisException(f"{owner}: neither limits nor friction loss are simulated in this scene.")
    if has_limits(world):
        write_rows(world, parameter, np.asarray(joints), envs, value, owner, str, source)
    if friction_loss:
        place = {int(joint): k for k, joint in enumerate(joints)}
        joint_of_dof = world.composed.mj_model.dof_jntid
        dofs = np.flatnonzero(np.isin(joint_of_dof, np.asarray(joints)))
        picked = np.array([place[int(joint)] for joint in joint_of_dof[dofs]], dtype=np.int64)
        parameter = CONSTRAINT_PARAMETERS["dofs_sol_params"]
        write_rows(world, parameter, dofs, envs, value, owner, str, source, picked)


def write_equalities_sol_params(world: World, owner: str, eqs_idx: Any, given: Any, envs_idx: Any) -> None:
    """Set the softness of equality constraints of the scene, (7,) or ([envs,] n, 7)."""
    parameter = ENTITY_PARAMETERS["equalities_sol_params"]
    rows = select(eqs_idx, int(world.composed.mj_model.neq), "eqs_idx", owner, unique=True).positions()
    envs = select_envs(world, envs_idx, owner, unique=True)
    value = one_for_all(world, given, len(rows), envs, owner)
    world.theta.validate(parameter, value, owner, lambda k: f"equality constraint {rows[k]}")
    write_rows(world, parameter, rows, envs, value, owner, str, given)


def read_equalities_sol_params(world: World, owner: str, eqs_idx: Any, envs_idx: Any) -> Tensor:
    """Softness of equality constraints of the scene, ([envs,] n, 7)."""
    parameter = ENTITY_PARAMETERS["equalities_sol_params"]
    chosen = select(eqs_idx, int(world.composed.mj_model.neq), "eqs_idx", owner, unique=False)
    envs = select_envs(world, envs_idx, owner, unique=False)
    return world.label(world.theta.get(parameter, 0, chosen, envs))


def write_global_sol_params(world: World, owner: str, given: Any, envs_idx: Any) -> None:
    """Set the softness of all constraints of every kind; (7,) or (envs, 7)."""
    envs = select_envs(world, envs_idx, owner, unique=True)
    value = fit(world, read_tensor(world, given, "sol_params", owner), envs, (7,), "sol_params", owner, scalar=False)
    known = (*ENTITY_PARAMETERS.values(), *PAIR_PARAMETERS.values(), WELD_SOL_PARAMS)
    everything = [parameter for parameter in known if parameter.name.endswith("sol_params")]
    world.theta.validate(everything[0], value.unsqueeze(-2), owner, lambda _: "the scene")
    for parameter in everything:
        rows = np.arange(world.model.theta_fields[parameter.field].shape[0])
        if len(rows):
            each = value.unsqueeze(-2).expand(*value.shape[:-1], len(rows), 7)
            write_rows(world, parameter, rows, envs, each, owner, str, given)


def write_geoms_of_scene(
    world: World, parameter: Entry, given: Any, geoms_idx: Any, envs_idx: Any, owner: str, source: Any = None
) -> None:
    """Set a parameter of geoms; None: of those that can touch something."""
    geoms = select_geoms_of_scene(world, geoms_idx, owner, unique=True)
    envs = select_envs(world, envs_idx, owner, unique=True)
    write_geoms(world, parameter, geoms, envs, given, owner, given if source is None else source)


def read_geoms_of_scene(world: World, parameter: Entry, geoms_idx: Any, envs_idx: Any, owner: str) -> Tensor:
    """A parameter of geoms, ([n_envs,] n, *item); None: of those that can touch something."""
    geoms = select_geoms_of_scene(world, geoms_idx, owner, unique=False)
    envs = select_envs(world, envs_idx, owner, unique=False)
    return world.label(read_numbers(world, parameter, geoms, envs))


def select_geoms_of_scene(world: World, geoms_idx: Any, owner: str, *, unique: bool) -> np.ndarray:
    """Numbers of the chosen geoms; None: of those that can touch something."""
    if geoms_idx is None:
        geoms_idx = np.flatnonzero(world.model.cgeom_of_geom >= 0)
    n = int(world.composed.mj_model.ngeom)
    return select(geoms_idx, n, "geoms_idx", owner, unique=unique).positions()


def write_pairs(world: World, parameter: Entry, given: Any, pairs_idx: Any, envs_idx: Any, owner: str) -> None:
    """Set a parameter of the explicit contact pairs, by their numbers in the scene."""
    chosen, envs = _pairs(world, parameter, pairs_idx, envs_idx, owner, unique=True)
    if pairs_idx is None and not chosen.count:
        raise GenesisException(f"{owner}: no model file of this scene defines a contact <pair> that is simulated.")
    world.theta.set(parameter, 0, chosen, envs, given, owner, lambda k: f"pair {chosen.positions()[k]}")
    require_features(world, parameter)


def read_pairs(world: World, parameter: Entry, pairs_idx: Any, envs_idx: Any, owner: str) -> Tensor:
    """A parameter of the explicit contact pairs, ([n_envs,] n, *item)."""
    chosen, envs = _pairs(world, parameter, pairs_idx, envs_idx, owner, unique=False)
    return world.label(world.theta.get(parameter, 0, chosen, envs))


def _pairs(
    world: World, parameter: Entry, pairs_idx: Any, envs_idx: Any, owner: str, *, unique: bool
) -> tuple[Selection, Selection | None]:
    n = world.model.theta_fields[parameter.field].shape[0]
    chosen = select(pairs_idx, n, "pairs_idx", owner, unique=unique)
    return chosen, select_envs(world, envs_idx, owner, unique=unique)


def write_scene_parameter(world: World, parameter: Entry, given: Any, envs_idx: Any, owner: str) -> None:
    """Set a parameter of the scene as a whole, (*item) or (n_envs, *item)."""
    envs = select_envs(world, envs_idx, owner, unique=True)
    value = read_tensor(world, given, parameter.name, owner)
    value = fit(world, value, envs, parameter.item, parameter.name, owner, scalar=not parameter.item)
    value = value.unsqueeze(-1 - len(parameter.item))
    world.theta.set(parameter, 0, select_range(1, 0, 1), envs, value, owner, lambda _: "the scene", source=given)
    require_features(world, parameter)


def read_scene_parameter(world: World, parameter: Entry, envs_idx: Any, owner: str) -> Tensor:
    """A parameter of the scene as a whole, ([n_envs,] *item)."""
    envs = select_envs(world, envs_idx, owner, unique=False)
    value = world.theta.get(parameter, 0, select_range(1, 0, 1), envs)
    return world.label(value.squeeze(-1 - len(parameter.item)))


# -- rows of theta ----------------------------------------------------------------------------------------------------


def write_rows(
    world: World,
    parameter: Entry,
    rows: np.ndarray,
    envs: Selection | None,
    value: Any,
    owner: str,
    element: Callable[[int], str],
    source: Any,
    picked: np.ndarray | None = None,
    factor: np.ndarray | None = None,
) -> None:
    """Set rows of a field of theta."""
    n = world.model.theta_fields[parameter.field].shape[0]
    chosen = select(rows.astype(np.int64), n, parameter.name, owner, unique=True)
    world.theta.set(parameter, 0, chosen, envs, value, owner, element, source=source, picked=picked, factor=factor)


def read_numbers(world: World, parameter: Entry, numbers: np.ndarray, envs: Selection | None) -> torch.Tensor:
    """A parameter of geoms, or of joints' limits, by their numbers in the scene, ([envs,] n, *item)."""
    if parameter.axis == "geoms":
        rows = geom_rows(world, parameter, numbers)
    else:
        rows = numbers if has_limits(world) else np.full(len(numbers), -1)
    return read_rows(world, parameter, rows, _of_model(world, parameter, numbers), envs)


def read_rows(
    world: World, parameter: Entry, rows: np.ndarray, constants: np.ndarray, envs: Selection | None
) -> torch.Tensor:
    """Rows of a field of theta, ([envs,] n, *item), those below zero being constants of the model, (n, *item)."""
    known = np.flatnonzero(rows >= 0)
    n = world.model.theta_fields[parameter.field].shape[0]
    chosen = select(rows[known].astype(np.int64), n, parameter.name, "scene", unique=False)
    values = world.theta.get(parameter, 0, chosen, envs)
    if len(known) == len(rows):
        return values
    axis = values.ndim - 1 - len(parameter.item)
    fixed = torch.as_tensor(constants, dtype=runtime.tc_float, device=runtime.device)
    fixed = fixed.expand(*values.shape[:axis], *fixed.shape)
    return fixed.index_copy(axis, torch.as_tensor(known, device=fixed.device), values)


def _of_model(world: World, parameter: Entry, numbers: np.ndarray) -> np.ndarray:
    """What the compiled model says, (n, *item)."""
    fields = [np.asarray(getattr(world.composed.mj_model, name)) for name in parameter.fields]
    columns = np.concatenate([f[numbers].reshape(len(numbers), int(np.prod(f.shape[1:]))) for f in fields], 1)
    size = int(np.prod(parameter.item))
    return columns[:, parameter.first : parameter.first + size].reshape(len(numbers), *parameter.item)


def has_limits(world: World) -> bool:
    """Whether any joint of the scene has a limit that is simulated."""
    return bool(world.model.indices["jnt_limited"].any())
