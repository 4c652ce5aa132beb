"""Where a handle's parts are in the world: what every method of an entity stands on once the scene is built."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from genesis import runtime
from genesis.errors import GenesisException
from genesis.world.arguments import Selection, fit, read_tensor, require_finite, select, select_envs, select_range

if TYPE_CHECKING:
    from genesis import Scene
    from genesis.model.compose import EntityRange
    from genesis.world.layout import DofLayout
    from genesis.world.world import World


def world_of(scene: Scene, asked_for: str) -> World:
    """The world of a built scene; raises GenesisException, naming what asks for it, before `scene.build()`."""
    runtime.require_init()
    if not scene.is_built:
        raise GenesisException(f"scene.{asked_for} needs the built scene: call scene.build() first.")
    return scene.world


class Place:
    """An entity in the world: its name, and its ranges of links, joints, qs, dofs, geoms and actuators.

    Attributes:
        name: the entity's
        world: that it is in
        ranges: its parts' ids in the compiled model, and their names (`compose.EntityRange`)
        layout: how its dof positions correspond to its qpos
        starts: of each axis of which the entity has a range ("links", "joints", "dofs", "geoms", "actuators", "qs"),
            MuJoCo's number of the entity's first
        counts: of each, how many
        reaches: what inverse kinematics knows of links and dofs that it was asked for before
        has_one_control_each: whether each of its actuators has exactly one control
    """

    def __init__(self, world: World, number: int) -> None:
        self.take(world, world.composed.entities[number], world.layouts[number])

    def take(self, world: World, ranges: EntityRange, layout: DofLayout) -> None:
        """Be the place of these ranges of a world."""
        self.world, self.ranges, self.layout = world, ranges, layout
        self.name = ranges.name
        kinds = [one.name.removesuffix("_start") for one in fields(ranges) if one.name.endswith("_start")]
        self.starts = {_plural(kind): int(getattr(ranges, f"{kind}_start")) for kind in kinds}
        self.counts = {
            _plural(kind): int(getattr(ranges, f"{kind}_end") - getattr(ranges, f"{kind}_start")) for kind in kinds
        }

        self.reaches: dict[Any, Any] = {}
        numbers = world.composed.mj_model.actuator_ctrlnum[ranges.actuator_start : ranges.actuator_end]
        self.has_one_control_each = bool((numbers == 1).all())

    # -- arguments ----------------------------------------------------------------------------------------------------

    def owner(self, method: str) -> str:
        """Beginning of an error message."""
        return f"{self.name}.{method}"

    def select(self, method: str, axis: str, idx: Any, *, unique: bool) -> Selection:
        """Resolve the argument `<axis>_idx_local`; None means all."""
        n = self.counts[axis]
        if idx is None:
            return select_range(n, 0, n)
        return select(idx, n, f"{axis}_idx_local", self.owner(method), unique=unique)

    def select_envs(self, method: str, envs_idx: Any, *, unique: bool) -> Selection | None:
        """Resolve `envs_idx`; None means every env."""
        if envs_idx is None:
            return None
        return select_envs(self.world, envs_idx, self.owner(method), unique=unique)

    def shaped(
        self, method: str, argument: str, value: Any, item: tuple[int, ...], envs: Selection | None, *, scalar: bool
    ) -> torch.Tensor:
        """A tensor of shape `item` or (envs, *item), its graph kept; raises GenesisException otherwise."""
        owner = self.owner(method)
        tensor = read_tensor(self.world, value, argument, owner)
        return fit(self.world, tensor, envs, item, argument, owner, scalar=scalar)

    def read(
        self, method: str, argument: str, value: Any, item: tuple[int, ...], envs: Selection | None, *, scalar: bool
    ) -> torch.Tensor:
        """The same; its numbers are finite."""
        tensor = self.shaped(method, argument, value, item, envs, scalar=scalar)
        require_finite(tensor, argument, self.owner(method))
        return tensor

    # -- parts --------------------------------------------------------------------------------------------------------

    def history(self, method: str, actuator: Any) -> tuple[int, int]:
        """Where in a state the past controls of one actuator, `actuator_idx_local`, begin, and how many they are."""
        owner, argument = self.owner(method), "actuator_idx_local"
        chosen = select(actuator, self.counts["actuators"], argument, owner, unique=True)
        if chosen.count != 1:
            raise GenesisException(f"{owner}: `{argument}` names {chosen.count} actuators; expected one.")
        indices, number = self.world.model.indices, int(chosen.positions()[0])
        (found,) = np.nonzero(indices["history_actuator"] == self.starts["actuators"] + number)
        if not len(found):
            raise GenesisException(
                f"{owner}: {self.element('actuators', number)} keeps no history of its controls; state `nsample` in "
                "the model file, or choose another."
            )
        first, end = indices["history_adr"][[found[0], found[-1] + 1]].tolist()
        return self.world.nq + self.world.nv + first, end - first

    def touching(self) -> np.ndarray:
        """Its geoms that can touch something, counted in the entity."""
        start, count = self.starts["geoms"], self.counts["geoms"]
        return np.flatnonzero(self.world.model.cgeom_of_geom[start : start + count] >= 0)

    def ellipsoids(self) -> np.ndarray:
        """Its geoms on which a fluid acts as on ellipsoids, counted in the entity."""
        start, count = self.starts["geoms"], self.counts["geoms"]
        return np.flatnonzero(np.isin(np.arange(start, start + count), self.world.model.ellipsoid_geoms))

    def element(self, axis: str, k: int) -> str:
        """How an error message calls the k-th link, joint, dof or actuator."""
        if axis == "dofs":
            model = self.world.composed.mj_model
            dof = self.starts["dofs"] + k
            joint = int(model.dof_jntid[dof])
            within = dof - int(model.jnt_dofadr[joint])
            name = self.ranges.joint_names[joint - self.starts["joints"]]
            return f"dof {k} (joint '{name}')" if within == 0 else f"dof {k} (joint '{name}', its dof {within})"
        kind = f"{axis[:-3]}y" if axis.endswith("ies") else axis[:-1]
        return f"{kind} '{getattr(self.ranges, f'{kind}_names')[k]}'"


def _plural(kind: str) -> str:
    """ "link": "links", "equality": "equalities"."""
    return f"{kind[:-1]}ies" if kind.endswith("y") else f"{kind}s"
