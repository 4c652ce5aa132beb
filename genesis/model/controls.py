"""The controls of a model's actuators: MuJoCo's `ctrl` holds those of one actuator after the other's.

Most actuators have one. A PID servo and a DC motor have those of their inputs that the file asks for, in the order
(pos, vel, ff, voltage): position setpoint, velocity setpoint, feedforward force and terminal voltage; a motor that is
purely passive has none. An orientation servo has the three of a rotation vector or the four of a quaternion.
"""

from __future__ import annotations

import mujoco
import numpy as np

# Inputs of servos, in order, and their bits in `actuator_ctrlspec` (MuJoCo: mjtInput).
INPUTS = (("pos", 1), ("vel", 2), ("ff", 4), ("voltage", 8))
SERVOS = (int(mujoco.mjtGain.mjGAIN_PID), int(mujoco.mjtGain.mjGAIN_DCMOTOR))
# Inputs of orientation servos: rotation vectors or quaternions, and what `actuator_ctrlspec` then is (mjtCtrlChart).
ORIENTATION = int(mujoco.mjtGain.mjGAIN_SO3)
QUATERNION = 2
_VECTOR_INPUTS, _QUATERNION_INPUTS = ("rx", "ry", "rz"), ("qw", "qx", "qy", "qz")


def input_names(m: mujoco.MjModel, actuator: int) -> tuple[str, ...]:
    """What the controls of an actuator are called (MuJoCo: mj_actuatorInputName); "" where one has no name."""
    if int(m.actuator_gaintype[actuator]) in SERVOS:
        return tuple(name for name, bit in INPUTS if int(m.actuator_ctrlspec[actuator]) & bit)
    if int(m.actuator_gaintype[actuator]) == ORIENTATION:
        return _QUATERNION_INPUTS if m.actuator_ctrlspec[actuator] == QUATERNION else _VECTOR_INPUTS
    return ("",) * int(m.actuator_ctrlnum[actuator])


def control_names(m: mujoco.MjModel, actuator: int, name: str) -> tuple[str, ...]:
    """Of each control of an actuator of that name: the name, and which of its inputs where there are several."""
    names = input_names(m, actuator)
    return (name,) if len(names) == 1 else tuple(f"{name}.{one}" for one in names)


def at_rest(m: mujoco.MjModel) -> np.ndarray:
    """The controls before anything is commanded, (nu,): zero, of quaternions the identity (MuJoCo: mj_resetData)."""
    values = np.zeros(m.nu)
    turns = (m.actuator_gaintype == ORIENTATION) & (m.actuator_ctrlspec == QUATERNION)
    values[m.actuator_ctrladr[turns]] = 1.0
    return values


def positions(m: mujoco.MjModel, actuators: np.ndarray) -> np.ndarray:
    """Where the controls of these actuators are in `ctrl`, one actuator's after the other's, (n,)."""
    blocks = [m.actuator_ctrladr[u] + np.arange(m.actuator_ctrlnum[u]) for u in actuators]
    return np.concatenate(blocks) if blocks else np.zeros(0, dtype=np.int64)
