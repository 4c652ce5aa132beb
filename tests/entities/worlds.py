"""A scene with three entities of different kinds, for tests of the entities' interface."""

import tempfile
from pathlib import Path

import mujoco
import numpy as np
import torch

import genesis as gs

# Fixed base, hinges and a slide, a link without a joint, three actuators of which one has an activation.
ARM = """
<mujoco><worldbody>
  <body name="base" pos="0 0 .1"><geom type="box" size=".1 .1 .1"/>
    <body name="upper" pos="0 0 .1"><joint name="shoulder" axis="0 1 0" damping=".3" armature=".02" stiffness="1"/>
      <geom type="capsule" size=".04" fromto="0 0 0 .1 .05 .4"/>
      <body name="fore" gravcomp=".2" pos=".1 .05 .4" quat=".9 .1 .2 .3">
        <joint name="elbow" axis="1 1 0" pos=".01 .02 0" damping=".2" armature=".01"/>
        <geom type="capsule" size=".03" fromto="0 0 0 .3 0 .1"/>
        <body name="tip" pos=".3 0 .1"><joint name="slider" type="slide" axis="1 0 1" damping=".5" range="-.1 .2"/>
          <geom type="sphere" size=".05" pos=".02 .01 0"/>
          <body name="tool" pos=".05 0 0" euler="0 30 0"><geom type="box" size=".02 .03 .04"/></body>
        </body>
      </body>
    </body>
  </body>
</worldbody>
<actuator>
  <motor name="pull" joint="shoulder" gear="2"/>
  <position name="hold" joint="elbow" kp="5" kv=".5" forcerange="-20 30"/>
  <general name="slow" joint="slider" dyntype="filter" dynprm=".1" gainprm="3"/>
</actuator></mujoco>"""

# A free base that carries a ball joint and a hinge.
FLOATER = """
<mujoco><worldbody>
  <body name="hull" pos="1 0 1"><freejoint name="root"/>
    <geom type="box" size=".1 .2 .05" pos=".05 .02 0"/>
    <body name="pod" pos=".1 .1 -.1"><joint name="socket" type="ball" damping=".1" armature=".01"/>
      <geom type="capsule" size=".04" fromto="0 0 0 0 .1 -.3"/>
      <body name="flap" pos="0 .1 -.3"><joint name="flap" axis="1 0 0" stiffness="2" springref="10"/>
        <geom type="box" size=".1 .05 .01" pos=".05 0 0"/>
      </body>
    </body>
  </body>
</worldbody></mujoco>"""

N_DOFS = {"arm": 3, "floater": 10, "block": 0}
N_QS = {"arm": 3, "floater": 12, "block": 0}
N_LINKS = {"arm": 5, "floater": 3, "block": 1}


def world(n_envs=0, *, requires_grad=True, dt=0.004, **options):
    """(scene, arm, floater, block), built."""
    scene, *entities = unbuilt(requires_grad=requires_grad, dt=dt, **options)
    scene.build(n_envs=n_envs)
    return scene, *entities


def unbuilt(*, requires_grad=True, dt=0.004, integrator=None, **options):
    """(scene, arm, floater, block), before build()."""
    scene = gs.Scene(
        sim_options=gs.options.SimOptions(dt=dt, requires_grad=requires_grad, **options),
        rigid_options=gs.options.RigidOptions(disable_constraint=True, integrator=integrator),
    )
    arm = scene.add_entity(gs.morphs.MJCF(file=_file("arm.xml", ARM)), name="arm")
    floater = scene.add_entity(gs.morphs.MJCF(file=_file("floater.xml", FLOATER)), name="floater")
    block = scene.add_entity(gs.morphs.Box(size=(0.2, 0.3, 0.4), pos=(-1, 0, 0.2), fixed=True), name="block")
    return scene, arm, floater, block


_folder = tempfile.TemporaryDirectory()  # removed when the process ends


def _file(name, text):
    path = Path(_folder.name) / name
    path.write_text(text)
    return path


def scatter_state(scene, seed=0):
    """Put every entity into a random state, another one in each env; returns (qpos, qvel), numpy, (N, nq) and (N, nv)."""
    rng = np.random.default_rng(seed)
    model = scene.mj_model
    n = max(scene.n_envs, 1)
    qpos, qvel = np.tile(model.qpos0, (n, 1)), 0.7 * rng.standard_normal((n, model.nv))
    for row in qpos:
        mujoco.mj_integratePos(model, row, 0.5 * rng.standard_normal(model.nv), 1.0)
    for entity in scene.entities:
        if entity.n_dofs:
            q = torch.as_tensor(qpos[:, entity.q_start : entity.q_end])
            v = torch.as_tensor(qvel[:, entity.dof_start : entity.dof_end])
            entity.set_qpos(q if scene.n_envs else q[0])
            entity.set_dofs_velocity(v if scene.n_envs else v[0])
    return qpos, qvel


def reference(scene, qpos, qvel):
    """MuJoCo's data at one env's state, after mj_forward."""
    data = mujoco.MjData(scene.mj_model)
    data.qpos, data.qvel = qpos, qvel
    mujoco.mj_forward(scene.mj_model, data)
    return data


def state_numbers(scene):
    """The scene's whole state as one plain tensor, (N, nq + nv + na), without graph."""
    return scene.world.state.detach().clone()


# A trunk on a slide with a leg on a hinge beyond its limit, and an arm on a ball joint beyond its own; foot and trunk
# touch the floor, foot and hand each other (an explicit pair); the visual geom touches nothing.
WALKER = """
<mujoco><worldbody>
  <body name="trunk" pos="0 0 .34"><joint name="lift" type="slide" axis=".1 0 1" damping="1" frictionloss=".7"/>
    <geom name="trunk" type="ellipsoid" size=".1 .06 .34" mass="2" condim="4" friction=".7 .02 .002"
      contype="2" conaffinity="0"/>
    <geom name="shell" type="sphere" size=".3" contype="0" conaffinity="0" mass="0"/>
    <body name="leg" pos=".15 0 -.05">
      <joint name="knee" axis="0 1 0" range="-20 10" frictionloss=".3" damping=".1" armature=".01"/>
      <geom name="foot" type="capsule" size=".04" fromto="0 0 0 .05 0 -.245" condim="6" friction=".6 .03 .01"/>
    </body>
    <body name="arm" pos=".3 0 0"><joint name="socket" type="ball" range="0 30" damping=".1" armature=".01"/>
      <geom name="hand" type="sphere" size=".05" pos="-.06 .057 -.2" contype="0" conaffinity="0"/>
    </body>
  </body>
</worldbody>
<contact>
  <pair geom1="foot" geom2="hand" condim="6" friction=".5 .4 .02 .01 .008" solreffriction=".03 1.1"/>
</contact></mujoco>"""

WALKER_STATE = {  # slide, hinge beyond its range, ball turned by more than 30 degrees
    "qpos": (-0.004, 0.2, 0.9465, 0.1, 0.3, 0.05),
    "qvel": (-0.1, 0.5, 0.2, -0.1, 0.3),
}


def touching_world(n_envs=0, *, requires_grad=True, cone=None, tolerance=0.0):
    """(scene, floor, walker, ball, block), built, every one of them in contact; by default the solver iterates to the end."""
    scene = gs.Scene(
        sim_options=gs.options.SimOptions(dt=0.004, requires_grad=requires_grad),
        rigid_options=gs.options.RigidOptions(
            friction_cone=gs.friction_cone.elliptic if cone == "elliptic" else gs.friction_cone.pyramidal,
            integrator=gs.integrator.implicitfast,
            tolerance=tolerance,
            iterations=100,
        ),
    )
    floor = scene.add_entity(gs.morphs.Plane(contype=1, conaffinity=3), name="floor")
    walker = scene.add_entity(gs.morphs.MJCF(file=_file("walker.xml", WALKER)), name="walker")
    ball = scene.add_entity(gs.morphs.Sphere(radius=0.1, pos=(1, 0, 0.098), contype=1, conaffinity=1), name="ball")
    block = scene.add_entity(
        gs.morphs.Box(size=(0.2, 0.3, 0.4), pos=(1.19, 0.02, 0.196), contype=1, conaffinity=1), name="block"
    )
    scene.build(n_envs=n_envs)
    settle(scene)
    return scene, floor, walker, ball, block


def settle(scene):
    """Put a touching world into its state: sliding, turning, beyond limits, a little different in each env."""
    _, walker, ball, block = scene.entities

    def each(values, change):
        value = torch.tensor(values)
        return (
            torch.stack([value + env * torch.tensor(change) for env in range(scene.n_envs)]) if scene.n_envs else value
        )

    walker.set_qpos(each(WALKER_STATE["qpos"], (-0.001, 0.01, 0.0, 0.0, 0.02, 0.0)))
    walker.set_dofs_velocity(each(WALKER_STATE["qvel"], 0.03))
    ball.set_qpos(each((1.0, 0.0, 0.098, 1.0, 0.1, 0.2, 0.3), 0.001))
    ball.set_dofs_velocity(each((0.3, 0.1, -0.1, 1.0, 2.0, 0.5), 0.05))
    block.set_qpos(each((1.19, 0.02, 0.196, 1.0, 0.01, -0.005, 0.02), 0.0005))
    block.set_dofs_velocity(each((-0.1, 0.2, -0.05, 0.3, 0.1, 0.5), 0.03))
