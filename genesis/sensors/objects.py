"""Where the things are that sensors sit on or look at: frames of links, geoms, sites and cameras, and how they move."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import mujoco
import numpy as np
import torch

from genesis.math.rotation import quat_mul, quat_to_mat
from genesis.sensors.bodies import Subtrees
from genesis.sensors.present import Present, cross, indices, numbers, turn

if TYPE_CHECKING:
    from genesis.model.arrays import Model

_XBODY, _BODY, _GEOM, _SITE, _CAMERA = (
    int(getattr(mujoco.mjtObj, f"mjOBJ_{name}")) for name in ("XBODY", "BODY", "GEOM", "SITE", "CAMERA")
)
_MESH = int(mujoco.mjtGeom.mjGEOM_MESH)
# Of an object that hangs on a body: the prefix of its fields in `MjModel`.
_PREFIXES = {_GEOM: "geom", _SITE: "site", _CAMERA: "cam"}
_PLACED = {_GEOM: "geom", _SITE: "site"}  # of these, those whose place is a parameter
_IDENTITY = np.array([1.0, 0.0, 0.0, 0.0])


class Objects:
    """k objects, each fixed to a body; cameras that track or aim turn on their own.

    Attributes:
        body: (k,) that they are fixed to
    """

    def __init__(self, model: Model, types, ids) -> None:
        m = model.mj_model
        types, ids = np.asarray(types), np.asarray(ids)
        body, pos, quat = np.array(ids), np.zeros((len(ids), 3)), np.tile(_IDENTITY, (len(ids), 1))
        for kind, prefix in _PREFIXES.items():
            chosen = types == kind
            for local, field in ((body, "bodyid"), (pos, "pos"), (quat, "quat")):
                local[chosen] = getattr(m, f"{prefix}_{field}")[ids[chosen]]
        inertial = np.flatnonzero(types == _BODY)
        quat[inertial] = m.body_iquat[ids[inertial]]
        self.body, self._pos, self._quat = indices(body), numbers(pos), numbers(quat)
        self._inertial = indices(inertial)
        # Poses of sites and of geoms that do something are parameters: of which, by prefix, and their rows in theta.
        row = np.full(len(ids), -1)
        row[types == _GEOM], row[types == _SITE] = model.row_of_geom[ids[types == _GEOM]], ids[types == _SITE]
        placed = {prefix: np.flatnonzero((types == kind) & (row >= 0)) for kind, prefix in _PLACED.items()}
        self._placed = [(prefix, indices(here), indices(row[here])) for prefix, here in placed.items() if len(here)]
        self._cameras = _moving_cameras(model, types, ids)

    def positions(self, now: Present) -> torch.Tensor:
        """[m], (N, k, 3)."""
        return self.frames(now)[0]

    def frames(self, now: Present) -> tuple[torch.Tensor, torch.Tensor]:
        """Positions [m], (N, k, 3), and orientations, (N, k, 3, 3)."""
        local = self._pos.expand(now.n, -1, -1)
        if len(self._inertial):
            offsets = now.parameter("body_ipos")[:, self.body[self._inertial]]
            local = local.index_copy(1, self._inertial, offsets)
        for prefix, here, rows in self._placed:
            local = local.index_copy(1, here, now.parameter(f"{prefix}_pos")[:, rows])
        position = now.xpos[:, self.body] + turn(now.xmat[:, self.body], local)
        matrix = quat_to_mat(self.quaternions(now))
        for cameras in self._cameras:
            moved, turned = cameras.frames(now, position[:, cameras.place])
            position = position.index_copy(1, cameras.place, moved)
            matrix = matrix.index_copy(1, cameras.place, turned)
        return position, matrix

    def quaternions(self, now: Present) -> torch.Tensor:
        """Orientations (w, x, y, z), (N, k, 4); of a camera as it is fixed to its body."""
        local = self._quat.expand(now.n, -1, -1)
        for prefix, here, rows in self._placed:
            local = local.index_copy(1, here, now.parameter(f"{prefix}_quat")[:, rows])
        return quat_mul(now.observed("xquat")[:, self.body], local)

    def velocities(self, now: Present, position: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Linear [m/s] and angular [rad/s] velocity of the bodies at these positions, world axes, (N, k, 3)."""
        omega = now.omega[:, self.body]
        return now.velocity[:, self.body] + cross(omega, position - now.xpos[:, self.body]), omega

    def accelerations(self, now: Present, position: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Linear [m/s^2], without gravity, and angular [rad/s^2] acceleration there, world axes, (N, k, 3)."""
        omega, alpha = now.omega[:, self.body], now.alpha[:, self.body]
        arm = position - now.xpos[:, self.body]
        return now.acceleration[:, self.body] + cross(alpha, arm) + cross(omega, cross(omega, arm)), alpha


class Geoms(Objects):
    """k geoms, by their MuJoCo ids, which have a size."""

    def __init__(self, model: Model, ids: np.ndarray) -> None:
        super().__init__(model, np.full(len(ids), _GEOM), ids)
        m = model.mj_model
        self._size, row = numbers(m.geom_size[ids]), model.row_of_geom[ids]
        self._sized, self._rows = indices(np.flatnonzero(row >= 0)), indices(row[row >= 0])
        # Of a mesh that is flat along an axis, the unit there.
        flat = (np.asarray(m.geom_type)[ids, None] == _MESH) & (m.geom_size[ids] == 0)
        self._flat = torch.as_tensor(flat, device=self._size.device) if flat.any() else None

    def sizes(self, now: Present) -> torch.Tensor:
        """[m], (N, k, 3); what the numbers mean depends on the shape. Where a mesh is flat: 1."""
        size = self._size.expand(now.n, -1, -1)
        if len(self._sized):
            size = size.index_copy(1, self._sized, now.parameter("geom_size")[:, self._rows])
        return size if self._flat is None else torch.where(self._flat, 1.0, size)


@dataclass(frozen=True)
class _TrackingCameras:
    """Of fixed orientation, and at a fixed offset from a link's origin, or from the centre of mass of its subtree."""

    place: torch.Tensor
    body: torch.Tensor
    subtrees: Subtrees | None
    offset: torch.Tensor
    matrix: torch.Tensor

    def frames(self, now: Present, _position: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        origin = now.xpos[:, self.body] if self.subtrees is None else self.subtrees.com(now)
        return origin + self.offset, self.matrix.expand(now.n, -1, -1, -1)


@dataclass(frozen=True)
class _AimingCameras:
    """Aimed at a link's origin, or at the centre of mass of its subtree, upright."""

    place: torch.Tensor
    target: torch.Tensor
    subtrees: Subtrees | None

    def frames(self, now: Present, position: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        target = now.xpos[:, self.target] if self.subtrees is None else self.subtrees.com(now)
        z = torch.nn.functional.normalize(position - target, dim=-1)
        x = torch.nn.functional.normalize(cross(z.new_tensor([0.0, 0.0, 1.0]), z), dim=-1)
        return position, torch.stack([x, cross(z, x), z], -1)


def _moving_cameras(model: Model, types: np.ndarray, ids: np.ndarray) -> list[_TrackingCameras | _AimingCameras]:
    m, mode = model.mj_model, mujoco.mjtCamLight
    found: list[_TrackingCameras | _AimingCameras] = []
    modes = np.full(len(ids), int(mode.mjCAMLIGHT_FIXED))
    modes[types == _CAMERA] = m.cam_mode[ids[types == _CAMERA]]
    for kind, by_com in ((mode.mjCAMLIGHT_TRACK, False), (mode.mjCAMLIGHT_TRACKCOM, True)):
        place = np.flatnonzero(modes == int(kind))
        if len(place):
            camera = ids[place]
            body = m.cam_bodyid[camera]
            offset = (m.cam_poscom0 if by_com else m.cam_pos0)[camera]
            subtrees = Subtrees(model, body) if by_com else None
            matrix = numbers(m.cam_mat0[camera].reshape(-1, 3, 3))
            found.append(_TrackingCameras(indices(place), indices(body), subtrees, numbers(offset), matrix))
    for kind, by_com in ((mode.mjCAMLIGHT_TARGETBODY, False), (mode.mjCAMLIGHT_TARGETBODYCOM, True)):
        place = np.flatnonzero(modes == int(kind))
        place = place[m.cam_targetbodyid[ids[place]] >= 0]
        if len(place):
            target = m.cam_targetbodyid[ids[place]]
            subtrees = Subtrees(model, target) if by_com else None
            found.append(_AimingCameras(indices(place), indices(target), subtrees))
    return found
