"""Measures that need a process of their own: peak memory, and the time to the first gradient.

This file is also the program that runs in that process.
"""

from __future__ import annotations

import time

_STARTED = time.time()  # before the imports that the time to the first gradient includes

import json  # noqa: E402
import os  # noqa: E402
import subprocess  # noqa: E402
import sys  # noqa: E402
import tempfile  # noqa: E402
from pathlib import Path  # noqa: E402
from typing import Any  # noqa: E402

MEMORY = "memory"
FIRST_GRADIENT = "first-gradient"
TIMEOUT = 900.0  # [s]
WARM_RUNS = 3
FIRST_STEPS = 10  # of the rollout whose gradient is the first


def first_gradient(scene: str, cold: bool, n_threads: int | None) -> dict[str, Any]:
    """Seconds from the start of a process to its first gradient: `cold`, with an empty kernel cache (if asked for),
    and `warm`, the least of several with the cache filled; each with what it was spent on."""
    figures: dict[str, Any] = {}
    with tempfile.TemporaryDirectory(prefix="genesis-bench-") as cache:
        env = {"WARP_CACHE_PATH": cache} if cold else {}
        if cold:
            figures["cold"] = run(FIRST_GRADIENT, scene, 1, FIRST_STEPS, n_threads, **env)
        warm = [run(FIRST_GRADIENT, scene, 1, FIRST_STEPS, n_threads, **env) for _ in range(WARM_RUNS)]
        figures["warm"] = min(warm, key=lambda one: one["seconds"])
    return figures


def run(task: str, scene: str, n_envs: int, n_steps: int, n_threads: int | None, **env: str) -> dict[str, Any]:
    """Run this file in a process of its own and return what it reports; {"missing": why} if it fails."""
    from genesis import runtime

    root = str(Path(__file__).resolve().parents[2])
    path = os.pathsep.join(filter(None, [root, os.environ.get("PYTHONPATH")]))
    job = {
        "task": task,
        "scene": scene,
        "n_envs": n_envs,
        "n_steps": n_steps,
        "n_threads": n_threads,
        "backend": runtime.backend.name,
        "precision": runtime.precision,
    }
    try:
        finished = subprocess.run(
            [sys.executable, "-m", "genesis.bench.programs", json.dumps(job | {"started": time.time()})],
            env={**os.environ, "PYTHONPATH": path, **env},
            capture_output=True,
            text=True,
            timeout=TIMEOUT,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return {"missing": f"not done after {TIMEOUT:.0f} s"}
    if finished.returncode != 0:
        lines = finished.stderr.strip().splitlines() or ["no message"]
        return {"missing": f"the process ended with {finished.returncode}: {lines[-1]}"}
    return json.loads(finished.stdout.splitlines()[-1])


def start_runtime(backend: str, precision: str, n_threads: int | None) -> None:
    """`gs.init` for a measurement."""
    import genesis as gs

    gs.init(backend=getattr(gs, backend), precision=precision, seed=0, logging_level="warning", num_threads=n_threads)


def resident_peak() -> int:
    """Most memory that this process has held so far [bytes].

    Linux's own mark of the process: what getrusage() tells includes the parent's, before exec.
    """
    try:
        status = Path("/proc/self/status").read_text()
        return 1024 * int(status.split("VmHWM:")[1].split()[0])
    except (OSError, IndexError):
        import resource

        unit = 1 if sys.platform == "darwin" else 1024
        return unit * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def _gradient(subject: Any, n_steps: int) -> None:
    subject.restart()
    subject.advance(subject.controls(n_steps))
    subject.loss().backward()


def _memory(job: dict[str, Any]) -> dict[str, Any]:
    import torch

    from genesis.bench.scenes import Subject, spec_of, synchronize

    start_runtime(job["backend"], job["precision"], job["n_threads"])
    subject = Subject(spec_of(job["scene"]), job["n_envs"])
    _gradient(subject, 1)
    before = resident_peak()
    on_device = job["backend"] == "cuda"
    free_before = torch.cuda.mem_get_info()[0] if on_device else 0
    _gradient(subject, job["n_steps"])
    synchronize()
    peak = max(before, resident_peak())  # Linux estimates it: a later estimate can be a few pages lower
    figures = {
        "steps": job["n_steps"],
        "peak_bytes": peak,
        "ready_bytes": before,
        "bytes_per_env_step": (peak - before) / (job["n_envs"] * job["n_steps"]),
    }
    if on_device:
        # What the allocator has taken from the device stays with it.
        figures["device_bytes"] = free_before - torch.cuda.mem_get_info()[0]
    return figures


def _first_gradient(job: dict[str, Any]) -> dict[str, Any]:
    marks = {"python": _STARTED}
    import genesis  # noqa: F401

    marks["import"] = time.time()
    start_runtime(job["backend"], job["precision"], job["n_threads"])
    marks["init"] = time.time()
    from genesis.bench.scenes import Subject, spec_of, synchronize

    subject = Subject(spec_of(job["scene"]))
    marks["build"] = time.time()
    _gradient(subject, job["n_steps"])
    synchronize()
    marks["gradient"] = time.time()
    ends = list(marks.values())
    spent = {name: end - start for name, start, end in zip(marks, [job["started"], *ends], ends, strict=False)}
    return {"seconds": ends[-1] - job["started"], "spent": spent}


if __name__ == "__main__":
    _job = json.loads(sys.argv[1])
    _task = {MEMORY: _memory, FIRST_GRADIENT: _first_gradient}[_job["task"]]
    print(json.dumps(_task(_job)))
