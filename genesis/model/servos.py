"""PID servos, DC motors and orientation servos: actuators with several inputs, states or forces.

They are MuJoCo's gaintypes pid, dcmotor and so3.
"""

from __future__ import annotations

import mujoco
import numpy as np

from genesis.model import controls

# States, in the order in which those that an actuator has follow each other among its activations.
STATES = ("slew", "integral", "temperature", "bristle", "current")
_PID, _DCMOTOR = int(mujoco.mjtGain.mjGAIN_PID), int(mujoco.mjtGain.mjGAIN_DCMOTOR)


def of(m: mujoco.MjModel) -> np.ndarray:
    """(nactuator,) bool: which actuators are servos."""
    return np.isin(m.actuator_gaintype, (_PID, _DCMOTOR, controls.ORIENTATION))


def describe(m: mujoco.MjModel, moves: bool, behind: int) -> dict[str, np.ndarray]:
    """Index arrays of the servos of a model.

    `moves`: whether activations move at all; `behind`: how many rates there are, of activations and of what counts as
    such: the velocities come after them. What is described:
        servo_actuator (n,); actuator_servo (nactuator,), its inverse, or -1
        servo_is_motor (n,); pid_servo, dc_servo: numbers of those that are PID servos, and DC motors
        servo_input (n, 4): where in `ctrl` each of `controls.INPUTS` is, or -1; servo_first (n,): which is first, or -1
        servo_state (n, 5): where in `act` each of `STATES` is, or -1
        so3_actuator, so3_servo (k,): actuators that are orientation servos, and their numbers among the servos;
            so3_ctrladr, so3_quat, so3_actadr, so3_limited (k,): first control, whether it begins a quaternion, first
            activation or -1, whether the torque is bounded; so3_qpos (k,): where in qpos the ball joint is, or -1;
            so3_site (k, 2): site and reference, or -1
        servo_velocity (n,): of those with bristles, where behind the rates of activations their velocity is, or -1
    """
    chosen = np.flatnonzero(of(m))
    number = np.full(m.nactuator, -1)
    number[chosen] = np.arange(len(chosen))
    motor = m.actuator_gaintype[chosen] == _DCMOTOR
    turning = np.flatnonzero(m.actuator_gaintype[chosen] == controls.ORIENTATION)
    turns = chosen[turning]
    target, reference = m.actuator_trnid[turns].T
    inputs = np.reshape([_inputs(m, u) for u in chosen.tolist()], (-1, len(controls.INPUTS))).astype(int)
    states = np.reshape([_states(m, u) for u in chosen.tolist()], (-1, len(STATES))).astype(int)
    sliding = (states[:, STATES.index("bristle")] >= 0) & moves
    return {
        "servo_actuator": chosen,
        "actuator_servo": number,
        "servo_is_motor": motor,
        "pid_servo": np.flatnonzero(m.actuator_gaintype[chosen] == _PID),
        "dc_servo": np.flatnonzero(motor),
        "servo_input": inputs,
        "servo_first": np.where((inputs >= 0).any(1), (inputs >= 0).argmax(1), -1),
        "servo_state": states,
        "so3_actuator": turns,
        "so3_servo": turning,
        "so3_ctrladr": m.actuator_ctrladr[turns],
        "so3_quat": m.actuator_ctrlspec[turns] == controls.QUATERNION,
        "so3_actadr": m.actuator_actadr[turns],
        "so3_limited": m.actuator_forcelimited[turns],
        "so3_qpos": [m.jnt_qposadr[one] if two < 0 else -1 for one, two in zip(target, reference, strict=True)],
        "so3_site": np.where((reference < 0)[:, None], -1, m.actuator_trnid[turns]),
        "servo_velocity": np.where(sliding, behind + np.cumsum(sliding) - 1, -1),
    }


def _inputs(m: mujoco.MjModel, actuator: int) -> list[int]:
    """Where in `ctrl` each of `controls.INPUTS` is, or -1; an orientation servo has none of them."""
    names, first = controls.input_names(m, actuator), int(m.actuator_ctrladr[actuator])
    return [first + names.index(name) if name in names else -1 for name, _ in controls.INPUTS]


def _states(m: mujoco.MjModel, actuator: int) -> list[int]:
    """Where in `act` each of `STATES` is, or -1 (MuJoCo: mj_dcmotorSlots; of a PID servo, its compiler)."""
    gain, dynamics = m.actuator_gainprm[actuator], m.actuator_dynprm[actuator]
    if m.actuator_gaintype[actuator] == _DCMOTOR:
        present = [dynamics[7] > 0, gain[5] > 0, dynamics[2] > 0, dynamics[5] > 0, dynamics[0] > 0]
    elif m.actuator_gaintype[actuator] == controls.ORIENTATION:
        present = [False] * len(STATES)
    else:
        has_states = m.actuator_dyntype[actuator] == int(mujoco.mjtDyn.mjDYN_PID)
        present = [has_states and dynamics[1] > 0, has_states and gain[0] > 0, False, False, False]
    first = int(m.actuator_actadr[actuator])
    return [first + sum(present[:k]) if there else -1 for k, there in enumerate(present)]
