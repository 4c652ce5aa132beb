"""Sensors with a delay or an interval: beside MuJoCo's, with gradient, and as part of the state."""

import mujoco
import numpy as np
import pytest
import torch

import genesis as gs
from tests.scenes import build

# Rounding of a motion of a hundred steps, and of accelerations.
TOLERANCE = 1e-9
# A duration that is a binary fraction: MuJoCo's time, which it adds up, has no rounding.
DT = 1 / 256
_LATE = [
    f'{delay} {interval} nsample="{n}" interp="{interp}"'
    for n in (1, 2, 5, 9)
    for interp in ("zoh", "linear", "cubic")
    for delay in ("", 'delay=".0123"', 'delay=".03125"', 'delay=".0011"', 'delay=".3"')
    for interval in ("", 'interval=".03125"', 'interval=".0237 -.011"')
    if delay or interval
]
_TYPES = ('jointpos joint="a"', 'jointvel joint="b"', 'accelerometer site="tip" cutoff="9"', 'framequat objtype="site" objname="tip"',
          'actuatorfrc actuator="a"', 'force site="tip"', "clock")  # fmt: skip
ARM = f"""<mujoco><option timestep="{DT}"/><worldbody><body pos="0 0 1"><joint name="a" axis="0 1 0" damping=".1"/>
  <geom type="capsule" size=".04" fromto="0 0 0 .4 0 0"/><body pos=".4 0 0"><joint name="b" axis="0 1 1" damping=".1"/>
  <geom type="capsule" size=".04" fromto="0 0 0 .3 0 0"/><site name="tip" pos=".3 0 .1" euler="10 20 30"/></body></body>
</worldbody><actuator><motor name="a" joint="a"/><position joint="b" kp="5" delay=".01" nsample="4" interp="linear"/></actuator>
<sensor>{{}}</sensor></mujoco>"""
FEW = ("jointpos joint='b' delay='.0217' nsample='9' interp='cubic'", "accelerometer site='tip' interval='.02' nsample='3'",
       "framequat objtype='site' objname='tip' delay='.013' interval='.01' nsample='7' interp='linear'")  # fmt: skip


def arm(sensors, **more):
    text = ARM.format("".join(f"<{sensor}/>" for sensor in sensors))
    return build(text, integrator="implicitfast", **more)


def controls(n_steps, n_envs=None, seed=0):
    shape = (n_steps, 2) if n_envs is None else (n_steps, n_envs, 2)
    return torch.tensor(np.random.default_rng(seed).uniform(-2, 2, shape))


def read(scene):
    return torch.cat(list(scene.get_sensor_data().values()), -1)


def test_values_are_those_of_mujoco():
    """Every combination of delay, interval, samples and interpolation, of a type each in turn."""
    sensors = [f"{_TYPES[k % len(_TYPES)]} {late}" for k, late in enumerate(_LATE)]
    scene, robot = arm(sensors, requires_grad=False)
    m = scene.mj_model
    data = mujoco.MjData(m)
    for u in controls(60):
        data.ctrl[:] = u
        robot.control_actuators(u)
        mujoco.mj_forward(m, data)
        np.testing.assert_allclose(read(scene), data.sensordata, rtol=TOLERANCE, atol=TOLERANCE)
        mujoco.mj_step(m, data)
        scene.step()


@pytest.mark.parametrize("n_steps", [1, 40])
def test_gradient_equals_differences(n_steps):
    """Of readings on the way, by the controls and the state at the start."""
    scene, robot = arm(FEW)

    def loss_of(u, start):
        scene.reset()
        robot.set_dofs_velocity(start)
        value = 0.0
        for row in u:
            robot.control_actuators(row)
            scene.step()
            values = read(scene)
            value = value + (torch.linspace(1.0, 2.0, len(values)) * values).sum() / n_steps
        return value

    inputs = [controls(n_steps).requires_grad_(), torch.tensor([0.3, -0.2], requires_grad=True)]
    gradients = torch.autograd.grad(loss_of(*inputs), inputs)
    assert read(scene).requires_grad
    scene.detach()
    assert not read(scene).requires_grad
    rng, step = np.random.default_rng(3), 1e-6
    with torch.no_grad():
        for x, gradient in zip(inputs, gradients, strict=True):
            direction = torch.tensor(rng.standard_normal(x.shape))
            ends = [loss_of(*(y + s * step * direction if y is x else y for y in inputs)).item() for s in (1, -1)]
            expected, found = (ends[0] - ends[1]) / (2 * step), (gradient * direction).sum().item()
            assert abs(expected) > 1e-6 or n_steps == 1
            assert abs(found - expected) < (1e-6 if n_steps == 1 else 1e-5) * max(1, abs(expected))


@pytest.mark.parametrize("n_envs", [0, 2])
def test_after_a_rollout_they_say_what_they_say_after_the_loop(n_envs):
    scene, robot = arm(FEW, n_envs=n_envs)
    given, values = controls(40, n_envs or None).requires_grad_(), []
    for limit in ("loop", None, 20_000 + 10_000 * n_envs):
        scene.reset()
        if limit == "loop":
            for u in given:
                robot.control_actuators(u)
                scene.step()
        else:
            scene.rollout({robot: given}, "actuators", memory_limit=limit)
        found = read(scene)
        values.append((found.detach(), *torch.autograd.grad(found.sum(), given)))
    for found in values[1:]:
        for value, expected in zip(found, values[0], strict=True):
            torch.testing.assert_close(value, expected, rtol=1e-9, atol=1e-9)


def test_they_belong_to_the_state(tmp_path):
    """States, envs that are reset, and checkpoints."""
    scene, robot = arm(FEW, n_envs=3, requires_grad=False)
    first, more = controls(30, 3, 1), controls(30, 3, 2)

    def run(given, envs=slice(None)):
        found = []
        for u in given:
            robot.control_actuators(u)
            found.append(read(scene).detach()[envs])
            scene.step()
        return torch.stack(found)

    start = run(first)
    state = scene.get_state()
    scene.save_checkpoint(tmp_path / "late")
    after = run(more)
    scene.reset(state)
    torch.testing.assert_close(run(more), after, rtol=0, atol=0)
    scene.reset(state.detach(), envs_idx=[1])
    torch.testing.assert_close(run(more, 1), after[:, 1], rtol=1e-12, atol=1e-12)
    scene.reset(envs_idx=[0, 2])
    torch.testing.assert_close(run(first, [0, 2]), start[:, [0, 2]], rtol=1e-9, atol=1e-9)
    scene.reset()
    scene.load_checkpoint(tmp_path / "late")
    torch.testing.assert_close(run(more), after, rtol=1e-12, atol=1e-12)


def test_what_nobody_reads_costs_nothing_and_substeps_are_refused():
    scene, _robot = arm(FEW[:1], dt=2 * DT, substeps=2)
    with pytest.raises(gs.GenesisException, match=r"not measured: it has a delay or an interval.*substeps=1"):
        scene.get_sensor_data(scene.sensor_names[0])
    plain, _ = arm(("jointpos joint='a' nsample='4'", "jointpos joint='b' interval='.02'"))
    assert plain.world.past is None and len(plain.get_sensor_data()) == 2
