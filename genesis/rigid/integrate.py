"""Integration: the state one (sub)step later (MuJoCo: mj_Euler, mj_implicit, mj_advance).

Euler and implicitfast share one update; what is implicit in them is in the solve. RK4 has a file of its own.
"""

import warp as wp

from genesis.rigid.actuation import next_activation
from genesis.rigid.kinematics import integrate_joint_positions
from genesis.types import real, taped


@wp.func
def advance_activations(
    w: int,
    actuator_actadr: wp.array(dtype=int),
    actuator_dyntype: wp.array(dtype=int),
    actuator_actlimited: wp.array(dtype=int),
    actuator_actrange: wp.array2d(dtype=real),
    actuator_on: wp.array2d(dtype=int),
    actuator_dynprm: wp.array3d(dtype=real),
    h: real,
    act: wp.array2d(dtype=real),
    act_dot: wp.array2d(dtype=real),
    act_next: wp.array2d(dtype=real),
):
    for u in range(actuator_actadr.shape[0]):
        adr = actuator_actadr[u]
        if adr >= 0:
            if actuator_on[w, u] == 1:
                act_next[w, adr] = next_activation(
                    act[w, adr],
                    act_dot[w, adr],
                    actuator_dyntype[u],
                    actuator_dynprm[w, u, 0],
                    actuator_actlimited[u],
                    actuator_actrange[u, 0],
                    actuator_actrange[u, 1],
                    h,
                )
            else:
                act_next[w, adr] = act[w, adr]


@taped
def advance(
    jnt_type: wp.array(dtype=int),
    jnt_qposadr: wp.array(dtype=int),
    jnt_dofadr: wp.array(dtype=int),
    actuator_actadr: wp.array(dtype=int),
    actuator_dyntype: wp.array(dtype=int),
    actuator_actlimited: wp.array(dtype=int),
    actuator_actrange: wp.array2d(dtype=real),
    actuator_on: wp.array2d(dtype=int),
    actuator_dynprm: wp.array3d(dtype=real),
    timestep: real,
    qpos: wp.array2d(dtype=real),
    qvel: wp.array2d(dtype=real),
    act: wp.array2d(dtype=real),
    qacc: wp.array2d(dtype=real),
    act_dot: wp.array2d(dtype=real),
    qpos_next: wp.array2d(dtype=real),
    qvel_next: wp.array2d(dtype=real),
    act_next: wp.array2d(dtype=real),
):
    """Semi-implicit: qvel_next = qvel + h qacc, then positions with the new velocity."""
    w = wp.tid()
    for i in range(qvel.shape[1]):
        qvel_next[w, i] = qvel[w, i] + timestep * qacc[w, i]
    integrate_joint_positions(w, jnt_type, jnt_qposadr, jnt_dofadr, qpos, qvel_next, timestep, qpos_next)
    advance_activations(
        w,
        actuator_actadr,
        actuator_dyntype,
        actuator_actlimited,
        actuator_actrange,
        actuator_on,
        actuator_dynprm,
        timestep,
        act,
        act_dot,
        act_next,
    )
