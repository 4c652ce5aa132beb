"""The constraint solver: Newton's method on the convex problem whose solution is the constrained acceleration.

    qacc = argmin  1/2 (a - qacc_smooth)' M (a - qacc_smooth) + sum of the constraints' potentials s(J a - aref)

(MuJoCo: mj_solNewton). Its Hessian H = M + J' C J, with C the second derivative of the potentials, is factorised by
rows inside an envelope: row i of the triangle begins at the first dof that i is coupled to, by its tree or by a
constraint. Links that no constraint couples therefore cost what they cost alone. The adjoint is in
:mod:`genesis.rigid.kernels.constraint.force`.
"""

import warp as wp

from genesis.rigid.kernels.constraint.envelope import envelope_factor, envelope_solve
from genesis.rigid.kernels.constraint.groups import Contacts, Envelope, Limits, Rows, Scratch, Tree
from genesis.rigid.kernels.constraint.objective import (
    add_scaled,
    build_hessian,
    evaluate,
    gauss_slope,
    line_slope,
    squared_norm,
)
from genesis.rigid.kernels.constraint.sums import move_residuals, residuals, row_falls
from genesis.rigid.kernels.sparse import factor_in_place, mass_mul, solve_in_place
from genesis.types import real, untaped

HALF = real(0.5)
MIN_VALUE = real(1.0e-15)  # mjMINVAL
# What 32 bits can reach of a tolerance; a smaller one costs iterations and brings nothing.
LEAST_TOLERANCE = real(0.0) if real is wp.float64 else real(1.0e-6)
# Gradient of the objective, over the trace of M, to which backward converges: derivatives err by about as much.
ADJOINT_TOLERANCE = real(1.0e-12) if real is wp.float64 else real(1.0e-6)
# Relative length of a step of the line search, and relative improvement, that 64 or 32 bits cannot resolve.
ROUNDING = real(4.0e-16) if real is wp.float64 else real(2.0e-7)


@untaped
def smooth_acceleration(
    tree: Tree,
    any_constraint: wp.array2d(dtype=int),
    qM: wp.array2d(dtype=real),
    qMLD: wp.array2d(dtype=real),
    qMLDiagInv: wp.array2d(dtype=real),
    qfrc_smooth: wp.array2d(dtype=real),
    qacc_smooth: wp.array2d(dtype=real),
):
    """qacc_smooth = M^-1 qfrc_smooth: where the solver begins if it has no better guess."""
    w = wp.tid()
    if any_constraint[w, 0] == 1:
        factor_in_place(w, tree.M_colind, tree.M_colind_adr, tree.skip_none, qM, qMLD, qMLDiagInv)
        for i in range(qacc_smooth.shape[1]):
            qacc_smooth[w, i] = qfrc_smooth[w, i]
        solve_in_place(w, tree.M_colind, tree.M_colind_adr, tree.skip_none, qMLD, qMLDiagInv, qacc_smooth)


@wp.func
def lightest_tree(w: int, nv: int, tree: Tree, qM: wp.array2d(dtype=real)) -> real:
    """Smallest trace of M over the trees."""
    lightest = real(0.0)
    trace = real(0.0)
    for i in range(nv):
        trace += qM[w, tree.M_colind_adr[i + 1] - 1]
        last = int(1)
        if i + 1 < nv:
            if tree.dof_treeid[i + 1] == tree.dof_treeid[i]:
                last = 0
        if last == 1:
            if lightest == real(0.0) or trace < lightest:
                lightest = trace
            trace = real(0.0)
    return lightest


@wp.func
def line_search(
    w: int,
    rows: Rows,
    contacts: Contacts,
    ls_iterations: int,
    small_slope: real,
    qfrc_smooth: wp.array2d(dtype=real),
    at: Scratch,
) -> real:
    """Exact minimum along v: Newton on the slope, kept between the last points of either sign (MuJoCo: PrimalSearch).

    v being Newton's step, the first point to try is 1: slope and curvature at 0 lead there. Where Newton does not come
    nearer, as when it jumps to and fro over a bend, the interval is halved: a move is at most half the last but one.

    ``small_slope``: slope, per length of v, that counts as none.
    """
    gauss = gauss_slope(w, qfrc_smooth, at.Ma, at.search, at.Mv)
    small = small_slope * wp.sqrt(gauss[2])
    alpha = real(1.0)
    low = real(0.0)
    high = real(-1.0)
    last_move = real(1.0e30)
    move_before = real(1.0e30)
    trial = int(1)
    searching = int(1)
    while searching == 1:
        d1, d2 = line_slope(w, rows, contacts, at, gauss, alpha)
        # what is not a number, or has no curvature, leads nowhere
        if wp.abs(d1) <= small or trial > ls_iterations or not (d2 > real(0.0)) or not wp.isfinite(d1):
            searching = 0
        else:
            if d1 < real(0.0):
                low = alpha
            else:
                high = alpha
            step = alpha - d1 / d2
            if not wp.isfinite(step):
                step = alpha
            too_far = wp.abs(step - alpha) > HALF * move_before
            if high >= real(0.0) and (step <= low or step >= high or too_far):
                step = HALF * (low + high)
            move_before = last_move
            last_move = wp.abs(step - alpha)
            if last_move <= ROUNDING * wp.abs(alpha):
                searching = 0
            alpha = step
            trial += 1
    return alpha


@untaped
def constraint_solve(
    tree: Tree,
    rows: Rows,
    contacts: Contacts,
    order: Envelope,
    limits: Limits,
    at: Scratch,
    qM: wp.array2d(dtype=real),
    qfrc_smooth: wp.array2d(dtype=real),
    qacc_smooth: wp.array2d(dtype=real),
    any_constraint: wp.array2d(dtype=int),
    qacc_constrained: wp.array2d(dtype=real),
    solver_niter: wp.array2d(dtype=int),
    solver_unconverged: wp.array2d(dtype=int),
):
    """qacc_constrained, from the guess that it holds on entry or from qacc_smooth, whichever costs less.

    ``solver_unconverged`` is set where the limit of iterations came first, and never cleared here.
    ``for_adjoint``: converge as far as the precision allows, and leave the factors of H at the solution in ``H``.
    """
    w = wp.tid()
    solver_niter[w, 0] = 0
    if any_constraint[w, 0] == 0:
        return
    nv = qacc_smooth.shape[1]
    # Gradient and improvement are measured by the lightest tree, so that no heavy one hides what it still lacks.
    # (MuJoCo solves and measures each island by itself.)
    scale = real(1.0) / wp.max(MIN_VALUE, lightest_tree(w, nv, tree, qM))

    if limits.warm_start == 0:
        for i in range(nv):
            qacc_constrained[w, i] = qacc_smooth[w, i]
    mass_mul(w, tree.M_colind, tree.M_colind_adr, qM, qacc_constrained, at.Ma)
    residuals(w, rows, contacts, 1, qacc_constrained, at.efc_y, at.con_y)
    cost, gradient2 = evaluate(w, rows, contacts, qfrc_smooth, qacc_constrained, at.Ma, at.efc_y, at.con_y, at.search)
    # the better of the guess and the unconstrained acceleration, whose product with M is qfrc_smooth
    if limits.warm_start == 1:
        residuals(w, rows, contacts, 1, qacc_smooth, at.efc_v, at.con_v)
        smooth_cost, smooth_gradient2 = evaluate(
            w, rows, contacts, qfrc_smooth, qacc_smooth, qfrc_smooth, at.efc_v, at.con_v, at.placed
        )
        lost = row_falls(w, rows, contacts, 1, real(1.0), at)
        if not (cost - smooth_cost < lost[0]):
            cost = smooth_cost
            gradient2 = smooth_gradient2
            for i in range(nv):
                qacc_constrained[w, i] = qacc_smooth[w, i]
                at.Ma[w, i] = qfrc_smooth[w, i]
                at.search[w, i] = at.placed[w, i]
            residuals(w, rows, contacts, 1, qacc_smooth, at.efc_y, at.con_y)

    limit = limits.iterations
    enough = wp.max(limits.tolerance, LEAST_TOLERANCE)
    if limits.for_adjoint == 1:
        limit = wp.max(limits.iterations, 100)
        enough = wp.min(enough, ADJOINT_TOLERANCE)
    iteration = int(0)
    improvement = real(1.0)
    last_gradient = real(0.0)
    stalled = int(0)
    done = int(0)
    while done == 0:
        converged = int(0)
        if scale * wp.sqrt(gradient2) <= enough or stalled == 1:
            converged = 1
        elif iteration > 0 and improvement < enough:
            # an improvement that is lost in rounding says nothing while the gradient still shrinks
            if improvement >= real(0.0) or wp.sqrt(gradient2) > HALF * last_gradient:
                converged = 1
        last_gradient = wp.sqrt(gradient2)
        # a gradient that is not a number does not become one
        if converged == 1 or iteration >= limit or not (gradient2 >= real(0.0)):
            done = 1
            if converged == 0:
                solver_unconverged[w, 0] = 1
        if done == 0 or limits.for_adjoint == 1:
            build_hessian(w, tree, rows, contacts, order, qM, at)
            envelope_factor(w, nv, order.row_start, at.H)
        if done == 0:
            envelope_solve(w, nv, order.row_start, order.dof_place, at.H, at.placed, at.search)
            mass_mul(w, tree.M_colind, tree.M_colind_adr, qM, at.search, at.Mv)
            residuals(w, rows, contacts, 0, at.search, at.efc_v, at.con_v)
            small = enough * limits.ls_tolerance / scale
            alpha = line_search(w, rows, contacts, limits.ls_iterations, small, qfrc_smooth, at)
            # a step that qacc cannot hold
            if alpha * alpha * squared_norm(w, at.search) <= ROUNDING * ROUNDING * squared_norm(w, qacc_constrained):
                stalled = 1
            add_scaled(w, alpha, at.search, qacc_constrained)
            add_scaled(w, alpha, at.Mv, at.Ma)
            move_residuals(w, rows, contacts, alpha, at)
            new_cost, gradient2 = evaluate(
                w, rows, contacts, qfrc_smooth, qacc_constrained, at.Ma, at.efc_y, at.con_y, at.search
            )
            lost = row_falls(w, rows, contacts, 0, alpha, at)
            less = cost - new_cost + lost[0]
            rounding = ROUNDING * (wp.abs(cost) + lost[1])
            improvement = scale * less
            if less <= rounding:
                improvement = scale * rounding
                if improvement >= enough:
                    improvement = real(-1.0)
            cost = new_cost
            iteration += 1
    solver_niter[w, 0] = iteration
