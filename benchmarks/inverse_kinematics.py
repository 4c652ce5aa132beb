"""Inverse kinematics: random reachable targets of an arm's hand, and of a humanoid's two hands. Success and times.

    python benchmarks/inverse_kinematics.py [--targets 1000] [--precision 64] [--threads 1] [--arm panda.urdf]
                                            [--pinocchio PYTHON]

Targets are where random positions within the limits put the hands; found is what is within 1e-4 m and 1e-3 rad of them
by forward kinematics, within the limits. With `--pinocchio`, an interpreter that can import it, the same targets of the
arm are given to the loop of Pinocchio's documentation (damped steps by its Jacobians, clipped to the limits) with as
many restarts.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
TOLERANCES = {"pos_tol": 1e-4, "rot_tol": 1e-3}
SAMPLES = 50
REPETITIONS = 5


def of_engine(arguments: argparse.Namespace, folder: Path) -> None:
    sys.path.insert(0, str(ROOT))
    import torch

    import genesis as gs
    from genesis.math.rotation import quat_conj, quat_log, quat_mul, quat_rotate
    from tests import models
    from tests.kinematics.robots import random_qpos

    gs.init(
        backend=gs.gpu if arguments.gpu else gs.cpu,
        precision=arguments.precision,
        seed=0,
        logging_level="warning",
        num_threads=arguments.threads,
    )
    n = arguments.targets

    def scene_of(morph):
        scene = gs.Scene(sim_options=gs.options.SimOptions(dt=0.005), show_viewer=False)
        robot = scene.add_entity(morph)
        scene.build(n_envs=n)
        return robot

    def report(name, solve, errors, shortest):
        solve()  # compiles
        times, busy = [], []
        for _ in range(REPETITIONS):
            start, used = time.perf_counter(), time.process_time()
            found = solve()
            if arguments.gpu:
                torch.cuda.synchronize()
            times.append(time.perf_counter() - start)
            busy.append(time.process_time() - used)
        shift, turn = errors(found)
        good = (shift < TOLERANCES["pos_tol"]) & (turn < TOLERANCES["rot_tol"])
        exact = (shift < shortest) & (turn < shortest)
        print(
            f"{name}: {int(good.sum())} of {n} found, {int(exact.sum())} of them to rounding; "
            f"{1e6 * np.median(times) / n:.1f} us per target (least {1e6 * min(times) / n:.1f}), "
            f"{1e6 * np.median(busy) / n:.1f} us of processor time",
            flush=True,
        )

    shortest = 1e-9 if arguments.precision == "64" else 1e-5
    panda = scene_of(gs.morphs.URDF(file=str(arguments.arm), fixed=True))
    hand = panda.get_link("panda_hand")
    qpos = random_qpos(panda, n).to(gs.device, gs.tc_float)
    pos, quat = (one[:, 0] for one in panda.forward_kinematics(qpos, links_idx_local=[hand.idx_local]))
    lower, upper = panda.get_dofs_limit()

    def arm_errors(found):
        there, turned = (one[:, 0] for one in panda.forward_kinematics(found, links_idx_local=[hand.idx_local]))
        assert (found >= lower).all() and (found <= upper).all()
        return (there - pos).norm(dim=1), quat_log(quat_mul(quat_conj(turned), quat)).norm(dim=1)

    middle = ((lower + upper) / 2).reshape(-1, panda.n_qs)[0].sceneless()
    for name, more in (("", {}), (", one start", {"max_samples": 1}), (", default tolerances", None)):
        options = {**TOLERANCES, **more} if more is not None else {}
        report(
            f"arm, hand's pose{name}",
            lambda options=options: panda.inverse_kinematics(hand, pos, quat, init_qpos=middle, **options),
            arm_errors,
            shortest,
        )
    np.savez(folder / "targets.npz", pos=pos.cpu(), quat=quat.cpu(), start=middle.cpu())

    humanoid = scene_of(gs.morphs.MJCF(file=models.gymnasium_asset("humanoid.xml")))
    hands = [humanoid.get_link("left_lower_arm"), humanoid.get_link("right_lower_arm")]
    points = [[0.18, -0.18, 0.18], [0.18, 0.18, 0.18]]
    qpos = random_qpos(humanoid, n).to(gs.device, gs.tc_float)
    qpos[:, :7] = humanoid.get_qpos()[:, :7]
    places = [link.idx_local for link in hands]
    hands_pos, hands_quat = humanoid.forward_kinematics(qpos, links_idx_local=places)

    def both(positions, quats):
        return positions + quat_rotate(quats, torch.tensor(points, device=gs.device, dtype=gs.tc_float))

    wanted = both(hands_pos, hands_quat)

    def hands_errors(found):
        there = both(*humanoid.forward_kinematics(found, links_idx_local=places))
        return (there - wanted).norm(dim=-1).amax(1), torch.zeros(n, device=gs.device)

    report(
        "humanoid, both hands' positions",
        lambda: humanoid.inverse_kinematics_multilink(
            hands, list(wanted.unbind(1)), None, points, dofs_idx_local=range(6, humanoid.n_dofs), **TOLERANCES
        ),
        hands_errors,
        shortest,
    )


def of_pinocchio(urdf: str, file: str) -> None:
    import pinocchio as pin

    model = pin.buildModelFromUrdf(urdf)
    data = model.createData()
    frame = model.getFrameId("panda_hand")
    targets = np.load(file)
    lower, upper = model.lowerPositionLimit, model.upperPositionLimit
    rng = np.random.default_rng(0)
    n = len(targets["pos"])
    found, start, used = 0, time.perf_counter(), time.process_time()
    for pos, quat in zip(targets["pos"], targets["quat"], strict=True):
        goal = pin.SE3(pin.Quaternion(*quat).toRotationMatrix(), pos)
        for sample in range(SAMPLES):
            q = targets["start"].copy() if sample == 0 else lower + rng.random(model.nq) * (upper - lower)
            done = False
            for _ in range(100):
                pin.computeJointJacobians(model, data, q)
                pin.updateFramePlacement(model, data, frame)
                missing = data.oMf[frame].actInv(goal)
                error = pin.log6(missing).vector
                turn = np.linalg.norm(error[3:])
                if np.linalg.norm(missing.translation) < TOLERANCES["pos_tol"] and turn < TOLERANCES["rot_tol"]:
                    done = True
                    break
                jacobian = -pin.Jlog6(missing.inverse()) @ pin.getFrameJacobian(model, data, frame, pin.LOCAL)
                step = -jacobian.T @ np.linalg.solve(jacobian @ jacobian.T + 1e-4 * np.eye(6), error)
                q = np.clip(q + step * min(1.0, 0.5 / np.abs(step).max()), lower, upper)
            if done:
                found += 1
                break
    elapsed, busy = time.perf_counter() - start, time.process_time() - used
    print(
        f"Pinocchio {pin.__version__}: {found} of {n} found; {1e6 * elapsed / n:.0f} us per target, "
        f"{1e6 * busy / n:.0f} us of processor time",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--targets", type=int, default=1000)
    parser.add_argument("--precision", default="64", choices=("32", "64"))
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--gpu", action="store_true")
    parser.add_argument("--arm", type=Path, default=ROOT / "examples" / "assets" / "panda.urdf")
    parser.add_argument("--pinocchio", help="an interpreter that can import it")
    parser.add_argument("--peer", nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.peer:
        of_pinocchio(*arguments.peer)
        return
    with tempfile.TemporaryDirectory() as folder:
        of_engine(arguments, Path(folder))
        if arguments.pinocchio:
            peer = [str(arguments.arm), str(Path(folder) / "targets.npz")]
            subprocess.run([arguments.pinocchio, __file__, "--peer", *peer], check=True)


if __name__ == "__main__":
    main()
