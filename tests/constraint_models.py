"""Small models of each kind of constraint row, alone, and together with contacts, limits and friction on the same
dofs."""

import re

_CHAIN = """
<body name="a1" pos="0 0 1"><joint name="j1" axis="0 1 0" {joint}/><geom {geom} size=".05" fromto="0 0 0 .4 0 0"/>
  <body name="a2" pos=".4 0 0"><joint name="j2" axis="0 0 1" {joint}/><geom {geom} size=".05" fromto="0 0 0 .3 .1 0"/>
    <body name="a3" pos=".3 .1 0"><joint name="j3" type="slide" axis="1 0 0" {joint}/>
      <geom {geom} size=".05" fromto="0 0 0 .2 0 .1"/><site name="tip" pos=".2 .05 .1" euler="20 30 40"/></body></body>
  <body name="a4" pos=".1 .2 0"><joint name="j4" axis="1 1 0" {joint}/><geom {geom} size=".06" fromto="0 0 0 0 .4 .1"/>
  </body></body>
<body name="f1" pos=".3 -.5 .9"><freejoint/><geom name="box" type="box" size=".1 .2 .15" {solid}/>
  <site name="grip" pos=".1 .05 .1" euler="10 50 -40"/></body>
<body name="b1" pos="-.5 .3 1.1"><joint name="ball" type="ball" {ball}/><geom {geom} size=".07" fromto="0 0 0 0 .1 -.4"/>
</body>
"""
_PLANE = '<geom type="plane" size="5 5 .1" pos="0 0 .75" {solid}/>'

_TENDONS = """<tendon>
<fixed name="t1" {tendon}><joint joint="j1" coef="1.5"/><joint joint="j2" coef="-.7"/></fixed>
<fixed name="t2" {tendon}><joint joint="j3" coef="2"/><joint joint="j4" coef=".6"/><joint joint="j1" coef="-.4"/></fixed>
</tendon>"""

# What each kind needs: equality elements, or attributes of joints and tendons.
_SOFT = 'solref=".03 1.2" solimp=".8 .95 .03 .4 2.5"'
KINDS = {
    "connect": {
        "equality": f'<connect body1="a3" body2="f1" anchor=".2 .1 .1" {_SOFT}/>'
        '<connect body1="b1" anchor="0 .1 -.4"/><connect body1="a4" body2="a3" anchor=".1 .1 .1"/>'
    },
    "connect of sites": {"equality": f'<connect site1="tip" site2="grip" {_SOFT}/>'},
    "weld": {
        "equality": f'<weld body1="a3" body2="f1" {_SOFT}/>'
        '<weld body1="b1" relpose=".1 .2 .3 .9 .1 .3 .2" torquescale=".3" anchor=".1 -.1 .2"/>'
        '<weld body1="a4" body2="a2" torquescale="2"/>'
    },
    "one weld": {"equality": '<weld body1="a3" body2="f1" anchor=".1 .2 .1"/>'},
    "weld of sites": {"equality": f'<weld site1="grip" site2="tip" torquescale=".5" {_SOFT}/>'},
    "joint equality": {
        "equality": f'<joint joint1="j2" joint2="j1" polycoef=".1 .7 -.3 .2 .05" {_SOFT}/>'
        '<joint joint1="j3" polycoef=".05 0 0 0 0"/><joint joint1="j1" joint2="j4" polycoef="0 -1 0 0 0"/>'
    },
    "tendon equality": {
        "tendon": "",
        "equality": f'<tendon tendon1="t2" tendon2="t1" polycoef=".1 .7 -.3 .2 .05" {_SOFT}/>'
        '<tendon tendon1="t1" polycoef=".2 0 0 0 0"/>',
    },
    "tendon friction": {"tendon": 'frictionloss=".8" solreffriction=".03 1"'},
    "tendon limit": {"tendon": 'range="-.2 .3" margin=".02" solreflimit=".03 1.2" solimplimit=".8 .95 .03 .4 2.5"'},
    "tendon spring": {"tendon": 'stiffness="40" damping="3" springlength="-.1 .2" armature=".1"'},
    "locked joint": {"joint": 'range="10 10" solreflimit=".03 1"'},
    "limits and friction": {"joint": 'range="-20 30" frictionloss=".5" margin=".05"'},
}
BUSY = {"joint": 'range="-20 30" frictionloss=".2"', "solid": True}


def model(kind: str, busy: bool = False, cone: str = "pyramidal", integrator: str = "Euler", timestep: float = 0.002):
    """MJCF text. ``busy``: with contacts (on a plane, and the box with links), limits and friction as well."""
    what = KINDS[kind]
    joint = (BUSY["joint"] if busy and "joint" not in what else "") + " " + what.get("joint", "")
    geom = 'type="capsule"' + (' condim="4"' if busy else ' contype="0" conaffinity="0"')
    solid = 'condim="3" friction=".8 .02 .01"' if busy else 'contype="0" conaffinity="0"'
    joint = f'damping=".1" armature=".01" {joint}'
    ball = re.sub('range="[^ ]* ([^ ]*)"', r'range="0 \1"', joint)
    bodies = _CHAIN.format(joint=joint, ball=ball, geom=geom, solid=solid)
    plane = _PLANE.format(solid=solid) if busy else ""
    tendons = _TENDONS.format(tendon=what["tendon"]) if "tendon" in what else ""
    equality = f"<equality>{what['equality']}</equality>" if "equality" in what else ""
    return (
        f'<mujoco><compiler autolimits="true"/><option cone="{cone}" integrator="{integrator}" timestep="{timestep}" '
        f'tolerance="0" iterations="200" impratio="2"/>'
        f"<worldbody>{plane}{bodies}</worldbody>{tendons}{equality}</mujoco>"
    )


# A mocap body, welded to a free body that lies on the ground and holds a hinged one; and a second, which touches it.
MOCAP = """
<mujoco><option cone="elliptic" tolerance="0" iterations="200" timestep="0.002"/><worldbody>
<geom type="plane" size="5 5 .1"/>
<body name="m1" mocap="true" pos=".1 .2 .3" euler="10 20 30"><geom type="box" size=".05 .05 .05" contype="0"
  conaffinity="0"/><site name="s" pos=".1 0 0"/></body>
<body name="box" pos=".1 .2 .1"><freejoint/><geom type="box" size=".1 .15 .1"/>
  <body name="flap" pos=".1 0 .1"><joint axis="0 1 0" damping=".1"/><geom type="capsule" size=".03" fromto="0 0 0 .3 0 .1"/>
  </body></body>
<body name="m2" mocap="true" pos=".5 .2 .25"><geom name="finger" size=".08" type="sphere"/></body>
</worldbody><equality><weld body1="m1" body2="box" torquescale=".5" solref=".05 1"/></equality></mujoco>"""


def footed(cone: str = "pyramidal", iterations: int = 4, option: str = "", ball: float = 0.19) -> str:
    """Sweeps against slip: a body on feet of condim 1, 3, 4 and 6, with joints and a tendon that rub; a ball, which
    leans on it or is elsewhere along x [m]; and a body by itself, another island."""
    feet = "".join(
        f'<geom type="sphere" size=".05" pos="{x} {y} -.1" condim="{dim}" friction="{mu} .02 .01"/>'
        for x, y, dim, mu in ((0.1, 0.1, 1, 0.5), (-0.1, 0.1, 3, 0.3), (-0.1, -0.1, 4, 0.5), (0.1, -0.1, 6, 0.4))
    )
    return (
        f'<mujoco><option cone="{cone}" noslip_iterations="{iterations}" tolerance="0" iterations="200" timestep=".004" '
        f'impratio="2">{option}</option><worldbody><geom type="plane" size="5 5 .1" friction=".3 .02 .01"/>'
        f'<body name="body" pos="0 0 .1495"><freejoint/>{feet}<geom type="box" size=".12 .12 .03"/>'
        '<body name="arm" pos="0 0 .1"><joint name="turn" axis="0 1 0" frictionloss=".05" damping=".01"/>'
        '<joint name="slide" type="slide" axis="1 0 0" frictionloss=".2" damping=".1"/>'
        '<geom type="capsule" size=".03" fromto=".05 0 .1 .2 .05 .1"/></body></body>'
        f'<body name="ball" pos="{ball} .02 .0495">'
        '<freejoint/><geom type="sphere" size=".05" condim="4" friction=".4 .02 .01"/>'
        '</body><body name="alone" pos="2 0 1"><joint name="swing" axis="0 1 0" frictionloss=".1" damping=".01"/>'
        '<geom type="capsule" size=".05" fromto="0 0 0 .3 0 0"/></body></worldbody>'
        '<tendon><fixed frictionloss=".1"><joint joint="turn" coef="1"/><joint joint="slide" coef=".5"/></fixed></tendon>'
        '<actuator><motor joint="turn"/></actuator></mujoco>'
    )
