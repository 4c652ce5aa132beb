"""A fluid around shapes that feel it as ellipsoids (MuJoCo: mj_ellipsoidFluidModel).

With semi-axes s, velocity v against the fluid and rotation w in the shape's axes, density rho and viscosity mu, and the
shape's coefficients, the wrench is the sum of

    added mass     with p = rho m v, l = rho j w (virtual masses m, inertias j):  force p x w,  torque p x v + l x w
    Magnus lift    force  magnus rho V (w x v),  V the volume
    Kutta lift     force  kutta rho cos(a) A (n x v) x v,  n normal to the area A that v sees, a its angle with v
    drag           force  -(3 pi D mu + rho |v| (blunt A + slender (A_max - A))) v
                   torque -(pi D^3 mu + rho |(angular I + slender (I_max - I)) w|) w

with D the diameter of a sphere like it and I moments of the volume that its spin sweeps. The clips at MuJoCo's mjMINVAL
are part of the law: of wings of a millimetre they decide.
"""

import math
from functools import partial

import warp as wp

from genesis.math.spatial import length, quat_mul, quat_rotate, quat_to_mat, root, rotation, spatial, translation
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


@wp.func
def least_of(s: vec3) -> real:
    return wp.min(wp.min(s[0], s[1]), s[2])


@wp.func
def most_of(s: vec3) -> real:
    return wp.max(wp.max(s[0], s[1]), s[2])


@wp.func
def middle_of(s: vec3) -> real:
    return s[0] + s[1] + s[2] - most_of(s) - least_of(s)


@wp.func(inline=False)
def drag_moments(s: vec3, drag: vec3) -> vec3:
    """Of the torque against rotation, per axis; ``drag``: blunt, slender and angular coefficient."""
    most = SWEPT_MOMENT * middle_of(s) * pow4(most_of(s))
    swept = SWEPT_MOMENT * vec3(
        s[0] * pow4(wp.max(s[1], s[2])),
        s[1] * pow4(wp.max(s[2], s[0])),
        s[2] * pow4(wp.max(s[0], s[1])),
    )
    return drag[2] * swept + drag[1] * (vec3(most, most, most) - swept)


@wp.func(inline=False)
def areas_of(s: vec3) -> vec3:
    """Squares of the products of two semi-axes, a gradient of the area that a velocity sees."""
    return vec3(
        s[1] * s[2] * s[1] * s[2],
        s[2] * s[0] * s[2] * s[0],
        s[0] * s[1] * s[0] * s[1],
    )


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

    q = areas_of(s)
    normal = wp.cw_mul(q, moving)
    along = wp.dot(normal, moving)
    across = wp.dot(normal, normal)
    speed = length(moving)
    area = PI * root(across / wp.max(MIN_VALUE, along))
    cosine = along / wp.max(MIN_VALUE, speed * across)
    circulation = lift[0] * density * cosine * area * wp.cross(normal, moving)
    force = force + wp.cross(circulation, moving)

    diameter = TWO_THIRDS * (s[0] + s[1] + s[2])
    most_area = PI * most_of(s) * middle_of(s)
    fast = density * speed * (area * drag[0] + drag[1] * (most_area - area))
    force = force - (viscosity * real(3.0) * PI * diameter + fast) * moving
    fast_turning = density * length(wp.cw_mul(drag_moments(s, drag), turning))
    torque = torque - (viscosity * PI * diameter * diameter * diameter + fast_turning) * turning
    return spatial(torque, force)


# The derivative by the velocity, in MuJoCo's forms: where a clip holds, they are not those of the force's own.


@wp.func
def diagonal(x: real) -> mat33:
    return wp.diag(vec3(x, x, x))


@wp.func(inline=False)
def torque_drag_slope(turning: vec3, s: vec3, density: real, viscosity: real, drag: vec3) -> mat33:
    """Of the drag's torque by the rotation (MuJoCo: mjd_viscous_torque)."""
    moments = drag_moments(s, drag)
    swept = wp.cw_mul(moments, turning)
    scale = -density / wp.max(MIN_VALUE, length(swept))
    row = scale * wp.cw_mul(moments, swept)
    diameter = TWO_THIRDS * (s[0] + s[1] + s[2])
    slow = viscosity * PI * diameter * diameter * diameter
    return diagonal(wp.dot(turning, row) - slow) + wp.outer(turning, row)


@wp.func(inline=False)
def drag_slope(moving: vec3, s: vec3, density: real, viscosity: real, drag: vec3) -> mat33:
    """Of the drag's force by the velocity (MuJoCo: mjd_viscous_drag)."""
    q = areas_of(s)
    normal = wp.cw_mul(q, moving)
    along = wp.dot(normal, moving)
    across = wp.dot(normal, normal)
    speed = length(moving)
    area = PI * root(across / wp.max(MIN_VALUE, along))
    most_area = PI * most_of(s) * middle_of(s)
    diameter = TWO_THIRDS * (s[0] + s[1] + s[2])
    slow = viscosity * real(3.0) * PI * diameter
    fast = density * (area * drag[0] + drag[1] * (most_area - area))
    squares = wp.cw_mul(moving, moving)
    by_area = density * speed * (drag[0] - drag[1]) * PI
    by_area = by_area / wp.max(MIN_VALUE, root(along * along * along * across))
    area_slope = by_area * vec3(
        q[0] * moving[0] * (q[1] * squares[1] * (q[0] - q[1]) + q[2] * squares[2] * (q[0] - q[2])),
        q[1] * moving[1] * (q[0] * squares[0] * (q[1] - q[0]) + q[2] * squares[2] * (q[1] - q[2])),
        q[2] * moving[2] * (q[0] * squares[0] * (q[2] - q[0]) + q[1] * squares[1] * (q[2] - q[1])),
    )
    quadratic = (wp.outer(moving, moving) + diagonal(wp.dot(moving, moving))) * (-fast / wp.max(MIN_VALUE, speed))
    return quadratic - wp.outer(moving, area_slope) - diagonal(slow)


@wp.func(inline=False)
def kutta_slope(moving: vec3, s: vec3, density: real, kutta: real) -> mat33:
    """Of Kutta's lift by the velocity (MuJoCo: mjd_kutta_lift)."""
    q = areas_of(s)
    normal = wp.cw_mul(q, moving)
    along = wp.dot(normal, moving)
    across = wp.dot(normal, normal)
    square = wp.dot(moving, moving)
    scale = PI * kutta * density / wp.max(MIN_VALUE, root(across * along * square))
    squares = wp.cw_mul(moving, moving)
    sideways = vec3(
        squares[1] * (q[0] - q[1]) + squares[2] * (q[0] - q[2]),
        squares[0] * (q[1] - q[0]) + squares[2] * (q[1] - q[2]),
        squares[0] * (q[2] - q[0]) + squares[1] * (q[2] - q[1]),
    )
    steepness = along / wp.max(MIN_VALUE, across)
    share = along / wp.max(MIN_VALUE, square)
    inner = steepness * wp.cw_mul(q, q) - q + vec3(share, share, share)
    turned = real(2.0) * along * (wp.outer(moving, normal) - wp.outer(normal, moving))
    stretched = wp.outer(wp.cw_mul(sideways, moving), wp.cw_mul(inner, moving))
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
