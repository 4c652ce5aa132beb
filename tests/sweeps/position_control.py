"""Position control of public robots with the gains that they have by default: it holds still, or a warning says why not.

    python -m tests.sweeps.position_control FOLDER [--dt 0.01 0.002] [substring]

Every URDF and MJCF file below FOLDER that builds and has joints to hold, its base fixed in the air (of an MJCF file with
a free joint: welded to where it is), is told to stay where it is for 2 s. Printed for each, with each dt:

    speed      largest speed of a dof at the end [rad/s, m/s]
    off        largest distance of a dof from where it should stay [rad, m]
    verdict    still: no dof is faster than 0.1. warned: of gains that cannot be stable, before. slow: gravity pulls the
               robot away, and it still swings about where it is going to hang as it would in steps a tenth as long: the
               gains are weak, the step is not too long. MOVES: none of them

Ends with 1 where a robot moves.
"""

import argparse
import logging
import sys
from pathlib import Path

import mujoco
import numpy as np
import torch

import genesis as gs
from genesis import runtime

STILL = 0.1  # [rad/s, m/s]
DURATION = 2.0  # [s]
# How far a joint starts from an end of its range, in parts of it.
INSIDE = 0.1
# A swing that shorter steps show as well has the same speed then, to this part of it.
SAME = 0.3


class _Warnings(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.messages: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.messages.append(record.getMessage())


def build(path: Path, dt: float, substeps: int):
    """(scene, robot), its base where it stays; None where the file is no robot with joints to hold."""
    scene = gs.Scene(sim_options=gs.options.SimOptions(dt=dt, substeps=substeps))
    if path.suffix == ".urdf":
        robot = scene.add_entity(gs.morphs.URDF(file=str(path), fixed=True))
    else:
        robot = scene.add_entity(gs.morphs.MJCF(file=str(path), pos=(0, 0, 3)))
        hook = scene.add_entity(gs.morphs.Box(size=(0.01, 0.01, 0.01), fixed=True, collision=False))
    scene.build()
    m = scene.mj_model
    free = np.flatnonzero(m.jnt_type == mujoco.mjtJoint.mjJNT_FREE)
    if not m.nv or len(free) > 1 or m.nv == 6 * len(free):
        return None
    for joint in free:
        scene.rigid_solver.add_weld_constraint(int(m.jnt_bodyid[joint]) - 1, hook.links[0])
    return scene, robot


def start_of(m: mujoco.MjModel) -> np.ndarray:
    """The pose of the file, with every hinge and slide inside of its range."""
    qpos = m.qpos0.copy()
    for j in np.flatnonzero(m.jnt_limited):
        if m.jnt_type[j] in (mujoco.mjtJoint.mjJNT_HINGE, mujoco.mjtJoint.mjJNT_SLIDE):
            low, high = m.jnt_range[j]
            inside = INSIDE * (high - low)
            adr = m.jnt_qposadr[j]
            qpos[adr] = np.clip(qpos[adr], low + inside, high - inside)
    return qpos


def hold(path: Path, dt: float, substeps: int = 1):
    """(speed, off, warned) after `DURATION`, or None."""
    log = _Warnings()
    runtime.logger.addHandler(log)
    try:
        built = build(path, dt, substeps)
        if built is None:
            return None
        scene, robot = built
        m = scene.mj_model
        robot.set_qpos(torch.as_tensor(start_of(m)))
        position = robot.get_dofs_position()
        robot.control_dofs_position(position)
        moves = torch.as_tensor(m.jnt_type[m.dof_jntid] != int(mujoco.mjtJoint.mjJNT_FREE))[: robot.n_dofs]
        try:
            scene.rollout(n_steps=round(DURATION / dt))
            speed = robot.get_dofs_velocity()[moves].abs().max().item()
            off = (robot.get_dofs_position() - position)[moves].abs().max().item()
        except gs.GenesisException:
            speed = off = float("inf")
        return speed, off, any("cannot be stable" in message for message in log.messages)
    finally:
        runtime.logger.removeHandler(log)


def verdict_of(path: Path, dt: float, speed: float, warned: bool) -> str:
    if speed < STILL:
        return "still"
    if warned:
        return "warned"
    finer = hold(path, dt, substeps=10)
    same = finer is not None and abs(finer[0] - speed) < SAME * speed
    return "slow" if same else "MOVES"


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("substring", nargs="?", default="")
    parser.add_argument("--dt", type=float, nargs="+", default=[0.01, 0.002])
    arguments = parser.parse_args()
    if not runtime.is_initialized():
        gs.init(backend=gs.cpu, precision="64", logging_level="error")
    runtime.logger.setLevel(logging.WARNING)
    for handler in runtime.logger.handlers:
        handler.setLevel(logging.ERROR)
    count = dict.fromkeys(("still", "warned", "slow", "MOVES"), 0)
    refused = 0
    for path in sorted([*arguments.folder.rglob("*.urdf"), *arguments.folder.rglob("*.xml")]):
        name = str(path.relative_to(arguments.folder))
        if arguments.substring not in name:
            continue
        for dt in arguments.dt:
            try:
                result = hold(path, dt)
            except (gs.GenesisException, ValueError):
                refused += 1
                break
            if result is None:
                break
            speed, off, warned = result
            verdict = verdict_of(path, dt, speed, warned)
            count[verdict] += 1
            print(f"{name[-70:]:72s}{dt:7g}{speed:11.1e}{off:11.1e}  {verdict}", flush=True)
    print(", ".join(f"{n} {verdict}" for verdict, n in count.items()), f"; {refused} files are no scenes or refused")
    return bool(count["MOVES"])


if __name__ == "__main__":
    sys.exit(main())
