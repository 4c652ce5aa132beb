"""Sweeps that take the slip out of the friction which the solver has found (MuJoCo: mj_solNoSlip), and their adjoint.

The solver's friction is soft: what it holds creeps. With ``noslip_iterations`` in the file, its forces f are moved on:
a few sweeps over friction losses and contacts, normal forces held. Each visit minimises without regularisation, so that
the row's own residual J a - aref becomes zero, or its friction reaches its limit; a is the acceleration under the
forces as they are now,

    f_i <- limit(f_i - (J_i a - aref_i) / A_ii),   a <- a + B_i (change of f_i),   B = M^-1 J',  A = J B

A friction loss is limited to plus or minus the loss; each direction of a pyramid to mu times the sum of its two edges'
forces; the directions of an elliptic cone are one block, on or inside the ellipsoid |f_r / mu_r| = normal force.
Islands (trees that constraints couple) stop one by one, when a sweep has improved less than ``noslip_tolerance`` times
the trace of M over the island, or, where islands are off by their flag, times nv and the model's mean inertia.

The adjoint is that of the sweeps that were made, not of the point to which they would converge: it takes them back in
reverse order. Before a visit changes f, f is put down; a is recovered by taking the change back.
"""

import warp as wp

from genesis.model.rows import FRICTION
from genesis.rigid.kernels.constraint.groups import Contacts, Forces, Responses, Rows, Sweeps, Tree
from genesis.rigid.kernels.constraint.limited import LIMITED, LIMITED_ADJOINT
from genesis.rigid.kernels.constraint.sums import EACH
from genesis.rigid.kernels.sparse import snippet
from genesis.types import real, untaped


@wp.func
def join(w: int, one: int, two: int, tree_island: wp.array2d(dtype=int)):
    """The islands of two trees become one, which has the lower of their names."""
    first = wp.min(tree_island[w, one], tree_island[w, two])
    second = wp.max(tree_island[w, one], tree_island[w, two])
    if first != second:
        for t in range(tree_island.shape[1]):
            if tree_island[w, t] == second:
                tree_island[w, t] = first


@wp.func
def find_islands(w: int, tree: Tree, rows: Rows, contacts: Contacts, together: int, tree_island: wp.array2d(dtype=int)):
    """Name of the island that each tree is on: the first of its trees. ``together``: all are one (flag island)."""
    for t in range(tree_island.shape[1]):
        tree_island[w, t] = t
        if together == 1:
            tree_island[w, t] = 0
    if together == 1:
        return
    for c in range(contacts.ncon[w, 1]):
        if contacts.con_dim[w, c] > 0:
            chain = contacts.cpair_chain[contacts.con_pair[w, c]]
            one = tree.dof_treeid[contacts.chain_dof[contacts.chain_dof_adr[chain]]]
            two = tree.dof_treeid[contacts.chain_dof[contacts.chain_dof_adr[chain + 1] - 1]]
            join(w, one, two, tree_island)
    for e in range(rows.efc_edge.shape[0]):
        if rows.efc_active[w, rows.efc_edge[e, 0]] == 1:
            join(w, rows.efc_edge[e, 1], rows.efc_edge[e, 2], tree_island)


# What the visits of sweeps and of their adjoint share. f_r of a contact's direction r is at force[r]; what there was
# before sweep t, at before_of(t, c)[r], and there at [0] how the block of an elliptic cone was solved: what ``limited``
# said, or that what was there is kept.
_VISITS = """
    const REAL KEPT = -2;  // what was there before is better than what was found
    const int nv = at.slip_acc.shape[1], width = contacts.con_J.shape[3];
    const int nefc = at.slip_efc_before.shape[2], slots = at.slip_con_before.shape[2];
    const int most = at.slip_con_before.shape[3];
    const int* island = INTEGERS(at.tree_island);
    auto island_of = [&](int dof) { return island[tree.dof_treeid.data[dof]]; };
    auto is_pyramid = [&](int dim) { return dim > 1 && !elliptic; };
"""

# Of the directions of a contact: their A, of which the lower triangle is J_r B_k; and residuals at a.
_BLOCK = """
    auto block = [&](int dim, const REAL* J, const REAL* B, const int* dof, int n, auto s, auto& A) {
        for (int r = 1; r < dim; ++r)
            for (int k = 1; k <= r; ++k) {
                REAL sum = 0;
                for (int e = 0; e < n; ++e)
                    sum += J[(r * width + e) * s] * B[((k - 1) * nv + dof[e]) * s];
                A[r - 1][k - 1] = A[k - 1][r - 1] = r == k && sum < SINGULAR ? SINGULAR : sum;
            }
    };
    auto residual_of = [&](const REAL* J, const REAL* x, const int* dof, int n, auto s, REAL aref) {
        REAL sum = 0;
        for (int e = 0; e < n; ++e)
            sum += J[e * s] * x[dof[e] * s];
        return sum - aref;
    };
    auto move = [&](REAL* x, const REAL* B, REAL change, auto s) {
        for (int k = 0; k < nv; ++k)
            x[k * s] += B[k * s] * change;
    };
"""

_SWEEPS = """
    auto run = [&](auto s) {
        int* taken = INTEGERS(at.slip_niter);
        int* stopped = INTEGERS(at.slip_stopped);
        REAL* improvement = ROW(at.slip_improvement);
        REAL* inertia = ROW(at.slip_inertia);
        REAL* a = ROW(at.slip_acc);
        const REAL* start_a = ROW(qacc_constrained);
        const REAL* row_J = ROW(rows.efc_J);
        const REAL* row_aref = ROW(rows.efc_aref);
        const REAL* row_D = ROW(rows.efc_D);
        const REAL* loss = ROW(rows.efc_loss);
        REAL* row_force = ROW(forces.efc_force);
        const int ntree = at.tree_island.shape[1];
        for (int k = 0; k < nv; ++k)
            a[k * s] = start_a[k * s];
        for (int t = 0; t < ntree; ++t) {
            taken[t] = 0;
            stopped[t] = island[t] != t;
            improvement[t * s] = 0;
            inertia[t * s] = at.noslip_together ? at.noslip_inertia : (REAL)0;
        }
        for (int k = 0; k < nv && !at.noslip_together; ++k)
            inertia[island_of(k) * s] += (ROW(qM))[(tree.M_colind_adr.data[k + 1] - 1) * s];

        // What the regularisation costs counts as improvement of the first sweep, and the edges' forces limit friction.
        each_row([&](int i, int first, int) {
            const REAL f = row_force[i * s];
            improvement[island_of(row_dof[first]) * s] += (REAL)0.5 * f * f / row_D[i * s];
        });
        each_contact([&](int c, auto dim, const int* dof, int n) {
            const REAL* J = SLOT(contacts.con_J);
            const REAL* aref = SLOT(contacts.con_aref);
            const REAL* D = SLOT(contacts.con_D);
            const REAL* mu = SLOT(contacts.con_friction);
            const REAL* force = SLOT(forces.con_force);
            REAL cost = 0;
            if (is_pyramid(dim)) {
                REAL* bound = SLOT(at.slip_bound);
                const REAL normal = residual_of(J, start_a, dof, n, s, aref[0]);
                for (int r = 1; r < dim; ++r) {
                    const REAL y = residual_of(J + r * width * s, start_a, dof, n, s, aref[r * s]);
                    const REAL across = mu[(r - 1) * s] * y;
                    const REAL plus = normal + across < 0 ? -D[0] * (normal + across) : (REAL)0;
                    const REAL minus = normal - across < 0 ? -D[0] * (normal - across) : (REAL)0;
                    cost += (plus * plus + minus * minus) / D[0];
                    bound[r * s] = mu[(r - 1) * s] * (plus + minus);
                }
            } else {
                for (int r = 0; r < dim; ++r)
                    cost += force[r * s] * force[r * s] / D[r * s];
            }
            improvement[island_of(dof[0]) * s] += (REAL)0.5 * cost;
        });

        for (int t = 0; t < at.noslip_iterations; ++t) {
            int going = 0;
            each_row([&](int i, int first, int end) {
                const int place = island_of(row_dof[first]);
                if (rows.efc_law.data[i] != FRICTION || stopped[place])
                    return;
                const REAL* B = ROW(responses.efc_B) + (long long)i * nv * s;
                const REAL* J = row_J + first * s;
                const REAL y = residual_of(J, a, row_dof + first, end - first, s, row_aref[i * s]);
                REAL A = residual_of(J, B, row_dof + first, end - first, s, 0);
                A = A < LEAST ? LEAST : A;
                const REAL old = row_force[i * s], high = loss[i * s];
                REAL f = old - y / A;
                f = f < -high ? -high : (f > high ? high : f);
                const REAL change = f - old;
                (ROW(at.slip_efc_before))[((long long)t * nefc + i) * s] = old;
                row_force[i * s] = f;
                move(a, B, change, s);
                improvement[place * s] -= (REAL)0.5 * change * change * A + change * y;
            });
            each_contact([&](int c, auto dim, const int* dof, int n) {
                const int place = island_of(dof[0]);
                if (dim == 1 || stopped[place])
                    return;
                const REAL* J = SLOT(contacts.con_J);
                const REAL* B = SLOT(responses.con_B);
                const REAL* aref = SLOT(contacts.con_aref);
                const REAL* friction = SLOT(contacts.con_friction);
                REAL* force = SLOT(forces.con_force);
                REAL* before = ROW(at.slip_con_before) + ((long long)t * slots + c) * most * s;
                REAL A[5][5];
                block(dim, J, B, dof, n, s, A);
                if (!elliptic) {
                    const REAL* bound = SLOT(at.slip_bound);
                    for (int r = 1; r < dim; ++r) {
                        const REAL y = residual_of(J + r * width * s, a, dof, n, s, aref[r * s]);
                        const REAL own = A[r - 1][r - 1], mu = friction[(r - 1) * s], high = bound[r * s];
                        const REAL old = force[r * s];
                        REAL f = old - y / own;
                        f = f < -high ? -high : (f > high ? high : f);
                        if (4 * mu * mu * own < LEAST)
                            f = 0;
                        const REAL change = f - old;
                        before[r * s] = old;
                        force[r * s] = f;
                        move(a, B + (r - 1) * nv * s, change, s);
                        improvement[place * s] -= (REAL)0.5 * change * change * own + change * y;
                    }
                    return;
                }
                REAL old[5], y[5], b[5], x[5] = {0, 0, 0, 0, 0}, mu[5], change[5];
                for (int r = 1; r < dim; ++r) {
                    old[r - 1] = force[r * s];
                    mu[r - 1] = friction[(r - 1) * s];
                    y[r - 1] = residual_of(J + r * width * s, a, dof, n, s, aref[r * s]);
                }
                for (int r = 0; r < dim - 1; ++r)
                    b[r] = y[r] - dot(dim - 1, A[r], old);
                REAL how = NONE;
                if (force[0] >= LEAST)
                    how = limited(dim - 1, A, b, mu, force[0], x);
                REAL cost = 0;
                for (int r = 0; r < dim - 1; ++r)
                    change[r] = x[r] - old[r];
                for (int r = 0; r < dim - 1; ++r)
                    cost += change[r] * ((REAL)0.5 * dot(dim - 1, A[r], change) + y[r]);
                if (cost > SINGULAR) {
                    how = KEPT;
                    cost = 0;
                }
                before[0] = how;
                for (int r = 1; r < dim; ++r) {
                    before[r * s] = old[r - 1];
                    if (how == KEPT)
                        continue;
                    force[r * s] = x[r - 1];
                    move(a, B + (r - 1) * nv * s, change[r - 1], s);
                }
                improvement[place * s] -= cost;
            });
            for (int k = 0; k < ntree; ++k) {
                if (stopped[k])
                    continue;
                taken[k] = t + 1;
                stopped[k] = improvement[k * s] < at.noslip_tolerance * inertia[k * s];
                improvement[k * s] = 0;
                going += !stopped[k];
            }
            if (!going)
                break;
        }

        // the change of the forces in joint space
        REAL* constraint = ROW(forces.qfrc_constraint);
        REAL* total = ROW(forces.qfrc_total);
        each_row([&](int i, int first, int end) {
            if (rows.efc_law.data[i] != FRICTION)
                return;
            const REAL change = row_force[i * s] - (ROW(at.slip_efc_before))[i * s];
            for (int e = first; e < end; ++e) {
                constraint[row_dof[e] * s] += row_J[e * s] * change;
                total[row_dof[e] * s] += row_J[e * s] * change;
            }
        });
        each_contact([&](int c, auto dim, const int* dof, int n) {
            const REAL* J = SLOT(contacts.con_J);
            const REAL* force = SLOT(forces.con_force);
            const REAL* before = ROW(at.slip_con_before) + (long long)c * most * s;
            for (int e = 0; e < n; ++e) {
                REAL sum = 0;
                for (int r = 1; r < dim; ++r)
                    sum += J[(r * width + e) * s] * (force[r * s] - before[r * s]);
                constraint[dof[e] * s] += sum;
                total[dof[e] * s] += sum;
            }
        });
    };
""".replace("FRICTION", str(FRICTION))


@wp.func_native(snippet=snippet(EACH + LIMITED + _VISITS + _BLOCK + _SWEEPS, "at.slip_acc"))
def sweep(
    w: int,
    tree: Tree,
    rows: Rows,
    contacts: Contacts,
    at: Sweeps,
    qM: wp.array2d(dtype=real),
    qacc_constrained: wp.array2d(dtype=real),
    responses: Responses,
    forces: Forces,
): ...


@untaped
def no_slip(
    tree: Tree,
    rows: Rows,
    contacts: Contacts,
    at: Sweeps,
    any_constraint: wp.array2d(dtype=int),
    qM: wp.array2d(dtype=real),
    qacc_constrained: wp.array2d(dtype=real),
    responses: Responses,
    forces: Forces,
):
    """Friction forces without slip in the place of the solver's; their change is added to the forces in joint space."""
    w = wp.tid()
    if any_constraint[w, 0] == 1:
        find_islands(w, tree, rows, contacts, at.noslip_together, at.tree_island)
        sweep(w, tree, rows, contacts, at, qM, qacc_constrained, responses, forces)


# One visit back, f = f_i after it, u = dL/da and g = dL/df_i + B_i u behind it: dL/dB_i += (f - old) u, a is what it
# was before; then of what f was made,
#
#   inside:   f = old - y / A:  dL/dold += g,  dL/dy = -g / A,  dL/dA = g (old - f) / A
#   at the limit: dL/dlimit = +-g
#   block:    what ``limited_adjoint`` says by A, b, mu and the normal force;  b = y - A old
#
# and y = J_i a - aref_i:  dL/da += J_i' dL/dy. What a and f were changed by goes both ways: dL/dold -= B_i u.
# The sweeps over, a is the solver's solution, and the forces are its forces, as its own adjoint wants them.
_SWEEPS_ADJOINT = """
    auto run = [&](auto s) {
        const int* taken = INTEGERS(at.slip_niter);
        REAL* a = ROW(at.slip_acc);
        REAL* u = ROW(at.slip_adj_acc);
        const REAL* start_a = ROW(qacc_constrained);
        const REAL* by_total = ROW(by_forces.qfrc_total);
        const REAL* by_constraint = ROW(by_forces.qfrc_constraint);
        const REAL* row_J = ROW(rows.efc_J);
        const REAL* row_aref = ROW(rows.efc_aref);
        const REAL* loss = ROW(rows.efc_loss);
        REAL* row_force = ROW(forces.efc_force);
        REAL* to_row_J = ROW(to_rows.efc_J);
        REAL* to_row_aref = ROW(to_rows.efc_aref);
        REAL* to_loss = ROW(to_rows.efc_loss);
        REAL* by_row = ROW(by_forces.efc_force);
        REAL* to_a = ROW(to_qacc);
        int sweeps = 0;
        for (int t = 0; t < at.tree_island.shape[1]; ++t)
            sweeps = taken[t] > sweeps ? taken[t] : sweeps;

        // J' (f - f_0): sign +1 gives the forces what they receive, -1 those at the start
        auto outer = [&](int dof) { return by_total[dof * s] + by_constraint[dof * s]; };
        auto change_adjoint = [&](REAL sign) {
            each_row([&](int i, int first, int end) {
                if (rows.efc_law.data[i] != FRICTION)
                    return;
                const REAL change = row_force[i * s] - (ROW(at.slip_efc_before))[i * s];
                for (int e = first; e < end; ++e) {
                    by_row[i * s] += sign * row_J[e * s] * outer(row_dof[e]);
                    to_row_J[e * s] += change * outer(row_dof[e]);
                }
            });
            each_contact([&](int c, auto dim, const int* dof, int n) {
                const REAL* J = SLOT(contacts.con_J);
                const REAL* force = SLOT(forces.con_force);
                const REAL* before = ROW(at.slip_con_before) + (long long)c * most * s;
                REAL* by_force = SLOT(by_forces.con_force);
                REAL* to_J = SLOT(to_contacts.con_J);
                for (int r = 1; r < dim; ++r) {
                    const REAL change = force[r * s] - before[r * s];
                    for (int e = 0; e < n; ++e) {
                        by_force[r * s] += sign * J[(r * width + e) * s] * outer(dof[e]);
                        to_J[(r * width + e) * s] += change * outer(dof[e]);
                    }
                }
            });
        };
        change_adjoint(1);

        for (int k = 0; k < nv; ++k)
            u[k * s] = 0;
        each_contact([&](int c, auto dim, const int*, int) {
            REAL* by_bound = SLOT(at.slip_adj_bound);
            for (int r = 0; r < dim; ++r)
                by_bound[r * s] = 0;
        });
        auto along = [&](const REAL* B) {
            REAL sum = 0;
            for (int k = 0; k < nv; ++k)
                sum += B[k * s] * u[k * s];
            return sum;
        };
        // y = J a - aref received g
        auto residual_adjoint = [&](const REAL* J, REAL* to_J, REAL* to_aref, const int* dof, int n, REAL g) {
            for (int e = 0; e < n; ++e) {
                to_J[e * s] += g * a[dof[e] * s];
                u[dof[e] * s] += g * J[e * s];
            }
            to_aref[0] -= g;
        };
        // A = J_r B_k received g
        auto product_adjoint = [&](const REAL* J, REAL* to_J, const REAL* B, REAL* to_B, const int* dof, int n,
                                   REAL g) {
            for (int e = 0; e < n; ++e) {
                to_J[e * s] += g * B[dof[e] * s];
                to_B[dof[e] * s] += g * J[e * s];
            }
        };
        const int* list = INTEGERS(rows.efc_list);
        const int count = (INTEGERS(rows.efc_count))[0];
        const int* dims = INTEGERS(contacts.con_dim);
        const int* pair = INTEGERS(contacts.con_pair);
        const int found = (INTEGERS(contacts.ncon))[1];
        for (int t = sweeps - 1; t >= 0; --t) {
            for (int c = found - 1; c >= 0; --c) {
                const int dim = dims[c];
                if (dim == 0)
                    continue;
                const int* adr = contacts.chain_dof_adr.data + contacts.cpair_chain.data[pair[c]];
                const int* dof = contacts.chain_dof.data + adr[0];
                const int n = adr[1] - adr[0];
                if (dim == 1 || t >= taken[island_of(dof[0])])
                    continue;
                const REAL* J = SLOT(contacts.con_J);
                const REAL* B = SLOT(responses.con_B);
                const REAL* aref = SLOT(contacts.con_aref);
                const REAL* friction = SLOT(contacts.con_friction);
                const REAL* before = ROW(at.slip_con_before) + ((long long)t * slots + c) * most * s;
                REAL* force = SLOT(forces.con_force);
                REAL* by_force = SLOT(by_forces.con_force);
                REAL* to_J = SLOT(to_contacts.con_J);
                REAL* to_B = SLOT(to_responses.con_B);
                REAL* to_aref = SLOT(to_contacts.con_aref);
                REAL* to_mu = SLOT(to_contacts.con_friction);
                REAL A[5][5];
                block(dim, J, B, dof, n, s, A);
                if (!elliptic) {
                    const REAL* bound = SLOT(at.slip_bound);
                    REAL* by_bound = SLOT(at.slip_adj_bound);
                    for (int r = dim - 1; r > 0; --r) {
                        const REAL* own_B = B + (r - 1) * nv * s;
                        REAL* to_own_B = to_B + (r - 1) * nv * s;
                        const REAL own = A[r - 1][r - 1], mu = friction[(r - 1) * s], high = bound[r * s];
                        const REAL old = before[r * s], f = force[r * s];
                        const REAL pulled = along(own_B), g = by_force[r * s] + pulled;
                        move(to_own_B, u, f - old, s);
                        move(a, own_B, old - f, s);
                        force[r * s] = old;
                        by_force[r * s] = -pulled;
                        if (4 * mu * mu * own < LEAST)
                            continue;
                        if (f == high || f == -high) {
                            by_bound[r * s] += f == high ? g : -g;
                            continue;
                        }
                        by_force[r * s] += g;
                        if (own > SINGULAR)
                            product_adjoint(J + r * width * s, to_J + r * width * s, own_B, to_own_B, dof, n,
                                            g * (old - f) / own);
                        residual_adjoint(J + r * width * s, to_J + r * width * s, to_aref + r * s, dof, n, -g / own);
                    }
                    continue;
                }
                const int m = dim - 1;
                const REAL how = before[0];
                REAL old[5], x[5], g[5], mu[5], b[5], by_b[5], by_mu[5], by_A[5][5];
                for (int r = 0; r < m; ++r) {
                    old[r] = before[(r + 1) * s];
                    x[r] = force[(r + 1) * s];
                    mu[r] = friction[r * s];
                    const REAL pulled = along(B + r * nv * s);
                    g[r] = by_force[(r + 1) * s] + pulled;
                    by_force[(r + 1) * s] = -pulled;
                }
                for (int r = 0; r < m; ++r) {
                    move(to_B + r * nv * s, u, x[r] - old[r], s);
                    move(a, B + r * nv * s, old[r] - x[r], s);
                    force[(r + 1) * s] = old[r];
                }
                if (how == NONE)
                    continue;
                if (how == KEPT) {
                    for (int r = 0; r < m; ++r)
                        by_force[(r + 1) * s] += g[r];
                    continue;
                }
                for (int r = 0; r < m; ++r)
                    b[r] = residual_of(J + (r + 1) * width * s, a, dof, n, s, aref[(r + 1) * s]) - dot(m, A[r], old);
                by_force[0] += limited_adjoint(m, A, b, mu, force[0], (int)how, g, by_A, by_b, by_mu);
                for (int r = 0; r < m; ++r)
                    to_mu[r * s] += by_mu[r];
                for (int r = 0; r < m; ++r)
                    for (int k = 0; k < m; ++k) {
                        by_A[r][k] -= by_b[r] * old[k];
                        by_force[(k + 1) * s] -= by_b[r] * A[r][k];
                    }
                for (int r = 0; r < m; ++r) {
                    const int row = (r + 1) * width * s;
                    for (int k = 0; k <= r; ++k)
                        if (r != k || A[r][r] > SINGULAR)
                            product_adjoint(J + row, to_J + row, B + k * nv * s, to_B + k * nv * s, dof, n,
                                            r == k ? by_A[r][r] : by_A[r][k] + by_A[k][r]);
                    residual_adjoint(J + row, to_J + row, to_aref + (r + 1) * s, dof, n, by_b[r]);
                }
            }
            for (int k = count - 1; k >= 0; --k) {
                const int i = list[k], first = rows.efc_dof_adr.data[i], n = rows.efc_dof_adr.data[i + 1] - first;
                const int* dof = row_dof + first;
                if (rows.efc_law.data[i] != FRICTION || t >= taken[island_of(dof[0])])
                    continue;
                const REAL* J = row_J + first * s;
                const REAL* B = ROW(responses.efc_B) + (long long)i * nv * s;
                REAL* to_B = ROW(to_responses.efc_B) + (long long)i * nv * s;
                REAL A = residual_of(J, B, dof, n, s, 0);
                const bool alone = A < LEAST;  // of a tendon that moves with no joint in this pose
                A = alone ? LEAST : A;
                const REAL f = row_force[i * s];
                const REAL old = (ROW(at.slip_efc_before))[((long long)t * nefc + i) * s];
                const REAL pulled = along(B), g = by_row[i * s] + pulled;
                move(to_B, u, f - old, s);
                move(a, B, old - f, s);
                row_force[i * s] = old;
                by_row[i * s] = -pulled;
                if (f == loss[i * s] || f == -loss[i * s]) {
                    to_loss[i * s] += f > 0 ? g : -g;
                    continue;
                }
                by_row[i * s] += g;
                if (!alone)
                    product_adjoint(J, to_row_J + first * s, B, to_B, dof, n, g * (old - f) / A);
                residual_adjoint(J, to_row_J + first * s, to_row_aref + i * s, dof, n, -g / A);
            }
        }
        for (int k = 0; k < nv; ++k)
            to_a[k * s] += u[k * s];
        change_adjoint(-1);  // the change itself is zero now

        // limits of a pyramid's directions: bound_r = mu_r (plus + minus) of the edges' forces at the solver's solution
        each_contact([&](int c, auto dim, const int* dof, int n) {
            if (!is_pyramid(dim))
                return;
            const REAL* J = SLOT(contacts.con_J);
            const REAL* aref = SLOT(contacts.con_aref);
            const REAL* friction = SLOT(contacts.con_friction);
            const REAL* by_bound = SLOT(at.slip_adj_bound);
            const REAL D = (SLOT(contacts.con_D))[0], normal = residual_of(J, start_a, dof, n, s, aref[0]);
            REAL* to_J = SLOT(to_contacts.con_J);
            REAL* to_aref = SLOT(to_contacts.con_aref);
            REAL* to_mu = SLOT(to_contacts.con_friction);
            REAL* to_D = SLOT(to_contacts.con_D);
            auto add = [&](int r, REAL g) {
                for (int e = 0; e < n; ++e) {
                    to_J[(r * width + e) * s] += g * start_a[dof[e] * s];
                    to_a[dof[e] * s] += g * J[(r * width + e) * s];
                }
                to_aref[r * s] -= g;
            };
            for (int r = 1; r < dim; ++r) {
                const REAL mu = friction[(r - 1) * s];
                const REAL y = residual_of(J + r * width * s, start_a, dof, n, s, aref[r * s]);
                const REAL plus = normal + mu * y < 0 ? normal + mu * y : (REAL)0;
                const REAL minus = normal - mu * y < 0 ? normal - mu * y : (REAL)0;
                const REAL by_sum = mu * by_bound[r * s];
                const REAL by_plus = plus < 0 ? -D * by_sum : (REAL)0, by_minus = minus < 0 ? -D * by_sum : (REAL)0;
                to_mu[(r - 1) * s] += -D * (plus + minus) * by_bound[r * s] + y * (by_plus - by_minus);
                to_D[0] -= by_sum * (plus + minus);
                add(0, by_plus + by_minus);
                add(r, mu * (by_plus - by_minus));
            }
        });
    };
""".replace("FRICTION", str(FRICTION))


@wp.func_native(snippet=snippet(EACH + LIMITED + LIMITED_ADJOINT + _VISITS + _BLOCK + _SWEEPS_ADJOINT, "at.slip_acc"))
def sweep_back(
    w: int,
    tree: Tree,
    rows: Rows,
    contacts: Contacts,
    at: Sweeps,
    qacc_constrained: wp.array2d(dtype=real),
    responses: Responses,
    forces: Forces,
    by_forces: Forces,
    to_rows: Rows,
    to_contacts: Contacts,
    to_responses: Responses,
    to_qacc: wp.array2d(dtype=real),
): ...


@untaped
def no_slip_adjoint(
    tree: Tree,
    rows: Rows,
    contacts: Contacts,
    at: Sweeps,
    any_constraint: wp.array2d(dtype=int),
    qacc_constrained: wp.array2d(dtype=real),
    responses: Responses,
    forces: Forces,
    adj_forces: Forces,
    adj_rows: Rows,
    adj_contacts: Contacts,
    adj_responses: Responses,
    adj_qacc_constrained: wp.array2d(dtype=real),
):
    """From the gradients of the forces after the sweeps to those of the solver's, in their place; the forces themselves
    become the solver's again."""
    w = wp.tid()
    if any_constraint[w, 0] == 1:
        sweep_back(
            w, tree, rows, contacts, at, qacc_constrained, responses, forces, adj_forces, adj_rows, adj_contacts,
            adj_responses, adj_qacc_constrained,
        )  # fmt: skip
