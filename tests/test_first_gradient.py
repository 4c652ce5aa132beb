"""What stands between the start of a program and its first gradient: kernels, compiled once for all robots.

(That importing is light: tests/test_runtime.py.)
"""

import gc
import os
import time
from dataclasses import dataclass
from pathlib import Path

import pytest
import warp as wp

from genesis import types
from genesis.rigid.kernels import free_body, integrate, runge_kutta, solve
from genesis.rigid.kernels.collision import plane
from genesis.rigid.kernels.collision import round as rounds
from genesis.rigid.pipeline import step
from tests import models, scenes

FALLING_BOX = '<mujoco><worldbody><geom type="plane" size="1 1 1"/>{}</worldbody></mujoco>'.format(
    '<body pos="0 0 .1"><freejoint/><geom type="box" size=".1 .1 .1"/></body>'
)


def test_another_robot_compiles_nothing(run_python, tmp_path):
    scenes.build(FALLING_BOX, constraints=True)  # whatever it needs is in the cache now
    cache = Path(wp.config.kernel_cache_dir)
    mine = tmp_path / cache.name
    mine.mkdir()
    for module in cache.glob("wp_genesis.*"):
        (mine / module.name).symlink_to(module)
    before = sorted(os.listdir(mine))
    program = """
import torch, genesis as gs
from genesis import runtime
runtime.any_stride = True  # as in conftest.py: kernels for it are other kernels
gs.init(backend=gs.cpu, precision="64", logging_level="error")
from tests import models, scenes
scene, robot = scenes.build(models.BALL_CHAIN, constraints=True, integrator="implicitfast")
force = torch.zeros(robot.n_dofs, requires_grad=True)
robot.control_dofs_force(force)
scene.step()
robot.get_links_pos().sum().backward()
print(bool(force.grad.abs().sum() > 0))
"""
    assert run_python(program, WARP_CACHE_PATH=str(tmp_path)).strip() == "True"
    assert sorted(os.listdir(mine)) == before


def test_only_what_a_model_needs():
    arm, _ = scenes.build(scenes.PANDA, integrator="Euler")
    box, _ = scenes.build(FALLING_BOX, constraints=True, integrator="implicitfast")
    runge_kutta_box, _ = scenes.build(FALLING_BOX, constraints=True, integrator="RK4")
    of_arm, of_box, of_rk = (set(step.kernels_of(scene.world.model)) for scene in (arm, box, runge_kutta_box))
    assert solve.factor in of_arm and integrate.advance in of_arm
    for kernel in (plane.GEOMETRY, free_body.free_body_matrix, runge_kutta.rk_stage):
        assert kernel not in of_arm
    assert {plane.GEOMETRY, free_body.free_body_matrix} <= of_box
    assert rounds.GEOMETRY not in of_box
    assert runge_kutta.rk_advance in of_rk and integrate.advance not in of_rk


@dataclass(frozen=True)
class Module:
    name: str
    seconds: float = 0.0


@dataclass(frozen=True)
class Kernel:
    module: Module


@pytest.fixture
def load(monkeypatch, caplog):
    """``load(seconds, ...)``: load kernels of modules that take so long; returns what is logged at a level."""

    def loading(*seconds: float, level: str = "INFO") -> list[str]:
        modules = [Module(f"genesis.rigid.some.part_{i}", s) for i, s in enumerate(seconds)]
        monkeypatch.setattr(types, "_NOTICE_AFTER", 0.1)
        monkeypatch.setattr(types, "_WARN_AFTER", 0.2)
        monkeypatch.setattr(wp, "force_load", lambda modules, **_: time.sleep(modules[0].seconds))
        with caplog.at_level(level, logger="genesis"):
            types.load_kernels("cpu", [Kernel(module) for module in modules for _ in range(2)])
        return [record.getMessage() for record in caplog.records]

    return loading


def test_compiling_is_announced(load):
    *parts, last = load(0.5, 0.0, 0.5)
    assert sorted(parts) == ["compiling kernels, 1 of 3: some part 0", "compiling kernels, 3 of 3: some part 2"]
    assert last.startswith("kernels compiled in ") and "kept on disk" in last


def test_compiling_is_announced_once_where_only_warnings_are_shown(load):
    (line,) = load(0.5, 0.5, level="WARNING")
    assert line.startswith("compiling kernels") and "kept on disk" in line
    assert load(0.5, level="ERROR") == [line]  # nothing more


def test_loading_from_the_cache_is_silent(load):
    assert load(0.0, 0.0) == []
    assert load(0.0, 0.0, level="WARNING") == []


def test_a_failure_to_compile_is_raised(monkeypatch):
    def fail(**_):
        raise RuntimeError("no compiler")

    monkeypatch.setattr(wp, "force_load", fail)
    with pytest.raises(RuntimeError, match="no compiler"):
        types.load_kernels("cpu", [Kernel(Module("genesis.rigid.part"))])
    assert gc.isenabled()


def test_models_share_every_kernel():
    """No kernel is made for a robot: building one registers none."""
    registered = list(types._kernels)
    scenes.build(models.PLANAR_BASE, constraints=True, integrator="RK4")
    assert types._kernels == registered
