"""Runs Genesis's own example programs against this package, headless, and prints which of them end.

    python -m tests.peers.examples FOLDER [--only TEXT ...] [--limit SECONDS] [--jobs N] [--soft]

FOLDER is the folder `examples` of a checkout of Genesis. Programs of soft bodies, fluids of particles and other
solvers are left out, unless `--soft` is given. As in Genesis's own tests, PYTEST_VERSION is set, at which programs
make their loops short, and no display is there. The process of a program has this package first on its path.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
# What is not rigid bodies, and files that are modules of other programs.
SOFT = re.compile(r"materials\.(MPM|SPH|PBD|FEM|SF|Hybrid|Tool)\b|SAPCoupler|IPCCoupler|SFOptions|add_emitter")
HAS_MAIN = re.compile(r"__name__|gs\.init\(|ArgumentParser")
# Arguments without which a program waits for a window, or for hours.
ARGUMENTS = {
    "locomotion/go2_train.py": ["--max_iterations", "2", "-B", "4"],
    "drone/hover_train.py": ["--max_iterations", "2", "-B", "4"],
    "manipulation/grasp_train.py": ["--max_iterations", "2", "-B", "4"],
}


@dataclass
class Outcome:
    """How a program went: "ends", "runs" (the limit came first), or the last line of what it raised."""

    name: str
    result: str
    seconds: float
    output: str


def programs(folder: Path, soft: bool) -> list[Path]:
    """The programs below a folder that simulate rigid bodies (`soft`: all), by name."""
    found = []
    for path in sorted(folder.rglob("*.py")):
        text = path.read_text(encoding="utf-8")
        if HAS_MAIN.search(text) and "genesis" in text and (soft or not SOFT.search(text)):
            found.append(path)
    return found


def run(path: Path, folder: Path, limit: float) -> Outcome:
    """Run one program in a folder of its own."""
    name = str(path.relative_to(folder))
    environment = {
        **os.environ,
        "PYTEST_VERSION": "8",
        "PYTHONPATH": os.pathsep.join((str(ROOT), str(path.parent))),
        "MPLBACKEND": "Agg",
    }
    environment.pop("DISPLAY", None)
    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as work:
        command = [sys.executable, str(path), *ARGUMENTS.get(name, [])]
        try:
            done = subprocess.run(
                command,
                cwd=work,
                env=environment,
                timeout=limit,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                text=True,
                errors="replace",
            )
        except subprocess.TimeoutExpired as error:
            output = error.stdout if isinstance(error.stdout, str) else (error.stdout or b"").decode(errors="replace")
            return Outcome(name, "runs", time.perf_counter() - start, output)
    return Outcome(name, _result(done), time.perf_counter() - start, done.stdout)


def _result(done: subprocess.CompletedProcess[str]) -> str:
    if done.returncode == 0 and "Traceback" not in done.stdout:
        return "ends"
    lines = [line for line in done.stdout.splitlines() if line.strip()]
    raised = [line for line in lines if re.match(r"[\w.]*(Error|Exception|Exit|Interrupt)\b", line)]
    return (raised or lines or [f"exit code {done.returncode}"])[-1]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--only", nargs="+", default=[], metavar="TEXT")
    parser.add_argument("--limit", type=float, default=120.0, metavar="SECONDS")
    parser.add_argument("--jobs", type=int, default=1, metavar="N")
    parser.add_argument("--soft", action="store_true")
    parser.add_argument("--out", type=Path, help="folder for what the programs print")
    arguments = parser.parse_args()
    chosen = programs(arguments.folder, arguments.soft)
    if arguments.only:
        chosen = [path for path in chosen if any(text in str(path) for text in arguments.only)]
    outcomes = []
    with ThreadPoolExecutor(arguments.jobs) as pool:
        for outcome in pool.map(lambda path: run(path, arguments.folder, arguments.limit), chosen):
            outcomes.append(outcome)
            print(f"| {outcome.name} | {outcome.seconds:.0f} s | {outcome.result[:240]} |", flush=True)
            if arguments.out:
                arguments.out.mkdir(parents=True, exist_ok=True)
                (arguments.out / (outcome.name.replace("/", "+") + ".txt")).write_text(outcome.output)
    ended = sum(outcome.result == "ends" for outcome in outcomes)
    print(f"{ended} of {len(outcomes)} end.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
