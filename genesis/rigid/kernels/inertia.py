"""Inertia: spatial inertia of links, motion axes of dofs, joint-space mass matrix (MuJoCo: mj_comPos, mj_crb)."""

import warp as wp

from genesis.math.spatial import inertia_at, inertia_mul, quat_rotate, quat_to_mat, spatial, unit
from genesis.rigid.kernels.kinematics import BALL, FREE, SLIDE
from genesis.types import real, taped, vec3, vec4, vec6, vec10


@taped
def spatial_quantities(
    frame_body: wp.array(dtype=int),
    jnt_type: wp.array(dtype=int),
    jnt_dofadr: wp.array(dtype=int),
    jnt_frame: wp.array(dtype=int),
    body_mass: wp.array2d(dtype=real),
    body_ipos: wp.array2d(dtype=vec3),
    body_inertia: wp.array2d(dtype=vec6),
    xref: wp.array2d(dtype=vec3),
    xpos: wp.array2d(dtype=vec3),
    xquat: wp.array2d(dtype=vec4),
    xanchor: wp.array2d(dtype=vec3),
    xaxis: wp.array2d(dtype=vec3),
    xipos: wp.array2d(dtype=vec3),
    cinert: wp.array2d(dtype=vec10),
    cdof: wp.array2d(dtype=vec6),
):
    """Centre of mass and spatial inertia of each link, motion axis of each dof, about the tree's reference point."""
    w = wp.tid()
    xipos[w, 0] = body_ipos[w, 0]
    for b in range(1, xref.shape[1]):
        com = xpos[w, b] + quat_rotate(xquat[w, b], body_ipos[w, b])
        xipos[w, b] = com
        cinert[w, b] = inertia_at(body_mass[w, b], body_inertia[w, b], quat_to_mat(xquat[w, b]), com - xref[w, b])
    for j in range(jnt_type.shape[0]):
        d = jnt_dofadr[j]
        f = jnt_frame[j]
        arm = xref[w, frame_body[f]] - xanchor[w, j]
        zero = vec3(real(0.0), real(0.0), real(0.0))
        if jnt_type[j] == FREE:
            for k in range(3):
                cdof[w, d + k] = spatial(zero, unit(k))
                turn = quat_rotate(xquat[w, f], unit(k))
                cdof[w, d + 3 + k] = spatial(turn, wp.cross(turn, arm))
        elif jnt_type[j] == BALL:
            for k in range(3):
                spin = quat_rotate(xquat[w, f], unit(k))
                cdof[w, d + k] = spatial(spin, wp.cross(spin, arm))
        elif jnt_type[j] == SLIDE:
            cdof[w, d] = spatial(zero, xaxis[w, j])
        else:
            cdof[w, d] = spatial(xaxis[w, j], wp.cross(xaxis[w, j], arm))


@taped
def mass_matrix(
    body_parentid: wp.array(dtype=int),
    dof_bodyid: wp.array(dtype=int),
    M_colind: wp.array(dtype=int),
    M_colind_adr: wp.array(dtype=int),
    dof_armature: wp.array2d(dtype=real),
    cinert: wp.array2d(dtype=vec10),
    cdof: wp.array2d(dtype=vec6),
    crb: wp.array2d(dtype=vec10),
    qM: wp.array2d(dtype=real),
):
    """Composite rigid body algorithm: M[i, j] = cdof_j . (inertia of the subtree of i) cdof_i, plus armature.

    Lower triangle by rows, structural nonzeros only: the columns of row i are its ancestors, itself last.
    """
    w = wp.tid()
    nbody = body_parentid.shape[0]
    for b in range(1, nbody):
        crb[w, b] = cinert[w, b]
    for k in range(1, nbody):
        b = nbody - k
        p = body_parentid[b]
        if p > 0:
            crb[w, p] += crb[w, b]
    for i in range(dof_bodyid.shape[0]):
        momentum = inertia_mul(crb[w, dof_bodyid[i]], cdof[w, i])
        diagonal = M_colind_adr[i + 1] - 1
        for e in range(M_colind_adr[i], diagonal):
            qM[w, e] = wp.dot(cdof[w, M_colind[e]], momentum)
        qM[w, diagonal] = wp.dot(cdof[w, i], momentum) + dof_armature[w, i]
