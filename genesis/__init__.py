"""A differentiable robot simulator for PyTorch with Genesis's API: ``import genesis as gs``.

Names are imported when they are first used (PEP 562), so that ``import genesis`` costs next to nothing.
"""

import importlib
import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

from genesis.constants import Backend as _Backend
from genesis.constants import constraint_solver, friction_cone, integrator
from genesis.errors import GenesisException
from genesis.garbage import not_collected as _not_collected

if TYPE_CHECKING:
    from genesis import grad, materials, morphs, options, parameters, recorders, sensors, states, surfaces, tools
    from genesis.grad.creation_ops import (
        arange,
        as_tensor,
        asarray,
        empty,
        empty_like,
        eye,
        from_numpy,
        from_torch,
        full,
        full_like,
        linspace,
        logspace,
        ones,
        ones_like,
        rand,
        rand_like,
        randint,
        randint_like,
        randn,
        randn_like,
        randperm,
        tensor,
        zeros,
        zeros_like,
    )
    from genesis.runtime import (
        EPS,
        backend,
        destroy,
        device,
        init,
        logger,
        np_float,
        np_int,
        precision,
        tc_float,
        tc_int,
    )
    from genesis.scene import Scene

__version__ = "0.1.0"

cpu = _Backend.cpu
gpu = _Backend.gpu
cuda = _Backend.cuda

_SUBMODULES = (
    "grad",
    "materials",
    "morphs",
    "options",
    "parameters",
    "recorders",
    "sensors",
    "states",
    "surfaces",
    "tools",
)
# Change with init and destroy: asked of the runtime each time.
_RUNTIME_STATE = ("EPS", "backend", "device", "np_float", "np_int", "num_threads", "precision", "tc_float", "tc_int")
_HOME = {
    "init": "genesis.runtime",
    "destroy": "genesis.runtime",
    "logger": "genesis.runtime",
    "Scene": "genesis.scene",
}
_CREATION_OPS = (
    "arange",
    "as_tensor",
    "asarray",
    "empty",
    "empty_like",
    "eye",
    "from_numpy",
    "from_torch",
    "full",
    "full_like",
    "linspace",
    "logspace",
    "ones",
    "ones_like",
    "rand",
    "rand_like",
    "randint",
    "randint_like",
    "randn",
    "randn_like",
    "randperm",
    "tensor",
    "zeros",
    "zeros_like",
)
_HOME.update(dict.fromkeys(_CREATION_OPS, "genesis.grad.creation_ops"))

__all__ = [
    "EPS",
    "GenesisException",
    "Scene",
    "__version__",
    "arange",
    "as_tensor",
    "asarray",
    "backend",
    "constraint_solver",
    "cpu",
    "cuda",
    "destroy",
    "device",
    "empty",
    "empty_like",
    "eye",
    "friction_cone",
    "from_numpy",
    "from_torch",
    "full",
    "full_like",
    "gpu",
    "grad",
    "init",
    "integrator",
    "linspace",
    "logger",
    "logspace",
    "materials",
    "morphs",
    "np_float",
    "np_int",
    "num_threads",
    "ones",
    "ones_like",
    "options",
    "parameters",
    "precision",
    "rand",
    "rand_like",
    "randint",
    "randint_like",
    "randn",
    "randn_like",
    "randperm",
    "recorders",
    "sensors",
    "states",
    "surfaces",
    "tc_float",
    "tc_int",
    "tensor",
    "tools",
    "zeros",
    "zeros_like",
]


def __getattr__(name: str) -> Any:
    if name in _RUNTIME_STATE:
        return getattr(_imported("genesis.runtime"), name)
    if name in _SUBMODULES:
        return _imported(f"genesis.{name}")
    if name in _HOME:
        value = getattr(_imported(_HOME[name]), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module 'genesis' has no attribute {name!r}")


def _imported(module: str) -> ModuleType:
    if module in sys.modules:
        return sys.modules[module]
    with _not_collected():
        return importlib.import_module(module)


def __dir__() -> list[str]:
    return sorted(__all__)
