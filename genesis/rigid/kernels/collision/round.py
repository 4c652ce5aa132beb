"""Contacts of a sphere with a sphere, a capsule, a cylinder or a box, and of two capsules.

For each pair two functions. ``<kind>`` is the geometry of one candidate contact, a function of both poses and sizes
once the features f0..f3 are fixed; it returns

    dist [m]     signed distance of the surfaces, negative in penetration
    pos [m]      midway between the two surface points, world frame
    normal       unit vector from geom 1 to geom 2
    tangent      zero: these contacts leave the rest of their frame to mju_makeFrame

``collide_<kind>`` adds the candidates with ``dist <= margin``, in MuJoCo's order and number. Positions are in m, in the
world frame; ``mat`` rotates local to world; ``size`` is MuJoCo's ``geom_size``. Geom 1 is the one of lower type.

Which part of a geom is nearest (the side, a cap or the rim of a cylinder; face, edge or corner of a box; the inside or
an end of a segment) is decided inside the geometry functions, and the derivative is that of the part taken; on a
boundary it is the part that MuJoCo takes. Source: MuJoCo's engine_collision_primitive.c, and engine_collision_box.c for
sphere with box.
"""

import warp as wp

from genesis.math.spatial import unit
from genesis.model import contact
from genesis.rigid.kernels.collision import kinds
from genesis.rigid.kernels.collision.families import contact_geometry, narrow_phase
from genesis.rigid.kernels.collision.plane import MIN_LENGTH, column, constant, sphere_on_plane
from genesis.rigid.kernels.collision.slots import add_contact
from genesis.rigid.kernels.groups import Hulls
from genesis.types import mat33, real, vec3

# Squared sine of the angle below which MuJoCo 4 calls the axes of two capsules parallel.
PARALLEL_SINE_SQUARED = real(1.0e-8)

# Feature f0 of a contact of two capsules: the nearest points of the axes; with parallel axes, an end of one of them
# (lower: -z, upper: +z) and the point of the other axis nearest to it.
GENERAL = 0
END_1_LOWER = 1
END_1_UPPER = 2
END_2_LOWER = 3
END_2_UPPER = 4

# Part of a cylinder nearest to a point.
SIDE = 0
CAP = 1
RIM = 2


@wp.func
def arbitrary_normal(mat1: mat33, mat2: mat33) -> vec3:
    """MuJoCo's normal of coincident points: the normalised product of the z axes, or x where these are parallel.

    An arbitrary choice, hence a constant for the derivative.
    """
    normal = wp.cross(column(mat1, 2), column(mat2, 2))
    length = wp.length(normal)
    return constant(wp.where(length < MIN_LENGTH, unit(0), normal / wp.max(length, MIN_LENGTH)))


@wp.func(inline=False)
def two_spheres(center1: vec3, mat1: mat33, radius1: real, center2: vec3, mat2: mat33, radius2: real):
    """Distance, position and normal of two spheres (mjraw_SphereSphere).

    With coincident centres the normal n is a constant and the distance is taken as n . (c2 - c1) - r1 - r2: its value
    is the same, and its derivative is that of motion along n, as for every other contact.
    """
    offset = center2 - center1
    normal = arbitrary_normal(mat1, mat2)
    separation = real(0.0)
    if wp.dot(offset, offset) < MIN_LENGTH * MIN_LENGTH:
        separation = wp.dot(offset, normal)
    else:
        separation = wp.length(offset)
        normal = offset / separation
    dist = separation - radius1 - radius2
    return dist, center1 + normal * (radius1 + dist * real(0.5)), normal


@wp.func
def sphere_sphere(
    f0: int, f1: int, f2: int, f3: int, pos1: vec3, mat1: mat33, size1: vec3, pos2: vec3, mat2: mat33, size2: vec3
):
    """mjc_SphereSphere. No features."""
    dist, pos, normal = two_spheres(pos1, mat1, size1[0], pos2, mat2, size2[0])
    return dist, pos, normal, vec3()


@wp.func
def collide_sphere_sphere(
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
    dist, _pos, _normal, _tangent = sphere_sphere(0, 0, 0, 0, pos1, mat1, size1, pos2, mat2, size2)
    if dist <= margin:
        add_contact(w, pair, 0, 0, 0, 0, ncon, con_pair, con_feature)


@wp.func(inline=False)
def sphere_capsule(
    f0: int, f1: int, f2: int, f3: int, pos1: vec3, mat1: mat33, size1: vec3, pos2: vec3, mat2: mat33, size2: vec3
):
    """mjc_SphereCapsule: the sphere and a sphere at the nearest point of the capsule's axis. No features."""
    axis = column(mat2, 2)
    x = wp.dot(axis, pos1 - pos2)
    if x > size2[1]:
        x = size2[1]
    elif x < -size2[1]:
        x = -size2[1]
    dist, pos, normal = two_spheres(pos1, mat1, size1[0], pos2 + axis * x, mat2, size2[0])
    return dist, pos, normal, vec3()


@wp.func
def collide_sphere_capsule(
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
    dist, _pos, _normal, _tangent = sphere_capsule(0, 0, 0, 0, pos1, mat1, size1, pos2, mat2, size2)
    if dist <= margin:
        add_contact(w, pair, 0, 0, 0, 0, ncon, con_pair, con_feature)


@wp.func
def cylinder_part(x: real, rho_squared: real, radius: real, half_length: real) -> int:
    """The part of a cylinder nearest to a point at height ``x``, squared distance ``rho_squared`` from the axis.

    Inside the cylinder the cap is nearer than the side where half_length - |x| < radius - rho; compared in squares,
    since the square root has no derivative on the axis.
    """
    beside = wp.abs(x) < half_length
    above = rho_squared < radius * radius
    reach = radius - (half_length - wp.abs(x))
    is_cap = above and (not beside or (reach > real(0.0) and rho_squared < reach * reach))
    return wp.where(is_cap, CAP, wp.where(beside, SIDE, RIM))


@wp.func(inline=False)
def sphere_cylinder(
    f0: int, f1: int, f2: int, f3: int, pos1: vec3, mat1: mat33, size1: vec3, pos2: vec3, mat2: mat33, size2: vec3
):
    """mjc_SphereCylinder: side, cap or rim, whichever the sphere's centre is nearest to. No features."""
    axis = column(mat2, 2)
    offset = pos1 - pos2
    x = wp.dot(axis, offset)
    rho = offset - axis * x  # from the axis to the sphere's centre
    rho_squared = wp.dot(rho, rho)
    part = cylinder_part(x, rho_squared, size2[0], size2[1])
    side = wp.where(x > real(0.0), real(1.0), real(-1.0))

    dist = real(0.0)
    pos = vec3()
    normal = vec3()
    if part == SIDE:
        dist, pos, normal = two_spheres(pos1, mat1, size1[0], pos2 + axis * x, mat2, size2[0])
    elif part == CAP:
        outward = axis * side
        dist, pos, normal, _tangent = sphere_on_plane(pos2 + outward * size2[1], outward, pos1, size1[0], vec3())
        normal = -normal
    else:
        rim = pos2 + axis * (side * size2[1]) + rho * (size2[0] / wp.sqrt(rho_squared))
        dist, pos, normal = two_spheres(pos1, mat1, size1[0], rim, mat2, real(0.0))
    return dist, pos, normal, vec3()


@wp.func
def collide_sphere_cylinder(
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
    dist, _pos, _normal, _tangent = sphere_cylinder(0, 0, 0, 0, pos1, mat1, size1, pos2, mat2, size2)
    if dist <= margin:
        add_contact(w, pair, 0, 0, 0, 0, ncon, con_pair, con_feature)


@wp.func
def beyond(x: real, limit: real) -> real:
    """From ``x`` to the interval [-limit, limit]: exactly zero, with derivative zero, inside."""
    return wp.where(x > limit, limit - x, wp.where(x < -limit, -limit - x, real(0.0)))


@wp.func
def nearest_face(center: vec3, size: vec3) -> int:
    """The face of a box nearest to a point inside; 2 axis + (1 for the positive end), the first of equals."""
    face = int(0)
    nearest = size[0] + center[0]
    for k in range(1, 6):
        depth = size[k // 2] - wp.where(k % 2 == 1, center[k // 2], -center[k // 2])
        if depth < nearest:
            nearest = depth
            face = k
    return face


@wp.func(inline=False)
def sphere_box(
    f0: int, f1: int, f2: int, f3: int, pos1: vec3, mat1: mat33, size1: vec3, pos2: vec3, mat2: mat33, size2: vec3
):
    """mjraw_SphereBox: the nearest point of the box, or its nearest face if the sphere's centre is inside. No features.

    ``to_box`` leads from the sphere's centre to the nearest point of the box, in the box's frame. Above a face one
    component of it is not zero, above an edge two, at a corner three: the others have value and derivative zero.
    """
    radius = size1[0]
    center = wp.transpose(mat2) * (pos1 - pos2)
    to_box = vec3(beyond(center[0], size2[0]), beyond(center[1], size2[1]), beyond(center[2], size2[2]))
    dist = real(0.0)
    middle = vec3()  # position of the contact and normal, in the box's frame
    normal = vec3()
    if wp.dot(to_box, to_box) > MIN_LENGTH * MIN_LENGTH:
        separation = wp.length(to_box)
        normal = to_box / separation
        dist = separation - radius
        middle = center + (to_box + normal * radius) * real(0.5)
    else:
        face = nearest_face(center, size2)
        inward = unit(face // 2) * wp.where(face % 2 == 1, real(-1.0), real(1.0))
        depth = wp.dot(size2, unit(face // 2)) + wp.dot(center, inward)
        normal = inward
        dist = -depth - radius
        middle = center + normal * ((radius - depth) * real(0.5))
    return dist, pos2 + mat2 * middle, mat2 * normal, vec3()


@wp.func
def collide_sphere_box(
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
    dist, _pos, _normal, _tangent = sphere_box(0, 0, 0, 0, pos1, mat1, size1, pos2, mat2, size2)
    if dist <= margin:
        add_contact(w, pair, 0, 0, 0, 0, ncon, con_pair, con_feature)


@wp.func
def nearest_on_segment(point: vec3, center: vec3, half_axis: vec3) -> real:
    """x in [-1, 1] of the point center + x half_axis nearest to ``point``."""
    x = wp.dot(point - center, half_axis) / wp.dot(half_axis, half_axis)
    if x > real(1.0):
        x = real(1.0)
    elif x < real(-1.0):
        x = real(-1.0)
    return x


@wp.func
def nearest_of_segments(pos1: vec3, axis1: vec3, pos2: vec3, axis2: vec3):
    """x1, x2 in [-1, 1] of the nearest points pos1 + x1 axis1, pos2 + x2 axis2 of two segments that are not parallel.

    The nearest points of the lines, with n = axis1 x axis2 and c = pos2 - pos1: x1 = (c x axis2) . n / |n|^2 and
    x2 = (c x axis1) . n / |n|^2. MuJoCo solves the same 2 x 2 system through its determinant
    |axis1|^2 |axis2|^2 - (axis1 . axis2)^2 = |n|^2; at a small angle that difference loses twice as many digits as the
    vector product. MuJoCo's sequence of clamping follows. Also returns 1 if no clamping was needed, else 0.
    """
    c = pos2 - pos1
    n = wp.cross(axis1, axis2)
    area_squared = wp.dot(n, n)
    x1 = wp.dot(wp.cross(c, axis2), n) / area_squared
    x2 = wp.dot(wp.cross(c, axis1), n) / area_squared
    interior = int(1)
    if wp.abs(x1) > real(1.0):
        interior = 0
        x1 = wp.where(x1 > real(0.0), real(1.0), real(-1.0))
        x2 = wp.dot(pos1 + axis1 * x1 - pos2, axis2) / wp.dot(axis2, axis2)
    if wp.abs(x2) > real(1.0):
        interior = 0
        x2 = wp.where(x2 > real(0.0), real(1.0), real(-1.0))
        x1 = nearest_on_segment(pos2 + axis2 * x2, pos1, axis1)
    return x1, x2, interior


@wp.func(inline=False)
def capsule_capsule(
    f0: int, f1: int, f2: int, f3: int, pos1: vec3, mat1: mat33, size1: vec3, pos2: vec3, mat2: mat33, size2: vec3
):
    """mjraw_CapsuleCapsule: two spheres at the nearest points of the axes.

    f0: GENERAL, or for parallel axes the end that is held (END_1_LOWER ... END_2_UPPER); the other sphere is at the
    point of the other axis nearest to that end.

    Where the nearest points lie inside both axes the normal is +-n / |n|, n = z1 x z2. Computed so rather than from
    the points, value and derivative stay accurate as the axes come to cross, and where they do are those of MuJoCo's
    choice, +n.
    """
    axis1 = column(mat1, 2) * size1[1]
    axis2 = column(mat2, 2) * size2[1]
    x1 = real(0.0)
    x2 = real(0.0)
    interior = int(0)
    if f0 == GENERAL:
        x1, x2, interior = nearest_of_segments(pos1, axis1, pos2, axis2)
    elif f0 <= END_1_UPPER:
        x1 = wp.where(f0 == END_1_UPPER, real(1.0), real(-1.0))
        x2 = nearest_on_segment(pos1 + axis1 * x1, pos2, axis2)
    else:
        x2 = wp.where(f0 == END_2_UPPER, real(1.0), real(-1.0))
        x1 = nearest_on_segment(pos2 + axis2 * x2, pos1, axis1)
    center1 = pos1 + axis1 * x1
    center2 = pos2 + axis2 * x2
    dist = real(0.0)
    pos = vec3()
    normal = vec3()
    if interior == 1:
        normal = wp.cross(axis1, axis2)
        normal = normal / wp.length(normal)
        separation = wp.dot(pos2 - pos1, normal)
        if separation < -MIN_LENGTH:
            normal = -normal
            separation = -separation
        dist = separation - size1[0] - size2[0]
        pos = center1 + normal * (size1[0] + dist * real(0.5))
    else:
        dist, pos, normal = two_spheres(center1, mat1, size1[0], center2, mat2, size2[0])
    return dist, pos, normal, vec3()


@wp.func
def collide_capsule_capsule(
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
    """At most one contact; with parallel axes, one at each end of the stretch of axis 1 that runs beside axis 2.

    Such an end is the projection of an end of axis 2 where that lies within axis 1, else an end of axis 1. Axes that do
    not run beside each other have the same contact twice, as in MuJoCo 4.
    """
    axis1 = column(mat1, 2) * size1[1]
    axis2 = column(mat2, 2) * size2[1]
    n = wp.cross(axis1, axis2)
    length1_squared = wp.dot(axis1, axis1)
    if wp.dot(n, n) >= PARALLEL_SINE_SQUARED * length1_squared * wp.dot(axis2, axis2):
        dist, _pos, _normal, _tangent = capsule_capsule(GENERAL, 0, 0, 0, pos1, mat1, size1, pos2, mat2, size2)
        if dist <= margin:
            add_contact(w, pair, GENERAL, 0, 0, 0, ncon, con_pair, con_feature)
    else:
        lower = wp.dot(pos2 - axis2 - pos1, axis1) / length1_squared
        upper = wp.dot(pos2 + axis2 - pos1, axis1) / length1_squared
        is_reversed = lower > upper
        first = wp.where(is_reversed, END_2_UPPER, END_2_LOWER)
        last = wp.where(is_reversed, END_2_LOWER, END_2_UPPER)
        if wp.min(lower, upper) < real(-1.0):
            first = END_1_LOWER
        if wp.max(lower, upper) > real(1.0):
            last = END_1_UPPER
        for k in range(2):
            end = wp.where(k == 0, first, last)
            near, _p, _n, _t = capsule_capsule(end, 0, 0, 0, pos1, mat1, size1, pos2, mat2, size2)
            if near <= margin:
                add_contact(w, pair, end, 0, 0, 0, ncon, con_pair, con_feature)


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
    if kind == kinds.SPHERE_SPHERE:
        collide_sphere_sphere(w, pair, margin, pos1, mat1, size1, pos2, mat2, size2, ncon, con_pair, con_feature)
    elif kind == kinds.SPHERE_CAPSULE:
        collide_sphere_capsule(w, pair, margin, pos1, mat1, size1, pos2, mat2, size2, ncon, con_pair, con_feature)
    elif kind == kinds.SPHERE_CYLINDER:
        collide_sphere_cylinder(w, pair, margin, pos1, mat1, size1, pos2, mat2, size2, ncon, con_pair, con_feature)
    elif kind == kinds.SPHERE_BOX:
        collide_sphere_box(w, pair, margin, pos1, mat1, size1, pos2, mat2, size2, ncon, con_pair, con_feature)
    elif kind == kinds.CAPSULE_CAPSULE:
        collide_capsule_capsule(w, pair, margin, pos1, mat1, size1, pos2, mat2, size2, ncon, con_pair, con_feature)


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
    if kind == kinds.SPHERE_SPHERE:
        dist, pos, normal, hint = sphere_sphere(f0, f1, f2, f3, pos1, mat1, size1, pos2, mat2, size2)
    elif kind == kinds.SPHERE_CAPSULE:
        dist, pos, normal, hint = sphere_capsule(f0, f1, f2, f3, pos1, mat1, size1, pos2, mat2, size2)
    elif kind == kinds.SPHERE_CYLINDER:
        dist, pos, normal, hint = sphere_cylinder(f0, f1, f2, f3, pos1, mat1, size1, pos2, mat2, size2)
    elif kind == kinds.SPHERE_BOX:
        dist, pos, normal, hint = sphere_box(f0, f1, f2, f3, pos1, mat1, size1, pos2, mat2, size2)
    elif kind == kinds.CAPSULE_CAPSULE:
        dist, pos, normal, hint = capsule_capsule(f0, f1, f2, f3, pos1, mat1, size1, pos2, mat2, size2)
    return dist, pos, normal, hint


NARROW_PHASE = narrow_phase("rounds", __name__, contact.ROUNDS, _collide)
GEOMETRY = contact_geometry("rounds", __name__, contact.ROUNDS, _evaluate)
