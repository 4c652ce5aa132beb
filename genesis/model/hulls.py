"""Convex hulls of meshes as the colliders read them."""

from dataclasses import dataclass

import mujoco
import numpy as np

# mjMESH_HILLCLIMB_MIN: from so many vertices on, MuJoCo climbs the hull's edges instead of looking at every vertex.
HILLCLIMB_MIN = 10


@dataclass(frozen=True)
class Hull:
    """Vertices (n, 3) in the geom's frame, in units of its size; outward polygon normals (p, 3), times its size; and
    how they hang together.

    The table's layout is described in :mod:`genesis.rigid.kernels.collision.plane_mesh`.
    """

    vertices: np.ndarray
    normals: np.ndarray
    table: np.ndarray


def units(m: mujoco.MjModel, geoms: np.ndarray) -> np.ndarray:
    """What the coordinates of meshes and height fields are multiples of, (k, 3) [m]: the geoms' sizes as compiled; 1
    where a mesh is flat."""
    size = np.asarray(m.geom_size)[geoms]
    return np.where(size > 0, size, 1.0)


def describe(m: mujoco.MjModel, mesh: int, size: np.ndarray) -> Hull:
    """The hull of a mesh, of whose geoms the size is as compiled (3,) [m]: its vertices in the order of ``mesh_graph``,
    or all of a small mesh's in their own order."""
    start, count = int(m.mesh_vertadr[mesh]), int(m.mesh_vertnum[mesh])
    graph = int(m.mesh_graphadr[mesh])
    climbs = graph >= 0 and count >= HILLCLIMB_MIN
    ids = np.arange(count)
    edge_adr, edges = np.zeros(count, dtype=int), np.array([-1])
    if climbs:
        n, faces = (int(size) for size in m.mesh_graph[graph : graph + 2])
        edge_adr, ids, edges = np.split(m.mesh_graph[graph + 2 : graph + 2 + 2 * n + n + 3 * faces * 2], [n, 2 * n])
    ends = np.flatnonzero(edges < 0)  # of the vertices' lists of neighbours
    ends = ends[np.searchsorted(ends, edge_adr)]
    place = np.zeros(count, dtype=int)  # of a vertex of the mesh in the table
    place[ids] = np.arange(len(ids))

    nvert, npoly = len(ids), int(m.mesh_polynum[mesh])
    first = int(m.mesh_polyadr[mesh])
    sizes, addresses, corners = (
        np.asarray(values)
        for values in (
            m.mesh_polyvertnum[first : first + npoly],
            m.mesh_polyvertadr[first : first + npoly],
            m.mesh_polyvert,
        )
    )
    table = [int(climbs), *(m.mesh_extrema[mesh] if climbs else [0] * 27), *[0] * (2 * nvert)]
    polygon_adr = (
        len(table) + np.concatenate([[0], np.cumsum(sizes + 2)[:-1]]).astype(int) if npoly else np.zeros(0, int)
    )
    for p in range(npoly):
        table += [p, int(sizes[p]), *place[corners[addresses[p] : addresses[p] + sizes[p]]].tolist()]
    around_adr, around_num = (np.asarray(values)[start + ids] for values in (m.mesh_polymapadr, m.mesh_polymapnum))
    around = np.asarray(m.mesh_polymap)
    for k in range(nvert):
        table[28 + 2 * k] = len(table)
        table += [*edges[edge_adr[k] : ends[k]].tolist(), -1]
        table[29 + 2 * k] = len(table)
        table += [*polygon_adr[around[around_adr[k] : around_adr[k] + around_num[k]]].tolist(), -1]
    normals = m.mesh_polynormal[first : first + npoly] * size
    return Hull(m.mesh_vert[start + ids].astype(float) / size, normals, np.array(table, dtype=int))
