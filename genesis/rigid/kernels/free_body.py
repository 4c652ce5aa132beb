"""Free bodies under implicitfast: a 6 x 6 block of their own, unsymmetric by the derivative of the bias force.

(MuJoCo: mj_implicit, "gyroscopic derivatives".) Adjoint of x = A^-1 f: with z = A^-T (dL/dx),  dL/df = z  and
dL/dA = -z x'.
"""

import warp as wp

from genesis.math.spatial import inertia_mul, rotation, spatial, translation
from genesis.types import real, taped, untaped, vec3, vec6, vec10


@wp.func
def spin_momentum(inertia: vec10, omega: vec3, arm: vec3) -> vec3:
    """Angular momentum about the point at ``arm`` of a body that turns about that point with ``omega``."""
    p = inertia_mul(inertia, spatial(omega, wp.cross(arm, omega)))
    return rotation(p) - wp.cross(arm, translation(p))


@taped
def free_body_matrix(
    free_dofadr: wp.array(dtype=int),
    dof_bodyid: wp.array(dtype=int),
    M_colind_adr: wp.array(dtype=int),
    timestep: real,
    qH: wp.array2d(dtype=real),
    crb: wp.array2d(dtype=vec10),
    cdof: wp.array2d(dtype=vec6),
    cvel: wp.array2d(dtype=vec6),
    xpos: wp.array2d(dtype=vec3),
    xref: wp.array2d(dtype=vec3),
    free_matrix: wp.array2d(dtype=real),
):
    """H + h * d qfrc_bias / d qvel of each free body, 6 x 6 row-major.

    About the body's origin, with inertia I, first moment m c and angular velocity w (world axes), the bias wrench is
    force w x (w x m c) and torque w x I w; its derivative along an axis e is
    e x (w x m c) + w x (e x m c)  and  e x I w + w x I e.  The angular dofs are the axes of the body. ``arm`` is zero
    in value, as the reference point is the body's origin, but not in its derivative.
    """
    w = wp.tid()
    size = int(6)  # variables: the loops stay loops
    axes = int(3)
    for n in range(free_dofadr.shape[0]):
        d = free_dofadr[n]
        body = dof_bodyid[d]
        inertia = crb[w, body]
        arm = xpos[w, body] - xref[w, body]
        moment = vec3(inertia[6], inertia[7], inertia[8]) - inertia[9] * arm
        omega = rotation(cvel[w, body])
        i_omega = spin_momentum(inertia, omega, arm)
        for r in range(size):
            for c in range(size):
                row = wp.max(r, c)
                col = wp.min(r, c)
                free_matrix[w, n * 36 + r * 6 + c] = qH[w, M_colind_adr[d + row] + col]
        for c in range(axes):
            e = rotation(cdof[w, d + 3 + c])
            dforce = wp.cross(e, wp.cross(omega, moment)) + wp.cross(omega, wp.cross(e, moment))
            dtorque = wp.cross(e, i_omega) + wp.cross(omega, spin_momentum(inertia, e, arm))
            for r in range(axes):
                free_matrix[w, n * 36 + r * 6 + 3 + c] += timestep * dforce[r]
                free_matrix[w, n * 36 + (r + 3) * 6 + 3 + c] += timestep * wp.dot(rotation(cdof[w, d + 3 + r]), dtorque)


@untaped
def free_body_solve(
    free_dofadr: wp.array(dtype=int),
    free_matrix: wp.array2d(dtype=real),
    qfrc_total: wp.array2d(dtype=real),
    free_lu: wp.array2d(dtype=real),
    qacc: wp.array2d(dtype=real),
):
    """qacc of each free body: A = L U in place, without pivoting (M dominates A), then both substitutions."""
    w = wp.tid()
    size = int(6)  # a variable: the loops stay loops
    for n in range(free_dofadr.shape[0]):
        d = free_dofadr[n]
        base = n * 36
        for e in range(size * size):
            free_lu[w, base + e] = free_matrix[w, base + e]
        for p in range(size):
            inverse = real(1.0) / free_lu[w, base + p * size + p]
            for r in range(p + 1, size):
                scale = free_lu[w, base + r * size + p] * inverse
                free_lu[w, base + r * size + p] = scale
                for c in range(p + 1, size):
                    free_lu[w, base + r * size + c] = (
                        free_lu[w, base + r * size + c] - scale * free_lu[w, base + p * size + c]
                    )
        for r in range(size):
            value = qfrc_total[w, d + r]
            for c in range(r):
                value = value - free_lu[w, base + r * size + c] * qacc[w, d + c]
            qacc[w, d + r] = value
        for k in range(size):
            r = size - 1 - k
            value = qacc[w, d + r]
            for c in range(r + 1, size):
                value = value - free_lu[w, base + r * size + c] * qacc[w, d + c]
            qacc[w, d + r] = value / free_lu[w, base + r * size + r]


@untaped
def free_body_solve_adjoint(
    free_dofadr: wp.array(dtype=int),
    free_lu: wp.array2d(dtype=real),
    qacc: wp.array2d(dtype=real),
    adj_qacc: wp.array2d(dtype=real),
    adj_qfrc_total: wp.array2d(dtype=real),
    adj_free_matrix: wp.array2d(dtype=real),
    z: wp.array2d(dtype=real),
):
    """(L U)' z = adj_qacc;  adj_f += z;  adj_A -= z qacc'."""
    w = wp.tid()
    size = int(6)  # a variable: the loops stay loops
    for n in range(free_dofadr.shape[0]):
        d = free_dofadr[n]
        base = n * 36
        for r in range(size):
            value = adj_qacc[w, d + r]
            for c in range(r):
                value = value - free_lu[w, base + c * size + r] * z[w, d + c]
            z[w, d + r] = value / free_lu[w, base + r * size + r]
        for k in range(size):
            r = size - 1 - k
            value = z[w, d + r]
            for c in range(r + 1, size):
                value = value - free_lu[w, base + c * size + r] * z[w, d + c]
            z[w, d + r] = value
        for r in range(size):
            adj_qfrc_total[w, d + r] = adj_qfrc_total[w, d + r] + z[w, d + r]
            for c in range(size):
                e = base + r * size + c
                adj_free_matrix[w, e] = adj_free_matrix[w, e] - z[w, d + r] * qacc[w, d + c]
