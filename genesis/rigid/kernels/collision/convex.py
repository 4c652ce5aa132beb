"""Contacts of any two convex shapes: spheres, capsules, ellipsoids, cylinders, boxes and convex meshes (MuJoCo:
mjc_Convex), and of a height field and one of them, by its prisms (mjc_ConvexHField).

Where two shapes touch is found by GJK and EPA, exactly for polytopes and roughly for curved shapes; the features that
touch there are then solved for exactly (``native/witness.h``). Shapes whose faces, or an edge and a face, are nearly
parallel make up to four contacts, the corners of one clipped against the other (``native/clip.h``).

A contact's features are integers, and numbers that are kept among them:

    0            WITNESSES: two features that touch; FACES, EDGE_A, EDGE_B: a corner of what was clipped
    1 .. 4       feature of the first shape: kind and up to three vertices; 5 .. 8: of the second
    9 .. 13      of a corner: the face that clips; the face, or ends of the edge, that is clipped; the lines that meet
    14 ..        normal, depth, and three numbers of each feature

The native text is in ``native/``: of one function each time, so that its parts share names.
"""

import math
import re
from pathlib import Path

import mujoco
import numpy as np
import warp as wp

from genesis.model import contact
from genesis.model.contact import CONVEX_WIDTH
from genesis.rigid.kernels.groups import CollisionPairs, ContactPlaces, ConvexSearch, Hulls, Shapes
from genesis.rigid.kernels.sparse import snippet
from genesis.types import real, untaped

_DOUBLE = real is wp.float64
_CLIP_AT, _NUMBERS_AT = 9, 14  # in a contact's features

_WORDS = {
    **{name: int(getattr(mujoco.mjtGeom, f"mjGEOM_{name}")) for name in ("SPHERE", "CAPSULE", "ELLIPSOID", "CYLINDER")},
    **{name: int(getattr(mujoco.mjtGeom, f"mjGEOM_{name}")) for name in ("BOX", "MESH", "HFIELD")},
    "MOST_OF_FIELD": contact.MOST_OF_FIELD,
    "FAMILY": contact.CONVEX,
    "WIDTH": CONVEX_WIDTH,
    "MOST_UNKNOWNS": 7,  # a face and a rim
    "CLIP": _CLIP_AT,
    "NUMBERS": _NUMBERS_AT,
    # kinds of features; the first three are the number of vertices
    **{name: 1 + k for k, name in enumerate(("VERTEX", "EDGE", "FACE", "MIX", "SMOOTH", "RIM", "RING", "SIDE"))},
    **{name: 9 + k for k, name in enumerate(("CAP", "CAP_POINT", "POINT"))},
    # what a contact is of
    **{name: k for k, name in enumerate(("WITNESSES", "FACES", "EDGE_A", "EDGE_B"))},
}
# (in 64 bits, in 32 bits)
_CONSTANTS = {
    # mjMINVAL, and what MuJoCo puts in its place in single precision
    "MIN_VALUE": (1e-15, 1e-9),
    "TINY": (1e-15, 1e-9),
    "LEAST_HEIGHT2": (1e-30, 1e-10),
    "LEAST_HEIGHT2_OF_4": (1e-30, 1e-17),
    "LEAST_EPA_TOLERANCE": (1e-15, 1e-7),
    # of the first face that EPA finds: by how much [m] it may seem to be outside
    "ROUNDING": (1e-10, 1e-6),
    "LARGEST": (1e300, 1e30),
    # [m]: polytopes closer than this overlap
    "TOUCHING": (1e-12, 1e-6),
    # rounding, relative
    "GRAIN": (0.0, 3e-7),
    # by which part of their distance shapes are brought closer where EPA fails
    "CLOSER": (1e-6, 1e-4),
    # residual [m] of a contact that is solved for
    "SETTLED": (1e-13, 1e-6),
    # a pivot, by the largest number of its row, below which a system does not determine an unknown
    "SINGULAR": (1e-9, 1e-4),
    # [m]: a corner so far outside of a wall is inside
    "INSIDE": (1e-15, 1e-6),
    # how much larger an area must be to be another one
    "LARGER": (1 + 1e-9, 1 + 1e-5),
    # squared sine of the angle between edges that are parallel
    "PARALLEL2": (1e-14, 1e-7),
    # by how much, of its size, a place may be outside of the feature that it belongs to
    "SLACK": (1e-9, 1e-4),
    # of a direction that looks for other vertices of a face
    "TILT": (1e-4, 1e-3),
    # MuJoCo's: cosine of the angle between faces, and sine of that between an edge and a face, that are parallel
    "FACES_ALIGNED": (0.996, 0.996),
    "EDGE_ALIGNED": (0.0888, 0.0888),
    # cosine of the angle between the contact's normal and that of a face along which an edge may lie
    "FACING": (0.3, 0.3),
    "SIXTEENTH": (math.pi / 8, math.pi / 8),
    # tangent of 22.5 degrees: see plane_mesh.py
    "LEANING": (2.0**0.5 - 1, 2.0**0.5 - 1),
}
assert CONVEX_WIDTH % 2 == 0 and _NUMBERS_AT + 10 * (2 if _DOUBLE else 1) <= CONVEX_WIDTH  # see `store` in find.h
_NATIVE = Path(__file__).parent / "native"


def _text(*names: str) -> str:
    """The files of these names, one after the other, with the constants above in their places."""
    text = "\n".join((_NATIVE / f"{name}.h").read_text(encoding="utf-8") for name in names)
    values = {name: str(number) for name, number in _WORDS.items()}
    values |= {name: f"(REAL){pair[0 if _DOUBLE else 1]!r}" for name, pair in _CONSTANTS.items()}
    return _replaced(text, values)


def _replaced(text: str, values: dict[str, str]) -> str:
    return re.sub(r"\b(?:" + "|".join(values) + r")\b", lambda match: values[match[0]], text)


def scratch_size(iterations: int, largest_face: int) -> int:
    """Integers that a search needs: a polytope that has grown so often, or two polygons that clip each other."""
    number = np.dtype(np.float64 if _DOUBLE else np.float32).itemsize
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
_FIND = _SETUP + _text("shapes", "distance", "witness", "features", "faces", "clip", "frame", "read", "find")
# In these there is nothing that the stride matters for.
_EVALUATED = _text("shapes", "witness", "faces", "frame", "read", "pulls", "evaluate")
_FORWARD = _EVALUATED + "auto run = [&](auto) { evaluate(); };\n"
_ADJOINT = _EVALUATED + _text("evaluate_adjoint") + "auto run = [&](auto) { adjoint(); };\n"


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


@wp.func_native(snippet=snippet(_FORWARD, "places.con_dist"))
def evaluate_contacts(
    w: int,
    pairs: CollisionPairs,
    shapes: Shapes,
    hulls: Hulls,
    ncon: wp.array2d(dtype=int),
    con_pair: wp.array2d(dtype=int),
    con_feature: wp.array3d(dtype=int),
    places: ContactPlaces,
): ...


@untaped
def convex_geometry(
    pairs: CollisionPairs,
    shapes: Shapes,
    hulls: Hulls,
    ncon: wp.array2d(dtype=int),
    con_pair: wp.array2d(dtype=int),
    con_feature: wp.array3d(dtype=int),
    places: ContactPlaces,
):
    """Distance, position and frame of the contacts of convex shapes."""
    evaluate_contacts(wp.tid(), pairs, shapes, hulls, ncon, con_pair, con_feature, places)


@wp.func_native(snippet=snippet(_ADJOINT, "places.con_dist"))
def evaluate_contacts_adjoint(
    w: int,
    pairs: CollisionPairs,
    shapes: Shapes,
    hulls: Hulls,
    ncon: wp.array2d(dtype=int),
    con_pair: wp.array2d(dtype=int),
    con_feature: wp.array3d(dtype=int),
    places: ContactPlaces,
    to_shapes: Shapes,
    to_places: ContactPlaces,
): ...


@untaped
def convex_geometry_adjoint(
    pairs: CollisionPairs,
    shapes: Shapes,
    hulls: Hulls,
    ncon: wp.array2d(dtype=int),
    con_pair: wp.array2d(dtype=int),
    con_feature: wp.array3d(dtype=int),
    places: ContactPlaces,
    adj_shapes: Shapes,
    adj_places: ContactPlaces,
):
    """From the gradients of distance, position and frame to those of poses and sizes."""
    evaluate_contacts_adjoint(
        wp.tid(), pairs, shapes, hulls, ncon, con_pair, con_feature, places, adj_shapes, adj_places
    )
