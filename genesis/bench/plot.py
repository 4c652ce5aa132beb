"""The benchmark's figures as one picture."""

from __future__ import annotations

from pathlib import Path
from typing import Any

FORWARD, BACKWARD, MUJOCO = "#2b6cb0", "#c05621", "#4a5568"


def draw(results: dict[str, Any], file: Path) -> Path:
    """Bars of the scenes, lines of the sweeps; written to `file` (.png)."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    sweeps = {name: sweep for name, sweep in results.get("sweep", {}).items() if sweep.get("rows")}
    cases = [
        (f"{name}\n{n_envs} env" + ("s" if n_envs != "1" else ""), figures)
        for name, scene in results["scenes"].items()
        for n_envs, figures in scene.get("rollout", {}).items()
    ]
    n_panels = bool(cases) + len(sweeps)
    if not n_panels:
        raise ValueError("there is nothing to draw")
    columns = min(n_panels, 2)
    rows = -(-n_panels // columns)
    figure, axes = plt.subplots(rows, columns, figsize=(7.5 * columns, 4.2 * rows), squeeze=False, layout="constrained")
    panels = iter(axes.flat)
    if cases:
        _bars(next(panels), cases)
    for name, sweep in sweeps.items():
        _lines(next(panels), name, sweep)
    for unused in panels:
        unused.set_visible(False)
    figure.savefig(file, dpi=110)
    plt.close(figure)
    return file


def _bars(axes: Any, cases: list[tuple[str, dict[str, Any]]]) -> None:
    places = range(len(cases))
    parts = (
        ("forward", FORWARD, [case["forward_us"] for _, case in cases]),
        ("backward", BACKWARD, [case["backward_us"] for _, case in cases]),
        # On all cores where there are many envs, on one otherwise.
        ("MuJoCo forward", MUJOCO, [case.get("mujoco_rollout_us", case["mj_step_us"]) for _, case in cases]),
    )
    for k, (label, colour, values) in enumerate(parts):
        axes.bar([place + 0.27 * (k - 1) for place in places], values, 0.27, label=label, color=colour)
    axes.set_xticks(list(places), [label for label, _ in cases], fontsize=7)
    axes.set_yscale("log")
    axes.set_ylabel("us per step and env")
    axes.set_title("rollouts")
    axes.legend(fontsize=8)


def _lines(axes: Any, name: str, sweep: dict[str, Any]) -> None:
    sizes = [row["size"] for row in sweep["rows"]]
    for part, colour, label in (
        ("forward", FORWARD, "forward"),
        ("backward", BACKWARD, "backward"),
        ("mujoco", MUJOCO, "MuJoCo forward"),
    ):
        exponent = f": size^{sweep[part]['upper_exponent']:.2f}" if part in sweep else ""
        axes.loglog(
            sizes, [row[f"{part}_best_us"] for row in sweep["rows"]], "o-", color=colour, label=label + exponent
        )
    axes.set_xlabel(sweep["unit"])
    per_step = {"horizon": "us", "envs": "us per step of all envs"}
    axes.set_ylabel(per_step.get(name, "us per step"))
    axes.set_title(f"growth with {name} (exponents of the upper half)", fontsize=10)
    axes.grid(True, which="major", alpha=0.3)
    axes.legend(fontsize=8)
