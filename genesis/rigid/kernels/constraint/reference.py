"""Reference acceleration and D of constraints (MuJoCo: mj_makeImpedance, mj_referenceConstraint), and their adjoints.

    aref = -B v - K d pos - bias        D = 1 / max(R_min, (1 - d) / d * diag)

with v = J qvel, pos the violation [m, rad] (friction loss: 0), bias = dJ/dt qvel where the kind has it, the impedance d
a function of pos and solimp, stiffness K and damping B functions of solref and solimp, and diag the approximate inverse
inertia that the constraint feels. The rows of a block share d, which goes by the norm of their positions.

The functions of solref and solimp are text, for the rows here and for contacts; each is followed by its derivative.
"""

import warp as wp

from genesis.model.rows import EQUALITY
from genesis.rigid.kernels.constraint.groups import RowInputs, Rows, Softness
from genesis.rigid.kernels.sparse import snippet
from genesis.types import real, untaped

MIN_VALUE = 1.0e-15  # mjMINVAL
_NUMBERS = {
    "MIN_VALUE": f"(REAL){MIN_VALUE}",
    "MIN_IMPEDANCE": "(REAL)0.0001",  # mjMINIMP
    "MAX_IMPEDANCE": "(REAL)0.9999",  # mjMAXIMP
}

# reference(solref, solimp, violation) -> Reference: impedance d, K, B.
# Their adjoints add to the gradients of solref and solimp.
REFERENCE = """
    struct Reference { REAL d, K, B; };
    auto clamped = [](REAL x) {
        return x < MIN_IMPEDANCE ? MIN_IMPEDANCE : (x > MAX_IMPEDANCE ? MAX_IMPEDANCE : x);
    };
    // derivative of `clamped`
    auto inside = [](REAL x) { return (REAL)(x >= MIN_IMPEDANCE && x <= MAX_IMPEDANCE); };
    auto raised = [](REAL base, REAL power) {
        return power == 1 ? base : (power == 2 ? base * base : wp::pow(base, power));
    };
    auto impedance = [&](const REAL* p, REAL violation) {
        const REAL low = clamped(p[0]), high = clamped(p[1]), mid = clamped(p[3]);
        const REAL power = p[4] > 1 ? p[4] : (REAL)1;
        if (p[2] <= MIN_VALUE)
            return (REAL)0.5 * (low + high);
        const REAL x = wp::abs(violation) / p[2];
        if (x >= 1)
            return high;
        if (!(x > 0))
            return low;
        REAL y = x;
        // quotients first: powers of each alone underflow
        if (power > 1 && x <= mid)
            y = x * raised(x / mid, power - 1);
        else if (power > 1)
            y = 1 - (1 - x) * raised((1 - x) / (1 - mid), power - 1);
        return low + y * (high - low);
    };
    auto adjoint_of_impedance = [&](const REAL* p, REAL violation, REAL adj, REAL* to) {
        const REAL low = clamped(p[0]), high = clamped(p[1]), mid = clamped(p[3]);
        const REAL power = p[4] > 1 ? p[4] : (REAL)1;
        REAL y = 0, by_x = 0, by_mid = 0, by_power = 0, x = 0;
        if (p[2] <= MIN_VALUE) {
            y = (REAL)0.5;
        } else {
            x = wp::abs(violation) / p[2];
            if (x >= 1) {
                y = 1;
            } else if (x > 0 && x <= mid) {
                const REAL below = raised(x / mid, power - 1);
                y = x * below;
                by_x = power * below;
                by_mid = -(power - 1) * y / mid;
                by_power = y * wp::log(x / mid);
            } else if (x > 0) {
                const REAL below = raised((1 - x) / (1 - mid), power - 1);
                y = 1 - (1 - x) * below;
                by_x = power * below;
                by_mid = -(power - 1) * (1 - y) / (1 - mid);
                by_power = -(1 - y) * wp::log((1 - x) / (1 - mid));
            }
        }
        const REAL rise = (high - low) * adj;
        to[0] += adj * (1 - y) * inside(p[0]);
        to[1] += adj * y * inside(p[1]);
        to[3] += rise * by_mid * inside(p[3]);
        if (p[4] >= 1)
            to[4] += rise * by_power;
        if (by_x == 0)
            return (REAL)0;
        to[2] -= rise * by_x * x / p[2];
        return rise * by_x * (violation < 0 ? (REAL)-1 : (REAL)1) / p[2];
    };
    // In standard format (time constant, damping ratio), at least two steps (MuJoCo: flag refsafe).
    auto time_constant = [&](REAL given) {
        return softness.refsafe && given < 2 * softness.timestep ? 2 * softness.timestep : given;
    };
    auto larger_of = [](REAL a, REAL b) { return a > b ? a : b; };
    auto stiffness = [&](const REAL* r, REAL high) {
        if (!(r[0] > 0))
            return -r[0] / (high * high);
        const REAL t = time_constant(r[0]);
        return 1 / larger_of(MIN_VALUE, high * high * t * t * r[1] * r[1]);
    };
    auto damping = [&](const REAL* r, REAL high) {
        if (!(r[1] > 0))
            return -r[1] / high;
        return 2 / larger_of(MIN_VALUE, high * (r[0] > 0 ? time_constant(r[0]) : r[0]));
    };
    // Of K and B; returns the gradient of `high`, the largest impedance.
    auto adjoint_of_gains = [&](const REAL* r, REAL high, REAL adj_K, REAL adj_B, REAL* to) {
        const REAL K = stiffness(r, high), B = damping(r, high);
        const REAL t = r[0] > 0 ? time_constant(r[0]) : r[0];
        const REAL free = (REAL)(t == r[0]);
        REAL by_high = 0, by0 = 0, by1 = 0;
        if (!(r[0] > 0)) {
            by_high -= 2 * adj_K * K / high;
            by0 -= adj_K / (high * high);
        } else if (high * high * t * t * r[1] * r[1] > MIN_VALUE) {
            by_high -= 2 * adj_K * K / high;
            by0 -= 2 * adj_K * K / t * free;
            by1 -= 2 * adj_K * K / r[1];
        }
        if (!(r[1] > 0)) {
            by_high -= adj_B * B / high;
            by1 -= adj_B / high;
        } else if (high * t > MIN_VALUE) {
            by_high -= adj_B * B / high;
            by0 -= adj_B * B / t * free;
        }
        to[0] += by0;
        to[1] += by1;
        return by_high;
    };
    // Gradients of parameters: the envs, which may run at once, can share one row of them.
    auto add_to_shared = [](REAL* to, const REAL* x, int n) {
        for (int k = 0; k < n; ++k)
            wp::atomic_add(to + k, x[k]);
    };
    auto reference = [&](const REAL* r, const REAL* p, REAL violation) {
        const REAL high = clamped(p[1]);
        return Reference{impedance(p, violation), stiffness(r, high), damping(r, high)};
    };
    // D, and its derivatives by the impedance and by diag
    auto weight = [&](REAL d, REAL diag) { return 1 / larger_of(MIN_VALUE, (1 - d) / d * diag); };
    auto weight_by_impedance = [&](REAL d, REAL diag, REAL D) {
        return (1 - d) / d * diag > MIN_VALUE ? D * D * diag / (d * d) : (REAL)0;
    };
    auto weight_by_diag = [&](REAL d, REAL diag, REAL D) {
        return (1 - d) / d * diag > MIN_VALUE ? -D * D * (1 - d) / d : (REAL)0;
    };
"""
for _name, _number in _NUMBERS.items():
    REFERENCE = REFERENCE.replace(_name, _number)


# Of the active blocks: visit(first row, number of rows, solref, solimp, impedance's violation).
_BLOCKS = """
    const int* bounds = inputs.efc_block_adr.data;
    const int* active = INTEGERS(rows.efc_active);
    const int* soft = inputs.efc_softness.data;
    const int* dof_adr = rows.efc_dof_adr.data;
    const int* dofs = rows.efc_dof.data;
    auto violation_of = [&](const REAL* pos, int first, int dim, auto s) {
        if (dim == 1)
            return pos[first * s];
        REAL sum = 0;
        for (int k = 0; k < dim; ++k)
            sum += pos[(first + k) * s] * pos[(first + k) * s];
        return wp::sqrt(sum);
    };
    auto each_block = [&](auto visit) {
        for (int b = 0; b < inputs.efc_softness.shape[0]; ++b)
            if (active[bounds[b]])
                visit(bounds[b], bounds[b + 1] - bounds[b], item(efc_solref, soft[b]), item(efc_solimp, soft[b]),
                      soft[b]);
    };
"""

_FORWARD = """
    auto run = [&](auto s) {
        const REAL* J = ROW(rows.efc_J);
        const REAL* pos = ROW(inputs.efc_pos);
        const REAL* bias = ROW(inputs.efc_bias);
        const REAL* diag = ROW(inputs.efc_diag);
        const REAL* velocity = ROW(qvel);
        REAL* aref = ROW(rows.efc_aref);
        REAL* D = ROW(rows.efc_D);
        int* list = INTEGERS(rows.efc_list);
        int count = 0;
        each_block([&](int first, int dim, const REAL* r, const REAL* p, int) {
            const Reference ref = reference(r, p, violation_of(pos, first, dim, s));
            for (int i = first; i < first + dim; ++i) {
                list[count++] = i;
                REAL v = 0;
                for (int e = dof_adr[i]; e < dof_adr[i + 1]; ++e)
                    v += J[e * s] * velocity[dofs[e] * s];
                aref[i * s] = -ref.B * v - ref.K * ref.d * pos[i * s];
                if (rows.efc_law.data[i] == EQUALITY)
                    aref[i * s] -= bias[i * s];
                D[i * s] = weight(ref.d, diag[i * s]);
            }
        });
        (INTEGERS(rows.efc_count))[0] = count;
    };
"""
_FORWARD = _FORWARD.replace("EQUALITY", str(EQUALITY))

_ADJOINT = """
    auto run = [&](auto s) {
        const REAL* J = ROW(rows.efc_J);
        const REAL* pos = ROW(inputs.efc_pos);
        const REAL* diag = ROW(inputs.efc_diag);
        const REAL* velocity = ROW(qvel);
        const REAL* D = ROW(rows.efc_D);
        const REAL* adj_aref = ROW(to_rows.efc_aref);
        const REAL* adj_D = ROW(to_rows.efc_D);
        REAL* adj_J = ROW(to_rows.efc_J);
        REAL* adj_pos = ROW(to_inputs.efc_pos);
        REAL* adj_bias = ROW(to_inputs.efc_bias);
        REAL* adj_diag = ROW(to_inputs.efc_diag);
        REAL* adj_velocity = ROW(to_qvel);
        each_block([&](int first, int dim, const REAL* r, const REAL* p, int soft_row) {
            const REAL violation = violation_of(pos, first, dim, s);
            const Reference ref = reference(r, p, violation);
            REAL by_d = 0, by_K = 0, by_B = 0;
            for (int i = first; i < first + dim; ++i) {
                const REAL g = adj_aref[i * s];
                REAL v = 0;
                for (int e = dof_adr[i]; e < dof_adr[i + 1]; ++e) {
                    v += J[e * s] * velocity[dofs[e] * s];
                    adj_J[e * s] -= ref.B * g * velocity[dofs[e] * s];
                    adj_velocity[dofs[e] * s] -= ref.B * g * J[e * s];
                }
                by_B -= g * v;
                by_K -= g * ref.d * pos[i * s];
                by_d -= g * ref.K * pos[i * s];
                by_d += adj_D[i * s] * weight_by_impedance(ref.d, diag[i * s], D[i * s]);
                adj_diag[i * s] += adj_D[i * s] * weight_by_diag(ref.d, diag[i * s], D[i * s]);
                adj_pos[i * s] -= g * ref.K * ref.d;
                if (rows.efc_law.data[i] == EQUALITY)
                    adj_bias[i * s] -= g;
            }
            REAL by_solref[2] = {0, 0}, by_solimp[5] = {0, 0, 0, 0, 0};
            by_solimp[1] = adjoint_of_gains(r, clamped(p[1]), by_K, by_B, by_solref) * inside(p[1]);
            const REAL by_violation = adjoint_of_impedance(p, violation, by_d, by_solimp);
            if (to_efc_solref.data) {
                add_to_shared(item(to_efc_solref, soft_row), by_solref, 2);
                add_to_shared(item(to_efc_solimp, soft_row), by_solimp, 5);
            }
            if (dim == 1)
                adj_pos[first * s] += by_violation;
            else if (violation > 0)
                for (int i = first; i < first + dim; ++i)
                    adj_pos[i * s] += by_violation * pos[i * s] / violation;
        });
    };
"""
_ADJOINT = _ADJOINT.replace("EQUALITY", str(EQUALITY))


@wp.func_native(snippet=snippet(REFERENCE + _BLOCKS + _FORWARD, "rows.efc_J"))
def write_references(
    w: int,
    rows: Rows,
    inputs: RowInputs,
    softness: Softness,
    efc_solref: wp.array3d(dtype=real),
    efc_solimp: wp.array3d(dtype=real),
    qvel: wp.array2d(dtype=real),
): ...


@untaped
def row_references(
    rows: Rows,
    inputs: RowInputs,
    softness: Softness,
    efc_solref: wp.array3d(dtype=real),
    efc_solimp: wp.array3d(dtype=real),
    qvel: wp.array2d(dtype=real),
):
    """aref and D of the active rows, and the list of these."""
    write_references(wp.tid(), rows, inputs, softness, efc_solref, efc_solimp, qvel)


@wp.func_native(snippet=snippet(REFERENCE + _BLOCKS + _ADJOINT, "rows.efc_J"))
def write_references_adjoint(
    w: int,
    rows: Rows,
    inputs: RowInputs,
    softness: Softness,
    efc_solref: wp.array3d(dtype=real),
    efc_solimp: wp.array3d(dtype=real),
    qvel: wp.array2d(dtype=real),
    to_rows: Rows,
    to_inputs: RowInputs,
    to_efc_solref: wp.array3d(dtype=real),
    to_efc_solimp: wp.array3d(dtype=real),
    to_qvel: wp.array2d(dtype=real),
): ...


@untaped
def row_references_adjoint(
    rows: Rows,
    inputs: RowInputs,
    softness: Softness,
    efc_solref: wp.array3d(dtype=real),
    efc_solimp: wp.array3d(dtype=real),
    qvel: wp.array2d(dtype=real),
    adj_rows: Rows,
    adj_inputs: RowInputs,
    adj_efc_solref: wp.array3d(dtype=real),
    adj_efc_solimp: wp.array3d(dtype=real),
    adj_qvel: wp.array2d(dtype=real),
):
    """From the gradients of aref and D to those of J, qvel, positions, biases, diag, solref and solimp."""
    write_references_adjoint(
        wp.tid(), rows, inputs, softness, efc_solref, efc_solimp, qvel, adj_rows, adj_inputs, adj_efc_solref,
        adj_efc_solimp, adj_qvel,
    )  # fmt: skip
