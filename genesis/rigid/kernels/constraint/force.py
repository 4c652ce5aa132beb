"""Forces of the constraints at the solution, and the adjoint of the solution (MuJoCo: mj_constraintUpdate).

Gradient, by the implicit function theorem: at the solution the residual M a - qfrc_smooth - J' f(J a - aref) is zero.
So with z = H^-1 dL/da,  dL/dqfrc_smooth = z,  dL/dM = -z a',  and J, aref, D, losses and friction receive what they do
from qfrc_constraint = J' f when the gradient of that is z. The outputs f and qfrc_constraint depend on a as well: their
gradients reach a through -J' C (...), which is added to dL/da first.
"""

import warp as wp

from genesis.rigid.kernels.constraint.envelope import envelope_solve
from genesis.rigid.kernels.constraint.groups import Contacts, Envelope, Rows, Scratch, Tree
from genesis.rigid.kernels.constraint.sums import add_force_adjoints, residuals, subtract_curvatures, write_forces
from genesis.rigid.kernels.sparse import subtract_outer_product
from genesis.types import real, taped, untaped


@untaped
def constraint_force(
    rows: Rows,
    contacts: Contacts,
    any_constraint: wp.array2d(dtype=int),
    qacc_constrained: wp.array2d(dtype=real),
    efc_y: wp.array2d(dtype=real),
    con_y: wp.array3d(dtype=real),
    efc_force: wp.array2d(dtype=real),
    con_force: wp.array3d(dtype=real),
    qfrc_constraint: wp.array2d(dtype=real),
):
    """Residual y and force of each constraint at the solution, and the forces' sum in joint space."""
    w = wp.tid()
    for i in range(efc_force.shape[1]):
        efc_force[w, i] = real(0.0)
    for c in range(contacts.ncon[w, 1]):
        for r in range(con_force.shape[2]):
            con_force[w, c, r] = real(0.0)
    for i in range(qfrc_constraint.shape[1]):
        qfrc_constraint[w, i] = real(0.0)
    if any_constraint[w, 0] == 1:
        residuals(w, rows, contacts, 1, qacc_constrained, efc_y, con_y)
        write_forces(w, rows, contacts, efc_y, con_y, qfrc_constraint, efc_force, con_force)


@untaped
def constraint_adjoint(
    tree: Tree,
    rows: Rows,
    contacts: Contacts,
    order: Envelope,
    at: Scratch,
    any_constraint: wp.array2d(dtype=int),
    qacc_constrained: wp.array2d(dtype=real),
    con_force: wp.array3d(dtype=real),
    adj_qacc_constrained: wp.array2d(dtype=real),
    adj_efc_force: wp.array2d(dtype=real),
    adj_con_force: wp.array3d(dtype=real),
    adj_qfrc_constraint: wp.array2d(dtype=real),
    adj_rows: Rows,
    adj_contacts: Contacts,
    adj_qfrc_smooth: wp.array2d(dtype=real),
    adj_qM: wp.array2d(dtype=real),
):
    """z = H^-1 dL/da, with the outputs' gradients carried to a; adj_qfrc_smooth += z, adj_M -= z a', and the rest."""
    w = wp.tid()
    if any_constraint[w, 0] == 0:
        return
    nv = qacc_constrained.shape[1]
    for i in range(nv):
        at.search[w, i] = adj_qacc_constrained[w, i]
    subtract_curvatures(w, rows, contacts, at, adj_efc_force, adj_con_force, adj_qfrc_constraint, at.search)
    envelope_solve(w, nv, order.row_start, order.dof_place, at.H, at.placed, at.search)
    for i in range(nv):
        adj_qfrc_smooth[w, i] += at.search[w, i]
        adj_qfrc_constraint[w, i] += at.search[w, i]
    subtract_outer_product(w, tree.M_colind, tree.M_colind_adr, tree.skip_none, at.search, qacc_constrained, adj_qM)
    add_force_adjoints(
        w, rows, contacts, at, con_force, qacc_constrained, adj_qfrc_constraint, adj_efc_force, adj_con_force, adj_rows,
        adj_contacts,
    )  # fmt: skip


@taped
def total_force(
    M_colind: wp.array(dtype=int),
    M_colind_adr: wp.array(dtype=int),
    any_constraint: wp.array2d(dtype=int),
    qM: wp.array2d(dtype=real),
    qfrc_smooth: wp.array2d(dtype=real),
    qacc_constrained: wp.array2d(dtype=real),
    qfrc_total: wp.array2d(dtype=real),
):
    """Every force that the integrator sees: M qacc_constrained, which at the solution is qfrc_smooth + qfrc_constraint.

    The sum would carry the rounding of the constraints' forces, which is that of the acceleration times D: with hardly
    any friction, D of a pyramidal cone has no bound.
    """
    w = wp.tid()
    for i in range(qfrc_total.shape[1]):
        qfrc_total[w, i] = real(0.0)
    if any_constraint[w, 0] == 1:
        for i in range(qfrc_total.shape[1]):
            diagonal = M_colind_adr[i + 1] - 1
            qfrc_total[w, i] += qM[w, diagonal] * qacc_constrained[w, i]
            for e in range(M_colind_adr[i], diagonal):
                qfrc_total[w, i] += qM[w, e] * qacc_constrained[w, M_colind[e]]
                qfrc_total[w, M_colind[e]] += qM[w, e] * qacc_constrained[w, i]
    else:
        for i in range(qfrc_total.shape[1]):
            qfrc_total[w, i] += qfrc_smooth[w, i]
