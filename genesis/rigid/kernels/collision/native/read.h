// How shapes and contacts are read.

auto shape_of = [&](int g) {
    Shape s;
    s.type = shapes.cgeom_type.data[g];
    copy3(item(shapes.geom_xpos, g), s.pos);
    copy3(item(shapes.geom_size, g), s.size);
    const REAL* mat = item(shapes.geom_xmat, g);
    for (int k = 0; k < 9; ++k)
        s.mat[k] = mat[k];
    s.radius = s.type == SPHERE || s.type == CAPSULE ? s.size[0] : (REAL)0;
    s.nvert = hulls.cgeom_vertnum.data[g];
    s.last = -1;
    if (s.type == HFIELD) {
        s.vert = hulls.hfield_data.data + hulls.cgeom_vertadr.data[g] + 1;
        s.columns = hulls.cgeom_polyadr.data[g];
        s.origin = 0;
        return s;
    }
    s.vert = hulls.mesh_vert.data + 3 * hulls.cgeom_vertadr.data[g];
    s.normals = hulls.mesh_polynormal.data + 3 * hulls.cgeom_polyadr.data[g];
    s.table = hulls.mesh_hull.data + hulls.cgeom_hulladr.data[g];
    s.box = hulls.cgeom_box.data + 6 * g;
    return s;
};

// Both shapes of a pair, seen from the first one's place, which is returned: rounding does not grow with the distance from
// the world's origin. ``near``: a vertex of a height field; its place is the field's.
auto shapes_of = [&](int g, int h, int near, Shape& A, Shape& B, REAL* origin) {
    A = shape_of(g);
    B = shape_of(h);
    copy3(A.pos, origin);
    if (A.type == HFIELD) {
        REAL x[3];
        A.origin = near % A.nvert;
        field_origin(A, x);
        for (int k = 0; k < 3; ++k)
            x[k] *= A.size[k];
        rotate(A.mat, x, x);
        add_scaled(origin, 1, x);
    }
    for (int k = 0; k < 3; ++k) {
        A.pos[k] = 0;
        B.pos[k] -= origin[k];
    }
};

auto contact_slot = [&](int c) { return INTEGERS(con_feature) + (long long)c * con_feature.shape[2]; };

auto load = [&](const int* slot, Feature& fa, Feature& fb, Witness& x) {
    Feature* features[2] = {&fa, &fb};
    const REAL* numbers = (const REAL*)(slot + NUMBERS);
    copy3(numbers, x.n);
    x.d = numbers[3];
    for (int b = 0; b < 2; ++b) {
        features[b]->kind = slot[1 + 4 * b];
        for (int k = 0; k < 3; ++k)
            features[b]->v[k] = slot[2 + 4 * b + k];
        copy3(numbers + 4 + 3 * b, features[b]->par);
    }
};
