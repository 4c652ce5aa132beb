// Which features of two cores touch, and where: distance, position and normal as functions of both poses and sizes.
//
// A core touches with a feature: a vertex, an edge or a face of a polytope, a point of an ellipsoid, a rim, the side or a
// cap of a cylinder. Seen along the normal n, which points from A to B, a feature is a point s(n), a smooth function of
// n, and up to two directions E that are free: n is across them. The witnesses x1 = s1(n) + E1 t, x2 = s2(-n) + E2 u and
// the depth d satisfy
//
//     x1 - x2 = d n,   n . n = 1,   n . E1 = 0,   n . E2 = 0
//
// as many equations as unknowns (n, d, t, u). Newton's method on them makes a rough contact exact; the implicit function
// theorem on them gives its derivative. Their matrix is symmetric: with H = ds1/dn + ds2/dn, the curvatures of both,
//
//     [ H - d I   -n   E ]
//     [   -n'      0   0 ]
//     [   E'       0   0 ]
//
// A rim is a curve: one place along it is unknown too, its direction E is the tangent there, and the matrix has the
// curvature n . d2x/dt2 on its diagonal. (As a function of n it would turn without end where n is along the axis.)
//
// There is one solution if the free directions are independent. Where they are not (a face on a face, an edge along a
// face or along another edge), the contact is not unique: the shape with fewer free directions, else the second, then
// touches with the point that was found, fixed in its frame.
//
// Two POINTs are what is left where no features were found to touch: their normal is kept as it was found (the direction
// between them would turn without end as the depth goes to zero), and the depth is along it.

struct Feature {
    int kind;
    int v[3];     // vertices; of a rim or cap, v[0]: 1 at +z, 0 at -z
    // of MIX: the first two weights; of RIM: an angle near that of the point; of RING: the height; of CAP_POINT: x and y;
    // of POINT: x, y and z
    REAL par[3];
};

// Straight directions in which it is free, and unknown places along it.
auto free_directions = [](const Feature& f) {
    return f.kind == EDGE || f.kind == SIDE ? 1 : (f.kind == FACE || f.kind == CAP ? 2 : 0);
};
auto places_along = [&](const Feature& f) { return f.kind == RIM ? 1 : free_directions(f); };

// Point and free directions of a feature seen along ``outward`` (unit length), in the shape's frame, and the curvature
// ds/d(outward), symmetric; false if there is no curvature. ``t``: the place along a rim.
auto local_feature = [&](const Shape& s, const Feature& f, const REAL* outward, const REAL* t, REAL* point, Vector* free, REAL* H) {
    const REAL side = f.v[0] ? (REAL)1 : (REAL)-1;
    REAL x[3];
    for (int k = 0; k < 9; ++k)
        H[k] = 0;
    if (f.kind <= FACE) {
        corner(s, f.v[0], point);
        for (int k = 1; k < f.kind; ++k) {
            corner(s, f.v[k], x);
            minus(x, point, free[k - 1]);
        }
        return false;
    }
    if (f.kind == POINT) {
        copy3(f.par, point);
        return false;
    }
    if (f.kind == MIX) {
        const REAL weight[3] = {f.par[0], f.par[1], 1 - f.par[0] - f.par[1]};
        point[0] = point[1] = point[2] = 0;
        for (int k = 0; k < 3; ++k) {
            corner(s, f.v[k], x);
            add_scaled(point, weight[k], x);
        }
        return false;
    }
    if (f.kind == SMOOTH) {
        for (int k = 0; k < 3; ++k)
            x[k] = s.size[k] * outward[k];
        const REAL norm = length(x);
        for (int k = 0; k < 3; ++k)
            point[k] = s.size[k] * x[k] / norm;
        for (int i = 0; i < 3; ++i)
            for (int j = 0; j < 3; ++j)
                H[3 * i + j] = ((i == j ? s.size[i] * s.size[i] : (REAL)0) - point[i] * point[j]) / norm;
        return true;
    }
    if (f.kind == CAP || f.kind == CAP_POINT) {
        point[0] = f.kind == CAP ? (REAL)0 : f.par[0];
        point[1] = f.kind == CAP ? (REAL)0 : f.par[1];
        point[2] = side * s.size[1];
        for (int k = 0; k < 3; ++k) {
            free[0][k] = k == 0;
            free[1][k] = k == 1;
        }
        return false;
    }
    if (f.kind == RIM) {
        const REAL c = wp::cos(t[0]), d = wp::sin(t[0]);
        point[0] = s.size[0] * c;
        point[1] = s.size[0] * d;
        point[2] = side * s.size[1];
        free[0][0] = -point[1];
        free[0][1] = point[0];
        free[0][2] = 0;
        return false;
    }
    const REAL across = wp::sqrt(outward[0] * outward[0] + outward[1] * outward[1]);
    const REAL c = across > TINY ? outward[0] / across : (REAL)1, d = across > TINY ? outward[1] / across : (REAL)0;
    point[0] = s.size[0] * c;
    point[1] = s.size[0] * d;
    point[2] = f.kind == RING ? f.par[0] : (REAL)0;
    for (int k = 0; k < 3; ++k)
        free[0][k] = k == 2;
    if (across > TINY) {
        const REAL bend = s.size[0] / across;
        H[0] = bend * d * d;
        H[1] = H[3] = -bend * c * d;
        H[4] = bend * c * c;
    }
    return across > TINY;
};

// Two witnesses: see above. ``t``: places along the features of A, then of B.
struct Witness {
    REAL n[3], d, t[4];
};

// The system of two features at a point: unknowns (n, d, places).
struct System {
    REAL K[MOST_UNKNOWNS * MOST_UNKNOWNS], point[2][3], free[2][2][3], H[2][9];  // in the world
    bool bent[2];
    int n_free[2], size;
    REAL x[2][3];  // the points at their places
};

auto set_up = [&](const Shape& A, const Feature& fa, const Shape& B, const Feature& fb, const Witness& w, System& q) {
    const REAL* n = w.n;
    const REAL d = w.d;
    const Shape* shapes[2] = {&A, &B};
    const Feature* features[2] = {&fa, &fb};
    q.size = 4;
    for (int b = 0; b < 2; ++b) {
        const Shape& s = *shapes[b];
        REAL out[3], local[3], free[2][3], H[9], half[9];
        for (int k = 0; k < 3; ++k)
            out[k] = b ? -n[k] : n[k];
        rotate_back(s.mat, out, out);
        const REAL* t = b ? w.t + q.n_free[0] : w.t;
        q.bent[b] = local_feature(s, *features[b], out, t, local, free, H);
        rotate(s.mat, local, q.point[b]);
        for (int k = 0; k < 3; ++k)
            q.x[b][k] = q.point[b][k] += s.pos[k];
        q.n_free[b] = places_along(*features[b]);
        q.size += q.n_free[b];
        for (int k = 0; k < q.n_free[b]; ++k) {
            rotate(s.mat, free[k], q.free[b][k]);
            if (features[b]->kind != RIM)
                add_scaled(q.x[b], t[k], q.free[b][k]);
        }
        if (q.bent[b])
            for (int i = 0; i < 3; ++i)
                rotate(s.mat, H + 3 * i, half + 3 * i);  // rows of H mat'
        for (int i = 0; i < 3; ++i)
            for (int j = 0; j < 3; ++j) {
                q.H[b][3 * i + j] = 0;
                for (int k = 0; q.bent[b] && k < 3; ++k)
                    q.H[b][3 * i + j] += s.mat[3 * i + k] * half[3 * k + j];
            }
    }
    const int m = q.size;
    for (int k = 0; k < m * m; ++k)
        q.K[k] = 0;
    for (int i = 0; i < 3; ++i) {
        for (int j = 0; j < 3; ++j)
            q.K[m * i + j] = q.H[0][3 * i + j] + q.H[1][3 * i + j] - (i == j ? d : (REAL)0);
        q.K[m * i + 3] = q.K[3 * m + i] = -n[i];
        for (int b = 0, column = 4; b < 2; ++b)
            for (int k = 0; k < q.n_free[b]; ++k, ++column)
                q.K[m * i + column] = q.K[m * column + i] = b ? -q.free[b][k][i] : q.free[b][k][i];
    }
    // of a rim: n . d2x/dt2, which points from the rim to the axis
    for (int b = 0, column = 4; b < 2; column += q.n_free[b], ++b)
        if (features[b]->kind == RIM) {
            const Shape& s = *shapes[b];
            const REAL side = features[b]->v[0] ? s.size[1] : -s.size[1];
            REAL inward[3];
            for (int k = 0; k < 3; ++k)
                inward[k] = s.pos[k] + side * s.mat[3 * k + 2] - q.point[b][k];
            q.K[m * column + column] = b ? -dot(n, inward) : dot(n, inward);
        }
};

// Solves K y = y in place; an unknown that the equations leave open is set to zero. True if there was none.
auto solve_small = [&](REAL* K, int m, REAL* y) {
    bool definite = true;
    REAL scale[MOST_UNKNOWNS];
    int order[MOST_UNKNOWNS];
    for (int i = 0; i < m; ++i) {
        scale[i] = 0;
        order[i] = i;
        for (int j = 0; j < m; ++j)
            scale[i] = wp::max(scale[i], wp::abs(K[m * i + j]));
    }
    bool open[MOST_UNKNOWNS] = {};
    for (int c = 0; c < m; ++c) {
        int best = c;
        REAL most = -1;
        for (int r = c; r < m; ++r) {
            const REAL x = scale[order[r]] > 0 ? wp::abs(K[m * order[r] + c]) / scale[order[r]] : (REAL)0;
            if (x > most) {
                most = x;
                best = r;
            }
        }
        const int swap = order[c];
        order[c] = order[best];
        order[best] = swap;
        open[c] = !(most > SINGULAR);
        definite = definite && !open[c];
        if (open[c])
            continue;
        for (int r = c + 1; r < m; ++r) {
            const REAL factor = K[m * order[r] + c] / K[m * order[c] + c];
            if (factor == 0)
                continue;
            for (int j = c; j < m; ++j)
                K[m * order[r] + j] -= factor * K[m * order[c] + j];
            y[order[r]] -= factor * y[order[c]];
        }
    }
    REAL x[MOST_UNKNOWNS];
    for (int c = m - 1; c >= 0; --c) {
        x[c] = y[order[c]];
        for (int j = c + 1; j < m; ++j)
            x[c] -= K[m * order[c] + j] * x[j];
        x[c] = open[c] ? (REAL)0 : x[c] / K[m * order[c] + c];
    }
    for (int c = 0; c < m; ++c)
        y[c] = x[c];
    return definite;
};

// From an approximate normal to the exact contact of two features. False if there is none near: then all stays as it was.
auto settle = [&](const Shape& A, const Feature& fa, const Shape& B, const Feature& fb, Witness& result) {
    System q;
    REAL before = LARGEST;
    for (int k = 0; k < 4; ++k)
        result.t[k] = 0;
    if (fa.kind == RIM)
        result.t[0] = fa.par[0];
    if (fb.kind == RIM)
        result.t[places_along(fa)] = fb.par[0];
    if (places_along(fa) + places_along(fb) + 4 > MOST_UNKNOWNS)
        return false;
    if (fa.kind == POINT && fb.kind == POINT) {
        set_up(A, fa, B, fb, result, q);
        minus(q.x[0], q.x[1], result.t);
        result.d = dot(result.t, result.n);
        return true;
    }
    Witness x = result;
    for (int round = 0; round < 30; ++round) {
        REAL norm = length(x.n);
        for (int k = 0; k < 3; ++k)
            x.n[k] /= norm;
        set_up(A, fa, B, fb, x, q);
        const int m = q.size;
        REAL gap[3], y[MOST_UNKNOWNS], size = 0;
        minus(q.x[0], q.x[1], gap);
        for (int k = 0; k < 3; ++k)
            y[k] = x.d * x.n[k] - gap[k];
        y[3] = 0;
        for (int column = 4; column < m; ++column) {
            y[column] = 0;
            for (int k = 0; k < 3; ++k)
                y[column] -= q.K[m * column + k] * x.n[k];
        }
        for (int k = 0; k < m; ++k)
            size = wp::max(size, wp::abs(y[k]));
        const bool settled = size == 0 || (size < SETTLED && !(size < (REAL)0.5 * before));
        before = size;
        if (settled)
            break;
        if (!solve_small(q.K, m, y))
            return false;
        REAL turn = wp::sqrt(y[0] * y[0] + y[1] * y[1] + y[2] * y[2]);
        if (fa.kind == RIM)
            turn = wp::max(turn, wp::abs(y[4]));
        if (fb.kind == RIM)
            turn = wp::max(turn, wp::abs(y[4 + q.n_free[0]]));
        const REAL part = turn > (REAL)0.3 ? (REAL)0.3 / turn : (REAL)1;
        for (int k = 0; k < 3; ++k)
            x.n[k] += part * y[k];
        x.d += part * y[3];
        for (int k = 4; k < m; ++k)
            x.t[k - 4] += part * y[k];
    }
    const REAL norm = length(x.n);
    for (int k = 0; k < 3; ++k)
        x.n[k] /= norm;
    if (!(before < (REAL)100 * SETTLED && dot(x.n, result.n) > (REAL)0.9))
        return false;
    result = x;
    return true;
};

// Distance of the surfaces and the point midway between them.
auto distance_of = [](const Shape& A, const Shape& B, const Witness& x) { return -x.d - A.radius - B.radius; };
auto middle_of = [&](const Shape& A, const Feature& fa, const Shape& B, const Feature& fb, const Witness& x, REAL* to) {
    System q;
    set_up(A, fa, B, fb, x, q);
    for (int k = 0; k < 3; ++k)
        to[k] = (REAL)0.5 * (q.x[0][k] + q.x[1][k] + (A.radius - B.radius) * x.n[k]);
};
