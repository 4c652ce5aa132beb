"""Potentials of rows and contacts: value, force, second derivative at the residual y = J qacc - aref, and adjoints.

What each is, is said in :mod:`genesis.rigid.kernels.constraint`. They are parts of native functions
(:mod:`genesis.rigid.kernels.constraint.sums`). Those of contacts are functions of the number of rows ``dim``, of y
(adjacent), of D and of the friction coefficients ``mu`` (a stride s apart).
"""

from genesis.model.rows import EQUALITY, FRICTION

# A row's force and stiffness, minus the derivative of the force by y; its potential follows from both. ``row_fall`` is
# what the potential loses from y - move to y: exactly nothing where nothing moves, however large it is there.
ROW_LAW = """
    auto row_force = [](int law, REAL y, REAL D, REAL loss, REAL& stiffness) {
        REAL f = -D * y;
        stiffness = D;
        if (law == EQUALITY)
            return f;
        if (law == FRICTION) {
            if (f > loss) {
                stiffness = 0;
                f = loss;
            } else if (f < -loss) {
                stiffness = 0;
                f = -loss;
            }
        } else if (!(y < 0)) {
            stiffness = 0;
            f = 0;
        }
        return f;
    };
    auto row_potential = [](REAL y, REAL D, REAL f, REAL stiffness) {
        return stiffness != 0 ? (REAL)-0.5 * f * y : -f * y - (REAL)0.5 * f * f / D;
    };
    auto row_fall = [&](int law, REAL y, REAL move, REAL D, REAL loss) {
        REAL stiffness, stiffness_before;
        const REAL f = row_force(law, y, D, loss, stiffness);
        const REAL f_before = row_force(law, y - move, D, loss, stiffness_before);
        if (stiffness == stiffness_before && (stiffness != 0 || f == f_before))
            return (REAL)0.5 * (f_before + f) * move;
        return row_potential(y - move, D, f_before, stiffness_before) - row_potential(y, D, f, stiffness);
    };
""".replace("EQUALITY", str(EQUALITY)).replace("FRICTION", str(FRICTION))

# Length of the scaled tangential residual, and the two conditions on it; ``cone`` is mu of the regularised cone.
_CONE = """
        const REAL cone = elliptic ? mu[0] / wp::sqrt(impratio) : (REAL)0;
        auto negative = [](REAL x) { return x < 0 ? x : (REAL)0; };
"""

# The potential; ``force`` is minus its gradient. Where the force is not zero, neither is its first entry.
CONTACT_POTENTIAL = f"""
    auto potential = [&](auto dim, const REAL* y, const REAL* D, const REAL* mu, auto s, REAL* force) {{
        {_CONE}
        REAL cost = 0;
        for (int r = 0; r < dim; ++r)
            force[r] = 0;
        if (dim == 1) {{
            const REAL x = negative(y[0]);
            cost = (REAL)0.5 * D[0] * x * x;
            force[0] = -D[0] * x;
        }} else if (!elliptic) {{
            for (int r = 1; r < dim; ++r) {{
                const REAL across = mu[(r - 1) * s] * y[r];
                const REAL plus = negative(y[0] + across), minus = negative(y[0] - across);
                cost += (REAL)0.5 * D[0] * (plus * plus + minus * minus);
                force[0] -= D[0] * (plus + minus);
                force[r] = -D[0] * mu[(r - 1) * s] * (plus - minus);
            }}
        }} else {{
            REAL tangent2 = 0;
            for (int r = 1; r < dim; ++r)
                tangent2 += mu[(r - 1) * s] * y[r] * mu[(r - 1) * s] * y[r];
            const REAL normal = cone * y[0], tangent = wp::sqrt(tangent2);
            if (normal >= cone * tangent) {{
            }} else if (cone * normal + tangent <= 0) {{
                for (int r = 0; r < dim; ++r) {{
                    cost += (REAL)0.5 * D[r * s] * y[r] * y[r];
                    force[r] = -D[r * s] * y[r];
                }}
            }} else {{
                const REAL excess = normal - cone * tangent;
                const REAL scale = D[0] / (cone * cone * (1 + cone * cone)) * excess;
                cost = (REAL)0.5 * scale * excess;
                force[0] = -scale * cone;
                for (int r = 1; r < dim; ++r)
                    force[r] = scale * cone * mu[(r - 1) * s] * mu[(r - 1) * s] * y[r] / tangent;
            }}
        }}
        return cost;
    }};
"""

# First and second derivative of the potential by alpha, where y changes at the rate v; added to slope and curvature.
CONTACT_SLOPE = f"""
    auto add_slope = [&](auto dim, const REAL* y, const REAL* v, const REAL* D, const REAL* mu, auto s) {{
        {_CONE}
        if (dim == 1) {{
            if (y[0] < 0) {{
                slope += D[0] * y[0] * v[0];
                curvature += D[0] * v[0] * v[0];
            }}
        }} else if (!elliptic) {{
            REAL first = 0, second = 0;
            for (int r = 1; r < dim; ++r) {{
                const REAL across = mu[(r - 1) * s] * y[r], rate = mu[(r - 1) * s] * v[r];
                const REAL plus = negative(y[0] + across), minus = negative(y[0] - across);
                const REAL plus_rate = plus < 0 ? v[0] + rate : (REAL)0, minus_rate = minus < 0 ? v[0] - rate : (REAL)0;
                first += plus * plus_rate + minus * minus_rate;
                second += plus_rate * plus_rate + minus_rate * minus_rate;
            }}
            slope += D[0] * first;
            curvature += D[0] * second;
        }} else {{
            REAL uu = 0, uv = 0, vv = 0;
            for (int r = 1; r < dim; ++r) {{
                const REAL u = mu[(r - 1) * s] * y[r], du = mu[(r - 1) * s] * v[r];
                uu += u * u;
                uv += u * du;
                vv += du * du;
            }}
            const REAL normal = cone * y[0], tangent = wp::sqrt(uu);
            if (normal >= cone * tangent) {{
            }} else if (cone * normal + tangent <= 0) {{
                for (int r = 0; r < dim; ++r) {{
                    slope += D[r * s] * y[r] * v[r];
                    curvature += D[r * s] * v[r] * v[r];
                }}
            }} else {{
                const REAL scale = D[0] / (cone * cone * (1 + cone * cone));
                const REAL excess = normal - cone * tangent, rate = uv / tangent;
                const REAL excess_rate = cone * v[0] - cone * rate;
                slope += scale * excess * excess_rate;
                curvature += scale * (excess_rate * excess_rate - excess * cone * (vv - rate * rate) / tangent);
            }}
        }}
    }};
"""

# Second derivative of the potential. Where it is not zero, neither is its first entry.
CONTACT_HESSIAN = f"""
    auto hessian = [&](auto dim, const REAL* y, const REAL* D, const REAL* mu, auto s, auto C) {{
        {_CONE}
        for (int r = 0; r < dim; ++r)
            for (int k = 0; k < dim; ++k)
                C[r][k] = 0;
        if (dim == 1) {{
            C[0][0] = y[0] < 0 ? D[0] : (REAL)0;
        }} else if (!elliptic) {{
            for (int r = 1; r < dim; ++r) {{
                const REAL mu_r = mu[(r - 1) * s];
                const REAL plus = y[0] + mu_r * y[r] < 0 ? D[0] : (REAL)0;
                const REAL minus = y[0] - mu_r * y[r] < 0 ? D[0] : (REAL)0;
                C[0][0] += plus + minus;
                C[0][r] = C[r][0] = mu_r * (plus - minus);
                C[r][r] = mu_r * mu_r * (plus + minus);
            }}
        }} else {{
            REAL tangent2 = 0;
            for (int r = 1; r < dim; ++r)
                tangent2 += mu[(r - 1) * s] * y[r] * mu[(r - 1) * s] * y[r];
            const REAL normal = cone * y[0], tangent = wp::sqrt(tangent2);
            if (normal >= cone * tangent) {{
            }} else if (cone * normal + tangent <= 0) {{
                for (int r = 0; r < dim; ++r)
                    C[r][r] = D[r * s];
            }} else {{
                // potential: scale / 2 * excess^2;  gradient of excess: along
                const REAL scale = D[0] / (cone * cone * (1 + cone * cone));
                const REAL excess = normal - cone * tangent;
                REAL along[6];
                along[0] = cone;
                for (int r = 1; r < dim; ++r)
                    along[r] = -cone * mu[(r - 1) * s] * mu[(r - 1) * s] * y[r] / tangent;
                for (int r = 0; r < dim; ++r)
                    for (int k = 0; k < dim; ++k)
                        C[r][k] = scale * along[r] * along[k];
                for (int r = 1; r < dim; ++r) {{
                    C[r][r] -= scale * excess * cone * mu[(r - 1) * s] * mu[(r - 1) * s] / tangent;
                    for (int k = 1; k < dim; ++k)
                        C[r][k] += scale * excess * along[r] * along[k] / (cone * tangent);
                }}
            }}
        }}
    }};
"""

# Gradients of D and mu, where that of the force is ``F``; added to ``to_D`` and ``to_mu``. (That of y is -C F.)
#
# Pyramid: force . F is the sum over edges e = y[0] +- mu_r y[r] of -D e (F[0] +- mu_r F[r]). Middle zone of the
# elliptic cone, with T = |mu_r y_r|, S = sum of F_r mu_r^2 y_r / T and c the cone:
# force . F = D0 / (1 + c^2) (y[0] - T) (S - F[0]).
CONTACT_ADJOINT = f"""
    auto add_adjoint = [&](auto dim, const REAL* y, const REAL* F, const REAL* D, const REAL* mu, auto s, REAL* to_D,
                           REAL* to_mu) {{
        {_CONE}
        if (dim == 1) {{
            to_D[0] -= F[0] * negative(y[0]);
        }} else if (!elliptic) {{
            for (int r = 1; r < dim; ++r) {{
                const REAL mu_r = mu[(r - 1) * s];
                const REAL plus = negative(y[0] + mu_r * y[r]), minus = negative(y[0] - mu_r * y[r]);
                to_D[0] -= plus * (F[0] + mu_r * F[r]) + minus * (F[0] - mu_r * F[r]);
                const REAL by_plus = plus < 0 ? -D[0] * (F[0] + mu_r * F[r]) : (REAL)0;
                const REAL by_minus = minus < 0 ? -D[0] * (F[0] - mu_r * F[r]) : (REAL)0;
                to_mu[(r - 1) * s] += (by_plus - by_minus) * y[r] - D[0] * F[r] * (plus - minus);
            }}
        }} else {{
            REAL tangent2 = 0, along = 0;
            for (int r = 1; r < dim; ++r) {{
                const REAL mu_r = mu[(r - 1) * s];
                tangent2 += mu_r * y[r] * mu_r * y[r];
                along += F[r] * mu_r * mu_r * y[r];
            }}
            const REAL normal = cone * y[0], T = wp::sqrt(tangent2);
            if (normal >= cone * T) {{
            }} else if (cone * normal + T <= 0) {{
                for (int r = 0; r < dim; ++r)
                    to_D[r * s] -= F[r] * y[r];
            }} else {{
                const REAL share = 1 / (1 + cone * cone), S = along / T, rest = y[0] - T;
                to_D[0] += share * rest * (S - F[0]);
                to_mu[0] -= 2 * cone * share * share * D[0] * rest * (S - F[0]) / wp::sqrt(impratio);
                for (int r = 1; r < dim; ++r) {{
                    const REAL mu_r = mu[(r - 1) * s];
                    const REAL T_by_mu = mu_r * y[r] * y[r] / T;
                    const REAL S_by_mu = 2 * F[r] * mu_r * y[r] / T - S / T * T_by_mu;
                    to_mu[(r - 1) * s] += share * D[0] * (rest * S_by_mu - (S - F[0]) * T_by_mu);
                }}
            }}
        }}
    }};
"""
