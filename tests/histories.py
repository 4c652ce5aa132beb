"""MuJoCo's histories of controls in the order of a state here: actuator after actuator, the oldest control first."""

import mujoco
import numpy as np


def _buffers(m: mujoco.MjModel, d: mujoco.MjData):
    """(values in memory, places in the order of time) of each control of an actuator that keeps a history."""
    for u in np.flatnonzero(m.actuator_history[:, 0] > 0):
        n, start, controls = int(m.actuator_history[u, 0]), int(m.actuator_historyadr[u]), int(m.actuator_ctrlnum[u])
        newest = int(d.history[start + 1])
        values = d.history[start + 2 + n : start + 2 + n + n * controls].reshape(n, controls)
        for k in range(controls):
            yield values[:, k], (newest + 1 + np.arange(n)) % n


def control_history(m: mujoco.MjModel, d: mujoco.MjData) -> np.ndarray:
    return np.concatenate([np.zeros(0), *(values[order] for values, order in _buffers(m, d))])


def set_control_history(m: mujoco.MjModel, d: mujoco.MjData, history: np.ndarray) -> None:
    first = 0
    for values, order in _buffers(m, d):
        values[order] = history[first : first + len(order)]
        first += len(order)
    assert first == len(history)


def packed(m: mujoco.MjModel, d: mujoco.MjData) -> np.ndarray:
    """Positions, velocities, activations, histories of controls, and where plastic springs rest."""
    return np.concatenate([d.qpos, d.qvel, d.act, control_history(m, d), d.plastic])
