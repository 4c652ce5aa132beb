"""What all attached sensors have in common: where they sit, their imperfections and delays, and how they are read."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from genesis import runtime
from genesis.errors import GenesisException
from genesis.math.rotation import quat_mul, quat_normalize, quat_to_mat
from genesis.sensors.attached import draws
from genesis.sensors.attached.options.base import AttachedOptions, NoisyOptions, SensorOptions
from genesis.sensors.attached.snapshot import Settings, Snapshot
from genesis.sensors.attached.timeline import Timeline
from genesis.sensors.present import Present, numbers, turn
from genesis.world.arguments import fit, plain_tensors, read_tensor, require_finite, select_envs

if TYPE_CHECKING:
    from genesis.world.world import World

_IMPERFECTIONS = ("resolution", "bias", "noise", "random_walk")


class Sensor:
    """A sensor of a scene, as `scene.add_sensor` returns it.

    A kind of sensor says how many numbers it has (`shapes`), and what they are of a snapshot (`measure`).

    Attributes:
        number: of the sensor in the scene, in the order in which they were added
        result: the named tuple that is returned where `shapes` are several; None: the values themselves
        has_state: whether it has a state of its own, made by `start` and `advance`
    """

    result: type | None = None
    has_state = False

    def __init__(self, options: SensorOptions, number: int, timeline: Timeline) -> None:
        self.options, self.number = options, number
        self._timeline = timeline
        self._world: World | None = None
        self.settings: Settings = {}
        self._called = f"sensor {number} ({type(options).__name__})"

    def __repr__(self) -> str:
        return f"<{self._called}, {'built' if self.is_built else 'not built'}>"

    # -- what a kind of sensor says of itself -------------------------------------------------------------------------

    def shapes(self) -> tuple[tuple[int, ...], ...]:
        """Shape of each of the tensors that are read, of one env and one step."""
        raise NotImplementedError

    def build_kind(self, world: World) -> None:
        """Look up what is needed of the model; more settings."""

    def measure(self, now: Present, settings: Settings, state: torch.Tensor | None) -> torch.Tensor:
        """The ground truth (N, size), one tensor of `shapes` after the other, before `finish`."""
        raise NotImplementedError

    def imperfect(self, values: torch.Tensor, settings: Settings, state: torch.Tensor | None) -> torch.Tensor:
        """What the sensing element makes of the ground truth (N, size), before noise is added."""
        return values

    def finish(self, values: torch.Tensor) -> torch.Tensor:
        """What is made of values (N, size) in the end, true or measured."""
        return values

    def true_before(self, none: torch.Tensor) -> torch.Tensor:
        """What is true before the first step; `none`: (N, size) of zero or False, what it is if nothing is known."""
        return none

    def start(self, n_worlds: int) -> torch.Tensor:
        """The state of its own at the beginning, (N, m)."""
        raise NotImplementedError

    def advance(self, state: torch.Tensor, now: Present, settings: Settings) -> torch.Tensor:
        """The state of its own after a step."""
        raise NotImplementedError

    # -- reading ------------------------------------------------------------------------------------------------------

    @property
    def is_built(self) -> bool:
        """Whether the scene is built."""
        return self._world is not None

    def read(self, envs_idx: Any = None) -> Any:
        """What it measured after the last step, imperfections and delay included, ([n_envs,] [history_length,] ...).

        Zero, or False, before the first step, after a reset, and as long as a delay reaches further back than that.
        Differentiable with respect to all that led there; rounding passes the gradient on. Reading twice gives the
        same.

        Raises GenesisException before `scene.build()`, and for a bad index.
        """
        return self._read("read", envs_idx, measured=not self.options.update_ground_truth_only)

    def read_ground_truth(self, envs_idx: Any = None) -> Any:
        """What is true after the last step: as `read`, without imperfections and delay."""
        return self._read("read_ground_truth", envs_idx, measured=False)

    def start_recording(self, rec_options: Any) -> Any:
        """Record what `read()` returns: `scene.start_recording(sensor.read, rec_options)`."""
        return self._timeline.record(self.read, rec_options)

    def _built(self, method: str) -> World:
        runtime.require_init()
        if self._world is None:
            raise GenesisException(f"{self._called}.{method} needs the built scene: call scene.build() first.")
        return self._world

    def _read(self, method: str, envs_idx: Any, measured: bool) -> Any:
        world = self._built(method)
        envs = select_envs(world, envs_idx, f"{self._called}.{method}", unique=False)
        world.read_state()  # which notices contacts that were lost on a GPU
        record = world.requires_grad and torch.is_grad_enabled()
        with plain_tensors(), torch.set_grad_enabled(record):
            n_past = self.options.history_length
            if n_past:
                values = torch.stack([self._value(ago, measured) for ago in range(n_past)], 1)
            else:
                values = self._delayed() if measured else self._value(0, False)
            values = values.clone() if envs is None else values.index_select(0, envs.tensor())
            shapes = self.shapes()
            parts = values.split([math.prod(shape) for shape in shapes], -1)
            tensors = [part.unflatten(-1, shape) for part, shape in zip(parts, shapes, strict=True)]
        return self.packed([world.wrap(tensor) for tensor in tensors])

    def packed(self, tensors: list[Any]) -> Any:
        """What `read` returns."""
        return tensors[0] if self.result is None else self.result(*tensors)

    def values(self, measured: bool) -> torch.Tensor:
        """All numbers, (N, [history_length,] size)."""
        if self.options.history_length:
            return torch.stack([self._value(ago, measured) for ago in range(self.options.history_length)], 1)
        return self._delayed() if measured and not self.options.update_ground_truth_only else self._value(0, False)

    def _delayed(self) -> torch.Tensor:
        steps, latest = self.delay_steps, self._timeline.snapshot(0)
        if latest is None or not steps or not bool((latest.settings[self.number]["jitter"] > 0).any()):
            return self._value(steps, True)
        n = latest.moment.n_worlds
        drawn = self._timeline.draws.uniform(self.number, latest.step, draws.JITTER, (2, n))
        shift = latest.settings[self.number]["jitter"][:, 0] * drawn[0]
        near, far = self._value(steps, True), self._value(steps + 1, True)
        if self.options.interpolate and near.is_floating_point():
            return torch.lerp(near, far, shift[:, None])
        return torch.where((shift + drawn[1] >= 1.0)[:, None], far, near)

    def _value(self, ago: int, measured: bool) -> torch.Tensor:
        """What was measured so many steps ago, or was true, (N, size); before an env's first step what it begins
        with."""
        snapshot, world = self._timeline.snapshot(ago), self._world
        assert world is not None
        if snapshot is None:
            return self._before(world.n_worlds, measured)
        values = self._of(snapshot, measured)
        there = self._timeline.reaches(ago)
        if there is None:
            return values
        return torch.where(there[:, None], values, self._before(world.n_worlds, measured))

    def _before(self, n_worlds: int, measured: bool) -> torch.Tensor:
        empty = torch.zeros((n_worlds, self.size), dtype=runtime.tc_float, device=runtime.device)
        none = self.finish(empty).new_zeros(empty.shape)
        return none if measured else self.true_before(none)

    def _of(self, snapshot: Snapshot, measured: bool) -> torch.Tensor:
        """What a snapshot shows."""
        key = self.number, measured
        if not torch.is_grad_enabled() and key in snapshot.kept:
            return snapshot.kept[key]
        settings = snapshot.settings[self.number]
        true_key = self.number, "raw"
        raw = None if torch.is_grad_enabled() else snapshot.kept.get(true_key)
        if raw is None:
            raw = self.measure(snapshot.present(), settings, snapshot.states[self.number])
            raw = raw.expand(snapshot.moment.n_worlds, -1)
        values = self.finish(self._measured(raw, snapshot) if measured else raw)
        if not torch.is_grad_enabled():
            snapshot.kept[true_key], snapshot.kept[key] = raw, values
        return values

    # -- imperfections ------------------------------------------------------------------------------------------------

    def _measured(self, values: torch.Tensor, snapshot: Snapshot) -> torch.Tensor:
        settings, walk = snapshot.settings[self.number], snapshot.walks[self.number]
        values = self.imperfect(values, settings, snapshot.states[self.number])
        if walk is not None:
            values = values + walk
        if "noise" in settings:
            drawn = self._timeline.draws.normal(self.number, snapshot.step, draws.NOISE, tuple(values.shape))
            values = values + settings["noise"] * drawn
        if "bias" in settings:
            values = values + settings["bias"]
        if "resolution" in settings:
            step = settings["resolution"]
            rounded = torch.where(step > 0, torch.round(values / torch.where(step > 0, step, 1.0)) * step, values)
            # The gradient is that of what is rounded (straight through): that of the rounding is zero almost
            # everywhere.
            values = values + (rounded - values).detach()
        return values

    def walk(self, last: torch.Tensor | None, step: int, n_worlds: int) -> torch.Tensor | None:
        """Where the random walk is after a step, (N, size); None: there is none."""
        size = self.settings.get("random_walk")
        if size is None:
            return last
        drawn = size * self._timeline.draws.normal(self.number, step, draws.WALK, (n_worlds, self.size))
        return drawn if last is None else last + drawn

    # -- making it ----------------------------------------------------------------------------------------------------

    def build(self, world: World) -> None:
        """Prepare for the built scene. Raises GenesisException for what does not fit the entity."""
        self.dt = world.dt
        self.delay_steps = round(self.options.delay / world.dt)
        exact = self.options.delay / world.dt
        if abs(exact - self.delay_steps) > 1e-6 * max(1.0, exact):
            runtime.logger.warning(
                f"{self._called}: delay={self.options.delay} is no multiple of the time step {world.dt}; it is "
                f"{self.delay_steps * world.dt}."
            )
        if isinstance(self.options, AttachedOptions):
            self._find_link(world, self.options)
        self.build_kind(world)
        self.size = sum(math.prod(shape) for shape in self.shapes())
        self._world = world
        self.settings["jitter"] = numbers([[0.0]])
        try:
            self.set_jitter(self.options.jitter)
            if isinstance(self.options, NoisyOptions):
                for name in _IMPERFECTIONS:
                    self._set_imperfection(name, self.imperfection(name), None)
        except GenesisException:
            self._world = None
            raise

    def imperfection(self, name: str) -> Any:
        """What the options say of `noise` and its like: a number, or one for each value."""
        return getattr(self.options, name)

    def _find_link(self, world: World, options: AttachedOptions) -> None:
        self.body, self.entity = 0, None
        if options.entity_idx >= 0:
            ranges = world.composed.entities[options.entity_idx]
            count = ranges.link_end - ranges.link_start
            if options.link_idx_local >= count:
                raise GenesisException(
                    f"{self._called}: link_idx_local={options.link_idx_local}, but '{ranges.name}' has {count} link(s)."
                )
            self.body, self.entity = ranges.link_start + options.link_idx_local, ranges
        self.settings["pos_offset"] = numbers([options.pos_offset])
        self.settings["quat_offset"] = numbers([_of_euler(options.euler_offset)])

    def frame(self, now: Present, settings: Settings) -> tuple[torch.Tensor, torch.Tensor]:
        """Where the sensor is in the world [m], (N, 3), and how it is turned, (N, 3, 3)."""
        matrix = now.xmat[:, self.body]
        position = now.xpos[:, self.body] + turn(matrix, settings["pos_offset"])
        return position, matrix @ quat_to_mat(quat_normalize(settings["quat_offset"]))

    # -- settings -----------------------------------------------------------------------------------------------------

    def set_pos_offset(self, pos_offset: Any, envs_idx: Any = None) -> None:
        """Where it is in its link's frame [m], (3,) or (n_envs, 3), with gradient; from the next step on."""
        self._require_link("set_pos_offset")
        self._put("pos_offset", self._given("set_pos_offset", "pos_offset", pos_offset, envs_idx, 3), envs_idx)

    def set_quat_offset(self, quat_offset: Any, envs_idx: Any = None) -> None:
        """How it is turned against its link (w, x, y, z), (4,) or (n_envs, 4), of any length but zero, with
        gradient."""
        self._require_link("set_quat_offset")
        value = self._given("set_quat_offset", "quat_offset", quat_offset, envs_idx, 4)
        if bool((value.detach().norm(dim=-1) == 0).any()):
            raise GenesisException(f"{self._called}.set_quat_offset: `quat_offset` is zero; it says no orientation.")
        self._put("quat_offset", value, envs_idx)

    def set_jitter(self, jitter: Any, envs_idx: Any = None) -> None:
        """Largest additional delay [s]; at most the delay, and at most one step."""
        value = self._given("set_jitter", "jitter", jitter, envs_idx, 1)
        largest, least = float(value.detach().max()), float(value.detach().min())
        most = min(self.options.delay, self.dt) * (1.0 + 1e-6)
        if least < 0 or largest > most:
            raise GenesisException(
                f"{self._called}: jitter={largest if least >= 0 else least}; expected from 0 to the delay "
                f"{self.options.delay} and to one step {self.dt}."
            )
        self._put("jitter", value / self.dt, envs_idx)

    def set_resolution(self, resolution: Any, envs_idx: Any = None) -> None:
        """Values are rounded to multiples of it; a number, or one for each value. From the next step on."""
        self._set_imperfection("resolution", resolution, envs_idx)

    def set_bias(self, bias: Any, envs_idx: Any = None) -> None:
        """What is added; a number, or one for each value, with gradient. From the next step on."""
        self._set_imperfection("bias", bias, envs_idx)

    def set_noise(self, noise: Any, envs_idx: Any = None) -> None:
        """Standard deviation of white noise; a number, or one for each value, with gradient. From the next step on."""
        self._set_imperfection("noise", noise, envs_idx)

    def set_random_walk(self, random_walk: Any, envs_idx: Any = None) -> None:
        """Standard deviation of a step of the random walk; a number, or one for each value. From the next step on."""
        self._set_imperfection("random_walk", random_walk, envs_idx)

    def _require_link(self, method: str) -> None:
        self._built(method)
        if "pos_offset" not in self.settings:
            raise GenesisException(f"{self._called}.{method}: it sits on no link.")

    def _set_imperfection(self, name: str, given: Any, envs_idx: Any) -> None:
        method = f"set_{name}"
        self._built(method)
        if not isinstance(self.options, NoisyOptions):
            raise GenesisException(f"{self._called}.{method}: it has no imperfections.")
        value = self._given(method, name, given, envs_idx, self.size)
        if name != "bias" and bool((value.detach() < 0).any()):
            raise GenesisException(f"{self._called}.{method}: `{name}` is negative; expected zero or more.")
        if name in self.settings or value.requires_grad or bool((value != 0).any()):
            self._put(name, value, envs_idx)

    def _given(self, method: str, name: str, value: Any, envs_idx: Any, count: int) -> torch.Tensor:
        """(1, count) for all envs, or (envs, count)."""
        world, owner = self._built(method), f"{self._called}.{method}"
        envs = select_envs(world, envs_idx, owner, unique=True)
        tensor = fit(world, read_tensor(world, value, name, owner), envs, (count,), name, owner)
        require_finite(tensor, name, owner)
        tensor = tensor.clone()
        return tensor if tensor.ndim == 2 else tensor.unsqueeze(0)

    def _put(self, name: str, value: torch.Tensor, envs_idx: Any) -> None:
        world = self._built(f"set_{name}")
        envs = select_envs(world, envs_idx, f"{self._called}.set_{name}", unique=True)
        if envs is not None:
            before = self.settings.get(name)
            base = value.new_zeros((1, value.shape[-1])) if before is None else before
            rows = base.expand(world.n_worlds, -1).clone()
            value = rows.index_copy(0, envs.tensor(), value.expand(envs.count, -1))
        self.settings = self.settings | {name: value}


def _of_euler(degrees: tuple[float, float, float]) -> np.ndarray:
    """The quaternion of Rz Ry Rx."""
    half = 0.5 * np.deg2rad(degrees)
    turns = np.concatenate([np.cos(half)[:, None], np.diag(np.sin(half))], 1)
    x, y, z = torch.as_tensor(turns, dtype=torch.float64, device="cpu")
    return quat_mul(z, quat_mul(y, x)).numpy()
