"""How the cost grows: with the horizon, the envs, the joints of a chain and the contacts. Each with its exponent."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from genesis.bench import programs, reference
from genesis.bench.measure import Figures, Settings, rollout_pass
from genesis.bench.scenes import SPECS, Subject, balls, chain
from genesis.bench.timing import Effort, Pass, interleave
from genesis.errors import GenesisException

# A chain stays near its rest however long it moves; the arm, which nothing damps, does not.
HORIZON_SCENE = "chain-9"
LONG_HORIZON = 100_000
LONGEST_HORIZON = 1_000_000
MEMORY_LIMIT = "16MB"
# Few passes, since a long one averages over the noise by itself.
EFFORT = Effort(least=3, seconds=0.5, most=20)
QUICK_EFFORT = Effort(least=1, seconds=0.0)
SMALLEST_TAIL = 3


@dataclass(frozen=True)
class Sweep:
    """One scene or family of scenes over a range of sizes.

    Attributes:
        name: and the unit of its sizes
        sizes, quick_sizes: what is varied
        subject: of a size
        steps: of a size
        per_step: whether times count per step and env, rather than of the whole
        target: the exponent that is wanted at most, up to size `target_until`
    """

    name: str
    unit: str
    sizes: tuple[int, ...]
    quick_sizes: tuple[int, ...]
    subject: Callable[[int], Subject]
    steps: Callable[[int], int]
    per_step: bool
    target: float | None = None
    target_until: int | None = None


def _chain_subject(n_joints: int) -> Subject:
    return Subject(chain(n_joints))


SWEEPS = (
    Sweep(
        "horizon",
        "steps",
        (10, 100, 1000, 10_000, 100_000),
        (10, 100, 1000),
        lambda _: _chain_subject(9),
        lambda n_steps: n_steps,
        per_step=False,
        target=1.0,
    ),
    Sweep(
        "envs",
        "envs",
        (1, 4, 16, 64, 256, 1024, 4096, 16384),
        (1, 16, 64),
        lambda n_envs: Subject(SPECS["arm"], n_envs),
        lambda n_envs: max(10, min(200, 50_000 // n_envs)),
        per_step=False,
        target=1.0,
    ),
    Sweep(
        "chain",
        "joints",
        (4, 8, 16, 32, 64, 128),
        (4, 8, 16),
        _chain_subject,
        lambda n_joints: max(50, 2000 // n_joints),
        per_step=True,
        target=2.0,
        target_until=64,
    ),
    Sweep(
        "contacts",
        "contacts",
        (1, 2, 5, 10, 20, 50, 100, 200),
        (1, 2, 5),
        lambda count: Subject(balls(count)),
        lambda count: max(10, 400 // count),
        per_step=True,
    ),
)


def run_sweep(sweep: Sweep, settings: Settings, quick: bool, progress: Callable[[str], None]) -> Figures:
    """Times over the sizes, and the exponents fitted to the least ones."""
    rows: list[dict[str, Any]] = []
    missing = None
    for size in sweep.quick_sizes if quick else sweep.sizes:
        try:
            row = _measure(sweep, size, settings, QUICK_EFFORT if quick else EFFORT)
        except GenesisException as error:
            missing = f"from {size} {sweep.unit} on: {error}"
            break
        rows.append(row)
        progress(
            f"  {sweep.name:9} {size:7d} {sweep.unit:9} forward {row['forward_us']:10.2f} us"
            f"  backward {row['backward_us']:10.2f} us  mujoco {row['mujoco_us']:10.2f} us"
        )
    figures: Figures = {"unit": sweep.unit, "per_step": sweep.per_step, "rows": rows}
    if missing is not None:
        figures["missing"] = missing
    until = sweep.target_until
    fitted = [row for row in rows if until is None or row["size"] <= until]
    if len(fitted) >= 2:
        for part in ("forward", "backward", "mujoco"):
            # Of the least times: sizes are measured one after the other, and noise only ever adds.
            figures[part] = growth([row["size"] for row in fitted], [row[f"{part}_best_us"] for row in fitted])
    return figures


def _measure(sweep: Sweep, size: int, settings: Settings, effort: Effort) -> dict[str, Any]:
    subject, n_steps = sweep.subject(size), sweep.steps(size)
    beside: Pass = (
        reference.parallel_rollout(subject, n_steps, settings.n_threads)
        if subject.n_envs > 1
        else reference.steps(subject, n_steps)
    )
    times = interleave({"genesis": rollout_pass(subject, n_steps), "mujoco": beside}, effort)
    # Of many envs a step counts as one of all of them, so that the time grows with their number.
    scale = 1e6 if sweep.name == "horizon" else 1e6 / n_steps
    row: dict[str, Any] = {"size": size, "steps": n_steps, "contacts": subject.contacts}
    for name, part in (("forward", "genesis.forward"), ("backward", "genesis.backward"), ("mujoco", "mujoco.forward")):
        row |= {f"{name}_us": scale * times.median(part), f"{name}_best_us": scale * times.best(part)}
    return row


def growth(sizes: list[int], times: list[float]) -> dict[str, float]:
    """Exponents p of time ~ size^p by least squares of the logarithms: over all sizes, and over the upper half of them,
    where what a step costs at least no longer hides how it grows."""

    def slope(count: int) -> float:
        return float(np.polyfit(np.log(sizes[-count:]), np.log(times[-count:]), 1)[0])

    upper = min(len(sizes), max(SMALLEST_TAIL, (len(sizes) + 1) // 2))
    return {"exponent": slope(len(sizes)), "upper_exponent": slope(upper)}


def bounded_memory(settings: Settings, quick: bool) -> Figures:
    """A long gradient with `memory_limit` beside one without, and the memory of a longer one, in its own process."""
    horizon = 1000 if quick else LONG_HORIZON
    subject = _chain_subject(9)
    free = rollout_pass(subject, horizon)
    bounded = rollout_pass(subject, horizon, memory_limit=MEMORY_LIMIT)
    try:
        times = interleave({"free": free, "bounded": bounded}, replace(EFFORT, least=1 if quick else 3, seconds=0.0))
    except TypeError as error:
        return {"missing": f"scene.rollout(memory_limit=...): not there yet ({error})"}
    totals = [
        sum(bound) / sum(unbound)
        for bound, unbound in zip(
            zip(times.runs["bounded.forward"], times.runs["bounded.backward"], strict=True),
            zip(times.runs["free.forward"], times.runs["free.backward"], strict=True),
            strict=True,
        )
    ]
    figures: Figures = {"steps": horizon, "limit": MEMORY_LIMIT, "bounded_over_free": float(np.median(totals))}
    longest = 10 * horizon
    assert quick or longest == LONGEST_HORIZON
    figures["longest_steps"] = longest
    figures["longest"] = programs.run(programs.MEMORY, HORIZON_SCENE, 1, longest, settings.n_threads)
    return figures


def run_sweeps(settings: Settings, quick: bool, progress: Callable[[str], None]) -> Iterator[tuple[str, Figures]]:
    for sweep in SWEEPS:
        yield sweep.name, run_sweep(sweep, settings, quick, progress)
    yield "bounded_memory", bounded_memory(settings, quick)
