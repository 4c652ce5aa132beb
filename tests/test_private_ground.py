"""What the engine uses of torch, Warp and Python that is private to them; CONTRIBUTING lists it.

Each has a test that fails when it moves, and says what stands on it. (Warp's packed arguments: tests/rigid/test_native.py.)
"""

import re
import sys
from pathlib import Path

import pytest
import torch
from torch.autograd import forward_ad

import genesis as gs
from genesis import eager
from genesis.grad import tensor as tensors
from genesis.rigid.door import is_wrapped

ROOT = Path(__file__).parent.parent


def test_torch_says_whether_a_backward_pass_runs():
    """scene.step() refuses to be called by torch.utils.checkpoint: it would advance the scene once more."""
    seen = []
    x = torch.ones(2, requires_grad=True)
    y = x * 2
    y.register_hook(lambda grad: seen.append(torch._C._current_graph_task_id()))
    assert torch._C._current_graph_task_id() == -1
    y.sum().backward()
    assert len(seen) == 1 and seen[0] != -1
    assert torch._C._current_graph_task_id() == -1


def test_torch_says_what_its_transforms_wrap():
    """Setters refuse it, backward passes too: it has no memory of its own."""
    seen = []

    def see(x):
        seen.append(is_wrapped(x))
        return x.sum()

    plain = torch.ones(3, 2)
    torch.func.vmap(see)(plain)
    torch.func.grad(see)(plain)
    torch.func.jvp(see, (plain,), (plain,))
    assert seen == [True] * 3 and not is_wrapped(plain)
    x = torch.ones(2, requires_grad=True)
    y = x * 2
    y.register_hook(lambda grad: seen.append(is_wrapped(grad)))
    torch.autograd.grad(y, x, torch.eye(2), is_grads_batched=True)
    assert seen == [True] * 4


def test_torch_says_in_which_level_of_forward_mode_it_is():
    """Setters look for tangents only there."""
    assert forward_ad._current_level == -1
    with forward_ad.dual_level():
        assert forward_ad._current_level == 0
        dual = forward_ad.make_dual(torch.ones(2), torch.ones(2))
        assert forward_ad.unpack_dual(dual).tangent is not None
    assert forward_ad._current_level == -1


def test_torch_counts_changes_in_place():
    """Parameters say that the tensor they were set from has changed; readings of trajectories that controls have."""
    x = torch.ones(2)
    before = x._version
    x.add_(1)
    assert x._version == before + 1
    leaf = torch.ones(2, requires_grad=True)
    assert leaf[:1]._base is leaf


def test_torch_has_zeros_without_memory():
    zeros = torch._efficientzerotensor(2)
    assert zeros._is_zerotensor() and not torch.zeros(2)._is_zerotensor()


def test_torch_takes_the_marks_that_keep_its_compiler_out():
    assert eager._run_as_it_is is not None
    scene = gs.Scene  # a lazy import: only what is loaded is marked
    eager.keep_eager()
    assert scene.step._torchdynamo_disable
    assert tensors.Tensor.__torch_function__.__func__._torchdynamo_disable


def test_a_reference_count_tells_whether_a_result_is_new():
    """A new result becomes a genesis.grad.Tensor by changing its class: an alias would be a node in every graph."""
    x = gs.ones(3, requires_grad=True)
    for made, node in (
        (x * 2, "MulBackward0"),
        (x.exp(), "ExpBackward0"),
        (torch.cat([x, x]), "CatBackward0"),
        (x.unbind(0)[1], "UnbindBackward0"),
        (x.sort().values, "SortBackward0"),
    ):
        assert type(made) is gs.grad.Tensor and made.grad_fn.name() == node
    # One that others hold must not change its class under them.
    plain = torch.ones(3)
    assert type(plain.add_(gs.ones(3))) is torch.Tensor and type(plain) is torch.Tensor


def test_without_the_interpreter_lock_every_result_becomes_an_alias(monkeypatch):
    monkeypatch.setattr(sys, "_is_gil_enabled", lambda: False, raising=False)
    counts = tensors._reference_counts()
    assert counts == (0, 0)
    monkeypatch.setattr(tensors, "_FRESH", counts[0])
    monkeypatch.setattr(tensors, "_FRESH_IN_SEQUENCE", counts[1])
    x = gs.ones(3, requires_grad=True)
    y = (2 * x).exp()
    assert type(y) is gs.grad.Tensor and all(type(part) is gs.grad.Tensor for part in y.unbind(0))
    y.sum().backward()
    torch.testing.assert_close(x.grad.as_subclass(torch.Tensor), 2 * torch.full((3,), 2.0).exp())


def test_torch_functions_of_subclasses_can_be_switched_off():
    x = gs.ones(3)
    with torch._C.DisableTorchFunctionSubclass():
        assert type(x + x) is torch.Tensor
    assert type(x + x) is gs.grad.Tensor


@pytest.mark.parametrize("package", ["torch", "warp-lang", "mujoco"])
def test_releases_are_bounded(package):
    """Of what private ground is used; the tested release is within the bounds."""
    text = (ROOT / "pyproject.toml").read_text()
    assert re.search(rf'"{package}>=[\d.]+,<[\d.]+"', text), package


def test_the_list_is_in_contributing():
    text = (ROOT / "CONTRIBUTING.md").read_text()
    for name in (
        "_current_graph_task_id",
        "getrefcount",
        "is_functorch_wrapped_tensor",
        "is_legacy_batchedtensor",
        "_current_level",
        "_version",
        "_is_zerotensor",
        "set_code_exec_strategy",
        "DisableTorchFunctionSubclass",
        "launch.params",
    ):
        assert name in text, name
