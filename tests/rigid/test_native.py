"""The one door to native code: what does not fit is an error when a program is made or before it runs, never a zero."""

import ast
import os
from pathlib import Path

import numpy as np
import pytest
import torch
import warp as wp

import genesis
from genesis import runtime
from genesis.errors import GenesisException
from genesis.rigid.door import LARGEST_STRIDE, Base, NativeError, address, placed, require_strides
from genesis.rigid.door import native as as_native
from genesis.rigid.executors import native
from genesis.rigid.executors.native import (
    At,
    Kernel,
    Moving,
    Op,
    Operation,
    Program,
    add,
    check,
    copy,
    count_finite,
    tally,
    zero,
)
from genesis.rigid.pipeline import step
from genesis.rigid.pipeline.binding import Binder
from genesis.types import real
from tests import models
from tests.rigid.engine import EULER, Engine, compile_model

F, I = torch.float64, torch.int32  # noqa: E741
READ, WRITTEN = Base(4, F), Base(4, F, written=True)
MOVES = Base(4, F, moves=True)


def numbers(*shape: int) -> torch.Tensor:
    return torch.arange(float(np.prod(shape)), dtype=F).reshape(shape)


# -- tensors ----------------------------------------------------------------------------------------------------------

# base, tensor, axes -> (bytes from row to row, from step to step), and what rows and steps it is good for
FITS = {
    "one row": (READ, lambda: numbers(4), "", (0, 0), (3, 1)),
    "rows": (READ, lambda: numbers(3, 4), "rows", (32, 0), (3, 1)),
    "one row for all": (READ, lambda: numbers(1, 4), "rows", (0, 0), (100, 1)),
    "expanded rows": (READ, lambda: numbers(4).expand(3, 4), "rows", (0, 0), (3, 1)),
    "every other row": (READ, lambda: numbers(6, 4)[::2], "rows", (64, 0), (3, 1)),
    "columns of wider rows": (READ, lambda: numbers(3, 9)[:, 2:6], "rows", (72, 0), (3, 1)),
    "rows of matrices": (READ, lambda: numbers(3, 2, 2), "rows", (32, 0), (3, 1)),
    "steps of rows": (MOVES, lambda: numbers(5, 3, 4), "steps rows", (32, 96), (3, 5)),
    "rows of steps": (MOVES, lambda: numbers(3, 5, 4), "rows steps", (160, 32), (3, 5)),
    "steps in the other order in memory": (MOVES, lambda: numbers(3, 5, 4).mT.mT.transpose(0, 1), "steps rows", (160, 32), (3, 5)),
    "steps": (MOVES, lambda: numbers(5, 4), "steps", (0, 32), (100, 5)),
    "what holds": (Base(4, F, moves=True, holds=True), lambda: numbers(3, 4), "rows", (32, 0), (3, 100)),
    "written": (WRITTEN, lambda: numbers(3, 4), "rows", (32, 0), (3, 100)),
    "written by all rows, one after the other": (Base(4, F, written=True, shared=True), lambda: numbers(4), "", (0, 0), (100, 1)),
    "nothing": (Base(0, F), lambda: numbers(3, 0), "rows", (0, 0), (3, 1)),
}  # fmt: skip


@pytest.mark.parametrize("name", FITS)
def test_what_fits_is_placed(name):
    base, make, axes, strides, (rows, steps) = FITS[name]
    values = make()
    at, row, step_stride, (good_rows, good_steps) = placed("x", base, values, axes)
    assert at == values.data_ptr()
    if base.width:
        assert (row, step_stride) == strides
    assert good_rows >= rows and good_steps >= min(steps, good_steps)
    program = Program([], [copy_of(base)], [], {"x": base, "seen": Base(1, F, written=True)}, None)
    del program  # only made: it is accepted


def copy_of(base: Base) -> Operation:
    return copy(At("seen"), At("x"), 8 if base.width else 0)


MISFITS = {
    "another type": (READ, lambda: numbers(3, 4).float(), "rows"),
    "integers": (READ, lambda: numbers(3, 4).int(), "rows"),
    "numbers for integers": (Base(4, I), lambda: numbers(3, 4), "rows"),
    "on no device": (READ, lambda: torch.empty(3, 4, dtype=F, device="meta"), "rows"),
    "fewer numbers": (READ, lambda: numbers(3, 3), "rows"),
    "more numbers": (READ, lambda: numbers(3, 5), "rows"),
    "no axis of rows": (READ, lambda: numbers(4), "rows"),
    "strided numbers": (READ, lambda: numbers(3, 8)[:, ::2], "rows"),
    "transposed": (READ, lambda: numbers(4, 3).T, "rows"),
    "expanded numbers": (READ, lambda: torch.ones((), dtype=F).expand(3, 4), "rows"),
    "a matrix whose rows are apart": (READ, lambda: numbers(3, 2, 4)[..., :2], "rows"),
    "negated in passing": (READ, lambda: torch.zeros(3, 4, dtype=torch.complex128).conj().imag, "rows"),
    "zeros without memory": (READ, lambda: torch._efficientzerotensor(3, 4, dtype=F), "rows"),
    "steps of what does not move": (READ, lambda: numbers(5, 3, 4), "steps rows"),
    "rows written to one place": (WRITTEN, lambda: numbers(1, 4).expand(3, 4), "rows"),
    "steps written to one place": (Base(4, F, written=True, moves=True), lambda: numbers(1, 3, 4).expand(5, 3, 4), "steps rows"),
}  # fmt: skip


@pytest.mark.parametrize("name", MISFITS)
def test_what_does_not_fit_is_an_error(name):
    base, make, axes = MISFITS[name]
    with pytest.raises(NativeError):
        placed("x", base, make(), axes)


@pytest.mark.parametrize("name", [name for name in MISFITS if MISFITS[name][0] is READ])
def test_a_native_copy_of_it_fits_or_is_refused_for_what_it_is(name):
    _, make, _ = MISFITS[name]
    values = make()
    copied = as_native(values)
    assert copied.is_contiguous() and not copied.is_neg()
    if values.device.type == "cpu":
        assert torch.equal(copied, values.clone())
        assert not copied.numel() or copied.data_ptr()


def test_addresses_are_taken_of_contiguous_tensors_of_one_type():
    x = numbers(3, 4)
    assert address(x, F) == x.data_ptr()
    for wrong in (x.T, x.float(), x[:, 1:]):
        with pytest.raises(NativeError):
            address(wrong, F)


def test_nothing_else_asks_a_tensor_for_its_address():
    asks = set()
    root = Path(genesis.__file__).parent
    for path in root.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Attribute) and node.attr in ("data_ptr", "__array_interface__", "untyped_storage"):
                asks.add(str(path.relative_to(root)))
    # The second is the same check in a hurry, of what is one row and one step.
    assert asks == {"rigid/door.py", "rigid/executors/native.py"}


def test_strides_that_warp_cannot_hold_are_refused_by_name():
    require_strides((8, LARGEST_STRIDE), "H")
    with pytest.raises(GenesisException, match=r"too many envs.*'?H'?"):
        require_strides((8, LARGEST_STRIDE + 1), "H")


# -- programs ---------------------------------------------------------------------------------------------------------

BASES = {"x": Base(4, F), "y": Base(4, F, written=True), "steps": Base(4, F, written=True, moves=True), "none": Base(4, F, optional=True)}  # fmt: skip
WRONG_OPERATIONS = {
    "an unknown base": (lambda: copy(At("y"), At("z"), 8), "'z'"),
    "beyond a base": (lambda: copy(At("y"), At("x", 8), 32), "x"),
    "before a base": (lambda: copy(At("y"), At("x", -8), 8), "x"),
    "writing beyond": (lambda: copy(At("y", 24), At("x"), 16), "y"),
    "writing to what is read": (lambda: zero(At("x"), 8), "only read"),
    "adding beyond": (lambda: add(At("y"), At("x"), 5), "y"),
    "counting beyond": (lambda: count_finite(0, At("x"), 5), "x"),
    "no operation": (lambda: (2, 0, 0, 0), "no operation"),
    "an unknown opcode": (lambda: Operation(77, (0, 0, 0), ()), "no operation"),
}


@pytest.mark.parametrize("name", WRONG_OPERATIONS)
def test_a_wrong_operation_is_an_error_when_the_program_is_made(name):
    make, said = WRONG_OPERATIONS[name]
    with pytest.raises(NativeError, match=said):
        Program([], [make()], [], BASES, None)


def test_a_program_says_what_it_lacks_before_it_runs():
    program = Program([], [copy(At("y"), At("x"), 32), copy(At("y"), At("none"), 32)], [], BASES, None)
    with pytest.raises(NativeError, match="'z'"):
        program.place("z", numbers(3, 4))
    with pytest.raises(NativeError, match="not optional"):
        program.place("x", None)
    with pytest.raises(NativeError, match="has not been placed"):
        program.run(0, 1)
    x, y, s = numbers(3, 4), torch.zeros(3, 4, dtype=F), torch.zeros(5, 3, 4, dtype=F)
    program.place("x", x)
    program.place("y", y)
    program.place("steps", s, "steps rows")
    program.run(0, 3, 0, 5)
    assert torch.equal(y, x)
    for wrong in ((0, 4, 0, 5), (0, 3, 0, 6), (0, 3, 1, 5), (0, 3, 5, 1), (0, 3, 5, 2, -1)):
        with pytest.raises(NativeError, match="asked for"):
            program.run(*wrong)
    program.run(0, 3, 4, 5, -1)
    program.forget()
    with pytest.raises(NativeError, match="has not been placed"):
        program.run(0, 3)
    program.point("x", x[1])
    program.point("y", y[:1])
    program.point("steps", s[0, :1])
    program.run(0, 1)
    assert torch.equal(y[0], x[1])
    with pytest.raises(NativeError):  # one row was placed
        program.run(0, 2)
    with pytest.raises(NativeError):
        program.point("x", x[:, 0])


def test_checks_and_tallies():
    counts, good = torch.zeros(2, dtype=I), numbers(4)
    bad = torch.tensor([0.0, 1.0, -1.1e10, 0.0], dtype=F)
    program = Program(
        [], [check(counts.data_ptr(), good.data_ptr(), 4), tally(counts.data_ptr())], [], {}, (counts, good)
    )
    program.run(0, 1)
    assert counts.tolist() == [1, 0]
    for value in (-1.1e10, float("nan"), float("inf")):
        bad[2] = value
        counts[:] = torch.tensor([3, 0])
        Program([], [check(counts.data_ptr(), bad.data_ptr(), 4), tally(counts.data_ptr())], [], {}, (counts, bad)).run(
            0, 1
        )
        assert counts.tolist() == [3, 1]
    bad[2] = 1e10
    counts[:] = 0
    Program([], [check(counts.data_ptr(), bad.data_ptr(), 4), tally(counts.data_ptr())], [], {}, (counts, bad)).run(
        0, 1
    )
    assert counts.tolist() == [1, 0]


def test_each_operation_is_known_to_the_native_loop():
    for op in Op:
        assert f"op[0] == {int(op)}" in native._LOOP, op


# -- gradients that have no buffer ------------------------------------------------------------------------------------


def test_a_gradient_without_a_buffer_is_an_error_when_a_program_is_made():
    x = wp.zeros(1, dtype=real, device="cpu", requires_grad=True)
    arguments = [Moving((), real, At("x"), None), x, 1, wp.zeros((1, 2), dtype=native.vec3, device="cpu"), 1.0, wp.zeros(1, dtype=wp.int32, device="cpu"), x]  # fmt: skip
    Kernel(native.argument_probe, arguments)
    with pytest.raises(NativeError, match="no buffer"):
        Kernel(native.argument_probe, arguments, adjoint=True)


@pytest.mark.parametrize("missing", ["qpos@0", "qM", "body_mass", "xpos"])
def test_a_stage_whose_adjoint_would_drop_a_gradient_is_refused(missing):
    engine = Engine(compile_model(models.ACTUATORS, EULER))
    executor = engine.dynamics.executors[0]

    def array(name):
        found = executor._array(name)
        if name != missing:
            return found
        if isinstance(found, Moving):
            return wp.zeros((1, *found.shape), dtype=found.dtype, device="cpu")
        return wp.array(ptr=found.ptr, shape=found.shape, dtype=found.dtype, device="cpu")

    Binder(engine.model, 1, executor._array, lambda name: executor.space.arrays[name].grad).segments(True)
    with pytest.raises(NativeError, match=f"{missing}.* no buffer"):
        Binder(engine.model, 1, array, lambda name: executor.space.arrays[name].grad).segments(True)


def test_a_gradient_by_hand_without_a_buffer_is_refused():
    engine = Engine(compile_model(models.ACTUATORS, EULER))
    executor = engine.dynamics.executors[0]
    with pytest.raises(NativeError, match="no buffer"):
        Binder(engine.model, 1, executor._array, lambda name: None).segments(True)


def test_a_stage_with_an_unknown_kind_of_adjoint_is_an_error():
    with pytest.raises(KeyError):
        step.Stage("x", (), (), adjoint="tapes").taped_kernels  # noqa: B018


# -- Warp's packed arguments ------------------------------------------------------------------------------------------


def test_packed_arguments_are_those_of_this_warp():
    native.require_packed_arguments()
    assert native._tested
    assert native._probe_difference() == ""
    text = (Path(genesis.__file__).parent.parent / "pyproject.toml").read_text()
    assert f'"warp-lang{native.SUPPORTED_WARP}"' in text


PROBE = """
from tests import conftest
conftest.pytest_configure()
import ctypes
from genesis import types
from genesis.errors import GenesisException
from genesis.rigid.executors import native
types.load_kernels("cpu", [native.native_loop])
{change}
try:
    native.require_packed_arguments()
except GenesisException as error:
    print("refused:", error)
else:
    print("accepted")
"""
CHANGES = {
    "two arguments exchanged": """
def pack(values):
    if len(values) == 7:
        values = [values[1], values[0], *values[2:]]
    return original(values)
original, native._pack = native._pack, pack
""",
    "a scalar of another size": """
def pack(values):
    values = [ctypes.c_float(v.value) if isinstance(v, ctypes.c_double) else v for v in values]
    return original(values)
original, native._pack = native._pack, pack
""",
    "no such hooks": """
native._address = lambda pointer: pointer.entry_point
""",
}


@pytest.mark.parametrize("change", CHANGES)
def test_another_way_of_passing_arguments_is_noticed(run_python, change):
    """Each in a process of its own: what the change breaks may be memory."""
    said = run_python(PROBE.format(change=CHANGES[change]))
    assert "refused: warp-lang" in said and "pip install" in said, said


def test_nothing_is_changed_and_the_probe_agrees(run_python):
    assert "accepted" in run_python(PROBE.format(change=""))


# -- indices beyond 2^31 ----------------------------------------------------------------------------------------------

FAR_KERNEL = """
import warp as wp
from genesis.rigid.kernels import sparse
from genesis.types import real, untaped


@untaped
def place(
    adr: wp.array(dtype=int),
    colind: wp.array(dtype=int),
    qM: wp.array2d(dtype=real),
    first: wp.array2d(dtype=int),
    places: wp.array2d(dtype=int),
    H: wp.array3d(dtype=real),
):
    sparse.place_mass_matrix(0, colind, adr, qM, first, places, H)
"""
FAR = """
import mmap
from tests import conftest
conftest.pytest_configure()
import numpy as np, torch, warp as wp
from genesis.types import load_kernels, real
from far_kernel import place

load_kernels("cpu", [place])
# 30 free boxes: 180 dofs, and 67,000 envs side by side in memory, of which only the first is touched.
MAP_NORESERVE = 0x4000  # Linux's; Python 3.11 has no name for it
nv, n, item = 180, 67_000, torch.empty(0).element_size()
memory = mmap.mmap(-1, nv * nv * n * item, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | MAP_NORESERVE)
base = np.frombuffer(memory, dtype=np.uint8).ctypes.data
H = wp.array(ptr=base, shape=(1, nv, nv), strides=(item, nv * n * item, n * item), dtype=real, device="cpu")
adr, colind = [0], []
for i in range(nv):
    colind += range(i - i % 6, i + 1)
    adr.append(len(colind))
entries = np.arange(1.0, len(colind) + 1)
M = mmap.mmap(-1, len(colind) * n * item, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | MAP_NORESERVE)
M_view = np.frombuffer(M, dtype=np.float64)
M_view[::n] = entries
qM = wp.array(ptr=M_view.ctypes.data, shape=(1, len(colind)), strides=(item, n * item), dtype=real, device="cpu")
ints = lambda x: wp.array(np.asarray(x, dtype=np.int32), dtype=int, device="cpu")
# Ancestors come later: place dofs in the opposite order.
places = ints([list(range(nv - 1, -1, -1))])
first = ints([[6 * (p // 6) for p in range(nv)]])
wp.launch(place, dim=1, inputs=[ints(adr), ints(colind), qM, first, places, H], device="cpu")
view = np.frombuffer(memory, dtype=np.float64)
for i in range(nv):
    for e in range(adr[i], adr[i + 1]):
        p, q = nv - 1 - colind[e], nv - 1 - i
        assert view[(p * nv + q) * n] == entries[e], (i, e)
print("right")
"""


def test_indices_of_many_envs_are_of_64_bits(run_python, tmp_path):
    """A matrix of 30 boxes among 67,000 envs: its last entries are beyond 2^31 numbers. Memory is mapped, not used."""
    assert runtime.precision == "64"
    (tmp_path / "far_kernel.py").write_text(FAR_KERNEL)
    root = Path(genesis.__file__).parent.parent
    assert "right" in run_python(FAR, PYTHONPATH=os.pathsep.join([str(root), str(tmp_path)]))
