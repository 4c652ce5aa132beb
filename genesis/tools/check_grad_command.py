"""`genesis check-grad`: the gradient doctor on a program's scene, in 64 bits."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from genesis import runtime
from genesis.errors import GenesisException

if TYPE_CHECKING:
    from genesis.doctor.report import Report
    from genesis.scene import Scene

DEFAULT_STEPS = 50
FAULTS_FOUND = 1


@dataclass(frozen=True)
class Request:
    """What the command line asks for.

    Attributes:
        program: path of the program that makes the scene
        n_steps: of the default loss; None: DEFAULT_STEPS, or the program has a loss of its own
        coordinates: how many numbers of an input are moved one by one
        plot: where a figure goes; None: nowhere
    """

    program: Path
    n_steps: int | None = None
    coordinates: int = 6
    plot: Path | None = None


def run(request: Request) -> int:
    """Print the report and return the exit code: 0, or 1 if there are faults.

    The program runs in 64 bits, whatever it asks `gs.init` for. It defines `scene` and, for a loss of its own, `loss()`
    and `inputs` (a dictionary), or `build()` that returns them in a dictionary.

    Raises GenesisException for a program that fails or lacks one of the two, and before the program runs for a figure
    that could not be written.
    """
    from genesis.doctor.report import require_plot
    from genesis.tools import program_file

    if request.plot is not None:
        require_plot(request.plot, "--plot")
    before = os.environ.get(runtime.PRECISION_VARIABLE)
    os.environ[runtime.PRECISION_VARIABLE] = "64"
    try:
        namespace = program_file.load_program(request.program)
        scene = program_file.scene_of(namespace, request.program)
    finally:
        if before is None:
            del os.environ[runtime.PRECISION_VARIABLE]
        else:
            os.environ[runtime.PRECISION_VARIABLE] = before
    # Only now: these know the kernels, whose precision the program's gs.init has fixed.
    from genesis.doctor.check import check
    from genesis.doctor.default import default_loss

    own = _own_loss(namespace, request)
    if own is None:
        _require_gradients(scene, request)
        n_steps = request.n_steps or DEFAULT_STEPS
        print(f"{request.program} has no `loss` and `inputs`: checking a loss of its state after {n_steps} steps.\n")
        own = default_loss(scene, n_steps)
    loss, inputs = own

    def checked() -> Report:
        return check(loss, inputs, scene, coordinates=request.coordinates)

    # What the loss raises is told with the program's line.
    report: Report = program_file.call({"check": checked}, "check", request.program)
    print(report)
    if request.plot is not None:
        report.plot(request.plot)
        print(f"\n{request.plot} written.")
    return 0 if report.ok else FAULTS_FOUND


def _own_loss(namespace: Mapping[str, Any], request: Request) -> tuple[Callable[[], Any], Any] | None:
    loss, inputs = namespace.get("loss"), namespace.get("inputs")
    if loss is None and inputs is None:
        return None
    if loss is None or inputs is None:
        has, lacks = ("inputs", "loss()") if loss is None else ("loss()", "inputs")
        raise GenesisException(
            f"{request.program} defines `{has}` and no `{lacks}`; expected both (a function without arguments, and a "
            "dictionary, name -> tensor), or none for a default loss."
        )
    if not callable(loss):
        raise GenesisException(f"{request.program}: `loss` is {loss!r:.60}; expected a function without arguments.")
    if request.n_steps is not None:
        raise GenesisException(
            f"--steps is for the default loss, and {request.program} has a loss of its own; leave it out."
        )
    return loss, inputs


def _require_gradients(scene: Scene, request: Request) -> None:
    if not scene.requires_grad:
        raise GenesisException(
            f"{request.program}: the scene records no gradients; build it with "
            "gs.options.SimOptions(requires_grad=True)."
        )
