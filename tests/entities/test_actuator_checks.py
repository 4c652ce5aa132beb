"""Numbers that no actuator of a kind has are refused by its setters, before anything changed; what a file gives is not."""

import re

import pytest
import torch

import genesis as gs
from tests.scenes import build

SOURCE = """
<mujoco><default><geom contype="0" conaffinity="0"/></default><worldbody>
<body><joint name="slide" type="slide" axis="1 0 0"/><geom size=".1"/><site name="pin" pos="0 0 .1"/></body>
<body pos="0 0 1"><joint name="turn" axis="0 1 0"/><geom size=".1"/><site name="crank" pos=".05 0 0"/></body></worldbody>
<actuator><muscle name="muscle" joint="slide" lengthrange="0 1"/>
<dcmotor name="warm" joint="turn" motorconst=".3 .3" resistance="1.5" inductance=".05 .033" thermal="2 5 0 .004 25 20"/>
<dcmotor name="plain" joint="turn" motorconst=".3 .3" resistance="1.5"/>
<general name="rod" cranksite="crank" slidersite="pin" cranklength="1"/><motor name="motor" joint="turn"/></actuator></mujoco>"""
MUSCLE, WARM, PLAIN, ROD, MOTOR = range(5)


@pytest.fixture(scope="module")
def robot():
    return build(SOURCE)[1]


# Setter, actuator, which of its numbers, what to, and what the message says; the same is fine for the other actuator.
IMPOSSIBLE = [
    ("gain", MUSCLE, 0, 2.0, "range of lengths must begin below", MOTOR),
    ("bias", MUSCLE, 0, 2.0, "range of lengths must begin below", MOTOR),
    ("gain", WARM, 0, 0.0, "resistance must be above zero", MOTOR),
    ("gain", PLAIN, 0, -1.0, "resistance must be above zero", MOTOR),
    ("gain", PLAIN, 1, 0.0, "constant must be above zero", MOTOR),
    ("muscle_gain", MUSCLE, 0, 0.0, "scale, vmax, fpmax and fvmax must not be 0", MOTOR),
    ("muscle_gain", MUSCLE, 1, 1.0, "lmin < 1 < lmax", MOTOR),
    ("muscle_gain", MUSCLE, 2, 1.0, "lmin < 1 < lmax", MOTOR),
    ("muscle_bias", MUSCLE, 3, 0.0, "scale, vmax, fpmax and fvmax must not be 0", MOTOR),
    ("time_constant", WARM, 0, 0.0, "its current is a state: the time constant must be above zero", PLAIN),
    ("deactivation", WARM, 1, 0.0, "thermal resistance must be above zero", PLAIN),
    ("motor_dynamics", WARM, 0, 0.0, "thermal capacity must be above zero", PLAIN),
    ("crank_length", ROD, None, 0.0, "rod of a slider-crank must be longer than zero", MOTOR),
]


@pytest.mark.parametrize(("name", "actuator", "number", "value", "message", "other"), IMPOSSIBLE)
def test_what_no_actuator_of_a_kind_has(robot, name, actuator, number, value, message, other):
    getter, setter = getattr(robot, f"get_actuators_{name}"), getattr(robot, f"set_actuators_{name}")
    before = getter()

    def changed(u):
        values = before[u : u + 1].clone()
        values[(0,) if number is None else (0, number)] = value
        return values

    with pytest.raises(gs.GenesisException, match=f"actuator '{robot.actuator_names[actuator]}'.*{re.escape(message)}"):
        setter(changed(actuator), [actuator])
    torch.testing.assert_close(getter(), before, rtol=0, atol=0)
    setter(changed(other), [other])
    setter(before)


def test_lengths_of_a_muscle(robot):
    lower, upper = robot.get_actuators_length_range()
    with pytest.raises(gs.GenesisException, match=r"'muscle'.*shortest length must be below its longest"):
        robot.set_actuators_length_range(1.0, 1.0, [MUSCLE])
    robot.set_actuators_length_range(1.0, 1.0, [MOTOR])
    robot.set_actuators_length_range(lower, upper)


def test_per_env_values_name_the_env():
    _, robot = build(SOURCE, n_envs=3)
    with pytest.raises(gs.GenesisException, match=r"actuator 'rod' .*env 1 of those given.*rod of a slider-crank"):
        robot.set_actuators_crank_length(torch.tensor([[1.0], [0.0], [1.0]]), [ROD])
