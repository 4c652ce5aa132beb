"""Temperatures of a link, on a grid."""

from __future__ import annotations

from typing import Annotated, Any, NamedTuple

import numpy as np
from pydantic import BeforeValidator, Field, StrictBool, field_validator, model_validator

from genesis.options import NonNegative, PositiveInt, plain_numbers
from genesis.sensors.attached.options.base import AttachedOptions, NoisyOptions


class TemperatureProperties(NamedTuple):
    """What a link is made of.

    Attributes:
        base_temperature: at the beginning [deg C]; of what is not simulated, always
        conductivity: of heat [W/(m K)]
        density: [kg/m^3]
        specific_heat: [J/(kg K)]
        emissivity: from 0 to 1
    """

    base_temperature: float = 21.0
    conductivity: float = 50.0
    density: float = 1000.0
    specific_heat: float = 1.0
    emissivity: float = 0.9


_Grid = Annotated[tuple[tuple[tuple[float, ...], ...], ...], BeforeValidator(plain_numbers)]


class TemperatureGrid(AttachedOptions, NoisyOptions):
    """Temperatures of the cells of a link's bounding box [deg C]: `read()` returns ([n_envs,] *grid_size).

    Heat spreads through the cells, comes from what touches the link, and leaves through its surface by convection and
    radiation.

    Parameters
    ----------
    properties_dict
        `TemperatureProperties` of links, by their numbers in the scene (`link.idx`); those under -1 are of all others,
        without it others exchange no heat. Those of all grids of a scene are put together.
    ambient_temperature, convection_coefficient
        Of the air [deg C], and of the surface [W/(m^2 K)]; None: 21 and 1, or what another grid of the scene says.
    simulate_all_link_temperatures
        Whether also the other links have temperatures that change, one each; else they stay as they are.
    grid_size
        How many cells along x, y and z.
    heat_generation
        What cells produce [W/m^2], an array of that size.
    sensor_time_constant
        Of the first-order lag of what is measured [s]; 0: none.
    contact_depth_weight
        How a contact's area grows with its depth.
    debug_temperature_range
        How it is drawn. Nothing is drawn by this version.
    """

    properties_dict: dict[int, TemperatureProperties] = Field(default_factory=dict)
    ambient_temperature: float | None = None
    convection_coefficient: NonNegative | None = None
    simulate_all_link_temperatures: StrictBool = False
    grid_size: Annotated[tuple[PositiveInt, PositiveInt, PositiveInt], BeforeValidator(plain_numbers)] = (1, 1, 1)
    heat_generation: _Grid | None = None
    sensor_time_constant: NonNegative = 0.0
    contact_depth_weight: NonNegative = 1.0
    debug_temperature_range: Annotated[tuple[float, float], BeforeValidator(plain_numbers)] = (0.0, 100.0)

    @field_validator("properties_dict", mode="before")
    @classmethod
    def _are_properties(cls, value: Any) -> Any:
        if not isinstance(value, dict):
            raise ValueError("expected a dictionary of gs.sensors.TemperatureProperties by link number")
        found = {}
        for key, one in value.items():
            if isinstance(key, bool) or not isinstance(key, (int, np.integer)) or key < -1:
                raise ValueError(f"{key!r} is no number of a link, nor -1")
            numbers = TemperatureProperties(*map(float, one))
            if not np.isfinite(numbers).all() or min(numbers[1:]) < 0 or min(numbers[2:4]) <= 0 or numbers[4] > 1:
                raise ValueError(f"of link {key}: {one} is out of range")
            found[int(key)] = numbers
        return found

    @model_validator(mode="after")
    def _grid_fits(self) -> TemperatureGrid:
        if self.heat_generation is not None:
            try:
                shape = np.asarray(self.heat_generation, dtype=float).shape
            except ValueError:
                shape = ()
            if shape != tuple(self.grid_size):
                raise ValueError(f"heat_generation has shape {shape}; expected grid_size, {tuple(self.grid_size)}")
        return self
