"""Convex hulls of meshes as the collider of plane and mesh reads them."""

from dataclasses import dataclass

import mujoco
import numpy as np

# mjMESH_HILLCLIMB_MIN: from so many vertices on, MuJoCo climbs the hull's edges instead of looking at every vertex.
HILLCLIMB_MIN = 10


@dataclass(frozen=True)
class Hull:
    """Vertices (n, 3) [m] and outward polygon normals (p, 3) in the geom's frame, and how they hang together.

    The table's layout is described in :mod:`genesis.rigid.kernels.collision.plane_mesh`.
    """

    vertices: np.ndarray
    normals: np.ndarray
    table: np.ndarray


def describe(m: mujoco.MjModel, mesh: int) -> Hull:
    """The hull of a mesh: its vertices in the order of ``mesh_graph``, or all of a small mesh's in their own order."""
    start, count = int(m.mesh_vertadr[mesh]), int(m.mesh_vertnum[mesh])
    graph = int(m.mesh_graphadr[mesh])
    climbs = graph >= 0 and count >= HILLCLIMB_MIN
    ids = np.arange(count)
    neighbours: list[list[int]] = [[] for _ in ids]
    if climbs:
        n = int(m.mesh_graph[graph])
        edge_adr, ids, edges = np.split(m.mesh_graph[graph + 2 :], [n, 2 * n])
        neighbours = [[int(v) for v in edges[a : a + list(edges[a:]).index(-1)]] for a in edge_adr]
    place = {int(v): k for k, v in enumerate(ids)}  # of a vertex of the mesh in the table

    nvert, npoly = len(ids), int(m.mesh_polynum[mesh])
    polygons = range(int(m.mesh_polyadr[mesh]), int(m.mesh_polyadr[mesh]) + npoly)
    table = [int(climbs), *(m.mesh_extrema[mesh] if climbs else [0] * 27), *[0] * (2 * nvert)]
    polygon_adr = []
    for p, polygon in enumerate(polygons):
        corners = m.mesh_polyvert[m.mesh_polyvertadr[polygon] :][: m.mesh_polyvertnum[polygon]]
        polygon_adr.append(len(table))
        table += [p, len(corners), *(place[int(v)] for v in corners)]
    for k, v in enumerate(ids):
        table[28 + 2 * k] = len(table)
        table += [*neighbours[k], -1]
        table[29 + 2 * k] = len(table)
        around = m.mesh_polymap[m.mesh_polymapadr[start + v] :][: m.mesh_polymapnum[start + v]]
        table += [*(polygon_adr[p] for p in around), -1]
    return Hull(
        m.mesh_vert[start + ids].astype(float), m.mesh_polynormal[polygons.start :][:npoly], np.array(table, dtype=int)
    )
