"""Cameras, viewer and debug shapes keep what they are told, move as they are told to, and say once that nothing is drawn."""

import logging
import math
import threading

import numpy as np
import pytest
import torch

import genesis as gs
from genesis.vis.keybindings import Key, KeyAction, Keybind, KeyMod
from genesis.vis.poses import look_at, quat_of, rotation_of
from genesis.vis.viewer_plugins import MouseInteractionPlugin


@pytest.fixture(scope="module")
def scene():
    scene = gs.Scene(show_viewer=True, renderer=gs.renderers.BatchRenderer())
    scene.add_entity(gs.morphs.Sphere(pos=(0, 0, 1)), name="ball")
    scene.add_camera(res=(64, 32), pos=(2.0, 0.0, 1.0), lookat=(0.0, 0.0, 1.0), fov=60, near=0.5, far=10)
    scene.add_light(pos=(0, 0, 3), dir=(0, 0, -1))
    scene.build()
    return scene


@pytest.fixture
def camera(scene):
    camera = scene.visualizer.cameras[0]
    camera.detach()
    camera.unfollow_entity()
    camera.set_pose(pos=(2.0, 0.0, 1.0), lookat=(0.0, 0.0, 1.0), up=(0, 0, 1))
    return camera


def test_show_viewer_is_a_warning(caplog):
    with caplog.at_level(logging.WARNING, logger="genesis"):
        scene = gs.Scene(show_viewer=True)
    assert "show_viewer=True: this version has no viewer" in caplog.text
    assert not scene.viewer.is_alive()
    assert gs.Scene().viewer is None


def test_images_are_none_and_it_is_said_once(caplog):
    scene = gs.Scene()
    camera = scene.add_camera()
    with pytest.raises(gs.GenesisException, match="not built yet"):
        camera.render()
    scene.build()
    with caplog.at_level(logging.WARNING, logger="genesis"):
        assert camera.render(depth=True, segmentation=True, normal=True) == (None,) * 4
        assert camera.render() == (None,) * 4
        scene.draw_debug_line((0, 0, 0), (1, 0, 0))
    assert caplog.text.count("This version draws nothing") == 1


def test_a_camera_looks_where_it_is_told(camera):
    np.testing.assert_allclose(camera.transform[:3, 2], [1, 0, 0], atol=1e-7)
    np.testing.assert_allclose(camera.up, [0, 0, 1], atol=1e-7)
    # A point in front of it is in the middle of the image.
    seen = camera.extrinsics @ np.array([0.0, 0.0, 1.0, 1.0])
    np.testing.assert_allclose(seen, [0, 0, 2, 1], atol=1e-7)
    pixel = camera.intrinsics @ seen[:3]
    np.testing.assert_allclose(pixel[:2] / pixel[2], [32, 16], atol=1e-6)
    assert camera.f == pytest.approx(16 / math.tan(math.radians(30)))
    assert camera.projection_matrix[0, 0] * camera.aspect_ratio == pytest.approx(camera.projection_matrix[1, 1])
    assert camera.distance_center_to_plane(2.0).shape == (32, 64)
    np.testing.assert_allclose(rotation_of(camera.get_quat().numpy()), camera.get_transform()[:3, :3], atol=1e-12)
    camera.set_pose(transform=np.eye(4))
    np.testing.assert_allclose(camera.lookat, [0, 0, -1], atol=1e-7)
    assert (camera.res, camera.fov, camera.model, camera.near, camera.far) == ((64, 32), 60, "pinhole", 0.5, 10)


def test_poses_of_each_env(camera):
    camera.set_pose(pos=[(2.0, 0, 1), (0, 2.0, 1)], lookat=(0.0, 0, 1))
    assert camera.get_transform().shape == (2, 4, 4)
    np.testing.assert_allclose(camera.transform[1, :3, 2], [0, 1, 0], atol=1e-7)
    assert camera.get_pos(0).shape == (3,)


def test_rotations_are_scipy_s():
    from scipy.spatial.transform import Rotation

    turned = Rotation.random(200, random_state=0)
    quat = turned.as_quat(canonical=True, scalar_first=True)
    np.testing.assert_allclose(rotation_of(quat), turned.as_matrix(), atol=1e-14)
    np.testing.assert_allclose(quat_of(turned.as_matrix()), quat, atol=1e-14)
    straight_down = look_at(np.array([0, 0, 1.0]), np.zeros(3), np.array([0, 0, 1.0]), "test")
    np.testing.assert_allclose(straight_down[:3, :3] @ straight_down[:3, :3].T, np.eye(3), atol=1e-14)


def test_following_and_attaching(scene, camera):
    ball = scene.get_entity("ball")
    ball.set_pos(torch.tensor([0.0, 0.0, 1.0]))
    camera.follow_entity(ball, fixed_axis=(None, None, 1.5))
    camera.update_following()
    ball.set_pos(torch.tensor([1.0, 2.0, 1.0]))
    camera.render()
    np.testing.assert_allclose(camera.pos, [3, 2, 1.5], atol=1e-6)
    np.testing.assert_allclose(camera.lookat, [1, 2, 1], atol=1e-6)
    with pytest.raises(gs.GenesisException, match="it follows an entity; call unfollow_entity first"):
        camera.attach(ball.links[0], np.eye(4))
    camera.unfollow_entity()
    offset = np.eye(4)
    offset[2, 3] = 0.5
    camera.attach(ball.links[0], offset)
    camera.move_to_attach()
    np.testing.assert_allclose(camera.pos, [1, 2, 1.5], atol=1e-6)
    ball.set_pos(torch.tensor([0.0, 0.0, 1.0]))
    scene.step()
    np.testing.assert_allclose(camera.pos[:2], [0, 0], atol=1e-6)


def test_films(scene, camera):
    with pytest.raises(gs.GenesisException, match="there is no film; call start_recording first"):
        camera.stop_recording()
    camera.start_recording()
    with pytest.raises(gs.GenesisException, match="start_recording was called already"):
        camera.start_recording()
    camera.pause_recording()
    camera.start_recording()
    camera.stop_recording(save_to_filename="film.mp4", fps=30)
    with pytest.raises(gs.GenesisException, match="fps=0"):
        camera.start_recording(fps=0)


BAD_CAMERAS = {
    "model": ({"model": "eye"}, "`model` is 'eye'; expected 'pinhole'"),
    "res": ({"res": (0, 3)}, "`res` is"),
    "fov": ({"fov": 180}, "`fov` is 180; expected a number above zero and below 180"),
    "pos": ({"pos": (1, 2)}, r"`pos` is \(1, 2\); expected finite numbers of shape \(3,\)"),
    "where it looks": ({"pos": (1, 2, 3), "lookat": (1, 2, 3)}, "the camera is where it looks at"),
}


@pytest.mark.parametrize("case", BAD_CAMERAS)
def test_bad_cameras(case):
    arguments, message = BAD_CAMERAS[case]
    scene = gs.Scene()
    with pytest.raises(gs.GenesisException, match=message):
        scene.add_camera(**arguments)
    assert scene.visualizer.cameras == []


def test_what_comes_too_late_or_for_another_renderer(scene):
    with pytest.raises(gs.GenesisException, match="add_camera: the scene is built already"):
        scene.add_camera()
    assert scene.render_all_cameras() == (None,) * 4
    assert scene.visualizer.lights[0]["intensity"] == 1.0
    other = gs.Scene()
    with pytest.raises(gs.GenesisException, match="add_light is for"):
        other.add_light(pos=(0, 0, 1), dir=(0, 0, -1))
    with pytest.raises(gs.GenesisException, match="add_mesh_light is for"):
        other.add_mesh_light()
    with pytest.raises(gs.GenesisException, match="draw_debug_line needs the built scene"):
        other.draw_debug_line((0, 0, 0), (1, 1, 1))


def test_debug_shapes_are_kept(scene):
    scene.clear_debug_objects()
    points = torch.zeros(4, 3)
    shapes = [
        scene.draw_debug_line((0, 0, 0), (1, 0, 0)),
        scene.draw_debug_arrow((0, 0, 0), vec=(0, 0, 1)),
        scene.draw_debug_sphere((0, 0, 0), color=(1, 0, 0)),
        scene.draw_debug_spheres(points),
        scene.draw_debug_box([[0, 0, 0], [1, 1, 1]]),
        scene.draw_debug_points(points),
        scene.draw_debug_frame(np.eye(4)),
        scene.draw_debug_frames(np.stack([np.eye(4)] * 2)),
        scene.draw_debug_mesh(object(), pos=(0, 0, 1)),
        scene.draw_debug_frustum(scene.visualizer.cameras[0]),
        scene.draw_debug_trajectory(points),
        scene.draw_debug_path(points, scene.get_entity("ball")),
    ]
    assert scene.draw_debug_trajectory(points[:1]) is None
    assert list(scene.visualizer.context.debug_objects) == shapes
    pose = np.eye(4)
    pose[0, 3] = 1.0
    scene.update_debug_objects((shapes[2],), (pose,))
    np.testing.assert_array_equal(shapes[2].pose, pose)
    scene.clear_debug_object(shapes[0])
    scene.clear_debug_object(shapes[0])
    assert shapes[0] not in scene.visualizer.context.debug_objects
    scene.clear_debug_objects()
    assert scene.visualizer.context.debug_objects == ()
    for call, message in (
        (lambda: scene.draw_debug_sphere((0, 0)), r"`pos` is \(0, 0\)"),
        (lambda: scene.draw_debug_sphere((0, 0, 0), color=(1, 0)), "`color` is"),
        (lambda: scene.draw_debug_frame(np.eye(3)), "`T` is"),
        (lambda: scene.update_debug_objects((shapes[0],), ()), "1 shapes and 0 poses"),
    ):
        with pytest.raises(gs.GenesisException, match=message):
            call()
    assert scene.visualizer.context.debug_objects == ()


def test_the_viewer(scene):
    viewer = scene.viewer
    viewer.set_camera_pose(pos=(1, 0, 0), lookat=(0, 0, 0))
    np.testing.assert_allclose(viewer.camera_pos, [1, 0, 0])
    viewer.follow_entity(scene.get_entity("ball"))
    viewer.update()
    np.testing.assert_allclose(viewer.camera_lookat, scene.get_entity("ball").get_pos().numpy())
    viewer.start()
    viewer.run()
    viewer.stop()
    assert not viewer.is_alive()
    plugin = viewer.add_plugin(MouseInteractionPlugin(use_force=True))
    assert viewer.plugins == (plugin,)
    viewer.remove_plugin(plugin)
    assert viewer.plugins == ()
    with viewer.lock:
        assert viewer.realtime_factor == 1.0
    with pytest.raises(gs.GenesisException, match="realtime_factor = 0"):
        viewer.realtime_factor = 0


def test_key_bindings(scene):
    viewer = scene.viewer
    assert (Key.A, Key._1, Key.F1, Key.NUM_3, Key.UP, Key.ESCAPE) == (97, 49, 0xFFBE, 0xFFB3, 0xFF52, 0xFF1B)
    up = Keybind("up", Key.UP, KeyAction.HOLD, callback=print, args=(1,))
    viewer.register_keybinds(up, Keybind("stop", Key.Q, KeyAction.PRESS, key_mods=(KeyMod.CTRL,), protected=True))
    with pytest.raises(gs.GenesisException, match=r"'other' meets 'up'.*overwrite=True"):
        viewer.register_keybinds(Keybind("other", Key.UP, KeyAction.HOLD))
    viewer.register_keybinds(Keybind("other", Key.UP, KeyAction.HOLD), overwrite=True)
    with pytest.raises(gs.GenesisException, match="it is protected"):
        viewer.register_keybinds(Keybind("stop", Key.X), overwrite=True)
    viewer.remap_keybind("other", Key.DOWN, None)
    assert {keybind.name: keybind.key for keybind in viewer.keybinds} == {"other": Key.DOWN, "stop": Key.Q}
    viewer.remove_keybind("other")
    viewer.remove_keybind("stop")
    with pytest.raises(gs.GenesisException, match=r"there is no key binding 'stop'. There are: none"):
        viewer.remove_keybind("stop")


def test_another_thread():
    done = threading.Event()
    gs.tools.run_in_another_thread(fn=lambda a: done.set() if a == 1 else None, args=(1,))
    assert done.wait(10)


def test_tools_of_a_loop(capsys, tmp_path):
    mean = gs.tools.RunningMean(window=2)
    assert math.isnan(mean.value)
    for sample in (1.0, 3.0, 5.0):
        mean.update(sample)
    assert mean.value == 4.0
    smooth = gs.tools.RunningMean(alpha=0.5)
    smooth.update(1.0)
    smooth.update(3.0)
    assert smooth.value == 2.0
    rate = gs.tools.Rate(1000.0)
    rate.sleep()
    assert rate.rate == 1000.0
    timer = gs.tools.create_timer("loop")
    timer.stamp("part")
    assert "[part] step:" in capsys.readouterr().out
    assert gs.tools.create_timer("loop") is timer
    gs.tools.save_img_arr(np.zeros((2, 3, 3), np.uint8), tmp_path / "a" / "image.png")
    assert (tmp_path / "a" / "image.png").exists()
    gs.tools.animate([None, None])
    for call in (
        lambda: gs.tools.animate([np.zeros(3)]),
        lambda: gs.tools.save_img_arr(None),
        lambda: gs.tools.Rate(0),
        lambda: gs.tools.RunningMean(),
    ):
        with pytest.raises(gs.GenesisException):
            call()
