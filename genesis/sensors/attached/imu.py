"""Accelerometer, gyroscope and magnetometer at one place of a link."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch

from genesis.errors import GenesisException
from genesis.sensors.attached.options.imu import IMU
from genesis.sensors.attached.sensor import Sensor
from genesis.sensors.attached.snapshot import Settings
from genesis.sensors.present import Present, cross, numbers, turn_back
from genesis.world.arguments import read_tensor, require_finite
from genesis.world.world import World

_PARTS = ("acc", "gyro", "mag")


class IMUData(NamedTuple):
    """Acceleration less gravity [m/s^2], angular velocity [rad/s] and magnetic field, in the sensor's frame."""

    lin_acc: torch.Tensor
    ang_vel: torch.Tensor
    mag: torch.Tensor


class IMUSensor(Sensor):
    """Measures, at x on a link with velocity v, angular velocity w, acceleration a and angular acceleration alpha,

        R' (a + alpha x r + w x (w x r) - g),   R' w,   R' m

    with r from the link's origin to x, and multiplies each by the matrix of its cross-axis coupling.
    """

    result = IMUData
    options: IMU

    def shapes(self) -> tuple[tuple[int, ...], ...]:
        return (3,), (3,), (3,)

    def build_kind(self, world: World) -> None:
        for part in _PARTS:
            coupling = numbers(getattr(self.options, f"{part}_cross_axis_coupling"))
            self.settings[part] = _matrix(coupling, self._called).flatten().unsqueeze(0)
        self._field = numbers(self.options.magnetic_field)

    def imperfection(self, name: str) -> Any:
        return self.options.imperfection(name)

    def measure(self, now: Present, settings: Settings, state: torch.Tensor | None) -> torch.Tensor:
        position, matrix = self.frame(now, settings)
        omega, alpha = now.omega[:, self.body], now.alpha[:, self.body]
        arm = position - now.xpos[:, self.body]
        acceleration = now.acceleration[:, self.body] + cross(alpha, arm) + cross(omega, cross(omega, arm))
        felt = (turn_back(matrix, vector) for vector in (acceleration, omega, self._field.expand_as(omega)))
        couplings = (settings[part].unflatten(-1, (3, 3)) for part in _PARTS)
        return torch.cat([(m * v.unsqueeze(-2)).sum(-1) for m, v in zip(couplings, felt, strict=True)], -1)

    def set_acc_cross_axis_coupling(self, cross_axis_coupling: Any, envs_idx: Any = None) -> None:
        """A number, three, or a matrix (3, 3), as in `gs.sensors.IMU`; from the next step on."""
        self._set_coupling("acc", cross_axis_coupling, envs_idx)

    def set_gyro_cross_axis_coupling(self, cross_axis_coupling: Any, envs_idx: Any = None) -> None:
        """The same of the gyroscope."""
        self._set_coupling("gyro", cross_axis_coupling, envs_idx)

    def set_mag_cross_axis_coupling(self, cross_axis_coupling: Any, envs_idx: Any = None) -> None:
        """The same of the magnetometer."""
        self._set_coupling("mag", cross_axis_coupling, envs_idx)

    def _set_coupling(self, part: str, given: Any, envs_idx: Any) -> None:
        method = f"set_{part}_cross_axis_coupling"
        world, owner = self._built(method), f"{self._called}.{method}"
        coupling = read_tensor(world, given, "cross_axis_coupling", owner)
        require_finite(coupling, "cross_axis_coupling", owner)
        self._put(part, _matrix(coupling, owner).flatten().unsqueeze(0), envs_idx)


def _matrix(coupling: torch.Tensor, owner: str) -> torch.Tensor:
    """(3, 3), of a number or three for what is off the diagonal, or of a matrix."""
    if coupling.shape == (3, 3):
        return coupling.clone()
    if coupling.shape not in ((), (3,)):
        raise GenesisException(
            f"{owner}: the cross-axis coupling has shape {tuple(coupling.shape)}; expected a number, (3,) or (3, 3)."
        )
    one = torch.eye(3, dtype=coupling.dtype, device=coupling.device)
    return one + (1.0 - one) * coupling
