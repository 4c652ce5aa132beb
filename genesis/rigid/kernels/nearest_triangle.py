"""The nearest triangle of meshes to points, over envs, points and meshes; discrete, by Warp's hierarchy of boxes."""

import warp as wp

from genesis.types import real, untaped, vec3


@untaped
def nearest_triangle(
    mesh: wp.array(dtype=wp.uint64),
    first: wp.array(dtype=int),
    point: wp.array3d(dtype=vec3),
    reach: wp.array3d(dtype=real),
    triangle: wp.array3d(dtype=int),
    inside: wp.array3d(dtype=int),
):
    """Of points (N, P, M) in the frames of M meshes: which triangle is nearest within `reach`, counted from `first` of
    the mesh (-1: none), and whether the point is behind the surface."""
    w, p, k = wp.tid()
    x = point[w, p, k]
    query = wp.mesh_query_point_sign_normal(
        mesh[k], wp.vec3(float(x[0]), float(x[1]), float(x[2])), float(reach[w, p, k]), 1.0e-4
    )
    triangle[w, p, k] = -1
    inside[w, p, k] = 0
    if query.result:
        triangle[w, p, k] = first[k] + query.face
        if query.sign < 0.0:
            inside[w, p, k] = 1
