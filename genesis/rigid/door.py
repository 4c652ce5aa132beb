"""The one door between torch's tensors and native code.

Native code takes an address and believes what it is told: a tensor of another type, on another device, with strides of
its own or with fewer rows than it is said to have is read wrongly, or memory beyond it is written. So addresses of
tensors are taken here (and, of one row and one step in a hurry, by `Program.points`) and nowhere else, after the tensor
has been compared with what is to be done to it. What does not
fit is an error of the caller's, who is the engine itself: tensors of users are checked, and made contiguous, where they
come in (:func:`native` below does the latter).
"""

from dataclasses import dataclass

import torch
from torch.autograd import forward_ad

from genesis.errors import GenesisException

# Axes of a tensor that come before a row's numbers: index of that of the rows, of that of the steps, and their number.
_AXES: dict[str, tuple[int | None, int | None, int]] = {
    "": (None, None, 0),
    "rows": (0, None, 1),
    "steps": (None, 0, 1),
    "steps rows": (1, 0, 2),
    "rows steps": (0, 1, 2),
}
# Rows or steps where one stands for all.
ANY = 2**62
# Strides of Warp's arrays are 32-bit numbers of bytes.
LARGEST_STRIDE = 2**31 - 1


_functorch = torch._C._functorch


class NativeError(GenesisException):
    """Native code was about to be given what does not fit: a fault of the engine, not of the program that uses it."""

    def __init__(self, message: str) -> None:
        super().__init__(f"{message} This is a fault of the engine: nothing was run; please report it.")


@dataclass(frozen=True)
class Base:
    """Memory of the caller's that a program works on, as the program knows it.

    Attributes:
        width: numbers of a row, at one step
        dtype: of a number
        written: whether the program writes there; then every row and step needs memory of its own
        moves: whether it lies elsewhere at each step
        holds: of what moves and is read, whether it may also be the same at every step
        shared: of what is written, whether all rows may use the same memory, one after the other
        optional: whether it may be nowhere; what is done there is then left out
    """

    width: int
    dtype: torch.dtype
    written: bool = False
    moves: bool = False
    holds: bool = False
    shared: bool = False
    optional: bool = False


def is_wrapped(values: torch.Tensor) -> bool:
    """Whether a transform of torch (torch.func, is_grads_batched) has wrapped a tensor, which has no memory then."""
    return _functorch.is_functorch_wrapped_tensor(values) or _functorch.is_legacy_batchedtensor(values)


def has_tangent(values: torch.Tensor) -> bool:
    """Whether a tensor carries a tangent of forward-mode differentiation."""
    if forward_ad._current_level < 0:
        return False
    try:
        return forward_ad.unpack_dual(values).tangent is not None
    except RuntimeError:  # of a sparse tensor, which has none
        return False


def refuse_transforms(what: str) -> None:
    """Raise GenesisException inside of a function that torch.func transforms: what it makes of a step is no step."""
    if _functorch.maybe_current_level() is not None:
        raise GenesisException(
            f"{what} cannot run inside of torch.func (vmap, grad, jvp, functionalize, ...), which cannot see through "
            "it. Call it outside; torch.autograd.grad and torch.autograd.functional.jacobian work, build(n_envs=...) "
            "runs many at once."
        )


def native(values: torch.Tensor) -> torch.Tensor:
    """``values`` as native code can read them, with the same graph: dense, contiguous, nothing left to be done."""
    if values.layout is not torch.strided:
        values = values.to_dense()
    if values._is_zerotensor():  # torch's zeros without memory
        return torch.zeros(values.shape, dtype=values.dtype, device=values.device)
    return values.resolve_neg().contiguous()


def address(values: torch.Tensor, dtype: torch.dtype) -> int:
    """Where a tensor of the engine's own begins; raises NativeError unless it is contiguous and of this type."""
    if values.dtype is not dtype or values.layout is not torch.strided or not values.is_contiguous():
        raise NativeError(f"expected a contiguous tensor of {dtype}, got {_described(values)}.")
    return values.data_ptr()


def placed(name: str, base: Base, values: torch.Tensor, axes: str) -> tuple[int, int, int, tuple[int, int]]:
    """Address, bytes from row to row and from step to step, and for how many (rows, steps) that is good.

    Raises NativeError for another type, device, number of numbers in a row, numbers of a row that are not adjacent, and
    rows or steps that share memory to be written to.
    """
    row_axis, step_axis, lead = _AXES[axes]
    if values.dtype is not base.dtype or not values.is_cpu or values.is_neg() or values.dim() < lead:
        raise NativeError(f"{_wanted(name, base, axes)}, got {_described(values)}.")
    shape, strides = values.shape, values.stride()
    width = 1
    for k in range(len(shape) - 1, lead - 1, -1):
        if strides[k] != width and shape[k] > 1 and values.numel():  # strides of nothing mean nothing
            raise NativeError(f"{_wanted(name, base, axes)}, adjacent in memory, got {_described(values)}.")
        width *= shape[k]
    if width != base.width:
        raise NativeError(f"{_wanted(name, base, axes)}, got {_described(values)}.")
    item = values.itemsize
    row_stride = step_stride = 0
    rows = 1 if base.written and not base.shared else ANY
    steps = 1 if base.written or not base.holds else ANY
    if row_axis is not None:
        n = shape[row_axis]
        if n != 1 or base.written:
            rows, row_stride = n, strides[row_axis] * item
    if step_axis is not None:
        if not base.moves:
            raise NativeError(f"the base {name!r} does not move from step to step.")
        steps, step_stride = shape[step_axis], strides[step_axis] * item
    if base.written and ((row_axis is not None and rows > 1 and not row_stride) or (steps > 1 and not step_stride)):
        raise NativeError(f"{_wanted(name, base, axes)}, no two at one place, got {_described(values)}.")
    at = _begin(values)
    if not at and values.numel():
        raise NativeError(f"{_wanted(name, base, axes)}, got one without memory.")
    return at, row_stride, step_stride, (rows, steps)


def _begin(values: torch.Tensor) -> int:
    """Where it begins; 0 for one without memory of its own, as transforms of torch wrap it."""
    try:
        return values.data_ptr()
    except RuntimeError:
        return 0


def require_strides(strides: tuple[int, ...], what: str) -> None:
    """Raise GenesisException where a stride, in bytes, is more than an array of Warp's can hold."""
    if strides and max(strides) > LARGEST_STRIDE:
        raise GenesisException(
            f"there are too many envs for this model: the array of {what} would need steps of {max(strides)} bytes, "
            f"and {LARGEST_STRIDE} is the most. Build the scene with fewer envs."
        )


def _wanted(name: str, base: Base, axes: str) -> str:
    lead = f"({', '.join(axes.split())}) and " if axes else ""
    return f"the base {name!r} takes {lead}{base.width} numbers of {base.dtype} on the CPU"


def _described(values: torch.Tensor) -> str:
    strides = tuple(values.stride()) if values.layout is torch.strided else values.layout
    return f"{values.dtype}, shape {tuple(values.shape)}, strides {strides}, on {values.device}"
