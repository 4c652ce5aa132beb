"""Contact at scale: many envs of a robot with gradients, and many bodies in one scene. Prints times and memory.

    python benchmarks/contact_scale.py [--envs 4096] [--steps 100] [--bodies 200] [--precision 64]

The asserts are those of the issue: no gradient of 4096 envs x 100 steps of a humanoid under random controls is NaN or
infinite, with either cone.
"""

import argparse
import resource
import sys
import time
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import genesis as gs
from tests.contact_scale import GRADIENTS_OF, Falling, gradients_of_final_state, humanoids


def memory() -> str:
    return f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20:.1f} GiB at most so far"


def many_envs(n_envs: int, steps: int) -> None:
    for cone in ("pyramidal", "elliptic"):
        start = time.perf_counter()
        scene, robot = humanoids(n_envs, cone)
        built = time.perf_counter()
        forward, backward, grads = gradients_of_final_state(scene, robot, steps, seed=0)
        contacts = scene.world.observer.get("ncon").double().mean()
        each = 1e6 / n_envs / steps
        print(
            f"humanoid, {cone} cone, {n_envs} envs x {steps} steps: build {built - start:.1f} s, "
            f"forward {forward:.1f} s, backward {backward:.1f} s ({each * forward:.1f}, {each * backward:.1f} us per "
            f"env and step), {contacts:.1f} contacts at the end; {memory()}",
            flush=True,
        )
        for name in GRADIENTS_OF:
            grad = grads[name].as_subclass(torch.Tensor)
            finite = torch.isfinite(grad)
            bad = int((~finite).sum())
            print(f"    gradient by {name}: largest {grad[finite].abs().max():.1e}, not finite {bad}", flush=True)
            assert not bad


def many_bodies(count: int, steps: int) -> None:
    start = time.perf_counter()
    falling = Falling(count)
    print(f"{count} bodies: build {time.perf_counter() - start:.1f} s, {falling.pairs} pairs; {memory()}", flush=True)
    for first in range(0, steps, 25):
        start = time.perf_counter()
        for _ in range(25):
            falling.scene.step()
        print(
            f"    steps {first} to {first + 24}: {1e3 * (time.perf_counter() - start) / 25:.1f} ms per step, "
            f"{falling.candidates()} narrow phases, {falling.contacts()} contacts, {falling.iterations()} iterations",
            flush=True,
        )
    start = time.perf_counter()
    falling.gradient()
    print(f"    backward: {1e3 * (time.perf_counter() - start) / steps:.1f} ms per step; {memory()}", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--envs", type=int, default=4096)
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--bodies", type=int, default=200)
    parser.add_argument("--precision", default="64")
    arguments = parser.parse_args()
    gs.init(backend=gs.cpu, precision=arguments.precision, seed=0, logging_level="warning")
    torch.set_num_threads(1)
    if arguments.bodies:
        many_bodies(arguments.bodies, 200)
    if arguments.envs:
        many_envs(arguments.envs, arguments.steps)
