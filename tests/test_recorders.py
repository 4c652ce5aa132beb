"""Recorders: what is written, when, and what is refused."""

import atexit
import csv
import importlib.util

import numpy as np
import pytest

import genesis as gs
from genesis.recorders import video

STEPS = 10


def scene_with_sensors():
    scene = gs.Scene()
    scene.add_entity(gs.morphs.Plane())
    box = scene.add_entity(gs.morphs.Box(size=(0.1, 0.1, 0.1), pos=(0, 0, 0.051)))
    return (
        scene,
        box,
        scene.add_sensor(gs.sensors.Contact(entity_idx=box.idx)),
        scene.add_sensor(gs.sensors.IMU(entity_idx=1)),
    )


def test_files(tmp_path):
    scene, box, contact, imu = scene_with_sensors()
    touching, motion, slow = (tmp_path / "new" / name for name in ("touching.csv", "motion.npz", "slow.csv"))
    contact.start_recording(gs.recorders.CSVFile(filename=touching, header=("in_contact",), save_every_write=True))
    scene.start_recording(lambda: {"pos": box.get_pos(), "one": 1}, gs.recorders.NPZFile(filename=str(motion)))
    imu.start_recording(rec_options=gs.recorders.CSVFile(filename=slow, hz=50.0))
    scene.build()
    places = []
    for _ in range(STEPS):
        scene.step()
        places.append(box.get_pos().tolist())
    rows = list(csv.reader(touching.open()))  # written at once
    assert rows[0] == ["timestamp", "in_contact"]
    assert [float(row[0]) for row in rows[1:]] == pytest.approx([0.01 * (k + 1) for k in range(STEPS)])
    assert (rows[1][1], rows[-1][1]) == ("False", "True")
    assert not motion.exists()
    scene.stop_recording()
    data = np.load(motion)
    assert sorted(data) == ["one", "pos", "timestamp"]
    np.testing.assert_array_equal(data["pos"], places)
    assert data["one"].tolist() == [1] * STEPS
    rows = list(csv.reader(slow.open()))
    assert rows[0][:4] == ["timestamp", "lin_acc_0", "lin_acc_1", "lin_acc_2"]
    assert [float(row[0]) for row in rows[1:]] == pytest.approx([0.02, 0.04, 0.06, 0.08, 0.1])
    scene.step()
    scene.stop_recording()  # nothing more to do
    assert len(list(csv.reader(touching.open()))) == STEPS + 1


def test_what_is_not_stopped_is_written_when_the_program_ends(tmp_path, monkeypatch):
    ends = []
    monkeypatch.setattr(atexit, "register", lambda *call: ends.append(call))
    scene = gs.Scene()
    scene.add_entity(gs.morphs.Sphere(radius=0.1))
    scene.start_recording(lambda: scene.t, gs.recorders.NPZFile(filename=tmp_path / "time.npz"))
    scene.build()
    scene.step()
    ((end, *arguments),) = ends
    end(*arguments)
    assert np.load(tmp_path / "time.npz")["data"].tolist() == [0.01]


@pytest.mark.skipif(importlib.util.find_spec("matplotlib") is None, reason="matplotlib draws the plots")
def test_plots(tmp_path, monkeypatch):
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    scene, _, _, imu = scene_with_sensors()
    labels = dict.fromkeys(("lin_acc", "ang_vel", "mag"), ("x", "y", "z"))
    lines = imu.start_recording(
        gs.recorders.PyQtLinePlot(
            labels=labels, history_length=4, window_size=(300, 200), save_to_filename=tmp_path / "a.png"
        )
    )
    picture = scene.start_recording(
        lambda: np.full((4, 6), scene.t), gs.recorders.MPLImagePlot(save_to_filename=str(tmp_path / "b.png"))
    )
    field = gs.recorders.MPLVectorFieldPlot(positions=((0, 0, 0), (1, 0, 0)), save_to_filename=str(tmp_path / "c.png"))
    scene.start_recording(lambda: np.ones((2, 3)), field)
    unseen = scene.start_recording(lambda: 1.0, gs.recorders.MPLLinePlot())
    scene.build()
    for _ in range(6):
        scene.step()
    assert list(lines.x_data) == pytest.approx([0.03, 0.04, 0.05, 0.06])
    assert lines.get_image_array().shape == (200, 300, 3)
    assert lines.get_image_array().std() > 10
    assert picture.get_image_array().shape == (600, 800, 3)
    assert unseen._figure is None
    scene.reset()
    assert list(lines.x_data) == []
    scene.step()
    scene.stop_recording()
    assert all((tmp_path / name).stat().st_size > 1000 for name in ("a.png", "b.png", "c.png"))


def test_wrong_data(tmp_path):
    for data, options, message in (
        (lambda: [1, 2], gs.recorders.CSVFile(filename=tmp_path / "a.csv", header=("one",)), "1 names for 2 numbers"),
        (lambda: {"a": object()}, gs.recorders.NPZFile(filename=tmp_path / "b.npz"), "expected numbers"),
        (lambda: 1.0, gs.recorders.MPLLinePlot(labels=("a", "b")), "2 labels for 1 numbers"),
        (lambda: np.zeros(3), gs.recorders.MPLImagePlot(), "expected \\(height, width"),
    ):
        scene = gs.Scene()
        scene.add_entity(gs.morphs.Sphere(radius=0.1))
        scene.start_recording(data, options)
        scene.build()
        with pytest.raises(gs.GenesisException, match=message):
            scene.step()


def test_wrong_calls(tmp_path, monkeypatch):
    scene = gs.Scene()
    scene.add_entity(gs.morphs.Sphere(radius=0.1))
    with pytest.raises(gs.GenesisException, match="expected a function"):
        scene.start_recording(1, gs.recorders.NPZFile(filename="a.npz"))
    with pytest.raises(gs.GenesisException, match="expected one of"):
        scene.start_recording(lambda: 1)
    with pytest.raises(gs.GenesisException, match="needs the built scene"):
        scene.stop_recording()
    monkeypatch.setattr(video, "_is_there", lambda package: False)
    with pytest.raises(gs.GenesisException, match="pip install av"):
        scene.start_recording(lambda: 1, gs.recorders.VideoFile(filename="a.mp4"))
    scene.start_recording(lambda: 1, gs.recorders.NPZFile(filename=tmp_path / "a.npz"))
    scene.build()
    with pytest.raises(gs.GenesisException, match="built already"):
        scene.start_recording(lambda: 1, gs.recorders.NPZFile(filename="a.npz"))
    with pytest.raises(gs.GenesisException, match="records after every step"):
        scene.rollout(n_steps=2)


class Encoder:
    """Stands for a package that writes films."""

    def __init__(self):
        self.pictures, self.closed = [], False

    def write(self, picture):
        self.pictures.append(picture)


@pytest.fixture
def encoder(monkeypatch):
    one = Encoder()

    def by_av(film, width, height):
        film._end = lambda: setattr(one, "closed", True)
        one.size = width, height
        return one.write

    monkeypatch.setattr(video, "_is_there", lambda package: package == "av")
    monkeypatch.setattr(video.Film, "_by_av", by_av)
    return one


def test_films(tmp_path, encoder):
    scene = gs.Scene()
    scene.add_entity(gs.morphs.Sphere(radius=0.1))
    options = gs.recorders.VideoFile(filename=tmp_path / "film.mp4", buffer_size=2, buffer_full_wait_time=10.0)
    recorder = scene.start_recording(lambda: np.full((5, 7), scene.cur_step, dtype=np.uint8), options)
    scene.build()
    for _ in range(STEPS):
        scene.step()
    recorder.sync()
    assert [picture[0, 0, 0] for picture in encoder.pictures] == list(range(1, STEPS + 1))
    assert encoder.pictures[0].shape == (6, 8, 3)  # sides are even
    scene.stop_recording()
    assert encoder.closed


def test_a_film_of_no_pictures(tmp_path, encoder):
    scene = gs.Scene()
    scene.add_entity(gs.morphs.Sphere(radius=0.1))
    recorder = scene.start_recording(lambda: 1.0, gs.recorders.VideoFile(filename=tmp_path / "film.mp4"))
    scene.build()
    scene.step()
    with pytest.raises(gs.GenesisException, match="expected a picture"):
        recorder.sync()


@pytest.mark.skipif(importlib.util.find_spec("av") is None, reason="av writes the film")
def test_a_real_film(tmp_path):
    scene = gs.Scene()
    scene.add_entity(gs.morphs.Sphere(radius=0.1))
    path = tmp_path / "film.mp4"
    picture = np.random.default_rng(0).integers(0, 255, (64, 64, 3)).astype(np.uint8)
    scene.start_recording(lambda: picture, gs.recorders.VideoFile(filename=path))
    scene.build()
    for _ in range(STEPS):
        scene.step()
    scene.stop_recording()
    assert path.stat().st_size > 500
