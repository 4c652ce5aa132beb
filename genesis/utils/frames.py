"""Frames and their transforms under Genesis's names: translations, rotations and 4 x 4 matrices.

Everything here takes torch tensors or numpy arrays and returns the same, batched over leading axes, which broadcast,
and is differentiable for tensors. `T` (..., 4, 4): the rotation in `T[..., :3, :3]`, the translation in
`T[..., :3, 3]`; a point p of the frame is at R p + t. `out`: an array or tensor that the result is written to.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from genesis.errors import GenesisException
from genesis.math import rotation
from genesis.utils.arrays import Argument, takes
from genesis.utils.quaternions import R_to_quat, transform_by_quat, transform_quat_by_quat

_QUAT, _VECTOR, _MATRIX, _FRAME = Argument(4), Argument(3), Argument(3, 3), Argument(4, 4)
# Points of which each frame has one, or a list: their axes are looked at where they are used.
_POINTS = Argument(3, leads=False)


# -- by a translation and a quaternion --------------------------------------------------------------------------------


@takes(pos=_VECTOR, trans=_VECTOR, quat=_QUAT)
def transform_by_trans_quat(pos: Any, trans: Any, quat: Any) -> Any:
    """Points (..., 3) of frames at `trans` (..., 3), turned by `quat` (..., 4)."""
    return rotation.quat_rotate(quat, pos) + trans


@takes(pos=_VECTOR, trans=_VECTOR, quat=_QUAT)
def inv_transform_by_trans_quat(pos: Any, trans: Any, quat: Any) -> Any:
    """Points (..., 3) as frames at `trans` (..., 3), turned by `quat` (..., 4), have them."""
    return rotation.quat_rotate(rotation.quat_conj(quat), pos - trans)


@takes(pos=_VECTOR, quat=_QUAT, t_trans=_VECTOR, t_quat=_QUAT)
def transform_pos_quat_by_trans_quat(pos: Any, quat: Any, t_trans: Any, t_quat: Any) -> tuple[Any, Any]:
    """Poses (position (..., 3), quaternion (..., 4)) of frames at `t_trans`, turned by `t_quat`."""
    return rotation.quat_rotate(t_quat, pos) + t_trans, transform_quat_by_quat(quat, t_quat)


@takes(pos=_VECTOR, quat=_QUAT, t_trans=_VECTOR, t_quat=_QUAT)
def inv_transform_pos_quat_by_trans_quat(pos: Any, quat: Any, t_trans: Any, t_quat: Any) -> tuple[Any, Any]:
    """Poses (position (..., 3), quaternion (..., 4)) as frames at `t_trans`, turned by `t_quat`, have them."""
    inverse = rotation.quat_conj(t_quat)
    return transform_by_quat(pos - t_trans, inverse), transform_quat_by_quat(quat, inverse)


# -- by matrices ------------------------------------------------------------------------------------------------------


@takes(pos=_POINTS, R=Argument(3, 3, leads=False))
def transform_by_R(pos: Any, R: Any) -> Any:
    """Points rotated by matrices `R` (..., 3, 3): one for each, (..., 3), or a list for each, (..., n, 3)."""
    _check_points("transform_by_R", pos, R)
    return _turned(pos, R)


@takes(pos=_POINTS, trans=Argument(3, leads=False), R=Argument(3, 3, leads=False))
def transform_by_trans_R(pos: Any, trans: Any, R: Any) -> Any:
    """The same, and moved by `trans` (..., 3)."""
    _check_points("transform_by_trans_R", pos, R, trans)
    return _turned(pos, R) + (trans.unsqueeze(-2) if trans.ndim < pos.ndim else trans)


@takes(pos=_POINTS, T=Argument(4, 4, leads=False))
def transform_by_T(pos: Any, T: Any) -> Any:
    """Points of frames `T` (..., 4, 4): one for each, (..., 3), or a list for each, (..., n, 3)."""
    R, trans = T[..., :3, :3], T[..., :3, 3]
    _check_points("transform_by_T", pos, R, trans)
    return _turned(pos, R) + (trans.unsqueeze(-2) if trans.ndim < pos.ndim else trans)


@takes(pos=_POINTS, T=Argument(4, 4, leads=False))
def inv_transform_by_T(pos: Any, T: Any) -> Any:
    """Points as frames `T` (..., 4, 4) have them: one for each, (..., 3), or a list for each, (..., n, 3)."""
    R, trans = T[..., :3, :3], T[..., :3, 3]
    _check_points("inv_transform_by_T", pos, R, trans)
    return _turned(pos - (trans.unsqueeze(-2) if trans.ndim < pos.ndim else trans), R.mT)


def _turned(pos: Tensor, R: Tensor) -> Tensor:
    if pos.ndim < R.ndim:
        return (R @ pos.unsqueeze(-1)).squeeze(-1)
    return pos @ R.mT


def _check_points(owner: str, pos: Tensor, R: Tensor, trans: Tensor | None = None) -> None:
    batches = [pos.shape[:-1] if pos.ndim < R.ndim else pos.shape[:-2], R.shape[:-2]]
    if trans is not None:
        batches.append(trans.shape[:-1])
    try:
        torch.broadcast_shapes(*batches)
    except RuntimeError:
        raise GenesisException(
            f"{owner}: the points have shape {tuple(pos.shape)}, the frames {tuple(batches[1])}: expected a point for "
            f"each, {(*batches[1], 3)}, or a list for each, {(*batches[1], 'n', 3)}."
        ) from None


# -- matrices ---------------------------------------------------------------------------------------------------------


def _frame(trans: Tensor | None, R: Tensor | None) -> Tensor:
    """4 x 4 matrices of translations (..., 3) and 3 x 3 matrices (..., 3, 3)."""
    like = trans if trans is not None else R
    assert like is not None
    batch = torch.broadcast_shapes(
        *([] if trans is None else [trans.shape[:-1]]), *([] if R is None else [R.shape[:-2]])
    )
    above = like.new_zeros(3, 1) if trans is None else trans.unsqueeze(-1)
    left = torch.eye(3, dtype=like.dtype, device=like.device) if R is None else R
    below = like.new_zeros(1, 4)
    below[0, 3] = 1.0
    rows = torch.cat([left.expand(*batch, 3, 3), above.expand(*batch, 3, 1)], -1)
    return torch.cat([rows, below.expand(*batch, 1, 4)], -2)


@takes(trans=Argument(3, may_be_none=True), R=Argument(3, 3, may_be_none=True))
def trans_R_to_T(trans: Any = None, R: Any = None, *, out: Any = None) -> Any:
    """4 x 4 matrices (..., 4, 4) of translations (..., 3) and rotations (..., 3, 3); None: none."""
    return _frame(trans, R)


@takes(trans=Argument(3, may_be_none=True), quat=Argument(4, may_be_none=True))
def trans_quat_to_T(trans: Any = None, quat: Any = None, *, out: Any = None) -> Any:
    """4 x 4 matrices (..., 4, 4) of translations (..., 3) and quaternions (..., 4); None: none."""
    return _frame(trans, None if quat is None else rotation.quat_to_mat(quat))


@takes(R=_MATRIX)
def R_to_T(R: Any, *, out: Any = None) -> Any:
    """4 x 4 matrices (..., 4, 4) of rotations (..., 3, 3)."""
    return _frame(None, R)


@takes(trans=_VECTOR)
def trans_to_T(trans: Any, *, out: Any = None) -> Any:
    """4 x 4 matrices (..., 4, 4) of translations (..., 3)."""
    return _frame(trans, None)


@takes(scale=_VECTOR)
def scale_to_T(scale: Any) -> Any:
    """4 x 4 matrices (..., 4, 4) that scale by (..., 3) along the axes."""
    return _frame(None, torch.diag_embed(scale))


@takes(T=_FRAME)
def inv_T(T: Any) -> Any:
    """Inverses (..., 4, 4) of frames."""
    R = T[..., :3, :3].mT
    return _frame(-(R @ T[..., :3, 3:]).squeeze(-1), R)


@takes(T=_FRAME)
def T_to_trans(T: Any) -> Any:
    """Translations (..., 3) of frames (..., 4, 4)."""
    return T[..., :3, 3].clone()


def T_to_quat(T: Any) -> Any:
    """Unit quaternions (..., 4) of frames (..., 4, 4); see `R_to_quat`."""
    return R_to_quat(_rotation(T))


def T_to_trans_quat(T: Any) -> tuple[Any, Any]:
    """Translations (..., 3) and unit quaternions (..., 4) of frames (..., 4, 4)."""
    return T_to_trans(T), T_to_quat(T)


@takes(T=_FRAME)
def _rotation(T: Any) -> Any:
    return T[..., :3, :3]


@takes(inertia_tensor=_MATRIX, T=_FRAME, mass=Argument(may_be_number=True))
def transform_inertia_by_T(inertia_tensor: Any, T: Any, mass: Any) -> Any:
    """Rotational inertia (..., 3, 3) [kg m^2] about the origin, of a body whose inertia about its centre of mass, in a
    frame `T` there (..., 4, 4), is `inertia_tensor`. `mass` (...) [kg]."""
    R, t = T[..., :3, :3], T[..., :3, 3]
    eye = torch.eye(3, dtype=t.dtype, device=t.device)
    offset = (t * t).sum(-1)[..., None, None] * eye - t.unsqueeze(-1) * t.unsqueeze(-2)
    return R @ inertia_tensor @ R.mT + mass[..., None, None] * offset


# -- cameras ----------------------------------------------------------------------------------------------------------


@takes(z=_VECTOR, up=Argument(3, may_be_none=True))
def z_up_to_R(z: Any, up: Any = None, out: Any = None) -> Any:
    """Rotation matrices (..., 3, 3) whose third axis is along `z` (..., 3) and whose first is `up` x `z`.

    `up` None: the world's z axis, downwards, or y where `z` is along that. Of a `z` without length: along y (along the
    world's z where `up` is nearly y). Where `up` is along `z`: the identity. Gradients are zero in these places.
    """
    eps = torch.finfo(z.dtype).eps
    length = torch.linalg.vector_norm(z, dim=-1, keepdim=True)
    lost = length < eps
    z = z / torch.where(lost, 1.0, length)
    axis_y, axis_z = z.new_tensor([0.0, 1.0, 0.0]), z.new_tensor([0.0, 0.0, 1.0])
    if up is None:
        z = torch.where(lost, axis_y, z)
        steep = z[..., 2:].abs() >= 1.0 - eps
        # Genesis's signs: z x (0, 0, 1), but (0, 1, 0) x z.
        first, second = torch.where(steep, axis_y, z), torch.where(steep, z, axis_z)
        x = torch.linalg.cross(first, second)
    else:
        z, up = torch.broadcast_tensors(z, up)
        z = torch.where(lost, torch.where(up[..., 1:2].abs() < 0.5, axis_y, axis_z), z)
        x = torch.linalg.cross(up, z)
    across = torch.linalg.vector_norm(x, dim=-1, keepdim=True)
    along = across < eps
    x = x / torch.where(along, 1.0, across)
    R = torch.stack([x, torch.linalg.cross(z, x), z], -1)
    return torch.where(along.unsqueeze(-1), torch.eye(3, dtype=z.dtype, device=z.device), R)


@takes(pos=_VECTOR, lookat=_VECTOR, up=Argument(3, may_be_none=True))
def pos_lookat_up_to_T(pos: Any, lookat: Any, up: Any) -> Any:
    """Frames (..., 4, 4) of cameras at `pos`, whose negative third axis goes to `lookat`; see `z_up_to_R`."""
    return _frame(pos, z_up_to_R(pos - lookat, up))


@takes(T=_FRAME)
def T_to_pos_lookat_up(T: Any) -> tuple[Any, Any, Any]:
    """Of the frame of a camera (..., 4, 4): where it is, a point at distance one that it looks at, its second axis."""
    pos = T[..., :3, 3]
    return pos.clone(), pos - T[..., :3, 2], T[..., :3, 1].clone()


def compute_camera_angle(camera_pos: Any, camera_lookat: Any) -> np.ndarray:
    """Angles [rad] about the vertical (y), and above the horizontal plane, at which a camera sees a point; and zero.

    Takes sequences of three numbers; a numpy array (3,).
    """
    x, y, z = np.asarray(camera_lookat) - np.asarray(camera_pos)
    return np.array([np.arctan2(-x, -z), np.arctan2(y, np.hypot(x, z)), 0.0])


@takes(theta=Argument(), phi=Argument())
def spherical_to_cartesian(theta: Any, phi: Any) -> Any:
    """Unit vectors (..., 3) of angles `theta` from x towards y, and `phi` above that plane [rad], (...)."""
    return torch.stack([theta.cos() * phi.cos(), theta.sin() * phi.cos(), phi.sin().expand_as(theta * phi)], -1)
