"""Sensors of one type, measured together."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import mujoco
import numpy as np
import torch

from genesis.sensors.present import Present

if TYPE_CHECKING:
    from genesis.model.arrays import Model

# The values of a group's sensors at present, (N, k, dim).
Measure = Callable[[Present], torch.Tensor]


@dataclass(frozen=True)
class Group:
    """Sensors of one type and one layout of their numbers.

    Attributes:
        model: of the scene
        number: (k,) of the sensors in the compiled model
    """

    model: Model
    number: np.ndarray

    xbody = int(mujoco.mjtObj.mjOBJ_XBODY)

    @cached_property
    def objtype(self) -> np.ndarray:
        """(k,) mjtObj of what the sensor is of."""
        return np.array(self.model.mj_model.sensor_objtype[self.number])

    @cached_property
    def objid(self) -> np.ndarray:
        """(k,) its number."""
        return np.array(self.model.mj_model.sensor_objid[self.number])

    @cached_property
    def reftype(self) -> np.ndarray:
        """(k,) mjtObj of the second object that some types have."""
        return np.array(self.model.mj_model.sensor_reftype[self.number])

    @cached_property
    def refid(self) -> np.ndarray:
        """(k,) its number, or -1."""
        return np.array(self.model.mj_model.sensor_refid[self.number])

    @cached_property
    def dim(self) -> int:
        """How many numbers each of them has."""
        return int(self.model.mj_model.sensor_dim[self.number[0]])

    @cached_property
    def settings(self) -> np.ndarray:
        """Integer settings, those of `MjModel.sensor_intprm`, the same for all of them."""
        return np.array(self.model.mj_model.sensor_intprm[self.number[0]])
