"""Controls of an entity: commands that the next steps run under. All are differentiable in their tensors."""

from __future__ import annotations

from typing import Any

import torch

from genesis.entities.base import EntityBase
from genesis.entities.commands import FORCE, POSITION, POSITION_VELOCITY, VELOCITY
from genesis.entities.indexing import Selection, fit, plain_tensors, read_tensor, require_finite
from genesis.entities.wrench import WrenchPoint, apply_wrench


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
        self._control("control_dofs_force", FORCE, (("force", force),), dofs_idx_local, envs_idx)

    def control_dofs_position(self, position: Any, dofs_idx_local: Any = None, envs_idx: Any = None) -> None:
        """Pull dofs to positions [m, rad], ([n_envs,] n_dofs): force kp (target - position) - kv velocity, clipped.

        The targets of the rotational dofs of a free or ball joint are extrinsic x-y-z Euler angles; the error is the
        rotation vector from the present orientation to the target, in the body frame.
        """
        self._control("control_dofs_position", POSITION, (("position", position),), dofs_idx_local, envs_idx)

    def control_dofs_velocity(self, velocity: Any, dofs_idx_local: Any = None, envs_idx: Any = None) -> None:
        """Pull dofs to velocities [m/s, rad/s], ([n_envs,] n_dofs): force kv (target - velocity), clipped."""
        self._control("control_dofs_velocity", VELOCITY, (("velocity", velocity),), dofs_idx_local, envs_idx)

    def control_dofs_position_velocity(
        self, position: Any, velocity: Any, dofs_idx_local: Any = None, envs_idx: Any = None
    ) -> None:
        """Pull dofs along a motion: force kp (position - present) + kv (velocity - present), clipped.

        `position` [m, rad] and `velocity` [m/s, rad/s]: ([n_envs,] n_dofs) each, as for the two controls alone.
        """
        given = (("position", position), ("velocity", velocity))
        self._control("control_dofs_position_velocity", POSITION_VELOCITY, given, dofs_idx_local, envs_idx)

    def control_actuators(self, ctrl: Any, actuators_idx_local: Any = None, envs_idx: Any = None) -> None:
        """Give the model file's own actuators their control signal, MuJoCo's `ctrl`, ([n_envs,] n_actuators).

        An actuator is idle (no force, no activation dynamics) until it is first commanded.
        """
        method = "control_actuators"
        entity = self._built(method)
        owner = self._owner(method)
        chosen = self._select(method, "actuators_idx_local", actuators_idx_local, self.n_actuators, unique=True)
        envs = self._select_envs(method, envs_idx, unique=True)
        value = self._command_value(owner, "ctrl", ctrl, chosen.count, envs)
        if chosen.count:
            self._scene._commands.set_actuators(entity.actuator_start, chosen, envs, value)

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
        self._apply_wrench("apply_links_external_force", force, None, links_idx_local, envs_idx, ref, local)

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
        self._apply_wrench("apply_links_external_torque", None, torque, links_idx_local, envs_idx, ref, local)

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
        self._apply_wrench("apply_links_external_wrench", force, torque, links_idx_local, envs_idx, ref, local)

    # -- helpers ------------------------------------------------------------------------------------------------------

    def _control(
        self, method: str, mode: int, given: tuple[tuple[str, Any], ...], dofs_idx_local: Any, envs_idx: Any
    ) -> None:
        entity = self._built(method)
        owner = self._owner(method)
        n_dofs = entity.dof_end - entity.dof_start
        everything = dofs_idx_local is None and envs_idx is None
        chosen = None if everything else self._select(method, "dofs_idx_local", dofs_idx_local, n_dofs, unique=True)
        envs = None if everything else self._select_envs(method, envs_idx, unique=True)
        count = n_dofs if chosen is None else chosen.count
        values = tuple([self._command_value(owner, argument, value, count, envs) for argument, value in given])
        if not count:
            return
        if chosen is None:
            self._scene._commands.set_all_dofs(mode, entity.dof_start, n_dofs, values)
        else:
            self._scene._commands.set_dofs(mode, entity.dof_start, chosen, envs, values)

    def _command_value(self, owner: str, argument: str, value: Any, count: int, envs: Selection | None) -> torch.Tensor:
        """A copy of a command's value, (count,) or (envs, count), with its graph."""
        scene = self._scene
        tensor = fit(scene, read_tensor(scene, value, argument, owner), envs, (count,), argument, owner)
        require_finite(tensor, argument, owner, command=True)
        with plain_tensors():
            tensor = tensor.clone()
        if tensor.requires_grad and tensor.ndim == 1 and scene.n_envs > 1 and envs is None:
            # One row per env, so that the gradient of a command that holds is summed over the steps of each env first.
            return tensor.expand(scene.n_envs, -1)
        return tensor

    def _apply_wrench(
        self, method: str, force: Any, torque: Any, links_idx_local: Any, envs_idx: Any, ref: str, local: bool
    ) -> None:
        self._built(method)
        n = self.n_links
        chosen = self._select(method, "links_idx_local", links_idx_local, n, unique=True)
        envs = self._select_envs(method, envs_idx, unique=True)
        apply_wrench(self._scene, self._owner(method), self.link_start, chosen, envs, force, torque, ref, local)
