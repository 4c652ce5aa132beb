// Several contacts where two shapes touch with faces, or with an edge and a face, that are nearly parallel: one is
// clipped against the other (I. E. Sutherland, G. W. Hodgman, "Reentrant polygon clipping", CACM 1974), as MuJoCo does
// (engine_collision_gjk.c: multicontact). A cylinder's cap is a face, and a line of its side an edge; a capsule is an edge
// with a radius.

// Faces that hold all of up to three vertices: calls visit(face) in MuJoCo's order, until it returns true. ``outward``:
// the contact's normal, as it points out of this shape.
auto each_face = [&](const Shape& s, const Feature& f, const REAL* outward, auto visit) {
    if (s.type == CAPSULE || s.type == CYLINDER)
        return s.type == CYLINDER && f.kind == 1 && visit(f.v[0] ? 0 : 1);
    if (s.type == BOX) {
        int count = 0, found[3];
        for (int k = 0; k < 3; ++k) {
            int high = 0;
            for (int i = 0; i < f.kind; ++i)
                high += f.v[i] >> k & 1;
            if (high == 0 || high == f.kind)
                found[count++] = 2 * k + (high == 0);
        }
        if (count != 4 - f.kind) {  // vertices that are not on one face, or edge
            REAL local[3];
            rotate_back(s.mat, outward, local);
            count = 0;
            for (int face = 0; face < 6 && count == 0; ++face)
                if ((face % 2 ? -local[face / 2] : local[face / 2]) > FACES_ALIGNED)
                    found[count++] = face;
        }
        for (int i = 0; i < count; ++i)
            if (visit(found[i]))
                return true;
        return false;
    }
    int common = 0;
    for (const int* entry = s.table + s.table[29 + 2 * f.v[0]]; *entry >= 0; ++entry) {
        bool holds = true;
        for (int i = 1; i < f.kind && i < 2; ++i) {
            bool there = false;
            for (const int* other = s.table + s.table[29 + 2 * f.v[i]]; *other >= 0; ++other)
                there = there || *other == *entry;
            holds = holds && there;
        }
        if (!holds)
            continue;
        if (f.kind > 1 && ++common > 2)
            break;
        bool third = f.kind < 3;
        for (const int* other = s.table + s.table[29 + 2 * f.v[2]]; !third && *other >= 0; ++other)
            third = *other == *entry;
        if (!third)
            continue;
        if (visit(*entry))
            return true;
        if (f.kind == 3)
            break;
    }
    return false;
};

// Edges at a vertex, or the one of two vertices: calls visit(other end) until it returns true.
auto each_edge = [&](const Shape& s, const Feature& f, auto visit) {
    if (s.type == CAPSULE || s.type == CYLINDER)
        return f.kind < 3 && visit(!f.v[0]);
    if (f.kind == 2)
        return visit(f.v[1]);
    if (s.type == BOX) {
        for (int k = 0; k < 3; ++k)
            if (visit(f.v[0] ^ (1 << k)))
                return true;
        return false;
    }
    for (const int* entry = s.table + s.table[29 + 2 * f.v[0]]; *entry >= 0; ++entry) {
        const int count = s.table[*entry + 1];
        for (int k = 0; k < count; ++k)
            if (s.table[*entry + 2 + k] == f.v[0]) {
                if (visit(s.table[*entry + 2 + (k + count - 1) % count]))
                    return true;
                break;
            }
    }
    return false;
};

// What is clipped against what.
struct Clip {
    int mode;        // FACES: face of B against face of A; EDGE_A: edge of A against face of B; EDGE_B
    int face;        // that clips
    int subject[2];  // a face, or the two vertices of an edge
};

auto find_clip = [&](const Shape& A, const Feature& fa, const Shape& B, const Feature& fb, const REAL* n, Clip& clip) {
    const REAL back[3] = {-n[0], -n[1], -n[2]};
    // the two faces that are most nearly parallel
    REAL least = -FACES_ALIGNED;
    clip.mode = EDGE_A;
    each_face(A, fa, n, [&](int i) {
        REAL first[3];
        world_face_normal(A, i, first);
        return each_face(B, fb, back, [&](int j) {
            REAL second[3];
            world_face_normal(B, j, second);
            if (dot(first, second) < least) {
                least = dot(first, second);
                clip.mode = FACES;
                clip.face = i;
                clip.subject[0] = j;
            }
            return false;
        });
    });
    if (clip.mode == FACES)
        return true;
    // an edge of A, else of B, along a face of the other: the first that is, of those that look along the normal
    // (MuJoCo 4.0 also takes some that are across it, such as the cap of a cylinder beside which something lies)
    for (int b = 0; b < 2; ++b) {
        const Shape &s = b ? B : A, &other = b ? A : B;
        const Feature &f = b ? fb : fa, &of_other = b ? fa : fb;
        const REAL *down = b ? back : n, *towards = b ? n : back;
        if (f.kind >= 3)
            continue;
        const bool found = each_face(other, of_other, towards, [&](int face) {
            REAL normal[3];
            world_face_normal(other, face, normal);
            return dot(normal, towards) > FACING && each_edge(s, f, [&](int end) {
                REAL ends[2][3], along[3];
                const int v[2] = {f.v[0], end};
                edge_ends(s, v, down, 0, ends);
                minus(ends[1], ends[0], along);
                rotate(s.mat, along, along);
                if (!(wp::abs(dot(along, normal)) < EDGE_ALIGNED * length(along)))
                    return false;
                clip.mode = b ? EDGE_B : EDGE_A;
                clip.face = face;
                clip.subject[0] = f.v[0];
                clip.subject[1] = end;
                return true;
            });
        });
        if (found)
            return true;
    }
    return false;
};

// A corner of the clipped polygon. ``first``, ``second``: a vertex of the subject and -1; or two lines that meet there,
// an edge k of the subject (k) or of the clipping face (-1 - k), and an edge of the clipping face. ``after``: the line
// from here to the next corner.
struct Corner {
    REAL x[3];
    int first, second, after;
};

auto quad_area = [&](const Corner& a, const Corner& b, const Corner& c, const Corner& d) {
    REAL ac[3], bd[3], normal[3];
    minus(a.x, c.x, ac);
    minus(b.x, d.x, bd);
    cross(ac, bd, normal);
    return length(normal);
};

// Contacts of a clip: calls add(corner). Returns how many there are; none if nothing is left of the subject.
auto clip_contacts = [&](const Shape& A, const Shape& B, const Clip& clip, const REAL* n, REAL margin, auto add) {
    const Shape &C = clip.mode == EDGE_A ? B : A, &S = clip.mode == EDGE_A ? A : B;
    const int sides = face_size(C, clip.face), n_subject = clip.mode == FACES ? face_size(S, clip.subject[0]) : 2;
    Corner* polygon = (Corner*)scratch;
    Corner* clipped = polygon + max_corners;
    REAL normal[3], first[3];
    world_face_normal(C, clip.face, normal);
    world_corner(C, face_vertex(C, clip.face, 0), first);
    int count = n_subject;
    REAL ends[2][3];
    const REAL down[3] = {clip.mode == EDGE_A ? n[0] : -n[0], clip.mode == EDGE_A ? n[1] : -n[1], clip.mode == EDGE_A ? n[2] : -n[2]};
    if (clip.mode != FACES)
        edge_ends(S, clip.subject, down, margin, ends);
    for (int k = 0; k < count; ++k) {
        if (clip.mode == FACES) {
            world_corner(S, face_vertex(S, clip.subject[0], k), polygon[k].x);
        } else {
            rotate(S.mat, ends[k], polygon[k].x);
            add_scaled(polygon[k].x, 1, S.pos);
        }
        polygon[k].first = k;
        polygon[k].second = -1;
        polygon[k].after = clip.mode == FACES ? k : 0;
    }
    for (int e = 0; e < sides; ++e) {
        REAL a[3], b[3], wall[3];
        world_corner(C, face_vertex(C, clip.face, e), a);
        world_corner(C, face_vertex(C, clip.face, (e + 1) % sides), b);
        minus(b, a, b);
        cross(b, normal, wall);
        const REAL norm = length(wall);
        for (int k = 0; k < 3; ++k)
            wall[k] /= norm;
        int left = 0;
        for (int i = 0; i < count && left + 2 <= max_corners; ++i) {
            const Corner &P = polygon[i], &Q = polygon[i + 1 < count ? i + 1 : 0];
            REAL from_a[3], along[3];
            minus(P.x, a, from_a);
            const REAL start = dot(from_a, wall);
            minus(Q.x, a, from_a);
            const REAL end = dot(from_a, wall);
            const bool starts_inside = start > -INSIDE, ends_inside = end > -INSIDE;
            if (starts_inside != ends_inside) {
                minus(Q.x, P.x, along);
                const REAL slope = end - start, t = -start / slope;
                if (slope * slope > PARALLEL2 * dot(along, along) && t >= 0 && t <= 1) {
                    Corner& c = clipped[left++];
                    copy3(P.x, c.x);
                    add_scaled(c.x, t, along);
                    c.first = P.after;
                    c.second = e;
                    c.after = ends_inside || clip.mode != FACES ? P.after : -1 - e;
                } else if (starts_inside && clip.mode == FACES) {
                    // a side that runs along the wall crosses it nowhere in particular: from its corner inside on, it
                    // counts as the wall
                    (left > 0 ? clipped[left - 1] : polygon[i]).after = -1 - e;
                }
            }
            if (ends_inside)
                clipped[left++] = Q;
        }
        Corner* swap = polygon;
        polygon = clipped;
        clipped = swap;
        count = left;
    }
    int kept = 0;
    for (int i = 0; i < count; ++i) {
        REAL above[3];
        minus(polygon[i].x, first, above);
        if (dot(above, normal) <= (clip.mode != FACES && S.type == CAPSULE ? (REAL)0.5 * margin : margin))
            polygon[kept++] = polygon[i];
    }
    count = kept;
    int chosen[4] = {0, 1, 2, 3};
    if (n_subject == 2 && count > 2) {
        // an edge was clipped there and back: the two corners farthest from each other
        REAL most = 0;
        for (int i = 0; i < count; ++i)
            for (int j = i + 1; j < count; ++j) {
                REAL between[3];
                minus(polygon[j].x, polygon[i].x, between);
                if (dot(between, between) > most) {
                    most = dot(between, between);
                    chosen[0] = i;
                    chosen[1] = j;
                }
            }
        count = 2;
    } else if (count > 4) {
        // a quadrilateral of large area: each corner in turn begins; the last goes on as long as the area grows, and
        // after each of its steps the two between. Growth by rounding is none: of a cap's squares the first is taken.
        int a = 0, b = 1, c = 2, d = 3;
        auto at = [&](int k) -> const Corner& { return polygon[k]; };
        auto after = [&](int k) { return k + 1 < count ? k + 1 : 0; };
        REAL most = quad_area(at(a), at(b), at(c), at(d));
        auto take = [&](REAL area) {
            most = area;
            chosen[0] = a;
            chosen[1] = b;
            chosen[2] = c;
            chosen[3] = d;
        };
        for (; a < count; ++a) {
            // as long as it does not shrink: on the way from one square of a cap to the next are equal areas
            auto goes_on = [&](REAL area) {
                if (area > most * LARGER)
                    take(area);
                return area > most / LARGER;
            };
            while (after(d) != a) {
                const int before = d;
                d = after(d);
                if (!goes_on(quad_area(at(a), at(b), at(c), at(d)))) {
                    d = before;
                    break;
                }
                while (after(c) != d) {
                    c = after(c);
                    if (!goes_on(quad_area(at(a), at(b), at(c), at(d)))) {
                        c = c > 0 ? c - 1 : count - 1;
                        break;
                    }
                }
                while (after(b) != c) {
                    b = after(b);
                    if (!goes_on(quad_area(at(a), at(b), at(c), at(d)))) {
                        b = b > 0 ? b - 1 : count - 1;
                        break;
                    }
                }
            }
            if (b == a) {
                b = after(b);
                if (c == b) {
                    c = after(c);
                    if (d == c)
                        d = after(d);
                }
            }
        }
        count = 4;
    }
    for (int i = 0; i < count; ++i)
        add(polygon[chosen[i]]);
    return count;
};
