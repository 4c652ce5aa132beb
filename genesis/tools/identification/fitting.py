"""The course of an identification: from short windows to long ones, and to what can be known."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from genesis import runtime
from genesis.errors import GenesisException
from genesis.tools.identification import least_squares
from genesis.tools.identification.estimation import (
    HOLD,
    LAST_PULL,
    MOST_FOR_JACOBIAN,
    PULL,
    Coordinates,
    Estimation,
    Point,
    StatePrior,
)
from genesis.tools.identification.first_states import Channels, first_states
from genesis.tools.identification.identifiability import Analysis, analyse, is_determined, is_determined_alone
from genesis.tools.identification.least_squares import Outcome, Watch
from genesis.tools.identification.result import Channel, Estimate, Identification, misfit
from genesis.tools.identification.shooting import Piece, Samples, Windows

if TYPE_CHECKING:
    from genesis.tools.identification.recording import Recording

# Samples of a first window if velocities are not measured.
_SAMPLES_FOR_VELOCITY = 10
# A recording up to this long [s] is one window, unless its motion is too sensitive.
_SHORT = 1.0
# Steps of the first windows, if these hold enough samples: so few that even bad parameters lead nowhere in them.
_FIRST = 3
# By how much a change of the initial state may grow over a window: beyond it the fit has a local minimum at every turn.
_MOST_GROWTH = 1e3
# A longer window is not taken if chi^2 per degree of freedom grows by more than this factor.
_WORSE = 2.0
# Rounds of estimating the noise, and the relative change of it at which they end.
_MOST_NOISE_ROUNDS, _NOISE_TOLERANCE = 6, 0.02
# Rounds of approaching a fit as good as the noise, iterations of each, and the weighted mean square that is near.
_MOST_APPROACHES, _ITERATIONS_PER_APPROACH, _NEAR = 20, 5, 3.0
# Rounds of descending to the minimum, and iterations of each.
_MOST_DESCENTS, _ITERATIONS_PER_DESCENT = 12, 12
# Change of the windows' weights that is none.
_SETTLED = 0.1
# Tolerance of all windows but the last.
_COARSE = 1e-4
# Rounds of holding what is not determined at the start.
_MOST_HOLDS = 3
# Windows that weigh less are said to count for little.
_LEFT_OUT = 0.25
# Least standard deviation of a channel that is estimated, of its largest value.
_LEAST_NOISE = 1e-9
# A start that is too small is looked for over so many decades, and is better where it lowers the cost by this part.
_MOST_DECADES, _BETTER = 12, 1e-3


@dataclass
class Settings:
    """What the user asked for."""

    method: str
    max_iterations: int
    tolerance: float
    learning_rate: float | None


class Fit:
    """One identification, from short windows to long ones, and what it knows of the noise on the way."""

    def __init__(
        self,
        recording: Recording,
        pieces: list[Piece],
        coordinates: Coordinates,
        starts: torch.Tensor,
        deviation: torch.Tensor | None,
        settings: Settings,
        watch: Watch,
    ) -> None:
        self.recording, self.pieces, self.coordinates = recording, pieces, coordinates
        self.starts, self.deviation, self.settings, self.watch = starts, deviation, settings, watch
        self.dt = recording.scene.dt
        self.sigma = [torch.as_tensor(s, dtype=torch.float64, device=runtime.device).clone() for s in recording.noise]
        self.unknown = [torch.isnan(s) for s in self.sigma]
        self.notes: list[str] = []
        self.seeds: list[torch.Tensor] = []  # initial states as the log says them
        self.final = False  # whether the windows are the last
        self.damping = least_squares.FIRST_DAMPING
        self.longest = max(piece.n_steps for piece in pieces)
        self.estimation: Estimation
        self.point: Point
        self.outcome: Outcome[Point]
        self.start_values = coordinates.values()[0]

    @property
    def estimates_noise(self) -> bool:
        return any(bool(u.any()) for u in self.unknown)

    # -- stages -------------------------------------------------------------------------------------------------------

    def run(self, window: float | None) -> None:
        """From the first windows to the last."""
        length = self._first_length() if window is None else min(self.longest, max(1, round(window / self.dt)))
        self.final = window is not None
        self._begin(length)
        self._minimise()
        while window is None and not self.watch.reason and self.estimation.windows.n_steps < self.longest:
            longer = self._longer()
            if longer is None or not self._extend(longer):
                break
        if not self.final and not self.watch.reason:
            self.final = True
            self._minimise()
        if not self.watch.reason:
            self._hold_what_is_unknown()

    def _first_length(self) -> int:
        """Steps of the first windows: at least twice as many numbers measured in each as its state has, and as many
        samples as a velocity takes that is not measured."""
        windows = Windows(self.recording, self.pieces, self.longest)
        numbers = sum(int(samples.present.sum()) for samples in windows.samples)
        steps = sum(piece.n_steps for piece in self.pieces)
        enough = math.ceil(2 * windows.system.ndx * steps / max(numbers, 1))
        if len(Channels(self.recording).v) < windows.system.nv:
            samples = sum(rows.stop - rows.start for rows in self.recording.segments)
            enough = max(enough, math.ceil(_SAMPLES_FOR_VELOCITY * steps / samples))
        return min(self.longest, max(enough, _FIRST))

    def _begin(self, length: int) -> None:
        """The first windows that do not diverge from the states that the log says, shortened until they do not."""
        zero = torch.zeros_like(self.coordinates.start)
        while True:
            windows = Windows(self.recording, self.pieces, length)
            theta = self.coordinates.theta(zero).detach()
            self.seeds, told = first_states(windows, self.pieces, self.starts, theta)
            point = Point(zero, self.seeds[0])
            self.estimation = Estimation(self.coordinates, windows, self.sigma, self._state_prior(windows))
            try:
                self.estimation.states(point)
                break
            except GenesisException as error:
                if length == 1:
                    raise GenesisException(
                        "identify: from the states that the log says, with the scene's parameters, the motion diverges "
                        f"within a step: {error} Set parameters with which the scene can be simulated, or check the "
                        "log's units."
                    ) from error
                length = max(1, length // 2)
        self.point = point
        self._guess_noise()
        self._reseed()
        # Where the log does not tell the states, they come first.
        if not told and self.settings.method in ("lm", "gauss-newton"):
            self.watch.stage = windows.n_steps * self.dt
            few = Watch(5, None)
            self.point = least_squares.levenberg_marquardt(self.estimation, point, few, 1e-3, fixed=True).point
        self._begin_larger()

    def _begin_larger(self) -> None:
        """Numbers above zero that are so small where they begin that the data tell nothing of them, nor where they
        would be better, begin at that many times ten at which the windows fit best."""
        if self.coordinates.count > MOST_FOR_JACOBIAN:
            return
        told = is_determined_alone(self.estimation.data(self.point).of_parameters.diagonal())
        small = torch.nonzero(self.coordinates.are_logarithms().to(told.device) & ~told)[:, 0].tolist()
        z, best = self.point.z.clone(), float(self.estimation.window_costs(self.point).sum())
        before = self.start_values
        for k in small:
            here = z[k].clone()
            for decades in range(1, _MOST_DECADES + 1):
                other = z.clone()
                other[k] = here + decades * math.log(10.0)
                try:
                    cost = float(self.estimation.window_costs(Point(other, self.point.x0)).sum())
                except GenesisException:
                    break
                if cost < (1.0 - _BETTER) * best:
                    z, best = other, cost
        if not bool(z.any()):
            return
        self.coordinates.begin_at(z)
        self.point = Point(torch.zeros_like(z), self.point.x0)
        self.coordinates.put(self.point.z)
        self.start_values = self.coordinates.values()[0]
        moved = [
            f"{name} at {float(now):.3g} instead of {float(was):.3g}"
            for name, now, was in zip(self.coordinates.names, self.start_values, before, strict=True)
            if now != was
        ]
        self.notes.append(f"so small that the log does not feel them, some begin larger: {', '.join(moved)}.")

    def _reseed(self) -> None:
        """Windows that the states of the log fit better than their own begin with those: an impact makes local
        minima."""
        cost, best = self.estimation.window_costs(self.point), self.point.x0.clone()
        for seed in self.seeds:
            try:
                other = self.estimation.window_costs(Point(self.point.z, seed))
            except GenesisException:
                continue
            better = other < cost
            best[better], cost[better] = seed[better], other[better]
        self.point = Point(self.point.z, best)

    def _state_prior(self, windows: Windows) -> StatePrior | None:
        if self.deviation is None:
            return None
        first = np.flatnonzero(windows.starts[:, 1] == 0)
        mean = self.starts[torch.as_tensor(windows.starts[first, 0], device=self.starts.device)]
        return StatePrior(torch.as_tensor(first, device=mean.device), mean, self.deviation)

    def _minimise(self) -> None:
        """At this length of the windows. With the last ones, noise that is not known is estimated from the residuals,
        in turn with the parameters."""
        self.watch.stage = self.estimation.windows.n_steps * self.dt
        self.damping = least_squares.FIRST_DAMPING
        last = self.final or self.estimation.windows.n_steps >= self.longest
        if self.coordinates.count <= MOST_FOR_JACOBIAN and self.settings.method in ("lm", "gauss-newton"):
            self._approach()
        if last:
            self._descend(self.settings.tolerance)
        else:  # the next windows know better
            self._run_method(self.watch.part(_ITERATIONS_PER_APPROACH), max(self.settings.tolerance, _COARSE))
        if last:
            self._refine_noise()

    def _refine_noise(self) -> None:
        """Noise and parameters in turn."""
        if not self.estimates_noise or self.coordinates.count > MOST_FOR_JACOBIAN:
            return
        for _ in range(_MOST_NOISE_ROUNDS):
            if self.watch.reason or self._estimate_noise() < _NOISE_TOLERANCE:
                return
            self._descend(self.settings.tolerance)

    def _approach(self) -> None:
        """While the fit is far from the noise, the misfit counts as noise: parameters stay within their own size of the
        start as far as it leaves them uncertain, and are let go as it shrinks. Otherwise what the data say little of is
        carried away by what is wrong elsewhere, to where its logarithm has no way back."""
        estimation, previous = self.estimation, math.inf
        estimation.weights.fill_(1.0)  # what fits badly now may be what tells most
        try:
            for _ in range(_MOST_APPROACHES):
                data = estimation.data(self.point)
                doubt = 2.0 * data.cost / max(data.count, 1)
                if doubt < _NEAR or doubt > 0.9 * previous or self.watch.reason:
                    return
                previous = doubt
                estimation.pull = 1.0 / math.sqrt(doubt)
                self._put_back(doubt)
                self._reseed()
                self._run_method(self.watch.part(_ITERATIONS_PER_APPROACH), _COARSE)
        finally:
            estimation.pull = PULL

    def _descend(self, tolerance: float) -> None:
        """To the minimum. If it is not reached soon, what is not determined goes back to the start, from where the way
        is often short: other coordinates of the same motion may be hard to get away from."""
        if self.coordinates.count > MOST_FOR_JACOBIAN or self.settings.method not in ("lm", "gauss-newton"):
            self._run_method(self.watch, tolerance)
            return
        for _ in range(_MOST_DESCENTS):
            before = self.estimation.weights
            self.estimation.weigh_windows(self.point)
            settled = float((self.estimation.weights - before).abs().max()) < _SETTLED
            self._run_method(self.watch.part(_ITERATIONS_PER_DESCENT), tolerance)
            if self.watch.reason or (self.outcome.reason != "max_iterations" and settled):
                return
            if self.outcome.reason == "max_iterations":
                self._put_back(1.0)
            self._reseed()

    def _put_back(self, doubt: float) -> None:
        """Move combinations that are not determined, noise and misfit ``doubt`` times as large as sigma^2 says, to the
        start, unless the motion diverges there."""
        values, vectors = torch.linalg.eigh(self._information() / doubt)
        unknown = vectors[:, ~is_determined(values)]
        back = Point(self.point.z - unknown @ (unknown.mT @ self.point.z), self.point.x0)
        if not unknown.shape[1] or not math.isfinite(least_squares.cost_or_infinity(self.estimation, back)):
            return
        self.point, self.damping = back, least_squares.FIRST_DAMPING

    def _run_method(self, watch: Watch, tolerance: float) -> None:
        settings = self.settings
        if settings.method in ("lm", "gauss-newton"):
            self.outcome = least_squares.levenberg_marquardt(
                self.estimation, self.point, watch, tolerance, damped=settings.method == "lm", damping=self.damping
            )
            self.damping = self.outcome.damping
        elif settings.method == "adam":
            rate = 0.03 if settings.learning_rate is None else settings.learning_rate
            self.outcome = least_squares.adam(self.estimation, self.point, watch, tolerance, rate)
        else:
            self.outcome = least_squares.lbfgs(self.estimation, self.point, watch, tolerance)
        self.point = self.outcome.point

    def _longer(self) -> int | None:
        """Steps of the next windows, or None if a small change would grow too much in them."""
        if self.coordinates.count > MOST_FOR_JACOBIAN:
            return None
        self.estimation.residuals(self.point)
        growth = max(self.estimation.windows.growth, 1.0)
        now = self.estimation.windows.n_steps
        if self.longest * self.dt <= _SHORT and growth ** (self.longest / now) < _MOST_GROWTH:
            return self.longest
        for factor in (4, 2):
            if growth**factor < _MOST_GROWTH:
                return min(self.longest, factor * now)
        return None

    def _extend(self, length: int) -> bool:
        """Fit longer windows; False, and nothing changed, if that fits worse."""
        before = (self.estimation, self.point, self.outcome, self.seeds, self.damping)
        sigma = [s.clone() for s in self.sigma]
        old = self.estimation
        states = old.states(self.point)
        before_chi2 = self._reduced_chi2()
        windows = Windows(self.recording, self.pieces, length)
        theta = self.coordinates.theta(self.point.z).detach()
        self.seeds = first_states(windows, self.pieces, self.starts, theta)[0]
        x0 = torch.stack([_state_at(old.windows, states, int(k), int(first)) for k, first in windows.starts])
        self.estimation = Estimation(self.coordinates, windows, self.sigma, self._state_prior(windows))
        self.point = Point(self.point.z, x0)
        try:
            if self.settings.method in ("lm", "gauss-newton"):
                few = Watch(5, None)
                self.point = least_squares.levenberg_marquardt(self.estimation, self.point, few, 1e-3, fixed=True).point
            self._minimise()
            worse = self._reduced_chi2() > _WORSE * max(before_chi2, 1.0)
        except GenesisException:
            worse = True
        if worse:
            self.estimation, self.point, self.outcome, self.seeds, self.damping = before
            for mine, saved in zip(self.sigma, sigma, strict=True):
                mine.copy_(saved)
            self.notes.append(
                f"windows of {length * self.dt:.3g} s fit worse than those of "
                f"{self.estimation.windows.n_steps * self.dt:.3g} s, which were kept: the motion is too sensitive "
                "for longer ones, or the model lacks something."
            )
        return not worse

    def _reduced_chi2(self) -> float:
        """Weighted sum of squares of the measurements per degree of freedom, about 1 for a model that is true."""
        data = self.estimation.data(self.point)
        free = data.count - self.coordinates.count - self.point.x0.shape[0] * self.estimation.windows.system.ndx
        return 2.0 * data.cost / max(free, 0.1 * data.count, 1.0)

    # -- noise --------------------------------------------------------------------------------------------------------

    def _guess_noise(self) -> None:
        """Where it is not known: from how rough each channel is, until there is a fit."""
        windows = self.estimation.windows
        for k, (sigma, unknown, samples) in enumerate(zip(self.sigma, self.unknown, windows.samples, strict=True)):
            with torch.no_grad():
                values = samples.output.residual(samples.measured.nan_to_num(), samples.measured[:1].nan_to_num())
            segment = self._segment_of(samples)
            for i in torch.nonzero(unknown)[:, 0].tolist():
                there = samples.present[:, i]
                series = self._series(samples.time[there], values[there, i], segment[there])
                sigma[i] = max(roughness(series), self._least_noise(k))

    def _segment_of(self, samples: Samples) -> torch.Tensor:
        """Of each sample, the number of its recording."""
        starts = torch.as_tensor(self.estimation.windows.starts[:, 0], device=samples.row.device)
        return starts[samples.row]

    def _series(
        self, times: torch.Tensor, values: torch.Tensor, segment: torch.Tensor
    ) -> list[tuple[np.ndarray, np.ndarray]]:
        """(times, values) of each recording."""
        chosen = [segment == n for n in range(len(self.pieces))]
        return [(times[here].cpu().numpy(), values[here].cpu().numpy()) for here in chosen]

    def _least_noise(self, k: int) -> float:
        samples = self.estimation.windows.samples[k]
        return _LEAST_NOISE * float(samples.measured.nan_to_num().abs().max()) + 1e-15

    def _estimate_noise(self) -> float:
        """From the residuals; the largest relative change."""
        largest = 0.0
        found = self.estimation.channels(self.point)
        for index, (sigma, unknown, (squares, count, spent)) in enumerate(
            zip(self.sigma, self.unknown, found, strict=True)
        ):
            for k in torch.nonzero(unknown)[:, 0].tolist():
                free = max(float(count[k] - spent[k]), 0.1 * float(count[k]), 1.0)
                new = max(math.sqrt(float(squares[k]) / free), self._least_noise(index))
                largest = max(largest, abs(math.log(new / float(sigma[k]))))
                sigma[k] = new
        return largest

    # -- what is found ------------------------------------------------------------------------------------------------

    def _information(self) -> torch.Tensor:
        return least_squares.information(self.estimation.data(self.point, with_priors=True))

    def _hold_what_is_unknown(self) -> None:
        """Combinations that turned out not to be determined go back to where they began, and the rest is fitted
        anew."""
        if self.coordinates.count > MOST_FOR_JACOBIAN:
            return
        for _ in range(_MOST_HOLDS):
            values, vectors = torch.linalg.eigh(self._information())
            unknown = vectors[:, ~is_determined(values)]
            away = float((unknown.mT @ self.point.z).abs().max()) if unknown.shape[1] else 0.0
            if away < 2 * HOLD and self.estimation.pull == LAST_PULL:
                return
            before = (self.estimation.held, self.estimation.pull, self.point)
            self.estimation.held, self.estimation.pull = unknown, LAST_PULL
            # What is not determined goes back at once; the rest follows in a few iterations.
            self.point = Point(self.point.z - unknown @ (unknown.mT @ self.point.z), self.point.x0)
            misfit = self._misfit(before[2])
            try:
                self._descend(self.settings.tolerance)
                worse = self._misfit(self.point) > _WORSE * misfit
            except GenesisException:
                worse = True
            if worse:
                self.estimation.held, self.estimation.pull, self.point = before
                return
            self._refine_noise()

    def _misfit(self, point: Point) -> float:
        """Half the weighted sum of squares of the measurements alone."""
        return self.estimation.data(point).cost

    def result(self) -> Identification:
        """Everything that was found."""
        reason = self.watch.reason or self.outcome.reason
        if reason != "converged":
            self.notes.append(
                f"it ended before it had converged ({reason}): values and standard errors are provisional."
            )
            if self.estimates_noise and self.coordinates.count <= MOST_FOR_JACOBIAN:
                self._estimate_noise()  # else the errors would be those of the first guess of the noise
        cost = self.estimation.cost(self.point)
        self.coordinates.put(self.point.z)
        values, jacobian = self.coordinates.values()
        names = self.coordinates.names
        p = self.coordinates.count
        analysis = None
        if p <= MOST_FOR_JACOBIAN:
            analysis = analyse(self._information(), jacobian, names)
        else:
            self.notes.append(f"{p} parameters: no standard errors are computed for more than {MOST_FOR_JACOBIAN}.")
        channels = self._channels()
        self._note_windows()
        estimates, correlation = _estimates(names, values, self.start_values, analysis)
        return Identification(
            estimates=estimates,
            correlation=correlation,
            undetermined=analysis.undetermined if analysis else [],
            combinations=analysis.determined_combinations if analysis else [],
            rank=analysis.rank if analysis else p,
            n_coordinates=p,
            channels=channels,
            initial_states=self.point.x0.double().cpu().numpy(),
            window=self.estimation.windows.n_steps * self.dt,
            cost=cost,
            reason=reason,
            history=self.watch.history,
            notes=self.notes + misfit(channels),
            seconds=self.watch.seconds,
            method=self.settings.method,
            groups={one.name: one.names() for one in self.coordinates.unknowns},
            _unknowns=self.coordinates.unknowns,
        )

    def _note_windows(self) -> None:
        left = int((self.estimation.weights < _LEFT_OUT).sum())
        if left:
            self.notes.append(
                f"{left} of {self.estimation.windows.n_windows} windows fit far worse than the others, and count for "
                "little: an impact in them is too sensitive, or their samples are damaged."
            )

    def _channels(self) -> list[Channel]:
        windows, weights = self.estimation.windows, self.estimation.weights
        if self.coordinates.count <= MOST_FOR_JACOBIAN:
            found_by_fit = self.estimation.channels(self.point)
        else:
            found_by_fit = [(s, torch.full_like(s, math.nan), torch.zeros_like(s)) for s in self.sigma]
        with torch.no_grad():
            theta = self.coordinates.theta(self.point.z).detach()
            residuals = windows.residuals(self.estimation.states(self.point), theta)
        found = []
        for k, (samples, r) in enumerate(zip(windows.samples, residuals, strict=True)):
            segment = self._segment_of(samples)
            for i, label in enumerate(samples.output.residual_labels):
                present = samples.present[:, i]
                values = r.value[present, i].double()
                sigma, count = float(self.sigma[k][i]), int(present.sum())
                of_sample = weights[samples.row][present]
                squares, weight = float((of_sample * values.square()).sum()), float(of_sample.sum())
                found.append(
                    Channel(
                        name=label,
                        unit=samples.output.residual_units[i],
                        count=count,
                        sigma=sigma,
                        estimated=bool(self.unknown[k][i]),
                        rms=math.sqrt(squares / weight) if count else math.nan,
                        chi2=squares / sigma**2,
                        freedom=weight - float(found_by_fit[k][2][i]),
                        times=samples.time[present].cpu().numpy(),
                        residuals=values.cpu().numpy(),
                        roughness=roughness(self._series(samples.time[present], values, segment[present])),
                    )
                )
        return found


def roughness(series: Sequence[tuple[np.ndarray, np.ndarray]]) -> float:
    """Standard deviation of the noise on smooth signals (times, values): what is left of five samples in a row when the
    cubic through them is taken off (a divided difference of fourth order, of unit norm), by its median."""
    left = []
    for times, values in series:
        if len(values) < 5:
            left.append(np.abs(values - values.mean()))
            continue
        t = np.lib.stride_tricks.sliding_window_view(times, 5)
        y = np.lib.stride_tricks.sliding_window_view(values, 5)
        gaps = t[:, :, None] - t[:, None, :]
        gaps[:, range(5), range(5)] = 1.0
        weights = 1.0 / gaps.prod(2)
        weights /= np.linalg.norm(weights, axis=1, keepdims=True)
        left.append(np.abs((weights * y).sum(1)))
    # Of a normal distribution, the median of the absolute value is 0.6745 standard deviations.
    return float(np.median(np.concatenate(left))) / 0.6745


def _state_at(windows: Windows, states: torch.Tensor, segment: int, step: int) -> torch.Tensor:
    """State at a step of a segment, from the states (T + 1, N, nx) of windows that begin at or before it."""
    here = np.flatnonzero(windows.starts[:, 0] == segment)
    row = int(here[np.searchsorted(windows.starts[here, 1], step, side="right") - 1])
    return states[step - int(windows.starts[row, 1]), row]


def _estimates(
    names: list[str], values: torch.Tensor, start: torch.Tensor, analysis: Analysis | None
) -> tuple[list[Estimate], np.ndarray]:
    n = len(names)
    if analysis is None:
        rows = [Estimate(k, float(v), math.nan, float(s), True) for k, v, s in zip(names, values, start, strict=True)]
        return rows, np.full((n, n), np.nan)
    error = analysis.covariance.diagonal().clamp(min=0.0).sqrt()
    estimates = [
        Estimate(name, float(v), float(e) if known else math.nan, float(s), bool(known))
        for name, v, e, s, known in zip(names, values, error, start, analysis.determined, strict=True)
    ]
    scale = torch.where(analysis.determined & (error > 0), error, torch.full_like(error, torch.nan))
    correlation = analysis.covariance / (scale[:, None] * scale[None, :])
    return estimates, correlation.cpu().numpy()
