"""The linear systems of a step: effective mass matrix, its factorisation and solve, each beside its adjoint.

    H qacc = qfrc_total,    H = M - h * d qfrc_smooth / d qvel

with the derivative of joint damping only (Euler), of damping, commands and actuators (implicitfast, implicit), or of
nothing (RK4), kept on the sparsity pattern of M. The derivative of the bias force is added to it of a free body without
jointed descendants with implicitfast, and of all bodies with implicit: :mod:`genesis.rigid.kernels.free_body` and
:mod:`genesis.rigid.kernels.implicit`.

Adjoint of x = H^-1 f: with z = H^-T (dL/dx),  dL/df = z  and  dL/dH = -z x'. (Implicit function theorem; one
triangular solve with the factors at hand.)
"""

import warp as wp

from genesis.rigid.kernels.sparse import factor_in_place, solve_in_place, subtract_outer_product
from genesis.types import real, taped, untaped


@taped
def effective_mass_matrix(
    M_colind_adr: wp.array(dtype=int),
    derivative_pairs: wp.array2d(dtype=int),
    actuator_joint_dof: wp.array(dtype=int),
    timestep: real,
    damping_implicit: int,
    force_implicit: int,
    dof_damping: wp.array2d(dtype=real),
    qM: wp.array2d(dtype=real),
    dcommand_dvel: wp.array2d(dtype=real),
    dforce_dvel: wp.array2d(dtype=real),
    dof_unsaturated: wp.array2d(dtype=int),
    actuator_moment: wp.array2d(dtype=real),
    qH: wp.array2d(dtype=real),
):
    """H on the pattern of M (lower triangle by rows).

    An actuator on a joint whose actuator force is saturated does not contribute; one that reaches a saturated joint
    through a tendon or a site does (MuJoCo: mjd_actuator_vel).
    """
    w = wp.tid()
    for i in range(dof_damping.shape[1]):
        diagonal = M_colind_adr[i + 1] - 1
        for e in range(M_colind_adr[i], diagonal):
            qH[w, e] = qM[w, e]
        h_diagonal = qM[w, diagonal]
        if damping_implicit == 1:
            h_diagonal = h_diagonal + timestep * dof_damping[w, i]
        if force_implicit == 1:
            h_diagonal = h_diagonal - timestep * dcommand_dvel[w, i]
        qH[w, diagonal] = h_diagonal
    if force_implicit == 1:
        for k in range(derivative_pairs.shape[0]):
            u = derivative_pairs[k, 0]
            a = derivative_pairs[k, 1]
            b = derivative_pairs[k, 2]
            free_to_act = 1
            if actuator_joint_dof[u] >= 0:
                free_to_act = dof_unsaturated[w, actuator_joint_dof[u]]
            if free_to_act == 1:
                qH[w, derivative_pairs[k, 3]] += (
                    -timestep * dforce_dvel[w, u] * actuator_moment[w, a] * actuator_moment[w, b]
                )


@untaped
def factor(
    M_colind: wp.array(dtype=int),
    M_colind_adr: wp.array(dtype=int),
    skip_dof: wp.array(dtype=int),
    qH: wp.array2d(dtype=real),
    qLD: wp.array2d(dtype=real),
    qLDiagInv: wp.array2d(dtype=real),
):
    """H = L' D L, but for the dofs of ``skip_dof``."""
    factor_in_place(wp.tid(), M_colind, M_colind_adr, skip_dof, qH, qLD, qLDiagInv)


@untaped
def solve(
    M_colind: wp.array(dtype=int),
    M_colind_adr: wp.array(dtype=int),
    skip_dof: wp.array(dtype=int),
    qLD: wp.array2d(dtype=real),
    qLDiagInv: wp.array2d(dtype=real),
    qfrc_total: wp.array2d(dtype=real),
    qacc: wp.array2d(dtype=real),
):
    """qacc = H^-1 qfrc_total, but for the dofs of ``skip_dof``."""
    w = wp.tid()
    for i in range(skip_dof.shape[0]):
        if skip_dof[i] == 0:
            qacc[w, i] = qfrc_total[w, i]
    solve_in_place(w, M_colind, M_colind_adr, skip_dof, qLD, qLDiagInv, qacc)


@untaped
def solve_adjoint(
    M_colind: wp.array(dtype=int),
    M_colind_adr: wp.array(dtype=int),
    skip_dof: wp.array(dtype=int),
    qLD: wp.array2d(dtype=real),
    qLDiagInv: wp.array2d(dtype=real),
    qacc: wp.array2d(dtype=real),
    adj_qacc: wp.array2d(dtype=real),
    adj_qfrc_total: wp.array2d(dtype=real),
    adj_qH: wp.array2d(dtype=real),
    z: wp.array2d(dtype=real),
):
    """z = H^-1 adj_qacc;  adj_f += z;  adj_H -= z qacc', both mirror images of an off-diagonal entry in one place."""
    w = wp.tid()
    nv = skip_dof.shape[0]
    for i in range(nv):
        if skip_dof[i] == 0:
            z[w, i] = adj_qacc[w, i]
    solve_in_place(w, M_colind, M_colind_adr, skip_dof, qLD, qLDiagInv, z)
    for i in range(nv):
        if skip_dof[i] == 0:
            adj_qfrc_total[w, i] = adj_qfrc_total[w, i] + z[w, i]
    subtract_outer_product(w, M_colind, M_colind_adr, skip_dof, z, qacc, adj_qH)
