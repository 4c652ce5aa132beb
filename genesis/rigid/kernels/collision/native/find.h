// The narrow phase: of each candidate pair, its contacts and their features.

// Appends a contact; null where there is no slot left.
auto append = [&](int pair) {
    int* count = INTEGERS(ncon);
    const int c = count[0]++;
    if (c >= con_pair.shape[1])
        return (int*)nullptr;
    (INTEGERS(con_pair))[c] = pair;
    int* slot = contact_slot(c);
    for (int k = 0; k < WIDTH; ++k)
        slot[k] = 0;
    return slot;
};

auto store = [&](int* slot, const Feature& fa, const Feature& fb, const Witness& x) {
    if (!slot)
        return;
    slot[0] = WITNESSES;
    const Feature* features[2] = {&fa, &fb};
    REAL* numbers = (REAL*)(slot + NUMBERS);
    copy3(x.n, numbers);
    for (int b = 0; b < 2; ++b) {
        slot[1 + 4 * b] = features[b]->kind;
        for (int k = 0; k < 3; ++k)
            slot[2 + 4 * b + k] = features[b]->v[k];
        copy3(features[b]->par, numbers + 4 + 3 * b);
    }
    numbers[3] = x.d;
};

// Adds the contact of two shapes at the features where they touch.
auto add_touch = [&](int pair, Shape& A, Shape& B, Touch& t, REAL margin) {
    Feature fa, fb;
    Witness x;
    features_of(A, B, t, fa, fb, x);
    if (!(distance_of(A, B, x) < margin))
        return false;
    store(append(pair), fa, fb, x);
    return true;
};

// The box around a shape along its axes: its middle in the world, and half its sides.
auto box_of = [&](const Shape& s, REAL* middle, REAL* half) {
    copy3(s.pos, middle);
    for (int k = 0; k < 3; ++k)
        half[k] = s.type == SPHERE ? s.radius : s.size[k];
    if (s.type == CAPSULE || s.type == CYLINDER) {
        half[1] = half[0];
        half[2] = s.size[1] + s.radius;
    } else if (s.type == MESH) {
        REAL local[3];
        for (int k = 0; k < 3; ++k) {
            local[k] = s.box[k] * s.size[k];
            half[k] = s.box[3 + k] * s.size[k];
        }
        rotate(s.mat, local, local);
        add_scaled(middle, 1, local);
    }
};

// Whether a side of one of both boxes separates them by more than the margin: what bounding spheres do not tell of long
// and flat shapes.
auto boxes_apart = [&](const Shape& A, const Shape& B, REAL margin) {
    REAL middle[2][3], half[2][3], between[3];
    box_of(A, middle[0], half[0]);
    box_of(B, middle[1], half[1]);
    minus(middle[1], middle[0], between);
    REAL slanted[2][3] = {};  // half the other box along each axis
    for (int i = 0; i < 3; ++i)
        for (int j = 0; j < 3; ++j) {
            const REAL cosine = wp::abs(A.mat[i] * B.mat[j] + A.mat[3 + i] * B.mat[3 + j] + A.mat[6 + i] * B.mat[6 + j]);
            slanted[0][i] += cosine * half[1][j];
            slanted[1][j] += cosine * half[0][i];
        }
    for (int b = 0; b < 2; ++b) {
        REAL along[3];
        rotate_back(b ? B.mat : A.mat, between, along);
        for (int k = 0; k < 3; ++k)
            if (wp::abs(along[k]) > (half[b][k] + slanted[b][k]) * (1 + GRAIN) + margin)
                return true;
    }
    return false;
};

auto collide_pair = [&](int pair, int g, int h, REAL margin) {
    Shape A, B;
    REAL origin[3];
    shapes_of(g, h, 0, A, B, origin);
    Touch t;
    Feature fa, fb;
    Witness x;
    if (boxes_apart(A, B, margin) || !touch_of(A, B, margin, t))
        return;
    auto has_edges = [](const Shape& s) {
        return s.type == CAPSULE || s.type == CYLINDER || s.type == BOX || s.type == MESH;
    };
    if (multiccd && has_edges(A) && has_edges(B)) {
        REAL weight[3];
        Clip clip;
        vertices_of(t, 0, fa, weight);
        vertices_of(t, 1, fb, weight);
        if (find_clip(A, fa, B, fb, t.normal, clip)) {
            // the line of a curved side depends on the contact's normal
            const Shape& subject = clip.mode == EDGE_A ? A : B;
            const bool curved = clip.mode != FACES && !(subject.type == BOX || subject.type == MESH);
            copy3(t.normal, x.n);
            if (curved)
                features_of(A, B, t, fa, fb, x);
            const int found = clip_contacts(A, B, clip, x.n, margin, [&](const Corner& corner) {
                int* slot = append(pair);
                if (!slot)
                    return;
                if (curved)
                    store(slot, fa, fb, x);
                slot[0] = clip.mode;
                slot[CLIP] = clip.face;
                slot[CLIP + 1] = clip.subject[0];
                slot[CLIP + 2] = clip.subject[1];
                slot[CLIP + 3] = corner.first;
                slot[CLIP + 4] = corner.second;
            });
            if (found > 0)
                return;
        }
    }
    add_touch(pair, A, B, t, margin);
};

// A height field and a shape: each prism under the shape's bounding box is a shape of its own, with one contact.
auto collide_field = [&](int pair, int g, int h, REAL margin) {
    Shape A, B;
    REAL origin[3], low[3], high[3];
    shapes_of(g, h, 0, A, B, origin);
    const int columns = A.columns, rows = A.nvert / columns;
    for (int k = 0; k < 3; ++k) {
        REAL axis[3], x[3];
        for (int i = 0; i < 3; ++i)
            axis[i] = A.mat[3 * i + k];
        support(B, axis, x);
        high[k] = dot(x, axis) + B.radius;
        for (int i = 0; i < 3; ++i)
            axis[i] = -axis[i];
        support(B, axis, x);
        low[k] = -dot(x, axis) - B.radius;
        if (!(low[k] <= high[k]))
            return;  // not a number: the step will say so
        if (k < 2 && (low[k] - margin > 2 * A.size[k] || high[k] + margin < 0))
            return;
    }
    if (high[2] + margin < -A.vert[-1] * A.size[2])
        return;
    int first[2], last[2];
    for (int k = 0; k < 2; ++k) {
        const int most = (k ? rows : columns) - 1;
        const REAL per_length = (REAL)most / (2 * A.size[k]);
        const REAL from = wp::floor((low[k] - margin) * per_length), to = wp::ceil((high[k] + margin) * per_length);
        first[k] = from > 0 ? (int)from : 0;
        last[k] = to < (REAL)most ? (int)to : most;
    }
    int found = 0;
    for (int row = first[1]; row < last[1]; ++row) {
        for (int column = first[0]; column < last[0]; ++column) {
            for (int half_cell = 0; half_cell < 2; ++half_cell) {
                // MuJoCo's order: (row + 1, column), (row, column), (row + 1, column + 1), (row, column + 1)
                const int below = row * columns + column + half_cell, above = (row + 1) * columns + column;
                const int corners[3] = {half_cell ? below - 1 : above, half_cell ? above + 1 : below, half_cell ? below : above + 1};
                bool under = true;
                for (int k = 0; k < 3; ++k)
                    under = under && A.vert[corners[k]] * A.size[2] + margin < low[2];
                if (under)
                    continue;
                const int last_vertex = B.last;
                shapes_of(g, h, corners[0], A, B, origin);
                B.last = last_vertex;
                for (int k = 0; k < 3; ++k)
                    A.prism[k] = corners[k];
                Touch t;
                if (touch_of(A, B, margin, t) && add_touch(pair, A, B, t, margin) && ++found == MOST_OF_FIELD)
                    return;
            }
        }
    }
};

auto run = [&](auto) {
    const int* listed = INTEGERS(candidate);
    const int count = (INTEGERS(candidate_count))[0];
    for (int k = 0; k < count; ++k) {
        const int pair = listed[k];
        if (pairs.cpair_family.data[pair] != FAMILY)
            continue;
        const int g = pairs.cpair_geom.data[2 * pair], h = pairs.cpair_geom.data[2 * pair + 1];
        const REAL margin = pairs.cpair_margin.data[pair] + pairs.cpair_gap.data[pair];
        if (shapes.cgeom_type.data[g] == HFIELD)
            collide_field(pair, g, h, margin);
        else
            collide_pair(pair, g, h, margin);
    }
};
