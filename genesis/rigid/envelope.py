"""Symmetric matrices inside an envelope: each row of the triangle is stored from its first entry on.

A factorisation fills nothing outside of it, so trees that do not touch each other cost what they cost alone. Rows are
ordered anew in every evaluation: trees that touch each other come one after the other, so that contacts between bodies
that were added far apart do not open the envelope wide (breadth first, as Cuthill and McKee 1969). Within a tree the
leaves come first: a dof's row then begins with the last dof of its subtree, and the envelope holds no zeros but where
contacts couple branches.
"""

import warp as wp

from genesis.rigid.sparse import snippet
from genesis.types import real, untaped

# Of a diagonal element: of a pivot below this, rounding has left nothing. Its row is decoupled then, as in MuJoCo.
LEAST_PIVOT = real(1.0e-15) if real is wp.float64 else real(1.0e-6)


_COUPLE = """
    const int* dof = chain_dof.data + start;
    const int* place = dof_place.data + (size_t)w * dof_place.shape[1];
    int* first_of = row_start.data + (size_t)w * row_start.shape[1];
    int lowest = place[dof[0]];
    for (int e = 1; e < n; ++e)
        lowest = place[dof[e]] < lowest ? place[dof[e]] : lowest;
    for (int e = 0; e < n; ++e) {
        const int p = place[dof[e]];
        first_of[p] = lowest < first_of[p] ? lowest : first_of[p];
    }
"""


@wp.func_native(snippet=_COUPLE)
def couple(
    w: int,
    start: int,
    n: int,
    chain_dof: wp.array(dtype=int),
    dof_place: wp.array2d(dtype=int),
    row_start: wp.array2d(dtype=int),
):
    """Rows of the dofs of a chain begin at the first of them, or before."""


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
    # 1: has its place; 0: not yet; -1: not yet, and it touches another tree
    for t in range(tree_seen.shape[1]):
        tree_seen[w, t] = 0
    for c in range(ncon[w, 1]):
        if con_active[w, c] == 1:
            row = cpair_chain[con_pair[w, c]]
            one = dof_treeid[chain_dof[chain_dof_adr[row]]]
            two = dof_treeid[chain_dof[chain_dof_adr[row + 1] - 1]]
            if one != two:
                tree_seen[w, one] = -1
                tree_seen[w, two] = -1
    for t in range(tree_seen.shape[1]):
        if tree_seen[w, t] <= 0:
            touches = tree_seen[w, t]
            tree_seen[w, t] = 1
            tree_queue[w, tail] = t
            tail += 1
            while head < tail:
                current = tree_queue[w, head]
                head += 1
                place += tree_dofnum[current]
                for d in range(tree_dofnum[current]):
                    dof_place[w, tree_dofadr[current] + d] = place - 1 - d
                if touches < 0 and tail < tree_seen.shape[1]:
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
                                if tree_seen[w, other] <= 0:
                                    tree_seen[w, other] = 1
                                    tree_queue[w, tail] = other
                                    tail += 1
    nv = floss_active.shape[1]
    for i in range(nv):
        row_start[w, i] = i
    for k in range(nv):
        i = nv - 1 - k
        diagonal = M_colind_adr[i + 1] - 1
        if diagonal > M_colind_adr[i]:
            p = dof_place[w, i]
            above = dof_place[w, M_colind[diagonal - 1]]
            row_start[w, above] = wp.min(row_start[w, above], row_start[w, p])
    for c in range(ncon[w, 1]):
        if con_active[w, c] == 1:
            found = 1
            start = chain_dof_adr[cpair_chain[con_pair[w, c]]]
            n = chain_dof_adr[cpair_chain[con_pair[w, c]] + 1] - start
            couple(w, start, n, chain_dof, dof_place, row_start)
    any_constraint[w, 0] = found


_FACTOR = """
    const int* first_of = INTEGERS(row_start);
    const int width = row_start.shape[1];
    auto run = [&](auto s) {
        auto dot = [&](const REAL* a, const REAL* b, int from, int to) {
            REAL sum = 0;
            for (int k = from; k < to; ++k)
                sum += a[k * s] * b[k * s];
            return sum;
        };
        REAL* L = ROW(H);
        for (int i = 0; i < nv; ++i) {
            REAL* row = L + i * width * s;
            const int first = first_of[i];
            for (int j = first; j < i; ++j) {
                const REAL* upper = L + j * width * s;
                const int begin = first > first_of[j] ? first : first_of[j];
                row[j * s] = (row[j * s] - dot(row, upper, begin, j)) * upper[j * s];
            }
            const REAL diagonal = row[i * s];
            REAL pivot = diagonal - dot(row, row, first, i);
            if (pivot < (REAL)LEAST_PIVOT * diagonal) {
                pivot = diagonal;
                for (int k = first; k < i; ++k)
                    row[k * s] = 0;
            }
            row[i * s] = (REAL)1 / wp::sqrt(pivot);
        }
    };
"""


@wp.func_native(snippet=snippet(_FACTOR.replace("LEAST_PIVOT", str(LEAST_PIVOT.value)), "H", 2))
def envelope_factor(w: int, nv: int, row_start: wp.array2d(dtype=int), H: wp.array3d(dtype=real)):
    """H = L L' in place, lower triangle by rows inside the envelope, the inverse of each diagonal element of L."""


_SOLVE = """
    const int* first_of = INTEGERS(row_start);
    const int* place = INTEGERS(dof_place);
    const int width = row_start.shape[1];
    auto run = [&](auto s) {
        const REAL* L = ROW(H);
        REAL* b = ROW(x);
        REAL* __restrict y = ROW(placed);
        for (int i = 0; i < nv; ++i)
            y[place[i] * s] = b[i * s];
        for (int i = 0; i < nv; ++i) {
            const REAL* row = L + i * width * s;
            REAL value = y[i * s];
            for (int j = first_of[i]; j < i; ++j)
                value -= row[j * s] * y[j * s];
            y[i * s] = value * row[i * s];
        }
        for (int i = nv - 1; i >= 0; --i) {
            const REAL* row = L + i * width * s;
            const REAL value = y[i * s] * row[i * s];
            y[i * s] = value;
            for (int j = first_of[i]; j < i; ++j)
                y[j * s] -= row[j * s] * value;
        }
        for (int i = 0; i < nv; ++i)
            b[i * s] = y[place[i] * s];
    };
"""


@wp.func_native(snippet=snippet(_SOLVE, "H", 2))
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
