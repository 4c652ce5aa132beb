"""What MuJoCo works out of the actuators of a file: ranges of lengths, controls, and what they add to what they pull.

They are written into the file's elements, so that a scene holds them as the file alone has them.
"""

from __future__ import annotations

from pathlib import Path

import mujoco
import numpy as np

from genesis.model import controls, diagnostics

_MUSCLE = (
    ("gaintype", mujoco.mjtGain.mjGAIN_MUSCLE),
    ("biastype", mujoco.mjtBias.mjBIAS_MUSCLE),
)
_OF_JOINTS = (mujoco.mjtTrn.mjTRN_JOINT, mujoco.mjtTrn.mjTRN_JOINTINPARENT)


def write_out_drives(path: Path, spec: mujoco.MjSpec) -> None:
    """Writes what the actuators of the file have of their own into joints, tendons and actuators.

    Raises `GenesisException` where MuJoCo finds no range of lengths for a muscle (with its reason).
    """
    _move_armature_and_damping(spec)
    _write_length_ranges(path, spec)
    _count_controls(path, spec)


def _move_armature_and_damping(spec: mujoco.MjSpec) -> None:
    """Adds an actuator's armature and damping, times its gear squared, to the joint's or the tendon's, where MuJoCo
    adds them in every step (mj_actuatorArmature, mj_actuatorDamping)."""
    for actuator in spec.actuators:
        if not (actuator.armature or np.any(actuator.damping)):
            continue
        pulled = spec.joint(actuator.target) if actuator.trntype in _OF_JOINTS else spec.tendon(actuator.target)
        if pulled is None:
            continue  # named elsewhere: the compiler says what is wrong
        square = actuator.gear[0] ** 2
        pulled.armature += square * actuator.armature
        pulled.damping = np.asarray(pulled.damping) + square * np.asarray(actuator.damping)
        actuator.armature, actuator.damping = 0.0, np.zeros(len(actuator.damping))


def _count_controls(path: Path, spec: mujoco.MjSpec) -> None:
    """Lets MuJoCo know how many controls the actuators of a file have, which it finds as it compiles: it would take the
    keyframes of a file with other than one each for wrong when it attaches them."""
    several = (*controls.SERVOS, controls.ORIENTATION)
    if len(spec.keys) and any(int(actuator.gaintype) in several for actuator in spec.actuators):
        diagnostics.compile_alone(spec, f"'{path}'")


def _write_length_ranges(path: Path, spec: mujoco.MjSpec) -> None:
    """Gives the muscles that state no range of lengths the one that MuJoCo's compiler finds by pulling them both ways.

    In a scene it would pull among all entities, at the scene's time step.
    """
    unknown = [
        actuator
        for actuator in spec.actuators
        if any(getattr(actuator, field) == int(kind) for field, kind in _MUSCLE)
        and not actuator.lengthrange[0] < actuator.lengthrange[1]
    ]
    if not unknown:
        return
    model = diagnostics.compile_alone(spec, f"'{path}'")
    for actuator in unknown:
        actuator.lengthrange = model.actuator_lengthrange[model.actuator_outadr[actuator.id]]
