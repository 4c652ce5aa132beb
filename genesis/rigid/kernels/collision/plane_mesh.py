"""Plane against convex mesh: the deepest vertex of the hull, and up to three more corners of the face that it lies on.

Follows MuJoCo's mjc_PlaneConvex. Of the hull's polygons at the deepest vertex it takes the one that
faces the plane most directly. Of a polygon with more than four corners it keeps the deepest and three others that span
a large area with it. Each of them makes a contact if it is within the margin and, unless it is the deepest, not farther
along the plane's normal than the geom's origin.

A contact is one vertex: f0 is its row in ``mesh_vert``. Vertices are constants in units of the geom's size, so distance
and position are linear in the geom's pose and in its size; the normal is the plane's.

A mesh has ``vertnum`` vertices v, rows ``vertadr + v`` of ``mesh_vert``, and polygons p with outward normals (times the
size that the mesh was compiled with), rows ``polyadr + p`` of ``mesh_polynormal``. How they hang together is a table in
``mesh_hull`` from ``hulladr`` on, in which addresses count from there:

    0                    1: the deepest vertex is found by climbing along edges; 0: by looking at all
    1 .. 27              where climbing starts: the farthest v in direction (i, j, k) is at 14 + 9 i + 3 j + k
    28 + 2 v, 29 + 2 v   addresses of the list of the neighbours of v, and of the list of its polygons
    lists                neighbours, or addresses of polygons; -1 ends a list
    polygons             p, number of corners, and the corners (v) in order around it

To decide like MuJoCo between vertices that are equally deep, a mesh of fewer than ten vertices is looked at whole, in
its own order; of others only the hull's vertices are listed, in the order of ``mesh_graph``, and climbed.
"""

import math

import warp as wp

from genesis.model import contact
from genesis.rigid.kernels.collision.families import contact_geometry, narrow_phase
from genesis.rigid.kernels.collision.slots import add_contact
from genesis.rigid.kernels.groups import Hulls
from genesis.types import mat33, real, vec3

# A direction counts as leaning to a side if its component is larger than this, the tangent of 22.5 degrees.
_LEANING = wp.constant(real(math.sqrt(2.0) - 1.0))


@wp.func
def _vertex(row: int, size: vec3, mesh_vert: wp.array2d(dtype=real)):
    return vec3(mesh_vert[row, 0] * size[0], mesh_vert[row, 1] * size[1], mesh_vert[row, 2] * size[2])


@wp.func
def plane_mesh(
    f0: int,
    pos1: vec3,
    mat1: mat33,
    size1: vec3,
    pos2: vec3,
    mat2: mat33,
    size2: vec3,
    mesh_vert: wp.array2d(dtype=real),
):
    """Contact of a plane with the vertex in row f0 of ``mesh_vert``."""
    normal = vec3(mat1[0, 2], mat1[1, 2], mat1[2, 2])
    point = pos2 + mat2 * _vertex(f0, size2, mesh_vert)
    dist = wp.dot(normal, point - pos1)
    return dist, point - real(0.5) * dist * normal, normal, vec3(real(0.0), real(0.0), real(0.0))


@wp.func
def _lean(component: real):
    """-1, 0 or 1: to which side a direction leans."""
    return int(component > _LEANING) - int(component < -_LEANING)


@wp.func
def _deepest(
    direction: vec3,
    size: vec3,
    vertadr: int,
    vertnum: int,
    hulladr: int,
    mesh_vert: wp.array2d(dtype=real),
    mesh_hull: wp.array(dtype=int),
):
    """The vertex farthest along ``direction`` (geom's frame); the first met, of those that are equally far."""
    best = int(0)
    if mesh_hull[hulladr] == 1:
        start = 14 + 9 * _lean(direction[0]) + 3 * _lean(direction[1]) + _lean(direction[2])
        best = mesh_hull[hulladr + start]
    farthest = wp.dot(direction, _vertex(vertadr + best, size, mesh_vert))
    if mesh_hull[hulladr] == 0:
        for v in range(1, vertnum):
            distance = wp.dot(direction, _vertex(vertadr + v, size, mesh_vert))
            if distance > farthest:
                farthest = distance
                best = v
    else:
        at = int(-1)
        while at != best:
            at = best
            edge = hulladr + mesh_hull[hulladr + 28 + 2 * at]
            while mesh_hull[edge] >= 0:
                v = mesh_hull[edge]
                distance = wp.dot(direction, _vertex(vertadr + v, size, mesh_vert))
                if distance > farthest:
                    farthest = distance
                    best = v
                edge = edge + 1
    return best


@wp.func
def _facing_polygon(
    direction: vec3,
    size: vec3,
    vertex: int,
    polyadr: int,
    hulladr: int,
    mesh_polynormal: wp.array2d(dtype=real),
    mesh_hull: wp.array(dtype=int),
):
    """Address in ``mesh_hull`` of the polygon at ``vertex`` whose normal is nearest to ``direction``, or -1."""
    best = int(-1)
    alignment = real(-1.0)
    entry = hulladr + mesh_hull[hulladr + 29 + 2 * vertex]
    while mesh_hull[entry] >= 0:
        polygon = hulladr + mesh_hull[entry]
        row = polyadr + mesh_hull[polygon]
        normal = vec3(
            mesh_polynormal[row, 0] / size[0], mesh_polynormal[row, 1] / size[1], mesh_polynormal[row, 2] / size[2]
        )
        cosine = wp.dot(direction, normal) / wp.length(normal)
        if cosine > alignment:
            alignment = cosine
            best = polygon
        entry = entry + 1
    return best


@wp.func
def _quad_area(
    a: int,
    b: int,
    c: int,
    d: int,
    polygon: int,
    size: vec3,
    vertadr: int,
    mesh_vert: wp.array2d(dtype=real),
    mesh_hull: wp.array(dtype=int),
):
    """Twice the area of the quadrilateral of four corners of a polygon."""
    count = mesh_hull[polygon + 1]
    corner_a = _vertex(vertadr + mesh_hull[polygon + 2 + a % count], size, mesh_vert)
    corner_b = _vertex(vertadr + mesh_hull[polygon + 2 + b % count], size, mesh_vert)
    corner_c = _vertex(vertadr + mesh_hull[polygon + 2 + c % count], size, mesh_vert)
    corner_d = _vertex(vertadr + mesh_hull[polygon + 2 + d % count], size, mesh_vert)
    return wp.length(wp.cross(corner_a - corner_c, corner_b - corner_d))


@wp.func
def _wide_quad(
    a: int,
    polygon: int,
    size: vec3,
    vertadr: int,
    mesh_vert: wp.array2d(dtype=real),
    mesh_hull: wp.array(dtype=int),
):
    """Three corners that span, with corner ``a``, a quadrilateral of locally largest area; counted on past the last.

    The fourth corner advances around the polygon as long as the area grows; after each of its steps the third, then the
    second, advance as long as that makes it grow.
    """
    b = a + 1
    c = a + 2
    d = a + 3
    area = _quad_area(a, b, c, d, polygon, size, vertadr, mesh_vert, mesh_hull)
    growing = int(1)
    while growing == 1:
        growing = int(0)
        wider = _quad_area(a, b, c, d + 1, polygon, size, vertadr, mesh_vert, mesh_hull)
        if wider > area:
            growing = int(1)
            d = d + 1
            area = wider
            wider = _quad_area(a, b, c + 1, d, polygon, size, vertadr, mesh_vert, mesh_hull)
            while wider > area:
                c = c + 1
                area = wider
                wider = _quad_area(a, b, c + 1, d, polygon, size, vertadr, mesh_vert, mesh_hull)
            wider = _quad_area(a, b + 1, c, d, polygon, size, vertadr, mesh_vert, mesh_hull)
            while wider > area:
                b = b + 1
                area = wider
                wider = _quad_area(a, b + 1, c, d, polygon, size, vertadr, mesh_vert, mesh_hull)
    return b, c, d


@wp.func
def _corner_of(vertex: int, polygon: int, mesh_hull: wp.array(dtype=int)):
    """Which corner of a polygon a vertex is."""
    corner = int(0)
    for k in range(mesh_hull[polygon + 1]):
        if mesh_hull[polygon + 2 + k] == vertex:
            corner = k
    return corner


@wp.func
def collide_plane_mesh(
    w: int,
    pair: int,
    mesh: int,
    margin: real,
    pos1: vec3,
    mat1: mat33,
    pos2: vec3,
    mat2: mat33,
    size2: vec3,
    hulls: Hulls,
    ncon: wp.array2d(dtype=int),
    con_pair: wp.array2d(dtype=int),
    con_feature: wp.array3d(dtype=int),
):
    """Add the contacts, none to four, of a plane with a convex mesh, the deepest first (MuJoCo: mjc_PlaneConvex).

    ``mesh``: number of its shape.
    """
    vertadr = hulls.cgeom_vertadr[mesh]
    hulladr = hulls.cgeom_hulladr[mesh]
    normal = vec3(mat1[0, 2], mat1[1, 2], mat1[2, 2])
    down = wp.transpose(mat2) * (-normal)
    deepest = _deepest(down, size2, vertadr, hulls.cgeom_vertnum[mesh], hulladr, hulls.mesh_vert, hulls.mesh_hull)
    size1 = vec3(real(0.0), real(0.0), real(0.0))  # a plane has no end in collisions
    dist, _pos, _normal, _tangent = plane_mesh(vertadr + deepest, pos1, mat1, size1, pos2, mat2, size2, hulls.mesh_vert)
    if dist <= margin:
        add_contact(w, pair, vertadr + deepest, 0, 0, 0, ncon, con_pair, con_feature)
        polygon = _facing_polygon(
            down, size2, deepest, hulls.cgeom_polyadr[mesh], hulladr, hulls.mesh_polynormal, hulls.mesh_hull
        )
        if polygon >= 0:
            count = hulls.mesh_hull[polygon + 1]
            a = _corner_of(deepest, polygon, hulls.mesh_hull)
            b = a + 1
            c = a + 2
            d = a + 3
            if count > 4:
                b, c, d = _wide_quad(a, polygon, size2, vertadr, hulls.mesh_vert, hulls.mesh_hull)
            origin = wp.dot(normal, pos2 - pos1)
            for k in range(1, wp.min(count, 4)):
                corner = wp.where(k == 1, b, wp.where(k == 2, c, d))
                row = vertadr + hulls.mesh_hull[polygon + 2 + corner % count]
                dist, _pos, _normal, _tangent = plane_mesh(row, pos1, mat1, size1, pos2, mat2, size2, hulls.mesh_vert)
                if dist <= margin and dist <= origin:
                    add_contact(w, pair, row, 0, 0, 0, ncon, con_pair, con_feature)


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
    collide_plane_mesh(w, pair, geoms[1], margin, pos1, mat1, pos2, mat2, size2, hulls, ncon, con_pair, con_feature)


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
    dist, pos, normal, hint = plane_mesh(f0, pos1, mat1, size1, pos2, mat2, size2, mesh_vert)
    return dist, pos, normal, hint


NARROW_PHASE = narrow_phase("plane_meshes", __name__, contact.PLANE_MESHES, _collide)
GEOMETRY = contact_geometry("plane_meshes", __name__, contact.PLANE_MESHES, _evaluate)
