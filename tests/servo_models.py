"""Robots on PID servos and DC motors: actuators of several inputs and states."""

_OPTION = '<option timestep="0.002"/><default><geom contype="0" conaffinity="0"/></default>'

# An arm on PID servos of all kinds: on hinges, a slide, a tendon that bears only so much, a ball joint, and between two
# sites; with integrals that are limited and setpoints that move only so fast, and other actuators among them.
PID_ARM = f"""
<mujoco>{_OPTION}<worldbody><site name="ground" pos="0 0 .5"/>
<body name="upper" pos="0 0 .6"><joint name="shoulder" axis="0 1 0" damping=".1" armature=".01"/>
  <geom type="capsule" size=".03" fromto="0 0 0 .3 0 0"/>
  <body name="lower" pos=".3 0 0"><joint name="elbow" axis="0 1 0" damping=".1" armature=".01"/>
    <geom type="capsule" size=".025" fromto="0 0 0 .25 0 0"/>
    <body name="hand" pos=".25 0 0"><joint name="slide" type="slide" axis="1 0 0" damping="1" armature=".01"/>
      <geom type="box" size=".03 .03 .03"/>
      <body name="wrist" pos=".05 0 0"><joint name="wrist" type="ball" damping=".02" armature=".01"/>
        <geom type="box" size=".05 .02 .03" pos=".05 0 0"/><site name="tip" pos=".1 0 0"/></body></body></body></body>
</worldbody>
<tendon><fixed name="both" actuatorfrcrange="-3 3"><joint joint="elbow" coef=".7"/><joint joint="slide" coef="-.4"/></fixed>
</tendon>
<actuator>
<pid name="shoulder" joint="shoulder" kp="30" kv="2" ki="15" imax=".02" slewmax="1.5" ctrlrange="-1.5 1.5" gear="1.2"/>
<motor name="push" joint="slide" gear=".5"/>
<pid name="elbow" joint="elbow" input="pos vel ff" kp="20" kv="1" ki="8" forcerange="-4 4" ffrange="-.5 .5"/>
<pid name="slide" joint="slide" input="vel ff" kp="50" kv="6" velrange="-.3 .3"/>
<general name="both" tendon="both" input="pos" gaintype="pid" gainprm="2" biastype="affine" biasprm="0 -9 -.5"
  dyntype="pid" dynprm="0 .8" actrange="-.1 .2" actearly="true"/>
<position name="also" tendon="both" kp="3" kv=".2"/>
<pid name="wrist" joint="wrist" kp="2" kv=".1" ki="3" slewmax="4" gear="0 1 .5"/>
<pid name="tip" site="tip" refsite="ground" input="pos vel" kp="1" kv=".1" ki=".5" gear="0 0 0 .3 1 .2"/>
</actuator></mujoco>"""

# A cart with a pole and two discs, on motors with and without inductance, controller, cogging, bristles, heat and limits.
DC_CART = f"""
<mujoco>{_OPTION}<worldbody>
<body name="cart"><joint name="x" type="slide" axis="1 0 0" damping=".1"/><geom type="box" size=".1 .05 .05" mass="1"/>
  <body name="pole"><joint name="hinge" axis="0 1 0" damping=".01" armature=".02"/>
    <geom type="capsule" size=".02" fromto="0 0 0 0 0 .4" mass=".3"/>
    <body name="fan" pos="0 0 .4"><joint name="fan" axis="0 0 1" armature=".01"/>
      <geom type="box" size=".1 .02 .01" mass=".1"/>
      <body name="disc" pos="0 0 .1"><joint name="disc" axis="1 0 0" armature=".01"/>
        <geom type="box" size=".05 .05 .01" mass=".1"/></body></body></body></body></worldbody>
<actuator>
<dcmotor name="drive" joint="x" gear="2" motorconst=".3 .3" resistance="1.5" inductance=".05 .033" cogging=".04 7 .3"
  lugre="10 .4 .5 .8 .1" thermal="2 5 0 .004 25 20"/>
<dcmotor name="servo" joint="hinge" gear="3" input="pos vel ff voltage" motorconst=".2 .2" resistance="2"
  controller="4 1.5 .3 2 .2 9" saturation="2 5 40" inductance="0 .01"/>
<dcmotor name="passive" joint="fan" input="none" motorconst=".1 .1" resistance="3" cogging=".02 5 0" lugre="5 .1 .1 .2 .3"/>
<dcmotor name="plain" joint="disc" motorconst=".1 .1" resistance="3" thermal="2 5 0 .004 25 20"/>
<dcmotor name="tight" joint="hinge" motorconst=".2 .2" resistance="2" saturation=".05 0 0" cogging=".02 3 1"
  lugre="3 .05 .1 .2 .3"/>
<dcmotor name="speed" joint="disc" input="vel" gear=".4" motorconst=".1 .1" resistance="3" controller="0 0 .2 3 0 0"/>
</actuator></mujoco>"""

# A base that leans, with an arm of two ball joints, turned by orientation servos: of rotation vectors and of quaternions,
# on a joint and between sites, with and without a bound of the torque; two of them integrate.
ORIENTATIONS = f"""
<mujoco>{_OPTION}<worldbody><site name="room" pos="0 0 1" euler="20 30 0"/>
<body name="base" pos="0 0 .6"><joint name="lift" type="slide" axis="0 0 1" stiffness="80" damping="2"/>
  <joint name="lean" axis="0 1 .2" damping=".2" armature=".01"/><geom type="box" size=".1 .05 .05"/>
  <site name="back" pos="-.1 0 0" euler="0 10 40"/>
  <body name="upper" pos=".1 0 0"><joint name="shoulder" type="ball" damping=".05" armature=".01"/>
    <geom type="capsule" size=".03" fromto="0 0 0 .3 0 0"/>
    <body name="lower" pos=".3 0 0"><joint name="wrist" type="ball" damping=".05" armature=".01"/>
      <geom type="box" size=".08 .03 .02" pos=".08 0 0"/><site name="tip" pos=".1 0 .02" euler="50 0 10"/></body></body></body>
</worldbody>
<actuator>
<orientation name="shoulder" joint="shoulder" kp="12" kv=".8"/>
<motor name="lean" joint="lean"/>
<orientation name="wrist" joint="wrist" input="quat" kp="3" kv=".2" forcerange="0 1.1"/>
<orientation name="tip" site="tip" refsite="back" kp="2" kv=".1" forcerange="0 50" ctrlrange="-1 1"/>
<orientation name="level" site="tip" refsite="room" input="quat" kp=".5"/>
<general name="turn" joint="shoulder" gaintype="so3" biastype="so3" dyntype="integrator" gainprm="3" biasprm=".1 -3 -.2"/>
<general name="early" site="tip" refsite="back" gaintype="so3" biastype="so3" dyntype="integrator" gainprm="1"
  biasprm="0 -1 -.1" actrange="-2 2.5" actearly="true"/>
</actuator></mujoco>"""

SERVOS = {"PID arm": PID_ARM, "DC cart": DC_CART, "orientations": ORIENTATIONS}

# Everything that keeps a state, in one robot: activations, histories, bristles that follow a velocity, plastic springs;
# and behind an orientation servo, which has three forces, muscles whose ranges of lengths are found, motors and sensors.
MIXED = f"""
<mujoco>{_OPTION}<worldbody>
<body name="base" pos="0 0 1"><joint name="turn" type="ball" damping=".05" armature=".01"/><geom type="box" size=".1 .05 .05"/>
  <body name="rod" pos=".2 0 0"><joint name="slide" type="slide" axis="1 0 0" range="-1 1" stiffness="20" springyield=".002"
      damping=".5"/><geom type="capsule" size=".03" fromto="0 0 0 .3 0 0"/>
    <body name="disc" pos=".3 0 0"><joint name="disc" axis="0 0 1" armature=".01" damping=".01"/>
      <geom type="box" size=".05 .05 .01" mass=".1"/></body></body></body></worldbody>
<tendon><fixed name="both" stiffness="3" springyield=".001"><joint joint="slide" coef=".7"/><joint joint="disc" coef="-.4"/></fixed></tendon>
<actuator><orientation name="turn" joint="turn" kp="5" kv=".3"/>
<muscle name="one" joint="slide" force="3"/><muscle name="two" joint="slide" force="3" gear="-2"/>
<motor name="late" joint="disc" delay=".006" nsample="4"/>
<dcmotor name="brush" joint="disc" gear="2" motorconst=".1 .1" resistance="3" lugre="5 .1 .1 .2 .3"/>
<pid name="pid" joint="slide" kp="30" kv="2" ki="15" slewmax="1.5" delay=".004" nsample="3" interp="linear"/>
<general name="filter" joint="disc" dyntype="filterexact" dynprm=".05" gear=".3"/></actuator>
<sensor><actuatorpos actuator="two"/><actuatorvel actuator="brush"/><actuatorfrc actuator="filter"/><actuatorpos actuator="pid"/></sensor></mujoco>"""
