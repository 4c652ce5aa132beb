"""Every function of genesis.utils.geom against SciPy on random batches: arrays, tensors of 32 and 64 bits, gradients."""

import inspect

import numpy as np
import pytest
import torch
from scipy.interpolate import CubicSpline
from scipy.linalg import polar as scipy_polar
from scipy.spatial.transform import Rotation, Slerp

import genesis as gs
from genesis.utils import geom as gu
from genesis.utils.names import GEOM

# A few dozen operations on numbers of order one: rounding error, of arrays and tensors of 64 bits, and of 32.
TOLERANCE = {np.float64: 1e-13, torch.float64: 1e-13, torch.float32: 1e-5, np.float32: 1e-5}
B = 40


def quat_of(rotation: Rotation) -> np.ndarray:
    return np.roll(rotation.as_quat(), 1, -1)


def rotation_of(quat: np.ndarray) -> Rotation:
    return Rotation.from_quat(np.roll(quat, -1, -1))


def frame_of(trans: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    frames = np.tile(np.eye(4), (len(trans), 1, 1))
    frames[:, :3, :3], frames[:, :3, 3] = matrix, trans
    return frames


def _numbers():
    rng = np.random.default_rng(7)
    q, p = rng.normal(size=(2, B, 4))
    q = q * np.exp(rng.normal(size=(B, 1)))  # of any length
    return rng, q, p


RNG, Q, P = _numbers()
UNIT = Q / np.linalg.norm(Q, axis=-1, keepdims=True)
V, W, T3 = RNG.normal(size=(3, B, 3))
XYZ = RNG.uniform(-1, 1, size=(B, 3)) * np.array([3.1, 1.5, 3.1])
ANGLE = RNG.uniform(-6, 6, size=B)
SMALL = V / np.linalg.norm(V, axis=-1, keepdims=True) * RNG.uniform(0, 3.1, size=(B, 1))
PART = RNG.uniform(size=B)
MATRIX, LIST = rotation_of(Q).as_matrix(), RNG.normal(size=(B, 5, 3))
FRAME = frame_of(T3, MATRIX)
A = RNG.normal(size=(B, 3, 3))
A_PROPER = A * np.sign(np.linalg.det(A))[:, None, None]
KNOTS, SAMPLES = np.sort(RNG.uniform(size=9)), RNG.normal(size=(9, 2))
R_Q, R_P = rotation_of(Q), rotation_of(P)


def aligned(quat: np.ndarray, like: np.ndarray) -> np.ndarray:
    """A quaternion with the sign of another."""
    return quat * np.sign((quat * like).sum(-1, keepdims=True))


def slerp_by_scipy(q, p, parts):
    return np.stack(
        [quat_of(Slerp([0, 1], rotation_of(np.stack(pair)))(part)) for *pair, part in zip(q, p, parts, strict=True)]
    )


def polar_by_scipy(matrices, side):
    return tuple(np.stack(part) for part in zip(*(scipy_polar(one, side) for one in matrices), strict=True))


def look_by_scipy(z, up):
    """Columns x, y, z, x along up x z: the rotation that takes the axes to them."""
    return np.stack(
        [
            Rotation.align_vectors([a, np.cross(b, a)], [[0, 0, 1], [1, 0, 0]])[0].as_matrix()
            for a, b in zip(z, up, strict=True)
        ]
    )


def inertia_by_points():
    """Of points with masses: their inertia about the centre and about the origin."""
    mass, at = RNG.uniform(1, 2, size=6), RNG.normal(size=(6, 3))
    at = at - (mass[:, None] * at).sum(0) / mass.sum()

    def inertia(points):
        return sum(m * (x @ x * np.eye(3) - np.outer(x, x)) for m, x in zip(mass, points, strict=True))

    return inertia(at), mass.sum(), inertia(at @ MATRIX[0].T + T3[0])


INERTIA, MASS, INERTIA_ABOUT_ORIGIN = inertia_by_points()

# Name, arguments, keywords, what SciPy (or the definition) says. Quaternions of results: up to their sign.
CASES = [
    ("inv_quat", (UNIT,), {}, quat_of(R_Q.inv())),
    ("transform_quat_by_quat", (P, Q), {}, quat_of(R_Q * R_P)),
    ("transform_by_quat", (V, Q), {}, R_Q.apply(V)),
    ("inv_transform_by_quat", (V, Q), {}, R_Q.inv().apply(V)),
    ("transform_by_xyz", (V, XYZ), {}, Rotation.from_euler("XYZ", XYZ).apply(V)),
    ("xyz_to_quat", (XYZ,), {}, quat_of(Rotation.from_euler("XYZ", XYZ))),
    ("xyz_to_quat", (XYZ,), {"rpy": True}, quat_of(Rotation.from_euler("xyz", XYZ))),
    ("xyz_to_quat", (50 * XYZ,), {"degrees": True}, quat_of(Rotation.from_euler("XYZ", 50 * XYZ, degrees=True))),
    ("quat_to_xyz", (Q,), {}, R_Q.as_euler("XYZ")),
    ("quat_to_xyz", (Q,), {"rpy": True}, R_Q.as_euler("xyz")),
    ("quat_to_xyz", (Q,), {"rpy": True, "degrees": True}, R_Q.as_euler("xyz", degrees=True)),
    ("quat_to_R", (Q,), {}, MATRIX),
    ("R_to_quat", (MATRIX,), {}, UNIT),
    ("R_to_xyz", (MATRIX,), {}, R_Q.as_euler("XYZ")),
    ("R_to_xyz", (MATRIX,), {"rpy": True, "degrees": True}, R_Q.as_euler("xyz", degrees=True)),
    ("euler_to_quat", (50 * XYZ,), {}, quat_of(Rotation.from_euler("xyz", 50 * XYZ, degrees=True))),
    ("euler_to_R", (50 * XYZ,), {}, Rotation.from_euler("xyz", 50 * XYZ, degrees=True).as_matrix()),
    ("rotvec_to_quat", (V,), {}, quat_of(Rotation.from_rotvec(V))),
    ("quat_to_rotvec", (Q,), {}, R_Q.as_rotvec()),
    ("rotvec_to_R", (V,), {}, Rotation.from_rotvec(V).as_matrix()),
    ("R_to_rotvec", (MATRIX,), {}, R_Q.as_rotvec()),
    (
        "axis_angle_to_quat",
        (ANGLE, SMALL),
        {},
        quat_of(Rotation.from_rotvec(ANGLE[:, None] * SMALL / np.linalg.norm(SMALL, axis=-1, keepdims=True))),
    ),
    (
        "axis_angle_to_R",
        (SMALL, ANGLE),
        {},
        Rotation.from_rotvec(ANGLE[:, None] * SMALL / np.linalg.norm(SMALL, axis=-1, keepdims=True)).as_matrix(),
    ),
    ("z_to_quat", (V,), {}, np.stack([quat_of(Rotation.align_vectors(v, [0, 0, 1])[0]) for v in V])),
    ("z_to_R", (V,), {}, np.stack([Rotation.align_vectors(v, [0, 0, 1])[0].as_matrix() for v in V])),
    ("normalize", (V,), {}, V / np.linalg.norm(V, axis=-1, keepdims=True)),
    ("rot6d_to_R", (MATRIX[:, :2].reshape(B, 6) * 2.0,), {}, MATRIX),
    ("R_to_rot6d", (MATRIX,), {}, MATRIX[:, :2].reshape(B, 6)),
    ("slerp", (Q, P, PART), {}, slerp_by_scipy(Q, P, PART)),
    ("polar", (A_PROPER,), {}, polar_by_scipy(A_PROPER, "right")),
    ("polar", (A_PROPER,), {"side": "left"}, polar_by_scipy(A_PROPER, "left")),
    ("polar", (A, False), {}, polar_by_scipy(A, "right")),
    ("polar", (A[:, :, :2],), {}, polar_by_scipy(A[:, :, :2], "right")),
    ("polar", (A[:, :2], True, "left"), {}, polar_by_scipy(A[:, :2], "left")),
    ("transform_by_trans_quat", (V, T3, Q), {}, R_Q.apply(V) + T3),
    ("inv_transform_by_trans_quat", (V, T3, Q), {}, R_Q.inv().apply(V - T3)),
    ("transform_pos_quat_by_trans_quat", (V, P, T3, Q), {}, (R_Q.apply(V) + T3, quat_of(R_Q * R_P))),
    (
        "inv_transform_pos_quat_by_trans_quat",
        (V, P, T3, UNIT),
        {},
        (R_Q.inv().apply(V - T3), quat_of(R_Q.inv() * R_P)),
    ),
    ("transform_by_R", (V, MATRIX), {}, R_Q.apply(V)),
    ("transform_by_R", (LIST, MATRIX), {}, np.stack([r.apply(x) for r, x in zip(R_Q, LIST, strict=True)])),
    ("transform_by_R", (LIST, MATRIX[0]), {}, R_Q[0].apply(LIST.reshape(-1, 3)).reshape(LIST.shape)),
    ("transform_by_trans_R", (V, T3, MATRIX), {}, R_Q.apply(V) + T3),
    ("transform_by_T", (V, FRAME), {}, R_Q.apply(V) + T3),
    (
        "transform_by_T",
        (LIST, FRAME),
        {},
        np.stack([r.apply(x) + t for r, x, t in zip(R_Q, LIST, T3, strict=True)]),
    ),
    (
        "inv_transform_by_T",
        (LIST, FRAME),
        {},
        np.stack([r.inv().apply(x - t) for r, x, t in zip(R_Q, LIST, T3, strict=True)]),
    ),
    ("inv_T", (FRAME,), {}, np.linalg.inv(FRAME)),
    ("trans_R_to_T", (T3, MATRIX), {}, FRAME),
    ("trans_quat_to_T", (T3, Q), {}, FRAME),
    ("trans_quat_to_T", (), {"quat": Q}, frame_of(0 * T3, MATRIX)),
    ("R_to_T", (MATRIX,), {}, frame_of(0 * T3, MATRIX)),
    ("trans_to_T", (T3,), {}, frame_of(T3, np.eye(3))),
    ("scale_to_T", (T3,), {}, frame_of(0 * T3, T3[:, :, None] * np.eye(3))),
    ("T_to_trans", (FRAME,), {}, T3),
    ("T_to_quat", (FRAME,), {}, UNIT),
    ("T_to_trans_quat", (FRAME,), {}, (T3, UNIT)),
    ("z_up_to_R", (V, W), {}, look_by_scipy(V, W)),
    ("z_up_to_R", (V,), {}, look_by_scipy(V, np.tile([0, 0, -1.0], (B, 1)))),
    ("pos_lookat_up_to_T", (V, W, T3), {}, frame_of(V, look_by_scipy(V - W, T3))),
    ("T_to_pos_lookat_up", (FRAME,), {}, (T3, T3 - MATRIX[:, :, 2], MATRIX[:, :, 1])),
    ("transform_inertia_by_T", (INERTIA, FRAME[0], np.array(MASS)), {}, INERTIA_ABOUT_ORIGIN),
    (
        "spherical_to_cartesian",
        (ANGLE, PART),
        {},
        Rotation.from_euler("ZY", np.stack([ANGLE, -PART], -1)).apply([1.0, 0, 0]),
    ),
    ("orthogonals", (SMALL / np.linalg.norm(SMALL, axis=-1, keepdims=True),), {}, None),
    ("cubic_spline_1d", (KNOTS, SAMPLES, PART), {}, CubicSpline(KNOTS, SAMPLES)(PART)),
    ("cubic_spline_1d", (KNOTS[:3], SAMPLES[:3], PART), {}, CubicSpline(KNOTS[:3], SAMPLES[:3])(PART)),
    ("cubic_spline_1d", (KNOTS[:2], SAMPLES[:2], PART), {}, CubicSpline(KNOTS[:2], SAMPLES[:2])(PART)),
]
IDS = [f"{name}-{k}" for k, (name, *_) in enumerate(CASES)]


@pytest.mark.parametrize("kind", [np.float64, np.float32, torch.float64, torch.float32], ids=str)
@pytest.mark.parametrize(("name", "arguments", "keywords", "expected"), CASES, ids=IDS)
def test_against_scipy(name, arguments, keywords, expected, kind):
    def given(value):
        if not isinstance(value, np.ndarray):
            return value
        return torch.as_tensor(value, dtype=kind) if isinstance(kind, torch.dtype) else value.astype(kind)

    result = getattr(gu, name)(*map(given, arguments), **{key: given(value) for key, value in keywords.items()})
    results = result if isinstance(result, tuple) else (result,)
    if expected is None:
        a = arguments[0]
        b, c = (np.asarray(part) for part in results)
        expected = (np.cross(c, a), np.cross(a, b))
        assert np.allclose((b * b).sum(-1), 1.0, atol=TOLERANCE[kind])
    for found, wanted in zip(results, expected if isinstance(expected, tuple) else (expected,), strict=True):
        assert type(found) is (torch.Tensor if isinstance(kind, torch.dtype) else np.ndarray)
        assert found.dtype == kind
        found = np.asarray(found, dtype=np.float64)
        if found.shape[-1] == 4 and found.ndim == 2:
            found = aligned(found, wanted)
        scale = 60.0 if keywords.get("degrees") or name.startswith("euler") else 1.0  # degrees, and angles of hundreds
        conditioned = (
            100.0
            if name
            in ("polar", "cubic_spline_1d", "rot6d_to_R", "z_up_to_R", "R_to_xyz", "quat_to_xyz", "pos_lookat_up_to_T")
            else 10.0
        )
        assert found.shape == wanted.shape
        assert np.abs(found - wanted).max() <= scale * conditioned * TOLERANCE[kind]


def _leaves(arguments, keywords):
    tensors = [
        torch.tensor(x[:3] if x.shape[:1] == (B,) else x, requires_grad=True)
        for x in arguments
        if isinstance(x, np.ndarray)
    ]
    plain = [x for x in arguments if not isinstance(x, np.ndarray)]
    named = {key: torch.tensor(x[:3]) if isinstance(x, np.ndarray) else x for key, x in keywords.items()}
    return tensors, plain, named


@pytest.mark.parametrize(("name", "arguments", "keywords", "_expected"), CASES, ids=IDS)
def test_gradients(name, arguments, keywords, _expected):
    tensors, plain, named = _leaves(arguments, keywords)
    if not tensors:
        tensors, named = [named.pop("quat").requires_grad_()], {}
        assert torch.autograd.gradcheck(lambda quat: gu.trans_quat_to_T(quat=quat), tensors)
        return
    assert torch.autograd.gradcheck(lambda *x: getattr(gu, name)(*x, *plain, **named), tensors)


def test_each_public_function_is_here_or_refused():
    """The names of Genesis 1.4.5's genesis/utils/geom.py."""
    refused = (
        "GeomConstants SpatialHasher imp_aref imp_aref_grad inertial_mul motion_cross_force motion_cross_motion "
        "motion_cross_motion_grad qd_R_to_xyz qd_acos_fast qd_atan2_fast qd_compare_sign qd_hash01 qd_i_cross_vec "
        "qd_identity_quat qd_inv_quat qd_inv_transform_by_T qd_inv_transform_by_quat qd_inv_transform_by_trans_quat "
        "qd_inv_transform_motion_by_trans_quat qd_is_equal_vec qd_j_cross_vec qd_k_cross_vec qd_normalize qd_nowhere "
        "qd_orthogonals qd_quat_mul qd_quat_mul_axis qd_quat_mul_grad_lhs qd_quat_mul_grad_rhs qd_quat_to_R "
        "qd_quat_to_rotvec qd_quat_to_xyz qd_quat_to_xyz_grad_quat qd_rotvec_to_R qd_rotvec_to_quat "
        "qd_rotvec_to_quat_grad_rotvec qd_tet_vol qd_trans_quat_to_T qd_transform_by_T qd_transform_by_quat "
        "qd_transform_by_quat_fast qd_transform_by_quat_grad_quat qd_transform_by_trans_quat "
        "qd_transform_by_trans_quat_fast qd_transform_inertia_by_trans_quat qd_transform_motion_by_trans_quat "
        "qd_transform_pos_quat_by_trans_quat qd_transform_quat_by_quat qd_vec3 qd_xyz_to_quat ti_quat_to_R"
    ).split()
    here = (
        "R_to_T R_to_quat R_to_rot6d R_to_rotvec R_to_xyz T_to_pos_lookat_up T_to_quat T_to_trans T_to_trans_quat "
        "axis_angle_to_R axis_angle_to_quat compute_camera_angle cubic_spline_1d default_dofs_kp default_dofs_kv "
        "default_friction default_friction_rolling default_friction_torsional default_solver_params euler_to_R "
        "euler_to_quat generate_grid_points_on_plane generate_ring_points_on_sphere identity_quat inv_T inv_quat "
        "inv_transform_by_T inv_transform_by_quat inv_transform_by_trans_quat inv_transform_pos_quat_by_trans_quat "
        "normalize nowhere orthogonals polar pos_lookat_up_to_T quat_to_R quat_to_rotvec quat_to_xyz "
        "random_quaternion rot6d_to_R rotvec_to_R rotvec_to_quat scale_to_T slerp spherical_to_cartesian "
        "tc_identity_quat tc_zero_pos trans_R_to_T trans_quat_to_T trans_to_T transform_by_R transform_by_T "
        "transform_by_quat transform_by_trans_R transform_by_trans_quat transform_by_xyz transform_inertia_by_T "
        "transform_pos_quat_by_trans_quat transform_quat_by_quat xyz_to_quat z_to_R z_to_quat z_up_to_R zero_pos"
    ).split()
    assert sorted(GEOM) == sorted(here) == sorted(gu.__all__)
    for name in here:
        assert callable(getattr(gu, name)), name
        assert inspect.getdoc(getattr(gu, name)), name
        assert getattr(gs, name) is getattr(gu, name), name  # as in Genesis
    for name in refused:
        assert not hasattr(gu, name)
        with pytest.raises(gs.GenesisException, match=rf"{name}.*is not here"):
            getattr(gu, name)


def test_imports_of_refused_names_say_why():
    with pytest.raises(ImportError, match="without the prefix") as caught:
        from genesis.utils.geom import qd_quat_to_R  # noqa: F401
    assert isinstance(caught.value, gs.GenesisException)
    with pytest.raises(ImportError, match="is not here"):
        from genesis.utils import qd_to_torch  # noqa: F401
    with pytest.raises(ImportError, match="cannot import name"):
        from genesis.utils.geom import nothing  # noqa: F401
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        _ = gu.nothing
    assert gs.utils.geom is gu


def names_tested() -> set[str]:
    return {name for name, *_ in CASES}


def test_the_other_functions():
    assert np.allclose(gu.compute_camera_angle((1.0, 2.0, 3.0), (1.0, 3.0, 2.0)), [0.0, np.pi / 4, 0.0])
    assert np.allclose(gu.compute_camera_angle((0.0, 0.0, 0.0), (-1.0, 0.0, 0.0)), [np.pi / 2, 0.0, 0.0])
    grid = gu.generate_grid_points_on_plane((0.0, 0, 2), (3.0, 1, 2), (0, 0, 2.0), 4, 3)
    assert grid.shape == (3, 4, 3)
    assert np.allclose(grid[..., 2], 2.0)
    assert np.allclose(sorted(set(grid[..., 0].round(9).ravel())), [0, 1, 2, 3])
    points, normals = gu.generate_ring_points_on_sphere(0.5, (0, 1, 1), 4, 0.1, return_normals=True)
    assert np.allclose(np.linalg.norm(points, axis=-1), 0.5)
    assert np.allclose(points, 0.5 * normals)
    assert np.allclose(points[0], 0.5 * np.sqrt([0, 0.5, 0.5]))
    assert len(points) == 1 + 16 + 28 + 32  # ceil of 2 pi 0.5 sin(k pi/6) / 0.1
    quats = gu.random_quaternion(2000)
    # Of uniform rotations the mean matrix is zero; each element has a deviation of 1/sqrt(3 n) = 0.013.
    assert np.abs(gu.quat_to_R(quats).mean(0)).max() < 0.06
    assert np.allclose((quats * quats).sum(-1), 1.0)
    assert gu.zero_pos().tolist() == gu.tc_zero_pos().tolist() == [0, 0, 0]
    assert gu.identity_quat().tolist() == gu.tc_identity_quat().tolist() == [1, 0, 0, 0]
    assert gu.nowhere().shape == (3,)
    assert gu.default_solver_params().tolist() == [0.0, 1.0, 0.9, 0.95, 0.001, 0.5, 2.0]
    assert (gu.default_friction(), gu.default_friction_torsional()) == (1.0, 0.005)
    assert gu.default_friction_rolling() == 0.0001
    assert gu.default_dofs_kp(2).tolist() == [100.0, 100.0]
    assert gu.default_dofs_kv().tolist() == [10.0] * 6
    others = {
        *("compute_camera_angle", "generate_grid_points_on_plane", "generate_ring_points_on_sphere", "nowhere"),
        *("random_quaternion", "zero_pos", "tc_zero_pos", "identity_quat", "tc_identity_quat", "default_solver_params"),
        *(name for name in GEOM if name.startswith("default_")),
    }
    assert names_tested() | others == set(GEOM)
