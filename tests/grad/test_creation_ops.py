"""Each creation op against torch's function of the same name."""

import math

import numpy as np
import pytest
import torch

import genesis as gs
from genesis.grad import Tensor, creation_ops

BASE = torch.tensor([[1.0, 2.0], [3.0, 4.0]], dtype=torch.float64)
INTS = torch.tensor([1, 2, 3])
ARRAY = np.array([[0.1, 0.2]])


class Scene:
    uid = "one"


# name: (arguments, dtype of the result) for results that torch's function gives too, given the same seed.
CALLS = [
    ("tensor", ([0.1, 0.2],), torch.float64),
    ("tensor", ([1, 2],), torch.int32),
    ("tensor", ([True, False],), torch.bool),
    ("as_tensor", (ARRAY,), torch.float64),
    ("as_tensor", (INTS,), torch.int32),
    ("asarray", ([[1.5, 2.5]],), torch.float64),
    ("from_numpy", (ARRAY,), torch.float64),
    ("from_numpy", (ARRAY.astype(np.float32),), torch.float64),
    ("zeros", (2, 3), torch.float64),
    ("zeros", ((2, 3),), torch.float64),
    ("ones", (4,), torch.float64),
    ("full", ((2, 2), 0.1), torch.float64),
    ("full", ((2, 2), 7), torch.int32),
    ("full", ((2, 2), True), torch.bool),
    ("arange", (5,), torch.int32),
    ("arange", (0.0, 1.0, 0.1), torch.float64),
    ("linspace", (0, 1, 5), torch.float64),
    ("logspace", (0, 2, 3), torch.float64),
    ("eye", (3,), torch.float64),
    ("eye", (2, 3), torch.float64),
    ("rand", (3, 2), torch.float64),
    ("randn", ((3, 2),), torch.float64),
    ("zeros_like", (BASE,), torch.float64),
    ("zeros_like", (INTS,), torch.int32),
    ("ones_like", (BASE.float(),), torch.float64),
    ("full_like", (BASE, 0.1), torch.float64),
    ("rand_like", (BASE,), torch.float64),
    ("randn_like", (BASE,), torch.float64),
]


@pytest.mark.parametrize(
    ("name", "arguments", "dtype"), CALLS, ids=lambda value: value if isinstance(value, str) else ""
)
def test_values_are_torch_s(name, arguments, dtype):
    torch.manual_seed(1)
    found = getattr(gs, name)(*arguments)
    torch.manual_seed(1)
    expected = getattr(torch, name)(*arguments)
    assert type(found) is Tensor
    assert found.scene is None
    assert found.dtype == dtype
    assert found.device == gs.device
    assert not found.requires_grad
    torch.testing.assert_close(found.sceneless().as_subclass(torch.Tensor), expected.to(dtype))


@pytest.mark.parametrize(
    ("name", "arguments"),
    [("randint", (3, 9, (50,))), ("randint_like", (torch.zeros(50), 3, 9)), ("randperm", (50,))],
)
def test_random_integers(name, arguments):
    found = getattr(gs, name)(*arguments)
    assert found.dtype == (torch.float64 if name == "randint_like" else torch.int32)
    if name == "randperm":
        assert found.sort().values.tolist() == list(range(50))
    else:
        assert found.shape == (50,)
        assert set(found.tolist()) <= set(range(3, 9))


@pytest.mark.parametrize("name", ["empty", "empty_like"])
def test_empty(name):
    found = getattr(gs, name)(BASE if name == "empty_like" else (2, 2))
    assert found.shape == (2, 2)
    assert found.dtype == torch.float64


def test_every_op_of_the_contract_is_public():
    names = (
        "tensor as_tensor asarray from_numpy from_torch zeros zeros_like ones ones_like full full_like empty empty_like "
        "arange linspace logspace eye rand rand_like randn randn_like randint randint_like randperm"
    ).split()
    for name in names:
        op = getattr(gs, name)
        assert op is getattr(creation_ops, name)
        assert op.__name__ == name
        assert op.__doc__


@pytest.mark.parametrize(
    ("dtype", "expected"),
    [
        (float, torch.float64),
        (torch.float32, torch.float64),
        (int, torch.int32),
        (torch.int64, torch.int32),
        (bool, torch.bool),
    ],
)
def test_dtype(dtype, expected):
    assert gs.ones(3, dtype=dtype).dtype == expected
    assert gs.tensor([0, 1], dtype=dtype).dtype == expected
    assert gs.zeros_like(BASE, dtype=dtype).dtype == expected
    assert gs.from_torch(INTS, dtype=dtype).dtype == expected


def test_numbers_of_python_keep_their_digits():
    default = torch.get_default_dtype()
    torch.set_default_dtype(torch.float32)
    try:
        assert gs.tensor([0.1], dtype=float).item() == 0.1
        assert gs.linspace(0, 1, 11)[1].item() == 0.1
    finally:
        torch.set_default_dtype(default)


def test_requires_grad_makes_a_leaf():
    for x in (
        gs.zeros(3, requires_grad=True),
        gs.tensor([1.0, 2.0, 3.0], requires_grad=True),
        gs.as_tensor(torch.ones(3), requires_grad=True),
        gs.from_torch(torch.ones(3), requires_grad=True),
        gs.zeros_like(torch.ones(3), requires_grad=True),
        gs.randn(3, requires_grad=True, scene=Scene()),
        gs.as_tensor(torch.ones(3, requires_grad=True) * 2, requires_grad=True),
    ):
        assert x.is_leaf
        assert x.requires_grad
        (x * torch.tensor([1.0, 2.0, 3.0])).sum().backward()
        assert x.grad.tolist() == [1, 2, 3]


def test_scene():
    scene, other = Scene(), Scene()
    x = gs.ones(3, scene=scene)
    assert x.scene is scene
    assert gs.zeros_like(x).scene is scene
    assert gs.zeros_like(x, scene=other).scene is other
    assert gs.as_tensor(x).scene is scene
    assert gs.from_torch(x).scene is scene
    assert gs.from_torch(x.sceneless(), scene=other).scene is other
    for op in (gs.as_tensor, gs.from_torch):
        with pytest.raises(gs.GenesisException, match=r"data of <Scene one> for <Scene one>: call \.sceneless\(\)"):
            op(x, scene=other)


def test_readers_share_memory_and_graph_as_torch_s_do():
    array = np.zeros(3)
    gs.from_numpy(array)[0] = 1.0
    gs.as_tensor(array)[1] = 2.0
    assert array.tolist() == [1.0, 2.0, 0.0]
    source = torch.ones(3, requires_grad=True)
    gs.as_tensor(source * 2).sum().backward()
    assert source.grad.tolist() == [2, 2, 2]
    copy = gs.tensor(array)
    copy[2] = 9.0
    assert array[2] == 0.0


def test_from_torch(caplog):
    source = torch.ones(3, requires_grad=True)
    cut = gs.from_torch(source)
    assert "gradients end here" in caplog.text
    assert cut.is_leaf
    assert not cut.requires_grad
    caplog.clear()
    assert not gs.from_torch(source, detach=True).requires_grad
    assert caplog.text == ""

    joined = gs.from_torch(source, detach=False)
    joined.sum().backward()
    assert source.grad.tolist() == [1, 1, 1]

    leaf = gs.from_torch(source, requires_grad=True, detach=True)
    assert leaf.is_leaf
    leaf.detach()[0] = 5.0
    assert source[0] == 1.0


WRONG = {
    "device": (lambda: gs.zeros(3, device="cpu"), r"gs\.zeros\(device='cpu'\): tensors are created on gs\.device"),
    "device of a reader": (lambda: gs.tensor([1.0], device=gs.device), r"gs\.tensor\(device="),
    "out": (lambda: gs.zeros(3, out=torch.zeros(3)), r"gs\.zeros\(out=\.\.\.\) is not supported"),
    "half": (lambda: gs.zeros(3, dtype=torch.float16), r"gs\.zeros: dtype torch\.float16 is not one the engine uses"),
    "complex data": (lambda: gs.tensor([1j]), r"gs\.tensor: dtype torch\.complex"),
    "dtype by name": (lambda: gs.ones(3, dtype="float"), r"gs\.ones: dtype float is not one"),
    "gradient of integers": (lambda: gs.arange(3, requires_grad=True), r"only floats have a gradient, got int"),
    "integer too large": (lambda: gs.tensor([2**40]), r"integers from 1099511627776 to .* do not fit into gs\.tc_int"),
    "integer too small": (lambda: gs.full((2,), -(2**40)), r"gs\.full: integers from -1099511627776"),
    "integer too large, dtype": (lambda: gs.tensor([2**40], dtype=int), r"gs\.tensor: .*overflow"),
    "ragged list": (lambda: gs.tensor([[1.0], [1.0, 2.0]]), r"gs\.tensor: expected sequence of length 1"),
    "not data": (lambda: gs.tensor("abc"), r"gs\.tensor: "),
    "negative size": (lambda: gs.zeros(-1), r"gs\.zeros: "),
    "like a list": (lambda: gs.zeros_like([1.0]), r"gs\.zeros_like: expected a tensor, got list"),
    "from a list": (lambda: gs.from_torch([1.0]), r"gs\.from_torch: expected a tensor, got list"),
    "unknown argument": (lambda: gs.zeros(3, colour="red"), r"gs\.zeros: "),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_calls(case):
    call, message = WRONG[case]
    with pytest.raises(gs.GenesisException, match=message):
        call()


def test_nan_and_infinity_pass():
    assert math.isnan(gs.tensor(float("nan")).item())
    assert gs.full((1,), math.inf).item() == math.inf
