"""The inertial measurement unit."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BeforeValidator, model_validator

from genesis.options import Positive, plain_numbers
from genesis.sensors.attached.options.base import AttachedOptions, Color4, LaxNonNegativeVec3, LaxVec3, NoisyOptions

_Row = tuple[float, float, float]
Coupling = Annotated[float | tuple[_Row, _Row, _Row] | _Row, BeforeValidator(plain_numbers)]


class IMU(AttachedOptions, NoisyOptions):
    """Accelerometer, gyroscope and magnetometer at one place of a link, in its own frame.

    `read()` returns a named tuple `(lin_acc, ang_vel, mag)`, ([n_envs,] 3) each: the acceleration less that of gravity
    [m/s^2], the angular velocity [rad/s], and the magnetic field.

    Parameters
    ----------
    acc_resolution, gyro_resolution, mag_resolution, acc_bias, ..., acc_noise, ..., acc_random_walk, ...
        Imperfections of each of the three, a number or one per axis, in the place of `resolution`, `bias`, `noise` and
        `random_walk`, which are refused.
    acc_cross_axis_coupling, gyro_cross_axis_coupling, mag_cross_axis_coupling
        How much of the other axes each axis feels: a number for all elements off the diagonal of a matrix whose
        diagonal is one, three numbers, for those of each column, or the matrix. It is part of the ground truth, as in
        Genesis.
    magnetic_field
        In the world frame.
    debug_acc_color, debug_acc_scale, debug_gyro_color, ...
        How it is drawn. Nothing is drawn by this version.
    """

    acc_resolution: LaxNonNegativeVec3 = (0.0, 0.0, 0.0)
    acc_cross_axis_coupling: Coupling = 0.0
    acc_noise: LaxNonNegativeVec3 = (0.0, 0.0, 0.0)
    acc_bias: LaxVec3 = (0.0, 0.0, 0.0)
    acc_random_walk: LaxNonNegativeVec3 = (0.0, 0.0, 0.0)
    gyro_resolution: LaxNonNegativeVec3 = (0.0, 0.0, 0.0)
    gyro_cross_axis_coupling: Coupling = 0.0
    gyro_noise: LaxNonNegativeVec3 = (0.0, 0.0, 0.0)
    gyro_bias: LaxVec3 = (0.0, 0.0, 0.0)
    gyro_random_walk: LaxNonNegativeVec3 = (0.0, 0.0, 0.0)
    mag_resolution: LaxNonNegativeVec3 = (0.0, 0.0, 0.0)
    mag_cross_axis_coupling: Coupling = 0.0
    mag_noise: LaxNonNegativeVec3 = (0.0, 0.0, 0.0)
    mag_bias: LaxVec3 = (0.0, 0.0, 0.0)
    mag_random_walk: LaxNonNegativeVec3 = (0.0, 0.0, 0.0)
    magnetic_field: LaxVec3 = (0.0, 0.0, 0.5)
    debug_acc_color: Color4 = (1.0, 0.0, 0.0, 0.6)
    debug_acc_scale: Positive = 0.01
    debug_gyro_color: Color4 = (0.0, 1.0, 0.0, 0.6)
    debug_gyro_scale: Positive = 0.01
    debug_mag_color: Color4 = (0.0, 0.0, 1.0, 0.6)
    debug_mag_scale: Positive = 0.5

    @model_validator(mode="after")
    def _each_has_its_own(self) -> IMU:
        for name in ("resolution", "bias", "noise", "random_walk"):
            if name in self.model_fields_set:
                raise ValueError(f"`{name}` is that of no one sensor; give acc_{name}, gyro_{name} and mag_{name}")
        return self

    def imperfection(self, name: str) -> Any:
        """The nine numbers of `resolution`, `bias`, `noise` or `random_walk`."""
        return tuple(x for part in ("acc", "gyro", "mag") for x in getattr(self, f"{part}_{name}"))
