"""The process-wide runtime: backend, precision, seed, log. The only mutable global of the engine.

:func:`init` publishes ``backend``, ``device``, ``precision``, ``tc_float``, ``tc_int``, ``np_float``, ``np_int`` and
``EPS`` as attributes of this module, :func:`destroy` takes them away again. Read them as ``runtime.device``; a
``from genesis.runtime import device`` would keep the value of an earlier ``init``.
"""

from __future__ import annotations

import contextlib
import difflib
import logging
import os
import random
import sys
import tempfile
from collections.abc import Iterator, Sequence
from typing import Any, NoReturn

import numpy as np
import torch

from genesis import asset_files
from genesis.constants import Backend
from genesis.errors import GenesisException, NotInitializedError
from genesis.garbage import not_collected
from genesis.log import logger

backend: Backend
"""The backend in use: ``gs.cpu`` or ``gs.cuda`` (every other one is resolved to one of the two)."""
device: torch.device
"""Where every tensor of the engine lives."""
precision: str
"""``"32"`` or ``"64"``."""
tc_float: torch.dtype
tc_int: torch.dtype
np_float: type[np.floating]
np_int: type[np.integer]
tc_bool: torch.dtype
np_bool: type[np.bool_]
num_threads: int
"""How many threads share the envs of a scene on the CPU."""
EPS: float
"""Smallest number that counts as non-zero: the larger of ``eps`` given to ``init`` and the machine epsilon."""

any_stride = False
"""Whether kernels on the CPU can work on envs adjacent in memory, as on CUDA; for tests, to be set before `init`."""

STATE_NAMES = (
    "backend",
    "device",
    "precision",
    "tc_float",
    "tc_int",
    "tc_bool",
    "np_float",
    "np_int",
    "np_bool",
    "num_threads",
    "EPS",
)

_FLOATS: dict[str, tuple[torch.dtype, type[np.floating]]] = {
    "32": (torch.float32, np.float32),
    "64": (torch.float64, np.float64),
}
_LEVELS = ("debug", "info", "warning", "warn", "error", "critical")
_WITHOUT_KERNELS = (Backend.amdgpu, Backend.metal, Backend.vulkan)
_THEMES = ("dark", "light", "dumb")

PRECISION_VARIABLE = "GENESIS_PRECISION"
"""Environment variable that takes the place of ``init``'s ``precision``: a program runs in 64 bits without a change."""

_NO_DRIVER = "Could not find or load the NVIDIA CUDA driver"

_process_precision: str | None = None  # set by the first init: kernels are compiled for one precision only
_torch_defaults: tuple[torch.dtype, torch.device] | None = None  # what destroy puts back
_handler: logging.Handler | None = None


def __getattr__(name: str) -> NoReturn:
    if name in STATE_NAMES:
        raise NotInitializedError(f"gs.{name} is not known before the runtime has started: call gs.init() first.")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def is_initialized() -> bool:
    """Whether :func:`init` has been called, and :func:`destroy` not since."""
    return _torch_defaults is not None


def require_init() -> None:
    """Raise ``GenesisException`` unless the runtime has started."""
    if _torch_defaults is None:
        raise NotInitializedError("The runtime has not started: call gs.init() first.")


def init(
    backend: Backend | None = None,
    *,
    precision: str = "32",
    seed: int | None = None,
    logging_level: str | int | None = None,
    debug: bool = False,
    eps: float = 1e-15,
    theme: str = "dark",
    logger_verbose_time: bool = False,
    performance_mode: bool = False,
    use_deterministic_algorithms: bool | None = None,
    num_threads: int | None = None,
    assets: str | os.PathLike[str] | Sequence[str | os.PathLike[str]] | None = None,
    **unknown: Any,
) -> None:
    """Start the runtime. Called once, before any scene; again only after :func:`destroy`.

    Sets torch's default dtype and default device to match, so that tensors which the user allocates line up.

    Parameters
    ----------
    backend
        ``gs.cpu``, ``gs.gpu`` (a CUDA GPU, or the CPU with a warning where there is none) or ``gs.cuda`` (an error
        where there is none). ``gs.amdgpu``, ``gs.metal``, ``gs.vulkan``: the CPU with a warning. ``None``: a GPU if
        there is one, else the CPU; the CPU with ``debug=True``.
    precision
        ``"32"`` or ``"64"`` bits for every float of the engine. The first call decides it for the process. The
        environment variable ``GENESIS_PRECISION``, where it is set, takes its place.
    seed
        Seeds torch, numpy and the standard library, from 0 to 2**32 - 1. ``None``: they are left alone.
    logging_level
        ``"debug"``, ``"info"``, ``"warning"``, ``"error"``, ``"critical"``, or a number of the ``logging`` module.
        ``None``: ``"info"``, or ``"debug"`` with ``debug=True``.
    debug
        Changes the defaults of ``backend`` and ``logging_level``, as said there.
    eps
        Lower bound of ``gs.EPS``.
    theme
        ``"dark"`` or ``"light"`` for a coloured log on a terminal, ``"dumb"`` for plain text.
    logger_verbose_time
        Show the date and milliseconds in the log.
    performance_mode
        Accepted for programs written for Genesis; has no effect, since kernels never depend on it here.
    use_deterministic_algorithms
        The same: two runs on one machine give the same numbers on the CPU anyway.
    num_threads
        Among how many threads the envs of a scene are shared out on the CPU; results do not depend on it. ``None``: as
        many as there are cores for this process.
    assets
        A folder, or several, in which files of entities are looked for that are named relative to it
        (`genesis.asset_files` says where else).

    Raises
    ------
    GenesisException
        Already initialised; another precision than before in this process; no GPU for ``gs.cuda``; a bad argument.
        Nothing has changed then.
    """
    global _process_precision, _torch_defaults
    if unknown:
        raise GenesisException(_unknown_arguments(unknown))
    if is_initialized():
        raise GenesisException("gs.init() was called a second time: call gs.destroy() first to start afresh.")
    if not isinstance(precision, str) or precision not in _FLOATS:
        raise GenesisException(f'gs.init(precision={precision!r}): expected "32" or "64" (a string).')
    forced = os.environ.get(PRECISION_VARIABLE)
    if forced:
        if forced not in _FLOATS:
            raise GenesisException(f'{PRECISION_VARIABLE}={forced} in the environment: expected "32" or "64".')
        precision = forced
    if _process_precision not in (None, precision):
        raise GenesisException(
            f'gs.init(precision="{precision}"): this process runs in {_process_precision} bits since its first '
            f"gs.init(), and kernels are compiled for one precision only. Start another process for {precision} bits."
        )
    if theme not in _THEMES:
        raise GenesisException(f"gs.init(theme={theme!r}): expected one of {', '.join(map(repr, _THEMES))}.")
    if isinstance(eps, bool) or not isinstance(eps, (int, float)) or not 0 <= eps < float("inf"):
        raise GenesisException(f"gs.init(eps={eps!r}): expected a finite number, not negative.")
    threads = _thread_count(num_threads)
    level = _level(("debug" if debug else "info") if logging_level is None else logging_level)
    _check_seed(seed)
    resolved, fell_back = _resolve_backend(backend, debug)
    folders = asset_files.check_folders(assets)

    said_by_warp = _start_warp()
    _start_log(level, theme, logger_verbose_time)
    float_type, np_float_type = _FLOATS[precision]
    # The index is fixed here: "cuda" alone would follow torch.cuda.set_device while the kernels stay where they are.
    place = torch.device("cuda", torch.cuda.current_device()) if resolved is Backend.cuda else torch.device("cpu")

    _torch_defaults = (torch.get_default_dtype(), torch.get_default_device())
    _process_precision = precision
    torch.set_default_dtype(float_type)
    if _torch_defaults[1] != place:
        # Only then: a default device is a mode through which torch sends every one of its calls.
        torch.set_default_device(place)
    globals().update(
        backend=resolved,
        device=place,
        precision=precision,
        tc_float=float_type,
        tc_int=torch.int32,
        tc_bool=torch.bool,
        np_float=np_float_type,
        np_int=np.int32,
        np_bool=np.bool_,
        num_threads=threads,
        EPS=max(float(eps), float(np.finfo(np_float_type).eps)),
    )
    asset_files.set_folders(folders)
    if seed is not None:
        torch.manual_seed(seed)
        np.random.seed(seed)  # noqa: NPY002 (a program that draws from the global generator is to be reproducible)
        random.seed(seed)

    for line in said_by_warp:
        logger.log(logging.DEBUG if _NO_DRIVER in line else logging.WARNING, line)
    if fell_back:
        if backend in _WITHOUT_KERNELS:
            logger.warning("backend=%s: there are no kernels for it here, running on the CPU.", backend)
        else:
            logger.warning("backend=gs.gpu: no usable CUDA GPU found by torch, running on the CPU.")
    if performance_mode or use_deterministic_algorithms is not None:
        logger.debug("performance_mode and use_deterministic_algorithms have no effect here.")
    name = torch.cuda.get_device_name(place) if resolved is Backend.cuda else "CPU"
    logger.info("Running on %s in %s bits, seed %s.", name, precision, seed)


def destroy() -> None:
    """Stop the runtime and put torch's default dtype and device back. Does nothing if it has not started.

    Scenes made before are not to be used afterwards.
    """
    global _torch_defaults, _handler
    if _torch_defaults is None:
        return
    default_dtype, default_device = _torch_defaults
    torch.set_default_dtype(default_dtype)
    if torch.get_default_device() != default_device:
        torch.set_default_device(None if default_device.type == "cpu" else default_device)
    _torch_defaults = None
    for name in STATE_NAMES:
        del globals()[name]
    if _handler is not None:
        logger.removeHandler(_handler)
        _handler = None


def _unknown_arguments(unknown: dict[str, Any]) -> str:
    known = [name for name in init.__annotations__ if name not in ("unknown", "return")]
    parts = []
    for name in unknown:
        close = difflib.get_close_matches(name, known, n=1)
        parts.append(f"{name}" + (f" (did you mean {close[0]}?)" if close else ""))
    return f"gs.init() does not know the argument {', '.join(parts)}; it takes {', '.join(known)}."


def _check_seed(seed: Any) -> None:
    if seed is None:
        return
    if isinstance(seed, bool) or not isinstance(seed, (int, np.integer)) or not 0 <= seed < 2**32:
        raise GenesisException(f"gs.init(seed={seed!r}): expected an integer from 0 to 2**32 - 1, or None.")


def _thread_count(num_threads: Any) -> int:
    if num_threads is None:
        return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if isinstance(num_threads, bool) or not isinstance(num_threads, (int, np.integer)) or num_threads < 1:
        raise GenesisException(f"gs.init(num_threads={num_threads!r}): expected a whole number from 1 on, or None.")
    return int(num_threads)


def _level(level: Any) -> int:
    if isinstance(level, str) and level.lower() in _LEVELS:
        return getattr(logging, level.upper())
    if isinstance(level, int) and not isinstance(level, bool) and level >= 0:
        return level
    raise GenesisException(
        f"gs.init(logging_level={level!r}): expected one of {', '.join(map(repr, _LEVELS))}, or a level of `logging`."
    )


def _resolve_backend(requested: Any, debug: bool) -> tuple[Backend, bool]:
    """The backend to run on, ``cpu`` or ``cuda``, and whether that is less than was asked for."""
    if requested is not None and not isinstance(requested, Backend):
        raise GenesisException(f"gs.init(backend={requested!r}): expected gs.cpu, gs.gpu or gs.cuda.")
    if requested in _WITHOUT_KERNELS:
        return Backend.cpu, True
    if requested is Backend.cpu or (requested is None and debug):
        return Backend.cpu, False
    # ROCm builds of torch answer is_available() too, but Warp has no kernels for them.
    if torch.version.cuda is not None and torch.cuda.is_available():
        return Backend.cuda, False
    if requested is Backend.cuda:
        raise GenesisException(
            "gs.init(backend=gs.cuda): torch finds no CUDA GPU. Install a CUDA build of torch and a driver, "
            "or pass gs.cpu."
        )
    return Backend.cpu, requested is Backend.gpu


def _start_warp() -> list[str]:
    """Start Warp without its banner; whoever imported it before has configured it to their own taste.

    Returns what it wrote to stderr, line by line.
    """
    if "warp" in sys.modules:
        return []
    with not_collected():
        import warp

    # Warp's names for one thing: a level of `logging` in newer versions, a switch before.
    if hasattr(warp.config, "log_level"):
        warp.config.log_level = logging.WARNING
    else:
        setattr(warp.config, "quiet", True)  # noqa: B010 (the type checker sees one version only)
    # Its native part writes to the file descriptor, whatever the settings: without a GPU, that there is none.
    with _captured_stderr() as lines, not_collected():
        warp.init()
    return lines


@contextlib.contextmanager
def _captured_stderr() -> Iterator[list[str]]:
    """What is written to file descriptor 2 meanwhile, by native code too, as lines, complete when the block ends."""
    lines: list[str] = []
    with tempfile.TemporaryFile(mode="w+", errors="replace") as file:
        try:
            original = os.dup(2)
        except OSError:  # closed: nothing can be written there
            yield lines
            return
        os.dup2(file.fileno(), 2)
        try:
            yield lines
        finally:
            os.dup2(original, 2)
            os.close(original)
            file.seek(0)
            lines += file.read().splitlines()


def _start_log(level: int, theme: str, verbose_time: bool) -> None:
    global _handler
    handler: logging.Handler
    if theme != "dumb" and sys.stderr is not None and sys.stderr.isatty():
        from rich.console import Console
        from rich.logging import RichHandler

        date_format = "[%Y-%m-%d %H:%M:%S.%f]" if verbose_time else "[%X]"
        handler = RichHandler(console=Console(stderr=True), show_path=False, log_time_format=date_format)
        handler.setFormatter(logging.Formatter("%(message)s"))
    else:
        handler = _StderrHandler()
        prefix = "%(asctime)s " if verbose_time else ""
        handler.setFormatter(logging.Formatter(prefix + "[%(name)s] %(levelname)s: %(message)s"))
    handler.addFilter(_nobody_else_logs)
    logger.addHandler(handler)
    logger.setLevel(level)
    _handler = handler


class _StderrHandler(logging.StreamHandler):
    """Writes to what ``sys.stderr`` is at the time of the message (it may be redirected after ``init``)."""

    def __init__(self) -> None:
        logging.Handler.__init__(self)

    @property
    def stream(self) -> Any:
        return sys.stderr


def _nobody_else_logs(record: logging.LogRecord) -> bool:
    # A program that has configured logging receives the records through propagation; do not show them twice.
    return not logging.getLogger().handlers
