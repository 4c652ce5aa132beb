"""Windows of a recording as rows of one system: what they predict, and how that changes with states and parameters.

A recording is laid on the grid of the simulation, which begins at its first sample; the controls of a step are the mean
of the logged ones over it, which hold until the next (zero-order hold). It is cut into windows of equal length, whose
initial states are free (multiple shooting: Bock & Plitt 1984), and every window is a row of one `System`. The windows
are not tied to each other. A tie would have to be weighted by how well the model is believed from step to step, which
nobody knows; without it an error of the model stays within its window, and what is lost is little: as many numbers per
window as a state has. Long windows get it back.

Derivatives of a window's states come from the Jacobians of its steps, chained forward from the initial state:

    X_0 = 1, X_{t+1} = A_t X_t;   P_0 = 0, P_{t+1} = A_t P_t + F_t    (A, F: `System.linearize`)

and those of a measured y(x, theta) from its own backward passes, one for each of its numbers: C_t [X_t, P_t].
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from genesis import runtime
from genesis.errors import GenesisException
from genesis.system import System

if TYPE_CHECKING:
    from genesis.tools.identification.outputs import Output
    from genesis.tools.identification.recording import Recording

# A sample this close to a step of the grid, in units of dt, is taken to lie on it: times are rounded in files.
_ON_GRID = 1e-6
# Positions between two steps are interpolated with the curvature that the trajectory has there; of velocities and
# accelerations, which a contact makes jump, only linearly.
_SMOOTH = ("qpos", "dofs_position", "links_pos", "links_quat")
# Numbers held at a time of the Jacobians of steps.
_LARGEST_PIECE = 2**24


@dataclass
class Samples:
    """What one output measured, sample by sample.

    Attributes:
        output: what
        smooth: whether it is interpolated with curvature
        row: (S,) window
        step: (S,) step of the window before the sample
        fraction: (S,) of a step, from it to the sample
        measured: (S, n); NaN: not measured
        present: (S, m) which residuals there are
        time: (S,) in the recording [s]
    """

    output: Output
    smooth: bool
    row: torch.Tensor
    step: torch.Tensor
    fraction: torch.Tensor
    measured: torch.Tensor
    present: torch.Tensor
    time: torch.Tensor

    @property
    def between(self) -> bool:
        """Whether any sample lies between two steps."""
        return bool((self.fraction > 0).any())


@dataclass
class Residuals:
    """Predicted less measured, in the units of what was measured, one row per sample of an output.

    Attributes:
        value: (S, m)
        state: (S, m, ndx) by the tangent of its window's initial state, or None
        parameters: (S, m, p), or None
    """

    value: torch.Tensor
    state: torch.Tensor | None = None
    parameters: torch.Tensor | None = None


@dataclass
class Piece:
    """One segment of the log on the grid.

    Attributes:
        rows: of the log
        start: its first time [s]
        n_steps: of the grid, to its last time
        controls: (n_steps, nu)
    """

    rows: slice
    start: float
    n_steps: int
    controls: np.ndarray


def lay_on_grid(recording: Recording, dt: float) -> list[Piece]:
    """The segments of a recording on grids of step ``dt``, each from its first sample on."""
    pieces = []
    for rows in recording.segments:
        times = recording.times[rows] - recording.times[rows.start]
        n_steps = max(1, int(np.ceil(times[-1] / dt - _ON_GRID)))
        pieces.append(
            Piece(
                rows, float(recording.times[rows.start]), n_steps, _held(times, recording.controls[rows], n_steps, dt)
            )
        )
    return pieces


def _held(times: np.ndarray, values: np.ndarray, n_steps: int, dt: float) -> np.ndarray:
    """Mean over each step of values that hold from their time to the next, (n_steps, nu); the last row is not used."""
    if not values.shape[1]:
        return np.zeros((n_steps, 0))
    integral = np.concatenate([np.zeros((1, values.shape[1])), np.cumsum(np.diff(times)[:, None] * values[:-1], 0)])
    edges = dt * np.arange(n_steps + 1)
    # The last step may reach beyond the last sample: there the last value that held goes on.
    beyond = np.maximum(edges - times[-1], 0.0)[:, None] * values[-2]
    at = np.stack([np.interp(edges, times, column) for column in integral.T], 1) + beyond
    return np.diff(at, axis=0) / dt


class Windows:
    """A recording cut into windows of at most ``length`` steps each.

    Attributes:
        system: one row per window
        starts: (N, 2) segment and first step of each window
        n_steps: T, of the longest
        u: (T, N, nu), or None if nothing is controlled
        samples: per output
        growth: by how much a change of an initial state had grown over a window when Jacobians were last taken: the
            largest singular value of X_T, a velocity counting as the way it makes in the duration of a window
    """

    growth = 1.0

    def __init__(self, recording: Recording, pieces: Sequence[Piece], length: int) -> None:
        scene = recording.scene
        self.recording = recording
        starts, lengths = [], []
        for k, piece in enumerate(pieces):
            count = max(1, int(np.ceil(piece.n_steps / length - 1e-9)))
            each = int(np.ceil(piece.n_steps / count))
            for first in range(0, piece.n_steps, each):
                starts.append((k, first))
                lengths.append(min(each, piece.n_steps - first))
        self.starts, self.lengths = np.array(starts), np.array(lengths)
        self.n_windows, self.n_steps = len(starts), int(self.lengths.max())
        controlled = bool(recording.entities)
        self.system = System(scene, self.n_windows, recording.control, recording.entities or None)
        self.dt = scene.dt
        self.u = self._controls(pieces) if controlled else None
        self.samples = [
            self._samples(pieces, output, recording.measured[k], recording.quantities[k] in _SMOOTH)
            for k, output in enumerate(recording.outputs)
        ]
        self._many: System | None = None

    def _controls(self, pieces: Sequence[Piece]) -> torch.Tensor:
        u = np.zeros((self.n_steps, self.n_windows, self.system.nu))
        for row, (k, first) in enumerate(self.starts):
            # Behind the end of a window, where nothing is compared any more, its last controls hold.
            steps = np.minimum(first + np.arange(self.n_steps), first + self.lengths[row] - 1)
            u[:, row] = pieces[k].controls[steps]
        return torch.as_tensor(u, dtype=runtime.tc_float, device=runtime.device)

    def _samples(self, pieces: Sequence[Piece], output: Output, measured: np.ndarray, smooth: bool) -> Samples:
        times, row, step, fraction, index = self.recording.times, [], [], [], []
        for k, piece in enumerate(pieces):
            here = np.flatnonzero(~np.isnan(measured[piece.rows]).all(1)) + piece.rows.start
            place = (times[here] - piece.start) / self.dt
            whole = np.floor(place + _ON_GRID).astype(int)
            part = np.where(np.abs(place - np.round(place)) < _ON_GRID, 0.0, place - whole)
            of_piece = np.flatnonzero(self.starts[:, 0] == k)
            window = of_piece[np.searchsorted(self.starts[of_piece, 1], whole, side="right") - 1]
            row.append(window)
            step.append(whole - self.starts[window, 1])
            fraction.append(part)
            index.append(here)
        rows = np.concatenate(index)

        def tensor(values, dtype=torch.float64):
            return torch.as_tensor(np.asarray(values), dtype=dtype, device=runtime.device)

        values = tensor(measured[rows], runtime.tc_float)
        return Samples(
            output,
            smooth,
            tensor(np.concatenate(row), torch.int64),
            tensor(np.concatenate(step), torch.int64),
            tensor(np.concatenate(fraction), runtime.tc_float),
            values,
            output.present(values),
            tensor(times[rows]),
        )

    # -- motion -------------------------------------------------------------------------------------------------------

    def rollout(self, x0: torch.Tensor, theta: torch.Tensor) -> torch.Tensor:
        """States (T + 1, N, nx); differentiable. Raises GenesisException when the motion diverges."""
        n_steps = None if self.u is not None else self.n_steps
        return self.system.rollout(x0, self.u, theta, n_steps)

    def residuals(self, x: torch.Tensor, theta: torch.Tensor) -> list[Residuals]:
        """Of states (T + 1, N, nx), with graph if there is one."""
        trajectory = self.system.trajectory(x, self.u, theta)
        found = []
        for samples in self.samples:
            before, after = self._around(samples, samples.output.evaluate(trajectory))
            found.append(Residuals(self._compare(samples, before, after)))
        return found

    def _around(self, samples: Samples, values: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Values (T + 1, N, n) at the step before and after each sample, (S, n) each."""
        before = values[samples.step, samples.row]
        if not samples.between:
            return before, before
        after = values[(samples.step + 1).clamp(max=self.n_steps), samples.row]
        if samples.smooth:
            # Half of f (1 - f) times the second difference, mean of that at both ends; its derivative, of the order of
            # dt^2, is left out.
            with torch.no_grad():
                second = torch.zeros_like(values)
                second[1:-1] = values[2:] - 2 * values[1:-1] + values[:-2]
                if self.n_steps > 1:
                    second[0], second[-1] = second[1], second[-2]
                here, there = (
                    second[samples.step, samples.row],
                    second[(samples.step + 1).clamp(max=self.n_steps), samples.row],
                )
                bend = 0.25 * (samples.fraction * (1 - samples.fraction))[:, None] * (here + there)
            return before - bend, after - bend
        return before, after

    def _compare(self, samples: Samples, before: torch.Tensor, after: torch.Tensor) -> torch.Tensor:
        predicted = before
        if samples.between:
            predicted = samples.output.interpolate(before, after, samples.fraction)
        return samples.output.residual(predicted, samples.measured)

    # -- derivatives --------------------------------------------------------------------------------------------------

    def jacobians(self, x: torch.Tensor, theta: torch.Tensor, directions: torch.Tensor | None) -> list[Residuals]:
        """Residuals of states (T + 1, N, nx) with their Jacobians.

        ``directions``: (ntheta, p), the derivative of theta by the parameters; None: by the initial states only.
        """
        sensitivity = self._sensitivity(x, theta, directions)
        self.growth = self._growth(sensitivity[-1, :, :, : self.system.ndx])
        tangent = self.system.tangent(x).double()
        found = []
        for samples in self.samples:
            of_output = self._of_output(samples.output, x, theta, tangent, sensitivity, directions)
            with torch.no_grad():
                values = samples.output.evaluate(self.system.trajectory(x, self.u, theta))
            value, *by = self._of_residual(samples, values)
            jacobian = self._chained(by[0], of_output[samples.step, samples.row])
            if samples.between:
                after = of_output[(samples.step + 1).clamp(max=self.n_steps), samples.row]
                jacobian = jacobian + self._chained(by[1], after)
            ndx = self.system.ndx
            found.append(Residuals(value.double(), jacobian[..., :ndx], jacobian[..., ndx:]))
        return found

    def _growth(self, last: torch.Tensor) -> float:
        unit = torch.ones(self.system.ndx, dtype=last.dtype, device=last.device)
        unit[self.system.nv : 2 * self.system.nv] = self.n_steps * self.dt
        return float(torch.linalg.matrix_norm(unit[:, None] * last / unit, 2).max())

    @staticmethod
    def _chained(by: torch.Tensor, jacobian: torch.Tensor) -> torch.Tensor:
        return by.double() @ jacobian

    def _sensitivity(self, x: torch.Tensor, theta: torch.Tensor, directions: torch.Tensor | None) -> torch.Tensor:
        """[X, P], (T + 1, N, ndx, ndx + p), in 64 bits."""
        ndx, n = self.system.ndx, self.n_windows
        p = 0 if directions is None else directions.shape[1]
        total = torch.zeros((self.n_steps + 1, n, ndx, ndx + p), dtype=torch.float64, device=x.device)
        total[0, :, :, :ndx] = torch.eye(ndx, dtype=torch.float64, device=x.device)
        per_step = n * ndx * (ndx + self.system.nu + p)
        stride = max(1, _LARGEST_PIECE // max(per_step, 1))
        given = None if directions is None else directions.to(runtime.tc_float)
        for first in range(0, self.n_steps, stride):
            steps = slice(first, min(first + stride, self.n_steps))
            a, _, f = self.system.linearize(
                x[steps], None if self.u is None else self.u[steps], theta, parameters=given
            )
            for k, t in enumerate(range(steps.start, steps.stop)):
                torch.matmul(a[k].double(), total[t], out=total[t + 1])
                if f is not None:
                    total[t + 1, :, :, ndx:] += f[k]
        return total

    def _of_output(
        self,
        output: Output,
        x: torch.Tensor,
        theta: torch.Tensor,
        tangent: torch.Tensor,
        sensitivity: torch.Tensor,
        directions: torch.Tensor | None,
    ) -> torch.Tensor:
        """Jacobian of an output at every step, (T + 1, N, n, ndx + p). A number may depend on its own state only."""
        with torch.enable_grad():
            states, given = x.detach().requires_grad_(), theta.detach().requires_grad_()
            values = output.evaluate(self.system.trajectory(states, self.u, given))
            depends = directions is not None and self._depends(values, given, directions)
            rows = []
            for k in range(output.size):
                (row,) = _gradients(values[..., k], [states])
                rows.append(row)
        by_state = torch.stack(rows, -2).double() @ tangent
        jacobian = by_state @ sensitivity
        if depends:
            assert directions is not None
            jacobian[..., self.system.ndx :] += self._directly(output, x, theta, directions)
        return jacobian

    @staticmethod
    def _depends(values: torch.Tensor, theta: torch.Tensor, directions: torch.Tensor) -> bool:
        """Whether an output depends on the parameters other than through the state."""
        weights = torch.linspace(0.5, 1.5, values.numel(), dtype=values.dtype, device=values.device).view_as(values)
        (gradient,) = _gradients(weights * values, [theta])
        return bool((gradient.to(directions.dtype) @ directions).abs().max() > 0)

    def _directly(self, output: Output, x: torch.Tensor, theta: torch.Tensor, directions: torch.Tensor) -> torch.Tensor:
        """Derivative of an output by the parameters at fixed states, (T + 1, N, n, p): every state is a row."""
        count = self.n_steps + 1
        rows = count * self.n_windows
        if self._many is None:
            self._many = self.system.resized(rows)
        u = None
        if self.u is not None:
            # The last state with the last controls, as in every trajectory.
            u = torch.cat([self.u, self.u[-1:]]).reshape(1, rows, -1)
        states = x.detach().reshape(1, rows, -1).expand(2, -1, -1)  # a trajectory of a step, of which the first is read
        with torch.enable_grad():
            given = theta.detach().expand(rows, -1).clone().requires_grad_()
            values = output.evaluate(self._many.trajectory(states, u, given))[0]
            by_theta = [_gradients(values[..., k], [given])[0] @ directions.to(given.dtype) for k in range(output.size)]
        return torch.stack(by_theta, 1).double().unflatten(0, (count, self.n_windows))

    def _of_residual(self, samples: Samples, values: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Residuals (S, m), and their derivatives by the values before and after, (S, m, n) each."""
        with torch.enable_grad():
            before, after = (v.detach().requires_grad_() for v in self._around(samples, values.detach()))
            residual = self._compare(samples, before, after)
            by_before, by_after = [], []
            for k in range(residual.shape[1]):
                one, other = _gradients(residual[:, k], [before, after])
                by_before.append(one)
                by_after.append(other)
        return residual.detach(), torch.stack(by_before, 1), torch.stack(by_after, 1)


def _gradients(values: torch.Tensor, inputs: list[torch.Tensor]) -> list[torch.Tensor]:
    """Of the sum of ``values``; zeros for an input that it does not depend on."""
    if not values.requires_grad:
        return [torch.zeros_like(v) for v in inputs]
    found = torch.autograd.grad(values.sum(), inputs, retain_graph=True, allow_unused=True)
    return [torch.zeros_like(v) if g is None else g for v, g in zip(inputs, found, strict=True)]


def require_one_row(theta: torch.Tensor) -> torch.Tensor:
    """Raises GenesisException for parameters that differ between envs: one scene has one truth."""
    if theta.shape[0] != 1:
        raise GenesisException(
            "identify: the scene has parameters of its own for each env; build it without envs, or set one value for "
            "all envs (shape (n,), not (n_envs, n))."
        )
    return theta
