"""Scenes for tests of attached sensors, and what MuJoCo says of them."""

import mujoco
import numpy as np

import genesis as gs

DT = 0.005

ARM = """<mujoco><option timestep="0.005" gravity="0.3 -0.2 -9.81"/>
<worldbody><geom name="floor" type="plane" size="0 0 1"/>
<body name="upper" pos="0 0 .8"><joint name="a" type="hinge" axis="0 1 0" damping=".1" armature=".02" frictionloss=".05"/>
<geom type="capsule" fromto="0 0 0 .3 0 0" size=".04" mass="1"/>
<body name="lower" pos=".3 0 0"><joint name="b" type="hinge" axis="1 1 0" damping=".05" armature=".01"/>
<geom type="box" size=".15 .05 .03" pos=".15 0 0" mass=".7"/>
<site name="unit" pos=".1 .02 .03" euler="10 20 30"/></body></body></worldbody>
<actuator><motor joint="a" gear="2"/></actuator>
<sensor><accelerometer site="unit"/><gyro site="unit"/></sensor></mujoco>"""


def arm(sensors, n_envs=0, requires_grad=True, tmp_path=None):
    """(scene, robot, built sensors) of the arm; `sensors`: functions of the entity that describe them."""
    options = gs.options.SimOptions(dt=DT, gravity=(0.3, -0.2, -9.81), requires_grad=requires_grad)
    scene = gs.Scene(sim_options=options)
    path = tmp_path / "arm.xml"
    path.write_text(ARM)
    robot = scene.add_entity(gs.morphs.MJCF(file=str(path)))
    made = [scene.add_sensor(describe(robot)) for describe in sensors]
    scene.build(n_envs=n_envs)
    return scene, robot, made


def link_of(scene, entity, name):
    """Number in the entity of the link of that name."""
    return next(link.idx_local for link in scene.entities[entity].links if link.name == name)


def mujoco_of(scene, env=0):
    """MuJoCo's data of the scene's present state, after mj_forward."""
    m = scene.mj_model
    data = mujoco.MjData(m)
    state = scene.world.state[env].detach().cpu().numpy()
    data.qpos[:], data.qvel[:] = state[: m.nq], state[m.nq : m.nq + m.nv]
    mujoco.mj_forward(m, data)
    return m, data


def ray(m, data, start, direction):
    """How far MuJoCo's ray goes, or infinity."""
    geom = np.zeros(1, dtype=np.int32)
    far = mujoco.mj_ray(m, data, np.asarray(start, float), np.asarray(direction, float), None, 1, -1, geom)
    return far if far >= 0 else np.inf
