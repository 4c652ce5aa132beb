"""Sums over the contacts in what the constraint solver minimises, and products with their Jacobians, natively.

Written as in :mod:`genesis.rigid.sparse`. A contact's Jacobian J has a row for each row of its residual y and a column
for each dof of its chain; what it is multiplied with or added to is addressed through the chain.
"""

import warp as wp

from genesis.rigid.potential import CONTACT_HESSIAN, CONTACT_POTENTIAL, CONTACT_SLOPE
from genesis.rigid.sparse import snippet
from genesis.types import real

vec2 = wp.types.vector(length=2, dtype=real)

# ``each(visit)`` calls visit(slot, rows, dofs of the chain, how many) for each active contact. Most have three rows, a
# number that the compiler is told.
_EACH = """
    auto each = [&](auto visit) {
        const int* active = INTEGERS(con_active);
        const int* pair = INTEGERS(con_pair);
        const int slots = (INTEGERS(ncon))[1];
        for (int c = 0; c < slots; ++c) {
            if (!active[c])
                continue;
            const int dim = cpair_dim.data[pair[c]];
            const int* adr = chain_dof_adr.data + cpair_chain.data[pair[c]];
            const int* dof = chain_dof.data + adr[0];
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
        const int width = con_J.shape[3];
        const REAL* from = ROW(x);
        each([&](int c, auto dim, const int* dof, int n) {
            const REAL* J = SLOT(con_J);
            const REAL* aref = SLOT(con_aref);
            REAL* to = SLOT(y);
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


@wp.func_native(snippet=snippet(_EACH + _RESIDUALS, "con_J", 3))
def contact_residuals(
    w: int,
    cpair_dim: wp.array(dtype=int),
    cpair_chain: wp.array(dtype=int),
    chain_dof: wp.array(dtype=int),
    chain_dof_adr: wp.array(dtype=int),
    ncon: wp.array2d(dtype=int),
    con_pair: wp.array2d(dtype=int),
    con_active: wp.array2d(dtype=int),
    con_J: wp.array4d(dtype=real),
    references: int,
    con_aref: wp.array3d(dtype=real),
    x: wp.array2d(dtype=real),
    y: wp.array3d(dtype=real),
):
    """y = J x, or J x - aref with ``references``."""


_FORCES = """
    REAL cost = 0;
    auto run = [&](auto s) {
        const int width = con_J.shape[3];
        REAL* to = ROW(x);
        each([&](int c, auto dim, const int* dof, int n) {
            const REAL* J = SLOT(con_J);
            const REAL* residual = SLOT(con_y);
            REAL y[6], f[6];
            for (int r = 0; r < dim; ++r)
                y[r] = residual[r * s];
            cost += potential(dim, y, SLOT(con_D), SLOT(con_friction), s, f);
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


@wp.func_native(snippet=snippet(_EACH + CONTACT_POTENTIAL + _FORCES, "con_J", 3, "cost"))
def contact_forces(
    w: int,
    elliptic: int,
    impratio: real,
    cpair_dim: wp.array(dtype=int),
    cpair_chain: wp.array(dtype=int),
    chain_dof: wp.array(dtype=int),
    chain_dof_adr: wp.array(dtype=int),
    ncon: wp.array2d(dtype=int),
    con_pair: wp.array2d(dtype=int),
    con_active: wp.array2d(dtype=int),
    con_J: wp.array4d(dtype=real),
    con_friction: wp.array3d(dtype=real),
    con_D: wp.array3d(dtype=real),
    con_y: wp.array3d(dtype=real),
    x: wp.array2d(dtype=real),
) -> real:
    """x += J' f, the contacts' forces in joint space; returns their potentials."""


_SLOPES = """
    REAL slope = 0, curvature = 0;
    SLOPE
    auto run = [&](auto s) {
        each([&](int c, auto dim, const int* dof, int n) {
            const REAL* residual = SLOT(con_y);
            const REAL* rate = SLOT(con_v);
            REAL y[6], v[6];
            for (int r = 0; r < dim; ++r) {
                v[r] = rate[r * s];
                y[r] = residual[r * s] + alpha * v[r];
            }
            add_slope(dim, y, v, SLOT(con_D), SLOT(con_friction), s);
        });
    };
"""


@wp.func_native(
    snippet=snippet(_EACH + _SLOPES.replace("SLOPE", CONTACT_SLOPE), "con_D", 2, "wp::vec_t<2, REAL>(slope, curvature)")
)
def contact_slopes(
    w: int,
    elliptic: int,
    impratio: real,
    cpair_dim: wp.array(dtype=int),
    cpair_chain: wp.array(dtype=int),
    chain_dof: wp.array(dtype=int),
    chain_dof_adr: wp.array(dtype=int),
    ncon: wp.array2d(dtype=int),
    con_pair: wp.array2d(dtype=int),
    con_active: wp.array2d(dtype=int),
    con_friction: wp.array3d(dtype=real),
    con_D: wp.array3d(dtype=real),
    con_y: wp.array3d(dtype=real),
    con_v: wp.array3d(dtype=real),
    alpha: real,
) -> vec2:
    """First and second derivative by alpha of the contacts' potentials at y + alpha v."""


_HESSIANS = """
    auto run = [&](auto s) {
        const int* place = INTEGERS(dof_place);
        const int width = con_J.shape[3];
        const int nv = dof_place.shape[1];
        REAL* to = ROW(H);
        each([&](int c, auto dim, const int* dof, int n) {
            const REAL* J = SLOT(con_J);
            const REAL* residual = SLOT(con_y);
            REAL y[6], C[6][6];
            for (int r = 0; r < dim; ++r)
                y[r] = residual[r * s];
            hessian(dim, y, SLOT(con_D), SLOT(con_friction), s, C);
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


@wp.func_native(snippet=snippet(_EACH + CONTACT_HESSIAN + _HESSIANS, "con_J", 3))
def contact_hessians(
    w: int,
    elliptic: int,
    impratio: real,
    cpair_dim: wp.array(dtype=int),
    cpair_chain: wp.array(dtype=int),
    chain_dof: wp.array(dtype=int),
    chain_dof_adr: wp.array(dtype=int),
    ncon: wp.array2d(dtype=int),
    con_pair: wp.array2d(dtype=int),
    con_active: wp.array2d(dtype=int),
    con_J: wp.array4d(dtype=real),
    con_friction: wp.array3d(dtype=real),
    con_D: wp.array3d(dtype=real),
    con_y: wp.array3d(dtype=real),
    dof_place: wp.array2d(dtype=int),
    H: wp.array3d(dtype=real),
):
    """H += J' C J in the lower triangle, rows and columns in the order of ``dof_place``; C: second derivatives at y."""


_CURVATURES = """
    auto run = [&](auto s) {
        const int width = con_J.shape[3];
        const REAL* from = ROW(v);
        REAL* to = ROW(x);
        each([&](int c, auto dim, const int* dof, int n) {
            const REAL* J = SLOT(con_J);
            const REAL* residual = SLOT(con_y);
            const REAL* given = SLOT(g);
            REAL y[6], outer[6], f[6], C[6][6];
            for (int r = 0; r < dim; ++r) {
                y[r] = residual[r * s];
                outer[r] = given[r * s];
            }
            hessian(dim, y, SLOT(con_D), SLOT(con_friction), s, C);
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


@wp.func_native(snippet=snippet(_EACH + CONTACT_HESSIAN + _CURVATURES, "con_J", 3))
def contact_curvatures(
    w: int,
    elliptic: int,
    impratio: real,
    cpair_dim: wp.array(dtype=int),
    cpair_chain: wp.array(dtype=int),
    chain_dof: wp.array(dtype=int),
    chain_dof_adr: wp.array(dtype=int),
    ncon: wp.array2d(dtype=int),
    con_pair: wp.array2d(dtype=int),
    con_active: wp.array2d(dtype=int),
    con_J: wp.array4d(dtype=real),
    con_friction: wp.array3d(dtype=real),
    con_D: wp.array3d(dtype=real),
    con_y: wp.array3d(dtype=real),
    g: wp.array3d(dtype=real),
    v: wp.array2d(dtype=real),
    x: wp.array2d(dtype=real),
):
    """x -= J' C (g + J v); C: second derivatives of the contacts' potentials at y."""
