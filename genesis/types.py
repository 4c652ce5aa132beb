"""Numeric types of the kernels, in the precision chosen by :func:`genesis.init`.

Imported only after ``init``: a kernel is compiled for one precision, and the first ``init`` fixes it for the process.
"""

import contextlib
import logging
import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor

import warp as wp

from genesis import runtime
from genesis.garbage import not_collected

runtime.require_init()
wp.init()  # gs.init has done it, unless the program had imported Warp before

real = wp.float64 if runtime.precision == "64" else wp.float32

vec2 = wp.types.vector(length=2, dtype=real)
vec3 = wp.types.vector(length=3, dtype=real)
vec4 = wp.types.vector(length=4, dtype=real)  # quaternion (w, x, y, z), MuJoCo's order
vec6 = wp.types.vector(length=6, dtype=real)  # spatial vector (rotation, translation), MuJoCo's order
vec10 = wp.types.vector(length=10, dtype=real)  # spatial inertia (xx yy zz xy xz yz, mass * offset, mass)
mat33 = wp.types.matrix(shape=(3, 3), dtype=real)
mat66 = wp.types.matrix(shape=(6, 6), dtype=real)

# Kernels of one file are one Warp module, which is compiled, kept on disk and loaded as a whole. The time goes to the
# compiler's optimiser and is that of the code there is; a module more costs a tenth of a second. So files can be
# compiled side by side, and what a model does not need is not compiled for it.
_NOTICE_AFTER = 1.0  # seconds of loading a module after which the user is told; from the cache it takes milliseconds
_WARN_AFTER = 3.0  # seconds after which also a user is told who wants warnings only: the program seems to hang
_MOST_THREADS = 8  # each parses Warp's headers once, some two seconds
_kernels: list[wp.Kernel] = []  # every one that is registered
# The compiler's own limits of inlining. With Warp's, by which whatever is called ends up in its caller, a large file of
# functions (collision/convex) is three times as large and as slow to compile, and no kernel is faster. The same for
# all, since they belong to the process: modules that ask for different ones wait for each other. The processor to
# compile for stays the user's choice.
_OF_CPU = wp.config.cpu_compiler_flags
_OPTIONS = {"cpu_compiler_flags": "-march=native" if _OF_CPU is None or "-march=native" in _OF_CPU else ""}


def taped(function, name: str | None = None, file: str | None = None):
    """Register a kernel whose adjoint Warp generates; see the rules for taped kernels in the design notes.

    ``name`` and ``file`` (a module's ``__name__``) of a kernel that is compiled with another file than it is made in.
    """
    return _registered(wp.kernel(function, name=name, module=file))


def untaped(function, name: str | None = None, file: str | None = None):
    """Register a kernel without a generated adjoint: iterative, in place, or discrete."""
    return _registered(wp.kernel(function, name=name, module=file, enable_backward=False))


def _registered(kernel: wp.Kernel) -> wp.Kernel:
    kernel.module.options.update(_OPTIONS)
    _kernels.append(kernel)
    return kernel


def load_kernels(device, kernels: Iterable[wp.Kernel] | None = None) -> None:
    """Compile (or fetch from the cache on disk) the files of these kernels, by default of all, several at a time.

    In the order given: what takes longest to compile belongs to the front. What is compiled is logged, file by file as
    information, or where that is not shown once as a warning.
    """
    modules = list(dict.fromkeys(kernel.module for kernel in (_kernels if kernels is None else kernels)))
    began = time.perf_counter()
    told = []

    def load(index: int) -> None:
        def tell() -> None:
            told.append(index)
            runtime.logger.info("compiling kernels, %d of %d: %s", index + 1, len(modules), _title(modules[index]))

        with _after(_NOTICE_AFTER, tell):
            wp.force_load(device=device, modules=[modules[index]], max_workers=0)

    def warn() -> None:
        if not runtime.logger.isEnabledFor(logging.INFO):
            runtime.logger.warning(
                "compiling kernels, which may take a minute; they are kept on disk, so this happens once"
            )

    if wp.get_device(device).is_cpu:
        # Asks for the processor's features once, here: two threads at once may get an answer that is cut off, and name
        # what they compiled so that it is not found again.
        wp.get_cpu_kernel_cache_key()
    threads = ThreadPoolExecutor(min(_cores(), _MOST_THREADS, len(modules)))
    with not_collected(), _after(_WARN_AFTER, warn), threads as pool:
        for _ in pool.map(load, range(len(modules))):
            pass
    if told:
        elapsed = time.perf_counter() - began
        runtime.logger.info("kernels compiled in %.0f s; they are kept on disk, so this happens once", elapsed)


@contextlib.contextmanager
def _after(seconds: float, tell: Callable[[], None]) -> Iterator[None]:
    """Call `tell` in a thread of its own if the block is not left within so many seconds."""
    timer = threading.Timer(seconds, tell)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _title(module) -> str:
    return (
        module.name.removeprefix("genesis.")
        .removeprefix("rigid.")
        .removeprefix("kernels.")
        .replace(".", " ")
        .replace("_", " ")
    )


def _cores() -> int:
    """How many this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
