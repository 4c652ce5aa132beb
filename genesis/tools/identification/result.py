"""What identification found, how sure it is, and what it cannot know."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import MISSING, dataclass, field, fields
from os import PathLike, fsdecode
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from genesis import files
from genesis.entities.place import world_of
from genesis.errors import GenesisException
from genesis.tools.identification.identifiability import Combination
from genesis.tools.identification.least_squares import Iteration

if TYPE_CHECKING:
    from genesis.scene import Scene
    from genesis.tools.identification.selection import Parameter

_FORMAT = "genesis identification"
_VERSION = 1
# Reduced chi^2 above which noise does not explain the residuals: the given noise, or of noise that was estimated, that
# part of it which jumps from sample to sample. The latter is itself uncertain where there are few samples.
_MISFIT = 1.5
_FEW_SAMPLES = 30
_MOST_COMBINATIONS = 20


@dataclass
class Estimate:
    """One number.

    Attributes:
        name: as "arm.links_mass[hand]"
        value: what was found; of one that is not determined, where it was held
        error: standard error; NaN where it is not determined or not known
        start: where the fit began
        determined: whether the data (and priors) tell it
    """

    name: str
    value: float
    error: float
    start: float
    determined: bool


@dataclass
class Channel:
    """How one measured number was fitted.

    Attributes:
        name, unit: as in the log
        count: samples
        sigma: noise's standard deviation, given or estimated
        estimated: whether it was estimated
        rms: of the residuals
        chi2: sum of squared residuals over sigma^2
        freedom: samples less what the fit spent on them
        times, residuals: per sample [s] and in the channel's unit, for plots
        roughness: standard deviation of what of the residuals jumps from sample to sample; NaN where it is not known
    """

    name: str
    unit: str
    count: int
    sigma: float
    estimated: bool
    rms: float
    chi2: float
    freedom: float
    times: np.ndarray
    residuals: np.ndarray
    roughness: float = math.nan

    @property
    def reduced_chi2(self) -> float:
        """chi2 / freedom: 1 if sigma explains the residuals."""
        return self.chi2 / self.freedom if self.freedom > 0 else math.nan

    @property
    def excess(self) -> float:
        """How many times larger the squares of the residuals are than of what of them jumps from sample to sample: 1
        for independent noise, more if they follow one another."""
        return (self.rms / self.roughness) ** 2 if self.roughness > 0 else math.nan


@dataclass
class Identification:
    """The result of `identify`; prints as a table.

    Attributes:
        estimates: one per number
        correlation: (n, n) of the estimates; NaN in rows of what is not determined
        undetermined: combinations of values of which the data say nothing
        combinations: those that are determined, with standard errors
        rank: how many combinations are determined, of `n_coordinates`
        channels: how each measured number was fitted
        initial_states: (N, nx) of the windows; window: their length [s]
        cost: half the weighted sum of squares
        reason: why it ended: "converged", "no progress", "max_iterations", "callback"
        history: iterations
        notes: what the user should know
        seconds, method: of the computation
        groups: the names that were asked for, each with those of its estimates
    """

    estimates: list[Estimate]
    correlation: np.ndarray
    undetermined: list[Combination]
    combinations: list[Combination]
    rank: int
    n_coordinates: int
    channels: list[Channel]
    initial_states: np.ndarray
    window: float
    cost: float
    reason: str
    history: list[Iteration]
    notes: list[str]
    seconds: float
    method: str
    groups: dict[str, list[str]] = field(default_factory=dict)
    _unknowns: list[Parameter] = field(default_factory=list, repr=False)

    # -- reading ------------------------------------------------------------------------------------------------------

    def __getitem__(self, name: str) -> Estimate:
        """The estimate of that name; raises GenesisException, with the near ones, if there is none."""
        from genesis.tools.identification.outputs import near

        for estimate in self.estimates:
            if estimate.name == name:
                return estimate
        raise GenesisException(f"there is no estimate {name!r}; {near(name, [e.name for e in self.estimates])}")

    @property
    def converged(self) -> bool:
        """Whether the minimum was reached."""
        return self.reason == "converged"

    def interval(self, name: str, level: float = 0.95) -> tuple[float, float]:
        """Confidence interval of a value, by its standard error and the normal distribution.

        Raises GenesisException for a value that is not determined.
        """
        from statistics import NormalDist

        found = self[name]
        if not found.determined or math.isnan(found.error):
            raise GenesisException(
                f"{name!r} has no interval: the data do not determine it, or no errors were computed."
            )
        if not 0 < level < 1:
            raise GenesisException(f"`level` is {level!r}; expected a number between 0 and 1, as 0.95.")
        width = NormalDist().inv_cdf(0.5 + 0.5 * level) * found.error
        return found.value - width, found.value + width

    def table(self) -> Any:
        """The estimates as a `rich.table.Table`."""
        from rich.table import Table

        table = Table(title=self._headline(), title_justify="left")
        for column in ("parameter", "value", "std. error", "relative", "start"):
            table.add_column(column, justify="left" if column == "parameter" else "right")
        for row in self._rows():
            table.add_row(*row)
        return table

    def _headline(self) -> str:
        return (
            f"{self.rank} of {self.n_coordinates} combinations determined; {self.reason} after {len(self.history)} "
            f"iterations ({self.method}), {self.seconds:.1f} s, windows of {self.window:.3g} s"
        )

    def _rows(self) -> list[tuple[str, ...]]:
        rows: list[tuple[str, ...]] = []
        for e in self.estimates:
            if not e.determined:
                rows.append((e.name, f"({e.value:.6g})", "not determined", "", f"{e.start:.6g}"))
                continue
            relative = f"{100 * e.error / abs(e.value):.2g} %" if e.value and math.isfinite(e.error) else ""
            error = f"{e.error:.2g}" if math.isfinite(e.error) else "not computed"
            rows.append((e.name, f"{e.value:.6g}", error, relative, f"{e.start:.6g}"))
        return rows

    def __str__(self) -> str:
        lines = [
            self._headline(),
            "",
            *_aligned(("parameter", "value", "std. error", "relative", "start"), self._rows()),
        ]
        lines += ["", *self._text_of_channels()]
        if self.undetermined:
            lines += ["", "Not determined by the data (changes of values, each in units of its own size):"]
            lines += _listed([f"  {c}: not determined" for c in self.undetermined])
            several = [c for c in self.combinations if len(c.names) > 1]
            if several:
                lines += ["Determined although some of their values are not:"]
                lines += _listed([f"  {c}: standard error {100 * c.error:.2g} %" for c in several])
        if self.notes:
            lines += ["", *(f"Note: {note}" for note in self.notes)]
        return "\n".join(lines)

    def _text_of_channels(self) -> list[str]:
        rows = []
        for c in self.channels:
            unit = f" {c.unit}" if c.unit else ""
            origin = "estimated" if c.estimated else "given"
            rows.append(
                (c.name, str(c.count), f"{c.rms:.3g}{unit}", f"{c.sigma:.3g} {origin}", f"{c.reduced_chi2:.2f}")
            )
        return _aligned(("channel", "samples", "rms residual", "noise", "chi^2 / freedom"), rows)

    # -- using --------------------------------------------------------------------------------------------------------

    def apply(self, scene: Scene, entities: Mapping[str, str] | None = None) -> None:
        """Set what was found in ``scene``, as numbers without gradient: in the scene of the fit, or in another that has
        the same parts. What is not determined is set to where it was held.

        `entities`: of entities that are called otherwise in ``scene``, their name in the fit -> their name there, as
        {"arm": "left_arm"}.

        Raises GenesisException, and changes no parameter of the scene, for a parameter that the scene has not, for
        values that it refuses, and for a parameter that was given by a setter of its own when the result comes from a
        file.
        """
        import torch

        from genesis.scene import Scene
        from genesis.tools.identification.selection import Magnitudes, by_name

        if not isinstance(scene, Scene):
            raise GenesisException(f"Identification.apply: `scene` is {scene!r:.80}; expected a built gs.Scene.")
        world_of(scene, "Identification.apply")
        numbers = {e.name: e.value for e in self.estimates}
        renamed = self._renaming(entities)
        own = {one.name: one for one in self._unknowns}
        ready = []
        for name, labels in self.groups.items():
            one = own.get(name)
            if one is None or (one.scene is not None and (one.scene is not scene or renamed(name) != name)):
                one = by_name(scene, renamed(name), Magnitudes())
            if one.names() != [renamed(label) if one.scene is not None else label for label in labels]:
                raise GenesisException(
                    f"Identification.apply: {name!r} has other parts in this scene than in the one of the fit: "
                    f"{', '.join(one.names()[:6])}; expected {', '.join(map(renamed, labels[:6]))}."
                )
            if missing := [label for label in labels if label not in numbers]:
                raise GenesisException(
                    f"Identification.apply: there is no estimate {missing[0]!r}, which belongs to {name!r}; leave the "
                    "result's `estimates` and `groups` as they are."
                )
            values = torch.tensor([numbers[label] for label in labels], dtype=torch.float64, device="cpu")
            with torch.no_grad():
                ready.append((one, one.value_of(values)))
        with _all_or_nothing(scene):
            for one, value in ready:
                one.setter(value)

    def _renaming(self, entities: Any) -> Callable[[str], str]:
        """What a parameter or estimate of the fit is called where entities have these names."""
        if entities is None:
            return str
        good = isinstance(entities, Mapping) and all(
            isinstance(text, str) for pair in entities.items() for text in pair
        )
        if not good or not all(any(name.startswith(f"{old}.") for name in self.groups) for old in entities):
            raise GenesisException(
                f"Identification.apply: `entities` is {entities!r:.80}; expected a dict from names of entities in the "
                f"fit to those in the scene. What was found: {', '.join(list(self.groups)[:6])}."
            )

        def renamed(name: str) -> str:
            old = next((old for old in entities if name.startswith(f"{old}.")), "")
            return entities[old] + name[len(old) :] if old else name

        return renamed

    # -- files --------------------------------------------------------------------------------------------------------

    def save(self, path: str | Path) -> None:
        """Write a .json file that `load` reads. Raises GenesisException when it cannot be written."""
        path = _path("save", path)
        if path.suffix.lower() != ".json":
            raise GenesisException(f"Identification.save: `path` is {str(path)!r}; expected a name that ends in .json.")
        data = {
            "format": _FORMAT,
            "version": _VERSION,
            "estimates": [vars(e) for e in self.estimates],
            "correlation": self.correlation.tolist(),
            "undetermined": [vars(c) for c in self.undetermined],
            "combinations": [vars(c) for c in self.combinations],
            "rank": self.rank,
            "n_coordinates": self.n_coordinates,
            "channels": [
                {**vars(c), "times": c.times.tolist(), "residuals": c.residuals.tolist()} for c in self.channels
            ],
            "initial_states": self.initial_states.tolist(),
            "window": self.window,
            "cost": self.cost,
            "reason": self.reason,
            "history": [vars(i) for i in self.history],
            "notes": self.notes,
            "seconds": self.seconds,
            "method": self.method,
            "groups": self.groups,
        }
        text = json.dumps(_plain(data), indent=1, allow_nan=False) + "\n"
        try:
            files.write_atomically(path, text.encode())
        except OSError as error:
            raise GenesisException(f"Identification.save: {path} cannot be written ({error.strerror}).") from None

    @staticmethod
    def load(path: str | Path) -> Identification:
        """Read what `save` wrote. Raises GenesisException for a file that is missing, damaged or of another kind."""
        path = _path("load", path)
        try:
            data = json.loads(files.read_bytes(path).decode())
        except OSError as error:
            raise GenesisException(f"Identification.load: {path} cannot be read ({error.strerror}).") from None
        except (ValueError, RecursionError) as error:  # no text, no JSON, or brackets a thousand deep
            raise GenesisException(f"Identification.load: {path} is no JSON file: {error}.") from None
        if not isinstance(data, dict) or data.get("format") != _FORMAT or data.get("version") != _VERSION:
            raise GenesisException(f"Identification.load: {path} was not written by Identification.save.")
        try:
            return _read(data)
        except _Damaged as damage:
            raise GenesisException(
                f"Identification.load: {path} is damaged: {damage} Write it anew with Identification.save."
            ) from None
        except RecursionError:
            raise GenesisException(f"Identification.load: {path} is damaged: its lists are nested too deep.") from None

    def plot(self, path: str | Path) -> None:
        """Draw residuals per channel, estimates with their errors and the correlation to an image file.

        Raises GenesisException without matplotlib, and when the file cannot be written.
        """
        from genesis.tools.identification.plot import plot

        plot(self, Path(path))


def misfit(channels: Sequence[Channel]) -> list[str]:
    """Notes on channels whose noise, given or estimated, does not explain their residuals."""
    notes = []
    bad = [c for c in channels if not c.estimated and c.reduced_chi2 > _MISFIT]
    if bad:
        worst = max(bad, key=lambda c: c.reduced_chi2)
        notes.append(
            f"the residuals of {len(bad)} of {len(channels)} channels are larger than their given noise explains (most "
            f"of {worst.name!r}: chi^2 / freedom {worst.reduced_chi2:.3g}): the model lacks something, or there is "
            "more noise. The standard errors are too small."
        )
    # The noise that is estimated from residuals explains them always: it is noise if they do not follow one another.
    smooth = [c for c in channels if c.estimated and c.count >= _FEW_SAMPLES and c.excess > _MISFIT]
    if smooth:
        worst = max(smooth, key=lambda c: c.excess)
        notes.append(
            f"the residuals of {len(smooth)} of {len(channels)} channels whose noise was estimated follow one another "
            f"(most of {worst.name!r}: their squares are {worst.excess:.3g} times those of what jumps from sample to "
            "sample): the model lacks something, or the noise is not independent. The standard errors are too small."
        )
    return notes


def _aligned(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    lines = [tuple(header), *map(tuple, rows)]
    widths = [max(len(line[k]) for line in lines) for k in range(len(header))]
    return [
        "  ".join(
            text.ljust(width) if k == 0 else text.rjust(width)
            for k, (text, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    ]


def _listed(lines: list[str]) -> list[str]:
    more = len(lines) - _MOST_COMBINATIONS
    return lines if more <= 0 else [*lines[:_MOST_COMBINATIONS], f"  and {more} more."]


def _plain(value: Any) -> Any:
    """JSON has no NaN and no infinity: they become text."""
    if isinstance(value, dict):
        return {key: _plain(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(one) for one in value]
    if isinstance(value, float) and not math.isfinite(value):
        return repr(value)
    return value


@contextmanager
def _all_or_nothing(scene: Scene) -> Iterator[None]:
    """If it fails inside, the scene's parameters are as before."""
    saved = scene.world.theta.saved()
    try:
        yield
    except BaseException:
        scene.world.theta.go_back(saved)
        raise


# -- files ------------------------------------------------------------------------------------------------------------


def _path(method: str, given: Any) -> Path:
    if not isinstance(given, (str, PathLike)):
        raise GenesisException(f"Identification.{method}: `path` is {given!r:.80}; expected the name of a .json file.")
    return Path(fsdecode(given))


class _Damaged(Exception):
    """What is wrong with a file: given and expected."""


def _read(data: dict[str, Any]) -> Identification:
    """What `save` wrote, every part of it checked. Raises _Damaged."""
    result = Identification(
        estimates=_rows(data, "estimates", Estimate),
        correlation=_array(data, "correlation", 2),
        undetermined=_rows(data, "undetermined", Combination),
        combinations=_rows(data, "combinations", Combination),
        channels=_rows(data, "channels", Channel),
        initial_states=_array(data, "initial_states", 2),
        history=_rows(data, "history", Iteration),
        **{name: _value(data, name, "int") for name in ("rank", "n_coordinates")},
        **{name: _value(data, name, "float") for name in ("window", "cost", "seconds")},
        **{name: _value(data, name, "str") for name in ("reason", "method")},
        notes=_value(data, "notes", "list[str]"),
        groups={name: _value(_group(data), name, "list[str]") for name in _group(data)},
    )
    names = [e.name for e in result.estimates]
    for e in result.estimates:
        if not math.isfinite(e.value):
            raise _Damaged(f"the value of {e.name!r} is {e.value}; expected a finite number.")
    if len(set(names)) < len(names):
        raise _Damaged("an estimate is there twice; expected each name once.")
    grouped = [label for labels in result.groups.values() for label in labels]
    if sorted(grouped) != sorted(names):
        odd = sorted(set(grouped) ^ set(names)) or grouped
        raise _Damaged(f"'estimates' and 'groups' differ in {odd[0]!r}; expected the same names in both.")
    if result.correlation.shape != (len(names), len(names)):
        raise _Damaged(f"'correlation' has shape {result.correlation.shape}; expected a row and column per estimate.")
    for c in (*result.undetermined, *result.combinations):
        if len(c.names) != len(c.weights):
            raise _Damaged(f"a combination has {len(c.names)} names and {len(c.weights)} weights; expected as many.")
    for channel in result.channels:
        if len(channel.times) != len(channel.residuals):
            raise _Damaged(f"the times and residuals of channel {channel.name!r} differ in length; expected as many.")
    return result


def _group(data: dict[str, Any]) -> dict[str, Any]:
    found = data.get("groups")
    if not isinstance(found, dict):
        raise _Damaged(f"'groups' is {found!r:.60}; expected names of parameters, each with those of its estimates.")
    return found


def _rows(data: dict[str, Any], name: str, kind: type[Any]) -> list[Any]:
    """A list of dataclasses."""
    given = data.get(name)
    if not isinstance(given, list):
        raise _Damaged(f"{name!r} is {given!r:.60}; expected a list.")
    found = []
    for k, row in enumerate(given):
        place = f"{name}[{k}]"
        known = {f.name: str(f.type) for f in fields(kind)}
        # Files of an earlier version lack what has a default.
        needed = {f.name for f in fields(kind) if f.default is MISSING}
        if not isinstance(row, dict) or not needed <= row.keys() <= known.keys():
            shown = sorted(row) if isinstance(row, dict) else row
            raise _Damaged(f"{place} is {shown!r:.80}; expected {', '.join(known)}.")
        found.append(kind(**{what: _value(row, what, of, f"{place}.") for what, of in known.items() if what in row}))
    return found


def _array(data: dict[str, Any], name: str, ndim: int, place: str = "") -> np.ndarray:
    try:
        found = np.array(_restored(data.get(name)))
        good = found.ndim == ndim and (found.dtype.kind in "fi" or found.size == 0)
    except (ValueError, OverflowError, RecursionError):
        good = False
    if not good:
        raise _Damaged(f"'{place}{name}' is {data.get(name)!r:.60}; expected numbers in {ndim} dimension(s).")
    return found.astype(np.float64)


def _value(data: dict[str, Any], name: str, kind: str, place: str = "") -> Any:
    """A value of the kind that a dataclass says; raises _Damaged for another."""
    if kind == "np.ndarray":
        return _array(data, name, 1, place)
    if kind == "list[float]":
        return _array(data, name, 1, place).tolist()
    value: Any = data.get(name)
    if kind == "list[str]":
        good = isinstance(value, list) and all(isinstance(one, str) for one in value)
    elif kind == "float":
        value = _restored(value)
        good = isinstance(value, (int, float)) and not isinstance(value, bool) and not abs(value) > sys.float_info.max
        good = good or (isinstance(value, float) and math.isinf(value))
    else:
        good = type(value).__name__ == kind  # JSON knows no subclasses
    if not good:
        raise _Damaged(f"'{place}{name}' is {data.get(name)!r:.60}; expected {_KINDS.get(kind, kind)}.")
    return float(value) if kind == "float" else value


_KINDS = {
    "str": "text",
    "bool": "true or false",
    "int": "a whole number",
    "float": 'a number, "nan", "inf" or "-inf"',
    "list[str]": "a list of texts",
}


def _restored(value: Any) -> Any:
    """NaN and infinities, which `_plain` made text, as numbers again; None for true and false, which are no numbers."""
    if isinstance(value, list):
        return [_restored(one) for one in value]
    if isinstance(value, bool):
        return None
    return float(value) if value in ("nan", "inf", "-inf") else value
