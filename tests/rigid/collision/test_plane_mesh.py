"""Plane against convex mesh: contacts against MuJoCo, and the adjoint of each against differences."""

import importlib.metadata
from functools import cache
from pathlib import Path

import mujoco
import numpy as np
import pytest
import trimesh
import warp as wp

from genesis.model import hulls
from genesis.rigid.kernels.collision.plane_mesh import collide_plane_mesh, plane_mesh
from genesis.rigid.kernels.groups import Hulls
from genesis.types import mat33, real, vec3
from tests.differences import directional_derivative

SLOTS = 5
# Both sides round differently; quantities are of order one.
FORWARD_TOLERANCE = 1e-12
# Extrapolated differences of smooth functions of order one; what is left is rounding, divided by the step.
GRADIENT_TOLERANCE = 1e-10


# ------------------------------------------------------------------ what the model provides


def hull_table(m: mujoco.MjModel, mesh: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    size = np.array([0.5, 2.0, 1.5])
    hull = hulls.describe(m, mesh, size)
    return hull.vertices * size, hull.normals / size, hull.table


# ------------------------------------------------------------------ scenes


def prism(n):
    angle = np.arange(n) * 2 * np.pi / n
    ring = np.stack([0.1 * np.cos(angle), 0.1 * np.sin(angle)], axis=1)
    return np.concatenate([np.c_[ring, np.full(n, z)] for z in (-0.05, 0.05)])


def grid(*sides):
    return np.stack(np.meshgrid(*sides), axis=-1).reshape(-1, 3)


VERTICES = {
    "tetrahedron": np.array([[0, 0, 0], [0.1, 0, 0], [0, 0.12, 0], [0.02, 0.01, 0.15]]),
    "cube": grid([-0.1, 0.1], [-0.15, 0.15], [-0.07, 0.07]),
    "cube with a vertex on a face": np.array([[0.02, 0.01, -0.07], *grid([-0.1, 0.1], [-0.15, 0.15], [-0.07, 0.07])]),
    "cube with vertices on its faces": grid([-0.1, 0, 0.1], [-0.15, 0.0, 0.15], [-0.07, 0.07]),
    "prism 3": prism(3),
    "prism 5": prism(5),
    "prism 7": prism(7),
    "prism 24": prism(24),
    "icosphere": trimesh.creation.icosphere(3, 0.1).vertices,
    "cloud": np.random.default_rng(0).normal(size=(60, 3)) * 0.05,
}


ROBOTS = Path(
    importlib.metadata.distribution("example-robot-data").locate_file("cmeel.prefix/share/example-robot-data/robots")
)
VERTICES["a robot's pelvis"] = trimesh.load(ROBOTS / "cassie_description/meshes/pelvis.stl").vertices
VERTICES["a robot's foot"] = trimesh.load(ROBOTS / "cassie_description/meshes/foot.stl").vertices


@cache
def compiled(name, margin=0.0):
    """A plane at a pose of its own and a free mesh; a second mesh comes first so that no address is zero."""
    spec = mujoco.MjSpec()
    first, mesh = spec.add_mesh(name="first"), spec.add_mesh(name="mesh")
    first.uservert = VERTICES["prism 5"].ravel()
    mesh.uservert = np.asarray(VERTICES[name], float).ravel()
    kind = mujoco.mjtGeom
    spec.worldbody.add_geom(
        type=kind.mjGEOM_PLANE, size=[1, 1, 1], quat=[0.9, 0.1, -0.2, 0.3], pos=[0.1, 0.2, 0.3], margin=margin
    )
    spec.worldbody.add_geom(type=kind.mjGEOM_MESH, meshname="first", pos=[50, 0, 0])
    body = spec.worldbody.add_body()
    body.add_freejoint()
    body.add_geom(type=kind.mjGEOM_MESH, meshname="mesh")
    return spec.compile()


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


def frame(z):
    """A rotation whose third axis is z."""
    x = np.cross(z, np.eye(3)[np.argmin(abs(z))])
    x /= np.linalg.norm(x)
    return np.stack([x, np.cross(z, x), z], axis=1)


def poses_of(m, n, seed, tilt):
    """Rotations of the geom, with ``tilt`` that of a random polygon on the plane [rad], or None for any rotation."""
    rng = np.random.default_rng(seed)
    plane = np.zeros(9)
    mujoco.mju_quat2Mat(plane, m.geom_quat[0])
    normal = plane.reshape(3, 3)[:, 2]
    polyadr, npoly = int(m.mesh_polyadr[1]), int(m.mesh_polynum[1])
    for _ in range(n):
        mat = rotation(rng)
        if tilt is not None:
            spin = exponential(np.array([0, 0, rng.uniform(0, 6)]))
            face = m.mesh_polynormal[polyadr + rng.integers(npoly)]
            mat = exponential(tilt * rng.normal(size=3)) @ frame(-normal) @ spin @ frame(face).T
        yield mat, normal, rng


def mujoco_contacts(name, n=200, seed=0, tilt=None, margin=0.0):
    """Poses of a mesh at and in the plane, and MuJoCo's contacts of each: rows of (dist, pos, normal)."""
    m = compiled(name, margin)
    d = mujoco.MjData(m)
    vertices = m.mesh_vert[m.mesh_vertadr[1] :][: m.mesh_vertnum[1]].astype(float)
    inverse = np.zeros(4)
    mujoco.mju_negQuat(inverse, m.geom_quat[2])
    poses = {k: [] for k in ("pos1", "mat1", "pos2", "mat2")}
    contacts = []
    for mat, normal, rng in poses_of(m, n, seed, tilt):
        quat, total = np.zeros(4), np.zeros(4)
        mujoco.mju_mat2Quat(quat, mat.ravel())
        mujoco.mju_mulQuat(total, quat, inverse)
        d.qpos[:3], d.qpos[3:] = 0, total
        mujoco.mj_kinematics(m, d)
        height = (vertices @ d.geom_xmat[2].reshape(3, 3).T + d.geom_xpos[2] - m.geom_pos[0]) @ normal
        sunk = rng.choice([-0.05, 1e-3, 0.05, 0.4, 0.7, 0.99]) * (height.max() - height.min())
        d.qpos[:3] = -normal * (height.min() + sunk) + rng.normal(size=3) @ (np.eye(3) - np.outer(normal, normal))
        mujoco.mj_kinematics(m, d)
        mujoco.mj_collision(m, d)
        contacts.append(np.array([[c.dist, *c.pos, *c.frame[:3]] for c in d.contact]).reshape(-1, 7))
        for k, g in (("1", 0), ("2", 2)):
            poses["pos" + k].append(d.geom_xpos[g].copy())
            poses["mat" + k].append(d.geom_xmat[g].reshape(3, 3).copy())
    return {k: np.array(v) for k, v in poses.items()}, contacts


# ------------------------------------------------------------------ kernels


@wp.kernel(enable_backward=False)
def select(
    margin: real,
    size: vec3,
    pos1: wp.array(dtype=vec3),
    mat1: wp.array(dtype=mat33),
    pos2: wp.array(dtype=vec3),
    mat2: wp.array(dtype=mat33),
    hulls: Hulls,
    ncon: wp.array2d(dtype=int),
    con_pair: wp.array2d(dtype=int),
    con_feature: wp.array3d(dtype=int),
):
    w = wp.tid()
    collide_plane_mesh(w, w, 0, margin, pos1[w], mat1[w], pos2[w], mat2[w], size, hulls, ncon, con_pair, con_feature)


@wp.kernel
def evaluate(
    feature: wp.array2d(dtype=int),
    size: vec3,
    pos1: wp.array(dtype=vec3),
    mat1: wp.array(dtype=mat33),
    pos2: wp.array(dtype=vec3),
    mat2: wp.array(dtype=mat33),
    mesh_vert: wp.array2d(dtype=real),
    dist: wp.array(dtype=real),
    pos: wp.array(dtype=vec3),
    normal: wp.array(dtype=vec3),
    tangent: wp.array(dtype=vec3),
):
    k = wp.tid()
    dist_k, pos_k, normal_k, tangent_k = plane_mesh(
        feature[k, 0], pos1[k], mat1[k], size, pos2[k], mat2[k], size, mesh_vert
    )
    dist[k] = dist_k
    pos[k] = pos_k
    normal[k] = normal_k
    tangent[k] = tangent_k


@cache
def tables(name):
    """The second mesh as shape 0, behind the first in all arrays; and its size."""
    m = compiled(name)
    described = [hulls.describe(m, mesh, m.geom_size[2]) for mesh in range(2)]
    first, second = ((hull.vertices, hull.normals, hull.table) for hull in described)
    vertices, normals, hull = (np.concatenate([a, b]) for a, b in zip(first, second, strict=True))
    made = Hulls()
    for field, value in (
        ("vertadr", len(first[0])),
        ("vertnum", len(second[0])),
        ("polyadr", len(first[1])),
        ("hulladr", len(first[2])),
    ):
        setattr(made, f"cgeom_{field}", wp.array([value], dtype=int))
    made.mesh_hull = wp.array(hull, dtype=int)
    made.mesh_vert, made.mesh_polynormal = wp.array(vertices, dtype=real), wp.array(normals, dtype=real)
    return made, vec3(*m.geom_size[2])


def to_warp(poses, grad=False):
    types = {"pos1": vec3, "mat1": mat33, "pos2": vec3, "mat2": mat33}
    return [wp.array(poses[k], dtype=dtype, requires_grad=grad) for k, dtype in types.items()]


def contacts_of(name, poses, margin=0.0):
    """The pose and the features of each contact that is selected, in order: (n,) and (n, 4) int."""
    n = len(poses["pos1"])
    ncon = wp.zeros((n, 1), dtype=int)
    con_pair = wp.full((n, SLOTS), -1, dtype=int)
    con_feature = wp.zeros((n, SLOTS, 4), dtype=int)
    wp.launch(
        select,
        dim=n,
        inputs=[margin, tables(name)[1], *to_warp(poses), tables(name)[0], ncon, con_pair, con_feature],
    )
    count = ncon.numpy()[:, 0]
    assert count.max() < SLOTS
    owner, slot = np.nonzero(np.arange(SLOTS) < count[:, None])
    return owner, con_feature.numpy()[owner, slot]


def geometry(name, features, poses, weights=None):
    """Rows of (dist, pos, normal); with ``weights`` of these, the adjoints of the poses instead."""
    n = len(features)
    inputs = to_warp(poses, grad=True)
    outputs = [wp.zeros(n, dtype=real, requires_grad=True)]
    outputs += [wp.zeros(n, dtype=vec3, requires_grad=True) for _ in range(3)]
    with wp.Tape() as tape:
        made, size = tables(name)
        read = [wp.array(features, dtype=int), size, *inputs, made.mesh_vert]
        wp.launch(evaluate, dim=n, inputs=read, outputs=outputs)
    assert not outputs[3].numpy().any()
    if weights is None:
        return np.concatenate([outputs[0].numpy()[:, None], outputs[1].numpy(), outputs[2].numpy()], axis=1)
    split = [weights[:, 0], weights[:, 1:4], weights[:, 4:]]
    tape.backward(grads={o: wp.array(x, dtype=o.dtype) for o, x in zip(outputs, split, strict=False)})
    return dict(zip(poses, [i.grad.numpy() for i in inputs], strict=True))


def rows(poses, index):
    return {k: v[index] for k, v in poses.items()}


def compare(name, poses, contacts, margin=0.0):
    """Largest error of each pose against MuJoCo's contacts in order, infinite if their number differs."""
    owner, features = contacts_of(name, poses, margin)
    values = geometry(name, features, rows(poses, owner))
    errors = []
    for k, expected in enumerate(contacts):
        mine = values[owner == k]
        same = mine.shape == expected.shape
        errors.append(abs(mine - expected).max(initial=0.0) if same else np.inf)
    return np.array(errors)


# ------------------------------------------------------------------ tests

TILTS = {"any rotation": None, "face down, tilted": 0.05, "face down": 0.0}


@pytest.mark.parametrize("tilt", TILTS)
@pytest.mark.parametrize("name", VERTICES)
def test_contacts_equal_mujoco(name, tilt):
    for margin in (0.0, 0.03):
        poses, contacts = mujoco_contacts(name, tilt=TILTS[tilt], margin=margin)
        errors = compare(name, poses, contacts, margin)
        assert errors.max() < FORWARD_TOLERANCE


def test_a_level_mesh_equals_mujoco():
    """Vertices that are equally deep to the last bit: which of them anchors the contacts is MuJoCo's choice."""
    for name in VERTICES:
        m = compiled(name)
        d = mujoco.MjData(m)
        eye = np.eye(3)
        normals = [*eye, *-eye, *m.mesh_polynormal[m.mesh_polyadr[1] :][: min(m.mesh_polynum[1], 50)]]
        poses = {k: [] for k in ("pos1", "mat1", "pos2", "mat2")}
        contacts = []
        for normal in normals:
            quat = np.zeros(4)
            mujoco.mju_mat2Quat(quat, frame(-normal).ravel())
            d.qpos[:] = [0, 0, 0, 1, 0, 0, 0]
            mujoco.mj_kinematics(m, d)
            d.geom_xpos[2], d.geom_xmat[2] = 0, eye.ravel()
            d.geom_xpos[0] = 0
            mujoco.mju_quat2Mat(d.geom_xmat[0], quat)
            mujoco.mj_collision(m, d)
            contacts.append(np.array([[c.dist, *c.pos, *c.frame[:3]] for c in d.contact]).reshape(-1, 7))
            for k, g in (("1", 0), ("2", 2)):
                poses["pos" + k].append(d.geom_xpos[g].copy())
                poses["mat" + k].append(d.geom_xmat[g].reshape(3, 3).copy())
        errors = compare(name, {k: np.array(v) for k, v in poses.items()}, contacts)
        assert errors.max() < FORWARD_TOLERANCE, name


@pytest.mark.parametrize("name", ["cube", "prism 24"])
def test_adjoint_equals_differences(name):
    poses, _ = mujoco_contacts(name)
    owner, features = contacts_of(name, poses)
    poses = rows(poses, owner)
    rng = np.random.default_rng(1)
    weights = rng.normal(size=(len(owner), 7))
    direction = {k: rng.normal(size=(len(owner), 3)) for k in poses}
    gradient = geometry(name, features, poses, weights)

    def value(t):
        moved = {}
        for k, x in poses.items():
            if k.startswith("mat"):
                moved[k] = np.array([m @ exponential(t * v) for m, v in zip(x, direction[k], strict=True)])
            else:
                moved[k] = x + t * direction[k]
        return (geometry(name, features, moved) * weights).sum(1)

    got = np.zeros(len(owner))
    for k, x in poses.items():
        tangent = direction[k]
        if k.startswith("mat"):
            tangent = x @ np.cross(np.eye(3), tangent[:, None, :])  # d/dt mat exp(t [w]) = mat [w]
        got += (gradient[k] * tangent).reshape(len(owner), -1).sum(1)
    expected, _ = directional_derivative(value, step=1e-2)
    np.testing.assert_allclose(got, expected, atol=GRADIENT_TOLERANCE, rtol=GRADIENT_TOLERANCE)
