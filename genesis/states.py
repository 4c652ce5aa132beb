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
import os
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from genesis import runtime
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

    Raises GenesisException when the state is not finite or the file cannot be written.
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
    if not np.isfinite(arrays["state"]).all():
        raise GenesisException(f"save_checkpoint: the state holds NaN or infinite numbers (step {scene.cur_step}).")
    header = {
        "version": VERSION,
        **_description(scene),
        "cur_step": scene.cur_step,
        "arrays": [[name, array.dtype.str[1:], list(array.shape)] for name, array in arrays.items()],
    }
    text = json.dumps(header).encode()
    body = b"".join([MAGIC, len(text).to_bytes(8, "little"), text, *(array.tobytes() for array in arrays.values())])
    _write_atomically(Path(path), body + hashlib.sha256(body).digest())


def load_checkpoint(scene: Scene, path: str | os.PathLike[str]) -> None:
    """Put `scene` into the state of a checkpoint of it: state, parameters, commands, step counter; no graph.

    Raises GenesisException, and leaves the scene as it is, for a file that is missing, truncated, damaged, pickled or
    otherwise not a checkpoint, and for one of another scene, another number of envs or another precision.
    """
    header, arrays = _read(Path(path))
    _check_header(scene, path, header)
    wrong = f"Checkpoint '{path}'"
    numbers = model_numbers(scene)
    theirs = arrays.pop("model", np.zeros(0))
    same_size = theirs.shape == numbers.shape
    if not same_size or not np.allclose(theirs, numbers, MODEL_TOLERANCE, MODEL_TOLERANCE, equal_nan=True):
        raise GenesisException(f"{wrong} is of another scene: the numbers of its model differ from this scene's.")
    n, ntheta = scene._dynamics.n_worlds, scene._model.ntheta
    expected = {
        "state": {(n, scene._state.shape[1])},
        "theta": {(1, ntheta), (n, ntheta)},
        "mode": {(n, scene._nv)},
        "actuators_on": {(n, scene._dynamics.nu)},
        "solution": {(n, 0), (n, scene._dynamics.largest_solution)},
    }
    for name, shapes in expected.items():
        if name not in arrays or arrays[name].shape not in shapes:
            raise GenesisException(f"{wrong} is damaged: its entry '{name}' is missing or of a wrong shape.")
    integers = all(arrays[name].dtype == _TYPES["i4"] for name in ("mode", "actuators_on"))
    if not integers or not np.isin(arrays["mode"], range(5)).all() or not np.isin(arrays["actuators_on"], (0, 1)).all():
        raise GenesisException(f"{wrong} is damaged: its commands are not valid.")
    finite = np.isfinite(arrays["state"]).all() and np.isfinite(arrays["solution"]).all()
    if not finite or np.isnan(arrays["theta"]).any():
        raise GenesisException(f"{wrong} is damaged: it holds numbers that are not finite.")
    blocks = {
        _block_key(scene, wrong, name, array): _tensor(array) for name, array in arrays.items() if name not in expected
    }
    for (field, start), value in blocks.items():
        if any(f == field and start < s < start + value.shape[-1] for f, s in blocks):
            raise GenesisException(f"{wrong} is damaged: its commands overlap.")
    state, theta, mode, on, solution = (_tensor(arrays[name]) for name in expected)
    scene._restore(state, theta, mode, on, blocks, solution, int(header["cur_step"]))


# -- the file ---------------------------------------------------------------------------------------------------------


def _read(path: Path) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    try:
        content = path.read_bytes()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise GenesisException(f"Checkpoint {str(path)!r} cannot be read: {reason}.") from None
    if not content.startswith(MAGIC):
        hint = ""
        if content[:1] == b"\x80" or content[:2] == b"PK":
            hint = " It looks pickled or zipped (torch.save, numpy); such files are not read: a pickle can run code."
        raise GenesisException(f"'{path}' is not a checkpoint of save_checkpoint().{hint}")
    body, digest = content[:-_DIGEST_SIZE], content[-_DIGEST_SIZE:]
    if hashlib.sha256(body).digest() != digest:
        raise GenesisException(f"Checkpoint '{path}' is truncated or was changed: its SHA-256 does not match.")
    damaged = GenesisException(f"Checkpoint '{path}' is damaged: its header cannot be read.")
    try:
        start = len(MAGIC) + 8
        end = start + int.from_bytes(body[len(MAGIC) : start], "little")
        header = json.loads(body[start:end])
        if header["version"] != VERSION:
            raise GenesisException(
                f"Checkpoint '{path}' has format {header['version']}; this engine reads format {VERSION}."
            )
        arrays = {}
        for name, kind, shape in header["arrays"]:
            if not isinstance(name, str):
                raise damaged
            dtype = _TYPES[kind]
            size = dtype.itemsize * int(np.prod(shape, dtype=np.int64))
            if size < 0 or end + size > len(body):
                raise damaged
            arrays[name] = np.frombuffer(body, dtype, size // dtype.itemsize, end).reshape(shape)
            end += size
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError):
        raise damaged from None
    if end != len(body):
        raise damaged
    return header, arrays


def _write_atomically(path: Path, content: bytes) -> None:
    temporary = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    try:
        try:
            with open(temporary, "xb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)
    except (OSError, ValueError) as error:  # ValueError: a path with a null character
        reason = getattr(error, "strerror", None) or error
        raise GenesisException(f"Checkpoint {str(path)!r} cannot be written: {reason}.") from None


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
        if theirs == mine:
            continue
        if name == "fingerprint":
            raise GenesisException(f"Checkpoint '{path}' is of another scene: entities, links or joints differ.")
        raise GenesisException(f"Checkpoint '{path}' was saved with {name} {theirs}; this scene has {mine}.")
    step = header.get("cur_step")
    if not isinstance(step, int) or isinstance(step, bool) or step < 0:
        raise GenesisException(f"Checkpoint '{path}' is damaged: its step counter is {step!r}.")


def _block_key(scene: Scene, wrong: str, name: str, array: np.ndarray) -> tuple[str, int]:
    """Where a block of the command goes; raises for one that this scene's command cannot have."""
    field, _, start = name.partition("@")
    width = {"ctrl": scene._dynamics.nu, "xfrc": 6 * scene._dynamics.nbody}.get(field, scene._nv)
    fits = (
        field in CONTROL_FIELDS
        and start.isdecimal()
        and array.ndim in (1, 2)
        and (array.ndim == 1 or array.shape[0] == scene._dynamics.n_worlds)
        and int(start) + array.shape[-1] <= width
        and np.isfinite(array).all()
    )
    if not fits:
        raise GenesisException(f"{wrong} is damaged: its command '{name}' does not fit the scene.")
    return field, int(start)


def _numpy(value: torch.Tensor) -> np.ndarray:
    array = value.detach().cpu().contiguous().numpy()
    return array.astype(array.dtype.newbyteorder("<"))


def _tensor(array: np.ndarray) -> torch.Tensor:
    kind = runtime.np_float if array.dtype.kind == "f" else runtime.np_int
    return torch.as_tensor(array.astype(kind), device=runtime.device)
