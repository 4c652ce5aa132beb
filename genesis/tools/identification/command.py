"""`genesis identify`: physical parameters of a program's scene from a log, in one command."""

from __future__ import annotations

import contextlib
import importlib.util
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from genesis import runtime
from genesis.errors import GenesisException
from genesis.tools.identification.logs import Log
from genesis.tools.program_file import load_program, scene_of

if TYPE_CHECKING:
    from genesis.scene import Scene
    from genesis.tools.identification.result import Identification

METHODS = ("lm", "gauss-newton", "adam", "lbfgs")
# What messages of the library call an argument, and what the command line calls it.
_FLAGS = {
    "pass trust_units=True": "pass --trust-units",
    "(max_iterations)": "(--iterations)",
    "`max_iterations`": "--iterations",
    "`method`": "--method",
    "`noise`": "--noise",
    "`parameters`": "--parameters",
    "`window`": "--window",
}
_OWNERS = ("identify: ", "Log.join: ")  # functions of the library, with which its messages begin
_WIDTH_OF_FILES = 140  # columns, where the output is no terminal whose width could be asked for


@dataclass(frozen=True)
class Request:
    """What the command line asks for.

    Attributes:
        program: Python file that makes the scene; it may also define `parameters`, `priors` and `outputs`
        logs: .csv or .npz files; several are recordings of their own
        parameters: names, as `genesis.tools.identify` takes them; empty: the program's `parameters`
        directory: for result.json and residuals.png; made if it is missing
        window: [s]; None: chosen from the log
        method: one of METHODS
        max_iterations: None: the method's own
        noise: "NAME=NUMBER" each
        trust_units: only warn of units that look wrong
    """

    program: Path
    logs: Sequence[Path]
    parameters: Sequence[str] = ()
    directory: Path = Path("genesis-identify")
    window: float | None = None
    method: str = METHODS[0]
    max_iterations: int | None = None
    noise: Sequence[str] = field(default_factory=tuple)
    trust_units: bool = False


def run(request: Request) -> int:
    """Identify, print the table, write result.json and residuals.png; returns the exit code.

    Raises GenesisException for whatever is wrong with the program, the log, a name, or the directory.
    """
    if importlib.util.find_spec("matplotlib") is None:
        raise GenesisException(
            "genesis identify draws the residuals with matplotlib, which is not installed: "
            "pip install 'genesis-grad[demo]'."
        )
    # Before the scene, which takes longer to make.
    with _in_flags():
        log = Log.join([Log.read(path, trust_units=request.trust_units) for path in request.logs])
        for name, level in map(_noise_level, request.noise):
            log.set_noise(name, level)
    with _in_64_bits():
        namespace = load_program(request.program)
        scene = scene_of(namespace, request.program)
    log.outputs.update(_table(namespace, "outputs", request.program))
    with _in_flags():
        log.bind(scene)  # so that what is wrong with the log is said before anything is written
    if runtime.precision == "32":
        runtime.logger.warning(
            "%s runs in 32 bits, in which small residuals drown; unset %s, so that it runs in 64.",
            request.program,
            runtime.PRECISION_VARIABLE,
        )
    _make_directory(request.directory)
    result = _identify(request, scene, log, namespace)
    _tell(result, request.directory)
    return 0


@contextlib.contextmanager
def _in_64_bits() -> Iterator[None]:
    """Makes `gs.init` choose 64 bits, whatever the program says, unless the environment says something else."""
    if os.environ.get(runtime.PRECISION_VARIABLE):
        yield
        return
    os.environ[runtime.PRECISION_VARIABLE] = "64"
    try:
        yield
    finally:
        del os.environ[runtime.PRECISION_VARIABLE]


def _identify(request: Request, scene: Scene, log: Log, namespace: Mapping[str, Any]) -> Identification:
    from genesis.tools.identification.identify import identify

    parameters = list(request.parameters) or namespace.get("parameters")
    if not parameters:
        raise GenesisException(
            "there are no parameters to identify; name them with --parameters, or define `parameters` in "
            f"{request.program}."
        )
    options: dict[str, Any] = {"window": request.window, "method": request.method, "progress": True}
    if request.max_iterations is not None:
        options["max_iterations"] = request.max_iterations
    if priors := _table(namespace, "priors", request.program):
        options["priors"] = priors
    with _in_flags():
        return identify(scene, log, parameters, **options)


@contextlib.contextmanager
def _in_flags() -> Iterator[None]:
    """Lets errors of the library speak of the command line's flags instead of the arguments of functions."""
    try:
        yield
    except GenesisException as error:
        text = str(error)
        for owner in _OWNERS:
            text = text.removeprefix(owner)
        raise GenesisException(_with_flags(text)) from error


def _with_flags(text: str) -> str:
    for argument, flag in _FLAGS.items():
        text = text.replace(argument, flag)
    return text


def _tell(result: Identification, directory: Path) -> None:
    """Print the estimates as a table and the rest of the result as text; write the files."""
    from rich.console import Console

    console = Console(markup=False, highlight=False)  # names hold brackets
    if not console.is_terminal:
        console.width = _WIDTH_OF_FILES
    console.print(result.table())
    # The text of a result is its headline, the estimates, and what else there is to say, with blank lines between.
    print("\n" + _with_flags("\n\n".join(str(result).split("\n\n")[2:])) + "\n")
    for what, name, write in (("result", "result.json", result.save), ("residuals", "residuals.png", result.plot)):
        path = directory / name
        write(path)
        print(f"{what + ':':11}{path.resolve()}")


def _table(namespace: Mapping[str, Any], name: str, path: Path) -> Mapping[str, Any]:
    """A dictionary that the program may define."""
    value = namespace.get(name, {})
    if not isinstance(value, Mapping):
        raise GenesisException(f"{path}: its global `{name}` is {value!r:.80}; expected a dictionary by name.")
    return value


def _noise_level(text: str) -> tuple[str, float]:
    """ "arm.dofs_position=0.001"."""
    name, _, number = text.rpartition("=")
    try:
        return name.strip(), float(number)
    except ValueError:
        raise GenesisException(
            f"--noise {text}: expected NAME=NUMBER, the standard deviation of a measured quantity, as "
            "arm.dofs_position=0.001."
        ) from None


def _make_directory(directory: Path) -> None:
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise GenesisException(f"cannot make the directory '{directory}' for the results: {error.strerror}.") from None
