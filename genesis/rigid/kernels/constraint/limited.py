"""Friction of one contact inside its ellipsoid, for the sweeps against slip (MuJoCo: mju_QCQP), and its adjoint.

    x minimises x' A x / 2 + b' x  where  |x_r / mu_r| <= radius,  up to five directions r

With v = x / mu, S = mu A mu and c = mu b, Newton's method finds the multiplier l of the limit, from l = 0 on:

    v = -(S + l)^-1 c,   l <- l + (v' v - radius^2) / (2 v' (S + l)^-1 v)

for as long as v is outside, at most twenty times; then v is scaled to the radius. Where mu differs by decades, as
rolling friction does from sliding, twenty are not enough: x is on the ellipsoid, but not the best there. The adjoint
is therefore that of the iterations that were made, not of the minimum. Parts of native functions
(:mod:`genesis.rigid.kernels.constraint.noslip`).
"""

# ``solve_shifted``: x = (S + shift)^-1 x with the factor that ``factor_shifted`` leaves in L; it says whether there is
# one. ``limited`` says how often the multiplier was changed (0: the limit does not matter), or that there is no factor.
LIMITED = """
    const REAL LEAST = (REAL)1e-15, SINGULAR = (REAL)1e-10;  // mjMINVAL, and what MuJoCo takes for no pivot
    const REAL NONE = -1;  // no friction
    const int MOST_TRIALS = 20;
    auto factor_shifted = [&](int n, const auto& S, REAL shift, auto& L) {
        REAL det = 1;
        for (int i = 0; i < n; ++i) {
            for (int j = 0; j <= i; ++j) {
                REAL sum = i == j ? S[i][i] + shift : S[i][j];
                for (int k = 0; k < j; ++k)
                    sum -= L[i][k] * L[j][k];
                if (j < i) {
                    L[i][j] = sum / L[j][j];
                } else {
                    det *= sum;
                    if (!(sum > 0) || (n > 3 ? sum : det) < (n > 3 || i == n - 1 ? SINGULAR : (REAL)0))
                        return false;
                    L[i][i] = wp::sqrt(sum);
                }
            }
        }
        return true;
    };
    auto solve_shifted = [&](int n, const auto& L, REAL* x) {
        for (int i = 0; i < n; ++i) {
            for (int k = 0; k < i; ++k)
                x[i] -= L[i][k] * x[k];
            x[i] /= L[i][i];
        }
        for (int i = n - 1; i >= 0; --i) {
            for (int k = i + 1; k < n; ++k)
                x[i] -= L[k][i] * x[k];
            x[i] /= L[i][i];
        }
    };
    auto dot = [&](int n, const REAL* a, const REAL* b) {
        REAL sum = 0;
        for (int r = 0; r < n; ++r)
            sum += a[r] * b[r];
        return sum;
    };
    auto scaled_by = [&](int n, const auto& A, const REAL* mu, auto& S) {
        for (int r = 0; r < n; ++r)
            for (int k = 0; k < n; ++k)
                S[r][k] = A[r][k] * mu[r] * mu[k];
    };
    auto limited = [&](int n, const auto& A, const REAL* b, const REAL* mu, REAL radius, REAL* x) {
        REAL S[5][5], L[5][5], v[5], step[5], multiplier = 0;
        int changes = 0;
        scaled_by(n, A, mu, S);
        for (int trial = 0; trial < MOST_TRIALS; ++trial) {
            if (!factor_shifted(n, S, multiplier, L)) {
                for (int r = 0; r < n; ++r)
                    x[r] = 0;
                return NONE;
            }
            for (int r = 0; r < n; ++r)
                v[r] = -b[r] * mu[r];
            solve_shifted(n, L, v);
            const REAL beyond = dot(n, v, v) - radius * radius;
            if (beyond < SINGULAR)
                break;
            for (int r = 0; r < n; ++r)
                step[r] = v[r];
            solve_shifted(n, L, step);
            const REAL change = beyond / (2 * dot(n, v, step));
            if (change < SINGULAR)
                break;
            multiplier += change;
            ++changes;
        }
        const REAL length = wp::sqrt(dot(n, v, v));
        const REAL scale = changes > 0 ? radius / (length < LEAST ? LEAST : length) : (REAL)1;
        for (int r = 0; r < n; ++r)
            x[r] = scale * v[r] * mu[r];
        return (REAL)changes;
    };
"""

# The trials again, then back, where x received g. A trial:  v = -(S + l)^-1 c,  s = (S + l)^-1 v,  d = v' s,
# change = (v' v - radius^2) / (2 d).  What changed l received h:
#
#   dL/dv += h (v / d - 2 change / d s),  dL/dS += h change / d s s',  dL/dl += h (1 + change / d s' s),
#   dL/dradius -= h radius / d;   then with p = (S + l)^-1 dL/dv:  dL/dc -= p,  dL/dS -= p v',  dL/dl -= p' v
#
# ``changes``: what ``limited`` said, not less than 0. Gradients are written, that of the radius is returned.
LIMITED_ADJOINT = """
    auto limited_adjoint = [&](int n, const auto& A, const REAL* b, const REAL* mu, REAL radius, int changes,
                               const REAL* g, auto& by_A, REAL* by_b, REAL* by_mu) {
        REAL S[5][5], L[5][5], by_S[5][5], by_v[5], v[MOST_TRIALS][5], step[MOST_TRIALS][5];
        REAL multiplier[MOST_TRIALS], change[MOST_TRIALS], by_multiplier = 0, by_radius = 0;
        const int last = changes < MOST_TRIALS ? changes : MOST_TRIALS - 1;
        scaled_by(n, A, mu, S);
        for (int r = 0; r < n; ++r) {
            by_b[r] = by_mu[r] = 0;
            for (int k = 0; k < n; ++k)
                by_S[r][k] = by_A[r][k] = 0;
        }
        multiplier[0] = 0;
        for (int t = 0; t <= last; ++t) {
            if (!factor_shifted(n, S, multiplier[t], L))
                return by_radius;
            for (int r = 0; r < n; ++r)
                v[t][r] = -b[r] * mu[r];
            solve_shifted(n, L, v[t]);
            if (t == last)
                break;
            for (int r = 0; r < n; ++r)
                step[t][r] = v[t][r];
            solve_shifted(n, L, step[t]);
            change[t] = (dot(n, v[t], v[t]) - radius * radius) / (2 * dot(n, v[t], step[t]));
            multiplier[t + 1] = multiplier[t] + change[t];
        }

        // x = scale mu v of the last trial
        for (int r = 0; r < n; ++r)
            by_v[r] = mu[r] * g[r];
        REAL scale = 1;
        if (changes > 0) {
            const REAL length = wp::sqrt(dot(n, v[last], v[last])), divisor = length < LEAST ? LEAST : length;
            const REAL along = dot(n, v[last], by_v) / divisor;
            scale = radius / divisor;
            by_radius = along;
            for (int r = 0; r < n; ++r)
                by_v[r] = scale * (by_v[r] - (length < LEAST ? (REAL)0 : along * v[last][r] / length));
        }
        for (int r = 0; r < n; ++r)
            by_mu[r] = scale * v[last][r] * g[r];
        for (int t = last; t >= 0; --t) {
            factor_shifted(n, S, multiplier[t], L);
            if (t < last) {
                const REAL h = by_multiplier / dot(n, v[t], step[t]), bent = h * change[t];
                by_radius -= h * radius;
                by_multiplier += bent * dot(n, step[t], step[t]);
                for (int r = 0; r < n; ++r) {
                    by_v[r] = h * v[t][r] - 2 * bent * step[t][r];
                    for (int k = 0; k < n; ++k)
                        by_S[r][k] += bent * step[t][r] * step[t][k];
                }
            }
            solve_shifted(n, L, by_v);
            by_multiplier -= dot(n, by_v, v[t]);
            for (int r = 0; r < n; ++r) {
                by_b[r] -= by_v[r] * mu[r];
                by_mu[r] -= by_v[r] * b[r];
                for (int k = 0; k < n; ++k)
                    by_S[r][k] -= by_v[r] * v[t][k];
            }
        }
        for (int r = 0; r < n; ++r)
            for (int k = 0; k < n; ++k) {
                by_A[r][k] = by_S[r][k] * mu[r] * mu[k];
                by_mu[r] += (by_S[r][k] + by_S[k][r]) * A[r][k] * mu[k];
            }
        // without the limit, mu cancels
        for (int r = 0; r < n && changes == 0; ++r)
            by_mu[r] = 0;
        return by_radius;
    };
"""
