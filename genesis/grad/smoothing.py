"""Gradients of a smoothed objective, from samples that are the envs of a scene.

The objective f(x) of a task with contact has jumps, flat parts and slopes that say nothing about a path a millimetre
away. Its mean under noise, F(x) = E f(x + sigma e) with e ~ N(0, 1), is smooth, and a gradient of it can be had in two
ways (Suh, Simchowitz, Zhang & Tedrake 2022, "Do differentiable simulators give better policy gradients?", ICML,
arXiv:2202.00817):

    first order   mean of grad f(x + sigma e_i)              needs the derivative; blind to jumps of f
    zeroth order  mean of (f(x + sigma e_i) - b) e_i / sigma needs values only; sees jumps; its variance grows with the
                                                             slope of f, its noise and the number of elements of x

and as a mixture of both by the inverse of their variances.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

from genesis import runtime
from genesis.errors import GenesisException

_METHODS = ("mix", "first", "zeroth")
_OWNER = "gs.grad.smooth"
# By how many standard deviations |first - zeroth|^2 must exceed what noise explains, to count as a bias. Without it a
# first-order estimate that has no bias would get a part of a very noisy zeroth-order one by chance.
_SIGNIFICANT = 2.0

Objective = Callable[[torch.Tensor], torch.Tensor]


@dataclass(frozen=True)
class Smoothed:
    """Value and gradient of a smoothed objective at x, with what is known of their errors.

    Errors are standard errors of the estimate; variances are those of an estimate, summed over the elements of x. What
    was not estimated is None.

    Attributes:
        value: mean of the losses, ()
        value_error: of the value, ()
        gradient: by x, of its shape, as `method` says
        gradient_error: of the gradient, of its shape
        alpha: weight of the first-order estimate in the gradient, 0 to 1
        first, zeroth: the two estimates, of the shape of x
        first_error, zeroth_error: of them, of the shape of x
        variance_first, variance_zeroth: of them
        bias: how far the first-order estimate is from the zeroth-order one beyond what their noise explains: the norm
            of its estimated bias, 0 where there is no sign of one
        disagreement: distance between the two estimates in units of its standard error; about 1 where they mean the
            same gradient, above 3 where the objective jumps, or is so steep in places that the samples missed them
        losses: of the samples, (n_samples,)
        samples: x + sigma e, (n_samples, ...)
    """

    value: torch.Tensor
    value_error: torch.Tensor
    gradient: torch.Tensor
    gradient_error: torch.Tensor
    alpha: float
    first: torch.Tensor | None
    zeroth: torch.Tensor | None
    first_error: torch.Tensor | None
    zeroth_error: torch.Tensor | None
    variance_first: float | None
    variance_zeroth: float | None
    bias: float | None
    disagreement: float | None
    losses: torch.Tensor
    samples: torch.Tensor
    _x: torch.Tensor

    @property
    def loss(self) -> torch.Tensor:
        """A scalar with the value of `value` and the gradient `gradient` by x: to be added to other losses."""
        return self.value + ((self._x - self._x.detach()) * self.gradient).sum()

    def backward(self) -> None:
        """Add the gradient to `x.grad`, or to that of whatever x was computed from, as `loss.backward()` does.

        Raises GenesisException if x needs no gradient.
        """
        if not self._x.requires_grad:
            raise GenesisException("Smoothed.backward: x was given without requires_grad; use `.gradient`.")
        self.loss.backward()

    def __repr__(self) -> str:
        parts = [f"value={self.value.item():.4g} +- {self.value_error.item():.2g}", f"alpha={self.alpha:.3g}"]
        for name in ("variance_first", "variance_zeroth", "disagreement"):
            if getattr(self, name) is not None:
                parts.append(f"{name}={getattr(self, name):.3g}")
        return f"Smoothed({', '.join(parts)}, n_samples={len(self.losses)})"


def smooth(
    objective: Objective,
    x: torch.Tensor,
    *,
    sigma: Any,
    n_samples: int,
    method: str = "mix",
    gamma: float | None = None,
    chunk: int | None = None,
    antithetic: bool = True,
    seed: int | None = None,
) -> Smoothed:
    """Estimate value and gradient of E objective(x + sigma e), e ~ N(0, 1), at x.

    `mix` is alpha first + (1 - alpha) zeroth, with the alpha of least mean square error,

        alpha = var(zeroth) / (var(zeroth) + var(first) + bias^2),

    which without bias is the inverse-variance weight of Suh et al. 2022. A first-order estimate that misses jumps has
    little variance and would win; bias^2 is what |first - zeroth|^2 exceeds the variance of that difference by, if it
    does so significantly (two standard deviations). A bias that the zeroth-order noise hides is not seen, by any rule:
    take more samples, or say which error is acceptable, `gamma`, as the paper does.

    Parameters
    ----------
    objective
        Takes samples (n_samples, *x.shape), or `chunk` of them, and returns one loss for each, (n_samples,): a scene
        built with as many envs runs them at once. Row i of the losses must depend on row i of the samples only. With
        method "zeroth" it is called under `torch.no_grad()`, and whole numbers and truth values (hit or miss) count as
        losses, too.
    x
        Floats of any shape but empty; with `requires_grad`, or computed from something that has it, if `backward()`
        is to be called.
    sigma
        Standard deviation of the noise, in the unit of x: a number, or a tensor that broadcasts to x. Above zero.
    n_samples
        At least 2; with `antithetic` even and at least 4.
    method
        "first", "zeroth" or "mix".
    gamma
        For "mix": accept an error of this norm in the gradient. The weight alpha is then the largest, up to the inverse
        variances', that keeps error(zeroth) + alpha |first - zeroth| below gamma; error(zeroth) is two standard errors.
        Zero where that alone is above gamma.
    chunk
        How many samples are passed at a time: the scene's number of envs. It divides `n_samples`. None: all.
    antithetic
        Draw e in pairs (e, -e): what is even in e cancels, and the first-order estimate of a quadratic f is exact.
        Otherwise all samples are independent, which suits the zeroth order of a nearly linear f, and the mean of the
        other samples' losses is its baseline b.
    seed
        Of the noise. None: torch's generator, which `gs.init(seed=...)` seeds; then each call draws anew.

    Raises
    ------
    GenesisException
        A bad argument; losses of a wrong shape, without graph to the samples ("first", "mix"), or not finite. With
        "mix", a first-order gradient that is not finite gets the weight zero, and the log says so.
    """
    scale = _check(objective, x, sigma, n_samples, method, gamma, chunk, antithetic, seed)
    centre = _plain(x)
    noise = _draw(centre, n_samples, antithetic, seed)
    samples = centre + scale * noise
    losses, slopes = _evaluate(objective, samples, chunk or n_samples, wants_slopes=method != "zeroth")

    # With antithetic pairs the independent terms are the means of two.
    def independent(terms: torch.Tensor) -> torch.Tensor:
        return terms.unflatten(0, (-1, 2)).mean(1) if antithetic else terms

    values = independent(losses)
    firsts = None if slopes is None else independent(slopes)
    zeroths = None
    if method != "first":
        # A baseline that does not contain the sample's own loss keeps the estimate free of bias.
        baseline = 0.0 if antithetic else (losses.sum() - losses) / (n_samples - 1)
        weights = _rows(losses - baseline, noise)
        zeroths = independent(weights * noise / scale)

    alpha, bias, disagreement = _weight(firsts, zeroths, gamma)
    if firsts is None or alpha == 0.0:
        terms = zeroths
    else:
        terms = firsts if zeroths is None else alpha * firsts + (1.0 - alpha) * zeroths
    assert terms is not None
    return Smoothed(
        value=values.mean(),
        value_error=_error(values),
        gradient=terms.mean(0),
        gradient_error=_error(terms),
        alpha=alpha,
        first=None if firsts is None else firsts.mean(0),
        zeroth=None if zeroths is None else zeroths.mean(0),
        first_error=None if firsts is None else _error(firsts),
        zeroth_error=None if zeroths is None else _error(zeroths),
        variance_first=None if firsts is None else _variance(firsts),
        variance_zeroth=None if zeroths is None else _variance(zeroths),
        bias=bias,
        disagreement=disagreement,
        losses=losses,
        samples=samples,
        _x=x,
    )


def _draw(centre: torch.Tensor, n_samples: int, antithetic: bool, seed: int | None) -> torch.Tensor:
    """e, (n_samples, ...); rows 2 k and 2 k + 1 are opposite if antithetic."""
    generator = None if seed is None else torch.Generator(device=centre.device).manual_seed(seed)
    count = n_samples // 2 if antithetic else n_samples
    noise = torch.randn(count, *centre.shape, generator=generator, dtype=centre.dtype, device=centre.device)
    return torch.stack([noise, -noise], 1).flatten(0, 1) if antithetic else noise


def _evaluate(
    objective: Objective, samples: torch.Tensor, chunk: int, *, wants_slopes: bool
) -> tuple[torch.Tensor, torch.Tensor | None]:
    """Losses, (n_samples,), and the gradient of each by its own sample, of the shape of the samples."""
    losses, slopes = [], []
    for first in range(0, len(samples), chunk):
        with torch.inference_mode(False), torch.set_grad_enabled(wants_slopes):
            part = samples[first : first + chunk].clone().requires_grad_(wants_slopes)
            given = objective(part)
            if not isinstance(given, torch.Tensor) or given.shape != (len(part),):
                got = f"shape {tuple(given.shape)}" if isinstance(given, torch.Tensor) else f"{given!r:.60}"
                raise GenesisException(
                    f"{_OWNER}: the objective returned {got} for {len(part)} samples; expected one loss for each, "
                    f"shape ({len(part)},)."
                )
            if given.is_complex():
                raise GenesisException(
                    f"{_OWNER}: the objective returned complex losses ({given.dtype}); expected real numbers."
                )
            if wants_slopes:
                slopes.append(_slope(given, part))
        numbers = _plain(given)
        losses.append(numbers if numbers.is_floating_point() else numbers.to(samples.dtype))
    values = torch.cat(losses)
    bad = torch.nonzero(~torch.isfinite(values)).flatten().tolist()
    if bad:
        raise GenesisException(
            f"{_OWNER}: the loss of {len(bad)} of {len(values)} samples is not finite (the first: sample {bad[0]}, "
            f"{values[bad[0]].item()}). A smaller sigma keeps the samples nearer to x."
        )
    return values, torch.cat(slopes) if wants_slopes else None


def _slope(losses: torch.Tensor, part: torch.Tensor) -> torch.Tensor:
    """d loss_i / d sample_i: the samples are independent, so that one backward pass of the sum gives them all."""
    slope = torch.autograd.grad(losses.sum(), part, allow_unused=True)[0] if losses.requires_grad else None
    if slope is None:
        raise GenesisException(
            f"{_OWNER}: the losses have no graph to the samples (a detach(), .item(), a comparison, a scene without "
            'requires_grad?); method="zeroth" needs none.'
        )
    return _plain(slope)


def _weight(
    firsts: torch.Tensor | None, zeroths: torch.Tensor | None, gamma: float | None
) -> tuple[float, float | None, float | None]:
    """alpha, the bias of the first-order estimate, and the disagreement; see `smooth`."""
    if zeroths is None and firsts is not None and not bool(torch.isfinite(firsts).all()):
        runtime.logger.warning(
            '%s: the gradient of some samples is not finite, and so is the estimate. method="mix" leaves it out.',
            _OWNER,
        )
    if firsts is None or zeroths is None:
        return (0.0 if firsts is None else 1.0), None, None
    if not bool(torch.isfinite(firsts).all()):
        runtime.logger.warning(
            "%s: the gradient of some samples is not finite; the zeroth-order estimate is used alone.", _OWNER
        )
        return 0.0, math.inf, math.inf
    first, zeroth = _variance(firsts), _variance(zeroths)
    both = first + zeroth
    unbiased = zeroth / both if both > 0.0 else 1.0
    difference = zeroths - firsts  # of the same samples: their errors are correlated
    distance, noise = torch.linalg.vector_norm(difference.mean(0)).item(), _variance(difference)
    explained = noise + _SIGNIFICANT * _spread_of_square(difference)
    bias = math.sqrt(max(distance**2 - noise, 0.0)) if distance**2 > explained else 0.0
    disagreement = distance / math.sqrt(noise) if noise > 0.0 else (0.0 if distance == 0.0 else math.inf)
    if gamma is not None:
        room = max(gamma - 2.0 * math.sqrt(zeroth), 0.0)
        return (unbiased if unbiased * distance <= room else room / distance), bias, disagreement
    error = both + bias**2
    return (zeroth / error if error > 0.0 else 1.0), bias, disagreement


def _variance(terms: torch.Tensor) -> float:
    """Of the mean of independent terms, summed over its elements."""
    return terms.var(0).sum().item() / len(terms)


def _spread_of_square(terms: torch.Tensor) -> float:
    """Standard deviation of |mean|^2 of independent terms of mean zero: sqrt(2 trace(C^2)), C the covariance of it."""
    centred = (terms - terms.mean(0)).reshape(len(terms), -1)
    count, size = centred.shape
    gram = centred @ centred.mT if count < size else centred.mT @ centred
    return math.sqrt(2.0) * torch.linalg.matrix_norm(gram).item() / (count * (count - 1))


def _error(terms: torch.Tensor) -> torch.Tensor:
    """Standard error of the mean of independent terms, by element."""
    return terms.std(0) / math.sqrt(len(terms))


def _rows(values: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
    """(n,) as (n, 1, ...)."""
    return values.reshape(-1, *(1,) * (like.ndim - 1))


def _plain(value: torch.Tensor) -> torch.Tensor:
    """A plain torch tensor without graph."""
    with torch._C.DisableTorchFunctionSubclass():
        return value.detach().as_subclass(torch.Tensor)


def _check(
    objective: Any,
    x: Any,
    sigma: Any,
    n_samples: Any,
    method: Any,
    gamma: Any,
    chunk: Any,
    antithetic: Any,
    seed: Any,
) -> torch.Tensor:
    """sigma as a tensor that broadcasts to x; raises GenesisException for a bad argument."""
    runtime.require_init()
    if not callable(objective):
        raise GenesisException(f"{_OWNER}: `objective` is {objective!r:.60}; expected a function of the samples.")
    if not isinstance(antithetic, bool):
        raise GenesisException(f"{_OWNER}: `antithetic` is {antithetic!r:.60}; expected True or False.")
    if not isinstance(x, torch.Tensor) or not x.is_floating_point() or not x.numel():
        raise GenesisException(f"{_OWNER}: `x` is {x!r:.60}; expected a tensor of floats that is not empty.")
    if not bool(torch.isfinite(_plain(x)).all()):
        raise GenesisException(f"{_OWNER}: `x` holds NaN or infinite numbers.")
    if method not in _METHODS:
        raise GenesisException(f"{_OWNER}: `method` is {method!r}; expected one of {', '.join(map(repr, _METHODS))}.")
    least = 4 if antithetic else 2
    if not _is_whole(n_samples) or n_samples < least or (antithetic and n_samples % 2):
        kind = "an even number from 4 on (antithetic pairs)" if antithetic else "a whole number from 2 on"
        raise GenesisException(f"{_OWNER}: `n_samples` is {n_samples!r}; expected {kind}.")
    if chunk is not None and (not _is_whole(chunk) or chunk < 1 or n_samples % chunk):
        raise GenesisException(f"{_OWNER}: `chunk` is {chunk!r}; expected a divisor of n_samples, {n_samples}.")
    if gamma is not None and (method != "mix" or not isinstance(gamma, (int, float)) or not 0 <= gamma < math.inf):
        raise GenesisException(f'{_OWNER}: `gamma` is {gamma!r}; expected a number from 0 on, with method="mix".')
    if seed is not None and (not _is_whole(seed) or not 0 <= seed < 2**63):
        raise GenesisException(f"{_OWNER}: `seed` is {seed!r}; expected a whole number from 0 on, or None.")
    try:
        scale = torch.as_tensor(sigma, dtype=x.dtype, device=x.device)
        fits = torch.broadcast_shapes(scale.shape, x.shape) == x.shape
    except (TypeError, ValueError, RuntimeError):
        fits = False
    if not fits:
        raise GenesisException(f"{_OWNER}: `sigma` is {sigma!r:.60}; expected a number, or shape {tuple(x.shape)}.")
    scale = _plain(scale)
    if not bool(((scale > 0) & torch.isfinite(scale)).all()):
        raise GenesisException(f"{_OWNER}: `sigma` is {sigma!r:.60}; expected numbers above zero.")
    return scale


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
