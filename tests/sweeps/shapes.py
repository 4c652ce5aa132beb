"""Every pair of the general convex kind against MuJoCo, in 500 random poses and with both cones: ``make thorough``.

A fifth of the poses each: deep in each other, touching, grazing (to a hundredth of a micrometre), within the margin,
apart. Printed for each pair and cone:

    touching   poses in which MuJoCo finds contacts
    missing    poses in which one side finds contacts and the other none
    depth, normal: with one contact per pair (multiccd off): largest distances from MuJoCo's, and of 99 % of the poses
    excess     by how much that depth is more than the least translation that separates two polytopes (nan: not both are)
    elsewhere  with several contacts: poses in which one is not in the place of one of MuJoCo's
    number     those of them with another number of contacts
    qacc       by how much the accelerations differ in those: largest and median, relative

    python -m tests.sweeps.shapes [--tolerance 1e-10] [pair ...]      as in: box-mesh mesh-mesh

Ends with 1 where one side has no contact, a depth is off by more than 1e-6 or more than the least translation.
"""

import argparse
import itertools
import sys

import mujoco
import numpy as np
import torch

import genesis as gs
from genesis import runtime

if not runtime.is_initialized():
    gs.init(backend=gs.cpu, precision="64", logging_level="warning")  # before whatever names kernels

from tests.contacts import CONVEX_PAIRS, model_of
from tests.rigid.engine import Engine

POSES = 500
KINDS = ("deep", "touching", "grazing", "within margin", "apart")
MARGIN, GAP = 0.01, 0.003
CURVED = ("ellipsoid", "cylinder")
# [m]: contacts closer than this are in the same place. MuJoCo finds where a curved shape touches to about the root of its
# tolerance of 1e-10.
SAME, SAME_CURVED = 1e-6, 5e-5
DEPTH, EXCESS = 1e-6, 1e-9


def poses(m: mujoco.MjModel, rng: np.random.Generator) -> np.ndarray:
    """(POSES, nq): random orientations; the second body comes in from afar until it touches, and on by a random amount."""
    data, result = mujoco.MjData(m), np.zeros((POSES, m.nq))
    moving = m.nq - 7
    k = 0
    while k < POSES:
        for adr in range(3, m.nq, 7):
            quat = rng.standard_normal(4)
            data.qpos[adr - 3 : adr] = 0.0
            data.qpos[adr : adr + 4] = quat / np.linalg.norm(quat)
        away = rng.standard_normal(3)
        if m.nq == 7:
            away = np.array([0.3 * away[0], 0.3 * away[1], 1.0])
        away /= np.linalg.norm(away)
        near, far = 0.0, 0.8
        for _ in range(40):
            middle = 0.5 * (near + far)
            data.qpos[moving : moving + 3] = middle * away
            mujoco.mj_fwdPosition(m, data)
            overlap = data.ncon and data.contact.dist.min() < 0
            near, far = (middle, far) if overlap else (near, middle)
        if near == 0.0:
            continue
        inwards = {
            "deep": rng.uniform(0.02, 0.06),
            "touching": rng.uniform(1e-3, 0.02),
            "grazing": 10 ** rng.uniform(-8, -5),
            "within margin": -MARGIN * rng.uniform(0.1, 0.9),
            "apart": -MARGIN * rng.uniform(4, 10),
        }[KINDS[k % len(KINDS)]]
        data.qpos[moving : moving + 3] = (near - inwards) * away
        result[k] = data.qpos
        k += 1
    return result


def in_same_places(ours, theirs, tolerance: float) -> bool:
    """Whether each contact has one of MuJoCo's in its place: distance, position and normal."""
    if len(ours) != len(theirs):
        return False
    left = list(range(len(theirs)))
    for contact in ours:
        off = [np.abs(contact - theirs[j]).max() for j in left]
        if min(off) > tolerance:
            return False
        left.pop(int(np.argmin(off)))
    return True


def vertices_of(m: mujoco.MjModel, data: mujoco.MjData, g: int) -> np.ndarray:
    """Of a box or mesh, in the world."""
    if m.geom_type[g] == mujoco.mjtGeom.mjGEOM_BOX:
        local = np.array(list(itertools.product((-1, 1), repeat=3))) * m.geom_size[g]
    else:
        mesh = m.geom_dataid[g]
        local = m.mesh_vert[m.mesh_vertadr[mesh] :][: m.mesh_vertnum[mesh]]
    return local @ data.geom_xmat[g].reshape(3, 3).T + data.geom_xpos[g]


def least_overlap(one: np.ndarray, two: np.ndarray) -> float:
    """The least translation that separates two sets of vertices, over every normal of three of one set's vertices and
    every product of lines between two of each: among them are all faces and pairs of edges."""
    lines = [np.array([p - q for p, q in itertools.combinations(points, 2)]) for points in (one, two)]
    normals = [np.cross(lines[0][:, None], lines[1][None]).reshape(-1, 3)]
    for points in (one, two):
        normals.append(np.array([np.cross(q - p, r - p) for p, q, r in itertools.combinations(points, 3)]))
    every = np.concatenate(normals)
    size = np.linalg.norm(every, axis=1)
    every = every[size > 1e-9] / size[size > 1e-9, None]
    every = np.concatenate([every, -every])
    return float(((one @ every.T).max(axis=0) - (two @ every.T).min(axis=0)).min())


def contacts_beside_mujocos(m: mujoco.MjModel, places: np.ndarray, velocity: np.ndarray):
    """Per pose: its contacts here and MuJoCo's, each (c, 7) of distance, position and normal; both accelerations; data."""
    engine = Engine(m, n_worlds=POSES)
    states = torch.tensor(np.concatenate([places, velocity], axis=1))
    names = ("qacc", "ncon", "con_dist", "con_pos", "con_frame")
    qacc, ncon, dist, pos, frame = (x.numpy() for x in engine.fields(names, states, engine.command()))
    data = mujoco.MjData(m)
    for w in range(POSES):
        data.qpos[:], data.qvel[:] = places[w], velocity[w]
        mujoco.mj_forward(m, data)
        c, own = data.contact, int(ncon[w, 1])
        theirs = np.column_stack([c.dist, np.reshape(c.pos, (-1, 3)), np.reshape(c.frame, (-1, 9))[:, :3]])
        ours = np.column_stack([dist[w, :own], pos[w, :own], frame[w, :own].reshape(-1, 9)[:, :3]])
        yield ours, theirs, qacc[w], data


def sweep(pair: tuple[str, str], cone: str, tolerance: float) -> dict[str, float]:
    m = model_of(*pair, cone=cone, options=f'ccd_tolerance="{tolerance}" ccd_iterations="200"')
    places = poses(m, np.random.default_rng(CONVEX_PAIRS.index(pair)))
    velocity = 0.2 * np.random.default_rng(1).standard_normal((POSES, m.nv))
    m.geom_margin[:], m.geom_gap[:] = MARGIN / 2, GAP / 2  # a pair's are the sum of both
    touching = missing = elsewhere = number = 0
    depth, normal, acceleration, excess = [0.0], [0.0], [0.0], []
    m.opt.disableflags |= mujoco.mjtDisableBit.mjDSBL_MULTICCD
    for ours, theirs, _, data in contacts_beside_mujocos(m, places, velocity):
        touching += len(theirs) > 0
        missing += (len(theirs) > 0) != (len(ours) > 0)
        if not len(ours) or not len(theirs):
            continue
        deepest, least = ours[ours[:, 0].argmin()], theirs[:, 0].min()
        depth.append(abs(deepest[0] - least))
        equal = theirs[theirs[:, 0] < least + SAME]
        normal.append(np.abs(equal[:, 4:] - deepest[4:]).max(axis=1).min())
        if set(pair) <= {"box", "mesh"}:
            separation = least_overlap(*(vertices_of(m, data, g) for g in (0, 1)))
            if separation > 0:
                excess.append(-deepest[0] - separation)
    m.opt.disableflags &= ~int(mujoco.mjtDisableBit.mjDSBL_MULTICCD)
    same = SAME_CURVED if set(pair) & set(CURVED) else SAME
    for ours, theirs, qacc, data in contacts_beside_mujocos(m, places, velocity):
        if not in_same_places(ours, theirs, same):
            elsewhere += 1
            number += len(ours) != len(theirs)
            acceleration.append(np.abs(qacc - data.qacc).max() / (1 + np.abs(data.qacc).max()))
    return {
        "touching": touching,
        "missing": missing,
        "depth": max(depth),
        "of 99 %": float(np.quantile(depth, 0.99)),
        "normal": max(normal),
        "99 %": float(np.quantile(normal, 0.99)),
        "excess": max(excess, default=float("nan")),
        "elsewhere": elsewhere,
        "number": number,
        "qacc": max(acceleration),
        "median": float(np.median(acceleration[1:] or [0.0])),
    }


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("pairs", nargs="*", choices=[[], *map("-".join, CONVEX_PAIRS)])
    parser.add_argument("--tolerance", type=float, default=1e-10, help="MuJoCo's ccd_tolerance")
    arguments = parser.parse_args()
    wrong: list[str] = []
    titled = False
    for pair, cone in itertools.product(CONVEX_PAIRS, ("pyramidal", "elliptic")):
        name = f"{'-'.join(pair)} {cone}"
        if arguments.pairs and "-".join(pair) not in arguments.pairs:
            continue
        figures = sweep(pair, cone, arguments.tolerance)
        if not titled:
            print(f"{'of ' + str(POSES) + ' poses':30s}" + "".join(f"{name:>11s}" for name in figures))
            titled = True
        row = "".join(f"{value:11.1e}" if isinstance(value, float) else f"{value:11d}" for value in figures.values())
        print(f"{name:30s}{row}", flush=True)
        if figures["missing"] or figures["depth"] > DEPTH or figures["excess"] > EXCESS:
            wrong.append(name)
    if wrong:
        print("wrong:", ", ".join(wrong))
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())
