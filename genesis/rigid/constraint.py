"""Constraints: what the solver is given, and the forces that follow from its solution (MuJoCo: mj_makeConstraint).

A constraint is a convex potential of a small vector ``y = J qacc - aref``, whose negative gradient is its force:

- a joint limit: y is a number, force ``max(0, -D y)``;
- friction loss of a dof: y is a number, force ``-D y`` clipped to plus or minus the friction loss;
- a contact: y has ``condim`` entries, relative acceleration along normal, two tangents, about the normal, about the
  two tangents. With an elliptic cone the potential is MuJoCo's (documentation, "Constraint model"). With a pyramidal
  cone it is the sum over the pyramid's edges ``y[0] +- friction[j] * y[j]``: MuJoCo's rows are these edges, and a force
  here is the sum over edges, which is the contact force in the contact's frame.

At a switch (zero force, the edge of the cone, a limit just reached) the derivative is that of the side without force:
a row at exactly zero counts as satisfied, a sliding contact at exactly the edge of the cone as sticking.
"""

import warp as wp

from genesis.math.spatial import quat_log, quat_normalize, rotation, translation
from genesis.rigid.kinematics import BALL, FREE, read_quat
from genesis.types import mat33, real, taped, vec3, vec6

MIN_VALUE = real(1.0e-15)  # mjMINVAL
MIN_MU = real(1.0e-5)  # mjMINMU
MIN_IMPEDANCE = real(0.0001)  # mjMINIMP
MAX_IMPEDANCE = real(0.9999)  # mjMAXIMP
HALF = real(0.5)
# Of a pyramid's edge: mu^2 / impratio, by which MuJoCo divides its D. In 32 bits it is bounded, because
# the solver cannot tell an edge that is a million times stiffer than the contact from a rigid one.
LEAST_SOFTNESS = real(0.0) if real is wp.float64 else real(1.0e-4)

# How a pair's contact parameters follow from its geoms' (genesis.model.contact).
PARAMS_MIX = wp.constant(0)
PARAMS_FIRST = wp.constant(1)
PARAMS_SECOND = wp.constant(2)
PARAMS_PAIR = wp.constant(3)


@wp.func
def clamp_impedance(x: real) -> real:
    y = x
    if x < MIN_IMPEDANCE:
        y = MIN_IMPEDANCE
    if x > MAX_IMPEDANCE:
        y = MAX_IMPEDANCE
    return y


@wp.func(inline=False)
def impedance(solimp0: real, solimp1: real, solimp2: real, solimp3: real, solimp4: real, violation: real) -> real:
    """Impedance d of a constraint at the distance ``violation`` from where it begins (MuJoCo: getimpedance)."""
    d0 = clamp_impedance(solimp0)
    d1 = clamp_impedance(solimp1)
    midpoint = clamp_impedance(solimp3)
    power = wp.max(real(1.0), solimp4)
    result = d0
    if solimp2 <= MIN_VALUE:
        result = HALF * (d0 + d1)
    else:
        x = wp.abs(violation) / solimp2
        if x >= real(1.0):
            result = d1
        elif x > real(0.0):
            y = x
            if power > real(1.0):
                if x <= midpoint:
                    y = wp.pow(x, power) / wp.pow(midpoint, power - real(1.0))
                else:
                    y = real(1.0) - wp.pow(real(1.0) - x, power) / wp.pow(real(1.0) - midpoint, power - real(1.0))
            result = d0 + y * (d1 - d0)
    return result


@wp.func
def safe_time_constant(solref0: real, timestep: real, refsafe: int) -> real:
    """Time constant of a reference in standard format, at least two steps (MuJoCo: flag refsafe)."""
    t = solref0
    if refsafe == 1 and solref0 > real(0.0) and solref0 < real(2.0) * timestep:
        t = real(2.0) * timestep
    return t


@wp.func
def reference_stiffness(solref0: real, solref1: real, solimp1: real, timestep: real, refsafe: int) -> real:
    """K of aref = -B v - K d (dist - margin) [1/s^2]; solref is (time constant, damping ratio) or (-K, -B)."""
    dmax = clamp_impedance(solimp1)
    k = real(0.0)
    if solref0 > real(0.0):
        t = safe_time_constant(solref0, timestep, refsafe)
        k = real(1.0) / wp.max(MIN_VALUE, dmax * dmax * t * t * solref1 * solref1)
    else:
        k = -solref0 / (dmax * dmax)
    return k


@wp.func(inline=False)
def reference_damping(solref0: real, solref1: real, solimp1: real, timestep: real, refsafe: int) -> real:
    """B of aref = -B v - K d (dist - margin) [1/s]."""
    dmax = clamp_impedance(solimp1)
    b = real(0.0)
    if solref1 > real(0.0):
        b = real(2.0) / wp.max(MIN_VALUE, dmax * safe_time_constant(solref0, timestep, refsafe))
    else:
        b = -solref1 / dmax
    return b


@wp.func
def regularisation(imp: real, diagonal: real) -> real:
    """R = (1 - d) / d * (approximate inverse inertia that the constraint feels)."""
    return wp.max(MIN_VALUE, (real(1.0) - imp) / imp * diagonal)


# -- joints -----------------------------------------------------------------------------------------------------------


@taped
def joint_rows(
    jnt_type: wp.array(dtype=int),
    jnt_qposadr: wp.array(dtype=int),
    jnt_dofadr: wp.array(dtype=int),
    jnt_limited: wp.array(dtype=int),
    frictionloss_on: wp.array(dtype=int),
    jnt_margin: wp.array(dtype=real),
    dof_invweight0: wp.array(dtype=real),
    timestep: real,
    refsafe: int,
    jnt_range: wp.array3d(dtype=real),
    jnt_solref: wp.array3d(dtype=real),
    jnt_solimp: wp.array3d(dtype=real),
    dof_frictionloss: wp.array2d(dtype=real),
    dof_solref: wp.array3d(dtype=real),
    dof_solimp: wp.array3d(dtype=real),
    qpos: wp.array2d(dtype=real),
    qvel: wp.array2d(dtype=real),
    lim_axis: wp.array2d(dtype=vec3),
    lim_aref: wp.array2d(dtype=real),
    lim_D: wp.array2d(dtype=real),
    floss_aref: wp.array2d(dtype=real),
    floss_D: wp.array2d(dtype=real),
    lim_active: wp.array2d(dtype=int),
    floss_active: wp.array2d(dtype=int),
):
    """Limits of joints, two slots each (lower, upper; a ball joint has one), and friction loss of dofs.

    ``lim_axis``: the Jacobian of a ball joint's limit; that of another joint is +1 (lower) or -1 (upper).
    """
    w = wp.tid()
    sides = int(2)  # a variable: the loop stays a loop
    for j in range(jnt_type.shape[0]):
        lim_active[w, 2 * j] = 0
        lim_active[w, 2 * j + 1] = 0
        if jnt_limited[j] == 1 and jnt_type[j] != FREE:
            d = jnt_dofadr[j]
            margin = jnt_margin[j]
            b = reference_damping(jnt_solref[w, j, 0], jnt_solref[w, j, 1], jnt_solimp[w, j, 1], timestep, refsafe)
            k = reference_stiffness(jnt_solref[w, j, 0], jnt_solref[w, j, 1], jnt_solimp[w, j, 1], timestep, refsafe)
            if jnt_type[j] == BALL:
                twist = quat_log(quat_normalize(read_quat(qpos, w, jnt_qposadr[j])))
                angle2 = wp.dot(twist, twist)
                if angle2 > real(0.0):
                    angle = wp.sqrt(angle2)
                    ball_dist = wp.max(jnt_range[w, j, 0], jnt_range[w, j, 1]) - angle
                    if ball_dist < margin:
                        axis = twist * (real(-1.0) / angle)
                        ball_vel = axis[0] * qvel[w, d] + axis[1] * qvel[w, d + 1] + axis[2] * qvel[w, d + 2]
                        ball_imp = impedance(
                            jnt_solimp[w, j, 0],
                            jnt_solimp[w, j, 1],
                            jnt_solimp[w, j, 2],
                            jnt_solimp[w, j, 3],
                            jnt_solimp[w, j, 4],
                            ball_dist - margin,
                        )
                        lim_active[w, 2 * j] = 1
                        lim_axis[w, j] = axis
                        lim_aref[w, 2 * j] = -b * ball_vel - k * ball_imp * (ball_dist - margin)
                        lim_D[w, 2 * j] = real(1.0) / regularisation(ball_imp, dof_invweight0[d])
            else:
                for s in range(sides):
                    sign = real(1 - 2 * s)
                    dist = sign * (qpos[w, jnt_qposadr[j]] - jnt_range[w, j, s])
                    if dist < margin:
                        imp = impedance(
                            jnt_solimp[w, j, 0],
                            jnt_solimp[w, j, 1],
                            jnt_solimp[w, j, 2],
                            jnt_solimp[w, j, 3],
                            jnt_solimp[w, j, 4],
                            dist - margin,
                        )
                        lim_active[w, 2 * j + s] = 1
                        lim_aref[w, 2 * j + s] = -b * sign * qvel[w, d] - k * imp * (dist - margin)
                        lim_D[w, 2 * j + s] = real(1.0) / regularisation(imp, dof_invweight0[d])
    for i in range(qvel.shape[1]):
        floss_active[w, i] = 0
        if frictionloss_on[0] == 1 and dof_frictionloss[w, i] > real(0.0):
            loss_imp = impedance(
                dof_solimp[w, i, 0],
                dof_solimp[w, i, 1],
                dof_solimp[w, i, 2],
                dof_solimp[w, i, 3],
                dof_solimp[w, i, 4],
                real(0.0),
            )
            loss_b = reference_damping(dof_solref[w, i, 0], dof_solref[w, i, 1], dof_solimp[w, i, 1], timestep, refsafe)
            floss_active[w, i] = 1
            floss_aref[w, i] = -loss_b * qvel[w, i]
            floss_D[w, i] = real(1.0) / regularisation(loss_imp, dof_invweight0[i])


# -- contacts ---------------------------------------------------------------------------------------------------------


@wp.func
def mixed(mode: int, weight: real, first: real, second: real) -> real:
    """Weighted mean of the two geoms' values, or the value of the geom with priority."""
    x = first
    if mode == PARAMS_MIX:
        x = weight * first + (real(1.0) - weight) * second
    elif mode == PARAMS_SECOND:
        x = second
    return x


@wp.func
def larger(mode: int, first: real, second: real) -> real:
    """The larger of the two geoms' values, or that of the geom with priority.

    At a tie the derivative is half in each: that of the mean, so that raising both together counts once.
    """
    x = first
    if mode == PARAMS_MIX:
        if first == second:
            x = HALF * (first + second)
        elif second > first:
            x = second
    elif mode == PARAMS_SECOND:
        x = second
    return x


@wp.func(inline=False)
def mixed_solref(mode: int, weight: real, first0: real, second0: real, first: real, second: real) -> real:
    """One entry of solref; references in direct format take the smaller value instead of the mean, at a tie both."""
    x = mixed(mode, weight, first, second)
    if mode == PARAMS_MIX and (first0 <= real(0.0) or second0 <= real(0.0)):
        if first == second:
            x = HALF * (first + second)
        else:
            x = wp.min(first, second)
    return x


@taped
def contact_rows(
    cpair_geom: wp.array2d(dtype=int),
    cpair_dim: wp.array(dtype=int),
    cpair_params: wp.array(dtype=int),
    cpair_explicit: wp.array(dtype=int),
    cpair_chain: wp.array(dtype=int),
    chain_dof: wp.array(dtype=int),
    chain_dof_adr: wp.array(dtype=int),
    chain_sign: wp.array(dtype=int),
    dof_bodyid: wp.array(dtype=int),
    cpair_margin: wp.array(dtype=real),
    cpair_mix: wp.array(dtype=real),
    cpair_invweight: wp.array2d(dtype=real),
    timestep: real,
    refsafe: int,
    elliptic: int,
    impratio: real,
    geom_friction: wp.array3d(dtype=real),
    geom_solref: wp.array3d(dtype=real),
    geom_solimp: wp.array3d(dtype=real),
    pair_friction: wp.array3d(dtype=real),
    pair_solref: wp.array3d(dtype=real),
    pair_solreffriction: wp.array3d(dtype=real),
    pair_solimp: wp.array3d(dtype=real),
    xref: wp.array2d(dtype=vec3),
    cdof: wp.array2d(dtype=vec6),
    qvel: wp.array2d(dtype=real),
    ncon: wp.array2d(dtype=int),
    con_pair: wp.array2d(dtype=int),
    con_dist: wp.array2d(dtype=real),
    con_pos: wp.array2d(dtype=vec3),
    con_frame: wp.array2d(dtype=mat33),
    con_J: wp.array4d(dtype=real),
    con_friction: wp.array3d(dtype=real),
    con_solref: wp.array3d(dtype=real),
    con_solimp: wp.array3d(dtype=real),
    con_vel: wp.array3d(dtype=real),
    con_aref: wp.array3d(dtype=real),
    con_D: wp.array3d(dtype=real),
    con_active: wp.array2d(dtype=int),
):
    """Jacobian, reference acceleration and D of each contact in its frame (MuJoCo: mj_instantiateContact,
    mj_makeImpedance).

    Columns of ``con_J`` are the dofs of the pair's chain: those that move one of the two links and not the other.
    """
    w = wp.tid()
    n_solref = int(2)  # variables: the loops stay loops
    n_solimp = int(5)
    for c in range(ncon[w, 1]):
        p = con_pair[w, c]
        dim = cpair_dim[p]
        margin = cpair_margin[p]
        con_active[w, c] = 0
        if con_dist[w, c] < margin:
            con_active[w, c] = 1
            start = chain_dof_adr[cpair_chain[p]]
            end = chain_dof_adr[cpair_chain[p] + 1]
            for e in range(start, end):
                i = chain_dof[e]
                turn = rotation(cdof[w, i])
                move = translation(cdof[w, i]) + wp.cross(turn, con_pos[w, c] - xref[w, dof_bodyid[i]])
                linear = con_frame[w, c] * move * real(chain_sign[e])
                angular = con_frame[w, c] * turn * real(chain_sign[e])
                for r in range(wp.min(dim, 3)):
                    con_J[w, c, r, e - start] = linear[r]
                for r in range(3, dim):
                    con_J[w, c, r, e - start] = angular[r - 3]

            # parameters
            mode = cpair_params[p]
            g = cpair_geom[p, 0]
            h = cpair_geom[p, 1]
            weight = cpair_mix[p]
            if mode == PARAMS_PAIR:
                x = cpair_explicit[p]
                for k in range(n_solimp):
                    con_friction[w, c, k] = wp.max(MIN_MU, pair_friction[w, x, k])
                    con_solimp[w, c, k] = pair_solimp[w, x, k]
                for k in range(n_solref):
                    con_solref[w, c, k] = pair_solref[w, x, k]
            else:
                slide = wp.max(MIN_MU, larger(mode, geom_friction[w, g, 0], geom_friction[w, h, 0]))
                spin = wp.max(MIN_MU, larger(mode, geom_friction[w, g, 1], geom_friction[w, h, 1]))
                roll = wp.max(MIN_MU, larger(mode, geom_friction[w, g, 2], geom_friction[w, h, 2]))
                con_friction[w, c, 0] = slide
                con_friction[w, c, 1] = slide
                con_friction[w, c, 2] = spin
                con_friction[w, c, 3] = roll
                con_friction[w, c, 4] = roll
                for k in range(n_solimp):
                    con_solimp[w, c, k] = mixed(mode, weight, geom_solimp[w, g, k], geom_solimp[w, h, k])
                for k in range(n_solref):
                    con_solref[w, c, k] = mixed_solref(
                        mode,
                        weight,
                        geom_solref[w, g, 0],
                        geom_solref[w, h, 0],
                        geom_solref[w, g, k],
                        geom_solref[w, h, k],
                    )

            violation = con_dist[w, c] - margin
            solref0 = con_solref[w, c, 0]
            solref1 = con_solref[w, c, 1]
            solimp1 = con_solimp[w, c, 1]
            imp = impedance(
                con_solimp[w, c, 0], solimp1, con_solimp[w, c, 2], con_solimp[w, c, 3], con_solimp[w, c, 4], violation
            )
            stiffness = reference_stiffness(solref0, solref1, solimp1, timestep, refsafe)
            damping = reference_damping(solref0, solref1, solimp1, timestep, refsafe)
            friction_damping = damping
            if mode == PARAMS_PAIR and elliptic == 1:
                x = cpair_explicit[p]
                if pair_solreffriction[w, x, 0] != real(0.0) or pair_solreffriction[w, x, 1] != real(0.0):
                    friction_damping = reference_damping(
                        pair_solreffriction[w, x, 0], pair_solreffriction[w, x, 1], solimp1, timestep, refsafe
                    )
            # A sum over a loop has no value in the adjoint: where the value counts, it is read back from memory.
            for r in range(dim):
                vel = real(0.0)
                for e in range(start, end):
                    vel = vel + con_J[w, c, r, e - start] * qvel[w, chain_dof[e]]
                con_vel[w, c, r] = vel
            con_aref[w, c, 0] = -damping * con_vel[w, c, 0] - stiffness * imp * violation
            for r in range(1, dim):
                con_aref[w, c, r] = -friction_damping * con_vel[w, c, r]

            friction0 = con_friction[w, c, 0]
            diagonal = cpair_invweight[p, 0]
            if dim > 1 and elliptic == 0:
                diagonal = diagonal * (real(1.0) + friction0 * friction0)
            D0 = real(1.0) / regularisation(imp, diagonal)
            softness = friction0 * friction0 / impratio
            if softness < LEAST_SOFTNESS:
                softness = LEAST_SOFTNESS
            if dim == 1:
                con_D[w, c, 0] = D0
            elif elliptic == 0:
                for r in range(dim):
                    con_D[w, c, r] = D0 * HALF / softness
            else:
                con_D[w, c, 0] = D0
                for r in range(1, dim):
                    ratio = con_friction[w, c, r - 1] / friction0
                    con_D[w, c, r] = D0 * impratio * ratio * ratio


@wp.func
def safe_sqrt(x: real) -> real:
    """Square root whose derivative at zero is zero."""
    y = real(0.0)
    if x > real(0.0):
        y = wp.sqrt(x)
    return y


@wp.func
def within(x: real, bound: real) -> real:
    """``x`` clipped to plus or minus ``bound``."""
    y = x
    if x > bound:
        y = bound
    if x < -bound:
        y = -bound
    return y


# -- forces -----------------------------------------------------------------------------------------------------------


@taped
def constraint_force(
    jnt_type: wp.array(dtype=int),
    jnt_dofadr: wp.array(dtype=int),
    cpair_dim: wp.array(dtype=int),
    cpair_chain: wp.array(dtype=int),
    chain_dof: wp.array(dtype=int),
    chain_dof_adr: wp.array(dtype=int),
    elliptic: int,
    impratio: real,
    dof_frictionloss: wp.array2d(dtype=real),
    qacc_constrained: wp.array2d(dtype=real),
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
    con_y: wp.array3d(dtype=real),
    con_tangent2: wp.array2d(dtype=real),
    con_force: wp.array3d(dtype=real),
    lim_force: wp.array2d(dtype=real),
    floss_force: wp.array2d(dtype=real),
    qfrc_constraint: wp.array2d(dtype=real),
):
    """Force of each constraint at the solution, and their sum in joint space (MuJoCo: mj_constraintUpdate)."""
    w = wp.tid()
    sides = int(2)  # a variable: the loop stays a loop
    for i in range(floss_force.shape[1]):
        loss = real(0.0)
        if floss_active[w, i] == 1:
            loss = within(-floss_D[w, i] * (qacc_constrained[w, i] - floss_aref[w, i]), dof_frictionloss[w, i])
        floss_force[w, i] = loss
        qfrc_constraint[w, i] = loss
    for j in range(jnt_type.shape[0]):
        d = jnt_dofadr[j]
        for s in range(sides):
            slot = 2 * j + s
            push = real(0.0)
            if lim_active[w, slot] == 1:
                if jnt_type[j] == BALL:
                    axis = lim_axis[w, j]
                    turn = (
                        axis[0] * qacc_constrained[w, d]
                        + axis[1] * qacc_constrained[w, d + 1]
                        + axis[2] * qacc_constrained[w, d + 2]
                        - lim_aref[w, slot]
                    )
                    if turn < real(0.0):
                        push = -lim_D[w, slot] * turn
                        for k in range(3):
                            qfrc_constraint[w, d + k] += axis[k] * push
                else:
                    sign = real(1 - 2 * s)
                    slide = sign * qacc_constrained[w, d] - lim_aref[w, slot]
                    if slide < real(0.0):
                        push = -lim_D[w, slot] * slide
                        qfrc_constraint[w, d] += sign * push
            lim_force[w, slot] = push
    for c in range(ncon[w, 1]):
        dim = cpair_dim[con_pair[w, c]]
        for r in range(con_force.shape[2]):
            con_force[w, c, r] = real(0.0)
        if con_active[w, c] == 1:
            start = chain_dof_adr[cpair_chain[con_pair[w, c]]]
            end = chain_dof_adr[cpair_chain[con_pair[w, c]] + 1]
            for r in range(dim):
                y = -con_aref[w, c, r]
                for e in range(start, end):
                    y = y + con_J[w, c, r, e - start] * qacc_constrained[w, chain_dof[e]]
                con_y[w, c, r] = y
            if dim == 1:
                if con_y[w, c, 0] < real(0.0):
                    con_force[w, c, 0] += -con_D[w, c, 0] * con_y[w, c, 0]
            elif elliptic == 0:
                for r in range(1, dim):
                    mu = con_friction[w, c, r - 1]
                    plus = con_y[w, c, 0] + mu * con_y[w, c, r]
                    minus = con_y[w, c, 0] - mu * con_y[w, c, r]
                    if plus < real(0.0):
                        con_force[w, c, 0] += -con_D[w, c, 0] * plus
                        con_force[w, c, r] += -con_D[w, c, 0] * plus * mu
                    if minus < real(0.0):
                        con_force[w, c, 0] += -con_D[w, c, 0] * minus
                        con_force[w, c, r] += con_D[w, c, 0] * minus * mu
            else:
                mu_cone = con_friction[w, c, 0] / wp.sqrt(impratio)
                normal = mu_cone * con_y[w, c, 0]
                tangent2 = real(0.0)
                for r in range(1, dim):
                    scaled = con_friction[w, c, r - 1] * con_y[w, c, r]
                    tangent2 = tangent2 + scaled * scaled
                con_tangent2[w, c] = tangent2
                tangent = safe_sqrt(con_tangent2[w, c])
                if normal < mu_cone * tangent and mu_cone * normal + tangent > real(0.0):
                    mu2 = mu_cone * mu_cone
                    scale = con_D[w, c, 0] / (mu2 * (real(1.0) + mu2)) * (normal - mu_cone * tangent) * mu_cone
                    con_force[w, c, 0] += -scale
                    for r in range(1, dim):
                        mu_r = con_friction[w, c, r - 1]
                        con_force[w, c, r] += scale * mu_r * mu_r * con_y[w, c, r] / tangent
                elif normal < mu_cone * tangent:
                    for r in range(dim):
                        con_force[w, c, r] += -con_D[w, c, r] * con_y[w, c, r]
            for r in range(dim):
                for e in range(start, end):
                    qfrc_constraint[w, chain_dof[e]] += con_J[w, c, r, e - start] * con_force[w, c, r]


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
