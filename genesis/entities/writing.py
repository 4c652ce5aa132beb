"""Setters of an entity's state: functional updates of the scene's state tensor, through which gradients pass."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from genesis import runtime
from genesis.entities.base import EntityBase
from genesis.entities.indexing import Selection, gather, read_flag, require_state, scatter, select, select_range
from genesis.entities.layout import Rotation
from genesis.entities.parameters import PARAMETERS
from genesis.errors import GenesisException
from genesis.math.rotation import quat_to_xyz, xyz_to_quat


class StateWriter(EntityBase):
    """What can be set of an entity's state. Each setter accepts a tensor with gradient and passes it on.

    A value has shape `(n,)`, used for every env, or `(n_envs, n)` with one row per env (per chosen env with
    `envs_idx`). `envs_idx` and the `*_idx_local` arguments choose a subset, each element once.

    Every setter raises GenesisException, before anything changes, for a call before `build()`, a wrong shape, NaN or
    infinite values and such as no simulation can mean (beyond 1e10, as in MuJoCo), an index out of range or given
    twice, and a tensor of another scene.
    """

    def set_qpos(
        self, qpos: Any, qs_idx_local: Any = None, envs_idx: Any = None, *, zero_velocity: bool = True
    ) -> None:
        """Set generalized positions [m, rad], ([n_envs,] n_qs).

        Quaternions may have any length but zero: they are normalised where they are used. `zero_velocity`: also put the
        velocities of all the entity's dofs to zero.
        """
        method = "set_qpos"
        entity = self._built(method)
        chosen = self._select(method, "qs_idx_local", qs_idx_local, self.n_qs, unique=True)
        envs = self._select_envs(method, envs_idx, unique=True)
        value = self._state_value(method, "qpos", qpos, (chosen.count,), envs, scalar=True)
        state = self._written(envs, (chosen, entity.q_start, value), zero_velocity)
        self._check_quaternions(method, state, envs)
        self._scene._set_state(state)

    def set_dofs_position(
        self, position: Any, dofs_idx_local: Any = None, envs_idx: Any = None, zero_velocity: bool = True
    ) -> None:
        """Set positions of dofs [m, rad], ([n_envs,] n_dofs).

        The rotational dofs of a free joint and those of a ball joint are extrinsic x-y-z Euler angles. When only some
        of the three are set, the others keep their present values. `zero_velocity`: also put the velocities of all
        the entity's dofs to zero.
        """
        method = "set_dofs_position"
        entity = self._built(method)
        chosen = self._select(method, "dofs_idx_local", dofs_idx_local, self.n_dofs, unique=True)
        envs = self._select_envs(method, envs_idx, unique=True)
        value = self._state_value(method, "position", position, (chosen.count,), envs, scalar=True)
        if not self._dof_layout.is_plain:
            chosen, value = self._qpos_of_dofs(chosen, envs, value)
        self._scene._set_state(self._written(envs, (chosen, entity.q_start, value), zero_velocity))

    def set_dofs_velocity(self, velocity: Any = None, dofs_idx_local: Any = None, envs_idx: Any = None) -> None:
        """Set velocities of dofs [m/s, rad/s], ([n_envs,] n_dofs); None: zero.

        MuJoCo's velocities: of a free joint linear in the world frame and angular in the body frame, of a ball joint in
        the body frame.
        """
        method = "set_dofs_velocity"
        entity = self._built(method)
        chosen = self._select(method, "dofs_idx_local", dofs_idx_local, self.n_dofs, unique=True)
        envs = self._select_envs(method, envs_idx, unique=True)
        value = self._state_value(
            method, "velocity", 0.0 if velocity is None else velocity, (chosen.count,), envs, scalar=True
        )
        self._scene._set_state(self._written(envs, (chosen, self._scene._nq + entity.dof_start, value), False))

    def zero_all_dofs_velocity(self, envs_idx: Any = None) -> None:
        """Put the velocities of all the entity's dofs to zero."""
        self._built("zero_all_dofs_velocity")
        envs = self._select_envs("zero_all_dofs_velocity", envs_idx, unique=True)
        self._scene._set_state(self._written(envs, None, zero_velocity=True))

    def set_pos(self, pos: Any, envs_idx: Any = None, *, zero_velocity: bool = True) -> None:
        """Set the position of the base link [m], world frame, ([n_envs,] 3).

        A free base: its three position qs. Any other base: the frame in which it sits in the world, which is the
        physical parameter `links_offset_pos` of the base link; the base's own joints, if it has any, act on top of
        it, and like every parameter it outlives `scene.reset()`. `zero_velocity`: also put the velocities of all the
        entity's dofs to zero.
        """
        self._set_base("set_pos", "pos", pos, 0, 3, envs_idx, zero_velocity)

    def set_quat(self, quat: Any, envs_idx: Any = None, *, zero_velocity: bool = True) -> None:
        """Set the orientation of the base link (w, x, y, z), world frame, ([n_envs,] 4); any length but zero.

        A free base: its four orientation qs. Any other base: the frame in which it sits in the world, which is the
        physical parameter `links_offset_quat` of the base link, as for `set_pos`.
        """
        self._set_base("set_quat", "quat", quat, 3, 4, envs_idx, zero_velocity)

    # -- helpers ------------------------------------------------------------------------------------------------------

    def _state_value(
        self, method: str, argument: str, given: Any, item: tuple[int, ...], envs: Selection | None, *, scalar: bool
    ) -> torch.Tensor:
        """Positions or velocities of shape `item` or (envs, *item), with their graph."""
        value = self._shaped(method, argument, given, item, envs, scalar=scalar)
        require_state(value, argument, self._owner(method))
        return value

    def _set_base(
        self, method: str, argument: str, given: Any, first: int, count: int, envs_idx: Any, zero_velocity: bool
    ) -> None:
        entity = self._built(method)
        zero_velocity = read_flag(zero_velocity, "zero_velocity", self._owner(method))
        envs = self._select_envs(method, envs_idx, unique=True)
        value = self._state_value(method, argument, given, (count,), envs, scalar=False)
        parameter = PARAMETERS[f"links_offset_{argument}"]
        if entity.is_free:
            if argument == "quat":
                self._scene._parameters.validate(parameter, value.unsqueeze(-2), self._owner(method), lambda _: "base")
            columns = select_range(self.n_qs, first, count)
            self._scene._set_state(self._written(envs, (columns, entity.q_start, value), zero_velocity))
            return
        self._scene._parameters.set(
            parameter,
            entity.link_start,
            select_range(self.n_links, 0, 1),
            envs,
            value.unsqueeze(-2),
            self._owner(method),
            lambda _: "the base link",
            source=given,
        )
        self._scene._set_state(self._written(envs, None, zero_velocity))

    def _written(
        self, envs: Selection | None, piece: tuple[Selection, int, torch.Tensor] | None, zero_velocity: bool
    ) -> torch.Tensor:
        """The state with one piece (columns, their offset, value) written, and the velocities zeroed if asked."""
        state = self._scene._state
        pieces = [] if piece is None else [piece]
        if read_flag(zero_velocity, "zero_velocity", self._name):
            dofs = select_range(self.n_dofs, 0, self.n_dofs)
            pieces.append((dofs, self._scene._nq + self.dof_start, state.new_zeros(self.n_dofs)))
        contiguous = envs is None and all(columns.ids is None for columns, _, _ in pieces)
        if contiguous and sum(columns.count for columns, _, _ in pieces) == state.shape[1]:
            # All of it is overwritten: nothing of the old state, whose graph may have been freed, is needed.
            return torch.cat([value.expand(state.shape[0], -1) for _, _, value in pieces], 1)
        for columns, offset, value in pieces:
            state = scatter(state, envs, columns, value, offset)
        return state

    def _check_quaternions(self, method: str, state: torch.Tensor, envs: Selection | None) -> None:
        layout = self._dof_layout
        if layout.is_plain:
            return
        rows = state.detach()[:, self.q_start : self.q_end]
        if envs is not None:
            rows = rows.index_select(0, envs.tensor())
        for rotation in layout.rotations:
            if bool((torch.linalg.vector_norm(rows.narrow(1, rotation.q, 4), dim=1) < runtime.EPS).any()):
                raise GenesisException(
                    f"{self._owner(method)}: `qpos` has a quaternion of length zero for joint '{rotation.joint}' (qs "
                    f"{rotation.q} to {rotation.q + 3}); the identity is (1, 0, 0, 0)."
                )

    def _qpos_of_dofs(
        self, chosen: Selection, envs: Selection | None, value: torch.Tensor
    ) -> tuple[Selection, torch.Tensor]:
        """The qs that the chosen dofs' positions determine, and their values, ([rows,] count)."""
        layout = self._dof_layout
        place = {int(dof): k for k, dof in enumerate(chosen.positions())}  # dof -> its column in `value`
        columns, qs = [], []
        linear = [(place[dof], q) for dof, q in zip(layout.linear_dofs, layout.linear_qs, strict=True) if dof in place]
        if linear:
            picked = torch.tensor([k for k, _ in linear], dtype=torch.int64, device=value.device)
            columns.append(value.index_select(-1, picked))
            qs += [q for _, q in linear]
        for rotation in layout.rotations:
            given = [place.get(rotation.dof + k) for k in range(3)]
            if any(k is not None for k in given):
                angles = self._angles(rotation, given, envs, value)
                columns.append(xyz_to_quat(angles))
                qs += range(rotation.q, rotation.q + 4)
        rows = max(column.ndim for column in columns) if columns else 1
        if rows == 2:
            count = max(column.shape[0] for column in columns if column.ndim == 2)
            columns = [column.expand(count, column.shape[-1]) for column in columns]
        joined = torch.cat(columns, -1) if columns else value
        order = np.argsort(qs)
        if (np.diff(order) != 1).any():
            joined = joined.index_select(-1, torch.as_tensor(order, device=joined.device))
        return select(sorted(qs), self.n_qs, "qs", self._name, unique=True), joined

    def _angles(
        self, rotation: Rotation, given: list[int | None], envs: Selection | None, value: torch.Tensor
    ) -> torch.Tensor:
        """Three Euler angles, ([rows,] 3): those given, and the present ones for the others."""
        if all(k is not None for k in given):
            return torch.stack([value[..., k] for k in given], -1)
        offset = self.q_start + rotation.q
        present = quat_to_xyz(gather(self._scene._state, envs, select_range(4, 0, 4), offset))
        rows = present.shape[0]
        columns = [present[:, i] if k is None else value[..., k].expand(rows) for i, k in enumerate(given)]
        return torch.stack(columns, -1)
