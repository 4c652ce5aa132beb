// Convex shapes and their support functions. Text of a function's body: see genesis/rigid/kernels/collision/convex.py.
//
// A shape is a core and a ball around it: a sphere is a point with a radius, a capsule a segment with a radius; the
// others have radius zero. Points of the core are on the boundary of a polytope (vertices), on an ellipsoid, or on the
// two rims of a cylinder. Of a height field one prism at a time is a shape: between a triangle of its surface and the
// ground below.

typedef REAL Vector[3];

struct Shape {
    int type;
    REAL pos[3], mat[9], size[3];
    REAL radius;
    // of a mesh: see plane_mesh.py; its vertices are in units of ``size``
    const REAL* vert;
    const REAL* normals;
    const int* table;
    int nvert;
    int last;  // vertex found last, where the next search may begin; -1: none
    // of a height field: ``vert`` are its heights row by row, ``nvert`` of them, in units of size[2], and vertices count
    // on with those at the bottom; see field_corner
    int columns, origin, prism[3];
    const REAL* box;  // of a mesh: middle and half sides of the box around it, in units of ``size``
};

auto dot = [](const REAL* a, const REAL* b) { return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]; };
auto cross = [](const REAL* a, const REAL* b, REAL* to) {
    const REAL x = a[1] * b[2] - a[2] * b[1], y = a[2] * b[0] - a[0] * b[2], z = a[0] * b[1] - a[1] * b[0];
    to[0] = x;
    to[1] = y;
    to[2] = z;
};
auto minus = [](const REAL* a, const REAL* b, REAL* to) {
    for (int k = 0; k < 3; ++k)
        to[k] = a[k] - b[k];
};
auto copy3 = [](const REAL* from, REAL* to) {
    for (int k = 0; k < 3; ++k)
        to[k] = from[k];
};
// to += scale * x
auto add_scaled = [](REAL* to, REAL scale, const REAL* x) {
    for (int k = 0; k < 3; ++k)
        to[k] += scale * x[k];
};
auto length = [&](const REAL* a) { return wp::sqrt(dot(a, a)); };
// mat v, and mat' v
auto rotate = [](const REAL* mat, const REAL* v, REAL* to) {
    const REAL x = v[0], y = v[1], z = v[2];
    for (int k = 0; k < 3; ++k)
        to[k] = mat[3 * k] * x + mat[3 * k + 1] * y + mat[3 * k + 2] * z;
};
auto rotate_back = [](const REAL* mat, const REAL* v, REAL* to) {
    const REAL x = v[0], y = v[1], z = v[2];
    for (int k = 0; k < 3; ++k)
        to[k] = mat[k] * x + mat[3 + k] * y + mat[6 + k] * z;
};

auto is_polytope = [](const Shape& s) { return s.type != ELLIPSOID && s.type != CYLINDER; };

// A corner of a cylinder's cap, which counts as a polygon of 16: v & 15, of the upper (v < 16) or the lower cap.
auto cap_corner = [](const Shape& s, int v, REAL* to) {
    const REAL angle = (REAL)(v & 15) * SIXTEENTH, side = v < 16 ? (REAL)1 : (REAL)-1;
    to[0] = s.size[0] * wp::cos(angle);
    to[1] = -side * s.size[0] * wp::sin(angle);
    to[2] = side * s.size[1];
};
// A vertex of a height field, in its frame and in units of its size: measured from the place of the vertex ``origin`` at
// level zero, so that rounding does not grow with the field.
auto field_corner = [](const Shape& s, int v, REAL* to) {
    const bool on_top = v < s.nvert;
    const int place = on_top ? v : v - s.nvert, rows = s.nvert / s.columns;
    to[0] = (REAL)(2 * (place % s.columns - s.origin % s.columns)) / (REAL)(s.columns - 1);
    to[1] = (REAL)(2 * (place / s.columns - s.origin / s.columns)) / (REAL)(rows - 1);
    to[2] = on_top ? s.vert[place] : -s.vert[-1];
};
// That place.
auto field_origin = [](const Shape& s, REAL* to) {
    to[0] = (REAL)(2 * (s.origin % s.columns)) / (REAL)(s.columns - 1) - 1;
    to[1] = (REAL)(2 * (s.origin / s.columns)) / (REAL)(s.nvert / s.columns - 1) - 1;
    to[2] = 0;
};
// A vertex of a polytope, in its frame.
auto corner = [&](const Shape& s, int v, REAL* to) {
    if (s.type == CYLINDER) {
        cap_corner(s, v, to);
        return;
    }
    if (s.type == HFIELD) {
        field_corner(s, v, to);
        for (int k = 0; k < 3; ++k)
            to[k] *= s.size[k];
        return;
    }
    for (int k = 0; k < 3; ++k) {
        if (s.type == MESH)
            to[k] = s.size[k] * s.vert[3 * v + k];
        else if (s.type == BOX)
            to[k] = v >> k & 1 ? s.size[k] : -s.size[k];
        else
            to[k] = s.type == CAPSULE && k == 2 ? (v ? s.size[1] : -s.size[1]) : (REAL)0;
    }
};
auto world_corner = [&](const Shape& s, int v, REAL* to) {
    REAL x[3];
    corner(s, v, x);
    rotate(s.mat, x, to);
    for (int k = 0; k < 3; ++k)
        to[k] += s.pos[k];
};

// The vertex of a mesh that is farthest along ``d`` (its frame). Small meshes are looked at whole; others are climbed
// along edges, from the vertex found last or from the one that is farthest in about this direction.
auto mesh_support = [](Shape& s, const REAL* d) {
    const REAL along[3] = {d[0] * s.size[0], d[1] * s.size[1], d[2] * s.size[2]};
    auto height = [&](int v) {
        return along[0] * s.vert[3 * v] + along[1] * s.vert[3 * v + 1] + along[2] * s.vert[3 * v + 2];
    };
    int best = s.last < 0 ? 0 : s.last;
    if (!s.table[0]) {
        REAL most = height(best);
        for (int v = 0; v < s.nvert; ++v) {
            const REAL h = height(v);
            if (h > most) {
                most = h;
                best = v;
            }
        }
    } else {
        int place = 14;
        for (int k = 0, unit = 9; k < 3; ++k, unit /= 3)
            place += unit * ((d[k] > LEANING) - (d[k] < -LEANING));
        const int start = s.table[place];
        REAL most = height(start);
        if (s.last < 0 || most > height(best))
            best = start;
        else
            most = height(best);
        for (int at = -1; at != best;) {
            at = best;
            for (const int* edge = s.table + s.table[28 + 2 * at]; *edge >= 0; ++edge) {
                const REAL h = height(*edge);
                if (h > most) {
                    most = h;
                    best = *edge;
                }
            }
        }
    }
    s.last = best;
    return best;
};

// A place in the middle of it.
auto middle_place = [&](const Shape& s, REAL* to) {
    copy3(s.pos, to);
    if (s.type != HFIELD)
        return;
    to[0] = to[1] = to[2] = 0;
    for (int k = 0; k < 6; ++k) {
        REAL x[3];
        world_corner(s, k < 3 ? s.prism[k] : s.prism[k - 3] + s.nvert, x);
        add_scaled(to, (REAL)1 / 6, x);
    }
};

// The point of the core that is farthest along ``direction`` (unit length, world), and the vertex that it is.
auto support = [&](Shape& s, const REAL* direction, REAL* to) {
    REAL d[3], x[3];
    rotate_back(s.mat, direction, d);
    int v = 0;
    if (s.type == MESH) {
        v = mesh_support(s, d);
        corner(s, v, x);
    } else if (s.type == HFIELD) {
        REAL most = 0;
        for (int k = 0; k < 3; ++k) {
            const int u = s.prism[k] + (d[2] < 0 ? s.nvert : 0);
            REAL y[3];
            corner(s, u, y);
            if (k == 0 || dot(y, d) > most) {
                most = dot(y, d);
                v = u;
                copy3(y, x);
            }
        }
    } else if (s.type == BOX) {
        for (int k = 0; k < 3; ++k)
            v |= (d[k] >= 0) << k;
        corner(s, v, x);
    } else if (s.type == CAPSULE) {
        v = d[2] >= 0;
        corner(s, v, x);
    } else if (s.type == ELLIPSOID) {
        for (int k = 0; k < 3; ++k)
            x[k] = d[k] * s.size[k];
        const REAL norm = length(x);
        for (int k = 0; k < 3; ++k)
            x[k] = norm > TINY ? x[k] * s.size[k] / norm : (k == 0 ? s.size[0] : (REAL)0);
    } else if (s.type == CYLINDER) {
        const REAL across = wp::sqrt(d[0] * d[0] + d[1] * d[1]);
        v = d[2] >= 0;
        x[0] = across > TINY ? d[0] / across * s.size[0] : (REAL)0;
        x[1] = across > TINY ? d[1] / across * s.size[0] : (REAL)0;
        x[2] = v ? s.size[1] : -s.size[1];
    } else {
        x[0] = x[1] = x[2] = 0;
    }
    rotate(s.mat, x, to);
    for (int k = 0; k < 3; ++k)
        to[k] += s.pos[k];
    return v;
};
