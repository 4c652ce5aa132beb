"""Logs as files: .csv, one column per number, and .npz, one array per quantity.

CSV: commas, decimal points, UTF-8; a header; lines that begin with # are comments, save `# noise: NAME = NUMBER`.
Columns: `time`, optionally `segment`, measured numbers (`arm.dofs_position[joint1]`, `arm.links_pos[hand].x`, `imu[0]`)
and controls (`arm.control_force[joint1]`). An empty cell or nan: not measured at that time.

NPZ: the same names as keys, with or without parts (`arm.dofs_position` is (K, n_dofs)); noise levels: `noise:NAME`.
"""

from __future__ import annotations

import csv
import difflib
import io
import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from genesis import files
from genesis.errors import GenesisException
from genesis.tools.identification.log_table import CONTROLS, Damage, LogTable, column_names
from genesis.tools.identification.outputs import base_of

if TYPE_CHECKING:
    from collections.abc import Sequence

TIME, SEGMENT = "time", "segment"
_NOISE_KEY = "noise:"
_NOISE_LINE = re.compile(r"#\s*noise:\s*(?P<name>.+?)\s*=\s*(?P<value>\S+)\s*")
_CONTROL = re.compile(r"(?P<entity>[^\[\]]+)\.control_(?P<kind>[a-z_]+)(?P<parts>\[.*\](?:\.\w+)?)?")
_UTF16 = (b"\xff\xfe", b"\xfe\xff")
# What the time column is often called.
_OTHER_TIMES = ("t", "times", "timestamp", "stamp", "seconds", "secs", "t[s]", "time[s]", "time_s")


def read(path: Path, outputs: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """The arguments of the log in the file; see `Log.read`."""
    readers = {".csv": _read_csv, ".npz": _read_npz}
    reader = readers.get(path.suffix.lower())
    if reader is None:
        raise GenesisException(f"{path}: a log ends in .csv or .npz; this name ends in {path.suffix or 'nothing'!r}.")
    try:
        content = files.read_bytes(path)
    except FileNotFoundError:
        raise GenesisException(f"{path}: there is no such file.") from None
    except OSError as error:
        raise GenesisException(f"{path}: cannot be read ({error.strerror}).") from None
    if not content.strip():
        raise GenesisException(f"{path}: the file is empty; expected a header and rows of numbers.")
    return reader(str(path), content, outputs)


# -- CSV --------------------------------------------------------------------------------------------------------------


def _read_csv(source: str, content: bytes, outputs: Mapping[str, Any] | None) -> dict[str, Any]:
    header, header_line, rows, lines, noise = _split(source, _text(source, content))
    _check_header(source, header, header_line)
    values = _numbers(source, header, rows, lines)
    measurements, controls, control = _sorted_out(source, dict(zip(header, values.T, strict=True)), outputs or {})
    segments = values[:, header.index(SEGMENT)] if SEGMENT in header else None
    times = values[:, header.index(TIME)]
    return {
        "times": times,
        "measurements": measurements,
        "controls": controls,
        "control": control,
        "noise": noise,
        "segments": segments,
        "outputs": outputs,
        "source": source,
        "lines": lines,
    }


def _text(source: str, content: bytes) -> str:
    if content.startswith(_UTF16):
        raise GenesisException(f"{source}: the text is UTF-16, as some spreadsheets write it; save it as UTF-8.")
    try:
        return content.decode("utf-8-sig")  # a byte-order mark is no part of the first name
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise GenesisException(f"{source}, line {line}: this is no UTF-8 text; expected a .csv file.") from None


def _split(source: str, text: str) -> tuple[list[str], int, list[list[str]], list[int], dict[str, float]]:
    """Header, its line, the rows, their lines, and the noise levels of the comments."""
    lines, rows, noise = [], [], {}
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    damage = Damage(source)
    try:
        for cells in reader:
            if cells and cells[0].lstrip().startswith("#"):
                match = _NOISE_LINE.fullmatch(",".join(cells).strip())
                if match:
                    level = _number(match["value"])
                    if level is None:
                        damage.add(f"line {reader.line_num}", f"the noise level {match['value']!r} is no number.")
                    else:
                        noise[match["name"]] = level
                continue
            rows.append([cell.strip() for cell in cells])
            lines.append(reader.line_num)
    except csv.Error as error:
        raise GenesisException(f"{source}, line {reader.line_num}: {error}; expected comma-separated cells.") from None
    damage.raise_if_any()
    while rows and not any(rows[-1]):  # blank lines at the end
        rows.pop()
        lines.pop()
    if not rows:
        raise GenesisException(f"{source}: the file is empty; expected a header and rows of numbers.")
    if len(rows) < 3:
        raise GenesisException(
            f"{source}: it has {len(rows) - 1} rows of numbers; expected a header and two rows or more."
        )
    return rows[0], lines[0], rows[1:], lines[1:], noise


def _check_header(source: str, header: list[str], line: int) -> None:
    """Raises GenesisException for a header that is none, names columns twice, or has no column `time`."""
    place = f"{source}, line {line}"
    if len(header) == 1:
        for mark, name in ((";", "semicolons"), ("\t", "tabs")):
            if mark in header[0]:
                raise GenesisException(
                    f"{place}: the columns are separated by {name}; expected commas (and decimal points)."
                )
    if all(_number(cell) is not None for cell in header):
        raise GenesisException(f"{place}: there is no header; expected names as time, arm.dofs_position[joint1], ...")
    damage = Damage(source)
    for k, name in enumerate(header):
        if not name:
            damage.add(f"line {line}, column {k + 1}", "it has no name.")
        elif name in header[:k]:
            first = header.index(name) + 1
            damage.add(f"line {line}, column {k + 1}", f"the name {name!r} is that of column {first} as well.")
    damage.raise_if_any("Give each column a name of its own.")
    if TIME not in header:
        bare = {name.lower().replace(" ", ""): name for name in header}
        other = next((bare[name] for name in _OTHER_TIMES if name in bare), None)
        other = other or next((name for name in header if name.lower().startswith("time")), None)
        hint = f"rename {other!r}, if that is it, to {TIME!r}, in seconds" if other else "add it, in seconds"
        raise GenesisException(f"{place}: there is no column {TIME!r}; {hint}.")


def _numbers(source: str, header: list[str], rows: list[list[str]], lines: list[int]) -> np.ndarray:
    """(K, columns) float64, NaN for an empty cell."""
    damage = Damage(source)
    values = np.full((len(rows), len(header)), np.nan)
    for k, (cells, line) in enumerate(zip(rows, lines, strict=True)):
        if len(cells) != len(header):
            damage.add(f"line {line}", _wrong_count(cells, len(header), k == len(rows) - 1))
            continue
        try:
            if "_" in "".join(cells):  # Python reads 1_000 as a number
                raise ValueError
            values[k] = [float(cell) if cell else math.nan for cell in cells]
        except ValueError:
            for name, cell in zip(header, cells, strict=True):
                if cell and _number(cell) is None:
                    comma = " (a decimal comma? Expected a point)" if re.fullmatch(r"-?\d+,\d+", cell) else ""
                    damage.add(f"line {line}, column {name!r}", f"{cell[:40]!r} is no number{comma}.")
    damage.raise_if_any()
    return values


def _number(cell: str) -> float | None:
    try:
        return None if "_" in cell else float(cell)
    except ValueError:
        return None


def _wrong_count(cells: Sequence[str], expected: int, is_last: bool) -> str:
    if not any(cells):
        return "it is blank; expected a row of numbers."
    what = f"it has {len(cells)} cells; expected {expected}"
    if is_last and len(cells) < expected:
        return f"{what}: the last line is cut off."
    if len(cells) > expected and len(cells) in (2 * expected, 2 * expected - 1):
        return f"{what} (decimal commas? Expected points)."
    return f"{what}."


# -- NPZ --------------------------------------------------------------------------------------------------------------


def _read_npz(source: str, content: bytes, outputs: Mapping[str, Any] | None) -> dict[str, Any]:
    if content.startswith(np.lib.format.MAGIC_PREFIX):
        raise GenesisException(f"{source}: this is a single array; expected an archive of several (numpy.savez).")
    try:
        found = files.from_npz(content)
    except files.ArchiveError as error:
        raise GenesisException(f"{source}: this is no archive of numpy.savez, or it is damaged ({error}).") from None
    arrays: dict[str, np.ndarray] = {}
    for key, array in found.items():
        values = files.real_numbers(array)
        if values is None:
            raise GenesisException(f"{source}: {key!r} has the type {array.dtype}; expected real numbers.")
        arrays[key] = values
    if TIME not in arrays:
        close = difflib.get_close_matches(TIME, arrays, n=1)
        hint = (
            f"rename {close[0]!r}, if that is it" if close else f"it holds {', '.join(map(repr, arrays)) or 'nothing'}"
        )
        raise GenesisException(f"{source}: there is no array {TIME!r}, (K,) in seconds; {hint}.")
    noise = {key.removeprefix(_NOISE_KEY): arrays[key] for key in arrays if key.startswith(_NOISE_KEY)}
    data = {key: array for key, array in arrays.items() if not key.startswith(_NOISE_KEY)}
    measurements, controls, control = _sorted_out(source, data, outputs or {})
    return {
        "times": data[TIME],
        "measurements": measurements,
        "controls": controls,
        "control": control,
        "noise": noise,
        "segments": data.get(SEGMENT),
        "outputs": outputs,
        "source": source,
    }


# -- names ------------------------------------------------------------------------------------------------------------


def _sorted_out(
    source: str, columns: Mapping[str, np.ndarray], outputs: Mapping[str, Any]
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray], str]:
    """Measurements, controls (by entity and parts) and what the controls are."""
    measurements: dict[str, np.ndarray] = {}
    controls: dict[str, np.ndarray] = {}
    kinds: dict[str, str] = {}
    for name, values in columns.items():
        if name in (TIME, SEGMENT):
            continue
        match = _CONTROL.fullmatch(name)
        if match and base_of(name) not in outputs:
            kind = match["kind"]
            if kind not in CONTROLS:
                close = difflib.get_close_matches(kind, CONTROLS, n=1)
                hint = f"did you mean control_{close[0]}?" if close else f"expected one of {', '.join(CONTROLS)}."
                raise GenesisException(f"{source}: column {name!r}: {kind!r} is no kind of control; {hint}")
            kinds.setdefault(kind, name)
            controls[match["entity"] + (match["parts"] or "")] = values
        else:
            measurements[name] = values
    if len(kinds) > 1:
        first, second = list(kinds.values())[:2]
        raise GenesisException(
            f"{source}: {first!r} and {second!r} are controls of two kinds; expected one kind in a log."
        )
    return measurements, controls, next(iter(kinds), "force")


# -- writing ----------------------------------------------------------------------------------------------------------


def write(log: LogTable, path: Path) -> None:
    """See `Log.save`."""
    writers = {".csv": _write_csv, ".npz": _write_npz}
    writer = writers.get(path.suffix.lower())
    if writer is None:
        raise GenesisException(f"{path}: a log ends in .csv or .npz; this name ends in {path.suffix or 'nothing'!r}.")
    content = writer(log, path)
    try:
        files.write_atomically(path, content)
    except OSError as error:
        raise GenesisException(f"{path}: cannot be written ({error.strerror}).") from None


def _segment_numbers(log: LogTable) -> np.ndarray:
    numbers = np.zeros(len(log.times), dtype=np.int64)
    for k, rows in enumerate(log.segments):
        numbers[rows] = k
    return numbers


def _write_npz(log: LogTable, path: Path) -> bytes:
    arrays = {TIME: log.times, **log.measurements}
    arrays.update({log.control_name(key): array for key, array in log.controls.items()})
    arrays.update({f"{_NOISE_KEY}{name}": level for name, level in log.noise.items()})
    if len(log.segments) > 1:
        arrays[SEGMENT] = _segment_numbers(log)
    try:
        return files.to_npz(arrays)
    except ValueError as error:
        raise GenesisException(f"{path}: cannot be written ({error}).") from None


def _write_csv(log: LogTable, path: Path) -> bytes:
    columns: dict[str, np.ndarray] = {TIME: log.times}
    if len(log.segments) > 1:
        columns[SEGMENT] = _segment_numbers(log)
    for name, array in log.measurements.items():
        columns.update(zip(_headers(name, array.shape[1], path), array.T, strict=True))
    for key, array in log.controls.items():
        columns.update(zip(_headers(log.control_name(key), array.shape[1], path), array.T, strict=True))
    text = io.StringIO(newline="")
    for name, level in log.noise.items():
        if level.size != 1:
            raise GenesisException(
                f"{path}: a .csv file has one noise level per channel, {name!r} has several; save .npz."
            )
        text.write(f"# noise: {name} = {level.item()!r}\n")
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(columns)
    whole = {SEGMENT}
    cells = [
        [str(int(v)) if name in whole else ("" if math.isnan(v) else repr(float(v))) for v in values]
        for name, values in columns.items()
    ]
    rows.writerows(zip(*cells, strict=True))
    return text.getvalue().encode()


def _headers(name: str, width: int, path: Path) -> list[str]:
    names = column_names(name, width)
    if names is None:
        raise GenesisException(f"{path}: {name!r} has {width} columns, whose names are not known; save .npz instead.")
    return names
