"""`genesis bench`: measures scenes, prints tables, and writes `bench.json` and `bench.png`."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import genesis as gs
from genesis import files, runtime
from genesis.bench import programs
from genesis.errors import GenesisException

FIELDS_OF_LOG = 6  # figures of a measure that are shown as soon as it is done
GPU_ENVS = (4096, 16384)
BUSY = 0.5  # of the cores: load at the start from which on the figures come with a warning


@dataclass(frozen=True)
class Request:
    """What is asked for on the command line. `None`: the default; see `genesis bench --help`."""

    directory: Path
    scenes: Sequence[str] | None = None
    envs: Sequence[int] | None = None
    measures: Sequence[str] | None = None
    backend: str = "cpu"
    precision: str = "32"
    n_threads: int | None = None
    quick: bool = False
    sweep: bool = False
    peers: bool = False


def run(request: Request) -> int:
    """Measures, reports on standard output, and returns the exit code: 0, whatever the figures are.

    Raises:
        GenesisException: an unknown scene or measure, something that is not installed, a directory that cannot be
            written, a runtime that was started otherwise.
    """
    _require_matplotlib()
    _start(request)
    # Only here: kernels, and so everything that a scene needs, have the precision of the runtime.
    from genesis.bench import measure, plot, report, scenes

    names = tuple(request.scenes or scenes.SPECS)
    measures = _known_measures(request.measures, measure.MEASURES)
    for name in names:
        scenes.check_file(scenes.spec_of(name))
    _make_directory(request.directory)
    settings = _settings(request)

    results: dict[str, Any] = report.machine() | {
        "backend": runtime.backend.name,
        "precision": runtime.precision,
        "threads": settings.n_threads,
        "quick": request.quick,
        "scenes": {},
    }
    versions = ", ".join(f"{name} {version}" for name, version in results["versions"].items())
    print(f"{results['processor']}, {results['cores']} cores; {versions}")
    print(f"{runtime.backend.name}, {runtime.precision} bits, {settings.n_threads} threads; times are medians\n")
    if results["load"] is not None and results["load"] > BUSY * results["cores"]:
        print(f"the machine is busy (load {results['load']:.1f}): times will scatter, trust ratios and least values\n")
    for name in names:
        print(f"{name}: {scenes.spec_of(name).title}", flush=True)
        figures = results["scenes"][name] = {}
        for what, found in measure.measure_scene(name, settings, measures):
            figures[what] = found
            print(f"  {what:15} {_short(found)}", flush=True)
        report.write_json(results, request.directory / "bench.json")  # so that an interrupted run leaves something
    if request.sweep:
        from genesis.bench import sweep

        print("\nhow the cost grows", flush=True)
        results["sweep"] = dict(sweep.run_sweeps(settings, request.quick, lambda line: print(line, flush=True)))
    if request.peers:
        from genesis.bench import peers

        print("\nother engines", flush=True)
        results["peers"] = peers.run(names, settings, lambda line: print(f"  {line}", flush=True))
    results["targets"] = report.judge(results)
    _tell(results, request.directory)
    print(f"\nfigures: {report.write_json(results, request.directory / 'bench.json')}")
    if any("rollout" in scene for scene in results["scenes"].values()) or results.get("sweep"):
        print(f"plot:    {plot.draw(results, request.directory / 'bench.png')}")
    return 0


def _tell(results: dict[str, Any], directory: Path) -> None:
    from genesis.bench import report

    sections = ["per step and env, median (best) [us]\n" + report.rollout_table(results["scenes"])]
    sections.append("one env, and peak memory by number of envs\n" + report.scene_table(results["scenes"]))
    if "sweep" in results:
        sections.append("exponents of growth\n" + report.sweep_table(results["sweep"]))
    if results.get("peers"):
        sections.append("other engines, per step and env, median [us]\n" + report.peer_table(results["peers"]))
    rough = "; the figures are rough, as --quick has them" if results["quick"] else ""
    sections.append(f"what must be reached{rough}\n" + report.target_table(results["targets"]))
    if missing := report.missing(results):
        sections.append("not measured:\n" + "\n".join(f"- {line}" for line in missing))
    text = "\n\n".join(sections)
    files.write_atomically(directory / "bench.md", f"{text}\n".encode())
    print(f"\n{text}")


def _short(figures: dict[str, Any]) -> str:
    """The first figures of a measure on one line, and those of each part of it on a line of its own."""
    if "missing" in figures:
        return f"not measured: {figures['missing']}"
    shown = [f"{key} {value:.4g}" for key, value in figures.items() if isinstance(value, (int, float))]
    lines = [", ".join(shown[:FIELDS_OF_LOG])] if shown else []
    lines += [f"{key}: {_short(value)}" for key, value in figures.items() if isinstance(value, dict)]
    return ("\n" + 18 * " ").join(lines)


def _settings(request: Request) -> Any:
    from genesis.bench.measure import Settings
    from genesis.bench.timing import Effort

    settings = Settings()
    if request.quick:
        quick = Effort(least=2, seconds=0.2)
        settings = replace(settings, envs=(1, 64), horizon=50, work=2000, least_horizon=5, effort=quick, cold=False)
    if request.n_threads is not None:
        settings = replace(settings, n_threads=request.n_threads)
    if request.envs:
        settings = replace(settings, envs=tuple(request.envs))
    elif runtime.backend is gs.cuda and not request.quick:
        settings = replace(settings, envs=(*settings.envs, *GPU_ENVS))
    return settings


def _start(request: Request) -> None:
    if not runtime.is_initialized():
        programs.start_runtime(request.backend, request.precision, request.n_threads)
    elif runtime.precision != request.precision:
        raise GenesisException(
            f"genesis bench: the runtime has been started with {runtime.precision} bits, and {request.precision} are "
            "asked for; run the benchmark in a process of its own."
        )


def _known_measures(asked: Sequence[str] | None, known: tuple[str, ...]) -> tuple[str, ...]:
    for name in asked or ():
        if name not in known:
            raise GenesisException(f"genesis bench: there is no measure {name!r}; there are {', '.join(known)}.")
    return tuple(asked) if asked else known


def _require_matplotlib() -> None:
    if importlib.util.find_spec("matplotlib") is None:
        raise GenesisException(
            "the benchmark draws with matplotlib, which is not installed: pip install 'genesis-grad[bench]'."
        )


def _make_directory(directory: Path) -> None:
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise GenesisException(f"cannot make the directory '{directory}' for the results: {error.strerror}.") from None
