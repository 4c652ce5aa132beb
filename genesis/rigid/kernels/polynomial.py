"""Springs and dampers that are not linear (MuJoCo: stiffnesspoly, dampingpoly; mju_polyForce).

What they add to a linear law, along a joint or a tendon, with x the spring's extension, v the velocity:

    force = -(k1 x + k2 x^2) x - (d1 |v| + d2 v^2) v

Of a ball joint and of the translation of a free one, x in the bracket is the size of the whole extension. The dampers'
derivative by v, 2 d1 |v| + 3 d2 v^2, enters the matrices of all integrators but RK4 as that of linear damping does.
"""

import warp as wp

from genesis.math.spatial import INV_3, length
from genesis.rigid.kernels.kinematics import BALL, FREE
from genesis.types import real, taped, vec3

QUARTER = wp.constant(real(0.25))


@wp.func
def write_length(w: int, d: int, extension: wp.array2d(dtype=real), reach: wp.array2d(dtype=real)):
    """The size of an extension along three dofs from ``d`` on, for each of them."""
    whole = length(vec3(extension[w, d], extension[w, d + 1], extension[w, d + 2]))
    reach[w, d] = whole
    reach[w, d + 1] = whole
    reach[w, d + 2] = whole


@taped
def joint_polynomials(
    jnt_type: wp.array(dtype=int),
    jnt_dofadr: wp.array(dtype=int),
    dof_stiffnesspoly: wp.array3d(dtype=real),
    dof_dampingpoly: wp.array3d(dtype=real),
    spring_extension: wp.array2d(dtype=real),
    qvel: wp.array2d(dtype=real),
    spring_reach: wp.array2d(dtype=real),
    qfrc_passive: wp.array2d(dtype=real),
):
    """Adds to the force of each joint; ``spring_reach``: x in the bracket above."""
    w = wp.tid()
    for j in range(jnt_type.shape[0]):
        d = jnt_dofadr[j]
        if jnt_type[j] == FREE:
            write_length(w, d, spring_extension, spring_reach)
            write_length(w, d + 3, spring_extension, spring_reach)
        elif jnt_type[j] == BALL:
            write_length(w, d, spring_extension, spring_reach)
        else:
            spring_reach[w, d] = spring_extension[w, d]
    for i in range(qvel.shape[1]):
        x = spring_reach[w, i]
        v = wp.abs(qvel[w, i])
        stiffness = dof_stiffnesspoly[w, i, 0] * x + dof_stiffnesspoly[w, i, 1] * x * x
        damping = dof_dampingpoly[w, i, 0] * v + dof_dampingpoly[w, i, 1] * v * v
        qfrc_passive[w, i] += -stiffness * spring_extension[w, i] - damping * qvel[w, i]


@taped
def tendon_polynomials(
    ten_dof: wp.array(dtype=int),
    ten_dof_adr: wp.array(dtype=int),
    tendon_stiffnesspoly: wp.array3d(dtype=real),
    tendon_dampingpoly: wp.array3d(dtype=real),
    ten_velocity: wp.array2d(dtype=real),
    ten_extension: wp.array2d(dtype=real),
    ten_J: wp.array2d(dtype=real),
    qfrc_tendon: wp.array2d(dtype=real),
):
    """Adds to the force of each tendon."""
    w = wp.tid()
    for t in range(ten_extension.shape[1]):
        x = ten_extension[w, t]
        v = wp.abs(ten_velocity[w, t])
        stiffness = tendon_stiffnesspoly[w, t, 0] * x + tendon_stiffnesspoly[w, t, 1] * x * x
        damping = tendon_dampingpoly[w, t, 0] * v + tendon_dampingpoly[w, t, 1] * v * v
        for e in range(ten_dof_adr[t], ten_dof_adr[t + 1]):
            qfrc_tendon[w, ten_dof[e]] += ten_J[w, e] * (-stiffness * x - damping * ten_velocity[w, t])


@wp.func
def damping_slope(v: real, first: real, second: real) -> real:
    speed = wp.abs(v)
    return real(2.0) * first * speed + real(3.0) * second * speed * speed


@taped
def joint_polynomial_damping(
    M_colind_adr: wp.array(dtype=int),
    timestep: real,
    damping_implicit: int,
    dof_dampingpoly: wp.array3d(dtype=real),
    qvel: wp.array2d(dtype=real),
    qH: wp.array2d(dtype=real),
):
    """H += h times the derivative of the joints' dampers, for all but RK4 (MuJoCo: mjd_xPolyForce)."""
    w = wp.tid()
    if damping_implicit == 1:
        for i in range(qvel.shape[1]):
            slope = damping_slope(qvel[w, i], dof_dampingpoly[w, i, 0], dof_dampingpoly[w, i, 1])
            qH[w, M_colind_adr[i + 1] - 1] += timestep * slope


@taped
def tendon_polynomial_damping(
    tendon_slope_pairs: wp.array2d(dtype=int),
    timestep: real,
    force_implicit: int,
    tendon_dampingpoly: wp.array3d(dtype=real),
    ten_velocity: wp.array2d(dtype=real),
    ten_J: wp.array2d(dtype=real),
    qH: wp.array2d(dtype=real),
):
    """H += h J' J times the derivative of the tendons' dampers, for implicitfast and implicit."""
    w = wp.tid()
    if force_implicit == 1:
        for k in range(tendon_slope_pairs.shape[0]):
            t = tendon_slope_pairs[k, 0]
            slope = damping_slope(ten_velocity[w, t], tendon_dampingpoly[w, t, 0], tendon_dampingpoly[w, t, 1])
            reach = ten_J[w, tendon_slope_pairs[k, 1]] * ten_J[w, tendon_slope_pairs[k, 2]]
            qH[w, tendon_slope_pairs[k, 3]] += timestep * slope * reach


@wp.func
def spring_energy(extension: real, reach: real, first: real, second: real) -> real:
    return extension * extension * reach * (INV_3 * first + QUARTER * second * reach)


@taped
def joint_polynomial_energy(
    dof_stiffnesspoly: wp.array3d(dtype=real),
    spring_extension: wp.array2d(dtype=real),
    spring_reach: wp.array2d(dtype=real),
    dof_energy: wp.array3d(dtype=real),
):
    """Adds to the energies of the joints' springs [J] (MuJoCo: mju_polyPotential)."""
    w = wp.tid()
    for i in range(spring_extension.shape[1]):
        dof_energy[w, i, 0] += spring_energy(
            spring_extension[w, i], spring_reach[w, i], dof_stiffnesspoly[w, i, 0], dof_stiffnesspoly[w, i, 1]
        )


@taped
def tendon_polynomial_energy(
    tendon_stiffnesspoly: wp.array3d(dtype=real),
    ten_extension: wp.array2d(dtype=real),
    ten_energy: wp.array3d(dtype=real),
):
    """Adds to the energies of the tendons' springs [J]."""
    w = wp.tid()
    for t in range(ten_extension.shape[1]):
        x = ten_extension[w, t]
        ten_energy[w, t, 0] += spring_energy(x, x, tendon_stiffnesspoly[w, t, 0], tendon_stiffnesspoly[w, t, 1])
