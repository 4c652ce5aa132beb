"""What a check has seen: everything that a finding may rest on."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import torch

from genesis.doctor import graph as check_graph
from genesis.doctor.places import Place
from genesis.doctor.recording import Evaluator, Step
from genesis.doctor.report import Growth, InputCheck

if TYPE_CHECKING:
    from genesis.scene import Scene

SHOWN = 8  # numbers of a list that are printed


@dataclass
class Motion:
    """What was seen of the loss with every step a node.

    Attributes:
        steps: in order
        gradients: dL/dx, (N, nx), at the places that the graph reaches
        flat: operations that let no gradient through
        non_finite: the operation that first made a gradient NaN or infinite
        value: the loss, whose graph keeps that of the steps
    """

    steps: list[Step]
    gradients: dict[Place, torch.Tensor | None]
    flat: list[check_graph.Flat]
    non_finite: check_graph.NonFinite | None
    value: torch.Tensor


@dataclass
class Context:
    """Everything that a finding may rest on; ``loss`` and ``again`` are two calls of it."""

    scene: Scene
    inputs: dict[str, torch.Tensor]
    evaluator: Evaluator
    checks: dict[str, InputCheck]
    motion: Motion
    growth: Growth | None
    loss: float
    again: float
    noise: float
    rtol: float
    remarks: list[str] = field(default_factory=list)

    @property
    def n_envs(self) -> int:
        """Number of copies, at least 1."""
        return max(self.scene.n_envs, 1)

    def env_text(self, envs: tuple[int, ...]) -> str:
        """ "env 3: ", where there are several."""
        if self.n_envs == 1 or not envs:
            return ""
        return f"env{'s' * (len(envs) > 1)} {listed(envs)}: "


def listed(numbers: list[int] | tuple[int, ...]) -> str:
    """ "1, 2, 3, ..." """
    return ", ".join(map(str, numbers[:SHOWN])) + (", ..." if len(numbers) > SHOWN else "")
