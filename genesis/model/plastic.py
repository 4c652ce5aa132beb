"""Plastic springs (MuJoCo: springyield): where they rest is a state.

It lies behind the activations and past controls: a joint's angle [rad] or position [m], a ball joint's quaternion, a
tendon's range [m].
"""

from __future__ import annotations

import mujoco
import numpy as np

from genesis.model import histories

_BALL = int(mujoco.mjtJoint.mjJNT_BALL)


def size(m: mujoco.MjModel) -> int:
    """How many numbers there are; none where springs are off, as nothing yields then."""
    return 0 if m.opt.disableflags & int(mujoco.mjtDisableBit.mjDSBL_SPRING) else int(m.nplastic)


def _start(m: mujoco.MjModel) -> int:
    """Behind the activations and the past controls."""
    return int(m.na) + histories.size(m)


def end(m: mujoco.MjModel) -> int:
    """How many numbers of the state there are in all: activations, past controls and these."""
    return _start(m) + size(m)


def addresses(m: mujoco.MjModel) -> tuple[np.ndarray, np.ndarray]:
    """Where those of each joint (njnt,) and tendon (ntendon,) begin among activations and these; -1 for none."""
    found = []
    for address in (m.jnt_plasticadr, m.tendon_plasticadr):
        there = (np.asarray(address) >= 0) & (size(m) > 0)
        found.append(np.where(there, _start(m) + np.asarray(address), -1))
    return found[0], found[1]


def at_rest(m: mujoco.MjModel) -> np.ndarray:
    """Their values before anything has yielded, (size,)."""
    values = np.zeros(size(m))
    joints, tendons = addresses(m)
    for j in np.flatnonzero(joints >= 0):
        q, n = m.jnt_qposadr[j], 4 if m.jnt_type[j] == _BALL else 1
        values[joints[j] - _start(m) :][:n] = m.qpos_spring[q : q + n]
    for t in np.flatnonzero(tendons >= 0):
        values[tendons[t] - _start(m) :][:2] = m.tendon_lengthspring[t]
    return values


def of_parts(m: mujoco.MjModel, joints: slice, tendons: slice) -> np.ndarray:
    """Places of the numbers of these joints and tendons, among these numbers."""
    of_joints, of_tendons = addresses(m)
    start = _start(m)
    found: list[int] = []
    for address, kind in zip(of_joints[joints], m.jnt_type[joints], strict=True):
        if address >= 0:
            found += range(address - start, address - start + (4 if kind == _BALL else 1))
    for address in of_tendons[tendons]:
        if address >= 0:
            found += range(address - start, address - start + 2)
    return np.array(found, dtype=np.int64)
