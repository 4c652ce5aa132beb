"""Numeric types of the kernels, in the precision chosen by :func:`genesis.init`.

Imported only after ``init``: a kernel is compiled for one precision, and the first ``init`` fixes it for the process.
"""

import threading

import warp as wp

from genesis import runtime

runtime.require_init()
wp.init()  # gs.init has done it, unless the program had imported Warp before

real = wp.float64 if runtime.precision == "64" else wp.float32

vec3 = wp.types.vector(length=3, dtype=real)
vec4 = wp.types.vector(length=4, dtype=real)  # quaternion (w, x, y, z), MuJoCo's order
vec6 = wp.types.vector(length=6, dtype=real)  # spatial vector (rotation, translation), MuJoCo's order
vec10 = wp.types.vector(length=10, dtype=real)  # spatial inertia (xx yy zz xy xz yz, mass * offset, mass)
mat33 = wp.types.matrix(shape=(3, 3), dtype=real)
mat66 = wp.types.matrix(shape=(6, 6), dtype=real)

# Kernels live in two Warp modules, however many files they are written in: compiling a module costs seconds
# almost regardless of how much it holds.
_TAPED = wp.get_module("genesis.taped")
_UNTAPED = wp.get_module("genesis.untaped")
_NOTICE_AFTER = 1.0  # seconds of loading after which the user is told; from the cache it takes milliseconds


def taped(function):
    """Register a kernel whose adjoint Warp generates; see the rules for taped kernels in the design notes."""
    return wp.kernel(function, module=_TAPED)


def untaped(function):
    """Register a kernel without a generated adjoint: iterative, in place, or discrete."""
    return wp.kernel(function, enable_backward=False, module=_UNTAPED)


def load_kernels(device) -> None:
    """Compile (or fetch from the cache on disk) every registered kernel for ``device``, modules in parallel."""
    notice = threading.Timer(
        _NOTICE_AFTER, runtime.logger.info, ["compiling kernels; they are kept on disk, so this happens once"]
    )
    notice.start()
    try:
        wp.force_load(device=device, modules=[_TAPED, _UNTAPED], max_workers=2)
    finally:
        notice.cancel()
