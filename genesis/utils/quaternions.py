"""Rotations under Genesis's names: quaternions (w, x, y, z), matrices, Euler angles, rotation vectors.

Everything here takes torch tensors or numpy arrays and returns the same, batched over leading axes, which broadcast,
and is differentiable for tensors. A quaternion stands for the rotation of any of its multiples; one without length is
the identity, with gradient zero. `out`: an array or tensor that the result is written to.

Euler angles are [rad], or degrees where a function says so. `rpy=False`: about the axes as they turn, first x, then y,
then z, R = Rx Ry Rz; `rpy=True` (roll, pitch, yaw): about the fixed axes in this order, R = Rz Ry Rx.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from torch import Tensor

from genesis.errors import GenesisException
from genesis.math import rotation
from genesis.math.decomposition import nearest_rotation
from genesis.utils.arrays import Argument, takes

_QUAT, _VECTOR, _MATRIX, _NUMBER = Argument(4), Argument(3), Argument(3, 3), Argument(may_be_number=True)


@takes(quat=_QUAT)
def inv_quat(quat: Any) -> Any:
    """Conjugate (w, -x, -y, -z), (..., 4): the inverse of a unit quaternion."""
    return rotation.quat_conj(quat)


@takes(v=_QUAT, u=_QUAT)
def transform_quat_by_quat(v: Any, u: Any) -> Any:
    """Unit quaternion u v, (..., 4): rotate by `v`, then by `u`."""
    return rotation.quat_normalize(rotation.quat_mul(u, v))


@takes(v=_VECTOR, quat=_QUAT)
def transform_by_quat(v: Any, quat: Any) -> Any:
    """Vectors (..., 3) rotated by quaternions (..., 4)."""
    return rotation.quat_rotate(quat, v)


@takes(pos=_VECTOR, quat=_QUAT)
def inv_transform_by_quat(pos: Any, quat: Any) -> Any:
    """Vectors (..., 3) rotated by the inverses of quaternions (..., 4)."""
    return rotation.quat_rotate(rotation.quat_conj(quat), pos)


@takes(pos=_VECTOR, xyz=_VECTOR)
def transform_by_xyz(pos: Any, xyz: Any) -> Any:
    """Vectors (..., 3) rotated by Euler angles (..., 3) [rad], about the axes as they turn."""
    return rotation.quat_rotate(xyz_to_quat(xyz), pos)


@takes(xyz=_VECTOR)
def xyz_to_quat(xyz: Any, rpy: bool = False, degrees: bool = False) -> Any:
    """Unit quaternion (..., 4) of Euler angles (..., 3)."""
    xyz = torch.deg2rad(xyz) if degrees else xyz
    return rotation.xyz_to_quat(xyz) if rpy else rotation.quat_conj(rotation.xyz_to_quat(-xyz))


@takes(quat=_QUAT)
def quat_to_xyz(quat: Any, rpy: bool = False, degrees: bool = False) -> Any:
    """Euler angles (..., 3) of quaternions (..., 4); the middle one within a quarter turn, the others within half.

    Where the middle one is a quarter turn (gimbal lock), the first is zero. The gradient there is that of the third
    along this convention; near it the gradients of both grow, as they must.
    """
    if rpy:
        angles = rotation.quat_to_xyz(quat, zero_at_lock="a")
    else:
        angles = -rotation.quat_to_xyz(rotation.quat_conj(quat), zero_at_lock="a")
    return torch.rad2deg(angles) if degrees else angles


@takes(quat=_QUAT)
def quat_to_R(quat: Any, *, out: Any = None) -> Any:
    """Rotation matrix (..., 3, 3) of quaternions (..., 4)."""
    return rotation.quat_to_mat(quat)


def R_to_quat(R: Any, *, out: Any = None) -> Any:
    """Unit quaternion (..., 4) of rotation matrices (..., 3, 3).

    Of the two, that whose number of largest magnitude (nearly: as Genesis chooses it, for tensors in another way than
    for arrays) is positive.
    """
    return (_R_to_quat_of_arrays if isinstance(R, np.ndarray) else _R_to_quat)(R, out=out)


@takes(R=_MATRIX)
def _R_to_quat(R: Any, *, out: Any = None) -> Any:
    return rotation.mat_to_quat(R)


@takes(R=_MATRIX)
def _R_to_quat_of_arrays(R: Any, *, out: Any = None) -> Any:
    return rotation.mat_to_quat(R, _row_of_arrays)


_R_to_quat.__name__ = _R_to_quat_of_arrays.__name__ = "R_to_quat"


def _row_of_arrays(R: Tensor) -> Tensor:
    xx, yy, zz = R.diagonal(dim1=-2, dim2=-1).unbind(-1)
    return torch.where(zz < 0, torch.where(xx > yy, 1, 2), torch.where(xx < -yy, 3, 0))


@takes(R=_MATRIX)
def R_to_xyz(R: Any, rpy: bool = False, degrees: bool = False) -> Any:
    """Euler angles (..., 3) of rotation matrices (..., 3, 3), as `quat_to_xyz`."""
    return quat_to_xyz(rotation.mat_to_quat(R), rpy=rpy, degrees=degrees)


def euler_to_quat(euler_xyz: Any) -> Any:
    """Unit quaternion (..., 4) of roll, pitch and yaw (..., 3) in degrees: a tensor's, or else a numpy array."""
    given = euler_xyz if isinstance(euler_xyz, torch.Tensor) else np.asarray(euler_xyz)
    return xyz_to_quat(given, rpy=True, degrees=True)


def euler_to_R(euler_xyz: Any) -> Any:
    """Rotation matrix (..., 3, 3) of roll, pitch and yaw (..., 3) in degrees: a tensor's, or else a numpy array."""
    return quat_to_R(euler_to_quat(euler_xyz))


# -- axes and angles --------------------------------------------------------------------------------------------------


@takes(rotvec=_VECTOR)
def rotvec_to_quat(rotvec: Any, out: Any = None) -> Any:
    """Unit quaternion (..., 4) of rotation vectors (..., 3) [rad]; smooth at zero."""
    return rotation.quat_exp(rotvec)


@takes(quat=_QUAT)
def quat_to_rotvec(quat: Any, out: Any = None) -> Any:
    """Rotation vector (..., 3) [rad], of angle up to pi, of quaternions (..., 4); smooth at zero."""
    return rotation.quat_log(quat)


@takes(rotvec=_VECTOR)
def rotvec_to_R(rotvec: Any) -> Any:
    """Rotation matrix (..., 3, 3) of rotation vectors (..., 3) [rad]; smooth at zero."""
    return rotation.quat_to_mat(rotation.quat_exp(rotvec))


@takes(R=_MATRIX)
def R_to_rotvec(R: Any, out: Any = None) -> Any:
    """Rotation vector (..., 3) [rad], of angle up to pi, of rotation matrices (..., 3, 3); smooth at zero."""
    return rotation.quat_log(rotation.mat_to_quat(R))


@takes(angle=_NUMBER, axis=_VECTOR)
def axis_angle_to_quat(angle: Any, axis: Any) -> Any:
    """Unit quaternion (..., 4) of angles (...) [rad] about axes (..., 3) of any length.

    About an axis without length: plus or minus the identity.
    """
    half = 0.5 * angle.unsqueeze(-1)
    xyz = normalize(axis) * half.sin()
    return normalize(torch.cat([half.cos().expand(*xyz.shape[:-1], 1), xyz], -1))


@takes(axis=_VECTOR, theta=_NUMBER)
def axis_angle_to_R(axis: Any, theta: Any) -> Any:
    """Rotation matrix (..., 3, 3) of angles (...) [rad] about axes (..., 3) of any length; of any angle.

    About an axis without length: the identity.
    """
    return rotation.quat_to_mat(axis_angle_to_quat(theta, axis))


@takes(v_a=_VECTOR)
def z_to_quat(v_a: Any, out: Any = None) -> Any:
    """Unit quaternion (..., 4) of the smallest rotation that turns the z axis into the direction of vectors (..., 3).

    Opposite to the z axis: half a turn about y. Of a vector without length: the identity.
    """
    length = torch.linalg.vector_norm(v_a, dim=-1, keepdim=True)
    x, y, z = torch.where(length < torch.finfo(v_a.dtype).eps, _along(v_a, 2), v_a / _above_zero(length)).unbind(-1)
    aside = x * x + y * y
    # 1 + z, without the digits that the sum loses near z = -1
    w = torch.where(z < 0, aside / (1.0 + z.abs()), 1.0 + z)
    q = torch.stack([w, -y, x, torch.zeros_like(w)], -1)
    opposite = (aside < torch.finfo(v_a.dtype).tiny) & (z < 0)
    return rotation.quat_normalize(torch.where(opposite.unsqueeze(-1), _along(q, 2), q))


@takes(v_a=_VECTOR)
def z_to_R(v_a: Any, out: Any = None) -> Any:
    """Rotation matrix (..., 3, 3) of `z_to_quat`."""
    return rotation.quat_to_mat(z_to_quat(v_a))


def _along(like: Tensor, axis: int) -> Tensor:
    """Unit vectors along an axis."""
    out = torch.zeros_like(like)
    out[..., axis] = 1.0
    return out


def _above_zero(length: Tensor) -> Tensor:
    return torch.where(length > 0, length, 1.0)


# -- other ------------------------------------------------------------------------------------------------------------


@takes(x=Argument(-1))
def normalize(x: Any, eps: float = 1e-12) -> Any:
    """Vectors (..., n) divided by their lengths, or by `eps` where they are shorter."""
    return x / torch.linalg.vector_norm(x, dim=-1, keepdim=True).clamp_min(eps)


@takes(d6=Argument(6))
def rot6d_to_R(d6: Any) -> Any:
    """Rotation matrix (..., 3, 3) of six numbers (..., 6): its first two rows, made orthonormal one after the other.

    Y. Zhou et al., On the continuity of rotation representations in neural networks, CVPR 2019. Differentiable where
    the two are not parallel.
    """
    first, second = normalize(d6[..., :3]), d6[..., 3:]
    second = normalize(second - (first * second).sum(-1, keepdim=True) * first)
    return torch.stack([first, second, torch.linalg.cross(first, second)], -2)


@takes(R=_MATRIX)
def R_to_rot6d(R: Any) -> Any:
    """The first two rows (..., 6) of rotation matrices (..., 3, 3)."""
    return R[..., :2, :].flatten(-2).clone()


@takes(q0=_QUAT, q1=_QUAT, t=Argument(may_be_number=True, leads=False))
def slerp(q0: Any, q1: Any, t: Any) -> Any:
    """Unit quaternion (..., 4) at the part `t` of the shorter way from `q0` to `q1`, at constant speed.

    `t`: a number, or one for each, (...) or (..., 1). Smooth where the two are equal.
    """
    shape = torch.broadcast_shapes(q0.shape[:-1], q1.shape[:-1])
    if t.numel() == math.prod(shape):
        t = t.reshape(shape)
    elif t.ndim:
        raise GenesisException(f"slerp: `t` has shape {tuple(t.shape)}; expected a number, or {tuple(shape)}.")
    return rotation.quat_slerp(q0, q1, t)


@takes(A=Argument(-1, -1))
def polar(A: Any, pure_rotation: bool = True, side: str = "right") -> Any:
    """Polar decomposition of matrices (..., m, n): orthogonal U (..., m, n) and symmetric P.

    `side="right"`: A = U P, P (..., n, n); "left": A = P U, P (..., m, m). P has no negative eigenvalue, but with
    `pure_rotation` of a square matrix with negative determinant: then U is the nearest rotation, and the smallest
    eigenvalue of P is negative, so that the product is A still. Differentiable where A has full rank, equal
    singular values included.
    """
    if side not in ("right", "left"):
        raise GenesisException(f'polar: `side` is {side!r}; expected "right" or "left".')
    U = nearest_rotation(A, pure_rotation)
    P = U.mT @ A if side == "right" else A @ U.mT
    return U, 0.5 * (P + P.mT)
