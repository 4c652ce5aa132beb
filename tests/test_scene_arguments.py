"""Arguments of scenes: what Genesis's options mean together, and what has no effect is named once."""

import logging

import numpy as np
import pytest

import genesis as gs
from genesis.model.compose import EntitySpec, compose

o = gs.options


def model_of(entities, rigid):
    """The compiled model of entities under rigid options."""
    return compose(entities, o.SimOptions(), rigid).mj_model


BALL = EntitySpec(gs.morphs.Sphere(radius=0.1), None, None, "ball")


@pytest.mark.parametrize(
    ("sim", "rigid", "dt", "substeps"),
    [
        ({}, {"dt": 0.02}, 0.02, 1),
        ({"dt": 0.02, "substeps": 2}, {"dt": 0.02}, 0.02, 2),
        ({"dt": 0.02}, {"dt": 0.005}, 0.02, 4),
        ({"dt": 0.02, "substeps": 4}, {"dt": 0.005}, 0.02, 4),
        ({"dt": 0.02, "substeps": 4}, {}, 0.02, 4),
    ],
)
def test_dt_of_the_solver(sim, rigid, dt, substeps):
    scene = gs.Scene(sim_options=o.SimOptions(**sim), rigid_options=o.RigidOptions(**rigid))
    assert (scene.dt, scene.substeps) == (dt, substeps)


@pytest.mark.parametrize("sim", [{"dt": 0.02, "substeps": 2}, {"dt": 0.012}, {"dt": 0.001}])
def test_dt_that_does_not_fit(sim):
    with pytest.raises(gs.GenesisException, match=r"RigidOptions\(dt=0.005\) is the duration of a substep"):
        gs.Scene(sim_options=o.SimOptions(**sim), rigid_options=o.RigidOptions(dt=0.005))


def test_gravity_of_the_solver():
    scene = gs.Scene(sim_options=o.SimOptions(dt=0.5), rigid_options=o.RigidOptions(gravity=(0, 0, -1)))
    assert scene.sim_options.gravity == (0.0, 0.0, -1.0)
    assert scene.dt == 0.5


def test_every_argument_of_genesis():
    scene = gs.Scene(
        sim_options=o.SimOptions(),
        tool_options=o.ToolOptions(),
        rigid_options=o.RigidOptions(),
        kinematic_options=o.KinematicOptions(),
        avatar_options=o.AvatarOptions(),
        mpm_options=o.MPMOptions(),
        sph_options=o.SPHOptions(),
        fem_options=o.FEMOptions(),
        sf_options=o.SFOptions(),
        pbd_options=o.PBDOptions(),
        coupler_options=o.LegacyCouplerOptions(),
        vis_options=o.VisOptions(),
        viewer_options=o.ViewerOptions(res=[640, 480]),
        profiling_options=o.ProfilingOptions(show_FPS=True),
        renderer=gs.renderers.Rasterizer(),
        show_viewer=None,
        show_FPS=False,
    )
    assert not scene.show_FPS
    assert not scene.profiling_options.show_FPS
    assert isinstance(scene.renderer_options, gs.renderers.Rasterizer)
    assert scene.viewer is None
    again = gs.Scene(options=o.SceneOptions(sim=o.SimOptions(dt=0.5), rigid=None))
    assert again.dt == 0.5
    with pytest.raises(gs.GenesisException, match="`options` holds all options; leave out sim_options"):
        gs.Scene(options=o.SceneOptions(), sim_options=o.SimOptions())
    with pytest.raises(gs.GenesisException, match=r"`renderer` is 'rays'; expected gs.renderers"):
        gs.Scene(renderer="rays")
    with pytest.raises(gs.GenesisException, match="`show_FPS` is 1"):
        gs.Scene(show_FPS=1)


def test_what_has_no_effect_is_named_once(caplog):
    rigid = o.RigidOptions(box_box_detection=True, max_collision_pairs=5)
    scene = gs.Scene(rigid_options=rigid, profiling_options=o.ProfilingOptions(show_FPS=False))
    scene.add_entity(gs.morphs.Sphere(), gs.materials.Rigid(needs_coup=False), name="ball")
    with caplog.at_level(logging.DEBUG, logger="genesis"):
        scene.build()
    (line,) = [r.getMessage() for r in caplog.records if "have no effect" in r.getMessage()]
    assert "RigidOptions(box_box_detection, max_collision_pairs)" in line
    assert "ProfilingOptions(show_FPS)" in line
    assert "'ball': Rigid(needs_coup)" in line


def test_friction_that_resists_spin_and_rolling():
    assert model_of([BALL], o.RigidOptions()).geom_condim.tolist() == [3]
    assert model_of([BALL], o.RigidOptions(enable_torsional_friction=True)).geom_condim.tolist() == [4]
    both = o.RigidOptions(enable_torsional_friction=True, enable_rolling_friction=True)
    assert model_of([BALL], both).geom_condim.tolist() == [6]
    material = gs.materials.Rigid(friction=0.5, friction_torsional=0.01, friction_rolling=0.002)
    model = model_of([EntitySpec(gs.morphs.Sphere(), material, None, "ball")], both)
    np.testing.assert_array_equal(model.geom_friction, [[0.5, 0.01, 0.002]])
    some = gs.materials.Rigid(friction_torsional=0.01)
    model = model_of([EntitySpec(gs.morphs.Sphere(), some, None, "ball")], both)
    np.testing.assert_array_equal(model.geom_friction, [[1.0, 0.01, 0.0001]])


def test_time_constant_of_contacts(tmp_path):
    file = tmp_path / "two.xml"
    file.write_text(
        '<mujoco><worldbody><body><freejoint/><geom size="0.1"/><geom size="0.2" solref="0.05 1"/></body></worldbody></mujoco>'
    )
    entity = EntitySpec(gs.morphs.MJCF(file=str(file)), None, None, "two")
    np.testing.assert_array_equal(model_of([entity], o.RigidOptions()).geom_solref[:, 0], [0.02, 0.05])
    rigid = o.RigidOptions(constraint_timeconst=0.03)
    np.testing.assert_array_equal(model_of([entity], rigid).geom_solref[:, 0], [0.03, 0.05])
    # Twice the step of 0.01 s at least.
    stiff = o.RigidOptions(contact_resolve_time=0.001)
    np.testing.assert_array_equal(model_of([entity], stiff).geom_solref[:, 0], [0.02, 0.05])


def test_noslip_and_several_contacts():
    option = model_of([BALL], o.RigidOptions(noslip_iterations=3, noslip_tolerance=1e-4)).opt
    assert (option.noslip_iterations, option.noslip_tolerance) == (3, 1e-4)
    flags = [int(model_of([BALL], o.RigidOptions(enable_multi_contact=on)).opt.disableflags) for on in (True, False)]
    assert flags[0] != flags[1]


def test_planes_of_a_file_are_left_out(tmp_path):
    file = tmp_path / "ground.xml"
    file.write_text(
        '<mujoco><worldbody><geom type="plane" size="1 1 1"/><geom size="0.1"/>'
        '<body><freejoint/><geom size="0.1"/></body></worldbody></mujoco>'
    )
    counts = [
        model_of([EntitySpec(gs.morphs.MJCF(file=str(file), exclude_ground_plane=out), None, None, "a")], None).ngeom
        for out in (False, True)
    ]
    assert counts == [3, 2]


def test_meshes_whose_y_axis_is_up(tmp_path):
    import trimesh

    file = tmp_path / "bar.obj"
    trimesh.creation.box((0.1, 0.4, 0.2)).export(file)
    for zup, extents in ((None, (0.1, 0.4, 0.2)), (False, (0.1, 0.2, 0.4))):
        morph = gs.morphs.Mesh(file=str(file), file_meshes_are_zup=zup)
        model = model_of([EntitySpec(morph, None, None, "bar")], None)
        x, y, z = model.body_inertia[1] / model.body_mass[1] * 12
        # MuJoCo turns the body's frame to its principal axes, largest first: compare with quat applied.
        a, b, c = (float(e) ** 2 for e in extents)
        assert sorted((x, y, z)) == pytest.approx(sorted((b + c, a + c, a + b)), rel=1e-5)
        corners = model.mesh_vert.max(axis=0)
        assert model.ngeom == 1
        assert sorted(corners) == pytest.approx(sorted(e / 2 for e in extents), rel=1e-5)


def test_vis_mode_and_destroy():
    scene = gs.Scene()
    ball = scene.add_entity(gs.morphs.Sphere(), visualize_contact=True, vis_mode="collision")
    assert ball.surface.vis_mode == "collision"
    with pytest.raises(gs.GenesisException, match="`vis_mode` is 'wire'"):
        scene.add_entity(gs.morphs.Sphere(), vis_mode="wire")
    scene.build()
    scene.destroy()
    with pytest.raises(gs.GenesisException, match="needs the built scene"):
        scene.step()
    with pytest.raises(gs.GenesisException, match="the scene was destroyed; make a new Scene"):
        scene.build()


def test_kinds_of_joints_and_geoms_equal_mujoco_s_names():
    assert gs.JOINT_TYPE.REVOLUTE == "hinge"
    assert "ball" == gs.JOINT_TYPE.SPHERICAL == 3
    assert "hinge" in (gs.JOINT_TYPE.REVOLUTE, gs.JOINT_TYPE.PRISMATIC)
    assert "free" not in (gs.JOINT_TYPE.REVOLUTE, gs.JOINT_TYPE.PRISMATIC)
    assert gs.GEOM_TYPE.TERRAIN == "hfield" != gs.GEOM_TYPE.MESH
    assert gs.JOINT_TYPE(4) is gs.JOINT_TYPE.FREE
    assert gs.constants.backend.cpu is gs.cpu
