"""Poses of the shapes that collide, and the geometry of each contact: differentiable, at the features chosen by
:mod:`genesis.rigid.kernels.collision.detect`."""

import warp as wp

from genesis.math.spatial import quat_mul, quat_rotate, quat_to_mat
from genesis.rigid.kernels.collision import kinds
from genesis.rigid.kernels.collision.box_box import box_box
from genesis.rigid.kernels.collision.capsule_box import capsule_box
from genesis.rigid.kernels.collision.plane import (
    plane_box,
    plane_capsule,
    plane_cylinder,
    plane_ellipsoid,
    plane_sphere,
)
from genesis.rigid.kernels.collision.plane_mesh import plane_mesh
from genesis.rigid.kernels.collision.round import (
    capsule_capsule,
    sphere_box,
    sphere_capsule,
    sphere_cylinder,
    sphere_sphere,
)
from genesis.types import mat33, real, taped, vec3, vec4

HALF = real(0.5)
MOSTLY = real(0.9)
# Squared length that a hint must have across the normal: below it, its direction is rounding error.
SMALLEST_HINT = real(1.0e-20) if real is wp.float64 else real(1.0e-10)


@taped
def geom_poses(
    cgeom_bodyid: wp.array(dtype=int),
    geom_pos: wp.array2d(dtype=vec3),
    geom_quat: wp.array2d(dtype=vec4),
    xpos: wp.array2d(dtype=vec3),
    xquat: wp.array2d(dtype=vec4),
    geom_xpos: wp.array2d(dtype=vec3),
    geom_xmat: wp.array2d(dtype=mat33),
):
    """Position [m] and orientation of every shape that can collide, in the world."""
    w = wp.tid()
    for g in range(cgeom_bodyid.shape[0]):
        b = cgeom_bodyid[g]
        geom_xpos[w, g] = xpos[w, b] + quat_rotate(xquat[w, b], geom_pos[w, g])
        geom_xmat[w, g] = quat_to_mat(quat_mul(xquat[w, b], geom_quat[w, g]))


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


@taped
def contact_geometry(
    cpair_geom: wp.array2d(dtype=int),
    cpair_kind: wp.array(dtype=int),
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
    """Distance [m] (negative: penetration), position [m] and frame (rows: normal from the first shape to the second,
    two tangents) of every contact, in the world."""
    w = wp.tid()
    for c in range(ncon[w, 1]):
        p = con_pair[w, c]
        kind = cpair_kind[p]
        g = cpair_geom[p, 0]
        h = cpair_geom[p, 1]
        f0 = con_feature[w, c, 0]
        f1 = con_feature[w, c, 1]
        f2 = con_feature[w, c, 2]
        f3 = con_feature[w, c, 3]
        pos1 = geom_xpos[w, g]
        pos2 = geom_xpos[w, h]
        mat1 = geom_xmat[w, g]
        mat2 = geom_xmat[w, h]
        size1 = geom_size[w, g]
        size2 = geom_size[w, h]
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
        elif kind == kinds.PLANE_MESH:
            dist, pos, normal, hint = plane_mesh(f0, pos1, mat1, size1, pos2, mat2, mesh_vert)
        elif kind == kinds.SPHERE_SPHERE:
            dist, pos, normal, hint = sphere_sphere(f0, f1, f2, f3, pos1, mat1, size1, pos2, mat2, size2)
        elif kind == kinds.SPHERE_CAPSULE:
            dist, pos, normal, hint = sphere_capsule(f0, f1, f2, f3, pos1, mat1, size1, pos2, mat2, size2)
        elif kind == kinds.SPHERE_CYLINDER:
            dist, pos, normal, hint = sphere_cylinder(f0, f1, f2, f3, pos1, mat1, size1, pos2, mat2, size2)
        elif kind == kinds.SPHERE_BOX:
            dist, pos, normal, hint = sphere_box(f0, f1, f2, f3, pos1, mat1, size1, pos2, mat2, size2)
        elif kind == kinds.CAPSULE_CAPSULE:
            dist, pos, normal, hint = capsule_capsule(f0, f1, f2, f3, pos1, mat1, size1, pos2, mat2, size2)
        elif kind == kinds.CAPSULE_BOX:
            dist, pos, normal, hint = capsule_box(f0, f1, f2, f3, pos1, mat1, size1, pos2, mat2, size2)
        elif kind == kinds.BOX_BOX:
            dist, pos, normal, hint = box_box(f0, f1, f2, f3, pos1, mat1, size1, pos2, mat2, size2)
        con_dist[w, c] = dist
        con_pos[w, c] = pos
        con_frame[w, c] = contact_frame(normal, hint)
