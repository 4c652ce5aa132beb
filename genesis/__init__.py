"""A differentiable robot simulator for PyTorch with Genesis's API: ``import genesis as gs``.

Names are imported when they are first used (PEP 562), so that ``import genesis`` costs next to nothing.
"""

import importlib
import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

from genesis.compat.modules import install as _install
from genesis.constants import (
    ACTIVE,
    CTRL_MODE,
    EQUALITY_TYPE,
    GEOM_TYPE,
    IMAGE_TYPE,
    INACTIVE,
    JOINT_TYPE,
    PARA_LEVEL,
    IntEnum,
    broadphase_traversal,
    constraint_solver,
    contact_resolution,
    friction_cone,
    integrator,
    link_ref_frame,
)
from genesis.constants import Backend as _Backend
from genesis.errors import GenesisException
from genesis.garbage import not_collected as _not_collected
from genesis.utils.names import GEOM as _GEOM

if TYPE_CHECKING:
    from genesis import (
        constants,
        grad,
        materials,
        morphs,
        options,
        parameters,
        recorders,
        renderers,
        sensors,
        states,
        surfaces,
        textures,
        tools,
        utils,
        vis,
    )
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
        np_bool,
        np_float,
        np_int,
        precision,
        tc_bool,
        tc_float,
        tc_int,
    )
    from genesis.scene import Scene
    from genesis.small_names import (
        UID,
        List,
        assert_built,
        assert_initialized,
        assert_unbuilt,
        raise_exception,
        raise_exception_from,
    )

__version__ = "0.1.0"

cpu = _Backend.cpu
gpu = _Backend.gpu
cuda = _Backend.cuda
amdgpu = _Backend.amdgpu
metal = _Backend.metal
vulkan = _Backend.vulkan

_SUBMODULES = (
    "constants",
    "grad",
    "materials",
    "morphs",
    "options",
    "parameters",
    "recorders",
    "renderers",
    "sensors",
    "states",
    "surfaces",
    "textures",
    "tools",
    "utils",
    "vis",
)
# Change with init and destroy: asked of the runtime each time.
_RUNTIME_STATE = (
    "EPS",
    "backend",
    "device",
    "np_bool",
    "np_float",
    "np_int",
    "num_threads",
    "precision",
    "tc_bool",
    "tc_float",
    "tc_int",
)
_HOME = {
    "init": "genesis.runtime",
    "destroy": "genesis.runtime",
    "logger": "genesis.runtime",
    "Scene": "genesis.scene",
    "List": "genesis.small_names",
    "UID": "genesis.small_names",
    **dict.fromkeys(
        ("assert_built", "assert_initialized", "assert_unbuilt", "raise_exception", "raise_exception_from"),
        "genesis.small_names",
    ),
    **dict.fromkeys(("get_device", "redirect_libc_stderr", "set_environ", "set_random_seed"), "genesis.utils.misc"),
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
_HOME.update(dict.fromkeys(_GEOM, "genesis.utils.geom"))

__all__ = [
    "ACTIVE",
    "CTRL_MODE",
    "EPS",
    "EQUALITY_TYPE",
    "GEOM_TYPE",
    "IMAGE_TYPE",
    "INACTIVE",
    "JOINT_TYPE",
    "PARA_LEVEL",
    "UID",
    "GenesisException",
    "IntEnum",
    "List",
    "Scene",
    "__version__",
    "amdgpu",
    "arange",
    "as_tensor",
    "asarray",
    "assert_built",
    "assert_initialized",
    "assert_unbuilt",
    "backend",
    "broadphase_traversal",
    "constants",
    "constraint_solver",
    "contact_resolution",
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
    "link_ref_frame",
    "linspace",
    "logger",
    "logspace",
    "materials",
    "metal",
    "morphs",
    "np_bool",
    "np_float",
    "np_int",
    "num_threads",
    "ones",
    "ones_like",
    "options",
    "parameters",
    "precision",
    "raise_exception",
    "raise_exception_from",
    "rand",
    "rand_like",
    "randint",
    "randint_like",
    "randn",
    "randn_like",
    "randperm",
    "recorders",
    "renderers",
    "sensors",
    "states",
    "surfaces",
    "tc_bool",
    "tc_float",
    "tc_int",
    "tensor",
    "textures",
    "tools",
    "utils",
    "vis",
    "vulkan",
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
    if f"genesis.{name}" not in sys.modules and not name.startswith("_"):
        try:
            return _imported(f"genesis.{name}")  # a module that is only another place of names, as gs.engine
        except ModuleNotFoundError as error:
            if error.name != f"genesis.{name}" and not isinstance(error, GenesisException):
                raise
    return _imported("genesis.compat.table").attribute_of("genesis", name)


_install()


def _imported(module: str) -> ModuleType:
    if module in sys.modules:
        return sys.modules[module]
    with _not_collected():
        return importlib.import_module(module)


def __dir__() -> list[str]:
    return sorted(__all__)
