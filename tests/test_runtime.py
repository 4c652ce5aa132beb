"""gs.init and gs.destroy: precision, device, seed, log, and what importing costs."""

import logging

import numpy as np
import pytest
import torch

import genesis as gs
from genesis import runtime


def test_state_after_init():
    assert gs.backend is gs.cpu
    assert gs.device == torch.device("cpu")
    assert (gs.tc_float, gs.tc_int, gs.np_float, gs.np_int) == (torch.float64, torch.int32, np.float64, np.int32)
    assert gs.precision == "64"
    assert gs.EPS == 1e-15  # the default; the machine epsilon is smaller
    assert torch.get_default_dtype() == torch.float64
    assert gs.logger is logging.getLogger("genesis")
    assert runtime.is_initialized()


def test_second_init_is_refused():
    with pytest.raises(gs.GenesisException, match=r"second time: call gs\.destroy\(\) first"):
        gs.init(backend=gs.cpu, precision="64")
    assert gs.precision == "64"


@pytest.fixture
def stopped():
    """The runtime stopped for one test, and started again as it was."""
    gs.destroy()
    yield
    gs.destroy()
    gs.init(backend=gs.cpu, precision="64", seed=0, logging_level="warning")


BAD_ARGUMENTS = {
    "precision 16": (dict(precision="16"), r'precision=\'16\'\): expected "32" or "64"'),
    "precision as number": (dict(precision=64), r'precision=64\): expected "32" or "64" \(a string\)'),
    "another precision": (dict(precision="32"), r"this process runs in 64 bits .* Start another process for 32 bits"),
    "backend name": (dict(backend="cpu"), r"backend='cpu'\): expected gs\.cpu, gs\.gpu or gs\.cuda"),
    "level name": (dict(logging_level="loud"), r"logging_level='loud'\): expected one of 'debug', 'info'"),
    "level type": (dict(logging_level=True), r"logging_level=True"),
    "seed type": (dict(seed=1.5), r"seed=1\.5\): expected an integer from 0 to 2\*\*32 - 1"),
    "seed negative": (dict(seed=-1), r"seed=-1"),
    "seed bool": (dict(seed=True), r"seed=True"),
    "eps": (dict(eps=float("nan")), r"eps=nan\): expected a finite number"),
    "assets": (dict(assets="/no/such/folder"), r"assets=\.\.\.\): '/no/such/folder' is not a folder"),
    "assets type": (dict(assets=3), r"assets=3\): expected the path of a folder, or several"),
    "theme": (dict(theme="pink"), r"theme='pink'\): expected one of 'dark', 'light', 'dumb'"),
    "unknown": (dict(sead=3), r"does not know the argument sead \(did you mean seed\?\); it takes backend, precision"),
}


@pytest.mark.parametrize("case", BAD_ARGUMENTS)
def test_bad_arguments_change_nothing(stopped, case):
    arguments, message = BAD_ARGUMENTS[case]
    state = torch.get_default_dtype(), torch.random.get_rng_state()
    with pytest.raises(gs.GenesisException, match=message):
        gs.init(**{"precision": "64", "backend": gs.cpu, **arguments})
    assert not runtime.is_initialized()
    assert torch.get_default_dtype() == state[0]
    assert torch.equal(torch.random.get_rng_state(), state[1])
    assert not logging.getLogger("genesis").handlers


def test_before_init(stopped):
    for name in ("device", "tc_float", "tc_int", "np_float", "EPS", "backend"):
        assert not hasattr(gs, name)
        with pytest.raises(gs.GenesisException, match=rf"gs\.{name} is not known .* call gs\.init\(\) first"):
            getattr(gs, name)
    with pytest.raises(gs.GenesisException, match=r"call gs\.init\(\) first"):
        gs.zeros(3)
    with pytest.raises(gs.GenesisException, match=r"call gs\.init\(\) first"):
        runtime.require_init()
    gs.destroy()  # twice is harmless


def test_unknown_name():
    with pytest.raises(AttributeError, match="'genesis' has no attribute 'zeroes'"):
        _ = gs.zeroes
    with pytest.raises(AttributeError, match=r"'genesis\.runtime' has no attribute 'devize'"):
        _ = runtime.devize


def test_every_public_name_exists():
    for name in gs.__all__:
        assert getattr(gs, name) is not None, name
    assert dir(gs) == sorted(gs.__all__)
    assert dir(gs.tools) == sorted(gs.tools.__all__)


def test_destroy_puts_torch_back(run_python):
    run_python("""
import torch, genesis as gs
for default in (torch.float32, torch.float64, torch.bfloat16):
    torch.set_default_dtype(default)
    gs.init(backend=gs.cpu, precision="64", logging_level="error")
    assert torch.get_default_dtype() == torch.float64
    gs.destroy()
    assert torch.get_default_dtype() == default
torch.set_default_dtype(torch.float32)
torch.set_default_device("meta")
gs.init(backend=gs.cpu, precision="64", logging_level="error")
assert torch.zeros(1).device.type == "cpu"
gs.destroy()
assert torch.zeros(1).device.type == "meta"
""")


def test_default_device_is_left_alone_on_the_cpu(run_python):
    # A default device is a mode that every call of torch passes through; the CPU needs none.
    run_python("""
import torch, genesis as gs
from torch.overrides import _get_current_function_mode_stack
gs.init(backend=gs.cpu, logging_level="error")
assert not _get_current_function_mode_stack()
gs.destroy()
assert not _get_current_function_mode_stack()
""")


def test_32_bits(run_python):
    run_python("""
import numpy as np, torch, genesis as gs
gs.init(backend=gs.cpu, precision="32", seed=3, eps=1e-3, logging_level="error")
assert gs.tc_float == torch.float32 == torch.get_default_dtype() and gs.np_float is np.float32
assert gs.EPS == 1e-3
assert gs.zeros(2).dtype == torch.float32 and gs.tensor([0.5], dtype=torch.float64).dtype == torch.float32
gs.destroy()
try:
    gs.init(backend=gs.cpu, precision="64")
except gs.GenesisException as error:
    assert "32 bits since its first gs.init()" in str(error), error
else:
    raise SystemExit("another precision was accepted")
gs.init(backend=gs.cpu, precision="32", logging_level="error")
""")


def test_backends_without_a_gpu(run_python):
    output = run_python(
        """
import genesis as gs
gs.init(backend=gs.gpu, logging_level="warning")
assert gs.backend is gs.cpu and gs.device.type == "cpu"
gs.destroy()
gs.init(logging_level="warning")  # no backend asked for: no warning
assert gs.backend is gs.cpu
gs.destroy()
gs.init(backend=gs.metal, logging_level="warn", performance_mode=True, use_deterministic_algorithms=True)
import torch, numpy
assert gs.backend is gs.cpu and gs.tc_bool is torch.bool and gs.np_bool is numpy.bool_
gs.destroy()
try:
    gs.init(backend=gs.cuda)
except gs.GenesisException as error:
    print(error)
""",
        CUDA_VISIBLE_DEVICES="",
    )
    assert output.count("WARNING") == 2
    assert "backend=gs.metal: there are no kernels for it here, running on the CPU" in output
    assert "backend=gs.gpu: no usable CUDA GPU found by torch, running on the CPU" in output
    assert "torch finds no CUDA GPU" in output


def test_cuda_backend_sets_torch_s_default_device(run_python):
    # No GPU needed: torch is told that there is one, and nothing is allocated on it.
    run_python("""
import torch, genesis as gs
torch.version.cuda = "13.0"
torch.cuda.is_available = lambda: True
torch.cuda.current_device = lambda: 0
torch.cuda.get_device_name = lambda device: "a GPU"
for backend in (gs.gpu, gs.cuda, None):
    gs.init(backend=backend, logging_level="error")
    assert gs.backend is gs.cuda and gs.device == torch.device("cuda", 0) == torch.get_default_device()
    gs.destroy()
    assert torch.get_default_device() == torch.device("cpu")
gs.init(debug=True, logging_level="error")
assert gs.backend is gs.cpu and torch.get_default_device() == torch.device("cpu")
""")


def test_seed_makes_every_generator_reproducible(run_python):
    program = """
import random, numpy as np, torch, genesis as gs
gs.init(backend=gs.cpu, precision="64", seed=42, logging_level="error")
print(random.random(), np.random.rand(), torch.rand(2).tolist(), gs.randn(2).tolist(), gs.randperm(9).tolist())
"""
    first = run_python(program)
    assert first == run_python(program)
    assert first != run_python(program.replace("seed=42", "seed=43"))


def test_log(run_python):
    program = """
import sys, genesis as gs
gs.init(backend=gs.cpu, logging_level=LEVEL, theme="dumb")
gs.logger.info("something")
gs.logger.warning("careful")
gs.destroy()
gs.logger.warning("after")
"""
    output = run_python(program.replace("LEVEL", '"info"'))
    assert "[genesis] INFO: Running on CPU in 32 bits, seed None." in output
    assert "[genesis] INFO: something" in output
    assert "[genesis] WARNING: careful" in output
    quiet = run_python(program.replace("LEVEL", '"warning"'))
    assert "something" not in quiet
    assert "[genesis] WARNING: careful" in quiet


def test_log_goes_where_the_program_sends_it(run_python):
    output = run_python("""
import logging, genesis as gs
logging.basicConfig(format="mine: %(message)s")
gs.init(backend=gs.cpu, logging_level="info")
""")
    assert output.count("Running on CPU") == 1
    assert "mine: Running on CPU" in output


def test_warp_is_quiet(run_python):
    output = run_python("""
import genesis as gs
gs.init(backend=gs.cpu, logging_level="error")
import warp
warp.init()
""")
    assert output == ""


def test_import_is_light(run_python):
    # What an import of genesis brings in; init needs torch, and Warp for its kernels.
    run_python("""
import sys, genesis
heavy = {"torch", "warp", "mujoco", "trimesh", "pydantic", "numpy", "rich", "matplotlib"} & set(sys.modules)
assert not heavy, heavy
genesis.GenesisException, genesis.cpu, genesis.integrator.Euler, genesis.__version__
assert "torch" not in sys.modules
""")


def test_init_imports_no_model_code(run_python):
    run_python("""
import sys, genesis as gs
gs.init(backend=gs.cpu, logging_level="error")
gs.morphs.Sphere(), gs.options.SimOptions(), gs.materials.Rigid(), gs.surfaces.Default(), gs.zeros(3)
heavy = {"mujoco", "trimesh", "matplotlib", "genesis.types"} & set(sys.modules)
assert not heavy, heavy
""")


def test_a_program_may_import_warp_first(run_python):
    program = """
import warp
import genesis as gs
gs.init(precision="64", logging_level="error")
scene = gs.Scene()
box = scene.add_entity(gs.morphs.Box(size=(1, 1, 1)))
scene.build()
scene.step()
print("height", box.get_pos()[2].item())
"""
    assert float(run_python(program).split()[-1]) < 0
