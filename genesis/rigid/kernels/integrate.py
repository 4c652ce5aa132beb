"""Integration: the state one (sub)step later (MuJoCo: mj_Euler, mj_implicit, mj_advance).

Euler, implicitfast and implicit share one update; what is implicit in them is in the solve. RK4 has a file of its own.
"""

import warp as wp

from genesis.rigid.kernels.actuation import next_activation
from genesis.rigid.kernels.groups import Activations, Joints
from genesis.rigid.kernels.kinematics import integrate_joint_positions
from genesis.types import real, taped


@wp.func
def advance_activations(
    w: int,
    activations: Activations,
    h: real,
    act: wp.array2d(dtype=real),
    act_dot: wp.array2d(dtype=real),
    act_next: wp.array2d(dtype=real),
):
    for u in range(activations.actuator_actadr.shape[0]):
        adr = activations.actuator_actadr[u]
        if adr >= 0:
            if activations.actuator_on[w, u] == 1:
                act_next[w, adr] = next_activation(
                    act[w, adr],
                    act_dot[w, adr],
                    activations.actuator_dyntype[u],
                    activations.actuator_dynprm[w, u, 0],
                    activations.actuator_actlimited[u],
                    activations.actuator_actrange[u, 0],
                    activations.actuator_actrange[u, 1],
                    h,
                )
            else:
                act_next[w, adr] = act[w, adr]
    for i in range(activations.history_adr[0], activations.history_adr[activations.history_adr.shape[0] - 1]):
        act_next[w, i] = act_dot[w, i]


@taped
def advance(
    joints: Joints,
    activations: Activations,
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
    integrate_joint_positions(w, joints, qpos, qvel_next, timestep, qpos_next)
    advance_activations(
        w,
        activations,
        timestep,
        act,
        act_dot,
        act_next,
    )
