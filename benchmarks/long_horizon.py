"""What a gradient through a long horizon costs, in memory and time: ``python benchmarks/long_horizon.py [steps]``.

An arm under small forces, without contact: the gradient of its final state by every force of every step.
"""

import resource
import sys
import time

import torch

import genesis as gs
from genesis.demo import panda_file


def peak() -> float:
    """Largest resident size of the process so far [GiB]."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def gradient(scene, robot, u: torch.Tensor, limit: str | None) -> tuple[float, torch.Tensor]:
    """Seconds, and the gradient by ``u``."""
    u = u.detach().requires_grad_()
    start = time.perf_counter()
    scene.reset()
    scene.rollout({robot: u}, memory_limit=limit)
    (robot.get_dofs_position() ** 2).sum().backward()
    return time.perf_counter() - start, u.grad


def main(steps: int) -> None:
    gs.init(backend=gs.cpu, logging_level="warning", seed=0)
    scene = gs.Scene(gs.options.SimOptions(requires_grad=True), gs.options.RigidOptions(disable_constraint=True))
    robot = scene.add_entity(gs.morphs.URDF(file=panda_file(), fixed=True))
    scene.build()
    # Damped, so that neither the motion nor its gradient grows with the horizon.
    robot.set_dofs_damping(torch.full((robot.n_dofs,), 30.0))
    robot.set_dofs_stiffness(torch.full((robot.n_dofs,), 20.0))

    few = steps // 10
    u = 0.1 * torch.randn(few, robot.n_dofs)
    gradient(scene, robot, u[:10], None)
    print(f"built: {peak():.2f} GiB")
    times: dict[str | None, list[float]] = {None: [], "16MB": [], "200kB": []}
    grads = {}
    for _ in range(3):
        for limit, seconds in times.items():
            took, grads[limit] = gradient(scene, robot, u, limit)
            seconds.append(took)
    for limit, seconds in times.items():
        ratio = sorted(a / b for a, b in zip(seconds, times[None], strict=True))[1]
        same = "the same gradient" if torch.equal(grads[limit], grads[None]) else "ANOTHER GRADIENT"
        print(f"{few} steps, limit {limit}: {min(seconds):.2f} s, {ratio:.2f} x, {same}")

    u = 0.1 * torch.randn(steps, robot.n_dofs)
    for limit in ("16MB", None):
        took, grad = gradient(scene, robot, u, limit)
        finite = "finite" if bool(grad.isfinite().all()) else "NOT FINITE"
        print(f"{steps} steps, limit {limit}: {took:.1f} s, {finite}, at most {peak():.2f} GiB so far")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000)
