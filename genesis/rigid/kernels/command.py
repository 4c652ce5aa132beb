"""Commands to dofs: PD control, and forces.

Their force comes with its derivative by velocity, which the implicit integrators need.
"""

import warp as wp

from genesis.math.spatial import quat_from_euler, quat_normalize, quat_sub
from genesis.rigid.kernels.kinematics import BALL, FREE, read_quat, read_vec3
from genesis.types import real, taped

# Modes of a dof's command.
MODE_IDLE = wp.constant(0)
MODE_FORCE = wp.constant(1)
MODE_POSITION = wp.constant(2)
MODE_VELOCITY = wp.constant(3)
MODE_POSITION_VELOCITY = wp.constant(4)


@wp.func
def clip(x: real, low: real, high: real) -> real:
    """Clamp with the derivative of the clip: one inside and on the range, zero outside."""
    y = x
    if x < low:
        y = low
    if x > high:
        y = high
    return y


@taped
def position_error(
    jnt_type: wp.array(dtype=int),
    jnt_qposadr: wp.array(dtype=int),
    jnt_dofadr: wp.array(dtype=int),
    dof_position: wp.array2d(dtype=real),
    qpos: wp.array2d(dtype=real),
    dof_error: wp.array2d(dtype=real),
):
    """Distance of each dof from its position target; rotations: the rotation vector to it, in the link's frame."""
    w = wp.tid()
    for j in range(jnt_type.shape[0]):
        q = jnt_qposadr[j]
        d = jnt_dofadr[j]
        turn = -1
        if jnt_type[j] == FREE:
            for k in range(3):
                dof_error[w, d + k] = dof_position[w, d + k] - qpos[w, q + k]
            turn = 3
        elif jnt_type[j] == BALL:
            turn = 0
        else:
            dof_error[w, d] = dof_position[w, d] - qpos[w, q]
        if turn >= 0:
            target = quat_from_euler(read_vec3(dof_position, w, d + turn))
            error = quat_sub(target, quat_normalize(read_quat(qpos, w, q + turn)))
            for k in range(3):
                dof_error[w, d + turn + k] = error[k]


@taped
def command(
    ctrl_mode: wp.array2d(dtype=int),
    dof_kp: wp.array2d(dtype=real),
    dof_kv: wp.array2d(dtype=real),
    dof_force_range: wp.array3d(dtype=real),
    dof_force: wp.array2d(dtype=real),
    dof_velocity: wp.array2d(dtype=real),
    dof_error: wp.array2d(dtype=real),
    qvel: wp.array2d(dtype=real),
    qfrc_command: wp.array2d(dtype=real),
    dcommand_dvel: wp.array2d(dtype=real),
):
    """Force of the command in force on each dof, clipped to its force range, and its derivative by velocity."""
    w = wp.tid()
    for i in range(qvel.shape[1]):
        mode = ctrl_mode[w, i]
        force = real(0.0)
        slope = real(0.0)
        if mode == MODE_FORCE:
            force = dof_force[w, i]
        elif mode == MODE_POSITION:
            force = dof_kp[w, i] * dof_error[w, i] - dof_kv[w, i] * qvel[w, i]
            slope = -dof_kv[w, i]
        elif mode == MODE_VELOCITY:
            force = dof_kv[w, i] * (dof_velocity[w, i] - qvel[w, i])
            slope = -dof_kv[w, i]
        elif mode == MODE_POSITION_VELOCITY:
            force = dof_kp[w, i] * dof_error[w, i] + dof_kv[w, i] * (dof_velocity[w, i] - qvel[w, i])
            slope = -dof_kv[w, i]
        low = dof_force_range[w, i, 0]
        high = dof_force_range[w, i, 1]
        qfrc_command[w, i] = clip(force, low, high)
        # a saturated command does not depend on the velocity (MuJoCo: mjd_actuator_vel)
        if force <= low or force >= high:
            dcommand_dvel[w, i] = real(0.0)
        else:
            dcommand_dvel[w, i] = slope
