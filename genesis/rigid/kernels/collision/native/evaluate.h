// The geometry of each contact of the family, and its adjoint.

auto each = [&](auto visit) {
    const int slots = (INTEGERS(ncon))[1];
    for (int c = 0; c < slots; ++c) {
        const int pair = (INTEGERS(con_pair))[c];
        if (pairs.cpair_family.data[pair] == FAMILY)
            visit(c, pairs.cpair_geom.data[2 * pair], pairs.cpair_geom.data[2 * pair + 1],
                  pairs.cpair_margin.data[pair] + pairs.cpair_gap.data[pair]);
    }
};

auto evaluate = [&]() {
    each([&](int c, int g, int h, REAL margin) {
        Shape A, B;
        REAL origin[3];
        const int* slot = contact_slot(c);
        shapes_of(g, h, slot[2], A, B, origin);
        REAL *dist = SLOT(places.con_dist), *pos = SLOT(places.con_pos), n[3];
        if (slot[0] == WITNESSES) {
            Feature fa, fb;
            Witness x;
            load(slot, fa, fb, x);
            settle(A, fa, B, fb, x);
            dist[0] = distance_of(A, B, x);
            middle_of(A, fa, B, fb, x, pos);
            copy3(x.n, n);
        } else {
            clipped_contact(A, B, slot, margin, dist[0], pos, n, 0, nullptr, nullptr, nullptr);
        }
        add_scaled(pos, 1, origin);
        contact_frame(n, SLOT(places.con_frame));
    });
};
