"""The constraint solver: Newton's method on the convex problem whose solution is the constrained acceleration.

    qacc = argmin  1/2 (a - qacc_smooth)' M (a - qacc_smooth) + sum of the constraints' potentials s(J a - aref)

(MuJoCo: mj_solNewton). Its Hessian H = M + J' C J, with C the second derivative of the potentials, is factorised by
rows inside an envelope: row i of the triangle begins at the first dof that i is coupled to, by its tree or by a
contact. Links that do not touch therefore cost what they cost alone.

Gradient, by the implicit function theorem at the solution: the residual M a - qfrc_smooth - J' f(J a - aref) is zero,
so with z = H^-1 dL/da,  dL/dqfrc_smooth = z,  dL/dM = -z a',  and J, aref, D and friction receive what the taped
adjoint of :func:`genesis.rigid.constraint.constraint_force` yields when qfrc_constraint's adjoint is z. That kernel's
own outputs depend on a as well: their adjoint reaches a through -J' C (...), which is added to dL/da here.
"""

import warp as wp

from genesis.rigid.constraint import MIN_VALUE
from genesis.rigid.contact_sums import contact_curvatures
from genesis.rigid.envelope import envelope_factor, envelope_solve
from genesis.rigid.objective import (
    add_scaled,
    add_scaled_slots,
    build_hessian,
    evaluate,
    gauss_slope,
    limit_add,
    limit_mul,
    line_slope,
    residuals,
    squared_norm,
)
from genesis.rigid.sparse import factor_in_place, mass_mul, solve_in_place, subtract_outer_product
from genesis.types import real, untaped, vec3

HALF = real(0.5)
# What 32 bits can reach of a tolerance; a smaller one costs iterations and brings nothing.
LEAST_TOLERANCE = real(0.0) if real is wp.float64 else real(1.0e-6)
# Gradient of the objective, over the trace of M, to which backward converges: derivatives err by about as much.
ADJOINT_TOLERANCE = real(1.0e-12) if real is wp.float64 else real(1.0e-6)
# Relative length of a step of the line search, and relative improvement, that 64 or 32 bits cannot resolve.
ROUNDING = real(4.0e-16) if real is wp.float64 else real(2.0e-7)


@untaped
def smooth_acceleration(
    M_colind: wp.array(dtype=int),
    M_colind_adr: wp.array(dtype=int),
    skip_none: wp.array(dtype=int),
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
        factor_in_place(w, M_colind, M_colind_adr, skip_none, qM, qMLD, qMLDiagInv)
        for i in range(skip_none.shape[0]):
            qacc_smooth[w, i] = qfrc_smooth[w, i]
        solve_in_place(w, M_colind, M_colind_adr, skip_none, qMLD, qMLDiagInv, qacc_smooth)


@wp.func
def lightest_tree(
    w: int,
    nv: int,
    M_colind_adr: wp.array(dtype=int),
    dof_treeid: wp.array(dtype=int),
    qM: wp.array2d(dtype=real),
) -> real:
    """Smallest trace of M over the trees."""
    lightest = real(0.0)
    trace = real(0.0)
    for i in range(nv):
        trace += qM[w, M_colind_adr[i + 1] - 1]
        last = int(1)
        if i + 1 < nv:
            if dof_treeid[i + 1] == dof_treeid[i]:
                last = 0
        if last == 1:
            if lightest == real(0.0) or trace < lightest:
                lightest = trace
            trace = real(0.0)
    return lightest


@wp.func
def line_search(
    w: int,
    limits: int,
    losses: int,
    cpair_dim: wp.array(dtype=int),
    cpair_chain: wp.array(dtype=int),
    chain_dof: wp.array(dtype=int),
    chain_dof_adr: wp.array(dtype=int),
    elliptic: int,
    impratio: real,
    ls_iterations: int,
    small_slope: real,
    dof_frictionloss: wp.array2d(dtype=real),
    lim_active: wp.array2d(dtype=int),
    lim_D: wp.array2d(dtype=real),
    floss_active: wp.array2d(dtype=int),
    floss_aref: wp.array2d(dtype=real),
    floss_D: wp.array2d(dtype=real),
    ncon: wp.array2d(dtype=int),
    con_pair: wp.array2d(dtype=int),
    con_active: wp.array2d(dtype=int),
    con_friction: wp.array3d(dtype=real),
    con_D: wp.array3d(dtype=real),
    qfrc_smooth: wp.array2d(dtype=real),
    x: wp.array2d(dtype=real),
    Mx: wp.array2d(dtype=real),
    v: wp.array2d(dtype=real),
    Mv: wp.array2d(dtype=real),
    lim_y: wp.array2d(dtype=real),
    lim_v: wp.array2d(dtype=real),
    con_y: wp.array3d(dtype=real),
    con_v: wp.array3d(dtype=real),
) -> real:
    """Exact minimum along v: Newton on the slope, kept between the last points of either sign (MuJoCo: PrimalSearch).

    v being Newton's step, the first point to try is 1: slope and curvature at 0 lead there.

    ``small_slope``: slope, per length of v, that counts as none.
    """
    gauss = gauss_slope(w, qfrc_smooth, Mx, v, Mv)
    small = small_slope * wp.sqrt(gauss[2])
    alpha = real(1.0)
    low = real(0.0)
    high = real(-1.0)
    trial = int(1)
    searching = int(1)
    while searching == 1:
        d1, d2 = line_slope(
            w, limits, losses, cpair_dim, cpair_chain, chain_dof, chain_dof_adr, elliptic, impratio, dof_frictionloss,
            lim_active, lim_D, floss_active, floss_aref, floss_D, ncon, con_pair, con_active, con_friction, con_D, x, v,
            lim_y, lim_v, con_y, con_v, gauss[0], gauss[1], alpha,
        )  # fmt: skip
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
            if high >= real(0.0) and (step <= low or step >= high):
                step = HALF * (low + high)
            if wp.abs(step - alpha) <= ROUNDING * wp.abs(alpha):
                searching = 0
            alpha = step
            trial += 1
    return alpha


@untaped
def constraint_solve(
    jnt_type: wp.array(dtype=int),
    jnt_dofadr: wp.array(dtype=int),
    M_colind: wp.array(dtype=int),
    M_colind_adr: wp.array(dtype=int),
    dof_treeid: wp.array(dtype=int),
    cpair_dim: wp.array(dtype=int),
    cpair_chain: wp.array(dtype=int),
    chain_dof: wp.array(dtype=int),
    chain_dof_adr: wp.array(dtype=int),
    elliptic: int,
    impratio: real,
    iterations: int,
    ls_iterations: int,
    tolerance: real,
    ls_tolerance: real,
    warm_start: int,
    for_adjoint: int,
    dof_frictionloss: wp.array2d(dtype=real),
    qM: wp.array2d(dtype=real),
    qfrc_smooth: wp.array2d(dtype=real),
    qacc_smooth: wp.array2d(dtype=real),
    any_constraint: wp.array2d(dtype=int),
    row_start: wp.array2d(dtype=int),
    dof_place: wp.array2d(dtype=int),
    lim_active: wp.array2d(dtype=int),
    lim_axis: wp.array2d(dtype=vec3),
    lim_aref: wp.array2d(dtype=real),
    lim_D: wp.array2d(dtype=real),
    floss_active: wp.array2d(dtype=int),
    floss_aref: wp.array2d(dtype=real),
    floss_D: wp.array2d(dtype=real),
    ncon: wp.array2d(dtype=int),
    con_pair: wp.array2d(dtype=int),
    con_active: wp.array2d(dtype=int),
    con_J: wp.array4d(dtype=real),
    con_friction: wp.array3d(dtype=real),
    con_aref: wp.array3d(dtype=real),
    con_D: wp.array3d(dtype=real),
    qacc_constrained: wp.array2d(dtype=real),
    Ma: wp.array2d(dtype=real),
    search: wp.array2d(dtype=real),
    Mv: wp.array2d(dtype=real),
    lim_y: wp.array2d(dtype=real),
    lim_v: wp.array2d(dtype=real),
    con_ya: wp.array3d(dtype=real),
    con_v: wp.array3d(dtype=real),
    H: wp.array3d(dtype=real),
    placed: wp.array2d(dtype=real),
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
    nv = floss_active.shape[1]
    # Gradient and improvement are measured by the lightest tree, so that no heavy one hides what it still lacks.
    # (MuJoCo solves and measures each island by itself.)
    scale = real(1.0) / wp.max(MIN_VALUE, lightest_tree(w, nv, M_colind_adr, dof_treeid, qM))

    limits = int(0)
    for slot in range(lim_active.shape[1]):
        if lim_active[w, slot] == 1:
            limits = slot + 1
    losses = int(0)
    for i in range(nv):
        if floss_active[w, i] == 1:
            losses = i + 1

    if warm_start == 0:
        for i in range(nv):
            qacc_constrained[w, i] = qacc_smooth[w, i]
    mass_mul(w, M_colind, M_colind_adr, qM, qacc_constrained, Ma)
    residuals(
        w, limits, 1, jnt_type, jnt_dofadr, cpair_dim, cpair_chain, chain_dof, chain_dof_adr, lim_active, lim_axis,
        lim_aref, ncon, con_pair, con_active, con_J, con_aref, qacc_constrained, lim_y, con_ya,
    )  # fmt: skip
    cost, gradient2 = evaluate(
        w, limits, losses, jnt_type, jnt_dofadr, cpair_dim, cpair_chain, chain_dof, chain_dof_adr, elliptic, impratio,
        dof_frictionloss, lim_active, lim_axis, lim_D, floss_active, floss_aref, floss_D, ncon, con_pair, con_active,
        con_J, con_friction, con_D, qfrc_smooth, qacc_constrained, Ma, lim_y, con_ya, search,
    )  # fmt: skip
    # the better of the guess and the unconstrained acceleration, whose product with M is qfrc_smooth
    if warm_start == 1:
        residuals(
            w, limits, 1, jnt_type, jnt_dofadr, cpair_dim, cpair_chain, chain_dof, chain_dof_adr, lim_active, lim_axis,
            lim_aref, ncon, con_pair, con_active, con_J, con_aref, qacc_smooth, lim_v, con_v,
        )  # fmt: skip
        smooth_cost, smooth_gradient2 = evaluate(
            w, limits, losses, jnt_type, jnt_dofadr, cpair_dim, cpair_chain, chain_dof, chain_dof_adr, elliptic,
            impratio, dof_frictionloss, lim_active, lim_axis, lim_D, floss_active, floss_aref, floss_D, ncon, con_pair,
            con_active, con_J, con_friction, con_D, qfrc_smooth, qacc_smooth, qfrc_smooth, lim_v, con_v, placed,
        )  # fmt: skip
        if not (cost < smooth_cost):
            cost = smooth_cost
            gradient2 = smooth_gradient2
            for i in range(nv):
                qacc_constrained[w, i] = qacc_smooth[w, i]
                Ma[w, i] = qfrc_smooth[w, i]
                search[w, i] = placed[w, i]
            for slot in range(limits):
                lim_y[w, slot] = lim_v[w, slot]
            for c in range(ncon[w, 1]):
                for r in range(con_v.shape[2]):
                    con_ya[w, c, r] = con_v[w, c, r]

    limit = iterations
    enough = wp.max(tolerance, LEAST_TOLERANCE)
    if for_adjoint == 1:
        limit = wp.max(iterations, 100)
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
        if done == 0 or for_adjoint == 1:
            build_hessian(
                w, limits, losses, jnt_type, jnt_dofadr, M_colind, M_colind_adr, cpair_dim, cpair_chain, chain_dof,
                chain_dof_adr, elliptic, impratio, dof_frictionloss, qM, lim_active, lim_axis, lim_D, floss_active,
                floss_aref, floss_D, ncon, con_pair, con_active, con_J, con_friction, con_D, row_start, dof_place,
                qacc_constrained, lim_y, con_ya, H,
            )  # fmt: skip
            envelope_factor(w, nv, row_start, H)
        if done == 0:
            envelope_solve(w, nv, row_start, dof_place, H, placed, search)
            mass_mul(w, M_colind, M_colind_adr, qM, search, Mv)
            residuals(
                w, limits, 0, jnt_type, jnt_dofadr, cpair_dim, cpair_chain, chain_dof, chain_dof_adr, lim_active,
                lim_axis, lim_aref, ncon, con_pair, con_active, con_J, con_aref, search, lim_v, con_v,
            )  # fmt: skip
            alpha = line_search(
                w, limits, losses, cpair_dim, cpair_chain, chain_dof, chain_dof_adr, elliptic, impratio, ls_iterations,
                enough * ls_tolerance / scale, dof_frictionloss, lim_active, lim_D, floss_active, floss_aref, floss_D,
                ncon, con_pair, con_active, con_friction, con_D, qfrc_smooth, qacc_constrained, Ma, search, Mv, lim_y,
                lim_v, con_ya, con_v,
            )  # fmt: skip
            # a step that qacc cannot hold
            if alpha * alpha * squared_norm(w, search) <= ROUNDING * ROUNDING * squared_norm(w, qacc_constrained):
                stalled = 1
            add_scaled(w, alpha, search, qacc_constrained)
            add_scaled(w, alpha, Mv, Ma)
            for slot in range(limits):
                if lim_active[w, slot] == 1:
                    lim_y[w, slot] += alpha * lim_v[w, slot]
            add_scaled_slots(w, ncon[w, 1], alpha, con_v, con_ya)
            new_cost, gradient2 = evaluate(
                w, limits, losses, jnt_type, jnt_dofadr, cpair_dim, cpair_chain, chain_dof, chain_dof_adr, elliptic,
                impratio, dof_frictionloss, lim_active, lim_axis, lim_D, floss_active, floss_aref, floss_D, ncon,
                con_pair, con_active, con_J, con_friction, con_D, qfrc_smooth, qacc_constrained, Ma, lim_y, con_ya,
                search,
            )  # fmt: skip
            improvement = scale * (cost - new_cost)
            if cost - new_cost <= ROUNDING * wp.abs(cost):
                improvement = scale * ROUNDING * wp.abs(cost)
                if improvement >= enough:
                    improvement = real(-1.0)
            cost = new_cost
            iteration += 1
    solver_niter[w, 0] = iteration


@untaped
def constraint_adjoint(
    jnt_type: wp.array(dtype=int),
    jnt_dofadr: wp.array(dtype=int),
    M_colind: wp.array(dtype=int),
    M_colind_adr: wp.array(dtype=int),
    skip_none: wp.array(dtype=int),
    cpair_dim: wp.array(dtype=int),
    cpair_chain: wp.array(dtype=int),
    chain_dof: wp.array(dtype=int),
    chain_dof_adr: wp.array(dtype=int),
    elliptic: int,
    impratio: real,
    dof_frictionloss: wp.array2d(dtype=real),
    any_constraint: wp.array2d(dtype=int),
    row_start: wp.array2d(dtype=int),
    dof_place: wp.array2d(dtype=int),
    lim_active: wp.array2d(dtype=int),
    lim_axis: wp.array2d(dtype=vec3),
    lim_aref: wp.array2d(dtype=real),
    lim_D: wp.array2d(dtype=real),
    floss_active: wp.array2d(dtype=int),
    floss_aref: wp.array2d(dtype=real),
    floss_D: wp.array2d(dtype=real),
    ncon: wp.array2d(dtype=int),
    con_pair: wp.array2d(dtype=int),
    con_active: wp.array2d(dtype=int),
    con_J: wp.array4d(dtype=real),
    con_friction: wp.array3d(dtype=real),
    con_D: wp.array3d(dtype=real),
    con_y: wp.array3d(dtype=real),
    H: wp.array3d(dtype=real),
    placed: wp.array2d(dtype=real),
    qacc_constrained: wp.array2d(dtype=real),
    adj_qacc_constrained: wp.array2d(dtype=real),
    adj_qfrc_constraint: wp.array2d(dtype=real),
    adj_con_force: wp.array3d(dtype=real),
    adj_lim_force: wp.array2d(dtype=real),
    adj_floss_force: wp.array2d(dtype=real),
    adj_qfrc_smooth: wp.array2d(dtype=real),
    adj_qM: wp.array2d(dtype=real),
    search: wp.array2d(dtype=real),
):
    """z = H^-1 dL/da, with the outputs' adjoint carried to a.

    adj_qfrc_smooth += z;  adj_M -= z a';  adj_qfrc_constraint += z, for the taped adjoint of the forces that follows.
    """
    w = wp.tid()
    if any_constraint[w, 0] == 0:
        return
    nv = floss_active.shape[1]
    for i in range(nv):
        search[w, i] = adj_qacc_constrained[w, i]
        if floss_active[w, i] == 1:
            if wp.abs(floss_D[w, i] * (qacc_constrained[w, i] - floss_aref[w, i])) <= dof_frictionloss[w, i]:
                search[w, i] -= floss_D[w, i] * (adj_floss_force[w, i] + adj_qfrc_constraint[w, i])
    for slot in range(lim_active.shape[1]):
        if lim_active[w, slot] == 1:
            depth = limit_mul(w, slot, jnt_type, jnt_dofadr, lim_axis, qacc_constrained) - lim_aref[w, slot]
            if depth < real(0.0):
                weight = adj_lim_force[w, slot] + limit_mul(
                    w, slot, jnt_type, jnt_dofadr, lim_axis, adj_qfrc_constraint
                )
                limit_add(w, slot, jnt_type, jnt_dofadr, lim_axis, -lim_D[w, slot] * weight, search)
    contact_curvatures(
        w, elliptic, impratio, cpair_dim, cpair_chain, chain_dof, chain_dof_adr, ncon, con_pair, con_active, con_J,
        con_friction, con_D, con_y, adj_con_force, adj_qfrc_constraint, search,
    )  # fmt: skip
    envelope_solve(w, nv, row_start, dof_place, H, placed, search)
    for i in range(nv):
        adj_qfrc_smooth[w, i] += search[w, i]
        adj_qfrc_constraint[w, i] += search[w, i]
    subtract_outer_product(w, M_colind, M_colind_adr, skip_none, search, qacc_constrained, adj_qM)
