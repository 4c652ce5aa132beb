"""Where contacts are put: a fixed number of slots per env, filled from the front."""

import warp as wp


@wp.func
def add_contact(
    w: int,
    pair: int,
    f0: int,
    f1: int,
    f2: int,
    f3: int,
    ncon: wp.array2d(dtype=int),
    con_pair: wp.array2d(dtype=int),
    con_feature: wp.array3d(dtype=int),
):
    """Append a contact of ``pair`` with its features, if a slot is free; ``ncon[w, 0]`` counts what is needed."""
    n = ncon[w, 0]
    if n < con_pair.shape[1]:
        con_pair[w, n] = pair
        con_feature[w, n, 0] = f0
        con_feature[w, n, 1] = f1
        con_feature[w, n, 2] = f2
        con_feature[w, n, 3] = f3
    ncon[w, 0] = n + 1
