"""A fluid around shapes that feel it as ellipsoids (MuJoCo: mj_ellipsoidFluidModel).

With semi-axes s, velocity v against the fluid and rotation w in the shape's axes, density rho and viscosity mu, and the
shape's coefficients, the wrench is the sum of

    added mass     with p = rho m v, l = rho j w (virtual masses m, inertias j):  force p x w,  torque p x v + l x w
    Magnus lift    force  magnus rho V (w x v),  V the volume
    Kutta lift     force  kutta rho cos(a) A (n x v) x v,  n normal to the area A that v sees, a its angle with v
    drag           force  -(3 pi D mu + rho |v| (blunt A + slender (A_max - A))) v
                   torque -(pi D^3 mu + rho |(angular I + slender (I_max - I)) w|) w

with D the diameter of a sphere like it and I moments of the volume that its spin sweeps.

Everything is written in ratios of the semi-axes and the direction of v, so that nothing has the unit m^8 and neither
mites nor whales leave the range of 32 bits. With u = v / |v|, q = (s_min / s)^2 and n = q u (along each axis), the area
is A = A_max |n| / sqrt(n . u) and Kutta's lift kutta rho A_max |v|^2 sqrt(n . u) / |n| (n x u) x u. As in MuJoCo 4.0 a
speed below mjMINVAL has no direction: there A is zero.
"""

import math
from functools import partial

import warp as wp

from genesis.math.spatial import length, quat_mul, quat_rotate, quat_to_mat, rotation, spatial, translation
from genesis.model import fluid as model
from genesis.rigid.kernels.fluid import MIN_VALUE, PI, in_world, local_velocity, pow4, wrench_at
from genesis.rigid.kernels.groups import Fluid, FluidShapes
from genesis.types import mat33, real, taped, vec2, vec3, vec4, vec6

SPHERE = wp.constant(model.AXES_OF_SPHERE)
CAPSULE = wp.constant(model.AXES_OF_CAPSULE)
CYLINDER = wp.constant(model.AXES_OF_CYLINDER)
TWO_THIRDS = wp.constant(real(2.0 / 3.0))
BALL_VOLUME = wp.constant(real(4.0 / 3.0 * math.pi))
SWEPT_MOMENT = wp.constant(real(8.0 / 15.0 * math.pi))


@wp.func(inline=False)
def semi_axes(kind: int, size: vec3) -> vec3:
    """Semi-axes [m] of the ellipsoid that stands for a shape (MuJoCo: mju_geomSemiAxes)."""
    if kind == SPHERE:
        return vec3(size[0], size[0], size[0])
    if kind == CAPSULE:
        return vec3(size[0], size[0], size[1] + size[0])
    if kind == CYLINDER:
        return vec3(size[0], size[0], size[1])
    return size


@wp.func(inline=False)
def longest_first(s: vec3) -> vec3:
    """The semi-axes by size. Equal ones change places as a whole, so that each has one slope."""
    long = wp.where(s[0] > s[1], s[0], s[1])
    short = wp.where(s[0] > s[1], s[1], s[0])
    rest = wp.where(long > s[2], s[2], long)
    return vec3(
        wp.where(long > s[2], long, s[2]),
        wp.where(rest > short, rest, short),
        wp.where(rest > short, short, rest),
    )


@wp.func
def swept_unit(most: real) -> real:
    """[m^5] of the moments of `drag_moments`, ``most`` the longest semi-axis."""
    return SWEPT_MOMENT * most * pow4(most)


@wp.func(inline=False)
def drag_moments(s: vec3, drag: vec3) -> vec3:
    """Of the torque against rotation, per axis, in `swept_unit`; ``drag``: blunt, slender and angular coefficient."""
    sizes = longest_first(s)
    r = s / sizes[0]
    most = sizes[1] / sizes[0]
    swept = vec3(
        r[0] * pow4(wp.max(r[1], r[2])),
        r[1] * pow4(wp.max(r[2], r[0])),
        r[2] * pow4(wp.max(r[0], r[1])),
    )
    return drag[2] * swept + drag[1] * (vec3(most, most, most) - swept)


@wp.func(inline=False)
def thinness(s: vec3, least: real) -> vec3:
    """(least / s)^2: products of two semi-axes, squared, over the largest of them."""
    r = vec3(least / s[0], least / s[1], least / s[2])
    return wp.cw_mul(r, r)


@wp.func
def faced_share(along: real, across: real) -> real:
    """Of the largest area, what a direction u sees; ``along``: n . u, ``across``: n . n."""
    return wp.sqrt(across / along)


@wp.func
def unfaced_share(q: vec3, u: vec3, along: real, share: real) -> real:
    """1 - `faced_share`, which is not the difference of two numbers close to each other: with n = q u along each axis,
    n . u - n . n is a sum of what is positive."""
    rest = wp.cw_mul(q, vec3(real(1.0), real(1.0), real(1.0)) - q)
    return wp.dot(rest, wp.cw_mul(u, u)) / (along * (real(1.0) + share))


@wp.func(inline=False)
def quadratic_force(moving: vec3, s: vec3, density: real, drag: vec3, kutta: real) -> vec3:
    """Drag that grows with the square of the speed, and Kutta's lift (MuJoCo: mj_viscousForces)."""
    speed = length(moving)
    sizes = longest_first(s)
    most_area = PI * sizes[0] * sizes[1]
    if speed < MIN_VALUE:
        return (-density * speed * drag[1] * most_area) * moving
    u = moving / speed
    q = thinness(s, sizes[2])
    n = wp.cw_mul(q, u)
    along = wp.dot(n, u)
    share = faced_share(along, wp.dot(n, n))
    resistance = drag[0] * share + drag[1] * unfaced_share(q, u, along, share)
    lift = wp.cross(wp.cross(n, u), u) * (kutta / share)
    return (density * most_area * speed * speed) * (lift - resistance * u)


@wp.func(inline=False)
def ellipsoid_wrench(
    v: vec6, s: vec3, density: real, viscosity: real, drag: vec3, lift: vec2, mass: vec3, inertia: vec3
) -> vec6:
    """Torque and force in the shape's axes. ``lift``: Kutta's and Magnus's coefficient; ``mass``, ``inertia``: virtual.

    (MuJoCo: mj_addedMassForces, mj_viscousForces.)
    """
    turning = rotation(v)
    moving = translation(v)
    momentum = density * wp.cw_mul(mass, moving)
    spin = density * wp.cw_mul(inertia, turning)
    torque = wp.cross(momentum, moving) + wp.cross(spin, turning)
    force = wp.cross(momentum, turning)

    force = force + lift[1] * density * BALL_VOLUME * s[0] * s[1] * s[2] * wp.cross(turning, moving)
    force = force + quadratic_force(moving, s, density, drag, lift[0])

    diameter = TWO_THIRDS * (s[0] + s[1] + s[2])
    force = force - (viscosity * real(3.0) * PI * diameter) * moving
    fast_turning = density * swept_unit(longest_first(s)[0]) * length(wp.cw_mul(drag_moments(s, drag), turning))
    torque = torque - (viscosity * PI * diameter * diameter * diameter + fast_turning) * turning
    return spatial(torque, force)


# The derivative by the velocity: that of the force, but for the torque's drag. Its norm of moments times rotation, of
# the unit m^5 / s, MuJoCo 4.0 clips at mjMINVAL: a shape of a millimetre that turns slowly is damped by more than this.


@wp.func
def diagonal(x: real) -> mat33:
    return wp.diag(vec3(x, x, x))


@wp.func(inline=False)
def torque_drag_slope(turning: vec3, s: vec3, density: real, viscosity: real, drag: vec3) -> mat33:
    """Of the drag's torque by the rotation (MuJoCo: mjd_viscous_torque)."""
    moments = drag_moments(s, drag)
    swept = wp.cw_mul(moments, turning)
    unit = swept_unit(longest_first(s)[0])
    # of 1 / |swept|, what the clip leaves
    clipped = unit / wp.max(MIN_VALUE, unit * length(swept))
    row = (-density * unit * clipped) * wp.cw_mul(moments, swept)
    diameter = TWO_THIRDS * (s[0] + s[1] + s[2])
    slow = viscosity * PI * diameter * diameter * diameter
    return diagonal(wp.dot(turning, row) - slow) + wp.outer(turning, row)


@wp.func(inline=False)
def drag_slope(moving: vec3, s: vec3, density: real, viscosity: real, drag: vec3) -> mat33:
    """Of the drag's force by the velocity (MuJoCo: mjd_viscous_drag)."""
    diameter = TWO_THIRDS * (s[0] + s[1] + s[2])
    slow = diagonal(-viscosity * real(3.0) * PI * diameter)
    speed = length(moving)
    if speed < MIN_VALUE:
        return slow
    sizes = longest_first(s)
    u = moving / speed
    q = thinness(s, sizes[2])
    n = wp.cw_mul(q, u)
    along = wp.dot(n, u)
    across = wp.dot(n, n)
    share = faced_share(along, across)
    resistance = drag[0] * share + drag[1] * unfaced_share(q, u, along, share)
    # d share = sum over i of q_i u_i (sum over j of q_j u_j^2 (q_i - q_j)) / (along^3 across)^(1/2) du_i
    part = wp.cw_mul(n, u)
    turned = vec3(
        part[1] * (q[0] - q[1]) + part[2] * (q[0] - q[2]),
        part[0] * (q[1] - q[0]) + part[2] * (q[1] - q[2]),
        part[0] * (q[2] - q[0]) + part[1] * (q[2] - q[1]),
    )
    by_share = (drag[0] - drag[1]) / (wp.sqrt(along) * wp.sqrt(across))
    share_slope = wp.cw_mul(n / along, by_share * turned)
    quadratic = resistance * (wp.outer(u, u) + diagonal(real(1.0))) + wp.outer(u, share_slope)
    return slow - (density * PI * sizes[0] * sizes[1] * speed) * quadratic


@wp.func(inline=False)
def kutta_slope(moving: vec3, s: vec3, density: real, kutta: real) -> mat33:
    """Of Kutta's lift by the velocity (MuJoCo: mjd_kutta_lift)."""
    speed = length(moving)
    if speed < MIN_VALUE:
        return mat33()
    sizes = longest_first(s)
    u = moving / speed
    q = thinness(s, sizes[2])
    n = wp.cw_mul(q, u)
    along = wp.dot(n, u)
    across = wp.dot(n, n)
    squares = wp.cw_mul(u, u)
    sideways = vec3(
        squares[1] * (q[0] - q[1]) + squares[2] * (q[0] - q[2]),
        squares[0] * (q[1] - q[0]) + squares[2] * (q[1] - q[2]),
        squares[0] * (q[2] - q[0]) + squares[1] * (q[2] - q[1]),
    )
    inner = along / across * wp.cw_mul(q, q) - q + vec3(along, along, along)
    turned = real(2.0) * along * (wp.outer(u, n) - wp.outer(n, u))
    stretched = wp.outer(wp.cw_mul(sideways, u), wp.cw_mul(inner, u))
    scale = kutta * density * PI * sizes[0] * sizes[1] * speed / (wp.sqrt(along) * wp.sqrt(across))
    return scale * (turned + stretched - along * wp.diag(sideways))


@taped
def ellipsoid_wrenches(
    fluid_box_body: wp.array(dtype=int),
    fluid_body: wp.array(dtype=int),
    fluid: Fluid,
    shapes: FluidShapes,
    body_mass: wp.array2d(dtype=real),
    xpos: wp.array2d(dtype=vec3),
    xquat: wp.array2d(dtype=vec4),
    xref: wp.array2d(dtype=vec3),
    cvel: wp.array2d(dtype=vec6),
    fluid_xpos: wp.array2d(dtype=vec3),
    fluid_wrench: wp.array2d(dtype=vec6),
):
    """What the fluid does to each ellipsoid, about the reference point, and where it is."""
    w = wp.tid()
    before = fluid_box_body.shape[0]
    for k in range(shapes.fluid_geom.shape[0]):
        e = before + k
        g = shapes.fluid_geom[k]
        b = fluid_body[e]
        place = xpos[w, b] + quat_rotate(xquat[w, b], shapes.geom_pos[w, g])
        fluid_xpos[w, e] = place
        if body_mass[w, b] < MIN_VALUE:
            fluid_wrench[w, e] = vec6()
        else:
            rot = quat_to_mat(quat_mul(xquat[w, b], shapes.geom_quat[w, g]))
            arm = place - xref[w, b]
            local = ellipsoid_wrench(
                local_velocity(cvel[w, b], arm, rot, fluid.wind[w, 0]),
                semi_axes(shapes.fluid_geom_axes[k], shapes.geom_size[w, g]),
                fluid.density[w, 0],
                fluid.viscosity[w, 0],
                vec3(shapes.geom_fluid[w, g, 1], shapes.geom_fluid[w, g, 2], shapes.geom_fluid[w, g, 3]),
                vec2(shapes.geom_fluid[w, g, 4], shapes.geom_fluid[w, g, 5]),
                vec3(shapes.geom_fluid[w, g, 6], shapes.geom_fluid[w, g, 7], shapes.geom_fluid[w, g, 8]),
                vec3(shapes.geom_fluid[w, g, 9], shapes.geom_fluid[w, g, 10], shapes.geom_fluid[w, g, 11]),
            )
            fluid_wrench[w, e] = wrench_at(shapes.geom_fluid[w, g, 0] * local, arm, rot)


# A module of its own, which only implicitfast and implicit need and which is compiled beside that of the forces.
_slopes = partial(taped, file=f"{__name__}_slopes")


@_slopes
def ellipsoid_slopes(
    fluid_box_body: wp.array(dtype=int),
    fluid_body: wp.array(dtype=int),
    fluid: Fluid,
    shapes: FluidShapes,
    body_mass: wp.array2d(dtype=real),
    xquat: wp.array2d(dtype=vec4),
    xref: wp.array2d(dtype=vec3),
    cvel: wp.array2d(dtype=vec6),
    fluid_xpos: wp.array2d(dtype=vec3),
    fluid_slope: wp.array3d(dtype=mat33),
):
    """Derivative of the wrench of each ellipsoid by its velocity, at its place (MuJoCo: mjd_ellipsoidFluid).

    ``fluid_slope``: as in `genesis.rigid.kernels.fluid.box_slopes`.
    """
    w = wp.tid()
    before = fluid_box_body.shape[0]
    for k in range(shapes.fluid_geom.shape[0]):
        e = before + k
        g = shapes.fluid_geom[k]
        b = fluid_body[e]
        if body_mass[w, b] < MIN_VALUE:
            fluid_slope[w, e, 0] = mat33()
            fluid_slope[w, e, 1] = mat33()
            fluid_slope[w, e, 2] = mat33()
            fluid_slope[w, e, 3] = mat33()
        else:
            rot = quat_to_mat(quat_mul(xquat[w, b], shapes.geom_quat[w, g]))
            v = local_velocity(cvel[w, b], fluid_xpos[w, e] - xref[w, b], rot, fluid.wind[w, 0])
            turning = rotation(v)
            moving = translation(v)
            rho = fluid.density[w, 0]
            mu = fluid.viscosity[w, 0]
            s = semi_axes(shapes.fluid_geom_axes[k], shapes.geom_size[w, g])
            drag = vec3(shapes.geom_fluid[w, g, 1], shapes.geom_fluid[w, g, 2], shapes.geom_fluid[w, g, 3])
            mass = rho * vec3(shapes.geom_fluid[w, g, 6], shapes.geom_fluid[w, g, 7], shapes.geom_fluid[w, g, 8])
            inertia = rho * vec3(shapes.geom_fluid[w, g, 9], shapes.geom_fluid[w, g, 10], shapes.geom_fluid[w, g, 11])
            magnus = shapes.geom_fluid[w, g, 5] * rho * BALL_VOLUME * s[0] * s[1] * s[2]
            momentum = wp.skew(wp.cw_mul(mass, moving))
            spin = wp.skew(wp.cw_mul(inertia, turning))
            torque_by_turning = (
                torque_drag_slope(turning, s, rho, mu, drag) + spin - wp.skew(turning) * wp.diag(inertia)
            )
            torque_by_moving = momentum - wp.skew(moving) * wp.diag(mass)
            force_by_turning = momentum - magnus * wp.skew(moving)
            force_by_moving = magnus * wp.skew(turning) - wp.skew(turning) * wp.diag(mass)
            force_by_moving = force_by_moving + drag_slope(moving, s, rho, mu, drag)
            force_by_moving = force_by_moving + kutta_slope(moving, s, rho, shapes.geom_fluid[w, g, 4])
            fluid_slope[w, e, 0] = in_world(torque_by_turning, rot)
            fluid_slope[w, e, 1] = in_world(torque_by_moving, rot)
            fluid_slope[w, e, 2] = in_world(force_by_turning, rot)
            fluid_slope[w, e, 3] = in_world(force_by_moving, rot)


@_slopes
def free_body_fluid(
    free_dofadr: wp.array(dtype=int),
    dof_bodyid: wp.array(dtype=int),
    body_rootid: wp.array(dtype=int),
    fluid_box_body: wp.array(dtype=int),
    fluid_body: wp.array(dtype=int),
    timestep: real,
    cdof: wp.array2d(dtype=vec6),
    xref: wp.array2d(dtype=vec3),
    fluid_xpos: wp.array2d(dtype=vec3),
    fluid_slope: wp.array3d(dtype=mat33),
    free_matrix: wp.array2d(dtype=real),
):
    """The antisymmetric part of the slopes, which the block of a free body has as well: A -= h J' B J.

    Of the shapes of the body itself and of those that are welded to it (MuJoCo 4.0).
    """
    w = wp.tid()
    half = real(0.5)
    size = int(6)  # a variable: the loops stay loops
    for n in range(free_dofadr.shape[0]):
        d = free_dofadr[n]
        for e in range(fluid_box_body.shape[0], fluid_body.shape[0]):
            if body_rootid[fluid_body[e]] == dof_bodyid[d]:
                arm = fluid_xpos[w, e] - xref[w, fluid_body[e]]
                turn = half * (fluid_slope[w, e, 0] - wp.transpose(fluid_slope[w, e, 0]))
                both = half * (fluid_slope[w, e, 1] - wp.transpose(fluid_slope[w, e, 2]))
                move = half * (fluid_slope[w, e, 3] - wp.transpose(fluid_slope[w, e, 3]))
                for c in range(size):
                    turning = rotation(cdof[w, d + c])
                    moving = translation(cdof[w, d + c]) + wp.cross(turning, arm)
                    torque = turn * turning + both * moving
                    force = move * moving - wp.transpose(both) * turning
                    for r in range(size):
                        spin = rotation(cdof[w, d + r])
                        speed = translation(cdof[w, d + r]) + wp.cross(spin, arm)
                        work = wp.dot(spin, torque) + wp.dot(speed, force)
                        free_matrix[w, n * 36 + r * 6 + c] += -timestep * work


# Another, which only implicit needs.
@partial(taped, file=f"{__name__}_implicit")
def implicit_fluid(
    fluid_box_body: wp.array(dtype=int),
    fluid_body: wp.array(dtype=int),
    body_parentid: wp.array(dtype=int),
    dof_bodyid: wp.array(dtype=int),
    M_colind: wp.array(dtype=int),
    M_colind_adr: wp.array(dtype=int),
    timestep: real,
    cdof: wp.array2d(dtype=vec6),
    xref: wp.array2d(dtype=vec3),
    fluid_xpos: wp.array2d(dtype=vec3),
    fluid_slope: wp.array3d(dtype=mat33),
    cfluid_turn: wp.array3d(dtype=mat33),
    qA_lower: wp.array2d(dtype=real),
    qA_upper: wp.array2d(dtype=real),
):
    """The same of all bodies under the integrator implicit, summed as in `fluid.fluid_implicit_damping`."""
    w = wp.tid()
    nbody = body_parentid.shape[0]
    half = real(0.5)
    blocks = int(3)  # a variable: the loop stays a loop
    for b in range(nbody):
        for k in range(blocks):
            cfluid_turn[w, b, k] = mat33()
    for e in range(fluid_box_body.shape[0], fluid_body.shape[0]):
        b = fluid_body[e]
        arm = wp.skew(fluid_xpos[w, e] - xref[w, b])
        turn = half * (fluid_slope[w, e, 0] - wp.transpose(fluid_slope[w, e, 0]))
        both = half * (fluid_slope[w, e, 1] - wp.transpose(fluid_slope[w, e, 2]))
        move = half * (fluid_slope[w, e, 3] - wp.transpose(fluid_slope[w, e, 3]))
        cfluid_turn[w, b, 0] += turn - both * arm - arm * wp.transpose(both) - arm * move * arm
        cfluid_turn[w, b, 1] += both + arm * move
        cfluid_turn[w, b, 2] += move
    for n in range(1, nbody):
        b = nbody - n
        p = body_parentid[b]
        if p > 0:
            for k in range(blocks):
                cfluid_turn[w, p, k] += cfluid_turn[w, b, k]
    for i in range(dof_bodyid.shape[0]):
        b = dof_bodyid[i]
        r = rotation(cdof[w, i])
        t = translation(cdof[w, i])
        torque = cfluid_turn[w, b, 0] * r + cfluid_turn[w, b, 1] * t
        force = cfluid_turn[w, b, 2] * t - wp.transpose(cfluid_turn[w, b, 1]) * r
        for e in range(M_colind_adr[i], M_colind_adr[i + 1]):
            change = timestep * wp.dot(cdof[w, M_colind[e]], spatial(torque, force))
            qA_upper[w, e] += -change
            qA_lower[w, e] += change
