"""What every part of an entity's interface stands on: its place in the scene and the reading of arguments."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from genesis import runtime
from genesis.entities.indexing import Selection, fit, read_tensor, require_finite, select, select_envs, select_range
from genesis.errors import GenesisException

if TYPE_CHECKING:
    from genesis.entities.layout import DofLayout
    from genesis.model.compose import EntityRange
    from genesis.scene import Scene


class EntityBase:
    """A name and ranges of links, joints, qs, dofs, geoms and actuators over the scene's tensors.

    Numbers of the ranges are those of the scene: link 0 is the scene's first link (MuJoCo's body 1).
    """

    _scene: Scene
    _name: str
    _range: EntityRange | None = None
    _dof_layout: DofLayout

    @property
    def name(self) -> str:
        """The entity's name, unique in its scene."""
        return self._name

    @property
    def scene(self) -> Scene:
        """The scene that it is part of."""
        return self._scene

    def _built(self, asked_for: str) -> EntityRange:
        """The entity's ranges; raises GenesisException before `scene.build()`."""
        runtime.require_init()
        found = self._range
        if found is None:
            raise GenesisException(f"{self._name}.{asked_for} needs the built scene: call scene.build() first.")
        return found

    def _owner(self, method: str) -> str:
        """Beginning of an error message."""
        return f"{self._name}.{method}"

    # -- ranges -------------------------------------------------------------------------------------------------------

    @property
    def link_start(self) -> int:
        """Number of its first link in the scene."""
        return self._built("link_start").link_start - 1

    @property
    def link_end(self) -> int:
        """One beyond the number of its last link in the scene."""
        return self._built("link_end").link_end - 1

    @property
    def joint_start(self) -> int:
        """Number of its first joint in the scene."""
        return self._built("joint_start").joint_start

    @property
    def joint_end(self) -> int:
        """One beyond the number of its last joint in the scene."""
        return self._built("joint_end").joint_end

    @property
    def q_start(self) -> int:
        """Column of its first q in the scene's qpos."""
        return self._built("q_start").q_start

    @property
    def q_end(self) -> int:
        """One beyond its last q."""
        return self._built("q_end").q_end

    @property
    def dof_start(self) -> int:
        """Number of its first dof in the scene."""
        return self._built("dof_start").dof_start

    @property
    def dof_end(self) -> int:
        """One beyond its last dof."""
        return self._built("dof_end").dof_end

    @property
    def geom_start(self) -> int:
        """Number of its first geom in the scene."""
        return self._built("geom_start").geom_start

    @property
    def geom_end(self) -> int:
        """One beyond its last geom."""
        return self._built("geom_end").geom_end

    @property
    def n_links(self) -> int:
        """How many links it has."""
        found = self._built("n_links")
        return found.link_end - found.link_start

    @property
    def n_joints(self) -> int:
        """How many joints it has that move (a fixed connection is none)."""
        found = self._built("n_joints")
        return found.joint_end - found.joint_start

    @property
    def n_qs(self) -> int:
        """How many numbers its qpos has: 7 per free joint, 4 per ball joint, 1 per hinge or slide."""
        found = self._built("n_qs")
        return found.q_end - found.q_start

    @property
    def n_dofs(self) -> int:
        """How many degrees of freedom it has: 6 per free joint, 3 per ball joint, 1 per hinge or slide."""
        found = self._built("n_dofs")
        return found.dof_end - found.dof_start

    @property
    def n_geoms(self) -> int:
        """How many geoms it has."""
        found = self._built("n_geoms")
        return found.geom_end - found.geom_start

    @property
    def n_actuators(self) -> int:
        """How many actuators its model file defines."""
        found = self._built("n_actuators")
        return found.actuator_end - found.actuator_start

    # -- arguments ----------------------------------------------------------------------------------------------------

    def _select(self, method: str, argument: str, idx: Any, n: int, *, unique: bool) -> Selection:
        """Resolve an `*_idx_local` argument; None means all."""
        if idx is None:
            return select_range(n, 0, n)
        return select(idx, n, argument, self._owner(method), unique=unique)

    def _select_envs(self, method: str, envs_idx: Any, *, unique: bool) -> Selection | None:
        if envs_idx is None:
            return None
        return select_envs(self._scene, envs_idx, self._owner(method), unique=unique)

    def _shaped(
        self, method: str, argument: str, value: Any, item: tuple[int, ...], envs: Selection | None, *, scalar: bool
    ) -> torch.Tensor:
        """A tensor of shape `item` or (envs, *item), its graph kept; raises GenesisException otherwise."""
        owner = self._owner(method)
        tensor = read_tensor(self._scene, value, argument, owner)
        return fit(self._scene, tensor, envs, item, argument, owner, scalar=scalar)

    def _read(
        self, method: str, argument: str, value: Any, item: tuple[int, ...], envs: Selection | None, *, scalar: bool
    ) -> torch.Tensor:
        """The same; its numbers are finite."""
        tensor = self._shaped(method, argument, value, item, envs, scalar=scalar)
        require_finite(tensor, argument, self._owner(method))
        return tensor
