"""The scenes that the benchmark measures: a robot, where its motion starts, and the forces that it moves under."""

from __future__ import annotations

import functools
import importlib.metadata
import importlib.util
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mujoco
import numpy as np
import torch

import genesis as gs
from genesis.demo import PANDA_REST, panda_file
from genesis.errors import GenesisException
from genesis.model import compose

# Forces stay as they are for so many steps, as those of a policy do. MuJoCo's `mj_step(model, data, nstep)` then runs
# the same motion with hardly any time spent in Python.
STEPS_PER_FORCE = 20
# Contact settles within this time without forces, as MuJoCo C steps it.
SETTLING_TIME = 3.0  # [s]
SEED = 0


@dataclass(frozen=True)
class Spec:
    """What a scene consists of.

    Attributes:
        name: on the command line
        title: one line for the report
        source: MJCF text, or a function that returns a robot's file
        dt: [s]
        acceleration: standard deviation of what the random forces would do to each dof alone [rad/s^2 or m/s^2]
        rest: qpos where the motion starts; None: where the robot settles
        holds: whether the forces also hold the robot up at `rest`
        contact: whether anything can touch
        fixed: whether the base of a URDF is fixed
        options: of the rigid solver
        posture: joint -> angle [rad] or place [m], at which the robot is held while the rest settles; 0 for the others
        springs: stiffness and damping with which it is held
    """

    name: str
    title: str
    source: str | Callable[[], Path]
    dt: float
    acceleration: float
    rest: tuple[float, ...] | None = None
    holds: bool = False
    contact: bool = True
    fixed: bool = False
    options: tuple[tuple[str, Any], ...] = ()
    posture: tuple[tuple[str, float], ...] | None = None
    springs: tuple[float, float] = (0.0, 0.0)


class Subject:
    """A scene built from a `Spec`, at the start of its motion.

    Attributes:
        scene, robot: with one entity
        n_envs: from 1 on; the scene has the axis of the envs unless it is 1
        mj_model: the same model for MuJoCo, options included
        start: MuJoCo's full physics state where the motion starts, (nstate,)
    """

    def __init__(self, spec: Spec, n_envs: int = 1):
        self.spec, self.n_envs = spec, n_envs
        self.scene = gs.Scene(
            sim_options=gs.options.SimOptions(dt=spec.dt, requires_grad=True),
            rigid_options=gs.options.RigidOptions(disable_constraint=not spec.contact, **dict(spec.options)),
        )
        self.robot = self.scene.add_entity(_morph(spec))
        self.scene.build(n_envs=0 if n_envs == 1 else n_envs)
        self.mj_model = self.scene.mj_model
        self.n_dofs: int = self.robot.n_dofs
        self._unit = spec.acceleration * _unit_forces(self.mj_model)
        self._hold, data = _start(spec, self.mj_model)
        self.contacts: int = data.ncon
        self.start = full_state(self.mj_model, data)
        self.robot.set_qpos(torch.as_tensor(data.qpos, dtype=gs.tc_float, device=gs.device))
        self.robot.set_dofs_velocity(torch.as_tensor(data.qvel, dtype=gs.tc_float, device=gs.device))
        self._state = self.scene.get_state().detach()

    def restart(self) -> None:
        """Back to the start of the motion, without graph."""
        self.scene.reset(self._state)

    def forces(self, n_steps: int) -> np.ndarray:
        """What moves the robot: (n_envs, n_steps, n_dofs) [N m or N], other ones in each env, always the same."""
        count = -(-n_steps // STEPS_PER_FORCE)
        noise = np.random.default_rng(SEED).standard_normal((self.n_envs, count, self.n_dofs))
        return np.repeat(self._hold + self._unit * noise, STEPS_PER_FORCE, axis=1)[:, :n_steps]

    def controls(self, n_steps: int) -> torch.Tensor:
        """`forces` as `scene.rollout` takes them, (n_steps, [n_envs,] n_dofs), a leaf that asks for its gradient."""
        forces = np.swapaxes(self.forces(n_steps), 0, 1)
        tensor = torch.as_tensor(np.ascontiguousarray(forces), dtype=gs.tc_float, device=gs.device)
        return (tensor[:, 0] if self.n_envs == 1 else tensor).contiguous().requires_grad_()

    def advance(self, controls: torch.Tensor, **options: Any) -> Any:
        """As many steps as there are controls; returns the trajectory, if `scene.rollout` exists."""
        if has_rollout(self.scene):
            return self.scene.rollout({self.robot: controls}, control="force", **options)
        self.advance_by_steps(controls)
        return None

    def advance_by_steps(self, controls: torch.Tensor) -> None:
        """The same by a Python loop of single steps."""
        for force in controls:
            self.robot.control_dofs_force(force)
            self.scene.step()

    def loss(self) -> torch.Tensor:
        """Sum of squares of the final positions and velocities of the dofs."""
        position, velocity = self.robot.get_qpos(), self.robot.get_dofs_velocity()
        return position.square().sum() + velocity.square().sum()


def has_rollout(scene: Any) -> bool:
    return hasattr(scene, "rollout")


def synchronize() -> None:
    """Wait for the device, so that the clock tells when work has been done rather than asked for."""
    if gs.device.type == "cuda":
        torch.cuda.synchronize()


def full_state(model: mujoco.MjModel, data: mujoco.MjData) -> np.ndarray:
    """Time, qpos, qvel and act as one row, (nstate,)."""
    kind = mujoco.mjtState.mjSTATE_FULLPHYSICS
    state = np.empty(mujoco.mj_stateSize(model, kind))
    mujoco.mj_getState(model, data, state, kind)
    return state


def _morph(spec: Spec) -> Any:
    if callable(spec.source):
        file = spec.source()
        if file.suffix == ".urdf":
            return gs.morphs.URDF(file=str(file), fixed=spec.fixed)
        return gs.morphs.MJCF(file=str(file))
    return gs.morphs.MJCF(file=str(_written(spec.source)))


@functools.cache
def _scratch() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="genesis-bench-")  # removed when the process ends


@functools.cache
def _written(text: str, suffix: str = ".xml") -> Path:
    handle, name = tempfile.mkstemp(suffix=suffix, dir=_scratch().name)
    with open(handle, "w", encoding="utf-8") as file:
        file.write(text)
    return Path(name)


def _unit_forces(model: mujoco.MjModel) -> np.ndarray:
    """The force that gives each dof a unit acceleration, the others at rest, (nv,); 0 at free joints."""
    data = mujoco.MjData(model)
    mujoco.mj_forward(model, data)
    inertia = np.zeros((model.nv, model.nv))
    mujoco.mj_fullM(model, data, inertia)
    free = model.jnt_type[model.dof_jntid] == mujoco.mjtJoint.mjJNT_FREE
    return np.where(free, 0.0, inertia.diagonal())


def _start(spec: Spec, model: mujoco.MjModel) -> tuple[np.ndarray, mujoco.MjData]:
    """The constant part of the forces, (nv,), and where the motion starts."""
    data = mujoco.MjData(model)
    hold = np.zeros(model.nv)
    if spec.rest is not None:
        data.qpos[:] = spec.rest
        mujoco.mj_forward(model, data)
        if spec.holds:
            hold = data.qfrc_bias - data.qfrc_passive
        return hold, data
    if spec.posture is not None:
        return _held(spec, model, data), data
    mujoco.mj_step(model, data, round(SETTLING_TIME / spec.dt))
    mujoco.mj_forward(model, data)
    return hold, data


def _held(spec: Spec, model: mujoco.MjModel, data: mujoco.MjData) -> np.ndarray:
    """Lets the scene settle while its hinges and slides are held at the posture; the forces that hold them at the end,
    (nv,)."""
    joints = np.flatnonzero(model.jnt_type >= int(mujoco.mjtJoint.mjJNT_SLIDE))
    qadr, vadr = model.jnt_qposadr[joints], model.jnt_dofadr[joints]
    posture = dict(spec.posture or ())
    target = np.array([posture.get(model.joint(int(k)).name.rpartition("/")[2], 0.0) for k in joints])
    data.qpos[qadr] = target
    stiffness, damping = spec.springs
    for _ in range(round(SETTLING_TIME / model.opt.timestep)):
        data.qfrc_applied[vadr] = stiffness * (target - data.qpos[qadr]) - damping * data.qvel[vadr]
        mujoco.mj_step(model, data)
    hold: np.ndarray = data.qfrc_applied.copy()
    data.qfrc_applied[:] = 0
    mujoco.mj_forward(model, data)
    return hold


# ------------------------------------------------------------------ the scenes by name


def _gymnasium_asset(name: str) -> Path:
    found = importlib.util.find_spec("gymnasium")
    if found is None or found.origin is None:
        raise GenesisException(
            f"the scene needs {name}, which gymnasium brings along: pip install 'genesis-grad[bench]', or leave the "
            "scene out with --scenes."
        )
    return Path(found.origin).parent / "envs" / "mujoco" / "assets" / name


# Contact as it is compared: one integrator and one solver for both engines, whatever the file says.
_CONTACT = (
    ("integrator", gs.integrator.Euler),
    ("constraint_solver", gs.constraint_solver.Newton),
    ("friction_cone", gs.friction_cone.pyramidal),
)


def _robot(name: str, **options: Any) -> Any:
    """A robot of example-robot-data, with inertias that MuJoCo takes, as a morph."""
    try:
        package = importlib.metadata.distribution("example-robot-data")
    except importlib.metadata.PackageNotFoundError:
        raise GenesisException(
            f"the scene needs {name}, which example-robot-data brings along: pip install 'genesis-grad[bench]', or "
            "leave the scene out with --scenes."
        ) from None
    robots = Path(str(package.locate_file("cmeel.prefix/share/example-robot-data/robots")))
    text = (robots / name).read_text().replace("package://example-robot-data/robots", str(robots))
    text = text.replace("</robot>", '<mujoco><compiler balanceinertia="true"/></mujoco></robot>')
    return gs.morphs.URDF(file=str(_written(text, ".urdf")), **options)


def _stones(places: Sequence[tuple[float, float, float]]) -> dict[str, Any]:
    """Bodies of 20 to 90 vertices, about 5 cm across, as morphs by name."""
    rng = np.random.default_rng(SEED)
    stones = {}
    for k, (x, y, z) in enumerate(places):
        points = rng.standard_normal((20 + 10 * (k % 8), 3))
        points *= np.array([0.03, 0.025, 0.02]) / np.linalg.norm(points, axis=1)[:, None]
        mesh = f'<mesh name="stone" vertex="{" ".join(f"{x:.6f}" for x in points.ravel())}"/>'
        body = f'<body pos="{x} {y} {z}"><freejoint/><geom type="mesh" mesh="stone" density="2000"/></body>'
        text = f"<mujoco><asset>{mesh}</asset><worldbody>{body}</worldbody></mujoco>"
        stones[f"stone{k}"] = gs.morphs.MJCF(file=str(_written(text)))
    return stones


def _together(**morphs: Any) -> Path:
    """Several entities as the file of one."""
    entities = [compose.EntitySpec(morph, name=name) for name, morph in morphs.items()]
    options = gs.options.RigidOptions(enable_self_collision=False)  # neighbouring links are in each other at rest
    return _written(compose.to_mjcf(compose.compose(entities, None, options)))


def _arm_above_table() -> Path:
    table = gs.morphs.Box(size=(0.6, 0.8, 0.04), pos=(0.6, 0, 0.02), fixed=True)
    stones = _stones([(0.5 + 0.1 * (k % 2), 0.12 * k - 0.24, 0.07) for k in range(5)])
    return _together(
        table=table, robot=_robot("panda_description/urdf/panda.urdf", fixed=True, default_armature=0.1), **stones
    )


def _standing_humanoid() -> Path:
    return _together(
        floor=gs.morphs.Plane(),
        robot=_robot("talos_data/robots/talos_reduced.urdf", pos=(0.0, 0.0, 1.02), default_armature=0.1),
    )


def _hand_with_stone() -> Path:
    hand = _robot(
        "allegro_hand_description/urdf/allegro_right_hand.urdf",
        fixed=True,
        pos=(0, 0, 0.2),
        euler=(0, -90, 0),
        default_armature=0.001,
    )
    return _together(floor=gs.morphs.Plane(), robot=hand, **_stones([(-0.03, 0.0, 0.25)]))


def _full_bin() -> Path:
    walls = {
        f"wall{k}": gs.morphs.Box(size=size, pos=(x, y, 0.15), fixed=True)
        for k, (size, x, y) in enumerate(
            (size, sign * x, sign * y)
            for size, x, y in (((0.02, 0.24, 0.3), 0.12, 0.0), ((0.24, 0.02, 0.3), 0.0, 0.12))
            for sign in (-1, 1)
        )
    }
    stones = _stones([(0.07 * (k % 3) - 0.07, 0.07 * (k // 3 % 3) - 0.07, 0.04 + 0.06 * (k // 9)) for k in range(60)])
    return _together(floor=gs.morphs.Plane(), **walls, **stones)


_ABOVE_TABLE = (0.0, 0.3, 0.0, -2.0, 0.0, 2.3, 0.785)
_STANDING = (("leg_{}_3_joint", -0.4), ("leg_{}_4_joint", 0.8), ("leg_{}_5_joint", -0.4))
_CURLED = tuple((f"joint_{k}.0", 1.0) for k in (1, 2, 3, 5, 6, 7, 9, 10, 11))
# Shapes as users have them: convex meshes.
_MESHES = (
    Spec(
        "arm-meshes",
        "Franka Panda with its meshes above a table with 5 mesh bodies",
        _arm_above_table,
        dt=0.002,
        acceleration=0.5,
        options=_CONTACT,
        posture=tuple((f"panda_joint{k + 1}", angle) for k, angle in enumerate(_ABOVE_TABLE)),
        springs=(800.0, 40.0),
    ),
    Spec(
        "humanoid-meshes",
        "Talos with its meshes, 38 dofs, standing on a plane",
        _standing_humanoid,
        dt=0.002,
        acceleration=0.5,
        options=_CONTACT,
        posture=tuple((name.format(side), angle) for side in ("left", "right") for name, angle in _STANDING),
        springs=(3000.0, 60.0),
    ),
    Spec(
        "hand-object",
        "Allegro hand, 16 dofs, with a mesh body in it",
        _hand_with_stone,
        dt=0.002,
        acceleration=0.5,
        options=_CONTACT,
        posture=(*_CURLED, ("joint_12.0", 1.3), ("joint_14.0", 0.8), ("joint_15.0", 0.6)),
        springs=(1.0, 0.05),
    ),
    Spec("bin-60", "60 mesh bodies in a bin", _full_bin, dt=0.004, acceleration=0.0, options=_CONTACT),
)

SPECS: dict[str, Spec] = {
    spec.name: spec
    for spec in (
        Spec(
            "arm",
            "Franka Panda, 9 dofs, without contact and limits",
            panda_file,
            dt=0.002,
            acceleration=0.5,
            rest=PANDA_REST,
            holds=True,
            contact=False,
            fixed=True,
        ),
        Spec(
            "arm-contact",
            "Franka Panda, 9 dofs, with its collision shapes and limits",
            panda_file,
            dt=0.002,
            acceleration=0.5,
            rest=PANDA_REST,
            holds=True,
            fixed=True,
            options=_CONTACT,
        ),
        Spec(
            "quadruped",
            "gymnasium's ant standing on the ground, 14 dofs, pyramidal cone, Euler",
            lambda: _gymnasium_asset("ant.xml"),
            dt=0.01,
            acceleration=1.0,
            options=_CONTACT,
        ),
        Spec(
            "humanoid",
            "gymnasium's humanoid lying on the ground, 23 dofs, pyramidal cone, Euler",
            lambda: _gymnasium_asset("humanoid.xml"),
            dt=0.003,
            acceleration=1.0,
            options=_CONTACT,
        ),
        *_MESHES,
    )
}


def chain(n_joints: int) -> Spec:
    """A hanging chain of hinges about alternate axes, lightly damped, without contact."""
    opened = "".join(
        f'<body pos="0 0 {0 if k == 0 else -0.1}"><joint axis="{k % 2} {1 - k % 2} 0" damping=".02" armature=".01"/>'
        '<geom type="capsule" size=".02" fromto="0 0 0 0 0 -.1" contype="0" conaffinity="0"/>'
        for k in range(n_joints)
    )
    mjcf = f"<mujoco><worldbody>{opened}{'</body>' * n_joints}</worldbody></mujoco>"
    title = f"a chain of {n_joints} hinges"
    return Spec(f"chain-{n_joints}", title, mjcf, 0.002, acceleration=0.02, rest=(0.0,) * n_joints, contact=False)


def balls(count: int) -> Spec:
    """Balls that rest on the ground side by side: one contact each, and none among them."""
    side = int(np.ceil(np.sqrt(count)))
    bodies = "".join(
        f'<body pos="{0.3 * (k % side)} {0.3 * (k // side)} .0999"><freejoint/>'
        '<geom size=".1" contype="1" conaffinity="0"/></body>'
        for k in range(count)
    )
    mjcf = (
        '<mujoco><worldbody><geom type="plane" size="50 50 .1" contype="0" conaffinity="1"/>'
        f"{bodies}</worldbody></mujoco>"
    )
    return Spec(f"balls-{count}", f"{count} balls on the ground", mjcf, 0.005, acceleration=0.0, options=_CONTACT)


_LARGEST = 1000  # joints or bodies; MuJoCo's own cost grows with the cube beyond
_FAMILIES = {"chain": chain, "balls": balls}


def spec_of(name: str) -> Spec:
    """The scene of that name: one of `SPECS`, or "chain-8" or "balls-50"."""
    if name in SPECS:
        return SPECS[name]
    family, _, size = name.partition("-")
    if family in _FAMILIES and size.isdigit() and 0 < int(size) <= _LARGEST:
        return _FAMILIES[family](int(size))
    raise GenesisException(
        f"there is no scene {name!r}. Scenes: {', '.join(SPECS)}, chain-N, balls-N with N up to {_LARGEST}."
    )


def check_file(spec: Spec) -> None:
    """Raise GenesisException, with what to install, if the scene's file is not there."""
    if callable(spec.source):
        spec.source()
