"""The command line: `genesis demo`, `genesis bench`, `genesis --version`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

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
    return parser


def _positive_int(text: str) -> int:
    try:
        value = int(text)
    except ValueError:
        value = 0
    if value < 1:
        raise argparse.ArgumentTypeError(f"expected a whole number from 1 on, got '{text}'")
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


if __name__ == "__main__":
    sys.exit(main())
