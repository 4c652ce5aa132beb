"""Physical parameters: what can be set, in which unit, and the packed vector theta that the step reads.

``PARAMETERS`` is the one table of them. ``ParameterStore`` holds their values: numbers without gradient lie in one
base tensor, and each tensor given with gradient is kept as a part that is written over it when theta is asked for. A
part that is set again replaces its predecessor, so that setting parameters in every epoch of an optimisation builds
no chain of graphs.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from genesis import runtime
from genesis.entities.indexing import Selection, fit, plain_tensors, read_tensor, require_finite
from genesis.errors import GenesisException

if TYPE_CHECKING:
    from genesis.model.arrays import Model
    from genesis.scene import Scene

# An inertia is accepted when its least eigenvalue, and its slack in the triangle inequality, are above minus this
# fraction of its largest eigenvalue: rounding of a rod or a plate, whose slack is zero, stays below it in 32 bits.
INERTIA_TOLERANCE = 1e-5

# Finds the first impossible value: takes (..., n, *item), returns its index in the leading axes and what is wrong.
Check = Callable[[np.ndarray], "tuple[tuple[int, ...], str] | None"]


def _first(bad: np.ndarray) -> tuple[int, ...] | None:
    return tuple(int(i) for i in np.argwhere(bad)[0]) if bad.any() else None


def check_not_negative(values: np.ndarray) -> tuple[tuple[int, ...], str] | None:
    """Every number is at least zero."""
    where = _first(values < 0)
    return None if where is None else (where, f"is {values[where]:g}; it cannot be negative")


def check_range(values: np.ndarray) -> tuple[tuple[int, ...], str] | None:
    """(lower, upper) pairs with lower <= upper; infinite means no limit, NaN is refused."""
    nan = _first(np.isnan(values).any(-1))
    if nan is not None:
        return nan, "holds NaN; expected numbers (infinite: no limit)"
    where = _first(values[..., 0] > values[..., 1])
    if where is None:
        return None
    return where, f"has lower {values[where][0]:g} above upper {values[where][1]:g}"


def check_direction(values: np.ndarray) -> tuple[tuple[int, ...], str] | None:
    """Vectors and quaternions that can be normalised."""
    where = _first(np.linalg.norm(values, axis=-1) < runtime.EPS)
    return None if where is None else (where, f"is {values[where].tolist()}; it has no direction (its length is zero)")


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


def normalize(value: torch.Tensor) -> torch.Tensor:
    """Vectors of the last axis, divided by their length."""
    return value / torch.linalg.vector_norm(value, dim=-1, keepdim=True)


@dataclass(frozen=True)
class Parameter:
    """One entry of the table.

    Attributes:
        name: as in ``set_<name>`` and ``get_<name>``
        field: where it lies in theta
        axis: what it is one of: "dofs", "links", "joints", "actuators" or "scene"
        item: shape per element of the axis
        unit: SI
        description: what it is, frames included
        check: finds a physically impossible value
        normalized: the direction is what counts; it is divided by its length, with gradient
        finite: infinite numbers are refused
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


class _Part:
    """A tensor that overwrites columns of theta, or scales the mass of a set of links.

    Attributes:
        columns: positions in theta, numpy int64, (m,)
        envs: which envs it is for; None for all
        value: (m,), or (envs, m) for one row per env; for a scale: the new total mass, () or (envs,)
        item: length of the vectors in `value` that are normalised when theta is packed; 0 for none
        n_masses: for a scale, how many of the columns are masses (they come first); 0 otherwise
    """

    def __init__(
        self, columns: np.ndarray, envs: Selection | None, value: torch.Tensor, item: int = 0, n_masses: int = 0
    ) -> None:
        self.columns = columns
        self.envs = envs
        self.value = value
        self.item = item
        self.n_masses = n_masses
        self.index = torch.as_tensor(columns, dtype=torch.int64, device=runtime.device)
        self.source: weakref.ref[torch.Tensor] | None = None
        self.version = 0
        self.setter = ""

    @property
    def is_scale(self) -> bool:
        return self.n_masses > 0

    def per_env(self) -> bool:
        """Whether theta needs one row per env for it."""
        return self.envs is not None or self.value.ndim == (1 if self.is_scale else 2)

    def same_envs(self, other: _Part) -> bool:
        if self.envs is None or other.envs is None:
            return self.envs is other.envs
        return np.array_equal(self.envs.positions(), other.envs.positions())

    def resolved(self) -> torch.Tensor:
        """The numbers to write, with gradient."""
        if not self.item:
            return self.value
        return normalize(self.value.unflatten(-1, (-1, self.item))).flatten(-2)

    def watch(self, given: Any, setter: str) -> None:
        """Remember the caller's tensor, to notice when an optimiser changes it in place after it was copied here."""
        if isinstance(given, torch.Tensor) and given.requires_grad and given.is_leaf:
            self.source, self.version, self.setter = weakref.ref(given), given._version, setter

    def without(self, columns: np.ndarray) -> _Part | None:
        """What is left of it when `columns` are overwritten; None when nothing is."""
        keep = ~np.isin(self.columns, columns, assume_unique=True)
        if keep.all():
            return self
        if not keep.any():
            return None
        index = torch.as_tensor(np.flatnonzero(keep), device=self.value.device)
        left = _Part(self.columns[keep], self.envs, self.value.index_select(-1, index), self.item)
        left.source, left.version, left.setter = self.source, self.version, self.setter
        return left


class ParameterStore:
    """Every physical parameter of a scene, as ``theta`` of shape (P, ntheta): P is 1 (shared by all envs) or n_envs."""

    def __init__(self, scene: Scene, model: Model) -> None:
        self._scene = scene
        self._model = model
        self._n_worlds = max(scene.n_envs, 1)
        self._base = torch.as_tensor(model.theta_default(), dtype=runtime.tc_float, device=runtime.device)[None].clone()
        self._parts: list[_Part] = []
        self._packed: torch.Tensor | None = None

    # -- reading ------------------------------------------------------------------------------------------------------

    def theta(self) -> torch.Tensor:
        """The packed vector, (P, ntheta), with the graph of every parameter that was set with one."""
        if self._packed is None:
            # The graph of a parameter must not depend on the mode in which theta is first asked for.
            with torch.inference_mode(False), torch.enable_grad():
                self._packed = self._pack()
        return self._packed

    def columns(self, parameter: Parameter, start: int, chosen: Selection) -> np.ndarray:
        """Positions in theta of the chosen elements, the first of all being the model's `start`; (count * item,)."""
        size = int(np.prod(parameter.item))
        first = self._model.theta_fields[parameter.field].offset + (start + chosen.positions()) * size
        return (first[:, None] + np.arange(size)).ravel()

    def get(self, parameter: Parameter, start: int, chosen: Selection, envs: Selection | None) -> torch.Tensor:
        """Values in force, ([envs,] count, *item), a copy with gradient."""
        return self.read(self.columns(parameter, start, chosen), envs).unflatten(-1, (chosen.count, *parameter.item))

    def read(self, columns: np.ndarray, envs: Selection | None) -> torch.Tensor:
        """Columns of theta, ([envs,] m), a copy with gradient."""
        index = torch.as_tensor(columns, dtype=torch.int64, device=runtime.device)
        values = self.theta().index_select(1, index)
        if self._scene.n_envs == 0:
            return values[0]
        if envs is None:
            return (
                values.expand(self._n_worlds, -1)
                if values.shape[0] == self._n_worlds
                else values.repeat(self._n_worlds, 1)
            )
        return values.expand(self._n_worlds, -1).index_select(0, envs.tensor())

    # -- writing ------------------------------------------------------------------------------------------------------

    def set(
        self,
        parameter: Parameter,
        start: int,
        chosen: Selection,
        envs: Selection | None,
        given: Any,
        owner: str,
        element: Callable[[int], str],
        source: Any = None,
    ) -> None:
        """Set the chosen elements to `given`, ``(count, *item)`` or ``(envs, count, *item)``, or a number for all.

        `element(k)`: how an error calls the k-th chosen element. `source`: the caller's own tensor, where it is not
        `given`.

        Raises GenesisException, and changes nothing, for a wrong shape, NaN or infinite values, impossible values.
        """
        value = read_tensor(self._scene, given, parameter.name, owner)
        if parameter.name == "links_inertia" and value.ndim >= 2 and value.shape[-2:] == (3, 3):
            value = _six_numbers(value)
        value = fit(
            self._scene, value, envs, (chosen.count, *parameter.item), parameter.name, owner, scalar=not parameter.item
        )
        self.validate(parameter, value, owner, element)
        columns = self.columns(parameter, start, chosen)
        with plain_tensors():
            flat = value.reshape(*value.shape[: value.ndim - 1 - len(parameter.item)], len(columns)).clone()
            part = _Part(columns, envs, flat, parameter.item[0] if parameter.normalized else 0)
            part.watch(given if source is None else source, owner)
            self._write(part)

    def validate(
        self, parameter: Parameter, value: torch.Tensor, owner: str, element: Callable[[int], str] | None = None
    ) -> None:
        """Raise GenesisException, naming the element, for a value that `parameter` cannot have."""
        if parameter.finite:
            require_finite(value, parameter.name, owner)
        found = parameter.check(value.detach().cpu().double().numpy()) if parameter.check and value.numel() else None
        if found is not None:
            where, text = found
            axis = value.ndim - 1 - len(parameter.item)
            env = f" (env {where[0]} of those given)" if axis else ""
            place = element(where[axis]) if element else f"element {where[axis]}"
            raise GenesisException(f"{owner}: `{parameter.name}` of {place}{env} {text}.")

    def scale_mass(
        self,
        masses: np.ndarray,
        inertias: np.ndarray,
        envs: Selection | None,
        total: torch.Tensor,
        source: Any,
        owner: str,
    ) -> None:
        """Scale masses and inertias (columns of theta) so that the masses sum to `total`, () or (envs,) [kg]."""
        with plain_tensors():
            part = _Part(np.concatenate([masses, inertias]), envs, total.clone(), n_masses=len(masses))
            part.watch(source, owner)
            self._write(part)

    def replace(self, theta: torch.Tensor) -> None:
        """Take over a whole vector, (P, ntheta), without graph."""
        self._base, self._parts = theta.detach().clone(), []
        self._changed()

    def refresh(self) -> None:
        """Build the graph between the given tensors and theta anew: a backward pass may have freed the old one."""
        if self._parts:
            self._changed()

    def _changed(self) -> None:
        self._packed = None
        self._scene._observer.clear()

    def warn_of_stale_values(self) -> None:
        """Log a warning for each parameter whose tensor was changed in place after it was set."""
        for part in self._parts:
            given = part.source() if part.source is not None else None
            if given is not None and given._version != part.version:
                part.source = None
                runtime.logger.warning(
                    f"The tensor given to {part.setter}() was changed in place afterwards (by an optimizer?); the "
                    f"scene still uses the values it had. Call {part.setter}() again to use the new ones."
                )

    # -- parts --------------------------------------------------------------------------------------------------------

    def _write(self, part: _Part) -> None:
        kept: list[_Part] = []
        covers_all = part.envs is None
        for old in self._parts:
            overlaps = np.isin(old.columns, part.columns, assume_unique=True).any()
            if not overlaps or not (covers_all or part.same_envs(old)):
                kept.append(old)
            elif part.is_scale:
                if not old.is_scale:
                    kept.append(old)
            elif old.is_scale:
                # Overwriting a few of the scaled numbers: the others keep what the scaling made of them.
                return self._write_over_scale(part)
            else:
                left = old.without(part.columns)
                if left is not None:
                    kept.append(left)
        free = not part.value.requires_grad
        if free and not any(np.isin(p.columns, part.columns, assume_unique=True).any() for p in kept):
            self._base = self._apply(self._base, part)
            self._parts = kept
        else:
            self._parts = [*kept, part]
        self._changed()
        return None

    def _write_over_scale(self, part: _Part) -> None:
        columns = np.unique(np.concatenate([p.columns for p in self._parts if p.is_scale]))
        theta = self.theta().index_select(1, torch.as_tensor(columns, device=runtime.device))
        frozen = _Part(columns, None, theta[0] if theta.shape[0] == 1 else theta)
        others = [p.without(columns) for p in self._parts if not p.is_scale]
        self._parts = [frozen, *(p for p in others if p is not None)]
        self._write(part)

    def _pack(self) -> torch.Tensor:
        theta = self._base
        for part in self._parts:
            theta = self._apply(theta, part)
        return theta

    def _apply(self, theta: torch.Tensor, part: _Part) -> torch.Tensor:
        """Copy of `theta` with `part` in force."""
        if part.per_env() and theta.shape[0] != self._n_worlds:
            theta = theta.expand(self._n_worlds, -1)
        if part.is_scale:
            value = self._scaled(theta, part)
        else:
            value = part.resolved()
        if part.envs is None:
            return theta.index_copy(1, part.index, value.expand(theta.shape[0], len(part.columns)))
        rows = part.envs.tensor()[:, None]
        return theta.index_put((rows, part.index[None, :]), value.expand(part.envs.count, len(part.columns)))

    def _scaled(self, theta: torch.Tensor, part: _Part) -> torch.Tensor:
        under = theta if part.envs is None else theta.index_select(0, part.envs.tensor())
        under = under.index_select(1, part.index)
        masses = under[:, : part.n_masses].sum(1)
        return under * (part.value / masses)[:, None]


def _six_numbers(inertia: torch.Tensor) -> torch.Tensor:
    """(..., 3, 3) symmetric matrices as (..., 6): xx, yy, zz, xy, xz, yz. The symmetric part is taken."""
    both = 0.5 * (inertia + inertia.transpose(-1, -2))
    return torch.stack(
        [both[..., i, j] for i, j in ((0, 0), (1, 1), (2, 2), (0, 1), (0, 2), (1, 2))],
        dim=-1,
    )
