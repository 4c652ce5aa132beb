"""States and their tangent space, in torch: batched over leading dimensions and differentiable.

A state is (qpos, qvel, act), nx = nq + nv + na numbers; a small change of it is (dq, dv, dact), ndx = 2 nv + na numbers
in the order of `mjd_transitionFD`. Past controls of actuators with a history, and where plastic springs rest, count as
activations. Rotations of ball and free joints change by a rotation vector in the link's frame, q' = q exp(dq / 2), as
in `mj_integratePos` and `mj_differentiatePos`.
"""

import mujoco
import numpy as np
import torch

from genesis.math.rotation import quat_conj, quat_exp, quat_log, quat_mul, quat_normalize
from genesis.model import plastic


class Tangent:
    """The tangent space of a model's states."""

    def __init__(self, mj_model: mujoco.MjModel) -> None:
        self.nq, self.nv = mj_model.nq, mj_model.nv
        self.na = plastic.end(mj_model)
        self.nx, self.ndx = self.nq + self.nv + self.na, 2 * self.nv + self.na
        kinds = mujoco.mjtJoint
        straight_q, straight_v, quats, turns = [], [], [], []
        for kind, q, v in zip(mj_model.jnt_type, mj_model.jnt_qposadr, mj_model.jnt_dofadr, strict=True):
            if kind in (int(kinds.mjJNT_FREE), int(kinds.mjJNT_BALL)):
                moved = 3 if kind == int(kinds.mjJNT_FREE) else 0
                straight_q += range(q, q + moved)
                straight_v += range(v, v + moved)
                quats.append(q + moved)
                turns.append(v + moved)
            else:
                straight_q.append(q)
                straight_v.append(v)
        rest = np.arange(self.nv + self.na)
        # Columns of a state, and of a change of it, where the change is simply added.
        self._x = torch.as_tensor(np.concatenate([straight_q, self.nq + rest]).astype(np.int64), device="cpu")
        self._dx = torch.as_tensor(np.concatenate([straight_v, self.nv + rest]).astype(np.int64), device="cpu")
        self._quat = torch.as_tensor(np.array(quats, dtype=np.int64)[:, None] + np.arange(4), device="cpu")
        self._turn = torch.as_tensor(np.array(turns, dtype=np.int64)[:, None] + np.arange(3), device="cpu")
        self.flat = not quats  # whether a change of state is simply added

    def integrate(self, x: torch.Tensor, dx: torch.Tensor) -> torch.Tensor:
        """``x`` (..., nx) moved by ``dx`` (..., ndx) (MuJoCo: mj_integratePos). Quaternions keep their length."""
        if self.flat:
            return x + dx
        lead = torch.broadcast_shapes(x.shape[:-1], dx.shape[:-1])
        moved = x.expand(*lead, self.nx).clone()
        moved[..., self._x] = x[..., self._x] + dx[..., self._dx]
        moved[..., self._quat] = quat_mul(x[..., self._quat], quat_exp(dx[..., self._turn]))
        return moved

    def difference(self, start: torch.Tensor, end: torch.Tensor) -> torch.Tensor:
        """The ``dx`` (..., ndx) that moves ``start`` to ``end``, both (..., nx) (MuJoCo: mj_differentiatePos)."""
        if self.flat:
            return end - start
        lead = torch.broadcast_shapes(start.shape[:-1], end.shape[:-1])
        dx = torch.zeros((*lead, self.ndx), dtype=start.dtype, device=start.device)
        dx[..., self._dx] = end[..., self._x] - start[..., self._x]
        between = quat_mul(quat_conj(quat_normalize(start[..., self._quat])), quat_normalize(end[..., self._quat]))
        dx[..., self._turn] = quat_log(between)
        return dx

    def tangent(self, x: torch.Tensor) -> torch.Tensor:
        """Derivative (..., nx, ndx) of `integrate` by ``dx`` at zero."""
        matrix = torch.zeros((*x.shape[:-1], self.nx, self.ndx), dtype=x.dtype, device=x.device)
        matrix[..., self._x, self._dx] = 1.0
        if not self.flat:
            matrix[..., self._quat[:, :, None], self._turn[:, None, :]] = 0.5 * self._right_products(x)
        return matrix

    def cotangent(self, x: torch.Tensor) -> torch.Tensor:
        """Derivative (..., ndx, nx) of ``difference(x, end)`` by ``end`` at ``x``."""
        matrix = torch.zeros((*x.shape[:-1], self.ndx, self.nx), dtype=x.dtype, device=x.device)
        matrix[..., self._dx, self._x] = 1.0
        if not self.flat:
            squared = x[..., self._quat].square().sum(-1)[..., None, None]
            products = self._right_products(x).transpose(-1, -2)
            matrix[..., self._turn[:, :, None], self._quat[:, None, :]] = 2.0 * products / squared
        return matrix

    def _right_products(self, x: torch.Tensor) -> torch.Tensor:
        """q (0, e_k) for the three axes e_k: (..., quaternions, 4, 3)."""
        w, a, b, c = x[..., self._quat].unbind(-1)
        rows = [(-a, -b, -c), (w, -c, b), (c, w, -a), (-b, a, w)]
        return torch.stack([torch.stack(row, -1) for row in rows], -2)
