"""Running the user's program again in 64 bits, in a process of its own, up to the same call of `gs.grad.check`.

The precision of a process is fixed by its first `gs.init`, and a loss is a closure that cannot be moved. So the program
is started anew with GENESIS_PRECISION=64; there, the call with the same number writes its report to a file and ends the
process.
"""

from __future__ import annotations

import itertools
import os
import pickle
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from genesis import files, runtime
from genesis.doctor.report import PRECISION, Finding, Report, ordered

# Where the report of which call is to be written; set in the process that runs again.
_ANSWER = "GENESIS_CHECK_ANSWER"
_CALL = "GENESIS_CHECK_CALL"
_calls = itertools.count()
# Relative difference between gradients in 32 and 64 bits from which on it is said, and from which on it is a fault.
_NOTICEABLE, _TOO_MUCH = 1.0e-3, 0.1


def next_call() -> int:
    """Number of this call of `gs.grad.check` in this process."""
    return next(_calls)


def can_run_again(loss: Any) -> bool:
    """Whether the program is one file that was started as such, and the loss is defined in it."""
    if _ANSWER in os.environ:
        return False
    main = sys.modules.get("__main__")
    path = getattr(main, "__file__", None)
    code = getattr(loss, "__code__", None)
    if path is None or code is None or getattr(main, "__spec__", None) is not None:
        return False
    return os.path.isfile(path) and os.path.abspath(code.co_filename) == os.path.abspath(path)


def run_again(call: int) -> Report | None:
    """The report of the call with this number, in 64 bits; None, with a warning, if the program fails there."""
    main = sys.modules["__main__"].__file__
    assert main is not None
    runtime.logger.info("gs.grad.check: running %s again in 64 bits, up to this call.", os.path.basename(main))
    with tempfile.TemporaryDirectory() as directory:
        answer = Path(directory) / "report"
        done = subprocess.run(
            [sys.executable, main, *sys.argv[1:]],
            env={**os.environ, runtime.PRECISION_VARIABLE: "64", _ANSWER: str(answer), _CALL: str(call)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            check=False,
        )
        if answer.is_file():
            return pickle.loads(answer.read_bytes())  # written by the process that was just started
    said = [line for line in done.stderr.splitlines() if line.strip()]
    runtime.logger.warning(
        "gs.grad.check: the program did not come to this call when it was run again in 64 bits (exit code %d%s); "
        "differences are taken in 32 bits.",
        done.returncode,
        f": {said[-1]:.200}" if said else "",
    )
    return None


def hand_over(call: int, report: Report) -> None:
    """In the process that runs again: write the report of the call that was asked for, and end."""
    if os.environ.get(_CALL) != str(call) or _ANSWER not in os.environ:
        return
    files.write_atomically(os.environ[_ANSWER], pickle.dumps(report))
    # At once: what the program does after the call is not to be done twice.
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


def compared(report: Report, gradients: dict[str, np.ndarray]) -> Report:
    """The report of the other process, and how far the gradients of this one, in 32 bits, are from its own."""
    for name, check in report.inputs.items():
        here = gradients.get(name)
        if here is None or here.shape != check.gradient.shape:
            report.remarks.append(f"in 32 bits the input {name!r} is not there, or of another shape")
            continue
        size = float(np.linalg.norm(check.gradient))
        error = float(np.linalg.norm(here - check.gradient)) / size if size else 0.0
        if not error <= _NOTICEABLE:
            report.findings.append(
                Finding(
                    PRECISION,
                    f"{name}: in 32 bits the gradient differs from that in 64 bits by {error:.2g} of its length.",
                    "Rounding has grown on the way back: use gs.init(precision='64'), a shorter horizon, or softer "
                    "contacts.",
                    fault=not error <= _TOO_MUCH,
                    inputs=(name,),
                )
            )
    report.findings = ordered(report.findings)
    return report
