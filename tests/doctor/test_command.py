"""`genesis check-grad`, and the doctor called by a program that runs in 32 bits."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import genesis as gs
from genesis import cli

ROOT = Path(__file__).resolve().parents[2]
TIMEOUT = 300  # [s]; kernels that are compiled on a busy machine take most of it

# In the process of the tests the runtime has started; in a process of its own, INIT comes first.
INIT = "gs.init(backend=gs.cpu, precision='32', logging_level='warning')"
PROGRAM = """
import torch
import genesis as gs
{init}
scene = gs.Scene(sim_options=gs.options.SimOptions(dt=0.01, requires_grad={requires_grad}))
scene.add_entity(gs.morphs.Plane(), name="ground")
ball = scene.add_entity(gs.morphs.Sphere(radius=0.1, pos=(0.0, 0.0, 0.5)), name="ball")
scene.build(n_envs={n_envs})
"""
LOSS = """
velocity = torch.tensor([0.1, 0.2, 0.3, 0.4, 0.5, 0.6], requires_grad=True)
inputs = {"velocity": velocity}

class Doubled(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x.clone()
    @staticmethod
    def backward(ctx, grad):
        return FACTOR * grad

def loss():
    scene.reset()
    ball.set_dofs_velocity(velocity)
    scene.rollout(n_steps=20)
    return Doubled.apply(ball.get_pos().square().sum())
"""


def write(path, init="", requires_grad=True, n_envs=0, factor=None, more=""):
    """A program; with `factor`, it has a loss whose gradient is multiplied by it."""
    text = PROGRAM.format(init=init, requires_grad=requires_grad, n_envs=n_envs)
    if factor is not None:
        text += LOSS.replace("FACTOR", str(factor))
    path.write_text(text + more)
    return path


def in_process_of_its_own(*arguments):
    """(exit code, stdout, stderr)."""
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    done = subprocess.run(
        [sys.executable, *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


def test_a_program_that_asks_for_32_bits_is_checked_in_64(tmp_path):
    program = write(tmp_path / "scene.py", INIT, factor=2.0)
    code, said, errors = in_process_of_its_own("-m", "genesis.cli", "check-grad", program)
    assert code == 1, errors
    assert "FAULTS FOUND" in said
    assert "differences in 64 bits" in said
    assert "in what the loss computes from the states" in said


def test_a_healthy_program(tmp_path, capsys):
    program = write(tmp_path / "scene.py", factor=1.0)
    assert cli.main(["check-grad", str(program), "--plot", str(tmp_path / "plot.png")]) == 0
    said = capsys.readouterr().out
    assert "Gradient check: ok." in said
    assert "velocity" in said
    assert (tmp_path / "plot.png").stat().st_size > 0


@pytest.mark.parametrize("n_envs", [0, 2])
def test_a_scene_without_a_loss(n_envs, tmp_path, capsys):
    program = write(tmp_path / "scene.py", n_envs=n_envs)
    assert cli.main(["check-grad", str(program), "--steps", "30"]) == 0
    said = capsys.readouterr().out
    assert "a loss of its state after 30 steps" in said
    for name in ("force", "qpos", "velocity", "mass"):
        assert f"ball.{name}" in said
    assert "30 steps" in said


def test_what_build_returns_is_used(tmp_path, capsys):
    text = PROGRAM.format(init="", requires_grad=True, n_envs=0) + LOSS.replace("FACTOR", "2.0")
    body = "\n".join(f"    {line}" for line in text.splitlines())
    returned = "    return {'scene': scene, 'loss': loss, 'inputs': inputs}\n"
    (tmp_path / "scene.py").write_text(f"def build():\n{body}\n{returned}")
    assert cli.main(["check-grad", str(tmp_path / "scene.py")]) == 1
    assert "wrong" in capsys.readouterr().out


def test_errors(tmp_path, capsys):
    def message(*arguments):
        assert cli.main(["check-grad", *map(str, arguments)]) == 1
        return capsys.readouterr().err

    own = write(tmp_path / "own.py", factor=1.0)
    assert "has a loss of its own" in message(own, "--steps", 3)
    assert "no such file" in message(tmp_path / "missing.py")
    assert "records no gradients" in message(write(tmp_path / "plain.py", requires_grad=False))
    assert "defines `loss()` and no `inputs`" in message(write(tmp_path / "half.py", more="def loss(): pass\n"))
    assert "defines `inputs` and no `loss()`" in message(write(tmp_path / "other.py", more="inputs = {}\n"))
    assert "at least one entry" in message(write(tmp_path / "empty.py", factor=1.0, more="inputs = {}\n"))
    still = "import genesis as gs\nscene = gs.Scene(sim_options=gs.options.SimOptions(requires_grad=True))\n"
    (tmp_path / "still.py").write_text(still + "scene.add_entity(gs.morphs.Plane())\nscene.build()\n")
    assert "nothing in the scene can move" in message(tmp_path / "still.py")


def test_a_loss_that_raises_is_told_with_its_line(tmp_path, capsys):
    more = "def loss():\n    scene.reset()\n    ball.set_dofs_velocity(velocity[:2])\n    return 1 / 0\n"
    program = write(tmp_path / "bad.py", factor=1.0, more=more)
    lines = program.read_text().splitlines()

    def message():
        assert cli.main(["check-grad", str(program)]) == 1
        return capsys.readouterr().err

    said = message()
    assert f"bad.py, line {lines.index('    ball.set_dofs_velocity(velocity[:2])') + 1}: " in said
    assert "shape" in said
    program.write_text(program.read_text().replace("[:2]", ""))
    said = message()
    assert f"bad.py, line {len(lines)}: ZeroDivisionError: division by zero" in said
    assert "Traceback" not in said


def test_a_figure_that_cannot_be_written_is_told_before_the_program_runs(tmp_path, capsys):
    pytest.importorskip("matplotlib")
    program = tmp_path / "scene.py"
    program.write_text("raise ValueError('it ran')\n")
    for plot, text in (
        (tmp_path / "missing" / "check.png", "there is no folder"),
        (tmp_path, "it is a folder"),
        (tmp_path / "check.xyz", "cannot end in '.xyz'"),
    ):
        assert cli.main(["check-grad", str(program), "--plot", str(plot)]) == 1
        said = capsys.readouterr().err
        assert text in said
        assert "it ran" not in said


# What a program does around the call is not to be done twice.
MAIN = """
print("BEFORE", gs.precision)
report = gs.grad.check(loss, inputs)
print("REPORT", report.precision, report.ok, sorted(report.kinds()), report.remarks)
print("AFTER", gs.precision, report.inputs["velocity"].gradient.shape)
"""


def test_a_program_in_32_bits_runs_again_in_64_up_to_the_call(tmp_path):
    program = write(tmp_path / "train.py", INIT, factor=1.0, more=MAIN)
    code, said, errors = in_process_of_its_own(program)
    assert code == 0, errors
    assert said.splitlines() == ["BEFORE 32", "REPORT 64 True [] []", "AFTER 32 (6,)"]


def test_a_program_that_fails_when_it_runs_again(tmp_path):
    """It tells so, and falls back to 32 bits, in which differences are rough."""
    more = "import os\nif os.environ.get('GENESIS_PRECISION') == '64':\n    raise ValueError('not twice')\n"
    program = write(tmp_path / "train.py", INIT, factor=2.0, more=more + MAIN)
    code, said, errors = in_process_of_its_own(program)
    assert code == 0, errors
    assert "did not come to this call" in errors
    assert "not twice" in errors
    assert "REPORT 32 False ['wrong']" in said
    assert "differences in 32 bits are rough" in said


def test_the_environment_decides_the_precision(monkeypatch):
    monkeypatch.setenv("GENESIS_PRECISION", "16")
    gs.destroy()
    try:
        with pytest.raises(gs.GenesisException, match="GENESIS_PRECISION=16"):
            gs.init(backend=gs.cpu, precision="64")
        monkeypatch.setenv("GENESIS_PRECISION", "64")
        gs.init(backend=gs.cpu, precision="32", logging_level="warning")
        assert gs.precision == "64"
    finally:
        gs.destroy()
        monkeypatch.delenv("GENESIS_PRECISION")
        gs.init(backend=gs.cpu, precision="64", seed=0, logging_level="warning")
