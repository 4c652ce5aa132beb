"""Contacts of height fields: against MuJoCo, and their adjoint against differences."""

import mujoco
import numpy as np
import pytest

from tests.rigid.collision.convex_oracles import (
    MESHES,
    PLACE,
    SHAPES,
    beside_differences,
    contacts_of,
    mujocos_contacts,
)
from tests.rigid.engine import Engine

ROWS, COLUMNS = 6, 8
HALF = (0.7, 0.5, 0.3)  # half lengths along x and y, and the greatest height [m]
STATES = 100
SAME = 0.96


def model(shape, margin=0.0, gap=0.0, flags=""):
    """A shape above a rough field that is not level."""
    heights = np.random.default_rng(3).uniform(size=ROWS * COLUMNS)
    heights[:2] = 0, 1  # what MuJoCo's compiler scales the range to
    heights[20:24] = heights[20]  # a level place
    elevation = " ".join(f"{x:.6f}" for x in heights)
    return mujoco.MjModel.from_xml_string(f"""
        <mujoco><option ccd_tolerance="1e-10" ccd_iterations="200">{flags}</option>
        <asset>{MESHES}
        <hfield name="ground" nrow="{ROWS}" ncol="{COLUMNS}" size="{HALF[0]} {HALF[1]} {HALF[2]} .1"
            elevation="{elevation}"/></asset>
        <worldbody><geom type="hfield" hfield="ground" pos=".4 -.2 .3" quat=".95 .1 -.15 .3"/>
        <body><freejoint/><geom {SHAPES[shape]} margin="{margin}" gap="{gap}"/></body></worldbody></mujoco>""")


def states(m, seed, count=STATES):
    """From in the ground to above it, some of them at its rim."""
    rng = np.random.default_rng(seed)
    for _ in range(count):
        data = mujoco.MjData(m)
        mujoco.mj_kinematics(m, data)
        place = rng.uniform(-1.1, 1.1, size=3) * HALF
        place[2] = rng.uniform(-0.02, HALF[2] + 0.15)
        quat = rng.standard_normal(4)
        data.qpos[:3] = data.geom_xpos[0] + data.geom_xmat[0].reshape(3, 3) @ place
        data.qpos[3:] = quat / np.linalg.norm(quat)
        mujoco.mj_forward(m, data)
        yield data


def unmatched(ours, theirs):
    """How many contacts of one have none of the other in their place."""
    left = list(range(len(theirs[0])))
    missing = 0
    for k in range(len(ours[0])):
        off = [max(np.abs(x[k] - y[j]).max() for x, y in zip(ours, theirs, strict=True)) for j in left]
        if off and min(off) < PLACE:
            left.pop(int(np.argmin(off)))
        else:
            missing += 1
    return missing + len(left)


# MuJoCo 4.0 does not number the vertices of its prisms: where a box or mesh has no margin, its search for the depth ends as
# soon as the same corner of it is found twice, with too small a depth. With any margin it goes on; so it is given one here.
LEAST_MARGIN = 1e-12


@pytest.mark.parametrize(("margin", "gap"), [(LEAST_MARGIN, 0.0), (0.02, 0.01)])
@pytest.mark.parametrize("shape", SHAPES)
def test_contacts_are_mujocos(shape, margin, gap):
    """Nearly all of them: of equal depths either takes the first that it comes to, and MuJoCo's search at a cylinder's rim
    ends a little short."""
    m = model(shape, margin, gap)
    engine, contacts, different, most = Engine(m), 0, 0, 0
    for data in states(m, seed=len(shape)):
        ours = contacts_of(engine, data)
        theirs = mujocos_contacts(data)
        contacts += data.ncon
        most = max(most, data.ncon)
        different += unmatched(ours, theirs)
    assert contacts > 2 * STATES and most > 5
    assert different < (1 - SAME) * contacts, f"{different} of {contacts}"


@pytest.mark.parametrize("shape", SHAPES)
def test_adjoint_equals_differences(shape):
    m = model(shape, 0.005)
    seen = beside_differences(m, states(m, seed=11, count=60))
    for label in ("state", "parameters"):
        assert seen[label, "smooth"] > 15, seen
