"""Flag diagexact: the inverse inertia that a row of constraints feels is J M^-1 J', as it is now, in the place of what
it was on average in the model's first pose (MuJoCo: mj_makeY, mj_projectConstraint).

Of a contact it is that of its normal, or of the first edge of its pyramid: see `contact_rows`.

Adjoint, with x = M^-1 J':  dL/dJ = 2 g x,  dL/dM = -g x x',  g being the gradient of J x.
"""

import warp as wp

from genesis.rigid.kernels.constraint.groups import Diagonals, RowValues
from genesis.rigid.kernels.sparse import SOLVE_LD, SUBTRACT_PRODUCT, factor_in_place, snippet
from genesis.types import real, untaped

# What the places of M's pattern are called in the texts of `genesis.rigid.kernels.sparse`.
PATTERN = """
    const auto& M_colind = diagonals.M_colind;
    const auto& M_colind_adr = diagonals.M_colind_adr;
    const auto& skip_dof = diagonals.skip_none;
"""

# visit(row, its x), of the active rows.
_EACH = """
    const int* dof_adr = rows.efc_dof_adr.data;
    const int* dofs = rows.efc_dof.data;
    const int nv = diagonals.exact_x.shape[1];
    auto each = [&](auto s, auto visit) {
        const REAL* J = ROW(rows.efc_J);
        REAL* x = ROW(diagonals.exact_x);
        const int* active = INTEGERS(rows.efc_active);
        for (int i = 0; i < rows.efc_active.shape[1]; ++i) {
            if (!active[i])
                continue;
            for (int k = 0; k < nv; ++k)
                x[k * s] = 0;
            for (int e = dof_adr[i]; e < dof_adr[i + 1]; ++e)
                x[dofs[e] * s] = J[e * s];
            solve_ld(ROW(diagonals.exact_LD), ROW(diagonals.exact_LDiagInv), x, s);
            visit(i, x);
        }
    };
"""

_FORWARD = """
    auto run = [&](auto s) {
        const REAL* J = ROW(rows.efc_J);
        REAL* diag = ROW(rows.efc_diag);
        each(s, [&](int i, const REAL* x) {
            REAL sum = 0;
            for (int e = dof_adr[i]; e < dof_adr[i + 1]; ++e)
                sum += J[e * s] * x[dofs[e] * s];
            diag[i * s] = sum;
        });
    };
"""


@wp.func_native(snippet=snippet(PATTERN + SOLVE_LD + _EACH + _FORWARD, "rows.efc_J"))
def write_diagonals(w: int, diagonals: Diagonals, rows: RowValues): ...


@untaped
def exact_diagonals(diagonals: Diagonals, qM: wp.array2d(dtype=real), rows: RowValues):
    """Factors of M, and diag of the active rows."""
    w = wp.tid()
    factor_in_place(
        w, diagonals.M_colind, diagonals.M_colind_adr, diagonals.skip_none, qM, diagonals.exact_LD,
        diagonals.exact_LDiagInv,
    )  # fmt: skip
    write_diagonals(w, diagonals, rows)


_ADJOINT = """
    auto run = [&](auto s) {
        REAL* by_diag = ROW(to_rows.efc_diag);
        REAL* to_J = ROW(to_rows.efc_J);
        REAL* z = ROW(diagonals.z);
        each(s, [&](int i, const REAL* x) {
            const REAL g = by_diag[i * s];
            by_diag[i * s] = 0;  // what was there before this wrote over it has none
            if (g == 0)
                return;
            for (int k = 0; k < nv; ++k)
                z[k * s] = g * x[k * s];
            subtract_product(z, x, ROW(to_qM), s);
            for (int e = dof_adr[i]; e < dof_adr[i + 1]; ++e)
                to_J[e * s] += 2 * z[dofs[e] * s];
        });
    };
"""


@wp.func_native(snippet=snippet(PATTERN + SOLVE_LD + SUBTRACT_PRODUCT + _EACH + _ADJOINT, "rows.efc_J"))
def write_diagonals_adjoint(
    w: int, diagonals: Diagonals, rows: RowValues, to_rows: RowValues, to_qM: wp.array2d(dtype=real)
): ...


@untaped
def exact_diagonals_adjoint(diagonals: Diagonals, rows: RowValues, adj_rows: RowValues, adj_qM: wp.array2d(dtype=real)):
    """The gradient of diag carried to J and M."""
    write_diagonals_adjoint(wp.tid(), diagonals, rows, adj_rows, adj_qM)
