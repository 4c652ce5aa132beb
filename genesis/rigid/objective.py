"""The objective that the constraint solver minimises: value, slope along a line, gradient and Hessian at a point.

    1/2 a' M a - a' qfrc_smooth + sum of the constraints' potentials s(J a - aref)

``lim_y`` and ``con_y`` are the residuals J a - aref of limits and contacts, which the solver carries along.
"""

import warp as wp

from genesis.rigid.kinematics import BALL
from genesis.rigid.potential import contact_cost, contact_force, contact_hessian, contact_slope, friction_loss_cost
from genesis.types import real, vec3, vec6

HALF = real(0.5)


@wp.func
def mass_mul(
    w: int,
    M_colind: wp.array(dtype=int),
    M_colind_adr: wp.array(dtype=int),
    qM: wp.array2d(dtype=real),
    x: wp.array2d(dtype=real),
    y: wp.array2d(dtype=real),
):
    """y = M x."""
    for i in range(M_colind_adr.shape[0] - 1):
        diagonal = M_colind_adr[i + 1] - 1
        y[w, i] = qM[w, diagonal] * x[w, i]
        for e in range(M_colind_adr[i], diagonal):
            j = M_colind[e]
            y[w, i] += qM[w, e] * x[w, j]
            y[w, j] += qM[w, e] * x[w, i]


@wp.func
def limit_mul(
    w: int,
    slot: int,
    jnt_type: wp.array(dtype=int),
    jnt_dofadr: wp.array(dtype=int),
    lim_axis: wp.array2d(dtype=vec3),
    x: wp.array2d(dtype=real),
) -> real:
    """J x of a joint limit."""
    j = slot // 2
    d = jnt_dofadr[j]
    result = real(0.0)
    if jnt_type[j] == BALL:
        axis = lim_axis[w, j]
        result = axis[0] * x[w, d] + axis[1] * x[w, d + 1] + axis[2] * x[w, d + 2]
    else:
        result = real(1 - 2 * (slot - 2 * j)) * x[w, d]
    return result


@wp.func
def limit_add(
    w: int,
    slot: int,
    jnt_type: wp.array(dtype=int),
    jnt_dofadr: wp.array(dtype=int),
    lim_axis: wp.array2d(dtype=vec3),
    f: real,
    x: wp.array2d(dtype=real),
):
    """x += J' f of a joint limit."""
    j = slot // 2
    d = jnt_dofadr[j]
    if jnt_type[j] == BALL:
        axis = lim_axis[w, j]
        for k in range(3):
            x[w, d + k] += axis[k] * f
    else:
        x[w, d] += real(1 - 2 * (slot - 2 * j)) * f


@wp.func
def contact_mul(
    w: int,
    c: int,
    r: int,
    start: int,
    end: int,
    chain_dof: wp.array(dtype=int),
    con_J: wp.array4d(dtype=real),
    x: wp.array2d(dtype=real),
) -> real:
    """Row r of J x of a contact."""
    result = real(0.0)
    for e in range(start, end):
        result += con_J[w, c, r, e - start] * x[w, chain_dof[e]]
    return result


@wp.func
def residuals(
    w: int,
    jnt_type: wp.array(dtype=int),
    jnt_dofadr: wp.array(dtype=int),
    cpair_dim: wp.array(dtype=int),
    cpair_chain: wp.array(dtype=int),
    chain_dof: wp.array(dtype=int),
    chain_dof_adr: wp.array(dtype=int),
    lim_active: wp.array2d(dtype=int),
    lim_axis: wp.array2d(dtype=vec3),
    ncon: wp.array2d(dtype=int),
    con_pair: wp.array2d(dtype=int),
    con_active: wp.array2d(dtype=int),
    con_J: wp.array4d(dtype=real),
    x: wp.array2d(dtype=real),
    lim_out: wp.array2d(dtype=real),
    con_out: wp.array3d(dtype=real),
):
    """J x of limits and contacts."""
    for slot in range(lim_active.shape[1]):
        if lim_active[w, slot] == 1:
            lim_out[w, slot] = limit_mul(w, slot, jnt_type, jnt_dofadr, lim_axis, x)
    for c in range(ncon[w, 1]):
        if con_active[w, c] == 1:
            start = chain_dof_adr[cpair_chain[con_pair[w, c]]]
            end = chain_dof_adr[cpair_chain[con_pair[w, c]] + 1]
            for r in range(cpair_dim[con_pair[w, c]]):
                con_out[w, c, r] = contact_mul(w, c, r, start, end, chain_dof, con_J, x)


@wp.func
def subtract_references(
    w: int,
    cpair_dim: wp.array(dtype=int),
    lim_active: wp.array2d(dtype=int),
    lim_aref: wp.array2d(dtype=real),
    ncon: wp.array2d(dtype=int),
    con_pair: wp.array2d(dtype=int),
    con_active: wp.array2d(dtype=int),
    con_aref: wp.array3d(dtype=real),
    lim_y: wp.array2d(dtype=real),
    con_y: wp.array3d(dtype=real),
):
    for slot in range(lim_active.shape[1]):
        if lim_active[w, slot] == 1:
            lim_y[w, slot] -= lim_aref[w, slot]
    for c in range(ncon[w, 1]):
        if con_active[w, c] == 1:
            for r in range(cpair_dim[con_pair[w, c]]):
                con_y[w, c, r] -= con_aref[w, c, r]


@wp.func
def total_cost(
    w: int,
    cpair_dim: wp.array(dtype=int),
    elliptic: int,
    impratio: real,
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
    lim_y: wp.array2d(dtype=real),
    con_y: wp.array3d(dtype=real),
) -> real:
    """The objective at x, but for the constant of qacc_smooth."""
    cost = real(0.0)
    for i in range(floss_active.shape[1]):
        cost += x[w, i] * (HALF * Mx[w, i] - qfrc_smooth[w, i])
        if floss_active[w, i] == 1:
            cost += friction_loss_cost(x[w, i] - floss_aref[w, i], floss_D[w, i], dof_frictionloss[w, i])
    for slot in range(lim_active.shape[1]):
        if lim_active[w, slot] == 1:
            depth = wp.min(lim_y[w, slot], real(0.0))
            cost += HALF * lim_D[w, slot] * depth * depth
    for c in range(ncon[w, 1]):
        if con_active[w, c] == 1:
            cost += contact_cost(w, c, cpair_dim[con_pair[w, c]], elliptic, impratio, con_friction, con_D, con_y)
    return cost


@wp.func
def line_slope(
    w: int,
    cpair_dim: wp.array(dtype=int),
    elliptic: int,
    impratio: real,
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
    x: wp.array2d(dtype=real),
    v: wp.array2d(dtype=real),
    lim_y: wp.array2d(dtype=real),
    lim_v: wp.array2d(dtype=real),
    con_y: wp.array3d(dtype=real),
    con_v: wp.array3d(dtype=real),
    gauss_slope: real,
    gauss_curvature: real,
    alpha: real,
):
    """First and second derivative of the objective by alpha, at x + alpha v."""
    slope = gauss_slope + alpha * gauss_curvature
    curvature = gauss_curvature
    for i in range(floss_active.shape[1]):
        if floss_active[w, i] == 1:
            force = floss_D[w, i] * (x[w, i] + alpha * v[w, i] - floss_aref[w, i])
            if wp.abs(force) > dof_frictionloss[w, i]:
                slope += wp.sign(force) * dof_frictionloss[w, i] * v[w, i]
            else:
                slope += force * v[w, i]
                curvature += floss_D[w, i] * v[w, i] * v[w, i]
    for slot in range(lim_active.shape[1]):
        if lim_active[w, slot] == 1:
            depth = lim_y[w, slot] + alpha * lim_v[w, slot]
            if depth < real(0.0):
                slope += lim_D[w, slot] * depth * lim_v[w, slot]
                curvature += lim_D[w, slot] * lim_v[w, slot] * lim_v[w, slot]
    for c in range(ncon[w, 1]):
        if con_active[w, c] == 1:
            s, k = contact_slope(
                w, c, cpair_dim[con_pair[w, c]], elliptic, impratio, con_friction, con_D, con_y, con_v, alpha
            )
            slope += s
            curvature += k
    return slope, curvature


@wp.func
def negative_gradient(
    w: int,
    jnt_type: wp.array(dtype=int),
    jnt_dofadr: wp.array(dtype=int),
    cpair_dim: wp.array(dtype=int),
    cpair_chain: wp.array(dtype=int),
    chain_dof: wp.array(dtype=int),
    chain_dof_adr: wp.array(dtype=int),
    elliptic: int,
    impratio: real,
    dof_frictionloss: wp.array2d(dtype=real),
    lim_active: wp.array2d(dtype=int),
    lim_axis: wp.array2d(dtype=vec3),
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
    qfrc_smooth: wp.array2d(dtype=real),
    x: wp.array2d(dtype=real),
    Mx: wp.array2d(dtype=real),
    lim_y: wp.array2d(dtype=real),
    con_y: wp.array3d(dtype=real),
    out: wp.array2d(dtype=real),
) -> real:
    """qfrc_smooth + J' f - M x, and its squared norm."""
    nv = floss_active.shape[1]
    for i in range(nv):
        force = qfrc_smooth[w, i]
        if floss_active[w, i] == 1:
            loss = -floss_D[w, i] * (x[w, i] - floss_aref[w, i])
            force += wp.clamp(loss, -dof_frictionloss[w, i], dof_frictionloss[w, i])
        out[w, i] = force - Mx[w, i]
    for slot in range(lim_active.shape[1]):
        if lim_active[w, slot] == 1:
            if lim_y[w, slot] < real(0.0):
                limit_add(w, slot, jnt_type, jnt_dofadr, lim_axis, -lim_D[w, slot] * lim_y[w, slot], out)
    for c in range(ncon[w, 1]):
        if con_active[w, c] == 1:
            dim = cpair_dim[con_pair[w, c]]
            start = chain_dof_adr[cpair_chain[con_pair[w, c]]]
            end = chain_dof_adr[cpair_chain[con_pair[w, c]] + 1]
            push = contact_force(w, c, dim, elliptic, impratio, con_friction, con_D, con_y)
            for e in range(start, end):
                value = real(0.0)
                for r in range(dim):
                    value += con_J[w, c, r, e - start] * push[r]
                out[w, chain_dof[e]] += value
    norm2 = real(0.0)
    for i in range(nv):
        norm2 += out[w, i] * out[w, i]
    return norm2


@wp.func
def build_hessian(
    w: int,
    jnt_type: wp.array(dtype=int),
    jnt_dofadr: wp.array(dtype=int),
    M_colind: wp.array(dtype=int),
    M_colind_adr: wp.array(dtype=int),
    cpair_dim: wp.array(dtype=int),
    cpair_chain: wp.array(dtype=int),
    chain_dof: wp.array(dtype=int),
    chain_dof_adr: wp.array(dtype=int),
    elliptic: int,
    impratio: real,
    dof_frictionloss: wp.array2d(dtype=real),
    qM: wp.array2d(dtype=real),
    lim_active: wp.array2d(dtype=int),
    lim_axis: wp.array2d(dtype=vec3),
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
    row_start: wp.array2d(dtype=int),
    dof_place: wp.array2d(dtype=int),
    x: wp.array2d(dtype=real),
    lim_y: wp.array2d(dtype=real),
    con_y: wp.array3d(dtype=real),
    H: wp.array3d(dtype=real),
):
    """H = M + J' C J at x, inside the envelope; rows and columns in the order of ``dof_place``."""
    nv = floss_active.shape[1]
    for p in range(nv):
        for q in range(row_start[w, p], p + 1):
            H[w, p, q] = real(0.0)
    for i in range(nv):
        p = dof_place[w, i]
        for e in range(M_colind_adr[i], M_colind_adr[i + 1]):
            H[w, p, dof_place[w, M_colind[e]]] = qM[w, e]
        if floss_active[w, i] == 1:
            if wp.abs(floss_D[w, i] * (x[w, i] - floss_aref[w, i])) <= dof_frictionloss[w, i]:
                H[w, p, p] += floss_D[w, i]
    for slot in range(lim_active.shape[1]):
        if lim_active[w, slot] == 1:
            if lim_y[w, slot] < real(0.0):
                d = dof_place[w, jnt_dofadr[slot // 2]]
                if jnt_type[slot // 2] == BALL:
                    axis = lim_axis[w, slot // 2]
                    for i in range(3):
                        for j in range(i + 1):
                            H[w, d + i, d + j] += lim_D[w, slot] * axis[i] * axis[j]
                else:
                    H[w, d, d] += lim_D[w, slot]
    for c in range(ncon[w, 1]):
        if con_active[w, c] == 1:
            dim = cpair_dim[con_pair[w, c]]
            start = chain_dof_adr[cpair_chain[con_pair[w, c]]]
            n = chain_dof_adr[cpair_chain[con_pair[w, c]] + 1] - start
            C = contact_hessian(w, c, dim, elliptic, impratio, con_friction, con_D, con_y)
            for a in range(n):
                weighted = vec6()
                for r in range(dim):
                    value = real(0.0)
                    for s in range(dim):
                        value += C[r, s] * con_J[w, c, s, a]
                    weighted[r] = value
                p = dof_place[w, chain_dof[start + a]]
                for b in range(a + 1):
                    entry = real(0.0)
                    for r in range(dim):
                        entry += weighted[r] * con_J[w, c, r, b]
                    q = dof_place[w, chain_dof[start + b]]
                    H[w, wp.max(p, q), wp.min(p, q)] += entry
