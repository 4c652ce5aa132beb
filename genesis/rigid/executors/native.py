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

import ctypes
import enum
from typing import Any, NamedTuple

import numpy as np
import torch
import warp as wp

from genesis import runtime
from genesis.constants import LARGEST_STATE
from genesis.errors import GenesisException
from genesis.rigid.door import ANY, Base, NativeError, placed
from genesis.rigid.pipeline.arguments import At, Group, Moving, adjoint_arguments, launchable
from genesis.types import real, taped, untaped, vec3


class Op(enum.IntEnum):
    """Operations other than a kernel; a kernel's operation is its address, which is larger."""

    ZERO = 1
    COPY = 2
    ADD = 3
    ZERO_COUNTED = 4
    CLIP = 5
    COUNT_FINITE = 6
    CHECK = 7
    CHECK_FINITE = 8
    TALLY = 9


# Releases of Warp whose way of passing arguments is the one below; pyproject.toml says the same.
SUPPORTED_WARP = ">=1.19,<1.20"
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
                } else if (op[0] == CHECK) {
                    const REAL* x = (const REAL*)op[2];
                    int beyond = 0;
                    for (u64 k = 0; k < op[3]; ++k)
                        beyond |= !(x[k] <= (REAL)LARGEST && x[k] >= -(REAL)LARGEST);
                    ((int*)op[1])[1] |= beyond;
                } else if (op[0] == CHECK_FINITE) {
                    const REAL* x = (const REAL*)op[2];
                    int beyond = 0;
                    for (u64 k = 0; k < op[3]; ++k)
                        beyond |= x[k] - x[k] != 0;
                    ((int*)op[1])[1] |= beyond;
                } else if (op[0] == TALLY) {
                    int* counts = (int*)op[1];
                    counts[0] += !counts[1];
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
_LOOP = _LOOP.replace("SMALLEST_ADDRESS", str(_SMALLEST_ADDRESS)).replace("LARGEST", repr(LARGEST_STATE))
for _op in sorted(Op, key=lambda op: -len(op.name)):  # ZERO_COUNTED before ZERO
    _LOOP = _LOOP.replace(_op.name, str(int(_op)))
_LOOP = _LOOP.replace("REAL", _REAL_NAME)


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


@taped
def argument_probe(
    a: wp.array(dtype=real),
    b: wp.array(dtype=real),
    count: int,
    c: wp.array2d(dtype=vec3),
    x: real,
    k: wp.array(dtype=wp.int32),
    out: wp.array(dtype=real),
):
    """A kernel with every kind of argument that others have, no two of which may be exchanged unnoticed."""
    i = wp.tid()
    out[i] = a[i] * a[i] * b[i] + x * real(count) * c[i, 1][2] * c[i, 0][1] + real(k[i]) * b[i]


class Touch(NamedTuple):
    """What an operation does at a place of the caller's: bytes from there on, and whether they are written."""

    at: At
    size: int
    written: bool


class Kernel:
    """A launch of a compiled kernel over one row, its arguments packed."""

    def __init__(self, kernel, arguments: list, adjoint: bool = False):
        values = [launchable(a) for a in arguments]
        more = adjoint_arguments(arguments) if adjoint else {}
        launch = wp.launch(kernel, dim=1, inputs=values, device="cpu", record_tape=False, record_cmd=True, **more)
        # What the addresses below point into; the executable is the compiled code.
        self._keep = (values, launch.module_exec, launch.bounds, launch)
        n = len(values)
        self._packed = _pack(launch.params[1 : 1 + n])
        self._packed_adjoint = _pack(launch.params[1 + n :]) if adjoint else None
        self._function = _address(launch.hooks.backward if adjoint else launch.hooks.forward)
        self._adjoint = adjoint
        # Of each array that moves: where it is packed, and how.
        self._moving: list[tuple[Moving, Any, int]] = []
        for i, argument in enumerate(arguments):
            cell = getattr(self._packed, f"a{i}")
            if isinstance(argument, Moving):
                self._moving.append((argument, cell, ctypes.addressof(cell)))
            elif isinstance(argument, Group):
                for name, value in argument.members.items():
                    if isinstance(value, Moving):
                        member = getattr(cell, name)
                        self._moving.append((value, member, ctypes.addressof(member)))
        for array, cell, _ in self._moving:
            if adjoint and array.grad is None and array.dtype is not wp.int32:
                raise NativeError(f"{kernel.key}: the gradient of its argument at {array.data} has no buffer.")
            if isinstance(array.grad, int):
                cell.grad = array.grad

    def operation(self) -> tuple[int, int, int, int]:
        adjoint = ctypes.addressof(self._packed_adjoint) if self._packed_adjoint is not None else 0
        return self._function, ctypes.addressof(self._keep[2]), ctypes.addressof(self._packed), adjoint

    def moves(self) -> list[tuple[int, At]]:
        """Addresses of the pointers that are set anew, and what they are set to."""
        found = []
        for array, cell, place in self._moving:
            kind = type(cell)
            found.append((place + kind.data.offset, array.data))
            if self._adjoint and isinstance(array.grad, At):
                found.append((place + kind.grad.offset, array.grad))
        return found

    def touches(self) -> list[Touch]:
        found = [Touch(array.data, array.size, array.written) for array, _, _ in self._moving]
        if self._adjoint:
            found += [Touch(a.grad, a.size, True) for a, _, _ in self._moving if isinstance(a.grad, At)]
        return found


def _pack(values: list) -> ctypes.Structure:
    kind = type("Arguments", (ctypes.Structure,), {"_fields_": [(f"a{i}", type(v)) for i, v in enumerate(values)]})
    return kind(*values)


def _address(pointer) -> int:
    return ctypes.cast(pointer, ctypes.c_void_p).value or 0


class Operation(NamedTuple):
    """An operation beside kernels. An operand is an address, a number or an At.

    What is to be written to, or read from, a base that is optional and not there (address 0) is left out.
    """

    code: Op
    operands: tuple[int | At, int | At, int | At]
    touches: tuple[Touch, ...]


def _operation(code: Op, *operands: int | At, reads: int = 0, writes: int = 0) -> Operation:
    """``writes``: bytes at the first operand; ``reads``: bytes at the second; where these are the caller's."""
    first, second = operands[0], operands[1]
    found = []
    if isinstance(first, At):
        found.append(Touch(first, writes, True))
    if isinstance(second, At):
        found.append(Touch(second, reads, False))
    return Operation(code, operands, tuple(found))


def _reals(count: int) -> int:
    return count * wp.types.type_size_in_bytes(real)


def zero(to: int | At, size: int) -> Operation:
    """``size`` bytes."""
    return _operation(Op.ZERO, to, size, 0, writes=size)


def copy(to: int | At, source: int | At, size: int) -> Operation:
    """``size`` bytes."""
    return _operation(Op.COPY, to, source, size, reads=size, writes=size)


def add(to: int | At, source: int | At, count: int) -> Operation:
    """``to += source``, ``count`` real numbers."""
    return _operation(Op.ADD, to, source, count, reads=_reals(count), writes=_reals(count))


def zero_counted(to: int, count: int, size: int) -> Operation:
    """``size`` bytes times the int at address ``count``."""
    return _operation(Op.ZERO_COUNTED, to, count, size)


def count_finite(to: int, source: int | At, count: int) -> Operation:
    """Add one to the int ``to`` if all of ``count`` real numbers are finite."""
    return _operation(Op.COUNT_FINITE, to, source, count, reads=_reals(count))


def check(counts: int, source: int, count: int) -> Operation:
    """Put the second int of ``counts`` to one if any of ``count`` real numbers is NaN or beyond `LARGEST_STATE`."""
    return _operation(Op.CHECK, counts, source, count)


def check_finite(counts: int, source: int, count: int) -> Operation:
    """The same for numbers that may be of any size, but not NaN or infinite."""
    return _operation(Op.CHECK_FINITE, counts, source, count)


def tally(counts: int) -> Operation:
    """Add one to the first int of ``counts`` unless the second says that something is wrong."""
    return _operation(Op.TALLY, counts, 0, 0)


def clip(to: int, bound: At, count: int) -> Operation:
    """Scale ``count`` real numbers to the norm ``bound`` where theirs is larger."""
    return _operation(Op.CLIP, to, bound, count, reads=_reals(1))


_ONE = (1, 1)  # rows and steps


class Program:
    """Operations on one row of work space, ready to run; by one thread at a time.

    Args:
        before, body, after: operations (a :class:`Kernel`, or what :func:`zero`, :func:`copy`, ... return): before a
            row's steps, in each step, and after them
        bases: what the caller has to place, or may place
        keep: what the addresses in the operations point into

    Raises NativeError for an operation that is none, or works on a base that is not among ``bases``, beyond its width,
    or writes to one that is only read.
    """

    def __init__(self, before: list, body: list, after: list, bases: dict[str, Base], keep: object):
        operations = [*before, *body, *after]
        table = np.zeros((max(len(operations), 1), 4), dtype=np.uint64)
        moves: list[tuple[int, At]] = []
        for row, operation in enumerate(operations):
            if isinstance(operation, Kernel):
                moves += operation.moves()
                words: tuple = operation.operation()
                touches: Any = operation.touches()
            elif isinstance(operation, Operation) and isinstance(operation.code, Op):
                words, touches = (int(operation.code), *operation.operands), operation.touches
            else:
                raise NativeError(f"{operation!r} is no operation of a program.")
            for touch in touches:
                _require_within(bases, touch)
            for column, word in enumerate(words):
                if isinstance(word, At):
                    moves.append((table.ctypes.data + 8 * (4 * row + column), word))
                else:
                    table[row, column] = word
        index = {name: i for i, name in enumerate(bases)}
        by_row = [m for m in moves if not bases[m[1].name].moves]
        by_step = [m for m in moves if bases[m[1].name].moves]
        moves_table = np.zeros((max(len(moves), 1), 3), dtype=np.int64)
        for i, (cell, at) in enumerate((*by_row, *by_step)):
            moves_table[i] = cell, index[at.name], at.offset
        self._bases = np.zeros((max(len(bases), 1), 3), dtype=np.int64)
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
        # (address, bytes from row to row, bytes from step to step) of each base.
        self._cells = memoryview(self._bases.reshape(-1))
        self._spec = {name: (i, 3 * i, base, base.dtype, base.width) for i, (name, base) in enumerate(bases.items())}
        self._extents = [(0, 0)] * len(bases)  # rows and steps that may be asked for
        self._complete = False  # whether all that is not optional has been placed
        self.layout: object = None  # the caller's notes of what it has placed before
        self.wanted: object = None
        self.held: tuple[object, object] = (None, None)
        self.owner: object = None  # the caller whose notes these are

    def place(self, name: str, values: torch.Tensor | None, axes: str = "rows") -> None:
        """Where the base ``name`` is: in ``values``, whose leading axes are ``axes``: "", "rows", "steps", "steps rows"
        or "rows steps"; None: nowhere.

        An axis of rows of length 1 stands for all rows where the base is read. Raises NativeError for a base that the
        program has not, and what does not fit it (see :func:`genesis.rigid.door.placed`).
        """
        try:
            index, cell, base, dtype, width = self._spec[name]
        except KeyError:
            raise NativeError(f"the program has no base {name!r}; it has {', '.join(self._spec)}.") from None
        cells = self._cells
        if values is None:
            if not base.optional:
                raise NativeError(f"the base {name!r} is not optional.")
            cells[cell] = 0
            return
        if values.dtype is dtype and values.is_contiguous() and values.is_cpu and not values.is_neg():
            # What `placed` would say of such a tensor, as most are, in a hurry.
            at, shape, row = values.data_ptr(), values.shape, width * dtype.itemsize
            if axes == "rows" and at and shape and shape[0] * width == values.numel():
                one = shape[0] == 1 and not base.written
                cells[cell], cells[cell + 1], cells[cell + 2] = at, 0 if one else row, 0
                self._extents[index] = (ANY if one else shape[0], ANY if base.holds else 1)
                return
            if axes == "steps rows" and at and base.moves and len(shape) > 1:
                steps, rows = shape[:2]
                if steps * rows * width == values.numel():
                    one = rows == 1 and not base.written
                    cells[cell], cells[cell + 1], cells[cell + 2] = at, 0 if one else row, rows * row
                    self._extents[index] = (ANY if one else rows, steps)
                    return
        cells[cell], cells[cell + 1], cells[cell + 2], self._extents[index] = placed(name, base, values, axes)

    def forget(self) -> None:
        """Nothing is placed any more: what an earlier caller has placed may be gone."""
        self._bases[:] = 0
        self._extents = [(0, 0)] * len(self._extents)
        self._complete = False

    def has(self, name: str) -> bool:
        """Whether it has a base of this name."""
        return name in self._spec

    def moves(self, name: str) -> bool:
        """Whether a base lies elsewhere at each step."""
        return self._spec[name][2].moves

    def points(self, name: str, values: torch.Tensor) -> bool:
        """`place` for one row and one step, ``values`` holding nothing else, in a hurry; False: they do not fit."""
        index, cell, _, dtype, width = self._spec[name]
        if values.dtype is not dtype or values.numel() != width or not values.is_contiguous() or not values.is_cpu:
            return False
        try:
            at = values.data_ptr()
        except RuntimeError:  # wrapped by a transform of torch
            return False
        if not at and width:
            return False
        self._cells[cell], self._extents[index] = at, _ONE
        return True

    def point(self, name: str, values: torch.Tensor) -> None:
        """The same; raises NativeError where they do not fit."""
        if not self.points(name, values):
            self.place(name, values.reshape(-1), "")  # says what is wrong
            raise NativeError(f"the base {name!r} is given a tensor that is not contiguous.")

    def run(self, first_row: int, end_row: int, first_step: int = 0, n_steps: int = 1, direction: int = 1) -> None:
        """Rows ``first_row ... end_row - 1`` one after the other, each from ``first_step`` on in ``direction``.

        Raises NativeError when a base has not been placed, or not for so many rows and steps.
        """
        if end_row != 1 or n_steps != 1 or first_step or not self._complete:
            self._require(end_row, 1 + max(first_step, first_step + direction * (n_steps - 1)))
        packed = self._packed
        packed.a8, packed.a9, packed.a10, packed.a11, packed.a12 = first_row, end_row, first_step, n_steps, direction
        self._function(self._bounds_at, self._packed_at)

    def _require(self, n_rows: int, n_steps: int) -> None:
        cells, extents = self._cells, self._extents
        for name, (index, cell, base, _, width) in self._spec.items():
            rows, steps = extents[index]
            if not cells[cell]:
                if width and not base.optional:
                    raise NativeError(f"the base {name!r} has not been placed.")
            elif rows < n_rows or (base.moves and steps < n_steps):
                raise NativeError(
                    f"the base {name!r} is for {rows} rows and {steps} steps; {n_rows} and {n_steps} are asked for."
                )
        self._complete = True


def _require_within(bases: dict[str, Base], touch: Touch) -> None:
    base = bases.get(touch.at.name)
    if base is None:
        raise NativeError(f"an operation works on the base {touch.at.name!r}; there are {', '.join(bases)}.")
    if touch.at.offset < 0 or touch.at.offset + touch.size > base.width * base.dtype.itemsize:
        raise NativeError(
            f"an operation touches {touch.size} bytes at {touch.at}, which has {base.width} numbers a row."
        )
    if touch.written and not base.written:
        raise NativeError(f"an operation writes to the base {touch.at.name!r}, which is only read.")


# -- what all this rests on -------------------------------------------------------------------------------------------

_tested = False


def require_packed_arguments() -> None:
    """Compare a kernel and its adjoint, run by a program, with Warp's own launch of them; once per process.

    How Warp passes arguments to compiled code is private to it. Raises GenesisException where it does so in another way
    than this module knows.
    """
    global _tested
    if _tested:
        return
    try:
        difference = _probe_difference()
    except (AttributeError, TypeError, ValueError, IndexError, ctypes.ArgumentError) as error:
        difference = f"{type(error).__name__}: {error}"
    if difference:
        raise GenesisException(
            f"warp-lang {wp.__version__} passes arguments to compiled kernels in another way than this version of "
            f"genesis-grad knows ({difference}). Install a release that it was made for: pip install "
            f'"warp-lang{SUPPORTED_WARP}".'
        )
    _tested = True


def _probe_difference() -> str:
    """What differs, in words; empty if nothing does."""

    def arguments() -> list:
        a, b, out = (wp.array([value], dtype=real, device="cpu", requires_grad=True) for value in (1.5, -2.25, 0.0))
        c = wp.array([[[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]], dtype=vec3, device="cpu", requires_grad=True)
        return [a, b, 3, c, 0.5, wp.array([7], dtype=wp.int32, device="cpu"), out]

    def results(values: list) -> list[np.ndarray]:
        a, b, _, c, _, _, out = values
        return [x.numpy() for x in (out, a.grad, b.grad, c.grad)]

    theirs, mine = arguments(), arguments()
    wp.launch(argument_probe, dim=1, inputs=theirs, device="cpu", record_tape=False)
    theirs[-1].grad.fill_(1.0)
    adjoint = {"adj_inputs": [None] * len(theirs), "adjoint": True}
    wp.launch(argument_probe, dim=1, inputs=theirs, device="cpu", record_tape=False, **adjoint)
    # The first argument, and its gradient, as places of the caller's.
    given, grad = (wp.to_torch(x, requires_grad=False) for x in (mine[0], mine[0].grad))
    bases = {"given": Base(1, given.dtype), "grad": Base(1, given.dtype, written=True)}
    moving = [Moving((), real, At("given"), At("grad")), *mine[1:]]
    mine[-1].grad.fill_(1.0)
    program = Program([Kernel(argument_probe, moving)], [Kernel(argument_probe, moving, True)], [], bases, mine)
    program.place("given", given.unsqueeze(0))
    program.place("grad", grad.unsqueeze(0))
    program.run(0, 1)
    for name, one, other in zip(("values", *("gradients",) * 3), results(theirs), results(mine), strict=True):
        if not np.array_equal(one, other):
            return f"{name} of a kernel: {one.ravel().tolist()} by its launch, {other.ravel().tolist()} here"
    return ""
