"""Contacts of a plane (geom 1) with a sphere, a capsule, a cylinder, an ellipsoid or a box.

For each pair two functions. ``plane_<kind>`` is the geometry of one candidate contact, a function of both poses and
sizes once the features f0..f3 are fixed; it returns

    dist [m]     signed distance from the plane, negative in penetration
    pos [m]      midway between the surface point and the plane, world frame
    normal       the plane's z axis, from the plane into the other geom
    tangent      hint for the second axis of the contact frame; zero where there is none

``collide_plane_<kind>`` adds the candidates with ``dist <= margin``, in MuJoCo's order and number. Positions are in m,
in the world frame; ``mat`` rotates local to world; ``size`` is MuJoCo's ``geom_size``. Source: MuJoCo's
engine_collision_primitive.c and, for the ellipsoid, mjc_PlaneConvex.
"""

import math

import warp as wp

from genesis.model import contact
from genesis.rigid.kernels.collision import kinds
from genesis.rigid.kernels.collision.families import contact_geometry, narrow_phase
from genesis.rigid.kernels.collision.slots import add_contact
from genesis.rigid.kernels.groups import Hulls
from genesis.types import mat33, real, vec3

# A vector shorter than this (m, or a sine) is rounding error and has no direction. In 64 bits it is MuJoCo's mjMINVAL;
# in 32 bits rounding alone is about 1e-7.
MIN_LENGTH = real(1.0e-15 if real is wp.float64 else 1.0e-6)
# Sine of a cylinder's tilt at which what its derivative leaves out below, of the order of the sine, equals the rounding
# error of what it holds above, of the order of rounding over the sine.
UPRIGHT_SINE = real(1.0e-8 if real is wp.float64 else 3.0e-4)
HALF_SQRT_3 = real(math.sqrt(3.0) / 2.0)
MAX_BOX_CONTACTS = 4


@wp.func
def column(mat: mat33, k: int) -> vec3:
    """Axis ``k`` of the local frame, in the world frame."""
    return vec3(mat[0, k], mat[1, k], mat[2, k])


@wp.func
def constant(v: vec3) -> vec3:
    """``v``, without derivative."""
    return vec3(v[0], v[1], v[2])


@wp.func_grad(constant)
def adj_constant(v: vec3, adj_ret: vec3):
    """Zero."""


@wp.func
def point_on_plane(dist: real, point: vec3, normal: vec3, tangent: vec3):
    """The contact of a surface point at height ``dist`` above a plane with ``normal``."""
    return dist, point - normal * (dist * real(0.5)), normal, tangent


@wp.func
def sphere_on_plane(pos1: vec3, normal: vec3, center: vec3, radius: real, tangent: vec3):
    """The contact of a sphere with the plane through ``pos1`` (mjraw_PlaneSphere)."""
    dist = wp.dot(center - pos1, normal) - radius
    return dist, center - normal * (dist * real(0.5) + radius), normal, tangent


@wp.func
def plane_sphere(
    f0: int, f1: int, f2: int, f3: int, pos1: vec3, mat1: mat33, size1: vec3, pos2: vec3, mat2: mat33, size2: vec3
):
    """mjc_PlaneSphere. No features."""
    dist, pos, normal, tangent = sphere_on_plane(pos1, column(mat1, 2), pos2, size2[0], vec3())
    return dist, pos, normal, tangent


@wp.func
def collide_plane_sphere(
    w: int,
    pair: int,
    margin: real,
    pos1: vec3,
    mat1: mat33,
    size1: vec3,
    pos2: vec3,
    mat2: mat33,
    size2: vec3,
    ncon: wp.array2d(dtype=int),
    con_pair: wp.array2d(dtype=int),
    con_feature: wp.array3d(dtype=int),
):
    """At most one contact."""
    dist, _pos, _normal, _tangent = plane_sphere(0, 0, 0, 0, pos1, mat1, size1, pos2, mat2, size2)
    if dist <= margin:
        add_contact(w, pair, 0, 0, 0, 0, ncon, con_pair, con_feature)


@wp.func(inline=False)
def plane_capsule(
    f0: int, f1: int, f2: int, f3: int, pos1: vec3, mat1: mat33, size1: vec3, pos2: vec3, mat2: mat33, size2: vec3
):
    """mjc_PlaneCapsule. f0: which end, 0 at +z, 1 at -z of the capsule. The tangent hint is the capsule's axis."""
    axis = column(mat2, 2)
    side = wp.where(f0 == 0, real(1.0), real(-1.0))
    center = pos2 + axis * (side * size2[1])
    dist, pos, normal, tangent = sphere_on_plane(pos1, column(mat1, 2), center, size2[0], axis)
    return dist, pos, normal, tangent


@wp.func
def collide_plane_capsule(
    w: int,
    pair: int,
    margin: real,
    pos1: vec3,
    mat1: mat33,
    size1: vec3,
    pos2: vec3,
    mat2: mat33,
    size2: vec3,
    ncon: wp.array2d(dtype=int),
    con_pair: wp.array2d(dtype=int),
    con_feature: wp.array3d(dtype=int),
):
    """One contact for each end that is near."""
    for end in range(2):
        dist, _pos, _normal, _tangent = plane_capsule(end, 0, 0, 0, pos1, mat1, size1, pos2, mat2, size2)
        if dist <= margin:
            add_contact(w, pair, end, 0, 0, 0, ncon, con_pair, con_feature)


@wp.func(inline=False)
def plane_cylinder(
    f0: int, f1: int, f2: int, f3: int, pos1: vec3, mat1: mat33, size1: vec3, pos2: vec3, mat2: mat33, size2: vec3
):
    """mjc_PlaneCylinder. f0: 0 the lowest point, 1 the point beside it on the other rim, 2 and 3 the points that
    complete a triangle on the rim of 0.

    With the axis a turned towards the plane and d the unit vector of -n's part normal to a, points 0 and 1 are
    c + r d +- h a, points 2 and 3 are c - r d / 2 +- (r sqrt(3) / 2) d x a + h a.

    Where the cylinder stands upright d is undefined, and MuJoCo takes the cylinder's x axis: the derivative is then
    that of material points, fixed to the cylinder. Near upright a change of tilt turns d by that change over the tilt,
    which moves the points around the rim, three of them evenly spaced, to almost no effect; below UPRIGHT_SINE that
    motion is left out and the points are material ones as well. (MuJoCo's distance of points 2 and 3 leaves out the
    height of d x a: as long as d follows the tilt it is zero, and so is its derivative, but a material point rises.)
    """
    radius = size2[0]
    normal = column(mat1, 2)
    axis = column(mat2, 2)
    down = wp.dot(normal, axis)
    if down > real(0.0):
        axis = -axis
        down = -down
    # -n's part normal to a, (a . n) a - n, as a double product: it is normal to a to rounding, however small it is
    across = wp.cross(axis, normal)
    direction = column(mat2, 0)
    drop = real(0.0)  # d . n, negative: how far the rim's lowest point lies below its centre, per radius
    rise = real(0.0)  # (d x a) . n
    if wp.dot(across, across) >= UPRIGHT_SINE * UPRIGHT_SINE:
        sine = wp.length(across)
        direction = wp.cross(axis, across) / sine
        drop = -sine
    else:
        if wp.dot(across, across) >= MIN_LENGTH * MIN_LENGTH:
            direction = mat2 * constant(wp.transpose(mat2) * (wp.cross(axis, across) / wp.length(across)))
        drop = wp.dot(direction, normal)
        rise = wp.dot(wp.cross(direction, axis), normal)

    along = size2[1]
    forward = radius
    sideways = real(0.0)
    if f0 == 1:
        along = -size2[1]
    if f0 >= 2:
        forward = real(-0.5) * radius
        sideways = wp.where(f0 == 2, HALF_SQRT_3, -HALF_SQRT_3) * radius
    offset = direction * forward + axis * along + wp.cross(direction, axis) * sideways
    dist = wp.dot(pos2 - pos1, normal) + down * along + drop * forward + rise * sideways
    dist, pos, normal_, tangent = point_on_plane(dist, pos2 + offset, normal, vec3())
    return dist, pos, normal_, tangent


@wp.func
def collide_plane_cylinder(
    w: int,
    pair: int,
    margin: real,
    pos1: vec3,
    mat1: mat33,
    size1: vec3,
    pos2: vec3,
    mat2: mat33,
    size2: vec3,
    ncon: wp.array2d(dtype=int),
    con_pair: wp.array2d(dtype=int),
    con_feature: wp.array3d(dtype=int),
):
    """Up to four contacts: none unless the lowest point is near; points 2 and 3, equally high, both or neither."""
    lowest, _pos0, _normal0, _tangent0 = plane_cylinder(0, 0, 0, 0, pos1, mat1, size1, pos2, mat2, size2)
    beside, _pos1, _normal1, _tangent1 = plane_cylinder(1, 0, 0, 0, pos1, mat1, size1, pos2, mat2, size2)
    triangle, _pos2, _normal2, _tangent2 = plane_cylinder(2, 0, 0, 0, pos1, mat1, size1, pos2, mat2, size2)
    if lowest <= margin:
        add_contact(w, pair, 0, 0, 0, 0, ncon, con_pair, con_feature)
        if beside <= margin:
            add_contact(w, pair, 1, 0, 0, 0, ncon, con_pair, con_feature)
        if triangle <= margin:
            add_contact(w, pair, 2, 0, 0, 0, ncon, con_pair, con_feature)
            add_contact(w, pair, 3, 0, 0, 0, ncon, con_pair, con_feature)


@wp.func(inline=False)
def plane_ellipsoid(
    f0: int, f1: int, f2: int, f3: int, pos1: vec3, mat1: mat33, size1: vec3, pos2: vec3, mat2: mat33, size2: vec3
):
    """mjc_PlaneConvex with the ellipsoid's support point S (S d / |S d|) in the direction d = -n. No features."""
    normal = column(mat1, 2)
    scaled = wp.cw_mul(size2, wp.transpose(mat2) * (-normal))
    support = wp.cw_mul(size2, scaled / wp.length(scaled))  # |S d| is at least the smallest semi-axis
    point = pos2 + mat2 * support
    dist, pos, normal_, tangent = point_on_plane(wp.dot(point - pos1, normal), point, normal, vec3())
    return dist, pos, normal_, tangent


@wp.func
def collide_plane_ellipsoid(
    w: int,
    pair: int,
    margin: real,
    pos1: vec3,
    mat1: mat33,
    size1: vec3,
    pos2: vec3,
    mat2: mat33,
    size2: vec3,
    ncon: wp.array2d(dtype=int),
    con_pair: wp.array2d(dtype=int),
    con_feature: wp.array3d(dtype=int),
):
    """At most one contact."""
    dist, _pos, _normal, _tangent = plane_ellipsoid(0, 0, 0, 0, pos1, mat1, size1, pos2, mat2, size2)
    if dist <= margin:
        add_contact(w, pair, 0, 0, 0, 0, ncon, con_pair, con_feature)


@wp.func
def box_corner(k: int, mat: mat33, size: vec3) -> vec3:
    """Corner ``k`` of a box from its centre, in the world frame; bit i of ``k`` set: at the positive end of axis i."""
    return mat * vec3(
        wp.where((k & 1) != 0, size[0], -size[0]),
        wp.where((k & 2) != 0, size[1], -size[1]),
        wp.where((k & 4) != 0, size[2], -size[2]),
    )


@wp.func(inline=False)
def plane_box(
    f0: int, f1: int, f2: int, f3: int, pos1: vec3, mat1: mat33, size1: vec3, pos2: vec3, mat2: mat33, size2: vec3
):
    """mjc_PlaneBox. f0: the corner, numbered as in :func:`box_corner`."""
    normal = column(mat1, 2)
    corner = box_corner(f0, mat2, size2)
    dist = wp.dot(pos2 - pos1, normal) + wp.dot(normal, corner)
    dist, pos, normal_, tangent = point_on_plane(dist, pos2 + corner, normal, vec3())
    return dist, pos, normal_, tangent


@wp.func
def collide_plane_box(
    w: int,
    pair: int,
    margin: real,
    pos1: vec3,
    mat1: mat33,
    size1: vec3,
    pos2: vec3,
    mat2: mat33,
    size2: vec3,
    ncon: wp.array2d(dtype=int),
    con_pair: wp.array2d(dtype=int),
    con_feature: wp.array3d(dtype=int),
):
    """The first four of the near corners that do not lie above the box's centre."""
    normal = column(mat1, 2)
    count = int(0)
    corners = int(8)  # a variable: the loop stays a loop
    for k in range(corners):
        dist, _pos, _normal, _tangent = plane_box(k, 0, 0, 0, pos1, mat1, size1, pos2, mat2, size2)
        if dist <= margin and wp.dot(normal, box_corner(k, mat2, size2)) <= real(0.0) and count < MAX_BOX_CONTACTS:
            add_contact(w, pair, k, 0, 0, 0, ncon, con_pair, con_feature)
            count += 1


@wp.func
def _collide(
    kind: int,
    w: int,
    pair: int,
    geoms: wp.vec2i,
    margin: real,
    pos1: vec3,
    mat1: mat33,
    size1: vec3,
    pos2: vec3,
    mat2: mat33,
    size2: vec3,
    hulls: Hulls,
    ncon: wp.array2d(dtype=int),
    con_pair: wp.array2d(dtype=int),
    con_feature: wp.array3d(dtype=int),
):
    if kind == kinds.PLANE_SPHERE:
        collide_plane_sphere(w, pair, margin, pos1, mat1, size1, pos2, mat2, size2, ncon, con_pair, con_feature)
    elif kind == kinds.PLANE_CAPSULE:
        collide_plane_capsule(w, pair, margin, pos1, mat1, size1, pos2, mat2, size2, ncon, con_pair, con_feature)
    elif kind == kinds.PLANE_ELLIPSOID:
        collide_plane_ellipsoid(w, pair, margin, pos1, mat1, size1, pos2, mat2, size2, ncon, con_pair, con_feature)
    elif kind == kinds.PLANE_CYLINDER:
        collide_plane_cylinder(w, pair, margin, pos1, mat1, size1, pos2, mat2, size2, ncon, con_pair, con_feature)
    elif kind == kinds.PLANE_BOX:
        collide_plane_box(w, pair, margin, pos1, mat1, size1, pos2, mat2, size2, ncon, con_pair, con_feature)


@wp.func
def _evaluate(
    kind: int,
    f0: int,
    f1: int,
    f2: int,
    f3: int,
    pos1: vec3,
    mat1: mat33,
    size1: vec3,
    pos2: vec3,
    mat2: mat33,
    size2: vec3,
    mesh_vert: wp.array2d(dtype=real),
):
    dist = real(0.0)
    pos = vec3()
    normal = vec3()
    hint = vec3()
    if kind == kinds.PLANE_SPHERE:
        dist, pos, normal, hint = plane_sphere(f0, f1, f2, f3, pos1, mat1, size1, pos2, mat2, size2)
    elif kind == kinds.PLANE_CAPSULE:
        dist, pos, normal, hint = plane_capsule(f0, f1, f2, f3, pos1, mat1, size1, pos2, mat2, size2)
    elif kind == kinds.PLANE_ELLIPSOID:
        dist, pos, normal, hint = plane_ellipsoid(f0, f1, f2, f3, pos1, mat1, size1, pos2, mat2, size2)
    elif kind == kinds.PLANE_CYLINDER:
        dist, pos, normal, hint = plane_cylinder(f0, f1, f2, f3, pos1, mat1, size1, pos2, mat2, size2)
    elif kind == kinds.PLANE_BOX:
        dist, pos, normal, hint = plane_box(f0, f1, f2, f3, pos1, mat1, size1, pos2, mat2, size2)
    return dist, pos, normal, hint


NARROW_PHASE = narrow_phase("planes", __name__, contact.PLANES, _collide)
GEOMETRY = contact_geometry("planes", __name__, contact.PLANES, _evaluate)
