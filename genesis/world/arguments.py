"""What the arguments of the entities mean: index selections, input tensors, shapes.

Every check of an argument happens here, before anything of the scene changes.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any, Protocol

import numpy as np
import torch

from genesis import runtime
from genesis.constants import LARGEST_STATE
from genesis.errors import GenesisException
from genesis.grad.tensor import describe_scene
from genesis.rigid.door import has_tangent, is_wrapped, native, refuse_transforms

_LARGEST_INDEX = 2**63 - 1
_INTEGERS = frozenset((torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64))

# Longer index lists are resolved afresh instead of being kept: they are sets of envs that change from call to call.
_CACHED_INDEX_LENGTH = 256


class Recipient(Protocol):
    """What arguments are read for: a `World`.

    Attributes:
        n_envs: number of envs; 0 for none
        requires_grad: whether gradients are recorded
    """

    n_envs: int
    requires_grad: bool

    def scene(self) -> Any:
        """What its tensors are labelled with."""

    def warn_of_dropped_graph(self, owner: str, argument: str) -> None:
        """Say that a gradient ends at an argument, for none is recorded."""


class Selection:
    """Some of the `n` elements of an axis, in the order asked for.

    `ids` is None when the selection is the contiguous range `start ... start + count - 1`; otherwise it holds the
    positions (numpy int64, all in `0 ... n - 1`).
    """

    __slots__ = ("_order", "_tensors", "count", "ids", "n", "start")

    def __init__(self, n: int, start: int, count: int, ids: np.ndarray | None = None) -> None:
        self.n = n
        self.start = start
        self.count = count
        self.ids = ids
        self._tensors: dict[tuple[int, torch.device], torch.Tensor] = {}
        self._order: tuple[torch.device, torch.Tensor | None] | None = None

    @property
    def is_all(self) -> bool:
        """Whether it selects the whole axis in its own order."""
        return self.ids is None and self.count == self.n

    def positions(self) -> np.ndarray:
        """Selected positions, numpy int64, shape (count,)."""
        if self.ids is not None:
            return self.ids
        return np.arange(self.start, self.start + self.count)

    def tensor(self, offset: int = 0) -> torch.Tensor:
        """Selected positions plus `offset`, int64 on `gs.device`, shape (count,)."""
        key = (offset, runtime.device)
        found = self._tensors.get(key)
        if found is None:
            with torch.inference_mode(False):  # kept for calls in every mode
                found = torch.as_tensor(self.positions() + offset, dtype=torch.int64, device=runtime.device)
            self._tensors[key] = found
        return found

    def order(self) -> torch.Tensor | None:
        """What puts the positions in ascending order, int64 on `gs.device`; None when they are in order already."""
        if self.ids is None:
            return None
        if self._order is None or self._order[0] != runtime.device:
            order = np.argsort(self.ids)
            sorted_already = bool(np.all(order == np.arange(self.count)))
            with torch.inference_mode(False):
                tensor = None if sorted_already else torch.as_tensor(order, dtype=torch.int64, device=runtime.device)
            self._order = (runtime.device, tensor)
        return self._order[1]

    def runs(self) -> list[tuple[int, int]]:
        """The selection, sorted, as maximal contiguous ranges (start, count)."""
        if self.ids is None:
            return [(self.start, self.count)] if self.count else []
        ordered = np.sort(self.ids)
        breaks = np.flatnonzero(np.diff(ordered) != 1) + 1
        return [(int(part[0]), len(part)) for part in np.split(ordered, breaks) if len(part)]


@lru_cache(maxsize=256)
def select_range(n: int, start: int, count: int) -> Selection:
    """The contiguous selection `start ... start + count - 1` of an axis of length `n`."""
    return Selection(n, start, count)


@lru_cache(maxsize=1024)
def _select_ids(ids: tuple[int, ...], n: int) -> Selection:
    return _compact(np.asarray(ids, dtype=np.int64), n)


def _compact(ids: np.ndarray, n: int) -> Selection:
    """Selection of in-range positions, stored as a range where it is one."""
    count = len(ids)
    if count == 0:
        return Selection(n, 0, 0)
    if ids[-1] - ids[0] == count - 1 and (count == 1 or bool(np.all(np.diff(ids) == 1))):
        return Selection(n, int(ids[0]), count)
    return Selection(n, 0, count, ids)


def select(idx: Any, n: int, argument: str, owner: str, *, unique: bool) -> Selection:
    """Resolve an index argument on an axis of length `n`.

    `idx`: None (everything), int, slice, range, or a one-dimensional list, tuple, numpy array or tensor of integers;
    negatives count from the end. A boolean array or tensor of length `n` selects where it is True. An int selects one
    element and keeps the axis. With `unique`, a position given twice is an error (for setters: which value would win?).

    Raises GenesisException for another type, an index out of range, and a duplicate where `unique`.
    """
    if idx is None:
        return select_range(n, 0, n)
    if isinstance(idx, slice):
        try:
            idx = range(*idx.indices(n))
        except (TypeError, ValueError):
            raise GenesisException(
                f"{owner}: `{argument}` is {idx!r}; a slice needs integers, and a step that is not zero."
            ) from None
    if isinstance(idx, range):
        for end in (idx[0], idx[-1]) if idx else ():  # before a range of any length is written out
            _require_in_range(-n <= end < n, end, n, argument, owner)
        ids: tuple[int, ...] = tuple(idx)
    else:
        array = _index_array(idx, n, argument, owner)
        if len(array) > _CACHED_INDEX_LENGTH:
            return _compact(_in_range(array, n, argument, owner, unique), n)
        ids = tuple(array.tolist())
    if ids and (min(ids) < 0 or max(ids) >= n or (unique and len(set(ids)) != len(ids))):
        ids = tuple(_in_range(np.asarray(ids, dtype=np.int64), n, argument, owner, unique).tolist())
    return _select_ids(ids, n)


def _index_array(idx: Any, n: int, argument: str, owner: str) -> np.ndarray:
    """Integers of an index argument as a one-dimensional numpy array (masks resolved, negatives kept)."""
    try:
        if isinstance(idx, torch.Tensor):
            array = idx.detach().cpu().numpy()
        else:
            if isinstance(idx, (list, tuple)) and any(isinstance(i, torch.Tensor) for i in idx):
                idx = [i.item() if isinstance(i, torch.Tensor) and i.numel() == 1 else i for i in idx]
            array = np.asarray(idx)
    except (ValueError, TypeError, RuntimeError):  # ragged, on no device, sparse, wrapped by a transform, ...
        array = np.asarray(None)
    if array.size == 0 and array.ndim <= 1:
        return np.zeros(0, dtype=np.int64)
    if array.dtype == np.bool_:
        if array.shape != (n,):
            raise GenesisException(
                f"{owner}: the boolean mask `{argument}` has shape {array.shape}, expected ({n},): one per element."
            )
        return np.flatnonzero(array)
    if array.dtype.kind not in "iu" or array.ndim > 1:
        raise GenesisException(
            f"{owner}: `{argument}` is {_brief(idx)}; give an int, a slice, a range, or a one-dimensional list, array "
            "or tensor of integers."
        )
    array = np.atleast_1d(array)
    if array.dtype.kind == "u" and (largest := int(array.max())) > _LARGEST_INDEX:  # would become negative
        _require_in_range(False, largest, n, argument, owner)
    return array.astype(np.int64)


def _require_in_range(inside: bool, position: int, n: int, argument: str, owner: str) -> None:
    if not inside:
        valid = f"{-n} to {n - 1}" if n else "none, there are 0"
        raise GenesisException(f"{owner}: `{argument}` holds {position}, which is out of range (valid: {valid}).")


def _in_range(ids: np.ndarray, n: int, argument: str, owner: str, unique: bool) -> np.ndarray:
    """Negatives counted from the end; raises for positions out of range, and for duplicates where `unique`."""
    wrong = ids[(ids < -n) | (ids >= n)]
    if len(wrong):
        _require_in_range(False, int(wrong[0]), n, argument, owner)
    ids = np.where(ids < 0, ids + n, ids)
    if unique and len(ids):
        values, counts = np.unique(ids, return_counts=True)
        if counts.max() > 1:
            twice = int(values[np.argmax(counts > 1)])
            raise GenesisException(f"{owner}: `{argument}` names element {twice} more than once; name each one once.")
    return ids


@contextmanager
def plain_tensors() -> Iterator[None]:
    """Under `torch.inference_mode()`, make tensors that can be used after it as well; elsewhere no effect."""
    if not torch.is_inference_mode_enabled():
        yield
        return
    with torch.inference_mode(False), torch.no_grad():
        yield


def read_flag(value: Any, argument: str, owner: str) -> bool:
    """True or False, from what is one; raises GenesisException for anything else."""
    if isinstance(value, bool):
        return value
    with contextlib.suppress(RuntimeError):  # on no device, wrapped by a transform, of more than one
        if isinstance(value, np.bool_) or (isinstance(value, torch.Tensor) and value.dtype is torch.bool):
            return bool(value)
    raise GenesisException(f"{owner}: `{argument}` is {_brief(value)}; expected True or False.")


def select_envs(world: Recipient, envs_idx: Any, owner: str, *, unique: bool) -> Selection | None:
    """Resolve `envs_idx`; None means every env.

    Raises GenesisException when the scene has no envs (`n_envs=0`), and as `select` does.
    """
    if envs_idx is None:
        return None
    if world.n_envs == 0:
        raise GenesisException(
            f"{owner}: `envs_idx` is {_brief(envs_idx)}, but the scene was built without envs (n_envs=0); leave "
            "`envs_idx` out, or build(n_envs=...)."
        )
    chosen = select(envs_idx, world.n_envs, "envs_idx", owner, unique=unique)
    return None if chosen.is_all else chosen


def read_tensor(world: Recipient, value: Any, argument: str, owner: str) -> torch.Tensor:
    """`value` as a plain tensor on `gs.device` in `gs.tc_float`, its graph kept.

    Takes a tensor, a number, a numpy array, or nested lists of numbers or of tensors. In a scene without
    `requires_grad` the result carries no graph. The result may be the caller's own tensor: copy before keeping it.

    Raises GenesisException when it is a tensor of another scene, or not numbers.
    """
    if type(value) is not torch.Tensor:
        value = _to_tensor(world, value, argument, owner)
    refuse_transforms(owner)
    if is_wrapped(value) or has_tangent(value):
        refuse_wrapped(value, argument, owner)
    if value.layout is not torch.strided or value.is_nested:
        kind = "a nested tensor" if value.is_nested else f"a sparse tensor ({value.layout})"
        raise GenesisException(f"{owner}: `{argument}` is {kind}; expected a dense one, as tensor.to_dense() gives.")
    if value.dtype is not runtime.tc_float or value.device != runtime.device:
        if value.is_meta or value.is_quantized or not (value.dtype.is_floating_point or value.dtype in _INTEGERS):
            kind = "is a meta tensor" if value.is_meta else f"holds {value.dtype}"
            raise GenesisException(f"{owner}: `{argument}` {kind}; expected real numbers.")
        value = value.to(device=runtime.device, dtype=runtime.tc_float)
    if value.is_inference() or value.is_neg() or value._is_zerotensor():
        # What was made under torch.inference_mode() cannot be part of a graph, and memory holds other numbers of a view
        # that is negated, and none of torch's zeros: an ordinary copy in their place.
        with torch.inference_mode(False):
            value = native(value.clone())
    if value.requires_grad and not world.requires_grad:
        world.warn_of_dropped_graph(owner, argument)
        value = value.detach()
    return value


def refuse_wrapped(value: torch.Tensor, argument: str, owner: str) -> None:
    """Raise GenesisException for what a transform of torch wraps, whose derivative would be lost.

    What `torch.func` gives to the function that it transforms is valid inside of it only, and the tangent of
    forward-mode differentiation has no way through a step.
    """
    if is_wrapped(value):
        raise GenesisException(
            f"{owner}: `{argument}` comes from inside of torch.func (vmap, grad, jvp, ...), which cannot see through a "
            "scene. Call it outside; torch.autograd.grad and torch.autograd.functional.jacobian work, and "
            "build(n_envs=...) runs many at once."
        )
    if has_tangent(value):
        raise GenesisException(
            f"{owner}: `{argument}` carries a tangent of forward-mode differentiation, which a step does not pass on; "
            "gradients go backward here: use torch.autograd.grad or backward(), or scene.linearize()."
        )


def kept(value: torch.Tensor) -> torch.Tensor:
    """``value`` as a scene keeps it: contiguous, and of use in every mode of torch, whichever it was made in."""
    if value.is_inference():
        with torch.inference_mode(False):
            return value.clone(memory_format=torch.contiguous_format)
    return value if value.is_contiguous() else value.contiguous()


def _to_tensor(world: Recipient, value: Any, argument: str, owner: str) -> torch.Tensor:
    if isinstance(value, torch.Tensor):
        other = getattr(value, "scene", None)
        if other is not None and other is not world.scene():
            raise GenesisException(
                f"{owner}: `{argument}` is a tensor of another scene ({describe_scene(other)}, this is "
                f"{describe_scene(world.scene())}); pass `{argument}.sceneless()` to use its numbers and its graph "
                "here."
            )
        kind = type(value)
        if getattr(kind, "__torch_dispatch__", None) is not torch.Tensor.__torch_dispatch__:
            # Its numbers are in other tensors, and what they mean is known to its class only.
            raise GenesisException(
                f"{owner}: `{argument}` is a {kind.__module__}.{kind.__qualname__}; expected a torch.Tensor."
            )
        with torch._C.DisableTorchFunctionSubclass():  # with it, the result would be a Tensor again
            return value.as_subclass(torch.Tensor)
    if isinstance(value, (list, tuple)) and any(isinstance(v, (torch.Tensor, list, tuple)) for v in value):
        # torch.tensor([x, y]) would drop the graph of x and y without a word
        try:
            parts = [read_tensor(world, v, argument, owner) for v in value]
        except RecursionError:
            raise GenesisException(f"{owner}: `{argument}` is a list that is nested without end.") from None
        if len({p.shape for p in parts}) != 1:
            shapes = ", ".join(str(tuple(p.shape)) for p in parts[:4])
            raise GenesisException(f"{owner}: `{argument}` is a list of items of different shapes ({shapes} ...).")
        return torch.stack(parts)
    try:
        array = np.array(value)
    except (ValueError, TypeError, RuntimeError, OverflowError, RecursionError):
        array = np.asarray(None)
    if array.dtype.kind not in "iuf":
        raise GenesisException(f"{owner}: `{argument}` is {_brief(value)}; expected numbers (tensor, array or list).")
    return torch.as_tensor(array.astype(runtime.np_float), device=runtime.device)


def fit(
    world: Recipient,
    value: torch.Tensor,
    envs: Selection | None,
    item: tuple[int, ...],
    argument: str,
    owner: str,
    *,
    scalar: bool = True,
) -> torch.Tensor:
    """Check a shape: returns shape `item` (the same for every env) or `(envs.count or n_envs, *item)`.

    With `scalar`, a number stands for `item` filled with it. Raises GenesisException for any other shape.
    """
    shape = value.shape
    if shape == item:
        return value
    has_envs = world.n_envs > 0
    n_rows = world.n_envs if envs is None else envs.count
    if has_envs and shape == (n_rows, *item):
        return value
    if has_envs and shape == (1, *item):
        return value[0]
    if scalar and not shape:
        return value.expand(item)
    expected = f"{item}" + (f" or {(n_rows, *item)}" if has_envs else "") + (" or a number" if scalar else "")
    raise GenesisException(f"{owner}: `{argument}` has shape {tuple(shape)}, expected {expected}.")


def require_finite(value: torch.Tensor, argument: str, owner: str, *, command: bool = False) -> None:
    """Raise GenesisException when `value` holds NaN or an infinite number.

    A `command` that lives on a GPU is not checked: it would stop the host at every step until the device is idle.
    """
    if command and value.device.type != "cpu":
        return
    plain = value.detach()
    # One sum tells almost always. It can overflow although every number is finite, hence the second look.
    if math.isfinite(plain.sum().item()) or bool(torch.isfinite(plain).all()):
        return
    where = torch.nonzero(~torch.isfinite(plain))[0].tolist()
    bad = plain[tuple(where)].item()
    place = f" at index {tuple(where)}" if where else ""
    raise GenesisException(f"{owner}: `{argument}` holds {bad}{place}; expected finite numbers.")


def require_state(value: torch.Tensor, argument: str, owner: str) -> None:
    """The same for positions and velocities, which cannot be beyond `LARGEST_STATE` either."""
    require_finite(value, argument, owner)
    plain = value.detach()
    if plain.numel() and plain.abs().max().item() > LARGEST_STATE:
        where = torch.nonzero(plain.abs() > LARGEST_STATE)[0].tolist()
        place = f" at index {tuple(where)}" if where else ""
        raise GenesisException(
            f"{owner}: `{argument}` holds {plain[tuple(where)].item():g}{place}; expected positions and velocities of "
            f"at most {LARGEST_STATE:g} (a simulation beyond that counts as diverged)."
        )


def scatter(
    base: torch.Tensor, envs: Selection | None, columns: Selection, value: torch.Tensor, offset: int = 0
) -> Any:
    """Copy of `base` (rows, width) with `value` written at rows `envs` (None: all) and `columns + offset`.

    `value`: (columns.count,) or (rows, columns.count). Gradients pass to `base` and to `value`.
    """
    rows = base.shape[0] if envs is None else envs.count
    value = value.expand(rows, columns.count)
    if envs is not None:
        return base.index_put((envs.tensor()[:, None], columns.tensor(offset)[None, :]), value)
    if columns.ids is not None:
        return base.index_copy(1, columns.tensor(offset), value)
    start = columns.start + offset
    return torch.slice_scatter(base, value, 1, start, start + columns.count)


def gather(source: torch.Tensor, envs: Selection | None, columns: Selection, offset: int = 0) -> torch.Tensor:
    """Copy of rows `envs` (None: all) and `columns + offset` (axis 1) of `source`, shape (rows, columns.count, ...).

    Always a copy: what a getter returns may be changed in place without touching the scene.
    """
    if columns.ids is not None:
        part = source.index_select(1, columns.tensor(offset))
        return part if envs is None else part.index_select(0, envs.tensor())
    if envs is None:
        return torch.narrow_copy(source, 1, columns.start + offset, columns.count)
    return source.narrow(1, columns.start + offset, columns.count).index_select(0, envs.tensor())


def _brief(value: Any) -> str:
    """A value in an error message: its text, cut where it is long."""
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
