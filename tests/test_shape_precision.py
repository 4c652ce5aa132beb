"""Scenes full of shapes in 32 bits, beside 64 bits: the same contacts, accelerations and gradients.

Each precision in a process of its own: see shape_precision_program.py.
"""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

PROGRAM = Path(__file__).parent / "shape_precision_program.py"
SCENES = ("pile", "cylinders", "ellipsoids", "car", "hand", "arm", "humanoid")
# Of the acceleration and of the gradient, relative to the largest of their numbers, in nine of ten states. Seen: 1e-4.
LIMIT = 5e-4
GRAVITY = 9.81  # what an acceleration is measured against at rest


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    folder = tmp_path_factory.mktemp("shapes")
    runs = [
        subprocess.Popen([sys.executable, str(PROGRAM), bits, str(folder / f"{bits}.npz")]) for bits in ("32", "64")
    ]
    assert [run.wait() for run in runs] == [0, 0]
    return [np.load(folder / f"{bits}.npz") for bits in ("32", "64")]


@pytest.mark.parametrize("name", SCENES)
def test_single_steps(found, name):
    single, double = found
    assert (single[f"{name} contacts"] == double[f"{name} contacts"]).all(axis=1).mean() > 0.95
    for kind, least in (("step", GRAVITY), ("gradient", 0.0)):
        x, y = single[f"{name} {kind}"], double[f"{name} {kind}"]
        assert np.isfinite(x).all()
        if name == "humanoid":
            # stands still, its soles flush with the floor: with which corners they press is decided by rounding
            same = (single[f"{name} features"] == double[f"{name} features"]).all(axis=1)
            assert same.mean() > 0.5
            x, y = x[same], y[same]
        error = np.abs(x - y).max(axis=1) / (np.abs(y).max(axis=1) + least)
        assert np.quantile(error, 0.9) < LIMIT, (kind, np.quantile(error, [0.5, 0.9, 1]))


@pytest.mark.parametrize("name", SCENES)
def test_rollouts(found, name):
    """50 steps from where each scene has come to rest or is moving: the state, and its gradient by the first."""
    (state, gradient), (state64, gradient64) = (file[f"{name} rollout"] for file in found)
    assert np.isfinite(gradient).all()
    assert np.abs(state - state64).max() < 5e-4
    assert np.abs(gradient - gradient64).max() < 2e-3 * np.abs(gradient64).max()
