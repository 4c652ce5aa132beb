"""The table of constraint rows: which rows a model can have, of which kind, and which dofs each of them touches.

A row is one number ``y = J qacc - aref`` and a convex potential of it, whose negative slope is the row's force
(MuJoCo: efc). Every row that a model can ever have has a slot here, with a sparse J over a fixed list of dofs, from the
time that the scene is built; which of them are *active* is decided anew in every evaluation. A *kind* (limits of
joints, friction loss, equality of two bodies, ...) says which slots a model has, and brings the kernels that fill them;
what is done with rows after that knows no kinds. (Contacts are blocks of rows with a cone; see
:mod:`genesis.model.contact`.)
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Protocol

import mujoco
import numpy as np

# The potential of a row, by its force: -D y (equality); the same, clipped to plus or minus the friction loss; the same
# where it pushes, else 0 (limit).
EQUALITY, FRICTION, LIMIT = range(3)


class Structure(Protocol):
    """What kinds look at: the part of a `Model` that is there before its rows."""

    mj_model: mujoco.MjModel
    weld_pairs: list[tuple[int, int]]

    def dof_chain(self, body: int) -> list[int]:
        """Dofs that move a body, from the root outwards."""

    def tendon_dofs(self, tendon: int) -> list[int]:
        """Dofs that change a tendon's length, ascending."""


@dataclass(frozen=True)
class Block:
    """Rows that are active together and share a softness, whose impedance goes by the norm of their positions.

    Attributes:
        dofs: that the rows' J touches, ascending; at least one: what nothing can move is no element of its kind
        law: EQUALITY, FRICTION or LIMIT
        softness: row of the kind's solref and solimp
        dim: number of rows
    """

    dofs: Sequence[int]
    law: int
    softness: int
    dim: int = 1


@dataclass
class Slots:
    """What a kind has in a model.

    Attributes:
        elements: of each element (joint, tendon, ...) its blocks; their rows follow one another
        owners: of each element what it is, in words for `genesis.grad.names`, and its number: ("joint", 3)
        words: what the rows of an element are to it, "the lower limit of"; the last stands for all beyond
        present: whether there is a constraint from the start, with the model's own numbers
        indices, constants, theta: arrays that the kind's kernels read, by name; see `Model`
    """

    elements: list[list[Block]] = field(default_factory=list)
    owners: list[tuple[str, int]] = field(default_factory=list)
    words: tuple[str, ...] = ("",)
    present: bool = False
    indices: dict[str, Any] = field(default_factory=dict)
    constants: dict[str, np.ndarray] = field(default_factory=dict)
    theta: dict[str, np.ndarray] = field(default_factory=dict)


@dataclass(frozen=True)
class RowKind:
    """One entry of the table.

    Attributes:
        name: of the kind; kernels find the first row of each of its elements in the index array ``<name>_row``
        describe: its slots in a model
        kernels: that write J, position, inverse inertia, ... of its rows (see `genesis.rigid.kernels.constraint.kinds`)
        solref, solimp: names of the parameters with the softness of its blocks, (n, 2) and (n, 5)
    """

    name: str
    describe: Callable[[Structure], Slots]
    kernels: tuple
    solref: str
    solimp: str


class RowTable:
    """The rows of a model.

    Attributes:
        nefc, nJ, nblock: number of rows, of entries of their J, and of blocks
        first: kind -> its first row; count: kind -> how many rows it has
        elements: kind -> first row of each of its elements
        owners: of each row what it is to what: ("the lower limit of", "joint", 3)
        present: whether there is a constraint with the model's own numbers
        indices: efc_law (nefc,); efc_dof, ragged by row (efc_dof_adr), the dofs of each row; efc_block_adr
            (nblock + 1,) first row of each block; efc_softness (nblock,) row of ``efc_solref``; efc_edge (n, 3): row
            and two trees that it couples; and what the kinds have
        constants, theta: what the kinds have. The solrefs of all kinds come first, one after the other, then the
            solimps: together they are ``efc_solref`` and ``efc_solimp``
    """

    def __init__(self, model: Structure, kinds: Sequence[RowKind]):
        self.first: dict[str, int] = {}
        self.count: dict[str, int] = {}
        self.elements: dict[str, list[int]] = {}
        self.owners: list[tuple[str, str, int]] = []
        self.indices: dict[str, Any] = {}
        self.constants: dict[str, np.ndarray] = {}
        self.theta: dict[str, np.ndarray] = {}
        self.present = False
        described = {kind.name: kind.describe(model) for kind in kinds}
        softness = self._collect(kinds, described)
        rows: list[Sequence[int]] = []
        laws: list[int] = []
        bounds, soft = [0], []
        for kind in kinds:
            self.first[kind.name] = len(rows)
            firsts = []
            slots = described[kind.name]
            for element, owner in zip(slots.elements, slots.owners, strict=True):
                firsts.append(len(rows))
                for block in element:
                    rows += [block.dofs] * block.dim
                    laws += [block.law] * block.dim
                    bounds.append(len(rows))
                    soft.append(softness[kind.solref] + block.softness)
                for k in range(len(rows) - firsts[-1]):
                    self.owners.append((slots.words[min(k, len(slots.words) - 1)], *owner))
            self.elements[kind.name] = firsts
            self.indices[f"{kind.name}_row"] = firsts
            self.count[kind.name] = len(rows) - self.first[kind.name]
        self.nefc, self.nblock = len(rows), len(soft)
        self.nJ = sum(len(dofs) for dofs in rows)
        self.indices |= {
            "efc_law": laws,
            "efc_dof": [dof for dofs in rows for dof in dofs],
            "efc_dof_adr": np.concatenate([[0], np.cumsum([len(dofs) for dofs in rows])]),
            "efc_block_adr": bounds,
            "efc_softness": soft,
            "efc_edge": np.reshape(list(_edges(rows, model.mj_model.dof_treeid)), (-1, 3)),
        }

    def _collect(self, kinds: Sequence[RowKind], described: dict[str, Slots]) -> dict[str, int]:
        """Put together what the kinds have; returns where each solref begins among all."""
        start, begins = 0, {}
        for kind in kinds:
            slots = described[kind.name]
            self.present |= slots.present
            self.indices |= slots.indices
            self.constants |= slots.constants
            if kind.solref not in begins:
                begins[kind.solref] = start
                start += len(slots.theta[kind.solref])
        for name in dict.fromkeys(kind.solref for kind in kinds):
            self.theta[name] = next(s.theta[name] for s in described.values() if name in s.theta)
        for name in dict.fromkeys(kind.solimp for kind in kinds):
            self.theta[name] = next(s.theta[name] for s in described.values() if name in s.theta)
        for slots in described.values():
            self.theta |= {name: value for name, value in slots.theta.items() if name not in self.theta}
        self.solrefs = tuple(dict.fromkeys(kind.solref for kind in kinds))
        self.solimps = tuple(dict.fromkeys(kind.solimp for kind in kinds))
        return begins


def _edges(rows: list[Sequence[int]], dof_treeid: np.ndarray):
    """(row, tree, tree) of neighbouring trees in the dofs of each row."""
    for row, dofs in enumerate(rows):
        trees = sorted({int(dof_treeid[dof]) for dof in dofs})
        for one, two in pairwise(trees):
            yield row, one, two
