"""Rotations against matrices built by hand; gradients at generic and at degenerate places."""

import math

import pytest
import torch

import genesis as gs
from genesis.math import rotation as r
from tests.helpers import check_gradient

ROUNDING = 1e-14  # a few operations on numbers of order one, in 64 bits


def random_quats(n: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(n, 4, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def axis_rotation(axis: int, angle: float) -> torch.Tensor:
    c, s = math.cos(angle), math.sin(angle)
    matrix = torch.eye(3, dtype=torch.float64)
    i, j = (axis + 1) % 3, (axis + 2) % 3
    matrix[i, i] = matrix[j, j] = c
    matrix[j, i], matrix[i, j] = s, -s
    return matrix


HALF = math.sqrt(0.5)
DEGENERATE = {
    "identity": [1.0, 0, 0, 0],
    "identity, other sign": [-1.0, 0, 0, 0],
    "by pi about x": [0.0, 1, 0, 0],
    "by pi about y": [0.0, 0, 1, 0],
    "by pi about z": [0.0, 0, 0, 1],
    "by pi about xyz": [0.0, 1, 1, 1],
    "not normalised": [2.0, 0.3, -1.0, 0.7],
    "tiny": [2e-6, 3e-7, -1e-6, 7e-7],
}
GIMBAL_LOCK = {
    "b = pi/2": [HALF, 0, HALF, 0],
    "b = -pi/2": [HALF, 0, -HALF, 0],
    "b = pi/2, a - c = 1": r.xyz_to_quat(torch.tensor([1.0, math.pi / 2, 0.0], dtype=torch.float64)).tolist(),
    "b = -pi/2, a + c = 1": r.xyz_to_quat(torch.tensor([0.4, -math.pi / 2, 0.6], dtype=torch.float64)).tolist(),
}


def test_euler_angles_are_extrinsic_x_y_z():
    angles = torch.tensor([0.3, -0.7, 2.1], dtype=torch.float64)
    expected = axis_rotation(2, 2.1) @ axis_rotation(1, -0.7) @ axis_rotation(0, 0.3)
    assert torch.allclose(r.quat_to_mat(r.xyz_to_quat(angles)), expected, atol=ROUNDING)


def test_euler_angles_round_trip():
    generator = torch.Generator().manual_seed(1)
    angles = (torch.rand(200, 3, generator=generator, dtype=torch.float64) * 2 - 1) * torch.tensor([3.1, 1.55, 3.1])
    assert torch.allclose(r.quat_to_xyz(r.xyz_to_quat(angles)), angles, atol=1e-12)
    assert torch.allclose(r.quat_to_xyz(-5.0 * r.xyz_to_quat(angles)), angles, atol=1e-12)


@pytest.mark.parametrize("name", [*DEGENERATE, *GIMBAL_LOCK])
def test_euler_angles_describe_the_rotation(name):
    q = torch.tensor({**DEGENERATE, **GIMBAL_LOCK}[name], dtype=torch.float64)
    angles = r.quat_to_xyz(q)
    assert torch.allclose(r.quat_to_mat(r.xyz_to_quat(angles)), r.quat_to_mat(q), atol=1e-13)
    if name in GIMBAL_LOCK:
        assert angles[2] == 0.0
        assert abs(angles[1]) == pytest.approx(math.pi / 2, abs=1e-15)


@pytest.mark.parametrize("distance", [1e-3, 1e-6, 1e-9, 1e-12])
def test_euler_angles_keep_their_digits_near_gimbal_lock(distance):
    angles = torch.tensor([0.3, math.pi / 2 - distance, -0.2], dtype=torch.float64)
    found = r.quat_to_xyz(r.xyz_to_quat(angles))
    assert found[1] == pytest.approx(angles[1].item(), abs=1e-15)
    assert torch.allclose(r.quat_to_mat(r.xyz_to_quat(found)), r.quat_to_mat(r.xyz_to_quat(angles)), atol=1e-14)


def test_product_conjugate_rotate_and_matrix_agree():
    p, q = random_quats(20, 1), random_quats(20, 2)
    v = torch.randn(20, 3, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    matrix = r.quat_to_mat(q)
    assert torch.allclose(matrix @ matrix.mT, torch.eye(3, dtype=torch.float64).expand(20, 3, 3), atol=ROUNDING)
    assert torch.allclose(torch.linalg.det(matrix), torch.ones(20, dtype=torch.float64), atol=ROUNDING)
    assert torch.allclose(r.quat_to_mat(r.quat_mul(p, q)), r.quat_to_mat(p) @ matrix, atol=1e-13)
    assert torch.allclose(r.quat_to_mat(r.quat_conj(q)), matrix.mT, atol=ROUNDING)
    assert torch.allclose(r.quat_rotate(q, v), (matrix @ v[..., None])[..., 0], atol=1e-13)
    assert torch.allclose(r.quat_normalize(q).norm(dim=-1), torch.ones(20, dtype=torch.float64), atol=ROUNDING)


def test_leading_dimensions_broadcast():
    q, v = random_quats(6).reshape(2, 3, 4), torch.ones(3, dtype=torch.float64)
    assert r.quat_rotate(q, v).shape == (2, 3, 3)
    assert r.quat_rotate(q[0, 0], torch.ones(5, 3, dtype=torch.float64)).shape == (5, 3)
    assert r.quat_mul(q, q[0, 0]).shape == (2, 3, 4)
    assert r.quat_to_mat(q).shape == (2, 3, 3, 3)
    assert r.quat_to_xyz(q).shape == (2, 3, 3)
    assert r.quat_to_xyz(torch.zeros(0, 4, dtype=torch.float64)).shape == (0, 3)


OF_A_QUATERNION = {
    "normalize": r.quat_normalize,
    "conj": r.quat_conj,
    "to_mat": r.quat_to_mat,
    "rotate": lambda q: r.quat_rotate(q, torch.tensor([0.3, -1.0, 0.5], dtype=torch.float64)),
    "mul": lambda q: r.quat_mul(q, torch.tensor([0.3, -1.0, 0.5, 0.2], dtype=torch.float64)),
    "to_xyz": r.quat_to_xyz,
}
OF_THE_ROTATION = ("normalize", "to_mat", "rotate", "to_xyz")
# Places where Euler angles jump by 2 pi: differences across the jump say nothing.
ON_A_JUMP = {"by pi about x", "by pi about z", "by pi about y", "by pi about xyz"}


@pytest.mark.parametrize("function", OF_A_QUATERNION)
def test_gradient_at_generic_quaternions(function):
    check_gradient(OF_A_QUATERNION[function], random_quats(5, 7), names=["q"], eps=1e-3)


@pytest.mark.parametrize("name", DEGENERATE)
@pytest.mark.parametrize("function", OF_A_QUATERNION)
def test_gradient_at_degenerate_quaternions(function, name):
    q = torch.tensor(DEGENERATE[name], dtype=torch.float64)
    if function == "to_xyz" and name in ON_A_JUMP:
        # The gradient of angles that jump is that of the rotation they describe: check it through the rotation.
        check_gradient(lambda q: r.quat_to_mat(r.xyz_to_quat(r.quat_to_xyz(q))), q, names=["q"], eps=1e-3)
    else:
        size = float(q.norm())
        check_gradient(lambda x: OF_A_QUATERNION[function](x * size), q / size, names=["q"], eps=1e-3)


@pytest.mark.parametrize("name", ["by pi about x", "by pi about z", "by pi about xyz"])
def test_gradient_of_angles_on_their_jump_is_that_beside_it(name):
    q = torch.tensor(DEGENERATE[name], dtype=torch.float64)
    nudge = 1e-7 * torch.tensor([0.9, 0.3, -0.4, 0.2], dtype=torch.float64)
    on_it, beside = (torch.autograd.functional.jacobian(r.quat_to_xyz, x) for x in (q, q + nudge))
    assert torch.allclose(on_it, beside, atol=1e-5)


def test_gradient_of_euler_angles_to_quaternion():
    angles = torch.tensor([[0.3, -0.7, 2.1], [0, 0, 0], [math.pi, 0, 0], [1, math.pi / 2, 0]], dtype=torch.float64)
    check_gradient(r.xyz_to_quat, angles, names=["angles"])


def test_gradient_of_both_factors():
    v = torch.randn(4, 3, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    check_gradient(r.quat_mul, random_quats(4, 1), random_quats(4, 2), names=["q", "r"])
    check_gradient(r.quat_rotate, random_quats(4, 1), v, names=["q", "v"], eps=1e-3)


@pytest.mark.parametrize("name", GIMBAL_LOCK)
def test_gradient_at_gimbal_lock_follows_the_convention(name):
    """b has subgradient zero, c stays zero, and a turns with the angle that is defined there."""
    q = torch.tensor(GIMBAL_LOCK[name], dtype=torch.float64)
    jacobian = torch.autograd.functional.jacobian(r.quat_to_xyz, q)
    assert torch.isfinite(jacobian).all()
    assert (jacobian[1:] == 0).all()

    sign = 1.0 if "b = pi/2" in name else -1.0

    def turn(angle):
        # Turning further about the axis of a, in the rotated frame, keeps the lock and changes a alone.
        return r.quat_mul(q, r.xyz_to_quat(torch.stack((angle, 0 * angle, 0 * angle))))

    angle = torch.zeros((), dtype=torch.float64)
    change_of_a = jacobian[0] @ torch.autograd.functional.jacobian(turn, angle)
    assert change_of_a == pytest.approx(1.0, abs=1e-12)
    spin_about_z = torch.autograd.functional.jacobian(
        lambda angle: r.quat_mul(r.xyz_to_quat(torch.stack((0 * angle, 0 * angle, angle))), q), angle
    )
    assert jacobian[0] @ spin_about_z == pytest.approx(-sign, abs=1e-12)


@pytest.mark.parametrize("function", OF_THE_ROTATION)
def test_gradient_has_no_part_along_the_quaternion(function):
    q = random_quats(1, 5)[0]
    jacobian = torch.autograd.functional.jacobian(OF_A_QUATERNION[function], q)
    assert torch.allclose(jacobian @ q, torch.zeros((), dtype=torch.float64), atol=ROUNDING)


def test_quaternion_of_length_zero_is_the_identity():
    zero = torch.zeros(4, dtype=torch.float64, requires_grad=True)
    assert r.quat_normalize(zero).tolist() == [1, 0, 0, 0]
    assert torch.equal(r.quat_to_mat(zero), torch.eye(3, dtype=torch.float64))
    assert r.quat_to_xyz(zero).tolist() == [0, 0, 0]
    for function in OF_THE_ROTATION:
        (gradient,) = torch.autograd.grad(OF_A_QUATERNION[function](zero).sum(), zero)
        assert gradient.tolist() == [0, 0, 0, 0]


@pytest.mark.parametrize("name", [*DEGENERATE, *GIMBAL_LOCK])
def test_32_bits(name):
    q = torch.tensor({**DEGENERATE, **GIMBAL_LOCK}[name], dtype=torch.float32, requires_grad=True)
    for function in (r.quat_normalize, r.quat_conj, r.quat_to_mat, r.quat_to_xyz):
        out = function(q)
        assert out.dtype == torch.float32
        assert torch.isfinite(torch.autograd.grad(out.sum(), q)[0]).all()
    assert torch.allclose(r.quat_to_mat(r.xyz_to_quat(r.quat_to_xyz(q))), r.quat_to_mat(q), atol=2e-6)


@pytest.mark.parametrize(
    "call",
    [
        lambda: r.quat_to_xyz(torch.zeros(3)),
        lambda: r.xyz_to_quat(torch.zeros(4)),
        lambda: r.quat_rotate(torch.zeros(4), torch.zeros(4)),
        lambda: r.quat_mul(torch.zeros(4), torch.tensor(1.0)),
        lambda: r.quat_conj([1, 0, 0, 0]),
    ],
)
def test_wrong_shapes_are_refused(call):
    with pytest.raises(gs.GenesisException, match=r"expected a tensor of shape \(\.\.\., [34]\)"):
        call()
