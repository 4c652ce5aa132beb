"""Which pairs may touch: a broad phase over the shapes; and the order of the contacts that the families of pairs find.

Discrete, hence without gradient: the geometry of what is found is evaluated by a kernel of its own.
"""

import warp as wp

from genesis.rigid.kernels.groups import CollisionPairs, Shapes
from genesis.types import real, untaped, vec3

# mjtGeom
PLANE = wp.constant(0)
SPHERE = wp.constant(2)
CAPSULE = wp.constant(3)
ELLIPSOID = wp.constant(4)
CYLINDER = wp.constant(5)
BOX = wp.constant(6)
# Radius of a shape of size zero, which an env has not: far below zero, so that it is near nothing [m].
ABSENT = wp.constant(real(-1.0e15))


@wp.func
def bounding_radius(kind: int, size: vec3, compiled_size: vec3, compiled_radius: real) -> real:
    """Radius [m] of a sphere around the shape's centre that holds it, and follows its size; `ABSENT` of size zero.

    The other two are those of a mesh or height field as it was compiled.
    """
    larger = wp.max(size[0] / compiled_size[0], wp.max(size[1] / compiled_size[1], size[2] / compiled_size[2]))
    radius = compiled_radius * larger
    if kind == SPHERE:
        radius = size[0]
    elif kind == CAPSULE:
        radius = size[0] + size[1]
    elif kind == ELLIPSOID:
        radius = wp.max(size[0], wp.max(size[1], size[2]))
    elif kind == CYLINDER:
        radius = wp.sqrt(size[0] * size[0] + size[1] * size[1])
    elif kind == BOX:
        radius = wp.length(size)
    if kind != PLANE and size[0] <= real(0.0):
        radius = ABSENT
    return radius


@wp.func
def may_touch(w: int, p: int, pairs: CollisionPairs, shapes: Shapes, cgeom_radius: wp.array2d(dtype=real)) -> bool:
    """Whether the bounding spheres of a pair, or a plane and a sphere, are within its margin."""
    g = pairs.cpair_geom[p, 0]
    h = pairs.cpair_geom[p, 1]
    reach = cgeom_radius[w, h] + pairs.cpair_margin[p] + pairs.cpair_gap[p]
    between = shapes.geom_xpos[w, h] - shapes.geom_xpos[w, g]
    near = False
    if shapes.cgeom_type[g] == PLANE:
        mat = shapes.geom_xmat[w, g]
        near = between[0] * mat[0, 2] + between[1] * mat[1, 2] + between[2] * mat[2, 2] <= reach
    else:
        reach += cgeom_radius[w, g]
        near = reach >= real(0.0) and wp.dot(between, between) <= reach * reach
    return near


@untaped
def broad_phase(
    pairs: CollisionPairs,
    shapes: Shapes,
    all_pairs: int,
    largest_margin: real,
    cgeom_radius: wp.array2d(dtype=real),
    sweep_order: wp.array2d(dtype=int),
    candidate_count: wp.array2d(dtype=int),
    candidate: wp.array2d(dtype=int),
    ncon: wp.array2d(dtype=int),
):
    """Pairs whose bounding spheres overlap, in ascending order; no contacts yet.

    ``all_pairs``: with few pairs each is looked at. Otherwise the shapes are sorted along x (by insertion, from the
    order of the last call, so that it costs little where little has moved), swept, and planes meet every shape.
    """
    w = wp.tid()
    for g in range(shapes.cgeom_type.shape[0]):
        compiled = vec3(shapes.cgeom_size0[g, 0], shapes.cgeom_size0[g, 1], shapes.cgeom_size0[g, 2])
        cgeom_radius[w, g] = bounding_radius(
            shapes.cgeom_type[g], shapes.geom_size[w, g], compiled, shapes.cgeom_rbound[g]
        )
    count = int(0)
    if all_pairs == 1:
        for p in range(pairs.cpair_geom.shape[0]):
            if may_touch(w, p, pairs, shapes, cgeom_radius):
                candidate[w, count] = p
                count += 1
    else:
        n = shapes.cgeom_bounded.shape[0]
        # ``sweep_order`` holds 1 + position in shapes.cgeom_bounded; zero before the first call
        if sweep_order[w, 0] == 0:
            for k in range(n):
                sweep_order[w, k] = k + 1
        for k in range(1, n):
            moved = sweep_order[w, k]
            g = shapes.cgeom_bounded[moved - 1]
            start = shapes.geom_xpos[w, g][0] - cgeom_radius[w, g]
            place = int(k)
            sifting = int(1)
            while sifting == 1:
                sifting = 0
                if place > 0:
                    h = shapes.cgeom_bounded[sweep_order[w, place - 1] - 1]
                    if shapes.geom_xpos[w, h][0] - cgeom_radius[w, h] > start:
                        sweep_order[w, place] = sweep_order[w, place - 1]
                        place -= 1
                        sifting = 1
            sweep_order[w, place] = moved
        for k in range(n):
            g = shapes.cgeom_bounded[sweep_order[w, k] - 1]
            end = shapes.geom_xpos[w, g][0] + cgeom_radius[w, g] + largest_margin
            other = int(k + 1)
            while other < n:
                h = shapes.cgeom_bounded[sweep_order[w, other] - 1]
                other += 1
                if shapes.geom_xpos[w, h][0] - cgeom_radius[w, h] > end:
                    other = n
                else:
                    p = pairs.cpair_of[g, h]
                    while p >= 0:
                        if may_touch(w, p, pairs, shapes, cgeom_radius):
                            candidate[w, count] = p
                            count += 1
                        p = pairs.cpair_next[p]
        for a in range(shapes.cgeom_plane.shape[0]):
            for b in range(n):
                p = pairs.cpair_of[shapes.cgeom_plane[a], shapes.cgeom_bounded[b]]
                while p >= 0:
                    if may_touch(w, p, pairs, shapes, cgeom_radius):
                        candidate[w, count] = p
                        count += 1
                    p = pairs.cpair_next[p]
        # ascending, so that contacts do not change places when shapes pass each other; shell sort
        gap = count // 2
        while gap > 0:
            for k in range(gap, count):
                p = candidate[w, k]
                place = int(k)
                sifting = int(1)
                while sifting == 1:
                    sifting = 0
                    if place >= gap:
                        if candidate[w, place - gap] > p:
                            candidate[w, place] = candidate[w, place - gap]
                            place -= gap
                            sifting = 1
                candidate[w, place] = p
            gap = gap // 2
    candidate_count[w, 0] = count
    ncon[w, 0] = 0


@untaped
def order_contacts(
    ncon_needed: wp.array2d(dtype=int),
    ncon: wp.array2d(dtype=int),
    con_pair: wp.array2d(dtype=int),
    con_feature: wp.array3d(dtype=int),
    found_order: wp.array2d(dtype=int),
    found_pair: wp.array2d(dtype=int),
    found_feature: wp.array3d(dtype=int),
):
    """Bring the contacts, which each family has added in the order of its pairs, into the order of all pairs.

    ``ncon``: (needed, kept). ``found_order`` has no room where there is only one family.
    """
    w = wp.tid()
    ncon_needed[w, 0] = wp.max(ncon_needed[w, 0], ncon[w, 0])
    n = wp.min(ncon[w, 0], con_pair.shape[1])
    ncon[w, 1] = n
    ordered = int(1)
    if found_order.shape[1] > 0:
        for c in range(1, n):
            if con_pair[w, c] < con_pair[w, c - 1]:
                ordered = 0
    if ordered == 0:
        for c in range(n):
            found_order[w, c] = c
            found_pair[w, c] = con_pair[w, c]
            for k in range(con_feature.shape[2]):
                found_feature[w, c, k] = con_feature[w, c, k]
        # shell sort by pair, contacts of a pair as they were found
        gap = n // 2
        while gap > 0:
            for c in range(gap, n):
                moved = found_order[w, c]
                pair = found_pair[w, moved]
                place = int(c)
                sifting = int(1)
                while sifting == 1:
                    sifting = 0
                    if place >= gap:
                        other = found_order[w, place - gap]
                        if found_pair[w, other] > pair or (found_pair[w, other] == pair and other > moved):
                            found_order[w, place] = other
                            place -= gap
                            sifting = 1
                found_order[w, place] = moved
            gap = gap // 2
        for c in range(n):
            from_slot = found_order[w, c]
            con_pair[w, c] = found_pair[w, from_slot]
            for k in range(con_feature.shape[2]):
                con_feature[w, c, k] = found_feature[w, from_slot, k]
