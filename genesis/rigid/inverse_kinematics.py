"""Inverse kinematics of many rows (envs) at once: which frames and dofs take part, and the launch of the kernel.

Nothing here is compiled for a program that does not ask for it.
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import warp as wp

from genesis import runtime
from genesis.model.arrays import JNT_BALL, JNT_FREE, Model
from genesis.rigid.door import native
from genesis.rigid.kernels import inverse_kinematics as kernels
from genesis.rigid.kernels import targets
from genesis.types import load_kernels, real

_DOFS = {JNT_FREE: 6, JNT_BALL: 3}
# Rows below which a second thread costs more than it saves.
_WORTH_A_THREAD = 16
# Pieces that each thread gets, so that one with harder rows does not keep the others waiting.
_PIECES = 8
# Damping that always stays, so that dependent rows of J have a solution; |e|^2 / 2 below which it is rounding error.
_FLOOR = {torch.float64: 1e-10, torch.float32: 1e-6}
_LEAST = {torch.float64: 1e-29, torch.float32: 1e-13}


@dataclass(frozen=True)
class Settings:
    """How hard to try; see `RigidEntity.inverse_kinematics`, whose arguments they are."""

    max_samples: int
    max_iterations: int
    damping: float
    pos_tol: float
    rot_tol: float
    max_step: float
    seed: int


@dataclass(frozen=True)
class Task:
    """What is wanted of R rows and T targets.

    Attributes:
        pos, point: (R, T, 3) [m], in the world, and in the link's frame
        quat: (R, T, 4), unit
        qpos: (R, nq of the entity), the first start
        lower, upper: (R, columns) limits; infinite where none is
        env: (R,) int32, number of each row's env in the scene
    """

    pos: torch.Tensor
    quat: torch.Tensor
    point: torch.Tensor
    qpos: torch.Tensor
    lower: torch.Tensor
    upper: torch.Tensor
    env: torch.Tensor


@dataclass(frozen=True)
class Solution:
    """Of R rows.

    Attributes:
        qpos: (R, nq of the entity)
        error: (R, rows of the error): what is missing at qpos
        jacobian: (R, rows of the error, columns) at qpos
        success: (R,) bool, whether the tolerances are met
    """

    qpos: torch.Tensor
    error: torch.Tensor
    jacobian: torch.Tensor
    success: torch.Tensor


class Reach:
    """The links that are to be somewhere, and the dofs that may move for it.

    Args:
        bodies: MuJoCo's number of each target's link
        dofs: numbers in the scene of the dofs that may move
        q_start: of the entity's first q
        rows: (T, 6) bool, which components of each target's error count: position in the world, rotation about the
            link's axes
        axis: the one axis of the link whose direction counts; -1: all of the orientation

    Attributes:
        columns: numbers in the scene of those dofs that move a target, (columns,)
        rows: (T, 6) int, place of each component in the error; -1: it does not count
        n_rows: components of the error
        rows_adjacent: whether the same number of neighbouring rows is adjacent in the scratch space, as CUDA wants it,
            instead of a row's numbers
    """

    def __init__(
        self, model: Model, bodies: list[int], dofs: np.ndarray, q_start: int, rows: np.ndarray, axis: int
    ) -> None:
        self._model, self._axis = model, axis
        m, index = model.mj_model, model.indices
        parent, order = index["frame_parent"], index["frame_order"]
        chains = [_ancestors(parent, body) for body in bodies]
        needed = set().union(*chains)
        frames = [int(f) for f in order if int(f) in needed]
        place = {f: k for k, f in enumerate(frames)}
        joints = index["frame_jnt"][frames]
        may_move = set(dofs.tolist())
        columns: list[int] = []
        of_frames = np.full((len(frames), 6), -1)
        for k, j in enumerate(joints):
            for c in range(_DOFS.get(int(m.jnt_type[j]), 1) if j >= 0 else 0):
                dof = int(m.jnt_dofadr[j]) + c
                if dof in may_move:
                    of_frames[k, c] = len(columns)
                    columns.append(dof)
        has_joint = joints >= 0
        moves = np.array([[f in chain for f in frames] for chain in chains]) & has_joint
        q = np.where(has_joint, m.jnt_qposadr[joints], 0) if m.njnt else np.zeros(len(frames), dtype=int)
        first = index["frame_first"][frames]
        body = index["frame_body"][frames]
        self.columns = np.array(columns, dtype=np.int64)
        self.rows = np.where(rows, np.cumsum(rows.ravel()).reshape(rows.shape) - 1, -1)
        self.n_rows = int(rows.sum())
        self._lists: dict[str, np.ndarray] = {
            "frame_parent": np.array([place.get(int(parent[f]), -1) for f in frames]),
            "frame_body": body,
            "frame_jnt": joints,
            "frame_first": first,
            "frame_type": np.where(has_joint, m.jnt_type[joints], -1) if m.njnt else np.full(len(frames), -1),
            "frame_q": np.where(has_joint, q - q_start, -1),
            "frame_mocap": index["body_mocapid"][body],
            "frame_column": of_frames,
            "target_frame": np.array([place[b] for b in bodies]),
            "moves": moves,
        }
        self._qpos0 = np.where(has_joint, m.qpos0[q], 0.0) if m.nq else np.zeros(len(frames))
        self._n_frames = len(frames)
        self._device = wp.device_from_torch(runtime.device)
        self.rows_adjacent = bool(self._device.is_cuda)
        self._chain = self._made_chain()
        self._row = wp.array(self.rows.astype(np.int32), dtype=wp.int32, device=self._device)
        load_kernels(self._device, [kernels.inverse_kinematics])

    @property
    def n_columns(self) -> int:
        """Dofs that move a target."""
        return len(self.columns)

    def solve(self, task: Task, settings: Settings, theta: torch.Tensor, mocap: torch.Tensor) -> Solution:
        """The best solution that is found of each row.

        ``theta``: (1 or N, ntheta); ``mocap``: poses of mocap bodies, (1 or N, 7 nmocap); N: envs of the scene.
        """
        n, n_qs = task.qpos.shape
        m, k = self.n_rows, self.n_columns
        places, width = self._places(n_qs)
        found = Solution(
            torch.empty_like(task.qpos),
            task.qpos.new_empty((n, m)),
            task.qpos.new_empty((n, m, k)),
            torch.zeros(n, dtype=torch.int32, device=task.qpos.device),
        )
        if not n:
            return Solution(found.qpos, found.error, found.jacobian, found.success.bool())
        scratch = task.qpos.new_empty((width, n)).T if self.rows_adjacent else task.qpos.new_empty((n, width))
        arguments = [
            self._chain,
            self._goal(task),
            self._bounds(task),
            self._search(settings, task.qpos.dtype),
            places,
            _matrix(theta),
            _matrix(mocap),
            _matrix(scratch, as_is=True),
            _matrix(found.qpos),
            _matrix(found.error),
            _matrix(found.jacobian.view(n, m * k)),
            wp.from_torch(found.success, dtype=wp.int32),
        ]
        if self._device.is_cpu:
            self._share_out(n, arguments)
        else:
            stream = wp.stream_from_torch(torch.cuda.current_stream())
            self._launch(0, n, arguments, stream)
        return Solution(found.qpos, found.error, found.jacobian, found.success.bool())

    def _share_out(self, n: int, arguments: list[Any]) -> None:
        """Rows on the CPU, among threads."""
        threads = min(runtime.num_threads, os.cpu_count() or 1, n // _WORTH_A_THREAD)
        if threads < 2:
            self._launch(0, n, arguments, None)
            return
        bounds = [n * i // (threads * _PIECES) for i in range(threads * _PIECES + 1)]
        with ThreadPoolExecutor(threads, thread_name_prefix="genesis-ik") as pool:
            for _ in pool.map(
                lambda i: self._launch(bounds[i], bounds[i + 1] - bounds[i], arguments, None), range(len(bounds) - 1)
            ):
                pass

    def _launch(self, first: int, count: int, arguments: list[Any], stream: Any) -> None:
        wp.launch(
            kernels.inverse_kinematics,
            dim=count,
            inputs=[first, *arguments],
            device=self._device,
            stream=stream,
            record_tape=False,
        )

    # -- arguments ----------------------------------------------------------------------------------------------------

    def _made_chain(self) -> Any:
        chain = targets.Chain()
        for name, values in self._lists.items():
            setattr(chain, name, wp.array(np.ascontiguousarray(values, np.int32), dtype=wp.int32, device=self._device))
        chain.frame_qpos0 = wp.array(self._qpos0.astype(runtime.np_float), dtype=real, device=self._device)
        fields = self._model.theta_fields
        for name in ("body_pos", "body_quat", "jnt_pos", "jnt_axis"):
            setattr(chain, name, fields[name].offset)
        return chain

    def _goal(self, task: Task) -> Any:
        goal = targets.Goal()
        n = task.pos.shape[0]
        goal.pos, goal.quat, goal.point = (
            _matrix(values.reshape(n, -1)) for values in (task.pos, task.quat, task.point)
        )
        goal.row, goal.axis = self._row, self._axis
        return goal

    def _bounds(self, task: Task) -> Any:
        bounds = kernels.Bounds()
        bounds.env = wp.from_torch(task.env, dtype=wp.int32)
        bounds.qpos, bounds.lower, bounds.upper = _matrix(task.qpos), _matrix(task.lower), _matrix(task.upper)
        return bounds

    def _search(self, settings: Settings, dtype: torch.dtype) -> Any:
        search = targets.Search()
        search.max_samples, search.max_iterations = settings.max_samples, settings.max_iterations
        search.seed = settings.seed
        search.damping, search.max_step = settings.damping, settings.max_step
        search.pos_tol, search.rot_tol = settings.pos_tol, settings.rot_tol
        search.floor, search.least = _FLOOR[dtype], _LEAST[dtype]
        return search

    def _places(self, n_qs: int) -> tuple[Any, int]:
        """Where a row's numbers are in the scratch space, and how many they are."""
        m, k = self.n_rows, self.n_columns
        names = ("q", "trial", "error", "trial_error", "J", "A", "y", "dq", "fixed")
        sizes = (n_qs, n_qs, m, m, m * k, m * m, m, k, k)
        places, at = kernels.Places(), targets.FRAME * self._n_frames
        for name, size in zip(names, sizes, strict=True):
            setattr(places, name, at)
            at += size
        return places, at


def _ancestors(parent: np.ndarray, body: int) -> set[int]:
    """The frame of a body and those before it, the world's excluded."""
    found = set()
    while body > 0:
        found.add(body)
        body = int(parent[body])
    return found


def _matrix(values: torch.Tensor, as_is: bool = False) -> wp.array:
    values = values.detach()
    return wp.from_torch(values if as_is else native(values), dtype=real)
