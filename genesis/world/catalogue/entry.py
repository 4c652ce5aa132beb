"""What an entry of the catalogue consists of."""

from __future__ import annotations

import inspect
from dataclasses import dataclass

from genesis.world.checks import Check

SOL_PARAMS = "timeconst, dampratio, dmin, dmax, width, mid, power"
SOL_UNITS = "s, 1, 1, 1, m or rad, 1, 1"

# What a scene must simulate for a parameter to be set.
LIMITS, FRICTION_LOSS, EQUALITY, TENDON_LIMITS = "limits", "friction loss", "equality", "limits of tendons"
ELLIPSOIDS, STRAIGHT_TENDONS = "shapes that a fluid acts on", "tendons that run straight"
HISTORY, PLASTIC = "past controls of actuators", "springs that yield"


@dataclass(frozen=True)
class Face:
    """A setter and a getter, ``set_<name>`` and ``get_<name>``.

    Attributes:
        name: as above
        argument: what the setter calls the value
        setter, getter: their documentation: unit, shape, errors
    """

    name: str
    argument: str
    setter: str
    getter: str


@dataclass(frozen=True)
class Entry:
    """One entry of the catalogue.

    Attributes:
        name: as in ``set_<name>`` and ``get_<name>``
        field: where it lies in theta
        axis: what it is one of: "dofs", "links", "joints", "actuators", "geoms", "pairs" or "scene"; any other of
            which an entity has a range in the compiled model (`compose.EntityRange`)
        item: shape per element of the axis
        unit: SI
        description: what it is, frames included
        check: finds a physically impossible value
        normalized: the direction is what counts; it is divided by its length, with gradient
        finite: infinite numbers are refused
        first: its first number in a row of the field
        rest: field that holds what the row of ``field`` has no room for
        requires: what the scene must simulate for it to be set: `LIMITS`, `FRICTION_LOSS`, `EQUALITY`,
            `TENDON_LIMITS`, `ELLIPSOIDS`, `STRAIGHT_TENDONS`, `HISTORY`, `PLASTIC`, or nothing
        one_for_all: one item stands for all elements
        as_ends: set as `lower` and `upper`, and read as a pair of them
        argument: what its setter calls the value; without it, the name without the axis
        setter, getter: documentation of the methods that an entity (of "pairs": the rigid solver) has; without it they
            are written by hand
        of_one: the methods of a link or geom, for it alone
        by_scene: the methods of the rigid solver, by the scene's numbers
    """

    name: str
    field: str
    axis: str
    item: tuple[int, ...]
    unit: str
    description: str
    check: Check | None = None
    normalized: bool = False
    finite: bool = True
    first: int = 0
    rest: str | None = None
    requires: str = ""
    one_for_all: bool = False
    as_ends: bool = False
    argument: str = ""
    setter: str = ""
    getter: str = ""
    of_one: Face | None = None
    by_scene: Face | None = None

    @property
    def fields(self) -> tuple[str, ...]:
        """The fields of theta in which it lies."""
        return (self.field,) if self.rest is None else (self.field, self.rest)

    @property
    def face(self) -> Face | None:
        """The methods that an entity, or of "pairs" the rigid solver, has; None where they are written by hand."""
        if not self.setter:
            return None
        argument = self.argument or self.name.removeprefix(f"{self.axis}_")
        return Face(self.name, argument, inspect.cleandoc(self.setter), inspect.cleandoc(self.getter))


def by_name(*parameters: Entry) -> dict[str, Entry]:
    return {parameter.name: parameter for parameter in parameters}
