"""``genesis.grad.Tensor``: a ``torch.Tensor`` that knows the scene it was read from.

The scene is a label that operations hand on; the gradient is torch's own, in torch's own graph. What the label is for:
a tensor of one scene that reaches another by mistake is found where it happens, not as a wrong gradient much later.
"""

from __future__ import annotations

import copy
import itertools
import sys
import weakref
from sys import getrefcount
from typing import Any, cast

import torch
from torch.overrides import get_default_nowrap_functions

from genesis.errors import GenesisException

# x.grad and x._base: tensors that exist already and stay what they are; as_subclass says itself what it returns.
_NOWRAP = get_default_nowrap_functions() | {torch.Tensor.as_subclass}
_uids = itertools.count()


def _reference_counts() -> tuple[int, int]:
    """``getrefcount`` of an object that nobody else has seen, in a variable, and in a variable and a tuple.

    Asked in the way in which it is used below, since it depends on the version of Python. (0, 0), which no object has,
    where Python runs without its interpreter lock: there the count of an object is not known to one thread alone.
    """
    if not getattr(sys, "_is_gil_enabled", lambda: True)():
        return 0, 0
    out = object()
    alone = getrefcount(out)
    for value in (object(),):
        in_sequence = getrefcount(value)
    return alone, in_sequence


_FRESH, _FRESH_IN_SEQUENCE = _reference_counts()


class Tensor(torch.Tensor):
    """A ``torch.Tensor`` with a ``scene``; everything that works on a torch tensor works on it.

    An operation on a Tensor yields a Tensor of the same scene. Plain tensors, and Tensors without a scene, mix freely
    with it; Tensors of two scenes do not. The scene is held weakly: once it is gone, its tensors count as having none.

    Pickling (and ``torch.save``) writes a plain ``torch.Tensor``, which any program can read; ``copy`` and ``deepcopy``
    keep the scene.

    Parameters
    ----------
    data
        A tensor, whose values and graph are shared, or anything that ``torch.as_tensor`` takes.
    scene
        The scene it belongs to, or ``None``.
    """

    _scene_ref: weakref.ref[Any] | None = None  # on the class: a tensor without a scene carries nothing

    def __new__(cls, data: Any, scene: object | None = None) -> Tensor:
        try:
            out = torch.as_tensor(data).as_subclass(cls)
        except (TypeError, ValueError, RuntimeError, OverflowError, RecursionError) as error:
            raise GenesisException(
                f"Tensor: torch makes no tensor of `data` ({type(error).__name__}: {error})."
            ) from None
        try:
            out._scene_ref = None if scene is None else weakref.ref(scene)
        except TypeError:
            raise GenesisException(f"Tensor: `scene` is {scene!r}; expected a gs.Scene or None.") from None
        return out

    @classmethod
    def __torch_function__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if len(types) > 1 and not all(issubclass(cls, kind) for kind in types):
            return NotImplemented
        ref = _common_scene(args, None)
        if kwargs:
            ref = _common_scene(kwargs.values(), ref)
            with torch._C.DisableTorchFunctionSubclass():
                out = func(*args, **kwargs)
        else:
            with torch._C.DisableTorchFunctionSubclass():
                out = func(*args)
        kind = type(out)
        if kind is torch.Tensor:
            if func in _NOWRAP:
                return out
            if getrefcount(out) <= _FRESH:
                # Nobody else has seen this object, so it may change its class. ``as_subclass`` would make an alias
                # instead, with a node of its own in the graph, and with what follows for views that are modified in
                # place.
                out.__class__ = cls
            else:
                out = _alias(out, cls, args)
            if ref is not None:
                out._scene_ref = ref
            return out
        if out is None:
            if func is torch.Tensor.__setitem__ and ref is not None and isinstance(args[0], Tensor):
                args[0]._scene_ref = ref
            return None
        if isinstance(out, Tensor):
            # An existing Tensor. Written to in place, by name (add_, __iadd__), it joins the scene of what it received.
            if ref is not None and out._scene_ref is None and func.__name__.endswith("_") and func not in _NOWRAP:
                out._scene_ref = ref
            return out
        if isinstance(out, (tuple, list)) and kind is not torch.Size:
            return _convert_all(out, cls, ref, args)
        return out

    @property
    def scene(self) -> Any:
        """The `gs.Scene` that this tensor belongs to; ``None`` if it has none, or if the scene is gone."""
        return None if self._scene_ref is None else self._scene_ref()

    @property
    def uid(self) -> int:
        """A number that no other Tensor of this process has."""
        uid = self.__dict__.get("_uid")
        if uid is None:
            uid = self.__dict__["_uid"] = next(_uids)
        return uid

    def sceneless(self) -> Tensor:
        """The same values in the same graph, without a scene."""
        out = cast("Tensor", self.view_as(self))
        out._scene_ref = None
        return out

    def detach(self, sceneless: bool = True) -> Tensor:
        """The same values outside of the graph; without a scene too, unless ``sceneless=False``."""
        out = cast("Tensor", super().detach())
        if sceneless:
            out._scene_ref = None
        return out

    def zero_grad(self) -> None:
        """Set ``.grad`` to zero, in place, if there is one; as an optimizer's ``zero_grad(set_to_none=False)``."""
        grad = self.grad
        if grad is not None:
            if grad.grad_fn is not None:
                grad.detach_()
            else:
                grad.requires_grad_(False)
            grad.zero_()

    def assert_sceneless(self) -> None:
        """Raise ``GenesisException`` if this tensor belongs to a scene."""
        if self.scene is not None:
            raise GenesisException(
                f"Expected a tensor without a scene, got one of {describe_scene(self.scene)}: call .sceneless() on it."
            )

    def assert_contiguous(self) -> None:
        """Raise ``GenesisException`` if the values are not contiguous in memory."""
        if not self.is_contiguous():
            raise GenesisException(
                f"Expected a contiguous tensor, got shape {tuple(self.shape)} with strides {self.stride()}: "
                "call .contiguous() on it."
            )

    def __copy__(self) -> Tensor:
        return cast("Tensor", self.detach(sceneless=False).requires_grad_(self.requires_grad))

    def __deepcopy__(self, memo: dict[int, Any]) -> Tensor:
        if id(self) in memo:
            return memo[id(self)]
        if not self.is_leaf:
            raise GenesisException(
                "A tensor with a history cannot be deep-copied (the graph cannot be): call .detach() or .clone() on it."
            )
        with torch._C.DisableTorchFunctionSubclass():
            # Torch's own deepcopy keeps tensors that share memory sharing it.
            plain = torch.Tensor.detach(self).as_subclass(torch.Tensor)
            out = copy.deepcopy(plain, memo).as_subclass(type(self))
            out.requires_grad_(self.requires_grad)
            out._scene_ref = self._scene_ref
            if self.grad is not None:
                out.grad = copy.deepcopy(self.grad, memo)
        memo[id(self)] = out
        return out

    def __reduce_ex__(self, protocol: Any) -> Any:
        with torch._C.DisableTorchFunctionSubclass():
            plain = torch.Tensor.detach(self).as_subclass(torch.Tensor).requires_grad_(self.requires_grad)
            return plain.__reduce_ex__(protocol)

    def __format__(self, format_spec: str) -> str:
        # Torch formats a number like f"{loss:.4f}" only for the exact class.
        return format(self.as_subclass(torch.Tensor) if self.ndim == 0 and format_spec else repr(self), format_spec)

    def __repr__(self) -> str:  # type: ignore[override]
        with torch._C.DisableTorchFunctionSubclass():
            text = super().__repr__()
        return text if self.scene is None else f"{text[:-1]}, scene={describe_scene(self.scene)})"


class Label:
    """Puts tensors under a scene, which it holds weakly."""

    def __init__(self, scene: object) -> None:
        self.scene: weakref.ref[Any] = weakref.ref(scene)

    def put(self, values: torch.Tensor) -> Tensor:
        """A plain tensor that nobody else holds, as a Tensor of the scene."""
        # Changing the class of the object, where Tensor(...) would make an alias with a node of its own in the graph.
        values.__class__ = Tensor
        values._scene_ref = self.scene  # type: ignore[attr-defined]
        return values  # type: ignore[return-value]


def describe_scene(scene: Any) -> str:
    """A scene as error messages name it: its class and its ``uid``, or its address where it has none."""
    return f"<{type(scene).__name__} {getattr(scene, 'uid', None) or hex(id(scene))}>"


def _common_scene(args: Any, ref: Any) -> Any:
    """The one scene (as weak reference) among ``ref`` and the tensors in ``args``, however nested; ``None`` if none
    has.

    Weak references to one object without callback are one object, so that comparing them is comparing the scenes.

    Raises
    ------
    GenesisException
        Tensors of two scenes.
    """
    for arg in args:
        if isinstance(arg, Tensor):
            other = arg._scene_ref
            if other is not None and other is not ref:
                ref = other if ref is None else _either(ref, other)
        elif isinstance(arg, (tuple, list)):
            ref = _common_scene(arg, ref)
    return ref


def _either(first: Any, second: Any) -> Any:
    """Of two different references the one whose scene still exists."""
    one, two = first(), second()
    if one is None or two is None:
        return second if one is None else first
    raise GenesisException(
        f"Tensors of two scenes in one operation: {describe_scene(one)} and {describe_scene(two)}. Call .sceneless() "
        "on one of them if this is meant."
    )


def _alias(out: torch.Tensor, cls: type[Tensor], args: Any) -> torch.Tensor:
    """What stands for the plain tensor ``out`` that an operation on ``args`` returned and that others hold too."""
    # An operation in place on a plain tensor returns that tensor.
    return out if any(out is arg for arg in args) else out.as_subclass(cls)


def _convert_all(values: Any, cls: type[Tensor], ref: Any, args: Any) -> Any:
    """A tuple or list that an operation on ``args`` returned, its tensors turned into Tensors of the scene ``ref``."""
    converted = []
    for value in values:
        if type(value) is torch.Tensor:
            if getrefcount(value) <= _FRESH_IN_SEQUENCE:
                value.__class__ = cls
            else:
                value = _alias(value, cls, args)
            if ref is not None:
                value._scene_ref = ref  # type: ignore[attr-defined]
        elif isinstance(value, Tensor):
            if ref is not None:
                value._scene_ref = ref
        elif isinstance(value, (tuple, list)):
            value = _convert_all(value, cls, ref, args)
        converted.append(value)
    # A named tuple of torch (values, indices) is built from a sequence, as tuple and list are.
    return type(values)(converted)
