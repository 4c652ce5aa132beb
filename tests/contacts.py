"""Two shapes in contact, of every pair, in random states."""

import mujoco
import numpy as np

MESH = "mesh"
# Shapes as MJCF, about a tenth of a metre, none of them symmetric where it need not be.
SHAPES = {
    "plane": 'type="plane" size="3 3 .1"',
    "sphere": 'type="sphere" size=".1"',
    "capsule": 'type="capsule" size=".06 .12"',
    "ellipsoid": 'type="ellipsoid" size=".08 .11 .14"',
    "cylinder": 'type="cylinder" size=".08 .12"',
    "box": 'type="box" size=".08 .11 .14"',
    "mesh": 'type="mesh" mesh="hull"',
    "hfield": 'type="hfield" hfield="ground"',
}
FIXED = ("plane", "hfield")
# A skewed prism with a ridge: eight vertices, none of them in line.
HULL = ".1 .07 -.08  -.09 .1 -.1  -.1 -.08 -.09  .08 -.1 -.1  .07 .05 .1  -.06 .08 .09  -.08 -.05 .11  .06 -.06 .08"

# Rolling ground, of cells about as large as the shapes.
GROUND = " ".join(
    f"{0.5 + 0.25 * np.sin(1.3 * i) * np.cos(0.9 * j) + 0.2 * np.sin(0.7 * i * j):.4f}" for i, j in np.ndindex(9, 9)
)

PAIRS = [
    *(("plane", second) for second in ("sphere", "capsule", "ellipsoid", "cylinder", "box", "mesh")),
    *(("sphere", second) for second in ("sphere", "capsule", "cylinder", "box")),
    ("capsule", "capsule"),
    ("capsule", "box"),
    ("box", "box"),
]
# Those of the general algorithm.
CONVEX_PAIRS = [
    *(("sphere", second) for second in ("ellipsoid", "mesh")),
    *(("capsule", second) for second in ("ellipsoid", "cylinder", "mesh")),
    *(("ellipsoid", second) for second in ("ellipsoid", "cylinder", "box", "mesh")),
    *(("cylinder", second) for second in ("cylinder", "box", "mesh")),
    ("box", "mesh"),
    ("mesh", "mesh"),
    *(("hfield", second) for second in ("sphere", "capsule", "ellipsoid", "cylinder", "box", "mesh")),
]


def model_of(first: str, second: str, *, cone: str = "pyramidal", condim: int = 3, options: str = "") -> mujoco.MjModel:
    """Two free bodies of one shape each; a plane or height field is part of the world. Off-centre, so that poses of geoms count."""
    offset = 'pos=".01 -.02 .015" quat=".9 .2 -.1 .3"'
    where = 'friction=".8 .02 .003"'
    body = (
        f"<geom {SHAPES[first]} {where}/>"
        if first in FIXED
        else f"<body><freejoint/><geom {SHAPES[first]} {offset} {where}/></body>"
    )
    source = f"""
    <mujoco><option timestep="0.002" cone="{cone}" tolerance="0" iterations="200" ls_iterations="100" {options}/>
    <asset><mesh name="hull" vertex="{HULL}"/>
    <hfield name="ground" nrow="9" ncol="9" size=".7 .6 .2 .1" elevation="{GROUND}"/></asset>
    <default><geom condim="{condim}" solref=".03 .9" solimp=".8 .95 .02 .4 2.5"/></default>
    <worldbody>{body}<body><freejoint/><geom {SHAPES[second]} {offset} friction=".6 .03 .002"/></body></worldbody>
    </mujoco>"""
    return mujoco.MjModel.from_xml_string(source)


def random_states(m: mujoco.MjModel, count: int, rng: np.random.Generator, *, deep: float = 0.02) -> np.ndarray:
    """(count, nq + nv): random orientations, put so that the shapes touch: from grazing to ``deep`` [m] penetration."""
    data = mujoco.MjData(m)
    states = np.zeros((count, m.nq + m.nv))
    moving = m.nq - 7  # address of the second body's position
    for row in states:
        while True:
            for adr in range(3, m.nq, 7):
                quat = rng.standard_normal(4)
                data.qpos[adr - 3 : adr] = 0.0
                data.qpos[adr : adr + 4] = quat / np.linalg.norm(quat)
            away = rng.standard_normal(3)
            if m.nq == 7:
                away = np.array([0.3 * away[0], 0.3 * away[1], 1.0])
            away /= np.linalg.norm(away)
            # in from afar until they touch, then deeper by a random amount
            near, far = 0.0, 0.6
            for _ in range(30):
                middle = 0.5 * (near + far)
                data.qpos[moving : moving + 3] = middle * away
                mujoco.mj_fwdPosition(m, data)
                near, far = (middle, far) if data.ncon else (near, middle)
            if near == 0.0:
                continue
            data.qpos[moving : moving + 3] = (near - deep * rng.uniform(0.05, 1)) * away
            mujoco.mj_fwdPosition(m, data)
            if data.ncon:
                break
        row[: m.nq] = data.qpos
        row[m.nq :] = 0.5 * rng.standard_normal(m.nv)
    return states
