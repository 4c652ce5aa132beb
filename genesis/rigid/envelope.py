"""Symmetric matrices inside an envelope: each row of the triangle is stored from its first entry on.

A factorisation fills nothing outside of it, so trees that do not touch each other cost what they cost alone. Rows are
ordered anew in every evaluation: trees that touch each other come one after the other, so that contacts between bodies
that were added far apart do not open the envelope wide (breadth first, as Cuthill and McKee 1969).
"""

import warp as wp

from genesis.types import real, untaped

# Of a diagonal element: of a pivot below this, rounding has left nothing. Its row is decoupled then, as in MuJoCo.
LEAST_PIVOT = real(1.0e-15) if real is wp.float64 else real(1.0e-6)


@untaped
def constraint_envelope(
    M_colind: wp.array(dtype=int),
    M_colind_adr: wp.array(dtype=int),
    dof_treeid: wp.array(dtype=int),
    tree_dofadr: wp.array(dtype=int),
    tree_dofnum: wp.array(dtype=int),
    cpair_chain: wp.array(dtype=int),
    chain_dof: wp.array(dtype=int),
    chain_dof_adr: wp.array(dtype=int),
    lim_active: wp.array2d(dtype=int),
    floss_active: wp.array2d(dtype=int),
    ncon: wp.array2d(dtype=int),
    con_pair: wp.array2d(dtype=int),
    con_active: wp.array2d(dtype=int),
    any_constraint: wp.array2d(dtype=int),
    tree_seen: wp.array2d(dtype=int),
    tree_queue: wp.array2d(dtype=int),
    dof_place: wp.array2d(dtype=int),
    row_start: wp.array2d(dtype=int),
):
    """Row of each dof in H, first column of each row, and whether there is a constraint at all."""
    w = wp.tid()
    found = int(0)
    for slot in range(lim_active.shape[1]):
        found = wp.max(found, lim_active[w, slot])
    for i in range(floss_active.shape[1]):
        found = wp.max(found, floss_active[w, i])
    head = int(0)
    tail = int(0)
    place = int(0)
    for t in range(tree_seen.shape[1]):
        tree_seen[w, t] = 0
    for t in range(tree_seen.shape[1]):
        if tree_seen[w, t] == 0:
            tree_seen[w, t] = 1
            tree_queue[w, tail] = t
            tail += 1
            while head < tail:
                current = tree_queue[w, head]
                head += 1
                for d in range(tree_dofnum[current]):
                    dof_place[w, tree_dofadr[current] + d] = place
                    place += 1
                if tail < tree_seen.shape[1]:
                    for c in range(ncon[w, 1]):
                        if con_active[w, c] == 1:
                            row = cpair_chain[con_pair[w, c]]
                            one = dof_treeid[chain_dof[chain_dof_adr[row]]]
                            two = dof_treeid[chain_dof[chain_dof_adr[row + 1] - 1]]
                            other = int(-1)
                            if one == current:
                                other = two
                            elif two == current:
                                other = one
                            if other >= 0:
                                if tree_seen[w, other] == 0:
                                    tree_seen[w, other] = 1
                                    tree_queue[w, tail] = other
                                    tail += 1
    for i in range(floss_active.shape[1]):
        row_start[w, dof_place[w, i]] = dof_place[w, M_colind[M_colind_adr[i]]]
    for c in range(ncon[w, 1]):
        if con_active[w, c] == 1:
            found = 1
            start = chain_dof_adr[cpair_chain[con_pair[w, c]]]
            end = chain_dof_adr[cpair_chain[con_pair[w, c]] + 1]
            lowest = dof_place[w, chain_dof[start]]
            for e in range(start, end):
                lowest = wp.min(lowest, dof_place[w, chain_dof[e]])
            for e in range(start, end):
                p = dof_place[w, chain_dof[e]]
                row_start[w, p] = wp.min(row_start[w, p], lowest)
    any_constraint[w, 0] = found


@wp.func
def envelope_factor(w: int, nv: int, row_start: wp.array2d(dtype=int), H: wp.array3d(dtype=real)):
    """H = L L' in place, lower triangle by rows inside the envelope."""
    for i in range(nv):
        first = row_start[w, i]
        for j in range(first, i + 1):
            value = H[w, i, j]
            for k in range(wp.max(first, row_start[w, j]), j):
                value -= H[w, i, k] * H[w, j, k]
            if j < i:
                H[w, i, j] = value / H[w, j, j]
            else:
                if value < LEAST_PIVOT * H[w, i, i]:
                    value = H[w, i, i]
                    for k in range(first, i):
                        H[w, i, k] = real(0.0)
                H[w, i, i] = wp.sqrt(value)


@wp.func
def envelope_solve(
    w: int,
    nv: int,
    row_start: wp.array2d(dtype=int),
    dof_place: wp.array2d(dtype=int),
    H: wp.array3d(dtype=real),
    placed: wp.array2d(dtype=real),
    x: wp.array2d(dtype=real),
):
    """x <- (L L')^-1 x; x is in the order of the dofs, ``placed`` in that of the rows."""
    for i in range(nv):
        placed[w, dof_place[w, i]] = x[w, i]
    for i in range(nv):
        value = placed[w, i]
        for j in range(row_start[w, i], i):
            value -= H[w, i, j] * placed[w, j]
        placed[w, i] = value / H[w, i, i]
    for k in range(nv):
        i = nv - 1 - k
        placed[w, i] = placed[w, i] / H[w, i, i]
        for j in range(row_start[w, i], i):
            placed[w, j] -= H[w, i, j] * placed[w, i]
    for i in range(nv):
        x[w, i] = placed[w, dof_place[w, i]]
