"""Rays against all geoms of a scene, over envs and rays: the nearest surface along each.

Discrete: which geom and which of its triangles is met, and how far away. Simple shapes are met in closed form (MuJoCo:
mju_rayGeom); triangles of meshes and height fields are found by Warp's hierarchy of boxes, one for each mesh, into
whose frame the ray is brought. That works in 32 bits; the distance is then that to the triangle's plane, in full
precision.
"""

import mujoco
import warp as wp

from genesis.types import mat33, real, untaped, vec3

PLANE = wp.constant(int(mujoco.mjtGeom.mjGEOM_PLANE))
SPHERE = wp.constant(int(mujoco.mjtGeom.mjGEOM_SPHERE))
CAPSULE = wp.constant(int(mujoco.mjtGeom.mjGEOM_CAPSULE))
ELLIPSOID = wp.constant(int(mujoco.mjtGeom.mjGEOM_ELLIPSOID))
CYLINDER = wp.constant(int(mujoco.mjtGeom.mjGEOM_CYLINDER))
BOX = wp.constant(int(mujoco.mjtGeom.mjGEOM_BOX))
NEVER = wp.constant(1.0e30)  # [m] of a ray that meets nothing
TINY = wp.constant(1.0e-15)  # MuJoCo's mjMINVAL; in 32 bits not zero either
_MORE = wp.constant(1.0001)  # how much further the search in 32 bits goes than the nearest surface so far


@wp.func
def _root(a: real, b: real, c: real):
    """The least solution of a x^2 + 2 b x + c = 0 that is not negative."""
    disc = b * b - a * c
    if disc < real(0.0) or a < real(TINY):
        return real(NEVER)
    root = wp.sqrt(disc)
    x = (-b - root) / a
    if x < real(0.0):
        x = (-b + root) / a
    if x < real(0.0):
        x = real(NEVER)
    return x


@wp.func
def _plane(size: vec3, p: vec3, d: vec3):
    x = real(NEVER)
    if d[2] < -real(TINY):
        t = -p[2] / d[2]
        inside_x = size[0] <= real(0.0) or wp.abs(p[0] + t * d[0]) <= size[0]
        inside_y = size[1] <= real(0.0) or wp.abs(p[1] + t * d[1]) <= size[1]
        if t >= real(0.0) and inside_x and inside_y:
            x = t
    return x


@wp.func
def _ellipsoid(size: vec3, p: vec3, d: vec3):
    q = wp.cw_div(p, size)
    e = wp.cw_div(d, size)
    return _root(wp.dot(e, e), wp.dot(e, q), wp.dot(q, q) - real(1.0))


@wp.func
def _side(size: vec3, p: vec3, d: vec3):
    """The round side of a capsule or cylinder. Beyond its ends the ray meets no side, whichever root is looked at."""
    a = d[0] * d[0] + d[1] * d[1]
    b = d[0] * p[0] + d[1] * p[1]
    c = p[0] * p[0] + p[1] * p[1] - size[0] * size[0]
    best = real(NEVER)
    disc = b * b - a * c
    if disc >= real(0.0) and a >= real(TINY):
        root = wp.sqrt(disc)
        near = (-b - root) / a
        far = (-b + root) / a
        if far >= real(0.0) and wp.abs(p[2] + far * d[2]) <= size[1]:
            best = far
        if near >= real(0.0) and wp.abs(p[2] + near * d[2]) <= size[1]:
            best = near
    return best


@wp.func
def _cap(size: vec3, end: real, p: vec3, d: vec3, best: real):
    """The half sphere at one end of a capsule."""
    q = vec3(p[0], p[1], p[2] - end * size[1])
    a = wp.dot(d, d)
    b = wp.dot(d, q)
    disc = b * b - a * (wp.dot(q, q) - size[0] * size[0])
    found = best
    if disc >= real(0.0):
        root = wp.sqrt(disc)
        near = (-b - root) / a
        far = (-b + root) / a
        if far >= real(0.0) and far < found and end * (p[2] + far * d[2]) >= size[1]:
            found = far
        if near >= real(0.0) and near < found and end * (p[2] + near * d[2]) >= size[1]:
            found = near
    return found


@wp.func
def _lid(size: vec3, end: real, p: vec3, d: vec3, best: real):
    """The flat end of a cylinder."""
    found = best
    if wp.abs(d[2]) > real(TINY):
        x = (end * size[1] - p[2]) / d[2]
        u = p[0] + x * d[0]
        v = p[1] + x * d[1]
        if x >= real(0.0) and x < found and u * u + v * v <= size[0] * size[0]:
            found = x
    return found


@wp.func
def _box(size: vec3, p: vec3, d: vec3):
    """Where the ray enters, or, from inside, where it leaves."""
    enter = -real(NEVER)
    leave = real(NEVER)
    for axis in range(3):
        if wp.abs(d[axis]) > real(TINY):
            one = (-size[axis] - p[axis]) / d[axis]
            two = (size[axis] - p[axis]) / d[axis]
            enter = wp.max(enter, wp.min(one, two))
            leave = wp.min(leave, wp.max(one, two))
        elif wp.abs(p[axis]) > size[axis]:
            leave = -real(NEVER)
    x = real(NEVER)
    if leave >= enter and leave >= real(0.0):
        x = leave
        if enter >= real(0.0):
            x = enter
    return x


@wp.func
def _shape(kind: int, size: vec3, p: vec3, d: vec3):
    """How far a simple shape is along a ray of its frame."""
    x = real(NEVER)
    if kind == PLANE:
        x = _plane(size, p, d)
    elif kind == SPHERE:
        x = _root(wp.dot(d, d), wp.dot(d, p), wp.dot(p, p) - size[0] * size[0])
    elif kind == ELLIPSOID:
        x = _ellipsoid(size, p, d)
    elif kind == BOX:
        x = _box(size, p, d)
    elif kind == CAPSULE:
        x = _cap(size, real(-1.0), p, d, _cap(size, real(1.0), p, d, _side(size, p, d)))
    elif kind == CYLINDER:
        x = _lid(size, real(-1.0), p, d, _lid(size, real(1.0), p, d, _side(size, p, d)))
    return x


@wp.struct
class Geoms:
    """What a scene consists of, G geoms.

    kind: mjtGeom; mesh: Warp's hierarchy of its triangles, or 0; first: its first triangle in `corner`; corner: (T, 3)
    of triangles, at the compiled size
    """

    kind: wp.array(dtype=int)
    mesh: wp.array(dtype=wp.uint64)
    first: wp.array(dtype=int)
    corner: wp.array2d(dtype=vec3)


@wp.struct
class Posed:
    """Where the geoms are, in N envs: positions, orientations, sizes (of triangles: how much larger than compiled), and
    radii of the spheres around them (negative: none), (N, G)."""

    pos: wp.array2d(dtype=vec3)
    mat: wp.array2d(dtype=mat33)
    size: wp.array2d(dtype=vec3)
    bound: wp.array2d(dtype=real)


@untaped
def cast_rays(
    geoms: Geoms,
    posed: Posed,
    origin: wp.array2d(dtype=vec3),
    ray: wp.array2d(dtype=vec3),
    nearest: real,
    reach: real,
    distance: wp.array2d(dtype=real),
    geom: wp.array2d(dtype=int),
    triangle: wp.array2d(dtype=int),
):
    """Of rays (N, R) of unit length, from `nearest` to `reach` [m] away: how far the first surface is (infinity:
    none), of which geom, and which of its triangles (-1: of none)."""
    w, r = wp.tid()
    d = ray[w, r]
    o = origin[w, r] + nearest * d
    best = reach - nearest
    found = wp.int32(-1)
    face = wp.int32(-1)
    for g in range(geoms.kind.shape[0]):
        to_middle = posed.pos[w, g] - o
        bound = posed.bound[w, g]
        ahead = wp.dot(to_middle, d)
        aside = wp.dot(to_middle, to_middle) - ahead * ahead
        near = aside <= bound * bound and ahead >= -bound and ahead - bound <= best
        # without size: of another variant of the entity, which this env has not
        if bound < real(0.0) or (bound > real(0.0) and near):
            m = wp.transpose(posed.mat[w, g])
            p = -(m * to_middle)
            e = m * d
            size = posed.size[w, g]
            if geoms.mesh[g] == wp.uint64(0):
                x = _shape(geoms.kind[g], size, p, e)
                if x <= best:
                    best = x
                    found = g
                    face = -1
            else:
                p = wp.cw_div(p, size)
                e = wp.cw_div(e, size)
                start = wp.vec3(float(p[0]), float(p[1]), float(p[2]))
                along = wp.vec3(float(e[0]), float(e[1]), float(e[2]))
                query = wp.mesh_query_ray(geoms.mesh[g], start, along, float(best) * _MORE)
                if query.result:
                    t = geoms.first[g] + query.face
                    a = geoms.corner[t, 0]
                    n = wp.cross(geoms.corner[t, 1] - a, geoms.corner[t, 2] - a)
                    slope = wp.dot(e, n)
                    x = real(query.t)
                    if wp.abs(slope) > real(TINY):
                        x = wp.dot(a - p, n) / slope
                    if x <= best and x >= real(0.0):
                        best = x
                        found = g
                        face = t
    geom[w, r] = found
    triangle[w, r] = face
    distance[w, r] = real(wp.inf)
    if found >= 0:
        distance[w, r] = best + nearest
