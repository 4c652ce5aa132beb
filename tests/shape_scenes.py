"""Scenes in which shapes of every kind stay in contact: piles, rolling things, a car on hills, robots with their own
meshes. Each is a MuJoCo model, a state to begin with, and forces that hold or move it."""

import importlib.metadata
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mujoco
import numpy as np

import genesis as gs
from genesis.model.compose import EntitySpec, compose

Posture = Callable[[float], dict[str, float]]
ROBOTS = Path(
    str(
        importlib.metadata.distribution("example-robot-data").locate_file(
            "cmeel.prefix/share/example-robot-data/robots"
        )
    )
)
OPTIONS = '<option timestep="0.004" tolerance="0" iterations="200" ls_iterations="100" ccd_tolerance="1e-16" ccd_iterations="500" {}/>'


@dataclass
class Scene:
    """``force``: of a state (qpos, qvel) and the time [s], the force on each dof."""

    model: mujoco.MjModel
    qpos: np.ndarray
    qvel: np.ndarray
    force: Callable[[np.ndarray, np.ndarray, float], np.ndarray]

    def run(self, steps: int, start: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
        """MuJoCo's states (steps + 1, nq + nv) and the forces (steps, nv) that act in between."""
        m, data = self.model, mujoco.MjData(self.model)
        data.qpos[:], data.qvel[:] = self.qpos, self.qvel
        if start is not None:
            data.qpos[:], data.qvel[:] = start[: m.nq], start[m.nq :]
        states, forces = [np.concatenate([data.qpos, data.qvel])], []
        for _ in range(steps):
            data.qfrc_applied[:] = self.force(data.qpos, data.qvel, data.time)
            forces.append(data.qfrc_applied.copy())
            mujoco.mj_step(m, data)
            states.append(np.concatenate([data.qpos, data.qvel]))
        return np.array(states), np.array(forces)


def _free(model: mujoco.MjModel) -> Scene:
    return Scene(model, model.qpos0.copy(), np.zeros(model.nv), lambda qpos, qvel, time: np.zeros(model.nv))


def _vertices(rng: np.random.Generator, count: int) -> str:
    points = rng.standard_normal((count, 3))
    points *= np.array([0.06, 0.05, 0.07]) / np.linalg.norm(points, axis=1)[:, None]
    return " ".join(f"{x:.6f}" for x in points.ravel())


def _quat(rng: np.random.Generator) -> str:
    quat = rng.standard_normal(4)
    return " ".join(f"{x:.6f}" for x in quat / np.linalg.norm(quat))


def pile() -> Scene:
    """Twenty bodies of four meshes, in a bin of boxes."""
    rng = np.random.default_rng(2)
    meshes = "".join(f'<mesh name="m{k}" vertex="{_vertices(rng, 12 + 6 * k)}"/>' for k in range(4))
    walls = "".join(
        f'<geom type="box" size="{".02 .2 .2" if x else ".2 .02 .2"}" pos="{0.2 * x} {0.2 * y} .2"/>'
        for x, y in ((1, 0), (-1, 0), (0, 1), (0, -1))
    )
    bodies = "".join(
        f'<body pos="{0.1 * (k % 2) - 0.05} {0.1 * (k // 2 % 2) - 0.05} {0.08 + 0.13 * (k // 4)}" quat="{_quat(rng)}">'
        f'<freejoint/><geom type="mesh" mesh="m{k % 4}"/></body>'
        for k in range(20)
    )
    return _free(
        mujoco.MjModel.from_xml_string(
            f"""<mujoco>{OPTIONS.format("")}<asset>{meshes}</asset><worldbody><geom type="plane" size="1 1 1"/>{walls}
            {bodies}</worldbody></mujoco>"""
        )
    )


def cylinders() -> Scene:
    """That stand, roll, lean on each other and fall over, on a plane."""
    places = {
        "0 0 .0999": "",
        ".2 0 .0499": 'euler="90 20 0"',
        ".2 .12 .07": 'euler="80 50 0"',
        "-.2 .02 .11": 'euler="12 0 0"',
        "-.09 .03 .1": 'euler="0 14 0"',
        "-.1 -.2 .055": 'euler="0 90 10"',
    }
    bodies = "".join(
        f'<body pos="{place}" {turn}><freejoint/><geom type="cylinder" size=".05 .1"/></body>'
        for place, turn in places.items()
    )
    model = mujoco.MjModel.from_xml_string(
        f"""<mujoco>{OPTIONS.format('cone="elliptic"')}<worldbody><geom type="plane" size="1 1 .1"/>{bodies}
        </worldbody></mujoco>"""
    )
    scene = _free(model)
    rolling = [6 * k + 3 + axis for k in (1, 5) for axis in (0, 1)]
    scene.qvel[rolling] = 4.0
    return scene


def ellipsoids() -> Scene:
    """On a table that is a mesh, in a heap."""
    rng = np.random.default_rng(4)
    corners = " ".join(f"{x} {y} {z}" for x in (-0.5, 0.5) for y in (-0.5, 0.5) for z in (-0.1, 0))
    bodies = "".join(
        f'<body pos="{0.03 * (k % 2)} {0.11 * (k // 2 % 3) - 0.1} {0.07 + 0.12 * (k // 6)}" quat="{_quat(rng)}"><freejoint/>'
        f'<geom type="ellipsoid" size="{0.04 + 0.01 * (k % 3)} .06 .05"/></body>'
        for k in range(9)
    )
    return _free(
        mujoco.MjModel.from_xml_string(
            f"""<mujoco>{OPTIONS.format("")}<asset><mesh name="table" vertex="{corners}"/></asset><worldbody>
            <geom type="mesh" mesh="table"/>{bodies}</worldbody></mujoco>"""
        )
    )


def car() -> Scene:
    """On hills, its four wheels cylinders that are driven."""
    grid = np.arange(25)
    hills = 0.5 + 0.3 * np.sin(0.5 * grid)[:, None] * np.cos(0.4 * grid) + 0.1 * np.sin(1.1 * grid)
    wheels = "".join(
        f'<body pos="{0.2 * x} {0.16 * y} 0"><joint name="w{x}{y}" axis="0 1 0" damping=".02"/>'
        '<geom type="cylinder" size=".08 .03" euler="90 0 0" friction="1.2 .01 .001" condim="4"/></body>'
        for x in (-1, 1)
        for y in (-1, 1)
    )
    elevation = " ".join(f"{x:.5f}" for x in hills.ravel())
    model = mujoco.MjModel.from_xml_string(
        f"""<mujoco>{OPTIONS.format('cone="elliptic"')}<asset>
        <hfield name="hills" nrow="25" ncol="25" size="3 3 .5 .1" elevation="{elevation}"/></asset><worldbody>
        <geom type="hfield" hfield="hills"/><body pos="-1 .2 .62"><freejoint/><geom type="box" size=".25 .1 .04" mass="4"/>
        {wheels}</body></worldbody></mujoco>"""
    )
    drive = np.array([0.0] * 6 + [1.0] * 4)
    return Scene(model, model.qpos0.copy(), np.zeros(model.nv), lambda qpos, qvel, time: drive * (0.8 - 0.05 * qvel))


def _robot_file(name: str) -> str:
    """A robot of example-robot-data, with inertias that MuJoCo takes."""
    text = (ROBOTS / name).read_text().replace("package://example-robot-data/robots", str(ROBOTS))
    return _written(text.replace("</robot>", '<mujoco><compiler balanceinertia="true"/></mujoco></robot>'), ".urdf")


def _written(text: str, suffix: str) -> str:
    with tempfile.NamedTemporaryFile("w", suffix=suffix, delete=False) as file:
        file.write(text)
    return file.name


def _object(place: str, geom: str) -> gs.morphs.MJCF:
    """A free body; a mesh is a stone of 24 corners."""
    mesh = f'<asset><mesh name="stone" scale=".6 .6 .6" vertex="{_vertices(np.random.default_rng(6), 24)}"/></asset>'
    text = f'<mujoco>{mesh}<worldbody><body pos="{place}"><freejoint/>{geom}</body></worldbody></mujoco>'
    return gs.morphs.MJCF(file=_written(text, ".xml"))


def _held(
    robot: gs.morphs.URDF, others: dict[str, Any], posture: Posture, kp: float, kd: float, armature: float
) -> Scene:
    """A robot that springs and dampers hold at a posture: angles by name of a joint at a time, 0 for others."""
    entities = {"floor": gs.morphs.Plane(), "robot": robot, **others}
    parts = [EntitySpec(morph, name=name) for name, morph in entities.items()]
    # neighbouring links of these robots are in each other at rest
    model = compose(parts, None, gs.options.RigidOptions(enable_self_collision=False)).mj_model
    model.opt.tolerance, model.opt.iterations, model.opt.ls_iterations = 0, 200, 100
    model.opt.ccd_tolerance, model.opt.ccd_iterations, model.opt.timestep = 1e-16, 500, 0.002
    model.opt.integrator = mujoco.mjtIntegrator.mjINT_IMPLICITFAST
    names = {k: model.joint(k).name for k in range(model.njnt)}
    joints = [k for k, name in names.items() if name.startswith("robot/") and model.jnt_type[k] >= 2]
    qadr, vadr = model.jnt_qposadr[joints], model.jnt_dofadr[joints]
    model.dof_armature[vadr] += armature

    def target(time: float) -> np.ndarray:
        angles = posture(time)
        return np.array([angles.get(names[k].removeprefix("robot/"), 0.0) for k in joints])

    def force(qpos: np.ndarray, qvel: np.ndarray, time: float) -> np.ndarray:
        result = np.zeros(model.nv)
        result[vadr] = kp * (target(time) - qpos[qadr]) - kd * qvel[vadr]
        return result

    qpos = model.qpos0.copy()
    qpos[qadr] = target(0.0)
    return Scene(model, qpos, np.zeros(model.nv), force)


def hand() -> Scene:
    """An Allegro hand, palm up, whose fingers close around a stone."""
    robot = gs.morphs.URDF(
        file=_robot_file("allegro_hand_description/urdf/allegro_right_hand.urdf"),
        fixed=True, pos=(0, 0, 0.2), euler=(0, -90, 0),
    )  # fmt: skip

    def posture(time: float) -> dict[str, float]:
        curl = min(0.4 + 3 * time, 1.2)
        fingers = {f"joint_{k}.0": curl for k in (1, 2, 3, 5, 6, 7, 9, 10, 11)}
        return fingers | {"joint_12.0": 1.3, "joint_14.0": curl, "joint_15.0": 0.6 * curl}

    stone = _object("-.03 0 .27", '<geom type="mesh" mesh="stone" friction="1 .01 .001" condim="4" mass=".1"/>')
    return _held(robot, {"stone": stone}, posture, 1.0, 0.05, 0.001)


def arm() -> Scene:
    """A Panda, whose fingers close on a box and lift it."""
    robot = gs.morphs.URDF(file=_robot_file("panda_description/urdf/panda.urdf"), fixed=True)
    reach = np.array([0.0, 0.48, 0.0, -2.05, 0.0, 2.53, 0.785])

    def posture(time: float) -> dict[str, float]:
        lift = np.clip((time - 0.2) / 0.2, 0, 1)
        angles = {f"panda_joint{k + 1}": angle for k, angle in enumerate(reach)}
        angles["panda_joint4"] += 0.1 * lift
        angles["panda_joint2"] -= 0.15 * lift
        grip = 0.04 - 0.08 * min(time / 0.1, 1)
        return angles | {"panda_finger_joint1": grip, "panda_finger_joint2": grip}

    brick = _object("0 0 0", '<geom type="box" size=".02 .02 .04" friction="1 .01 .001" condim="4" mass=".1"/>')
    scene = _held(robot, {"brick": brick}, posture, 800.0, 40.0, 0.1)
    # the box between the fingers
    data = mujoco.MjData(scene.model)
    data.qpos[:] = scene.qpos
    mujoco.mj_kinematics(scene.model, data)
    fingers = [data.body(f"robot/panda_{side}finger") for side in ("left", "right")]
    tip = np.mean([finger.xpos + finger.xmat.reshape(3, 3) @ (0, 0, 0.045) for finger in fingers], axis=0)
    address = scene.model.jnt_qposadr[scene.model.jnt_type.tolist().index(int(mujoco.mjtJoint.mjJNT_FREE))]
    scene.qpos[address : address + 7] = (*tip, *data.body("robot/panda_hand").xquat)
    return scene


def humanoid() -> Scene:
    """A Talos, whose feet are meshes, that stands."""
    robot = gs.morphs.URDF(file=_robot_file("talos_data/robots/talos_reduced.urdf"), pos=(0, 0, 1.02))
    bent = {"leg_left_3_joint": -0.4, "leg_left_4_joint": 0.8, "leg_left_5_joint": -0.4}
    bent |= {name.replace("left", "right"): angle for name, angle in bent.items()}
    arms = {"arm_left_2_joint": 0.3, "arm_left_4_joint": -0.6, "arm_right_2_joint": -0.3, "arm_right_4_joint": -0.6}
    return _held(robot, {}, lambda time: bent | arms, 3000.0, 60.0, 0.1)


SCENES = {make.__name__: make for make in (pile, cylinders, ellipsoids, car, hand, arm, humanoid)}
