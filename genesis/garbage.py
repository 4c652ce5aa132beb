"""Python's garbage collector, out of the way where a great many objects are made that all live on."""

import contextlib
import gc
from collections.abc import Iterator


@contextlib.contextmanager
def not_collected() -> Iterator[None]:
    """No collection of reference cycles in the block: importing torch, Warp and the kernels, and generating code.

    The collector would look through what has been imported again and again, a quarter of the time that starting takes.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
