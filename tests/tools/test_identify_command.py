"""`genesis identify`: a result from a MuJoCo recording, its files, and one clear line for whatever is wrong."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import mujoco
import numpy as np
import pytest

from genesis import cli
from genesis.tools import Log

ROOT = Path(__file__).resolve().parents[2]
TIMEOUT = 300  # [s] the run takes 8 s; kernels that are compiled on a busy machine take the rest
PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
NOISE = 1e-4  # [rad] of the recorded angles

ARM = """
<mujoco>
  <option timestep="0.005" integrator="implicitfast"/>
  <worldbody>
    <body name="upper" pos="0 0 1">
      <joint name="shoulder" axis="0 1 0" damping="0.1"/>
      <geom type="capsule" fromto="0 0 0 0 0 -0.3" size="0.02"/>
      <body name="lower" pos="0 0 -0.3">
        <joint name="elbow" axis="0 1 0" damping="0.1"/>
        <geom type="capsule" fromto="0 0 0 0 0 -0.3" size="0.02"/>
        <body name="tip" pos="0 0 -0.3"/>
      </body>
    </body>
  </worldbody>
</mujoco>
"""
SCENE = """
from pathlib import Path

import genesis as gs

{init}
scene = gs.Scene(
    sim_options=gs.options.SimOptions(dt=0.005, requires_grad=True),
    rigid_options=gs.options.RigidOptions(disable_constraint=True),
)
arm = scene.add_entity(gs.morphs.MJCF(file=Path(__file__).parent / "arm.xml"), name="arm")
scene.build()

if __name__ == "__main__":
    raise SystemExit("not run by the command")
"""
INIT = 'gs.init(backend=gs.cpu, logging_level="warning")'  # 32 bits; the command takes 64
TRUE_MASS, TRUE_DAMPING = 0.5, 0.04  # of the lower link [kg] and of the elbow [N m s/rad]


def record(path, seed, n_steps=200):
    """A log of the true arm, moved by MuJoCo C."""
    rng = np.random.default_rng(seed)
    model = mujoco.MjModel.from_xml_string(ARM)
    model.body_mass[2], model.dof_damping[1] = TRUE_MASS, TRUE_DAMPING
    data = mujoco.MjData(model)
    mujoco.mj_setConst(model, data)
    times, angles, forces = [], [], []
    for _ in range(n_steps):
        force = 0.4 * np.array([np.sin(7 * data.time + seed), np.cos(11 * data.time)])
        times.append(data.time)
        angles.append(data.qpos + NOISE * rng.normal(size=2))
        forces.append(force)
        data.qfrc_applied[:] = force
        mujoco.mj_step(model, data)
    Log(times, {"arm.dofs_position": np.array(angles)}, {"arm": forces}).save(path)


@pytest.fixture
def directory(tmp_path, monkeypatch):
    """Holds the robot, the program (for a process that has been initialised) and a log; it is the working directory."""
    (tmp_path / "arm.xml").write_text(ARM)
    (tmp_path / "scene.py").write_text(SCENE.format(init=""))
    record(tmp_path / "log.csv", 0)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    return tmp_path


def test_parameters_from_two_recordings(directory):
    (directory / "scene.py").write_text(SCENE.format(init=INIT))
    record(directory / "second.npz", 1)
    names = ["--parameters", "arm.links_mass[lower]", "arm.dofs_damping[elbow]"]
    names += ["--noise", f"arm.dofs_position={NOISE}"]
    finished = subprocess.run(
        [sys.executable, "-m", "genesis.cli", "identify", "scene.py", "log.csv", "second.npz", "--out", "out", *names],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
    )
    assert finished.returncode == 0, finished.stdout + finished.stderr
    assert re.search(r"arm\.links_mass\[lower\] +│ +0\.(5|49)", finished.stdout)
    assert re.search(r"arm\.dofs_position\[elbow\] +400 .* 0\.0001 given", finished.stdout)
    out = directory / "out"
    assert str(out / "result.json") in finished.stdout and str(out / "residuals.png") in finished.stdout
    assert (out / "residuals.png").read_bytes().startswith(PNG_SIGNATURE)
    found = {e["name"]: e for e in json.loads((out / "result.json").read_text())["estimates"]}
    for name, truth in (("arm.links_mass[lower]", TRUE_MASS), ("arm.dofs_damping[elbow]", TRUE_DAMPING)):
        # Four standard errors: a wrong alarm in one of 16,000 seeds; and the errors are small.
        assert abs(found[name]["value"] - truth) < 4 * found[name]["error"]
        assert found[name]["error"] < 1e-3 * truth


@pytest.mark.parametrize("logs", [["jump.csv"], ["log.csv", "jump.csv"]])
def test_a_warning_names_the_file_once(directory, caplog, logs):
    rows = (directory / "log.csv").read_text().splitlines()
    cells = rows[40].split(",")
    rows[40] = ",".join([cells[0], "3.9", *cells[2:]])
    (directory / "jump.csv").write_text("\n".join(rows))
    assert cli.main(["identify", "scene.py", *logs]) == cli.FAILED  # without parameters
    (said,) = [record.getMessage() for record in caplog.records if "jumps away" in record.getMessage()]
    assert said.count("jump.csv") == 1
    assert "line 41, column 'arm.dofs_position[0]': 3.9 jumps away and back" in said


def test_parameters_and_outputs_of_the_program(directory, capsys):
    text = SCENE.format(init="") + (
        "\noutputs = {'tip': lambda trajectory: trajectory.links_pos(arm)[..., 2, ::2]}\n"
        "parameters = ['arm.links_mass[lower]', 'arm.dofs_damping[elbow]']\n"
        "priors = {'arm.links_mass[lower]': (0.4, 0.2)}\n"
    )
    (directory / "scene.py").write_text(text)
    log = Log.read(directory / "log.csv")
    q = log.measurements["arm.dofs_position[0]"]
    p = q + log.measurements["arm.dofs_position[1]"]
    tip = np.concatenate([-0.3 * (np.sin(q) + np.sin(p)), 1 - 0.3 * (np.cos(q) + np.cos(p))], 1)
    Log(log.times, {"tip": tip}, log.controls).save("tip.csv")
    assert cli.main(["identify", "scene.py", "tip.csv", "--window", "0.5", "--out", "out"]) == 0
    assert re.search(r"arm\.links_mass\[lower\] +│ +0\.(5|49)", capsys.readouterr().out)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere.py", "log.csv"], "nowhere.py: there is no such file"),
        (["scene.py", "nowhere.csv"], "nowhere.csv: there is no such file"),
        (["arm.xml", "log.csv"], "arm.xml is a robot; expected a Python program"),
        (["broken.py", "log.csv"], "broken.py, line 2: ZeroDivisionError"),
        (["scene.py", "damaged.csv"], "damaged.csv: line 4, column 'arm.control_force[1]': nan"),
        (["scene.py", "degrees.csv"], "column 'arm.dofs_velocity[0]': the slope"),
        (["scene.py", "log.csv"], "name them with --parameters, or define `parameters` in scene.py"),
        (["scene.py", "log.csv", "--parameters", "arm.links_mas"], "links_mas"),
        (["scene.py", "log.csv", "--parameters", "arm.mass", "--noise", "arm.dofs_position"], "expected NAME=NUMBER"),
        (
            ["scene.py", "log.csv", "--parameters", "arm.mass", "--noise", "arm.x=1"],
            "error: log.csv: --noise names 'arm.x', which is not measured",
        ),
        (["scene.py", "degrees.csv"], "if it is right as it is, pass --trust-units."),
        (["scene.py", "log.csv", "--parameters", "arm.mass", "--window", "0.001"], "error: --window is 0.001 s, less"),
        (["scene.py", "log.csv", "--parameters", "arm.mass", "arm.mass"], "error: 'arm.mass' is meant twice by"),
        (["scene.py", "log.csv", "degrees.csv"], "error: degrees.csv and log.csv have other measurements"),
        (
            ["scene.py", "log.csv", "--parameters", "arm.mass", "--out", "arm.xml"],
            "cannot make the directory 'arm.xml'",
        ),
        (["outputs.py", "log.csv", "--parameters", "arm.mass"], "its global `outputs` is 3; expected a dictionary"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(directory, capsys, arguments, message):
    (directory / "broken.py").write_text("\n1 / 0\n")
    (directory / "outputs.py").write_text(SCENE.format(init="") + "\noutputs = 3\n")
    rows = (directory / "log.csv").read_text().splitlines()
    rows[3] = rows[3].rpartition(",")[0] + ","
    (directory / "damaged.csv").write_text("\n".join(rows))
    log = Log.read(directory / "log.csv")
    speed = np.gradient(log.measurements["arm.dofs_position[0]"][:, 0], log.times) * 180 / np.pi
    Log(log.times, {**log.measurements, "arm.dofs_velocity[0]": speed}).save("degrees.csv")
    assert cli.main(["identify", *arguments]) == cli.FAILED
    said = capsys.readouterr().err
    assert said.startswith("genesis: error: ")
    assert message in said
    assert all(said.count(name) <= 1 for name in arguments if name.endswith((".csv", ".py")))
    assert "Traceback" not in said
    assert not (directory / "genesis-identify" / "result.json").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "the following arguments are required: scene.py, log"),
        (["scene.py", "log.csv", "--window", "-1"], "expected a positive number, got '-1'"),
        (["scene.py", "log.csv", "--window", "nan"], "expected a positive number, got 'nan'"),
        (["scene.py", "log.csv", "--method", "newton"], "invalid choice: 'newton'"),
        (["scene.py", "log.csv", "--iterations", "0"], "expected a whole number from 1 on"),
    ],
)
def test_wrong_command_line_exits_with_2(capsys, arguments, message):
    with pytest.raises(SystemExit) as exited:
        cli.main(["identify", *arguments])
    assert exited.value.code == 2
    assert message in capsys.readouterr().err
