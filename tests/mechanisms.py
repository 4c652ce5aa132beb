"""Mechanisms that constraints hold together: robots that nobody could simulate without them."""

_BAR = (
    '<body name="crank" pos="0 0 .5"><joint name="j1" axis="0 1 0" damping=".05"/>'
    '<geom type="capsule" size=".02" fromto="0 0 0 0 0 .2" contype="0" conaffinity="0"/>'
    '<body name="coupler" pos="0 0 .2"><joint name="j2" axis="0 1 0" damping=".05"/>'
    '<geom type="capsule" size=".02" fromto="0 0 0 .3 0 .1" contype="0" conaffinity="0"/>'
    '<body name="rocker" pos=".3 0 .1"><joint name="j3" axis="0 1 0" damping=".05"/>'
    '<geom type="capsule" size=".02" fromto="0 0 0 0 0 -.3" contype="0" conaffinity="0"/><site name="foot" pos="0 0 -.3"/>'
    "{more}</body></body></body>"
)


def four_bar(loop: str) -> str:
    """Three hinged bars whose end is held at the ground: by a connect, a weld of one more hinged body, or sites; or
    the angles that make a parallelogram of them, by equality of joints."""
    more = ""
    if loop == "weld":
        more = (
            '<body name="last" pos="0 0 -.3"><joint name="j4" axis="0 1 0" damping=".05"/>'
            '<geom type="box" size=".03 .03 .03" contype="0" conaffinity="0"/></body>'
        )
    equality = {
        "connect": '<connect body1="rocker" anchor="0 0 -.3"/>',
        "connect of sites": '<connect site1="foot" site2="ground"/>',
        "weld": '<weld body1="last"/>',
        "joint": '<joint joint1="j2" joint2="j1" polycoef="0 -1 .2 0 0"/><joint joint1="j3" joint2="j2"/>',
    }[loop]
    return (
        '<mujoco><option timestep="0.002" tolerance="1e-12" iterations="50"/><worldbody><site name="ground" '
        f'pos=".3 0 .5"/>{_BAR.format(more=more)}</worldbody><equality>{equality}</equality>'
        '<actuator><motor joint="j1" gear=".5"/></actuator></mujoco>'
    )


# Two fingers that an equality of joints keeps together, driven by one actuator on a tendon over both, on a moving wrist.
GRIPPER = """
<mujoco><option timestep="0.002" tolerance="1e-12" iterations="50"/><worldbody>
<body name="wrist" pos="0 0 .6"><joint name="roll" axis="1 0 .3" damping=".1"/><geom type="box" size=".04 .1 .03"
  contype="0" conaffinity="0"/>
  <body name="left" pos="0 .04 -.06"><joint name="l" type="slide" axis="0 1 0" range="-.02 .04" damping="5" armature=".05"/>
    <geom name="lg" type="box" size=".01 .01 .03" contype="0" conaffinity="0"/></body>
  <body name="right" pos="0 -.04 -.06"><joint name="r" type="slide" axis="0 -1 0" range="-.02 .04" damping="5"
    armature=".05"/><geom name="rg" type="box" size=".01 .01 .03" contype="0" conaffinity="0"/></body></body>
</worldbody>
<tendon><fixed name="split" actuatorfrcrange="-20 20"><joint joint="l" coef=".5"/><joint joint="r" coef=".5"/></fixed>
</tendon>
<equality><joint joint1="l" joint2="r" solimp=".95 .99 .001" solref=".005 1"/></equality>
<actuator><general name="grip" tendon="split" gainprm="300" biastype="affine" biasprm="0 -300 -10" ctrlrange="0 .04"/>
</actuator></mujoco>"""

# Two fingers of three joints each, whose tendons are limited, rub and spring back.
HAND = """
<mujoco><option timestep="0.002" tolerance="1e-12" iterations="50"/><default><joint damping=".02" armature=".001"/>
<geom contype="0" conaffinity="0"/></default><worldbody>
<body name="palm" pos="0 0 .3"><geom type="box" size=".05 .05 .02"/>
  <body name="i1" pos=".03 0 .02"><joint name="i1" axis="0 1 0"/><geom type="capsule" size=".01" fromto="0 0 0 0 0 .05"/>
    <body name="i2" pos="0 0 .05"><joint name="i2" axis="0 1 0"/><geom type="capsule" size=".01" fromto="0 0 0 0 0 .04"/>
      <body name="i3" pos="0 0 .04"><joint name="i3" axis="0 1 0"/><geom type="capsule" size=".01" fromto="0 0 0 0 0 .03"/>
      </body></body></body>
  <body name="m1" pos="-.03 0 .02"><joint name="m1" axis="0 1 0"/><geom type="capsule" size=".01" fromto="0 0 0 0 0 .05"/>
    <body name="m2" pos="0 0 .05"><joint name="m2" axis="0 1 0"/><geom type="capsule" size=".01" fromto="0 0 0 0 0 .04"/>
    </body></body></body></worldbody>
<tendon>
<fixed name="flex" range="-.3 .5" stiffness=".4" springlength="-.1 .1" damping=".01" frictionloss=".005" armature="1e-4">
  <joint joint="i1" coef="1"/><joint joint="i2" coef=".8"/><joint joint="i3" coef=".5"/></fixed>
<fixed name="both" range="-.4 .4" margin=".01" solreflimit=".03 1"><joint joint="i1" coef="1"/><joint joint="m1" coef="-1"/>
</fixed><fixed name="tip" frictionloss=".003" stiffness=".2"><joint joint="m2" coef="1"/><joint joint="m1" coef="-.5"/>
</fixed></tendon>
<equality><tendon tendon1="tip" tendon2="flex" polycoef="0 .3 .1 0 0"/></equality>
<actuator><motor tendon="flex" gear=".3"/><motor joint="m1" gear=".1"/></actuator></mujoco>"""

# Free bodies welded to each other, the first to the world, as a rope of stiff links.
WELDED_CHAIN = (
    '<mujoco><option timestep="0.002" tolerance="1e-12" iterations="50"/><worldbody>'
    + "".join(
        f'<body name="b{k}" pos="{0.2 * k} 0 1"><freejoint/><geom type="box" size=".08 .03 .02" contype="0" '
        'conaffinity="0"/></body>'
        for k in range(4)
    )
    + '</worldbody><equality><weld body1="b0"/><weld body1="b0" body2="b1" torquescale=".5"/>'
    '<weld body1="b1" body2="b2" solref=".05 .7"/><connect body1="b2" body2="b3" anchor=".1 0 0"/></equality></mujoco>'
)

# A free box that a weld drags after a mocap body, as teleoperation drives a robot.
MOCAP_DRIVEN = """
<mujoco><option timestep="0.002" tolerance="1e-12" iterations="50"/><worldbody>
<body name="hand" mocap="true" pos="0 0 .5"><geom type="box" size=".02 .02 .02" contype="0" conaffinity="0"/></body>
<body name="tool" pos="0 0 .5"><freejoint/><geom type="box" size=".05 .03 .1" contype="0" conaffinity="0"/>
  <body name="flap" pos="0 0 -.1"><joint axis="0 1 0" damping=".01"/><geom type="capsule" size=".02" fromto="0 0 0 0 0 -.2"
    contype="0" conaffinity="0"/></body></body>
</worldbody><equality><weld body1="hand" body2="tool" solref=".04 1" torquescale=".3"/></equality></mujoco>"""

_LINK = '<inertial><mass value=".3"/><inertia ixx=".002" iyy=".003" izz=".004" ixy="0" ixz="0" iyz="0"/></inertial>'
# A gripper of URDF: the second finger and its tip follow the first, the one with an offset, the other the other way.
MIMIC_URDF = (
    '<robot name="gripper">'
    + "".join(f'<link name="{name}">{_LINK}</link>' for name in ("palm", "left", "right", "tip"))
    + '<joint name="drive" type="revolute"><parent link="palm"/><child link="left"/><origin xyz="0 .05 .1"/>'
    '<axis xyz="1 0 0"/><limit lower="-.5" upper=".8" effort="10" velocity="1"/><dynamics damping=".1"/></joint>'
    '<joint name="follow" type="revolute"><parent link="palm"/><child link="right"/><origin xyz="0 -.05 .1"/>'
    '<axis xyz="1 0 0"/><limit lower="-2" upper="2" effort="10" velocity="1"/><dynamics damping=".1"/>'
    '<mimic joint="drive" multiplier="-1.2" offset=".1"/></joint>'
    '<joint name="bend" type="prismatic"><parent link="left"/><child link="tip"/><origin xyz="0 0 .1"/>'
    '<axis xyz="0 1 0"/><limit lower="-1" upper="1" effort="10" velocity="1"/><dynamics damping="1"/>'
    '<mimic joint="drive" multiplier=".05"/></joint></robot>'
)

# An arm of two joints that six muscles pull over shapes: around a cylinder on either side, through a ring, and over a
# ball; their ranges of length are MuJoCo's to find. All switch smoothly between activating and deactivating: else the
# motion has a kink wherever an activation has caught up with its control.
MUSCLE_ARM = """
<mujoco><option timestep="0.002" tolerance="1e-12" iterations="50"/>
<default><geom contype="0" conaffinity="0"/><muscle ctrllimited="true" ctrlrange="0 1"/></default>
<worldbody><site name="chest" pos="-.1 .03 .6"/><site name="back" pos="-.1 -.06 .6"/><site name="over" pos="0 0 .7"/>
<geom name="shoulder" type="cylinder" size=".04 .05" pos="0 0 .6" euler="0 90 0" mass="1"/><site name="side" pos="0 .1 .62"/>
<body name="upper" pos="0 0 .6"><joint name="shoulder" axis="1 0 0" range="-100 80" damping=".2" armature=".01"/>
  <joint name="twist" axis="0 0 1" range="-40 40" damping=".2" armature=".01"/>
  <geom type="capsule" size=".03" fromto="0 0 0 0 0 -.3"/>
  <site name="u1" pos="0 .04 -.12"/><site name="u2" pos="0 -.04 -.12"/><site name="u3" pos="0 .035 -.2"/>
  <site name="u4" pos="0 -.035 -.18"/><geom name="elbow" type="sphere" size=".035" pos="0 0 -.3" mass=".1"/>
  <site name="before" pos="0 .06 -.3"/><site name="ring" pos="0 .01 -.3"/>
  <body name="lower" pos="0 0 -.3"><joint name="elbow" axis="1 0 0" range="-10 120" damping=".1" armature=".01"/>
    <geom type="capsule" size=".025" fromto="0 0 0 0 0 -.25"/><site name="l1" pos="0 .03 -.08"/>
    <site name="l2" pos="0 -.03 -.07"/></body></body></worldbody>
<tendon>
<spatial name="front"><site site="chest"/><geom geom="shoulder" sidesite="side"/><site site="u1"/></spatial>
<spatial name="rear"><site site="back"/><geom geom="shoulder"/><site site="u2"/></spatial>
<spatial name="biceps" stiffness="20" springlength="0 .25"><site site="u3"/><geom geom="elbow" sidesite="before"/>
  <site site="l1"/></spatial>
<spatial name="triceps" damping=".5"><site site="u4"/><geom geom="elbow"/><site site="l2"/></spatial>
<spatial name="long"><site site="chest"/><site site="u1"/><pulley divisor="2"/><site site="u3"/><site site="l1"/></spatial>
<spatial name="threaded" frictionloss=".1"><site site="u3"/><geom geom="elbow" sidesite="ring"/><site site="l1"/></spatial>
</tendon>
<actuator><muscle tendon="front" force="60" tausmooth=".2"/><muscle tendon="rear" force="60" tausmooth=".1"/>
<muscle tendon="biceps" force="40" range=".7 1.2" tausmooth=".2"/><muscle tendon="triceps" force="40" vmax="2" tausmooth=".1"/>
<muscle tendon="long" scale="30" timeconst=".02 .06" tausmooth=".2"/>
<muscle tendon="threaded" force="30" fpmax="2" tausmooth=".2"/></actuator></mujoco>"""

# Two fingers on strings that run over pulleys, pulled in by motors and back by springs.
STRING_HAND = """
<mujoco><option timestep="0.002" tolerance="1e-12" iterations="50"/><default><geom contype="0" conaffinity="0"/>
<joint damping=".02" armature=".001"/></default><worldbody>
<body name="palm" pos="0 0 .3"><joint name="wrist" axis="1 0 0" damping=".1" stiffness="2"/><geom type="box" size=".05 .05 .02"/>
  <site name="p1" pos=".045 0 .01"/><site name="p2" pos="-.045 0 .01"/><site name="drum" pos="0 .03 -.02"/>
  <body name="i1" pos=".03 0 .02"><joint name="i1" axis="0 1 0"/><geom type="capsule" size=".01" fromto="0 0 0 0 0 .05"/>
    <site name="i1" pos=".015 0 .03"/><geom name="knuckle" type="cylinder" size=".012 .02" pos="0 0 .05" euler="90 0 0"/>
    <body name="i2" pos="0 0 .05"><joint name="i2" axis="0 1 0"/><geom type="capsule" size=".01" fromto="0 0 0 0 0 .04"/>
      <site name="i2" pos=".014 .002 .03"/></body></body>
  <body name="m1" pos="-.03 0 .02"><joint name="m1" axis="0 1 0"/><geom type="capsule" size=".01" fromto="0 0 0 0 0 .05"/>
    <site name="m1" pos="-.015 0 .04"/></body></body></worldbody>
<tendon><spatial name="pull" frictionloss=".02" armature=".0"><site site="drum"/><site site="p1"/><site site="i1"/>
  <geom geom="knuckle"/><site site="i2"/><pulley divisor="2"/><site site="drum"/><site site="p2"/><site site="m1"/></spatial>
<spatial name="rope" range="0 .09" limited="true" solreflimit=".03 1" armature=".02"><site site="i2"/><site site="m1"/></spatial>
<spatial name="spring" stiffness="30" damping=".1" springlength=".02"><site site="i1"/><site site="m1"/></spatial></tendon>
<equality><tendon tendon1="spring" polycoef="-.005 0 0 0 0" solref=".1 1"/></equality>
<actuator><motor tendon="pull" gear="-.5"/><position tendon="spring" kp="20" kv=".1" forcerange="-2 2"/></actuator></mujoco>"""

# A crank that a piston on a slider drives, and one that the wall drives.
SLIDER_CRANK = """
<mujoco><option timestep="0.002" tolerance="1e-12" iterations="50"/><default><geom contype="0" conaffinity="0"/></default>
<worldbody><site name="wall" pos=".6 0 .5" zaxis="1 0 0"/>
<body name="wheel" pos="0 0 .5"><joint name="wheel" axis="0 1 0" damping=".05" frictionloss=".02"/>
  <geom type="cylinder" size=".15 .02" euler="90 0 0"/><site name="crank" pos=".1 0 0"/></body>
<body name="block" pos="-.5 0 .5"><joint name="slide" type="slide" axis="0 0 1" damping="1"/><joint name="tip" axis="0 1 0"
  damping=".1"/><geom type="box" size=".05 .05 .05"/><site name="slider" pos=".05 0 0" zaxis="1 0 .1"/></body></worldbody>
<actuator><general cranksite="crank" slidersite="slider" cranklength=".6" gear="2" biastype="affine" gainprm="8"
  biasprm="1 -4 -.5"/><motor cranksite="crank" slidersite="wall" cranklength=".3"/></actuator></mujoco>"""

# A gripper that holds a part by sticking to it, while the part is pushed and its own foot sticks to the ground.
STICKY_GRIPPER = """
<mujoco><option timestep="0.002" tolerance="1e-12" iterations="50" cone="elliptic"/><worldbody>
<geom type="plane" size="2 2 1"/>
<body name="hand" pos="0 0 .26"><joint name="lift" type="slide" axis="0 0 1" damping="4" armature=".2"/>
  <joint name="tilt" axis="0 1 0" damping=".5" stiffness="4" frictionloss=".01"/><geom type="sphere" size=".05" pos=".1 0 0"/>
  <geom type="sphere" size=".05" pos="-.1 0 0"/></body>
<body name="part" pos="0 0 .1045"><freejoint/><geom type="box" size=".2 .1 .105"/></body></worldbody>
<actuator><adhesion body="hand" ctrlrange="0 1" gain="300"/><adhesion body="part" ctrlrange="0 1" gain="60"/>
<motor joint="lift" gear="3"/></actuator></mujoco>"""

MECHANISMS = {
    **{f"four-bar, {loop}": four_bar(loop) for loop in ("connect", "connect of sites", "weld", "joint")},
    "gripper": GRIPPER,
    "hand": HAND,
    "welded chain": WELDED_CHAIN,
    "mocap": MOCAP_DRIVEN,
    "mimic": MIMIC_URDF,
    "muscle arm": MUSCLE_ARM,
    "string hand": STRING_HAND,
    "slider-crank": SLIDER_CRANK,
    "sticky gripper": STICKY_GRIPPER,
}
