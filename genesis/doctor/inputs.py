"""The arguments of `gs.grad.check`: the inputs, and the scene that a loss steps."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import torch

from genesis.errors import GenesisException

if TYPE_CHECKING:
    from genesis.scene import Scene

OWNER = "gs.grad.check"


def read_inputs(inputs: Any) -> dict[str, torch.Tensor]:
    """Name -> leaf with gradient, from a mapping, or from a torch module's parameters.

    Raises GenesisException for anything else, naming the input.
    """
    if isinstance(inputs, torch.nn.Module):
        inputs = {name: value for name, value in inputs.named_parameters() if value.requires_grad}
    if not isinstance(inputs, Mapping) or not inputs:
        raise GenesisException(
            f"{OWNER}: `inputs` is {inputs!r:.80}; expected a dictionary, name -> tensor that requires a gradient, "
            "with at least one entry."
        )
    for name, value in inputs.items():
        problem = _problem(name, value)
        if problem:
            raise GenesisException(f"{OWNER}: the input {name!r} {problem}")
    return dict(inputs)


def _problem(name: Any, value: Any) -> str | None:
    if not isinstance(name, str):
        return "has a name that is no text; expected a string."
    if isinstance(value, torch.nn.Module):
        return "is a module; pass dict(module.named_parameters()), or the module itself as `inputs`."
    if isinstance(value, Mapping):
        return "is a dictionary itself; pass all tensors in one dictionary, name -> tensor."
    if not isinstance(value, torch.Tensor):
        return f"is {value!r:.60}; expected a tensor that requires a gradient."
    if not value.is_floating_point():
        return f"is of type {value.dtype}; expected floating-point numbers."
    if not value.is_leaf:
        return "is computed from other tensors; pass these, or a leaf: x.detach().requires_grad_()."
    if not value.requires_grad:
        return "does not require a gradient; call x.requires_grad_() before the loss reads it."
    if value.is_inference():
        return "was made under torch.inference_mode() and can have no gradient; make it outside, or clone it there."
    if not value.numel():
        return "is empty; leave it out."
    if not bool(torch.isfinite(value.detach()).all()):
        return "holds NaN or infinite values; expected finite numbers."
    return None


def read_count(name: str, value: Any, least: int) -> int:
    """A whole number from `least` on; raises GenesisException for anything else."""
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise GenesisException(f"{OWNER}: `{name}` is {value!r}; expected a whole number from {least} on.")
    return value


def read_tolerance(value: Any) -> float:
    """A number between 0 and 1; raises GenesisException for anything else."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0.0 < value < 1.0:
        raise GenesisException(f"{OWNER}: `rtol` is {value!r}; expected a number between 0 and 1.")
    return float(value)


def find_scene(loss: Any, scene: Any) -> Scene:
    """`scene`, or the one built scene that the function `loss` refers to by a name of its own or of its module.

    Raises GenesisException if there is none, or several.
    """
    from genesis.scene import Scene

    if not callable(loss) or not _can_be_called(loss):
        raise GenesisException(f"{OWNER}: `loss` is {loss!r:.60}; expected a function without arguments.")
    if scene is not None:
        if not isinstance(scene, Scene) or not scene.is_built:
            raise GenesisException(f"{OWNER}: `scene` is {scene!r:.60}; expected a built gs.Scene.")
        found = [scene]
    else:
        found = list({id(s): s for s in _mentioned(loss) if isinstance(s, Scene) and s.is_built}.values())
    if len(found) != 1:
        raise GenesisException(
            f"{OWNER}: the loss refers to {len(found) or 'no'} built scene{'s' * (len(found) != 1)}; pass `scene=...`."
        )
    if not found[0].requires_grad:
        raise GenesisException(
            f"{OWNER}: the scene records no gradients; build it with gs.options.SimOptions(requires_grad=True)."
        )
    return found[0]


def _can_be_called(function: Callable) -> bool:
    """Without arguments, as far as Python tells."""
    try:
        inspect.signature(function).bind()
    except TypeError:
        return False
    except ValueError:  # a function that does not say
        return True
    return True


def _mentioned(function: Any) -> list[Any]:
    """What a function refers to: in its closure, its defaults, the globals that its code names, its object's fields."""
    owner = getattr(function, "__self__", None if hasattr(function, "__code__") else function)
    found = list(vars(owner).values()) if hasattr(owner, "__dict__") else []
    if hasattr(function, "func"):  # functools.partial
        found += [*function.args, *function.keywords.values(), *_mentioned(function.func)]
    code = getattr(function, "__code__", None)
    if code is None:
        return found
    names = set(code.co_names)
    for constant in code.co_consts:  # functions inside of it
        names |= set(getattr(constant, "co_names", ()))
    found += [function.__globals__[name] for name in names if name in function.__globals__]
    for cell in function.__closure__ or ():
        try:
            found.append(cell.cell_contents)
        except ValueError:  # not filled yet
            continue
    found += [*(function.__defaults__ or ()), *(function.__kwdefaults__ or {}).values()]
    # Functions and objects that it uses, one level deep.
    deeper = [thing for thing in found if hasattr(thing, "__closure__") or type(thing).__module__ == "__main__"]
    for thing in deeper:
        if thing is function:
            continue
        if hasattr(thing, "__dict__") and not hasattr(thing, "__closure__"):
            found += list(vars(thing).values())
        for cell in getattr(thing, "__closure__", None) or ():
            try:
                found.append(cell.cell_contents)
            except ValueError:
                continue
    return found
