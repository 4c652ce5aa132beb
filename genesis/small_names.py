"""Small public names of Genesis: raising its exception, guards of methods, unique numbers, lists."""

from __future__ import annotations

import functools
import uuid
from collections.abc import Callable
from typing import Any, NoReturn, TypeVar

from genesis import runtime
from genesis.errors import GenesisException

Method = TypeVar("Method", bound=Callable[..., Any])


def raise_exception(msg: str = "Something went wrong.") -> NoReturn:
    """Raise ``GenesisException``."""
    raise GenesisException(msg)


def raise_exception_from(msg: str = "Something went wrong.", cause: BaseException | None = None) -> NoReturn:
    """Raise ``GenesisException`` with another exception as its cause."""
    raise GenesisException(msg) from cause


def assert_initialized(cls: type) -> type:
    """A class that is made after ``gs.init`` only; before, its constructor raises ``GenesisException``."""
    make = cls.__init__  # type: ignore[misc]

    @functools.wraps(make)
    def guarded(self: Any, *args: Any, **kwargs: Any) -> None:
        runtime.require_init()
        make(self, *args, **kwargs)

    cls.__init__ = guarded  # type: ignore[misc]
    return cls


def assert_built(method: Method) -> Method:
    """A method that raises ``GenesisException`` before ``build``: where ``self.is_built`` is False."""
    return _guarded(method, True)


def assert_unbuilt(method: Method) -> Method:
    """A method that raises ``GenesisException`` after ``build``: where ``self.is_built`` is True."""
    return _guarded(method, False)


def _guarded(method: Method, built: bool) -> Method:
    @functools.wraps(method)
    def guarded(self: Any, *args: Any, **kwargs: Any) -> Any:
        if self.is_built is not built:
            state = "not built yet" if built else "built already"
            raise GenesisException(f"{type(self).__name__}.{method.__name__}: it is {state}.")
        return method(self, *args, **kwargs)

    return guarded  # type: ignore[return-value]


class UID:
    """A random number that no other has, as 32 hexadecimal digits."""

    def __init__(self) -> None:
        self.uid = uuid.uuid4().hex

    def __repr__(self) -> str:
        return f"<gs.UID('{self.full()}')>"

    def __str__(self) -> str:
        return self.uid

    def __format__(self, spec: str) -> str:
        return f"<{self.short()}>"

    def short(self) -> str:
        """The first seven digits."""
        return self.uid[:7]

    def full(self) -> str:
        """All of them, the first seven set apart."""
        return f"{self.uid[:7]}-{self.uid[7:]}"

    def match(self, other: str, short_only: bool = False) -> bool:
        """Whether it is that text: all digits, or the first seven."""
        return (self.short() if short_only else self.uid) == other


class List(list):
    """A list; slices are of the same class."""

    def __getitem__(self, item: Any) -> Any:
        result = super().__getitem__(item)
        return type(self)(result) if isinstance(item, slice) else result
