"""A log in terms of a built scene: its names are the scene's, its columns those of the scene's outputs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from genesis.entities.place import world_of
from genesis.errors import GenesisException
from genesis.tools.identification.outputs import (
    ChannelName,
    Number,
    Output,
    base_of,
    chosen_numbers,
    columns_of,
    entity_and_rest,
    layout,
    near,
    numbers_of,
    output_of,
    own_output,
)

if TYPE_CHECKING:
    from genesis.entities.rigid_entity import RigidEntity
    from genesis.scene import Scene
    from genesis.tools.identification.log_table import LogTable


@dataclass(frozen=True, eq=False)
class Recording:
    """A log in terms of a built scene; channels of one quantity are put together.

    Attributes:
        log, scene: of what and for which scene
        times: (K,) [s]
        segments: one slice of rows per recording
        outputs: what was measured
        measured: per output, (K, n); NaN: not measured
        noise: per output, (m,) standard deviation of each residual; NaN where it is not known
        origins: per output and column, the name and column of the log's array, for messages
        control: "force", "position", "velocity" or "actuators"
        entities: those that are controlled
        controls: (K, nu), their controls side by side in this order; held until the next row
        quantities: per output, its key in `outputs.QUANTITIES`; "" for a function of one's own
    """

    log: LogTable
    scene: Scene
    outputs: list[Output]
    measured: list[np.ndarray]
    noise: list[np.ndarray]
    origins: list[list[str]]
    entities: list[RigidEntity]
    controls: np.ndarray
    quantities: list[str]

    @property
    def times(self) -> np.ndarray:
        """(K,) [s]."""
        return self.log.times

    @property
    def segments(self) -> tuple[slice, ...]:
        """One slice of rows per recording."""
        return self.log.segments

    @property
    def control(self) -> str:
        """What the controls are."""
        return self.log.control


def bind(log: LogTable, scene: Scene, own: Mapping[str, Any]) -> Recording:
    """Names of the log as parts of the scene; see `Log.bind`. Values are not looked at here."""
    world_of(scene, "tools.Log.bind")
    outputs: list[Output] = []
    measured, noise, origins, quantities = [], [], [], []
    for base, names in _groups(log, own).items():
        arrays = [log.measurements[name] for name in names]
        if base in own:
            output, order = own_output(base, own[base], sum(array.shape[1] for array in arrays)), None
            quantities.append("")
        else:
            output, order = _merged(log, scene, names)
            quantities.append(entity_and_rest(scene, base)[1])
        values = np.concatenate(arrays, 1)
        levels = np.concatenate([_columns_noise(log, name) for name in names])
        sources = [log.column(name, log.measurements[name], k) for name in names for k in range(_width(log, name))]
        if order is not None:
            values, levels, sources = values[:, order], levels[order], [sources[k] for k in order]
        outputs.append(output)
        measured.append(values)
        noise.append(_residual_noise(output, levels))
        origins.append(sources)
    entities, controls = _controls(log, scene)
    return Recording(log, scene, outputs, measured, noise, origins, entities, controls, quantities)


def _groups(log: LogTable, own: Mapping[str, Any]) -> dict[str, list[str]]:
    """Measurements by quantity: "arm.dofs_position" -> those of its parts, in the order of the log."""
    groups: dict[str, list[str]] = {}
    for name in log.measurements:
        groups.setdefault(name if name in own else base_of(name), []).append(name)
    return groups


def _width(log: LogTable, name: str) -> int:
    return log.measurements[name].shape[1]


def _merged(log: LogTable, scene: Scene, names: Sequence[str]) -> tuple[Output, list[int]]:
    """The output of all channels of one quantity, and which column of theirs each of its numbers is."""
    columns: list[int] = []
    for name in names:
        try:
            entity, kind, found = columns_of(scene, ChannelName.parse(name))
        except GenesisException as error:
            own = "" if "." in base_of(name) else " A measurement of one's own needs its function: outputs={...}."
            raise GenesisException(f"{log.source}: column {error}{own}") from None
        if len(found) != _width(log, name):
            raise GenesisException(
                f"{log.source}: {name!r} has {_width(log, name)} columns; expected {len(found)}: "
                f"{_listed(numbers_of(entity, kind), found)}."
            )
        for column in found:
            if column in columns:
                raise GenesisException(f"{log.source}: {name!r} is measured twice; leave one of the two columns out.")
            columns.append(column)
    order = sorted(range(len(columns)), key=columns.__getitem__)
    ordered = [columns[k] for k in order]
    try:
        place = layout(entity, kind, ordered)
    except GenesisException as error:
        raise GenesisException(f"{log.source}: {error}") from None
    everything = len(ordered) == len(numbers_of(entity, kind))
    base = f"{entity.name}.{kind}"
    return output_of(base if everything else _short_name(base, place.labels), place), order


def _short_name(base: str, labels: Sequence[str]) -> str:
    parts = dict.fromkeys(label[len(base) + 1 :].rpartition("]")[0] for label in labels)
    return f"{base}[{', '.join(parts)}]"


def _listed(numbers: Sequence[Number], columns: Sequence[int]) -> str:
    names = [f"{numbers[k].part}.{numbers[k].component}".rstrip(".") for k in columns]
    return ", ".join(names[:12]) + (", ..." if len(names) > 12 else "")


def _columns_noise(log: LogTable, name: str) -> np.ndarray:
    """Noise level of each column of a channel, (n,); NaN where it is not known."""
    level = log.noise.get(name)
    if level is None:
        level = log.noise.get(base_of(name), np.array(np.nan))
        if level.size != 1:
            raise GenesisException(
                f"{log.source}: the noise of {base_of(name)!r} has {level.size} numbers; expected one, because the "
                "channel is logged in parts."
            )
    width = _width(log, name)
    if level.ndim and level.size not in (1, width):
        raise GenesisException(
            f"{log.source}: the noise of {name!r} has {level.size} numbers; expected one, or {width}: one per column."
        )
    return np.broadcast_to(level.reshape(-1), (width,))


def _residual_noise(output: Output, levels: np.ndarray) -> np.ndarray:
    """(n,) -> (m,): the three rotations of a quaternion take the level of its vector part."""
    dropped = list(output.quaternions)
    return np.delete(levels, dropped)


def _controls(log: LogTable, scene: Scene) -> tuple[list[RigidEntity], np.ndarray]:
    """The controlled entities, in the scene's order, and their controls side by side, (K, nu)."""
    found: dict[str, dict[int, np.ndarray]] = {}
    numbers: dict[str, list[Number]] = {}
    for key, array in log.controls.items():
        name = ChannelName.parse(key)
        entity = next((e for e in scene.entities if e.name == name.base), None)
        if entity is None:
            names = [e.name for e in scene.entities]
            raise GenesisException(f"{log.source}: controls of {name.base!r}: no such entity; {near(name.base, names)}")
        per = "actuator" if log.control == "actuators" else "joint"
        there = numbers.setdefault(entity.name, _controllable(entity, log.control))
        try:
            columns = chosen_numbers(name, there, entity.name, per)
        except GenesisException as error:
            raise GenesisException(f"{log.source}: controls {error}") from None
        if len(columns) != array.shape[1]:
            raise GenesisException(
                f"{log.source}: the controls of {key!r} have {array.shape[1]} columns; expected {len(columns)}: "
                f"{_listed(there, columns)}."
            )
        taken = found.setdefault(entity.name, {})
        for k, column in enumerate(columns):
            if column in taken:
                raise GenesisException(f"{log.source}: {key!r} is controlled twice; leave one of the two columns out.")
            taken[column] = array[:, k]
    entities = [entity for entity in scene.entities if entity.name in found]
    pieces = [np.zeros((len(log.times), 0))]
    for entity in entities:
        there, given = numbers[entity.name], found[entity.name]
        missing = [k for k in range(len(there)) if k not in given and _drives(entity, log.control, k)]
        if missing:
            raise GenesisException(
                f"{log.source}: the {log.control} controls of {entity.name!r} lack {_listed(there, missing)}. Log "
                "them; only forces, and targets of dofs whose gains (dofs_kp, dofs_kv) are zero, may be left out."
            )
        zero = np.zeros(len(log.times))
        pieces.append(np.stack([given.get(k, zero) for k in range(len(there))], 1))
    return entities, np.concatenate(pieces, 1)


def _drives(entity: RigidEntity, control: str, k: int) -> bool:
    """Whether a control that is left out, and so zero, would do something."""
    if control in ("force", "actuators"):
        return control == "actuators"
    gains = (entity.get_dofs_kp([k]), entity.get_dofs_kv([k]))
    return any(bool((gain != 0).any()) for gain in gains)


def _controllable(entity: RigidEntity, control: str) -> list[Number]:
    if control != "actuators":
        return numbers_of(entity, "dofs_position")
    return [Number(name, k, "", "") for k, name in enumerate(entity.control_names)]
