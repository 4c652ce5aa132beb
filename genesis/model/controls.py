"""The controls of a model's actuators: MuJoCo's `ctrl` holds those of one actuator after the other's.

Most actuators have one. A PID servo and a DC motor have those of their inputs that the file asks for, in the order
(pos, vel, ff, voltage): position setpoint, velocity setpoint, feedforward force and terminal voltage; a motor that is
purely passive has none.
"""

from __future__ import annotations

import mujoco
import numpy as np

# Inputs of servos, in order, and their bits in `actuator_ctrlspec` (MuJoCo: mjtInput).
INPUTS = (("pos", 1), ("vel", 2), ("ff", 4), ("voltage", 8))
SERVOS = (int(mujoco.mjtGain.mjGAIN_PID), int(mujoco.mjtGain.mjGAIN_DCMOTOR))


def input_names(m: mujoco.MjModel, actuator: int) -> tuple[str, ...]:
    """What the controls of an actuator are called (MuJoCo: mj_actuatorInputName); "" where one has no name."""
    if int(m.actuator_gaintype[actuator]) in SERVOS:
        return tuple(name for name, bit in INPUTS if int(m.actuator_ctrlspec[actuator]) & bit)
    return ("",) * int(m.actuator_ctrlnum[actuator])


def inputs(m: mujoco.MjModel, actuator: int) -> list[int]:
    """Where in `ctrl` each of `INPUTS` of a servo is, or -1."""
    names, first = input_names(m, actuator), int(m.actuator_ctrladr[actuator])
    return [first + names.index(name) if name in names else -1 for name, _ in INPUTS]


def control_names(m: mujoco.MjModel, actuator: int, name: str) -> tuple[str, ...]:
    """Of each control of an actuator of that name: the name, and which of its inputs where there are several."""
    names = input_names(m, actuator)
    return (name,) if len(names) == 1 else tuple(f"{name}.{one}" for one in names)


def positions(m: mujoco.MjModel, actuators: np.ndarray) -> np.ndarray:
    """Where the controls of these actuators are in `ctrl`, one actuator's after the other's, (n,)."""
    blocks = [m.actuator_ctrladr[u] + np.arange(m.actuator_ctrlnum[u]) for u in actuators]
    return np.concatenate(blocks) if blocks else np.zeros(0, dtype=np.int64)
