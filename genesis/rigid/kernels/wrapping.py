"""How a tendon runs around a sphere or a cylinder (MuJoCo: mju_wrap): whether, on which side, and where it touches.

The problem is one of the plane: of the two ends and the centre of a sphere, or across the axis of a cylinder. From each
end a line touches the circle, and an arc joins the two points; or, if the side site lies inside of the circle, both
lines meet in the one point of it where the path is shortest. Whether there is a wrap, and which of the two solutions it
is, is a discrete choice, made by `choose_wraps`; `wrap` then evaluates that choice, with gradient.

What MuJoCo 4.0 does is not what its public sources say. Measured on 40,000 random paths: a tendon goes the long way
around where the side site, seen from the centre, lies in the sector opposite to the one between the ends; the short way
where the straight line would cut the circle; else it goes straight. The point inside is found by Newton's method from a
right angle of incidence down, to a residual of 1e-6.
"""

import warp as wp

from genesis.math.spatial import quat_conj, quat_mul, quat_rotate
from genesis.rigid.kernels.groups import Segments, Sites, Wraps
from genesis.rigid.kernels.sites import site_place
from genesis.types import real, untaped, vec2, vec3, vec4

# Shapes, and what a wrap is.
SPHERE = wp.constant(0)
CYLINDER = wp.constant(1)
NO_WRAP = wp.constant(0)
FIRST_ARC = wp.constant(1)
SECOND_ARC = wp.constant(2)
INSIDE = wp.constant(3)
INSIDE_MEAN = wp.constant(4)  # of the ends' directions: where the search for the point inside fails

MIN_VALUE = real(1.0e-15)  # mjMINVAL
# Of the search for the point inside.
RIGHT_ANGLE = real(1.5707963267948966)
TOLERANCE = real(1.0e-6)
ITERATIONS = wp.constant(20)
TWO_PI = real(6.283185307179586)
HALF = real(0.5)
SAME_POINT = real(1.0e-3)  # [rad] between points that only rounding has brought into the other order


@wp.func
def safe_sqrt(x: real) -> real:
    """Square root whose slope at zero is taken as zero."""
    if x > MIN_VALUE * MIN_VALUE:
        return wp.sqrt(x)
    return real(0.0)


@wp.func
def unit(v: vec3) -> vec3:
    """Direction of a vector; x of one without (MuJoCo: mju_normalize3)."""
    n = safe_sqrt(wp.dot(v, v))
    if n > MIN_VALUE:
        return v / n
    return vec3(real(1.0), real(0.0), real(0.0))


@wp.func
def unit2(v: vec2) -> vec2:
    n = safe_sqrt(wp.dot(v, v))
    if n > MIN_VALUE:
        return v / n
    return vec2(real(1.0), real(0.0))


@wp.func
def cross2(a: vec2, b: vec2) -> real:
    return a[0] * b[1] - a[1] * b[0]


@wp.func
def wrap_orientation(w: int, k: int, wraps: Wraps, xquat: wp.array2d(dtype=vec4)) -> vec4:
    return quat_mul(xquat[w, wraps.wrap_bodyid[k]], wraps.geom_quat[w, wraps.wrap_geom[k]])


@wp.func
def wrap_centre(w: int, k: int, wraps: Wraps, xpos: wp.array2d(dtype=vec3), xquat: wp.array2d(dtype=vec4)) -> vec3:
    b = wraps.wrap_bodyid[k]
    return xpos[w, b] + quat_rotate(xquat[w, b], wraps.geom_pos[w, wraps.wrap_geom[k]])


@wp.func
def wrap_radius(w: int, k: int, wraps: Wraps) -> real:
    return wraps.geom_size[w, wraps.wrap_geom[k]][0]


@wp.func
def second_axis(shape: int, p0: vec3, p1: vec3) -> vec3:
    """Of the plane of the problem, in the shape's frame; the first is `first_axis`."""
    axis = vec3(real(0.0), real(1.0), real(0.0))
    if shape == SPHERE:
        first = unit(p0)
        normal = wp.cross(p0, p1)
        if wp.dot(normal, normal) < MIN_VALUE * MIN_VALUE:
            # the ends and the centre are in a line: any plane through it, and MuJoCo's is this
            other = vec3(real(0.0), real(1.0), real(1.0))
            if wp.abs(first[1]) > wp.abs(first[0]) and wp.abs(first[1]) > wp.abs(first[2]):
                other = vec3(real(1.0), real(0.0), real(1.0))
            if wp.abs(first[2]) > wp.abs(first[0]) and wp.abs(first[2]) > wp.abs(first[1]):
                other = vec3(real(1.0), real(1.0), real(0.0))
            normal = wp.cross(first, other)
        axis = unit(wp.cross(unit(normal), first))
    return axis


@wp.func
def first_axis(shape: int, p0: vec3) -> vec3:
    axis = vec3(real(1.0), real(0.0), real(0.0))
    if shape == SPHERE:
        axis = unit(p0)
    return axis


@wp.func
def tangent_point(end: vec2, radius: real, sign: real) -> vec2:
    """Where a line from ``end`` touches the circle; the sign says which of the two."""
    square = wp.dot(end, end)
    root = sign * radius * safe_sqrt(square - radius * radius)
    return vec2(
        (end[0] * radius * radius + root * end[1]) / square, (end[1] * radius * radius - root * end[0]) / square
    )


@wp.func
def arc_length(first: vec2, second: vec2, radius: real, sign: real) -> real:
    """From one point to the other: clockwise for sign 1, else the other way.

    Where a tendon only just touches, the points are the same but for rounding, in either order.
    """
    angle = wp.atan2(-sign * cross2(first, second), wp.dot(first, second))
    if angle < -SAME_POINT:
        angle = angle + TWO_PI
    return radius * angle


@wp.func
def angle_between(one: vec2, two: vec2) -> real:
    return wp.atan2(wp.abs(cross2(one, two)), wp.dot(one, two))


@wp.func
def incidence_residual(a: real, b: real, between: real, angle: real) -> real:
    """Zero where both lines meet the circle from inside under the same ``angle``. ``a``, ``b``: radius over the
    distances of the ends from the centre; ``between``: the angle between the ends, seen from there."""
    sine = wp.sin(angle)
    return wp.asin(a * sine) + wp.asin(b * sine) - real(2.0) * angle + between


@wp.func
def residual_of_ends(end0: vec2, end1: vec2, radius: real, angle: real) -> real:
    a = radius / safe_sqrt(wp.dot(end0, end0))
    b = radius / safe_sqrt(wp.dot(end1, end1))
    return incidence_residual(a, b, angle_between(end0, end1), angle)


@wp.func
def point_inside(end0: vec2, end1: vec2, radius: real, angle: real) -> vec2:
    """The point of the circle at which the lines to both ends meet its radius under this angle."""
    start = end1
    if cross2(end0, end1) > real(0.0):
        start = end0
    n = safe_sqrt(wp.dot(start, start))
    turn = angle - wp.asin(radius / n * wp.sin(angle))
    direction = start / n
    c = wp.cos(turn)
    s = wp.sin(turn)
    return vec2(radius * (c * direction[0] - s * direction[1]), radius * (s * direction[0] + c * direction[1]))


@wp.func
def wrap(shape: int, state: int, radius: real, root: vec3, p0: vec3, p1: vec3):
    """The two points at which a tendon touches the shape and the length between them, all in the shape's frame.

    ``state``: of `choose_wraps`, not NO_WRAP; ``root``: of an INSIDE one the angle that was found, what was left of its
    equation, and the equation's inverse slope, by which the angle moves with the ends.
    """
    one = first_axis(shape, p0)
    two = second_axis(shape, p0, p1)
    end0 = vec2(wp.dot(p0, one), wp.dot(p0, two))
    end1 = vec2(wp.dot(p1, one), wp.dot(p1, two))
    first = vec2()
    second = vec2()
    length = real(0.0)
    if state == FIRST_ARC or state == SECOND_ARC:
        sign = real(1.0)
        if state == SECOND_ARC:
            sign = real(-1.0)
        first = tangent_point(end0, radius, sign)
        second = tangent_point(end1, radius, -sign)
        length = arc_length(first, second, radius, sign)
    elif state == INSIDE:
        angle = root[0] - (residual_of_ends(end0, end1, radius, root[0]) - root[1]) * root[2]
        first = point_inside(end0, end1, radius, angle)
        second = first
    else:
        first = unit2(HALF * (end0 + end1)) * radius
        second = first
    low = real(0.0)
    high = real(0.0)
    if shape == CYLINDER:
        # a helix: it climbs in proportion to the way along the plane
        before = safe_sqrt(wp.dot(end0 - first, end0 - first))
        after = safe_sqrt(wp.dot(end1 - second, end1 - second))
        climb = (p1[2] - p0[2]) / (before + length + after)
        low = p0[2] + climb * before
        high = p0[2] + climb * (before + length)
        length = safe_sqrt(length * length + (high - low) * (high - low))
    at_first = one * first[0] + two * first[1]
    at_second = one * second[0] + two * second[1]
    if shape == CYLINDER:
        at_first = vec3(first[0], first[1], low)
        at_second = vec3(second[0], second[1], high)
    return at_first, at_second, length


# -- the choice -------------------------------------------------------------------------------------------------------


@wp.func
def cuts_circle(end0: vec2, end1: vec2, radius: real) -> bool:
    """Whether the straight line from one end to the other does."""
    line = end1 - end0
    share = wp.min(wp.max(-wp.dot(line, end0) / wp.dot(line, line), real(0.0)), real(1.0))
    nearest = end0 + share * line
    return wp.dot(nearest, nearest) <= radius * radius


@wp.func
def is_opposite(end0: vec2, end1: vec2, side: vec2) -> bool:
    """Whether a direction lies in the sector opposite to the one between the ends."""
    orientation = cross2(end0, end1)
    return cross2(side, end1) * orientation < real(0.0) and cross2(end0, side) * orientation < real(0.0)


@wp.func
def choose_outside(end0: vec2, end1: vec2, radius: real, sided: bool, side: vec2) -> int:
    square = radius * radius
    if wp.dot(end0, end0) < square or wp.dot(end1, end1) < square or radius < MIN_VALUE:
        return NO_WRAP
    if wp.dot(end1 - end0, end1 - end0) < MIN_VALUE:
        return NO_WRAP
    long_way = sided and is_opposite(end0, end1, side)
    if not long_way and not cuts_circle(end0, end1, radius):
        return NO_WRAP
    counterclockwise = cross2(end0, end1) > real(0.0)
    if long_way == counterclockwise:
        return FIRST_ARC
    return SECOND_ARC


@wp.func
def search_inside(end0: vec2, end1: vec2, radius: real):
    """Whether there is a wrap inside, and the ``root`` of it; see `wrap`."""
    none = vec3()
    n0 = wp.sqrt(wp.dot(end0, end0))
    n1 = wp.sqrt(wp.dot(end1, end1))
    if n0 <= radius or n1 <= radius or radius < MIN_VALUE or n0 < MIN_VALUE or n1 < MIN_VALUE:
        return NO_WRAP, none
    apart = wp.dot(end1 - end0, end1 - end0)
    if apart > MIN_VALUE:
        if cuts_circle(end0, end1, radius):
            return NO_WRAP, none
    cosine = (n0 * n0 + n1 * n1 - apart) / (real(2.0) * n0 * n1)
    if cosine < real(-1.0) + MIN_VALUE:
        return NO_WRAP, none
    if cosine > real(1.0) - MIN_VALUE:
        return INSIDE_MEAN, none
    a = radius / n0
    b = radius / n1
    between = wp.acos(cosine)
    angle = RIGHT_ANGLE
    left = incidence_residual(a, b, between, angle)
    if left > real(0.0):
        return INSIDE_MEAN, none
    for _ in range(ITERATIONS):
        if wp.abs(left) > TOLERANCE:
            angle = angle - left / incidence_slope(a, b, angle)
            left = incidence_residual(a, b, between, angle)
    if not wp.abs(left) <= TOLERANCE:
        return INSIDE_MEAN, none
    return INSIDE, vec3(angle, residual_of_ends(end0, end1, radius, angle), real(1.0) / incidence_slope(a, b, angle))


@wp.func
def incidence_slope(a: real, b: real, angle: real) -> real:
    """Derivative of `incidence_residual` by the angle."""
    sine = wp.sin(angle)
    cosine = wp.cos(angle)
    return (
        a * cosine / wp.max(MIN_VALUE, wp.sqrt(real(1.0) - sine * sine * a * a))
        + b * cosine / wp.max(MIN_VALUE, wp.sqrt(real(1.0) - sine * sine * b * b))
        - real(2.0)
    )


@untaped
def choose_wraps(
    sites: Sites,
    segments: Segments,
    wraps: Wraps,
    xpos: wp.array2d(dtype=vec3),
    xquat: wp.array2d(dtype=vec4),
    wrap_state: wp.array2d(dtype=int),
    wrap_root: wp.array2d(dtype=vec3),
):
    """Whether each tendon that a shape may be in the way of runs around it, and how."""
    w = wp.tid()
    for s in range(segments.segment_wrap.shape[0]):
        k = segments.segment_wrap[s]
        if k >= 0:
            centre = wrap_centre(w, k, wraps, xpos, xquat)
            back = quat_conj(wrap_orientation(w, k, wraps, xquat))
            p0 = quat_rotate(back, site_place(w, segments.segment_site[s, 0], sites, xpos, xquat) - centre)
            p1 = quat_rotate(back, site_place(w, segments.segment_site[s, 1], sites, xpos, xquat) - centre)
            radius = wrap_radius(w, k, wraps)
            state = int(NO_WRAP)
            root = vec3()
            if wp.length(p0) >= MIN_VALUE and wp.length(p1) >= MIN_VALUE:
                one = first_axis(wraps.wrap_shape[k], p0)
                two = second_axis(wraps.wrap_shape[k], p0, p1)
                end0 = vec2(wp.dot(p0, one), wp.dot(p0, two))
                end1 = vec2(wp.dot(p1, one), wp.dot(p1, two))
                site = wraps.wrap_side[k]
                sided = site >= 0
                side = vec2()
                inside = bool(False)
                if sided:
                    there = quat_rotate(back, site_place(w, site, sites, xpos, xquat) - centre)
                    side = unit2(vec2(wp.dot(there, one), wp.dot(there, two)))
                    inside = wp.length(there) < radius
                if inside:
                    state, root = search_inside(end0, end1, radius)
                else:
                    state = choose_outside(end0, end1, radius, sided, side)
            wrap_state[w, k] = state
            wrap_root[w, k] = root
