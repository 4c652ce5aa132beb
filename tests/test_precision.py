"""Gradients in 32 bits against those in 64 bits, each in a process of its own."""

import subprocess
import sys
from pathlib import Path

import numpy as np

# Relative to the norm of the 64-bit gradient of the same (output, input) pair.
SINGLE_PRECISION_TOLERANCE = 1e-2
# A gradient this small beside the largest one of its output is rounding noise in 32 bits.
NEGLIGIBLE = 1e-6


def run(precision: str, path: Path) -> dict[str, np.ndarray]:
    program = Path(__file__).parent / "precision_program.py"
    subprocess.run([sys.executable, str(program), precision, str(path)], check=True, timeout=600)
    with np.load(path) as file:
        return dict(file)


def test_gradients_in_32_bits_agree_with_64_bits(tmp_path):
    exact, single = run("64", tmp_path / "64.npz"), run("32", tmp_path / "32.npz")
    assert exact.keys() == single.keys()
    largest: dict[str, float] = {}
    for key, value in exact.items():
        output = key.split(" / ")[0]
        largest[output] = max(largest.get(output, 0.0), np.linalg.norm(value))
    wrong = []
    for key, value in exact.items():
        assert np.isfinite(single[key]).all(), key
        size = max(np.linalg.norm(value), NEGLIGIBLE * largest[key.split(" / ")[0]], 1e-12)
        error = np.linalg.norm(single[key] - value) / size
        if error > SINGLE_PRECISION_TOLERANCE:
            wrong.append(f"{key}: relative error {error:.1e} of {np.linalg.norm(value):.3e}")
    assert not wrong, "\n".join(wrong)
