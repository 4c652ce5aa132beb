"""Capsule against box: the point of the capsule's segment nearest to the box, and a second one if they lie alongside.

Follows MuJoCo's mjraw_CapsuleBox, in the box's frame. The segment is ``center + t * half``, t in [-1, 1]; each contact
is that of a sphere of the capsule's radius around one point of it. MuJoCo picks the nearest among the two ends and
the segment's closest approaches to the twelve edges, and then walks along the segment to the last point that is still
over the box. Which candidate won, and what limits the walk, is discrete; t itself is one closed form per case:

    END        t = sign                                             an end of the segment
    EDGE       t = P half . (corner - center) / (P half . P half)   closest approach to an edge's line; P drops its axis
    CORNER     t = half . (corner - center) / (half . half)         closest approach to a corner
    CROSSING   t = (+-size_k - center_k) / half_k                   where the segment leaves the slab between two faces

plus, for some second points, ``shift = +-2 size_k / |half_k|``: a walk over the whole width of the box.

Features of a contact: f0 the case; f1 its data (END: the sign; EDGE: 8 * axis + corner; CORNER: corner; CROSSING:
2 * axis + (sign > 0); bit k of a corner is set on the positive side of axis k); f2 the shift (0, or +-(k + 1));
f3 where the sphere's centre is: 2 * axis + (sign > 0) of the face it is over, or nearest to if it is inside, or
PAST_EDGE + 9 a + 3 b + c with a, b, c = 0, 1, 2 for below, within and above the box along x, y, z.
"""

import warp as wp

from genesis.model import contact
from genesis.rigid.kernels.collision.families import contact_geometry, narrow_phase
from genesis.rigid.kernels.collision.slots import add_contact
from genesis.rigid.kernels.groups import Hulls
from genesis.types import mat33, real, vec3

END = wp.constant(0)
EDGE = wp.constant(1)
CORNER = wp.constant(2)
CROSSING = wp.constant(3)

PAST_EDGE = wp.constant(6)

# Which kind of candidate is nearest to the box, beside MuJoCo's clamp states 0, 1, 2 of an edge (below, within, above).
_NOTHING = wp.constant(-2)
_OVER_FACE = wp.constant(-1)

_MINVAL = wp.constant(real(1e-15))  # MuJoCo's mjMINVAL

# A sphere's centre as near as this to an edge counts as on it, and the nearest face gives the normal. In 32 bits the
# direction from the edge would be one of rounding.
_ON_EDGE = wp.constant(_MINVAL if real is wp.float64 else real(1e-6))

_BEYOND = wp.constant(real(4.0))  # longer than any walk along the segment (2)

# A coordinate that changes by less than this part of the segment's length does not end a walk: rounding would decide
# where, and the derivative would be this part's inverse. (MuJoCo has no such bound. It matters only where a segment is
# as parallel as this to a face, and ends as near as this to its plane.)
_FLAT = wp.constant(real(1e-10 if real is wp.float64 else 1e-5))


@wp.func
def _corner(bits: int, size: vec3):
    """The corner of the box whose positive sides are the set bits."""
    return vec3(
        size[0] * real((bits & 1) * 2 - 1),
        size[1] * real((bits & 2) - 1),
        size[2] * real((bits & 4) // 2 - 1),
    )


@wp.func
def _across(axis: int, v: vec3):
    """v without its component along ``axis``."""
    return vec3(
        wp.where(axis == 0, real(0.0), v[0]),
        wp.where(axis == 1, real(0.0), v[1]),
        wp.where(axis == 2, real(0.0), v[2]),
    )


@wp.func
def _segment_parameter(kind: int, data: int, shift: int, center: vec3, half: vec3, size: vec3):
    """t of a contact's point on the segment ``center + t * half``, by the closed forms of the module's head."""
    t = real(0.0)
    if kind == END:
        t = real(data)
    elif kind == CROSSING:
        axis = data // 2
        sign = real((data & 1) * 2 - 1)
        t = (sign * size[axis] - center[axis]) / half[axis]
    else:
        direction = half
        if kind == EDGE:
            direction = _across(data // 8, half)
        to_corner = _corner(data & 7, size) - center
        t = wp.dot(direction, to_corner) / wp.dot(direction, direction)
    if shift != 0:
        axis = wp.abs(shift) - 1
        width = real(2.0) * size[axis] / wp.abs(half[axis])
        t = t + wp.where(shift > 0, width, -width)
    return t


@wp.func
def _region(center: vec3, size: vec3):
    """f3: where a point is, seen from the box."""
    gap = vec3(real(0.0), real(0.0), real(0.0))
    sides = int(0)
    region = int(0)
    sector = int(0)
    for k in range(3):
        gap[k] = wp.max(wp.abs(center[k]) - size[k], real(0.0))
        sector = sector * 3 + 1
        if gap[k] > real(0.0):
            side = int(center[k] > real(0.0))
            sides = sides + 1
            region = 2 * k + side
            sector = sector + 2 * side - 1
    if wp.length(gap) <= _ON_EDGE:
        nearest = real(2.0) * (size[0] + size[1] + size[2])
        for k in range(3):
            for side in range(2):
                depth = wp.abs(real(2 * side - 1) * size[k] - center[k])
                if depth < nearest:
                    nearest = depth
                    region = 2 * k + side
    elif sides > 1:
        region = PAST_EDGE + sector
    return region


@wp.func
def _to_side(digit: int, center: real, size: real):
    """Coordinate of the vector from a point to the box, where the point is below (0), within (1) or above (2) it."""
    return wp.where(digit == 1, real(0.0), real(digit - 1) * size - center)


@wp.func
def _sphere_at(region: int, center: vec3, radius: real, size: vec3):
    """Contact of a sphere with the box, in the box's frame: dist, pos, normal (into the box).

    Over a face, or inside, all is linear along the face's axis: there is no root, and touching at distance zero is
    regular. Past an edge or a corner the normal is the direction to it; the region excludes distance zero.
    """
    gap = real(0.0)
    normal = vec3(real(0.0), real(0.0), real(0.0))
    if region < PAST_EDGE:
        axis = region // 2
        sign = real((region & 1) * 2 - 1)
        gap = sign * center[axis] - size[axis]
        normal = -sign * vec3(real(axis == 0), real(axis == 1), real(axis == 2))
    else:
        sector = region - PAST_EDGE
        to_box = vec3(
            _to_side(sector // 9, center[0], size[0]),
            _to_side(sector // 3 % 3, center[1], size[1]),
            _to_side(sector % 3, center[2], size[2]),
        )
        gap = wp.length(to_box)
        normal = to_box / gap
    return gap - radius, center + real(0.5) * (gap + radius) * normal, normal


@wp.func(inline=False)
def capsule_box(
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
    """Contact of a capsule (radius, half length) with a box (half sizes) for the features of the module's head."""
    to_box = wp.transpose(mat2)
    center = to_box * (pos1 - pos2)
    half = size1[1] * (to_box * vec3(mat1[0, 2], mat1[1, 2], mat1[2, 2]))
    t = _segment_parameter(f0, f1, f2, center, half, size2)
    dist, pos, normal = _sphere_at(f3, center + t * half, size1[0], size2)
    return dist, pos2 + mat2 * pos, mat2 * normal, vec3(real(0.0), real(0.0), real(0.0))


@wp.func
def _nearest(limit: real, center: vec3, half: vec3, size: vec3):
    """The candidate nearest to the box: its clamp state, axis, corner, case, data, and t and x (position on the edge).

    ``limit``: squared distance from which on nothing counts. The clamp state is _NOTHING, _OVER_FACE (axis: the face's,
    or -1 if the end is inside the box) or, along an edge, 0, 1, 2. It is MuJoCo's: a state once clamped stays so, even
    if a later clamp of t moves x back to the interior of the edge.
    """
    best = limit
    state = _NOTHING
    axis = int(-1)
    corner = int(0)
    kind = END
    data = int(0)
    t = real(0.0)
    x = real(0.0)

    for end in range(2):
        sign = 2 * end - 1
        point = center + real(sign) * half
        outside = int(0)
        face = int(-1)
        gap = real(0.0)
        for k in range(3):
            excess = wp.abs(point[k]) - size[k]
            if excess > real(0.0):
                outside = outside + 1
                face = k
                gap = excess * excess
        if outside <= 1 and gap < best:
            best = gap
            state = _OVER_FACE
            axis = face
            kind = END
            data = sign
            t = real(sign)

    for candidate in range(24):
        j = candidate // 8
        i = candidate % 8
        across = _across(j, half)
        if ((i >> j) & 1) == 0 and size[j] * size[j] * wp.dot(across, across) >= _MINVAL:
            clamp = int(1)
            case = EDGE
            code = int(8 * j + i)
            u = _segment_parameter(EDGE, code, 0, center, half, size)
            v = (half[j] * u + center[j]) / size[j]
            if wp.abs(v) > real(1.0):
                clamp = wp.where(v > real(0.0), 2, 0)
                v = wp.sign(v)
                case = CORNER
                code = i + (clamp // 2 << j)
                u = _segment_parameter(CORNER, code, 0, center, half, size)
            if wp.abs(u) > real(1.0):
                u = wp.sign(u)
                case = END
                code = int(u)
                v = (half[j] * u + center[j]) / size[j]
                if wp.abs(v) > real(1.0):
                    clamp = wp.where(v > real(0.0), 2, 0)
                    v = wp.sign(v)
            along = vec3(real(j == 0), real(j == 1), real(j == 2)) * (size[j] * v)
            gap_vector = _across(j, _corner(i, size)) + along - center - u * half
            gap = wp.dot(gap_vector, gap_vector)
            # The slack keeps an edge that is as near as an end over a face from taking its place.
            if gap < best - _MINVAL:
                best = gap
                state = clamp
                axis = j
                corner = i + (clamp // 2 << j)
                kind = case
                data = code
                t = u
                x = v
    return state, axis, corner, kind, data, t, x


@wp.func
def _walk(width: real, axis: int, half: vec3):
    """Length of segment, in units of t, over which the coordinate along ``axis`` changes by ``width``."""
    length = _BEYOND
    if wp.abs(half[axis]) > _FLAT * wp.length(half):
        length = width / wp.abs(half[axis])
    return length


@wp.func
def _second_at_corner(corner: int, kind: int, data: int, t: real, half: vec3, size: vec3):
    """The second point if a corner of the box is nearest: whether there is one, case, data and shift."""
    positive = int(half[0] > real(0.0)) + 2 * int(half[1] > real(0.0)) + 4 * int(half[2] > real(0.0))
    turn = positive ^ corner  # 0 or 7: the segment points at the corner, and leaves the box on all sides
    found = int(turn != 0 and turn != 7)
    case = END
    code = int(0)
    shift = int(0)
    if found == 1:
        sign = int(1)
        if turn == 3 or turn == 5 or turn == 6:
            sign = int(-1)
            turn = 7 - turn
        ax = turn // 2
        ax1 = (ax + 1) % 3
        ax2 = (ax + 2) % 3
        if real(2.0) * half[ax] * half[ax] > wp.dot(half, half):  # along an edge of the box
            ax1 = ax
            ax2 = ax
        else:  # over a face of the box
            sign = -sign
        code = sign
        length = real(1.0) - real(sign) * t
        walk = _walk(real(2.0) * size[ax1], ax1, half)
        if walk < length:
            length = walk
            case = kind
            code = data
            shift = sign * (ax1 + 1)
        walk = _walk(real(2.0) * size[ax2], ax2, half)
        if walk < length:
            case = kind
            code = data
            shift = sign * (ax2 + 1)
    return found, case, code, shift


@wp.func
def _second_at_edge(axis: int, corner: int, kind: int, data: int, t: real, x: real, half: vec3, size: vec3):
    """The second point if the interior of an edge is nearest: whether there is one, case, data and shift."""
    positive = int(half[0] > real(0.0)) + 2 * int(half[1] > real(0.0)) + 4 * int(half[2] > real(0.0))
    turn = (positive ^ corner) & (7 - (1 << axis))
    found = int(turn == 1 or turn == 2 or turn == 4)  # otherwise the two form a T
    case = END
    code = int(0)
    shift = int(0)
    if found == 1:
        # The face at the edge that the segment is flatter to, and the axis that leads across it.
        across = (axis + 2) % 3
        if wp.abs(half[(axis + 1) % 3]) > wp.abs(half[across]):
            across = (axis + 1) % 3
        sign = wp.where((turn >> across) & 1, 1, -1)
        code = sign
        length = real(1.0) - real(sign) * t
        walk = _walk(real(2.0) * size[across], across, half)
        if walk < length:
            length = walk
            case = kind
            code = data
            shift = sign * (across + 1)
        toward = wp.where((positive >> axis) & 1, sign, -sign)  # the end of the edge that the walk approaches
        walk = _walk(size[axis] * (real(1.0) - real(toward) * x), axis, half)
        if walk < length:
            case = CROSSING
            code = 2 * axis + (toward + 1) // 2
            shift = int(0)
    return found, case, code, shift


@wp.func
def _second_over_face(face: int, t: real, center: vec3, half: vec3, size: vec3):
    """The second point if an end of the segment over a face is nearest: whether there is one, case, data and shift."""
    found = int(face != -1)
    case = END
    code = int(-t)
    if found == 1:
        length = real(2.0)
        end = center + t * half
        for k in range(3):
            # The side that is walked away from is behind the end, unless the end is outside.
            if k != face:
                for side in range(2):
                    ahead = real(2 * side - 1) * size[k] - end[k]
                    if ahead * half[k] * t < real(0.0):
                        walk = _walk(wp.abs(ahead), k, half)
                        if walk < length:
                            length = walk
                            case = CROSSING
                            code = 2 * k + side
    return found, case, code, int(0)


@wp.func
def _add(
    w: int,
    pair: int,
    f0: int,
    f1: int,
    f2: int,
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
    """Complete the features of one point of the segment by where it is, and add the contact if it is near enough."""
    to_box = wp.transpose(mat2)
    center = to_box * (pos1 - pos2)
    half = size1[1] * (to_box * vec3(mat1[0, 2], mat1[1, 2], mat1[2, 2]))
    t = _segment_parameter(f0, f1, f2, center, half, size2)
    f3 = _region(center + t * half, size2)
    dist, _pos, _normal, _tangent = capsule_box(f0, f1, f2, f3, pos1, mat1, size1, pos2, mat2, size2)
    if dist <= margin:
        add_contact(w, pair, f0, f1, f2, f3, ncon, con_pair, con_feature)


@wp.func
def collide_capsule_box(
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
    """Add the contacts, none to two, of a capsule with a box (MuJoCo: mjraw_CapsuleBox)."""
    to_box = wp.transpose(mat2)
    center = to_box * (pos1 - pos2)
    half = size1[1] * (to_box * vec3(mat1[0, 2], mat1[1, 2], mat1[2, 2]))

    reach = margin + real(2.0) * (size1[0] + size1[1] + size2[0] + size2[1] + size2[2])  # more than any contact's
    state, axis, corner, kind, data, t, x = _nearest(reach * reach, center, half, size2)
    if state != _NOTHING:
        _add(w, pair, kind, data, 0, margin, pos1, mat1, size1, pos2, mat2, size2, ncon, con_pair, con_feature)
        found = int(0)
        case = int(0)
        code = int(0)
        shift = int(0)
        if state == _OVER_FACE:
            found, case, code, shift = _second_over_face(axis, t, center, half, size2)
        elif state == 1:
            found, case, code, shift = _second_at_edge(axis, corner, kind, data, t, x, half, size2)
        else:
            found, case, code, shift = _second_at_corner(corner, kind, data, t, half, size2)
        if found == 1:
            _add(w, pair, case, code, shift, margin, pos1, mat1, size1, pos2, mat2, size2, ncon, con_pair, con_feature)


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
    collide_capsule_box(w, pair, margin, pos1, mat1, size1, pos2, mat2, size2, ncon, con_pair, con_feature)


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
    dist, pos, normal, hint = capsule_box(f0, f1, f2, f3, pos1, mat1, size1, pos2, mat2, size2)
    return dist, pos, normal, hint


NARROW_PHASE = narrow_phase("capsule_boxes", __name__, contact.CAPSULE_BOXES, _collide)
GEOMETRY = contact_geometry("capsule_boxes", __name__, contact.CAPSULE_BOXES, _evaluate)
