"""The sensors of public robot models against mjData.sensordata: every MJCF with sensors of the packages that are installed,
and of folders given.

    python -m tests.sweeps.sensors [folder ...] [--states 5] [--only quadruped]

Of each model: sensors, those that are left out, and the largest difference from MuJoCo's over random states, controls and
velocities, relative to the sensor's size. Models that the engine refuses are counted. States in which the contacts
themselves differ from MuJoCo's (as of ellipsoids, whose normal it finds to about the root of its tolerance: see the page
on differences) are counted apart, by their accelerations. Ends with 1 where a difference is above 1e-9.
"""

import argparse
import copy
import importlib.util
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import mujoco
import numpy as np
import torch

import genesis as gs
from genesis import runtime

PACKAGES = ("gymnasium", "gymnasium_robotics", "dm_control", "mujoco_playground", "myosuite", "robosuite")
TOLERANCE = 1e-9
# Both solvers iterate to the end, and so does MuJoCo's search for where curved shapes touch.
ITERATIONS = 200
CCD = 1e-12, 500


def models(folders: list[str], only: str) -> Iterator[Path]:
    """MJCF files under the folders and in the packages, each with at least one sensor by its text."""
    roots = [Path(folder) for folder in folders]
    for package in PACKAGES:
        found = importlib.util.find_spec(package)
        if found is not None and found.submodule_search_locations:
            roots += map(Path, found.submodule_search_locations)
    for root in roots:
        yield from (path for path in sorted(root.rglob("*.xml")) if only in str(path))


def inputs(m: mujoco.MjModel, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Off the pose of the file, where shapes often touch at a distance of exactly zero and rounding decides."""
    qpos = m.qpos0.copy()
    mujoco.mj_integratePos(m, qpos, 0.05 * rng.standard_normal(m.nv), 1.0)
    low, high = np.where(m.actuator_ctrllimited[:, None], m.actuator_ctrlrange, [-1.0, 1.0]).T
    return {"qpos": qpos, "qvel": 0.3 * rng.standard_normal(m.nv), "ctrl": rng.uniform(low, high)}


def sweep(path: Path, states: int) -> tuple[Counter, dict[str, float], int]:
    """How many sensors there are of each type ("left out" among them), type -> largest difference, and states that are
    not compared because another acceleration was found."""
    from genesis.sensors.kinds import kind_of  # after gs.init

    scene = gs.Scene(rigid_options=gs.options.RigidOptions(tolerance=0.0, iterations=ITERATIONS))
    robot = scene.add_entity(gs.morphs.MJCF(file=str(path)), name="robot")
    scene.build()
    m = copy.deepcopy(scene.mj_model)  # whose options are the engine's too
    m.opt.disableflags &= ~int(mujoco.mjtDisableBit.mjDSBL_SENSOR)
    m.opt.ccd_tolerance, m.opt.ccd_iterations = CCD
    rng, data = np.random.default_rng(0), mujoco.MjData(m)
    kinds = {name: kind_of(m, k) for k, name in enumerate(scene.sensor_names)}
    worst, elsewhere = dict.fromkeys(kinds.values(), 0.0), 0
    values: dict[str, torch.Tensor] = {}
    for _ in range(states):
        given = inputs(m, rng)
        mujoco.mj_resetData(m, data)
        data.qpos, data.qvel, data.ctrl = given["qpos"], given["qvel"], given["ctrl"]
        mujoco.mj_forward(m, data)
        robot.set_qpos(torch.as_tensor(given["qpos"]))
        robot.set_dofs_velocity(torch.as_tensor(given["qvel"]))
        if m.nu:
            robot.control_actuators(torch.as_tensor(given["ctrl"]))
        values = scene.get_sensor_data()
        qacc = scene.world.observer.get("qacc")[0].numpy()
        if np.abs(qacc - data.qacc).max(initial=0.0) > TOLERANCE * (1.0 + np.abs(data.qacc).max(initial=0.0)):
            elsewhere += 1
            continue
        for name, value in values.items():
            sensor = m.sensor(name)
            expected = data.sensordata[sensor.adr[0] : sensor.adr[0] + sensor.dim[0]]
            error = np.abs(value.numpy() - expected).max() / (1.0 + np.abs(expected).max())
            worst[kinds[name]] = max(worst[kinds[name]], float(error))
    count = Counter(kinds[name] for name in values)
    count["left out"] = len(kinds) - len(values)
    return count, worst, elsewhere


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("folders", nargs="*")
    parser.add_argument("--states", type=int, default=5)
    parser.add_argument("--only", default="", help="models whose path holds this text")
    arguments = parser.parse_args()
    if not runtime.is_initialized():
        gs.init(backend=gs.cpu, precision="64", logging_level="error")
    total, largest, n_models, refused, wrong = Counter(), {}, 0, 0, []
    for path in models(arguments.folders, arguments.only):
        try:
            n_sensors = mujoco.MjModel.from_xml_path(str(path)).nsensor
        except ValueError:
            continue  # a part of a model
        if not n_sensors:
            continue
        try:
            count, worst, elsewhere = sweep(path, arguments.states)
        except gs.GenesisException as error:
            refused += 1
            print(f"{'/'.join(path.parts[-3:]):70s} refused: {str(error).splitlines()[-1][:120]}", flush=True)
            continue
        n_models += 1
        total += count
        for kind, error in worst.items():
            largest[kind] = max(largest.get(kind, 0.0), error)
        at = max(worst, key=lambda kind: worst[kind], default="")
        error = worst.get(at, 0.0)
        if not error <= TOLERANCE:
            wrong.append(path)
        left_out = f", {count['left out']} left out" if count["left out"] else ""
        not_compared = f"; contacts differ in {elsewhere} of {arguments.states} states" if elsewhere else ""
        name = "/".join(path.parts[-3:])
        print(f"{name:70s} {n_sensors:4d} sensors{left_out}; {error:.1e} {at}{not_compared}", flush=True)
    print(f"\n{n_models} models with {sum(total.values())} sensors, {refused} refused")
    for kind, number in sorted(total.items()):
        print(f"    {kind:20s}{number:6d}" + (f"{largest[kind]:11.1e}" if kind in largest else ""))
    if wrong:
        print("wrong:", ", ".join(map(str, wrong)))
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())
