"""Kinematics: poses of links from joint positions (MuJoCo: mj_kinematics), and the reference point of each tree."""

import warp as wp

from genesis.constants import MOCAP_WIDTH
from genesis.math.spatial import (
    quat_exp,
    quat_from_axis_angle,
    quat_identity,
    quat_mul,
    quat_normalize,
    quat_rotate,
)
from genesis.rigid.kernels.groups import Frames, Joints, Offsets
from genesis.types import real, taped, untaped, vec3, vec4

FREE = wp.constant(0)
BALL = wp.constant(1)
SLIDE = wp.constant(2)
HINGE = wp.constant(3)


@wp.func
def read_vec3(x: wp.array2d(dtype=real), w: int, adr: int) -> vec3:
    return vec3(x[w, adr], x[w, adr + 1], x[w, adr + 2])


@wp.func
def read_quat(x: wp.array2d(dtype=real), w: int, adr: int) -> vec4:
    return vec4(x[w, adr], x[w, adr + 1], x[w, adr + 2], x[w, adr + 3])


@taped
def kinematics(
    frames: Frames,
    joints: Joints,
    offsets: Offsets,
    mocap: wp.array2d(dtype=real),
    qpos: wp.array2d(dtype=real),
    xpos: wp.array2d(dtype=vec3),
    xquat: wp.array2d(dtype=vec4),
    xanchor: wp.array2d(dtype=vec3),
    xaxis: wp.array2d(dtype=vec3),
):
    """Position and orientation of every frame; anchor and axis of every joint, in the world.

    Quaternions in ``qpos`` are normalised where they are used, so any length but zero is valid. A mocap body is where
    the command says, whatever its frame in the model.
    """
    w = wp.tid()
    xpos[w, 0] = vec3(real(0.0), real(0.0), real(0.0))
    xquat[w, 0] = quat_identity()
    for k in range(frames.frame_order.shape[0]):
        f = frames.frame_order[k]
        p = frames.frame_parent[f]
        b = frames.frame_body[f]
        j = frames.frame_jnt[f]
        # frame before the joint: the parent's, moved by the link's offset where the link begins
        quat = xquat[w, p]
        pos = xpos[w, p]
        if frames.frame_first[f] == 1:
            pos = pos + quat_rotate(quat, offsets.body_pos[w, b])
            quat = quat_mul(quat, offsets.body_quat[w, b])
        if j < 0:
            if offsets.body_mocapid[b] >= 0:
                m = MOCAP_WIDTH * offsets.body_mocapid[b]
                pos = read_vec3(mocap, w, m)
                quat = quat_normalize(read_quat(mocap, w, m + 3))
            xpos[w, f] = pos
            xquat[w, f] = quat
        else:
            q = joints.jnt_qposadr[j]
            axis = quat_rotate(quat, offsets.jnt_axis[w, j])
            xaxis[w, j] = axis
            if joints.jnt_type[j] == FREE:
                free_pos = read_vec3(qpos, w, q)
                xpos[w, f] = free_pos
                xquat[w, f] = quat_normalize(read_quat(qpos, w, q + 3))
                xanchor[w, j] = free_pos
            elif joints.jnt_type[j] == SLIDE:
                xanchor[w, j] = pos + quat_rotate(quat, offsets.jnt_pos[w, j])
                xpos[w, f] = pos + axis * (qpos[w, q] - offsets.qpos0[q])
                xquat[w, f] = quat
            else:
                anchor = pos + quat_rotate(quat, offsets.jnt_pos[w, j])
                xanchor[w, j] = anchor
                turn = quat_identity()
                if joints.jnt_type[j] == BALL:
                    turn = quat_normalize(read_quat(qpos, w, q))
                else:
                    turn = quat_from_axis_angle(offsets.jnt_axis[w, j], qpos[w, q] - offsets.qpos0[q])
                turned = quat_mul(quat, turn)
                xquat[w, f] = turned
                xpos[w, f] = anchor - quat_rotate(turned, offsets.jnt_pos[w, j])


@untaped
def reference_point(
    body_rootid: wp.array(dtype=int),
    xpos: wp.array2d(dtype=vec3),
    xref: wp.array2d(dtype=vec3),
):
    """Point about which the spatial quantities of a link are taken: the origin of its tree's root.

    Any point gives the same mass matrix, bias force and link motion, so the derivative with respect to the point is
    zero and the point is held constant in the adjoint. MuJoCo takes the tree's centre of mass; a point that moves
    with the tree is what precision asks for.
    """
    w = wp.tid()
    for b in range(body_rootid.shape[0]):
        xref[w, b] = xpos[w, body_rootid[b]]


@wp.func
def integrate_joint_positions(
    w: int,
    joints: Joints,
    qpos: wp.array2d(dtype=real),
    velocity: wp.array2d(dtype=real),
    h: real,
    qpos_next: wp.array2d(dtype=real),
):
    """qpos_next = qpos moved by ``h * velocity`` in the tangent space (MuJoCo: mj_integratePos)."""
    for j in range(joints.jnt_type.shape[0]):
        q = joints.jnt_qposadr[j]
        d = joints.jnt_dofadr[j]
        # where the rotation is, from the joint's first number on; one piece of code for both kinds of joints
        turn = -1
        if joints.jnt_type[j] == FREE:
            for k in range(3):
                qpos_next[w, q + k] = qpos[w, q + k] + h * velocity[w, d + k]
            turn = 3
        elif joints.jnt_type[j] == BALL:
            turn = 0
        else:
            qpos_next[w, q] = qpos[w, q] + h * velocity[w, d]
        if turn >= 0:
            rotated = quat_mul(
                quat_normalize(read_quat(qpos, w, q + turn)), quat_exp(h * read_vec3(velocity, w, d + turn))
            )
            for k in range(4):
                qpos_next[w, q + turn + k] = rotated[k]
