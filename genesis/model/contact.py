"""Which geoms of an ``MjModel`` can touch, and what the kernels need to know of each pair.

Two numberings:

- a *cgeom* is a geom that takes part in at least one pair: 0..ncg-1 in the order of MuJoCo's ids;
- a *cpair* is a pair of cgeoms that MuJoCo would test: 0..ncpair-1 in the order in which MuJoCo lists their contacts.

Pairs whose distance is measured (`describe_measured`) have numberings of their own.

The filters are those of ``mj_broadphase`` and ``mj_collision``: a pair is tested if the two bodies are not welded
together, not parent and child (unless one is the world or the flag ``filterparent`` is off), not excluded, and the
geoms' ``contype`` and ``conaffinity`` match. Explicit ``<pair>``s replace the pair of the same two geoms and pass every
filter; several of the same geoms make contacts each. A ``<pair>`` of geoms that no dof moves against each other is left
out: MuJoCo shows its contacts, and makes no constraint of them.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import mujoco
import numpy as np

from genesis.errors import GenesisException
from genesis.model import hulls

_GEOM = mujoco.mjtGeom
_PLANE, _SPHERE, _CAPSULE, _ELLIPSOID, _CYLINDER, _BOX, _MESH, _HFIELD = (
    int(getattr(_GEOM, f"mjGEOM_{name}"))
    for name in ("PLANE", "SPHERE", "CAPSULE", "ELLIPSOID", "CYLINDER", "BOX", "MESH", "HFIELD")
)

# The pairs of shapes that have a closed form, geom of the lower mjtGeom type first; and any other two convex shapes.
(
    PLANE_SPHERE,
    PLANE_CAPSULE,
    PLANE_ELLIPSOID,
    PLANE_CYLINDER,
    PLANE_BOX,
    PLANE_MESH,
    SPHERE_SPHERE,
    SPHERE_CAPSULE,
    SPHERE_CYLINDER,
    SPHERE_BOX,
    CAPSULE_CAPSULE,
    CAPSULE_BOX,
    BOX_BOX,
    CONVEX_CONVEX,
) = range(14)

# What is compiled together: kinds of pairs that kernels of one file find and evaluate.
PLANES, PLANE_MESHES, ROUNDS, CAPSULE_BOXES, BOX_BOXES, CONVEX = range(6)


class PairKind(NamedTuple):
    """A kind of pair: its number, which family of kernels it belongs to, and the most contacts that it makes
    (mj_maxContact)."""

    number: int
    family: int
    most: int


# Types of the two geoms -> kind of the pair.
KINDS = {
    (_PLANE, _SPHERE): PairKind(PLANE_SPHERE, PLANES, 1),
    (_PLANE, _CAPSULE): PairKind(PLANE_CAPSULE, PLANES, 2),
    (_PLANE, _ELLIPSOID): PairKind(PLANE_ELLIPSOID, PLANES, 1),
    (_PLANE, _CYLINDER): PairKind(PLANE_CYLINDER, PLANES, 4),
    (_PLANE, _BOX): PairKind(PLANE_BOX, PLANES, 4),
    (_PLANE, _MESH): PairKind(PLANE_MESH, PLANE_MESHES, 4),
    (_SPHERE, _SPHERE): PairKind(SPHERE_SPHERE, ROUNDS, 1),
    (_SPHERE, _CAPSULE): PairKind(SPHERE_CAPSULE, ROUNDS, 1),
    (_SPHERE, _CYLINDER): PairKind(SPHERE_CYLINDER, ROUNDS, 1),
    (_SPHERE, _BOX): PairKind(SPHERE_BOX, ROUNDS, 1),
    (_CAPSULE, _CAPSULE): PairKind(CAPSULE_CAPSULE, ROUNDS, 2),
    (_CAPSULE, _BOX): PairKind(CAPSULE_BOX, CAPSULE_BOXES, 4),
    (_BOX, _BOX): PairKind(BOX_BOX, BOX_BOXES, 8),
}
MOST_OF_FIELD = 50  # contacts of a height field and another shape (mjMAXCONPAIR)
_BOUNDED = (_SPHERE, _CAPSULE, _ELLIPSOID, _CYLINDER, _BOX, _MESH)


def _most_of_convex(one: int, two: int) -> int:
    if one == _HFIELD:
        return MOST_OF_FIELD
    if one == _SPHERE or _ELLIPSOID in (one, two):
        return 1
    return 2 if one == _CAPSULE else 4


KINDS |= {
    (one, two): PairKind(CONVEX_CONVEX, CONVEX, _most_of_convex(one, two))
    for one in (_HFIELD, *_BOUNDED)
    for two in _BOUNDED
    if one <= two and (one, two) not in KINDS
}
# Integers that tell the features of a contact: see the files of the families.
WIDTH, CONVEX_WIDTH = 4, 34
# Pairs that MuJoCo never tests.
_NEVER = {(_PLANE, _PLANE), (_PLANE, _HFIELD), (_HFIELD, _HFIELD)}

# Where the parameters of a pair's contacts come from: mixed of both geoms, the first's or the second's (the higher
# priority), or those of an explicit <pair>.
PARAMS_MIXED, PARAMS_FIRST, PARAMS_SECOND, PARAMS_EXPLICIT = range(4)

# Contact slots when max_contacts is not given: see `_slots`.
FEW_SLOTS = 64
CROWD = 8


@dataclass(frozen=True)
class Pair:
    """Two geoms (MuJoCo ids) that MuJoCo tests for contact, that of the lower mjtGeom type first; `explicit`: the index
    of their <pair>, or -1."""

    geom1: int
    geom2: int
    explicit: int = -1


@dataclass
class Contacts:
    """What the model has of contacts; the fields are described in `Model`."""

    ncg: int = 0
    ncpair: int = 0
    nconmax: int = 0
    maxchain: int = 1
    maxcondim: int = 1
    cgeom_of_geom: np.ndarray = field(default_factory=lambda: np.zeros(0, dtype=np.int32))
    row_of_geom: np.ndarray = field(default_factory=lambda: np.zeros(0, dtype=np.int32))
    indices: dict[str, np.ndarray] = field(default_factory=dict)
    constants: dict[str, np.ndarray] = field(default_factory=dict)
    theta: dict[str, np.ndarray] = field(default_factory=dict)


def is_disabled(m: mujoco.MjModel, name: str) -> bool:
    """Whether a flag of mjtDisableBit (without its prefix) is set, or constraints are disabled as a whole."""
    bits = int(getattr(mujoco.mjtDisableBit, f"mjDSBL_{name}")) | int(mujoco.mjtDisableBit.mjDSBL_CONSTRAINT)
    return bool(m.opt.disableflags & bits)


# ------------------------------------------------------------------ pairs


def tested_pairs(m: mujoco.MjModel) -> list[Pair]:
    """The pairs of geoms between which MuJoCo may have contact forces, whether they are simulated or not, in its
    order: by pair of bodies, explicit pairs first, then by geoms. Of bodies that no dof moves, as the world and mocap
    bodies, it tests explicit pairs only, and makes no constraint of what it finds: there is none here."""
    if is_disabled(m, "CONTACT"):
        return []
    # As lists: the bindings make a new array at each access.
    body, kind, weld, geomnum, bvh = (
        np.asarray(values).tolist()
        for values in (m.geom_bodyid, m.geom_type, m.body_weldid, m.body_geomnum, m.body_bvhadr)
    )
    midphase = not m.opt.disableflags & int(mujoco.mjtDisableBit.mjDSBL_MIDPHASE)
    found: list[tuple[tuple[int, ...], Pair]] = []
    explicit: set[tuple[int, int]] = set()
    named = zip(m.pair_geom1.tolist(), m.pair_geom2.tolist(), strict=True)
    for index, (first, second) in enumerate(named):
        low, high = sorted((body[first], body[second]))
        if weld[low] != weld[high]:
            found.append(((low, high, 0, index), Pair(*_by_type(kind, first, second), index)))
            explicit.add((min(first, second), max(first, second)))
    for first, second in _filtered(m):
        if (first, second) not in explicit:
            # Within a pair of bodies MuJoCo sorts what its bounding volume hierarchy yields; without one it takes the
            # geoms as they come.
            low, high = body[first], body[second]
            pair = Pair(*_by_type(kind, first, second))
            several = geomnum[low] > 1 or geomnum[high] > 1
            ordered = several and midphase and bvh[low] >= 0 and bvh[high] >= 0
            place = (pair.geom1, pair.geom2) if ordered else (first, second)
            found.append(((low, high, 1, *place), pair))
    moved = (np.asarray(m.body_treeid) >= 0).tolist()
    return [
        pair
        for _, pair in sorted(found, key=lambda entry: entry[0])
        if (kind[pair.geom1], kind[pair.geom2]) not in _NEVER
        if moved[body[pair.geom1]] or moved[body[pair.geom2]]
    ]


def _by_type(kind: list[int], first: int, second: int) -> tuple[int, int]:
    return (second, first) if kind[first] > kind[second] else (first, second)


def _filtered(m: mujoco.MjModel) -> list[tuple[int, int]]:
    """Pairs of geoms (lower id first) that pass MuJoCo's filters."""
    contype, conaffinity = np.asarray(m.geom_contype), np.asarray(m.geom_conaffinity)
    geoms = np.flatnonzero((contype != 0) | (conaffinity != 0))
    if len(geoms) < 2:
        return []
    low, high = (geoms[side] for side in np.triu_indices(len(geoms), 1))
    keep = ((contype[low] & conaffinity[high]) | (contype[high] & conaffinity[low])) != 0
    low, high = low[keep], high[keep]
    body1, body2 = np.asarray(m.geom_bodyid)[low], np.asarray(m.geom_bodyid)[high]
    weld = np.asarray(m.body_weldid)
    weld1, weld2 = weld[body1], weld[body2]
    keep = weld1 != weld2
    if not m.opt.disableflags & int(mujoco.mjtDisableBit.mjDSBL_FILTERPARENT):
        parent = weld[np.asarray(m.body_parentid)[weld]]
        related = (parent[weld1] == weld2) | (parent[weld2] == weld1)
        keep &= ~(related & (weld1 != 0) & (weld2 != 0))
    keep &= ~np.isin((body1.astype(np.int64) << 16) + body2, np.asarray(m.exclude_signature).astype(np.int64))
    return list(zip(low[keep].tolist(), high[keep].tolist(), strict=True))


# ------------------------------------------------------------------ what the kernels read


def describe(
    m: mujoco.MjModel, body_dofs: list[list[int]], max_contacts: int | None = None, shapes: Sequence[int] = ()
) -> Contacts:
    """Cgeoms and cpairs of the model.

    `body_dofs`: of each body, the dofs that move it; `max_contacts`: contact slots per environment, None: as many as
    the model needs (`_slots`); `shapes`: geoms whose place and size are parameters even if they touch nothing. Raises
    `GenesisException` for a pair of shapes that is in no family.
    """
    pairs = tested_pairs(m)
    types = np.asarray(m.geom_type).tolist()
    open_ended = [kinds for pair in pairs if (kinds := (types[pair.geom1], types[pair.geom2])) not in KINDS]
    if open_ended:
        named = " and ".join(_GEOM(kind).name.removeprefix("mjGEOM_").lower() for kind in open_ended[0])
        raise GenesisException(f"{len(open_ended)} pairs of shapes that cannot touch, {named} among them.")
    contacts = Contacts(ncpair=len(pairs))
    _add_geoms(contacts, m, pairs)
    _add_pairs(contacts, m, pairs)
    _add_chains(contacts, body_dofs)
    _add_parameters(contacts, m, shapes)
    contacts.nconmax = min(max_contacts, _bound(contacts)) if max_contacts else _slots(contacts, m)
    contacts.indices = {name: np.ascontiguousarray(values, dtype=np.int32) for name, values in contacts.indices.items()}
    return contacts


def describe_measured(m: mujoco.MjModel, pairs: Sequence[tuple[int, int]], reach: Sequence[float]) -> Contacts:
    """Cgeoms and cpairs of geoms, none of them a height field, whose distance is measured up to `reach` [m], as
    mj_geomDistance finds it: one contact of each pair of convex shapes, boxes among them, whichever comes first; of the
    others as many as they make.

    Only what finds contacts and their geometry is there. `pairs`: MuJoCo ids, each in the order of `in_measured_order`.
    """
    kinds = [_measured_kind(m, pair) for pair in pairs]
    contacts = Contacts(ncpair=len(pairs))
    _add_geoms(contacts, m, [Pair(*pair) for pair in pairs])
    contacts.nconmax = sum(1 if kind.family == CONVEX else kind.most for kind in kinds)
    contacts.indices |= {
        "cpair_geom": contacts.cgeom_of_geom[np.array(pairs, dtype=int).reshape(-1, 2)],
        "cpair_kind": np.array([kind.number for kind in kinds], dtype=int),
        "cpair_family": np.array([kind.family for kind in kinds], dtype=int),
    }
    contacts.constants |= {"cpair_margin": np.array(reach, dtype=float), "cpair_gap": np.zeros(len(pairs))}
    return contacts


def in_measured_order(m: mujoco.MjModel, one: int, two: int) -> tuple[int, int] | None:
    """Two geoms in the order in which `describe_measured` takes them; None: MuJoCo knows no distance of such shapes."""
    kinds = int(m.geom_type[one]), int(m.geom_type[two])
    if tuple(sorted(kinds)) in _NEVER:
        return None
    by_type = _measured_kind(m, (one, two)).family != CONVEX
    return (two, one) if by_type and kinds[0] > kinds[1] else (one, two)


def _measured_kind(m: mujoco.MjModel, pair: tuple[int, int]) -> PairKind:
    one, two = sorted(int(m.geom_type[geom]) for geom in pair)
    return PairKind(CONVEX_CONVEX, CONVEX, 1) if (one, two) == (_BOX, _BOX) else KINDS[one, two]


def _add_geoms(contacts: Contacts, m: mujoco.MjModel, pairs: list[Pair]) -> None:
    geoms = np.array(sorted({geom for pair in pairs for geom in (pair.geom1, pair.geom2)}), dtype=int)
    kinds = np.asarray(m.geom_type)[geoms]
    contacts.ncg = len(geoms)
    contacts.cgeom_of_geom = np.full(m.ngeom, -1, dtype=np.int32)
    contacts.cgeom_of_geom[geoms] = np.arange(len(geoms))
    # Addresses of a mesh geom's hull in the arrays below: vertices, how many, polygons, table; of a height field's in
    # hfield_data: numbers, how many heights, and how many of them are in a row.
    addresses = np.zeros((len(geoms), 4), dtype=int)
    found: dict[int, tuple[int, int, int, int]] = {}
    described: list[hulls.Hull] = []
    for cgeom in np.flatnonzero(kinds == _MESH):
        mesh = int(m.geom_dataid[geoms[cgeom]])
        if mesh not in found:
            hull = hulls.describe(m, mesh, hulls.units(m, geoms[cgeom]))
            before = [sum(len(getattr(h, part)) for h in described) for part in ("vertices", "normals", "table")]
            found[mesh] = before[0], len(hull.vertices), before[1], before[2]
            described.append(hull)
        addresses[cgeom] = found[mesh]
    fields = [np.zeros(1)]
    for cgeom in np.flatnonzero(kinds == _HFIELD):
        hfield = int(m.geom_dataid[geoms[cgeom]])
        rows, columns, start = (int(values[hfield]) for values in (m.hfield_nrow, m.hfield_ncol, m.hfield_adr))
        height, depth = m.hfield_size[hfield, 2:]
        addresses[cgeom] = sum(map(len, fields)), rows * columns, columns, 0
        unit = m.geom_size[geoms[cgeom], 2]
        heights = m.hfield_data[start : start + rows * columns].astype(float)
        fields += [np.array([depth / unit]), height * heights / unit]
    contacts.indices |= {
        "cgeom_id": geoms,
        "cgeom_type": kinds,
        "cgeom_bodyid": np.asarray(m.geom_bodyid)[geoms],
        "cgeom_vertadr": addresses[:, 0],
        "cgeom_vertnum": addresses[:, 1],
        "cgeom_polyadr": addresses[:, 2],
        "cgeom_hulladr": addresses[:, 3],
        "mesh_hull": np.concatenate([hull.table for hull in described]) if described else np.zeros(1, dtype=int),
        "cgeom_plane": np.flatnonzero(kinds == _PLANE),
        "cgeom_bounded": np.flatnonzero(kinds != _PLANE),
    }
    scaled = np.isin(kinds, (_MESH, _HFIELD))
    sizes = np.where(scaled[:, None], hulls.units(m, geoms), 1.0)
    boxes = np.asarray(m.geom_aabb)[geoms].reshape(-1, 2, 3) / sizes[:, None]
    contacts.constants |= {
        "cgeom_box": np.where(scaled[:, None], boxes.reshape(-1, 6), 0.0),
        "cgeom_size0": sizes,
        "cgeom_rbound": np.where(scaled, np.asarray(m.geom_rbound)[geoms], 0.0),
        "mesh_vert": np.concatenate([hull.vertices for hull in described]) if described else np.zeros((1, 3)),
        "mesh_polynormal": np.concatenate([hull.normals for hull in described]) if described else np.zeros((1, 3)),
        "hfield_data": np.concatenate(fields),
    }


def _add_pairs(contacts: Contacts, m: mujoco.MjModel, pairs: list[Pair]) -> None:
    """Per-pair lists, as mj_contactParam and mj_collision combine the geoms' numbers. (MuJoCo's minimum for solmix is
    mjMINVAL.)"""
    geoms = np.array([(pair.geom1, pair.geom2) for pair in pairs], dtype=int).reshape(-1, 2)
    explicit = np.array([pair.explicit for pair in pairs], dtype=int)
    one, two = geoms[:, 0], geoms[:, 1]
    in_pair = explicit >= 0
    at = np.where(in_pair, explicit, 0)

    def of_pair(own: np.ndarray, combined: np.ndarray) -> np.ndarray:
        return np.where(in_pair, np.asarray(own)[at], combined) if m.npair else combined

    priority = np.asarray(m.geom_priority)
    params = np.where(priority[one] > priority[two], PARAMS_FIRST, PARAMS_MIXED)
    params = np.where(priority[one] < priority[two], PARAMS_SECOND, params)
    condim = np.asarray(m.geom_condim)
    dim = np.choose(params, [np.maximum(condim[one], condim[two]), condim[one], condim[two]])
    solmix = np.asarray(m.geom_solmix)
    weight = np.where(solmix < mujoco.mjMINVAL, 0.0, solmix)
    total = weight[one] + weight[two]
    mix = np.where(total > 0, weight[one] / np.where(total > 0, total, 1.0), 0.5)
    margin, gap = np.asarray(m.geom_margin), np.asarray(m.geom_gap)
    bodies = np.asarray(m.geom_bodyid)[geoms]
    types = np.asarray(m.geom_type)[geoms].tolist()
    kinds = [KINDS[first, second] for first, second in types]
    most = np.array([kind.most for kind in kinds], dtype=int)
    convex = np.array([kind.family == CONVEX for kind in kinds], dtype=bool)
    on_field = np.array([first == _HFIELD for first, _ in types], dtype=bool)
    if is_disabled(m, "MULTICCD"):
        most[convex & ~on_field] = 1
    pair_margin = of_pair(m.pair_margin, margin[one] + margin[two])
    pair_gap = of_pair(m.pair_gap, gap[one] + gap[two])
    dim = of_pair(m.pair_dim, dim)
    contacts.maxcondim = int(dim.max(initial=1))
    cgeoms = contacts.cgeom_of_geom[geoms]
    table = np.full((contacts.ncg, contacts.ncg), -1)
    following = np.full(len(pairs), -1)
    for pair in reversed(range(len(pairs))):  # several <pair>s of the same geoms follow one another
        g, h = cgeoms[pair]
        following[pair] = table[g, h]
        table[g, h] = table[h, g] = pair
    contacts.indices |= {
        "cpair_geom": cgeoms,
        "cpair_kind": np.array([kind.number for kind in kinds], dtype=int),
        "cpair_family": np.array([kind.family for kind in kinds], dtype=int),
        "cpair_most": most,
        "cpair_dim": dim,
        "cpair_params": np.where(in_pair, PARAMS_EXPLICIT, params),
        "cpair_explicit": at,
        "cpair_body": bodies,
        "cpair_of": table,
        "cpair_next": following,
    }
    contacts.constants |= {
        "cpair_margin": pair_margin,
        "cpair_gap": pair_gap,
        "cpair_mix": mix,
    }


def _add_chains(contacts: Contacts, body_dofs: list[list[int]]) -> None:
    """Of each pair of bodies, the dofs that move one against the other, and the sign with which they do."""
    rows: dict[tuple[int, int], int] = {}
    dofs: list[int] = []
    signs: list[int] = []
    bounds = [0]
    chains = []
    for first, second in contacts.indices["cpair_body"].tolist():
        if (first, second) not in rows:
            minus, plus = set(body_dofs[first]), set(body_dofs[second])
            chain = sorted(minus ^ plus)
            dofs += chain
            signs += [1 if dof in plus else -1 for dof in chain]
            bounds.append(len(dofs))
            contacts.maxchain = max(contacts.maxchain, len(chain))
            rows[first, second] = len(rows)
        chains.append(rows[first, second])
    lists = {"cpair_chain": chains, "chain_dof": dofs, "chain_dof_adr": bounds, "chain_sign": signs}
    contacts.indices |= {name: np.array(values, dtype=np.int32) for name, values in lists.items()}


def _add_parameters(contacts: Contacts, m: mujoco.MjModel, shapes: Sequence[int]) -> None:
    """The parameters that a gradient may reach."""
    geoms = contacts.indices["cgeom_id"]
    placed = np.array([*geoms, *sorted(set(shapes) - set(geoms.tolist()))], dtype=int)
    contacts.row_of_geom = np.full(m.ngeom, -1, dtype=np.int32)
    contacts.row_of_geom[placed] = np.arange(len(placed))
    npair = m.npair if contacts.ncpair else 0
    quat = np.asarray(m.geom_quat)[placed]
    contacts.theta = {
        "geom_pos": m.geom_pos[placed],
        "geom_quat": quat / np.linalg.norm(quat, axis=1, keepdims=True),
        "geom_size": m.geom_size[placed],
        "geom_friction": m.geom_friction[geoms],
        "geom_solref": m.geom_solref[geoms],
        "geom_solimp": m.geom_solimp[geoms],
        "geom_surfacevel": m.geom_surfacevel[geoms],
        "geom_adhesion": m.geom_adhesion[geoms],
        "pair_friction": m.pair_friction[:npair],
        "pair_solref": m.pair_solref[:npair],
        "pair_solreffriction": m.pair_solreffriction[:npair],
        "pair_solimp": m.pair_solimp[:npair],
        "pair_adhesion": m.pair_adhesion[:npair],
    }


# ------------------------------------------------------------------ slots


def _bound(contacts: Contacts) -> int:
    """The most contacts that all pairs can make, of whatever sizes their shapes will be."""
    return int(contacts.indices["cpair_most"].sum())


def _counts(contacts: Contacts, m: mujoco.MjModel) -> np.ndarray:
    """The most contacts that each pair makes; those with a height field one for each prism that a shape may reach, as
    large as both are in the file."""
    counts, cgeoms = contacts.indices["cpair_most"].copy(), contacts.indices["cpair_geom"]
    on_field = contacts.indices["cgeom_type"][cgeoms[:, 0]] == _HFIELD
    field, geom = contacts.indices["cgeom_id"][cgeoms[on_field]].T
    hfield = m.geom_dataid[field]
    cells = np.stack([m.hfield_ncol, m.hfield_nrow], axis=1)[hfield] - 1
    step = 2 * m.hfield_size[hfield, :2] / cells
    margin = (contacts.constants["cpair_margin"] + contacts.constants["cpair_gap"])[on_field]
    reach = m.geom_rbound[geom] + margin
    across = np.minimum(np.ceil(2 * reach[:, None] / step) + 1, cells)
    counts[on_field] = np.minimum(counts[on_field], 2 * across.prod(axis=1))
    return counts


def _slots(contacts: Contacts, m: mujoco.MjModel) -> int:
    """Contact slots per environment: enough for any state of a small model, and for a crowd in a large one.

    The number of pairs grows with the square of the number of bodies; the number of bodies that fit around one does
    not. So a shape is given all it can make with every plane and height field, and half of what it can make with each
    of the `CROWD` others with which it makes the most (two bodies that lie edge on face fill half the places of a pair,
    or fewer); each contact among the others belongs to two of them. Up to `FEW_SLOTS`, every pair may make all it can.

    Measured with MuJoCo, while bodies fell into a heap and came to rest: 30 boxes need 127 (600 are given), 60 spheres
    in a shaft 177 (316), 60 boxes, capsules and spheres in a shaft 221 (819).
    """
    counts, cgeoms = _counts(contacts, m), contacts.indices["cpair_geom"]
    on_ground = np.isin(contacts.indices["cgeom_type"][cgeoms[:, 0]], (_PLANE, _HFIELD))
    crowd = int(counts[on_ground].sum())
    shared = np.zeros((contacts.ncg, contacts.ncg), dtype=int)
    one, two = cgeoms[~on_ground].T
    shared[one, two] = shared[two, one] = (counts[~on_ground] + 1) // 2
    crowd += (int(np.sort(shared, axis=1)[:, -CROWD:].sum()) + 1) // 2
    return int(min(counts.sum(), max(FEW_SLOTS, crowd)))
