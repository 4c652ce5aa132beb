"""Names, shapes, subsets, and what is refused."""

import pytest
import torch

import genesis as gs
from tests.sensors import rig as rigs

_SOME = (
    '<gyro name="gyro" site="imu"/><framequat name="turn" objtype="site" objname="tip"/><jointpos joint="hip"/>'
    '<contact name="floor" geom1="foot" num="3" data="found pos"/>'
)
_REFUSED = '<user name="mine" dim="2"/><torque name="ground" site="origin"/>'


@pytest.mark.parametrize("n_envs", [0, 1, 3])
def test_names_and_shapes(n_envs):
    scene, rig = rigs.with_sensors(_SOME, n_envs)
    assert rig.sensor_names == ("gyro", "turn", "sensor2", "floor")
    assert scene.sensor_names == tuple(f"rig/{name}" for name in rig.sensor_names)
    lead = (n_envs,) if n_envs else ()
    values = rig.get_sensor_data()
    assert {name: tuple(value.shape) for name, value in values.items()} == {
        "gyro": (*lead, 3), "turn": (*lead, 4), "sensor2": (*lead, 1), "floor": (*lead, 12),
    }  # fmt: skip
    for name, value in values.items():
        assert isinstance(value, gs.grad.Tensor)
        assert value.scene is scene
        assert value.dtype is gs.tc_float
        assert torch.equal(rig.get_sensor_data(name), value)
        assert torch.equal(scene.get_sensor_data(f"rig/{name}"), value)
        assert torch.equal(scene.get_sensor_data()[f"rig/{name}"], value)
        if n_envs == 3:
            assert torch.equal(rig.get_sensor_data(name, envs_idx=[2, 0]), value[[2, 0]])
        value.mul_(0.0)
    assert rig.get_sensor_data("turn").abs().sum() > 0, "what is returned is a copy"


def test_several_entities_and_none_with_sensors():
    scene = gs.Scene()
    plane = scene.add_entity(gs.morphs.Plane())
    scene.build()
    assert scene.sensor_names == plane.sensor_names == ()
    assert scene.get_sensor_data() == plane.get_sensor_data() == {}


def test_nothing_is_recorded_under_no_grad():
    _, rig = rigs.with_sensors(_SOME)
    with torch.no_grad():
        assert not any(value.requires_grad for value in rig.get_sensor_data().values())
    rig.set_dofs_velocity(torch.zeros(rig.n_dofs, requires_grad=True))
    assert rig.get_sensor_data("gyro").requires_grad


def test_what_is_not_measured_is_left_out_by_name(caplog):
    _, rig = rigs.with_sensors(_SOME + _REFUSED)
    with caplog.at_level("WARNING", logger=gs.logger.name):
        assert set(rig.get_sensor_data()) == {"gyro", "turn", "sensor2", "floor"}
        rig.get_sensor_data()
    (record,) = [r for r in caplog.records if "get_sensor_data" in r.message]
    for name, why in (("mine", "callback"), ("ground", "world itself")):
        assert f"'{name}'" in record.message
        with pytest.raises(gs.GenesisException, match=f"sensor '{name}' is not measured: .*{why}"):
            rig.get_sensor_data(name)


def test_wrong_names_and_entities():
    scene, rig = rigs.with_sensors(_SOME)
    other, plane = gs.Scene(), None
    plane = other.add_entity(gs.morphs.Plane())
    with pytest.raises(gs.GenesisException, match=r"call scene\.build"):
        other.get_sensor_data()
    with pytest.raises(gs.GenesisException, match=r"call scene\.build"):
        plane.get_sensor_data()
    with pytest.raises(gs.GenesisException, match=r"there is no sensor 'gyr'\. The nearest: 'gyro'"):
        rig.get_sensor_data("gyr")
    with pytest.raises(gs.GenesisException, match="There are: 'rig/gyro'"):
        scene.get_sensor_data(7)
    with pytest.raises(gs.GenesisException, match="give one of this scene"):
        scene.get_sensor_data(entity=plane)
    with pytest.raises(gs.GenesisException, match="envs_idx"):
        rig.get_sensor_data("gyro", envs_idx=4)


def test_a_reading_in_inference_mode_leaves_later_ones_their_gradient():
    scene, rig = rigs.with_sensors(_SOME)
    with torch.inference_mode():
        scene.get_sensor_data()
    scene.reset()
    velocity = torch.full((rig.n_dofs,), 0.1, requires_grad=True)
    rig.set_dofs_velocity(velocity)
    sum(value.sum() for value in scene.get_sensor_data().values()).backward()
    assert velocity.grad.abs().sum() > 0
