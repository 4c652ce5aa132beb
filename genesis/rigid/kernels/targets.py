"""What inverse kinematics asks of a point: poses of the frames that take part, errors of the targets, and J.

The poses are those of `genesis.rigid.kernels.kinematics`, of some of the frames, and at positions in a scratch space.
"""

import warp as wp

from genesis.constants import MOCAP_WIDTH
from genesis.math.spatial import (
    quat_conj,
    quat_from_axis_angle,
    quat_identity,
    quat_log,
    quat_mul,
    quat_normalize,
    quat_rotate,
    unit,
)
from genesis.rigid.kernels.kinematics import BALL, FREE, HINGE, SLIDE, read_quat, read_vec3
from genesis.types import real, vec2, vec3, vec4

# Numbers of a frame in the scratch space: position, quaternion; anchor and axis of its joint.
POSE = wp.constant(7)
FRAME = wp.constant(13)
PI = real(3.141592653589793)
SMALL = real(1.0e-12)


@wp.struct
class Chain:
    """The frames between the world and the targets' links, parents first, and which of their dofs may move.

    ``frame_parent``, ``target_frame``: places in this list (-1: the world). ``frame_q``: the first of the joint's qs,
    counted in the entity. ``frame_column``: of each of the joint's dofs its column of J, -1 for one that stays.
    ``moves``: (targets, frames) 1 where the frame's joint moves the target.
    """

    frame_parent: wp.array(dtype=int)
    frame_body: wp.array(dtype=int)
    frame_jnt: wp.array(dtype=int)
    frame_first: wp.array(dtype=int)
    frame_type: wp.array(dtype=int)
    frame_q: wp.array(dtype=int)
    frame_mocap: wp.array(dtype=int)
    frame_column: wp.array2d(dtype=int)
    frame_qpos0: wp.array(dtype=real)
    target_frame: wp.array(dtype=int)
    moves: wp.array2d(dtype=int)
    body_pos: int
    body_quat: int
    jnt_pos: int
    jnt_axis: int


@wp.struct
class Goal:
    """What is wanted of each target's link, of each row.

    ``row``: (targets, 6) place in the error of each component (position x, y, z in the world; rotation about x, y, z of
    the link), -1: it does not count. ``axis``: that of the link which is to point as in the orientation wanted; -1: all
    three are.
    """

    pos: wp.array2d(dtype=real)
    quat: wp.array2d(dtype=real)
    point: wp.array2d(dtype=real)
    row: wp.array2d(dtype=int)
    axis: int


@wp.struct
class Search:
    """How hard to try, and what is good enough; ``least``: error below which nothing can be gained."""

    max_samples: int
    max_iterations: int
    seed: int
    damping: real
    pos_tol: real
    rot_tol: real
    max_step: real
    floor: real
    least: real


@wp.func
def place_frames(
    w: int,
    chain: Chain,
    theta: wp.array2d(dtype=real),
    mocap: wp.array2d(dtype=real),
    env: int,
    q_at: int,
    s: wp.array2d(dtype=real),
):
    """Poses, anchors and axes of the chain's frames, as `genesis.rigid.kernels.kinematics` has them."""
    t = wp.where(theta.shape[0] > 1, env, 0)
    for k in range(chain.frame_parent.shape[0]):
        p = chain.frame_parent[k]
        b = chain.frame_body[k]
        j = chain.frame_jnt[k]
        pos = vec3()
        quat = quat_identity()
        if p >= 0:
            pos = read_vec3(s, w, FRAME * p)
            quat = read_quat(s, w, FRAME * p + 3)
        if chain.frame_first[k] == 1:
            pos = pos + quat_rotate(quat, read_vec3(theta, t, chain.body_pos + 3 * b))
            quat = quat_mul(quat, read_quat(theta, t, chain.body_quat + 4 * b))
        anchor = vec3()
        axis = vec3()
        if j < 0:
            if chain.frame_mocap[k] >= 0:
                m = MOCAP_WIDTH * chain.frame_mocap[k]
                row = wp.where(mocap.shape[0] > 1, env, 0)
                pos = read_vec3(mocap, row, m)
                quat = quat_normalize(read_quat(mocap, row, m + 3))
        else:
            kind = chain.frame_type[k]
            q = q_at + chain.frame_q[k]
            own_axis = read_vec3(theta, t, chain.jnt_axis + 3 * j)
            own_pos = read_vec3(theta, t, chain.jnt_pos + 3 * j)
            axis = quat_rotate(quat, own_axis)
            if kind == FREE:
                pos = read_vec3(s, w, q)
                quat = quat_normalize(read_quat(s, w, q + 3))
                anchor = pos
            elif kind == SLIDE:
                pos = pos + axis * (s[w, q] - chain.frame_qpos0[k])
            else:
                anchor = pos + quat_rotate(quat, own_pos)
                turn = quat_identity()
                if kind == BALL:
                    turn = quat_normalize(read_quat(s, w, q))
                else:
                    turn = quat_from_axis_angle(own_axis, s[w, q] - chain.frame_qpos0[k])
                quat = quat_mul(quat, turn)
                pos = anchor - quat_rotate(quat, own_pos)
        f = FRAME * k
        for i in range(3):
            s[w, f + i] = pos[i]
            s[w, f + POSE + i] = anchor[i]
            s[w, f + POSE + 3 + i] = axis[i]
        for i in range(4):
            s[w, f + 3 + i] = quat[i]


@wp.func
def swing(quat: vec4, want: vec4, axis: int) -> vec3:
    """The shortest rotation vector [rad], in the link's frame, that turns its axis to where it is wanted."""
    a = unit(axis)
    b = quat_rotate(quat_conj(quat), quat_rotate(want, a))
    c = wp.cross(a, b)
    sine = wp.length(c)
    if sine < SMALL:
        if wp.dot(a, b) > real(0.0):
            return c
        return PI * unit((axis + 1) % 3)
    return c * (wp.atan2(sine, wp.dot(a, b)) / sine)


@wp.func
def write_errors(
    w: int, chain: Chain, goal: Goal, search: Search, s: wp.array2d(dtype=real), out: wp.array2d(dtype=real), at: int
) -> vec2:
    """Writes the errors of all targets from ``out[w, at]`` on; E, and 1 where all are within the tolerances."""
    total = real(0.0)
    well = real(1.0)
    for g in range(chain.target_frame.shape[0]):
        f = FRAME * chain.target_frame[g]
        quat = read_quat(s, w, f + 3)
        point = read_vec3(s, w, f) + quat_rotate(quat, read_vec3(goal.point, w, 3 * g))
        shift = read_vec3(goal.pos, w, 3 * g) - point
        want = read_quat(goal.quat, w, 4 * g)
        turn = vec3()
        if goal.axis < 0:
            turn = quat_log(quat_mul(quat_conj(quat), want))
        else:
            turn = swing(quat, want, goal.axis)
        shift2 = real(0.0)
        turn2 = real(0.0)
        for i in range(3):
            if goal.row[g, i] >= 0:
                out[w, at + goal.row[g, i]] = shift[i]
                shift2 += shift[i] * shift[i]
            if goal.row[g, 3 + i] >= 0:
                out[w, at + goal.row[g, 3 + i]] = turn[i]
                turn2 += turn[i] * turn[i]
        total += real(0.5) * (shift2 + turn2)
        if shift2 > search.pos_tol * search.pos_tol or turn2 > search.rot_tol * search.rot_tol:
            well = real(0.0)
    return vec2(total, well)


@wp.func
def write_jacobian(
    w: int, chain: Chain, goal: Goal, n_columns: int, s: wp.array2d(dtype=real), out: wp.array2d(dtype=real), at: int
):
    """Writes the structural nonzeros of J, (rows of the error, columns), from ``out[w, at]`` on."""
    for g in range(chain.target_frame.shape[0]):
        f = FRAME * chain.target_frame[g]
        quat = read_quat(s, w, f + 3)
        point = read_vec3(s, w, f) + quat_rotate(quat, read_vec3(goal.point, w, 3 * g))
        back = quat_conj(quat)
        for k in range(chain.frame_parent.shape[0]):
            if chain.moves[g, k] == 1:
                kind = chain.frame_type[k]
                anchor = read_vec3(s, w, FRAME * k + POSE)
                n = 1
                if kind == FREE:
                    n = 6
                elif kind == BALL:
                    n = 3
                for c in range(n):
                    column = chain.frame_column[k, c]
                    if column >= 0:
                        linear = vec3()
                        angular = vec3()
                        if kind == FREE and c < 3:
                            linear = unit(c)
                        elif kind == SLIDE:
                            linear = read_vec3(s, w, FRAME * k + POSE + 3)
                        else:
                            if kind == HINGE:
                                angular = read_vec3(s, w, FRAME * k + POSE + 3)
                            else:
                                angular = quat_rotate(read_quat(s, w, FRAME * k + 3), unit(c % 3))
                            linear = wp.cross(angular, point - anchor)
                        angular = quat_rotate(back, angular)
                        for i in range(3):
                            if goal.row[g, i] >= 0:
                                out[w, at + goal.row[g, i] * n_columns + column] = linear[i]
                            if goal.row[g, 3 + i] >= 0:
                                out[w, at + goal.row[g, 3 + i] * n_columns + column] = angular[i]
