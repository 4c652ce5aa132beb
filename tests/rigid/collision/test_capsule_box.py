"""Capsule against box: contacts against MuJoCo, and the adjoint of each against differences."""

import mujoco
import numpy as np
import pytest
import warp as wp

from genesis.rigid.kernels.collision.capsule_box import CORNER, CROSSING, EDGE, END, capsule_box, collide_capsule_box
from genesis.types import mat33, real, vec3
from tests.differences import directional_derivative

SLOTS = 3
INPUTS = ("pos1", "mat1", "size1", "pos2", "mat2", "size2")
OUTPUTS = ("dist", "pos", "normal")

# MuJoCo's intermediate steps differ by rounding, which near-parallel poses amplify.
FORWARD_TOLERANCE = 1e-8
# Extrapolated differences of quantities of order one are good to about this.
GRADIENT_TOLERANCE = 1e-7

XML = """
<mujoco>
  <worldbody>
    <body><freejoint/><geom name="capsule" type="capsule" size="0.1 0.2"/></body>
    <body><freejoint/><geom name="box" type="box" size="0.1 0.2 0.3"/></body>
  </worldbody>
  <contact><pair geom1="capsule" geom2="box"/></contact>
</mujoco>
"""


@wp.kernel(enable_backward=False)
def select(
    margin: wp.array(dtype=real),
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
    w = wp.tid()
    collide_capsule_box(
        w, w, margin[w], pos1[w], mat1[w], size1[w], pos2[w], mat2[w], size2[w], ncon, con_pair, con_feature
    )


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
    k = wp.tid()
    dist_k, pos_k, normal_k, tangent_k = capsule_box(
        feature[k, 0],
        feature[k, 1],
        feature[k, 2],
        feature[k, 3],
        pos1[k],
        mat1[k],
        size1[k],
        pos2[k],
        mat2[k],
        size2[k],
    )
    dist[k] = dist_k
    pos[k] = pos_k
    normal[k] = normal_k
    tangent[k] = tangent_k


DTYPES = {"mat1": mat33, "mat2": mat33, "dist": real}


def to_warp(values, grad=False):
    return {k: wp.array(v, dtype=DTYPES.get(k, vec3), requires_grad=grad) for k, v in values.items() if k in INPUTS}


def contacts_of(poses):
    """The pose and the features of each contact that is selected, in order: (n,) and (n, 4) int."""
    n = len(poses["pos1"])
    ncon = wp.zeros((n, 1), dtype=int)
    con_pair = wp.full((n, SLOTS), -1, dtype=int)
    con_feature = wp.zeros((n, SLOTS, 4), dtype=int)
    inputs = to_warp(poses)
    wp.launch(
        select,
        dim=n,
        inputs=[
            wp.array(poses["margin"], dtype=real),
            *[inputs[k] for k in INPUTS],
            ncon,
            con_pair,
            con_feature,
        ],
    )
    count = ncon.numpy()[:, 0]
    assert count.max() < SLOTS
    owner, slot = np.nonzero(np.arange(SLOTS) < count[:, None])
    assert (con_pair.numpy()[owner, slot] == owner).all()
    return owner, con_feature.numpy()[owner, slot]


def geometry(features, poses):
    """dist, pos, normal and tangent of contacts, given the poses of each."""
    n = len(features)
    inputs = to_warp(poses)
    outputs = [wp.full(n, np.nan, dtype=real), *[wp.full(n, vec3(np.nan), dtype=vec3) for _ in range(3)]]
    wp.launch(evaluate, dim=n, inputs=[wp.array(features, dtype=int), *[inputs[k] for k in INPUTS], *outputs])
    return [output.numpy() for output in outputs]


def rows(poses, index):
    return {k: v[index] for k, v in poses.items()}


def mujoco_contacts(poses):
    """For each pose the list of (dist, pos, frame) that MuJoCo finds."""
    m = mujoco.MjModel.from_xml_string(XML)
    d = mujoco.MjData(m)
    m.geom_rbound[:] = 1e3
    result = []
    for k in range(len(poses["pos1"])):
        m.geom_size[0], m.geom_size[1] = poses["size1"][k], poses["size2"][k]
        m.pair_margin[0] = poses["margin"][k]
        for g, i in ((0, "1"), (1, "2")):
            d.qpos[7 * g : 7 * g + 3] = poses["pos" + i][k]
            quat = np.zeros(4)
            mujoco.mju_mat2Quat(quat, poses["mat" + i][k].ravel())
            d.qpos[7 * g + 3 : 7 * g + 7] = quat
        mujoco.mj_kinematics(m, d)
        for i, g in (("1", 0), ("2", 1)):  # the very matrices that MuJoCo works with
            poses["mat" + i][k] = d.geom_xmat[g].reshape(3, 3)
            poses["pos" + i][k] = d.geom_xpos[g]
        mujoco.mj_collision(m, d)
        result.append([(c.dist, c.pos.copy(), c.frame.copy()) for c in d.contact])
    return result


def frame_of(normal):
    """Rows of the contact frame when only its normal is given (MuJoCo: mju_makeFrame)."""
    hint = np.array([0.0, 1.0, 0.0]) if abs(normal[1]) < 0.5 else np.array([0.0, 0.0, 1.0])
    second = hint - (hint @ normal) * normal
    second /= np.linalg.norm(second)
    return np.concatenate([normal, second, np.cross(normal, second)])


def rotation(rng):
    q = rng.normal(size=4)
    mat = np.zeros(9)
    mujoco.mju_quat2Mat(mat, q / np.linalg.norm(q))
    return mat.reshape(3, 3)


def exponential(w):
    """Rotation by the vector w."""
    angle = np.linalg.norm(w)
    quat, mat = np.zeros(4), np.zeros(9)
    mujoco.mju_axisAngle2Quat(quat, w / max(angle, 1e-300), angle)
    mujoco.mju_quat2Mat(mat, quat)
    return mat.reshape(3, 3)


def poses_of(cases, margin=0.0, seed=0):
    """Arrays of poses from (center, axis of the capsule, size1, size2), all in the box's frame, box at a pose."""
    rng = np.random.default_rng(seed)
    out = {k: [] for k in (*INPUTS, "margin")}
    for center, axis, size1, size2, world in cases:
        axis = np.asarray(axis, float) / np.linalg.norm(axis)
        other = np.cross(axis, np.eye(3)[np.argmin(abs(axis))])
        other /= np.linalg.norm(other)
        mat1 = np.stack([other, np.cross(axis, other), axis], axis=1)
        mat2 = rotation(rng) if world else np.eye(3)
        pos2 = rng.normal(size=3) if world else np.zeros(3)
        out["pos1"].append(pos2 + mat2 @ center)
        out["mat1"].append(mat2 @ mat1)
        out["size1"].append([*size1, 0.0])
        out["pos2"].append(pos2)
        out["mat2"].append(mat2)
        out["size2"].append(size2)
        out["margin"].append(margin)
    return {k: np.array(v, dtype=float) for k, v in out.items()}


def random_poses(n, seed, margin=0.0, parallel=0.0):
    """Capsules around the surface of boxes, from well outside to deep inside.

    ``parallel``: how far their axes are turned from an axis of the box [rad], if not zero.
    """
    rng = np.random.default_rng(seed)
    cases = []
    for _ in range(n):
        size1, size2 = rng.uniform([0.02, 0.05], [0.15, 0.6]), rng.uniform(0.05, 0.5, size=3)
        axis = rng.normal(size=3)
        if parallel:
            axis = np.eye(3)[rng.integers(3)] * rng.choice([-1, 1]) + parallel * rng.normal(size=3)
        axis /= np.linalg.norm(axis)
        surface = rng.uniform(-1, 1, size=3)
        surface[rng.integers(3)] = rng.choice([-1, 1])
        along = rng.uniform(-1, 1)
        offset = rng.normal(size=3) * size1[0] * rng.choice([0.3, 0.6, 1.5])
        cases.append((surface * size2 + offset - along * size1[1] * axis, axis, size1, size2, True))
    return poses_of(cases, margin)


def compare(poses):
    """Largest error of each pose against MuJoCo, infinite if the number of contacts differs, and the numbers."""
    expected = mujoco_contacts(poses)
    owner, features = contacts_of(poses)
    dist, pos, normal, tangent = geometry(features, rows(poses, owner))
    assert not tangent.any()
    errors, counts = [], []
    for k, contacts in enumerate(expected):
        mine = np.flatnonzero(owner == k)
        counts.append(len(contacts))
        if len(mine) != len(contacts):
            errors.append(np.inf)
            continue

        def difference(i, c):
            return max(abs(dist[i] - c[0]), abs(pos[i] - c[1]).max(), abs(frame_of(normal[i]) - c[2]).max())

        errors.append(max((difference(i, c) for i, c in zip(mine, contacts, strict=True)), default=0.0))
    return np.array(errors), np.array(counts)


RANDOM = {
    "any direction": {},
    "with margin": {"margin": 0.1},
    "nearly parallel": {"parallel": 0.05},
    "almost parallel": {"parallel": 1e-3, "margin": 0.02},
}


@pytest.mark.parametrize("kind", RANDOM)
def test_contacts_equal_mujoco(kind):
    errors, counts = compare(random_poses(500, seed=1, **RANDOM[kind]))
    assert set(counts) == {0, 1, 2}
    assert min(np.bincount(counts)) > 5
    assert np.mean(errors < FORWARD_TOLERANCE) >= 0.99, np.sort(errors)[-10:]


def test_a_margin_that_dwarfs_the_geoms():
    rng = np.random.default_rng(4)
    cases = [(5 * rng.normal(size=3), rng.normal(size=3), CAPSULE, BOX, True) for _ in range(200)]
    errors, counts = compare(poses_of(cases, margin=10.0))
    assert (counts > 0).mean() > 0.5
    assert errors.max() < FORWARD_TOLERANCE


# Poses in the box's frame: center and axis of the capsule.
BOX = (0.2, 0.3, 0.4)
CAPSULE = (0.05, 0.25)
DEGENERATE = {
    "parallel to a face": ((0.0, 0.0, 0.44), (1, 0, 0)),
    "parallel to a face, off centre": ((0.05, -0.1, 0.44), (0, 1, 0)),
    "parallel to a face, over its side": ((0.1, 0.0, 0.44), (1, 0, 0)),
    "parallel to a face, over a corner": ((0.2, 0.3, 0.44), (1, 1, 0)),
    "parallel to a face, diagonal": ((0.05, 0.03, 0.44), (1, 2, 0)),
    "parallel to a face, beside it": ((0.0, 0.33, 0.42), (1, 0, 0)),
    "upright on a face": ((0.05, 0.06, 0.69), (0, 0, 1)),
    "exactly above an edge, along it": ((0.2, 0.05, 0.44), (0, 1, 0)),
    "exactly above an edge, along it and over its end": ((0.2, 0.2, 0.44), (0, 1, 0)),
    "exactly above an edge, across it": ((0.2, 0.05, 0.44), (1, 0, 0)),
    "exactly above an edge, tilted across it": ((0.2, 0.05, 0.44), (1, 0.3, -1)),
    "diagonal to an edge, in its bisecting plane": ((0.23, 0.05, 0.43), (1, 0, -1)),
    "upright beside an edge": ((0.23, 0.3, 0.2), (0, 0, 1)),
    "pointing at an edge": ((0.4, 0.05, 0.6), (-1, 0, -1)),
    "pointing at a corner": ((0.36, 0.46, 0.56), (1, 1, 1)),
    "exactly above a corner": ((0.2, 0.3, 0.44), (1, 0, 0)),
    "end above a corner": ((0.2, 0.3, 0.69), (0, 0, 1)),
    "segment on a face": ((0.0, 0.05, 0.4), (1, 0, 0)),
    "segment on an edge": ((0.2, 0.05, 0.4), (0, 1, 0)),
    "end on a face": ((0.05, 0.06, 0.65), (0, 0, 1)),
    "end on an edge": ((0.2, 0.06, 0.65), (0, 0, 1)),
    "end on a corner": ((0.2, 0.3, 0.65), (0, 0, 1)),
    "through the box": ((0.05, 0.06, 0.3), (0, 0, 1)),
    "through two faces": ((0.1, 0.06, 0.1), (1, 0, 0)),
    "through an edge": ((0.2, 0.06, 0.4), (1, 0, 1)),
    "skew through the box": ((0.05, 0.06, 0.1), (1, 0.2, -0.3)),
    "centre at the centre, along an axis": ((0.0, 0.0, 0.0), (0, 0, 1)),
    "centre at the centre": ((0.0, 0.0, 0.0), (1, 2, 3)),
    "inside": ((0.05, -0.02, 0.1), (1, 2, 3)),
    "touching a face at distance zero": ((0.05, 0.06, 0.7), (0, 0, 1)),
}


def degenerate_poses(world, seed=0):
    cases = [(np.array(c), axis, CAPSULE, BOX, world) for c, axis in DEGENERATE.values()]
    return poses_of(cases, margin=1e-12, seed=seed)  # so that touching at distance zero does not depend on rounding


def test_degenerate_contacts_equal_mujoco():
    errors, _ = compare(degenerate_poses(world=False))
    assert dict(zip(DEGENERATE, errors, strict=True)) == pytest.approx(dict.fromkeys(DEGENERATE, 0.0), abs=1e-12)


# ------------------------------------------------------------------ gradient


def random_direction(poses, rng):
    """A tangent of every input: rotation matrices turn by mat exp([w])."""
    n = len(poses["pos1"])
    return {k: rng.normal(size=(n, 3)) for k in INPUTS}


def moved(poses, direction, t):
    out = {}
    for k in INPUTS:
        if k.startswith("mat"):
            out[k] = np.array([m @ exponential(t * w) for m, w in zip(poses[k], direction[k], strict=True)])
        else:
            out[k] = poses[k] + t * direction[k]
    return out


def adjoints(features, poses, weights):
    """d (weights . outputs) / d inputs, by the generated adjoint."""
    n = len(features)
    inputs = to_warp(poses, grad=True)
    outputs = [wp.zeros(n, dtype=real, requires_grad=True)]
    outputs += [wp.zeros(n, dtype=vec3, requires_grad=True) for _ in range(3)]
    arguments = [wp.array(features, dtype=int), *[inputs[k] for k in INPUTS]]
    with wp.Tape() as tape:
        wp.launch(evaluate, dim=n, inputs=arguments, outputs=outputs)
    grads = {o: wp.array(x, dtype=o.dtype) for o, x in zip(outputs, weights, strict=False)}
    tape.backward(grads=grads)
    return {k: inputs[k].grad.numpy() for k in INPUTS}


def check_adjoint(features, poses, seed, step=3e-5):
    """Error of the adjoint along a random direction for random weights, relative, and that of the differences."""
    rng = np.random.default_rng(seed)
    n = len(features)
    weights = [rng.normal(size=n), rng.normal(size=(n, 3)), rng.normal(size=(n, 3))]
    direction = random_direction(poses, rng)
    gradient = adjoints(features, poses, weights)
    assert all(np.isfinite(g).all() for g in gradient.values())

    def value(t):
        dist, pos, normal, _ = geometry(features, moved(poses, direction, t))
        return weights[0] * dist + (weights[1] * pos).sum(1) + (weights[2] * normal).sum(1)

    expected, uncertainty = directional_derivative(value, step)
    got = np.zeros(n)
    for k in INPUTS:
        tangent = direction[k]
        if k.startswith("mat"):
            tangent = poses[k] @ np.cross(np.eye(3), tangent[:, None, :])  # d/dt mat exp(t [w]) = mat [w]
        got += (gradient[k] * tangent).reshape(n, -1).sum(1)
    scale = 1 + abs(expected)
    return abs(got - expected) / scale, uncertainty / scale


@pytest.mark.parametrize("kind", RANDOM)
def test_adjoint_equals_differences(kind):
    poses = random_poses(500, seed=2, **RANDOM[kind])
    owner, features = contacts_of(poses)
    assert set(features[:, 0]) == {END, EDGE, CORNER, CROSSING}
    assert features[:, 2].any()
    error, uncertainty = check_adjoint(features, rows(poses, owner), seed=3)
    assert np.mean(uncertainty < GRADIENT_TOLERANCE) > 0.99
    assert (error < GRADIENT_TOLERANCE + uncertainty).all()


def test_adjoint_at_degenerate_contacts():
    poses = degenerate_poses(world=False)
    owner, features = contacts_of(poses)
    assert set(owner) == set(range(len(DEGENERATE)))
    error, _ = check_adjoint(features, rows(poses, owner), seed=4)
    assert error.max() < GRADIENT_TOLERANCE


def test_adjoint_is_moderate_where_rounding_decides():
    """Exact coincidences in a turned frame: which feature wins is chance, and none may blow up."""
    for seed in range(20):
        poses = degenerate_poses(world=True, seed=seed)
        owner, features = contacts_of(poses)
        n = len(owner)
        gradient = adjoints(features, rows(poses, owner), [np.ones(n), np.ones((n, 3)), np.ones((n, 3))])
        assert max(abs(g).max() for g in gradient.values()) < 1e3
