"""The sum of squares that identification makes small: of measurements, priors and what holds parameters in place."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import torch

from genesis import runtime
from genesis.errors import GenesisException
from genesis.tools.identification.least_squares import Normal, information, inverse_of_states
from genesis.tools.identification.shooting import Residuals, Windows, require_one_row

if TYPE_CHECKING:
    from genesis.scene import Scene
    from genesis.tools.identification.selection import Parameter

# Standard deviation, in units in which 1 is a parameter's own size, of the pull to the start that keeps what the data
# do not see where it is: elsewhere the same motion has coordinates that are hard to get away from, near a body without
# extent for instance. The second is in force once what is not determined is held: it moves a parameter that is known to
# 10 % by a millionth of its way. Neither enters the standard errors.
PULL, LAST_PULL = 1.0, 100.0
# The same where a combination is held because the data do not determine it.
HOLD = 0.01
# Windows are weighed against each other if there are so many, and one that fits so many times worse than most weighs
# less.
_FEW_WINDOWS, _FAR_WORSE = 10, 4.0
# More parameters than this: first-order methods take no Jacobian, and no standard errors are given.
MOST_FOR_JACOBIAN = 1000


class Point(NamedTuple):
    """Where the minimisation is.

    Attributes:
        z: (p,) parameters' coordinates, in units in which 1 is a change by the parameter's own size, float64
        x0: (N, nx) initial states of the windows
    """

    z: torch.Tensor
    x0: torch.Tensor


@contextlib.contextmanager
def theta_kept(scene: Scene) -> Iterator[None]:
    """Parameters of the scene that are set inside are taken back."""
    saved = scene.world.theta.saved()
    try:
        yield
    finally:
        scene.world.theta.go_back(saved)


class Coordinates:
    """All unknowns (the `gs.tools.Parameter`s that are looked for) as one vector, and what it does to theta.

    Attributes:
        count: p
        start: (p,) raw coordinates at the start
        unit: (p,) raw coordinates per unit of z
        names: (n_v,) of the values
        typical: (n_v,) what is a large change of each value
    """

    def __init__(self, scene: Scene, unknowns: Sequence[Parameter]) -> None:
        self.scene, self.unknowns = scene, list(unknowns)
        self._leaves = [leaf for one in unknowns for leaf in one.coordinates()]
        if len({id(leaf) for leaf in self._leaves}) != len(self._leaves):
            raise GenesisException(
                "identify: two parameters share a module; give each its own, or set both in one setter."
            )
        self.count = sum(leaf.numel() for leaf in self._leaves)
        self._given = self.start = self._read()
        self.names = [name for one in unknowns for name in one.names()]
        self.typical = torch.cat([one.typical() for one in unknowns])
        values, jacobian = self._values_and_jacobian()
        if len(self.names) != len(values) or len(self.typical) != len(values):
            raise GenesisException(
                f"identify: the parameters have {len(values)} numbers, but {len(self.names)} labels and "
                f"{len(self.typical)} sizes."
            )
        size = (jacobian.abs() / self.typical[:, None]).amax(0)
        unit = 1.0 / torch.where(size > 0, size, torch.ones_like(size))
        # Logarithms, angles and lengths in units of the body's size: 1 is a large change of them as it is, even where
        # it changes the value little, as that of a rod's inertia about its axis.
        self.unit = torch.where(self._are_natural(), torch.ones_like(unit), unit)

    def _are_natural(self) -> torch.Tensor:
        """(p,) which coordinates have natural units."""
        flags = [
            torch.full((leaf.numel(),), one.has_natural_coordinates(), device=leaf.device)
            for one in self.unknowns
            for leaf in one.coordinates()
        ]
        return torch.cat(flags)

    def _read(self) -> torch.Tensor:
        return torch.cat([leaf.detach().double().flatten() for leaf in self._leaves])

    def are_logarithms(self) -> torch.Tensor:
        """(p,) which coordinates are the logarithm of a number above zero."""
        from genesis.parameters import positive

        flags = [
            torch.full((leaf.numel(),), isinstance(one.module, positive) and not bool(one.module.lower.any()))
            for one in self.unknowns
            for leaf in one.coordinates()
        ]
        return torch.cat(flags)

    def begin_at(self, z: torch.Tensor) -> None:
        """From now on the start is there."""
        self.start = self.start + self.unit * z

    def put_back(self) -> None:
        """Put the coordinates with which they came into the modules."""
        self.start = self._given
        self.put(torch.zeros_like(self.start))

    def put(self, z: torch.Tensor) -> None:
        """Put coordinates into the modules."""
        raw = self.start + self.unit * z
        with torch.no_grad():
            for leaf, part in zip(self._leaves, raw.split([leaf.numel() for leaf in self._leaves]), strict=True):
                leaf.copy_(part.view_as(leaf).to(leaf.dtype))

    def theta(self, z: torch.Tensor) -> torch.Tensor:
        """Packed parameters (1, ntheta) with graph to the modules. Raises GenesisException for impossible values."""
        self.put(z)
        for one in self.unknowns:
            one.apply()
        return require_one_row(self.scene.world.theta.packed())

    def directions(self, theta: torch.Tensor) -> torch.Tensor:
        """d theta / d z, (ntheta, p), float64."""
        columns = self.scene.world.theta.columns_with_graph()
        full = torch.zeros((theta.shape[1], self.count), dtype=torch.float64, device=theta.device)
        if columns and theta.requires_grad:
            chosen = torch.cat(columns).unique()
            full[chosen] = self._jacobian(theta[0].index_select(0, chosen))
        return full * self.unit

    def values(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Physical values (n_v,) at the modules' present coordinates, and their derivative by z, (n_v, p)."""
        values, jacobian = self._values_and_jacobian()
        return values, jacobian * self.unit

    def _values_and_jacobian(self) -> tuple[torch.Tensor, torch.Tensor]:
        with torch.enable_grad():
            numbers = torch.cat([one.numbers() for one in self.unknowns])
            return numbers.detach().double(), self._jacobian(numbers)

    def _jacobian(self, values: torch.Tensor) -> torch.Tensor:
        """(len(values), p) by the raw coordinates."""
        eye = torch.eye(len(values), dtype=values.dtype, device=values.device)
        rows = []
        for row in eye:
            found = torch.autograd.grad(values, self._leaves, row, retain_graph=True, allow_unused=True)
            rows.append(
                torch.cat(
                    [
                        torch.zeros(leaf.numel(), dtype=torch.float64, device=values.device)
                        if g is None
                        else g.double().flatten()
                        for g, leaf in zip(found, self._leaves, strict=True)
                    ]
                )
            )
        return torch.stack(rows) if rows else eye.new_zeros((0, self.count))

    def gradient(self, by_theta: torch.Tensor, theta: torch.Tensor) -> torch.Tensor:
        """dL/dz (p,) of dL/dtheta (1, ntheta)."""
        found = torch.autograd.grad(theta, self._leaves, by_theta, allow_unused=True)
        raw = [
            torch.zeros(leaf.numel(), dtype=torch.float64, device=theta.device) if g is None else g.double().flatten()
            for g, leaf in zip(found, self._leaves, strict=True)
        ]
        return torch.cat(raw) * self.unit


@dataclass
class StatePrior:
    """What is known of the initial states of windows at the beginning of a recording.

    Attributes:
        windows: (W,) which
        mean: (W, nx)
        deviation: (ndx,) in the tangent space; infinite: nothing known
    """

    windows: torch.Tensor
    mean: torch.Tensor
    deviation: torch.Tensor


class Estimation:
    """The sum of squares over windows; see `least_squares.Problem`.

    Attributes:
        windows: what is compared
        sigma: per output (m,), standard deviation that each residual is divided by
        held: (p, k) orthonormal combinations of z that are held at the start
        pull: standard deviation of the pull of z to the start
        weights: (N,) of each window's squares: less than 1 where an impact holds it in a local minimum
    """

    def __init__(
        self,
        coordinates: Coordinates,
        windows: Windows,
        sigma: list[torch.Tensor],
        state_prior: StatePrior | None = None,
    ) -> None:
        self.coordinates, self.windows, self.sigma, self.state_prior = coordinates, windows, sigma, state_prior
        self.held: torch.Tensor | None = None
        self.pull = PULL
        self.weights = torch.ones(windows.n_windows, dtype=torch.float64, device=runtime.device)
        self._priors = self._value_priors()
        self._last: tuple[Point, torch.Tensor] | None = None
        self._last_jacobians: tuple[Point, list[Residuals]] | None = None

    def _value_priors(self) -> tuple[torch.Tensor, torch.Tensor] | None:
        """(mean, standard deviation) of all values, infinite where nothing is known."""
        pieces, known = [], False
        for one in self.coordinates.unknowns:
            prior = one.prior_of_numbers()
            known = known or prior is not None
            if prior is None:
                count = len(one.names())
                zeros = torch.zeros(count, dtype=torch.float64, device=runtime.device)
                prior = (zeros, torch.full_like(zeros, torch.inf))
            pieces.append(prior)
        return (torch.cat([a for a, _ in pieces]), torch.cat([b for _, b in pieces])) if known else None

    # -- as a problem -------------------------------------------------------------------------------------------------

    def moved(self, point: Point, dz: torch.Tensor, dx: torch.Tensor) -> Point:
        """``dx`` (N, ndx) in the tangent space."""
        return Point(point.z + dz, self.windows.system.integrate(point.x0, dx.to(point.x0.dtype)))

    def cost(self, point: Point) -> float:
        """Half the sum of squares. Raises GenesisException where the motion diverges."""
        with torch.no_grad():
            theta = self.coordinates.theta(point.z).detach()
            x = self._rollout(point, theta)
            total = sum(
                float(self._weighted(k, r).square().sum()) for k, r in enumerate(self.windows.residuals(x, theta))
            )
            rows = self._extra_rows(point)
        return 0.5 * (total + sum(float(value.square().sum()) for value, _, _ in rows))

    def window_costs(self, point: Point) -> torch.Tensor:
        """Of the measurements, (N,)."""
        with torch.no_grad():
            theta = self.coordinates.theta(point.z).detach()
            found = self.windows.residuals(self._rollout(point, theta), theta)
            costs = torch.zeros(self.windows.n_windows, dtype=torch.float64, device=point.z.device)
            for k, (samples, r) in enumerate(zip(self.windows.samples, found, strict=True)):
                costs.index_add_(0, samples.row, 0.5 * self._weighted(k, r).square().sum(1))
        return costs

    def normal(self, point: Point) -> Normal:
        """Gauss-Newton's normal equations, what holds the parameters included."""
        normal = self.data(point)
        for value, of_parameters, of_state in self._extra_rows(point):
            self._add_extra(normal, value, of_parameters, of_state)
        return normal

    def data(self, point: Point, *, with_priors: bool = False) -> Normal:
        """The normal equations of the measurements alone, or with the priors that the user gave."""
        found = self.residuals(point)
        normal = Normal.zero(self.windows.n_windows, self.windows.system.ndx, self.coordinates.count, point.z.device)
        for k, (samples, r) in enumerate(zip(self.windows.samples, found, strict=True)):
            assert r.state is not None and r.parameters is not None
            weight = self._weight(k)
            chosen = samples.present
            normal.add(
                samples.row[:, None].expand_as(chosen)[chosen],
                (weight * r.value)[chosen],
                (weight[..., None] * r.state)[chosen],
                (weight[..., None] * r.parameters)[chosen],
            )
        if with_priors:
            for value, of_parameters, of_state in self._extra_rows(point, held=False):
                self._add_extra(normal, value, of_parameters, of_state)
        return normal

    def residuals(self, point: Point) -> list[Residuals]:
        """Residuals with Jacobians by states and z, in measured units; those of the last point are kept."""
        if self._last_jacobians is not None and self._last_jacobians[0] is point:
            return self._last_jacobians[1]
        with torch.enable_grad():
            theta = self.coordinates.theta(point.z)
            directions = self.coordinates.directions(theta)
        theta = theta.detach()
        with torch.no_grad():
            x = self._rollout(point, theta)
        found = self.windows.jacobians(x, theta, directions)
        self._last_jacobians = (point, found)
        return found

    def gradient(self, point: Point) -> tuple[float, torch.Tensor, torch.Tensor]:
        """By reverse mode: one backward pass, however many parameters there are."""
        with torch.enable_grad():
            graph = self.coordinates.theta(point.z)
            theta = graph.detach().requires_grad_()
            dx = torch.zeros(
                (self.windows.n_windows, self.windows.system.ndx), dtype=point.x0.dtype, device=point.x0.device
            ).requires_grad_()
            x = self.windows.rollout(self.windows.system.integrate(point.x0, dx), theta)
            squares = [self._weighted(k, r).square().sum() for k, r in enumerate(self.windows.residuals(x, theta))]
            cost = 0.5 * torch.stack(squares).sum()
            by_theta, by_state = torch.autograd.grad(cost, [theta, dx], allow_unused=True)
        by_z = torch.zeros_like(point.z)
        if by_theta is not None and graph.requires_grad:
            by_z = self.coordinates.gradient(by_theta, graph)
        total, by_state = float(cost.detach()), by_state.double()
        for value, of_parameters, of_state in self._extra_rows(point):
            total += 0.5 * float(value.square().sum())
            if of_state is None:
                by_z = by_z + of_parameters.mT @ value.flatten()
            else:
                windows, by_dx = of_state
                by_state = by_state.index_add(0, windows, (value[:, None] @ by_dx)[:, 0])
        return total, by_z, by_state

    def curvature(self, point: Point) -> tuple[torch.Tensor, torch.Tensor]:
        """See `least_squares.Problem`."""
        if self.coordinates.count <= MOST_FOR_JACOBIAN:
            normal = self.normal(point)
            return normal.of_parameters.diagonal(), normal.of_state.diagonal(dim1=-2, dim2=-1)
        shape = (self.windows.n_windows, self.windows.system.ndx)
        return torch.ones_like(point.z), torch.ones(shape, dtype=torch.float64, device=point.z.device)

    # -- pieces -------------------------------------------------------------------------------------------------------

    def _rollout(self, point: Point, theta: torch.Tensor) -> torch.Tensor:
        """States of the windows; those of the last point are kept, since cost and derivatives are asked for in turn."""
        if self._last is not None and self._last[0] is point:
            return self._last[1]
        x = self.windows.rollout(point.x0, theta)
        self._last = (point, x)
        return x

    def states(self, point: Point) -> torch.Tensor:
        """(T + 1, N, nx)."""
        with torch.no_grad():
            return self._rollout(point, self.coordinates.theta(point.z).detach())

    def _weighted(self, k: int, r: Residuals) -> torch.Tensor:
        return r.value.double() * self._weight(k)

    def _weight(self, k: int) -> torch.Tensor:
        """Of the residuals of an output, (S, m)."""
        samples = self.windows.samples[k]
        return samples.present.double() * self.weights[samples.row].sqrt()[:, None] / self.sigma[k]

    def weigh_windows(self, point: Point) -> None:
        """Give less weight to windows that fit far worse than most, as the inverse square of how much (a robust loss of
        the window as a whole; its minimum is found by weighing anew)."""
        numbers = torch.zeros_like(self.weights)
        for samples in self.windows.samples:
            numbers.index_add_(0, samples.row, samples.present.double().sum(1))
        self.weights = torch.ones_like(self.weights)  # window_costs is to be without weights
        if len(numbers) < _FEW_WINDOWS:
            return
        square = 2.0 * self.window_costs(point) / (numbers - 0.5 * self.windows.system.ndx).clamp(min=1.0)
        usual = max(float(square.median()), 1.0)
        self.weights = (_FAR_WORSE * usual / square.clamp(min=1e-300)).clamp(max=1.0) ** 2

    def _extra_rows(self, point: Point, held: bool = True):
        """(residuals, their derivative by z, and which windows' states with which derivative, or None)."""
        rows: list[tuple[torch.Tensor, torch.Tensor, tuple[torch.Tensor, torch.Tensor] | None]] = []
        p = self.coordinates.count
        eye = torch.eye(p, dtype=torch.float64, device=point.z.device)
        none = eye.new_zeros((0, p))
        if held:
            rows.append((point.z / self.pull, eye / self.pull, None))
            if self.held is not None and self.held.shape[1]:
                rows.append((self.held.mT @ point.z / HOLD, self.held.mT / HOLD, None))
        if self._priors is not None:
            self.coordinates.put(point.z)
            values, jacobian = self.coordinates.values()
            mean, deviation = self._priors
            known = torch.isfinite(deviation)
            weight = 1.0 / deviation[known]
            rows.append(((values - mean)[known] * weight, jacobian[known] * weight[:, None], None))
        if self.state_prior is not None:
            prior = self.state_prior
            weight = 1.0 / prior.deviation
            difference, by_dx = self._from_mean(prior, point)
            rows.append((difference * weight, none, (prior.windows, weight[:, None] * by_dx)))
        return rows

    def _from_mean(self, prior: StatePrior, point: Point) -> tuple[torch.Tensor, torch.Tensor]:
        """How far initial states are from the prior's mean (W, ndx), and the derivative of that by their tangent,
        (W, ndx, ndx): not 1 where rotations are far from it."""
        system, at = self.windows.system, point.x0[prior.windows]
        with torch.enable_grad():
            dx = torch.zeros((len(at), system.ndx), dtype=at.dtype, device=at.device, requires_grad=True)
            difference = system.difference(prior.mean, system.integrate(at, dx))
            columns = difference.sum(0)
            rows = [torch.autograd.grad(column, dx, retain_graph=True)[0] for column in columns]
        return difference.detach().double(), torch.stack(rows, 1).double()

    @staticmethod
    def _add_extra(normal: Normal, value: torch.Tensor, of_parameters: torch.Tensor, of_state) -> None:
        normal.cost += 0.5 * float(value.square().sum())
        if of_state is None:
            normal.of_parameters += of_parameters.mT @ of_parameters
            normal.parameter_gradient += of_parameters.mT @ value
            return
        windows, by_dx = of_state
        normal.of_state.index_add_(0, windows, by_dx.mT @ by_dx)
        normal.state_gradient.index_add_(0, windows, (value[:, None] @ by_dx)[:, 0])

    # -- noise --------------------------------------------------------------------------------------------------------

    def channels(self, point: Point) -> list[tuple[torch.Tensor, torch.Tensor, torch.Tensor]]:
        """Per output: sum of squared residuals in measured units (m,), how many there are (m,), and how many numbers
        the fit has spent on them (m,): the trace of the hat matrix, so that ssq / (count - spent) is the noise's
        variance."""
        found = self.residuals(point)
        normal = self.normal(point)
        covariance = torch.linalg.pinv(information(normal), hermitian=True)
        states = inverse_of_states(normal.of_state)
        result = []
        for k, (samples, r) in enumerate(zip(self.windows.samples, found, strict=True)):
            assert r.state is not None and r.parameters is not None
            weight = self._weight(k)
            state, parameters = weight[..., None] * r.state, weight[..., None] * r.parameters
            along = state @ states[samples.row]
            rest = parameters - along @ normal.of_both[samples.row]
            spent = (along * state).sum(-1) + ((rest @ covariance) * rest).sum(-1)
            present = samples.present.double() * self.weights[samples.row][:, None]
            result.append(((r.value.square() * present).sum(0), present.sum(0), (spent * samples.present).sum(0)))
        return result
