"""Friction of a padded box that slides, from poses with noise recorded with MuJoCo C."""

import copy
import tempfile
from pathlib import Path

import mujoco
import numpy as np
import pytest

import genesis as gs

DT = 0.005
NOISE = (1e-3, 2e-3)  # [m], [rad]
TRUE_FRICTION = 0.35


# Softly padded, so that forces set in without a jump; its friction and padding count in every contact.
BOX = """
<mujoco>
  <worldbody>
    <body name="box" pos="0 0 0.03">
      <freejoint/>
      <geom type="box" size="0.05 0.04 0.03" friction="1" priority="1" solref="0.04 1" solimp="0.5 0.9 0.004"/>
    </body>
  </worldbody>
</mujoco>
"""


@pytest.fixture(scope="module")
def scene():
    scene = gs.Scene(
        gs.options.SimOptions(dt=DT, requires_grad=True), gs.options.RigidOptions(friction_cone="elliptic")
    )
    scene.add_entity(gs.morphs.Plane(), name="ground")
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "box.xml"
        path.write_text(BOX)
        scene.add_entity(gs.morphs.MJCF(file=str(path)), name="box")
        scene.build()
    return scene


def tosses(scene, count, seconds):
    rng = np.random.default_rng(0)
    model = copy.copy(scene.mj_model)
    geom = int(model.body_geomadr[scene.get_entity("box").links[0].idx + 1])
    model.geom_friction[geom, 0] = TRUE_FRICTION
    data = mujoco.MjData(model)
    times, pos, quat, number = [], [], [], []
    for toss in range(count):
        mujoco.mj_resetData(model, data)
        data.qvel[:] = [*rng.uniform(-1.5, 1.5, 2), 0.0, 0.0, 0.0, rng.uniform(-5, 5)]
        for k in range(round(seconds / DT) + 1):
            turn, axis = np.zeros(4), NOISE[1] * rng.standard_normal(3)
            mujoco.mju_axisAngle2Quat(turn, axis / np.linalg.norm(axis), np.linalg.norm(axis))
            measured = np.zeros(4)
            mujoco.mju_mulQuat(measured, data.qpos[3:], turn)
            times.append(k * DT)
            pos.append(data.qpos[:3] + NOISE[0] * rng.standard_normal(3))
            quat.append(measured)
            number.append(toss)
            mujoco.mj_step(model, data)
    measurements = {"box.links_pos[0]": np.array(pos), "box.links_quat[0]": np.array(quat)}
    noise = dict(zip(measurements, NOISE, strict=True))
    return gs.tools.Log(np.array(times), measurements, noise=noise, segments=np.array(number))


def test_friction_of_a_sliding_box(scene):
    result = gs.tools.identify(scene, tosses(scene, 4, 0.4), ["box.friction"])
    (found,) = result.estimates
    assert found.determined
    assert found.value == pytest.approx(TRUE_FRICTION, rel=0.05)
    assert len(result.channels) == 6
