"""Logs: what is read is what was written, and every kind of damage is refused or flagged at its line."""

import re

import numpy as np
import pytest
import torch

import genesis as gs
from genesis.tools import Log
from tests.tools.arm_logs import N, arm_log, build_scene, motion


@pytest.fixture(scope="module")
def scene():
    return build_scene()


CSV_HEADER = "time,arm.dofs_position[shoulder],arm.dofs_position[elbow],arm.control_force[shoulder]"


def csv_rows(n=12):
    t, q, _, f = motion(n)
    return [f"{t[k]:.4f},{q[k, 0]:.6f},{q[k, 1]:.6f},{f[k, 0]:.6f}" for k in range(n)]


def write_csv(path, rows, header=CSV_HEADER, end="\n"):
    path.write_bytes(end.join([header, *rows, ""]).encode())
    return path


# -- reading ----------------------------------------------------------------------------------------------------------


def test_csv(tmp_path, scene):
    rows = csv_rows()
    rows[3] = rows[3].rsplit(",", 2)[0] + ",," + rows[3].rsplit(",", 1)[1]  # no elbow
    log = Log.read(
        write_csv(tmp_path / "log.csv", ["# made by hand", "# noise: arm.dofs_position = 1e-3", *rows]), scene
    )
    assert log.control == "force"
    recording = log.bind(scene)
    (output,) = recording.outputs
    assert output.name == "arm.dofs_position[shoulder, elbow]"
    assert recording.measured[0].shape == (12, 2)
    assert np.argwhere(np.isnan(recording.measured[0])).tolist() == [[3, 1]]
    t, q, _, f = motion(12)
    assert recording.times == pytest.approx(t)
    assert recording.measured[0][:, 0] == pytest.approx(q[:, 0], abs=1e-6)  # six digits were written
    assert recording.noise[0].tolist() == [1e-3, 1e-3]
    assert recording.entities == [scene.entities[0]]
    assert recording.controls.shape == (12, 3)
    assert recording.controls[:, 0] == pytest.approx(f[:, 0], abs=1e-6)
    assert not recording.controls[:, 1:].any()
    assert log.place(0) == "line 4" and log.warnings == []


@pytest.mark.parametrize("change", ["bom", "crlf", "spaces", "blank lines at the end"])
def test_csv_as_other_programs_write_it(tmp_path, scene, change):
    path = write_csv(tmp_path / "log.csv", csv_rows(), end="\r\n" if change == "crlf" else "\n")
    content = path.read_bytes()
    if change == "bom":
        content = b"\xef\xbb\xbf" + content
    elif change == "spaces":
        content = content.replace(b",", b" , ")
    elif change == "blank lines at the end":
        content += b"\n\n"
    path.write_bytes(content)
    assert len(Log.read(path, scene).times) == 12


@pytest.mark.parametrize("ending", [".csv", ".npz"])
def test_a_saved_log_is_read_again_bit_by_bit(tmp_path, scene, ending):
    rng = np.random.default_rng(0)
    t, q, v, f = motion()
    q[5, 1] = np.nan
    pose = rng.normal(size=(N, 7))
    pose[:, 3:] /= np.linalg.norm(pose[:, 3:], axis=1, keepdims=True)
    log = Log(
        np.concatenate([t[:20], t[:20] / 3]),
        {
            "arm.dofs_position": q,
            "arm.dofs_velocity[elbow]": v[:, 1],
            "arm.links_pos": rng.normal(size=(N, 9)),
            "box.qpos": pose,
            "imu": rng.normal(size=(N, 2)),
            "light": rng.normal(size=N),
        },
        {"arm": f},
        "velocity",
        {"arm.dofs_position": 1e-3, "imu": 0.1},
        [0] * 20 + [1] * 20,
        {"imu": lambda trajectory: None, "light": lambda trajectory: None},
    )
    path = tmp_path / f"log{ending}"
    log.save(path)
    read = Log.read(path, outputs=log.outputs)
    first, second = log.bind(scene), read.bind(scene)
    assert [o.labels for o in first.outputs] == [o.labels for o in second.outputs]
    for a, b in zip(first.measured + first.noise, second.measured + second.noise, strict=True):
        assert np.array_equal(a, b, equal_nan=True)
    assert np.array_equal(first.times, second.times) and np.array_equal(first.controls, second.controls)
    assert second.segments == (slice(0, 20), slice(20, 40)) and second.control == "velocity"


def test_arrays_of_torch_and_numbers_of_32_bits(scene):
    t, q, _, f = motion()
    log = Log(
        torch.tensor(t), {"arm.dofs_position": torch.tensor(q, dtype=torch.float32)}, {"arm": f.astype(np.float32)}
    )
    assert log.times.dtype == log.measurements["arm.dofs_position"].dtype == log.controls["arm"].dtype == np.float64
    assert log.duration == pytest.approx(t[-1])
    assert "40 samples" in repr(log)


def test_parts_of_a_quantity_become_one_output(scene):
    t, q, _, _ = motion()
    pose = np.tile([1.0, 0.0, 1.0, 0.6, 0.0, 0.8, 0.0], (N, 1))
    free, names = scene.entities[1].joints[0].name, ("x", "y", "z", "qw", "qx", "qy")
    log = Log(
        t,
        {
            "arm.dofs_position[gripper]": q[:, 2],
            "box.qpos[6]": pose[:, 6],
            **{f"box.qpos[{free}].{c}": pose[:, k] for k, c in enumerate(names)},
            "arm.dofs_position[shoulder]": q[:, 0],
            "arm.links_pos[hand].z": q[:, 0],
        },
        noise={"arm.dofs_position[shoulder]": 0.1, "box.qpos": 0.2},
    )
    recording = log.bind(scene)
    arm, box, height = recording.outputs
    assert arm.labels == ("arm.dofs_position[shoulder]", "arm.dofs_position[gripper]")
    assert np.array_equal(recording.measured[0], q[:, [0, 2]])
    assert recording.noise[0][0] == 0.1 and np.isnan(recording.noise[0][1])
    assert box.name == "box.qpos" and np.array_equal(recording.measured[1], pose)
    assert recording.noise[1].tolist() == [0.2] * 6
    assert height.labels == ("arm.links_pos[hand].z",)
    assert recording.entities == [] and recording.controls.shape == (N, 0)


def test_own_outputs_given_to_bind(scene):
    t, q, _, _ = motion()
    log = Log(t, {"imu[0]": q[:, 0], "imu[1]": q[:, 1]})
    (output,) = log.bind(
        scene, outputs={"imu": lambda trajectory: trajectory.links_pos(scene.entities[0])[..., 0, :2]}
    ).outputs
    assert (output.name, output.size) == ("imu", 2)
    with pytest.raises(
        gs.GenesisException, match=r"'imu': the scene has no entity 'imu'.*needs its function: outputs="
    ):
        log.bind(scene)


def test_joined_logs_keep_their_places(tmp_path, scene):
    paths = [write_csv(tmp_path / f"{k}.csv", csv_rows()) for k in "ab"]
    joined = Log.join([Log.read(path) for path in paths])
    assert joined.segments == (slice(0, 12), slice(12, 24))
    assert joined.place(13) == f"{paths[1]}, line 3"
    assert joined.bind(scene).measured[0].shape == (24, 2)
    with pytest.raises(gs.GenesisException, match=r"have other measurements: 'arm.dofs_position\[0\]' is not the same"):
        Log.join([joined, arm_log()])
    with pytest.raises(gs.GenesisException, match=r"has other noise levels"):
        Log.join([arm_log(), arm_log(noise={"arm.dofs_position": 1.0})])
    with pytest.raises(gs.GenesisException, match="expected a list of logs"):
        Log.join([])


def test_a_table_is_joined_with_its_columns(tmp_path, scene):
    whole = arm_log()
    whole.save(tmp_path / "log.csv")
    joined = Log.join([whole, Log.read(tmp_path / "log.csv")])
    recording = joined.bind(scene)
    assert [output.name for output in recording.outputs] == ["arm.dofs_position", "arm.dofs_velocity"]
    for values in (*recording.measured, recording.controls):
        assert np.array_equal(values[:N], values[N:])


def test_the_last_controls_may_be_missing(scene):
    _, _, _, f = motion()
    f[-1] = np.nan
    controls = arm_log(controls={"arm": f}).bind(scene).controls
    assert np.isfinite(controls).all()
    f[-1, 1:] = 0.0
    with pytest.raises(
        gs.GenesisException, match=r"row 39, column 'arm.control_force\[0\]': nan; expected a finite control"
    ):
        arm_log(controls={"arm": f})


def test_actuators_and_single_joints(scene):
    t, q, _, f = motion()
    log = Log(t, {"arm.dofs_position": q}, {"arm[claw]": f[:, 0], "arm[drive]": f[:, 1]}, "actuators")
    assert np.array_equal(log.bind(scene).controls, f[:, [1, 0]])
    with pytest.raises(gs.GenesisException, match=r"actuators controls of 'arm' lack drive. Log them; only forces"):
        Log(t, {"arm.dofs_position": q}, {"arm[claw]": f[:, 0]}, "actuators").bind(scene)


def test_targets_of_dofs_without_gains_may_be_left_out():
    t, q, _, f = motion()
    scene = build_scene()
    arm = scene.entities[0]
    log = Log(t, {"arm.dofs_position": q}, {"arm[shoulder]": f[:, 0]}, "position")
    with pytest.raises(gs.GenesisException, match=r"position controls of 'arm' lack elbow, gripper\. Log them"):
        log.bind(scene)
    arm.set_dofs_kp([0.0, 0.0], [1, 2])
    arm.set_dofs_kv([0.0, 0.0], [1, 2])
    assert np.array_equal(log.bind(scene).controls, f * [1, 0, 0])


# -- damaged files ----------------------------------------------------------------------------------------------------


def changed(row, text):
    def change(rows):
        rows[row] = text(rows[row]) if callable(text) else text
        return rows

    return change


def cell(k, text):
    def change(row):
        cells = row.split(",")
        cells[k] = text
        return ",".join(cells)

    return change


# What is done to row 4 (line 6) or others, and what the error says.
DAMAGE = {
    "nan control": (
        changed(4, cell(3, "nan")),
        r"line 6, column 'arm.control_force\[shoulder\]': nan; expected a finite control",
    ),
    "no control": (changed(4, cell(3, "")), r"line 6, column 'arm.control_force\[shoulder\]': nan"),
    "infinite control": (changed(4, cell(3, "inf")), r"line 6, .*: inf; expected a finite control"),
    "infinite measurement": (changed(4, cell(1, "-inf")), r"line 6, column 'arm.dofs_position\[shoulder\]': -inf"),
    "no time": (changed(4, cell(0, "")), r"line 6, column 'time': it is nan; expected a finite time"),
    "time twice": (changed(4, cell(0, "0.03")), r"line 6, column 'time': time 0.03 is there twice"),
    "time back": (changed(4, cell(0, "0.02")), r"line 6, column 'time': time 0.02 comes after 0.03"),
    "text": (changed(4, cell(2, "n/a")), r"line 6, column 'arm.dofs_position\[elbow\]': 'n/a' is no number"),
    "underscore": (changed(4, cell(2, "1_0")), r"line 6, .*: '1_0' is no number"),
    "quoted decimal comma": (changed(4, cell(2, '"0,5"')), r"line 6, .*'0,5' is no number \(a decimal comma"),
    "too few": (changed(4, "0.04,1"), r"line 6: it has 2 cells; expected 4"),
    "too many": (changed(4, lambda row: row + ",7"), r"line 6: it has 5 cells; expected 4\."),
    "decimal commas": (
        lambda rows: [row.replace(".", ",") for row in rows],
        r"12 places are damaged.*line 2: it has 8 cells; expected 4 \(decimal commas",
    ),
    "cut off": (changed(11, "0.11,0.2"), r"line 13: it has 2 cells; expected 4: the last line is cut off"),
    "blank line": (changed(4, ""), r"line 6: it has 0 cells|line 6: it is blank"),
    "two places": (
        lambda rows: changed(4, "1,2")(changed(7, cell(2, "x"))(rows)),
        r"2 places are damaged.*line 6:.*line 9,",
    ),
    "quotes": (changed(4, '"0.04'), r"line \d+: .*; expected comma-separated cells"),
    "one row": (lambda rows: rows[:1], r"it has 1 rows of numbers; expected a header and two rows"),
    "noise": (changed(4, "# noise: arm.dofs_position = much"), r"line 6: the noise level 'much' is no number"),
    "other noise": (changed(4, "# noise: arm.dofs_velocity = 1"), r"`noise` names 'arm.dofs_velocity', which is not"),
    "empty column": (lambda rows: [cell(2, "")(row) for row in rows], r"\[elbow\]': it holds no number; leave it out"),
}


@pytest.mark.parametrize("kind", DAMAGE)
def test_damaged_rows_are_refused_by_line(tmp_path, kind):
    damage, message = DAMAGE[kind]
    path = write_csv(tmp_path / "log.csv", damage(csv_rows()))
    with pytest.raises(gs.GenesisException) as caught:
        Log.read(path)
    assert str(path) in str(caught.value)
    assert re.search(message, str(caught.value), re.DOTALL), caught.value


HEADERS = {
    "twice": (CSV_HEADER.replace("elbow", "shoulder"), r"line 1, column 3: the name .* is that of column 2"),
    "no name": (CSV_HEADER.replace("arm.dofs_position[elbow]", ""), r"line 1, column 3: it has no name"),
    "no header": ("0,1,2,3", r"line 1: there is no header"),
    "other time": (CSV_HEADER.replace("time", "timestamp"), r"no column 'time'; rename 'timestamp', if that is it"),
    "no time": (CSV_HEADER.replace("time", "arm.dofs_position[gripper]"), r"no column 'time'; add it"),
    "semicolons": (CSV_HEADER.replace(",", ";"), r"separated by semicolons; expected commas"),
    "tabs": (CSV_HEADER.replace(",", "\t"), r"separated by tabs; expected commas"),
    "kind": (CSV_HEADER.replace("control_force", "control_torque"), r"'torque' is no kind of control"),
    "kinds": (CSV_HEADER.replace("arm.dofs_position[elbow]", "arm.control_velocity[elbow]"), r"controls of two kinds"),
    "nothing measured": ("time,arm.control_force[0],arm.control_force[1],arm.control_force[2]", r"no measurements"),
}


@pytest.mark.parametrize("kind", HEADERS)
def test_wrong_headers_are_refused(tmp_path, kind):
    header, message = HEADERS[kind]
    with pytest.raises(gs.GenesisException, match=message):
        Log.read(write_csv(tmp_path / "log.csv", csv_rows(), header))


NAMES = {
    "entity": ("robot.dofs_position[elbow]", r"no entity 'robot'; there are 'arm', 'box'"),
    "quantity": (
        "arm.dof_position[elbow]",
        r"'dof_position' is no quantity that can be measured; did you mean 'dofs_position'",
    ),
    "joint": ("arm.dofs_position[elbo]", r"'arm' has no joint 'elbo'; did you mean 'elbow'"),
    "control": ("arm.control_force[elbo]", r"controls arm\[elbo\]: 'arm' has no joint 'elbo'; did you mean 'elbow'"),
    "controlled entity": ("crane.control_force[elbow]", r"controls of 'crane': no such entity; there are 'arm', 'box'"),
    "again": ("arm.dofs_position[0]", r"measured twice"),
    "control again": ("arm.control_force[0]", r"controlled twice"),
    "quaternion": ("box.links_quat[0].w", r"one number of a quaternion says nothing by itself"),
    "component": ("arm.dofs_position[elbow].x", r"it is a single number"),
    "form": ("arm.dofs_position[elbow", r"is no name of a measured quantity"),
}


@pytest.mark.parametrize("kind", NAMES)
def test_unknown_names_are_refused_with_the_near_ones(tmp_path, scene, kind):
    name, message = NAMES[kind]
    path = write_csv(tmp_path / "log.csv", csv_rows(), CSV_HEADER.replace("arm.dofs_position[elbow]", name))
    with pytest.raises(gs.GenesisException, match=message) as caught:
        Log.read(path, scene)
    assert str(path) in str(caught.value)


def test_files_that_are_none(tmp_path):
    empty = tmp_path / "empty.csv"
    empty.write_bytes(b"\n\n")
    sixteen = tmp_path / "sixteen.csv"
    sixteen.write_bytes(CSV_HEADER.encode("utf-16"))
    binary = tmp_path / "binary.csv"
    binary.write_bytes(CSV_HEADER.encode() + b"\n\xff\xfe\xfd")
    for path, message in (
        (tmp_path / "nowhere.csv", "there is no such file"),
        (tmp_path, "a log ends in .csv or .npz"),
        (tmp_path / "log.txt", "a log ends in .csv or .npz; this name ends in '.txt'"),
        (empty, "the file is empty"),
        (sixteen, "UTF-16"),
        (binary, "line 2: this is no UTF-8 text"),
    ):
        with pytest.raises(gs.GenesisException, match=message):
            Log.read(path)
    with pytest.raises(gs.GenesisException, match="cannot be written"):
        arm_log().save(tmp_path / "no" / "such" / "folder.csv")
    with pytest.raises(gs.GenesisException, match=r"a log ends in .csv or .npz"):
        arm_log().save(tmp_path / "log.txt")


def test_damaged_archives_are_refused(tmp_path):
    t, q, _, _ = motion()
    path = tmp_path / "log.npz"
    good = {"time": t, "arm.dofs_position": q}
    for change, message in (
        ({"time": None}, r"no array 'time', \(K,\) in seconds; it holds 'arm.dofs_position'"),
        ({"time": t[:, None]}, r"`times` has shape \(40, 1\)"),
        ({"time": t[:-1]}, r"'arm.dofs_position' has shape \(40, 3\); expected \(39, n\)"),
        ({"arm.dofs_position": q.astype(object)}, "holds Python objects, which are not loaded"),
        ({"arm.dofs_position": q.astype(str)}, "has the type <U32; expected real numbers"),
        ({"arm.dofs_position": q.astype(complex)}, "has the type complex128"),
        ({"arm.control_force": q * np.nan}, r"row 0, column 'arm.control_force\[0\]': nan; expected a finite control"),
    ):
        np.savez(path, **{key: value for key, value in {**good, **change}.items() if value is not None})
        with pytest.raises(gs.GenesisException, match=message):
            Log.read(path)
    np.savez(path, **good)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(gs.GenesisException, match=r"no archive of numpy.savez, or it is damaged"):
        Log.read(path)
    np.save(tmp_path / "single.npy", t)
    path.write_bytes((tmp_path / "single.npy").read_bytes())
    with pytest.raises(gs.GenesisException, match="a single array"):
        Log.read(path)


@pytest.mark.parametrize("ending", [".csv", ".npz"])
def test_whatever_happens_to_a_file_it_is_read_or_refused(tmp_path, scene, ending):
    path = tmp_path / f"log{ending}"
    arm_log(noise={"arm.dofs_position": 1e-3}).save(path)
    good = path.read_bytes()
    rng = np.random.default_rng(0)
    refused = 0
    for trial in range(150):
        content = bytearray(good)
        at = int(rng.integers(len(content)))
        if trial % 3 == 0:
            content[at] = rng.integers(256)
        elif trial % 3 == 1:
            del content[at : at + int(rng.integers(1, 30))]
        else:
            content[at:at] = (b",", b"\n", b'"', b"nan", b"1e99", b"\0", b"#")[int(rng.integers(7))]
        path.write_bytes(bytes(content))
        try:
            Log.read(path, scene)
        except gs.GenesisException as error:
            refused += 1
            assert str(path) in str(error)
    assert refused > 75  # a digit more or less is no damage that can be seen


def test_wrong_arrays_are_refused():
    t, q, _, _ = motion()
    times = np.concatenate([t[:20], t[:20]])
    for change, message in (
        ({"control": "torque"}, "`control` is 'torque'; expected one of force, position"),
        ({"times": ["a"] * N}, "`times` is no array of real numbers"),
        ({"times": t[:1]}, "at least two times"),
        ({"times": times}, r"row 20, column 'time': time 0.0 comes after 0.19"),
        ({"measurements": {}}, "there are no measurements"),
        ({"measurements": q}, "`measurements` is ndarray; expected a dictionary"),
        ({"measurements": {"arm.dofs_position": q[None]}}, r"shape \(1, 40, 3\); expected \(40, n\)"),
        ({"noise": {"arm.dofs_position": -1.0}}, "expected its standard deviation"),
        ({"noise": 0.1}, "`noise` is 0.1; expected a dictionary"),
        ({"segments": [0] * 10}, r"`segments` has shape \(10,\)"),
        (
            {"segments": [0] * 10 + [1] * 10 + [0] * 20, "times": t},
            "row 20: recording 0 goes on here, after another one",
        ),
        ({"segments": [0] * 39 + [1]}, "row 39: recording 1 has one sample"),
    ):
        with pytest.raises(gs.GenesisException, match=message):
            arm_log(**change)
    assert len(arm_log(times=times, segments=[0] * 20 + [1] * 20).segments) == 2


def test_shapes_that_do_not_fit_the_scene(scene):
    _, q, _, f = motion()
    for change, message in (
        ({"measurements": {"arm.dofs_position": q[:, :2]}}, r"has 2 columns; expected 3: shoulder, elbow, gripper"),
        ({"controls": {"arm": f[:, :2]}}, r"controls of 'arm' have 2 columns; expected 3: shoulder, elbow, gripper"),
        ({"noise": {"arm.dofs_position": [1.0, 2.0]}}, r"has 2 numbers; expected one, or 3"),
    ):
        with pytest.raises(gs.GenesisException, match=message):
            arm_log(**change).bind(scene)


def test_a_scene_that_is_not_built():
    with pytest.raises(gs.GenesisException, match=r"call scene.build"):
        arm_log().bind(gs.Scene())
