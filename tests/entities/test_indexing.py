"""Index arguments: every kind that is accepted, and what each error says."""

import numpy as np
import pytest
import torch

import genesis as gs
from genesis.world.arguments import gather, scatter, select

KINDS = [
    (None, [0, 1, 2, 3, 4]),
    (2, [2]),
    (-1, [4]),
    (np.int64(3), [3]),
    (slice(None), [0, 1, 2, 3, 4]),
    (slice(1, 4), [1, 2, 3]),
    (slice(None, None, -2), [4, 2, 0]),
    (slice(-2, None), [3, 4]),
    (range(1, 5, 2), [1, 3]),
    (range(0), []),
    ([3, 0], [3, 0]),
    ((1, -1), [1, 4]),
    ([], []),
    (np.array([4, 1]), [4, 1]),
    (np.array(2), [2]),
    (torch.tensor([-5, 2]), [0, 2]),
    (torch.tensor([1, 2], dtype=torch.int32), [1, 2]),
    (torch.tensor(3), [3]),
    ([torch.tensor(1), torch.tensor(4)], [1, 4]),
    (torch.tensor([True, False, False, True, False]), [0, 3]),
    ([False, True, False, False, False], [1]),
]


@pytest.mark.parametrize(("idx", "expected"), KINDS, ids=[repr(k[0]) for k in KINDS])
def test_kinds(idx, expected):
    chosen = select(idx, 5, "idx", "owner", unique=True)
    assert chosen.positions().tolist() == expected
    assert chosen.count == len(expected)
    assert chosen.tensor().tolist() == expected
    assert chosen.tensor(10).tolist() == [k + 10 for k in expected]
    assert sorted(expected) == [k for start, count in chosen.runs() for k in range(start, start + count)]


def test_contiguous_selections_are_ranges():
    assert select([1, 2, 3], 5, "idx", "owner", unique=True).ids is None
    assert select([0, 1, 2], 3, "idx", "owner", unique=True).is_all
    assert not select([2, 1, 0], 3, "idx", "owner", unique=True).is_all


def test_long_lists():
    n = 5000
    ids = torch.randperm(n)
    assert select(ids, n, "idx", "owner", unique=True).positions().tolist() == ids.tolist()
    assert select(ids - n, n, "idx", "owner", unique=True).positions().tolist() == ids.tolist()
    with pytest.raises(gs.GenesisException, match="holds 5000"):
        select(ids + 1, n, "idx", "owner", unique=True)


WRONG = [
    (5, "holds 5, which is out of range"),
    ([0, -6], "holds -6, which is out of range.*-5 to 4"),
    ([0, 1, 0], "names element 0 more than once"),
    ([1, -4], "names element 1 more than once"),
    (1.5, "is 1.5; give an int"),
    ([0.0, 1.0], "give an int"),
    ("0", "give an int"),
    ([[0, 1]], "one-dimensional"),
    ([[0], [1, 2]], "give an int"),
    (torch.tensor([0.0]), "give an int"),
    ([True, False], r"boolean mask `idx` has shape \(2,\), expected \(5,\)"),
    (slice("a", "b"), "a slice needs integers"),
    (object(), "give an int"),
]


@pytest.mark.parametrize(("idx", "message"), WRONG, ids=range(len(WRONG)))
def test_errors(idx, message):
    with pytest.raises(gs.GenesisException, match=rf"owner: (`idx`|the boolean).*{message}|{message}"):
        select(idx, 5, "idx", "owner", unique=True)


def test_getters_may_repeat():
    assert select([1, 1, -4], 5, "idx", "owner", unique=False).positions().tolist() == [1, 1, 1]


def test_an_axis_of_length_zero():
    assert select(None, 0, "idx", "owner", unique=True).count == 0
    with pytest.raises(gs.GenesisException, match="there are 0"):
        select(0, 0, "idx", "owner", unique=True)


@pytest.mark.parametrize("envs", [None, [2, 0]])
@pytest.mark.parametrize("columns", [slice(1, 3), [3, 0], slice(None)])
def test_scatter_and_gather_are_inverse(envs, columns):
    base = torch.arange(20.0).reshape(4, 5).requires_grad_()
    rows = None if envs is None else select(envs, 4, "envs_idx", "owner", unique=True)
    chosen = select(columns, 4, "idx", "owner", unique=True)
    value = torch.randn(4 if envs is None else 2, chosen.count, requires_grad=True)
    out = scatter(base, rows, chosen, value, offset=1)
    assert torch.equal(gather(out, rows, chosen, offset=1), value)
    expected = base.detach().clone()
    index = np.ix_(range(4) if envs is None else envs, chosen.positions() + 1)
    expected[index] = value.detach()
    assert torch.equal(out, expected)
    assert torch.equal(base.detach(), torch.arange(20.0).reshape(4, 5)), "the base is not written"
    out.sum().backward()
    assert torch.equal(value.grad, torch.ones_like(value))
    assert base.grad.sum() == 20 - value.numel()
