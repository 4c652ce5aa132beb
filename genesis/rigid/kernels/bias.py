"""Bias force: Coriolis, centrifugal and gravitational, by the recursive Newton-Euler algorithm (MuJoCo: mj_rne).

External wrenches and gravity compensation act on links and travel down the tree with the bias force, so that one
recursion serves all; MuJoCo's qfrc_bias contains neither.
"""

import warp as wp

from genesis.math.spatial import force_cross, inertia_mul, motion_cross, spatial
from genesis.rigid.kernels.kinematics import BALL, FREE, read_vec3
from genesis.types import real, taped, vec3, vec6, vec10


@wp.func
def joint_velocity(
    w: int,
    d: int,
    n: int,
    cdof: wp.array2d(dtype=vec6),
    qvel: wp.array2d(dtype=real),
) -> vec6:
    """Sum of cdof * qvel over the ``n`` (1 or 3) dofs from ``d`` on."""
    s = cdof[w, d] * qvel[w, d]
    if n == 3:
        s = s + cdof[w, d + 1] * qvel[w, d + 1] + cdof[w, d + 2] * qvel[w, d + 2]
    return s


@taped
def velocity(
    frame_order: wp.array(dtype=int),
    frame_parent: wp.array(dtype=int),
    frame_jnt: wp.array(dtype=int),
    jnt_type: wp.array(dtype=int),
    jnt_dofadr: wp.array(dtype=int),
    cdof: wp.array2d(dtype=vec6),
    qvel: wp.array2d(dtype=real),
    cvel: wp.array2d(dtype=vec6),
    cacc_bias: wp.array2d(dtype=vec6),
):
    """Spatial velocity of every frame, and its acceleration at zero joint acceleration, without gravity.

    A dof's axis changes at the rate cdof_dot = cvel x cdof, with cvel of the frame that carries the joint; the three
    axes of a ball joint share it, and the translations of a free joint have none (MuJoCo: mj_comVel).
    """
    w = wp.tid()
    cvel[w, 0] = vec6()
    cacc_bias[w, 0] = vec6()
    for k in range(frame_order.shape[0]):
        f = frame_order[k]
        p = frame_parent[f]
        j = frame_jnt[f]
        if j < 0:
            cvel[w, f] = cvel[w, p]
            cacc_bias[w, f] = cacc_bias[w, p]
        else:
            d = jnt_dofadr[j]
            base = cvel[w, p]
            n = 1
            if jnt_type[j] == FREE:
                base = base + joint_velocity(w, d, 3, cdof, qvel)
                d = d + 3
                n = 3
            elif jnt_type[j] == BALL:
                n = 3
            s = joint_velocity(w, d, n, cdof, qvel)
            cvel[w, f] = base + s
            cacc_bias[w, f] = cacc_bias[w, p] + motion_cross(base, s)


@taped
def bias(
    body_parentid: wp.array(dtype=int),
    dof_bodyid: wp.array(dtype=int),
    gravity: wp.array2d(dtype=vec3),
    body_mass: wp.array2d(dtype=real),
    body_gravcomp: wp.array2d(dtype=real),
    cinert: wp.array2d(dtype=vec10),
    cdof: wp.array2d(dtype=vec6),
    cvel: wp.array2d(dtype=vec6),
    cacc_bias: wp.array2d(dtype=vec6),
    xref: wp.array2d(dtype=vec3),
    xipos: wp.array2d(dtype=vec3),
    xfrc: wp.array2d(dtype=real),
    cfrc: wp.array2d(dtype=vec6),
    qfrc_bias: wp.array2d(dtype=real),
):
    """qfrc_bias = J' (I a + v x* I v - external wrench), with gravity as an acceleration of the world by -g.

    The external wrench includes gravity compensation, a force of -gravcomp * m * g at the centre of mass.
    ``xfrc``: per link force [N] and torque [N m], world axes, at its centre of mass (MuJoCo: xfrc_applied).
    """
    w = wp.tid()
    nbody = body_parentid.shape[0]
    for b in range(1, nbody):
        a = cacc_bias[w, b] - spatial(vec3(), gravity[w, 0])
        v = cvel[w, b]
        force = read_vec3(xfrc, w, 6 * b) - gravity[w, 0] * (body_mass[w, b] * body_gravcomp[w, b])
        torque = read_vec3(xfrc, w, 6 * b + 3) + wp.cross(xipos[w, b] - xref[w, b], force)
        inertial = inertia_mul(cinert[w, b], a) + force_cross(v, inertia_mul(cinert[w, b], v))
        cfrc[w, b] = inertial - spatial(torque, force)
    for k in range(1, nbody):
        b = nbody - k
        p = body_parentid[b]
        if p > 0:
            cfrc[w, p] += cfrc[w, b]
    for i in range(dof_bodyid.shape[0]):
        qfrc_bias[w, i] = wp.dot(cdof[w, i], cfrc[w, dof_bodyid[i]])


@taped
def gravity_compensation(
    body_parentid: wp.array(dtype=int),
    dof_bodyid: wp.array(dtype=int),
    gravity: wp.array2d(dtype=vec3),
    body_mass: wp.array2d(dtype=real),
    body_gravcomp: wp.array2d(dtype=real),
    cdof: wp.array2d(dtype=vec6),
    xref: wp.array2d(dtype=vec3),
    xipos: wp.array2d(dtype=vec3),
    cfrc_gravcomp: wp.array2d(dtype=vec6),
    qfrc_gravcomp: wp.array2d(dtype=real),
):
    """Joint force of gravity compensation alone (MuJoCo: mj_gravcomp), for joints that count it as an actuator's."""
    w = wp.tid()
    nbody = body_parentid.shape[0]
    for b in range(1, nbody):
        force = gravity[w, 0] * (-body_mass[w, b] * body_gravcomp[w, b])
        cfrc_gravcomp[w, b] = spatial(wp.cross(xipos[w, b] - xref[w, b], force), force)
    for k in range(1, nbody):
        b = nbody - k
        p = body_parentid[b]
        if p > 0:
            cfrc_gravcomp[w, p] += cfrc_gravcomp[w, b]
    for i in range(dof_bodyid.shape[0]):
        qfrc_gravcomp[w, i] = wp.dot(cdof[w, i], cfrc_gravcomp[w, dof_bodyid[i]])
