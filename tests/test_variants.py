"""Entities of several variants: each env moves as a scene with its variant alone, bit for bit; gradients; bad input."""

import numpy as np
import pytest
import torch

import genesis as gs
from tests.helpers import check_gradient

TILT = (10, 20, 0)
SHAPES = (
    gs.morphs.Box(size=(0.04, 0.04, 0.04), pos=(0, 0, 0.05), euler=TILT),
    gs.morphs.Box(size=(0.03, 0.02, 0.02), pos=(0.1, 0, 0.06), euler=TILT),
    gs.morphs.Sphere(radius=0.02, pos=(0.1, 0.1, 0.08)),
    gs.morphs.Capsule(radius=0.01, height=0.03, pos=(0, 0.1, 0.05), euler=TILT),
)


def scene_of(*morphs, n_envs=0, plane=True, **sim):
    scene = gs.Scene(sim_options=gs.options.SimOptions(requires_grad=True, **sim))
    if plane:
        scene.add_entity(gs.morphs.Plane())
    entities = [scene.add_entity(morph) for morph in morphs]
    scene.build(n_envs=n_envs)
    return scene, *entities


def state_of(entity):
    return torch.cat([entity.get_qpos(), entity.get_dofs_velocity()], -1).detach().sceneless()


def alone(*morphs, n_steps=40, **options):
    scene, *entities = scene_of(*morphs, **options)
    for _ in range(n_steps):
        scene.step()
    return [state_of(entity) for entity in entities]


@pytest.fixture(scope="module")
def mixed():
    return scene_of(list(SHAPES), n_envs=6)


def test_which_env_has_which(mixed):
    _, thing = mixed
    assert thing.variants_idx.tolist() == [0, 0, 1, 1, 2, 3]
    assert thing.morphs == SHAPES and thing.morph is SHAPES[0]
    volumes = [0.04**3, 0.03 * 0.02**2, 4 / 3 * np.pi * 0.02**3, np.pi * 0.01**2 * (0.03 + 4 / 3 * 0.01)]
    expected = [1000 * volumes[k] for k in (0, 0, 1, 1, 2, 3)]
    assert abs(thing.get_mass().numpy() - expected).max() < 1e-15
    assert thing.get_pos()[:, 2].tolist() == [0.05, 0.05, 0.06, 0.06, 0.08, 0.05]


def test_moves_as_the_variant_alone(mixed):
    scene, thing = mixed
    scene.reset()
    for _ in range(40):
        scene.step()
    found = state_of(thing)
    for env, k in enumerate(thing.variants_idx.tolist()):
        assert torch.equal(found[env], alone(SHAPES[k])[0])
    scene.reset(envs_idx=[4])
    assert thing.get_pos()[4].tolist() == [0.1, 0.1, 0.08]


@pytest.mark.parametrize("n_envs", [0, 2])
def test_fewer_envs_than_variants(n_envs):
    scene, thing = scene_of(list(SHAPES), n_envs=n_envs)
    assert thing.variants_idx.tolist() == ([0, 1] if n_envs else 0)
    for _ in range(40):
        scene.step()
    found = state_of(thing).reshape(max(n_envs, 1), -1)
    for k, row in enumerate(found):
        assert torch.equal(row, alone(SHAPES[k])[0])


def test_several_entities_touch_each_other():
    """Two entities of different numbers of variants and many plain ones: the broad phase sorts, and finds no shape that
    an env has not."""
    upper = [
        gs.morphs.Sphere(radius=0.03, pos=(0, 0.01, 0.12)),
        gs.morphs.Box(size=(0.05, 0.04, 0.03), pos=(0.01, 0, 0.1)),
    ]
    others = [gs.morphs.Box(size=(0.05, 0.05, 0.05), pos=(0.01 * k, 0, 0.2 + 0.06 * k)) for k in range(8)]
    lower = list(SHAPES[:3])
    scene, *entities = scene_of(lower, upper, *others, n_envs=4)
    for _ in range(40):
        scene.step()
    assert len(scene.rigid_solver.get_contacts()["geom_a"][0]) > 4
    for env in (0, 1, 2, 3):
        pair = [list_[int(entities[k].variants_idx[env])] for k, list_ in enumerate((lower, upper))]
        expected = alone(*pair, *others)
        # The rows of the solver are in another order, and round otherwise: 1e-15, multiplied by 40 steps of contact.
        for entity, state in zip(entities, expected, strict=True):
            assert (state_of(entity)[env] - state).abs().max() < 1e-9


URDF = """
<robot name="p"><link name="base"/>
  <link name="rod"><inertial><origin xyz="0 0 {half}"/><mass value="{mass}"/>
    <inertia ixx=".01" iyy=".01" izz=".001" ixy="0" ixz="0" iyz="0"/></inertial>
    <collision><origin xyz="0 0 {half}"/><geometry><{shape}/></geometry></collision></link>
  <joint name="swing" type="revolute"><parent link="base"/><child link="rod"/><axis xyz="0 1 0"/><origin xyz="0 0 {height}"/>
    <limit lower="-{limit}" upper="{limit}" effort="{effort}" velocity="1"/><dynamics damping="{damping}"/></joint>
</robot>"""
RODS = (
    {"half": 0.2, "mass": 1, "shape": 'box size=".02 .02 .4"', "height": 0.3, "limit": 2, "effort": 5, "damping": 0.1},
    {"half": 0.1, "mass": 0.4, "shape": 'sphere radius=".1"', "height": 0.2, "limit": 1.8, "effort": 5, "damping": 0.3},
)


@pytest.fixture(scope="module")
def rods(tmp_path_factory):
    folder = tmp_path_factory.mktemp("rods")
    made = []
    for k, numbers in enumerate(RODS):
        (folder / f"rod{k}.urdf").write_text(URDF.format(**numbers))
        made.append(
            gs.morphs.URDF(file=str(folder / f"rod{k}.urdf"), fixed=True, pos=(0.1 * k, 0, 0.1), scale=1 + 0.2 * k)
        )
    return made


def test_robots_of_different_frames_and_parameters(rods):
    """Link frames, masses, limits, damping, force ranges and scale are those of the variant; a rod falls onto the plane."""

    def fall(scene, robot):
        robot.set_dofs_velocity([1.0])
        for t in range(120):
            robot.control_dofs_force([10.0 if t < 10 else 0.0])
            scene.step()
        return state_of(robot)

    scene, robot = scene_of(rods, n_envs=2)
    found = fall(scene, robot)
    for k, morph in enumerate(rods):
        expected = fall(*scene_of(morph))
        assert torch.equal(found[k], expected)
        assert abs(float(expected[0])) > 1  # it reached the plane or its limit
    assert robot.get_dofs_damping()[:, 0].tolist() == [0.1, 0.3]
    assert robot.get_links_mass()[:, 1].tolist() == pytest.approx([1, 0.4 * 1.2**3])


def test_meshes(tmp_path):
    corners = [(x, y, z) for x in (0, 0.05) for y in (0, 0.03) for z in (0, 0.02)]
    faces = "1 2 4 3;5 7 8 6;1 5 6 2;3 4 8 7;1 3 7 5;2 6 8 4".split(";")
    (tmp_path / "wedge.obj").write_text(
        "\n".join([*(f"v {x} {y} {z}" for x, y, z in corners), *(f"f {f}" for f in faces)])
    )
    shapes = [
        gs.morphs.Sphere(radius=0.02, pos=(0, 0, 0.05)),
        gs.morphs.Mesh(file=str(tmp_path / "wedge.obj"), pos=(0, 0, 0.05), euler=TILT),
        gs.morphs.Mesh(file=str(tmp_path / "wedge.obj"), scale=1.5, pos=(0, 0, 0.06), euler=TILT),
    ]
    scene, thing = scene_of(shapes, n_envs=3)
    for _ in range(30):
        scene.step()
    for k, morph in enumerate(shapes):
        assert torch.equal(state_of(thing)[k], alone(morph, n_steps=30)[0])


def test_gradients(mixed):
    """Of pushes, start, masses and sizes through contact, in envs of different variants."""
    scene, thing = mixed

    def fn(force, z, mass, sizes):
        scene.reset()
        start = thing.get_pos().detach() * torch.tensor([1.0, 1.0, 0.0]) + z[:, None] * torch.tensor([0.0, 0.0, 1.0])
        thing.set_pos(start)
        thing.set_mass(mass)
        thing.set_geoms_size(sizes)
        for _ in range(3):
            thing.control_dofs_force(force)
            scene.step()
        return thing.get_pos(), thing.get_vel()

    sizes = thing.get_geoms_size()[[0, 2, 4, 5]].amax(0)  # of each geom where it is there
    force = 0.01 * torch.randn((6, 6), generator=torch.Generator().manual_seed(0))
    lowest = torch.tensor([0.024, 0.024, 0.014, 0.014, 0.0193, 0.018])
    check_gradient(fn, force, lowest, torch.linspace(0.02, 0.07, 6), sizes, eps=1e-5)
    thing.set_geoms_size(sizes)
    present = thing.get_geoms_size() > 0
    assert present.any(-1).tolist() == [[k == v for k in range(4)] for v in (0, 0, 1, 1, 2, 3)]


def test_masses_from_the_variants_own():
    _, thing = scene_of(list(SHAPES[:3]), n_envs=3)
    own = thing.get_links_mass().clone()
    shift = torch.tensor([[0.1], [0.2], [0.3]])
    thing.set_mass_shift(shift)
    assert (thing.get_links_mass() - own - shift).abs().max() < 1e-15
    thing.set_mass_shift(torch.tensor([[0.5]]), envs_idx=[1])
    assert (thing.get_links_mass()[1] - own[1] - 0.5).abs().max() < 1e-15
    inertia = thing.get_links_inertia().clone()
    thing.set_links_scaled_mass(3 * own)
    assert (thing.get_links_inertia() - 3 * inertia).abs().max() < 1e-15
    thing.set_COM_shift(torch.full((3, 1, 3), 0.01))
    assert (thing.get_links_COM() - 0.01).abs().max() < 1e-15
    thing.set_mass(1.0)
    assert (thing.get_mass() - 1).abs().max() < 1e-15


def test_checkpoint(mixed, tmp_path):
    scene, thing = mixed
    scene.reset()
    scene.step()
    scene.save_checkpoint(tmp_path / "state")
    scene.step()
    expected = state_of(thing)
    scene.load_checkpoint(tmp_path / "state")
    scene.step()
    assert torch.equal(state_of(thing), expected)


def refused(morphs, expected, **options):
    with pytest.raises(gs.GenesisException, match=expected):
        scene_of(morphs, n_envs=2, **options)


def test_bad_variants(rods, tmp_path, mixed):
    box = SHAPES[0]
    refused([], "expected a morph, as")
    refused([box, "box"], "expected a morph, as")
    refused([box, gs.morphs.Plane()], "a Plane cannot be a variant")
    refused(
        [box, gs.morphs.Sphere(radius=0.1, fixed=True)], r"link 'sphere_baselink', .* has the joints \(\), .* \(free\)"
    )
    refused([rods[0], box], "it has 1 links, the first variant has 2")
    bent = (tmp_path / "bent.urdf", URDF.format(**RODS[0]).replace('type="revolute"', 'type="prismatic"'))
    bent[0].write_text(bent[1])
    refused([rods[0], gs.morphs.URDF(file=str(bent[0]), fixed=True)], r"has the joints \(slide\), .* \(hinge\)")
    bent[0].write_text(URDF.format(**RODS[0]).replace('type="revolute"', 'type="continuous"'))
    refused([rods[0], gs.morphs.URDF(file=str(bent[0]), fixed=True)], "variants of an entity differ in `jnt_limited`")
    scene, thing = mixed
    with pytest.raises(gs.GenesisException, match="different variants of an entity"):
        scene.to_mjcf(env=0)
    with pytest.raises(gs.GenesisException, match="it has 4 variants"):
        thing.to_urdf(tmp_path / "a.urdf")
    other = gs.Scene()
    with pytest.raises(gs.GenesisException, match="variants of a kinematic entity"):
        other.add_entity([box, box], material=gs.materials.Kinematic())
    several, single = other.add_entity([box, box]), other.add_entity(box)
    with pytest.raises(gs.GenesisException, match="entities of several variants cannot be attached"):
        single.attach(several)


def test_what_measures_shapes_sees_the_envs_own_variant_only(tmp_path):
    """Boxes around an entity, distances and rays: the geoms of the others, beside the own ones, are not there."""
    source = (
        '<robot name="r"><link name="b"><inertial><mass value="1"/><inertia ixx="1" iyy="1" izz="1" ixy="0" ixz="0" '
        'iyz="0"/></inertial><collision><origin xyz="{} 0 0"/><geometry>{}</geometry></collision></link></robot>'
    )
    files = [tmp_path / "box.urdf", tmp_path / "ball.urdf"]
    files[0].write_text(source.format("0", '<box size=".2 .2 .2"/>'))
    files[1].write_text(source.format(".4", '<sphere radius=".05"/>'))
    scene = gs.Scene(sim_options=gs.options.SimOptions(gravity=(0, 0, 0)))
    one = scene.add_entity([gs.morphs.URDF(file=str(file), pos=(0, 0, 1)) for file in files])
    post = scene.add_entity(gs.morphs.Box(size=(0.02, 0.02, 0.02), pos=(1, 0, 1), fixed=True))
    on_post = {"entity_idx": post.idx}
    probe = scene.add_sensor(
        gs.sensors.SurfaceDistanceProbe(probe_local_pos=((-0.5, 0.0, 0.0),), track_link_idx=(0,), **on_post)
    )
    pattern = gs.sensors.raycaster.GridPattern(resolution=1.0, size=(0.0, 0.0), direction=(-1.0, 0.0, 0.0))
    ray = scene.add_sensor(gs.sensors.Raycaster(pattern=pattern, pos_offset=(-0.1, 0, 0), max_range=5.0, **on_post))
    scene.build(n_envs=2)
    scene.step()
    expected = [[[-0.1, -0.1, 0.9], [0.1, 0.1, 1.1]], [[0.35, -0.05, 0.95], [0.45, 0.05, 1.05]]]
    torch.testing.assert_close(one.get_AABB().sceneless(), torch.tensor(expected), rtol=0, atol=1e-12)
    torch.testing.assert_close(probe.read().sceneless(), torch.tensor([[0.4], [0.05]]), rtol=0, atol=1e-12)
    torch.testing.assert_close(ray.read().distances.sceneless().flatten(), torch.tensor([0.8, 0.45]), rtol=0, atol=1e-9)
