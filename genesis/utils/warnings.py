"""Genesis's ``genesis.utils.warnings``: what is said once."""

from __future__ import annotations

from genesis import runtime

_seen: set[str] = set()


def warn_once(message: str) -> None:
    """Log a warning, unless the same was logged before in this process."""
    if message not in _seen:
        _seen.add(message)
        runtime.logger.warning(message)
