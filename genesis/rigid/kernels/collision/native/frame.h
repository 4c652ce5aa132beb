// The contact's frame, rows normal and two tangents (mju_makeFrame), and its adjoint.

auto contact_frame = [&](const REAL* n, REAL* frame) {
    const int axis = n[1] < (REAL)0.5 && n[1] > (REAL)-0.5 ? 1 : 2;
    REAL across[3] = {0, 0, 0};
    across[axis] = 1;
    add_scaled(across, -n[axis], n);
    const REAL size = length(across);
    for (int k = 0; k < 3; ++k) {
        frame[k] = n[k];
        frame[3 + k] = across[k] / size;
    }
    cross(frame, frame + 3, frame + 6);
};
// Adds to the gradient of n what the frame's hand on.
auto contact_frame_adjoint = [&](const REAL* n, const REAL* by_frame, REAL* by_n) {
    const int axis = n[1] < (REAL)0.5 && n[1] > (REAL)-0.5 ? 1 : 2;
    REAL frame[9], by_tangent[3], more[3], across[3] = {0, 0, 0};
    contact_frame(n, frame);
    across[axis] = 1;
    add_scaled(across, -n[axis], n);
    const REAL size = length(across);
    add_scaled(by_n, 1, by_frame);
    // binormal = n x tangent
    copy3(by_frame + 3, by_tangent);
    cross(frame + 3, by_frame + 6, more);
    add_scaled(by_n, 1, more);
    cross(by_frame + 6, frame, more);
    add_scaled(by_tangent, 1, more);
    // tangent = across / |across|,  across = axis - n (n . axis)
    REAL by_across[3];
    const REAL along = dot(frame + 3, by_tangent);
    for (int k = 0; k < 3; ++k)
        by_across[k] = (by_tangent[k] - along * frame[3 + k]) / size;
    by_n[axis] -= dot(n, by_across);
    add_scaled(by_n, -n[axis], by_across);
};
