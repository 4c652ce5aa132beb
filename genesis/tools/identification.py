"""From recorded motion to parameters.

The windows of the recording are shot from initial states that are free (`shooting`), and Levenberg-Marquardt looks for
the parameters and states with which they fit best (`least_squares`). It begins with short windows, in which a bad
start cannot do much harm, and makes them longer as far as the motion's sensitivity allows: a long window tells more.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from genesis import runtime
from genesis.errors import GenesisException
from genesis.tools import least_squares
from genesis.tools.estimation import HOLD, MOST_FOR_JACOBIAN, PULL, Coordinates, Estimation, Point, StatePrior, parameters_kept
from genesis.tools.first_states import Channels, first_states
from genesis.tools.identifiability import Analysis, analyse, is_determined
from genesis.tools.identify_result import Channel, Estimate, Identification, misfit
from genesis.tools.least_squares import Iteration, Outcome, Watch
from genesis.tools.logs import Log
from genesis.tools.selection import Magnitudes, Parameter, select_parameters
from genesis.tools.shooting import Piece, Windows, lay_on_grid, require_one_row

if TYPE_CHECKING:
    from genesis.scene import Scene
    from genesis.tools.recording import Recording

METHODS = ("lm", "gauss-newton", "adam", "lbfgs")
# A recording up to this long [s] is one window, unless its motion is too sensitive.
_SHORT = 1.0
# Steps of the first windows, if these hold enough samples: so few that even bad parameters lead nowhere in them.
_FIRST = 3
# By how much a change of the initial state may grow over a window: beyond it the fit has a local minimum at every turn.
_MOST_GROWTH = 1e3
# A longer window is not taken if the fit's cost grows by more than this factor.
_WORSE = 1.5
# Rounds of estimating the noise, and the relative change of it at which they end.
_MOST_NOISE_ROUNDS, _NOISE_TOLERANCE = 6, 0.02
# Rounds of approaching a fit as good as the noise, iterations of each, and the weighted mean square that is near.
_MOST_APPROACHES, _ITERATIONS_PER_APPROACH, _NEAR = 20, 5, 3.0
# Tolerance of all windows but the last.
_COARSE = 1e-3
# Rounds, and iterations of each, of holding what is not determined at the start.
_MOST_HOLDS, _ITERATIONS_PER_HOLD = 2, 10
# Least standard deviation of a channel that is estimated, of its largest value.
_LEAST_NOISE = 1e-9


@dataclass
class _Settings:
    """What the user asked for."""

    method: str
    max_iterations: int
    tolerance: float
    learning_rate: float | None


def identify(
    scene: Scene,
    log: Log,
    parameters: Sequence[Parameter | str] | Parameter | str,
    *,
    window: float | None = None,
    method: str = "lm",
    priors: Mapping[str, tuple[Any, Any]] | None = None,
    initial_state: Any = None,
    initial_state_std: Any = None,
    outputs: Mapping[str, Callable[..., torch.Tensor]] | None = None,
    max_iterations: int | None = None,
    tolerance: float = 1e-6,
    learning_rate: float | None = None,
    callback: Callable[[Iteration], Any] | None = None,
    progress: bool = False,
) -> Identification:
    """Find parameters of a scene with which it moves as a log says.

    Args:
        scene: built with SimOptions(requires_grad=True); its parameters in force are the start, and are as before
            afterwards (`result.apply(scene)` puts what was found in force)
        log: what was measured, and under which controls
        parameters: names, as "arm.links_mass[hand]", "arm.dofs_damping", "arm.links_inertial[link3]" (mass, centre of
            mass and inertia together), "arm.friction", "gravity"; or `gs.tools.Parameter`s of one's own
        window: length [s] of the pieces that are simulated, each from a free initial state. None: up to 1 s the whole
            recording; else grown as long as its sensitivity allows
        method: "lm" (Levenberg-Marquardt), "gauss-newton"; "adam", "lbfgs" for very many parameters
        priors: name -> (mean, standard deviation) in the unit of the value
        initial_state: (nx,) or (recordings, nx), state (qpos, qvel, act) at the beginning, where the log does not tell it
            (None: the scene's present one)
        initial_state_std: how well it is known, a number or (ndx,) [m, rad, m/s, rad/s]; None: not at all
        outputs: name -> function of the trajectory, for measurements of one's own
        max_iterations: in all (None: 100; 1000 for "adam" and "lbfgs")
        tolerance: relative decrease of the sum of squares at which it ends
        learning_rate: of "adam" (None: 0.03)
        callback: called with an `Iteration` after each; returns True to stop
        progress: whether each iteration is written to the engine's log

    Returns:
        estimates with standard errors, what the data do not determine, and how each channel was fitted

    Raises GenesisException, and changes nothing, for arguments and logs that do not fit, and if the motion diverges
    however short the windows are.
    """
    settings = _checked(scene, log, window, method, max_iterations, tolerance, learning_rate)
    recording = log.bind(scene, outputs)
    pieces = lay_on_grid(recording, scene.dt)
    magnitudes = _magnitudes(recording)
    with parameters_kept(scene):
        chosen = select_parameters(scene, parameters, priors, magnitudes)
        require_one_row(scene._parameters.theta())
        coordinates = Coordinates(scene, chosen)
        starts, deviation = _starts(scene, len(pieces), initial_state, initial_state_std)
        watch = Watch(settings.max_iterations, _teller(callback, progress))
        fit = _Fit(recording, pieces, coordinates, starts, deviation, settings, watch)
        try:
            fit.run(window)
            result = fit.result()
        except BaseException:
            coordinates.put(torch.zeros_like(coordinates.start))
            raise
    result.notes += magnitudes.noted
    for note in result.notes:
        runtime.logger.warning("identify: %s", note)
    return result


class _Fit:
    """One identification, from short windows to long ones, and what it knows of the noise on the way."""

    def __init__(
        self,
        recording: Recording,
        pieces: list[Piece],
        coordinates: Coordinates,
        starts: torch.Tensor,
        deviation: torch.Tensor | None,
        settings: _Settings,
        watch: Watch,
    ) -> None:
        self.recording, self.pieces, self.coordinates = recording, pieces, coordinates
        self.starts, self.deviation, self.settings, self.watch = starts, deviation, settings, watch
        self.dt = recording.scene.dt
        self.sigma = [torch.as_tensor(s, dtype=torch.float64, device=runtime.device).clone() for s in recording.noise]
        self.unknown = [torch.isnan(s) for s in self.sigma]
        self.notes: list[str] = []
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
        self._hold_what_is_unknown()

    def _first_length(self) -> int:
        """Steps of the first windows: at least twice as many numbers measured in each as its state has."""
        windows = Windows(self.recording, self.pieces, self.longest)
        numbers = sum(int(samples.present.sum()) for samples in windows.samples)
        steps = sum(piece.n_steps for piece in self.pieces)
        enough = math.ceil(2 * windows.system.ndx * steps / max(numbers, 1))
        return min(self.longest, max(enough, _FIRST))

    def _begin(self, length: int) -> None:
        """The first windows that do not diverge from the states that the log says, shortened until they do not."""
        zero = torch.zeros_like(self.coordinates.start)
        while True:
            windows = Windows(self.recording, self.pieces, length)
            theta = self.coordinates.theta(zero).detach()
            x0, told = first_states(windows, self.pieces, self.starts, theta)
            point = Point(zero, x0)
            self.estimation = Estimation(self.coordinates, windows, self.sigma, self._state_prior(windows))
            try:
                self.estimation.states(point)
                break
            except GenesisException as error:
                if length == 1:
                    raise GenesisException(
                        "identify: the motion diverges within a step from the states that the log says, with the scene's "
                        f"parameters: {error} Set parameters with which the scene can be simulated, or check the log's units."
                    ) from error
                length = max(1, length // 2)
        self.point = point
        self._guess_noise()
        # Where the log does not tell the states, they come first.
        if not told and self.settings.method in ("lm", "gauss-newton"):
            self.watch.stage = windows.n_steps * self.dt
            few = Watch(5, None)
            self.point = least_squares.levenberg_marquardt(self.estimation, point, few, 1e-3, fixed=True).point

    def _state_prior(self, windows: Windows) -> StatePrior | None:
        if self.deviation is None:
            return None
        first = np.flatnonzero(windows.starts[:, 1] == 0)
        mean = self.starts[torch.as_tensor(windows.starts[first, 0], device=self.starts.device)]
        return StatePrior(torch.as_tensor(first, device=mean.device), mean, self.deviation)

    def _minimise(self) -> None:
        """At this length of the windows. With the last ones, noise that is not known is estimated from the residuals, in
        turn with the parameters."""
        self.watch.stage = self.estimation.windows.n_steps * self.dt
        self.damping = least_squares.FIRST_DAMPING
        last = self.final or self.estimation.windows.n_steps >= self.longest
        if self.coordinates.count <= MOST_FOR_JACOBIAN and self.settings.method in ("lm", "gauss-newton"):
            self._approach()
        self._run_method(self.watch, self.settings.tolerance if last else max(self.settings.tolerance, _COARSE))
        if not last or not self.estimates_noise or self.coordinates.count > MOST_FOR_JACOBIAN:
            return
        for _ in range(_MOST_NOISE_ROUNDS):
            if self.watch.reason or self._estimate_noise() < _NOISE_TOLERANCE:
                return
            self._run_method(self.watch, self.settings.tolerance)

    def _approach(self) -> None:
        """While the fit is far from the noise, the misfit counts as noise: parameters stay within their own size of the
        start as far as it leaves them uncertain, and are let go as it shrinks. Otherwise what the data say little of is
        carried away by what is wrong elsewhere, to where its logarithm has no way back."""
        estimation, previous = self.estimation, math.inf
        try:
            for _ in range(_MOST_APPROACHES):
                data = estimation.data(self.point)
                doubt = 2.0 * data.cost / max(data.count, 1)
                if doubt < _NEAR or doubt > 0.9 * previous or self.watch.reason:
                    return
                previous = doubt
                estimation.pull = 1.0 / math.sqrt(doubt)
                few = self.watch.part(_ITERATIONS_PER_APPROACH)
                self._run_method(few, _COARSE)
        finally:
            estimation.pull = PULL

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
        before = (self.estimation, self.point, self.outcome, [s.clone() for s in self.sigma])
        old = self.estimation
        states = old.states(self.point)
        cost = old.cost(self.point)
        windows = Windows(self.recording, self.pieces, length)
        x0 = torch.stack([_state_at(old.windows, states, int(k), int(first)) for k, first in windows.starts])
        self.estimation = Estimation(self.coordinates, windows, self.sigma, self._state_prior(windows))
        self.point = Point(self.point.z, x0)
        try:
            if self.settings.method in ("lm", "gauss-newton"):
                few = Watch(5, None)
                self.point = least_squares.levenberg_marquardt(self.estimation, self.point, few, 1e-3, fixed=True).point
            self._minimise()
            worse = self.outcome.cost > _WORSE * cost
        except GenesisException:
            worse = True
        if worse:
            self.estimation, self.point, self.outcome, sigma = before
            for mine, saved in zip(self.sigma, sigma, strict=True):
                mine.copy_(saved)
            self.notes.append(
                f"windows of {length * self.dt:.3g} s fit worse than those of {self.estimation.windows.n_steps * self.dt:.3g} s, "
                "which were kept: the motion is too sensitive for longer ones, or the model lacks something."
            )
        return not worse

    # -- noise --------------------------------------------------------------------------------------------------------

    def _guess_noise(self) -> None:
        """Where it is not known: from how rough each channel is, until there is a fit."""
        windows = self.estimation.windows
        for k, (sigma, unknown, samples) in enumerate(zip(self.sigma, self.unknown, windows.samples, strict=True)):
            with torch.no_grad():
                values = samples.output.residual(samples.measured.nan_to_num(), samples.measured[:1].nan_to_num())
            segment = torch.as_tensor(windows.starts[:, 0], device=samples.row.device)[samples.row]
            for i in torch.nonzero(unknown)[:, 0].tolist():
                there = samples.present[:, i]
                series = [
                    (samples.time[there & (segment == n)].cpu().numpy(), values[there & (segment == n), i].cpu().numpy())
                    for n in range(len(self.pieces))
                ]
                sigma[i] = max(roughness(series), self._least_noise(k))

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
        """Combinations that turned out not to be determined go back to where they began, and the rest is fitted anew."""
        if self.coordinates.count > MOST_FOR_JACOBIAN:
            return
        for _ in range(_MOST_HOLDS):
            values, vectors = torch.linalg.eigh(self._information())
            unknown = vectors[:, ~is_determined(values)]
            if not unknown.shape[1] or float((unknown.mT @ self.point.z).abs().max()) < 2 * HOLD:
                return
            before, self.estimation.held = self.estimation.held, unknown
            # What is not determined goes back at once; the rest follows in a few iterations. They are not counted:
            # without them what is reported would be neither the start nor the best fit.
            back = Point(self.point.z - unknown @ (unknown.mT @ self.point.z), self.point.x0)
            try:
                moved = least_squares.levenberg_marquardt(
                    self.estimation, back, Watch(_ITERATIONS_PER_HOLD, None), self.settings.tolerance
                ).point
                worse = self._misfit(moved) > _WORSE * self._misfit(self.point)
            except GenesisException:
                worse = True
            if worse:
                self.estimation.held = before
                return
            self.point = moved

    def _misfit(self, point: Point) -> float:
        """Half the weighted sum of squares of the measurements alone."""
        return self.estimation.data(point).cost

    def result(self) -> Identification:
        """Everything that was found."""
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
            reason=self.watch.reason or self.outcome.reason,
            history=self.watch.history,
            notes=self.notes + misfit(channels),
            seconds=self.watch.seconds,
            method=self.settings.method,
            groups={one.name: one.names() for one in self.coordinates.parameters},
            _parameters=self.coordinates.parameters,
        )

    def _channels(self) -> list[Channel]:
        windows = self.estimation.windows
        if self.coordinates.count <= MOST_FOR_JACOBIAN:
            spent = [s for _, _, s in self.estimation.channels(self.point)]
        else:
            spent = [torch.zeros_like(s) for s in self.sigma]
        with torch.no_grad():
            theta = self.coordinates.theta(self.point.z).detach()
            residuals = windows.residuals(self.estimation.states(self.point), theta)
        found = []
        for k, (samples, r) in enumerate(zip(windows.samples, residuals, strict=True)):
            for i, label in enumerate(samples.output.residual_labels):
                present = samples.present[:, i]
                values = r.value[present, i].double()
                sigma, count = float(self.sigma[k][i]), int(present.sum())
                squares = float(values.square().sum())
                found.append(
                    Channel(
                        name=label,
                        unit=samples.output.residual_units[i],
                        count=count,
                        sigma=sigma,
                        estimated=bool(self.unknown[k][i]),
                        rms=math.sqrt(squares / count) if count else math.nan,
                        chi2=squares / sigma**2,
                        freedom=count - float(spent[k][i]),
                        times=samples.time[present].cpu().numpy(),
                        residuals=values.cpu().numpy(),
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


# -- arguments --------------------------------------------------------------------------------------------------------


def _checked(
    scene: Any, log: Any, window: Any, method: Any, max_iterations: Any, tolerance: Any, learning_rate: Any
) -> _Settings:
    from genesis.scene import Scene

    if not isinstance(scene, Scene):
        raise GenesisException(f"identify: `scene` is {scene!r:.80}; expected a built gs.Scene.")
    scene._require_built("identify")
    if not scene.requires_grad:
        raise GenesisException(
            "identify: the scene records no gradients; build it with gs.options.SimOptions(requires_grad=True)."
        )
    if not isinstance(log, Log):
        raise GenesisException(f"identify: `log` is {log!r:.80}; expected a gs.tools.Log, as gs.tools.Log.read(path).")
    if method not in METHODS:
        raise GenesisException(f"identify: `method` is {method!r}; expected one of {', '.join(map(repr, METHODS))}.")
    if window is not None:
        _positive_number("window", window, "a length in seconds")
        if window < scene.dt:
            raise GenesisException(f"identify: `window` is {window:g} s, less than a step of the scene ({scene.dt:g} s).")
    _positive_number("tolerance", tolerance, "a number")
    if learning_rate is not None:
        _positive_number("learning_rate", learning_rate, "a number")
    if max_iterations is None:
        max_iterations = 100 if method in ("lm", "gauss-newton") else 1000
    if isinstance(max_iterations, bool) or not isinstance(max_iterations, int) or max_iterations < 1:
        raise GenesisException(f"identify: `max_iterations` is {max_iterations!r}; expected a whole number from 1 on.")
    return _Settings(method, max_iterations, float(tolerance), learning_rate)


def _positive_number(name: str, value: Any, expected: str) -> None:
    good = isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value) and value > 0
    if not good:
        raise GenesisException(f"identify: `{name}` is {value!r:.60}; expected {expected} above zero.")


def _starts(
    scene: Scene, n_segments: int, state: Any, deviation: Any
) -> tuple[torch.Tensor, torch.Tensor | None]:
    """(segments, nx), and (ndx,) or None."""
    nx, ndx = scene._nq + scene._nv + scene._model.na, 2 * scene._nv + scene._model.na
    if state is None:
        found = scene._read_state().detach()[:1]
    else:
        found = _tensor("initial_state", state)
        if found.ndim not in (1, 2) or found.shape[-1] != nx or (found.ndim == 2 and len(found) not in (1, n_segments)):
            raise GenesisException(
                f"identify: `initial_state` has shape {tuple(found.shape)}; expected ({nx},) or ({n_segments}, {nx}): "
                "(qpos, qvel, act), one row per recording."
            )
    starts = found.as_subclass(torch.Tensor).to(runtime.tc_float).expand(n_segments, nx)
    if deviation is None:
        return starts, None
    deviations = _tensor("initial_state_std", deviation, infinite=True).double()
    if deviations.ndim > 1 or deviations.numel() not in (1, ndx) or not bool((deviations > 0).all()):
        raise GenesisException(
            f"identify: `initial_state_std` is {deviation!r:.80}; expected a number above zero, or {ndx}: of positions, "
            "rotations, velocities and activations."
        )
    return starts, deviations.expand(ndx)


def _tensor(name: str, value: Any, infinite: bool = False) -> torch.Tensor:
    try:
        found = torch.as_tensor(value, dtype=torch.float64, device=runtime.device).detach()
    except (TypeError, ValueError, RuntimeError) as error:
        raise GenesisException(f"identify: `{name}` is no array of numbers: {error}.") from None
    bad = torch.isnan(found) if infinite else ~torch.isfinite(found)
    if bool(bad.any()):
        raise GenesisException(f"identify: `{name}` holds NaN or infinite numbers; expected finite ones.")
    return found


def _magnitudes(recording: Recording) -> Magnitudes:
    """Of controls and joint velocities, dof by dof."""
    force, velocity = np.zeros(recording.scene._nv), np.zeros(recording.scene._nv)
    if recording.control == "force":
        place = 0
        for entity in recording.entities:
            size = np.sqrt(np.mean(recording.controls[:, place : place + entity.n_dofs] ** 2, 0))
            force[entity.dof_start : entity.dof_end] = size
            place += entity.n_dofs
    channels = Channels(recording)
    for dof, (k, column) in channels.v.items():
        velocity[dof] = np.sqrt(np.nanmean(recording.measured[k][:, column] ** 2))
    return Magnitudes(force.tolist(), velocity.tolist())


def _teller(callback: Callable[[Iteration], Any] | None, progress: bool) -> Callable[[Iteration], Any] | None:
    if not progress:
        return callback

    def tell(iteration: Iteration) -> Any:
        runtime.logger.info(
            "identify: iteration %d, windows of %.3g s: cost %.6g, largest step %.2g",
            iteration.number,
            iteration.stage,
            iteration.cost,
            iteration.step,
        )
        return None if callback is None else callback(iteration)

    return tell
