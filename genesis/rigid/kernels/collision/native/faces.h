// Faces of polytopes.

// A face: of a mesh, the place of its polygon in the shape's table; of a box, 2 axis + (1: at the negative end); of a
// cylinder, the upper (0) or the lower cap (1).
// Its vertices go clockwise, seen from outside.
auto face_size = [](const Shape& s, int face) {
    return s.type == BOX ? 4 : (s.type == CYLINDER ? 16 : s.table[face + 1]);
};
auto face_vertex = [](const Shape& s, int face, int k) {
    if (s.type == CYLINDER)
        return 16 * face + k;
    if (s.type != BOX)
        return s.table[face + 2 + (s.table[face + 1] - 1 - k)];
    const int corners[6][4] = {{7, 3, 1, 5}, {2, 6, 4, 0}, {2, 3, 7, 6}, {4, 5, 1, 0}, {6, 7, 5, 4}, {3, 2, 0, 1}};
    return corners[face][k];
};
// Outward normal, in the shape's frame.
auto face_normal = [&](const Shape& s, int face, REAL* to) {
    if (s.type == CYLINDER) {
        to[0] = to[1] = 0;
        to[2] = face ? (REAL)-1 : (REAL)1;
        return;
    }
    if (s.type == BOX) {
        for (int k = 0; k < 3; ++k)
            to[k] = k == face / 2 ? (face % 2 ? (REAL)-1 : (REAL)1) : (REAL)0;
        return;
    }
    const REAL* normal = s.normals + 3 * s.table[face];
    for (int k = 0; k < 3; ++k)
        to[k] = normal[k] / s.size[k];
    const REAL norm = length(to);
    for (int k = 0; k < 3; ++k)
        to[k] /= norm;
};
auto world_face_normal = [&](const Shape& s, int face, REAL* to) {
    REAL local[3];
    face_normal(s, face, local);
    rotate(s.mat, local, to);
};

// Both ends of an edge, in the shape's frame: from corner v[0] to v[1] of a polytope; of a cylinder or capsule the line
// of its side that is farthest in direction ``down`` (world), that of a cylinder from its upper rim down if v[0] is 1.
// MuJoCo's capsules are larger by half of the pair's margin here.
auto edge_ends = [&](const Shape& s, const int* v, const REAL* down, REAL margin, Vector* ends) {
    if (s.type != CYLINDER) {
        corner(s, v[0], ends[0]);
        corner(s, v[1], ends[1]);
    }
    if (s.type != CYLINDER && s.type != CAPSULE)
        return;
    REAL d[3];
    rotate_back(s.mat, down, d);
    if (s.type == CAPSULE) {
        for (int k = 0; k < 2; ++k)
            add_scaled(ends[k], s.radius + (REAL)0.5 * margin, d);
        return;
    }
    const REAL across = wp::sqrt(d[0] * d[0] + d[1] * d[1]), scale = across > TINY ? s.size[0] / across : (REAL)0;
    for (int k = 0; k < 2; ++k) {
        ends[k][0] = scale * d[0];
        ends[k][1] = scale * d[1];
        ends[k][2] = (v[0] != 0) == (k == 0) ? s.size[1] : -s.size[1];
    }
};
