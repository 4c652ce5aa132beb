"""The past controls of actuators with a delay, which belong to the state as activations do (MuJoCo: mjData.history).

MuJoCo keeps a ring of (time, value) for each such actuator. All steps being equally long, the times say nothing: here
a history is the last `nsample` controls, one per integration step, the oldest first.
"""

from __future__ import annotations

import mujoco
import numpy as np

from genesis.model import controls


def of_actuators(m: mujoco.MjModel) -> np.ndarray:
    """(k,) actuators with a history."""
    return np.flatnonzero(m.actuator_history[:, 0] > 0)


def size(m: mujoco.MjModel) -> int:
    """Numbers of an env's state that are histories of controls."""
    actuators = of_actuators(m)
    return int(m.actuator_history[actuators, 0] @ m.actuator_ctrlnum[actuators])


def at_rest(m: mujoco.MjModel) -> np.ndarray:
    """Their values before anything is commanded, (size,)."""
    known, start = describe(m), controls.at_rest(m)
    return np.repeat(start[known["history_ctrl"]], np.diff(known["history_adr"]))


def describe(m: mujoco.MjModel) -> dict[str, np.ndarray]:
    """Of the k controls of actuators with a history: history_actuator, history_ctrl (k,): the actuator, and the
    control; history_of_ctrl (nu,): number of a control's history, or -1; history_interp (k,): MuJoCo's mjtInterp;
    history_adr (k + 1,): where each begins, and the last ends, among the activations, behind those of MuJoCo."""
    several = of_actuators(m)
    actuators = np.repeat(several, m.actuator_ctrlnum[several])
    of_each = controls.positions(m, several)
    number = np.full(m.nu, -1)
    number[of_each] = np.arange(len(of_each))
    return {
        "history_actuator": actuators,
        "history_ctrl": of_each,
        "history_of_ctrl": number,
        "history_interp": m.actuator_history[actuators, 1],
        "history_adr": m.na + np.concatenate([[0], np.cumsum(m.actuator_history[actuators, 0])]),
    }
