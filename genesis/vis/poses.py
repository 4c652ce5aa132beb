"""Where cameras are and what they look at, as transforms."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from genesis.errors import GenesisException

_LEAST = 1e-10  # a direction shorter than this is none


def numbers(value: Any, shape: tuple[int, ...], name: str, owner: str, batch: bool = True) -> np.ndarray:
    """`value` as float64, of that shape, or with one more axis before it; `GenesisException` for anything else."""
    try:
        array = np.array(value.detach().cpu().numpy() if isinstance(value, torch.Tensor) else value, dtype=np.float64)
    except (TypeError, ValueError, RuntimeError):
        array = np.full((), np.nan)
    fits = array.shape == shape or (batch and array.ndim == len(shape) + 1 and array.shape[1:] == shape)
    if not fits or not np.isfinite(array).all():
        more = f", or (N, {', '.join(map(str, shape))})" if batch else ""
        raise GenesisException(f"{owner}: `{name}` is {value!r}; expected finite numbers of shape {shape}{more}.")
    return array


def look_at(pos: np.ndarray, lookat: np.ndarray, up: np.ndarray, owner: str) -> np.ndarray:
    """Transform ([N,] 4, 4) of a camera at `pos` that sees `lookat`: it looks along its -z axis, and y is up."""
    pos, lookat, up = np.broadcast_arrays(pos, lookat, up)
    z = pos - lookat
    distance = np.linalg.norm(z, axis=-1, keepdims=True)
    if (distance < _LEAST).any():
        raise GenesisException(f"{owner}: the camera is where it looks at, {lookat.tolist()}; move one of them.")
    z = z / distance
    x = np.cross(up, z)
    # Straight up or down, `up` says nothing: x stays as near as can be to what it is a little beside.
    beside = np.cross(np.where(np.abs(z[..., 1:2]) < 0.9, [0.0, 1.0, 0.0], [1.0, 0.0, 0.0]), z)
    x = np.where(np.linalg.norm(x, axis=-1, keepdims=True) < _LEAST, beside, x)
    x = x / np.linalg.norm(x, axis=-1, keepdims=True)
    transform = np.zeros((*pos.shape[:-1], 4, 4))
    transform[..., :3, :3] = np.stack((x, np.cross(z, x), z), axis=-1)
    transform[..., :3, 3] = pos
    transform[..., 3, 3] = 1.0
    return transform


def rotation_of(quat: np.ndarray) -> np.ndarray:
    """Matrices ([N,] 3, 3) of unit quaternions ([N,] 4), (w, x, y, z)."""
    w, x, y, z = np.moveaxis(quat, -1, 0)
    rows = (
        (1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)),
        (2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)),
        (2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)),
    )
    return np.stack([np.stack(row, axis=-1) for row in rows], axis=-2)


def quat_of(rotation: np.ndarray) -> np.ndarray:
    """Unit quaternions ([N,] 4), w >= 0, of rotation matrices ([N,] 3, 3): the largest of four forms that are equal."""
    m = rotation
    xx, yy, zz = m[..., 0, 0], m[..., 1, 1], m[..., 2, 2]
    a, b, c = m[..., 2, 1] - m[..., 1, 2], m[..., 0, 2] - m[..., 2, 0], m[..., 1, 0] - m[..., 0, 1]
    p, q, r = m[..., 0, 1] + m[..., 1, 0], m[..., 0, 2] + m[..., 2, 0], m[..., 1, 2] + m[..., 2, 1]
    forms = np.stack(
        (
            np.stack((1 + xx + yy + zz, a, b, c), -1),
            np.stack((a, 1 + xx - yy - zz, p, q), -1),
            np.stack((b, p, 1 - xx + yy - zz, r), -1),
            np.stack((c, q, r, 1 - xx - yy + zz), -1),
        ),
        axis=-2,
    )
    best = np.argmax(np.linalg.norm(forms, axis=-1), axis=-1)
    quat = np.take_along_axis(forms, best[..., None, None], axis=-2)[..., 0, :]
    quat = quat / np.linalg.norm(quat, axis=-1, keepdims=True)
    return np.where(quat[..., :1] < 0, -quat, quat)
