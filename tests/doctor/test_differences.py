"""Numerical derivatives of known functions: the value within its estimated error, and the noise as it was made."""

import math

import numpy as np
import pytest

from genesis.doctor.differences import NOISE_POINTS, derivative, noise_of

# An estimate that is too small by this factor counts as wrong: it is a bound in the mean, not for each function.
SLACK = 5.0


@pytest.mark.parametrize(
    ("function", "slope"),
    [
        (lambda x: math.sin(x + 0.7), math.cos(0.7)),
        (lambda x: math.exp(30.0 * x), 30.0),
        (lambda x: 1.0 / (0.01 + x), -1.0e4),
        (lambda x: 1.0e6 + 3.0 * x, 3.0),
        (lambda x: 5.0, 0.0),
    ],
)
def test_smooth_functions(function, slope):
    noise = np.finfo(float).eps * abs(function(0.0))
    found = derivative(function, 1e-3, noise, abs(slope))
    assert abs(found.value - slope) <= SLACK * found.error + 1e-12
    assert found.error <= 1e-5 * max(abs(slope), 1e-3)


def test_a_jump_at_a_distance_is_not_seen():
    """Steps beyond the jump say 50000; the plateau below it says 2."""
    found = derivative(lambda x: 2.0 * x + (100.0 if x > 1e-4 else 0.0), 1e-3, 1e-15, 2.0)
    assert found.value == pytest.approx(2.0, rel=1e-6)
    assert found.coarse == pytest.approx(50002.0)
    assert found.step < 1e-4


def test_a_jump_at_the_point_has_no_derivative():
    assert math.isinf(derivative(lambda x: 1.0 if x > 0.0 else 0.0, 1e-3, 1e-15, 1.0).error)


def test_a_function_that_is_rough_at_every_scale_has_none():
    """As the loss of a chaotic motion over a long horizon; a small difference of it by chance is no derivative."""
    rng = np.random.default_rng(0)
    found = [derivative(lambda x: rng.uniform(), 1e-3, 1e-12, 1.0) for _ in range(500)]
    # By chance some differences close in on each other, and another one confirms them.
    assert sum(math.isfinite(one.error) for one in found) <= 0.01 * len(found)


def test_a_function_that_cannot_be_evaluated_far_away():
    """As a mass that may not be negative."""
    found = derivative(lambda x: math.sqrt(1e-5 + x) if x > -1e-5 else math.nan, 1e-3, 1e-16, 1.0)
    assert found.value == pytest.approx(0.5 / math.sqrt(1e-5), rel=1e-5)


def test_a_function_that_can_be_evaluated_nowhere():
    assert math.isnan(derivative(lambda x: math.nan, 1e-3, 1e-16, 1.0).value)


@pytest.mark.parametrize("level", [1e-12, 1e-6])
def test_noise_is_found_beside_a_slope(level):
    rng = np.random.default_rng(0)
    found = [
        noise_of([3.0 + 1e-3 * level * k + level * rng.standard_normal() for k in range(NOISE_POINTS)])
        for _ in range(50)
    ]
    # Seven values give the standard deviation to some tens of percent.
    assert 0.5 * level < np.median(found) < 2.0 * level


def test_without_noise_rounding_is_what_is_left():
    assert noise_of([1.0] * NOISE_POINTS) == np.finfo(float).eps
    assert math.isinf(noise_of([1.0, math.nan, 1.0, 1.0, 1.0, 1.0, 1.0]))


@pytest.mark.parametrize("at", range(1, NOISE_POINTS))
def test_a_jump_is_no_noise(at):
    rng = np.random.default_rng(0)
    found = [noise_of([1.0 + (k >= at) + 1e-9 * rng.standard_normal() for k in range(NOISE_POINTS)]) for _ in range(50)]
    assert 0.3e-9 < np.median(found) < 3e-9
