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

auto collide_pair = [&](int pair, int g, int h, REAL margin) {
    Shape A, B;
    REAL origin[3];
    shapes_of(g, h, A, B, origin);
    Touch t;
    Feature fa, fb;
    Witness x;
    if (!touch_of(A, B, margin, t))
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
    features_of(A, B, t, fa, fb, x);
    if (distance_of(A, B, x) < margin)
        store(append(pair), fa, fb, x);
};

auto run = [&](auto) {
    const int* listed = INTEGERS(candidate);
    const int count = (INTEGERS(candidate_count))[0];
    for (int k = 0; k < count; ++k) {
        const int pair = listed[k];
        if (pairs.cpair_family.data[pair] == FAMILY)
            collide_pair(pair, pairs.cpair_geom.data[2 * pair], pairs.cpair_geom.data[2 * pair + 1],
                         pairs.cpair_margin.data[pair] + pairs.cpair_gap.data[pair]);
    }
};
