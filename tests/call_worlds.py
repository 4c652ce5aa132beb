"""Scenes with one of everything, for tests of what public calls do with odd arguments; and all that a call may change."""

from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

import torch

import genesis as gs
from genesis.system import System
from tests.entities.worlds import WALKER, world

# Limits, friction loss, a ball joint, a pair, four kinds of shapes in contact; four actuators, one with activation; a
# tendon with all that it can have and an actuator's force in range; equalities that give way.
ROBOT = WALKER.replace(
    "<contact>",
    """<tendon>
  <fixed name="cable" limited="true" range="-.1 .05" springlength="-.01 .02" stiffness="20" damping=".3" armature=".02"
    frictionloss=".1"><joint joint="lift" coef=".8"/><joint joint="knee" coef=".5"/></fixed>
  <fixed name="band" stiffness="2"><joint joint="knee" coef="1"/></fixed>
</tendon>
<equality>
  <joint name="gear" joint1="knee" joint2="lift" polycoef=".1 .5 .2 0 0" solref=".3 1"/>
  <tendon name="both" tendon1="cable" tendon2="band" polycoef="0 .7 0 0 0" solref=".4 1"/>
  <connect name="pin" body1="arm" body2="leg" anchor=".01 .02 .05" solref=".3 1.2"/>
  <weld name="glue" body1="arm" body2="trunk" solref=".5 1" torquescale=".5"/>
</equality>
<actuator>
  <motor name="push" joint="knee" gear="2"/>
  <position name="hold" joint="lift" kp="5" kv=".5" forcerange="-20 30"/>
  <general name="slow" joint="knee" dyntype="filter" dynprm=".1" gainprm="3" ctrllimited="true" ctrlrange="-1 1"/>
  <motor name="twist" joint="socket" gear=".5 .2 .1 0 0 0"/>
</actuator>
<contact>""",
)
QPOS = (-0.004, 0.2, 0.9465, 0.1, 0.3, 0.05)  # slide, hinge beyond its range, ball turned by more than 30 degrees
QVEL = (-0.1, 0.5, 0.2, -0.1, 0.3)
CARRIER = '<mujoco><worldbody><body name="carrier" mocap="true" pos="1 .3 .4"/></worldbody></mujoco>'
BALL_QPOS, BALL_QVEL = (1.0, 0.0, 0.098, 1.0, 0.1, 0.2, 0.3), (0.3, 0.1, -0.1, 1.0, 2.0, 0.5)
N_ROWS = 3  # of the systems
KINDS = ("one", "three", "smooth")

_folder = TemporaryDirectory()  # removed when the process ends


@dataclass
class World:
    """A built scene in motion, to whose state `start` returns as often as wanted.

    Attributes:
        name: "one": n_envs 0, in contact; "three": n_envs 3, in contact; "smooth": n_envs 3, without constraints
        robot: has actuators
        free: has a free joint
        carrier: a mocap body to which `free` is welded, None in "smooth"
        system: of `N_ROWS` rows, controlled by actuators
        other: a scene of another kind
    """

    name: str
    scene: gs.Scene
    robot: object
    free: object
    system: System
    other: gs.Scene
    carrier: object = None
    references: dict = field(default_factory=dict)

    @property
    def n_envs(self):
        return self.scene.n_envs

    @property
    def path(self):
        return Path(_folder.name) / f"{self.name}_{self.scene.uid}.checkpoint"

    def start(self):
        """State, parameters, commands, step counter and the solver's guess as they were; nothing has a graph."""
        self.scene.load_checkpoint(self.path)

    def rows(self, value, change=0.01):
        """A tensor of this shape, a little different in each env."""
        value = torch.as_tensor(value, dtype=torch.float64)
        if not self.n_envs:
            return value
        return torch.stack([value + change * env for env in range(self.n_envs)])


def touching(n_envs, *, requires_grad=True):
    """(scene, robot, ball, carrier), built, everything in contact, the ball welded to the carrier."""
    scene = gs.Scene(
        sim_options=gs.options.SimOptions(dt=0.004, requires_grad=requires_grad),
        rigid_options=gs.options.RigidOptions(integrator=gs.integrator.implicitfast),
    )
    file = Path(_folder.name) / "robot.xml"
    file.write_text(ROBOT)
    scene.add_entity(gs.morphs.Plane(contype=1, conaffinity=3), name="floor")
    robot = scene.add_entity(gs.morphs.MJCF(file=file), name="robot")
    ball = scene.add_entity(gs.morphs.Sphere(radius=0.1, pos=(1, 0, 0.098), contype=1, conaffinity=1), name="ball")
    file = Path(_folder.name) / "carrier.xml"
    file.write_text(CARRIER)
    carrier = scene.add_entity(gs.morphs.MJCF(file=file), name="carrier")
    scene.build(n_envs=n_envs)
    scene.rigid_solver.add_weld_constraint(carrier.base_link, ball.base_link)
    scene.rigid_solver.set_weld_sol_params((0.3, 1.0, 0.9, 0.95, 0.001, 0.5, 2.0))
    return scene, robot, ball, carrier


def make(name):
    """One of `KINDS`."""
    if name == "smooth":
        scene, robot, free, _ = world(n_envs=3)
        found = World(name, scene, robot, free, System(scene, N_ROWS, "actuators"), world()[0])
        with torch.no_grad():
            found.robot.set_qpos(found.rows((0.1, -0.2, 0.05)))
            found.robot.set_dofs_velocity(found.rows((0.3, -0.1, 0.2)))
            found.free.set_dofs_velocity(found.rows(torch.linspace(-0.5, 0.4, 10)))
    else:
        scene, robot, free, carrier = touching(0 if name == "one" else 3)
        found = World(name, scene, robot, free, System(scene, N_ROWS, "actuators"), world()[0], carrier)
        with torch.no_grad():
            put_into_contact(found)
    with torch.no_grad():
        robot.control_actuators(found.rows(torch.full((robot.n_actuators,), 0.1)))
        free.control_dofs_force(0.1)
        scene.step()
    scene.save_checkpoint(found.path)
    return found


def put_into_contact(found):
    """Sliding, turning, beyond limits, a little different in each env."""
    found.robot.set_qpos(found.rows(QPOS, 0.001))
    found.robot.set_dofs_velocity(found.rows(QVEL, 0.03))
    found.free.set_qpos(found.rows(BALL_QPOS, 0.001))
    found.free.set_dofs_velocity(found.rows(BALL_QVEL, 0.05))


def snapshot(scene):
    """All that a call may change of a scene, copied: name -> tensor, number or None."""
    command = scene.world.commands.command
    parts = {
        "state": scene.world.state,
        "theta": scene.world.theta.packed(),
        "mode": command.switches.mode,
        "actuators_on": command.switches.actuators_on,
        "eq_active": command.switches.eq_active,
        "solution": scene.world.solution,
        **{f"command {key}": value for key, value in command.blocks.items()},
    }
    found = {name: None if value is None else value.detach().clone() for name, value in parts.items()}
    return {**found, "cur_step": scene.cur_step, "t": scene.t}


def changes(before, after):
    """Names of what differs between two snapshots."""
    return [
        name
        for name in before.keys() | after.keys()
        if name not in before or name not in after or not _same(before[name], after[name])
    ]


def _same(one, other):
    if not isinstance(one, torch.Tensor) or not isinstance(other, torch.Tensor):
        return one is other or one == other
    return one.shape == other.shape and bool(((one == other) | (one.isnan() & other.isnan())).all())
