"""A skin that is pressed into shapes of every kind."""

import mujoco
import numpy as np
import pytest
import torch

from tests.differences import directional_derivative
from tests.sensors import rig as rigs

_TEXT = """<mujoco><option tolerance="0" iterations="100"/><asset>
  <mesh name="skin" builtin="plate" params="9 8" scale=".2 .15 .001"/>
  <mesh name="bare" vertex="-.1 -.1 0 .1 -.1 0 .1 .1 0 -.1 .1 0 0 0 .03 0 0 -.04"/>
  <mesh name="stone" vertex="0 0 0 .4 0 .1 0 .5 .1 .1 .1 .4 .4 .4 .3 -.2 .1 .2"/></asset>
<worldbody><geom type="{shape}" {size} pos=".01 .02 -.1" euler="10 20 30"/>
  <body name="hand"><freejoint/><geom type="box" size=".2 .15 .06"/>
    <geom name="skin" type="mesh" mesh="skin" pos="0 0 -.05" euler="180 0 10" mass="0" contype="0" conaffinity="0"/>
    <geom name="bare" type="mesh" mesh="bare" pos="0 .05 -.05" mass="0" contype="0" conaffinity="0"/></body>
</worldbody>
<sensor><tactile geom="skin" mesh="skin"/><tactile geom="bare" mesh="bare"/></sensor></mujoco>"""
SIZES = {
    "plane": 'size="1 1 1"',
    "sphere": 'size=".15"',
    "capsule": 'size=".1 .1"',
    "ellipsoid": 'size=".2 .1 .15"',
    "cylinder": 'size=".12 .1"',
    "box": 'size=".2 .1 .12"',
}


def _motions():
    rng = np.random.default_rng(0)
    for _ in range(6):
        turn = np.array([1.0, 0.0, 0.0, 0.0]) + 0.1 * rng.standard_normal(4)
        yield (
            np.concatenate([0.03 * rng.standard_normal(3) - [0, 0, 0.06], turn / np.linalg.norm(turn)]),
            rng.standard_normal(6),
        )


@pytest.mark.parametrize("shape", SIZES)
def test_values_and_gradients(shape):
    scene, rig = rigs.load(_TEXT.format(shape=shape, size=SIZES[shape]))
    m = scene.mj_model
    data, felt, most = mujoco.MjData(m), [], ()
    for qpos, qvel in _motions():
        data.qpos, data.qvel = qpos, qvel
        mujoco.mj_forward(m, data)
        rig.set_qpos(torch.as_tensor(qpos))
        rig.set_dofs_velocity(torch.as_tensor(qvel))
        for name, value in rig.get_sensor_data().items():
            expected = rigs.of(m, data, f"rig/{name}")
            np.testing.assert_allclose(value.numpy(force=True), expected, rtol=0, atol=1e-12)
            felt.append(np.count_nonzero(expected))
            most = (qpos, qvel) if felt[-1] == max(felt) else most
    assert max(felt) > 30
    _check_gradient(rig, *most)


def _check_gradient(rig, qpos, qvel):
    generator = torch.Generator().manual_seed(0)
    inputs = torch.as_tensor(np.concatenate([qpos, qvel]))
    direction = torch.randn(inputs.shape, generator=generator, dtype=torch.float64)

    def total(inputs):
        rig.set_qpos(inputs[:7])
        rig.set_dofs_velocity(inputs[7:])
        # Smooth where a vertex comes out of the shape.
        depth, *speeds = rig.get_sensor_data("sensor0").unflatten(-1, (3, -1)).unbind(-2)
        return (depth.square() * sum(speeds, 1.0)).sum()

    leaf = inputs.clone().requires_grad_()
    exact = (torch.autograd.grad(total(leaf), leaf)[0] * direction).sum().item()
    with torch.no_grad():
        (numeric,), _ = directional_derivative(
            lambda t: total(inputs + t * direction).numpy().reshape(1), 1e-5, levels=4
        )
    assert exact == pytest.approx(numeric, rel=1e-6)
    assert abs(exact) > 1e-3


def test_meshes_are_not_felt():
    scene, rig = rigs.load(_TEXT.format(shape="mesh", size='mesh="stone"'))
    assert scene.mj_model.ngeom == 4
    assert len(rig.get_contacts()["geom_a"]) > 0
    assert rig.get_sensor_data("sensor0").abs().max() == 0.0
