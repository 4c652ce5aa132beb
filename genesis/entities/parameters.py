"""Physical parameters: the tables of what can be set, in which unit, and of which values are possible."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from genesis import runtime

# An inertia is accepted when its least eigenvalue, and its slack in the triangle inequality, are above minus this
# fraction of its largest eigenvalue: rounding of a rod or a plate, whose slack is zero, stays below it in 32 bits.
INERTIA_TOLERANCE = 1e-5

SOL_PARAMS = "timeconst, dampratio, dmin, dmax, width, mid, power"
SOL_UNITS = "s, 1, 1, 1, m or rad, 1, 1"

# Finds the first impossible value: takes (..., n, *item), returns its index in the leading axes and what is wrong.
Check = Callable[[np.ndarray], "tuple[tuple[int, ...], str] | None"]


def _first(bad: Any) -> tuple[int, ...] | None:
    return tuple(int(i) for i in np.argwhere(bad)[0]) if bad.any() else None


def check_not_negative(values: np.ndarray) -> tuple[tuple[int, ...], str] | None:
    """Every number is at least zero."""
    where = _first(values < 0)
    return None if where is None else (where, f"is {values[where]:g}; it cannot be negative")


def check_not_negative_vector(values: np.ndarray) -> tuple[tuple[int, ...], str] | None:
    """Every number of each vector is at least zero."""
    where = _first((values < 0).any(-1))
    return None if where is None else (where, f"is {values[where].tolist()}; none can be negative")


def check_range(values: np.ndarray) -> tuple[tuple[int, ...], str] | None:
    """(lower, upper) pairs with lower <= upper; infinite means no limit on that side, NaN is refused."""
    nan = _first(np.isnan(values).any(-1))
    if nan is not None:
        return nan, "holds NaN; expected numbers (infinite: no limit)"
    where = _first(values[..., 0] > values[..., 1])
    if where is not None:
        return where, f"has lower {values[where][0]:g} above upper {values[where][1]:g}"
    where = _first((values[..., 0] == np.inf) | (values[..., 1] == -np.inf))
    if where is None:
        return None
    lower, upper = values[where]
    return where, f"has lower {lower:g} and upper {upper:g}; no finite force is between (no limit: -inf and inf)"


def check_direction(values: np.ndarray) -> tuple[tuple[int, ...], str] | None:
    """Vectors and quaternions that can be normalised: not zero, and the square of the length does not overflow."""
    with np.errstate(over="ignore"):
        length = np.linalg.norm(values, axis=-1)
    where = _first(length < runtime.EPS)
    if where is not None:
        return where, f"is {values[where].tolist()}; it has no direction (its length is zero)"
    longest = 0.5 * float(np.sqrt(np.finfo(runtime.np_float).max))
    where = _first(length > longest)
    if where is None:
        return None
    return where, f"is {values[where].tolist()}; it is too long to be normalised (at most {longest:.1g})"


def check_inertia(values: np.ndarray) -> tuple[tuple[int, ...], str] | None:
    """Inertias (xx, yy, zz, xy, xz, yz) that a body can have: no moment negative, none above the sum of the others."""
    if not values.size:
        return None
    xx, yy, zz, xy, xz, yz = np.moveaxis(values, -1, 0)
    full = np.stack([np.stack(row, -1) for row in ((xx, xy, xz), (xy, yy, yz), (xz, yz, zz))], -2)
    moments = np.linalg.eigvalsh(full)
    slack = INERTIA_TOLERANCE * np.abs(moments).max(-1)
    where = _first(moments[..., 0] < -slack)
    if where is not None:
        text = f"is {values[where].tolist()}, with principal moments {moments[where].tolist()}; none can be negative"
        return where, text
    where = _first(moments[..., 0] + moments[..., 1] < moments[..., 2] - slack)
    if where is None:
        return None
    return where, (
        f"is {values[where].tolist()}, with principal moments {moments[where].tolist()}; the largest is above the sum "
        "of the other two (triangle inequality), which no body has"
    )


def check_sol_params(values: np.ndarray) -> tuple[tuple[int, ...], str] | None:
    """MuJoCo's solref and solimp: (timeconst, dampratio, dmin, dmax, width, mid, power)."""
    first, second, dmin, dmax, width, mid, power = np.moveaxis(values, -1, 0)
    outside = "outside of its range"
    for bad, text in (
        ((first > 0) != (second > 0), "mixes the two forms of solref: either both its numbers are positive, or none"),
        ((dmin < 0) | (dmin > 1), f"has dmin {outside}, 0 to 1"),
        ((dmax < 0) | (dmax > 1), f"has dmax {outside}, 0 to 1"),
        (width < 0, "has a negative width"),
        ((mid < 0) | (mid > 1), f"has mid {outside}, 0 to 1"),
        (power < 1, "has a power below 1"),
    ):
        where = _first(bad)
        if where is not None:
            return (
                where,
                f"is {values[where].tolist()}; it {text} (timeconst, dampratio, dmin, dmax, width, mid, power)",
            )
    return None


def check_solref(values: np.ndarray) -> tuple[tuple[int, ...], str] | None:
    """MuJoCo's solref alone: two positive numbers, or none."""
    where = _first((values[..., 0] > 0) != (values[..., 1] > 0))
    return None if where is None else (where, f"is {values[where].tolist()}; either both are positive, or none")


@dataclass(frozen=True)
class Parameter:
    """One entry of the table.

    Attributes:
        name: as in ``set_<name>`` and ``get_<name>``
        field: where it lies in theta
        axis: what it is one of: "dofs", "links", "joints", "actuators", "geoms", "pairs" or "scene"
        item: shape per element of the axis
        unit: SI
        description: what it is, frames included
        check: finds a physically impossible value
        normalized: the direction is what counts; it is divided by its length, with gradient
        finite: infinite numbers are refused
        first: its first number in a row of the field
        rest: field that holds what the row of ``field`` has no room for
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

    @property
    def fields(self) -> tuple[str, ...]:
        """The fields of theta in which it lies."""
        return (self.field,) if self.rest is None else (self.field, self.rest)


# Of the smooth dynamics.
PARAMETERS: dict[str, Parameter] = {
    p.name: p
    for p in (
        Parameter("dofs_kp", "dof_kp", "dofs", (), "N m/rad, N/m", "position gain of control_dofs_position"),
        Parameter("dofs_kv", "dof_kv", "dofs", (), "N m s/rad, N s/m", "velocity gain of the same controls"),
        Parameter("dofs_stiffness", "dof_stiffness", "dofs", (), "N m/rad, N/m", "joint spring"),
        Parameter("dofs_damping", "dof_damping", "dofs", (), "N m s/rad, N s/m", "viscous damping", check_not_negative),
        Parameter(
            "dofs_armature", "dof_armature", "dofs", (), "kg m^2, kg", "rotor inertia or mass", check_not_negative
        ),
        Parameter(
            "dofs_force_range",
            "dof_force_range",
            "dofs",
            (2,),
            "N m, N",
            "(lower, upper) to which the commanded force is clipped",
            check_range,
            finite=False,
        ),
        Parameter("links_mass", "body_mass", "links", (), "kg", "mass of the link", check_not_negative),
        Parameter("links_COM", "body_ipos", "links", (3,), "m", "centre of mass, in the link's frame"),
        Parameter(
            "links_inertia",
            "body_inertia",
            "links",
            (6,),
            "kg m^2",
            "inertia about the centre of mass (xx, yy, zz, xy, xz, yz), in the axes of the link's frame",
            check_inertia,
        ),
        Parameter("links_offset_pos", "body_pos", "links", (3,), "m", "where the link sits, in its parent's frame"),
        Parameter(
            "links_offset_quat",
            "body_quat",
            "links",
            (4,),
            "1",
            "how the link is turned on its parent (w, x, y, z)",
            check_direction,
            normalized=True,
        ),
        Parameter(
            "links_gravity_compensation",
            "body_gravcomp",
            "links",
            (),
            "1",
            "fraction of the link's weight that is carried for it",
        ),
        Parameter(
            "joints_axis",
            "jnt_axis",
            "joints",
            (3,),
            "1",
            "axis in the link's frame, of hinges and slides",
            check_direction,
            normalized=True,
        ),
        Parameter("joints_anchor", "jnt_pos", "joints", (3,), "m", "point on the axis, in the link's frame"),
        Parameter(
            "actuators_gain",
            "actuator_gainprm",
            "actuators",
            (3,),
            "SI",
            "MuJoCo's gainprm[:3]",
        ),
        Parameter("actuators_bias", "actuator_biasprm", "actuators", (3,), "SI", "MuJoCo's biasprm[:3]"),
        Parameter(
            "actuators_gear", "actuator_gear", "actuators", (6,), "SI", "gear: scales length and force of the actuator"
        ),
        Parameter(
            "actuators_time_constant",
            "actuator_dynprm",
            "actuators",
            (1,),
            "s",
            "MuJoCo's dynprm[0]: time constant of filter and filterexact activations",
            check_not_negative,
        ),
    )
}


# Of contacts, joint limits and friction loss.
CONSTRAINT_PARAMETERS: dict[str, Parameter] = {
    p.name: p
    for p in (
        Parameter(
            "dofs_frictionloss",
            "dof_frictionloss",
            "dofs",
            (),
            "N m, N",
            "dry friction of the joint",
            check_not_negative,
        ),
        Parameter(
            "dofs_sol_params",
            "dof_solref",
            "dofs",
            (7,),
            SOL_UNITS,
            f"of friction loss: {SOL_PARAMS}",
            check_sol_params,
            rest="dof_solimp",
        ),
        Parameter("dofs_limit", "jnt_range", "dofs", (2,), "rad, m", "(lower, upper) end of the joint", check_range),
        Parameter(
            "joints_sol_params",
            "jnt_solref",
            "joints",
            (7,),
            SOL_UNITS,
            f"of the joint's limits: {SOL_PARAMS}",
            check_sol_params,
            rest="jnt_solimp",
        ),
        Parameter("friction", "geom_friction", "geoms", (), "1", "coefficient of sliding friction", check_not_negative),
        Parameter(
            "friction_torsional",
            "geom_friction",
            "geoms",
            (),
            "m",
            "of friction against turning about the normal, for condim 4 and 6",
            check_not_negative,
            first=1,
        ),
        Parameter(
            "friction_rolling",
            "geom_friction",
            "geoms",
            (),
            "m",
            "of friction against rolling, for condim 6",
            check_not_negative,
            first=2,
        ),
        Parameter(
            "sol_params",
            "geom_solref",
            "geoms",
            (7,),
            SOL_UNITS,
            f"of the geom's contacts: {SOL_PARAMS}",
            check_sol_params,
            rest="geom_solimp",
        ),
        Parameter("geoms_size", "geom_size", "geoms", (3,), "m", "MuJoCo's size: radius, half length, half sides"),
        Parameter("geoms_offset_pos", "geom_pos", "geoms", (3,), "m", "where the geom sits, in its link's frame"),
        Parameter(
            "geoms_offset_quat",
            "geom_quat",
            "geoms",
            (4,),
            "1",
            "how the geom is turned on its link (w, x, y, z)",
            check_direction,
            normalized=True,
        ),
    )
}
FRICTION_LOSS = CONSTRAINT_PARAMETERS["dofs_frictionloss"]
ENTITY_PARAMETERS = {**PARAMETERS, **CONSTRAINT_PARAMETERS}

# Of the contact pairs that model files define explicitly.
PAIR_PARAMETERS: dict[str, Parameter] = {
    p.name: p
    for p in (
        Parameter(
            "pairs_friction",
            "pair_friction",
            "pairs",
            (5,),
            "1, 1, m, m, m",
            "two of sliding, one torsional, two rolling",
            check_not_negative_vector,
        ),
        Parameter(
            "pairs_sol_params",
            "pair_solref",
            "pairs",
            (7,),
            SOL_UNITS,
            f"of the pair's contacts: {SOL_PARAMS}",
            check_sol_params,
            rest="pair_solimp",
        ),
        Parameter(
            "pairs_solref_friction",
            "pair_solreffriction",
            "pairs",
            (2,),
            "s, 1",
            "MuJoCo's solreffriction: reference of the friction, with elliptic cones; zeros: that of the normal",
            check_solref,
        ),
    )
}


GRAVITY = Parameter("gravity", "gravity", "scene", (3,), "m/s^2", "acceleration of gravity, world frame")


class ParameterTable:
    """What ``entity.get_parameters()`` returns: one row per parameter; prints as a table.

    ``rows``: list of dicts with keys name, shape, unit, description, methods. Iterating gives the rows.
    """

    COLUMNS = ("name", "shape", "unit", "description")

    def __init__(self, title: str, rows: list[dict[str, Any]]) -> None:
        self.title = title
        self.rows = rows

    def __iter__(self):
        return iter(self.rows)

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, name: str) -> dict[str, Any]:
        for row in self.rows:
            if row["name"] == name:
                return row
        raise KeyError(name)

    def __repr__(self) -> str:
        cells = [self.COLUMNS, *(tuple(str(row[c]) for c in self.COLUMNS) for row in self.rows)]
        widths = [max(len(line[k]) for line in cells) for k in range(len(self.COLUMNS))]
        lines = [
            "  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)).rstrip() for line in cells
        ]
        return "\n".join([self.title, *lines])
