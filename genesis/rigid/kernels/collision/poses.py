"""Poses of the shapes that collide."""

import warp as wp

from genesis.math.spatial import quat_mul, quat_rotate, quat_to_mat
from genesis.types import mat33, taped, vec3, vec4


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
