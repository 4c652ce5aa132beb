"""MuJoCo C on the scenes of the benchmark: the same model, start and forces."""

from __future__ import annotations

import os
import time

import mujoco
import numpy as np
from mujoco import rollout

from genesis.bench.scenes import STEPS_PER_FORCE, Subject
from genesis.bench.timing import Pass

_STATE = mujoco.mjtState.mjSTATE_FULLPHYSICS
_FORCES = mujoco.mjtState.mjSTATE_QFRC_APPLIED
EPSILON = 1e-6  # of finite differences, as MuJoCo's documentation has it


def n_cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def data_at_start(subject: Subject) -> mujoco.MjData:
    data = mujoco.MjData(subject.mj_model)
    mujoco.mj_setState(subject.mj_model, data, subject.start, _STATE)
    return data


def steps(subject: Subject, n_steps: int) -> Pass:
    """`mj_step` on one thread, one env: the first env's motion. Returns a pass that times `forward`."""
    model, data = subject.mj_model, mujoco.MjData(subject.mj_model)
    chunks = [
        (force, min(STEPS_PER_FORCE, n_steps - k * STEPS_PER_FORCE))
        for k, force in enumerate(subject.forces(n_steps)[0, ::STEPS_PER_FORCE])
    ]

    def run() -> dict[str, float]:
        mujoco.mj_setState(model, data, subject.start, _STATE)
        data.qacc_warmstart[:] = 0.0
        applied = data.qfrc_applied
        start = time.perf_counter()
        for force, count in chunks:
            applied[:] = force
            mujoco.mj_step(model, data, count)
        return {"forward": time.perf_counter() - start}

    return run


def final_state(subject: Subject, n_steps: int) -> np.ndarray:
    """qpos and qvel of the first env after the motion, (nq + nv,)."""
    data = data_at_start(subject)
    for force in subject.forces(n_steps)[0]:
        data.qfrc_applied[:] = force
        mujoco.mj_step(subject.mj_model, data)
    return np.concatenate([data.qpos, data.qvel])


def parallel_rollout(subject: Subject, n_steps: int, n_threads: int) -> Pass:
    """`mujoco.rollout` of all envs on `n_threads` threads. Returns a pass that times `forward`."""
    model = subject.mj_model
    pool = rollout.Rollout(nthread=n_threads)
    data = [mujoco.MjData(model) for _ in range(n_threads)]
    start_states = np.broadcast_to(subject.start, (subject.n_envs, len(subject.start))).copy()
    forces = np.ascontiguousarray(subject.forces(n_steps))
    states = np.empty((subject.n_envs, n_steps, len(subject.start)))

    def run() -> dict[str, float]:
        start = time.perf_counter()
        pool.rollout(model, data, start_states, forces, control_spec=_FORCES, state=states)
        return {"forward": time.perf_counter() - start}

    return run


def transition(subject: Subject, repetitions: int) -> Pass:
    """Centred `mjd_transitionFD` at the start of the motion. Returns a pass that times `A, B`, of one call."""
    model, data = subject.mj_model, data_at_start(subject)
    mujoco.mj_forward(model, data)
    size = 2 * model.nv + model.na
    a, b = np.empty((size, size)), np.empty((size, model.nu))

    def run() -> dict[str, float]:
        start = time.perf_counter()
        for _ in range(repetitions):
            mujoco.mjd_transitionFD(model, data, EPSILON, True, a, b, None, None)
        return {"linearize": (time.perf_counter() - start) / repetitions}

    return run
