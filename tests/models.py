"""Robots and mechanisms that the tests run on: MJCF text or files, with what each is there for."""

import re
from pathlib import Path

import numpy as np

ASSETS = Path(__file__).parent / "assets"


def gymnasium_asset(name: str) -> str:
    import gymnasium

    return str(Path(gymnasium.__file__).parent / "envs" / "mujoco" / "assets" / name)


def read(name: str) -> str:
    return (ASSETS / name).read_text()


# A free body whose mass centre is away from its frame, and two more that are welded to it.
TUMBLING_BODY = """
<mujoco><option timestep="0.005"/><worldbody>
  <body name="body" pos="0 0 1"><freejoint/>
    <geom type="box" size=".1 .2 .05" pos=".1 .1 0"/>
    <body pos=".1 0 .2" euler="10 20 30"><geom type="capsule" size=".05 .2" pos=".1 .1 0"/></body>
  </body>
</worldbody></mujoco>"""

BALL_CHAIN = """
<mujoco><option timestep="0.005"/><worldbody>
  <body name="a" pos="0 0 1"><joint type="ball" damping=".2" stiffness="1" pos=".01 .02 0"/>
    <geom type="capsule" size=".04" fromto="0 0 0 .1 .1 -.3"/>
    <body name="b" pos=".1 .1 -.3"><joint type="ball" damping=".1"/>
      <geom type="capsule" size=".04" fromto="0 0 0 0 .1 -.3"/>
      <body name="c" pos="0 .1 -.3"><joint type="ball" damping=".1" armature=".01"/>
        <geom type="box" size=".05 .1 .15" pos="0 0 -.15"/>
      </body>
    </body>
  </body>
</worldbody></mujoco>"""

# Planar base (two slides and a hinge in one body) with an arm: several joints in a body, in either order.
PLANAR_BASE = """
<mujoco><option timestep="0.005"/><worldbody>
  <body name="base" pos="0 0 .2">
    <joint name="x" type="slide" axis="1 0 0" damping="1"/><joint name="y" type="slide" axis="0 1 0" damping="1"/>
    <joint name="yaw" type="hinge" axis="0 0 1" damping=".5"/>
    <geom type="box" size=".2 .15 .1"/>
    <body name="upper" pos="0 0 .1"><joint type="hinge" axis="0 1 0" pos="0 .05 0" springref="20" stiffness="3"/>
      <joint type="hinge" axis="1 0 1" pos=".02 0 0"/>
      <geom type="capsule" size=".05" fromto="0 0 0 0 .05 .4"/>
      <body name="lower" pos="0 .05 .4"><joint type="slide" axis="1 1 1" ref=".1"/><joint type="hinge" axis="0 1 0"/>
        <geom type="capsule" size=".04" fromto="0 0 0 .3 0 0"/>
      </body>
    </body>
  </body>
</worldbody></mujoco>"""

# Every transmission, dynamics, gain and bias that is supported, ranges that bind, gravity compensation both ways.
ACTUATORS = """
<mujoco><option timestep="0.005"/><compiler angle="radian"/><worldbody>
  <body name="b0" pos="0 0 1" gravcomp=".5">
    <joint name="h" type="hinge" axis="0 1 0" damping=".3" armature=".1" actuatorfrcrange="-1 1"/>
    <geom type="capsule" size=".05" fromto="0 0 0 .3 .1 .4"/><site name="s0" pos=".1 .1 .1" quat=".5 .1 .2 .3"/>
    <body name="b1" pos=".3 .1 .4"><joint name="b" type="ball" damping=".1" armature=".1"/>
      <geom type="box" size=".1 .2 .05" pos=".1 .1 0"/>
      <body name="b2" pos="0 .1 .2"><joint name="s" type="slide" axis="1 1 0" actuatorgravcomp="true" armature=".1"/>
        <joint name="h2" type="hinge" axis="0 1 1" pos=".1 0 0" armature=".1"/>
        <geom type="box" size=".1 .1 .05" pos="0 .1 0"/><site name="s2" pos=".1 .2 .1" quat=".5 -.1 .2 .3"/>
      </body>
    </body>
  </body>
  <body name="f" pos="1 0 1" gravcomp="1"><freejoint name="fj"/>
    <geom type="box" size=".1 .2 .05" pos=".1 .1 0"/><site name="s3" pos=".1 .2 .1" quat=".5 -.1 .2 .3"/>
  </body>
</worldbody>
<tendon><fixed name="t"><joint joint="h" coef=".5"/><joint joint="s" coef="-.7"/><joint joint="h2" coef=".3"/></fixed>
</tendon>
<actuator>
  <motor joint="h" gear="2"/>
  <position joint="h2" kp="10" kv="2"/>
  <velocity joint="s" kv="3"/>
  <damper joint="s" kv="2" ctrlrange="0 1"/>
  <intvelocity joint="h2" kp="5" actrange="-1 1"/>
  <general joint="b" gear="1 2 3" biastype="affine" biasprm=".1 -.2 -.3" gainprm="2"/>
  <general jointinparent="b" gear="1 -2 3" biastype="affine" biasprm=".1 -.2 -.3" ctrllimited="true"
    ctrlrange="-.3 .3"/>
  <motor joint="fj" gear="1 2 3 4 5 6"/>
  <motor jointinparent="fj" gear="1 2 3 4 5 6"/>
  <general tendon="t" gear="2" dyntype="filter" dynprm=".1" gaintype="affine" gainprm="1 .5 .2" biastype="affine"
    biasprm=".1 -2 -.5"/>
  <general tendon="t" dyntype="filterexact" dynprm=".05" actearly="true" gainprm="3"/>
  <general site="s2" gear="1 2 3 .1 .2 .3" biastype="affine" biasprm="0 0 -.4"/>
  <general site="s2" refsite="s0" gear="1 2 3 .1 .2 .3" biastype="affine" biasprm=".3 -1 -.4" forcerange="-1 1"/>
  <general site="s3" refsite="s2" gear="1 0 3 .1 .2 .3" dyntype="integrator" gainprm=".1" biastype="affine"
    biasprm=".3 -.1 -.04"/>
</actuator></mujoco>"""


# Springs and dampers that are not linear, of every kind of joint and of tendons.
POLYNOMIALS = """
<mujoco><option timestep="0.0005"/><default><geom contype="0" conaffinity="0"/></default><worldbody>
  <body pos="0 0 1"><joint name="a" axis="0 1 0" stiffness="3 4 5" springref="20" damping=".1 .2 .3"/>
    <geom type="capsule" size=".05 .2" pos=".1 .2 .3"/>
    <body pos=".3 0 0"><joint type="ball" stiffness="1 2 3" damping="0 1 .2"/><geom type="box" size=".1 .15 .05"/>
      <body pos=".3 0 0"><joint name="b" type="slide" axis="1 1 0" stiffness="0 5 5"/>
        <joint name="c" axis="0 0 1" pos=".1 0 0" damping="0 0 3"/><geom type="cylinder" size=".05 .1"/>
      </body>
    </body>
  </body>
  <body pos="1 0 0"><joint type="free" stiffness="1 2 3" damping="1 2 3"/>
    <geom type="box" size=".1 .2 .03" pos=".1 .1 0"/></body>
</worldbody><tendon>
  <fixed name="t" stiffness="1 2 3" damping=".3 .2 .5" springlength="-.1 .1"><joint joint="a" coef="1"/>
    <joint joint="b" coef="-2"/></fixed>
  <fixed name="u" stiffness="0 2 3" damping="0 .2 .5"><joint joint="c" coef="1"/><joint joint="b" coef="-2"/></fixed>
</tendon></mujoco>"""


def in_fluid(ellipsoids: bool) -> str:
    """Trees and free bodies in a thick fluid and wind: bodies as boxes, or most of their shapes as ellipsoids."""
    shape = 'fluidshape="ellipsoid" fluidcoef=".6 .3 1.7 .8 1.2"' if ellipsoids else ""
    knob = '<geom type="box" size=".02 .06 .04" pos=".1 0 .1"/>'  # no two principal moments are equal
    return f"""
<mujoco><option timestep="0.004" density="900" viscosity=".3" wind="1 -2 .5"/>
<default><geom contype="0" conaffinity="0"/></default><worldbody>
  <body pos="0 0 1"><joint axis="0 1 0" damping=".1"/>
    <geom type="capsule" size=".05 .2" {shape} pos=".1 .2 .3" euler="10 20 30"/>{knob}
    <body pos=".3 0 0"><joint type="ball"/><geom type="box" size=".1 .15 .05" {shape}/>
      <geom type="sphere" size=".05" {shape} pos="0 .2 0"/>
      <body pos=".3 0 0"><joint type="slide" axis="1 1 0"/><joint axis="0 0 1" pos=".1 0 0"/>
        <geom type="cylinder" size=".05 .1"/><geom type="ellipsoid" size=".05 .1 .2" pos=".1 0 0" {shape}/></body>
      <body pos="-.3 0 0"><joint axis="0 0 1" pos=".1 0 0"/><geom type="box" size=".05 .1 .03" euler="30 40 50"/></body>
    </body>
  </body>
  <body pos="1 0 0"><freejoint/><geom type="box" size=".1 .2 .03" pos=".1 .1 0" {shape} euler="40 50 60"/>
    <body pos=".2 .1 0"><geom type="ellipsoid" size=".1 .2 .03" {shape} euler="20 50 60"/></body>
  </body>
  <body pos="3 0 0"><freejoint/><geom type="cylinder" size=".1 .2" pos=".1 .1 0" {shape} euler="40 50 60"/>{knob}
    <body pos=".2 .1 0"><joint axis="1 1 1"/><geom type="ellipsoid" size=".1 .2 .03" {shape} euler="20 50 60"/></body>
  </body>
</worldbody></mujoco>"""


def without_ranges(mjcf: str) -> str:
    """The same without clips, across which central differences would say nothing (a damper must have one)."""
    mjcf = re.sub(r"<damper [^>]*/>", "", mjcf)
    return re.sub(r' (ctrlrange|actrange|forcerange|actuatorfrcrange|ctrllimited)="[^"]*"', "", mjcf)


def random_tree(seed: int) -> str:
    """MJCF of 3 to 8 bodies in one or two trees: random joints, axes, offsets, inertias, springs and dampers."""
    rng = np.random.default_rng(seed)

    def numbers(values) -> str:
        return " ".join(f"{v:.17g}" for v in np.atleast_1d(values))

    def joints(root: bool) -> str:
        kind = rng.choice(
            ["free", "ball", "hinge", "slide", "two", "none"] if root else ["ball", "hinge", "slide", "two", "none"]
        )
        if kind == "none":
            return ""
        if kind == "free":
            return "<freejoint/>"
        text = ""
        for one in ["hinge", "slide"] if kind == "two" else [kind]:
            extra = f'damping="{numbers(rng.uniform(0, 0.5))}" armature="{numbers(rng.uniform(0.01, 0.1))}"'
            if rng.random() < 0.5:
                extra += f' stiffness="{numbers(rng.uniform(0, 3))}"'
            axis = rng.standard_normal(3)
            text += (
                f'<joint type="{one}" axis="{numbers(axis)}" pos="{numbers(0.1 * rng.standard_normal(3))}" {extra}/>'
            )
        return text

    def body(depth: int, budget: list[int]) -> str:
        budget[0] -= 1
        principal = rng.uniform(0.01, 0.1) * (1 + 0.4 * rng.random(3))
        text = f'<body pos="{numbers(0.3 * rng.standard_normal(3))}" quat="{numbers(rng.standard_normal(4))}">'
        text += joints(depth == 0)
        text += (
            f'<inertial mass="{numbers(rng.uniform(0.5, 2))}" pos="{numbers(0.1 * rng.standard_normal(3))}" '
            f'quat="{numbers(rng.standard_normal(4))}" diaginertia="{numbers(principal)}"/>'
        )
        while budget[0] > 0 and rng.random() < 0.7:
            text += body(depth + 1, budget)
        return text + "</body>"

    budget = [int(rng.integers(3, 9))]
    trees = ""
    while budget[0] > 0:
        trees += body(0, budget)
    return f'<mujoco><option timestep="0.002"/><worldbody>{trees}</worldbody></mujoco>'


# Convex shapes without a closed form between any two of them, in contact.
POLYTOPES = """
<mujoco><option timestep="0.002"/>
<asset><mesh name="block" vertex="-2 -2 -1 2 -2 -1 -2 2 -1 2.1 2 -1 -2 -2 .2 2 -2 .3 -2 2 .2 2 2 .25"/>
<mesh name="stone" vertex="0 0 0 .4 0 .1 0 .5 .1 .1 .1 .4 .4 .4 .3 -.2 .1 .2"/></asset>
<worldbody><geom type="mesh" mesh="block"/>
<body name="a" pos="-.4 .1 .2"><freejoint/><geom type="box" size=".3 .25 .3"/></body>
<body name="b" pos=".4 -.1 .1"><freejoint/><geom type="mesh" mesh="stone"/></body></worldbody></mujoco>"""


# Tendons through sites, over pulleys and around shapes (outside, inside, with and without a side site), with everything
# that acts on tendons; muscles, a slider-crank, and an actuator of a disabled group.
TENDON_PATHS = """
<mujoco><option timestep="0.004" actuatorgroupdisable="3"><flag contact="disable"/></option><worldbody>
  <site name="w0" pos="-.1 0 1.3"/>
  <body name="a" pos="0 0 1"><joint name="j1" axis="0 1 0"/><joint name="j1b" axis="1 0 .3"/>
    <geom type="capsule" size=".04" fromto="0 0 0 .4 0 0"/>
    <geom name="ball" type="sphere" size=".07" pos=".4 0 .02" contype="0" conaffinity="0" mass="0"/>
    <geom name="cylinder" type="cylinder" size=".06 .1" pos=".2 .01 .03" euler="80 10 0" contype="0" conaffinity="0"
      mass="0"/>
    <site name="s1" pos=".1 0 .08"/><site name="below" pos=".2 0 -.15"/><site name="inner" pos=".21 .01 .03"/>
    <site name="above" pos=".4 0 .2"/>
    <body name="b" pos=".4 0 0"><joint name="j2" axis="0 1 0"/><geom type="capsule" size=".03" fromto="0 0 0 .3 0 .1"/>
      <site name="s2" pos=".15 0 .1"/><site name="s3" pos=".25 .02 0"/>
      <body name="c" pos=".3 0 .1"><joint name="j3" type="ball"/><geom type="box" size=".05 .04 .03"/>
        <site name="s4" pos=".05 .02 .06"/>
      </body>
    </body>
  </body>
  <body name="f" pos="0 .5 1"><freejoint/><geom type="box" size=".1 .1 .1"/><site name="s5" pos=".1 0 .1"/></body>
</worldbody>
<tendon>
  <spatial name="around the ball" stiffness="30" damping="2" springlength=".1"><site site="w0"/><site site="s1"/>
    <geom geom="ball"/><site site="s2"/><site site="s4"/></spatial>
  <spatial name="pulley" stiffness="20" damping="1"><site site="s1"/><geom geom="cylinder" sidesite="below"/>
    <site site="s3"/><pulley divisor="2"/><site site="s2"/><site site="s5"/></spatial>
  <spatial name="inside" limited="true" range="0 .4" frictionloss=".3"><site site="w0"/>
    <geom geom="cylinder" sidesite="inner"/><site site="s3"/></spatial>
  <spatial name="straight" armature=".3" ><site site="w0"/><site site="s4"/><site site="s5"/></spatial>
  <spatial name="over the ball" stiffness="3"><site site="w0"/><geom geom="ball" sidesite="above"/><site site="s4"/>
  </spatial>
  <fixed name="fixed" damping="1"><joint joint="j1" coef="1"/><joint joint="j2" coef="-.4"/></fixed>
</tendon>
<equality><tendon tendon1="over the ball" tendon2="fixed" polycoef=".1 .3 0 0 0"/></equality>
<actuator>
  <motor tendon="around the ball" gear="3"/><position tendon="pulley" kp="30" kv="1"/>
  <muscle tendon="inside" force="100" lengthrange=".2 .8"/>
  <muscle tendon="over the ball" lengthrange=".3 .9" range=".6 1.3" timeconst=".02 .05" tausmooth=".3"/>
  <muscle joint="j2" lengthrange="-1 1"/>
  <general cranksite="s4" slidersite="s1" cranklength=".5" gear="2" gainprm="3" biastype="affine" biasprm="0 -2 -1"/>
  <general slidersite="w0" cranksite="s3" cranklength=".9"/>
  <motor joint="j1" group="3"/><general joint="j2" dyntype="filter" dynprm=".1" group="3"/>
</actuator></mujoco>"""

# Bodies that stick to what they touch: pads on a moving finger, on the ground and on another body.
STICKING = """
<mujoco><option timestep="0.004" cone="elliptic"/><worldbody><geom type="plane" size="2 2 1"/>
  <body name="finger" pos="0 0 .3"><joint name="lift" type="slide" axis="0 0 1" damping="2"/>
    <joint name="tilt" axis="0 1 0" damping=".5"/>
    <geom type="box" size=".1 .08 .02" gap=".02" margin=".03"/>
    <body name="tip" pos=".15 0 0"><joint name="bend" axis="0 1 0" damping=".5"/>
      <geom type="capsule" size=".03" fromto="-.1 0 0 .1 0 0" margin=".02"/>
    </body>
  </body>
  <body name="part" pos="0 0 .225"><freejoint/><geom type="box" size=".06 .06 .05"/></body>
  <body name="foot" pos=".5 0 .049"><freejoint/><geom type="sphere" size=".05"/><geom type="box" size=".04 .03 .05"
    pos=".1 0 0"/></body>
</worldbody>
<actuator><adhesion name="grip" body="finger" ctrlrange="0 1" gain="20"/>
  <adhesion name="tip" body="tip" ctrlrange="0 1" gain="5"/><adhesion name="foot" body="foot" ctrlrange="0 1" gain="9"/>
  <motor joint="lift" gear="2"/></actuator></mujoco>"""

# Actuators that act late: held, linear and cubic, by less than a step, by no whole number of steps, by more than they
# keep; with activations and limits; one that keeps a history and follows at once; and one beside them without.
DELAYED = """
<mujoco><option timestep="0.004"/><worldbody>
  <body pos="0 0 1"><joint name="j1" axis="0 1 0" damping=".1"/><geom type="capsule" size=".04" fromto="0 0 0 .4 0 0"/>
    <body pos=".4 0 0"><joint name="j2" axis="0 1 0" damping=".1"/><geom type="capsule" size=".04" fromto="0 0 0 .3 0 0"/>
      <body pos=".3 0 0"><joint name="j3" type="ball" damping=".05"/><geom type="capsule" size=".03" fromto="0 0 0 .2 .1 0"/>
      </body></body></body>
</worldbody><actuator>
  <motor name="held" joint="j1" gear="3" delay=".0109" nsample="4" interp="zoh"/>
  <position name="linear" joint="j2" kp="20" kv="1" ctrlrange="-.8 .8" delay=".0171" nsample="6" interp="linear"/>
  <general name="cubic" joint="j2" dyntype="filter" dynprm=".03" gainprm="3" delay=".0146" nsample="7" interp="cubic"/>
  <motor name="none" joint="j1"/>
  <motor name="at once" joint="j1" nsample="3" interp="linear"/>
  <motor name="soon" joint="j3" gear="1 2 0 0 0 0" delay=".0021" nsample="4" interp="cubic"/>
  <motor name="few" joint="j3" gear="1 0 1 0 0 0" delay=".9" nsample="5" interp="linear"/>
  <motor name="two" joint="j3" gear="0 0 1 0 0 0" delay=".0061" nsample="2" interp="cubic"/>
  <muscle name="muscle" joint="j2" lengthrange="-1 1" force="20" delay=".0094" nsample="5" interp="linear"/>
  <pid name="several" joint="j1" kp="9" kv=".5" input="pos vel" delay=".0141" nsample="6" interp="linear"/>
</actuator></mujoco>"""
# Surfaces that run and surfaces that stick, with every condim and priority, within their gap and beyond it; a <pair>.
SURFACES = """
<mujoco><option timestep="0.004" cone="elliptic"/><default><geom friction=".6 .03 .01"/></default><worldbody>
  <geom name="belt" type="plane" size="5 5 1" surfacevel=".4 -.1 .2 0 0 .7" adhesion="2" gap=".3"/>
  <body name="block" pos="0 0 .1"><freejoint/><geom type="box" size=".2 .15 .15" condim="4" adhesion="3"/>
    <body name="arm" pos="0 0 .2"><joint name="bend" axis="0 1 0" damping=".5"/>
      <geom name="arm" type="capsule" size=".08" fromto="0 0 0 .4 0 0" condim="6" surfacevel="0 0 0 2 0 0"/></body></body>
  <body name="ball" pos=".6 0 .1"><freejoint/>
    <geom name="ball" size=".15" adhesion="5" gap=".1" margin=".02" surfacevel=".1 .2 .3 .4 .5 .6" priority="1"/></body>
  <body name="pad" pos="-.7 .1 .1"><joint type="slide" axis="0 0 1" damping="1"/><joint type="slide" axis="1 0 0" damping="1"/>
    <geom name="pad" type="capsule" size=".1 .15" condim="6" adhesion="1" surfacevel="0 0 0 0 0 -2"/></body>
  <body name="foot" pos="0 .8 .1"><joint axis="1 .6 .2" damping=".5"/><joint type="slide" axis="0 .1 1" damping="1"/>
    <geom name="foot" type="box" size=".2 .15 .1" condim="1" adhesion="1"/></body>
</worldbody><contact>
  <pair geom1="belt" geom2="arm" condim="4" adhesion="7" gap=".2" margin=".01" friction=".5 .4 .03 .01 .01" solreffriction=".03 1.2"/>
  <pair geom1="foot" geom2="belt" condim="3" solreffriction=".03 1.2"/>
</contact></mujoco>"""
# The same with the exact inverse inertia of each constraint; an arm with a limit and friction loss.
EXACT_SURFACES = SURFACES.replace('"elliptic"/>', '"elliptic"><flag diagexact="enable"/></option>').replace(
    'axis="0 1 0" damping=".5"/>', 'axis="0 1 0" damping=".5" frictionloss=".3" range="-2 2"/>'
)
