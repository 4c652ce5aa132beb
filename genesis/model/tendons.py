"""What tendons are made of: the joints of fixed ones, and of spatial ones the segments of their paths."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import mujoco
import numpy as np

# Shapes that a spatial tendon runs around, as `genesis.rigid.kernels.wrapping` sees them.
_SHAPES = {int(mujoco.mjtWrap.mjWRAP_SPHERE): 0, int(mujoco.mjtWrap.mjWRAP_CYLINDER): 1}
_PULLEY = int(mujoco.mjtWrap.mjWRAP_PULLEY)


@dataclass
class Segment:
    """From one site of a path to the next.

    Attributes:
        tendon: its number
        sites: MuJoCo's numbers
        divisor: of the pulley before it
        wrap: number among the wraps, or -1
        pieces: of each straight piece, from site to site, from the first to the shape, and from the shape to the
            second, the dofs that move its ends against each other: (dof, 1 if it moves the end, -1 if the start)
    """

    tendon: int
    sites: tuple[int, int]
    divisor: float
    wrap: int
    pieces: list[list[tuple[int, int]]]


@dataclass
class Tendons:
    """The tendons of a model.

    Attributes:
        dofs: of each tendon the dofs that change its length, ascending
        nwrap: how often a shape may be in the way
        indices: ten_around: of each whether it runs around a shape; fixed_tendon, spatial_tendon: numbers; ten_qpos: of
            each entry of J the position that it belongs to (0 for spatial ones); segment_tendon, segment_site (n, 2),
            segment_wrap; piece_adr (3 n + 1): of each piece of a segment its entries of piece_dof, piece_sign and
            piece_place (in ten_J); wrap_bodyid, wrap_shape, wrap_side: the shape's body and kind, and the site that
            says which way to go around it, or -1
        constants: ten_coef: of each entry of J the joint's coefficient (0 for spatial ones); segment_share: 1 over the
            divisor
        wrapped: (nwrap,) numbers of the shapes
    """

    dofs: list[list[int]]
    nwrap: int = 0
    indices: dict[str, Any] = field(default_factory=dict)
    constants: dict[str, np.ndarray] = field(default_factory=dict)
    wrapped: np.ndarray = field(default_factory=lambda: np.zeros(0, dtype=int))


def describe(m: mujoco.MjModel, dof_chain: Callable[[int], list[int]]) -> Tendons:
    """``dof_chain``: the dofs that move a body, from the root outwards."""
    spatial = np.asarray(m.tendon_type) == int(mujoco.mjtTendon.mjTENDON_SPATIAL)
    segments: list[Segment] = []
    wraps: list[int] = []
    for t in np.flatnonzero(spatial):
        segments += _segments(m, int(t), dof_chain, wraps)
    coefficients = [{} if spatial[t] else _joints(m, t) for t in range(m.ntendon)]
    dofs = [sorted(rows) for rows in coefficients]
    for t in np.flatnonzero(spatial):
        dofs[t] = sorted({dof for s in segments if s.tendon == t for piece in s.pieces for dof, _ in piece})
    start = np.concatenate([[0], np.cumsum([len(row) for row in dofs], dtype=int)])
    pieces = [(s.tendon, piece) for s in segments for piece in s.pieces]
    entries = [(dof, sign, int(start[t]) + dofs[t].index(dof)) for t, piece in pieces for dof, sign in piece]
    of_joints = [coefficients[t].get(dof, (0, 0.0)) for t in range(m.ntendon) for dof in dofs[t]]
    geoms = [int(m.wrap_objid[k]) for k in wraps]
    return Tendons(
        dofs,
        len(wraps),
        indices={
            "ten_around": np.isin(np.arange(m.ntendon), [s.tendon for s in segments if s.wrap >= 0]),
            "fixed_tendon": np.flatnonzero(~spatial),
            "spatial_tendon": np.flatnonzero(spatial),
            "ten_qpos": [q for q, _ in of_joints],
            "segment_tendon": [s.tendon for s in segments],
            "segment_site": np.reshape([s.sites for s in segments], (-1, 2)),
            "segment_wrap": [s.wrap for s in segments],
            "piece_adr": np.concatenate([[0], np.cumsum([len(piece) for _, piece in pieces], dtype=int)]),
            "piece_dof": [dof for dof, _, _ in entries],
            "piece_sign": [sign for _, sign, _ in entries],
            "piece_place": [place for _, _, place in entries],
            "wrap_bodyid": np.asarray(m.geom_bodyid)[geoms],
            "wrap_shape": [_SHAPES[int(m.wrap_type[k])] for k in wraps],
            "wrap_side": [round(float(m.wrap_prm[k])) for k in wraps],
        },
        constants={
            "ten_coef": np.array([coef for _, coef in of_joints], dtype=float),
            "segment_share": np.array([1.0 / s.divisor for s in segments]),
        },
        wrapped=np.array(geoms, dtype=int),
    )


def _joints(m: mujoco.MjModel, tendon: int) -> dict[int, tuple[int, float]]:
    """Of a fixed tendon: dof -> (qpos address, coefficient); several joints of one dof are put together."""
    rows: dict[int, tuple[int, float]] = {}
    for k in _path(m, tendon):
        j = int(m.wrap_objid[k])
        dof = int(m.jnt_dofadr[j])
        rows[dof] = int(m.jnt_qposadr[j]), rows.get(dof, (0, 0.0))[1] + float(m.wrap_prm[k])
    return rows


def _path(m: mujoco.MjModel, tendon: int) -> range:
    start = int(m.tendon_adr[tendon])
    return range(start, start + int(m.tendon_num[tendon]))


def _segments(m: mujoco.MjModel, tendon: int, dof_chain: Callable, wraps: list[int]) -> list[Segment]:
    """Those of a spatial tendon, in order; a shape in the way is added to ``wraps``, by its place in the path."""
    segments: list[Segment] = []
    divisor, before, between = 1.0, -1, -1
    for k in _path(m, tendon):
        if m.wrap_type[k] == _PULLEY:
            divisor, before = float(m.wrap_prm[k]), -1
        elif int(m.wrap_type[k]) in _SHAPES:
            between = k
        else:
            site = int(m.wrap_objid[k])
            if before >= 0:
                ends = int(m.site_bodyid[before]), int(m.site_bodyid[site])
                pieces = [_moving(dof_chain, *ends), [], []]
                if between >= 0:
                    shape = int(m.geom_bodyid[m.wrap_objid[between]])
                    pieces[1:] = [_moving(dof_chain, ends[0], shape), _moving(dof_chain, shape, ends[1])]
                    wraps.append(between)
                wrap = len(wraps) - 1 if between >= 0 else -1
                segments.append(Segment(tendon, (before, site), divisor, wrap, pieces))
            before, between = site, -1
    return segments


def _moving(dof_chain: Callable[[int], list[int]], start: int, end: int) -> list[tuple[int, int]]:
    """The dofs that move one of two bodies against the other: (dof, 1 if it is the end, -1 if the start)."""
    of_start, of_end = set(dof_chain(start)), set(dof_chain(end))
    return [(dof, 1 if dof in of_end else -1) for dof in sorted(of_start ^ of_end)]
