"""Random arguments for public calls: good ones, good ones spoiled, and whatever else a caller may hand over."""

import array
import decimal
import fractions

import numpy as np
import torch

import genesis as gs

HUGE = 2**40


def junk(rng, w):
    """(text, value) that is no argument of anything, most of the time."""
    text, make = rng.choice(JUNK)
    return text, make(w)


def _inference():
    with torch.inference_mode():
        return torch.ones(3)


def _itself():
    found = []
    found.append(found)
    return found


JUNK = [
    ("None", lambda w: None),
    ("nan", lambda w: float("nan")),
    ("inf", lambda w: float("inf")),
    ("-inf", lambda w: -float("inf")),
    ("1e30", lambda w: 1e30),
    ("-1", lambda w: -1),
    ("0", lambda w: 0),
    ("0.5", lambda w: 0.5),
    ("True", lambda w: True),
    ("2**40", lambda w: HUGE),
    ("-2**63", lambda w: -(2**63)),
    ("2**64", lambda w: 2**64),
    ("10**400", lambda w: 10**400),
    ("1j", lambda w: 1j),
    ("'text'", lambda w: "text"),
    ("''", lambda w: ""),
    ("'a\\0b'", lambda w: "a\0b"),
    ("b''", lambda w: b""),
    ("object()", lambda w: object()),
    ("[]", lambda w: []),
    ("()", lambda w: ()),
    ("{}", lambda w: {}),
    ("{1: 2}", lambda w: {1: 2}),
    ("set()", lambda w: set()),
    ("{0, 1}", lambda w: {0, 1}),
    ("[[1, 2], [3]]", lambda w: [[1, 2], [3]]),
    ("[[[1]], 2]", lambda w: [[[1]], 2]),
    ("[[], []]", lambda w: [[], []]),
    ("['a']", lambda w: ["a"]),
    ("[None]", lambda w: [None]),
    ("[object()]", lambda w: [object()]),
    ("[nan, 1]", lambda w: [float("nan"), 1.0]),
    ("[10**400]", lambda w: [10**400]),
    ("[tensor(3)]", lambda w: [torch.zeros(3)]),
    ("[tensor(2), tensor(3)]", lambda w: [torch.zeros(2), torch.zeros(3)]),
    ("[tensor(3), 1]", lambda w: [torch.zeros(3), 1]),
    ("[tensor(3), None]", lambda w: [torch.zeros(3), None]),
    ("[meta tensor]", lambda w: [torch.zeros(3, device="meta")]),
    ("[tensor of another scene]", lambda w: [gs.grad.Tensor(torch.zeros(3), w.other)]),
    ("list in itself", lambda w: _itself()),
    ("tensor()", lambda w: torch.tensor(1.0)),
    ("tensor() with gradient", lambda w: torch.tensor(1.0, requires_grad=True)),
    ("tensor(0)", lambda w: torch.empty(0)),
    ("tensor(0, 3)", lambda w: torch.empty(0, 3)),
    ("tensor(3)", lambda w: torch.ones(3)),
    ("tensor(2, 3, 4, 5)", lambda w: torch.zeros(2, 3, 4, 5)),
    ("complex tensor(3)", lambda w: torch.ones(3, dtype=torch.complex64)),
    ("sparse tensor(3)", lambda w: torch.ones(3).to_sparse()),
    ("csr tensor(3, 3)", lambda w: torch.eye(3).to_sparse_csr()),
    ("meta tensor(3)", lambda w: torch.ones(3, device="meta")),
    ("nested tensor", lambda w: torch.nested.nested_tensor([torch.ones(3), torch.ones(2)])),
    (
        "quantized tensor(3)",
        lambda w: torch.quantize_per_tensor(torch.ones(3, dtype=torch.float32), 0.1, 0, torch.qint8),
    ),
    ("mkldnn tensor(3)", lambda w: torch.ones(3, dtype=torch.float32).to_mkldnn()),
    ("float8 tensor(3)", lambda w: torch.ones(3).to(torch.float8_e4m3fn)),
    ("bool tensor(3)", lambda w: torch.tensor([True, False, True])),
    ("int64 tensor(3)", lambda w: torch.tensor([0, 1, 2])),
    ("int64 tensor(3) of 2**62", lambda w: torch.full((3,), 2**62)),
    ("inference tensor(3)", lambda w: _inference()),
    ("zero tensor(3)", lambda w: torch._efficientzerotensor((3,))),
    ("tensor(3) of another scene", lambda w: gs.grad.Tensor(torch.ones(3), w.other)),
    ("tensor(3) with gradient", lambda w: torch.ones(3, requires_grad=True)),
    ("nan tensor(3)", lambda w: torch.full((3,), float("nan"))),
    ("array(3)", lambda w: np.ones(3)),
    ("array(3) of objects", lambda w: np.array([1, None, "a"], dtype=object)),
    ("array(3) of text", lambda w: np.array(["1", "2", "3"])),
    ("array of dates", lambda w: np.array(["2020-01-01"], dtype="datetime64[D]")),
    ("structured array", lambda w: np.zeros(3, dtype=[("a", float), ("b", int)])),
    ("masked array(3)", lambda w: np.ma.masked_array(np.ones(3), [False, True, False])),
    ("float16 array(3)", lambda w: np.ones(3, dtype=np.float16)),
    ("longdouble array(3)", lambda w: np.ones(3, dtype=np.longdouble)),
    ("uint64 array(3) of 2**63", lambda w: np.full(3, 2**63, dtype=np.uint64)),
    ("int8(1)", lambda w: np.int8(1)),
    ("uint64(2**63)", lambda w: np.uint64(2**63)),
    ("float64(nan)", lambda w: np.float64("nan")),
    ("bool_(True)", lambda w: np.bool_(True)),
    ("Fraction", lambda w: fractions.Fraction(1, 3)),
    ("Decimal", lambda w: decimal.Decimal("0.1")),
    ("generator", lambda w: (x for x in range(3))),
    ("range(3)", lambda w: range(3)),
    ("slice(0)", lambda w: slice(0)),
    ("Ellipsis", lambda w: ...),
    ("lambda", lambda w: lambda x: x),
    ("type", lambda w: int),
    ("array.array", lambda w: array.array("d", [1.0, 2.0, 3.0])),
    ("memoryview", lambda w: memoryview(b"abc")),
    ("the scene", lambda w: w.scene),
    ("the robot", lambda w: w.robot),
    ("another scene", lambda w: w.other),
    ("an entity of another scene", lambda w: w.other.entities[0]),
    ("a link", lambda w: w.robot.links[0]),
    ("the state", lambda w: w.scene.get_state()),
]

INDICES = [
    ("None", lambda n: None),
    ("0", lambda n: 0),
    ("-1", lambda n: -1),
    ("1", lambda n: 1),
    ("n", lambda n: n),
    ("2**40", lambda n: HUGE),
    ("-2**40", lambda n: -HUGE),
    ("2**70", lambda n: 2**70),
    ("[2**70]", lambda n: [2**70]),
    ("int8(0)", lambda n: np.int8(0)),
    ("uint8(0)", lambda n: np.uint8(0)),
    ("array(0)", lambda n: np.array(0)),
    ("True", lambda n: True),
    ("1.0", lambda n: 1.0),
    ("nan", lambda n: float("nan")),
    ("[]", lambda n: []),
    ("[0]", lambda n: [0]),
    ("(0,)", lambda n: (0,)),
    ("[-1]", lambda n: [-1]),
    ("[1, 0]", lambda n: [1, 0]),
    ("[0, 0]", lambda n: [0, 0]),
    ("[0, -n]", lambda n: [0, -n]),
    ("[n]", lambda n: [n]),
    ("[[0]]", lambda n: [[0]]),
    ("[0, [1]]", lambda n: [0, [1]]),
    ("[True] * n", lambda n: [True] * n),
    ("[False] * n", lambda n: [False] * n),
    ("[True] * (n + 1)", lambda n: [True] * (n + 1)),
    ("[0, True]", lambda n: [0, True]),
    ("[0, None]", lambda n: [0, None]),
    ("['0']", lambda n: ["0"]),
    ("[0] * 1000", lambda n: [0] * 1000),
    ("list(range(n))", lambda n: list(range(n))),
    ("all reversed", lambda n: list(range(n))[::-1]),
    ("slice(None)", lambda n: slice(None)),
    ("slice(None, None, -1)", lambda n: slice(None, None, -1)),
    ("slice(0, 2, 0)", lambda n: slice(0, 2, 0)),
    ("slice('a')", lambda n: slice("a")),
    ("slice(2**70)", lambda n: slice(2**70)),
    ("slice(tensor(0), None)", lambda n: slice(torch.tensor(0), None)),
    ("range(n)", lambda n: range(n)),
    ("range(n, 0, -2)", lambda n: range(n, 0, -2)),
    ("range(2**40)", lambda n: range(HUGE)),
    ("generator", lambda n: (i for i in range(n))),
    ("set", lambda n: {0}),
    ("dict", lambda n: {0: 1}),
    ("'0'", lambda n: "0"),
    ("array [0]", lambda n: np.array([0])),
    ("uint64 array [0]", lambda n: np.array([0], dtype=np.uint64)),
    ("uint64 array [2**63]", lambda n: np.array([2**63], dtype=np.uint64)),
    ("float array [0.]", lambda n: np.array([0.0])),
    ("mask", lambda n: np.arange(n) % 2 == 0),
    ("mask (n, 1)", lambda n: np.ones((n, 1), dtype=bool)),
    ("empty array", lambda n: np.array([])),
    ("empty array (0, 3)", lambda n: np.zeros((0, 3), dtype=int)),
    ("tensor(0)", lambda n: torch.tensor(0)),
    ("tensor [0]", lambda n: torch.tensor([0])),
    ("uint8 tensor [0]", lambda n: torch.tensor([0], dtype=torch.uint8)),
    ("mask tensor", lambda n: torch.arange(n) % 2 == 0),
    ("float tensor [0.]", lambda n: torch.tensor([0.0])),
    ("tensor with gradient", lambda n: torch.tensor([0.0], requires_grad=True)),
    ("empty tensor", lambda n: torch.empty(0)),
    ("empty int tensor", lambda n: torch.empty(0, dtype=torch.int64)),
    ("tensor (1, 1)", lambda n: torch.zeros((1, 1), dtype=torch.int64)),
    ("meta tensor [0]", lambda n: torch.zeros(1, dtype=torch.int64, device="meta")),
    ("sparse tensor [0]", lambda n: torch.tensor([1]).to_sparse()),
    ("complex tensor", lambda n: torch.zeros(1, dtype=torch.complex64)),
    ("[tensor(0)]", lambda n: [torch.tensor(0)]),
    ("[tensor([0, 1])]", lambda n: [torch.tensor([0, 1])]),
    ("[meta tensor]", lambda n: [torch.zeros((), dtype=torch.int64, device="meta")]),
    ("bfloat16 tensor", lambda n: torch.zeros(1, dtype=torch.bfloat16)),
    ("negative-bit tensor", lambda n: torch.zeros(1, dtype=torch.complex64).conj().imag),
    ("object()", lambda n: object()),
    ("Ellipsis", lambda n: ...),
    ("object array", lambda n: np.array([0, 1], dtype=object)),
]


def spoiled(rng, w, v):
    """(text, value): a good tensor in another form, or made wrong."""
    shape = "x".join(map(str, v.shape))
    for _ in range(20):
        text, make = rng.choice(SPOILERS)
        try:
            return f"{text} ({shape})", make(v, w)
        except (RuntimeError, IndexError, ValueError, TypeError):  # of a tensor without axes, say
            continue
    return f"({shape})", v


def _one_nan(v):
    v = v.clone()
    v.view(-1)[-1] = float("nan")
    return v


def _inference_of(v):
    with torch.inference_mode():
        return v.clone()


SPOILERS = [
    ("float32", lambda v, w: v.float()),
    ("half", lambda v, w: v.half()),
    ("array", lambda v, w: v.numpy().copy()),
    ("reversed array", lambda v, w: v.numpy()[::-1]),
    ("list", lambda v, w: v.tolist()),
    ("list of tensors", lambda v, w: list(v.unbind(0))),
    ("leaf", lambda v, w: v.clone().requires_grad_()),
    ("leaf", lambda v, w: v.clone().requires_grad_()),
    ("not a leaf", lambda v, w: v.clone().requires_grad_() * 1.0),
    ("Parameter", lambda v, w: torch.nn.Parameter(v.clone())),
    ("negative-bit", lambda v, w: torch.complex(torch.zeros_like(v), -v).conj().imag),
    ("strided", lambda v, w: torch.stack([v, v], -1).flatten(-2)[..., ::2]),
    ("strided leaf", lambda v, w: torch.stack([v, v], -1).flatten(-2)[..., ::2].detach().requires_grad_()),
    ("transposed", lambda v, w: v.mT.contiguous().mT),
    ("expanded", lambda v, w: v[:1].expand(v.shape)),
    ("expanded leaf", lambda v, w: v[:1].expand(v.shape).detach().requires_grad_()),
    ("one row", lambda v, w: v[:1]),
    ("one row without axis", lambda v, w: v[0]),
    ("one row more", lambda v, w: torch.cat([v, v[:1]])),
    ("one number less", lambda v, w: v[..., :-1]),
    ("one axis more", lambda v, w: v[None]),
    ("two axes more", lambda v, w: v[None, None]),
    ("last axis more", lambda v, w: v[..., None]),
    ("flat", lambda v, w: v.flatten()),
    ("none", lambda v, w: v[:0]),
    ("one nan", lambda v, w: _one_nan(v)),
    ("all inf", lambda v, w: v * float("inf")),
    ("1e30", lambda v, w: v * 1e30),
    ("1e308", lambda v, w: v * 1e308),
    ("1e-320", lambda v, w: v * 1e-320),
    ("negated", lambda v, w: -v),
    ("zeros", lambda v, w: v * 0),
    ("efficient zeros", lambda v, w: torch._efficientzerotensor(v.shape, dtype=v.dtype)),
    ("int64", lambda v, w: v.nan_to_num(0, 0, 0).long()),
    ("bool", lambda v, w: v > 0),
    ("complex", lambda v, w: v.to(torch.complex128)),
    ("sparse", lambda v, w: v.to_sparse()),
    ("meta", lambda v, w: v.to("meta")),
    ("inference", lambda v, w: _inference_of(v)),
    ("of another scene", lambda v, w: gs.grad.Tensor(v.clone(), w.other)),
    ("of this scene", lambda v, w: gs.grad.Tensor(v.clone(), w.scene)),
    ("of this scene, leaf", lambda v, w: gs.grad.Tensor(v.clone(), w.scene).requires_grad_()),
]
