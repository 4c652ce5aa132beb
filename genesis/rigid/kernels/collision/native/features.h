// Which features of two cores touch, where GJK or EPA found that they do.

// The distinct vertices of one shape in a touch: of A (b = 0) or B, and their weights.
auto vertices_of = [](const Touch& t, int b, Feature& f, REAL* weight) {
    f.kind = 0;
    f.par[0] = f.par[1] = f.par[2] = 0;
    f.v[0] = f.v[1] = f.v[2] = 0;
    for (int i = 0; i < t.n; ++i) {
        const int v = b ? t.v[i].j : t.v[i].i;
        int k = 0;
        while (k < f.kind && f.v[k] != v)
            ++k;
        if (k == f.kind) {
            f.v[f.kind] = v;
            weight[f.kind++] = 0;
        }
        weight[k] += t.weight[i];
    }
};

// Fixes the point with which a shape touches: in terms of the vertices, or in the frame of a cylinder.
auto fix_point = [&](const Shape& s, const Touch& t, int b, Feature& f) {
    if (f.kind <= FACE) {
        REAL weight[3] = {0, 0, 0};
        const int n = f.kind;
        Feature all;
        vertices_of(t, b, all, weight);
        if (all.kind != n) {
            f.kind = VERTEX;
            return;
        }
        f = all;
        f.kind = MIX;
        f.par[0] = weight[0];
        f.par[1] = n > 1 ? weight[1] : (REAL)0;
        for (int k = n; k < 3; ++k)
            f.v[k] = f.v[0];
        return;
    }
    REAL x[3] = {0, 0, 0}, local[3];
    for (int i = 0; i < t.n; ++i)
        add_scaled(x, t.weight[i], b ? t.v[i].b : t.v[i].a);
    minus(x, s.pos, x);
    rotate_back(s.mat, x, local);
    f.par[0] = f.kind == SIDE ? local[2] : local[0];
    f.par[1] = local[1];
    f.kind = f.kind == SIDE ? RING : CAP_POINT;
};

// Leaves as many free directions as a contact can have.
auto make_unique = [&](const Shape& A, Feature& fa, const Shape& B, Feature& fb, const Touch& t) {
    const int a = free_directions(fa), b = free_directions(fb);
    bool dependent = a + b > 2;
    if (a == 1 && b == 1) {
        REAL point[3], free[2][3], H[9], first[3], second[3], both[3];
        const REAL any[3] = {1, 0, 0};
        local_feature(A, fa, any, any, point, free, H);
        rotate(A.mat, free[0], first);
        local_feature(B, fb, any, any, point, free, H);
        rotate(B.mat, free[0], second);
        cross(first, second, both);
        dependent = dot(both, both) < PARALLEL2 * dot(first, first) * dot(second, second);
    }
    if (!dependent)
        return;
    if (a < b)
        fix_point(A, t, 0, fa);
    else
        fix_point(B, t, 1, fb);
};

// Whether the places along the free directions are within the features.
auto inside_features = [&](const Shape& s, const Feature& f, const REAL* t) {
    if (f.kind == EDGE)
        return t[0] > -SLACK && t[0] < 1 + SLACK;
    if (f.kind == FACE)
        return t[0] > -SLACK && t[1] > -SLACK && t[0] + t[1] < 1 + SLACK;
    if (f.kind == SIDE)
        return wp::abs(t[0]) < s.size[1] * (1 + SLACK);
    if (f.kind == CAP)
        return t[0] * t[0] + t[1] * t[1] < s.size[0] * s.size[0] * (1 + SLACK);
    return true;
};

// A point of a polytope's feature, in the world.
auto place_of = [&](const Shape& s, const Feature& f, REAL* to) {
    const REAL first = f.kind == MIX ? f.par[0] : (REAL)1, second = f.kind == MIX ? f.par[1] : (REAL)0;
    const REAL weight[3] = {first, second, 1 - first - second};
    to[0] = to[1] = to[2] = 0;
    for (int k = 0; k < 3; ++k) {
        REAL x[3];
        if (weight[k] == 0)
            continue;
        world_corner(s, f.v[k], x);
        add_scaled(to, weight[k], x);
    }
};

// A vertex of the face with normal ``out`` (world) that an edge from ``from`` along ``along`` is part of, on the side of
// ``sideways`` (unit length, across both); -1 if the face ends there.
auto flat_vertex = [&](Shape& s, const REAL* from, const REAL* along, const REAL* out, const REAL* sideways) {
    REAL tilted[3], x[3];
    for (int i = 0; i < 3; ++i)
        tilted[i] = out[i] + TILT * sideways[i];
    const REAL norm = length(tilted);
    for (int i = 0; i < 3; ++i)
        tilted[i] /= norm;
    const int v = support(s, tilted, x);
    minus(x, from, x);
    const REAL across = dot(x, sideways);
    return across > SLACK * length(along) && wp::abs(dot(x, out)) < FLAT * across ? v : -1;
};

// A vertex of the face that a triangle of vertices is on, beyond the edge across from its vertex k; -1 if there is none.
auto beyond_edge = [&](Shape& s, const Feature& f, int k, const REAL* out) {
    REAL from[3], along[3], outwards[3];
    world_corner(s, f.v[(k + 1) % 3], from);
    world_corner(s, f.v[(k + 2) % 3], along);
    world_corner(s, f.v[k], outwards);
    minus(along, from, along);
    minus(from, outwards, outwards);
    add_scaled(outwards, -dot(outwards, along) / dot(along, along), along);
    const REAL across = length(outwards);
    if (!(across > 0))
        return -1;
    for (int i = 0; i < 3; ++i)
        outwards[i] /= across;
    return flat_vertex(s, from, along, out, outwards);
};

// An edge that runs across a face, or along its border, with the face's normal is a part of the face: as an edge its normal
// would turn with a point that moves across it. True if ``f`` was one.
auto widen = [&](Shape& s, Feature& f, const REAL* out) {
    if (f.kind != EDGE || s.type == CAPSULE)
        return false;
    REAL from[3], along[3], sideways[3];
    world_corner(s, f.v[0], from);
    world_corner(s, f.v[1], along);
    minus(along, from, along);
    cross(along, out, sideways);
    const REAL size = length(sideways);
    for (int side = 0; side < 2; ++side) {
        for (int i = 0; i < 3; ++i)
            sideways[i] /= side == 0 ? size : (REAL)-1;
        const int v = flat_vertex(s, from, along, out, sideways);
        if (v >= 0 && v != f.v[0] && v != f.v[1]) {
            f.kind = FACE;
            f.v[2] = v;
            return true;
        }
    }
    return false;
};

// With the two vertices of an edge, another of one of its faces: of that to the left of ``out`` or to the right, found by
// turning a plane around the edge until nothing is beyond it; -1 if there is none.
auto third_vertex = [&](Shape& s, const Feature& f, const REAL* out, bool right) {
    REAL from[3], along[3], normal[3], x[3];
    world_corner(s, f.v[0], from);
    world_corner(s, f.v[1], along);
    minus(along, from, along);
    cross(along, out, normal);
    int v = -1;
    for (int round = 0; round < 16; ++round) {
        const REAL size = length(normal);
        if (!(size > 0))
            return -1;
        for (int k = 0; k < 3; ++k)
            normal[k] /= right && round == 0 ? -size : size;
        const int farther = support(s, normal, x);
        minus(x, from, x);
        if (farther == f.v[0] || farther == f.v[1] || (v >= 0 && dot(x, normal) < SETTLED * 10))
            break;
        v = farther;
        cross(along, x, normal);
        if (dot(normal, out) < 0)
            for (int k = 0; k < 3; ++k)
                normal[k] = -normal[k];
    }
    return v;
};

// The features of a touch in which a curved shape takes part, found from where it touches roughly: each possibility is
// solved for exactly, and taken if it holds what it must. False if none does. ``beyond``: so are the faces of
// an edge that was found, and the edges of a face.
auto curved_features = [&](Shape& A, Shape& B, const Touch& t, bool beyond, Feature& fa, Feature& fb, Witness& x) {
    Shape* shapes[2] = {&A, &B};
    Feature options[2][4];
    int n_options[2];
    REAL weight[3];
    for (int b = 0; b < 2; ++b) {
        const Shape& s = *shapes[b];
        Feature f;
        vertices_of(t, b, f, weight);
        n_options[b] = 0;
        REAL out[3];
        for (int k = 0; k < 3; ++k)
            out[k] = b ? -t.normal[k] : t.normal[k];
        auto option = [&](int kind, int v) -> Feature& {
            Feature& o = options[b][n_options[b]++];
            o.kind = kind;
            o.v[0] = v;
            o.v[1] = o.v[2] = 0;
            o.par[0] = o.par[1] = o.par[2] = 0;
            return o;
        };
        if (s.type == ELLIPSOID) {
            option(SMOOTH, 0);
        } else if (s.type == CYLINDER) {
            rotate_back(s.mat, out, out);
            const REAL across = wp::sqrt(out[0] * out[0] + out[1] * out[1]);
            // the angle of a rim's point: of the point found, or where that is near the axis, of the direction
            REAL point[3] = {0, 0, 0};
            for (int i = 0; i < t.n; ++i)
                add_scaled(point, t.weight[i], b ? t.v[i].b : t.v[i].a);
            minus(point, s.pos, point);
            rotate_back(s.mat, point, point);
            const bool off_axis = point[0] * point[0] + point[1] * point[1] > (REAL)0.01 * s.size[0] * s.size[0];
            const REAL angle = off_axis ? wp::atan2(point[1], point[0]) : wp::atan2(out[1], out[0]);
            const bool level = wp::abs(out[2]) < (REAL)0.05, upright = across < (REAL)0.05, upper = out[2] > 0;
            // all of them, the likely ones first
            if (level)
                option(SIDE, 0);
            if (upright)
                option(CAP, upper);
            option(RIM, upper).par[0] = angle;
            if (!level)
                option(SIDE, 0);
            option(RIM, !upper).par[0] = angle;
            if (!upright)
                option(CAP, upper);
        } else {
            options[b][n_options[b]++] = f;
            for (int side = 0; beyond && f.kind == EDGE && side < 2; ++side) {
                const int v = third_vertex(*shapes[b], f, out, side);
                if (v < 0)
                    continue;
                Feature& face = option(FACE, f.v[0]);
                face.v[1] = f.v[1];
                face.v[2] = v;
            }
            for (int k = 0; beyond && f.kind == FACE && k < 3; ++k)
                option(EDGE, f.v[k]).v[1] = f.v[(k + 1) % 3];
        }
    }
    for (int i = 0; i < n_options[0]; ++i) {
        for (int j = 0; j < n_options[1]; ++j) {
            fa = options[0][i];
            fb = options[1][j];
            bool narrowed = false;
            for (int round = 0; round < 8; ++round) {
                make_unique(A, fa, B, fb, t);
                copy3(t.normal, x.n);
                x.d = t.depth;
                // a point of a side that is fixed at its end is one of the rim
                auto at_end = [](const Shape& s, const Feature& f) {
                    return f.kind == RING && wp::abs(f.par[0]) > (REAL)0.999 * s.size[1];
                };
                if (at_end(A, fa) || at_end(B, fb) || !settle(A, fa, B, fb, x))
                    break;
                if (is_another_depth(x.d, t.depth))
                    break;
                // drop what is not used, add what is farther out
                Feature* features[2] = {&fa, &fb};
                const REAL* places[2] = {x.t, x.t + places_along(fa)};
                bool good = true, changed = false;
                for (int b = 0; b < 2; ++b) {
                    Feature& f = *features[b];
                    const Shape& s = *shapes[b];
                    const REAL* own = places[b];
                    if (!inside_features(s, f, own)) {
                        if (f.kind == EDGE) {
                            f.v[0] = own[0] > (REAL)0.5 ? f.v[1] : f.v[0];
                            f.kind = VERTEX;
                            changed = true;
                        } else if (f.kind == FACE) {
                            const REAL least[3] = {1 - own[0] - own[1], own[0], own[1]};
                            int worst = 0;
                            for (int k = 1; k < 3; ++k)
                                if (least[k] < least[worst])
                                    worst = k;
                            REAL out[3];
                            for (int k = 0; k < 3; ++k)
                                out[k] = b ? -x.n[k] : x.n[k];
                            const int beyond = beyond_edge(*shapes[b], f, worst, out);
                            f.v[worst] = beyond < 0 ? f.v[2] : beyond;
                            f.kind = beyond < 0 ? EDGE : FACE;
                            narrowed = narrowed || beyond < 0;  // the face ends there
                            changed = true;
                        } else {
                            good = false;
                        }
                    } else if (is_polytope(s)) {
                        REAL out[3], farthest[3], point[3], rise[3];
                        for (int k = 0; k < 3; ++k)
                            out[k] = b ? -x.n[k] : x.n[k];
                        const int v = support(*shapes[b], out, farthest);
                        place_of(s, f, point);
                        minus(farthest, point, rise);
                        bool known = dot(rise, out) < SETTLED * 10;
                        for (int k = 0; k < f.kind && f.kind <= FACE; ++k)
                            known = known || f.v[k] == v;
                        if (known && f.kind == EDGE && !narrowed && places_along(*features[1 - b]) < 2 && widen(*shapes[b], f, out)) {
                            changed = true;
                        } else if (f.kind == MIX) {
                            // a face or edge that is not as parallel as it seemed touches with its end
                            if (dot(rise, out) > SETTLED * 10) {
                                f.kind = VERTEX;
                                f.v[0] = v;
                                changed = true;
                            }
                        } else if (!known && f.kind < FACE) {
                            f.v[f.kind++] = v;
                            changed = true;
                        } else if (!known) {
                            good = false;
                        }
                    } else if (f.kind == RING || f.kind == CAP_POINT) {
                        // a cap or side that is not as parallel as it seemed touches with its rim
                        REAL out[3];
                        for (int k = 0; k < 3; ++k)
                            out[k] = b ? -x.n[k] : x.n[k];
                        rotate_back(s.mat, out, out);
                        const REAL across = s.size[0] * wp::sqrt(out[0] * out[0] + out[1] * out[1]);
                        const REAL at = f.kind == RING ? across + out[2] * f.par[0]
                                                       : out[0] * f.par[0] + out[1] * f.par[1] + (f.v[0] ? out[2] : -out[2]) * s.size[1];
                        good = good && across + wp::abs(out[2]) * s.size[1] - at < SETTLED * 10;
                    } else if (f.kind == RIM) {
                        REAL out[3];
                        for (int k = 0; k < 3; ++k)
                            out[k] = b ? -x.n[k] : x.n[k];
                        rotate_back(s.mat, out, out);
                        const REAL outward = out[0] * wp::cos(own[0]) + out[1] * wp::sin(own[0]);
                        good = good && (f.v[0] ? out[2] > -SLACK : out[2] < SLACK) && outward > -SLACK;
                        f.par[0] = own[0];
                    }
                }
                if (!good)
                    break;
                if (!changed)
                    return true;
            }
        }
    }
    return false;
};

// The features of a touch, and the exact witnesses.
auto features_of = [&](Shape& A, Shape& B, Touch& t, Feature& fa, Feature& fb, Witness& x) {
    if (is_polytope(A) && is_polytope(B)) {
        REAL weight[3];
        vertices_of(t, 0, fa, weight);
        vertices_of(t, 1, fb, weight);
        const REAL back[3] = {-t.normal[0], -t.normal[1], -t.normal[2]};
        if (free_directions(fb) == 0)
            widen(A, fa, t.normal);
        else if (free_directions(fa) == 0)
            widen(B, fb, back);
        make_unique(A, fa, B, fb, t);
        copy3(t.normal, x.n);
        x.d = t.depth;
        if (settle(A, fa, B, fb, x) && !is_another_depth(x.d, t.depth))
            return;
    } else {
        for (int beyond = 0; beyond < 2; ++beyond)
            if (curved_features(A, B, t, beyond, fa, fb, x))
                return;
        // shapes that just touch: the normal may have come out the wrong way round
        Touch back = t;
        back.depth = -t.depth;
        for (int k = 0; k < 3; ++k)
            back.normal[k] = -t.normal[k];
        if (wp::abs(t.depth) < 100 * ccd_tolerance && curved_features(A, B, back, false, fa, fb, x))
            return;
    }
    // Not to be had exactly: the points that were found, fixed in both shapes.
    Shape* shapes[2] = {&A, &B};
    Feature* features[2] = {&fa, &fb};
    for (int b = 0; b < 2; ++b) {
        REAL point[3] = {0, 0, 0};
        for (int i = 0; i < t.n; ++i)
            add_scaled(point, t.weight[i], b ? t.v[i].b : t.v[i].a);
        minus(point, shapes[b]->pos, point);
        Feature& f = *features[b];
        rotate_back(shapes[b]->mat, point, f.par);
        f.kind = POINT;
        f.v[0] = f.v[1] = f.v[2] = shapes[b]->type == HFIELD ? shapes[b]->origin : 0;
    }
    copy3(t.normal, x.n);
    x.d = t.depth;
    settle(A, fa, B, fb, x);
};
