"""What the attached sensors of a scene have in common: what was to be seen after the last steps, and random numbers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from genesis import runtime
from genesis.sensors.attached.draws import Draws
from genesis.sensors.attached.snapshot import Snapshot


class Timeline:
    """What was to be seen after the last steps.

    Attributes:
        record: how what a function returns is recorded
        draws: random numbers, from `begin` on
        snapshots: the oldest first, at most `depth` of them
        age: (N,) int64, steps of each env since its reset
    """

    draws: Draws

    def __init__(self, record: Callable[[Callable[[], Any], Any], Any]) -> None:
        self.record = record
        self.snapshots: list[Snapshot] = []
        self.depth = 1
        self.age = np.zeros(1, dtype=np.int64)
        self._shared: dict[str, Any] = {}

    def begin(self, n_worlds: int) -> None:
        """The scene is built; who knows how far sensors look back sets `depth`."""
        self.age, self._shared = np.zeros(n_worlds, dtype=np.int64), {}
        self.draws = Draws()

    def add(self, snapshot: Snapshot, n_steps: int) -> None:
        """What is to be seen after so many steps more."""
        self.snapshots = [*self.snapshots[1 - self.depth :], snapshot] if self.depth > 1 else [snapshot]
        self.age = self.age + n_steps

    def forget(self, envs: np.ndarray | None) -> None:
        """These envs (None: all) are at their beginning."""
        self.age = self.age.copy()
        if envs is None:
            self.snapshots = []
            self.age[:] = 0
        else:
            self.age[envs] = 0

    def detach(self) -> None:
        """Cut the graph."""
        self.snapshots = [snapshot.detached() for snapshot in self.snapshots]

    def snapshot(self, ago: int) -> Snapshot | None:
        """What was to be seen so many steps ago, after the step; None: nothing is known of it."""
        return self.snapshots[-1 - ago] if ago < len(self.snapshots) else None

    def reaches(self, ago: int) -> torch.Tensor | None:
        """Which envs were there already, (N,) bool; None: all."""
        there = self.age > ago
        return None if there.all() else torch.as_tensor(there, device=runtime.device)

    def shared(self, name: str, make: Callable[[], Any]) -> Any:
        """What several sensors use, made when the first asks for it."""
        if name not in self._shared:
            self._shared[name] = make()
        return self._shared[name]
