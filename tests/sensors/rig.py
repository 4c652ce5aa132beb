"""A walker with sensors of every type, beside a ball and a post: contacts, limits, tendons, equality, actuators."""

import tempfile
from functools import cache
from pathlib import Path

import mujoco
import numpy as np
import torch

import genesis as gs

_RIG = """
<mujoco><option timestep="0.004" tolerance="0" iterations="100" ccd_tolerance="1e-12" ccd_iterations="500" magnetic=".1 .2 -.4" cone="{cone}"/>
<asset>
  <mesh name="stone" vertex="0 0 0 .4 0 .1 0 .5 .1 .1 .1 .4 .4 .4 .3 -.2 .1 .2"/>
  <mesh name="skin" builtin="plate" params="7 6" scale=".2 .12 .001"/>
  <mesh name="fingertip" vertex="-.02 -.03 -.04 .02 -.03 -.04 .02 .03 -.04 -.02 .03 -.04 0 0 .04 0 .01 -.05"/>
  <hfield name="hill" nrow="3" ncol="4" size=".4 .3 .2 .1" elevation="0 .2 .5 .3 .1 .9 .4 .2 .3 .6 1 .5"/>
</asset>
<worldbody>
  <geom name="floor" type="plane" size="5 5 .1" condim="4"/>
  <geom name="hill" type="hfield" hfield="hill" pos="1.5 0 0" contype="0" conaffinity="0"/>
  <site name="origin" pos=".1 .2 .3" euler="10 20 30"/>
  <site name="down_on_hill" pos="1.45 .05 1" euler="175 8 0"/><site name="into_hill" pos=".8 .02 .12" euler="0 90 0"/>
  <site name="at_stone" pos="0 -1 1" euler="90 20 0"/>
  <body name="target" pos="0 1 1"><geom name="still" type="sphere" size=".2"/></body>
  <body name="stone" pos="0 -2 .7"><joint name="stone" axis="0 0 1"/><geom name="stone" type="mesh" mesh="stone"/></body>
  <camera name="fixed" pos="2 1 1" xyaxes="0 1 0 -.3 0 1" fovy="50" resolution="320 240"/>
  <body name="trunk" pos="0 0 .3"><freejoint/>
    <geom name="trunk" type="box" size=".2 .1 .06" mass="2" friction=".7 .02 .002" condim="6"/>
    <geom name="sole" type="mesh" mesh="skin" pos="0 0 -.06" euler="180 0 0" mass="0" contype="0" conaffinity="0"/>
    <site name="imu" pos=".05 .02 .03" euler="20 30 40"/>
    <camera name="eye" pos=".1 0 .1" euler="10 0 5" sensorsize=".01 .008" focal=".01 .012" resolution="200 100"/>
    <camera name="pinhole" pos=".1 0 .1" euler="60 -30 5" fovy="70" resolution="8 5"/>
    <camera name="shifted" pos="-.3 .1 .1" euler="10 -60 5" sensorsize=".01 .008" focal=".01 .012" principal=".001 .002"
      resolution="5 8"/>
    <camera name="flat" pos=".1 .1 .5" euler="10 5 5" projection="orthographic" fovy="2.5" resolution="7 5"/>
    <camera name="track" mode="track" pos="1 1 1" euler="40 10 20" resolution="200 100"/>
    <camera name="trackcom" mode="trackcom" pos="1 1 1" euler="40 10 20" resolution="200 100"/>
    <camera name="aim" mode="targetbody" target="target" pos="1 .2 .1" resolution="20 2"/>
    <camera name="aimcom" mode="targetbodycom" target="foot" pos="1 .2 .1" resolution="200 100"/>
    <body name="leg" pos=".2 0 0">
      <joint name="hip" axis="0 1 0" range="-20 10" damping=".2" armature=".01" actuatorfrcrange="-2 2"/>
      <geom name="leg" type="capsule" size=".03" fromto="0 0 0 0 0 -.2"/>
      <site name="wrist" pos="0 .01 -.05" euler="50 0 30"/>
      <body name="foot" pos="0 0 -.2" gravcomp=".5">
        <joint name="knee" axis="0 1 0" range="-10 40" armature=".01" actuatorgravcomp="true" margin=".01"/>
        <geom name="foot" type="capsule" size=".04" fromto="0 0 0 .1 0 -.05" condim="3"/>
        <geom name="heel" type="mesh" mesh="skin" pos=".05 0 -.07" euler="170 5 0" mass="0" contype="0" conaffinity="0"/>
        <site name="sphere" type="sphere" size=".07" pos=".1 0 -.05"/>
        <site name="box" type="box" size=".07 .02 .01" pos=".1 0 -.05"/>
        <site name="capsule" type="capsule" size=".02 .05" pos=".1 0 -.05" euler="0 80 0"/>
        <site name="cylinder" type="cylinder" size=".02 .05" pos=".1 0 -.05" euler="0 80 0"/>
        <site name="ellipsoid" type="ellipsoid" size=".05 .05 .01" pos=".1 0 -.05"/>
      </body>
    </body>
    <body name="arm" pos="-.2 0 .05"><joint name="socket" type="ball" range="0 30" damping=".1" armature=".01"/>
      <geom name="hand" type="sphere" size=".05" pos="-.1 .05 0"/><site name="palm" pos="-.1 .05 0"/>
      <body name="finger" pos="-.15 .05 0"><joint name="slide" type="slide" axis="1 0 0" range="-.05 .05" armature=".01"/>
        <geom name="finger" type="box" size=".02 .03 .04"/>
        <geom name="fingertip" type="mesh" mesh="fingertip" mass="0" contype="0" conaffinity="0"/><site name="tip" pos=".01 .01 .02" euler="10 0 80"/>
      </body>
    </body>
  </body>
  <body name="ball" pos=".5 0 .1"><freejoint/>
    <geom name="ball" type="sphere" size=".1" condim="6"/><site name="middle"/>
  </body>
  <body name="post" pos="-.5 .5 .5"><joint name="post" axis="0 1 .3" pos=".1 0 .3"/>
    <geom name="post" type="cylinder" size=".05 .2"/><site name="post" pos="0 0 .2"/>
  </body>
  <body name="beam" pos="-.5 .9 .5"><joint name="beam" axis="0 1 1" pos=".2 .1 .3"/>
    <geom name="beam" type="ellipsoid" size=".05 .2 .1"/>
  </body>
</worldbody>
<equality>
  <connect body1="ball" body2="finger" anchor=".1 0 0"/><weld body1="post" body2="beam" torquescale=".7"/>
</equality>
<tendon>
  <fixed name="cord" range="-.1 .1" limited="true" stiffness="3" damping=".2" armature=".01">
    <joint joint="hip" coef=".5"/><joint joint="knee" coef="-.7"/><joint joint="slide" coef=".3"/>
  </fixed>
</tendon>
<actuator>
  <motor name="hip" joint="hip" gear="3"/>
  <position name="knee" joint="knee" kp="5" kv=".2"/>
  <motor name="pull" tendon="cord" gear="2"/>
  <general name="slow" tendon="cord" dyntype="filter" dynprm=".1" gainprm="3"/>
  <general name="push" site="palm" refsite="imu" gear="1 2 3 .1 .2 .3" biastype="affine" biasprm="0 -1 0"/>
</actuator>
<sensor>{sensors}</sensor></mujoco>"""

SITES = ("imu", "wrist", "palm", "middle", "tip", "post")
ZONES = ("sphere", "box", "capsule", "cylinder", "ellipsoid")
_OBJECTS = (
    *(("body", "arm"), ("xbody", "foot"), ("geom", "finger"), ("geom", "floor"), ("site", "tip"), ("body", "world")),
    *(("camera", "eye"), ("camera", "aim"), ("camera", "track")),
)
_REFERENCES = (("body", "leg"), ("xbody", "trunk"), ("geom", "ball"), ("site", "imu"), ("camera", "eye"))
_NET_OF_CONTACTS = "found force torque dist pos normal tangent"
_ALL_OF_CONTACTS = f"{_NET_OF_CONTACTS} linvel angvel"
_PAIRS = (
    *("", 'geom1="foot"', 'geom2="foot"', 'geom1="foot" geom2="floor"', 'geom1="floor" geom2="foot"'),
    *('body1="trunk"', 'subtree1="trunk"', 'subtree1="trunk" subtree2="trunk"', 'site="sphere"'),
    'body1="ball" geom2="floor"',
)


# Shapes of every kind, in either order; near, far and in contact.
_DISTANCES = (
    *(('geom1="floor"', 'geom2="foot"'), ('geom1="trunk"', 'geom2="floor"'), ('geom1="stone"', 'geom2="floor"')),
    *(('geom1="post"', 'geom2="finger"'), ('geom1="ball"', 'geom2="trunk"'), ('geom1="trunk"', 'geom2="foot"')),
    *(('geom1="finger"', 'geom2="trunk"'), ('geom1="leg"', 'geom2="hand"'), ('geom1="hand"', 'geom2="foot"')),
    *(('geom1="stone"', 'geom2="trunk"'), ('geom1="stone"', 'geom2="ball"'), ('geom1="beam"', 'geom2="hand"')),
    *(('geom1="ball"', 'geom2="post"'), ('body1="finger"', 'body2="foot"'), ('body1="trunk"', 'geom2="still"')),
)


def elements() -> list[str]:
    """Sensors of every type that is measured, as MJCF; none has a name."""
    every: list[str] = []
    for kind in ("accelerometer", "velocimeter", "gyro", "force", "torque", "magnetometer"):
        every += [f'<{kind} site="{site}"/>' for site in SITES]
    every += ['<force site="origin"/>', '<accelerometer site="imu" cutoff="3"/>', '<touch site="sphere" cutoff="5"/>']
    cameras = ("fixed", "eye", "track", "trackcom", "aim", "aimcom")
    every += [f'<camprojection site="tip" camera="{camera}"/>' for camera in cameras]
    for kind in ("pos", "quat", "xaxis", "yaxis", "zaxis", "linvel", "angvel"):
        for thing, name in _OBJECTS:
            every.append(f'<frame{kind} objtype="{thing}" objname="{name}"/>')
            for other, refname in _REFERENCES:
                of = f'objtype="{thing}" objname="{name}" reftype="{other}" refname="{refname}"'
                every.append(f"<frame{kind} {of}/>")
    for kind in ("linacc", "angacc"):
        every += [f'<frame{kind} objtype="{thing}" objname="{name}"/>' for thing, name in _OBJECTS]
    for kind in ("com", "linvel", "angmom"):
        every += [f'<subtree{kind} body="{body}"/>' for body in ("trunk", "leg", "world", "finger", "target")]
    for kind in ("pos", "vel", "actuatorfrc", "limitpos", "limitvel", "limitfrc"):
        every += [f'<joint{kind} joint="{joint}"/>' for joint in ("hip", "knee", "slide")]
    every += [f'<jointlimit{kind} joint="socket"/>' for kind in ("pos", "vel", "frc")]
    every += ['<ballquat joint="socket"/>', '<ballangvel joint="socket"/>']
    for kind in ("pos", "vel", "actuatorfrc", "limitpos", "limitvel", "limitfrc"):
        every.append(f'<tendon{kind} tendon="cord"/>')
    for kind in ("pos", "vel", "frc"):
        every += [f'<actuator{kind} actuator="{name}"/>' for name in ("hip", "knee", "pull", "slow", "push")]
    for zone in ZONES:
        every.append(f'<touch site="{zone}"/>')
        for thing, name in (("xbody", "foot"), ("geom", "foot"), ("body", "leg")):
            every.append(f'<insidesite site="{zone}" objtype="{thing}" objname="{name}"/>')
    for pair in _PAIRS:
        for reduce in ("none", "mindist", "maxforce"):
            every.append(f'<contact {pair} reduce="{reduce}" num="4" data="{_ALL_OF_CONTACTS}"/>')
        every.append(f'<contact {pair} reduce="netforce" data="{_NET_OF_CONTACTS}"/>')
        every.append(f'<contact {pair} reduce="mindist" num="1" data="found normal"/>')
    for site in (*SITES, "origin", "down_on_hill", "into_hill", "at_stone"):
        every.append(f'<rangefinder site="{site}"/>')
        every.append(f'<rangefinder site="{site}" data="dist dir origin point normal depth"/>')
    for camera in ("pinhole", "shifted", "flat", "aim"):
        every.append(f'<rangefinder camera="{camera}"/>')
        every.append(f'<rangefinder camera="{camera}" data="dist dir origin point normal depth"/>')
    every += ['<tactile geom="heel" mesh="skin"/>', '<tactile geom="sole" mesh="skin"/>']
    every += ['<tactile geom="fingertip" mesh="fingertip"/>']
    for k, (name, other) in enumerate(_DISTANCES):
        cutoff = (0, 0.5, 3)[k % 3]
        every += [f'<{kind} {name} {other} cutoff="{cutoff}"/>' for kind in ("distance", "normal", "fromto")]
    return [*every, "<e_potential/>", "<e_kinetic/>", "<clock/>"]


def kind(element: str) -> str:
    """The type of a sensor."""
    return element[1:].split("/")[0].split()[0]


def load(text: str, n_envs: int = 0, **sim_options):
    """(scene, rig) of an MJCF text."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rig.xml"
        path.write_text(text)
        scene = gs.Scene(sim_options=gs.options.SimOptions(dt=0.004, requires_grad=True, **sim_options))
        rig = scene.add_entity(gs.morphs.MJCF(file=str(path)), name="rig")
        scene.build(n_envs=n_envs)
    return scene, rig


@cache
def build(cone: str = "elliptic", n_envs: int = 0):
    """(scene, rig) with all `elements`, in that order "sensor0", "sensor1", ..."""
    return load(_RIG.format(cone=cone, sensors="".join(elements())), n_envs)


def with_sensors(sensors: str, n_envs: int = 0):
    """(scene, rig) with these sensors."""
    return load(_RIG.format(cone="elliptic", sensors=sensors), n_envs)


def random_inputs(m: mujoco.MjModel, seed: int) -> dict[str, np.ndarray]:
    """State, controls and external wrenches, the walker near the floor, in every second case upright upon it."""
    rng = np.random.default_rng(seed)
    qpos = m.qpos0.copy()
    mujoco.mj_integratePos(m, qpos, 0.15 * rng.standard_normal(m.nv), 1.0)
    trunk = int(m.jnt_qposadr[m.body("rig/trunk").jntadr[0]])
    if seed % 2:
        qpos[trunk + 2] = 0.26 + 0.02 * rng.standard_normal()
        qpos[trunk + 3 : trunk + 7] = 1.0, *0.02 * rng.standard_normal(2), 0.0
    return {
        "qpos": qpos,
        "qvel": 0.5 * rng.standard_normal(m.nv),
        "ctrl": 2 * rng.standard_normal(m.nu),
        "wrench": rng.standard_normal((m.nbody - 1, 6)),
    }


def put(rig, inputs) -> None:
    """Give the inputs to the scene."""
    rig.set_qpos(torch.as_tensor(inputs["qpos"]))
    rig.set_dofs_velocity(torch.as_tensor(inputs["qvel"]))
    rig.control_actuators(torch.as_tensor(inputs["ctrl"]))
    wrench = torch.as_tensor(inputs["wrench"])
    rig.apply_links_external_wrench(wrench[..., :3], wrench[..., 3:], ref="link_com")


def reference(m: mujoco.MjModel, inputs: dict[str, np.ndarray]) -> mujoco.MjData:
    """MuJoCo's data after mj_forward."""
    data = mujoco.MjData(m)
    data.qpos, data.qvel, data.ctrl = inputs["qpos"], inputs["qvel"], inputs["ctrl"]
    data.xfrc_applied[1:] = inputs["wrench"]
    mujoco.mj_forward(m, data)
    return data


def of(m: mujoco.MjModel, data: mujoco.MjData, name: str) -> np.ndarray:
    """What MuJoCo says of a sensor."""
    sensor = m.sensor(name)
    return data.sensordata[sensor.adr[0] : sensor.adr[0] + sensor.dim[0]]
