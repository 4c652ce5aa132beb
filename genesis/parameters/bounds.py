"""Numbers above a floor, and numbers between two bounds."""

from __future__ import annotations

from typing import Any

import torch

from genesis.errors import GenesisException
from genesis.parameters.base import ParameterModule, read_value, require, saturated


class Positive(ParameterModule):
    """Numbers above `lower`, in logarithmic coordinates: value = lower + exp(coordinates).

    With the default `lower=0` a step of 0.01 in a coordinate is one of 1 %, whatever the size of the value: one
    learning rate suits masses of grams and of tons.

    Parameters
    ----------
    initial
        Numbers of any shape, for a setter `(n, ...)` or `(n_envs, n, ...)`, in its unit; above `lower`.
    lower
        A number, or a tensor that broadcasts to `initial`: a floor that is approached and never passed. 0 or above.

    Raises
    ------
    GenesisException
        `initial` not above `lower`, a negative `lower`, wrong shapes, NaN or infinite numbers, a call before
        `gs.init()`.
    """

    lower: torch.Tensor

    def __init__(self, initial: Any, *, lower: Any = 0.0) -> None:
        super().__init__()
        value = read_value(initial, "initial", self._owner)
        self.register_buffer("lower", self._fitting(lower, "lower", value.shape).clone())
        require(self.lower >= 0, self.lower, "lower", "expected 0 or above", self._owner)
        self.register_buffer("_initial", value)
        self._start(self._coordinates(value, "initial"))

    def coordinates_of(self, value: Any) -> torch.Tensor:
        """log(value - lower), of the module's shape."""
        return self._coordinates(value, "value")

    def _coordinates(self, value: Any, argument: str) -> torch.Tensor:
        given = self._fitting(value, argument, self.lower.shape)
        above = given - self.lower
        require(above > 0, given, argument, "expected a number above " + _range_text(self.lower), self._owner)
        coordinates = above.log()
        # A denormal or an astronomic number would not come back.
        expected = "too small or too large to be represented"
        require(coordinates == saturated(coordinates, 2), given, argument, expected, self._owner)
        return coordinates

    def forward(self) -> torch.Tensor:
        """The value, of the shape of `initial`."""
        return self.lower + saturated(self.coordinates, 2).exp()

    def extra_repr(self) -> str:
        """For `print(module)`."""
        return f"shape={tuple(self.shape)}, lower={_range_text(self.lower)}"


class Bounded(ParameterModule):
    """Numbers in the open interval between `lower` and `upper`.

    With c the coordinate and r = sqrt(1 + c^2), value = lower + (upper - lower) (1 + c / r) / 2. Its slope falls as
    1 / |c|^3, where that of a logistic function falls as exp(-|c|): after a step that was much too long, the value is
    next to a bound and still has a gradient that leads back.

    Parameters
    ----------
    initial
        Numbers of any shape, for a setter `(n, ...)` or `(n_envs, n, ...)`, in its unit; strictly inside.
    lower, upper
        Finite numbers, or tensors that broadcast to `initial`; lower < upper.

    Raises
    ------
    GenesisException
        `initial` at a bound or outside, `lower` not below `upper`, wrong shapes, NaN or infinite numbers, a call before
        `gs.init()`.
    """

    lower: torch.Tensor
    upper: torch.Tensor

    def __init__(self, initial: Any, lower: Any, upper: Any) -> None:
        super().__init__()
        value = read_value(initial, "initial", self._owner)
        for name, bound in (("lower", lower), ("upper", upper)):
            if isinstance(bound, float) and bound in (float("inf"), float("-inf")):
                raise GenesisException(
                    f"{self._owner}: `{name}` is {bound}; both bounds are finite (gs.parameters.positive has one only)."
                )
            self.register_buffer(name, self._fitting(bound, name, value.shape).clone())
        require(self.lower < self.upper, self.lower, "lower", "expected a number below `upper`", self._owner)
        self.register_buffer("_initial", value)
        self._start(self._coordinates(value, "initial"))

    def coordinates_of(self, value: Any) -> torch.Tensor:
        """c = y / sqrt(1 - y^2) with y = 2 (value - lower) / (upper - lower) - 1, of the module's shape."""
        return self._coordinates(value, "value")

    def _coordinates(self, value: Any, argument: str) -> torch.Tensor:
        given = self._fitting(value, argument, self.lower.shape)
        inside = (given > self.lower) & (given < self.upper)
        expected = f"expected a number strictly between {_range_text(self.lower)} and {_range_text(self.upper)}"
        require(inside, given, argument, expected, self._owner)
        below, above = given - self.lower, self.upper - given
        # 1 - y^2 = 4 below above / (upper - lower)^2, without the cancellation near the bounds
        return 0.5 * (below - above) / (below.sqrt() * above.sqrt())

    def forward(self) -> torch.Tensor:
        """The value, of the shape of `initial`."""
        c = self.coordinates
        # (1 - |c| / r) / 2 = 1 / (2 r (r + |c|)): the distance from the nearer bound, without cancellation. Not abs():
        # its derivative at zero, the middle of the interval, is zero in torch.
        size = torch.where(c < 0, -c, c)
        r = torch.hypot(torch.ones_like(size), size)
        distance = (self.upper - self.lower) * (0.5 / (r * (r + size)))
        value = torch.where(c < 0, self.lower + distance, self.upper - distance)
        # The interval is open, also where the distance is below the spacing of floats.
        inside = torch.nextafter(self.lower, self.upper), torch.nextafter(self.upper, self.lower)
        return value + (torch.clamp(value, *inside) - value).detach()  # the gradient is that without rounding

    def extra_repr(self) -> str:
        """For `print(module)`."""
        return f"shape={tuple(self.shape)}, lower={_range_text(self.lower)}, upper={_range_text(self.upper)}"


def _range_text(bound: torch.Tensor) -> str:
    """A number, or the least and the largest of many."""
    if not bound.numel():
        return "(empty)"
    least, most = (number.item() for number in torch.aminmax(bound))
    return f"{least:g}" if least == most else f"[{least:g} ... {most:g}]"
