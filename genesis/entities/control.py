"""Controls of an entity: commands that the next steps run under. All are differentiable in their tensors."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from genesis.entities.base import EntityBase
from genesis.entities.place import Place
from genesis.errors import GenesisException
from genesis.grad.tensor import Tensor
from genesis.world.arguments import (
    Selection,
    fit,
    gather,
    plain_tensors,
    read_tensor,
    require_finite,
    select,
    select_range,
)
from genesis.world.commands import FORCE, POSITION, POSITION_VELOCITY, VELOCITY
from genesis.world.wrench import WrenchPoint, apply_wrench


class Controller(EntityBase):
    """What an entity can be told to do. A command holds until it is replaced; `scene.reset()` clears it.

    A value has shape `(n,)`, used for every env, or `(n_envs, n)` with one row per env (per chosen env with
    `envs_idx`). It is copied at the call, with its graph: changing the tensor in place later has no effect.

    Every control raises GenesisException, before anything changes, for a call before `build()`, a wrong shape, an
    index out of range or given twice, a tensor of another scene, and NaN or infinite values. The last is not looked
    for in a tensor that is on a GPU, which would make the host wait for the device at each step.
    """

    def control_dofs_force(self, force: Any, dofs_idx_local: Any = None, envs_idx: Any = None) -> None:
        """Apply generalized forces [N, N m], ([n_envs,] n_dofs), clipped to the force range."""
        _control(
            self._built("control_dofs_force"),
            "control_dofs_force",
            FORCE,
            (("force", force),),
            dofs_idx_local,
            envs_idx,
        )

    def control_dofs_position(self, position: Any, dofs_idx_local: Any = None, envs_idx: Any = None) -> None:
        """Pull dofs to positions [m, rad], ([n_envs,] n_dofs): force kp (target - position) - kv velocity, clipped.

        The targets of the rotational dofs of a free or ball joint are extrinsic x-y-z Euler angles; the error is the
        rotation vector from the present orientation to the target, in the body frame. The gains of a free joint are 0
        unless they are set: nothing holds a free base in the air. Gains that cannot be stable at this time step are
        warned of, once per scene.
        """
        _control(
            self._built("control_dofs_position"),
            "control_dofs_position",
            POSITION,
            (("position", position),),
            dofs_idx_local,
            envs_idx,
        )

    def control_dofs_velocity(self, velocity: Any, dofs_idx_local: Any = None, envs_idx: Any = None) -> None:
        """Pull dofs to velocities [m/s, rad/s], ([n_envs,] n_dofs): force kv (target - velocity), clipped."""
        _control(
            self._built("control_dofs_velocity"),
            "control_dofs_velocity",
            VELOCITY,
            (("velocity", velocity),),
            dofs_idx_local,
            envs_idx,
        )

    def control_dofs_position_velocity(
        self, position: Any, velocity: Any, dofs_idx_local: Any = None, envs_idx: Any = None
    ) -> None:
        """Pull dofs along a motion: force kp (position - present) + kv (velocity - present), clipped.

        `position` [m, rad] and `velocity` [m/s, rad/s]: ([n_envs,] n_dofs) each, as for the two controls alone.
        """
        given = (("position", position), ("velocity", velocity))
        _control(
            self._built("control_dofs_position_velocity"),
            "control_dofs_position_velocity",
            POSITION_VELOCITY,
            given,
            dofs_idx_local,
            envs_idx,
        )

    def control_actuators(self, ctrl: Any, actuators_idx_local: Any = None, envs_idx: Any = None) -> None:
        """Give the model file's own actuators their control signals, MuJoCo's `ctrl`, ([n_envs,] n_controls).

        Most actuators have one control. Of one that has several, as a PID servo, they stand side by side:
        `control_names` lists them. With `actuators_idx_local` the columns are the controls of these actuators, one
        actuator's after the other's. An actuator is idle (no force, no activation dynamics) until it is first
        commanded; one without controls acts from the start.
        """
        method = "control_actuators"
        place = self._built(method)
        owner = place.owner(method)
        chosen = place.select(method, "actuators", actuators_idx_local, unique=True)
        envs = place.select_envs(method, envs_idx, unique=True)
        signals = _controls_of(place, chosen)
        value = _command_value(place, owner, "ctrl", ctrl, signals.count, envs)
        if chosen.count:
            starts = place.ranges.actuator_start, place.ranges.control_start
            place.world.commands.set_actuators(starts, chosen, signals, envs, value)

    def set_equalities_active(self, active: Any, equalities_idx_local: Any = None, envs_idx: Any = None) -> None:
        """Whether equality constraints of the model file hold from the next step on, bool, ([n_envs,] n_equalities).

        At the start, and after `scene.reset()`, as the file says. Raises GenesisException for values other than True
        and False (or 1 and 0), and where the scene has equality constraints disabled.
        """
        method = "set_equalities_active"
        place = self._built(method)
        owner = place.owner(method)
        if place.world.is_disabled("EQUALITY"):
            raise GenesisException(f"{owner}: equality constraints are not simulated in this scene.")
        chosen = place.select(method, "equalities", equalities_idx_local, unique=True)
        envs = place.select_envs(method, envs_idx, unique=True)
        value = place.read(method, "active", _as_numbers(active), (chosen.count,), envs, scalar=True)
        wrong = value[(value != 0) & (value != 1)]
        if len(wrong):
            raise GenesisException(f"{owner}: `active` holds {wrong[0].item():g}; expected True or False.")
        columns = torch.as_tensor(place.starts["equalities"] + chosen.positions())
        place.world.commands.set_equalities(columns, value.detach().to(torch.int32), envs)
        place.world.observer.clear()

    def get_equalities_active(self, equalities_idx_local: Any = None, envs_idx: Any = None) -> Tensor:
        """Whether equality constraints of the model file hold, bool, ([n_envs,] n_equalities)."""
        method = "get_equalities_active"
        place = self._built(method)
        chosen = place.select(method, "equalities", equalities_idx_local, unique=False)
        envs = place.select_envs(method, envs_idx, unique=False)
        active = gather(place.world.commands.command.switches.eq_active, envs, chosen, place.starts["equalities"])
        return place.world.wrap(active.bool())

    def apply_links_external_force(
        self,
        force: Any,
        links_idx_local: Any = None,
        envs_idx: Any = None,
        *,
        ref: WrenchPoint = "link_origin",
        local: bool = False,
    ) -> None:
        """Apply forces to links for the next step [N], ([n_envs,] n_links, 3).

        `ref`: the point at which they act: the links' origins, their centres of mass ("link_com"), or the centre of
        mass of each link's whole tree ("root_com"). `local`: the forces are given in the links' frames, not in the
        world's (not with "root_com"). Forces of several calls before a step add up; after the step they are gone.
        """
        _apply(
            self._built("apply_links_external_force"),
            "apply_links_external_force",
            force,
            None,
            links_idx_local,
            envs_idx,
            ref,
            local,
        )

    def apply_links_external_torque(
        self,
        torque: Any,
        links_idx_local: Any = None,
        envs_idx: Any = None,
        *,
        ref: WrenchPoint = "link_origin",
        local: bool = False,
    ) -> None:
        """Apply torques to links for the next step [N m], ([n_envs,] n_links, 3).

        `ref` does not matter to a torque. `local`: in the links' frames, not in the world's. Torques of several calls
        before a step add up; after the step they are gone.
        """
        _apply(
            self._built("apply_links_external_torque"),
            "apply_links_external_torque",
            None,
            torque,
            links_idx_local,
            envs_idx,
            ref,
            local,
        )

    def apply_links_external_wrench(
        self,
        force: Any,
        torque: Any,
        links_idx_local: Any = None,
        envs_idx: Any = None,
        *,
        ref: WrenchPoint = "link_origin",
        local: bool = False,
    ) -> None:
        """Apply forces [N] and torques [N m] to links for the next step, ([n_envs,] n_links, 3) each.

        `ref` and `local` as for `apply_links_external_force`.
        """
        _apply(
            self._built("apply_links_external_wrench"),
            "apply_links_external_wrench",
            force,
            torque,
            links_idx_local,
            envs_idx,
            ref,
            local,
        )


# -- how --------------------------------------------------------------------------------------------------------------


def _control(
    place: Place, method: str, mode: int, given: tuple[tuple[str, Any], ...], dofs_idx_local: Any, envs_idx: Any
) -> None:
    owner = place.owner(method)
    start, n_dofs = place.ranges.dof_start, place.counts["dofs"]
    everything = dofs_idx_local is None and envs_idx is None
    chosen = None if everything else place.select(method, "dofs", dofs_idx_local, unique=True)
    envs = None if everything else place.select_envs(method, envs_idx, unique=True)
    count = n_dofs if chosen is None else chosen.count
    values = tuple([_command_value(place, owner, argument, value, count, envs) for argument, value in given])
    if not count:
        return
    if chosen is None:
        place.world.commands.set_all_dofs(mode, start, n_dofs, values)
    else:
        place.world.commands.set_dofs(mode, start, chosen, envs, values)


def _as_numbers(switches: Any) -> Any:
    """Truth values as 0 and 1; anything else as it is."""
    if isinstance(switches, torch.Tensor):
        return switches.to(torch.uint8) if switches.dtype is torch.bool else switches
    try:
        array = np.asarray(switches)
    except (ValueError, TypeError, RuntimeError, RecursionError):
        return switches
    return array.astype(np.uint8) if array.dtype.kind == "b" else switches


def _controls_of(place: Place, actuators: Selection) -> Selection:
    """The controls of these actuators of an entity."""
    from genesis.model import controls  # MuJoCo is imported with the first scene

    n = place.counts["controls"]
    if actuators.is_all:
        return select_range(n, 0, n)
    if place.has_one_control_each:
        return actuators
    m, first = place.world.composed.mj_model, place.ranges.actuator_start
    found = controls.positions(m, first + actuators.positions()) - place.ranges.control_start
    return select(found, n, "ctrl", place.owner("control_actuators"), unique=True)


def _command_value(
    place: Place, owner: str, argument: str, value: Any, count: int, envs: Selection | None
) -> torch.Tensor:
    """A copy of a command's value, (count,) or (envs, count), with its graph."""
    world = place.world
    tensor = fit(world, read_tensor(world, value, argument, owner), envs, (count,), argument, owner)
    require_finite(tensor, argument, owner, command=True)
    with plain_tensors():
        tensor = tensor.clone()
    if tensor.requires_grad and tensor.ndim == 1 and world.n_envs > 1 and envs is None:
        # One row per env, so that the gradient of a command that holds is summed over the steps of each env first.
        return tensor.expand(world.n_envs, -1)
    return tensor


def _apply(
    place: Place, method: str, force: Any, torque: Any, links_idx_local: Any, envs_idx: Any, ref: str, local: bool
) -> None:
    chosen = place.select(method, "links", links_idx_local, unique=True)
    envs = place.select_envs(method, envs_idx, unique=True)
    first_link = place.ranges.link_start - 1
    apply_wrench(place.world, place.owner(method), first_link, chosen, envs, force, torque, ref, local)
