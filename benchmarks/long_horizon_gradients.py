"""What becomes of gradients over long horizons, and what helps: the figures of docs/long_horizons.md.

    python benchmarks/long_horizon_gradients.py [growth] [optimise] [throw] [--plot docs/long_horizons.png]

growth:   norm of the gradient over the horizon, for a double pendulum that swings gently, tumbles, and tumbles damped;
          how far from the start the gradient still predicts the loss.
optimise: torques of a tumbling double pendulum, with the exact gradient and with each remedy, the same optimiser.
throw:    a ball that is to land behind a wall, with the exact gradient and with smoothed ones.
"""

from __future__ import annotations

import argparse
import math
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import genesis as gs

DT = 0.01  # [s]
LENGTH = 0.5  # of each rod [m]
PENDULUM = f"""
<mujoco><option gravity="0 0 -9.81" timestep="{DT}"/><worldbody>
  <body name="upper"><joint name="shoulder" type="hinge" axis="0 1 0" damping="DAMPING"/>
    <inertial pos="0 0 {-LENGTH}" mass="1" diaginertia="0.01 0.01 0.001"/>
    <body name="lower" pos="0 0 {-LENGTH}"><joint name="elbow" type="hinge" axis="0 1 0" damping="DAMPING"/>
      <inertial pos="0 0 {-LENGTH}" mass="1" diaginertia="0.01 0.01 0.001"/></body>
  </body></worldbody></mujoco>
"""


def pendulum(n_envs: int, damping: float = 0.0, gradient_clip: float | None = None):
    """(scene, robot): a double pendulum, hinges about y, hanging down at zero; one env per row."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "pendulum.xml"
        path.write_text(PENDULUM.replace("DAMPING", str(damping)))
        scene = gs.Scene(
            gs.options.SimOptions(dt=DT, requires_grad=True, gradient_clip=gradient_clip),
            # a method of fourth order: the energy of the tumbling pendulum stays what it is
            gs.options.RigidOptions(disable_constraint=True, integrator=gs.integrator.RK4),
        )
        robot = scene.add_entity(gs.morphs.MJCF(file=path))
        scene.build(n_envs=n_envs)
    return scene, robot


def tip(angles: torch.Tensor) -> torch.Tensor:
    """Where the end of the lower rod is, (..., 2) [m], of joint angles (..., 2)."""
    first, second = angles[..., 0], angles.sum(-1)
    return -LENGTH * torch.stack([first.sin() + second.sin(), first.cos() + second.cos()], -1)


def table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> None:
    """Print a table in Markdown."""
    print(f"\n| {' | '.join(head)} |\n|{'---|' * len(head)}")
    for row in rows:
        print(f"| {' | '.join(row)} |")
    print(flush=True)


# -- growth -----------------------------------------------------------------------------------------------------------

HORIZONS = (10, 20, 50, 100, 200, 500, 1000, 2000)
N_STARTS = 16
REGIMES = {"swings, 0.2 rad": (0.2, 0.0), "tumbles, 2.5 rad": (2.5, 0.0), "tumbles, damped": (2.5, 0.3)}
# Changes of the first angle, for the reach of the linear prediction.
CHANGES = 10.0 ** torch.arange(-13.0, -0.5, 0.5)


def growth() -> dict[str, list[float]]:
    """Median norm of the gradient by the initial state, per regime and horizon; prints it with the reach."""
    norms: dict[str, list[float]] = {}
    reaches: dict[str, list[float]] = {}
    exponents: dict[str, str] = {}
    for name, (angle, damping) in REGIMES.items():
        scene, robot = pendulum(N_STARTS, damping)
        # column 0 as it is, then moved up and down by each change
        moved, movable = pendulum(N_STARTS * (1 + 2 * len(CHANGES)), damping)
        offsets = torch.cat([torch.zeros(1), CHANGES, -CHANGES])
        start = angle + 0.1 * angle * torch.randn(N_STARTS, 2, generator=torch.Generator().manual_seed(0))
        norms[name], reaches[name] = [], []
        for horizon in HORIZONS:
            q, v = start.clone().requires_grad_(), torch.zeros(N_STARTS, 2, requires_grad=True)
            slope = final(scene, robot, q, v, horizon).sum()
            slope.backward()
            norm = torch.cat([q.grad, v.grad], 1).norm(dim=1)
            norms[name].append(norm.median().item())
            changed = start[:, None, :].repeat(1, len(offsets), 1)
            changed[..., 0] += offsets
            with torch.no_grad():
                values = final(moved, movable, changed.flatten(0, 1), torch.zeros(changed[..., 0].numel(), 2), horizon)
            reaches[name].append(reach(values.reshape(N_STARTS, -1), q.grad[:, 0]))
        late = [(DT * t, math.log(n)) for t, n in zip(HORIZONS, norms[name], strict=True) if t >= 200]
        exponents[name] = f"{slope_of(late):.2f}"
    rows = []
    for name in REGIMES:
        rows.append((f"{name}: norm", *(f"{n:.1e}" for n in norms[name]), exponents[name]))
        rows.append((f"{name}: reach [rad]", *(f"{n:.0e}" if n else "none" for n in reaches[name]), ""))
    table(("steps", *map(str, HORIZONS), "exponent [1/s]"), rows)
    return norms


def final(scene, robot, q: torch.Tensor, v: torch.Tensor, horizon: int) -> torch.Tensor:
    """Horizontal position of the tip after `horizon` steps, (n_envs,)."""
    scene.reset()
    robot.set_qpos(q)
    robot.set_dofs_velocity(v)
    scene.rollout(n_steps=horizon)
    return tip(robot.get_qpos())[:, 0]


def reach(values: torch.Tensor, slope: torch.Tensor) -> float:
    """Largest change at which the slope predicts the difference to 10 %, median over starts; 0 if there is none."""
    up, down = values[:, 1 : 1 + len(CHANGES)], values[:, 1 + len(CHANGES) :]
    predicted = 2 * CHANGES * slope[:, None]
    good = (up - down - predicted).abs() < 0.1 * predicted.abs()
    largest = torch.where(good, CHANGES, 0.0).amax(1)
    return largest.median().item()


def slope_of(points: list[tuple[float, float]]) -> float:
    """Least-squares slope of (x, y)."""
    x, y = torch.tensor(points).T
    return (((x - x.mean()) * (y - y.mean())).sum() / (x - x.mean()).square().sum()).item()


# -- optimise ---------------------------------------------------------------------------------------------------------

N_STEPS = 1000
HOLD = 20  # steps for which a torque is held
TORQUE = 3.0  # [N m] at most; gravity needs 14.7 N m to hold the rods out horizontally
GOAL = torch.tensor([0.0, 2 * LENGTH])  # upright, where the tumbling pendulum only passes by
N_SEEDS, N_ITERATIONS, N_SAMPLES, WINDOW = 3, 100, 16, 50
LEARNING_RATE = 0.05
CLIP = 1.0


def run_pendulum(scene, robot, knots: torch.Tensor, window: int | None = None) -> torch.Tensor:
    """Mean square distance of the tip from the goal [m^2], (n_envs,), under torques (n_envs, N_STEPS / HOLD, 2)."""
    torques = (TORQUE * knots.tanh()).repeat_interleave(HOLD, 1).transpose(0, 1)
    scene.reset()
    robot.set_qpos(torch.tensor([2.5, 0.0]).expand(knots.shape[0], 2))
    total = torch.zeros(knots.shape[0])
    for first in range(0, N_STEPS, window or N_STEPS):
        if first:
            scene.detach()
        part = scene.rollout({robot: torques[first : first + (window or N_STEPS)]})
        total = total + (tip(part.qpos(robot)[1:]) - GOAL).square().sum(-1).sum(0)
    return total / N_STEPS


def optimise() -> dict[str, list[float]]:
    """Best loss so far over the iterations, median over seeds, of each method; prints the table."""
    one, robot_one = pendulum(1)
    clipped, robot_clipped = pendulum(1, gradient_clip=CLIP)
    many, robot_many = pendulum(N_SAMPLES)

    def plain(knots, method):
        loss = run_pendulum(
            clipped if method == "clip" else one,
            robot_clipped if method == "clip" else robot_one,
            knots[None],
            WINDOW if method == "windows" else None,
        ).sum()
        loss.backward()
        if method == "norm":
            torch.nn.utils.clip_grad_norm_([knots], CLIP)
        if method == "random":
            knots.grad = torch.randn_like(knots)

    def smoothed(knots, method):
        gs.grad.smooth(
            lambda samples: run_pendulum(many, robot_many, samples),
            knots,
            sigma=0.1,
            n_samples=N_SAMPLES,
            method=method,
        ).backward()

    methods: dict[str, tuple[Callable, str]] = {
        "random numbers": (plain, "random"),  # what Adam finds by trying: a gradient has to do better
        "exact gradient": (plain, "exact"),
        "exact, norm of the whole clipped to 1": (plain, "norm"),
        "gradient_clip=1": (plain, "clip"),
        f"detach() every {WINDOW} steps": (plain, "windows"),
        f"smooth, {N_SAMPLES} samples": (smoothed, "mix"),
    }
    rows, curves = [], {}
    for name, (gradient, method) in methods.items():
        best, last, sizes, seconds = [], [], [], 0.0
        for seed in range(N_SEEDS):
            torch.manual_seed(seed)
            knots = (0.3 * torch.randn(N_STEPS // HOLD, 2)).requires_grad_()
            optimizer = torch.optim.Adam([knots], lr=LEARNING_RATE)
            losses = []
            for _ in range(N_ITERATIONS):
                begin = time.perf_counter()
                optimizer.zero_grad()
                gradient(knots, method)
                sizes.append(knots.grad.norm().item())
                optimizer.step()
                seconds += time.perf_counter() - begin
                with torch.no_grad():
                    losses.append(run_pendulum(one, robot_one, knots[None]).item())
            best.append(torch.tensor(losses).cummin(0).values)
            last.append(losses[-1])
        curve = torch.stack(best).median(0).values
        curves[name] = curve.tolist()
        print(f"{name}: {curve[-1]:.2f}", file=sys.stderr, flush=True)
        middle, most = torch.tensor(sizes).median().item(), max(sizes)
        rows.append(
            (
                name,
                f"{curve[-1]:.2f}",
                f"{min(float(b[-1]) for b in best):.2f} to {max(float(b[-1]) for b in best):.2f}",
                f"{torch.tensor(last).median():.2f}",
                f"{middle:.1e}",
                f"{most:.1e}",
                f"{1e3 * seconds / N_SEEDS / N_ITERATIONS:.0f}",
            )
        )
    rows.append(by_feedback())
    with torch.no_grad():
        idle = run_pendulum(one, robot_one, torch.zeros(1, N_STEPS // HOLD, 2)).item()
    print(f"\nWithout torques: {idle:.2f} m^2. {N_ITERATIONS} iterations of Adam, {N_SEEDS} seeds.")
    table(("gradient", "best loss", "over seeds", "last", "median norm", "largest", "ms per iteration"), rows)
    return curves


def by_feedback() -> tuple[str, ...]:
    """The same task for `gs.tools.optimize_trajectory`, a torque per step from the same guesses: a row of the table."""
    scene, robot = pendulum(0)
    weight = math.sqrt(2.0 / N_STEPS)  # its cost is half the sum of squares
    cost = gs.tools.ResidualCost(
        stage=lambda path, u: torch.cat([weight * (tip(path.qpos(robot)[:-1]) - GOAL), 1e-4 * u], -1),
        terminal=lambda path: weight * (tip(path.qpos(robot)[-1]) - GOAL),
    )
    losses, seconds, iterations = [], 0.0, 0
    for seed in range(N_SEEDS):
        torch.manual_seed(seed)
        knots = 0.3 * torch.randn(N_STEPS // HOLD, 2)
        scene.reset()
        robot.set_qpos(torch.tensor([2.5, 0.0]))
        begin = time.perf_counter()
        result = gs.tools.optimize_trajectory(
            scene,
            cost,
            N_STEPS,
            initial=(TORQUE * knots.tanh()).repeat_interleave(HOLD, 0),
            lower=-TORQUE,
            upper=TORQUE,
            method="ilqr",
            max_iterations=N_ITERATIONS,
            progress=False,
        )
        seconds += time.perf_counter() - begin
        iterations += result.iterations
        losses.append(float(result.cost))
    losses.sort()
    name, middle = 'optimize_trajectory(method="ilqr")', f"{losses[len(losses) // 2]:.2f}"
    return name, middle, f"{losses[0]:.2f} to {losses[-1]:.2f}", middle, "", "", f"{1e3 * seconds / iterations:.0f}"


# -- throw ------------------------------------------------------------------------------------------------------------

THROW_STEPS, WALL, TARGET = 80, 0.3, 1.0  # 1, height [m], distance [m]
N_THROWS, THROW_ITERATIONS, THROW_SAMPLES, SIGMA = 8, 50, 64, 0.4


def thrower(n_envs: int):
    """(scene, ball): a ball 10 cm above the ground, and a wall half a metre away."""
    scene = gs.Scene(gs.options.SimOptions(dt=DT, requires_grad=True))
    scene.add_entity(gs.morphs.Plane())
    scene.add_entity(gs.morphs.Box(size=(0.04, 1.0, WALL), pos=(0.5, 0.0, WALL / 2), fixed=True))
    ball = scene.add_entity(gs.morphs.Sphere(radius=0.05, pos=(0.0, 0.0, 0.1)))
    scene.build(n_envs=n_envs)
    return scene, ball


def run_throw(scene, ball, velocity: torch.Tensor) -> torch.Tensor:
    """Square of the distance from the target [m^2], (n_envs,), of initial velocities (n_envs, 2), x and z [m/s]."""
    scene.reset()
    zero = torch.zeros_like(velocity[:, :1])
    ball.set_dofs_velocity(torch.cat([velocity[:, :1], zero, velocity[:, 1:], zero, zero, zero], 1))
    scene.rollout(n_steps=THROW_STEPS)
    return (ball.get_pos()[:, 0] - TARGET).square()


def throw() -> dict[str, list[float]]:
    """Median loss over the iterations; prints how many throws land within 5 cm of the target."""
    one, ball_one = thrower(1)
    many, ball_many = thrower(THROW_SAMPLES)
    # Too slow or too low: the wall stops all but one of these.
    generator = torch.Generator().manual_seed(0)
    starts = torch.tensor([0.9, 2.4]) + 0.3 * torch.rand(N_THROWS, 2, generator=generator)
    rows, curves = [], {}
    for method in ("exact", "first", "zeroth", "mix"):
        landed, ends, every, seconds = 0, [], [], 0.0
        for index, start in enumerate(starts):
            velocity = start.clone().requires_grad_()
            torch.manual_seed(index)
            optimizer = torch.optim.Adam([velocity], lr=0.05)
            losses = []
            for iteration in range(THROW_ITERATIONS):
                begin = time.perf_counter()
                optimizer.zero_grad()
                if method == "exact":
                    run_throw(one, ball_one, velocity[None]).sum().backward()
                else:
                    # the noise goes to a tenth: the optimum of the smoothed objective to that of the objective
                    sigma = SIGMA * 0.1 ** (iteration / THROW_ITERATIONS)
                    gs.grad.smooth(
                        lambda samples: run_throw(many, ball_many, samples),
                        velocity,
                        sigma=sigma,
                        n_samples=THROW_SAMPLES,
                        method=method,
                    ).backward()
                optimizer.step()
                seconds += time.perf_counter() - begin
                with torch.no_grad():
                    losses.append(run_throw(one, ball_one, velocity[None]).item())
            landed += losses[-1] < 0.05**2
            ends.append(math.sqrt(losses[-1]))
            every.append(losses)
        curves[method] = torch.tensor(every).median(0).values.tolist()
        name = "exact gradient" if method == "exact" else f"smooth, {method}"
        distance = torch.tensor(ends).median().item()
        milliseconds = 1e3 * seconds / N_THROWS / THROW_ITERATIONS
        rows.append((name, f"{landed} of {N_THROWS}", f"{distance:.3f}", f"{milliseconds:.0f}"))
    table(("gradient", "within 5 cm", "median distance [m]", "ms per iteration"), rows)
    return curves


# -- plot -------------------------------------------------------------------------------------------------------------


def plot(path: str, results: dict[str, dict[str, list[float]]]) -> None:
    """What was measured, side by side, into a file."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    titles = {"growth": "norm of the gradient", "optimise": "best loss so far [m$^2$]", "throw": "loss [m$^2$]"}
    labels = {"growth": "horizon [steps]", "optimise": "iteration", "throw": "iteration"}
    figure, axes = pyplot.subplots(1, len(results), figsize=(5 * len(results), 4), squeeze=False)
    for axis, (name, curves) in zip(axes[0], results.items(), strict=True):
        for label, values in curves.items():
            axis.plot(HORIZONS if name == "growth" else range(len(values)), values, label=label)
        if name == "growth":
            axis.set_xscale("log")
        if name != "optimise":
            axis.set_yscale("log")
        axis.set_title(titles[name])
        axis.set_xlabel(labels[name])
        axis.legend(fontsize=7)
        axis.grid(alpha=0.3)
    figure.tight_layout()
    figure.savefig(path, dpi=80)
    print(f"wrote {path}")


PARTS = {"growth": growth, "optimise": optimise, "throw": throw}

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", help=f"of {', '.join(PARTS)}; all by default")
    parser.add_argument("--plot", help="write a plot to this file")
    arguments = parser.parse_args()
    if unknown := set(arguments.parts) - set(PARTS):
        parser.error(f"unknown part {', '.join(sorted(unknown))}: expected {', '.join(PARTS)}")
    gs.init(backend=gs.cpu, precision="64", seed=0, logging_level="warning")
    torch.set_num_threads(1)
    measured = {name: PARTS[name]() for name in arguments.parts or PARTS}
    if arguments.plot:
        plot(arguments.plot, measured)
