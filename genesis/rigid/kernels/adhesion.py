"""Actuators that pull a body onto whatever touches it (MuJoCo: mjTRN_BODY in mj_transmission).

Their moment is minus the mean of the normals' Jacobians of the body's contacts, those in the gap included.
"""

import warp as wp

from genesis.math.spatial import spatial
from genesis.rigid.kernels.groups import StickingBodies
from genesis.types import mat33, real, taped, untaped, vec3, vec6


@wp.func
def touches(w: int, c: int, body: int, con_pair: wp.array2d(dtype=int), cpair_body: wp.array2d(dtype=int)) -> bool:
    pair = con_pair[w, c]
    return cpair_body[pair, 0] == body or cpair_body[pair, 1] == body


@untaped
def count_touches(
    adhesion_body: wp.array(dtype=int),
    cpair_body: wp.array2d(dtype=int),
    ncon: wp.array2d(dtype=int),
    con_pair: wp.array2d(dtype=int),
    adhesion_count: wp.array2d(dtype=int),
):
    """Contacts of each body that an actuator makes stick."""
    w = wp.tid()
    for n in range(adhesion_body.shape[0]):
        count = int(0)
        for c in range(ncon[w, 1]):
            if touches(w, c, adhesion_body[n], con_pair, cpair_body):
                count += 1
        adhesion_count[w, n] = count


@taped
def body_moments(
    bodies: StickingBodies,
    ncon: wp.array2d(dtype=int),
    con_pair: wp.array2d(dtype=int),
    con_pos: wp.array2d(dtype=vec3),
    con_frame: wp.array2d(dtype=mat33),
    xref: wp.array2d(dtype=vec3),
    cdof: wp.array2d(dtype=vec6),
    adhesion_count: wp.array2d(dtype=int),
    actuator_moment: wp.array2d(dtype=real),
):
    """``adhesion_place`` (n, entries of chain_dof): where in the actuator's moment each of them is, or -1."""
    w = wp.tid()
    for n in range(bodies.adhesion_actuator.shape[0]):
        u = bodies.adhesion_actuator[n]
        for e in range(bodies.moment_dof_adr[u], bodies.moment_dof_adr[u + 1]):
            actuator_moment[w, e] = real(0.0)
        for c in range(ncon[w, 1]):
            if touches(w, c, bodies.adhesion_body[n], con_pair, bodies.cpair_body):
                pair = con_pair[w, c]
                chain = bodies.cpair_chain[pair]
                frame = con_frame[w, c]
                normal = vec3(frame[0, 0], frame[0, 1], frame[0, 2])
                push = normal * (real(-1.0) / real(adhesion_count[w, n]))
                arm_first = con_pos[w, c] - xref[w, bodies.cpair_body[pair, 0]]
                arm_second = con_pos[w, c] - xref[w, bodies.cpair_body[pair, 1]]
                on_first = -spatial(wp.cross(arm_first, push), push)
                on_second = spatial(wp.cross(arm_second, push), push)
                for e in range(bodies.chain_dof_adr[chain], bodies.chain_dof_adr[chain + 1]):
                    place = bodies.adhesion_place[n, e]
                    if bodies.chain_sign[e] > 0:
                        actuator_moment[w, place] += wp.dot(cdof[w, bodies.chain_dof[e]], on_second)
                    else:
                        actuator_moment[w, place] += wp.dot(cdof[w, bodies.chain_dof[e]], on_first)
