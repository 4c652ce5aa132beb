"""Spatial tendons: the shortest paths through sites and around spheres and cylinders (MuJoCo: mj_tendon).

A tendon is cut into segments, from one site to the next, with or without a shape between them; a pulley divides what
the segments behind it count. Where a shape is in the way, a segment has three pieces: to the shape, along it, and on to
the second site. The length's derivative by the joints' motion is that of the pieces' ends, which are held on their
bodies: of a shortest path the points where it touches do not count.
"""

import warp as wp

from genesis.math.spatial import quat_conj, quat_rotate, spatial
from genesis.rigid.kernels.constraint.equality import point_acceleration, point_velocity
from genesis.rigid.kernels.groups import Segments, Sites, Wraps
from genesis.rigid.kernels.sites import site_place
from genesis.rigid.kernels.wrapping import (
    MIN_VALUE,
    NO_WRAP,
    safe_sqrt,
    unit,
    wrap,
    wrap_centre,
    wrap_orientation,
    wrap_radius,
)
from genesis.types import real, taped, vec3, vec4, vec6

# Pieces of a segment whose ends are on different bodies.
STRAIGHT = wp.constant(0)
TO_SHAPE = wp.constant(1)
FROM_SHAPE = wp.constant(2)
PIECES = wp.constant(3)


@wp.func
def around_shape(
    w: int,
    k: int,
    state: int,
    start: vec3,
    end: vec3,
    wraps: Wraps,
    xpos: wp.array2d(dtype=vec3),
    xquat: wp.array2d(dtype=vec4),
    wrap_root: wp.array2d(dtype=vec3),
):
    """Where a tendon meets a shape in its way and where it leaves it, and its length between."""
    centre = wrap_centre(w, k, wraps, xpos, xquat)
    turn = wrap_orientation(w, k, wraps, xquat)
    first, second, arc = wrap(
        wraps.wrap_shape[k],
        state,
        wrap_radius(w, k, wraps),
        wrap_root[w, k],
        quat_rotate(quat_conj(turn), start - centre),
        quat_rotate(quat_conj(turn), end - centre),
    )
    return centre + quat_rotate(turn, first), centre + quat_rotate(turn, second), arc


@wp.func
def add_piece(
    w: int,
    piece: int,
    share: real,
    segments: Segments,
    start: vec3,
    end: vec3,
    start_body: int,
    end_body: int,
    xref: wp.array2d(dtype=vec3),
    cdof: wp.array2d(dtype=vec6),
    ten_J: wp.array2d(dtype=real),
):
    """Adds to J what a straight piece from one body to another contributes."""
    along = unit(end - start) * share
    on_end = spatial(wp.cross(end - xref[w, end_body], along), along)
    on_start = spatial(wp.cross(start - xref[w, start_body], along), along)
    for e in range(segments.piece_adr[piece], segments.piece_adr[piece + 1]):
        if segments.piece_sign[e] > 0:
            ten_J[w, segments.piece_place[e]] += wp.dot(cdof[w, segments.piece_dof[e]], on_end)
        else:
            ten_J[w, segments.piece_place[e]] += -wp.dot(cdof[w, segments.piece_dof[e]], on_start)


# An adjoint runs the functions of its kernel once more, with what they write: a second time added, J would be wrong for
# whoever takes several adjoints after one forward pass.
@wp.func_replay(add_piece)
def add_piece_again(
    w: int,
    piece: int,
    share: real,
    segments: Segments,
    start: vec3,
    end: vec3,
    start_body: int,
    end_body: int,
    xref: wp.array2d(dtype=vec3),
    cdof: wp.array2d(dtype=vec6),
    ten_J: wp.array2d(dtype=real),
):
    pass


@taped
def spatial_tendons(
    spatial_tendon: wp.array(dtype=int),
    ten_dof_adr: wp.array(dtype=int),
    sites: Sites,
    segments: Segments,
    wraps: Wraps,
    xpos: wp.array2d(dtype=vec3),
    xquat: wp.array2d(dtype=vec4),
    xref: wp.array2d(dtype=vec3),
    cdof: wp.array2d(dtype=vec6),
    wrap_state: wp.array2d(dtype=int),
    wrap_root: wp.array2d(dtype=vec3),
    ten_length: wp.array2d(dtype=real),
    ten_J: wp.array2d(dtype=real),
):
    """Length [m] and its derivative by the joints' motion."""
    w = wp.tid()
    for n in range(spatial_tendon.shape[0]):
        t = spatial_tendon[n]
        ten_length[w, t] = real(0.0)
        for e in range(ten_dof_adr[t], ten_dof_adr[t + 1]):
            ten_J[w, e] = real(0.0)
    for s in range(segments.segment_tendon.shape[0]):
        t = segments.segment_tendon[s]
        k = segments.segment_wrap[s]
        share = segments.segment_share[s]
        site0 = segments.segment_site[s, 0]
        site1 = segments.segment_site[s, 1]
        start = site_place(w, site0, sites, xpos, xquat)
        end = site_place(w, site1, sites, xpos, xquat)
        body0 = sites.site_bodyid[site0]
        body1 = sites.site_bodyid[site1]
        state = int(NO_WRAP)
        if k >= 0:
            state = wrap_state[w, k]
        if state == NO_WRAP:
            ten_length[w, t] += share * safe_sqrt(wp.dot(end - start, end - start))
            add_piece(w, PIECES * s + STRAIGHT, share, segments, start, end, body0, body1, xref, cdof, ten_J)
        else:
            touch0, touch1, arc = around_shape(w, k, state, start, end, wraps, xpos, xquat, wrap_root)
            before = safe_sqrt(wp.dot(touch0 - start, touch0 - start))
            after = safe_sqrt(wp.dot(end - touch1, end - touch1))
            ten_length[w, t] += share * (before + arc + after)
            body = wraps.wrap_bodyid[k]
            add_piece(w, PIECES * s + TO_SHAPE, share, segments, start, touch0, body0, body, xref, cdof, ten_J)
            add_piece(w, PIECES * s + FROM_SHAPE, share, segments, touch1, end, body, body1, xref, cdof, ten_J)


@taped
def tendon_pulls(
    sites: Sites,
    segments: Segments,
    wraps: Wraps,
    xpos: wp.array2d(dtype=vec3),
    xquat: wp.array2d(dtype=vec4),
    wrap_state: wp.array2d(dtype=int),
    wrap_root: wp.array2d(dtype=vec3),
    piece_start: wp.array2d(dtype=vec3),
    piece_end: wp.array2d(dtype=vec3),
    piece_pull: wp.array2d(dtype=vec3),
):
    """Ends of each piece, and the force on its second end of a tendon of which the length is pushed with a force of 1;
    0 for pieces that a tendon does not have as it runs now."""
    w = wp.tid()
    for s in range(segments.segment_tendon.shape[0]):
        k = segments.segment_wrap[s]
        share = segments.segment_share[s]
        start = site_place(w, segments.segment_site[s, 0], sites, xpos, xquat)
        end = site_place(w, segments.segment_site[s, 1], sites, xpos, xquat)
        touch0 = start
        touch1 = end
        state = int(NO_WRAP)
        if k >= 0:
            state = wrap_state[w, k]
        if state == NO_WRAP:
            piece_pull[w, PIECES * s + STRAIGHT] = unit(end - start) * share
            piece_pull[w, PIECES * s + TO_SHAPE] = vec3()
            piece_pull[w, PIECES * s + FROM_SHAPE] = vec3()
        else:
            touch0, touch1, _arc = around_shape(w, k, state, start, end, wraps, xpos, xquat, wrap_root)
            piece_pull[w, PIECES * s + STRAIGHT] = vec3()
            piece_pull[w, PIECES * s + TO_SHAPE] = unit(touch0 - start) * share
            piece_pull[w, PIECES * s + FROM_SHAPE] = unit(end - touch1) * share
        piece_start[w, PIECES * s + STRAIGHT] = start
        piece_end[w, PIECES * s + STRAIGHT] = end
        piece_start[w, PIECES * s + TO_SHAPE] = start
        piece_end[w, PIECES * s + TO_SHAPE] = touch0
        piece_start[w, PIECES * s + FROM_SHAPE] = touch1
        piece_end[w, PIECES * s + FROM_SHAPE] = end


@taped
def tendon_bias(
    ten_dof: wp.array(dtype=int),
    ten_dof_adr: wp.array(dtype=int),
    sites: Sites,
    segments: Segments,
    tendon_armature: wp.array2d(dtype=real),
    xpos: wp.array2d(dtype=vec3),
    xquat: wp.array2d(dtype=vec4),
    xref: wp.array2d(dtype=vec3),
    cvel: wp.array2d(dtype=vec6),
    cacc_bias: wp.array2d(dtype=vec6),
    ten_J: wp.array2d(dtype=real),
    ten_bias: wp.array2d(dtype=real),
    qfrc_bias: wp.array2d(dtype=real),
):
    """qfrc_bias += armature J' dJ/dt qvel, of tendons that go straight (MuJoCo: mj_tendonBias; its compiler refuses an
    armature of tendons that go around shapes)."""
    w = wp.tid()
    for t in range(ten_bias.shape[1]):
        ten_bias[w, t] = real(0.0)
    for s in range(segments.segment_tendon.shape[0]):
        t = segments.segment_tendon[s]
        site0 = segments.segment_site[s, 0]
        site1 = segments.segment_site[s, 1]
        body0 = sites.site_bodyid[site0]
        body1 = sites.site_bodyid[site1]
        if segments.segment_wrap[s] < 0 and body0 != body1:
            start = site_place(w, site0, sites, xpos, xquat)
            end = site_place(w, site1, sites, xpos, xquat)
            arm0 = start - xref[w, body0]
            arm1 = end - xref[w, body1]
            along = unit(end - start)
            apart = safe_sqrt(wp.dot(end - start, end - start))
            speed = point_velocity(cvel[w, body1], arm1) - point_velocity(cvel[w, body0], arm0)
            rate = wp.dot(
                along,
                point_acceleration(cvel[w, body1], cacc_bias[w, body1], arm1)
                - point_acceleration(cvel[w, body0], cacc_bias[w, body0], arm0),
            )
            if apart > MIN_VALUE:
                across = speed - along * wp.dot(along, speed)
                rate = rate + wp.dot(across, across) / apart
            ten_bias[w, t] += segments.segment_share[s] * rate
    for t in range(ten_bias.shape[1]):
        for e in range(ten_dof_adr[t], ten_dof_adr[t + 1]):
            qfrc_bias[w, ten_dof[e]] += tendon_armature[w, t] * ten_bias[w, t] * ten_J[w, e]
