"""What the parts of the drawing ask of each other."""

from __future__ import annotations

from typing import Protocol


class Shown(Protocol):
    """A scene."""

    @property
    def is_built(self) -> bool:
        """Whether it has been built."""

    @property
    def n_envs(self) -> int:
        """Number of envs; 0 when built without."""


class Owner(Protocol):
    """The visualizer, to whom cameras and viewer belong."""

    @property
    def scene(self) -> Shown:
        """The scene."""

    @property
    def is_built(self) -> bool:
        """Whether the scene has been built."""

    def say_nothing_is_drawn(self, what: str) -> None:
        """Warn once that this version draws nothing; `what` was asked for."""
