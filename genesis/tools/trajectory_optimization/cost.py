"""What is minimised: costs as torch functions of a trajectory, and their quadratic expansion in the tangent space.

The expansion is that of Gauss and Newton: a cost is twice differentiated as a function of what it reads, exactly, and
the readings are linearised. All steps are expanded at once, by one pass forward and back in as many copies (rows) as
there are derivatives to take: copy j contributes the j-th residual, or the j-th entry of the gradient, only. That is
right as long as the cost of a step reads the state and the controls of that step alone, which `check` finds out.
"""

from __future__ import annotations

import math
import weakref
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from genesis.errors import GenesisException
from genesis.tools.trajectory_optimization.readings import ENTRIES, Readings, RowsOf, jacobian, to_numpy, trajectory_of

if TYPE_CHECKING:
    from genesis.system import System
    from genesis.trajectory import Trajectory

Stage = Callable[[Any, torch.Tensor], torch.Tensor]
Terminal = Callable[[Any], torch.Tensor]
OWNER = "optimize_trajectory"
# Relative, of what a step's gradient may change by when the others are weighted anew: rounding in 32 bits.
_SEPARABLE = 1e-3
# How far another candidate is from the one it is compared beside, in tangent space and relative to the controls.
_BESIDE = 0.01


@dataclass(frozen=True)
class Expansion:
    """The cost to second order along a trajectory, in dx (tangent space) and du; numpy, 64 bits.

    Attributes:
        gradient: (T, ndx + nu)
        hessian: (T, ndx + nu, ndx + nu), positive semi-definite
        final_gradient: (ndx,)
        final_hessian: (ndx, ndx), positive semi-definite
    """

    gradient: np.ndarray
    hessian: np.ndarray
    final_gradient: np.ndarray
    final_hessian: np.ndarray


class _Separable:
    """A sum over steps: `stage` of state and controls of each step, and `terminal` of the last state."""

    _stage_tail: str  # what follows (T, N) in the shape that `stage` returns, in words

    def __init__(self, stage: Stage | None = None, terminal: Terminal | None = None) -> None:
        kind = type(self).__name__
        if stage is None and terminal is None:
            raise GenesisException(f"gs.tools.{kind}: neither `stage` nor `terminal` is given; pass one or both.")
        for name, function in (("stage", stage), ("terminal", terminal)):
            if function is not None and not callable(function):
                raise GenesisException(f"gs.tools.{kind}: `{name}` is {function!r}; expected a function or None.")
        self.stage, self.terminal = stage, terminal

    def __repr__(self) -> str:
        return f"gs.tools.{type(self).__name__}(stage={self.stage!r}, terminal={self.terminal!r})"

    def __call__(self, trajectory: Trajectory, controls: torch.Tensor) -> torch.Tensor:
        """The total, (N,): as a function of a trajectory of N candidates, (T + 1, N, ...), and controls (T, N, nu)."""
        n_steps, n_rows = controls.shape[0], controls.shape[1]
        stage, terminal = self._values(trajectory, controls)
        total = controls.new_zeros(n_rows)
        if stage is not None:
            total = total + self._measure(stage).reshape(n_steps, n_rows, -1).sum((0, 2))
        if terminal is not None:
            total = total + self._measure(terminal).reshape(n_rows, -1).sum(1)
        return total

    def _measure(self, values: torch.Tensor) -> torch.Tensor:
        """The cost that values of `stage` and `terminal` stand for."""
        raise NotImplementedError

    def _values(
        self, trajectory: Trajectory | Readings, controls: torch.Tensor
    ) -> tuple[torch.Tensor | None, torch.Tensor | None]:
        """What `stage` and `terminal` return, their shapes checked."""
        n_steps, n_rows = controls.shape[0], controls.shape[1]
        stage = terminal = None
        try:
            if self.stage is not None:
                stage = self._checked("stage", self.stage(trajectory, controls), (n_steps, n_rows))
            if self.terminal is not None:
                terminal = self._checked("terminal", self.terminal(trajectory), (n_rows,))
        except RuntimeError as error:
            raise_if_of_inference(type(self).__name__, error)
            raise
        return stage, terminal

    def _checked(self, name: str, value: Any, lead: tuple[int, ...]) -> torch.Tensor:
        kind = type(self).__name__
        if not isinstance(value, torch.Tensor) or not value.is_floating_point():
            raise GenesisException(f"{kind}: `{name}` returned {repr(value)[:60]}; expected a tensor of floats.")
        value = value.as_subclass(torch.Tensor)
        shape, n_extra = tuple(value.shape), 1 if self._stage_tail else 0
        if len(shape) != len(lead) + n_extra or shape[: len(lead)] != lead:
            words = {"stage": "(T, N", "terminal": "(N"}[name] + self._stage_tail + ("," * (name == "terminal"))
            words = words.replace(",,", ",") + ")"
            raise GenesisException(
                f"{kind}: `{name}` returned shape {shape}; expected {words} with {'T, N' if len(lead) == 2 else 'N'} = "
                f"{', '.join(map(str, lead))}. A trajectory is read as (T + 1, N, ...), with N candidates side by "
                "side, and controls are (T, N, nu): take trajectory.qpos(robot)[:-1] in `stage` and [-1] in "
                "`terminal`, sum over the last axis, and give a reference that changes with time an axis for N."
            )
        if not value.numel():
            raise GenesisException(f"{kind}: `{name}` returned no residuals, shape {shape}; expected one or more.")
        return value

    # -- expansion ----------------------------------------------------------------------------------------------------

    def expand(self, rows_of: RowsOf, x: torch.Tensor, u: torch.Tensor) -> Expansion:
        """Second-order expansion along states x (T + 1, nx) and controls u (T, nu).

        `rows_of(n)` is a System of n rows.
        """
        raise NotImplementedError

    def check_values(
        self, rows_of: RowsOf, x: torch.Tensor, u: torch.Tensor
    ) -> tuple[tuple[torch.Tensor, ...], torch.Tensor | None, torch.Tensor | None]:
        """Raise GenesisException where this cannot be a cost, along states x (T + 1, nx) and controls u (T, nu).

        What is refused: values that are NaN or infinite, that have no graph, of which there are none, or that depend on
        the candidates beside them. Returns states and controls as leaves, and the values with their graph to them.
        """
        leaves, trajectory, controls = _leaves(rows_of(1), x, u, 1)
        with torch.enable_grad():
            stage, terminal = self._values(trajectory, controls)
        self._require_finite(stage, terminal)
        for name, values in (("stage", stage), ("terminal", terminal)):
            if values is not None:
                self._require_graph(name, values, leaves)
        total = sum(float(self._measure(v.detach()).sum()) for v in (stage, terminal) if v is not None)
        if not math.isfinite(total):
            raise GenesisException(
                f"{type(self).__name__}: the values are finite, but their sum is {total} for the first guess; expected "
                "a finite cost. Scale it down, or shorten the horizon."
            )
        self._require_alone(rows_of, x, u, stage, terminal)
        self._remember(rows_of(1), stage, terminal)
        return leaves, stage, terminal

    def _remember(self, system: System, stage: torch.Tensor | None, terminal: torch.Tensor | None) -> None:
        """What later calls have to agree with."""

    def _require_finite(self, stage: torch.Tensor | None, terminal: torch.Tensor | None) -> None:
        for name, values in (("stage", stage), ("terminal", terminal)):
            if values is not None and not torch.isfinite(values).all():
                where = _where_not_finite(name, values)
                raise GenesisException(f"{type(self).__name__}: {where}; expected a finite cost.")

    def _require_graph(self, name: str, values: torch.Tensor, leaves: tuple[torch.Tensor, ...]) -> None:
        """Of `values` to a leaf: without it they count as constant, and any controls as a minimum."""
        if values.requires_grad:
            found = torch.autograd.grad(values.sum(), leaves, retain_graph=True, allow_unused=True)
            if any(slope is not None for slope in found):
                return
        raise GenesisException(
            f"{type(self).__name__}: `{name}` has no graph to the states and controls (a detach(), .item(), "
            "torch.no_grad(), a comparison, a constant?), so that nothing could be optimised; expected a "
            "differentiable function of them."
        )

    def _require_alone(
        self,
        rows_of: RowsOf,
        x: torch.Tensor,
        u: torch.Tensor,
        stage: torch.Tensor | None,
        terminal: torch.Tensor | None,
    ) -> None:
        """Compare with the values that this candidate has beside another one."""
        system = rows_of(2)
        other_u = u + _BESIDE * (1.0 + u.abs())
        other_x = system.integrate(x, torch.full((len(x), system.ndx), _BESIDE, dtype=x.dtype, device=x.device))
        us = torch.stack([u, other_u], 1)
        with torch.no_grad():
            beside = self._values(trajectory_of(system, torch.stack([x, other_x], 1), us), us)
        for name, alone, both in (("stage", stage, beside[0]), ("terminal", terminal, beside[1])):
            if alone is None or both is None:
                continue
            axis = 1 if name == "stage" else 0
            first = both.narrow(axis, 0, 1)
            self._require_as_many(name, first.shape[-1], alone.shape[-1])
            rounding = math.sqrt(torch.finfo(x.dtype).eps) * float(alone.detach().abs().max())
            if not bool(((first - alone.detach()).abs() <= rounding).all()):
                raise GenesisException(
                    f"{type(self).__name__}: `{name}` of one candidate changes with another beside it, or from call to "
                    "call; expected a function of each candidate alone. The axis N of readings (T + 1, N, ...) and "
                    "controls (T, N, nu) is that of candidates: take no sum or mean over it, and no random numbers."
                )

    def _require_as_many(self, name: str, found: int, before: int) -> None:
        if self._stage_tail and found != before:
            raise GenesisException(
                f"{type(self).__name__}: `{name}` returned {found} residuals, and {before} in another call; expected "
                "the same number in every call. Weigh those that do not count with zero."
            )

    def check(self, rows_of: RowsOf, x: torch.Tensor, u: torch.Tensor) -> None:
        """Raise GenesisException as `check_values` does, and where `stage` or `terminal` read what they must not."""
        leaves, stage, terminal = self.check_values(rows_of, x, u)
        kind = type(self).__name__
        if stage is not None:
            mix = torch.linspace(0.5, 1.5, stage[0].numel(), dtype=u.dtype, device=u.device).view_as(stage[0])
            weights = 1.0 + 0.5 * torch.cos(torch.arange(len(stage), dtype=u.dtype, device=u.device))
            each = weights.view(-1, *[1] * (stage.dim() - 1))
            plain = _gradients((stage * mix).sum(), leaves, retain=True)
            weighted = _gradients((stage * mix * each).sum(), leaves)
            if float(plain[0][-1].abs().max()) > 0.0:
                raise GenesisException(
                    f"{kind}: `stage` reads the last state of the trajectory; leave it out with [:-1], and put it into "
                    "`terminal`."
                )
            for values, other, what in zip(plain, weighted, ("state", "controls"), strict=True):
                scale = float(values.abs().max())
                expected = values[: len(weights)] * weights.view(-1, 1, 1)
                wrong = (expected - other[: len(weights)]).abs().flatten(1).amax(1) > _SEPARABLE * scale
                if bool(wrong.any()):
                    raise GenesisException(
                        f"{kind}: `stage` of one step depends on the {what} of another (seen at step "
                        f"{int(torch.nonzero(wrong)[0])}); iLQR and Gauss-Newton need a cost that is a sum over steps. "
                        'Use the velocities instead of differences between steps, or method="adam" or "lbfgs".'
                    )
        if terminal is not None and terminal.requires_grad:
            (grad,) = _gradients(terminal.sum(), leaves[:1])
            if float(grad[:-1].abs().max()) > 0.0:
                raise GenesisException(f"{kind}: `terminal` reads other states than the last; take [-1].")


class Cost(_Separable):
    """A cost for every method: `stage(trajectory, controls) -> (T, N)` plus `terminal(trajectory) -> (N,)`.

    The trajectory's readings are (T + 1, N, ...), those of N candidates side by side, the controls (T, N, nu). The
    value of step t depends on the state before step t and the controls of step t; the last state belongs to
    `terminal`. For "ilqr" and "gauss-newton" it has to be twice differentiable as a function of what it reads. Their
    Hessian is exact in `qpos`, `dofs_velocity` and the controls; poses, velocities and accelerations of links are
    linearised (the generalised Gauss-Newton Hessian). Where it is indefinite, negative eigenvalues are put to zero.
    """

    _stage_tail = ""

    def _measure(self, values: torch.Tensor) -> torch.Tensor:
        return values

    def expand(self, rows_of: RowsOf, x: torch.Tensor, u: torch.Tensor) -> Expansion:
        """As described at the base."""
        n_rows = getattr(self, "_known_size", 0) or u.shape[-1]
        while True:
            readings = Readings(rows_of(1), x, u, n_rows)
            us = u.detach().unsqueeze(1).repeat(1, n_rows, 1).requires_grad_()
            with torch.enable_grad():
                stage, terminal = self._values(readings, us)
            self._require_finite(stage, terminal)
            size = sum(readings.sizes()) + u.shape[-1]
            if size == n_rows:
                break
            n_rows = self._known_size = size
        leaves = (*readings.leaves.values(), us)
        with torch.enable_grad():
            total = us.new_zeros(())
            total = total if stage is None else total + stage.sum()
            total = total if terminal is None else total + terminal.sum()
            parts = _gradients(total, leaves, create=True)
            # (T + 1, n_rows, size): all readings, then the controls, which the last state has none of.
            padded = torch.cat([parts[-1], parts[-1].new_zeros(1, n_rows, u.shape[-1])])
            both = torch.cat([*(part.flatten(2) for part in parts[:-1]), padded], -1)
            rows = _gradients(both.diagonal(dim1=1, dim2=2).sum(), leaves)  # copy j gives row j of the Hessian
        padded = torch.cat([rows[-1], torch.zeros_like(rows[-1][:1])])
        hessian = to_numpy(torch.cat([*(row.flatten(2) for row in rows[:-1]), padded], -1))
        hessian = 0.5 * (hessian + hessian.swapaxes(1, 2))
        gradient = to_numpy(both[:, 0])
        _require_derivatives("Cost", "gradient", gradient)
        _require_derivatives("Cost", "Hessian", hessian)
        chain, used = _chain(rows_of, readings, x, u, (gradient != 0.0).any(0) | (hessian != 0.0).any((0, 1)))
        gradient, hessian = gradient[:, used], hessian[:, used][:, :, used]
        expansion = np.einsum("tz,tzi->ti", gradient, chain), chain.swapaxes(1, 2) @ hessian @ chain
        curvature = _curvature(rows_of, readings, x, u, to_numpy(both[:, 0]))
        if curvature is not None:
            ndx = curvature.shape[1]
            expansion[1][:, :ndx, :ndx] += curvature
        return _expansion(expansion[0], _semidefinite(expansion[1]), u.shape[-1])


class ResidualCost(_Separable):
    """Half the sum of squares: residuals `stage(trajectory, controls) -> (T, N, m)`, `terminal(trajectory) -> (N, m)`.

    As `Cost`, with a vector of residuals in place of a number. The Hessian is Gauss and Newton's, J^T J with the exact
    Jacobian J, which needs no second derivative.
    """

    _stage_tail = ", m"

    def _measure(self, values: torch.Tensor) -> torch.Tensor:
        return 0.5 * values.square()

    def expand(self, rows_of: RowsOf, x: torch.Tensor, u: torch.Tensor) -> Expansion:
        """As described at the base: gradient J^T r, Hessian J^T J."""
        counts = self._counts(rows_of(1), x, u)
        n_rows, nu = max(counts), u.shape[-1]
        readings = Readings(rows_of(1), x, u, n_rows)
        us = u.detach().unsqueeze(1).repeat(1, n_rows, 1).requires_grad_()
        with torch.enable_grad():
            stage, terminal = self._values(readings, us)
            self._require_finite(stage, terminal)
            for name, values, count in zip(("stage", "terminal"), (stage, terminal), counts, strict=True):
                if values is not None:
                    self._require_as_many(name, values.shape[-1], count)
            picked = us.new_zeros(())
            if stage is not None:
                picked = picked + stage.diagonal(dim1=1, dim2=2).sum()
            if terminal is not None:
                picked = picked + terminal.diagonal().sum()
            parts = _gradients(picked, (*readings.leaves.values(), us))
        padded = torch.cat([parts[-1], parts[-1].new_zeros(1, n_rows, nu)])
        of_readings = to_numpy(torch.cat([*(part.flatten(2) for part in parts[:-1]), padded], -1))
        _require_derivatives("ResidualCost", "Jacobian", of_readings)
        chain, used = _chain(rows_of, readings, x, u, (of_readings != 0.0).any((0, 1)))
        J = of_readings[:, :, used] @ chain
        residuals = np.zeros((len(x), n_rows))
        if stage is not None:
            residuals[:-1, : counts[0]] = to_numpy(stage[:, 0])
        if terminal is not None:
            residuals[-1, : counts[1]] = to_numpy(terminal[0])
        return _expansion(np.einsum("tm,tmi->ti", residuals, J), J.swapaxes(1, 2) @ J, nu)

    def _counts(self, system: System, x: torch.Tensor, u: torch.Tensor) -> tuple[int, int]:
        """Numbers of residuals of `stage` and `terminal`; asked once of each problem and function."""
        known = getattr(self, "_known_counts", None)
        if known is None or known[0] != self._key(system):
            with torch.no_grad():
                stage, terminal = self._values(trajectory_of(system, x.unsqueeze(1), u.unsqueeze(1)), u.unsqueeze(1))
            self._remember(system, stage, terminal)
        return self._known_counts[1]

    def _key(self, system: System) -> tuple[Any, ...]:
        return self.stage, self.terminal, weakref.ref(system)

    def _remember(self, system: System, stage: torch.Tensor | None, terminal: torch.Tensor | None) -> None:
        first, last = (0 if values is None else values.shape[-1] for values in (stage, terminal))
        self._known_counts = (self._key(system), (first, last))


# -- helpers ----------------------------------------------------------------------------------------------------------


def evaluate(cost: _Separable, system: System, x: torch.Tensor, u: torch.Tensor) -> torch.Tensor:
    """Cost of each of N candidates, (N,): x (T + 1, N, nx), u (T, N, nu). Infinite where it is NaN."""
    with torch.no_grad():
        total = cost(trajectory_of(system, x, u), u)
    return torch.where(torch.isfinite(total), total, torch.inf)


def _leaves(
    system: System, x: torch.Tensor, u: torch.Tensor, n_rows: int
) -> tuple[tuple[torch.Tensor, torch.Tensor], Any, torch.Tensor]:
    """`n_rows` copies of a trajectory side by side, to be differentiated, and the trajectory over them."""
    xs = x.detach().unsqueeze(1).repeat(1, n_rows, 1).requires_grad_()
    us = u.detach().unsqueeze(1).repeat(1, n_rows, 1).requires_grad_()
    with torch.enable_grad():
        return (xs, us), trajectory_of(system, xs, us), us


def _gradients(
    value: torch.Tensor, leaves: tuple[torch.Tensor, ...], create: bool = False, retain: bool = False
) -> tuple[torch.Tensor, ...]:
    """Zero where a leaf does not matter."""
    if not value.requires_grad:
        return tuple(torch.zeros_like(leaf) for leaf in leaves)
    return torch.autograd.grad(
        value, leaves, create_graph=create, retain_graph=create or retain, allow_unused=True, materialize_grads=True
    )


def _chain(
    rows_of: RowsOf, readings: Readings, x: torch.Tensor, u: torch.Tensor, matters: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Jacobian (T + 1, z, ndx + nu) of the numbers that matter, of all readings and then the controls, by (dx, du).

    Also which these are: (z,), counted among all.
    """
    system, nu = rows_of(1), u.shape[-1]
    ndx = system.ndx
    tangent = None if system.nx == ndx else to_numpy(system.tangent(x))
    pieces, used, first = [], [], 0
    for key, size in zip(readings.leaves, readings.sizes(), strict=True):
        chosen = np.flatnonzero(matters[first : first + size])
        if len(chosen):
            of_x, of_u = jacobian(rows_of, key, x, u, chosen)
            piece = np.zeros((len(x), len(chosen), ndx + nu))
            piece[:, :, :ndx] = of_x if tangent is None else of_x @ tangent
            if len(of_u) == len(u):
                piece[:-1, :, ndx:] = of_u
            pieces.append(piece)
            used.append(first + chosen)
        first += size
    controls = np.zeros((len(x), nu, ndx + nu))
    controls[:-1, :, ndx:] = np.eye(nu)
    return np.concatenate([*pieces, controls], 1), np.concatenate([*used, first + np.arange(nu)])


def _expansion(gradient: np.ndarray, hessian: np.ndarray, nu: int) -> Expansion:
    """From (T + 1, ndx + nu) and (T + 1, ndx + nu, ndx + nu), those of the last state without controls."""
    ndx = gradient.shape[1] - nu
    return Expansion(gradient[:-1], hessian[:-1], gradient[-1, :ndx], hessian[-1, :ndx, :ndx])


def _curvature(
    rows_of: RowsOf, readings: Readings, x: torch.Tensor, u: torch.Tensor, gradient: np.ndarray
) -> np.ndarray | None:
    """What the second derivative of integrate(x, dx) adds to the Hessian of costs of `qpos`, (T + 1, ndx, ndx).

    For a unit quaternion, q exp(w / 2) = q (1 - |w|^2 / 8) + q (0, w / 2) + O(w^3): the second derivative is
    -q / 4 times the identity, and the Hessian gains -(dl/dq . q) / 4 on the diagonal of w. None: no quaternions.
    """
    system = rows_of(1)
    if system.nx == system.ndx:
        return None
    by_state = np.zeros((len(x), system.nx))
    first = 0
    for key, size in zip(readings.leaves, readings.sizes(), strict=True):
        if key[0] in ENTRIES:
            selection = jacobian(rows_of, key, x, u, np.arange(size))[0]
            by_state += gradient[:, first : first + size] @ selection[0]
        first += size
    mj_model, states = system.scene.mj_model, to_numpy(x)
    added = np.zeros((len(x), system.ndx, system.ndx))
    for j in range(mj_model.njnt):
        kind, q, dof = mj_model.jnt_type[j], mj_model.jnt_qposadr[j], mj_model.jnt_dofadr[j]
        if kind > 1:  # hinge, slide
            continue
        skip = 3 * (kind == 0)  # the position of a free joint
        q, dof = q + skip, dof + skip
        amount = -0.25 * (by_state[:, q : q + 4] * states[:, q : q + 4]).sum(1)
        for k in range(dof, dof + 3):
            added[:, k, k] = amount
    return added


def _semidefinite(matrices: np.ndarray) -> np.ndarray:
    """The symmetric part, its negative eigenvalues put to zero."""
    matrices = 0.5 * (matrices + matrices.swapaxes(-1, -2))
    values, vectors = np.linalg.eigh(matrices)
    if values.min(initial=0.0) >= 0.0:
        return matrices
    return (vectors * np.maximum(values, 0.0)[..., None, :]) @ vectors.swapaxes(-1, -2)


def _require_derivatives(kind: str, what: str, values: np.ndarray) -> None:
    """Raise GenesisException unless they are finite, (T + 1, ...), in the numbers that the cost reads."""
    finite = np.isfinite(values.reshape(len(values), -1)).all(1)
    if finite.all():
        return
    step = int(np.argmin(finite))
    where = "at the last state" if step == len(values) - 1 else f"at step {step}"
    raise GenesisException(
        f"{kind}: the {what} of the cost is NaN or infinite {where}; expected finite derivatives. Look for a square "
        "root, a norm, an absolute power or a logarithm at zero: add a small number under the root, or take the square."
    )


def raise_if_of_inference(owner: str, error: RuntimeError) -> None:
    """Say what torch's error means if a cost reads tensors that cannot be differentiated with."""
    if "nference tensor" in str(error):
        raise GenesisException(
            f"{owner}: the cost reads a tensor that was made under torch.inference_mode(), with which nothing can be "
            "differentiated; clone it outside of it, or make it elsewhere and copy_() into it."
        ) from None


def _where_not_finite(name: str, values: torch.Tensor) -> str:
    if name == "terminal":
        return f"`terminal` is {values.flatten().tolist()[:4]} at the last state"
    step = int(torch.nonzero(~torch.isfinite(values.flatten(1)).all(1))[0])
    return f"`stage` is {values[step].flatten().tolist()[:4]} at step {step}"
