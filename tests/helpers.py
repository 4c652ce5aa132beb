"""Comparison of torch's gradients with finite differences."""

from collections.abc import Callable, Sequence

import numpy as np
import torch

from tests.differences import directional_derivative

# Relative error between a gradient and extrapolated central differences, both in 64 bits. The differences reach about 1e-10
# on smooth functions of order one and lose a few digits through a hundred steps of a simulation; a missing or wrong term
# of a gradient shows at 1e-3 or above.
GRADIENT_RTOL = 1e-6
# First, largest step of the differences, relative to an input of order one.
STEP = 1e-2
# What counts as zero where a gradient is zero throughout: rounding error of the differences.
GRADIENT_ATOL = 1e-9

_MAX_REPORTED = 10


def check_gradient(
    fn: Callable[..., torch.Tensor | Sequence[torch.Tensor]],
    *inputs: torch.Tensor,
    rtol: float = GRADIENT_RTOL,
    atol: float = GRADIENT_ATOL,
    eps: float = STEP,
    seed: int = 0,
    names: Sequence[str] = (),
) -> None:
    """Assert that the gradient of a randomly weighted sum of ``fn``'s outputs is what finite differences say.

    Parameters
    ----------
    fn
        Takes the inputs, returns a tensor or a sequence of tensors; called anew for every difference.
    inputs
        64-bit tensors of any shape. Each element is varied by itself.
    rtol, atol
        Largest error allowed, relative to the largest element of that input's gradient, and absolute.
    eps
        Largest step of the differences; lower it near a kink.
    seed
        Of the random weights.
    names
        What to call the inputs in the report, instead of "input 0" and so on.
    """
    for x in inputs:
        assert x.dtype == torch.float64, f"finite differences need 64 bits, got {x.dtype}"
    leaves = [x.detach().clone().requires_grad_() for x in inputs]
    generator = torch.Generator(device="cpu").manual_seed(seed)
    weights: list[torch.Tensor] = []

    def weighted_sum(*arguments: torch.Tensor) -> torch.Tensor:
        outputs = fn(*arguments)
        outputs = [outputs] if isinstance(outputs, torch.Tensor) else list(outputs)
        for output in outputs[len(weights) :]:
            weights.append(torch.randn(output.shape, generator=generator, dtype=torch.float64, device="cpu"))
        terms = [(weight.to(output.device) * output).sum() for weight, output in zip(weights, outputs, strict=True)]
        return torch.stack(terms).sum()

    total = weighted_sum(*leaves)
    assert total.requires_grad, "the outputs do not depend on the inputs: no gradient was recorded"
    gradients = torch.autograd.grad(total, leaves, allow_unused=True)

    problems: list[str] = []
    for index, (leaf, gradient) in enumerate(zip(leaves, gradients, strict=True)):
        name = names[index] if index < len(names) else f"input {index}"
        analytic = np.zeros(leaf.shape) if gradient is None else gradient.detach().cpu().numpy()
        numeric, uncertainty = _differences(weighted_sum, leaves, index, eps)
        allowed = atol + rtol * max(float(np.abs(numeric).max(initial=0.0)), 1e-3)
        for element in np.ndindex(*leaf.shape):
            a, n = analytic[element], numeric[element]
            if uncertainty[element] > allowed:
                problems.append(
                    f"{name}{list(element)}: differences do not converge ({n} +- {uncertainty[element]:.1e})"
                )
            elif not abs(a - n) <= allowed:  # written so that NaN fails
                problems.append(f"{name}{list(element)}: gradient {a}, differences {n}, allowed error {allowed:.1e}")
    if problems:
        shown = "\n".join(problems[:_MAX_REPORTED])
        raise AssertionError(f"{len(problems)} elements of the gradient disagree with finite differences:\n{shown}")


def _differences(
    function: Callable[..., torch.Tensor], leaves: Sequence[torch.Tensor], index: int, eps: float
) -> tuple[np.ndarray, np.ndarray]:
    """Derivative of ``function`` with respect to each element of ``leaves[index]``, and its uncertainty."""
    centre = leaves[index].detach()
    arguments = [leaf.detach() for leaf in leaves]

    def moved(step: float) -> np.ndarray:
        values = np.empty(centre.numel())
        for element in range(centre.numel()):
            arguments[index] = centre.clone()
            arguments[index].view(-1)[element] += step
            with torch.no_grad():
                values[element] = float(function(*arguments))
        return values

    derivative, uncertainty = directional_derivative(moved, eps)
    return derivative.reshape(centre.shape), uncertainty.reshape(centre.shape)
