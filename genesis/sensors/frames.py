"""Sensors of poses and motions: of sites, cameras, links and geoms, as the world or another object sees them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import mujoco
import numpy as np
import torch

from genesis.math.rotation import quat_conj, quat_mul
from genesis.sensors.bodies import Subtrees, carrying_wrench
from genesis.sensors.group import Group, Measure
from genesis.sensors.objects import Objects
from genesis.sensors.present import Present, cross, indices, numbers, turn_back
from genesis.sensors.shapes import TINY

if TYPE_CHECKING:
    from collections.abc import Callable

# -- in the frame of a site -------------------------------------------------------------------------------------------


def accelerometer(group: Group) -> Measure:
    """Acceleration of the site less that of gravity [m/s^2], in its frame."""
    return _of_site(group, lambda site, now, pos: site.accelerations(now, pos)[0])


def velocimeter(group: Group) -> Measure:
    """Velocity of the site [m/s], in its frame."""
    return _of_site(group, lambda site, now, pos: site.velocities(now, pos)[0])


def gyro(group: Group) -> Measure:
    """Angular velocity of the site [rad/s], in its frame."""
    return _of_site(group, lambda site, now, pos: site.velocities(now, pos)[1])


def magnetometer(group: Group) -> Measure:
    """The magnetic flux of the world, in the site's frame."""
    flux = numbers(group.model.mj_model.opt.magnetic)
    return _of_site(group, lambda _site, _now, pos: flux.expand_as(pos))


def force(group: Group) -> Measure:
    """Force that the parent exerts on the site's link and all that it carries [N], in the site's frame."""
    subtrees = Subtrees(group.model, group.model.mj_model.site_bodyid[group.objid])
    return _of_site(group, lambda _site, now, pos: carrying_wrench(now, subtrees, pos)[0])


def torque(group: Group) -> Measure:
    """The torque [N m] that comes with `force`, about the site and in its frame."""
    subtrees = Subtrees(group.model, group.model.mj_model.site_bodyid[group.objid])
    return _of_site(group, lambda _site, now, pos: carrying_wrench(now, subtrees, pos)[1])


def _of_site(group: Group, world_vector: Callable[[Objects, Present, torch.Tensor], torch.Tensor]) -> Measure:
    site = Objects(group.model, group.objtype, group.objid)

    def measure(now: Present) -> torch.Tensor:
        pos, mat = site.frames(now)
        return turn_back(mat, world_vector(site, now, pos))

    return measure


def camprojection(group: Group) -> Measure:
    """Where the site is in a camera's picture [pixels], from the left and from the top."""
    m = group.model.mj_model
    site, camera = Objects(group.model, group.objtype, group.objid), Objects(group.model, group.reftype, group.refid)
    size = numbers(m.cam_resolution[group.refid])
    focal = numbers([focal_lengths(m, int(k)) for k in group.refid]) * size.new_tensor([-1.0, 1.0])

    def measure(now: Present) -> torch.Tensor:
        pos, mat = camera.frames(now)
        x, y, z = turn_back(mat, site.positions(now) - pos).unbind(-1)
        depth = torch.where(z.abs() < TINY, torch.where(z < 0, -TINY, TINY), z)
        return focal * torch.stack([x, y], -1) / depth.unsqueeze(-1) + 0.5 * size

    return measure


def focal_lengths(m: mujoco.MjModel, camera: int) -> np.ndarray:
    """Along the picture's width and height [pixels], (2,)."""
    resolution, sensor = m.cam_resolution[camera], m.cam_sensorsize[camera]
    if sensor.all():
        return m.cam_intrinsic[camera, :2] / sensor * resolution.astype(np.float32)  # in 32 bits, as MuJoCo does
    return np.full(2, 0.5 / np.tan(np.deg2rad(0.5 * m.cam_fovy[camera])) * resolution[1])


# -- of any object, in the world's axes or in another object's frame --------------------------------------------------


def framepos(group: Group) -> Measure:
    """Position [m]."""
    return _relative(group, lambda pos, _mat, ref_pos, ref_mat: turn_back(ref_mat, pos - ref_pos))


def frame_axis(axis: int) -> Callable[[Group], Measure]:
    """An axis of the frame."""

    def build(group: Group) -> Measure:
        return _relative(group, lambda _pos, mat, _ref_pos, ref_mat: turn_back(ref_mat, mat[..., axis]))

    return build


def _relative(group: Group, value: Callable[..., torch.Tensor]) -> Measure:
    """`value(position, matrix, reference position, reference matrix)`; the world is at zero, unturned."""
    thing, reference = Objects(group.model, group.objtype, group.objid), Reference(group)

    def measure(now: Present) -> torch.Tensor:
        pos, mat = thing.frames(now)
        return value(pos, mat, *reference.frames(now))

    return measure


def framequat(group: Group) -> Measure:
    """Orientation (w, x, y, z)."""
    thing, reference = Objects(group.model, group.objtype, group.objid), Reference(group)

    def measure(now: Present) -> torch.Tensor:
        quat = thing.quaternions(now)
        other = torch.where(reference.given[:, None], reference.objects.quaternions(now), reference.identity)
        return quat_mul(quat_conj(other), quat)

    return measure


def framelinvel(group: Group) -> Measure:
    """Velocity [m/s]; seen from a frame that turns, that of what it sees."""
    return _moving(group, linear=True)


def frameangvel(group: Group) -> Measure:
    """Angular velocity [rad/s]."""
    return _moving(group, linear=False)


def _moving(group: Group, linear: bool) -> Measure:
    thing, reference = Objects(group.model, group.objtype, group.objid), Reference(group)

    def measure(now: Present) -> torch.Tensor:
        pos = thing.positions(now)
        velocity, omega = thing.velocities(now, pos)
        ref_pos, ref_mat = reference.frames(now)
        ref_velocity, ref_omega = reference.velocities(now, ref_pos)
        if not linear:
            return turn_back(ref_mat, omega - ref_omega)
        return turn_back(ref_mat, velocity - ref_velocity + cross(pos - ref_pos, ref_omega))

    return measure


def framelinacc(group: Group) -> Measure:
    """Acceleration less that of gravity [m/s^2], world axes."""
    return _accelerated(group, 0)


def frameangacc(group: Group) -> Measure:
    """Angular acceleration [rad/s^2], world axes."""
    return _accelerated(group, 1)


def _accelerated(group: Group, part: int) -> Measure:
    thing = Objects(group.model, group.objtype, group.objid)
    return lambda now: thing.accelerations(now, thing.positions(now))[part]


class Reference:
    """What a group's sensors are relative to: an object, or the world where none is given.

    Attributes:
        given: (k,) bool
        objects: the objects; where none is given, body 0, which is at rest at the origin
        identity: (4,), the quaternion of no rotation
    """

    def __init__(self, group: Group) -> None:
        world = group.refid < 0
        types, ids = group.reftype.copy(), group.refid.copy()
        types[world], ids[world] = group.xbody, 0
        self.objects = Objects(group.model, types, ids)
        self.given = torch.as_tensor(~world, device=indices(ids).device)
        self.identity = numbers([1.0, 0.0, 0.0, 0.0])

    def frames(self, now: Present) -> tuple[torch.Tensor, torch.Tensor]:
        """Positions and orientations, (N, k, 3) and (N, k, 3, 3)."""
        return self.objects.frames(now)

    def velocities(self, now: Present, position: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Linear and angular velocity there, (N, k, 3)."""
        return self.objects.velocities(now, position)


# -- of subtrees ------------------------------------------------------------------------------------------------------


def subtreecom(group: Group) -> Measure:
    """Centre of mass of a link and all that it carries [m]."""
    return Subtrees(group.model, group.objid).com


def subtreelinvel(group: Group) -> Measure:
    """Its velocity [m/s]."""
    return Subtrees(group.model, group.objid).velocity


def subtreeangmom(group: Group) -> Measure:
    """Angular momentum about it [kg m^2/s]."""
    return Subtrees(group.model, group.objid).angular_momentum
