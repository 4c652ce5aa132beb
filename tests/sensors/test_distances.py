"""Distances between geoms of every two shapes, near, far and overlapping, against mjData.sensordata; gradients against
central differences."""

from functools import cache

import mujoco
import numpy as np
import pytest
import torch

import genesis as gs
from genesis.grad import distances as grad_distances
from tests.differences import directional_derivative
from tests.sensors import rig as rigs

KINDS = ("distance", "normal", "fromto")
CUTOFF = 0.8  # [m]: farther than some
TOLERANCE = 1e-9
# Of shapes that are curved on both sides of the search MuJoCo finds the distance to the end, and the nearest points to the
# root of the rounding in it.
TOLERANCE_OF_POINTS = 1e-5
STATES = 10

_SHAPES = {
    "plane": 'type="plane" size="1 1 .1" pos="0 0 -.3" euler="5 3 2"',
    "sphere": 'type="sphere" size=".1"',
    "capsule": 'type="capsule" size=".06 .12"',
    "ellipsoid": 'type="ellipsoid" size=".1 .06 .15"',
    "cylinder": 'type="cylinder" size=".07 .12"',
    "box": 'type="box" size=".1 .06 .15"',
    "mesh": 'type="mesh" mesh="stone"',
}
_SEARCHED_FOR = ("ellipsoid", "cylinder")
# Either order of every two shapes; of a plane either side.
PAIRS = [(one, two) for one in _SHAPES for two in _SHAPES if (one, two) != ("plane", "plane")]


@cache
def build():
    """(scene, rig): each shape twice, free, touching nothing; sensors of all `PAIRS`, and of the two bodies with many."""
    free = [(shape, text) for shape, text in _SHAPES.items() if shape != "plane"]
    quiet = 'contype="0" conaffinity="0" mass="1"'
    bodies = "".join(
        f'<body name="{shape}{k}"><freejoint/><geom name="{shape}{k}" {text} {quiet}/></body>'
        for shape, text in free
        for k in (0, 1)
    )
    many = "".join(
        f'<body name="many{k}" pos="{k} 0 0"><freejoint/>'
        + "".join(f'<geom {text} {quiet} pos="{0.2 * i} 0 0"/>' for i, (_, text) in enumerate(free))
        + "</body>"
        for k in (0, 1)
    )
    sensors = "".join(
        f'<{kind} geom1="{_geom(one, 0)}" geom2="{_geom(two, 1)}" cutoff="{CUTOFF}"/>'
        for one, two in PAIRS
        for kind in KINDS
    )
    sensors += "".join(f'<{kind} body1="many0" body2="many1" cutoff="{CUTOFF}"/>' for kind in KINDS)
    return rigs.load(f"""<mujoco><option ccd_tolerance="1e-12" ccd_iterations="500"/><asset>
      <mesh name="stone" vertex="0 0 0 .2 0 .05 0 .25 .05 .05 .05 .2 .2 .2 .15 -.1 .05 .1"/></asset>
      <worldbody><geom name="plane" {_SHAPES["plane"]} contype="0" conaffinity="0"/>{bodies}{many}</worldbody>
      <sensor>{sensors}</sensor></mujoco>""")


def _geom(shape: str, k: int) -> str:
    return shape if shape == "plane" else f"{shape}{k}"


def states(n: int, seed: int = 1):
    """Poses of all bodies, within reach of each other and, in every second state, overlapping."""
    rng = np.random.default_rng(seed)
    for k in range(n):
        place = rng.standard_normal((2 * (len(_SHAPES) - 1) + 2, 3)) * (0.3 if k % 2 else 0.1)
        turn = rng.standard_normal((len(place), 4))
        yield np.concatenate([place, turn / np.linalg.norm(turn, axis=1, keepdims=True)], 1).ravel()


def test_values_are_those_of_mujoco():
    scene, rig = build()
    m = scene.mj_model
    data, seen, wrong = mujoco.MjData(m), [], []
    sensors = [(pair, kind) for pair in [*PAIRS, ("many", "many")] for kind in KINDS]
    for qpos in states(STATES):
        data.qpos = qpos
        mujoco.mj_forward(m, data)
        rig.set_qpos(torch.as_tensor(qpos))
        values = rig.get_sensor_data()
        for k, (pair, kind) in enumerate(sensors):
            expected, value = rigs.of(m, data, f"rig/sensor{k}"), values[f"sensor{k}"].numpy(force=True)
            searched = pair == ("many", "many") or set(pair) & set(_SEARCHED_FOR) or "mesh" in pair
            allowed = TOLERANCE_OF_POINTS if kind != "distance" and searched else TOLERANCE
            if not np.abs(value - expected).max() <= allowed:
                wrong.append((pair, kind, value, expected))
            if kind == "distance":
                seen.append(expected[0])
    assert not wrong, wrong[:3]
    assert np.sum(np.array(seen) == CUTOFF) > 10, "some are beyond the cutoff"
    assert np.sum(np.array(seen) < -0.01) > 100, "some overlap"


def test_gradients_of_poses():
    _, rig = build()
    qpos = torch.as_tensor(next(states(1, seed=3)))
    generator = torch.Generator().manual_seed(0)
    direction = torch.randn(qpos.shape, generator=generator, dtype=torch.float64)
    weights = [
        torch.randn((1, 3, 6)[k % 3], generator=generator, dtype=torch.float64) for k in range(3 * len(PAIRS) + 3)
    ]

    def sums(qpos: torch.Tensor) -> torch.Tensor:
        """Of each kind, of all pairs."""
        rig.set_qpos(qpos)
        found = [(weights[k] * value).sum() for k, value in enumerate(rig.get_sensor_data().values())]
        return torch.stack([torch.stack(found[kind::3]).sum() for kind in range(3)])

    leaf = qpos.clone().requires_grad_()
    total = sums(leaf)
    exact = [
        (torch.autograd.grad(value, leaf, retain_graph=True)[0] * direction).sum().item() for value in total.unbind()
    ]
    with torch.no_grad():
        # Along directions of order one nothing switches within the step.
        numeric, _ = directional_derivative(lambda t: sums(qpos + t * direction).numpy(), 1e-4, levels=4)
    np.testing.assert_allclose(exact, numeric, rtol=1e-6)
    assert np.abs(exact).min() > 1.0


def test_gradient_of_points_that_were_not_found_exactly_is_refused(monkeypatch):
    monkeypatch.setattr(
        grad_distances.Distances, "is_exact", lambda self, found: torch.zeros_like(found.pair, dtype=torch.bool)
    )
    _, rig = build()
    near = next(states(1)).reshape(-1, 7)
    rig.set_qpos(torch.as_tensor(near.ravel()).requires_grad_())
    k = 3 * PAIRS.index(("box", "mesh"))
    rig.get_sensor_data(f"sensor{k}").sum().backward()  # the distance
    for points in (k + 1, k + 2):
        rig.set_qpos(torch.as_tensor(near.ravel()).requires_grad_())
        with pytest.raises(gs.GenesisException, match="have no derivative here"):
            rig.get_sensor_data(f"sensor{points}").sum().backward()


def test_planes_have_no_distance():
    _, rig = rigs.load("""<mujoco><worldbody><geom name="a" type="plane" size="1 1 1"/>
      <geom name="b" type="plane" size="1 1 1" pos="0 0 -1"/><body><freejoint/><geom size=".1"/></body></worldbody>
      <sensor><distance geom1="a" geom2="b" cutoff="2"/><fromto geom1="a" geom2="b" cutoff="2"/></sensor></mujoco>""")
    assert rig.get_sensor_data("sensor0").tolist() == [2.0]
    assert rig.get_sensor_data("sensor1").tolist() == [0.0] * 6
