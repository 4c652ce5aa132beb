"""Rays against MuJoCo's mj_ray on every shape, and their gradients against central differences."""

import numpy as np
import pytest
import torch
import trimesh

import genesis as gs
from genesis.sensors.attached.casting import Scenery
from genesis.sensors.present import Present
from tests.helpers import check_gradient
from tests.sensors.attached import rig

TOLERANCE = 1e-6  # [m] of rays that MuJoCo and the engine cast at meshes; of simple shapes 1e-9

SHAPES = """<mujoco><asset><mesh name="stone" file="stone.obj" scale="1 .8 .6"/>
<hfield name="hills" nrow="6" ncol="8" size="1 1.5 .4 .1" elevation="{hills}"/></asset><worldbody>
<geom name="floor" type="plane" size="0 0 1" pos="0 0 -.5"/>
<geom type="hfield" hfield="hills" pos="4 4 0"/>
<geom name="ghost" type="sphere" size="1" pos="0 0 2" contype="0" conaffinity="0" rgba="0 0 0 0"/>
{bodies}</worldbody></mujoco>"""
KINDS = {
    "sphere": 'type="sphere" size=".3"',
    "capsule": 'type="capsule" size=".15 .3"',
    "ellipsoid": 'type="ellipsoid" size=".3 .2 .15"',
    "cylinder": 'type="cylinder" size=".2 .3"',
    "box": 'type="box" size=".3 .2 .15"',
    "mesh": 'type="mesh" mesh="stone"',
}


@pytest.fixture(scope="module")
def zoo(tmp_path_factory):
    """(scene, robot, lidar): all shapes around the origin, turned, and hills."""
    folder = tmp_path_factory.mktemp("zoo")
    rng = np.random.default_rng(0)
    stone = trimesh.creation.icosphere(subdivisions=3, radius=0.35)
    stone.vertices *= 1 + 0.2 * rng.uniform(-1, 1, (len(stone.vertices), 1))
    stone.export(folder / "stone.obj")
    angles = np.arange(len(KINDS)) * 2 * np.pi / len(KINDS)
    bodies = "".join(
        f'<body name="{kind}" pos="{np.cos(a):.4f} {np.sin(a):.4f} {0.2 * np.sin(3 * a):.4f}" euler="{50 * a:.2f} 20 40">'
        f'<freejoint/><geom name="{kind}" {text} contype="2" conaffinity="2"/></body>'
        for a, (kind, text) in zip(angles, KINDS.items(), strict=True)
    )
    hills = " ".join(f"{x:.3f}" for x in rng.uniform(0, 1, 48))
    (folder / "zoo.xml").write_text(SHAPES.format(hills=hills, bodies=bodies))
    scene = gs.Scene(sim_options=gs.options.SimOptions(dt=0.01, gravity=(0, 0, 0), requires_grad=True))
    robot = scene.add_entity(gs.morphs.MJCF(file=str(folder / "zoo.xml")))
    pattern = gs.sensors.SphericalPattern(fov=(360.0, 160.0), n_points=(60, 30))
    lidar = scene.add_sensor(gs.sensors.Lidar(pattern=pattern, pos_offset=(0.02, 0.01, 0.0), max_range=30.0))
    scene.build(n_envs=2)
    return scene, robot, lidar


def test_a_lidar_equals_mujoco(zoo):
    scene, robot, lidar = zoo
    scene.reset()
    robot.set_dofs_velocity(torch.as_tensor(np.random.default_rng(1).uniform(-1, 1, (2, robot.n_dofs))))
    for _ in range(10):
        scene.step()
    seen = lidar.read()
    rays = lidar.options.pattern.ray_dirs.reshape(-1, 3)
    met = set()
    for env in range(2):
        m, data = rig.mujoco_of(scene, env)
        start = np.array([0.02, 0.01, 0.0])
        true = np.array([rig.ray(m, data, start, ray) for ray in rays])
        # What nothing can touch is not met; MuJoCo passes it because it is transparent.
        distance = seen.distances[env].detach().numpy().ravel()
        np.testing.assert_allclose(distance, np.where(true <= 30.0, true, 30.0), atol=TOLERANCE)
        points = seen.points[env].detach().numpy().reshape(-1, 3)
        hit = true <= 30.0
        np.testing.assert_allclose(points, np.where(hit[:, None], distance[:, None] * rays, 0.0), atol=1e-12)
        now = Present(scene.world)
        origin, along = (torch.tensor(np.broadcast_to(x, rays.shape)).expand(2, -1, -1) for x in (start, rays))
        scenery = lidar._scenery
        _, geom, _ = scenery._first(scenery.places(now), origin, along, 0.0, 30.0)
        met |= {m.geom(int(scenery.ids[g])).name.split("/")[-1] for g in geom[env].tolist() if g >= 0}
    assert met >= {*KINDS, "floor"}


def test_every_shape_alone_equals_mujoco(zoo):
    """Rays from everywhere, also from inside, to 1e-9 where the shape is simple."""
    scene, _, _ = zoo
    scene.reset()
    m, data = rig.mujoco_of(scene)
    rng, now = np.random.default_rng(2), Present(scene.world)
    for g in range(m.ngeom):
        name = m.geom(g).name.split("/")[-1]
        scenery = Scenery(scene.world.model, np.array([g]))
        middle = data.geom_xpos[g]
        start = middle + rng.uniform(-2, 2, (300, 3)) * ([1, 1, 1] if name != "floor" else [3, 3, 1])
        start[:60] = middle + rng.uniform(-0.15, 0.15, (60, 3))
        along = middle + rng.uniform(-0.4, 0.4, (300, 3)) - start
        along /= np.linalg.norm(along, axis=1, keepdims=True)
        given = (torch.as_tensor(x).expand(2, -1, -1) for x in (start, along))
        hit, far = scenery.cast(now, *given, 0.0, 50.0)
        group, m.geom_rgba[:, 3] = np.array(m.geom_rgba[:, 3]), 0.0
        m.geom_rgba[g, 3] = 1.0
        true = np.array([rig.ray(m, data, *one) for one in zip(start, along, strict=True)])
        m.geom_rgba[:, 3] = group
        true[true > 50.0] = np.inf
        assert np.array_equal(hit[0].numpy(), np.isfinite(true)), name
        exact = 1e-9 if name in KINDS and name != "mesh" else TOLERANCE
        np.testing.assert_allclose(far[0].detach().numpy()[hit[0]], true[np.isfinite(true)], atol=exact, err_msg=name)
        assert hit[0].sum() > 50, name


def test_gradient_by_poses_and_sizes(zoo):
    scene, robot, lidar = zoo
    scene.reset()
    scene.step()
    with torch.no_grad():
        q0, near = robot.get_qpos().clone(), lidar.read().distances[0] < 1.2
    scenery, rays = lidar._scenery, torch.as_tensor(lidar.options.pattern.ray_dirs)
    with torch.no_grad():
        start = torch.tensor([0.02, 0.01, 0.0], dtype=torch.float64).expand(2, rays[..., 0].numel(), 3)
        found = scenery._first(scenery.places(Present(scene.world)), start, rays.reshape(1, -1, 3), 0.0, 30.0)[1][0]
    # Of each geom some rays that do not graze it: those whose neighbours meet it as well.
    same = found.reshape(60, 30)
    inner = near & (same == same.roll(1, 0)) & (same == same.roll(-1, 0))
    inner[:, 1:-1] &= (same[:, 1:-1] == same[:, 2:]) & (same[:, 1:-1] == same[:, :-2])
    inner[:, [0, -1]] = False
    chosen = torch.cat([torch.nonzero((inner & (same == g)).flatten())[:6, 0] for g in same.unique() if g >= 0])
    assert len({int(g) for g in found[chosen]}) >= 5

    place = torch.tensor([0.02, 0.01, 0.0], dtype=torch.float64)
    turn = torch.tensor([1.0, 0.0, 0.0, 0.0], dtype=torch.float64)
    start = torch.cat([q0[0], place, turn])
    rng = np.random.default_rng(5)
    ways = torch.as_tensor(rng.uniform(-1, 1, (4, len(start))))  # it is differentiated along each
    shapes = [k for k, geom in enumerate(robot.geoms) if geom.name in KINDS]
    size = robot.get_geoms_size(shapes)[0].detach()
    growth = torch.as_tensor(rng.uniform(-1, 1, (4, *size.shape))) * (size > 0)

    def run(along):
        robot.set_geoms_size(size + (along[:, None, None] * growth).sum(0), shapes)
        q, *where = (start + along @ ways).split([len(q0[0]), 3, 4])
        scene.reset()
        robot.set_qpos(q)
        lidar.set_pos_offset(where[0])
        lidar.set_quat_offset(where[1])
        scene.step()
        return lidar.read().distances[0].flatten()[chosen]

    try:
        check_gradient(run, torch.zeros(4, dtype=torch.float64), eps=1e-5)
    finally:
        robot.set_geoms_size(size, shapes)
        lidar.set_pos_offset(place)
        lidar.set_quat_offset(turn)
        scene.reset()


def boxes(*described, n_envs=0, **more):
    scene = gs.Scene(sim_options=gs.options.SimOptions(gravity=(0, 0, 0), requires_grad=True))
    scene.add_entity(gs.morphs.Plane())
    box = scene.add_entity(gs.morphs.Box(size=(0.4, 0.4, 0.4), pos=(0, 0, 1)))
    sensors = [scene.add_sensor(one) for one in described]
    scene.build(n_envs=n_envs)
    scene.step()
    return scene, box, sensors


def test_size_has_a_gradient():
    beam = gs.sensors.SphericalPattern(angles=((0.0,), (0.0,)))
    scene, box, (ray,) = boxes(gs.sensors.Raycaster(pattern=beam, pos_offset=(-2, 0.05, 1.0), return_points=False))
    size = torch.tensor([[0.2, 0.2, 0.2]], dtype=torch.float64, requires_grad=True)
    box.set_geoms_size(size)
    scene.step()
    read = ray.read()
    assert read.points is None
    assert read.distances.item() == pytest.approx(1.8)
    (by_size,) = torch.autograd.grad(read.distances.sum(), size)
    torch.testing.assert_close(by_size, torch.tensor([[-1.0, 0.0, 0.0]], dtype=torch.float64))


def test_ranges_and_values_of_no_hit():
    down = gs.sensors.GridPattern(resolution=0.5, size=(1.0, 0.5))
    kinds = ({}, {"max_range": 0.5}, {"max_range": 0.5, "no_hit_value": -1.0}, {"min_range": 0.9})
    described = [
        gs.sensors.Raycaster(pattern=down, pos_offset=(0, 0.25, 2.0), return_world_frame=True, **k) for k in kinds
    ]
    _, _, sensors = boxes(*described, n_envs=2)
    whole, short, other, late = (sensor.read().distances[0].detach().numpy() for sensor in sensors)
    assert whole.shape == (3, 2)
    # Above the box, 0.4 wide, at x = y = 0 only.
    expected = np.full((3, 2), 2.0)
    expected[1, 0] = 0.8
    np.testing.assert_allclose(whole, expected, atol=1e-12)
    np.testing.assert_allclose(short, np.full((3, 2), 0.5))
    np.testing.assert_allclose(other, np.full((3, 2), -1.0))
    # A surface that is too near is not seen; what the ray meets next is the ground, through the box, or its far side.
    np.testing.assert_allclose(late[1, 0], 1.2, atol=1e-12)
    points = sensors[0].read().points[1].detach().numpy()
    np.testing.assert_allclose(points[1, 0], [0, 0, 1.2], atol=1e-12)
    np.testing.assert_allclose(points[0, 1], [-0.5, 0.5, 0], atol=1e-12)
    assert not sensors[1].read().points.any()


def test_a_sensor_on_a_link_moves_with_it_and_sees_its_own_link():
    pattern = gs.sensors.GridPattern(resolution=0.1, size=(0.0, 0.0))
    at = {"entity_idx": 1, "pattern": pattern}
    scene, box, (inside, below) = boxes(gs.sensors.Lidar(**at), gs.sensors.Lidar(**at, pos_offset=(0, 0, -0.3)))
    assert inside.read().distances.item() == pytest.approx(0.2)  # the wall of its own box, from inside
    assert below.read().distances.item() == pytest.approx(0.7)
    box.set_pos(torch.tensor([0.0, 0.0, 3.0], dtype=torch.float64))
    assert below.read().distances.item() == pytest.approx(0.7)
    scene.step()
    assert below.read().distances.item() == pytest.approx(2.7)


def test_a_depth_camera():
    camera = gs.sensors.DepthCameraPattern(res=(8, 6), fov_horizontal=90.0)
    described = gs.sensors.DepthCamera(pattern=camera, pos_offset=(-1, 0, 1.0), max_range=50.0)
    _, _, (sensor,) = boxes(described, n_envs=2)
    picture = sensor.read_image()
    assert picture.shape == (2, 6, 8)
    rays = camera.ray_dirs
    assert rays[0, 0, 1] > 0 > rays[0, -1, 1]  # left is y
    assert rays[0, 0, 2] > 0 > rays[-1, 0, 2]  # up is z
    np.testing.assert_allclose(rays[0, 0, 1] / rays[0, 0, 0], (4 - 0.5) / 4.0)
    depth = (picture[0].detach().numpy() * rays[..., 0])[2:4, 3:5]
    np.testing.assert_allclose(depth, np.full((2, 2), 0.8), atol=1e-12)
    assert sensor.read_image(envs_idx=[0]).shape == (1, 6, 8)


def test_a_pattern_of_ones_own():
    class Pair(gs.sensors.RaycastPattern):
        def _get_return_shape(self):
            return (2,)

        def compute_ray_dirs(self):
            self._ray_dirs[:] = [[0, 0, -2.0], [0, 0, 1.0]]

    _, _, (sensor,) = boxes(gs.sensors.Raycaster(pattern=Pair(), pos_offset=(1, 1, 0.7)))
    np.testing.assert_allclose(sensor.read().distances.detach().numpy(), [0.7, 20.0])
    with pytest.raises(gs.GenesisException, match="_get_return_shape"):
        gs.sensors.RaycastPattern()
