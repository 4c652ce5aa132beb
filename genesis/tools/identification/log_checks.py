"""What is wrong with a log's numbers, seen from the scene: units, orientations that are none, spikes.

Units are compared with what the scene says (limits of joints, its size, its gravity, its time step) and with each
other (positions and velocities). Where the numbers fit with a usual factor and not without, the log is refused.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from genesis.tools.identification.log_table import Damage
from genesis.tools.identification.outputs import TURN, numbers_of
from genesis.tools.identification.recording import Recording

UNIT_NORM = 0.01  # a quaternion's norm may differ from 1 by this: four rounded digits, and a filter's drift
DEGREE = 180 / math.pi
# factor of what was logged to the SI unit -> what it probably is
_ANGLES = {DEGREE: "degrees", 1e3: "milliradians"}
_LENGTHS = {1e3: "millimetres", 1e2: "centimetres"}
_TIMES = {1e3: "milliseconds", 1e6: "microseconds", 1e9: "nanoseconds"}
_ACCELERATIONS = {1 / 9.80665: "g", 1e3 / 9.80665: "thousandths of g", 1e3: "mm/s^2"}

_MOST = 0.5  # part of the samples that must contradict a unit before the log is refused
_ALMOST_ALL = 0.99  # part that must fit with another unit
_LIMIT_MARGIN = 0.1  # of a joint's range: soft limits give way, and encoders have offsets
_SAME_SLOPE = 0.9  # least correlation of a velocity with the slope of its position, to compare their units
_FACTOR_TOLERANCE = 0.15  # of a ratio of units: coarse sampling flattens slopes
_USUAL_GYRO = 35.0  # [rad/s], 2000 degrees/s: full scale of most gyroscopes
# Sampling intervals in time steps of the scene that are usual: sensors at a kilohertz beside steps of 5 ms, to cameras.
_USUAL_INTERVALS = (0.19, 50.0)
_MOST_STEPS = 1e8  # of a recording; a simulation of them takes hours
_SPIKE = 12.0  # standard deviations of all samples from the line through their neighbours
_LONELY = 6.0  # times what the samples around a spike do: impacts ring, and are no spikes
_AROUND = 8  # samples to each side that are "around"
_SPIKES_SHOWN = 5


def check(recording: Recording, trust_units: bool) -> list[str]:
    """Warnings about a log; `trust_units`: what would be refused for its units is a warning.

    Raises GenesisException, by line, for orientations that are not unit and for units that are off.
    """
    _check_quaternions(recording)
    refused = [*_joint_limits(recording), *_slopes(recording), *_accelerometers(recording), *_times(recording)]
    refused += _lengths(recording)
    if refused and not trust_units:
        damage = Damage(recording.log.source)
        for place, text in refused:
            damage.add(place, text)
        damage.raise_if_any("Convert the log to SI units; if it is right as it is, pass trust_units=True.")
    warnings = [f"{place}: {text}" for place, text in refused]
    warnings += [*_fast_gyros(recording), *_full_turns(recording), *_large_controls(recording), *_spikes(recording)]
    return warnings


def _columns(recording: Recording, *kinds: str) -> Iterator[tuple[int, int, str]]:
    """Output, column and quantity of what is measured of these kinds."""
    for k, kind in enumerate(recording.quantities):
        if kind in kinds:
            for column in range(recording.outputs[k].size):
                yield k, column, kind


def _place(recording: Recording, k: int, column: int, row: Any = None) -> str:
    name = f"column {recording.origins[k][column]!r}"
    return name if row is None else f"{recording.log.place(row)}, {name}"


def _check_quaternions(recording: Recording) -> None:
    damage = Damage(recording.log.source)
    for k, output in enumerate(recording.outputs):
        for start in output.quaternions:
            q = recording.measured[k][:, start : start + 4]
            partly = np.isnan(q).any(1) & ~np.isnan(q).all(1)
            for row in np.flatnonzero(partly):
                damage.add(_place(recording, k, start, row), "some of the four numbers of a quaternion are missing.")
            norm = np.linalg.norm(q, axis=1)
            for row in np.flatnonzero(np.abs(norm - 1) > UNIT_NORM):
                damage.add(
                    _place(recording, k, start, row),
                    f"the quaternion has the norm {norm[row]:.4g}; expected 1, and the order w, x, y, z.",
                )
    damage.raise_if_any()


# -- units ------------------------------------------------------------------------------------------------------------


def _joint_limits(recording: Recording) -> Iterator[tuple[str, str]]:
    """Hinges and slides that are mostly outside their limits, and within them in another unit."""
    model = recording.scene.mj_model
    for k, output in enumerate(recording.outputs):
        kind = recording.quantities[k]
        if kind not in ("qpos", "dofs_position"):
            continue
        limits = {}
        for entity in recording.scene.entities:
            for joint in entity.joints:
                if joint.n_dofs == 1 and model.jnt_limited[joint.idx]:
                    limits[f"{entity.name}.{kind}[{joint.name}]"] = (joint.type, *model.jnt_range[joint.idx])
        for column, label in enumerate(output.labels):
            if label not in limits:
                continue
            joint_type, low, high = limits[label]
            margin = _LIMIT_MARGIN * (high - low)
            low, high = low - margin, high + margin
            values = recording.measured[k][:, column]
            rows = np.flatnonzero(~np.isnan(values))
            outside = rows[(values[rows] < low) | (values[rows] > high)]
            if len(outside) <= _MOST * len(rows):
                continue
            for factor, unit in (_ANGLES if joint_type == "hinge" else _LENGTHS).items():
                scaled = values[rows] / factor
                if np.mean((scaled >= low) & (scaled <= high)) >= _ALMOST_ALL:
                    yield (
                        _place(recording, k, column, int(outside[0])),
                        f"{values[outside[0]]:.6g} is outside of the joint's limits {low + margin:.4g} to "
                        f"{high - margin:.4g} {output.units[column]}, as are {len(outside)} of {len(rows)} samples; "
                        f"they fit as {unit}.",
                    )
                    break


def _slopes(recording: Recording) -> Iterator[tuple[str, str]]:
    """Velocities that are the slopes of the positions in another unit."""
    slopes = {}
    for k, column, kind in _columns(recording, "qpos", "dofs_position", "links_pos"):
        label = recording.outputs[k].labels[column]
        if kind != "links_pos" and (label.endswith(tuple(f".{c}" for c in TURN)) or ".q" in label[-3:]):
            continue  # Euler angles and quaternions have other rates
        velocity = {"links_pos": "links_vel"}.get(kind, "dofs_velocity")
        slopes[label.replace(f".{kind}[", f".{velocity}[", 1)] = (k, column)
    for k, column, _ in _columns(recording, "dofs_velocity", "links_vel"):
        label = recording.outputs[k].labels[column]
        if label not in slopes:
            continue
        position = recording.measured[slopes[label][0]][:, slopes[label][1]]
        ratio = _slope_ratio(recording, position, recording.measured[k][:, column])
        unit = recording.outputs[k].units[column]
        found = None if ratio is None else _factor(ratio, _ANGLES if unit == "rad/s" else _LENGTHS)
        if found is not None:
            which, what = ("position", "velocity") if found[0] > 1 else ("velocity", "position")
            yield (
                _place(recording, k, column),
                f"the slope of {recording.origins[slopes[label][0]][slopes[label][1]]!r} is {ratio:.4g} times this "
                f"velocity: {which} in {found[1]} beside {what} in SI units, or times that are not seconds.",
            )


def _slope_ratio(recording: Recording, position: np.ndarray, velocity: np.ndarray) -> float | None:
    """Ratio of the position's differences to the integrated velocity; None where they do not go together."""
    steps, areas = [], []
    for rows in recording.segments:
        there = rows.start + np.flatnonzero(~np.isnan(position[rows]) & ~np.isnan(velocity[rows]))
        steps.append(np.diff(position[there]))
        areas.append(np.diff(recording.times[there]) * (velocity[there][1:] + velocity[there][:-1]) / 2)
    x, y = np.concatenate(areas), np.concatenate(steps)
    if len(x) < 10 or not x.any() or not y.any():
        return None
    correlation = (x @ y) / (math.sqrt(x @ x) * math.sqrt(y @ y))
    # Noise in the regressor flattens the slope of y on x and steepens that of x on y: take the mean of both.
    return float(math.copysign(math.sqrt(y @ y) / math.sqrt(x @ x), correlation)) if correlation > _SAME_SLOPE else None


def _factor(ratio: float, factors: dict[float, str]) -> tuple[float, str] | None:
    for factor, unit in factors.items():
        for possible in (factor, 1 / factor):
            if abs(ratio / possible - 1) < _FACTOR_TOLERANCE:
                return possible, unit
    return None


def _accelerometers(recording: Recording) -> Iterator[tuple[str, str]]:
    """Accelerometers whose median reading is gravity's in another unit."""
    gravity = float(np.linalg.norm(recording.scene.mj_model.opt.gravity))
    if gravity == 0:
        return
    for k, output in enumerate(recording.outputs):
        if recording.quantities[k] != "accelerometer":
            continue
        links: dict[str, list[int]] = {}
        for column, label in enumerate(output.labels):
            links.setdefault(label.rpartition(".")[0], []).append(column)
        for columns in links.values():
            if len(columns) < 3:
                continue
            norm = np.linalg.norm(recording.measured[k][:, columns], axis=1)
            norm = norm[~np.isnan(norm)]
            if not len(norm):
                continue
            median = float(np.median(norm))
            for factor, unit in _ACCELERATIONS.items():
                if abs(median / (gravity * factor) - 1) < 0.3:
                    yield (
                        _place(recording, k, columns[0]),
                        f"the median of the accelerometer's reading is {median:.4g}, where gravity is {gravity:.4g} "
                        f"m/s^2; it fits as {unit}.",
                    )


def _times(recording: Recording) -> Iterator[tuple[str, str]]:
    """Sampling intervals of many time steps, which are a few of them in another unit."""
    dt = recording.scene.dt
    intervals = np.concatenate([np.diff(recording.times[rows]) for rows in recording.segments])
    interval = float(np.median(intervals))
    for factor, unit in _TIMES.items():
        if _USUAL_INTERVALS[0] <= interval / factor / dt <= _USUAL_INTERVALS[1]:
            yield (
                f"{recording.log.place(1)}, column 'time'",
                f"the median interval is {interval:.4g} s, {interval / dt:.4g} time steps of the scene; it fits as "
                f"{unit}.",
            )
            return
    longest = max(recording.segments, key=lambda rows: recording.times[rows.stop - 1] - recording.times[rows.start])
    duration = float(recording.times[longest.stop - 1] - recording.times[longest.start])
    if duration > _MOST_STEPS * dt:
        widest = longest.start + int(np.argmax(np.diff(recording.times[longest]))) + 1
        yield (
            f"{recording.log.place(widest)}, column 'time'",
            f"the recording lasts {duration:.4g} s, {duration / dt:.3g} time steps of the scene; the longest gap "
            "ends here.",
        )


def _lengths(recording: Recording) -> Iterator[tuple[str, str]]:
    """Positions of links that are far outside of the scene, move at hundreds of m/s, and would not in another unit."""
    scale = 3 * float(recording.scene.mj_model.stat.extent) + float(
        np.linalg.norm(recording.scene.mj_model.stat.center)
    )
    for k, column, _ in _columns(recording, "links_pos"):
        values = recording.measured[k][:, column]
        rows = np.flatnonzero(~np.isnan(values))
        far = rows[np.abs(values[rows]) > 20 * scale]
        if len(far) <= _MOST * len(rows):
            continue
        speeds = [
            np.abs(np.diff(values[there]) / np.diff(recording.times[there]))
            for part in recording.segments
            for there in [rows[(rows >= part.start) & (rows < part.stop)]]
        ]
        fastest = float(np.max(np.concatenate(speeds), initial=0.0))
        for factor, unit in _LENGTHS.items():
            if fastest > 100 and np.median(np.abs(values[rows])) / factor < 5 * scale:
                yield (
                    _place(recording, k, column, int(far[0])),
                    f"{values[far[0]]:.6g} m is far outside of the scene (extent {scale / 3:.3g} m), and the link "
                    f"moves at {fastest:.3g} m/s; it fits as {unit}.",
                )
                break


def _fast_gyros(recording: Recording) -> Iterator[str]:
    for k, column, _ in _columns(recording, "gyro", "links_ang"):
        values = np.abs(recording.measured[k][:, column])
        values = values[~np.isnan(values)]
        if len(values) and np.quantile(values, 0.9) > _USUAL_GYRO:
            yield (
                f"{_place(recording, k, column)}: a tenth of the samples is above {_USUAL_GYRO:g} rad/s; degrees per "
                "second?"
            )


def _large_controls(recording: Recording) -> Iterator[str]:
    """Forces that are mostly beyond ten times what the joint can give."""
    if recording.control != "force":
        return
    start = 0
    for entity in recording.entities:
        lower, upper = (bound.detach().cpu().double().numpy() for bound in entity.get_dofs_force_range())
        for k, number in enumerate(numbers_of(entity, "dofs_position")):
            values = np.abs(recording.controls[:, start + k])
            bound = max(abs(lower[..., k].max()), abs(upper[..., k].max()))
            if np.isfinite(bound) and bound > 0 and np.mean(values > 10 * bound) > _MOST:
                yield (
                    f"controls of {entity.name!r}, {number.part!r}: most forces are more than ten times the joint's "
                    f"force range ({bound:g}), to which they are clipped; N mm?"
                )
        start += entity.n_dofs


# -- single samples ---------------------------------------------------------------------------------------------------


def _full_turns(recording: Recording) -> Iterator[str]:
    """Jumps of a hinge's angle by 2 pi: the log's angles are wrapped, the engine's are not."""
    for k, column, _ in _columns(recording, "qpos", "dofs_position"):
        output = recording.outputs[k]
        if output.units[column] != "rad" or column in output.angles:
            continue
        values = recording.measured[k][:, column]
        for part in recording.segments:
            rows = part.start + np.flatnonzero(~np.isnan(values[part]))
            jumps = np.flatnonzero(np.abs(np.abs(np.diff(values[rows])) - 2 * math.pi) < 0.5)
            if len(jumps):
                yield (
                    f"{_place(recording, k, column, int(rows[jumps[0] + 1]))}: the angle jumps by 2 pi, here first; "
                    "unwrap it (numpy.unwrap)."
                )
                break


def _spikes(recording: Recording) -> Iterator[str]:
    """Samples that jump away and back. Accelerometers and forces do so in every impact; they are not looked at."""
    for k, output in enumerate(recording.outputs):
        if recording.quantities[k] in ("", "accelerometer"):
            continue
        for column in range(output.size):
            values = recording.measured[k][:, column]
            found = [
                part.start + row
                for part in recording.segments
                for row in _spikes_of(recording.times[part], values[part])
            ]
            for row in found[:_SPIKES_SHOWN]:
                yield (
                    f"{_place(recording, k, column, row)}: {values[row]:.6g} jumps away and back; leave the cell empty "
                    "if it was not measured right."
                )
            if len(found) > _SPIKES_SHOWN:
                yield f"{_place(recording, k, column)}: {len(found) - _SPIKES_SHOWN} more samples jump away and back."


def _spikes_of(times: np.ndarray, values: np.ndarray) -> list[int]:
    """Rows that differ from the line through their neighbours far more than the others do."""
    rows = np.flatnonzero(~np.isnan(values))
    if len(rows) < 8:
        return []
    t, x = times[rows], values[rows]
    along = (t[1:-1] - t[:-2]) / (t[2:] - t[:-2])
    error = x[1:-1] - (x[:-2] + along * (x[2:] - x[:-2]))
    # How far samples lie beside the line: noise, and the curvature between neighbours. A median, since spikes are rare.
    spread = 1.4826 * float(np.median(np.abs(error)))
    threshold = max(_SPIKE * spread, 1e-9 * float(np.max(np.abs(x))), 1e-12)
    size = np.abs(error)
    padded = np.pad(size, 1)
    is_peak = (size >= padded[:-2]) & (size >= padded[2:])  # its neighbours lie beside the line too, by half
    away_and_back = (x[1:-1] - x[:-2]) * (x[2:] - x[1:-1]) < 0
    # Back to where it was: a step stays.
    returns = np.abs(x[2:] - x[:-2]) < 0.5 * size
    found = np.flatnonzero((size > threshold) & is_peak & away_and_back & returns)
    return [int(rows[k + 1]) for k in found.tolist() if size[k] > _LONELY * _activity(size, k)]


def _activity(size: np.ndarray, k: int) -> float:
    """The median of the samples before or after sample k, whichever is larger; its neighbours do not count.

    A spike bends the line through its neighbours as well.
    """
    sides = size[max(k - _AROUND, 0) : max(k - 1, 0)], size[k + 2 : k + _AROUND + 1]
    return max((float(np.median(side)) for side in sides if len(side)), default=0.0)
