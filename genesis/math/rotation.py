"""Rotations as quaternions (w, x, y, z) and Euler angles, in torch: batched over leading dimensions and differentiable.

Every function of a quaternion but the product and the conjugate is a function of the rotation: it takes a quaternion of
any length but zero, and its gradient is that of normalising first (no component along the quaternion itself). A
quaternion shorter than 1e-15 counts as the identity with gradient zero, as in MuJoCo (``mju_normalize4``).

Euler angles (a, b, c) are extrinsic x-y-z in radians: R = Rz(c) Ry(b) Rx(a), b in [-pi/2, pi/2], a and c in [-pi, pi].
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from genesis.errors import GenesisException

MIN_NORM_SQUARED = 1e-30  # a quaternion shorter than this has no direction: MuJoCo's mjMINVAL, squared

# Below this squared angle [rad^2] sine and arc tangent are replaced by their series: their own gradient divides by it.
_SMALL_SQUARED = 1e-12


def _components(value: Tensor, size: int, name: str) -> tuple[Tensor, ...]:
    if not isinstance(value, Tensor) or value.ndim == 0 or value.shape[-1] != size:
        got = f"shape {tuple(value.shape)}" if isinstance(value, Tensor) else type(value).__name__
        raise GenesisException(f"{name}: expected a tensor of shape (..., {size}), got {got}.")
    return value.unbind(-1)


def quat_mul(q: Tensor, r: Tensor) -> Tensor:
    """Product q r: rotate by r, then by q. Bilinear, not normalised.

    q, r: shape (..., 4), broadcast against each other. Returns shape (..., 4).
    """
    qw, qx, qy, qz = _components(q, 4, "quat_mul")
    rw, rx, ry, rz = _components(r, 4, "quat_mul")
    return torch.stack(
        torch.broadcast_tensors(
            qw * rw - qx * rx - qy * ry - qz * rz,
            qw * rx + qx * rw + qy * rz - qz * ry,
            qw * ry - qx * rz + qy * rw + qz * rx,
            qw * rz + qx * ry - qy * rx + qz * rw,
        ),
        -1,
    )


def quat_conj(q: Tensor) -> Tensor:
    """Conjugate (w, -x, -y, -z), the inverse of a unit quaternion. q: shape (..., 4)."""
    w, x, y, z = _components(q, 4, "quat_conj")
    return torch.stack((w, -x, -y, -z), -1)


def _nonzero(q: Tensor) -> Tensor:
    """q, with the constant identity in place of a quaternion without length."""
    identity = torch.zeros_like(q)
    identity[..., 0] = 1.0
    return torch.where((q * q).sum(-1, keepdim=True) < MIN_NORM_SQUARED, identity, q)


def quat_normalize(q: Tensor) -> Tensor:
    """q / |q|; the identity for a quaternion without length. q: shape (..., 4)."""
    _components(q, 4, "quat_normalize")
    q = _nonzero(q)
    return q / torch.linalg.vector_norm(q, dim=-1, keepdim=True)


def quat_exp(v: Tensor) -> Tensor:
    """Unit quaternion of the rotation vector ``v`` (..., 3) [rad]; smooth at zero."""
    squared = (v * v).sum(-1, keepdim=True)
    small = squared < _SMALL_SQUARED
    angle = torch.where(small, torch.ones_like(squared), squared).sqrt()
    scale = torch.where(small, 0.5 - squared / 48.0, torch.sin(0.5 * angle) / angle)
    cosine = torch.where(small, 1.0 - squared / 8.0, torch.cos(0.5 * angle))
    return torch.cat([cosine, scale * v], -1)


def quat_log(q: Tensor) -> Tensor:
    """Rotation vector (..., 3) [rad], of angle up to pi, of the quaternion ``q`` or ``-q``; smooth at zero."""
    q = _nonzero(q)
    q = torch.where(q[..., :1] < 0, -q, q)
    w, xyz = q[..., :1], q[..., 1:]
    squared = (xyz * xyz).sum(-1, keepdim=True)
    small = squared < _SMALL_SQUARED
    sine = torch.where(small, torch.ones_like(squared), squared).sqrt()
    scale = torch.where(small, 2.0 / torch.where(small, w, torch.ones_like(w)), 2.0 * torch.atan2(sine, w) / sine)
    return scale * xyz


def quat_rotate(q: Tensor, v: Tensor) -> Tensor:
    """Rotate the vector v by q: v + 2 (w t + u x t) / |q|^2 with u = (x, y, z), t = u x v.

    q: shape (..., 4); v: shape (..., 3), broadcast against each other. Returns shape (..., 3), in the unit of v.
    """
    _components(q, 4, "quat_rotate")
    _components(v, 3, "quat_rotate")
    q = _nonzero(q)
    w, u = q[..., :1], q[..., 1:]
    t = torch.linalg.cross(*torch.broadcast_tensors(u, v))
    turned = w * t + torch.linalg.cross(*torch.broadcast_tensors(u, t))
    return v + 2.0 * turned / (q * q).sum(-1, keepdim=True)


def quat_to_mat(q: Tensor) -> Tensor:
    """Rotation matrix of q: v in the rotated frame is ``R @ v`` in the fixed one. q: shape (..., 4); (..., 3, 3)."""
    _components(q, 4, "quat_to_mat")
    q = _nonzero(q)
    w, x, y, z = q.unbind(-1)
    s = 2.0 / (q * q).sum(-1)
    rows = (
        (1 - s * (y * y + z * z), s * (x * y - w * z), s * (x * z + w * y)),
        (s * (x * y + w * z), 1 - s * (x * x + z * z), s * (y * z - w * x)),
        (s * (x * z - w * y), s * (y * z + w * x), 1 - s * (x * x + y * y)),
    )
    return torch.stack([torch.stack(row, -1) for row in rows], -2)


def mat_to_quat(matrix: Tensor, largest: Callable[[Tensor], Tensor] | None = None) -> Tensor:
    """Unit quaternion of a rotation matrix: shape (..., 3, 3); returns shape (..., 4).

    Each row of the symmetric matrix 4 q q' is linear in the rotation matrix. A row is the quaternion times four times
    one of its numbers: that of the largest is taken, so that this number is positive, and normalised.

    largest: says for each matrix which row, (...) int64; None: the first where the trace is positive, else that of the
    largest diagonal element, the last of equal ones.
    """
    if not isinstance(matrix, Tensor) or matrix.shape[-2:] != (3, 3):
        raise GenesisException(f"mat_to_quat: expected a tensor of shape (..., 3, 3), got {tuple(matrix.shape)}.")
    (xx, xy, xz), (yx, yy, yz), (zx, zy, zz) = (row.unbind(-1) for row in matrix.unbind(-2))
    wx, wy, wz = zy - yz, xz - zx, yx - xy
    rows = (
        (1.0 + xx + yy + zz, wx, wy, wz),
        (wx, 1.0 + xx - yy - zz, yx + xy, xz + zx),
        (wy, yx + xy, 1.0 - xx + yy - zz, zy + yz),
        (wz, xz + zx, zy + yz, 1.0 - xx - yy + zz),
    )
    table = torch.stack([torch.stack(row, -1) for row in rows], -2)
    row = (largest or _largest)(matrix.detach())
    q = table.gather(-2, row[..., None, None].expand(*row.shape, 1, 4)).squeeze(-2)
    return quat_normalize(q)


def _largest(matrix: Tensor) -> Tensor:
    diagonal = matrix.diagonal(dim1=-2, dim2=-1)
    return torch.where(diagonal.sum(-1) > 0, 0, 3 - diagonal.flip(-1).argmax(-1))


def quat_slerp(q: Tensor, r: Tensor, t: Tensor) -> Tensor:
    """Unit quaternion at the part t (...) of the shorter way from q to r, (..., 4) each, at constant speed.

    (sin((1 - t) angle) q + sin(t angle) r) / sin(angle), after both are normalised; the angle between them is twice
    the arc tangent of |q - r| / |q + r|. Quotients of sines are written as functions of the angle's square, which are
    smooth at zero.
    """
    q, r = quat_normalize(q), quat_normalize(r)
    r = torch.where((q * r).sum(-1, keepdim=True) < 0, -r, r)
    apart, together = q - r, q + r
    squared = (apart * apart).sum(-1, keepdim=True) / (together * together).sum(-1, keepdim=True)
    angle_squared = 4.0 * squared * _arctan_by_its_argument(squared) ** 2
    t = t.unsqueeze(-1)
    whole = _sine_by_its_argument(angle_squared)
    first, second = ((part * _sine_by_its_argument(part * part * angle_squared) / whole) for part in (1.0 - t, t))
    return first * q + second * r


def _sine_by_its_argument(squared: Tensor) -> Tensor:
    """sin(x) / x of x squared."""
    small = squared < 1e-3  # the first term that is left out is below 1e-17
    x = torch.where(small, 1.0, squared).sqrt()
    series = 1.0 - squared / 6.0 * (1.0 - squared / 20.0 * (1.0 - squared / 42.0 * (1.0 - squared / 72.0)))
    return torch.where(small, series, x.sin() / x)


def _arctan_by_its_argument(squared: Tensor) -> Tensor:
    """arctan(x) / x of x squared."""
    small = squared < 1e-3  # as above
    x = torch.where(small, 1.0, squared).sqrt()
    series = 1.0 - squared * (1 / 3 - squared * (1 / 5 - squared * (1 / 7 - squared * (1 / 9 - squared / 11))))
    return torch.where(small, series, x.atan() / x)


def xyz_to_quat(xyz: Tensor) -> Tensor:
    """Unit quaternion of the Euler angles: qz(c) qy(b) qx(a). xyz: shape (..., 3) [rad]; returns shape (..., 4)."""
    _components(xyz, 3, "xyz_to_quat")
    (ca, cb, cc), (sa, sb, sc) = (0.5 * xyz).cos().unbind(-1), (0.5 * xyz).sin().unbind(-1)
    return torch.stack(
        (
            ca * cb * cc + sa * sb * sc,
            sa * cb * cc - ca * sb * sc,
            ca * sb * cc + sa * cb * sc,
            ca * cb * sc - sa * sb * cc,
        ),
        -1,
    )


def quat_to_xyz(q: Tensor, zero_at_lock: str = "c") -> Tensor:
    """Euler angles (a, b, c) of q: shape (..., 4); returns shape (..., 3) [rad].

    With d = (a - c) / 2, s = (a + c) / 2, the quaternion of Euler angles (see ``xyz_to_quat``) gives

        (w + y, x - z) = |q| (cos b/2 + sin b/2) (cos d, sin d)
        (w - y, x + z) = |q| (cos b/2 - sin b/2) (cos s, sin s)

    so d, s and b follow from the directions and the lengths of two plane vectors, without the asin that loses half of
    the digits, and all of the gradient, near b = +-pi/2. (After Bernardes and Viollet, Quaternion to Euler angles
    conversion: A direct, general and computationally efficient method, PLOS ONE 17(11), 2022.)

    At b = +-pi/2 (gimbal lock) one of the two vectors vanishes: only a - c, or a + c, is defined. Then c = 0, and the
    gradient is that of a along this convention; c has gradient zero; b, which has a kink there (it cannot exceed pi/2),
    has the subgradient zero. Near the lock the gradients of a and c grow as 1 / cos b, as they must.
    With ``zero_at_lock="a"``, a and c change parts there.
    """
    _components(q, 4, "quat_to_xyz")
    w, x, y, z = _nonzero(q).unbind(-1)
    plus, minus = (w + y, x - z), (w - y, x + z)
    length_plus, length_minus = _length(*plus), _length(*minus)
    # Rounding error of the sums: a direction that holds nothing else is not there.
    noise = 4 * torch.finfo(q.dtype).eps * torch.maximum(length_plus, length_minus)
    plus_is_lost, minus_is_lost = length_plus <= noise, length_minus <= noise
    d = _angle(*plus, plus_is_lost)
    s = _angle(*minus, minus_is_lost)
    sign = 1.0 if zero_at_lock == "c" else -1.0
    d, s = torch.where(plus_is_lost, sign * s, d), torch.where(minus_is_lost, sign * d, s)

    zero = torch.zeros_like(length_plus)
    length_plus = torch.where(plus_is_lost, zero, length_plus)
    length_minus = torch.where(minus_is_lost, zero, length_minus)
    b = 2.0 * torch.atan2(length_plus, length_minus) - 0.5 * math.pi
    return torch.stack((_wrap(s + d), b, _wrap(s - d)), -1)


def _length(x: Tensor, y: Tensor) -> Tensor:
    """hypot(x, y) with gradient zero where both are zero."""
    is_zero = (x == 0) & (y == 0)
    return torch.where(is_zero, torch.zeros_like(x), torch.hypot(torch.where(is_zero, torch.ones_like(x), x), y))


def _angle(x: Tensor, y: Tensor, is_lost: Tensor) -> Tensor:
    """atan2(y, x), zero with gradient zero where the direction is lost."""
    return torch.where(is_lost, torch.zeros_like(x), torch.atan2(y, torch.where(is_lost, torch.ones_like(x), x)))


def _wrap(angle: Tensor) -> Tensor:
    """The angle plus a multiple of 2 pi, in [-pi, pi]."""
    return angle - 2.0 * math.pi * (angle.detach() / (2.0 * math.pi)).round()
