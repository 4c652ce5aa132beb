"""Native text of the contacts of convex shapes (``native/``), with its constants in their places.

A contact's features are integers, and numbers that are kept among them:

    0            WITNESSES: two features that touch; FACES, EDGE_A, EDGE_B: a corner of what was clipped
    1 .. 4       feature of the first shape: kind and up to three vertices; 5 .. 8: of the second
    9 .. 13      of a corner: the face that clips; the face, or ends of the edge, that is clipped; the lines that meet
    14 ..        normal, depth, and three numbers of each feature
"""

import math
import re
from pathlib import Path

import mujoco
import warp as wp

from genesis.model import contact
from genesis.model.contact import CONVEX_WIDTH
from genesis.types import real

DOUBLE = real is wp.float64
_CLIP_AT, _NUMBERS_AT = 9, 14  # in a contact's features
POINT = 11  # a feature: what was found, fixed in its shape, where nothing better is known

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
    "CAP": 9,
    "CAP_POINT": 10,
    "POINT": POINT,
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
    # angle up to which triangles are one face: vertices of meshes are kept in 32 bits
    "FLAT": (1e-6, 1e-4),
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
assert CONVEX_WIDTH % 2 == 0 and _NUMBERS_AT + 10 * (2 if DOUBLE else 1) <= CONVEX_WIDTH  # see `store` in find.h
_NATIVE = Path(__file__).parent / "native"


def native_text(*names: str) -> str:
    """The files of these names, one after the other: parts of one function's body, which share names."""
    text = "\n".join((_NATIVE / f"{name}.h").read_text(encoding="utf-8") for name in names)
    values = {name: str(number) for name, number in _WORDS.items()}
    values |= {name: f"(REAL){pair[0 if DOUBLE else 1]!r}" for name, pair in _CONSTANTS.items()}
    return re.sub(r"\b(?:" + "|".join(values) + r")\b", lambda match: values[match[0]], text)
