"""What the parameter modules have in common: reading values, and coordinates that an optimiser may move at will."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch

from genesis import runtime
from genesis.errors import GenesisException
from genesis.rigid.door import refuse_transforms


def read_value(value: Any, argument: str, owner: str) -> torch.Tensor:
    """A copy of `value` without graph, on `gs.device` in `gs.tc_float`: a tensor, number, array or nested list.

    Raises GenesisException before `gs.init()`, for what is not numbers or holds none, and for NaN and infinite ones.
    """
    runtime.require_init()
    refuse_transforms(owner)
    if isinstance(value, torch.Tensor):
        dense = value.layout is torch.strided and not (value.is_meta or value.is_nested or value.is_quantized)
        if not dense or value.dtype is torch.bool or value.dtype.is_complex:
            raise GenesisException(f"{owner}: `{argument}` is a tensor of {value.dtype}; expected dense real numbers.")
        with torch._C.DisableTorchFunctionSubclass():  # a Tensor of a scene would stay one
            read = value.detach().as_subclass(torch.Tensor)
    else:
        if isinstance(value, (list, tuple)) and any(isinstance(part, (torch.Tensor, list, tuple)) for part in value):
            try:
                parts = [read_value(part, argument, owner) for part in value]
            except RecursionError:
                raise GenesisException(f"{owner}: `{argument}` is a list that is nested without end.") from None
            if len({part.shape for part in parts}) != 1:
                raise GenesisException(f"{owner}: `{argument}` is a list of items of different shapes.")
            return torch.stack(parts)
        try:
            array = np.asarray(value)
        except (TypeError, ValueError, RuntimeError, OverflowError, RecursionError):
            array = np.asarray(None)
        if array.dtype.kind not in "iuf":
            raise GenesisException(f"{owner}: `{argument}` is {value!r:.60}; expected numbers (tensor, array or list).")
        read = torch.as_tensor(array.astype(np.float64))
    if not read.numel():
        raise GenesisException(
            f"{owner}: `{argument}` is empty, of shape {tuple(read.shape)}; expected one number or more."
        )
    with torch.inference_mode(False), torch.no_grad():
        read = read.to(device=runtime.device, dtype=runtime.tc_float, copy=True)
    require(torch.isfinite(read), read, argument, "expected finite numbers", owner)
    return read


def require(good: torch.Tensor, value: torch.Tensor, argument: str, expected: str, owner: str) -> None:
    """Raise GenesisException for the first element of `value` (same shape as `good`) that is not good."""
    if bool(good.all()):
        return
    where = tuple(torch.nonzero(~good)[0].tolist())
    place = f" at index {where}" if where else ""
    raise GenesisException(f"{owner}: `{argument}` is {value[where].item():g}{place}; {expected}.")


def saturated(coordinates: torch.Tensor, power: int) -> torch.Tensor:
    """Coordinates cut to +-log(largest float) / `power`: exp of them, and products of `power` of those, stay finite.

    In 32 bits exp reaches 4e9 for power 4 and 2e19 for 2. No optimiser is meant to get there; one that does finds
    the gradient zero instead of NaN. NaN stays NaN.
    """
    limit = math.log(torch.finfo(coordinates.dtype).max) / power
    return coordinates.clamp(-limit, limit)


class ParameterModule(torch.nn.Module):
    """A physical value as a smooth function of free coordinates, `coordinates`, which are the module's parameters.

    Calling the module gives the value. A value is copied by the setter that gets it: call module and setter anew in
    every iteration. Coordinates, bounds and initial value are in the `state_dict`.
    """

    coordinates: torch.nn.Parameter

    def _start(self, coordinates: torch.Tensor) -> None:
        self.coordinates = torch.nn.Parameter(coordinates.detach().clone())

    @property
    def _owner(self) -> str:
        """How error messages call it."""
        return f"gs.parameters.{type(self).__name__.lower()}"

    def coordinates_of(self, value: Any) -> torch.Tensor:
        """The coordinates at which the module has this value; raises GenesisException for an impossible one."""
        raise NotImplementedError

    @property
    def initial(self) -> Any:
        """The value that it was made from."""
        return self.get_buffer("_initial")

    @property
    def shape(self) -> torch.Size:
        """Of the value."""
        return self.initial.shape

    def assign(self, value: Any) -> None:
        """Move the coordinates, in place, to where the module has this value (of its shape, or one that broadcasts).

        Raises GenesisException, and changes nothing, for an impossible value and for a wrong shape. An optimiser's
        running means are not touched.
        """
        self._move(self.coordinates_of(value))

    def reset(self) -> None:
        """Back to the initial value."""
        self.assign(self.initial)

    def _move(self, coordinates: torch.Tensor) -> None:
        with torch.no_grad():
            self.coordinates.copy_(coordinates)

    def _fitting(self, value: Any, argument: str, shape: torch.Size) -> torch.Tensor:
        """`value` read and expanded to `shape`, in the dtype and on the device that the module has now."""
        read = read_value(value, argument, self._owner)
        try:
            read = read.expand(shape)
        except RuntimeError:
            raise GenesisException(
                f"{self._owner}: `{argument}` has shape {tuple(read.shape)}, expected {tuple(shape)}."
            ) from None
        return read.to(self.coordinates) if "coordinates" in self._parameters else read
