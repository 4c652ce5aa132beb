"""A scene with an arm and a box, and logs of the arm, for the tests of logs."""

import tempfile
from pathlib import Path

import numpy as np

import genesis as gs
from genesis.tools import Log

ARM = """
<mujoco>
  <option timestep="0.002" integrator="implicitfast"/>
  <worldbody>
    <body name="upper" pos="0 0 1">
      <joint name="shoulder" axis="0 1 0" range="-90 90" actuatorfrcrange="-20 20"/>
      <geom type="capsule" fromto="0 0 0 0.3 0 0" size="0.02"/>
      <body name="lower" pos="0.3 0 0">
        <joint name="elbow" axis="0 1 0" range="-120 120"/>
        <geom type="capsule" fromto="0 0 0 0.3 0 0" size="0.02"/>
        <body name="hand" pos="0.3 0 0">
          <joint name="gripper" type="slide" axis="1 0 0" range="0 0.08"/>
          <geom type="box" size="0.02 0.02 0.02"/>
        </body>
      </body>
    </body>
  </worldbody>
  <actuator><motor name="drive" joint="shoulder"/><motor name="claw" joint="gripper"/></actuator>
</mujoco>
"""
N = 40
DT = 0.01


def build_scene(robot=ARM):
    """The arm, called "arm", and a box that floats, called "box"."""
    scene = gs.Scene(sim_options=gs.options.SimOptions(dt=0.002))
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "arm.xml"
        path.write_text(robot)
        scene.add_entity(gs.morphs.MJCF(file=path), name="arm")
        scene.add_entity(gs.morphs.Box(size=(0.1, 0.1, 0.1), pos=(1, 0, 1)), name="box")
        scene.build()
    return scene


def motion(n=N, dt=DT):
    """Times (n,), positions and velocities (n, 3) of the arm's joints, forces (n, 3)."""
    t = dt * np.arange(n)
    phase = 2 * np.pi * np.outer(t, [0.9, 1.1, 1.3]) + [0.1, 0.8, 1.9]
    amplitude = np.array([0.8, 1.2, 0.03])
    rate = 2 * np.pi * np.array([0.9, 1.1, 1.3])
    return t, amplitude * np.sin(phase) + [0, 0, 0.04], amplitude * rate * np.cos(phase), np.cos(phase)


def arm_log(**changes):
    t, q, v, f = motion()
    given = dict(times=t, measurements={"arm.dofs_position": q, "arm.dofs_velocity": v}, controls={"arm": f})
    return Log(**{**given, **changes})
