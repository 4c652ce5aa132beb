"""Which contacts, limits and friction losses are active in a step, and what changed between two motions."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from genesis.grad import names
from genesis.model.arrays import Model
from genesis.model.rows import EQUALITY, FRICTION, LIMIT
from genesis.rigid.command import Command
from genesis.rigid.executors.dynamics import Dynamics

# What a contact does: no force (it is within its margin only, or pulled away), its friction holds, or it slides.
NO_FORCE, STICKS, SLIDES = "carries no force", "sticks", "slides"
_CONTACT = ("ncon", "con_pair", "con_dim", "con_y", "con_friction")
_ROWS = ("efc_active", "efc_force", "efc_loss")
_LOSES = 1.0 - 1.0e-9  # of the friction loss: a force that large slides

# (env, kind, number) -> what each of its contacts does, sorted; or, of a row of the table of constraints, one word.
Activity = dict[tuple[int, str, int], tuple[str, ...]]


@dataclass(frozen=True)
class Switch:
    """Something that is active in one motion and not, or not in the same way, in the other.

    Attributes:
        step: of the motions
        env: of the scene
        what: the pair or joint, in words
        change: what happens to it, in words
    """

    step: int
    env: int
    what: str
    change: str

    def text(self, several_envs: bool) -> str:
        """In words, with the env where there are several."""
        return f"step {self.step}{f', env {self.env}' if several_envs else ''}: {self.what}: {self.change}"


def activity(
    dynamics: Dynamics, theta: torch.Tensor, command: Command, state: torch.Tensor, guess: torch.Tensor
) -> Activity:
    """What is active at a state (N, nx) under a command."""
    model = dynamics.model
    if not model.constrained:
        return {}
    wanted = (*(_CONTACT if model.has_contacts else ()), *(_ROWS if model.rows.nefc else ()))
    values, _ = dynamics.observe(wanted, theta, command, state, guess)
    found = {name: value.detach().cpu().numpy() for name, value in zip(wanted, values, strict=True)}
    result: Activity = {}
    if model.has_contacts:
        _add_contacts(result, model, found)
    if model.rows.nefc:
        _add_rows(result, model, found)
    return result


def _add_rows(result: Activity, model: Model, found: dict[str, np.ndarray]) -> None:
    law, active, force = model.indices["efc_law"], found["efc_active"] == 1, found["efc_force"]
    slides = np.where(active, np.abs(force) >= _LOSES * np.where(active, found["efc_loss"], 0.0), False)
    for chosen, word in (
        ((law == LIMIT) & (force != 0.0), "is reached"),
        ((law == FRICTION) & slides, SLIDES),
        ((law == EQUALITY) & active, "holds"),
    ):
        for env, row in zip(*np.nonzero(active & chosen), strict=True):
            result[int(env), "row", int(row)] = (word,)


def _add_contacts(result: Activity, model: Model, found: dict[str, np.ndarray]) -> None:
    count, pairs, dims = found["ncon"][:, 1], found["con_pair"], found["con_dim"]
    several: dict[tuple[int, str, int], list[str]] = {}
    for env in np.flatnonzero(count):
        for c in range(count[env]):
            dim = int(dims[env, c])
            if dim > 0:
                pair = int(pairs[env, c])
                zone = _zone(model, found["con_y"][env, c, :dim], found["con_friction"][env, c, : dim - 1])
                several.setdefault((int(env), "contact", pair), []).append(zone)
    result.update({key: tuple(sorted(zones)) for key, zones in several.items()})


def _zone(model: Model, y: np.ndarray, friction: np.ndarray) -> str:
    """Of a contact with the residual `y`, as `genesis.rigid.kernels.constraint.potential` has it."""
    if len(y) == 1:
        return STICKS if y[0] < 0.0 else NO_FORCE
    if not model.elliptic:
        edges = np.concatenate([y[0] + friction * y[1:], y[0] - friction * y[1:]])
        pushing = edges < 0.0
        return STICKS if pushing.all() else (SLIDES if pushing.any() else NO_FORCE)
    mu = friction[0] / np.sqrt(float(model.mj_model.opt.impratio))
    normal, tangent = mu * y[0], float(np.linalg.norm(friction * y[1:]))
    if normal >= mu * tangent:
        return NO_FORCE
    return SLIDES if mu * normal + tangent > 0.0 else STICKS


def switches(model: Model, first: list[Activity], second: list[Activity], most: int = 8) -> list[Switch]:
    """What differs between two motions, the earliest first; of one pair or joint the first difference only."""
    found: list[Switch] = []
    seen: set[tuple[int, str, int]] = set()
    for step, (one, other) in enumerate(zip(first, second, strict=False)):
        if one == other:
            continue
        for key in sorted(one.keys() | other.keys()):
            if key in seen or one.get(key) == other.get(key):
                continue
            seen.add(key)
            env, kind, number = key
            found.append(Switch(step, env, _what(model, kind, number), _change(one.get(key), other.get(key))))
            if len(found) == most:
                return found
    return found


def _what(model: Model, kind: str, number: int) -> str:
    if kind == "contact":
        return f"contact of {names.pair(model, number)}"
    return names.row(model, number).removeprefix("the ")


def _change(one: tuple[str, ...] | None, other: tuple[str, ...] | None) -> str:
    if one is None or other is None:
        return "appears or vanishes" if (one or other) != (SLIDES,) else "appears or vanishes, or begins to slide"
    if len(one) != len(other):
        return f"{len(one)} points against {len(other)}"
    return f"{_several(one)} against {_several(other)}"


def _several(zones: tuple[str, ...]) -> str:
    counts = {zone: zones.count(zone) for zone in dict.fromkeys(zones)}
    return ", ".join(zone if len(zones) == 1 else f"{count} {zone}" for zone, count in counts.items())
