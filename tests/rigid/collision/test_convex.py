"""Contacts of convex shapes that have no closed form: against MuJoCo, and their adjoint against differences."""

import itertools

import mujoco
import numpy as np
import pytest
import torch

from tests.rigid.collision.convex_oracles import (
    MESHES,
    NAMES,
    PLACE,
    SHAPES,
    beside_differences,
    contacts_of,
    mujocos_contacts,
)
from tests.rigid.engine import Engine
from tests.scenes import build

CURVED = ("ellipsoid", "cylinder")
PAIRS = [
    *(("sphere", other) for other in ("ellipsoid", "hull", "wedge")),
    *(("capsule", other) for other in ("ellipsoid", "cylinder", "hull", "wedge")),
    *(("ellipsoid", other) for other in ("ellipsoid", "cylinder", "box", "hull")),
    *(("cylinder", other) for other in ("cylinder", "box", "hull", "wedge")),
    *(("box", other) for other in ("hull", "wedge")),
    *(("hull", "hull"), ("wedge", "hull"), ("wedge", "wedge")),
]
DEPTH = 1e-8
POINT = 11  # kind of a feature: a place that was found, and nothing that touches there
# Both sides decide between equal choices by rounding, and MuJoCo 4.0 clips the caps of cylinders in ways of its own.
# Cylinders on end, and capsules on them, are compared by depth where the contacts' places differ.
SAME = 0.95
STATES = 100


def model(first, second, margin=0.0, flags=""):
    bodies = "".join(f'<body><freejoint/><geom {SHAPES[s]} margin="{margin}"/></body>' for s in (first, second))
    return mujoco.MjModel.from_xml_string(f"""
        <mujoco><option ccd_tolerance="1e-10" ccd_iterations="200">{flags}</option>
        <asset>{MESHES}</asset>
        <worldbody>{bodies}</worldbody></mujoco>""")


def states(m, seed, count=STATES):
    """From deep in each other to apart."""
    rng = np.random.default_rng(seed)
    for _ in range(count):
        data = mujoco.MjData(m)
        quats = rng.standard_normal((2, 4))
        offset = rng.standard_normal(3)
        data.qpos[3:7], data.qpos[10:14] = quats / np.linalg.norm(quats, axis=1)[:, None]
        data.qpos[7:10] = 0.2 * rng.uniform(0.3, 1.1) * offset / np.linalg.norm(offset)
        mujoco.mj_forward(m, data)
        yield data


def agree(ours, theirs, tolerance):
    """Whether the contacts are the same, in any order."""
    c = len(ours[0])
    if c != len(theirs[0]):
        return False
    return any(
        all(np.abs(x[list(order)] - y).max(initial=0) < tolerance for x, y in zip(ours, theirs, strict=True))
        for order in itertools.permutations(range(c))
    )


@pytest.mark.parametrize("margin", [0.0, 0.01])
@pytest.mark.parametrize(("first", "second"), PAIRS)
def test_contacts_are_mujocos(first, second, margin):
    m = model(first, second, margin)
    engine, same, touching, deepest = Engine(m), 0, 0, []
    for data in states(m, seed=len(first) + 7 * len(second)):
        ours = contacts_of(engine, data)
        theirs = mujocos_contacts(data)
        assert (len(ours[0]) > 0) == (data.ncon > 0)
        touching += data.ncon > 0
        same += data.ncon > 0 and agree(ours, theirs, PLACE)
        if data.ncon == 1 == len(ours[0]):
            deepest.append(abs(ours[0][0] - theirs[0][0]))
    assert touching > STATES / 4
    assert same >= SAME * touching, f"{same} of {touching}"
    assert np.quantile(deepest, 0.98) < DEPTH


@pytest.mark.parametrize(("first", "second"), PAIRS)
def test_one_contact_without_multiccd(first, second):
    m = model(first, second, flags='<flag multiccd="disable"/>')
    engine = Engine(m)
    for data in states(m, seed=3, count=40):
        ours = contacts_of(engine, data)
        assert len(ours[0]) == data.ncon <= 1
        if data.ncon:
            assert abs(ours[0][0] - data.contact.dist[0]) < DEPTH
            assert np.abs(ours[2][0] - np.array(data.contact.frame[0])).max() < PLACE * 10


@pytest.mark.parametrize("margin", [0.0, 0.01])
@pytest.mark.parametrize(("first", "second"), PAIRS)
def test_adjoint_equals_differences(first, second, margin):
    m = model(first, second, margin)
    seen = beside_differences(m, states(m, seed=11, count=60))
    for label in ("state", "parameters"):
        assert seen[label, "smooth"] > 15, seen


def farthest(m, data, g, direction):
    """How far a shape of the model reaches along a direction of the world."""
    size, local = m.geom_size[g], data.geom_xmat[g].reshape(3, 3).T @ direction
    kind = mujoco.mjtGeom(m.geom_type[g]).name.removeprefix("mjGEOM_").lower()
    if kind == "mesh":
        start, count = m.mesh_vertadr[m.geom_dataid[g]], m.mesh_vertnum[m.geom_dataid[g]]
        reach = (m.mesh_vert[start : start + count] @ local).max()
    else:
        across = np.hypot(local[0], local[1])
        reach = {
            "sphere": size[0],
            "capsule": size[0] + size[1] * abs(local[2]),
            "ellipsoid": np.linalg.norm(size * local),
            "cylinder": size[0] * across + size[1] * abs(local[2]),
            "box": size @ np.abs(local),
        }[kind]
    return data.geom_xpos[g] @ direction + reach


@pytest.mark.parametrize(("first", "second"), PAIRS)
def test_shapes_overlap_by_the_depth(first, second):
    """Along the normal, with MuJoCo's default tolerance and iterations. All but one in a hundred: of two ellipsoids that are
    almost one in the other, with hardly a least overlap, two points may be left that are only near."""
    m = model(first, second, flags='<flag multiccd="disable"/>')
    m.opt.ccd_tolerance, m.opt.ccd_iterations = 1e-6, 35
    engine, touching, near = Engine(m), 0, 0
    for data in states(m, seed=23, count=400):
        names = ("ncon", "con_dist", "con_frame", "con_feature")
        count, dist, frame, feature = engine.fields(names, engine.state_of(data), engine.command())
        if not int(count[0, 1]):
            continue
        touching += 1
        if int(feature[0, 0, 1]) == POINT:
            near += 1
            continue
        normal = frame.numpy()[0, 0].reshape(9)[:3]
        assert abs(farthest(m, data, 0, normal) + farthest(m, data, 1, -normal) + float(dist[0, 0])) < DEPTH
    assert touching > 100 and near <= 0.01 * touching


def test_depth_is_the_least(monkeypatch):
    """Of two polytopes: no direction separates them by less than the depth that is found."""
    m = model("wedge", "hull", flags='<flag multiccd="disable"/>')
    engine, rng = Engine(m), np.random.default_rng(0)
    directions = rng.standard_normal((4000, 3))
    directions /= np.linalg.norm(directions, axis=1)[:, None]
    points = [m.mesh_vert[m.mesh_vertadr[k] : m.mesh_vertadr[k] + m.mesh_vertnum[k]] for k in (1, 0)]
    checked = 0
    for data in states(m, seed=2, count=60):
        dist, _, frame = contacts_of(engine, data)
        if not len(dist) or dist[0] > 0:
            continue
        one, two = (points[k] @ data.geom_xmat[k].reshape(3, 3).T + data.geom_xpos[k] for k in (0, 1))
        edges = [
            np.concatenate([p[i] - p[j] for i, j in itertools.combinations(range(len(p)), 2)]).reshape(-1, 3)
            for p in (one, two[:12])
        ]
        normals = np.cross(edges[0][:, None], edges[1][None]).reshape(-1, 3)
        normals = normals[np.linalg.norm(normals, axis=1) > 1e-9]
        normals /= np.linalg.norm(normals, axis=1)[:, None]
        every = np.concatenate([directions, normals, -normals, frame[:1, :3]])
        depths = (one @ every.T).max(axis=0) - (two @ every.T).min(axis=0)
        assert -dist[0] <= depths.min() + 1e-9
        assert abs(depths[-1] + dist[0]) < 1e-9
        checked += 1
    assert checked > 20


ELLIPSOID, CYLINDER = 'type="ellipsoid" size=".1 .07 .14"', 'type="cylinder" size=".09 .11"'
CUBE = 'type="mesh" mesh="cube"'
STILL = (1.0, 0.0, 0.0, 0.0)
BRICK = 'type="box" size=".1 .08 .12"'
# (first shape, second shape, position and orientation of both, depths, ccd_tolerance); true depths
AWKWARD = {
    "just touching, where EPA's normal comes out the wrong way round": (
        ELLIPSOID, CYLINDER, (0, 0, 0, 0.9238839624942247, 0, 0, 0.38267273726510787),
        (-0.043889116302628796, 0.07680909410760825, 0.20813861015100468, 0.5, 0.5, 0.5, 0.5), [2.5e-6], 1e-6),
    "just touching, another way": (
        ELLIPSOID, CYLINDER, (0, 0, 0, 1, 1, 0, 0), (-0.1868864, -0.042, -0.042, *STILL), [1.6e-6], 1e-6),
    "a sliver of EPA's polytope that seems to look inwards": (
        CYLINDER, BRICK,
        (0, 0, 0, 0.8977760160474358, -0.26771853897235987, 0.22410565852111172, -0.26851752776926546),
        (0.09406190269729824, 0.10354978065673781, -0.09438982277020358,
         0.22230624755318157, -0.14853915679852364, 0.36174873786821926, 0.8931147193094275), [0.008768], 1e-6),
    "a cap on a cap": (CYLINDER, CYLINDER, (0, 0, 0, *STILL), (0.02, 0.01, 0.2199, *STILL), [1e-4] * 4, 1e-6),
    "the same place": (CUBE, CUBE, (0, 0, 0, *STILL), (0, 0, 0, *STILL), [0.2] * 4, 1e-6),
    "the same place, curved": (ELLIPSOID, ELLIPSOID, (0, 0, 0, *STILL), (0, 0, 0, *STILL), [0.14], 1e-6),
    "flush": (CUBE, CUBE, (0, 0, 0, *STILL), (0, 0, 0.1999, *STILL), [1e-4] * 4, 1e-6),
    "a tolerance that is coarser than the depth": (
        ELLIPSOID, ELLIPSOID, (0, 0, 0, 0.143272, -0.291114, 0.833432, -0.447344),
        (-0.135842, 0.172732, 0.030509, 0.585237, -0.287518, 0.259834, -0.712263), [0.0028824], 1e-3),
}  # fmt: skip


@pytest.mark.parametrize("case", AWKWARD)
def test_awkward_poses(case):
    first, second, one, two, depths, tolerance = AWKWARD[case]
    corners = " ".join(str(0.1 * x) for corner in itertools.product((-1, 1), repeat=3) for x in corner)
    m = mujoco.MjModel.from_xml_string(f"""
        <mujoco><option ccd_tolerance="{tolerance}"/><asset><mesh name="cube" vertex="{corners}"/></asset>
        <worldbody><body><freejoint/><geom {first}/></body><body><freejoint/><geom {second}/></body></worldbody></mujoco>""")
    data = mujoco.MjData(m)
    data.qpos[:] = (*one, *two)
    mujoco.mj_normalizeQuat(m, data.qpos)
    engine = Engine(m, n_worlds=2)  # a row after the first, which no contact may touch
    state = engine.state_of(data).repeat(2, 1)
    count, dist = engine.fields(("ncon", "con_dist"), state, engine.command())
    for row in range(2):
        found = dist[row, : int(count[row, 1])].numpy()
        np.testing.assert_allclose(np.sort(-found), np.sort(depths), atol=2e-7)
    state.requires_grad_()
    fields = engine.observe(NAMES, state, engine.command(), None, True)
    n = len(depths)
    (gradient,) = torch.autograd.grad(sum(field[:, :n].sum() for field in fields), state)
    assert torch.isfinite(gradient).all() and torch.equal(gradient[0], gradient[1])


CUBE_CORNERS = " ".join(str(0.1 * x) for corner in itertools.product((-1, 1), repeat=3) for x in corner)
OCTAHEDRON = ".2 0 0 -.2 0 0 0 .2 0 0 -.2 0 0 0 .2 0 0 -.2"


def round_model(first, second):
    kinds = {
        "sphere": 'type="sphere" size=".1"',
        "ellipsoid": 'type="ellipsoid" size=".1 .1 .2"',
        "cylinder": 'type="cylinder" size=".1 .1"',
        "box": 'type="box" size=".1 .1 .1"',
        "cube": 'type="mesh" mesh="cube"',
        "octahedron": 'type="mesh" mesh="octahedron"',
    }
    bodies = "".join(f"<body><freejoint/><geom {kinds[shape]}/></body>" for shape in (first, second))
    return mujoco.MjModel.from_xml_string(f"""
        <mujoco><option ccd_tolerance="1e-9" ccd_iterations="100"><flag multiccd="disable"/></option>
        <asset><mesh name="cube" vertex="{CUBE_CORNERS}"/><mesh name="octahedron" vertex="{OCTAHEDRON}"/></asset>
        <worldbody>{bodies}</worldbody></mujoco>""")


@pytest.mark.parametrize(
    ("first", "second"),
    [("sphere", "octahedron"), ("ellipsoid", "box"), ("cylinder", "cylinder"), ("box", "cube"), ("cube", "cube")],
)
def test_poses_of_round_numbers(first, second):
    """Where searches meet ties: distances that are equal, the origin on an edge or face of what they begin with. No overlap
    is missed, and the shapes overlap by the depth along the normal; to a hundredth, since some overlap by as much in a whole
    range of directions, where nothing is solved for exactly."""
    m = round_model(first, second)
    engine, data = Engine(m), mujoco.MjData(m)
    half = 0.5**0.5
    turns = [STILL, (half, half, 0, 0), (half, 0, half, 0), (0.5, 0.5, 0.5, 0.5), (np.cos(0.3), 0, 0, np.sin(0.3))]
    missed = wrong = overlapping = 0
    for place in itertools.product((0, 0.05, 0.1, 0.15, 0.2), repeat=3):
        for turn in turns:
            data.qpos[:] = (0, 0, 0, *STILL, *place, *turn)
            mujoco.mj_forward(m, data)
            if not data.ncon or data.contact.dist[0] > -1e-6:
                continue
            overlapping += 1
            dist, _, frame = contacts_of(engine, data)
            if not len(dist):
                missed += 1
                continue
            normal = frame[0, :3]
            depth = farthest(m, data, 0, normal) + farthest(m, data, 1, -normal)
            wrong += abs(depth + dist[0]) > 0.01 * depth or dist[0] < data.contact.dist[0] * 1.01
    assert overlapping > 100 and missed == wrong == 0, (overlapping, missed, wrong)


def test_meshes_at_one_height():
    """Cubes that stand side by side, turned about the vertical: what GJK ends with lies in the plane of their middles."""
    m = round_model("cube", "cube")
    engine, data, rng, wrong = Engine(m), mujoco.MjData(m), np.random.default_rng(11), 0
    for _ in range(1000):
        along, yaw, far = rng.uniform(0, 2 * np.pi, 2), rng.uniform(0, np.pi), rng.uniform(0.12, 0.3)
        data.qpos[:] = (
            0,
            0,
            0,
            *STILL,
            far * np.cos(along[0]),
            far * np.sin(along[0]),
            0,
            np.cos(yaw),
            0,
            0,
            np.sin(yaw),
        )
        mujoco.mj_forward(m, data)
        dist = contacts_of(engine, data)[0]
        assert len(dist) == data.ncon
        wrong += data.ncon > 0 and abs(dist[0] - data.contact.dist[0]) > 1e-8
    assert wrong <= 2


@pytest.mark.parametrize("shape", ["sphere", "ellipsoid"])
def test_over_the_diagonal_of_a_face(shape):
    """Triangles of one face are one face: the place of the contact, and a normal that does not turn."""
    m = round_model(shape, "cube")
    engine = Engine(m)
    for place, off in itertools.product(np.linspace(-0.09, 0.09, 7), (0.0, 1e-12, -1e-9, 1e-6, -1e-4)):
        data = mujoco.MjData(m)
        data.qpos[:] = (place, place + off, 0.1 + m.geom_size[0].max() - 1e-4, *STILL, 0, 0, 0, *STILL)
        mujoco.mj_forward(m, data)
        state = engine.state_of(data).requires_grad_()
        dist, pos, frame = engine.observe(NAMES, state, engine.command(), None, True)
        assert float(dist[0, 0]) == pytest.approx(-1e-4, abs=1e-8)  # vertices of meshes are kept in 32 bits
        np.testing.assert_allclose(pos[0, 0, :2].detach(), (place, place + off), atol=1e-7)
        (by_normal,) = torch.autograd.grad(frame.reshape(-1)[:3] @ torch.tensor([1.0, 2.0, 3.0]).double(), state)
        assert by_normal[0, :3].abs().max() < 1e-6


def test_options_changed_after_the_build_have_no_effect():
    """Work space is made for the number of iterations that the model was built with."""
    text = (
        '<mujoco><option ccd_iterations="5"/><worldbody><geom type="ellipsoid" size=".3 .2 .1"/>'
        '<body pos=".1 .05 .15"><freejoint/><geom type="ellipsoid" size=".2 .1 .1"/></body></worldbody></mujoco>'
    )
    found = []
    for iterations in (5, 1000):
        scene, robot = build(text, constraints=True)
        scene.mj_model.opt.ccd_iterations = iterations
        for _ in range(20):
            scene.step()
        found.append(robot.get_qpos().sceneless())
    assert torch.equal(*found)
