"""The file of a result: NumPy's .npz, every number of which is checked when it is read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from genesis import files, runtime
from genesis.entities.rolling import ACTUATORS, MODES
from genesis.errors import GenesisException
from genesis.tools.trajectory_optimization.monitor import (
    CALLBACK,
    CONVERGED,
    INTERRUPTED,
    MAX_ITERATIONS,
    NO_PROGRESS,
    TIME_LIMIT,
    Iteration,
)

_ARRAYS = ("controls", "states", "lower", "upper")
_OPTIONAL = ("gains", "feedforward")
_NUMBERS = ("cost", "dt", "seconds")
_COLUMNS = ("cost", "seconds", "step_length", "regularization", "gap")
# The words that may stand in a file.
_KNOWN = {
    "method": ("ilqr", "gauss-newton", "lbfgs", "adam"),
    "control": (*MODES, ACTUATORS),
    "reason": (CONVERGED, MAX_ITERATIONS, TIME_LIMIT, CALLBACK, INTERRUPTED, NO_PROGRESS),
}


def write(result: Mapping[str, Any], path: str) -> None:
    """The attributes of an OptimizedTrajectory; raises GenesisException where nothing can be written."""
    arrays: dict[str, Any] = {name: result[name].cpu().numpy() for name in _ARRAYS}
    arrays |= {name: result[name].cpu().numpy() for name in _OPTIONAL if result[name] is not None}
    arrays |= {name: result[name] for name in (*_NUMBERS, *_KNOWN)}
    arrays["names"] = np.array(result["names"], dtype=str)
    for column in _COLUMNS:
        arrays[f"history_{column}"] = np.array([getattr(entry, column) for entry in result["history"]], dtype=float)
    try:
        files.write_atomically(path, files.to_npz(arrays))
    except OSError as error:
        raise GenesisException(f"save: {path} cannot be written ({error.strerror}).") from None


def read(path: str) -> dict[str, Any]:
    """The arguments of an OptimizedTrajectory; raises GenesisException, which names the file, unless all of it fits."""
    runtime.require_init()
    try:
        data = files.from_npz(files.read_bytes(path))
    except FileNotFoundError:
        raise GenesisException(f"load: there is no file {path}.") from None
    except OSError as error:
        raise GenesisException(f"load: {path} cannot be read ({error.strerror}).") from None
    except files.ArchiveError as error:
        raise _unfit(path, str(error)) from None
    try:
        return _arguments(data)
    except _Unfit as error:
        raise _unfit(path, str(error)) from None


class _Unfit(Exception):
    """What is wrong with the contents."""


def _unfit(path: str, why: str) -> GenesisException:
    return GenesisException(f"load: {path} is not a file of OptimizedTrajectory.save, or is damaged ({why[:200]}).")


def _arguments(data: Mapping[str, np.ndarray]) -> dict[str, Any]:
    controls, states = _array(data, "controls", 2), _array(data, "states", 2)
    (n_steps, nu), nx = controls.shape, states.shape[1]
    if not n_steps or not nu or not nx or len(states) != n_steps + 1:
        raise _Unfit(f"controls {controls.shape} and states {states.shape}; expected (T, nu) and (T + 1, nx)")
    lower, upper = _array(data, "lower", 2, bounds=True), _array(data, "upper", 2, bounds=True)
    if lower.shape != controls.shape or upper.shape != controls.shape or (lower > upper).any():
        raise _Unfit(f"`lower` {lower.shape} and `upper` {upper.shape}; expected {controls.shape}, and lower <= upper")
    arrays = {"controls": controls, "states": states, "lower": lower, "upper": upper}
    if "gains" in data:
        gains = _array(data, "gains", 3)
        # The tangent space has a number less than the state for each quaternion.
        if gains.shape[:2] != controls.shape or not 0 < gains.shape[2] <= nx:
            raise _Unfit(f"gains {gains.shape}; expected ({n_steps}, {nu}, ndx) with ndx up to {nx}")
        arrays["gains"] = gains
    if "feedforward" in data:
        arrays["feedforward"] = _array(data, "feedforward", 2)
        if arrays["feedforward"].shape != controls.shape:
            raise _Unfit(f"feedforward {arrays['feedforward'].shape}; expected {controls.shape}")
    tensors = {k: torch.as_tensor(v, dtype=runtime.tc_float, device=runtime.device) for k, v in arrays.items()}
    for name, tensor in tensors.items():
        if name not in ("lower", "upper") and not bool(torch.isfinite(tensor).all()):
            raise _Unfit(f"`{name}` is too large for {runtime.tc_float}")
    numbers = {name: float(_array(data, name, 0)) for name in _NUMBERS}
    if numbers["dt"] <= 0.0 or numbers["seconds"] < 0.0:
        raise _Unfit(f"dt {numbers['dt']}, seconds {numbers['seconds']}; expected dt > 0 and seconds >= 0")
    words = {name: _word(data, name, known) for name, known in _KNOWN.items()}
    names = _entry(data, "names")
    if names.ndim != 1 or names.dtype.kind != "U" or not names.size:
        raise _Unfit(f"`names` is {names.dtype} {names.shape}; expected the names of the entities")
    return {**tensors, **numbers, **words, "names": tuple(map(str, names)), "history": _history(data)}


def _entry(data: Mapping[str, np.ndarray], name: str) -> np.ndarray:
    if name not in data:
        raise _Unfit(f"there is no `{name}`")
    return data[name]


def _array(data: Mapping[str, np.ndarray], name: str, n_axes: int, bounds: bool = False) -> np.ndarray:
    """Numbers with so many axes in float64, finite, or of bounds not NaN."""
    given = _entry(data, name)
    values = files.real_numbers(given)
    if values is None or values.ndim != n_axes:
        raise _Unfit(f"`{name}` is {given.dtype} {given.shape}; expected numbers with {n_axes} axes")
    if np.isnan(values).any() or not (bounds or np.isfinite(values).all()):
        raise _Unfit(f"`{name}` holds NaN or infinite values")
    return values


def _word(data: Mapping[str, np.ndarray], name: str, known: tuple[str, ...]) -> str:
    word = _entry(data, name)
    if word.ndim or str(word) not in known:
        raise _Unfit(f"`{name}` is {str(word)[:40]!r}; expected one of {', '.join(map(repr, known))}")
    return str(word)


def _history(data: Mapping[str, np.ndarray]) -> list[Iteration]:
    """Costs may be infinite there: of candidates that diverged."""
    columns: list[list[float]] = []
    for name in _COLUMNS:
        column = files.real_numbers(_entry(data, f"history_{name}"))
        if column is None or column.ndim != 1 or (columns and len(column) != len(columns[0])):
            raise _Unfit("the columns of the history differ in length, or hold no numbers")
        columns.append(column.tolist())
    rows = zip(*columns, strict=True)
    return [Iteration(number, *row) for number, row in enumerate(rows)]
