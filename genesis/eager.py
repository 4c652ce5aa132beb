"""Keeps torch.compile out of the engine: a compiled function that steps a scene calls the engine as it is.

Nothing here can be compiled, since the step is native code already; and what torch's tracer makes of the engine's
Python would be run with other states than those it was traced with. So every function of the package is marked: the
tracer does not go into it, but ends its graph, lets the call happen, and begins another graph after it. These are the
marks that ``torch.compiler.disable`` sets, without the wrapper, which costs a microsecond per call and the import of
the compiler.
"""

import sys
from collections.abc import Callable
from types import CodeType, FunctionType
from typing import Any

import torch

_PACKAGE = "genesis"
_marked: set[str] = set()  # modules
_classes: set[type] = set()  # an attribute of a class may be a class, and lead back


def keep_eager() -> None:
    """Mark the functions of all modules of the package that have been loaded since this was last called."""
    names = [name for name in list(sys.modules) if name.partition(".")[0] == _PACKAGE and name not in _marked]
    for name in names:
        module = sys.modules[name]
        for value in list(vars(module).values()):
            _mark(value, name)
        _marked.add(name)


def _mark(value: Any, module: str) -> None:
    if isinstance(value, (staticmethod, classmethod)):
        value = value.__func__
    if isinstance(value, property):
        for function in (value.fget, value.fset, value.fdel):
            _mark(function, module)
    elif isinstance(value, FunctionType):
        if value.__module__ == module:
            value._torchdynamo_disable = True  # type: ignore[attr-defined]
            _skip(value.__code__)
    elif isinstance(value, type) and value.__module__ == module and value not in _classes:
        _classes.add(value)
        for member in list(vars(value).values()):
            _mark(member, module)


def _skip(code: CodeType) -> None:
    """The frames of a function's code, and those that it calls, are run as they are."""
    if _run_as_it_is is not None:
        _run_as_it_is(code)
        for constant in code.co_consts:
            if isinstance(constant, CodeType):
                _skip(constant)


def _strategy() -> Callable[[CodeType], None] | None:
    """What torch offers for that, in this release; None: nothing that is known here."""
    frames: Any = torch._C._dynamo.eval_frame
    try:
        skip = frames._FrameAction.SKIP
        strategy = frames._FrameExecStrategy(skip, skip)
        return lambda code: frames.set_code_exec_strategy(code, strategy)
    except AttributeError:  # before torch 2.7, where frames that are called are looked at by themselves
        return getattr(frames, "skip_code", None)


_run_as_it_is = _strategy()
