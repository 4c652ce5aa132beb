"""What a kernel may be given beside an array or a number: a place in the caller's memory, or a group of arguments."""

import math
from dataclasses import dataclass
from typing import Any

import warp as wp
from warp._src.codegen import Struct


@dataclass(frozen=True)
class At:
    """A place in memory that the caller names at each run: ``offset`` bytes into the base ``name``."""

    name: str
    offset: int = 0


@dataclass(frozen=True, eq=False)
class Moving:
    """An array argument whose data, and perhaps gradient, are at such places.

    Attributes:
        shape: of one row: the kernel's array without its leading axis
        dtype: Warp type of an element
        data: where it is
        grad: where its gradient is, an address being one that does not change; None for what has none
        written: whether kernels write to it
    """

    shape: tuple[int, ...]
    dtype: type
    data: At
    grad: At | int | None
    written: bool = False

    @property
    def size(self) -> int:
        """In bytes."""
        return math.prod(self.shape) * wp.types.type_size_in_bytes(self.dtype)


@dataclass(frozen=True, eq=False)
class Group:
    """A struct argument: its members by name; what is left out is null."""

    kind: Struct
    members: dict[str, Any]

    def instance(self, values: dict[str, Any]) -> Any:
        """Warp's struct of these values."""
        made = self.kind()
        for name, value in values.items():
            setattr(made, name, value)
        return made


def launchable(argument: Any) -> Any:
    """What Warp's launch takes for an argument; for an array that moves, something like it."""
    if isinstance(argument, Moving):
        return wp.zeros((1, *argument.shape), dtype=argument.dtype, device="cpu")
    if isinstance(argument, Group):
        return argument.instance({name: launchable(value) for name, value in argument.members.items()})
    return argument


def adjoint_arguments(arguments: list) -> dict[str, Any]:
    """What Warp's launch of an adjoint takes beside the arguments: gradients are where the arrays say."""
    return {"adj_inputs": [a.kind() if isinstance(a, Group) else None for a in arguments], "adjoint": True}
