"""What an optimisation reports while it runs, and what ends it."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from genesis.tools.trajectory_optimization.problem import Problem

CONVERGED, MAX_ITERATIONS, TIME_LIMIT = "converged", "max_iterations", "time_limit"
CALLBACK, INTERRUPTED, NO_PROGRESS = "callback", "interrupted", "no_progress"


@dataclass(frozen=True)
class Iteration:
    """One iteration, as a callback gets it.

    Attributes:
        iteration: number, 0 for the first guess
        cost: of the present controls
        seconds: since the start [s]
        step_length: share of the step that was taken; 0: none was
        regularization: in force (iLQR, Gauss-Newton)
        gap: sum of the jumps between the pieces of multiple shooting, else 0
        controls: (T, nu); None in the history
        states: (T + 1, nx); None in the history
    """

    iteration: int
    cost: float
    seconds: float
    step_length: float = 0.0
    regularization: float = 0.0
    gap: float = 0.0
    controls: torch.Tensor | None = None
    states: torch.Tensor | None = None


Callback = Callable[[Iteration], Any]


class Monitor(AbstractContextManager["Monitor"]):
    """Keeps the history, shows the progress, asks the callback, and watches the clock.

    Attributes:
        history: every iteration, without its controls and states
        reason: why to stop; "" while there is none
    """

    def __init__(
        self,
        problem: Problem,
        method: str,
        max_iterations: int,
        time_limit: float | None,
        callback: Any,
        progress: bool,
    ) -> None:
        self.history: list[Iteration] = []
        self.reason = ""
        self.max_iterations = max_iterations
        self._limit, self._callback = time_limit, callback
        self._bar: Any = None
        if progress:
            from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

            columns = (TextColumn(f"{method}, {problem.n_steps} steps"), BarColumn(), TextColumn("{task.description}"))
            self._bar = Progress(*columns, TimeElapsedColumn(), transient=True)
            self._task = self._bar.add_task("", total=max_iterations)
        self._start = time.perf_counter()

    def __enter__(self) -> Monitor:
        if self._bar is not None:
            self._bar.start()
        return self

    def __exit__(self, *_: Any) -> None:
        if self._bar is not None:
            self._bar.stop()

    @property
    def seconds(self) -> float:
        """Since the start [s]."""
        return time.perf_counter() - self._start

    def record(
        self,
        cost: float,
        u: torch.Tensor,
        x: torch.Tensor,
        step: float = 0.0,
        regularization: float = 0.0,
        gap: float = 0.0,
    ) -> bool:
        """Note an iteration; True: the callback, the clock or the number of iterations says that this was the last."""
        number = len(self.history)
        now = Iteration(number, cost, self.seconds, step, regularization, gap, u.clone(), x.clone())
        self.history.append(replace(now, controls=None, states=None))
        if self._bar is not None:
            self._bar.update(self._task, completed=number, description=f"iteration {number}, cost {cost:.6g}")
        if self._callback is not None and self._callback(now) is True:
            self.reason = CALLBACK
        elif self._limit is not None and now.seconds >= self._limit:
            self.reason = TIME_LIMIT
        elif number >= self.max_iterations:
            self.reason = MAX_ITERATIONS
        return bool(self.reason)
