"""The command line: `genesis demo`, `genesis bench`, `genesis check-grad`, `genesis identify`, `genesis assets`,
`genesis --version`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import genesis
from genesis.errors import GenesisException

# Exit codes: a failure, and Ctrl-C as shells report it. argparse itself exits with 2 on a wrong command line.
FAILED = 1
INTERRUPTED = 130


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command line `argv` (None: the process's own) and returns the exit code.

    Raises SystemExit, with code 2 and a message on stderr, for arguments that do not parse.
    """
    arguments = _parser().parse_args(argv)
    try:
        return arguments.run(arguments)
    except (GenesisException, OSError) as error:
        print(f"genesis: error: {error}", file=sys.stderr)
        return FAILED
    except KeyboardInterrupt:
        return INTERRUPTED


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="genesis", description="A differentiable robot simulator in PyTorch.")
    parser.add_argument("--version", action="version", version=f"genesis-grad {genesis.__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)

    demo = commands.add_parser(
        "demo",
        help="optimise a robot's motion through its physics",
        description="Optimises the joint forces that move a robot from rest to a target for one of its links, by "
        "gradient descent through the simulation, without contacts and joint limits. Writes the forces and the motion "
        "(.npz) and a plot (.png).",
    )
    demo.add_argument("--robot", type=Path, metavar="FILE", help="URDF or MJCF file (default: a Franka Panda)")
    demo.add_argument(
        "--link",
        metavar="NAME",
        help="link to move (default: the Panda's hand; of other robots, the end of the longest chain)",
    )
    demo.add_argument(
        "--target",
        type=float,
        nargs=3,
        metavar=("X", "Y", "Z"),
        help="where its origin shall be at the end, world frame [m] (default: a place that it can reach)",
    )
    demo.add_argument("--steps", type=_positive_int, default=100, metavar="N", help="steps of 0.01 s (default: 100)")
    demo.add_argument("--epochs", type=_positive_int, default=60, metavar="N", help="gradient steps (default: 60)")
    demo.add_argument(
        "--out", type=Path, default=Path("genesis-demo"), metavar="DIR", help="where results go (default: genesis-demo)"
    )
    demo.set_defaults(run=_demo)

    bench = commands.add_parser(
        "bench",
        help="measure steps and gradients beside MuJoCo C",
        description="Measures how long steps and gradients of several scenes take, and what memory, beside MuJoCo C "
        "in the same run. Prints tables and writes them (bench.md), all figures (bench.json) and a plot (bench.png).",
    )
    bench.add_argument(
        "--scenes", nargs="+", metavar="NAME", help="arm, arm-contact, quadruped, humanoid, chain-N, balls-N"
    )
    bench.add_argument(
        "--envs", nargs="+", type=_positive_int, metavar="N", help="numbers of envs (default: 1 64 1024)"
    )
    bench.add_argument("--measures", nargs="+", metavar="NAME", help="what to measure (default: everything)")
    bench.add_argument("--backend", choices=("cpu", "gpu", "cuda"), default="cpu", help="default: cpu")
    bench.add_argument("--precision", choices=("32", "64"), default="32", help="bits of a number (default: 32)")
    bench.add_argument("--threads", type=_positive_int, metavar="N", help="on the CPU (default: one per core)")
    bench.add_argument("--quick", action="store_true", help="a few short repetitions; the figures are rough")
    bench.add_argument("--sweep", action="store_true", help="also how cost grows: horizon, envs, joints, contacts")
    bench.add_argument(
        "--peers", action="store_true", help="also MJX and Genesis, installed into ~/.cache/genesis-grad"
    )
    bench.add_argument(
        "--out",
        type=Path,
        default=Path("genesis-bench"),
        metavar="DIR",
        help="where results go (default: genesis-bench)",
    )
    bench.set_defaults(run=_bench)
    _add_identify(commands)
    _add_check_grad(commands)
    _add_assets(commands)
    return parser


def _add_identify(commands: Any) -> None:
    identify = commands.add_parser(
        "identify",
        help="find physical parameters of a scene from recorded motion",
        description="Finds physical parameters of a scene from recorded motion, with standard errors, and says which "
        "of them the recording does not determine. Prints a table and writes the result (result.json) and plots of "
        "the residuals (residuals.png).",
    )
    identify.add_argument(
        "program", type=Path, metavar="scene.py", help="program that makes the scene: `scene`, or `build()` returns it"
    )
    identify.add_argument("logs", type=Path, nargs="+", metavar="log", help=".csv or .npz files, one recording each")
    identify.add_argument(
        "--parameters",
        nargs="+",
        default=[],
        metavar="NAME",
        help="arm.links_mass[hand], arm.dofs_damping, gravity, ... (default: `parameters` of the program)",
    )
    identify.add_argument(
        "--window",
        type=_positive_float,
        metavar="S",
        help="length of the pieces that the motion is cut into [s] (default: chosen from the log)",
    )
    identify.add_argument(
        "--method", choices=("lm", "gauss-newton", "adam", "lbfgs"), default="lm", help="(default: lm)"
    )
    identify.add_argument(
        "--iterations", type=_positive_int, metavar="N", help="most iterations (default: the method's)"
    )
    identify.add_argument(
        "--noise",
        nargs="+",
        default=[],
        metavar="NAME=S",
        help="standard deviation of a measured quantity (default: the log's, else estimated)",
    )
    identify.add_argument(
        "--trust-units", action="store_true", help="only warn of units that look wrong, instead of refusing the log"
    )
    identify.add_argument(
        "--out",
        type=Path,
        default=Path("genesis-identify"),
        metavar="DIR",
        help="where results go (default: genesis-identify)",
    )
    identify.set_defaults(run=_identify)


def _add_check_grad(commands: Any) -> None:
    check_grad = commands.add_parser(
        "check-grad",
        help="compare the gradients of a program's loss with differences",
        description="Compares the gradients of a loss through a scene with central differences, in 64 bits, and says "
        "which are wrong, since which step and why. Exit code 1 if there is a fault.",
    )
    check_grad.add_argument(
        "program",
        type=Path,
        metavar="scene.py",
        help="program with `scene`, `loss()` and `inputs` (name -> tensor), or `build()` that returns them in a "
        "dictionary; without the latter two, a default loss over forces, initial state and masses is checked",
    )
    check_grad.add_argument("--steps", type=_positive_int, metavar="N", help="steps of the default loss (default: 50)")
    check_grad.add_argument(
        "--coordinates",
        type=_positive_int,
        default=6,
        metavar="N",
        help="how many numbers of each input are moved one by one (default: 6)",
    )
    check_grad.add_argument("--plot", type=Path, metavar="FILE", help="also draw gradients and their growth")
    check_grad.set_defaults(run=_check_grad)


def _add_assets(commands: Any) -> None:
    assets = commands.add_parser(
        "assets",
        help="get the robots and meshes that programs of Genesis name",
        description="Files that programs of Genesis name relative to its assets, as xml/franka_emika_panda/panda.xml.",
    )
    actions = assets.add_subparsers(title="actions", metavar="ACTION", required=True)
    install = actions.add_parser(
        "install",
        help="fill the user's folder from the package genesis-world",
        description="Downloads the wheel of genesis-world with pip, without installing it, and unpacks its assets, and "
        "nothing else, into the user's folder. Shows their licence.",
    )
    install.add_argument("--wheel", type=Path, metavar="FILE", help="a wheel that is there (default: pip downloads it)")
    install.add_argument("--release", default=None, metavar="VERSION", help="version of genesis-world (default: 1.4.5)")
    install.add_argument("--to", type=Path, metavar="DIR", help="folder to fill (default: the user's)")
    install.set_defaults(run=_assets_install)
    where = actions.add_parser("where", help="print where assets are looked for")
    where.set_defaults(run=_assets_where)


def _positive_int(text: str) -> int:
    try:
        value = int(text)
    except ValueError:
        value = 0
    if value < 1:
        raise argparse.ArgumentTypeError(f"expected a whole number from 1 on, got '{text}'")
    return value


def _positive_float(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0.0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"expected a positive number, got '{text}'")
    return value


def _demo(arguments: argparse.Namespace) -> int:
    from genesis import demo

    return demo.run(
        robot_file=arguments.robot,
        link_name=arguments.link,
        target=arguments.target,
        n_steps=arguments.steps,
        n_epochs=arguments.epochs,
        directory=arguments.out,
    )


def _bench(arguments: argparse.Namespace) -> int:
    from genesis.bench.command import Request, run

    return run(
        Request(
            directory=arguments.out,
            scenes=arguments.scenes,
            envs=arguments.envs,
            measures=arguments.measures,
            backend=arguments.backend,
            precision=arguments.precision,
            n_threads=arguments.threads,
            quick=arguments.quick,
            sweep=arguments.sweep,
            peers=arguments.peers,
        )
    )


def _assets_install(arguments: argparse.Namespace) -> int:
    from genesis import asset_install

    return asset_install.install(arguments.wheel, arguments.release or asset_install.VERSION, arguments.to)


def _assets_where(arguments: argparse.Namespace) -> int:
    from genesis import asset_install

    return asset_install.show()


def _check_grad(arguments: argparse.Namespace) -> int:
    from genesis.tools.check_grad_command import Request, run

    return run(Request(arguments.program, arguments.steps, arguments.coordinates, arguments.plot))


def _identify(arguments: argparse.Namespace) -> int:
    from genesis.tools.identification.command import Request, run

    return run(
        Request(
            program=arguments.program,
            logs=arguments.logs,
            parameters=arguments.parameters,
            directory=arguments.out,
            window=arguments.window,
            method=arguments.method,
            max_iterations=arguments.iterations,
            noise=arguments.noise,
            trust_units=arguments.trust_units,
        )
    )


if __name__ == "__main__":
    sys.exit(main())
