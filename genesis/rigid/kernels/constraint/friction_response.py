"""B = M^-1 J', the acceleration that a unit of friction causes, row by row: for sweeps against slip
(:mod:`genesis.rigid.kernels.constraint.noslip`).

Adjoint: z = M^-1 dL/dB;  dL/dJ' = z,  dL/dM = -z B'.
"""

import warp as wp

from genesis.model.rows import FRICTION
from genesis.rigid.kernels.constraint.groups import Contacts, Responses, Rows, Tree
from genesis.rigid.kernels.constraint.sums import EACH
from genesis.rigid.kernels.sparse import SOLVE_LD, SUBTRACT_PRODUCT, factor_in_place, snippet
from genesis.types import real, untaped

# What the places of M's pattern are called in the texts of `genesis.rigid.kernels.sparse`.
_PATTERN = """
    const auto& M_colind = tree.M_colind;
    const auto& M_colind_adr = tree.M_colind_adr;
    const auto& skip_dof = tree.skip_none;
"""

_RESPONSES = """
    auto run = [&](auto s) {
        const REAL* L = ROW(responses.slip_LD);
        const REAL* inverse = ROW(responses.slip_LDiagInv);
        const int nv = responses.efc_B.shape[2], width = contacts.con_J.shape[3];
        const REAL* row_J = ROW(rows.efc_J);
        each_row([&](int i, int start, int end) {
            if (rows.efc_law.data[i] != FRICTION)
                return;
            REAL* B = ROW(responses.efc_B) + (long long)i * nv * s;
            for (int k = 0; k < nv; ++k)
                B[k * s] = 0;
            for (int e = start; e < end; ++e)
                B[row_dof[e] * s] = row_J[e * s];
            solve_ld(L, inverse, B, s);
        });
        each_contact([&](int c, auto dim, const int* dof, int n) {
            const REAL* J = SLOT(contacts.con_J);
            for (int r = 1; r < dim; ++r) {
                REAL* B = SLOT(responses.con_B) + (r - 1) * nv * s;
                for (int k = 0; k < nv; ++k)
                    B[k * s] = 0;
                for (int e = 0; e < n; ++e)
                    B[dof[e] * s] = J[(r * width + e) * s];
                solve_ld(L, inverse, B, s);
            }
        });
    };
""".replace("FRICTION", str(FRICTION))


@wp.func_native(snippet=snippet(EACH + _PATTERN + SOLVE_LD + _RESPONSES, "responses.slip_LD"))
def write_responses(
    w: int,
    tree: Tree,
    rows: Rows,
    contacts: Contacts,
    responses: Responses,
): ...


@untaped
def friction_response(
    tree: Tree,
    rows: Rows,
    contacts: Contacts,
    any_constraint: wp.array2d(dtype=int),
    qM: wp.array2d(dtype=real),
    responses: Responses,
):
    """B of active friction losses, and of the friction of active contacts: row r - 1 is that of direction r."""
    w = wp.tid()
    if any_constraint[w, 0] == 1:
        factor_in_place(
            w, tree.M_colind, tree.M_colind_adr, tree.skip_none, qM, responses.slip_LD, responses.slip_LDiagInv
        )
        write_responses(w, tree, rows, contacts, responses)


_RESPONSES_ADJOINT = """
    auto run = [&](auto s) {
        const REAL* L = ROW(responses.slip_LD);
        const REAL* inverse = ROW(responses.slip_LDiagInv);
        const int nv = responses.efc_B.shape[2], width = contacts.con_J.shape[3];
        REAL* to_M = ROW(to_qM);
        REAL* to_row_J = ROW(to_rows.efc_J);
        each_row([&](int i, int start, int end) {
            if (rows.efc_law.data[i] != FRICTION)
                return;
            REAL* z = ROW(by_responses.efc_B) + (long long)i * nv * s;
            solve_ld(L, inverse, z, s);
            subtract_product(z, ROW(responses.efc_B) + (long long)i * nv * s, to_M, s);
            for (int e = start; e < end; ++e)
                to_row_J[e * s] += z[row_dof[e] * s];
        });
        each_contact([&](int c, auto dim, const int* dof, int n) {
            REAL* to_J = SLOT(to_contacts.con_J);
            for (int r = 1; r < dim; ++r) {
                REAL* z = SLOT(by_responses.con_B) + (r - 1) * nv * s;
                solve_ld(L, inverse, z, s);
                subtract_product(z, SLOT(responses.con_B) + (r - 1) * nv * s, to_M, s);
                for (int e = 0; e < n; ++e)
                    to_J[(r * width + e) * s] += z[dof[e] * s];
            }
        });
    };
""".replace("FRICTION", str(FRICTION))


_RESPONSES_ADJOINT = EACH + _PATTERN + SOLVE_LD + SUBTRACT_PRODUCT + _RESPONSES_ADJOINT


@wp.func_native(snippet=snippet(_RESPONSES_ADJOINT, "responses.slip_LD"))
def add_response_adjoints(
    w: int,
    tree: Tree,
    rows: Rows,
    contacts: Contacts,
    responses: Responses,
    by_responses: Responses,
    to_rows: Rows,
    to_contacts: Contacts,
    to_qM: wp.array2d(dtype=real),
): ...


@untaped
def friction_response_adjoint(
    tree: Tree,
    rows: Rows,
    contacts: Contacts,
    any_constraint: wp.array2d(dtype=int),
    responses: Responses,
    adj_responses: Responses,
    adj_rows: Rows,
    adj_contacts: Contacts,
    adj_qM: wp.array2d(dtype=real),
):
    """The gradients of B, which become z in their place, carried to J and M."""
    w = wp.tid()
    if any_constraint[w, 0] == 1:
        add_response_adjoints(w, tree, rows, contacts, responses, adj_responses, adj_rows, adj_contacts, adj_qM)
