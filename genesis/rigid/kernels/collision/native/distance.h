// Distance of two cores that are apart, by GJK; depth of two that overlap, by EPA (G. van den Bergen, "Proximity queries
// and penetration depth computation on 3D game objects", GDC 2001). The closest point of a simplex is that of
// M. Montanari, N. Petrinic, E. Barbieri, "Improving the GJK algorithm for faster and more reliable distance queries
// between convex objects", ACM ToG 2017. Decides as MuJoCo does (engine_collision_gjk.c), so that among points that are
// equally good the same is found.

// A point of the difference A - B, and the points and vertices that it is made of.
struct Vertex {
    REAL w[3], a[3], b[3];
    int i, j;
};
struct Simplex {
    Vertex v[4];
    REAL weight[4];
    int n;
    REAL x[3], norm;  // its point nearest to the origin
    bool separated;
};
struct Face {
    REAL foot[3], height2;  // the origin's projection on its plane, and its squared length
    int v[3], next[3];      // corners; across edge k, from corner k on, lies face next[k]
    int place;              // in the list of candidates; -1: in none; -2: removed
};

auto same_sign = [](REAL a, REAL b) { return (a > 0 && b > 0) || (a < 0 && b < 0); };

// Weights of the point of a segment, triangle or tetrahedron nearest to the origin.
auto nearest_of_2 = [&](const REAL* p, const REAL* q, REAL* weight) {
    REAL along[3], foot[3];
    minus(q, p, along);
    const REAL scale = dot(q, along) / dot(along, along);
    int axis = 0;
    for (int k = 0; k < 3; ++k) {
        foot[k] = q[k] - scale * along[k];
        if (wp::abs(along[k]) >= wp::abs(along[axis]))
            axis = k;
    }
    const REAL whole = p[axis] - q[axis], first = foot[axis] - q[axis], second = p[axis] - foot[axis];
    const bool inside = same_sign(whole, first) && same_sign(whole, second);
    weight[0] = inside ? first / whole : (REAL)0;
    weight[1] = inside ? second / whole : (REAL)1;
};

// The origin's projection on the plane of three points; false if they are on a line.
auto project_origin = [&](const REAL* p, const REAL* q, const REAL* r, REAL* foot) {
    REAL pq[3], pr[3], qr[3], normal[3];
    minus(q, p, pq);
    minus(r, p, pr);
    minus(r, q, qr);
    const REAL* sides[3][2] = {{qr, pq}, {pq, pr}, {pr, qr}};
    const REAL* points[3] = {q, p, r};
    for (int k = 0; k < 3; ++k) {
        cross(sides[k][0], sides[k][1], normal);
        const REAL height = dot(normal, points[k]), square = dot(normal, normal);
        if (square == 0 && k < 2)
            return false;
        if (k == 2 || (height != 0 && square > MIN_VALUE)) {
            for (int i = 0; i < 3; ++i)
                foot[i] = normal[i] * (height / square);
            return square != 0;
        }
    }
    return false;
};

// Barycentric coordinates of a point of the plane of a triangle, as ratios of areas of its largest shadow: the weights
// times ``whole``, which is returned.
auto areas = [](const REAL* p, const REAL* q, const REAL* r, const REAL* point, REAL* part) {
    REAL whole = 0;
    int x = 1, y = 2;
    for (int k = 0; k < 3; ++k) {
        const int i = k == 0 ? 1 : 0, j = k == 2 ? 1 : 2;
        const REAL area = q[i] * r[j] - q[j] * r[i] - p[i] * r[j] + p[j] * r[i] + p[i] * q[j] - p[j] * q[i];
        if (k == 0 || wp::abs(area) > wp::abs(whole)) {
            whole = area;
            x = i;
            y = j;
        }
    }
    auto of = [&](const REAL* b, const REAL* c) {
        return point[x] * b[y] + point[y] * c[x] + b[x] * c[y] - point[x] * c[y] - point[y] * b[x] - c[x] * b[y];
    };
    part[0] = of(q, r);
    part[1] = -of(p, r);
    part[2] = of(p, q);
    return whole;
};

auto nearest_of_3 = [&](const REAL* p, const REAL* q, const REAL* r, REAL* weight) {
    REAL foot[3], part[3];
    weight[2] = 0;
    if (!project_origin(p, q, r, foot)) {
        nearest_of_2(p, q, weight);
        return;
    }
    const REAL whole = areas(p, q, r, foot, part);
    const REAL* points[3] = {p, q, r};
    bool inside = true;
    for (int k = 0; k < 3; ++k)
        inside = inside && same_sign(whole, part[k]);
    if (inside) {
        for (int k = 0; k < 3; ++k)
            weight[k] = part[k] / whole;
        return;
    }
    REAL least = LARGEST;
    for (int k = 0; k < 3; ++k) {
        if (same_sign(whole, part[k]))
            continue;
        const int i = k == 0 ? 1 : 0, j = k == 2 ? 1 : 2;
        REAL two[2], x[3] = {0, 0, 0};
        nearest_of_2(points[i], points[j], two);
        add_scaled(x, two[0], points[i]);
        add_scaled(x, two[1], points[j]);
        if (dot(x, x) < least) {
            least = dot(x, x);
            weight[k] = 0;
            weight[i] = two[0];
            weight[j] = two[1];
        }
    }
};

auto determinant = [&](const REAL* a, const REAL* b, const REAL* c) {
    return a[0] * (b[1] * c[2] - b[2] * c[1]) + a[1] * (b[2] * c[0] - b[0] * c[2]) + a[2] * (b[0] * c[1] - b[1] * c[0]);
};

auto nearest_of_4 = [&](const Vertex* v, REAL* weight) {
    const REAL* p[4] = {v[0].w, v[1].w, v[2].w, v[3].w};
    const REAL part[4] = {
        -determinant(p[1], p[2], p[3]), determinant(p[0], p[2], p[3]), -determinant(p[0], p[1], p[3]),
        determinant(p[0], p[1], p[2]),
    };
    const REAL whole = part[0] + part[1] + part[2] + part[3];
    bool inside = true;
    for (int k = 0; k < 4; ++k)
        inside = inside && same_sign(whole, part[k]);
    if (inside) {
        for (int k = 0; k < 4; ++k)
            weight[k] = part[k] / whole;
        return;
    }
    REAL least = LARGEST;
    for (int k = 0; k < 4; ++k) {
        if (same_sign(whole, part[k]))
            continue;
        int other[3];
        for (int i = 0, n = 0; i < 4; ++i)
            if (i != k)
                other[n++] = i;
        REAL three[3], x[3] = {0, 0, 0};
        nearest_of_3(p[other[0]], p[other[1]], p[other[2]], three);
        for (int i = 0; i < 3; ++i)
            add_scaled(x, three[i], p[other[i]]);
        if (dot(x, x) < least) {
            least = dot(x, x);
            weight[k] = 0;
            for (int i = 0; i < 3; ++i)
                weight[other[i]] = three[i];
        }
    }
};

// The vertex of A - B farthest along ``direction``, which has unit length or, of polytopes, any.
auto difference = [&](Shape& A, Shape& B, const REAL* direction, Vertex& v) {
    const REAL back[3] = {-direction[0], -direction[1], -direction[2]};
    v.i = support(A, direction, v.a);
    v.j = support(B, back, v.b);
    minus(v.a, v.b, v.w);
};
auto difference_along = [&](Shape& A, Shape& B, const REAL* direction, REAL norm, Vertex& v) {
    REAL unit[3] = {1, 0, 0};
    if (norm > MIN_VALUE)
        for (int k = 0; k < 3; ++k)
            unit[k] = direction[k] / norm;
    difference(A, B, unit, v);
};

// From a tetrahedron: whether the origin is in A - B. 1: yes, and ``s`` holds it; 0: no; -1: not found out.
auto holds_origin = [&](Shape& A, Shape& B, Simplex& s, int& k) {
    const int faces[4][3] = {{2, 1, 3}, {0, 2, 3}, {1, 0, 3}, {0, 1, 2}};
    Vertex v[4];
    int at[4] = {0, 1, 2, 3};
    for (int i = 0; i < 4; ++i)
        v[i] = s.v[i];
    for (; k < ccd_iterations; ++k) {
        REAL height[4], normal[4][3];
        int worst = 0;
        for (int f = 0; f < 4; ++f) {
            const Vertex &p = v[at[faces[f][0]]], &q = v[at[faces[f][1]]], &r = v[at[faces[f][2]]];
            REAL pr[3], pq[3];
            minus(r.w, p.w, pr);
            minus(q.w, p.w, pq);
            cross(pr, pq, normal[f]);
            const REAL square = dot(normal[f], normal[f]);
            height[f] = LARGEST;
            if (square > TINY * TINY) {
                for (int i = 0; i < 3; ++i)
                    normal[f][i] *= 1 / wp::sqrt(square);
                height[f] = dot(normal[f], p.w);
            }
            if (height[f] == 0)
                return -1;  // the origin is on a face
        }
        const int low = height[0] < height[1] ? 0 : 1, high = height[2] < height[3] ? 2 : 3;
        worst = height[low] < height[high] ? low : high;
        if (height[worst] > 0) {
            for (int i = 0; i < 4; ++i)
                s.v[i] = v[at[i]];
            s.n = 4;
            return 1;
        }
        difference(A, B, normal[worst], v[at[worst]]);
        if (dot(normal[worst], v[at[worst]].w) < 0)
            return 0;
        const int i = (worst + 1) & 3, j = (worst + 2) & 3, swap = at[i];
        at[i] = at[j];
        at[j] = swap;
    }
    return -1;
};

// Runs GJK. False: the cores are farther apart than ``reach`` (0: do not overlap). Else ``s`` is the simplex nearest to
// the origin, or a tetrahedron that holds it.
auto gjk = [&](Shape& A, Shape& B, REAL reach, Simplex& s) {
    const bool finite = is_polytope(A) && is_polytope(B);
    const REAL gap_bound = finite ? (REAL)0 : (REAL)0.5 * ccd_tolerance * ccd_tolerance;
    const REAL least_norm = finite ? MIN_VALUE : ccd_tolerance;
    bool ask_only = reach == 0;
    REAL before = 0;
    REAL middle[3];
    middle_place(A, s.x);
    middle_place(B, middle);
    minus(s.x, middle, s.x);
    s.norm = length(s.x);
    if (s.norm < least_norm) {  // the same centre: any direction will do
        s.x[0] = s.norm = 1;
        s.x[1] = s.x[2] = 0;
    }
    s.n = 0;
    s.separated = false;
    for (int k = 0; k < ccd_iterations; ++k) {
        if (s.norm < least_norm || (k > 1 && wp::abs(before - s.norm) < MIN_VALUE))
            break;
        const REAL towards[3] = {-s.x[0] / s.norm, -s.x[1] / s.norm, -s.x[2] / s.norm};
        Vertex& v = s.v[s.n];
        difference(A, B, towards, v);
        REAL gap[3];
        minus(s.x, v.w, gap);
        if (dot(s.x, gap) < gap_bound)
            break;
        const REAL lower = dot(s.x, v.w);
        if (lower > GRAIN * s.norm * length(v.w) && lower >= reach * s.norm)
            return false;
        if (s.n == 3 && ask_only) {
            const int answer = holds_origin(A, B, s, k);
            if (answer >= 0)
                return answer == 1;
            ask_only = false;
        }
        REAL weight[4] = {1, 0, 0, 0};
        if (s.n == 1)
            nearest_of_2(s.v[0].w, s.v[1].w, weight);
        else if (s.n == 2)
            nearest_of_3(s.v[0].w, s.v[1].w, s.v[2].w, weight);
        else if (s.n == 3)
            nearest_of_4(s.v, weight);
        int n = 0;
        for (int i = 0; i <= s.n; ++i) {
            if (weight[i] != 0) {
                s.v[n] = s.v[i];
                s.weight[n++] = weight[i];
            }
        }
        if (n == 0)
            return false;
        s.n = n;
        s.x[0] = s.x[1] = s.x[2] = 0;
        for (int i = 0; i < n; ++i)
            add_scaled(s.x, s.weight[i], s.v[i].w);
        before = s.norm;
        s.norm = length(s.x);
        if (n == 4)
            break;
    }
    if (s.n == 0)
        return false;
    if (s.norm > 0) {
        const REAL towards[3] = {-s.x[0] / s.norm, -s.x[1] / s.norm, -s.x[2] / s.norm};
        Vertex v;
        difference(A, B, towards, v);
        s.separated = dot(s.x, v.w) > 0;
    }
    return true;
};

// -- EPA: a polytope inside of A - B, which grows until its face nearest to the origin is one of A - B -----------------

// [m]: the origin may be so far outside of the polytope.
const REAL barely = wp::max((REAL)10 * ccd_tolerance, (REAL)10 * ROUNDING);

struct Polytope {
    Vertex* v;
    Face* faces;
    int *candidates, *edges, *stack;  // faces that may be nearest; horizon: (face, edge); faces to look at
    int n_vertices, n_faces, n_candidates, n_edges;
    REAL center[3];
};

auto add_vertex = [&](Polytope& p, Shape& A, Shape& B, const REAL* direction, REAL norm) {
    difference_along(A, B, direction, norm, p.v[p.n_vertices]);
    return p.n_vertices++;
};

// A face with outward ``foot``; returns its squared height, 0 if its corners are on a line.
auto add_face = [&](Polytope& p, int a, int b, int c, int next_a, int next_b, int next_c) {
    Face& f = p.faces[p.n_faces++];
    f.v[0] = a;
    f.v[1] = b;
    f.v[2] = c;
    f.next[0] = next_a;
    f.next[1] = next_b;
    f.next[2] = next_c;
    f.place = -1;
    f.height2 = 0;
    if (!project_origin(p.v[c].w, p.v[b].w, p.v[a].w, f.foot))
        return (REAL)0;
    REAL outward[3];
    minus(p.v[a].w, p.center, outward);
    f.height2 = dot(f.foot, f.foot);
    // The foot is outward already where the origin is inside. Where shapes just touch it may be a little outside; a sliver
    // of a face may seem to look inwards, and is not turned.
    if (dot(f.foot, outward) < 0 && f.height2 < barely * barely)
        for (int k = 0; k < 3; ++k)
            f.foot[k] = -f.foot[k];
    return f.height2;
};
auto add_candidate = [](Polytope& p, int face) {
    p.faces[face].place = p.n_candidates;
    p.candidates[p.n_candidates++] = face;
};
auto remove_face = [](Polytope& p, int face) {
    const int place = p.faces[face].place;
    if (place >= 0) {
        const int moved = p.candidates[--p.n_candidates];
        p.candidates[place] = moved;
        p.faces[moved].place = place;
    }
    p.faces[face].place = -2;
};
auto all_candidates = [&](Polytope& p) {
    for (int f = 0; f < p.n_faces; ++f)
        add_candidate(p, f);
};

// Whether the origin and d are on the same side of the plane of a, b, c.
auto on_side = [&](const REAL* a, const REAL* b, const REAL* c, const REAL* d) {
    REAL ab[3], ac[3], ad[3], normal[3];
    minus(b, a, ab);
    minus(c, a, ac);
    minus(d, a, ad);
    cross(ab, ac, normal);
    return same_sign(dot(normal, ad), -dot(normal, a));
};
auto tetrahedron_holds_origin = [&](const REAL* a, const REAL* b, const REAL* c, const REAL* d) {
    return on_side(a, b, c, d) && on_side(b, c, d, a) && on_side(c, d, a, b) && on_side(d, a, b, c);
};

// From a triangle that the origin lies on: two tetrahedra, one on each side.
auto start_from_3 = [&](Polytope& p, Shape& A, Shape& B, const Vertex& a, const Vertex& b, const Vertex& c, REAL norm) {
    p.n_vertices = p.n_faces = p.n_candidates = 0;
    REAL ab[3], ac[3], normal[3];
    minus(b.w, a.w, ab);
    minus(c.w, a.w, ac);
    cross(ab, ac, normal);
    const REAL size = length(normal);
    if (size < MIN_VALUE)
        return false;
    const Vertex own[3] = {a, b, c};
    for (int i = 0; i < 3; ++i) {
        p.v[i] = own[i];
        p.center[i] = (own[0].w[i] + own[1].w[i] + own[2].w[i]) / 3;
    }
    p.n_vertices = 3;
    const REAL back[3] = {-normal[0], -normal[1], -normal[2]};
    const int low = add_vertex(p, A, B, back, size), high = add_vertex(p, A, B, normal, size);
    for (int k = low; k <= high; ++k) {  // flat: a new vertex is in the triangle
        REAL part[3], off[3] = {-p.v[k].w[0], -p.v[k].w[1], -p.v[k].w[2]};
        const REAL whole = areas(p.v[0].w, p.v[1].w, p.v[2].w, p.v[k].w, part);
        bool inside = true;
        for (int i = 0; i < 3; ++i) {
            inside = inside && !(part[i] / whole < 0);
            add_scaled(off, part[i] / whole, p.v[i].w);
        }
        if (inside && length(off) < MIN_VALUE)
            return false;
    }
    if (norm > 10 * MIN_VALUE &&
        !tetrahedron_holds_origin(p.v[0].w, p.v[1].w, p.v[2].w, p.v[high].w) &&
        !tetrahedron_holds_origin(p.v[0].w, p.v[1].w, p.v[2].w, p.v[low].w))
        return false;
    const int top[3][2] = {{0, 1}, {2, 0}, {1, 2}}, bottom[3][2] = {{1, 0}, {0, 2}, {2, 1}};
    const int beside[6][3] = {{1, 3, 2}, {2, 4, 0}, {0, 5, 1}, {5, 0, 4}, {3, 1, 5}, {4, 2, 3}};
    for (int f = 0; f < 6; ++f) {
        const int* edge = f < 3 ? top[f] : bottom[f - 3];
        if (add_face(p, f < 3 ? high : low, edge[0], edge[1], beside[f][0], beside[f][1], beside[f][2]) < LEAST_HEIGHT2)
            return false;
    }
    all_candidates(p);
    return true;
};

// From a segment that the origin lies on: three vertices around it.
auto start_from_2 = [&](Polytope& p, Shape& A, Shape& B, const Simplex& s) {
    p.n_vertices = p.n_faces = p.n_candidates = 0;
    const REAL half = (REAL)0.5;
    for (int i = 0; i < 2; ++i)
        p.v[p.n_vertices++] = s.v[i];
    REAL along[3], around[3][3], unit[3] = {0, 0, 0};
    int axis = 0;
    minus(s.v[1].w, s.v[0].w, along);
    for (int k = 0; k < 3; ++k) {
        p.center[k] = half * (s.v[0].w[k] + s.v[1].w[k]);
        if (wp::abs(along[k]) < wp::abs(along[axis]))
            axis = k;
    }
    unit[axis] = 1;
    cross(unit, along, around[0]);
    const REAL size = length(along), cosine = (REAL)-0.5, sine = (REAL)0.86602540378443865;
    for (int i = 1; i < 3; ++i) {  // turned by 120 degrees
        REAL across[3];
        cross(along, around[i - 1], across);
        for (int k = 0; k < 3; ++k)
            around[i][k] = cosine * around[i - 1][k] + sine / size * across[k];
    }
    for (int i = 0; i < 3; ++i)
        add_vertex(p, A, B, around[i], length(around[i]));
    const int faces[6][3] = {{0, 2, 3}, {0, 4, 2}, {0, 3, 4}, {1, 3, 2}, {1, 2, 4}, {1, 4, 3}};
    const int beside[6][3] = {{1, 3, 2}, {2, 4, 0}, {0, 5, 1}, {5, 0, 4}, {3, 1, 5}, {4, 2, 3}};
    for (int f = 0; f < 6; ++f) {
        const int* v = faces[f];
        if (add_face(p, v[0], v[1], v[2], beside[f][0], beside[f][1], beside[f][2]) < LEAST_HEIGHT2) {
            const Vertex a = p.v[v[0]], b = p.v[v[1]], c = p.v[v[2]];
            return start_from_3(p, A, B, a, b, c, s.norm);
        }
    }
    // convex only if the segment passes through the triangle of the new vertices
    REAL volume[3];
    for (int i = 0; i < 3; ++i) {
        REAL x[3], y[3];
        minus(p.v[2 + i].w, p.v[0].w, x);
        minus(p.v[2 + (i + 1) % 3].w, p.v[0].w, y);
        volume[i] = determinant(x, y, along);
    }
    if (!((volume[0] >= 0 && volume[1] >= 0 && volume[2] >= 0) || (volume[0] <= 0 && volume[1] <= 0 && volume[2] <= 0)))
        return false;
    all_candidates(p);
    return true;
};

auto start_from_4 = [&](Polytope& p, Shape& A, Shape& B, const Simplex& s) {
    p.n_vertices = p.n_faces = p.n_candidates = 0;
    for (int i = 0; i < 4; ++i)
        p.v[p.n_vertices++] = s.v[i];
    for (int k = 0; k < 3; ++k)
        p.center[k] = (s.v[0].w[k] + s.v[1].w[k] + s.v[2].w[k] + s.v[3].w[k]) / 4;
    const int faces[4][3] = {{0, 1, 2}, {0, 3, 1}, {0, 2, 3}, {3, 2, 1}};
    const int beside[4][3] = {{1, 3, 2}, {2, 3, 0}, {0, 3, 1}, {2, 0, 1}};
    for (int f = 0; f < 4; ++f) {
        const int* v = faces[f];
        if (add_face(p, v[0], v[1], v[2], beside[f][0], beside[f][1], beside[f][2]) < LEAST_HEIGHT2_OF_4)
            return start_from_3(p, A, B, s.v[v[0]], s.v[v[1]], s.v[v[2]], s.norm);
    }
    if (!tetrahedron_holds_origin(s.v[0].w, s.v[1].w, s.v[2].w, s.v[3].w))
        return false;
    all_candidates(p);
    return true;
};

// Removes the faces that are seen from ``w`` and lists the edges around them; false if there is no room.
auto find_horizon = [&](Polytope& p, int first, const REAL* w) {
    p.n_edges = 0;
    remove_face(p, first);
    int depth = 0;
    // of each face on the way: (face, edge by which it was entered, edges looked at)
    auto push = [&](int face, int edge, int done) {
        p.stack[3 * depth] = face;
        p.stack[3 * depth + 1] = edge;
        p.stack[3 * depth++ + 2] = done;
    };
    push(first, 0, 0);
    while (depth > 0) {
        int* top = p.stack + 3 * (depth - 1);
        if (top[2] == 3) {
            --depth;
            continue;
        }
        const Face& face = p.faces[top[0]];
        const int edge = (top[1] + top[2]++) % 3, other = face.next[edge];
        const Face& beside = p.faces[other];
        if (beside.place == -2)
            continue;
        const int start = face.v[(edge + 1) % 3];  // the edge runs the other way there
        const int entered = beside.v[0] == start ? 0 : (beside.v[1] == start ? 1 : 2);
        if (dot(beside.foot, w) - beside.height2 > MIN_VALUE) {
            remove_face(p, other);
            push(other, entered, 1);
        } else if (p.n_edges < max_faces) {
            p.edges[2 * p.n_edges] = other;
            p.edges[2 * p.n_edges++ + 1] = entered;
        } else {
            return false;
        }
    }
    return p.n_edges >= 3;
};

// Whether a depth is not what was taken for it roughly.
auto is_another_depth = [&](REAL depth, REAL rough) {
    const REAL off = wp::abs(depth - rough);
    return off > (REAL)0.3 * wp::abs(rough) && off > 100 * ccd_tolerance && off > 10 * ROUNDING;
};

// The face of A - B nearest to the origin, or -1. MuJoCo stops as soon as the lowest face is as high as some overlap that it
// has seen, even if the shapes overlap much farther along this face; here the search goes on then.
auto epa = [&](Polytope& p, Shape& A, Shape& B) {
    const bool finite = is_polytope(A) && is_polytope(B);
    const REAL tolerance = finite || ccd_tolerance < LEAST_EPA_TOLERANCE ? LEAST_EPA_TOLERANCE : ccd_tolerance;
    REAL upper = LARGEST, upper2 = LARGEST;
    int face = -1, least = -1;  // least: the face along which they overlap least
    bool doubtful = false;      // whether they overlap much farther along the face
    for (int k = 0; k < max_expansions; ++k) {
        const int before = face;
        REAL lower2 = LARGEST;
        for (int i = 0; i < p.n_candidates; ++i) {
            if (p.faces[p.candidates[i]].height2 < lower2) {
                face = p.candidates[i];
                lower2 = p.faces[face].height2;
            }
        }
        if (lower2 > upper2 || face < 0)
            return doubtful ? least : before;
        if (!(lower2 > 0))
            return -1;
        const REAL lower = wp::sqrt(lower2);
        const int w = add_vertex(p, A, B, p.faces[face].foot, lower);
        const Vertex& v = p.v[w];
        const REAL bound = dot(p.faces[face].foot, v.w) / lower;
        if (bound < upper) {
            upper = bound;
            upper2 = bound * bound;
            least = face;
        }
        doubtful = is_another_depth(bound, lower);
        if (upper - lower < tolerance && !doubtful)
            return k == 0 && upper < lower - ROUNDING ? -1 : face;
        if (finite)
            for (int i = 0; i < w; ++i)
                if (p.v[i].i == v.i && p.v[i].j == v.j)
                    return face;
        if (!find_horizon(p, face, v.w))
            return -1;
        const int first = p.n_faces, n = p.n_edges;
        if (first + n > max_faces)
            return face;
        for (int i = 0; i < n; ++i) {
            const int other = p.edges[2 * i], edge = p.edges[2 * i + 1];
            const int a = p.faces[other].v[edge], b = p.faces[other].v[(edge + 1) % 3];
            p.faces[other].next[edge] = first + i;
            const REAL height2 = add_face(p, w, b, a, first + (i + n - 1) % n, other, first + (i + 1) % n);
            if (height2 == 0)
                return -1;
            if (height2 >= lower2 && height2 <= upper2)
                add_candidate(p, first + i);
        }
        if (p.n_candidates == 0)
            return doubtful ? least : face;
    }
    return face;
};

// -- both --------------------------------------------------------------------------------------------------------------

// Where two cores touch: a simplex of A - B, with weights of its point nearest to the origin.
struct Touch {
    Vertex v[3];
    REAL weight[3];
    int n;
    REAL normal[3];  // from A to B
    REAL depth;      // of the cores: negative if they are apart
};

// Of the axes of both shapes and the line between them, the one along which they overlap least. False if they do not
// overlap.
auto shallowest = [&](Shape& A, Shape& B, const REAL* between, Touch& t) {
    t.depth = LARGEST;
    for (int k = 0; k < 14; ++k) {
        REAL direction[3];
        const int axis = k % 7;
        for (int i = 0; i < 3; ++i)
            direction[i] = axis < 3 ? A.mat[3 * i + axis] : (axis < 6 ? B.mat[3 * i + axis - 3] : between[i]);
        const REAL size = k < 7 ? length(direction) : -length(direction);
        for (int i = 0; i < 3; ++i)
            direction[i] /= size;
        Vertex v;
        difference(A, B, direction, v);
        const REAL depth = dot(v.w, direction);
        if (depth < t.depth) {
            t.depth = depth;
            t.v[0] = v;
            copy3(direction, t.normal);
        }
    }
    t.n = 1;
    t.weight[0] = 1;
    for (int k = 0; k < 3; ++k)
        t.v[0].b[k] = t.v[0].a[k] - t.depth * t.normal[k];
    return t.depth > 0 && t.depth < LARGEST;  // nothing was found if some number is none
};

// From the middle of A to that of B; along x if they are in about the same place.
auto between_middles = [&](const Shape& A, const Shape& B, REAL* to) {
    REAL from[3];
    middle_place(A, from);
    middle_place(B, to);
    minus(to, from, to);
    if (!(length(to) > ROUNDING))
        to[0] = 1;
};

// Where two cores overlap that GJK has found to do so. 1: found; -1: EPA failed.
auto expand = [&](Shape& A, Shape& B, const Simplex& s, Touch& t) {
    if (s.n < 2)
        return -1;
    Polytope p;
    p.v = (Vertex*)scratch;
    p.faces = (Face*)(p.v + 5 + max_expansions);
    p.candidates = (int*)(p.faces + max_faces);
    p.edges = p.candidates + max_faces;
    p.stack = p.edges + 2 * max_faces;
    const bool started = s.n == 2   ? start_from_2(p, A, B, s)
                         : s.n == 3 ? start_from_3(p, A, B, s.v[0], s.v[1], s.v[2], s.norm)
                                    : start_from_4(p, A, B, s);
    const int face = started ? epa(p, A, B) : -1;
    if (face < 0)
        return -1;
    const Face& f = p.faces[face];
    const REAL whole = areas(p.v[f.v[0]].w, p.v[f.v[1]].w, p.v[f.v[2]].w, f.foot, t.weight);
    t.n = 3;
    t.depth = wp::sqrt(f.height2);
    if (!(t.depth > 0) || whole == 0)
        return -1;
    for (int k = 0; k < 3; ++k) {
        t.v[k] = p.v[f.v[k]];
        t.weight[k] /= whole;
        t.normal[k] = f.foot[k] / t.depth;
    }
    // What EPA begins with is not always convex; then it may end at a face that is inside of A - B, or look the wrong way.
    Vertex farthest;
    difference(A, B, t.normal, farthest);
    const REAL beyond = dot(t.normal, farthest.w) - t.depth;
    const bool finite = is_polytope(A) && is_polytope(B);
    if (beyond > 100 * ROUNDING && (finite ? beyond > (REAL)0.001 * t.depth : is_another_depth(t.depth + beyond, t.depth)))
        return -1;
    // Where it began with the origin on its boundary, it may have gone to the far side.
    Touch other;
    REAL towards[3];
    between_middles(A, B, towards);
    if (s.n < 4 && shallowest(A, B, towards, other) && other.depth < t.depth && is_another_depth(t.depth, other.depth))
        t = other;
    return 1;
};

// Cores that are closer than this [m] count as touching; rounding grows with their size.
auto touching = [&](const Shape& A, const Shape& B) {
    REAL between[3];
    minus(A.pos, B.pos, between);
    const REAL apart = length(between), least = TOUCHING * (apart > 1 ? apart : (REAL)1);
    return is_polytope(A) && is_polytope(B) ? least : (least > ccd_tolerance ? least : ccd_tolerance);
};

// The same of any two cores. 0: they do not overlap.
auto overlap_of = [&](Shape& A, Shape& B, Touch& t) {
    Simplex s;
    if (!gjk(A, B, 0, s) || (s.n < 4 && (s.separated || s.norm > touching(A, B))))
        return 0;
    return expand(A, B, s, t);
};

// Whether the shapes are within ``margin``; if so, where.
auto touch_of = [&](Shape& A, Shape& B, REAL margin, Touch& t) {
    const REAL reach = margin + A.radius + B.radius;
    int answer = 0;
    Simplex s;
    s.n = 0;
    if (reach > 0) {
        if (!gjk(A, B, reach, s))
            return false;
        if (s.n < 4 && s.norm > touching(A, B)) {
            if (!(s.norm < reach))
                return false;
            t.n = s.n;
            for (int i = 0; i < s.n; ++i) {
                t.v[i] = s.v[i];
                t.weight[i] = s.weight[i];
            }
            for (int k = 0; k < 3; ++k)
                t.normal[k] = -s.x[k] / s.norm;
            t.depth = -s.norm;
            return true;
        }
        answer = s.n == 4 ? expand(A, B, s, t) : overlap_of(A, B, t);
    } else {
        answer = overlap_of(A, B, t);
    }
    // Where the origin is on the boundary of what EPA begins with, or the cores just touch: with the shapes a little
    // closer to each other. The features that are found so are solved for at the true poses.
    REAL towards[3], true_pos[3];
    between_middles(A, B, towards);
    copy3(A.pos, true_pos);
    for (int k = 0; k < 6 && (answer < 0 || (answer == 0 && reach > 0)); ++k) {
        REAL shift[3];  // each time in another direction, out of every plane of symmetry, and farther
        const REAL skew[3] = {(REAL)0.31, (REAL)-0.17, (REAL)0.23}, size = length(towards);
        for (int i = 0; i < 3; ++i)
            shift[i] = CLOSER * (REAL)(1 << (2 * k)) * (towards[i] + size * skew[(i + k) % 3]);
        add_scaled(A.pos, 1, shift);
        answer = overlap_of(A, B, t);
        if (answer > 0) {
            t.depth -= dot(shift, t.normal);
            for (int i = 0; i < 3; ++i)
                add_scaled(t.v[i].a, -1, shift);
        }
        copy3(true_pos, A.pos);
    }
    if (answer > 0 || (answer < 0 && shallowest(A, B, towards, t)))
        return true;
    if (reach > 0 && s.n > 0 && s.n < 4) {
        // they touch, and no better is known
        const REAL size = length(towards);
        t.n = s.n;
        t.depth = 0;
        for (int k = 0; k < 3; ++k)
            t.normal[k] = s.norm > 0 ? -s.x[k] / s.norm : towards[k] / size;
        for (int i = 0; i < s.n; ++i) {
            t.v[i] = s.v[i];
            t.weight[i] = s.weight[i];
        }
        return true;
    }
    return false;
};
