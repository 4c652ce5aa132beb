"""Symmetric matrices inside an envelope: each row of the triangle is stored from its first entry on.

A factorisation fills nothing outside of it, so trees that do not touch each other cost what they cost alone. Rows are
ordered anew in every evaluation: trees that a constraint couples come one after the other, so that those between bodies
that were added far apart do not open the envelope wide (breadth first, as Cuthill and McKee 1969). Within a tree the
leaves come first: a dof's row then begins with the last dof of its subtree, and the envelope holds no zeros but where
contacts couple branches.
"""

import warp as wp

from genesis.rigid.kernels.constraint.groups import Contacts, Envelope, Rows, Tree
from genesis.rigid.kernels.sparse import snippet
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


_COUPLE_ROWS = """
    const int* active = (const int*)rows.efc_list.data + (size_t)w * rows.efc_list.shape[1];
    const int count = rows.efc_count.data[(size_t)w * rows.efc_count.shape[1]];
    const int* place = order.dof_place.data + (size_t)w * order.dof_place.shape[1];
    int* first_of = order.row_start.data + (size_t)w * order.row_start.shape[1];
    for (int k = 0; k < count; ++k) {
        const int start = rows.efc_dof_adr.data[active[k]], end = rows.efc_dof_adr.data[active[k] + 1];
        if (end - start < 2)
            continue;
        const int* dof = rows.efc_dof.data;
        int lowest = place[dof[start]];
        for (int e = start; e < end; ++e)
            lowest = place[dof[e]] < lowest ? place[dof[e]] : lowest;
        for (int e = start; e < end; ++e) {
            const int p = place[dof[e]];
            first_of[p] = lowest < first_of[p] ? lowest : first_of[p];
        }
    }
"""


@wp.func_native(snippet=_COUPLE_ROWS)
def couple_rows(w: int, rows: Rows, order: Envelope):
    """The same for the dofs of each active row."""


@wp.func
def contact_trees(w: int, c: int, tree: Tree, contacts: Contacts):
    """The two trees (or one, twice) that a contact couples."""
    row = contacts.cpair_chain[contacts.con_pair[w, c]]
    one = tree.dof_treeid[contacts.chain_dof[contacts.chain_dof_adr[row]]]
    two = tree.dof_treeid[contacts.chain_dof[contacts.chain_dof_adr[row + 1] - 1]]
    return one, two


@wp.func
def visit(w: int, tail: int, current: int, one: int, two: int, order: Envelope) -> int:
    """Put the tree that is coupled to ``current``, if it is new, at the end of the queue; returns the new end."""
    other = int(-1)
    if one == current:
        other = two
    elif two == current:
        other = one
    end = tail
    if other >= 0:
        if order.tree_seen[w, other] <= 0:
            order.tree_seen[w, other] = 1
            order.tree_queue[w, tail] = other
            end = tail + 1
    return end


@untaped
def constraint_envelope(
    tree: Tree,
    rows: Rows,
    contacts: Contacts,
    order: Envelope,
    any_constraint: wp.array2d(dtype=int),
):
    """Row of each dof in H, first column of each row, and whether there is a constraint at all."""
    w = wp.tid()
    found = wp.min(rows.efc_count[w, 0], 1)
    ntree = order.tree_seen.shape[1]
    # 1: has its place; 0: not yet; -1: not yet, and it is coupled to another tree
    for t in range(ntree):
        order.tree_seen[w, t] = 0
    for c in range(contacts.ncon[w, 1]):
        if contacts.con_dim[w, c] > 0:
            one, two = contact_trees(w, c, tree, contacts)
            if one != two:
                order.tree_seen[w, one] = -1
                order.tree_seen[w, two] = -1
    for e in range(rows.efc_edge.shape[0]):
        if rows.efc_active[w, rows.efc_edge[e, 0]] == 1:
            order.tree_seen[w, rows.efc_edge[e, 1]] = -1
            order.tree_seen[w, rows.efc_edge[e, 2]] = -1
    head = int(0)
    tail = int(0)
    place = int(0)
    for t in range(ntree):
        if order.tree_seen[w, t] <= 0:
            coupled = order.tree_seen[w, t]
            order.tree_seen[w, t] = 1
            order.tree_queue[w, tail] = t
            tail += 1
            while head < tail:
                current = order.tree_queue[w, head]
                head += 1
                place += tree.tree_dofnum[current]
                for d in range(tree.tree_dofnum[current]):
                    order.dof_place[w, tree.tree_dofadr[current] + d] = place - 1 - d
                if coupled < 0 and tail < ntree:
                    for c in range(contacts.ncon[w, 1]):
                        if contacts.con_dim[w, c] > 0:
                            one, two = contact_trees(w, c, tree, contacts)
                            tail = visit(w, tail, current, one, two, order)
                    for e in range(rows.efc_edge.shape[0]):
                        if rows.efc_active[w, rows.efc_edge[e, 0]] == 1:
                            tail = visit(w, tail, current, rows.efc_edge[e, 1], rows.efc_edge[e, 2], order)
    nv = order.row_start.shape[1]
    for i in range(nv):
        order.row_start[w, i] = i
    for k in range(nv):
        i = nv - 1 - k
        diagonal = tree.M_colind_adr[i + 1] - 1
        if diagonal > tree.M_colind_adr[i]:
            p = order.dof_place[w, i]
            above = order.dof_place[w, tree.M_colind[diagonal - 1]]
            order.row_start[w, above] = wp.min(order.row_start[w, above], order.row_start[w, p])
    couple_rows(w, rows, order)
    for c in range(contacts.ncon[w, 1]):
        if contacts.con_dim[w, c] > 0:
            found = 1
            chain = contacts.cpair_chain[contacts.con_pair[w, c]]
            start = contacts.chain_dof_adr[chain]
            n = contacts.chain_dof_adr[chain + 1] - start
            couple(w, start, n, contacts.chain_dof, order.dof_place, order.row_start)
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
