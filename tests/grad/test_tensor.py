"""genesis.grad.Tensor: the scene is handed on, and everything else is torch."""

import copy
import gc
import io
import pickle

import pytest
import torch
from torch import nn
from torch.nn import functional

import genesis as gs
from genesis.grad import Tensor


class Scene:
    def __init__(self, uid):
        self.uid = uid


@pytest.fixture
def scene():
    return Scene("one")


@pytest.fixture
def other():
    return Scene("two")


def values(scene=None, requires_grad=False):
    return gs.tensor([[1.0, -2.0, 3.0], [0.5, 4.0, -1.0]], scene=scene, requires_grad=requires_grad)


PLAIN = torch.tensor([[0.1, 0.2, 0.3], [0.4, 0.5, 0.6]], dtype=torch.float64)

OPERATIONS = {
    "add": lambda x: x + 1,
    "radd": lambda x: 1 - x,
    "plain on the right": lambda x: x * PLAIN,
    "plain on the left": lambda x: PLAIN * x,
    "matmul": lambda x: PLAIN @ x.T,
    "function": lambda x: torch.sin(x),
    "reduction": lambda x: x.pow(2).sum(),
    "keyword": lambda x: torch.sum(input=x, dim=1),
    "cat": lambda x: torch.cat([PLAIN, x, PLAIN]),
    "stack": lambda x: torch.stack((x, x)),
    "where": lambda x: torch.where(PLAIN > 0.3, x, PLAIN),
    "einsum": lambda x: torch.einsum("ij,kj->ik", x, PLAIN),
    "index": lambda x: x[1],
    "slice": lambda x: x[:, 1:],
    "mask": lambda x: x[PLAIN > 0.3],
    "index by tensor": lambda x: x[torch.tensor([1, 0])],
    "index by integers of the engine": lambda x: x[gs.tensor([1, 0])],
    "view": lambda x: x.reshape(-1),
    "expand": lambda x: x[:1].expand(4, 3),
    "clone": lambda x: x.clone(),
    "float": lambda x: x.to(torch.float32),
    "data": lambda x: x.data,
    "transpose": lambda x: x.mT,
    "mse": lambda x: functional.mse_loss(x, PLAIN),
    "relu": lambda x: functional.relu(x),
    "softmax": lambda x: functional.softmax(x, -1),
    "linear": lambda x: functional.linear(x, PLAIN),
    "norm": lambda x: torch.linalg.vector_norm(x, dim=-1),
    "comparison": lambda x: x > 0,
    "argmax": lambda x: x.argmax(),
    "in a dictionary": lambda x: torch.clamp(x, min=-1.0, max=PLAIN.max()),
    "new": lambda x: x.new_zeros(3),
    "like": lambda x: torch.zeros_like(x),
}


@pytest.mark.parametrize("name", OPERATIONS)
def test_operations_hand_on_the_scene_and_are_torch_s(name, scene):
    x = values(scene)
    found = OPERATIONS[name](x)
    expected = OPERATIONS[name](x.as_subclass(torch.Tensor))
    assert type(found) is Tensor
    assert found.scene is scene
    assert type(x.as_subclass(torch.Tensor)) is torch.Tensor
    torch.testing.assert_close(
        found.sceneless().as_subclass(torch.Tensor), torch.as_tensor(expected).as_subclass(torch.Tensor)
    )


SEQUENCES = {
    "split": lambda x: x.split(1),
    "unbind": lambda x: x.unbind(),
    "iteration": lambda x: list(x),
    "unpacking": lambda x: tuple(x),
    "max": lambda x: x.max(dim=1),
    "topk": lambda x: torch.topk(x, 2),
    "meshgrid": lambda x: torch.meshgrid(x[0], x[1], indexing="ij"),
    "broadcast": lambda x: torch.broadcast_tensors(x, x[0]),
    "svd": lambda x: torch.linalg.svd(x),
}


@pytest.mark.parametrize("name", SEQUENCES)
def test_operations_with_several_results(name, scene):
    x = values(scene)
    found = SEQUENCES[name](x)
    expected = SEQUENCES[name](x.as_subclass(torch.Tensor))
    assert type(found) is type(expected)
    for one, same in zip(found, expected, strict=True):
        assert type(one) is Tensor
        assert one.scene is scene
        assert torch.equal(one.as_subclass(torch.Tensor), same)
    if name == "max":
        assert found.values.scene is scene


def test_what_is_no_tensor_stays_what_it_is(scene):
    x = values(scene)
    assert type(x.shape) is torch.Size
    assert x.tolist() == [[1.0, -2.0, 3.0], [0.5, 4.0, -1.0]]
    assert x.numpy().shape == (2, 3)
    assert x[0, 0].item() == 1.0
    assert float(x[0, 0]) == 1.0
    assert len(x) == 2
    assert x.dtype == torch.float64


def test_without_a_scene():
    x = values()
    assert x.scene is None
    assert type(x + 1) is Tensor
    assert (x + 1).scene is None
    x.assert_sceneless()


def test_two_scenes_do_not_mix(scene, other):
    x, y = values(scene), values(other)
    calls = (
        lambda: x + y,
        lambda: torch.cat([PLAIN, x, y]),
        lambda: torch.where(PLAIN > 0, x, y),
        lambda: functional.mse_loss(x, target=y),
        lambda: x.add_(y),
        lambda: x.__setitem__(0, y[0]),
        lambda: torch.einsum("ij,ij->", [x, y]),
    )
    before = x.tolist()
    for call in calls:
        with pytest.raises(gs.GenesisException, match=r"<Scene one> and <Scene two>\. Call \.sceneless\(\)"):
            call()
    assert x.tolist() == before
    mixed = x + y.sceneless()
    assert mixed.scene is scene


def test_scene_is_held_weakly(other):
    scene = Scene("gone")
    x = values(scene) * 2
    assert x.scene is scene
    del scene
    gc.collect()
    assert x.scene is None
    x.assert_sceneless()
    assert (x + values(other)).scene is other
    assert (values(other) + x).scene is other


def test_sceneless_keeps_the_graph(scene):
    x = values(scene, requires_grad=True)
    y = (x * 2).sceneless()
    assert y.scene is None
    assert x.scene is scene
    y.sum().backward()
    assert torch.equal(x.grad, torch.full((2, 3), 2.0))


def test_detach(scene):
    x = values(scene, requires_grad=True) * 1
    assert x.detach().scene is None
    assert not x.detach().requires_grad
    assert x.detach(sceneless=False).scene is scene
    assert x.scene is scene
    assert x.detach().data_ptr() == x.data_ptr()


def test_assertions(scene):
    x = values(scene)
    with pytest.raises(gs.GenesisException, match=r"got one of <Scene one>: call \.sceneless\(\)"):
        x.assert_sceneless()
    x.assert_contiguous()
    with pytest.raises(gs.GenesisException, match=r"shape \(3, 2\) with strides \(1, 3\): call \.contiguous\(\)"):
        x.T.assert_contiguous()


def test_uid():
    x = values()
    y = x + 1
    assert x.uid == x.uid
    assert len({x.uid, y.uid, x.clone().uid, copy.copy(x).uid, copy.deepcopy(x).uid}) == 5


def test_gradients_are_those_of_plain_tensors(scene):
    def loss(x, y):
        z = torch.cat([x.sin() * y, (x @ y.T).exp().reshape(-1, 2)[:, :1].expand(-1, 3)])
        z = z[z.abs() < 30] ** 3
        return functional.smooth_l1_loss(z, torch.zeros_like(z)) + x.max(dim=1).values.sum()

    plain = [PLAIN.clone().requires_grad_(), PLAIN.flip(0).clone().requires_grad_()]
    ours = [gs.from_torch(p, requires_grad=True, detach=True, scene=scene) for p in plain]
    expected = torch.autograd.grad(loss(*plain), plain)
    loss(*ours).backward()
    for x, gradient in zip(ours, expected, strict=True):
        assert torch.equal(x.grad, gradient)
    for found, gradient in zip(torch.autograd.grad(loss(*ours), ours), expected, strict=True):
        assert torch.equal(found, gradient)


def test_no_nodes_are_added_to_the_graph(scene):
    def graph(x):
        names, node = [], ((x * 2).exp()[0] + 1).sum().grad_fn
        while node is not None:
            names.append(type(node).__name__)
            node = node.next_functions[0][0] if node.next_functions else None
        return names

    x = PLAIN.clone().requires_grad_()
    assert graph(gs.from_torch(x, requires_grad=True, detach=True, scene=scene)) == graph(x)


def test_retain_graph_double_backward_and_hooks(scene):
    x = values(scene, requires_grad=True)
    seen = []
    y = x**3
    y.register_hook(lambda g: seen.append(g.clone()))
    loss = y.sum()
    loss.backward(retain_graph=True)
    loss.backward()
    assert torch.equal(x.grad, 6 * x.detach() ** 2)
    assert len(seen) == 2
    (first,) = torch.autograd.grad((x**3).sum(), x, create_graph=True)
    (second,) = torch.autograd.grad(first.sum(), x)
    assert torch.allclose(second, 6 * x.detach())
    assert torch.autograd.gradcheck(lambda t: t.sin().sum(), values(requires_grad=True))


def test_mixed_with_plain_leaf(scene):
    weight = PLAIN.clone().requires_grad_()
    (values(scene) * weight).sum().backward()
    assert type(weight) is torch.Tensor
    assert type(weight.grad) is torch.Tensor
    assert torch.equal(weight.grad, values())


def test_grad_and_zero_grad(scene):
    x = values(scene, requires_grad=True)
    x.zero_grad()
    assert x.grad is None
    (x * 2).sum().backward()
    gradient = x.grad
    assert x.grad is gradient
    x.zero_grad()
    assert x.grad is gradient
    assert torch.equal(gradient, torch.zeros(2, 3))
    x.grad = None
    assert x.grad is None


def test_optimizers_and_modules(scene):
    x = gs.ones(3, requires_grad=True, scene=scene)
    optimizer = torch.optim.Adam([x], lr=0.1)
    for _ in range(100):
        optimizer.zero_grad()
        functional.mse_loss(x, torch.tensor([1.0, 2.0, 0.0])).backward()
        optimizer.step()
    assert type(x) is Tensor
    assert x.is_leaf
    assert torch.allclose(x.detach(), torch.tensor([1.0, 2.0, 0.0]), atol=0.1)

    network = nn.Sequential(nn.Linear(3, 8), nn.Tanh(), nn.LayerNorm(8), nn.Linear(8, 2))
    out = network(values(scene))
    assert out.scene is scene
    out.sum().backward()
    assert all(type(p.grad) is torch.Tensor for p in network.parameters())

    parameter = nn.Parameter(gs.ones(3))
    assert isinstance(parameter, nn.Parameter)
    assert parameter.requires_grad
    module = nn.Module()
    module.weight = parameter
    assert [name for name, _ in module.named_parameters()] == ["weight"]
    nn.utils.clip_grad_norm_([x], 1.0)


def test_operations_in_place(scene, other):
    x = values(scene)
    same = x
    x += 1
    x[0] = 7.0
    x.mul_(PLAIN)
    assert x is same
    assert x.scene is scene

    free = values()
    free[0] = values(scene)[0]
    assert free.scene is scene
    free = values()
    free += values(scene)
    assert free.scene is scene

    plain = PLAIN.clone()
    result = plain.add_(values(scene))
    assert result is plain
    assert type(plain) is torch.Tensor
    plain[0] = values(scene)[0]
    assert type(plain) is torch.Tensor

    leaf = values(requires_grad=True)
    y = leaf * 2
    y[0] = 0.0
    y.sum().backward()
    assert leaf.grad.tolist() == [[0.0] * 3, [2.0] * 3]

    kept = values().sceneless()
    assert kept.type_as(values(other)) is kept
    assert kept.scene is None


def test_an_argument_that_comes_back_is_left_alone(scene):
    plain = PLAIN.clone()
    weight = torch.ones_like(PLAIN)
    y = plain.requires_grad_() * 1
    (gradient,) = torch.autograd.grad(values(scene) * y, y, weight)
    assert gradient.shape == weight.shape
    assert type(weight) is torch.Tensor
    (gradient,) = torch.autograd.grad(y, y, values(scene))
    assert type(plain) is torch.Tensor


def test_constructor(scene):
    plain = PLAIN.clone().requires_grad_()
    x = Tensor(plain, scene=scene)
    assert x.scene is scene
    x.sum().backward()
    assert torch.equal(plain.grad, torch.ones(2, 3))
    assert Tensor([1.0, 2.0]).tolist() == [1.0, 2.0]
    assert Tensor(x).scene is None


def test_copies(scene):
    x = values(scene, requires_grad=True)
    x.sum().backward()
    shallow = copy.copy(x)
    assert type(shallow) is Tensor
    assert shallow.data_ptr() == x.data_ptr()
    assert shallow.scene is scene
    assert shallow.requires_grad

    deep, again, view = copy.deepcopy([x, x, x.detach(sceneless=False)[0]])
    assert deep is again
    assert type(deep) is Tensor
    assert deep.scene is scene
    assert deep.is_leaf
    assert deep.requires_grad
    assert torch.equal(deep.grad, x.grad)
    assert deep.grad is not x.grad
    deep.detach()[0] = 9.0
    assert view.tolist() == [9.0, 9.0, 9.0]
    assert x[0, 0] == 1.0
    with pytest.raises(gs.GenesisException, match=r"cannot be deep-copied .* \.detach\(\) or \.clone\(\)"):
        copy.deepcopy(x * 2)


def test_pickle_and_save_write_plain_tensors(scene):
    x = values(scene, requires_grad=True)
    for loaded in (pickle.loads(pickle.dumps(x)), _saved_and_loaded(x), _saved_and_loaded({"x": x})["x"]):
        assert type(loaded) is torch.Tensor
        assert torch.equal(loaded, x.as_subclass(torch.Tensor))
        assert loaded.requires_grad
        assert loaded.is_leaf
    assert type(pickle.loads(pickle.dumps(x * 2))) is torch.Tensor


def _saved_and_loaded(value):
    buffer = io.BytesIO()
    torch.save(value, buffer)
    buffer.seek(0)
    return torch.load(buffer)  # with torch's default, weights_only=True


def test_repr(scene):
    assert repr(gs.tensor([1.0, 2.0], scene=scene)) == "Tensor([1., 2.], scene=<Scene one>)"
    assert repr(gs.tensor([1.0, 2.0])) == "Tensor([1., 2.])"
    assert "grad_fn=<MulBackward0>" in repr(values(scene, requires_grad=True) * 2)
    assert f"{gs.tensor(1.5):.2f}" == "1.50"


def test_function_transforms(scene):
    x = values(scene)
    gradient = torch.func.grad(lambda t: (t**2).sum())(x)
    assert torch.equal(gradient.as_subclass(torch.Tensor), (2 * x).as_subclass(torch.Tensor))
    rows = torch.func.vmap(lambda t: t.sum())(x)
    assert torch.equal(rows.as_subclass(torch.Tensor), x.sum(1).as_subclass(torch.Tensor))
    assert torch.autograd.functional.jacobian(lambda t: t.sum(0), x).shape == (3, 2, 3)


def test_autograd_function(scene):
    class Double(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x * 2

        @staticmethod
        def backward(ctx, gradient):
            return gradient * 2 + 0 * ctx.saved_tensors[0]

    x = values(scene, requires_grad=True)
    y = Double.apply(x)
    y.sum().backward()
    assert torch.equal(x.grad, torch.full((2, 3), 2.0))


def test_checkpoint(scene):
    x = values(scene, requires_grad=True)
    torch.utils.checkpoint.checkpoint(lambda t: t.sin().pow(2), x, use_reentrant=False).sum().backward()
    assert torch.allclose(x.grad, (2 * x.sin() * x.cos()).detach())


def test_foreign_tensor_types_are_theirs(scene):
    class Foreign(torch.Tensor):
        @classmethod
        def __torch_function__(cls, func, types, args=(), kwargs=None):
            return "foreign"

    assert torch.add(values(scene), PLAIN.as_subclass(Foreign)) == "foreign"
