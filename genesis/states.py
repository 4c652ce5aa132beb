"""What `get_state` returns, and checkpoints on disk.

A checkpoint holds state, parameters, commands, step counter and the constraint solver's last solution, from which it
starts again; no pickle, written atomically:

    magic | length of the header (8 bytes, little-endian) | header (JSON) | arrays in a row | SHA-256 of all that

The header names each array with type and shape. Everything is checked before the scene changes: the digest against
truncation and damage, and each entry against the scene, because a digest proves nothing about who wrote the file.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from genesis import files, runtime
from genesis.constants import LARGEST_STATE
from genesis.entities.commands import DOF_FIELDS, IDLE, MODE_FIELDS
from genesis.entities.indexing import plain_tensors, select_range
from genesis.entities.parameters import ENTITY_PARAMETERS, GRAVITY, PAIR_PARAMETERS, Parameter
from genesis.errors import GenesisException
from genesis.rigid.command import CONTROL_FIELDS

if TYPE_CHECKING:
    from genesis.grad.tensor import Tensor
    from genesis.scene import Scene

MAGIC = b"genesis-checkpoint\n"
VERSION = 2
_DIGEST_SIZE = hashlib.sha256().digest_size
_TYPES: dict[str, np.dtype[Any]] = {"f4": np.dtype("<f4"), "f8": np.dtype("<f8"), "i4": np.dtype("<i4")}
# Two builds of the same files differ by rounding only (another processor, another release of the compiler).
MODEL_TOLERANCE = 1e-6
# What a checkpoint holds beside the numbers of the model and the blocks of the command.
_ENTRIES = ("state", "theta", "mode", "actuators_on", "solution")
_COLUMN = re.compile(r"0|[1-9][0-9]{0,9}")  # as a block's name is written; no second name for the same column
_LARGEST_STEP = 2**53  # up to here every step has a time of its own in float64
_LONGEST_AXIS = 2**48  # sizes of arrays stay far within what NumPy counts with


@dataclass
class RigidEntityState:
    """State of one entity, with gradient.

    Attributes:
        entity_name: which entity
        pos: of the base link's origin [m], world frame, ([n_envs,] 3)
        quat: of the base link (w, x, y, z), world frame, ([n_envs,] 4)
        qpos: generalized positions [m, rad], ([n_envs,] n_qs)
        dofs_vel: velocities of the dofs [m/s, rad/s], ([n_envs,] n_dofs)
    """

    entity_name: str
    pos: Tensor
    quat: Tensor
    qpos: Tensor
    dofs_vel: Tensor

    def detach(self) -> RigidEntityState:
        """The same numbers without graph."""
        parts = (self.pos, self.quat, self.qpos, self.dofs_vel)
        return RigidEntityState(self.entity_name, *(part.detach(sceneless=False) for part in parts))


class RigidSolverState:
    """State of all rigid bodies of a scene, with gradient; what derives from qpos is computed when asked for."""

    def __init__(self, scene: Scene, packed: torch.Tensor, theta: torch.Tensor) -> None:
        self._scene = scene
        self._packed = packed
        self._theta = theta

    @property
    def qpos(self) -> Tensor:
        """Generalized positions [m, rad], ([n_envs,] n_qs)."""
        return self._columns(0, self._scene._nq)

    @property
    def dofs_vel(self) -> Tensor:
        """Velocities of the dofs [m/s, rad/s], ([n_envs,] n_dofs)."""
        return self._columns(self._scene._nq, self._scene._nv)

    @property
    def act(self) -> Tensor:
        """Activations of the actuators that have one, ([n_envs,] na)."""
        start = self._scene._nq + self._scene._nv
        return self._columns(start, self._packed.shape[1] - start)

    @property
    def links_pos(self) -> Tensor:
        """Positions of the links' origins [m], world frame, ([n_envs,] n_links, 3)."""
        return self._scene._wrap(self._observed()[0][:, 1:].clone())

    @property
    def links_quat(self) -> Tensor:
        """Orientations of the links (w, x, y, z), world frame, ([n_envs,] n_links, 4)."""
        return self._scene._wrap(self._observed()[1][:, 1:].clone())

    def detach(self) -> RigidSolverState:
        """The same numbers without graph."""
        return RigidSolverState(self._scene, self._packed.detach(), self._theta.detach())

    def _columns(self, start: int, count: int) -> Tensor:
        return self._scene._wrap(torch.narrow_copy(self._packed, 1, start, count))

    def _observed(self) -> tuple[torch.Tensor, ...]:
        # Not kept: a backward pass through them would leave a freed graph behind.
        return self._scene._observe_at(("xpos", "xquat"), self._packed, self._theta)


class SimState:
    """State of a scene, as `scene.get_state()` returns it and `scene.reset(state)` takes it; it carries gradients.

    Attributes:
        fingerprint: of the structure of the scene's model: which scenes can be reset to it
        n_envs: of the scene
        cur_step: number of steps that the scene had made
        solvers_state: one state per solver of `scene.solvers`; the rigid solver's is the first
    """

    def __init__(
        self, scene: Scene, packed: torch.Tensor, theta: torch.Tensor, fingerprint: str, cur_step: int
    ) -> None:
        self._scene = scene
        self._packed = packed
        self._theta = theta
        self.fingerprint = fingerprint
        self.n_envs = scene.n_envs
        self.cur_step = cur_step
        self.solvers_state = [RigidSolverState(scene, packed, theta)]

    def __repr__(self) -> str:
        grad = ", with gradient" if self._packed.requires_grad else ""
        return f"<SimState of step {self.cur_step}, n_envs {self.n_envs}, {self._packed.shape[1]} numbers each{grad}>"

    @property
    def scene(self) -> Scene:
        """The scene that it was taken from."""
        return self._scene

    def detach(self) -> SimState:
        """The same numbers without graph."""
        return SimState(self._scene, self._packed.detach(), self._theta.detach(), self.fingerprint, self.cur_step)


# -- checkpoints ------------------------------------------------------------------------------------------------------


def fingerprint(scene: Scene) -> str:
    """Hash of a scene's structure: names, joints, trees and actuators, without any floating-point number."""
    parts: list[Any] = [
        [p.name, p.link_names, p.joint_names, p.actuator_names, p.link_end, p.joint_end, p.q_end, p.dof_end]
        for p in (entity._built("fingerprint") for entity in scene.entities)
    ]
    digest = hashlib.sha256(json.dumps(parts).encode())
    for name, values in sorted(scene._model.indices.items()):
        digest.update(f"{name}{values.shape}".encode())
        digest.update(np.ascontiguousarray(values, dtype="<i4").tobytes())
    return digest.hexdigest()


def model_numbers(scene: Scene) -> np.ndarray:
    """Every number of the model as it was built, float64: what a checkpoint does not restore must agree."""
    model = scene._model
    return np.concatenate([model.theta_default(), *(model.constants[name].ravel() for name in sorted(model.constants))])


def save_checkpoint(scene: Scene, path: str | os.PathLike[str]) -> None:
    """Write a checkpoint of `scene`; the file appears whole or not at all.

    Raises GenesisException when the state (or a command, or a parameter) is not finite or too large to be loaded again,
    and when the file cannot be written: see `files.write_atomically`.
    """
    command = scene._commands.command
    arrays = {
        "model": model_numbers(scene),
        "state": _numpy(scene._read_state()),
        "theta": _numpy(scene._parameters.theta()),
        "mode": _numpy(command.mode),
        "actuators_on": _numpy(command.actuators_on),
        "solution": _numpy(scene._dynamics.no_solution() if scene._solution is None else scene._solution),
        **{f"{field}@{start}": _numpy(value) for (field, start), value in command.blocks.items()},
    }
    try:
        _check_arrays(scene, arrays)
    except _Unfit as why:
        raise GenesisException(
            f"save_checkpoint: the scene cannot be saved at step {scene.cur_step}: {why} A checkpoint of it could not "
            "be loaded; go back to a state before, by scene.reset(state)."
        ) from None
    header = {
        "version": VERSION,
        **_description(scene),
        "cur_step": scene.cur_step,
        "arrays": [[name, array.dtype.str[1:], list(array.shape)] for name, array in arrays.items()],
    }
    text = json.dumps(header).encode()
    body = b"".join([MAGIC, len(text).to_bytes(8, "little"), text, *(array.tobytes() for array in arrays.values())])
    try:
        files.write_atomically(path, body + hashlib.sha256(body).digest())
    except OSError as error:
        raise GenesisException(f"Checkpoint {os.fspath(path)!r} cannot be written: {error.strerror}.") from None


def load_checkpoint(scene: Scene, path: str | os.PathLike[str]) -> None:
    """Put `scene` into the state of a checkpoint of it: state, parameters, commands, step counter; no graph.

    Raises GenesisException, and leaves the scene as it is, for a file that is missing, truncated, damaged, pickled or
    otherwise not a checkpoint, and for one of another scene, another number of envs or another precision.
    """
    header, arrays = _read(path)
    _check_header(scene, path, header)
    numbers = model_numbers(scene)
    theirs = arrays.get("model", np.zeros(0))
    same_size = theirs.shape == numbers.shape
    if not same_size or not np.allclose(theirs, numbers, MODEL_TOLERANCE, MODEL_TOLERANCE, equal_nan=True):
        raise GenesisException(
            f"Checkpoint '{path}' is of another scene: the numbers of its model differ from this scene's."
        )
    try:
        blocks = _check_arrays(scene, arrays)
    except _Unfit as why:
        raise GenesisException(f"Checkpoint '{path}' is damaged: {why} Save it anew with save_checkpoint().") from None
    with plain_tensors():
        state, theta, mode, on, solution = (_tensor(arrays[name]) for name in _ENTRIES)
        commanded = {key: _tensor(values) for key, values in blocks.items()}
        scene._restore(state, theta, mode, on, commanded, solution, header["cur_step"])


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


def _description(scene: Scene) -> dict[str, Any]:
    """What scene and checkpoint must have in common, in the order in which it is compared."""
    return {
        "fingerprint": scene._fingerprint,
        "precision": runtime.precision,
        "n_envs": scene.n_envs,
        "dt": scene.dt,
        "substeps": scene.substeps,
        "integrator": scene._model.integrator.name,
        "friction_cone": "elliptic" if scene._model.elliptic else "pyramidal",
        "impratio": float(scene.mj_model.opt.impratio),
        "disableflags": int(scene.mj_model.opt.disableflags),
    }


def _check_header(scene: Scene, path: Any, header: dict[str, Any]) -> None:
    for name, mine in _description(scene).items():
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


def _check_arrays(scene: Scene, arrays: dict[str, np.ndarray]) -> dict[tuple[str, int], np.ndarray]:
    """The blocks of the command, by field and first column; raises _Unfit unless everything fits the scene.

    Native code reads what a checkpoint holds as it is, without looking again: hence types and shapes are exact.
    """
    n, ntheta = scene._dynamics.n_worlds, scene._model.ntheta
    shapes: dict[str, set[tuple[int, ...]]] = {
        "state": {(n, scene._state.shape[1])},
        "theta": {(1, ntheta), (n, ntheta)},
        "mode": {(n, scene._nv)},
        "actuators_on": {(n, scene._dynamics.nu)},
        "solution": {(n, 0), (n, scene._dynamics.largest_solution)},
    }
    real = np.dtype(runtime.np_float).newbyteorder("<")
    for name in _ENTRIES:
        if name not in arrays or arrays[name].shape not in shapes[name]:
            raise _Unfit(f"its entry '{name}' is missing or of a wrong shape.")
    mode, on = arrays["mode"], arrays["actuators_on"]
    integers = mode.dtype == on.dtype == _TYPES["i4"]
    if not integers or not np.isin(mode, (IDLE, *MODE_FIELDS)).all() or not np.isin(on, (0, 1)).all():
        raise _Unfit("its commands are not valid.")
    for name, values in arrays.items():
        expected = {"model": _TYPES["f8"], "mode": _TYPES["i4"], "actuators_on": _TYPES["i4"]}.get(name, real)
        if values.dtype != expected:
            raise _Unfit(f"its entry '{name}' holds {values.dtype}; expected {expected}.")
    if not np.isfinite(arrays["solution"]).all():
        raise _Unfit("the constraint solver's solution holds numbers that are not finite (NaN or infinite).")
    _check_state(scene, arrays["state"])
    _check_theta(scene, arrays["theta"], arrays["model"][:ntheta].astype(real))
    return _check_blocks(scene, arrays, mode, on)


def _check_state(scene: Scene, state: np.ndarray) -> None:
    if not np.isfinite(state).all():
        raise _Unfit("its state holds numbers that are not finite (NaN or infinite).")
    moving = state[:, : scene._nq + scene._nv]
    if (np.abs(moving) > LARGEST_STATE).any():
        raise _Unfit(
            f"its state holds positions or velocities above {LARGEST_STATE:g} (m, rad, m/s, rad/s), where MuJoCo too "
            "takes a simulation for diverged."
        )
    for entity in scene.entities:
        for rotation in entity._dof_layout.rotations:
            quats = state[:, entity.q_start + rotation.q :][:, :4].astype(np.float64)
            if (np.linalg.norm(quats, axis=1) < runtime.EPS).any():
                raise _Unfit(f"its state has a quaternion of length zero for joint '{rotation.joint}'.")


def _check_theta(scene: Scene, theta: np.ndarray, default: np.ndarray) -> None:
    """Raises _Unfit for parameters that are neither those of the model nor what a setter takes."""
    if np.isnan(theta).any():
        raise _Unfit("its parameters hold numbers that are not finite (NaN).")
    for parameter in (*ENTITY_PARAMETERS.values(), *PAIR_PARAMETERS.values(), GRAVITY):
        count = 1 if parameter.axis == "scene" else scene._model.theta_fields[parameter.field].shape[0]
        if not count:
            continue
        columns = scene._parameters.columns(parameter, 0, select_range(count, 0, count))
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


def _impossible(parameter: Parameter, values: np.ndarray) -> str | None:
    """Why no setter takes these values of a parameter, one element per row; None where there is no reason."""
    if not values.size:
        return None
    if parameter.finite and not np.isfinite(values).all():
        return "holds numbers that are not finite"
    found = parameter.check(values.astype(np.float64).reshape(-1, *parameter.item)) if parameter.check else None
    return None if found is None else found[1]


def _check_blocks(
    scene: Scene, arrays: dict[str, np.ndarray], mode: np.ndarray, on: np.ndarray
) -> dict[tuple[str, int], np.ndarray]:
    blocks = {
        _block_key(scene, name, values): values for name, values in arrays.items() if name not in ("model", *_ENTRIES)
    }
    dynamics = scene._dynamics
    widths = {"ctrl": dynamics.nu, "xfrc": 6 * dynamics.nbody}
    covered = {field: np.zeros(widths.get(field, scene._nv), dtype=bool) for field in CONTROL_FIELDS}
    for (field, start), values in blocks.items():
        columns = covered[field][start : start + values.shape[-1]]
        if columns.any():
            raise _Unfit("its commands overlap.")
        columns[:] = True
    for (field, start), values in blocks.items():
        if not _is_of_one_entity(scene, field, start, start + values.shape[-1]):
            raise _Unfit(f"its command '{field}@{start}' does not fit the scene: it reaches beyond an entity.")
    read = {"ctrl": on.any(0)}
    for field in DOF_FIELDS:
        modes = [number for number, fields in MODE_FIELDS.items() if field in fields]
        read[field] = np.isin(mode, modes).any(0)
    for field, needed in read.items():
        if (needed & ~covered[field]).any():
            what = "actuator" if field == "ctrl" else "dof"
            first = int(np.argmax(needed & ~covered[field]))
            raise _Unfit(f"its commands are not complete: {what} {first} is under a '{field}' that is missing.")
    return blocks


def _block_key(scene: Scene, name: str, values: np.ndarray) -> tuple[str, int]:
    """Where a block of the command goes; raises _Unfit for one that this scene's command cannot have."""
    field, _, start = name.partition("@")
    width = {"ctrl": scene._dynamics.nu, "xfrc": 6 * scene._dynamics.nbody}.get(field, scene._nv)
    fits = (
        field in CONTROL_FIELDS
        and _COLUMN.fullmatch(start)
        and values.ndim in (1, 2)
        and (values.ndim == 1 or values.shape[0] == scene._dynamics.n_worlds)
        and values.shape[-1] > 0
        and int(start) + values.shape[-1] <= width
        and np.isfinite(values).all()
    )
    if not fits:
        raise _Unfit(f"its command '{name:.60}' does not fit the scene, or is not finite.")
    return field, int(start)


def _is_of_one_entity(scene: Scene, field: str, start: int, end: int) -> bool:
    """Whether columns of a field can be a block: `CommandBuffer` writes those of an entity, or wrenches of links."""
    if field == "xfrc":
        return start % 6 == end % 6 == 0 and start >= 6  # none of the world
    if field == "ctrl":
        parts = [entity._built("checkpoint") for entity in scene.entities]
        ranges = [(part.actuator_start, part.actuator_end) for part in parts]
    else:
        ranges = [(entity.dof_start, entity.dof_end) for entity in scene.entities]
    return any(first <= start and end <= last for first, last in ranges)


def _numpy(value: torch.Tensor) -> np.ndarray:
    array = value.detach().cpu().contiguous().numpy()
    return array.astype(array.dtype.newbyteorder("<"))


def _tensor(array: np.ndarray) -> torch.Tensor:
    return torch.as_tensor(array.astype(array.dtype.newbyteorder("=")), device=runtime.device)
