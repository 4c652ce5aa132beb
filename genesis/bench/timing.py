"""Times of things that run in turn, so that whatever else the machine does falls on all of them alike."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

# One pass of a contestant: seconds by the name of what was timed.
Pass = Callable[[], dict[str, float]]


@dataclass(frozen=True)
class Effort:
    """How long to measure: passes in turn until both are reached, but no more than `most`."""

    least: int = 5
    seconds: float = 2.0
    most: int = 200


class Times:
    """Seconds of each part in each repetition, by the part's name; parts of one repetition ran one after the other."""

    def __init__(self, runs: dict[str, list[float]]):
        self.runs = runs

    def median(self, part: str) -> float:
        return statistics.median(self.runs[part])

    def best(self, part: str) -> float:
        return min(self.runs[part])

    def ratio(self, above: tuple[str, ...] | str, below: str) -> float:
        """The median of ratios, each formed within one repetition; of several parts `above`, their sum counts."""
        parts = (above,) if isinstance(above, str) else above
        rows = zip(*(self.runs[part] for part in parts), self.runs[below], strict=True)
        return statistics.median(sum(row[:-1]) / row[-1] for row in rows)


def interleave(contestants: dict[str, Pass], effort: Effort) -> Times:
    """Run each contestant once for warming up, then all of them in turn. Parts are named "contestant.part"."""
    for run in contestants.values():
        run()
    runs: dict[str, list[float]] = {}
    start = time.perf_counter()
    for repetition in range(effort.most):
        if repetition >= effort.least and time.perf_counter() - start > effort.seconds:
            break
        for name, run in contestants.items():
            for part, seconds in run().items():
                runs.setdefault(f"{name}.{part}", []).append(seconds)
    return Times(runs)
