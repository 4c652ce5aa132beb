"""The nearest point of simple shapes and triangles to a point, in the frame of the shape; batched over leading
dimensions.

Each function takes sizes and points, (..., 3), and returns the nearest point of the surface and the outward unit normal
there, (..., 3) each, both differentiable; the signed distance is (point - nearest) . normal.
"""

from __future__ import annotations

import torch

from genesis.sensors.shapes import BOX, CAPSULE, CYLINDER, ELLIPSOID, PLANE, SPHERE

_SMALL = 1e-12
_ITERATIONS = 60  # of the ellipsoid, Newton's method from outside, which converges from one side


def _unit(v: torch.Tensor, otherwise: torch.Tensor) -> torch.Tensor:
    """Vectors of unit length; those of (nearly) none are replaced."""
    square = v.square().sum(-1, keepdim=True)
    there = square > _SMALL**2
    return torch.where(there, v / torch.where(there, square, 1.0).sqrt(), otherwise)


def _up(point: torch.Tensor) -> torch.Tensor:
    return torch.zeros_like(point) + point.new_tensor([0.0, 0.0, 1.0])


def _plane(_size: torch.Tensor, point: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    return point * point.new_tensor([1.0, 1.0, 0.0]), _up(point)


def _sphere(size: torch.Tensor, point: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    normal = _unit(point, _up(point))
    return size[..., :1] * normal, normal


def _capsule(size: torch.Tensor, point: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    height = torch.maximum(torch.minimum(point[..., 2], size[..., 1]), -size[..., 1])
    middle = torch.cat([torch.zeros_like(point[..., :2]), height.unsqueeze(-1)], -1)
    normal = _unit(point - middle, torch.zeros_like(point) + point.new_tensor([1.0, 0.0, 0.0]))
    return middle + size[..., :1] * normal, normal


def _box(size: torch.Tensor, point: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    within = torch.maximum(torch.minimum(point, size), -size)
    inside = (point.detach().abs() <= size.detach()).all(-1, keepdim=True)
    axis = (point.detach().abs() - size.detach()).argmax(-1, keepdim=True)
    side = torch.where(point.detach() < 0, -1.0, 1.0)
    wall = torch.zeros_like(point).scatter(-1, axis, side.gather(-1, axis))
    on_wall = torch.where(wall != 0, wall * size, point)
    return torch.where(inside, on_wall, within), torch.where(inside, wall, _unit(point - within, wall))


def _cylinder(size: torch.Tensor, point: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    radius, half = size[..., :1], size[..., 1:2]
    flat, z = point[..., :2], point[..., 2:]
    square = flat.square().sum(-1, keepdim=True)
    there = square > _SMALL**2
    far = torch.where(there, torch.where(there, square, 1.0).sqrt(), 0.0)
    along = torch.where(there, flat / torch.where(there, far, 1.0), flat.new_tensor([1.0, 0.0]))
    side = torch.where(z.detach() < 0, -1.0, 1.0)
    to_side, to_lid = radius - far, half - z.abs()
    inside = ((to_side >= 0) & (to_lid >= 0)).detach()
    by_side = (to_side <= to_lid).detach()
    outwards, upwards = torch.cat([along, torch.zeros_like(z)], -1), torch.cat([torch.zeros_like(flat), side], -1)
    on_surface = torch.where(by_side, torch.cat([along * radius, z], -1), torch.cat([flat, side * half], -1))
    within = torch.cat([along * torch.minimum(far, radius), torch.maximum(torch.minimum(z, half), -half)], -1)
    straight = torch.where(by_side, outwards, upwards)
    return torch.where(inside, on_surface, within), torch.where(inside, straight, _unit(point - within, straight))


def _ellipsoid(size: torch.Tensor, point: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """With a the radii: nearest = a^2 x / (a^2 + t), where t solves sum (a x / (a^2 + t))^2 = 1 (Eberly)."""

    def excess(t: torch.Tensor, a: torch.Tensor, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        part = a * x / (a * a + t)
        return part.square().sum(-1, keepdim=True) - 1.0, -2.0 * (part.square() / (a * a + t)).sum(-1, keepdim=True)

    # In the middle no direction is nearest: any is taken.
    point = torch.where(point.detach().abs() < _SMALL, point + _SMALL, point)
    with torch.no_grad():
        # From below the solution the excess is convex and falls, so that Newton's method goes up to it without leaping
        # over.
        low = torch.max(size * point.abs() - size * size, -1, keepdim=True).values
        t = low.clone()
        for _ in range(_ITERATIONS):
            value, slope = excess(t, size, point)
            t = torch.maximum(low, t - value / torch.where(slope == 0, -1.0, slope))
        _, slope = excess(t, size, point)
    t = t - excess(t, size, point)[0] / torch.where(slope == 0, -1.0, slope)  # with its derivative
    nearest = size * size * point / (size * size + t)
    return nearest, torch.nn.functional.normalize(nearest / (size * size), dim=-1)


NEAREST = {
    PLANE: _plane,
    SPHERE: _sphere,
    CAPSULE: _capsule,
    ELLIPSOID: _ellipsoid,
    CYLINDER: _cylinder,
    BOX: _box,
}


def of_triangle(corner: torch.Tensor, inside: torch.Tensor, point: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The same of triangles (..., 3, 3); `inside`: whether the point is behind the surface that they are part of,
    (...)."""
    a, b, c = corner.unbind(-2)
    face = torch.nn.functional.normalize(torch.linalg.cross(b - a, c - a), dim=-1)
    flat = point - ((point - a) * face).sum(-1, keepdim=True) * face
    over = torch.stack(
        [(torch.linalg.cross(e - s, flat - s) * face).sum(-1) >= 0 for s, e in ((a, b), (b, c), (c, a))], -1
    ).all(-1, keepdim=True)
    best = flat
    least = torch.where(over.squeeze(-1), 0.0, torch.inf).to(point.dtype)
    for start, end in ((a, b), (b, c), (c, a)):
        edge = end - start
        length = edge.square().sum(-1, keepdim=True)
        part = ((point - start) * edge).sum(-1, keepdim=True) / torch.where(length == 0, 1.0, length)
        on_edge = start + part.clamp(0.0, 1.0) * edge
        distance = (on_edge - flat).square().sum(-1)
        nearer = (distance < least).detach()
        best, least = torch.where(nearer.unsqueeze(-1), on_edge, best), torch.where(nearer, distance, least)
    sign = torch.where(inside, -1.0, 1.0).unsqueeze(-1)
    return best, _unit(sign * (point - best), face)
