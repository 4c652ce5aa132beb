"""The log: ``gs.logger``, a logger of the standard library with the few methods that Genesis's has besides."""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Iterator
from typing import Any


class Logger(logging.Logger):
    """A ``logging.Logger`` with Genesis's further methods."""

    def raw(self, message: str) -> None:
        """Write a message without a prefix, at level info, as it is."""
        if self.isEnabledFor(logging.INFO):
            for handler in self.handlers:
                stream = getattr(handler, "stream", None)
                if stream is not None:
                    stream.write(message)
                    stream.flush()

    @contextlib.contextmanager
    def timer(self, msg: str, refresh_rate: float = 10, end_msg: str = "") -> Iterator[None]:
        """Log `msg`, and how long the block took after it. `refresh_rate` has no effect: the line is not redrawn."""
        self.info(msg)
        start = time.perf_counter()
        yield
        self.info("%s %.2f s %s", msg, time.perf_counter() - start, end_msg)

    @contextlib.contextmanager
    def log_wrapper(self) -> Iterator[None]:
        """Genesis keeps lines of several threads apart with it; the standard library does so by itself."""
        yield

    lock_timer = log_wrapper

    @property
    def handler(self) -> logging.Handler | None:
        """Where the lines go that `gs.init` set up, or None before."""
        return self.handlers[0] if self.handlers else None


def _made() -> Logger:
    found: Any = logging.getLogger("genesis")
    found.__class__ = Logger  # whoever asked for it first got the standard library's class
    return found


logger: Logger = _made()
