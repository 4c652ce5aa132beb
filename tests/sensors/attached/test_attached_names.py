"""The names of `gs.sensors` and `gs.recorders`."""

import pytest

import genesis as gs
import genesis.recorders
import genesis.sensors
from genesis.recorders.plotters import IS_MATPLOTLIB_AVAILABLE, IS_PYQTGRAPH_AVAILABLE
from genesis.sensors.attached.kinds import KINDS


@pytest.mark.parametrize("package", [genesis.sensors, genesis.recorders])
def test_every_name_is_there(package):
    assert all(getattr(package, name) is not None for name in package.__all__)
    assert set(package.__all__) <= set(dir(package))
    with pytest.raises(AttributeError, match="has no attribute 'Sonar'"):
        _ = package.Sonar


def test_genesis_names_of_the_same():
    assert gs.sensors.Lidar is gs.sensors.Raycaster
    assert gs.sensors.raycaster.SphericalPattern is gs.sensors.SphericalPattern
    assert issubclass(gs.sensors.IMU, gs.sensors.RigidSensorOptionsMixin)
    assert gs.sensors.types.IMU != gs.sensors.types.Contact
    assert gs.sensors.types.IMU == gs.sensors.types.IMU
    assert isinstance(IS_MATPLOTLIB_AVAILABLE, bool)
    assert not IS_PYQTGRAPH_AVAILABLE  # so that programs choose matplotlib


def test_every_kind_of_sensor_can_be_added_and_read():
    scene = gs.Scene()
    scene.add_entity(gs.morphs.Plane())
    box = scene.add_entity(gs.morphs.Box(size=(0.2, 0.2, 0.2), pos=(0, 0, 0.1)))
    more = {
        gs.sensors.Raycaster: {"pattern": gs.sensors.GridPattern(resolution=0.5)},
        gs.sensors.DepthCamera: {"pattern": gs.sensors.DepthCameraPattern(res=(4, 3))},
        gs.sensors.TemperatureGrid: {"properties_dict": {-1: gs.sensors.TemperatureProperties()}},
        gs.sensors.SurfaceDistanceProbe: {"track_link_idx": (0,)},
    }
    described = [kind(entity_idx=box.idx, draw_debug=True, **more.get(kind, {})) for kind in KINDS]
    sensors = [scene.add_sensor(one) for one in described]
    assert scene.sensors == sensors
    scene.build(n_envs=2)
    for _ in range(2):
        scene.step()
    for sensor in sensors:
        for values in (sensor.read(), sensor.read_ground_truth()):
            parts = values if isinstance(values, tuple) else (values,)
            assert all(part.shape[0] == 2 and bool(part.isfinite().all()) for part in parts), sensor
    read = scene.read_sensors(envs_idx=[1])
    assert len(read) == len(KINDS)
    assert read[gs.sensors.types.IMU].shape == (1, 9)
    assert read[gs.sensors.types.DepthCamera].shape == (1, 4 * 4 * 3)
