"""One runtime for the whole session (64 bits, CPU), and fresh processes for tests that need another."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

ROOT = Path(__file__).resolve().parent.parent
# Tests import the engine and each other's helpers from the repository, whichever way pytest was started.
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

import genesis as gs  # noqa: E402
from genesis import runtime  # noqa: E402

PROGRAM_TIMEOUT = 300.0  # seconds; a program that compiles kernels into an empty cache takes most of a minute


def pytest_addoption(parser):
    parser.addoption(
        "--thorough",
        action="store_true",
        help="more states and longer horizons of the sweeps of gradients, which take most of an hour",
    )


def pytest_collection_modifyitems(config, items):
    if config.getoption("--thorough"):
        return
    left_out = [item for item in items if item.get_closest_marker("thorough")]
    config.hook.pytest_deselected(items=left_out)
    items[:] = [item for item in items if not item.get_closest_marker("thorough")]


@pytest.fixture(scope="session")
def thorough(request) -> bool:
    """Whether the sweeps run in full."""
    return request.config.getoption("--thorough")


def pytest_configure():
    """Start the runtime before any test module is imported: those that name kernels need the precision."""
    torch.set_num_threads(1)
    runtime.any_stride = True  # tests/rigid/test_graph.py runs the layout of GPUs on the CPU
    gs.init(backend=gs.cpu, precision="64", seed=0, logging_level="warning")


@pytest.fixture
def run_python():
    """Run a program in a fresh process: ``run_python(code, NAME="value", ...)`` returns what it wrote to stdout and stderr.

    Keywords are environment variables. Fails the test, with the program's output, if the program fails.
    """

    def run(code: str, **env: str) -> str:
        path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
        result = subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONPATH": path, **env},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=PROGRAM_TIMEOUT,
            check=False,
        )
        if result.returncode != 0:
            pytest.fail(f"the program ended with {result.returncode}:\n{result.stdout}")
        return result.stdout

    return run
