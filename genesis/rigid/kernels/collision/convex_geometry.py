"""Distance, position and frame of the contacts of convex shapes at the features that were found (convex.py), and their
adjoint by hand."""

import warp as wp

from genesis.rigid.kernels.collision.convex_text import native_text
from genesis.rigid.kernels.groups import CollisionPairs, ContactPlaces, Hulls, Shapes
from genesis.rigid.kernels.sparse import snippet
from genesis.types import untaped

# In these there is nothing that the stride matters for.
_EVALUATED = native_text("shapes", "witness", "faces", "frame", "read", "pulls", "evaluate")
_FORWARD = _EVALUATED + "auto run = [&](auto) { evaluate(); };\n"
_ADJOINT = _EVALUATED + native_text("evaluate_adjoint") + "auto run = [&](auto) { adjoint(); };\n"


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
