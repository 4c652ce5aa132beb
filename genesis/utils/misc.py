"""Genesis's ``genesis.utils.misc``: tensors and arrays, paths, seeds, and guards of methods."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import functools
import itertools
import math
import os
import random
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import numpy as np
import torch

from genesis import runtime
from genesis.constants import Backend
from genesis.errors import GenesisException
from genesis.small_names import assert_built as assert_built
from genesis.small_names import assert_initialized as assert_initialized
from genesis.small_names import assert_unbuilt as assert_unbuilt
from genesis.small_names import raise_exception as raise_exception
from genesis.small_names import raise_exception_from as raise_exception_from
from genesis.utils.names import MISC
from genesis.utils.refused import missing

__all__ = [*MISC]

Class = TypeVar("Class", bound=type)
Method = TypeVar("Method", bound=Callable[..., Any])


def __getattr__(name: str) -> NoReturn:
    raise missing(__name__, name)


# -- errors and decorators --------------------------------------------------------------------------------------------


class DeprecationError(Exception):
    """What Genesis raises for a name that it has given up."""


def with_lock(method: Method) -> Method:
    """A method that holds `self._lock` while it runs."""

    @functools.wraps(method)
    def locked(self: Any, *args: Any, **kwargs: Any) -> Any:
        with self._lock:
            return method(self, *args, **kwargs)

    return locked  # type: ignore[return-value]


# -- the process ------------------------------------------------------------------------------------------------------


class redirect_libc_stderr:
    """What native code writes to the standard error meanwhile goes to a file that has a descriptor, or is one."""

    _lock = threading.Lock()

    def __init__(self, fd: Any) -> None:
        self.fd = fd

    def __enter__(self) -> redirect_libc_stderr:
        sys.stderr.flush()
        self._original = os.dup(2)
        os.dup2(self.fd if isinstance(self.fd, int) else self.fd.fileno(), 2)
        return self

    def __exit__(self, *_exception: object) -> None:
        sys.stderr.flush()
        os.dup2(self._original, 2)
        os.close(self._original)


@contextlib.contextmanager
def set_environ(environ: Mapping[str, str]) -> Iterator[None]:
    """Environment variables that hold inside of the block; afterwards they are as before."""
    before = {name: os.environ.get(name) for name in environ}
    os.environ.update(environ)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def set_random_seed(seed: int) -> None:
    """Seed the generators of Python, NumPy and torch (on every device)."""
    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002 (programs draw from the global generator)
    torch.manual_seed(seed)


def get_device(backend: Backend, device_idx: int | None = None) -> tuple[torch.device, str, float, Backend]:
    """The device of a backend: torch's, its name, its memory [GiB], and the backend, with `gs.gpu` resolved.

    Raises GenesisException when torch has no such device.
    """
    if backend is Backend.cpu:
        return torch.device("cpu"), _name_of_cpu(), _memory_of_cpu() / 1024**3, backend
    if torch.version.cuda is None or not torch.cuda.is_available():
        raise GenesisException(f"get_device: torch has no GPU for {backend}; use gs.cpu, or a CUDA build of torch.")
    place = torch.device("cuda", torch.cuda.current_device() if device_idx is None else device_idx)
    properties = torch.cuda.get_device_properties(place)
    return place, properties.name, properties.total_memory / 1024**3, Backend.cuda


def _name_of_cpu() -> str:
    import platform

    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _memory_of_cpu() -> float:
    """Bytes; zero where the system does not say."""
    names = getattr(os, "sysconf_names", {})
    if "SC_PHYS_PAGES" not in names or "SC_PAGE_SIZE" not in names:
        return 0.0
    return float(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))


def has_display() -> bool:
    """Whether there is a screen for windows: always on Windows and macOS, else what DISPLAY says."""
    return sys.platform in ("win32", "darwin") or bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


# -- paths ------------------------------------------------------------------------------------------------------------


def get_entry_point_name() -> str:
    """Name of the program's file without its ending; "genesis" where there is none."""
    program = Path(sys.argv[0]) if sys.argv else Path()
    return program.stem if program.is_file() else "genesis"


def get_src_dir() -> str:
    """Folder of this package."""
    return str(Path(__file__).resolve().parent.parent)


def get_assets_dir() -> str:
    """Folder of the files that this package ships."""
    return str(Path(get_src_dir()) / "assets")


def get_cache_dir() -> str:
    """Folder of this user for what can be made again: `GENESIS_CACHE`, or one in the folder for caches."""
    given = os.environ.get("GENESIS_CACHE") or os.environ.get("GS_CACHE_FILE_PATH")
    if given:
        return given
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return str(Path(base) / "genesis")


def get_gen_log_dir() -> str:
    """A folder in that for caches that has the present time for its name."""
    return str(Path(get_cache_dir()) / "logs" / f"{datetime.datetime.now():%Y%m%d_%H%M%S_%f}")


# -- numbers ----------------------------------------------------------------------------------------------------------


def geometric_mean(a: float, b: float) -> float:
    """sqrt(a b); raises GenesisException for a negative number."""
    if a < 0 or b < 0:
        raise GenesisException(f"geometric_mean: got {a} and {b}; expected numbers of zero or more.")
    return math.sqrt(a * b)


def harmonic_mean(a: float, b: float) -> float:
    """2 a b / (a + b), zero where one is; raises GenesisException for a negative number."""
    if a < 0 or b < 0:
        raise GenesisException(f"harmonic_mean: got {a} and {b}; expected numbers of zero or more.")
    return 2.0 * a * b / (a + b) if a and b else 0.0


def is_approx_multiple(a: float, b: float, tol: float = 1e-7) -> bool:
    """Whether `a` is a multiple of `b`, within `tol`."""
    rest = a % b
    return bool(min(abs(rest), abs(b - rest)) < tol)


def gaussian_crosstalk_kernel(
    n_rows: int, n_cols: int, sigma: float, spacing: float | tuple[float, float] = 1.0
) -> np.ndarray:
    """A Gaussian on a grid around its middle, (n_rows, n_cols), whose sum is one.

    `sigma` and `spacing` (of the rows, of the columns) have one unit. Raises GenesisException for an even number of
    rows or columns, and a `sigma` that is not above zero.
    """
    owner = "gaussian_crosstalk_kernel"
    if n_rows % 2 == 0 or n_cols % 2 == 0:
        raise GenesisException(f"{owner}: got {n_rows} rows and {n_cols} columns; expected odd numbers.")
    if not sigma > 0:
        raise GenesisException(f"{owner}: `sigma` is {sigma}; expected a number above zero.")
    steps = spacing if isinstance(spacing, Sequence) else (spacing, spacing)
    along_rows, along_columns = (
        np.exp(-0.5 * ((np.arange(n) - n // 2) * step / sigma) ** 2)
        for n, step in zip((n_rows, n_cols), steps, strict=True)
    )
    weights = np.outer(along_rows, along_columns)
    return weights / weights.sum()


# -- tensors and arrays -----------------------------------------------------------------------------------------------


def to_gs_tensor(x: Any, dtype: torch.dtype | None = None) -> torch.Tensor:
    """A torch tensor on `gs.device`; floats of arrays and lists become `gs.tc_float`, integers `gs.tc_int`."""
    if isinstance(x, torch.Tensor):
        return x.to(device=runtime.device, dtype=dtype)
    array = np.asarray(x)
    if dtype is None and array.dtype != np.bool_:
        dtype = runtime.tc_float if np.issubdtype(array.dtype, np.floating) else runtime.tc_int
    return torch.tensor(np.ascontiguousarray(array), dtype=dtype, device=runtime.device).reshape(array.shape)


def assert_gs_tensor(x: Any) -> None:
    """Raise GenesisException unless `x` is a `genesis.grad.Tensor`."""
    from genesis.grad import Tensor

    if not isinstance(x, Tensor):
        raise GenesisException(f"Expected a genesis.grad.Tensor, as gs.tensor(...) makes, got {type(x).__name__}.")


def tensor_to_cpu(x: Any) -> Any:
    """A tensor without its graph, on the CPU; anything else as it is."""
    return x.detach().cpu() if isinstance(x, torch.Tensor) else x


def tensor_to_array(x: Any, dtype: Any = None) -> np.ndarray:
    """A numpy array of a tensor on any device, with or without graph, or of anything that numpy takes."""
    return np.asarray(tensor_to_cpu(x), dtype=dtype)


def data_to_array(data: Any, *, to_torch: bool = False, copy: bool | None = None) -> Any:
    """Tensors in dictionaries, lists and tuples, however nested, as numpy arrays; a named tuple as a dictionary.

    `to_torch`: they stay tensors. `copy`: they share no memory with what was given.
    """
    if isinstance(data, torch.Tensor):
        data = data.clone() if copy else data
        return data if to_torch else tensor_to_array(data)
    if isinstance(data, tuple) and hasattr(data, "_asdict"):
        data = data._asdict()
    if isinstance(data, Mapping):
        return {key: data_to_array(value, to_torch=to_torch, copy=copy) for key, value in data.items()}
    if isinstance(data, (list, tuple)):
        return type(data)(data_to_array(value, to_torch=to_torch, copy=copy) for value in data)
    return data


def concat_with_tensor(
    tensor: torch.Tensor, value: Any, expand: tuple[int, ...] | None = None, dim: int = 0, flatten: bool = False
) -> torch.Tensor:
    """A tensor and a value (a number, a list, a tensor) one behind the other along an axis.

    The value is expanded to the shape `expand`, and flattened, where asked. Raises GenesisException for shapes that do
    not fit.
    """
    if not isinstance(value, torch.Tensor):
        value = torch.as_tensor(value if np.ndim(value) else [value], dtype=tensor.dtype, device=tensor.device)
    value = value if expand is None else value.expand(*expand)
    value = value.flatten() if flatten else value
    axis = dim + tensor.ndim if dim < 0 else dim
    fits = 0 <= axis < tensor.ndim == value.ndim and all(
        mine in (0, other) for k, (mine, other) in enumerate(zip(tensor.shape, value.shape, strict=True)) if k != axis
    )
    if not fits:
        raise GenesisException(
            f"concat_with_tensor: shapes {tuple(tensor.shape)} and {tuple(value.shape)} do not fit along axis {dim}."
        )
    return value.contiguous() if tensor.numel() == 0 else torch.cat([tensor, value], axis)


def make_tensor_field(shape: tuple[int, ...] = (), dtype_factory: Callable[[], torch.dtype] | None = None) -> Any:
    """The field of a dataclass whose default is an empty tensor on `gs.device`, of `gs.tc_float` or what is given."""

    def make() -> torch.Tensor:
        dtype = runtime.tc_float if dtype_factory is None else dtype_factory()
        return torch.empty(shape, dtype=dtype, device=runtime.device)

    return dataclasses.field(default_factory=make)


def broadcast_tensor(
    tensor: Any, dtype: torch.dtype, expected_shape: Sequence[int], dim_names: Sequence[str] | None = None
) -> torch.Tensor:
    """A tensor on `gs.device`, expanded to a shape; None: an uninitialised one.

    Axes that are missing are added where the others fit, at the front if possible. Raises GenesisException, with
    `dim_names`, for a shape that does not fit.
    """
    shape = tuple(expected_shape)
    if tensor is None:
        if -1 in shape:
            raise GenesisException(f"broadcast_tensor: no tensor is given, and the shape {shape} is not known.")
        return torch.empty(shape, dtype=dtype, device=runtime.device)
    if isinstance(tensor, np.ndarray):
        tensor = np.array(tensor)  # torch knows no negative strides
    value = torch.as_tensor(tensor, dtype=dtype, device=runtime.device)
    for places in reversed(list(itertools.combinations(range(len(shape)), min(value.ndim, len(shape))))):
        sizes = dict(zip(places, value.shape, strict=False))
        if len(sizes) == value.ndim and all(size in (1, shape[k]) or shape[k] == -1 for k, size in sizes.items()):
            return value.reshape([sizes.get(k, 1) for k in range(len(shape))]).expand(
                [sizes.get(k, 1) if n == -1 else n for k, n in enumerate(shape)]
            )
    named = f" (axes: {', '.join(dim_names)})" if dim_names and any(dim_names) else ""
    raise GenesisException(f"Expected shape {shape}{named}, got {tuple(value.shape)}.")


def sanitize_index(index: Any, expected_size: int, max_size: int, dim: int, name: str) -> torch.Tensor:
    """Indices (n,) of an axis as a tensor of `gs.tc_int`, from an int, a slice, a range, a list or a mask; None: all.

    Negatives count from the end. Raises GenesisException for what are no indices, those out of range, and another
    number of them than `expected_size` (-1: any).
    """
    told = f"`{name}`" if name else f"index {dim}"
    if index is None or isinstance(index, slice):
        index = range(*(index or slice(None)).indices(max_size))
    array = np.asarray(tensor_to_cpu(index) if isinstance(index, torch.Tensor) else list(np.atleast_1d(index)))
    array = np.atleast_1d(array)
    if array.dtype == np.bool_:
        if array.shape != (max_size,):
            raise GenesisException(f"{told}: the mask has shape {array.shape}, expected ({max_size},).")
        array = np.flatnonzero(array)
    if array.size == 0:
        array = np.zeros(0, dtype=int)
    if array.dtype.kind not in "iu" or array.ndim != 1:
        raise GenesisException(f"{told}: got {index!r}; expected integers, a slice or a mask.")
    if ((array < -max_size) | (array >= max_size)).any():
        raise GenesisException(f"{told}: {array.tolist()} has an index out of range (there are {max_size}).")
    if expected_size not in (-1, len(array)):
        raise GenesisException(f"{told}: got {len(array)} indices, expected {expected_size}.")
    return torch.as_tensor(np.where(array < 0, array + max_size, array), dtype=runtime.tc_int, device=runtime.device)


def sanitize_indices(
    indices: Sequence[Any], expected_shape: Sequence[int], max_shape: Sequence[int], dim_names: Sequence[str]
) -> tuple[torch.Tensor, ...]:
    """The same of several axes."""
    return tuple(
        sanitize_index(index, expected_shape[k], max_shape[k], k, dim_names[k]) for k, index in enumerate(indices)
    )
