"""Reading torch's graph of a loss: what it reaches, where gradients stop, and where they stop being finite."""

from __future__ import annotations

import inspect
import linecache
import os
import re
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

# Operations whose derivative is zero in a part of their domain, by the name of their node in the graph. Of a choice
# between two (maximum, where) each side is looked at by itself.
_FLAT = {
    "Clamp": "clamp",
    "ClampMin": "clamp",
    "ClampMax": "clamp",
    "Hardtanh": "hardtanh (clamp)",
    "Relu": "relu",
    "Threshold": "relu or threshold",
    "HardTanh": "hardtanh",
    "Hardsigmoid": "hardsigmoid",
    "Hardswish": "hardswish",
    "Relu6": "relu6",
    "Round": "round",
    "Floor": "floor",
    "Ceil": "ceil",
    "Trunc": "trunc",
    "Sign": "sign",
    "Sgn": "sign",
    "Heaviside": "heaviside",
    "Maximum": "maximum",
    "Minimum": "minimum",
    "Where": "where",
    "Tanh": "tanh",
    "Sigmoid": "sigmoid",
}
# A derivative below this counts as none: tanh and sigmoid approach zero without reaching it.
_NEXT_TO_NOTHING = 1.0e-7
# Beyond so many nodes, where each was made is not recorded: it takes a tenth of a millisecond for each.
MOST_TRACED = 20_000


def nodes_of(*roots: Any) -> list[Any]:
    """Every node of the graph under the nodes `roots` (None: no graph), each once."""
    found: dict[Any, None] = {}
    todo = list(roots)
    while todo:
        node = todo.pop()
        if node is None or node in found:
            continue
        found[node] = None
        todo += [following for following, _ in node.next_functions]
    return list(found)


def leaves_of(*tensors: torch.Tensor) -> set[int]:
    """The `id` of each leaf that the graphs of `tensors` lead to; their own, if they are leaves."""
    own = {id(tensor) for tensor in tensors if tensor.grad_fn is None and tensor.requires_grad}
    nodes = nodes_of(*(tensor.grad_fn for tensor in tensors))
    return own | {id(node.variable) for node in nodes if hasattr(node, "variable")}


@dataclass(frozen=True)
class Flat:
    """An operation that lets no gradient through in some elements.

    Attributes:
        what: "clamp", "relu", ...
        dead: number of elements that a gradient came to and did not pass
        total: number of elements that a gradient came to
        source: 'file, line: text' where it was called; empty if not known
    """

    what: str
    dead: int
    total: int
    source: str


@dataclass(frozen=True)
class NonFinite:
    """The first operation of a backward pass that makes a gradient NaN or infinite.

    Attributes:
        node: of the graph; None for the loss itself
        name: of the node
        rows: where the gradient that it leaves is not finite, first indices
        shape: of that gradient
        source: where the operation was called
    """

    node: Any
    name: str
    rows: tuple[int, ...]
    shape: tuple[int, ...]
    source: str


class Watch:
    """Hooks on every node of a graph, which note what a backward pass does there."""

    def __init__(self, root: Any) -> None:
        self.flat: list[Flat] = []
        self.non_finite: NonFinite | None = None
        self._handles = []
        for node in nodes_of(root):
            if not hasattr(node, "variable"):
                self._handles.append(node.register_hook(self._hook(node)))

    def _hook(self, node: Any) -> Callable[[Any, Any], None]:
        name = node.name()
        kind = _FLAT.get(re.sub(r"Backward\d*$", "", name.rsplit("::", 1)[-1]))

        def hook(inputs: Iterable[torch.Tensor | None], outputs: Iterable[torch.Tensor | None]) -> None:
            left, came = [g for g in inputs if g is not None], [g for g in outputs if g is not None]
            if self.non_finite is None and all(map(_finite, came)):
                for grad in left:
                    if not _finite(grad):
                        bad = ~torch.isfinite(grad)
                        rows = tuple(dict.fromkeys(bad.nonzero()[:, 0].tolist())) if grad.dim() else ()
                        self.non_finite = NonFinite(node, name, rows, tuple(grad.shape), source_of(node))
                        break
            if kind is not None and len(came) == 1:
                for grad in left:
                    self._note_flat(kind, node, came[0], grad)

        return hook

    def _note_flat(self, kind: str, node: Any, came: torch.Tensor, left: torch.Tensor) -> None:
        if came.shape != left.shape:  # one of two that were broadcast: its elements cannot be told apart
            if bool((came != 0).any()) and not bool((left != 0).any()):
                self.flat.append(Flat(kind, came.numel(), came.numel(), source_of(node)))
            return
        arrived = came != 0
        dead = arrived & (left.abs() <= _NEXT_TO_NOTHING * came.abs())
        if bool(dead.any()):
            self.flat.append(Flat(kind, int(dead.sum()), int(arrived.sum()), source_of(node)))

    def remove(self) -> None:
        """Take the hooks off."""
        for handle in self._handles:
            handle.remove()


def _finite(grad: torch.Tensor) -> bool:
    return bool(torch.isfinite(grad).all())


@contextmanager
def sources_recorded(wanted: bool) -> Iterator[None]:
    """Let torch note for each node where in the program it was made."""
    if not wanted:
        yield
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with torch.autograd.set_detect_anomaly(True, check_nan=False):
            yield


def source_of(node: Any) -> str:
    """'file.py, line 12: text of the line', of the user's own code that made a node; empty if it was not recorded."""
    foreign = _folders()
    for entry in reversed(node.metadata.get("traceback_", ()) if node is not None else ()):
        found = re.match(r'\s*File "(.+?)", line (\d+), in [^\n]*\n?\s*([^\n]*)', entry)
        if found and not os.path.abspath(found[1]).startswith(foreign):
            return f"{os.path.basename(found[1])}, line {found[2]}: {found[3].strip()}"
    return ""


def _folders() -> tuple[str, ...]:
    """Where torch's code and this engine's are, which the user's is not."""
    import genesis

    return tuple(os.path.dirname(os.path.abspath(module.__file__ or "")) + os.sep for module in (torch, genesis))


class Released(TorchFunctionMode):
    """Context in which `detach()` and `.data` in the user's own code hand on the tensor with its graph.

    Attributes:
        sources: 'file.py, line 12: text of the line' of each place where that mattered, once
    """

    def __init__(self) -> None:
        super().__init__()
        self.sources: list[str] = []

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func in _CUTS and args[0].requires_grad:
            source = _caller()
            if source:
                if source not in self.sources:
                    self.sources.append(source)
                return args[0].view_as(args[0])
        return func(*args, **(kwargs or {}))


_CUTS = (torch.Tensor.detach, torch.detach, torch.Tensor.data.__get__)  # type: ignore[attr-defined]


def _caller() -> str:
    """The line of the user's own code that called torch, itself or through a tensor of this engine; else empty."""
    torch_folder, own_folder = _folders()
    tensors = os.path.join(own_folder, "grad", "tensor.py")
    frame = inspect.currentframe()
    for _ in range(2):  # this function, and what asked
        frame = frame.f_back if frame is not None else None
    while frame is not None:
        file = os.path.abspath(frame.f_code.co_filename)
        if not file.startswith(torch_folder) and file != tensors:
            if file.startswith(own_folder):
                return ""
            text = linecache.getline(file, frame.f_lineno).strip()
            return f"{os.path.basename(file)}, line {frame.f_lineno}: {text}"
        frame = frame.f_back
    return ""
