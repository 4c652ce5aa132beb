"""The command line: the demo on several robots, its files, and the errors of bad arguments."""

import re
import subprocess
import sys
import zipfile
from importlib import metadata
from pathlib import Path

import numpy as np
import pytest

import genesis
from genesis import cli

ROOT = Path(__file__).resolve().parents[1]
TIMEOUT = 300  # [s] the demo takes half a minute; kernels that are compiled on a busy machine take the rest
PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"

PENDULUM = """
<mujoco>
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

FLOATER = """
<mujoco>
  <worldbody>
    <body name="trunk" pos="0 0 1">
      <freejoint/>
      <geom type="box" size="0.2 0.1 0.05"/>
      <body name="arm" pos="0.2 0 0">
        <joint name="hip" type="ball"/>
        <geom type="capsule" fromto="0 0 0 0.3 0 0" size="0.02"/>
        <body name="foot" pos="0.3 0 0">
          <joint name="knee" axis="0 1 0" range="-60 60"/>
          <geom type="capsule" fromto="0 0 0 0.3 0 0" size="0.02"/>
        </body>
      </body>
    </body>
  </worldbody>
</mujoco>
"""

WHEEL = "<mujoco><worldbody><body name='wheel'><joint axis='0 0 1'/><geom size='0.1'/></body></worldbody></mujoco>"
BLOCK = "<mujoco><worldbody><body name='block'><geom size='0.1'/></body></worldbody></mujoco>"


def run(*arguments, directory):
    """`genesis` in a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "genesis.cli", *map(str, arguments)],
        cwd=directory,
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
    )


def run_demo(*arguments, directory):
    finished = run("demo", *arguments, "--out", "out", directory=directory)
    assert finished.returncode == 0, finished.stdout + finished.stderr
    assert (directory / "out" / "plot.png").read_bytes().startswith(PNG_SIGNATURE)
    with np.load(directory / "out" / "controls.npz") as file:
        return finished.stdout, {name: file[name] for name in file.files}


def test_demo_moves_the_panda_to_its_target(tmp_path):
    output, saved = run_demo(directory=tmp_path)
    before, after = map(float, re.search(r"loss before: (\S+) +after: (\S+)", output).groups())
    assert after < before / 100
    assert str(tmp_path / "out" / "controls.npz") in output
    assert str(tmp_path / "out" / "plot.png") in output
    assert saved["controls"].shape == (100, 7)
    assert saved["qpos"].shape == (101, 9)
    assert saved["link_path"].shape == (101, 3)
    assert saved["times"][-1] == pytest.approx(1.0)
    assert list(saved["control_names"]) == [f"panda_joint{k}" for k in range(1, 8)]
    assert saved["loss_after"] == pytest.approx(after, rel=1e-3)
    assert np.linalg.norm(saved["link_path"][-1] - saved["target"]) < 0.02
    assert np.linalg.norm(saved["link_path"][0] - saved["target"]) > 0.1


def test_saved_controls_give_the_saved_motion_in_mujoco(tmp_path):
    """The written forces, applied by MuJoCo C to the file, lead the arm along the written path."""
    import mujoco

    (tmp_path / "pendulum.xml").write_text(PENDULUM)
    _, saved = run_demo("--robot", "pendulum.xml", "--steps", 40, "--epochs", 20, directory=tmp_path)
    model = mujoco.MjModel.from_xml_path(str(tmp_path / "pendulum.xml"))
    model.opt.timestep = float(saved["dt"])
    model.opt.integrator = mujoco.mjtIntegrator.mjINT_IMPLICITFAST
    model.opt.disableflags |= mujoco.mjtDisableBit.mjDSBL_CONSTRAINT
    data = mujoco.MjData(model)
    data.qpos[:] = saved["qpos"][0]
    for force, qpos in zip(saved["controls"], saved["qpos"][1:], strict=True):
        data.qfrc_applied[:] = force
        mujoco.mj_step(model, data)
        assert data.qpos == pytest.approx(qpos, abs=1e-9)  # rounding, after up to 40 steps
    assert saved["link"] == "tip"


def test_demo_takes_a_robot_with_meshes_and_a_target(tmp_path):
    robots = metadata.distribution("example-robot-data").locate_file("cmeel.prefix/share/example-robot-data/robots")
    robot = Path(str(robots)) / "ur_description" / "urdf" / "ur5_robot.urdf"
    arguments = ("--robot", robot, "--link", "wrist_3_link", "--target", "0.6", "0.3", "0.4")
    output, saved = run_demo(*arguments, "--steps", 30, "--epochs", 10, directory=tmp_path)
    assert "ur5_robot.urdf" in output
    assert saved["target"] == pytest.approx([0.6, 0.3, 0.4])
    assert saved["loss_after"] < saved["loss_before"]


def test_demo_takes_a_robot_that_floats_on_a_ball_joint(tmp_path):
    (tmp_path / "floater.xml").write_text(FLOATER)
    output, saved = run_demo("--robot", "floater.xml", "--steps", 20, "--epochs", 10, directory=tmp_path)
    assert "without gravity" in output
    assert list(saved["control_names"]) == ["hip.x", "hip.y", "hip.z", "knee"]
    assert saved["loss_after"] < saved["loss_before"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--robot", "nowhere.urdf"], "nowhere.urdf"),
        (["--robot", "robot.stl"], "neither a .urdf nor an .xml"),
        (["--robot", "broken.urdf"], "broken.urdf"),
        (["--link", "elbow"], "elbow"),
        (["--link", "panda_link0"], "no joint moves the link 'panda_link0'. Name another with --link: panda_link1"),
        (["--robot", "block.xml"], "this robot has no joints"),
        (["--robot", "wheel.xml"], "the joints turn the link 'wheel' in place"),
        (["--target", "nan", "0", "0"], "three finite numbers"),
        (["--out", "file"], "cannot make the directory 'file'"),
    ],
)
def test_bad_input_is_an_error_in_one_line(tmp_path, monkeypatch, capsys, arguments, message):
    (tmp_path / "robot.stl").write_text("solid")
    (tmp_path / "broken.urdf").write_text("<robot><link")
    (tmp_path / "block.xml").write_text(BLOCK)
    (tmp_path / "wheel.xml").write_text(WHEEL)
    (tmp_path / "file").write_text("")
    monkeypatch.chdir(tmp_path)
    assert cli.main(["demo", *arguments]) == 1
    said = capsys.readouterr().err
    assert said.startswith("genesis: error: ") and said.count("\n") == 1
    assert message in said


def test_an_error_is_the_exit_code_of_the_process(tmp_path):
    finished = run("demo", "--robot", "nowhere.urdf", directory=tmp_path)
    assert finished.returncode == 1
    assert finished.stderr.startswith("genesis: error: ") and "Traceback" not in finished.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "the following arguments are required: COMMAND"),
        (["dance"], "invalid choice: 'dance'"),
        (["demo", "--steps", "0"], "expected a whole number from 1 on, got '0'"),
        (["demo", "--epochs", "many"], "expected a whole number from 1 on, got 'many'"),
        (["demo", "--target", "1", "2"], "expected 3 arguments"),
        (["demo", "--speed", "2"], "unrecognized arguments: --speed 2"),
    ],
)
def test_wrong_command_line_exits_with_2(capsys, arguments, message):
    with pytest.raises(SystemExit) as exited:
        cli.main(arguments)
    assert exited.value.code == 2
    assert message in capsys.readouterr().err


def test_version(capsys):
    with pytest.raises(SystemExit) as exited:
        cli.main(["--version"])
    assert exited.value.code == 0
    assert capsys.readouterr().out == f"genesis-grad {genesis.__version__}\n"


def test_the_command_is_installed():
    (command,) = metadata.entry_points(group="console_scripts", name="genesis")
    assert command.load() is cli.main
    assert metadata.version("genesis-grad") == genesis.__version__


def test_wheel_holds_the_demo_robot_and_nothing_else_of_the_examples(tmp_path):
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True, timeout=TIMEOUT)
    (wheel,) = tmp_path.glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    assert "genesis/assets/panda.urdf" in names
    assert "genesis/assets/xml/franka_emika_panda/panda.xml" in names
    assert "genesis/assets/urdf/drones/cf2x.urdf" in names
    assert "genesis/compat/names.toml" in names
    assert "genesis/cli.py" in names
    assert {name.partition("/")[0] for name in names} == {"genesis", f"genesis_grad-{genesis.__version__}.dist-info"}
