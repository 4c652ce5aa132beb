"""The sensors that a program attached to its scene, and what they looked at after the last steps."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch

from genesis.errors import GenesisException
from genesis.sensors.attached.options.base import AttachedOptions, SensorOptions
from genesis.sensors.attached.sensor import Sensor
from genesis.sensors.attached.snapshot import Snapshot
from genesis.sensors.attached.timeline import Timeline
from genesis.sensors.attached.types import types
from genesis.world.arguments import Selection, plain_tensors
from genesis.world.past import Moment

if TYPE_CHECKING:
    from genesis.rigid.command import Command
    from genesis.world.world import World


class Attached:
    """The sensors of one scene.

    Args:
        record: how what a function returns is recorded

    Attributes:
        sensors: in the order in which they were added
    """

    def __init__(self, record: Callable[[Callable[[], Any], Any], Any]) -> None:
        self.sensors: list[Sensor] = []
        self._timeline = Timeline(record)
        self._world: World | None = None
        self._step = 0

    # -- making them --------------------------------------------------------------------------------------------------

    def add(self, options: Any, n_entities: int) -> Sensor:
        """A sensor more; raises GenesisException for what is no description of one, or of an entity that is not
        there."""
        if not isinstance(options, SensorOptions):
            raise GenesisException(
                f"add_sensor: `sensor_options` is {options!r}; expected a description, as gs.sensors.IMU(entity_idx=0)."
            )
        if isinstance(options, AttachedOptions) and options.entity_idx >= n_entities:
            raise GenesisException(
                f"add_sensor: entity_idx={options.entity_idx}, but the scene has {n_entities} entities so far; add the "
                "entity first, and pass entity.idx."
            )
        from genesis.sensors.attached.kinds import kind_of  # only here: they bring MuJoCo along

        sensor = kind_of(options)(options, len(self.sensors), self._timeline)
        self.sensors.append(sensor)
        return sensor

    def build(self, world: World) -> None:
        """Prepare for the built scene."""
        with plain_tensors():
            self._timeline.begin(world.n_worlds)
            for sensor in self.sensors:
                sensor.build(world)
        self._world = world
        self._timeline.depth = max(
            max(sensor.delay_steps + 2 if sensor.options.delay else 1, sensor.options.history_length)
            for sensor in self.sensors
        )
        self._states: list[Any] = [self._started(sensor) for sensor in self.sensors]
        self._walks: list[torch.Tensor | None] = [None] * len(self.sensors)

    def _started(self, sensor: Sensor) -> torch.Tensor | None:
        assert self._world is not None
        return sensor.start(self._world.n_worlds) if sensor.has_state else None

    # -- what happens to the scene ------------------------------------------------------------------------------------

    def stepped(self, command: Command) -> None:
        """Look at the world after a step under this command."""
        self._look(command, 1)

    def rolled(self, command: Command, n_steps: int) -> None:
        """The same after a rollout, of which this is the last step's command."""
        self._look(command, n_steps)

    def refuse_rollout(self, owner: str) -> None:
        """Raises GenesisException where a sensor must look at every step."""
        for sensor in self.sensors:
            if sensor.has_state or sensor.options.delay or sensor.options.history_length:
                raise GenesisException(
                    f"{owner}: {sensor!r} looks at every step (it has a delay, a history or a state of its own), and a "
                    "rollout shows only its end; use scene.step()."
                )

    def _look(self, command: Command, n_steps: int) -> None:
        world = self._world
        assert world is not None
        record = world.requires_grad and torch.is_grad_enabled()
        with plain_tensors(), torch.set_grad_enabled(record):
            theta = world.theta.packed_of_envs()
            moment = Moment(
                world.dynamics,
                world.state,  # not read_state(), which waits for a GPU: reading a sensor does
                theta,
                command,
                world.solution,
                world.requires_grad,
                world.cur_step,
                world.dt,
            )
            if not record:
                moment = moment.detached()
            for step in range(self._step, self._step + n_steps):
                self._walks = [
                    sensor.walk(walk, step, world.n_worlds)
                    for sensor, walk in zip(self.sensors, self._walks, strict=True)
                ]
            self._step += n_steps
            settings = tuple(sensor.settings for sensor in self.sensors)
            shown = Snapshot(moment, self._step - 1, settings, tuple(self._walks), tuple(self._states))
            if any(sensor.has_state for sensor in self.sensors):
                now = shown.present()
                self._states = [
                    sensor.advance(state, now, sensor.settings) if sensor.has_state else None
                    for sensor, state in zip(self.sensors, self._states, strict=True)
                ]
                shown = Snapshot(moment, shown.step, settings, shown.walks, tuple(self._states), shown.kept)
        self._timeline.add(shown, n_steps)

    def reset(self, envs: Selection | None) -> None:
        """These envs (None: all) are at their beginning."""
        self._timeline.forget(None if envs is None else envs.positions())
        if envs is None:
            self._walks = [None] * len(self.sensors)
            self._states = [self._started(sensor) for sensor in self.sensors]
            return
        rows = envs.tensor()
        with plain_tensors():
            self._walks = [None if walk is None else walk.index_fill(0, rows, 0.0) for walk in self._walks]
            self._states = [
                None if state is None else state.index_copy(0, rows, sensor.start(envs.count))
                for sensor, state in zip(self.sensors, self._states, strict=True)
            ]

    def detach(self) -> None:
        """Cut the graph."""
        self._timeline.detach()
        self._states = [None if state is None else state.detach() for state in self._states]
        self._walks = [None if walk is None else walk.detach() for walk in self._walks]

    def read_all(self) -> dict[int, torch.Tensor]:
        """What all sensors measured: number of the kind -> (N, [history,] numbers), ordered by entity.

        Raises GenesisException where sensors of one kind have histories of different lengths.
        """
        world = self._world
        assert world is not None
        parts: dict[str, list[Sensor]] = {}
        for sensor in sorted(self.sensors, key=lambda one: getattr(one.options, "entity_idx", -1)):
            parts.setdefault(type(sensor.options).__name__, []).append(sensor)
        record = world.requires_grad and torch.is_grad_enabled()
        found = {}
        with plain_tensors(), torch.set_grad_enabled(record):
            for name, sensors in parts.items():
                lengths = {sensor.options.history_length for sensor in sensors}
                if len(lengths) > 1:
                    raise GenesisException(
                        f"read_sensors: sensors of kind {name} have histories of different lengths, {sorted(lengths)}; "
                        "read each of them."
                    )
                found[getattr(types, name)] = torch.cat([sensor.values(True) for sensor in sensors], -1)
        return found
