"""The objective that the constraint solver minimises: value, slope along a line, gradient and Hessian at a point.

    1/2 a' M a - a' qfrc_smooth + sum of the constraints' potentials s(J a - aref)

``efc_y`` and ``con_y`` are the residuals J a - aref of rows and contacts, which the solver carries along.
"""

import warp as wp

from genesis.rigid.kernels.constraint.groups import Contacts, Envelope, Rows, Scratch, Tree
from genesis.rigid.kernels.constraint.sums import add_forces, add_hessians, slopes
from genesis.rigid.kernels.sparse import place_mass_matrix, snippet
from genesis.types import real, vec3

_GAUSS = """
    REAL cost = 0;
    auto run = [&](auto s) {
        const REAL* a = ROW(x);
        const REAL* Ma = ROW(Mx);
        const REAL* f = ROW(qfrc_smooth);
        REAL* to = ROW(out);
        for (int i = 0; i < x.shape[1]; ++i) {
            cost += a[i * s] * ((REAL)0.5 * Ma[i * s] - f[i * s]);
            to[i * s] = f[i * s] - Ma[i * s];
        }
    };
"""


@wp.func_native(snippet=snippet(_GAUSS, "x", result="cost"))
def gauss(
    w: int,
    qfrc_smooth: wp.array2d(dtype=real),
    x: wp.array2d(dtype=real),
    Mx: wp.array2d(dtype=real),
    out: wp.array2d(dtype=real),
) -> real:
    """The objective without constraints, 1/2 x' M x - x' qfrc_smooth; ``out`` is minus its gradient."""


_GAUSS_SLOPE = """
    REAL slope = 0, curvature = 0, norm2 = 0;
    auto run = [&](auto s) {
        const REAL* direction = ROW(v);
        const REAL* Mdirection = ROW(Mv);
        const REAL* Ma = ROW(Mx);
        const REAL* f = ROW(qfrc_smooth);
        for (int i = 0; i < v.shape[1]; ++i) {
            const REAL v_i = direction[i * s];
            slope += v_i * (Ma[i * s] - f[i * s]);
            curvature += v_i * Mdirection[i * s];
            norm2 += v_i * v_i;
        }
    };
"""


@wp.func_native(snippet=snippet(_GAUSS_SLOPE, "v", result="wp::vec_t<3, REAL>(slope, curvature, norm2)"))
def gauss_slope(
    w: int,
    qfrc_smooth: wp.array2d(dtype=real),
    Mx: wp.array2d(dtype=real),
    v: wp.array2d(dtype=real),
    Mv: wp.array2d(dtype=real),
) -> vec3:
    """First and second derivative at x, along v, of the objective without constraints; v' v."""


_NORM2 = """
    REAL sum = 0;
    auto run = [&](auto s) {
        const REAL* a = ROW(x);
        for (int i = 0; i < x.shape[1]; ++i)
            sum += a[i * s] * a[i * s];
    };
"""


@wp.func_native(snippet=snippet(_NORM2, "x", result="sum"))
def squared_norm(w: int, x: wp.array2d(dtype=real)) -> real:
    """x' x."""


_ADD_SCALED = """
    auto run = [&](auto s) {
        REAL* __restrict to = ROW(x);
        const REAL* __restrict from = ROW(v);
        for (int i = 0; i < x.shape[1]; ++i)
            to[i * s] += alpha * from[i * s];
    };
"""


@wp.func_native(snippet=snippet(_ADD_SCALED, "x"))
def add_scaled(w: int, alpha: real, v: wp.array2d(dtype=real), x: wp.array2d(dtype=real)):
    """x += alpha v."""


@wp.func
def line_slope(w: int, rows: Rows, contacts: Contacts, at: Scratch, gauss: vec3, alpha: real):
    """First and second derivative of the objective by alpha, at x + alpha v; ``gauss``: what `gauss_slope` says."""
    constraints = slopes(w, rows, contacts, at, alpha)
    return gauss[0] + alpha * gauss[1] + constraints[0], gauss[1] + constraints[1]


@wp.func
def evaluate(
    w: int,
    rows: Rows,
    contacts: Contacts,
    qfrc_smooth: wp.array2d(dtype=real),
    x: wp.array2d(dtype=real),
    Mx: wp.array2d(dtype=real),
    efc_y: wp.array2d(dtype=real),
    con_y: wp.array3d(dtype=real),
    out: wp.array2d(dtype=real),
):
    """The objective at x, but for its rows and the constant of qacc_smooth; and the squared norm of its gradient.

    What the rows' potentials lose is the business of `row_falls`.
    ``out`` is minus the gradient: qfrc_smooth + J' f - M x.
    """
    cost = gauss(w, qfrc_smooth, x, Mx, out)
    cost += add_forces(w, rows, contacts, efc_y, con_y, out)
    return cost, squared_norm(w, out)


@wp.func
def build_hessian(
    w: int,
    tree: Tree,
    rows: Rows,
    contacts: Contacts,
    order: Envelope,
    qM: wp.array2d(dtype=real),
    at: Scratch,
):
    """H = M + J' C J inside the envelope; rows and columns in the order of ``dof_place``."""
    place_mass_matrix(w, tree.M_colind, tree.M_colind_adr, qM, order.row_start, order.dof_place, at.H)
    add_hessians(w, rows, contacts, order, at)
