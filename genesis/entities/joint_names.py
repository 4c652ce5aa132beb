"""Small names of a joint: numbers of its qs and dofs, and where it is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from genesis.entities.part_shapes import Part
from genesis.world.arguments import Selection, gather, select_range

if TYPE_CHECKING:
    from genesis.entities.place import Place
    from genesis.grad.tensor import Tensor


class JointNames(Part):
    """Which qs and dofs of the scene and of the entity are a joint's own. Subclasses know `n_qs` and the like."""

    _n_qs: int
    _n_dofs: int
    _q: int
    _dof: int

    @property
    def q_end(self) -> int:
        """One beyond its last q in the scene."""
        return self._q + self._n_qs

    @property
    def dof_end(self) -> int:
        """One beyond its last dof in the scene."""
        return self._dof + self._n_dofs

    @property
    def qs_idx(self) -> list[int]:
        """Its qs in the scene."""
        return list(range(self._q, self.q_end))

    @property
    def dofs_idx(self) -> list[int]:
        """Its dofs in the scene."""
        return list(range(self._dof, self.dof_end))

    @property
    def qs_idx_local(self) -> list[int]:
        """Its qs in the entity."""
        return [q - self._entity.q_start for q in self.qs_idx]

    @property
    def dofs_idx_local(self) -> list[int]:
        """Its dofs in the entity."""
        return [dof - self._entity.dof_start for dof in self.dofs_idx]

    @property
    def q_idx(self) -> int | list[int]:
        """Its q in the scene: a number for a hinge or slide, a list for the others (`qs_idx`)."""
        return self._q if self._n_qs == 1 else self.qs_idx

    @property
    def q_idx_local(self) -> int | list[int]:
        """Its q in the entity: a number for a hinge or slide, a list for the others (`qs_idx_local`)."""
        return self._q - self._entity.q_start if self._n_qs == 1 else self.qs_idx_local

    @property
    def dof_idx(self) -> int | list[int]:
        """Its dof in the scene: a number for a hinge or slide, a list for the others (`dofs_idx`)."""
        return self._dof if self._n_dofs == 1 else self.dofs_idx

    @property
    def dof_idx_local(self) -> int | list[int]:
        """Its dof in the entity: a number for a hinge or slide, a list for the others (`dofs_idx_local`)."""
        return self._dof - self._entity.dof_start if self._n_dofs == 1 else self.dofs_idx_local

    @property
    def init_qpos(self) -> np.ndarray:
        """Its qs at build [m, rad], (n_qs,)."""
        return np.array(self._built().world.composed.mj_model.qpos0[self._q : self.q_end])

    @property
    def pos(self) -> np.ndarray:
        """Its anchor at build [m], in its link's frame, (3,)."""
        return np.array(self._built().world.composed.mj_model.jnt_pos[self.idx])

    def get_anchor_pos(self, envs_idx: Any = None) -> Tensor:
        """Where it is: its anchor [m], world frame, ([n_envs,] 3); MuJoCo's xanchor, as Genesis has it.

        Later joints of the same link, and its own if it slides, do not move it.
        """
        return self._observed("get_anchor_pos", 0, envs_idx)

    def get_anchor_axis(self, envs_idx: Any = None) -> Tensor:
        """Its axis, unit, world frame, ([n_envs,] 3); MuJoCo's xaxis."""
        return self._observed("get_anchor_axis", 1, envs_idx)

    def _observed(self, method: str, which: int, envs_idx: Any) -> Tensor:
        place = self._built()
        chosen = select_range(place.world.composed.mj_model.njnt, self.idx, 1)
        found = joint_places(place, f"{self._called}.{method}", which, chosen, envs_idx)
        return place.world.label(found.squeeze(-2))


def joint_places(place: Place, method: str, which: int, joints: Selection, envs_idx: Any) -> Tensor:
    """Anchors (`which` 0) or axes (1) of joints by their scene numbers, world frame, ([n_envs,] n, 3)."""
    world = place.world
    envs = place.select_envs(method, envs_idx, unique=False)
    names = ("xanchor", "xaxis")
    value = world.observe_at(names, world.read_state(), world.theta.packed(), world.commands.idle)[which]
    return world.wrap(gather(value, envs, joints))
