"""Contacts of planes and of round geoms: number, distance, position and frame against MuJoCo, adjoints against differences."""

from dataclasses import dataclass

import mujoco
import numpy as np
import pytest
import warp as wp

from genesis.rigid.kernels.collision import plane, round
from genesis.types import mat33, real, vec3

# Forward: both sides round differently; quantities are of order one.
FORWARD_TOLERANCE = 1e-11
# Central differences of steps h and 2 h, extrapolated, are good to about (h / r)^4 + 1e-16 / h, r the radius of curvature;
# where the two differ by more than AGREEMENT, about (h / r)^2, they are not used.
STEP = 1e-5
AGREEMENT = 1e-5
ADJOINT_TOLERANCE = 1e-8
SLOTS = 8
N_RANDOM = 150  # poses a kind and margin


@dataclass(frozen=True)
class Kind:
    type1: str
    type2: str
    evaluate: wp.Kernel  # geometry of given features
    select: wp.Kernel  # features, from the poses


def make_kind(type1, type2, geometry, collide):
    @wp.kernel
    def evaluate(
        feature: wp.array2d(dtype=int),
        pos1: wp.array(dtype=vec3),
        mat1: wp.array(dtype=mat33),
        size1: wp.array(dtype=vec3),
        pos2: wp.array(dtype=vec3),
        mat2: wp.array(dtype=mat33),
        size2: wp.array(dtype=vec3),
        dist: wp.array(dtype=real),
        pos: wp.array(dtype=vec3),
        normal: wp.array(dtype=vec3),
        tangent: wp.array(dtype=vec3),
    ):
        i = wp.tid()
        d, p, n, t = geometry(
            feature[i, 0],
            feature[i, 1],
            feature[i, 2],
            feature[i, 3],
            pos1[i],
            mat1[i],
            size1[i],
            pos2[i],
            mat2[i],
            size2[i],
        )
        dist[i] = d
        pos[i] = p
        normal[i] = n
        tangent[i] = t

    @wp.kernel(enable_backward=False)
    def select(
        margin: real,
        pos1: wp.array(dtype=vec3),
        mat1: wp.array(dtype=mat33),
        size1: wp.array(dtype=vec3),
        pos2: wp.array(dtype=vec3),
        mat2: wp.array(dtype=mat33),
        size2: wp.array(dtype=vec3),
        ncon: wp.array2d(dtype=int),
        con_pair: wp.array2d(dtype=int),
        con_feature: wp.array3d(dtype=int),
    ):
        i = wp.tid()
        collide(
            i,
            i + 7,
            margin,
            pos1[i],
            mat1[i],
            size1[i],
            pos2[i],
            mat2[i],
            size2[i],
            ncon,
            con_pair,
            con_feature,
        )

    return Kind(type1, type2, evaluate, select)


KINDS = {
    name: make_kind(*name.split("_"), getattr(module, name), getattr(module, f"collide_{name}"))
    for module, names in (
        (plane, ("plane_sphere", "plane_capsule", "plane_cylinder", "plane_ellipsoid", "plane_box")),
        (round, ("sphere_sphere", "sphere_capsule", "sphere_cylinder", "sphere_box", "capsule_capsule")),
    )
    for name in names
}

# ---------------------------------------------------------------- both sides


@dataclass
class Poses:
    """Two geoms each in n situations: pos shape (n, 3), mat shape (n, 3, 3), size shape (n, 3)."""

    pos1: np.ndarray
    mat1: np.ndarray
    size1: np.ndarray
    pos2: np.ndarray
    mat2: np.ndarray
    size2: np.ndarray

    def arrays(self, grad=False):
        types = (vec3, mat33, vec3, vec3, mat33, vec3)
        return [
            wp.array(np.ascontiguousarray(v), dtype=t, device="cpu", requires_grad=grad)
            for v, t in zip(vars(self).values(), types, strict=True)
        ]

    def __getitem__(self, index):
        return Poses(*(v[index] for v in vars(self).values()))


def concatenate(poses):
    return Poses(*(np.concatenate([vars(p)[name] for p in poses]) for name in vars(poses[0])))


def select(kind, poses, margin):
    """Features of all contacts, shape (m, 4), and the situation of each, shape (m,)."""
    n = len(poses.pos1)
    ncon = wp.zeros((n, 1), dtype=int, device="cpu")
    pair = wp.full((n, SLOTS), -1, dtype=int, device="cpu")
    feature = wp.zeros((n, SLOTS, 4), dtype=int, device="cpu")
    wp.launch(
        KINDS[kind].select, n, [real(margin), *poses.arrays(), ncon, pair, feature], device="cpu", record_tape=False
    )
    used = np.arange(SLOTS) < ncon.numpy()
    np.testing.assert_array_equal(pair.numpy()[used], np.nonzero(used)[0] + 7)
    return feature.numpy()[used], np.nonzero(used)[0]


def evaluate(kind, feature, poses):
    """dist, pos, normal, tangent side by side, shape (m, 10)."""
    n = len(feature)
    out = [wp.empty(n, dtype=t, device="cpu") for t in (real, vec3, vec3, vec3)]
    features = wp.array(np.ascontiguousarray(feature), dtype=int, device="cpu")
    wp.launch(KINDS[kind].evaluate, n, [features, *poses.arrays(), *out], device="cpu", record_tape=False)
    return np.concatenate([out[0].numpy()[:, None], *(o.numpy().reshape(n, 3) for o in out[1:])], axis=1)


def adjoint(kind, feature, poses, weight):
    """Gradient of sum(weight * evaluate(...)): one array for each of the six inputs."""
    n = len(feature)
    inputs = poses.arrays(grad=True)
    types = (real, vec3, vec3, vec3)
    out = [wp.empty(n, dtype=t, device="cpu", requires_grad=True) for t in types]
    columns = (weight[:, 0], weight[:, 1:4], weight[:, 4:7], weight[:, 7:10])
    seeds = [wp.array(np.ascontiguousarray(c), dtype=t, device="cpu") for c, t in zip(columns, types, strict=True)]
    features = wp.array(np.ascontiguousarray(feature), dtype=int, device="cpu")
    wp.launch(
        KINDS[kind].evaluate,
        n,
        inputs=[features, *inputs],
        outputs=out,
        adj_inputs=[None, *(a.grad for a in inputs)],
        adj_outputs=seeds,
        adjoint=True,
        device="cpu",
        record_tape=False,
    )
    return [a.grad.numpy() for a in inputs]


def text(values):
    return " ".join(repr(float(v)) for v in values)


def quat_of(mat):
    q = np.zeros(4)
    mujoco.mju_mat2Quat(q, np.ascontiguousarray(mat).ravel())
    return q


def reference(kind, poses, margin):
    """MuJoCo's contacts (dist, pos, frame: shape (m, 13)), the situation of each, and the poses as MuJoCo computed them."""
    rows, owner, used = [], [], []
    for i in range(len(poses.pos1)):
        p = poses[i]
        model = mujoco.MjModel.from_xml_string(f"""<mujoco><worldbody>
          <geom type="{KINDS[kind].type1}" size="{text(p.size1)}" pos="{text(p.pos1)}" quat="{text(quat_of(p.mat1))}"
            margin="{float(margin)!r}"/>
          <body pos="{text(p.pos2)}" quat="{text(quat_of(p.mat2))}"><freejoint/>
            <geom type="{KINDS[kind].type2}" size="{text(p.size2)}"/></body></worldbody></mujoco>""")
        data = mujoco.MjData(model)
        mujoco.mj_kinematics(model, data)
        mujoco.mj_comPos(model, data)
        mujoco.mj_collision(model, data)
        rows += [[c.dist, *c.pos, *c.frame] for c in data.contact]
        owner += [i] * data.ncon
        x, m, s = data.geom_xpos.copy(), data.geom_xmat.reshape(-1, 3, 3).copy(), model.geom_size.copy()
        used.append(Poses(x[:1], m[:1], s[:1], x[1:], m[1:], s[1:]))
    return np.array(rows).reshape(-1, 13), np.array(owner, dtype=int), concatenate(used)


def frames(normal, tangent):
    """mju_makeFrame: the frame of each normal, the second axis taken from the tangent hint if there is one."""
    result = []
    for x, y in zip(normal, tangent, strict=True):
        if y @ y < 0.25:
            y = np.array([0.0, 1.0, 0.0]) if abs(x[1]) < 0.5 else np.array([0.0, 0.0, 1.0])
        y = y - x * (x @ y)
        norm = np.linalg.norm(y)
        y = np.array([1.0, 0.0, 0.0]) if norm < 1e-15 else y / norm
        result.append(np.concatenate([x, y, np.cross(x, y)]))
    return np.array(result).reshape(-1, 9)


def compare(kind, poses, margin, tolerance=FORWARD_TOLERANCE):
    """Contacts equal MuJoCo's; returns (features, poses of each contact, largest difference)."""
    expected, owner, poses = reference(kind, poses, margin)
    feature, ours = select(kind, poses, margin)
    np.testing.assert_array_equal(ours, owner)
    poses = poses[ours]
    values = evaluate(kind, feature, poses)
    got = np.concatenate([values[:, :4], frames(values[:, 4:7], values[:, 7:])], axis=1)
    np.testing.assert_allclose(got, expected, rtol=0, atol=tolerance)
    return feature, poses, np.abs(got - expected).max(initial=0.0)


# ---------------------------------------------------------------- random situations


def rotations(rng, n):
    q = rng.standard_normal((n, 4))
    return np.array([rotation_matrix(v / np.linalg.norm(v)) for v in q])


def rotation_matrix(q):
    mat = np.zeros(9)
    mujoco.mju_quat2Mat(mat, q)
    return mat.reshape(3, 3)


def random_poses(kind, rng, n):
    """From deep to just apart: the centres at a random part of the distance at which the geoms could touch."""
    size1, size2 = rng.uniform(0.05, 0.3, (2, n, 3))
    mat1, mat2 = rotations(rng, n), rotations(rng, n)
    pos1 = rng.standard_normal((n, 3))
    reach = size1.sum(1) + size2.sum(1)
    if KINDS[kind].type1 == "plane":
        height = rng.uniform(-0.5, 0.6, n) * reach
        local = np.stack([*rng.uniform(-1, 1, (2, n)), height], axis=1)
        pos2 = pos1 + np.einsum("nij,nj->ni", mat1, local)
    else:
        direction = rng.standard_normal((n, 3))
        direction /= np.linalg.norm(direction, axis=1, keepdims=True)
        pos2 = pos1 + direction * (rng.uniform(0.0, 0.8, n) * reach)[:, None]
    return Poses(pos1, mat1, size1, pos2, mat2, size2)


@pytest.mark.parametrize("margin", [0.0, 0.03])
@pytest.mark.parametrize("kind", KINDS)
def test_contacts_equal_mujoco(kind, margin):
    rng = np.random.default_rng(sum(map(ord, kind)))
    poses = random_poses(kind, rng, N_RANDOM)
    feature, at, _ = compare(kind, poses, margin)
    assert N_RANDOM / 5 < len(feature)

    # Grazing: moved along the normal until the distance differs from the margin by 1e-9, to either side.
    values = evaluate(kind, feature, at)
    gap = margin + rng.choice([-1e-9, 1e-9], len(feature)) - values[:, 0]
    at.pos2 = at.pos2 + values[:, 4:7] * gap[:, None]
    compare(kind, at, margin)


@pytest.mark.parametrize("angle", [0.0, 1e-9, 1e-6, 9.9e-5, 1.01e-4, 1e-3, 1e-2])
def test_nearly_parallel_capsules_equal_mujoco(angle):
    rng = np.random.default_rng(0)
    n = 60
    poses = random_poses("capsule_capsule", rng, n)
    turn = np.array([rotation_matrix(np.r_[np.cos(a / 2), np.sin(a / 2), 0, 0]) for a in np.full(n, angle)])
    spin = np.array([rotation_matrix(np.r_[np.cos(a), 0, 0, np.sin(a)]) for a in rng.uniform(0, np.pi, n)])
    flip = np.where(rng.uniform(size=n) < 0.5, 1.0, -1.0)[:, None, None] * np.array([0.0, 1.0, 1.0]) + [1.0, 0.0, 0.0]
    poses.mat2 = poses.mat1 @ spin @ turn @ (flip * np.eye(3))
    beside = np.stack([np.zeros(n), 0.9 * (poses.size1[:, 0] + poses.size2[:, 0]), rng.uniform(-0.5, 0.5, n)], axis=1)
    poses.pos2 = poses.pos1 + np.einsum("nij,nj->ni", poses.mat1 @ spin, beside)
    # MuJoCo, too, loses digits to the angle
    feature, at, _ = compare("capsule_capsule", poses, 0.02, max(FORWARD_TOLERANCE, 1e-15 / max(angle, 1e-4)))
    assert len(feature) > n * (1.5 if angle < 1e-4 else 0.7)
    error, trusted = compare_adjoint("capsule_capsule", feature, at)
    assert error[trusted].max(initial=0.0) < ADJOINT_TOLERANCE


# ---------------------------------------------------------------- adjoints

PERTURBATIONS = [(name, axis) for name in ("pos1", "mat1", "size1", "pos2", "mat2", "size2") for axis in range(3)]


def perturbed(poses, name, axis, step):
    """``poses`` with one input moved by ``step`` along one axis; a rotation turns about its own axis: mat exp(step e)."""
    values = dict(vars(poses))
    if name.startswith("mat"):
        turn = rotation_matrix(np.r_[np.cos(step / 2), np.sin(step / 2) * np.eye(3)[axis]])
        values[name] = values[name] @ turn
    else:
        values[name] = values[name] + step * np.eye(3)[axis]
    return Poses(**values)


def compare_adjoint(kind, feature, poses, seed=0):
    """Adjoint and central differences of a random functional, in all inputs.

    Returns the relative error of each contact, and whether the differences can be trusted: those of two steps agree, which
    they do not where a branch switches or the curvature is extreme within the step. Their extrapolation is compared.
    """
    rng = np.random.default_rng(seed)
    weight = rng.standard_normal((len(feature), 10))
    grads = dict(zip(vars(poses), adjoint(kind, feature, poses, weight), strict=True))
    steps = (STEP, -STEP, 2 * STEP, -2 * STEP)
    moved = [perturbed(poses, name, axis, step) for name, axis in PERTURBATIONS for step in steps]
    values = evaluate(kind, np.tile(feature, (len(moved), 1)), concatenate(moved))
    values = (values.reshape(len(PERTURBATIONS), 4, len(feature), 10) * weight).sum(-1)
    fine, coarse = (values[:, 0] - values[:, 1]) / (2 * STEP), (values[:, 2] - values[:, 3]) / (4 * STEP)
    differences = (4 * fine - coarse) / 3

    derivative = []
    for name, axis in PERTURBATIONS:
        if name.startswith("mat"):
            generator = np.cross(np.eye(3)[axis], np.eye(3)).T  # [e]: d(mat exp(t e))/dt = mat [e]
            derivative.append(np.einsum("nij,nij->n", grads[name], vars(poses)[name] @ generator))
        else:
            derivative.append(grads[name][:, axis])
    derivative = np.array(derivative)
    assert np.isfinite(derivative).all()
    scale = 1.0 + np.abs(derivative).max(0)
    trusted = (np.abs(fine - coarse) / scale).max(0) < AGREEMENT
    return (np.abs(derivative - differences) / scale).max(0), trusted


@pytest.mark.parametrize("kind", KINDS)
def test_adjoint_equals_central_differences(kind):
    rng = np.random.default_rng(1 + sum(map(ord, kind)))
    poses = random_poses(kind, rng, 400)
    feature, owner = select(kind, poses, 0.05)
    error, trusted = compare_adjoint(kind, feature, poses[owner])
    assert trusted.mean() > 0.97
    assert error[trusted].max() < ADJOINT_TOLERANCE


# ---------------------------------------------------------------- degenerate situations

UPRIGHT = (1.0, 0.0, 0.0, 0.0)
ALONG_X = (0.5**0.5, 0.0, 0.5**0.5, 0.0)  # local z along world x, up to rounding
TURNED = (0.8, 0.0, 0.0, 0.6)  # about z
TILTED = (0.8, 0.6, 0.0, 0.0)  # about x
GROUND, ROUND, LONG, BLOCK = (1.0, 1.0, 1.0), (0.1, 0.25, 0.0), (0.1, 0.4, 0.0), (0.1, 0.2, 0.3)

# name: kind, (pos, quat, size) of geom 1, the same of geom 2, number of contacts
DEGENERATE = {
    "sphere touches plane": ("plane_sphere", ((0, 0, 0), TURNED, GROUND), ((0, 0, 0.1), TILTED, ROUND), 1),
    "capsule stands on plane": ("plane_capsule", ((0, 0, 0), UPRIGHT, GROUND), ((0, 0, 0.34), UPRIGHT, ROUND), 1),
    "capsule lies on plane": ("plane_capsule", ((0, 0, 0), UPRIGHT, GROUND), ((0, 0, 0.09), ALONG_X, ROUND), 2),
    "cylinder stands on plane": ("plane_cylinder", ((0, 0, 0), UPRIGHT, GROUND), ((0, 0, 0.24), TURNED, ROUND), 3),
    "cylinder upside down": ("plane_cylinder", ((0, 0, 0), UPRIGHT, GROUND), ((0, 0, 0.24), (0, 1, 0, 0), ROUND), 3),
    "cylinder sunk in plane": ("plane_cylinder", ((0, 0, 0), UPRIGHT, GROUND), ((0, 0, -0.3), UPRIGHT, ROUND), 4),
    "cylinder lies on plane": ("plane_cylinder", ((0, 0, 0), UPRIGHT, GROUND), ((0, 0, 0.09), ALONG_X, ROUND), 2),
    "ellipsoid upright": ("plane_ellipsoid", ((0, 0, 0), UPRIGHT, GROUND), ((0, 0, 0.29), TURNED, BLOCK), 1),
    "box flat on plane": ("plane_box", ((0, 0, 0), UPRIGHT, GROUND), ((0, 0, 0.29), TURNED, BLOCK), 4),
    "box centre in plane": ("plane_box", ((0, 0, 0), UPRIGHT, GROUND), ((0, 0, 0), UPRIGHT, BLOCK), 4),
    "box on edge": ("plane_box", ((0, 0, 0), UPRIGHT, GROUND), ((0, 0, 0.27), TILTED, BLOCK), 2),
    "same centres": ("sphere_sphere", ((1, 2, 3), UPRIGHT, ROUND), ((1, 2, 3), TILTED, LONG), 1),
    "same centres and axes": ("sphere_sphere", ((1, 2, 3), UPRIGHT, ROUND), ((1, 2, 3), TURNED, LONG), 1),
    "on capsule axis": ("sphere_capsule", ((0, 0, 0.1), TILTED, ROUND), ((0, 0, 0), UPRIGHT, LONG), 1),
    "on capsule axis, aligned": ("sphere_capsule", ((0, 0, 0.1), UPRIGHT, ROUND), ((0, 0, 0), UPRIGHT, LONG), 1),
    "at capsule end": ("sphere_capsule", ((0, 0, 0.4), TILTED, ROUND), ((0, 0, 0), UPRIGHT, LONG), 1),
    "beside capsule end": ("sphere_capsule", ((0.15, 0, 0.4), TILTED, ROUND), ((0, 0, 0), UPRIGHT, LONG), 1),
    "on cylinder axis": ("sphere_cylinder", ((0, 0, 0.1), TILTED, ROUND), ((0, 0, 0), UPRIGHT, LONG), 1),
    "on cylinder axis, aligned": ("sphere_cylinder", ((0, 0, 0.1), UPRIGHT, ROUND), ((0, 0, 0), UPRIGHT, LONG), 1),
    "on cylinder axis, near cap": ("sphere_cylinder", ((0, 0, 0.35), UPRIGHT, ROUND), ((0, 0, 0), UPRIGHT, LONG), 1),
    "above cylinder": ("sphere_cylinder", ((0, 0, 0.45), UPRIGHT, ROUND), ((0, 0, 0), UPRIGHT, LONG), 1),
    "below cylinder": ("sphere_cylinder", ((0.02, 0, -0.45), UPRIGHT, ROUND), ((0, 0, 0), UPRIGHT, LONG), 1),
    "at cylinder centre": ("sphere_cylinder", ((0, 0, 0), TILTED, ROUND), ((0, 0, 0), UPRIGHT, (0.3, 0.1, 0)), 1),
    "above cylinder rim": (
        "sphere_cylinder",
        ((0.125, 0, 0.5), UPRIGHT, ROUND),
        ((0, 0, 0), UPRIGHT, (0.125, 0.45, 0)),
        1,
    ),
    "on cylinder rim": ("sphere_cylinder", ((0.125, 0, 0.5), UPRIGHT, ROUND), ((0, 0, 0), UPRIGHT, (0.125, 0.5, 0)), 1),
    "inside box": ("sphere_box", ((0.02, 0.03, 0.25), TILTED, ROUND), ((0, 0, 0), UPRIGHT, BLOCK), 1),
    "at box centre": ("sphere_box", ((0, 0, 0), TILTED, ROUND), ((0, 0, 0), UPRIGHT, BLOCK), 1),
    "at cube centre": ("sphere_box", ((0, 0, 0), TILTED, ROUND), ((0, 0, 0), UPRIGHT, (0.2, 0.2, 0.2)), 1),
    "on box face": ("sphere_box", ((0.02, 0.03, 0.3), TILTED, ROUND), ((0, 0, 0), UPRIGHT, BLOCK), 1),
    "above box edge": ("sphere_box", ((0.1, 0.03, 0.35), TILTED, ROUND), ((0, 0, 0), UPRIGHT, BLOCK), 1),
    "above box corner": ("sphere_box", ((-0.1, 0.2, 0.35), TILTED, ROUND), ((0, 0, 0), UPRIGHT, BLOCK), 1),
    "at box corner": ("sphere_box", ((0.1, -0.2, 0.3), TILTED, ROUND), ((0, 0, 0), UPRIGHT, BLOCK), 1),
    "parallel": ("capsule_capsule", ((0, 0, 0), UPRIGHT, ROUND), ((0.15, 0, 0.1), TURNED, LONG), 2),
    "antiparallel": ("capsule_capsule", ((0, 0, 0), UPRIGHT, ROUND), ((0.15, 0, 0.1), (0, 1, 0, 0), ROUND), 2),
    "parallel, within": ("capsule_capsule", ((0, 0, 0), UPRIGHT, LONG), ((0.15, 0, 0.05), UPRIGHT, ROUND), 2),
    "parallel, end to end": ("capsule_capsule", ((0, 0, 0), UPRIGHT, ROUND), ((0.01, 0, 0.6), UPRIGHT, ROUND), 2),
    "same axis, apart": ("capsule_capsule", ((0, 0, 0), UPRIGHT, ROUND), ((0, 0, 0.65), UPRIGHT, ROUND), 2),
    "same axis, ends meet": ("capsule_capsule", ((0, 0, 0), UPRIGHT, ROUND), ((0, 0, 0.5), UPRIGHT, ROUND), 2),
    "same axis, within": ("capsule_capsule", ((0, 0, 0), UPRIGHT, LONG), ((0, 0, 0.05), UPRIGHT, ROUND), 2),
    "axes cross": ("capsule_capsule", ((0, 0, 0), UPRIGHT, ROUND), ((0, 0, 0.1), TILTED, LONG), 1),
    "axes meet in a T": ("capsule_capsule", ((0, 0, 0), UPRIGHT, ROUND), ((0.25, 0, 0), ALONG_X, ROUND), 1),
    "ends meet in an L": ("capsule_capsule", ((0, 0, 0), UPRIGHT, ROUND), ((0.25, 0, 0.25), ALONG_X, ROUND), 1),
}


def situation(name, turn=None, shift=0.0):
    """The poses of one degenerate situation, shape (1, ...), the whole turned and shifted."""
    kind, geom1, geom2, count = DEGENERATE[name]
    turn = np.eye(3) if turn is None else turn
    values = []
    for pos, quat, size in (geom1, geom2):
        values += [turn @ np.array(pos) + shift, turn @ rotation_matrix(np.array(quat, dtype=float)), np.array(size)]
    return kind, Poses(*(np.array(v, dtype=float)[None] for v in values)), count


@pytest.mark.parametrize("name", DEGENERATE)
def test_degenerate_situation(name):
    kind, poses, count = situation(name)
    feature, at, _ = compare(kind, poses, margin=0.0)
    assert len(feature) == count

    rng = np.random.default_rng(0)
    turned = [situation(name, turn, rng.standard_normal(3))[1] for turn in rotations(rng, 10)]
    turned_feature, owner = select(kind, concatenate(turned), 1e-9)
    feature, at = np.concatenate([feature, turned_feature]), concatenate([at, concatenate(turned)[owner]])
    assert np.isfinite(evaluate(kind, feature, at)).all()
    for gradient in adjoint(kind, feature, at, rng.standard_normal((len(feature), 10))):
        assert np.isfinite(gradient).all()

    # Whatever the branch, the distance changes by the motion along the normal. (Not where MuJoCo's normal of last resort,
    # world x, is not normal to the axis that the other centre lies on, as it happens in the turned situations.)
    feature, at = feature[:count], at[slice(count)]
    weight = np.zeros((count, 10))
    weight[:, 0] = 1.0
    gradients = dict(zip(vars(at), adjoint(kind, feature, at, weight), strict=True))
    normal = evaluate(kind, feature, at)[:, 4:7]
    np.testing.assert_allclose(gradients["pos2"], normal, rtol=0, atol=1e-9)
    np.testing.assert_allclose(gradients["pos1"], -normal, rtol=0, atol=1e-9)


@pytest.mark.parametrize("name", ["same centres", "same centres and axes", "on capsule axis", "on cylinder axis"])
def test_arbitrary_normal_is_constant(name):
    kind, poses, _ = situation(name)
    feature, at, _ = compare(kind, poses, margin=0.0)
    weight = np.zeros((1, 10))
    weight[:, 4:7] = 1.0
    for gradient in adjoint(kind, feature, at, weight):
        assert np.abs(gradient).max() == 0.0


@pytest.mark.parametrize("tilt", [0.0, 1e-14, 1e-12, 1e-9])
@pytest.mark.parametrize("name", ["cylinder stands on plane", "cylinder upside down", "cylinder sunk in plane"])
def test_points_of_upright_cylinder_are_material(name, tilt):
    """Turning the cylinder about any of its axes moves the contact points as points fixed to it."""
    kind, poses, count = situation(name)
    poses = perturbed(perturbed(poses, "mat2", 0, 0.6 * tilt), "mat2", 1, 0.8 * tilt)
    feature, owner = select(kind, poses, 0.0)
    assert len(feature) == count
    at = poses[owner]
    values = evaluate(kind, feature, at)
    normal = values[:, 4:7]
    surface = values[:, 1:4] + 0.5 * values[:, :1] * normal
    np.testing.assert_allclose(surface[:, 2], values[:, 0], rtol=0, atol=1e-14)
    upright_feature, upright, _ = compare(kind, situation(name)[1], margin=0.0)
    np.testing.assert_allclose(values[:, 0], evaluate(kind, upright_feature, upright)[:, 0], rtol=0, atol=tilt + 1e-15)
    for axis in range(3):
        velocity = np.cross(at.mat2[:, :, axis], surface - at.pos2)
        for output in range(4):  # dist and the components of pos
            weight = np.zeros((count, 10))
            weight[:, output] = 1.0
            gradient = adjoint(kind, feature, at, weight)[4]
            turning = at.mat2 @ np.cross(np.eye(3)[axis], np.eye(3)).T
            derivative = np.einsum("nij,nij->n", gradient, turning)
            rate = np.einsum("ni,ni->n", normal, velocity)
            expected = rate if output == 0 else velocity[:, output - 1] - 0.5 * rate * normal[:, output - 1]
            np.testing.assert_allclose(derivative, expected, rtol=0, atol=1e-12)


# name: the input and direction along which the branch taken continues
ONE_SIDED = {
    "above box edge": ("pos1", 0, -1),  # over the face
    "above box corner": ("pos1", 0, 1),
    "on box face": ("pos1", 2, -1),  # inwards
    "above cylinder rim": ("pos1", 0, 1),  # outwards
    "beside capsule end": ("pos1", 2, -1),  # along the axis
    "axes cross": ("pos2", 0, 1),  # along the normal, z1 x z2 = x
    "parallel": ("mat2", 0, 1),
    "parallel, within": ("mat1", 1, -1),
}


@pytest.mark.parametrize("name", ONE_SIDED)
def test_switch_has_the_derivative_of_one_side(name):
    kind, poses, _ = situation(name)
    feature, at, _ = compare(kind, poses, margin=0.0)
    perturbation, axis, sign = ONE_SIDED[name]
    weight = np.random.default_rng(0).standard_normal((len(feature), 10))
    gradient = dict(zip(vars(at), adjoint(kind, feature, at, weight), strict=True))[perturbation]

    def at_step(step):
        return (weight * evaluate(kind, feature, perturbed(at, perturbation, axis, sign * step))).sum(1)

    difference = (4 * at_step(STEP) - 3 * at_step(0.0) - at_step(2 * STEP)) / (2 * STEP)  # second order, one-sided
    if perturbation.startswith("mat"):
        turning = getattr(at, perturbation) @ np.cross(np.eye(3)[axis], np.eye(3)).T
        derivative = np.einsum("nij,nij->n", gradient, turning)
    else:
        derivative = gradient[:, axis]
    np.testing.assert_allclose(sign * derivative, difference, rtol=1e-6, atol=1e-6)
