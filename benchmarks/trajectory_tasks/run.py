"""Compare the methods on the tasks and print a table: ``python -m benchmarks.trajectory_tasks.run --help``.

Random methods run with several seeds, of which the median (by cost) is shown.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import math

import genesis as gs

TASKS = ("cart-pole", "acrobot", "block", "hopper", "throw")
METHODS = ("ilqr", "gauss-newton", "lbfgs", "adam", "cma-es")


def make(name: str):
    """A task by name."""
    from benchmarks.trajectory_tasks import hopper, push, swing, throw

    makers = (swing.cart_pole, swing.acrobot, push.push_block, hopper.hopper_jump, throw.throw_ball)
    return dict(zip(TASKS, makers, strict=True))[name]()


def row(found: list) -> str:
    """A line of the table, of the outcomes of several seeds."""
    found = sorted(found, key=lambda outcome: outcome.cost)
    shown = found[(len(found) - 1) // 2]
    times = sorted(o.reached_after if o.reached else math.inf for o in found)
    count = sum(o.reached for o in found)
    done = ("yes" if count else "**no**") if len(found) == 1 else f"{count} of {len(found)}"
    after = times[(len(times) - 1) // 2]
    figures = ", ".join(f"{name} {value:.3g} {unit}" for name, (value, _, unit) in shown.measures.items())
    return (
        f"| {shown.task} | {shown.method} | {done} | {shown.cost:.4g} | {figures} | {shown.iterations} | "
        f"{shown.steps / 1e3:.0f} k | {shown.derivatives / 1e3:.0f} k | {shown.seconds:.1f} | "
        f"{'-' if math.isinf(after) else f'{after:.1f}'} |"
    )


def main() -> None:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tasks", nargs="+", choices=TASKS, default=TASKS)
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=METHODS)
    parser.add_argument("--time-limit", type=float, default=60.0, help="of one run [s]")
    parser.add_argument("--max-iterations", type=int, default=1000)
    parser.add_argument("--seeds", type=int, default=3, help="of methods that draw random numbers")
    parser.add_argument("--precision", choices=("32", "64"), default="64")
    parser.add_argument("--json", help="file that every outcome is appended to, one per line")
    given = parser.parse_args()
    gs.init(backend=gs.cpu, precision=given.precision, logging_level="error")
    from benchmarks.trajectory_tasks.methods import solve  # it brings the kernels, which need the precision

    print(
        "| task | method | reached | cost | figures at the end | iterations | steps | derivatives | s | reached after |"
    )
    print("|---|---|---|---:|---|---:|---:|---:|---:|---:|")
    for name in given.tasks:
        task = make(name)
        for method in given.methods:
            seeds = range(given.seeds if method == "cma-es" else 1)
            found = [solve(task, method, given.time_limit, given.max_iterations, seed) for seed in seeds]
            print(row(found), flush=True)
            if given.json:
                with open(given.json, "a") as file:
                    for outcome in found:
                        file.write(json.dumps(dataclasses.asdict(outcome)) + "\n")


if __name__ == "__main__":
    main()
