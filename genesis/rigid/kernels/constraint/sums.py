"""Sums over the active rows and contacts in what the constraint solver minimises, and products with their Jacobians.

Written natively, as in :mod:`genesis.rigid.kernels.sparse`. The Jacobian of a row has a column for each dof of the row;
that of a contact a row for each row of its residual y and a column for each dof of its chain. What they are multiplied
with or added to is addressed through these dofs.
"""

import warp as wp

from genesis.rigid.kernels.constraint.groups import Contacts, Envelope, Rows, Scratch
from genesis.rigid.kernels.constraint.potential import (
    CONTACT_ADJOINT,
    CONTACT_HESSIAN,
    CONTACT_POTENTIAL,
    CONTACT_SLOPE,
    ROW_LAW,
)
from genesis.rigid.kernels.sparse import snippet
from genesis.types import real, vec2

# ``each_row(visit)`` calls visit(row, first entry of its J, one beyond the last) for each active row, and
# ``each_contact(visit)`` visit(slot, rows, dofs of the chain, how many) for each active contact. Most have three rows,
# a number that the compiler is told.
EACH = """
    const int elliptic = contacts.elliptic;
    const REAL impratio = contacts.impratio;
    const int* row_dof = rows.efc_dof.data;
    auto each_row = [&](auto visit) {
        const int* list = INTEGERS(rows.efc_list);
        const int count = (INTEGERS(rows.efc_count))[0];
        for (int k = 0; k < count; ++k)
            visit(list[k], rows.efc_dof_adr.data[list[k]], rows.efc_dof_adr.data[list[k] + 1]);
    };
    auto each_contact = [&](auto visit) {
        const int* dims = INTEGERS(contacts.con_dim);
        const int* pair = INTEGERS(contacts.con_pair);
        const int slots = (INTEGERS(contacts.ncon))[1];
        for (int c = 0; c < slots; ++c) {
            const int dim = dims[c];
            if (dim == 0)
                continue;
            const int* adr = contacts.chain_dof_adr.data + contacts.cpair_chain.data[pair[c]];
            const int* dof = contacts.chain_dof.data + adr[0];
            const int n = adr[1] - adr[0];
            if (dim == 3)
                visit(c, Three(), dof, n);
            else
                visit(c, dim, dof, n);
        }
    };
"""

_RESIDUALS = """
    auto run = [&](auto s) {
        const REAL* from = ROW(x);
        const REAL* row_J = ROW(rows.efc_J);
        const REAL* row_aref = ROW(rows.efc_aref);
        REAL* row_y = ROW(efc_y);
        each_row([&](int i, int start, int end) {
            REAL sum = 0;
            for (int e = start; e < end; ++e)
                sum += row_J[e * s] * from[row_dof[e] * s];
            row_y[i * s] = references ? sum - row_aref[i * s] : sum;
        });
        const int width = contacts.con_J.shape[3];
        each_contact([&](int c, auto dim, const int* dof, int n) {
            const REAL* J = SLOT(contacts.con_J);
            const REAL* aref = SLOT(contacts.con_aref);
            REAL* to = SLOT(con_y);
            REAL sum[6];
            for (int r = 0; r < dim; ++r)
                sum[r] = 0;
            for (int e = 0; e < n; ++e) {
                const REAL x_e = from[dof[e] * s];
                for (int r = 0; r < dim; ++r)
                    sum[r] += J[(r * width + e) * s] * x_e;
            }
            for (int r = 0; r < dim; ++r)
                to[r * s] = references ? sum[r] - aref[r * s] : sum[r];
        });
    };
"""


@wp.func_native(snippet=snippet(EACH + _RESIDUALS, "x"))
def residuals(
    w: int,
    rows: Rows,
    contacts: Contacts,
    references: int,
    x: wp.array2d(dtype=real),
    efc_y: wp.array2d(dtype=real),
    con_y: wp.array3d(dtype=real),
):
    """y = J x, or J x - aref with ``references``."""


_MOVE = """
    auto run = [&](auto s) {
        REAL* y = ROW(at.efc_y);
        const REAL* v = ROW(at.efc_v);
        each_row([&](int i, int, int) { y[i * s] += alpha * v[i * s]; });
        each_contact([&](int c, auto dim, const int*, int) {
            REAL* to = SLOT(at.con_y);
            const REAL* from = SLOT(at.con_v);
            for (int r = 0; r < dim; ++r)
                to[r * s] += alpha * from[r * s];
        });
    };
"""


@wp.func_native(snippet=snippet(EACH + _MOVE, "at.search"))
def move_residuals(w: int, rows: Rows, contacts: Contacts, alpha: real, at: Scratch):
    """y += alpha v."""


_FORCES = """
    REAL cost = 0;
    auto run = [&](auto s) {
        REAL* to = ROW(x);
        const REAL* row_J = ROW(rows.efc_J);
        const REAL* D = ROW(rows.efc_D);
        const REAL* loss = ROW(rows.efc_loss);
        const REAL* y = ROW(efc_y);
        each_row([&](int i, int start, int end) {
            REAL stiffness;
            const REAL f = row_force(rows.efc_law.data[i], y[i * s], D[i * s], loss[i * s], stiffness);
            STORE_ROW
            if (f == 0)
                return;
            for (int e = start; e < end; ++e)
                to[row_dof[e] * s] += row_J[e * s] * f;
        });
        const int width = contacts.con_J.shape[3];
        each_contact([&](int c, auto dim, const int* dof, int n) {
            const REAL* J = SLOT(contacts.con_J);
            const REAL* residual = SLOT(con_y);
            REAL y[6], f[6];
            for (int r = 0; r < dim; ++r)
                y[r] = residual[r * s];
            cost += potential(dim, y, SLOT(contacts.con_D), SLOT(contacts.con_friction), s, f);
            STORE_CONTACT
            if (f[0] == 0)
                return;
            for (int e = 0; e < n; ++e) {
                REAL sum = 0;
                for (int r = 0; r < dim; ++r)
                    sum += J[(r * width + e) * s] * f[r];
                to[dof[e] * s] += sum;
            }
        });
    };
"""
_FORCES = ROW_LAW + CONTACT_POTENTIAL + _FORCES


@wp.func_native(
    snippet=snippet(EACH + _FORCES.replace("STORE_ROW", "").replace("STORE_CONTACT", ""), "x", result="cost")
)
def add_forces(
    w: int,
    rows: Rows,
    contacts: Contacts,
    efc_y: wp.array2d(dtype=real),
    con_y: wp.array3d(dtype=real),
    x: wp.array2d(dtype=real),
) -> real:
    """x += J' f, the forces in joint space; returns the potentials of the contacts."""


_FALLS = """
    REAL fall = 0, size = 0;
    auto run = [&](auto s) {
        const REAL* D = ROW(rows.efc_D);
        const REAL* loss = ROW(rows.efc_loss);
        const REAL* y = ROW(at.efc_y);
        const REAL* v = ROW(at.efc_v);
        each_row([&](int i, int, int) {
            const REAL move = between ? y[i * s] - v[i * s] : alpha * v[i * s];
            const REAL f = row_fall(rows.efc_law.data[i], y[i * s], move, D[i * s], loss[i * s]);
            fall += f;
            size += wp::abs(f);
        });
    };
"""


@wp.func_native(snippet=snippet(EACH + ROW_LAW + _FALLS, "at.search", 1, "wp::vec_t<2, REAL>(fall, size)"))
def row_falls(w: int, rows: Rows, contacts: Contacts, between: int, alpha: real, at: Scratch) -> vec2:
    """What the rows' potentials lose from y - alpha v to y, or from v to y with ``between``; and its sum of sizes.

    Row by row: where no dof can move a row, its potential may be as large as it likes, and hides no other's loss.
    """


_STORE_CONTACT = "for (int r = 0; r < dim; ++r) SLOT(con_force)[r * s] = f[r];"


@wp.func_native(
    snippet=snippet(
        EACH
        + "REAL* row_forces; "
        + _FORCES.replace("REAL* to = ROW(x);", "REAL* to = ROW(x); row_forces = ROW(efc_force);")
        .replace("STORE_ROW", "row_forces[i * s] = f;")
        .replace("STORE_CONTACT", _STORE_CONTACT),
        "x",
    )
)
def write_forces(
    w: int,
    rows: Rows,
    contacts: Contacts,
    efc_y: wp.array2d(dtype=real),
    con_y: wp.array3d(dtype=real),
    x: wp.array2d(dtype=real),
    efc_force: wp.array2d(dtype=real),
    con_force: wp.array3d(dtype=real),
):
    """x += J' f, and the forces one by one."""


_SLOPES = """
    REAL slope = 0, curvature = 0;
    SLOPE
    auto run = [&](auto s) {
        const REAL* D = ROW(rows.efc_D);
        const REAL* loss = ROW(rows.efc_loss);
        const REAL* y = ROW(at.efc_y);
        const REAL* v = ROW(at.efc_v);
        each_row([&](int i, int, int) {
            REAL stiffness;
            const REAL v_i = v[i * s];
            slope -= row_force(rows.efc_law.data[i], y[i * s] + alpha * v_i, D[i * s], loss[i * s], stiffness) * v_i;
            curvature += stiffness * v_i * v_i;
        });
        each_contact([&](int c, auto dim, const int* dof, int n) {
            const REAL* residual = SLOT(at.con_y);
            const REAL* rate = SLOT(at.con_v);
            REAL y[6], v[6];
            for (int r = 0; r < dim; ++r) {
                v[r] = rate[r * s];
                y[r] = residual[r * s] + alpha * v[r];
            }
            add_slope(dim, y, v, SLOT(contacts.con_D), SLOT(contacts.con_friction), s);
        });
    };
"""


@wp.func_native(
    snippet=snippet(
        EACH + ROW_LAW + _SLOPES.replace("SLOPE", CONTACT_SLOPE), "at.search", 1, "wp::vec_t<2, REAL>(slope, curvature)"
    )
)
def slopes(w: int, rows: Rows, contacts: Contacts, at: Scratch, alpha: real) -> vec2:
    """First and second derivative by alpha of the potentials at y + alpha v."""


_HESSIANS = """
    auto run = [&](auto s) {
        const int* place = INTEGERS(order.dof_place);
        const int nv = order.dof_place.shape[1];
        REAL* to = ROW(at.H);
        const REAL* row_J = ROW(rows.efc_J);
        const REAL* D = ROW(rows.efc_D);
        const REAL* loss = ROW(rows.efc_loss);
        const REAL* y = ROW(at.efc_y);
        each_row([&](int i, int start, int end) {
            REAL stiffness;
            row_force(rows.efc_law.data[i], y[i * s], D[i * s], loss[i * s], stiffness);
            if (stiffness == 0)
                return;
            for (int b = start; b < end; ++b) {
                const REAL weighted = stiffness * row_J[b * s];
                const int p = place[row_dof[b]];
                for (int a = b; a < end; ++a) {
                    const int q = place[row_dof[a]];
                    to[(p > q ? p * nv + q : q * nv + p) * s] += weighted * row_J[a * s];
                }
            }
        });
        const int width = contacts.con_J.shape[3];
        each_contact([&](int c, auto dim, const int* dof, int n) {
            const REAL* J = SLOT(contacts.con_J);
            const REAL* residual = SLOT(at.con_y);
            REAL y[6], C[6][6];
            for (int r = 0; r < dim; ++r)
                y[r] = residual[r * s];
            hessian(dim, y, SLOT(contacts.con_D), SLOT(contacts.con_friction), s, C);
            if (C[0][0] == 0)
                return;
            for (int b = 0; b < n; ++b) {
                REAL weighted[6];
                for (int r = 0; r < dim; ++r) {
                    weighted[r] = 0;
                    for (int k = 0; k < dim; ++k)
                        weighted[r] += C[r][k] * J[(k * width + b) * s];
                }
                const int p = place[dof[b]];
                for (int a = b; a < n; ++a) {
                    REAL sum = 0;
                    for (int r = 0; r < dim; ++r)
                        sum += weighted[r] * J[(r * width + a) * s];
                    const int q = place[dof[a]];
                    to[(p > q ? p * nv + q : q * nv + p) * s] += sum;
                }
            }
        });
    };
"""


@wp.func_native(snippet=snippet(EACH + ROW_LAW + CONTACT_HESSIAN + _HESSIANS, "at.search"))
def add_hessians(w: int, rows: Rows, contacts: Contacts, order: Envelope, at: Scratch):
    """H += J' C J in the lower triangle, rows and columns in the order of ``dof_place``; C: second derivatives at y."""


_CURVATURES = """
    auto run = [&](auto s) {
        const REAL* from = ROW(v);
        REAL* to = ROW(x);
        const REAL* row_J = ROW(rows.efc_J);
        const REAL* D = ROW(rows.efc_D);
        const REAL* loss = ROW(rows.efc_loss);
        const REAL* y = ROW(at.efc_y);
        const REAL* given = ROW(given_efc_force);
        each_row([&](int i, int start, int end) {
            REAL stiffness;
            row_force(rows.efc_law.data[i], y[i * s], D[i * s], loss[i * s], stiffness);
            if (stiffness == 0)
                return;
            REAL outer = given[i * s];
            for (int e = start; e < end; ++e)
                outer += row_J[e * s] * from[row_dof[e] * s];
            for (int e = start; e < end; ++e)
                to[row_dof[e] * s] -= row_J[e * s] * stiffness * outer;
        });
        const int width = contacts.con_J.shape[3];
        each_contact([&](int c, auto dim, const int* dof, int n) {
            const REAL* J = SLOT(contacts.con_J);
            const REAL* residual = SLOT(at.con_y);
            const REAL* given = SLOT(given_con_force);
            REAL y[6], outer[6], f[6], C[6][6];
            for (int r = 0; r < dim; ++r) {
                y[r] = residual[r * s];
                outer[r] = given[r * s];
            }
            hessian(dim, y, SLOT(contacts.con_D), SLOT(contacts.con_friction), s, C);
            if (C[0][0] == 0)
                return;
            for (int e = 0; e < n; ++e)
                for (int r = 0; r < dim; ++r)
                    outer[r] += J[(r * width + e) * s] * from[dof[e] * s];
            for (int r = 0; r < dim; ++r) {
                f[r] = 0;
                for (int k = 0; k < dim; ++k)
                    f[r] += C[r][k] * outer[k];
            }
            for (int e = 0; e < n; ++e) {
                REAL sum = 0;
                for (int r = 0; r < dim; ++r)
                    sum += J[(r * width + e) * s] * f[r];
                to[dof[e] * s] -= sum;
            }
        });
    };
"""


@wp.func_native(snippet=snippet(EACH + ROW_LAW + CONTACT_HESSIAN + _CURVATURES, "x"))
def subtract_curvatures(
    w: int,
    rows: Rows,
    contacts: Contacts,
    at: Scratch,
    given_efc_force: wp.array2d(dtype=real),
    given_con_force: wp.array3d(dtype=real),
    v: wp.array2d(dtype=real),
    x: wp.array2d(dtype=real),
):
    """x -= J' C (adj_force + J v); C: second derivatives of the potentials at y."""


# With F = adj_force + J u and Y = -C F, the gradients of force and of y:
#     adj_J += f u' + Y a',  adj_aref -= Y,  adj_D, adj_loss, adj_mu: those of the force by them, times F.
_ADJOINT = """
    auto run = [&](auto s) {
        const REAL* outer = ROW(u);
        const REAL* acceleration = ROW(a);
        const REAL* row_J = ROW(rows.efc_J);
        const REAL* D = ROW(rows.efc_D);
        const REAL* loss = ROW(rows.efc_loss);
        const REAL* y = ROW(at.efc_y);
        const REAL* given = ROW(given_efc_force);
        REAL* adj_J = ROW(to_rows.efc_J);
        REAL* adj_aref = ROW(to_rows.efc_aref);
        REAL* adj_D = ROW(to_rows.efc_D);
        REAL* adj_loss = ROW(to_rows.efc_loss);
        each_row([&](int i, int start, int end) {
            REAL stiffness;
            const REAL f = row_force(rows.efc_law.data[i], y[i * s], D[i * s], loss[i * s], stiffness);
            REAL F = given[i * s];
            for (int e = start; e < end; ++e)
                F += row_J[e * s] * outer[row_dof[e] * s];
            const REAL Y = -stiffness * F;
            for (int e = start; e < end; ++e)
                adj_J[e * s] += f * outer[row_dof[e] * s] + Y * acceleration[row_dof[e] * s];
            adj_aref[i * s] -= Y;
            if (stiffness != 0)
                adj_D[i * s] -= F * y[i * s];
            else if (f != 0)
                adj_loss[i * s] += f > 0 ? F : -F;
        });
        const int width = contacts.con_J.shape[3];
        each_contact([&](int c, auto dim, const int* dof, int n) {
            const REAL* J = SLOT(contacts.con_J);
            const REAL* residual = SLOT(at.con_y);
            const REAL* force = SLOT(con_force);
            const REAL* given = SLOT(given_con_force);
            REAL y[6], F[6], Y[6], C[6][6];
            for (int r = 0; r < dim; ++r) {
                y[r] = residual[r * s];
                F[r] = given[r * s];
            }
            hessian(dim, y, SLOT(contacts.con_D), SLOT(contacts.con_friction), s, C);
            if (C[0][0] == 0)
                return;
            for (int e = 0; e < n; ++e)
                for (int r = 0; r < dim; ++r)
                    F[r] += J[(r * width + e) * s] * outer[dof[e] * s];
            REAL* to_J = SLOT(to_contacts.con_J);
            REAL* to_aref = SLOT(to_contacts.con_aref);
            for (int r = 0; r < dim; ++r) {
                Y[r] = 0;
                for (int k = 0; k < dim; ++k)
                    Y[r] -= C[r][k] * F[k];
                to_aref[r * s] -= Y[r];
                const REAL f = force[r * s];
                for (int e = 0; e < n; ++e)
                    to_J[(r * width + e) * s] += f * outer[dof[e] * s] + Y[r] * acceleration[dof[e] * s];
            }
            add_adjoint(dim, y, F, SLOT(contacts.con_D), SLOT(contacts.con_friction), s, SLOT(to_contacts.con_D),
                        SLOT(to_contacts.con_friction));
        });
    };
"""


@wp.func_native(snippet=snippet(EACH + ROW_LAW + CONTACT_HESSIAN + CONTACT_ADJOINT + _ADJOINT, "u"))
def add_force_adjoints(
    w: int,
    rows: Rows,
    contacts: Contacts,
    at: Scratch,
    con_force: wp.array3d(dtype=real),
    a: wp.array2d(dtype=real),
    u: wp.array2d(dtype=real),
    given_efc_force: wp.array2d(dtype=real),
    given_con_force: wp.array3d(dtype=real),
    to_rows: Rows,
    to_contacts: Contacts,
):
    """Gradients of J, aref, D, loss and friction where those of the forces are given, and u is that of J' f."""
