"""Probes: nearest surfaces against what is known of the shapes, depths of touching shapes, and gradients."""

import numpy as np
import pytest
import torch
import trimesh

import genesis as gs
from genesis.sensors.nearness import NEAREST
from genesis.sensors.shapes import BOX, CAPSULE, CYLINDER, ELLIPSOID, PLANE, SHAPES, SPHERE
from tests.helpers import check_gradient
from tests.sensors.attached import rig

SIZES = {
    PLANE: (0.0, 0.0, 1.0),
    SPHERE: (0.3, 1.0, 1.0),
    CAPSULE: (0.2, 0.4, 1.0),
    ELLIPSOID: (0.4, 0.3, 0.15),
    CYLINDER: (0.25, 0.35, 1.0),
    BOX: (0.3, 0.2, 0.4),
}
F64 = {"dtype": torch.float64}


@pytest.mark.parametrize("kind", SIZES)
def test_nearest_points_of_simple_shapes(kind):
    """They lie on the surface, the way there is along the normal, and no other point of the surface is nearer."""
    rng = np.random.default_rng(kind)
    point = torch.as_tensor(rng.uniform(-0.6, 0.6, (400, 3)))
    size = torch.tensor(SIZES[kind], **F64).expand(400, 3)
    nearest, normal = NEAREST[kind](size, point)
    torch.testing.assert_close(normal.norm(dim=-1), torch.ones(400, **F64))
    apart = ((point - nearest) * normal).sum(-1)
    torch.testing.assert_close(nearest + apart.unsqueeze(-1) * normal, point, atol=1e-9, rtol=0)
    assert torch.equal(apart < 0, SHAPES[kind].contains(size, point))
    if kind != PLANE:
        # Points of the surface, all around, by rays from outside inwards.
        start = torch.nn.functional.normalize(torch.as_tensor(rng.normal(size=(4000, 3))), dim=-1)
        far = SHAPES[kind].distance(size[:1].expand(4000, 3), start, -start)
        surface = start - far.unsqueeze(-1) * start
        assert (torch.cdist(point, surface).amin(1) >= apart.abs() - 1e-9).all()
        outside = nearest + 1e-6 * normal
        assert not SHAPES[kind].contains(size, outside).any()


@pytest.mark.parametrize("kind", SIZES)
def test_gradients_of_nearest_points(kind):
    rng = np.random.default_rng(10 + kind)
    point = torch.as_tensor(rng.uniform(-0.6, 0.6, (2, 3)))
    size = torch.tensor(SIZES[kind], **F64).expand(2, 3).clone()
    check_gradient(lambda p, s: NEAREST[kind](s, p), point, size, eps=1e-5)


@pytest.fixture(scope="module")
def scene_of_shapes(tmp_path_factory):
    """A platform with shapes that sink into it a little, and probes of all kinds."""
    folder = tmp_path_factory.mktemp("stone")
    stone = trimesh.creation.icosphere(subdivisions=3, radius=0.2)
    stone.vertices *= [1.0, 0.8, 0.6]
    stone.export(folder / "stone.obj")
    scene = gs.Scene(sim_options=gs.options.SimOptions(dt=0.005, gravity=(0, 0, 0), requires_grad=True))
    platform = scene.add_entity(gs.morphs.Box(size=(2, 2, 0.2), pos=(0, 0, -0.1), fixed=True))
    ball = scene.add_entity(gs.morphs.Sphere(radius=0.1, pos=(-0.5, 0, 0.099)))
    box = scene.add_entity(gs.morphs.Box(size=(0.2, 0.2, 0.2), pos=(0.5, 0, 0.098)))
    mesh = scene.add_entity(gs.morphs.Mesh(file=str(folder / "stone.obj"), pos=(0, 0.5, 0.4), euler=(20, 30, 40)))
    points = ((-0.5, 0, 0.1), (0.5, 0.05, 0.1), (0.9, 0.9, 0.1))
    on = {"entity_idx": platform.idx, "probe_local_pos": points, "probe_radius": 0.02}
    free = np.random.default_rng(3).uniform(-0.5, 0.5, (6, 3)) + np.array([0, 0.5, 0.4])
    described = {
        "depth": gs.sensors.ContactDepthProbe(**on, probe_gain=(1.0, 2.0, 1.0)),
        "blind": gs.sensors.ContactDepthProbe(**on, filter_link_idx=(1,)),
        "touch": gs.sensors.ContactProbe(**on, contact_threshold=0.01, release_threshold=0.001),
        "taxel": gs.sensors.KinematicTaxel(**on, normal_exponent=1.5),
        "spring": gs.sensors.KinematicContactProbe(**on, stiffness=500.0),
        "near": gs.sensors.SurfaceDistanceProbe(
            entity_idx=platform.idx, probe_local_pos=free, probe_radius=3.0, track_link_idx=(1, 3)
        ),
        "grid": gs.sensors.Proximity(probe_local_pos=free[:4].reshape(2, 2, 3), max_range=0.25, track_link_idx=[3]),
    }
    sensors = {name: scene.add_sensor(one) for name, one in described.items()}
    scene.build(n_envs=2)
    return scene, (ball, box, mesh), sensors, free


def test_distances_to_links(scene_of_shapes):
    scene, (ball, _, _), sensors, free = scene_of_shapes
    scene.reset()
    scene.step()
    m, data = rig.mujoco_of(scene)
    g = int(np.flatnonzero(m.geom_bodyid == 4)[0])
    vertices = m.mesh_vert @ data.geom_xmat[g].reshape(3, 3).T + data.geom_xpos[g]
    true = trimesh.proximity.closest_point_naive(trimesh.Trimesh(vertices, m.mesh_face, process=False), free)[1]
    free = free + np.array([0, 0, -0.1])  # the platform's origin
    to_ball = np.abs(np.linalg.norm(free - ball.get_pos()[0].detach().numpy(), axis=1) - 0.1)
    vertices_there = trimesh.Trimesh(vertices, m.mesh_face, process=False)
    to_mesh = trimesh.proximity.closest_point_naive(vertices_there, free)[1]
    seen = sensors["near"].read()
    assert seen.shape == (2, 6)
    np.testing.assert_allclose(seen[0].detach().numpy(), np.minimum(to_ball, to_mesh), atol=1e-6)
    points = sensors["near"].nearest_points[1].detach().numpy()
    np.testing.assert_allclose(np.linalg.norm(points - free, axis=1), seen[1].detach().numpy(), atol=1e-9)
    grid = sensors["grid"].read()
    assert grid.shape == (2, 2, 2)
    expected = np.minimum(true[:4], 0.25)  # fixed to the world
    np.testing.assert_allclose(grid[0].detach().numpy().ravel(), expected, atol=1e-6)


def test_depths_of_what_touches(scene_of_shapes):
    scene, (ball, box, _), sensors, _ = scene_of_shapes
    scene.reset()
    ball.set_dofs_velocity(torch.tensor([0.2, 0, -0.1, 0, 0, 3.0], **F64))
    scene.step()
    place = ball.get_pos()[0].detach().numpy()
    ball_depth = 0.02 - (np.linalg.norm(place - [-0.5, 0, 0]) - 0.1)
    matrix = trimesh.transformations.quaternion_matrix(box.get_quat()[0].detach().numpy())[:3, :3]
    local = np.abs(matrix.T @ (np.array([0.5, 0.05, 0]) - box.get_pos()[0].detach().numpy()))
    box_depth = 0.02 - (local[2] - 0.1)
    read, true = (
        values.detach().numpy()[0] for values in (sensors["depth"].read(), sensors["depth"].read_ground_truth())
    )
    np.testing.assert_allclose(true, [ball_depth, box_depth, 0], atol=1e-9)
    np.testing.assert_allclose(read, [ball_depth, 2 * box_depth, 0], atol=1e-9)
    np.testing.assert_allclose(sensors["blind"].read().detach().numpy()[0], [0, box_depth, 0], atol=1e-9)
    spring = sensors["spring"].read()
    np.testing.assert_allclose(spring.penetration.detach().numpy()[0], true, atol=1e-9)
    np.testing.assert_allclose(spring.force.detach().numpy()[0, :, 2], -500 * true, atol=1e-6)
    # The taxel at the ball: from its own definition, the ball moving and spinning.
    taxel = sensors["taxel"].read()
    normal = (np.array([-0.5, 0, 0]) - place) / np.linalg.norm([-0.5, 0, 0] - place)
    omega, at = ball.get_ang()[0].detach().numpy(), np.array([-0.5, 0, 0])
    v = ball.get_vel()[0].detach().numpy() + np.cross(omega, at - place)
    strength, along = true[0] ** 1.5, v @ normal
    force = normal * strength * (1000 + along) - (v - along * normal)
    np.testing.assert_allclose(taxel.force.detach().numpy()[0, 0], force, atol=1e-9)
    torque = np.cross([-0.5, 0, 0.1], force) - normal * (omega @ normal)
    np.testing.assert_allclose(taxel.torque.detach().numpy()[0, 0], torque, atol=1e-9)
    assert not taxel.force[:, 2].any()


def test_a_contact_probe_lets_go_later_than_it_holds(scene_of_shapes):
    scene, (ball, _, _), sensors, _ = scene_of_shapes
    scene.reset()
    scene.step()
    assert sensors["touch"].read()[0, 0]
    assert sensors["touch"].read().dtype == torch.bool
    said = []
    # Beside the point the ball still touches the platform, while the point's sphere leaves it.
    for aside in (0.05, 0.06, 0.0655, 0.07, 0.06, 0.0):
        ball.set_pos(torch.tensor([-0.5 + aside, 0, 0.0995], **F64))
        ball.set_quat(torch.tensor([1.0, 0, 0, 0], **F64))
        ball.set_dofs_velocity(torch.zeros(6, **F64))
        scene.step()
        depth = sensors["depth"].read_ground_truth()[0, 0].item()
        said.append((depth, bool(sensors["touch"].read()[0, 0])))
    held = True
    for depth, yes in said:
        held = depth >= 0.01 or (held and depth > 0.001)
        assert yes == held, said
    assert len({yes for _, yes in said}) == 2
    assert any(0.001 < depth < 0.01 and yes for depth, yes in said)
    assert any(0.001 < depth < 0.01 and not yes for depth, yes in said)


def test_gradients(scene_of_shapes):
    scene, (ball, _, mesh), sensors, _ = scene_of_shapes

    rng = np.random.default_rng(4)
    start = torch.tensor([-0.49, 0.01, 0.098, 0.9, 0.1, 0.2, 0.3, 0.2, 0.1, -0.1, 1.0, 2.0, 3.0], **F64)
    ways = torch.as_tensor(rng.uniform(-1, 1, (3, 13)))  # along each of which it is differentiated

    def run(along):
        place, turn, velocity = (start + along @ ways).split([3, 4, 6])
        scene.reset()
        ball.set_pos(place)
        ball.set_dofs_velocity(velocity)
        mesh.set_quat(turn)
        scene.step()
        taxel = sensors["taxel"].read()
        return sensors["depth"].read()[:, :1], sensors["near"].read(), taxel.force[0, 0], taxel.torque[0, 0]

    check_gradient(run, torch.zeros(3, **F64), eps=1e-4)
