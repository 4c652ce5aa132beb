"""Mass, centre of mass and inertia of links, such as a body can have, whatever their ten coordinates are."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import torch

from genesis import runtime
from genesis.errors import GenesisException
from genesis.parameters.base import ParameterModule, read_value, require, saturated

if TYPE_CHECKING:
    from genesis.entities.rigid_entity import RigidEntity

# A mass distribution counts as flat when its least second moment is below this many units of rounding of the largest:
# below it, the least one is rounding of the six numbers of the inertia.
_FLAT = 8.0
# A value must come back from its coordinates within this power of the rounding, relative to its size: the logarithms,
# some tens in size, lose two digits, and the map cuts very large ones.
_RETURNS = 0.5
_NAMES = ("log_mass", "com_x", "com_y", "com_z", "log_x", "log_y", "log_z", "xy", "xz", "yz")


class InertiaValue(NamedTuple):
    """Inertial parameters of n links, as the setters of an entity take them.

    mass [kg], (..., n); com [m], in the link's frame, (..., n, 3); inertia (xx, yy, zz, xy, xz, yz) [kg m^2], about the
    centre of mass in the axes of the link's frame, (..., n, 6).
    """

    mass: torch.Tensor
    com: torch.Tensor
    inertia: torch.Tensor


class Inertia(ParameterModule):
    """Mass, centre of mass and inertia of links from ten free coordinates each: the log-Cholesky form.

    The pseudo-inertia of a body of density rho(x) is J = integral rho (x, 1) (x, 1)' dV, (4, 4). A positive definite J
    is what a mass distribution in three dimensions has: a mass above zero, and principal moments of which none exceeds
    the sum of the other two. Rucker & Wensing (2022), "Smooth parameterization of rigid-body inertia", IEEE Robotics
    and Automation Letters 7(2), write J = U U' with U upper triangular and a positive diagonal, which any ten numbers
    give:

        U = sqrt(m) [[V, com], [0, 1]],   V = [[e^d1, s12, s13], [0, e^d2, s23], [0, 0, e^d3]]

    Multiplied out: the centre of mass is `com`, the second moments about it are S = m V V', and the inertia about it is
    trace(S) 1 - S. Coordinates are (log m, com, d, s12, s13, s23), with lengths in units of the link's initial radius
    of gyration, kept in `length`, so that one learning rate suits all ten of a finger and of a torso.

    Parameters
    ----------
    mass, com, inertia
        As `InertiaValue`; n links, or any other leading shape. Inertia matrices, (..., 3, 3), are accepted too.
    min_radius
        [m]. A point mass, a rod or a plate has no positive definite J and is refused, unless this is given: then its
        root mean square extents along its principal axes are raised to this length where they are less, and its inertia
        changes by about mass * min_radius^2.

    Raises
    ------
    GenesisException
        A mass that is not above zero, an inertia that no body has, a flat body without `min_radius`, numbers too large
        or too small for the coordinates (in 32 bits masses beyond 2e-10 to 4e9 kg), wrong shapes, NaN or infinite
        numbers, a call before `gs.init()`. The message names the link if it is known.
    """

    length: torch.Tensor

    def __init__(
        self,
        mass: Any,
        com: Any,
        inertia: Any,
        *,
        min_radius: float | None = None,
        names: Sequence[str] | None = None,
        links_idx_local: Sequence[int] | None = None,
    ) -> None:
        super().__init__()
        self.names = _read_names(names, self._owner)
        self.links_idx_local = None if links_idx_local is None else _read_numbers(links_idx_local, self._owner)
        self.min_radius = _read_radius(min_radius, self._owner)
        body = self._read(mass, com, inertia)
        for name, given in (("names", self.names), ("links_idx_local", self.links_idx_local)):
            if given is not None and (not body.mass.ndim or len(given) != body.mass.shape[-1]):
                raise GenesisException(
                    f"{self._owner}: `{name}` has {len(given)} entries, and `mass` has shape {tuple(body.mass.shape)}; "
                    "expected one for each link."
                )
        second = self._second_moments(body, self.min_radius)
        gyration = (torch.diagonal(second, dim1=-2, dim2=-1).sum(-1) / 3).sqrt()
        dtype = body.mass.dtype
        self.register_buffer("length", gyration.to(dtype))
        value = InertiaValue(body.mass, body.com, _six(_rotational(second) * body.mass[..., None, None].double()))
        for name, part in zip(InertiaValue._fields, value, strict=True):
            self.register_buffer(f"_initial_{name}", part.to(dtype).clone())
        coordinates = self._coordinates(body, second)
        self._require_return(coordinates, self.initial)
        self._start(coordinates)

    @classmethod
    def of(
        cls,
        entity: RigidEntity,
        links_idx_local: Any = None,
        *,
        per_env: bool = False,
        min_radius: float | None = None,
    ) -> Inertia:
        """The links of a built entity, as they are now; `apply(entity)` then knows which.

        `links_idx_local`: an index argument as of the setters, or a link's name, or a list of names; None: all links.
        `per_env`: one set of numbers per env, (n_envs, n); else one for all, (n,).

        Raises GenesisException, too, for a link without mass (leave it out), and without `per_env` if the envs differ.
        """
        owner = f"gs.parameters.{cls.__name__.lower()}.of"
        if not callable(getattr(entity, "get_links_inertia", None)):
            raise GenesisException(f"{owner}: `entity` is {entity!r:.60}; expected an entity of a built scene.")
        if not isinstance(per_env, bool):
            raise GenesisException(f"{owner}: `per_env` is {per_env!r:.60}; expected True or False.")
        names = [links_idx_local] if isinstance(links_idx_local, str) else links_idx_local
        if isinstance(names, (list, tuple)) and names and all(isinstance(name, str) for name in names):
            links_idx_local = [entity.get_link(name).idx_local for name in names]
        from genesis.world.arguments import select  # imports kernels, which need the precision

        reader = f"{entity.name}.get_links_mass"
        chosen = select(links_idx_local, entity.n_links, "links_idx_local", reader, unique=True)
        indices = [int(k) for k in chosen.positions()]
        if not indices:
            raise GenesisException(f"{owner}: `links_idx_local` chooses no link of '{entity.name}'.")
        with torch.no_grad():
            values = [getattr(entity, f"get_links_{name}")(indices) for name in ("mass", "COM", "inertia")]
        if entity.scene.n_envs and not per_env:
            if any(bool((value != value[:1]).any()) for value in values):
                raise GenesisException(f"{owner}: the envs have different values; per_env=True learns each env's own.")
            values = [value[0] for value in values]
        elif per_env and not entity.scene.n_envs:
            raise GenesisException(f"{owner}: per_env=True, but the scene was built without envs (n_envs=0).")
        link_names = [entity.links[k].name for k in indices]
        return cls(*values, min_radius=min_radius, names=link_names, links_idx_local=indices)

    def apply(self, entity: RigidEntity, links_idx_local: Any = None) -> InertiaValue:  # type: ignore[override]
        """Set mass, centre of mass and inertia of the links of `entity` to the present value, which it returns.

        `links_idx_local`: as of the setters; None: the links that `of` was given, else all. Call it in every iteration.

        Raises GenesisException, and changes nothing, for a wrong shape or index, and for coordinates that are NaN.
        """
        from genesis.world.arguments import fit, read_tensor, select  # imports kernels, which need the precision
        from genesis.world.catalogue import PARAMETERS

        owner = f"{self._owner}.apply"
        if not hasattr(entity, "set_links_inertia"):
            if callable(entity):
                return super().apply(entity)  # type: ignore[return-value]  # torch's apply(function), of a parent's
            raise GenesisException(f"{owner}: `entity` is {entity!r:.60}; expected an entity of a built scene.")
        links = self.links_idx_local if links_idx_local is None else links_idx_local
        value = self()
        for name, part in zip(value._fields, value, strict=True):
            require(torch.isfinite(part), part, name, "the coordinates are not finite: see the optimiser", owner)
        # All that a setter may refuse is looked at before the first of the three sets anything. A number would fit any
        # count of masses, but not of the other two: it stands for one link here.
        n_links = entity.n_links
        world = entity.scene.world
        chosen = select(links, n_links, "links_idx_local", f"{entity.name}.set_links_mass", unique=True)
        given = value if value.mass.ndim or chosen.count != 1 else InertiaValue(*(part[None] for part in value))
        for field, name, part in zip(value._fields, ("links_mass", "links_COM", "links_inertia"), given, strict=True):
            parameter = PARAMETERS[name]
            read = read_tensor(world, part, field, owner)
            read = fit(world, read, None, (chosen.count, *parameter.item), field, owner, scalar=False)
            world.theta.validate(parameter, read, owner)
        entity.set_links_mass(given.mass, links)
        entity.set_links_COM(given.com, links)
        entity.set_links_inertia(given.inertia, links)
        return value

    def coordinates_of(self, value: Any) -> torch.Tensor:
        """The ten coordinates of (mass, com, inertia), (..., 10); a flat body as in the constructor."""
        try:
            mass, com, inertia = value
        except (TypeError, ValueError):
            raise GenesisException(f"{self._owner}: `value` is {value!r:.60}; expected (mass, com, inertia).") from None
        body = self._read(mass, com, inertia)
        if body.mass.shape != self.shape:
            raise GenesisException(
                f"{self._owner}: `mass` has shape {tuple(body.mass.shape)}, expected {tuple(self.shape)}."
            )
        second = self._second_moments(body, self.min_radius)
        coordinates = self._coordinates(body, second).to(self.coordinates)
        inertia = _six(_rotational(second) * body.mass[..., None, None].double())
        self._require_return(coordinates, body._replace(inertia=inertia))
        return coordinates

    def forward(self) -> InertiaValue:
        """Mass, centre of mass and inertia, with their graph."""
        return self._value(self.coordinates)

    def _value(self, c: torch.Tensor) -> InertiaValue:
        # mass * extent^2 stays finite where each of the three is below the fourth root of the largest float
        mass = saturated(c[..., 0], 4).exp()
        com = saturated_length(c[..., 1:4]) * self.length[..., None]
        second = self._factor(c)
        second = second @ second.mT * (mass * self.length**2)[..., None, None]
        return InertiaValue(mass, com, _six(_rotational(second)))

    def pseudo_inertia(self) -> torch.Tensor:
        """J = integral rho (x, 1) (x, 1)' dV about the link's origin, (..., n, 4, 4) [kg m^2, kg m, kg]."""
        c = self.coordinates
        com = (saturated_length(c[..., 1:4]) * self.length[..., None])[..., None]
        upper = torch.cat([self._factor(c) * self.length[..., None, None], com], -1)
        last = torch.zeros_like(upper[..., :1, :])
        last[..., 3] = 1.0
        root = torch.cat([upper, last], -2)
        return saturated(c[..., 0], 4).exp()[..., None, None] * (root @ root.mT)

    @property
    def initial(self) -> InertiaValue:
        """The value that it was made from, of a flat body with the extents that `min_radius` gave it."""
        return InertiaValue(*(self.get_buffer(f"_initial_{name}") for name in InertiaValue._fields))

    @property
    def shape(self) -> torch.Size:
        """Of the mass: (n,) or (n_envs, n)."""
        return self.length.shape

    @property
    def coordinate_names(self) -> tuple[str, ...]:
        """What the ten coordinates of a link are, in order."""
        return _NAMES

    def extra_repr(self) -> str:
        """For `print(module)`."""
        links = "" if self.names is None else ", links=" + ", ".join(self.names)
        return f"shape={tuple(self.shape)}{links}"

    # -- from value to coordinates ------------------------------------------------------------------------------------

    def _factor(self, c: torch.Tensor) -> torch.Tensor:
        """V in units of `length`, (..., 3, 3)."""
        d, (s12, s13, s23) = saturated(c[..., 4:7], 4).exp().unbind(-1), saturated_length(c[..., 7:10]).unbind(-1)
        zero = torch.zeros_like(s12)
        rows = ((d[0], s12, s13), (zero, d[1], s23), (zero, zero, d[2]))
        return torch.stack([torch.stack(row, -1) for row in rows], -2)

    def _read(self, mass: Any, com: Any, inertia: Any) -> InertiaValue:
        """The three, checked for shape and sign, without graph."""
        owner = self._owner
        given = {"mass": mass, "com": com, "inertia": inertia}
        body = InertiaValue(**{name: read_value(value, name, owner) for name, value in given.items()})
        lead = body.mass.shape
        if body.inertia.shape == (*lead, 3, 3):
            skew = body.inertia - body.inertia.mT
            good = skew.abs() <= 1e-6 * body.inertia.abs().amax((-2, -1), keepdim=True)
            require(good, body.inertia, "inertia", "expected a symmetric matrix", owner)
            body = body._replace(inertia=_six(body.inertia))
        for name, item in (("com", (3,)), ("inertia", (6,))):
            shape = getattr(body, name).shape
            if shape != (*lead, *item):
                or_matrix = f" or {(*lead, 3, 3)}" if name == "inertia" else ""
                raise GenesisException(
                    f"{owner}: `{name}` has shape {tuple(shape)}, expected {(*lead, *item)}{or_matrix}: `mass` has "
                    f"shape {tuple(lead)}."
                )
        self._require(body.mass > 0, lambda k: f"is {body.mass[k].item():g} kg; it must be above zero", "mass")
        return body

    def _second_moments(self, body: InertiaValue, min_radius: float | None) -> torch.Tensor:
        """Second moments about the centre of mass, per unit of mass, positive definite, (..., n, 3, 3) [m^2], 64 bits.

        With I the inertia per unit of mass they are trace(I) / 2 1 - I.
        """
        from genesis.world.checks import INERTIA_TOLERANCE  # imports kernels, which need the precision

        rotational = _matrix(body.inertia.double())
        trace = torch.diagonal(rotational, dim1=-2, dim2=-1).sum(-1)
        identity = torch.eye(3, dtype=torch.float64, device=rotational.device)
        second = (0.5 * trace[..., None, None] * identity - rotational) / body.mass.double()[..., None, None]
        self._require(
            torch.isfinite(second).all(-1).all(-1),
            lambda k: f"is out of scale for a mass of {body.mass[k].item():g} kg; expected kg and kg m^2",
            "inertia",
        )
        extents, axes = torch.linalg.eigh(second)
        least, most = extents[..., 0], extents[..., 2]

        def moments(k: tuple[int, ...]) -> str:
            text = ", ".join(f"{moment:g}" for moment in torch.linalg.eigvalsh(rotational[k]).tolist())
            return f"has principal moments {text} kg m^2"

        # The triangle inequality's slack is twice the least second moment.
        self._require(
            (least >= -0.5 * INERTIA_TOLERANCE * most) & (most >= 0),
            lambda k: f"{moments(k)}; no body has them: none is negative, none above the sum of the other two",
            "inertia",
        )
        if min_radius is None:
            self._require(
                least > _FLAT * torch.finfo(runtime.tc_float).eps * most,
                lambda k: (
                    f"{moments(k)}, those of a point, a rod or a plate without thickness; give such a link a thickness "
                    "with `min_radius` [m], or leave it out"
                ),
                "inertia",
            )
            return second
        raised = extents.clamp_min(min_radius**2)
        return torch.where((raised == extents).all(-1)[..., None, None], second, axes * raised[..., None, :] @ axes.mT)

    def _coordinates(self, body: InertiaValue, second: torch.Tensor) -> torch.Tensor:
        """The ten coordinates, (..., 10): V is the upper Cholesky factor, the lower one of the axes in reverse."""
        length = self.length.double()[..., None]
        scaled = second / length[..., None] ** 2
        possible = torch.isfinite(scaled).all(-1).all(-1)
        factor, failed = torch.linalg.cholesky_ex(torch.where(possible[..., None, None], scaled, 1.0).flip((-2, -1)))
        self._require(
            possible & (failed == 0),
            lambda k: "is that of a body too small, too large or too thin for its numbers; try a larger `min_radius`",
            "inertia",
        )
        factor = factor.flip((-2, -1))
        off = torch.stack([factor[..., 0, 1], factor[..., 0, 2], factor[..., 1, 2]], -1)
        log_mass = body.mass.double().log()[..., None]
        log_extent = torch.diagonal(factor, dim1=-2, dim2=-1).log()
        coordinates = torch.cat([log_mass, body.com.double() / length, log_extent, off], -1)
        return coordinates.to(body.mass.dtype)

    def _require_return(self, coordinates: torch.Tensor, expected: InertiaValue) -> None:
        """Raise GenesisException for a value that its coordinates do not give back: the map cuts very large ones."""
        with torch.no_grad():
            back = self._value(coordinates)
        whole = coordinates == saturated(coordinates, 4)
        logs = (whole[..., 0], torch.ones_like(whole[..., 0]), whole[..., 4:7].all(-1))
        eps = torch.finfo(coordinates.dtype).eps ** _RETURNS
        sizes = (expected.mass.abs(), expected.com.abs().amax(-1) + self.length, expected.inertia.abs().amax(-1))
        for name, part, size, kept in zip(InertiaValue._fields, back, sizes, logs, strict=True):
            aim = getattr(expected, name).to(part)
            error = (part - aim).abs()
            error = error.amax(-1) if error.ndim > size.ndim else error
            good = kept & (error <= eps * size.to(part))  # NaN is not
            self._require(
                good,
                lambda k, aim=aim: (
                    f"is {', '.join(f'{number:g}' for number in aim[k].reshape(-1).tolist())}, beyond what the "
                    f"coordinates represent in {torch.finfo(coordinates.dtype).bits} bits; expected kg, m and kg m^2 "
                    "of a body of usual size"
                ),
                name,
            )

    def _require(self, good: torch.Tensor, text: Any, argument: str) -> None:
        """Raise GenesisException for the first link that is not good; `text(index)` says what it is."""
        if bool(good.all()):
            return
        where = tuple(torch.nonzero(~good)[0].tolist())
        link = f"element {where}" if self.names is None else f"link '{self.names[where[-1]]}'"
        env = f" in env {where[0]}" if self.names is not None and len(where) == 2 else ""
        raise GenesisException(f"{self._owner}: `{argument}` of {link}{env} {text(where)}.")


def saturated_length(coordinates: torch.Tensor) -> torch.Tensor:
    """Lengths that are no logarithms, cut where the fourth power would overflow (4e9 in 32 bits)."""
    limit = torch.finfo(coordinates.dtype).max ** 0.25
    return coordinates.clamp(-limit, limit)


def _rotational(second: torch.Tensor) -> torch.Tensor:
    """trace(S) 1 - S: the inertia that belongs to second moments S, (..., 3, 3)."""
    trace = torch.diagonal(second, dim1=-2, dim2=-1).sum(-1)
    return trace[..., None, None] * torch.eye(3, dtype=second.dtype, device=second.device) - second


def _six(matrix: torch.Tensor) -> torch.Tensor:
    """(xx, yy, zz, xy, xz, yz) of a symmetric matrix, (..., 3, 3) to (..., 6)."""
    return torch.stack([matrix[..., i, j] for i, j in ((0, 0), (1, 1), (2, 2), (0, 1), (0, 2), (1, 2))], -1)


def _matrix(six: torch.Tensor) -> torch.Tensor:
    """The symmetric matrix of (xx, yy, zz, xy, xz, yz), (..., 6) to (..., 3, 3)."""
    xx, yy, zz, xy, xz, yz = six.unbind(-1)
    return torch.stack([torch.stack(row, -1) for row in ((xx, xy, xz), (xy, yy, yz), (xz, yz, zz))], -2)


def _read_radius(min_radius: Any, owner: str) -> float | None:
    if min_radius is None:
        return None
    # Its fourth power is a number, as that of a length among the coordinates.
    limits = torch.finfo(runtime.tc_float)
    least, most = limits.tiny**0.25, limits.max**0.25
    if isinstance(min_radius, bool) or not isinstance(min_radius, (int, float)) or not least < min_radius < most:
        raise GenesisException(
            f"{owner}: `min_radius` is {min_radius!r:.60}; expected a length above zero [m] "
            f"({least:.1g} to {most:.1g}), or None."
        )
    return float(min_radius)


def _read_numbers(given: Any, owner: str) -> tuple[int, ...]:
    """Numbers of links."""
    try:
        return tuple(operator.index(k) for k in given)
    except (TypeError, RuntimeError):
        raise GenesisException(
            f"{owner}: `links_idx_local` is {given!r:.60}; expected a list of numbers of links, one for each mass."
        ) from None


def _read_names(names: Any, owner: str) -> tuple[str, ...] | None:
    if names is None:
        return None
    if isinstance(names, str) or not isinstance(names, Sequence) or not all(isinstance(name, str) for name in names):
        raise GenesisException(f"{owner}: `names` is {names!r:.60}; expected a list of the links' names, or None.")
    return tuple(names)
