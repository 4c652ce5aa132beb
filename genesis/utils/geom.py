"""Genesis's ``genesis.utils.geom``: rotations, frames and transforms of torch tensors and numpy arrays.

Each public function of Genesis 1.4.5 is here under its name, with its arguments, conventions and types of results, or
is refused by name. See ``docs/utils.md`` for where results differ from Genesis's.
"""

# ruff: noqa: F401 (`__all__` is made from the list of names)
from __future__ import annotations

from typing import NoReturn

from genesis.utils.defaults import (
    default_dofs_kp,
    default_dofs_kv,
    default_friction,
    default_friction_rolling,
    default_friction_torsional,
    default_solver_params,
    identity_quat,
    nowhere,
    tc_identity_quat,
    tc_zero_pos,
    zero_pos,
)
from genesis.utils.frames import (
    R_to_T,
    T_to_pos_lookat_up,
    T_to_quat,
    T_to_trans,
    T_to_trans_quat,
    compute_camera_angle,
    inv_T,
    inv_transform_by_T,
    inv_transform_by_trans_quat,
    inv_transform_pos_quat_by_trans_quat,
    pos_lookat_up_to_T,
    scale_to_T,
    spherical_to_cartesian,
    trans_quat_to_T,
    trans_R_to_T,
    trans_to_T,
    transform_by_R,
    transform_by_T,
    transform_by_trans_quat,
    transform_by_trans_R,
    transform_inertia_by_T,
    transform_pos_quat_by_trans_quat,
    z_up_to_R,
)
from genesis.utils.names import GEOM
from genesis.utils.quaternions import (
    R_to_quat,
    R_to_rot6d,
    R_to_rotvec,
    R_to_xyz,
    axis_angle_to_quat,
    axis_angle_to_R,
    euler_to_quat,
    euler_to_R,
    inv_quat,
    inv_transform_by_quat,
    normalize,
    polar,
    quat_to_R,
    quat_to_rotvec,
    quat_to_xyz,
    rot6d_to_R,
    rotvec_to_quat,
    rotvec_to_R,
    slerp,
    transform_by_quat,
    transform_by_xyz,
    transform_quat_by_quat,
    xyz_to_quat,
    z_to_quat,
    z_to_R,
)
from genesis.utils.refused import missing
from genesis.utils.sampling import (
    cubic_spline_1d,
    generate_grid_points_on_plane,
    generate_ring_points_on_sphere,
    orthogonals,
    random_quaternion,
)

__all__ = list(GEOM)


def __getattr__(name: str) -> NoReturn:
    raise missing(__name__, name)
