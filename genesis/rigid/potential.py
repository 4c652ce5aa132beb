"""Potentials of the constraints: value, gradient and second derivative at the residual y = J qacc - aref.

What each is, is said in :mod:`genesis.rigid.constraint`, whose taped kernel evaluates the forces once more for their
adjoint. Those of contacts are parts of native functions (:mod:`genesis.rigid.contact_sums`): functions of the number of
rows ``dim``, of y (adjacent), of D and of the friction coefficients ``mu`` (a stride s apart).
"""

import warp as wp

from genesis.types import real

HALF = real(0.5)


@wp.func
def friction_loss_cost(y: real, D: real, loss: real) -> real:
    """Quadratic near zero, linear where the force would exceed ``loss``."""
    cost = HALF * D * y * y
    if wp.abs(D * y) > loss:
        cost = loss * wp.abs(y) - HALF * loss * loss / D
    return cost


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
