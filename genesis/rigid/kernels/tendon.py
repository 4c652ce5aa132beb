"""Tendons: lengths that depend on joint positions (MuJoCo: mj_tendon), and what acts along them.

Those here are linear in the positions; of paths through space the lengths are in `spatial_tendon`.

A tendon is a spring with a dead band, a damper and a rotor's inertia, each projected onto the joints by J:

    qfrc_tendon = J' (-stiffness * (length beyond the spring's range) - damping * velocity),   M += armature J' J

The last, and the damper in the matrix of implicitfast, reach only where M has an entry, as in MuJoCo. Limits, friction
loss and equality of tendons are rows of the table of constraints.
"""

import warp as wp

from genesis.types import real, taped


@taped
def fixed_tendons(
    fixed_tendon: wp.array(dtype=int),
    ten_dof_adr: wp.array(dtype=int),
    ten_qpos: wp.array(dtype=int),
    ten_coef: wp.array(dtype=real),
    qpos: wp.array2d(dtype=real),
    ten_length: wp.array2d(dtype=real),
    ten_J: wp.array2d(dtype=real),
):
    """Length [m or rad], and its derivative by the joints' motion, of tendons that are sums of joint positions."""
    w = wp.tid()
    for n in range(fixed_tendon.shape[0]):
        t = fixed_tendon[n]
        ten_length[w, t] = real(0.0)
        for e in range(ten_dof_adr[t], ten_dof_adr[t + 1]):
            ten_J[w, e] = ten_coef[e]
            ten_length[w, t] += ten_coef[e] * qpos[w, ten_qpos[e]]


@taped
def tendon_velocities(
    ten_dof: wp.array(dtype=int),
    ten_dof_adr: wp.array(dtype=int),
    qvel: wp.array2d(dtype=real),
    ten_J: wp.array2d(dtype=real),
    ten_velocity: wp.array2d(dtype=real),
):
    """Rate of the length."""
    w = wp.tid()
    for t in range(ten_velocity.shape[1]):
        ten_velocity[w, t] = real(0.0)
        for e in range(ten_dof_adr[t], ten_dof_adr[t + 1]):
            ten_velocity[w, t] += ten_J[w, e] * qvel[w, ten_dof[e]]


@wp.func
def beyond_range(x: real, low: real, high: real) -> real:
    """How far ``x`` is beyond the end of a range that is next to it; 0 within.

    A range of one point has no inside: there, too, the distance has the derivative 1.
    """
    if x > high:
        return x - high
    if x < low:
        return x - low
    if low == high:
        return x - real(0.5) * (low + high)
    return real(0.0)


@taped
def tendon_forces(
    ten_dof: wp.array(dtype=int),
    ten_dof_adr: wp.array(dtype=int),
    tendon_lengthspring: wp.array3d(dtype=real),
    tendon_stiffness: wp.array2d(dtype=real),
    tendon_damping: wp.array2d(dtype=real),
    ten_length: wp.array2d(dtype=real),
    ten_velocity: wp.array2d(dtype=real),
    ten_J: wp.array2d(dtype=real),
    ten_extension: wp.array2d(dtype=real),
    qfrc_tendon: wp.array2d(dtype=real),
):
    """Springs and dampers (MuJoCo: mj_passive)."""
    w = wp.tid()
    for i in range(qfrc_tendon.shape[1]):
        qfrc_tendon[w, i] = real(0.0)
    for t in range(ten_length.shape[1]):
        beyond = beyond_range(ten_length[w, t], tendon_lengthspring[w, t, 0], tendon_lengthspring[w, t, 1])
        ten_extension[w, t] = beyond
        force = -tendon_stiffness[w, t] * beyond - tendon_damping[w, t] * ten_velocity[w, t]
        for e in range(ten_dof_adr[t], ten_dof_adr[t + 1]):
            qfrc_tendon[w, ten_dof[e]] += ten_J[w, e] * force


@taped
def tendon_inertia(
    tendon_pairs: wp.array2d(dtype=int),
    tendon_armature: wp.array2d(dtype=real),
    ten_J: wp.array2d(dtype=real),
    qM: wp.array2d(dtype=real),
):
    """M += armature J' J (MuJoCo: mj_tendonArmature).

    ``tendon_pairs``: tendon, two entries of its J, and the entry of M that they belong to.
    """
    w = wp.tid()
    for k in range(tendon_pairs.shape[0]):
        t = tendon_pairs[k, 0]
        inertia = tendon_armature[w, t] * ten_J[w, tendon_pairs[k, 1]] * ten_J[w, tendon_pairs[k, 2]]
        qM[w, tendon_pairs[k, 3]] += inertia


@taped
def tendon_implicit_damping(
    tendon_slope_pairs: wp.array2d(dtype=int),
    timestep: real,
    force_implicit: int,
    tendon_damping: wp.array2d(dtype=real),
    ten_J: wp.array2d(dtype=real),
    qH: wp.array2d(dtype=real),
):
    """H += h damping J' J, for implicitfast and implicit (MuJoCo: mjd_passive_vel)."""
    w = wp.tid()
    if force_implicit == 1:
        for k in range(tendon_slope_pairs.shape[0]):
            t = tendon_slope_pairs[k, 0]
            slope = tendon_damping[w, t] * ten_J[w, tendon_slope_pairs[k, 1]] * ten_J[w, tendon_slope_pairs[k, 2]]
            qH[w, tendon_slope_pairs[k, 3]] += timestep * slope


@taped
def tendon_energy(
    tendon_pairs: wp.array2d(dtype=int),
    tendon_stiffness: wp.array2d(dtype=real),
    tendon_armature: wp.array2d(dtype=real),
    ten_dof: wp.array(dtype=int),
    qvel: wp.array2d(dtype=real),
    ten_extension: wp.array2d(dtype=real),
    ten_J: wp.array2d(dtype=real),
    ten_energy: wp.array3d(dtype=real),
):
    """Energies [J] of springs and of rotors, (spring, armature) of each tendon."""
    w = wp.tid()
    half = real(0.5)
    for t in range(ten_extension.shape[1]):
        ten_energy[w, t, 0] = half * tendon_stiffness[w, t] * ten_extension[w, t] * ten_extension[w, t]
        ten_energy[w, t, 1] = real(0.0)
    for k in range(tendon_pairs.shape[0]):
        t = tendon_pairs[k, 0]
        a = tendon_pairs[k, 1]
        b = tendon_pairs[k, 2]
        weight = half
        if a != b:
            weight = real(1.0)
        motion = ten_J[w, a] * qvel[w, ten_dof[a]] * ten_J[w, b] * qvel[w, ten_dof[b]]
        ten_energy[w, t, 1] += weight * tendon_armature[w, t] * motion
