"""Checkpoints on disk.

A checkpoint holds state, parameters, commands, step counter and the constraint solver's last solution, from which it
starts again, and what sensors that look back have measured; no pickle, written atomically:

    magic | length of the header (8 bytes, little-endian) | header (JSON) | arrays in a row | SHA-256 of all that

The header names each array with type and shape. Everything is checked before the world changes: the digest against
truncation and damage, and each entry against the world, because a digest proves nothing about who wrote the file.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import re
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from genesis import files, runtime
from genesis.constants import LARGEST_STATE, MOCAP_WIDTH, WELD_WIDTH
from genesis.errors import GenesisException
from genesis.rigid.command import Command, Switches
from genesis.world.arguments import plain_tensors, select_range
from genesis.world.catalogue import ENTITY_PARAMETERS, PAIR_PARAMETERS, SCENE_PARAMETERS, Entry
from genesis.world.commands import DOF_FIELDS, IDLE, MODE_FIELDS
from genesis.world.welds import renumbered

if TYPE_CHECKING:
    from genesis.world.past import Past
    from genesis.world.world import World

MAGIC = b"genesis-checkpoint\n"
VERSION = 3
_DIGEST_SIZE = hashlib.sha256().digest_size
_TYPES: dict[str, np.dtype[Any]] = {"f4": np.dtype("<f4"), "f8": np.dtype("<f8"), "i4": np.dtype("<i4")}
# Two builds of the same files differ by rounding only (another processor, another release of the compiler).
MODEL_TOLERANCE = 1e-6
# What a checkpoint holds beside the numbers of the model and the blocks of the command.
_SWITCHES = ("mode", "actuators_on", "eq_active")
_ENTRIES = ("state", "theta", *_SWITCHES, "solution")
# Of worlds whose sensors look back: their values in the last moments, (moments N, n), and the steps of each env, (N,).
_PAST = ("past", "past_age")
_COLUMN = re.compile(r"0|[1-9][0-9]{0,9}")  # as a block's name is written; no second name for the same column
_LARGEST_STEP = 2**53  # up to here every step has a time of its own in float64
_LONGEST_AXIS = 2**48  # sizes of arrays stay far within what NumPy counts with


def model_numbers(world: World) -> np.ndarray:
    """Every number of the model as it was built, float64: what a checkpoint does not restore must agree."""
    model = world.model
    return np.concatenate([model.theta_default(), *(model.constants[name].ravel() for name in sorted(model.constants))])


def save_checkpoint(world: World, path: str | os.PathLike[str]) -> None:
    """Write a checkpoint of a world; the file appears whole or not at all.

    Raises GenesisException when the state (or a command, or a parameter) is not finite or too large to be loaded again,
    and when the file cannot be written: see `files.write_atomically`.
    """
    command = world.commands.command
    switches = world.dynamics.full_switches(command.switches)
    arrays = {
        "model": model_numbers(world),
        "state": _numpy(world.read_state()),
        "theta": _numpy(world.theta.packed()),
        **{name: _numpy(switch) for name, switch in zip(_SWITCHES, switches, strict=True)},
        "solution": _numpy(world.dynamics.no_solution() if world.solution is None else world.solution),
        **{f"{field}@{start}": _numpy(value) for (field, start), value in command.blocks.items()},
        **_saved_past(world),
    }
    try:
        _check_arrays(world, arrays, world.model.nweld)
    except _Unfit as why:
        raise GenesisException(
            f"save_checkpoint: the scene cannot be saved at step {world.cur_step}: {why} A checkpoint of it could not "
            "be loaded; go back to a state before, by scene.reset(state)."
        ) from None
    header = {
        "version": VERSION,
        **_description(world),
        "cur_step": world.cur_step,
        "weld_pairs": [list(pair) for pair in world.model.weld_pairs],
        "arrays": [[name, array.dtype.str[1:], list(array.shape)] for name, array in arrays.items()],
    }
    text = json.dumps(header).encode()
    body = b"".join([MAGIC, len(text).to_bytes(8, "little"), text, *(array.tobytes() for array in arrays.values())])
    try:
        files.write_atomically(path, body + hashlib.sha256(body).digest())
    except OSError as error:
        raise GenesisException(f"Checkpoint {os.fspath(path)!r} cannot be written: {error.strerror}.") from None


def load_checkpoint(world: World, path: str | os.PathLike[str]) -> None:
    """Put a world into the state of a checkpoint of it: state, parameters, commands, step counter; no graph.

    Raises GenesisException, and leaves the world as it is, for a file that is missing, truncated, damaged, pickled or
    otherwise not a checkpoint, and for one of another scene, another number of envs or another precision.
    """
    header, arrays = _read(path)
    _check_header(world, path, header)
    numbers = model_numbers(world)
    theirs = arrays.get("model", np.zeros(0))
    same_size = theirs.shape == numbers.shape
    if not same_size or not np.allclose(theirs, numbers, MODEL_TOLERANCE, MODEL_TOLERANCE, equal_nan=True):
        raise GenesisException(
            f"Checkpoint '{path}' is of another scene: the numbers of its model differ from this scene's."
        )
    pairs = _weld_pairs(world, path, header)
    try:
        blocks = _check_arrays(world, arrays, len(pairs))
    except _Unfit as why:
        raise GenesisException(f"Checkpoint '{path}' is damaged: {why} Save it anew with save_checkpoint().") from None
    with plain_tensors():
        state, theta, *switches, solution = (_tensor(arrays[name]) for name in _ENTRIES)
        commanded = {key: _tensor(values) for key, values in blocks.items()}
        command = renumbered(world, pairs, Command(Switches(*switches), commanded))
        world.restore(state, theta, command, solution, header["cur_step"])
        if world.past is not None:
            world.recall(_loaded_past(world.past, arrays))


# -- the file ---------------------------------------------------------------------------------------------------------


def _read(path: str | os.PathLike[str]) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    try:
        content = files.read_bytes(path)
    except OSError as error:
        raise GenesisException(f"Checkpoint {os.fspath(path)!r} cannot be read: {error.strerror}.") from None
    if not content.startswith(MAGIC):
        hint = ""
        if content[:1] == b"\x80" or content[:2] == b"PK":
            hint = " It looks pickled or zipped (torch.save, numpy); such files are not read: a pickle can run code."
        raise GenesisException(f"'{path}' is not a checkpoint of save_checkpoint().{hint}")
    body, digest = content[:-_DIGEST_SIZE], content[-_DIGEST_SIZE:]
    if hashlib.sha256(body).digest() != digest:
        raise GenesisException(f"Checkpoint '{path}' is truncated or was changed: its SHA-256 does not match.")
    damaged = GenesisException(f"Checkpoint '{path}' is damaged: its header cannot be read.")
    start = len(MAGIC) + 8
    end = start + int.from_bytes(body[len(MAGIC) : start], "little")
    try:
        header = json.loads(body[start:end].decode(), parse_constant=_no_number)
        version, entries = header["version"], header["arrays"]
    except (ValueError, KeyError, TypeError, RecursionError):
        raise damaged from None
    if type(version) is not int or version != VERSION:
        raise GenesisException(f"Checkpoint '{path}' has format {_shown(version)}; this engine reads format {VERSION}.")
    arrays: dict[str, np.ndarray] = {}
    if not isinstance(entries, list):
        raise damaged
    for entry in entries:
        if not _names_an_array(entry) or entry[0] in arrays:
            raise damaged
        name, kind, shape = entry
        count = math.prod(shape)
        size = _TYPES[kind].itemsize * count
        if end + size > len(body):
            raise damaged
        arrays[name] = np.frombuffer(body, _TYPES[kind], count, end).reshape(shape)
        end += size
    if end != len(body):
        raise damaged
    return header, arrays


def _no_number(text: str) -> Any:
    raise ValueError(f"{text} is no JSON")  # NaN and Infinity, which Python's reader takes


def _names_an_array(entry: Any) -> bool:
    """Whether an entry of the header is name, type and shape of an array."""
    if not isinstance(entry, list) or len(entry) != 3:
        return False
    name, kind, shape = entry
    return (
        isinstance(name, str)
        and isinstance(kind, str)
        and kind in _TYPES
        and isinstance(shape, list)
        and len(shape) <= 2
        and all(type(length) is int and 0 <= length <= _LONGEST_AXIS for length in shape)
    )


# -- what it must agree with ------------------------------------------------------------------------------------------


def _description(world: World) -> dict[str, Any]:
    """What scene and checkpoint must have in common, in the order in which it is compared."""
    return {
        "fingerprint": world.fingerprint,
        "precision": runtime.precision,
        "n_envs": world.n_envs,
        "dt": world.dt,
        "substeps": world.substeps,
        "integrator": world.model.integrator.name,
        "friction_cone": "elliptic" if world.model.elliptic else "pyramidal",
        "impratio": float(world.composed.mj_model.opt.impratio),
        "disableflags": int(world.composed.mj_model.opt.disableflags),
    }


def _check_header(world: World, path: Any, header: dict[str, Any]) -> None:
    for name, mine in _description(world).items():
        theirs = header.get(name)
        if type(theirs) is type(mine) and theirs == mine:
            continue
        if name == "fingerprint":
            raise GenesisException(f"Checkpoint '{path}' is of another scene: entities, links or joints differ.")
        raise GenesisException(f"Checkpoint '{path}' was saved with {name} {_shown(theirs)}; this scene has {mine}.")
    step = header.get("cur_step")
    if type(step) is not int or not 0 <= step <= _LARGEST_STEP:
        raise GenesisException(
            f"Checkpoint '{path}' is damaged: its step counter is {_shown(step)}; expected a whole number from 0 on."
        )


def _shown(value: Any) -> str:
    """An entry of a header in a message; whatever is in a list, it may be nested deeper than can be printed."""
    return f"a {type(value).__name__}" if isinstance(value, (list, dict)) else f"{value!s:.60}"


class _Unfit(Exception):
    """What is wrong with the arrays of a checkpoint."""


def _weld_pairs(world: World, path: Any, header: dict[str, Any]) -> list[tuple[int, int]]:
    """Bodies of the welds that were made at run time."""
    given: Any = header.get("weld_pairs")
    bodies = range(world.model.nbody)
    fits = isinstance(given, list) and all(
        isinstance(pair, list)
        and len(pair) == 2
        and all(type(body) is int and body in bodies for body in pair)
        and pair[0] != pair[1]
        and any(world.model.dof_chain(body) for body in pair)
        for pair in given
    )
    if not fits or len({tuple(pair) for pair in given}) != len(given):
        raise GenesisException(f"Checkpoint '{path}' is damaged: its welds are {_shown(given)}.")
    return [(pair[0], pair[1]) for pair in given]


def _check_arrays(world: World, arrays: dict[str, np.ndarray], n_welds: int) -> dict[tuple[str, int], np.ndarray]:
    """The blocks of the command, by field and first column; raises _Unfit unless everything fits the scene.

    Native code reads what a checkpoint holds as it is, without looking again: hence types and shapes are exact.
    """
    from genesis.rigid.pipeline.workspace import control_sizes  # kernels, which are there once a scene is built

    n, ntheta = world.dynamics.n_worlds, world.model.ntheta
    shapes: dict[str, set[tuple[int, ...]]] = {
        "state": {(n, world.state.shape[1])},
        "theta": {(1, ntheta), (n, ntheta)},
        "mode": {(n, world.nv)},
        "actuators_on": {(n, world.model.nactuator)},
        "eq_active": {(n, int(world.composed.mj_model.neq) + n_welds)},
        "solution": {(n, 0), (n, world.dynamics.largest_solution)},
    }
    real = np.dtype(runtime.np_float).newbyteorder("<")
    for name in _ENTRIES:
        if name not in arrays or arrays[name].shape not in shapes[name]:
            raise _Unfit(f"its entry '{name}' is missing or of a wrong shape.")
    if world.past is not None:
        _check_past(world.past, arrays)
    mode, on, active = (arrays[name] for name in _SWITCHES)
    integers = mode.dtype == on.dtype == active.dtype == _TYPES["i4"]
    known = integers and np.isin(mode, (IDLE, *MODE_FIELDS)).all()
    if not known or not np.isin(on, (0, 1)).all() or not np.isin(active, (0, 1)).all():
        raise _Unfit("its commands are not valid.")
    for name, values in arrays.items():
        expected = _TYPES["f8"] if name in ("model", "past_age") else _TYPES["i4"] if name in _SWITCHES else real
        if values.dtype != expected:
            raise _Unfit(f"its entry '{name}' holds {values.dtype}; expected {expected}.")
    if not np.isfinite(arrays["solution"]).all():
        raise _Unfit("the constraint solver's solution holds numbers that are not finite (NaN or infinite).")
    _check_state(world, arrays["state"])
    _check_theta(world, arrays["theta"], arrays["model"][:ntheta].astype(real))
    return _check_blocks(world, arrays, control_sizes(world.model) | {"weld": WELD_WIDTH * n_welds})


def _check_state(world: World, state: np.ndarray) -> None:
    if not np.isfinite(state).all():
        raise _Unfit("its state holds numbers that are not finite (NaN or infinite).")
    moving = state[:, : world.nq + world.nv]
    if (np.abs(moving) > LARGEST_STATE).any():
        raise _Unfit(
            f"its state holds positions or velocities above {LARGEST_STATE:g} (m, rad, m/s, rad/s), where MuJoCo too "
            "takes a simulation for diverged."
        )
    for place, layout in zip(world.composed.entities, world.layouts, strict=True):
        for rotation in layout.rotations:
            quats = state[:, place.q_start + rotation.q :][:, :4].astype(np.float64)
            if (np.linalg.norm(quats, axis=1) < runtime.EPS).any():
                raise _Unfit(f"its state has a quaternion of length zero for joint '{rotation.joint}'.")


def _check_theta(world: World, theta: np.ndarray, default: np.ndarray) -> None:
    """Raises _Unfit for parameters that are neither those of the model nor what a setter takes."""
    if np.isnan(theta).any():
        raise _Unfit("its parameters hold numbers that are not finite (NaN).")
    for parameter in (*ENTITY_PARAMETERS.values(), *PAIR_PARAMETERS.values(), *SCENE_PARAMETERS):
        count = 1 if parameter.axis == "scene" else world.model.theta_fields[parameter.field].shape[0]
        if not count:
            continue
        columns = world.theta.columns(parameter, 0, select_range(count, 0, count))
        values = theta[:, columns].reshape(len(theta), count, -1)
        own = default[columns].reshape(count, -1)
        changed = (values != own).any(-1)
        if _impossible(parameter, own):
            # A model file may hold what no setter takes (negative damping). It stands as it is, and as another build
            # of the same files has it.
            changed = ~np.isclose(values, own, MODEL_TOLERANCE, MODEL_TOLERANCE).all(-1)
        why = _impossible(parameter, values[changed])
        if why:
            raise _Unfit(f"its parameter `{parameter.name}` {why}.")


def _impossible(parameter: Entry, values: np.ndarray) -> str | None:
    """Why no setter takes these values of a parameter, one element per row; None where there is no reason."""
    if not values.size:
        return None
    if parameter.finite and not np.isfinite(values).all():
        return "holds numbers that are not finite"
    found = parameter.check(values.astype(np.float64).reshape(-1, *parameter.item)) if parameter.check else None
    return None if found is None else found[1]


def _check_blocks(
    world: World, arrays: dict[str, np.ndarray], sizes: dict[str, int]
) -> dict[tuple[str, int], np.ndarray]:
    mode, on, active = (arrays[name] for name in _SWITCHES)
    blocks = {
        _block_key(world, name, values, sizes): values
        for name, values in arrays.items()
        if name not in ("model", *_ENTRIES, *(() if world.past is None else _PAST))
    }
    covered = {field: np.zeros(width, dtype=bool) for field, width in sizes.items()}
    for (field, start), values in blocks.items():
        columns = covered[field][start : start + values.shape[-1]]
        if columns.any():
            raise _Unfit("its commands overlap.")
        columns[:] = True
    for (field, start), values in blocks.items():
        if not _is_of_one_entity(world, field, start, start + values.shape[-1]):
            raise _Unfit(f"its command '{field}@{start}' does not fit the scene: it reaches beyond an entity.")
        if field == "mocap" and values.shape[-1] == 4:
            if (np.linalg.norm(np.atleast_2d(values.astype(np.float64)), axis=1) < runtime.EPS).any():
                raise _Unfit(f"its command '{field}@{start}' is a quaternion of length zero.")
    m = world.composed.mj_model
    welded = active[:, int(m.neq) :].any(0)
    read: dict[str, Any] = {
        "ctrl": np.repeat(on.any(0), m.actuator_ctrlnum),
        "weld": np.repeat(welded, WELD_WIDTH),
    }
    for field in DOF_FIELDS:
        modes = [number for number, fields in MODE_FIELDS.items() if field in fields]
        read[field] = np.isin(mode, modes).any(0)
    for field, needed in read.items():
        if (needed & ~covered[field]).any():
            what = {"ctrl": "control", "weld": "number"}.get(field, "dof")
            first = int(np.argmax(needed & ~covered[field]))
            raise _Unfit(f"its commands are not complete: {what} {first} is under a '{field}' that is missing.")
    return blocks


def _block_key(world: World, name: str, values: np.ndarray, sizes: dict[str, int]) -> tuple[str, int]:
    """Where a block of the command goes; raises _Unfit for one that this scene's command cannot have."""
    field, _, start = name.partition("@")
    width = sizes.get(field, 0)
    fits = (
        width > 0
        and _COLUMN.fullmatch(start)
        and values.ndim in (1, 2)
        and (values.ndim == 1 or values.shape[0] == world.dynamics.n_worlds)
        and values.shape[-1] > 0
        and int(start) + values.shape[-1] <= width
        and np.isfinite(values).all()
    )
    if not fits:
        raise _Unfit(f"its command '{name:.60}' does not fit the scene, or is not finite.")
    return field, int(start)


def _is_of_one_entity(world: World, field: str, start: int, end: int) -> bool:
    """Whether columns of a field can be a block: `CommandBuffer` writes those of an entity, or wrenches of links."""
    if field == "xfrc":
        return start % 6 == end % 6 == 0 and start >= 6  # none of the world
    if field == "mocap":
        return (start % MOCAP_WIDTH, end - start) in ((0, 3), (3, 4))  # a position or a quaternion
    if field == "weld":
        return start % WELD_WIDTH == 0 and end - start == WELD_WIDTH
    if field == "ctrl":
        ranges = [(place.control_start, place.control_end) for place in world.composed.entities]
    else:
        ranges = [(place.dof_start, place.dof_end) for place in world.composed.entities]
    return any(first <= start and end <= last for first, last in ranges)


def _saved_past(world: World) -> dict[str, np.ndarray]:
    from genesis.world.remembering import RememberingWorld

    if not isinstance(world, RememberingWorld):
        return {}
    with torch.no_grad():
        moments = world.past.measured(world.measure).values(len(world.past.moments))
    width = sum(n for _, n in world.past.layout)
    none = torch.zeros((0, width), dtype=runtime.tc_float, device=runtime.device)
    return {"past": _numpy(torch.cat([none, *moments])), "past_age": world.past.age.astype("<f8")}


def _loaded_past(known: Past, arrays: dict[str, np.ndarray]) -> Past:
    from genesis.world.past import Measured, Past

    age = arrays["past_age"].astype(np.int64)
    rows = _tensor(arrays["past"]).split(len(age)) if len(arrays["past"]) else ()
    return Past(known.layout, known.depth, tuple(Measured(values) for values in rows), age)


def _check_past(known: Past, arrays: dict[str, np.ndarray]) -> None:
    past, age = (arrays.get(name, np.zeros(0)) for name in _PAST)
    width, n = sum(count for _, count in known.layout), len(known.age)
    fits = past.ndim == 2 and past.shape[1] == width and len(past) % n == 0 and age.shape == (n,)
    if not fits or not np.isfinite(past).all():
        raise _Unfit("what its sensors have measured is missing, of a wrong shape, or not finite.")
    whole = np.isfinite(age).all() and (age == np.floor(age)).all() and 0 <= age.min() and age.max() <= _LARGEST_STEP
    if not whole or len(past) // n < min(known.depth, age.max()):
        raise _Unfit("the steps that its sensors have seen are no whole numbers, or too many.")


def _numpy(value: torch.Tensor) -> np.ndarray:
    array = value.detach().cpu().contiguous().numpy()
    return array.astype(array.dtype.newbyteorder("<"))


def _tensor(array: np.ndarray) -> torch.Tensor:
    return torch.as_tensor(array.astype(array.dtype.newbyteorder("=")), device=runtime.device)
