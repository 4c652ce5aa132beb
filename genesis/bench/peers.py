"""Other engines on the same scenes, each in a virtual environment of its own that is made on first use."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

from genesis import runtime
from genesis.bench.measure import Settings
from genesis.bench.scenes import Subject, spec_of

INSTALL_TIMEOUT = 1800.0  # [s]
RUN_TIMEOUT = 900.0  # [s] of one scene
REPETITIONS = 5
# Peers take some hundred microseconds a step; more steps say nothing more.
WORK = 20_000
MOST_ENVS = 1024


@dataclass(frozen=True)
class Peer:
    """An engine: what to install, and the program beside this file that runs it."""

    name: str
    requirements: tuple[str, ...]
    program: str


def _peers() -> tuple[Peer, ...]:
    torch = metadata.version("torch").partition("+")[0]
    return (
        Peer("mjx", ("mujoco-mjx", "jax"), "mjx_program.py"),
        # The same torch as here; left to itself, pip would take another build.
        Peer("genesis-world", ("genesis-world", f"torch=={torch}"), "genesis_program.py"),
    )


def run(scenes: Sequence[str], settings: Settings, progress: Callable[[str], None]) -> dict[str, Any]:
    """Figures by engine; {"missing": why} for one that cannot be installed."""
    results: dict[str, Any] = {}
    for peer in _peers():
        try:
            python = _environment(peer, progress)
        except (OSError, subprocess.SubprocessError) as error:
            results[peer.name] = {"missing": f"could not be installed: {_last_line(error)}"}
            progress(f"{peer.name}: {results[peer.name]['missing']}")
            continue
        results[peer.name] = {"scenes": {}}
        for scene in scenes:
            progress(f"{peer.name}: {scene} ...")
            found = _run_scene(peer, python, scene, settings)
            results[peer.name]["scenes"][scene] = found
            progress(f"{peer.name:14} {scene:12} {json.dumps(found)}")
    return results


def _environment(peer: Peer, progress: Callable[[str], None]) -> Path:
    """The interpreter of the peer's environment, made and filled if need be."""
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "genesis-grad" / "bench" / peer.name
    python = base / ("Scripts" if os.name == "nt" else "bin") / "python"
    installed = base / "installed.txt"
    wanted = "\n".join(peer.requirements)
    if installed.is_file() and installed.read_text() == wanted:
        return python
    progress(f"{peer.name}: installing {', '.join(peer.requirements)} into {base}")
    base.parent.mkdir(parents=True, exist_ok=True)
    pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *peer.requirements]
    for command in ([sys.executable, "-m", "venv", str(base)], pip):
        subprocess.run(command, check=True, capture_output=True, text=True, timeout=INSTALL_TIMEOUT, env=_environ())
    installed.write_text(wanted)
    return python


def _run_scene(peer: Peer, python: Path, scene: str, settings: Settings) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="genesis-bench-") as directory:
        job = _write_job(Path(directory), scene, settings)
        program = Path(__file__).parent / "peer_programs" / peer.program
        command = [str(python), "-I", str(program), str(job), str(time.time())]
        failure = None
        try:
            # Isolated (-I): no PYTHONPATH, on which this package may be, named as a peer is.
            output = subprocess.run(
                command,
                capture_output=True,
                text=True,
                timeout=RUN_TIMEOUT,
                env=_environ(),
                cwd=directory,
                check=True,
            ).stdout
        except (OSError, subprocess.SubprocessError) as error:
            output, failure = _text(getattr(error, "stdout", None)), _last_line(error)
    # A program prints its figures after every case, so that a later one which fails does not take them along.
    lines = [line for line in output.splitlines() if line.startswith("{")]
    figures = json.loads(lines[-1]) if lines else {"missing": "the program printed no figures"}
    return figures if failure is None else figures | {"missing": failure}


def _text(output: str | bytes | None) -> str:
    """What a process has written; that of one that ran out of time comes as bytes."""
    return output.decode(errors="replace") if isinstance(output, bytes) else output or ""


def _environ() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}


def _last_line(error: Exception) -> str:
    if isinstance(error, subprocess.TimeoutExpired):
        return f"not done after {error.timeout:.0f} s"
    lines = [line for line in _text(getattr(error, "stderr", None)).splitlines() if line.strip()]
    return f"{type(error).__name__}: {lines[-1] if lines else error}"


def _write_job(directory: Path, scene: str, settings: Settings) -> Path:
    """What a peer's program is told: the model as MJCF and as its own file, the start, and the forces of each case."""
    subject = Subject(spec_of(scene))
    spec = subject.spec
    (directory / "scene.xml").write_text(subject.scene.to_mjcf(), encoding="utf-8")
    source = spec.source() if callable(spec.source) else None
    arrays: dict[str, np.ndarray] = {"start": subject.start[1:]}
    cases = []
    for n_envs in sorted({min(n_envs, MOST_ENVS) for n_envs in settings.envs}):
        n_steps = min(settings.horizon, max(settings.least_horizon, WORK // n_envs))
        # Tiled: one env's forces would be enough, were it not for compilers that see that.
        noise = np.random.default_rng(n_envs).standard_normal((n_envs, 1, subject.n_dofs))
        arrays[f"forces_{n_envs}"] = subject.forces(n_steps) * (1.0 + 0.01 * noise)
        cases.append({"n_envs": n_envs, "n_steps": n_steps})
    np.savez(directory / "arrays.npz", **arrays)  # type: ignore[arg-type]
    job = {
        "mjcf": str(directory / "scene.xml"),
        "file": None if source is None else str(source),
        "fixed": spec.fixed,
        "arrays": str(directory / "arrays.npz"),
        "dt": spec.dt,
        "contact": spec.contact,
        "nq": subject.mj_model.nq,
        "nv": subject.mj_model.nv,
        "precision": runtime.precision,
        "repetitions": REPETITIONS if settings.effort.least >= REPETITIONS else settings.effort.least,
        "cases": cases,
    }
    file = directory / "job.json"
    file.write_text(json.dumps(job), encoding="utf-8")
    return file
