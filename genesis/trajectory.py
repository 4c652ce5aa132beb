"""What `scene.rollout` returns."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from genesis.errors import GenesisException

if TYPE_CHECKING:
    from genesis.entities.rigid_entity import RigidEntity
    from genesis.grad.tensor import Tensor
    from genesis.scene import Scene


class Trajectory:
    """The states of a rollout, the first one included, each differentiable with respect to all that led to it.

    Attributes:
        n_steps: T; every tensor has T + 1 states along its first axis
    """

    def __init__(self, scene: Scene, states: torch.Tensor | None, theta: torch.Tensor, n_steps: int) -> None:
        self._scene, self._states, self._theta, self.n_steps = scene, states, theta, n_steps

    def __repr__(self) -> str:
        kept = "" if self._states is not None else ", states not kept"
        return f"<Trajectory of {self.n_steps} steps, n_envs {self._scene.n_envs}{kept}>"

    def qpos(self, entity: RigidEntity | None = None) -> Tensor:
        """Generalized positions [m, rad], (T + 1, [n_envs,] n_qs)."""
        start, count = self._range("qpos", entity, "q")
        return self._wrap(torch.narrow_copy(self._kept("qpos"), 2, start, count))

    def dofs_velocity(self, entity: RigidEntity | None = None) -> Tensor:
        """Velocities of the dofs [m/s, rad/s], (T + 1, [n_envs,] n_dofs)."""
        start, count = self._range("dofs_velocity", entity, "dof")
        return self._wrap(torch.narrow_copy(self._kept("dofs_velocity"), 2, self._scene._nq + start, count))

    def links_pos(self, entity: RigidEntity | None = None) -> Tensor:
        """Positions of the links' origins [m], world frame, (T + 1, [n_envs,] n_links, 3)."""
        return self._links("links_pos", entity, 0)

    def links_quat(self, entity: RigidEntity | None = None) -> Tensor:
        """Orientations of the links (w, x, y, z), unit, world frame, (T + 1, [n_envs,] n_links, 4)."""
        return self._links("links_quat", entity, 1)

    # -- how ----------------------------------------------------------------------------------------------------------

    def _links(self, method: str, entity: RigidEntity | None, which: int) -> Tensor:
        start, count = self._range(method, entity, "link")
        values = self._scene._observe_at(("xpos", "xquat"), self._kept(method), self._theta)[which]
        return self._wrap(torch.narrow_copy(values, 2, start + 1, count))

    def _kept(self, method: str) -> torch.Tensor:
        if self._states is None:
            raise GenesisException(
                f"trajectory.{method}: the states between were not kept, because they need more than `memory_limit`. "
                "The getters of the scene read the last one; raise the limit to keep all, or roll out in parts."
            )
        return self._states

    def _range(self, method: str, entity: Any, kind: str) -> tuple[int, int]:
        """First column (of the scene) and how many, of what an entity has of links, qs or dofs."""
        entities = self._scene.entities
        if entity is None and len(entities) == 1:
            entity = entities[0]
        if entity not in entities:
            raise GenesisException(
                f"trajectory.{method}: `entity` is {entity!r}; expected one of the scene's entities: "
                f"{', '.join(repr(e.name) for e in entities)}."
            )
        start = getattr(entity, f"{kind}_start")
        return start, getattr(entity, f"{kind}_end") - start

    def _wrap(self, values: torch.Tensor) -> Tensor:
        return self._scene._label(values.squeeze(1) if self._scene.n_envs == 0 else values)
