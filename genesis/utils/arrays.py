"""Functions of torch that take numpy arrays as well: numpy in, numpy out."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np
import torch

from genesis.errors import GenesisException

Function = TypeVar("Function", bound=Callable[..., Any])


class Argument:
    """What an argument of a function on arrays must be.

    Attributes:
        trailing: the last axes of its shape; -1: any size
        may_be_none: whether it can be left out
        may_be_number: whether a number, or a sequence of numbers, stands for an array as well
        leads: whether its leading axes broadcast with those of the other arguments
    """

    def __init__(
        self, *trailing: int, may_be_none: bool = False, may_be_number: bool = False, leads: bool = True
    ) -> None:
        self.trailing, self.leads = trailing, leads
        self.may_be_none, self.may_be_number = may_be_none, may_be_number


def takes(**arguments: Argument) -> Callable[[Function], Function]:
    """A function whose first parameters, by name, are tensors, or else numpy arrays; and `out`, if it is called so.

    The function itself is given torch tensors of one floating-point type, whose shapes have been checked. Its result (a
    tensor or a tuple of them) becomes numpy arrays where it was given such; the type is that of the arguments, in which
    integers are numbers of the default type. What is given as `out` is filled and returned.

    The function that is made raises GenesisException for arguments that are neither, or of both kinds, and for shapes
    that do not fit.
    """

    def wrap(function: Function) -> Function:
        names = tuple(arguments)
        parameters = list(inspect.signature(function).parameters)
        position_of_out = parameters.index("out") if "out" in parameters else -1

        @functools.wraps(function)
        def called(*args: Any, **kwargs: Any) -> Any:
            given = {name: args[i] if i < len(args) else kwargs.pop(name, None) for i, name in enumerate(names)}
            rest = args[len(names) :]
            out = kwargs.pop("out", None)
            if 0 <= position_of_out < len(args):
                out, rest = args[position_of_out], rest[: position_of_out - len(names)]
            tensors, in_numpy = _as_tensors(called.__name__, arguments, given)
            if not in_numpy:
                return _filled(called.__name__, function(*tensors, *rest, **kwargs), out)
            with torch.no_grad():
                return _filled(called.__name__, _as_numpy(function(*tensors, *rest, **kwargs)), out)

        return called  # type: ignore[return-value]

    return wrap


def _as_tensors(owner: str, arguments: dict[str, Argument], given: dict[str, Any]) -> tuple[list[Any], bool]:
    """The arguments as tensors of one type, and whether they were numpy arrays."""
    kinds = {name: _kind(value) for name, value in given.items() if value is not None}
    for name, argument in arguments.items():
        wrong = name not in kinds if not argument.may_be_none else False
        if name in kinds and kinds[name] is None:
            wrong = not argument.may_be_number
        if wrong:
            found = "nothing" if name not in kinds else type(given[name]).__name__
            raise GenesisException(f"{owner}: `{name}` is {found}; expected a torch.Tensor or a numpy.ndarray.")
    found_kinds = {kind for kind in kinds.values() if kind is not None}
    if len(found_kinds) > 1:
        told = ", ".join(f"`{name}` is a {kind.__module__}.{kind.__name__}" for name, kind in kinds.items() if kind)
        raise GenesisException(f"{owner}: {told}; give all arguments as tensors, or all as numpy arrays.")
    in_numpy = torch.Tensor not in found_kinds
    like = next((value for value in given.values() if isinstance(value, torch.Tensor)), None)
    tensors = {name: _tensor(owner, name, given[name], like) for name in kinds}
    if not tensors:
        raise GenesisException(f"{owner}: nothing is given; expected at least one of {', '.join(arguments)}.")
    places = {tensor.device for name, tensor in tensors.items() if kinds[name] is not None}
    if len(places) > 1:
        raise GenesisException(
            f"{owner}: tensors on {' and '.join(sorted(map(str, places)))}; move them to one device."
        )
    own = [tensor.dtype for name, tensor in tensors.items() if kinds[name] is not None] or [torch.float64]
    dtype = functools.reduce(torch.promote_types, own)
    tensors = {name: tensor if tensor.dtype is dtype else tensor.to(dtype) for name, tensor in tensors.items()}
    _check_shapes(owner, arguments, tensors)
    return [tensors.get(name) for name in arguments], in_numpy


def _kind(value: Any) -> type | None:
    """torch.Tensor or numpy.ndarray; None for anything else."""
    if isinstance(value, torch.Tensor):
        return torch.Tensor
    return np.ndarray if isinstance(value, (np.ndarray, np.floating)) else None


def _tensor(owner: str, name: str, value: Any, like: torch.Tensor | None) -> torch.Tensor:
    if isinstance(value, torch.Tensor):
        if value.is_complex():
            raise GenesisException(f"{owner}: `{name}` holds complex numbers; expected real ones.")
        return value if value.is_floating_point() else value.to(torch.get_default_dtype())
    try:
        array = np.asarray(value)
    except (ValueError, TypeError):
        array = np.asarray(None)
    if array.dtype.kind not in "iufb":
        raise GenesisException(f"{owner}: `{name}` is {type(value).__name__}; expected real numbers.")
    dtype = array.dtype if array.dtype in (np.float32, np.float64) else np.dtype(np.float64)
    # A copy: torch knows no negative strides, and warns of arrays that cannot be written.
    tensor = torch.from_numpy(np.array(array, dtype=dtype.newbyteorder("=")))
    return tensor if like is None else tensor.to(like.device)


def _check_shapes(owner: str, arguments: dict[str, Argument], tensors: dict[str, torch.Tensor]) -> None:
    leading = []
    for name, tensor in tensors.items():
        trailing = arguments[name].trailing
        count = len(trailing)
        fits = tensor.ndim >= count and all(
            n in (-1, size) for n, size in zip(trailing, tensor.shape[tensor.ndim - count :], strict=False)
        )
        if not fits:
            axes = ", ".join("n" if n == -1 else str(n) for n in trailing)
            raise GenesisException(f"{owner}: `{name}` has shape {tuple(tensor.shape)}, expected (..., {axes}).")
        if arguments[name].leads:
            leading.append(tensor.shape[: tensor.ndim - count])
    try:
        torch.broadcast_shapes(*leading)
    except RuntimeError:
        told = ", ".join(f"`{name}` {tuple(tensor.shape)}" for name, tensor in tensors.items())
        raise GenesisException(f"{owner}: the shapes do not broadcast: {told}.") from None


def _as_numpy(result: Any) -> Any:
    if isinstance(result, tuple):
        return tuple(_as_numpy(part) for part in result)
    return result.numpy()


def _filled(owner: str, result: Any, out: Any) -> Any:
    """The result, written to `out` where that is given."""
    if out is None:
        return result
    if _kind(out) is not _kind(result) or tuple(out.shape) != tuple(result.shape):
        raise GenesisException(
            f"{owner}: `out` is a {type(out).__name__} of shape {tuple(getattr(out, 'shape', ()))}; expected a "
            f"{type(result).__name__} of shape {tuple(result.shape)}."
        )
    if isinstance(out, torch.Tensor):
        return out.copy_(result)
    out[...] = result
    return out
