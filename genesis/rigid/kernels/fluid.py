"""A fluid around the bodies: what it does to a body as a box, and how all of its forces reach the joints.

A body feels the fluid as the box of uniform density that has its mass and principal moments, in its principal axes at
its centre of mass (MuJoCo: mj_inertiaBoxFluidModel). With v its velocity there against the fluid, w its rotation, sides
b and diameter d = (b1 + b2 + b3) / 3, density rho and viscosity mu, along each axis i:

    force_i  = -3 pi d mu v_i - rho / 2 b_j b_k |v_i| v_i
    torque_i = -pi d^3 mu w_i - rho / 64 b_i (b_j^4 + b_k^4) |w_i| w_i

Shapes that feel it as ellipsoids have a file of their own, `genesis.rigid.kernels.fluid_ellipsoid`. Both write, for
each of what the fluid acts on, a wrench and, for implicitfast and implicit, its derivative by the velocity; the rest is
common.
"""

import math

import warp as wp

from genesis.math.spatial import INV_3, quat_normalize, quat_to_mat, rotation, spatial, symmetric, translation
from genesis.rigid.kernels.groups import Fluid
from genesis.types import mat33, real, taped, untaped, vec3, vec4, vec6

PI = wp.constant(real(math.pi))
MIN_VALUE = wp.constant(real(1e-15))  # MuJoCo's mjMINVAL
SIX = wp.constant(real(6.0))
INV_64 = wp.constant(real(1.0 / 64.0))

# Of the sum of the moments: an inertia whose products are smaller has the principal axes that are at hand, so that
# rounding turns none between axes of equal moments.
_ROUNDING = 1e-13 if real is wp.float64 else 1e-6
PRODUCT_ROUNDING = wp.constant(real(_ROUNDING))
# Moments that differ by less do not define their axes: these are held constant in the adjoint.
EQUAL_MOMENTS = wp.constant(real(1e3 * _ROUNDING))


@wp.func
def local_velocity(cvel: vec6, arm: vec3, rot: mat33, wind: vec3) -> vec6:
    """Velocity against the fluid, in axes that ``rot`` takes to the world's, at ``arm`` from the reference point."""
    omega = rotation(cvel)
    linear = translation(cvel) + wp.cross(omega, arm) - wind
    return spatial(wp.transpose(rot) * omega, wp.transpose(rot) * linear)


@wp.func
def wrench_at(local: vec6, arm: vec3, rot: mat33) -> vec6:
    """A local torque and force at ``arm``, as one about the reference point, in world axes."""
    force = rot * translation(local)
    return spatial(rot * rotation(local) + wp.cross(arm, force), force)


@wp.func
def in_world(local: mat33, rot: mat33) -> mat33:
    return rot * local * wp.transpose(rot)


# -- a body as a box --------------------------------------------------------------------------------------------------


@wp.func
def column_of(m: mat33, k: int) -> vec3:
    return vec3(m[0, k], m[1, k], m[2, k])


@taped
def box_inertias(
    fluid_box_body: wp.array(dtype=int),
    body_inertia: wp.array2d(dtype=vec6),
    fluid_box_inertia: wp.array2d(dtype=vec6),
):
    """A copy, whose gradient there always is: that of a parameter has a place only where somebody asks for it."""
    w = wp.tid()
    for e in range(fluid_box_body.shape[0]):
        fluid_box_inertia[w, e] = body_inertia[w, fluid_box_body[e]]


@untaped
def principal_axes(
    fluid_box_quat: wp.array2d(dtype=real),
    fluid_box_inertia: wp.array2d(dtype=vec6),
    fluid_box_moments: wp.array2d(dtype=vec3),
    fluid_box_axes: wp.array2d(dtype=mat33),
):
    """Principal moments [kg m^2] and axes (columns, link's frame), by Jacobi rotations that begin with the file's.

    An inertia that is diagonal in the file's axes keeps them, whatever its moments: between equal ones the box is
    turned as in the file.
    """
    w = wp.tid()
    for e in range(fluid_box_quat.shape[0]):
        axes = quat_to_mat(
            quat_normalize(vec4(fluid_box_quat[e, 0], fluid_box_quat[e, 1], fluid_box_quat[e, 2], fluid_box_quat[e, 3]))
        )
        full = symmetric(fluid_box_inertia[w, e])
        least = PRODUCT_ROUNDING * (full[0, 0] + full[1, 1] + full[2, 2])
        sweeps = int(10)  # cyclic Jacobi converges quadratically: five are enough
        for _ in range(sweeps):
            for k in range(3):
                p = k
                q = (k + 1) % 3
                a = wp.transpose(axes) * full * axes
                if wp.abs(a[p, q]) > least:
                    angle = real(0.5) * wp.atan2(real(2.0) * a[p, q], a[q, q] - a[p, p])
                    # the smaller of the two turns that do it, so that axes keep their place
                    if angle > real(0.25) * PI:
                        angle = angle - real(0.5) * PI
                    elif angle < real(-0.25) * PI:
                        angle = angle + real(0.5) * PI
                    c = wp.cos(angle)
                    s = wp.sin(angle)
                    first = column_of(axes, p)
                    second = column_of(axes, q)
                    turned_first = c * first - s * second
                    turned_second = s * first + c * second
                    for r in range(3):
                        axes[r, p] = turned_first[r]
                        axes[r, q] = turned_second[r]
        a = wp.transpose(axes) * full * axes
        fluid_box_moments[w, e] = vec3(a[0, 0], a[1, 1], a[2, 2])
        fluid_box_axes[w, e] = axes


# With moments m_k and axes v_k of A:  dm_k = v_k' dA v_k,  dv_k = sum over j of v_j (v_j' dA v_k) / (m_k - m_j), hence
# dL/dA = sum over k of (dL/dm_k) v_k v_k' + sum over j != k of (v_j . dL/dv_k) / (m_k - m_j) v_j v_k'.


@untaped
def principal_axes_adjoint(
    fluid_box_quat: wp.array2d(dtype=real),
    fluid_box_moments: wp.array2d(dtype=vec3),
    fluid_box_axes: wp.array2d(dtype=mat33),
    adj_fluid_box_moments: wp.array2d(dtype=vec3),
    adj_fluid_box_axes: wp.array2d(dtype=mat33),
    adj_fluid_box_inertia: wp.array2d(dtype=vec6),
):
    w = wp.tid()
    for e in range(fluid_box_quat.shape[0]):
        axes = fluid_box_axes[w, e]
        moments = fluid_box_moments[w, e]
        turns = wp.transpose(axes) * adj_fluid_box_axes[w, e]  # [j, k]: v_j . dL/dv_k
        least = EQUAL_MOMENTS * (moments[0] + moments[1] + moments[2])
        within = mat33()
        for k in range(3):
            within[k, k] = adj_fluid_box_moments[w, e][k]
            for j in range(3):
                apart = moments[k] - moments[j]
                if j != k and wp.abs(apart) > least:
                    within[j, k] = turns[j, k] / apart
        full = axes * within * wp.transpose(axes)
        adj_fluid_box_inertia[w, e] = adj_fluid_box_inertia[w, e] + vec6(
            full[0, 0],
            full[1, 1],
            full[2, 2],
            full[0, 1] + full[1, 0],
            full[0, 2] + full[2, 0],
            full[1, 2] + full[2, 1],
        )


@wp.func
def sides_of(moments: vec3, mass: real) -> vec3:
    """Sides [m] of the box of this mass and these moments. The clip [kg m^2] is MuJoCo 4.0's: it decides for mites."""
    scale = SIX / mass
    return vec3(
        wp.sqrt(wp.max(MIN_VALUE, moments[1] + moments[2] - moments[0]) * scale),
        wp.sqrt(wp.max(MIN_VALUE, moments[0] + moments[2] - moments[1]) * scale),
        wp.sqrt(wp.max(MIN_VALUE, moments[0] + moments[1] - moments[2]) * scale),
    )


@wp.func
def pow4(x: real) -> real:
    return (x * x) * (x * x)


@wp.func
def linear_drag(sides: vec3, viscosity: real) -> vec6:
    """Of torque and force, per velocity."""
    diameter = (sides[0] + sides[1] + sides[2]) * INV_3
    turning = PI * diameter * diameter * diameter * viscosity
    moving = real(3.0) * PI * diameter * viscosity
    return vec6(turning, turning, turning, moving, moving, moving)


@wp.func
def quadratic_drag(b: vec3, density: real) -> vec6:
    """Of torque and force, per velocity times its size."""
    half = real(0.5) * density
    turning = density * INV_64
    return vec6(
        turning * b[0] * (pow4(b[1]) + pow4(b[2])),
        turning * b[1] * (pow4(b[0]) + pow4(b[2])),
        turning * b[2] * (pow4(b[0]) + pow4(b[1])),
        half * b[1] * b[2],
        half * b[0] * b[2],
        half * b[0] * b[1],
    )


@taped
def box_wrenches(
    fluid_box_body: wp.array(dtype=int),
    fluid: Fluid,
    body_mass: wp.array2d(dtype=real),
    fluid_box_moments: wp.array2d(dtype=vec3),
    fluid_box_axes: wp.array2d(dtype=mat33),
    xquat: wp.array2d(dtype=vec4),
    xipos: wp.array2d(dtype=vec3),
    xref: wp.array2d(dtype=vec3),
    cvel: wp.array2d(dtype=vec6),
    fluid_xpos: wp.array2d(dtype=vec3),
    fluid_wrench: wp.array2d(dtype=vec6),
):
    """What the fluid does to each box, about the reference point, and where the box is."""
    w = wp.tid()
    for e in range(fluid_box_body.shape[0]):
        b = fluid_box_body[e]
        mass = body_mass[w, b]
        fluid_xpos[w, e] = xipos[w, b]
        if mass < MIN_VALUE:
            fluid_wrench[w, e] = vec6()
        else:
            rot = quat_to_mat(xquat[w, b]) * fluid_box_axes[w, e]
            arm = xipos[w, b] - xref[w, b]
            v = local_velocity(cvel[w, b], arm, rot, fluid.wind[w, 0])
            sides = sides_of(fluid_box_moments[w, e], mass)
            slow = linear_drag(sides, fluid.viscosity[w, 0])
            fast = quadratic_drag(sides, fluid.density[w, 0])
            drag = wp.cw_mul(slow + wp.cw_mul(fast, wp.abs(v)), v)
            fluid_wrench[w, e] = wrench_at(-drag, arm, rot)


@taped
def box_slopes(
    fluid_box_body: wp.array(dtype=int),
    fluid: Fluid,
    body_mass: wp.array2d(dtype=real),
    fluid_box_moments: wp.array2d(dtype=vec3),
    fluid_box_axes: wp.array2d(dtype=mat33),
    xquat: wp.array2d(dtype=vec4),
    xipos: wp.array2d(dtype=vec3),
    xref: wp.array2d(dtype=vec3),
    cvel: wp.array2d(dtype=vec6),
    fluid_slope: wp.array3d(dtype=mat33),
):
    """Derivative of the wrench of each box by its velocity, at its centre of mass (MuJoCo: mjd_inertiaBoxFluid).

    ``fluid_slope``: of torque by rotation, torque by translation, force by rotation, force by translation; world axes.
    """
    w = wp.tid()
    for e in range(fluid_box_body.shape[0]):
        b = fluid_box_body[e]
        mass = body_mass[w, b]
        fluid_slope[w, e, 1] = mat33()
        fluid_slope[w, e, 2] = mat33()
        if mass < MIN_VALUE:
            fluid_slope[w, e, 0] = mat33()
            fluid_slope[w, e, 3] = mat33()
        else:
            rot = quat_to_mat(xquat[w, b]) * fluid_box_axes[w, e]
            v = local_velocity(cvel[w, b], xipos[w, b] - xref[w, b], rot, fluid.wind[w, 0])
            sides = sides_of(fluid_box_moments[w, e], mass)
            slow = linear_drag(sides, fluid.viscosity[w, 0])
            fast = real(2.0) * quadratic_drag(sides, fluid.density[w, 0])
            slope = -(slow + wp.cw_mul(fast, wp.abs(v)))
            fluid_slope[w, e, 0] = in_world(wp.diag(rotation(slope)), rot)
            fluid_slope[w, e, 3] = in_world(wp.diag(translation(slope)), rot)


# -- from bodies to joints --------------------------------------------------------------------------------------------


@taped
def fluid_forces(
    fluid_body: wp.array(dtype=int),
    body_parentid: wp.array(dtype=int),
    dof_bodyid: wp.array(dtype=int),
    cdof: wp.array2d(dtype=vec6),
    fluid_wrench: wp.array2d(dtype=vec6),
    cfrc_fluid: wp.array2d(dtype=vec6),
    qfrc_fluid: wp.array2d(dtype=real),
    qfrc_passive: wp.array2d(dtype=real),
):
    """qfrc_fluid = sum of J' wrench, which is part of qfrc_passive."""
    w = wp.tid()
    nbody = body_parentid.shape[0]
    for b in range(nbody):
        cfrc_fluid[w, b] = vec6()
    for e in range(fluid_body.shape[0]):
        cfrc_fluid[w, fluid_body[e]] += fluid_wrench[w, e]
    for k in range(1, nbody):
        b = nbody - k
        p = body_parentid[b]
        if p > 0:
            cfrc_fluid[w, p] += cfrc_fluid[w, b]
    for i in range(dof_bodyid.shape[0]):
        qfrc_fluid[w, i] = wp.dot(cdof[w, i], cfrc_fluid[w, dof_bodyid[i]])
        qfrc_passive[w, i] += wp.dot(cdof[w, i], cfrc_fluid[w, dof_bodyid[i]])


@taped
def fluid_implicit_damping(
    fluid_body: wp.array(dtype=int),
    body_parentid: wp.array(dtype=int),
    dof_bodyid: wp.array(dtype=int),
    M_colind: wp.array(dtype=int),
    M_colind_adr: wp.array(dtype=int),
    M_implicit: wp.array(dtype=int),
    timestep: real,
    force_implicit: int,
    cdof: wp.array2d(dtype=vec6),
    xref: wp.array2d(dtype=vec3),
    fluid_xpos: wp.array2d(dtype=vec3),
    fluid_slope: wp.array3d(dtype=mat33),
    cfluid_slope: wp.array3d(dtype=mat33),
    qH: wp.array2d(dtype=real),
):
    """H -= h J' B J, with B the symmetric part of each slope, for implicitfast and implicit (MuJoCo: mjd_passive_vel).

    As the composite rigid body algorithm sums inertias: ``cfluid_slope`` is the slope of what moves with a body, about
    the reference point: of torque by rotation, torque by translation, and force by translation. With a the arm,
    a linear velocity there is t - a x r, and a force f there has the torque a x f. ``M_implicit``: 1 for the entries
    of M that velocity derivatives are added to.
    """
    w = wp.tid()
    nbody = body_parentid.shape[0]
    half = real(0.5)
    blocks = int(3)  # a variable: the loop stays a loop
    for b in range(nbody):
        for k in range(blocks):
            cfluid_slope[w, b, k] = mat33()
    for e in range(fluid_body.shape[0]):
        b = fluid_body[e]
        arm = wp.skew(fluid_xpos[w, e] - xref[w, b])
        turn = half * (fluid_slope[w, e, 0] + wp.transpose(fluid_slope[w, e, 0]))
        both = half * (fluid_slope[w, e, 1] + wp.transpose(fluid_slope[w, e, 2]))
        move = half * (fluid_slope[w, e, 3] + wp.transpose(fluid_slope[w, e, 3]))
        cfluid_slope[w, b, 0] += turn - both * arm + arm * wp.transpose(both) - arm * move * arm
        cfluid_slope[w, b, 1] += both + arm * move
        cfluid_slope[w, b, 2] += move
    for n in range(1, nbody):
        b = nbody - n
        p = body_parentid[b]
        if p > 0:
            for k in range(blocks):
                cfluid_slope[w, p, k] += cfluid_slope[w, b, k]
    for i in range(dof_bodyid.shape[0]):
        b = dof_bodyid[i]
        r = rotation(cdof[w, i])
        t = translation(cdof[w, i])
        torque = cfluid_slope[w, b, 0] * r + cfluid_slope[w, b, 1] * t
        force = wp.transpose(cfluid_slope[w, b, 1]) * r + cfluid_slope[w, b, 2] * t
        for e in range(M_colind_adr[i], M_colind_adr[i + 1]):
            if force_implicit == 1 and M_implicit[e] == 1:
                qH[w, e] += -timestep * wp.dot(cdof[w, M_colind[e]], spatial(torque, force))
