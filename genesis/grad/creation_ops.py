"""Torch's functions that create tensors, for :class:`genesis.grad.Tensor`.

Each takes torch's arguments, and ``scene=None`` and ``requires_grad=False``. What it creates lies on ``gs.device``; its
floats are ``gs.tc_float``, its integers ``gs.tc_int``, whichever of torch's dtypes of that kind is asked for; bool
stays bool. With ``requires_grad=True`` it is a leaf whose ``.grad`` is filled.

Raises ``GenesisException`` before ``gs.init()``, for ``device=`` and ``out=``, for a dtype that the engine does not
use, for an integer too large for ``gs.tc_int``, for data that belongs to another scene, and for ``requires_grad=True``
of integers.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from genesis import runtime
from genesis.errors import GenesisException
from genesis.grad.tensor import Tensor, describe_scene

_FLOAT, _INT, _BOOL = "float", "int", "bool"
_KINDS = {
    float: _FLOAT,
    torch.float32: _FLOAT,
    torch.float64: _FLOAT,
    int: _INT,
    torch.int32: _INT,
    torch.int64: _INT,
    bool: _BOOL,
    torch.bool: _BOOL,
}


def _dtype_of(kind: str) -> torch.dtype:
    return {_FLOAT: runtime.tc_float, _INT: runtime.tc_int, _BOOL: torch.bool}[kind]


def _kind(name: str, dtype: Any) -> str:
    try:
        return _KINDS[dtype]
    except (KeyError, TypeError):
        raise GenesisException(
            f"gs.{name}: dtype {dtype} is not one the engine uses: expected float (becomes gs.tc_float), "
            "int (gs.tc_int) or bool. Use torch's function for others."
        ) from None


def _call(name: str, torch_op: Callable[..., torch.Tensor], *args: Any, **keywords: Any) -> torch.Tensor:
    try:
        return torch_op(*args, **keywords)
    except (GenesisException, torch.OutOfMemoryError):
        raise
    except (TypeError, ValueError, RuntimeError) as error:
        raise GenesisException(f"gs.{name}: {error}") from error


def _finish(name: str, value: torch.Tensor, kind: str | None, requires_grad: bool, scene: Any) -> Tensor:
    """``value`` on the engine's device, in the engine's dtype, as a Tensor of ``scene``."""
    kind = _kind(name, value.dtype) if kind is None else kind
    owner = value.scene if isinstance(value, Tensor) else None
    if scene is not None and owner is not None and owner is not scene:
        raise GenesisException(
            f"gs.{name}: data of {describe_scene(owner)} for {describe_scene(scene)}: "
            "call .sceneless() on it if this is meant."
        )
    if requires_grad and kind is not _FLOAT:
        raise GenesisException(f"gs.{name}(requires_grad=True): only floats have a gradient, got {kind}.")
    dtype = _dtype_of(kind)
    if kind is _INT and value.dtype != dtype:
        _check_range(name, value)
    if value.dtype != dtype or value.device != runtime.device:
        value = value.to(device=runtime.device, dtype=dtype)
    out = Tensor(value, scene=owner if scene is None else scene)
    # Asked for a leaf: without this, the alias of data that has a history would only say that it requires grad.
    if requires_grad:
        out = out.detach(sceneless=False)
        out.requires_grad_()
    return out


def _check_range(name: str, value: torch.Tensor) -> None:
    if value.is_floating_point() or value.dtype == torch.bool or value.numel() == 0:
        return
    limits = torch.iinfo(runtime.tc_int)
    low, high = (int(bound) for bound in torch.aminmax(value))
    if low < limits.min or high > limits.max:
        raise GenesisException(
            f"gs.{name}: integers from {low} to {high} do not fit into gs.tc_int ({runtime.tc_int}). "
            "Use torch's function."
        )


def _check_keywords(name: str, keywords: dict[str, Any]) -> None:
    runtime.require_init()
    if "device" in keywords:
        raise GenesisException(
            f"gs.{name}(device={keywords['device']!r}): tensors are created on gs.device ({runtime.device}); "
            "leave it out, and use torch's function for another device."
        )
    if "out" in keywords:
        raise GenesisException(f"gs.{name}(out=...) is not supported: use torch.{name}.")


def _document(name: str, function: Callable[..., Tensor], extra: str) -> Callable[..., Tensor]:
    function.__name__ = function.__qualname__ = name
    function.__doc__ = (
        f"``torch.{name}`` as a :class:`genesis.grad.Tensor`: torch's arguments without ``device`` and ``out``, plus "
        f"``scene=None`` and ``requires_grad=False``.\n\n    {extra}\n    Errors: see :mod:`genesis.grad.creation_ops`."
    )
    return function


def _filler(name: str, default: str | None) -> Callable[..., Tensor]:
    """A function that creates values by itself: of ``default`` kind, or (``None``) of the kind that torch infers."""
    torch_op = getattr(torch, name)

    def create(
        *args: Any, dtype: Any = None, requires_grad: bool = False, scene: Any = None, **keywords: Any
    ) -> Tensor:
        _check_keywords(name, keywords)
        kind = default if dtype is None else _kind(name, dtype)
        if kind is not None:
            keywords["dtype"] = _dtype_of(kind)
        value = _call(name, torch_op, *args, device=runtime.device, **keywords)
        return _finish(name, value, kind, requires_grad, scene)

    return _document(
        name, create, f"Without ``dtype``: {default}." if default else "Without ``dtype``: as the arguments."
    )


def _like(name: str) -> Callable[..., Tensor]:
    torch_op = getattr(torch, name)

    def create(
        input: torch.Tensor,
        *args: Any,
        dtype: Any = None,
        requires_grad: bool = False,
        scene: Any = None,
        **keywords: Any,
    ) -> Tensor:
        _check_keywords(name, keywords)
        _check_tensor(name, input)
        kind = _kind(name, input.dtype if dtype is None else dtype)
        keywords.update(dtype=_dtype_of(kind), device=runtime.device)
        # Only the shape of the input counts for the values: a scene given overrides its scene.
        shape_of = input if scene is None else input.detach().as_subclass(torch.Tensor)
        return _finish(name, _call(name, torch_op, shape_of, *args, **keywords), kind, requires_grad, scene)

    return _document(name, create, "Without ``dtype`` and ``scene``: as the input.")


def _reader(name: str) -> Callable[..., Tensor]:
    """A function that takes data from elsewhere, and as torch's may share its memory and graph."""
    torch_op = getattr(torch, name)

    def create(
        data: Any, *args: Any, dtype: Any = None, requires_grad: bool = False, scene: Any = None, **keywords: Any
    ) -> Tensor:
        _check_keywords(name, keywords)
        kind = None if dtype is None else _kind(name, dtype)
        if kind is not None and not isinstance(data, (torch.Tensor, np.ndarray)):
            keywords["dtype"] = _dtype_of(kind)  # numbers of Python: no detour through torch's default dtype
        return _finish(name, _call(name, torch_op, data, *args, **keywords), kind, requires_grad, scene)

    shares = "Copies the data." if name == "tensor" else "Shares memory and graph of the data where torch's does."
    return _document(name, create, f"{shares} Without ``dtype``: as the data.")


def _check_tensor(name: str, value: Any) -> None:
    if not isinstance(value, torch.Tensor):
        raise GenesisException(f"gs.{name}: expected a tensor, got {type(value).__name__}.")


def from_torch(
    torch_tensor: torch.Tensor,
    dtype: Any = None,
    requires_grad: bool = False,
    detach: bool | None = None,
    scene: Any = None,
) -> Tensor:
    """A copy of a torch tensor as a :class:`genesis.grad.Tensor`.

    Parameters
    ----------
    torch_tensor
        The values, of any shape.
    dtype
        float, int or bool (see this module); ``None``: as the tensor.
    requires_grad
        Whether the copy requires grad.
    detach
        Whether the copy is a new leaf, outside of the graph of ``torch_tensor`` (Genesis's default, and that of
        ``None``, which logs a warning if this cuts off a gradient). With ``False`` the gradient flows on into
        ``torch_tensor``.
    scene
        The scene that the copy belongs to; ``None``: that of ``torch_tensor``.
    """
    _check_keywords("from_torch", {})
    _check_tensor("from_torch", torch_tensor)
    if detach is None and torch_tensor.requires_grad:
        runtime.logger.warning(
            "gs.from_torch: the copy is outside of the tensor's graph, gradients end here. "
            "Pass detach=False for the gradient, or detach=True if this is meant."
        )
    source = torch_tensor if detach is False else torch_tensor.detach()
    if isinstance(torch_tensor, Tensor) and detach is not False:
        source = torch_tensor.detach(sceneless=False)
    kind = None if dtype is None else _kind("from_torch", dtype)
    keeps_graph = source.requires_grad
    return _finish("from_torch", source.clone(), kind, requires_grad and not keeps_graph, scene)


tensor = _reader("tensor")
as_tensor = _reader("as_tensor")
asarray = _reader("asarray")
from_numpy = _reader("from_numpy")
zeros = _filler("zeros", _FLOAT)
ones = _filler("ones", _FLOAT)
empty = _filler("empty", _FLOAT)
eye = _filler("eye", _FLOAT)
linspace = _filler("linspace", _FLOAT)
logspace = _filler("logspace", _FLOAT)
rand = _filler("rand", _FLOAT)
randn = _filler("randn", _FLOAT)
randint = _filler("randint", _INT)
randperm = _filler("randperm", _INT)
full = _filler("full", None)
arange = _filler("arange", None)
zeros_like = _like("zeros_like")
ones_like = _like("ones_like")
empty_like = _like("empty_like")
full_like = _like("full_like")
rand_like = _like("rand_like")
randn_like = _like("randn_like")
randint_like = _like("randint_like")
