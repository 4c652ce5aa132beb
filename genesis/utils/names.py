"""Public names of Genesis's ``genesis.utils``: what is here, by module. Imports nothing."""

GEOM = (
    "R_to_T",
    "R_to_quat",
    "R_to_rot6d",
    "R_to_rotvec",
    "R_to_xyz",
    "T_to_pos_lookat_up",
    "T_to_quat",
    "T_to_trans",
    "T_to_trans_quat",
    "axis_angle_to_R",
    "axis_angle_to_quat",
    "compute_camera_angle",
    "cubic_spline_1d",
    "default_dofs_kp",
    "default_dofs_kv",
    "default_friction",
    "default_friction_rolling",
    "default_friction_torsional",
    "default_solver_params",
    "euler_to_R",
    "euler_to_quat",
    "generate_grid_points_on_plane",
    "generate_ring_points_on_sphere",
    "identity_quat",
    "inv_T",
    "inv_quat",
    "inv_transform_by_T",
    "inv_transform_by_quat",
    "inv_transform_by_trans_quat",
    "inv_transform_pos_quat_by_trans_quat",
    "normalize",
    "nowhere",
    "orthogonals",
    "polar",
    "pos_lookat_up_to_T",
    "quat_to_R",
    "quat_to_rotvec",
    "quat_to_xyz",
    "random_quaternion",
    "rot6d_to_R",
    "rotvec_to_R",
    "rotvec_to_quat",
    "scale_to_T",
    "slerp",
    "spherical_to_cartesian",
    "tc_identity_quat",
    "tc_zero_pos",
    "trans_R_to_T",
    "trans_quat_to_T",
    "trans_to_T",
    "transform_by_R",
    "transform_by_T",
    "transform_by_quat",
    "transform_by_trans_R",
    "transform_by_trans_quat",
    "transform_by_xyz",
    "transform_inertia_by_T",
    "transform_pos_quat_by_trans_quat",
    "transform_quat_by_quat",
    "xyz_to_quat",
    "z_to_R",
    "z_to_quat",
    "z_up_to_R",
    "zero_pos",
)

MISC = (
    "DeprecationError",
    "assert_built",
    "assert_gs_tensor",
    "assert_initialized",
    "assert_unbuilt",
    "broadcast_tensor",
    "concat_with_tensor",
    "data_to_array",
    "gaussian_crosstalk_kernel",
    "geometric_mean",
    "get_assets_dir",
    "get_cache_dir",
    "get_device",
    "get_entry_point_name",
    "get_gen_log_dir",
    "get_src_dir",
    "harmonic_mean",
    "has_display",
    "is_approx_multiple",
    "make_tensor_field",
    "raise_exception",
    "raise_exception_from",
    "redirect_libc_stderr",
    "sanitize_index",
    "sanitize_indices",
    "set_environ",
    "set_random_seed",
    "tensor_to_array",
    "tensor_to_cpu",
    "to_gs_tensor",
    "with_lock",
)

MODULES = ("geom", "misc", "terrain", "warnings")

COMPILED = (
    "it is for kernels and fields of Genesis's compiler (Quadrants, once Taichi), which this engine has not. State and "
    "parameters are torch tensors: use the getters of entities, the functions of torch, and those of "
    "genesis.utils.geom without the prefix."
)
"""Why what begins with "qd_" or "ti_" is not here."""

_KERNEL = "it is a function for kernels of Genesis's compiler, which this engine has not. "
_CROSS = _KERNEL + "Use torch.linalg.cross on the linear and the angular part."
_SOFTNESS = _KERNEL + "How soft constraints are is set by entity.set_sol_params()."
_OWN_INDICES = (
    "it is a helper of Genesis's own getters and setters. Here these take slices, lists and masks themselves."
)
_OWN_CACHE = "it is a folder of Genesis's own cache. The caches of this engine are Warp's and MuJoCo's."
_SCREEN = "nothing is drawn on a screen by this version."
_GPU = "it sizes kernels of Genesis's compiler. torch.cuda.get_device_properties() knows the device."

REFUSED: dict[str, dict[str, str]] = {
    "genesis.utils.geom": {
        "GeomConstants": "it holds constants of Genesis's own torch functions: call these functions.",
        "SpatialHasher": _KERNEL + "It finds neighbours of particles, and there are none here.",
        "imp_aref": _SOFTNESS,
        "imp_aref_grad": _SOFTNESS,
        "inertial_mul": _KERNEL + "entity.get_mass_mat() and entity.get_links_inertia() have the inertias.",
        "motion_cross_force": _CROSS,
        "motion_cross_motion": _CROSS,
        "motion_cross_motion_grad": _CROSS,
    },
    "genesis.utils.misc": {
        "assign_indexed_tensor": _OWN_INDICES,
        "get_indexed_shape": _OWN_INDICES,
        "indices_to_mask": _OWN_INDICES,
        "sanitize_indexed_tensor": _OWN_INDICES,
        "get_cvx_cache_dir": _OWN_CACHE,
        "get_exr_cache_dir": _OWN_CACHE,
        "get_gel_cache_dir": _OWN_CACHE,
        "get_gnd_cache_dir": _OWN_CACHE,
        "get_gsd_cache_dir": _OWN_CACHE,
        "get_ptc_cache_dir": _OWN_CACHE,
        "get_remesh_cache_dir": _OWN_CACHE,
        "get_tet_cache_dir": _OWN_CACHE,
        "get_usd_cache_dir": _OWN_CACHE,
        "get_default_screen": _SCREEN,
        "try_get_display_size": _SCREEN,
        "get_gpu_core_count": _GPU,
        "get_gpu_cores_per_unit": _GPU,
        "get_gpu_shared_tile_sizes": _GPU,
    },
}
"""Names of Genesis's modules that are refused, with the reason, besides those that begin with "qd_" or "ti_"."""
