"""The catalogue of physical parameters: what can be set, where it lies in theta, and how handles show it.

Everything about a parameter follows from its entry here: its setter and getter (:mod:`genesis.entities.accessors`), the
check of its values, its row in `entity.get_parameters()`, and its texts.
"""

from __future__ import annotations

from genesis.world.catalogue.actuators import ACTUATOR_PARAMETERS, DELAY_PARAMETERS
from genesis.world.catalogue.bodies import BODY_PARAMETERS
from genesis.world.catalogue.constraints import CONSTRAINT_PARAMETERS, PAIR_PARAMETERS
from genesis.world.catalogue.coupling import COUPLING_PARAMETERS
from genesis.world.catalogue.entry import (
    ELLIPSOIDS,
    EQUALITY,
    FRICTION_LOSS,
    HISTORY,
    LIMITS,
    PLASTIC,
    SOL_PARAMS,
    SOL_UNITS,
    STRAIGHT_TENDONS,
    TENDON_LIMITS,
    Entry,
    Face,
)
from genesis.world.catalogue.passive import PASSIVE_PARAMETERS, PLASTIC_PARAMETERS
from genesis.world.checks import check_not_negative, check_sol_params

__all__ = [
    "CONSTRAINT_PARAMETERS",
    "COUPLING_PARAMETERS",
    "DELAY_PARAMETERS",
    "DENSITY",
    "ELLIPSOIDS",
    "ENTITY_PARAMETERS",
    "EQUALITY",
    "FRICTION_LOSS",
    "GRAVITY",
    "HISTORY",
    "INVERSE_WEIGHTS",
    "LIMITS",
    "PAIR_PARAMETERS",
    "PARAMETERS",
    "PASSIVE_PARAMETERS",
    "PLASTIC",
    "PLASTIC_PARAMETERS",
    "SCENE_PARAMETERS",
    "SHAPE_PARAMETERS",
    "SOL_PARAMS",
    "SOL_UNITS",
    "STRAIGHT_TENDONS",
    "TENDON_LIMITS",
    "VISCOSITY",
    "WELD_SOL_PARAMS",
    "WIND",
    "Entry",
    "Face",
]

# Of the smooth dynamics.
PARAMETERS = {**BODY_PARAMETERS, **ACTUATOR_PARAMETERS}
ENTITY_PARAMETERS = {
    **PARAMETERS,
    **DELAY_PARAMETERS,
    **CONSTRAINT_PARAMETERS,
    **COUPLING_PARAMETERS,
    **PASSIVE_PARAMETERS,
    **PLASTIC_PARAMETERS,
}
# Of geoms, whether they touch something, a fluid acts on them or a tendon may run around them; the others of geoms are
# of contact.
SHAPE_PARAMETERS = ("geoms_size", "geoms_offset_pos", "geoms_offset_quat")
INVERSE_WEIGHTS = ("dofs_invweight", "links_invweight", "tendons_invweight")

DENSITY = Entry("fluid_density", "density", "scene", (), "kg/m^3", "density of the fluid", check_not_negative)
VISCOSITY = Entry("fluid_viscosity", "viscosity", "scene", (), "Pa s", "viscosity of the fluid", check_not_negative)
WIND = Entry("wind", "wind", "scene", (3,), "m/s", "velocity of the fluid, world frame")
GRAVITY = Entry("gravity", "gravity", "scene", (3,), "m/s^2", "acceleration of gravity, world frame")
WELD_SOL_PARAMS = Entry(
    "weld_sol_params",
    "weld_solref",
    "scene",
    (7,),
    SOL_UNITS,
    f"of the welds that are made at run time: {SOL_PARAMS}",
    check_sol_params,
    rest="weld_solimp",
)
SCENE_PARAMETERS = (GRAVITY, DENSITY, VISCOSITY, WIND, WELD_SOL_PARAMS)
