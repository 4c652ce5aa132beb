"""Recorded motion: times, what was measured, and the controls under which it happened."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from os import PathLike, fsdecode
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from genesis.errors import GenesisException
from genesis.tools.identification.log_files import read, write
from genesis.tools.identification.log_table import CONTROLS, Damage, column_names
from genesis.tools.identification.outputs import Output, base_of, near

if TYPE_CHECKING:
    from genesis.scene import Scene
    from genesis.tools.identification.recording import Recording
    from genesis.trajectory import Trajectory

_LARGEST = 1e100  # no quantity in SI units is larger; its square is finite
_NOISE = (1e-30, 1e30)  # of which the squares weigh samples


class Log:
    """One or several recordings of a scene's motion, sampled at any times.

    Args:
        times: (K,) [s], increasing within each recording
        measurements: name -> (K, n) or (K,), as `genesis.tools.identification.outputs` names them ("arm.dofs_position",
            "arm.links_pos[hand]", "imu"). NaN: not measured at that time
        controls: entity's name -> (K, n_dofs) or (K, n_controls), or "arm[joint1]" -> (K,) for some joints. Row k
            holds from times[k] to times[k + 1], so that the last row of a recording has no effect: it may be NaN.
            Force controls that are not given are zero
        control: what they are, "force", "position", "velocity" or "actuators", as in `scene.rollout`
        noise: name -> standard deviation of the measurements' noise, a number or one per column, in their unit; [rad]
            for orientations. A name without parts ("arm.dofs_position") stands for all channels of that quantity.
            What is not named is estimated
        segments: (K,) number of the recording that each row belongs to; None: all rows are one recording
        outputs: name -> function of the trajectory, (T + 1, N, n), for measurements of one's own; there may be more
            than are measured
        trust_units: only warn of units that look wrong in the scene that the log is bound to

    Attributes:
        times, measurements, controls, control, noise: as given, in float64 numpy arrays; measurements (K, n)
        segments: one slice of rows per recording
        warnings: what is suspicious, by line (or row)
        source: the file's name, or "log"

    Raises GenesisException, with the row, for shapes that do not fit, infinite values, NaN controls, times that are
    not finite or do not increase. Names and units are checked by `bind`, which knows the scene.
    """

    def __init__(
        self,
        times: Any,
        measurements: Mapping[str, Any],
        controls: Mapping[str, Any] | None = None,
        control: str = "force",
        noise: Mapping[str, Any] | None = None,
        segments: Any = None,
        outputs: Mapping[str, Callable[[Trajectory], torch.Tensor] | Output] | None = None,
        *,
        trust_units: bool = False,
        source: str = "log",
        lines: Any = None,
    ) -> None:
        self.source, self.trust_units = source, trust_units
        self.warnings: list[str] = []
        self.outputs = _checked_outputs(source, outputs)
        self._lines = None if lines is None else np.asarray(lines, dtype=np.int64)
        if control not in CONTROLS:
            raise GenesisException(f"{source}: `control` is {control!r}; expected one of {', '.join(CONTROLS)}.")
        self.control = control
        self.times = self._array("times", times)
        if self.times.ndim != 1 or len(self.times) < 2:
            raise GenesisException(
                f"{source}: `times` has shape {self.times.shape}; expected (K,) with at least two times."
            )
        self.measurements = self._table("measurements", measurements)
        if not self.measurements:
            raise GenesisException(f"{source}: there are no measurements; expected at least one measured quantity.")
        self.controls = self._table("controls", controls or {})
        self.segments = self._recordings(segments)
        self.noise = self._noise_levels(noise or {})
        self._check_values()

    def __repr__(self) -> str:
        names = ", ".join(dict.fromkeys(base_of(name) for name in self.measurements))
        return f"<Log of {len(self.times)} samples in {len(self.segments)} recordings: {names}>"

    @property
    def duration(self) -> float:
        """Length of all recordings together [s]."""
        return float(sum(self.times[rows][-1] - self.times[rows][0] for rows in self.segments))

    @staticmethod
    def read(
        path: str | Path,
        scene: Scene | None = None,
        *,
        outputs: Mapping[str, Callable[[Trajectory], torch.Tensor] | Output] | None = None,
        trust_units: bool = False,
    ) -> Log:
        """The log in a .csv or .npz file; with a scene, names and units are checked against it (`bind`).

        Raises GenesisException, with line and column, for a file that is missing, empty, damaged or of another kind.
        """
        log = Log(**read(_path("Log.read", path), _checked_outputs("Log.read", outputs)))
        log.trust_units = trust_units
        if scene is not None:
            log.bind(scene)
        return log

    def save(self, path: str | Path) -> None:
        """Write a .csv or .npz file that `read` reads; the numbers are the same bit by bit.

        Raises GenesisException for another ending and for a file that cannot be written.
        """
        write(self, _path("Log.save", path))

    @staticmethod
    def join(logs: Sequence[Log]) -> Log:
        """One log of all recordings of several. They must have the same measurements, controls and noise levels.

        Raises GenesisException for an empty list and for logs that differ.
        """
        if not logs or not all(isinstance(log, Log) for log in logs):
            raise GenesisException(f"Log.join: got {logs!r:.80}; expected a list of logs, at least one.")
        first = logs[0]
        tables = {}
        for what in ("measurements", "controls"):
            given = [getattr(log, what) for log in logs]
            if any(_widths(table) != _widths(given[0]) for table in given):
                # A whole array here may be the columns of a file there.
                given = [_by_column(table, what == "controls") for table in given]
            for log, table in zip(logs, given, strict=True):
                if differing := sorted(_widths(table).items() ^ _widths(given[0]).items()):
                    raise GenesisException(
                        f"Log.join: {log.source} and {first.source} have other {what}: {differing[0][0]!r} is not the "
                        "same in both; expected the same ones in all logs."
                    )
            tables[what] = {name: np.concatenate([table[name] for table in given]) for name in given[0]}
        for log in logs:
            same_noise = log.noise.keys() == first.noise.keys() and all(
                np.array_equal(log.noise[name], first.noise[name]) for name in first.noise
            )
            if log.control != first.control or not same_noise or log.outputs != first.outputs:
                raise GenesisException(
                    f"Log.join: {log.source} has other noise levels, outputs or another kind of control than "
                    f"{first.source}."
                )
        numbers, start = [], 0
        for log in logs:
            for rows in log.segments:
                numbers.append(np.full(rows.stop - rows.start, start))
                start += 1
        joined = Log(
            np.concatenate([log.times for log in logs]),
            tables["measurements"],
            tables["controls"],
            first.control,
            first.noise,
            np.concatenate(numbers),
            first.outputs,
            trust_units=any(log.trust_units for log in logs),
            source=first.source if len(logs) == 1 else f"{len(logs)} logs",  # the places name the files
        )
        joined._places = [place for log in logs for place in log._all_places(with_source=len(logs) > 1)]
        return joined

    def set_noise(self, name: str, level: Any) -> None:
        """Set the noise level of a measured quantity, as in `Log(noise=...)`, which says what is refused."""
        self.noise.update(self._noise_levels({name: level}))

    def bind(
        self,
        scene: Scene,
        outputs: Mapping[str, Callable[[Trajectory], torch.Tensor] | Output] | None = None,
        *,
        trust_units: bool = False,
    ) -> Recording:
        """What the log says in terms of a built scene.

        `outputs`: further functions of one's own. `trust_units`: as in `Log`, for this time.

        Raises GenesisException for names that the scene has not (with the near ones), shapes that do not fit it,
        quaternions that are not unit, and units that are off, by line. What is suspicious is added to `warnings`, and
        logged once.
        """
        from genesis.tools.identification.log_checks import check
        from genesis.tools.identification.recording import bind

        recording = bind(self, scene, {**self.outputs, **_checked_outputs(self.source, outputs)})
        for text in check(recording, trust_units or self.trust_units):
            self.warn(text)
        return recording

    # -- places -------------------------------------------------------------------------------------------------------

    _places: list[str] | None = None

    def place(self, row: int) -> str:
        """Where a row comes from: "line 12" of a file, or "row 10" of the arrays."""
        if self._places is not None:
            return self._places[row]
        return f"row {row}" if self._lines is None else f"line {self._lines[row]}"

    def _all_places(self, with_source: bool) -> list[str]:
        before = f"{self.source}, " if with_source and self._places is None else ""
        return [before + self.place(row) for row in range(len(self.times))]

    def warn(self, text: str) -> None:
        """Add to `warnings` and say it in the engine's log, once."""
        from genesis import runtime

        if text not in self.warnings:
            self.warnings.append(text)
            if runtime.is_initialized():
                runtime.logger.warning("%s: %s", self.source, text)

    def control_name(self, key: str) -> str:
        """ "arm[joint1]" as files call it: "arm.control_force[joint1]"."""
        base = base_of(key)
        return f"{base}.control_{self.control}{key[len(base) :]}"

    # -- checks that need no scene ------------------------------------------------------------------------------------

    def _array(self, name: str, value: Any) -> np.ndarray:
        """A copy in float64; raises GenesisException for what has no numbers."""
        if isinstance(value, torch.Tensor):
            value = value.detach().cpu().numpy()
        try:
            array = np.asarray(value)
            if array.dtype.kind not in "fiu":
                raise ValueError(f"its type is {array.dtype}")
            with np.errstate(over="ignore"):  # of a wider type: infinite, which is refused where it matters
                return array.astype(np.float64)
        except (TypeError, ValueError) as error:
            raise GenesisException(f"{self.source}: `{name}` is no array of real numbers: {error}.") from None

    def _table(self, what: str, given: Any) -> dict[str, np.ndarray]:
        if not isinstance(given, Mapping):
            raise GenesisException(
                f"{self.source}: `{what}` is {type(given).__name__}; expected a dictionary, name -> array."
            )
        table = {}
        for name, value in given.items():
            if not isinstance(name, str) or not name:
                raise GenesisException(f"{self.source}: `{what}` has the key {name!r}; expected a name.")
            array = self._array(name, value)
            if array.ndim == 1:
                array = array[:, None]
            if array.ndim != 2 or len(array) != len(self.times) or array.shape[1] == 0:
                raise GenesisException(
                    f"{self.source}: {what} {name!r} has shape {np.shape(value)}; expected ({len(self.times)}, n): one "
                    "row per time."
                )
            table[name] = array
        return table

    def _recordings(self, given: Any) -> tuple[slice, ...]:
        """One slice per recording; raises GenesisException for segments that are not in one piece."""
        n = len(self.times)
        if given is None:
            return (slice(0, n),)
        numbers = self._array("segments", given)
        if numbers.shape != (n,) or not np.isfinite(numbers).all():
            raise GenesisException(
                f"{self.source}: `segments` has shape {numbers.shape}; expected ({n},): the number of the recording of "
                "each row."
            )
        starts = [0, *(np.flatnonzero(np.diff(numbers)) + 1).tolist(), n]
        found = tuple(slice(a, b) for a, b in itertools.pairwise(starts))
        damage = Damage(self.source)
        seen: dict[float, int] = {}
        for rows in found:
            number = float(numbers[rows.start])
            if number in seen:
                damage.add(self.place(rows.start), f"recording {number:g} goes on here, after another one.")
            seen[number] = rows.start
            if rows.stop - rows.start < 2:
                damage.add(self.place(rows.start), f"recording {number:g} has one sample; expected two or more.")
        damage.raise_if_any()
        return found

    def _noise_levels(self, given: Any) -> dict[str, np.ndarray]:
        if not isinstance(given, Mapping):
            raise GenesisException(f"{self.source}: `noise` is {given!r:.60}; expected a dictionary, name -> number.")
        known = [*self.measurements, *dict.fromkeys(base_of(name) for name in self.measurements)]
        levels = {}
        for name, value in given.items():
            if name not in known:
                raise GenesisException(
                    f"{self.source}: `noise` names {name!r}, which is not measured; {near(str(name), known)}"
                )
            level = self._array(f"noise[{name!r}]", value)
            if level.ndim > 1 or not level.size or not ((level >= _NOISE[0]) & (level <= _NOISE[1])).all():
                raise GenesisException(
                    f"{self.source}: the noise of {name!r} is {value!r:.60}; expected its standard deviation: a "
                    f"number from {_NOISE[0]:g} to {_NOISE[1]:g}, or one per column."
                )
            levels[name] = level
        return levels

    def _check_values(self) -> None:
        damage = Damage(self.source)
        for row in np.flatnonzero(~(np.abs(self.times) < _LARGEST)):
            damage.add(self._cell(row, "time"), f"it is {self.times[row]}; expected a finite time [s].")
        damage.raise_if_any()
        for rows in self.segments:
            times = self.times[rows]
            for k in np.flatnonzero(np.diff(times) <= 0):
                row = rows.start + int(k) + 1
                before, time = float(times[k]), float(times[k + 1])
                same = "is there twice" if time == before else f"comes after {before!r}"
                what = f"time {time!r} {same}; expected times that increase within a recording."
                damage.add(self._cell(row, "time"), what)
        for name, array in self.measurements.items():
            self._check_finite(
                damage, name, np.abs(array) > _LARGEST, array, "a number, or a gap (NaN) where not measured"
            )
            for column in np.flatnonzero(np.isnan(array).all(0)):
                damage.add(f"column {self.column(name, array, column)!r}", "it holds no number; leave it out.")
        ends = [rows.stop - 1 for rows in self.segments]
        for name, array in self.controls.items():
            bad = ~(np.abs(array) < _LARGEST)
            # The last controls of a recording have no effect, so that they need not be there.
            unused = [row for row in ends if np.isnan(array[row]).all()]
            bad[unused] = False
            self._check_finite(damage, self.control_name(name), bad, array, "a finite control at each time")
            array[unused] = 0.0
        damage.raise_if_any()

    def _check_finite(self, damage: Damage, name: str, bad: np.ndarray, array: np.ndarray, expected: str) -> None:
        for row, column in np.argwhere(bad):
            damage.add(self._cell(row, self.column(name, array, column)), f"{array[row, column]}; expected {expected}.")

    def _cell(self, row: Any, column: str) -> str:
        return f"{self.place(int(row))}, column {column!r}"

    @staticmethod
    def column(name: str, array: np.ndarray, column: Any) -> str:
        """What a column of an array is called."""
        width = array.shape[1]
        names = [name] if width == 1 else column_names(name, width)
        return names[column] if names else f"{name}[{int(column)}]"


def _checked_outputs(source: str, given: Any) -> dict[str, Callable[[Trajectory], torch.Tensor] | Output]:
    """Functions of one's own, used or not."""
    if given is None:
        return {}
    if not isinstance(given, Mapping):
        raise GenesisException(
            f"{source}: `outputs` is {given!r:.60}; expected a dictionary, name -> function of the trajectory."
        )
    for name, function in given.items():
        if not isinstance(name, str) or not name:
            raise GenesisException(f"{source}: `outputs` has the key {name!r:.60}; expected a name.")
        if not (isinstance(function, Output) or callable(function)):
            raise GenesisException(
                f"{source}: outputs[{name!r}] is {function!r:.80}; expected a function of the trajectory that returns "
                "(T + 1, N, n)."
            )
    return dict(given)


def _path(owner: str, given: Any) -> Path:
    if not isinstance(given, (str, PathLike)):
        raise GenesisException(f"{owner}: `path` is {given!r:.80}; expected the name of a file.")
    return Path(fsdecode(given))


def _widths(table: Mapping[str, np.ndarray]) -> dict[str, int]:
    return {name: array.shape[1] for name, array in table.items()}


def _by_column(table: Mapping[str, np.ndarray], are_controls: bool) -> dict[str, np.ndarray]:
    """The columns of arrays (K, n) by name, each (K, 1); arrays whose columns have no names as they are."""
    columns: dict[str, np.ndarray] = {}
    for name, array in table.items():
        width = array.shape[1]
        if are_controls and "[" not in name:
            names: list[str] | None = [f"{name}[{k}]" for k in range(width)]
        else:
            names = column_names(name, width)
        columns.update({name: array} if names is None else zip(names, np.split(array, width, 1), strict=True))
    return columns
