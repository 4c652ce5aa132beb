"""Scenes in contact: what falls, rests, slides, rolls, stands, and what hangs at its limits. MJCF, one entity each."""

from tests import models

FLOOR = '<geom name="floor" type="plane" size="10 10 .1" friction=".8 .02 .003"/>'


def _world(body: str, *, cone: str = "pyramidal", options: str = "", condim: int = 6) -> str:
    return f"""
    <mujoco><compiler angle="radian"/><option timestep="0.004" cone="{cone}" {options}/>
    <default><geom condim="{condim}" friction=".7 .02 .003"/></default>
    <worldbody>{FLOOR}{body}</worldbody></mujoco>"""


def thrown(shape: str, cone: str = "pyramidal") -> str:
    """One free body above the floor."""
    return _world(f'<body name="body" pos="0 0 .25"><freejoint/><geom {SHAPES[shape]}/></body>', cone=cone)


SHAPES = {
    "ball": 'type="sphere" size=".1"',
    "box": 'type="box" size=".1 .15 .08"',
    "capsule": 'type="capsule" size=".06 .12"',
    "cylinder": 'type="cylinder" size=".08 .12"',
}


# A box that can slide and turn on the floor without tipping, slowly: free boxes chatter when they slide, and with a
# pyramidal cone a fast one rides above the floor.
SLED = """
<mujoco><compiler angle="radian"/><option timestep="0.004"/><worldbody>
  <geom type="plane" size="10 10 .1" friction=".3 .02 .003"/>
  <body pos="0 0 .08"><joint type="slide" axis="1 0 0" damping="800"/>
    <joint type="slide" axis="0 1 0" damping="800"/><joint type="slide" axis="0 0 1" damping="30"/>
    <joint type="hinge" axis="0 0 1" damping="20"/>
    <geom type="box" size=".1 .15 .08" friction=".3 .02 .003" condim="4"/></body>
</worldbody></mujoco>"""


def stack(count: int = 5, cone: str = "pyramidal") -> str:
    """Boxes one on the other, each turned a little against the one below."""
    boxes = "".join(
        f'<body name="b{k}" pos="0 0 {0.1 + 0.2 * k:.3f}" quat="1 0 0 {0.05 * k}"><freejoint/>'
        f'<geom type="box" size=".15 .15 .1" mass="1"/></body>'
        for k in range(count)
    )
    return _world(boxes, cone=cone, condim=3)


def pile(count: int = 30, cone: str = "pyramidal") -> str:
    """Boxes of several sizes that fall onto each other inside four walls."""
    boxes = ""
    for k in range(count):
        x, y, z = 0.14 * (k % 3 - 1) + 0.01 * (k % 5), 0.14 * (k // 3 % 3 - 1) - 0.01 * (k % 4), 0.15 + 0.17 * (k // 9)
        size = f"{0.05 + 0.01 * (k % 2)} {0.06} {0.05 + 0.01 * (k % 3)}"
        boxes += (
            f'<body name="b{k}" pos="{x:.3f} {y:.3f} {z:.3f}" quat="1 {0.1 * (k % 3)} {0.07 * (k % 4)} 0.2"><freejoint/>'
            f'<geom type="box" size="{size}" mass=".5" condim="3"/></body>'
        )
    walls = "".join(
        f'<geom type="box" size="{sx} {sy} .5" pos="{x} {y} .5"/>'
        for x, y, sx, sy in ((0.35, 0, 0.05, 0.4), (-0.35, 0, 0.05, 0.4), (0, 0.35, 0.3, 0.05), (0, -0.35, 0.3, 0.05))
    )
    return _world(walls + boxes, cone=cone, condim=3)


# Every kind of limit, friction loss, and a limit and a contact on one dof.
JOINTS = """
<mujoco><compiler angle="radian"/><option timestep="0.004"/>
<default><joint damping=".1" armature=".01"/></default>
<worldbody><geom type="plane" size="5 5 .1" pos="0 0 -.61"/>
  <body name="hinge" pos="0 0 0"><joint name="h" axis="0 1 0" range="-.4 .5" solreflimit=".03 .8" margin=".01"/>
    <geom type="capsule" size=".04" fromto="0 0 0 .3 0 0" contype="0" conaffinity="0"/>
    <body name="ball" pos=".3 0 0"><joint name="b" type="ball" range="0 .6" solimplimit=".8 .95 .05 .5 2"/>
      <geom type="capsule" size=".04" fromto="0 0 0 0 .2 .1" contype="0" conaffinity="0"/></body></body>
  <body name="slide" pos="1 0 0"><joint name="s" type="slide" axis="0 0 1" range="-.5 .3" frictionloss="1.5"/>
    <geom type="sphere" size=".11" mass="2"/>
    <body name="rubbing" pos="0 .3 0"><joint name="r" axis="1 0 0" frictionloss=".4" solreffriction=".05 1"/>
      <geom type="box" size=".05 .1 .05" pos="0 .1 0" contype="0" conaffinity="0"/></body></body>
</worldbody></mujoco>"""

QUADRUPED = models.gymnasium_asset("ant.xml")
HUMANOID = models.gymnasium_asset("humanoid.xml")
