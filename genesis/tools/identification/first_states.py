"""States to begin a fit with: what the log says of positions and velocities, else what a simulation says."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch

from genesis import runtime
from genesis.errors import GenesisException
from genesis.tools.identification.outputs import numbers_of

if TYPE_CHECKING:
    from genesis.tools.identification.recording import Recording
    from genesis.tools.identification.shooting import Piece, Windows

# Samples of a channel, about the time that is asked for, through which a parabola is laid.
_N_FITTED = 7


class Channels:
    """Which channels of a recording tell a q or a dof directly.

    Attributes:
        q: number of the q in the state -> (output, column)
        v: the same of dofs
    """

    def __init__(self, recording: Recording) -> None:
        self._recording = recording
        self.q: dict[int, tuple[int, int]] = {}
        self.v: dict[int, tuple[int, int]] = {}
        self.quaternions: list[tuple[int, int]] = []  # first q, first dof
        for entity in recording.scene.entities:
            for joint in entity.joints:
                if joint.type in ("free", "ball"):
                    shift = 3 if joint.type == "free" else 0
                    self.quaternions.append((_first_q(entity, joint) + shift, _first_dof(entity, joint) + shift))
        for k, (output, quantity) in enumerate(zip(recording.outputs, recording.quantities, strict=True)):
            if not quantity:
                continue
            for column, label in enumerate(output.labels):
                self._enter(k, column, label, quantity)

    def _enter(self, k: int, column: int, label: str, quantity: str) -> None:
        entity = max(
            (e for e in self._recording.scene.entities if label.startswith(f"{e.name}.")), key=lambda e: len(e.name)
        )
        place = next(
            i
            for i, n in enumerate(numbers_of(entity, quantity))
            if f"{entity.name}.{quantity}[{n.part}]" + (f".{n.component}" if n.component else "") == label
        )
        if quantity == "qpos":
            self.q.setdefault(entity.q_start + place, (k, column))
        elif quantity == "dofs_velocity":
            self.v.setdefault(entity.dof_start + place, (k, column))
        elif quantity == "dofs_position":
            joint, within = _joint_of(entity, place)
            if joint.n_dofs == 1 or (joint.type == "free" and within < 3):
                self.q.setdefault(_first_q(entity, joint) + within, (k, column))
        elif quantity in ("links_pos", "links_quat") and entity.is_free:
            width = 3 if quantity == "links_pos" else 4
            if place < width:  # of the base link
                self.q.setdefault(entity.q_start + (place if width == 3 else 3 + place), (k, column))

    def fit(self, x: np.ndarray, rows: slice, time: float, nq: int, side: int = 0) -> None:
        """Put what the log says at ``time`` into the state ``x`` (nx,); ``side``: from the samples around it (0), from
        those after it (1) or before it (-1), as where an impact is near."""
        near = self._recording.times[rows]
        around = np.flatnonzero(side * (near - time) >= -1e-9) if side else np.arange(len(near))
        if len(around) < _N_FITTED:
            around = np.arange(len(near))
        rows = slice(rows.start + int(around[0]), rows.start + int(around[-1]) + 1)
        slopes: dict[int, float] = {}
        for q, (k, column) in self.q.items():
            found = _parabola(self._recording.times[rows], self._recording.measured[k][rows, column], time)
            if found is not None:
                x[q], slopes[q] = found
        self._turns(x, slopes, rows, time, nq)
        for entity in self._recording.scene.entities:
            for joint in entity.joints:
                first_q, first_dof = _first_q(entity, joint), _first_dof(entity, joint)
                straight = 3 if joint.type == "free" else 0 if joint.type == "ball" else 1
                for i in range(straight):
                    if first_q + i in slopes:
                        x[nq + first_dof + i] = slopes[first_q + i]
        for v, (k, column) in self.v.items():
            found = _parabola(self._recording.times[rows], self._recording.measured[k][rows, column], time)
            if found is not None:
                x[nq + v] = found[0]

    def _turns(self, x: np.ndarray, slopes: dict[int, float], rows: slice, time: float, nq: int) -> None:
        """Quaternions, of which q and -q are the same, and angular velocities, 2 q* dq/dt in the link's frame."""
        for q, dof in self.quaternions:
            if any(q + i not in self.q for i in range(4)):
                continue
            values = np.stack([self._recording.measured[k][rows, c] for k, c in (self.q[q + i] for i in range(4))], 1)
            there = ~np.isnan(values).any(1)
            values, times = values[there], self._recording.times[rows][there]
            if not len(values):
                continue
            flips = np.cumprod(np.where((values[1:] * values[:-1]).sum(1) < 0, -1.0, 1.0))
            values[1:] *= flips[:, None]
            found = [_parabola(times, values[:, i], time) for i in range(4)]
            (w, a, b, c), (dw, da, db, dc) = (np.array([f[i] for f in found if f is not None]) for i in range(2))
            length = np.sqrt(w * w + a * a + b * b + c * c)
            w, a, b, c = w / length, a / length, b / length, c / length
            x[q : q + 4] = w, a, b, c
            x[nq + dof : nq + dof + 3] = (
                2 * (w * da - a * dw - b * dc + c * db) / length,
                2 * (w * db + a * dc - b * dw - c * da) / length,
                2 * (w * dc - a * db + b * da - c * dw) / length,
            )


def _parabola(times: np.ndarray, values: np.ndarray, time: float) -> tuple[float, float] | None:
    """Value and slope at ``time`` of the parabola through the nearest samples (a line, a constant if there are few)."""
    there = np.flatnonzero(~np.isnan(values))
    if not len(there):
        return None
    nearest = there[np.argsort(np.abs(times[there] - time), kind="stable")[:_N_FITTED]]
    degree = min(2, (len(nearest) - 1) // 2)
    width = np.abs(times[nearest] - time).max() or 1.0
    s = (times[nearest] - time) / width
    coefficients = np.linalg.lstsq(np.vander(s, degree + 1, increasing=True), values[nearest], rcond=None)[0]
    return float(coefficients[0]), float(coefficients[1] / width) if degree else 0.0


def first_states(
    windows: Windows, pieces: Sequence[Piece], start: torch.Tensor, theta: torch.Tensor
) -> tuple[list[torch.Tensor], bool]:
    """(N, nx), initial states of windows from the log, in several ways, and whether it tells them all; where it is
    silent, from a simulation of each segment from ``start`` (segments, nx) with the parameters ``theta``."""
    from genesis.tools.identification.shooting import Windows as _Windows

    channels = Channels(windows.recording)
    nq = windows.system.nq
    states = start.detach().double().cpu().numpy()
    told = len(channels.q) == nq and not windows.system.na
    guess = states[windows.starts[:, 0]].copy()
    if not told and windows.n_windows > len(pieces):
        simulated = _simulated(_Windows(windows.recording, pieces, max(p.n_steps for p in pieces)), start, theta)
        last = len(simulated) - 1
        guess = np.stack([simulated[min(first, last), k] for k, first in windows.starts])
    found = []
    for side in (0, 1, -1):
        states = guess.copy()
        for row, (k, first) in enumerate(windows.starts):
            channels.fit(states[row], pieces[k].rows, pieces[k].start + first * windows.dt, nq, side)
        found.append(torch.as_tensor(states, dtype=runtime.tc_float, device=runtime.device))
    return found, told


def _simulated(windows: Windows, start: torch.Tensor, theta: torch.Tensor) -> np.ndarray:
    """(T + 1, segments, nx); up to where the motion diverges, if it does."""
    n_steps = windows.n_steps
    while n_steps >= 1:
        u = None if windows.u is None else windows.u[:n_steps]
        try:
            with torch.no_grad():
                return windows.system.rollout(start, u, theta, n_steps).double().cpu().numpy()
        except GenesisException:
            n_steps //= 2
    return start[None].double().cpu().numpy()


def _first_q(entity, joint) -> int:
    return int(entity.scene.mj_model.jnt_qposadr[entity.joint_start + joint.idx_local])


def _first_dof(entity, joint) -> int:
    return int(entity.scene.mj_model.jnt_dofadr[entity.joint_start + joint.idx_local])


def _joint_of(entity, dof: int):
    """The joint of a local dof, and which of its dofs that is."""
    for joint in entity.joints:
        first = _first_dof(entity, joint) - entity.dof_start
        if first <= dof < first + joint.n_dofs:
            return joint, dof - first
    raise AssertionError("unreachable: every dof belongs to a joint")
