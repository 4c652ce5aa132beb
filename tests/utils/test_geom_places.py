"""Rotation helpers at singular places, with leading axes that broadcast, with scenes, and given what does not fit."""

import math

import numpy as np
import pytest
import torch

import genesis as gs
from genesis.utils import geom as gu

HALF = math.sqrt(0.5)
ZERO3, ZERO4 = [0.0, 0, 0], [0.0, 0, 0, 0]
SINGULAR = {
    "rotvec_to_quat": [(ZERO3,)],
    "rotvec_to_R": [(ZERO3,), ([math.pi, 0, 0],)],
    "quat_to_rotvec": [([1.0, 0, 0, 0],), ([-1.0, 0, 0, 0],), ([0.0, 1, 0, 0],), (ZERO4,)],
    "quat_to_R": [(ZERO4,), ([0.0, 0, 1, 0],)],
    "quat_to_xyz": [(ZERO4,), ([HALF, 0, HALF, 0],), ([HALF, 0, -HALF, 0],), ([1.0, 0, 0, 0],), ([0.0, 1, 0, 0],)],
    "R_to_quat": [(np.eye(3).tolist(),), (np.diag([1.0, -1, -1]).tolist(),), (np.diag([-1.0, -1, 1]).tolist(),)],
    "R_to_rotvec": [(np.eye(3).tolist(),), (np.diag([-1.0, 1, -1]).tolist(),)],
    "R_to_xyz": [(np.eye(3).tolist(),), ([[0.0, 0, 1], [0, 1, 0], [-1, 0, 0]],)],
    "transform_by_quat": [([1.0, 2, 3], ZERO4), (ZERO3, [1.0, 0, 0, 0])],
    "transform_quat_by_quat": [(ZERO4, [1.0, 0, 0, 0])],
    "normalize": [(ZERO3,)],
    "slerp": [([1.0, 0, 0, 0], [1.0, 0, 0, 0], 0.3), ([1.0, 0, 0, 0], [0.0, 1, 0, 0], 0.3), (ZERO4, ZERO4, 0.3)],
    "axis_angle_to_quat": [(0.0, [1.0, 0, 0]), (1.0, ZERO3), (math.pi, [0.0, 1, 0])],
    "axis_angle_to_R": [([1.0, 0, 0], 0.0), (ZERO3, 1.0)],
    "z_to_quat": [(ZERO3,), ([0.0, 0, 1],), ([0.0, 0, -1],)],
    "z_to_R": [(ZERO3,), ([0.0, 0, -2],)],
    "z_up_to_R": [(ZERO3,), ([0.0, 0, 1],), ([0.0, 0, -1],), ([0.0, 0, 1], [0.0, 0, 1]), (ZERO3, [0.0, 1, 0])],
    "rot6d_to_R": [(ZERO3 + ZERO3,), ([1.0, 0, 0, 1, 0, 0],)],
    "polar": [(np.eye(3).tolist(),), (np.zeros((3, 3)).tolist(),), (np.diag([1.0, 1, 0]).tolist(),)],
    "pos_lookat_up_to_T": [(ZERO3, ZERO3, [0.0, 0, 1])],
}


@pytest.mark.parametrize("kind", [torch.float64, torch.float32], ids=str)
@pytest.mark.parametrize("name", SINGULAR)
def test_gradients_are_finite_at_singular_places(name, kind):
    for arguments in SINGULAR[name]:
        tensors = [torch.tensor(x, dtype=kind, requires_grad=True) for x in arguments]
        result = getattr(gu, name)(*tensors)
        parts = result if isinstance(result, tuple) else (result,)
        assert all(bool(part.isfinite().all()) for part in parts), arguments
        weights = torch.arange(1.0, 1.0 + sum(part.numel() for part in parts), dtype=kind)
        total = (torch.cat([part.flatten() for part in parts]) * weights).sum()
        for gradient in torch.autograd.grad(total, tensors, allow_unused=True):
            assert gradient is None or bool(gradient.isfinite().all()), arguments


@pytest.mark.parametrize(
    ("name", "at"),
    [
        ("rotvec_to_quat", (ZERO3,)),
        ("rotvec_to_R", (ZERO3,)),
        ("rotvec_to_R", ([0.0, math.pi, 0],)),
        ("rotvec_to_R", ([2 * math.pi, 0, 0],)),
        ("quat_to_rotvec", ([1.0, 0, 0, 0],)),
        ("quat_to_R", ([0.0, 1, 0, 0],)),
        ("R_to_quat", (np.eye(3).tolist(),)),
        ("R_to_quat", (np.diag([1.0, -1, -1]).tolist(),)),
        ("R_to_rotvec", (np.eye(3).tolist(),)),
        ("slerp", ([1.0, 0, 0, 0], [1.0, 0, 0, 0], 0.3)),
        ("slerp", ([0.6, 0.8, 0, 0], [0.6, 0.8, 1e-5, 0], 0.3)),
        ("polar", (np.eye(3).tolist(),)),
        ("polar", (np.diag([2.0, 2, -1]).tolist(),)),
        ("polar", (np.diag([2.0, 2, 1]).tolist(), False, "left")),
        ("z_to_quat", ([0.0, 0, 1],)),
        ("axis_angle_to_quat", (0.0, [1.0, 0, 0])),
    ],
)
def test_gradients_are_right_where_there_is_one(name, at):
    tensors = [torch.tensor(x, dtype=torch.float64, requires_grad=True) for x in at if not isinstance(x, (bool, str))]
    plain = [x for x in at if isinstance(x, (bool, str))]
    assert torch.autograd.gradcheck(lambda *x: getattr(gu, name)(*x, *plain), tensors, eps=1e-5, atol=1e-8)


def test_gradient_of_half_a_turn_is_that_of_the_turn():
    """At an angle of pi the rotation vector jumps; its length, and what it turns, do not."""
    for axis in torch.eye(3, dtype=torch.float64):
        at = (math.pi * axis).requires_grad_()
        turned = gu.transform_by_quat(
            torch.ones(3, dtype=torch.float64), gu.rotvec_to_quat(gu.quat_to_rotvec(gu.rotvec_to_quat(at)))
        )
        (gradient,) = torch.autograd.grad(turned.sum(), at)
        direct = torch.autograd.grad((gu.rotvec_to_R(at) @ torch.ones(3, dtype=torch.float64)).sum(), at)[0]
        assert torch.allclose(gradient, direct, atol=1e-12)


def test_gimbal_lock_is_genesiss():
    """The first angle is zero there, and the third has the turn."""
    for sign in (1.0, -1.0):
        for rpy in (False, True):
            quat = gu.xyz_to_quat(np.array([0.4, sign * math.pi / 2, 0.3]), rpy=rpy)
            angles = gu.quat_to_xyz(quat, rpy=rpy)
            assert angles[0] == 0.0
            assert angles[1] == pytest.approx(sign * math.pi / 2, abs=1e-15)
            assert np.allclose(gu.quat_to_R(gu.xyz_to_quat(angles, rpy=rpy)), gu.quat_to_R(quat), atol=1e-13)


def test_signs_of_quaternions_are_genesiss():
    """Of arrays by one rule, of tensors by another."""
    quat = np.array([0.4, 0.55, -0.5, 0.53])
    matrix = gu.quat_to_R(quat)
    assert gu.R_to_quat(matrix)[0] > 0
    turned = gu.R_to_quat(torch.tensor(gu.quat_to_R(np.array([-0.1, 0.9, 0.2, 0.3]))))
    assert turned[1] > 0 > turned[0]
    # Half a turn: the last of equal diagonal elements.
    equal = torch.tensor([0.0, HALF, HALF, 0.0])
    assert torch.allclose(gu.R_to_quat(gu.quat_to_R(equal)), equal)


def test_leading_axes_broadcast():
    rng = np.random.default_rng(0)
    q, v, t = rng.normal(size=(4, 1, 4)), rng.normal(size=(5, 3)), rng.normal(size=3)
    moved = gu.transform_by_trans_quat(v, t, q)
    assert moved.shape == (4, 5, 3)
    assert np.allclose(moved[2, 3], gu.transform_by_trans_quat(v[3], t, q[2, 0]))
    assert gu.transform_quat_by_quat(q, rng.normal(size=4)).shape == (4, 1, 4)
    assert gu.slerp(q, rng.normal(size=(5, 4)), 0.5).shape == (4, 5, 4)
    assert gu.slerp(q[:, 0], q[::-1, 0], rng.uniform(size=(4, 1))).shape == (4, 4)
    assert gu.inv_T(rng.normal(size=(2, 3, 4, 4))).shape == (2, 3, 4, 4)
    assert gu.transform_by_T(t, rng.normal(size=(6, 4, 4))).shape == (6, 3)
    assert gu.trans_quat_to_T(t, q).shape == (4, 1, 4, 4)
    assert gu.axis_angle_to_quat(0.5, v).shape == (5, 4)
    assert gu.z_up_to_R(v, t).shape == (5, 3, 3)


def test_kinds_of_numbers():
    degrees = np.array([0, 0, 90])
    assert np.allclose(gu.xyz_to_quat(degrees, degrees=True), [HALF, 0, 0, HALF])
    assert np.allclose(gu.euler_to_quat((0, 0, 90)), [HALF, 0, 0, HALF])
    assert np.allclose(gu.euler_to_R([0, 0, 90]) @ [1, 0, 0], [0, 1, 0])
    assert isinstance(gu.euler_to_quat(torch.tensor([0, 0, 90])), torch.Tensor)
    backwards = np.array([[0.0, 0, 1], [1, 0, 0]])[::-1]
    assert np.allclose(gu.transform_by_quat(backwards, np.array([HALF, 0, 0, HALF])), [[0, 1, 0], [0, 0, 1]])
    fixed = np.array([1.0, 0, 0, 0])
    fixed.setflags(write=False)
    assert gu.inv_quat(fixed) is not fixed
    assert gu.quat_to_R(np.array([1.0, 0, 0, 0], dtype=np.float32)).dtype == np.float32


def test_out_is_filled():
    quat = np.array([[HALF, HALF, 0, 0]])
    for make in (lambda x: x, torch.from_numpy):
        out = make(np.zeros((1, 3, 3)))
        assert gu.quat_to_R(make(quat), out=out) is out
        assert np.allclose(out, gu.quat_to_R(quat))
    frames = np.zeros((1, 4, 4))
    assert gu.trans_quat_to_T(np.ones((1, 3)), quat, out=frames) is frames
    assert frames[0, 3, 3] == 1.0
    rotvec = np.zeros((1, 3))
    assert gu.quat_to_rotvec(quat, rotvec) is rotvec
    assert np.allclose(rotvec, [[math.pi / 2, 0, 0]])
    with pytest.raises(gs.GenesisException, match=r"`out` is a ndarray of shape \(3,\)"):
        gu.quat_to_R(quat, out=np.zeros(3))


def test_tensors_of_a_scene_stay_with_it():
    scene = gs.Scene()
    quat = gs.tensor([HALF, HALF, 0, 0], scene=scene, requires_grad=True)
    vector = torch.tensor([0.0, 1, 0])
    one = gs.tensor([1.0, 0, 0, 0])
    for result in (
        *(gu.transform_by_quat(vector, quat), gu.inv_quat(quat), gu.quat_to_R(quat), gu.quat_to_xyz(quat)),
        *(gu.R_to_quat(gu.quat_to_R(quat)), gu.slerp(quat, one, 0.5), gu.transform_quat_by_quat(quat, one)),
        *(gu.quat_to_rotvec(quat), gu.trans_quat_to_T(vector, quat), *gu.polar(gu.quat_to_R(quat))),
    ):
        assert isinstance(result, gs.grad.Tensor)
        assert result.scene is scene
        assert result.requires_grad
    other = gs.tensor([1.0, 0, 0, 0], scene=gs.Scene())
    with pytest.raises(gs.GenesisException, match="two scenes"):
        gu.transform_quat_by_quat(quat, other)


@pytest.mark.parametrize(
    ("call", "told"),
    [
        (lambda: gu.inv_quat([1, 0, 0, 0]), "inv_quat: `quat` is list; expected a torch.Tensor or a numpy.ndarray"),
        (lambda: gu.inv_quat(np.ones(3)), r"inv_quat: `quat` has shape \(3,\), expected \(..., 4\)"),
        (lambda: gu.R_to_quat(np.ones((3, 2))), r"R_to_quat: `R` has shape \(3, 2\), expected \(..., 3, 3\)"),
        (lambda: gu.transform_by_quat(np.ones(3), torch.ones(4)), "all as numpy arrays"),
        (lambda: gu.transform_by_quat(np.ones((2, 3)), np.ones((3, 4))), "do not broadcast"),
        (lambda: gu.transform_by_T(np.ones((2, 5, 3)), np.ones((3, 4, 4))), "the points have shape"),
        (lambda: gu.trans_R_to_T(), "trans_R_to_T: nothing is given"),
        (lambda: gu.quat_to_R(None), "`quat` is nothing"),
        (lambda: gu.inv_quat(np.array(["a", "b", "c", "d"])), "expected real numbers"),
        (lambda: gu.inv_quat(torch.ones(4, dtype=torch.complex64)), "complex"),
        (lambda: gu.polar(np.eye(3), side="up"), 'expected "right" or "left"'),
        (lambda: gu.generate_grid_points_on_plane((0, 0, 0), (1, 1, 0), (0, 0, 0), 2, 2), "`normal` is"),
        (lambda: gu.generate_ring_points_on_sphere(0.0, (0, 0, 1), 2, 0.1), "`radius` is 0.0"),
        (lambda: gu.generate_ring_points_on_sphere(1.0, (0, 0, 0), 2, 0.1), "`cap_axis` is"),
        (lambda: gu.cubic_spline_1d(np.ones(3), np.ones(4), np.ones(1)), "`x` has shape"),
        (lambda: gu.slerp(torch.ones(2, 4), torch.ones(2, 4), torch.ones(3)), "slerp: `t` has shape"),
    ],
)
def test_what_does_not_fit(call, told):
    with pytest.raises(gs.GenesisException, match=told):
        call()


@pytest.mark.parametrize("side", ["right", "left"])
def test_second_derivatives_of_polar(side):
    rng = np.random.default_rng(1)
    for matrix in (np.eye(3), rng.normal(size=(2, 3, 3)), rng.normal(size=(3, 2)), rng.normal(size=(2, 3))):
        leaf = torch.tensor(matrix, requires_grad=True)
        assert torch.autograd.gradgradcheck(lambda x: gu.polar(x, side=side)[0], leaf)


def test_a_reflection_becomes_the_nearest_rotation():
    matrix = np.diag([3.0, 2.0, -1.0])
    U, P = gu.polar(matrix)
    assert np.allclose(U, np.eye(3))
    assert np.allclose(U @ P, matrix)
    assert np.allclose(gu.polar(matrix, pure_rotation=False)[0], np.diag([1.0, 1, -1]))
