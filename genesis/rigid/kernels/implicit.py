"""The integrator ``implicit``: the derivative of the bias force too, and an unsymmetric system (MuJoCo: mjd_rne_vel).

    A qacc = qfrc_total,    A = H + h * d qfrc_bias / d qvel,    H as in :mod:`genesis.rigid.kernels.solve`

Both triangles of A have the pattern of M. Derivation: with S_j the axis of dof j (cdof), which turns at the rate
u_j' x S_j of the frame that carries its joint, the velocity and acceleration of a link k that it moves change with its
speed by

    dv_k / dqvel_j = S_j,    da_k / dqvel_j = u_j - v_k x S_j,    u_j = (velocity before + after the joint) x S_j

and 0 for the translations of a free joint, whose axes do not turn. Its wrench I_k a_k + v_k x* I_k v_k then changes by
B_k S_j + I_k u_j. With v = (w, t), inertia I = (J, h = m c, m), momentum (l, p) and S = (r, s), what is left of B
by Jacobi's identity is

    B S = (R r, 2 r x p),    R = [w] J - J [w] - [t][h] - [h][t] - [l]

Summed over what moves with the deeper one d of two dofs on a chain:

    d qfrc_bias_i / d qvel_j = S_i . (B_d S_j + I_d u_j)

The same number for any reference point, so that its adjoint holds the point constant.
"""

import warp as wp

from genesis.math.spatial import inertia_mul, motion_cross, rotation, spatial, symmetric, translation
from genesis.rigid.kernels.bias import joint_velocity
from genesis.rigid.kernels.kinematics import BALL, FREE
from genesis.rigid.kernels.sparse import snippet
from genesis.types import mat33, real, taped, untaped, vec3, vec6, vec10


@taped
def axis_rates(
    frame_order: wp.array(dtype=int),
    frame_parent: wp.array(dtype=int),
    frame_jnt: wp.array(dtype=int),
    jnt_type: wp.array(dtype=int),
    jnt_dofadr: wp.array(dtype=int),
    cdof: wp.array2d(dtype=vec6),
    qvel: wp.array2d(dtype=real),
    cvel: wp.array2d(dtype=vec6),
    cdof_rate: wp.array2d(dtype=vec6),
):
    """u of every dof."""
    w = wp.tid()
    axes = int(3)  # a variable: the loops stay loops
    for k in range(frame_order.shape[0]):
        f = frame_order[k]
        j = frame_jnt[f]
        if j >= 0:
            d = jnt_dofadr[j]
            both = cvel[w, frame_parent[f]] + cvel[w, f]
            if jnt_type[j] == FREE:
                both = both + joint_velocity(w, d, 3, cdof, qvel)
                for c in range(axes):
                    cdof_rate[w, d + c] = vec6()
                for c in range(axes):
                    cdof_rate[w, d + 3 + c] = motion_cross(both, cdof[w, d + 3 + c])
            elif jnt_type[j] == BALL:
                for c in range(axes):
                    cdof_rate[w, d + c] = motion_cross(both, cdof[w, d + c])
            else:
                cdof_rate[w, d] = motion_cross(both, cdof[w, d])


@taped
def bias_slopes(
    body_parentid: wp.array(dtype=int),
    cinert: wp.array2d(dtype=vec10),
    cvel: wp.array2d(dtype=vec6),
    cbias_slope: wp.array2d(dtype=mat33),
    cmomentum: wp.array2d(dtype=vec3),
):
    """R and p of what moves with each body."""
    w = wp.tid()
    nbody = body_parentid.shape[0]
    for b in range(1, nbody):
        i = cinert[w, b]
        inertia = symmetric(vec6(i[0], i[1], i[2], i[3], i[4], i[5]))
        moment = wp.skew(vec3(i[6], i[7], i[8]))
        turning = wp.skew(rotation(cvel[w, b]))
        moving = wp.skew(translation(cvel[w, b]))
        momentum = inertia_mul(i, cvel[w, b])
        cbias_slope[w, b] = (
            turning * inertia - inertia * turning - moving * moment - moment * moving - wp.skew(rotation(momentum))
        )
        cmomentum[w, b] = translation(momentum)
    for k in range(1, nbody):
        b = nbody - k
        p = body_parentid[b]
        if p > 0:
            cbias_slope[w, p] += cbias_slope[w, b]
            cmomentum[w, p] += cmomentum[w, b]


@taped
def implicit_matrix(
    dof_bodyid: wp.array(dtype=int),
    M_colind: wp.array(dtype=int),
    M_colind_adr: wp.array(dtype=int),
    timestep: real,
    cdof: wp.array2d(dtype=vec6),
    cdof_rate: wp.array2d(dtype=vec6),
    crb: wp.array2d(dtype=vec10),
    cbias_slope: wp.array2d(dtype=mat33),
    cmomentum: wp.array2d(dtype=vec3),
    qH: wp.array2d(dtype=real),
    qA_lower: wp.array2d(dtype=real),
    qA_upper: wp.array2d(dtype=real),
):
    """Both triangles of A on the pattern of M: entry (i, j) and its mirror image (j, i); the diagonal in both."""
    w = wp.tid()
    two = real(2.0)
    for i in range(dof_bodyid.shape[0]):
        b = dof_bodyid[i]
        own = cdof[w, i]
        rate = cdof_rate[w, i]
        p = cmomentum[w, b]
        inertia = crb[w, b]
        # B S_i + I u_i, the same with B transposed, and I S_i
        wrench = inertia_mul(inertia, rate) + spatial(
            cbias_slope[w, b] * rotation(own), two * wp.cross(rotation(own), p)
        )
        turned = wp.transpose(cbias_slope[w, b]) * rotation(own) + two * wp.cross(p, translation(own))
        momentum = inertia_mul(inertia, own)
        for e in range(M_colind_adr[i], M_colind_adr[i + 1]):
            j = M_colind[e]
            qA_upper[w, e] = qH[w, e] + timestep * wp.dot(cdof[w, j], wrench)
            qA_lower[w, e] = qH[w, e] + timestep * (
                wp.dot(rotation(cdof[w, j]), turned) + wp.dot(cdof_rate[w, j], momentum)
            )


# -- the system -------------------------------------------------------------------------------------------------------
#
# A = U L without fill-in, leaves to root: L the lower triangle with the diagonal, U the upper one with ones instead.
# Adjoint of x = A^-1 f: with z = A^-T (dL/dx),  dL/df = z  and  dL/dA = -z x'.

_FACTOR = """
    const int nv = qLDiagInv.shape[1];
    const int* colind = M_colind.data;
    const int* adr = M_colind_adr.data;
    auto run = [&](auto s) {
        REAL* L = ROW(qLU_lower);
        REAL* U = ROW(qLU_upper);
        REAL* inverse_of = ROW(qLDiagInv);
        const REAL* lower = ROW(qA_lower);
        const REAL* upper = ROW(qA_upper);
        const int n_entries = M_colind.shape[0];
        for (int e = 0; e < n_entries; ++e) {
            L[e * s] = lower[e * s];
            U[e * s] = upper[e * s];
        }
        for (int k = nv - 1; k >= 0; --k) {
            const int first = adr[k], n = adr[k + 1] - first - 1;
            const REAL inverse = (REAL)1 / L[(first + n) * s];
            inverse_of[k * s] = inverse;
            for (int a = 0; a < n; ++a)
                U[(first + a) * s] *= inverse;
            for (int a = 0; a < n; ++a) {
                const int to = adr[colind[first + a]];
                const REAL l = L[(first + a) * s], u = U[(first + a) * s];
                for (int c = 0; c < a; ++c) {
                    L[(to + c) * s] -= u * L[(first + c) * s];
                    U[(to + c) * s] -= U[(first + c) * s] * l;
                }
                L[(to + a) * s] -= u * l;
            }
        }
    };
"""


@wp.func_native(snippet=snippet(_FACTOR, "qLU_lower"))
def factor_unsymmetric(
    w: int,
    M_colind: wp.array(dtype=int),
    M_colind_adr: wp.array(dtype=int),
    qA_lower: wp.array2d(dtype=real),
    qA_upper: wp.array2d(dtype=real),
    qLU_lower: wp.array2d(dtype=real),
    qLU_upper: wp.array2d(dtype=real),
    qLDiagInv: wp.array2d(dtype=real),
):
    """A = U L (MuJoCo: mju_factorLUSparse); ``qLDiagInv``: the diagonal of L, inverted."""


_SOLVE = """
    const int nv = qLDiagInv.shape[1];
    const int* colind = M_colind.data;
    const int* adr = M_colind_adr.data;
    auto run = [&](auto s) {
        const REAL* L = ROW(qLU_lower);
        const REAL* U = ROW(qLU_upper);
        const REAL* inverse_of = ROW(qLDiagInv);
        const REAL* from = ROW(given);
        REAL* x = ROW(found);
        for (int k = 0; k < nv; ++k)
            x[k * s] = from[k * s];
        for (int k = nv - 1; k >= 0; --k)
            for (int e = adr[k]; e < adr[k + 1] - 1; ++e)
                x[colind[e] * s] -= U[e * s] * x[k * s];
        for (int k = 0; k < nv; ++k) {
            REAL value = x[k * s];
            for (int e = adr[k]; e < adr[k + 1] - 1; ++e)
                value -= L[e * s] * x[colind[e] * s];
            x[k * s] = value * inverse_of[k * s];
        }
    };
"""


@wp.func_native(snippet=snippet(_SOLVE, "qLU_lower"))
def solve_unsymmetric(
    w: int,
    M_colind: wp.array(dtype=int),
    M_colind_adr: wp.array(dtype=int),
    qLU_lower: wp.array2d(dtype=real),
    qLU_upper: wp.array2d(dtype=real),
    qLDiagInv: wp.array2d(dtype=real),
    given: wp.array2d(dtype=real),
    found: wp.array2d(dtype=real),
):
    """found = (U L)^-1 given (MuJoCo: mju_solveLUSparse)."""


_SOLVE_TRANSPOSED = """
    const int nv = qLDiagInv.shape[1];
    const int* colind = M_colind.data;
    const int* adr = M_colind_adr.data;
    auto run = [&](auto s) {
        const REAL* L = ROW(qLU_lower);
        const REAL* U = ROW(qLU_upper);
        const REAL* inverse_of = ROW(qLDiagInv);
        const REAL* from = ROW(given);
        REAL* x = ROW(found);
        for (int k = 0; k < nv; ++k)
            x[k * s] = from[k * s];
        for (int k = nv - 1; k >= 0; --k) {
            x[k * s] *= inverse_of[k * s];
            for (int e = adr[k]; e < adr[k + 1] - 1; ++e)
                x[colind[e] * s] -= L[e * s] * x[k * s];
        }
        for (int k = 0; k < nv; ++k)
            for (int e = adr[k]; e < adr[k + 1] - 1; ++e)
                x[k * s] -= U[e * s] * x[colind[e] * s];
    };
"""


@wp.func_native(snippet=snippet(_SOLVE_TRANSPOSED, "qLU_lower"))
def solve_unsymmetric_transposed(
    w: int,
    M_colind: wp.array(dtype=int),
    M_colind_adr: wp.array(dtype=int),
    qLU_lower: wp.array2d(dtype=real),
    qLU_upper: wp.array2d(dtype=real),
    qLDiagInv: wp.array2d(dtype=real),
    given: wp.array2d(dtype=real),
    found: wp.array2d(dtype=real),
):
    """found = (U L)^-T given."""


_SUBTRACT = """
    const int nv = z.shape[1];
    const int* colind = M_colind.data;
    const int* adr = M_colind_adr.data;
    auto run = [&](auto s) {
        const REAL* left = ROW(z);
        const REAL* right = ROW(x);
        REAL* lower = ROW(adj_qA_lower);
        REAL* upper = ROW(adj_qA_upper);
        for (int i = 0; i < nv; ++i) {
            const int diagonal = adr[i + 1] - 1;
            for (int e = adr[i]; e < diagonal; ++e) {
                lower[e * s] -= left[i * s] * right[colind[e] * s];
                upper[e * s] -= left[colind[e] * s] * right[i * s];
            }
            lower[diagonal * s] -= left[i * s] * right[i * s];
        }
    };
"""


@wp.func_native(snippet=snippet(_SUBTRACT, "adj_qA_lower"))
def subtract_unsymmetric_product(
    w: int,
    M_colind: wp.array(dtype=int),
    M_colind_adr: wp.array(dtype=int),
    z: wp.array2d(dtype=real),
    x: wp.array2d(dtype=real),
    adj_qA_lower: wp.array2d(dtype=real),
    adj_qA_upper: wp.array2d(dtype=real),
):
    """adj_A -= z x' on the pattern; the diagonal is that of the lower triangle."""


@untaped
def implicit_solve(
    M_colind: wp.array(dtype=int),
    M_colind_adr: wp.array(dtype=int),
    qA_lower: wp.array2d(dtype=real),
    qA_upper: wp.array2d(dtype=real),
    qfrc_total: wp.array2d(dtype=real),
    qLU_lower: wp.array2d(dtype=real),
    qLU_upper: wp.array2d(dtype=real),
    qLDiagInv: wp.array2d(dtype=real),
    qacc: wp.array2d(dtype=real),
):
    """qacc = A^-1 qfrc_total."""
    w = wp.tid()
    factor_unsymmetric(w, M_colind, M_colind_adr, qA_lower, qA_upper, qLU_lower, qLU_upper, qLDiagInv)
    solve_unsymmetric(w, M_colind, M_colind_adr, qLU_lower, qLU_upper, qLDiagInv, qfrc_total, qacc)


@untaped
def implicit_solve_adjoint(
    M_colind: wp.array(dtype=int),
    M_colind_adr: wp.array(dtype=int),
    qLU_lower: wp.array2d(dtype=real),
    qLU_upper: wp.array2d(dtype=real),
    qLDiagInv: wp.array2d(dtype=real),
    qacc: wp.array2d(dtype=real),
    adj_qacc: wp.array2d(dtype=real),
    adj_qfrc_total: wp.array2d(dtype=real),
    adj_qA_lower: wp.array2d(dtype=real),
    adj_qA_upper: wp.array2d(dtype=real),
    z: wp.array2d(dtype=real),
):
    """z = A^-T adj_qacc;  adj_f += z;  adj_A -= z qacc'."""
    w = wp.tid()
    solve_unsymmetric_transposed(w, M_colind, M_colind_adr, qLU_lower, qLU_upper, qLDiagInv, adj_qacc, z)
    for i in range(z.shape[1]):
        adj_qfrc_total[w, i] = adj_qfrc_total[w, i] + z[w, i]
    subtract_unsymmetric_product(w, M_colind, M_colind_adr, z, qacc, adj_qA_lower, adj_qA_upper)
