"""Friction of a runner that slides on the ground, from positions with noise recorded with MuJoCo C."""

import copy
import tempfile
from pathlib import Path

import mujoco
import numpy as np
import pytest

import genesis as gs

DT = 0.005
NOISE = 1e-4  # [m]
TRUE_FRICTION = 0.35
# Windows in which a contact sets in have several minima: which one their initial states end in decides a few percent.
TOLERANCE = 0.05
# Softly padded, so that forces set in without a jump; it moves in the plane and does not turn.
RUNNER = """
<mujoco>
  <worldbody>
    <geom name="ground" type="plane" size="9 9 0.1" friction="0.05"/>
    <body name="runner" pos="0 0 0.1">
      <joint name="x" type="slide" axis="1 0 0"/>
      <joint name="z" type="slide" axis="0 0 1"/>
      <geom name="runner" type="sphere" size="0.1" friction="1" solref="0.04 1" solimp="0.5 0.9 0.004" priority="1"/>
    </body>
  </worldbody>
</mujoco>
"""


@pytest.fixture
def scene():
    scene = gs.Scene(
        gs.options.SimOptions(dt=DT, requires_grad=True), gs.options.RigidOptions(friction_cone="elliptic")
    )
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "runner.xml"
        path.write_text(RUNNER)
        scene.add_entity(gs.morphs.MJCF(file=str(path)), name="runner")
        scene.build()
    return scene


def slides(scene, count, seconds):
    rng = np.random.default_rng(0)
    model = copy.copy(scene.mj_model)
    model.geom_friction[model.geom("runner/runner").id, 0] = TRUE_FRICTION
    data = mujoco.MjData(model)
    times, positions, number = [], [], []
    for slide in range(count):
        mujoco.mj_resetData(model, data)
        for _ in range(200):  # comes to rest on its padding
            mujoco.mj_step(model, data)
        data.qvel[0] = rng.uniform(1.0, 2.5)
        for k in range(round(seconds / DT) + 1):
            times.append(k * DT)
            positions.append(data.qpos + NOISE * rng.standard_normal(2))
            number.append(slide)
            mujoco.mj_step(model, data)
    return gs.tools.Log(
        np.array(times),
        {"runner.dofs_position": np.array(positions)},
        noise={"runner.dofs_position": NOISE},
        segments=np.array(number),
    )


def test_friction_of_the_ground(scene):
    result = gs.tools.identify(scene, slides(scene, 4, 0.3), ["runner.friction[runner]"])
    (found,) = result.estimates
    assert found.determined
    assert found.start == 1.0
    assert found.value == pytest.approx(TRUE_FRICTION, rel=TOLERANCE)


def test_mass_cannot_be_seen_in_a_free_flight(scene):
    """Above the ground nothing tells the mass; it stays where it is, and is said not to be determined."""
    log = slides(scene, 1, 0.3)
    flight = gs.tools.Log(
        log.times,
        {"runner.dofs_position": np.stack([2.0 * log.times, 1.0 - 0.5 * 9.81 * log.times**2], 1)},
        noise={"runner.dofs_position": NOISE},
    )
    result = gs.tools.identify(scene, flight, ["runner.links_mass[runner]"])
    (found,) = result.estimates
    assert not found.determined
    assert found.value == pytest.approx(found.start, rel=1e-6)
    assert "not determined" in str(result)
