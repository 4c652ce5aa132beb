"""Quantities that users read and the step itself does not need."""

import warp as wp

from genesis.math.spatial import inertia_mul, rotation, spatial, translation
from genesis.types import real, taped, vec3, vec6, vec10


@taped
def link_velocity(
    xpos: wp.array2d(dtype=vec3),
    xref: wp.array2d(dtype=vec3),
    cvel: wp.array2d(dtype=vec6),
    xvel: wp.array2d(dtype=vec6),
):
    """Velocity of each link's origin and angular velocity, world axes: (linear, angular) [m/s, rad/s]."""
    w = wp.tid()
    for b in range(xvel.shape[1]):
        omega = rotation(cvel[w, b])
        linear = translation(cvel[w, b])
        if b > 0:
            linear = linear + wp.cross(omega, xpos[w, b] - xref[w, b])
        xvel[w, b] = spatial(linear, omega)


@taped
def link_acceleration(
    frame_order: wp.array(dtype=int),
    frame_parent: wp.array(dtype=int),
    frame_jnt: wp.array(dtype=int),
    jnt_dofadr: wp.array(dtype=int),
    jnt_dofnum: wp.array(dtype=int),
    xpos: wp.array2d(dtype=vec3),
    xref: wp.array2d(dtype=vec3),
    cdof: wp.array2d(dtype=vec6),
    cvel: wp.array2d(dtype=vec6),
    cacc_bias: wp.array2d(dtype=vec6),
    qacc: wp.array2d(dtype=real),
    cacc_joint: wp.array2d(dtype=vec6),
    xacc: wp.array2d(dtype=vec6),
):
    """Second derivative of each link's pose by time, world axes: (linear, angular) [m/s^2, rad/s^2].

    The linear part is that of the link's origin as a material point: spatial acceleration there plus omega x v
    (MuJoCo: mj_objectAcceleration, without the acceleration by -g that stands for gravity there).
    """
    w = wp.tid()
    cacc_joint[w, 0] = vec6()
    for k in range(frame_order.shape[0]):
        f = frame_order[k]
        j = frame_jnt[f]
        cacc_joint[w, f] = cacc_joint[w, frame_parent[f]]
        if j >= 0:
            for i in range(jnt_dofadr[j], jnt_dofadr[j] + jnt_dofnum[j]):
                cacc_joint[w, f] += cdof[w, i] * qacc[w, i]
    xacc[w, 0] = vec6()
    for b in range(1, xacc.shape[1]):
        a = cacc_joint[w, b] + cacc_bias[w, b]
        omega = rotation(cvel[w, b])
        arm = xpos[w, b] - xref[w, b]
        velocity = translation(cvel[w, b]) + wp.cross(omega, arm)
        linear = translation(a) + wp.cross(rotation(a), arm) + wp.cross(omega, velocity)
        xacc[w, b] = spatial(linear, rotation(a))


@taped
def dense_mass_matrix(
    M_colind: wp.array(dtype=int),
    M_colind_adr: wp.array(dtype=int),
    qM: wp.array2d(dtype=real),
    qM_dense: wp.array3d(dtype=real),
):
    """Joint-space mass matrix, all entries: (nv, nv)."""
    w = wp.tid()
    nv = qM_dense.shape[1]
    for i in range(nv):
        for j in range(nv):
            qM_dense[w, i, j] = real(0.0)
    for i in range(nv):
        diagonal = M_colind_adr[i + 1] - 1
        for e in range(M_colind_adr[i], diagonal):
            qM_dense[w, i, M_colind[e]] += qM[w, e]
            qM_dense[w, M_colind[e], i] += qM[w, e]
        qM_dense[w, i, i] += qM[w, diagonal]


@taped
def link_jacobian(
    body_dofs: wp.array(dtype=int),
    body_dofs_adr: wp.array(dtype=int),
    xpos: wp.array2d(dtype=vec3),
    xref: wp.array2d(dtype=vec3),
    cdof: wp.array2d(dtype=vec6),
    xjac: wp.array3d(dtype=real),
):
    """Jacobian of each link's origin: rows 6 b to 6 b + 2 linear, 6 b + 3 to 6 b + 5 angular, world axes."""
    w = wp.tid()
    axes = int(3)  # a variable: the loop stays a loop
    for r in range(xjac.shape[1]):
        for i in range(xjac.shape[2]):
            xjac[w, r, i] = real(0.0)
    for b in range(1, body_dofs_adr.shape[0] - 1):
        for e in range(body_dofs_adr[b], body_dofs_adr[b + 1]):
            i = body_dofs[e]
            turn = rotation(cdof[w, i])
            move = translation(cdof[w, i]) + wp.cross(turn, xpos[w, b] - xref[w, b])
            for k in range(axes):
                xjac[w, 6 * b + k, i] += move[k]
                xjac[w, 6 * b + 3 + k, i] += turn[k]


@taped
def energy(
    gravity: wp.array2d(dtype=vec3),
    body_mass: wp.array2d(dtype=real),
    dof_stiffness: wp.array2d(dtype=real),
    dof_armature: wp.array2d(dtype=real),
    qvel: wp.array2d(dtype=real),
    xipos: wp.array2d(dtype=vec3),
    cinert: wp.array2d(dtype=vec10),
    cvel: wp.array2d(dtype=vec6),
    spring_extension: wp.array2d(dtype=real),
    body_energy: wp.array3d(dtype=real),
    dof_energy: wp.array3d(dtype=real),
):
    """Energies [J]: (potential, kinetic) of each link, zero height at the origin; (spring, armature) of each dof."""
    w = wp.tid()
    half = real(0.5)
    body_energy[w, 0, 0] = real(0.0)
    body_energy[w, 0, 1] = real(0.0)
    for b in range(1, body_energy.shape[1]):
        body_energy[w, b, 0] = -body_mass[w, b] * wp.dot(gravity[w, 0], xipos[w, b])
        body_energy[w, b, 1] = half * wp.dot(cvel[w, b], inertia_mul(cinert[w, b], cvel[w, b]))
    for i in range(qvel.shape[1]):
        dof_energy[w, i, 0] = half * dof_stiffness[w, i] * spring_extension[w, i] * spring_extension[w, i]
        dof_energy[w, i, 1] = half * dof_armature[w, i] * qvel[w, i] * qvel[w, i]
