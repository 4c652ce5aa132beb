"""The commands in force: what the entities' ``control_*`` calls leave behind for the next steps.

A command is replaced, never written in place: the autograd node of a step keeps the one it ran under.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from genesis import runtime
from genesis.rigid.command import POSE_FIELDS, Command, Switches
from genesis.world.arguments import Selection, kept, scatter, select_range

# Switches.mode of a dof.
IDLE, FORCE, POSITION, VELOCITY, POSITION_VELOCITY = range(5)

# Which fields a mode reads; the blocks of other fields on the same dofs are dropped when the mode is set.
MODE_FIELDS: dict[int, tuple[str, ...]] = {
    FORCE: ("dof_force",),
    POSITION: ("dof_position",),
    VELOCITY: ("dof_velocity",),
    POSITION_VELOCITY: ("dof_position", "dof_velocity"),
}
DOF_FIELDS = ("dof_force", "dof_position", "dof_velocity")
# Modes that read gains.
PD_MODES = (POSITION, VELOCITY, POSITION_VELOCITY)

# A scattered set of dofs becomes one block per contiguous run up to this many, and one wide block beyond: each
# block costs a copy per step, while a wide block drags the graph of what it covers along.
MAX_RUNS = 4

Blocks = dict[tuple[str, int], torch.Tensor]
# Of a control field: what it is where nobody commands it, (n,).
_Rest = Callable[[str], torch.Tensor]


class CommandBuffer:
    """Builds the scene's ``Command`` from the parts that entities give.

    Attributes:
        asks_for_gains: whether a dof of an env was put into a mode that reads gains in which it has not been before;
            whoever looks at the gains makes it False
    """

    def __init__(self, n_worlds: int, nv: int, nactuator: int, eq_active: torch.Tensor, rest: _Rest) -> None:
        """`eq_active`: which of the model file's equality constraints hold from the start, (neq,) int32; `rest`: what
        control fields are at rest."""
        self._n_worlds = n_worlds
        self._field_at_rest = rest
        self._at_rest = Switches(
            torch.zeros((n_worlds, nv), dtype=torch.int32, device=runtime.device),
            torch.zeros((n_worlds, nactuator), dtype=torch.int32, device=runtime.device),
            eq_active.expand(n_worlds, -1).contiguous(),
        )
        self.asks_for_gains = False
        self._in_pd = {mode: np.zeros((n_worlds, nv), dtype=bool) for mode in PD_MODES}
        self.clear()

    def clear(self) -> None:
        """No command at all, as at build."""
        self._idle = Command(self._at_rest)
        self.command = self._idle
        self._uniform: dict[tuple[int, int], int] = {}  # (first dof, count) -> the one mode that all of it is in
        self._actuators_known_on: set[tuple[int, int]] = set()
        self._has_wrench = False
        self._of_one_step: dict[tuple[str, int], torch.Tensor] = {}

    def place_envs(self, envs: Selection, placement: Command | None) -> None:
        """Dofs and actuators of these envs idle again, their external wrenches gone; what is placed, and what holds, is
        so as in `placement`, or None: as at build."""
        rows = envs.tensor()
        there = {} if placement is None else placement.blocks
        blocks: Blocks = {}
        for key, value in self.command.blocks.items():
            if key[0] == "xfrc":
                value = value.expand(self._n_worlds, -1).index_fill(0, rows, 0.0)
            if key[0] in POSE_FIELDS and key not in there:
                value = self._in_rows(rows, self._rest(key, value), value)
            blocks[key] = value
        for key, value in there.items():
            blocks[key] = self._in_rows(rows, value, self.command.blocks.get(key, self._rest(key, value)))
        mode, on, active = self.command.switches
        known = (self._at_rest if placement is None else placement.switches).eq_active
        width = max(active.shape[1], known.shape[1])
        active, known = (torch.nn.functional.pad(x, (0, width - x.shape[1])) for x in (active, known))
        active = active.index_copy(0, rows, known.index_select(0, rows))
        self.command = Command(Switches(mode.index_fill(0, rows, IDLE), on.index_fill(0, rows, 0), active), blocks)
        self._uniform, self._actuators_known_on = {}, set()
        self._of_one_step = {key: rest for key, rest in self._of_one_step.items() if key in blocks}

    def _in_rows(self, rows: torch.Tensor, new: torch.Tensor, old: torch.Tensor) -> torch.Tensor:
        """A block whose `rows` are those of `new`, (n,) or (N, n), and the others those of `old`."""
        chosen = new.expand(self._n_worlds, -1).index_select(0, rows)
        return old.expand(self._n_worlds, -1).index_copy(0, rows, chosen)

    def _rest(self, key: tuple[str, int], like: torch.Tensor) -> torch.Tensor:
        """What is placed at build: a mocap body as in the file, no weld; (n,)."""
        width = like.shape[-1]
        if key[0] in ("mocap", "ctrl"):
            return self._field_at_rest(key[0])[key[1] : key[1] + width]
        return like.new_zeros(width)

    def detach(self) -> None:
        """Same commands, without graph."""
        self.command = self.command.detached()

    def restore(self, command: Command) -> None:
        """Take over a whole command: of a checkpoint, or what is placed (`idle`) in a state."""
        self.clear()
        self.command = command
        self.asks_for_gains = True
        self._has_wrench = any(field == "xfrc" for field, _ in command.blocks)

    def saved(self) -> tuple[Any, ...]:
        """Everything, for `go_back`."""
        known = dict(self._uniform), set(self._actuators_known_on)
        return self.command, *known, self._has_wrench, dict(self._of_one_step)

    def go_back(self, saved: tuple[Any, ...]) -> None:
        """As it was when `saved` was called."""
        self.command, self._uniform, self._actuators_known_on, self._has_wrench, self._of_one_step = saved

    @property
    def command(self) -> Command:
        """In force now; a new object after every change."""
        return self._command

    @command.setter
    def command(self, command: Command) -> None:
        if torch.is_inference_mode_enabled():
            blocks = {key: kept(block) for key, block in command.blocks.items()}
            command = Command(Switches(*(kept(switch) for switch in command.switches)), blocks)
        self._command = command

    @property
    def idle(self) -> Command:
        """No command but what says where something is, and what holds: what positions and velocities are observed
        under, and what belongs to a state."""
        blocks, active = self._command.blocks, self._command.switches.eq_active
        poses = {key: block for key, block in blocks.items() if key[0] in POSE_FIELDS} if blocks else {}
        known = self._idle.blocks
        same = len(poses) == len(known) and all(known.get(key) is block for key, block in poses.items())
        if not same or self._idle.switches.eq_active is not active:
            self._idle = Command(self._at_rest._replace(eq_active=active), poses)
        return self._idle

    @property
    def acts_once(self) -> bool:
        """Whether anything waits for the next step that is gone after it: external wrenches, thrusts of propellers."""
        return self._has_wrench or bool(self._of_one_step)

    def after_step(self, command: Command) -> Command:
        """What of a command, in force now or made of what is, is left after a step."""
        if not self.acts_once:
            return command
        blocks = {key: value for key, value in command.blocks.items() if key[0] != "xfrc"}
        for key, rest in self._of_one_step.items():
            if key not in command.sequences:
                blocks[key] = rest
        return Command(command.switches, blocks, command.sequences)

    # -- dofs ---------------------------------------------------------------------------------------------------------

    def set_all_dofs(self, mode: int, start: int, count: int, values: tuple[torch.Tensor, ...]) -> None:
        """Command dofs `start ... start + count - 1` of every env; per field one value, (count,) or (n_envs, count)."""
        old = self.command
        blocks = dict(old.blocks)
        in_mode = self._uniform.get((start, count)) == mode
        if not in_mode:
            _drop_inside(blocks, DOF_FIELDS, start, count)
        for field, value in zip(MODE_FIELDS[mode], values, strict=True):
            key = (field, start)
            known = blocks.get(key)
            if known is not None and known.shape[-1] == count:
                blocks[key] = value
            else:
                _put(blocks, field, start, value)
        switches = old.switches
        if not in_mode:
            switches = switches._replace(mode=self._with_mode(mode, start, count))
        self.command = Command(switches, blocks)

    def set_dofs(
        self, mode: int, start: int, chosen: Selection, envs: Selection | None, values: tuple[torch.Tensor, ...]
    ) -> None:
        """Command the `chosen` dofs of an entity whose first dof is `start`, in `envs` (None: all)."""
        if envs is None:
            runs = chosen.runs()
            if chosen.ids is None:
                if chosen.count:
                    self.set_all_dofs(mode, start + chosen.start, chosen.count, values)
                return
            if len(runs) <= MAX_RUNS:
                # Columns in ascending order of dof, then one block per run.
                order = chosen.order()
                if order is not None:
                    values = tuple(value.index_select(-1, order) for value in values)
                first = 0
                for run_start, run_count in runs:
                    part = tuple(value.narrow(-1, first, run_count) for value in values)
                    self.set_all_dofs(mode, start + run_start, run_count, part)
                    first += run_count
                return
        blocks = dict(self.command.blocks)
        for field, value in zip(MODE_FIELDS[mode], values, strict=True):
            self._write_sparse(blocks, field, start, chosen, envs, value)
        modes = torch.full((1,), mode, dtype=torch.int32, device=runtime.device)
        switches = self.command.switches
        mode_now = scatter(switches.mode, envs, chosen, modes, start)
        rows = slice(None) if envs is None else envs.positions()[:, None]
        self._note_gains(mode, rows, start + chosen.positions())
        self.command = Command(switches._replace(mode=mode_now), blocks)
        self._forget_uniform(start, chosen.n)

    def _write_sparse(
        self, blocks: Blocks, field: str, start: int, chosen: Selection, envs: Selection | None, value: torch.Tensor
    ) -> None:
        """Write scattered columns or rows into the one block that spans `start ... start + chosen.n - 1`."""
        rest = self._field_at_rest(field)[start : start + chosen.n]
        base = _gathered(blocks, field, start, rest, self._n_worlds, rows=envs is not None or value.ndim == 2)
        if base.ndim == 1:
            blocks[field, start] = scatter(base[None], envs, chosen, value)[0]
        else:
            blocks[field, start] = scatter(base, envs, chosen, value)

    def _with_mode(self, mode: int, start: int, count: int) -> torch.Tensor:
        changed = self.command.switches.mode.clone()
        changed[:, start : start + count] = mode
        self._forget_uniform(start, count)
        self._uniform[start, count] = mode
        self._note_gains(mode, slice(None), slice(start, start + count))
        return changed

    def _note_gains(self, mode: int, envs: slice | np.ndarray, dofs: slice | np.ndarray) -> None:
        if mode in PD_MODES and not self._in_pd[mode][envs, dofs].all():
            self._in_pd[mode][envs, dofs] = True
            self.asks_for_gains = True

    def _forget_uniform(self, start: int, count: int) -> None:
        self._uniform = {(s, n): mode for (s, n), mode in self._uniform.items() if s >= start + count or start >= s + n}

    # -- actuators ----------------------------------------------------------------------------------------------------

    def set_actuators(
        self,
        starts: tuple[int, int],
        chosen: Selection,
        controls: Selection,
        envs: Selection | None,
        ctrl: torch.Tensor,
    ) -> None:
        """Give ctrl to the `controls` of the `chosen` actuators of an entity, and switch these on.

        `starts`: its first actuator, and its first control.
        """
        start, first_control = starts
        self._of_one_step.pop(("ctrl", first_control), None)  # an entity's are told together
        blocks = dict(self.command.blocks)
        on = self.command.switches.actuators_on
        key = (start + chosen.start, chosen.count) if envs is None and chosen.ids is None else None
        if envs is None and controls.ids is None:
            if controls.count:
                _put(blocks, "ctrl", first_control + controls.start, ctrl)
        else:
            self._write_sparse(blocks, "ctrl", first_control, controls, envs, ctrl)
        if key is None or key not in self._actuators_known_on:
            on = scatter(on, envs, chosen, torch.ones(1, dtype=torch.int32, device=runtime.device), start)
            if key is not None:
                self._actuators_known_on.add(key)
        self.command = Command(self.command.switches._replace(actuators_on=on), blocks)

    def set_for_one_step(self, starts: tuple[int, int], count: int, ctrl: torch.Tensor) -> None:
        """Give ctrl, (count,) or (n_worlds, count), to as many motors with one control each, from `starts` on: their
        first number and first control. It is zero again after the next step."""
        everything = select_range(count, 0, count)
        self.set_actuators(starts, everything, everything, None, ctrl)
        self._of_one_step["ctrl", starts[1]] = torch.zeros(count, dtype=runtime.tc_float, device=runtime.device)

    def waits(self, first_control: int) -> bool:
        """Whether `set_for_one_step` was told of these controls since the last step."""
        return ("ctrl", first_control) in self._of_one_step

    # -- where something is, and what holds ---------------------------------------------------------------------------

    def place_mocap(self, start: int, rest: torch.Tensor, envs: Selection | None, value: torch.Tensor) -> None:
        """Put numbers of a mocap body's pose, from column `start` on: (n,) or (envs, n); `rest`: as in the file."""
        self._set_pose("mocap", start, rest, envs, value)

    def hold(self, number: int, column: int, held: torch.Tensor, envs: Selection | None) -> None:
        """Weld number `number`, whose switch is `column`, holds what is `held`, (n_worlds, n), in `envs`."""
        value = held if envs is None else held.index_select(0, envs.tensor())
        self._set_pose("weld", number * held.shape[-1], held.new_zeros(held.shape[-1]), envs, value)
        self.set_equalities(torch.tensor([column]), torch.ones(1, dtype=torch.int32), envs)

    def _set_pose(
        self, field: str, start: int, rest: torch.Tensor, envs: Selection | None, value: torch.Tensor
    ) -> None:
        blocks = dict(self.command.blocks)
        if envs is not None:
            known = blocks.get((field, start), rest)
            rows = known.expand(self._n_worlds, -1)
            value = rows.index_copy(0, envs.tensor(), value.expand(envs.count, -1))
        blocks[field, start] = value
        self.command = Command(self.command.switches, blocks)

    def set_equalities(self, columns: torch.Tensor, active: torch.Tensor, envs: Selection | None) -> None:
        """Whether equality constraints hold: `active`, (n,) or (envs, n) int32, of the `columns`, (n,) int64."""
        switches = self.command.switches
        known = switches.eq_active
        missing = int(columns.max()) + 1 - known.shape[1] if len(columns) else 0
        changed = torch.nn.functional.pad(known, (0, max(missing, 0)))
        rows = torch.arange(self._n_worlds) if envs is None else envs.tensor()
        columns, active, rows = (x.to(known.device) for x in (columns, active, rows))
        changed[rows[:, None], columns] = active.to(torch.int32)
        self.command = Command(switches._replace(eq_active=changed), self.command.blocks)

    # -- external wrenches --------------------------------------------------------------------------------------------

    def add_wrench(self, first_link: int, chosen: Selection, envs: Selection | None, wrench: torch.Tensor) -> None:
        """Add (force, torque) at the links' centres of mass, world frame, for the next step.

        `chosen`: links out of `chosen.n`, the first of which is body `first_link + 1`. `wrench`: (count, 6) or
        (envs, count, 6).
        """
        flat = wrench.flatten(-2)
        start, count = 6 * (first_link + 1 + chosen.start), 6 * chosen.count
        if envs is not None or chosen.ids is not None:
            columns = (6 * chosen.positions()[:, None] + np.arange(6)).ravel()
            zeros = flat.new_zeros((self._n_worlds if envs is not None or flat.ndim == 2 else 1, 6 * chosen.n))
            flat = scatter(zeros, envs, Selection(6 * chosen.n, 0, len(columns), columns), flat)
            flat = flat[0] if flat.shape[0] == 1 else flat
            start, count = 6 * (first_link + 1), 6 * chosen.n
        blocks = dict(self.command.blocks)
        known = blocks.get(("xfrc", start))
        if known is not None and known.shape[-1] == count:
            blocks["xfrc", start] = known + flat
        else:
            _add(blocks, "xfrc", start, flat, self._n_worlds)
        self.command = Command(self.command.switches, blocks)
        self._has_wrench = True

    def end_step(self) -> None:
        """External wrenches act for one step, and so do the thrusts of propellers."""
        if self.acts_once:
            self.command = self.after_step(self.command)
            self._has_wrench = False
            self._of_one_step = {}


def _drop_inside(blocks: Blocks, fields: tuple[str, ...], start: int, count: int) -> None:
    """Forget blocks that lie entirely in the columns: nothing reads them any more."""
    for field, first in list(blocks):
        if field in fields and start <= first and first + blocks[field, first].shape[-1] <= start + count:
            del blocks[field, first]


def _overlapping(blocks: Blocks, field: str, start: int, count: int) -> list[tuple[int, torch.Tensor]]:
    return [
        (first, value)
        for (name, first), value in blocks.items()
        if name == field and first < start + count and start < first + value.shape[-1]
    ]


def _gathered(blocks: Blocks, field: str, start: int, rest: torch.Tensor, n_worlds: int, rows: bool) -> torch.Tensor:
    """Take the blocks that overlap the columns out of `blocks`, laid over `rest`: (count,) or (n_worlds, count).

    The columns are widened to what the overlapping blocks cover, which is possible only where they lie inside: an
    entity's blocks never reach beyond the entity.
    """
    count = len(rest)
    found = _overlapping(blocks, field, start, count)
    rows = rows or any(value.ndim == 2 for _, value in found)
    base = rest.expand(n_worlds if rows else 1, -1)
    for first, value in found:
        del blocks[field, first]
        base = scatter(base, None, select_range(count, first - start, value.shape[-1]), value)
    return base if rows else base[0]


def _put(blocks: Blocks, field: str, start: int, value: torch.Tensor) -> None:
    """Write a block; what it covers of others is replaced, what sticks out of it is kept as blocks of its own."""
    count = value.shape[-1]
    for first, old in _overlapping(blocks, field, start, count):
        del blocks[field, first]
        end = first + old.shape[-1]
        if first < start:
            blocks[field, first] = old.narrow(-1, 0, start - first)
        if end > start + count:
            blocks[field, start + count] = old.narrow(-1, start + count - first, end - start - count)
    blocks[field, start] = value


def _add(blocks: Blocks, field: str, start: int, value: torch.Tensor, n_worlds: int) -> None:
    """Add a block to what is there; overlapping blocks are merged into one that spans them all."""
    count = value.shape[-1]
    found = _overlapping(blocks, field, start, count)
    if not found:
        blocks[field, start] = value
        return
    low = min(start, *(first for first, _ in found))
    high = max(start + count, *(first + old.shape[-1] for first, old in found))
    total = _gathered(blocks, field, low, value.new_zeros(high - low), n_worlds, rows=value.ndim == 2)
    rows = total if total.ndim == 2 else total[None]
    padded = torch.nn.functional.pad(value if value.ndim == 2 else value[None], (start - low, high - start - count))
    total = rows + padded
    blocks[field, low] = total if total.shape[0] == n_worlds and total.shape[0] > 1 else total[0]
