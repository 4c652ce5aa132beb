"""J, reference acceleration and D of each contact in its frame (MuJoCo: mj_instantiateContact, mj_contactParam,
mj_makeImpedance), and their adjoints.

Columns of ``con_J`` are the dofs of the pair's chain: those that move one of the two links and not the other. Column e
of the dof i, with motion axis (turn, move) about the reference point, sign +1 or -1:

    J[r, e] = sign (frame (move + turn x (pos - xref)))[r]   for r < 3,   sign (frame turn)[r - 3]   beyond
"""

import warp as wp

from genesis.model.contact import PARAMS_EXPLICIT, PARAMS_MIXED, PARAMS_SECOND
from genesis.rigid.kernels.constraint.exact_diagonal import PATTERN
from genesis.rigid.kernels.constraint.groups import (
    ContactGeometry,
    ContactParameters,
    Contacts,
    Diagonals,
    PairTable,
    Softness,
    Surfaces,
)
from genesis.rigid.kernels.constraint.reference import REFERENCE
from genesis.rigid.kernels.sparse import SOLVE_LD, SUBTRACT_PRODUCT, snippet
from genesis.types import real, untaped

MIN_MU = 1.0e-5  # mjMINMU
# Of a pyramid's edge: mu^2 / impratio, by which MuJoCo divides its D. In 32 bits it is bounded, because the solver
# cannot tell an edge that is a million times stiffer than the contact from a rigid one.
LEAST_SOFTNESS = 0.0 if real is wp.float64 else 1.0e-4

# Small vectors; f: the contact's frame, its rows normal and tangents.
_VECTORS = """
    auto cross = [](const REAL* a, const REAL* b, REAL* to) {
        to[0] = a[1] * b[2] - a[2] * b[1];
        to[1] = a[2] * b[0] - a[0] * b[2];
        to[2] = a[0] * b[1] - a[1] * b[0];
    };
    auto dot3 = [](const REAL* a, const REAL* b) { return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]; };
"""

# `Parameters` of a contact: friction, solref, solimp of it, and solref of its friction (null: that of the normal).
# Of two geoms they are mixed, or those of the geom with priority; a tie of frictions counts half for each: the
# derivative of the mean, so that raising both together counts once.
_PARAMETERS = """
    struct Parameters { REAL friction[5], solref[2], solimp[5]; const REAL* solref_friction; };
    const int which_friction[5] = {0, 0, 1, 2, 2};
    auto floor_of = [](REAL x) { return x < MIN_MU ? MIN_MU : x; };
    // share of the first geom in the larger, the mixed, and the solref of both
    auto share_of_larger = [](int mode, REAL a, REAL b) {
        if (mode == MIXED)
            return a == b ? (REAL)0.5 : (REAL)(a > b);
        return (REAL)(mode != SECOND);
    };
    auto share_of_mixed = [](int mode, REAL mix) { return mode == MIXED ? mix : (REAL)(mode != SECOND); };
    auto share_of_solref = [&](int mode, REAL mix, const REAL* a, const REAL* b, int k) {
        if (mode == MIXED && (a[0] <= 0 || b[0] <= 0))  // direct format: the smaller
            return a[k] == b[k] ? (REAL)0.5 : (REAL)(a[k] < b[k]);
        return share_of_mixed(mode, mix);
    };
    auto parameters_of = [&](int pair) {
        Parameters p;
        const int mode = pairs.cpair_params.data[pair];
        p.solref_friction = nullptr;
        if (mode == EXPLICIT) {
            const int x = pairs.cpair_explicit.data[pair];
            for (int k = 0; k < 5; ++k) {
                p.friction[k] = floor_of(item(parameters.pair_friction, x)[k]);
                p.solimp[k] = item(parameters.pair_solimp, x)[k];
            }
            for (int k = 0; k < 2; ++k)
                p.solref[k] = item(parameters.pair_solref, x)[k];
            const REAL* own = item(parameters.pair_solreffriction, x);
            if (contacts.elliptic && (own[0] != 0 || own[1] != 0))
                p.solref_friction = own;
            return p;
        }
        const int g = pairs.cpair_geom.data[2 * pair], h = pairs.cpair_geom.data[2 * pair + 1];
        const REAL mix = pairs.cpair_mix.data[pair];
        for (int k = 0; k < 5; ++k) {
            const int f = which_friction[k];
            const REAL a = item(parameters.geom_friction, g)[f], b = item(parameters.geom_friction, h)[f];
            const REAL share = share_of_larger(mode, a, b);
            p.friction[k] = floor_of(share * a + (1 - share) * b);
        }
        const REAL imp_share = share_of_mixed(mode, mix);
        for (int k = 0; k < 5; ++k)
            p.solimp[k] = imp_share * item(parameters.geom_solimp, g)[k]
                          + (1 - imp_share) * item(parameters.geom_solimp, h)[k];
        for (int k = 0; k < 2; ++k) {
            const REAL *a = item(parameters.geom_solref, g), *b = item(parameters.geom_solref, h);
            const REAL share = share_of_solref(mode, mix, a, b, k);
            p.solref[k] = share * a[k] + (1 - share) * b[k];
        }
        return p;
    };
    // How far the first of the edges leans towards the first tangent.
    auto lean_of = [&](int dim, REAL mu) { return dim > 1 && !contacts.elliptic ? mu : (REAL)0; };
    // What the contact's rows share: inverse inertia along the normal, made larger by a pyramid's slant.
    auto diag_of = [&](int pair, int dim, REAL mu) {
        const int one = pairs.cpair_body.data[2 * pair], two = pairs.cpair_body.data[2 * pair + 1];
        const REAL diag = item(parameters.body_invweight0, one)[0] + item(parameters.body_invweight0, two)[0];
        return dim > 1 && !contacts.elliptic ? diag * (1 + mu * mu) : diag;
    };
    auto softness_of = [&](REAL mu) {
        const REAL x = mu * mu / contacts.impratio;
        return x < LEAST_SOFTNESS ? LEAST_SOFTNESS : x;
    };
"""
for _name, _number in (
    ("MIXED", PARAMS_MIXED),
    ("SECOND", PARAMS_SECOND),
    ("EXPLICIT", PARAMS_EXPLICIT),
    ("MIN_MU", f"(REAL){MIN_MU}"),
    ("LEAST_SOFTNESS", f"(REAL){LEAST_SOFTNESS}"),
):
    _PARAMETERS = _PARAMETERS.replace(_name, str(_number))

# visit(slot, pair, rows, dofs of the chain, their signs, how many), of each contact with rows: rows_of(slot, pair) says
# how many. Most have three, a number that the compiler is told.
_EACH = """
    const bool running = surfaces.con_surfacevel.shape[2] > 0, sticky = surfaces.con_adhesion.shape[2] > 0;
    // Of a contact's rows, those that its adhesion is shared by.
    auto shares_of = [&](int dim) { return (REAL)(dim > 1 && !contacts.elliptic ? 2 * (dim - 1) : 1); };
    auto each = [&](auto rows_of, auto visit) {
        const int slots = (INTEGERS(contacts.ncon))[1];
        for (int c = 0; c < slots; ++c) {
            const int pair = (INTEGERS(contacts.con_pair))[c];
            const int start = contacts.chain_dof_adr.data[contacts.cpair_chain.data[pair]];
            const int n = contacts.chain_dof_adr.data[contacts.cpair_chain.data[pair] + 1] - start;
            const int* dof = contacts.chain_dof.data + start;
            const int* sign = pairs.chain_sign.data + start;
            const int dim = rows_of(c, pair);
            if (dim == 0)
                continue;
            if (dim == 3)
                visit(c, pair, Three(), dof, sign, n);
            else
                visit(c, pair, dim, dof, sign, n);
        }
    };
"""

# Of flag diagexact. What the contact's rows share is then J M^-1 J' of the normal, or of a pyramid's first edge, which
# leans; first_row(J, lean, e, s) is its entry e.
_EXACT = (
    PATTERN
    + SOLVE_LD
    + """
    const int nx = diagonals.exact_x.shape[1];
    const bool exact = nx > 0;
    auto first_row = [&](const REAL* J, REAL lean, int e, auto s) {
        return lean != 0 ? J[e * s] + lean * J[(contacts.con_J.shape[3] + e) * s] : J[e * s];
    };
    auto exact_diag = [&](const REAL* J, REAL lean, const int* dof, int n, auto s) {
        REAL* x = ROW(diagonals.exact_x);  // M^-1 J'
        for (int k = 0; k < nx; ++k)
            x[k * s] = 0;
        for (int e = 0; e < n; ++e)
            x[dof[e] * s] = first_row(J, lean, e, s);
        solve_ld(ROW(diagonals.exact_LD), ROW(diagonals.exact_LDiagInv), x, s);
        REAL sum = 0;
        for (int e = 0; e < n; ++e)
            sum += first_row(J, lean, e, s) * x[dof[e] * s];
        return sum;
    };
"""
)

_FORWARD = """
    auto run = [&](auto s) {
        const int width = contacts.con_J.shape[3];
        const REAL* velocity = ROW(qvel);
        auto violation_of = [&](int c, int pair) {
            return SLOT(geometry.con_dist)[0] - pairs.cpair_margin.data[pair];
        };
        // One that sticks has a normal within the gap, and no friction.
        auto rows_of = [&](int c, int pair) {
            int rows = pairs.cpair_dim.data[pair];
            if (!(violation_of(c, pair) < 0))
                rows = sticky && SLOT(surfaces.con_adhesion)[0] != 0 ? 1 : 0;
            (INTEGERS(contacts.con_dim))[c] = rows;
            return rows;
        };
        each(rows_of, [&](int c, int pair, auto dim, const int* dof, const int* sign, int n) {
            const REAL violation = violation_of(c, pair);
            REAL* J = SLOT(contacts.con_J);
            REAL* aref = SLOT(contacts.con_aref);
            REAL* D = SLOT(contacts.con_D);
            REAL* friction = SLOT(contacts.con_friction);
            const REAL* pos = SLOT(geometry.con_pos);
            const REAL* frame = SLOT(geometry.con_frame);
            REAL v[6] = {0, 0, 0, 0, 0, 0};
            for (int e = 0; e < n; ++e) {
                const REAL* turn = item(geometry.cdof, dof[e]);
                const REAL* ref = item(geometry.xref, pairs.dof_bodyid.data[dof[e]]);
                const REAL arm[3] = {pos[0] - ref[0], pos[1] - ref[1], pos[2] - ref[2]};
                REAL move[3];
                cross(turn, arm, move);
                for (int k = 0; k < 3; ++k)
                    move[k] += turn[3 + k];
                const REAL rate = velocity[dof[e] * s];
                for (int r = 0; r < dim; ++r) {
                    const REAL x = r < 3 ? dot3(frame + 3 * r, move) : dot3(frame + 3 * (r - 3), turn);
                    J[(r * width + e) * s] = sign[e] * x;
                    v[r] += sign[e] * x * rate;
                }
            }
            if (running)
                for (int r = 1; r < dim && r < 4; ++r)
                    v[r] += SLOT(surfaces.con_surfacevel)[(r - 1) * s];
            const Parameters p = parameters_of(pair);
            for (int k = 0; k < 5; ++k)
                friction[k * s] = p.friction[k];
            const Reference ref = reference(p.solref, p.solimp, violation);
            const REAL B = p.solref_friction ? damping(p.solref_friction, clamped(p.solimp[1])) : ref.B;
            aref[0] = -ref.B * v[0] - ref.K * ref.d * violation;
            for (int r = 1; r < dim; ++r)
                aref[r * s] = -B * v[r];
            const REAL mu = p.friction[0];
            const REAL diag = exact ? exact_diag(J, lean_of(dim, mu), dof, n, s) : diag_of(pair, dim, mu);
            const REAL D0 = weight(ref.d, diag);
            D[0] = D0;
            if (dim > 1 && !contacts.elliptic) {
                for (int r = 0; r < dim; ++r)
                    D[r * s] = D0 * (REAL)0.5 / softness_of(mu);
            } else {
                for (int r = 1; r < dim; ++r)
                    D[r * s] = D0 * contacts.impratio * (p.friction[r - 1] / mu) * (p.friction[r - 1] / mu);
            }
            if (sticky)
                aref[0] += SLOT(surfaces.con_adhesion)[0] / (shares_of(dim) * D[0]);
        });
    };
"""

_ADJOINT = """
    auto add_parameters = [&](int pair, const REAL* by_friction, const REAL* by_solref, const REAL* by_solimp) {
        const int mode = pairs.cpair_params.data[pair];
        if (mode == EXPLICIT) {
            const int x = pairs.cpair_explicit.data[pair];
            if (!to_parameters.pair_friction.data)
                return;
            for (int k = 0; k < 5; ++k)
                if (item(parameters.pair_friction, x)[k] >= MIN_MU)
                    add_to_shared(item(to_parameters.pair_friction, x) + k, by_friction + k, 1);
            add_to_shared(item(to_parameters.pair_solref, x), by_solref, 2);
            add_to_shared(item(to_parameters.pair_solimp, x), by_solimp, 5);
            return;
        }
        if (!to_parameters.geom_friction.data)
            return;
        const int geoms[2] = {pairs.cpair_geom.data[2 * pair], pairs.cpair_geom.data[2 * pair + 1]};
        const REAL mix = pairs.cpair_mix.data[pair];
        for (int side = 0; side < 2; ++side) {
            REAL friction[3] = {0, 0, 0}, solref[2], solimp[5];
            for (int k = 0; k < 5; ++k) {
                const int f = which_friction[k];
                const REAL a = item(parameters.geom_friction, geoms[0])[f];
                const REAL b = item(parameters.geom_friction, geoms[1])[f];
                const REAL share = share_of_larger(mode, a, b);
                if (share * a + (1 - share) * b >= MIN_MU)
                    friction[f] += (side ? 1 - share : share) * by_friction[k];
                const REAL imp_share = share_of_mixed(mode, mix);
                solimp[k] = (side ? 1 - imp_share : imp_share) * by_solimp[k];
            }
            for (int k = 0; k < 2; ++k) {
                const REAL *a = item(parameters.geom_solref, geoms[0]), *b = item(parameters.geom_solref, geoms[1]);
                const REAL share = share_of_solref(mode, mix, a, b, k);
                solref[k] = (side ? 1 - share : share) * by_solref[k];
            }
            add_to_shared(item(to_parameters.geom_friction, geoms[side]), friction, 3);
            add_to_shared(item(to_parameters.geom_solref, geoms[side]), solref, 2);
            add_to_shared(item(to_parameters.geom_solimp, geoms[side]), solimp, 5);
        }
    };
    auto run = [&](auto s) {
        const int width = contacts.con_J.shape[3];
        const REAL* velocity = ROW(qvel);
        REAL* adj_velocity = ROW(to_qvel);
        auto rows_of = [&](int c, int) { return (INTEGERS(contacts.con_dim))[c]; };
        each(rows_of, [&](int c, int pair, auto dim, const int* dof, const int* sign, int n) {
            const REAL violation = SLOT(geometry.con_dist)[0] - pairs.cpair_margin.data[pair];
            const REAL* J = SLOT(contacts.con_J);
            const REAL* adj_J = SLOT(to_contacts.con_J);
            const REAL* adj_aref = SLOT(to_contacts.con_aref);
            const REAL* adj_D = SLOT(to_contacts.con_D);
            const REAL* adj_friction = SLOT(to_contacts.con_friction);
            const REAL* pos = SLOT(geometry.con_pos);
            const REAL* frame = SLOT(geometry.con_frame);
            const Parameters p = parameters_of(pair);
            const Reference ref = reference(p.solref, p.solimp, violation);
            const REAL high = clamped(p.solimp[1]), mu = p.friction[0];
            const REAL B = p.solref_friction ? damping(p.solref_friction, high) : ref.B;

            // aref: by velocity, gains, impedance and distance
            REAL v[6] = {0, 0, 0, 0, 0, 0}, by_v[6];
            for (int e = 0; e < n; ++e)
                for (int r = 0; r < dim; ++r)
                    v[r] += J[(r * width + e) * s] * velocity[dof[e] * s];
            if (running)
                for (int r = 1; r < dim && r < 4; ++r) {
                    v[r] += SLOT(surfaces.con_surfacevel)[(r - 1) * s];
                    SLOT(to_surfaces.con_surfacevel)[(r - 1) * s] -= B * adj_aref[r * s];
                }
            by_v[0] = -ref.B * adj_aref[0];
            REAL by_B = -v[0] * adj_aref[0], by_B_friction = 0;
            for (int r = 1; r < dim; ++r) {
                by_v[r] = -B * adj_aref[r * s];
                by_B_friction -= v[r] * adj_aref[r * s];
            }
            const REAL by_K = -ref.d * violation * adj_aref[0];
            REAL by_d = -ref.K * violation * adj_aref[0];
            REAL by_violation = -ref.K * ref.d * adj_aref[0];
            REAL by_friction[5];
            for (int k = 0; k < 5; ++k)
                by_friction[k] = adj_friction[k * s];

            // D: by impedance, friction and inverse inertia
            REAL by_D0 = adj_D[0];
            if (sticky) {
                const REAL D = SLOT(contacts.con_D)[0], share = 1 / (shares_of(dim) * D);
                SLOT(to_surfaces.con_adhesion)[0] += adj_aref[0] * share;
                by_D0 -= adj_aref[0] * SLOT(surfaces.con_adhesion)[0] * share / D;
            }
            const REAL lean = lean_of(dim, mu);
            const REAL diag = exact ? exact_diag(J, lean, dof, n, s) : diag_of(pair, dim, mu);
            const REAL D0 = weight(ref.d, diag);
            if (dim > 1 && !contacts.elliptic) {
                REAL sum = by_D0;
                for (int r = 1; r < dim; ++r)
                    sum += adj_D[r * s];
                const REAL soft = softness_of(mu);
                by_D0 = sum * (REAL)0.5 / soft;
                if (mu * mu / contacts.impratio >= LEAST_SOFTNESS)
                    by_friction[0] -= sum * D0 * (REAL)0.5 / (soft * soft) * 2 * mu / contacts.impratio;
            } else {
                for (int r = 1; r < dim; ++r) {
                    const REAL ratio = p.friction[r - 1] / mu;
                    const REAL by_ratio = adj_D[r * s] * D0 * contacts.impratio * 2 * ratio;
                    by_D0 += adj_D[r * s] * contacts.impratio * ratio * ratio;
                    by_friction[r - 1] += by_ratio / mu;
                    by_friction[0] -= by_ratio * ratio / mu;
                }
            }
            by_d += by_D0 * weight_by_impedance(ref.d, diag, D0);
            REAL by_diag = by_D0 * weight_by_diag(ref.d, diag, D0);
            REAL* z = ROW(diagonals.z);
            if (exact) {
                const REAL* x = ROW(diagonals.exact_x);
                for (int k = 0; k < nx; ++k)
                    z[k * s] = by_diag * x[k * s];
                subtract_product(z, x, ROW(to_qM), s);
                if (lean != 0)
                    for (int e = 0; e < n; ++e)
                        by_friction[0] += 2 * J[(width + e) * s] * z[dof[e] * s];
            } else if (dim > 1 && !contacts.elliptic) {
                const REAL slant = 1 + mu * mu;
                by_friction[0] += by_diag * diag / slant * 2 * mu;
                by_diag *= slant;
            }
            if (to_parameters.body_invweight0.data && !exact)
                for (int side = 0; side < 2; ++side) {
                    const int body = pairs.cpair_body.data[2 * pair + side];
                    add_to_shared(item(to_parameters.body_invweight0, body), &by_diag, 1);
                }

            // parameters, and the distance
            REAL by_solref[2] = {0, 0}, by_solimp[5] = {0, 0, 0, 0, 0}, by_own[2] = {0, 0};
            if (!p.solref_friction)
                by_B += by_B_friction;
            REAL by_high = adjoint_of_gains(p.solref, high, by_K, by_B, by_solref);
            if (p.solref_friction) {
                by_high += adjoint_of_gains(p.solref_friction, high, 0, by_B_friction, by_own);
                const int own = pairs.cpair_explicit.data[pair];
                if (to_parameters.pair_solreffriction.data)
                    add_to_shared(item(to_parameters.pair_solreffriction, own), by_own, 2);
            }
            by_solimp[1] += by_high * inside(p.solimp[1]);
            by_violation += adjoint_of_impedance(p.solimp, violation, by_d, by_solimp);
            SLOT(to_geometry.con_dist)[0] += by_violation;
            add_parameters(pair, by_friction, by_solref, by_solimp);

            // J: by motion axes, position and frame
            REAL* adj_pos = SLOT(to_geometry.con_pos);
            REAL* adj_frame = SLOT(to_geometry.con_frame);
            for (int e = 0; e < n; ++e) {
                const REAL* turn = item(geometry.cdof, dof[e]);
                const REAL* origin = item(geometry.xref, pairs.dof_bodyid.data[dof[e]]);
                REAL* adj_cdof = item(to_geometry.cdof, dof[e]);
                const REAL arm[3] = {pos[0] - origin[0], pos[1] - origin[1], pos[2] - origin[2]};
                REAL move[3], by_move[3] = {0, 0, 0}, by_turn[3] = {0, 0, 0}, more[3];
                cross(turn, arm, move);
                for (int k = 0; k < 3; ++k)
                    move[k] += turn[3 + k];
                const REAL rate = velocity[dof[e] * s];
                REAL by_rate = 0;
                for (int r = 0; r < dim; ++r) {
                    REAL by_J = adj_J[(r * width + e) * s] + by_v[r] * rate;
                    if (exact && r < 2)
                        by_J += (r == 0 ? 2 : 2 * lean) * z[dof[e] * s];
                    const REAL g = sign[e] * by_J;
                    by_rate += by_v[r] * J[(r * width + e) * s];
                    const int axis = r < 3 ? 3 * r : 3 * (r - 3);
                    REAL* to = r < 3 ? by_move : by_turn;
                    const REAL* along = r < 3 ? move : turn;
                    for (int k = 0; k < 3; ++k) {
                        to[k] += g * frame[axis + k];
                        adj_frame[axis + k] += g * along[k];
                    }
                }
                adj_velocity[dof[e] * s] += by_rate;
                cross(arm, by_move, more);
                for (int k = 0; k < 3; ++k) {
                    adj_cdof[k] += by_turn[k] + more[k];
                    adj_cdof[3 + k] += by_move[k];
                }
                cross(by_move, turn, more);
                for (int k = 0; k < 3; ++k)
                    adj_pos[k] += more[k];
            }
        });
    };
"""
for _name, _number in (
    ("EXPLICIT", PARAMS_EXPLICIT),
    ("MIN_MU", f"(REAL){MIN_MU}"),
    ("LEAST_SOFTNESS", f"(REAL){LEAST_SOFTNESS}"),
):
    _ADJOINT = _ADJOINT.replace(_name, str(_number))


_FORWARD = REFERENCE + _VECTORS + _PARAMETERS + _EACH + _EXACT + _FORWARD
_ADJOINT = REFERENCE + _VECTORS + _PARAMETERS + _EACH + _EXACT + SUBTRACT_PRODUCT + _ADJOINT


@wp.func_native(snippet=snippet(_FORWARD, "contacts.con_J", 3))
def write_contact_rows(
    w: int,
    pairs: PairTable,
    parameters: ContactParameters,
    softness: Softness,
    geometry: ContactGeometry,
    surfaces: Surfaces,
    diagonals: Diagonals,
    qvel: wp.array2d(dtype=real),
    contacts: Contacts,
): ...


@untaped
def contact_rows(
    pairs: PairTable,
    parameters: ContactParameters,
    softness: Softness,
    geometry: ContactGeometry,
    surfaces: Surfaces,
    diagonals: Diagonals,
    qvel: wp.array2d(dtype=real),
    contacts: Contacts,
):
    """How many rows the contacts have, and their J, aref, D and friction.

    Those beyond their margin have none, or their normal if they stick.
    """
    write_contact_rows(wp.tid(), pairs, parameters, softness, geometry, surfaces, diagonals, qvel, contacts)


@wp.func_native(snippet=snippet(_ADJOINT, "contacts.con_J", 3))
def write_contact_rows_adjoint(
    w: int,
    pairs: PairTable,
    parameters: ContactParameters,
    softness: Softness,
    geometry: ContactGeometry,
    surfaces: Surfaces,
    diagonals: Diagonals,
    qvel: wp.array2d(dtype=real),
    contacts: Contacts,
    to_parameters: ContactParameters,
    to_geometry: ContactGeometry,
    to_surfaces: Surfaces,
    to_qvel: wp.array2d(dtype=real),
    to_contacts: Contacts,
    to_qM: wp.array2d(dtype=real),
): ...


@untaped
def contact_rows_adjoint(
    pairs: PairTable,
    parameters: ContactParameters,
    softness: Softness,
    geometry: ContactGeometry,
    surfaces: Surfaces,
    diagonals: Diagonals,
    qvel: wp.array2d(dtype=real),
    contacts: Contacts,
    adj_parameters: ContactParameters,
    adj_geometry: ContactGeometry,
    adj_surfaces: Surfaces,
    adj_qvel: wp.array2d(dtype=real),
    adj_contacts: Contacts,
    adj_qM: wp.array2d(dtype=real),
):
    """From the gradients of J, aref, D and friction to those of geometry, surfaces, motion axes, velocity and
    parameters."""
    write_contact_rows_adjoint(
        wp.tid(), pairs, parameters, softness, geometry, surfaces, diagonals, qvel, contacts, adj_parameters,
        adj_geometry, adj_surfaces, adj_qvel, adj_contacts, adj_qM,
    )  # fmt: skip
