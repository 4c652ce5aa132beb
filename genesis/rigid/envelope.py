"""Symmetric matrices inside an envelope: each row of the triangle is stored from its first entry on.

A factorisation fills nothing outside of it, so trees that do not touch each other cost what they cost alone.
"""

import warp as wp

from genesis.rigid.constraint import MIN_VALUE
from genesis.types import real, untaped

# A pivot of the factorisation below this is replaced by it (MuJoCo: mjMINVAL in mju_cholFactor).
MIN_PIVOT = MIN_VALUE


@untaped
def constraint_envelope(
    M_colind: wp.array(dtype=int),
    M_colind_adr: wp.array(dtype=int),
    cpair_chain: wp.array(dtype=int),
    chain_dof: wp.array(dtype=int),
    chain_dof_adr: wp.array(dtype=int),
    lim_active: wp.array2d(dtype=int),
    floss_active: wp.array2d(dtype=int),
    ncon: wp.array2d(dtype=int),
    con_pair: wp.array2d(dtype=int),
    con_active: wp.array2d(dtype=int),
    any_constraint: wp.array2d(dtype=int),
    row_start: wp.array2d(dtype=int),
):
    """First column of each row of H, and whether there is a constraint at all."""
    w = wp.tid()
    found = int(0)
    for slot in range(lim_active.shape[1]):
        found = wp.max(found, lim_active[w, slot])
    for i in range(floss_active.shape[1]):
        found = wp.max(found, floss_active[w, i])
        row_start[w, i] = M_colind[M_colind_adr[i]]
    for c in range(ncon[w, 1]):
        if con_active[w, c] == 1:
            found = 1
            start = chain_dof_adr[cpair_chain[con_pair[w, c]]]
            end = chain_dof_adr[cpair_chain[con_pair[w, c]] + 1]
            for e in range(start, end):
                row_start[w, chain_dof[e]] = wp.min(row_start[w, chain_dof[e]], chain_dof[start])
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
                H[w, i, i] = wp.sqrt(wp.max(value, MIN_PIVOT))


@wp.func
def envelope_solve(
    w: int, nv: int, row_start: wp.array2d(dtype=int), H: wp.array3d(dtype=real), x: wp.array2d(dtype=real)
):
    """x <- (L L')^-1 x."""
    for i in range(nv):
        value = x[w, i]
        for j in range(row_start[w, i], i):
            value -= H[w, i, j] * x[w, j]
        x[w, i] = value / H[w, i, i]
    for k in range(nv):
        i = nv - 1 - k
        x[w, i] = x[w, i] / H[w, i, i]
        for j in range(row_start[w, i], i):
            x[w, j] -= H[w, i, j] * x[w, i]
