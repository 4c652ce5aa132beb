"""Ranges of the lengths of actuators, which muscles are in units of."""

from __future__ import annotations

from pathlib import Path

import mujoco

from genesis.errors import GenesisException
from genesis.model import diagnostics

_MUSCLE = (
    ("gaintype", mujoco.mjtGain.mjGAIN_MUSCLE),
    ("biastype", mujoco.mjtBias.mjBIAS_MUSCLE),
)


def write_out_length_ranges(path: Path, spec: mujoco.MjSpec) -> None:
    """Writes the ranges that MuJoCo's compiler finds by simulation into the muscles that state none.

    The compiler pulls each of them to both ends. In a scene it would do so among all entities, at the scene's time
    step; from the file alone the ranges are those that the file has by itself. Raises `GenesisException` where MuJoCo
    finds none (with its reason).
    """
    unknown = [
        actuator
        for actuator in spec.actuators
        if any(getattr(actuator, field) == int(kind) for field, kind in _MUSCLE)
        and not actuator.lengthrange[0] < actuator.lengthrange[1]
    ]
    if not unknown:
        return
    with diagnostics.log_mujoco_warnings(f"'{path}'"):
        try:
            model = spec.compile()
        except ValueError as error:
            raise GenesisException(diagnostics.compiler_message(str(error), f"'{path}'")) from None
    for actuator in unknown:
        actuator.lengthrange = model.actuator_lengthrange[actuator.id]
