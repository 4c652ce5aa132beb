"""Contacts of any two convex shapes: spheres, capsules, ellipsoids, cylinders, boxes and convex meshes (MuJoCo:
mjc_Convex), and of a height field and one of them, by its prisms (mjc_ConvexHField).

Where two shapes touch is found by GJK and EPA, exactly for polytopes and roughly for curved shapes; the features that
touch there are then solved for exactly (``native/witness.h``). Shapes whose faces, or an edge and a face, are nearly
parallel make up to four contacts, the corners of one clipped against the other (``native/clip.h``).

What a contact's features are: see convex_text.py; what its depth, place and frame are: convex_geometry.py.
"""

import numpy as np
import warp as wp

from genesis.rigid.kernels.collision.convex_text import DOUBLE, native_text
from genesis.rigid.kernels.groups import CollisionPairs, ConvexSearch, Hulls, Shapes
from genesis.rigid.kernels.sparse import snippet
from genesis.types import untaped


def scratch_size(iterations: int, largest_face: int) -> int:
    """Integers that a search needs: a polytope that has grown so often, or two polygons that clip each other."""
    number = np.dtype(np.float64 if DOUBLE else np.float32).itemsize
    vertex, face, corner = (
        9 * number + 8,
        -(-(4 * number + 28) // number) * number,
        -(-(3 * number + 12) // number) * number,
    )
    expansions = expansions_of(iterations)
    polytope = (5 + expansions) * vertex + 6 * expansions * (face + 4 + 2 * 4 + 3 * 4)
    polygons = 2 * corners_of(largest_face) * corner
    return 2 * -(-max(polytope, polygons) // 8)


def expansions_of(iterations: int) -> int:
    """How often EPA's polytope may grow (MuJoCo: at most 1000 times)."""
    return min(max(iterations, 1), 1000)


def corners_of(largest_face: int) -> int:
    """Corners of a polygon that two faces make, each of at most so many; a cylinder's cap counts as 16."""
    return 2 * max(largest_face, 16) + 2


# [m]: a larger ccd_tolerance counts as this, since what GJK and EPA find is only where the exact contact begins.
_COARSEST = 1e-6
_SETUP = f"""
    const int ccd_iterations = search.ccd_iterations, multiccd = search.multiccd, max_corners = search.max_corners;
    const int max_expansions = ccd_iterations < 1 ? 1 : (ccd_iterations > 1000 ? 1000 : ccd_iterations);
    const int max_faces = 6 * max_expansions;
    const REAL ccd_tolerance = search.ccd_tolerance < (REAL){_COARSEST} ? search.ccd_tolerance : (REAL){_COARSEST};
    REAL* const scratch = (REAL*)INTEGERS(ccd_scratch);
"""
_FIND = _SETUP + native_text("shapes", "distance", "witness", "features", "faces", "clip", "frame", "read", "find")


@wp.func_native(snippet=snippet(_FIND, "shapes.geom_xpos"))
def find_contacts(
    w: int,
    pairs: CollisionPairs,
    shapes: Shapes,
    hulls: Hulls,
    search: ConvexSearch,
    candidate_count: wp.array2d(dtype=int),
    candidate: wp.array2d(dtype=int),
    ccd_scratch: wp.array2d(dtype=int),
    ncon: wp.array2d(dtype=int),
    con_pair: wp.array2d(dtype=int),
    con_feature: wp.array3d(dtype=int),
): ...


@untaped
def collide_convex(
    pairs: CollisionPairs,
    shapes: Shapes,
    hulls: Hulls,
    search: ConvexSearch,
    candidate_count: wp.array2d(dtype=int),
    candidate: wp.array2d(dtype=int),
    ccd_scratch: wp.array2d(dtype=int),
    ncon: wp.array2d(dtype=int),
    con_pair: wp.array2d(dtype=int),
    con_feature: wp.array3d(dtype=int),
):
    """Add the contacts of the candidates that are pairs of convex shapes."""
    find_contacts(
        wp.tid(), pairs, shapes, hulls, search, candidate_count, candidate, ccd_scratch, ncon, con_pair,
        con_feature,
    )  # fmt: skip


NARROW_PHASE = collide_convex
