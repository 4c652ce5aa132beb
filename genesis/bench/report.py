"""What the benchmark tells: tables, the list of what must be reached, JSON and plots."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import genesis
from genesis import files
from genesis.bench import reference

Results = dict[str, Any]
PACKAGES = ("mujoco", "warp-lang", "torch", "numpy")
EXPONENT_NOISE = 0.1  # by which a fitted exponent may exceed the wanted one: two cores and few points


def machine() -> dict[str, Any]:
    """Versions, processor and cores of this run."""
    return {
        "versions": {
            "genesis-grad": genesis.__version__,
            "python": platform.python_version(),
            **{name: _version(name) for name in PACKAGES},
        },
        "processor": _processor(),
        "cores": reference.n_cores(),
        # Of the minute before: what else the machine does.
        "load": os.getloadavg()[0] if hasattr(os, "getloadavg") else None,
        "system": f"{platform.system()} {platform.machine()}",
    }


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "not installed"


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())


# ------------------------------------------------------------------ what must be reached


@dataclass(frozen=True)
class Target:
    """A figure of the results, found by its path, and the bound that it must keep."""

    what: str
    path: tuple[str, ...]
    bound: float
    unit: str
    at_least: bool = False

    def judge(self, results: Results) -> dict[str, Any]:
        """The figure and whether it holds: None if it was not measured, or is lost in noise (differences below 0)."""
        figure: Any = results
        for key in self.path:
            figure = figure.get(key) if isinstance(figure, dict) else None
        measured = figure is not None and figure > 0
        holds = None if not measured else bool(figure >= self.bound if self.at_least else figure <= self.bound)
        sign = ">=" if self.at_least else "<="
        return {"what": self.what, "target": f"{sign} {self.bound:,g} {self.unit}", "figure": figure, "holds": holds}


def _of(scene: str, *path: str) -> tuple[str, ...]:
    return ("scenes", scene, *path)


TARGETS: tuple[Target, ...] = (
    Target(
        "arm: forward of a rollout, one env / mj_step", _of("arm", "rollout", "1", "forward_over_mj_step"), 1.3, "x"
    ),
    Target(
        "quadruped: forward of a rollout, one env / mj_step",
        _of("quadruped", "rollout", "1", "forward_over_mj_step"),
        2.0,
        "x",
    ),
    Target("arm: 100 single steps from Python, forward + backward", _of("arm", "program", "total_ms"), 8.0, "ms"),
    *(
        Target(
            f"{scene}: backward / forward of a rollout, one env",
            _of(scene, "rollout", "1", "backward_over_forward"),
            3.5,
            "x",
        )
        for scene in ("arm", "arm-contact", "quadruped", "humanoid")
    ),
    Target(
        "arm: 1024 envs, forward + backward",
        _of("arm", "rollout", "1024", "env_steps_per_s"),
        300_000,
        "env-steps/s",
        at_least=True,
    ),
    *(
        Target(
            f"{scene}: A, B of a step / centred mjd_transitionFD",
            _of(scene, "linearize", "linearize_over_transitionFD"),
            0.5,
            "x",
        )
        for scene in ("arm", "quadruped")
    ),
    Target("arm: what step() adds to its kernels, forward + backward", _of("arm", "overhead", "total_us"), 60, "us"),
    *(
        Target(f"arm: {name}()", _of("arm", "getters", f"{name}_us"), 20, "us")
        for name in ("get_qpos", "get_dofs_velocity", "get_pos", "get_links_pos", "get_links_vel")
    ),
    Target(
        "quadruped: first gradient, empty kernel cache", _of("quadruped", "first_gradient", "cold", "seconds"), 20, "s"
    ),
    Target(
        "quadruped: first gradient, warm kernel cache", _of("quadruped", "first_gradient", "warm", "seconds"), 4, "s"
    ),
    *(
        Target(
            f"growth with {what}, {part}: exponent, upper half",
            ("sweep", sweep, part, "upper_exponent"),
            bound + EXPONENT_NOISE,
            "",
        )
        for sweep, what, bound in (
            ("horizon", "the horizon", 1.0),
            ("envs", "envs", 1.0),
            ("chain", "joints up to 64", 2.0),
        )
        for part in ("forward", "backward")
    ),
    Target("100,000 steps within 16 MB / without limit", ("sweep", "bounded_memory", "bounded_over_free"), 2.0, "x"),
    Target(
        "peak memory of a gradient through 1,000,000 steps",
        ("sweep", "bounded_memory", "longest", "peak_bytes"),
        2**30,
        "bytes",
    ),
)


def judge(results: Results) -> list[dict[str, Any]]:
    return [target.judge(results) for target in TARGETS]


# ------------------------------------------------------------------ tables


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Markdown, its columns aligned: the first to the left, the others to the right."""
    widths = [max(len(row[k]) for row in (head, *rows)) for k in range(len(head))]

    def line(row: Sequence[str]) -> str:
        padded = [cell.rjust(width) for cell, width in zip(row, widths, strict=True)]
        return "| " + " | ".join([row[0].ljust(widths[0]), *padded[1:]]) + " |"

    ruler = "|" + "|".join("-" * (w + 1) + ("-" if k == 0 else ":") for k, w in enumerate(widths)) + "|"
    return "\n".join([line(head), ruler, *map(line, rows)])


def number(value: Any, form: str = ".3g") -> str:
    return "-" if value is None else format(value, form)


def rollout_table(scenes: Results) -> str:
    """Per step and env [us]: median (best)."""
    head = (
        "scene",
        "envs",
        "forward",
        "backward",
        "back/fwd",
        "mj_step",
        "fwd/mj_step",
        "mujoco.rollout",
        "env-steps/s",
    )
    rows = []
    for name, scene in scenes.items():
        for n_envs, of in scene.get("rollout", {}).items():
            rows.append(
                (
                    name,
                    n_envs,
                    f"{of['forward_us']:.2f} ({of['forward_best_us']:.2f})",
                    f"{of['backward_us']:.2f} ({of['backward_best_us']:.2f})",
                    f"{of['backward_over_forward']:.2f}",
                    f"{of['mj_step_us']:.2f} ({of['mj_step_best_us']:.2f})",
                    f"{of['forward_over_mj_step']:.2f}",
                    number(of.get("mujoco_rollout_us"), ".2f"),
                    f"{of['env_steps_per_s']:,.0f}",
                )
            )
    return table(head, rows)


_MEGA = 1e-6
# Columns of the table of scenes: title, and where the figure is.
_COLUMNS: tuple[tuple[str, Callable[[Results], Any], str], ...] = (
    ("100 steps [ms]", lambda s: s.get("program", {}).get("total_ms"), ".2f"),
    ("step() adds [us]", lambda s: s.get("overhead", {}).get("total_us"), ".1f"),
    ("getters [us]", lambda s: max(s.get("getters", {}).values(), default=None), ".1f"),
    ("A, B [us]", lambda s: s.get("linearize", {}).get("linearize_us"), ".1f"),
    ("transitionFD [us]", lambda s: s.get("linearize", {}).get("mjd_transitionFD_us"), ".1f"),
    ("off MuJoCo", lambda s: s.get("agreement", {}).get("difference"), ".0e"),
    ("cold [s]", lambda s: s.get("first_gradient", {}).get("cold", {}).get("seconds"), ".1f"),
    ("warm [s]", lambda s: s.get("first_gradient", {}).get("warm", {}).get("seconds"), ".1f"),
)


def scene_table(scenes: Results) -> str:
    """One line a scene: what is measured with one env, and the peak memory with each number of envs."""
    counts = list(dict.fromkeys(n for scene in scenes.values() for n in scene.get("memory", {})))
    head = ["scene", *(title for title, _, _ in _COLUMNS), *(f"{n} envs [MB]" for n in counts)]
    rows = []
    for name, scene in scenes.items():
        memory = scene.get("memory", {})
        peaks = [memory.get(n, {}).get("peak_bytes") for n in counts]
        rows.append(
            [
                name,
                *(number(get(scene), form) for _, get, form in _COLUMNS),
                *(number(None if peak is None else peak * _MEGA, ".0f") for peak in peaks),
            ]
        )
    return table(head, rows)


def sweep_table(sweeps: Results) -> str:
    head = ("time grows with", "sizes", "forward", "backward", "MuJoCo forward")
    rows = []
    for name, sweep in sweeps.items():
        if "rows" not in sweep or "forward" not in sweep:
            continue
        sizes = [row["size"] for row in sweep["rows"]]
        exponents = [
            f"{sweep[p]['exponent']:.2f} (upper half {sweep[p]['upper_exponent']:.2f})"
            for p in ("forward", "backward", "mujoco")
        ]
        rows.append((name, f"{sizes[0]} to {sizes[-1]}", *exponents))
    return table(head, rows)


def target_table(judged: list[dict[str, Any]]) -> str:
    words = {True: "yes", False: "NO", None: "not measured"}
    rows = [(one["what"], one["target"], number(one["figure"], ",.4g"), words[one["holds"]]) for one in judged]
    return table(("must reach", "target", "figure", "holds"), rows)


def peer_table(peers: Results) -> str:
    head = ("engine", "scene", "envs", "forward", "backward", "env-steps/s", "first gradient [s]")
    rows = []
    for engine, of_engine in peers.items():
        for scene, of in of_engine.get("scenes", {}).items():
            for n_envs, case in of.get("rollout", {}).items():
                both = case["forward_us"] + case["backward_us"]
                figures = (f"{case['forward_us']:.2f}", f"{case['backward_us']:.2f}", f"{1e6 / both:,.0f}")
                rows.append((engine, scene, n_envs, *figures, number(of.get("first_gradient_s"), ".1f")))
    return table(head, rows)


def missing(results: Any, place: str = "") -> list[str]:
    """Everything that could not be measured, with its place in the results."""
    if not isinstance(results, dict):
        return []
    found = [f"{place}: {results['missing']}"] if "missing" in results else []
    for key, value in results.items():
        found += missing(value, f"{place} {key}".strip())
    return found


def write_json(results: Results, file: Path) -> Path:
    files.write_atomically(file, (json.dumps(results, indent=2) + "\n").encode())
    return file
