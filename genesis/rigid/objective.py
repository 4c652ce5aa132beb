"""The objective that the constraint solver minimises: value, slope along a line, gradient and Hessian at a point.

    1/2 a' M a - a' qfrc_smooth + sum of the constraints' potentials s(J a - aref)

``lim_y`` and ``con_y`` are the residuals J a - aref of limits and contacts, which the solver carries along. ``limits``
and ``losses`` say how many slots of limits, and how many dofs, hold all those that are active.
"""

import warp as wp

from genesis.rigid.contact_sums import contact_forces, contact_hessians, contact_residuals, contact_slopes
from genesis.rigid.kinematics import BALL
from genesis.rigid.potential import friction_loss_cost
from genesis.rigid.sparse import place_mass_matrix, snippet
from genesis.types import real, vec3

HALF = real(0.5)
vec2 = wp.types.vector(length=2, dtype=real)

_GAUSS = """
    REAL cost = 0;
    auto run = [&](auto s) {
        const REAL* a = ROW(x);
        const REAL* Ma = ROW(Mx);
        const REAL* f = ROW(qfrc_smooth);
        REAL* to = ROW(out);
        for (int i = 0; i < x.shape[1]; ++i) {
            cost += a[i * s] * ((REAL)0.5 * Ma[i * s] - f[i * s]);
            to[i * s] = f[i * s] - Ma[i * s];
        }
    };
"""


@wp.func_native(snippet=snippet(_GAUSS, "x", result="cost"))
def gauss(
    w: int,
    qfrc_smooth: wp.array2d(dtype=real),
    x: wp.array2d(dtype=real),
    Mx: wp.array2d(dtype=real),
    out: wp.array2d(dtype=real),
) -> real:
    """The objective without constraints, 1/2 x' M x - x' qfrc_smooth; ``out`` is minus its gradient."""


_GAUSS_SLOPE = """
    REAL slope = 0, curvature = 0, norm2 = 0;
    auto run = [&](auto s) {
        const REAL* direction = ROW(v);
        const REAL* Mdirection = ROW(Mv);
        const REAL* Ma = ROW(Mx);
        const REAL* f = ROW(qfrc_smooth);
        for (int i = 0; i < v.shape[1]; ++i) {
            const REAL v_i = direction[i * s];
            slope += v_i * (Ma[i * s] - f[i * s]);
            curvature += v_i * Mdirection[i * s];
            norm2 += v_i * v_i;
        }
    };
"""


@wp.func_native(snippet=snippet(_GAUSS_SLOPE, "v", result="wp::vec_t<3, REAL>(slope, curvature, norm2)"))
def gauss_slope(
    w: int,
    qfrc_smooth: wp.array2d(dtype=real),
    Mx: wp.array2d(dtype=real),
    v: wp.array2d(dtype=real),
    Mv: wp.array2d(dtype=real),
) -> vec3:
    """First and second derivative at x, along v, of the objective without constraints; v' v."""


_NORM2 = """
    REAL sum = 0;
    auto run = [&](auto s) {
        const REAL* a = ROW(x);
        for (int i = 0; i < x.shape[1]; ++i)
            sum += a[i * s] * a[i * s];
    };
"""


@wp.func_native(snippet=snippet(_NORM2, "x", result="sum"))
def squared_norm(w: int, x: wp.array2d(dtype=real)) -> real:
    """x' x."""


_ADD_SCALED = """
    auto run = [&](auto s) {
        REAL* __restrict to = ROW(x);
        const REAL* __restrict from = ROW(v);
        for (int i = 0; i < COUNT; ++i)
            to[i * s] += alpha * from[i * s];
    };
"""


@wp.func_native(snippet=snippet(_ADD_SCALED.replace("COUNT", "x.shape[1]"), "x"))
def add_scaled(w: int, alpha: real, v: wp.array2d(dtype=real), x: wp.array2d(dtype=real)):
    """x += alpha v."""


@wp.func_native(snippet=snippet(_ADD_SCALED.replace("COUNT", "slots * x.shape[2]"), "x", 2))
def add_scaled_slots(w: int, slots: int, alpha: real, v: wp.array3d(dtype=real), x: wp.array3d(dtype=real)):
    """x += alpha v in the first slots, whether they are in use or not."""


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
def residuals(
    w: int,
    limits: int,
    references: int,
    jnt_type: wp.array(dtype=int),
    jnt_dofadr: wp.array(dtype=int),
    cpair_dim: wp.array(dtype=int),
    cpair_chain: wp.array(dtype=int),
    chain_dof: wp.array(dtype=int),
    chain_dof_adr: wp.array(dtype=int),
    lim_active: wp.array2d(dtype=int),
    lim_axis: wp.array2d(dtype=vec3),
    lim_aref: wp.array2d(dtype=real),
    ncon: wp.array2d(dtype=int),
    con_pair: wp.array2d(dtype=int),
    con_active: wp.array2d(dtype=int),
    con_J: wp.array4d(dtype=real),
    con_aref: wp.array3d(dtype=real),
    x: wp.array2d(dtype=real),
    lim_out: wp.array2d(dtype=real),
    con_out: wp.array3d(dtype=real),
):
    """J x of limits and contacts, or J x - aref with ``references``."""
    for slot in range(limits):
        if lim_active[w, slot] == 1:
            lim_out[w, slot] = limit_mul(w, slot, jnt_type, jnt_dofadr, lim_axis, x)
            if references == 1:
                lim_out[w, slot] -= lim_aref[w, slot]
    contact_residuals(
        w, cpair_dim, cpair_chain, chain_dof, chain_dof_adr, ncon, con_pair, con_active, con_J, references, con_aref,
        x, con_out,
    )  # fmt: skip


@wp.func
def line_slope(
    w: int,
    limits: int,
    losses: int,
    cpair_dim: wp.array(dtype=int),
    cpair_chain: wp.array(dtype=int),
    chain_dof: wp.array(dtype=int),
    chain_dof_adr: wp.array(dtype=int),
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
    for i in range(losses):
        if floss_active[w, i] == 1:
            force = floss_D[w, i] * (x[w, i] + alpha * v[w, i] - floss_aref[w, i])
            if wp.abs(force) > dof_frictionloss[w, i]:
                slope += wp.sign(force) * dof_frictionloss[w, i] * v[w, i]
            else:
                slope += force * v[w, i]
                curvature += floss_D[w, i] * v[w, i] * v[w, i]
    for slot in range(limits):
        if lim_active[w, slot] == 1:
            depth = lim_y[w, slot] + alpha * lim_v[w, slot]
            if depth < real(0.0):
                slope += lim_D[w, slot] * depth * lim_v[w, slot]
                curvature += lim_D[w, slot] * lim_v[w, slot] * lim_v[w, slot]
    contacts = contact_slopes(
        w, elliptic, impratio, cpair_dim, cpair_chain, chain_dof, chain_dof_adr, ncon, con_pair, con_active,
        con_friction, con_D, con_y, con_v, alpha,
    )  # fmt: skip
    return slope + contacts[0], curvature + contacts[1]


@wp.func
def evaluate(
    w: int,
    limits: int,
    losses: int,
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
):
    """The objective at x, but for the constant of qacc_smooth, and the squared norm of its gradient.

    ``out`` is minus the gradient: qfrc_smooth + J' f - M x.
    """
    cost = gauss(w, qfrc_smooth, x, Mx, out)
    for i in range(losses):
        if floss_active[w, i] == 1:
            y = x[w, i] - floss_aref[w, i]
            cost += friction_loss_cost(y, floss_D[w, i], dof_frictionloss[w, i])
            out[w, i] += wp.clamp(-floss_D[w, i] * y, -dof_frictionloss[w, i], dof_frictionloss[w, i])
    for slot in range(limits):
        if lim_active[w, slot] == 1:
            if lim_y[w, slot] < real(0.0):
                cost += HALF * lim_D[w, slot] * lim_y[w, slot] * lim_y[w, slot]
                limit_add(w, slot, jnt_type, jnt_dofadr, lim_axis, -lim_D[w, slot] * lim_y[w, slot], out)
    cost += contact_forces(
        w, elliptic, impratio, cpair_dim, cpair_chain, chain_dof, chain_dof_adr, ncon, con_pair, con_active, con_J,
        con_friction, con_D, con_y, out,
    )  # fmt: skip
    return cost, squared_norm(w, out)


@wp.func
def build_hessian(
    w: int,
    limits: int,
    losses: int,
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
    place_mass_matrix(w, M_colind, M_colind_adr, qM, row_start, dof_place, H)
    for i in range(losses):
        if floss_active[w, i] == 1:
            if wp.abs(floss_D[w, i] * (x[w, i] - floss_aref[w, i])) <= dof_frictionloss[w, i]:
                p = dof_place[w, i]
                H[w, p, p] += floss_D[w, i]
    for slot in range(limits):
        if lim_active[w, slot] == 1:
            if lim_y[w, slot] < real(0.0):
                d = jnt_dofadr[slot // 2]
                p = dof_place[w, d]
                if jnt_type[slot // 2] == BALL:
                    axis = lim_axis[w, slot // 2]
                    for i in range(3):
                        for j in range(i + 1):
                            # the rows of a tree are in descending order of its dofs
                            H[w, p - j, p - i] += lim_D[w, slot] * axis[i] * axis[j]
                else:
                    H[w, p, p] += lim_D[w, slot]
    contact_hessians(
        w, elliptic, impratio, cpair_dim, cpair_chain, chain_dof, chain_dof_adr, ncon, con_pair, con_active, con_J,
        con_friction, con_D, con_y, dof_place, H,
    )  # fmt: skip
