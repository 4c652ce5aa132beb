// The adjoint of the geometry.

auto add_pull = [&](int g, const Shape& s, Pull& p) {
    REAL* by_pos = item(to_shapes.geom_xpos, g);
    REAL* by_mat = item(to_shapes.geom_xmat, g);
    add_scaled(by_pos, 1, p.pos);
    if (s.type == HFIELD) {  // the place that its vertices are measured from
        REAL x[3], turned[3];
        field_origin(s, x);
        rotate_back(s.mat, p.pos, turned);
        for (int k = 0; k < 3; ++k) {
            p.size[k] += x[k] * turned[k];
            x[k] *= s.size[k];
        }
        for (int i = 0; i < 3; ++i)
            add_scaled(p.mat + 3 * i, p.pos[i], x);
    }
    for (int k = 0; k < 9; ++k)
        by_mat[k] += p.mat[k];
    if (!to_shapes.geom_size.data)
        return;
    REAL* by_size = item(to_shapes.geom_size, g);
    for (int k = 0; k < 3; ++k)
        wp::atomic_add(by_size + k, p.size[k]);  // envs that run at once may share one row of parameters
};

auto adjoint = [&]() {
    each([&](int c, int g, int h, REAL margin) {
        Shape A, B;
        REAL origin[3];
        const int* slot = contact_slot(c);
        shapes_of(g, h, slot[2], A, B, origin);
        const REAL by_dist = (SLOT(to_places.con_dist))[0];
        const REAL *by_pos = SLOT(to_places.con_pos), *frame = SLOT(places.con_frame);
        REAL by_n[3] = {0, 0, 0};
        Pull pulls[2] = {};
        contact_frame_adjoint(frame, SLOT(to_places.con_frame), by_n);
        if (slot[0] == WITNESSES) {
            Feature fa, fb;
            Witness x;
            load(slot, fa, fb, x);
            settle(A, fa, B, fb, x);
            pull_witnesses(A, fa, B, fb, x, by_dist, by_pos, by_n, pulls);
        } else {
            REAL dist, pos[3], n[3];
            clipped_contact(A, B, slot, margin, dist, pos, n, by_dist, by_pos, by_n, pulls);
        }
        add_pull(g, A, pulls[0]);
        add_pull(h, B, pulls[1]);
    });
};
