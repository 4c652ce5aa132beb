// Distance, position and normal of a contact at its features, and what their gradients pull at: poses and sizes.

struct Pull {
    REAL pos[3], mat[9], size[3];
};

auto pull_point = [&](Pull& p, const REAL* local, const REAL* force) {
    add_scaled(p.pos, 1, force);
    for (int i = 0; i < 3; ++i)
        add_scaled(p.mat + 3 * i, force[i], local);
};
auto pull_direction = [&](Pull& p, const REAL* local, const REAL* force) {
    for (int i = 0; i < 3; ++i)
        add_scaled(p.mat + 3 * i, force[i], local);
};
// A vertex in the shape's frame.
auto pull_vertex = [&](const Shape& s, Pull& p, int v, const REAL* force) {
    if (s.type == CYLINDER) {
        const REAL angle = (REAL)(v & 15) * SIXTEENTH, side = v < 16 ? (REAL)1 : (REAL)-1;
        p.size[0] += wp::cos(angle) * force[0] - side * wp::sin(angle) * force[1];
        p.size[1] += side * force[2];
    } else if (s.type == HFIELD) {
        REAL x[3];
        field_corner(s, v, x);
        for (int k = 0; k < 3; ++k)
            p.size[k] += x[k] * force[k];
    } else if (s.type == MESH)
        for (int k = 0; k < 3; ++k)
            p.size[k] += s.vert[3 * v + k] * force[k];
    else if (s.type == BOX)
        for (int k = 0; k < 3; ++k)
            p.size[k] += v >> k & 1 ? force[k] : -force[k];
    else if (s.type == CAPSULE)
        p.size[1] += v ? force[2] : -force[2];
};
// The same in the world.
auto pull_corner = [&](const Shape& s, Pull& p, int v, const REAL* force) {
    REAL local[3], turned[3];
    corner(s, v, local);
    pull_point(p, local, force);
    rotate_back(s.mat, force, turned);
    pull_vertex(s, p, v, turned);
};
auto pull_face_normal = [&](const Shape& s, Pull& p, int face, const REAL* force) {
    REAL local[3], turned[3];
    face_normal(s, face, local);
    pull_direction(p, local, force);
    if (s.type != MESH)
        return;
    rotate_back(s.mat, force, turned);
    const REAL* normal = s.normals + 3 * s.table[face];
    REAL raw[3];
    for (int k = 0; k < 3; ++k)
        raw[k] = normal[k] / s.size[k];
    const REAL size = length(raw), along = dot(local, turned);
    for (int k = 0; k < 3; ++k)
        p.size[k] -= (turned[k] - along * local[k]) / size * raw[k] / s.size[k];
};

// -- two witnesses -----------------------------------------------------------------------------------------------------

auto pull_witnesses = [&](const Shape& A, const Feature& fa, const Shape& B, const Feature& fb, const Witness& x,
                          REAL by_dist, const REAL* by_pos, const REAL* by_n, Pull* pulls) {
    const Shape* shapes[2] = {&A, &B};
    const Feature* features[2] = {&fa, &fb};
    System q;
    set_up(A, fa, B, fb, x, q);
    REAL y[MOST_UNKNOWNS], half[3], curved[3];
    for (int k = 0; k < 3; ++k) {
        half[k] = (REAL)0.5 * by_pos[k];
        y[k] = by_n[k] + (A.radius - B.radius) * half[k];
    }
    for (int b = 0, column = 4; b < 2; ++b) {
        rotate(q.H[b], half, curved);
        add_scaled(y, b ? (REAL)-1 : (REAL)1, curved);
        for (int k = 0; k < q.n_free[b]; ++k)
            y[column++] = dot(half, q.free[b][k]);
        if (shapes[b]->type == SPHERE || shapes[b]->type == CAPSULE)
            pulls[b].size[0] += (b ? -dot(half, x.n) : dot(half, x.n)) - by_dist;
    }
    y[3] = -by_dist;
    if (fa.kind == POINT && fb.kind == POINT)
        for (int k = 0; k < 3; ++k)
            y[k] = by_dist * x.n[k];
    else
        solve_small(q.K, q.size, y);
    for (int b = 0, column = 4; b < 2; ++b) {
        const Shape& s = *shapes[b];
        const Feature& f = *features[b];
        Pull& p = pulls[b];
        REAL out[3], point[3], free[2][3], H[9], force[3], local[3], normal[3], whole[3], by_free[2][3];
        for (int k = 0; k < 3; ++k) {
            out[k] = b ? -x.n[k] : x.n[k];
            force[k] = half[k] + (b ? y[k] : -y[k]);
        }
        rotate_back(s.mat, force, local);
        rotate_back(s.mat, x.n, normal);
        REAL world_out[3];
        copy3(out, world_out);
        rotate_back(s.mat, out, out);
        const int first = column - 4;
        const bool bent = local_feature(s, f, out, x.t + first, point, free, H);
        copy3(point, whole);
        for (int k = 0; k < q.n_free[b]; ++k) {
            const REAL t = x.t[first + k], along = b ? y[column + k] : -y[column + k];
            REAL push[3];
            const REAL straight = f.kind == RIM ? (REAL)0 : t;
            add_scaled(whole, straight, free[k]);
            for (int i = 0; i < 3; ++i) {
                push[i] = along * x.n[i];
                by_free[k][i] = straight * local[i] + along * normal[i];
            }
            pull_direction(p, free[k], push);
        }
        column += q.n_free[b];
        pull_point(p, whole, force);
        if (bent) {
            REAL by_out[3];
            rotate(H, local, by_out);
            pull_direction(p, by_out, world_out);
        }
        const REAL side = f.v[0] ? (REAL)1 : (REAL)-1;
        if (f.kind <= FACE) {
            REAL rest[3];
            copy3(local, rest);
            for (int k = 1; k < f.kind; ++k) {
                pull_vertex(s, p, f.v[k], by_free[k - 1]);
                add_scaled(rest, -1, by_free[k - 1]);
            }
            pull_vertex(s, p, f.v[0], rest);
        } else if (f.kind == MIX) {
            const REAL weight[3] = {f.par[0], f.par[1], 1 - f.par[0] - f.par[1]};
            for (int k = 0; k < 3; ++k) {
                REAL part[3] = {0, 0, 0};
                add_scaled(part, weight[k], local);
                pull_vertex(s, p, f.v[k], part);
            }
        } else if (f.kind == SMOOTH) {
            REAL square = 0;
            for (int k = 0; k < 3; ++k)
                square += s.size[k] * out[k] * s.size[k] * out[k];
            const REAL norm = wp::sqrt(square), along = dot(point, local);
            for (int k = 0; k < 3; ++k)
                p.size[k] += 2 * s.size[k] * out[k] * local[k] / norm - along * s.size[k] * out[k] * out[k] / square;
        } else if (f.kind == RIM) {
            const REAL c = wp::cos(x.t[first]), d = wp::sin(x.t[first]);
            p.size[0] += c * local[0] + d * local[1] - d * by_free[0][0] + c * by_free[0][1];
            p.size[1] += side * local[2];
        } else if (f.kind == RING || f.kind == SIDE) {
            const REAL across = wp::sqrt(out[0] * out[0] + out[1] * out[1]);
            if (across > TINY)
                p.size[0] += (out[0] * local[0] + out[1] * local[1]) / across;
        } else if (f.kind == CAP || f.kind == CAP_POINT) {
            p.size[1] += side * local[2];
        }
    }
};

// -- a corner of a clipped polygon -------------------------------------------------------------------------------------

// The contact in ``slot``; and, if ``pulls`` is not null, what its gradients pull at.
auto clipped_contact = [&](const Shape& A, const Shape& B, const int* slot, REAL margin, REAL& dist, REAL* pos, REAL* n, REAL by_dist,
                           const REAL* by_pos, const REAL* by_n, Pull* pulls) {
    const int mode = slot[0], face = slot[CLIP], first = slot[CLIP + 3], second = slot[CLIP + 4];
    const bool swapped = mode == EDGE_A;
    const Shape &C = swapped ? B : A, &S = swapped ? A : B;
    const int sides = face_size(C, face);
    // a wall: through the clipping face's edge e, along its normal
    struct Wall {
        REAL at[3], along[3], normal[3];
    };
    REAL N[3], origin[3], of_subject[3] = {0, 0, 0}, x[3];
    world_face_normal(C, face, N);
    world_corner(C, face_vertex(C, face, 0), origin);
    REAL ends[2][3], down[3] = {0, 0, 0}, by_down[3] = {0, 0, 0};
    const bool curved = mode != FACES && !(S.type == BOX || S.type == MESH);
    Feature fa, fb;
    Witness witness;
    if (curved) {
        load(slot, fa, fb, witness);
        settle(A, fa, B, fb, witness);
        add_scaled(down, mode == EDGE_A ? (REAL)1 : (REAL)-1, witness.n);
    }
    if (mode == FACES)
        world_face_normal(S, slot[CLIP + 1], of_subject);
    else
        edge_ends(S, slot + CLIP + 1, down, margin, ends);
    // corner k of what is clipped
    auto subject = [&](int k, REAL* to) {
        if (mode == FACES) {
            world_corner(S, face_vertex(S, slot[CLIP + 1], k % face_size(S, slot[CLIP + 1])), to);
        } else {
            rotate(S.mat, ends[k % 2], to);
            add_scaled(to, 1, S.pos);
        }
    };
    auto wall_at = [&](int e, Wall& wall) {
        world_corner(C, face_vertex(C, face, e), wall.at);
        world_corner(C, face_vertex(C, face, (e + 1) % sides), wall.along);
        minus(wall.along, wall.at, wall.along);
        cross(wall.along, N, wall.normal);
    };
    Wall one, two;
    REAL P[3], PQ[3], from[3], t = 0, slope = 1, c23[3], c31[3], c12[3], det = 1;
    bool at_corner = false;  // of the clipping face: two walls that are nearly one meet nowhere else
    if (second < 0) {
        subject(first, x);
    } else if (first >= 0) {
        wall_at(second, two);
        subject(first, P);
        subject(first + 1, PQ);
        minus(PQ, P, PQ);
        minus(two.at, P, from);
        slope = dot(two.normal, PQ);
        t = dot(two.normal, from) / slope;
        copy3(P, x);
        add_scaled(x, t, PQ);
    } else {
        wall_at(-1 - first, one);
        wall_at(second, two);
        subject(0, P);
        cross(two.normal, of_subject, c23);
        cross(of_subject, one.normal, c31);
        cross(one.normal, two.normal, c12);
        det = dot(one.normal, c23);
        at_corner = !(wp::abs(det) > SINGULAR * length(one.normal) * length(two.normal));
        const REAL b1 = dot(one.normal, one.at), b2 = dot(two.normal, two.at), b3 = dot(of_subject, P);
        for (int k = 0; k < 3; ++k)
            x[k] = at_corner ? two.at[k] : (b1 * c23[k] + b2 * c31[k] + b3 * c12[k]) / det;
    }
    REAL height[3];
    minus(x, origin, height);
    // Of faces: from the corner, along N, to the clipping face; from there, along the other face's normal, to that face.
    const REAL above = dot(N, height), tilt = -dot(N, of_subject);
    const REAL shift = curved && S.type == CAPSULE ? margin : (REAL)0;
    dist = mode == FACES ? above * tilt : above + (REAL)0.5 * shift;
    const REAL side = mode == EDGE_B ? (REAL)1 : (REAL)-1;
    for (int k = 0; k < 3; ++k) {
        n[k] = mode == FACES ? -of_subject[k] : side * N[k];
        pos[k] = x[k] - (mode == FACES ? above * N[k] + (REAL)0.5 * dist * of_subject[k] : (REAL)0.5 * (dist - shift) * N[k]);
    }
    if (!pulls)
        return;
    Pull &at_c = pulls[swapped ? 1 : 0], &at_s = pulls[swapped ? 0 : 1];
    REAL by_x[3], by_N[3] = {0, 0, 0}, by_subject[3] = {0, 0, 0}, force[3];
    copy3(by_pos, by_x);
    if (mode == FACES) {
        by_dist -= (REAL)0.5 * dot(by_pos, of_subject);
        add_scaled(by_subject, -1, by_n);
        add_scaled(by_subject, (REAL)-0.5 * dist, by_pos);
        add_scaled(by_N, -above, by_pos);
        // dist = -above (N . of_subject)
        add_scaled(by_N, -above * by_dist, of_subject);
        add_scaled(by_subject, -above * by_dist, N);
        by_dist = by_dist * tilt - dot(by_pos, N);
    } else {
        by_dist -= (REAL)0.5 * dot(by_pos, N);
        add_scaled(by_N, side, by_n);
        add_scaled(by_N, (REAL)-0.5 * (dist - shift), by_pos);
    }
    // corner k of what is clipped is pulled
    auto pull_subject = [&](int k, const REAL* by) {
        if (mode == FACES) {
            pull_corner(S, at_s, face_vertex(S, slot[CLIP + 1], k % face_size(S, slot[CLIP + 1])), by);
            return;
        }
        if (!curved) {
            pull_corner(S, at_s, slot[CLIP + 1 + k % 2], by);
            return;
        }
        const REAL* end = ends[k % 2];
        REAL local[3], d[3], by_d[3] = {0, 0, 0};
        pull_point(at_s, end, by);
        rotate_back(S.mat, by, local);
        rotate_back(S.mat, down, d);
        if (S.type == CAPSULE) {
            pull_vertex(S, at_s, slot[CLIP + 1 + k % 2], local);
            at_s.size[0] += dot(d, local);
            add_scaled(by_d, S.radius + (REAL)0.5 * margin, local);
        } else {
            const REAL across = wp::sqrt(d[0] * d[0] + d[1] * d[1]);
            at_s.size[1] += end[2] > 0 ? local[2] : -local[2];
            if (across > TINY) {
                const REAL outward = (d[0] * local[0] + d[1] * local[1]) / across;
                at_s.size[0] += outward;
                for (int i = 0; i < 2; ++i)
                    by_d[i] = S.size[0] / across * (local[i] - outward * d[i] / across);
            }
        }
        pull_direction(at_s, by_d, down);
        rotate(S.mat, by_d, by_d);
        add_scaled(by_down, 1, by_d);
    };
    add_scaled(by_N, by_dist, height);
    add_scaled(by_x, by_dist, N);
    for (int k = 0; k < 3; ++k)
        force[k] = -by_dist * N[k];
    pull_corner(C, at_c, face_vertex(C, face, 0), force);
    auto pull_wall = [&](int e, const Wall& wall, const REAL* by_at, const REAL* by_normal) {
        REAL by_along[3], at[3], more[3];
        cross(N, by_normal, by_along);
        cross(by_normal, wall.along, more);
        add_scaled(by_N, 1, more);
        minus(by_at, by_along, at);
        pull_corner(C, at_c, face_vertex(C, face, e), at);
        pull_corner(C, at_c, face_vertex(C, face, (e + 1) % sides), by_along);
    };
    if (second < 0) {
        pull_subject(first, by_x);
    } else if (first >= 0) {
        const REAL by_t = dot(by_x, PQ), by_height = by_t / slope, by_slope = -by_t * t / slope;
        REAL by_P[3], by_Q[3], by_normal[3], by_at[3];
        for (int k = 0; k < 3; ++k) {
            by_normal[k] = by_height * from[k] + by_slope * PQ[k];
            by_at[k] = by_height * two.normal[k];
            by_Q[k] = t * by_x[k] + by_slope * two.normal[k];
            by_P[k] = by_x[k] - t * by_x[k] - (by_height + by_slope) * two.normal[k];
        }
        pull_subject(first, by_P);
        pull_subject(first + 1, by_Q);
        pull_wall(second, two, by_at, by_normal);
    } else if (at_corner) {
        pull_corner(C, at_c, face_vertex(C, face, second), by_x);
    } else {
        const REAL m1 = dot(by_x, c23) / det, m2 = dot(by_x, c31) / det, m3 = dot(by_x, c12) / det;
        REAL by_at[3], by_normal[3], by_P[3], off[3];
        for (int w = 0; w < 2; ++w) {
            const Wall& wall = w ? two : one;
            const REAL m = w ? m2 : m1;
            minus(wall.at, x, off);
            for (int k = 0; k < 3; ++k) {
                by_normal[k] = m * off[k];
                by_at[k] = m * wall.normal[k];
            }
            pull_wall(w ? second : -1 - first, wall, by_at, by_normal);
        }
        minus(P, x, off);
        add_scaled(by_subject, m3, off);
        for (int k = 0; k < 3; ++k)
            by_P[k] = m3 * of_subject[k];
        pull_subject(0, by_P);
    }
    if (curved) {
        const REAL none[3] = {0, 0, 0};
        REAL by_normal[3] = {0, 0, 0};
        add_scaled(by_normal, mode == EDGE_A ? (REAL)1 : (REAL)-1, by_down);
        pull_witnesses(A, fa, B, fb, witness, 0, none, by_normal, pulls);
    }
    pull_face_normal(C, at_c, face, by_N);
    if (mode == FACES)
        pull_face_normal(S, at_s, slot[CLIP + 1], by_subject);
};
