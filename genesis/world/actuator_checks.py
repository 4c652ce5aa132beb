"""Which values the parameters of an actuator can have, as far as that depends on its kind: what MuJoCo's compiler
would refuse in a file, no setter takes either."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import mujoco
import numpy as np

from genesis.model import servos
from genesis.world.catalogue import Entry
from genesis.world.checks import Check

# (n, *item) -> (n,): where the values are impossible.
_Bad = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class _Rule:
    """What no actuator of a kind can have.

    Attributes:
        of: of a model, (nactuator,) bool, which actuators are of the kind
        bad: finds the values
        text: what holds of all others
    """

    of: Callable[[mujoco.MjModel], np.ndarray]
    bad: _Bad
    text: str


def _is_muscle(m: mujoco.MjModel) -> np.ndarray:
    return np.asarray(m.actuator_gaintype == int(mujoco.mjtGain.mjGAIN_MUSCLE))


def _has_muscle_bias(m: mujoco.MjModel) -> np.ndarray:
    return np.asarray(m.actuator_biastype == int(mujoco.mjtBias.mjBIAS_MUSCLE))


def _is_motor(m: mujoco.MjModel) -> np.ndarray:
    return np.asarray(m.actuator_gaintype == int(mujoco.mjtGain.mjGAIN_DCMOTOR))


def _is_slider_crank(m: mujoco.MjModel) -> np.ndarray:
    return np.asarray(m.actuator_trntype == int(mujoco.mjtTrn.mjTRN_SLIDERCRANK))


def _has_state(name: str) -> Callable[[mujoco.MjModel], np.ndarray]:
    """Of motors: those with a state of that name."""

    def of(m: mujoco.MjModel) -> np.ndarray:
        states = servos.describe(m, moves=True, behind=0)
        found = np.zeros(m.nactuator, dtype=bool)
        found[states["servo_actuator"]] = states["servo_state"][:, servos.STATES.index(name)] >= 0
        return found & _is_motor(m)

    return of


def _at_most_zero(k: int) -> _Bad:
    return lambda values: values[..., k] <= 0


_EMPTY = "a muscle's range of lengths must begin below where it ends"
_NO_CURVE = "a muscle's scale, vmax, fpmax and fvmax must not be 0, and lmin < 1 < lmax"


def _no_curve(values: np.ndarray) -> np.ndarray:
    scale, lmin, lmax, *others = np.moveaxis(values, -1, 0)
    return np.asarray((np.stack([scale, *others]) == 0).any(0) | (lmin >= 1) | (lmax <= 1))


def _no_range(values: np.ndarray) -> np.ndarray:
    return np.asarray(values[..., 0] >= values[..., 1])


_RULES: dict[str, tuple[_Rule, ...]] = {
    "actuators_gain": (
        _Rule(_is_muscle, _no_range, _EMPTY),
        _Rule(_is_motor, _at_most_zero(0), "a DC motor's resistance must be above zero"),
        _Rule(_is_motor, _at_most_zero(1), "a DC motor's constant must be above zero"),
    ),
    "actuators_bias": (_Rule(_has_muscle_bias, _no_range, _EMPTY),),
    "actuators_muscle_gain": (_Rule(_is_muscle, _no_curve, _NO_CURVE),),
    "actuators_muscle_bias": (_Rule(_has_muscle_bias, _no_curve, _NO_CURVE),),
    "actuators_length_range": (_Rule(_is_muscle, _no_range, "a muscle's shortest length must be below its longest"),),
    "actuators_time_constant": (
        _Rule(
            _has_state("current"),
            _at_most_zero(0),
            "its current is a state: the time constant must be above zero",
        ),
    ),
    "actuators_deactivation": (
        _Rule(
            _has_state("temperature"),
            _at_most_zero(1),
            "this motor warms up, its thermal resistance must be above zero",
        ),
    ),
    "actuators_motor_dynamics": (
        _Rule(
            _has_state("temperature"),
            _at_most_zero(0),
            "this motor warms up, its thermal capacity must be above zero",
        ),
    ),
    "actuators_crank_length": (
        _Rule(_is_slider_crank, lambda values: values <= 0, "the rod of a slider-crank must be longer than zero"),
    ),
}


def check_of(m: mujoco.MjModel, parameter: Entry, actuators: np.ndarray) -> Check | None:
    """The check of a parameter of these actuators, by their numbers in the scene: its own, then that of their kinds."""
    rules = [(rule, rule.of(m)[actuators]) for rule in _RULES.get(parameter.name, ())]
    rules = [(rule, those) for rule, those in rules if those.any()]
    if not rules:
        return parameter.check

    def check(values: np.ndarray) -> tuple[tuple[int, ...], str] | None:
        found = parameter.check(values) if parameter.check else None
        for rule, those in () if found else rules:
            bad = rule.bad(values) & those
            if bad.any():
                where = tuple(int(i) for i in np.argwhere(bad)[0])
                return where, f"is {values[where].tolist()}; {rule.text}"
        return found

    return check
