"""The values of a scene's physical parameters, packed into the vector theta that the step reads.

Numbers without gradient lie in one base tensor, and each tensor given with gradient is kept as a part; theta is the
base with the parts applied in the order in which they were set. A part that is set again replaces its predecessor, so
that setting parameters in every epoch of an optimisation builds no chain of graphs.

One predecessor cannot simply go: `set_mass` scales the masses in force, and what they were in proportion to each other
may come from an earlier `set_mass` with single links set after it. Such a predecessor stays, with its gradient, until
a backward pass has gone through it; from then on it enters as numbers.
"""

from __future__ import annotations

import copy
import os
import weakref
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from genesis import runtime
from genesis.constants import OF_FEATURES
from genesis.errors import GenesisException
from genesis.rigid import inverse_weights
from genesis.world.arguments import Recipient, Selection, fit, plain_tensors, read_tensor, require_finite
from genesis.world.catalogue import Entry

if TYPE_CHECKING:
    from genesis.model.arrays import Model

GAINS = ("dof_kp", "dof_kv")  # fields that commands of position and velocity read
# So many superseded values are kept at least, before one more is refused: each makes setting and packing slower.
_MOST_SUPERSEDED = 64


def normalize(value: torch.Tensor) -> torch.Tensor:
    """Vectors of the last axis, divided by their length."""
    return value / torch.linalg.vector_norm(value, dim=-1, keepdim=True)


@dataclass
class _Origin:
    """Where a part comes from; the pieces of a part that is split share it.

    Attributes:
        setter: the method, as messages call it
        watched: leaves whose numbers were copied, each with its version then
        spent: whether a backward pass has gone through it
    """

    setter: str
    watched: list[tuple[torch.Tensor, int]] = field(default_factory=list)
    spent: bool = False

    def is_stale(self) -> bool:
        """Whether a leaf was changed in place after it was copied."""
        return any(leaf._version != version for leaf, version in self.watched)


def _leaves(given: Any) -> Iterator[torch.Tensor]:
    """The leaves with gradient that `given` is, is a view of, or lists. A view has the version of its base."""
    if isinstance(given, (list, tuple)):
        for one in given:
            yield from _leaves(one)
    elif isinstance(given, torch.Tensor) and given.requires_grad:
        leaf = given if given.is_leaf else given._base
        if leaf is not None and leaf.is_leaf:
            yield leaf


class _Part:
    """A tensor that overwrites columns of theta, or scales the mass of a set of links.

    Parts are not changed once they are in force: a part that is cut down is a new one, with the same value. What of
    the value is left is selected when theta is packed, and not when it is cut: the node that selects saves its index,
    which the next backward pass frees, while the part stays for the passes after it.

    Attributes:
        columns: positions in theta, numpy int64, (m,)
        envs: which envs it is for; None for all
        value: (k,), or (rows, k) for one row per env; for a scale: the new total mass, () or (rows,)
        item: length of the vectors in `value` that are normalised when theta is packed; 0 for none
        n_masses: for a scale, how many of the columns are masses (they come first); 0 otherwise
        picked: which of the k numbers go to the columns, numpy int64, (m,); None: all, in order
        picked_rows: which rows of the value are those of the envs, numpy int64; None: all, in order
        factor: numbers that what it writes is multiplied with, (m,) or (envs, m): the caller's, and those of scales
            that were set after it and have become numbers; None for 1
        superseded: whether it was set again, and is kept for what a scale makes of it only
    """

    def __init__(
        self,
        columns: np.ndarray,
        envs: Selection | None,
        value: torch.Tensor,
        origin: _Origin,
        item: int = 0,
        n_masses: int = 0,
        picked: np.ndarray | None = None,
        factor: torch.Tensor | None = None,
        added: torch.Tensor | None = None,
    ) -> None:
        self.columns = columns
        self.envs = envs
        self.value = value
        self.origin = origin
        self.item = item
        self.n_masses = n_masses
        self.picked = picked
        self.picked_rows: np.ndarray | None = None
        self.factor = factor
        self.added = added
        self.superseded = False

    @property
    def is_scale(self) -> bool:
        return self.n_masses > 0

    @property
    def index(self) -> torch.Tensor:
        """The columns, on the device."""
        return _index(self.columns)

    @property
    def has_rows(self) -> bool:
        """Whether its value has one row per env."""
        return self.value.ndim == (1 if self.is_scale else 2)

    def per_env(self) -> bool:
        """Whether theta needs one row per env for it."""
        moved = any(one is not None and one.ndim == 2 for one in (self.factor, self.added))
        return self.envs is not None or self.has_rows or moved

    def rows(self, n: int) -> np.ndarray:
        """Its rows of a theta of `n` rows: numbers of its envs."""
        return np.arange(n) if self.envs is None else self.envs.positions()

    def overlaps(self, other: _Part) -> bool:
        """Whether both are for a column of the same env."""
        if self.envs is not None and other.envs is not None:
            if not np.isin(self.envs.positions(), other.envs.positions(), assume_unique=True).any():
                return False
        return bool(np.isin(self.columns, other.columns, assume_unique=True).any())

    def resolved(self, theta: torch.Tensor) -> torch.Tensor:
        """The numbers to write over `theta` (its rows that this part is for), with gradient; (m,) or (rows, m)."""
        if self.is_scale:
            value = theta.index_select(1, self.index) * self.ratio(theta)[:, None]
        else:
            value = self._of_rows()
            if self.item:
                value = normalize(value.unflatten(-1, (-1, self.item))).flatten(-2)
            if self.picked is not None:
                value = value.index_select(-1, _index(self.picked))
        return self._moved(value)

    def _moved(self, value: torch.Tensor) -> torch.Tensor:
        value = value if self.factor is None else value * self.factor
        return value if self.added is None else value + self.added

    def ratio(self, theta: torch.Tensor) -> torch.Tensor:
        """By what a scale multiplies the masses and inertias in `theta`, (rows,)."""
        return self._of_rows() / theta.index_select(1, self.index[: self.n_masses]).sum(1)

    def plain(self) -> torch.Tensor:
        """The numbers that it was given, (m,) or (rows, m), not yet normalised."""
        value = self.value.detach()
        return self._moved(value if self.picked is None else value.index_select(-1, _index(self.picked)))

    def _of_rows(self) -> torch.Tensor:
        return self.value if self.picked_rows is None else self.value.index_select(0, _index(self.picked_rows))

    def multiplied(self, columns: np.ndarray, ratio: torch.Tensor) -> _Part:
        """The part that writes into `columns` what this one does times `ratio`, numbers: (1,), or (n_envs,)."""
        rows = ratio if self.envs is None else ratio.expand(self.envs.n).index_select(0, self.envs.tensor())
        among = torch.as_tensor(np.isin(self.columns, columns, assume_unique=True), device=ratio.device)
        factor = torch.where(among, rows[:, None], 1.0)
        factor = factor[0] if len(factor) == 1 else factor
        result = copy.copy(self)
        result.factor = factor if self.factor is None else self.factor * factor
        result.added = None if self.added is None else self.added * factor
        return result

    def frozen(self) -> _Part:
        """The part that overwrites with the same, as numbers."""
        result = _Part(self.columns, self.envs, self.resolved(self.value).detach(), self.origin)
        result.superseded = self.superseded
        return result

    def cut(self, columns: np.ndarray, rows: np.ndarray, superseded: bool) -> _Part:
        """The part of those columns and of those rows, (m,) and (envs,) bool, alone."""
        result = copy.copy(self)
        result.superseded = superseded
        if not columns.all():
            result.columns = self.columns[columns]
            result.picked = np.flatnonzero(columns) if self.picked is None else self.picked[columns]
            left = _index(np.flatnonzero(columns))
            result.factor = None if self.factor is None else self.factor.index_select(-1, left)
            result.added = None if self.added is None else self.added.index_select(-1, left)
        if not rows.all():
            kept = np.flatnonzero(rows)
            chosen = self.rows(len(rows))[kept]
            result.envs = Selection(len(rows) if self.envs is None else self.envs.n, 0, len(chosen), chosen)
            if self.has_rows:
                result.picked_rows = kept if self.picked_rows is None else self.picked_rows[kept]
            if result.factor is not None and result.factor.ndim == 2:
                result.factor = result.factor.index_select(0, _index(kept))
            if result.added is not None and result.added.ndim == 2:
                result.added = result.added.index_select(0, _index(kept))
        return result


def _index(positions: np.ndarray) -> torch.Tensor:
    return torch.as_tensor(positions, dtype=torch.int64, device=runtime.device)


def _in_use(parts: list[_Part], n_worlds: int) -> list[_Part]:
    """What theta needs of parts that are applied in this order, without what others overwrite.

    An overwritten number is needed if a scale reads it before that (a mass: the scale divides by the sum of them), or
    if it changes the proportions that a later scale keeps; then it is superseded.
    """
    n_rows = n_worlds if any(part.envs is not None for part in parts) else 1
    used = np.unique(np.concatenate([part.columns for part in parts]))
    shape = n_rows, len(used)
    needed = np.ones(shape, dtype=bool)  # by the step, or by a part that comes later
    in_force = np.ones(shape, dtype=bool)
    scaled = np.zeros(shape, dtype=bool)  # by a part that comes later
    scaled_next = np.zeros(shape, dtype=bool)  # and nothing is set before that
    kept: list[_Part] = []  # from the last to the first
    for part in reversed(parts):
        columns = np.searchsorted(used, part.columns)
        at = np.ix_(part.rows(n_rows), columns)
        here = needed[at]
        if part.is_scale:
            # Scaled twice: the proportions are the same without the first time.
            left = here.any(1) & ~scaled_next[at].all(1)
            if left.any():
                superseded = bool(scaled[at][left].all())
                # Columns that nobody needs stay: the sum is over all masses.
                kept.append(part.cut(np.ones(len(columns), dtype=bool), left, superseded))
                rows = part.rows(n_rows)[left]
                needed[np.ix_(rows, columns[: part.n_masses])] = True
                scaled[np.ix_(rows, columns)] = scaled_next[np.ix_(rows, columns)] = True
            continue
        shown = in_force[at]
        needed[at] = in_force[at] = False
        scaled_next[at] &= ~here
        for those, superseded in ((shown.any(0), False), (here.any(0) & ~shown.any(0), True)):
            if those.any():
                kept.append(part.cut(those, here[:, those].any(1), superseded))
    return kept[::-1]


class Theta:
    """The value of every physical parameter: ``theta`` of shape (P, ntheta), P being 1 (shared by all envs) or n_envs.

    Args:
        world: whose envs they are for
        model: which field lies where in a row
        when_changed: called after every change
        follow: makes of theta one in which those numbers follow that are functions of the others

    Attributes:
        follows: whether there are such numbers
        has_new_gains: whether gains of commands were set; whoever looks at them makes it False
    """

    def __init__(
        self,
        world: Recipient,
        model: Model,
        when_changed: Callable[[], None],
        follow: Callable[[torch.Tensor], torch.Tensor] | None = None,
    ) -> None:
        self._world = world
        self._model = model
        self._when_changed = when_changed
        self._follow = follow
        self.follows = follow is not None
        self.has_new_gains = False
        self._n_worlds = max(world.n_envs, 1)
        self._base = torch.as_tensor(model.theta_default(), dtype=runtime.tc_float, device=runtime.device)[None].clone()
        self._parts: list[_Part] = []
        self._present: torch.Tensor | None = None
        self._packed: torch.Tensor | None = None
        self._spread: tuple[torch.Tensor, torch.Tensor] | None = None

    # -- reading ------------------------------------------------------------------------------------------------------

    def packed(self) -> torch.Tensor:
        """The packed vector, (P, ntheta), with the graph of every parameter that was set with one."""
        if self._packed is None:
            # The graph of a parameter must not depend on the mode in which theta is first asked for.
            with torch.inference_mode(False), torch.enable_grad():
                self._packed = self._pack(self._base, self._parts)
                if self._present is not None:
                    self._packed = self._packed * self._present
                if self._follow is not None:
                    self._packed = self._follow(self._packed)
            self._forget_after_backward(self._packed)
        return self._packed

    def packed_of_envs(self) -> torch.Tensor:
        """The packed vector as a step reads it: with a graph, one row per env, through a node of the steps' own.

        So the gradient is summed over the steps of each env first, then over the envs, and what getters contribute is
        added to that sum. A rollout does the same, hence gives the same bits.
        """
        packed = self.packed()
        if not packed.requires_grad:
            return packed
        if self._spread is None or self._spread[0] is not packed:
            with torch.inference_mode(False), torch.enable_grad():
                self._spread = (packed, packed.expand(self._n_worlds, -1))
        return self._spread[1]

    def _forget_after_backward(self, packed: torch.Tensor) -> None:
        """A backward pass frees what the graph of theta saved; whoever asks next shall get a graph of its own."""
        if packed.grad_fn is not None:
            origins = [part.origin for part in self._parts]
            packed.grad_fn.register_hook(partial(_forget, weakref.ref(self), weakref.ref(packed), origins))

    def columns(self, parameter: Entry, start: int, chosen: Selection) -> np.ndarray:
        """Positions in theta of the chosen elements, the first of all being the model's `start`; (count * item,)."""
        rows = start + chosen.positions()
        wanted = int(np.prod(parameter.item))
        blocks = []
        for name in parameter.fields:
            field = self._model.theta_fields[name]
            width = field.size if parameter.axis == "scene" else int(np.prod(field.shape[1:]))
            count = min(width - parameter.first, wanted)
            blocks.append((field.offset + parameter.first + width * rows)[:, None] + np.arange(count))
            wanted -= count
        return np.concatenate(blocks, 1).ravel()

    def get(self, parameter: Entry, start: int, chosen: Selection, envs: Selection | None) -> torch.Tensor:
        """Values in force, ([envs,] count, *item), a copy with gradient."""
        return self.read(self.columns(parameter, start, chosen), envs).unflatten(-1, (chosen.count, *parameter.item))

    def read(self, columns: np.ndarray, envs: Selection | None) -> torch.Tensor:
        """Columns of theta, ([envs,] m), a copy with gradient."""
        index = torch.as_tensor(columns, dtype=torch.int64, device=runtime.device)
        values = self.packed().index_select(1, index)
        if self._world.n_envs == 0:
            return values[0]
        if envs is None:
            return (
                values.expand(self._n_worlds, -1)
                if values.shape[0] == self._n_worlds
                else values.repeat(self._n_worlds, 1)
            )
        return values.expand(self._n_worlds, -1).index_select(0, envs.tensor())

    def values_of_env(self, env: int | None, owner: str) -> dict[str, np.ndarray] | None:
        """Every field of an env, float64 in the model's shape; numbers that were not set are the model's to the last
        bit. None: nothing was set. Raises GenesisException where `env` is not one, or is None and envs differ."""
        theta = self.packed().detach().cpu().double().numpy()
        n_envs = self._world.n_envs
        if env is not None and (isinstance(env, bool) or not isinstance(env, int) or not 0 <= env < max(n_envs, 1)):
            hint = (
                " It returns the text; write it with pathlib.Path(path).write_text(text)."
                if isinstance(env, (str, os.PathLike))
                else ""
            )
            raise GenesisException(
                f"{owner}: `env` is {env!r}; expected a number of an env, from 0 to {max(n_envs, 1) - 1}.{hint}"
            )
        if env is None and (theta != theta[0]).any():
            raise GenesisException(f"{owner}: parameters differ between envs; say whose are meant, as env=0.")
        row = theta[0 if env is None or len(theta) == 1 else env]
        default = self._model.theta_default()
        known = torch.as_tensor(default, dtype=runtime.tc_float).double().numpy()
        row = np.where(row == known, default, row)
        if np.array_equal(row, default):
            return None
        fields = self._model.theta_fields
        return {name: row[f.offset : f.offset + f.size].reshape(f.shape) for name, f in fields.items()}

    # -- writing ------------------------------------------------------------------------------------------------------

    def set(
        self,
        parameter: Entry,
        start: int,
        chosen: Selection,
        envs: Selection | None,
        given: Any,
        owner: str,
        element: Callable[[int], str],
        source: Any = None,
        picked: np.ndarray | None = None,
        factor: np.ndarray | None = None,
        added: np.ndarray | None = None,
    ) -> None:
        """Set the chosen elements to `given`, ``(count, *item)`` or ``(envs, count, *item)``, or a number for all.

        `element(k)`: how an error calls the k-th chosen element. `source`: the caller's own tensor, or a
        tuple of them, where it is not `given`. `picked`, (count,): `given` has other elements than those chosen, and
        these of them are meant. They are multiplied with `factor`, and `added` is added, (count,) or
        ([envs,] count, *item).
        Callers must not select or multiply by themselves: the values stay in use for many backward passes, of which the
        first frees what such nodes save.

        Raises GenesisException, and changes nothing, for a wrong shape, NaN or infinite values, impossible values.
        """
        value = read_tensor(self._world, given, parameter.name, owner)
        if parameter.name == "links_inertia" and value.ndim >= 2 and value.shape[-2:] == (3, 3):
            value = _six_numbers(value)
        size = int(np.prod(parameter.item))
        count = chosen.count if picked is None else value.shape[-1 - len(parameter.item)]
        value = fit(
            self._world, value, envs, (count, *parameter.item), parameter.name, owner, scalar=not parameter.item
        )
        columns = self.columns(parameter, start, chosen)
        with plain_tensors():
            flat = value.reshape(*value.shape[: value.ndim - 1 - len(parameter.item)], count * size).clone()
            part = _Part(
                columns,
                envs,
                flat,
                self._origin(owner, given if source is None else source),
                parameter.item[0] if parameter.normalized else 0,
                picked=None if picked is None else (picked[:, None] * size + np.arange(size)).ravel(),
                factor=None if factor is None else _of_each(factor, parameter.item).to(flat),
                added=None if added is None else _of_each(added, parameter.item).to(flat),
            )
            self.validate(parameter, part.plain().unflatten(-1, (chosen.count, *parameter.item)), owner, element)
            self._write(part)
        self.has_new_gains |= parameter.field in GAINS

    def _origin(self, owner: str, given: Any) -> _Origin:
        """Of a part whose numbers are those of `given`, the caller's own tensor, or tensors."""
        return _Origin(owner, [(leaf, leaf._version) for leaf in _leaves(given)])

    def validate(
        self,
        parameter: Entry,
        value: torch.Tensor,
        owner: str,
        element: Callable[[int], str] | None = None,
        name: str | None = None,
    ) -> None:
        """Raise GenesisException, naming the element, for a value that `parameter` (`name`: so called) cannot have."""
        name = name or parameter.name
        if parameter.finite:
            require_finite(value, name, owner)
        found = parameter.check(value.detach().cpu().double().numpy()) if parameter.check and value.numel() else None
        if found is not None:
            where, text = found
            axis = value.ndim - 1 - len(parameter.item)
            env = f" (env {where[0]} of those given)" if axis else ""
            place = element(where[axis]) if element else f"element {where[axis]}"
            raise GenesisException(f"{owner}: `{name}` of {place}{env} {text}.")

    def scale_mass(
        self,
        masses: np.ndarray,
        inertias: np.ndarray,
        envs: Selection | None,
        total: torch.Tensor,
        source: Any,
        owner: str,
    ) -> None:
        """Scale masses and inertias (columns of theta) so that the masses sum to `total`, () or (envs,) [kg]."""
        with plain_tensors():
            origin = self._origin(owner, source)
            columns = np.concatenate([masses, inertias])
            self._write(_Part(columns, envs, total.clone(), origin, n_masses=len(masses)))

    def columns_with_graph(self) -> list[torch.Tensor]:
        """Columns of theta that have a gradient, int64, (m,) for each setting, and of those that follow from them."""
        found = [part.index for part in self._parts if part.value.requires_grad]
        if found and self.follows:
            fields = [self._model.theta_fields[name] for name in inverse_weights.FIELDS]
            found += [torch.arange(f.offset, f.offset + f.size, device=found[0].device) for f in fields]
        return found

    def saved(self) -> tuple[torch.Tensor, list[_Part]]:
        """Every setting with its graph, for `go_back`."""
        return self._base, self._parts

    def go_back(self, saved: tuple[torch.Tensor, list[_Part]]) -> None:
        """As it was when `saved` was called."""
        self._base, self._parts = saved
        self._changed()

    def replace(self, theta: torch.Tensor) -> None:
        """Take over a whole vector, (P, ntheta), without graph."""
        self._base, self._parts = theta.detach().clone(), []
        self._changed()

    def differ(self, theta: np.ndarray, present: np.ndarray) -> None:
        """Start from a row per env, (n_worlds, ntheta); where `present` is False there is nothing, whatever is set."""
        self._base = torch.as_tensor(theta, dtype=runtime.tc_float, device=runtime.device)
        self._present = torch.as_tensor(present, dtype=runtime.tc_float, device=runtime.device)
        self._changed()

    def has_friction_loss(self) -> bool:
        """Whether any dof or tendon of any env has friction loss, and the model simulates it."""
        if not self._model.indices["frictionloss_on"][0]:
            return False
        fields = [self._model.theta_fields[name] for name in ("dof_frictionloss", "tendon_frictionloss")]
        theta = self.packed().detach()
        return any(bool((theta[:, field.offset : field.offset + field.size] > 0).any()) for field in fields)

    def features(self) -> list[str]:
        """Of `genesis.constants.OF_FEATURES`: what any env has, by its parameters."""
        theta = self.packed().detach()
        return [name for name, fields in OF_FEATURES.items() if any(self._any(theta, field) for field in fields)]

    def _any(self, theta: torch.Tensor, name: str) -> bool:
        field = self._model.theta_fields[name]
        return bool(theta[:, field.offset : field.offset + field.size].any())

    def refresh(self) -> None:
        """Build the graph between the given tensors and theta anew: a backward pass may have freed the old one."""
        if self._parts:
            self._changed()

    def _changed(self) -> None:
        self._packed = None
        self._when_changed()

    def warn_of_stale_values(self) -> None:
        """Log a warning for each parameter whose tensor was changed in place after it was set."""
        for part in self._parts:
            origin = part.origin
            if not part.superseded and origin.is_stale():
                origin.watched = []
                runtime.logger.warning(
                    f"The tensor given to {origin.setter}() was changed in place afterwards (by an optimizer?); the "
                    f"scene still uses the values it had. Call {origin.setter}() again to use the new ones."
                )

    # -- parts --------------------------------------------------------------------------------------------------------

    def _write(self, part: _Part) -> None:
        """Append `part`, and drop of the others what it supersedes.

        Raises GenesisException, and changes nothing, where too much of what is superseded must be kept, and where
        numbers that follow do not exist.
        """
        base, parts = self._settled(self._base, _in_use([*self._parts, part], self._n_worlds))
        superseded = sum(one.superseded for one in parts)
        in_force = len(parts) - superseded
        # Twice as many before a value without gradient is refused: such values are the way out.
        if superseded > max(_MOST_SUPERSEDED, 4 * in_force) * (1 if part.value.requires_grad else 2):
            raise GenesisException(
                f"{part.origin.setter}: {superseded} values that were set before, and set again since, would have to "
                "be kept: what set_mass() scales is what was in force, so that each still shares in the masses of "
                "today, and the gradient of those since the last backward pass goes through all of them. Call "
                "backward() in between, which ends their gradient, and set anew. Where no gradient is wanted, set "
                "under torch.no_grad(), or x.detach() instead of x, from the first setting on; to be rid of those that "
                "are kept, set the inertias and then the masses of all links in this way."
            )
        before = self.saved()
        self._base, self._parts = base, parts
        self._changed()
        if self.follows:
            try:
                self.packed()
            except GenesisException as error:
                self.go_back(before)
                raise GenesisException(f"{part.origin.setter}: {error}") from None

    def _settled(self, base: torch.Tensor, parts: list[_Part]) -> tuple[torch.Tensor, list[_Part]]:
        """The same, with superseded parts that a backward pass has gone through as numbers, and numbers in the base."""
        spent = [part for part in parts if part.superseded and part.origin.spent]
        for part in spent:
            if part.is_scale:
                base, parts = self._absorbed(base, parts, parts.index(part))
        # What only those scales have read is needed no longer.
        parts = _in_use(parts, self._n_worlds) if spent else parts
        parts = [
            part.frozen() if part.superseded and part.origin.spent and not part.is_scale else part for part in parts
        ]
        kept: list[_Part] = []
        for part in parts:
            if part.value.requires_grad or any(part.overlaps(other) for other in kept):
                kept.append(part)
            else:
                base = self._apply(base, part)
        return base, kept

    def _absorbed(self, base: torch.Tensor, parts: list[_Part], at: int) -> tuple[torch.Tensor, list[_Part]]:
        """A scale replaced by the number that it multiplies with, in the base and in the parts set before it."""
        scale, before = parts[at], parts[:at]
        under = self._pack(base, before).detach()
        if scale.per_env():
            under = under.expand(self._n_worlds, -1)
        chosen = under if scale.envs is None else under.index_select(0, scale.envs.tensor())
        ratio = scale.ratio(chosen).detach()
        if scale.factor is not None:  # the same for all of its columns
            ratio = ratio * scale.factor[..., 0]
        if scale.envs is not None:
            ratio = ratio.new_ones(self._n_worlds).index_copy(0, scale.envs.tensor(), ratio)
        base = base.expand(max(len(ratio), base.shape[0]), -1)
        scaled = base.index_select(1, scale.index) * ratio[:, None]
        base = base.index_copy(1, scale.index, scaled)
        before = [part.multiplied(scale.columns, ratio) if part.overlaps(scale) else part for part in before]
        return base, [*before, *parts[at + 1 :]]

    def _pack(self, theta: torch.Tensor, parts: list[_Part]) -> torch.Tensor:
        for part in parts:
            theta = self._apply(theta, part)
        return theta

    def _apply(self, theta: torch.Tensor, part: _Part) -> torch.Tensor:
        """Copy of `theta` with `part` in force."""
        if part.per_env() and theta.shape[0] != self._n_worlds:
            theta = theta.expand(self._n_worlds, -1)
        if part.envs is None:
            value = part.resolved(theta).expand(theta.shape[0], len(part.columns))
            return theta.index_copy(1, part.index, value)
        rows = part.envs.tensor()
        value = part.resolved(theta.index_select(0, rows) if part.is_scale else theta)
        return theta.index_put((rows[:, None], part.index[None, :]), value.expand(part.envs.count, len(part.columns)))


def _forget(
    theta: weakref.ref[Theta], packed: weakref.ref[torch.Tensor], origins: list[_Origin], *_gradients: object
) -> None:
    for origin in origins:
        origin.spent = True
    alive = theta()
    if alive is not None and alive._packed is not None and alive._packed is packed():
        alive._changed()


def _of_each(numbers: np.ndarray, item: tuple[int, ...]) -> torch.Tensor:
    """(count,) or (count, *item) as one number for each column, (count * size,); with rows of envs, so many rows."""
    size = int(np.prod(item))
    rows = len(numbers) if numbers.ndim > 1 + len(item) else 1
    count = numbers.shape[1] if numbers.ndim > 1 + len(item) else len(numbers)
    each = numbers.reshape(rows, count, -1) if numbers.size else numbers.reshape(rows, count, size)
    flat = np.broadcast_to(each, (rows, count, size)).reshape(rows, count * size)
    return torch.as_tensor(flat.copy() if numbers.ndim > 1 + len(item) else flat[0].copy())


def _six_numbers(inertia: torch.Tensor) -> torch.Tensor:
    """(..., 3, 3) symmetric matrices as (..., 6): xx, yy, zz, xy, xz, yz. The symmetric part is taken."""
    # Of torch's ways to the mean, the one whose graph saves no tensor: it can be gone through several times.
    both = torch.lerp(inertia, inertia.transpose(-1, -2), 0.5)
    return torch.stack(
        [both[..., i, j] for i, j in ((0, 0), (1, 1), (2, 2), (0, 1), (0, 2), (1, 2))],
        dim=-1,
    )
