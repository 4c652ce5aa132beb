"""What is measured on a scene: one function each, which returns figures by name (times in seconds unless they say)."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

import genesis as gs
from genesis.bench import programs, reference
from genesis.bench.scenes import Spec, Subject, has_rollout, spec_of, synchronize
from genesis.bench.timing import Effort, Pass, Times, interleave

NOT_THERE = "not there yet"
LOOP_STEPS = 100  # of the second program of Genesis's documentation of differentiable simulation
LINEARIZATIONS = 10  # in one pass
GETTERS = ("get_qpos", "get_dofs_velocity", "get_pos", "get_links_pos", "get_links_vel")

Figures = dict[str, Any]


@dataclass(frozen=True)
class Settings:
    """How to measure.

    Attributes:
        envs: numbers of envs
        horizon: steps of a rollout of few envs
        work: steps times envs of one pass at most, where the horizon is not at its least
        least_horizon: steps of a rollout of many envs
        n_threads: of this engine and of `mujoco.rollout`
        cold: whether to measure the first gradient with an empty kernel cache as well
    """

    envs: tuple[int, ...] = (1, 64, 1024)
    horizon: int = 200
    work: int = 50_000
    least_horizon: int = 20
    effort: Effort = field(default_factory=Effort)
    n_threads: int = field(default_factory=reference.n_cores)
    cold: bool = True

    def steps(self, n_envs: int) -> int:
        return min(self.horizon, max(self.least_horizon, self.work // n_envs))


def rollout_pass(subject: Subject, n_steps: int, by_steps: bool = False, **options: Any) -> Pass:
    """A pass over `n_steps` from the start: `forward` with its graph recorded, `backward` from the loss of its end.

    Args:
        by_steps: as a Python loop of single steps, even where `scene.rollout` exists
        options: of `scene.rollout`
    """
    controls = subject.controls(n_steps)

    def run() -> dict[str, float]:
        subject.restart()
        controls.grad = None
        synchronize()
        start = time.perf_counter()
        if by_steps:
            subject.advance_by_steps(controls)
        else:
            subject.advance(controls, **options)
        synchronize()
        forward = time.perf_counter() - start
        loss = subject.loss()
        synchronize()
        start = time.perf_counter()
        loss.backward()
        synchronize()
        return {"forward": forward, "backward": time.perf_counter() - start}

    return run


def program_pass(subject: Subject) -> Pass:
    """The second program of the specification, one epoch without the optimiser: a Python loop of single steps, the
    distance of the final position from a target, and its gradient. `total` is forward plus backward."""
    scene, robot = subject.scene, subject.robot
    controls = subject.controls(LOOP_STEPS)
    target = torch.tensor([1.0, 0.0, 0.5], device=gs.device)

    def run() -> dict[str, float]:
        subject.restart()
        controls.grad = None
        synchronize()
        start = time.perf_counter()
        for t in range(LOOP_STEPS):
            robot.control_dofs_force(controls[t])
            scene.step()
        final_pos = robot.get_pos() if not subject.spec.fixed else robot.links[-1].get_pos()
        loss = torch.nn.functional.mse_loss(final_pos, target)
        synchronize()
        forward = time.perf_counter() - start
        loss.backward()
        synchronize()
        return {"forward": forward, "total": time.perf_counter() - start}

    return run


def held_pass(subject: Subject, n_steps: int) -> Pass:
    """Bare calls of `scene.step()` under one command, and the backward pass through them."""
    force = subject.controls(1)[0].detach().requires_grad_()

    def run() -> dict[str, float]:
        subject.restart()
        force.grad = None
        subject.robot.control_dofs_force(force)
        synchronize()
        start = time.perf_counter()
        for _ in range(n_steps):
            subject.scene.step()
        synchronize()
        forward = time.perf_counter() - start
        loss = subject.loss()
        start = time.perf_counter()
        loss.backward()
        synchronize()
        return {"forward": forward, "backward": time.perf_counter() - start}

    return run


# ------------------------------------------------------------------ the measures


def measure_rollout(subject: Subject, settings: Settings) -> Figures:
    """A rollout forward and backward, per step and env, beside `mj_step` on one thread and `mujoco.rollout`."""
    n_steps = settings.steps(subject.n_envs)
    contestants: dict[str, Pass] = {"genesis": rollout_pass(subject, n_steps)}
    # MuJoCo's one thread runs one env: its time per step is that of many envs, too.
    contestants["mj_step"] = reference.steps(subject, settings.horizon)
    if subject.n_envs > 1:
        contestants["mujoco.rollout"] = reference.parallel_rollout(subject, n_steps, settings.n_threads)
    times = interleave(contestants, settings.effort)
    each = 1e6 / (n_steps * subject.n_envs)
    of_reference = 1e6 / settings.horizon
    figures = {
        "steps": n_steps,
        "repetitions": len(times.runs["genesis.forward"]),
        "forward_us": each * times.median("genesis.forward"),
        "forward_best_us": each * times.best("genesis.forward"),
        "backward_us": each * times.median("genesis.backward"),
        "backward_best_us": each * times.best("genesis.backward"),
        "env_steps_per_s": 1e6 / each / _median_of_sums(times, "genesis.forward", "genesis.backward"),
        "backward_over_forward": times.ratio("genesis.backward", "genesis.forward"),
        "mj_step_us": of_reference * times.median("mj_step.forward"),
        "mj_step_best_us": of_reference * times.best("mj_step.forward"),
        "forward_over_mj_step": times.ratio("genesis.forward", "mj_step.forward") * each / of_reference,
    }
    if subject.n_envs > 1:
        figures |= {
            "mujoco_rollout_us": each * times.median("mujoco.rollout.forward"),
            "mujoco_rollout_env_steps_per_s": 1e6 / each / times.median("mujoco.rollout.forward"),
            "forward_over_mujoco_rollout": times.ratio("genesis.forward", "mujoco.rollout.forward"),
        }
    return figures


def measure_agreement(subject: Subject, settings: Settings) -> Figures:
    """The largest difference of the final qpos and qvel from MuJoCo's, after the motion that is timed."""
    n_steps = settings.steps(1)
    subject.restart()
    with torch.no_grad():
        subject.advance(subject.controls(n_steps).detach())
        mine = torch.cat([subject.robot.get_qpos(), subject.robot.get_dofs_velocity()]).numpy(force=True)
    return {"steps": n_steps, "difference": float(np.abs(mine - reference.final_state(subject, n_steps)).max())}


def measure_program(subject: Subject, settings: Settings) -> Figures:
    """The specification's second program: 100 single steps from Python, forward plus backward [ms]."""
    times = interleave({"genesis": program_pass(subject)}, settings.effort)
    return {
        "steps": LOOP_STEPS,
        "forward_ms": 1e3 * times.median("genesis.forward"),
        "total_ms": 1e3 * times.median("genesis.total"),
        "total_best_ms": 1e3 * times.best("genesis.total"),
    }


def measure_overhead(subject: Subject, settings: Settings) -> Figures:
    """What a `scene.step()` costs beyond the kernels, which a rollout runs without Python between them."""
    if not has_rollout(subject.scene):
        return {"missing": f"scene.rollout: {NOT_THERE}"}
    n_steps = settings.horizon
    times = interleave(
        {
            "held": held_pass(subject, n_steps),
            "loop": rollout_pass(subject, n_steps, by_steps=True),
            "rollout": rollout_pass(subject, n_steps),
        },
        settings.effort,
    )

    def beyond(contestant: str, part: str) -> float:
        pairs = zip(times.runs[f"{contestant}.{part}"], times.runs[f"rollout.{part}"], strict=True)
        return 1e6 / n_steps * statistics.median(a - b for a, b in pairs)

    parts = ("forward", "backward")
    best = sum(times.best(f"held.{part}") - times.best(f"rollout.{part}") for part in parts)
    return {
        "total_best_us": 1e6 / n_steps * best,
        "forward_us": beyond("held", "forward"),
        "backward_us": beyond("held", "backward"),
        "total_us": beyond("held", "forward") + beyond("held", "backward"),
        "with_control_us": beyond("loop", "forward") + beyond("loop", "backward"),
    }


def measure_getters(subject: Subject, settings: Settings) -> Figures:
    """Each getter's first call after a step, with its graph [us]."""
    runs: dict[str, list[float]] = {name: [] for name in GETTERS}
    subject.restart()
    subject.robot.control_dofs_force(subject.controls(1)[0])
    for _ in range(5 * settings.effort.least):
        for name in GETTERS:
            subject.restart()
            subject.scene.step()
            getter = getattr(subject.robot, name)
            synchronize()
            start = time.perf_counter()
            getter()
            synchronize()
            runs[name].append(time.perf_counter() - start)
    return {f"{name}_us": 1e6 * statistics.median(seconds) for name, seconds in runs.items()}


def measure_linearize(subject: Subject, settings: Settings) -> Figures:
    """`A, B` of a step beside MuJoCo's centred finite differences, per call."""

    def run() -> dict[str, float]:
        start = time.perf_counter()
        for _ in range(LINEARIZATIONS):
            subject.scene.linearize()
        synchronize()
        return {"linearize": (time.perf_counter() - start) / LINEARIZATIONS}

    subject.restart()
    times = interleave({"genesis": run, "mujoco": reference.transition(subject, LINEARIZATIONS)}, settings.effort)
    return {
        "mjd_transitionFD_us": 1e6 * times.median("mujoco.linearize"),
        "linearize_us": 1e6 * times.median("genesis.linearize"),
        "linearize_over_transitionFD": times.ratio("genesis.linearize", "mujoco.linearize"),
    }


def measure_memory(spec: Spec, n_envs: int, settings: Settings) -> Figures:
    """Peak memory of a process of its own that runs a rollout and its gradient."""
    n_steps = settings.steps(n_envs)
    return programs.run(programs.MEMORY, spec.name, n_envs, n_steps, settings.n_threads)


def measure_first_gradient(spec: Spec, settings: Settings) -> Figures:
    """From the start of a process to its first gradient, with an empty kernel cache and with the one that this left."""
    return programs.first_gradient(spec.name, settings.cold, settings.n_threads)


def _median_of_sums(times: Times, *parts: str) -> float:
    return statistics.median(map(sum, zip(*(times.runs[part] for part in parts), strict=True)))


# ------------------------------------------------------------------ a scene with all of them

# Measures of one env, by the name under which their figures are kept.
SINGLE: dict[str, Callable[[Subject, Settings], Figures]] = {
    "agreement": measure_agreement,
    "program": measure_program,
    "overhead": measure_overhead,
    "getters": measure_getters,
    "linearize": measure_linearize,
}
PROCESSES = ("memory", "first_gradient")
MEASURES = ("rollout", *SINGLE, *PROCESSES)


def measure_scene(name: str, settings: Settings, measures: tuple[str, ...]) -> Iterator[tuple[str, Figures]]:
    """Figures of a scene as they come: ("rollout", {"1": ...}), ("program", ...)."""
    spec = spec_of(name)
    single: Subject | None = None
    if "rollout" in measures:
        by_envs = {}
        for n_envs in settings.envs:
            subject = Subject(spec, n_envs)
            by_envs[str(n_envs)] = measure_rollout(subject, settings)
            single = subject if n_envs == 1 else single
        yield "rollout", by_envs
    wanted = [measure for measure in SINGLE if measure in measures]
    if wanted:
        single = single or Subject(spec)
        for measure in wanted:
            yield measure, SINGLE[measure](single, settings)
    if "memory" in measures:
        yield "memory", {str(n_envs): measure_memory(spec, n_envs, settings) for n_envs in settings.envs}
    if "first_gradient" in measures:
        yield "first_gradient", measure_first_gradient(spec, settings)
