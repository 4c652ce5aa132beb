"""Box against box: contacts against MuJoCo, and the adjoint of each against differences."""

import mujoco
import numpy as np
import pytest
import warp as wp

from genesis.rigid.kernels.collision.box_box import FRACTION, box_box, collide_box_box
from genesis.types import mat33, real, vec3
from tests.differences import directional_derivative

SLOTS = 9
INPUTS = ("pos1", "mat1", "size1", "pos2", "mat2", "size2")

# MuJoCo's intermediate steps differ by rounding, which corners between nearly parallel edges amplify.
FORWARD_TOLERANCE = 1e-8
# Extrapolated differences of quantities of order one are good to about this.
GRADIENT_TOLERANCE = 1e-7
STEP = 0.01
# A frozen place on an edge is kept to one part in 2^30.
FROZEN_TOLERANCE = 1e-9

XML = """
<mujoco>
  <worldbody>
    <body><freejoint/><geom name="first" type="box" size="0.1 0.2 0.3"/></body>
    <body><freejoint/><geom name="second" type="box" size="0.1 0.2 0.3"/></body>
  </worldbody>
  <contact><pair geom1="first" geom2="second"/></contact>
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
    collide_box_box(
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
    dist_k, pos_k, normal_k, tangent_k = box_box(
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


def to_warp(values, grad=False):
    return [wp.array(values[k], dtype=mat33 if "mat" in k else vec3, requires_grad=grad) for k in INPUTS]


def contacts_of(poses):
    """The pose and the features of each contact that is selected, in order: (n,) and (n, 4) int."""
    n = len(poses["pos1"])
    ncon = wp.zeros((n, 1), dtype=int)
    con_pair = wp.full((n, SLOTS), -1, dtype=int)
    con_feature = wp.zeros((n, SLOTS, 4), dtype=int)
    inputs = [wp.array(poses["margin"], dtype=real), *to_warp(poses), ncon, con_pair, con_feature]
    wp.launch(select, dim=n, inputs=inputs)
    count = ncon.numpy()[:, 0]
    assert count.max() < SLOTS
    owner, slot = np.nonzero(np.arange(SLOTS) < count[:, None])
    assert (con_pair.numpy()[owner, slot] == owner).all()
    return owner, con_feature.numpy()[owner, slot]


def geometry(features, poses):
    """dist, pos, normal and tangent of contacts, given the poses of each."""
    n = len(features)
    outputs = [wp.full(n, np.nan, dtype=real), *[wp.full(n, vec3(np.nan), dtype=vec3) for _ in range(3)]]
    wp.launch(evaluate, dim=n, inputs=[wp.array(features, dtype=int), *to_warp(poses), *outputs])
    return [output.numpy() for output in outputs]


def rows(poses, index):
    return {k: v[index] for k, v in poses.items()}


def frame_of(normal):
    """Rows of the contact frame when only its normal is given (MuJoCo: mju_makeFrame)."""
    hint = np.array([0.0, 1.0, 0.0]) if abs(normal[1]) < 0.5 else np.array([0.0, 0.0, 1.0])
    second = hint - (hint @ normal) * normal
    second /= np.linalg.norm(second)
    return np.concatenate([normal, second, np.cross(normal, second)])


def our_contacts(poses):
    """For each pose an array whose rows are dist, pos, frame."""
    owner, features = contacts_of(poses)
    dist, pos, normal, tangent = geometry(features, rows(poses, owner))
    assert not tangent.any()
    frames = np.array([frame_of(x) for x in normal]).reshape(-1, 9)
    table = np.concatenate([dist[:, None], pos, frames], axis=1)
    return [table[owner == k] for k in range(len(poses["pos1"]))]


def mujoco_contacts(poses):
    """The same of MuJoCo. Replaces the poses by the very ones that it works with, which differ by rounding."""
    m = mujoco.MjModel.from_xml_string(XML)
    d = mujoco.MjData(m)
    m.geom_rbound[:] = 1e3
    result = []
    for k in range(len(poses["pos1"])):
        m.geom_size[0], m.geom_size[1] = poses["size1"][k], poses["size2"][k]
        m.pair_margin[0] = poses["margin"][k]
        for g, i in ((0, "1"), (1, "2")):
            quat = np.zeros(4)
            mujoco.mju_mat2Quat(quat, poses["mat" + i][k].ravel())
            d.qpos[7 * g : 7 * g + 7] = [*poses["pos" + i][k], *quat]
        mujoco.mj_kinematics(m, d)
        for g, i in ((0, "1"), (1, "2")):
            poses["mat" + i][k] = d.geom_xmat[g].reshape(3, 3)
            poses["pos" + i][k] = d.geom_xpos[g]
        mujoco.mj_collision(m, d)
        table = [[c.dist, *c.pos, *c.frame] for c in d.contact]
        result.append(np.array(table).reshape(-1, 13))
    return result


def disagreement(ours, theirs):
    """Largest difference of two contact tables, infinite if they differ in number."""
    return np.inf if len(ours) != len(theirs) else abs(ours - theirs).max(initial=0.0)


def compare(poses):
    """Error of each pose against MuJoCo, and MuJoCo's number of contacts."""
    theirs = mujoco_contacts(poses)  # first: it sets the poses
    ours = our_contacts(poses)
    return np.array([disagreement(a, b) for a, b in zip(ours, theirs, strict=True)]), np.array(list(map(len, theirs)))


def rotation(rng):
    q = rng.normal(size=4)
    mat = np.zeros(9)
    mujoco.mju_quat2Mat(mat, q / np.linalg.norm(q))
    return mat.reshape(3, 3)


def exponential(w):
    """Rotation by the vector w."""
    angle = np.linalg.norm(w)
    quat, mat = np.zeros(4), np.zeros(9)
    mujoco.mju_axisAngle2Quat(quat, np.asarray(w) / max(angle, 1e-300), angle)
    mujoco.mju_quat2Mat(mat, quat)
    return mat.reshape(3, 3)


def poses_of(cases, margin=0.0, seed=None):
    """Arrays of poses from (size1, size2, position and rotation of box 2 in box 1); box 1 at a random pose if seeded."""
    rng = np.random.default_rng(seed)
    out = {k: [] for k in (*INPUTS, "margin")}
    for size1, size2, offset, turn in cases:
        mat = np.eye(3) if seed is None else rotation(rng)
        pos = np.zeros(3) if seed is None else rng.normal(size=3)
        values = (pos, mat, size1, pos + mat @ offset, mat @ turn, size2, margin)
        for k, value in zip(out, values, strict=True):
            out[k].append(value)
    return {k: np.array(v, dtype=float) for k, v in out.items()}


def random_poses(n, seed, margin=0.0, shape="any", turn=None, deep=0.0, apart=0.0):
    """Pairs of boxes whose surfaces are near each other; ``turn``: how far from aligned [rad], if not arbitrary.

    ``deep``: the fraction of pairs whose centres are near each other; ``apart``: up to which fraction of the distance
    at which they surely do not touch they are drawn apart in addition.
    """
    rng = np.random.default_rng(seed)
    cases = []
    for _ in range(n):
        size1, size2 = rng.uniform(0.1, 0.5, size=(2, 3))
        if shape == "cube":
            size1 = size2 = np.full(3, 0.3)
        if shape == "thin":
            size1[rng.integers(3)] = 0.01
            size2[rng.integers(3)] = 0.01
        mat = rotation(rng) if turn is None else exponential(turn * rng.normal(size=3))
        direction = rng.normal(size=3)
        direction /= np.linalg.norm(direction)
        # where the boxes' extents along the line of centres meet, or along an axis of box 1
        if turn is None:
            reach = abs(direction) @ size1 + abs(direction @ mat) @ size2
        else:
            reach = ((size1 + abs(mat) @ size2) / abs(direction)).min()
        reach *= rng.uniform(0.0, 0.5) if rng.random() < deep else rng.uniform(0.75, 1.0 + apart)
        cases.append((size1, size2, direction * reach, mat))
    return poses_of(cases, margin, seed=seed + 1)


RANDOM = {
    "shallow": {},
    "deep": {"deep": 1.0},
    "with margin": {"margin": 0.1},
    "far apart": {"margin": 1.0, "apart": 0.5},
    "cubes": {"shape": "cube", "deep": 0.3},
    "thin": {"shape": "thin", "deep": 0.3},
    "thin, with margin": {"shape": "thin", "margin": 0.05, "apart": 0.3},
    "nearly aligned": {"turn": 0.05, "margin": 0.01},
    "almost aligned": {"turn": 1e-3, "deep": 0.2},
    "almost aligned cubes": {"shape": "cube", "turn": 1e-4, "margin": 0.02},
    "almost aligned, thin": {"shape": "thin", "turn": 1e-3, "margin": 0.02},
}


@pytest.mark.parametrize("kind", RANDOM)
def test_contacts_equal_mujoco(kind):
    errors, counts = compare(random_poses(500, seed=1, **RANDOM[kind]))
    assert (counts > 0).mean() > 0.1
    assert np.mean(errors < FORWARD_TOLERANCE) >= 0.998, np.sort(errors)[-10:]


def test_random_poses_cover_every_number_of_contacts():
    counts = np.concatenate([compare(random_poses(200, seed=2, **kind))[1] for kind in RANDOM.values()])
    assert set(counts) == set(range(9))


# Position and rotation of box 2 in box 1, for boxes at which rounding does not choose: everything is exact.
CUBE = (0.5, 0.5, 0.5)
SLAB = (1.0, 1.0, 0.125)
SMALL = (0.25, 0.125, 0.25)
EIGHTH = np.pi / 4
NONE = (0.0, 0.0, 0.0)
DEGENERATE = {
    "cube exactly on a cube": (CUBE, CUBE, (0, 0, 0.984375), NONE),
    "cube touching a cube": (CUBE, CUBE, (0, 0, 1.0), NONE),
    "cube under a cube": (CUBE, CUBE, (0, 0, -0.984375), NONE),
    "cube beside a cube": (CUBE, CUBE, (-0.984375, 0, 0), NONE),
    "cube on a cube, shifted": (CUBE, CUBE, (0.25, 0.125, 0.984375), NONE),
    "cube on a cube, shifted along one side": (CUBE, CUBE, (0.25, 0, 0.984375), NONE),
    "cube over an edge of a cube": (CUBE, CUBE, (1.0, 0, 0.984375), NONE),
    "cube over a corner of a cube": (CUBE, CUBE, (1.0, 1.0, 0.984375), NONE),
    "cube on a slab": (SLAB, CUBE, (0.25, 0.25, 0.609375), NONE),
    "slab on a cube": (CUBE, SLAB, (0.25, 0.25, 0.609375), NONE),
    "small on a cube, flush with a side": (CUBE, SMALL, (0.25, 0.25, 0.734375), NONE),
    "small on a cube, a quarter turn": (CUBE, SMALL, (0.125, 0.25, 0.734375), (0, 0, 2 * EIGHTH)),
    "cube on a cube, an eighth turn": (CUBE, CUBE, (0, 0, 0.984375), (0, 0, EIGHTH)),
    "cube on a cube, turned": (CUBE, CUBE, (0.1, 0.05, 0.984375), (0, 0, 0.3)),
    "edge on a face": (CUBE, SMALL, (0.1, 0.05, 0.84), (0, EIGHTH, 0)),
    "edge balanced on an edge, crossed": (SMALL, SMALL, (0, 0, 0.49), (EIGHTH, 0, 0)),
    "corner on a face": (CUBE, CUBE, (0.1, 0.2, 1.35), np.array([1, -1, 0]) / np.sqrt(2) * np.arctan(np.sqrt(2))),
    "same centre": (CUBE, CUBE, (0, 0, 0), NONE),
    "same centre, turned": (CUBE, SMALL, (0, 0, 0), (0.1, 0.2, 0.3)),
    "inside": (CUBE, SMALL, (0.125, 0, 0.0625), NONE),
}


def degenerate_poses(seed=None, jitter=0.0, margin=0.0):
    rng = np.random.default_rng(0 if seed is None else seed)

    def shaken(case):
        size1, size2, offset, turn = case
        return (
            size1,
            size2,
            offset + jitter * rng.normal(size=3),
            exponential(turn) @ exponential(jitter * rng.normal(size=3)),
        )

    return poses_of([shaken(case) for case in DEGENERATE.values()], margin, seed)


@pytest.mark.parametrize("margin", [0.0, 0.015625])
def test_degenerate_contacts_equal_mujoco(margin):
    errors, counts = compare(degenerate_poses(margin=margin))
    assert min(counts) > 0
    assert dict(zip(DEGENERATE, errors, strict=True)) == pytest.approx(dict.fromkeys(DEGENERATE, 0.0), abs=1e-12)


@pytest.mark.parametrize("jitter", [0.0, 1e-14, 1e-12, 1e-10, 1e-8, 1e-6])
def test_ties_are_decided_as_mujoco_decides_them(jitter):
    """The same in turned frames: coincidences are up to rounding and noise, and both must round alike.

    Where sides cross at an angle of ``jitter``, rounding moves the crossing by 1e-16 / ``jitter``.
    """
    tolerance = 10 * FROZEN_TOLERANCE + (1e-14 / jitter if jitter > 1e-14 else 0.0)
    for seed in range(5):
        errors, _ = compare(degenerate_poses(seed, jitter, margin=1e-9))
        assert np.mean(errors < tolerance) >= 0.95, dict(zip(DEGENERATE, errors, strict=True))


# ------------------------------------------------------------------ gradient


def moved(poses, direction, t):
    """Poses moved by ``t`` (n,) along a tangent; rotation matrices turn by mat exp(t [w])."""
    out = {}
    for k in INPUTS:
        step = t[:, None] * direction[k]
        if k.startswith("mat"):
            out[k] = np.array([m @ exponential(w) for m, w in zip(poses[k], step, strict=True)])
        else:
            out[k] = poses[k] + step
    return out


def adjoints(features, poses, weights):
    """d (weights . outputs) / d inputs, by the generated adjoint."""
    n = len(features)
    inputs = to_warp(poses, grad=True)
    outputs = [wp.zeros(n, dtype=real, requires_grad=True)]
    outputs += [wp.zeros(n, dtype=vec3, requires_grad=True) for _ in range(3)]
    with wp.Tape() as tape:
        wp.launch(evaluate, dim=n, inputs=[wp.array(features, dtype=int), *inputs], outputs=outputs)
    tape.backward(grads={o: wp.array(x, dtype=o.dtype) for o, x in zip(outputs, weights, strict=False)})
    return {k: x.grad.numpy() for k, x in zip(INPUTS, inputs, strict=True)}


def check_adjoint(features, poses, seed):
    """Error of the adjoint along a random direction for random weights, relative, and that of the differences.

    Corners between nearly parallel edges move fast and on curves: the step of a contact is short if its gradient is
    large.
    """
    rng = np.random.default_rng(seed)
    n = len(features)
    weights = [rng.normal(size=n), rng.normal(size=(n, 3)), rng.normal(size=(n, 3))]
    direction = {k: rng.normal(size=(n, 3)) for k in INPUTS}
    gradient = adjoints(features, poses, weights)
    assert all(np.isfinite(g).all() for g in gradient.values())

    def value(t):
        dist, pos, normal, _ = geometry(features, moved(poses, direction, t))
        return weights[0] * dist + (weights[1] * pos).sum(1) + (weights[2] * normal).sum(1)

    steepest = np.max([abs(g).reshape(n, -1).max(1) for g in gradient.values()], axis=0)
    expected, uncertainty = directional_derivative(value, STEP / (1 + steepest))
    got = np.zeros(n)
    for k in INPUTS:
        tangent = direction[k]
        if k.startswith("mat"):
            tangent = poses[k] @ np.cross(np.eye(3), tangent[:, None, :])  # d/dt mat exp(t [w]) = mat [w]
        got += (gradient[k] * tangent).reshape(n, -1).sum(1)
    scale = 1 + abs(expected)
    return abs(got - expected) / scale, uncertainty / scale


def kinds_of(features):
    """Per contact: box of the reference face or edges, and kinds of the two lines or which places are fixed."""
    f0, f1 = features[:, 0], features[:, 1]
    edges = f0 >= 6
    frozen = (~np.isin(abs(features[:, 2:]), (0, int(float(FRACTION))))).any(1)
    return edges, f0 // 3, np.where(edges, f1 >> 5, f1 >> 4), frozen


@pytest.mark.parametrize("kind", RANDOM)
def test_adjoint_equals_differences(kind):
    poses = random_poses(500, seed=3, **RANDOM[kind])
    owner, features = contacts_of(poses)
    assert {0, 1} <= set(features[:, 0] // 3)
    error, uncertainty = check_adjoint(features, rows(poses, owner), seed=4)
    assert np.mean(uncertainty < GRADIENT_TOLERANCE) > 0.99
    assert (error < GRADIENT_TOLERANCE + uncertainty).all(), np.sort(error - uncertainty)[-5:]


def test_random_poses_cover_every_kind_of_point():
    found = []
    for kind in RANDOM.values():
        edges, _, lines, frozen = kinds_of(contacts_of(random_poses(1000, seed=3, **kind))[1])
        found += zip(edges.tolist(), lines.tolist(), strict=True)
        assert not frozen.any()
    assert {which for is_edge, which in found if is_edge} == {0, 1, 2, 3}  # places free, fixed by one end, by both
    of_faces = {which for is_edge, which in found if not is_edge}
    assert len(of_faces) == 1 + 4 + 1  # a vertex; either side with either side plane; a corner of the reference face


@pytest.mark.parametrize("seed", [None, 0, 1, 2, 3, 4])
def test_adjoint_at_degenerate_contacts(seed):
    """Also in turned frames, where rounding decides: whatever is selected is differentiated right, and moderately."""
    poses = degenerate_poses(seed, margin=1e-9)
    owner, features = contacts_of(poses)
    assert len(set(owner)) >= len(DEGENERATE) - 2  # those that touch in an edge or a corner may just miss
    poses = rows(poses, owner)
    error, uncertainty = check_adjoint(features, poses, seed=5)
    assert (error < GRADIENT_TOLERANCE + uncertainty).all()
    n = len(owner)
    gradient = adjoints(features, poses, [np.ones(n), np.ones((n, 3)), np.ones((n, 3))])
    assert max(abs(g).max() for g in gradient.values()) < 1e2


def test_flush_boxes_have_bounded_gradients():
    """Sides that are parallel but for noise cross anywhere: the place is kept, and moves with the box."""
    frozen_seen = 0
    for jitter in (1e-14, 1e-11, 1e-8):
        poses = degenerate_poses(seed=7, jitter=jitter, margin=1e-4)
        owner, features = contacts_of(poses)
        edges, _, _, frozen = kinds_of(features)
        frozen_seen += frozen.sum()
        n = len(owner)
        gradient = adjoints(features, rows(poses, owner), [np.ones(n), np.ones((n, 3)), np.ones((n, 3))])
        assert max(abs(g[~edges]).max() for g in gradient.values()) < 1e2
    assert frozen_seen > 0


def test_features_of_an_empty_slot_are_harmless():
    features = np.zeros((1, 4), dtype=int)
    poses = poses_of([(CUBE, CUBE, (0, 0, 0), np.eye(3))])
    assert np.isfinite(np.concatenate([np.ravel(x) for x in geometry(features, poses)])).all()
    gradient = adjoints(features, poses, [np.ones(1), np.ones((1, 3)), np.ones((1, 3))])
    assert all(np.isfinite(g).all() for g in gradient.values())
