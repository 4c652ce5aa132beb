"""Kernels of a family of pairs, made from the functions of its file: one that finds its contacts, and one that
evaluates their geometry at the features found.

Of a family there are two functions:

    collide(kind, w, pair, geoms, margin, pos1, mat1, size1, pos2, mat2, size2, hulls, ncon, con_pair, con_feature)
        adds the contacts of a pair (`genesis.rigid.kernels.collision.slots`); discrete, without gradient
    evaluate(kind, f0, f1, f2, f3, pos1, mat1, size1, pos2, mat2, size2, mesh_vert) -> dist, pos, normal, hint
        is differentiated; ``hint``: where the frame's second axis points, or zero

A model compiles and launches only the families that its pairs belong to.
"""

import warp as wp

from genesis.rigid.kernels.groups import CollisionPairs, Hulls
from genesis.types import mat33, real, taped, untaped, vec3

HALF = real(0.5)
MOSTLY = real(0.9)
# Squared length that a hint must have across the normal: below it, its direction is rounding error.
SMALLEST_HINT = real(1.0e-20) if real is wp.float64 else real(1.0e-10)


@wp.func
def contact_frame(normal: vec3, hint: vec3) -> mat33:
    """Rows: normal, and two tangents of which the first is along ``hint`` or an axis of the world (MuJoCo:
    mju_makeFrame)."""
    y = hint
    if wp.dot(hint, hint) < HALF * HALF:
        y = vec3(real(0.0), real(1.0), real(0.0))
        if normal[1] >= HALF or normal[1] <= -HALF:
            y = vec3(real(0.0), real(0.0), real(1.0))
    y_plane = y - normal * wp.dot(normal, y)
    length2 = wp.dot(y_plane, y_plane)
    tangent = vec3()
    if length2 > SMALLEST_HINT:
        tangent = y_plane * (real(1.0) / wp.sqrt(length2))
    else:
        # a hint along the normal says nothing (a capsule that stands on a plane): MuJoCo takes x then
        x = vec3(real(1.0), real(0.0), real(0.0))
        if wp.abs(normal[0]) > MOSTLY:
            x = vec3(real(0.0), real(1.0), real(0.0))
        x_plane = x - normal * wp.dot(normal, x)
        tangent = x_plane * (real(1.0) / wp.sqrt(wp.dot(x_plane, x_plane)))
    binormal = wp.cross(normal, tangent)
    return mat33(
        normal[0], normal[1], normal[2],
        tangent[0], tangent[1], tangent[2],
        binormal[0], binormal[1], binormal[2],
    )  # fmt: skip


def narrow_phase(name: str, file: str, family: int, collide: wp.Function) -> wp.Kernel:
    """The kernel that adds the contacts of a family's candidates, compiled with ``file``, a module's ``__name__``."""
    mine = wp.constant(family)

    def kernel(
        pairs: CollisionPairs,
        hulls: Hulls,
        geom_size: wp.array2d(dtype=vec3),
        geom_xpos: wp.array2d(dtype=vec3),
        geom_xmat: wp.array2d(dtype=mat33),
        candidate_count: wp.array2d(dtype=int),
        candidate: wp.array2d(dtype=int),
        ncon: wp.array2d(dtype=int),
        con_pair: wp.array2d(dtype=int),
        con_feature: wp.array3d(dtype=int),
    ):
        w = wp.tid()
        for k in range(candidate_count[w, 0]):
            p = candidate[w, k]
            if pairs.cpair_family[p] == mine:
                g = pairs.cpair_geom[p, 0]
                h = pairs.cpair_geom[p, 1]
                collide(
                    pairs.cpair_kind[p], w, p, wp.vec2i(g, h), pairs.cpair_margin[p] + pairs.cpair_gap[p],
                    geom_xpos[w, g], geom_xmat[w, g], geom_size[w, g],
                    geom_xpos[w, h], geom_xmat[w, h], geom_size[w, h],
                    hulls, ncon, con_pair, con_feature,
                )  # fmt: skip

    return untaped(kernel, f"collide_{name}", file)


def contact_geometry(name: str, file: str, family: int, evaluate: wp.Function) -> wp.Kernel:
    """The kernel that evaluates a family's contacts, in the world: distance [m] (negative: penetration), position [m]
    and frame (rows: normal from the first shape to the second, two tangents)."""
    mine = wp.constant(family)

    def kernel(
        cpair_geom: wp.array2d(dtype=int),
        cpair_kind: wp.array(dtype=int),
        cpair_family: wp.array(dtype=int),
        mesh_vert: wp.array2d(dtype=real),
        geom_size: wp.array2d(dtype=vec3),
        geom_xpos: wp.array2d(dtype=vec3),
        geom_xmat: wp.array2d(dtype=mat33),
        ncon: wp.array2d(dtype=int),
        con_pair: wp.array2d(dtype=int),
        con_feature: wp.array3d(dtype=int),
        con_dist: wp.array2d(dtype=real),
        con_pos: wp.array2d(dtype=vec3),
        con_frame: wp.array2d(dtype=mat33),
    ):
        w = wp.tid()
        for c in range(ncon[w, 1]):
            p = con_pair[w, c]
            if cpair_family[p] == mine:
                g = cpair_geom[p, 0]
                h = cpair_geom[p, 1]
                dist, pos, normal, hint = evaluate(
                    cpair_kind[p],
                    con_feature[w, c, 0], con_feature[w, c, 1], con_feature[w, c, 2], con_feature[w, c, 3],
                    geom_xpos[w, g], geom_xmat[w, g], geom_size[w, g],
                    geom_xpos[w, h], geom_xmat[w, h], geom_size[w, h],
                    mesh_vert,
                )  # fmt: skip
                con_dist[w, c] = dist
                con_pos[w, c] = pos
                con_frame[w, c] = contact_frame(normal, hint)

    return taped(kernel, f"{name}_geometry", file)
