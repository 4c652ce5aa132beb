"""Vertices and boxes of geoms, links and entities against MuJoCo's data, and their gradients against differences."""

import mujoco
import numpy as np
import pytest
import torch

import genesis as gs
from tests.entities import worlds
from tests.helpers import check_gradient
from tests.scenes import build

ROUNDING = 1e-13

# Every kind of shape on one free body, a height field, an endless plane, and shapes that are only drawn, or only solid.
SHAPES = """
<mujoco>
  <asset>
    <mesh name="wedge" vertex="0 0 0  .3 0 0  0 .2 0  0 0 .25  .3 .2 .1"/>
    <hfield name="hills" nrow="3" ncol="4" size=".8 .6 .2 .1" elevation="0 1 2 0 3 1 0 0 2 1 1 3"/>
  </asset>
  <worldbody>
    <geom name="ground" type="plane" size="0 0 1" pos="0 0 -1"/>
    <geom name="patch" type="plane" size=".5 .25 1" pos="1 0 -1" euler="10 20 0"/>
    <body name="rough"><geom name="hills" type="hfield" hfield="hills" pos="-2 0 0"/></body>
    <body name="body" pos="0 0 1"><freejoint/>
      <geom name="box" type="box" size=".1 .2 .3" pos=".1 0 0" euler="20 30 40"/>
      <geom name="ball" type="sphere" size=".15" pos="-.2 .1 0"/>
      <geom name="egg" type="ellipsoid" size=".1 .2 .3" pos="0 -.3 .1" euler="70 10 0"/>
      <geom name="can" type="cylinder" size=".1 .25" pos="0 .3 0" euler="30 0 50"/>
      <geom name="pill" type="capsule" size=".08 .2" pos=".3 .3 0" euler="0 60 10"/>
      <geom name="wedge" type="mesh" mesh="wedge" pos="-.4 0 .2" euler="0 0 30"/>
      <body name="arm" pos="0 0 .4"><joint name="hinge" axis="0 1 0" pos=".05 0 .1"/>
        <joint name="slide" type="slide" axis="1 0 1"/>
        <geom name="drawn" type="box" size=".6 .01 .01" contype="0" conaffinity="0"/>
        <geom name="solid" type="sphere" size=".05" group="3" pos="0 0 .3"/>
      </body>
      <body name="bare" pos="0 0 -.4"><geom type="sphere" size=".01" contype="0" conaffinity="0" group="3"/></body>
    </body>
  </worldbody>
</mujoco>"""


@pytest.fixture(scope="module")
def shapes():
    scene, body = build(SHAPES, n_envs=2)
    rng = np.random.default_rng(3)
    qpos = np.tile(scene.mj_model.qpos0, (2, 1))
    for row in qpos:
        mujoco.mj_integratePos(scene.mj_model, row, rng.normal(size=scene.mj_model.nv), 1.0)
    body.set_qpos(torch.as_tensor(qpos))
    return scene, body, qpos


@pytest.fixture(scope="module")
def solid_shapes():
    """The same, where they can touch each other, so that their sizes and places are parameters."""
    return build(SHAPES, constraints=True)


def data_of(scene, qpos):
    data = mujoco.MjData(scene.mj_model)
    data.qpos[:] = qpos
    mujoco.mj_kinematics(scene.mj_model, data)
    return data


def reach(model, data, geom, direction):
    """How far a geom reaches in a direction: MuJoCo's shapes by their support functions, written anew."""
    pos, matrix, size = data.geom_xpos[geom], data.geom_xmat[geom].reshape(3, 3), model.geom_size[geom]
    e = matrix.T @ direction
    kind = mujoco.mjtGeom(model.geom_type[geom]).name.removeprefix("mjGEOM_").lower()
    point = {
        "sphere": lambda: size[0] * e,
        "box": lambda: size * np.sign(e),
        "ellipsoid": lambda: size**2 * e / np.linalg.norm(size * e),
        "capsule": lambda: size[0] * e + np.array([0, 0, size[1] * np.sign(e[2])]),
        "cylinder": lambda: np.array([*size[0] * e[:2] / np.linalg.norm(e[:2]), size[1] * np.sign(e[2])]),
        "mesh": lambda: max(mesh_of(model, geom), key=lambda v: v @ e),
    }[kind]()
    return direction @ pos + e @ point


def mesh_of(model, geom):
    mesh = model.geom_dataid[geom]
    first = model.mesh_vertadr[mesh]
    return model.mesh_vert[first : first + model.mesh_vertnum[mesh]]


CONVEX = ("box", "ball", "egg", "can", "pill", "wedge", "drawn", "solid")


@pytest.mark.parametrize("name", CONVEX)
def test_boxes_of_shapes(shapes, name):
    scene, body, qpos = shapes
    geom = next(geom for geom in body.geoms if geom.name == name)
    box = geom.get_AABB()
    assert box.shape == (2, 2, 3)
    for env in range(2):
        data = data_of(scene, qpos[env])
        expected = [[-reach(scene.mj_model, data, geom.idx, -axis) for axis in np.eye(3)]]
        expected += [[reach(scene.mj_model, data, geom.idx, axis) for axis in np.eye(3)]]
        assert np.allclose(box[env], expected, atol=ROUNDING)
    verts = geom.get_verts()
    # Vertices lie on the shape: within its box, and near its sides (an icosphere misses them by less than 2 percent).
    assert bool((verts.min(1).values >= box[:, 0] - ROUNDING).all())
    assert bool((verts.max(1).values <= box[:, 1] + ROUNDING).all())
    assert float((verts.min(1).values - box[:, 0]).max()) < 0.02 * float((box[:, 1] - box[:, 0]).max())


@pytest.mark.parametrize("name", ["ground", "patch", "hills", *CONVEX])
def test_vertices_and_faces(shapes, name):
    scene, body, qpos = shapes
    geom = next(geom for geom in body.geoms if geom.name == name)
    verts = geom.get_verts()
    assert verts.shape == (2, geom.n_verts, 3)
    data = data_of(scene, qpos[1])
    local = mesh_of(scene.mj_model, geom.idx) if name == "wedge" else geom.init_verts
    expected = local @ data.geom_xmat[geom.idx].reshape(3, 3).T + data.geom_xpos[geom.idx]
    assert np.allclose(verts[1], expected, atol=1e-7 if name == "wedge" else 1e-12)  # MuJoCo keeps meshes in 32 bits
    assert geom.n_faces == len(geom.init_faces)
    assert geom.n_edges == len(geom.init_edges)
    mesh = geom.trimesh
    assert mesh.is_watertight
    assert mesh.volume > 0
    assert geom.n_verts - geom.n_edges + geom.n_faces == 2  # Euler: a closed surface without holes
    assert np.allclose(geom.get_pos()[1], data.geom_xpos[geom.idx], atol=ROUNDING)
    quat = np.zeros(4)
    mujoco.mju_mat2Quat(quat, data.geom_xmat[geom.idx])
    assert abs(abs(geom.get_quat()[1].numpy() @ quat) - 1) < 1e-12
    if name == "ground":
        assert np.allclose(geom.get_AABB()[0], [[-500, -500, -1.01], [500, 500, -1]])
    if name == "hills":
        heights = np.array([[0, 1, 2, 0], [3, 1, 0, 0], [2, 1, 1, 3]]) / 3 * 0.2
        assert np.allclose(sorted(verts[0, :12, 2].tolist()), sorted(heights.ravel()), atol=1e-6)
        assert np.allclose(geom.get_AABB()[0], [[-2.8, -0.6, -0.1], [-1.2, 0.6, 0.2]], atol=1e-6)


def test_links_and_entities_gather_what_is_solid(shapes):
    _scene, body, _qpos = shapes
    arm, bare, rough = (body.get_link(name) for name in ("arm", "bare", "rough"))
    drawn, solid = arm.geoms
    assert torch.equal(arm.get_AABB(), solid.get_AABB())
    assert torch.equal(arm.get_verts(), solid.get_verts())
    assert torch.equal(arm.get_vAABB(), drawn.get_AABB())
    assert [geom.name for geom in arm.vgeoms] == ["drawn"]
    assert arm.n_verts == solid.n_verts == 642
    assert (arm.n_vverts, arm.n_vfaces) == (8, 12)
    for method in ("get_AABB", "get_vAABB"):
        with pytest.raises(gs.GenesisException, match=f"bare.{method}: it has no"):
            getattr(bare, method)()
    assert bare.get_verts().shape == (2, 0, 3)
    boxes = torch.stack([geom.get_AABB() for geom in body.geoms if geom.is_solid])
    whole = body.get_AABB()
    assert torch.equal(whole[:, 0], boxes[:, :, 0].min(0).values)
    assert torch.equal(whole[:, 1], boxes[:, :, 1].max(0).values)
    assert torch.equal(body.get_AABB(envs_idx=[1]), whole[1:])
    assert torch.equal(body.get_AABB(allow_fast_approx=True), whole)
    assert body.get_verts().shape == (2, body.n_verts, 3)
    assert body.get_verts(envs_idx=1).shape == (1, body.n_verts, 3)
    assert body.n_faces == sum(geom.n_faces for geom in body.geoms if geom.is_solid)
    assert body.get_vverts().shape == (2, body.n_vverts, 3)
    assert body.get_vAABB().shape == (2, 2, 3)
    assert body.n_vgeoms == len(body.vgeoms) == len(body.geoms) - 2
    assert rough.geoms[0].is_convex is False
    vgeom = arm.vgeoms[0]
    assert (vgeom.name, vgeom.link, vgeom.entity, vgeom.geom) == ("drawn", arm, body, drawn)
    assert (vgeom.n_vverts, vgeom.n_vfaces) == (8, 12)
    assert vgeom == arm.vgeoms[0]
    assert torch.equal(vgeom.get_vverts(), drawn.get_verts())
    assert torch.equal(vgeom.get_vAABB(), drawn.get_AABB())
    assert torch.equal(vgeom.get_pos(), drawn.get_pos())
    assert torch.equal(vgeom.get_quat(), drawn.get_quat())
    assert vgeom.init_vverts.shape == (8, 3)
    assert vgeom.init_vfaces.shape == (12, 3)
    assert (vgeom.init_pos == drawn.init_pos).all()
    assert (vgeom.init_quat == drawn.init_quat).all()
    assert (vgeom.idx, vgeom.uid, vgeom.is_built, vgeom.is_fixed) == (vgeom.idx, vgeom.idx, True, False)
    assert vgeom.solver.vgeoms[vgeom.idx] == vgeom
    assert vgeom.trimesh.is_watertight
    assert vgeom.surface is None
    assert vgeom.metadata == {}


def test_gradients_by_the_state(shapes):
    _scene, body, qpos = shapes
    wedge = next(geom for geom in body.geoms if geom.name == "wedge")

    def outputs(q):
        body.set_qpos(q)
        return body.get_AABB(), wedge.get_verts()

    try:
        check_gradient(outputs, torch.as_tensor(qpos), eps=1e-3)
    finally:
        body.set_qpos(torch.as_tensor(qpos))


@pytest.mark.parametrize("name", ["box", "ball", "egg", "can", "pill"])
def test_gradients_by_size_and_place(solid_shapes, name):
    scene, body = solid_shapes
    geom = next(geom for geom in body.geoms if geom.name == name)
    body.set_qpos(torch.tensor([0.1, 0.2, 0.3, 0.8, 0.1, -0.4, 0.3, 0.2, 0.1]))
    assert geom.can_touch
    size, pos, quat = geom.get_size().detach(), geom.get_offset_pos().detach(), geom.get_offset_quat().detach()

    def outputs(size, pos, quat):
        geom.set_size(size)
        geom.set_offset_pos(pos)
        geom.set_offset_quat(quat)
        return geom.get_AABB(), geom.get_verts()[::31]

    check_gradient(outputs, *(torch.as_tensor(x).as_subclass(torch.Tensor) for x in (size, pos, quat)), eps=1e-3)
    assert scene.n_envs == 0


def test_a_mesh_that_was_scaled(solid_shapes):
    scene, body = solid_shapes
    geom = next(geom for geom in body.geoms if geom.name == "wedge")
    before = geom.get_verts() - geom.get_pos()
    body.set_geoms_size(torch.as_tensor(2.0 * scene.mj_model.geom_size[[geom.idx]]), [geom.idx_local])
    assert torch.allclose(geom.get_verts() - geom.get_pos(), 2.0 * before)


def test_shapes_of_a_scene_without_envs():
    _scene, _arm, _floater, block = worlds.world()
    assert np.allclose(block.get_AABB(), [[-1.1, -0.15, 0.0], [-0.9, 0.15, 0.4]])
    assert block.get_verts().shape == (8, 3)
    assert block.base_link.get_AABB().shape == (2, 3)
    with pytest.raises(gs.GenesisException, match="call scene"):
        worlds.unbuilt()[3].get_AABB()
