"""Work that needs gradients, asked for by a program that has switched them off.

Under `torch.inference_mode()` every tensor is made without the means to be differentiated, and `torch.enable_grad()`
does not bring them back: all gradients would be zero, and any controls a minimum. So the public functions leave it.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import ParamSpec, TypeVar

import torch

P = ParamSpec("P")
R = TypeVar("R")


def leaves_inference_mode(function: Callable[P, R]) -> Callable[P, R]:
    """Run the function outside inference mode, so that what it returns is of use there and elsewhere."""

    @functools.wraps(function)
    def outside(*args: P.args, **kwargs: P.kwargs) -> R:
        if not torch.is_inference_mode_enabled():
            return function(*args, **kwargs)
        with torch.inference_mode(False), torch.enable_grad():
            return function(*args, **kwargs)

    return outside


def ordinary(value: torch.Tensor) -> torch.Tensor:
    """A tensor that torch can differentiate with; one made in inference mode is copied."""
    return value.clone() if value.is_inference() else value
