"""Every type of sensor against mjData.sensordata after mj_forward."""

import mujoco
import numpy as np
import pytest
import torch

from genesis.sensors.kinds import KINDS
from tests.sensors import rig as rigs

# Of a sensor's size: both solvers iterate to the end, to the rounding of forces of hundreds of newtons on links of grams.
TOLERANCE = 1e-9
# Nearest points of a cylinder or ellipsoid: MuJoCo's search ends where the distance does not fall any more, to the root of
# the rounding in it.
ROUND = ("post", "beam")
TOLERANCE_OF_ROUND = 1e-5
STATES = 16


def tolerance(element: str) -> float:
    """Of a sensor's value, by its size."""
    nearest = rigs.kind(element) in ("normal", "fromto") and any(f'"{name}"' in element for name in ROUND)
    return TOLERANCE_OF_ROUND if nearest else TOLERANCE


def test_every_type_is_among_those_that_are_compared():
    assert {rigs.kind(element) for element in rigs.elements()} == set(KINDS)


@pytest.mark.parametrize("cone", ["pyramidal", "elliptic"])
def test_values_are_those_of_mujoco(cone):
    scene, rig = rigs.build(cone)
    m, elements = scene.mj_model, rigs.elements()
    wrong, seen = [], dict.fromkeys(KINDS, False)
    for seed in range(STATES):
        inputs = rigs.random_inputs(m, seed)
        data = rigs.reference(m, inputs)
        scene.reset()
        rigs.put(rig, inputs)
        values = rig.get_sensor_data()
        assert len(values) == m.nsensor == len(elements)
        for k, element in enumerate(elements):
            expected, value = rigs.of(m, data, f"rig/sensor{k}"), values[f"sensor{k}"].detach().numpy()
            seen[rigs.kind(element)] |= bool(np.any(expected))
            if not np.abs(value - expected).max() <= tolerance(element) * (1.0 + np.abs(expected).max()):
                wrong.append((element, seed, value, expected))
    assert not wrong, wrong[:3]
    assert [kind for kind, any_value in seen.items() if not any_value] == ["clock"]


def test_values_belong_to_their_env():
    scene, rig = rigs.build("elliptic", 3)
    m = scene.mj_model
    cases = [rigs.random_inputs(m, seed) for seed in (1, 2, 5)]
    scene.reset()
    rigs.put(rig, {name: np.stack([case[name] for case in cases]) for name in cases[0]})
    values = rig.get_sensor_data()
    for env, case in enumerate(cases):
        data = rigs.reference(m, case)
        for k, element in enumerate(rigs.elements()):
            expected = rigs.of(m, data, f"rig/sensor{k}")
            size = 1.0 + np.abs(expected).max()
            value = values[f"sensor{k}"][env].detach().numpy()
            np.testing.assert_allclose(value, expected, atol=tolerance(element) * size)


def test_the_clock_goes_with_the_steps():
    scene, _ = rigs.with_sensors('<clock name="clock"/>')
    for _ in range(3):
        scene.step()
    assert scene.get_sensor_data("rig/clock").item() == pytest.approx(0.012, abs=1e-15)
    scene.reset()
    assert scene.get_sensor_data("rig/clock").item() == 0.0


def test_a_ray_that_can_meet_nothing():
    body = '<body><freejoint/><inertial mass="1" pos="0 0 0" diaginertia="1 1 1"/><site name="s"/></body>'
    _, rig = rigs.load(f'<mujoco><worldbody>{body}</worldbody><sensor><rangefinder site="s"/></sensor></mujoco>')
    assert rig.get_sensor_data("sensor0").tolist() == [-1.0]


def test_rays_on_a_large_terrain():
    """Of which the boxes lie in boxes; and on a flat mesh, from above."""
    n, rng = 48, np.random.default_rng(0)
    heights = " ".join(f"{height:.3f}" for height in rng.random(n * n))
    sites = "".join(f'<site name="s{k}" euler="{95 + 7 * k} {20 * k} 0"/>' for k in range(12))
    sensors = "".join(f'<rangefinder site="s{k}" data="dist normal"/>' for k in range(12))
    scene, rig = rigs.load(f"""<mujoco><asset>
      <hfield name="h" nrow="{n}" ncol="{n}" size="5 5 .5 .1" elevation="{heights}"/>
      <mesh name="plate" builtin="plate" params="3 3" scale="9 9 .001"/></asset>
      <worldbody><geom type="hfield" hfield="h"/>
        <geom type="mesh" mesh="plate" pos="0 0 -1" contype="0" conaffinity="0"/>
        <body pos="0 0 1"><freejoint/><geom size=".1"/>{sites}</body></worldbody>
      <sensor>{sensors}</sensor></mujoco>""")
    m = scene.mj_model
    data = mujoco.MjData(m)
    hits = 0
    for _ in range(8):
        data.qpos[:3] = [*rng.uniform(-6.0, 6.0, 2), 1.0]
        mujoco.mj_forward(m, data)
        rig.set_qpos(torch.as_tensor(data.qpos))
        for k in range(12):
            expected = rigs.of(m, data, f"rig/sensor{k}")
            np.testing.assert_allclose(rig.get_sensor_data(f"sensor{k}"), expected, atol=TOLERANCE)
            hits += expected[0] > 0
    assert hits > 20


def test_a_weld_made_at_run_time_is_felt_as_one_of_the_file():
    """The force between hand and forearm does not change when a weld carries a part of it away as MuJoCo's would."""
    text = """<mujoco><option timestep=".004" tolerance="0" iterations="100"/><worldbody>
      <body name="a" pos="0 0 1"><joint name="j" axis="0 1 0"/><geom type="box" size=".1 .2 .05" pos=".1 0 0"/>
        <site name="s" pos=".1 .05 .02" euler="10 20 30"/></body>
      <body name="b" pos=".3 0 1"><freejoint/><geom type="box" size=".1 .1 .1" contype="0" conaffinity="0"/></body>
    </worldbody>{}<sensor><force name="f" site="s"/><torque name="t" site="s"/></sensor></mujoco>"""
    values = []
    for weld in ('<equality><weld body1="a" body2="b"/></equality>', ""):
        scene, rig = rigs.load(text.format(weld))
        if not weld:
            scene.rigid_solver.add_weld_constraint(rig.get_link("a"), rig.get_link("b"))
        rig.set_dofs_velocity([0.3, 0.1, 0.2, -0.3, 0.5, 0.1, -0.2])
        values.append(rig.get_sensor_data())
    for name, value in values[0].items():
        assert value.abs().max() > 0.1
        np.testing.assert_allclose(values[1][name].detach(), value.detach(), atol=1e-9)
