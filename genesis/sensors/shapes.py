"""Rays and points against simple shapes, in the frame of the shape; batched over leading dimensions.

Sizes are MuJoCo's: (radius), (radius, half length), (half sides), (radii), of a plane the half sides of what is drawn.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import mujoco
import torch

TINY = 1e-15  # MuJoCo's mjMINVAL

PLANE, SPHERE, CAPSULE, ELLIPSOID, CYLINDER, BOX = (
    int(getattr(mujoco.mjtGeom, f"mjGEOM_{name}"))
    for name in ("PLANE", "SPHERE", "CAPSULE", "ELLIPSOID", "CYLINDER", "BOX")
)

Field = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]


@dataclass(frozen=True)
class Shape:
    """What rays and points need to know of a type of shape; arguments are (..., 3), the size comes first.

    Attributes:
        distance: of size, point and ray: multiples of the ray from the point to the surface, (...); infinity where it
            is not hit (MuJoCo: mju_rayGeom)
        contains: of size and point: whether it is inside, (...) bool (MuJoCo: mju_insideGeom)
        anchor: of size and a point of the surface: the point as a function of the size, the surface growing with it
        normal: of size and a point of the surface: outward normal there, of any length
        depth: of size and a point inside: how deep it is in MuJoCo's distance field (mjc_distance), positive; outside
            of the shape anything
    """

    distance: Callable[[torch.Tensor, torch.Tensor, torch.Tensor], torch.Tensor]
    contains: Field
    anchor: Field
    normal: Field
    depth: Field


# -- distances along a ray --------------------------------------------------------------------------------------------


def _roots(a: torch.Tensor, b: torch.Tensor, c: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Both solutions of a x^2 + 2 b x + c = 0, the lesser first; infinity where there is none, or it is negative."""
    disc = b * b - a * c
    none = (disc < 0) | (a < TINY)
    root, a = torch.where(none, 0.0, disc).sqrt(), torch.where(none, 1.0, a)
    return tuple(torch.where(none | (x < 0), torch.inf, x) for x in ((-b - root) / a, (-b + root) / a))  # type: ignore[return-value]


def _round(point: torch.Tensor, ray: torch.Tensor, radius: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The roots of a circle or a sphere around the origin."""
    return _roots((ray * ray).sum(-1), (ray * point).sum(-1), (point * point).sum(-1) - radius * radius)


def _plane(size: torch.Tensor, point: torch.Tensor, ray: torch.Tensor) -> torch.Tensor:
    down = ray[..., 2] < -TINY
    x = -point[..., 2] / torch.where(down, ray[..., 2], -1.0)
    at = (point + x.unsqueeze(-1) * ray)[..., :2].abs()
    inside = ((size[..., :2] <= 0) | (at <= size[..., :2])).all(-1)
    return torch.where(down & (x >= 0) & inside, x, torch.inf)


def _sphere(size: torch.Tensor, point: torch.Tensor, ray: torch.Tensor) -> torch.Tensor:
    return torch.minimum(*_round(point, ray, size[..., 0]))


def _ellipsoid(size: torch.Tensor, point: torch.Tensor, ray: torch.Tensor) -> torch.Tensor:
    return torch.minimum(*_round(point / size, ray / size, torch.ones_like(size[..., 0])))


def _side(size: torch.Tensor, point: torch.Tensor, ray: torch.Tensor) -> torch.Tensor:
    """The round side of a capsule or a cylinder."""
    x = torch.minimum(*_round(point[..., :2], ray[..., :2], size[..., 0]))
    height = point[..., 2] + torch.where(x.isinf(), 0.0, x) * ray[..., 2]
    return torch.where(height.abs() <= size[..., 1], x, torch.inf)


def _capsule(size: torch.Tensor, point: torch.Tensor, ray: torch.Tensor) -> torch.Tensor:
    best = _side(size, point, ray)
    for end in (-1.0, 1.0):
        middle = torch.zeros_like(point)
        middle[..., 2] = end * size[..., 1]
        for x in _round(point - middle, ray, size[..., 0]):
            height = point[..., 2] + torch.where(x.isinf(), 0.0, x) * ray[..., 2]
            best = torch.where((end * height >= size[..., 1]) & (x < best), x, best)
    return best


def _cylinder(size: torch.Tensor, point: torch.Tensor, ray: torch.Tensor) -> torch.Tensor:
    best = _side(size, point, ray)
    steep = ray[..., 2].abs() > TINY
    for end in (-1.0, 1.0):
        x = (end * size[..., 1] - point[..., 2]) / torch.where(steep, ray[..., 2], 1.0)
        at = (point + x.unsqueeze(-1) * ray)[..., :2]
        inside = (at * at).sum(-1) <= size[..., 0] * size[..., 0]
        best = torch.where(steep & (x >= 0) & inside & (x < best), x, best)
    return best


def _box(size: torch.Tensor, point: torch.Tensor, ray: torch.Tensor) -> torch.Tensor:
    best = torch.full_like(point[..., 0], torch.inf)
    for axis in range(3):
        others = [k for k in range(3) if k != axis]
        steep = ray[..., axis].abs() > TINY
        for end in (-1.0, 1.0):
            x = (end * size[..., axis] - point[..., axis]) / torch.where(steep, ray[..., axis], 1.0)
            at = (point + x.unsqueeze(-1) * ray)[..., others].abs()
            inside = (at <= size[..., others]).all(-1)
            best = torch.where(steep & (x >= 0) & inside & (x < best), x, best)
    return best


# -- points of a surface ----------------------------------------------------------------------------------------------


def _growth(size: torch.Tensor) -> torch.Tensor:
    """The size divided by its present value: ones, with the derivative of the size."""
    known = size.detach()
    return size / torch.where(known == 0, 1.0, known) + (known == 0)


def _capsule_end(size: torch.Tensor, point: torch.Tensor) -> torch.Tensor:
    """Height of the nearest point of the capsule's middle line, (...)."""
    return torch.clamp(point[..., 2], -size[..., 1], size[..., 1])


def _capsule_anchor(size: torch.Tensor, point: torch.Tensor) -> torch.Tensor:
    radius, length, _ = _growth(size).unbind(-1)
    end = _capsule_end(size.detach(), point)
    height = end * length + (point[..., 2] - end) * radius
    return torch.cat([point[..., :2] * radius.unsqueeze(-1), height.unsqueeze(-1)], -1)


def _capsule_normal(size: torch.Tensor, point: torch.Tensor) -> torch.Tensor:
    return torch.cat([point[..., :2], (point[..., 2] - _capsule_end(size, point)).unsqueeze(-1)], -1)


def _cylinder_normal(size: torch.Tensor, point: torch.Tensor) -> torch.Tensor:
    known, z = point.detach(), point[..., 2:]
    over_face = known[..., 2].abs() - size[..., 1] > known[..., :2].norm(dim=-1) - size[..., 0]
    sideways, upwards = torch.cat([point[..., :2], 0.0 * z], -1), torch.cat([0.0 * point[..., :2], z.sign()], -1)
    return torch.where(over_face.unsqueeze(-1), upwards, sideways)


def _box_normal(size: torch.Tensor, point: torch.Tensor) -> torch.Tensor:
    known = point.detach()
    axis = (known.abs() - size).argmax(-1, keepdim=True)
    return torch.zeros_like(point).scatter(-1, axis, known.sign().gather(-1, axis))


def _up(_size: torch.Tensor, point: torch.Tensor) -> torch.Tensor:
    return 0.0 * point + point.new_tensor([0.0, 0.0, 1.0])


def _divided(size: torch.Tensor, point: torch.Tensor) -> torch.Tensor:
    return point / torch.where(size == 0, 1.0, size)


# -- depths -----------------------------------------------------------------------------------------------------------


def _length(v: torch.Tensor) -> torch.Tensor:
    """(...), with the gradient zero where the length is."""
    square = v.square().sum(-1)
    return torch.where(square > 0, torch.where(square > 0, square, 1.0).sqrt(), 0.0)


def _capsule_depth(size: torch.Tensor, point: torch.Tensor) -> torch.Tensor:
    return size[..., 0] - _length(_capsule_normal(size, point))


def _ellipsoid_depth(size: torch.Tensor, point: torch.Tensor) -> torch.Tensor:
    scaled = _divided(size, point)
    far, slope = _length(scaled), _length(_divided(size, scaled))
    return far * (1.0 - far) / torch.where(slope == 0, 1.0, slope)


def _cylinder_depth(size: torch.Tensor, point: torch.Tensor) -> torch.Tensor:
    return torch.minimum(size[..., 0] - _length(point[..., :2]), size[..., 1] - point[..., 2].abs())


def _box_depth(size: torch.Tensor, point: torch.Tensor) -> torch.Tensor:
    """To a wall along a direction that turns from the radial one, in the middle, to the wall's normal, at the wall."""
    to_wall = size - point.abs()
    room = torch.where(to_wall > TINY, to_wall, TINY)
    return (room.square() / size).amin(-1) * _length(size / room)


SHAPES: dict[int, Shape] = {
    PLANE: Shape(_plane, lambda _size, p: p[..., 2] < 0, lambda _size, p: p, _up, lambda _size, p: -p[..., 2]),
    SPHERE: Shape(
        _sphere,
        lambda size, p: p.square().sum(-1) < size[..., 0].square(),
        lambda size, p: p * _growth(size)[..., :1],
        lambda _size, p: p,
        lambda size, p: size[..., 0] - _length(p),
    ),
    CAPSULE: Shape(
        _capsule,
        lambda size, p: _capsule_normal(size, p).square().sum(-1) < size[..., 0].square(),
        _capsule_anchor,
        _capsule_normal,
        _capsule_depth,
    ),
    ELLIPSOID: Shape(
        _ellipsoid,
        lambda size, p: _divided(size, p).square().sum(-1) < 1.0,
        lambda size, p: p * _growth(size),
        lambda size, p: _divided(size, _divided(size, p)),
        _ellipsoid_depth,
    ),
    CYLINDER: Shape(
        _cylinder,
        lambda size, p: (p[..., 2].abs() < size[..., 1]) & (p[..., :2].square().sum(-1) < size[..., 0].square()),
        lambda size, p: p * _growth(size)[..., [0, 0, 1]],
        _cylinder_normal,
        _cylinder_depth,
    ),
    BOX: Shape(
        _box,
        lambda size, p: (p.abs() < size).all(-1),
        lambda size, p: p * _growth(size),
        _box_normal,
        _box_depth,
    ),
}
