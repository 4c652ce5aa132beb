"""Robots whose kinematics is tested, and targets that they can reach."""

import torch

from tests import models, scenes

# Six hinges with axes and anchors of no particular place, so that a pose of the tool has finitely many solutions.
SIX = """
<mujoco><compiler angle="radian"/><worldbody><body name="base" pos=".1 -.2 .3" euler=".1 .2 .3">
  <geom type="box" size=".1 .1 .1"/>
  <body name="l1" pos="0 0 .2"><joint name="j1" axis="0 .1 1" range="-3 3"/><geom type="capsule" size=".04" fromto="0 0 0 0 0 .2"/>
  <body name="l2" pos=".05 0 .2" quat=".9 .2 -.1 .1"><joint name="j2" axis="0 1 .1" pos=".01 0 .02" range="-2 2"/>
    <geom type="capsule" size=".04" fromto="0 0 0 0 0 .4"/>
  <body name="l3" pos="0 .03 .4"><joint name="j3" axis=".1 1 0" range="-2.5 2.5"/><geom type="capsule" size=".03" fromto="0 0 0 .3 0 0"/>
  <body name="l4" pos=".3 0 .05"><joint name="j4" axis="1 0 .2" range="-3 3"/><geom type="capsule" size=".03" fromto="0 0 0 .1 0 0"/>
  <body name="l5" pos=".1 0 0"><joint name="j5" axis="0 1 0" pos="0 .01 0" range="-2 2"/><geom type="capsule" size=".03" fromto="0 0 0 .1 0 0"/>
  <body name="tool" pos=".1 .02 0" quat=".8 .1 .3 .2"><joint name="j6" axis="1 .1 0" range="-3 3"/><geom type="box" size=".02 .03 .04"/>
  </body></body></body></body></body></body></body></worldbody></mujoco>"""
SIX_QPOS = (0.3, 0.4, 0.7, -0.5, 0.6, 0.2)

# A free base, and on it a ball joint, a hinge without limits and a slide.
FLOATER = """
<mujoco><worldbody><body name="hull" pos="1 0 1"><freejoint name="root"/><geom type="box" size=".1 .2 .05" pos=".05 .02 0"/>
  <body name="pod" pos=".1 .1 -.1"><joint name="socket" type="ball" pos="0 0 .02"/><geom type="capsule" size=".04" fromto="0 0 0 0 .1 -.3"/>
  <body name="flap" pos="0 .1 -.3"><joint name="flap" axis="1 .2 0" ref="20"/><geom type="box" size=".1 .05 .01" pos=".05 0 0"/>
  <body name="rod" pos="0 .2 0"><joint name="rod" type="slide" axis="0 1 .3" range="-.2 .3"/><geom type="sphere" size=".03"/>
  </body></body></body></body></worldbody></mujoco>"""

HUMANOID = models.gymnasium_asset("humanoid.xml")


def build(source: str, n_envs: int = 0, **more):
    """(scene, robot) without constraints."""
    return scenes.build(source, n_envs=n_envs, **more)


def random_qpos(robot, n: int, seed: int = 0, share: float = 1.0) -> torch.Tensor:
    """(n, n_qs): hinges and slides anywhere within a share of their limits, or of half a turn."""
    generator = torch.Generator(device="cpu").manual_seed(seed)
    mj = robot.scene.mj_model
    start = torch.as_tensor(mj.qpos0).clone()[robot.q_start : robot.q_end]
    qpos = start.repeat(n, 1)
    for joint in robot.joints:
        j = robot.joint_start + robot.joints.index(joint)
        q = int(mj.jnt_qposadr[j]) - robot.q_start
        if mj.jnt_type[j] in (2, 3):
            low, high = mj.jnt_range[j] if mj.jnt_limited[j] else (-3.1, 3.1)
            middle, half = (low + high) / 2, share * (high - low) / 2
            qpos[:, q] = middle + half * (2 * torch.rand(n, generator=generator, dtype=torch.float64) - 1)
        else:
            turn = q + (3 if mj.jnt_type[j] == 0 else 0)
            if mj.jnt_type[j] == 0:
                qpos[:, q : q + 3] += 0.3 * torch.randn(n, 3, generator=generator, dtype=torch.float64)
            quat = torch.randn(n, 4, generator=generator, dtype=torch.float64)
            qpos[:, turn : turn + 4] = quat / quat.norm(dim=1, keepdim=True)
    return qpos
