"""The sensors of a scene by name: which there are, and their values at present."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import mujoco
import numpy as np
import torch

from genesis import runtime
from genesis.errors import GenesisException
from genesis.model import late_sensors
from genesis.sensors.group import Group, Measure
from genesis.sensors.kinds import KINDS, kind_of, refusal
from genesis.sensors.present import Present, numbers
from genesis.world.arguments import plain_tensors
from genesis.world.past import Measured, Moment

if TYPE_CHECKING:
    from genesis.world.observer import Observable
    from genesis.world.world import World

_CAMERA = int(mujoco.mjtObj.mjOBJ_CAMERA)
_SHOWN = 8  # how many sensors a message names


@dataclass(frozen=True)
class _Part:
    """A group with what measures it, and what its values are clipped to, (k, 1); None: nothing."""

    group: Group
    measure: Measure
    bounds: tuple[torch.Tensor, torch.Tensor] | None

    def values(self, now: Present) -> torch.Tensor:
        """(N, k, dim)."""
        value = self.measure(now).expand(now.n, len(self.group.number), -1)
        return value if self.bounds is None else torch.clamp(value, *self.bounds)


class Sensors:
    """The sensors of a built scene.

    Attributes:
        names: of all of them, "entity/sensor"
        refused: name -> why it is not measured
    """

    def __init__(self, world: World) -> None:
        m = world.composed.mj_model
        self._world = world
        self.names = tuple(m.sensor(k).name for k in range(m.nsensor))
        why = {name: refusal(m, k, world.substeps) for k, name in enumerate(self.names)}
        self.refused = {name: reason for name, reason in why.items() if reason is not None}
        self._number = {name: k for k, name in enumerate(self.names)}
        self._warned = False
        late = late_sensors.numbers(m) if world.past is not None else ()
        self._schedules = {k: late_sensors.Schedule.of(m, k) for k in late}
        self._parts: dict[tuple[int, ...], list[_Part]] = {}

    def names_of(self, entity: str | None) -> list[str]:
        """Names of an entity's sensors, without the entity's; None: of all."""
        if entity is None:
            return list(self.names)
        prefix = f"{entity}/"
        return [name.removeprefix(prefix) for name in self.names if name.startswith(prefix)]

    def read(self, entity: str | None) -> dict[str, torch.Tensor]:
        """Values of an entity's sensors (None: of all), (N, dim) each; those that are not measured are left out."""
        names, prefix = self.names_of(entity), "" if entity is None else f"{entity}/"
        left_out = {name: self.refused[prefix + name] for name in names if prefix + name in self.refused}
        if left_out and not self._warned:
            self._warned = True
            shown = [f"'{name}' ({why})" for name, why in list(left_out.items())[:_SHOWN]]
            more = f" and {len(left_out) - _SHOWN} more" if len(left_out) > _SHOWN else ""
            runtime.logger.warning(
                f"get_sensor_data leaves out {len(left_out)} sensor(s) that are not measured: "
                f"{', '.join(shown)}{more}. This is said once per scene."
            )
        names = [name for name in names if name not in left_out]
        return dict(zip(names, self._values([prefix + name for name in names]), strict=True))

    def read_one(self, name: str, entity: str | None, owner: str) -> torch.Tensor:
        """Values of one sensor, (N, dim).

        Raises GenesisException for a name that there is not, and a sensor that is not measured.
        """
        known = self.names_of(entity)
        if not isinstance(name, str) or name not in known:
            near = difflib.get_close_matches(name, known, n=_SHOWN) if isinstance(name, str) else []
            shown = ", ".join(repr(one) for one in (near or known[:_SHOWN])) or "none"
            word = "The nearest" if near else "There are"
            raise GenesisException(f"{owner}: there is no sensor {name!r}. {word}: {shown}.")
        full = name if entity is None else f"{entity}/{name}"
        if full in self.refused:
            raise GenesisException(f"{owner}: sensor '{name}' is not measured: {self.refused[full]}.")
        return self._values([full])[0]

    def _values(self, names: list[str]) -> list[torch.Tensor]:
        chosen = tuple(self._number[name] for name in names)
        record = self._world.requires_grad and torch.is_grad_enabled()
        with plain_tensors(), torch.set_grad_enabled(record):
            at_once = tuple(number for number in chosen if number not in self._schedules)
            found = self._measured(self._world, at_once)
            found |= self._looked_back(tuple(number for number in chosen if number in self._schedules))
            return [found[number] for number in chosen]

    def _measured(self, world: Observable, chosen: tuple[int, ...]) -> dict[int, torch.Tensor]:
        """What sensors measure in the world at present, or in a moment, (N, dim) each."""
        if not chosen:
            return {}
        if chosen not in self._parts:
            with torch.inference_mode(False):  # what is kept must do for a later reading with a gradient
                self._parts[chosen] = list(self._made(chosen))
        found: dict[int, torch.Tensor] = {}
        now = Present(world)
        for part in self._parts[chosen]:
            for number, value in zip(part.group.number.tolist(), part.values(now).unbind(1), strict=True):
                found[number] = value
        return found

    # -- sensors that look back ---------------------------------------------------------------------------------------

    def look_back(self, moment: Moment | Measured) -> torch.Tensor:
        """What all sensors that look back measured in a moment, one after the other, (N, n); 0 for those that are not
        measured."""
        if isinstance(moment, Measured):
            return moment.values
        names = [(k, self.names[k]) for k in self._schedules]
        with plain_tensors(), torch.set_grad_enabled(self._world.requires_grad and torch.is_grad_enabled()):
            found = self._measured(moment, tuple(k for k, name in names if name not in self.refused))
            dims = self._world.model.mj_model.sensor_dim
            none = moment.read_state().new_zeros
            return torch.cat([found[k] if k in found else none((moment.n_worlds, int(dims[k]))) for k, _ in names], 1)

    def _then(self, moment: Moment | Measured, chosen: tuple[int, ...]) -> dict[int, torch.Tensor]:
        """What some of them measured in a moment, (N, dim) each."""
        if isinstance(moment, Moment):
            key = chosen, torch.is_grad_enabled()
            found = moment.measured.get(key)
            if found is None:
                found = self._measured(moment, chosen)
                # With a graph they are not kept: a backward pass would free it.
                if not any(value.requires_grad for value in found.values()):
                    moment.measured[key] = found
            return found
        dims = self._world.model.mj_model.sensor_dim[list(self._schedules)]
        return {
            k: value
            for k, value in zip(self._schedules, moment.values.split(dims.tolist(), 1), strict=True)
            if k in chosen
        }

    def _looked_back(self, chosen: tuple[int, ...]) -> dict[int, torch.Tensor]:
        """What sensors that look back say at present, (N, dim) each: sums of what they measured, each with a weight."""
        past = self._world.past
        if not chosen or past is None:
            return {}
        ages, of_env = np.unique(past.age, return_inverse=True)
        weights: dict[int, dict[int, np.ndarray]] = {}  # steps ago -> sensor -> weight in each env
        for number in chosen:
            for row, age in enumerate(ages.tolist()):
                for ago, weight in self._schedules[number].weights(age).items():
                    of_sensors = weights.setdefault(ago, {})
                    of_sensors.setdefault(number, np.zeros(len(past.age)))[of_env == row] = weight
        dims = self._world.model.mj_model.sensor_dim
        total = {k: self._world.state.new_zeros((len(past.age), int(dims[k]))) for k in chosen}
        for ago, of_sensors in weights.items():
            found = self._then(past.moments[-ago], chosen) if ago else self._measured(self._world, chosen)
            for number, share in of_sensors.items():
                factor = numbers(share)[:, None]
                total[number] = total[number] + torch.where(factor != 0.0, factor * found[number], 0.0)
        return total

    def _made(self, chosen: tuple[int, ...]):
        """Sensors of one type, size and layout together."""
        m = self._world.composed.mj_model
        groups: dict[tuple, list[int]] = {}
        for number in chosen:
            of_camera = int(m.sensor_objtype[number] == _CAMERA)
            key = (kind_of(m, number), int(m.sensor_dim[number]), of_camera, *m.sensor_intprm[number].tolist())
            groups.setdefault(key, []).append(number)
        for (kind, *_), members in groups.items():
            group = Group(self._world.model, np.array(members))
            yield _Part(group, KINDS[kind](group), _bounds(m, kind, members))


def _bounds(m: mujoco.MjModel, kind: str, members: list[int]) -> tuple[torch.Tensor, torch.Tensor] | None:
    """Least and largest values, (k, 1), by the sensors' `cutoff` (MuJoCo: apply_cutoff)."""
    cutoff, kinds = m.sensor_cutoff[members], m.sensor_datatype[members]
    real, positive = (int(getattr(mujoco.mjtDataType, f"mjDATATYPE_{name}")) for name in ("REAL", "POSITIVE"))
    high = np.where((cutoff > 0) & np.isin(kinds, (real, positive)), cutoff, np.inf)
    low = np.where((cutoff > 0) & (kinds == real), -cutoff, -np.inf)
    if kind in ("contact", "fromto") or np.isinf(high).all():
        return None
    return numbers(low)[:, None], numbers(high)[:, None]
