"""The command line: `genesis demo`, `genesis --version`."""

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


if __name__ == "__main__":
    sys.exit(main())
