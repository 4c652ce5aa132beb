"""Drones: entities that propellers carry."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch

from genesis import runtime
from genesis.entities.rigid_entity import RigidEntity
from genesis.errors import GenesisException
from genesis.world.arguments import fit, plain_tensors, read_tensor, require_finite

if TYPE_CHECKING:
    from genesis import Scene
    from genesis.world.world import World


class DroneEntity(RigidEntity):
    """An entity made from `gs.morphs.Drone`. Its propellers are also its actuators, whose controls are thrusts [N]."""

    def __init__(self, scene: Scene, idx: int, name: str, morph: Any, material: Any, surface: Any) -> None:
        from genesis.model.drones import read_properties  # MuJoCo comes along

        super().__init__(scene, idx, name, morph, material, surface)
        self._properties = read_properties(morph.file)

    @property
    def model(self) -> str:
        """ "CF2X", "CF2P" or "RACE", as the morph says."""
        return self._morph.model

    @property
    def properties(self) -> dict[str, float]:
        """The numbers of the file's `<properties .../>`; NaN for what is none."""
        return dict(self._properties)

    @property
    def KF(self) -> float:
        """Thrust of a propeller at n revolutions per minute, over n^2 [N / rpm^2]."""
        return self._properties["kf"]

    @property
    def KM(self) -> float:
        """Torque of a propeller at n revolutions per minute, over n^2 [N m / rpm^2]."""
        return self._properties["km"]

    @property
    def n_propellers(self) -> int:
        """How many propellers it has."""
        return len(self._morph.propellers_link_name)

    @property
    def propellers_idx(self) -> torch.Tensor:
        """Numbers in the scene of the links of its propellers, (n_propellers,)."""
        links = [self.get_link(name).idx for name in self._morph.propellers_link_name]
        return torch.tensor(links, dtype=runtime.tc_int, device=runtime.device)

    @property
    def propellers_spin(self) -> torch.Tensor:
        """Signs of the propellers' torques about the z axes of their links, (n_propellers,); not yet inverted for a
        "RACE"."""
        return torch.tensor(self._morph.propellers_spin, dtype=runtime.tc_float, device=runtime.device)

    @property
    def COM_link_idx(self) -> int:
        """Number in the scene of its base link."""
        return self.base_link_idx

    def set_propellers_rpm(self, propellers_rpm: Any) -> None:
        """Turn the propellers at so many revolutions per minute n during the next step, ([n_envs,] n_propellers).

        Each pushes its link with KF n^2 [N] along the link's z axis, at its centre of mass, and turns it about that
        axis with spin KM n^2 [N m], for the next step only; differentiable in n. A number is meant for all.

        Raises GenesisException for a second call before the next step, as in Genesis (`scene.reset()` allows another),
        before `build()`, and for a wrong shape, NaN and infinite values.
        """
        method = "set_propellers_rpm"
        place = self._built(method)
        owner, commands = place.owner(method), place.world.commands
        if commands.waits(place.ranges.control_start):
            raise GenesisException(
                f"{owner}: called for the second time before the next step. Give all speeds at once; scene.reset() "
                "takes them back."
            )
        rpm = read_tensor(place.world, propellers_rpm, "propellers_rpm", owner)
        rpm = fit(place.world, rpm, None, (self.n_propellers,), "propellers_rpm", owner, scalar=True)
        require_finite(rpm, "propellers_rpm", owner, command=True)
        thrust = _thrust(self, rpm)
        if thrust.requires_grad and thrust.ndim == 1 and place.world.n_envs > 1:
            thrust = thrust.expand(place.world.n_envs, -1)  # as every command: summed over the steps of each env first
        starts = place.ranges.actuator_start, place.ranges.control_start
        commands.set_for_one_step(starts, self.n_propellers, thrust)

    def set_propellels_rpm(self, propellels_rpm: Any) -> None:
        """As `set_propellers_rpm`, under the name that it had in older versions of Genesis."""
        self.set_propellers_rpm(propellels_rpm)


def thrusts_of(world: World, entities: Sequence[RigidEntity], speeds: Any, owner: str) -> dict[Any, Any]:
    """Sequences of speeds of drones, in revolutions per minute, as thrusts [N]; what else is controlled stays as it is.

    Raises GenesisException for an entity that is no drone, and for a single tensor where there is not just one drone.
    """
    if not isinstance(speeds, Mapping):
        drones = [entity for entity in entities if isinstance(entity, DroneEntity)]
        if len(drones) != 1:
            raise GenesisException(
                f"{owner}: there are {len(drones)} drones, so a single tensor is not enough; pass a dict, as "
                "scene.rollout({drone: rpm})."
            )
        speeds = {drones[0]: speeds}
    thrusts = {}
    for one, value in speeds.items():
        if isinstance(one, DroneEntity):
            rpm = read_tensor(world, value, "controls", owner)
            require_finite(rpm, "controls", owner, command=True)
            value = _thrust(one, rpm)
        elif isinstance(one, RigidEntity):
            raise GenesisException(f"{owner}: {one.name!r} is no drone (gs.morphs.Drone), it has no propellers.")
        thrusts[one] = value
    return thrusts


def _thrust(drone: DroneEntity, rpm: torch.Tensor) -> torch.Tensor:
    """KF n^2 [N]; what was given may be changed in place afterwards."""
    with plain_tensors():
        rpm = rpm.clone()
        return drone.KF * rpm * rpm
