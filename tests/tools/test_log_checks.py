"""Units that are off and samples that cannot be right are refused or flagged, and good logs are left in peace."""

import math
import re

import numpy as np
import pytest

import genesis as gs
from genesis.tools import Log
from tests.tools.arm_logs import ARM, DT, N, arm_log, build_scene, motion


@pytest.fixture(scope="module")
def scene():
    return build_scene()


def units(**factors):
    t, q, v, f = motion()
    measurements = {"arm.dofs_position": q * factors.get("q", 1), "arm.dofs_velocity": v * factors.get("v", 1)}
    if factors.get("only_q"):
        del measurements["arm.dofs_velocity"]
    return Log(t * factors.get("t", 1), measurements, {"arm": f})


@pytest.mark.parametrize(
    ("factors", "message"),
    [
        (
            {"q": np.array([180 / math.pi, 1, 1]), "only_q": 1},
            r"row \d+, column 'arm.dofs_position\[0\]'.*fit as degrees",
        ),
        (
            {"q": np.array([1, 1, 1e3]), "only_q": 1},
            r"column 'arm.dofs_position\[2\]'.*limits 0 to 0.08 m.*fit as millimetres",
        ),
        (
            {"v": np.array([1, 180 / math.pi, 1])},
            r"column 'arm.dofs_velocity\[1\]': .*velocity in degrees beside position in SI",
        ),
        ({"v": np.array([1, 1, 1e3])}, r"column 'arm.dofs_velocity\[2\]': .*velocity in millimetres"),
        ({"t": 1e3}, r"row 1, column 'time': the median interval is 10 s.*fits as milliseconds"),
        ({"t": 1e6, "only_q": 1}, r"fits as microseconds"),
        ({"t": 1e9, "only_q": 1}, r"fits as nanoseconds"),
    ],
)
def test_units_that_are_off_are_refused_or_flagged(scene, factors, message):
    log = units(**factors)
    with pytest.raises(gs.GenesisException, match=message) as caught:
        log.bind(scene)
    assert "pass trust_units=True" in str(caught.value)
    log.trust_units = True
    log.bind(scene)
    assert any(re.search(message, text) for text in log.warnings)


def test_si_units_are_taken_without_a_word(scene):
    for factors in ({}, {"only_q": 1}, {"t": 10.0, "v": 0.1}):
        log = units(**factors)
        log.bind(scene)
        assert log.warnings == []


def test_a_time_that_is_far_off(scene):
    t, q, _, _ = motion()
    t[30:] += 1e7
    with pytest.raises(
        gs.GenesisException, match=r"row 30, column 'time': the recording lasts 1e[+]07 s.*gap ends here"
    ):
        Log(t, {"arm.dofs_position": q}).bind(scene)


def test_noisy_and_irregular_logs_are_taken_without_a_word(scene):
    rng = np.random.default_rng(3)
    t, q, v, f = motion()
    t = t + 0.004 * rng.uniform(-1, 1, N)
    log = Log(t, {"arm.dofs_position": q + 0.002 * rng.normal(size=q.shape), "arm.dofs_velocity": v}, {"arm": f})
    log.bind(scene)
    assert log.warnings == []


def test_positions_of_links_in_millimetres(scene):
    t = DT * np.arange(N)
    path = np.stack([t, 1 - 4.905 * t**2, 0 * t], 1)
    with pytest.raises(gs.GenesisException, match=r"far outside of the scene.*fits as millimetres"):
        Log(t, {"box.links_pos": path * 1e3}).bind(scene)
    log = Log(t, {"box.links_pos": path})
    log.bind(scene)
    assert log.warnings == []


def test_accelerometers_and_gyros(scene):
    t, _, v, _ = motion()
    still = np.tile([0.0, 0.0, 9.81], (N, 1))
    for factor, unit in ((1 / 9.80665, "g"), (1e3, "mm/s.2")):
        with pytest.raises(gs.GenesisException, match=f"median of the accelerometer's reading.*fits as {unit}\\."):
            Log(t, {"arm.accelerometer[hand]": still * factor}).bind(scene)
    log = Log(t, {"arm.accelerometer[hand]": still, "arm.gyro[hand]": 10 * v * 180 / math.pi})
    log.bind(scene)
    assert any("degrees per second" in text for text in log.warnings)


def test_orientations_that_are_none(scene):
    t = DT * np.arange(N)
    pose = np.tile([1.0, 0.0, 0.0, 0.0], (N, 1))
    pose[7] *= 1.2
    pose[9] = np.nan
    with pytest.raises(
        gs.GenesisException, match=r"row 7, column 'box.links_quat\[0\].w': the quaternion has the norm 1.2"
    ):
        Log(t, {"box.links_quat": pose}).bind(scene)
    pose[7] /= 1.2
    Log(t, {"box.links_quat": pose}).bind(scene)
    pose[3, 1] = np.nan
    with pytest.raises(gs.GenesisException, match=r"row 3.*some of the four numbers of a quaternion are missing"):
        Log(t, {"box.links_quat": pose}).bind(scene)


def test_spikes_and_large_forces_are_flagged(tmp_path, scene):
    _, q, v, f = motion()
    q[12, 1] += 0.5
    v[20:, 0] += 0.2  # a step, as in an impact
    log = arm_log(measurements={"arm.dofs_position": q, "arm.dofs_velocity": v}, controls={"arm": 1e3 * f})
    log.save(tmp_path / "log.csv")
    read = Log.read(tmp_path / "log.csv", scene)
    spike, force = sorted(read.warnings, key=lambda text: "controls" in text)
    assert spike.startswith("line 14, column 'arm.dofs_position[1]'") and "jumps away and back" in spike
    assert force.startswith("controls of 'arm', 'shoulder': most forces are more than ten times")
    read.bind(scene)
    assert len(read.warnings) == 2  # said once


def test_impacts_are_no_spikes(scene):
    t = 0.001 * np.arange(400)
    since = np.clip(t - 0.2, 0, None)
    ringing = 5 * np.exp(-since / 0.005) * np.sin(2 * np.pi * 240 * since)
    log = Log(t, {"arm.gyro[hand]": np.stack([ringing, 0.1 * t, np.where(t < 0.2, 0.0, 3.0)], 1)})
    log.bind(scene)
    assert log.warnings == []
    log.measurements["arm.gyro[hand]"][300, 1] += 0.1
    log.bind(scene)
    (warning,) = log.warnings
    assert warning.startswith("row 300, column 'arm.gyro[hand].y'")


def test_full_turns_are_flagged():
    wheel = build_scene(ARM.replace('range="-90 90"', ""))
    t = DT * np.arange(N)
    turning = np.mod(30 * t, 2 * np.pi)
    log = Log(t, {"arm.dofs_position[shoulder]": turning})
    log.bind(wheel)
    (warning,) = log.warnings
    assert "the angle jumps by 2 pi, here first; unwrap it" in warning
