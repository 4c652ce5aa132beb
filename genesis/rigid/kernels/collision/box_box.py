"""Box with box: separating axes, clipping of faces, closest points of edges.

Source: ``mjc_BoxBox`` of MuJoCo 4.0. In words:

1. Signed separations along the three face normals of each box and the nine products of edges are compared. One above
   the margin ends it. The largest of the six faces is the reference; an edge pair replaces it if its separation is
   larger by more than a millionth of itself, and, where the two normals are nearly the same, by a twentieth.
2. Face: the face of the other box (*incident*) that looks most against the reference face is clipped against the four
   side planes of the reference face (Sutherland and Hodgman), corners within the margin of the reference plane are
   kept, and coinciding ones merged: up to eight contacts. Distance: height over the reference plane; position: midway
   between the corner and its foot on that plane.
3. Edges: one contact, midway between the closest points of the two edges (as segments), its distance taken along the
   common perpendicular.

A contact's features say which axis it was, and the two lines whose crossing it is:

- ``f0``: 0-2 a face of box 1, 3-5 a face of box 2, 6 + 3 i + j the edges along axis i of box 1 and axis j of box 2;
- ``f1``: signs and axes, packed (``_pack_face``, ``_pack_edges``);
- ``f2``, ``f3``: for each of the two lines that fix the point, its offset as a fraction of a half size, in units of
  ``1 / FRACTION``: plus or minus one for a side or an end; in between where the point had to be frozen (``PARALLEL``).
"""

import warp as wp

from genesis import runtime
from genesis.model import contact
from genesis.rigid.kernels.collision.families import contact_geometry, narrow_phase
from genesis.rigid.kernels.collision.slots import add_contact
from genesis.rigid.kernels.groups import Hulls
from genesis.types import mat33, real, vec3

MAX_CORNERS = 12  # MuJoCo's buffer; a quadrilateral clipped by four planes has at most eight corners
corners = wp.types.matrix(shape=(MAX_CORNERS, 3), dtype=real)
lines = wp.types.matrix(shape=(MAX_CORNERS, 3), dtype=wp.int32)  # the two lines of a corner; the edge to the next one

_DOUBLE = runtime.precision == "64"

# MuJoCo's tolerances. Those that guard against rounding are widened in single precision.
LOWEST = real(-1e10)
SEPARATION_SLACK = real(1e-13 if _DOUBLE else 1e-6)  # in units of the sum of all half sizes
EDGES_PARALLEL = real(1e-16 if _DOUBLE else 1e-10)  # squared sine of the angle between two edges that span no axis
EDGE_BIAS = real(1e-6)  # by which an edge pair must be better, in units of its own separation
NORMALS_ALIKE = real(0.99)  # cosine above which an edge pair must be much better than the best face:
ALIKE_BIAS = real(0.05)  # in units of the face's separation
ALIKE_SLACK = real(1e-15 if _DOUBLE else 1e-6)
NORMAL_ACROSS = real(1e-9 if _DOUBLE else 1e-5)  # cosine below which the normal leaves open which of two edges it is
SEGMENTS_PARALLEL = real(1e-15 if _DOUBLE else 1e-6)  # squared sine
FARTHEST = real(1e10)  # squared distance of edges
SAME_CORNER = real(1e-14 if _DOUBLE else 1e-10)  # squared distance, in units of the squared half diagonal of the face

# Where two lines cross at a smaller angle than this (radians), the point moves along them faster than a million times
# the motion of the boxes. Then its place on the edge is frozen as a fraction, which keeps gradients of boxes that lie
# flush on each other finite; the point still moves with the incident box.
PARALLEL = real(1e-6 if _DOUBLE else 1e-4)
SEGMENTS_FROZEN = real(1e-12 if _DOUBLE else 1e-6)  # squared sine; the same for two edges
FRACTION = real(2.0**30)
PER_FRACTION = real(2.0**-30)
SMALLEST = real(1e-30)

# A line in the plane of the incident face, by number: 2 * kind + (1 if its offset is positive). Kinds 0 and 1: the
# incident face's own sides, its first or second coordinate being constant; 2 and 3: the reference face's side planes.
FIRST_SIDE = wp.constant(4)  # the lines from here on belong to the reference face


@wp.func
def _column(m: mat33, k: int):
    return vec3(m[0, k], m[1, k], m[2, k])


@wp.func
def _sign(bit: int):
    """-1 for 0, +1 for 1."""
    return real(2 * bit - 1)


@wp.func
def _bit(positive: bool):
    bit = int(0)
    if positive:
        bit = 1
    return bit


# Geometry from features: taped.


@wp.func
def _line(
    kind: int, fraction: real, b: int, half_a: real, half_c: real, center: vec3, a: vec3, c: vec3, half_sizes: vec3
):
    """The line ``m1 alpha + m2 gamma = r`` in the plane ``center + alpha a + gamma c``, seen from the reference box."""
    m1 = real(1.0)
    m2 = real(0.0)
    r = fraction * half_a
    if kind == 1:
        m1 = real(0.0)
        m2 = real(1.0)
        r = fraction * half_c
    if kind > 1:
        k = (b + kind - 1) % 3
        m1 = a[k]
        m2 = c[k]
        r = fraction * half_sizes[k] - center[k]
    return m1, m2, r


@wp.func(inline=False)
def _face_point(
    b: int,
    f1: int,
    f2: int,
    f3: int,
    pos_ref: vec3,
    mat_ref: mat33,
    size_ref: vec3,
    pos_inc: vec3,
    mat_inc: mat33,
    size_inc: vec3,
):
    """Distance, position and the outward normal of the reference face, of a point of the incident face."""
    g = _sign(f1 & 1)
    j = (f1 >> 1) & 3
    ja = (j + 1) % 3
    jc = (j + 2) % 3
    rot = wp.transpose(mat_ref) * mat_inc
    a = _column(rot, ja)
    c = _column(rot, jc)
    center = wp.transpose(mat_ref) * (pos_inc - pos_ref) + _column(rot, j) * (_sign((f1 >> 3) & 1) * size_inc[j])

    # Two lines, and Cramer's rule for their crossing.
    p1, p2, p = _line((f1 >> 4) & 3, real(f2) * PER_FRACTION, b, size_inc[ja], size_inc[jc], center, a, c, size_ref)
    q1, q2, q = _line(
        ((f1 >> 6) & 3) ^ 1, real(f3) * PER_FRACTION, b, size_inc[ja], size_inc[jc], center, a, c, size_ref
    )
    inverse = real(1.0) / (p1 * q2 - p2 * q1)
    point = center + a * ((p * q2 - p2 * q) * inverse) + c * ((p1 * q - p * q1) * inverse)

    dist = g * point[b] - size_ref[b]
    normal = _column(mat_ref, b) * g
    return dist, pos_ref + mat_ref * point - normal * (real(0.5) * dist), normal


@wp.func(inline=False)
def _edges_point(
    axes: int,
    f1: int,
    f2: int,
    f3: int,
    pos1: vec3,
    mat1: mat33,
    size1: vec3,
    pos2: vec3,
    mat2: mat33,
    size2: vec3,
):
    """Distance along the normal, midpoint and normal, of the closest points of two edges."""
    i = axes / 3
    j = axes % 3
    i1 = (i + 1) % 3
    i2 = (i + 2) % 3
    j1 = (j + 1) % 3
    j2 = (j + 2) % 3
    u = _column(mat1, i)
    v = _column(mat2, j)
    center1 = (
        pos1
        + _column(mat1, i1) * (_sign((f1 >> 1) & 1) * size1[i1])
        + _column(mat1, i2) * (_sign((f1 >> 2) & 1) * size1[i2])
    )
    center2 = (
        pos2
        + _column(mat2, j1) * (_sign((f1 >> 3) & 1) * size2[j1])
        + _column(mat2, j2) * (_sign((f1 >> 4) & 1) * size2[j2])
    )
    between = center2 - center1

    # Places x, y on the edges: each either stationary (x - uv y = u . between) or at a fraction of the half length.
    uv = wp.dot(u, v)
    p2 = -uv
    p = wp.dot(u, between)
    if ((f1 >> 5) & 1) == 1:
        p2 = real(0.0)
        p = real(f2) * PER_FRACTION * size1[i]
    q1 = -uv
    q = -wp.dot(v, between)
    if ((f1 >> 6) & 1) == 1:
        q1 = real(0.0)
        q = real(f3) * PER_FRACTION * size2[j]
    inverse = real(1.0) / (real(1.0) - p2 * q1)
    x = u * ((p - p2 * q) * inverse)
    y = v * ((q - p * q1) * inverse)

    across = wp.cross(u, v)
    normal = across * (_sign(f1 & 1) / wp.sqrt(wp.max(wp.dot(across, across), SMALLEST)))
    return wp.dot(normal, between + y - x), (center1 + x + center2 + y) * real(0.5), normal


@wp.func
def box_box(
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
):
    """Distance [m], position [m, world], normal from box 1 to box 2 and tangent (none: zero) of a contact.

    Differentiable in poses and half sizes, including the motion of clipped and closest points with both boxes.
    """
    dist = real(0.0)
    pos = vec3()
    normal = vec3()
    if f0 < 3:
        dist, pos, normal = _face_point(f0, f1, f2, f3, pos1, mat1, size1, pos2, mat2, size2)
    elif f0 < 6:
        dist, pos, outward = _face_point(f0 - 3, f1, f2, f3, pos2, mat2, size2, pos1, mat1, size1)
        normal = -outward
    else:
        dist, pos, normal = _edges_point(f0 - 6, f1, f2, f3, pos1, mat1, size1, pos2, mat2, size2)
    return dist, pos, normal, vec3()


# Selection: untaped.


@wp.func
def _pack_face(positive: bool, j: int, incident_positive: bool, kind1: int, kind2: int):
    """Side of the reference face, incident face, and kinds of the two lines (the second so that zeros are valid)."""
    return _bit(positive) | (j << 1) | (_bit(incident_positive) << 3) | (kind1 << 4) | ((kind2 ^ 1) << 6)


@wp.func
def _pack_edges(positive: bool, bit1: int, bit2: int, bit3: int, bit4: int, first_fixed: bool, second_fixed: bool):
    """Sign of the normal, sides of the two edges on their boxes, and which of the two places is a fraction."""
    return (
        _bit(positive)
        | (bit1 << 1)
        | (bit2 << 2)
        | (bit3 << 3)
        | (bit4 << 4)
        | (_bit(first_fixed) << 5)
        | (_bit(second_fixed) << 6)
    )


@wp.func
def _fraction(x: real):
    return int(wp.round(wp.clamp(x, real(-1.0), real(1.0)) * FRACTION))


@wp.func
def _face_separation(f: int, rot: mat33, offset1: vec3, offset2: vec3, size1: vec3, size2: vec3):
    """Signed separation of the boxes along a face normal (0-2: of box 1, 3-5: of box 2)."""
    k = f % 3
    across = vec3(wp.abs(rot[k, 0]), wp.abs(rot[k, 1]), wp.abs(rot[k, 2]))
    separation = wp.abs(offset1[k]) - size1[k] - wp.dot(across, size2)
    if f > 2:
        across = vec3(wp.abs(rot[0, k]), wp.abs(rot[1, k]), wp.abs(rot[2, k]))
        separation = wp.abs(offset2[k]) - size2[k] - wp.dot(across, size1)
    return separation


@wp.func
def _edge_normal(i: int, j: int, rot: mat33):
    """Product of edge i of box 1 and edge j of box 2, seen from box 1 (not normalised)."""
    normal = vec3()
    normal[(i + 1) % 3] = -rot[(i + 2) % 3, j]
    normal[(i + 2) % 3] = rot[(i + 1) % 3, j]
    return normal


@wp.func
def _abs_dot(a: vec3, b: vec3):
    return wp.abs(a[0]) * b[0] + wp.abs(a[1]) * b[1] + wp.abs(a[2]) * b[2]


@wp.func
def _choose_axis(limit: real, rot: mat33, offset1: vec3, offset2: vec3, size1: vec3, size2: vec3):
    """Number of the axis of least penetration, as ``f0`` says it; -1 if an axis separates by more than ``limit``."""
    separated = int(0)
    face = int(0)
    largest = LOWEST
    count = int(6)  # through a variable: the compiler would unroll a constant range
    for f in range(count):
        separation = _face_separation(f, rot, offset1, offset2, size1, size2)
        if separation > limit:
            separated = 1
        if separation > largest:
            largest = separation
            face = f

    edges = int(-1)
    best = largest
    count = 9
    for e in range(count):
        normal = _edge_normal(e / 3, e % 3, rot)
        squared = wp.dot(normal, normal)
        if squared >= EDGES_PARALLEL:
            normal = normal / wp.sqrt(squared)
            separation = (
                wp.abs(wp.dot(normal, offset1)) - _abs_dot(normal, size1) - _abs_dot(wp.transpose(rot) * normal, size2)
            )
            if separation > limit:
                separated = 1
            if separation - EDGE_BIAS * wp.abs(separation) > best:
                best = separation
                edges = e

    axis = face
    if edges >= 0:
        axis = 6 + edges
        normal = wp.normalize(_edge_normal(edges / 3, edges % 3, rot))
        if face > 2:
            normal = wp.transpose(rot) * normal
        if wp.abs(normal[face % 3]) > NORMALS_ALIKE:
            if largest + ALIKE_BIAS * wp.abs(largest) + ALIKE_SLACK > best:
                axis = face
    if separated == 1:
        axis = -1
    return axis


@wp.func
def _clip(b: int, start: corners, start_lines: lines, half_sizes: vec3):
    """Clip a quadrilateral (in the reference box's frame) against the reference face's side planes.

    Returns the number of corners, the corners, and per corner the two lines that it lies on and the line that leads on
    to the next corner.
    """
    n = int(4)
    poly = start
    poly_lines = start_lines
    planes = int(4)
    for plane in range(planes):
        k = (b + 1 + plane / 2) % 3
        g = real(1 - 2 * (plane % 2))
        number = FIRST_SIDE + 2 * (plane / 2) + 1 - plane % 2
        clipped = corners()
        clipped_lines = lines()
        m = int(0)
        for i in range(n):
            following = (i + 1) % n
            s = g * poly[i, k] - half_sizes[k]
            s_next = g * poly[following, k] - half_sizes[k]
            onward = poly_lines[i, 2]
            if s <= real(0.0) and m < MAX_CORNERS:
                for x in range(3):
                    clipped[m, x] = poly[i, x]
                clipped_lines[m, 0] = poly_lines[i, 0]
                clipped_lines[m, 1] = poly_lines[i, 1]
                clipped_lines[m, 2] = onward
                if s_next > real(0.0) and s == real(0.0):  # a corner on the plane stands for the crossing
                    clipped_lines[m, 2] = number
                m += 1
            leaves = s < real(0.0) and s_next > real(0.0)
            enters = s > real(0.0) and s_next < real(0.0)
            if (leaves or enters) and m < MAX_CORNERS:
                t = s / (s - s_next)
                for x in range(3):
                    clipped[m, x] = poly[i, x] + t * (poly[following, x] - poly[i, x])
                clipped_lines[m, 0] = onward
                clipped_lines[m, 1] = number
                clipped_lines[m, 2] = onward
                if leaves:
                    clipped_lines[m, 2] = number
                m += 1
        poly = clipped
        poly_lines = clipped_lines
        n = m
    return n, poly, poly_lines


@wp.func
def _collide_face(
    w: int,
    pair: int,
    margin: real,
    axis: int,
    rot: mat33,
    offset: vec3,
    size_ref: vec3,
    size_inc: vec3,
    ncon: wp.array2d(dtype=int),
    con_pair: wp.array2d(dtype=int),
    con_feature: wp.array3d(dtype=int),
):
    """Contacts of a reference face; ``rot`` and ``offset``: pose of the incident box in the reference box."""
    b = axis % 3
    positive = offset[b] >= real(0.0)
    g = _sign(_bit(positive))

    j = int(0)
    if wp.abs(rot[b, 1]) > wp.abs(rot[b, 0]):
        j = 1
    if wp.abs(rot[b, 2]) > wp.abs(rot[b, j]):
        j = 2
    incident_positive = g * rot[b, j] <= real(0.0)
    ja = (j + 1) % 3
    jc = (j + 2) % 3
    a = _column(rot, ja)
    c = _column(rot, jc)
    center = offset + _column(rot, j) * (_sign(_bit(incident_positive)) * size_inc[j])
    # In place of the coordinate along the reference face's normal: the height over the face.
    a[b] = g * a[b]
    c[b] = g * c[b]
    center[b] = g * center[b] - size_ref[b]

    poly = corners()
    poly_lines = lines()
    count = int(4)
    for i in range(count):
        bit_a = _bit(i == 0 or i == 3)  # counterclockwise from the corner where both coordinates are positive
        bit_c = _bit(i < 2)
        corner = center + a * (_sign(bit_a) * size_inc[ja]) + c * (_sign(bit_c) * size_inc[jc])
        for x in range(3):
            poly[i, x] = corner[x]
        poly_lines[i, 0] = bit_a
        poly_lines[i, 1] = 2 + bit_c
        poly_lines[i, 2] = 2 + bit_c
        if i % 2 == 1:
            poly_lines[i, 2] = bit_a
    n, poly, poly_lines = _clip(b, poly, poly_lines, size_ref)

    bu = (b + 1) % 3
    bv = (b + 2) % 3
    same = SAME_CORNER * (size_ref[bu] * size_ref[bu] + size_ref[bv] * size_ref[bv])
    kept = corners()
    m = int(0)
    for i in range(n):
        point = vec3(poly[i, 0], poly[i, 1], poly[i, 2])
        repeated = int(0)
        for h in range(m):
            du = kept[h, bu] - point[bu]
            dv = kept[h, bv] - point[bv]
            if du * du + dv * dv < same:
                repeated = 1
        if point[b] <= margin and repeated == 0:
            for x in range(3):
                kept[m, x] = point[x]
            m += 1
            line1 = poly_lines[i, 0]
            line2 = poly_lines[i, 1]
            f2 = _fraction(_sign(line1 % 2))
            f3 = _fraction(_sign(line2 % 2))
            if line1 < FIRST_SIDE and line2 >= FIRST_SIDE:
                # An edge of the incident face, which leads along c or a, and a side plane.
                slope = a[(b + line2 / 2 - 1) % 3]
                if line1 < 2:
                    slope = c[(b + line2 / 2 - 1) % 3]
                if wp.abs(slope) < PARALLEL:
                    line1 = 0
                    line2 = 2
                    f2 = _fraction(wp.dot(a, point - center) / size_inc[ja])
                    f3 = _fraction(wp.dot(c, point - center) / size_inc[jc])
            f1 = _pack_face(positive, j, incident_positive, line1 / 2, line2 / 2)
            add_contact(w, pair, axis, f1, f2, f3, ncon, con_pair, con_feature)


@wp.func
def _closest_on_edges(uv: real, u_between: real, v_between: real, half1: real, half2: real):
    """Places of the closest points of two segments, measured from their centres, and whether each is at an end."""
    det = real(1.0) - uv * uv
    x = real(0.0)
    if det >= SEGMENTS_PARALLEL:
        x = wp.clamp((u_between - uv * v_between) / det, -half1, half1)
    free_y = uv * x - v_between
    y = wp.clamp(free_y, -half2, half2)
    free_x = uv * y + u_between
    x = wp.clamp(free_x, -half1, half1)
    return x, y, x != free_x, y != free_y


@wp.func
def _collide_edges(
    w: int,
    pair: int,
    limit: real,
    axis: int,
    rot: mat33,
    offset: vec3,
    size1: vec3,
    size2: vec3,
    ncon: wp.array2d(dtype=int),
    con_pair: wp.array2d(dtype=int),
    con_feature: wp.array3d(dtype=int),
):
    """The contact of two edges; all in the frame of box 1."""
    i = (axis - 6) / 3
    j = (axis - 6) % 3
    i1 = (i + 1) % 3
    i2 = (i + 2) % 3
    j1 = (j + 1) % 3
    j2 = (j + 2) % 3
    normal = wp.normalize(_edge_normal(i, j, rot))
    positive = wp.dot(normal, offset) >= real(0.0)
    normal = normal * _sign(_bit(positive))
    normal2 = wp.transpose(rot) * normal

    # The edges lie towards the other box. Where the normal runs along a face, either edge of the face qualifies.
    side1 = _bit(normal[i1] >= real(0.0))
    side2 = _bit(normal[i2] >= real(0.0))
    side3 = _bit(normal2[j1] < real(0.0))
    side4 = _bit(normal2[j2] < real(0.0))
    flip1 = int(0)
    flip2 = int(0)
    flip3 = int(0)
    flip4 = int(0)
    if wp.abs(normal[i1]) < NORMAL_ACROSS:
        flip1 = 1
    elif wp.abs(normal[i2]) < NORMAL_ACROSS:
        flip2 = 1
    if wp.abs(normal2[j1]) < NORMAL_ACROSS:
        flip3 = 1
    elif wp.abs(normal2[j2]) < NORMAL_ACROSS:
        flip4 = 1

    v = _column(rot, j)
    closest = FARTHEST
    dist = limit
    f1 = int(-1)
    f2 = int(0)
    f3 = int(0)
    choices1 = 1 + flip1 + flip2
    choices2 = 1 + flip3 + flip4
    for choice1 in range(choices1):
        for choice2 in range(choices2):
            bit1 = side1 ^ (flip1 * choice1)
            bit2 = side2 ^ (flip2 * choice1)
            bit3 = side3 ^ (flip3 * choice2)
            bit4 = side4 ^ (flip4 * choice2)
            between = (
                offset + _column(rot, j1) * (_sign(bit3) * size2[j1]) + _column(rot, j2) * (_sign(bit4) * size2[j2])
            )
            between[i1] = between[i1] - _sign(bit1) * size1[i1]
            between[i2] = between[i2] - _sign(bit2) * size1[i2]
            x, y, x_fixed, y_fixed = _closest_on_edges(v[i], between[i], wp.dot(v, between), size1[i], size2[j])
            apart = between + v * y
            apart[i] = apart[i] - x
            if wp.dot(apart, apart) < closest:
                closest = wp.dot(apart, apart)
                dist = wp.dot(normal, apart)
                if real(1.0) - v[i] * v[i] < SEGMENTS_FROZEN:
                    x_fixed = True
                    y_fixed = True
                f2 = 0
                f3 = 0
                if x_fixed:
                    f2 = _fraction(x / size1[i])
                if y_fixed:
                    f3 = _fraction(y / size2[j])
                f1 = _pack_edges(positive, bit1, bit2, bit3, bit4, x_fixed, y_fixed)
    if f1 >= 0 and dist <= limit:
        add_contact(w, pair, axis, f1, f2, f3, ncon, con_pair, con_feature)


@wp.func
def collide_box_box(
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
    """Add the contacts of two boxes that are within ``margin`` [m]: at most eight, in MuJoCo's order."""
    # By columns, whose sums are in MuJoCo's order: boxes that lie flush have equal separations up to rounding.
    inverse1 = wp.transpose(mat1)
    rot = wp.matrix_from_cols(inverse1 * _column(mat2, 0), inverse1 * _column(mat2, 1), inverse1 * _column(mat2, 2))
    offset1 = inverse1 * (pos2 - pos1)
    offset2 = wp.transpose(mat2) * (pos1 - pos2)
    sizes = size1[0] + size1[1] + size1[2] + size2[0] + size2[1] + size2[2]
    limit = margin + SEPARATION_SLACK * sizes
    axis = _choose_axis(limit, rot, offset1, offset2, size1, size2)
    if axis >= 6:
        _collide_edges(w, pair, limit, axis, rot, offset1, size1, size2, ncon, con_pair, con_feature)
    elif axis >= 3:
        inverse = wp.transpose(rot)
        _collide_face(w, pair, margin, axis, inverse, offset2, size2, size1, ncon, con_pair, con_feature)
    elif axis >= 0:
        _collide_face(w, pair, margin, axis, rot, offset1, size1, size2, ncon, con_pair, con_feature)


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
    collide_box_box(w, pair, margin, pos1, mat1, size1, pos2, mat2, size2, ncon, con_pair, con_feature)


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
    dist, pos, normal, hint = box_box(f0, f1, f2, f3, pos1, mat1, size1, pos2, mat2, size2)
    return dist, pos, normal, hint


NARROW_PHASE = narrow_phase("box_boxes", __name__, contact.BOX_BOXES, _collide)
GEOMETRY = contact_geometry("box_boxes", __name__, contact.BOX_BOXES, _evaluate)
