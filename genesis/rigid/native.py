"""Kernels run one after the other by a native loop: what a captured graph does, at a tenth of its cost per launch.

On the CPU a graph of Warp's packs the arguments of each launch anew, 0.2 microseconds for a kernel of fifteen arrays,
which a step of a small robot takes forty times. Here the arguments are packed once. A :class:`Program` is a table of
operations (kernels, and the copying and zeroing between them) on one row of work space, and a list of *moves*: cells
of the arguments that point into tensors of the caller and are set anew for each row (env) and step. One call runs any
number of rows and steps and releases the interpreter's lock meanwhile, so that programs of several threads run side by
side.

It relies on how Warp 1.19 passes arguments to a compiled CPU kernel: ``kernel(bounds, arguments)`` and
``kernel(bounds, arguments, adjoint arguments)``, each argument block a C struct in the order of the signature.
"""

import collections
import ctypes
from dataclasses import dataclass

import numpy as np
import warp as wp

from genesis import runtime
from genesis.types import untaped

# Operations other than a kernel; a kernel's operation is its address.
_ZERO, _COPY, _ADD, _ZERO_COUNTED, _COUNT_FINITE, _CLIP = 1, 2, 3, 4, 5, 6
_SMALLEST_ADDRESS = 16
_REAL_NAME = "double" if runtime.precision == "64" else "float"

_LOOP = """
    typedef unsigned long long u64;
    typedef long long i64;
    struct Run {
        // Sizes are arguments: what is written could otherwise be the size itself, as far as the compiler knows.
        static void zero(char* __restrict to, u64 n)
        {
            if (to)
                for (u64 k = 0; k < n; ++k)
                    to[k] = 0;
        }
        static void copy(char* __restrict to, const char* __restrict from, u64 n)
        {
            if (to && from)
                for (u64 k = 0; k < n; ++k)
                    to[k] = from[k];
        }
        static void add(REAL* __restrict to, const REAL* __restrict from, u64 n)
        {
            if (to && from)
                for (u64 k = 0; k < n; ++k)
                    to[k] += from[k];
        }
        static void clip(REAL* __restrict x, const REAL* __restrict bound, u64 n)
        {
            // Through the largest number: squares, and even the norm, may overflow. What is not finite stays so.
            if (!x || !bound)
                return;
            REAL largest = 0, sum = 0;
            for (u64 k = 0; k < n; ++k) {
                REAL size = x[k] < 0 ? -x[k] : x[k];
                if (!(size <= largest))
                    largest = size;
            }
            if (!(largest > 0) || largest - largest != 0)
                return;
            for (u64 k = 0; k < n; ++k)
                sum += (x[k] / largest) * (x[k] / largest);
            if (largest * sqrt(sum) > *bound)
                for (u64 k = 0; k < n; ++k)
                    x[k] = (x[k] / largest) * (*bound / sqrt(sum));
        }
        static void operations(const u64* op, int n)
        {
            for (int i = 0; i < n; ++i, op += 4) {
                if (op[0] >= SMALLEST_ADDRESS) {
                    if (op[3])
                        ((void (*)(void*, void*, void*))op[0])((void*)op[1], (void*)op[2], (void*)op[3]);
                    else
                        ((void (*)(void*, void*))op[0])((void*)op[1], (void*)op[2]);
                } else if (op[0] == ZERO) {
                    zero((char*)op[1], op[2]);
                } else if (op[0] == COPY) {
                    copy((char*)op[1], (const char*)op[2], op[3]);
                } else if (op[0] == ADD) {
                    add((REAL*)op[1], (const REAL*)op[2], op[3]);
                } else if (op[0] == ZERO_COUNTED) {
                    zero((char*)op[1], op[3] * (u64)(*(const int*)op[2]));
                } else if (op[0] == CLIP) {
                    clip((REAL*)op[1], (const REAL*)op[2], op[3]);
                } else if (op[0] == COUNT_FINITE) {
                    const REAL* x = (const REAL*)op[2];
                    REAL sum = 0;
                    if (x)
                        for (u64 k = 0; k < op[3]; ++k)
                            sum += x[k] - x[k];
                    if (sum == 0)
                        ++*(int*)op[1];
                }
            }
        }
        static void moves(const i64* move, int n, const i64* bases, i64 row, i64 step)
        {
            for (int i = 0; i < n; ++i, move += 3) {
                const i64* base = bases + 3 * move[1];
                *(i64*)move[0] = base[0] ? base[0] + row * base[1] + step * base[2] + move[2] : 0;
            }
        }
    };
    const u64* op = (const u64*)operations.data;
    const i64* move = (const i64*)moves.data;
    const i64* base = (const i64*)bases.data;
    for (i64 row = first_row; row < end_row; ++row) {
        Run::moves(move, n_row_moves, base, row, 0);
        Run::operations(op, n_before);
        for (i64 i = 0; i < n_steps; ++i) {
            Run::moves(move + 3 * n_row_moves, n_step_moves, base, row, first_step + i * direction);
            Run::operations(op + 4 * n_before, n_body);
        }
        Run::operations(op + 4 * (n_before + n_body), n_after);
    }
"""
for _name, _value in {
    "SMALLEST_ADDRESS": _SMALLEST_ADDRESS,
    "ZERO_COUNTED": _ZERO_COUNTED,
    "ZERO": _ZERO,
    "COUNT_FINITE": _COUNT_FINITE,
    "COPY": _COPY,
    "CLIP": _CLIP,
    "ADD": _ADD,
    "REAL": _REAL_NAME,
}.items():
    _LOOP = _LOOP.replace(_name, str(_value))


@wp.func_native(snippet=_LOOP)
def run_program(
    operations: wp.array(dtype=wp.uint64),
    moves: wp.array(dtype=wp.int64),
    bases: wp.array(dtype=wp.int64),
    n_row_moves: int,
    n_step_moves: int,
    n_before: int,
    n_body: int,
    n_after: int,
    first_row: int,
    end_row: int,
    first_step: int,
    n_steps: int,
    direction: int,
): ...


@untaped
def native_loop(
    operations: wp.array(dtype=wp.uint64),
    moves: wp.array(dtype=wp.int64),
    bases: wp.array(dtype=wp.int64),
    n_row_moves: int,
    n_step_moves: int,
    n_before: int,
    n_body: int,
    n_after: int,
    first_row: int,
    end_row: int,
    first_step: int,
    n_steps: int,
    direction: int,
):
    """For each row: the operations before, those of each step, and those after; see the module's docstring."""
    run_program(
        operations,
        moves,
        bases,
        n_row_moves,
        n_step_moves,
        n_before,
        n_body,
        n_after,
        first_row,
        end_row,
        first_step,
        n_steps,
        direction,
    )


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
        grad: an address is one that does not change
    """

    shape: tuple[int, ...]
    dtype: type
    data: At
    grad: At | int = 0


class Kernel:
    """A launch of a compiled kernel over one row, its arguments packed."""

    def __init__(self, kernel, arguments: list, adjoint: bool = False):
        values = [
            wp.zeros((1, *a.shape), dtype=a.dtype, device="cpu") if isinstance(a, Moving) else a for a in arguments
        ]
        more = {"adj_inputs": [None] * len(values), "adjoint": True} if adjoint else {}
        launch = wp.launch(kernel, dim=1, inputs=values, device="cpu", record_tape=False, record_cmd=True, **more)
        # What the addresses below point into; the executable is the compiled code.
        self._keep = (values, launch.module_exec, launch.bounds, launch)
        n = len(values)
        self._packed = _pack(launch.params[1 : 1 + n])
        self._packed_adjoint = _pack(launch.params[1 + n :]) if adjoint else None
        self._function = _address(launch.hooks.backward if adjoint else launch.hooks.forward)
        self._moving = {i: a for i, a in enumerate(arguments) if isinstance(a, Moving)}
        for i, array in self._moving.items():
            if isinstance(array.grad, int):
                getattr(self._packed, f"a{i}").grad = array.grad

    def operation(self) -> tuple:
        adjoint = ctypes.addressof(self._packed_adjoint) if self._packed_adjoint is not None else 0
        return self._function, ctypes.addressof(self._keep[2]), ctypes.addressof(self._packed), adjoint

    def moves(self) -> list[tuple[int, At]]:
        """Addresses of the pointers that are set anew, and what they are set to."""
        found = []
        for i, array in self._moving.items():
            place = ctypes.addressof(self._packed) + getattr(type(self._packed), f"a{i}").offset
            kind = type(getattr(self._packed, f"a{i}"))
            found.append((place + kind.data.offset, array.data))
            if isinstance(array.grad, At):
                found.append((place + kind.grad.offset, array.grad))
        return found


def _pack(values: list) -> ctypes.Structure:
    kind = type("Arguments", (ctypes.Structure,), {"_fields_": [(f"a{i}", type(v)) for i, v in enumerate(values)]})
    return kind(*values)


def _address(pointer) -> int:
    return ctypes.cast(pointer, ctypes.c_void_p).value or 0


# Operations beside kernels: (code, operands...), an operand being an address, a number or an At. What is to be written
# to, or read from, a base that is not there (address 0) is left out.


def zero(to: int | At, size: int) -> tuple:
    """``size`` bytes."""
    return _ZERO, to, size, 0


def copy(to: int | At, source: int | At, size: int) -> tuple:
    """``size`` bytes."""
    return _COPY, to, source, size


def add(to: int | At, source: int | At, count: int) -> tuple:
    """``to += source``, ``count`` real numbers."""
    return _ADD, to, source, count


def zero_counted(to: int, count: int, size: int) -> tuple:
    """``size`` bytes times the int at address ``count``."""
    return _ZERO_COUNTED, to, count, size


def count_finite(to: int, source: int | At, count: int) -> tuple:
    """Add one to the int ``to`` if all of ``count`` real numbers are finite."""
    return _COUNT_FINITE, to, source, count


def clip(to: int, bound: At, count: int) -> tuple:
    """Scale ``count`` real numbers to the norm ``bound`` where theirs is larger."""
    return _CLIP, to, bound, count


class Program:
    """Operations on one row of work space, ready to run; by one thread at a time.

    Args:
        before, body, after: operations (a :class:`Kernel`, or what :func:`zero`, :func:`copy`, ... return): before a
            row's steps, in each step, and after them
        stepping: the bases that differ from step to step
        keep: what the addresses in the operations point into
    """

    def __init__(self, before: list, body: list, after: list, stepping: frozenset[str], keep: object):
        operations = [*before, *body, *after]
        table = np.zeros((max(len(operations), 1), 4), dtype=np.uint64)
        moves: list[tuple[int, At]] = []
        for row, operation in enumerate(operations):
            if isinstance(operation, Kernel):
                moves += operation.moves()
                operation = operation.operation()
            for column, operand in enumerate(operation):
                if isinstance(operand, At):
                    moves.append((table.ctypes.data + 8 * (4 * row + column), operand))
                else:
                    table[row, column] = operand
        names = list(dict.fromkeys(at.name for _, at in moves))
        index = {name: i for i, name in enumerate(names)}
        by_row = [m for m in moves if m[1].name not in stepping]
        by_step = [m for m in moves if m[1].name in stepping]
        moves_table = np.zeros((max(len(moves), 1), 3), dtype=np.int64)
        for i, (cell, at) in enumerate((*by_row, *by_step)):
            moves_table[i] = cell, index[at.name], at.offset
        self._bases = np.zeros((len(names) + 1, 3), dtype=np.int64)
        self._keep = (keep, operations, table, moves_table)
        arrays = [
            wp.array(ptr=x.ctypes.data, shape=x.size, dtype=dtype, device="cpu")
            for x, dtype in ((table, wp.uint64), (moves_table, wp.int64), (self._bases, wp.int64))
        ]
        counts = [len(by_row), len(by_step), len(before), len(body), len(after)]
        launch = wp.launch(
            native_loop,
            dim=1,
            inputs=[*arrays, *counts, 0, 0, 0, 0, 0],
            device="cpu",
            record_tape=False,
            record_cmd=True,
        )
        self._launch = launch
        self._packed = _pack(launch.params[1:])
        self._function = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p)(_address(launch.hooks.forward))
        self._bounds_at, self._packed_at = ctypes.addressof(launch.bounds), ctypes.addressof(self._packed)
        # (address, bytes from row to row, bytes from step to step) of each base, and where they are: what a caller
        # writes who is in a hurry. A base that the program has not shares spare cells at the end.
        self.cells = memoryview(self._bases.reshape(-1))
        self.cell_of = collections.defaultdict(lambda: 3 * len(names), {name: 3 * i for i, name in enumerate(names)})
        self.layout: object = None  # the caller's notes of what it has placed before
        self.wanted: object = None
        self.owner: object = None  # the caller whose notes these are

    def place(self, name: str, address: int, row_stride: int = 0, step_stride: int = 0) -> None:
        """Where the base ``name`` begins (0: it is not there), and the bytes from row to row and from step to step."""
        cells, index = self.cells, self.cell_of[name]
        cells[index], cells[index + 1], cells[index + 2] = address, row_stride, step_stride

    def run(self, first_row: int, end_row: int, first_step: int = 0, n_steps: int = 1, direction: int = 1) -> None:
        """Rows ``first_row ... end_row - 1`` one after the other, each from ``first_step`` on in ``direction``."""
        packed = self._packed
        packed.a8, packed.a9, packed.a10, packed.a11, packed.a12 = first_row, end_row, first_step, n_steps, direction
        self._function(self._bounds_at, self._packed_at)
